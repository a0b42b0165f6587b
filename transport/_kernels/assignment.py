"""Assignment on a pool of arcs: auction with scaled bids, then exact repair by short augmenting paths.

Prices: v on sinks; arc e costs its source c_e - v[col e], and a source is happy with an arc if no other of
its row is cheaper by more than eps. ``arc[i]`` is the arc of source i (-1: free), ``owner[j]`` the source of
sink j. CSR pools as in `simplex_pool`.

Bertsekas (1988) for the auction. The repair is Hungarian, but run on a *perfect* matching: what an arc is too
dear by (at most eps) is lent to it as a discount, which makes the matching optimal for the discounted costs;
the discounts are then taken back one at a time. Each is one Dijkstra from its source back to its own sink,
no longer than the discount: a few nodes. From an empty matching the last searches would span the whole
domain: reduced costs of the size of a typical arc percolate.
"""

from __future__ import annotations

import numpy as np

from transport.internal import compiled


@compiled
def release(indptr, col, cost, v, arc, owner, eps, free):
    """Free the sources that an arc could please by more than ``eps``; free[:count] last row first; count."""
    count = 0
    for i in range(len(indptr) - 2, -1, -1):
        a = arc[i]
        if a >= 0:
            low = np.inf
            for e in range(indptr[i], indptr[i + 1]):
                low = min(low, cost[e] - v[col[e]])
            j = col[a]
            if (cost[a] - v[j]) - low > eps:
                owner[j] = -1
                arc[i] = -1
                a = -1
        if a < 0:
            free[count] = i
            count += 1
    return count


@compiled
def auction(pool, v, match, eps, cap, queue, count, parked, waiting, limit):
    """Bid for queue[:count] from its end until it is empty or ``limit`` bids; (count, waiting, bids).

    The source takes its best sink and lowers v there by its margin over the second best plus eps. One that
    would pay more than ``cap`` waits in parked[:waiting]: fewer sinks than sources in its reach, perhaps.
    """
    indptr, col, cost = pool
    arc, owner = match
    bids = 0
    while count > 0 and bids < limit:
        i = queue[count - 1]
        bids += 1
        best = np.inf
        second = np.inf
        at = indptr[i]
        for e in range(indptr[i], indptr[i + 1]):
            r = cost[e] - v[col[e]]
            if r < second:
                if r < best:
                    second = best
                    best = r
                    at = e
                else:
                    second = r
        if best > cap:
            parked[waiting] = i
            waiting += 1
            count -= 1
            continue
        j = col[at]
        w = owner[j]
        v[j] -= (second - best) + eps if second < np.inf else eps
        owner[j] = i
        arc[i] = at
        if w >= 0:
            arc[w] = -1
            queue[count - 1] = w
        else:
            count -= 1
    return count, waiting, bids


@compiled
def discounts(indptr, col, cost, v, arc, lent):
    """lent[i] = what the arc of source i costs beyond its cheapest one."""
    for i in range(len(indptr) - 1):
        low = np.inf
        for e in range(indptr[i], indptr[i + 1]):
            low = min(low, cost[e] - v[col[e]])
        lent[i] = (cost[arc[i]] - v[col[arc[i]]]) - low


@compiled
def _rise(heap, place, dist, j, k):
    """Put j at position k of the heap or above."""
    d = dist[j]
    while k > 0:
        up = (k - 1) >> 1
        q = heap[up]
        if dist[q] <= d:
            break
        heap[k] = q
        place[q] = k
        k = up
    heap[k] = j
    place[j] = k


@compiled
def _sink(heap, place, dist, j, size):
    """Put j at the top of the heap or below."""
    d = dist[j]
    k = 0
    while True:
        c = 2 * k + 1
        if c >= size:
            break
        if c + 1 < size and dist[heap[c + 1]] < dist[heap[c]]:
            c += 1
        q = heap[c]
        if dist[q] >= d:
            break
        heap[k] = q
        place[q] = k
        k = c
    heap[k] = j
    place[j] = k


@compiled
def _search(s, pool, v, match, lent, stamp, labels, heaps):
    """Dijkstra over sinks from source s to its own sink; (distance, settled sinks in heap order)."""
    indptr, col, cost = pool
    arc, owner = match
    mark, dist, pred, via = labels
    heap, place, settled = heaps
    target = col[arc[s]]
    low = np.inf
    for e in range(indptr[s], indptr[s + 1]):
        low = min(low, cost[e] - v[col[e]])
    end = np.inf
    size = 0
    done = 0
    i = np.int64(s)
    near = 0.0
    while True:
        for e in range(indptr[i], indptr[i + 1]):
            j = col[e]
            seen = mark[j] == stamp
            if seen and place[j] < 0:
                continue
            r = (cost[e] - v[j]) - low
            d = near + r if r > 0.0 else near
            if d >= end or (seen and d >= dist[j]):
                continue
            dist[j] = d
            pred[j] = e
            via[j] = i
            if j == target:
                end = d
                continue
            k = place[j]
            if not seen:
                mark[j] = stamp
                k = size
                size += 1
            _rise(heap, place, dist, j, k)
        if size == 0 or dist[heap[0]] >= end:
            return end, done
        j = heap[0]
        place[j] = -1
        size -= 1
        if size > 0:
            _sink(heap, place, dist, heap[size], size)
        settled[done] = j
        done += 1
        near = dist[j]
        i = np.int64(owner[j])
        low = (cost[arc[i]] - lent[i]) - v[j]


@compiled
def repair(pool, v, match, lent, order, at, limit, labels, heaps, cursor):
    """Take back the discounts of order[at:]; stops after ``limit`` settled sinks; the new ``at``.

    cursor[0] stamps the searches, cursor[1] counts settled sinks, cursor[2] the paths.
    """
    col = pool[1]
    arc, owner = match
    dist, pred, via = labels[1:]
    settled = heaps[2]
    work = 0
    while at < len(order) and work < limit:
        s = order[at]
        at += 1
        if not lent[s] > 0.0:
            continue
        lent[s] = 0.0
        cursor[0] += 1
        end, done = _search(s, pool, v, match, lent, cursor[0], labels, heaps)
        work += 1 + done
        cursor[2] += 1
        for k in range(done):
            v[settled[k]] += dist[settled[k]] - end
        j = np.int64(col[arc[s]])
        while True:
            i = np.int64(via[j])
            a = arc[i]
            if a != np.int64(pred[j]):
                lent[i] = 0.0
            arc[i] = pred[j]
            owner[j] = i
            if i == s:
                break
            j = np.int64(col[a])
    cursor[1] += work
    return at
