"""One face for every kind of distribution: scipy.stats (old and new), `Density`, multivariate laws.

scipy.stats takes half a second to import, so it is never imported here: whoever passes a scipy distribution
has paid for it already.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

LogDensity = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(centre, offset) -> log-density at centre + offset, formed so that a small offset is not rounded away."""

_LOG_TINY = -745.13  # log of the smallest positive double: a log(pdf) below it reads -inf


@dataclass(frozen=True)
class Density:
    """A law given by its log-density.

    Parameters
    ----------
    logpdf : callable
        x -> log-density, vectorised; x has shape (n,), or (n, d) if ``support`` lists d intervals.
        ``-inf`` means density zero. It must be normalised.
    support : pair, or sequence of d pairs
        (lower, upper), infinities allowed.
    breakpoints : sequence of float
        Places the quadrature should know: modes of narrow peaks, jumps, singularities (1-D only).
    sampler : callable, optional
        (n, rng) -> (n,) or (n, d) draws; needed in dimension > 1 unless the support is bounded.
    family, params
        Name and parameters under which `register` finds closed forms.

    Examples
    --------
    >>> import numpy as np, divergences as dv
    >>> ramp = dv.Density(lambda x: np.log(2 * x), support=(0, 1))
    >>> flat = dv.Density(lambda x: np.zeros_like(x), support=(0, 1))
    >>> round(dv.estimate("tv", ramp, flat).value, 12)
    0.25
    """

    logpdf: Callable[[np.ndarray], np.ndarray]
    support: Any = (-math.inf, math.inf)
    breakpoints: Sequence[float] = ()
    sampler: Callable[[int, np.random.Generator], np.ndarray] | None = None
    family: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not callable(self.logpdf):
            raise TypeError(f"logpdf = {self.logpdf!r}; it must be a function x -> log-density")
        box = np.asarray(self.support, dtype=float)
        if box.shape[-1:] != (2,) or box.ndim > 2 or not np.all(box[..., 0] < box[..., 1]):
            raise ValueError(
                f"support = {self.support!r}; give (lower, upper) with lower < upper, or d such pairs"
            )
        for b in self.breakpoints:
            if not math.isfinite(b):
                raise ValueError(f"breakpoints holds {b}; breakpoints must be finite")

    def rvs(self, size: int, random_state: np.random.Generator) -> np.ndarray:
        """``size`` draws from ``sampler``."""
        if self.sampler is None:
            raise ValueError("this Density has no sampler; pass sampler=(n, rng) -> draws")
        return np.asarray(self.sampler(size, random_state), dtype=float)


@dataclass(frozen=True)
class Law:
    """What the evaluators need of a distribution.

    Attributes
    ----------
    kind : {"continuous", "discrete", "vector"}
    log_density : LogDensity or (n, d) -> (n,) for vectors, or k -> log-mass for discrete laws
    underflows : bool
        The log-density is log(pdf): -inf inside the support may only mean "below e^-745".
    lo, hi : function of q
        Quantiles: ppf(q) and isf(q), or None.
    """

    kind: str
    family: str
    params: Mapping[str, Any]
    log_density: Callable[..., np.ndarray]
    lower: float = -math.inf
    upper: float = math.inf
    centers: tuple[float, ...] = ()
    scale: float = 1.0
    underflows: bool = False
    ppf: Callable[[np.ndarray], np.ndarray] | None = None
    isf: Callable[[np.ndarray], np.ndarray] | None = None
    cdf: Callable[[np.ndarray], np.ndarray] | None = None
    sf: Callable[[np.ndarray], np.ndarray] | None = None
    atoms: np.ndarray | None = None
    dim: int = 1
    sampler: Callable[[int, np.random.Generator], np.ndarray] | None = None
    known: bool = True  # False: centres were guessed, so mass may have been missed


def _beta(z: np.ndarray, rest: np.ndarray, a: float, b: float) -> np.ndarray:
    from scipy.special import betaln, xlogy

    return xlogy(a - 1, z) + xlogy(b - 1, rest) - betaln(a, b)


# (z, upper end - z, *shapes) -> standard log-density, where scipy only has log(pdf), which underflows in the
# tails, or where 1 - z must not be formed by subtraction.
_EXACT_LOGPDF: dict[str, Callable[..., np.ndarray]] = {
    "arcsine": lambda z, rest: _beta(z, rest, 0.5, 0.5),
    "beta": _beta,
    "laplace": lambda z, rest: -np.abs(z) - math.log(2),
    "pareto": lambda z, rest, b: math.log(b) - (b + 1) * np.log(z),
    "uniform": lambda z, rest: np.zeros_like(z),
}


def _frozen(P: Any, name: str) -> Law:
    """A law of scipy's old infrastructure: shapes, loc and scale around a standard law."""
    dist = P.dist
    shapes, loc, scale = dist._parse_args(*P.args, **P.kwds)
    numbers = [np.asarray(s, dtype=float) for s in (*shapes, loc, scale)]
    if any(v.ndim for v in numbers):
        raise ValueError(f"{name} is a {dist.name} with array parameters; compare one pair of laws at a time")
    shapes, loc, scale = [float(v) for v in numbers[:-2]], float(numbers[-2]), float(numbers[-1])
    labels = [s.strip() for s in dist.shapes.split(",")] if dist.shapes else []
    params = dict(zip(labels, shapes)) | {"loc": loc, "scale": scale}
    lower, upper = (float(v) for v in P.support())
    if math.isnan(lower) or not scale > 0:
        raise ValueError(f"{name} is a {dist.name} with invalid parameters {params}")
    common: dict[str, Any] = {"family": dist.name, "params": params, "lower": lower, "upper": upper}
    common |= {"ppf": P.ppf, "isf": P.isf, "cdf": P.cdf, "sf": P.sf, "sampler": _scipy_sampler(P)}
    if not hasattr(P, "logpdf"):
        atoms = np.asarray(dist.xk, dtype=float) * 1.0 + loc if hasattr(dist, "xk") else None
        center = float(P.median())
        return Law("discrete", log_density=P.logpmf, atoms=atoms, centers=(center,), **common)
    a, b = (float(v) for v in dist.support(*shapes))
    raw = _EXACT_LOGPDF.get(dist.name)
    log_scale = math.log(scale)

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        z0 = (center - loc) / scale
        for end in (a, b):  # a support end is exact in standard units, whatever loc + scale rounded to
            if math.isfinite(end):
                z0 = np.where(np.abs(z0 - end) <= 4e-16 * (abs(end) + abs(loc / scale)), end, z0)
        z = z0 + offset / scale
        z = np.where((z == z0) & (z0 != 0), np.nextafter(z0, np.copysign(np.inf, offset)), z)
        inside = (z >= a) & (z <= b)
        safe = np.where(
            inside, z, 0.5 * (a + b) if math.isfinite(a + b) else (a if math.isfinite(a) else 0.0)
        )
        if raw:
            rest = np.where(z0 == b, -offset / scale, b - safe)
            value = raw(safe, np.where(inside, rest, 1.0), *shapes)
        else:
            value = dist.logpdf(safe, *shapes)
        return np.where(inside, value, -np.inf) - log_scale

    low, mid, high = (float(dist.ppf(u, *shapes)) for u in (0.25, 0.5, 0.75))
    spread = scale * max(0.5 * (high - low), 1e-12 * abs(mid), 1e-290)
    center = loc + scale * mid
    own = type(dist)._logpdf.__qualname__.startswith("rv_continuous.")
    breaks = tuple(float(v) for v in loc + scale * np.asarray(getattr(dist, "_hbins", ())))
    return Law(
        "continuous",
        log_density=log_density,
        centers=(center, *breaks),
        scale=spread,
        underflows=own and raw is None and not breaks,
        **common,
    )


def _scipy_sampler(P: Any) -> Callable[[int, np.random.Generator], np.ndarray]:
    if hasattr(P, "rvs"):
        return lambda n, rng: np.asarray(P.rvs(size=n, random_state=rng), dtype=float)
    return lambda n, rng: np.asarray(P.sample(n, rng=rng), dtype=float)


_OLD_NAMES: dict[str, Callable[[Any], tuple[str, tuple[float, ...]]]] = {
    "Normal": lambda P: ("norm", (P.mu, P.sigma)) if hasattr(P, "mu") else ("norm", (0, 1)),
    "StandardNormal": lambda P: ("norm", (0, 1)),
    "Logistic": lambda P: ("logistic", (0, 1)),
    "Uniform": lambda P: ("uniform", (P.a, P.b - P.a)),
    "Binomial": lambda P: ("binom", (P.n, P.p)),
}


def _new(P: Any, name: str) -> Law:
    """A law of scipy's new infrastructure."""
    if type(P).__name__ in _OLD_NAMES:
        family, args = _OLD_NAMES[type(P).__name__](P)
        if any(np.ndim(v) for v in args):
            raise ValueError(f"{name} has array parameters; compare one pair of laws at a time")
        return _frozen(getattr(sys.modules["scipy.stats"], family)(*args), name)
    lower, upper = (float(v) for v in P.support())
    family = type(P).__name__
    parts = getattr(P, "components", ())
    quarter = [float(P.icdf(u)) for u in (0.25, 0.5, 0.75)]
    common: dict[str, Any] = {"family": family, "params": {}, "lower": lower, "upper": upper}
    common |= {"ppf": P.icdf, "isf": P.iccdf, "cdf": P.cdf, "sf": P.ccdf, "sampler": _scipy_sampler(P)}
    if not np.isfinite(float(P.logpdf(quarter[1]))) and np.isfinite(float(P.logpmf(round(quarter[1])))):
        return Law("discrete", log_density=P.logpmf, centers=(quarter[1],), **common)
    centers = (quarter[1], *(float(c.median()) for c in parts))
    spread = max(0.5 * (quarter[2] - quarter[0]), 1e-290)
    return Law(
        "continuous",
        log_density=_shifted(P.logpdf, lower, upper, name),
        centers=centers,
        scale=spread,
        **common,
    )


def _shifted(logpdf: Callable, lower: float, upper: float, name: str) -> LogDensity:
    """x -> log-density as (centre, offset) -> log-density, zero outside the support, NaN refused."""

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        x = center + offset
        x = np.where(x == center, np.nextafter(center, np.copysign(np.inf, offset)), x)
        inside = (x >= lower) & (x <= upper)
        start = min(max(0.0, lower), upper)
        safe = np.where(inside, x, start if not inside.any() else x[inside].flat[0])
        value = np.asarray(logpdf(safe.ravel()), dtype=float).reshape(x.shape)
        if np.isnan(value[inside]).any():
            where = float(x[inside & np.isnan(value)].flat[0])
            raise ValueError(
                f"the log-density of {name} is NaN at x = {where!r}; return -inf where it vanishes"
            )
        return np.where(inside, value, -np.inf)

    return log_density


def _guess_center(log_density: LogDensity, lower: float, upper: float) -> tuple[float, float]:
    """A mode and a width, by zooming into the best point of a logarithmic grid."""
    anchor = lower if math.isfinite(lower) else upper if math.isfinite(upper) else 0.0
    steps = np.exp(np.arange(-60.0, 60.0, 0.25))
    grid = anchor + np.concatenate([-steps[::-1], [0.0], steps])
    if math.isfinite(lower) and math.isfinite(upper):
        grid = np.concatenate([grid, np.linspace(lower, upper, 203)[1:-1]])
    grid = np.unique(grid[(grid > lower) & (grid < upper)])
    with np.errstate(all="ignore"):
        for _ in range(25):
            height = log_density(grid, np.zeros_like(grid))
            height = np.where(np.isposinf(height), -np.inf, height)
            i = int(np.argmax(height))
            left, right = grid[max(0, i - 1)], grid[min(len(grid) - 1, i + 1)]
            if not right - left > 1e-9 * (abs(left) + abs(right)):
                break
            grid = np.linspace(left, right, 41)
        mode, top = float(grid[i]), float(height[i])
    width = math.exp(-top) if -600 < top < 600 else 1.0
    return mode, width


def _density(P: Density, name: str) -> Law:
    box = np.asarray(P.support, dtype=float)
    family, params = P.family or "", P.params
    if box.ndim == 2:
        low, high = box[:, 0], box[:, 1]
        draw = P.sampler
        if draw is None and np.isfinite(box).all():
            raise ValueError(
                f"{name} is a Density in dimension {len(box)} without a sampler; "
                "pass sampler=(n, rng) -> draws"
            )

        def vector(x: np.ndarray) -> np.ndarray:
            inside = ((x >= low) & (x <= high)).all(axis=1)
            return np.where(inside, np.asarray(P.logpdf(x), dtype=float), -np.inf)

        return Law("vector", family, params, vector, dim=len(box), sampler=draw)
    lower, upper = float(box[0]), float(box[1])
    log_density = _shifted(P.logpdf, lower, upper, name)
    mode, width = _guess_center(log_density, lower, upper)
    centers = tuple(float(b) for b in P.breakpoints)
    return Law(
        "continuous",
        family,
        params,
        log_density,
        lower,
        upper,
        (mode, *centers),
        width,
        sampler=P.sampler,
        known=False,
    )


def _vector(P: Any, name: str) -> Law | None:
    """scipy's frozen multivariate laws, recognised by their attributes."""
    family = type(P).__name__.removesuffix("_frozen")
    if family not in ("multivariate_normal", "multivariate_t", "dirichlet"):
        return None
    params: dict[str, Any]
    if family == "multivariate_normal":
        params = {"mean": np.asarray(P.mean, dtype=float), "cov": np.asarray(P.cov, dtype=float)}
        dim = len(params["mean"])
    elif family == "multivariate_t":
        params = {"loc": np.asarray(P.loc), "shape": np.asarray(P.shape), "df": float(P.df)}
        dim = len(params["loc"])
    else:
        params = {"alpha": np.asarray(P.alpha, dtype=float)}
        dim = len(params["alpha"])
    rows = (lambda x: P.logpdf(x.T)) if family == "dirichlet" else P.logpdf

    def draw(n: int, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(P.rvs(size=n, random_state=rng), dtype=float).reshape(n, dim)

    return Law(
        "vector",
        family,
        params,
        lambda x: np.asarray(rows(x), dtype=float).reshape(-1),
        dim=dim,
        sampler=draw,
    )


def as_law(P: Any, name: str) -> Law:
    """The `Law` behind ``P``.

    Raises
    ------
    TypeError
        If ``P`` is not a distribution this package knows how to read; the message says what to pass.
    """
    if isinstance(P, Law):
        return P
    if hasattr(P, "as_law"):
        return P.as_law()
    if isinstance(P, Density):
        return _density(P, name)
    if hasattr(P, "freeze") and not hasattr(P, "dist"):  # stats.norm without parameters, rv_histogram
        P = P()
    if hasattr(P, "dist") and hasattr(P, "kwds"):
        return _frozen(P, name)
    if hasattr(P, "iccdf") and hasattr(P, "logpdf"):
        return _new(P, name)
    vector = _vector(P, name)
    if vector is not None:
        return vector
    raise TypeError(
        f"{name} is a {type(P).__name__}; pass a frozen scipy.stats distribution, "
        "or divergences.Density(logpdf, support)"
    )
