"""What `pairwise` returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False, repr=False)
class Pairwise:
    """All distances, and the interval that is proved for each.

    Attributes
    ----------
    matrix : ndarray, shape (k, l)
        Distances; symmetric, with a zero diagonal, if there was one set of measures. nan for the pairs in
        ``failures`` and for no other. With ``out=`` a view of the file.
    lower, upper : ndarray, shape (k, l)
        ``lower <= true distance <= upper``; -inf and inf where nothing is proved (failures, functions).
    failures : mapping
        (i, j) -> why this pair has no distance; a measure that is none is named with its index. i < j if
        there was one set.
    elapsed : float
        Seconds of this call.
    stats : mapping
        ``pairs``, ``computed`` (the others came from the journal), ``tiles``, ``tile_side``.
    """

    matrix: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    failures: Mapping[tuple[int, int], str]
    elapsed: float
    symmetric: bool
    stats: Mapping[str, Any] = field(default_factory=dict)

    def condensed(self, which: str = "matrix") -> np.ndarray:
        """The upper triangle row by row, shape (k (k - 1) / 2,), as `scipy.spatial.distance` has it.

        ``which``: "matrix", "lower" or "upper". Raises ValueError if there were two sets of measures.
        """
        if not self.symmetric:
            raise ValueError("condensed() is for one set of measures; this matrix is rectangular")
        array: np.ndarray = getattr(self, which)
        flat: np.ndarray = array[np.triu_indices(len(array), 1)]
        return flat

    def __repr__(self) -> str:
        k, m = self.matrix.shape
        lost = f", {len(self.failures)} failures" if self.failures else ""
        return (
            f"Pairwise({k} x {m}, {self.stats.get('computed', 0)} pairs computed{lost}, {self.elapsed:.3g} s)"
        )


@dataclass(frozen=True, eq=False, repr=False)
class Neighbours:
    """The k nearest of each measure.

    Attributes
    ----------
    indices : ndarray of int, shape (n, k)
        Of the others, nearest first; of equal distances the smaller index. -1 for a measure that is none, or
        where its failures leave fewer than k.
    distances, lower, upper : ndarray, shape (n, k)
        ``lower <= true distance <= upper``; inf where the index is -1.
    failures : mapping
        As `Pairwise.failures`, of the pairs that were looked at.
    pairs, computed : int
        All pairs, and those whose distance was computed.
    elapsed : float
        Seconds.
    """

    indices: np.ndarray
    distances: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    failures: Mapping[tuple[int, int], str]
    pairs: int
    computed: int
    elapsed: float
    n_others: int
    symmetric: bool

    @property
    def pruned(self) -> float:
        """Share of the pairs that bounds ruled out, in [0, 1]."""
        return 1.0 - self.computed / self.pairs if self.pairs else 0.0

    def graph(self, *, own: bool = True) -> Any:
        """The distances as a sparse CSR array (n, others), rows in order of distance.

        What scikit-learn takes for ``metric="precomputed"``. ``own``: with each measure itself at distance 0
        in front, if there was one set, as scikit-learn expects of training data.
        """
        from scipy.sparse import csr_array

        rows, distances = self.indices, self.distances
        if own and self.symmetric:
            rows = np.concatenate([np.arange(len(rows))[:, None], rows], axis=1)
            distances = np.concatenate([np.zeros((len(rows), 1)), distances], axis=1)
        known = rows >= 0
        starts = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        return csr_array((distances[known], rows[known], starts), shape=(len(rows), self.n_others))

    def __repr__(self) -> str:
        n, k = self.indices.shape
        lost = f", {len(self.failures)} failures" if self.failures else ""
        share = f"{self.pruned:.1%} of {self.pairs} pairs pruned"
        return f"Neighbours({n} x {k}, {share}{lost}, {self.elapsed:.3g} s)"
