"""The nearest neighbours of every measure, exact, without the distances of the pairs that bounds rule out."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from transport._pairwise.bounds import has_bounds, lower_bounds
from transport._pairwise.engine import outcomes
from transport._pairwise.measures import Pack
from transport._pairwise.result import Neighbours
from transport._pairwise.tasks import Work, alone
from transport._solver.base import Progress
from transport._solver.memory import require
from transport.internal import ConvergenceError

LANDMARKS = 8
_MOST = 8  # candidates of a measure in a round
_JOB = 512  # pairs sent to a worker at once
_ROWS = 1 << 22  # entries looked at together


class _Search:
    """What is known of every pair: a lower bound, then the distance."""

    def __init__(self, work: Work, left: Pack, right: Pack, bad: tuple[dict, dict], symmetric: bool) -> None:
        self.work, self.left, self.right, self.symmetric = work, left, right, symmetric
        self.known = lower_bounds(work, left, right)
        self.done = np.zeros(self.known.shape, bool)
        self.found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.failures: dict[tuple[int, int], str] = {}
        self.computed = 0
        for side, names in enumerate(bad):
            for i in names:
                part = (i, slice(None)) if side == 0 else (slice(None), i)
                self.known[part], self.done[part] = np.inf, True
        if symmetric:
            np.fill_diagonal(self.known, np.inf)
            np.fill_diagonal(self.done, True)

    def compute(self, pairs: np.ndarray, executor: Any) -> None:
        """The distances of pairs (r, 2) that are not done yet."""
        if self.symmetric:
            pairs = np.sort(pairs, axis=1)
        width = self.known.shape[1]
        flat = np.unique(pairs[:, 0] * width + pairs[:, 1])
        pairs = np.stack([flat // width, flat % width], axis=1)
        pairs = pairs[~self.done[pairs[:, 0], pairs[:, 1]]]
        if not len(pairs):
            return
        step = len(pairs) if executor is None else _JOB
        parts = [pairs[k : k + step] for k in range(0, len(pairs), step)]
        for part, answer in outcomes(((part, self._job(part, executor)) for part in parts), executor):
            self._enter(part, answer)

    def _job(self, pairs: np.ndarray, executor: Any) -> Any:
        if executor is None:
            return self.work, (self.left, self.right, pairs)
        rows, i = np.unique(pairs[:, 0], return_inverse=True)
        cols, j = np.unique(pairs[:, 1], return_inverse=True)
        return alone, (self.work, self.left.take(rows), self.right.take(cols), np.stack([i, j], axis=1))

    def _enter(self, pairs: np.ndarray, answer: Any) -> None:
        i, j = pairs.T
        if isinstance(answer, Exception):
            text = f"the worker died twice: {type(answer).__name__}: {answer}"
            answer = (
                np.full(len(i), np.nan),
                *np.full((2, len(i)), np.inf),
                dict.fromkeys(range(len(i)), text),
            )
        value, lower, upper, failures = answer
        self.failures.update(
            {(int(i[k]), int(j[k])): f"measures {i[k]} and {j[k]}: {t}" for k, t in failures.items()}
        )
        value = np.where(np.isnan(value), np.inf, value)
        self.known[i, j], self.done[i, j] = value, True
        if self.symmetric:
            self.known[j, i], self.done[j, i] = value, True
        self.found.append((i * self.known.shape[1] + j, lower, upper))
        self.computed += len(pairs)

    def bounds_of(self, rows: np.ndarray, cols: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(lower, upper) of pairs that are done."""
        if self.symmetric:
            rows, cols = np.minimum(rows, cols), np.maximum(rows, cols)
        if not self.found:
            return np.zeros(0), np.zeros(0)
        flat, lower, upper = (np.concatenate(parts) for parts in zip(*self.found))
        order = np.argsort(flat)
        at = order[np.searchsorted(flat[order], rows * self.known.shape[1] + cols)]
        return lower[at], upper[at]

    def candidates(self, k: int) -> np.ndarray:
        """Pairs that may still be among the k nearest of somebody, the most promising ones of each."""
        n, m = self.known.shape
        out = []
        most = min(max(k, _MOST), m)
        for first in range(0, n, max(1, _ROWS // m)):
            rows = slice(first, first + max(1, _ROWS // m))
            known, done = self.known[rows], self.done[rows]
            limit = np.partition(np.where(done, known, np.inf), min(k, m) - 1, axis=1)[:, min(k, m) - 1]
            open_ = np.where(done | (known > limit[:, None]), np.inf, known)
            best = np.argpartition(open_, most - 1, axis=1)[:, :most]
            at = np.take_along_axis(open_, best, axis=1) < np.inf
            out.append(np.stack([first + np.nonzero(at)[0], best[at]], axis=1))
        return np.concatenate(out)

    def raise_by_landmarks(self, executor: Any) -> None:
        """Distances to a few measures far from each other bound all others."""
        n, m = self.known.shape
        sound = np.flatnonzero(~self.done.all(axis=0))
        if len(sound) <= 16 * LANDMARKS or not self.symmetric:
            return
        landmark = int(sound[0])
        nearest = np.full(n, np.inf)
        for _ in range(LANDMARKS):
            others = sound[sound != landmark]
            self.compute(np.stack([np.full(len(others), landmark), others], axis=1), executor)
            d = self.known[landmark].copy()
            d[landmark] = 0.0
            usable = np.isfinite(d)
            for first in range(0, n, max(1, _ROWS // m)):
                rows = slice(first, first + max(1, _ROWS // m))
                with np.errstate(invalid="ignore"):
                    low = np.abs(d[rows, None] - d) - 1e-12 * (d[rows, None] + d)
                low[~(usable[rows, None] & usable)] = 0.0
                part = self.known[rows]
                np.copyto(part, np.maximum(part, low), where=~self.done[rows])
            nearest[usable] = np.minimum(nearest[usable], d[usable])
            landmark = int(sound[np.argmax(np.where(np.isfinite(nearest[sound]), nearest[sound], -1.0))])


def nearest_neighbours(
    work: Work,
    sets: tuple[Pack, Pack, dict[int, str], dict[int, str]],
    k: int,
    symmetric: bool,
    executor: Any,
    callback: Callable[[Progress], Any] | None,
    start: float,
) -> Neighbours:
    """See `transport.pairwise`."""
    left, right, *bad = sets
    n, m = len(left), len(right)
    most = m - 1 if symmetric else m
    if k > most:
        raise ValueError(f"nearest = {k}, but there are {most} others")
    require(
        26 * n * m, f"bounds for {n} x {m} pairs", "search a part of the measures at a time, with others="
    )
    search = _Search(work, left, right, (bad[0], bad[1]), symmetric)
    if has_bounds(work):
        search.raise_by_landmarks(executor)
    pairs = n * (n - 1) // 2 if symmetric else n * m
    while len(todo := search.candidates(k)):
        search.compute(todo, executor)
        if callback is not None:
            facts = {"pairs": search.computed, "of": pairs, "open": len(todo)}
            text = f"{search.computed} of {pairs} pairs computed, {len(todo)} were open"
            if callback(Progress(search.computed, time.perf_counter() - start, text, facts)):
                raise ConvergenceError(f"stopped by the callback after {search.computed} pairs")
    known = np.where(search.done, search.known, np.inf)
    order = np.argsort(known, axis=1, kind="stable")[:, :k]
    distances = np.take_along_axis(known, order, axis=1)
    missing = ~np.isfinite(distances)
    rows = np.broadcast_to(np.arange(n)[:, None], order.shape)
    lower, upper = np.full(order.shape, np.inf), np.full(order.shape, np.inf)
    lower[~missing], upper[~missing] = search.bounds_of(rows[~missing], order[~missing])
    order[missing] = -1
    failures = dict(sorted({**search.failures, **_of_measures(bad, symmetric)}.items()))
    elapsed = time.perf_counter() - start
    return Neighbours(order, distances, lower, upper, failures, pairs, search.computed, elapsed, m, symmetric)


def _of_measures(bad: list[dict[int, str]], symmetric: bool) -> dict[tuple[int, int], str]:
    """A measure that is none, once: as a pair with itself (one set) or with -1."""
    out = {(i, i if symmetric else -1): text for i, text in bad[0].items()}
    if not symmetric:
        out.update({(-1, j): text for j, text in bad[1].items()})
    return out
