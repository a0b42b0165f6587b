"""Two spanning trees for the simplex core, one interface.

`ThreadTree` maintains potentials and a preorder thread: best while the tree fits the cache. `LinkedTree` (in
`linked_tree`) keeps parent pointers only: best beyond about 20 000 nodes. Both pivot strongly feasibly with
integer flows, and both resume where the last slice ended, so the length of a slice never changes the pivots.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import numpy as np

from transport._solver.plan import Step
from transport._solver.pricing.oracle import Slices
from transport._solver.tuning import TUNING, Tuning
from transport.internal import clock, time_left

SHORTEST = 0.002  # seconds of a slice

Draft: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, shares of the total mass, f, g): what there is before the core has a basis."""


@dataclass
class Work:
    """How far it is and how far it may go; read by `Solver.progress`, refilled by `Solver.step`."""

    budget: int = 0
    pivots: int = 0
    rounds: int = 0
    arcs: int = 0
    stalls: int = 0
    stage: str = "starting"
    draft: Callable[[], Draft] | None = None
    tuning: Tuning = TUNING
    path: list[Step] = field(default_factory=list)

    def note(self, part: str, what: str, why: str) -> None:
        """What really happens, for ``stats["path"]``."""
        self.path.append(Step(part, what, why))

    def spend(self, pivots: int) -> None:
        """Count pivots against the budget."""
        self.pivots += pivots
        self.budget -= pivots


@dataclass(frozen=True, eq=False)
class Pool:
    """Arcs in CSR form by source: arc e of row i, indptr[i] <= e < indptr[i + 1], goes to sink col[e]."""

    indptr: np.ndarray
    col: np.ndarray
    cost: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """Source of every arc."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))


def paced(size: int, seconds: float, tuning: Tuning) -> int:
    """The size of the next slice, after one of ``size`` took ``seconds``: short where little time is left."""
    if not tuning.slice_seconds:
        return size
    ratio = min(tuning.slice_seconds, max(SHORTEST, time_left() / 4)) / max(1e-6, seconds)
    return int(np.clip(size * min(4.0, max(0.25, ratio)), 100, 10**7))


class Tree(ABC):
    """A basis: a forest with positive flows as a strongly feasible tree, in slots numbered in preorder.

    Nodes: sources 0..n-1, sinks n..n+m-1, artificial root n+m.
    """

    def __init__(
        self,
        masses: tuple[np.ndarray, np.ndarray],
        arcs: tuple[np.ndarray, np.ndarray, np.ndarray],
        costs: np.ndarray,
    ) -> None:
        from transport._kernels import simplex_tree

        a, b = masses
        self.n, self.m = len(a), len(b)
        supply = np.concatenate([a, -b])
        self._tree, self._slot = simplex_tree.plant(self.n, self.m, *arcs, costs, supply, 1.0)

    sweeps: ClassVar[bool] = False

    @abstractmethod
    def optimise(self, pool: Pool, work: Work) -> Slices[None]:
        """Pivot until no arc of the pool has a negative reduced cost."""

    def sweep(self, costs: np.ndarray, work: Work) -> Slices[None]:
        """Pivot on all arcs of a matrix while many pay: a tree that ``sweeps``."""
        raise NotImplementedError

    @property
    def heights(self) -> np.ndarray:
        """Potential of every node: minus f on sources, g on sinks."""
        return self._tree[7][self._slot]

    @property
    def parents(self) -> np.ndarray:
        """Parent of every node."""
        node = np.empty(len(self._slot), np.int64)
        node[self._slot] = np.arange(len(self._slot))
        return node[self._tree[1][self._slot]]

    @property
    def flows(self) -> np.ndarray:
        """Integer flow on the arc to the parent."""
        return self._tree[5][self._slot]

    def unpack(self) -> tuple[np.ndarray, ...]:
        """The arrays of `simplex_tree`, to be worked on in place, nodes in slots of their own numbers."""
        src, parent, depth, thread, rthread, flow, pcost, pi = (x[self._slot] for x in self._tree)
        node = np.empty(len(self._slot), np.uint32)
        node[self._slot] = np.arange(len(self._slot))
        self._tree = src, node[parent], depth, node[thread], node[rthread], flow, pcost, pi
        self._slot = np.arange(len(node), dtype=np.uint32)
        return self._tree


class ThreadTree(Tree):
    """Threaded tree with maintained potentials."""

    sweeps = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._cursor = np.zeros(5, np.int64)

    def optimise(self, pool: Pool, work: Work) -> Slices[None]:
        """Block search in slices; ends when a pass over freshly computed potentials finds nothing."""
        from transport._kernels import simplex_tree as k

        head = np.empty(len(pool.col), np.uint32)
        block = max(work.tuning.pool_block, int(np.sqrt(len(pool.col))))
        period = max(work.tuning.renumbered, self.n // 3)
        passes = 0
        size = work.tuning.first_slice
        while True:
            chunk = min(size, work.budget)
            began = clock()
            before = int(self._cursor[k.PIVOTS])
            code = k.run(
                (pool.indptr, pool.col, pool.cost, head),
                self._tree,
                self._slot,
                self._cursor,
                block,
                chunk,
                period,
            )
            done = int(self._cursor[k.PIVOTS]) - before
            work.spend(done)
            if code == k.OPTIMAL:
                k.renumber(self._tree, self._slot)
                passes += 1
                if done == 0 or passes > work.tuning.tree_passes:  # more passes would only chase rounding
                    return
                continue
            if code == k.STALLED:
                work.stalls += 1
                k.renumber(self._tree, self._slot)
                if work.stalls > work.tuning.tree_stalls:
                    return
            if done == size:
                size = paced(size, clock() - began, work.tuning)
            yield

    def sweep(self, costs: np.ndarray, work: Work) -> Slices[None]:
        """Until a turn of all rows finds few arcs that pay; ``costs`` relative to the tree's potentials.

        For problems whose shortlists say little (ties, far outliers, norms without curvature): the ten
        cheapest arcs of a node need not be anywhere near the optimal ones there, and every round adds
        thousands that are soon forgotten. While many arcs pay, a pivot that takes the best arc of a whole row
        costs no more than one on the pool (n = 1000: 0.2 microseconds of vector passes). When few are left,
        looking for them takes all the time, and the pool is better again.
        """
        from transport._kernels import simplex_dense as k

        t, arrays, cursor = work.tuning, self.unpack(), np.zeros(5, np.int64)
        enough = int(t.sweep_pivots * len(costs))
        while True:
            before = int(cursor[k.PIVOTS])
            code = k.run(costs, arrays, cursor, work.budget, enough, t.at_once_effort, t.tree_passes)
            work.spend(int(cursor[k.PIVOTS]) - before)
            if code != k.LIMIT:
                return
            yield
