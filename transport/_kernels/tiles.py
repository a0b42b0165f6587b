"""Search by tiles of -2 x . y: a lower bound of every cost at the speed of a matrix product.

|x - y|^2 = |x|^2 + |y|^2 - 2 x . y cancels, so it only sifts: with both norms shrunk by ``KAPPA`` per
dimension it is a lower bound whatever the rounding, and what passes is evaluated by direct differences.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from transport._kernels.costs import raised
from transport._kernels.kd_query import pair_cost

_jit = njit(cache=True, nogil=True)
_jit_min = njit(cache=True, nogil=True, fastmath={"nnan", "nsz", "reassoc"})

CHUNK = 128


@_jit_min
def _lowest(tile, r, j0, j1, xn, yn, v, power):
    """min over j0 <= j < j1 of the lower bound of c(x, y_j) - v_j."""
    low = np.inf
    if power == 2.0:
        for j in range(j0, j1):
            low = min(low, (tile[r, j] + (yn[j] + xn)) - v[j])
    elif power == 1.0:
        for j in range(j0, j1):
            low = min(low, np.sqrt(max(tile[r, j] + (yn[j] + xn), 0.0)) - v[j])
    else:
        for j in range(j0, j1):
            low = min(low, raised(max(tile[r, j] + (yn[j] + xn), 0.0), 0.5 * power) - v[j])
    return low


@_jit
def sift(tile, base, start, stop, x, y, xn, yn, v, limit, power, cols, vals, counts, floor):
    """Rows start:stop of the tile, rows base + start.. of ``x``: as `kd_query`'s search; the work done."""
    m = y.shape[0]
    k = cols.shape[1]
    work = 0
    for r in range(start, stop):
        i = base + r
        count = 0
        limit_i = limit[i]
        lowest = np.inf
        for j0 in range(0, m, CHUNK):
            j1 = min(m, j0 + CHUNK)
            low = _lowest(tile, r, j0, j1, xn[i], yn, v, power)
            if low >= limit_i:
                lowest = min(lowest, low - 2.0**-50 * abs(low))
                continue
            for j in range(j0, j1):
                low = _lowest(tile, r, j, j + 1, xn[i], yn, v, power)
                if low >= limit_i:
                    lowest = min(lowest, low - 2.0**-50 * abs(low))
                    continue
                work += 1
                c = pair_cost(x, y, i, j, 0, power) - v[j]
                if c < limit_i:
                    if count < k:
                        t = count
                        count += 1
                    else:
                        t = k - 1
                    while t > 0 and vals[i, t - 1] > c:
                        vals[i, t] = vals[i, t - 1]
                        cols[i, t] = cols[i, t - 1]
                        t -= 1
                    vals[i, t] = c
                    cols[i, t] = j
                    if count == k:
                        limit_i = min(limit_i, vals[i, k - 1])
        counts[i] = count
        floor[i] = lowest
    return work
