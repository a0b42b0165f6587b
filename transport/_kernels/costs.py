"""Kernels of costs (numba). Exact solves end on the host whatever library the arrays came from, so these
have no GPU twin; the tests hold them against SciPy's `cdist` and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from transport._kernels.vector import fmin, least_difference
from transport.internal import run_chunks

_jit = njit(cache=True, nogil=True)

CHUNK_ENTRIES = 1 << 20


def _in_chunks(kernel: Callable[[int, int], Any], n: int, m: int) -> list[Any]:
    """[kernel(start, stop) for fixed chunks of n rows of m entries], in their order, on all cores."""
    size = max(1, CHUNK_ENTRIES // max(1, m))
    if n <= size:
        return [kernel(0, n)]
    parts: list[Any] = [None] * -(-n // size)

    def task(first: int, last: int) -> None:
        for q in range(first, last):
            parts[q] = kernel(q * size, min(n, (q + 1) * size))

    run_chunks(task, len(parts), slice_size=1)
    return parts


@_jit
def scan_rows(c, start, stop):
    """`scan_costs` of rows start:stop."""
    largest = 0.0
    forbidden = False
    m = c.shape[1]
    for i in range(start, stop):
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


def scan_costs(c: np.ndarray) -> tuple[float, bool, int]:
    """(largest finite |c|, whether +inf occurs, flat index of the first NaN or -inf, or -1)."""
    parts = _in_chunks(lambda i, j: scan_rows(c, i, j), *c.shape)
    bad = next((p[2] for p in parts if p[2] >= 0), -1)
    return max(p[0] for p in parts), any(p[1] for p in parts), bad


@_jit
def lower_rows(c, f, start, stop, g):
    """g_j = min(g_j, min c_ij - f_i over rows start:stop); four rows at a time: g is read once for them."""
    m = c.shape[1]
    i = start
    while i + 4 <= stop:
        f0 = f[i]
        f1 = f[i + 1]
        f2 = f[i + 2]
        f3 = f[i + 3]
        for j in range(m):
            v = fmin(fmin(c[i, j] - f0, c[i + 1, j] - f1), fmin(c[i + 2, j] - f2, c[i + 3, j] - f3))
            g[j] = fmin(g[j], v)
        i += 4
    for i in range(stop - (stop - start) % 4, stop):
        f0 = f[i]
        for j in range(m):
            g[j] = fmin(g[j], c[i, j] - f0)


@_jit
def c_transform_rows(c, f, start, stop):
    """`c_transform_matrix` of rows start:stop."""
    g = np.empty(c.shape[1])
    g[:] = np.inf
    lower_rows(c, f, start, stop, g)
    for j in range(len(g)):
        if g[j] != 0.0 and g[j] != np.inf:
            g[j] = np.nextafter(g[j], -np.inf)
    return g


def c_transform_matrix(c: np.ndarray, f: np.ndarray) -> np.ndarray:
    """g_j = min_i c_ij - f_i, rounded down like `transport._cost.rounded_down`; shape (m,)."""
    g, *others = _in_chunks(lambda i, j: c_transform_rows(c, f, i, j), *c.shape)
    return np.minimum.reduce([g, *others]) if others else g


@_jit
def row_transform_matrix(c, g, rows):
    """f_i = min_j c_ij - g_j for the given rows, before rounding down; shape (k,)."""
    out = np.empty(rows.shape[0])
    for k in range(rows.shape[0]):
        out[k] = least_difference(c[rows[k]], g)
    return out


@njit(nogil=True, inline="always")
def raised(s, p):
    """s^p, s >= 0, without the price of a general power where a few roots and products do."""
    if p == 0.5:
        return math.sqrt(s)
    if p == 1.5:
        return s * math.sqrt(s)
    if p == 0.25:
        return math.sqrt(math.sqrt(s))
    if p == 0.75:
        t = math.sqrt(s)
        return t * math.sqrt(t)
    if p == 2.0:
        return s * s
    if p == 3.0:
        return s * s * s
    return s**p


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
        return raised(s, 0.5 * power)
    if metric == 1:
        for q in range(d):
            s += abs(x[i, q] - y[j, q])
    else:
        for q in range(d):
            s = max(s, abs(x[i, q] - y[j, q]))
    return s if power == 1.0 else raised(s, power)


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
