"""Which method solves which problem, by named preconditions, and why."""

from __future__ import annotations

import numpy as np

from transport._circle import Circle
from transport._cost import Matrix
from transport._grid import Grid
from transport._points import PointCloud
from transport._problem import Problem
from transport._solver.hubs import has_hubs
from transport._solver.memory import require
from transport._solver.tuning import TUNING, Tuning
from transport._sparse import SparseMatrix
from transport._tree_metric import TreeMetric

METHODS = ("auto", "line", "points", "matrix", "blocks", "sparse", "circle", "tree", "grid")
STORED = "a stored cost matrix"
SAMPLE = 64  # points of either side
NODE_BYTES = 1000  # measured: 400 MB at 2 x 10^5 nodes with the imports, 1.5 GB at 2 x 10^6

BLOCK_NODE_BYTES = 4000  # three vectors of 32 for each node and side, and the costs remembered


def choose(problem: Problem, method: str, tuning: Tuning = TUNING) -> tuple[str, str]:
    """(method, reason).

    Raises ValueError if ``method`` is forced on a problem it cannot solve, MemoryError if it would not fit.
    """
    method, reason = _choose(problem, method, tuning)
    n, m = _with_mass(problem)
    if method == "grid":
        n = m = problem.shape[0]
    if method in ("points", "blocks", "grid"):
        bytes_ = NODE_BYTES if method == "points" else BLOCK_NODE_BYTES
        require(bytes_ * (n + m), f"solving {n} x {m} points", "thin out or cluster the points")
    elif method == "matrix" and not isinstance(problem.cost, Matrix):
        require(8 * n * m, f"the cost matrix of {n} x {m} points", "leave method='auto': it stores no matrix")
    return method, reason


def _with_mass(problem: Problem) -> tuple[int, int]:
    """Numbers of sources and sinks that have something to ship or to take."""
    return int(np.count_nonzero(problem.a)), int(np.count_nonzero(problem.b))


def _few(problem: Problem, t: Tuning) -> int:
    """Pairs up to which storing them wins."""
    cloud = problem.cost
    if not isinstance(cloud, PointCloud):
        return t.stored_pairs
    plain = cloud.metric == "euclidean" and cloud.power in (1.0, 2.0)
    n, m = problem.shape
    if cloud.dim > t.low_dimensions:
        worth = t.stored_pairs < n * m <= t.stored_pairs_high
        if worth and (not plain or _is_uneven(cloud, t, clusters=True)):
            return t.stored_pairs_high
    if not t.stored_pairs < n * m <= t.medium_pairs:
        return t.stored_pairs
    if cloud.dim > t.high_dimensions or _is_uneven(cloud, t, clusters=False):
        return t.medium_pairs
    return t.medium_pairs if not plain and problem.has_equal_masses else t.stored_pairs


def _is_uneven(cloud: PointCloud, t: Tuning, *, clusters: bool) -> bool:
    """Whether some points are far from all others or (``clusters``) many so near that tiles cannot tell."""
    n, m = cloud.shape
    rows, cols = np.arange(SAMPLE) * n // SAMPLE, np.arange(SAMPLE) * m // SAMPLE
    few, typical = np.quantile(cloud.restrict(rows, cols).block(0, SAMPLE), (0.05, 0.5))
    far = t.uneven**cloud.power
    return bool(cloud.magnitude > far * typical or (clusters and typical > far * few))


def _choose(problem: Problem, method: str, t: Tuning) -> tuple[str, str]:
    cost = problem.cost
    n, m = _with_mass(problem)
    if method == "line" and not problem.is_one_dimensional:
        raise ValueError("method='line' needs a PointCloud on a line with a convex cost (power >= 1)")
    if method == "points" and not isinstance(cost, PointCloud):
        raise ValueError("method='points' needs a PointCloud cost")
    if method == "sparse" and not isinstance(cost, SparseMatrix):
        raise ValueError(
            "method='sparse' needs a scipy sparse cost, whose stored entries are the allowed arcs"
        )
    on_circle = isinstance(cost, Circle) and cost.is_convex
    if method == "circle" and not on_circle:
        raise ValueError("method='circle' needs a Circle cost with power >= 1")
    if method == "tree" and not isinstance(cost, TreeMetric):
        raise ValueError("method='tree' needs a TreeMetric cost")
    on_l1_grid = isinstance(cost, Grid) and cost.is_l1
    if method == "grid" and not on_l1_grid:
        raise ValueError("method='grid' needs a Grid with cost 'cityblock' and power 1")
    if method != "auto":
        return method, "asked for"
    if problem.is_one_dimensional:
        return "line", "points on a line, convex cost: the sorted coupling is optimal"
    if on_circle:
        return "circle", "points on a circle, convex cost: a shifted sorted coupling is optimal"
    if isinstance(cost, TreeMetric):
        return "tree", "a tree metric: every edge carries the difference of the masses on its two sides"
    if isinstance(cost, Matrix):
        return "matrix", STORED
    if isinstance(cost, SparseMatrix):
        return "sparse", f"{len(cost.data)} stored arcs of {n} x {m}"
    if n * m <= _few(problem, t):
        return "matrix", f"{n} x {m} costs: few enough to store"
    if has_hubs((n, m), t):
        return "matrix", f"{n} x {m} costs: one side is short, all of its arcs matter"
    if on_l1_grid and n + m >= t.grid_filled * cost.shape[0]:
        return "grid", f"l1 on a grid of {cost.shape[0]} cells: a flow between neighbours"
    if not isinstance(cost, PointCloud):
        return "blocks", f"{n} x {m} costs by a function: evaluated in strips, never stored"
    return "points", f"{n} x {m} points in dimension {cost.dim}: never stored"
