"""The network simplex without maintained potentials, for trees too large for the cache.

The tree is parent pointers, flows and arc costs only: no thread, no depth, nothing to update in the moved
subtree. A sweep recomputes all potentials, takes each source's best arc and keeps the best of those per
sink, sorts them, and tries them in turn; the exact reduced cost of a candidate is summed along its own
cycle, which the pivot needs anyway, so stale potentials never cause a wrong pivot. One climb does it: both
ends climb alternately until their paths meet, keeping prefix sums and prefix minima.

Same nodes, artificial root, and leaving-arc rule as `simplex_tree`.
"""

from __future__ import annotations

import numpy as np
from numba import njit

_jit = njit(cache=True, nogil=True)

EPS8 = 8 * 2.0**-52
BIG = np.int64(1 << 62)
PLACE_BITS = 24  # a stamp is epoch << 24 | place on the path


@_jit
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


@_jit
def candidates(indptr, head, cost, slot, pi, start, stop, tail, arc, value, count):
    """Each source's most violated arc, for sources start:stop, appended at ``count``; the new count."""
    for row in range(start, stop):
        i = slot[row]
        p = pi[i]
        best = 0.0
        at = np.int64(-1)
        for e in range(indptr[row], indptr[row + 1]):
            q = pi[head[e]]
            r = cost[e] + p - q
            if r < best and r < -EPS8 * (abs(cost[e]) + abs(p) + abs(q)):
                best = r
                at = e
        if at >= 0:
            tail[count] = i
            arc[count] = at
            value[count] = best
            count += 1
    return count


@_jit
def best_per_sink(head, arc, value, count, best, keep):
    """Indices of the candidates that are their sink's best (the first of equals); how many. best: zeros."""
    for t in range(count):
        j = head[arc[t]]
        best[j] = min(best[j], value[t])
    kept = 0
    for t in range(count):
        j = head[arc[t]]
        if best[j] < 0.0 and value[t] == best[j]:
            best[j] = 0.0
            keep[kept] = t
            kept += 1
    for t in range(count):
        best[head[arc[t]]] = 0.0
    return kept


@_jit
def attempt(order, span, arcs, tree, mark, epoch, buffers, out):
    """Try candidates order[slice(*span)]; adds pivots, degenerate ones, cycle nodes to out; the epoch."""
    start, stop = span
    tail, arc, head, cost = arcs
    src, parent, flow, pcost = tree
    paths, sums, lows = buffers
    path_i, path_j = paths
    sum_i, sum_j = sums
    low_i, low_j = lows
    root = np.uint32(len(parent) - 1)
    for t in range(start, stop):
        e = arc[order[t]]
        i = tail[order[t]]
        j = head[e]
        epoch += 2
        ei = epoch
        ej = epoch + 1
        # low_*[k]: place of the blocking arc among the first k + 1 of the path, -1 if none
        a = i
        b = j
        ka = 0
        kb = 0
        mark[a] = ei << PLACE_BITS
        mark[b] = ej << PLACE_BITS
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
                low_i[ka] = la
                big = max(big, abs(sa))
                ka += 1
                a = parent[a]
                if mark[a] >> PLACE_BITS == ej:
                    kb = mark[a] - (ej << PLACE_BITS)
                    break
                mark[a] = (ei << PLACE_BITS) + ka
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
                if mark[b] >> PLACE_BITS == ei:
                    ka = mark[b] - (ei << PLACE_BITS)
                    break
                mark[b] = (ej << PLACE_BITS) + kb
        out[2] += ka + kb
        rc = cost[e]
        la = np.int64(-1)
        lb = np.int64(-1)
        if ka > 0:
            rc += sum_i[ka - 1]
            la = low_i[ka - 1]
        if kb > 0:
            rc += sum_j[kb - 1]
            lb = low_j[kb - 1]
        if not rc < -EPS8 * (abs(cost[e]) + big):
            continue
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
        else:
            out[1] += 1
        nflow = delta
        ncost = cost[e]
        if db <= da:
            up = i
            for k in range(lb + 1):
                s = path_j[k]
                oflow = flow[s]
                ocost = pcost[s]
                parent[s] = up
                flow[s] = nflow
                pcost[s] = ncost
                up = s
                nflow = oflow
                ncost = ocost
        else:
            up = j
            for k in range(la + 1):
                s = path_i[k]
                oflow = flow[s]
                ocost = pcost[s]
                parent[s] = up
                flow[s] = nflow
                pcost[s] = ncost
                up = s
                nflow = oflow
                ncost = ocost
        out[0] += 1
    return epoch
