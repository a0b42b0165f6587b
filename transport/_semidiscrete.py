"""Semi-discrete transport, a density against atoms, squared distance: exact on a line or in a plane.

The semi-dual g ↦ Σ b_j g_j + ∫ min_j(|x - y_j|² - g_j) dP is concave; its gradient is b minus the masses of
the Laguerre cells, its Hessian the facet masses. In the plane both are integrated exactly on a density of
pixels and maximised by damped Newton steps (Kitagawa, Mérigot, Thibert 2019). Any g gives a lower bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._critic import Bound
from transport._laguerre import continued, inner_potential, newton
from transport._pixels import PixelDensity
from transport._samplers import as_sampler
from transport.internal import (
    Array,
    ConvergenceError,
    as_points,
    as_weights,
    check_count,
    namespace,
    to_numpy,
)

_XP = namespace(np.empty(0))
_EPS = float(np.finfo(float).eps)


@dataclass(frozen=True, eq=False)
class SemiDiscrete:
    """Semi-discrete optimal transport for the squared distance.

    Attributes
    ----------
    value : float
        The transport cost W2².
    lower_bound, upper_bound : float
        Semi-dual and repaired primal values; for sampled P the first is a confidence `Bound`, the second inf.
    potential : ndarray, shape (m,)
        g; x belongs to the cell of argmin_j |x - y_j|² - g_j.
    masses : ndarray, shape (m,)
        P-masses of the cells, to be compared with the weights.
    n_iter : int
    y : ndarray, shape (m, d)
    """

    value: float
    lower_bound: float
    upper_bound: float
    potential: np.ndarray
    masses: np.ndarray
    n_iter: int
    y: np.ndarray

    def assign(self, x: Array) -> np.ndarray:
        """Index of the atom each point is sent to, shape (n,): the optimal map."""
        return _assign(as_points(to_numpy(x), "x", xp=_XP), self.y, self.potential)[1]


def semidiscrete(
    P: Any,
    y: Array,
    b: Array = None,
    *,
    tol: float = 1e-9,
    max_iter: int = 100,
    n_samples: int = 1 << 16,
    n_steps: int = 5000,
    confidence: float = 0.99,
    rng: Any = 0,
) -> SemiDiscrete:
    """Transport a density to atoms at squared-distance cost.

    Parameters
    ----------
    P : PixelDensity, or sampler, distribution, array (see `critic`)
        Exact for pixels; otherwise averaged stochastic ascent (Genevay et al. 2016), judged on fresh draws.
    y : array, shape (m, d)
        Atoms, distinct.
    b : array, shape (m,), optional
        Their weights > 0, uniform by default.
    tol : float
        Largest error of a cell's mass, relative to 1 (exact methods).
    max_iter : int
        Newton steps.
    n_samples, n_steps, confidence, rng
        Fresh draws, ascent steps, confidence of the lower bound (sampled P only).

    Raises
    ------
    ConvergenceError
        If Newton's method stalls above ``tol``.
    ValueError
        Coinciding atoms, zero weights, dimensions that differ.

    Examples
    --------
    >>> import transport as tp
    >>> square = tp.PixelDensity([[1.0]], ((0, 1), (0, 1)))
    >>> s = tp.semidiscrete(square, [[0.25, 0.5], [0.75, 0.5]])
    >>> round(s.value, 12), s.masses.round(12).tolist()
    (0.104166666667, [0.5, 0.5])
    """
    y = np.ascontiguousarray(as_points(to_numpy(y) if hasattr(y, "shape") else y, "y", xp=_XP))
    b = as_weights(b, "b", xp=_XP, size=len(y))
    if b.min() <= 0:
        raise ValueError("b has a zero weight; drop atoms without mass")
    if len(np.unique(y, axis=0)) < len(y):
        raise ValueError("y has coinciding atoms; merge them and add their weights")
    if not isinstance(P, PixelDensity):
        return _stochastic(P, y, b, check_count(n_steps, "n_steps"), n_samples, confidence, rng)
    if P.dim != y.shape[1]:
        raise ValueError(f"P lives in dimension {P.dim} and y in {y.shape[1]}; they must agree")
    return _line(P, y, b) if P.dim == 1 else _plane(P, y, b, tol, max_iter)


def _assign(x: np.ndarray, y: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """min_j |x - y_j|² - g_j and its argument, in blocks."""
    from scipy.spatial.distance import cdist

    parts = []
    for i in range(0, len(x), 4096):
        c = cdist(x[i : i + 4096], y, "sqeuclidean") - g
        j = np.argmin(c, axis=1)
        parts.append((c[np.arange(len(j)), j], j))
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


# ---------------------------------------------------------------- on the line


def _line(P: PixelDensity, y: np.ndarray, b: np.ndarray) -> SemiDiscrete:
    """Monotone rearrangement: a plan of pieces (atom, part of a pixel), and the potential of its cuts.

    The upper bound is the cost of the plan, the lower one the semi-dual at the potential.
    """
    order = np.argsort(y[:, 0], kind="stable")
    z, w = y[order, 0], b[order]
    edges = P.box[0, 0] + P.widths[0] * np.arange(P.masses.size + 1)
    full = np.flatnonzero(P.masses > 0)
    rise, levels = _levels(P.masses[full]), _levels(w)
    at = np.unique(np.concatenate([rise, levels]))
    share, middle = np.diff(at), 0.5 * (at[1:] + at[:-1])
    pixel = np.clip(np.searchsorted(rise, middle) - 1, 0, len(full) - 1)
    atom = np.clip(np.searchsorted(levels, middle) - 1, 0, len(z) - 1)
    left = edges[full[pixel]]
    inside = [np.clip((v - rise[pixel]) / np.diff(rise)[pixel], 0, 1) for v in (at[:-1], at[1:])]
    before, after = (left + P.widths[0] * u - z[atom] for u in inside)
    value = _second_moment(before, after, share)
    last = np.searchsorted(at, levels[1:-1]) - 1  # the piece that ends where an atom's share does
    cuts = (left + P.widths[0] * inside[1])[last]
    g = np.concatenate([[0.0], np.cumsum((cuts - z[1:]) ** 2 - (cuts - z[:-1]) ** 2)])
    masses, cost = _cells_on_line(P, edges, z, cuts)
    dual = cost + math.fsum(g * (w / math.fsum(w) - masses))
    reach = float(np.max(np.abs(edges[[0, -1]][:, None] - z)) ** 2)
    rounding = 64 * _EPS + 8 * (len(at) + len(edges)) * float(np.finfo(np.longdouble).eps)
    slack = rounding * (value + reach + float(np.abs(g).max()))
    potential, out = np.empty(len(z)), np.empty(len(z))
    potential[order], out[order] = g, masses
    return SemiDiscrete(value, max(0.0, dual - slack), value + slack, potential, out, 0, y)


def _levels(masses: np.ndarray) -> np.ndarray:
    """0 and the cumulative masses, as parts of their total."""
    sums = np.concatenate([[0.0], np.cumsum(masses.astype(np.longdouble))])
    return np.asarray(sums / sums[-1], float)


def _second_moment(d0: np.ndarray, d1: np.ndarray, mass: np.ndarray) -> float:
    """The sum of ``mass`` times the mean of d^2 between d0 and d1."""
    return math.fsum(mass * (d0 * d0 + d0 * d1 + d1 * d1) / 3)


def _cells_on_line(
    P: PixelDensity, edges: np.ndarray, z: np.ndarray, cuts: np.ndarray
) -> tuple[np.ndarray, float]:
    """P-masses of the intervals between cuts, and their cost to the atoms z."""
    points = np.unique(np.clip(np.concatenate([edges, cuts]), edges[0], edges[-1]))
    middle = 0.5 * (points[1:] + points[:-1])
    pixel = np.clip(np.searchsorted(edges, middle) - 1, 0, P.masses.size - 1)
    owner = np.searchsorted(cuts, middle)
    mass = np.diff(points) / P.widths[0] * P.masses[pixel]
    cost = _second_moment(points[:-1] - z[owner], points[1:] - z[owner], mass)
    return np.bincount(owner, mass, minlength=len(z)), cost


# ---------------------------------------------------------------- in the plane


def _plane(P: PixelDensity, y: np.ndarray, b: np.ndarray, tol: float, max_iter: int) -> SemiDiscrete:
    # Work in a unit box centred at 0: g and costs scale by the square of the unit.
    unit, center = float(np.max(P.box[:, 1] - P.box[:, 0])), P.box.mean(axis=1)
    Q = PixelDensity(P.masses, (P.box - center[:, None]) / unit)
    z = (y - center) / unit
    full = Q.masses / np.prod(Q.widths)
    flat = np.full_like(full, 1 / np.prod(Q.box[:, 1] - Q.box[:, 0]))
    g = inner_potential(Q, z)
    steps = 0
    if full.min() < 1e-3 * full.max():
        g, steps = continued(Q, z, b, g, (full, flat), max_iter)
    g, mass, cost, used = newton(Q, z, b, g, full, tol / 4, max_iter)
    steps += used
    gap = float(np.abs(mass - b).max())
    dual = float(cost.sum() + g @ (b - mass))
    reach = 2.0 + float(np.max(np.sum(z * z, axis=1))) * 2  # >= |x - y|² on the box
    slack = 64 * _EPS * (float(cost.sum()) + float(np.abs(g) @ b) + reach)
    slack += abs(float(mass.sum()) - 1.0) * (
        reach + float(np.abs(g).max())
    )  # cells that overlap or leave gaps
    lower, upper = dual - slack, float(cost.sum()) + 0.5 * float(np.abs(mass - b).sum()) * reach + slack
    found = SemiDiscrete(
        dual * unit**2, max(0.0, lower) * unit**2, upper * unit**2, g * unit**2, mass, steps, y
    )
    if gap > tol:
        raise ConvergenceError(
            f"cell masses are off by {gap:.2g} > tol = {tol:g} after {steps} Newton steps; W2² lies in "
            f"[{found.lower_bound:.12g}, {found.upper_bound:.12g}]. Raise tol or max_iter"
        )
    return found


# ---------------------------------------------------------------- anywhere, by sampling


def _stochastic(
    P: Any, y: np.ndarray, b: np.ndarray, n_steps: int, n_samples: int, confidence: float, rng: Any
) -> SemiDiscrete:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; it must lie strictly between 0 and 1")
    draw = as_sampler(P, "P")
    train, judge = np.random.default_rng(rng).spawn(2)
    x = draw(256, train)
    if x.shape[1] != y.shape[1]:
        raise ValueError(f"P lives in dimension {x.shape[1]} and y in {y.shape[1]}; they must agree")
    g, mean = np.zeros(len(y)), np.zeros(len(y))
    scale = float(np.median(_assign(x, y, g)[0])) + 1e-300
    batch = 64
    for k in range(1, n_steps + 1):
        _, j = _assign(draw(batch, train), y, g)
        g = g + scale * len(y) ** 0.5 / math.sqrt(k) * (b - np.bincount(j, minlength=len(y)) / batch)
        mean += (g - mean) / min(k, max(1, n_steps // 2))  # average of about the last half
    from scipy.special import ndtri

    values, j = _assign(draw(check_count(n_samples, "n_samples", 2), judge), y, mean)
    dual = float(values.mean() + b @ mean)
    low = dual - float(ndtri(confidence)) * float(values.std(ddof=1)) / math.sqrt(n_samples)
    bound = Bound(
        max(0.0, low), confidence=confidence, estimate=dual, method="studentised: assumes normal means",
        n_samples=n_samples,
    )  # fmt: skip
    masses = np.bincount(j, minlength=len(y)) / n_samples
    return SemiDiscrete(dual, bound, math.inf, mean, masses, n_steps, y)
