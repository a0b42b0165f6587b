"""Column generation: the network simplex on a growing pool of arcs, around a pricing oracle.

Solve on the pool; ask the oracle which arcs violate the potentials; add them; repeat until it answers
none. Three to eight rounds do for random and geometric costs alike (Gottschlich & Schuhmacher 2014 call a
fixed pool a shortlist; here the oracle's empty answer is the proof that the pool was enough).

Pool costs are stored relative to the starting potentials, c_ij - f_i - g_j: a row offset of 1e12 or a far
outlier then cancels before the simplex sees it. Arcs whose relative cost is out of all proportion (1e32
as "forbidden") are left out first and only come in if the mass cannot be shipped without them, so that
they cannot sit in the basis without flow and drown the others' digits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._solver.pricing import Oracle, Slices, Start

DISPROPORTION = 2.0**44
BLOCK_ENTRIES = 1 << 21
SLICE_SECONDS = 0.05
MAX_ROUNDS = 200


@dataclass
class Work:
    """How far it is and how far it may go; read by `Solver.progress`, refilled by `Solver.step`."""

    budget: int = 0
    pivots: int = 0
    rounds: int = 0
    arcs: int = 0
    stalls: int = 0
    stage: str = "starting"
    chunk: int = 2000


class Simplex:
    """A pool and a basis: the core. All indices are nodes (sources 0..n-1, sinks n..n+m-1).

    Parameters
    ----------
    oracle : Oracle
    a, b : ndarray of int64
        Positive masses of equal sums.
    start : Start
    work : Work
    """

    def __init__(self, oracle: Oracle, a: np.ndarray, b: np.ndarray, start: Start, work: Work) -> None:
        from transport._kernels import simplex_pool, simplex_tree

        self._pool_kernels, self._tree_kernels = simplex_pool, simplex_tree
        self.oracle, self.a, self.b, self.start, self.work = oracle, a, b, start, work
        self.n, self.m = oracle.shape
        self.limit = np.inf
        self.indptr, self.col = simplex_pool.build_pool(self.n, self.m, start.rows, start.cols)
        self.cost = self.reduced(self.rows, self.col)
        self._drop_disproportionate()
        self.tree: Any = None
        self.cursor = np.zeros(8, np.int64)

    @property
    def rows(self) -> np.ndarray:
        """Source of every pool arc."""
        return np.repeat(np.arange(self.n), np.diff(self.indptr))

    def reduced(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c_ij - f_i - g_j with the starting potentials: the core's costs."""
        return (self.oracle.costs(rows, cols) - self.start.f[rows]) - self.start.g[cols]

    def _drop_disproportionate(self) -> None:
        """If there are giants, set `limit` below the first gap of 2^20 in the costs."""
        rows = self.rows
        finite = np.isfinite(self.cost)
        scale = np.abs(self.start.f[rows]) + np.abs(self.start.g[self.col])
        size = np.sort(self.cost[finite & (self.cost > 2.0**-40 * scale)])  # the rest is rounding
        size = size[len(size) // 4 :]
        if len(size) and self.oracle.magnitude > DISPROPORTION * size[0]:
            gap = np.flatnonzero(size[1:] > 2.0**20 * size[:-1])
            largest = size[gap[0]] if len(gap) else size[-1]
            self.limit = float(largest * 2.0**10)
            finite &= self.cost <= self.limit
        if not finite.all():
            rows = rows[finite]
            self.col, self.cost = self.col[finite], self.cost[finite]
            self.indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n))])

    def build_basis(self) -> Slices[None]:
        """Plant the given basis, or a greedy one; make it feasible if arcs are forbidden."""
        if self.start.basis is not None:
            rows, cols, flows = self.start.basis
            self._plant(rows, cols, flows, self.reduced(rows, cols))
            return
        left_a, left_b = self.a.copy(), self.b.copy()
        rows = self.rows
        order = np.argsort(self.cost, kind="stable")
        ids, flow = self._pool_kernels.greedy_flow(order, rows, self.col, left_a, left_b)
        parts = [(rows[ids], self.col[ids].astype(np.int64), flow)]
        yield
        sources = np.flatnonzero(left_a)
        step = max(1, BLOCK_ENTRIES // max(1, int(np.count_nonzero(left_b))))
        for s in range(0, len(sources), step):
            sinks = np.flatnonzero(left_b)
            block = self.reduced(sources[s : s + step, None], sinks[None, :])
            block[block > self.limit] = np.inf
            parts.append(self._pool_kernels.nearest_flow(block, sources[s : s + step], sinks, left_a, left_b))
            yield
        rows, cols, flows = (np.concatenate(x) for x in zip(*parts))
        self.add(rows[len(ids) :], cols[len(ids) :])
        if left_a.any():
            yield from self._phase_one(rows, cols, flows)
        else:
            self._plant(rows, cols, flows, self.reduced(rows, cols))

    def _plant(self, rows: np.ndarray, cols: np.ndarray, flows: np.ndarray, costs: np.ndarray) -> None:
        supply = np.concatenate([self.a, -self.b])
        self.tree, self.slot = self._tree_kernels.plant(self.n, self.m, rows, cols, flows, costs, supply, 1.0)
        self.cursor[self._tree_kernels.SINCE] = 0

    def _phase_one(self, rows: np.ndarray, cols: np.ndarray, flows: np.ndarray) -> Slices[None]:
        """Ship what the greedy flow left stranded: the same simplex with costs 0, and 1 for being stranded.

        It starts from the greedy flow and moves only what it must. At its optimum the nodes at height 0 are
        those that stranded sources can reach through the pool.
        """
        self.work.stage = "looking for a feasible plan"
        self.cost[:] = 0.0
        self._plant(rows, cols, flows, np.zeros(len(rows)))
        while True:
            yield from self.optimise()
            if not self.stranded():
                break
            height = self.tree[-1][self.slot]
            sources, sinks = height[: self.n] < 0.5, height[self.n : -1] > 0.5
            more = yield from self.oracle.cross(sources, sinks, self.start, self.limit)
            if len(more[0]):
                self._extend(*more, np.zeros(len(more[0])))
            elif np.isfinite(self.limit):
                self.limit = np.inf
            else:
                raise Stranded(*self._cut())
        self.cost = self.reduced(self.rows, self.col)
        rows, cols, flows = self.flows()
        self._plant(rows, cols, flows, self.reduced(rows, cols))

    def stranded(self) -> int:
        """Mass on artificial arcs."""
        parent, flow = self.tree[1], self.tree[5]
        return int(flow[:-1][parent[:-1] == self.n + self.m].sum())

    def _cut(self) -> tuple[np.ndarray, np.ndarray]:
        """Sources that share their sinks with stranded mass, and all the sinks these can reach.

        Breadth first from the stranded sources: forward over every allowed arc, back over arcs with flow.
        """
        rows, cols, flows = self.flows()
        sent = np.zeros(self.n, np.int64)
        np.add.at(sent, rows, flows)
        source, sink = sent < self.a, np.zeros(self.m, bool)
        frontier = source.copy()
        while frontier.any():
            for i in np.flatnonzero(frontier):
                sink |= np.isfinite(self.oracle.costs(np.full(self.m, i), np.arange(self.m)))
            frontier = np.zeros(self.n, bool)
            frontier[rows[sink[cols]]] = True
            frontier &= ~source
            source |= frontier
        return np.flatnonzero(source), np.flatnonzero(sink)

    def optimise(self) -> Slices[None]:
        """Pivot until the pool has no arc of negative reduced cost."""
        k, work = self._tree_kernels, self.work
        head = np.empty(len(self.col), np.uint32)
        block = max(64, int(np.sqrt(len(self.col))))
        period = max(1000, self.n // 3)
        work.arcs = len(self.col)
        passes = 0
        while True:
            chunk = min(work.chunk, work.budget)
            began = time.perf_counter()
            before = int(self.cursor[k.PIVOTS])
            code = k.run(
                self.indptr,
                self.col,
                self.cost,
                head,
                self.tree,
                self.slot,
                self.cursor,
                block,
                chunk,
                period,
            )
            done = int(self.cursor[k.PIVOTS]) - before
            work.pivots += done
            work.budget -= done
            if code == k.OPTIMAL:
                k.renumber(self.tree, self.slot)
                passes += 1
                if done == 0 or passes > 8:  # more passes would only chase rounding
                    return
                continue
            if code == k.STALLED:
                work.stalls += 1
                k.renumber(self.tree, self.slot)
                if work.stalls > 3:
                    return
            if done == chunk:
                ratio = SLICE_SECONDS / max(1e-6, time.perf_counter() - began)
                work.chunk = int(np.clip(work.chunk * min(4.0, max(0.25, ratio)), 100, 10**7))
            yield

    def add(self, rows: np.ndarray, cols: np.ndarray) -> None:
        """Put more arcs into the pool."""
        self._extend(rows, cols, self.reduced(rows, cols))

    def _extend(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray) -> None:
        if len(rows):
            self.indptr, self.col, self.cost = self._pool_kernels.extend_pool(
                self.indptr, self.col, self.cost, rows, cols, costs
            )

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g), absolute."""
        pi = self.tree[-1][self.slot]
        return self.start.f - pi[: self.n], self.start.g + pi[self.n : -1]

    def parents(self) -> np.ndarray:
        """Parent of every node; the artificial root is node n + m."""
        node = np.empty(len(self.slot), np.int64)
        node[self.slot] = np.arange(len(self.slot))
        return node[self.tree[1][self.slot]]

    def flows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arcs (rows, cols) with positive flow, and the flow in integer units."""
        parent = self.parents()
        flow = self.tree[5][self.slot]
        v = np.flatnonzero((parent < self.n + self.m) & (flow > 0))
        p = parent[v]
        return np.minimum(v, p), np.maximum(v, p) - self.n, flow[v]


class Stranded(Exception):
    """Forbidden arcs leave mass stranded; (rows, cols) is the Hall cut, in the oracle's indices."""


def generate_columns(core: Simplex) -> Slices[bool]:
    """Run the core to the optimum over all arcs of its oracle; False if rounding stopped it before."""
    work = core.work
    yield from core.build_basis()
    while True:
        work.stage = "pivoting"
        before = work.pivots
        yield from core.optimise()
        work.rounds += 1
        work.stage = "pricing"
        more = yield from core.oracle.price(*core.potentials())
        if not len(more[0]):
            return True
        if (work.rounds > 1 and work.pivots == before) or work.rounds > MAX_ROUNDS:
            return False
        core.add(*more)
