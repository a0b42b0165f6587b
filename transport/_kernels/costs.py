"""Kernels of costs (numba). Exact solves end on the host whatever library the arrays came from, so these
have no GPU twin; the tests hold them against SciPy's `cdist` and NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from transport._kernels.vector import fmin, least_difference
from transport.internal import compiled, run_chunks

CHUNK_ENTRIES = 1 << 20
CHUNK = 256  # entries of a row that stay in the nearest cache from coordinate to coordinate


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


@compiled
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


@compiled
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


@compiled
def lower_at(out, at, value):
    """out[at] = min(out[at], value), arc by arc: ten times `numpy.minimum.at`."""
    for k in range(len(at)):
        if value[k] < out[at[k]]:
            out[at[k]] = value[k]


@compiled
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


@compiled
def row_transform_matrix(c, g, rows):
    """f_i = min_j c_ij - g_j for the given rows, before rounding down; shape (k,)."""
    out = np.empty(rows.shape[0])
    for k in range(rows.shape[0]):
        out[k] = least_difference(c[rows[k]], g)
    return out


@compiled(inline="always")
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


@compiled
def pair_cost(x, y, i, j, metric, power):
    """d(x_i, y_j)^power, any metric; all kernels do these operations in this order."""
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


@compiled
def _squares(x, y, rows, cols, out):
    """|x[rows] - y[cols]|^2, four at a time: their sums need not wait for each other."""
    dim = x.shape[1]
    size = len(rows)
    k = 0
    while k + 4 <= size:
        i0 = rows[k]
        i1 = rows[k + 1]
        i2 = rows[k + 2]
        i3 = rows[k + 3]
        j0 = cols[k]
        j1 = cols[k + 1]
        j2 = cols[k + 2]
        j3 = cols[k + 3]
        s0 = 0.0
        s1 = 0.0
        s2 = 0.0
        s3 = 0.0
        for q in range(dim):
            t = x[i0, q] - y[j0, q]
            s0 += t * t
            t = x[i1, q] - y[j1, q]
            s1 += t * t
            t = x[i2, q] - y[j2, q]
            s2 += t * t
            t = x[i3, q] - y[j3, q]
            s3 += t * t
        out[k] = s0
        out[k + 1] = s1
        out[k + 2] = s2
        out[k + 3] = s3
        k += 4
    while k < size:
        out[k] = pair_cost(x, y, rows[k], cols[k], 0, 2.0)
        k += 1


@compiled
def entries_points(x, y, metric, power, rows, cols):
    """d(x[rows], y[cols])^power, shape (k,); metric 0 Euclidean, 1 cityblock, 2 Chebyshev."""
    out = np.empty(rows.shape[0])
    if metric == 0:
        _squares(x, y, rows, cols, out)
        if power == 1.0:
            for k in range(len(out)):
                out[k] = math.sqrt(out[k])
        elif power != 2.0:
            for k in range(len(out)):
                out[k] = raised(out[k], 0.5 * power)
        return out
    for k in range(len(out)):
        out[k] = pair_cost(x, y, rows[k], cols[k], metric, power)
    return out


@compiled
def row_costs(x, i, yt, j0, size, metric, power, out):
    """out[:size] = d(x_i, y_j)^power, j = j0 .., in vector passes; ``yt`` is (d, m).

    As `pair_cost`, operation for operation: sums go from the first coordinate to the last, four in a pass.
    """
    dim = yt.shape[0]
    out[:size] = 0.0
    q = 0
    while q < dim:
        a0 = x[i, q]
        if q + 4 <= dim:
            a1 = x[i, q + 1]
            a2 = x[i, q + 2]
            a3 = x[i, q + 3]
            if metric == 0:
                for t in range(size):
                    d0 = a0 - yt[q, j0 + t]
                    d1 = a1 - yt[q + 1, j0 + t]
                    d2 = a2 - yt[q + 2, j0 + t]
                    d3 = a3 - yt[q + 3, j0 + t]
                    out[t] = (((out[t] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3
            elif metric == 1:
                for t in range(size):
                    s = (out[t] + abs(a0 - yt[q, j0 + t])) + abs(a1 - yt[q + 1, j0 + t])
                    out[t] = (s + abs(a2 - yt[q + 2, j0 + t])) + abs(a3 - yt[q + 3, j0 + t])
            else:
                for t in range(size):  # minus the maximum: `fmin` becomes an instruction
                    s = fmin(-abs(a0 - yt[q, j0 + t]), -abs(a1 - yt[q + 1, j0 + t]))
                    r = fmin(-abs(a2 - yt[q + 2, j0 + t]), -abs(a3 - yt[q + 3, j0 + t]))
                    out[t] = fmin(out[t], fmin(s, r))
            q += 4
            continue
        if metric == 0:
            for t in range(size):
                d0 = a0 - yt[q, j0 + t]
                out[t] += d0 * d0
        elif metric == 1:
            for t in range(size):
                out[t] += abs(a0 - yt[q, j0 + t])
        else:
            for t in range(size):
                out[t] = fmin(out[t], -abs(a0 - yt[q, j0 + t]))
        q += 1
    if metric == 2:
        for t in range(size):
            out[t] = abs(out[t])
    _raise(out, size, 0.5 * power if metric == 0 else power)


@compiled
def _raise(out, size, p):
    """out[:size] ** p, as `raised`, one loop a case."""
    if p == 1.0:
        return
    if p == 0.5:
        for t in range(size):
            out[t] = math.sqrt(out[t])
    elif p == 0.75 or p == 1.5:
        if p == 0.75:
            for t in range(size):
                s = math.sqrt(out[t])
                out[t] = s * math.sqrt(s)
        else:
            for t in range(size):
                out[t] = out[t] * math.sqrt(out[t])
    elif p == 0.25:
        for t in range(size):
            out[t] = math.sqrt(math.sqrt(out[t]))
    elif p == 2.0:
        for t in range(size):
            out[t] = out[t] * out[t]
    elif p == 3.0:
        for t in range(size):
            out[t] = out[t] * out[t] * out[t]
    else:
        for t in range(size):
            out[t] = out[t] ** p


@compiled
def block_rows(x, yt, metric, power, start, stop, out):
    """Rows start:stop of the cost matrix ``out``."""
    m = yt.shape[1]
    for i in range(start, stop):
        for j0 in range(0, m, CHUNK):
            size = min(CHUNK, m - j0)
            row_costs(x, i, yt, j0, size, metric, power, out[i, j0:])


def block_points(
    x: np.ndarray, y: np.ndarray, metric: int, power: float, start: int, stop: int
) -> np.ndarray:
    """Rows start:stop of the cost matrix, on all cores if it is large."""
    yt = np.ascontiguousarray(y.T)
    part = x[start:stop]
    out = np.empty((stop - start, len(y)))
    _in_chunks(lambda i, j: block_rows(part, yt, metric, power, i, j, out), *out.shape)
    return out
