"""The border: validate, choose, run, certify, wrap."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import array_api_compat as aac
import numpy as np

from transport._answer import Status
from transport._closing import Closing
from transport._cost import Cost, Matrix
from transport._ending import certified
from transport._problem import Problem
from transport._small import solve_small
from transport._solution import Solution
from transport._solver.base import Progress, Solver, hearing, run
from transport._solver.exact import Exact
from transport._solver.memory import available_bytes
from transport._solver.plan import Plan
from transport._sparse import SparseMatrix, is_sparse
from transport._unbalanced import solve_relaxed
from transport.internal import (
    ConvergenceError,
    CtrlC,
    InterruptedSolve,
    as_float64,
    as_weights,
    check_count,
    check_positive,
    clock,
    column_labels,
    namespace,
    row_labels,
    to_numpy,
    weights_like,
)

_DEFAULTS = (None,) * 6


@CtrlC()
def solve(
    cost: Any,
    a: Any = None,
    b: Any = None,
    *,
    solver: Solver | None = None,
    tol: float = 1e-9,
    max_iter: int | None = None,
    time_limit: float | None = None,
    callback: Callable[[Progress], Any] | None = None,
    throw: bool = True,
    warm: Solution | None = None,
    marginals: Any = None,
    normalize: bool = False,
) -> Solution:
    """Optimal transport between two discrete measures, with a certificate.

    Minimises <C, P> = sum_ij C_ij P_ij over plans P >= 0 with row sums ``a`` and column sums ``b``
    (Kantorovich's linear program).

    Parameters
    ----------
    cost : array, shape (n, m), scipy sparse matrix or array, or PointCloud
        C_ij, any sign; +inf forbids the arc. Arrays of any array-API library; on a GPU the solve itself
        runs on the host and the answer goes back. Of a sparse matrix the stored entries are the allowed
        arcs (explicit zeros cost 0, duplicates are summed), the missing ones are forbidden.
    a : array, shape (n,), optional
        Source masses >= 0, uniform by default. Any positive total, equal to that of ``b``.
    b : array, shape (m,), optional
        Sink masses >= 0.
    solver : Solver, optional
        `Exact()` by default.
    tol : float
        The certified gap must satisfy ``gap <= tol * |upper_bound|`` (or reach the rounding level of the
        data, 16 eps sum P (|C| + |f| + |g|), when the terms cancel).
    max_iter : int, optional
        Limit on iterations (pivots, for the exact solver).
    time_limit : float, optional
        Seconds for the whole call, certificate included. What comes out is the best interval known by then:
        between points at least the one that sorting each coordinate gives.
    callback : callable, optional
        Called with a `Progress` about ten times a second, certified interval and ETA included, and before
        each kernel that has to be compiled; return True to stop.
    throw : bool
        Raise ConvergenceError when a limit is reached (default), or return the certified interval.
    warm : Solution, optional
        An earlier answer for nearby costs or masses of the same shape, to start from (`Exact` only); it
        changes the time, not the optimum.
    marginals : KL, TV, Partial or a pair, optional
        Marginals that need not be met, at a price (`KL`, `TV`; a pair for ``a`` and ``b``, None: fixed), or
        the amount of mass to move (`Partial`); totals may differ. ``value``, ``lower_bound`` and
        ``upper_bound`` are then those of <C, P> plus the prices, ``stats["transport_cost"]`` is <C, P>.
    normalize : bool
        Divide ``a`` and ``b`` each by its sum, so that both have total 1, instead of insisting on equal
        totals.

    Returns
    -------
    Solution
        ``value``, sparse ``plan``, ``potentials``, ``lower_bound``, ``upper_bound``, ``status`` and more.

    Raises
    ------
    ValueError
        NaN or -inf cost, negative or non-finite weights, unequal totals, mismatched shapes, empty input.
    InfeasibleError
        (a ValueError) Forbidden arcs leave mass stranded; carries the cut that proves it.
    TypeError
        Masked, complex or object arrays.
    ConvergenceError
        A limit was reached; carries the best solution and its certified interval. After Ctrl-C it is
        also a KeyboardInterrupt.

    Notes
    -----
    The exact solver's time grows about like n^2 on matrices; memory is the cost matrix and O(n + m).

    Examples
    --------
    >>> import transport as tp
    >>> sol = tp.solve([[0.0, 2.0], [1.0, 0.0]], [0.75, 0.25], [0.5, 0.5])
    >>> sol.value
    0.5
    >>> sol.lower_bound <= 0.5 <= sol.upper_bound
    True
    >>> sol.plan.toarray()
    array([[0.5 , 0.25],
           [0.  , 0.25]])
    """
    start = clock()
    tol = check_positive(tol, "tol")
    if not normalize and (solver, warm, callback, max_iter, time_limit, marginals) == _DEFAULTS:
        if (short := solve_small(cost, a, b, tol=tol, start=start)) is not None:
            return short
    with hearing(callback, start) as heard:
        problem, like = as_problem(cost, a, b, balanced=marginals is None, normalize=normalize)
        if max_iter is not None:
            max_iter = check_count(max_iter, "max_iter")
        if time_limit is not None:
            time_limit = check_positive(time_limit, "time_limit")
        if problem.has_zero_mass:
            problem.cost.check()  # solvers do not look where there is no mass
        limits: dict[str, Any] = {
            "tol": tol, "max_iter": max_iter, "time_limit": time_limit, "callback": heard,
        }  # fmt: skip
        if marginals is not None:
            if warm is not None:
                raise ValueError("warm is for fixed marginals; leave out warm or marginals")
            solution = solve_relaxed(problem, marginals, solver, like=like, options=limits)
        else:
            chosen = _warmed(solver, warm) if solver is None or warm is not None else solver
            solution = _solved(chosen, problem, limits, like=like, start=start)
            if warm is not None and solution.status is Status.INACCURATE:  # the old answer led astray
                cold = replace(cast(Any, chosen), warm=None)
                solution = _solved(cold, problem, limits, like=like, start=start)
    if solution.status is Status.INTERRUPTED:
        raise InterruptedSolve(_explain(solution), solution)
    if throw and solution.status is not Status.OPTIMAL:
        raise ConvergenceError(_explain(solution), solution)
    return solution


def plan(cost: Any, a: Any = None, b: Any = None, *, solver: Any = None) -> Plan:
    """What `solve` is going to do with a problem, and why; nothing is solved.

    Parameters
    ----------
    cost, a, b
        As for `solve`.
    solver : Exact, optional
        Its method, earlier answer and limits count.

    Returns
    -------
    Plan
        Printed, it says in words what is reduced, where the pivots start and what makes them, and which
        number against which limit decided each. ``Exact(plan=...)`` forces one. What ran is
        ``solution.stats["path"]``: the same, or a "switch" with its cause.

    Raises
    ------
    ValueError, TypeError
        As `solve` on inputs it refuses.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> print(tp.plan(np.ones((300, 9000))))
    Plan for 300 x 9000: matrix, a stored cost matrix
      start    shortlist          10 cheapest arcs a node
      core     threaded tree      9300 nodes <= linked_nodes = 24000
    >>> tp.plan(np.ones((3, 9000))).core.what
    'hub tree'
    """
    solver = Exact() if solver is None else solver
    if not isinstance(solver, Exact):
        raise ValueError(f"plan is for the exact solver; {type(solver).__name__} has none")
    return solver.planned(as_problem(cost, a, b)[0])


def _solved(solver: Solver, problem: Problem, limits: dict[str, Any], *, like: Any, start: float) -> Solution:
    """Run and certify; a MemoryError says what was too large, and what to do."""
    if not isinstance(solver, Solver):
        raise TypeError(
            f"solver is {solver!r}; it must be Exact(...), Sinkhorn(...) or of a class of yours that derives "
            "from transport.Solver"
        )
    try:
        closing = Closing(problem, start, limits["time_limit"])
        outcome = run(
            solver, problem, **limits, start=start, kept=closing.seconds, may_give_up=closing.has_outline
        )
        if solver.proves_itself:
            return solver.wrap(outcome.state, outcome, like=like, start=start)
        certificate = closing.certificate(outcome)
    except MemoryError as error:
        if "bytes" in str(error) and "available" in str(error):  # predicted, with the remedy
            raise
        n, m = problem.shape
        raise MemoryError(
            f"memory ran out while solving {n} x {m}: stored costs take {8 * n * m} bytes, the solver about "
            f"{400 * (n + m)} more, and {available_bytes()} are available; pass points as a PointCloud, "
            "whose costs are never stored, or thin them out"
        ) from error
    return certified(problem, outcome, certificate, tol=limits["tol"], like=like, start=start)


def _warmed(solver: Solver | None, warm: Solution | None) -> Solver:
    if solver is None:
        return Exact(warm=warm)
    if not isinstance(solver, Exact):
        raise ValueError(f"warm is for the exact solver; {type(solver).__name__} cannot start from it")
    return replace(solver, warm=warm)


def as_problem(
    cost: Any, a: Any, b: Any, *, balanced: bool = True, normalize: bool = False
) -> tuple[Problem, Any]:
    """The validated problem, and an array telling on which library and device to answer."""
    if not normalize and _is_plain(cost) and cost.flags.c_contiguous and cost.ndim == 2 and cost.size:
        n, m = cost.shape
        if (a is None or _is_plain(a)) and (b is None or _is_plain(b)):
            masses = _masses(a, "a", n, np), _masses(b, "b", m, np)
            return Problem(Matrix(cost), *_balance(*masses, (n, m), balanced)), cost
    a, b = _in_order(cost, a, b)
    if is_sparse(cost):
        cost = SparseMatrix.from_scipy(cost)
    if hasattr(cost, "c_transform"):
        kernel: Cost = cost
        like = next((w for w in (a, b) if aac.is_array_api_obj(w)), getattr(cost, "like", None))
        xp = namespace(*(w for w in (like, a, b) if w is not None))
    else:
        xp = namespace(*(w for w in (cost, a, b) if w is not None))
        like = next((w for w in (cost, a, b) if aac.is_array_api_obj(w)), None)
        values, _ = as_float64(cost, "cost", xp=xp)
        if values.ndim != 2:
            pot = values.ndim == 1 and np.shape(b) == (values.shape[0], np.size(a))
            hint = "; the cost comes first: solve(M, a, b), not POT's (a, b, M)" if pot else ""
            raise ValueError(f"cost has shape {tuple(values.shape)}; it must be a matrix (n, m){hint}")
        if 0 in values.shape:
            raise ValueError(f"cost is empty, shape {tuple(values.shape)}; a measure needs at least one atom")
        kernel = Matrix(np.ascontiguousarray(to_numpy(values)))
    n, m = kernel.shape
    left, right = _masses(a, "a", n, xp), _masses(b, "b", m, xp)
    if normalize:
        left, right = _of_total_one(left), _of_total_one(right)
    return Problem(kernel, *_balance(left, right, (n, m), balanced)), like


def _of_total_one(masses: _Masses) -> _Masses:
    """Divided by their sum, whatever was rounded before."""
    if masses is None:
        return None
    host, total, _ = masses
    return host / total, 1.0, 4 * len(host) * 2.0**-52


def _in_order(cost: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Labelled masses in the order of the labels of a table of costs, or of the points."""
    shape = getattr(cost, "grid_shape", None)
    if shape is not None:  # images as they are: a grid's atoms in C order
        a, b = (w.reshape(-1) if np.shape(w) == shape and len(shape) > 1 else w for w in (a, b))
    if a is None and b is None:
        return a, b
    rows, cols = getattr(cost, "labels", (None, None))
    if rows is None and cols is None:
        rows, cols = row_labels(cost), column_labels(cost)
    return weights_like(a, rows, "a", "cost's rows"), weights_like(b, cols, "b", "cost's columns")


def _is_plain(x: Any) -> bool:
    """A float64 NumPy array: nothing to convert, nothing to refuse but its values."""
    return type(x) is np.ndarray and x.dtype == np.float64


def _masses(w: Any, name: str, size: int, xp: Any) -> tuple[np.ndarray, float, float] | None:
    """(masses on the host, their total, the relative rounding allowed in it), validated."""
    if w is None:
        return None
    from transport._kernels.settle import scan_masses

    if _is_plain(w):
        host, eps = w, 2.0**-52
    else:
        values, eps = as_float64(w, name, xp=xp)
        host = to_numpy(values)
    if not host.flags.c_contiguous:
        host = np.ascontiguousarray(host)
    if host.shape == (size,):
        smallest, total = scan_masses(host)
        if smallest >= 0 and 0 < total < math.inf:
            return host, total, 4 * size * eps
    as_weights(w, name, xp=xp, size=size, total=None)  # says what is wrong
    raise ValueError(f"the total of {name} overflows; divide {name} by its largest entry first")


_Masses = tuple[np.ndarray, float, float] | None


def _balance(
    a: _Masses, b: _Masses, sizes: tuple[int, int], balanced: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Masses of equal total: uniform where missing; ``b`` stands for its multiple with the total of ``a``.

    Totals that differ by a few units in the last place are left to the certificate, which takes that multiple
    exactly; more (masses of lower precision) is divided out here, in float64.
    """
    from transport._kernels.masses import LITTLE

    n, m = sizes
    if a is None or b is None:
        total = a[1] if a is not None else b[1] if b is not None else 1.0
        return (
            a[0] if a is not None else np.full(n, total / n),
            b[0] if b is not None else np.full(m, total / m),
        )
    if not balanced or abs(a[1] - b[1]) <= LITTLE * a[1]:
        return a[0], b[0]
    if not abs(a[1] - b[1]) <= min(a[2], b[2]) * max(a[1], b[1]):
        coarse = "a" if a[2] > 2 * m / n * b[2] else "b" if b[2] > 2 * n / m * a[2] else ""
        raise ValueError(
            f"a sums to {a[1]!r} and b to {b[1]!r} (a gap of {a[1] - b[1]:.3g}); "
            "transport moves equal masses: divide each by its sum, or add a dummy atom for the difference"
            + (f". {coarse} is of low precision: convert it to float64 before dividing" if coarse else "")
        )
    return a[0], b[0] * (a[1] / b[1])


def _explain(solution: Solution) -> str:
    return (
        f"{solution.status.advice}. Certified so far: "
        f"{solution.lower_bound!r} <= optimum <= {solution.upper_bound!r} after {solution.n_iter} iterations"
    )
