"""Costs, by what they can do: entries, row blocks, c-transform. A matrix, or points and a metric.

A cost never hands out more than it is asked for: `PointCloud` does not form the n x m matrix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from transport.internal import as_points, check_choice, check_positive, kernels, namespace, to_numpy

METRICS = ("euclidean", "cityblock", "chebyshev")


class Cost(Protocol):
    """What the solvers and the certificate need to know of a cost matrix C, shape (n, m)."""

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


def row_blocks(n: int, m: int, target: int = 1 << 21) -> Iterator[tuple[int, int]]:
    """Ranges of rows whose blocks hold about ``target`` entries."""
    rows = max(1, target // max(m, 1))
    for start in range(0, n, rows):
        yield start, min(n, start + rows)


@dataclass(frozen=True, eq=False)
class Matrix:
    """A stored cost matrix, C-contiguous float64; +inf marks a forbidden arc."""

    values: np.ndarray

    relative_error = 0.0

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        n, m = self.values.shape
        return n, m

    @cached_property
    def _summary(self) -> tuple[float, bool]:
        k = kernels("transport", np)
        largest, forbidden, bad = k.scan_costs(self.values)
        if bad >= 0:
            i, j = divmod(int(bad), self.values.shape[1])
            value = self.values[i, j]
            raise ValueError(
                f"cost[{i}, {j}] is {value}; costs must be numbers or +inf (a forbidden arc)"
                + ("; a cost of -inf has no minimum" if value == -math.inf else "")
            )
        return float(largest), bool(forbidden)

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
        return kernels("transport", np).c_transform_matrix(self.values, f)

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return np.nextafter(kernels("transport", np).row_transform_matrix(self.values, g, rows), -np.inf)

    def transpose(self) -> Matrix:
        """C^T (copied: the kernels want contiguous rows)."""
        return Matrix(np.ascontiguousarray(self.values.T))


class PointCloud:
    """The cost d(x_i, y_j)^power between two sets of points; the n x m matrix is never formed.

    Parameters
    ----------
    x : array, shape (n, d) or (n,)
    y : array, shape (m, d) or (m,)
    cost : {"sqeuclidean", "euclidean", "cityblock", "chebyshev"}
        Names as in `scipy.spatial.distance`; "sqeuclidean" is "euclidean" with power 2.
    power : float
        Exponent > 0 on the distance (keyword only).

    Raises
    ------
    ValueError
        Empty or non-finite points, differing dimensions, unknown cost, power not positive, or a cost
        outside the range of float64.

    Examples
    --------
    >>> import transport as tp
    >>> tp.PointCloud([[0.0, 0.0]], [[3.0, 4.0]], "euclidean").block(0, 1)
    array([[5.]])
    """

    has_forbidden = False

    def __init__(self, x: Any, y: Any, cost: str = "sqeuclidean", *, power: float = 1.0) -> None:
        check_choice(cost, "cost", ("sqeuclidean", *METRICS))
        power = check_positive(power, "power")
        xp = namespace(x, y)
        self.like = x
        self.x = np.ascontiguousarray(to_numpy(as_points(x, "x", xp=xp)))
        self.y = np.ascontiguousarray(to_numpy(as_points(y, "y", xp=xp)))
        if self.x.shape[1] != self.y.shape[1]:
            raise ValueError(
                f"x has dimension {self.x.shape[1]} and y has {self.y.shape[1]}; they must live in one space"
            )
        self.metric = "euclidean" if cost == "sqeuclidean" else cost
        self.power = 2.0 * power if cost == "sqeuclidean" else power
        self._fit_scale()

    def _fit_scale(self) -> None:
        """Scale extreme coordinates by a power of two (exact), so that squares stay in range."""
        top = np.maximum(self.x.max(axis=0), self.y.max(axis=0))
        bottom = np.minimum(self.x.min(axis=0), self.y.min(axis=0))
        half_extent = float(np.max(top / 2 - bottom / 2))
        self._factor = 1.0
        if half_extent > 0 and not 1e-75 < half_extent < 1e75:
            exponent = math.frexp(half_extent)[1]
            self.x = np.ldexp(self.x, -exponent)
            self.y = np.ldexp(self.y, -exponent)
            half_extent = math.ldexp(half_extent, -exponent)
            log2_factor = exponent * self.power
            if abs(log2_factor) > 1000:
                raise ValueError(
                    f"costs of about 2^{log2_factor:.0f} do not fit in float64; "
                    f"multiply x and y by 2.0**{-exponent} and scale the answer back"
                )
            self._factor = 2.0**log2_factor
        dim = self.x.shape[1]
        diameter = 2 * half_extent * (1.0 if self.metric == "chebyshev" else float(dim))
        self._magnitude = diameter**self.power * self._factor
        if not math.isfinite(self._magnitude):
            raise ValueError("the largest cost overflows float64; scale x and y down")

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self.x.shape[0], self.y.shape[0]

    @property
    def dim(self) -> int:
        """Dimension of the space."""
        return int(self.x.shape[1])

    @property
    def magnitude(self) -> float:
        """An upper bound of the costs."""
        return self._magnitude

    @property
    def relative_error(self) -> float:
        """Rounding of differences, sum, root and power: (d + 4) * (1 + power) * eps."""
        return (self.dim + 4.0) * (1.0 + self.power) * 2.0**-52

    @property
    def is_one_dimensional(self) -> bool:
        """Points on a line with a convex cost: the sorted coupling is optimal."""
        return self.dim == 1 and self.power >= 1

    def _kernel_args(self) -> tuple[np.ndarray, np.ndarray, int, float]:
        return self.x, self.y, METRICS.index(self.metric), self.power

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,); direct differences, never the expanded square."""
        values = kernels("transport", np).entries_points(*self._kernel_args(), rows, cols)
        return values * self._factor if self._factor != 1.0 else values

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        values = kernels("transport", np).block_points(*self._kernel_args(), start, stop)
        return values * self._factor if self._factor != 1.0 else values

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down. O(n m d) time, O(block) memory."""
        n, m = self.shape
        g = np.full(m, np.inf)
        for start, stop in row_blocks(n, m):
            values = self.block(start, stop)
            values -= f[start:stop, None]
            np.minimum(g, values.min(axis=0), out=g)
        return np.nextafter(g, -np.inf)

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return self._with(self.y, self.x[rows]).c_transform(g)

    def transpose(self) -> PointCloud:
        """The same cost seen from y."""
        return self._with(self.y, self.x)

    def _with(self, x: np.ndarray, y: np.ndarray) -> PointCloud:
        other = object.__new__(PointCloud)
        other.__dict__.update(self.__dict__, x=x, y=y)
        return other
