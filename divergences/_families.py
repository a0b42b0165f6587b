"""The closed forms this package knows, by family (scipy's names); each line is one formula.

Sources: Gil, Alajaji, Linder 2013 (Rényi and KL); Nielsen, Okamura 2022 (Cauchy); Devroye, Mehrabian, Reddad
2018 (TV of Gaussians). The tests check them against quadrature and the exponential-family identity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

import divergences._directional_families
import divergences._wasserstein_families  # noqa: F401  the other parts of the registry
from divergences._closed_forms import Formula, Params, register

__all__ = ["register"]  # by this door: whoever registers a formula of their own does so after these


def _both(name: str, family: str) -> Callable[[Formula], Formula]:
    return register(name, family, family)


def log_ratio_excess(a: float, b: float) -> float:
    """a/b - 1 - log(a/b) >= 0 to full relative precision, for a, b > 0.

    >>> log_ratio_excess(1.0 + 2**-30, 1.0) * 2**61
    0.9999999993791183
    """
    e = (a - b) / b
    if abs(e) < 0.05:  # e²/2 - e³/3 + ... ; 0.05^13/15 relative is below rounding
        total = 0.0
        for k in range(14, 1, -1):
            total = 1.0 / k - e * total
        return e * e * total
    return e - math.log1p(e) if e > -0.5 else e - math.log(a / b)


def log_ratio(a: float, b: float) -> float:
    """log(a/b) to full relative precision, for a, b > 0."""
    d = (a - b) / b
    return math.log1p(d) if abs(d) < 0.5 else math.log(a / b)


# Gaussian
def _gap(p: Params, q: Params) -> float:
    return p["loc"] - q["loc"]


@_both("kl", "norm")
def _(p: Params, q: Params) -> float:
    s1, s2 = p["scale"], q["scale"]
    # ½(r² - 1 - log r²), r = s1/s2: (r-1)²/2 + (r - 1 - log r) keeps every digit as r -> 1
    d = (s1 - s2) / s2
    return 0.5 * d * d + log_ratio_excess(s1, s2) + 0.5 * (_gap(p, q) / s2) ** 2


@_both("tv", "norm")
def _(p: Params, q: Params) -> Any:
    if p["scale"] == q["scale"]:
        return math.erf(abs(_gap(p, q)) / p["scale"] / math.sqrt(8))
    return NotImplemented


def _normal_log_affinity(p: Params, q: Params) -> float:
    """-log ∫√pq."""
    s1, s2 = p["scale"], q["scale"]
    s = math.hypot(s1, s2)
    u2 = ((s1 - s2) / s) ** 2
    logs = math.log1p(-u2) if u2 < 0.5 else math.log(2 * (s1 / s) * (s2 / s))
    return -0.5 * logs + 0.25 * (_gap(p, q) / s) ** 2


@_both("squared_hellinger", "norm")
def _(p: Params, q: Params) -> float:
    return -math.expm1(-_normal_log_affinity(p, q))


@_both("bhattacharyya", "norm")
def _(p: Params, q: Params) -> float:
    return _normal_log_affinity(p, q)


@_both("renyi", "norm")
def _(p: Params, q: Params, alpha: float = 2.0) -> Any:
    s1, s2 = p["scale"], q["scale"]
    r = s1 / s2
    e = ((s1 - s2) / s2) * (r + 1)  # r² - 1
    v = alpha + (1 - alpha) * r * r if abs(e) > 0.5 else 1 - (alpha - 1) * e  # (α s2² + (1-α) s1²)/s2²
    if v <= 0:
        return math.inf
    shift = alpha * (_gap(p, q) / s2) ** 2 / (2 * v)
    if s1 == s2:
        return shift
    # log(s2/s1) + log(s2²/(α s2² + (1-α)s1²))/(2(α-1)) = -½log1p(e) - log1p(-(α-1)e)/(2(α-1))
    log_v = math.log1p(-(alpha - 1) * e) if abs(e) < 0.5 else math.log(v)
    terms = -log_ratio(s1, s2), -0.5 * log_v / (alpha - 1)
    return sum(terms) + shift, max(map(abs, (*terms, shift))) + abs(alpha - 1) * (1 + r * r) / v


@_both("chi2", "norm")
def _(p: Params, q: Params) -> Any:
    if p["scale"] != q["scale"]:
        return NotImplemented
    z2 = (_gap(p, q) / p["scale"]) ** 2
    return (math.inf, 0.0) if z2 > 709.7 else (math.expm1(z2), math.expm1(z2) * (1 + z2))


# Exponential: parameters are loc and scale = 1/rate
@_both("kl", "expon")
def _(p: Params, q: Params) -> Any:
    gap = _gap(p, q)
    if gap < 0:
        return math.inf
    return log_ratio_excess(p["scale"], q["scale"]) + gap / q["scale"]


def _exponentials(p: Params, q: Params) -> tuple[float, float] | None:
    return (p["scale"], q["scale"]) if p["loc"] == q["loc"] else None


@_both("tv", "expon")
def _(p: Params, q: Params) -> Any:
    if (s := _exponentials(p, q)) is None:
        return NotImplemented
    a, b = max(s), min(s)
    if a == b:
        return 0.0
    # with k = a/b - 1: e^{-x/a} - e^{-x/b} at x = ab·log(a/b)/(a-b)
    k = (a - b) / b
    low = math.exp(-math.log1p(k) / k)
    return low * k / (1 + k)


@_both("squared_hellinger", "expon")
def _(p: Params, q: Params) -> Any:
    if (s := _exponentials(p, q)) is None:
        return NotImplemented
    d = (s[0] - s[1]) / (math.sqrt(s[0]) + math.sqrt(s[1]))
    return (d / s[0]) * d / (1 + s[1] / s[0])


@_both("chi2", "expon")
def _(p: Params, q: Params) -> Any:
    if (s := _exponentials(p, q)) is None:
        return NotImplemented
    if s[0] >= 2 * s[1]:  # 2 rate_p <= rate_q
        return math.inf
    d = (s[0] - s[1]) / s[1]  # with rates λ = 1/scale: λ1²/(λ2(2λ1-λ2)) - 1 = d²/(1-d²)
    return d * d / ((1 - d) * (1 + d)), d * d / ((1 - d) * (1 + d)) / abs(1 - d)


@_both("renyi", "expon")
def _(p: Params, q: Params, alpha: float = 2.0) -> Any:
    if (s := _exponentials(p, q)) is None:
        return NotImplemented
    d = (s[0] - s[1]) / s[1]
    if 1 - (alpha - 1) * d <= 0:
        return math.inf
    # log(λ1^α λ2^{1-α}/(αλ1+(1-α)λ2))/(α-1), λ2/λ1 = 1+d
    terms = -log_ratio(*s), -math.log1p(-(alpha - 1) * d) / (alpha - 1)
    return sum(terms), max(map(abs, terms)) + abs(alpha * d) / (1 - (alpha - 1) * d)


# Laplace
@_both("kl", "laplace")
def _(p: Params, q: Params) -> float:
    b1, b2, gap = p["scale"], q["scale"], abs(_gap(p, q))
    x = gap / b1
    # log(b2/b1) + (b1/b2)(x + e^{-x}) - 1, with x + e^{-x} = 1 + ψ(-x)
    excess = math.expm1(-x) + x if x > 0.1 else _psi_minus(x)
    return log_ratio_excess(b1, b2) + (b1 / b2) * excess


def _psi_minus(x: float) -> float:
    """e^{-x} - 1 + x for 0 <= x <= 0.1."""
    total = 0.0
    for k in range(12, 1, -1):
        total = 1.0 - total * x / (k + 1)
    return total * x * x / 2


@_both("tv", "laplace")
def _(p: Params, q: Params) -> Any:
    if p["scale"] != q["scale"]:
        return NotImplemented
    return -math.expm1(-abs(_gap(p, q)) / (2 * p["scale"]))


# Cauchy: KL is symmetric; every f-divergence is a function of δ = (Δ² + (γ1-γ2)²)/(2γ1γ2)
def _cauchy_delta(p: Params, q: Params) -> float:
    g1, g2 = p["scale"], q["scale"]
    gap, d = _gap(p, q), g1 - g2
    return 0.5 * ((gap / g1) * (gap / g2) + (d / g1) * (d / g2))


@_both("kl", "cauchy")
def _(p: Params, q: Params) -> float:
    return math.log1p(_cauchy_delta(p, q) / 2)


@_both("js", "cauchy")
def _(p: Params, q: Params) -> float:
    # 2 log[2d/(d+2√(γ1γ2))], d = √(Δ²+(γ1+γ2)²); with c = d/2√(γ1γ2) = √(1+δ/2): 2 log(2c/(c+1))
    half = _cauchy_delta(p, q) / 2
    if math.isinf(half):
        return 2 * math.log(2)
    c = math.sqrt(1 + half)
    return 2 * math.log1p(half / (c + 1) / (c + 1))


@_both("tv", "cauchy")
def _(p: Params, q: Params) -> Any:
    if p["scale"] != q["scale"]:
        return NotImplemented
    return 2 / math.pi * math.atan(abs(_gap(p, q)) / (2 * p["scale"]))


# Uniform: everything is lengths
@_both("kl", "uniform")
def _(p: Params, q: Params) -> Any:
    a, b = p["loc"], p["loc"] + p["scale"]
    if a < q["loc"] or b > q["loc"] + q["scale"]:
        return math.inf
    return log_ratio(q["scale"], p["scale"])


# Gamma, beta, Dirichlet: exponential families, written as Bregman divergences of the log-normaliser
@_both("kl", "gamma")
def _(p: Params, q: Params) -> Any:
    if p["loc"] != q["loc"]:
        return NotImplemented
    a, b = p["a"], q["a"]
    terms = (
        (a - b) * special.psi(a),
        special.gammaln(b) - special.gammaln(a),
        b * log_ratio_excess(p["scale"], q["scale"]),
        (a - b) * (p["scale"] - q["scale"]) / q["scale"],
    )
    # b·log(θ2/θ1) + a(θ1-θ2)/θ2 = b(e - log(1+e)) + (a-b)e
    size = 1 + max(map(abs, terms)) + abs(special.gammaln(a)) + abs(special.gammaln(b))
    return math.fsum(terms), size


def _dirichlet_kl(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    sums = float(a.sum()), float(b.sum())
    steps = (a - b) * (special.psi(a) - special.psi(sums[0]))
    logs = [special.gammaln(sums[0]), -special.gammaln(sums[1]), *special.gammaln(b), *(-special.gammaln(a))]
    return math.fsum([*logs, *steps]), 1 + max(map(abs, [*logs, *steps])) + float(
        np.sum(np.abs(a - b) * (np.abs(special.psi(a)) + abs(special.psi(sums[0]))))
    )


@_both("kl", "dirichlet")
def _(p: Params, q: Params) -> Any:
    if len(p["alpha"]) != len(q["alpha"]):
        raise ValueError("the two Dirichlet laws live in different dimensions")
    return _dirichlet_kl(np.asarray(p["alpha"]), np.asarray(q["alpha"]))


@_both("kl", "beta")
def _(p: Params, q: Params) -> Any:
    if (p["loc"], p["scale"]) != (q["loc"], q["scale"]):
        return NotImplemented
    return _dirichlet_kl(np.array([p["a"], p["b"]]), np.array([q["a"], q["b"]]))


# Discrete
def _same_loc(p: Params, q: Params) -> bool:
    return p["loc"] == q["loc"]


@_both("kl", "poisson")
def _(p: Params, q: Params) -> Any:
    if not _same_loc(p, q) or min(p["mu"], q["mu"]) <= 0:
        return NotImplemented
    return p["mu"] * log_ratio_excess(q["mu"], p["mu"])


@_both("squared_hellinger", "poisson")
def _(p: Params, q: Params) -> Any:
    if not _same_loc(p, q):
        return NotImplemented
    gap = (p["mu"] - q["mu"]) / (math.sqrt(p["mu"]) + math.sqrt(q["mu"]) + 5e-324)
    return -math.expm1(-0.5 * gap * gap)


@_both("chi2", "poisson")
def _(p: Params, q: Params) -> Any:
    if not _same_loc(p, q) or q["mu"] <= 0:
        return NotImplemented
    x = (p["mu"] - q["mu"]) * ((p["mu"] - q["mu"]) / q["mu"])
    return (math.inf, 0.0) if x > 709.7 else (math.expm1(x), math.expm1(x) * (1 + x))


# Gaussian vectors: everything through the generalised eigenvalues of (A, B)
def _mvn_terms(p: Params, q: Params) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues λ of A relative to B, and the gap of the means in the matching coordinates."""
    if len(p["mean"]) != len(q["mean"]):
        raise ValueError(f"P has dimension {len(p['mean'])} and Q has dimension {len(q['mean'])}")
    lower = np.linalg.cholesky(q["cov"])
    inner = np.linalg.solve(lower, np.linalg.solve(lower, p["cov"] - q["cov"]).T)
    excess, vectors = np.linalg.eigh(0.5 * (inner + inner.T))  # λ - 1, so that near-equal laws keep digits
    return excess, vectors.T @ np.linalg.solve(lower, p["mean"] - q["mean"])


def _mvn(formula: Callable[..., Any]) -> Callable[..., Any]:
    def wrapped(p: Params, q: Params, **options: float) -> Any:
        try:
            excess, gap = _mvn_terms(p, q)
        except np.linalg.LinAlgError:
            return NotImplemented  # a singular covariance
        if np.min(excess) <= -1:
            return NotImplemented
        size = 1 + float(np.sum(np.abs(excess))) + float(np.sum(gap**2))
        value = formula(excess, gap, **options)
        condition = max(np.linalg.cond(p["cov"]), np.linalg.cond(q["cov"]))
        return value if value is NotImplemented else (value, size * max(1.0, condition / 64) * len(gap))

    return wrapped


@_both("kl", "multivariate_normal")
@_mvn
def _(excess: np.ndarray, gap: np.ndarray) -> float:
    return 0.5 * math.fsum(
        log_ratio_excess(1 + e, 1.0) if abs(e) > 0.05 else _log1p_excess(e) for e in excess
    ) + (0.5 * float(gap @ gap))


def _log1p_excess(e: float) -> float:
    """e - log(1+e) for |e| <= 0.05."""
    total = 0.0
    for k in range(14, 1, -1):
        total = 1.0 / k - e * total
    return e * e * total


@_both("tv", "multivariate_normal")
@_mvn
def _(excess: np.ndarray, gap: np.ndarray) -> Any:
    return math.erf(float(np.linalg.norm(gap)) / math.sqrt(8)) if not excess.any() else NotImplemented


def _mvn_log_affinity(excess: np.ndarray, gap: np.ndarray) -> float:
    # -log ∫√pq = ½ Σ log((1+λ)/2√λ) + ⅛ gap² / ((1+λ)/2)
    half = 0.5 * excess
    logs = 0.5 * (np.log1p(half) - 0.5 * np.log1p(excess))
    return float(np.sum(logs) + 0.125 * np.sum(gap**2 / (1 + half)))


@_both("bhattacharyya", "multivariate_normal")
@_mvn
def _(excess: np.ndarray, gap: np.ndarray) -> float:
    return _mvn_log_affinity(excess, gap)


@_both("squared_hellinger", "multivariate_normal")
@_mvn
def _(excess: np.ndarray, gap: np.ndarray) -> float:
    return -math.expm1(-_mvn_log_affinity(excess, gap))


@_both("renyi", "multivariate_normal")
@_mvn
def _(excess: np.ndarray, gap: np.ndarray, alpha: float = 2.0) -> float:
    v = 1 - (alpha - 1) * excess
    if np.min(v) <= 0:
        return math.inf
    logs = -0.5 * np.log1p(excess) - np.log1p(-(alpha - 1) * excess) / (2 * (alpha - 1))
    return float(np.sum(logs) + 0.5 * alpha * np.sum(gap**2 / v))
