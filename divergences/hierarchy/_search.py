"""Two-sided worst-case search: no pair takes lesser/greater above 1, and some pair takes it to 1.

The second half is what gives the first its power: a bound that no pair comes near would survive a halved
functional. The search runs on floats, many starts at once (`_spaces`); the winner is then judged by
rational enclosures.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from divergences.hierarchy._bound import Bound, Check, Encloses, Verdict
from divergences.hierarchy._functions import FloatMath
from divergences.hierarchy._spaces import Gaussians, LinePoints, Space, Steps, ThreePoints, Values


@dataclass(frozen=True)
class Searched:
    """Outcome of `worst_case` for one bound.

    Attributes
    ----------
    bound : str
    ratio_lower, ratio_upper : float
        Enclosure of the largest ratio lesser/greater found (rational, rounded outward to floats).
    check : Check
        Its verdict.
    pair : object
        The pair that attains it.
    evaluations : int
    cloud : (m, 2) array
        (given, target) of pairs met on the way, for pictures.
    """

    bound: str
    ratio_lower: float
    ratio_upper: float
    check: Check
    pair: Encloses
    evaluations: int
    cloud: np.ndarray

    @property
    def passed(self) -> bool:
        """Never above 1, and at least 1 - 1e-4 reached."""
        return self.check.verdict is not Verdict.VIOLATED and self.ratio_lower >= 1 - 1e-4


def space_of(bound: Bound) -> Space:
    """The family a bound is searched on."""
    if "sigma" in bound.space:
        return Gaussians()
    if "density" in bound.space:
        return Steps()
    return LinePoints() if "kolmogorov" in bound.functionals else ThreePoints()


def ratios(bound: Bound, values: Values, tv_limit: float = 1.0) -> np.ndarray:
    """lesser / greater; 0 where it says nothing, where floats cannot tell, or where TV exceeds the limit."""
    with np.errstate(all="ignore"):
        lesser, greater = bound.sides(values, FloatMath)
        ratio = np.asarray(lesser) / np.asarray(greater)
    tv = np.asarray(values.get("tv", min(tv_limit, 1.0)))
    # Nearly equal, or nearly disjoint, laws cancel digits of TV or 1 - TV; limits are reached well before.
    clear = (tv >= 1e-5) & (tv <= tv_limit) & ((tv <= 1 - 1e-7) | (tv == 1))
    return np.where(np.isfinite(ratio) & clear, ratio, 0.0)


def worst_case(bound: Bound, *, starts: int = 192, rounds: int = 200, rng: Any = 0) -> Searched:
    """Maximise lesser/greater of ``bound`` over pairs; the winner is judged by enclosures.

    Parameters
    ----------
    starts, rounds : int
        Candidates moved together, and moves of each: adaptive random steps, restarts near the best and
        afresh.
    rng : int or Generator

    Returns
    -------
    Searched

    Examples
    --------
    >>> from divergences.hierarchy import BOUNDS
    >>> found = worst_case(BOUNDS["pinsker"], starts=16, rounds=5)
    >>> 0 < found.ratio_lower <= found.ratio_upper <= 1 + 1e-12
    True
    """
    rng = np.random.default_rng(rng)
    if bound.name == "bretagnolle_huber":
        return _search_at_infinity(bound)
    space = space_of(bound)
    # Anywhere, then among nearly equal laws: some bounds have a second basin, towards TV = 1, that leads
    # to ratio 1 at the pace 1/log only and would swallow every candidate.
    runs = [_climb(bound, space, limit, starts, rounds, rng) for limit in (1.0, 0.05)]
    finalists = [space.pair(x[i]) for x, score, _ in runs for i in np.argsort(score)[-3:]]
    cloud = np.concatenate([cloud for *_, cloud in runs])
    return _judge(bound, finalists, 2 * starts * (rounds + 1), cloud)


def _climb(
    bound: Bound, space: Space, tv_limit: float, starts: int, rounds: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = frozenset((*bound.functionals, *bound.space, "tv"))
    x = space.start(starts, rng)
    score, step = ratios(bound, space.values(x, names), tv_limit), np.full(starts, 1.0)
    clouds = []
    for k in range(rounds):
        mask = rng.random(x.shape) < 0.5
        trial = x + mask * step[:, None] * rng.normal(size=x.shape)
        values = space.values(trial, names)
        trial_score = ratios(bound, values, tv_limit)
        better = trial_score > score
        x, score = np.where(better[:, None], trial, x), np.where(better, trial_score, score)
        step = np.clip(np.where(better, step * 1.6, step * 0.9), 1e-5, 8.0)
        if k % 10 == 0:
            clouds.append(np.stack([values[bound.given[0]], values[bound.target]], 1))
        if k % 30 == 29:
            order, quarter = np.argsort(score), starts // 4
            near, afresh = order[:quarter], order[quarter : 2 * quarter]
            x[near] = x[rng.choice(order[-8:], quarter)] + rng.normal(0, 0.3, (quarter, x.shape[1]))
            x[afresh] = space.start(quarter, rng)
            score[order[: 2 * quarter]], step[order[: 2 * quarter]] = 0.0, 0.5
    return x, score, np.concatenate(clouds)


def _judge(bound: Bound, finalists: list[Encloses], evaluations: int, cloud: np.ndarray) -> Searched:
    """Exact verdict of the few best candidates; a violation counts before the largest proved ratio."""
    checks = [(bound.check(pair), pair) for pair in finalists]
    best, pair = max(checks, key=lambda c: (c[0].verdict is Verdict.VIOLATED, c[0].ratio.lo))
    low, high = float(best.ratio.lo), float(best.ratio.hi)
    return Searched(bound.name, low, high, best, pair, evaluations, cloud)


def _search_at_infinity(bound: Bound) -> Searched:
    """A supremum reached at the pace 1/log lies beyond floats: climb in the exponent, in fractions."""
    k, best = 1, bound.check(bound.extremal(1))
    path, steps = [], 1
    while best.ratio.lo < 1 - Fraction(1, 10**4) and k < 2**16:
        k, steps = 2 * k, steps + 1
        best = bound.check(bound.extremal(k))
        path.append((1 - 2.0 ** -min(k, 60), float(best.greater)))
    low, high = float(best.ratio.lo), float(best.ratio.hi)
    return Searched(bound.name, low, high, best, bound.extremal(k), steps, np.array(path))
