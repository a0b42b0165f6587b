"""Exact optimal transport: a network simplex on a growing pool of arcs, around a pricing oracle."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from transport._answer import Status
from transport._problem import Coupling, Problem
from transport._solution import Solution
from transport._solver import laid_out
from transport._solver.assignment import Matching, assign
from transport._solver.base import Solver
from transport._solver.closed_forms import CLOSED_FORMS
from transport._solver.column_generation import Simplex, Stranded, generate_columns, polish
from transport._solver.forest import shipped
from transport._solver.grid_flow import network
from transport._solver.laid_out import LaidOut, sparse_start
from transport._solver.plan import AUCTION, CORES, METHODS, Plan, planned
from transport._solver.pricing.oracle import Slices
from transport._solver.progress import Pace, in_words
from transport._solver.reductions import IN_PLACE, Reduction, distinct, without_shared
from transport._solver.start import Start
from transport._solver.starts.shortlist import continued, earlier
from transport._solver.state import State
from transport._solver.stored import stored, warm_potentials
from transport._solver.trees import Work
from transport._solver.tuning import TUNING, Tuning
from transport.internal import InfeasibleError, check_choice

LAY_OUT: dict[str, Callable[[State], Slices[LaidOut | None]]] = {
    "matrix": stored,
    "points": laid_out.points,
    "blocks": laid_out.function,
    "sparse": laid_out.sparse,
}
"""Method -> the problem behind an oracle; None: solved on the way."""


@dataclass(frozen=True)
class Exact(Solver):
    """Exact solver: network simplex with column generation.

    Integer flows, so conservation is exact and ties are ties; strongly feasible trees, so it cannot cycle;
    tolerances relative to each arc, so that scaling the costs by 2^k changes nothing but the scale.

    Parameters
    ----------
    method : {"auto", "line", "points", "matrix", "blocks", "sparse", "circle", "tree", "grid"}
        How arcs are priced. "auto" chooses by the problem (``stats["method"]`` and ``stats["reason"]`` say
        what and why). "line", "circle" and "tree" are closed forms; "points" never stores the n x m costs;
        "matrix" does; "blocks" evaluates any cost anew in every round, a strip at a time; "sparse" knows
        stored arcs only; "grid" sends flow from cell to neighbouring cell (l1).

    warm : Solution, optional
        An earlier answer to a problem of the same shape, with other costs or masses: its potentials and
        plan are where this one starts. The answer does not depend on it, only the time.
    tuning : Tuning, optional
        The limits by which the way is chosen (``transport._solver.tuning``); for measurements and tests.
    plan : Plan, optional
        The way to go instead: one made by `transport.plan` for a problem of this shape, perhaps with another
        ``core`` or ``start`` put in by `dataclasses.replace`. What does not work out is a switch in
        ``stats["path"]``.

    Notes
    -----
    ``max_iter`` of `transport.solve` counts pivots.
    """

    method: str = "auto"
    warm: Solution | None = None
    tuning: Tuning = field(default=TUNING, repr=False)
    plan: Plan | None = field(default=None, repr=False)

    stops_anywhere = True

    def __post_init__(self) -> None:
        check_choice(self.method, "method", METHODS)
        if self.plan is not None:
            check_choice(self.plan.core.what, "plan.core.what", CORES)

    def init(self, problem: Problem, *, tol: float) -> State:
        """Set up nothing yet: the work is in the steps.

        Raises ValueError if ``warm`` belongs to a problem of another shape.
        """
        if self.warm is not None and self.warm.arcs.shape != problem.shape:
            raise ValueError(
                f"warm has shape {self.warm.arcs.shape} but the problem {problem.shape}; "
                "only a solution of the same shape can be a start"
            )
        fewer, plan = self._planned(problem, look=False)
        forced = self.plan
        if forced is not None:
            if forced.shape != problem.shape:
                raise ValueError(
                    f"plan is for shape {forced.shape} but the problem has {problem.shape}; "
                    "make one for it with transport.plan"
                )
            plan = replace(plan, start=forced.start, core=forced.core)
        work = Work(tuning=_tuned(self.tuning, fewer), path=list(plan.reductions))
        state = State(
            problem if fewer is None else fewer.problem,
            plan,
            pace=Pace(tol),
            work=work,
            is_forced=forced is not None,
            warm=self.warm,
            merged=fewer,
        )
        state.slices = _solve(state)
        return state

    def planned(self, problem: Problem) -> Plan:
        """What this solver would do with ``problem``; nothing is solved."""
        return self._planned(problem, look=True)[1]

    def _planned(self, problem: Problem, *, look: bool) -> tuple[Reduction | None, Plan]:
        method, warm = self.method if self.plan is None else self.plan.method, self.warm is not None
        may_merge = not warm and method in ("auto", "points")
        fewer = None
        if may_merge:
            fewer = without_shared(problem, self.tuning) or distinct(problem, self.tuning)
        small = problem if fewer is None else fewer.problem
        t = _tuned(self.tuning, fewer)
        return fewer, planned(small, method, t, warm=warm, fewer=fewer, look=look)

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
            "method": state.plan.method,
            "reason": state.plan.reason,
            "pivots": w.pivots,
            "rounds": w.rounds,
            "arcs": w.arcs,
            "stalls": w.stalls,
            "path": tuple(w.path),
        }
        return w.pivots, f"{w.stage}: {w.arcs} arcs, {w.pivots} pivots", stats

    def watch(self, state: State) -> tuple[str, Mapping[str, Any]]:
        """For callbacks: the certified interval so far and when it should be closed, in words and numbers."""
        core = state.core
        total = math.fsum(state.problem.a) if state.merged is None else state.merged.total
        mass = total / float(core.a.sum()) if core is not None else 1.0
        if state.flow is not None:
            mass = state.flow.unit
        facts = state.pace.look(core, state.kept.unit * mass)
        return in_words(facts), facts

    def finish(self, state: State) -> Coupling:
        """Plan on the current basis, flows recomputed from the masses as given, and the potentials."""
        coupling = self._finish(state)
        return coupling if state.merged is None else state.merged.lift(coupling)

    def _finish(self, state: State) -> Coupling:
        problem = state.problem
        if state.coupling is not None:
            return state.coupling
        core = state.core
        if core is None or not core.has_basis:
            draft = state.work.draft() if state.work.draft is not None else None
            if draft is not None and (len(draft[3]), len(draft[4])) == (
                len(state.kept.rows),
                len(state.kept.cols),
            ):
                rows, cols, share, u, v = draft
                return state.kept.lift(Coupling(rows, cols, share * math.fsum(state.masses[0]), u, v))
            none = np.empty(0, np.int64)
            return Coupling(none, none, np.empty(0), *(np.zeros(k) for k in problem.shape))
        if state.flow is not None:
            return state.flow.coupling(core)
        return state.kept.lift(Coupling(*_shipped(core, *state.masses), *core.potentials()))


def _tuned(t: Tuning, fewer: Reduction | None) -> Tuning:
    """The limits for what a reduction leaves."""
    if fewer is None or fewer.what != IN_PLACE:
        return t
    return replace(t, linked_nodes_refined=t.linked_nodes_tied)


def _solve(state: State) -> Slices[None]:
    if state.plan.method in CLOSED_FORMS:
        state.work.path += [state.plan.start, state.plan.core]
        state.coupling = CLOSED_FORMS[state.plan.method](state.problem)
        return
    if state.plan.method == "grid":
        yield from _flow_on_grid(state)
        return
    state.work.stage = "laying out"
    laid = yield from LAY_OUT[state.plan.method](state)
    if laid is None:
        return
    state.work.stage = "building the shortlist"
    if laid.begun is not None:
        start = laid.begun
    elif state.warm is None:
        if _is_for_auction(state, laid) and (yield from _matched(state, laid)):
            return
        if state.plan.method != "matrix":  # which says itself what it found
            state.work.path.append(state.plan.start)
        start = yield from laid.start()
    else:
        start = yield from _warm_start(state, state.warm, laid)
    state.core = core = Simplex(laid.oracle, *laid.masses, start, state.work)
    core.says = True
    if state.is_forced:
        core.kind = state.plan.core.what
    yield from generate_columns(core)
    yield from polish(core)


def _flow_on_grid(state: State) -> Slices[None]:
    """Always from cold: an earlier solution's potentials tie everywhere and cost 4 times the pivots."""
    state.flow = net = network(state.problem)
    oracle = net.oracle(state.work.tuning)
    state.work.path += [state.plan.start, state.plan.core]
    state.core = Simplex(oracle, *net.masses, (yield from sparse_start(oracle)), state.work)
    state.core.kind = state.plan.core.what
    yield from generate_columns(state.core)


def _is_for_auction(state: State, laid: LaidOut) -> bool:
    if state.plan.core.what != AUCTION or laid.matching is None:
        return False
    if laid.masses[0].max() == laid.masses[1].max() == 1:
        return True
    state.work.note("switch", "simplex", "the masses differ: no auction")
    return False


def _matched(state: State, laid: LaidOut) -> Slices[bool]:
    """The assignment by auction; False leaves it to the simplex."""
    assert laid.matching is not None
    work, oracle = state.work, laid.oracle
    state.core = matching = yield from laid.matching()
    if matching is None or not (yield from assign(matching)):
        work.note("switch", "simplex", "the auction took more bids or longer searches than auction_bids")
        return False
    work.path += [state.plan.start, state.plan.core]
    rows, cols, flow = matching.flows()
    f, g = matching.potentials()
    cost = float(np.abs(oracle.costs(rows, cols)).sum())
    if float((np.abs(f[rows]) + np.abs(g[cols])).sum()) > work.tuning.loud * cost:
        start = Start(rows, cols, f, g, (rows, cols, flow))
        work.note("switch", "polish", f"potentials are > loud = {work.tuning.loud:g} times the costs")
        state.core = Simplex(oracle, *laid.masses, start, work)
        yield from generate_columns(state.core)
        yield from polish(state.core)
    return True


def _warm_start(state: State, warm: Solution, laid: LaidOut) -> Slices[Start]:
    """The arcs that the old potentials make cheap and the old plan's, and the old plan as far as it goes."""
    place_i, place_j = state.kept.place
    rows, cols = place_i[warm.arcs.rows], place_j[warm.arcs.cols]
    keep = (rows >= 0) & (cols >= 0)
    arcs, t = (rows[keep], cols[keep]), state.work.tuning
    g, wide = warm_potentials(state, warm)[1], state.plan.method == "blocks"
    start = yield from earlier(laid.oracle, g, arcs, t, wide=wide)
    start = continued(start, laid.oracle, arcs, laid.masses, t)
    state.work.path.append(state.plan.start)
    if start.basis is None:
        why = f"the plan leaves > repair_pairs = {t.repair_pairs} pairs open"
        state.work.note("switch", "potentials only", why)
    return start


def _shipped(
    core: Simplex | Matching, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) on the basis, from the float masses; what is shipped so far if some is stranded."""
    if core.stranded():
        rows, cols, units = core.flows()
        return rows, cols, units * (math.fsum(a) / float(core.a.sum()))
    return shipped(core.tree.parents, a, b)


def _infeasible(state: State, rows: np.ndarray, cols: np.ndarray) -> InfeasibleError:
    rows, cols = state.kept.rows[rows], state.kept.cols[cols]
    need, room = math.fsum(state.problem.a[rows]), math.fsum(state.problem.b[cols])
    return InfeasibleError(
        f"forbidden arcs (+inf costs) leave mass stranded: the {len(rows)} sources in error.rows hold "
        f"{need:.6g} but can only reach the {len(cols)} sinks in error.cols, which take {room:.6g}; "
        f"allow more arcs from these sources or change the masses",
        rows,
        cols,
    )
