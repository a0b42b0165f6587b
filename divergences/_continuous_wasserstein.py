"""W_p between laws given by formulas: closed forms, else integrals of their tabulated densities.

On the line W_1 = ∫|F - G| dx and W_p^p = ∫₀¹ |F⁻¹(u) - G⁻¹(u)|^p du; with one law known by atoms x_k (a
discrete law, a sample) the second is a sum over cells, Σ_k ∫ |x_k - y|^p g(y) dy, the k-th cell between the
quantiles of the cumulated weights. Distribution functions are summed from both ends (`_tables`), so that
tails count to 1e-150. The distance is infinite if exactly one of the laws lacks the p-th moment at an
end of the line.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

import divergences._families  # noqa: F401  fills the registry
from divergences._atoms import between_atoms, listed, rooted, sample_wasserstein
from divergences._closed_forms import closed_form
from divergences._estimate import Estimate
from divergences._laws import Law
from divergences._quadrature import G10, K21, NODES21, Ray, integrate, survey, tail, tails
from divergences._recognise import as_law
from divergences._tables import GAUSS_NODES, GAUSS_WEIGHTS, Table, moment_diverges, series, tabulate

_EPS = float(np.finfo(np.float64).eps)


def estimate_wasserstein(P: Any, Q: Any, *, p: float = 1.0, rtol: float = 1e-11) -> Estimate:
    """W_p of two laws with the interval the true value lies in.

    Laws on the line: any two, continuous or discrete. In higher dimension Gaussians and multivariate t laws
    of equal ``df`` have a closed form for p = 2.

    Raises
    ------
    ValueError
        If p < 1, if no closed form is known in space, or if tails do not tell whether the distance is finite.

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
        exact = _translates(law_p, law_q)
    if exact is not None:
        return Estimate(exact[0], max(0.0, exact[0] - exact[1]), exact[0] + exact[1], "closed form", 0)
    if law_p.kind == "vector":
        raise ValueError(
            f"no closed form of W_{p:g} between {law_p.family or 'these laws'} and {law_q.family or 'those'};"
            " draw samples, or bound it from below by transport.critic"
        )
    if math.isinf(p):
        raise ValueError("p = inf is known in closed form only (translates); take a large finite p")
    found = line_wasserstein(law_p, law_q, p, rtol)
    if not 0 <= found.lower <= found.value <= found.upper:
        raise ArithmeticError(f"W_{p:g} came out as {found}; its densities contradict one another")
    return found


def line_wasserstein(a: Law, b: Law, p: float, rtol: float = 1e-11) -> Estimate:
    """W_p on the line without closed forms."""
    if a.kind == b.kind == "discrete":
        return between_atoms(a, b, p)
    if a.quantiles is not None and b.quantiles is not None:  # whose tails tell as much
        return _quantiles(a, b, p, rtol)
    lacking = [moment_diverges(law, p) if law.kind == "continuous" else "" for law in (a, b)]
    for end in ("-inf", "+inf"):
        if (end in lacking[0]) != (end in lacking[1]) and "?" not in lacking[0] + lacking[1]:
            return Estimate(math.inf, math.inf, math.inf, f"E|X|^{p:g} of one law diverges at {end}", 0)
    if "discrete" in (a.kind, b.kind):
        law, other = (b, a) if a.kind == "discrete" else (a, b)
        points, weights, lost = listed(other)
        found = sample_wasserstein(points, weights, law, p)
        slack = (lost + 4 * _EPS) * float(points[-1] - points[0]) ** p ** (1 / p)
        return Estimate(
            found.value, max(0.0, found.lower - slack), found.upper + slack, "cells", found.n_evaluations
        )
    if p == 1:
        return _areas(a, b)
    return _quantiles(a, b, p, rtol)


def _translates(a: Law, b: Law) -> tuple[float, float] | None:
    """|Δμ| between translates, at any p: laws of one genuine family that differ in ``loc`` alone."""
    if not (a.genuine and b.genuine) or a.kind == "vector" or a.family != b.family or a.period is not None:
        return None
    pa, pb = dict(a.params), dict(b.params)
    if "loc" not in pa or any(not np.array_equal(pa[k], pb[k]) for k in pa if k != "loc"):
        return None
    shift = abs(pa["loc"] - pb["loc"])
    return shift, 4 * _EPS * shift


# ---------------------------------------------------------------- W_1 of densities: the area between F and G


def _areas(a: Law, b: Law) -> Estimate:
    table = tabulate([a, b])
    slope, rise = table.slope[0] - table.slope[1], table.rise[0] - table.rise[1]
    # F - G from the left up to the first panel that holds half of both masses, from the right beyond
    middle = int(np.searchsorted(table.left.sum(axis=0), 1.0))
    count = len(table.center)
    gap = np.where(np.arange(count) < middle, table.left[0] - table.left[1], 0.0)
    stop = np.where(np.arange(count) >= middle, table.right[1] - table.right[0], 0.0)
    start = np.where(np.arange(count) < middle, gap, stop - rise.sum(axis=1))
    every = np.arange(count)
    nodes = np.broadcast_to(NODES21, (count, 21))
    x, stretch = table.place(every, nodes)
    height = start[:, None] + series(rise, nodes)
    near = table.center[:, None]
    values = height * stretch
    size = np.abs(values).max(axis=1)
    turns = (values.min(axis=1) < 0) & (values.max(axis=1) > 0) & (size > 1e-17 * size.sum())
    area = np.abs(values @ K21)
    error = np.abs(values @ K21 - values @ G10) * 1e-3
    for i in np.flatnonzero(turns):  # integrate |F - G| on both sides of each crossing
        area[i] = _crossed(table, int(i), float(start[i]), rise[i])
    del slope, x, near
    # Rounding: every density is good to a few ulp of its log, and F - G inherits that of F and G.
    sizes = 8 * _EPS * (1 + np.abs(np.log(np.maximum(table.slope[:, :, 0], 1e-300))))
    mass = np.minimum(table.left + table.rise.sum(axis=2), table.right + table.rise.sum(axis=2))
    grain = 1 + np.array([[a.grain], [b.grain]])
    noise = float((mass * sizes * grain * (stretch @ K21)).sum())
    # A constant factor in a density moves F by its share of the nearer tail; mass lost at an end, wholly.
    reach = float((stretch @ K21)[(mass.sum(axis=0) > 1e-6)].sum()) + float((mass * (stretch @ K21)).sum())
    total = math.fsum(area)
    slack = float(error.sum()) + noise + float(table.error.sum()) * reach
    verdict, missing = _area_tails(a, b)
    if verdict == "unclear":
        raise ValueError(
            "the tails of P and Q do not tell whether W_1 is finite: both lack a first moment; pass laws "
            "with one, "
            "or compare samples"
        )
    if verdict == "infinite":
        return Estimate(math.inf, math.inf, math.inf, "divergent tail of |F - G|", x_count(table))
    return rooted(total, slack + missing, 1.0, "area between distribution functions", x_count(table))


def x_count(table: Table) -> int:
    """Points at which densities were evaluated."""
    return 21 * len(table.center)


def _crossed(table: Table, i: int, start: float, rise: np.ndarray) -> float:
    def f(t: np.ndarray) -> np.ndarray:
        return start + series(rise[None, :], t[None, :])[0]

    grid = np.linspace(-1, 1, 65)
    signs = np.sign(f(grid))
    cuts = [-1.0]
    for j in np.flatnonzero(signs[1:] * signs[:-1] < 0):
        low, high = float(grid[j]), float(grid[j + 1])
        for _ in range(60):
            mid = 0.5 * (low + high)
            low, high = (mid, high) if np.sign(f(np.array([mid]))[0]) == signs[j] else (low, mid)
        cuts.append(low)
    cuts.append(1.0)
    area = 0.0
    for low, high in itertools.pairwise(cuts):
        t = 0.5 * (low + high) + 0.5 * (high - low) * GAUSS_NODES
        stretch = table.place(np.array([i]), t[None, :])[1][0]
        area += abs(float((f(t) * stretch) @ GAUSS_WEIGHTS)) * 0.5 * (high - low)
    return area


def _area_tails(a: Law, b: Law) -> tuple[str, float]:
    """How ∫|F - G| ends, and a bound on what lies beyond 10^±150: that of ∫|x| |p - q|."""
    worst, missing = "finite", 0.0
    for sign in (-1.0, 1.0):
        ends = [law.lower if sign < 0 else law.upper for law in (a, b)]
        if all(map(math.isfinite, ends)):
            continue
        ray = Ray(0.5 * (a.centers[0] + b.centers[0]), sign, 0.0, 0.0, True)
        scale = 0.5 * (math.log(a.scale) + math.log(b.scale))
        ray = Ray(ray.center, sign, min(scale, 350.0) + 300.0, min(scale, 350.0) + 344.0, True)

        def heights(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
            lp, lq = a.log_density(center, offset), b.log_density(center, offset)
            t = np.abs(lp - lq)
            top = np.maximum(lp, lq)
            noise = 8 * _EPS * (1 + np.abs(lp) + np.abs(lq))
            gap = np.where(t > noise, top + np.log(-np.expm1(-t)), -np.inf)
            return np.where(np.isnan(gap), top, gap)[None] + np.log(np.abs(offset))

        seen = survey(heights, [ray])
        outward = np.flatnonzero(seen.owner == 0)
        verdict, rest = tail(seen.v[outward], seen.height[0, outward], math.log(a.scale))
        known = all(
            sign * (law.known_lower if sign < 0 else law.known_upper) >= math.exp(min(scale + 340, 690.0))
            for law in (a, b)
        )
        if verdict == "infinite" and not known:
            verdict = "unclear"
        missing += math.exp(rest) if verdict == "finite" else 0.0
        worst = max(worst, verdict, key=["finite", "unclear", "infinite"].index)
    return worst, missing


# ---------------------------------------------------------------- W_p, p > 1: the gap of the quantiles


class _Quantiles:
    """(level, from above) -> quantile and how far it may be off: by formula, or from the table."""

    def __init__(self, law: Law, p: float) -> None:
        self.law = law
        self.table = tabulate([law], p) if law.quantiles is None else None
        self.least, self.error = [1e-300, 1e-300], 0.0
        if self.table is not None:
            sides = self.table.left[0], self.table.right[0]
            self.least = [max(1e-300, float(s[s > 0].min())) for s in sides]
            self.error = float(self.table.error.sum())

    def __call__(self, level: np.ndarray, upper: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if self.table is not None:
            return self.table.quantile(level, upper)
        assert self.law.quantiles is not None
        ppf, isf, cdf, sf = self.law.quantiles
        x, got = np.empty_like(level), np.empty_like(level)
        x[~upper], x[upper] = ppf(level[~upper]), isf(level[upper])
        got[~upper], got[upper] = cdf(x[~upper]), sf(x[upper])
        with np.errstate(all="ignore"):
            density = np.exp(self.law.log_density(x, np.zeros_like(x)))
            miss = np.abs(got - level) / density
        off = 4 * _EPS * (np.abs(x) + self.law.scale)
        off = np.maximum(off, np.where(np.isfinite(miss), miss, 0.0))
        return x, np.where(np.isfinite(off), off, self.law.scale)  # scipy has no quantile at some levels


def _quantiles(a: Law, b: Law, p: float, rtol: float) -> Estimate:
    tables = [_Quantiles(law, p) for law in (a, b)]
    if any(law.period is not None for law in (a, b)):
        tabulate([a, b])  # refuses circles

    def integrand(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        upper, level = (center == 1).ravel(), np.abs(offset).ravel()
        (x, dx), (y, dy) = (t(level, upper) for t in tables)
        x, y, off = (v.reshape(offset.shape) for v in (x, y, dx + dy))
        gap = np.abs(x - y)
        # Where both quantiles agree to rounding the gap is unknown: it counts as 0 and as noise.
        gap = np.where(np.isfinite(gap) & (gap > off), gap, 0.0)
        noise = p * (gap + 2 * off) ** (p - 1) * off
        rows = [gap**p, noise, np.where(gap > 0, np.sign(x - y), 0.0)]
        return np.stack(rows[: 3 if p < 2 else 2])

    def heights(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        return np.log(integrand(center, offset)[:2])

    # below the smallest mass a table holds, quantiles are not known
    least = [max(t.least[side] for t in tables) for side in (0, 1)]
    top = math.log(0.5)
    lines = [
        Ray(c, s, max(-345.0, math.log(m) + 1), top, True) for c, s, m in zip((0.0, 1.0), (1.0, -1.0), least)
    ]
    seen = survey(heights, lines)
    # the verdict at u -> 0 alone: the other end of a ray is the median
    inner = [Ray(r.center, r.sign, r.v_min, r.v_max, False) for r in lines]
    seen = type(seen)(inner, seen.center, seen.sign, seen.edges, seen.v, seen.owner, seen.height)
    verdict, missing, where = tails(seen, np.ones(seen.v.size, dtype=bool))
    lacking = moment_diverges(a, p) + moment_diverges(b, p) if verdict != "finite" else ""
    if verdict == "infinite" and lacking and "?" not in lacking:
        return Estimate(
            math.inf, math.inf, math.inf, f"quantiles: divergent tail at u = {where}", seen.v.size
        )
    if verdict != "finite":
        raise ValueError(
            f"the tails of P and Q do not tell whether W_{p:g} is finite: pass laws with a moment of "
            f"order {p:g}, or "
            "take a smaller p"
        )
    goals = np.array([rtol, 1e-2])
    done = integrate(integrand, seen, goals=goals, max_evaluations=200_000, kinks=p < 2)
    value = float(done.values[0])
    error = float(done.errors[0] + done.values[1] + done.errors[1]) + math.exp(missing[0])
    lost = sum(t.error for t in tables)
    error += lost * float(np.exp(seen.height[0] - seen.v).max(initial=0.0, where=seen.v > -25))
    return rooted(value, error, p, "quantiles", done.n_evaluations)
