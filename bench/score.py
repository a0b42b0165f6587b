"""The judge: `transport.certify` scores answers on the problem as it was given, never the solver's word."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import transport as tp
from bench.problems import Problem

TOLERANCE = {"exact": 1e-7, "entropic": 1e-6}  # of the value (relative) and of the marginals (of the total)
VERDICTS = (
    "right", "wrong silently", "wrong with a warning", "refused", "crashed", "out of time", "out of memory",
)  # fmt: skip


@dataclass(frozen=True)
class Truth:
    """The optimum's certified interval, and potentials that prove its lower end."""

    lower: float
    upper: float
    potentials: tuple[np.ndarray, np.ndarray] | None
    scale: float  # what a relative error is relative to

    @property
    def gap(self) -> float:
        """Width of the interval, relative."""
        return (self.upper - self.lower) / self.scale


def solved(problem: Problem) -> Any:
    """Our solution of the problem."""
    if problem.kind == "entropic":
        return tp.solve(problem.cost, problem.a, problem.b, solver=tp.Sinkhorn(problem.reg), tol=1e-11)
    if problem.kind == "partial":
        return tp.solve(problem.cost, problem.a, problem.b, marginals=tp.Partial(problem.mass))
    if problem.kind == "unbalanced":
        soft, method = tp.KL(problem.rho), tp.Sinkhorn(problem.reg)
        return tp.solve(problem.cost, problem.a, problem.b, marginals=soft, solver=method, tol=1e-10)
    return tp.solve(problem.cost, problem.a, problem.b)


def truth(problem: Problem) -> Truth:
    """Solve and certify; ConvergenceError if we cannot."""
    sol = solved(problem)
    lower, upper, potentials = sol.lower_bound, sol.upper_bound, None
    if problem.kind in ("entropic", "unbalanced") and "regularised_lower" in sol.stats:
        lower, upper = sol.stats["regularised_lower"], sol.stats["regularised_upper"]
    if problem.kind in ("transport", "assignment"):
        potentials = tuple(np.asarray(v) for v in sol.potentials)
    scale = max(abs(lower), abs(upper)) or 1.0
    return Truth(float(lower), float(upper), potentials, scale)


def read_plan(folder: Path, facts: dict[str, Any]) -> Any:
    """The plan a worker stored: dense, or (rows, cols[, mass]); None if it gave none."""
    path = folder / facts.get("file", "none")
    if not path.exists():
        return None
    with np.load(path) as stored:
        plan = (
            stored["dense"]
            if "dense" in stored
            else tuple(stored[k] for k in ("rows", "cols", "mass") if k in stored)
        )
    path.unlink()
    return plan


def judge(problem: Problem, known: Truth, facts: dict[str, Any], plan: Any) -> dict[str, Any]:
    """Relative gap and marginal error of an answer, and the verdict.

    ``gap``: how far the plan's cost is from the optimum, with its marginals repaired or as it is, whichever
    is kinder; or how far the value it claims is, if that is worse. ``marginal_error``: sum of the deviations,
    in units of the total mass.
    """
    out: dict[str, Any] = {"gap": math.nan, "marginal_error": math.nan}
    tolerance = TOLERANCE["entropic" if problem.kind in ("entropic", "unbalanced") else "exact"]
    off = []
    value = facts.get("value")
    if value is not None:
        out["value"] = value
        off.append(max(known.lower - value, value - known.upper, 0.0) / known.scale)
    if plan is not None:
        try:
            gap, error = _plan(problem, known, plan)
        except (ValueError, TypeError) as error_of_plan:
            gap, error, out["detail"] = math.inf, math.inf, str(error_of_plan)[:200]
        out["marginal_error"] = error
        off.append(gap)
    if off:
        out["gap"] = max(off) if all(v == v for v in off) else math.inf
    right = out["gap"] <= tolerance and not out["marginal_error"] > tolerance
    warned = bool(facts.get("warnings")) or facts.get("status", "") not in ("", "optimal")
    out["verdict"] = "right" if right else "wrong with a warning" if warned else "wrong silently"
    return out


def _plan(problem: Problem, known: Truth, plan: Any) -> tuple[float, float]:
    """(relative gap, marginal error) of a plan."""
    if problem.kind in ("transport", "assignment"):
        sol = tp.certify(problem.cost, problem.a, problem.b, plan=plan, potentials=known.potentials)
        gap = max(sol.upper_bound - known.upper, 0.0) / known.scale
        as_given = sol.stats["cost_as_given"]
        off = max(known.lower - as_given, as_given - known.upper, 0.0) / known.scale
        return min(gap, off), _off(problem, *_arcs(plan, problem))
    dense = _dense(plan, problem.shape)
    if not np.isfinite(dense).all():
        return math.inf, math.inf
    r, c = dense.sum(axis=1), dense.sum(axis=0)
    value = float((dense * problem.matrix).sum())
    if problem.kind == "partial":
        over = np.maximum(r - problem.a, 0).sum() + np.maximum(c - problem.b, 0).sum()
        error = over + abs(dense.sum() - problem.mass) + max(-dense.min(), 0.0)
    else:
        value += problem.reg * _kl(dense, np.outer(problem.a, problem.b))
        error = np.abs(r - problem.a).sum() + np.abs(c - problem.b).sum()
        if problem.kind == "unbalanced":
            value += problem.rho * (_kl(r, problem.a) + _kl(c, problem.b))
            error = 0.0
    gap = max(known.lower - value, value - known.upper, 0.0) / known.scale
    return float(gap), float(error / problem.a.sum())


def _kl(p: np.ndarray, q: np.ndarray) -> float:
    """sum p log(p / q) - p + q; inf where p is negative or q is 0 and p is not."""
    from scipy.special import kl_div

    return float(kl_div(p, q).sum())


def _arcs(plan: Any, problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    if isinstance(plan, tuple):
        return plan[0], plan[1], plan[2] if len(plan) == 3 else problem.a[plan[0]]
    rows, cols = np.nonzero(plan)
    return rows, cols, plan[rows, cols]


def _dense(plan: Any, shape: tuple[int, int]) -> np.ndarray:
    if not isinstance(plan, tuple):
        return np.asarray(plan, dtype=float)
    dense = np.zeros(shape)
    np.add.at(dense, (plan[0], plan[1]), plan[2])
    return dense


def _off(problem: Problem, rows: np.ndarray, cols: np.ndarray, mass: np.ndarray) -> float:
    r = np.bincount(rows, mass, len(problem.a)) - problem.a
    c = np.bincount(cols, mass, len(problem.b)) - problem.b
    negative = max(float(-mass.min(initial=0.0)), 0.0)
    return (float(np.abs(r).sum() + np.abs(c).sum()) + negative) / float(problem.a.sum())


def shifted(problem: Problem) -> Problem:
    """The same problem with its matrix stored, so that a proof needs no allowance for computed costs."""
    return replace(problem, given=problem.matrix) if "matrix" in problem.takes else problem
