"""Closed forms between von Mises-Fisher laws on the unit sphere of R^d.

The density is C(k) exp(k mu . x) with log C(k) = h log k - log I_h(k) + const, h = d/2 - 1, and the mean is
A(k) mu, A = I_{h+1} / I_h (Mardia and Jupp 2000, section 9.3.2). Hence KL(p || q) = log C(k) - log C(l) +
A(k) (k - l mu . nu), and the integral of p^s q^(1-s) is C(k)^s C(l)^(1-s) / C(|s k mu + (1-s) l nu|).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from divergences._closed_forms import Params, register

FAMILY = "vonmises_fisher"
BESSEL = 16  # roundings that a scaled Bessel function may be off by


def _log_constant(h: float, kappa: float) -> tuple[float, float] | None:
    """(log C(kappa) without its constant, what its rounding is relative to); None where I_h underflows."""
    if kappa < 1e-9:  # I_h(k) = (k/2)^h / Gamma(h + 1) (1 + O(k^2))
        value = h * math.log(2.0) + float(special.gammaln(h + 1))
        return value, BESSEL + abs(value)
    bessel = float(special.ive(h, kappa))
    if not bessel > 1e-290:
        return None
    terms = h * math.log(kappa), -math.log(bessel), -kappa
    return math.fsum(terms), BESSEL + sum(map(abs, terms))


def _pair(p: Params, q: Params) -> tuple[float, np.ndarray, float, np.ndarray, float] | None:
    """(h, mu, kappa, nu, lambda); None for directions that are no unit vectors to rounding."""
    mu, nu = p["mu"], q["mu"]
    if len(mu) != len(nu):
        raise ValueError(f"P has dimension {len(mu)} and Q has dimension {len(nu)}")
    if max(abs(float(x @ x) - 1.0) for x in (mu, nu)) > 1e-14 * len(mu):
        return None
    return 0.5 * len(mu) - 1.0, mu, p["kappa"], nu, q["kappa"]


@register("kl", FAMILY, FAMILY)
def _(p: Params, q: Params) -> Any:
    found = _pair(p, q)
    if found is None:
        return NotImplemented
    h, mu, k, nu, m = found
    first, second = _log_constant(h, k), _log_constant(h, m)
    if first is None or second is None:
        return NotImplemented
    mean = float(special.ive(h + 1, k) / special.ive(h, k))
    apart = m * 0.5 * float(np.sum((mu - nu) ** 2))  # m (1 - mu . nu)
    value = math.fsum([first[0], -second[0], mean * (k - m), mean * apart])
    return max(value, 0.0), first[1] + second[1] + BESSEL * (abs(k - m) + apart)


def _log_moment(p: Params, q: Params, s: float) -> tuple[float, float] | None:
    """(log of the integral of p^s q^(1-s), what its rounding is relative to)."""
    found = _pair(p, q)
    if found is None:
        return None
    h, mu, k, nu, m = found
    mixed = float(np.linalg.norm(s * k * mu + (1 - s) * m * nu))
    parts = [_log_constant(h, kappa) for kappa in (k, m, mixed)]
    if any(part is None for part in parts):
        return None
    (a, size_a), (b, size_b), (c, size_c) = (part for part in parts if part is not None)
    return math.fsum([s * a, (1 - s) * b, -c]), abs(s) * (size_a + k) + abs(1 - s) * (size_b + m) + size_c


@register("bhattacharyya", FAMILY, FAMILY)
def _(p: Params, q: Params) -> Any:
    found = _log_moment(p, q, 0.5)
    return NotImplemented if found is None else (max(-found[0], 0.0), found[1])


@register("squared_hellinger", FAMILY, FAMILY)
def _(p: Params, q: Params) -> Any:
    found = _log_moment(p, q, 0.5)
    return NotImplemented if found is None else (-math.expm1(min(found[0], 0.0)), found[1])


@register("renyi", FAMILY, FAMILY)
def _(p: Params, q: Params, alpha: float = 2.0) -> Any:
    found = _log_moment(p, q, alpha)
    if found is None:
        return NotImplemented
    return max(found[0] / (alpha - 1), 0.0), found[1] / abs(alpha - 1)
