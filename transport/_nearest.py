"""The one search of every cost: for each row the k smallest c_ij - v_j below a limit of that row.

Shortlists, pricing, c-transforms and cuts are this search with other potentials and limits. Each way to hold
costs has a kernel ``search(x, start, stop, limit, *storage, cols, vals, counts, floor)``: stored matrices
(`search_matrix`), stored arcs (`sparse`), points by a kd tree (`search_kd`), by tiles (`search_tiles`) or
one by one (`search_all`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from transport.internal import run_chunks

PART = 4096  # searches of points that a thread does at a time
SMALL_SEARCH = 1024  # searches below which threads cost more than they bring

Room: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


class Found(NamedTuple):
    """Row i holds ``counts[i]`` pairs in ascending order of ``vals`` = c(x_i, y_cols) - v_cols.

    All other columns have values >= ``floor[i]`` or, where the row is full, the last of ``vals``, rounding
    included; ``work`` counts evaluations.
    """

    cols: np.ndarray
    vals: np.ndarray
    counts: np.ndarray
    floor: np.ndarray
    work: int = 0

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """(i, j) of all pairs found, row by row."""
        rows, which = np.nonzero(np.arange(self.cols.shape[1]) < self.counts[:, None])
        return rows, self.cols[rows, which].astype(np.int64)

    @property
    def least(self) -> np.ndarray:
        """The smallest value of every row; 0 where there is none."""
        return np.where(self.counts > 0, self.vals[:, 0], 0.0)


def room(n: int, k: int) -> Room:
    """The arrays that a kernel fills: (cols, vals, counts, floor)."""
    return np.empty((n, k), np.int32), np.empty((n, k)), np.empty(n, np.int32), np.empty(n)


def run_tasks(task: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> None:
    """``task(*args)`` for each of ``arguments``, on all cores."""

    def part(first: int, last: int) -> None:
        for args in arguments[first:last]:
            task(*args)

    run_chunks(part, len(arguments), slice_size=1)


def searched(
    kernel: Callable[..., int], x: np.ndarray, k: int, limit: np.ndarray, storage: tuple[Any, ...]
) -> Found:
    """Run a search kernel over parts of ``x``."""
    n = len(x)
    out = room(n, k)
    count = max(min(n // 256, 32), n // PART) if n > SMALL_SEARCH else 1
    parts = [(k, n * k // count, n * (k + 1) // count) for k in range(count)]
    work = np.zeros(len(parts), np.int64)

    def task(part: int, start: int, stop: int) -> None:
        work[part] = kernel(x, start, stop, limit, *storage, *out)

    run_tasks(task, parts)
    return Found(*out, int(work.sum()))


def look_at_all(
    transposed: np.ndarray, v: np.ndarray, x: np.ndarray, k: int, metric: int, power: float, limit: np.ndarray
) -> Found:
    """Over all points, given as (d, m); ``k`` <= m."""
    from transport._kernels.search_all import search

    return searched(search, x, k, limit, (transposed, v, metric, power))
