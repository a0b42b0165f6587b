"""Wasserstein distances on the line, one pair of rows after the other (numba); one pair: `univariate`."""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.univariate import _LANES, _merged, _paired_chunk, _quotient, total
from transport.internal import compiled

EPS = 2.0**-52


@compiled(error_model="numpy")
def _sweep(x, y, a, b, ratio, ratio_low, paired, p, scale, tiny, sums):
    if paired:
        return _paired_chunk(x, y, p, scale if scale != 0.0 else 1.0, sums)
    return _merged(x, y, a, b, ratio, ratio_low, p, scale, tiny * scale if p == np.inf else 0.0)


@compiled(error_model="numpy")
def _distance(x, y, a, b, equal, p, sums):
    """W_p of sorted atoms, as `univariate.line_cost`; ``equal``: no weights were given."""
    paired = equal and len(x) == len(y)
    mass = float(len(x))
    low = 0.0
    ratio = 1.0
    ratio_low = 0.0
    tiny = 0.0
    if not paired:
        mass, low = total(a)
        other, other_low = total(b)
        ratio, ratio_low = _quotient(mass, low, other, other_low)
        if not equal:
            tiny = 4 * (len(x) + len(y)) * EPS * mass
    if p == 1.0:
        high, rest = _sweep(x, y, a, b, ratio, ratio_low, paired, 1.0, 1.0, tiny, sums)
        return (high + rest) / (mass + low)
    largest = _sweep(x, y, a, b, ratio, ratio_low, paired, np.inf, 1.0 if p == np.inf else 0.0, tiny, sums)[0]
    if p == np.inf or largest == 0.0:
        return largest
    lift = 1.0
    if largest < 2.0**-1000:  # 1/unit would overflow
        lift = 2.0**200
        x = x * lift
        y = y * lift
        largest *= lift
    unit = math.ldexp(1.0, math.frexp(largest)[1]) if p <= 64.0 and largest > 2.0**-1000 else largest
    high, rest = _sweep(x, y, a, b, ratio, ratio_low, paired, p, 1.0 / unit, tiny, sums)
    return unit * ((high + rest) / (mass + low)) ** (1.0 / p) / lift


@compiled(error_model="numpy")
def rows_range(first, last, at_x, at_y, x, y, a, b, equal, p, out):
    """out[k] = W_p of row at_x[k] of x and row at_y[k] of y; weights in as many rows, or in one for all."""
    sums = np.empty((2, _LANES))
    for k in range(first, last):
        i = at_x[k]
        j = at_y[k]
        u = a[i if len(a) > 1 else 0]
        v = b[j if len(b) > 1 else 0]
        out[k] = _distance(x[i], y[j], u, v, equal, p, sums)


@compiled(error_model="numpy")
def gather_rows(first, last, x, w, order, x_out, w_out):
    """Rows in the given order, with their weights; equal positions by weight, so that order cannot matter."""
    n = x.shape[1]
    for k in range(first, last):
        u = w[k if len(w) > 1 else 0]
        ties = False
        before = np.nan
        for q in range(n):
            i = order[k - first, q]
            z = x[k, i]
            x_out[k, q] = z
            w_out[k, q] = u[i]
            ties |= z == before
            before = z
        if not ties:
            continue
        q = 0
        while q < n:
            end = q + 1
            while end < n and x_out[k, end] == x_out[k, q]:
                end += 1
            if end > q + 1:
                w_out[k, q:end] = np.sort(w_out[k, q:end])
            q = end
