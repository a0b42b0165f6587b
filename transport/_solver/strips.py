"""The pricing oracle of any cost that can be evaluated strip by strip; no more than a strip is stored."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable

import numpy as np

from transport._cost import Cost, row_blocks
from transport._solver.pricing import Arcs, Slices, Start
from transport._solver.reductions import unit_exponent
from transport._solver.tuning import TUNING, Tuning
from transport.internal import clock, run_chunks, thread_count

_SLICE_SECONDS = 0.03

_Scan = Callable[[int, int, np.ndarray], object]


class StripOracle:
    """Prices all pairs of ``sources`` and ``sinks`` by evaluating the cost anew in every round.

    Costs that were looked at once are remembered (about as many as the pool holds): a function that goes
    through BLAS may answer with another rounding in another block.

    Parameters
    ----------
    cost : Cost
    sources, sinks : ndarray of int
        Rows and columns of ``cost`` that carry mass, ascending.
    """

    def __init__(self, cost: Cost, sources: np.ndarray, sinks: np.ndarray, tuning: Tuning = TUNING) -> None:
        self.tuning = tuning
        self.cost, self.sources, self.sinks = cost, sources, sinks
        self.exponent = 0  # costs are in units of 2^exponent
        self.has_forbidden, self.giants_forbid, self.magnitude = False, True, 0.0
        n = cost.shape[0]
        self._strips = cost.strips()
        self._whole = (len(sources), len(sinks)) == (n, cost.shape[1])
        self._keys, self._known = np.empty(0, np.int64), np.empty(0)
        self._g = np.zeros(len(sinks))

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

    def _scan(self, visit: _Scan) -> Slices[None]:
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

    def survey(self) -> Slices[None]:
        """The magnitude of the costs, whether some are forbidden, and the column minima, in one pass."""
        from transport._kernels.costs import scan_costs

        lock = threading.Lock()
        lowest = np.full(len(self.sinks), np.inf)

        def visit(i0: int, i1: int, values: np.ndarray) -> None:
            largest, forbidden, _ = scan_costs(values)
            column = values.min(axis=0)
            with lock:
                self.magnitude = max(self.magnitude, float(largest))
                self.has_forbidden |= bool(forbidden)
                np.minimum(lowest, column, out=lowest)

        yield from self._scan(visit)
        self.exponent = unit_exponent(self.magnitude)
        self.magnitude = math.ldexp(self.magnitude, -self.exponent)
        self._g = self._scaled(np.where(np.isfinite(lowest), lowest, 0.0))

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast; remembered where they were scanned, else evaluated."""
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
        rows, cols = self.sources[rows], self.sinks[cols]
        return self._scaled(self.cost.between(rows, cols))

    def _remember(self, rows: np.ndarray, cols: np.ndarray, costs: np.ndarray) -> None:
        keys = np.concatenate([self._keys, rows * np.int64(len(self.sinks)) + cols])
        self._keys, first = np.unique(keys, return_index=True)
        self._known = np.concatenate([self._known, costs])[first]

    def start(self) -> Slices[Start]:
        """From the column minima: the nearest of every row and column, in one more pass."""
        return (yield from self._shortlist(self._g))

    def restart(self, g: np.ndarray, arcs: Arcs) -> Slices[Start]:
        """From potentials and arcs of an earlier solution."""
        start = yield from self._shortlist(g)
        rows, cols = np.concatenate([start.rows, arcs[0]]), np.concatenate([start.cols, arcs[1]])
        return Start(rows, cols, start.f, start.g)

    def _shortlist(self, g: np.ndarray) -> Slices[Start]:
        from transport._kernels.blocks import gather_nearest_in_cols
        from transport._kernels.simplex_matrix import nearest_in_rows

        n, m = self.shape
        short = self.tuning.strips_shortlist
        lock = threading.Lock()
        cols, in_row = np.zeros((n, min(short, m)), np.int64), np.empty((n, min(short, m)))
        rows, in_col = np.zeros((m, min(short, n)), np.int64), np.full((m, min(short, n)), np.inf)
        f, row_costs, col_costs = np.zeros(n), np.empty(cols.shape), np.empty(rows.shape)

        def visit(i0: int, i1: int, values: np.ndarray) -> None:
            nearest_in_rows(values, g, 0, i1 - i0, cols[i0:i1], in_row[i0:i1])
            row_costs[i0:i1] = np.take_along_axis(values, cols[i0:i1], axis=1)
            f[i0:i1] = np.where(np.isfinite(in_row[i0:i1, 0]), in_row[i0:i1, 0], 0.0)
            with lock:
                gather_nearest_in_cols(values, f[i0:i1], i0, rows, in_col, col_costs)

        yield from self._scan(visit)
        source = np.concatenate([np.repeat(np.arange(n), cols.shape[1]), rows.ravel()])
        sink = np.concatenate([cols.ravel(), np.repeat(np.arange(m), rows.shape[1])])
        costs = np.concatenate([row_costs.ravel(), col_costs.ravel()])
        near = np.isfinite(np.concatenate([in_row.ravel(), in_col.ravel()]))
        self._remember(source[near], sink[near], costs[near])
        return Start(source[near], sink[near], f, np.where(np.isfinite(in_col[:, 0]), in_col[:, 0], 0.0))

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """One pass over the pairs; at most 32 arcs a row."""
        from transport._kernels.simplex_matrix import price_rows

        def visit(i0: int, i1: int, values: np.ndarray, cols: np.ndarray, count: np.ndarray) -> None:
            price_rows(values, f[i0:i1], g, 0, i1 - i0, cols, count)

        return (yield from self._gather(visit))

    def matrix(self) -> None:
        """Never: costs by a function are dear."""

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """One pass over the pairs."""
        from transport._kernels.simplex_matrix import crossing

        def visit(i0: int, i1: int, values: np.ndarray, cols: np.ndarray, count: np.ndarray) -> None:
            f = start.f[i0:i1]
            crossing(values, f, start.g, sources[i0:i1], sinks, limit, 0, i1 - i0, cols, count)

        return (yield from self._gather(visit))

    def _gather(
        self, kernel: Callable[[int, int, np.ndarray, np.ndarray, np.ndarray], object]
    ) -> Slices[Arcs]:
        """Up to 32 columns of every row, and their costs remembered."""
        n, m = self.shape
        cols, count = np.zeros((n, min(self.tuning.strips_per_row, m)), np.int64), np.zeros(n, np.int64)
        costs = np.empty(cols.shape)

        def visit(i0: int, i1: int, values: np.ndarray) -> None:
            kernel(i0, i1, values, cols[i0:i1], count[i0:i1])
            costs[i0:i1] = np.take_along_axis(values, cols[i0:i1], axis=1)

        yield from self._scan(visit)
        rows, which = np.nonzero(np.arange(cols.shape[1]) < count[:, None])
        self._remember(rows, cols[rows, which], costs[rows, which])
        return rows, cols[rows, which]
