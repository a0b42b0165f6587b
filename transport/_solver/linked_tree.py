"""The tree for many nodes: parent pointers only, first solved in pieces on all cores, then as a whole."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from transport._solver.pricing.oracle import Slices
from transport._solver.trees import Pool, Tree, Work, paced
from transport.internal import clock, run_chunks

Window: TypeAlias = tuple[int, int, int]
"""Slots first:last and what they hang from: the first of them, or the root."""

RUNS = 4  # times as many runs as at first, and the tour is listed anew


class LinkedTree(Tree):
    """Parent pointers only; candidates are priced exactly on their cycles."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        size = self.n + self.m + 1
        self._mark = np.zeros(size, np.int64)
        self._epoch = 0
        self._stack = np.empty(size, np.uint32)
        self._best = np.zeros(size)
        self._keep = np.empty(size, np.int64)
        self._now = np.empty(size)
        self._found = (
            np.empty(size, np.uint32), np.empty(size, np.uint32), np.empty(size), np.empty(size)
        )  # fmt: skip
        self._buffers = (
            (np.empty(size, np.uint32), np.empty(size, np.uint32)),
            (np.empty(size), np.empty(size)),
            (np.empty(size, np.int64), np.empty(size, np.int64)),
        )
        self._places = tuple(np.zeros(size, np.uint32) for _ in range(3))

    def optimise(self, pool: Pool, work: Work) -> Slices[None]:
        """Pieces, larger and larger ones, then the whole; a tree that is none too large at once."""
        t = work.tuning
        size, nodes = t.piece_nodes, self.n + self.m
        if nodes < t.pieces_nodes:
            yield from self._settle([(0, nodes, nodes)], pool, work, toured=False)
            return
        while size * t.pieces_fewest <= nodes and work.budget > nodes:
            yield from self._in_pieces(pool, work, size)
            size *= t.piece_growth
        yield from self._as_a_whole(pool, work)

    def _arcs(self, pool: Pool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The pool with the sinks' slots."""
        return pool.indptr, self._slot[self.n + pool.col.astype(np.int64)], pool.cost

    def _in_pieces(self, pool: Pool, work: Work, size: int) -> Slices[None]:
        """Bring connected pieces of about ``size`` nodes to their optimum."""
        from transport._kernels.simplex_pieces import cut

        start = cut(self._tree, self._slot, size).tolist()
        yield
        windows = [(s, e, s) for s, e in pairwise(start[1:])]
        windows.append((0, start[1], self.n + self.m))
        yield from self._settle(windows, pool, work, toured=size >= work.tuning.toured_nodes)

    def _settle(self, windows: list[Window], pool: Pool, work: Work, *, toured: bool) -> Slices[None]:
        """Bring each window of the tree to its optimum, some of them at a time, on all cores."""
        from transport._kernels import simplex_pieces as k
        from transport._kernels.simplex_lazy import PIVOTS

        src, parent, _, _, _, flow, pcost, pi = self._tree
        arcs, tries = self._arcs(pool), work.tuning.piece_tries
        rows = np.arange(self.n)
        if len(windows) > 1:
            node = np.empty(len(parent), np.int64)
            node[self._slot] = np.arange(len(parent))
            rows = node[node < self.n]  # sources by slot
        before = np.concatenate([[0], np.cumsum(src[:-1])])
        out = np.zeros((len(windows), 6), np.int64)
        out[:, k.EPOCH] = self._epoch
        tours = [tour_memory(w, self._places) for w in windows] if toured else []

        def settle(t: int, budget: int) -> None:
            s, e, _ = windows[t]
            own = slice(s, e)
            found = tuple(x[own] for x in self._found)
            buffers = tuple(tuple(x[own] for x in two) for two in self._buffers)
            given = (
                windows[t],
                rows[before[s] : before[e]],
                arcs,
                (src, parent, flow, pcost, pi),
                self._slot,
                self._mark,
                (found, self._best, self._keep[own], self._stack[own]),
                buffers,
            )
            if toured:
                k.settle_current(*given, self._now, tours[t], out[t], tries, budget)
            else:
                k.settle(*given, out[t], tries, budget)

        waiting = [t for t, (s, e, _) in enumerate(windows) if before[e] > before[s]]
        while waiting and work.budget >= len(waiting):
            batch, nodes = [], 0
            while waiting and nodes < work.tuning.piece_batch:
                batch.append(waiting.pop(0))
                nodes += windows[batch[-1]][1] - windows[batch[-1]][0]
            budget, done = work.budget // len(batch), int(out[:, PIVOTS].sum())

            def part(first: int, last: int, batch: list[int] = batch, budget: int = budget) -> None:
                for t in batch[first:last]:
                    settle(t, budget)

            run_chunks(part, len(batch), slice_size=1)
            work.spend(int(out[:, PIVOTS].sum()) - done)
            waiting = [t for t in batch if not out[t, k.DONE]] + waiting
            yield
        self._epoch = int(out[:, k.EPOCH].max())

    def _potentials(self) -> Slices[None]:
        """Recompute all potentials along the tree."""
        from transport._kernels import simplex_lazy as k

        src, parent, _, _, _, _, pcost, pi = self._tree
        root = self.n + self.m
        self._epoch += 1
        self._mark[root] = self._epoch << k.PLACE_BITS
        pi[root] = 0.0
        for start in range(0, root, 1 << 18):
            stop = min(root, start + (1 << 18))
            k.sweep_potentials(src, parent, pcost, pi, self._mark, self._epoch, start, stop, self._stack)
            if stop < root:
                yield

    def _price(self, arcs: tuple[np.ndarray, ...], pi: np.ndarray, scan: int) -> tuple[np.ndarray, ...]:
        """(tails, heads, costs): the most violated arc of each source and sink, the worst first."""
        from transport._kernels import simplex_lazy as k

        counts = np.zeros(-(-self.n // scan), np.int64)
        rows, window = np.arange(self.n), (0, self.n + self.m)

        def part(first: int, last: int) -> None:
            for t in range(first, last):
                own = slice(t * scan, (t + 1) * scan)
                found = tuple(x[own] for x in self._found)
                counts[t] = k.candidates(arcs, self._slot, pi, rows[own], window, found, 0)

        run_chunks(part, len(counts), slice_size=1)
        count = int(counts[0])
        for t in range(1, len(counts)):
            s, c = t * scan, int(counts[t])
            for x in self._found:
                x[count : count + c] = x[s : s + c]
            count += c
        kept = self._keep[: k.best_per_sink(self._found, count, self._best, self._keep)]
        order = kept[np.argsort(self._found[3][kept], kind="stable")]
        return tuple(x[order] for x in self._found[:3])

    def _heights(self, home: np.ndarray, runs: list[Any], scan: int) -> np.ndarray:
        """Current potentials."""
        from transport._kernels import simplex_tour as k

        size = len(self._now)

        def part(first: int, last: int) -> None:
            s, e = first * scan, min(size, last * scan)
            k.heights(self._tree[7], home, s, e, *runs, self._now)

        run_chunks(part, -(-size // scan), slice_size=1)
        return self._now

    def _as_a_whole(self, pool: Pool, work: Work) -> Slices[None]:
        """Sweeps until one over freshly computed potentials finds nothing that survives on its cycle."""
        from transport._kernels import simplex_tour as k
        from transport._kernels.simplex_lazy import PIVOTS
        from transport._kernels.simplex_pieces import cut

        nodes = self.n + self.m
        places, spare, *runs = tour_memory((0, nodes, nodes), self._places)
        out = np.zeros(3, np.int64)
        opened, size, scan = False, work.tuning.first_slice, work.tuning.scan_nodes
        while True:
            if not opened:
                cut(self._tree, self._slot, nodes + 1)
                src, parent, _, _, _, flow, pcost, pi = self._tree
                arcs = self._arcs(pool)
                yield from self._potentials()
                k.open_tour((0, nodes, nodes), parent, places, spare, *runs)
            found = self._price(arcs, self._heights(places[2], runs, scan) if opened else pi, scan)
            at, pivots = 0, int(out[PIVOTS])
            while at < len(found[0]):
                began = clock()
                before = int(out[PIVOTS])
                stop = at + max(0, min(size, work.budget))
                self._epoch, looked = k.attempt_current(
                    tuple(x[at:stop] for x in found),
                    (src, parent, flow, pcost),
                    np.uint32(nodes),
                    self._mark,
                    self._epoch,
                    self._buffers,
                    out,
                    pi,
                    places,
                    *runs,
                )
                work.spend(int(out[PIVOTS]) - before)
                stop = min(stop, len(found[0]))
                if at + looked < stop:
                    k.renew(pi, places, spare, *runs)
                elif looked == size:
                    size = paced(size, clock() - began, work.tuning)
                at += looked
                if at < len(found[0]):
                    yield
            if out[PIVOTS] > pivots:
                opened = True
            elif opened:
                opened = False  # once more, from potentials without the rounding of the offsets
            else:
                return
            yield


def tour_memory(window: Window, places: tuple[np.ndarray, ...]) -> tuple[Any, ...]:
    """Memory for the Euler tour of a window (`simplex_tour`): (places, spare, runs, offset, first, state).

    The positions are in the tree's ``places``, to which the tour itself is added.
    """
    from transport._kernels import simplex_tour as k

    first, last, root = window
    inside = last - first - (first == root < last)  # nodes that have ENTER and LEAVE
    size = 3 * inside + 1
    bits = max(4, int(np.log2(size) / 2) - 1)  # moving and renewing cost about the same
    count = (size >> bits) + 1
    runs = np.zeros((RUNS * count + 2 * k.SPLITS, 8), np.uint32)
    tour, spare = np.empty(size, np.uint32), np.empty(size, np.uint32)
    start, state = np.zeros(count, np.uint32), np.array([bits, 0])
    return (tour, *places), spare, runs, runs.view(np.float64), start, state
