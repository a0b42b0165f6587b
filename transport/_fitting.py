"""Potentials fitted to a plan: tight on a forest of its heaviest arcs, the trees at heights that fit.

Within a tree, f_i + g_j = C_ij leaves one constant free. Between the trees r and s, f_i + g_j <= C_ij asks
that h_s - h_r <= W_rs, the least C_ij - f_i - g_j from r to s: shortest paths (Bellman and Ford), without a
negative cycle if and only if the forest is part of an optimal plan.
"""

from __future__ import annotations

import numpy as np

from transport._cost import row_blocks
from transport._problem import Coupling, Problem
from transport._solver.tuning import TUNING


def fitted_potentials(problem: Problem, coupling: Coupling) -> Coupling:
    """``coupling`` with potentials fitted to its plan, 0 where there is no mass; they may not be feasible."""
    from transport._kernels.forests import balanced_potentials

    n, m = problem.shape
    rows, cols, mass = coupling.rows, coupling.cols, coupling.mass
    cost = problem.cost.entries(rows, cols)
    keep = _forest(np.where(np.isfinite(cost), mass, 0.0), rows, cols, n, m)
    rows, cols, cost = rows[keep], cols[keep], cost[keep]
    f, g = balanced_potentials(rows, cols, cost, problem.a, problem.b)
    f[problem.a == 0], g[problem.b == 0] = 0.0, 0.0
    tree = _trees(rows, cols, n, m)
    if len(np.unique(tree[: n + m])) > 1 and n * m <= TUNING.fit_pairs:
        h = _heights(problem, tree, f, g)
        h -= h[tree[problem.a.argmax()]]  # the heaviest stays where its digits are
        f, g = f - h[tree[:n]], g + h[tree[n:]]
    return coupling._replace(f=f, g=g)


def _forest(mass: np.ndarray, rows: np.ndarray, cols: np.ndarray, n: int, m: int) -> np.ndarray:
    """Arcs of a spanning forest of the arcs with mass, heavy ones first."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import minimum_spanning_tree

    order = np.argsort(-mass, kind="stable")
    order = order[mass[order] > 0]
    if not len(order):
        return order
    rank = np.arange(1.0, len(order) + 1)
    flat = rows[order] * np.int64(m) + cols[order]
    _, first = np.unique(flat, return_index=True)  # parallel arcs would be added up
    order, rank = order[first], rank[first]
    graph = coo_array((rank, (rows[order], n + cols[order])), shape=(n + m, n + m)).tocsr()
    place = np.empty(int(rank.max()) + 1, np.int64)
    place[rank.astype(np.int64)] = order
    return place[minimum_spanning_tree(graph).data.astype(np.int64)]


def _trees(rows: np.ndarray, cols: np.ndarray, n: int, m: int) -> np.ndarray:
    """The tree of every source and of every sink."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(rows)), (rows, n + cols)), shape=(n + m, n + m))
    return np.asarray(connected_components(graph, directed=False)[1])


def _heights(problem: Problem, tree: np.ndarray, f: np.ndarray, g: np.ndarray) -> np.ndarray:
    """h with h_s - h_r <= W_rs, as far as a few rounds go."""
    n, m = problem.shape
    sources, sinks = np.flatnonzero(problem.a), np.flatnonzero(problem.b)
    by_sink = sinks[np.argsort(tree[n + sinks], kind="stable")]
    ends, starts = np.unique(tree[n + by_sink], return_index=True)
    count = int(tree.max()) + 1
    apart = np.full((count, count), np.inf)
    for start, stop in row_blocks(n, m):
        inside = sources[(sources >= start) & (sources < stop)]
        if len(inside):
            block = problem.cost.block(start, stop)[inside - start]
            reduced = ((block - f[inside, None]) - g)[:, by_sink]
            least = np.minimum.reduceat(reduced, starts, axis=1)
            for r, row in zip(tree[inside], least):
                apart[r, ends] = np.minimum(apart[r, ends], row)
    np.fill_diagonal(apart, 0.0)
    h = np.zeros(count)
    for _ in range(min(count, TUNING.fit_rounds)):
        new = np.min(h[:, None] + apart, axis=0)
        if np.array_equal(new, h):
            break
        h = new
    return h
