"""Points and a metric as a cost: the n x m matrix is never formed."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np

from transport._callable import FunctionCost
from transport._cost import Unstructured, rounded_down, row_blocks
from transport._kdtree import KdTree
from transport._nearest import look_at_all
from transport._solver.tuning import TUNING
from transport._tiles import Tiles, index
from transport.internal import as_points, check_positive, namespace, positions, row_labels, to_numpy
from transport.internal._metrics import FROM_SCIPY, metric_name, powered, scipy_metric
from transport.internal._metrics import METRICS as METRICS


def _exp2(exponent: int, power: float) -> float:
    """2 ** (exponent * power), right to 2 eps: the product is split before it is rounded."""
    product = Fraction(exponent) * Fraction(power)
    whole = round(product)
    return math.ldexp(2.0 ** float(product - whole), whole)


class PointCloud(Unstructured):
    """The cost d(x_i, y_j)^power between two sets of points; the n x m matrix is never formed.

    Parameters
    ----------
    x : array, shape (n, d) or (n,)
    y : array, shape (m, d) or (m,)
    cost : {"sqeuclidean", "euclidean", "cityblock", "chebyshev"} or callable
        Names as in `scipy.spatial.distance`, "manhattan" and the like; "sqeuclidean" is "euclidean" with
        power 2. A function of two blocks of points, and the names "canberra", "hamming", "jaccard" and
        "jensenshannon", make this a `FunctionCost`.
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

    is_distinct = False  # whether it is known that no two points coincide

    def __new__(cls, x: Any = None, y: Any = None, cost: Any = "sqeuclidean", **options: Any) -> Any:
        """A `FunctionCost` where ``cost`` is a function."""
        if cls is PointCloud and callable(cost):
            return FunctionCost(x, y, cost, **options)
        if cls is PointCloud and isinstance(cost, str) and cost in FROM_SCIPY:
            power = check_positive(options.pop("power", 1.0), "power")
            return FunctionCost(x, y, powered(scipy_metric(cost), power), **options)
        return super().__new__(cls)

    def __init__(self, x: Any, y: Any, cost: str = "sqeuclidean", *, power: float = 1.0) -> None:
        cost = metric_name(cost, ("sqeuclidean", *METRICS))
        power = check_positive(power, "power")
        self.labels = row_labels(x), row_labels(y)
        x, y = positions(x, y)
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
        self._tree_x: KdTree | Tiles | None = None
        self._tree_y: KdTree | Tiles | None = None
        self._fit_scale()

    def _fit_scale(self) -> None:
        """Scale extreme coordinates by a power of two (exact), so that squares stay in range."""
        top = np.maximum(self.x.max(axis=0), self.y.max(axis=0))
        bottom = np.minimum(self.x.min(axis=0), self.y.min(axis=0))
        half_extent = float(np.max(top / 2 - bottom / 2))
        self._factor, self._shift = 1.0, 0
        if half_extent > 0 and not 1e-75 < half_extent < 1e75:
            exponent = math.frexp(half_extent)[1]
            same = self.y is self.x
            self.x = np.ldexp(self.x, -exponent)
            self.y = self.x if same else np.ldexp(self.y, -exponent)
            half_extent = math.ldexp(half_extent, -exponent)
            log2_factor = exponent * self.power
            if abs(log2_factor) > 1000:
                raise ValueError(
                    f"costs of about 2^{log2_factor:.0f} do not fit in float64; "
                    f"multiply x and y by 2.0**{-exponent} and scale the answer back"
                )
            self._factor, self._shift = _exp2(exponent, self.power), exponent
        dim = self.x.shape[1]
        diameter = 2 * half_extent * (1.0 if self.metric == "chebyshev" else float(dim))
        self._base_magnitude = diameter**self.power
        self._half_extent = half_extent
        self._magnitude = self._base_magnitude * self._factor
        if not math.isfinite(self._magnitude):
            raise ValueError("the largest cost overflows float64; scale x and y down")

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """ "line" for points on a line with a convex cost."""
        general = ("points", "matrix", "blocks")
        return ("line", *general) if self.is_one_dimensional else general

    def described(self) -> tuple[str, ...]:
        """Dimension, metric, power."""
        return f"dim={self.dim}", repr(self.metric), f"power={self.power:g}"

    @property
    def points(self) -> PointCloud:
        """Itself."""
        return self

    def unit(self) -> tuple[int, float]:
        """(s, u): the cost is u times that of 2^-s x, 2^-s y, whose size leaves room for sums and squares."""
        if self._base_magnitude == 0 or 2.0**-400 < self._base_magnitude < 2.0**400:
            return 0, self._factor
        shift = math.frexp(self._half_extent)[1]
        return shift, _exp2(shift, self.power) * self._factor

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
        """Rounding of differences, sum, root, power: (d + 4) * (1 + power) * eps; of the unit: 4 eps."""
        unit = 0.0 if self._factor == 1.0 or self.power == round(self.power) else 4.0
        return ((self.dim + 4.0) * (1.0 + self.power) + unit) * 2.0**-52

    @property
    def is_one_dimensional(self) -> bool:
        """Points on a line with a convex cost: the sorted coupling is optimal."""
        return self.dim == 1 and self.power >= 1

    def _kernel_args(self) -> tuple[np.ndarray, np.ndarray, int, float]:
        return self.x, self.y, METRICS.index(self.metric), self.power

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,); direct differences, never the expanded square."""
        from transport._kernels.costs import entries_points

        values = entries_points(*self._kernel_args(), rows, cols)
        return values * self._factor if self._factor != 1.0 else values

    def coordinates(self, points: np.ndarray) -> np.ndarray:
        """Points of this cost, in the unit they were given in."""
        return np.ldexp(points, self._shift) if self._shift else points

    def slopes(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """dC_ij/dx_i of the pairs, shape (k, d), which is -dC_ij/dy_j; 0 for a pair at distance 0."""
        move = self.x[rows] - self.y[cols]
        largest = np.abs(move).max(axis=1, keepdims=True)
        unit = move / np.where(largest > 0, largest, 1.0)
        if self.metric == "euclidean":
            length = np.sqrt(np.sum(unit**2, axis=1, keepdims=True))
            direction = unit / np.where(largest > 0, length, 1.0)
        elif self.metric == "cityblock":
            length, direction = np.abs(unit).sum(axis=1, keepdims=True), np.sign(unit)
        else:
            length, direction = np.ones_like(largest), np.zeros_like(unit)
            first = np.abs(unit).argmax(axis=1)[:, None]
            np.put_along_axis(direction, first, np.sign(np.take_along_axis(unit, first, 1)), 1)
        distance = np.where(largest > 0, largest * length, 1.0)
        slope = self.power * distance ** (self.power - 1.0) * direction
        return np.asarray(slope * 2.0 ** (self._shift * (self.power - 1.0)))

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        from transport._kernels.costs import block_points

        values = block_points(*self._kernel_args(), start, stop)
        return values * self._factor if self._factor != 1.0 else values

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down. O((n + m) log n) time where the kd tree's bounds bite."""
        n, m = self.shape
        if np.any(f == -np.inf):
            keep = f > -np.inf
            if not keep.any():
                return np.full(m, np.inf)
            return self._with(self.x[keep], self.y).c_transform(f[keep])
        if n * m <= TUNING.scan_pairs or self._factor != 1.0:
            return rounded_down(self._scan(f))
        metric = METRICS.index(self.metric)
        if n * m <= TUNING.scan_pairs_vector and self._tree_x is None:
            limit = np.full(m, np.inf)
            seen = look_at_all(np.ascontiguousarray(self.x.T), f, self.y, 1, metric, self.power, limit)
            return rounded_down(seen.vals[:, 0])
        tree, queries = self.tree_x, self.tree_y
        fitted = tree.fit(f[tree.order])
        found = fitted.search(queries.points, 1, metric=metric, power=self.power)
        g = np.empty(m)
        g[queries.order] = np.minimum(rounded_down(found.vals[:, 0]), found.floor)
        return g

    def _scan(self, f: np.ndarray) -> np.ndarray:
        """min_i C_ij - f_i over all pairs, O(n m d)."""
        n, m = self.shape
        g = np.full(m, np.inf)
        for start, stop in row_blocks(n, m):
            values = self.block(start, stop)
            values -= f[start:stop, None]
            np.minimum(g, values.min(axis=0), out=g)
        return g

    @property
    def tree_x(self) -> KdTree | Tiles:
        """The search structure of x, built on first use and kept."""
        if self._tree_x is None:
            self._tree_x = index(self.x, METRICS.index(self.metric))
        return self._tree_x

    @property
    def tree_y(self) -> KdTree | Tiles:
        """The search structure of y, built on first use and kept."""
        if self.y is self.x:
            return self.tree_x
        if self._tree_y is None:
            self._tree_y = index(self.y, METRICS.index(self.metric))
        return self._tree_y

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return self._with(self.y, self.x[rows]).c_transform(g)

    def restrict(self, rows: np.ndarray, cols: np.ndarray) -> PointCloud:
        """The same cost between some of the points."""
        return self._with(self.x[rows], self.y[cols])

    def without_trees(self) -> PointCloud:
        """The same cost with nothing cached: for timing, or to let go of the trees' memory."""
        return self._with(self.x, self.y)

    def transpose(self) -> PointCloud:
        """The same cost seen from y."""
        other = self._with(self.y, self.x)
        other._tree_x, other._tree_y = self._tree_y, self._tree_x
        return other

    def _with(self, x: np.ndarray, y: np.ndarray) -> PointCloud:
        other = object.__new__(PointCloud)
        other.__dict__.update(self.__dict__, x=x, y=y, _tree_x=None, _tree_y=None)
        return other
