"""A small problem from costs to plan in one call: the network simplex on the whole matrix.

No pool and no shortlist: a vectorised pass over a row of 300 costs takes 40 ns, less than a walk over the
pool's arcs of eight rows. The tree and its pivot are those of `simplex_tree`, with nodes as slots.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.costs import scan_rows
from transport._kernels.masses import integer_masses
from transport._kernels.simplex_pool import peel
from transport._kernels.simplex_tree import EPS8, MOVED, _pivot
from transport._kernels.vector import fmin, least_difference, place_of

_jit = njit(cache=True, nogil=True)
_inline = njit(cache=True, nogil=True, inline="always")  # used once: one compilation less

BLOCK = 48  # entries looked at before a pivot, in whole rows
PASSES = 8
EFFORT = 1 << 24  # nodes moved, about 30 ms: uniform masses make for many pivots that move few
DISPROPORTION = 2.0**44

# what `solve` ended with: proved; out of pivots; for the general path
OPTIMAL, LIMIT, UNFIT = range(3)


@_inline
def reduce_costs(c, f, g, w):
    """Row minima f of c - g, then column minima g of c - f, and w = c - f - g.

    Returns the largest finite w, or inf if a row or a column has no finite cost.
    """
    n, m = c.shape
    for i in range(n):
        f[i] = least_difference(c[i], g)
    g[:] = np.inf
    for i in range(n):
        fi = f[i]
        for j in range(m):
            g[j] = fmin(g[j], c[i, j] - fi)
    for v in f:
        if not v < np.inf:
            return np.inf
    for v in g:
        if not v < np.inf:
            return np.inf
    lowest = 0.0
    for i in range(n):
        fi = f[i]
        for j in range(m):
            v = (c[i, j] - fi) - g[j]
            w[i, j] = v
            lowest = fmin(lowest, -v if v < np.inf else 0.0)
    return -lowest


@_inline
def cheapest_first(w, a, b, rows, cols, flows):
    """Ship along the cheapest open arc of the matrix until nothing is left; returns the number of arcs.

    Every row keeps its cheapest column and looks again when that one has closed. Each arc exhausts a row or a
    column, so the support is a forest. Fewer arcs than it takes if +inf costs are in the way.
    """
    n, m = w.shape
    left_a = a.copy()
    left_b = b.copy()
    shut = np.zeros(m)
    zero = np.zeros(n)
    best = np.empty(n)
    at = np.empty(n, np.int64)
    for i in range(n):
        best[i] = least_difference(w[i], shut)
        at[i] = place_of(best[i], w[i], shut)
    count = 0
    while True:
        low = least_difference(best, zero)
        if low == np.inf:
            return count
        i = place_of(low, best, zero)
        j = at[i]
        if left_b[j] == 0:
            best[i] = least_difference(w[i], shut)
            at[i] = place_of(best[i], w[i], shut)
            continue
        moved = min(left_a[i], left_b[j])
        rows[count] = i
        cols[count] = j
        flows[count] = moved
        count += 1
        left_a[i] -= moved
        left_b[j] -= moved
        if left_a[i] == 0:
            best[i] = np.inf
        if left_b[j] == 0:
            shut[j] = -np.inf


@_inline
def hang(w, rows, cols, flows, tree):
    """The forest as a tree in preorder; each component hangs from a source by an arc of flow and cost 0."""
    src, parent, depth, thread, rthread, flow, pcost, pi = tree
    n, m = w.shape
    root = n + m
    first = np.full(root, -1, np.int64)
    after = np.empty(2 * len(rows), np.int64)
    for k in range(len(rows)):
        after[2 * k] = first[rows[k]]
        first[rows[k]] = 2 * k
        after[2 * k + 1] = first[n + cols[k]]
        first[n + cols[k]] = 2 * k + 1
    for v in range(root + 1):
        src[v] = v < n
        depth[v] = 0
        parent[v] = root
        flow[v] = 0
        pcost[v] = 0.0
        pi[v] = 0.0
    stack = np.empty(root, np.int64)
    last = root
    for top in range(n):
        if depth[top]:
            continue
        depth[top] = 1
        stack[0] = top
        size = 1
        while size:
            size -= 1
            v = stack[size]
            thread[last] = v
            rthread[v] = last
            last = v
            e = first[v]
            while e >= 0:
                k = e >> 1
                z = n + cols[k] if v < n else rows[k]
                if depth[z] == 0:
                    depth[z] = depth[v] + 1
                    parent[z] = v
                    flow[z] = flows[k]
                    pcost[z] = w[rows[k], cols[k]]
                    pi[z] = pi[v] + pcost[z] if v < n else pi[v] - pcost[z]
                    stack[size] = z
                    size += 1
                e = after[e]
    thread[last] = root
    rthread[root] = last


@_jit
def price(w, pi, i):
    """(reduced cost, column) of the best arc of row i; column -1 if none is below rounding."""
    n, m = w.shape
    q = pi[n : n + m]
    p = pi[i]
    low = least_difference(w[i], q)
    best = low + p
    if best >= -EPS8 * abs(p):
        return 0.0, -1
    j = place_of(low, w[i], q)
    if best < -EPS8 * (abs(w[i, j]) + abs(p) + abs(q[j])):
        return best, j
    best = 0.0
    at = -1
    for j in range(m):
        r = w[i, j] - q[j] + p
        if r < best and r < -EPS8 * (abs(w[i, j]) + abs(p) + abs(q[j])):
            best = r
            at = j
    return best, at


@_inline
def refresh(tree):
    """Potentials anew from the costs of the tree's arcs."""
    src, parent, _, thread, _, _, pcost, pi = tree
    root = len(parent) - 1
    v = thread[root]
    while v != root:
        p = pi[parent[v]]
        pi[v] = p - pcost[v] if src[v] else p + pcost[v]
        v = thread[v]


@_inline
def run(w, tree, limit):
    """Pivot on the best arc of the next rows until none is left; returns (code, pivots)."""
    src, parent, depth, thread, rthread, flow, pcost, pi = tree
    n, m = w.shape
    cursor = np.zeros(5, np.int64)
    row = 0
    pivots = 0
    passes = 0
    fresh = True
    while True:
        best = 0.0
        tail = -1
        head = -1
        scanned = 0
        for _ in range(n):
            r, j = price(w, pi, row)
            if r < best:
                best = r
                tail = row
                head = j
            row = row + 1 if row + 1 < n else 0
            scanned += m
            if tail >= 0 and scanned >= BLOCK:
                break
        if tail < 0:
            if fresh:
                return OPTIMAL, pivots
            passes += 1
            if passes > PASSES:
                return UNFIT, pivots
            refresh(tree)
            fresh = True
            continue
        if pivots == limit or cursor[MOVED] > EFFORT:
            return LIMIT, pivots
        i = np.uint32(tail)
        j = np.uint32(n + head)
        _pivot(i, j, w[tail, head], src, parent, depth, thread, rthread, flow, pcost, pi, cursor)
        pivots += 1
        fresh = False


@_inline
def ordinary(c):
    """Costs are numbers or +inf, and sums of them neither overflow nor underflow."""
    largest, _, bad = scan_rows(c, 0, len(c))
    return bad < 0 and (largest == 0.0 or 2.0**-400 <= largest < 2.0**401)  # as in `_matrix_oracle`


@_jit
def solve(c, a, b, g, limit):
    """(code, pivots, rows, cols, mass, f, g): optimal transport of positive masses a, b for the matrix c.

    ``g``: potentials to start from. After LIMIT the plan ships everything, as far as it got; after UNFIT it
    may be empty.
    """
    n = len(a)
    nodes = n + len(b)
    rows = np.empty(nodes, np.int64)
    cols = np.empty(nodes, np.int64)
    mass = np.empty(nodes)
    units_a, units_b = integer_masses(a, b)
    code, pivots, parent, _, f, g = ship(c, units_a, units_b, g, limit)
    if len(parent) == 0:
        return code, pivots, rows[:0], cols[:0], mass[:0], f, g
    flow = peel(n, parent, a, b)
    count = 0
    for v in range(nodes):
        p = parent[v]
        if p < nodes and flow[v] > 0:
            rows[count] = min(v, p)
            cols[count] = max(v, p) - n
            mass[count] = flow[v]
            count += 1
    return code, pivots, rows[:count], cols[:count], mass[:count], f, g


@_jit
def ship(c, a, b, g, limit):
    """(code, pivots, parent, flow, f, g): the same for integer masses, as a tree; none after some UNFIT."""
    n, m = c.shape
    nodes = n + m
    f = np.zeros(n)
    g = g.copy()
    none = np.empty(0, np.int64)
    if not ordinary(c):
        return UNFIT, 0, none, none, f, g
    w = np.empty((n, m))
    largest = reduce_costs(c, f, g, w)
    if largest == np.inf:
        return UNFIT, 0, none, none, f, g
    rows = np.empty(nodes, np.int64)
    cols = np.empty(nodes, np.int64)
    flows = np.empty(nodes, np.int64)
    count = cheapest_first(w, a, b, rows, cols, flows)
    if not fits(w, rows[:count], cols[:count], flows[:count], a, largest):
        return UNFIT, 0, none, none, f, g
    tree = (
        np.empty(nodes + 1, np.bool_),
        np.empty(nodes + 1, np.uint32),
        np.empty(nodes + 1, np.int32),
        np.empty(nodes + 1, np.uint32),
        np.empty(nodes + 1, np.uint32),
        np.empty(nodes + 1, np.int64),
        np.empty(nodes + 1),
        np.empty(nodes + 1),
    )
    hang(w, rows[:count], cols[:count], flows[:count], tree)
    code, pivots = run(w, tree, limit)
    pi = tree[7]
    for i in range(n):
        f[i] -= pi[i]
    for j in range(m):
        g[j] += pi[n + j]
    return code, pivots, tree[1].astype(np.int64), tree[5], f, g


@_inline
def fits(w, rows, cols, flows, a, largest):
    """Everything is shipped, and no cost is out of all proportion to the lower quarter of those used."""
    left = np.int64(0)
    for v in a:
        left += v
    usual = 0
    dwarfed = 0
    for k in range(len(rows)):
        left -= flows[k]
        cost = w[rows[k], cols[k]]
        if cost > 0:
            usual += 1
            dwarfed += DISPROPORTION * cost < largest
    return left == 0 and 4 * dwarfed <= usual
