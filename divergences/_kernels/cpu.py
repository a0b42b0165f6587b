"""One pass over two arrays of masses: the divergence, both totals and the validity flags (numba).

Serial, ``nogil``: threads share out fixed chunks (`transport.internal.run_chunks`). Every loop body is
free of calls and branches, so that LLVM vectorises it; the logarithm is our own for that reason.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from transport.internal import run_chunks

TERMS = (
    "mass",
    "kl",
    "js",
    "tv",
    "squared_hellinger",
    "chi2",
    "jeffreys",
    "alpha",
    "surprise",
    "affinity",
    "log_ratio",
    "unseen",
)
_MASS, _KL, _JS, _TV, _HELLINGER, _CHI2, _JEFFREYS, _ALPHA, _SURPRISE, _AFFINITY, _RATIO, _UNSEEN = range(12)

_LANES = 64  # independent accumulators: no dependency between neighbours, so SIMD needs no fastmath
_CHUNK = 1 << 16  # entries in a chunk; fixed, hence results do not depend on the number of threads

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


@njit(inline="always")
def _artanh_tail(w):
    # R(w) = (artanh(u)/u - 1)/w, w = u^2 <= 0.02945: Chebyshev fit, absolute error 1.6e-16.
    high = 0.090914447278374730193 + w * (0.07665855309105385784 + w * 0.073082927124443109947)
    low = 0.14285714313001634371 + w * (0.11111105565129938515 + w * high)
    return 0.33333333333333348442 + w * (0.19999999999949721617 + w * low)


@njit(inline="always")
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


@njit(inline="always")
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


@njit(inline="always")
def _log_ratio(x, y, d):
    """log(x/y) for normal positive x and y: no overflow of the ratio, no cancellation near 1."""
    k, u = _reduce(x, y, d)
    w = u * u
    return k * _LOG2_HIGH + (2.0 * u + (2.0 * u * w * _artanh_tail(w) + k * _LOG2_LOW))


@njit(inline="always")
def _kl(p, q, d):
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


@njit(inline="always")
def _js(p, q, d):
    # s/2 [(1+u)log(1+u) + (1-u)log(1-u)], u = |p-q|/(p+q): Topsoe's capacitory discrimination.
    s = p + q
    v = abs(d)
    u = v / (s if s > 0.0 else 1.0)
    w = u * u
    near = 0.5 * s * w * _js_series(w)
    high = 0.5 * (s + v)
    low = q if p > q else p
    below = low * _log_ratio(2.0 * low, s, -v)
    far = high * _log_ratio(2.0 * high, s, v) + (below if low > 0.0 else 0.0)
    return near if w <= 0.25 else far


@njit(inline="always")
def _squared_hellinger(p, q, d):
    root = np.sqrt(p) + np.sqrt(q)
    step = d / (root if root > 0.0 else 1.0)
    return 0.5 * step * step


@njit(inline="always")
def _chi2(p, q, d):
    value = d * (d / (q if q > 0.0 else 1.0))
    off_support = np.inf if p > 0.0 else 0.0
    return value if q > 0.0 else off_support


@njit(inline="always")
def _jeffreys(p, q, d):
    value = d * _log_ratio(p, q, d)
    one_sided = np.inf if p + q > 0.0 else 0.0
    return value if (p > 0.0 and q > 0.0) else one_sided


@njit
def _alpha(p, q, d, rise):
    # q f(p/q), f(t) = (t^order - order t + order - 1)/(order (order - 1)), order = 1 + rise >= 1/2.
    if p == 0.0:
        return q / (1.0 + rise)
    if q == 0.0:
        return -p / rise if rise < 0.0 else np.inf
    log = _log_ratio(p, q, d)
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
    return (_kl(p, q, d) + p * log * more) / (1.0 + rise)


@njit
def _affinity(p, q, d, rise, shift):
    # p^order q^(1-order) e^-shift
    if p == 0.0 or q == 0.0:
        return np.inf if p > 0.0 and rise > 0.0 else 0.0
    return p * np.exp(rise * _log_ratio(p, q, d) - shift)


@njit
def _log_weight(p, q, d, rise):
    # (order - 1) log(p/q) where the affinity has a term, else -inf: what `_affinity` is shifted by.
    if p == 0.0 or (q == 0.0 and rise < 0.0):
        return -np.inf
    return rise * _log_ratio(p, q, d) if q > 0.0 else np.inf


@njit
def _simple_terms(code, p, q, d, n, t):
    if code == _KL:
        for i in range(n):
            t[i] = _kl(p[i], q[i], d[i])
    elif code == _JS:
        for i in range(n):
            t[i] = _js(p[i], q[i], d[i])
    elif code == _TV:
        for i in range(n):
            t[i] = 0.5 * abs(d[i])
    elif code == _HELLINGER:
        for i in range(n):
            t[i] = _squared_hellinger(p[i], q[i], d[i])
    elif code == _CHI2:
        for i in range(n):
            t[i] = _chi2(p[i], q[i], d[i])
    elif code == _JEFFREYS:
        for i in range(n):
            t[i] = _jeffreys(p[i], q[i], d[i])
    elif code == _UNSEEN:
        for i in range(n):
            t[i] = q[i] if p[i] == 0.0 else 0.0


@njit
def _order_terms(code, p, q, d, rise, high, low, n, t):
    if code == _ALPHA:
        for i in range(n):
            t[i] = _alpha(p[i], q[i], d[i], rise)
    elif code == _AFFINITY:
        for i in range(n):
            t[i] = _affinity(p[i], q[i], d[i], rise, high)
    elif code == _RATIO:
        for i in range(n):
            t[i] = _log_weight(p[i], q[i], d[i], rise)
    elif code == _SURPRISE:
        for i in range(n):
            value = p[i] * _log_ratio(high, q[i], (high - q[i]) + low)
            off_support = np.inf if p[i] > 0.0 else 0.0
            t[i] = (value if p[i] > 0.0 else 0.0) if q[i] > 0.0 else off_support


@njit
def _add(sums, k, i, x):
    # TwoSum (Knuth): sums[k] + sums[k+1] carries the running sum to twice the precision.
    a = sums[k, i]
    s = a + x
    b = s - a
    sums[k + 1, i] += (a - (s - b)) + (x - b)
    sums[k, i] = s


@njit(inline="always")
def _split(x):
    # Veltkamp: two halves of 26 bits.
    t = 134217729.0 * x
    top = t - (t - x)
    return top, x - top


@njit
def _scan_chunk(code, rise, p, q, row, sums, block):
    """Fill ``sums`` (7, lanes): term, its low part, mass of p, low, mass of q, low, smallest entry."""
    scale_p, scale_q, gap, gap_low, high, low = row[0], row[1], row[2], row[3], row[4], row[5]
    gap_top, gap_rest = _split(gap)
    x, y, d, t = block[0], block[1], block[2], block[3]
    sums[:] = 0.0
    if code == _RATIO:
        sums[0] = -np.inf
    for start in range(0, p.size, _LANES):
        n = min(_LANES, p.size - start)
        for i in range(n):
            a = p[start + i]
            b = q[start + i]
            sums[6, i] = min(sums[6, i], min(a, b))
            a *= scale_p
            b *= scale_q
            _add(sums, 2, i, a)
            _add(sums, 4, i, b)
            x[i] = a
            # a - (1 + gap) b: gap * b is formed exactly (Dekker), and a - b is where a/b is near 1 + gap.
            b_top, b_rest = _split(b)
            product = gap * b
            error = ((gap_top * b_top - product) + gap_top * b_rest + gap_rest * b_top) + gap_rest * b_rest
            y[i] = b + product
            d[i] = ((a - b) - product) - (error + gap_low * b)
        if code == _MASS:
            continue
        if code in (_ALPHA, _AFFINITY, _RATIO, _SURPRISE):
            _order_terms(code, x, y, d, rise, high, low, n, t)
        else:
            _simple_terms(code, x, y, d, n, t)
        if code == _RATIO:
            for i in range(n):
                sums[0, i] = max(sums[0, i], t[i])
        else:
            for i in range(n):
                _add(sums, 0, i, t[i])


@njit
def _fold(sums, code, out):
    """Reduce the lanes in a fixed order."""
    width = _LANES // 2
    while width:
        for i in range(width):
            for k in (0, 2, 4):
                if k == 0 and code == _RATIO:
                    sums[0, i] = max(sums[0, i], sums[0, i + width])
                else:
                    sums[k + 1, i] += sums[k + 1, i + width]
                    _add(sums, k, i, sums[k, i + width])
            sums[6, i] = min(sums[6, i], sums[6, i + width])
        width //= 2
    for k in range(7):
        out[k] = sums[k, 0]
    if out[0] == np.inf:
        out[1] = 0.0  # inf - inf in the error term


@njit(nogil=True, cache=True, error_model="numpy")
def _scan(code, rise, p, q, rows, chunk, per_row, first, last, out):
    """Chunks first..last: chunk k is the part k % per_row of row k // per_row."""
    sums = np.empty((7, _LANES))
    block = np.empty((4, _LANES))
    for k in range(first, last):
        row = k // per_row
        begin = (k % per_row) * chunk
        end = min(p.shape[1], begin + chunk)
        _scan_chunk(code, rise, p[row, begin:end], q[row, begin:end], rows[row], sums, block)
        _fold(sums, code, out[k])


def scan(
    term: str, p: np.ndarray, q: np.ndarray, rows: np.ndarray, rise: float = 1.0, *, xp: ModuleType
) -> np.ndarray:
    """One pass over the rows of ``p`` and ``q``.

    Parameters
    ----------
    term : str
        One of `TERMS`: what is summed.
    p, q : (r, n) float64
        Masses, one measure a row.
    rows : (r, 6) float64
        ``scale_p, scale_q, gap, gap_low, high, low`` of each row. The terms are those of ``x = scale_p p``
        and ``y = (1 + gap + gap_low) scale_q q``, with ``x - y`` formed without cancellation; *surprise* sums
        ``x log((high + low)/y)`` and *affinity* is shifted by ``high``.
    rise : float
        Order minus 1 of *alpha*, *affinity*, *log_ratio* (*alpha*: at least -1/2).

    Returns
    -------
    (r, 7) float64
        Sum of the terms (for *log_ratio* their maximum) and what rounding took from it, the same for
        the masses of ``scale_p p`` and ``scale_q q``, and the smallest entry if one is negative, else 0.
    """
    n_rows, n = p.shape
    p, q = np.ascontiguousarray(p), np.ascontiguousarray(q)
    code = TERMS.index(term)
    per_row = max(1, -(-n // _CHUNK))
    out = np.empty((n_rows * per_row, 7))

    def task(first: int, last: int) -> None:
        _scan(code, float(rise), p, q, rows, _CHUNK, per_row, first, last, out)

    run_chunks(task, n_rows * per_row, slice_size=max(1, 4 * _CHUNK // max(1, min(n, _CHUNK))))
    parts = out.reshape(n_rows, per_row, 7)
    return parts[:, 0] if per_row == 1 else _combine(parts, term)


def _combine(parts: np.ndarray, term: str) -> np.ndarray:
    total = parts[:, 0].copy()
    with np.errstate(invalid="ignore", over="ignore"):
        for part in np.moveaxis(parts[:, 1:], 1, 0):
            for k in (0, 2, 4):
                a, x = total[:, k].copy(), part[:, k]
                s = a + x
                b = s - a
                total[:, k + 1] += part[:, k + 1] + ((a - (s - b)) + (x - b))
                total[:, k] = s
            total[:, 6] = np.minimum(total[:, 6], part[:, 6])
    if term == "log_ratio":
        total[:, 0] = parts[:, :, 0].max(axis=1)
    total[:, 1] = np.where(np.isfinite(total[:, 0]) & (term != "log_ratio"), total[:, 1], 0.0)
    return total
