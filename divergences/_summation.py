"""Functionals of discrete laws: direct sums, and geometric blocks with a convexity bracket for the tails."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from divergences._brackets import Measured, infinite, singular
from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import UNDERFLOW, Law

_EPS = float(np.finfo(np.float64).eps)
_DIRECT = 1 << 14  # atoms summed one by one to each side of a median
_LISTED = 1 << 20  # a support of at most so many atoms is summed whole
_LAST = 2.0**50  # integers beyond lose their neighbours in float64
_BUDGET = 1 << 22
_GONE = -2000.0  # logs below it leave no trace, of whatever functional with a finite value
_ULPS = 8 * _EPS


def sum_discrete(what: Functional, p: Law, q: Law) -> Measured | Estimate:
    """The sum of the functional of two laws on a countable set with its bracket, or why it is infinite.

    Atoms around the medians are summed directly. Beyond, the integrand is taken to be convex along the
    integers within a block, which brackets each block between its midpoint and trapezoid values; blocks grow
    with the distance and are split until the brackets are narrow.
    """
    if what.symmetric and (q.lower, q.upper, q.centers) < (p.lower, p.upper, p.centers):
        p, q = q, p  # equal both ways, to the last digit
    atoms, gaps = places(p, q)
    with np.errstate(all="ignore"):
        pair = _Pair(what, p, q, 0.0)
        trimmed = [_trimmed(pair, _blocks(*gap)) for gap in gaps]
        blocks = [block for block, _ in trimmed]
        top = max([pair.heights(atoms).max(initial=-np.inf), *(height for _, height in trimmed)])
        if top > 500 or (top < -500 and what.finish_log is not None):
            pair = replace(pair, unit=float(top) if math.isfinite(top) else 0.0)
        return _summed(pair, atoms, blocks)


def places(p: Law, q: Law, *, direct: int = _DIRECT) -> tuple[np.ndarray, list[tuple[float, float, float]]]:
    """Atoms to sum one by one, and the gaps between and beyond them: (first atom, direction, last atom)."""
    listed = [law.atoms for law in (p, q) if law.atoms is not None]
    lattices = [law for law in (p, q) if law.lattice is not None]
    if len(lattices) == 2 and p is q:
        lattices.pop()
    if not lattices:
        return np.unique(np.concatenate(listed)), []
    base = float(lattices[0].lattice or 0.0)
    lower, upper = min(law.lower for law in lattices), max(law.upper for law in lattices)
    if upper - lower <= _LISTED:
        own = base + np.arange(np.rint(lower - base), np.rint(upper - base) + 1)
        return np.unique(np.concatenate([own, *listed])), []
    spans = []
    for law, center in [(each, c) for each in lattices for c in each.centers]:
        middle = float(np.rint(center - base))
        radius = [_radius(law, base + middle, sign, direct) for sign in (-1.0, 1.0)]
        spans.append(
            (max(np.rint(lower - base), middle - radius[0]), min(np.rint(upper - base), middle + radius[1]))
        )
    spans.sort()
    merged = [spans[0]]
    for low, high in spans[1:]:
        if low <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    atoms = base + np.concatenate([np.arange(low, high + 1) for low, high in merged])
    gaps = []
    if base + merged[0][0] > lower:
        gaps.append((base + merged[0][0] - 1, -1.0, lower))
    for (_, left), (right, _) in itertools.pairwise(merged):
        half = left + 1 + math.floor((right - left - 2) / 2)
        gaps += [(base + left + 1, 1.0, base + half), (base + right - 1, -1.0, base + half + 1)]
    if base + merged[-1][1] < upper:
        gaps.append((base + merged[-1][1] + 1, 1.0, upper))
    gaps = [gap for gap in gaps if (gap[2] - gap[0]) * gap[1] >= 0]
    return np.unique(np.concatenate([atoms, *listed])) if listed else atoms, gaps


def _radius(law: Law, middle: float, sign: float, direct: int) -> float:
    """A power of two beyond which the law's masses are below e^-100, at most ``direct``."""
    # Quantiles would be the obvious way; scipy's default isf sums 3e8 terms for a Zipf law.
    radius = 32.0
    while radius < direct and float(law.log_density(np.array([middle + sign * radius]))[0]) > -100:
        radius *= 2
    return radius


@lru_cache(maxsize=8)
def _sizes(room: float) -> np.ndarray:
    """Lengths 2^j - 1, about 1/64 of the distance travelled, that fill ``room``."""
    lengths, position = [], 0.0
    while position < room:
        length = 2.0 ** math.floor(math.log2((position + 128) / 64)) - 1
        while length > room - position:
            length = (length - 1) / 2
        lengths.append(length)
        position += length
    return np.array(lengths)


@dataclass(frozen=True)
class _Blocks:
    """Runs of 2^j - 1 consecutive atoms: the first of each in walking order, and its length."""

    first: np.ndarray
    size: np.ndarray
    sign: float
    endless: bool

    @property
    def middle(self) -> np.ndarray:
        return self.first + self.sign * (self.size - 1) / 2

    @property
    def last(self) -> np.ndarray:
        return self.first + self.sign * (self.size - 1)

    def split(self, which: np.ndarray) -> _Blocks:
        """2^j - 1 = (2^(j-1) - 1) + 1 + (2^(j-1) - 1)."""
        first, half = self.first[which], (self.size[which] - 1) / 2
        starts = [first, first + self.sign * half, first + self.sign * (half + 1)]
        return _Blocks(
            np.concatenate(starts), np.concatenate([half, np.ones_like(half), half]), self.sign, False
        )


def _blocks(start: float, sign: float, end: float) -> _Blocks:
    """Blocks from ``start`` to ``end``, of lengths that grow like the distance travelled."""
    endless = math.isinf(end)
    size = _sizes(min(abs(end - start) + 1, _LAST))
    return _Blocks(start + sign * (np.cumsum(size) - size), size, sign, endless)


def _trimmed(pair: _Pair, blocks: _Blocks) -> tuple[_Blocks, float]:
    """The blocks less an end in which nothing is left of either law; the top of the integrand's log."""
    lp, lq, vague = pair.logs(blocks.middle)
    height = pair.what.log_integrand(lp, lq)
    height = np.where(vague | np.isnan(height) | np.isposinf(height), -np.inf, height)
    top = float(height.max(initial=-np.inf))
    alive = np.flatnonzero((lp > _GONE) | (lq > _GONE) | (height > min(top, 0.0) + _GONE))
    last = int(alive[-1]) + 3 if alive.size else 1
    if last >= len(blocks.size):
        return blocks, top
    return _Blocks(blocks.first[:last], blocks.size[:last], blocks.sign, False), top


@dataclass(frozen=True)
class _Pair:
    what: Functional
    p: Law
    q: Law
    unit: float

    def logs(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """log p, log q, and where one of them underflowed."""
        found, vague = [], np.zeros(x.shape, dtype=bool)
        for law in (self.p, self.q):
            value = np.asarray(law.log_density(x), dtype=float)
            if law.underflows and not self.what.bounded:
                low = (value < UNDERFLOW) & (x >= law.lower) & (x <= law.upper)
                value, vague = np.where(low, UNDERFLOW, value), vague | low
            found.append(value)
        return found[0], found[1], vague

    def heights(self, x: np.ndarray) -> np.ndarray:
        lp, lq, vague = self.logs(x)
        height = self.what.log_integrand(lp, lq)
        return np.where(vague | np.isnan(height) | np.isposinf(height), -np.inf, height)

    def rows(self, x: np.ndarray) -> np.ndarray:
        """g, p, q, rounding, |∂g/∂log p|, |∂g/∂log q|, vague, tv, h², infinite at the atoms: (10, n)."""
        lp, lq, vague = self.logs(x)
        g, dp, dq = self.what.parts(lp - self.unit, lq - self.unit)
        p, q = np.exp(lp), np.exp(lq)
        infinite_here = np.isposinf(g) & ~vague
        noise = np.zeros_like(g)
        for law, d, log in ((self.p, dp, lp), (self.q, dq, lq)):
            size = 1 + np.where(d > 0, np.abs(log), 0) + law.grain * np.abs(x) * np.log(2 + np.abs(x))
            noise = noise + np.where(np.isfinite(d), d, 0.0) * _ULPS * size
        tv, h2 = 0.5 * np.abs(p - q), 0.5 * (np.sqrt(p) - np.sqrt(q)) ** 2
        rows = [g, p, q, noise, dp, dq, np.where(vague, g, 0.0), tv, h2]
        return np.stack([*(np.where(np.isfinite(r), r, 0.0) for r in rows), 1.0 * infinite_here])


def _summed(pair: _Pair, atoms: np.ndarray, blocks: list[_Blocks]) -> Measured | Estimate:
    what = pair.what
    table = pair.rows(atoms)
    if table[9].any() and (what.singular_p or what.singular_q):
        return infinite("supports: an atom of one law has no mass in the other", atoms.size)
    sums, errors, used = table.sum(axis=1), np.zeros(10), atoms.size
    verdict = "finite"
    for block in blocks:
        value, slack, end, n = _tail_sum(pair, block, sums)
        sums, errors, used = sums + value, errors + slack, used + n
        verdict = max(verdict, end, key=["finite", "unclear", "infinite"].index)
    if sums[9] > 0:
        if not what.bounded and not (what.singular_p or what.singular_q):
            raise ArithmeticError(f"the integrand of {what.name} overflowed")
        return infinite("supports: an atom of one law has no mass in the other", used)
    if verdict == "infinite" and not what.bounded:
        return infinite("summation: divergent tail", used)
    _require_mass(pair, sums, errors)
    if what.companion is not None and (pair.unit > 0 or sums[0] > 0.5):
        return sum_discrete(what.companion(), pair.p, pair.q)
    if sums[7] >= 1 - 1e-15 and not (table[1] * table[2]).any() and not blocks:
        return singular(what, "supports")
    error = float(errors[0] + sums[3] + errors[3] + sums[6] + errors[6]) + 16 * _EPS * float(sums[0])
    lost = 0.0
    for k in (1, 2):
        defect = abs(float(sums[k]) - 1) + float(errors[k]) + 4e-16
        error += defect * float(sums[3 + k])
        lost += defect
    unclear = verdict == "unclear" or float(sums[6]) > 1e-3 * float(sums[0])
    tv, h2 = ((max(0.0, sums[k] - errors[k] - lost), sums[k] + errors[k] + lost) for k in (7, 8))
    return Measured(
        what,
        float(sums[0]),
        error,
        "summation",
        used,
        unit=pair.unit,
        open_above=unclear,
        near=(tv, h2),
    )


def _require_mass(pair: _Pair, sums: np.ndarray, errors: np.ndarray) -> None:
    for k, law in ((1, pair.p), (2, pair.q)):
        if abs(sums[k] - 1) > 1e-6 + min(errors[k], 1e-3):
            raise ValueError(
                f"the probabilities of {law.name} sum to {sums[k]:.9g}, not 1: they are not normalised, "
                "or its tail "
                "is too heavy to be summed"
            )


def _tail_sum(pair: _Pair, blocks: _Blocks, so_far: np.ndarray) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Sums of the rows over the blocks, brackets' half-widths, verdict, evaluations."""
    total, slack, used = np.zeros(10), np.zeros(10), 0
    verdict, ends = "finite", []
    if blocks.endless:
        heights, sure = _end_heights(pair, blocks)
        ends = [_ending(np.abs(blocks.middle), height) for height in heights]
        verdict = ends[0][0]
        verdict = "unclear" if verdict == "infinite" and not sure else verdict
        if verdict == "infinite" and not pair.what.bounded:
            return total, slack, verdict, blocks.size.size
    fine = 1e-14 if verdict == "finite" else 1e-6  # an open interval needs no digits
    goal = fine * (so_far[:3] + 1e-300)
    while True:
        left, middle, right = (pair.rows(x) for x in (blocks.first, blocks.middle, blocks.last))
        used += 3 * blocks.size.size
        trapezoid, midpoint = blocks.size * (left + right) / 2, blocks.size * middle
        value, gap = (2 * midpoint + trapezoid) / 3, np.abs(trapezoid - midpoint)
        whole = total + value.sum(axis=1)
        goal = np.maximum(goal, fine * whole[:3])
        coarse = (gap[:3] > goal[:, None] / (8 + len(blocks.size))).any(axis=0) & (blocks.size > 1)
        if not coarse.any() or used > _BUDGET:
            total, slack = whole, slack + gap.sum(axis=1)
            break
        total = total + value[:, ~coarse].sum(axis=1)
        slack = slack + gap[:, ~coarse].sum(axis=1)
        blocks = blocks.split(coarse)
    for k, (_, rest, doubt) in enumerate(ends):
        if math.isfinite(rest):
            total[k] += rest
        slack[k] += doubt
    return total, slack, verdict, used


def _end_heights(pair: _Pair, outer: _Blocks) -> tuple[list[np.ndarray], bool]:
    """log(term · |k|) of g (less the unit), p, q along the blocks; whether rounding leaves g's end sure."""
    x = outer.middle
    lp, lq, vague = pair.logs(x)
    base = np.log(np.abs(x))
    height = pair.what.log_integrand(lp, lq) - pair.unit + base
    height = np.where(vague | np.isnan(height), -np.inf, height)
    sure = True
    if pair.what.mixing is not None:  # elsewhere the logs enter as a factor, whose rounding is relative
        last = slice(-1, None)
        size = [law.grain * np.abs(x[last]) * np.log(2 + np.abs(x[last])) for law in (pair.p, pair.q)]
        logs = (np.abs(lp[last]), np.abs(lq[last]))
        noise = sum(_ULPS * abs(m) * (log + s) for m, log, s in zip(pair.what.mixing, logs, size))
        sure = bool(float(np.max(noise)) <= 1 + 0.05 * abs(float(height[-1])))
    return [height, lp + base, lq + base], sure


def _ending(k: np.ndarray, height: np.ndarray) -> tuple[str, float, float]:
    """Verdict on a sum of terms exp(height)/k, what lies beyond the last k, and the error of that."""
    if len(k) < 200 or height[-1] < -600:
        return "finite", 0.0, 0.0
    slopes = []
    for a, b in ((-129, -65), (-65, -1)):
        if not (math.isfinite(height[a]) and math.isfinite(height[b])):
            return ("infinite" if np.isposinf(height[b]) else "unclear"), 0.0, math.inf
        slopes.append(float((height[b] - height[a]) / math.log(k[b] / k[a])))
    slope = slopes[1]
    if slope > -1e-4:  # terms per unit of log k that do not shrink
        return "infinite", math.inf, math.inf
    if slope > -0.01:
        return "unclear", 0.0, math.inf
    bend = abs(slopes[1] - slopes[0]) / math.log(k[-1] / k[-65]) / slope**2
    rest = math.exp(min(700.0, float(height[-1]))) / -slope
    return "finite", rest, rest * min(1.0, 2 * bend + 0.02)
