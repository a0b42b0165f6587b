"""The certificate in rational arithmetic: a proof about the stored floats, not an estimate.

Floats are rationals, so plan, potentials and costs are too. On the plan's support (a forest, for a basic
solution) flows and potentials are solved exactly; whatever is left is repaired exactly: negative flows are
clipped and the plan completed, potentials are lowered by the exact c-transform. Pairs whose reduced cost is
positive beyond rounding are settled in floating point; only the near-tight ones cost rational arithmetic.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from transport._answer import Answer
from transport._certificate import power_of_two
from transport._cost import row_blocks
from transport._problem import Problem
from transport.internal import to_numpy

_Arcs = dict[tuple[int, int], Fraction]


@dataclass(frozen=True)
class ExactCertificate:
    """lower <= optimum <= upper, as fractions, with the plan and the potentials that prove it.

    Attributes
    ----------
    lower, upper : Fraction
    plan : dict
        (i, j) -> mass, rational, with marginals exactly a and b (b scaled to the total of a).
    f, g : list of Fraction
        f[i] + g[j] <= C[i, j] for every pair.
    relative_error : Fraction
        0 for a stored cost matrix. For point clouds the costs were computed in float64, each right to
        this relative error; lower and upper allow for it.
    """

    lower: Fraction
    upper: Fraction
    plan: _Arcs = field(repr=False)
    f: list[Fraction] = field(repr=False)
    g: list[Fraction] = field(repr=False)
    relative_error: Fraction

    @property
    def gap(self) -> Fraction:
        """upper - lower."""
        return self.upper - self.lower

    @property
    def is_optimal(self) -> bool:
        """Whether the plan is proved optimal without any allowance."""
        return self.lower == self.upper


def certify_exactly(solution: Answer) -> ExactCertificate:
    """Prove an interval for the optimum of ``solution.problem``; see `Solution.certify`."""
    problem = solution.problem
    if problem is None:
        raise ValueError("this Solution does not carry its problem; certify the one returned by solve")
    if "mass_gradient" in solution.stats:
        raise ValueError(
            "certify() proves transport with both marginals fixed; with marginals= the interval "
            "[lower_bound, upper_bound] is what is known"
        )
    coo = solution.plan
    rows, cols = (to_numpy(index).astype(np.int64) for index in (coo.row, coo.col))
    cost = [Fraction(float(c)) for c in problem.cost.entries(rows, cols)]
    arcs = {(int(i), int(j)): c for i, j, c in zip(rows, cols, cost)}
    supply = [Fraction(float(v)) for v in problem.a]
    demand = [Fraction(float(v)) for v in problem.b]
    ratio = sum(supply, Fraction(0)) / sum(demand, Fraction(0))
    demand = [v * ratio for v in demand]
    start = to_numpy(solution.potentials.f)

    f, g, order = _tree_potentials(problem, arcs, start)
    _lower_to_feasible(problem, f, g)
    stored = {(int(i), int(j)): Fraction(float(v)) for i, j, v in zip(rows, cols, to_numpy(coo.data))}
    plan = _tree_flows(order, supply, demand)
    if plan is None:
        plan = _complete(stored, supply, demand)
    lower = sum((m * v for m, v in zip(supply, f)), Fraction(0))
    lower += sum((m * v for m, v in zip(demand, g)), Fraction(0))
    upper = _plan_cost(problem, plan, arcs)
    error = Fraction(problem.cost.relative_error)
    return ExactCertificate(lower - error * abs(lower), upper + error * abs(upper), plan, f, g, error)


def _tree_potentials(
    problem: Problem, arcs: _Arcs, start: np.ndarray
) -> tuple[list[Fraction], list[Fraction], list[tuple[int, int, bool]]]:
    """Exact potentials with f_i + g_j = C_ij along a spanning forest of ``arcs``, and its arcs in BFS order.

    A component is anchored at the float potential of its first source. The order lists (i, j, down), down
    meaning that the sink j was reached from the source i.
    """
    n, m = problem.shape
    of_source: dict[int, list[int]] = defaultdict(list)
    of_sink: dict[int, list[int]] = defaultdict(list)
    for i, j in arcs:
        of_source[i].append(j)
        of_sink[j].append(i)
    f: list[Fraction | None] = [None] * n
    g: list[Fraction | None] = [None] * m
    order: list[tuple[int, int, bool]] = []
    for root in range(n):
        if f[root] is not None:
            continue
        f[root] = Fraction(float(start[root]))
        queue: list[tuple[int, bool]] = [(root, True)]
        for node, is_source in queue:
            near = of_source[node] if is_source else of_sink[node]
            for other in near:
                if is_source and g[other] is None:
                    g[other] = arcs[node, other] - _known(f[node])
                    order.append((node, other, True))
                    queue.append((other, False))
                elif not is_source and f[other] is None:
                    f[other] = arcs[other, node] - _known(g[node])
                    order.append((other, node, False))
                    queue.append((other, True))
    known_f = [_known(v) for v in f]
    known_g = [v if v is not None else Fraction(0) for v in g]
    unreached = [j for j in range(m) if g[j] is None]
    approx = np.array([float(v) for v in known_f])
    if unreached:
        top = problem.cost.c_transform(approx)
        for j in unreached:
            known_g[j] = Fraction(float(top[j])) if np.isfinite(top[j]) else Fraction(0)
    return known_f, known_g, order


def _known(value: Fraction | None) -> Fraction:
    if value is None:
        raise AssertionError("a node was visited before its potential was set")
    return value


def _lower_to_feasible(problem: Problem, f: list[Fraction], g: list[Fraction]) -> None:
    """Lower g in place until f_i + g_j <= C_ij exactly."""
    n, m = problem.shape
    scale = power_of_two(problem.cost.magnitude)
    f_float = np.array([float(v / Fraction(scale)) for v in f])
    g_float = np.array([float(v / Fraction(scale)) for v in g])
    for start, stop in row_blocks(n, m):
        block = problem.cost.block(start, stop)
        left = f_float[start:stop, None]
        scaled = block / scale
        reduced = (scaled - left) - g_float
        noise = 2.0**-49 * (np.abs(scaled) + np.abs(left) + np.abs(g_float)) + 2.0**-1000
        for i, j in np.argwhere((reduced <= noise) & (block < np.inf)):
            g[j] = min(g[j], Fraction(float(block[i, j])) - f[start + i])


def _tree_flows(
    order: list[tuple[int, int, bool]], supply: list[Fraction], demand: list[Fraction]
) -> _Arcs | None:
    """The only flows on the forest with the given marginals, leaves first; None if it has none >= 0."""
    left, right = list(supply), list(demand)
    plan: _Arcs = {}
    for i, j, down in reversed(order):
        mass = right[j] if down else left[i]
        if mass < 0:
            return None
        if mass > 0:
            plan[i, j] = mass
        left[i] -= mass
        right[j] -= mass
    if any(left) or any(right):
        return None
    return plan


def _complete(plan: _Arcs, supply: list[Fraction], demand: list[Fraction]) -> _Arcs:
    """Scale ``plan`` below both marginals and complete it by the north-west rule, all exactly."""
    for axis, wanted in ((0, supply), (1, demand)):
        sums: dict[int, Fraction] = defaultdict(Fraction)
        for arc, mass in plan.items():
            sums[arc[axis]] += mass
        plan = {
            arc: mass * min(Fraction(1), wanted[arc[axis]] / sums[arc[axis]]) for arc, mass in plan.items()
        }
    left, right = list(supply), list(demand)
    for (i, j), mass in plan.items():
        left[i] -= mass
        right[j] -= mass
    i = j = 0
    while i < len(left) and j < len(right):
        mass = min(left[i], right[j])
        if mass > 0:
            plan[i, j] = plan.get((i, j), Fraction(0)) + mass
            left[i] -= mass
            right[j] -= mass
        if left[i] == 0:
            i += 1
        else:
            j += 1
    return plan


def _plan_cost(problem: Problem, plan: _Arcs, known: _Arcs) -> Fraction:
    missing = [arc for arc in plan if arc not in known]
    if missing:
        index = np.array(missing, dtype=np.int64)
        values = problem.cost.entries(index[:, 0], index[:, 1])
        if np.isinf(values).any():
            raise ValueError(
                "no exact upper bound: completing the plan to the exact masses needs a forbidden arc; "
                "give dyadic weights (or integers) whose totals agree exactly"
            )
        known = known | {arc: Fraction(float(c)) for arc, c in zip(missing, values)}
    return sum((mass * known[arc] for arc, mass in plan.items()), Fraction(0))
