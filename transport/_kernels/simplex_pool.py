"""Pools of arcs in CSR form, and the basic flow the simplex starts from."""

from __future__ import annotations

import numpy as np

from transport._kernels.simplex_tree import children_first
from transport.internal import compiled


@compiled
def build_pool(n, m, rows, cols):
    """CSR (indptr, col) of the distinct arcs, in order of first appearance within each row."""
    start = np.zeros(n + 1, np.int64)
    for k in range(len(rows)):
        start[rows[k] + 1] += 1
    for i in range(n):
        start[i + 1] += start[i]
    place = start[:n].copy()
    raw = np.empty(len(rows), np.uint32)
    for k in range(len(rows)):
        raw[place[rows[k]]] = cols[k]
        place[rows[k]] += 1
    mark = np.full(m, -1, np.int64)
    indptr = np.zeros(n + 1, np.int64)
    e = 0
    for i in range(n):
        for k in range(start[i], start[i + 1]):
            j = raw[k]
            if mark[j] != i:
                mark[j] = i
                raw[e] = j
                e += 1
        indptr[i + 1] = e
    return indptr, raw[:e].copy()


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
    degree = np.zeros(N + 1, np.int64)
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
            degree[rows[k]] += 1
            degree[n + cols[k]] += 1
            if size == N - 1:
                break
    start = np.zeros(N + 1, np.int64)
    for v in range(N):
        start[v + 1] = start[v] + degree[v]
    place = start[:N].copy()
    arc = np.empty(2 * size, np.int64)
    for t in range(size):
        i = rows[tree[t]]
        j = n + cols[tree[t]]
        arc[place[i]] = t
        place[i] += 1
        arc[place[j]] = t
        place[j] += 1
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


@compiled
def _add(ah, al, bh, bl):
    """Double-double sum (Dekker 1971); relative error 2^-105 of |a| + |b|."""
    s = ah + bh
    t = s - ah
    e = (ah - (s - t)) + (bh - t) + (al + bl)
    h = s + e
    return h, e - (h - s)


@compiled
def peel(n, parent, a, b):
    """Flows of a spanning forest from its leaves, in double-double; parent[v] = v's parent, root: len - 1.

    Node v < n is a source of mass a[v], v >= n a sink of mass b[v - n]. What a component lacks to balance
    (rounding of the totals) is taken from its heaviest node. Returns the flow between v and parent[v],
    negative if the forest is not feasible for these masses.
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
        sum_hi[t], sum_lo[t] = _add(sum_hi[t], sum_lo[t], hi[v], 0.0)
        if heavy[t] < 0 or abs(hi[v]) > abs(hi[heavy[t]]):
            heavy[t] = v
    for v in range(N):
        if parent[v] == N:
            w = heavy[v]
            hi[w], lo[w] = _add(hi[w], lo[w], -sum_hi[v], -sum_lo[v])
    flow = np.zeros(N)
    for h in range(N):
        v = order[h]
        p = parent[v]
        if p != N:
            flow[v] = hi[v] if v < n else -hi[v]
            hi[p], lo[p] = _add(hi[p], lo[p], hi[v], lo[v])
    return flow


@compiled
def balanced_potentials(rows, cols, cost, a, b):
    """(f, g) with f_i + g_j = c on a forest of arcs, each tree at the height where its sum of mass |f|, |g|
    is least: its weighted median. Sums along paths are taken in double-double.
    """
    n = len(a)
    N = n + len(b)
    start = np.zeros(N + 1, np.int64)
    for k in range(len(rows)):
        start[rows[k] + 1] += 1
        start[n + cols[k] + 1] += 1
    for v in range(N):
        start[v + 1] += start[v]
    place = start[:N].copy()
    arc = np.empty(2 * len(rows), np.int64)
    for k in range(len(rows)):
        arc[place[rows[k]]] = k
        place[rows[k]] += 1
        arc[place[n + cols[k]]] = k
        place[n + cols[k]] += 1
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
                k = arc[q]
                w = rows[k] + n + cols[k] - v
                if not seen[w]:
                    seen[w] = True
                    tree[t] = w
                    t += 1
                    c = cost[k] if v < n else -cost[k]
                    height[w], low[w] = _add(height[v], low[v], c, 0.0)
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
            height[v], low[v] = _add(height[v], low[v], -hi, -lo)
    return -height[:n], height[n:].copy()


@compiled
def split_flow(c, by_rows, group, other, offset, flow, starts, members, mass):
    """Hand the flows of coarse nodes down to their members, cheapest first.

    Flow t belongs to coarse node group[t], whose members are members[starts[g]:starts[g + 1]] with masses
    ``mass``; giving it to member k costs c[k, other[t]] - offset[t] (``by_rows``) or c[other[t], k] -
    offset[t]. Every hand-out exhausts a member or a flow, so a forest stays a forest with positive flows.
    Returns (t, member, flow).
    """
    count = len(starts) - 1
    first = np.zeros(count + 1, np.int64)
    for t in range(len(group)):
        first[group[t] + 1] += 1
    for q in range(count):
        first[q + 1] += first[q]
    place = first[:count].copy()
    item = np.empty(len(group), np.int64)
    for t in range(len(group)):
        item[place[group[t]]] = t
        place[group[t]] += 1
    size = len(group) + len(members)
    out_t = np.empty(size, np.int64)
    out_k = np.empty(size, np.int64)
    out_f = np.empty(size, np.int64)
    used = 0
    left = flow.copy()
    room = mass.copy()
    for q in range(count):
        k0 = starts[q]
        nk = starts[q + 1] - k0
        t0 = first[q]
        nt = first[q + 1] - t0
        key = np.empty(nk * nt)
        for x in range(nk):
            for y in range(nt):
                k = members[k0 + x]
                t = item[t0 + y]
                key[x * nt + y] = (c[k, other[t]] if by_rows else c[other[t], k]) - offset[t]
        for z in np.argsort(key):
            k = members[k0 + z // nt]
            t = item[t0 + z % nt]
            f = min(left[t], room[k])
            if f > 0:
                left[t] -= f
                room[k] -= f
                out_t[used] = t
                out_k[used] = k
                out_f[used] = f
                used += 1
    return out_t[:used].copy(), out_k[:used].copy(), out_f[:used].copy()
