"""The exact lower envelope of KL given TV (Fedotov, Harremoes, Topsoe, IEEE Trans. IT 49, 2003).

With tau > 0 and a = coth tau - 1/tau,

    2 t = tau (1 - a^2),    kappa = log(tau / sinh tau) + tau coth tau - tau^2 / sinh^2 tau,

attained by the binary pair q = (1-a)/2, p = q + t. The envelope is convex with slope 2 tau, so the tangent
at any tau is a lower bound, and any binary pair at distance t an upper one: an enclosure whose width is
quadratic in the error of tau, without solving for tau precisely.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, Protocol

import numpy as np

from divergences.hierarchy._interval import Interval, round_down


class Logarithms(Protocol):
    """What the envelope asks of rational arithmetic; `ExactMath` has it."""

    @property
    def bits(self) -> int:
        """Of the enclosures."""

    def log(self, x: Any) -> Interval:
        """log x."""

    def exp_neg(self, x: Any) -> Interval:
        """exp(-x)."""

    def xlog(self, x: Any, y: Any) -> Interval:
        """x log y."""


_EIGHTH_ORDER = (2.0, 4 / 9, 32 / 135, 7072 / 42525)  # in t^2: the expansion at 0, itself a lower bound


def _tv_of_tau(tau: np.ndarray) -> np.ndarray:
    a = 1 / np.tanh(tau) - 1 / tau
    return 0.5 * tau * (1 - a) * (1 + a)


def _tau_of_tv(t: np.ndarray) -> np.ndarray:
    """tau by bisection in log tau; below t = 0.02 half the slope of the expansion at 0."""
    low, high = np.full(t.shape, -6.0), np.log(0.51 / (1 - t) + 1)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = _tv_of_tau(np.exp(middle)) < t
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    slope = np.polynomial.polynomial.polyval(t * t, np.multiply(_EIGHTH_ORDER, (1, 2, 3, 4)))
    return np.where(t < 0.02, t * slope, np.exp(0.5 * (low + high)))


def extremal_binary(t: float) -> tuple[float, float]:
    """(p, q) with p - q = t whose binary KL is the least of all pairs at total variation t."""
    tau = float(_tau_of_tv(np.asarray(t)))
    q = 0.5 * (1 - (1 / math.tanh(tau) - 1 / tau))
    return q + t, q


def fht_float(t: np.ndarray) -> np.ndarray:
    """The envelope in floats, relative error about 1e-14."""
    t = np.asarray(t, dtype=float)
    x = t * t
    small = x * np.polynomial.polynomial.polyval(x, _EIGHTH_ORDER)
    inner = np.clip(t, 0.02, 0.98)  # beyond 0.98, tau > 25 and the envelope is -log(1 - t) to rounding
    tau = _tau_of_tv(inner)
    e = np.exp(-2 * tau)
    main = np.log(2 * tau) - np.log1p(-e) + 2 * tau * e / (1 - e) - 4 * tau**2 * e / (1 - e) ** 2
    # Move along the tangent: removes the error of tau to second order.
    main = main + 2 * tau * (inner - _tv_of_tau(tau))
    with np.errstate(divide="ignore"):
        return np.where(t < 0.02, small, np.where(t > 0.98, -np.log1p(-t), main))


def fht_exact(t: Fraction, m: Logarithms) -> Interval:
    """An enclosure of the envelope at a rational t in [0, 1]."""
    if t == 0:
        return Interval.point(0)
    if t == 1:
        return Interval.point(math.inf)
    if 2 * m.bits * (1 - t) < 1:
        # tau > bits: every correction is below 4 tau^2 exp(-2 tau) < 2^-bits, and P = (1, 0) is optimal.
        value = -m.log(1 - t)
        return Interval(value.lo - Fraction(4, 1 << m.bits), value.hi)
    tau = Fraction(float(_tau_of_tv(np.asarray(float(t))))) if 1 - t > Fraction(1, 50) else 1 / (2 * (1 - t))
    e = m.exp_neg(2 * tau)
    rest = 1 - e
    coth = (1 + e) / rest
    kappa = m.log(2 * tau) - m.log(rest) + 2 * tau * e / rest - 4 * tau**2 * e / (rest * rest)
    reached = (1 - (coth - 1 / tau) * (coth - 1 / tau)) * (tau / 2)
    tangent = kappa + 2 * tau * (t - reached)
    q = min(1 - t, round_down(Fraction((1 - (coth - 1 / tau)).lo) / 2, m.bits))
    p = q + t
    binary = m.xlog(p, p / q) + (m.xlog(1 - p, (1 - p) / (1 - q)) if p < 1 else 0)
    return Interval(max(Fraction(0), tangent.lo), max(tangent.lo, binary.hi))
