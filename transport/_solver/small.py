"""A small matrix in one kernel call: what the short road and the main road of `solve` share."""

from __future__ import annotations

import numpy as np

AT_ONCE = 1 << 18  # entries that one call may take on; its length is what Ctrl-C waits for
NODES_AT_ONCE = 2048
PIVOTS_AT_ONCE = 1 << 17
TALL = 4  # rows a column from which the matrix is transposed: short rows waste the vector passes

Shipped = tuple[int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether a matrix of this shape is for `solve_at_once`."""
    return 0 < shape[0] * shape[1] <= AT_ONCE and shape[0] + shape[1] <= NODES_AT_ONCE


def solve_at_once(
    c: np.ndarray, a: np.ndarray, b: np.ndarray, *, g: np.ndarray | None = None, limit: int = PIVOTS_AT_ONCE
) -> Shipped:
    """(code, pivots, rows, cols, mass, f, g); see `transport._kernels.simplex_dense.solve`."""
    from transport._kernels import simplex_dense as k

    shipped: Shipped
    if g is None and len(a) > TALL * len(b):
        start = np.zeros(len(a))
        code, pivots, cols, rows, mass, g, f = k.solve(np.ascontiguousarray(c.T), b, a, start, limit)
        return code, pivots, rows, cols, mass, f, g
    shipped = k.solve(c, a, b, np.zeros(len(b)) if g is None else g, limit)
    return shipped


def ship_at_once(
    c: np.ndarray, a: np.ndarray, b: np.ndarray, limit: int
) -> tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray] | None:
    """(pivots, (rows, cols, flows), f, g) of the optimum for integer masses; None if it did not work out."""
    from transport._kernels import simplex_dense as k

    code, pivots, parent, flow, f, g = k.ship(c, a, b, np.zeros(len(b)), min(limit, PIVOTS_AT_ONCE))
    if code != k.OPTIMAL:
        return None
    v = np.flatnonzero((parent < len(parent) - 1) & (flow > 0))
    p = parent[v]
    return pivots, (np.minimum(v, p), np.maximum(v, p) - len(a), flow[v]), f, g
