"""Costs: the protocol with all that the engine asks of one, and the stored matrix.

Nothing in the engine asks what class a cost is of. It asks which methods suit it (`Cost.methods`), whether
its entries are stored (`Cost.stored`) and whether it has points (`Cost.points`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from transport._solver.tuning import TUNING


def _kernels() -> ModuleType:
    """numba is paid for by the first call, not by the import."""
    from transport._kernels import costs

    return costs


class Search(Protocol):
    """Points in an order of their own, made to be searched: `KdTree` or `Tiles`."""

    @property
    def points(self) -> np.ndarray:
        """In that order, shape (n, d)."""
        ...

    @property
    def order(self) -> np.ndarray:
        """points[k] = original[order[k]]."""
        ...

    @property
    def prunes(self) -> bool:
        """Whether a search visits a small part of the points."""
        ...


class Points(Protocol):
    """What the engine asks of a cost |x_i - y_j|^power between points."""

    x: np.ndarray
    y: np.ndarray
    metric: str
    power: float
    is_distinct: bool

    @property
    def dim(self) -> int:
        """Dimension of the space."""
        ...

    @property
    def tree_x(self) -> Any:
        """The `Search` structure of x, built on first use and kept."""
        ...

    @property
    def tree_y(self) -> Any:
        """The same of y."""
        ...

    @property
    def magnitude(self) -> float:
        """An upper bound of the costs."""
        ...

    def unit(self) -> tuple[int, float]:
        """(s, u): the cost is u times that of 2^-s x, 2^-s y."""
        ...


class Cost(Protocol):
    """What the solvers and the certificate ask of a cost matrix C, shape (n, m).

    `Unstructured` answers the second half, from ``methods`` on, for costs known by their entries only.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        ...

    @property
    def relative_error(self) -> float:
        """|computed C_ij - true C_ij| <= relative_error * |C_ij|; 0 for stored matrices."""
        ...

    @property
    def has_forbidden(self) -> bool:
        """Whether some entry is +inf."""
        ...

    @property
    def magnitude(self) -> float:
        """An upper bound of the finite |C_ij|."""
        ...

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,)."""
        ...

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        ...

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down so that f_i + g_j <= C_ij holds exactly; shape (m,)."""
        ...

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down; shape (k,)."""
        ...

    def transpose(self) -> Cost:
        """The cost of the reversed problem."""
        ...

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods of `Exact` that suit it, the best first; "matrix" and "blocks" suit any cost."""
        ...

    @property
    def stored(self) -> np.ndarray | None:
        """All entries, if that is what the cost is."""
        ...

    @property
    def points(self) -> Points | None:
        """The points it is a cost between, if method "points" suits it."""
        ...

    @property
    def thread_safe(self) -> bool:
        """Whether blocks may be evaluated on several threads at once."""
        ...

    def check(self) -> None:
        """Raises ValueError if some entry is NaN or -inf."""
        ...

    def restrict(self, rows: np.ndarray, cols: np.ndarray) -> Cost | None:
        """C[rows][:, cols] as a cost; None where it knows no part of itself."""
        ...

    def between(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows][:, cols], shape (k, l)."""
        ...

    def strips(self) -> list[tuple[int, int]]:
        """Ranges of rows whose blocks are evaluated at a time, always the same."""
        ...


class Unstructured:
    """What a cost answers of which nothing is known but its entries."""

    methods: tuple[str, ...] = ("blocks", "matrix")
    stored: np.ndarray | None = None
    thread_safe: bool = True

    def __repr__(self: Any) -> str:
        n, m = self.shape
        return f"{type(self).__name__}({n} x {m}{''.join(f', {word}' for word in self.described())})"

    def described(self) -> tuple[str, ...]:
        """What a line says of it beside its shape."""
        return ()

    @property
    def points(self) -> Any:
        """None: there are none that method "points" could search."""
        return None

    def check(self) -> None:
        """Nothing to refuse."""

    def restrict(self: Any, rows: np.ndarray, cols: np.ndarray) -> Any:
        """None: it knows no part of itself."""
        return None

    def between(self: Any, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows][:, cols], from single entries."""
        pairs = np.repeat(rows, len(cols)), np.tile(cols, len(rows))
        return np.asarray(self.entries(*pairs)).reshape(len(rows), len(cols))

    def strips(self: Any) -> list[tuple[int, int]]:
        """Ranges of rows of about `strip_entries` entries."""
        n, m = self.shape
        return list(row_blocks(n, m, TUNING.strip_entries))


def row_blocks(n: int, m: int, target: int = 1 << 21) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose blocks hold about ``target`` entries."""
    rows = max(1, target // max(m, 1))
    for start in range(0, n, rows):
        yield start, min(n, start + rows)


def rounded_down(difference: np.ndarray) -> np.ndarray:
    """A lower bound of the exact values whose float64 subtraction gave ``difference``.

    One unit in the last place down; a difference of 0 is exact already (gradual underflow), and so is +inf.
    """
    exact = (difference == 0) | (difference == np.inf)
    return np.where(exact, difference, np.nextafter(difference, -np.inf))


@dataclass(frozen=True, eq=False)
class Matrix(Unstructured):
    """A stored cost matrix, C-contiguous float64; +inf marks a forbidden arc."""

    values: np.ndarray

    relative_error = 0.0
    methods = ("matrix", "blocks")

    @property
    def stored(self) -> np.ndarray:  # type: ignore[override]
        """The entries."""
        return self.values

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        n, m = self.values.shape
        return n, m

    @property
    def _summary(self) -> tuple[float, bool]:
        known: tuple[float, bool] | None = self.__dict__.get("_scanned")  # before any call: 2 us
        if known is not None:
            return known
        largest, forbidden, bad = _kernels().scan_costs(self.values)
        if bad >= 0:
            i, j = divmod(int(bad), self.values.shape[1])
            value = self.values[i, j]
            raise ValueError(
                f"cost[{i}, {j}] is {value}; costs must be numbers or +inf (a forbidden arc)"
                + ("; a cost of -inf has no minimum" if value == -math.inf else "")
            )
        known = self.__dict__["_scanned"] = float(largest), bool(forbidden)
        return known

    def check(self) -> None:
        """Raises ValueError if some entry is NaN or -inf."""
        self._summary  # noqa: B018

    @property
    def magnitude(self) -> float:
        """Largest finite |C_ij|."""
        return self._summary[0]

    @property
    def has_forbidden(self) -> bool:
        """Whether some entry is +inf."""
        return self._summary[1]

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols]."""
        return self.values[rows, cols]

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop] (a view)."""
        return self.values[start:stop]

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down. O(n m) time, one pass."""
        g: np.ndarray = _kernels().c_transform_matrix(self.values, f)
        return g

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return rounded_down(_kernels().row_transform_matrix(self.values, g, rows))

    def restrict(self, rows: np.ndarray, cols: np.ndarray) -> Matrix:
        """Some of the entries, copied."""
        return Matrix(self.values[np.ix_(rows, cols)])

    def transpose(self) -> Matrix:
        """C^T (copied: the kernels want contiguous rows)."""
        return Matrix(np.ascontiguousarray(self.values.T))
