"""Whole numbers for integer codes: masses in exact units, costs in units of 2^-40 of the largest."""

from __future__ import annotations

import numpy as np

SMALL = 2**6  # a cost of fewer units than this loses more than 1 % to rounding


def whole_masses(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """(a, b, unit): whole masses of equal total; exact for the problems of `bench.problems`."""
    fits = lambda k: all((w * 2.0**k == np.rint(w * 2.0**k)).all() for w in (a, b))  # noqa: E731
    bits = next((k for k in (20, 30, 40, 50) if fits(k)), 50)
    supply, demand = (np.rint(w * 2.0**bits).astype(np.int64) for w in (a, b))
    demand[np.argmax(demand)] += supply.sum() - demand.sum()
    return supply, demand, 2.0**-bits


def whole_costs(costs: np.ndarray) -> np.ndarray:
    """Costs as whole numbers.

    Raises
    ------
    ValueError
        If they span so much that small ones would be rounded away: the code would be given another problem.
    """
    top = float(np.abs(costs).max(initial=0.0))
    unit = top / 2.0**40 or 1.0
    small = np.abs(costs[costs != 0])
    if small.size and small.min() < SMALL * unit:
        raise ValueError(f"costs from {small.min():.1e} to {top:.1e} cannot be whole numbers of 41 bits")
    return np.rint(costs / unit).astype(np.int64)
