"""Exact optimal transport: a network simplex on a growing pool of arcs, around a pricing oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from transport._cost import Matrix
from transport._problem import Problem
from transport._solution import Status
from transport._solver.base import Coupling
from transport._solver.columns import Simplex, Stranded, generate_columns
from transport._solver.masses import integer_masses
from transport._solver.matrix import MatrixOracle
from transport._solver.pricing import Oracle, Slices
from transport._solver.trees import Work
from transport.internal import InfeasibleError, check_choice

METHODS = ("auto", "matrix")


@dataclass(frozen=True)
class Exact:
    """Exact solver: network simplex with column generation.

    Integer flows, so conservation is exact and ties are ties; strongly feasible trees, so it cannot cycle;
    tolerances relative to each arc, so that scaling the costs by 2^k changes nothing but the scale.

    Parameters
    ----------
    method : {"auto", "matrix"}
        How arcs are priced. "auto" chooses by the cost's kind; "matrix" stores all n x m costs.

    Notes
    -----
    ``max_iter`` of `transport.solve` counts pivots.
    """

    method: str = "auto"

    def __post_init__(self) -> None:
        check_choice(self.method, "method", METHODS)

    def init(self, problem: Problem, *, tol: float) -> State:
        """Set up nothing yet: the work is in the steps."""
        return State(problem)

    def step(self, state: State, budget: int) -> Status:
        """One slice of at most ~0.1 s; at most ``budget`` pivots."""
        state.work.budget = budget
        try:
            next(state.slices)
        except StopIteration:
            return Status.OPTIMAL
        except Stranded as stranded:
            raise _infeasible(state, *stranded.args) from None
        return Status.RUNNING

    def progress(self, state: State) -> tuple[int, str, Mapping[str, Any]]:
        """Pivots, stage, statistics."""
        w = state.work
        stats = {
            "method": state.method,
            "pivots": w.pivots,
            "rounds": w.rounds,
            "arcs": w.arcs,
            "stalls": w.stalls,
        }
        return w.pivots, f"{w.stage}: {w.arcs} arcs, {w.pivots} pivots", stats

    def finish(self, state: State) -> Coupling:
        """Plan on the current basis, flows recomputed from the masses as given, and the potentials."""
        problem = state.problem
        f, g = np.zeros(problem.shape[0]), np.zeros(problem.shape[1])
        core = state.core
        if core is None or not core.has_basis:
            none = np.empty(0, np.int64)
            return Coupling(none, none, np.empty(0), f, g)
        u, v = core.potentials()
        f[state.sources] = np.ldexp(u, state.exponent)
        g[state.sinks] = np.ldexp(v, state.exponent)
        rows, cols, mass = _shipped(core, problem.a[state.sources], problem.b[state.sinks])
        return Coupling(state.sources[rows], state.sinks[cols], mass, f, g)


@dataclass(eq=False)
class State:
    """A solve in progress: ``sources, sinks`` carry mass; the oracle's costs are in units of 2^exponent."""

    problem: Problem
    work: Work = field(default_factory=Work)
    core: Simplex | None = None
    exponent: int = 0
    method: str = "matrix"

    def __post_init__(self) -> None:
        self.sources = np.flatnonzero(self.problem.a > 0)
        self.sinks = np.flatnonzero(self.problem.b > 0)
        self.slices = _solve(self)


def _solve(state: State) -> Slices[None]:
    oracle = _matrix_oracle(state)
    a, b = integer_masses(state.problem.a[state.sources], state.problem.b[state.sinks])
    state.work.stage = "building the shortlist"
    start = yield from oracle.start()
    state.core = Simplex(oracle, a, b, start, state.work)
    yield from generate_columns(state.core)


def _matrix_oracle(state: State) -> Oracle:
    """All costs in memory, those of massless rows and columns left out, of ordinary magnitude."""
    cost = state.problem.cost
    values = cost.values if isinstance(cost, Matrix) else cost.block(0, cost.shape[0])
    if (len(state.sources), len(state.sinks)) != values.shape:
        values = values[np.ix_(state.sources, state.sinks)]
    magnitude = cost.magnitude
    exponent = math.frexp(magnitude)[1]
    if magnitude > 0 and abs(exponent) > 400:  # sums and differences must neither overflow nor underflow
        state.exponent = exponent
        values = np.ldexp(values, -exponent)
        magnitude = math.ldexp(magnitude, -exponent)
    return MatrixOracle(values, cost.has_forbidden, magnitude)


def _shipped(core: Simplex, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) on the basis, from the float masses; what is shipped so far if some is stranded."""
    from transport._kernels import simplex_pool

    n = core.n
    if core.stranded():
        rows, cols, units = core.flows()
        return rows, cols, units * (math.fsum(a) / float(core.a.sum()))
    parent = core.tree.parents
    mass = simplex_pool.peel(n, parent, a, b)
    v = np.flatnonzero((parent[:-1] < len(mass)) & (mass > 0))
    p = parent[v]
    return np.minimum(v, p), np.maximum(v, p) - n, mass[v]


def _infeasible(state: State, rows: np.ndarray, cols: np.ndarray) -> InfeasibleError:
    rows, cols = state.sources[rows], state.sinks[cols]
    need, room = math.fsum(state.problem.a[rows]), math.fsum(state.problem.b[cols])
    return InfeasibleError(
        f"forbidden arcs (+inf costs) leave mass stranded: the {len(rows)} sources in error.rows hold "
        f"{need:.6g} but can only reach the {len(cols)} sinks in error.cols, which take {room:.6g}; "
        f"allow more arcs from these sources or change the masses",
        rows,
        cols,
    )
