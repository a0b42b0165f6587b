"""Flows shared out to the members of groups: clusters, coarse levels, equal points (numba).

Every shipment exhausts what one of the two has, so a forest of arcs stays one, with positive flows.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import pair_cost
from transport._kernels.forests import grouped
from transport.internal import compiled

TIE = 2.0**-48  # of a group's mass: what rounding may leave between a member and a flow that end together


@compiled
def northwest(a, b):
    """The north-west corner coupling of two mass vectors: (rows, cols, mass), at most n + m - 1 arcs.

    What rounding leaves over on one side is dropped.
    """
    n = a.shape[0]
    m = b.shape[0]
    rows = np.empty(n + m, np.int64)
    cols = np.empty(n + m, np.int64)
    mass = np.empty(n + m, a.dtype)
    count = 0
    i = 0
    j = 0
    left_a = a[0]
    left_b = b[0]
    while True:
        moved = min(left_a, left_b)
        if moved > 0:
            rows[count] = i
            cols[count] = j
            mass[count] = moved
            count += 1
        left_a -= moved
        left_b -= moved
        if left_a <= 0:
            i += 1
            if i == n:
                break
            left_a = a[i]
        else:
            j += 1
            if j == m:
                break
            left_b = b[j]
    return rows[:count], cols[:count], mass[:count]


@compiled
def ascending_few(key, order, size):
    """order[:size] sorts key[:size]: insertion for the usual handful, Shell's sort (1959) beyond.

    numpy.argsort would add 1.5 seconds to the first call: numba compiles it anew.
    """
    gap = 1
    while 9 * gap < size and size > 32:
        gap = 3 * gap + 1
    for t in range(size):
        order[t] = t
    while gap > 0:
        for t in range(gap, size):
            at = order[t]
            k = key[at]
            s = t
            while s >= gap and key[order[s - gap]] > k:
                order[s] = order[s - gap]
                s -= gap
            order[s] = at
        gap //= 3


@compiled
def _serve(order, left, right, out, used):
    """Ship along pairs (u, v) = (z // len(right), z % len(right)) for z in ``order``, as much as both have.

    Reduces ``left`` and ``right``; fills ``out`` = (u, v, flow) from ``used`` on and returns where it ends.
    """
    for z in order:
        u = z // len(right)
        v = z - u * len(right)
        moved = min(left[u], right[v])
        if moved > 0:
            left[u] -= moved
            right[v] -= moved
            out[0][used] = u
            out[1][used] = v
            out[2][used] = moved
            used += 1
    return used


@compiled
def split_flow(c, by_rows, group, other, offset, flow, starts, members, mass):
    """Hand the flows of coarse nodes down to their members, cheapest first.

    Flow t belongs to coarse node group[t], whose members are members[starts[g]:starts[g + 1]] with masses
    ``mass``; giving it to member k costs c[k, other[t]] - offset[t] (``by_rows``) or c[other[t], k] -
    offset[t]. Returns (t, member, flow).
    """
    first, items = grouped(group, len(starts) - 1)
    size = len(group) + len(members)
    out = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    used = 0
    for q in range(len(starts) - 1):
        own, arcs = members[starts[q] : starts[q + 1]], items[first[q] : first[q + 1]]
        key = np.empty(len(own) * len(arcs))
        for x in range(len(own)):
            for y in range(len(arcs)):
                k = own[x]
                t = arcs[y]
                key[x * len(arcs) + y] = (c[k, other[t]] if by_rows else c[other[t], k]) - offset[t]
        begin = used
        used = _serve(np.argsort(key), mass[own], flow[arcs], out, used)
        for s in range(begin, used):
            out[0][s] = own[out[0][s]]
            out[1][s] = arcs[out[1][s]]
    return out[1][:used].copy(), out[0][:used].copy(), out[2][:used].copy()


@compiled
def split_sources(rows, cols, flow, x, w, yc, f, g, metric, power):
    """Coarse arcs (I, J) -> arcs (i, J) from the children i of I, points n I / count .. n (I + 1) / count.

    For each I the smallest reduced costs c(x_i, Y_J) - f_i - g_J go first (f of the children, g of the
    clusters).
    """
    n = x.shape[0]
    coarse = rows.max() + 1
    start, items = grouped(rows, coarse)
    size = len(rows) + n
    out = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    used = 0
    key = np.empty(64)
    order = np.empty(64, np.int64)
    for node in range(coarse):
        first = n * node // coarse
        last = n * (node + 1) // coarse
        arcs = items[start[node] : start[node + 1]]
        begin = used
        if len(arcs) == 1:
            for i in range(first, last):
                out[0][used] = i - first
                out[1][used] = 0
                out[2][used] = w[i]
                used += 1
        else:
            size = (last - first) * len(arcs)
            if size > len(key):
                key = np.empty(2 * size)
                order = np.empty(2 * size, np.int64)
            for t in range(len(arcs)):
                j = cols[arcs[t]]
                for i in range(first, last):
                    c = pair_cost(x, yc, i, j, metric, power)
                    key[(i - first) * len(arcs) + t] = (c - g[j]) - f[i]
            ascending_few(key, order, size)
            used = _serve(order[:size], w[first:last].copy(), flow[arcs], out, used)
        for s in range(begin, used):
            out[0][s] += first
            out[1][s] = cols[arcs[out[1][s]]]
    return out[0][:used], out[1][:used], out[2][:used]


@compiled
def split_sinks(rows, cols, flow, x, y, w, coarse, f, g, metric, power):
    """Arcs (i, J) -> arcs (i, j) to the children j of J, the smallest reduced costs first."""
    m = y.shape[0]
    start, items = grouped(cols, coarse)
    size = len(rows) + m
    out = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    used = 0
    key = np.empty(64)
    order = np.empty(64, np.int64)
    for node in range(coarse):
        first = m * node // coarse
        last = m * (node + 1) // coarse
        arcs = items[start[node] : start[node + 1]]
        size = (last - first) * len(arcs)
        if size > len(key):
            key = np.empty(2 * size)
            order = np.empty(2 * size, np.int64)
        for t in range(len(arcs)):
            i = rows[arcs[t]]
            for j in range(first, last):
                c = pair_cost(x, y, i, j, metric, power)
                key[t * (last - first) + j - first] = (c - f[i]) - g[j]
        ascending_few(key, order, size)
        begin = used
        used = _serve(order[:size], flow[arcs], w[first:last].copy(), out, used)
        for s in range(begin, used):
            out[0][s] = rows[arcs[out[0][s]]]
            out[1][s] += first
    return out[0][:used], out[1][:used], out[2][:used]


@compiled
def share_out(starts, members, mass, first, flow):
    """North-west rule in every group: (arc, member, flow).

    Group q has members[starts[q]:starts[q + 1]] of masses ``mass``, and the arcs first[q]:first[q + 1], which
    together carry its mass. Every step ends a member or an arc, the last one both: at most one step for each
    member and arc, less one for each group that has any.
    """
    size = len(members) + len(flow)
    out_arc = np.empty(size, np.int64)
    out_member = np.empty(size, np.int64)
    out_flow = np.empty(size)
    used = 0
    for q in range(len(starts) - 1):
        e = first[q]
        if e == first[q + 1]:
            continue
        total = 0.0
        for t in range(e, first[q + 1]):
            total += flow[t]
        k = starts[q]
        left = flow[e]
        room = mass[members[k]]
        while True:
            moved = min(left, room)
            if moved > 0.0:
                out_arc[used] = e
                out_member[used] = members[k]
                out_flow[used] = moved
                used += 1
            left -= moved
            room -= moved
            arc_ends = left <= TIE * total
            member_ends = room <= TIE * total
            if arc_ends:
                e += 1
                if e == first[q + 1]:
                    break
                left = flow[e]
            if member_ends:
                k += 1
                if k == starts[q + 1]:
                    break
                room = mass[members[k]]
    return out_arc[:used].copy(), out_member[:used].copy(), out_flow[:used].copy()
