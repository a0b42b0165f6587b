"""Min-plus transform of l1 distances on a grid: forth and back along every axis (numba)."""

from __future__ import annotations

import numpy as np

from transport._kernels.double_double import add_below
from transport.internal import compiled


@compiled
def lowest_on_grid(high, lengths, steps):
    """min_i d(cell, i) + high[i] for every cell of a grid with ``lengths`` cells an axis, or a little less.

    In place; returns the low part of the double-double result.
    """
    low = np.zeros(high.shape[0])
    stride = high.shape[0]
    for q in range(lengths.shape[0]):
        block = stride
        stride //= lengths[q]
        for begin in range(0, high.shape[0], block):
            for offset in range(stride):
                first = begin + offset
                last = first + block - stride
                for way in range(2):
                    v = first if way == 0 else last
                    step = stride if way == 0 else -stride
                    for _ in range(lengths[q] - 1):
                        w = v + step
                        if high[v] < np.inf:
                            h, e = add_below(high[v], low[v], steps[q])
                            if h < high[w] or (h == high[w] and e < low[w]):
                                high[w], low[w] = h, e
                        v = w
    return low
