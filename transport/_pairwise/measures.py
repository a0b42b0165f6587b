"""Ragged measures, checked one by one and packed, so that a tile of pairs is one kernel call."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from transport._points import METRICS, PointCloud
from transport.internal import as_float64, as_points, as_weights, check_choice, namespace, to_numpy

Given = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False)
class Pack:
    """Measures one after the other; measure i has the atoms offsets[i] <= k < offsets[i + 1].

    Attributes
    ----------
    atoms : ndarray
        Points (total, d), sorted if d = 1; or, with one cost for all, indices (total,) of its rows.
    masses : ndarray, shape (total,)
        Positive.
    offsets : ndarray of int, shape (k + 1,)
    equal : ndarray of bool, shape (k,)
        Whether all masses of a measure are the same.
    """

    atoms: np.ndarray
    masses: np.ndarray
    offsets: np.ndarray
    equal: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """Numbers of atoms."""
        return np.diff(self.offsets)

    @cached_property
    def across(self) -> np.ndarray:
        """The points of each measure transposed, flat: rows of coordinates for vector passes."""
        if self.atoms.shape[1] == 1:
            return np.ascontiguousarray(self.atoms[:, 0])
        ranges = itertools.pairwise(self.offsets.tolist())
        parts = [np.ascontiguousarray(self.atoms[i:j].T).ravel() for i, j in ranges]
        return np.concatenate(parts) if parts else np.empty(0)

    def __getitem__(self, i: int) -> Given:
        """(atoms, masses) of measure i."""
        part = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.atoms[part], self.masses[part]

    def take(self, index: np.ndarray) -> Pack:
        """Some of the measures, to be sent elsewhere."""
        sizes = self.sizes[index]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[:-1][index] - offsets[:-1], sizes)
        return Pack(self.atoms[at], self.masses[at], offsets, self.equal[index])

    def digest(self) -> str:
        """A hash of everything in it."""
        import hashlib

        sha = hashlib.sha256()
        for part in (self.atoms, self.masses, self.offsets):
            sha.update(str((part.shape, part.dtype.str)).encode())
            sha.update(np.ascontiguousarray(part).data)
        return sha.hexdigest()


@dataclass(frozen=True, eq=False)
class Ground:
    """Where measures live: points with a metric, or the rows (columns) of one matrix of distances."""

    metric: int = 0
    matrix: np.ndarray | None = None
    places: tuple[np.ndarray, np.ndarray] | None = None
    function: Any = None

    @classmethod
    def of(cls, cost: Any, p: float) -> Ground:
        """From the ``cost`` of `pairwise`."""
        if isinstance(cost, str):
            return cls(METRICS.index(check_choice(cost, "cost", METRICS)))
        if isinstance(cost, PointCloud):
            if cost.power != p or cost._factor != 1.0:
                raise ValueError(f"cost has power {cost.power:g} and p = {p:g}; pass p={cost.power:g}")
            return cls(METRICS.index(cost.metric), places=(cost.x, cost.y))
        if callable(cost):
            return cls(function=cost)
        matrix = np.ascontiguousarray(to_numpy(as_float64(cost, "cost", xp=namespace(cost))[0]))
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(f"cost has shape {matrix.shape}; distances between bins have shape (n, m)")
        if not (matrix >= 0).all():
            i, j = np.argwhere(~(matrix >= 0))[0]
            raise ValueError(f"cost[{i}, {j}] is {matrix[i, j]}; distances must be >= 0 (inf: forbidden)")
        return cls(matrix=matrix)

    def bins(self, side: int) -> int | None:
        """How many atoms the measures of a side have, where they are given by masses alone."""
        if self.matrix is not None:
            return self.matrix.shape[side]
        return None if self.places is None else len(self.places[side])


def pack(
    measures: Any, name: str, ground: Ground, *, side: int, normalize: bool
) -> tuple[Pack, dict[int, str]]:
    """The measures, and what is wrong with those that are none (they are packed empty)."""
    items = _items(measures, name, ground)
    parts: list[Given | None] = []
    bad: dict[int, str] = {}
    bins = ground.bins(side)
    dim = None
    for i, item in enumerate(items):
        try:
            if bins is None:
                part = _cloud(item, normalize)
                dim = dim or part[0].shape[1]
                if part[0].shape[1] != dim:
                    raise ValueError(
                        f"points of dimension {part[0].shape[1]} where the first measures have {dim}"
                    )
            else:
                part = _histogram(item, bins, normalize)
                if ground.places is not None:
                    part = ground.places[side][part[0]], part[1]
            parts.append(part)
        except (ValueError, TypeError) as error:
            bad[i] = f"{name}[{i}]: {error}"
            parts.append(None)
    if bad and len(bad) == len(items):
        raise ValueError(next(iter(bad.values())))
    return _joined(parts), bad


def _items(measures: Any, name: str, ground: Ground) -> Sequence[Any]:
    if isinstance(measures, np.ndarray) or not isinstance(measures, Sequence):
        if not hasattr(measures, "ndim"):
            measures = list(measures)
        elif measures.ndim < 2:
            raise ValueError(f"{name} has shape {tuple(measures.shape)}; give one measure an entry: (k, ...)")
    if len(measures) == 0:
        raise ValueError(f"{name} is empty; give at least one measure")
    return measures


def _cloud(item: Any, normalize: bool) -> Given:
    """Points with positive weights; sorted on the line."""
    points, weights = item if isinstance(item, tuple) and len(item) == 2 else (item, None)
    xp = namespace(*(z for z in (points, weights) if z is not None))
    x = np.ascontiguousarray(to_numpy(as_points(points, "points", xp=xp)))
    w = to_numpy(as_weights(weights, "weights", xp=xp, size=len(x), normalize=normalize))
    if weights is not None and not w.all():
        x, w = x[w > 0], w[w > 0]
    if x.shape[1] == 1:
        order = np.lexsort((w, x[:, 0]))
        x, w = x[order], w[order]
    return x, w


def _histogram(item: Any, bins: int, normalize: bool) -> Given:
    w = to_numpy(as_float64(item, "masses", xp=namespace(item))[0]).reshape(-1)
    w = to_numpy(as_weights(w, "masses", xp=namespace(w), size=bins, normalize=normalize))
    support = np.flatnonzero(w)
    return support, w[support]


def _joined(parts: list[Given | None]) -> Pack:
    sound = [part for part in parts if part is not None]
    empty = sound[0][0][:0], sound[0][1][:0]
    whole = [empty if part is None else part for part in parts]
    sizes = [len(w) for _, w in whole]
    return Pack(
        np.concatenate([x for x, _ in whole]),
        np.concatenate([w for _, w in whole]),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([len(w) > 0 and bool(np.all(w == w[0])) for _, w in whole]),
    )


def is_within_range(points: Pack, others: Pack, p: float) -> bool:
    """Whether the p-th powers of all distances, and sums of them, stay far from overflow."""
    both = [pack.atoms for pack in (points, others) if len(pack.atoms)]
    top = np.max([z.max(axis=0) for z in both], axis=0)
    low = np.min([z.min(axis=0) for z in both], axis=0)
    extent = float(np.max(top / 2 - low / 2))
    return extent == 0.0 or p * (math.frexp(extent)[1] + 1 + math.log2(both[0].shape[1])) < 380
