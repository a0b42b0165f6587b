"""Recognising scipy's distributions on the line, of the old infrastructure and of the new.

A name proves nothing: ``rv_histogram`` and ``rv_discrete(values=...)`` share theirs, and any subclass may
call itself "norm". A law counts as scipy's own only if its generator's class is the class of
``scipy.stats.<name>`` and its support parameters are untouched.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from divergences import _log_densities as exact
from divergences._laws import Law, LogDensity, extended, guess_center, settled, shifted
from divergences._scipy_vectors import vector_law

_EPS = float(np.finfo(np.float64).eps)


def recognise(P: Any, name: str) -> Law | None:
    """The law behind a distribution of scipy's, None if ``P`` is none."""
    if hasattr(P, "freeze") and not hasattr(P, "dist"):  # stats.norm without parameters, rv_histogram
        P = P()
    if hasattr(P, "dist") and hasattr(P, "kwds"):
        return _frozen(P, name)
    if hasattr(P, "iccdf") and hasattr(P, "logpdf"):
        return _new(P, name)
    return vector_law(P, name)


# ---------------------------------------------------------------- old infrastructure


def _genuine(dist: Any) -> bool:
    """Whether a generator is scipy's own, unchanged."""
    stats = sys.modules.get("scipy.stats")
    original = getattr(stats, dist.name or "", None)
    if original is None:
        return False
    same = type(original) is type(dist) and type(dist).__module__.startswith("scipy.stats")
    return same and (dist.a, dist.b) == (original.a, original.b)


def _frozen(P: Any, name: str) -> Law:
    """A law of scipy's old infrastructure: shapes, loc and scale around a standard law."""
    dist = P.dist
    genuine = _genuine(dist)
    if genuine and dist.name in _SLOW:
        raise ValueError(
            f"{name} is a {dist.name}: scipy finds each value of its density by an integral of limited "
            "accuracy. "
            "Tabulate it: divergences.Density(lambda x: numpy.interp(x, grid, log_pdf), support), or "
            "compare "
            "samples: estimate(name, P.rvs(n), Q.rvs(n))"
        )
    shapes, loc, scale = dist._parse_args(*P.args, **P.kwds)
    if any(np.ndim(s) for s in (loc, scale)) or (
        any(np.ndim(s) for s in shapes) and dist.name != "poisson_binom"
    ):
        raise ValueError(f"{name} is a {dist.name} with array parameters; compare one pair of laws at a time")
    loc, scale = float(loc), float(scale)
    if dist.name != "poisson_binom":
        shapes = [float(s) for s in shapes]
    labels = [s.strip() for s in dist.shapes.split(",")] if (dist.shapes or "").strip() else []
    params = dict(zip(labels, shapes)) | {"loc": loc, "scale": scale}
    lower, upper = (float(v) for v in P.support())
    if math.isnan(lower) or not scale > 0:
        raise ValueError(f"{name} is a {dist.name} with invalid parameters {params}")
    own = type(dist).__module__.startswith("scipy.")
    plain = own and not genuine and getattr(sys.modules["scipy.stats"], dist.name or "", None) is not None
    family = dist.name if genuine else f"{type(dist).__qualname__}:{dist.name}" if plain else _home(dist)
    common: dict[str, Any] = {"family": family, "params": params, "name": name, "genuine": genuine}
    common |= {"sampler": _sampler(P)}
    if not hasattr(P, "logpdf"):
        return _frozen_discrete(P, dist, shapes, loc, genuine, common | {"lower": lower, "upper": upper})
    if genuine and dist.name in _CIRCULAR:
        circular = _circular(dist.name, shapes[0], loc, scale, common)
        if circular is not None:
            return circular
    return _continuous(P, shapes, loc, scale, common | {"lower": lower, "upper": upper})


def _home(dist: Any) -> str:
    """The label of a home-made law: its name, if it is not one of scipy's."""
    taken = getattr(sys.modules.get("scipy.stats"), dist.name or "", None)
    return str(dist.name) if dist.name and taken is None else f"{type(dist).__qualname__}:{dist.name}"


def _continuous(P: Any, shapes: list[float], loc: float, scale: float, common: dict[str, Any]) -> Law:
    dist = P.dist
    a, b = (float(v) for v in dist.support(*shapes))
    raw = exact.CONTINUOUS.get(dist.name) if common["genuine"] else None
    if raw is not None and dist.name == "pearson3" and shapes[0] != 0:
        a, b = (-2 / shapes[0], b) if shapes[0] > 0 else (a, -2 / shapes[0])
        common |= {"lower": loc + scale * a, "upper": loc + scale * b}
    log_density = _standardised(dist, raw, shapes, loc, scale, (a, b), common["name"])
    with np.errstate(all="ignore"):
        try:
            low, mid, high = (float(dist.ppf(u, *shapes)) for u in (0.25, 0.5, 0.75))
        except RuntimeError:  # scipy's search for a root of a home-made cdf
            low = mid = high = math.nan
    spread = scale * max(0.5 * (high - low), 1e-12 * abs(mid), 1e-290) if mid == mid else math.nan
    center = loc + scale * mid
    if not (math.isfinite(spread) and a < mid < b):
        center, spread = guess_center(log_density, common["lower"], common["upper"])
    own = type(dist)._logpdf.__qualname__.startswith("rv_continuous.")
    breaks = tuple(float(v) for v in loc + scale * np.asarray(getattr(dist, "_hbins", ())))
    if common["genuine"] and dist.name in _CORNERS:
        breaks = tuple(loc + scale * v for v in _CORNERS[dist.name](shapes))
    law = Law(
        "continuous",
        log_density=log_density,
        centers=(center, *breaks),
        scale=spread,
        quantiles=(P.ppf, P.isf, P.cdf, P.sf) if common["genuine"] and dist.name in _FORMULAS else None,
        underflows=own and raw is None and not hasattr(dist, "_hbins"),
        rounded=raw is None and math.isfinite(b) and b != 0,
        grain=max([0.0, *(abs(v) for v in shapes if math.isfinite(v))]),
        **common,
    )
    return law if common["genuine"] and dist.name in _WHOLE else settled(law)


def _standardised(
    dist: Any, raw: Any, shapes: list[float], loc: float, scale: float, ends: tuple[float, float], name: str
) -> LogDensity:
    """(centre, offset) -> log-density of loc + scale·Z, distances to the ends of Z's support kept exact."""
    a, b = ends
    log_scale = math.log(scale)
    inner = 0.5 * (a + b) if math.isfinite(a + b) else a + 1 if math.isfinite(a) else b - 1
    inner = inner if math.isfinite(inner) else 0.0

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        z0, step = (center - loc) / scale, offset / scale
        for end in (a, b):  # a support end is exact in standard units, whatever loc + scale rounded to
            if math.isfinite(end):
                z0 = np.where(np.abs(z0 - end) <= 4e-16 * (abs(end) + abs(loc / scale)), end, z0)
        z = z0 + step
        z = np.where((z == z0) & (z0 != 0), np.nextafter(z0, np.copysign(np.inf, offset)), z)
        inside = (z >= a) & (z <= b)
        with np.errstate(all="ignore"):
            if raw:
                from_a = np.where(inside, (z0 - a) + step if math.isfinite(a) else np.inf, 1.0)
                to_b = np.where(inside, (b - z0) - step if math.isfinite(b) else np.inf, 1.0)
                value = raw(np.where(inside, z, inner), from_a, to_b, *shapes)
            else:
                value = dist.logpdf(np.where(inside, z, inner), *shapes)
        # NaN, or an infinite density at a place of positive distance to every end, is arithmetic, no value
        return np.where(inside & (value < np.inf), value, -np.inf) - log_scale

    return log_density


def _frozen_discrete(
    P: Any, dist: Any, shapes: list[Any], loc: float, genuine: bool, common: dict[str, Any]
) -> Law:
    with np.errstate(all="ignore"):
        center = float(P.median())
        center = center if math.isfinite(center) else float(P.mean())
    if hasattr(dist, "xk"):
        atoms, masses = np.asarray(dist.xk, dtype=float) + loc, np.asarray(dist.pk, dtype=float)
        keep = masses > 0
        atoms, logs = atoms[keep], np.log(masses[keep])

        def listed(x: np.ndarray) -> np.ndarray:
            at = np.clip(np.searchsorted(atoms, x), 0, len(atoms) - 1)
            left = np.maximum(at - 1, 0)
            at = np.where(np.abs(atoms[left] - x) < np.abs(atoms[at] - x), left, at)
            same = np.abs(atoms[at] - x) <= 4 * _EPS * (np.abs(x) + abs(loc))
            return np.where(same, logs[at], -np.inf)

        common |= {"lower": float(atoms[0]), "upper": float(atoms[-1])}
        return Law("discrete", log_density=listed, atoms=atoms, centers=(center,), **common)
    raw = exact.DISCRETE.get(dist.name) if genuine else None
    a, b = (float(v) for v in (dist.support(*shapes) if dist.name != "poisson_binom" else P.support()))

    def log_mass(x: np.ndarray) -> np.ndarray:
        k = np.rint(x - loc)
        on = (np.abs(x - loc - k) <= 4 * _EPS * (np.abs(x) + abs(loc))) & (k >= a) & (k <= b)
        safe = np.where(on, k, np.rint(center - loc))
        with np.errstate(all="ignore"):
            if raw:
                value = raw(safe, *shapes)
            elif dist.name == "poisson_binom":
                value = P.logpmf(safe + loc)
            else:
                value = dist.logpmf(safe, *shapes)
        return np.where(on & ~np.isnan(value), value, -np.inf)

    own = type(dist)._logpmf.__qualname__.split(".")[0] in ("rv_discrete", "rv_generic")
    return Law(
        "discrete",
        log_density=log_mass,
        lattice=loc,
        centers=(center,),
        underflows=own and raw is None,
        # masses written with betaln keep their digits at any k; those with gammaln lose them
        grain=0.25 if raw is None and dist.name not in ("betabinom", "betanbinom", "yulesimon") else 0.0,
        **common,
    )


# Corners and singularities of the standard densities, besides the ends of the support.
_CORNERS: dict[str, Callable[[list[float]], list[float]]] = {
    "crystalball": lambda s: [-s[0]],
    "dgamma": lambda s: [0.0],
    "dweibull": lambda s: [0.0],
    "gennorm": lambda s: [0.0],
    "laplace": lambda s: [0.0],
    "laplace_asymmetric": lambda s: [0.0],
    "loglaplace": lambda s: [1.0],
    "skewcauchy": lambda s: [0.0],
    "trapezoid": lambda s: s,
    "triang": lambda s: s,
}

# Families whose quantiles scipy has as formulas of both tails.
_FORMULAS = frozenset(
    [
        "beta",
        "cauchy",
        "chi2",
        "expon",
        "gamma",
        "genpareto",
        "gumbel_l",
        "gumbel_r",
        "halfcauchy",
        "halfnorm",
        "laplace",
        "logistic",
        "lomax",
        "lognorm",
        "norm",
        "pareto",
        "rayleigh",
        "t",
        "uniform",
        "weibull_max",
        "weibull_min",
    ]
)

# Families whose log-densities are numbers everywhere: there is no edge to look for.
_WHOLE = frozenset(
    ["beta", "cauchy", "chi2", "expon", "gamma", "halfnorm", "laplace", "lognorm", "norm", "pareto"]
    + ["rayleigh", "t", "uniform"]
)

# scipy's densities of these are integrals, a quadrature a point.
_SLOW = ("levy_stable", "studentized_range")

_CIRCULAR: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "vonmises": lambda z, kappa: -2 * kappa * np.sin(0.5 * z) ** 2 - _log_bessel(kappa),
    "wrapcauchy": lambda z, c: (
        math.log((1 - c) * (1 + c) / (2 * math.pi)) - np.log((1 - c) ** 2 + 4 * c * np.sin(0.5 * z) ** 2)
    ),
}


def _log_bessel(kappa: float) -> float:
    from scipy.special import i0e

    return math.log(2 * math.pi * i0e(kappa))


def _circular(family: str, shape: float, loc: float, scale: float, common: dict[str, Any]) -> Law | None:
    """A law on the circle of length 2π, cut open opposite to its centre."""
    if scale != 1:
        if family == "wrapcauchy":
            return None  # a density on (loc, loc + 2π scale), as scipy's pdf has it
        raise ValueError(
            f"{common['name']} is a vonmises with scale = {scale:g}; its circle has length 2π: set scale "
            "to 1, "
            "or pass scipy.stats.vonmises_line"
        )
    formula = _CIRCULAR[family]

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        start = np.remainder(center - loc + math.pi, 2 * math.pi) - math.pi
        return formula(start + offset, shape)

    width = 1 / math.sqrt(1 + shape) if family == "vonmises" else 1 - shape
    return Law(
        "continuous",
        log_density=log_density,
        lower=loc - math.pi,
        upper=loc + math.pi,
        known_lower=loc - math.pi,
        known_upper=loc + math.pi,
        centers=(loc,),
        scale=width,
        period=2 * math.pi,
        grain=shape,
        **common,
    )


def _sampler(P: Any) -> Callable[[int, np.random.Generator], np.ndarray]:
    if hasattr(P, "rvs"):
        return lambda n, rng: np.asarray(P.rvs(size=n, random_state=rng), dtype=float)
    return lambda n, rng: np.asarray(P.sample(n, rng=rng), dtype=float)


# ---------------------------------------------------------------- new infrastructure

_OLD_NAMES: dict[str, Callable[[Any], tuple[str, tuple[float, ...]]]] = {
    "Normal": lambda P: ("norm", (P.mu, P.sigma)) if hasattr(P, "mu") else ("norm", (0, 1)),
    "StandardNormal": lambda P: ("norm", (0, 1)),
    "Logistic": lambda P: ("logistic", (0, 1)),
    "Uniform": lambda P: ("uniform", (P.a, P.b - P.a)),
    "Binomial": lambda P: ("binom", (P.n, P.p)),
}


def _new(P: Any, name: str) -> Law:
    """A law of scipy's new infrastructure, transformed, truncated and mixed ones included."""
    if np.ndim(P.support()[0]) or getattr(P, "_shape", ()) != ():
        raise ValueError(f"{name} has array parameters; compare one pair of laws at a time")
    if type(P).__name__ in _OLD_NAMES and type(P).__module__.startswith("scipy.stats"):
        family, args = _OLD_NAMES[type(P).__name__](P)
        return _frozen(getattr(sys.modules["scipy.stats"], family)(*(float(v) for v in args)), name)
    lower, upper = (float(v) for v in P.support())
    common: dict[str, Any] = {"family": "", "params": {}, "name": name, "sampler": _sampler(P)}
    common |= {"lower": lower, "upper": upper}
    if any(c.__name__ == "DiscreteDistribution" for c in type(P).__mro__):
        with np.errstate(all="ignore"):
            center = float(np.rint(P.median()))

        def log_mass(x: np.ndarray) -> np.ndarray:
            on = (x == np.rint(x)) & (x >= lower) & (x <= upper)
            with np.errstate(all="ignore"):
                value = np.asarray(P.logpmf(np.where(on, x, center)), dtype=float)
            return np.where(on & ~np.isnan(value), value, -np.inf)

        return Law(
            "discrete",
            log_density=log_mass,
            lattice=0.0,
            centers=(center,),
            underflows=True,
            grain=0.25,
            **common,
        )

    def logpdf(x: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = np.asarray(P.logpdf(x), dtype=float)
        return np.where(np.isnan(value), -np.inf, value)

    log_density = shifted(logpdf, lower, upper, name)
    parts = list(getattr(P, "components", ()))
    with np.errstate(all="ignore"):
        try:
            quarters = [[float(c.icdf(u)) for u in (0.25, 0.5, 0.75)] for c in parts or [P]]
        except TypeError:  # scipy 1.17: a transformed law with a shape called p hands it to its icdf twice
            quarters = []
    good = [q for q in quarters if all(map(math.isfinite, q)) and q[2] > q[0]]
    if good:
        ends = [float(e) for c in parts for e in c.support() if math.isfinite(float(e))]
        centers = (*(q[1] for q in good), *(e for e in ends if lower < e < upper))
        scale = math.exp(math.fsum(math.log(0.5 * (q[2] - q[0])) for q in good) / len(good))
    else:
        mode, scale = guess_center(log_density, lower, upper)
        centers = (mode,)
    log_density = extended(log_density, [lower, upper], scale)
    law = Law("continuous", log_density=log_density, centers=centers, scale=scale, rounded=True, **common)
    return settled(law)
