"""The oracle of a stored cost matrix."""

from __future__ import annotations

import numpy as np

from transport._nearest import Found, room
from transport._solver.pricing.oracle import Slices
from transport._solver.pricing.scan import scan
from transport._solver.tuning import TUNING, Tuning


class MatrixOracle:
    """Every entry of a C-contiguous float64 matrix; +inf is a forbidden arc.

    Parameters
    ----------
    values : ndarray, shape (n, m)
    tuning : Tuning
    has_forbidden, giants_forbid : bool
    magnitude : float
        Largest finite \\|c_ij\\|.
    """

    def __init__(
        self,
        values: np.ndarray,
        tuning: Tuning = TUNING,
        *,
        has_forbidden: bool = False,
        giants_forbid: bool = True,
        magnitude: float = 0.0,
    ) -> None:
        self.values, self.tuning, self.magnitude = values, tuning, magnitude
        self.has_forbidden, self.giants_forbid = has_forbidden, giants_forbid
        self.shortlist, self.per_row = tuning.matrix_shortlist, tuning.matrix_per_row

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        n, m = self.values.shape
        return n, m

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols]."""
        return self.values[rows, cols]

    def matrix(self) -> np.ndarray | None:
        """The matrix, unless it is large."""
        return self.values if self.values.size <= self.tuning.whole_pairs else None

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """In one pass over the matrix."""
        from transport._kernels.search_matrix import search

        (n, m), entries = self.shape, self.tuning.scan_entries
        limit, out = np.full(n, np.inf) if limit is None else limit, room(n, min(k, m))
        yield from scan(lambda i, j: search(self.values, i, j, limit, v, *out), n, m, entries)
        return Found(*out)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """Rows in one pass; columns by minima over panels of rows, and a closer look at some of these."""
        from transport._kernels.search_matrix import nearest_in_cols

        rows = yield from self.nearest(g, self.shortlist)
        (n, m), f = self.shape, rows.least
        low = yield from self._panels(f)
        near, vals, counts, floor = room(m, min(self.shortlist, n))

        def part(start: int, stop: int) -> None:
            nearest_in_cols(self.values, f, low, start, stop, near, vals)

        yield from scan(part, m, n, self.tuning.scan_entries)
        counts[:] = np.count_nonzero(vals < np.inf, axis=1)
        floor[:] = vals[:, -1]
        return rows, Found(near, vals, counts, floor)

    def lowest(self) -> Slices[np.ndarray]:
        """In one pass over the matrix."""
        low = (yield from self._panels(np.zeros(len(self.values)))).min(axis=0)
        return np.where(np.isfinite(low), low, 0.0)

    def _panels(self, f: np.ndarray) -> Slices[np.ndarray]:
        """Minima of c - f over panels of rows, shape (panels, m)."""
        from transport._kernels import search_matrix as k

        c = self.values
        low = np.empty((-(-len(c) // k.PANEL), c.shape[1]))
        yield from scan(
            lambda i, j: k.panel_minima(c, f, i, j, low),
            len(low),
            k.PANEL * c.shape[1],
            self.tuning.scan_entries,
        )
        return low
