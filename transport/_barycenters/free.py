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
from transport._points import PointCloud
from transport._projection import barycentric_map
from transport._solution import Solution
from transport._solve import solve
from transport.internal import (
    CtrlC,
    as_points,
    as_weights,
    check_count,
    check_positive,
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
    solutions: list[Solution | None] = [None] * len(clouds)
    value, done = math.inf, 0
    settled = False
    while not settled and done < max_iter:
        done += 1
        moved = []
        for k in kept:
            total = math.fsum(q) / math.fsum(sizes[k])
            solutions[k] = solve(PointCloud(z, clouds[k]), q, sizes[k] * total, warm=solutions[k])
        current = math.fsum(shares[k] * solutions[k].value for k in kept)  # type: ignore[union-attr]
        settled = not value - current > tol * abs(current)
        if current <= value:
            best, value, answer = z, current, list(solutions)
        if not settled:
            moved = [shares[k] * barycentric_map(solutions[k], None, None) for k in kept]  # type: ignore[arg-type]
            z = np.sum(moved, axis=0)
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
        other = sizes[m] * (math.fsum(sizes[k]) / math.fsum(sizes[m]))
        total += shares[k] * shares[m] * solve(PointCloud(clouds[k], clouds[m]), sizes[k], other).lower_bound
    return float(total * (1 - 2.0**-48))
