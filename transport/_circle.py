"""Points on a circle as a cost: the distance along the shorter arc, to a power."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport._cost import Unstructured
from transport._points import PointCloud
from transport._univariate import _centred, _positions
from transport.internal import check_positive, namespace, to_numpy


class Circle(Unstructured):
    """The cost d(x_i, y_j)^power on a circle of length ``period``, d along the shorter arc.

    For power >= 1 `transport.solve` finds plan and potentials in closed form, O((n + m) log(n + m)).

    Parameters
    ----------
    x, y : array, shape (n,) or (n, 1), and (m,) or (m, 1)
        Positions, taken modulo ``period``.
    power : float
        Exponent > 0 on the distance (keyword only).
    period : float
        Length of the circle (keyword only): ``2 * math.pi`` for radians, 24 for hours.

    Raises
    ------
    ValueError
        Empty or non-finite positions, points in space, power or period not positive and finite, or a cost
        outside the range of float64.

    See Also
    --------
    wasserstein_circle : the distance alone.

    Notes
    -----
    Two charts of the circle cover all pairs, cut at opposite points. A pair on both sides of a cut is
    measured in the other chart, whose coordinates are exact near that cut (Sterbenz), so that small
    distances keep their relative accuracy everywhere.

    Examples
    --------
    >>> import transport as tp
    >>> tp.solve(tp.Circle([23.5, 12.0], [0.5, 11.0], period=24)).value
    1.0
    """

    has_forbidden = False

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """ "circle" if it is convex."""
        return ("circle", *Unstructured.methods) if self.is_convex else Unstructured.methods

    def __init__(self, x: Any, y: Any, *, power: float = 1.0, period: float = 1.0) -> None:
        self.power = check_positive(power, "power")
        self.period = check_positive(period, "period")
        xp = namespace(x, y)
        self.like = x
        x, y = (
            to_numpy(_centred(_positions(z, name, xp=xp), self.period)) for z, name in ((x, "x"), (y, "y"))
        )
        self._fit(x, y)

    def _fit(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = x, y
        half = self.period / 2
        x2, y2 = (np.where(z > 0, z - half, z + half) for z in (x, y))
        self._near = PointCloud(x, y, "euclidean", power=self.power)
        self._far = PointCloud(x2, y2, "euclidean", power=self.power)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return self._near.shape

    @property
    def relative_error(self) -> float:
        """That of points on a line, and two roundings of coordinates that are at least a quarter turn off."""
        return self._near.relative_error + self.power * 2.0**-49

    @property
    def magnitude(self) -> float:
        """An upper bound of the costs."""
        return max(self._near.magnitude, self._far.magnitude)

    @property
    def is_convex(self) -> bool:
        """Power >= 1: some optimal plan preserves the cyclic order."""
        return self.power >= 1

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,)."""
        across = (self.x[rows] > 0) != (self.y[cols] > 0)
        near, far = self._near.entries(rows, cols), self._far.entries(rows, cols)
        return np.where(across, np.minimum(near, far), near)

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        across = (self.x[start:stop, None] > 0) != (self.y > 0)
        near, far = self._near.block(start, stop), self._far.block(start, stop)
        return np.where(across, np.minimum(near, far), near)

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down; O((n + m) log n)."""
        g = self._near.c_transform(f)
        for side in (True, False):
            i, j = np.flatnonzero((self.x > 0) == side), np.flatnonzero((self.y > 0) != side)
            if len(i) and len(j):
                across = self._far._with(self._far.x[i], self._far.y[j])
                g[j] = np.minimum(g[j], across.c_transform(f[i]))
        return g

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return self._with(self.y, self.x[rows]).c_transform(g)

    def transpose(self) -> Circle:
        """The same cost seen from y."""
        return self._with(self.y, self.x)

    def _with(self, x: np.ndarray, y: np.ndarray) -> Circle:
        other = object.__new__(Circle)
        other.power, other.period, other.like = self.power, self.period, self.like
        other._fit(x, y)
        return other
