"""Entropic optimal transport: `Sinkhorn`, a solver for `transport.solve`."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._answer import Status
from transport._cost import Cost, row_blocks
from transport._points import PointCloud
from transport._problem import Coupling, Problem
from transport._sinkhorn.answer import answer
from transport._sinkhorn.work import Work
from transport._solution import Solution
from transport._solver.base import Outcome, Solver
from transport.internal import check_choice, check_positive

METHODS = ("auto", "newton", "scaling")
SLICE = 0.05  # seconds
SMALLEST = 2.0**-1020  # reg: 1 / reg is a float64


@dataclass(frozen=True)
class Sinkhorn(Solver):
    """Entropic optimal transport, to any accuracy at any regularisation, with a certificate.

    Minimises <C, P> + reg KL(P | a ⊗ b), KL(P | R) = sum P log(P / R) - P + R, over the plans with marginals
    a and b. The optimum is P_ij = a_i b_j exp((f_i + g_j - C_ij) / reg).

    Parameters
    ----------
    reg : float
        Regularisation > 0, in units of the cost.
    relative : bool
        ``reg`` is a multiple of the largest |C_ij| instead.
    method : {"auto", "newton", "scaling"}
        "newton": Newton's method on the dual with conjugate gradients; where few pairs matter (small
        ``reg``) on those alone, started from exact potentials. "scaling": Sinkhorn's iteration, for
        comparison. "auto" is "newton".

    Notes
    -----
    With this solver, in the `Solution` of `transport.solve`:

    ``status`` is OPTIMAL if the row and column sums of the entropic plan, taken over all pairs, differ
    from a and b by at most ``tol`` times the total mass in sum; ``stats["marginal_error"]`` is that figure.
    ``plan`` is the entropic plan with the rest repaired, so that its marginals are a and b to rounding;
    ``value`` is its cost <C, plan>, without the regularisation.
    ``lower_bound <= unregularised optimum <= upper_bound``, so ``gap`` is what the blur costs at most.
    ``stats["regularised"]`` is the regularised optimum (the dual value), which lies in
    [``stats["regularised_lower"]``, ``stats["regularised_upper"]``]; ``stats["entropic_potentials"]`` are the
    f and g above, whereas ``potentials`` are feasible for the unregularised problem.
    ``max_iter`` counts pivots of the exact solve, evaluations and products with the plan.

    Source: M. Cuturi (2013) for the problem; C. Brauer, C. Clason, D. Lorenz, B. Wirth (2017) and X. Tang
    et al. (2024) for Newton's method on sparse plans, here begun at exact potentials.

    Raises
    ------
    ValueError
        ``reg`` not positive and finite, or an unknown method.

    Examples
    --------
    >>> import transport as tp
    >>> sol = tp.solve([[0.0, 1.0], [1.0, 0.0]], solver=tp.Sinkhorn(reg=0.1))
    >>> print(f"{sol.value:.10f}")  # 1 / (1 + e^10)
    0.0000453979
    >>> sol.lower_bound <= 0.0 <= sol.upper_bound
    True
    """

    reg: float
    relative: bool = False
    method: str = "auto"

    proves_itself = True

    def __post_init__(self) -> None:
        check_positive(self.reg, "reg")
        check_choice(self.method, "method", METHODS)

    def init(self, problem: Problem, *, tol: float) -> Work:
        """Set up; the work is in the steps."""
        return Work(problem, self.units(problem), tol, self.method)

    def units(self, problem: Problem) -> float:
        """``reg`` in units of the cost."""
        reg = float(self.reg)
        if self.relative:
            reg *= largest_cost(problem.cost) or 1.0
        if not np.isfinite(reg) or reg == 0.0:
            raise ValueError(f"reg = {self.reg!r} times the largest cost is {reg!r}; choose another reg")
        if reg < SMALLEST:
            raise ValueError(f"reg = {reg!r} has no inverse in float64; multiply cost and reg by 2.0**100")
        return reg

    def step(self, state: Work, budget: int) -> Status:
        """Passes for about 0.05 s, at most ``budget`` of them (and pivots)."""
        start, first = time.perf_counter(), state.n_iter
        while (left := budget - (state.n_iter - first)) > 0 and time.perf_counter() - start < SLICE:
            state.budget = left
            try:
                next(state.slices)
            except StopIteration:
                return state.status()
        return Status.RUNNING

    def progress(self, state: Work) -> tuple[int, str, Mapping[str, Any]]:
        """Passes, stage, statistics."""
        trace = state.trace
        stats = {
            "method": self.method if self.method == "scaling" else "newton",
            "reg": state.reg,
            "kernel": state.kernel,
            "pivots": state.pivots,
            "evaluations": trace.evaluations,
            "sweeps": trace.sweeps,
            "cg": trace.cg,
            "marginal_error": trace.error,
        }
        return state.n_iter, f"{state.stage}: marginals off by {trace.error:.1e}", stats

    def finish(self, state: Work) -> Coupling:
        """The repaired plan and feasible potentials."""
        fields, _ = answer(state, None)
        arcs = fields["arcs"]
        return Coupling(arcs.rows, arcs.cols, arcs.mass, *fields["duals"])

    def wrap(self, state: Work, outcome: Outcome, *, like: Any, start: float) -> Solution:
        """The answer; a plan of all pairs is not written down before it is asked for."""
        fields, facts = answer(state, like)
        status = outcome.status
        if status is Status.OPTIMAL and not np.isfinite(fields["value"]):  # a forbidden arc is in the plan
            status = Status.INACCURATE
        return Solution(
            **fields,
            status=status,
            n_iter=outcome.n_iter,
            elapsed=time.perf_counter() - start,
            stats={**outcome.stats, **facts},
            problem=state.problem,
        )


def largest_cost(cost: Cost) -> float:
    """Largest finite |C_ij|: known for a matrix, else by a pass over all pairs."""
    if not isinstance(cost, PointCloud):
        return cost.magnitude
    return max(float(cost.block(i, j).max()) for i, j in row_blocks(*cost.shape))
