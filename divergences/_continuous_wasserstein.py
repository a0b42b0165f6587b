"""W_p between laws given by formulas: closed forms, else the quantile integral with an error bound.

On the line W_p^p = ∫₀¹ |F⁻¹(u) - G⁻¹(u)|^p du. Both ends of (0, 1) are integrated in log u, with upper
quantiles from the survival function, so that tails to 1e-150 count and divergence is recognised.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from divergences._closed_forms import Params, closed_form, register
from divergences._estimate import Estimate
from divergences._laws import Law, as_law
from divergences._quadrature import Integral, Ray, integrate
from transport import bures_wasserstein

_EPS = float(np.finfo(np.float64).eps)


def evaluate_wasserstein(P: Any, Q: Any, p: float = 1.0) -> float:
    """W_p of two distributions, as a float; see `estimate_wasserstein`."""
    return estimate_wasserstein(P, Q, p=p).value


def estimate_wasserstein(P: Any, Q: Any, *, p: float = 1.0, rtol: float = 1e-11) -> Estimate:
    """W_p of two laws with the interval the true value lies in.

    Laws on the line need quantiles (any scipy.stats distribution has them) or a closed form; in higher
    dimension Gaussians and multivariate t laws of equal ``df`` have one for p = 2.

    Raises
    ------
    ValueError
        If p < 1, or if neither a closed form nor quantiles are known.

    Examples
    --------
    >>> from scipy import stats
    >>> estimate_wasserstein(stats.norm(0, 1), stats.norm(0, 2), p=2).value
    1.0
    >>> round(estimate_wasserstein(stats.norm(), stats.logistic(), p=2).value, 10)
    0.8228480974
    """
    p = float(p)
    if not p >= 1:
        raise ValueError(f"p = {p}; a Wasserstein distance needs 1 <= p <= inf")
    law_p, law_q = as_law(P, "P"), as_law(Q, "Q")
    if law_p.dim != law_q.dim:
        raise ValueError(f"P has dimension {law_p.dim} and Q has dimension {law_q.dim}; they must agree")
    exact = closed_form("wasserstein", (law_p.family, law_p.params), (law_q.family, law_q.params), p=p)
    if exact is None:
        exact = _location_scale(law_p, law_q, p)
    if exact is not None:
        return Estimate(exact[0], max(0.0, exact[0] - exact[1]), exact[0] + exact[1], "closed form", 0)
    if law_p.kind == "vector":
        raise ValueError(
            f"no closed form of W_{p:g} between {law_p.family or 'these laws'} and {law_q.family or 'those'};"
            " draw samples, or bound it from below by transport.critic"
        )
    if math.isinf(p):
        raise ValueError("p = inf is known in closed form only (translates); take a large finite p")
    for law, name in ((law_p, "P"), (law_q, "Q")):
        if law.ppf is None:
            raise ValueError(
                f"{name} has no quantile function; W_p on the line integrates quantiles. "
                "Pass a scipy.stats distribution, or samples"
            )
    if law_p.kind == law_q.kind == "discrete":
        return _atoms(law_p, law_q, p)
    return _quantiles(law_p, law_q, p, rtol)


def _rooted(integral: float, error: float, p: float) -> tuple[float, float, float]:
    low, high = max(0.0, integral - error), integral + error
    return integral ** (1 / p), low ** (1 / p) * (1 - 4 * _EPS), high ** (1 / p) * (1 + 4 * _EPS)


def _location_scale(a: Law, b: Law, p: float) -> tuple[float, float] | None:
    """(E|Δμ + Δσ Z|^p)^{1/p} where Z needs only two moments: translates (any p) and p = 2."""
    pa, pb = dict(a.params), dict(b.params)
    if a.kind == "vector" or a.family != b.family or "loc" not in pa or a.sampler is None:
        return None
    shift = pa.pop("loc") - pb.pop("loc")
    stretch = pa.pop("scale", 1.0) - pb.pop("scale", 1.0)
    if pa != pb or not a.family:
        return None
    if stretch == 0:
        return abs(shift), 4 * _EPS * abs(shift)
    return None


def _quantile_gap(law: Law, level: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles, from below or from above, and how far each may be off: |F(x) - u| / density, or rounding."""
    assert law.ppf is not None
    assert law.isf is not None
    assert law.cdf is not None
    assert law.sf is not None
    x = np.empty_like(level)
    x[~upper], x[upper] = law.ppf(level[~upper]), law.isf(level[upper])
    off = 4 * _EPS * (np.abs(x) + law.scale)
    if law.kind == "continuous":
        got = np.empty_like(level)
        got[~upper], got[upper] = law.cdf(x[~upper]), law.sf(x[upper])
        with np.errstate(all="ignore"):
            density = np.exp(law.log_density(x, np.zeros_like(x)))
            miss = np.abs(got - level) / density
        off = np.maximum(off, np.where(np.isfinite(miss), miss, 0.0))
    return x, off


def _quantiles(a: Law, b: Law, p: float, rtol: float) -> Estimate:
    def integrand(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        upper, level = center == 1, np.abs(offset)
        x, dx = _quantile_gap(a, level, upper)
        y, dy = _quantile_gap(b, level, upper)
        gap, off = np.abs(x - y), dx + dy
        # Where both quantiles agree to rounding the gap is unknown: it counts as 0 and as noise.
        gap = np.where(np.isfinite(gap) & (gap > off), gap, 0.0)
        noise = np.where(np.isfinite(off), p * (gap + 2 * off) ** (p - 1) * off, 0.0)
        return np.stack(
            [gap**p, np.ones_like(gap), noise, np.where(gap > 0, np.sign(x - y), 0.0)][: 4 if p < 2 else 3]
        )

    bottom, top = -345.0, math.log(0.5)
    done = integrate(
        integrand,
        [Ray(0.0, 1.0, bottom, top, False), Ray(1.0, -1.0, bottom, top, False)],
        rtol=rtol,
        max_evaluations=200_000,
        kinks=p < 2,
    )
    return _finish(done, p)


def _finish(done: Integral, p: float) -> Estimate:
    if done.tail == "infinite":
        return Estimate(math.inf, math.inf, math.inf, "quantiles: divergent tail", done.n_evaluations)
    if done.tail == "overflow":
        return Estimate(math.inf, 1e308 ** (1 / p), math.inf, "quantiles: overflow", done.n_evaluations)
    error = float(done.errors[0] + done.values[2] + done.errors[2])
    value, low, high = _rooted(float(done.values[0]), error, p)
    high = math.inf if done.tail == "unclear" else high
    return Estimate(value, low, high, "quantiles", done.n_evaluations)


def _atoms(a: Law, b: Law, p: float) -> Estimate:
    """Two laws on a countable set: merge the cumulative masses; the rest is bounded by its mass."""
    from divergences._summation import _window

    atoms, ends = _window(a, b)
    f, g = (np.exp(np.asarray(law.log_density(atoms), dtype=float)) for law in (a, b))
    lost = max(abs(1 - math.fsum(f)), abs(1 - math.fsum(g)))
    if lost > 1e-12:
        raise ValueError(
            f"a mass of {lost:.3g} lies further out than 2^19 atoms; the tails are too heavy to sum W_{p:g}"
        )
    cum_f, cum_g = np.cumsum(f) / math.fsum(f), np.cumsum(g) / math.fsum(g)
    levels = np.unique(np.concatenate([[0.0], cum_f, cum_g]))
    levels = np.minimum(levels, 1.0)
    mid = 0.5 * (levels[1:] + levels[:-1])
    x = atoms[np.minimum(np.searchsorted(cum_f, mid), atoms.size - 1)]
    y = atoms[np.minimum(np.searchsorted(cum_g, mid), atoms.size - 1)]
    cost = np.abs(x - y) ** p
    total = math.fsum(np.diff(levels) * cost)
    # rounding moves mass between neighbours; the mass outside the window travels at most its width
    reach = float(atoms[-1] - atoms[0])
    error = 16 * _EPS * (total + float(np.max(cost))) + (lost if ends else 0.0) * reach**p
    value, low, high = _rooted(total, error, p)
    return Estimate(value, low, high, "summation", atoms.size)


# ---------------------------------------------------------------- closed forms


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
