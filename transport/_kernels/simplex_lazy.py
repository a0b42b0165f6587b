"""The network simplex without maintained potentials, for trees too large for the cache.

The tree is parent pointers, flows and arc costs only: no thread, no depth, nothing to update in the moved
subtree. A sweep recomputes all potentials, takes each source's best arc and keeps the best of those per
sink, sorts them, and tries them in turn; the exact reduced cost of a candidate is summed along its own
cycle, which the pivot needs anyway, so stale potentials never cause a wrong pivot. One climb does it: both
ends climb alternately until their paths meet, keeping prefix sums and prefix minima.

Same nodes, artificial root, and leaving-arc rule as `simplex_tree`. `simplex_pieces` runs these sweeps on
parts of the tree, `simplex_tour` keeps current potentials beside it.
"""

from __future__ import annotations

import numpy as np

from transport.internal import compiled

EPS8 = 8 * 2.0**-52
BIG = np.int64(1 << 62)
PLACE_BITS = 24  # a stamp is epoch << 24 | place on the path

PIVOTS, DEGENERATE, NODES = range(3)  # what `attempt` adds to ``out``; NODES: on all cycles


@compiled
def sweep_potentials(src, parent, pcost, pi, mark, epoch, start, stop, stack):
    """Potentials of slots start:stop (and of their ancestors), by climbing to what is known."""
    stamp = epoch << PLACE_BITS
    for first in range(start, stop):
        u = np.uint32(first)
        sp = 0
        while mark[u] != stamp:
            stack[sp] = u
            sp += 1
            u = parent[u]
        p = pi[u]
        while sp > 0:
            sp -= 1
            u = stack[sp]
            p = p - pcost[u] if src[u] else p + pcost[u]
            pi[u] = p
            mark[u] = stamp


@compiled
def candidates(pool, slot, pi, rows, window, found, count):
    """The most violated arc of each source in ``rows`` to the slots window[0]:window[1].

    pool = (indptr, head, cost), head: slots of the sinks. Appended at ``count`` of found = (tail, head, cost,
    reduced cost); returns the new count.
    """
    indptr, head, cost = pool
    tails, heads, costs, value = found
    low = np.uint32(window[0])
    width = np.uint32(window[1] - window[0])
    for row in rows:
        i = slot[row]
        p = pi[i]
        best = 0.0
        at = np.int64(-1)
        for e in range(indptr[row], indptr[row + 1]):
            j = head[e]
            if np.uint32(j - low) >= width:
                continue
            q = pi[j]
            r = cost[e] + p - q
            if r < best and r < -EPS8 * (abs(cost[e]) + abs(p) + abs(q)):
                best = r
                at = e
        if at >= 0:
            tails[count] = i
            heads[count] = head[at]
            costs[count] = cost[at]
            value[count] = best
            count += 1
    return count


@compiled
def best_per_sink(found, count, best, keep):
    """Indices of the candidates that are their sink's best (the first of equals); how many. best: zeros."""
    _, head, _, value = found
    for t in range(count):
        j = head[t]
        best[j] = min(best[j], value[t])
    kept = 0
    for t in range(count):
        j = head[t]
        if best[j] < 0.0 and value[t] == best[j]:
            best[j] = 0.0
            keep[kept] = t
            kept += 1
    for t in range(count):
        best[head[t]] = 0.0
    return kept


@compiled
def climb(i, j, c, tree, root, mark, epoch, buffers):
    """The cycle of the arc i -> j of cost c: (nodes below the join on i's path, on j's, places of the
    blocking arcs on both or -1, reduced cost, largest sum on the way). ``epoch`` and the next are new."""
    src, parent, flow, pcost = tree
    paths, sums, lows = buffers
    path_i, path_j = paths
    sum_i, sum_j = sums
    low_i, low_j = lows
    ei = epoch << PLACE_BITS
    ej = (epoch + 1) << PLACE_BITS
    a = i
    b = j
    ka = 0
    kb = 0
    mark[a] = ei
    mark[b] = ej
    sa = 0.0
    sb = 0.0
    big = 0.0
    da = BIG
    db = BIG
    la = np.int64(-1)
    lb = np.int64(-1)
    while True:
        if a != root:
            path_i[ka] = a
            if src[a]:
                sa -= pcost[a]
                if flow[a] < da:
                    da = flow[a]
                    la = ka
            else:
                sa += pcost[a]
            sum_i[ka] = sa
            low_i[ka] = la  # place of the blocking arc among the first ka + 1
            big = max(big, abs(sa))
            ka += 1
            a = parent[a]
            if mark[a] >= ej:
                kb = mark[a] - ej
                break
            mark[a] = ei + ka
        if b != root:
            path_j[kb] = b
            if src[b]:
                sb += pcost[b]
            else:
                sb -= pcost[b]
                if flow[b] <= db:
                    db = flow[b]
                    lb = kb
            sum_j[kb] = sb
            low_j[kb] = lb
            big = max(big, abs(sb))
            kb += 1
            b = parent[b]
            if ei <= mark[b] < ej:
                ka = mark[b] - ei
                break
            mark[b] = ej + kb
    rc = c
    la = np.int64(-1)
    lb = np.int64(-1)
    if ka > 0:
        rc += sum_i[ka - 1]
        la = low_i[ka - 1]
    if kb > 0:
        rc += sum_j[kb - 1]
        lb = low_j[kb - 1]
    return ka, kb, la, lb, rc, big


@compiled
def push(cycle, tree, paths):
    """Send what fits round the cycle: (amount, whether an arc on j's path leaves)."""
    ka, kb, la, lb, _, _ = cycle
    src, _, flow, _ = tree
    path_i, path_j = paths
    da = flow[path_i[la]] if la >= 0 else BIG
    db = flow[path_j[lb]] if lb >= 0 else BIG
    delta = min(da, db)
    if delta > 0:
        for k in range(ka):
            x = path_i[k]
            flow[x] += -delta if src[x] else delta
        for k in range(kb):
            x = path_j[k]
            flow[x] += delta if src[x] else -delta
    return delta, db <= da


@compiled
def hang(up, stem, count, delta, c, tree):
    """Hang the tree of stem[count - 1] from ``up`` by stem[0], with an arc of flow delta and cost c."""
    _, parent, flow, pcost = tree
    for k in range(count):
        s = stem[k]
        oflow = flow[s]
        ocost = pcost[s]
        parent[s] = up
        flow[s] = delta
        pcost[s] = c
        up = s
        delta = oflow
        c = ocost


@compiled
def turn(i, j, c, cycle, tree, paths, out):
    """Enter the arc i -> j of cost c; adds to ``out``.

    Returns (stem, its length, node it now hangs from, what that adds to the potentials of the moved subtree).
    """
    _, _, la, lb, rc, _ = cycle
    delta, sinks_side = push(cycle, tree, paths)
    out[PIVOTS] += 1
    out[DEGENERATE] += delta == 0
    if sinks_side:
        hang(i, paths[1], lb + 1, delta, c, tree)
        return paths[1], lb + 1, i, rc
    hang(j, paths[0], la + 1, delta, c, tree)
    return paths[0], la + 1, j, -rc


@compiled
def attempt(arcs, tree, root, mark, epoch, buffers, out):
    """Try arcs = (tails, heads, costs) one after the other; adds to ``out``; the epoch.

    All are below ``root``, the artificial one or the top of a piece: nothing above it is looked at.
    """
    tails, heads, costs = arcs
    for t in range(len(tails)):
        i = tails[t]
        j = heads[t]
        c = costs[t]
        epoch += 2
        cycle = climb(i, j, c, tree, root, mark, epoch, buffers)
        out[NODES] += cycle[0] + cycle[1]
        if cycle[4] < -EPS8 * (abs(c) + cycle[5]):
            turn(i, j, c, cycle, tree, buffers[0], out)
    return epoch + 1
