"""W_p where one of the laws on the line is a list of atoms: a discrete law or a sample."""

from __future__ import annotations

import math

import numpy as np

from divergences._estimate import Estimate
from divergences._laws import Law
from divergences._quadrature import G10, K21, NODES21
from divergences._summation import places
from divergences._tables import Table, moment_diverges, series, tabulate

_EPS = float(np.finfo(np.float64).eps)
_ATOMS = 1 << 19  # atoms to each side of a median that W_p between discrete laws may need


def sample_wasserstein(x: np.ndarray, weights: np.ndarray, law: Law, p: float) -> Estimate:
    """W_p on the line between weighted atoms and a law."""
    p = float(p)
    if not 1 <= p < math.inf:
        raise ValueError(f"p = {p}; between a sample and a law 1 <= p < inf")
    order = np.argsort(x, kind="stable")
    x, weights = x[order], weights[order] / math.fsum(weights)
    keep = weights > 0
    x, weights = x[keep], weights[keep]
    if law.kind == "discrete":
        y, g, lost = listed(law)
        total, largest = _merged(x, weights, y, g, p)
        error = 16 * _EPS * (total + largest) + lost * float(max(x[-1], y[-1]) - min(x[0], y[0])) ** p
        return rooted(total, error, p, "summation", x.size + y.size)
    lacking = moment_diverges(law, p)
    if "?" in lacking:
        raise ValueError(f"the tail of {law.name} does not tell whether E|X|^{p:g} is finite")
    if lacking:
        return Estimate(math.inf, math.inf, math.inf, f"E|X|^{p:g} of {law.name} diverges at {lacking}", 0)
    total, error, n = cells(x, weights, tabulate([law], p), p)
    return rooted(total, error, p, "cells", n)


def rooted(integral: float, error: float, p: float, method: str, n: int) -> Estimate:
    low, high = max(0.0, integral - error), integral + error
    low, high = low ** (1 / p) * (1 - 4 * _EPS), high ** (1 / p) * (1 + 4 * _EPS)
    return Estimate(integral ** (1 / p), low, high, method, n)


def listed(law: Law, other: Law | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Atoms, masses and the mass beyond them."""
    atoms, gaps = places(law, law if other is None else other, direct=_ATOMS)
    masses = np.exp(np.asarray(law.log_density(atoms), dtype=float))
    lost = abs(1 - math.fsum(masses))
    if lost > 1e-12 and gaps:
        raise ValueError(
            f"a mass of {lost:.3g} of {law.name} lies further out than 2^19 atoms; its tail is too heavy "
            "to sum W_p"
        )
    if lost > 1e-6:
        raise ValueError(f"the probabilities of {law.name} sum to {math.fsum(masses):.9g}, not 1")
    keep = masses > 0
    return atoms[keep], masses[keep] / math.fsum(masses), lost


def cells(points: np.ndarray, weights: np.ndarray, table: Table, p: float) -> tuple[float, float, int]:
    """W_p^p between atoms (ascending) and a tabulated law, a bound on its error, evaluations.

    Panels are cut at the quantiles of the cumulated weights and at the atoms; on each piece the cost
    |x_k - y|^p is smooth and the density a polynomial.
    """
    below, above = np.cumsum(weights), np.cumsum(weights[::-1])[::-1]
    upper = below[:-1] > 0.5
    level = np.where(upper, above[1:], below[:-1])
    borders = np.maximum.accumulate(table.quantile(level, upper)[0]) if level.size else level
    edges = table.edges
    cuts = np.unique(np.concatenate([edges, borders, points[(points > edges[0]) & (points < edges[-1])]]))
    i = np.clip(np.searchsorted(edges, 0.5 * (cuts[1:] + cuts[:-1]), side="right") - 1, 0, len(edges) - 2)
    owner = np.searchsorted(borders, 0.5 * (cuts[1:] + cuts[:-1]))
    total, rough, noise = 0.0, 0.0, 0.0
    for s in range(0, len(i), 4096):
        part = slice(s, s + 4096)
        a, b = (_inside(table, i[part], c[part]) for c in (cuts[:-1], cuts[1:]))
        # where a cut rounds to its panel's end, the whole panel
        t = 0.5 * (a + b)[:, None] + 0.5 * (b - a)[:, None] * NODES21
        x, _ = table.place(i[part], t)
        cost = np.abs(points[owner[part]][:, None] - x) ** p
        y = cost * np.maximum(series(table.slope[0, i[part]], t), 0.0) * (0.5 * (b - a))[:, None]
        value = y @ K21
        total += float(value.sum())
        rough += float(np.abs(value - y @ G10).sum())
        noise += float((value * np.abs(np.log(np.maximum(table.slope[0, i[part], 0], 1e-300)))).sum())
    error = rough * 1e-2 + 16 * _EPS * noise + 64 * _EPS * total
    error += float(table.error.sum()) * (float(np.max(np.abs(points))) + abs(total) ** (1 / p)) ** p
    return total, error, 21 * len(i)


def _inside(table: Table, i: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The parameter t in panel i of the position x."""
    distance = np.abs(x - table.center[i])
    low, high = table.low[i], table.high[i]
    with np.errstate(divide="ignore"):
        v = np.where(distance > 0, np.log(distance), low)
    return np.clip(table.sign[i] * (2 * v - low - high) / (high - low), -1.0, 1.0)


def between_atoms(a: Law, b: Law, p: float) -> Estimate:
    """Two laws on a countable set: merge the cumulative masses; the rest is bounded by its mass."""
    x, f, lost_a = listed(a)
    y, g, lost_b = listed(b)
    total, largest = _merged(x, f, y, g, p)
    # rounding moves mass between neighbours; the mass outside the window travels at most its width
    reach = float(max(x[-1], y[-1]) - min(x[0], y[0]))
    error = 16 * _EPS * (total + largest) + (lost_a + lost_b) * reach**p
    return rooted(total, error, p, "summation", x.size + y.size)


def _merged(x: np.ndarray, f: np.ndarray, y: np.ndarray, g: np.ndarray, p: float) -> tuple[float, float]:
    """W_p^p of two atomic laws in ascending order, and the largest cost met."""
    cum_f, cum_g = np.cumsum(f), np.cumsum(g)
    cum_f, cum_g = cum_f / cum_f[-1], cum_g / cum_g[-1]
    levels = np.unique(np.concatenate([[0.0], cum_f, cum_g]))
    mid = 0.5 * (levels[1:] + levels[:-1])
    left = x[np.minimum(np.searchsorted(cum_f, mid), x.size - 1)]
    right = y[np.minimum(np.searchsorted(cum_g, mid), y.size - 1)]
    cost = np.abs(left - right) ** p
    return math.fsum(np.diff(levels) * cost), float(np.max(cost))
