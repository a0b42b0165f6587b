"""Entropic transport with soft marginals: the same dual and Newton's method, smaller and smaller ``reg``."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from transport._answer import Arcs, Status
from transport._cost import row_blocks
from transport._problem import Coupling
from transport._sinkhorn.answer import DensePlan, dual_objective, entropic_potentials
from transport._sinkhorn.sides import BALANCED, Penalty
from transport._sinkhorn.system import Dense, Sparse
from transport._sinkhorn.work import SMALL, Work
from transport._solution import Solution
from transport._solver.base import Solver
from transport._sparse import SparseMatrix

_EPS = 2.0**-52
FIRST = 1e-2  # reg of the first stage, times the largest cost
STEP = 8.0  # from stage to stage
LEAST = 1e-15  # of the largest cost: for the exact problem, where the interval does not close before
SMALL_ENOUGH = 1e-12  # of the largest cost: small problems go on to there, for the digits of their plan
TIGHT = 1e-2  # times tol: errors of the marginals, which the interval pays for
NOISE = 2.0**-43  # width, relative to mass times the largest cost, that counts as rounding


@dataclass(frozen=True)
class Soft:
    """What a marginal r costs: rho KL(r | a), lam |r - a|, or (neither) infinity unless r = a."""

    rho: float = math.inf
    lam: float = math.inf

    @property
    def is_fixed(self) -> bool:
        """r = a."""
        return self.rho == math.inf and self.lam == math.inf

    def penalty(self, reg: float) -> Penalty:
        """In the form of the kernels."""
        if self.is_fixed:
            return BALANCED
        if self.rho < math.inf:
            return 1 / self.rho, reg / self.rho, -math.inf, math.inf
        return 0.0, 0.0, -self.lam, self.lam

    def price(self, r: np.ndarray, a: np.ndarray) -> float:
        """The cost of the marginal r; of a fixed one 0."""
        if self.is_fixed:
            return 0.0
        if self.rho == math.inf:
            return self.lam * math.fsum(np.abs(r - a))
        d = (r - a) / a
        near = np.abs(d) < 0.5  # where r log(r / a) - r + a would cancel
        with np.errstate(divide="ignore", invalid="ignore"):
            log = np.where(near, np.log1p(np.where(near, d, 0.0)), np.log(r / a))
            t = np.where(r > 0, r * log, 0.0)
        return self.rho * math.fsum(np.maximum(t - (r - a), 0.0))

    def rounding(self, r: np.ndarray, a: np.ndarray) -> float:
        """The size of the numbers whose rounding `price` and `dual` suffer from, units of value."""
        if self.is_fixed:
            return 0.0
        return self.lam * float(a.sum()) if self.rho == math.inf else self.rho * float(np.abs(r - a).sum())

    def slopes(self, f: np.ndarray) -> np.ndarray:
        """Derivative of `dual` in the masses at the potentials of the answer."""
        return f if self.is_fixed or self.rho == math.inf else -self.rho * np.expm1(-f / self.rho)

    def pulled(self, f: np.ndarray, reg: float) -> np.ndarray:
        """The potentials of atoms without mass, from those ``f`` of a fixed marginal."""
        return np.clip(f, -self.lam, self.lam) if self.rho == math.inf else f * self.rho / (self.rho + reg)

    def dual(self, f: np.ndarray, a: np.ndarray) -> np.ndarray:
        """The concave terms of the dual, one for each atom; f at most lam."""
        if self.is_fixed or self.rho == math.inf:
            return a * f
        return -self.rho * a * np.expm1(-f / self.rho)


@dataclass(eq=False)
class RelaxedWork(Work):
    """``reg`` = 0: as small as the interval of the problem without entropy asks for."""

    softs: tuple[Soft, Soft] = (Soft(), Soft())

    def _solve(self) -> Iterator[None]:
        (n, m), unit = self.core.shape, self.core.cost.magnitude or 1.0
        target, tol = self.reg, self.tol
        reg = max(target, FIRST * unit)
        self._plain_base()
        assert self.sides is not None
        f, g = self.sides[0].base, self.sides[1].base
        before: tuple[float, np.ndarray, np.ndarray] | None = None
        while True:
            last = reg <= target
            self.reg, self.tol = reg, tol * TIGHT if target == 0 else tol if last else max(tol, 1e-2)
            self.penalties = self.softs[0].penalty(reg), self.softs[1].penalty(reg)
            self._set_base(f, g)
            if not isinstance(self.core.cost, SparseMatrix) and (reg >= FIRST * unit or self._is_full()):
                yield from self._on_all_pairs()
            else:
                self.system = None
                yield from self._on_pattern()
            near = n * m > SMALL or reg <= SMALL_ENOUGH * unit
            if last or (target == 0 and ((near and self.gap_is_closed(tol)) or reg <= LEAST * unit)):
                break
            assert self.system is not None
            here = (
                reg,
                self.sides[0].potential(self.system.p, reg),
                self.sides[1].potential(self.system.q, reg),
            )
            f, g = self._ahead(here, before)
            before, reg = here, max(reg / STEP, target)
        self.tol = tol

    def _ahead(
        self, here: tuple[float, np.ndarray, np.ndarray], before: tuple[float, np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Base potentials for smaller ``reg``: the limit of a straight line through two answers.

        The potentials become linear in reg: ``begin`` is their slope, which is where the next stage starts.
        """
        reg, f, g = here
        if before is None:
            self.begin = None
            g = self.core.cost.c_transform(f)
            return self.core.cost.row_transform(g, np.arange(len(f))), g
        u, v = (f - before[1]) / (reg - before[0]), (g - before[2]) / (reg - before[0])
        self.begin = u, v
        return f - reg * u, g - reg * v

    def _is_full(self) -> bool:
        """Whether most pairs matter at the base potentials, by a sample of rows."""
        assert self.sides is not None
        cost, (u, v) = self.core.cost, self.sides
        rows = np.unique(np.linspace(0, cost.shape[0] - 1, 64).astype(int))
        slack = np.concatenate([cost.block(i, i + 1) for i in rows]) - u.base[rows, None] - v.base
        return float((slack <= self._depth() * self.reg).mean()) > 0.25

    def gap_is_closed(self, tol: float) -> bool:
        """Whether the interval of the problem without entropy is as narrow as asked for."""
        fields, _ = relaxed_answer(self, None)
        return self.is_narrow(fields, tol)

    def is_narrow(self, fields: dict[str, Any], tol: float) -> bool:
        """Whether the interval is, relative to its end or to the rounding of the data."""
        mass = math.fsum(self.core.a) + math.fsum(self.core.b)
        allowed = max(tol * abs(fields["upper_bound"]), NOISE * mass * self.core.cost.magnitude)
        return bool(fields["upper_bound"] - fields["lower_bound"] <= allowed)


def relaxed_answer(work: RelaxedWork, like: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of the Solution, facts for its ``stats``)."""
    system, (soft_a, soft_b), problem = work.system, work.softs, work.problem
    if system is None:  # stopped before anything was known
        return _nothing_moved(work, like)
    a, b = work.core.a, work.core.b
    y = np.ones(len(b))
    if soft_b.is_fixed:
        y = b / np.maximum(system.col, 1e-300)
    col = system.col * y
    if isinstance(system, Dense):
        row = system.times_exactly(y)
        paid = math.fsum(system.cost * y)
        arcs: Any = _scaled(system, work, y, like)
    else:
        assert isinstance(system, Sparse)
        mass = system.mass * y[system.indices]
        rows = np.repeat(np.arange(len(a)), np.diff(system.indptr))
        row = np.bincount(rows, mass, len(a))
        keep = mass > 0
        rows, cols, mass = work.rows[rows[keep]], work.cols[system.indices[keep]], mass[keep]
        paid = math.fsum(problem.cost.entries(rows, cols) * mass)
        arcs = Arcs(rows, cols, mass, problem.shape, like)
    prices = soft_a.price(row, a), soft_b.price(col, b)
    value = paid + prices[0] + prices[1]
    f, g, lower = _below(work, system)
    size = abs(paid) + prices[0] + prices[1] + float(a @ np.abs(f[work.rows]) + b @ np.abs(g[work.cols]))
    slack = 16 * _EPS * (size + soft_a.rounding(row, a) + soft_b.rounding(col, b))
    fields = {
        "value": value,
        "arcs": arcs,
        "duals": (f, g),
        "lower_bound": min(lower - slack, value),
        "upper_bound": value + slack,
        "marginal_error": max(float(np.abs(row - a).max()), float(np.abs(col - b).max())),
    }
    reg = system.reg
    dual = dual_objective(work, system)
    u, v = system.side_a.potential(system.p, reg), system.side_b.potential(system.q, reg)
    primal = math.fsum(row * u) + math.fsum(col * v) + reg * float(col @ np.log(y)) + prices[0] + prices[1]
    primal -= reg * (math.fsum(col) - math.fsum(a) * math.fsum(b))
    facts: dict[str, Any] = {
        "reg": reg,
        "marginal_error": work.trace.error + work.outside,
        "transport_cost": paid,
        "penalties": prices,
        "mass": math.fsum(col),
        "regularised": dual,
        "regularised_lower": dual - slack - reg * min(work.outside, 1e300) * math.fsum(col),
        "regularised_upper": max(primal + slack, dual),
        "entropic_potentials": entropic_potentials(work, system),
    }
    facts["mass_gradient"] = _mass_gradient(work, facts["entropic_potentials"], (row, col))
    return fields, facts


def _mass_gradient(
    work: RelaxedWork, potentials: tuple[np.ndarray, np.ndarray], sums: tuple[np.ndarray, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """dV/da and dV/db, V the regularised objective: masses stand in the penalties and in reg KL(P | a ⊗ b).

    dV/da_i = (derivative of the penalty's dual) + reg (sum b - r_i / a_i), r the marginal of the plan.
    """
    problem, reg, out = work.problem, work.reg, []
    sides = (problem.a, work.rows, problem.b), (problem.b, work.cols, problem.a)
    for soft, start, r, (mass, at, other) in zip(work.softs, potentials, sums, sides):
        f, part = start.copy(), np.ones(len(mass))
        none = mass == 0
        f[none] = soft.pulled(start[none], reg)
        part[none] = np.exp((f[none] - start[none]) / reg)
        part[at] = r / mass[at]
        out.append(soft.slopes(f) + reg * (math.fsum(other) - part))
    return out[0], out[1]


def _scaled(system: Dense, work: Work, y: np.ndarray, like: Any) -> DensePlan:
    plan = object.__new__(DensePlan)
    plan.system, plan.atoms, plan.shape, plan.like = system, (work.rows, work.cols), work.problem.shape, like
    plan.y, plan.left, plan.right, plan.total = y, np.zeros(len(system.p)), np.zeros(len(y)), 0.0
    return plan


def _below(work: RelaxedWork, system: Any) -> tuple[np.ndarray, np.ndarray, float]:
    """Feasible potentials and the dual value they prove for the problem without entropy."""
    problem, (soft_a, soft_b) = work.problem, work.softs
    f = np.zeros(problem.shape[0])
    f[work.rows] = system.side_a.potential(system.p, system.reg)
    with_mass = np.where(problem.a > 0, f, -np.inf)
    g = problem.cost.c_transform(with_mass)
    g[problem.b == 0] = np.inf
    f = problem.cost.row_transform(g, np.arange(len(f)))
    g = problem.cost.c_transform(np.where(problem.a > 0, f, -np.inf))
    f, g = (np.where(np.isfinite(z), z, 0.0) for z in (f, g))
    a, b = work.core.a, work.core.b
    u, v = f[work.rows], g[work.cols]
    t = _shift(u, v, (a, b), work.softs)
    u, v = np.minimum(u + t, soft_a.lam), np.minimum(v - t, soft_b.lam)
    f[work.rows], g[work.cols] = u, v
    terms = np.concatenate([_dual(soft_a, u, a), _dual(soft_b, v, b)])
    return f, g, math.fsum(terms)


def _dual(soft: Soft, f: np.ndarray, a: np.ndarray) -> np.ndarray:
    if not soft.is_fixed and soft.rho == math.inf:
        f = np.maximum(f, -soft.lam) if bool((f >= -soft.lam).all()) else np.where(f < -soft.lam, -np.inf, f)
    return soft.dual(f, a)


def _shift(
    u: np.ndarray, v: np.ndarray, masses: tuple[np.ndarray, np.ndarray], softs: tuple[Soft, Soft]
) -> float:
    """The t for which (u + t, v - t) proves most, in closed form where both sides are KL."""
    slopes = [0.0 if s.rho == math.inf else 1 / s.rho for s in softs]
    if slopes == [0.0, 0.0]:
        return 0.0
    logs = []
    for z, w, slope in zip((u, v), masses, slopes):
        e = np.log(w) - slope * z
        logs.append(float(e.max()) + math.log(math.fsum(np.exp(e - e.max()))))
    return (logs[0] - logs[1]) / (slopes[0] + slopes[1])


def _nothing_moved(work: RelaxedWork, like: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plan 0, allowed unless a marginal is fixed, against the potentials 0."""
    a, b = work.core.a, work.core.b
    none = np.empty(0, np.int64)
    soft_a, soft_b = work.softs
    upper = soft_a.price(np.zeros(len(a)), a) + soft_b.price(np.zeros(len(b)), b)
    upper = math.inf if soft_a.is_fixed or soft_b.is_fixed else upper
    lower = 0.0 if all(c.min() >= 0 for c in _blocks(work)) else -math.inf
    fields = {
        "value": upper,
        "arcs": Arcs(none, none, np.empty(0), work.problem.shape, like),
        "duals": tuple(np.zeros(k) for k in work.problem.shape),
        "lower_bound": lower,
        "upper_bound": upper,
        "marginal_error": max(float(a.max()), float(b.max())),
    }
    return fields, {"reg": work.reg}


def _blocks(work: Work) -> Iterator[np.ndarray]:
    cost = work.core.cost
    for start, stop in row_blocks(*cost.shape):
        yield cost.block(start, stop)


@dataclass(frozen=True)
class Relaxed(Solver):
    """The solver behind ``marginals=``: `Sinkhorn` with soft marginals, or (``reg`` 0) the exact problem."""

    softs: tuple[Soft, Soft]
    reg: float
    sinkhorn: Any

    proves_itself = True

    def init(self, problem: Any, *, tol: float) -> RelaxedWork:
        """Set up; the work is in the steps."""
        reg = self.sinkhorn.units(problem) if self.reg else 0.0
        return RelaxedWork(problem, reg, tol, self.sinkhorn.method, softs=self.softs)

    def step(self, state: RelaxedWork, budget: int) -> Status:
        """As `Sinkhorn`."""
        return self.sinkhorn.step(state, budget)

    def progress(self, state: RelaxedWork) -> Any:
        """As `Sinkhorn`."""
        return self.sinkhorn.progress(state)

    def finish(self, state: RelaxedWork) -> Any:
        """The plan and feasible potentials."""
        fields, _ = relaxed_answer(state, None)
        arcs = fields["arcs"]
        return Coupling(arcs.rows, arcs.cols, arcs.mass, *fields["duals"])

    def wrap(self, state: RelaxedWork, outcome: Any, *, like: Any, start: float) -> Any:
        """The answer; of the exact problem the interval decides the status."""
        fields, facts = relaxed_answer(state, like)
        status = outcome.status
        if not self.reg and status in (Status.OPTIMAL, Status.INACCURATE):
            status = Status.OPTIMAL if state.is_narrow(fields, state.tol) else Status.INACCURATE
        return Solution(
            **fields, status=status, n_iter=outcome.n_iter, elapsed=time.perf_counter() - start,
            stats={**outcome.stats, **facts}, problem=replace(state.problem),
        )  # fmt: skip
