"""Softmax rows of V_j - C_ij along lines, kept where they matter: the factors of an entropic plan (numba)."""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.vector import least_difference
from transport.internal import compiled

_LOST = 39.0  # entries below e^-39 = 1e-17 of the largest of their row are left out


@compiled
def measure(values, costs, low, size, log_sum):
    """For every line r and row i: where the entries of exp(values[r, j] - costs[i, j]) that matter lie.

    ``low``, ``size`` (R, m): the first such j and how many from there to the last; ``log_sum`` (R, m): the
    largest exponent. A line of -inf has none.
    """
    lines, n = values.shape
    m = costs.shape[0]
    for r in range(lines):
        first = 0
        while first < n and values[r, first] == -np.inf:
            first += 1
        last = n
        while last > first and values[r, last - 1] == -np.inf:
            last -= 1
        for i in range(m):
            top = -least_difference(costs[i, first:last], values[r, first:last])
            s, e = first, last
            cut = top - _LOST
            while s < e and not values[r, s] - costs[i, s] > cut:
                s += 1
            while e > s and not values[r, e - 1] - costs[i, e - 1] > cut:
                e -= 1
            low[r, i] = s
            size[r, i] = e - s
            log_sum[r, i] = top


@compiled
def fill(values, costs, low, start, log_sum, weights):
    """The entries, each row divided by its sum; ``log_sum`` becomes the logarithm of that sum."""
    lines, m = low.shape
    k = 0
    for r in range(lines):
        for i in range(m):
            top = log_sum[r, i]
            s = low[r, i]
            total = 0.0
            begin = start[k]
            for q in range(start[k + 1] - begin):
                w = math.exp(values[r, s + q] - costs[i, s + q] - top)
                weights[begin + q] = w
                total += w
            if total > 0.0:
                log_sum[r, i] = top + math.log(total)
                scale = 1.0 / total
                for q in range(begin, start[k + 1]):
                    weights[q] *= scale
            k += 1


@compiled(fastmath={"reassoc", "contract"})
def forth(low, start, weights, values, out):
    """out[r, i] = sum_j w[r, i, j] values[r, j]."""
    lines, m = low.shape
    k = 0
    for r in range(lines):
        for i in range(m):
            begin = start[k]
            s = low[r, i]
            total = 0.0
            for q in range(start[k + 1] - begin):
                total += weights[begin + q] * values[r, s + q]
            out[r, i] = total
            k += 1


@compiled
def back(low, start, weights, values, out):
    """out[r, j] = sum_i w[r, i, j] values[r, i]."""
    lines, m = low.shape
    out[:] = 0.0
    k = 0
    for r in range(lines):
        for i in range(m):
            begin = start[k]
            s = low[r, i]
            x = values[r, i]
            for q in range(start[k + 1] - begin):
                out[r, s + q] += weights[begin + q] * x
            k += 1
