"""A cost with one source and one sink more, for mass that is not moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from transport._cost import Cost, Unstructured, rounded_down


def with_fees(
    inner: np.ndarray, last_row: np.ndarray, last_col: np.ndarray, fees: tuple[float, float]
) -> np.ndarray:
    """``inner``, but ``fees`` = (leave, corner) where one or both ends are the last, broadcast."""
    leave, corner = fees
    return np.where(last_row & last_col, corner, np.where(last_row | last_col, leave, inner))


@dataclass(frozen=True, eq=False)
class WithLeftOver(Unstructured):
    """The n x m costs ``inner``; sources pay ``leave`` to the last sink, the last source to every sink."""

    inner: Cost
    leave: float
    corner: float

    methods = ("blocks", "matrix")
    has_forbidden = False

    @property
    def shape(self) -> tuple[int, int]:
        """(n + 1, m + 1)."""
        n, m = self.inner.shape
        return n + 1, m + 1

    @property
    def relative_error(self) -> float:
        """That of the inner cost."""
        return self.inner.relative_error

    @property
    def magnitude(self) -> float:
        """Largest |C_ij|."""
        return max(self.inner.magnitude, abs(self.leave), abs(self.corner))

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols]."""
        n, m = self.inner.shape
        inner = self.inner.entries(np.minimum(rows, n - 1), np.minimum(cols, m - 1))
        return with_fees(inner, rows >= n, cols >= m, (self.leave, self.corner))

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop]."""
        n, m = self.inner.shape
        out = np.full((stop - start, m + 1), self.leave)
        if start < n:
            out[: min(stop, n) - start, :m] = self.inner.block(start, min(stop, n))
        if stop > n:
            out[-1, m] = self.corner
        return out

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down."""
        inner = np.minimum(self.inner.c_transform(f[:-1]), rounded_down(self.leave - f[-1:]))
        return np.append(inner, rounded_down(min(self.leave - f[:-1].max(), self.corner - f[-1])))

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        n = self.inner.shape[0]
        out = np.full(len(rows), rounded_down(min(self.leave - g[:-1].max(), self.corner - g[-1])))
        some = rows < n
        inner = self.inner.row_transform(g[:-1], rows[some])
        out[some] = np.minimum(inner, rounded_down(self.leave - g[-1:]))
        return out

    def transpose(self) -> Any:
        """The cost of the reversed problem."""
        return WithLeftOver(self.inner.transpose(), self.leave, self.corner)
