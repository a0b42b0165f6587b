"""SciPy: linear programming, assignment, the line, samples in space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bench.solvers import Task, solver

SCIPY = {"package": "scipy"}


def _program(task: Task) -> tuple[Any, Any, Any, Any]:
    from scipy import sparse

    n, m = task.matrix.shape
    rows = sparse.kron(sparse.eye_array(n), np.ones((1, m)))
    columns = sparse.kron(np.ones((1, n)), sparse.eye_array(m))
    allowed = ~np.isposinf(task.matrix).ravel()
    costs = np.where(allowed, task.matrix.ravel(), 0.0)
    bounds = np.column_stack([np.zeros(n * m), np.where(allowed, np.inf, 0.0)])
    return costs, sparse.vstack([rows, columns]).tocsr(), np.concatenate([task.a, task.b]), bounds


def _linprog(method: str) -> Callable[[Task], Callable[[], Any]]:
    def prepare(task: Task) -> Callable[[], Any]:
        from scipy import optimize

        costs, matrix, sides, bounds = _program(task)

        def call() -> dict[str, Any]:
            found = optimize.linprog(costs, A_eq=matrix, b_eq=sides, bounds=bounds, method=method)
            if found.status != 0:
                raise RuntimeError(found.message)
            return {"value": found.fun, "plan": found.x.reshape(task.matrix.shape)}

        return call

    return prepare


linprog = solver("SciPy linprog", **SCIPY)(_linprog("highs"))
linprog_ipm = solver("SciPy linprog, IPM", **SCIPY)(_linprog("highs-ipm"))


@solver("SciPy linear_sum_assignment", **SCIPY, kinds=("assignment",))
def assignment(task: Task) -> Callable[[], Any]:
    """Rows to columns."""
    from scipy.optimize import linear_sum_assignment

    return lambda: {"plan": linear_sum_assignment(task.matrix)}


@solver("SciPy wasserstein_distance", **SCIPY, takes="line", where=lambda p: _first_power(p))
def line(task: Task) -> Callable[[], Any]:
    """W1 on the line."""
    from scipy.stats import wasserstein_distance

    x, y = task.x[:, 0].copy(), task.y[:, 0].copy()
    return lambda: {"value": float(wasserstein_distance(x, y, task.a, task.b))}


def _first_power(problem: Any) -> str:
    return "" if problem.metric == "euclidean" and problem.power == 1 else "W1 only"


@solver("SciPy wasserstein_distance_nd", **SCIPY, takes="points", where=lambda p: _first_power(p))
def space(task: Task) -> Callable[[], Any]:
    """W1 in space, a linear program of its own."""
    from scipy.stats import wasserstein_distance_nd

    return lambda: {"value": float(wasserstein_distance_nd(task.x, task.y, task.a, task.b))}
