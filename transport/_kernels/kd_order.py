"""kd order: points permuted so that the 2^d nodes of depth d are contiguous ranges.

Node k of depth d is the range [n k / 2^d, n (k + 1) / 2^d) (integer division), heap index 2^d + k.
Every kernel below works on one subtree, so that subtrees can run on several threads.
"""

from __future__ import annotations

import numpy as np

from transport.internal import compiled

RIDGE = 1e-8  # of the trace; keeps flat nodes solvable
COLLINEAR = 1e-26  # of the trace: squared distances from a line that are but rounding
ROUNDED = (4.0 * 2.0**-52) ** 2  # of squared coordinates: likewise


@compiled
def _swap(p, order, i, j):
    for q in range(p.shape[1]):
        t = p[i, q]
        p[i, q] = p[j, q]
        p[j, q] = t
    t2 = order[i]
    order[i] = order[j]
    order[j] = t2


@compiled
def _select(p, order, start, stop, mid, axis):
    """Partial sort: entries before ``mid`` are <= those from ``mid`` on, along ``axis`` (Hoare's FIND)."""
    lo = start
    hi = stop - 1
    while lo < hi:
        a = p[lo, axis]
        b = p[(lo + hi) // 2, axis]
        c = p[hi, axis]
        pivot = max(min(a, b), min(max(a, b), c))
        i = lo
        j = hi
        while i <= j:
            while p[i, axis] < pivot:
                i += 1
            while p[j, axis] > pivot:
                j -= 1
            if i <= j:
                if i < j:
                    _swap(p, order, i, j)
                i += 1
                j -= 1
        if mid <= j:
            hi = j
        elif mid >= i:
            lo = i
        else:
            return


@compiled
def split(p, order, n, top, first, last):
    """Sort the depths ``first``..``last - 1`` below node ``top``; ``p`` and ``order`` move together."""
    dim = p.shape[1]
    depth = 0
    while (2 << depth) <= top:
        depth += 1
    for d in range(first, last):
        count = 1 << d
        k0 = (top << (d - depth)) - count
        for k in range(k0, k0 + (1 << (d - depth))):
            start = n * k // count
            stop = n * (k + 1) // count
            mid = n * (2 * k + 1) // (2 * count)
            if stop - start < 2:
                continue
            axis = 0
            widest = -1.0
            for q in range(dim):
                lo = np.inf
                hi = -np.inf
                for r in range(start, stop):
                    lo = min(lo, p[r, q])
                    hi = max(hi, p[r, q])
                if hi - lo > widest:
                    widest = hi - lo
                    axis = q
            if widest > 0.0:
                _select(p, order, start, stop, mid, axis)


@compiled
def geometry(p, depth, tops, nodes, normal):
    """Centre, box and normal matrix of every node from each of ``tops`` down to ``depth``.

    nodes[z] = [centre (d), gradient (d), low (d), high (d), beta, top]: low and high are relative to
    the centre, gradient and beta are left to `fit`. normal[z] holds the lower triangle of the Cholesky
    factor of sum dy dy^T + ridge (row by row), zeros where a fit would be pointless, or for points on a skew
    line -1 and its direction: there a gradient across the line, fitted to rounding, would loosen the bound
    by more than the ties that make p = 1 hard.
    """
    n, dim = p.shape
    gram = np.empty((dim, dim))
    for top in tops:
        base = 0
        while (2 << base) <= top:
            base += 1
        for d in range(base, depth + 1):
            count = 1 << d
            k0 = (top << (d - base)) - count
            for k in range(k0, k0 + (1 << (d - base))):
                start = n * k // count
                stop = n * (k + 1) // count
                _node_geometry(p, start, stop, nodes[count + k], normal[count + k], gram)


@compiled
def _node_geometry(p, start, stop, node, factor, gram):
    dim = p.shape[1]
    size = stop - start
    trace = 0.0
    for q in range(dim):
        base = p[start, q]
        s = 0.0
        lo = np.inf
        hi = -np.inf
        for r in range(start, stop):
            s += p[r, q] - base
            lo = min(lo, p[r, q])
            hi = max(hi, p[r, q])
        centre = base + s / size
        node[q] = centre
        node[2 * dim + q] = lo - centre
        node[3 * dim + q] = hi - centre
    for q in range(dim):
        for q2 in range(q + 1):
            s = 0.0
            for r in range(start, stop):
                s += (p[r, q] - node[q]) * (p[r, q2] - node[q2])
            gram[q, q2] = s
        trace += gram[q, q]
    factor[:] = 0.0
    if size <= dim or not trace > 0.0:
        return
    if dim > 1 and _collinear(p, start, stop, node, gram, trace, factor):
        return
    for q in range(dim):
        gram[q, q] += RIDGE * trace
    for q in range(dim):  # Cholesky, in place
        for q2 in range(q + 1):
            s = gram[q, q2]
            for t in range(q2):
                s -= gram[q, t] * gram[q2, t]
            gram[q, q2] = np.sqrt(s) if q == q2 else s / gram[q2, q2]
    t = 0
    for q in range(dim):
        for q2 in range(q + 1):
            factor[t] = gram[q, q2]
            t += 1


@compiled
def _collinear(p, start, stop, node, gram, trace, factor):
    """Whether the node's points lie on a line to rounding; if so its direction is in factor[1:dim + 1]."""
    dim = p.shape[1]
    longest = 0
    for q in range(dim):
        if gram[q, q] > gram[longest, longest]:
            longest = q
    s = 0.0
    for q in range(dim):
        s += gram[max(q, longest), min(q, longest)] ** 2
    s = 1.0 / np.sqrt(s)
    for q in range(dim):
        factor[1 + q] = s * gram[max(q, longest), min(q, longest)]
    far = 0.0
    for q in range(dim):
        far = max(far, abs(node[q]) + max(-node[2 * dim + q], node[3 * dim + q]))
    allowed = COLLINEAR * trace + (stop - start) * ROUNDED * far * far
    off = 0.0
    for r in range(start, stop):
        along = 0.0
        for q in range(dim):
            along += factor[1 + q] * (p[r, q] - node[q])
        for q in range(dim):
            off += (p[r, q] - node[q] - along * factor[1 + q]) ** 2
        if off > allowed:
            return False
    factor[0] = -1.0
    return True


@compiled
def fit(p, v, metric, depth, tops, only, nodes, normal):
    """Least-squares gradient h of ``v`` in each node, and beta >= max(v - h . (y - centre)).

    Along a line every h with the same slope is as good; the one taken lets ties of ``metric`` cancel axis by
    axis. Whatever h is, v(y) <= beta + h . (y - centre) holds for the stored floats: beta is rounded up.
    ``only`` stops at the depth of ``tops`` themselves (the few large nodes above the subtrees).
    """
    n, dim = p.shape
    h = np.empty(dim)
    r = np.empty(dim)
    for top in tops:
        base = 0
        while (2 << base) <= top:
            base += 1
        for d in range(base, (base if only else depth) + 1):
            count = 1 << d
            k0 = (top << (d - base)) - count
            for k in range(k0, k0 + (1 << (d - base))):
                z = count + k
                start = n * k // count
                stop = n * (k + 1) // count
                _node_fit(p, v, metric, start, stop, nodes[z], normal[z], h, r)


@compiled
def _solve_factored(factor, h):
    """h <- (L L^T)^-1 h for a lower triangle stored row by row."""
    dim = len(h)
    t = 0
    for q in range(dim):
        for q2 in range(q):
            h[q] -= factor[t] * h[q2]
            t += 1
        h[q] /= factor[t]
        t += 1
    for q in range(dim - 1, -1, -1):
        for q2 in range(q + 1, dim):
            h[q] -= factor[q2 * (q2 + 1) // 2 + q] * h[q2]
        h[q] /= factor[q * (q + 1) // 2 + q]


@compiled
def _along(slope, factor, metric, h):
    """h with h . u = slope for the direction u = factor[1:], parallel to a gradient of ``metric`` at u."""
    dim = len(h)
    total = 0.0
    longest = 0
    for q in range(dim):
        total += abs(factor[1 + q])
        if abs(factor[1 + q]) > abs(factor[1 + longest]):
            longest = q
    for q in range(dim):
        u = factor[1 + q]
        if metric == 0:
            h[q] = slope * u
        elif metric == 1:
            h[q] = slope / total if u > 0.0 else -slope / total
        else:
            h[q] = slope / u if q == longest else 0.0


@compiled
def _node_fit(p, v, metric, start, stop, node, factor, h, r):
    dim = p.shape[1]
    h[:] = 0.0
    if factor[0] > 0.0:
        base = v[start]
        for k in range(start, stop):
            w = v[k] - base
            for q in range(dim):
                h[q] += (p[k, q] - node[q]) * w
        _solve_factored(factor, h)
        trace = 0.0
        for t in range(len(factor)):
            trace += factor[t] * factor[t]
        for q in range(dim):  # one refinement: the residual of the ridge solution is ridge * h
            r[q] = RIDGE * trace * h[q]
        _solve_factored(factor, r)
        good = True
        for q in range(dim):
            h[q] += r[q]
            good &= abs(h[q]) < 1e150
        if not good:
            h[:] = 0.0
    elif factor[0] < 0.0:
        up = 0.0
        down = 0.0
        base = v[start]
        for k in range(start, stop):
            along = 0.0
            for q in range(dim):
                along += factor[1 + q] * (p[k, q] - node[q])
            up += along * (v[k] - base)
            down += along * along
        if abs(up) < 1e150 * down:
            _along(up / down, factor, metric, h)
    beta = -np.inf
    high = -np.inf
    size = 0.0
    for k in range(start, stop):
        w = v[k]
        high = max(high, w)
        size = max(size, abs(w))
        for q in range(dim):
            w -= h[q] * (p[k, q] - node[q])
        beta = max(beta, w)
    for q in range(dim):
        node[dim + q] = h[q]
        size += abs(h[q]) * max(-node[2 * dim + q], node[3 * dim + q])
    node[4 * dim] = beta + (2.0 * dim + 6.0) * 2.0**-53 * size
    node[4 * dim + 1] = high


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
