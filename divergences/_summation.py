"""Divergences of discrete laws: direct sums, and geometric blocks with a convexity bracket for the tails."""

from __future__ import annotations

import math

import numpy as np

from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._laws import Law

_DIRECT = 1 << 20  # atoms summed one by one
_LAST = 2.0**50  # integers beyond lose their neighbours in float64
_ULPS = 8 * float(np.finfo(np.float64).eps)


def sum_discrete(what: Functional, p: Law, q: Law) -> Estimate:
    """The functional of two laws on a countable set, with a bracket.

    Atoms around the medians, out to masses of e^-100 (at most 2^20 of them), are summed directly. Beyond, the
    integrand is taken to be decreasing and convex along the integers (true past the modes of every standard
    family), which brackets each geometric block between its midpoint and trapezoid values.
    """
    from divergences._densities import _infinite, _singular, bracket

    if _infinite(what, p, q) and not _massless(p, q):
        return Estimate(math.inf, math.inf, math.inf, "supports", 0)
    if p.upper < q.lower or q.upper < p.lower:
        value = _singular(what)
        return Estimate(value, value, value, "supports", 0)
    with np.errstate(all="ignore"):
        atoms, ends = _window(p, q)
        sums, errors = _rows(what, p, q, atoms).sum(axis=1), np.zeros(6)
        verdict, used = "finite", atoms.size
        for start, sign in ends:
            tail, slack, end, n = _tail_sum(what, p, q, start, sign)
            sums, errors, used = sums + tail, errors + slack, used + n
            verdict = max(verdict, end, key=["finite", "unclear", "infinite"].index)
    for k, name in ((1, "P"), (2, "Q")):
        if abs(sums[k] - 1) > 1e-6 + errors[k]:
            raise ValueError(f"the probabilities of {name} sum to {sums[k]:.9g}, not 1")
    if verdict == "infinite" or math.isinf(sums[0]):
        return Estimate(math.inf, math.inf, math.inf, "summation: divergent tail", used)
    error = float(errors[0] + sums[3] + errors[3]) + 16 * 2.3e-16 * float(sums[0])
    for k in (1, 2):
        error += (abs(float(sums[k]) - 1) + float(errors[k]) + 4e-16) * float(sums[3 + k])
    value, low, high = bracket(what, float(sums[0]), error, math.inf if verdict == "unclear" else None)
    return Estimate(value, low, high, "summation", used)


def _massless(p: Law, q: Law) -> bool:
    """Whether a list of atoms may carry less than its reported support."""
    return p.atoms is not None or q.atoms is not None


def _rows(what: Functional, p: Law, q: Law, k: np.ndarray) -> np.ndarray:
    """g, p, q, rounding noise, |∂g/∂log p|, |∂g/∂log q| at the atoms k: shape (6, n)."""
    lp, lq = (np.asarray(law.log_density(k), dtype=float) for law in (p, q))
    if np.isnan(lp).any() or np.isnan(lq).any():
        raise ValueError("a log-probability is NaN inside the support")
    g, dp, dq = what.parts(lp, lq)
    noise = sum(d * _ULPS * (1 + np.where(d > 0, np.abs(v), 0)) for d, v in ((dp, lp), (dq, lq)))
    return np.stack([g, np.exp(lp), np.exp(lq), noise, dp, dq])


def _window(p: Law, q: Law) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """Atoms summed directly, and (first atom, direction) of the tails that remain."""
    laws = (p, q)
    extra = [law.atoms for law in laws if law.atoms is not None]
    if len(extra) == 2:
        return np.unique(np.concatenate(extra)), []
    middle = [float(np.round(law.centers[0])) for law in laws]
    lower, upper = min(p.lower, q.lower), max(p.upper, q.upper)
    low = max(lower, min(m - _radius(law, m, -1.0) for law, m in zip(laws, middle)))
    high = min(upper, max(m + _radius(law, m, 1.0) for law, m in zip(laws, middle)))
    if high - low > 16 * _DIRECT:
        raise ValueError(
            f"the medians {middle} are {high - low:.3g} atoms apart; too far to sum between them"
        )
    atoms = np.arange(low, high + 1)
    if extra:
        atoms = np.unique(np.concatenate([atoms, *extra]))
    ends = [(high + 1, 1.0)] if high < upper else []
    return atoms, ends + ([(low - 1, -1.0)] if low > lower else [])


def _radius(law: Law, middle: float, sign: float) -> float:
    """A power of two beyond which the law's masses are below e^-100, at most 2^19."""
    # Quantiles would be the obvious way; scipy's default isf sums 3e8 terms for a Zipf law.
    radius = 32.0
    while radius < _DIRECT / 2 and float(law.log_density(middle + sign * radius)) > -100:
        radius *= 2
    return radius


def _tail_sum(
    what: Functional, p: Law, q: Law, start: float, sign: float
) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Sums of the six rows from ``start`` outwards, brackets' half-widths, verdict, evaluations."""
    # Blocks of odd length L (midpoint an integer) growing like the distance travelled.
    lengths, travelled = [], max(1.0, abs(start))
    limit = max(p.upper, q.upper) if sign > 0 else -min(p.lower, q.lower)
    position = 0.0
    room = min(limit - sign * start, _LAST)
    while position < room:
        length = min(
            2 * math.floor((travelled + position) / 128) + 1, 2 * math.floor((room - position) / 2) + 1
        )
        lengths.append(float(length))
        position += length
    size = np.array(lengths)
    first = start + sign * np.concatenate([[0.0], np.cumsum(size)])[:-1]
    left = _rows(what, p, q, first)
    right = _rows(what, p, q, first + sign * (size - 1))
    middle = _rows(what, p, q, first + sign * (size - 1) / 2)
    trapezoid, midpoint = size * (left + right) / 2, size * middle
    value = (2 * midpoint + trapezoid) / 3
    slack = np.abs(trapezoid - midpoint).sum(axis=1)
    c = left[0] * np.abs(first)  # per unit of log distance
    j = np.flatnonzero((c > 0) & np.isfinite(c))
    verdict = "infinite" if np.isinf(c).any() else "finite"
    if verdict == "finite" and j.size > 64 and math.isinf(limit) and position >= _LAST:
        a, b = j[-64], j[-1]
        slope = math.log(c[b] / c[a]) / math.log(abs(first[b] / first[a]))
        # contributions per unit of log k that do not shrink: not summable
        verdict = "infinite" if slope > -1e-4 else "unclear" if slope > -0.05 else "finite"
        if verdict == "finite" and j[-1] == len(c) - 1:
            rest = right[:, -1] * np.abs(first[-1]) / -slope
            slack = slack + rest
    return value.sum(axis=1), slack, verdict, 3 * size.size
