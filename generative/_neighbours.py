"""Fidelity and variety by nearest neighbours: precision, recall, density, coverage; copies of training data.

Sources: Kynkäänniemi, Karras, Laine, Lehtinen, Aila, NeurIPS 2019 (precision, recall); Naeem, Oh, Uh, Choi,
Yoo, ICML 2020 (density, coverage).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TREE_DIM = 8  # features up to which a kd-tree prunes; above, all distances by one matrix product
_ROWS = 1024
_CANCELLED = 1e-4  # of |x|² + |y|²: a squared distance below that is summed again from differences
_SLACK = 1e-9  # relative, so that a point on the sphere itself counts as inside


@dataclass(frozen=True)
class Manifold:
    """What balls around samples, out to their k-th neighbour in their own sample, say about two samples.

    Attributes
    ----------
    precision : float
        Share of the model's samples inside a ball of a real one.
    recall : float
        Share of the real samples inside a ball of one of the model's.
    density : float
        Mean number of real balls around a sample of the model, over k; 1 in expectation for the true law.
    coverage : float
        Share of the real balls that hold a sample of the model.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: np.ndarray, made: np.ndarray, *, k: int = 5) -> Manifold:
    """Precision, recall, density and coverage of ``made`` (m, d) against ``real`` (n, d).

    Raises
    ------
    ValueError
        If a sample has not more than ``k`` points.

    Examples
    --------
    >>> line = np.arange(4.0)[:, None]
    >>> manifold(line, line + 0.5, k=1)
    Manifold(precision=1.0, recall=1.0, density=1.75, coverage=1.0)
    """
    for name, sample in (("real", real), ("made", made)):
        if len(sample) <= k:
            raise ValueError(f"the {name} sample has {len(sample)} points; k = {k} neighbours need {k + 1}")
    if real.shape[1] <= TREE_DIM:
        return _by_trees(real, made, k)
    origin = real.mean(axis=0)
    real, made = real - origin, made - origin
    reach, other = _reach(real, k), _reach(made, k)
    inside = np.zeros(len(made), dtype=np.int64)
    covered = np.zeros(len(real), dtype=bool)
    recalled = np.zeros(len(real), dtype=bool)
    for start in range(0, len(real), _ROWS):
        rows = slice(start, start + _ROWS)
        gaps = squared_distances(real[rows], made)
        within = gaps <= reach[rows, None]
        inside += within.sum(axis=0)
        covered[rows] = within.any(axis=1)
        recalled[rows] = (gaps <= other).any(axis=1)
    return Manifold(
        float(np.mean(inside > 0)),
        float(np.mean(recalled)),
        float(np.mean(inside)) / k,
        float(np.mean(covered)),
    )


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``|x_i - y_j|²`` by a matrix product, each to a relative error of about 1e-12.

    Where the product cancels (near points far from the origin) the differences are summed instead.
    """
    sx, sy = np.einsum("ij,ij->i", x, x), np.einsum("ij,ij->i", y, y)
    scale = sx[:, None] + sy
    out = x @ y.T
    out *= -2.0
    out += scale
    rows, cols = np.nonzero(out <= _CANCELLED * scale)
    for start in range(0, len(rows), 1 << 14):
        i, j = rows[start : start + (1 << 14)], cols[start : start + (1 << 14)]
        gaps = x[i] - y[j]
        out[i, j] = np.einsum("ij,ij->i", gaps, gaps)
    return out


def _reach(x: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each point to its k-th neighbour among the others, widened by the slack."""
    found = np.empty(len(x))
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        # The point itself is at distance 0, first in order: the k-th other is number k.
        found[rows] = np.partition(squared_distances(x[rows], x), k, axis=1)[:, k]
    return found * (1 + _SLACK)


def _by_trees(real: np.ndarray, made: np.ndarray, k: int) -> Manifold:
    from scipy.spatial import cKDTree

    trees = {"real": cKDTree(real), "made": cKDTree(made)}

    def reach(points: np.ndarray, tree: Any) -> np.ndarray:
        return np.asarray(tree.query(points, k=[k + 1])[0])[:, 0] * (1 + _SLACK)

    wide, other = reach(real, trees["real"]), reach(made, trees["made"])
    balls = trees["made"].query_ball_point(real, wide)
    counts = np.array([len(ball) for ball in balls])
    inside = np.zeros(len(made), dtype=bool)
    if counts.any():
        inside[np.concatenate([np.asarray(ball, dtype=np.int64) for ball in balls])] = True
    recalled = np.zeros(len(real), dtype=bool)
    hits = [np.asarray(ball, dtype=np.int64) for ball in trees["real"].query_ball_point(made, other)]
    recalled[np.concatenate(hits)] = True
    return Manifold(
        float(inside.mean()),
        float(recalled.mean()),
        float(counts.sum()) / (k * len(made)),
        float(np.mean(counts > 0)),
    )


def nearest(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distance to, and row of, the point of ``y`` nearest to each row of ``x``."""
    if x.shape[1] <= TREE_DIM:
        from scipy.spatial import cKDTree

        far, rows = cKDTree(y).query(x)
        return np.asarray(far), np.asarray(rows)
    origin = y.mean(axis=0)
    x, y = x - origin, y - origin
    index = np.concatenate(
        [squared_distances(x[i : i + _ROWS], y).argmin(axis=1) for i in range(0, len(x), _ROWS)]
    )
    return np.linalg.norm(x - y[index], axis=1), index
