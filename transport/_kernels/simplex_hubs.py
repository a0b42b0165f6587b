"""The network simplex where one side is short: n sources, k sinks, n many times k. The sinks are called hubs.

A basis has n + k - 1 arcs and every source at least one, so all but k - 1 sources at most are leaves. No path
goes through a leaf, and its potential is c - v of its hub, so neither need be kept. What remains is a tree of
the k hubs, joined by the few sources that ship to several of them, and a pivot costs O(k) whatever n is. A
leaf that changes its hub altogether changes flows along one path and no potential.

The root is a hub. Source i hangs from the hub up[i] by a flow x[i] >= 0; every other hub j hangs from a
source over[j] by a flow y[j]; `cost_up`, `cost_down` are the costs of these arcs. The tree is strongly
feasible: arcs that point away from the root, those from over[j] to j, carry flow, y[j] > 0. So degenerate
pivots cannot cycle (Cunningham 1976). Potentials are summed anew along the tree after every pivot that
changes it: no rounding stays.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.vector import least_difference, place_of
from transport.internal import compiled

EPS8 = 8 * 2.0**-52
OPTIMAL, LIMIT = range(2)
ROW, CLEAN, PIVOTS = range(3)  # next row to price; rows since one that paid; pivots so far


@compiled
def plant(c, a, b, v):
    """(up, x, over, y, cost_up, cost_down): every source goes to the open hub where c - v is lowest.

    A hub that is filled hangs from the source that filled it, and that source goes on to the next one, be it
    with nothing: parents are filled later than their children, so there is no cycle, and the hub that is
    never filled is the root (over = -1). ``v`` becomes the tree's potentials.
    """
    n, k = c.shape
    up, x, cost_up = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n)
    over, y, cost_down = np.full(k, -1), np.zeros(k, np.int64), np.zeros(k)
    room = b.copy()
    shut = v.copy()
    still_open = k
    for i in range(n):
        left = a[i]
        while True:
            j = place_of(least_difference(c[i], shut), c[i], shut)
            if left < room[j] or still_open == 1:
                break
            over[j] = i
            y[j] = room[j]
            cost_down[j] = c[i, j]
            left -= room[j]
            shut[j] = -np.inf
            still_open -= 1
        up[i] = j
        x[i] = left
        cost_up[i] = c[i, j]
        room[j] -= left
    tree = up, x, over, y, cost_up, cost_down
    _potentials(v, tree, np.empty(k, np.int64), np.zeros(k, np.int64), 1)
    return tree


@compiled
def _potentials(v, tree, path, done, epoch):
    """v along the tree, from the root's; hubs that have theirs are marked by ``epoch`` in ``done``."""
    up, _, over, _, cost_up, cost_down = tree
    for j in range(len(v)):
        size = 0
        q = j
        while over[q] >= 0 and done[q] != epoch:
            path[size] = q
            size += 1
            q = up[over[q]]
        while size:
            size -= 1
            q = path[size]
            p = over[q]
            v[q] = v[up[p]] + (cost_down[q] - cost_up[p])
            done[q] = epoch


@compiled(inline="always")
def _price(c, v, i, cost, height):
    """(reduced cost, hub) of the best arc of source i, whose own costs ``cost`` from a hub at ``height``.

    The hub is -1 if none is below the rounding of these numbers.
    """
    own = cost - height
    size = abs(cost) + abs(height)
    low = least_difference(c[i], v)
    best = low - own
    if best >= -EPS8 * size:
        return 0.0, -1
    j = place_of(low, c[i], v)
    if best < -EPS8 * (abs(c[i, j]) + abs(v[j]) + size):
        return best, j
    best = 0.0
    at = -1
    for j in range(len(v)):
        r = (c[i, j] - v[j]) - own
        if r < best and r < -EPS8 * (abs(c[i, j]) + abs(v[j]) + size):
            best = r
            at = j
    return best, at


@compiled
def _cycle(i, j, tree, mark, epoch):
    """(flow, source, hub, apex, shared) of the cycle that the arc (i, j) closes.

    ``flow`` is what it can take. ``apex`` is the hub where the ways from i and j to the root meet; if they
    meet in a source before, that is ``shared`` (i itself, if j is below it: then apex = -1), else -1. The arc
    that blocks is the one above ``hub``, or, if that is -1, the one above ``source``: of several the last
    along the cycle from its top through (i, j), which keeps the tree strongly feasible.
    """
    up, x, over, y, _, _ = tree
    apex, shared, flow, source, hub = -1, -1, np.int64(1) << 62, -1, -1
    q = j
    while True:
        mark[q] = epoch
        p = over[q]
        if p == i:
            shared = i
        if p < 0 or p == i:
            break
        q = up[p]
    if shared < 0:
        p = i
        while mark[up[p]] != epoch:
            if x[p] < flow:
                flow, source = x[p], p
            p = over[up[p]]
        apex = up[p]
        q = j
        while q != apex and shared < 0:
            if over[q] == p:
                shared = p
            q = up[over[q]]
        if shared < 0 and x[p] < flow:
            flow, source = x[p], p
    q = j
    while q != apex:
        if y[q] <= flow:
            flow, hub = y[q], q
        if over[q] == shared:
            break
        q = up[over[q]]
    return flow, source, hub, apex, shared


@compiled
def _ship(i, j, flow, apex, shared, tree):
    """Send ``flow`` around the cycle of (i, j)."""
    up, x, over, y, _, _ = tree
    q = j
    while q != apex:
        y[q] -= flow
        p = over[q]
        if p == shared:
            break
        x[p] += flow
        q = up[p]
    p = i
    while p != shared:
        x[p] -= flow
        if up[p] == apex:
            break
        y[up[p]] += flow
        p = over[up[p]]


@compiled
def _hang_hub(i, j, cost, flow, last, tree):
    """Hang hub j from source i, and turn round the way from j to the hub ``last``, whose arc is dropped."""
    up, x, over, y, cost_up, cost_down = tree
    p, q = i, j
    while True:
        above, above_flow, above_cost = over[q], y[q], cost_down[q]
        over[q], y[q], cost_down[q] = p, flow, cost
        if q == last:
            return
        after, flow, cost = up[above], x[above], cost_up[above]
        up[above], x[above], cost_up[above] = q, above_flow, above_cost
        p, q = above, after


@compiled
def _hang_source(i, j, cost, flow, last, tree):
    """Hang source i from hub j, and turn round the way from i to the source ``last``: its arc is dropped."""
    up, x, over, y, cost_up, cost_down = tree
    p, q = i, j
    while True:
        after, after_flow, after_cost = up[p], x[p], cost_up[p]
        up[p], x[p], cost_up[p] = q, flow, cost
        if p == last:
            return
        above, flow, cost = over[after], y[after], cost_down[after]
        over[after], y[after], cost_down[after] = p, after_flow, after_cost
        p, q = above, after


@compiled
def _is_leaf(i, over):
    """Whether no hub hangs from source i."""
    inner = False
    for p in over:
        inner |= p == i
    return not inner


@compiled
def run(c, v, tree, cursor, block, limit, effort):
    """Pivot until no arc pays (OPTIMAL), or for ``limit`` pivots or ``effort`` entries looked at (LIMIT).

    Each pivot takes the best arc of the next rows that hold ``block`` entries. After LIMIT call it again.
    """
    n, k = c.shape
    up, over, cost_up = tree[0], tree[2], tree[4]
    mark, done, path = np.zeros(k, np.int64), np.zeros(k, np.int64), np.empty(k, np.int64)
    epoch = 0
    looked = 0
    row = cursor[ROW]
    while cursor[CLEAN] < n:
        if looked > effort or epoch == limit:
            cursor[ROW] = row
            return LIMIT
        best = 0.0
        tail = -1
        head = -1
        scanned = 0
        while cursor[CLEAN] < n and (tail < 0 or scanned < block) and scanned <= effort:
            r, j = _price(c, v, row, cost_up[row], v[up[row]])
            if r < best:
                best = r
                tail = row
                head = j
            row = row + 1 if row + 1 < n else 0
            cursor[CLEAN] += 1
            scanned += k
        looked += scanned + k
        if tail < 0:
            continue
        cursor[CLEAN] = 0
        cursor[PIVOTS] += 1
        epoch += 1
        flow, source, hub, apex, shared = _cycle(tail, head, tree, mark, epoch)
        if flow > 0:
            _ship(tail, head, flow, apex, shared, tree)
        if hub >= 0:
            _hang_hub(tail, head, c[tail, head], flow, hub, tree)
        else:
            leaf = source == tail and _is_leaf(tail, over)
            _hang_source(tail, head, c[tail, head], flow, source, tree)
            if leaf:
                continue
        _potentials(v, tree, path, done, epoch)
    cursor[ROW] = row
    return OPTIMAL
