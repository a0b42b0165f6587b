"""Which arcs matter: all pairs whose share of a plan given by potentials exceeds e^-depth of a_i b_j."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport._cost import Cost, Matrix, row_blocks
from transport._nearest import Found
from transport._points import METRICS, PointCloud
from transport._sinkhorn.sides import Side
from transport._sparse import SparseMatrix
from transport.internal import run_chunks

Arcs = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(indptr, columns, (C - F - G) / reg), row by row."""

FIRST, GROWTH = 48, 4  # neighbours a search returns at first, and how many times more if these were not all
FEW = 1 / 128  # part of the pairs up to which arcs are found by search
TOGETHER = 4096  # rows searched together
SAMPLE = 192  # rows and columns of the problem that shows how full the plan is


def arcs_within(
    cost: Cost, sides: tuple[Side, Side], reg: float, fg: tuple[np.ndarray, np.ndarray], depth: float
) -> Arcs:
    """All arcs with (C - F - G) / reg - f - g <= depth, F and G the bases of ``sides``, ``fg`` in reg."""
    base = sides[0].base, sides[1].base
    if isinstance(cost, SparseMatrix):
        rows = np.repeat(np.arange(cost.shape[0]), np.diff(cost.indptr))
        return cost.indptr, cost.col, ((cost.data - base[0][rows]) - base[1][cost.col]) / reg
    if isinstance(cost, PointCloud) and _are_few(cost, base, reg, fg, depth):
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
    from transport._kernels import entropic_arcs as k

    n, m = cost.shape
    f, g = fg
    blocks = list(row_blocks(n, m, 1 << 18))
    counts = np.zeros(n, np.int64)
    threads = isinstance(cost, Matrix | PointCloud)

    def each(task: Any) -> None:
        def work(first: int, last: int) -> None:
            for start, stop in blocks[first:last]:
                task(cost.block(start, stop), (start, stop))

        run_chunks(work, len(blocks), slice_size=1) if threads else work(0, len(blocks))

    each(lambda c, rows: k.count_rows(c, base, reg, f, g, depth, rows, counts))
    indptr = np.concatenate([[0], np.cumsum(counts)])
    col, slack = np.empty(indptr[-1], np.int32), np.empty(indptr[-1])
    each(lambda c, rows: k.fill_rows(c, base, reg, f, g, depth, rows, indptr, col, slack))
    return indptr, col, slack


def _are_few(
    cost: PointCloud, base: tuple[np.ndarray, np.ndarray], reg: float, fg: tuple[np.ndarray, np.ndarray],
    depth: float,
) -> bool:  # fmt: skip
    """Whether a search for the arcs of a row, about 100 times a look at a pair each, is the shorter way."""
    n, m = cost.shape
    if n * m <= 1 << 22:
        return False
    rows = np.unique(np.linspace(0, n - 1, 64).astype(int))
    c = np.concatenate([cost.block(i, i + 1) for i in rows])
    near = (c - (base[0] + reg * fg[0])[rows, None]) - (base[1] + reg * fg[1]) <= depth * reg
    return float(near.mean()) <= FEW


def _near_points(
    cost: PointCloud, base: tuple[np.ndarray, np.ndarray], reg: float, fg: tuple[np.ndarray, np.ndarray],
    depth: float,
) -> Arcs:  # fmt: skip
    """By the search structure of the points: only pairs near the limit are looked at, some rows at a time."""
    n, m = cost.shape
    u, v = base[0] + reg * fg[0], base[1] + reg * fg[1]
    metric, factor = METRICS.index(cost.metric), cost._factor
    fitted = cost.tree_y.fit((v / factor)[cost.tree_y.order])
    limit = u / factor + depth * reg / factor
    size, pieces = FIRST, []
    for start, stop in row_blocks(n, 1, TOGETHER):
        while True:
            found = fitted.search(
                cost.x[start:stop], size, metric=metric, power=cost.power, limit=limit[start:stop]
            )
            most = int(found.counts.max())
            if most < size or size >= m:
                break
            size *= GROWTH
        pieces.append(_in_rows(cost, base, reg, found, start))
        size = min(max(FIRST, most + most // 2), m)
    indptr = np.concatenate([[0], np.cumsum(np.concatenate([piece[0] for piece in pieces]))])
    return indptr, np.concatenate([p[1] for p in pieces]), np.concatenate([p[2] for p in pieces])


def _in_rows(
    cost: PointCloud, base: tuple[np.ndarray, np.ndarray], reg: float, found: Found, start: int
) -> Arcs:
    """(counts, columns, slack) of what was found for the rows from ``start``, columns ascending."""
    from transport._kernels.entropic_arcs import near_rows

    counts = found.counts.astype(np.int64)
    indptr = np.concatenate([[0], np.cumsum(counts)])
    col = np.empty(indptr[-1], np.int32)
    near_rows(found.cols, counts, cost.tree_y.order, 0, indptr, col)
    rows, cols = np.repeat(np.arange(start, start + len(counts)), counts), col.astype(np.int64)
    return counts, col, ((cost.entries(rows, cols) - base[0][rows]) - base[1][cols]) / reg


def fullness(slack: np.ndarray, reg: float, depth: float) -> float:
    """Part of the pairs of a sample that matter."""
    return float((slack <= depth * reg).mean())
