"""One face for every kind of distribution: scipy.stats (old and new), `Density`, multivariate laws.

scipy.stats takes half a second to import, so it is never imported here: whoever passes a scipy distribution
has paid for it already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

LogDensity = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(centre, offset) -> log-density at centre + offset, formed so that a small offset is not rounded away."""

REACH = 345.0  # log distances run to scale * e^±345 (1e±150): squares stay finite
HIGHEST = 700.0  # no position is beyond e^700
UNDERFLOW = -700.0  # log(pdf) loses its digits below e^-708


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
    family : str
        scipy's name if the law is scipy's own, ``Density.family``, or the name of a home-made class:
        what closed forms are looked up by.
    genuine : bool
        The family and ``params`` determine the law (scipy's own generators, Gaussian mixtures).
    log_density : LogDensity or (n, d) -> (n,) for vectors, or x -> log-mass for discrete laws
    lower, upper : float
        The support.
    known_lower, known_upper : float
        Where the log-density is a number; between these and the support it underflowed, and nothing is
        known but that it is small. See `settled`.
    floor_lower, floor_upper : float
        The log-density at those places.
    underflows : bool
        The log-density is log(pdf): -inf inside the support may only mean "below e^-745".
    rounded : bool
        centre + offset is formed in the working precision: nothing is known closer than that to an end.
    grain : float
        Size of the largest term a log-density adds up: what its rounding error is relative to.
    atoms, lattice : array or None, float or None
        Places of a discrete law: listed, or lattice + integers.
    period : float or None
        The law lives on a circle of this length.
    quantiles : tuple of functions or None
        ppf, isf, cdf, sf where they are formulas, accurate in both tails.
    affine : pair of arrays or None
        Of elliptical vectors: the centre and the matrix whose range is the direction of the support.
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
    rounded: bool = False
    genuine: bool = False
    known_lower: float = -math.inf
    known_upper: float = math.inf
    floor_lower: float = UNDERFLOW
    floor_upper: float = UNDERFLOW
    grain: float = 0.0
    quantiles: tuple[Callable, Callable, Callable, Callable] | None = None
    atoms: np.ndarray | None = None
    lattice: float | None = None
    period: float | None = None
    name: str = "P"
    dim: int = 1
    sampler: Callable[[int, np.random.Generator], np.ndarray] | None = None
    affine: tuple[np.ndarray, np.ndarray] | None = None


def shifted(logpdf: Callable, lower: float, upper: float, name: str) -> LogDensity:
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


def _alive(law: Law) -> LogDensity:
    """The log-density, -inf where it is NaN or a log(pdf) without digits."""
    floor = UNDERFLOW if law.underflows else -math.inf

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            value = law.log_density(center, offset)
        return np.where(value > floor, value, -np.inf)

    return log_density


def _last_place(f: LogDensity, center: float, sign: float, v: np.ndarray) -> tuple[float, float] | None:
    """Where f turns to -inf for good along center + sign·exp(v), and its value just before it, if it does."""
    with np.errstate(all="ignore"):
        height = f(np.full(v.shape, center), sign * np.exp(v))
    alive = np.flatnonzero(height > -math.inf)
    if not alive.size or alive[-1] == v.size - 1:
        return None
    last = int(alive[-1])
    inside, outside, value = float(v[last]), float(v[last + 1]), float(height[last])
    for _ in range(60):
        middle = 0.5 * (inside + outside)
        got = float(f(np.array([center]), np.array([sign * math.exp(middle)]))[0])
        if got > -math.inf:
            inside, value = middle, got
        else:
            outside = middle
    return center + sign * math.exp(inside), value


def settled(law: Law) -> Law:
    """The law with its true support, and the part of it where the log-density is known.

    Walking outwards from the outermost centre, or inwards from an end of the support, the log-density may
    be -inf or NaN on the side of the end. If it falls there from above e^-650 the support ends there; if
    it had been falling for long (or is a log(pdf)), it underflowed, and what lies beyond is unknown.
    """
    changes: dict[str, Any] = {}
    base, f = math.log(law.scale), _alive(law)
    inner = [c for c in law.centers if law.lower < c < law.upper] or list(law.centers)
    for sign, side in ((-1.0, "lower"), (1.0, "upper")):
        end = getattr(law, side)
        center = (min if sign < 0 else max)(inner)
        known = f"known_{side}"
        if math.isfinite(end):
            changes[known] = end
            room = math.log(abs(end - center)) if end != center else -math.inf
            v = np.arange(room - 0.01, min(room, base) - REACH, -0.5)
            found = _last_place(f, end, -sign, v) if v.size else None
        else:
            top = min(base + REACH, HIGHEST)
            found = _last_place(f, center, sign, top - 0.5 * np.arange(2 * (REACH + 12))[::-1])
        if found is not None:
            changes[known] = found[0]
            if found[1] > -650 and not law.underflows:
                changes[side] = found[0]
            changes[f"floor_{side}"] = min(found[1], UNDERFLOW)
    return replace(law, **changes)


def extended(f: LogDensity, ends: list[float], width: float) -> LogDensity:
    """``f`` with its power law beside ``ends``, where centre + offset rounds to few digits of the offset.

    Within 2^-20 of an end, log f is continued as A + s log d + B d + C d², d the distance, through the
    values at four distances further out; only if that predicts f at 2^-24 as well as rounding lets it.
    """
    fits: dict[tuple[float, float], tuple[float, np.ndarray]] = {}
    for end in ends:
        unit = min(abs(end), width)
        if not (math.isfinite(end) and end != 0 and unit > abs(end) / 64):
            continue
        for sign in (-1.0, 1.0):
            d = unit * 2.0 ** -np.array([10.0, 13.0, 16.0, 20.0])
            rows = np.stack([np.ones(4), np.log(d), d, d * d], axis=1)
            check = unit * 2.0**-24
            with np.errstate(all="ignore"):
                got = f(np.full(5, end), sign * np.append(d, check))
            if not np.isfinite(got).all():
                continue
            scaled = rows / np.abs(rows).max(axis=0)
            fit = np.linalg.solve(scaled, got[:4]) / np.abs(rows).max(axis=0)
            predicted = fit @ np.array([1.0, math.log(check), check, check * check])
            if abs(predicted - got[4]) <= 2.0**-22 * (1 + abs(float(fit[1]))):
                fits[end, sign] = float(d[-1]), fit

    if not fits:
        return f

    def log_density(center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        value = f(center, offset)
        for (end, sign), (reach, fit) in fits.items():
            near = (center == end) & (np.abs(offset) < reach) & (offset * sign > 0)
            if near.any():
                d = np.abs(offset[near])
                value[near] = fit[0] + fit[1] * np.log(d) + fit[2] * d + fit[3] * d * d
        return value

    return log_density


def guess_center(log_density: LogDensity, lower: float, upper: float) -> tuple[float, float]:
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


def density_law(P: Density, name: str) -> Law:
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
    log_density = shifted(P.logpdf, lower, upper, name)
    mode, width = guess_center(log_density, lower, upper)
    breaks = [float(b) for b in P.breakpoints]
    log_density = extended(log_density, [lower, upper, *breaks], width)
    law = Law("continuous", family, params, log_density, lower, upper, (mode, *breaks), width)
    return settled(replace(law, sampler=P.sampler, name=name, rounded=True))
