"""Column generation: the network simplex on a growing pool of arcs, around a pricing oracle.

Solve on the pool; ask the oracle which arcs violate the potentials; add them; repeat until it answers
none. Three to eight rounds do for random and geometric costs alike (Gottschlich & Schuhmacher 2014 call a
fixed pool a shortlist; here the oracle's empty answer is the proof that the pool was enough).

Pool costs are stored relative to the starting potentials, c_ij - f_i - g_j: a row offset of 1e12 or a far
outlier then cancels before the simplex sees it. Arcs whose relative cost is out of all proportion (1e32
as "forbidden") are left out first and only come in if the mass cannot be shipped without them, so that
they cannot sit in the basis without flow and drown the others' digits. Not so between points: there they
belong to far outliers, which have no others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from transport._solver.forest import ends
from transport._solver.linked_tree import LinkedTree
from transport._solver.plan import LINKED, THREADED, Step, tree_of
from transport._solver.pricing.oracle import Oracle, Slices, cross, price
from transport._solver.start import Start
from transport._solver.trees import Pool, ThreadTree, Tree, Work
from transport.internal import check_time

BLOCK_ENTRIES = 1 << 21
ARC = 1e-7  # seconds that an arc of the first pool takes until the basis is there

Priced: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(f, g, rows, cols, costs): potentials, and the arcs that an oracle found violated by them."""


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
        from transport._kernels import simplex_pool

        check_time(ARC * len(start.rows))
        self._kernels = simplex_pool
        self.oracle, self.a, self.b, self.start, self.work = oracle, a, b, start, work
        self.n, self.m = oracle.shape
        self.giant_limit = np.inf
        self.is_long = False
        self.kind: str | None = None  # THREADED or LINKED, where that is asked for
        self.says = False  # whether what happens here goes into the path: the finest level's does
        self._cause = ""
        self._tree: Tree | None = None
        self.priced: Priced | None = None
        indptr, col = simplex_pool.build_pool(self.n, self.m, start.rows, start.cols)
        self.pool = self._without_giants(Pool(indptr, col, np.empty(0)))

    @property
    def tree(self) -> Tree:
        """The basis."""
        if self._tree is None:
            raise RuntimeError("build_basis comes first")
        return self._tree

    @property
    def has_basis(self) -> bool:
        """Whether `build_basis` got that far."""
        return self._tree is not None

    def reduced(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c_ij - f_i - g_j with the starting potentials: the core's costs."""
        return (self.oracle.costs(rows, cols) - self.start.f[rows]) - self.start.g[cols]

    def _without_giants(self, pool: Pool) -> Pool:
        """The pool with its costs, less the forbidden arcs and, where giants mean forbidden ones, these.

        A cost is a giant if it exceeds the next smaller one `giant_gap` times: such an arc would sit in the
        basis without flow and drown the others' digits. It comes in if nothing else ships the mass.
        """
        t, rows, col = self.work.tuning, pool.rows, pool.col
        cost = self.reduced(rows, col)
        keep = np.isfinite(cost)
        if self.oracle.giants_forbid:
            scale = np.abs(self.start.f[rows]) + np.abs(self.start.g[col])
            size = cost[keep & (cost > 2.0**-40 * scale)]  # the rest is rounding
            dwarfed = np.count_nonzero(size < self.oracle.magnitude / t.giant)
            if 4 * dwarfed > len(size):  # the lower quarter of them
                size = np.sort(size)[len(size) // 4 :]
                gap = np.flatnonzero(size[1:] > t.giant_gap * size[:-1])
                largest = size[gap[0]] if len(gap) else size[-1]
                self.giant_limit = float(largest * t.giant_room)
                keep &= cost <= self.giant_limit
        indptr = pool.indptr
        if not keep.all():
            rows, col, cost = rows[keep], col[keep], cost[keep]
            indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self.n))])
        return Pool(indptr, col, cost)

    def build_basis(self) -> Slices[None]:
        """Plant the given basis, or a greedy one; make it feasible if arcs are forbidden."""
        if self._tree is not None:
            return
        if self.start.basis is not None:
            rows, cols, flows = self.start.basis
            cost = self.reduced(rows, cols)
            if np.all(cost < np.inf) and np.all(
                cost <= self.giant_limit
            ):  # an earlier plan's arcs may be out now
                self._plant(rows, cols, flows, cost)
                return
        if self.start.relative is not None:
            from transport._kernels import dense_start

            limits = self.work.tuning.greedy()
            rows, cols, flows = dense_start.greedy(self.start.relative, self.a, self.b, limits)
            if flows.sum() == self.a.sum():
                self._plant(rows, cols, flows, self.start.relative[rows, cols])
                return
        left_a, left_b = self.a.copy(), self.b.copy()
        rows, col = self.pool.rows, self.pool.col
        order = self._kernels.ascending(self.pool.cost)
        ids, flow = self._kernels.greedy_flow(order, rows, col, left_a, left_b)
        parts = [(rows[ids], col[ids].astype(np.int64), flow)]
        yield
        sources = np.flatnonzero(left_a)
        step = max(1, BLOCK_ENTRIES // max(1, int(np.count_nonzero(left_b))))
        for s in range(0, len(sources), step):
            sinks = np.flatnonzero(left_b)
            block = self.reduced(sources[s : s + step, None], sinks[None, :])
            block[block > self.giant_limit] = np.inf
            parts.append(self._kernels.nearest_flow(block, sources[s : s + step], sinks, left_a, left_b))
            yield
        rows, cols, flows = (np.concatenate(x) for x in zip(*parts))
        self.add(rows[len(ids) :], cols[len(ids) :])
        if left_a.any():
            yield from self._phase_one(rows, cols, flows)
        else:
            self._plant(rows, cols, flows, self.reduced(rows, cols))

    def _plant(self, rows: np.ndarray, cols: np.ndarray, flows: np.ndarray, costs: np.ndarray) -> None:
        t, good = self.work.tuning, self.start.basis is not None and not self.is_long
        step = tree_of(self.n + self.m, t, refined=good)
        if self.kind in (THREADED, LINKED):
            step = Step("core", self.kind, "asked for")
        kind = LinkedTree if step.what == LINKED else ThreadTree
        if self.says and self._tree is None:
            self.work.path.append(step)
        elif self.says and type(self._tree) is not kind:
            self.work.note("switch", step.what, f"{self._cause}{step.why}")
        self._tree = kind((self.a, self.b), (rows, cols, flows), costs)

    def go_long(self) -> None:
        """For many more rounds: with the tree that does not look at the whole pool for a few pivots."""
        self._cause = f"{self.work.tuning.long_rounds} rounds >= long_rounds, no few pivots: "
        was_good = self.start.basis is not None and not self.is_long
        self.is_long = True
        if was_good and self.n + self.m <= self.work.tuning.linked_nodes:
            arcs = self.flows()
            self._plant(*arcs, self.reduced(arcs[0], arcs[1]))

    def sweep(self) -> Slices[bool]:
        """Pivot on all arcs while many pay; False if there is no matrix of them or the tree has no thread."""
        if not self.tree.sweeps:
            return False
        if self.start.relative is None:
            self.start = self.start.unpooled(self.oracle)
        if self.start.relative is None or self.stranded():
            return False
        self.work.stage = "pivoting on whole rows"
        yield from self.tree.sweep(self.start.relative, self.work)
        return True

    def _phase_one(self, rows: np.ndarray, cols: np.ndarray, flows: np.ndarray) -> Slices[None]:
        """Ship what the greedy flow left stranded: the same simplex with costs 0, and 1 for being stranded.

        It starts from the greedy flow and moves only what it must. At its optimum the nodes at height 0 are
        those that stranded sources can reach through the pool.
        """
        self.work.stage = "looking for a feasible plan"
        self.pool = replace(self.pool, cost=np.zeros(len(self.pool.col)))
        self._plant(rows, cols, flows, np.zeros(len(rows)))
        while True:
            yield from self.optimise()
            if not self.stranded():
                break
            height = self.tree.heights
            sources, sinks = height[: self.n] < 0.5, height[self.n : -1] > 0.5
            prices = self.start.f, self.start.g
            more = yield from cross(self.oracle, sources, sinks, *prices, self.giant_limit)
            if len(more[0]):
                self._extend(*more, np.zeros(len(more[0])))
            elif np.isfinite(self.giant_limit):
                self.giant_limit = np.inf
            elif self._forgive():
                break
            else:
                raise Stranded(*self._cut())
        self.pool = replace(self.pool, cost=self.reduced(self.pool.rows, self.pool.col))
        rows, cols, flows = self.flows()
        self._plant(rows, cols, flows, self.reduced(rows, cols))

    def _forgive(self) -> bool:
        """Lower the masses by what is stranded, if that is but the rounding of their sums."""
        rows, cols, flows = self.flows()
        sent, taken = np.zeros(self.n, np.int64), np.zeros(self.m, np.int64)
        np.add.at(sent, rows, flows)
        np.add.at(taken, cols, flows)
        allowed = (self.n + self.m) * (int(self.a.sum()) >> 50)
        if int((self.a - sent).sum()) > allowed or not (sent.all() and taken.all()):
            return False
        self.a, self.b = sent, taken
        return True

    def stranded(self) -> int:
        """Mass on artificial arcs."""
        return int(self.tree.flows[self.tree.parents == self.n + self.m].sum())

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
        self.work.arcs = len(self.pool.col)
        yield from self.tree.optimise(self.pool, self.work)

    def add(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray | None = None) -> None:
        """Put more arcs into the pool; ``costs`` where they are known."""
        costs = self.oracle.costs(rows, cols) if costs is None else costs
        self._extend(rows, cols, (costs - self.start.f[rows]) - self.start.g[cols])

    def _extend(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray) -> None:
        if len(rows):
            p = self.pool
            self.pool = Pool(*self._kernels.extend_pool(p.indptr, p.col, p.cost, rows, cols, costs))

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g), absolute."""
        pi = self.tree.heights
        return self.start.f - pi[: self.n], self.start.g + pi[self.n : -1]

    def flows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Arcs (rows, cols) with positive flow, and the flow in integer units."""
        parent, flow = self.tree.parents, self.tree.flows
        v = np.flatnonzero((parent < self.n + self.m) & (flow > 0))
        return *ends(self.n, parent, v), flow[v]

    def basis(self) -> tuple[np.ndarray, np.ndarray]:
        """Arcs (rows, cols) of the basis, with flow or without."""
        parent = self.tree.parents
        v = np.flatnonzero(parent[:-1] < self.n + self.m)
        return ends(self.n, parent, v)

    def note(self, what: str, why: str) -> None:
        """A switch, said once."""
        if self.says and all(step.what != what for step in self.work.path):
            self.work.note("switch", what, why)

    def balanced(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Potentials with f_i + g_j = c_ij on a forest of arcs, each tree at its best height."""
        from transport._kernels.forests import balanced_potentials

        return balanced_potentials(rows, cols, self.oracle.costs(rows, cols), self.a, self.b)

    def replant(self, f: np.ndarray, g: np.ndarray) -> None:
        """Go on from the same flow with costs relative to other potentials: fresh digits for the tree."""
        arcs = self.flows()
        self.start = Start(arcs[0], arcs[1], f, g, arcs)
        self.pool = replace(self.pool, cost=self.reduced(self.pool.rows, self.pool.col))
        self._plant(*arcs, self.reduced(arcs[0], arcs[1]))

    def knows(self, rows: np.ndarray, cols: np.ndarray) -> bool:
        """Whether the pool has most of these arcs already (of a few dozen of them)."""
        few = slice(None, None, 1 + len(rows) // 64)
        at, col = self.pool.indptr, self.pool.col
        known = [j in col[at[i] : at[i + 1]] for i, j in zip(rows[few], cols[few])]
        return 2 * sum(known) > len(known)


class Stranded(Exception):
    """Forbidden arcs leave mass stranded; (rows, cols) is the Hall cut, in the oracle's indices."""


def generate_columns(core: Simplex) -> Slices[bool]:
    """Run the core to the optimum over all arcs of its oracle; False if rounding stopped it before."""
    work, t = core.work, core.work.tuning
    yield from core.build_basis()
    if core.start.relative is not None:
        core.note("pivots on whole rows", f"shortlists want < spread = {t.spread:g} of the columns")
        yield from core.sweep()
    blind, swept = 0, False
    for rounds in range(t.rounds):
        work.stage = "pivoting"
        before = work.pivots
        if rounds == t.long_rounds and not core.stranded():
            core.go_long()
        yield from core.optimise()
        work.rounds += 1
        work.stage = "pricing"
        potentials = core.potentials()
        rows, cols, costs = yield from price(core.oracle, *potentials)
        core.priced = (*potentials, rows, cols, costs)
        yield
        if not len(rows):
            return True
        if rounds and core.knows(
            rows, cols
        ):  # they violate the potentials, but not within the tree's rounding
            if blind == t.blind_rounds:
                return False
            blind += 1
            core.replant(*core.balanced(*core.basis()))
        elif rounds and not swept and work.pivots == before:
            return False
        many = (1 + rounds) * len(rows) > t.sweep_arcs * core.n
        swept = many and not swept and (yield from core.sweep())  # never twice: the pool must grow
        if swept:
            core.note(
                "pivots on whole rows", f"> sweep_arcs = {t.sweep_arcs:g} violated arcs a source and round"
            )
        if not swept:
            core.add(rows, cols, costs)
    return False


def polish(core: Simplex) -> Slices[None]:
    """Solve again from the same flow, in a better gauge, if the potentials drown the costs of the plan.

    A tree that hangs from an outlier at 1e11 gives all others potentials without digits: the tree's own,
    summed exactly, go to the height where they are smallest. An optimum found from 1e-16 inside two groups
    and 1 between them may have an offset that nothing asks for: the flow falls into balanced parts, each
    goes to its own best height, and the simplex moves them only as far as it must.
    """
    t = core.work.tuning
    if core.stranded():
        return
    for _ in range(t.blind_rounds):
        rows, cols, flow = core.flows()
        mass = flow.astype(float)
        cost = np.dot(np.abs(core.oracle.costs(rows, cols)), mass)

        def spread(f: np.ndarray, g: np.ndarray) -> float:
            with np.errstate(over="ignore"):  # potentials from a warm start in other units
                return float(np.dot(np.abs(f[rows]) + np.abs(g[cols]), mass))  # noqa: B023

        now = spread(*core.potentials())
        if now <= t.loud * cost:
            break
        better = core.balanced(*core.basis())
        if min(now, spread(*better)) > t.very_loud * cost:
            better = core.balanced(rows, cols)
        if spread(*better) > t.polished * now:
            break
        core.work.stage = "polishing"
        core.note("polish", f"potentials are > loud = {t.loud:g} times the costs of the plan")
        core.replant(*better)
        before = core.work.pivots
        yield from generate_columns(core)
        if core.work.pivots == before:
            break
