"""The functionals of two densities, each as a non-negative integrand of (log p, log q).

Every integrand is the f-divergence integrand plus a multiple of p - q (which integrates to zero), chosen so
that it is >= 0 and vanishes to second order where p = q: KL is q·φ(p/q) with φ(x) = x log x - x + 1. Nothing
cancels between places, so a distance of 1e-12 keeps its digits. The derivatives in log p and log q say how
much rounding in a log-density can move the answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""g >= 0, |∂g/∂log p|, |∂g/∂log q|, equal shapes."""

Integrand = Callable[[np.ndarray, np.ndarray], Parts]
"""(log p, log q) -> `Parts`."""


@dataclass(frozen=True)
class Functional:
    """An increasing function ``finish`` of the integral of ``parts(log p, log q)[0]``.

    Attributes
    ----------
    singular_p, singular_q : bool
        Whether mass of P where q = 0 (of Q where p = 0) makes the answer infinite.
    largest : float
        Supremum of the integral over all pairs of laws.
    companion : function or None
        The functional that takes over where the integral exceeds 1/2: its integral is the affinity
        ∫p^α q^{1-α} itself, of which ``finish`` would need 1 minus the integral (or 1 plus).
    finish_log : function or None
        ``finish`` as a function of the logarithm of the integral, where that may leave the double range.
    """

    name: str
    parts: Integrand
    finish: Callable[[float], float]
    singular_p: bool = False
    singular_q: bool = False
    largest: float = math.inf
    kinks: bool = False  # g has a corner where p = q
    mixing: tuple[float, float] | None = None  # g grows like p^a q^b, (a, b), where that overflows
    pure: bool = False  # g is p^a q^b everywhere, instead of vanishing to second order where p = q
    symmetric: bool = False
    companion: Callable[[], Functional] | None = None
    finish_log: Callable[[float], float] | None = None

    @property
    def bounded(self) -> bool:
        """Whether no pair of laws makes the integral infinite."""
        return math.isfinite(self.largest)

    def log_integrand(self, lp: np.ndarray, lq: np.ndarray) -> np.ndarray:
        """log g; g is homogeneous of degree 1 in (p, q), so nothing over- or underflows on the way."""
        top = np.maximum(lp, lq)
        level = np.where(np.isfinite(top), top, 0.0)
        with np.errstate(all="ignore"):
            value = np.log(self.parts(lp - level, lq - level)[0]) + level
            if self.mixing is not None:
                a, b = self.mixing
                both = np.isfinite(lp) & np.isfinite(lq)
                value = np.where(both & (np.isposinf(value) | self.pure), a * lp + b * lq, value)
        return np.where(np.isneginf(top), -np.inf, value)


def psi(u: np.ndarray) -> np.ndarray:
    """exp(u) - 1 - u >= 0, without cancellation near 0.

    >>> float(psi(np.array(1e-8))) / 0.5e-16
    1.0000000033333334
    """
    u = np.asarray(u, dtype=float)
    small = np.abs(u) < 0.1
    v = np.where(small, u, 0.0)
    series = np.zeros_like(v)
    for k in range(12, 1, -1):  # Horner: u²/2! + u³/3! + ... ; 0.1^11/12! is below half an ulp
        series = (series * v / (k + 1)) + 1.0
    series = series * v * v / 2.0
    w = np.where(small, 1.0, u)
    return np.where(small, series, np.expm1(w) - w)


def _difference(lp: np.ndarray, lq: np.ndarray) -> np.ndarray:
    """log p - log q, and 0 where both densities vanish."""
    both = np.isneginf(lp) & np.isneginf(lq)
    return np.where(both, 0.0, lp - np.where(both, 0.0, lq))


def _times(p: np.ndarray, t: np.ndarray) -> np.ndarray:
    """p·t with 0·inf = 0."""
    return np.where(p == 0, 0.0, p * np.where(p == 0, 0.0, t))


def kl(lp: np.ndarray, lq: np.ndarray) -> Parts:
    """KL: q·φ(p/q), φ(t) = t log t - t + 1."""
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    near = t > -1
    g = np.where(near, _times(p, psi(np.where(near, -t, 0.0))), q + _times(p, t - 1))
    return g, np.abs(_times(p, t)), np.abs(q - p)


def js(lp: np.ndarray, lq: np.ndarray) -> Parts:
    """Jensen-Shannon: (p+q)/2·[(1+u)log(1+u) + (1-u)log(1-u)], u = |p-q|/(p+q)."""
    # s/2·g(u), s = p+q, u = |p-q|/s = tanh|t/2|: Topsøe's form, exact to rounding at any separation.
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    a = np.exp(-np.abs(t))
    u = -np.expm1(-np.abs(t)) / (1 + a)
    # 2u artanh u + log(1-u²). For |t| > 1 use 2 artanh u = |t| and 1-u² = 4a/(1+a)²: nothing near u = 1.
    far = np.abs(t) > 1
    b = np.where(far, 0.5, u)
    exact = 2 * b * np.arctanh(b) + np.log1p(-b * b)
    limit = 2 * (math.log(2) - _times(a, np.abs(t)) / (1 + a) - np.log1p(a))
    g = 0.5 * (p + q) * np.where(far, limit, exact)
    log_p_over_m = math.log(2) - np.logaddexp(0.0, -t)
    log_q_over_m = math.log(2) - np.logaddexp(0.0, t)
    return g, np.abs(_times(p, log_p_over_m)), np.abs(_times(q, log_q_over_m))


def tv(lp: np.ndarray, lq: np.ndarray) -> Parts:
    """Total variation: |p - q|/2."""
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    return 0.5 * np.maximum(p, q) * -np.expm1(-np.abs(t)), 0.5 * p, 0.5 * q


def squared_hellinger(lp: np.ndarray, lq: np.ndarray) -> Parts:
    """Squared Hellinger: (√p - √q)²/2."""
    t = _difference(lp, lq)
    big, small = np.exp(0.5 * np.maximum(lp, lq)), np.exp(0.5 * np.minimum(lp, lq))
    gap = -big * np.expm1(-0.5 * np.abs(t))
    root_p, root_q = np.where(t > 0, big, small), np.where(t > 0, small, big)
    return 0.5 * gap * gap, 0.5 * root_p * gap, 0.5 * root_q * gap


def jeffreys(lp: np.ndarray, lq: np.ndarray) -> Parts:
    """Jeffreys: (p - q) log(p/q)."""
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    gap = -np.maximum(p, q) * np.expm1(-np.abs(t))
    dp, dq = gap + np.abs(_times(p, t)), gap + np.abs(_times(q, t))
    return np.where(gap == 0, 0.0, gap * np.abs(t)), dp, dq


def power(lp: np.ndarray, lq: np.ndarray, *, alpha: float) -> Parts:
    """|p^α q^{1-α} - αp - (1-α)q|, whose integral is |∫p^α q^{1-α} - 1|."""
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    near = np.abs(t) < 1
    s = np.where(near, t, 0.0)
    close = q * (psi(alpha * s) - alpha * psi(s))
    mixed = np.where(
        np.isneginf(lp),
        0.0,
        np.exp(alpha * np.where(np.isneginf(lp), 0.0, lp) + (1 - alpha) * np.where(np.isneginf(lp), 0.0, lq)),
    )
    g = np.where(near, np.abs(close), np.abs(mixed - alpha * p - (1 - alpha) * q))
    return g, np.abs(alpha * (mixed - p)), np.abs((1 - alpha) * (mixed - q))


def affinity(lp: np.ndarray, lq: np.ndarray, *, alpha: float) -> Parts:
    """p^α q^{1-α}."""
    both = np.isneginf(lp) | np.isneginf(lq)
    safe_p, safe_q = np.where(both, 0.0, lp), np.where(both, 0.0, lq)
    alone = np.where(np.isneginf(lp), 0.0, np.inf) if alpha > 1 else 0.0
    g = np.where(both, alone, np.exp(alpha * safe_p + (1 - alpha) * safe_q))
    return g, alpha * g, abs(1 - alpha) * g


def mirror(parts: Integrand, lp: np.ndarray, lq: np.ndarray) -> Parts:
    """``parts`` with p and q exchanged."""
    g, dq, dp = parts(lq, lp)
    return g, dp, dq
