"""A small matrix in one kernel call: what the short road and the main road of `solve` share."""

from __future__ import annotations

import numpy as np

from transport._solver.line_start import line_potential
from transport._solver.trees import ends

AT_ONCE = 1 << 18  # entries that one call may take on; its length is what Ctrl-C waits for
NODES_AT_ONCE = 2048
MEDIUM = 1 << 20  # the same once it is known that a slice has that long: 20 to 60 ms
PIVOTS_AT_ONCE = 24  # a node; it takes 3 to 15 where whole rows are the right thing to look at
ANYWAY = 1 << 14  # pivots: 5 ms
DISPROPORTION = 2.0**44
TALL = 4  # rows a column from which the matrix is transposed: short rows waste the vector passes

Shipped = tuple[int, int, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def is_small(shape: tuple[int, ...]) -> bool:
    """Whether a matrix of this shape is for `solve_at_once`."""
    return 0 < shape[0] * shape[1] <= AT_ONCE and shape[0] + shape[1] <= NODES_AT_ONCE


def is_medium(shape: tuple[int, ...]) -> bool:
    """Whether the main road should try `solve_at_once` first if it has no earlier answer."""
    return shape[0] * shape[1] <= MEDIUM and shape[0] + shape[1] <= 2 * NODES_AT_ONCE


def solve_at_once(
    c: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    *,
    g: np.ndarray | None = None,
    budget: int | None = None,
    giants: bool = True,
) -> Shipped:
    """(code, pivots, rows, cols, mass, f, g); see `transport._kernels.simplex_dense.solve`.

    Not ``giants``: leave it if the plan to start from needs costs out of all proportion; a pool does without.
    """
    from transport._kernels import simplex_dense as k

    shipped: Shipped
    warm = g is not None
    if g is None:
        g = line_potential(c, a, b)
    limit = max(ANYWAY, PIVOTS_AT_ONCE * (len(a) + len(b)))
    limit = limit if budget is None else min(limit, budget)
    proportion = np.inf if giants or is_small(c.shape) else DISPROPORTION
    if g is None and len(a) > TALL * len(b):
        start = np.zeros(len(a))
        code, pivots, cols, rows, mass, g, f = k.solve(
            np.ascontiguousarray(c.T), b, a, start, limit, proportion, False
        )
        return code, pivots, rows, cols, mass, f, g
    shipped = k.solve(c, a, b, np.zeros(len(b)) if g is None else g, limit, proportion, warm)
    return shipped


def ship_at_once(
    c: np.ndarray, a: np.ndarray, b: np.ndarray, limit: int
) -> tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray], np.ndarray, np.ndarray] | None:
    """(pivots, (rows, cols, flows), f, g) of the optimum for integer masses; None if it did not work out."""
    from transport._kernels import simplex_dense as k

    limit = min(limit, PIVOTS_AT_ONCE * (len(a) + len(b)))
    code, pivots, parent, flow, f, g, _ = k.ship(c, a, b, np.zeros(len(b)), limit, DISPROPORTION, False)
    if code != k.OPTIMAL:
        return None
    v = np.flatnonzero((parent < len(parent) - 1) & (flow > 0))
    return pivots, (*ends(len(a), parent, v), flow[v]), f, g
