"""The stored entries of a sparse cost in CSR form (numba)."""

from __future__ import annotations

import numpy as np

from transport._kernels.search_matrix import insert
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
def search(indptr, start, stop, limit, col, data, v, cols, vals, counts, floor):
    """As `search_matrix.search`, over the stored entries."""
    k = cols.shape[1]
    for i in range(start, stop):
        u = limit[i]
        vals[i, :] = np.inf
        count = 0
        least = u
        for e in range(indptr[i], indptr[i + 1]):
            x = data[e] - v[col[e]]
            if x < u and x < vals[i, k - 1]:
                if u < np.inf and not x - u < -EPS8 * (abs(data[e]) + abs(v[col[e]]) + abs(u)):
                    least = min(least, x)
                    continue
                count = insert(vals[i], cols[i], count, x, col[e])
        counts[i] = count
        floor[i] = min(least, vals[i, k - 1])
