"""Unit vectors to project on: independent, orthogonal, low-discrepancy, or given."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from transport.internal import as_points, check_choice, check_count, namespace, to_numpy

KINDS = ("independent", "orthogonal", "quasi")
_ROTATIONS = 8  # independent randomisations of a low-discrepancy set: what its standard error rests on


class Directions(NamedTuple):
    """Unit vectors (k, d) and the sizes of the groups of them that were drawn independently."""

    vectors: np.ndarray
    groups: tuple[int, ...]


def directions(kind: Any, n_projections: Any, dim: int, rng: Any) -> Directions:
    """Validated and drawn; in one dimension the one direction there is.

    Raises
    ------
    ValueError
        n_projections below 1, an unknown name, given vectors of the wrong shape or of length 0, or both
        given vectors and their number.
    """
    if not isinstance(kind, str):
        vectors = _given(kind, dim)
        if n_projections is not None:
            raise ValueError("give directions, or n_projections to draw them, not both")
        return Directions(vectors, (1,) * len(vectors))
    check_choice(kind, "directions", KINDS)
    count = 256 if n_projections is None else check_count(n_projections, "n_projections")
    if dim == 1:
        return Directions(np.ones((1, 1)), ())
    generator = np.random.default_rng(rng)
    if kind == "independent":
        return Directions(_unit(generator.standard_normal((count, dim))), (1,) * count)
    if kind == "orthogonal":
        sizes = (dim,) * (count // dim) + ((count % dim,) if count % dim else ())
        blocks = [_rotation(dim, generator, size) for size in sizes]
        return Directions(np.concatenate(blocks), sizes)
    number = max(1, min(_ROTATIONS, count // 2))
    sizes = tuple(len(part) for part in np.array_split(np.empty(count), number))
    return Directions(np.concatenate([_spread(size, dim, generator) for size in sizes]), sizes)


def _given(kind: Any, dim: int) -> np.ndarray:
    vectors = to_numpy(as_points(kind, "directions", xp=namespace(kind)))
    if vectors.shape[1] != dim:
        raise ValueError(
            f"directions have dimension {vectors.shape[1]} and the points {dim}; give shape (k, {dim})"
        )
    largest = np.abs(vectors).max(axis=1)
    if not np.all(largest > 0):
        row = int(np.argmin(largest))
        raise ValueError(f"directions[{row}] is zero; a direction needs a length")
    return _unit(vectors / largest[:, None])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _rotation(dim: int, rng: np.random.Generator, rows: int) -> np.ndarray:
    """``rows`` orthonormal vectors, uniform on the Stiefel manifold (QR with positive diagonal)."""
    q, r = np.linalg.qr(rng.standard_normal((dim, rows)))
    signs = np.where(np.diag(r) < 0, -1.0, 1.0)
    return np.ascontiguousarray((q * signs).T)


def _spread(count: int, dim: int, rng: np.random.Generator) -> np.ndarray:
    """Evenly spread lines: a lattice of angles, a spiral on the half sphere, scrambled Sobol points beyond.

    Each is randomised so that the mean of any even function over them is unbiased.
    """
    if dim == 2:
        angle = math.pi * (np.arange(count) + rng.random()) / count
        return np.column_stack([np.cos(angle), np.sin(angle)])
    if dim == 3:  # equal areas along the axis, golden angle around it (Swinbank, Purser 2006)
        height = (np.arange(count) + 0.5) / count
        turn = np.arange(count) * (math.pi * (3 - math.sqrt(5)))
        radius = np.sqrt(1 - height**2)
        points = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), height])
        return _unit(points @ _rotation(3, rng, 3))
    from scipy.special import ndtri
    from scipy.stats import qmc

    sobol = qmc.Sobol(dim, scramble=True, rng=rng)
    cube = np.asarray(sobol.random(1 << (count - 1).bit_length())[:count])
    return _unit(np.asarray(ndtri(np.clip(cube, 2.0**-54, 1 - 2.0**-53))))
