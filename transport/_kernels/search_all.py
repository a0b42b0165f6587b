"""Search by looking at every point: c(x_i, y_j) - v_j for 256 points at a time in vector registers.

Half a nanosecond a pair in the plane: up to some thousand points that beats a tree, whose search takes
microseconds, and no ties, no dimension and no norm can slow it down.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.costs import CHUNK, row_costs
from transport._kernels.vector import fmin
from transport.internal import compiled


@compiled
def _lowest(value, v, j0, size):
    low = np.inf
    for t in range(size):
        value[t] -= v[j0 + t]
        low = fmin(low, value[t])
    return low


@compiled
def search(x, start, stop, limit, yt, v, metric, power, cols, vals, counts, floor):
    """Rows start:stop of cols, vals, counts and floor, as `search_kd`'s search; returns the evaluations."""
    m = yt.shape[1]
    k = cols.shape[1]
    value = np.empty(CHUNK)
    for i in range(start, stop):
        count = 0
        limit_i = limit[i]
        lowest = np.inf
        for j0 in range(0, m, CHUNK):
            size = min(CHUNK, m - j0)
            row_costs(x, i, yt, j0, size, metric, power, value)
            low = _lowest(value, v, j0, size)
            if low >= limit_i:
                lowest = min(lowest, low)
                continue
            for s in range(size):
                r = value[s]
                if r >= limit_i:
                    lowest = min(lowest, r)
                    continue
                if count < k:
                    t = count
                    count += 1
                else:
                    t = k - 1
                    lowest = min(lowest, vals[i, t])
                while t > 0 and vals[i, t - 1] > r:
                    vals[i, t] = vals[i, t - 1]
                    cols[i, t] = cols[i, t - 1]
                    t -= 1
                vals[i, t] = r
                cols[i, t] = j0 + s
                if count == k:
                    limit_i = min(limit_i, vals[i, k - 1])
        counts[i] = count
        floor[i] = lowest - 2.0**-50 * abs(lowest)
    return (stop - start) * m
