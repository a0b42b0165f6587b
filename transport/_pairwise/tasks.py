"""What a worker does: the distances of some pairs of two packed sets. Everything here can be pickled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from transport._certificate import intervals
from transport._pairwise.measures import Ground, Pack
from transport._points import METRICS, PointCloud
from transport._solve import solve
from transport._solver.tuning import TUNING
from transport.internal import one_thread, run_chunks

Found: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, dict[int, str]]
"""value, lower, upper of every pair, and why some have none."""

CHUNK = 1 << 17  # entries of cost matrices a kernel call: a few milliseconds
_EPS = 2.0**-52
_ERRORS = (ValueError, TypeError, RuntimeError, MemoryError, ArithmeticError)


@dataclass(frozen=True, eq=False)
class Work:
    """Which distance: W_p over a ground cost, exactly or by a solver, or a function of two measures.

    On the line positions are divided by 2^``shift``; ``plain``: powers of distances are ordinary numbers.
    """

    p: float
    ground: Ground
    solver: Any = None
    function: Callable[[Any, Any], Any] | None = None
    shift: int = 0
    plain: bool = True

    def __call__(self, left: Pack, right: Pack, pairs: np.ndarray) -> Found:
        """Distances of the pairs (r, 2), indices into the two sets."""
        size = len(pairs)
        value, lower, upper = np.full(size, np.nan), np.full(size, -np.inf), np.full(size, np.inf)
        failures: dict[int, str] = {}
        rest = np.arange(size)
        if self.solver is None and self.function is None and self.ground.function is None:
            if self.ground.matrix is None and left.atoms.shape[1] == 1:
                return _on_the_line(self.p, self.shift, left, right, pairs)
            few = left.sizes[pairs[:, 0]], right.sizes[pairs[:, 1]]
            small = (
                self.plain
                & (few[0] * few[1] <= TUNING.at_once_pairs)
                & (few[0] + few[1] <= TUNING.at_once_nodes)
            )
            at = np.flatnonzero(small)
            value[at], lower[at], upper[at], sound = self._by_kernel(left, right, pairs[at])
            rest = np.concatenate([at[~sound], np.flatnonzero(~small)])
        for k in np.sort(rest).tolist():
            try:
                value[k], lower[k], upper[k] = self._one(left[pairs[k, 0]], right[pairs[k, 1]])
            except KeyboardInterrupt:
                raise
            except _ERRORS as error:
                failures[k] = f"{type(error).__name__}: {error}"
                value[k], lower[k], upper[k] = np.nan, -np.inf, np.inf
        return value, lower, upper, failures

    def _by_kernel(self, left: Pack, right: Pack, pairs: np.ndarray) -> tuple[np.ndarray, ...]:
        from transport._kernels import pairs as k

        codes, sums = np.full(len(pairs), -1), np.zeros((len(pairs), 8))
        sums[:, 7] = 1.0
        limits = TUNING.in_bulk()
        matrix = self.ground.matrix
        error = 0.0
        if matrix is None:
            dim = left.atoms.shape[1]
            error = PointCloud(
                np.zeros((1, dim)), np.zeros((1, dim)), "euclidean", power=self.p
            ).relative_error
            x = left.atoms, left.across, left.masses, left.offsets
            y = right.atoms, right.across, right.masses, right.offsets

            def run(i: int, j: int) -> None:
                k.points_range(i, j, pairs, x, y, self.ground.metric, self.p, limits, codes, sums)
        else:
            error = 4 * self.p * _EPS if self.p != 1.0 else 0.0
            u, v = (left.atoms, left.masses, left.offsets), (right.atoms, right.masses, right.offsets)

            def run(i: int, j: int) -> None:
                k.matrix_range(i, j, pairs, u, v, matrix, self.p, limits, codes, sums)

        in_chunks(run, left.sizes[pairs[:, 0]] * right.sizes[pairs[:, 1]])
        value, lower, upper, sound = intervals(sums, tol=1e-9, relative_error=error)
        return *rooted(value, lower, upper, self.p), sound & (codes == 0)

    def _one(self, mu: tuple[np.ndarray, np.ndarray], nu: tuple[np.ndarray, np.ndarray]) -> tuple[float, ...]:
        """One pair by the main road, or by the function."""
        if self.function is not None:
            return _called(self.function, mu, nu)
        (x, a), (y, b) = mu, nu
        ground, shift = self.ground, 0
        if ground.matrix is not None:
            cost: Any = ground.matrix[np.ix_(x, y)] ** self.p
        elif ground.function is not None:
            cost = np.asarray(ground.function(x, y), dtype=np.float64) ** self.p
        else:
            shift = _extent(x, y)  # powers of such distances would over- or underflow
            x, y = np.ldexp(x, -shift), np.ldexp(y, -shift)
            cost = PointCloud(x, y, METRICS[ground.metric], power=self.p)
        solution = solve(cost, a, b, solver=self.solver)
        v, low, high = (np.array([z]) for z in (solution.value, solution.lower_bound, solution.upper_bound))
        return tuple(math.ldexp(float(z[0]), shift) for z in rooted(v, low, high, self.p))


def _extent(x: np.ndarray, y: np.ndarray) -> int:
    """The exponent of the size of both clouds together if it is an unusual one, else 0."""
    top, low = np.maximum(x.max(axis=0), y.max(axis=0)), np.minimum(x.min(axis=0), y.min(axis=0))
    exponent = math.frexp(2.0 * float(np.max(top / 2 - low / 2)))[1]
    return exponent if abs(exponent) > 30 else 0


def _called(function: Callable[[Any, Any], Any], mu: Any, nu: Any) -> tuple[float, float, float]:
    answer = function(mu, nu)
    if hasattr(answer, "lower_bound"):
        return float(answer.value), float(answer.lower_bound), float(answer.upper_bound)
    value = float(answer)
    if math.isnan(value):
        raise ValueError("the distance function returned nan")
    return value, -math.inf, math.inf


def _on_the_line(p: float, shift: int, left: Pack, right: Pack, pairs: np.ndarray) -> Found:
    from transport._kernels.pairs import line_range

    value = np.empty(len(pairs))
    x, y = ((np.ldexp(z.atoms[:, 0], -shift), z.masses, z.offsets, z.equal) for z in (left, right))
    in_chunks(
        lambda i, j: line_range(i, j, pairs, x, y, p, value),
        left.sizes[pairs[:, 0]] + right.sizes[pairs[:, 1]],
    )
    with np.errstate(over="ignore"):
        value = np.ldexp(value, shift)
    failures = {
        int(k): "MagnitudeError: the distance is larger than any float64; measure in a larger unit"
        for k in np.flatnonzero(~np.isfinite(value))
    }
    slack = 16 * _EPS * value + 2.0**-1074
    lower, upper = np.maximum(value - slack, 0.0), value + slack
    for k in failures:
        value[k], lower[k], upper[k] = np.nan, -np.inf, np.inf
    return value, lower, upper, failures


def in_chunks(run: Callable[[int, int], None], weights: np.ndarray) -> None:
    """``run(first, last)`` over all, in pieces of about `CHUNK`, on the cores this thread may use."""
    total = np.cumsum(weights)
    if not len(total):
        return
    cuts = np.searchsorted(total, np.arange(CHUNK, int(total[-1]), CHUNK), side="left") + 1
    edges = np.unique(np.concatenate([[0], cuts, [len(total)]])).tolist()

    def task(first: int, last: int) -> None:
        for q in range(first, last):
            run(edges[q], edges[q + 1])

    run_chunks(task, len(edges) - 1, slice_size=1)


def rooted(
    value: np.ndarray, lower: np.ndarray, upper: np.ndarray, p: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The p-th roots, of the bounds outwards; the same for a number whatever stands next to it."""
    if p == 1.0:
        return value, np.maximum(lower, 0.0), upper
    root = np.sqrt if p == 2.0 else lambda z: np.array([v ** (1.0 / p) for v in z.tolist()])
    value, lower, upper = (root(np.maximum(z, 0.0)) for z in (value, lower, upper))
    return value, lower * (1.0 - 4 * _EPS), upper * (1.0 + 4 * _EPS)


def alone(work: Work, left: Pack, right: Pack, pairs: np.ndarray) -> Found:
    """The work in a worker of an executor: on one thread."""
    with one_thread():
        return work(left, right, pairs)
