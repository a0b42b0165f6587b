"""P and Q as samplers: callables (n, rng) -> (n, d), distributions, or arrays (their empirical law)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from transport.internal import as_points, namespace, to_numpy

Sampler = Callable[[int, np.random.Generator], np.ndarray]
"""(n, rng) -> n independent draws, shape (n, d)."""

_XP = namespace(np.empty(0))


def as_sampler(P: Any, name: str) -> Sampler:
    """Independent draws from ``P``, validated.

    An array means the uniform law on its rows: draws are with replacement, so that bounds computed from them
    hold for that law.

    Raises
    ------
    TypeError
        If ``P`` is none of a callable, an object with ``rvs`` or ``sample``, or an array.
    ValueError
        If draws are not finite points of shape (n,) or (n, d).
    """
    if hasattr(P, "rvs"):
        draw: Sampler = lambda n, rng: P.rvs(size=n, random_state=rng)  # noqa: E731
    elif hasattr(P, "sample") and hasattr(P, "icdf"):
        draw = lambda n, rng: P.sample(n, rng=rng)  # noqa: E731
    elif hasattr(P, "__array__") or hasattr(P, "__dlpack__") or isinstance(P, (list, tuple)):
        atoms = np.ascontiguousarray(to_numpy(as_points(P, name, xp=namespace(P))))
        return lambda n, rng: atoms[rng.integers(len(atoms), size=n)]
    elif callable(P):
        draw = P
    else:
        raise TypeError(
            f"{name} is a {type(P).__name__}; "
            "pass a function (n, rng) -> draws, a frozen distribution, or an array"
        )

    def sampler(n: int, rng: np.random.Generator) -> np.ndarray:
        points = as_points(to_numpy(draw(n, rng)), f"draws of {name}", xp=_XP)
        if points.shape[0] != n:
            raise ValueError(f"{name} returned {points.shape[0]} draws when asked for {n}")
        return np.ascontiguousarray(points)

    return sampler
