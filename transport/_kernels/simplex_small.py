"""A small problem from matrix to plan in one call: the steps of `columns` without Python between them."""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.simplex_matrix import nearest_in_cols, nearest_in_rows, price_rows
from transport._kernels.simplex_pool import (
    ascending,
    build_pool,
    extend_pool,
    greedy_flow,
    nearest_flow,
    peel,
)
from transport._kernels.simplex_tree import OPTIMAL, PIVOTS, plant, renumber, run

SHORTLIST = 8
PER_ROW = 8
MAX_ROUNDS = 50


@njit(cache=True, nogil=True)
def ship_rest(c, f, g, left_a, left_b):
    """What the greedy flow left, each source to its cheapest open sink; (rows, cols, flows)."""
    over = np.empty(len(left_a), np.int64)
    under = np.empty(len(left_b), np.int64)
    k = 0
    for i in range(len(left_a)):
        if left_a[i] > 0:
            over[k] = i
            k += 1
    q = 0
    for j in range(len(left_b)):
        if left_b[j] > 0:
            under[q] = j
            q += 1
    block = np.empty((k, q))
    for s in range(k):
        for t in range(q):
            block[s, t] = (c[over[s], under[t]] - f[over[s]]) - g[under[t]]
    return nearest_flow(block, over[:k], under[:q], left_a, left_b)


@njit(cache=True, nogil=True)
def solve_small(c, units, masses, g, magnitude, limit):
    """Optimal transport for a finite n x m matrix ``c`` of ordinary magnitude.

    units = (a, b) int64 of equal sums, masses = (a, b) float64, g: potentials to start from. Returns (done,
    rows, cols, mass, f, g, (pivots, rounds, arcs)); not ``done``: ``limit`` pivots reached, or a problem
    for the general path (costs out of proportion, rounding that stalls).
    """
    a, b = units
    n, m = c.shape
    stats = np.zeros(3, np.int64)
    k = min(SHORTLIST, m)
    cols = np.empty((n, k), np.int64)
    in_row = np.empty((n, k))
    nearest_in_rows(c, g, 0, n, cols, in_row)
    f = in_row[:, 0].copy()
    k2 = min(SHORTLIST, n)
    rows = np.empty((m, k2), np.int64)
    in_col = np.empty((m, k2))
    nearest_in_cols(c, f, 0, m, rows, in_col)
    g = in_col[:, 0].copy()
    size = n * k + m * k2
    source = np.empty(size, np.int64)
    sink = np.empty(size, np.int64)
    e = 0
    for i in range(n):
        for q in range(k):
            source[e] = i
            sink[e] = cols[i, q]
            e += 1
    for j in range(m):
        for q in range(k2):
            source[e] = rows[j, q]
            sink[e] = j
            e += 1
    indptr, col = build_pool(n, m, source, sink)
    size = len(col)
    cost = np.empty(size)
    tail = np.empty(size, np.int64)
    for i in range(n):
        for e in range(indptr[i], indptr[i + 1]):
            tail[e] = i
            cost[e] = (c[i, col[e]] - f[i]) - g[col[e]]
    order = ascending(cost)
    typical = 0.0
    for t in range(size // 4, size):
        typical = cost[order[t]]
        if typical > 0:
            break
    left_a = a.copy()
    left_b = b.copy()
    ids, flow = greedy_flow(order, tail, col, left_a, left_b)
    more_i, more_j, more_f = ship_rest(c, f, g, left_a, left_b)
    more_c = np.empty(len(more_i))
    tree_i = np.empty(len(ids) + len(more_i), np.int64)
    tree_j = np.empty(len(tree_i), np.int64)
    tree_f = np.empty(len(tree_i), np.int64)
    tree_c = np.empty(len(tree_i))
    for t in range(len(ids)):
        tree_i[t] = tail[ids[t]]
        tree_j[t] = col[ids[t]]
        tree_f[t] = flow[t]
        tree_c[t] = cost[ids[t]]
    for t in range(len(more_i)):
        more_c[t] = (c[more_i[t], more_j[t]] - f[more_i[t]]) - g[more_j[t]]
        z = len(ids) + t
        tree_i[z] = more_i[t]
        tree_j[z] = more_j[t]
        tree_f[z] = more_f[t]
        tree_c[z] = more_c[t]
    indptr, col, cost = extend_pool(indptr, col, cost, more_i, more_j, more_c)
    supply = np.empty(n + m, np.int64)
    for v in range(n + m):
        supply[v] = a[v] if v < n else -b[v - n]
    tree, slot = plant(n, m, tree_i, tree_j, tree_f, tree_c, supply, 0.0)
    cursor = np.zeros(5, np.int64)
    pi = tree[7]
    fu = f.copy()
    gv = g.copy()
    done = False
    count = np.empty(n, np.int64)
    worst = np.empty((n, min(PER_ROW, m)), np.int64)
    for rounds in range(MAX_ROUNDS):
        if magnitude > 2.0**44 * typical:
            break
        head = np.empty(len(col), np.uint32)
        wide = max(64, int(np.sqrt(len(col))))
        before = cursor[PIVOTS]
        for _ in range(8):
            last = cursor[PIVOTS]
            code = run((indptr, col, cost, head), tree, slot, cursor, wide, limit - last, 1 << 40)
            renumber(tree, slot)
            if code != OPTIMAL or cursor[PIVOTS] == last:
                break
        for i in range(n):
            fu[i] = f[i] - pi[slot[i]]
        for j in range(m):
            gv[j] = g[j] + pi[slot[n + j]]
        stats[1] = rounds + 1
        stats[2] = len(col)
        if code != OPTIMAL:
            break
        price_rows(c, fu, gv, 0, n, worst, count)
        total = 0
        for i in range(n):
            total += count[i]
        if total == 0:
            done = True
            break
        if rounds > 0 and cursor[PIVOTS] == before:
            break
        new_i = np.empty(total, np.int64)
        new_j = np.empty(total, np.int64)
        new_c = np.empty(total)
        e = 0
        for i in range(n):
            for q in range(count[i]):
                new_i[e] = i
                new_j[e] = worst[i, q]
                new_c[e] = (c[i, worst[i, q]] - f[i]) - g[worst[i, q]]
                e += 1
        indptr, col, cost = extend_pool(indptr, col, cost, new_i, new_j, new_c)
    stats[0] = cursor[PIVOTS]
    N = n + m
    node = np.empty(N + 1, np.int64)
    for v in range(N + 1):
        node[slot[v]] = v
    parent = np.empty(N + 1, np.int64)
    for v in range(N + 1):
        parent[v] = node[tree[1][slot[v]]]
    shipped = peel(n, parent, masses[0], masses[1])
    out_i = np.empty(N, np.int64)
    out_j = np.empty(N, np.int64)
    out_m = np.empty(N)
    e = 0
    for v in range(N):
        p = parent[v]
        if p < N and shipped[v] > 0:
            out_i[e] = min(v, p)
            out_j[e] = max(v, p) - n
            out_m[e] = shipped[v]
            e += 1
    return done, out_i[:e], out_j[:e], out_m[:e], fu, gv, stats
