"""The oracle of points: kd trees, or tiles where no tree prunes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transport._kdtree import Fitted, KdTree
from transport._nearest import Found
from transport._solver.pricing.oracle import Slices
from transport._solver.tuning import TUNING, Tuning
from transport._tiles import FittedTiles, Tiles

_EPS = 2.0**-52


def _as_index(k: np.ndarray) -> np.ndarray:
    """One type of index, writable: kernels are compiled once."""
    return k if k.dtype == np.int64 and k.flags.carray else np.require(k, np.int64, ["C", "W"])


@dataclass(frozen=True)
class Norm:
    """The cost |x - y|^power: metric 0 Euclidean, 1 cityblock, 2 Chebyshev."""

    metric: int
    power: float
    block_pairs: int = TUNING.block_pairs

    def __iter__(self) -> Iterator[float]:
        """What kernels are told."""
        return iter((self.metric, self.power))

    def costs(self, x: np.ndarray, y: np.ndarray, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c(x[rows], y[cols]): of pairs, or of all pairs if rows is a column and cols a row."""
        from transport._kernels.costs import block_points, entries_points

        if np.ndim(rows) == 2:  # a column of rows and a row of columns
            rows, cols = np.ravel(rows), np.ravel(cols)
            if len(rows) * len(cols) > self.block_pairs:
                return block_points(x[rows], y[cols], self.metric, self.power, 0, len(rows))
            pairs = np.repeat(rows, len(cols)), np.tile(cols, len(rows))
            return self.costs(x, y, *pairs).reshape(len(rows), len(cols))
        return entries_points(x, y, *self, *(_as_index(k) for k in (rows, cols)))

    def search(
        self, fitted: Fitted | FittedTiles, x: np.ndarray, k: int, limit: np.ndarray | None = None
    ) -> Found:
        """The k smallest c(x_i, y_j) - v_j for each row of ``x``, below ``limit``."""
        return fitted.search(x, k, metric=self.metric, power=self.power, limit=limit)


class PointsOracle:
    """All pairs of two point clouds; indices are positions in the order of their search structures.

    Parameters
    ----------
    x, y : KdTree or Tiles
    norm : Norm
    magnitude : float
    tuning : Tuning
    """

    has_forbidden = giants_forbid = False

    def __init__(
        self, x: KdTree | Tiles, y: KdTree | Tiles, norm: Norm, magnitude: float, tuning: Tuning = TUNING
    ) -> None:
        self.x, self.y, self.norm, self.magnitude, self.tuning = x, y, norm, magnitude, tuning
        self.shortlist, self.per_row = tuning.points_shortlist, tuning.points_per_row

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.x.points), len(self.y.points)

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast."""
        return self.norm.costs(self.x.points, self.y.points, rows, cols)

    def matrix(self) -> np.ndarray | None:
        """All costs, unless they are many."""
        from transport._kernels.costs import block_points

        n, m = self.shape
        if n * m > self.tuning.whole_pairs:
            return None
        return block_points(self.x.points, self.y.points, self.norm.metric, self.norm.power, 0, n)

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """By bounded search."""
        yield
        if limit is not None:  # |c| + |v| >= |c - v| ~ |limit|: rounding alone takes no arc further below it
            limit = limit - 14 * _EPS * np.where(limit < np.inf, np.abs(limit), 0.0)
        return self.norm.search(self.y.fit(v), self.x.points, k, limit)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """By bounded search from either side."""
        rows = yield from self.nearest(g, self.shortlist)
        yield
        return rows, self.norm.search(self.x.fit(rows.least), self.y.points, self.shortlist)

    def lowest(self) -> Slices[np.ndarray]:
        """By a search for the nearest source."""
        yield
        return self.norm.search(self.x.fit(np.zeros(len(self.x.points))), self.y.points, 1).vals[:, 0].copy()
