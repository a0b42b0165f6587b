"""A small problem from costs to plan in one call: the network simplex on the whole matrix.

No pool and no shortlist: a vectorised pass over a row of 300 costs takes 40 ns, less than a walk over the
pool's arcs of eight rows. The tree and its pivot are those of `simplex_tree`, with nodes as slots.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import lower_rows, scan_rows
from transport._kernels.dense_start import cheapest_first
from transport._kernels.forests import peel
from transport._kernels.masses import integer_masses
from transport._kernels.simplex_pool import greedy_flow
from transport._kernels.simplex_tree import EPS8, MOVED, ROW, _pivot
from transport._kernels.simplex_tree import PIVOTS as PIVOTS
from transport._kernels.vector import least_difference, place_of
from transport.internal import compiled

BLOCK = 48  # entries looked at before a pivot, in whole rows
ALIKE = 2.0**-40  # differences that may be rounding

# how it ended: proved; out of pivots; for the general path; proved, but potentials drown the costs; near
OPTIMAL, LIMIT, UNFIT, COARSE, THIN = range(5)


@compiled(inline="always")
def reduce_costs(c, f, g, w):
    """Row minima f of c - g, then column minima g of c - f, and w = c - f - g.

    False if a row or a column has no finite cost.
    """
    n, m = c.shape
    for i in range(n):
        f[i] = least_difference(c[i], g)
    g[:] = np.inf
    lower_rows(c, f, 0, n, g)
    for v in f:
        if not v < np.inf:
            return False
    for v in g:
        if not v < np.inf:
            return False
    for i in range(n):
        fi = f[i]
        for j in range(m):
            w[i, j] = (c[i, j] - fi) - g[j]
    return True


@compiled(inline="always")
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


@compiled
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


@compiled(inline="always")
def refresh(tree):
    """Potentials anew from the costs of the tree's arcs."""
    src, parent, _, thread, _, _, pcost, pi = tree
    root = len(parent) - 1
    v = thread[root]
    while v != root:
        p = pi[parent[v]]
        pi[v] = p - pcost[v] if src[v] else p + pcost[v]
        v = thread[v]


@compiled(inline="always")
def _run(w, tree, cursor, limit, enough, most, passes):
    """Pivot on the best arc of the next rows until none is left; the code it ended with.

    LIMIT: ``limit`` pivots are made, or ``most`` nodes moved: uniform masses make for many pivots that move
    few. UNFIT: ``passes`` passes over fresh potentials found more to do, which is rounding.
    THIN: a turn of all rows made fewer than ``enough`` pivots. ``cursor`` as in `simplex_tree`: LIMIT can be
    gone on from. Nodes are slots.
    """
    src, parent, depth, thread, rthread, flow, pcost, pi = tree
    n, m = w.shape
    row = cursor[ROW]
    start = cursor[PIVOTS]
    effort = cursor[MOVED] + most
    passed = 0
    fresh = start == 0
    turn = 0
    before = start
    while True:
        if turn >= n:
            if cursor[PIVOTS] - before < enough:
                return THIN
            turn -= n
            before = cursor[PIVOTS]
        best = 0.0
        tail = -1
        head = -1
        scanned = 0
        cursor[ROW] = row
        for _ in range(n):
            r, j = price(w, pi, row)
            if r < best:
                best = r
                tail = row
                head = j
            row = row + 1 if row + 1 < n else 0
            turn += 1
            scanned += m
            if tail >= 0 and scanned >= BLOCK:
                break
        if tail < 0:
            if fresh:
                return OPTIMAL
            passed += 1
            if passed > passes:
                return UNFIT
            refresh(tree)
            fresh = True
            continue
        if cursor[PIVOTS] == start + limit or cursor[MOVED] > effort:
            return LIMIT
        i = np.uint32(tail)
        j = np.uint32(n + head)
        _pivot(i, j, w[tail, head], src, parent, depth, thread, rthread, flow, pcost, pi, cursor)
        cursor[PIVOTS] += 1
        fresh = False


@compiled
def run(w, tree, cursor, limit, enough, most, passes):
    """`_run`, for those who have a tree."""
    return _run(w, tree, cursor, limit, enough, most, passes)


@compiled(inline="always")
def ordinary(c):
    """Costs are numbers or +inf, and sums of them neither overflow nor underflow."""
    largest, _, bad = scan_rows(c, 0, len(c))
    return bad < 0 and (largest == 0.0 or 2.0**-400 <= largest < 2.0**401)  # as in `_solver.reductions`


@compiled(inline="always")
def fits(w, rows, cols, flows, a, giant):
    """Everything is shipped, and no cost used is ``giant`` times the lower quarter of them."""
    left = np.int64(0)
    for v in a:
        left += v
    largest = 0.0
    for k in range(len(rows)):
        left -= flows[k]
        largest = max(largest, w[rows[k], cols[k]])
    usual = 0
    dwarfed = 0
    for k in range(len(rows)):
        cost = w[rows[k], cols[k]]
        if cost > 0:
            usual += 1
            dwarfed += giant * cost < largest
    return left == 0 and 4 * dwarfed <= usual


@compiled(inline="always")
def ties(w, rows, cols, f, g):
    """Whether three in four of the costs used are but the rounding of the potentials."""
    scale = 0.0
    for u in f:
        scale = max(scale, abs(u))
    for v in g:
        scale = max(scale, abs(v))
    count = 0
    for k in range(len(rows)):
        count += w[rows[k], cols[k]] <= ALIKE * scale
    return 4 * count > 3 * len(rows)


@compiled(inline="always")
def loudness(f, g, a, b):
    """Sum of mass |f| and |g|."""
    out = 0.0
    for i in range(len(f)):
        out += a[i] * abs(f[i])
    for j in range(len(g)):
        out += b[j] * abs(g[j])
    return out


@compiled(inline="always")
def is_loud(c, rows, cols, mass, spread, loud):
    """Whether the potentials are more than ``loud`` times the costs of the plan, which lose digits."""
    size = 0.0
    for k in range(len(rows)):
        size += mass[k] * abs(c[rows[k], cols[k]])
    return spread > loud * size


@compiled
def solve(c, a, b, g, limit, limits, warm):
    """(code, pivots, rows, cols, mass, f, g): optimal transport of positive masses a, b for the matrix c.

    ``g``: potentials to start from. ``limit``: of pivots. ``limits``: `_solver.tuning.DenseLimits`. UNFIT if
    the greedy flow needs costs ``giant`` times as large as the lower quarter of them, or if a ``warm`` g ties
    most of its arcs: who has that has a basis too. After LIMIT the plan ships everything, as far as it got;
    after UNFIT it may be empty.
    """
    units_a, units_b = integer_masses(a, b)
    grown = ship(c, units_a, units_b, g, limit, limits, warm)
    return _weighed(c, a, b, units_a, grown, limits)


@compiled
def resume(c, a, b, arcs, g, limit, limits):
    """`solve` for the masses of an earlier plan, from its arcs (rows, cols), a forest, and potentials ``g``.

    UNFIT if the arcs cannot ship everything.
    """
    rows, cols = arcs
    units_a, units_b = integer_masses(a, b)
    left_a, left_b = units_a.copy(), units_b.copy()
    ids, flows = greedy_flow(np.arange(len(rows)), rows, cols, left_a, left_b)
    f, g, w = np.zeros(len(a)), g.copy(), np.empty(c.shape)
    if left_a.any() or not ordinary(c) or not reduce_costs(c, f, g, w):
        none = np.empty(0, np.int64)
        return UNFIT, 0, none, none, np.empty(0), f, g
    start = loudness(f, g, units_a, units_b)
    grown = _grown(w, (rows[ids], cols[ids], flows), (f, g), (units_a, units_b), start, limit, limits)
    return _weighed(c, a, b, units_a, grown, limits)


@compiled
def _weighed(c, a, b, units_a, grown, limits):
    """The plan of a grown tree in the masses as given."""
    n = len(a)
    nodes = n + len(b)
    rows = np.empty(nodes, np.int64)
    cols = np.empty(nodes, np.int64)
    mass = np.empty(nodes)
    code, pivots, parent, _, f, g, spread = grown
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
    unit = np.sum(a) / np.float64(np.sum(units_a))
    if code == OPTIMAL and is_loud(c, rows[:count], cols[:count], mass[:count], unit * spread, limits[1]):
        code = COARSE
    return code, pivots, rows[:count], cols[:count], mass[:count], f, g


@compiled
def ship(c, a, b, g, limit, limits, warm):
    """(code, pivots, parent, flow, f, g, spread): the same for integer masses; no tree after some UNFIT.

    ``spread``: the most that mass times |potential| summed up to; more than the costs, and these lose digits.
    """
    giant, _, _, _, greedy_limits = limits
    n, m = c.shape
    nodes = n + m
    f = np.zeros(n)
    g = g.copy()
    none = np.empty(0, np.int64)
    if not ordinary(c):
        return UNFIT, 0, none, none, f, g, 0.0
    w = np.empty((n, m))
    if not reduce_costs(c, f, g, w):
        return UNFIT, 0, none, none, f, g, 0.0
    spread = loudness(f, g, a, b)  # what was subtracted to get w: its rounding stays
    rows = np.empty(nodes, np.int64)
    cols = np.empty(nodes, np.int64)
    flows = np.empty(nodes, np.int64)
    count = cheapest_first(w, a, b, rows, cols, flows, greedy_limits)
    if not fits(w, rows[:count], cols[:count], flows[:count], a, giant):
        return UNFIT, 0, none, none, f, g, spread
    if warm and ties(w, rows[:count], cols[:count], f, g):
        return UNFIT, 0, none, none, f, g, spread
    forest = rows[:count], cols[:count], flows[:count]
    return _grown(w, forest, (f, g), (a, b), spread, limit, limits)


@compiled
def _grown(w, forest, duals, masses, spread, limit, limits):
    """Pivots on all relative costs ``w`` from a forest that ships everything; what `ship` returns."""
    _, _, effort, passes, _ = limits
    rows, cols, flows = forest
    f, g = duals
    a, b = masses
    n, m = w.shape
    nodes = n + m
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
    hang(w, rows, cols, flows, tree)
    cursor = np.zeros(5, np.int64)
    code = _run(w, tree, cursor, limit, 0, effort, passes)
    pi = tree[7]
    for i in range(n):
        f[i] -= pi[i]
    for j in range(m):
        g[j] += pi[n + j]
    spread = max(spread, loudness(f, g, a, b))
    return code, cursor[PIVOTS], tree[1].astype(np.int64), tree[5], f, g, spread
