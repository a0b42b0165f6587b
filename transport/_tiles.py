"""Nearest points in the sense of c(x, y) - v(y) in high dimension, where no tree prunes: tiles of BLAS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from transport._kdtree import Found, KdTree, look_at_all
from transport.internal import run_chunks

LOW_DIMENSION = 7  # up to here a tree search always beats tiles
TILE_ENTRIES = 1 << 22
ROWS = 64  # rows of a tile per task


@dataclass(frozen=True, eq=False)
class Tiles:
    """Points without an order of their own; the same face as `KdTree`."""

    points: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        """The identity."""
        return np.arange(len(self.points))

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(centre, points - centre, squared norms shrunk to a bound)."""
        centre = self.points.mean(axis=0)
        moved = self.points - centre
        return centre, moved, _norms(moved)

    @cached_property
    def transposed(self) -> np.ndarray:
        """The points as (d, n)."""
        return np.ascontiguousarray(self.points.T)

    def fit(self, v: np.ndarray) -> FittedTiles:
        """These points with the potential ``v``, shape (n,)."""
        return FittedTiles(self, v)


@dataclass(frozen=True, eq=False)
class FittedTiles:
    """Points and a potential, ready to be searched."""

    tree: Tiles
    v: np.ndarray

    def search(
        self, x: np.ndarray, k: int, *, metric: int, power: float, limit: np.ndarray | None = None
    ) -> Found:
        """The k smallest c(x_i, y_j) - v_j (below limit_i) for each row of ``x``."""
        from transport._kernels import tiles

        n, y = x.shape[0], self.tree.points
        m = y.shape[0]
        k = min(k, m)
        limit = np.full(n, np.inf) if limit is None else limit
        if metric != 0:
            return look_at_all(self.tree.transposed, self.v, x, k, metric, power, limit)
        out = (np.empty((n, k), np.int32), np.empty((n, k)), np.empty(n, np.int32), np.empty(n))
        centre, moved, yn = self.tree.centred
        xc = x - centre
        xn = _norms(xc)
        size = max(ROWS, TILE_ENTRIES // m // ROWS * ROWS)
        work = np.zeros(-(-n // ROWS), np.int64)
        for base in range(0, n, size):
            tile = (-2.0 * xc[base : base + size]) @ moved.T

            def task(first: int, last: int, tile: np.ndarray = tile, base: int = base) -> None:
                for c in range(first, last):
                    part = (c * ROWS, min(len(tile), (c + 1) * ROWS))
                    work[base // ROWS + c] = tiles.sift(
                        tile, base, *part, x, y, xn, yn, self.v, limit, power, *out
                    )

            run_chunks(task, -(-len(tile) // ROWS), slice_size=1)
        return Found(*out, int(work.sum()))


def _norms(x: np.ndarray) -> np.ndarray:
    """Squared norms, less a bound of all roundings in |x|^2 + |y|^2 - 2 x . y and in the centring."""
    return np.einsum("ij,ij->i", x, x) * (1.0 - (4.0 * x.shape[1] + 48.0) * 2.0**-53)


def index(points: np.ndarray, metric: int) -> KdTree | Tiles:
    """A kd tree where its bounds bite, else tiles: decided by searching a few points for their neighbours."""
    n, d = points.shape
    if d <= LOW_DIMENSION:
        return KdTree.build(points)
    if n < 512:
        return Tiles(points)
    tree = KdTree.build(points)
    sample = tree.points[:: max(1, n // 64)]
    found = tree.fit(np.zeros(n)).search(sample, 2, metric=metric, power=2.0 if metric == 0 else 1.0)
    return tree if found.work * 16 < n * len(sample) else Tiles(points)
