"""The certificate: lower <= true optimum <= upper, recomputed from a plan and potentials, whoever made them.

Dual side: for any f, the c-transform g_j = min_i C_ij - f_i is feasible, so <a, f> + <b, g> is a lower bound.
Primal side: any plan with the right marginals costs at least the optimum; a plan that misses them is scaled
down and completed (Altschuler, Weed, Rigollet 2017, Algorithm 2, with a sparse completion).
With both in hand, upper - lower = sum P_ij (C_ij - f_i - g_j): a sum of terms >= 0, free of cancellation.

Masses are compared to rounding: a plan whose marginals match a and b to 1e-13 of the total is taken as it
is, and the interval widened by what the mismatch is worth at the potentials' prices. `certify_exactly`
needs no such allowance.
"""

from __future__ import annotations

import math
import sys
from typing import NamedTuple, TypeAlias

import numpy as np

from transport._cost import Matrix
from transport._problem import Problem
from transport._solver.base import Coupling

_EPS = 2.0**-52
_MASS_ROUNDING = 1e-13
_MUCH = 1e-13  # of the plan's absolute costs: gaps that better potentials might close
_SMALL = 1 << 18  # entries
_LOUD = 2.0**20  # times the mean potential: its rounding would move the others

Sums: TypeAlias = tuple[float, float, float, float, float, float, float, float]
"""What `_kernels.certificate.bounds` returns."""


class Certificate(NamedTuple):
    """A feasible pair and the interval it proves; ``noise`` is the rounding level of the data itself.

    The potentials of atoms without mass prove nothing and may be left to `completed` (`Problem.core`).
    """

    coupling: Coupling
    value: float
    lower: float
    upper: float
    marginal_error: float
    noise: float


def certify(problem: Problem, coupling: Coupling) -> Certificate:
    """Make ``coupling`` feasible on both sides and bound the optimum. O(n m), or the cost's c-transform."""
    from transport._kernels import certificate as k

    a, b = problem.a, problem.b
    f, g, sums = _bounds(problem, coupling)
    certificate = certificate_of(coupling._replace(f=f, g=g), sums, problem.cost.relative_error)
    if certificate is not None:
        return certificate
    if sums[1] > _MUCH * sums[2] and (quieter := _yielding(problem, coupling)) is not None:
        cost = problem.cost.entries(coupling.rows, coupling.cols)
        again = k.bounds(cost, *quieter, coupling.rows, coupling.cols, coupling.mass, a, b)
        if again[1] < sums[1]:
            (f, g), sums = quieter, again
    coupling = coupling._replace(f=f, g=g)
    if not sums[5] <= _MASS_ROUNDING:
        coupling = repair(problem, coupling)
        cost = problem.cost.entries(coupling.rows, coupling.cols)
        sums = k.bounds(cost, f, g, coupling.rows, coupling.cols, coupling.mass, a, b)
    if not math.isfinite(sums[0]):  # the completion had to use a forbidden arc
        lower = math.fsum(a * f) + math.fsum(b * g)
        lower -= len(f) * _EPS * float(a @ np.abs(f) + b @ np.abs(g))
        return Certificate(coupling, math.inf, lower, math.inf, sums[6], 0.0)
    return _from_sums(coupling, sums, problem.cost.relative_error)


def certificate_of(coupling: Coupling, sums: Sums, relative_error: float) -> Certificate | None:
    """What ``sums`` prove, unless there is more to be had by a closer look."""
    if sums[1] > _MUCH * sums[2] or not (sums[5] <= _MASS_ROUNDING and math.isfinite(sums[0])):
        return None
    return _from_sums(coupling, sums, relative_error)


def _from_sums(coupling: Coupling, sums: Sums, relative_error: float) -> Certificate:
    value, gap, size, spread, mass_slack, _, error, unit = sums
    slack = _EPS * (abs(value) + gap) + 2.0**-90 * spread + relative_error * size + mass_slack
    return Certificate(
        coupling=coupling,
        value=value * unit,
        lower=(value - max(gap, 0.0) - slack) * unit,
        upper=min((value + slack) * unit, sys.float_info.max),
        marginal_error=error,
        noise=16 * _EPS * spread * unit + 2.0**-1070,  # an optimum of 0 is known to a subnormal
    )


def intervals(
    sums: np.ndarray, *, tol: float, relative_error: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(value, lower, upper, sound) for the sums of many problems, (k, 8); see `_from_sums`.

    Not sound: the gap exceeds ``tol`` and the rounding of the data, or a closer look is worth while.
    """
    value, gap, size, spread, mass_slack, off, _, unit = sums.T
    with np.errstate(all="ignore"):
        slack = _EPS * (np.abs(value) + gap) + 2.0**-90 * spread + relative_error * size + mass_slack
        lower = (value - np.maximum(gap, 0.0) - slack) * unit
        upper = np.minimum((value + slack) * unit, sys.float_info.max)
        noise = 16 * _EPS * spread * unit + 2.0**-1070
        sound = (gap <= _MUCH * size) & (off <= _MASS_ROUNDING) & np.isfinite(value)
        sound &= upper - lower <= np.maximum(tol * np.abs(upper), noise)
    return value * unit, lower, upper, sound


def _bounds(problem: Problem, coupling: Coupling) -> tuple[np.ndarray, np.ndarray, Sums]:
    """Feasible potentials and what they and the plan prove; in one call for a small matrix."""
    from transport._kernels import certificate as k

    cost = problem.cost
    if problem.core is not None:
        core, rows, cols = problem.core
        f, g = np.zeros(len(problem.a)), np.zeros(len(problem.b))
        f[rows], g[cols] = feasible_potentials(core, coupling.f[rows])
    else:
        if isinstance(cost, Matrix) and cost.values.size <= _SMALL:
            sound, g, sums = k.bounds_matrix(
                cost.values, coupling.f, coupling.rows, coupling.cols, coupling.mass, problem.a, problem.b
            )
            if sound:
                return coupling.f, g, sums
        f, g = feasible_potentials(problem, coupling.f)
    at = cost.entries(coupling.rows, coupling.cols)
    return f, g, k.bounds(at, f, g, coupling.rows, coupling.cols, coupling.mass, problem.a, problem.b)


def feasible_potentials(problem: Problem, f: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best g for ``f``, and f for the sources without mass, so that f_i + g_j <= C_ij throughout."""
    from transport._kernels.certificate import scan_potentials

    cost = problem.cost
    finite, massless = scan_potentials(f, problem.a)
    if not finite:
        f = np.where(np.isfinite(f), f, 0.0)
    if not massless:
        g = cost.c_transform(f)
        g[g == np.inf] = 0.0  # a sink without mass that no source may reach
        return f, g
    return completed(problem, f, np.full(len(problem.b), np.nan))


def completed(problem: Problem, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Potentials of the atoms without mass, and of sinks where ``g`` is nan; O(n m) or a c-transform."""
    cost = problem.cost
    rows, cols = np.flatnonzero(problem.a == 0), np.flatnonzero((problem.b == 0) | np.isnan(g))
    with_mass, f, g = f.copy(), f.copy(), g.copy()
    with_mass[rows] = -np.inf
    g[cols] = cost.c_transform(with_mass)[cols]
    g[g == np.inf] = 0.0  # a sink without mass that no source may reach
    f[rows] = cost.row_transform(g, rows)
    f[f == np.inf] = 0.0
    return f, g


def _yielding(problem: Problem, coupling: Coupling) -> tuple[np.ndarray, np.ndarray] | None:
    """Feasible potentials for which the far outliers among the sources give way; None if there are none.

    A potential of 1e15 is known to 0.1 only. Where that is too much, the sinks' potentials should not
    follow it down, as in a c-transform: an outlier hardly pays for a tenth less if its mass is small.
    """
    f, g = coupling.f, coupling.g
    size = np.abs(f)
    loud = np.flatnonzero(size > _LOUD * float(problem.a @ size) / float(problem.a.sum()))
    if not (len(loud) and np.isfinite(f).all() and np.isfinite(g).all()):
        return None
    quiet = problem.a > 0
    quiet[loud] = False
    g = np.minimum(g, problem.cost.c_transform(np.where(quiet, f, -np.inf)))
    f, rest = f.copy(), np.flatnonzero(~quiet)
    f[rest] = problem.cost.row_transform(g, rest)
    f[f == np.inf] = 0.0
    return f, g


def repair(problem: Problem, coupling: Coupling) -> Coupling:
    """The coupling scaled down to where it exceeds no mass, and completed by the north-west rule."""
    from transport._kernels import certificate as k

    a, b, m = problem.a, problem.b, problem.shape[1]
    rows, cols, mass = coupling.rows, coupling.cols, np.maximum(coupling.mass, 0.0)
    mass = mass * _shrink(a, k.residuals(rows, cols, mass, a, b)[0])[rows]
    mass = mass * _shrink(b, k.residuals(rows, cols, mass, a, b)[1])[cols]
    off_a, off_b = k.residuals(rows, cols, mass, a, b)
    extra = k.northwest(np.maximum(off_a, 0.0), np.maximum(off_b, 0.0))
    rows, cols, mass = (np.concatenate(pair) for pair in zip((rows, cols, mass), extra))
    flat, place = np.unique(rows[mass > 0] * np.int64(m) + cols[mass > 0], return_inverse=True)
    mass = np.bincount(place, weights=mass[mass > 0], minlength=flat.size)
    return coupling._replace(rows=flat // m, cols=flat % m, mass=mass)


def _shrink(wanted: np.ndarray, missing: np.ndarray) -> np.ndarray:
    """Factors <= 1 that bring sums ``wanted - missing`` down to ``wanted`` where they exceed it."""
    over = np.maximum(-missing, 0.0)
    return np.divide(wanted, wanted + over, out=np.ones_like(wanted), where=over > 0)


def power_of_two(magnitude: float) -> float:
    """1, or the power of two that brings extreme costs back to where sums neither over- nor underflow."""
    if magnitude == 0 or 1e-120 < magnitude < 1e120:
        return 1.0
    return math.ldexp(1.0, math.frexp(magnitude)[1] - 1)
