"""Kernels of costs (numba). Exact solves end on the host whatever library the arrays came from, so these
have no GPU twin; the tests hold them against SciPy's `cdist` and NumPy.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from transport._kernels.vector import fmin, least_difference

_jit = njit(cache=True, nogil=True)


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
            row = fmin(row, -v)
            ok &= v < np.inf
        if ok:
            largest = max(largest, -row)
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


@_jit
def _lower_rows(c, f, g):
    n, m = c.shape
    for i in range(n):
        fi = f[i]
        for j in range(m):
            g[j] = fmin(g[j], c[i, j] - fi)


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
        out[k] = least_difference(c[rows[k]], g)
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
