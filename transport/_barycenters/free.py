"""Barycentres with free support: exact transport and means in turn (a local optimum, with a lower bound)."""

from __future__ import annotations

import math
import time
from itertools import combinations
from typing import Any

import numpy as np

from transport._answer import Status
from transport._barycenters.fixed import check_weights, not_closed
from transport._barycenters.result import Barycenter
from transport._certificate import certify
from transport._ending import certified
from transport._points import PointCloud
from transport._problem import Coupling, Problem
from transport._projection import barycentric_map
from transport._solution import Solution
from transport._solve import solve
from transport._solver.at_once import solve_at_once
from transport._solver.base import Outcome
from transport._solver.plan import is_small
from transport._solver.tuning import TUNING
from transport.internal import (
    CtrlC,
    as_points,
    as_weights,
    check_count,
    check_positive,
    clock,
    namespace,
    on_device_of,
    to_numpy,
)


@CtrlC()
def free_barycenter(
    points: Any,
    weights: Any = None,
    *,
    masses: Any = None,
    start: Any = None,
    start_masses: Any = None,
    tol: float = 1e-9,
    max_iter: int = 1000,
    normalize: bool = False,
) -> Barycenter:
    r"""A W_2 barycentre of point clouds whose own points may move: a local optimum, with a lower bound.

    Parameters
    ----------
    points : sequence of arrays, shapes (n_k, d)
    weights : array, shape (k,), optional
        w_k >= 0, summing to 1; equal by default.
    masses : sequence of arrays or None, optional
        Of the points, each summing to 1; equal by default.
    start : array, shape (n, d), optional
        First positions; the points of the measure of the largest weight by default.
    start_masses : array, shape (n,), optional
        The masses of the answer, which stay; equal by default (those of the measure taken as start).
    tol : float
        Stop where a sweep lowers the objective by less than tol times it.
    max_iter : int
        Sweeps, at most.
    normalize : bool
        Divide weights and masses by their totals instead of insisting on 1.

    Returns
    -------
    Barycenter
        ``points``, ``measure`` (their masses), and the interval: above the objective of the answer, below
        sum_{k<l} w_k w_l W_2^2(a_k, a_l), which no measure in space undercuts (and which is the optimum for
        two measures). Status OPTIMAL means that the sweeps have settled, a local optimum; the interval says
        how far from the global one it can be.

    Raises
    ------
    ValueError, TypeError
        As `transport.solve`; dimensions that differ.
    ConvergenceError
        ``max_iter`` sweeps were not enough.

    Notes
    -----
    Álvarez-Esteban et al. (2016), Cuturi, Doucet (2014): the points move to the mean of the barycentric
    projections of exact plans; each exact solve starts from the last one. The lower bound: the least
    sum_k w_k |x_k - z|^2 over z is sum_{k<l} w_k w_l |x_k - x_l|^2, and a coupling of all measures couples
    every two.

    Examples
    --------
    >>> import transport as tp
    >>> found = tp.free_barycenter([[[0.0, 0.0], [1.0, 0.0]], [[0.0, 2.0], [1.0, 2.0]]])
    >>> found.points.tolist(), found.value, round(found.lower_bound, 12)
    ([[0.0, 1.0], [1.0, 1.0]], 1.0, 1.0)
    """
    began = time.perf_counter()
    tol, max_iter = check_positive(tol, "tol"), check_count(max_iter, "max_iter")
    given = list(points)
    shares = check_weights(weights, len(given), normalize)
    clouds, sizes = _clouds(given, masses, normalize)
    first = int(np.argmax(shares))
    if start is None:
        z, q = clouds[first], sizes[first] if start_masses is None else None
    else:
        z, q = to_numpy(as_points(start, "start", xp=namespace(start))), None
    if z.shape[1] != clouds[0].shape[1]:
        raise ValueError(f"start has dimension {z.shape[1]} and the points {clouds[0].shape[1]}")
    if q is None:
        xp = namespace(start_masses) if start_masses is not None else namespace()
        q = to_numpy(as_weights(start_masses, "start_masses", xp=xp, size=len(z), normalize=normalize))
    kept = [k for k in range(len(clouds)) if shares[k] > 0]
    ways = {k: _Way(clouds[k], sizes[k] * (math.fsum(q) / math.fsum(sizes[k]))) for k in kept}
    value, done = math.inf, 0
    settled = False
    while not settled and done < max_iter:
        done += 1
        costs = [ways[k].move(z, q) for k in kept]
        current = math.fsum(shares[k] * cost for k, cost in zip(kept, costs))
        settled = not value - current > tol * abs(current)
        if current <= value:
            best, value, known = z, current, {k: ways[k].known for k in kept}
        if not settled:
            z = np.sum([shares[k] * ways[k].mean() for k in kept], axis=0)
    answer = [ways[k].certified(known[k]) if k in ways else None for k in range(len(clouds))]
    value = math.fsum(shares[k] * answer[k].value for k in kept)  # type: ignore[union-attr]
    upper = math.fsum(shares[k] * answer[k].upper_bound for k in kept)  # type: ignore[union-attr]
    found = Barycenter(
        measure=on_device_of(q, given[0]),
        value=value,
        lower_bound=min(_pairwise_bound(clouds, sizes, shares), upper),
        upper_bound=upper,
        solutions=tuple(answer),
        status=Status.OPTIMAL if settled else Status.ITERATION_LIMIT,
        n_iter=done,
        elapsed=time.perf_counter() - began,
        points=on_device_of(best, given[0]),
    )
    if not settled:
        raise not_closed(found, f"the support still moves after {done} sweeps: raise max_iter or tol", tol)
    return found


class _Way:
    """Exact transport from a support that moves to one measure; certified only where that is asked for."""

    def __init__(self, cloud: np.ndarray, mass: np.ndarray) -> None:
        self.cloud, self.mass = cloud, mass
        self.known: Solution | tuple[Problem, Coupling] | None = None

    def move(self, z: np.ndarray, q: np.ndarray) -> float:
        """The cost from the points ``z`` with masses ``q``, begun at the potentials of the call before."""
        problem = Problem(PointCloud(z, self.cloud), q, self.mass)
        coupling = self._in_one_call(problem)
        if coupling is None:
            warm = self.known if isinstance(self.known, Solution) else None
            self.known = solve(problem.cost, q, self.mass, warm=warm)
            return self.known.value
        self.known = problem, coupling
        return math.fsum(problem.cost.entries(coupling.rows, coupling.cols) * coupling.mass)

    def _in_one_call(self, problem: Problem) -> Coupling | None:
        from transport._kernels.simplex_dense import OPTIMAL

        if problem.has_zero_mass or not is_small(problem.shape, TUNING):
            return None
        before = self.known[1] if isinstance(self.known, tuple) else None
        arcs, g = (None, None) if before is None else (before[:2], before.g)
        costs = problem.cost.block(0, problem.shape[0])
        code, _, *parts = solve_at_once(costs, problem.a, problem.b, g=g, arcs=arcs)
        return Coupling(*parts) if code == OPTIMAL else None

    def mean(self) -> np.ndarray:
        """The barycentric projection."""
        if isinstance(self.known, Solution):
            return np.asarray(barycentric_map(self.known, None, None))
        assert self.known is not None
        rows, cols, mass = self.known[1][:3]
        n = len(self.known[0].a)
        sent = np.bincount(rows, mass, n)
        parts = [np.bincount(rows, mass * y, n) / sent for y in self.cloud[cols].T]
        return np.stack(parts, axis=1)

    def certified(self, known: Solution | tuple[Problem, Coupling] | None) -> Solution:
        """What `move` has found, with its certificate."""
        assert known is not None
        if isinstance(known, Solution):
            return known
        start, (problem, coupling) = clock(), known
        certificate = certify(problem, coupling)
        outcome = Outcome(coupling, Status.OPTIMAL, 0, 0.0, {"method": "matrix"})
        found = certified(problem, outcome, certificate, tol=1e-9, like=None, start=start)
        if found.status is Status.OPTIMAL:
            return found
        return solve(problem.cost, problem.a, problem.b)


def _clouds(given: list[Any], masses: Any, normalize: bool) -> tuple[list[np.ndarray], list[np.ndarray]]:
    masses = [None] * len(given) if masses is None else list(masses)
    if len(masses) != len(given):
        raise ValueError(
            f"masses holds {len(masses)} arrays for {len(given)} measures; their numbers must match"
        )
    clouds, sizes = [], []
    for k, (x, a) in enumerate(zip(given, masses)):
        cloud = to_numpy(as_points(x, f"points[{k}]", xp=namespace(x)))
        xp = namespace(a) if a is not None else namespace()
        clouds.append(cloud)
        sizes.append(to_numpy(as_weights(a, f"masses[{k}]", xp=xp, size=len(cloud), normalize=normalize)))
        if cloud.shape[1] != clouds[0].shape[1]:
            raise ValueError(f"points[{k}] has dimension {cloud.shape[1]} and points[0] {clouds[0].shape[1]}")
    return clouds, sizes


def _pairwise_bound(clouds: list[np.ndarray], sizes: list[np.ndarray], shares: np.ndarray) -> float:
    """sum_{k<l} w_k w_l W_2^2(a_k, a_l), from below."""
    total = 0.0
    for k, m in combinations(np.flatnonzero(shares > 0), 2):
        way = _Way(clouds[m], sizes[m] * (math.fsum(sizes[k]) / math.fsum(sizes[m])))
        way.move(clouds[k], sizes[k])
        total += shares[k] * shares[m] * way.certified(way.known).lower_bound
    return float(total * (1 - 2.0**-48))
