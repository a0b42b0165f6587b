"""Kernels of entropic transport on stored arcs (numba): which they are, and what Newton's method needs there.

Arcs are stored row by row: ``indptr``, columns ``col`` and ``slack`` = (C - F - G) / reg; ``kept`` is P
divided by the sums of its rows, in double or single precision. Everything else as in `_kernels.entropic`.
Kernels work on the rows first:last and return sums over columns of these.
"""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.double_double import two_sum
from transport._kernels.entropic import row_potential
from transport._kernels.exponential import exp
from transport._kernels.settle import EPS
from transport.internal import compiled


@compiled
def count_rows(c, base, reg, f, g, depth, rows, counts):
    """counts_i = how many arcs of rows first:last have (C - F - G) / reg - f - g <= depth."""
    per = 1.0 / reg
    base_f, base_g = base
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        limit = depth + f[i]
        n = 0
        for j in range(len(g)):
            n += ((c[k, j] - base_f[i]) - base_g[j]) * per - g[j] <= limit
        counts[i] = n


@compiled
def fill_rows(c, base, reg, f, g, depth, rows, indptr, col, slack):
    """The arcs that `count_rows` counted: columns, and (C - F - G) / reg."""
    per = 1.0 / reg
    base_f, base_g = base
    for k in range(rows[1] - rows[0]):
        i = rows[0] + k
        limit = depth + f[i]
        e = indptr[i]
        for j in range(len(g)):
            s = ((c[k, j] - base_f[i]) - base_g[j]) * per
            if s - g[j] <= limit:
                col[e] = j
                slack[e] = s
                e += 1


@compiled
def near_rows(found, counts, order, first, indptr, col):
    """The columns of the rows from ``first``, ascending: ``found`` are places in ``order``."""
    for k in range(len(counts)):
        start, stop = indptr[first + k], indptr[first + k + 1]
        for e in range(start, stop):
            col[e] = order[found[k, e - start]]
        col[start:stop] = np.sort(col[start:stop])


@compiled
def _exponentials(slack, col, q, p, part):
    total = 0.0
    for e in range(len(slack)):
        v = exp(p + (q[col[e]] - slack[e]))
        part[e] = v
        total += v
    return total


@compiled
def evaluate_arcs(arcs, base_f, reg, state, penalty, kept, rows):
    """Make the rows optimal for q; fills kept, returns the column sums."""
    indptr, col, slack = arcs
    q, p, log_a, log_z, row, share = state
    out = np.zeros(len(q))
    longest = 0
    for i in range(rows[0], rows[1]):
        longest = max(longest, indptr[i + 1] - indptr[i])
    part = np.empty(longest)
    for i in range(rows[0], rows[1]):
        first, last = indptr[i], indptr[i + 1]
        here, near = slack[first:last], col[first:last]
        total = _exponentials(here, near, q, p[i], part)
        if not 1e-200 < total < 1e200:
            top = -np.inf
            for e in range(last - first):
                top = max(top, q[near[e]] - here[e])
            p[i] = -top if top > -np.inf else 0.0
            total = _exponentials(here, near, q, p[i], part)
        if total == 0.0:
            log_z[i], p[i], share[i], row[i] = -np.inf, 0.0, 0.0, 0.0
            kept[first:last] = 0.0
            continue
        log_z[i] = math.log(total) - p[i]
        new, share[i] = row_potential(log_z[i], log_a[i], base_f[i], reg, penalty)
        row[i] = math.exp(log_z[i] + new)
        p[i] = new
        inverse, factor = 1.0 / total, row[i] / total
        for e in range(last - first):
            kept[first + e] = part[e] * inverse
            out[near[e]] += part[e] * factor
    return out


@compiled
def masses_arcs(arcs, p, q, out):
    """P on the arcs, in double precision; ``out`` may be the slack itself."""
    indptr, col, slack = arcs
    for i in range(len(p)):
        first, last = indptr[i], indptr[i + 1]
        _exponentials(slack[first:last], col[first:last], q, p[i], out[first:last])


@compiled
def fit_arcs(indptr, col, mass, y, a):
    """Columns times ``y``, then rows scaled down to the masses ``a`` where they exceed them; in place."""
    for i in range(len(a)):
        total = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            mass[e] *= y[col[e]]
            total += mass[e]
        if total > a[i]:
            for e in range(indptr[i], indptr[i + 1]):
                mass[e] *= a[i] / total


@compiled
def residuals_arcs(indptr, col, mass, a, b):
    """(a - P 1, b - P^T 1, and what the rounding of each may be): `_kernels.settle.residuals` by rows."""
    off_a, off_b = a.copy(), b.copy()
    err_a, err_b = np.zeros(len(a)), np.zeros(len(b))
    low_b = np.zeros(len(b))
    for i in range(len(a)):
        low = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            j = col[e]
            off_a[i], t = two_sum(off_a[i], -mass[e])
            low += t
            err_a[i] += EPS * abs(low)
            off_b[j], t = two_sum(off_b[j], -mass[e])
            low_b[j] += t
            err_b[j] += EPS * abs(low_b[j])
        off_a[i] += low
    off_b += low_b
    return off_a, off_b, err_a + EPS * np.abs(off_a), err_b + EPS * np.abs(off_b)


@compiled
def curvature_arcs(indptr, col, kept, row, share, v, rows):
    """sum_i P_ij (v_j - share_i K_i . v): differences of each arc, so that weakly joined parts stay apart.

    K is normalised anew: rounded to single precision, it still moves nothing along the constants.
    """
    out = np.zeros(len(v))
    for i in range(rows[0], rows[1]):
        t = 0.0
        total = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            t += kept[e] * v[col[e]]
            total += kept[e]
        if not total > 0.0:
            continue
        t *= share[i] / total
        scale = row[i] / total
        for e in range(indptr[i], indptr[i + 1]):
            j = col[e]
            out[j] += kept[e] * scale * (v[j] - t)
    return out


@compiled
def average_arcs(indptr, col, kept, v, rows, out):
    """out_i = K_i . v."""
    for i in range(rows[0], rows[1]):
        t = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            t += kept[e] * v[col[e]]
        out[i] = t


@compiled
def sweep_arcs(arcs, v, base_f, reg, state, penalty, rows):
    """Rows optimal for the columns scaled by ``v``; the column sums divided by v. P stays as it was kept."""
    indptr, col, kept = arcs
    log_a, log_z = state[2], state[3]
    out = np.zeros(len(v))
    for i in range(rows[0], rows[1]):
        z = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            z += kept[e] * v[col[e]]
        if z > 0.0:
            new, _ = row_potential(log_z[i] + math.log(z), log_a[i], base_f[i], reg, penalty)
            t = math.exp(new + log_z[i])
            for e in range(indptr[i], indptr[i + 1]):
                out[col[e]] += kept[e] * t
    return out


@compiled
def heavy_arcs(indptr, col, kept, row, wanted, part):
    """(indptr, columns, masses) of the arcs with more than ``part`` of their row or of their column.

    ``wanted`` are the column sums; every row keeps its heaviest arc.
    """
    n = len(row)
    start = np.zeros(n + 1, np.int64)
    near = np.empty(len(col), col.dtype)
    mass = np.empty(len(col))
    used = 0
    for i in range(n):
        top = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            top = max(top, kept[e])
        for e in range(indptr[i], indptr[i + 1]):
            w = kept[e] * row[i]
            if kept[e] >= min(top, part) or w >= part * wanted[col[e]]:
                near[used] = col[e]
                mass[used] = w
                used += 1
        start[i + 1] = used
    return start, near[:used].copy(), mass[:used].copy()
