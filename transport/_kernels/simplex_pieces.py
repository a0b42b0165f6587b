"""A large spanning tree in connected pieces, each brought to its own optimum.

Cut a few edges of the tree and let the flow on them stand: what remains are subtrees that know nothing of
each other. A cycle of two nodes of one piece stays in it, so pieces are pivoted side by side, on a tree that
is shared but never at the same place; their cycles are short and their memory is one stretch of slots. The
next cut makes fewer, larger pieces; the last is the whole tree, where little is left to do.

Same nodes, artificial root and rules as `simplex_lazy`.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.forests import children_first
from transport._kernels.sharing import ascending_few
from transport._kernels.simplex_lazy import (
    PIVOTS,
    PLACE_BITS,
    attempt,
    best_per_sink,
    candidates,
    sweep_potentials,
)
from transport._kernels.simplex_pool import ascending
from transport._kernels.simplex_tour import attempt_current, heights, open_tour, renew
from transport._kernels.simplex_tree import move_slots
from transport.internal import compiled

FEW = 200  # candidates: a radix sort has 6000 bins to sum
EPOCH, DONE, OPENED = range(3, 6)  # further entries of ``out``


@compiled
def cut(tree, slot, target):
    """Renumber the slots so that pieces of about ``target`` nodes are contiguous, in preorder.

    Returns the starts of the pieces and n + m; the first are the nodes that are joined to the root. Every
    other piece is a subtree whose first slot is its top.
    """
    src, parent, _, _, _, flow, pcost, pi = tree
    N = len(parent) - 1
    order = children_first(parent)
    size = np.zeros(N + 1, np.uint32)
    heavy = np.full(N + 1, N, np.uint32)  # the child with most nodes below comes first: long paths in a row
    most = np.zeros(N + 1, np.uint32)
    pieces = 1
    for h in range(N):
        v = order[h]
        size[v] += np.uint32(1)
        if size[v] >= target:
            pieces += 1
        else:
            p = parent[v]
            size[p] += size[v]
            if size[v] > most[p]:
                most[p] = size[v]
                heavy[p] = v
    start = np.empty(pieces + 1, np.int64)
    start[0] = 0
    free = np.empty(N + 1, np.uint32)  # where the next child of a node goes
    free[N] = most[N]
    filled = np.int64(size[N])
    k = 1
    new = np.empty(N + 1, np.uint32)
    for h in range(N - 1, -1, -1):
        v = order[h]
        if size[v] >= target:
            start[k] = filled
            k += 1
            new[v] = filled
            filled += size[v]
        else:
            p = parent[v]
            if heavy[p] == v:
                new[v] = new[p] + np.uint32(1) if p != N else np.uint32(0)
            else:
                new[v] = free[p]
                free[p] += size[v]
        free[v] = new[v] + np.uint32(1) + most[v]
    start[k] = N
    new[N] = N
    h2 = pi.copy()
    for v in range(N + 1):
        pi[new[v]] = h2[v]
    move_slots(new, src, parent, flow, pcost, slot)
    return start


@compiled
def _worst_first(window, rows, pool, slot, pi, work, limit):
    """(tails, heads, costs) of at most ``limit`` candidates, one a source and one a sink."""
    found, best, keep, _ = work
    tails, heads, costs, value = found
    count = candidates(pool, slot, pi, rows, window, found, 0)
    kept = best_per_sink(found, count, best, keep)
    key = np.empty(kept)
    for t in range(kept):
        key[t] = value[keep[t]]
    if kept < FEW:
        ranks = np.empty(kept, np.int64)
        ascending_few(key, ranks, kept)
    else:
        ranks = ascending(key)
    order = keep[ranks[:limit]]
    return tails[order], heads[order], costs[order]


@compiled
def settle(window, rows, pool, tree, slot, mark, work, buffers, out, limit, budget):
    """Sweeps over the piece in slots window[0]:window[1] until it is optimal, or ``limit`` tries are over.

    ``rows`` are its sources; arcs that leave it do not count. window[2] is what the piece hangs from: its
    first slot, which stays where it is, or the root. At most ``budget`` candidates are tried. In ``out``:
    what `attempt` adds, the epoch to go on with, whether it is done.
    """
    src, parent, flow, pcost, pi = tree
    root = np.uint32(window[2])
    epoch = out[EPOCH]
    tries = 0
    while tries < limit and tries < budget:
        epoch += 1
        mark[root] = epoch << PLACE_BITS
        sweep_potentials(src, parent, pcost, pi, mark, epoch, window[0], window[1], work[3])
        arcs = _worst_first(window, rows, pool, slot, pi, work, budget - tries)
        tries += len(arcs[0])
        before = out[PIVOTS]
        epoch = attempt(arcs, (src, parent, flow, pcost), root, mark, epoch, buffers, out)
        if out[PIVOTS] == before:  # there are none, or what is left is rounding
            out[DONE] = 1
            break
    out[EPOCH] = epoch


@compiled
def settle_current(window, rows, pool, tree, slot, mark, work, buffers, now, tour, out, limit, budget):
    """`settle` for a large piece, with a ``tour`` = (places, spare, runs, offset, first, state).

    Scratch for the current potentials: ``now``. The tour is opened by the first call after a cut.
    """
    src, parent, flow, pcost, pi = tree
    places, spare, runs, offset, first, state = tour
    root = np.uint32(window[2])
    epoch = out[EPOCH]
    if out[OPENED] == 0:
        out[OPENED] = 1
        epoch += 1
        mark[root] = epoch << PLACE_BITS
        sweep_potentials(src, parent, pcost, pi, mark, epoch, window[0], window[1], work[3])
        open_tour(window, parent, places, spare, runs, offset, first, state)
    tries = 0
    while tries < limit and tries < budget:
        heights(pi, places[2], window[0], window[1], runs, offset, first, state, now)
        arcs = _worst_first(window, rows, pool, slot, now, work, budget - tries)
        tries += len(arcs[0])
        before = out[PIVOTS]
        at = 0
        while at < len(arcs[0]):
            rest = (arcs[0][at:], arcs[1][at:], arcs[2][at:])
            epoch, looked = attempt_current(
                rest, (src, parent, flow, pcost), root, mark, epoch, buffers, out,
                pi, places, runs, offset, first, state,
            )  # fmt: skip
            at += looked
            if at < len(arcs[0]):
                renew(pi, places, spare, runs, offset, first, state)
        if out[PIVOTS] == before:
            out[DONE] = 1
            break
    out[EPOCH] = epoch
