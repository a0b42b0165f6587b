"""Densities constant on the pixels of a box."""

from __future__ import annotations

from typing import Any

import numpy as np

from transport.internal import Array, as_float64, namespace, require_finite, to_numpy

_XP = namespace()


class PixelDensity:
    """A density constant on the pixels of a box: an image, a histogram, or (one pixel) the uniform law.

    Parameters
    ----------
    masses : array, shape (n,) on the line or (rows, cols) in the plane
        Non-negative; normalised to 1. Row 0 is the lowest y, column 0 the lowest x.
    box : pair, or ((x0, x1), (y0, y1))

    Examples
    --------
    >>> PixelDensity([[1.0]], ((0, 2), (0, 1))).dim
    2
    """

    def __init__(self, masses: Array, box: Any) -> None:
        m, _ = as_float64(to_numpy(masses) if hasattr(masses, "shape") else masses, "masses", xp=_XP)
        require_finite(m, "masses", xp=_XP)
        if m.ndim not in (1, 2) or m.size == 0:
            raise ValueError(
                f"masses has shape {m.shape}; pixels live on a line (n,) or in a plane (rows, cols)"
            )
        if m.min() < 0 or not m.sum() > 0:
            raise ValueError(
                f"masses must be >= 0 with a positive total; smallest {m.min()}, total {m.sum()}"
            )
        self.box = np.asarray(box, dtype=float).reshape(-1, 2)
        if len(self.box) != m.ndim or not np.all(self.box[:, 0] < self.box[:, 1]):
            raise ValueError(f"box = {box!r}; give {m.ndim} pair(s) (lower, upper) with lower < upper")
        self.dim = m.ndim
        self.masses = m / m.sum()
        self.widths = (self.box[:, 1] - self.box[:, 0]) / np.array(m.shape[::-1])
