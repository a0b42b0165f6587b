"""The pricing oracle of points in low dimension: coarse to fine, priced by kd trees.

`start` solves a few hundred clusters exactly, then refines: each level's basic flow is split among the
children into a basic flow of the next, its potentials are carried over by c-transform, and the simplex
only repairs what the coarser level could not see (Schmitzer 2016; Oberman & Ruan 2015 for shortlists).
Every level is priced to its own optimum; skipping that is slower from 10^5 points on (11 rounds instead
of 3 on the last level at 10^6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from transport._cost import Points
from transport._kdtree import Fitted, Found, KdTree
from transport._outline import outlined
from transport._problem import Problem
from transport._solver.affine import affine_potential
from transport._solver.assignment import Matching
from transport._solver.at_once import ship_at_once
from transport._solver.column_generation import Simplex, generate_columns
from transport._solver.matrix import MatrixOracle
from transport._solver.pricing import Arcs, Slices, Start
from transport._solver.progress import closing_seconds
from transport._solver.reductions import Kept, integer_masses
from transport._solver.rounded_masses import rounded_start
from transport._solver.trees import Draft, Work
from transport._solver.tuning import TUNING, Tuning
from transport._tiles import FittedTiles, Tiles, index
from transport.internal import METRICS, keep, run_chunks, time_left

SLICE_ROWS = 8192  # rows a thread takes at a time
_EPS = 2.0**-52

Basis: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, flows): a forest with positive integer flows."""
Shortlist: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, f, g)."""


def _as_index(k: np.ndarray) -> np.ndarray:
    """One type of index, writable: kernels are compiled once."""
    return k if k.dtype == np.int64 and k.flags.carray else np.require(k, np.int64, ["C", "W"])


@dataclass(frozen=True)
class Norm:
    """The cost |x - y|^power: metric 0 Euclidean, 1 cityblock, 2 Chebyshev."""

    metric: int
    power: float
    block_pairs: int = TUNING.block_pairs

    def costs(self, x: np.ndarray, y: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c(x[rows], y[cols]): of pairs, or of all pairs if rows is a column and cols a row."""
        from transport._kernels.costs import block_points, entries_points

        norm = self.metric, self.power
        if np.ndim(rows) == 2:  # a column of rows and a row of columns
            rows, cols = np.ravel(rows), np.ravel(cols)
            if len(rows) * len(cols) > self.block_pairs:
                return block_points(x[rows], y[cols], *norm, 0, len(rows))
            pairs = np.repeat(rows, len(cols)), np.tile(cols, len(rows))
            return self.costs(x, y, *pairs).reshape(len(rows), len(cols))
        return entries_points(x, y, *norm, *(_as_index(k) for k in (rows, cols)))

    def search(
        self, fitted: Fitted | FittedTiles, x: np.ndarray, k: int, limit: np.ndarray | None = None
    ) -> Found:
        """The k smallest c(x_i, y_j) - v_j for each row of ``x``, below ``limit``."""
        return fitted.search(x, k, metric=self.metric, power=self.power, limit=limit)


@dataclass(frozen=True, eq=False)
class Side:
    """Sources or sinks at one level: points in kd order, integer masses."""

    tree: KdTree | Tiles
    mass: np.ndarray

    def sorted(self) -> Side:
        """This side in kd order."""
        tree = KdTree.build(self.tree.points)
        return Side(tree, self.mass[tree.order])

    def coarser(self, depth: int, tuning: Tuning) -> Side:
        """The 2^depth clusters of this side, or itself if they would be nearly its points."""
        from transport._kernels.kd_order import aggregate

        n = len(self.mass)
        if (1 << depth) * tuning.cluster_points > n:
            return self
        centre, mass = aggregate(self.tree.points, self.mass, 1 << depth)
        return Side(KdTree(centre, np.arange(1 << depth)), mass)


@dataclass(frozen=True, eq=False)
class Solved:
    """Clusters whose optimum took one call: what a finer level wants to know of a `Simplex`."""

    oracle: GeometricOracle
    basis: Basis
    f: np.ndarray
    g: np.ndarray

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g)."""
        return self.f, self.g

    def flows(self) -> Basis:
        """Arcs with positive flow."""
        return self.basis


class GeometricOracle:
    """Prices all pairs of two point clouds; all indices are kd positions.

    Parameters
    ----------
    x, y : Side
        Points with positive integer masses of equal sums.
    norm : Norm
    work : Work
        Shared by the levels.
    """

    has_forbidden = giants_forbid = False

    def __init__(self, x: Side, y: Side, norm: Norm, work: Work, *, magnitude: float) -> None:
        self.x, self.y, self.norm, self.work, self.magnitude = x, y, norm, work, magnitude

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.x.mass), len(self.y.mass)

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        return self.norm.costs(self.x.tree.points, self.y.tree.points, rows, cols)

    def matrix(self) -> np.ndarray | None:
        """All costs, unless they are many."""
        from transport._kernels.costs import block_points

        n, m = self.shape
        if n * m > self.work.tuning.whole_pairs:
            return None
        return block_points(self.x.tree.points, self.y.tree.points, self.norm.metric, self.norm.power, 0, n)

    def cheapest(self, indptr: np.ndarray, col: np.ndarray, g: np.ndarray) -> np.ndarray:
        """f_i = min c_ij - g_j over the arcs of row i in a CSR pool, rounded as in `price`."""
        from transport._kernels import kd_query

        x, y = self.x.tree.points, self.y.tree.points
        n = len(x)
        f = np.empty(n)

        def part(first: int, last: int) -> None:
            kd_query.cheapest(x, y, g, indptr, col, first, last, f, self.norm.metric, self.norm.power)

        run_chunks(part, n, slice_size=SLICE_ROWS)
        return f

    @property
    def is_assignment(self) -> bool:
        """Unit masses, and so many points that `assignment` pays; clusters must mean something."""
        if self.x.mass.max() > 1 or self.y.mass.max() > 1:
            return False
        trees = self.x.tree.prunes and self.y.tree.prunes
        n, dim = self.x.tree.points.shape
        return trees and n * (dim - 1) ** 2 >= self.work.tuning.auction_points

    def _depths(self) -> list[int]:
        """kd depths of the levels, the coarsest first."""
        t = self.work.tuning
        depth = int(np.log2(max(self.shape) / t.cluster_points))
        return [d for d in range(depth, 0, -t.level_depths) if (1 << d) * 2 > t.coarsest][::-1]

    def matching(self) -> Slices[Matching | None]:
        """Where an assignment starts: the potentials of its clusters.

        Clusters of many points are near-lattices, all ties, and solved with their masses; the last ones
        count as equal: they differ by a point at most, evenly everywhere, and only prices are handed down.
        None if the auction labours on them already: densities so uneven that no size of bids suits them.
        """
        t = self.work.tuning
        f, tree, good = np.zeros(self.shape[0]), self.x.tree, True
        core: Simplex | Solved | None = None
        for d in self._depths():
            x, y = self.x.coarser(d, t), self.y.coarser(d, t)
            if core is None or (t.auction_crowd << d) <= self.shape[0]:
                core = yield from self._level(x, y, core)
                self.work.draft = self._draft(core)
                f, tree = core.potentials()[0], x.tree
                continue
            oracle = GeometricOracle(x, y, self.norm, self.work, magnitude=self.magnitude)
            matching = Matching(oracle, Start(*(yield from oracle._shortlist(f, tree))), self.work)
            good = yield from matching.auction(t.auction_coarse)
            f, tree = matching.potentials()[0], x.tree
        if not good:
            return None
        rows, cols, f, g = yield from self._shortlist(f, tree)
        shift = 0.5 * float(np.mean(g) - np.mean(f))  # an offset between f and g would cost digits
        return Matching(self, Start(rows, cols, f + shift, g - shift), self.work)

    def start(self) -> Slices[Start]:
        """Solve the coarser levels; the last one, refined, is where this one starts."""
        if not (self.x.tree.prunes and self.y.tree.prunes):  # clusters say little there
            start = Start(*(yield from self._shortlist(*(yield from self._guess()))))
            if not self.y.tree.prunes:  # trees cannot leave out points
                better = yield from rounded_start(self, start, (self.x.mass, self.y.mass), self.work)
                if better is not start:
                    self.work.note("start", "rounded masses", f"{self.work.tuning.rough_units} units a node")
                return better
            return start
        t = self.work.tuning
        core: Simplex | Solved | None = None
        for d in self._depths():
            x, y = self.x.coarser(d, t), self.y.coarser(d, t)
            if x is self.x and y is self.y:
                break
            core = yield from self._level(x, y, core)
            self.work.draft = self._draft(core)
        if core is None:
            return (yield from _dense(self).start())
        return (yield from self._refine(core))

    def _draft(self, core: Simplex | Solved) -> Callable[[], Draft]:
        """What the optimum of a coarser level makes of these points: its plan split by masses, its prices."""
        coarse = core.oracle
        assert isinstance(coarse, GeometricOracle)
        clusters, g, (rows, cols, flow) = coarse.y.tree, core.potentials()[1], core.flows()

        def made() -> Draft:
            from transport._kernels.sharing import northwest

            f = self.norm.search(clusters.fit(g), self.x.tree.points, 1).vals[:, 0].copy()
            order = np.lexsort((cols, rows))
            i, arc, mass = northwest(self.x.mass, flow[order])
            by_sink = np.argsort(cols[order][arc], kind="stable")
            part, j, mass = northwest(mass[by_sink], self.y.mass)
            return i[by_sink][part], j, mass / float(self.x.mass.sum()), f, np.zeros(self.shape[1])

        return made

    def _guess(self) -> Slices[tuple[np.ndarray, KdTree | Tiles]]:
        """Potentials without levels, and the points they belong to: an affine map, or a few clusters'."""
        if (self.norm.metric, self.norm.power) == (0, 2.0):
            x, y, t = self.x, self.y, self.work.tuning
            f = affine_potential(x.tree.points, y.tree.points, x.mass, y.mass, t)
            none, v = np.empty(0, np.int64), np.zeros(len(y.mass))
            self.work.draft = lambda: (none, none, np.empty(0), f, v)
            return f, x.tree
        t = self.work.tuning
        depths = (min(t.coarsest, max(2, n // 4)).bit_length() - 1 for n in self.shape)
        x, y = (side.sorted().coarser(depth, t) for side, depth in zip((self.x, self.y), depths))
        core = yield from self._level(x, y, None)
        return core.potentials()[0], x.tree

    def _level(self, x: Side, y: Side, coarse: Simplex | Solved | None) -> Slices[Simplex | Solved]:
        """Solve clusters ``x`` to ``y`` to optimality."""
        oracle = GeometricOracle(x, y, self.norm, self.work, magnitude=self.magnitude)
        if coarse is None:
            dense = _dense(oracle)
            if max(dense.shape) <= self.work.tuning.clusters_at_once:
                self.work.stage = "pivoting"
                at_once = ship_at_once(dense.values, x.mass, y.mass, self.work.budget, self.work.tuning)
                yield
                if at_once is not None:
                    self.work.spend(at_once[0])
                    self.work.rounds += 1
                    return Solved(oracle, *at_once[1:])
            core = Simplex(dense, x.mass, y.mass, (yield from dense.start()), self.work)
            yield from generate_columns(core)
            core.oracle = oracle
        else:
            start = yield from oracle._refine(coarse)
            core = Simplex(oracle, x.mass, y.mass, start, self.work)
            yield from generate_columns(core)
        return core

    def _refine(self, core: Simplex | Solved) -> Slices[Start]:
        """A start for this level from the solved coarser one."""
        from transport._kernels.sharing import split_sinks, split_sources

        coarse = core.oracle
        assert isinstance(coarse, GeometricOracle)
        x, y, xc, yc = self.x.tree.points, self.y.tree.points, coarse.x.tree, coarse.y.tree
        coarse_f, coarse_g = core.potentials()
        sources, sinks, f, g = yield from self._shortlist(coarse_f, xc)
        norm = (self.norm.metric, self.norm.power)
        basis = core.flows()
        basis = split_sources(*basis, x, self.x.mass, yc.points, f, coarse_g, *norm)
        basis = split_sinks(*basis, x, y, self.y.mass, len(yc.points), f, g, *norm)
        yield
        return self._start(sources, sinks, f, g, basis)

    def _shortlist(self, f: np.ndarray, from_: KdTree | Tiles) -> Slices[Shortlist]:
        """Potentials by c-transforms of ``f`` on ``from_``, and the cheapest arcs for them on both sides."""
        x, y, short = self.x.tree.points, self.y.tree.points, self.work.tuning.points_shortlist
        near_x = self.norm.search(from_.fit(f), y, short if from_ is self.x.tree else 1)
        g = near_x.vals[:, 0].copy()
        yield
        near_y = self.norm.search(self.y.tree.fit(g), x, short)
        f = near_y.vals[:, 0].copy()
        yield
        if from_ is not self.x.tree:  # where it is, another round would hardly find other arcs
            near_x = self.norm.search(self.x.tree.fit(f), y, short)
            g = near_x.vals[:, 0].copy()
            yield
        n, m = self.shape
        sources = np.concatenate([np.repeat(np.arange(n), near_y.cols.shape[1]), near_x.cols.ravel()])
        sinks = np.concatenate([near_y.cols.ravel(), np.repeat(np.arange(m), near_x.cols.shape[1])])
        return sources, sinks, f, g

    @staticmethod
    def _start(sources: np.ndarray, sinks: np.ndarray, f: np.ndarray, g: np.ndarray, basis: Basis) -> Start:
        rows, cols, _ = basis
        return Start(np.concatenate([sources, rows]), np.concatenate([sinks, cols]), f, g, basis)

    def restart(self, g: np.ndarray, arcs: Arcs) -> Slices[Start]:
        """From potentials and arcs of an earlier solution, in kd positions: what is nearly as cheap."""
        from transport._kernels.costs import lower_at

        x, short = self.x.tree.points, self.work.tuning.points_shortlist
        f = np.full(len(x), np.inf)
        lower_at(f, arcs[0], self.costs(*arcs) - g[arcs[1]])
        fitted = self.y.tree.fit(g)
        sample = min(len(x), self.work.tuning.sample)
        few = np.arange(sample) * len(x) // sample
        reach = self.norm.search(fitted, x[few], short).vals[:, -1] - f[few]
        yield
        found = self.norm.search(fitted, x, short, f + max(0.0, float(np.median(reach))))
        yield
        rows, cols = found.pairs
        f = np.where(np.isfinite(f), f, found.vals[:, 0])
        return Start(np.concatenate([rows, arcs[0]]), np.concatenate([cols, arcs[1]]), f, g)

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """The worst few violated arcs of each row, by bounded search."""
        yield
        limit = f - 14 * _EPS * np.abs(f)  # |c| + |g| >= |c - g| ~ |f|: no arc beyond it passes below
        found = self.norm.search(
            self.y.tree.fit(g), self.x.tree.points, self.work.tuning.points_per_row, limit
        )
        rows, cols = found.pairs
        if not len(rows):
            return rows, cols
        c = self.costs(rows, cols)
        u, v = f[rows], g[cols]
        bad = (c - v) - u < -8 * _EPS * (np.abs(c) + np.abs(u) + np.abs(v))
        return rows[bad], cols[bad]

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """Never: between points every arc is allowed."""
        raise NotImplementedError("nothing is forbidden here")
        yield


def lay_out(problem: Problem, cloud: Points, work: Work) -> tuple[GeometricOracle, Kept]:
    """The points with mass in kd order, in a unit of ordinary size, and which they are."""
    sources, sinks = np.flatnonzero(problem.a > 0), np.flatnonzero(problem.b > 0)
    a, b = integer_masses(problem.a[sources], problem.b[sinks])
    shift, unit = cloud.unit()
    trees = []
    for some, points, side in ((sources, cloud.x, 0), (sinks, cloud.y, 1)):
        if len(some) == len(points) and shift == 0:
            trees.append(cloud.tree_y if side else cloud.tree_x)  # shared with the certificate
        else:
            trees.append(index(np.ldexp(points[some], -shift), METRICS.index(cloud.metric), work.tuning))
    norm = Norm(METRICS.index(cloud.metric), cloud.power, work.tuning.block_pairs)
    if time_left() < np.inf and (known := outlined(problem)) is not None:
        f = known.f[sources[trees[0].order]] / unit
        fitted = trees[0].fit(f)
        seconds = closing_seconds(lambda y: norm.search(fitted, y, 1), trees[1].points, len(sources))
        if seconds < time_left() / 2:  # else the time is better spent on the plan, which needs no proof
            keep(seconds)
    x, y = (Side(tree, mass[tree.order]) for tree, mass in zip(trees, (a, b)))
    oracle = GeometricOracle(x, y, norm, work, magnitude=cloud.magnitude / unit)
    return oracle, Kept(sources[trees[0].order], sinks[trees[1].order], problem.shape, unit)


def _dense(oracle: GeometricOracle) -> MatrixOracle:
    n, m = oracle.shape
    values = oracle.costs(np.arange(n)[:, None], np.arange(m))
    masses = oracle.x.mass, oracle.y.mass
    return MatrixOracle(values, masses, oracle.work, giants_forbid=False, magnitude=float(values.max()))
