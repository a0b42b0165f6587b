"""The short road of `transport.solve`: a small, ordinary problem in three kernel calls.

Around the same kernels the main road spends 30 microseconds on Python (200 when the caches are cold), as much
as 50 x 50 costs take to solve. Whatever is unusual (other libraries and types, forbidden arcs that
get in the way, masses of 0, limits, a gap above ``tol``, any error) is left to the main road.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from transport._answer import Arcs, Status
from transport._cost import Matrix
from transport._problem import Problem
from transport._solution import Solution
from transport._solver.at_once import solve_at_once
from transport._solver.plan import CLOSED, STORED, Step, at_once, is_small
from transport._solver.tuning import TUNING

_FLOAT64 = np.dtype(np.float64)
_ONLY = (Step("start", "none", "nothing to search"), Step("core", CLOSED, "the product of the masses"))


def solve_small(cost: Any, a: Any, b: Any, *, tol: float, start: float) -> Solution | None:
    """The answer, certified to ``tol``, or None."""
    if not (type(cost) is type(a) is type(b) is np.ndarray):
        return None
    if not (cost.dtype is a.dtype is b.dtype is _FLOAT64 and cost.ndim == 2 and a.ndim == b.ndim == 1):
        return None
    shape = len(a), len(b)
    single = 1 in shape
    if cost.shape != shape or not (is_small(shape) or single):
        return None
    if not (cost.flags.carray and a.flags.carray and b.flags.carray):
        return None
    from transport._kernels import certificate as proofs
    from transport._kernels import masses, simplex_dense

    fit, b = masses.balanced(a, b)
    if not fit:
        return None
    if single:
        pivots, (rows, cols, mass, f) = 0, _only_plan(cost, a, b)
        reason, path = "one source or one sink: there is one plan", _ONLY
    else:
        code, pivots, rows, cols, mass, f, g = solve_at_once(cost, a, b)
        if code != simplex_dense.OPTIMAL:
            return None
        reason, path = STORED, at_once(shape, TUNING.at_once_pairs, TUNING.at_once_nodes)
    sound, g, (value, lower, upper, _, _, _, error, _) = proofs.prove(cost, f, rows, cols, mass, a, b)
    if not (sound and upper - lower <= tol * abs(upper)):
        return None
    return Solution(
        value=value,
        arcs=Arcs(rows, cols, mass, shape, cost),
        duals=(f, g),
        lower_bound=lower,
        upper_bound=upper,
        marginal_error=error,
        status=Status.OPTIMAL,
        n_iter=pivots,
        elapsed=time.perf_counter() - start,
        stats={
            "method": "matrix",
            "reason": reason,
            "pivots": pivots,
            "rounds": 1,
            "arcs": cost.size,
            "stalls": 0,
            "path": path,
        },
        problem=Problem(Matrix(cost), a, b),
    )


def _only_plan(
    cost: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass, f) where one side has one atom: every arc carries its other end's mass."""
    zeros, order = np.zeros(max(cost.shape), np.int64), np.arange(max(cost.shape), dtype=np.int64)
    if len(a) == 1:
        return zeros, order, b, np.zeros(1)
    return order, zeros, a, cost[:, 0].copy()
