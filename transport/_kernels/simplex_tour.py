"""Current potentials beside a lazy tree: its Euler tour, cut into runs that share an offset.

Late in a solve nine candidates of ten are stale: a pivot before them has moved the potentials. Climbing
their cycle to find that out costs hundreds of nodes. Here a pivot moves a subtree's potentials by moving
an interval of the tour: the runs in it get an offset, a few runs are split, and their list is relinked.
So the reduced cost of any arc is known at any time, for two lookups.

The tour lists every node three times: ENTER, HOME and LEAVE, with its subtree between ENTER and LEAVE;
HOME is where its potential is looked up. Hanging a subtree from another node rotates its part of the tour;
nodes on the stem take over the ENTER and LEAVE of their neighbours (Tarjan 1997; Henzinger & King 1999).
Positions are those of the last `renew`; a run is a stretch of positions, runs are linked in tour order.

Fields of a run: RUN_START, RUN_STOP (positions), NEXT, BEFORE (in tour order), LATER (the next run of the
same 2^bits positions, where it is looked for), and its offset, the float in OFFSET.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.simplex_lazy import EPS8, NODES, climb, turn
from transport.internal import compiled

ENTER, HOME, LEAVE = range(3)
RUN_START, RUN_STOP, NEXT, BEFORE, LATER = range(5)  # columns of ``runs``, (k, 8) uint32
OFFSET = 3  # column of the same memory as (k, 4) float64
BITS, COUNT = range(2)  # of ``state``
SPLITS = 8  # more runs after a pivot, at most
_ONE = np.uint32(1)


@compiled
def tour_of(parent, first, last, root, tour):
    """Fill ``tour`` with the Euler tour of the slots first:last, in preorder, that hang from ``root``.

    ``root`` is the first of them or none of them; it has no ENTER and LEAVE.
    """
    tour[0] = 4 * root + HOME
    t = 1
    v = np.uint32(root)
    for w in range(first + (first == root), last):
        while v != parent[w]:
            tour[t] = 4 * v + LEAVE
            t += 1
            v = parent[v]
        tour[t] = 4 * w + ENTER
        tour[t + 1] = 4 * w + HOME
        t += 2
        v = np.uint32(w)
    while v != root:
        tour[t] = 4 * v + LEAVE
        t += 1
        v = parent[v]


@compiled
def _restart(size, runs, offset, first, state):
    """One run for every 2^bits positions, and an empty one at the end."""
    bits = state[BITS]
    count = 0
    for start in range(0, size + 1, 1 << bits):
        first[start >> bits] = count
        if start < size:
            runs[count, RUN_START] = start
            runs[count, RUN_STOP] = min(size, start + (1 << bits))
            count += 1
    runs[count, RUN_START] = size
    runs[count, RUN_STOP] = size + 1
    for r in range(count + 1):
        runs[r, NEXT] = r + 1
        runs[r, BEFORE] = r - 1 if r else 0
        runs[r, LATER] = 0
        offset[r, OFFSET] = 0.0
    if size & ((1 << bits) - 1):
        runs[count - 1, LATER] = count
    state[COUNT] = count + 1


@compiled
def open_tour(window, parent, places, spare, runs, offset, first, state):
    """The tour of a window just cut, and positions; no offsets."""
    tour, enter, home, leave = places
    tour_of(parent, window[0], window[1], window[2], tour)
    _restart(len(tour), runs, offset, first, state)
    _relist(tour, spare, runs, enter, home, leave)


@compiled
def renew(pi, places, spare, runs, offset, first, state):
    """List the tour in its present order, in few runs, with the offsets in ``pi``."""
    tour, enter, home, leave = places
    r = np.uint32(0)
    while runs[r, RUN_START] < len(tour):
        if offset[r, OFFSET] != 0.0:
            for q in range(runs[r, RUN_START], runs[r, RUN_STOP]):
                if tour[q] & np.uint32(3) == HOME:
                    pi[tour[q] >> np.uint32(2)] += offset[r, OFFSET]
        r = runs[r, NEXT]
    _relist(tour, spare, runs, enter, home, leave)
    for t in range(len(tour)):
        tour[t] = spare[t]
    _restart(len(tour), runs, offset, first, state)


@compiled
def _relist(tour, new, runs, enter, home, leave):
    """Copy the tour into ``new`` in the order of the runs; positions of all nodes."""
    t = 0
    r = np.uint32(0)
    while runs[r, RUN_START] < len(tour):
        for q in range(runs[r, RUN_START], runs[r, RUN_STOP]):
            x = tour[q]
            v = x >> np.uint32(2)
            kind = x & np.uint32(3)
            if kind == HOME:
                home[v] = t
            elif kind == ENTER:
                enter[v] = t
            else:
                leave[v] = t
            new[t] = x
            t += 1
        r = runs[r, NEXT]


@compiled
def run_at(position, bits, first, runs):
    """The run with this position."""
    r = first[position >> bits]
    while runs[r, RUN_STOP] <= position:
        r = runs[r, LATER]
    return r


@compiled
def heights(pi, home, start, stop, runs, offset, first, state, out):
    """Current potentials of the nodes start:stop."""
    bits = state[BITS]
    for v in range(start, stop):
        out[v] = pi[v] + offset[run_at(home[v], bits, first, runs), OFFSET]


@compiled
def _split(position, bits, first, runs, offset, count):
    """(run that starts at ``position``, number of runs)."""
    r = run_at(position, bits, first, runs)
    if runs[r, RUN_START] == position:
        return r, count
    d = count
    runs[d, RUN_START] = position
    runs[d, RUN_STOP] = runs[r, RUN_STOP]
    runs[r, RUN_STOP] = position
    runs[d, LATER] = runs[r, LATER]
    runs[r, LATER] = d
    n = runs[r, NEXT]
    runs[d, NEXT] = n
    runs[n, BEFORE] = d
    runs[r, NEXT] = d
    runs[d, BEFORE] = r
    offset[d, OFFSET] = offset[r, OFFSET]
    return d, np.uint32(count + _ONE)


@compiled
def _move(stem, count, up, shift, places, runs, offset, first, state):
    """Move the subtree that hung by stem[count - 1], and now hangs from ``up`` by stem[0], by ``shift``.

    ``places`` = (tour, enter, home, leave).
    """
    tour, enter, home, leave = places
    bits = state[BITS]
    total = np.uint32(state[COUNT])
    opens = enter[stem[count - 1]]
    closes = leave[stem[count - 1]]
    _, total = _split(np.uint32(opens + _ONE), bits, first, runs, offset, total)
    ro, total = _split(opens, bits, first, runs, offset, total)
    _, total = _split(np.uint32(closes + _ONE), bits, first, runs, offset, total)
    rc, total = _split(closes, bits, first, runs, offset, total)
    lead, total = _split(home[stem[0]], bits, first, runs, offset, total)
    a = runs[ro, NEXT]
    z = runs[rc, BEFORE]
    left = runs[ro, BEFORE]
    right = runs[rc, NEXT]
    runs[left, NEXT] = right
    runs[right, BEFORE] = left
    r = a
    while True:
        offset[r, OFFSET] += shift
        if r == z:
            break
        r = runs[r, NEXT]
    if lead != a:  # rotated, to begin at home
        end = runs[lead, BEFORE]
        runs[z, NEXT] = a
        runs[a, BEFORE] = z
        a = lead
        z = end
    _, total = _split(np.uint32(home[up] + _ONE), bits, first, runs, offset, total)
    w = run_at(home[up], bits, first, runs)
    n = runs[w, NEXT]
    runs[w, NEXT] = ro
    runs[ro, BEFORE] = w
    runs[ro, NEXT] = a
    runs[a, BEFORE] = ro
    runs[z, NEXT] = rc
    runs[rc, BEFORE] = z
    runs[rc, NEXT] = n
    runs[n, BEFORE] = rc
    state[COUNT] = total
    for k in range(count):
        s = stem[k]
        o = enter[s]
        c = leave[s]
        enter[s] = opens
        leave[s] = closes
        tour[opens] = 4 * s + ENTER
        tour[closes] = 4 * s + LEAVE
        opens = c
        closes = o


@compiled
def attempt_current(arcs, tree, root, mark, epoch, buffers, out, pi, places, runs, offset, first, state):
    """`simplex_lazy.attempt` for arcs that may be stale: (epoch, how many were looked at).

    It ends early where the runs do not suffice for another pivot.
    """
    tails, heads, costs = arcs
    home = places[2]
    bits = state[BITS]
    for t in range(len(tails)):
        if state[COUNT] + SPLITS > len(runs):
            return epoch + 1, t
        i = tails[t]
        j = heads[t]
        c = costs[t]
        p = pi[i] + offset[run_at(home[i], bits, first, runs), OFFSET]
        q = pi[j] + offset[run_at(home[j], bits, first, runs), OFFSET]
        if not c + p - q < -EPS8 * (abs(c) + abs(p) + abs(q)):
            continue
        epoch += 2
        cycle = climb(i, j, c, tree, root, mark, epoch, buffers)
        out[NODES] += cycle[0] + cycle[1]
        if cycle[4] < -EPS8 * (abs(c) + cycle[5]):
            stem, count, up, shift = turn(i, j, c, cycle, tree, buffers[0], out)
            _move(stem, count, up, shift, places, runs, offset, first, state)
    return epoch + 1, len(tails)
