"""A small matrix from costs to plan: the steps of `columns`, straight through, without objects or slices.

Plain Python between a dozen kernels that the general path compiles anyway: one more big compiled function
would save 30 microseconds a solve and cost four seconds of the first call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_Pool = tuple[np.ndarray, np.ndarray, np.ndarray]
SHORTLIST = 8
PER_ROW = 8
MAX_ROUNDS = 50
DISPROPORTION = 2.0**44


@dataclass(frozen=True, eq=False)
class Shipped:
    """What `solve_small` returns; not ``done``: the limit was reached, or the general path is needed."""

    done: bool
    rows: np.ndarray
    cols: np.ndarray
    mass: np.ndarray
    f: np.ndarray
    g: np.ndarray
    pivots: int
    rounds: int
    arcs: int


def solve_small(
    c: np.ndarray,
    units: tuple[np.ndarray, np.ndarray],
    masses: tuple[np.ndarray, np.ndarray],
    *,
    g: np.ndarray,
    magnitude: float,
    limit: int,
) -> Shipped:
    """Optimal transport for a finite n x m matrix ``c`` of ordinary magnitude.

    Parameters
    ----------
    c : ndarray, shape (n, m)
    units : (a, b), int64 of equal sums
    masses : (a, b), float64
    g : ndarray, shape (m,)
        Potentials to start from.
    magnitude : float
        Largest |c_ij|.
    limit : int
        Most pivots.
    """
    from transport._kernels import simplex_matrix, simplex_pool, simplex_tree

    n, m = c.shape
    rows, cols, f, g = _shortlist(c, g)
    indptr, col = simplex_pool.build_pool(n, m, rows, cols)
    tail = np.repeat(np.arange(n), np.diff(indptr))
    cost = (c[tail, col] - f[tail]) - g[col]
    order = simplex_pool.ascending(cost)
    positive = cost[order[len(order) // 4 :]]
    typical = positive[np.argmax(positive > 0)]
    left_a, left_b = units[0].copy(), units[1].copy()
    ids, flow = simplex_pool.greedy_flow(order, tail, col, left_a, left_b)
    tree_i, tree_j, tree_f, tree_c = tail[ids], col[ids].astype(np.int64), flow, cost[ids]
    over, under = np.flatnonzero(left_a), np.flatnonzero(left_b)
    if len(over):
        block = (c[over[:, None], under] - f[over, None]) - g[under]
        i, j, flow = simplex_pool.nearest_flow(block, over, under, left_a, left_b)
        extra = (c[i, j] - f[i]) - g[j]
        indptr, col, cost = simplex_pool.extend_pool(indptr, col, cost, i, j, extra)
        tree_i, tree_j = np.concatenate([tree_i, i]), np.concatenate([tree_j, j])
        tree_f, tree_c = np.concatenate([tree_f, flow]), np.concatenate([tree_c, extra])
    supply = np.concatenate([units[0], -units[1]])
    tree, slot = simplex_tree.plant(n, m, tree_i, tree_j, tree_f, tree_c, supply, 0.0)
    cursor = np.zeros(5, np.int64)
    worst, count = np.empty((n, min(PER_ROW, m)), np.int64), np.empty(n, np.int64)
    u, v, done, rounds = f, g, False, 0
    while rounds < MAX_ROUNDS and magnitude <= DISPROPORTION * typical:
        rounds += 1
        before = int(cursor[simplex_tree.PIVOTS])
        code = _pivot((indptr, col, cost), tree, slot, cursor, limit)
        height = tree[7][slot]
        u, v = f - height[:n], g + height[n:-1]
        if code != simplex_tree.OPTIMAL:
            break
        simplex_matrix.price_rows(c, u, v, 0, n, worst, count)
        if not count.any():
            done = True
            break
        if rounds > 1 and cursor[simplex_tree.PIVOTS] == before:
            break
        i, place = np.nonzero(np.arange(worst.shape[1]) < count[:, None])
        j = worst[i, place]
        indptr, col, cost = simplex_pool.extend_pool(indptr, col, cost, i, j, (c[i, j] - f[i]) - g[j])
    plan = _plan(n, m, tree[1], slot, masses)
    return Shipped(done, *plan, u, v, int(cursor[simplex_tree.PIVOTS]), rounds, len(col))


def _shortlist(c: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The nearest few of every row and column in reduced cost, and their minima as potentials."""
    from transport._kernels import simplex_matrix

    n, m = c.shape
    cols = np.zeros((n, min(SHORTLIST, m)), np.int64)
    in_row = np.empty(cols.shape)
    simplex_matrix.nearest_in_rows(c, g, 0, n, cols, in_row)
    f = in_row[:, 0].copy()
    rows = np.zeros((m, min(SHORTLIST, n)), np.int64)
    in_col = np.empty(rows.shape)
    simplex_matrix.nearest_in_cols(c, f, 0, m, rows, in_col)
    sources = np.concatenate([np.repeat(np.arange(n), cols.shape[1]), rows.ravel()])
    sinks = np.concatenate([cols.ravel(), np.repeat(np.arange(m), rows.shape[1])])
    return sources, sinks, f, in_col[:, 0].copy()


def _pivot(pool: _Pool, tree: tuple, slot: np.ndarray, cursor: np.ndarray, limit: int) -> int:
    """Until a pass over freshly computed potentials finds nothing, or ``limit`` pivots are done."""
    from transport._kernels import simplex_tree as k

    scratch = (*pool, np.empty(len(pool[1]), np.uint32))
    block = max(64, int(np.sqrt(len(pool[1]))))
    code = k.OPTIMAL
    for _ in range(8):
        before = int(cursor[k.PIVOTS])
        code = k.run(scratch, tree, slot, cursor, block, limit - before, 1 << 40)
        k.renumber(tree, slot)
        if code != k.OPTIMAL or cursor[k.PIVOTS] == before:
            break
    return int(code)


def _plan(
    n: int, m: int, up: np.ndarray, slot: np.ndarray, masses: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) on the basis, from the float masses; ``up``: the parent's slot of every slot."""
    from transport._kernels import simplex_pool

    node = np.empty(n + m + 1, np.int64)
    node[slot] = np.arange(n + m + 1)
    parent = node[up[slot]]
    mass = simplex_pool.peel(n, parent, *masses)
    v = np.flatnonzero((parent[:-1] < n + m) & (mass > 0))
    return np.minimum(v, parent[v]), np.maximum(v, parent[v]) - n, mass[v]
