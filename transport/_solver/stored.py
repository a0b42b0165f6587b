"""Stored matrices: the small and the shapeless ones in one go, the long ones around hubs, the others by an
oracle and a pool."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial

import numpy as np

from transport._problem import Coupling
from transport._solution import Solution
from transport._solver.at_once import solve_at_once
from transport._solver.forest import shipped
from transport._solver.hubs import solve_hubs
from transport._solver.laid_out import LaidOut
from transport._solver.plan import DENSE, HUBS
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.pricing.oracle import Slices
from transport._solver.reductions import integer_masses, unit_exponent
from transport._solver.start import Start
from transport._solver.starts.shortlist import continued
from transport._solver.starts.stored_costs import stored_start
from transport._solver.state import State
from transport.internal import to_numpy


def stored(state: State) -> Slices[LaidOut | None]:
    """The stored costs laid out; None if ``state.coupling`` is the answer already.

    Where the potentials of an answer drown its costs, ``begun`` is where to go on from it.
    """
    values = state.kept.costs(state.problem)
    short = state.plan.core.what == DENSE
    if short:
        state.work.path += [state.plan.start, state.plan.core]
        if (yield from _at_once(state, values)):
            return None
    yield
    oracle, masses = _oracle(state, values), integer_masses(*state.masses)
    again = short and state.kept.unit != 1.0 and state.coupling is None
    if again and (yield from _at_once(state, oracle.values)):
        return None
    if state.plan.core.what == HUBS:
        state.work.path += [state.plan.start, state.plan.core]
        if (yield from _around_hubs(state, oracle, masses)):
            return None
    if short or state.plan.core.what == HUBS:
        state.work.note("switch", "column generation", _why_not(state))
    begun = None
    if state.coupling is not None:
        begun, state.coupling = _polished_start(state.coupling, state, oracle, masses), None
    may_cluster = not state.is_forced or state.plan.start.what != "shortlist"
    start = partial(stored_start, oracle, masses, state.work, says=True, may_cluster=may_cluster)
    return LaidOut(oracle, masses, start, begun=begun)


def _why_not(state: State) -> str:
    """Why the whole matrix, or the hub tree, is not the end of it."""
    if state.coupling is not None:
        return "potentials are large beside the costs of the plan, which lose digits"
    return "forbidden or giant costs are in the way, or at_once_pivots are spent"


def _around_hubs(state: State, oracle: MatrixOracle, masses: tuple[np.ndarray, np.ndarray]) -> Slices[bool]:
    """A few rows or columns; False if rounding stopped it or the potentials drown the costs of the plan.

    A forbidden arc costs more than any cycle through the hubs saves, so that it carries flow only if there is
    no plan without: the general path knows what to do then.
    """
    n, m = oracle.shape
    values = oracle.values
    if oracle.has_forbidden:
        values = np.where(values < np.inf, values, 4.0 * state.work.tuning.hubs * (oracle.magnitude or 1.0))
    known = None if state.warm is None else warm_potentials(state, state.warm)[n > m]
    optimal, parent, f, g = yield from solve_hubs(values, masses, state.work, known)
    rows, cols, mass = shipped(parent, *state.masses)
    costs = oracle.costs(rows, cols)
    if np.isinf(costs).any():
        return False
    state.coupling = state.kept.lift(Coupling(rows, cols, mass, f, g))
    size = float(np.abs(costs) @ mass)
    return optimal and float((np.abs(f[rows]) + np.abs(g[cols])) @ mass) <= state.work.tuning.loud * size


def _polished_start(
    coupling: Coupling, state: State, oracle: MatrixOracle, masses: tuple[np.ndarray, np.ndarray]
) -> Start:
    """The plan of ``coupling`` as a start, with potentials that do not drown its costs."""
    from transport._kernels.forests import balanced_potentials

    place_i, place_j = state.kept.place
    rows, cols = place_i[coupling.rows], place_j[coupling.cols]
    f, g = balanced_potentials(rows, cols, oracle.costs(rows, cols), *masses)
    return continued(Start(rows, cols, f, g), oracle, (rows, cols), masses, state.work.tuning)


def _at_once(state: State, values: np.ndarray) -> Slices[bool]:
    """All of it in one call; False if it did not work out (the general path will)."""
    from transport._kernels import simplex_dense as k

    a, b = state.masses
    start = None if state.warm is None else warm_potentials(state, state.warm)[1]
    budget = state.work.budget
    giants = state.problem.cost.stored is None  # those are far points, and no pool does without
    shipped = solve_at_once(values, a, b, g=start, budget=budget, giants=giants, tuning=state.work.tuning)
    code, pivots, rows, cols, mass, f, g = shipped
    if code == k.UNFIT:
        return False
    state.work.spend(pivots)
    state.work.rounds, state.work.arcs, state.work.stage = 1, values.size, "pivoting"
    state.coupling = state.kept.lift(Coupling(rows, cols, mass, f, g))
    if code == k.OPTIMAL:
        return True
    yield  # out of budget or time, this is the answer
    if code == k.LIMIT:
        state.coupling = None
    return False


def warm_potentials(state: State, warm: Solution) -> tuple[np.ndarray, np.ndarray]:
    """(f, g) of an earlier solution, in the units and the order of this one."""
    f, g = (to_numpy(x) for x in warm.potentials)
    return state.kept.potentials(f, g)


def _oracle(state: State, values: np.ndarray) -> MatrixOracle:
    """The costs in units of ordinary magnitude."""
    cost = state.problem.cost
    magnitude = cost.magnitude
    exponent = unit_exponent(magnitude)
    if exponent:
        state.kept = replace(state.kept, unit=math.ldexp(1.0, exponent))
        values = np.ldexp(values, -exponent)
        magnitude = math.ldexp(magnitude, -exponent)
    return MatrixOracle(
        values,
        state.work.tuning,
        has_forbidden=cost.has_forbidden,
        giants_forbid=cost.stored is not None,
        magnitude=magnitude,
    )
