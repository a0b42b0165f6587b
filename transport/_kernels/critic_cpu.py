"""The inf-convolution kernel min_j (h_j + |x_i - y_j|) in numba: fused, early exit, no n x m matrix."""

from __future__ import annotations

import math

import numpy as np

from transport.internal import compiled, run_chunks

_CHUNK = 256  # points a task handles

# Sums of squares may be reordered (SIMD); no infinity or NaN reaches this kernel.


@compiled(fastmath={"reassoc", "contract", "nsz"})
def _scan(x, y, h, order, start, stop, value, index):
    d = x.shape[1]
    for i in range(start, stop):
        best, where = np.inf, -1
        for k in range(order.shape[0]):
            j = order[k]
            room = best - h[j]
            if room <= 0:  # h is visited in increasing order: nothing better follows
                break
            limit = room * room
            total = 0.0
            for first in range(0, d, 16):
                for c in range(first, min(first + 16, d)):
                    gap = x[i, c] - y[j, c]
                    total += gap * gap
                if total >= limit:
                    break
            if total < limit:
                best = h[j] + math.sqrt(total)
                where = j
        value[i] = best
        index[i] = where


def inf_convolution(x, y, h):
    """(min_j h_j + |x_i - y_j|, its first minimiser in the order of h): shapes (n,), (n,)."""
    n = x.shape[0]
    value, index = np.empty(n), np.empty(n, dtype=np.int64)
    order = np.argsort(h, kind="stable")

    def task(first, last):
        _scan(x, y, h, order, first * _CHUNK, min(last * _CHUNK, n), value, index)

    run_chunks(task, -(-n // _CHUNK))
    return value, index
