"""Entropies and cross-entropies of laws, with an interval.

Scipy's own are formulas where it has them, and unchecked quadrature elsewhere (mixtures among them). Here the
positive and the negative part of -p log q are integrated separately, each with the verdict on its tails.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from divergences._brackets import assembled, infinite
from divergences._estimate import Estimate
from divergences._functionals import Functional, Parts
from divergences._laws import Law
from divergences._line import integrate_line
from divergences._summation import sum_discrete
from divergences._supports import decide

_EPS = float(np.finfo(np.float64).eps)


def _surprise(lp: np.ndarray, lq: np.ndarray, *, sign: float) -> Parts:
    """p·max(0, ±log q)."""
    p = np.exp(lp)
    with np.errstate(all="ignore"):
        size = np.maximum(0.0, -sign * lq)
        g = np.where(p > 0, p * size, 0.0)
    return g, g, np.where(size > 0, p, 0.0)


class _Surprise(Functional):
    """Not homogeneous: log q is a number, so no common factor may be taken out of (p, q)."""

    def log_integrand(self, lp: np.ndarray, lq: np.ndarray) -> np.ndarray:
        sign = 1.0 if self.name == "surprise" else -1.0
        with np.errstate(all="ignore"):
            value = lp + np.log(np.maximum(0.0, -sign * lq))
        return np.where(np.isneginf(lp) | np.isnan(value), -np.inf, value)


def _part(sign: float) -> Functional:
    return _Surprise(
        "surprise" if sign > 0 else "opposite surprise",
        partial(_surprise, sign=sign),
        lambda x: x,
        singular_p=sign > 0,
    )


def cross_entropy_of_laws(p: Law, q: Law) -> Estimate:
    """-∫ p log q (a sum for discrete laws), in nats; the entropy of p if q is p.

    Raises
    ------
    ValueError
        If the two laws are not of one kind on the line, or if both parts of the integral diverge.
    """
    if p.kind != q.kind or p.dim != q.dim:
        raise ValueError(
            f"P is {p.kind} in dimension {p.dim} and Q is {q.kind} in dimension {q.dim}; a cross-entropy "
            "needs two "
            "densities, or two lists of masses, of one space"
        )
    if p.kind == "vector":
        return _of_vectors(p, q)
    q = replace(q, name="Q") if q is p else q
    if p.kind == "discrete":
        return _discrete(p, q)
    p, q, known = decide(_part(1.0), p, q)
    if known is not None:  # mass of P where q = 0
        return known
    up, down = (assembled(integrate_line(_part(sign), p, q, 1e-12)) for sign in (1.0, -1.0))
    if math.isinf(up.lower) and math.isinf(down.lower):
        raise ValueError(
            "-p log q has an infinite positive and an infinite negative part; the integral has no value"
        )
    if math.isinf(up.lower):
        return infinite(up.method, up.n_evaluations)
    n = up.n_evaluations + down.n_evaluations
    if math.isinf(down.lower):
        return Estimate(-math.inf, -math.inf, -math.inf, down.method, n)
    return Estimate(up.value - down.value, up.lower - down.upper, up.upper - down.lower, "quadrature", n)


def _discrete(p: Law, q: Law) -> Estimate:
    found = assembled(sum_discrete(_part(1.0), p, q))
    return replace(found, lower=max(0.0, found.lower))


def _of_vectors(p: Law, q: Law) -> Estimate:
    """Gaussians: ½(d log 2π + log det B + tr(B⁻¹A) + (m - k)ᵀB⁻¹(m - k))."""
    if {p.family, q.family} != {"multivariate_normal"}:
        raise ValueError(
            f"no closed form of the cross-entropy of {p.family or 'P'} and {q.family or 'Q'}; average "
            "-Q.logpdf over "
            "draws of P"
        )
    mean, cov = (p.params[k] - q.params[k] if k == "mean" else p.params[k] for k in ("mean", "cov"))
    target = np.asarray(q.params["cov"])
    sign, log_det = np.linalg.slogdet(target)
    condition = float(np.linalg.cond(target))
    if not (sign > 0 and condition < 1e12):
        raise ValueError("Q's covariance is singular to working precision: it has no density on the space")
    quadratic = float(np.trace(np.linalg.solve(target, cov)) + mean @ np.linalg.solve(target, mean))
    value = 0.5 * (len(mean) * math.log(2 * math.pi) + float(log_det) + quadratic)
    error = 16 * _EPS * (len(mean) * 2 + abs(float(log_det)) + condition * abs(quadratic))
    return Estimate(value, value - error, value + error, "closed form", 0)
