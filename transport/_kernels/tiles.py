"""Search by tiles of -2 x . y in single precision: a bound of every cost at the speed of a matrix product.

|x - y|^2 = |x|^2 + |y|^2 - 2 x . y cancels, so it only sifts. With both norms shrunk by the rounding of the
product (`shrunk`) it is a lower bound, and what passes is evaluated by direct differences in double.

A tile's unit is a power of two that makes coordinates at most 1; ``factor`` takes costs to that unit. In it
a pair's bound is tile + h[j] for squares (h = |y|^2 - v) and (tile + h[j] + xn)^(p/2) - w[j] otherwise, each
rounded down; `_cut` rounds the limit up by more than the additions can lose.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.costs import raised
from transport._kernels.kd_query import pair_cost
from transport._kernels.simplex_matrix import insert
from transport._kernels.vector import fmin

_jit = njit(cache=True, nogil=True)

BLOCK = 64


def shrunk(norms: np.ndarray, dim: int, dtype: type) -> np.ndarray:
    """Squared norms, less what products, sums, roots and conversions to ``dtype`` can lose of them.

    n terms in any order lose at most n u / (1 - n u) of sum |x y| <= (|x|^2 + |y|^2) / 2 (Higham 2002, 3.1).
    """
    u = float(np.finfo(dtype).eps) / 2
    return norms * (1.0 - 1.02 * (dim + 16.0) * u) - 2.0**-100


def down(values: np.ndarray, dtype: type) -> np.ndarray:
    """``values`` in ``dtype``, rounded down."""
    return np.nextafter(values.astype(dtype), dtype(-np.inf))


@_jit
def _least_square(tile, h):
    low = tile[0] + h[0]
    for j in range(1, len(h)):
        low = fmin(low, tile[j] + h[j])
    return low


@_jit
def _distance(t, h, xn, w):
    s = (h + xn) + t
    return np.sqrt(-fmin(-s, xn - xn)) - w


@_jit
def _least_distance(tile, h, xn, w):
    low = _distance(tile[0], h[0], xn, w[0])
    for j in range(1, len(h)):
        low = fmin(low, _distance(tile[j], h[j], xn, w[j]))
    return low


@_jit
def _bound(t, h, xn, w, power):
    """The bound of one pair."""
    if power == 2.0:
        return float(t + h)
    if power == 1.0:
        return float(_distance(t, h, xn, w))
    return raised(max(float((h + xn) + t), 0.0), 0.5 * power) - float(w)


@_jit
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


@_jit
def _cut(limit, factor, offset, unit):
    """A bound from here on belongs to a cost of at least ``limit``."""
    t = limit * factor - offset
    return t + 8.0 * unit * abs(t) if abs(t) < np.inf else t


@_jit
def sift(tile, base, start, stop, x, y, v, bounds, scale, limit, power, cols, vals, counts, floor):
    """Rows start:stop of the tile, rows base + start.. of ``x``: as `kd_query`'s search; the work done.

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
        shift = offset + float(xn[i]) if power == 2.0 else offset
        limit_i = limit[i]
        cut = _cut(limit_i, factor, shift, unit)
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
                cut = _cut(limit_i, factor, shift, unit)
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
                        cut = _cut(limit_i, factor, shift, unit)
        counts[i] = count
        floor[i] = limit_i  # what was passed over is at least that
    return work
