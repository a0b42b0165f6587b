"""Functionals of two continuous laws on the line, by quadrature of their log-densities.

The line is cut at the ends of both supports, so that no integrand jumps to zero inside a panel, and at the
centres of both laws. Where a log-density underflowed it is continued quadratically: what is summed there
counts as error, never as value or as proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from divergences._brackets import Measured, infinite
from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import UNDERFLOW, Law
from divergences._quadrature import Integral, Survey, integrate, rays, refined_peak, survey, tails

_EPS = float(np.finfo(np.float64).eps)
_ULPS = 8 * _EPS  # relative accuracy granted to a log-density
_FAR = 1e145
_SCALED = np.array([1.0, 0, 0, 1, 1, 1, 1, 0, 0])
_GOALS = (1e-13, 1e-12, 1e-12, 1e-2, 1e-2, 1e-2, 1e-2, 1e-4, 1e-4)


def integrate_line(what: Functional, p: Law, q: Law, rtol: float) -> Measured | Estimate:
    """The integral of the functional of two continuous laws, or the proof that it is infinite.

    Supports are taken to be decided (`divergences._supports`): they overlap, and circles are cut open.
    """
    if what.symmetric and (q.lower, q.upper, q.centers) < (p.lower, p.upper, p.centers):
        p, q = q, p  # equal both ways, to the last digit
    with np.errstate(all="ignore"):
        return _integrated(what, _Pair(what, p, q), rtol)


@dataclass(frozen=True)
class _Pair:
    """Two laws under one functional."""

    what: Functional
    p: Law
    q: Law

    @property
    def scale(self) -> float:
        return math.sqrt(self.p.scale) * math.sqrt(self.q.scale)

    @property
    def spread(self) -> float:
        return 0.5 * abs(math.log(self.p.scale) - math.log(self.q.scale))

    def logs(self, center: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log p, log q, and whether one of them is only a continuation."""
        lp, vague_p = continued(self.p, center, offset)
        lq, vague_q = continued(self.q, center, offset)
        if self.what.bounded:  # a density below e^-700 adds nothing to a bounded integral
            lp, lq = np.where(vague_p, -np.inf, lp), np.where(vague_q, -np.inf, lq)
        return lp, lq, vague_p | vague_q

    def heights(self, center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        """Logs of g where it is known, of p, of q, and of g where it is a continuation."""
        lp, lq, vague = self.logs(center, offset)
        height = self.what.log_integrand(lp, lq)
        vague = vague | (_blurred(self.what, lp, lq) > np.maximum(30.0, 0.05 * np.abs(height)))
        unknown = np.where(vague & (not self.what.bounded), height, -np.inf)
        return np.stack([np.where(vague, -np.inf, height), lp, lq, unknown])

    def points(self) -> list[float]:
        ends = (self.p.lower, self.p.upper, self.q.lower, self.q.upper)
        known = (self.p.known_lower, self.p.known_upper, self.q.known_lower, self.q.known_upper)
        reach = 1e100 * self.scale
        near = [k for k in known if abs(k) < reach]
        return [*self.p.centers, *self.q.centers, *(e for e in ends if math.isfinite(e)), *near]


def continued(law: Law, center: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The log-density, continued quadratically where it underflowed, and where that is."""
    value = law.log_density(center, offset)
    vague = np.zeros(value.shape, dtype=bool)
    if math.isinf(law.upper - law.lower):  # 10^145 scales out squares overflow
        far = np.isneginf(value) & (np.abs(offset) > law.scale * _FAR)
        far &= (center + offset > law.lower) & (center + offset < law.upper)
        value = np.where(far, -1e300, value)
    if law.known_lower <= law.lower and law.known_upper >= law.upper and not law.underflows:
        return value, vague
    x = center + offset
    below = (x < law.known_lower) & (x > law.lower)
    above = (x > law.known_upper) & (x < law.upper)
    lost = np.isneginf(value)  # at the edge itself, by rounding
    below |= lost & (x == law.known_lower) & (x > law.lower)
    above |= lost & (x == law.known_upper) & (x < law.upper)
    middle = law.centers[0]
    if law.underflows:
        vague = (value < UNDERFLOW) & (x > law.lower) & (x < law.upper)
        value = np.where(vague, UNDERFLOW, value)
    with np.errstate(all="ignore"):
        edges = (law.known_lower, law.floor_lower), (law.known_upper, law.floor_upper)
        for region, (edge, floor) in zip((below, above), edges):
            if region.any() and math.isfinite(edge):
                ratio = np.maximum(np.abs((x - middle) / (edge - middle)), 1.0)
                value = np.where(region, np.maximum(floor * ratio**2, min(floor, -1e300)), value)
    return value, vague | below | above


def _integrated(what: Functional, pair: _Pair, rtol: float) -> Measured | Estimate:
    points = pair.points()
    lower, upper = min(pair.p.lower, pair.q.lower), max(pair.p.upper, pair.q.upper)
    seen = survey(pair.heights, rays(lower, upper, points, pair.scale, pair.spread))
    if seen.height[0].max() == np.inf:  # at a node one density is zero and the other is not
        return infinite("supports: one density vanishes where the other does not", seen.v.size)
    _require_density(seen, pair)
    unit = 0.0
    if seen.height[0].max() > -np.inf:
        top, place, width = refined_peak(pair.heights, seen)
        if width < 0.3 * abs(place - seen.center[seen.peak]) and lower < place < upper:
            # the integrand peaks away from both laws
            seen = survey(pair.heights, rays(lower, upper, [*points, place], pair.scale, pair.spread))
            top = max(top, float(seen.height[0].max()))
        unit = top if top > 500 or (top < -500 and what.finish_log is not None) else 0.0
    verdict, missing, where = tails(seen, _sure(pair, seen))
    if verdict == "infinite" and not what.bounded:
        return infinite(f"quadrature: divergent tail at {where}", seen.v.size)
    sums = _Sums(pair, unit)
    goals = np.array(_GOALS)
    goals[0] = min(rtol / 4, goals[0])
    done = integrate(sums, seen, goals=goals, unit=unit, scaled=_SCALED, kinks=what.kinks)
    with np.errstate(over="ignore"):
        done.errors[:4] += np.exp(missing - np.array([unit, 0.0, 0.0, unit]))
    if sums.uncovered:
        return infinite("supports: one density vanishes where the other does not", done.n_evaluations)
    _require_mass(pair, done)
    if what.companion is not None and (unit > 0 or done.values[0] > 0.5):
        instead = what.companion()
        return _integrated(instead, replace(pair, what=instead), rtol)
    unclear = verdict == "unclear" or _cut_short(pair, float(done.values[0]), unit)
    blur = _blurred(what, seen.height[1], seen.height[2])
    level = unit + math.log(max(float(done.values[0]), 1e-300)) - 34
    unclear |= bool(((blur > 30) & (seen.height[3] + blur > level)).any())
    return _measured(what, done, sums, unit=unit, unclear=unclear)


def _sure(pair: _Pair, seen: Survey) -> np.ndarray:
    """Where both log-densities are numbers, and their rounding does not decide the integrand's size."""
    x = seen.center + seen.sign * np.exp(seen.v)
    sure = np.ones(seen.v.size, dtype=bool)
    for law in (pair.p, pair.q):
        sure &= (x >= law.known_lower) | (x <= law.lower)
        sure &= (x <= law.known_upper) | (x >= law.upper)
    return sure & ~(seen.height[3] > -np.inf)


def _blurred(what: Functional, lp: np.ndarray, lq: np.ndarray) -> np.ndarray:
    """Rounding error of a log + b log of (p, q) in p^a q^b, which cancel where the laws' tails are alike."""
    if what.mixing is None:
        return np.zeros(lp.shape)
    a, b = what.mixing
    with np.errstate(all="ignore"):
        noise = 4 * _EPS * (np.abs(a * lp) + np.abs(b * lq))
        leads = a * lp + b * lq + noise > np.maximum(lp, lq)  # else p or q alone is the integrand
    return np.where(np.isfinite(noise) & leads, noise, 0.0)


def _cut_short(pair: _Pair, value: float, unit: float) -> bool:
    """Whether a log-density still decides the integrand where it ceases to be known.

    What counts is the derivative of the integrand in that log-density, times its size: beside the end of P,
    KL may consist of q alone.
    """
    if pair.what.bounded or not value > 0:
        return False
    for k, law in enumerate((pair.p, pair.q)):
        edges = (law.known_lower, law.lower), (law.known_upper, law.upper)
        for edge, end in edges:
            reach = abs(edge - (end if math.isfinite(end) else law.centers[0]))
            if edge == end or not 0 < reach < math.inf:
                continue
            inward = math.copysign(1e-6 * reach, law.centers[0] - edge)
            logs = pair.logs(np.array([edge]), np.array([inward]))[:2]
            level = float(max(logs[0][0], logs[1][0]))
            if not math.isfinite(level):
                continue
            slope = float(pair.what.parts(logs[0] - level, logs[1] - level)[1 + k][0])
            share = math.log(slope) + level + math.log1p(abs(float(logs[k][0]))) if slope > 0 else -math.inf
            if not share + math.log(reach) - unit <= math.log(value) - 34:
                return True
    return False


class _Sums:
    """The integrand of the nine sums: g, p, q, unknown g, rounding, |∂g/∂log p|, |∂g/∂log q|, tv, h²."""

    def __init__(self, pair: _Pair, unit: float) -> None:
        self.pair, self.unit = pair, unit
        self.uncovered = False
        self.worst = np.zeros(2)  # largest |∂g/∂p|, |∂g/∂q| met beside unresolved places

    def __call__(self, center: np.ndarray, offset: np.ndarray) -> np.ndarray:
        what, unit = self.pair.what, self.unit
        lp, lq, vague = self.pair.logs(center, offset)
        g, dp, dq = what.parts(lp - unit, lq - unit)
        dens_p, dens_q = np.exp(lp), np.exp(lq)
        if np.isposinf(g).any():
            hole = np.isposinf(g) & ~vague
            self.uncovered |= bool((hole & (np.isneginf(lp) | np.isneginf(lq))).any())
            g = np.where(np.isfinite(g), g, 0.0)
        with np.errstate(all="ignore"):
            shares = np.abs(offset) < 1e-6 * np.abs(center)
            for i, (law, dens, slope) in enumerate(((self.pair.p, dens_p, dp), (self.pair.q, dens_q, dq))):
                met = shares & (dens * np.abs(offset) > 1e-13) if law.rounded else np.zeros(1, dtype=bool)
                if met.any():
                    self.worst[i] = max(self.worst[i], float(np.max(slope[met] / dens[met])))
            off_p = _ULPS * (1 + self.pair.p.grain + np.where(dens_p > 0, np.abs(lp), 0))
            off_q = _ULPS * (1 + self.pair.q.grain + np.where(dens_q > 0, np.abs(lq), 0))
            # First order in a rounded log-density, and second: all there is where p and q round alike.
            noise = dp * off_p + dq * off_q
            if unit == 0.0 and not what.pure:
                noise = noise + dens_p * off_p**2 + dens_q * off_q**2
            tv, h2 = 0.5 * np.abs(dens_p - dens_q), 0.5 * (np.sqrt(dens_p) - np.sqrt(dens_q)) ** 2
        unknown = np.where(vague & (not what.bounded), g, 0.0)
        rows = [g, dens_p, dens_q, unknown, noise, dp, dq, tv, h2]
        rows = [np.where(np.isfinite(r), r, 0.0) for r in rows]
        return np.stack([*rows, np.sign(dens_p - dens_q)] if what.kinks else rows)


def _require_density(seen: Survey, pair: _Pair) -> None:
    """Refuse what cannot be a density: its integral diverges at an end of the line."""
    for k, law in ((1, pair.p), (2, pair.q)):
        heights = replace(seen, height=seen.height[k : k + 1])
        verdict, _, where = tails(heights, np.ones(seen.v.size, dtype=bool))
        if verdict == "infinite":
            raise ValueError(
                f"{law.name}'s density is not integrable at {where}: it is not normalised. If it was "
                "passed as "
                "Density(pdf), pass its logarithm: Density(lambda x: numpy.log(pdf(x)), support)"
            )


def _require_mass(pair: _Pair, done: Integral) -> None:
    for k, law in ((1, pair.p), (2, pair.q)):
        mass, error = float(done.values[k]), float(done.errors[k])
        if abs(mass - 1) > 1e-6 + min(error, 1e-3):
            raise ValueError(
                f"{law.name}'s density integrates to {mass:.9g}, not 1: it is not normalised, or mass "
                "hides in "
                "a peak the quadrature did not see (pass Density(..., breakpoints=[its position])), or "
                "beside a singularity that floating-point positions cannot approach (shift it to 0)"
            )


def _measured(what: Functional, done: Integral, sums: _Sums, *, unit: float, unclear: bool) -> Measured:
    value = float(done.values[0])
    error = float(done.errors[0] + done.values[4] + done.values[3] + done.errors[3])
    slack = 0.0
    for k in (0, 1):  # a log-density wrong by a constant, or mass lost next to a singularity
        defect = abs(float(done.values[1 + k]) - 1) + float(done.errors[1 + k])
        lost = float(sums.worst[k]) if unit == 0.0 and defect > 1e-12 else 0.0
        error += defect * (float(done.values[5 + k]) + lost) if defect > 0 else 0.0
        slack += defect
    unclear = unclear or (not what.bounded and float(done.values[3]) > 1e-3 * value)
    tv, h2 = (
        (
            max(0.0, float(done.values[k] - done.errors[k] - slack)),
            float(done.values[k] + done.errors[k] + slack),
        )
        for k in (7, 8)
    )
    return Measured(
        what, value, error, "quadrature", done.n_evaluations, unit=unit, open_above=unclear, near=(tv, h2)
    )
