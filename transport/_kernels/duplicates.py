"""Plans between groups of equal points, handed down to the points (numba)."""

from __future__ import annotations

import numpy as np

from transport.internal import compiled

TIE = 2.0**-48  # of a group's mass: what rounding may leave between a member and a flow that end together


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


@compiled
def forest_parents(n, m, rows, cols):
    """``parent`` as `simplex_pool.peel` takes it, of the forest with arcs (rows, cols)."""
    size = n + m
    start = np.zeros(size + 1, np.int64)
    for k in range(len(rows)):
        start[rows[k] + 1] += 1
        start[n + cols[k] + 1] += 1
    for v in range(size):
        start[v + 1] += start[v]
    place = start[:size].copy()
    near = np.empty(start[size], np.int64)
    for k in range(len(rows)):
        near[place[rows[k]]] = n + cols[k]
        near[place[n + cols[k]]] = rows[k]
        place[rows[k]] += 1
        place[n + cols[k]] += 1
    parent = np.full(size + 1, -1)
    parent[size] = size
    queue = np.empty(size, np.int64)
    for root in range(size):
        if parent[root] >= 0:
            continue
        parent[root] = size
        queue[0] = root
        h = 0
        t = 1
        while h < t:
            v = queue[h]
            h += 1
            for q in range(start[v], start[v + 1]):
                w = near[q]
                if parent[w] < 0:
                    parent[w] = v
                    queue[t] = w
                    t += 1
    return parent
