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
from functools import partial

import numpy as np

Parts = tuple[np.ndarray, np.ndarray, np.ndarray]
"""g >= 0, |∂g/∂log p|, |∂g/∂log q|, equal shapes."""


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
    parts: Callable[[np.ndarray, np.ndarray], Parts]
    finish: Callable[[float], float]
    singular_p: bool = False
    singular_q: bool = False
    largest: float = math.inf
    kinks: bool = False  # g has a corner where p = q
    mixing: tuple[float, float] | None = None  # g grows like p^a q^b, (a, b), where that overflows
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
                value = np.where(
                    np.isposinf(value) & np.isfinite(lp) & np.isfinite(lq), a * lp + b * lq, value
                )
        return np.where(np.isneginf(top), -np.inf, value)


def _same(x: float) -> float:
    return x


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


def _kl(lp: np.ndarray, lq: np.ndarray) -> Parts:
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    near = t > -1
    g = np.where(near, _times(p, psi(np.where(near, -t, 0.0))), q + _times(p, t - 1))
    return g, np.abs(_times(p, t)), np.abs(q - p)


def _js(lp: np.ndarray, lq: np.ndarray) -> Parts:
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


def _tv(lp: np.ndarray, lq: np.ndarray) -> Parts:
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    return 0.5 * np.maximum(p, q) * -np.expm1(-np.abs(t)), 0.5 * p, 0.5 * q


def _squared_hellinger(lp: np.ndarray, lq: np.ndarray) -> Parts:
    t = _difference(lp, lq)
    big, small = np.exp(0.5 * np.maximum(lp, lq)), np.exp(0.5 * np.minimum(lp, lq))
    gap = -big * np.expm1(-0.5 * np.abs(t))
    root_p, root_q = np.where(t > 0, big, small), np.where(t > 0, small, big)
    return 0.5 * gap * gap, 0.5 * root_p * gap, 0.5 * root_q * gap


def _jeffreys(lp: np.ndarray, lq: np.ndarray) -> Parts:
    p, q, t = np.exp(lp), np.exp(lq), _difference(lp, lq)
    gap = -np.maximum(p, q) * np.expm1(-np.abs(t))
    dp, dq = gap + np.abs(_times(p, t)), gap + np.abs(_times(q, t))
    return np.where(gap == 0, 0.0, gap * np.abs(t)), dp, dq


def _power(lp: np.ndarray, lq: np.ndarray, *, alpha: float) -> Parts:
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


def _affinity(lp: np.ndarray, lq: np.ndarray, *, alpha: float) -> Parts:
    """p^α q^{1-α}."""
    both = np.isneginf(lp) | np.isneginf(lq)
    safe_p, safe_q = np.where(both, 0.0, lp), np.where(both, 0.0, lq)
    alone = np.where(np.isneginf(lp), 0.0, np.inf) if alpha > 1 else 0.0
    g = np.where(both, alone, np.exp(alpha * safe_p + (1 - alpha) * safe_q))
    return g, alpha * g, abs(1 - alpha) * g


def _affinity_of(alpha: float, factor: float) -> Functional:
    """factor · log ∫p^α q^{1-α}."""

    def finish_log(log: float) -> float:
        return max(0.0, factor * log)

    return Functional(
        "affinity",
        partial(_affinity, alpha=alpha),
        lambda x: finish_log(math.log(x)) if x > 0 else math.inf,
        singular_p=alpha > 1,
        largest=1.0 if alpha < 1 else math.inf,
        mixing=(alpha, 1 - alpha),
        finish_log=finish_log,
    )


def _renyi_finish(integral: float, *, alpha: float) -> float:
    if alpha > 1:
        return math.log1p(integral) / (alpha - 1)
    return math.inf if integral >= 1 else math.log1p(-integral) / (alpha - 1)


def _mirror(parts: Callable[..., Parts], lp: np.ndarray, lq: np.ndarray) -> Parts:
    g, dq, dp = parts(lq, lp)
    return g, dp, dq


def _alpha(alpha: float) -> Functional:
    """(∫p^α q^{1-α} - 1)/(α(α-1)); alpha(p, q, α) = alpha(q, p, 1-α)."""
    alpha = float(alpha)
    if not math.isfinite(alpha):
        raise ValueError(f"alpha = {alpha}; the order must be finite")
    mirrored = alpha < 0.5
    order = 1 - alpha if mirrored else alpha
    parts: Callable[..., Parts] = _kl if order == 1 else partial(_power, alpha=order)
    factor = 1.0 if order == 1 else abs(order * (order - 1))
    return Functional(
        "alpha",
        partial(_mirror, parts) if mirrored else parts,
        lambda x: x / factor,
        singular_p=alpha >= 1,
        singular_q=alpha <= 0,
        largest=1.0 if 0 < alpha < 1 else math.inf,
        mixing=((1 - order, order) if mirrored else (order, 1 - order)),
    )


def _bhattacharyya_finish(integral: float) -> float:
    return math.inf if integral >= 1 else -math.log1p(-integral)


def _renyi(alpha: float = 2.0) -> Functional:
    alpha = float(alpha)
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(
            f"alpha = {alpha}; the Rényi divergence of densities is computed for 0 < alpha < inf"
        )
    if alpha == 1:
        return functional("kl")
    return Functional(
        "renyi",
        partial(_power, alpha=alpha),
        partial(_renyi_finish, alpha=alpha),
        singular_p=alpha > 1,
        largest=math.inf if alpha > 1 else 1.0,
        mixing=(alpha, 1 - alpha),
        companion=partial(_affinity_of, alpha, 1 / (alpha - 1)),
    )


_2LOG2 = 2 * math.log(2)
_TABLE: dict[str, Callable[..., Functional]] = {
    "kl": lambda: Functional("kl", _kl, _same, singular_p=True),
    "jeffreys": lambda: Functional(
        "jeffreys", _jeffreys, _same, singular_p=True, singular_q=True, symmetric=True
    ),
    "js": lambda: Functional("js", _js, _same, largest=_2LOG2, symmetric=True),
    "js_distance": lambda: Functional(
        "js_distance", _js, lambda x: math.sqrt(x / 2), largest=_2LOG2, symmetric=True
    ),
    "tv": lambda: Functional("tv", _tv, _same, largest=1.0, kinks=True, symmetric=True),
    "squared_hellinger": lambda: Functional(
        "squared_hellinger", _squared_hellinger, _same, largest=1.0, symmetric=True
    ),
    "hellinger": lambda: Functional("hellinger", _squared_hellinger, math.sqrt, largest=1.0, symmetric=True),
    "bhattacharyya": lambda: Functional(
        "bhattacharyya",
        _squared_hellinger,
        _bhattacharyya_finish,
        largest=1.0,
        symmetric=True,
        companion=partial(_affinity_of, 0.5, -1.0),
    ),
    "chi2": lambda: Functional(
        "chi2", partial(_power, alpha=2.0), _same, singular_p=True, mixing=(2.0, -1.0)
    ),
    "alpha": _alpha,
    "renyi": _renyi,
}


def functional(name: str, **options: float) -> Functional:
    """Look a functional up by name; `renyi` and `alpha` take ``alpha``.

    >>> functional("tv").largest
    1.0
    """
    if name not in _TABLE:
        raise ValueError(
            f"no functional of densities is called {name!r}; choose one of {sorted([*_TABLE, 'wasserstein'])}"
        )
    try:
        return _TABLE[name](**options)
    except TypeError:
        raise TypeError(f"{name} takes no option {sorted(options)}") from None
