"""A small matrix in one kernel call: what the short road and the main road of `solve` share."""

from __future__ import annotations

import numpy as np

from transport._solver.forest import ends
from transport._solver.plan import is_small
from transport._solver.starts.line_costs import line_potential
from transport._solver.tuning import TUNING, Tuning

Shipped = tuple[int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def solve_at_once(
    c: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    g: np.ndarray | None = None,
    arcs: tuple[np.ndarray, np.ndarray] | None = None,
    budget: int | None = None,
    giants: bool = True,
    tuning: Tuning = TUNING,
) -> Shipped:
    """(code, pivots, rows, cols, mass, f, g); see `transport._kernels.simplex_dense.solve`.

    ``g`` and ``arcs`` (a forest that can ship these masses) are those of an earlier answer. Not ``giants``:
    leave it if the plan to start from needs giant costs; a pool does without.
    """
    from transport._kernels import simplex_dense as k

    shipped: Shipped
    warm = g is not None
    if g is not None and arcs is not None:
        limit = tuning.at_once_pivots * (len(a) + len(b))
        shipped = k.resume(c, a, b, arcs, g, limit, tuning.dense(tuning.giant))
        if shipped[0] == k.OPTIMAL:
            return shipped
        g, warm = None, False
    if g is None:
        g = line_potential(c, a, b, tuning)
    limit = max(tuning.at_once_least, tuning.at_once_pivots * (len(a) + len(b)))
    limit = limit if budget is None else min(limit, budget)
    limits = tuning.dense(np.inf if giants or is_small(c.shape, tuning) else tuning.giant)
    if g is None and len(a) > tuning.tall * len(b):
        start = np.zeros(len(a))
        code, pivots, cols, rows, mass, g, f = k.solve(
            np.ascontiguousarray(c.T), b, a, start, limit, limits, False
        )
        return code, pivots, rows, cols, mass, f, g
    shipped = k.solve(c, a, b, np.zeros(len(b)) if g is None else g, limit, limits, warm)
    return shipped


def ship_at_once(
    c: np.ndarray, a: np.ndarray, b: np.ndarray, limit: int, tuning: Tuning = TUNING
) -> tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray] | None:
    """(pivots, (rows, cols, flows), f, g) of the optimum for integer masses; None if it did not work out."""
    from transport._kernels import simplex_dense as k

    limit = min(limit, tuning.at_once_pivots * (len(a) + len(b)))
    code, pivots, parent, flow, f, g, _ = k.ship(
        c, a, b, np.zeros(len(b)), limit, tuning.dense(tuning.giant), False
    )
    if code != k.OPTIMAL:
        return None
    v = np.flatnonzero((parent < len(parent) - 1) & (flow > 0))
    return pivots, (*ends(len(a), parent, v), flow[v]), f, g
