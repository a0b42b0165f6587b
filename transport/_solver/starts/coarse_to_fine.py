"""Starts between points: coarse to fine by kd cells, by an affine map, or by a few clusters.

`points_start` solves a few hundred clusters exactly, then refines: each level's basic flow is split among the
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

from transport._kdtree import KdTree
from transport._solver.assignment import Matching
from transport._solver.at_once import ship_at_once
from transport._solver.column_generation import Simplex, generate_columns
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.pricing.oracle import Slices
from transport._solver.pricing.points import PointsOracle
from transport._solver.start import Start
from transport._solver.starts.affine import affine_potential, clusters_missed
from transport._solver.starts.rounded_masses import rounded_start
from transport._solver.starts.stored_costs import stored_start
from transport._solver.trees import Draft, Work
from transport._tiles import Tiles

Basis: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, flows): a forest with positive integer flows."""
Pool: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, f, g)."""


@dataclass(frozen=True, eq=False)
class Level:
    """Points, or clusters of them, with positive integer masses of equal sums; indices are kd positions."""

    oracle: PointsOracle
    a: np.ndarray
    b: np.ndarray

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """(a, b)."""
        return self.a, self.b

    @property
    def prunes(self) -> tuple[bool, bool]:
        """Whether the kd tree of either side does."""
        return self.oracle.x.prunes, self.oracle.y.prunes

    def coarser(self, depth_x: int, depth_y: int) -> Level:
        """The clusters at these kd depths; a side whose clusters would be nearly its points as it is."""
        o = self.oracle
        (x, a), (y, b) = self._side(o.x, self.a, depth_x), self._side(o.y, self.b, depth_y)
        return Level(PointsOracle(x, y, o.norm, o.magnitude, o.tuning), a, b)

    def _side(self, tree: KdTree | Tiles, mass: np.ndarray, depth: int) -> tuple[KdTree | Tiles, np.ndarray]:
        from transport._kernels.kd_order import aggregate

        if (1 << depth) * self.oracle.tuning.cluster_points > len(mass):
            return tree, mass
        centre, total = aggregate(tree.points, mass, 1 << depth)
        return KdTree(centre, np.arange(1 << depth)), total

    def sorted(self) -> Level:
        """Both sides in kd order."""
        o = self.oracle
        x, y = KdTree.build(o.x.points), KdTree.build(o.y.points)
        return Level(PointsOracle(x, y, o.norm, o.magnitude, o.tuning), self.a[x.order], self.b[y.order])

    def depths(self) -> list[int]:
        """kd depths of the levels above this one, the coarsest first."""
        t = self.oracle.tuning
        depth = int(np.log2(max(self.oracle.shape) / t.cluster_points))
        return [d for d in range(depth, 0, -t.level_depths) if (1 << d) * 2 > t.coarsest][::-1]


@dataclass(frozen=True, eq=False)
class Optimum:
    """A level solved: its flow and its potentials."""

    level: Level
    basis: Basis
    f: np.ndarray
    g: np.ndarray


def points_start(fine: Level, work: Work) -> Slices[Start]:
    """Solve the coarser levels; the last one, refined, is where this one starts."""
    if not all(fine.prunes):  # clusters say little there
        start = Start(*(yield from _pool(fine, *(yield from _guess(fine, work)))))
        if not fine.prunes[1]:  # trees cannot leave out points
            better = yield from rounded_start(fine.oracle, start, fine.masses, work)
            if better is not start:
                work.note("start", "rounded masses", f"{work.tuning.rough_units} units a node")
            return better
        return start
    last: Optimum | None = None
    for d in fine.depths():
        level = fine.coarser(d, d)
        if level.oracle.x is fine.oracle.x and level.oracle.y is fine.oracle.y:
            break
        last = yield from _solved(level, last, work)
        work.draft = _draft(fine, last)
    if last is None:
        return (yield from stored_start(_dense(fine), fine.masses, work))
    return (yield from _refined(fine, last))


def matching_start(fine: Level, work: Work) -> Slices[Matching | None]:
    """Where an assignment starts: the potentials of its clusters.

    Clusters of many points are near-lattices, all ties, and solved with their masses; the last ones
    count as equal: they differ by a point at most, evenly everywhere, and only prices are handed down.
    None if the auction labours on them already: densities so uneven that no size of bids suits them.
    """
    t, n = work.tuning, fine.oracle.shape[0]
    f, tree, good = np.zeros(n), fine.oracle.x, True
    last: Optimum | None = None
    for d in fine.depths():
        level = fine.coarser(d, d)
        if last is None or (t.auction_crowd << d) <= n:
            last = yield from _solved(level, last, work)
            work.draft = _draft(fine, last)
            f = last.f
        else:
            matching = Matching(level.oracle, Start(*(yield from _pool(level, f, tree))), work)
            good = yield from matching.auction(t.auction_coarse)
            f = matching.potentials()[0]
        tree = level.oracle.x
    if not good:
        return None
    rows, cols, f, g = yield from _pool(fine, f, tree)
    shift = 0.5 * float(np.mean(g) - np.mean(f))  # an offset between f and g would cost digits
    return Matching(fine.oracle, Start(rows, cols, f + shift, g - shift), work)


def _draft(fine: Level, coarse: Optimum) -> Callable[[], Draft]:
    """What the optimum of a coarser level makes of these points: its plan split by masses, its prices."""
    clusters, (rows, cols, flow) = coarse.level.oracle.y, coarse.basis

    def made() -> Draft:
        from transport._kernels.sharing import northwest

        o = fine.oracle
        f = o.norm.search(clusters.fit(coarse.g), o.x.points, 1).vals[:, 0].copy()
        order = np.lexsort((cols, rows))
        i, arc, mass = northwest(fine.a, flow[order])
        by_sink = np.argsort(cols[order][arc], kind="stable")
        part, j, mass = northwest(mass[by_sink], fine.b)
        return i[by_sink][part], j, mass / float(fine.a.sum()), f, np.zeros(o.shape[1])

    return made


def _guess(fine: Level, work: Work) -> Slices[tuple[np.ndarray, KdTree | Tiles]]:
    """Potentials without levels, and the points they belong to: an affine map, or a few clusters'."""
    t, o = work.tuning, fine.oracle
    if (o.norm.metric, o.norm.power) == (0, 2.0):
        sides = o.x.points, o.y.points, fine.a, fine.b
        missed = clusters_missed(*sides, t)
        if missed <= t.clusters_missed:
            f = affine_potential(*sides, t)
            none, v = np.empty(0, np.int64), np.zeros(o.shape[1])
            work.draft = lambda: (none, none, np.empty(0), f, v)
            return f, o.x
        why = f"an affine map misses {missed:.1f} > clusters_missed = {t.clusters_missed:g} spreads"
        work.note("switch", "few clusters", why)
    x, y = (min(t.coarsest, max(2, n // 4)).bit_length() - 1 for n in o.shape)
    few = yield from _solved(fine.sorted().coarser(x, y), None, work)
    return few.f, few.level.oracle.x


def _solved(level: Level, coarse: Optimum | None, work: Work) -> Slices[Optimum]:
    """Solve clusters to optimality."""
    if coarse is None:
        dense = _dense(level)
        if max(dense.shape) <= work.tuning.clusters_at_once:
            work.stage = "pivoting"
            at_once = ship_at_once(dense.values, *level.masses, work.budget, work.tuning)
            yield
            if at_once is not None:
                work.spend(at_once[0])
                work.rounds += 1
                return Optimum(level, *at_once[1:])
        core = Simplex(dense, *level.masses, (yield from stored_start(dense, level.masses, work)), work)
    else:
        core = Simplex(level.oracle, *level.masses, (yield from _refined(level, coarse)), work)
    yield from generate_columns(core)
    return Optimum(level, core.flows(), *core.potentials())


def _refined(fine: Level, coarse: Optimum) -> Slices[Start]:
    """A start for this level from the solved coarser one."""
    from transport._kernels.sharing import split_sinks, split_sources

    o, clusters = fine.oracle, coarse.level.oracle
    x, y, centres = o.x.points, o.y.points, clusters.y.points
    sources, sinks, f, g = yield from _pool(fine, coarse.f, clusters.x)
    basis = split_sources(*coarse.basis, x, fine.a, centres, f, coarse.g, *o.norm)
    basis = split_sinks(*basis, x, y, fine.b, len(centres), f, g, *o.norm)
    yield
    rows, cols, _ = basis
    return Start(np.concatenate([sources, rows]), np.concatenate([sinks, cols]), f, g, basis)


def _pool(level: Level, f: np.ndarray, from_: KdTree | Tiles) -> Slices[Pool]:
    """Potentials by c-transforms of ``f`` on ``from_``, and the cheapest arcs for them on both sides."""
    o, short = level.oracle, level.oracle.shortlist
    x, y, norm = o.x.points, o.y.points, o.norm
    near_x = norm.search(from_.fit(f), y, short if from_ is o.x else 1)
    g = near_x.vals[:, 0].copy()
    yield
    near_y = norm.search(o.y.fit(g), x, short)
    f = near_y.vals[:, 0].copy()
    yield
    if from_ is not o.x:  # where it is, another round would hardly find other arcs
        near_x = norm.search(o.x.fit(f), y, short)
        g = near_x.vals[:, 0].copy()
        yield
    n, m = o.shape
    sources = np.concatenate([np.repeat(np.arange(n), near_y.cols.shape[1]), near_x.cols.ravel()])
    sinks = np.concatenate([near_y.cols.ravel(), np.repeat(np.arange(m), near_x.cols.shape[1])])
    return sources, sinks, f, g


def _dense(level: Level) -> MatrixOracle:
    n, m = level.oracle.shape
    values = level.oracle.costs(np.arange(n)[:, None], np.arange(m))
    return MatrixOracle(values, level.oracle.tuning, giants_forbid=False, magnitude=float(values.max()))
