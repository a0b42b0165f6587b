"""Problems as the engine searches them: which atoms, in which order and unit, behind which oracle."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

import numpy as np

from transport._outline import outlined
from transport._solver.assignment import Matching
from transport._solver.plan import between_points
from transport._solver.pricing.oracle import Oracle, Slices
from transport._solver.pricing.points import Norm, PointsOracle
from transport._solver.pricing.sparse import SparseOracle
from transport._solver.pricing.strips import StripOracle
from transport._solver.progress import closing_seconds
from transport._solver.reductions import Kept, integer_masses
from transport._solver.start import Start
from transport._solver.starts.coarse_to_fine import Level, matching_start, points_start
from transport._solver.starts.shortlist import lowest, shortlist
from transport._solver.state import State
from transport._solver.trees import Work
from transport._sparse import SparseMatrix
from transport._tiles import index
from transport.internal import METRICS, clock, keep, time_left

SURVEYS = 1.5  # times as long as the first look at all costs: the certificate's


class LaidOut(NamedTuple):
    """An oracle, integer masses of equal sums, and the starts that this way of holding costs has.

    ``begun``: a start that an answer to be polished gives.
    """

    oracle: Oracle
    masses: tuple[np.ndarray, np.ndarray]
    start: Callable[[], Slices[Start]]
    matching: Callable[[], Slices[Matching | None]] | None = None
    begun: Start | None = None


def points(state: State) -> Slices[LaidOut]:
    """Points with mass in kd order, in a unit of ordinary size."""
    yield
    problem, work, cloud = state.problem, state.work, state.problem.cost.points
    assert cloud is not None
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    a, b = integer_masses(problem.a[sources], problem.b[sinks])
    shift, unit = cloud.unit()
    trees = []
    for some, given, side in ((sources, cloud.x, 0), (sinks, cloud.y, 1)):
        if len(some) == len(given) and shift == 0:
            trees.append(cloud.tree_y if side else cloud.tree_x)  # shared with the certificate
        else:
            trees.append(index(np.ldexp(given[some], -shift), METRICS.index(cloud.metric), work.tuning))
    x, y = trees
    norm = Norm(METRICS.index(cloud.metric), cloud.power, work.tuning.block_pairs)
    if time_left() < np.inf and (known := outlined(problem)) is not None:
        fitted = x.fit(known.f[sources[x.order]] / unit)
        seconds = closing_seconds(lambda z: norm.search(fitted, z, 1), y.points, len(sources))
        if seconds < time_left() / 2:  # else the time is better spent on the plan, which needs no proof
            keep(seconds)
    state.kept = Kept(sources[x.order], sinks[y.order], problem.shape, unit)
    oracle = PointsOracle(x, y, norm, cloud.magnitude / unit, work.tuning)
    level = Level(oracle, a[x.order], b[y.order])
    if state.warm is None and not state.is_forced:  # now that it is known whether kd trees prune
        equal = bool(level.a.max() == level.b.max() == 1)
        start, core = between_points(cloud, oracle.shape, work.tuning, equal=equal, prunes=level.prunes)
        state.plan = replace(state.plan, start=start, core=core)
    return LaidOut(
        oracle, level.masses, lambda: points_start(level, work), lambda: matching_start(level, work)
    )


def function(state: State) -> Slices[LaidOut]:
    """Any cost, after a first look at all its entries."""
    state.work.stage = "looking at all costs"
    oracle = StripOracle(state.problem.cost, state.kept.rows, state.kept.cols, state.work.tuning)
    began = clock()
    g = yield from oracle.lowest()
    keep(SURVEYS * (clock() - began))
    state.kept = replace(state.kept, unit=math.ldexp(1.0, oracle.exponent))
    return LaidOut(oracle, integer_masses(*state.masses), lambda: shortlist(oracle, g))


def sparse(state: State) -> Slices[LaidOut]:
    """Stored arcs between atoms with mass."""
    yield
    arcs = cast(SparseMatrix, state.problem.cost).restrict(state.kept.rows, state.kept.cols)
    oracle = SparseOracle(arcs, state.work.tuning)
    state.kept = replace(state.kept, unit=math.ldexp(1.0, oracle.exponent))
    return LaidOut(
        oracle,
        integer_masses(*state.masses),
        lambda: sparse_start(oracle),
        lambda: _sparse_matching(oracle, state.work),
    )


def sparse_start(oracle: SparseOracle) -> Slices[Start]:
    """All arcs if they are few, else the shortlist."""
    start = yield from lowest(oracle)
    rows, cols = oracle.arcs
    few = len(rows) <= oracle.tuning.sparse_pool * sum(oracle.shape)
    return replace(start, rows=rows, cols=cols) if few else start


def _sparse_matching(oracle: SparseOracle, work: Work) -> Slices[Matching | None]:
    """Where an assignment starts: the shortlist; arcs that cost nothing are not typical."""
    start = yield from sparse_start(oracle)
    cost = (oracle.costs(start.rows, start.cols) - start.f[start.rows]) - start.g[start.cols]
    dear = cost[cost > 2.0**-40 * np.abs(cost).max(initial=0.0)]
    return Matching(oracle, start, work, unit=float(np.median(dear)) if len(dear) else 0.0)
