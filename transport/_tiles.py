"""Nearest points in the sense of c(x, y) - v(y) in high dimension, where no tree prunes: matrix products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from transport._kdtree import KdTree
from transport._nearest import Found, look_at_all, room
from transport._solver.tuning import TUNING, Tuning
from transport.internal import cached_property, run_chunks

ROWS = 32  # of a strip at most
STRIP_ENTRIES = 1 << 17  # of a product at a time: half a megabyte, in the second cache
CHUNK_ENTRIES = 1 << 20  # a thread takes at a time
ROOM = 50  # binary digits: squares and their sums stay far from overflow in single precision


@dataclass(eq=False)
class Tiles:
    """Points without an order of their own; the same face as `KdTree`."""

    points: np.ndarray
    dtype: type[np.float32] | type[np.float64] = np.float32
    tuning: Tuning = TUNING

    prunes: ClassVar[bool] = False

    @cached_property
    def order(self) -> np.ndarray:
        """The identity."""
        return np.arange(len(self.points))

    @cached_property
    def centred(self) -> tuple[np.ndarray, np.ndarray, float]:
        """(centre, points - centre, their typical size): those of most points, however far the others are."""
        centre, size = typical(self.points, self.tuning.tile_sample)
        return centre, self.points - centre, size

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
        """The k smallest c(x_i, y_j) - v_j (below limit_i) for each row of ``x``.

        Where single precision lets too many pairs pass (tight far clusters) later searches are in double.
        """
        from transport._kernels import search_tiles

        n, y = x.shape[0], self.tree.points
        m = len(y)
        k = min(k, m)
        limit = np.full(n, np.inf) if limit is None else limit
        if metric != 0:
            return look_at_all(self.tree.transposed, self.v, x, k, metric, power, limit)
        out = room(n, k)
        dtype = self.tree.dtype
        centre, moved, size = self.tree.centred
        xc = x - centre
        exponent = int(np.frexp(max(np.abs(xc).max(), np.abs(moved).max()))[1])
        if power <= 2.0:  # far points may exceed 1 for the sake of the others' digits
            exponent = max(exponent - ROOM, int(np.frexp(size)[1])) if size > 0 else exponent
        xc, moved = np.ldexp(xc, -exponent), np.ldexp(moved, -exponent)
        bounds, scale = self._bounds(xc, moved, exponent, power)
        left, right = _in_fours(-2.0 * xc, dtype), np.ascontiguousarray(_in_fours(moved, dtype).T[:, :m])
        rows = int(np.clip(STRIP_ENTRIES // m // 4 * 4, 4, ROWS))
        chunk = max(rows, CHUNK_ENTRIES // m // rows * rows)
        work = np.zeros(-(-n // chunk), np.int64)

        def task(first: int, last: int) -> None:
            for c in range(first, last):
                part = x, c * chunk, min(n, (c + 1) * chunk), limit
                rest = rows, left, right, y, self.v, bounds, scale, power
                work[c] = search_tiles.search(*part, *rest, *out)

        run_chunks(task, len(work), slice_size=1)
        if work.sum() > self.tree.tuning.tile_coarse * n * m:
            self.tree.dtype = np.float64
        return Found(*out, int(work.sum()))

    def _bounds(
        self, xc: np.ndarray, yc: np.ndarray, exponent: int, power: float
    ) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray], tuple[float, float, float]]:
        """(xn, h, w) and (factor, offset, unit roundoff) of `transport._kernels.search_tiles`."""
        from transport._kernels.search_tiles import down, shrunk

        dtype = self.tree.dtype
        xn, yn = (shrunk(np.einsum("ij,ij->i", p, p), p.shape[1], dtype) for p in (xc, yc))
        unit = float(np.finfo(dtype).eps) / 2
        if abs(exponent * power) > 1000:  # no unit for such costs: everything passes
            never = np.full(len(yn), -np.inf, dtype)
            return (down(xn, dtype), never, -never), (0.0, 0.0, unit)
        factor = 2.0 ** (-exponent * power)
        v = self.v * factor
        varying = yn - v if power == 2.0 else v
        finite = varying[np.isfinite(varying)]
        middle = float(finite.mean()) if len(finite) else 0.0  # large potentials would cost digits
        rounding = 2.0**-50 * np.where(np.isfinite(v), np.abs(v) + (abs(middle) + np.abs(yn)), 0.0)
        if power == 2.0:
            h, w = (varying - middle) - rounding, np.zeros(len(yn))
        else:
            h, w = yn, (varying - middle) + rounding
        bounds = down(xn, dtype), down(h, dtype), -down(-w, dtype)
        return bounds, (factor, middle if power == 2.0 else -middle, unit)


def typical(points: np.ndarray, most: int) -> tuple[np.ndarray, float]:
    """(centre, size): medians of ``most`` points and of their distances (largest coordinate) from there."""
    sample = points[:: -(-len(points) // most)]
    centre = np.median(sample, axis=0)
    return centre, float(np.median(np.abs(sample - centre).max(axis=1)))


def _in_fours(points: np.ndarray, dtype: type) -> np.ndarray:
    """In ``dtype``, with zeros up to multiples of four."""
    n, d = points.shape
    out = np.zeros((-(-n // 4) * 4, -(-d // 4) * 4), dtype)
    out[:n, :d] = points
    return out


def index(points: np.ndarray, metric: int, t: Tuning = TUNING) -> KdTree | Tiles:
    """A kd tree where its bounds bite, else tiles: decided by searching a few points for their neighbours."""
    n, d = points.shape
    if d <= t.tree_dimensions or (n < t.tree_trial and d <= t.tree_dimensions_few):
        return KdTree.build(points, t)
    tiles = Tiles(points, tuning=t)
    if n < t.tree_trial:
        return tiles
    if _visits(KdTree.build(points[:: n // t.tree_trial].copy(), t), metric) * t.tree_visit >= n:
        return tiles
    tree = KdTree.build(points, t)
    return tree if _visits(tree, metric) * t.tree_visit < n else tiles


def _visits(tree: KdTree, metric: int) -> float:
    """Evaluations a search for two neighbours takes."""
    n = len(tree.points)
    sample = tree.points[:: max(1, n // tree.tuning.sample)]
    found = tree.fit(np.zeros(n)).search(sample, 2, metric=metric, power=2.0 if metric == 0 else 1.0)
    return found.work / len(sample)
