"""A first guess for squared distances: the optimal map between Gaussians with the clouds' moments."""

from __future__ import annotations

import numpy as np

from transport._kdtree import KdTree
from transport._solver.at_once import ship_at_once
from transport._solver.tuning import TUNING, Tuning
from transport._tiles import typical

FLAT = 1e-6  # of the largest variance: less has no direction
DIGITS = 20  # bits kept, so that the last ones, which LAPACK may round as it likes, change nothing


def affine_potential(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, tuning: Tuning = TUNING
) -> np.ndarray:
    """f on ``x`` of the affine map that is optimal between Gaussians; zero beyond `affine_dimensions`.

    With means mu, nu and covariances S, R of (x, a) and (y, b), the map is nu + A (x - mu),
    A = S^-1/2 (S^1/2 R S^1/2)^1/2 S^-1/2 (Dowson & Landau 1982), the gradient of a convex phi, and
    f = |x|^2 - 2 phi. Clouds that are shifted, stretched or turned against each other start near their
    answer: Gaussians in d = 5, n = 4000, take 63 000 pivots instead of 286 000. Points far out do not count;
    where there are many the map is a translation (points on twelve scales, n = 5000, d = 5: 0.8 s, not 14).

    Parameters
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
    a, b : ndarray, shapes (n,) and (m,)
        Masses of any totals.

    Returns
    -------
    ndarray, shape (n,)
    """
    if x.shape[1] > tuning.affine_dimensions:
        return np.zeros(len(x))
    (mu, near_x), (nu, near_y) = _near(x, tuning), _near(y, tuning)
    if min(near_x.mean(), near_y.mean()) < tuning.affine_near:
        return -2.0 * np.einsum("ij,j->i", x, nu - mu)
    (mu, s), (nu, r) = _moments(x, np.where(near_x, a, 0.0)), _moments(y, np.where(near_y, b, 0.0))
    values, vectors = np.linalg.eigh(s)
    values = np.maximum(values, FLAT * max(float(values[-1]), np.finfo(float).tiny))
    root, inverse = ((vectors * values**p) @ vectors.T for p in (0.5, -0.5))
    values, vectors = np.linalg.eigh(root @ r @ root)
    stretch = inverse @ ((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T) @ inverse
    exponent = DIGITS - int(np.frexp(np.abs(stretch).max())[1])
    stretch = np.ldexp(np.rint(np.ldexp(stretch, exponent)), -exponent)
    moved = x - mu
    return np.einsum("ij,ij->i", x, x - 2.0 * nu) - np.einsum("ij,ij->i", moved, _times(moved, stretch))


def clusters_missed(
    x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, tuning: Tuning = TUNING
) -> float:
    """What `affine_potential` leaves of the cost between clusters, in units of their spread.

    (V - D) / W for clusters of 16 points of a sample by mass: V their optimal cost, D the value of the
    potential at their centroids, W the mean squared distance from a point to its centroid, which clusters do
    not see. At most 0.3 for Gaussians moved and stretched, cubes and ten equal clusters; 4.4 for twelve types
    of cells of unequal numbers, where another start than the affine map takes a third of the pivots. O(s d)
    time and an assignment of s / 16 clusters for samples of s points.

    Parameters
    ----------
    x, y, a, b
        As `affine_potential`.

    Returns
    -------
    float
        0 where there are too few points or too many dimensions to look.
    """
    count = tuning.clusters_missed_sample
    few = min(len(x), len(y)) < max(count, tuning.clusters_missed_points)
    if few or x.shape[1] > tuning.affine_dimensions:
        return 0.0
    (u, centre, spread), (_, other, _) = _clusters(x, a, count), _clusters(y, b, count)
    cost = np.zeros((len(centre), len(other)))
    for q in range(x.shape[1]):
        cost += (centre[:, None, q] - other[None, :, q]) ** 2
    ones = np.ones(len(centre), np.int64)
    solved = ship_at_once(cost, ones, ones, 1 << 20, tuning)
    if solved is None or not spread > 0:
        return 0.0
    weights = np.concatenate([np.ones(count), np.zeros(len(centre))])
    f = affine_potential(np.concatenate([u, centre]), y, weights, b, tuning)[count:]
    optimum = float(np.mean(solved[2]) + np.mean(solved[3]))
    return (optimum - float(np.mean(f) + np.mean((cost - f[:, None]).min(axis=0)))) / spread


def _clusters(x: np.ndarray, a: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, float]:
    """(sample, centroids of 16 of its points each, mean squared distance to them); drawn by mass."""
    ends = np.cumsum(a, dtype=float)
    drawn = np.minimum(np.searchsorted(ends, (np.arange(count) + 0.5) / count * ends[-1]), len(x) - 1)
    sample = KdTree.build(np.ascontiguousarray(x[drawn])).points
    groups = sample.reshape(count // 16, 16, -1)
    centre = groups.mean(axis=1)
    return sample, centre, float(np.mean(np.sum((groups - centre[:, None]) ** 2, axis=2)))


def _near(x: np.ndarray, tuning: Tuning) -> tuple[np.ndarray, np.ndarray]:
    """The middle, and which points are not so far out that they alone would make the moments."""
    centre, size = typical(x, tuning.tile_sample)
    return centre, np.abs(x - centre).max(axis=1) <= tuning.affine_far * size


def _moments(x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance, the same whatever the number of threads: no BLAS on long sums."""
    w = w / w.sum()
    mean = np.einsum("i,ij->j", w, x)
    moved = (x - mean) * np.sqrt(w)[:, None]
    return mean, np.einsum("ki,kj->ij", moved, moved)


def _times(x: np.ndarray, s: np.ndarray) -> np.ndarray:
    """x s, shape (n, d), without BLAS."""
    return np.einsum("ij,jk->ik", x, s)
