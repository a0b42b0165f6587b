"""Thousands of small problems at once: one kernel call a chunk, a certificate for each."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from transport._answer import Arcs, Status
from transport._certificate import completed, intervals
from transport._packed import Batch, Inputs
from transport._problem import Problem
from transport._solution import Solution
from transport._solve import as_problem, solve
from transport.internal import CtrlC, check_positive

if TYPE_CHECKING:
    from transport._packed import Batch, Inputs

_STATS = {"method": "matrix", "reason": "one of many small problems", "rounds": 1, "stalls": 0, "path": ()}


@dataclass(frozen=True, eq=False, repr=False)
class Solutions(Sequence[Solution]):
    """The answers of `solve_many`: vectors at once, a `Solution` for the asking.

    ``len(many)``, ``many[k]`` and iteration give the `Solution` of each problem, made on access.

    Attributes
    ----------
    value, lower_bound, upper_bound : ndarray, shape (k,)
        ``lower_bound <= true optimum <= upper_bound`` for every problem; -inf, nan, inf for `failures`.
    n_iter : ndarray of int, shape (k,)
        Pivots.
    elapsed : float
        Seconds for all.
    failures : mapping
        Index of a problem without an answer -> the error that says why; empty unless ``throw=False``.
    """

    value: np.ndarray
    lower_bound: np.ndarray
    upper_bound: np.ndarray
    n_iter: np.ndarray
    elapsed: float
    failures: Mapping[int, Exception]
    _inputs: Inputs
    _batches: Sequence[Batch]
    _singles: Mapping[int, Solution] = field(default_factory=dict)

    @property
    def gap(self) -> np.ndarray:
        """upper_bound - lower_bound, shape (k,)."""
        gap: np.ndarray = self.upper_bound - self.lower_bound
        return gap

    def __len__(self) -> int:
        return len(self.value)

    def __getitem__(self, k: Any) -> Any:
        """The `Solution` of problem k (of a slice: a list of them). Raises its error if it has none."""
        if isinstance(k, slice):
            return [self[i] for i in range(*k.indices(len(self)))]
        k = range(len(self))[k]
        if k in self.failures:
            raise self.failures[k]
        if k in self._singles:
            return self._singles[k]
        batch = next(b for b in self._batches if b.first <= k < b.last)
        problem, like = as_problem(*self._inputs[k])
        rows, cols, mass, f, g, error = batch.parts(k)
        if problem.has_zero_mass:
            f, g = completed(problem, f, g)
        return Solution(
            value=float(self.value[k]),
            arcs=Arcs(rows, cols, mass, problem.shape, like),
            duals=(f, g),
            lower_bound=float(self.lower_bound[k]),
            upper_bound=float(self.upper_bound[k]),
            marginal_error=error,
            status=Status.OPTIMAL,
            n_iter=int(self.n_iter[k]),
            elapsed=self.elapsed / len(self),
            stats={**_STATS, "pivots": int(self.n_iter[k]), "arcs": math.prod(problem.shape)},
            problem=Problem(problem.cost, problem.a, problem.b),
        )

    def __iter__(self) -> Iterator[Solution]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        worst = float(np.max(self.gap)) if len(self) else 0.0
        lost = f", {len(self.failures)} failures" if self.failures else ""
        return f"Solutions({len(self)} problems, largest gap {worst:.3g}{lost}, {self.elapsed:.3g} s)"


@CtrlC()
def solve_many(
    costs: Any, a: Any = None, b: Any = None, *, tol: float = 1e-9, throw: bool = True
) -> Solutions:
    """Exact optimal transport for many small problems, with a certificate for each.

    `solve` for every problem, without its 30 microseconds of Python for each: one compiled call does a
    chunk of problems, on all cores.

    Parameters
    ----------
    costs : array, shape (k, n, m) or (n, m), or a sequence of arrays (n_i, m_i)
        A stack, one matrix for all of the measures, or problems of various sizes. +inf forbids an arc.
    a : array, shape (k, n) or (n,), or a sequence of vectors (n_i,), optional
        Source masses >= 0: one vector a problem, or one for all; uniform by default. Masses of 0 are fine.
    b : array, shape (k, m) or (m,), or a sequence of vectors (m_i,), optional
        Sink masses of the same totals.
    tol : float
        Every gap satisfies ``gap <= tol * |upper_bound|`` or reaches the rounding level of the data.
    throw : bool
        Raise the error of the first problem that has no answer (default), or list it in ``failures``.

    Returns
    -------
    Solutions
        Vectors ``value``, ``lower_bound``, ``upper_bound``; ``many[k]`` is the `Solution` of problem k.

    Raises
    ------
    ValueError, InfeasibleError, TypeError, ConvergenceError
        As `solve`, with "problem k:" in front.

    Notes
    -----
    Meant for 10 to 200 atoms a side: matrices of more than 2^18 entries, and whatever else the small solver
    passes on, are solved by `solve` one by one. Answers do not depend on the other problems, their order
    or the number of threads. Sequences are packed 64 MB at a time; stacks are not copied.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> costs = np.array([[[0.0, 2.0], [1.0, 0.0]], [[0.0, 1.0], [3.0, 0.0]]])
    >>> many = tp.solve_many(costs, [0.75, 0.25], [0.5, 0.5])
    >>> many.value
    array([0.5 , 0.25])
    >>> many[1].plan.toarray()
    array([[0.5 , 0.25],
           [0.  , 0.25]])
    """
    start = time.perf_counter()
    tol = check_positive(tol, "tol")
    inputs = Inputs.of(costs, a, b)
    size = len(inputs)
    value, lower, upper = np.full(size, np.nan), np.full(size, -np.inf), np.full(size, np.inf)
    pivots = np.zeros(size, np.int64)
    singles: dict[int, Solution] = {}
    failures: dict[int, Exception] = {}
    batches = []
    for first, last in inputs.batches():
        batch = Batch.of(inputs, first, last)
        batch.run()
        part = slice(first, last)
        value[part], lower[part], upper[part], sound = intervals(batch.sums, tol=tol)
        pivots[part] = batch.pivots
        for i in np.flatnonzero(~(sound & (batch.codes == 0))).tolist():
            _one_by_one(first + i, inputs, tol, throw, singles, failures)
        batches.append(batch)
    for k, single in singles.items():
        value[k], lower[k], upper[k] = single.value, single.lower_bound, single.upper_bound
        pivots[k] = single.n_iter
    for k in failures:
        value[k], lower[k], upper[k], pivots[k] = np.nan, -np.inf, np.inf, 0
    return Solutions(
        value, lower, upper, pivots, time.perf_counter() - start, failures, inputs, batches, singles
    )


def _one_by_one(
    k: int,
    inputs: Inputs,
    tol: float,
    throw: bool,
    singles: dict[int, Solution],
    failures: dict[int, Exception],
) -> None:
    """The main road for problem k; its error, if it ends in one, says which problem it was."""
    try:
        singles[k] = solve(*inputs[k], tol=tol)
    except KeyboardInterrupt:
        raise
    except (ValueError, TypeError, RuntimeError, MemoryError, OverflowError) as error:
        error.args = (f"problem {k}: {error}", *error.args[1:])
        if throw:
            raise
        failures[k] = error
