"""Points on a line with a convex cost: the sorted coupling, with its potentials, in O(n log n)."""

from __future__ import annotations

from typing import cast

import numpy as np

from transport._points import PointCloud
from transport._problem import Coupling, Problem


def sorted_coupling(problem: Problem) -> Coupling:
    """The optimal plan and potentials for |x - y|^p, p >= 1, on the line."""
    from transport._kernels import line

    cloud = cast(PointCloud, problem.cost)
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    sources = sources[np.argsort(cloud.x[sources, 0], kind="stable")]
    sinks = sinks[np.argsort(cloud.y[sinks, 0], kind="stable")]
    rows, cols, mass, u, v = line.staircase(
        cloud.x[sources, 0], cloud.y[sinks, 0], problem.a[sources], problem.b[sinks], cloud.power
    )
    f, g = np.zeros(cloud.shape[0]), np.zeros(cloud.shape[1])
    f[sources], g[sinks] = u * cloud._factor, v * cloud._factor
    keep = mass > 0
    return Coupling(sources[rows[keep]], sinks[cols[keep]], mass[keep], f, g)
