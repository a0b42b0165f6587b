"""Scans of the stored entries of a sparse cost in CSR form (numba); ids are places in ``data``."""

from __future__ import annotations

import numpy as np

from transport._kernels.simplex_matrix import insert
from transport.internal import compiled

EPS8 = 8 * 2.0**-52


@compiled
def lower_columns(indptr, col, data, f, g):
    """g_j = min(g_j, c_ij - f_i) over the stored entries, in place."""
    for i in range(f.shape[0]):
        for e in range(indptr[i], indptr[i + 1]):
            g[col[e]] = min(g[col[e]], data[e] - f[i])


@compiled
def lower_rows(indptr, col, data, g, rows):
    """min_j c_ij - g_j over the stored entries of the given rows, +inf where there is none."""
    out = np.full(rows.shape[0], np.inf)
    for k in range(rows.shape[0]):
        for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
            out[k] = min(out[k], data[e] - g[col[e]])
    return out


@compiled
def places(indptr, col, rows, cols):
    """Where the entries (rows, cols) are stored, -1: nowhere; cheapest if the queries ascend within rows."""
    out = np.full(rows.shape[0], -1)
    row = -1
    low = 0
    for k in range(rows.shape[0]):
        if rows[k] != row or col[min(low, col.shape[0] - 1)] > cols[k]:
            row = rows[k]
            low = indptr[row]
        high = indptr[row + 1]
        step = 1
        while low + step < high and col[low + step] < cols[k]:
            low += step
            step += step
        high = min(high, low + step + 1)
        while low < high:
            mid = (low + high) // 2
            if col[mid] < cols[k]:
                low = mid + 1
            else:
                high = mid
        if low < indptr[row + 1] and col[low] == cols[k]:
            out[k] = low
    return out


@compiled
def look_up(indptr, col, data, rows, cols):
    """c[rows, cols], +inf where nothing is stored."""
    at = places(indptr, col, rows, cols)
    out = np.full(rows.shape[0], np.inf)
    for k in range(rows.shape[0]):
        if at[k] >= 0:
            out[k] = data[at[k]]
    return out


@compiled
def scatter(indptr, col, data, rows, place, out):
    """out[k, place[j]] = c[rows[k], j] for the stored entries of columns with place[j] >= 0."""
    for k in range(rows.shape[0]):
        for e in range(indptr[rows[k]], indptr[rows[k] + 1]):
            j = place[col[e]]
            if j >= 0:
                out[k, j] = data[e]


@compiled
def nearest_in_rows(indptr, col, data, g, ids, vals):
    """The k = ids.shape[1] smallest c_ij - g_j of every row, ascending; returns how many there are."""
    n = ids.shape[0]
    count = np.zeros(n, np.int64)
    for i in range(n):
        for e in range(indptr[i], indptr[i + 1]):
            count[i] = insert(vals[i], ids[i], count[i], data[e] - g[col[e]], e)
    return count


@compiled
def nearest_in_cols(indptr, col, data, f, ids, vals):
    """The k = ids.shape[1] smallest c_ij - f_i of every column, ascending; returns how many there are."""
    count = np.zeros(ids.shape[0], np.int64)
    for i in range(f.shape[0]):
        for e in range(indptr[i], indptr[i + 1]):
            j = col[e]
            count[j] = insert(vals[j], ids[j], count[j], data[e] - f[i], e)
    return count


@compiled
def price_rows(indptr, col, data, f, g, start, stop, ids, count):
    """Rows start:stop: the p = ids.shape[1] most violated entries, c_ij - f_i - g_j < -tolerance."""
    vals = np.empty(ids.shape[1])
    for i in range(start, stop):
        k = 0
        for e in range(indptr[i], indptr[i + 1]):
            v = g[col[e]]
            r = (data[e] - v) - f[i]
            if r < 0.0 and r < -EPS8 * (abs(data[e]) + abs(v) + abs(f[i])):
                k = insert(vals, ids[i], k, r, e)
        count[i] = k


@compiled
def crossing(indptr, col, data, f, g, sources, sinks, limit, start, stop, ids, count):
    """Rows start:stop among ``sources``: the p cheapest c_ij - f_i - g_j <= limit into ``sinks``."""
    vals = np.empty(ids.shape[1])
    for i in range(start, stop):
        k = 0
        if sources[i]:
            for e in range(indptr[i], indptr[i + 1]):
                r = (data[e] - f[i]) - g[col[e]]
                if sinks[col[e]] and r <= limit:
                    k = insert(vals, ids[i], k, r, e)
        count[i] = k
