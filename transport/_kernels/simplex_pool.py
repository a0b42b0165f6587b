"""Pools of arcs in CSR form, and the basic flow the simplex starts from."""

from __future__ import annotations

import numpy as np

from transport._kernels.forests import adjacency, grouped
from transport.internal import compiled


@compiled
def build_pool(n, m, rows, cols):
    """CSR (indptr, col) of the distinct arcs, in order of first appearance within each row."""
    start, items = grouped(rows, n)
    distinct = np.empty(len(rows), np.uint32)
    mark = np.full(m, -1, np.int64)
    indptr = np.zeros(n + 1, np.int64)
    e = 0
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            j = cols[items[k]]
            if mark[j] != i:
                mark[j] = i
                distinct[e] = j
                e += 1
        indptr[i + 1] = e
    return indptr, distinct[:e].copy()


@compiled
def extend_pool(indptr, col, cost, rows, cols, costs):
    """The pool with new arcs appended to their rows (new ones only: not checked for duplicates)."""
    n = len(indptr) - 1
    start = np.zeros(n + 1, np.int64)
    for i in range(n):
        start[i + 1] = indptr[i + 1] - indptr[i]
    for k in range(len(rows)):
        start[rows[k] + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    col2 = np.empty(start[n], np.uint32)
    cost2 = np.empty(start[n])
    place = np.empty(n, np.int64)
    for i in range(n):
        q = start[i]
        for e in range(indptr[i], indptr[i + 1]):
            col2[q] = col[e]
            cost2[q] = cost[e]
            q += 1
        place[i] = q
    for k in range(len(rows)):
        q = place[rows[k]]
        col2[q] = cols[k]
        cost2[q] = costs[k]
        place[rows[k]] = q + 1
    return start, col2, cost2


@compiled
def ascending(key):
    """A stable order of ``key`` by its leading 32 bits (20 of mantissa): radix sort, three passes of 11."""
    size = len(key)
    bits = key.view(np.uint64)
    code = np.empty(size, np.uint32)
    count = np.zeros((3, 2049), np.int64)
    for e in range(size):
        u = np.uint32(bits[e] >> np.uint64(32))
        u = ~u if u >> np.uint32(31) else u | np.uint32(0x80000000)
        code[e] = u
        count[0, (u & np.uint32(2047)) + 1] += 1
        count[1, ((u >> np.uint32(11)) & np.uint32(2047)) + 1] += 1
        count[2, (u >> np.uint32(22)) + 1] += 1
    order = np.arange(size)
    spare = np.empty(size, np.int64)
    for p in range(3):
        for d in range(2048):
            count[p, d + 1] += count[p, d]
        for t in range(size):
            e = order[t]
            d = (code[e] >> np.uint32(11 * p)) & np.uint32(2047)
            spare[count[p, d]] = e
            count[p, d] += 1
        order, spare = spare, order
    return order


@compiled
def greedy_flow(order, rows, cols, left_a, left_b):
    """Ship along a forest of the first arcs in ``order``, then along ``order`` itself.

    Kruskal picks the forest and it is filled from its leaves: if the first arcs are an optimal basis (a
    warm start) that reproduces its flow. Every arc used exhausts a source or a sink, so the support is a
    forest with positive flows. Reduces left_a, left_b in place; returns (arc ids, flows).
    """
    n = len(left_a)
    N = n + len(left_b)
    root = np.arange(N)
    tree = np.empty(N, np.int64)
    size = 0
    for k in order:
        a = rows[k]
        b = n + cols[k]
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[a] = b
            tree[size] = k
            size += 1
            if size == N - 1:
                break
    start, arc = adjacency(n, N - n, rows[tree[:size]], cols[tree[:size]])
    degree = start[1:] - start[:-1]
    ids = np.empty(N, np.int64)
    flows = np.empty(N, np.int64)
    used = 0
    gone = np.zeros(size, np.bool_)
    queue = np.empty(N, np.int64)
    h = 0
    t = 0
    for v in range(N):
        if degree[v] == 1:
            queue[t] = v
            t += 1
    while h < t:
        v = queue[h]
        h += 1
        for q in range(start[v], start[v + 1]):
            if gone[arc[q]]:
                continue
            gone[arc[q]] = True
            k = tree[arc[q]]
            f = min(left_a[rows[k]], left_b[cols[k]])
            if f > 0:
                left_a[rows[k]] -= f
                left_b[cols[k]] -= f
                ids[used] = k
                flows[used] = f
                used += 1
            w = rows[k] + n + cols[k] - v
            degree[w] -= 1
            if degree[w] == 1:
                queue[t] = w
                t += 1
    for k in order:
        f = min(left_a[rows[k]], left_b[cols[k]])
        if f > 0:
            left_a[rows[k]] -= f
            left_b[cols[k]] -= f
            ids[used] = k
            flows[used] = f
            used += 1
    return ids[:used].copy(), flows[:used].copy()


@compiled
def nearest_flow(block, sources, sinks, left_a, left_b):
    """Ship what is left, each source to its cheapest finite ``block`` entry among sinks still open.

    ``block[s, t]`` is the price of sources[s] -> sinks[t]. Returns (rows, cols, flows).
    """
    k = len(sources)
    rows = np.empty(k + len(sinks), np.int64)
    cols = np.empty(k + len(sinks), np.int64)
    flows = np.empty(k + len(sinks), np.int64)
    used = 0
    open_ = np.arange(len(sinks))
    size = len(sinks)
    for s in range(k):
        i = sources[s]
        while left_a[i] > 0:
            best = np.inf
            at = -1
            t = 0
            while t < size:
                if left_b[sinks[open_[t]]] == 0:
                    size -= 1
                    open_[t] = open_[size]
                    continue
                if block[s, open_[t]] < best:
                    best = block[s, open_[t]]
                    at = open_[t]
                t += 1
            if at < 0:
                break
            j = sinks[at]
            f = min(left_a[i], left_b[j])
            left_a[i] -= f
            left_b[j] -= f
            rows[used] = i
            cols[used] = j
            flows[used] = f
            used += 1
    return rows[:used].copy(), cols[:used].copy(), flows[:used].copy()
