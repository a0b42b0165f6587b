"""The terms of every divergence, one atom at a time (numba; see `cpu` for the sums).

Most bodies are free of calls and branches, so that LLVM vectorises loops over them; the logarithm is our
own for that reason. Arguments: masses p, q >= 0 and d = p - q, known better than by subtraction.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from transport.internal import compiled

# log(x/y) = k log 2 + 2 artanh(u), |u| <= (sqrt2-1)/(sqrt2+1); artanh(u) = u + u^3 R(u^2).
_SQRT2 = 1.4142135623730951
_LOG2_HIGH = 6.93147180369123816490e-01  # 33 bits: k * _LOG2_HIGH is exact
_LOG2_LOW = 1.90821492927058770002e-10
_MANTISSA = np.int64(0x000FFFFFFFFFFFFF)
_ONE = np.int64(0x3FF0000000000000)
_SHIFT = np.int64(0x4338000000000000)  # adding it to the bits of a small integer makes a float64
_SHIFTED = 6755399441055744.0


@intrinsic
def _bits(context, x):
    """The 64 bits of a float as an integer."""

    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), code


@intrinsic
def _from_bits(context, i):
    def code(context, builder, signature, args):
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), code


@compiled(inline="always")
def _artanh_tail(w):
    # R(w) = (artanh(u)/u - 1)/w, w = u^2 <= 0.02945: Chebyshev fit, absolute error 1.6e-16.
    high = 0.090914447278374730193 + w * (0.07665855309105385784 + w * 0.073082927124443109947)
    low = 0.14285714313001634371 + w * (0.11111105565129938515 + w * high)
    return 0.33333333333333348442 + w * (0.19999999999949721617 + w * low)


@compiled(inline="always")
def _js_series(w):
    # G(w) = ((1+u)log(1+u) + (1-u)log(1-u))/w, w = u^2 <= 1/4: Chebyshev fit, error 7e-18.
    high = 0.010992089113475657298 + w * (
        0.0082982197975697904237
        + w
        * (
            0.0068074989260838218541
            + w
            * (
                0.0038422872789129207118
                + w
                * (0.0092264382142815436366 + w * (-0.0067536482509956655401 + w * 0.014378630255707501791))
            )
        )
    )
    low = 0.035714285566478279135 + w * (0.022222228914247756632 + w * (0.015151335556995028759 + w * high))
    return 1.0 + w * (0.16666666666665909161 + w * (0.066666666668357231396 + w * low))


@compiled(inline="always")
def _reduce(x, y, d):
    """k and u with log(x/y) = k log 2 + 2 artanh(u); d is x - y, known better than by subtraction."""
    bits_x = _bits(x)
    bits_y = _bits(y)
    mx = _from_bits((bits_x & _MANTISSA) | _ONE)
    my = _from_bits((bits_y & _MANTISSA) | _ONE)
    k = _from_bits(((bits_x >> 52) - (bits_y >> 52)) + _SHIFT) - _SHIFTED
    above = mx > _SQRT2 * my
    below = my > _SQRT2 * mx
    mx = 0.5 * mx if above else mx
    k = k + 1.0 if above else k
    my = 0.5 * my if below else my
    k = k - 1.0 if below else k
    near = k == 0.0
    top = d if near else mx - my
    bottom = x + y if near else mx + my
    return k, top / bottom


@compiled(inline="always")
def log_ratio(x, y, d):
    """log(x/y) for normal positive x and y: no overflow of the ratio, no cancellation near 1."""
    k, u = _reduce(x, y, d)
    w = u * u
    return k * _LOG2_HIGH + (2.0 * u + (2.0 * u * w * _artanh_tail(w) + k * _LOG2_LOW))


@compiled(inline="always")
def kl(p, q, d):
    # q phi(p/q) with phi(t) = t log t - t + 1; for p/q near 1, with p = s(1+u)/2 and q = s(1-u)/2:
    # s [(1+u) artanh(u) - u] = s u^2 [1 + u(1+u) R(u^2)], every factor positive.
    k, u = _reduce(p, q, d)
    w = u * u
    r = _artanh_tail(w)
    near = (p + q) * w * (1.0 + u * (1.0 + u) * r)
    far = p * (k * _LOG2_HIGH + (2.0 * u + (2.0 * u * w * r + k * _LOG2_LOW))) - d
    value = near if k == 0.0 else far
    value = value if p > 0.0 else q
    off_support = np.inf if p > 0.0 else 0.0
    return value if q > 0.0 else off_support


@compiled(inline="always")
def js(p, q, d):
    # s/2 [(1+u)log(1+u) + (1-u)log(1-u)], u = |p-q|/(p+q): Topsoe's capacitory discrimination.
    s = p + q
    v = abs(d)
    u = v / (s if s > 0.0 else 1.0)
    w = u * u
    near = 0.5 * s * w * _js_series(w)
    high = 0.5 * (s + v)
    low = q if p > q else p
    below = low * log_ratio(2.0 * low, s, -v)
    far = high * log_ratio(2.0 * high, s, v) + (below if low > 0.0 else 0.0)
    return near if w <= 0.25 else far


@compiled(inline="always")
def squared_hellinger(p, q, d):
    root = np.sqrt(p) + np.sqrt(q)
    step = d / (root if root > 0.0 else 1.0)
    return 0.5 * step * step


@compiled(inline="always")
def chi2(p, q, d):
    value = d * (d / (q if q > 0.0 else 1.0))
    off_support = np.inf if p > 0.0 else 0.0
    return value if q > 0.0 else off_support


@compiled(inline="always")
def jeffreys(p, q, d):
    value = d * log_ratio(p, q, d)
    one_sided = np.inf if p + q > 0.0 else 0.0
    return value if (p > 0.0 and q > 0.0) else one_sided


@compiled
def alpha(p, q, d, rise):
    # q f(p/q), f(t) = (t^order - order t + order - 1)/(order (order - 1)), order = 1 + rise >= 1/2.
    if p == 0.0:
        return q / (1.0 + rise)
    if q == 0.0:
        return -p / rise if rise < 0.0 else np.inf
    log = log_ratio(p, q, d)
    y = rise * log
    if abs(log) > 1.0:
        return (p * np.expm1(y) / rise - d) / (1.0 + rise)
    # Near equality: KL's term and a correction of its size, p log(p/q) [(e^y - 1)/y - 1].
    if abs(y) > 0.5:
        more = (np.expm1(y) - y) / y
    else:
        more = 0.0
        for k in range(14, 1, -1):
            more = (more + 1.0) * y / k
    return (kl(p, q, d) + p * log * more) / (1.0 + rise)


@compiled
def affinity(p, q, d, rise, shift):
    # p^order q^(1-order) e^-shift
    if p == 0.0 or q == 0.0:
        return np.inf if p > 0.0 and rise > 0.0 else 0.0
    return p * np.exp(rise * log_ratio(p, q, d) - shift)


@compiled
def log_weight(p, q, d, rise):
    # (order - 1) log(p/q) where the affinity has a term, else -inf: what `affinity` is shifted by.
    if p == 0.0 or (q == 0.0 and rise < 0.0):
        return -np.inf
    return rise * log_ratio(p, q, d) if q > 0.0 else np.inf
