"""The oracle of any cost that can be evaluated strip by strip; no more than a strip is stored."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from transport._cost import Cost, row_blocks
from transport._nearest import Found, Room, room
from transport._solver.pricing.oracle import Slices
from transport._solver.reductions import unit_exponent
from transport._solver.tuning import TUNING, Tuning
from transport.internal import clock, run_chunks, thread_count

_SLICE_SECONDS = 0.03

_Visit = Callable[[int, int, np.ndarray], object]


class StripOracle:
    """All pairs of ``sources`` and ``sinks``, by evaluating the cost anew in every search.

    Costs that were found once are remembered (about as many as the pool holds): a function that goes
    through BLAS may answer with another rounding in another block.

    Parameters
    ----------
    cost : Cost
    sources, sinks : ndarray of int
        Rows and columns of ``cost`` that carry mass, ascending.
    """

    giants_forbid = True

    def __init__(self, cost: Cost, sources: np.ndarray, sinks: np.ndarray, tuning: Tuning = TUNING) -> None:
        self.cost, self.sources, self.sinks, self.tuning = cost, sources, sinks, tuning
        self.exponent = 0  # costs are in units of 2^exponent
        self.has_forbidden, self.magnitude = False, 0.0
        self.shortlist, self.per_row = tuning.strips_shortlist, tuning.strips_per_row
        self._strips = cost.strips()
        self._whole = (len(sources), len(sinks)) == cost.shape
        self._keys, self._known = np.empty(0, np.int64), np.empty(0)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.sources), len(self.sinks)

    def _strip(self, start: int, stop: int) -> tuple[int, int, np.ndarray]:
        """(i0, i1, costs) of the sources among rows start:stop."""
        values = self.cost.block(start, stop)
        i0, i1 = np.searchsorted(self.sources, (start, stop))
        if not self._whole:
            values = np.ascontiguousarray(values[np.ix_(self.sources[i0:i1] - start, self.sinks)])
        return int(i0), int(i1), self._scaled(values)

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        return np.ldexp(values, -self.exponent) if self.exponent else values

    def _scan(self, visit: _Visit) -> Slices[None]:
        """``visit(i0, i1, costs)`` for all strips: in turn, or on all cores if the cost may be called so."""
        wave = 4 * thread_count() if self.cost.thread_safe else 1
        began = clock()
        for base in range(0, len(self._strips), wave):
            if clock() - began > _SLICE_SECONDS:
                yield
                began = clock()
            strips = self._strips[base : base + wave]

            def task(first: int, last: int, strips: list[tuple[int, int]] = strips) -> None:
                for start, stop in strips[first:last]:
                    i0, i1, values = self._strip(start, stop)
                    if i1 > i0:
                        visit(i0, i1, values)

            run_chunks(task, len(strips), slice_size=1)

    def lowest(self) -> Slices[np.ndarray]:
        """In one pass, which also finds the magnitude of the costs, hence their unit, and forbidden ones."""
        from transport._kernels.costs import scan_costs

        lock = threading.Lock()
        low = np.full(len(self.sinks), np.inf)

        def visit(i0: int, i1: int, values: np.ndarray) -> None:
            largest, forbidden, _ = scan_costs(values)
            column = values.min(axis=0)
            with lock:
                self.magnitude = max(self.magnitude, float(largest))
                self.has_forbidden |= bool(forbidden)
                np.minimum(low, column, out=low)

        yield from self._scan(visit)
        self.exponent = unit_exponent(self.magnitude)
        self.magnitude = math.ldexp(self.magnitude, -self.exponent)
        return self._scaled(np.where(np.isfinite(low), low, 0.0))

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast; remembered where they were found, else evaluated."""
        if np.ndim(rows) == 2:
            return self._between(np.ravel(rows), np.ravel(cols))
        keys = rows * np.int64(len(self.sinks)) + cols
        place = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        hit = self._keys[place] == keys if len(self._keys) else np.zeros(len(keys), bool)
        out = np.empty(len(keys))
        out[hit] = self._known[place[hit]]
        miss = np.flatnonzero(~hit)
        if len(miss):
            some = np.unique(rows[miss])
            for s, e in row_blocks(len(some), len(self.sinks), self.tuning.strip_entries):
                part = miss[(rows[miss] >= some[s]) & (rows[miss] <= some[e - 1])]
                block = self._between(some[s:e], np.arange(len(self.sinks)))
                out[part] = block[np.searchsorted(some[s:e], rows[part]), cols[part]]
        return out

    def _between(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        return self._scaled(self.cost.between(self.sources[rows], self.sinks[cols]))

    def _remember(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray) -> None:
        keys = np.concatenate([self._keys, rows * np.int64(len(self.sinks)) + cols])
        self._keys, first = np.unique(keys, return_index=True)
        self._known = np.concatenate([self._known, costs])[first]

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """In one pass over the pairs."""
        free = np.full(self.shape[0], np.inf) if limit is None else limit
        out, costs = self._room(k)
        yield from self._scan(lambda i0, i1, values: self._search(i0, i1, values, v, free, out, costs))
        found = Found(*out)
        self._remember(*found.pairs, costs[np.arange(costs.shape[1]) < found.counts[:, None]])
        return found

    def _room(self, k: int) -> tuple[Room, np.ndarray]:
        n, m = self.shape
        out = room(n, min(k, m))
        return out, np.empty(out[1].shape)

    def _search(
        self,
        i0: int,
        i1: int,
        values: np.ndarray,
        v: np.ndarray,
        limit: np.ndarray,
        out: Room,
        costs: np.ndarray,
    ) -> None:
        """Rows i0:i1 of a search, with the costs found."""
        from transport._kernels.search_matrix import search

        own = [x[i0:i1] for x in out]
        search(values, 0, i1 - i0, limit[i0:i1], v, *own)
        found = np.where(np.arange(costs.shape[1]) < own[2][:, None], own[0], 0)
        costs[i0:i1] = np.take_along_axis(values, found, axis=1)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """In one pass over the pairs."""
        from transport._kernels.search_matrix import gather_nearest_in_cols

        n, m = self.shape
        out, costs = self._room(self.shortlist)
        free, f = np.full(n, np.inf), np.zeros(n)
        rows, in_col = (
            np.zeros((m, min(self.shortlist, n)), np.int64),
            np.full((m, min(self.shortlist, n)), np.inf),
        )
        col_costs = np.empty(rows.shape)
        lock = threading.Lock()

        def visit(i0: int, i1: int, values: np.ndarray) -> None:
            self._search(i0, i1, values, g, free, out, costs)
            f[i0:i1] = np.where(out[2][i0:i1] > 0, out[1][i0:i1, 0], 0.0)
            with lock:
                gather_nearest_in_cols(values, f[i0:i1], i0, rows, in_col, col_costs)

        yield from self._scan(visit)
        by_row, by_col = (
            Found(*out),
            Found(rows, in_col, np.count_nonzero(in_col < np.inf, axis=1), in_col[:, -1]),
        )
        (i, j), (sink, source) = by_row.pairs, by_col.pairs
        known = costs[np.arange(costs.shape[1]) < by_row.counts[:, None]], col_costs[in_col < np.inf]
        self._remember(np.concatenate([i, source]), np.concatenate([j, sink]), np.concatenate(known))
        return by_row, by_col

    def matrix(self) -> None:
        """Never: costs by a function are dear."""
