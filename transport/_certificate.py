"""The certificate: lower <= true optimum <= upper, recomputed from a plan and potentials, whoever made them.

Dual side: for any f, the c-transform g_j = min_i C_ij - f_i is feasible, so <a, f> + <b, g> is a lower bound.
Primal side: any plan with the right marginals costs at least the optimum; a plan that misses them is scaled
down and completed (Altschuler, Weed, Rigollet 2017, Algorithm 2, with a sparse completion).
With both in hand, upper - lower = sum P_ij (C_ij - f_i - g_j): a sum of terms >= 0, free of cancellation.

Masses are compared to rounding: a plan whose marginals match a and b to 1e-13 of the total counts as exact
(`marginal_error` says how exact). `certify_exactly` needs no such allowance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from transport._problem import Problem
from transport._solver.base import Coupling
from transport.internal import kernels

_EPS = 2.0**-52
_MASS_ROUNDING = 1e-13


@dataclass(frozen=True, eq=False)
class Certificate:
    """A feasible pair and the interval it proves; ``noise`` is the rounding level of the data itself."""

    coupling: Coupling
    value: float
    lower: float
    upper: float
    marginal_error: float
    noise: float


def feasible_potentials(problem: Problem, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best g for ``f``, and f for the sources without mass, so that f_i + g_j <= C_ij throughout."""
    cost = problem.cost
    massless = problem.a == 0
    f = np.where(np.isfinite(f), f, 0.0)
    g = cost.c_transform(np.where(massless, -np.inf, f) if massless.any() else f)
    g[g == np.inf] = 0.0  # a sink without mass that no source may reach
    if massless.any():
        rows = np.flatnonzero(massless)
        f[rows] = cost.row_transform(g, rows)
        f[f == np.inf] = 0.0
    return f, g


def repair(problem: Problem, coupling: Coupling) -> Coupling:
    """The coupling itself if its marginals are right to rounding, else scaled down and completed to them."""
    a, b, m = problem.a, problem.b, problem.shape[1]
    k = kernels("transport", np)
    rows, cols, mass = coupling.rows, coupling.cols, coupling.mass
    keep = mass > 0
    if not keep.all():
        rows, cols, mass = rows[keep], cols[keep], mass[keep]
    off_a, off_b = k.residuals(rows, cols, mass, a, b)
    if np.abs(off_a).sum() + np.abs(off_b).sum() <= _MASS_ROUNDING * float(np.sum(a)):
        return replace(coupling, rows=rows, cols=cols, mass=mass)
    mass = mass * _shrink(a, off_a)[rows]
    mass = mass * _shrink(b, k.residuals(rows, cols, mass, a, b)[1])[cols]
    off_a, off_b = k.residuals(rows, cols, mass, a, b)
    extra = k.northwest(np.maximum(off_a, 0.0), np.maximum(off_b, 0.0))
    rows, cols, mass = (np.concatenate(pair) for pair in zip((rows, cols, mass), extra))
    flat, place = np.unique(rows * np.int64(m) + cols, return_inverse=True)
    mass = np.bincount(place, weights=mass, minlength=flat.size)
    return replace(coupling, rows=flat // m, cols=flat % m, mass=mass)


def _shrink(wanted: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Factors <= 1 that bring sums ``wanted - missing`` down to ``wanted`` where they exceed it."""
    over = np.maximum(-missing, 0.0)
    return np.divide(wanted, wanted + over, out=np.ones_like(wanted), where=over > 0)


def certify(problem: Problem, coupling: Coupling) -> Certificate:
    """Make ``coupling`` feasible on both sides and bound the optimum. O(n m), or the cost's c-transform."""
    k = kernels("transport", np)
    f, g = feasible_potentials(problem, coupling.f)
    coupling = replace(repair(problem, coupling), f=f, g=g)
    rows, cols, mass = coupling.rows, coupling.cols, coupling.mass
    cost = problem.cost.entries(rows, cols)
    off_a, off_b = (np.abs(off) for off in k.residuals(rows, cols, mass, problem.a, problem.b))
    largest = max((float(np.abs(v).max()) for v in (cost[np.isfinite(cost)], f, g) if v.size), default=0.0)
    scale = power_of_two(largest)
    value, gap, size, spread = k.plan_sums(cost / scale, f / scale, g / scale, rows, cols, mass)
    if not math.isfinite(value):  # the completion had to use a forbidden arc
        lower = (k.dot(problem.a, f / scale) + k.dot(problem.b, g / scale)) * scale
        slack = _EPS * (np.dot(problem.a, np.abs(f)) + np.dot(problem.b, np.abs(g))) * len(f)
        upper, lower = math.inf, lower - float(slack)
        value = math.inf
    else:
        slack = _EPS * (abs(value) + gap) + 2.0**-90 * spread + problem.cost.relative_error * size
        slack += _mass_slack(problem, coupling, off_a, off_b) / scale
        upper = min((value + slack) * scale, np.finfo(float).max)
        lower = (value - max(gap, 0.0) - slack) * scale
        value *= scale
    error = max(float(off_a.max()), float(off_b.max()))
    noise = 16 * _EPS * spread * scale + 2.0**-1070  # an optimum of 0 is known to a subnormal
    return Certificate(coupling, value, lower, upper, error, noise)


def _mass_slack(problem: Problem, coupling: Coupling, off_a: np.ndarray, off_b: np.ndarray) -> float:
    """What the rounding of the masses is worth: sum |a - P 1| |f - c| + sum |b - P^T 1| |g + c|.

    Potentials are sensitivities of the optimum to the masses; c is the gauge that makes the sum small. If
    the totals of a and b differ by rounding, b stands for its multiple with the total of a.
    """
    both = np.concatenate([problem.a, -problem.b])
    difference = abs(kernels("transport", np).dot(both, np.ones(both.size)))
    off_b = off_b + problem.b * (difference / float(problem.b.sum()))
    off = float(off_a.sum() + off_b.sum())
    if off == 0:
        return 0.0
    gauge = float(off_a @ (coupling.f / off) - off_b @ (coupling.g / off))
    return float(off_a @ np.abs(coupling.f - gauge) + off_b @ np.abs(coupling.g + gauge))


def power_of_two(magnitude: float) -> float:
    """1, or the power of two that brings extreme costs back to where products neither over- nor underflow."""
    if magnitude == 0 or 1e-120 < magnitude < 1e120:
        return 1.0
    return math.ldexp(1.0, math.frexp(magnitude)[1] - 1)
