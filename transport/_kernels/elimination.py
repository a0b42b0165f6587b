"""Approximate Cholesky factors of graph Laplacians (numba): a preconditioner that no weights can defeat.

Eliminating a node of a Laplacian joins its k neighbours to a clique; here a random tree of k - 1 edges with
the same expectation takes its place, so that a factor has about as many entries as the graph has edges. On
trees it is exact. Nodes go in order of degree. Source: R. Kyng, S. Sachdeva (2016); Y. Gao, R. Kyng,
D. Spielman (2023), Algorithms 1 and 5.
"""

from __future__ import annotations

import numpy as np

from transport.internal import compiled

_SEED = 88172645463325252


@compiled
def _graph(indptr, col, mass, share, ground_row, ground_col):
    """Half-edges (head, follow, to, weight) of rows, columns, ground; edge e has halves 2 e, 2 e + 1."""
    n = len(indptr) - 1
    m = len(ground_col)
    size = n + m + 1
    room = len(col) + n + m
    head = np.full(size, -1, np.int64)
    follow = np.empty(2 * room, np.int64)
    to = np.empty(2 * room, np.int64)
    weight = np.empty(2 * room)
    degree = np.zeros(size, np.int64)
    e = 0
    extra = ground_col.copy()
    for i in range(n + m):
        if i < n:
            first, last = indptr[i], indptr[i + 1]
        else:
            first, last = 0, 0
        for k in range(first, last + 1):
            u = i
            if k < last:
                w = mass[k]
                v = n + col[k]
                if share[i] == 0.0:
                    extra[col[k]] += w
                    w = 0.0
            else:
                w = ground_row[i] if i < n else extra[i - n]
                v = n + m
            if not w > 0.0:
                continue
            for half in range(2):
                h = 2 * e + half
                to[h] = v
                weight[h] = w
                follow[h] = head[u]
                head[u] = h
                degree[u] += 1
                u, v = v, u
            e += 1
    return head, follow, to, weight, degree


@compiled
def _unlink(v, before, after, first, degree):
    d = degree[v]
    if before[v] >= 0:
        after[before[v]] = after[v]
    else:
        first[d] = after[v]
    if after[v] >= 0:
        before[after[v]] = before[v]


@compiled
def _link(v, before, after, first, degree):
    d = degree[v]
    before[v] = -1
    after[v] = first[d]
    if first[d] >= 0:
        before[first[d]] = v
    first[d] = v


@compiled
def _neighbours(v, head, follow, to, weight, gone, place, near, value, half, seen):
    """Neighbours of v that are left, each once, lightest first, with a half-edge to each.

    Returns their number, and that of the half-edges, whose ends are in ``seen``.
    """
    k = 0
    halves = 0
    h = head[v]
    while h >= 0:
        u = to[h]
        if not gone[u]:
            seen[halves] = u
            halves += 1
            if place[u] < 0:
                place[u] = k
                near[k], value[k], half[k] = u, 0.0, h
                k += 1
            value[place[u]] += weight[h]
        h = follow[h]
    for t in range(k):
        place[near[t]] = -1
    if k > 24:
        order = np.argsort(value[:k], kind="mergesort")
        near[:k], value[:k], half[:k] = near[:k][order], value[:k][order], half[:k][order]
        return k, halves
    for t in range(1, k):
        u, w, h = near[t], value[t], half[t]
        s = t
        while s > 0 and value[s - 1] > w:
            near[s], value[s], half[s] = near[s - 1], value[s - 1], half[s - 1]
            s -= 1
        near[s], value[s], half[s] = u, w, h
    return k, halves


@compiled
def factorise(indptr, col, mass, share, ground_row, ground_col):
    """(order, start, near, part, pivot): what `substitute` needs. ``ground``: the diagonal's excess."""
    head, follow, to, weight, degree = _graph(indptr, col, mass, share, ground_row, ground_col)
    size = len(head)
    ground = size - 1
    gone = np.zeros(size, np.bool_)
    place = np.full(size, -1, np.int64)
    room = len(to) + 2
    near, value, half = np.empty(room, np.int64), np.empty(room), np.empty(room, np.int64)
    seen = np.empty(room, np.int64)
    before, after = np.full(size, -1, np.int64), np.full(size, -1, np.int64)
    first = np.full(room + 1, -1, np.int64)
    for v in range(size - 1):
        _link(v, before, after, first, degree)
    order, start = np.empty(size - 1, np.int64), np.zeros(size, np.int64)
    out_near, out_part = np.empty(room, np.int64), np.empty(room)
    pivot = np.zeros(size - 1)
    used = 0
    lowest = 0
    random = np.uint64(_SEED)
    for step in range(size - 1):
        while first[lowest] < 0:
            lowest += 1
        v = first[lowest]
        _unlink(v, before, after, first, degree)
        gone[v] = True
        order[step] = v
        k, halves = _neighbours(v, head, follow, to, weight, gone, place, near, value, half, seen)
        if used + k > len(out_near):
            out_near = np.concatenate((out_near, np.empty(len(out_near) + k, np.int64)))
            out_part = np.concatenate((out_part, np.empty(len(out_part) + k)))
        left = 0.0
        for t in range(k):
            left += value[t]
        whole, scale = left, 1.0
        for t in range(halves):
            u = seen[t]
            if u != ground:
                _unlink(u, before, after, first, degree)
                degree[u] -= 1
                _link(u, before, after, first, degree)
                lowest = min(lowest, degree[u])
        for t in range(k):
            w = value[t] * scale
            out_near[used] = near[t]
            if t == k - 1:
                out_part[used] = 1.0
                pivot[step] = w
                used += 1
                break
            part = min(w / whole, 1.0) if whole > 0.0 else 1.0
            out_part[used] = part
            used += 1
            left -= value[t]
            random ^= random << np.uint64(13)
            random ^= random >> np.uint64(7)
            random ^= random << np.uint64(17)
            aim = (random >> np.uint64(11)) * 2.0**-53 * left
            s = t + 1
            while s < k - 1 and aim > value[s]:
                aim -= value[s]
                s += 1
            new = part * (1.0 - part) * whole
            if new > 0.0:
                h = half[t]  # from v, which is gone: it may serve near[s]; its other half lies with near[t]
                to[h ^ 1], weight[h ^ 1] = near[s], new
                to[h], weight[h] = near[t], new
                follow[h] = head[near[s]]
                head[near[s]] = h
                for u in (near[t], near[s]):
                    if u != ground:
                        _unlink(u, before, after, first, degree)
                        degree[u] += 1
                        _link(u, before, after, first, degree)
            scale *= 1.0 - part
            whole *= (1.0 - part) ** 2
        start[step + 1] = used
    return order, start, out_near[:used], out_part[:used], pivot


@compiled
def substitute(order, start, near, part, pivot, y):
    """Solve in place with the factors; the potential of the ground is 0."""
    for step in range(len(order)):
        v = order[step]
        first, last = start[step], start[step + 1] - 1
        if last < first:
            continue
        t = y[v]
        for k in range(first, last):
            y[near[k]] += part[k] * t
            t *= 1.0 - part[k]
        y[near[last]] += t
        y[v] = t
    for step in range(len(order)):
        y[order[step]] = y[order[step]] / pivot[step] if pivot[step] > 0.0 else 0.0
    y[len(order)] = 0.0
    for step in range(len(order) - 1, -1, -1):
        v = order[step]
        first, last = start[step], start[step + 1] - 1
        if last < first:
            continue
        t = y[v] + y[near[last]]
        for k in range(last - 1, first - 1, -1):
            t = (1.0 - part[k]) * t + part[k] * y[near[k]]
        y[v] = t
