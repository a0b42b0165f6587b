"""Barycentres on a grid or a given support, with a certified interval of the optimum."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from transport._answer import Status
from transport._barycenters.result import Barycenter
from transport._barycenters.smooth import Smooth
from transport._grid import Grid
from transport._problem import Problem
from transport._solution import Solution
from transport._solve import as_problem, solve
from transport.internal import (
    ConvergenceError,
    CtrlC,
    as_float64,
    as_weights,
    check_choice,
    check_positive,
    namespace,
    on_device_of,
    to_numpy,
)

_FIRST, _RATIO, _LEVELS = 4e-3, 2.0, 26  # regularisation over the largest cost along an axis: 4e-3 ... 1e-10
_STALLED = 4  # levels in a row that close less than a hundredth of the gap
_ENOUGH = 1e-4  # marginal error at which a level is left
_LEAST = 1e-10  # of the mean mass: what is below is left out of the candidate
_EPS = 2.0**-52


@CtrlC()
def barycenter(
    measures: Any,
    weights: Any = None,
    *,
    cost: Any = "sqeuclidean",
    spacing: Any = 1.0,
    normalize: bool = False,
    tol: float = 1e-3,
    time_limit: float | None = None,
    throw: bool = True,
) -> Barycenter:
    r"""The Wasserstein barycentre of measures on one grid or support, with a certified interval.

    Minimises :math:`\sum_k w_k V(q, a_k)` over probabilities q on the support, V the optimal cost.

    Parameters
    ----------
    measures : sequence of arrays of one shape
        Images, volumes or histograms, masses on the cells of one grid; with a ``cost`` matrix, vectors of
        length m. Each sums to 1.
    weights : array, shape (k,), optional
        w_k >= 0, summing to 1; equal by default.
    cost : "sqeuclidean" or a cost of `transport.solve`, shape (n, m)
        Between cells of the grid; or the costs from the n points of the support to the m atoms.
    spacing : float or sequence of float
        Distance between neighbouring cells, one for all axes or one for each.
    normalize : bool
        Divide each measure (and the weights) by its total instead of insisting on 1.
    tol : float
        The interval must satisfy ``gap <= tol * upper_bound``.
    time_limit : float, optional
        Seconds; looked at between levels of regularisation.
    throw : bool
        Raise ConvergenceError where the interval stays wider (default), or return it.

    Returns
    -------
    Barycenter
        ``measure``, ``lower_bound``, ``upper_bound``, ``solutions`` and more.

    Raises
    ------
    ValueError
        Fewer than one measure, shapes that differ, negative or non-finite masses, totals other than 1.
    TypeError
        Masked, complex or object arrays.
    ConvergenceError
        ``tol`` was not reached: carries the interval, and the answer as ``solution``.

    Notes
    -----
    Below: potentials of the entropic problem with sum_k w_k f_k <= 0, c-transformed, bound the optimum
    (Agueh, Carlier 2011), whatever they come from. Above: exact transport from the candidate to every
    measure. In between Newton's method on the entropic dual, with regularisation falling to where the
    interval is narrow enough (cf. Cuturi, Peyré 2016). The exact solution of the linear programme lies in the
    interval always. Memory: for k images of N x N up to 16 k N^3 bytes; for a cost matrix 8 k n m.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> a, b = np.zeros((2, 5, 5))
    >>> a[0, 0] = b[4, 4] = 1.0
    >>> found = tp.barycenter([a, b])
    >>> np.argwhere(found.measure > 0.5).tolist(), round(found.value, 3)
    ([[2, 2]], 8.0)
    """
    start = time.perf_counter()
    tol = check_positive(tol, "tol")
    limit = math.inf if time_limit is None else check_positive(time_limit, "time_limit")
    masses, shares, like = _measures(measures, weights, normalize)
    kept = np.flatnonzero(shares > 0)
    problem, axes = _support(cost, spacing, masses.shape[1:])
    search = _Search(masses[kept], shares[kept], problem, axes, tol)
    level, status = 0, Status.RUNNING
    while status is Status.RUNNING:
        search.descend(_FIRST * _RATIO**-level, last=level == _LEVELS - 1)
        level += 1
        if search.closed:
            status = Status.OPTIMAL
        elif time.perf_counter() - start >= limit:
            status = Status.TIME_LIMIT
        elif level == _LEVELS or search.stalled >= _STALLED:
            status = Status.INACCURATE
    search.evaluate()
    if search.closed:
        status = Status.OPTIMAL
    solutions: list[Solution | None] = [None] * len(masses)
    for k, solution in zip(kept, search.solutions):
        solutions[k] = solution
    shape = masses.shape[1:] if len(axes) > 1 or problem.shape[0] == problem.shape[1] else problem.shape[:1]
    found = Barycenter(
        measure=on_device_of(search.measure.reshape(shape), like),
        value=search.value,
        lower_bound=search.lower,
        upper_bound=search.upper,
        solutions=tuple(solutions),
        status=status,
        n_iter=search.smooth.products,
        elapsed=time.perf_counter() - start,
        stats={"levels": level, "reg": _FIRST * _RATIO ** (1 - level) * search.unit},
    )
    if throw and status is not Status.OPTIMAL:
        raise not_closed(found, _REASON.get(status, status.advice), tol)
    return found


def not_closed(found: Barycenter, reason: str, tol: float) -> ConvergenceError:
    """The error that carries a barycentre and its interval."""
    error = ConvergenceError(
        f"{reason}. Certified so far: {found.lower_bound!r} <= optimum <= {found.upper_bound!r}; "
        f"tol = {tol:g}"
    )
    error.solution = found  # type: ignore[assignment]
    error.lower_bound, error.upper_bound = found.lower_bound, found.upper_bound
    return error


def check_weights(weights: Any, count: int, normalize: bool) -> np.ndarray:
    """Shares of ``count`` measures."""
    if count == 0:
        raise ValueError("measures is empty; a barycentre needs at least one measure")
    xp = namespace(weights) if weights is not None else namespace()
    return to_numpy(as_weights(weights, "weights", xp=xp, size=count, normalize=normalize))


def _measures(measures: Any, weights: Any, normalize: bool) -> tuple[np.ndarray, np.ndarray, Any]:
    """Masses (k, *shape), each summing to 1 to rounding, their shares, and the first as it was given."""
    given = list(measures)
    shares = check_weights(weights, len(given), normalize)
    found = []
    for k, one in enumerate(given):
        xp = namespace(one)
        values, _ = as_float64(one, f"measures[{k}]", xp=xp)
        flat = as_weights(
            xp.reshape(one if hasattr(one, "dtype") else values, (-1,)), f"measures[{k}]", xp=xp,
            normalize=normalize,
        )  # fmt: skip
        found.append(to_numpy(flat).reshape(values.shape))
        if found[k].shape != found[0].shape:
            raise ValueError(
                f"measures[{k}] has shape {found[k].shape} and measures[0] {found[0].shape}; "
                "put them on one grid, or use free_barycenter for point clouds"
            )
    return np.array(found), shares, given[0]


def _support(cost: Any, spacing: Any, shape: tuple[int, ...]) -> tuple[Problem, list[np.ndarray]]:
    """The exact problem's cost (masses are put in later), and the costs an axis."""
    if isinstance(cost, str):
        check_choice(cost, "cost", ("sqeuclidean",))
        grid = Grid(shape, cost, spacing=spacing)
        axes = []
        for size, step in zip(shape, grid.steps):
            move = step * np.abs(np.arange(size)[:, None] - np.arange(size))
            axes.append(move**2)
        n = math.prod(shape)
        return Problem(grid, np.full(n, 1.0 / n), np.full(n, 1.0 / n)), axes
    problem, _ = as_problem(cost, None, None)
    if len(shape) != 1 or problem.shape[1] != shape[0]:
        raise ValueError(f"cost has shape {problem.shape}; measures of shape {shape} need one column an atom")
    if problem.cost.has_forbidden:
        raise ValueError("cost has forbidden arcs (+inf); a barycentre needs every point to reach every atom")
    return problem, [np.ascontiguousarray(problem.cost.block(0, problem.shape[0]))]


_REASON = {
    Status.INACCURATE: "the dual of this barycentre (many ties?) cannot be solved further in float64: "
    "raise tol, or accept the interval with throw=False"
}


class _Search:
    """Levels of regularisation, and the best bounds so far."""

    def __init__(
        self,
        masses: np.ndarray,
        shares: np.ndarray,
        problem: Problem,
        axes: Sequence[np.ndarray],
        tol: float,
    ) -> None:
        self.shares, self.problem, self.tol = shares, problem, tol
        self.unit = max((float(c.max() - c.min()) for c in axes), default=0.0) or 1.0
        self.smooth = Smooth(masses, shares, [c / self.unit for c in axes])
        self.flat = masses.reshape(len(masses), -1)
        self.g = np.zeros_like(masses)
        self.value, self.measure = math.inf, np.empty(0)
        self.lower, self.upper = -math.inf, math.inf
        self.solutions: list[Solution] = []
        self.candidate: np.ndarray | None = None
        self.earlier: tuple[np.ndarray, np.ndarray] | None = None
        self.patience = self.stalled = 0

    @property
    def closed(self) -> bool:
        """The interval is as narrow as asked, or as the rounding of the exact solves allows."""
        if not self.upper < math.inf:
            return False
        noise = 64 * _EPS * float(self.problem.cost.magnitude)
        return self.upper - self.lower <= max(self.tol * abs(self.upper), noise)

    def descend(self, reg: float, *, last: bool) -> None:
        """One level. Exact transport to the candidate comes once the lower bound has all but settled.

        Potentials and masses have errors of first order in ``reg``, which two levels cancel (Richardson).
        """
        found = self.smooth.solve(self.g, reg, _ENOUGH)
        self.g = found.g
        f, q = found.f(reg) * self.unit, found.q / found.q.sum()
        before, width = self.lower, self.upper - self.lower
        self.lower = max(self.lower, self.bound(f))
        self.candidate = q
        if self.earlier is not None:
            self.lower = max(self.lower, self.bound(f + (f - self.earlier[0]) / (_RATIO - 1)))
            if found.settled:
                self.candidate = np.maximum(q + (q - self.earlier[1]) / (_RATIO - 1), 0.0)
        self.earlier = f, q
        self.patience -= 1
        if last or (self.patience <= 0 and self.lower - before <= 0.5 * self.tol * abs(self.lower)):
            self.evaluate()
            excess = (self.upper - self.lower) / max(self.tol * abs(self.upper), 1e-300)
            self.patience = math.ceil(math.log(max(excess, 1.0), _RATIO))
        if self.upper < math.inf:
            self.stalled = self.stalled + 1 if self.upper - self.lower > 0.99 * width else 0

    def sharpen(self, q: np.ndarray) -> np.ndarray:
        """A probability without the atoms that hardly count."""
        q = q.ravel() / q.sum()
        q = np.where(q < _LEAST / len(q), 0.0, q)
        return np.asarray(q / q.sum())

    def bound(self, f: np.ndarray) -> float:
        """sum_k w_k <f_k^c, a_k>, less what is left of sum_k w_k f_k: at most the objective of any q."""
        f = f.reshape(len(f), -1)
        f = f - self.shares @ f
        rest = self.shares @ f
        slack = 8 * _EPS * float(np.max(self.shares @ np.abs(f)))
        parts = [
            float(self.problem.cost.c_transform(np.ascontiguousarray(p)) @ a) for p, a in zip(f, self.flat)
        ]
        size = float(self.shares @ [np.abs(p).max() for p in f]) + abs(float(self.shares @ parts))
        rounding = (8 + math.log2(f.size)) * _EPS * size + self.problem.cost.relative_error * size
        return float(self.shares @ parts) + min(0.0, float(rest.min())) - slack - rounding

    def evaluate(self) -> None:
        """Exact transport from the candidate to every measure."""
        if self.candidate is None:
            return
        q, self.candidate = self.sharpen(self.candidate), None
        solutions = []
        for k, a in enumerate(self.flat):
            warm = self.solutions[k] if self.solutions else None
            solutions.append(solve(self.problem.cost, q, a * (math.fsum(q) / math.fsum(a)), warm=warm))
        upper = math.fsum(self.shares * [s.upper_bound for s in solutions]) * (1 + 8 * _EPS)
        if upper < self.upper:
            self.upper, self.measure, self.solutions = upper, q, solutions
            self.value = min(upper, math.fsum(self.shares * [s.value for s in solutions]))
