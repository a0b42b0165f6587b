"""Small random maps of images: more data from few, where a slightly moved image is as likely as the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from generative._random import Place
from transport.internal import check_positive, namespace


@dataclass(frozen=True)
class Affine:
    """Each image turned, stretched, sheared and shifted a little, anew each time: `fit`'s ``augment``.

    Every amount is drawn uniformly between plus and minus the number given. Values between pixels are
    bilinear; beyond the edge those at the edge go on.

    Parameters
    ----------
    shift : float
        Pixels, along each axis.
    angle : float
        Radians.
    zoom : float
        Logarithm of the factor, along each axis by itself.
    shear : float
        Rows, for each row from the middle.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((5, 8, 8, 1))
    >>> Affine(shift=1.0)(x, np.random.default_rng(1)).shape
    (5, 8, 8, 1)
    """

    shift: float = 0.5
    angle: float = 0.075
    zoom: float = 0.05
    shear: float = 0.075

    def __post_init__(self) -> None:
        for name in ("shift", "angle", "zoom", "shear"):
            value = getattr(self, name)
            if value != 0:
                check_positive(value, name)

    def __call__(self, x: Any, rng: np.random.Generator) -> Any:
        """Images (n, h, w, c), each moved by a draw of its own."""
        if x.ndim != 4:
            raise ValueError(f"x has shape {tuple(x.shape)}; Affine moves images (n, h, w, c)")
        n = x.shape[0]
        turn = rng.uniform(-1, 1, n) * self.angle
        scale = np.exp(rng.uniform(-1, 1, (n, 2)) * self.zoom)
        slant = rng.uniform(-1, 1, n) * self.shear
        cos, sin = np.cos(turn), np.sin(turn)
        rows = np.stack([cos, -sin], axis=1) * scale[:, :1]
        columns = np.stack([sin + slant * cos, cos - slant * sin], axis=1) * scale[:, 1:]
        return moved(x, np.stack([rows, columns], axis=1), rng.uniform(-1, 1, (n, 2)) * self.shift)


def moved(x: Any, maps: np.ndarray, shifts: np.ndarray) -> Any:
    """Image i at pixel p, counted from the middle, is ``x[i]`` at ``maps[i] p + shifts[i]``: (n, h, w, c).

    >>> x = np.arange(9.0).reshape(1, 3, 3, 1)
    >>> moved(x, np.array([[[0.0, -1.0], [1.0, 0.0]]]), np.zeros((1, 2)))[0, :, :, 0]
    array([[6., 3., 0.],
           [7., 4., 1.],
           [8., 5., 2.]])
    """
    xp, place = namespace(x), Place(x)
    n, h, w, c = x.shape
    grid = np.indices((h, w)).reshape(2, -1)
    middle = np.array([[(h - 1) / 2], [(w - 1) / 2]])
    at = maps @ (grid - middle) + shifts[:, :, None] + middle  # (n, 2, h·w)
    row, down = _between(at[:, 0], h)
    column, right = _between(at[:, 1], w)
    first = (np.arange(n)[:, None] * h + row) * w + column
    flat = xp.reshape(x, (n * h * w, c))

    def corner(below: int, beside: int) -> Any:
        rows = np.ravel(first + below * w * (row < h - 1) + beside * (column < w - 1))
        return xp.reshape(xp.take(flat, xp.asarray(rows, device=flat.device), axis=0), (n, h * w, c))

    down, right = place.put(down)[:, :, None], place.put(right)[:, :, None]
    above = corner(0, 0) * (1 - right) + corner(0, 1) * right
    under = corner(1, 0) * (1 - right) + corner(1, 1) * right
    return xp.reshape(above * (1 - down) + under * down, (n, h, w, c))


def _between(at: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixel before, and how far beyond it; kept within the image."""
    at = np.clip(at, 0, count - 1)
    before = np.floor(at).astype(np.int64)
    return before, at - before
