"""Forests of arcs (rows, cols) between n sources and m sinks (numba).

Node v < n is source v, node n + j is sink j, node n + m the root that trees hang from. ``parent`` holds the
parent of every node, that of the root being anything.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.double_double import add
from transport.internal import compiled


@compiled
def grouped(keys, count):
    """(start, items): items[start[q]:start[q + 1]] are those of key q, in their order."""
    start = np.zeros(count + 1, np.int64)
    for k in range(len(keys)):
        start[keys[k] + 1] += 1
    for q in range(count):
        start[q + 1] += start[q]
    place = start[:count].copy()
    items = np.empty(len(keys), np.int64)
    for k in range(len(keys)):
        items[place[keys[k]]] = k
        place[keys[k]] += 1
    return start, items


@compiled
def adjacency(n, m, rows, cols):
    """(start, arcs): arcs[start[v]:start[v + 1]] are those at v; the other end is rows + n + cols - v."""
    start = np.zeros(n + m + 1, np.int64)
    for k in range(len(rows)):
        start[rows[k] + 1] += 1
        start[n + cols[k] + 1] += 1
    for v in range(n + m):
        start[v + 1] += start[v]
    place = start[: n + m].copy()
    arcs = np.empty(2 * len(rows), np.int64)
    for k in range(len(rows)):
        arcs[place[rows[k]]] = k
        place[rows[k]] += 1
        arcs[place[n + cols[k]]] = k
        place[n + cols[k]] += 1
    return start, arcs


@compiled
def forest_parents(n, m, rows, cols):
    """``parent`` of the forest with arcs (rows, cols); every tree hangs from its first node."""
    start, arcs = adjacency(n, m, rows, cols)
    root = n + m
    parent = np.full(root + 1, -1)
    parent[root] = root
    queue = np.empty(root, np.int64)
    for first in range(root):
        if parent[first] >= 0:
            continue
        parent[first] = root
        queue[0] = first
        h = 0
        t = 1
        while h < t:
            v = queue[h]
            h += 1
            for q in range(start[v], start[v + 1]):
                w = rows[arcs[q]] + n + cols[arcs[q]] - v
                if parent[w] < 0:
                    parent[w] = v
                    queue[t] = w
                    t += 1
    return parent


@compiled
def children_first(parent):
    """All nodes but the root, the last one, in an order in which children come before their parents."""
    N = len(parent) - 1
    children = np.zeros(N + 1, np.uint32)
    for v in range(N):
        children[parent[v]] += np.uint32(1)
    order = np.empty(N, np.uint32)
    t = 0
    for v in range(N):
        if children[v] == 0:
            order[t] = v
            t += 1
    for h in range(N):
        p = parent[order[h]]
        children[p] -= np.uint32(1)
        if children[p] == 0 and p != N:
            order[t] = p
            t += 1
    return order


@compiled
def peel(n, parent, a, b):
    """Flows of a forest from its leaves, in double-double, for the masses a of sources and b of sinks.

    What a tree lacks to balance (rounding of the totals) is taken from its heaviest node. Returns the flow
    between v and parent[v], negative if the forest is not feasible for these masses.
    """
    N = len(parent) - 1
    order = children_first(parent)
    top = np.empty(N, np.int64)
    heavy = np.full(N, -1, np.int64)
    hi = np.empty(N + 1)
    lo = np.zeros(N + 1)
    sum_hi = np.zeros(N)
    sum_lo = np.zeros(N)
    for h in range(N - 1, -1, -1):
        v = order[h]
        top[v] = v if parent[v] == N else top[parent[v]]
        t = top[v]
        hi[v] = a[v] if v < n else -b[v - n]
        sum_hi[t], sum_lo[t] = add(sum_hi[t], sum_lo[t], hi[v], 0.0)
        if heavy[t] < 0 or abs(hi[v]) > abs(hi[heavy[t]]):
            heavy[t] = v
    for v in range(N):
        if parent[v] == N:
            w = heavy[v]
            hi[w], lo[w] = add(hi[w], lo[w], -sum_hi[v], -sum_lo[v])
    flow = np.zeros(N)
    for h in range(N):
        v = order[h]
        p = parent[v]
        if p != N:
            flow[v] = hi[v] if v < n else -hi[v]
            hi[p], lo[p] = add(hi[p], lo[p], hi[v], lo[v])
    return flow


@compiled
def balanced_potentials(rows, cols, cost, a, b):
    """(f, g) with f_i + g_j = c on a forest of arcs, each tree at the height where its sum of mass |f|, |g|
    is least: its weighted median. Sums along paths are taken in double-double.
    """
    n = len(a)
    N = n + len(b)
    start, arcs = adjacency(n, N - n, rows, cols)
    height = np.zeros(N)  # -f of sources, g of sinks: neighbours differ by their cost
    low = np.zeros(N)
    seen = np.zeros(N, np.bool_)
    tree = np.empty(N, np.int64)
    for first in range(N):
        if seen[first]:
            continue
        seen[first] = True
        tree[0] = first
        h = 0
        t = 1
        total = 0.0
        while h < t:
            v = tree[h]
            h += 1
            total += a[v] if v < n else b[v - n]
            for q in range(start[v], start[v + 1]):
                k = arcs[q]
                w = rows[k] + n + cols[k] - v
                if not seen[w]:
                    seen[w] = True
                    tree[t] = w
                    t += 1
                    c = cost[k] if v < n else -cost[k]
                    height[w], low[w] = add(height[v], low[v], c, 0.0)
        order = np.argsort(height[tree[:t]])
        half = 0.0
        s = 0
        while s < t - 1:
            v = tree[order[s]]
            half += a[v] if v < n else b[v - n]
            if 2.0 * half >= total:
                break
            s += 1
        top = tree[order[s]]
        hi = height[top]
        lo = low[top]
        for s in range(t):
            v = tree[s]
            height[v], low[v] = add(height[v], low[v], -hi, -lo)
    return -height[:n], height[n:].copy()
