"""The specification of the kernels in pure array API: any library, any device, no speed."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

from divergences._evaluate import two_product, two_sum
from transport.internal import Array

_Term = Callable[..., Array]


def _filled(condition: Array, value: Array, other: float, *, xp: ModuleType) -> Array:
    """``value`` where the condition holds, a number elsewhere."""
    return xp.where(condition, value, xp.full_like(value, other))


def _log_ratio(x: Array, y: Array, d: Array, *, xp: ModuleType) -> Array:
    """log(x/y) for positive x, y, with d = x - y: no cancellation near 1, no overflow of the ratio."""
    u = d / (x + y)
    near = xp.abs(u) < 0.25
    huge = xp.abs(xp.log2(x) - xp.log2(y)) > 1000.0
    ratio = _filled(~huge, x, 1.0, xp=xp) / _filled(~huge, y, 1.0, xp=xp)
    far = xp.where(huge, xp.log(x) - xp.log(y), xp.log(ratio))
    return xp.where(near, 2.0 * xp.atanh(_filled(near, u, 0.0, xp=xp)), far)


def _phi(t: Array, *, xp: ModuleType) -> Array:
    """[(1+t) artanh(t) - t]/t^2 by its series, |t| < 1/4."""
    w = t * t
    r = xp.zeros_like(t)
    for k in range(14, -1, -1):  # (artanh(u)/u - 1)/u^2 = sum u^2k/(2k+3)
        r = r * w + 1.0 / (2 * k + 3)
    return 1.0 + t * (1.0 + t) * r


def _kl(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    both = (p > 0.0) & (q > 0.0)
    x, y = _filled(both, p, 1.0, xp=xp), _filled(both, q, 1.0, xp=xp)
    u = d / (x + y)
    near = xp.abs(u) < 0.25
    v = _filled(near, u, 0.0, xp=xp)
    value = xp.where(near, (x + y) * v * v * _phi(v, xp=xp), x * _log_ratio(x, y, d, xp=xp) - d)
    alone = xp.where(p > 0.0, xp.full_like(p, math.inf), q)
    return xp.where(both, value, alone)


def _js(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    s = p + q
    u = xp.abs(d) / _filled(s > 0.0, s, 1.0, xp=xp)
    near = u < 0.5
    w = _filled(near, u, 0.0, xp=xp) ** 2
    g = xp.zeros_like(w)
    for k in range(26, 0, -1):  # sum w^(k-1)/(k(2k-1)), tail below 2^-54 for w <= 1/4
        g = g * w + 1.0 / (k * (2 * k - 1))
    high = 1.0 + u
    small = xp.where(p > q, q, p) * 2.0 / _filled(s > 0.0, s, 1.0, xp=xp)
    has_small = (small > 0.0) & (u < 1.0)
    low = _filled(has_small, small, 1.0, xp=xp)
    far = high * xp.log(high) + _filled(has_small, low * xp.log(low), 0.0, xp=xp)
    return 0.5 * s * xp.where(near, w * g, far)


def _tv(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    return 0.5 * xp.abs(d)


def _squared_hellinger(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    root = xp.sqrt(p) + xp.sqrt(q)
    step = d / _filled(root > 0.0, root, 1.0, xp=xp)
    return 0.5 * step * step


def _chi2(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    # Values beyond 1e150 count as overflows, which the caller redoes by logarithms.
    usable = q > xp.abs(d) * 1e-150
    value = d * (d / _filled(usable, q, 1.0, xp=xp))
    return xp.where(usable, value, _filled(p > 0.0, xp.full_like(p, math.inf), 0.0, xp=xp))


def _jeffreys(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    both = (p > 0.0) & (q > 0.0)
    value = d * _log_ratio(_filled(both, p, 1.0, xp=xp), _filled(both, q, 1.0, xp=xp), d, xp=xp)
    return xp.where(both, value, _filled(p + q > 0.0, xp.full_like(p, math.inf), 0.0, xp=xp))


def _unseen(p: Array, q: Array, d: Array, *, xp: ModuleType) -> Array:
    return _filled(p == 0.0, q, 0.0, xp=xp)


def _alpha(p: Array, q: Array, d: Array, rise: float, *, xp: ModuleType) -> Array:
    # q f(p/q), f(t) = (t^order - order t + order - 1)/(order (order - 1)), order = 1 + rise >= 1/2.
    both = (p > 0.0) & (q > 0.0)
    x, y = _filled(both, p, 1.0, xp=xp), _filled(both, q, 1.0, xp=xp)
    d = _filled(both, d, 0.0, xp=xp)
    log = _log_ratio(x, y, d, xp=xp)
    weight = rise * log
    usable = weight < 600.0  # beyond, as in `_chi2`
    power = xp.expm1(_filled(usable, weight, 0.0, xp=xp))
    far = (x * power / rise - d) / (1.0 + rise)
    # Near equality: KL's term and a correction of its size, p log(p/q) [(e^w - 1)/w - 1].
    small = xp.abs(weight) < 0.5
    w = _filled(small, weight, 0.0, xp=xp)
    series = xp.zeros_like(w)
    for k in range(14, 1, -1):
        series = (series + 1.0) * w / k
    more = xp.where(small, series, (power - weight) / _filled(~small, weight, 1.0, xp=xp))
    near = (_kl(x, y, d, xp=xp) + x * log * more) / (1.0 + rise)
    value = xp.where(xp.abs(log) > 1.0, _filled(usable, far, math.inf, xp=xp), near)
    alone_p = -p / rise if rise < 0.0 else _filled(p > 0.0, xp.full_like(p, math.inf), 0.0, xp=xp)
    return xp.where(both, value, xp.where(p > 0.0, alone_p, q / (1.0 + rise)))


def _log_weight(p: Array, q: Array, d: Array, rise: float, *, xp: ModuleType) -> Array:
    both = (p > 0.0) & (q > 0.0)
    x, y = _filled(both, p, 1.0, xp=xp), _filled(both, q, 1.0, xp=xp)
    value = rise * _log_ratio(x, y, _filled(both, d, 0.0, xp=xp), xp=xp)
    off = math.inf if rise > 0.0 else -math.inf
    alone = _filled(p > 0.0, xp.full_like(p, off), -math.inf, xp=xp)
    return xp.where(both, value, alone)


def _affinity(p: Array, q: Array, d: Array, rise: float, shift: Array, *, xp: ModuleType) -> Array:
    weight = _log_weight(p, q, d, rise, xp=xp)
    usable = xp.isfinite(weight)
    exponent = _filled(usable, weight, 0.0, xp=xp) - shift * xp.astype(usable, xp.float64)
    value = p * xp.exp(_filled(exponent < 600.0, exponent, 600.0, xp=xp))
    return xp.where(usable, value, _filled(weight > 0.0, xp.full_like(p, math.inf), 0.0, xp=xp))


def _surprise(p: Array, q: Array, high: Array, low: Array, *, xp: ModuleType) -> Array:
    both = (p > 0.0) & (q > 0.0)
    y = _filled(both, q, 1.0, xp=xp)
    value = p * _log_ratio(high + xp.zeros_like(y), y, (high - y) + low, xp=xp)
    return xp.where(both, value, _filled(p > 0.0, xp.full_like(p, math.inf), 0.0, xp=xp))


_TERMS: dict[str, _Term] = {
    "kl": _kl,
    "js": _js,
    "tv": _tv,
    "squared_hellinger": _squared_hellinger,
    "chi2": _chi2,
    "jeffreys": _jeffreys,
    "unseen": _unseen,
}
TERMS = ("mass", *_TERMS, "alpha", "affinity", "log_ratio", "surprise")


def _compensated_sum(x: Array, *, xp: ModuleType) -> tuple[Array, Array]:
    """Sum over the last axis and what rounding took from it, by a tree of TwoSums."""
    infinite = xp.any(xp.isinf(x), axis=-1)
    x = _filled(xp.isfinite(x), x, 0.0, xp=xp)
    low = xp.zeros_like(x)
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        s, e = two_sum(x[:, :half], x[:, half : 2 * half])
        e = e + (low[:, :half] + low[:, half : 2 * half])
        x = xp.concat([s, x[:, 2 * half :]], axis=-1)
        low = xp.concat([e, low[:, 2 * half :]], axis=-1)
    total = _filled(~infinite, x[:, 0], math.inf, xp=xp)
    return total, _filled(~infinite, low[:, 0], 0.0, xp=xp)


def scan(term: str, p: Array, q: Array, rows: Array, rise: float = 1.0, *, xp: ModuleType) -> Array:
    """One pass over the rows; arguments and result as `divergences._kernels.cpu.scan`."""
    scale_p, scale_q, gap, gap_low, high, low = (rows[:, k : k + 1] for k in range(6))
    sound = xp.all(xp.isfinite(p) & xp.isfinite(q), axis=-1)
    smallest = xp.minimum(xp.min(p, axis=-1), xp.min(q, axis=-1))
    sound = sound & (smallest >= 0.0)  # otherwise the masses are reported as NaN and no term is formed
    smallest = _filled(smallest < 0.0, smallest, 0.0, xp=xp)
    x = _filled(sound[:, None], p, 1.0, xp=xp) * scale_p
    y = _filled(sound[:, None], q, 1.0, xp=xp) * scale_q
    mass_p, low_p = _compensated_sum(x, xp=xp)
    mass_q, low_q = _compensated_sum(y, xp=xp)
    product, error = two_product(gap, y)
    d = ((x - y) - product) - (error + gap_low * y)
    y = y + product
    value, rest = xp.zeros_like(mass_p), xp.zeros_like(mass_p)
    if term == "log_ratio":
        value = xp.max(_log_weight(x, y, d, rise, xp=xp), axis=-1)
    elif term != "mass":
        if term == "alpha":
            terms = _alpha(x, y, d, rise, xp=xp)
        elif term == "affinity":
            terms = _affinity(x, y, d, rise, high, xp=xp)
        elif term == "surprise":
            terms = _surprise(x, y, high, low, xp=xp)
        else:
            terms = _TERMS[term](x, y, d, xp=xp)
        value, rest = _compensated_sum(terms, xp=xp)
    mass_p = _filled(sound, mass_p, math.nan, xp=xp)
    return xp.stack([value, rest, mass_p, low_p, mass_q, low_q, smallest], axis=1)
