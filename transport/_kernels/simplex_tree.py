"""The network simplex on a pool of arcs: a spanning tree threaded in preorder, integer flows.

Nodes: sources 0..n-1, sinks n..n+m-1, an artificial root N = n+m. Potentials pi with reduced cost
c + pi[source] - pi[sink], that is f = -pi on sources and g = pi on sinks. The arc to the parent is stored
in the child; its direction follows from the child's kind (a source's arc goes up, a sink's comes down), so
there are no arc states: basic arcs have reduced cost 0 and are never selected.

Only the root has artificial arcs. A balanced component hangs from one of its sources by an upward arc
without flow; nothing ever enters the root, so that flow stays 0 and the arc's cost is free: the component
may float at any height. (So no big M is needed, and none can swamp small costs.)

Degeneracy: every tree arc without flow points to the root (its child is a source). The leaving-arc rule
below keeps that, which excludes cycling (Cunningham 1976); with integer flows the rule is exact.

Slots: nodes are renumbered in preorder every few thousand pivots, so that walking a subtree is nearly
walking memory (2x). All indices are unsigned: numba guards signed ones against negative values, on the
critical path of every pointer chase (2x).
"""

from __future__ import annotations

import numpy as np

from transport._kernels.forests import adjacency
from transport.internal import compiled

EPS8 = 8 * 2.0**-52
NONE = np.uint32(0xFFFFFFFF)
BIG = np.int64(1 << 62)

# cursor: where the next slice resumes
ROW, SINCE, PIVOTS, MOVED, DEGENERATE_RUN = range(5)

# what `run` ended with
OPTIMAL, SLICE, STALLED = range(3)


@compiled(inline="never")
def _pivot(i, j, c, src, parent, depth, thread, rthread, flow, pcost, pi, cursor):
    """Enter arc i -> j of cost c; returns the flow moved round the cycle."""
    d1 = BIG
    d2 = BIG
    o1 = NONE
    o2 = NONE
    x = i
    y = j
    # Climb to the join. Source's path: first minimum going up; sink's path: last; sink's side wins ties.
    while x != y:
        if depth[x] >= depth[y]:
            if src[x] and flow[x] < d1:
                d1 = flow[x]
                o1 = x
            x = parent[x]
        else:
            if not src[y] and flow[y] <= d2:
                d2 = flow[y]
                o2 = y
            y = parent[y]
    join = x
    rc = c + pi[i] - pi[j]
    if d2 <= d1:
        delta = d2
        u_out = o2
        u_in = j
        v_in = i
        sigma = rc
    else:
        delta = d1
        u_out = o1
        u_in = i
        v_in = j
        sigma = -rc
    if delta > 0:
        x = i
        while x != join:
            if src[x]:
                flow[x] -= delta
            else:
                flow[x] += delta
            x = parent[x]
        y = j
        while y != join:
            if src[y]:
                flow[y] += delta
            else:
                flow[y] -= delta
            y = parent[y]
    # Rehang the subtree of u_out from v_in by u_in, walking its preorder once: each stem node s, then
    # what preceded the previous stem node in s's old preorder, then what followed it.
    before = rthread[u_out]
    nd = depth[v_in] + np.int32(1)
    npar = v_in
    nflow = delta
    ncost = c
    s = u_in
    prev = NONE
    after = NONE
    tail = NONE
    moved = 0
    while True:
        od = depth[s]
        shift = nd - od
        pi[s] += sigma
        depth[s] = nd
        w = thread[s]
        if tail != NONE:
            thread[tail] = s
            rthread[s] = tail
        tail = s
        moved += 1
        if prev != NONE:
            while w != prev:
                nw = thread[w]
                pi[w] += sigma
                depth[w] += shift
                tail = w
                w = nw
                moved += 1
            w = after
            if depth[w] > od:
                thread[tail] = w
                rthread[w] = tail
        dw = depth[w]
        while dw > od:
            nw = thread[w]
            pi[w] += sigma
            depth[w] = dw + shift
            tail = w
            w = nw
            dw = depth[w]
            moved += 1
        after = w
        op = parent[s]
        oflow = flow[s]
        ocost = pcost[s]
        parent[s] = npar
        flow[s] = nflow
        pcost[s] = ncost
        if s == u_out:
            break
        npar = s
        nflow = oflow
        ncost = ocost
        prev = s
        s = op
        nd += np.int32(1)
    thread[before] = after
    rthread[after] = before
    nx = thread[v_in]
    thread[v_in] = u_in
    rthread[u_in] = v_in
    thread[tail] = nx
    rthread[nx] = tail
    cursor[MOVED] += moved
    return delta


@compiled
def move_slots(new, src, parent, flow, pcost, slot):
    """Slot v becomes slot new[v]."""
    s2 = src.copy()
    p2 = parent.copy()
    f2 = flow.copy()
    c2 = pcost.copy()
    for v in range(len(new)):
        z = new[v]
        src[z] = s2[v]
        parent[z] = new[p2[v]]
        flow[z] = f2[v]
        pcost[z] = c2[v]
    for v in range(len(new)):
        slot[v] = new[slot[v]]


@compiled
def renumber(tree, slot):
    """Give every node its place in preorder as slot, and recompute the potentials from the arc costs."""
    src, parent, depth, thread, rthread, flow, pcost, pi = tree
    N = len(parent) - 1
    new = np.empty(N + 1, np.uint32)
    k = 0
    w = thread[N]
    while w != N:
        new[w] = k
        k += 1
        w = thread[w]
    new[N] = N
    d2 = depth.copy()
    for o in range(N + 1):
        depth[new[o]] = d2[o]
    move_slots(new, src, parent, flow, pcost, slot)
    pi[N] = 0.0
    for z in range(N):
        pi[z] = pi[parent[z]] - pcost[z] if src[z] else pi[parent[z]] + pcost[z]
        thread[z] = z + 1
        rthread[z] = z - 1 if z > 0 else N
    thread[N] = 0
    rthread[N] = N - 1


@compiled
def run(pool, tree, slot, cursor, block, limit, period):
    """Pivot until no arc of the pool has a negative reduced cost, or ``limit`` pivots are done.

    pool = (indptr, col, cost, head), CSR by source; ``head`` is scratch, the sinks' slots. Block search: the
    best arc among at least ``block``, whole rows at a time. Reduced costs below
    8 eps (|c| + |pi_i| + |pi_j|) count as 0.
    """
    indptr, col, cost, head = pool
    src, parent, depth, thread, rthread, flow, pcost, pi = tree
    n = len(indptr) - 1
    row = cursor[ROW]
    done = 0
    code = SLICE
    refresh = True
    while done < limit:
        if cursor[SINCE] >= period:
            renumber(tree, slot)
            cursor[SINCE] = 0
            refresh = True
        if refresh:
            for e in range(len(col)):
                head[e] = slot[n + col[e]]
            refresh = False
        best = 0.0
        bi = np.int64(-1)
        be = np.int64(-1)
        scanned = 0
        seen = 0
        while seen < n:
            p = pi[slot[row]]
            e0 = indptr[row]
            e1 = indptr[row + 1]
            for e in range(e0, e1):
                q = pi[head[e]]
                r = cost[e] + p - q
                if r < best and r < -EPS8 * (abs(cost[e]) + abs(p) + abs(q)):
                    best = r
                    bi = row
                    be = e
            scanned += e1 - e0
            seen += 1
            row += 1
            if row == n:
                row = 0
            if scanned >= block:
                scanned = 0
                if be >= 0:
                    break
        if be < 0:
            code = OPTIMAL
            break
        i = slot[bi]
        j = head[be]
        if _pivot(i, j, cost[be], src, parent, depth, thread, rthread, flow, pcost, pi, cursor) > 0:
            cursor[DEGENERATE_RUN] = 0
        else:
            cursor[DEGENERATE_RUN] += 1
            if cursor[DEGENERATE_RUN] > 50 * len(parent) + 100000:
                cursor[DEGENERATE_RUN] = 0
                code = STALLED
                done += 1
                break
        done += 1
        cursor[SINCE] += 1
    cursor[ROW] = row
    cursor[PIVOTS] += done
    return code


@compiled
def plant(n, m, rows, cols, flows, costs, supply, deficit_cost):
    """A forest with positive flows as a strongly feasible tree; returns (tree, slot).

    At most one node of a component may have flows that do not add up to its ``supply`` (sinks negative);
    the component hangs from it. A component short of supply hangs by an arc root -> sink of cost
    ``deficit_cost``, all others by an arc source -> root of cost 0.
    """
    N = n + m
    start, arc = adjacency(n, m, rows, cols)
    net = supply.copy()
    for k in range(len(rows)):
        net[rows[k]] -= flows[k]
        net[n + cols[k]] += flows[k]
    src = np.zeros(N + 1, np.bool_)
    parent = np.full(N + 1, N, np.uint32)
    depth = np.zeros(N + 1, np.int32)
    flow = np.zeros(N + 1, np.int64)
    pcost = np.zeros(N + 1)
    pi = np.zeros(N + 1)
    slot = np.full(N + 1, NONE, np.uint32)
    slot[N] = N
    seen = np.zeros(N, np.bool_)
    stack = np.empty(N + 1, np.int64)
    via = np.empty(N + 1, np.int64)
    z = 0
    for first in range(N):
        if seen[first]:
            continue
        seen[first] = True
        stack[0] = first
        h = 0
        t = 1
        total = np.int64(0)
        top = np.int64(-1)
        low = np.int64(-1)
        while h < t:
            v = stack[h]
            h += 1
            total += net[v]
            if v < n:
                if top < 0 or net[v] > net[top]:
                    top = v
            elif low < 0 or net[v] < net[low]:
                low = v
            for q in range(start[v], start[v + 1]):
                w = rows[arc[q]] + n + cols[arc[q]] - v
                if not seen[w]:
                    seen[w] = True
                    stack[t] = w
                    t += 1
        stack[0] = top if total >= 0 else low
        via[0] = -1
        t = 1
        while t > 0:
            t -= 1
            v = stack[t]
            k = via[t]
            slot[v] = z
            src[z] = v < n
            if k < 0:
                depth[z] = 1
                flow[z] = abs(total)
                pcost[z] = 0.0 if total >= 0 else deficit_cost
            else:
                up = rows[k] + n + cols[k] - v
                parent[z] = slot[up]
                depth[z] = depth[parent[z]] + 1
                flow[z] = flows[k]
                pcost[z] = costs[k]
            p = pi[parent[z]]
            pi[z] = p - pcost[z] if src[z] else p + pcost[z]
            z += 1
            for q in range(start[v], start[v + 1]):
                if arc[q] != k:
                    stack[t] = rows[arc[q]] + n + cols[arc[q]] - v
                    via[t] = arc[q]
                    t += 1
    thread = np.empty(N + 1, np.uint32)
    rthread = np.empty(N + 1, np.uint32)
    for z in range(N + 1):
        thread[z] = z + 1 if z < N else 0
        rthread[z] = z - 1 if z > 0 else N
    return (src, parent, depth, thread, rthread, flow, pcost, pi), slot
