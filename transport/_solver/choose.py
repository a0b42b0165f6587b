"""Which method solves which problem, by named preconditions, and why."""

from __future__ import annotations

from transport._points import PointCloud
from transport._problem import Problem
from transport._solver.memory import require

METHODS = ("auto", "line", "points", "matrix")
FEW = 1 << 18  # pairs up to which the stored matrix wins over building trees
NODE_BYTES = 1000  # measured: 400 MB at 2 x 10^5 nodes with the imports, 1.5 GB at 2 x 10^6


def choose(problem: Problem, method: str) -> tuple[str, str]:
    """(method, reason).

    Raises ValueError if ``method`` is forced on a problem it cannot solve, MemoryError if it would not fit.
    """
    method, reason = _choose(problem, method)
    n, m = problem.shape
    if method == "points":
        require(NODE_BYTES * (n + m), f"solving {n} x {m} points", "thin out or cluster the points")
    elif method == "matrix" and isinstance(problem.cost, PointCloud):
        require(8 * n * m, f"the cost matrix of {n} x {m} points", "leave method='auto': it stores no matrix")
    return method, reason


def _choose(problem: Problem, method: str) -> tuple[str, str]:
    cost = problem.cost
    n, m = problem.shape
    if method == "line" and not problem.is_one_dimensional:
        raise ValueError("method='line' needs a PointCloud on a line with a convex cost (power >= 1)")
    if method == "points" and not isinstance(cost, PointCloud):
        raise ValueError("method='points' needs a PointCloud cost")
    if method != "auto":
        return method, "asked for"
    if problem.is_one_dimensional:
        return "line", "points on a line, convex cost: the sorted coupling is optimal"
    if not isinstance(cost, PointCloud):
        return "matrix", "a stored cost matrix"
    if n * m <= FEW:
        return "matrix", f"{n} x {m} costs: few enough to store"
    return "points", f"{n} x {m} points in dimension {cost.dim}: never stored"
