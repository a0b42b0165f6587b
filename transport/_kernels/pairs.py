"""Distances between pairs of measures out of two packed sets (numba): no Python between one and the next.

A set is packed: the atoms of measure i are those from offsets[i] to offsets[i + 1]. A pair's answer depends
on its two measures alone.
"""

from __future__ import annotations

import numpy as np

from transport._kernels.bulk import settle
from transport._kernels.costs import block_rows, raised, scan_rows
from transport._kernels.line_rows import _distance
from transport._kernels.simplex_dense import UNFIT
from transport._kernels.univariate import _LANES
from transport.internal import compiled

SMALLEST = 2.0**-400  # squares of smaller differences may have underflowed


@compiled
def _are_one_point(x, y):
    """Whether all points of both clouds are the same."""
    for i in range(len(x)):
        for q in range(x.shape[1]):
            if x[i, q] != x[0, q]:
                return False
    for q in range(x.shape[1]):
        for j in range(len(y)):
            if y[j, q] != x[0, q]:
                return False
    return True


@compiled
def points_range(first, last, pairs, x, y, metric, power, limits, codes, sums):
    """Pairs first <= k < last of clouds with positive masses: codes and sums as `bulk.settle`.

    x, y: (points, across, masses, offsets), the points as (total, d) and, cloud by cloud, as (d, size).
    """
    d = x[0].shape[1]
    for k in range(first, last):
        i = x[3][pairs[k, 0]]
        n = x[3][pairs[k, 0] + 1] - i
        j = y[3][pairs[k, 1]]
        m = y[3][pairs[k, 1] + 1] - j
        left = x[0][i : i + n]
        right = y[0][j : j + m]
        c = np.empty((n, m))
        block_rows(left, y[1][d * j : d * (j + m)].reshape((d, m)), metric, power, 0, n, c)
        codes[k] = UNFIT
        if scan_rows(c, 0, n)[0] < SMALLEST and not _are_one_point(left, right):
            continue
        code, _, _, _, _, _, _, proved = settle(
            c, x[2][i : i + n], y[2][j : j + m], np.zeros(m), False, limits
        )
        codes[k] = code
        for q in range(8):
            sums[k, q] = proved[q]


@compiled
def matrix_range(first, last, pairs, x, y, cost, power, limits, codes, sums):
    """The same for masses on the rows and the columns of one matrix of distances.

    x, y: (support, masses, offsets), the support as indices of rows and of columns.
    """
    for k in range(first, last):
        i = x[2][pairs[k, 0]]
        n = x[2][pairs[k, 0] + 1] - i
        j = y[2][pairs[k, 1]]
        m = y[2][pairs[k, 1] + 1] - j
        c = np.empty((n, m))
        for r in range(n):
            for s in range(m):
                c[r, s] = raised(cost[x[0][i + r], y[0][j + s]], power)
        code, _, _, _, _, _, _, proved = settle(
            c, x[1][i : i + n], y[1][j : j + m], np.zeros(m), False, limits
        )
        codes[k] = code
        for q in range(8):
            sums[k, q] = proved[q]


@compiled
def line_range(first, last, pairs, x, y, p, out):
    """out[k] = W_p on the line. x, y: (sorted points, masses, offsets, whether all masses are equal)."""
    lanes = np.empty((2, _LANES))
    for k in range(first, last):
        i = x[2][pairs[k, 0]]
        n = x[2][pairs[k, 0] + 1] - i
        j = y[2][pairs[k, 1]]
        m = y[2][pairs[k, 1] + 1] - j
        a = x[1][i : i + n]
        b = y[1][j : j + m]
        equal = x[3][pairs[k, 0]] and y[3][pairs[k, 1]]
        if equal:  # whole numbers: every step is exact
            a = np.full(n, float(m))
            b = np.full(m, float(n))
        out[k] = _distance(x[0][i : i + n], y[0][j : j + m], a, b, equal, p, lanes)
