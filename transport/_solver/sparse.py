"""The pricing oracle of a sparse cost matrix: only stored arcs are ever looked at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transport._solver.assignment import Matching
from transport._solver.pricing import Arcs, Slices, Start
from transport._solver.reductions import scaled, unit_exponent
from transport._solver.scan import scan
from transport._solver.trees import Work
from transport._solver.tuning import TUNING, Tuning
from transport._sparse import SparseMatrix


class SparseOracle:
    """Prices the stored entries; the others do not exist.

    Parameters
    ----------
    cost : SparseMatrix
        Of the rows and columns that carry mass.
    """

    def __init__(self, cost: SparseMatrix, tuning: Tuning = TUNING) -> None:
        self.tuning = tuning
        self.exponent = unit_exponent(cost.magnitude)  # costs are in units of 2^exponent
        if self.exponent:
            cost = scaled(cost, self.exponent)
        self.cost = cost
        self._csr = cost.indptr, cost.col, cost.data
        self.has_forbidden, self.giants_forbid = cost.has_forbidden, True
        self.magnitude = cost.magnitude

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.cost.shape

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        from transport._kernels.sparse import scatter

        if np.ndim(rows) == 1:
            return self.cost.entries(rows, cols)
        rows, cols = np.ravel(rows), np.ravel(cols)
        place = np.full(self.shape[1], -1)
        place[cols] = np.arange(len(cols))
        out = np.full((len(rows), len(cols)), np.inf)
        scatter(*self._csr, rows, place, out)
        return out

    def is_assignment(self, masses: tuple[np.ndarray, np.ndarray]) -> bool:
        """Unit masses, enough of them for an auction to pay, and a choice; nobody without an arc."""
        a, b = masses
        if len(a) < self.tuning.auction_rows or len(a) != len(b) or a.max() > 1 or b.max() > 1:
            return False
        if len(self.cost.data) < self.tuning.auction_choice * len(a):
            return False
        reached = np.zeros(len(b), bool)
        reached[self.cost.col] = True
        return bool(np.all(np.diff(self.cost.indptr) > 0) and reached.all())

    def cheapest(self, indptr: np.ndarray, col: np.ndarray, g: np.ndarray) -> np.ndarray:
        """f_i = min c_ij - g_j over all arcs of row i, of which a CSR pool has the cheapest."""
        from transport._kernels.sparse import lower_rows

        return lower_rows(*self._csr, g, np.arange(self.shape[0]))

    def matching(self, work: Work) -> Slices[Matching]:
        """Where an assignment starts: the shortlist; arcs that cost nothing are not typical."""
        start = yield from self.start()
        cost = (self.costs(start.rows, start.cols) - start.f[start.rows]) - start.g[start.cols]
        dear = cost[cost > 2.0**-40 * np.abs(cost).max(initial=0.0)]
        return Matching(self, start, work, unit=float(np.median(dear)) if len(dear) else 0.0)

    def start(self) -> Slices[Start]:
        """From the column minima: all arcs if they are few, else the 10 nearest of every row and column."""
        from transport._kernels.sparse import lower_columns

        g = np.full(self.shape[1], np.inf)
        lower_columns(*self._csr, np.zeros(self.shape[0]), g)
        return (yield from self._shortlist(np.where(g < np.inf, g, 0.0)))

    def restart(self, g: np.ndarray, arcs: Arcs) -> Slices[Start]:
        """From potentials and arcs of an earlier solution."""
        start = yield from self._shortlist(g)
        rows, cols = np.concatenate([start.rows, arcs[0]]), np.concatenate([start.cols, arcs[1]])
        return Start(rows, cols, start.f, start.g)

    def _shortlist(self, g: np.ndarray) -> Slices[Start]:
        from transport._kernels import sparse as k

        (n, m), short = self.shape, self.tuning.sparse_shortlist
        ids, vals = np.zeros((n, short), np.int64), np.zeros((n, short))
        count = k.nearest_in_rows(*self._csr, g, ids, vals)
        f = np.where(count > 0, vals[:, 0], 0.0)
        chosen = ids[np.arange(short) < count[:, None]]
        yield
        ids, vals = np.zeros((m, short), np.int64), np.zeros((m, short))
        count = k.nearest_in_cols(*self._csr, f, ids, vals)
        g = np.where(count > 0, vals[:, 0], 0.0)
        chosen = np.concatenate([chosen, ids[np.arange(short) < count[:, None]]])
        if len(self.cost.data) <= self.tuning.sparse_pool * (n + m):
            chosen = np.arange(len(self.cost.data))
        yield
        return Start(*self._arcs(chosen), f, g)

    def _arcs(self, ids: np.ndarray) -> Arcs:
        return np.searchsorted(self.cost.indptr, ids, side="right") - 1, self.cost.col[ids]

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """One pass over the stored arcs; at most 8 a row."""
        from transport._kernels import sparse as k

        return (
            yield from self._rows(
                lambda i, j, ids, count: k.price_rows(*self._csr, f, g, i, j, ids, count),
            )
        )

    def matrix(self) -> None:
        """Never: what is not stored is forbidden."""

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """One pass over the stored arcs of ``sources``."""
        from transport._kernels import sparse as k

        return (
            yield from self._rows(
                lambda i, j, ids, count: k.crossing(
                    *self._csr, start.f, start.g, sources, sinks, limit, i, j, ids, count
                )
            )
        )

    def _rows(self, kernel: Callable[[int, int, np.ndarray, np.ndarray], object]) -> Slices[Arcs]:
        n, per_row = self.shape[0], self.tuning.sparse_per_row
        ids, count = np.zeros((n, per_row), np.int64), np.zeros(n, np.int64)
        yield from scan(lambda i, j: kernel(i, j, ids, count), n, 4 * len(self.cost.data) // n + 1)
        return self._arcs(ids[np.arange(per_row) < count[:, None]])
