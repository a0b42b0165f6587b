"""The barycentre on the line, exact: quantile functions are averaged."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from transport._barycenters.fixed import check_weights
from transport._univariate import _positions
from transport.internal import as_weights, namespace, to_numpy


class LineBarycenter(NamedTuple):
    """Atoms in order, their masses, and the least objective sum_k w_k W_2^2(q, a_k)."""

    points: np.ndarray
    masses: np.ndarray
    value: float


def barycenter_1d(
    points: Any, weights: Any = None, *, masses: Any = None, normalize: bool = False
) -> LineBarycenter:
    r"""The W_2 barycentre of measures on the line: its quantile function is the weighted mean of theirs.

    Parameters
    ----------
    points : sequence of arrays, shapes (n_k,)
        Positions, in any order.
    weights : array, shape (k,), optional
        w_k >= 0, summing to 1; equal by default.
    masses : sequence of arrays or None, optional
        Of the points, each summing to 1; equal by default.
    normalize : bool
        Divide weights and masses by their totals instead of insisting on 1.

    Returns
    -------
    LineBarycenter
        At most sum_k n_k atoms; ``value`` is the optimum.

    Raises
    ------
    ValueError, TypeError
        As `wasserstein_1d`.

    Examples
    --------
    >>> import transport as tp
    >>> found = tp.barycenter_1d([[0.0, 1.0], [4.0, 7.0]])
    >>> found.points.tolist(), found.value
    ([2.0, 4.0], 6.5)
    """
    given = list(points)
    shares = check_weights(weights, len(given), normalize)
    masses = [None] * len(given) if masses is None else list(masses)
    if len(masses) != len(given):
        raise ValueError(
            f"masses holds {len(masses)} arrays for {len(given)} measures; their numbers must match"
        )
    sorted_points, levels = [], []
    for k, (x, a) in enumerate(zip(given, masses)):
        x = to_numpy(_positions(x, f"points[{k}]", xp=namespace(x)))
        order = np.argsort(x, kind="stable")
        sorted_points.append(x[order])
        if a is None:
            levels.append(np.arange(1, len(x) + 1) / len(x))
        else:
            xp = namespace(a)
            a = to_numpy(as_weights(a, f"masses[{k}]", xp=xp, size=len(x), normalize=normalize))
            levels.append(np.cumsum(a[order]) / math.fsum(a))
        levels[k][-1] = 1.0
    steps = _union(levels)
    ends = np.concatenate([[0.0], steps])
    middle = ends[:-1] + np.diff(ends) / 2
    moved = np.array([x[np.searchsorted(u, middle)] for x, u in zip(sorted_points, levels)])
    mean = shares @ moved
    value = math.fsum((shares @ (moved - mean) ** 2) * np.diff(ends))
    atoms, place = np.unique(mean, return_inverse=True)
    return LineBarycenter(atoms, np.bincount(place, weights=np.diff(ends)), value)


def _union(levels: list[np.ndarray]) -> np.ndarray:
    """All levels in (0, 1], those that differ by rounding alone taken for one."""
    every = np.unique(np.concatenate(levels))
    every = every[every > 0]
    tiny = 4 * len(every) * 2.0**-52
    keep = np.append(np.diff(every) > tiny, True)
    return every[keep]
