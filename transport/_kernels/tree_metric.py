"""Trees: distances, c-transform, optimal plan and potentials, each in one or two walks (numba)."""

from __future__ import annotations

import numpy as np

from transport._kernels.double_double import add, add_below
from transport.internal import compiled


@compiled
def top_down(parents):
    """Nodes in an order with parents first; those on or below a cycle are missing."""
    k = parents.shape[0]
    first = np.zeros(k + 2, np.int64)  # children of v: child[first[v + 1]:first[v + 2]]; v = -1 has the root
    for v in range(k):
        first[parents[v] + 2] += 1
    for v in range(k + 1):
        first[v + 1] += first[v]
    place = first.copy()
    child = np.empty(k, np.int64)
    for v in range(k):
        child[place[parents[v] + 1]] = v
        place[parents[v] + 1] += 1
    order = np.empty(k, np.int64)
    t = 0
    for q in range(first[0], first[1]):
        order[t] = child[q]
        t += 1
    h = 0
    while h < t:
        v = order[h]
        h += 1
        for q in range(first[v + 1], first[v + 2]):
            order[t] = child[q]
            t += 1
    return order[:t].copy()


@compiled
def heavy_paths(parents, lengths, order):
    """(head, level, depth, rest): top of each node's heavy path; edges and length to the root."""
    k = parents.shape[0]
    size = np.ones(k, np.int64)
    for t in range(k - 1, 0, -1):
        size[parents[order[t]]] += size[order[t]]
    heavy = np.full(k, -1)
    for t in range(k - 1, 0, -1):
        v = order[t]
        p = parents[v]
        if heavy[p] < 0 or size[v] > size[heavy[p]]:
            heavy[p] = v
    head = np.arange(k)
    level = np.zeros(k, np.int64)
    depth = np.zeros(k)
    rest = np.zeros(k)
    for t in range(1, k):
        v = order[t]
        p = parents[v]
        if heavy[p] == v:
            head[v] = head[p]
        level[v] = level[p] + 1
        depth[v], rest[v] = add(depth[p], rest[p], lengths[v], 0.0)
    return head, level, depth, rest


@compiled
def distances(parents, lengths, paths, us, vs):
    """d(us, vs), each right to a few units in the last place."""
    head, level, depth, rest = paths
    out = np.empty(us.shape[0])
    for k in range(us.shape[0]):
        u = us[k]
        v = vs[k]
        while head[u] != head[v]:
            if level[head[u]] >= level[head[v]]:
                u = parents[head[u]]
            else:
                v = parents[head[v]]
        top = u if level[u] <= level[v] else v
        u = us[k]
        v = vs[k]
        high, low = add(depth[u], rest[u], depth[v], rest[v])
        d = (high - 2.0 * depth[top]) + (low - 2.0 * rest[top])
        if d < 2.0**-30 * high and u != v:  # edge by edge
            high = 0.0
            low = 0.0
            while u != top:
                high, low = add(high, low, lengths[u], 0.0)
                u = parents[u]
            while v != top:
                high, low = add(high, low, lengths[v], 0.0)
                v = parents[v]
            d = high + low
        out[k] = d
    return out


@compiled
def lowest(parents, lengths, order, at, v):
    """min_i d(node, at[i]) - v[i] for every node, or a little less, in double-double: (high, low)."""
    k = parents.shape[0]
    high = np.full(k, np.inf)
    low = np.zeros(k)
    for i in range(at.shape[0]):
        high[at[i]] = min(high[at[i]], -v[i])
    for t in range(k - 1, 0, -1):
        w = order[t]
        p = parents[w]
        if high[w] < np.inf:
            h, e = add_below(high[w], low[w], lengths[w])
            if h < high[p] or (h == high[p] and e < low[p]):
                high[p], low[p] = h, e
    for t in range(1, k):
        w = order[t]
        p = parents[w]
        h, e = add_below(high[p], low[p], lengths[w])
        if h < high[w] or (h == high[w] and e < low[w]):
            high[w], low[w] = h, e
    return high, low


@compiled
def couple(parents, lengths, order, x, y, a, b):
    """(parent, u): an optimal plan as a forest for `forests.peel`, and its potential on the nodes.

    Leaves first, whatever sources and sinks meet at a node are matched; the rest, all of one kind, goes up.
    So every edge is used in one direction only, and u rises by its length against that direction; no edge
    sees u change by more than its length, hence u_x - u_y <= d(x, y), with equality along the plan. Every
    match exhausts a source or a sink, which then becomes a child of the other: the plan is a forest.
    ``parents`` may be a forest too (-1: a root) if masses balance in each of its trees.
    """
    k = parents.shape[0]
    n = x.shape[0]
    N = n + y.shape[0]
    first = np.full((2, k), -1)  # queues of sources and of sinks waiting at every node
    last = np.full((2, k), -1)
    after = np.full(N, -1)
    left = np.empty(N, np.int64)
    for q in range(N - 1, -1, -1):
        side = 0 if q < n else 1
        v = x[q] if q < n else y[q - n]
        left[q] = a[q] if q < n else b[q - n]
        after[q] = first[side, v]
        first[side, v] = q
        if last[side, v] < 0:
            last[side, v] = q
    parent = np.full(N, N)
    flow = np.zeros(k, np.int8)
    for t in range(k - 1, -1, -1):
        v = order[t]
        while first[0, v] >= 0 and first[1, v] >= 0:
            i = first[0, v]
            j = first[1, v]
            moved = min(left[i], left[j])
            left[i] -= moved
            left[j] -= moved
            if left[i] == 0:
                first[0, v] = after[i]
                parent[i] = j
            if left[j] == 0:
                first[1, v] = after[j]
                if left[i] > 0:
                    parent[j] = i
        p = parents[v]
        if p < 0:
            continue
        for side in range(2):
            if first[side, v] >= 0:
                flow[v] = 1 - 2 * side
                if first[side, p] < 0:
                    first[side, p] = first[side, v]
                else:
                    after[last[side, p]] = first[side, v]
                last[side, p] = last[side, v]
    high = np.zeros(k)
    low = np.zeros(k)
    for t in range(k):
        v = order[t]
        p = parents[v]
        if p >= 0:
            high[v], low[v] = add(high[p], low[p], flow[v] * lengths[v], 0.0)
    return parent, high
