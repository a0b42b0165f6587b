"""The oracle of a sparse cost matrix: only stored arcs are ever looked at."""

from __future__ import annotations

import numpy as np

from transport._nearest import Found, room
from transport._solver.pricing.oracle import Slices
from transport._solver.pricing.scan import scan
from transport._solver.reductions import scaled, unit_exponent
from transport._solver.tuning import TUNING, Tuning
from transport._sparse import SparseMatrix


class SparseOracle:
    """The stored entries; the others do not exist.

    Parameters
    ----------
    cost : SparseMatrix
        Of the rows and columns that carry mass.
    """

    giants_forbid = True

    def __init__(self, cost: SparseMatrix, tuning: Tuning = TUNING) -> None:
        self.tuning = tuning
        self.exponent = unit_exponent(cost.magnitude)  # costs are in units of 2^exponent
        self.cost = cost = scaled(cost, self.exponent) if self.exponent else cost
        self.has_forbidden, self.magnitude = cost.has_forbidden, cost.magnitude
        self.shortlist, self.per_row = tuning.sparse_shortlist, tuning.sparse_per_row

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.cost.shape

    @property
    def arcs(self) -> tuple[np.ndarray, np.ndarray]:
        """(rows, cols) of all stored entries."""
        return np.repeat(np.arange(self.shape[0]), np.diff(self.cost.indptr)), self.cost.col

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        if np.ndim(rows) == 1:
            return self.cost.entries(rows, cols)
        return self.cost.between(np.ravel(rows), np.ravel(cols))

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """In one pass over the stored arcs."""
        return (yield from self._nearest(self.cost, v, k, limit))

    def _nearest(
        self, cost: SparseMatrix, v: np.ndarray, k: int, limit: np.ndarray | None = None
    ) -> Slices[Found]:
        from transport._kernels.sparse import search

        n, entries = cost.shape[0], self.tuning.scan_entries
        limit, out = np.full(n, np.inf) if limit is None else limit, room(n, k)
        rest = cost.col, cost.data, v, *out
        each = 4 * len(cost.data) // n + 1
        yield from scan(lambda i, j: search(cost.indptr, i, j, limit, *rest), n, each, entries)
        return Found(*out)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """One pass over the arcs by rows, one by columns."""
        rows = yield from self.nearest(g, self.shortlist)
        return rows, (yield from self._nearest(self.cost.transpose(), rows.least, self.shortlist))

    def lowest(self) -> Slices[np.ndarray]:
        """In one pass over the stored arcs."""
        from transport._kernels.sparse import lower_columns

        yield
        low = np.full(self.shape[1], np.inf)
        lower_columns(*self.cost.csr, np.zeros(self.shape[0]), low)
        return np.where(low < np.inf, low, 0.0)

    def matrix(self) -> None:
        """Never: what is not stored is forbidden."""
