"""From a coarse level to a finer one: clusters, and a coarse basic flow refined to a fine basic flow."""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import pair_cost
from transport.internal import compiled


@compiled
def aggregate(p, w, count):
    """Cluster k = points n k / count .. n (k + 1) / count: weighted centroids and total masses."""
    n, dim = p.shape
    centre = np.zeros((count, dim))
    mass = np.zeros(count, np.int64)
    for k in range(count):
        start = n * k // count
        stop = n * (k + 1) // count
        total = 0.0
        for r in range(start, stop):
            mass[k] += w[r]
            total += w[r]
        for q in range(dim):
            base = p[start, q]  # relative to a point of the cluster: tiny clusters keep their digits
            s = 0.0
            for r in range(start, stop):
                s += w[r] * (p[r, q] - base)
            centre[k, q] = base + s / total
    return centre, mass


@compiled
def _by_node(nodes, count):
    """CSR of arcs by node: (start, arc ids)."""
    start = np.zeros(count + 1, np.int64)
    for k in range(len(nodes)):
        start[nodes[k] + 1] += 1
    for v in range(count):
        start[v + 1] += start[v]
    place = start[:count].copy()
    ids = np.empty(len(nodes), np.int64)
    for k in range(len(nodes)):
        ids[place[nodes[k]]] = k
        place[nodes[k]] += 1
    return start, ids


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
def split_sources(rows, cols, flow, x, w, yc, f, g, metric, power):
    """Coarse arcs (I, J) -> arcs (i, J) from the children i of I; support a forest, flows positive.

    For each I the smallest reduced costs c(x_i, Y_J) - f_i - g_J go first (f of the children, g of the
    clusters); each step exhausts a child or an arc.
    """
    n = x.shape[0]
    coarse = rows.max() + 1
    start, ids = _by_node(rows, coarse)
    out_i = np.empty(len(rows) + n, np.int64)
    out_j = np.empty(len(rows) + n, np.int64)
    out_f = np.empty(len(rows) + n, np.int64)
    used = 0
    key = np.empty(64)
    order = np.empty(64, np.int64)
    left = np.empty(64, np.int64)
    for node in range(coarse):
        first = n * node // coarse
        last = n * (node + 1) // coarse
        arcs = start[node + 1] - start[node]
        if arcs == 1:
            for i in range(first, last):
                out_i[used] = i
                out_j[used] = cols[ids[start[node]]]
                out_f[used] = w[i]
                used += 1
            continue
        size = (last - first) * arcs
        if size > len(key):
            key = np.empty(2 * size)
            order = np.empty(2 * size, np.int64)
        if arcs + last - first > len(left):
            left = np.empty(2 * (arcs + last - first), np.int64)
        for t in range(arcs):
            k = ids[start[node] + t]
            left[t] = flow[k]
            for i in range(first, last):
                c = pair_cost(x, yc, i, cols[k], metric, power)
                key[(i - first) * arcs + t] = (c - g[cols[k]]) - f[i]
        for i in range(first, last):
            left[arcs + i - first] = w[i]
        ascending_few(key, order, size)
        for s in range(size):
            i = order[s] // arcs
            t = order[s] - i * arcs
            moved = min(left[arcs + i], left[t])
            if moved > 0:
                left[arcs + i] -= moved
                left[t] -= moved
                out_i[used] = first + i
                out_j[used] = cols[ids[start[node] + t]]
                out_f[used] = moved
                used += 1
    return out_i[:used], out_j[:used], out_f[:used]


@compiled
def split_sinks(rows, cols, flow, x, y, w, coarse, f, g, metric, power):
    """Arcs (i, J) -> arcs (i, j) to the children j of J, the smallest reduced costs first."""
    m = y.shape[0]
    start, ids = _by_node(cols, coarse)
    out_i = np.empty(len(rows) + m, np.int64)
    out_j = np.empty(len(rows) + m, np.int64)
    out_f = np.empty(len(rows) + m, np.int64)
    used = 0
    key = np.empty(64)
    order = np.empty(64, np.int64)
    left = np.empty(64, np.int64)
    for node in range(coarse):
        first = m * node // coarse
        last = m * (node + 1) // coarse
        children = last - first
        arcs = start[node + 1] - start[node]
        size = children * arcs
        if size > len(key):
            key = np.empty(2 * size)
            order = np.empty(2 * size, np.int64)
        if arcs + children > len(left):
            left = np.empty(2 * (arcs + children), np.int64)
        for t in range(arcs):
            k = ids[start[node] + t]
            left[t] = flow[k]
            i = rows[k]
            for j in range(children):
                c = pair_cost(x, y, i, first + j, metric, power)
                key[t * children + j] = (c - f[i]) - g[first + j]
        for j in range(children):
            left[arcs + j] = w[first + j]
        ascending_few(key, order, size)
        for s in range(size):
            t = order[s] // children
            j = order[s] - t * children
            moved = min(left[arcs + j], left[t])
            if moved > 0:
                left[arcs + j] -= moved
                left[t] -= moved
                out_i[used] = rows[ids[start[node] + t]]
                out_j[used] = first + j
                out_f[used] = moved
                used += 1
    return out_i[:used], out_j[:used], out_f[:used]


@compiled
def split_by_mass(a, b):
    """The north-west corner coupling of integer masses >= 0 of equal sums: (rows, cols, mass)."""
    rows = np.empty(len(a) + len(b), np.int64)
    cols = np.empty(len(a) + len(b), np.int64)
    mass = np.empty(len(a) + len(b), np.int64)
    count = 0
    i = 0
    j = 0
    left = a[0]
    room = b[0]
    while True:
        moved = min(left, room)
        if moved > 0:
            rows[count] = i
            cols[count] = j
            mass[count] = moved
            count += 1
        left -= moved
        room -= moved
        if left == 0:
            i += 1
            if i == len(a):
                break
            left = a[i]
        else:
            j += 1
            if j == len(b):
                break
            room = b[j]
    return rows[:count], cols[:count], mass[:count]
