"""A kd tree of points that carries a potential: nearest points in the sense of c(x, y) - v(y)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from transport.internal import run_chunks

LEAF = 8  # points in the smallest leaf; measured 4..16: flat around 8
TOP = 3  # the tree is cut into 2^TOP subtrees for the threads
SMALL = 4096  # points below which threads cost more than they bring


def depth_for(n: int, leaf: int = LEAF) -> int:
    """The largest depth whose 2^depth nodes all hold at least ``leaf`` points (0 at least)."""
    return max(0, (n // leaf).bit_length() - 1)


def _run(task: Callable[..., object], arguments: Sequence[tuple[Any, ...]], *, small: bool) -> None:
    """``task(*args)`` for each of ``arguments``, on all cores unless the work is ``small``."""

    def part(first: int, last: int) -> None:
        for args in arguments[first:last]:
            task(*args)

    if small:
        part(0, len(arguments))
    else:
        run_chunks(part, len(arguments), slice_size=1)


class Found(NamedTuple):
    """Row i holds ``counts[i]`` pairs in ascending order of ``vals`` = c(x_i, y_cols) - v_cols.

    All other points have values >= ``floor[i]``, rounding included; ``work`` counts evaluations.
    """

    cols: np.ndarray
    vals: np.ndarray
    counts: np.ndarray
    floor: np.ndarray
    work: int


@dataclass(frozen=True, eq=False)
class KdTree:
    """Points in kd order: ``points[k] = original[order[k]]``, nodes are contiguous ranges.

    Building costs O(n log n) and is done once a cloud; each new potential costs one `fit`, O(n log n)
    with a small constant.
    """

    points: np.ndarray
    order: np.ndarray

    @classmethod
    def build(cls, points: np.ndarray) -> KdTree:
        """Sort ``points``, shape (n, d), C-contiguous float64 (copied)."""
        from transport._kernels import kd_order

        p = points.copy()
        n = p.shape[0]
        order = np.arange(n)
        deepest = max(0, n.bit_length() - 1)
        top = min(TOP, deepest)
        kd_order.split(p, order, n, 1, 0, top)
        tasks = [(p, order, n, (1 << top) + k, top, deepest) for k in range(1 << top)]
        _run(kd_order.split, tasks, small=n <= SMALL)
        return cls(p, order)

    @cached_property
    def depth(self) -> int:
        """Depth of the leaves of the search tree."""
        return depth_for(self.points.shape[0])

    @cached_property
    def inverse(self) -> np.ndarray:
        """Original index -> kd position."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.order.shape[0])
        return inverse

    @cached_property
    def _geometry(self) -> tuple[np.ndarray, np.ndarray]:
        from transport._kernels import kd_order

        n, d = self.points.shape
        nodes = np.zeros((2 << self.depth, 4 * d + 2))
        normal = np.zeros((2 << self.depth, d * (d + 1) // 2))
        top = min(TOP, self.depth)
        tasks = [
            (self.points, self.depth, np.array([(1 << top) + k]), nodes, normal) for k in range(1 << top)
        ]
        tasks += [(self.points, k, np.arange(1 << k, 2 << k), nodes, normal) for k in range(top)]
        _run(kd_order.geometry, tasks, small=n <= SMALL)
        return nodes, normal

    def fit(self, v: np.ndarray) -> Fitted:
        """This tree with the potential ``v`` (in kd order), shape (n,)."""
        from transport._kernels import kd_order

        nodes, normal = self._geometry
        nodes = nodes.copy()
        top = min(TOP, self.depth)
        n = self.points.shape[0]
        tasks = [
            (self.points, v, self.depth, np.array([(1 << top) + k]), False, nodes, normal)
            for k in range(1 << top)
        ]
        tasks += [
            (self.points, v, self.depth, np.arange(1 << k, 2 << k), True, nodes, normal) for k in range(top)
        ]
        _run(kd_order.fit, tasks, small=n <= SMALL)
        return Fitted(self, v, nodes)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A tree with a potential, ready to be searched from any number of points."""

    tree: KdTree
    v: np.ndarray
    nodes: np.ndarray

    def search(
        self, x: np.ndarray, k: int, *, metric: int, power: float, limit: np.ndarray | None = None
    ) -> Found:
        """The k smallest c(x_i, y_j) - v_j (below limit_i) for each row of ``x``, to rounding.

        ``x`` should be in kd order too: neighbouring searches then share the cache.
        """
        from transport._kernels.kd_query import searcher

        n = x.shape[0]
        y = self.tree.points
        k = min(k, y.shape[0])
        out = (np.empty((n, k), np.int32), np.empty((n, k)), np.empty(n, np.int32), np.empty(n))
        if limit is None:
            limit = np.full(n, np.inf)
        search = searcher(x.shape[1], metric, power)
        count = min(n, 32)
        parts = [(k, n * k // count, n * (k + 1) // count) for k in range(count)]
        work = np.zeros(len(parts), np.int64)

        def task(part: int, start: int, stop: int) -> None:
            work[part] = search(
                x, start, stop, limit, y, self.v, self.nodes, self.tree.depth, metric, power, *out
            )

        _run(task, parts, small=n <= SMALL // 4)
        return Found(*out, int(work.sum()))
