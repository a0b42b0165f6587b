"""Which arcs matter: all pairs whose share of a plan given by potentials exceeds e^-depth of a_i b_j."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport._cost import Cost, Matrix, row_blocks
from transport._points import METRICS, PointCloud
from transport._sinkhorn.sides import Side
from transport._sparse import SparseMatrix
from transport.internal import run_chunks

Arcs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(indptr, columns, (C - F - G) / reg), row by row."""

FIRST, GROWTH = (
    48,
    4,
)  # neighbours a search returns at first, and how many times more where these were not all
SAMPLE = 192  # rows and columns of the problem that shows how full the plan is


def arcs_within(
    cost: Cost, sides: tuple[Side, Side], reg: float, fg: tuple[np.ndarray, np.ndarray], depth: float
) -> Arcs:
    """All arcs with (C - F - G) / reg - f - g <= depth, F and G the bases of ``sides``, ``fg`` in reg."""
    base = sides[0].base, sides[1].base
    if isinstance(cost, SparseMatrix):
        rows = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
        return cost.indptr, cost.col, ((cost.data - base[0][rows]) - base[1][cost.col]) / reg
    if isinstance(cost, PointCloud) and cost.shape[0] * cost.shape[1] > 1 << 22:
        return _near_points(cost, base, reg, fg, depth)
    return _scanned(cost, base, reg, fg, depth)


def _scanned(
    cost: Cost,
    base: tuple[np.ndarray, np.ndarray],
    reg: float,
    fg: tuple[np.ndarray, np.ndarray],
    depth: float,
) -> Arcs:
    """By a look at every pair, twice: memory is what the arcs take."""
    from transport._kernels import entropic as k

    n, m = cost.shape
    f, g = fg
    blocks = list(row_blocks(n, m, 1 << 18))
    counts = np.zeros(n, np.int64)
    threads = isinstance(cost, Matrix)

    def each(task: Any) -> None:
        def work(first: int, last: int) -> None:
            for start, stop in blocks[first:last]:
                task(cost.block(start, stop), (start, stop))

        run_chunks(work, len(blocks), slice_size=1) if threads else work(0, len(blocks))

    each(lambda c, rows: k.count_rows(c, base, reg, f, g, depth, rows, counts))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    col, slack = np.empty(indptr[-1], np.int64), np.empty(indptr[-1])
    each(lambda c, rows: k.fill_rows(c, base, reg, f, g, depth, rows, indptr, col, slack))
    return indptr, col, slack


def _near_points(
    cost: PointCloud, base: tuple[np.ndarray, np.ndarray], reg: float, fg: tuple[np.ndarray, np.ndarray],
    depth: float,
) -> Arcs:  # fmt: skip
    """By the search structure of the points: only pairs near the limit are looked at."""
    n, m = cost.shape
    u, v = base[0] + reg * fg[0], base[1] + reg * fg[1]
    metric, factor = METRICS.index(cost.metric), cost._factor
    tree, queries = cost.tree_y, cost.tree_x
    fitted = tree.fit((v / factor)[tree.order])
    limit = (u / factor + depth * reg / factor)[queries.order]
    left, size = np.arange(n), FIRST
    found_rows, found_cols = [], []
    while len(left):
        found = fitted.search(queries.points[left], size, metric=metric, power=cost.power, limit=limit[left])
        done = (found.counts < size) | (size >= m)
        take = np.arange(found.cols.shape[1]) < np.where(done, found.counts, 0)[:, None]
        rows, which = np.nonzero(take)
        found_rows.append(queries.order[left[rows]])
        found_cols.append(tree.order[found.cols[rows, which]])
        left, size = left[~done], size * GROWTH
    rows, cols = np.concatenate(found_rows), np.concatenate(found_cols)
    order = np.lexsort((cols, rows))
    rows, cols = rows[order], cols[order]
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    slack = ((cost.entries(rows, cols) - base[0][rows]) - base[1][cols]) / reg
    return indptr, cols, slack


def fullness(slack: np.ndarray, reg: float, depth: float) -> float:
    """Part of the pairs of a sample that matter."""
    return float((slack <= depth * reg).mean())
