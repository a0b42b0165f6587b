"""Points on a circle with a convex cost: the best cut in closed form, with plan and potentials."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from transport._circle import Circle
from transport._problem import Coupling, Problem

_UNITS = 1 << 60


def circular_coupling(problem: Problem) -> Coupling:
    """The optimal plan and potentials on a circle, power >= 1."""
    from transport._kernels.circle import _best_shift
    from transport._kernels.circle_plan import once_around
    from transport._kernels.simplex_pool import peel

    circle = cast(Circle, problem.cost)
    unit = 2.0 ** math.frexp(circle.period)[1]
    period = circle.period / unit
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    sources = sources[np.argsort(circle.x[sources], kind="stable")]
    sinks = sinks[np.argsort(circle.y[sinks], kind="stable")]
    x, y = circle.x[sources] / unit, circle.y[sinks] / unit
    a, b = _whole(problem.a[sources], problem.b[sinks])
    units = int(a.sum())
    shift = _best_shift(x, y, a, b, units, period, circle.power)
    parent, u, v = once_around(x, y, a, b, units, shift, period, circle.power)
    if not len(parent):
        raise AssertionError("the slope changed sign between two atoms")
    mass = peel(len(x), np.append(parent, len(parent)), problem.a[sources], problem.b[sinks])
    node = np.flatnonzero((parent < len(parent)) & (mass > 0))
    rows, cols = np.minimum(node, parent[node]), np.maximum(node, parent[node]) - len(x)
    f, g = np.zeros(circle.shape[0]), np.zeros(circle.shape[1])
    f[sources], g[sinks] = u * unit**circle.power, v * unit**circle.power
    return Coupling(sources[rows], sinks[cols], mass[node], f, g)


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
