"""Where the simplex on a whole matrix starts: the cheapest open arcs; potentials of costs on a line."""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.vector import least_difference, place_of

_jit = njit(cache=True, nogil=True)

LOOKS = 8  # at rows, per node
GLANCES = 16  # pairs of rows that show whether the costs may be those of a line
ALIKE = 2.0**-40  # differences that may be rounding


@_jit
def sorted_potential(c, a, b, g):
    """The sinks' potentials, into ``g``, if c looks like costs on a line: Monge, but for the order.

    If c_ik + c_jl <= c_il + c_jk for i < j, k < l, the north-west rule is optimal and its staircase gives the
    potentials (Hoffman 1963). The order of such rows can be read off any two columns. Costs i j, points on a
    line: with equal masses nearly all pivots would be without flow. False: g is as it was.
    """
    n, m = c.shape
    if min(n, m) < 8:
        return False
    last = m - 1
    sense = 0.0
    for t in range(GLANCES):
        i = t * n // GLANCES
        k = (i + n // 2 + t) % n
        p = (c[i, 0] - c[i, last]) - (c[k, 0] - c[k, last])
        q = (c[i, 0] - c[i, m // 2]) - (c[k, 0] - c[k, m // 2])
        if not (abs(p) < np.inf and abs(q) < np.inf):
            return False
        if abs(p) <= ALIKE * (abs(c[i, 0]) + abs(c[k, last])) or abs(q) <= ALIKE * abs(p):
            continue
        if sense * p * q < 0.0:
            return False
        sense = np.sign(p * q)
    if sense == 0.0:
        return False
    rows = np.argsort(c[:, 0] - c[:, last])
    cols = np.argsort(c[rows[0]] - c[rows[n - 1]])
    i = rows[0]
    j = cols[0]
    u = c[i, j]
    g[j] = 0.0
    left_a = a[i]
    left_b = b[j]
    k = 0
    t = 0
    while True:
        if t == m - 1 or (k < n - 1 and left_a <= left_b):
            k += 1
            if k == n:
                return True
            left_b -= left_a
            i = rows[k]
            left_a = a[i]
            u = c[i, j] - g[j]
        else:
            left_a -= left_b
            t += 1
            j = cols[t]
            left_b = b[j]
            g[j] = c[i, j] - u


@_jit
def cheapest_first(w, a, b, rows, cols, flows):
    """Ship along the cheapest open arc of the matrix until nothing is left; returns the number of arcs.

    Every row keeps its cheapest column and looks again when that one has closed; if that happens too often
    (all rows want the same columns), what is left goes row by row. Each arc exhausts a row or a column, so
    the support is a forest. Fewer arcs than it takes if +inf costs are in the way.
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
    looks = LOOKS * (n + m)
    row = 0
    while True:
        if looks > 0:
            low = least_difference(best, zero)
            if low == np.inf:
                return count
            i = place_of(low, best, zero)
        else:
            while row < n and best[row] == np.inf:
                row += 1
            if row == n:
                return count
            i = row
        j = at[i]
        if left_b[j] == 0:
            looks -= 1
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


@_jit
def greedy(w, a, b):
    """(rows, cols, flows) of `cheapest_first`."""
    size = len(a) + len(b)
    rows = np.empty(size, np.int64)
    cols = np.empty(size, np.int64)
    flows = np.empty(size, np.int64)
    count = cheapest_first(w, a, b, rows, cols, flows)
    return rows[:count], cols[:count], flows[:count]
