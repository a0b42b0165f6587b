"""All pairs cut into square tiles: what is sent to a worker, and what comes back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

from transport._pairwise.engine import Job, outcomes
from transport._pairwise.measures import Pack
from transport._pairwise.store import Table
from transport._pairwise.tasks import Work, alone
from transport._solver.base import Progress
from transport.internal import ConvergenceError, check_count

Bad: TypeAlias = dict[int, str]
"""Measures that are none, and why."""

_TILE_SECONDS = 0.3
_PAIR = 2e-6  # seconds: no pair takes less
_ENTRY = 3e-8  # seconds an entry of a pair's cost matrix
_SIDES = (4, 256)  # measures a tile


class Plan:
    """The pairs cut into tiles of ``side`` x ``side`` measures, those above the diagonal if symmetric."""

    def __init__(self, work: Work, left: Pack, right: Pack, symmetric: bool, side: int | None) -> None:
        self.work, self.left, self.right, self.symmetric = work, left, right, symmetric
        self.shape = len(left), len(right)
        self.pairs = len(left) * (len(left) - 1) // 2 if symmetric else len(left) * len(right)
        self.side = self._guess() if side is None else check_count(side, "tile")
        self.computed = 0

    def _guess(self) -> int:
        mean = float(self.left.sizes.mean()) * float(self.right.sizes.mean())
        pairs = _TILE_SECONDS / (_PAIR + _ENTRY * mean)
        return int(min(max(pairs**0.5, _SIDES[0]), _SIDES[1]))

    @property
    def count(self) -> int:
        """Number of tiles."""
        r, c = (-(-k // self.side) for k in self.shape)
        return r * (r + 1) // 2 if self.symmetric else r * c

    def _tiles(self) -> Iterator[tuple[int, slice, slice]]:
        number = 0
        for i in range(0, self.shape[0], self.side):
            for j in range(i if self.symmetric else 0, self.shape[1], self.side):
                yield (
                    number,
                    slice(i, min(i + self.side, self.shape[0])),
                    slice(j, min(j + self.side, self.shape[1])),
                )
                number += 1

    def _pairs_of(self, rows: slice, cols: slice, bad_rows: Bad, bad_cols: Bad) -> np.ndarray:
        i, j = np.mgrid[rows, cols].reshape(2, -1)
        keep = j > i if self.symmetric else np.ones(len(i), bool)
        if bad_rows or bad_cols:
            keep &= ~(np.isin(i, list(bad_rows)) | np.isin(j, list(bad_cols)))
        return np.stack([i[keep], j[keep]], axis=1)

    def _jobs(self, done: set[int], bad: tuple[dict, dict], remote: bool) -> Iterator[tuple[Any, Job]]:
        for number, rows, cols in self._tiles():
            if number in done:
                continue
            pairs = self._pairs_of(rows, cols, *bad)
            if not remote:
                yield (number, rows, cols, pairs), (self.work, (self.left, self.right, pairs))
                continue
            parts = (
                self.left.take(np.arange(rows.start, rows.stop)),
                self.right.take(np.arange(cols.start, cols.stop)),
            )
            local = pairs - [rows.start, cols.start]
            yield (number, rows, cols, pairs), (alone, (self.work, *parts, local))

    def run(
        self,
        table: Table,
        bad_left: Bad,
        bad_right: Bad,
        executor: Any,
        callback: Callable[[Progress], Any] | None,
        start: float,
    ) -> None:
        """All tiles that ``table`` has not got yet."""
        finished = sum(
            len(self._pairs_of(rows, cols, {}, {})) for n, rows, cols in self._tiles() if n in table.done
        )
        begun = time.perf_counter()
        jobs = self._jobs(set(table.done), (bad_left, bad_right), executor is not None)
        for (number, rows, cols, pairs), answer in outcomes(jobs, executor):
            shape = rows.stop - rows.start, cols.stop - cols.start
            numbers = np.full((3, *shape), np.array([np.nan, -np.inf, np.inf])[:, None, None])
            failures = self._bad_pairs(rows, cols, bad_left, bad_right)
            at = pairs[:, 0] - rows.start, pairs[:, 1] - cols.start
            if isinstance(answer, Exception):
                text = f"the worker died twice: {type(answer).__name__}: {answer}"
                failures.update(dict.fromkeys(map(tuple, pairs.tolist()), text))
            else:
                for k, found in enumerate(answer[:3]):
                    numbers[(k, *at)] = found
                for k, text in answer[3].items():
                    i, j = pairs[k].tolist()
                    failures[i, j] = f"measures {i} and {j}: {text}"
            mirror = self.symmetric and rows.start != cols.start
            if self.symmetric and not mirror:
                numbers = _mirrored(numbers, rows.start, bad_left)
            table.write(number, numbers, rows, cols, failures, mirror=mirror)
            self.computed += len(pairs)
            finished += len(self._pairs_of(rows, cols, {}, {}))
            if callback is not None and callback(self._progress(finished, begun, start)):
                raise ConvergenceError(f"stopped by the callback after {finished} of {self.pairs} pairs")

    def _bad_pairs(
        self, rows: slice, cols: slice, bad_left: Bad, bad_right: Bad
    ) -> dict[tuple[int, int], str]:
        if not bad_left and not bad_right:
            return {}
        out = {}
        for i in range(rows.start, rows.stop):
            for j in range(cols.start, cols.stop):
                if (not self.symmetric or i < j) and (i in bad_left or j in bad_right):
                    out[i, j] = bad_left.get(i) or bad_right[j]
        return out

    def _progress(self, finished: int, begun: float, start: float) -> Progress:
        now = time.perf_counter()
        rate = self.computed / max(now - begun, 1e-9)
        left = self.pairs - finished
        eta = left / rate if rate > 0 else None
        facts = {"pairs": finished, "of": self.pairs, "eta": eta}
        ahead = "" if eta is None else f", about {eta:.0f} s left"
        return Progress(finished, now - start, f"{finished} of {self.pairs} pairs{ahead}", facts)


def _mirrored(numbers: np.ndarray, first: int, bad: Bad) -> np.ndarray:
    """A tile on the diagonal: its upper triangle below it too, and zeros for what is 0 by definition."""
    i, j = np.triu_indices(numbers.shape[1], 1)
    numbers[:, j, i] = numbers[:, i, j]
    for k in range(numbers.shape[1]):
        if first + k not in bad:
            numbers[:, k, k] = 0.0
    return numbers
