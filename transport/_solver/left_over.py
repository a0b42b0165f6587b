"""Points some of whose mass stays: one more source and one more sink, in the pool of every level.

The arcs from all sources to the last sink, from the last source to all sinks, and between both ("corner")
are in the pools from the start: pricing looks at the pairs of points alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from transport._cost import Points
from transport._left_over import WithLeftOver, with_fees
from transport._nearest import Found, room
from transport._problem import Problem
from transport._solver.column_generation import Simplex, generate_columns, polish
from transport._solver.exact import Exact
from transport._solver.plan import Plan, between_points
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.pricing.oracle import Slices
from transport._solver.pricing.points import Norm, PointsOracle
from transport._solver.progress import Pace
from transport._solver.reductions import Kept, integer_masses
from transport._solver.start import Start
from transport._solver.starts.coarse_to_fine import Level
from transport._solver.starts.stored_costs import stored_start
from transport._solver.state import State
from transport._solver.trees import Work
from transport._tiles import index
from transport.internal import METRICS


class LeftOverOracle:
    """All pairs of two point clouds; the last source and the last sink hold what is not moved.

    Parameters
    ----------
    points : PointsOracle
    fees : tuple of float
        What mass pays that stays, and (corner) the arc between the last two, in the oracle's unit.
    """

    has_forbidden = giants_forbid = False

    def __init__(self, points: PointsOracle, fees: tuple[float, float]) -> None:
        self.points, self.fees = points, fees
        self.magnitude = max(points.magnitude, *fees)
        self.shortlist, self.per_row = points.shortlist, points.per_row

    @property
    def shape(self) -> tuple[int, int]:
        """(n + 1, m + 1)."""
        n, m = self.points.shape
        return n + 1, m + 1

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        n, m = self.points.shape
        inner = self.points.costs(np.minimum(rows, n - 1), np.minimum(cols, m - 1))
        return with_fees(inner, rows >= n, cols >= m, self.fees)

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """Among the points alone: pools hold all other arcs."""
        found = yield from self.points.nearest(v[:-1], k, None if limit is None else limit[:-1])
        last = room(1, found.cols.shape[1])
        last[2][0], last[3][0] = 0, np.inf
        cols, vals, counts, floor = (np.concatenate(both) for both in zip(found[:4], last))
        return Found(cols, vals, counts, floor, found.work)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """Never: it begins from a coarser level."""
        raise NotImplementedError
        yield

    def lowest(self) -> Slices[np.ndarray]:
        """Never: it begins from a coarser level."""
        raise NotImplementedError
        yield

    def matrix(self) -> None:
        """None: pools hold the arcs that matter."""
        return


@dataclass(frozen=True, eq=False)
class Ends:
    """Fees of what stays, and masses of the last source and of the last sink."""

    fees: tuple[float, float]
    rest: tuple[int, int]

    def masses(self, level: Level) -> tuple[np.ndarray, np.ndarray]:
        """Integers of equal sums."""
        return np.append(level.a, self.rest[0]), np.append(level.b, self.rest[1])


@dataclass(frozen=True, eq=False)
class Coarse:
    """A level solved, and its potentials."""

    level: Level
    f: np.ndarray
    g: np.ndarray


def _start(fine: Level, ends: Ends, work: Work) -> Slices[Start]:
    """Solve the coarser levels; the last one, refined, is where this one starts."""
    last: Coarse | None = None
    for depth in fine.depths():
        level = fine.coarser(depth, depth)
        if level.oracle.x is fine.oracle.x and level.oracle.y is fine.oracle.y:
            break
        last = yield from _solved(level, ends, last, work)
    if last is None:
        start = yield from stored_start(_dense(fine, ends), ends.masses(fine), work)
        return _with_rest(fine, start)
    return (yield from _refined(fine, ends, last))


def _dense(level: Level, ends: Ends) -> MatrixOracle:
    oracle = LeftOverOracle(level.oracle, ends.fees)
    n, m = oracle.shape
    values = oracle.costs(np.arange(n)[:, None], np.arange(m)[None, :])
    return MatrixOracle(values, level.oracle.tuning, giants_forbid=False, magnitude=oracle.magnitude)


def _solved(level: Level, ends: Ends, coarse: Coarse | None, work: Work) -> Slices[Coarse]:
    """Solve clusters to optimality."""
    masses = ends.masses(level)
    if coarse is None:
        dense = _dense(level, ends)
        core = Simplex(dense, *masses, (yield from stored_start(dense, masses, work)), work)
    else:
        start = yield from _refined(level, ends, coarse)
        core = Simplex(LeftOverOracle(level.oracle, ends.fees), *masses, start, work)
    yield from generate_columns(core)
    return Coarse(level, *core.potentials())


def _with_rest(level: Level, start: Start) -> Start:
    """``start`` with all arcs of the last source and the last sink."""
    n, m = level.oracle.shape
    rows = [start.rows, np.arange(n + 1), np.full(m, n)]
    cols = [start.cols, np.full(n + 1, m), np.arange(m)]
    return Start(np.concatenate(rows), np.concatenate(cols), start.f, start.g, start.basis)


def _refined(fine: Level, ends: Ends, coarse: Coarse) -> Slices[Start]:
    """Potentials and a shortlist from the solved coarser level.

    Its flow is left behind: which points of a cluster stay is not in it, and a greedy flow along the
    arcs that the potentials make cheap takes a fifth of the time of a refined one (4,000 points).
    """
    o, leave = fine.oracle, ends.fees[0]
    short, norm, x, y = o.shortlist, o.norm, o.x, o.y
    last = coarse.f[-1], coarse.g[-1]
    below = coarse.level.oracle.x.fit(coarse.f[:-1])
    g = np.minimum(norm.search(below, y.points, 1).vals[:, 0], leave - last[0])
    yield
    near_y = norm.search(y.fit(g), x.points, short)
    f = np.minimum(near_y.vals[:, 0], leave - last[1])
    yield
    near_x = norm.search(x.fit(f), y.points, short)
    g = np.minimum(near_x.vals[:, 0], leave - last[0])
    yield
    n, m = o.shape
    rows = np.concatenate([np.repeat(np.arange(n), near_y.cols.shape[1]), near_x.cols.ravel()])
    cols = np.concatenate([near_y.cols.ravel(), np.repeat(np.arange(m), near_x.cols.shape[1])])
    return _with_rest(fine, Start(rows, cols, np.append(f, last[0]), np.append(g, last[1])))


@dataclass(frozen=True)
class LeftOver(Exact):
    """`Exact` for a `WithLeftOver` of points whose search structures prune."""

    def init(self, problem: Problem, *, tol: float) -> State:
        """Set up nothing yet."""
        cost = cast(WithLeftOver, problem.cost)
        cloud, t = cost.inner.points, self.tuning
        assert cloud is not None
        core = between_points(cloud, problem.shape, t, equal=False, prunes=(True, True))
        plan = Plan(problem.shape, "points", "points, some of whose mass may stay", (), *core)
        state = State(problem, plan, pace=Pace(tol), work=Work(tuning=t))
        state.slices = _solve(state, cost, cloud)
        return state


def _solve(state: State, cost: WithLeftOver, cloud: Points) -> Slices[None]:
    problem, work = state.problem, state.work
    n, m = cost.inner.shape
    sources, sinks = np.flatnonzero(problem.a[:n] > 0), np.flatnonzero(problem.b[:m] > 0)
    least = 2.0**-60 * float(problem.a.sum())  # a unit: a rest of 0 is one
    rest = max(float(problem.a[n]), least), max(float(problem.b[m]), least)
    a, b = integer_masses(np.append(problem.a[sources], rest[0]), np.append(problem.b[sinks], rest[1]))
    shift, unit = cloud.unit()
    metric = METRICS.index(cloud.metric)
    trees = [
        index(np.ldexp(points[some], -shift), metric, work.tuning)
        for points, some in ((cloud.x, sources), (cloud.y, sinks))
    ]
    x, y = trees
    norm = Norm(metric, cloud.power, work.tuning.block_pairs)
    points = PointsOracle(x, y, norm, cloud.magnitude / unit, work.tuning)
    level = Level(points, a[:-1][x.order], b[:-1][y.order])
    ends = Ends((cost.leave / unit, cost.corner / unit), (int(a[-1]), int(b[-1])))
    oracle = LeftOverOracle(points, ends.fees)
    rows, cols = np.append(sources[x.order], n), np.append(sinks[y.order], m)
    state.kept = Kept(rows, cols, problem.shape, unit)
    work.path.append(state.plan.start)
    work.stage = "building the shortlist"
    state.core = core = Simplex(oracle, *ends.masses(level), (yield from _start(level, ends, work)), work)
    core.says = True
    yield from generate_columns(core)
    yield from polish(core)
