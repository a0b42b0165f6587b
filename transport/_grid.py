"""Images and volumes as a cost: every pixel to every pixel of one regular grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from transport._points import PointCloud
from transport.internal import as_float64, check_count, check_positive, namespace


class Grid(PointCloud):
    """The cost d(p, q)^power between the cells of a grid; weights are images, flattened in C order.

    Parameters
    ----------
    shape : sequence of int
        (height, width), (depth, height, width), or any number of axes.
    cost : {"sqeuclidean", "euclidean", "cityblock", "chebyshev"}
    power : float
        Exponent > 0 on the distance (keyword only).
    spacing : float or sequence of float
        Distance between neighbouring cells, one for all axes or one for each.

    Raises
    ------
    ValueError
        An axis shorter than 1, a spacing that is not positive and finite, or as `PointCloud`.

    Examples
    --------
    >>> import numpy as np, transport as tp
    >>> a, b = np.zeros((2, 3)), np.zeros((2, 3))
    >>> a[0, 0] = b[1, 2] = 1.0
    >>> tp.solve(tp.Grid((2, 3)), a.ravel(), b.ravel()).value
    5.0
    """

    def __init__(
        self,
        shape: Sequence[int],
        cost: str = "sqeuclidean",
        *,
        power: float = 1.0,
        spacing: Any = 1.0,
    ) -> None:
        axes = tuple(check_count(n, f"shape[{k}]") for k, n in enumerate(shape))
        if not axes:
            raise ValueError("shape is empty; a grid needs at least one axis")
        steps, _ = as_float64(spacing, "spacing", xp=namespace())
        steps = np.broadcast_to(steps, (len(axes),)) if np.ndim(steps) == 0 else steps
        if np.shape(steps) != (len(axes),):
            raise ValueError(f"spacing has shape {np.shape(steps)}; give one number, or one for each axis")
        steps = [check_positive(h, f"spacing[{k}]") for k, h in enumerate(steps)]
        cells = np.empty((math.prod(axes), len(axes)))
        for k, index in enumerate(np.indices(axes, sparse=True)):
            cells.reshape(*axes, len(axes))[..., k] = index * steps[k]
        super().__init__(cells, cells, cost, power=power)
        self.grid_shape, self.steps = axes, np.array(steps)

    is_distinct = True

    @property
    def methods(self) -> tuple[str, ...]:  # type: ignore[override]
        """ "grid" for l1, after "line" where that suits."""
        general = super().methods
        if not self.is_l1:
            return general
        return ("line", "grid", *general[1:]) if self.is_one_dimensional else ("grid", *general)

    def described(self) -> tuple[str, ...]:
        """Shape of the grid, metric, power."""
        return f"shape={self.grid_shape}", repr(self.metric), f"power={self.power:g}"

    @property
    def is_l1(self) -> bool:
        """The l1 distance itself: a shortest path from cell to neighbouring cell."""
        return self.metric == "cityblock" and self.power == 1 and self._factor == 1

    @property
    def _rounding(self) -> float:
        """For l1, |computed C_ij - exact sum of steps| <= this times C_ij; 0 for spacings like 1 or 0.25."""
        bits = [53 - _trailing_zeros(h) + n.bit_length() for h, n in zip(self.steps, self.grid_shape)]
        if max(bits) <= 52 and np.all(self.steps == self.steps[0]):
            return 0.0
        return (max(self.grid_shape) + len(self.grid_shape) + 4) * 2.0**-51

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down; O(n) for l1, else as for any points."""
        if not self.is_l1:
            return super().c_transform(f)
        from transport._kernels.grid_l1 import lowest_on_grid

        high = -f
        low = lowest_on_grid(high, np.array(self.grid_shape), self.steps * (1.0 - self._rounding))
        return np.where(low < 0, np.nextafter(high, -np.inf), high)

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return self.c_transform(g)[rows] if self.is_l1 else super().row_transform(g, rows)


def _trailing_zeros(h: float) -> int:
    """Of the 53 bits of ``h``."""
    mantissa = int(math.ldexp(math.frexp(h)[0], 53))
    return (mantissa & -mantissa).bit_length() - 1
