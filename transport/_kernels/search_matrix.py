"""The search of a stored cost matrix, the k smallest c - v of rows and of columns, at memory speed.

Every scan first takes minima over blocks, in vector registers and four rows at a time (5.3 ms for 4000^2
entries against 8 for one: memory speed is 4), and looks closer only at blocks that can hold an answer. For
the k smallest of a row or column those are the blocks whose minimum is at most the k-th smallest of the
block minima. +inf entries and potentials of -inf are fine.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import lower_rows
from transport._kernels.vector import fmin, least_difference
from transport.internal import compiled

BLOCK = 32  # columns of a row
PANEL = 16  # rows of a column
EPS8 = 8 * 2.0**-52


@compiled
def _least_four(x0, x1, x2, x3, g):
    low0 = np.inf
    low1 = np.inf
    low2 = np.inf
    low3 = np.inf
    for j in range(len(g)):
        v = g[j]
        low0 = fmin(low0, x0[j] - v)
        low1 = fmin(low1, x1[j] - v)
        low2 = fmin(low2, x2[j] - v)
        low3 = fmin(low3, x3[j] - v)
    return low0, low1, low2, low3


@compiled
def _block_minima(c, g, i, stop, low):
    """low[r, b] = min c_ij - g_j over block b of row i + r; for 4 rows, or 1 near ``stop``: returns which."""
    rows = 4 if i + 4 <= stop else 1
    m = c.shape[1]
    for b in range(low.shape[1]):
        s = b * BLOCK
        e = min(m, s + BLOCK)
        if rows == 4:
            x = _least_four(c[i, s:e], c[i + 1, s:e], c[i + 2, s:e], c[i + 3, s:e], g[s:e])
            low[0, b], low[1, b], low[2, b], low[3, b] = x
        else:
            low[0, b] = least_difference(c[i, s:e], g[s:e])
    return rows


@compiled
def insert(vals, items, count, value, item):
    """Into the ascending vals[:count], behind its equals; if full, the largest is dropped. The new count."""
    q = count
    if count < len(vals):
        count += 1
    elif value < vals[q - 1]:
        q -= 1
    else:
        return count
    while q > 0 and vals[q - 1] > value:
        vals[q] = vals[q - 1]
        items[q] = items[q - 1]
        q -= 1
    vals[q] = value
    items[q] = item
    return count


@compiled
def search(c, start, stop, limit, v, cols, vals, counts, floor):
    """Rows start:stop of cols, vals, counts and floor: the k = cols.shape[1] smallest c_ij - v_j, ascending.

    Only those below limit_i by more than the rounding of the three, all finite ones where it is +inf. Absent:
    vals = inf. All others are at least floor_i.
    """
    m = c.shape[1]
    k = cols.shape[1]
    blocks = (m + BLOCK - 1) // BLOCK
    low = np.empty((4, blocks))
    lowest = np.empty(k)
    which = np.empty(k, np.int64)
    i = start
    while i < stop:
        rows = _block_minima(c, v, i, stop, low)
        for r in range(rows):
            u = limit[i]
            bound = u
            if u == np.inf and blocks >= k:
                count = 0
                for b in range(blocks):
                    if count < k or low[r, b] < lowest[k - 1]:
                        count = insert(lowest, which, count, low[r, b], b)
                bound = lowest[k - 1]  # some k entries are at most that
            vals[i, :] = np.inf
            count = 0
            least = u
            for b in range(blocks):
                if low[r, b] > bound:
                    continue
                for j in range(b * BLOCK, min(m, (b + 1) * BLOCK)):
                    x = c[i, j] - v[j]
                    if x <= bound and x < np.inf and x < vals[i, k - 1]:
                        if u < np.inf and not x - u < -EPS8 * (abs(c[i, j]) + abs(v[j]) + abs(u)):
                            least = min(least, x)
                            continue
                        count = insert(vals[i], cols[i], count, x, j)
                        if count == k:
                            bound = min(bound, vals[i, k - 1])
            counts[i] = count
            floor[i] = min(least, vals[i, k - 1])
            i += 1


@compiled
def panel_minima(c, f, start, stop, low):
    """low[p, j] = min c_ij - f_i over the rows i of panel p, for panels start:stop."""
    low[start:stop] = np.inf
    for p in range(start, stop):
        lower_rows(c, f, p * PANEL, min(c.shape[0], (p + 1) * PANEL), low[p])


@compiled
def nearest_in_cols(c, f, low, start, stop, rows, vals):
    """For columns start:stop the k smallest c_ij - f_i, ascending; ``low`` from `panel_minima`."""
    n = c.shape[0]
    k = rows.shape[1]
    panels = low.shape[0]
    size = stop - start
    bound = np.full(size, np.inf)  # some k entries are at most that
    last = np.full(size, np.inf)  # the k-th smallest so far
    count = np.zeros(size, np.int64)
    vals[start:stop] = np.inf
    if panels >= k:
        for p in range(panels):
            for q in range(size):
                if low[p, start + q] < last[q]:
                    j = start + q
                    count[q] = insert(vals[j], rows[j], count[q], low[p, j], p)
                    last[q] = vals[j, k - 1]
        bound, last = last, bound
        vals[start:stop] = np.inf
        count[:] = 0
    for p in range(panels):
        for q in range(size):
            if low[p, start + q] > bound[q] or low[p, start + q] >= last[q]:
                continue
            j = start + q
            for i in range(p * PANEL, min(n, (p + 1) * PANEL)):
                v = c[i, j] - f[i]
                if v <= bound[q] and v < last[q]:
                    count[q] = insert(vals[j], rows[j], count[q], v, i)
                    last[q] = vals[j, k - 1]


@compiled
def gather_nearest_in_cols(tile, f, first, rows, vals, costs):
    """Merge a strip into the k smallest c_ij - f_i of every column; its rows are first, first + 1, ...

    ``rows, vals, costs`` (m, k) are ascending, by row where values tie: the order of the strips does not
    matter.
    """
    k = rows.shape[1]
    for i in range(tile.shape[0]):
        for j in range(tile.shape[1]):
            r = tile[i, j] - f[i]
            worst = vals[j, k - 1]
            if r < worst or (r == worst and first + i < rows[j, k - 1]):
                q = k - 1
                while q > 0 and (vals[j, q - 1] > r or (vals[j, q - 1] == r and rows[j, q - 1] > first + i)):
                    vals[j, q] = vals[j, q - 1]
                    rows[j, q] = rows[j, q - 1]
                    costs[j, q] = costs[j, q - 1]
                    q -= 1
                vals[j, q] = r
                rows[j, q] = first + i
                costs[j, q] = tile[i, j]
