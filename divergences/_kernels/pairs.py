"""Divergences between the rows of two arrays, pair after pair (numba): totals are known, terms are summed.

The terms, the blocks and the sums are those of `cpu`; a pair that needs its totals levelled is done twice.
Jensen-Shannon of rows that are not near each other is a difference of entropies, one logarithm an atom where
the terms take two: used where it loses at most four bits.
"""

from __future__ import annotations

import numpy as np

from divergences._kernels.cpu import _D, _LANES, _T, _X, _Y, TERMS, _add, _level, _simple_terms
from divergences._kernels.terms import (
    _LOG2_HIGH,
    _LOG2_LOW,
    _MANTISSA,
    _ONE,
    _SHIFT,
    _SHIFTED,
    _SQRT2,
    _artanh_tail,
    _bits,
    _from_bits,
    log_ratio,
)
from transport.internal import compiled

EPS = 2.0**-52
_TV = TERMS.index("tv")
LOSS = 16.0  # by which the entropies may exceed their difference


@compiled(inline="always")
def _load(p, q, start, work):
    """One block, filled up with zeros."""
    stop = min(len(p) - start, _LANES)
    if stop < _LANES:
        work[_X] = 0.0
        work[_Y] = 0.0
    for i in range(stop):
        work[_X, i] = p[start + i]
        work[_Y, i] = q[start + i]
    for i in range(_LANES):
        work[_D, i] = work[_X, i] - work[_Y, i]


@compiled(error_model="numpy")
def _sum(code, p, q, gap, gap_low, work):
    """(sum, what rounding took from it) of the terms of p and (1 + gap) q."""
    work[0] = 0.0
    work[1] = 0.0
    for start in range(0, len(p), _LANES):
        _load(p, q, start, work)
        if gap != 0.0 or gap_low != 0.0:
            _level(gap, gap_low, work)
        _simple_terms(code, work[_X], work[_Y], work[_D], work[_T])
        for i in range(_LANES):
            _add(work, 0, i, work[_T, i])
    width = _LANES // 2
    while width:
        for i in range(width):
            work[1, i] += work[1, i + width]
            _add(work, 0, i, work[0, i + width])
        width //= 2
    return work[0, 0], 0.0 if work[0, 0] == np.inf else work[1, 0]


@compiled(error_model="numpy")
def _gap(mass_p, low_p, mass_q, low_q):
    """sum(p)/sum(q) - 1 to twice the working precision, as `Rows.gap`."""
    s = mass_p - mass_q
    t = s - mass_p
    error = (mass_p - (s - t)) - (mass_q + t) + (low_p - low_q)
    gap = (s + error) / mass_q
    top = 134217729.0 * gap
    top = top - (top - gap)
    rest = gap - top
    other = 134217729.0 * mass_q
    other = other - (other - mass_q)
    least = mass_q - other
    product = gap * mass_q
    low = ((top * other - product) + top * least + rest * other) + rest * least
    return gap, ((s - product) + (error - low - gap * low_q)) / mass_q


@compiled(error_model="numpy")
def pairs_range(code, first, last, at_p, at_q, p, q, mass_p, mass_q, most, out):
    """out[k] = the divergence of the proportions of p[at_p[k]] and q[at_q[k]]; masses: (rows, 2)."""
    work = np.empty((11, _LANES))
    for k in range(first, last):
        i = at_p[k]
        j = at_q[k]
        total = 0.5 * (mass_p[i, 0] + mass_q[j, 0])
        high, low = _sum(code, p[i], q[j], 0.0, 0.0, work)
        value = (high + low) / total
        gap, gap_low = _gap(mass_p[i, 0], mass_p[i, 1], mass_q[j, 0], mass_q[j, 1])
        size = abs(gap)
        if code == _TV:
            again = size > 4 * EPS * value
        else:
            again = (size > 4 * EPS or size * size > EPS / 8 * value) and value < np.inf
        if again:
            high, low = _sum(code, p[i], q[j], gap, gap_low, work)
            value = (high + low) / mass_p[i, 0]
        out[k] = min(value, most)


@compiled(error_model="numpy")
def entropy_rows(p, unit, out):
    """out[i] = (sum of x log(x/unit), sum of its absolute terms) over row i; the first compensated."""
    for i in range(len(p)):
        high = 0.0
        low = 0.0
        size = 0.0
        for x in p[i]:
            if x > 0.0:
                t = x * log_ratio(x, unit, x - unit)
                s = high + t
                b = s - high
                low += (high - (s - b)) + (t - b)
                high = s
                size += abs(t)
        out[i, 0] = high + low
        out[i, 1] = size


@compiled(inline="always")
def _log_over(x, exponent):
    """log(x / unit) for a normal x and a power of two, given by the bits of its exponent."""
    bits = _bits(x)
    z = _from_bits((bits & _MANTISSA) | _ONE)
    k = _from_bits(((bits >> 52) - exponent) + _SHIFT) - _SHIFTED
    above = z > _SQRT2
    z = 0.5 * z if above else z
    k = k + 1.0 if above else k
    u = (z - 1.0) / (z + 1.0)
    w = u * u
    return k * _LOG2_HIGH + (2.0 * u + (2.0 * u * w * _artanh_tail(w) + k * _LOG2_LOW))


@compiled(error_model="numpy", fastmath={"contract"})
def _mixed(x, y, unit, lanes):
    """sum of m log(m/unit), m = (x + y)/2, times 2; rows are a multiple of the lanes long."""
    lanes[:] = 0.0
    exponent = _bits(unit) >> 52
    for start in range(0, len(x), _LANES):
        u = x[start : start + _LANES]
        v = y[start : start + _LANES]
        for i in range(_LANES):
            s = u[i] + v[i]
            m = 0.5 * s
            m = m if s > 0.0 else unit
            lanes[i] += s * _log_over(m, exponent)
    width = _LANES // 2
    while width:
        for i in range(width):
            lanes[i] += lanes[i + width]
        width //= 2
    return lanes[0]


@compiled(error_model="numpy")
def js_range(first, last, at_p, at_q, p, q, mass_p, mass_q, entropy_p, entropy_q, unit, most, out):
    """As `pairs_range` for Jensen-Shannon, by entropies; nan where `pairs_range` has to do it."""
    lanes = np.empty(_LANES)
    for k in range(first, last):
        i = at_p[k]
        j = at_q[k]
        value = (entropy_p[i, 0] + entropy_q[j, 0]) - _mixed(p[i], q[j], unit, lanes)
        sure = LOSS * value > entropy_p[i, 1] + entropy_q[j, 1]
        even = abs(mass_p[i, 0] - mass_q[j, 0]) <= 4 * EPS * mass_q[j, 0]
        out[k] = min(value / (0.5 * (mass_p[i, 0] + mass_q[j, 0])), most) if sure and even else np.nan
