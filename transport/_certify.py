"""Anybody's answer, certified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from transport._answer import Status
from transport._certificate import Certificate, feasible_potentials, lower_bound, refitted
from transport._certificate import certify as certified
from transport._ending import certified as ended
from transport._problem import Coupling, Problem
from transport._solution import Solution
from transport._solve import as_problem
from transport._solver.base import Outcome
from transport._sparse import is_sparse
from transport.internal import as_float64, check_positive, clock, namespace, to_numpy

_ROUNDS = 3  # of c-transforms there and back: each can only raise the bound


def certify(
    cost: Any,
    a: Any = None,
    b: Any = None,
    *,
    plan: Any = None,
    potentials: Any = None,
    tol: float = 1e-9,
) -> Solution:
    """Certify any answer to a transport problem: an interval that holds the optimum, whoever computed it.

    Parameters
    ----------
    cost, a, b
        The problem, as in `solve`.
    plan : array (n, m), scipy sparse (n, m), pair (rows, cols) or triple (rows, cols, mass), optional
        The plan to be judged. A pair is an assignment, as from `scipy.optimize.linear_sum_assignment`: every
        source sends all its mass to one sink. Marginals that are off, and negative masses, are reported as
        ``marginal_error`` and repaired before the plan is costed.
    potentials : pair (f, g) or mapping with "u" and "v", optional
        Dual potentials, of either sign (CVXPY's are negative); POT's log is taken as it is. They need not be
        feasible. Without them potentials are fitted to the plan.
    tol : float
        The status is OPTIMAL if ``gap <= tol * |upper_bound|`` (or the rounding level of the data, as in
        `solve`).

    Returns
    -------
    Solution
        ``lower_bound``, ``upper_bound``, ``marginal_error`` of the plan as given, ``status`` OPTIMAL or
        INACCURATE, ``value`` the cost of the repaired plan, ``stats["cost_as_given"]`` that of the given one.
        From potentials alone ``upper_bound`` and ``value`` are inf. ``.certify(exact=True)`` proves the
        interval in rational arithmetic.

    Raises
    ------
    ValueError
        Neither plan nor potentials, shapes that do not fit, NaN or infinite entries; or as `solve`.
    TypeError
        Masked, complex or object arrays.

    See Also
    --------
    solve : computes and certifies in one.

    Notes
    -----
    Upper bound: the cost of a plan with exactly right marginals. Lower bound: <a, f> + <b, g> after a
    c-transform, which makes any f feasible. Potentials are fitted by making f_i + g_j = C_ij on the plan's
    support (Bellman and Ford); they prove optimality if the plan is optimal.

    Examples
    --------
    A solver with an absolute tolerance takes costs of 1e-15 for zero and any plan for optimal:

    >>> import transport as tp
    >>> cost = [[1e-15, 3e-15], [2e-15, 1e-15]]
    >>> sol = tp.certify(cost, plan=[[0.25, 0.25], [0.25, 0.25]])
    >>> sol.status.name, sol.value, sol.lower_bound <= 1e-15
    ('INACCURATE', 1.75e-15, True)
    >>> tp.certify(cost, plan=([0, 1], [0, 1])).status.name
    'OPTIMAL'
    """
    start = clock()
    tol = check_positive(tol, "tol")
    if plan is None and potentials is None:
        raise ValueError("nothing to certify: pass plan=, potentials= or both")
    problem, like = as_problem(cost, a, b)
    problem.cost.magnitude  # noqa: B018 - refuses NaN
    rows, cols, mass = _arcs(plan, problem)
    candidates = [] if potentials is None else _candidates(potentials, problem)
    if plan is not None and potentials is None:
        nothing = np.zeros(problem.shape[0]), np.zeros(problem.shape[1])
        fitted, _ = refitted(problem, Coupling(rows, cols, np.maximum(mass, 0.0), *nothing))
        candidates = _improved(problem, fitted.f, fitted.g)
    f, g = max(candidates, key=lambda pair: lower_bound(problem, *pair))
    if plan is None:
        lower = lower_bound(problem, f, g)
        certificate = Certificate(Coupling(rows, cols, mass, f, g), math.inf, lower, math.inf, 0.0, 0.0)
        error = math.inf
    else:
        certificate = certified(problem, Coupling(rows, cols, np.maximum(mass, 0.0), f, g))
        error = max(_marginal_error(problem, rows, cols, mass), -float(mass.min(initial=0.0)))
    stats: dict[str, Any] = {"method": "certify", "reason": "an answer from elsewhere"}
    if plan is not None:
        given = problem.cost.entries(rows, cols)
        stats["cost_as_given"] = math.fsum(given[mass != 0] * mass[mass != 0])
    outcome = Outcome(certificate.coupling, Status.OPTIMAL, 0, 0.0, stats)
    return ended(problem, outcome, certificate, tol=tol, like=like, start=start, marginal_error=error)


def _arcs(plan: Any, problem: Problem) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) of a plan in any of its forms."""
    n, m = problem.shape
    if plan is None:
        none = np.empty(0, np.int64)
        return none, none, np.empty(0)
    if isinstance(plan, tuple) and len(plan) in (2, 3) and _is_indices(plan[0]) and _is_indices(plan[1]):
        rows, cols = (to_numpy(np.asarray(v)).astype(np.int64) for v in plan[:2])
        given = _numbers(plan[2], "plan[2]") if len(plan) == 3 else None
        if len(rows) != len(cols) or (given is not None and given.shape != rows.shape):
            raise ValueError("plan is given by indices: rows, cols (and masses) must have one length")
        for name, index, size in (("rows", rows, n), ("columns", cols, m)):
            if len(index) and not (index.min() >= 0 and index.max() < size):
                raise ValueError(f"plan names {name} from {index.min()} to {index.max()}; there are {size}")
        if given is None and len(np.unique(rows)) < len(rows):
            raise ValueError(
                "a plan (rows, cols) sends every source to one sink; add masses as a third vector"
            )
        return rows, cols, problem.a[rows] if given is None else given
    if is_sparse(plan):
        coo = plan.get().tocoo() if type(plan).__module__.startswith("cupyx") else plan.tocoo()
        shape, mass = coo.shape, _numbers(coo.data, "plan.data")
        rows, cols = coo.row.astype(np.int64), coo.col.astype(np.int64)
    else:
        dense = _numbers(plan, "plan")
        shape = dense.shape
        if dense.ndim == 2:
            rows, cols = (v.astype(np.int64) for v in np.nonzero(dense))
            mass = dense[rows, cols]
    if tuple(shape) != (n, m):
        raise ValueError(f"plan has shape {tuple(shape)}; the problem is {n} x {m}")
    return rows, cols, mass


def _is_indices(x: Any) -> bool:
    if not (isinstance(x, list) or hasattr(x, "dtype")):
        return False
    values = np.asarray(to_numpy(x) if hasattr(x, "dtype") else x)
    return values.ndim == 1 and values.dtype.kind in "iu"


def _numbers(x: Any, name: str) -> np.ndarray:
    values, _ = as_float64(x, name, xp=namespace(x))
    host = np.ascontiguousarray(to_numpy(values))
    if not np.isfinite(host).all():
        raise ValueError(f"{name} has entries that are NaN or infinite")
    return host


def _candidates(potentials: Any, problem: Problem) -> list[tuple[np.ndarray, np.ndarray]]:
    """Feasible pairs from what was given, with either sign; each of them proves a lower bound."""
    n, m = problem.shape
    if isinstance(potentials, Mapping):
        for u, v in (("u", "v"), ("f", "g"), ("alpha", "beta")):
            if u in potentials and v in potentials:
                potentials = (potentials[u], potentials[v])
                break
        else:
            raise ValueError(
                f"potentials has the keys {sorted(map(str, potentials))}; give u and v, or a pair"
            )
    try:
        first, second = potentials
    except (TypeError, ValueError):
        raise ValueError("potentials must be a pair (f, g), shapes (n,) and (m,)") from None
    f, g = _numbers(first, "potentials[0]"), _numbers(second, "potentials[1]")
    if f.shape != (n,) or g.shape != (m,):
        raise ValueError(f"potentials have shapes {f.shape} and {g.shape}; the problem is {n} x {m}")
    pairs = []
    for sign in (1.0, -1.0):
        pairs.append(feasible_potentials(problem, sign * f))
        back = problem.cost.row_transform(sign * g, np.arange(n))
        pairs.append(feasible_potentials(problem, np.where(np.isfinite(back), back, 0.0)))
    return pairs


def _improved(problem: Problem, f: np.ndarray, g: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """A feasible pair, and those that c-transforms there and back make of it."""
    pairs = [(f, g)]
    for _ in range(_ROUNDS):
        back = problem.cost.row_transform(pairs[-1][1], np.arange(len(f)))
        pairs.append(feasible_potentials(problem, np.where(np.isfinite(back), back, pairs[-1][0])))
    return pairs


def _marginal_error(problem: Problem, rows: np.ndarray, cols: np.ndarray, mass: np.ndarray) -> float:
    from transport._kernels.settle import residuals

    off = residuals(rows, cols, mass, problem.a, problem.b)
    return max(float(np.abs(side).max()) for side in off)
