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
from transport._problem import Problem
from transport._solver.column_generation import Simplex, generate_columns, polish
from transport._solver.exact import Exact
from transport._solver.geometric import GeometricOracle, Norm, Side
from transport._solver.matrix import MatrixOracle
from transport._solver.plan import Plan, between_points
from transport._solver.pricing import Arcs, Slices, Start
from transport._solver.progress import Pace
from transport._solver.reductions import Kept, integer_masses
from transport._solver.state import State
from transport._solver.trees import Work
from transport._tiles import index
from transport.internal import METRICS


class LeftOverOracle:
    """Prices all pairs of two point clouds; the last source and the last sink hold what is not moved.

    Parameters
    ----------
    points : GeometricOracle
    fees : tuple of float
        What mass pays that stays, and (corner) the arc between the last two, in the oracle's unit.
    rest : tuple of int
        Masses of the last source and of the last sink.
    """

    has_forbidden = giants_forbid = False

    def __init__(self, points: GeometricOracle, fees: tuple[float, float], rest: tuple[int, int]) -> None:
        self.points, self.fees, self.rest, self.work = points, fees, rest, points.work
        self.magnitude = max(points.magnitude, *fees)

    @property
    def shape(self) -> tuple[int, int]:
        """(n + 1, m + 1)."""
        n, m = self.points.shape
        return n + 1, m + 1

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """Integers of equal sums."""
        return np.append(self.points.x.mass, self.rest[0]), np.append(self.points.y.mass, self.rest[1])

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        n, m = self.points.shape
        inner = self.points.costs(np.minimum(rows, n - 1), np.minimum(cols, m - 1))
        return with_fees(inner, rows >= n, cols >= m, self.fees)

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """The worst few violated arcs of each row."""
        return self.points.price(f[:-1], g[:-1])

    def matrix(self) -> None:
        """None: pools hold the arcs that matter."""
        return

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """Never: every arc is allowed."""
        return self.points.cross(sources, sinks, start, limit)

    def start(self) -> Slices[Start]:
        """Solve the coarser levels; the last one, refined, is where this one starts."""
        inner, t = self.points, self.work.tuning
        core: Simplex | None = None
        for depth in inner._depths():
            x, y = inner.x.coarser(depth, t), inner.y.coarser(depth, t)
            if x is inner.x and y is inner.y:
                break
            points = GeometricOracle(x, y, inner.norm, self.work, magnitude=inner.magnitude)
            core = yield from LeftOverOracle(points, self.fees, self.rest)._level(core)
        if core is None:
            return self._with_rest((yield from self._dense().start()))
        return (yield from self._refine(core))

    def _dense(self) -> MatrixOracle:
        n, m = self.shape
        values = self.costs(np.arange(n)[:, None], np.arange(m)[None, :])
        return MatrixOracle(values, self.masses, self.work, giants_forbid=False, magnitude=self.magnitude)

    def _level(self, coarse: Simplex | None) -> Slices[Simplex]:
        """Solve clusters to optimality."""
        if coarse is None:
            dense = self._dense()
            core = Simplex(dense, *self.masses, (yield from dense.start()), self.work)
        else:
            core = Simplex(self, *self.masses, (yield from self._refine(coarse)), self.work)
        yield from generate_columns(core)
        core.oracle = self
        return core

    def _with_rest(self, start: Start) -> Start:
        """``start`` with all arcs of the last source and the last sink."""
        n, m = self.points.shape
        rows = [start.rows, np.arange(n + 1), np.full(m, n)]
        cols = [start.cols, np.full(n + 1, m), np.arange(m)]
        return Start(np.concatenate(rows), np.concatenate(cols), start.f, start.g, start.basis)

    def _refine(self, core: Simplex) -> Slices[Start]:
        """Potentials and a shortlist from the solved coarser level.

        Its flow is left behind: which points of a cluster stay is not in it, and a greedy flow along the
        arcs that the potentials make cheap takes a fifth of the time of a refined one (4,000 points).
        """
        coarse = cast(LeftOverOracle, core.oracle)
        inner, below, leave = self.points, coarse.points, self.fees[0]
        short, norm = self.work.tuning.points_shortlist, inner.norm
        x, y = inner.x.tree, inner.y.tree
        coarse_f, coarse_g = core.potentials()
        last = coarse_f[-1], coarse_g[-1]
        g = np.minimum(norm.search(below.x.tree.fit(coarse_f[:-1]), y.points, 1).vals[:, 0], leave - last[0])
        yield
        near_y = norm.search(y.fit(g), x.points, short)
        f = np.minimum(near_y.vals[:, 0], leave - last[1])
        yield
        near_x = norm.search(x.fit(f), y.points, short)
        g = np.minimum(near_x.vals[:, 0], leave - last[0])
        yield
        n, m = inner.shape
        rows = np.concatenate([np.repeat(np.arange(n), near_y.cols.shape[1]), near_x.cols.ravel()])
        cols = np.concatenate([near_y.cols.ravel(), np.repeat(np.arange(m), near_x.cols.shape[1])])
        return self._with_rest(Start(rows, cols, np.append(f, last[0]), np.append(g, last[1])))


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
    x, y = (Side(tree, mass[:-1][tree.order]) for tree, mass in zip(trees, (a, b)))
    norm = Norm(metric, cloud.power, work.tuning.block_pairs)
    points = GeometricOracle(x, y, norm, work, magnitude=cloud.magnitude / unit)
    fees = cost.leave / unit, cost.corner / unit
    oracle = LeftOverOracle(points, fees, (int(a[-1]), int(b[-1])))
    rows, cols = np.append(sources[trees[0].order], n), np.append(sinks[trees[1].order], m)
    state.kept = Kept(rows, cols, problem.shape, unit)
    work.path.append(state.plan.start)
    work.stage = "building the shortlist"
    state.core = core = Simplex(oracle, *oracle.masses, (yield from oracle.start()), work)
    core.says = True
    yield from generate_columns(core)
    yield from polish(core)
