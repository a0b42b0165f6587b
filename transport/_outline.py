"""A first interval for points in space from sorting alone, before anything is searched: O(n d log n).

A solve that is stopped early returns at least this: potentials that are feasible by an inequality, so that
no search has to prove them, and a plan whose marginals are right.

Lower bound. With w_k >= 0 such that d(x, y)^p >= sum_k w_k |x_k - y_k|^p, the potentials of the coordinates,
each optimal on its line, add up: f = sum_k w_k f_k, g = sum_k w_k g_k. For the Euclidean norm and p < 2
Hoelder's inequality asks for sum w_k^s = 1, s = 2 / (2 - p); from p = 2 on, and for l1, w = 1. The weights
taken make the bound largest, (sum_k W_k^{2/p})^{p/2} for the optima W_k of the lines. For p < 1 and the
diameter D, d^p >= D^(p-1) d.

Upper bound. Both measures are cut into slabs of equal mass along the first coordinate, these along the
second, and so on (Knothe 1957, Rosenblatt 1952); in that order the north-west rule pairs them.

Where even sorting takes too long, tangents take the place of the lines' potentials, |t|^p >= |s|^p +
p |s|^(p-1) sgn(s) (t - s) at the difference s of the means, and the plan is that of the order given: O(n d).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from transport._points import PointCloud
from transport._problem import Problem
from transport.internal import time_left

SORTING = 2e-7  # seconds a point and coordinate, and two coordinates' worth more
MOST_AXES = 3  # that the plan is sorted by: those along which the points spread most
ROUNDING = 64.0 * 2.0**-52  # of the potentials' size, and again for every coordinate


class Outline(NamedTuple):
    """A plan with exact marginals and feasible potentials."""

    rows: np.ndarray
    cols: np.ndarray
    mass: np.ndarray
    f: np.ndarray
    g: np.ndarray


def outlined(problem: Problem) -> Outline | None:
    """The first interval of a problem between points; None for other costs, and where a value overflows.

    Made once and kept with the problem.
    """
    kept = problem.__dict__
    if "_outline" not in kept:
        kept["_outline"] = _made(problem)
    known: Outline | None = kept["_outline"]
    return known


def _made(problem: Problem) -> Outline | None:
    cloud = problem.cost
    if not isinstance(cloud, PointCloud):
        return None
    sorts = time_left() > SORTING * sum(problem.shape) * (cloud.dim + 2)
    if problem.has_zero_mass:
        rows, cols = np.flatnonzero(problem.a), np.flatnonzero(problem.b)
        inner = Problem(cloud.restrict(rows, cols), problem.a[rows], problem.b[cols])
        return _widened(problem, _made(inner), rows, cols)
    x, y, a, b = cloud.x, cloud.y, problem.a, problem.b * (problem.a.sum() / problem.b.sum())
    u, v = _potentials(x, y, a, b, cloud, sorts)
    if not (np.isfinite(u).all() and np.isfinite(v).all()):
        return None
    i, j, mass = _plan(x, y, a, b, sorts)
    return Outline(i, j, mass, u, v)


def _widened(problem: Problem, inner: Outline | None, rows: np.ndarray, cols: np.ndarray) -> Outline | None:
    """With the atoms without mass, whose potentials keep the pair feasible: costs are >= 0."""
    if inner is None:
        return None
    u, v = inner.f, inner.g
    f, g = (np.full(k, -float(max(u.max(), v.max(), 0.0))) for k in problem.shape)
    f[rows], g[cols] = u, v
    return Outline(rows[inner.rows], cols[inner.cols], inner.mass, f, g)


def _potentials(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, cloud: PointCloud, sorts: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Feasible potentials for c = factor d^p, from those of the coordinates."""
    line = _sorted_line if sorts else _tangents
    p = max(1.0, cloud.power)
    f, g, value = (np.zeros((x.shape[1], k)) for k in (len(x), len(y), 1))
    with np.errstate(over="ignore", invalid="ignore"):
        for k in range(x.shape[1]):
            f[k], g[k] = line(np.ascontiguousarray(x[:, k]), np.ascontiguousarray(y[:, k]), a, b, p)
            value[k] = max(0.0, float(a @ f[k] + b @ g[k]))
        w = _weights(value[:, 0], cloud, p)
        if cloud.power < 1.0:
            w *= _diameter(x, y, cloud.metric) ** (cloud.power - 1.0)
        u, v = (cloud._factor * np.einsum("k,ki->i", w, z) for z in (f, g))
        size = float(np.abs(u).max() + np.abs(v).max())
        return u - ROUNDING * (1 + len(w)) * size, v


def _sorted_line(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: float
) -> tuple[np.ndarray, np.ndarray]:
    """The optimal potentials for |x - y|^p."""
    from transport._kernels.line import staircase

    left, right = np.argsort(x), np.argsort(y)
    _, _, _, u, v = staircase(x[left], y[right], a[left], b[right], p)
    f, g = np.empty(len(x)), np.empty(len(y))
    f[left], g[right] = u, v
    return f, g


def _tangents(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, p: float
) -> tuple[np.ndarray, np.ndarray]:
    """Feasible potentials for |x - y|^p that are affine."""
    middle, other = (float(w @ z) / float(w.sum()) for w, z in ((a, x), (b, y)))
    s = other - middle
    slope = p * math.copysign(abs(s) ** (p - 1.0), s) if s else 0.0
    return -slope * (x - middle), slope * (y - other) + abs(s) ** p


def _weights(value: np.ndarray, cloud: PointCloud, p: float) -> np.ndarray:
    """w >= 0 with d^p >= sum_k w_k |x_k - y_k|^p, the sum of w_k value_k as large as can be."""
    largest = float(value.max())
    if not 0.0 < largest < math.inf or len(value) == 1:
        return np.ones(len(value)) if len(value) == 1 else np.zeros(len(value))
    if cloud.metric == "cityblock" or (cloud.metric == "euclidean" and p >= 2.0):
        return np.ones(len(value))
    if cloud.metric == "chebyshev":
        return (np.arange(len(value)) == value.argmax()).astype(float)
    share = (value / largest) ** (2.0 / p - 1.0)
    return np.asarray(share / np.sum(share ** (2.0 / (2.0 - p))) ** (1.0 - p / 2.0) * (1.0 - 2.0**-40))


def _diameter(x: np.ndarray, y: np.ndarray, metric: str) -> float:
    """An upper bound of all distances; 1 if that is 0."""
    extent = np.maximum(x.max(axis=0), y.max(axis=0)) - np.minimum(x.min(axis=0), y.min(axis=0))
    longest = float(extent.max() if metric == "chebyshev" else extent.sum())
    return longest * (1.0 + 2.0**-40) or 1.0


def _plan(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, sorts: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) of the north-west rule between both in the order of their slabs."""
    from transport._kernels.sharing import northwest

    if not sorts:
        return northwest(a, b)
    axes = np.argsort(-(np.ptp(x, axis=0) + np.ptp(y, axis=0)), kind="stable")[:MOST_AXES]
    slabs = max(1, int(min(len(x), len(y)) ** (1.0 / len(axes))))
    left, right = (_in_slabs(z[:, axes], w, slabs) for z, w in ((x, a), (y, b)))
    i, j, mass = northwest(a[left], b[right])
    return left[i], right[j], mass


def _in_slabs(x: np.ndarray, w: np.ndarray, slabs: int) -> np.ndarray:
    """The order of ``x`` by slab of equal mass along the first coordinate, by slab in it, and so on."""
    group, order = np.zeros(len(x), np.int64), np.argsort(x[:, 0])
    for z in x.T[1:]:
        where, mass = group[order], w[order]
        first = np.flatnonzero(np.diff(where, prepend=-1))
        size = np.diff(first, append=len(x))
        up = np.cumsum(mass)
        before = np.concatenate([[0.0], up])[first]
        total = np.diff(before, append=up[-1])
        share = (up - mass / 2 - np.repeat(before, size)) / np.repeat(np.maximum(total, 1e-300), size)
        group[order] = where * slabs + np.clip((share * slabs).astype(np.int64), 0, slabs - 1)
        extent = float(np.ptp(z))
        place = (z - z.min()) / extent if 0.0 < extent < math.inf else np.zeros(len(z))
        order = np.argsort(group + 0.999 * place)  # by group, then along the axis, in one key
    return order
