"""Kernels of the certificate (numba). Solves end on the host whatever library the arrays came from, so these
have no GPU twin; `tests/test_certificate.py` holds them against rational arithmetic.
"""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.costs import c_transform_rows
from transport.internal import compiled

EPS = 2.0**-52


@compiled
def _two_sum(a, b):
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


@compiled
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


@compiled
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


@compiled
def scan_masses(w):
    """(smallest, correctly rounded total) of a vector of masses; NaN in, NaN out."""
    smallest = np.inf
    total = 0.0
    low = 0.0
    for k in range(w.shape[0]):
        v = w[k]
        if not v >= smallest:
            smallest = v
        total, e = _two_sum(total, v)
        low += e
    return smallest, total + low


@compiled
def scan_potentials(f, a):
    """(whether all f are finite, whether some mass is 0)."""
    finite = True
    massless = False
    for u in f:
        finite &= abs(u) < np.inf
    for v in a:
        massless |= v == 0.0
    return finite, massless


@compiled(inline="always")
def _unit(cost, f, g):
    """1, or the power of two next to the largest entry if that is so extreme that products might not fit."""
    largest = 0.0
    for c in cost:
        if abs(c) < np.inf:
            largest = max(largest, abs(c))
    for u in f:
        largest = max(largest, abs(u))
    for v in g:
        largest = max(largest, abs(v))
    if largest == 0.0 or 1e-120 < largest < 1e120:
        return 1.0
    return math.ldexp(1.0, math.frexp(largest)[1] - 1)


@compiled
def bounds(cost, f, g, rows, cols, mass, a, b):
    """What a plan and potentials prove; ``cost`` holds C at the plan's entries.

    Returns (value, gap, size, spread, mass_slack, mass_off, mass_error, unit): <C, P>, sum P (C - f - g),
    sum P |C|, sum P (|C| + |f| + |g|), each divided by ``unit``; then what the rounding of the masses is
    worth (divided by ``unit``), the sum of |a - P 1| and |b - P^T 1| relative to the total mass, and the
    largest of them.

    Sums are compensated (Dot2; Ogita, Rump, Oishi 2005) and C - f - g is taken by error-free
    transformations, so that a tiny gap between large potentials is seen at its own precision.
    """
    unit = _unit(cost, f, g)
    value = 0.0
    value_low = 0.0
    gap = 0.0
    gap_low = 0.0
    size = 0.0
    spread = 0.0
    for k in range(mass.shape[0]):
        p = mass[k]
        if p == 0.0:
            continue
        c = cost[k] / unit
        u = f[rows[k]] / unit
        v = g[cols[k]] / unit
        hi, lo = _two_product(p, c)
        value, e = _two_sum(value, hi)
        value_low += e + lo
        s, e1 = _two_sum(c, -u)
        t, e2 = _two_sum(s, -v)
        gap, e = _two_sum(gap, p * (t + (e1 + e2)))
        gap_low += e
        size += p * abs(c)
        spread += p * (abs(c) + abs(u) + abs(v))
    off_a, off_b = residuals(rows, cols, mass, a, b)
    total, mismatch = _difference(a, b)
    slack, off, error = _mass_slack(off_a, off_b, f, g, b, mismatch)
    return value + value_low, gap + gap_low, size, spread, slack / unit, off / total, error, unit


@compiled
def bounds_matrix(c, f, rows, cols, mass, a, b):
    """(sound, g, bounds) of a stored matrix; not sound: potentials or masses that want a closer look."""
    finite, massless = scan_potentials(f, a)
    g = c_transform_rows(c, f, 0, len(c))
    cost = np.empty(len(rows))
    for k in range(len(rows)):
        cost[k] = c[rows[k], cols[k]]
    for v in g:
        finite &= v < np.inf
    return finite and not massless, g, bounds(cost, f, g, rows, cols, mass, a, b)


@compiled(inline="always")
def _difference(a, b):
    """(sum b, |sum a - sum b| relative to it), the difference compensated."""
    total = 0.0
    difference = 0.0
    low = 0.0
    for v in a:
        difference, e = _two_sum(difference, v)
        low += e
    for v in b:
        total += v
        difference, e = _two_sum(difference, -v)
        low += e
    return total, abs(difference + low) / total


@compiled(inline="always")
def _mass_slack(off_a, off_b, f, g, b, mismatch):
    """(sum |a - P 1| |f - c| + sum |b - P^T 1| |g + c|, sum of the residuals, largest residual).

    Potentials are sensitivities of the optimum to the masses; c is the gauge that makes the sum small. If
    the totals of a and b differ by rounding, b stands for its multiple with the total of a.
    """
    off = 0.0
    error = 0.0
    for i in range(off_a.shape[0]):
        off += abs(off_a[i])
        error = max(error, abs(off_a[i]))
    for j in range(off_b.shape[0]):
        off += abs(off_b[j])
        error = max(error, abs(off_b[j]))
    weight = off + mismatch * b.sum()
    if weight == 0.0:
        return 0.0, off, error
    gauge = 0.0
    for i in range(off_a.shape[0]):
        gauge += abs(off_a[i]) / weight * f[i]
    for j in range(off_b.shape[0]):
        gauge -= (abs(off_b[j]) + mismatch * b[j]) / weight * g[j]
    slack = 0.0
    for i in range(off_a.shape[0]):
        slack += abs(off_a[i]) * abs(f[i] - gauge)
    for j in range(off_b.shape[0]):
        slack += (abs(off_b[j]) + mismatch * b[j]) * abs(g[j] + gauge)
    return slack, off, error


@compiled
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
