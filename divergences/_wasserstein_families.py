"""Closed forms of W_p, by family; each block is one formula.

Sources: location-scale families by their quantile functions; Gaussians and elliptical laws of one generator
by Gelbrich (1990), see `transport.bures_wasserstein`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from divergences._closed_forms import Params, register
from transport import bures_wasserstein


def _shift_stretch(p: Params, q: Params) -> tuple[float, float]:
    return p["loc"] - q["loc"], p["scale"] - q["scale"]


@register("wasserstein", "norm", "norm")
def _(a: Params, b: Params, p: float) -> Any:
    m, s = _shift_stretch(a, b)
    if s == 0:
        return abs(m)
    if p == 2:
        return math.hypot(m, s)
    if p == 1:
        z = abs(m / s)
        return abs(s) * math.sqrt(2 / math.pi) * math.exp(-z * z / 2) + abs(m) * math.erf(z / math.sqrt(2))
    return NotImplemented


@register("wasserstein", "expon", "expon")
def _(a: Params, b: Params, p: float) -> Any:
    m, s = _shift_stretch(a, b)
    if m == 0 and math.isfinite(p):
        return abs(s) * special.gamma(p + 1) ** (1 / p)
    if p == 1 and m * s >= 0:  # stochastically ordered: the gap of the means
        return abs(m) + abs(s)
    return math.sqrt((m + s) ** 2 + s * s) if p == 2 else NotImplemented


@register("wasserstein", "uniform", "uniform")
def _(a: Params, b: Params, p: float) -> Any:
    left, stretch = _shift_stretch(a, b)
    m, h = left + stretch / 2, abs(stretch) / 2  # gap of the midpoints, of the half-widths
    if math.isinf(p):
        return abs(m) + h
    if p == 2:
        return math.hypot(m, h / math.sqrt(3))
    if p == 1:
        return abs(m) if abs(m) >= h else (m * m + h * h) / (2 * h)
    return NotImplemented


@register("wasserstein", "poisson", "poisson")
def _(a: Params, b: Params, p: float) -> Any:
    m, loc = a["mu"] - b["mu"], a["loc"] - b["loc"]
    return abs(m + loc) if p == 1 and m * loc >= 0 else NotImplemented


def _bures(gap: np.ndarray, A: np.ndarray, B: np.ndarray) -> tuple[float, float]:
    """W2 of two Gaussians (or elliptical laws of one generator), and the size of its rounding error."""
    value = bures_wasserstein(gap, A, np.zeros_like(gap), B)
    return value, len(gap) * (value + math.sqrt(max(np.trace(A), np.trace(B))))


@register("wasserstein", "multivariate_normal", "multivariate_normal")
def _(a: Params, b: Params, p: float) -> Any:
    gap = a["mean"] - b["mean"]
    if np.array_equal(a["cov"], b["cov"]):
        return float(np.linalg.norm(gap))
    return _bures(gap, a["cov"], b["cov"]) if p == 2 else NotImplemented


@register("wasserstein", "multivariate_t", "multivariate_t")
def _(a: Params, b: Params, p: float) -> Any:
    if a["df"] != b["df"]:
        return NotImplemented
    gap = a["loc"] - b["loc"]
    if np.array_equal(a["shape"], b["shape"]):
        return float(np.linalg.norm(gap))
    if p != 2:
        return NotImplemented
    if a["df"] <= 2:
        return math.inf
    factor = a["df"] / (a["df"] - 2)
    return _bures(gap, a["shape"] * factor, b["shape"] * factor)
