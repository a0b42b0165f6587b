"""Problems whose optimal plan and potentials are one sort or one pass: lines, circles, trees."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from transport._circle import Circle
from transport._points import PointCloud
from transport._problem import Coupling, Problem
from transport._solver.forest import shipped
from transport._solver.reductions import integer_masses
from transport._tree_metric import TreeMetric

_UNITS = 1 << 60


def _with_mass(
    problem: Problem, x: np.ndarray | None = None, y: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(sources, sinks) with mass, in ascending order of ``x`` and ``y``."""
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    if x is not None and y is not None:
        sources = sources[np.argsort(x[sources], kind="stable")]
        sinks = sinks[np.argsort(y[sinks], kind="stable")]
    return sources, sinks


def sorted_coupling(problem: Problem) -> Coupling:
    """Points on a line, |x - y|^p with p >= 1: the sorted coupling, in O(n log n)."""
    from transport._kernels import line

    cloud = cast(PointCloud, problem.cost)
    x, y = cloud.x[:, 0], cloud.y[:, 0]
    sources, sinks = _with_mass(problem, x, y)
    rows, cols, mass, u, v = line.staircase(
        x[sources], y[sinks], problem.a[sources], problem.b[sinks], cloud.power
    )
    f, g = np.zeros(cloud.shape[0]), np.zeros(cloud.shape[1])
    f[sources], g[sinks] = u * cloud._factor, v * cloud._factor
    keep = mass > 0
    return Coupling(sources[rows[keep]], sinks[cols[keep]], mass[keep], f, g)


def circular_coupling(problem: Problem) -> Coupling:
    """Points on a circle, power >= 1: the sorted coupling from the best cut on."""
    from transport._kernels.circle import _best_shift
    from transport._kernels.circle_plan import once_around

    circle = cast(Circle, problem.cost)
    unit = 2.0 ** math.frexp(circle.period)[1]
    period = circle.period / unit
    sources, sinks = _with_mass(problem, circle.x, circle.y)
    x, y = circle.x[sources] / unit, circle.y[sinks] / unit
    masses = problem.a[sources], problem.b[sinks]
    a, b = _whole(*masses)
    units = int(a.sum())
    shift = _best_shift(x, y, a, b, units, period, circle.power)
    parent, u, v = once_around(x, y, a, b, units, shift, period, circle.power)
    if not len(parent):
        raise AssertionError("the slope changed sign between two atoms")
    rows, cols, mass = shipped(np.append(parent, len(parent)), *masses)
    f, g = np.zeros(circle.shape[0]), np.zeros(circle.shape[1])
    f[sources], g[sinks] = u * unit**circle.power, v * unit**circle.power
    return Coupling(sources[rows], sinks[cols], mass, f, g)


def _whole(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masses as whole parts of one total, at least 1 each; equal ones exactly equal."""
    n, m = len(a), len(b)
    if np.all(a == a[0]) and np.all(b == b[0]):
        common = math.gcd(n, m)
        return np.full(n, m // common, np.int64), np.full(m, n // common, np.int64)
    parts = []
    for mass in (a, b):
        part = np.maximum(np.rint(mass / math.fsum(mass) * _UNITS).astype(np.int64), 1)
        part[part.argmax()] += _UNITS - int(part.sum())
        parts.append(part)
    return parts[0], parts[1]


def tree_coupling(problem: Problem) -> Coupling:
    """A tree metric: every edge carries the difference of the masses on its sides, in O(nodes + n + m)."""
    from transport._kernels.tree_metric import couple

    tree = cast(TreeMetric, problem.cost)
    sources, sinks = _with_mass(problem)
    a, b = problem.a[sources], problem.b[sinks]
    x, y = tree.x[sources], tree.y[sinks]
    parent, u = couple(tree.parents, tree.lengths, tree.order, x, y, *integer_masses(a, b))
    rows, cols, mass = shipped(np.append(parent, len(parent)), a, b)
    return Coupling(sources[rows], sinks[cols], mass, u[tree.x], -u[tree.y])


CLOSED_FORMS = {"line": sorted_coupling, "circle": circular_coupling, "tree": tree_coupling}
"""Method -> what answers the whole problem."""
