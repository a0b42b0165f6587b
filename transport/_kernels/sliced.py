"""Projections of points onto many directions, and the costs between sorted projections (numba)."""

from __future__ import annotations

import math

import numpy as np

from transport._kernels.line import staircase
from transport._kernels.search_tiles import _four
from transport._kernels.univariate import _merged_sweep, _paired_chunk, sorted_atoms
from transport.internal import compiled

_TILE = 256
_DEPTH = 64


@compiled
def project(points, centre, scale, directions, out):
    """out[k, i] = <points[i] scale - centre, directions[k]>, shape (k, n).

    Each entry is added up in one order, whatever its place in the arrays and whatever the other entries:
    tiles are filled up with zeros, so that no point falls into the remainder of a vector loop. Equal points
    have equal projections, bit for bit, which a BLAS does not promise.
    """
    n, d = points.shape
    k = directions.shape[0]
    left = np.zeros((-(-k // 4) * 4, _DEPTH))
    tile = np.zeros((_DEPTH, _TILE + 8))  # rows of 2 kB would share cache sets
    sums = np.empty((left.shape[0], _TILE))
    for start in range(0, n, _TILE):
        width = min(_TILE, n - start)
        sums[:] = 0.0
        for first in range(0, d, _DEPTH):
            depth = min(_DEPTH, d - first)
            for i in range(width):
                for q in range(depth):
                    tile[q, i] = points[start + i, first + q] * scale - centre[first + q]
            padded = -(-depth // 4) * 4
            tile[depth:padded] = 0.0
            for r in range(k):
                for q in range(depth):
                    left[r, q] = directions[r, first + q]
                left[r, depth:padded] = 0.0
            for r in range(0, k, 4):
                for q in range(0, padded, 4):
                    _four(
                        sums[r],
                        sums[r + 1],
                        sums[r + 2],
                        sums[r + 3],
                        tile[q, :_TILE],
                        tile[q + 1, :_TILE],
                        tile[q + 2, :_TILE],
                        tile[q + 3, :_TILE],
                        left,
                        r,
                        q,
                    )
        for r in range(k):
            for i in range(width):
                out[r, start + i] = sums[r, i]


def line_cost_serial(
    x: np.ndarray, y: np.ndarray, a: np.ndarray | None, b: np.ndarray | None, p: float
) -> tuple[float, float]:
    """(unit, s) with W_p = unit s^(1/p), p < inf, for rows of projections (sorted in place); one thread."""
    if a is None and b is None and x.size == y.size:
        x.sort()
        y.sort()
        lanes = np.empty((2, 64))
        mass = float(x.size)

        def sweep(power: float, scale: float) -> tuple[float, float]:
            return _paired_chunk(x, y, power, scale, lanes)
    else:
        (x, a), (y, b) = sorted_atoms(x, a), sorted_atoms(y, b)
        sweep, mass = _merged_sweep(x, y, a, b)
    if p == 1.0 or p == 2.0:
        high, low = sweep(p, 1.0)
        if high > 2.0**-600:  # squares lost below 2^-1022 do not count
            return 1.0, (high + low) / mass
    largest = sweep(math.inf, 0.0)[0]
    if largest == 0.0:
        return 0.0, 0.0
    if largest < 2.0**-900:  # 1/unit would overflow; coordinates are of order 1
        unit, s = line_cost_serial(x * 2.0**600, y * 2.0**600, a, b, p)
        return unit * 2.0**-600, s
    unit = 2.0 ** math.frexp(largest)[1] if p <= 64.0 else largest
    high, low = sweep(p, 1.0 / unit)
    return unit, (high + low) / mass


def coupled(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The monotone coupling of projections: (rows, cols, mass), in the order given."""
    first, second = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    rows, cols, mass, _, _ = staircase(x[first], y[second], a[first], b[second], 1.0)
    return first[rows], second[cols], mass
