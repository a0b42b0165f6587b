"""The certificate: lower <= true optimum <= upper, recomputed from a plan and potentials, whoever made them.

Dual side: for any f, the c-transform g_j = min_i C_ij - f_i is feasible, so <a, f> + <b, g> is a lower bound.
Primal side: only a plan whose marginals are exactly right bounds from above. A plan right to rounding is
changed by what its residuals ask for, along its own arcs (`_kernels.settle`); one that misses
more is scaled down and completed first (Altschuler, Weed, Rigollet 2017, Algorithm 2, sparse). What the
plan's arcs cannot settle is worth at most its mass times the largest cost there and back; where that is too
much, `transport._completion` moves it in integers.
With both in hand, upper - lower = sum P_ij (C_ij - f_i - g_j): a sum of terms >= 0, free of cancellation.

If the totals of a and b differ by rounding, b stands for its multiple with the total of a. If forbidden arcs
part the problem into blocks whose totals differ by rounding, the same holds for every block.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np

from transport._completion import Parted, complete
from transport._cost import Cost
from transport._fitting import fitted_potentials
from transport._problem import Coupling, Problem
from transport._solver.tuning import TUNING
from transport.internal import MagnitudeError

_EPS = 2.0**-52
_MINUTE = 2.0**-40  # of the smallest mass: residuals that can only be rounding


class Sums(NamedTuple):
    """What `_kernels.certificate.bounds` returns; see there."""

    value: float
    gap: float
    size: float
    spread: float
    slack: float
    doubt: float
    shift: float
    unit: float
    heap: float
    off: float
    error: float
    left: float


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

    def closed(self, tol: float) -> bool:
        """Whether the interval is finite and no wider than ``tol`` of its upper end, or than the noise."""
        allowed = max(tol * abs(self.upper), self.noise)
        return math.isfinite(self.upper) and self.upper - self.lower <= allowed


def certify(problem: Problem, coupling: Coupling) -> Certificate:
    """Make ``coupling`` feasible on both sides and bound the optimum. O(n m), or the cost's c-transform.

    Raises MagnitudeError if the optimum is beyond float64, InfeasibleError if masses too small for the
    solver turn out to have no way.
    """
    from transport._kernels.certificate import MASS_ROUNDING, MUCH

    cost = problem.cost
    f, g, sums = _bounds(problem, coupling)
    if sums.gap > MUCH * sums.size and (polished := _polished(problem, coupling)) is not None:
        again = _sums(problem, coupling._replace(f=polished[0], g=polished[1]))
        if again.gap < sums.gap:
            (f, g), sums = polished, again
    coupling = coupling._replace(f=f, g=g)
    if sums.gap > TUNING.refit_gap * abs(sums.value) and math.prod(problem.shape) <= TUNING.refit_pairs:
        coupling, sums = refitted(problem, coupling, sums)
    if not sums.off <= MASS_ROUNDING:
        coupling = repair(problem, coupling)
        sums = _sums(problem, coupling)
    if not math.isfinite(sums.value):  # the completion had to use a forbidden arc
        return _without_plan(problem, coupling, sums)
    if sums.left > 0 and (sums.left * _reach(cost, sums) > MUCH * sums.size or _strands(problem, sums)):
        try:
            whole = complete(problem, coupling)
        except Parted:
            return _from_sums(problem, coupling, sums._replace(left=0.0, doubt=sums.doubt + sums.slack))
        if whole is not None:
            return _from_whole(problem, coupling, *whole)
    return _from_sums(problem, coupling, sums)


def bounded(problem: Problem, coupling: Coupling) -> Certificate:
    """The certificate of a plan whose marginals are right and potentials known to be feasible; O(arcs)."""
    return _from_sums(problem, coupling, _sums(problem, coupling))


def certify_pieces(
    problem: Problem,
    f: np.ndarray,
    pieces: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]],
    rest: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
) -> Certificate:
    """`certify` for a plan too long to be copied: (rows, cols, mass) piece by piece.

    ``rest``: its residuals at both sides and their rounding, `residuals_arcs`. What is left over is worth
    its mass times the largest cost there and back. ``coupling`` holds the potentials alone.
    """
    from transport._kernels.certificate import worth

    f, g = feasible_potentials(problem, f)
    rho_a, rho_b, *errors = rest
    largest = max(float(np.abs(rho).max()) for rho in (rho_a, rho_b))
    total = math.fsum(problem.b)
    rho_b = rho_b + problem.b * (math.fsum(np.concatenate([problem.a, -problem.b])) / total)
    left = math.fsum(np.abs(np.concatenate([rho_a, rho_b]))) + math.fsum(np.concatenate(errors))
    none, settled = np.empty(0, np.int64), (np.zeros(len(f)), np.zeros(len(g)))
    parts = []
    for rows, cols, mass, rho in chain(
        ((*piece, settled) for piece in pieces), [(none, none, np.empty(0), (rho_a, rho_b))]
    ):
        cost, zero = problem.cost.entries(rows, cols), np.zeros(len(mass))
        parts.append(worth(cost, f, g, rows, cols, mass, zero, zero, *rho, total))
    table = np.array(parts)
    unit, heap = float(table[:, 7].max()), float(table[0, 8])
    value, gap, size, spread, slack, doubt, shift = (
        math.fsum(column) for column in (table[:, :7] * (table[:, 7:8] / unit)).T
    )
    doubt += len(parts) * _EPS * (abs(value) + gap)
    sums = Sums(value, gap, size, spread, slack, doubt, shift, unit, heap, 0.0, largest, left / heap)
    return _from_sums(problem, Coupling(none, none, np.empty(0), f, g), sums)


def refitted(problem: Problem, coupling: Coupling, sums: Sums | None = None) -> tuple[Coupling, Sums]:
    """With feasible potentials fitted to the plan, where these prove more than ``sums``."""
    raw = fitted_potentials(problem, coupling)
    pairs = [feasible_potentials(problem, raw.f), _polished(problem, raw)]
    best = None if sums is None else (coupling, sums)
    for pair in pairs:
        if pair is not None:
            other = coupling._replace(f=pair[0], g=pair[1])
            again = _sums(problem, other)
            if best is None or again.gap < best[1].gap:
                best = other, again
    assert best is not None
    return best


def _reach(cost: Cost, sums: Sums) -> float:
    """What one unit of mass that the plan's arcs cannot settle may cost, in ``sums.unit``.

    It goes by an arc that is added and one that is removed, or, where arcs are forbidden, by an alternating
    path (one exists if the problem is feasible).
    """
    arcs = 2 * min(cost.shape) + 1 if cost.has_forbidden else 2
    return arcs * (cost.magnitude / sums.unit)


def _from_sums(
    problem: Problem, coupling: Coupling, sums: Sums, change: np.ndarray | None = None
) -> Certificate:
    from transport._kernels import certificate as k

    cost = problem.cost
    reach = _reach(cost, sums) if sums.left > 0 else 0.0
    lower, upper, noise = k.interval(tuple(sums), cost.relative_error, reach)
    if abs(sums.shift) > k.SHIFT * abs(sums.value):
        coupling = coupling._replace(mass=_changed(problem, coupling, change))
    value = _in_units(sums.value, sums, 0.0)
    if not math.isfinite(value):
        raise MagnitudeError(
            "the optimum, masses times costs, is larger than any float64: divide a and b by their total, "
            "or cost by its largest entry"
        )
    noise = _in_units(noise, sums, 0.0)
    return Certificate(
        coupling=coupling,
        value=value,
        lower=_in_units(lower, sums, -math.inf),
        upper=min(_in_units(upper, sums, math.inf), sys.float_info.max),
        marginal_error=sums.error,
        noise=(noise if noise < math.inf else 0.0) + 2.0**-1070,  # an optimum of 0 is known to a subnormal
    )


def _changed(problem: Problem, coupling: Coupling, change: np.ndarray | None) -> np.ndarray:
    """The plan's masses as `settle` leaves them."""
    from transport._kernels.settle import settle

    rows, cols, mass = coupling.rows, coupling.cols, coupling.mass
    if change is None:
        change = settle(rows, cols, mass, problem.cost.entries(rows, cols), problem.a, problem.b)[0]
    return np.maximum(mass + change, 0.0)


def intervals(
    proofs: np.ndarray, *, tol: float, relative_error: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(value, lower, upper, sound) of many problems, from what `_kernels.certificate.prove` says, (k, 8).

    Not sound: the gap exceeds ``tol`` and the rounding of the data.
    """
    value, lower, upper, noise, size = proofs.T[:5]
    lower, upper = lower - relative_error * size, upper + relative_error * size
    return value, lower, upper, upper - lower <= np.maximum(tol * np.abs(upper), noise)


def _strands(problem: Problem, sums: Sums) -> bool:
    """Whether what is left may be a small mass that forbidden arcs leave nowhere to go."""
    if not problem.cost.has_forbidden:
        return False
    smallest = min(float(w[w > 0].min()) for w in (problem.a, problem.b))
    return sums.left * sums.heap > _MINUTE * smallest


def _in_units(x: float, sums: Sums, towards: float) -> float:
    """x times the units of cost and mass, rounded in the given direction where it leaves the normal range."""
    if sums.unit == 1.0 and sums.heap == 1.0:
        return x
    exponent = math.frexp(sums.unit)[1] + math.frexp(sums.heap)[1] - 2
    try:
        scaled = math.ldexp(x, exponent)
    except OverflowError:
        return math.copysign(math.inf, x)
    if towards and x != 0 and abs(scaled) < sys.float_info.min and math.ldexp(scaled, -exponent) != x:
        scaled = math.nextafter(scaled, towards)
    return scaled


def _without_plan(problem: Problem, coupling: Coupling, sums: Sums) -> Certificate:
    """The lower bound alone: no plan without forbidden arcs is known."""
    lower = lower_bound(problem, coupling.f, coupling.g)
    return Certificate(coupling, math.inf, lower, math.inf, sums.error, 0.0)


def lower_bound(problem: Problem, f: np.ndarray, g: np.ndarray) -> float:
    """<a, f> + <b, g> of feasible potentials, rounded down; b stands for its multiple with the total of a."""
    total = math.fsum(problem.a)
    a, b = problem.a / total, problem.b / math.fsum(problem.b)
    with np.errstate(over="ignore", invalid="ignore"):
        lower = math.fsum(np.concatenate([a * f, b * g]))
        lower -= 8 * _EPS * float(a @ np.abs(f) + b @ np.abs(g))
    if not math.isfinite(lower):
        return -math.inf
    return lower if lower == 0 and not (f.any() or g.any()) else math.nextafter(lower * total, -math.inf)


def _from_whole(problem: Problem, before: Coupling, coupling: Coupling, low: np.ndarray) -> Certificate:
    """The certificate of a plan whose masses, ``coupling.mass`` + ``low``, are right to 2^-105 each.

    Its potentials are those ``before``, which are feasible, or come from them by rounded steps.
    """
    from transport._kernels.certificate import worth
    from transport._kernels.settle import residuals

    rows, cols, mass = coupling.rows, coupling.cols, coupling.mass
    cost, error, total = problem.cost.entries(rows, cols), 2.0**-104 * mass, math.fsum(problem.b)
    nothing = np.zeros(len(problem.a)), np.zeros(len(problem.b))
    largest = float(np.abs(np.concatenate(residuals(rows, cols, mass, problem.a, problem.b))).max())
    pairs = [(before.f, before.g)]
    if coupling.f is not before.f:
        pairs += [feasible_potentials(problem, coupling.f)]
        pairs += [pair for pair in [_polished(problem, coupling)] if pair is not None]
    proved = []
    for f, g in pairs:
        value, gap, size, spread, slack, doubt, shift, unit, heap = worth(
            cost, f, g, rows, cols, mass, low, error, *nothing, total
        )
        sums = Sums(value, gap, size, spread, slack, doubt, shift, unit, heap, 0.0, largest, 0.0)
        proved.append((gap * unit, coupling._replace(f=f, g=g), sums))
    _, coupling, sums = min(proved, key=lambda known: known[0])
    return _from_sums(problem, coupling, sums, low)


def _sums(problem: Problem, coupling: Coupling) -> Sums:
    """What the plan and the feasible potentials of ``coupling`` prove."""
    from transport._kernels import certificate as k

    rows, cols, mass, f, g = coupling
    cost = problem.cost.entries(rows, cols)
    return Sums(*k.bounds(cost, f, g, rows, cols, mass, problem.a, problem.b))


def _bounds(problem: Problem, coupling: Coupling) -> tuple[np.ndarray, np.ndarray, Sums]:
    """Feasible potentials and what they and the plan prove; in one call for a small matrix."""
    from transport._kernels import certificate as k

    cost = problem.cost
    if problem.core is not None:
        core, rows, cols = problem.core
        f, g = np.zeros(len(problem.a)), np.zeros(len(problem.b))
        f[rows], g[cols] = feasible_potentials(core, coupling.f[rows])
    else:
        values = cost.stored
        if values is not None and values.size <= TUNING.proof_pairs:
            sound, g, sums = k.bounds_matrix(
                values, coupling.f, coupling.rows, coupling.cols, coupling.mass, problem.a, problem.b
            )
            if sound:
                return coupling.f, g, Sums(*sums)
        f, g = feasible_potentials(problem, coupling.f)
    return f, g, _sums(problem, coupling._replace(f=f, g=g))


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


def _polished(problem: Problem, coupling: Coupling) -> tuple[np.ndarray, np.ndarray] | None:
    """Feasible potentials for which the far outliers among the sources give way; None if there are none.

    A potential of 1e15 is known to 0.1 only. Where that is too much, the sinks' potentials should not
    follow it down, as in a c-transform: an outlier hardly pays for a tenth less if its mass is small.
    """
    f, g = coupling.f, coupling.g
    size = np.abs(f)
    loud = np.flatnonzero(size > TUNING.refit_loud * float((problem.a / problem.a.sum()) @ size))
    if not (len(loud) and np.isfinite(f).all() and np.isfinite(g).all()):
        return None
    quiet = problem.a > 0
    quiet[loud] = False
    g = np.minimum(g, problem.cost.c_transform(np.where(quiet, f, -np.inf)))
    f, rest = f.copy(), np.flatnonzero(~quiet)
    f[rest] = problem.cost.row_transform(np.where(problem.b > 0, g, -np.inf), rest)
    f[f == np.inf] = 0.0
    return completed(problem, f, g) if problem.has_zero_mass else (f, g)


def repair(problem: Problem, coupling: Coupling) -> Coupling:
    """The coupling scaled down to where it exceeds no mass, and completed by the north-west rule."""
    from transport._kernels.settle import residuals
    from transport._kernels.sharing import northwest

    a, b, m = problem.a, problem.b, problem.shape[1]
    rows, cols, mass = coupling.rows, coupling.cols, np.maximum(coupling.mass, 0.0)
    mass = mass * _shrink(a, residuals(rows, cols, mass, a, b)[0])[rows]
    mass = mass * _shrink(b, residuals(rows, cols, mass, a, b)[1])[cols]
    off_a, off_b = residuals(rows, cols, mass, a, b)
    extra = northwest(np.maximum(off_a, 0.0), np.maximum(off_b, 0.0))
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
