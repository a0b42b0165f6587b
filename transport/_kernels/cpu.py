"""numba kernels: serial, releasing the GIL; parallelism is a fixed chunking in Python."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from transport._kernels.circle import circle_cost
from transport._kernels.univariate import line_cost

__all__ = ["circle_cost", "line_cost"]

_jit = njit(cache=True, nogil=True)
_jit_min = njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})


@_jit
def scan_costs(c):
    """(largest finite |c|, whether +inf occurs, flat index of the first NaN or -inf, or -1)."""
    largest = 0.0
    forbidden = False
    n, m = c.shape
    for i in range(n):
        row = 0.0
        ok = True
        for j in range(m):
            v = abs(c[i, j])
            row = max(row, v)
            ok &= v < np.inf
        if ok:
            largest = max(largest, row)
            continue
        for j in range(m):
            v = c[i, j]
            if v == np.inf:
                forbidden = True
            elif not v > -np.inf:
                return largest, forbidden, i * m + j
            else:
                largest = max(largest, abs(v))
    return largest, forbidden, -1


@_jit_min
def _lower_rows(c, f, g):
    n, m = c.shape
    for i in range(n):
        fi = f[i]
        for j in range(m):
            v = c[i, j] - fi
            g[j] = min(g[j], v)


def c_transform_matrix(c, f):
    """g_j = min_i c_ij - f_i, before rounding down; shape (m,)."""
    g = np.full(c.shape[1], np.inf)
    _lower_rows(c, f, g)
    return g


@_jit
def row_transform_matrix(c, g, rows):
    """f_i = min_j c_ij - g_j for the given rows, before rounding down; shape (k,)."""
    out = np.empty(rows.shape[0])
    for k in range(rows.shape[0]):
        i = rows[k]
        best = np.inf
        for j in range(c.shape[1]):
            best = min(best, c[i, j] - g[j])
        out[k] = best
    return out


@_jit
def _distance(x, y, i, j, metric, power):
    d = x.shape[1]
    s = 0.0
    if metric == 0:
        for q in range(d):
            t = x[i, q] - y[j, q]
            s += t * t
        if power == 2.0:
            return s
        if power == 1.0:
            return math.sqrt(s)
        return s ** (0.5 * power)
    if metric == 1:
        for q in range(d):
            s += abs(x[i, q] - y[j, q])
    else:
        for q in range(d):
            s = max(s, abs(x[i, q] - y[j, q]))
    return s if power == 1.0 else s**power


@_jit
def entries_points(x, y, metric, power, rows, cols):
    """d(x[rows], y[cols])^power, shape (k,); metric 0 Euclidean, 1 cityblock, 2 Chebyshev."""
    out = np.empty(rows.shape[0])
    for k in range(rows.shape[0]):
        out[k] = _distance(x, y, rows[k], cols[k], metric, power)
    return out


@_jit
def block_points(x, y, metric, power, start, stop):
    """Rows start:stop of the cost matrix."""
    m = y.shape[0]
    out = np.empty((stop - start, m))
    for i in range(start, stop):
        for j in range(m):
            out[i - start, j] = _distance(x, y, i, j, metric, power)
    return out


@_jit
def plan_sums(cost, f, g, rows, cols, mass):
    """(<C, P>, sum P (C - f - g), sum P |C|, sum P (|C| + |f| + |g|)); ``cost`` is C on the plan.

    The first two are compensated (Dot2; Ogita, Rump, Oishi 2005), C - f - g by error-free transformations,
    so that a tiny gap between large potentials is seen at its own precision.
    """
    value = 0.0
    value_low = 0.0
    gap = 0.0
    gap_low = 0.0
    size = 0.0
    spread = 0.0
    for k in range(mass.shape[0]):
        p = mass[k]
        c = cost[k]
        u = f[rows[k]]
        v = g[cols[k]]
        hi, lo = _two_product(p, c)
        value, e = _two_sum(value, hi)
        value_low += e + lo
        s, e1 = _two_sum(c, -u)
        t, e2 = _two_sum(s, -v)
        gap, e = _two_sum(gap, p * (t + (e1 + e2)))
        gap_low += e
        size += p * abs(c)
        spread += p * (abs(c) + abs(u) + abs(v))
    return value + value_low, gap + gap_low, size, spread


@_jit
def northwest(a, b):
    """The north-west corner coupling of two mass vectors: (rows, cols, mass), at most n + m - 1 arcs.

    What rounding leaves over on one side is dropped.
    """
    n = a.shape[0]
    m = b.shape[0]
    rows = np.empty(n + m, np.int64)
    cols = np.empty(n + m, np.int64)
    mass = np.empty(n + m)
    count = 0
    i = 0
    j = 0
    left_a = a[0]
    left_b = b[0]
    while True:
        moved = min(left_a, left_b)
        if moved > 0:
            rows[count] = i
            cols[count] = j
            mass[count] = moved
            count += 1
        left_a -= moved
        left_b -= moved
        if left_a <= 0:
            i += 1
            if i == n:
                break
            left_a = a[i]
        else:
            j += 1
            if j == m:
                break
            left_b = b[j]
    return rows[:count], cols[:count], mass[:count]


@_jit
def _two_sum(a, b):
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@_jit
def _two_product(a, b):
    """a * b exactly as a sum (Dekker), for |a|, |b| < 1e150."""
    p = a * b
    t = 134217729.0 * a
    ah = t - (t - a)
    al = a - ah
    t = 134217729.0 * b
    bh = t - (t - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@_jit
def dot(x, y):
    """<x, y>, compensated to about one rounding (Dot2)."""
    s = 0.0
    c = 0.0
    for k in range(x.shape[0]):
        hi, lo = _two_product(x[k], y[k])
        s, e = _two_sum(s, hi)
        c += e + lo
    return s + c


@_jit
def residuals(rows, cols, mass, a, b):
    """(a - P 1, b - P^T 1) of a sparse plan, right to the last bit even where they cancel."""
    n = a.shape[0]
    m = b.shape[0]
    off_a = a.copy()
    off_b = b.copy()
    low_a = np.zeros(n)
    low_b = np.zeros(m)
    for k in range(mass.shape[0]):
        i = rows[k]
        j = cols[k]
        off_a[i], e = _two_sum(off_a[i], -mass[k])
        low_a[i] += e
        off_b[j], e = _two_sum(off_b[j], -mass[k])
        low_b[j] += e
    return off_a + low_a, off_b + low_b
