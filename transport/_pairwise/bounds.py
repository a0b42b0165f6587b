"""Lower bounds of W_p for all pairs at once, cheap beside the distances: what proves a pair to be too far.

For points with a metric that dominates the coordinates' differences:

- means: d(mean x, mean y) <= W_p (Jensen);
- projections on orthonormal directions u_1, u_2, ...: for p >= 2 and the Euclidean metric
  sum_k W_p(u_k x, u_k y)^p <= W_p^p, because sum_k |u_k z|^p <= |z|^p; for p < 2 the largest of them;
- landmarks: |W_p(x, l) - W_p(y, l)| <= W_p(x, y), the triangle inequality.
"""

from __future__ import annotations

import numpy as np

from transport._pairwise.measures import Pack
from transport._pairwise.tasks import Work, in_chunks
from transport._points import METRICS

TURNS = 4  # orthonormal frames in the plane, a quarter of a right angle apart
AXES = 8  # principal axes in higher dimensions
_ROUNDING = 1e-12


def has_bounds(work: Work) -> bool:
    """Whether the distance is an exact W_p of points in a named metric."""
    ground = work.ground
    return work.function is None and work.solver is None and ground.function is None and ground.matrix is None


def lower_bounds(work: Work, left: Pack, right: Pack) -> np.ndarray:
    """A lower bound of the distance of every pair, shape (k, l); 0 where nothing is known.

    Bad measures are empty and get 0.
    """
    out = np.zeros((len(left), len(right)))
    if not has_bounds(work) or left.atoms.shape[1] == 1:
        return out
    size = max(float(np.abs(z.atoms).max(initial=0.0)) for z in (left, right))
    _raise_to(out, _between_means(work.ground.metric, left, right))
    for frame in _frames(work, left, right):
        _raise_to(out, _by_frame(work, left, right, frame))
    out *= 1.0 - _ROUNDING
    out -= _ROUNDING * size
    return np.maximum(out, 0.0, out=out)


def _between_means(metric: int, left: Pack, right: Pack) -> np.ndarray:
    from scipy.spatial.distance import cdist

    x, y = (_means(pack) for pack in (left, right))
    return np.nan_to_num(cdist(x, y, METRICS[metric]))


def _means(pack: Pack) -> np.ndarray:
    """Of every measure; nan for empty ones."""
    owner = np.repeat(np.arange(len(pack)), pack.sizes)
    sums = [np.bincount(owner, pack.masses * z, len(pack)) for z in pack.atoms.T]
    with np.errstate(invalid="ignore"):
        return np.stack(sums, axis=1) / np.bincount(owner, pack.masses, len(pack))[:, None]


def _raise_to(out: np.ndarray, other: np.ndarray) -> None:
    np.maximum(out, other, out=out)


def _frames(work: Work, left: Pack, right: Pack) -> list[np.ndarray]:
    """Sets of orthonormal directions, (r, d) each."""
    dim = left.atoms.shape[1]
    if work.ground.metric != 0:  # the coordinates themselves are the directions that these metrics dominate
        return [np.eye(dim)[:AXES]]
    if dim == 2:
        angles = np.arange(TURNS) * (np.pi / 2 / TURNS)
        return [np.array([[np.cos(t), np.sin(t)], [-np.sin(t), np.cos(t)]]) for t in angles]
    pooled = np.concatenate([left.atoms, right.atoms])
    pooled = pooled - pooled.mean(axis=0)
    _, axes = np.linalg.eigh(pooled.T @ pooled)
    return [np.ascontiguousarray(axes.T[::-1][:AXES])]


def _by_frame(work: Work, left: Pack, right: Pack, frame: np.ndarray) -> np.ndarray:
    """From the marginals in each direction of an orthonormal frame."""
    total = np.zeros((len(left), len(right)))
    adds = work.ground.metric == 1 or (work.ground.metric == 0 and work.p >= 2)
    for direction in frame:
        one = _on_line(left, right, direction, work.p)
        if adds:
            total += one**work.p
        else:
            _raise_to(total, one)
    return total ** (1.0 / work.p) if adds else total


def _on_line(left: Pack, right: Pack, direction: np.ndarray, p: float) -> np.ndarray:
    """W_p of the projections of all pairs."""
    from transport._kernels.pairs import line_range

    x, y = _projected(left, direction), _projected(right, direction)
    pairs = np.indices((len(left), len(right))).reshape(2, -1).T
    sizes = left.sizes, right.sizes
    keep = (sizes[0][pairs[:, 0]] > 0) & (sizes[1][pairs[:, 1]] > 0)
    pairs = np.ascontiguousarray(pairs[keep])
    found = np.empty(len(pairs))
    atoms = sizes[0][pairs[:, 0]] + sizes[1][pairs[:, 1]]
    in_chunks(lambda i, j: line_range(i, j, pairs, x, y, p, found), atoms)
    out = np.zeros(len(keep))
    out[keep] = found
    return out.reshape(len(left), len(right))


def _projected(pack: Pack, direction: np.ndarray) -> tuple[np.ndarray, ...]:
    """The measures of a set on a line, each in order."""
    z = pack.atoms @ direction
    owner = np.repeat(np.arange(len(pack)), pack.sizes)
    order = np.lexsort((pack.masses, z, owner))
    return z[order], pack.masses[order], pack.offsets, pack.equal
