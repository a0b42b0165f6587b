"""From potentials to an answer: the plan, its marginals repaired, the interval, the regularised objective."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any

import numpy as np

from transport._answer import Arcs
from transport._certificate import certify, feasible_potentials
from transport._completion import complete
from transport._cost import row_blocks
from transport._problem import Coupling, Problem
from transport._sinkhorn.rows import LONG, from_rows
from transport._sinkhorn.system import Dense, Sparse, State
from transport._sinkhorn.work import SMALL, Work, restricted

_EPS = 2.0**-52
ROUNDING = 2.0**-45  # of the mass: what is off by less is not sent elsewhere
EXACT_BELOW = 1e-8  # relative error of the marginals up to which single precision repairs them to rounding


class DensePlan:
    """The plan of an entropic answer as vectors (rows, cols, mass), worked out on first use.

    P_ij y_j plus a product measure for the mass that is left: row and column sums are right to rounding.
    """

    def __init__(
        self, system: Dense, atoms: tuple[np.ndarray, np.ndarray], shape: tuple[int, int], like: Any
    ):
        self.system, self.atoms, self.shape, self.like = system, atoms, shape, like
        b = system.side_b.mass
        self.y = np.minimum(1.0, np.divide(b, system.col, out=np.ones_like(b), where=system.col > 0))
        over = 1.0 - self.y
        off = float(np.abs(b - system.col).sum())
        small = off <= EXACT_BELOW * float(b.sum()) and system.size > SMALL
        self.left = np.maximum(system.times(over) if small else system.times_exactly(over), 0.0)
        self.right = np.maximum(b - system.col * self.y, 0.0)
        total = float(self.right.sum())
        moved = float(self.left.sum())
        self.left = self.left * (total / moved) if moved > 0 else self.left * 0.0
        self.total = total if moved > 0 else 0.0

        self.rounding = 4 * _EPS * max(float(system.side_a.mass.max()), float(b.max()))
        self.rounding += 2.0**-23 * float(self.left.max()) if small else 0.0

    @property
    def extra_cost(self) -> float:
        """What the product measure costs."""
        if self.total == 0.0:
            return 0.0
        total, costs = 0.0, self.system.costs
        for start, stop in row_blocks(*costs.shape):
            total += float(self.left[start:stop] @ (costs.block(start, stop) @ self.right))
        return total / self.total

    def matrix(self) -> np.ndarray:
        """The plan between the atoms with mass, dense."""
        return self.system.plan(self.y, (self.left, self.right, self.total))

    @cached_property
    def _arcs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        plan = self.matrix()
        rows, cols = np.nonzero(plan)
        return self.atoms[0][rows], self.atoms[1][cols], plan[rows, cols]

    @property
    def count(self) -> int:
        """How many arcs there are: all pairs of atoms with mass."""
        return int(self.system.size)

    @property
    def rows(self) -> np.ndarray:
        """Sources of the arcs."""
        return self._arcs[0]

    @property
    def cols(self) -> np.ndarray:
        """Sinks of the arcs."""
        return self._arcs[1]

    @property
    def mass(self) -> np.ndarray:
        """What the arcs carry."""
        return self._arcs[2]

    def to_sparse(self) -> Any:
        """A scipy COO array, or cupyx's if ``like`` is a CuPy array."""
        return Arcs(*self._arcs, self.shape, self.like).to_sparse()


def answer(work: Work, like: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of the Solution, facts for its ``stats``)."""
    system = work.system
    fields: dict[str, Any]
    facts: dict[str, Any] = {"marginal_error": work.trace.error + work.outside}
    if isinstance(system, Dense):
        fields, upper = _from_all_pairs(work, system, like)
    elif isinstance(system, Sparse) and len(system.slack) > LONG and not work.problem.cost.has_forbidden:
        fields, upper = from_rows(work, system, like)
    else:
        fields, upper = _from_arcs(work, like)
    if system is not None:
        lower = dual_objective(work, system)
        facts["regularised"] = lower
        facts["regularised_lower"] = lower - _rounding(work, system)
        facts["regularised_upper"] = max(upper, lower)
        facts["entropic_potentials"] = entropic_potentials(work, system)
    return fields, facts


def dual_objective(work: Work, system: State) -> float:
    """The dual of the regularised problem; an error of e in the marginals moves it by e^2."""
    total = -system.reg * (math.fsum(system.col) - math.fsum(work.core.a) * math.fsum(work.core.b))
    for side, p in ((system.side_a, system.p), (system.side_b, system.q)):
        f, slope = side.potential(p, system.reg), side.penalty[0]
        total += math.fsum(side.mass * (-np.expm1(-slope * f) / slope if slope > 0 else f))
    return total


def _rounding(work: Work, system: State) -> float:
    f, g = system.side_a.potential(system.p, system.reg), system.side_b.potential(system.q, system.reg)
    size = float(system.side_a.mass @ np.abs(f) + system.side_b.mass @ np.abs(g))
    return (8 * _EPS) * size + system.reg * (8 * _EPS + min(work.outside, 1e300)) * float(system.col.sum())


def entropic_potentials(work: Work, system: State) -> tuple[np.ndarray, np.ndarray]:
    """(f, g) of the regularised problem, units of the cost; their softmin where there is no mass."""
    problem, reg = work.problem, work.reg
    f, g = (np.zeros(k) for k in problem.shape)
    f[work.rows] = system.side_a.potential(system.p, reg)
    g[work.cols] = system.side_b.potential(system.q, reg)
    rows, cols = np.flatnonzero(problem.a == 0), np.flatnonzero(problem.b == 0)
    if len(rows):
        cost = restricted(problem.cost, rows, work.cols)
        for start, stop in row_blocks(*cost.shape):
            f[rows[start:stop]] = _softmin(cost.block(start, stop) - g[work.cols], problem.b[work.cols], reg)
    if len(cols):
        cost = restricted(problem.cost, work.rows, cols)
        c = np.concatenate([cost.block(i, j) for i, j in row_blocks(*cost.shape)])
        g[cols] = _softmin((c - f[work.rows, None]).T, problem.a[work.rows], reg)
    return f, g


def _softmin(difference: np.ndarray, mass: np.ndarray, reg: float) -> np.ndarray:
    """-reg log sum_j mass_j exp(-difference_ij / reg), 0 where nothing is allowed."""
    z = np.log(mass) - difference / reg
    top = z.max(axis=1)
    top[np.isneginf(top)] = 0.0
    with np.errstate(divide="ignore"):
        out = -reg * (top + np.log(np.exp(z - top[:, None]).sum(axis=1)))
    return np.where(np.isfinite(out), out, 0.0)


def _from_arcs(work: Work, like: Any) -> tuple[dict[str, Any], float]:
    """A sparse plan (perhaps none yet): repaired and certified as any other."""
    from transport._kernels.settle import scan_masses

    problem, system = work.problem, work.system
    n, m = problem.shape
    f, g = np.zeros(n), np.zeros(m)
    if isinstance(system, Sparse):
        arcs = _repaired(system, work.core)
        dual = system.side_a.base
    else:
        arcs = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
        dual = np.zeros(len(work.rows))
    f[work.rows] = dual
    coupling = Coupling(work.rows[arcs[0]], work.cols[arcs[1]], arcs[2], f, g)
    certificate = certify(problem, coupling)
    c = certificate.coupling
    upper = math.inf
    if system is not None and math.isfinite(certificate.value):
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = c.mass * (np.log(c.mass) - np.log(problem.a[c.rows]) - np.log(problem.b[c.cols]))
        total = math.fsum(problem.a) * math.fsum(problem.b)
        terms[~(c.mass > 0)] = 0.0
        upper = certificate.value + work.reg * (scan_masses(terms)[1] - scan_masses(c.mass)[1] + total)
    return {
        "value": certificate.value,
        "arcs": Arcs(c.rows, c.cols, c.mass, problem.shape, like),
        "duals": (c.f, c.g),
        "lower_bound": certificate.lower,
        "upper_bound": certificate.upper,
        "marginal_error": certificate.marginal_error,
    }, upper


def _repaired(system: Sparse, core: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass): columns scaled down to their masses, what is left sent by the north-west rule.

    Where arcs are forbidden, along cheapest paths of allowed ones instead.
    """
    from transport._kernels.settle import residuals
    from transport._kernels.sharing import northwest
    from transport._kernels.sparse import places

    a, b = system.side_a.mass, system.side_b.mass
    rows = np.repeat(np.arange(len(a)), np.diff(system.indptr))
    cols = system.indices.astype(np.int64)
    mass = system.mass * np.minimum(1.0, b / np.maximum(system.col, b))[cols]
    over = np.maximum(-residuals(rows, cols, mass, a, b)[0], 0.0)  # rounding
    mass *= (a / (a + over))[rows]
    off_a, off_b = residuals(rows, cols, mass, a, b)
    if float(np.abs(off_a).sum() + np.abs(off_b).sum()) <= ROUNDING * float(a.sum()):
        return rows[mass > 0], cols[mass > 0], mass[mass > 0]
    if core.cost.has_forbidden:
        base = system.side_a.base, system.side_b.base
        whole = complete(core, Coupling(rows, cols, mass, *base))
        if whole is not None:
            rows, cols, mass = whole[0][:3]
            return rows[mass > 0], cols[mass > 0], mass[mass > 0]
    more = northwest(np.maximum(off_a, 0.0), np.maximum(off_b, 0.0))
    at = places(system.indptr, system.indices, more[0], more[1])
    known = at >= 0
    np.add.at(mass, at[known], more[2][known])
    rows, cols, mass = (np.concatenate([old, new[~known]]) for old, new in zip((rows, cols, mass), more))
    keep = mass > 0
    return rows[keep], cols[keep], mass[keep]


def _from_all_pairs(work: Work, system: Dense, like: Any) -> tuple[dict[str, Any], float]:
    """The interval without the n m vectors of a plan: c-transforms below, the repaired plan's cost above."""
    problem = work.problem
    plan = DensePlan(system, (work.rows, work.cols), problem.shape, like)
    extra = plan.extra_cost
    pays = system.cost * plan.y
    value = math.fsum(pays) + extra
    size = float(np.abs(pays).sum()) + abs(extra)
    f = np.zeros(problem.shape[0])
    if work.exact is None:
        f[work.rows] = system.side_a.potential(system.p, work.reg)
        g = problem.cost.c_transform(np.where(problem.a > 0, f, -np.inf))
        f[work.rows] = problem.cost.row_transform(g, work.rows)  # no worse, often much better
    else:
        f[work.rows] = system.side_a.base
    f, g = feasible_potentials(problem, f)
    lower = math.fsum(problem.a * f) + math.fsum(problem.b * g)
    spread = float(problem.a @ np.abs(f) + problem.b @ np.abs(g)) + size
    lower -= 4 * _EPS * spread + problem.cost.relative_error * size
    return {
        "value": value,
        "arcs": plan,
        "duals": (f, g),
        "lower_bound": min(lower, value),
        "upper_bound": value + (4 * _EPS + problem.cost.relative_error) * size,
        "marginal_error": plan.rounding,
    }, _regularised_above(work, system, plan, extra)


def _regularised_above(work: Work, system: Dense, plan: DensePlan, extra: float) -> float:
    """The regularised objective of the repaired plan, its entropy bounded by that of its two parts."""
    a, b, reg = system.side_a.mass, system.side_b.mass, work.reg
    total = math.fsum(a)
    part = plan.total / total
    sums = a - plan.left, system.col * plan.y
    out = extra + math.fsum(sums[0] * system.side_a.potential(system.p, reg))
    out += math.fsum(sums[1] * system.side_b.potential(system.q, reg))
    entropy = float(sums[1] @ np.log(plan.y)) + total * (math.fsum(b) - 1.0)
    if part > 0:
        entropy -= (total - plan.total) * math.log1p(-part) + plan.total * math.log(part * plan.total)
        for left, mass in ((plan.left, a), (plan.right, b)):
            at = left > 0
            entropy += float(left[at] @ np.log(left[at] / mass[at]))
    return out + reg * entropy
