"""Log-densities and log-masses of scipy's families that scipy itself has only as log(pdf).

log(pdf) underflows in the tails, and a pdf written in 1 - x has no digits beside x = 1. Continuous rows take
(z, distance to the lower end, distance to the upper end, *shapes) in standard units, the distances exact
at any closeness (infinite where there is no end); discrete rows take (k, *shapes), k of the standard law.
Formulas: the documentation of each family in scipy.stats.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import special

_LOG_2PI = math.log(2 * math.pi)
Rows = dict[str, Callable[..., np.ndarray]]


def _normal(z: np.ndarray) -> np.ndarray:
    return -0.5 * z * z - 0.5 * _LOG_2PI


def _beta(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float, b: float) -> np.ndarray:
    return special.xlogy(a - 1, lo) + special.xlogy(b - 1, hi) - special.betaln(a, b)


def _argus(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, chi: float) -> np.ndarray:
    y = hi * (1 + lo)
    norm = 3 * math.log(chi) - 0.5 * _LOG_2PI - math.log(special.gammainc(1.5, chi * chi / 2) / 2)
    return norm + np.log(lo) + 0.5 * np.log(y) - 0.5 * chi * chi * y


def _gamma(z: np.ndarray, a: float) -> np.ndarray:
    return special.xlogy(a - 1, z) - z - special.gammaln(a)


def _pearson3(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, skew: float) -> np.ndarray:
    if skew == 0:
        return _normal(z)
    rate, distance = 2 / abs(skew), lo if skew > 0 else hi
    return math.log(rate) + _gamma(rate * distance, rate * rate)


def _genextreme(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float) -> np.ndarray:
    if c == 0:
        log_t = -z
    else:
        end = c * hi if c > 0 else -c * lo  # 1 - cz
        log_t = np.where(np.abs(c * z) < 0.5, np.log1p(-c * z), np.log(end)) / c
    return (1 - c) * log_t - np.exp(log_t)


def _genpareto(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float) -> np.ndarray:
    if c == 0:
        return -z
    log_end = np.log1p(c * z) if c > 0 else np.where(-c * z < 0.5, np.log1p(c * z), np.log(-c * hi))
    return -(1 + 1 / c) * log_end


def _genhalflogistic(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float) -> np.ndarray:
    log_end = np.where(c * z < 0.5, np.log1p(-c * z), np.log(c * hi))
    return math.log(2) + (1 / c - 1) * log_end - 2 * np.log1p(np.exp(log_end / c))


def _jf_skew_t(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float, b: float) -> np.ndarray:
    s = np.hypot(math.sqrt(a + b), z)
    near = np.log((a + b) / (s + np.abs(z)) / s)  # log(1 - |z|/s)
    far = np.log1p(np.abs(z) / s)
    up, down = np.where(z > 0, far, near), np.where(z > 0, near, far)
    norm = (a + b - 1) * math.log(2) + special.betaln(a, b) + 0.5 * math.log(a + b)
    return (a + 0.5) * up + (b + 0.5) * down - norm


def _johnsonsb(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float, b: float) -> np.ndarray:
    return math.log(b) - np.log(lo) - np.log(hi) + _normal(a + b * (np.log(lo) - np.log(hi)))


@lru_cache(maxsize=32)
def _spline(n: int) -> Callable[[np.ndarray], np.ndarray]:
    """The density of n uniforms: the cardinal B-spline of degree n - 1."""
    from scipy.interpolate import BSpline

    return BSpline.basis_element(np.arange(n + 1.0))


def _irwinhall(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, n: float) -> np.ndarray:
    near = np.minimum(lo, hi)
    inner = np.log(_spline(int(n))(np.clip(near, 0.5, n / 2)))
    return np.where(near <= 1, special.xlogy(n - 1, near) - special.gammaln(n), inner)


def _norminvgauss(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float, b: float) -> np.ndarray:
    s = np.hypot(1, z)
    # bz - as with s = |z| + 1/(s + |z|): no difference of two large numbers of one sign
    exponent = -(a - np.copysign(b, b * z)) * np.abs(z) - a / (s + np.abs(z))
    return math.log(a / math.pi) + math.sqrt(a * a - b * b) + exponent + np.log(special.k1e(a * s) / s)


def _log_ive(order: float, y: np.ndarray) -> np.ndarray:
    """log of I_order(y) e^{-y}: SciPy's where it has one, else its series or its limit for large y."""
    value = np.log(special.ive(order, y))
    low = ~(value > -600) & (y < 1e8)
    if low.any():
        value = np.where(low, _log_bessel_series(order, np.where(low, y, 1.0)) - y, value)
    return np.where(y < 1e8, value, -0.5 * np.log(2 * math.pi * y))


def _log_bessel_series(order: Any, y: Any) -> np.ndarray:
    """log I_order(y) = order log(y/2) - log Γ(order + 1) + log Σ_j (y²/4)^j / (j! (order + 1)_j)."""
    terms = max(32, math.ceil(3 * float(np.max(y)) + 40))
    term = np.zeros(np.broadcast(order, y).shape)
    total = np.zeros_like(term)
    for j in range(1, terms):
        term = term + np.log(y * y / 4 / j) - np.log(order + j)
        total = np.logaddexp(total, term)
        if float(np.max(term - total)) < -40:
            break
    return np.asarray(order * np.log(y / 2) - special.gammaln(order + 1) + total)


def _rice(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, b: float) -> np.ndarray:
    return np.log(z) - 0.5 * (z - b) ** 2 + _log_ive(0, z * b)


def _ncx2(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, df: float, nc: float) -> np.ndarray:
    if nc == 0:
        return _gamma(0.5 * lo, 0.5 * df) - math.log(2)
    a, b = np.sqrt(lo), math.sqrt(nc)
    return -math.log(2) - 0.5 * (a - b) ** 2 + (0.5 * df - 1) * np.log(a / b) + _log_ive(0.5 * df - 1, a * b)


def _ncf(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, n: float, d: float, nc: float) -> np.ndarray:
    ratio = np.log(lo) + math.log(n / d)  # of t = nz/d
    central = (
        0.5 * n * ratio - 0.5 * (n + d) * np.logaddexp(0, ratio) - np.log(lo) - special.betaln(n / 2, d / 2)
    )
    return (
        central - 0.5 * nc + np.log(special.hyp1f1(0.5 * (n + d), 0.5 * n, 0.5 * nc * special.expit(ratio)))
    )


def _nct(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, df: float, nc: float) -> np.ndarray:
    """(df + z²)^{-(df+1)/2} times a function of z/√(df + z²), which is constant far out."""
    from scipy.stats import nct

    size = np.abs(z)
    reach = math.sqrt(df) * math.exp(min(14.0, 500 / (df + 1)))
    value = np.log(nct.pdf(np.clip(z, -reach, reach), df, nc))
    fall = np.log(np.hypot(size, math.sqrt(df)) / math.hypot(reach, math.sqrt(df)))
    return np.where(size > reach, value - (df + 1) * fall, value)


def _landau(z: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    """scipy's; to the left of -4.5 the saddle point of ∫ exp(s log s + λs) ds / 2πi, s = e^{-1-λ}."""
    from scipy.stats import landau

    s = np.exp(-1 - 0.5 * math.pi * np.minimum(z, -4.0)) * 2 / math.pi
    left = math.log(math.pi / 2) + 0.5 * np.log(s / (2 * math.pi)) - s + np.log1p(1 / (24 * s))
    return np.where(z < -4.5, left, np.log(landau.pdf(np.maximum(z, -4.6))))


def _burr(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float, d: float) -> np.ndarray:
    log_z = np.log(lo)
    return math.log(c) + math.log(d) - (c + 1) * log_z - (d + 1) * np.logaddexp(0, -c * log_z)


def _burr12(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float, d: float) -> np.ndarray:
    log_z = np.log(lo)
    return math.log(c) + math.log(d) + (c - 1) * log_z - (d + 1) * np.logaddexp(0, c * log_z)


def _mielke(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, k: float, s: float) -> np.ndarray:
    log_z = np.log(lo)
    return math.log(k) + (k - 1) * log_z - (1 + k / s) * np.logaddexp(0, s * log_z)


def _exponweib(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float, c: float) -> np.ndarray:
    log_z = np.log(lo)
    power = np.exp(c * log_z)
    below = np.where(power < 1e-15, c * log_z, np.log(-np.expm1(-power)))  # log(1 - e^-power)
    return math.log(a) + math.log(c) + (c - 1) * log_z - power + (a - 1) * below


def _rel_breitwigner(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, rho: float) -> np.ndarray:
    root = math.hypot(rho, 1.0)
    norm = math.log(2 * math.sqrt(2) / math.pi) + 2 * math.log(rho) + math.log(root)
    norm -= 0.5 * (math.log(rho) + math.log(rho + root))
    near = np.minimum(z, 1e100)
    return norm - 2 * np.log(np.hypot((near - rho) * (near + rho), rho)) - 4 * np.log(z / near)


def _genhyperbolic(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, p: float, a: float, b: float) -> np.ndarray:
    s, w = np.hypot(1, z), math.sqrt((a - b) * (a + b))
    if w == 0:
        norm = (1 + p) * math.log(2) - special.gammaln(-p)
    else:
        norm = p * math.log(w) - math.log(special.kve(p, w)) + w
    norm -= 0.5 * _LOG_2PI + (p - 0.5) * math.log(a)
    log_k = np.where(
        a * s < 1e8,
        np.log(special.kve(p - 0.5, np.minimum(a * s, 1e8))),
        0.5 * np.log(math.pi / (2 * a * s)),
    )
    exponent = -(a - np.copysign(b, b * z)) * np.abs(z) - a / (s + np.abs(z))
    return norm + exponent + log_k + (p - 0.5) * np.log(s)


def _trapezoid(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float, d: float) -> np.ndarray:
    top = 2 / (d - c + 1)
    rising = lo / c if c > 0 else np.ones_like(lo)
    falling = hi / (1 - d) if d < 1 else np.ones_like(hi)
    return np.log(top * np.minimum(1, np.minimum(rising, falling)))


def _skewcauchy(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, a: float) -> np.ndarray:
    return -math.log(math.pi) - np.log1p((z / (1 + np.copysign(a, a * z))) ** 2)


def _foldcauchy(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, c: float) -> np.ndarray:
    return np.logaddexp(-np.log1p((z - c) ** 2), -np.log1p((z + c) ** 2)) - math.log(math.pi)


def _anglit(z: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return np.log(np.sin(2 * np.minimum(lo, hi)))


def _cosine(z: np.ndarray, lo: np.ndarray, hi: np.ndarray) -> np.ndarray:
    return 2 * np.log(np.sin(0.5 * np.minimum(lo, hi))) - math.log(math.pi)


def _tukeylambda(z: np.ndarray, lo: np.ndarray, hi: np.ndarray, lam: float) -> np.ndarray:
    """log pdf = -log(u^(λ-1) + s^(λ-1)), s = 1 - u the upper tail at |z|: |z| = ((1-s)^λ - s^λ)/λ."""
    x, rest = np.abs(z), np.minimum(lo, hi)
    if lam > 0:
        reach = np.minimum(np.log(lam * rest) / lam, np.log(rest)) - 2
    else:
        reach = -np.log1p(-lam * x) / -lam - 2 if lam < 0 else -x - 2
    low, high = np.minimum(reach, -1.0), np.full(x.shape, math.log(0.5))
    for _ in range(64):  # bisect log s
        w = 0.5 * (low + high)
        log_u = np.log1p(-np.exp(w))
        if lam > 0:
            inner = np.exp(lam * w) - np.expm1(lam * log_u) < lam * rest
        else:
            gap = log_u - w if lam == 0 else (np.expm1(lam * log_u) - np.expm1(lam * w)) / lam
            inner = gap > x
        low, high = np.where(inner, w, low), np.where(inner, high, w)
    return -np.logaddexp((lam - 1) * log_u, (lam - 1) * w)


CONTINUOUS: Rows = {
    "anglit": _anglit,
    "arcsine": lambda z, lo, hi: _beta(z, lo, hi, 0.5, 0.5),
    "argus": _argus,
    "beta": _beta,
    "burr": _burr,
    "burr12": _burr12,
    "cosine": _cosine,
    "exponweib": _exponweib,
    "fisk": lambda z, lo, hi, c: _burr(z, lo, hi, c, 1.0),
    "foldcauchy": _foldcauchy,
    "foldnorm": lambda z, lo, hi, c: np.logaddexp(_normal(z - c), _normal(z + c)),
    "gausshyper": lambda z, lo, hi, a, b, c, x: (
        _beta(z, lo, hi, a, b) - c * np.log1p(x * z) - math.log(special.hyp2f1(c, a, a + b, -x))
    ),
    "genextreme": _genextreme,
    "genhalflogistic": _genhalflogistic,
    "genhyperbolic": _genhyperbolic,
    "genpareto": _genpareto,
    "hypsecant": lambda z, lo, hi: math.log(2 / math.pi) - np.abs(z) - np.log1p(np.exp(-2 * np.abs(z))),
    "invweibull": lambda z, lo, hi, c: math.log(c) - (c + 1) * np.log(z) - z ** (-c),
    "irwinhall": _irwinhall,
    "jf_skew_t": _jf_skew_t,
    "johnsonsb": _johnsonsb,
    "johnsonsu": lambda z, lo, hi, a, b: (
        math.log(b) - np.log(np.hypot(1, z)) + _normal(a + b * np.arcsinh(z))
    ),
    "kappa3": lambda z, lo, hi, a: math.log(a) - (1 + 1 / a) * np.logaddexp(math.log(a), a * np.log(z)),
    "landau": _landau,
    "laplace": lambda z, lo, hi: -np.abs(z) - math.log(2),
    "levy": lambda z, lo, hi: -0.5 * _LOG_2PI - 1.5 * np.log(z) - 0.5 / z,
    "levy_l": lambda z, lo, hi: -0.5 * _LOG_2PI - 1.5 * np.log(hi) - 0.5 / hi,
    "loglaplace": lambda z, lo, hi, c: math.log(c / 2) - np.log(z) - c * np.abs(np.log(z)),
    "mielke": _mielke,
    "moyal": lambda z, lo, hi: -0.5 * (z + np.exp(-z)) - 0.5 * _LOG_2PI,
    "ncf": _ncf,
    "nct": _nct,
    "ncx2": _ncx2,
    "norminvgauss": _norminvgauss,
    "pareto": lambda z, lo, hi, b: math.log(b) - (b + 1) * np.where(lo < 0.5, np.log1p(lo), np.log(z)),
    "pearson3": _pearson3,
    "rdist": lambda z, lo, hi, c: (
        special.xlogy(c / 2 - 1, lo) + special.xlogy(c / 2 - 1, hi) - special.betaln(0.5, c / 2)
    ),
    "rel_breitwigner": _rel_breitwigner,
    "rice": _rice,
    "semicircular": lambda z, lo, hi: 0.5 * (np.log(lo) + np.log(hi)) + math.log(2 / math.pi),
    "skewcauchy": _skewcauchy,
    "trapezoid": _trapezoid,
    "triang": lambda z, lo, hi, c: _trapezoid(z, lo, hi, c, c),
    "tukeylambda": _tukeylambda,
    "uniform": lambda z, lo, hi: np.zeros_like(z),
}


def _skellam(k: np.ndarray, m1: float, m2: float) -> np.ndarray:
    """e^{-m1-m2} (m1/m2)^{k/2} I_|k|(2√(m1 m2)), by the series of I where its scaled form underflows."""
    n, x = np.abs(k), 2 * math.sqrt(m1 * m2)
    with np.errstate(all="ignore"):
        log_i = np.log(special.ive(n, x)) + x
    low = ~(log_i - x > -600)
    if low.any():
        log_i[low] = _log_bessel_series(n[low], x)
    return log_i - (m1 + m2) + 0.5 * k * math.log(m1 / m2)


def _fisher(k: np.ndarray, m: float, n: float, r: float, odds: float) -> np.ndarray:
    def weight(j: np.ndarray) -> np.ndarray:
        def choose(a: float, b: np.ndarray) -> np.ndarray:
            return -np.log1p(a) - special.betaln(a - b + 1, b + 1)

        return choose(n, j) + choose(m - n, r - j) + j * math.log(odds)

    every = np.arange(max(0.0, r - (m - n)), min(n, r) + 1)
    return weight(k) - float(special.logsumexp(weight(every)))


DISCRETE: Rows = {
    "boltzmann": lambda k, lam, n: math.log(-math.expm1(-lam)) - math.log(-math.expm1(-lam * n)) - lam * k,
    "dlaplace": lambda k, a: math.log(math.tanh(a / 2)) - a * np.abs(k),
    "geom": lambda k, p: math.log(p) + special.xlog1py(k - 1, -p),
    "logser": lambda k, p: k * math.log(p) - np.log(k) - math.log(-math.log1p(-p)),
    "nchypergeom_fisher": _fisher,
    "planck": lambda k, lam: math.log(-math.expm1(-lam)) - lam * k,
    "skellam": _skellam,
    "zipf": lambda k, a: -a * np.log(k) - math.log(special.zeta(a, 1)),
}
