"""Search by tiles of -2 x . y in single precision: a bound of every cost at the speed of a matrix product.

The product is ours (`product`), as fast as OpenBLAS on one core: the threads of BLAS wait busily for each
other wherever somebody else uses a core (5 to 10 times the seconds), and its tiles would go through memory.

|x - y|^2 = |x|^2 + |y|^2 - 2 x . y cancels, so it only sifts. With both norms shrunk by the rounding of the
product (`shrunk`) it is a lower bound, and what passes is evaluated by direct differences in double.

A tile's unit is a power of two that makes coordinates at most 1 (most of them, for p <= 2); ``factor`` takes
costs to that unit. In it a pair's bound is tile + h[j] for squares (h = |y|^2 - v) and
(tile + h[j] + xn)^(p/2) - w[j] otherwise, each rounded down; `_cut` rounds the limit up by more than the
additions can lose. Limits, potentials and the ``offset`` taken from them may be far larger than what is left
of them: their own rounding counts too.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import pair_cost, raised
from transport._kernels.search_matrix import insert
from transport._kernels.vector import fmin
from transport.internal import compiled

EPS4 = 2.0**-50
BLOCK = 64
PANEL = 1024  # columns at a time: 50 coordinates of them stay in the second cache


def shrunk(norms: np.ndarray, dim: int, dtype: type) -> np.ndarray:
    """Squared norms, less what products, sums, roots and conversions to ``dtype`` can lose of them.

    n terms in any order lose at most n u / (1 - n u) of sum |x y| <= (|x|^2 + |y|^2) / 2 (Higham 2002, 3.1).
    """
    u = float(np.finfo(dtype).eps) / 2
    return norms * (1.0 - 1.02 * (dim + 16.0) * u) - 2.0**-100


def down(values: np.ndarray, dtype: type) -> np.ndarray:
    """``values`` in ``dtype``, rounded down."""
    return np.nextafter(values.astype(dtype), dtype(-np.inf))


@compiled
def _least_square(tile, h):
    low = tile[0] + h[0]
    for j in range(1, len(h)):
        low = fmin(low, tile[j] + h[j])
    return low


@compiled
def _distance(t, h, xn, w):
    s = (h + xn) + t
    return np.sqrt(-fmin(-s, xn - xn)) - w


@compiled
def _least_distance(tile, h, xn, w):
    low = _distance(tile[0], h[0], xn, w[0])
    for j in range(1, len(h)):
        low = fmin(low, _distance(tile[j], h[j], xn, w[j]))
    return low


@compiled
def _bound(t, h, xn, w, power):
    """The bound of one pair."""
    if power == 2.0:
        return float(t + h)
    if power == 1.0:
        return float(_distance(t, h, xn, w))
    return raised(max(float((h + xn) + t), 0.0), 0.5 * power) - float(w)


@compiled(inline="always")
def _row_minima(tile, h, xn, w, power, low):
    """low[b] = the least bound of block b of one row."""
    m = len(h)
    for b in range(len(low)):
        s = b * BLOCK
        e = min(m, s + BLOCK)
        if power == 2.0:
            low[b] = _least_square(tile[s:e], h[s:e])
        elif power == 1.0:
            low[b] = _least_distance(tile[s:e], h[s:e], xn, w[s:e])
        else:
            low[b] = np.inf
            for j in range(s, e):
                low[b] = min(low[b], _bound(tile[j], h[j], xn, w[j], power))


@compiled
def _cut(limit, factor, shift, size, unit):
    """A bound from here on belongs to a cost of at least ``limit``; ``size``: of what ``shift`` sums up."""
    t = limit * factor
    if not abs(t) < np.inf:
        return t
    slack = EPS4 * (abs(t) + size)
    t -= shift
    return t + (8.0 * unit * abs(t) + slack)


@compiled(fastmath={"contract"})
def _four(t0, t1, t2, t3, y0, y1, y2, y3, left, i, q):
    """Rows i..i + 3 of the tile += left[i..i + 3, q..q + 3] times four rows of coordinates."""
    a0, a1, a2, a3 = left[i, q], left[i, q + 1], left[i, q + 2], left[i, q + 3]
    b0, b1, b2, b3 = left[i + 1, q], left[i + 1, q + 1], left[i + 1, q + 2], left[i + 1, q + 3]
    c0, c1, c2, c3 = left[i + 2, q], left[i + 2, q + 1], left[i + 2, q + 2], left[i + 2, q + 3]
    d0, d1, d2, d3 = left[i + 3, q], left[i + 3, q + 1], left[i + 3, q + 2], left[i + 3, q + 3]
    for j in range(len(t0)):
        u0 = y0[j]
        u1 = y1[j]
        u2 = y2[j]
        u3 = y3[j]
        t0[j] += (a0 * u0 + a1 * u1) + (a2 * u2 + a3 * u3)
        t1[j] += (b0 * u0 + b1 * u1) + (b2 * u2 + b3 * u3)
        t2[j] += (c0 * u0 + c1 * u1) + (c2 * u2 + c3 * u3)
        t3[j] += (d0 * u0 + d1 * u1) + (d2 * u2 + d3 * u3)


@compiled(inline="always")
def product(left, right, i, tile):
    """tile = left[i:i + len(tile)] @ right; rows and coordinates come in fours (zeros at the end)."""
    m = right.shape[1]
    for s in range(0, m, PANEL):
        e = min(m, s + PANEL)
        for r in range(0, len(tile), 4):
            t0, t1, t2, t3 = tile[r, s:e], tile[r + 1, s:e], tile[r + 2, s:e], tile[r + 3, s:e]
            t0[:] = 0.0
            t1[:] = 0.0
            t2[:] = 0.0
            t3[:] = 0.0
            for q in range(0, len(right), 4):
                y0, y1, y2, y3 = right[q, s:e], right[q + 1, s:e], right[q + 2, s:e], right[q + 3, s:e]
                _four(t0, t1, t2, t3, y0, y1, y2, y3, left, i + r, q)


@compiled
def search(x, start, stop, limit, rows, left, right, y, v, bounds, scale, power, cols, vals, counts, floor):
    """As `search_kd`'s search, ``rows`` (a multiple of 4) of start:stop at a time; the work done."""
    tile = np.empty((rows, right.shape[1]), right.dtype)
    work = 0
    for base in range(start, stop, rows):
        size = min(rows, stop - base)
        product(left, right, base, tile[: (size + 3) // 4 * 4])
        work += sift(tile, base, 0, size, x, y, v, bounds, scale, limit, power, cols, vals, counts, floor)
    return work


@compiled(inline="always")
def sift(tile, base, start, stop, x, y, v, bounds, scale, limit, power, cols, vals, counts, floor):
    """Rows start:stop of the tile, rows base + start.. of ``x``: as `search_kd`'s search; the work done.

    bounds = (xn, h, w) as above, scale = (factor, offset, unit roundoff); in units of the tile.
    """
    xn, h, w = bounds
    factor, offset, unit = scale
    m = y.shape[0]
    k = cols.shape[1]
    low = np.empty((m + BLOCK - 1) // BLOCK)
    nearest = np.empty(k)
    which = np.empty(k, np.int64)
    work = 0
    for r in range(start, stop):
        i = base + r
        moved = float(xn[i]) if power == 2.0 else 0.0
        shift = offset + moved
        size = abs(offset) + moved
        limit_i = limit[i]
        cut = _cut(limit_i, factor, shift, size, unit)
        found = 0
        _row_minima(tile[r], h, xn[i], w, power, low)
        for b in range(len(low)):
            if low[b] < cut and (found < k or low[b] < nearest[k - 1]):
                found = insert(nearest, which, found, low[b], b)
        if found == k:  # k pairs evaluated here: none beyond the worst of them is wanted
            worst = -np.inf
            for q in range(k):
                b = which[q]
                for j in range(b * BLOCK, min(m, (b + 1) * BLOCK)):
                    if _bound(tile[r, j], h[j], xn[i], w[j], power) == low[b]:
                        worst = max(worst, pair_cost(x, y, i, j, 0, power) - v[j])
                        break
            work += k
            if worst < limit_i:
                limit_i = np.nextafter(worst, np.inf)
                cut = _cut(limit_i, factor, shift, size, unit)
        count = 0
        for b in range(len(low)):
            if low[b] >= cut:
                continue
            for j in range(b * BLOCK, min(m, (b + 1) * BLOCK)):
                if _bound(tile[r, j], h[j], xn[i], w[j], power) >= cut:
                    continue
                work += 1
                c = pair_cost(x, y, i, j, 0, power) - v[j]
                if c < limit_i:
                    count = insert(vals[i], cols[i], count, c, j)
                    if count == k:
                        limit_i = min(limit_i, vals[i, k - 1])
                        cut = _cut(limit_i, factor, shift, size, unit)
        counts[i] = count
        floor[i] = limit_i  # what was passed over is at least that
    return work
