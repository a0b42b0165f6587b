"""A sparse cost matrix: stored entries are the allowed arcs, what is missing is forbidden."""

from __future__ import annotations

import math
import sys
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._cost import Unstructured, rounded_down
from transport.internal import (
    DuplicateEntriesWarning,
    as_float64,
    cached_property,
    library,
    namespace,
    to_numpy,
)


def _stack_level() -> int:
    """The frame of the caller of this package, for a warning."""
    level, frame = 2, sys._getframe(2)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(("transport.", "contextlib")):
        level, frame = level + 1, frame.f_back  # type: ignore[assignment]
    return level


def is_sparse(x: Any) -> bool:
    """Whether ``x`` is a scipy (or cupyx) sparse matrix or array."""
    return hasattr(x, "tocoo") and hasattr(x, "nnz")


@dataclass(frozen=True, eq=False)
class SparseMatrix(Unstructured):
    """Costs in CSR form, columns ascending, none twice, all finite; everything else is +inf.

    ``indptr`` and ``col`` are int64: arc e of row i, indptr[i] <= e < indptr[i + 1], goes to col[e].
    """

    indptr: np.ndarray
    col: np.ndarray
    data: np.ndarray
    shape: tuple[int, int]

    relative_error = 0.0
    methods = ("sparse", "matrix", "blocks")

    @classmethod
    def from_scipy(cls, cost: Any) -> SparseMatrix:
        """From any scipy format; duplicates are summed, explicit zeros kept, +inf entries dropped.

        Warns
        -----
        DuplicateEntriesWarning
            Where entries are stored more than once: SciPy's rule is to add them up.

        Raises
        ------
        ValueError
            Not two-dimensional, empty, indices out of range, NaN or -inf.
        TypeError
            Entries that are not real numbers.
        """
        if library(cost) not in ("scipy", "cupyx"):
            raise TypeError(
                f"cost is a sparse array of {library(cost)}, where a missing entry is 0, "
                "not forbidden; pass cost.to_scipy_sparse() if they are forbidden, else cost.todense()"
            )
        if len(cost.shape) != 2:
            raise ValueError(f"cost has shape {tuple(cost.shape)}; it must be a matrix (n, m)")
        if 0 in cost.shape:
            raise ValueError(f"cost is empty, shape {tuple(cost.shape)}; a measure needs at least one atom")
        if type(cost).__module__.startswith("cupyx"):
            cost = cost.get()
        if hasattr(cost, "check_format"):
            cost.check_format(full_check=True)
        stored = int(cost.nnz)
        csr = cost.tocsr()
        data, _ = as_float64(csr.data, "cost.data", xp=namespace(csr.data))
        if not csr.has_canonical_format:
            csr = csr.copy()
            csr.sum_duplicates()
            data = csr.data.astype(np.float64)
        indptr, col = csr.indptr.astype(np.int64), csr.indices.astype(np.int64)
        data = np.ascontiguousarray(to_numpy(data))
        keep = np.isfinite(data)
        if not keep.all():
            bad = np.flatnonzero(~keep & (data != math.inf))
            if len(bad):
                i = int(np.searchsorted(indptr, bad[0], side="right")) - 1
                raise ValueError(
                    f"cost[{i}, {col[bad[0]]}] is {data[bad[0]]}; "
                    "costs must be numbers or +inf (a forbidden arc, like a missing one)"
                )
            kept = np.concatenate([[0], np.cumsum(keep)])
            indptr, col, data = kept[indptr], col[keep], data[keep]
        again = stored - int(csr.nnz)
        if again:
            warnings.warn(
                f"{again} entries of cost are stored more than once; they were added up, as SciPy "
                "does. A graph joined from both ways has its costs doubled so: keep one of each pair, or "
                "call cost.sum_duplicates() first if the sum is meant",
                DuplicateEntriesWarning,
                stacklevel=_stack_level(),
            )
        n, m = csr.shape
        return cls(indptr, col, data, (int(n), int(m)))

    @property
    def csr(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.indptr, self.col, self.data

    @property
    def has_forbidden(self) -> bool:
        """Whether some entry is missing."""
        return len(self.data) < self.shape[0] * self.shape[1]

    @cached_property
    def magnitude(self) -> float:
        """Largest stored |C_ij|."""
        return float(np.abs(self.data).max(initial=0.0))

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,)."""
        from transport._kernels.sparse import look_up

        return look_up(*self.csr, rows, cols)

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m), dense."""
        return self.between(np.arange(start, stop), np.arange(self.shape[1]))

    def between(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows][:, cols], dense."""
        from transport._kernels.sparse import scatter

        place = np.full(self.shape[1], -1)
        place[cols] = np.arange(len(cols))
        out = np.full((len(rows), len(cols)), np.inf)
        scatter(*self.csr, rows, place, out)
        return out

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i over the stored entries, rounded down; +inf where there is none."""
        from transport._kernels.sparse import lower_columns

        g = np.full(self.shape[1], np.inf)
        lower_columns(*self.csr, f, g)
        return np.where(g == np.inf, g, rounded_down(g))

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j over the stored entries of the given rows, rounded down."""
        from transport._kernels.sparse import lower_rows

        f = lower_rows(*self.csr, g, rows)
        return np.where(f == np.inf, f, rounded_down(f))

    def restrict(self, rows: np.ndarray, cols: np.ndarray) -> SparseMatrix:
        """C[rows][:, cols], both ascending."""
        if (len(rows), len(cols)) == self.shape:
            return self
        row_of = np.repeat(np.arange(self.shape[0]), np.diff(self.indptr))
        place = np.full(self.shape[1], -1)
        place[cols] = np.arange(len(cols))
        wanted = np.zeros(self.shape[0], bool)
        wanted[rows] = True
        keep = wanted[row_of] & (place[self.col] >= 0)
        kept = np.concatenate([[0], np.cumsum(keep)])
        indptr = np.concatenate([[0], kept[self.indptr[rows + 1]]])
        return SparseMatrix(indptr, place[self.col[keep]], self.data[keep], (len(rows), len(cols)))

    def transpose(self) -> SparseMatrix:
        """C^T."""
        from transport._kernels.forests import grouped

        n, m = self.shape
        indptr, order = grouped(self.col, m)
        rows = np.repeat(np.arange(n), np.diff(self.indptr))
        return SparseMatrix(indptr, rows[order], self.data[order], (m, n))
