"""A kd tree of points that carries a potential: nearest points in the sense of c(x, y) - v(y)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from transport._nearest import Found, look_at_all, run_tasks, searched
from transport._solver.tuning import TUNING, Tuning
from transport.internal import cached_property

LEAF = 8  # points in the smallest leaf; measured 4..16: flat around 8
TOP = 3  # the tree is cut into at least 2^TOP subtrees for the threads
SUBTREE = 1 << 15  # points in one of them: what a thread does at a time
SMALL = 4096  # points below which threads cost more than they bring


def depth_for(n: int, leaf: int = LEAF) -> int:
    """The largest depth whose 2^depth nodes all hold at least ``leaf`` points (0 at least)."""
    return max(0, (n // leaf).bit_length() - 1)


def _top(n: int, deepest: int) -> int:
    """The depth at which a tree of ``n`` points is cut into subtrees."""
    return min(max(TOP, (n // SUBTREE).bit_length()), deepest)


@dataclass(frozen=True, eq=False)
class KdTree:
    """Points in kd order: ``points[k] = original[order[k]]``, nodes are contiguous ranges.

    Building costs O(n log n) and is done once a cloud; each new potential costs one `fit`, O(n log n)
    with a small constant.
    """

    points: np.ndarray
    order: np.ndarray
    tuning: Tuning = TUNING

    prunes: ClassVar[bool] = True

    @classmethod
    def build(cls, points: np.ndarray, tuning: Tuning = TUNING) -> KdTree:
        """Sort ``points``, shape (n, d), C-contiguous float64 (copied)."""
        from transport._kernels import kd_order

        p = points.copy()
        n = p.shape[0]
        order = np.arange(n)
        deepest = max(0, n.bit_length() - 1)
        top = _top(n, deepest) if n > SMALL else 0
        for d in range(top):
            run_tasks(kd_order.split, [(p, order, n, (1 << d) + k, d, d + 1) for k in range(1 << d)])
        run_tasks(kd_order.split, [(p, order, n, (1 << top) + k, top, deepest) for k in range(1 << top)])
        return cls(p, order, tuning)

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
    def geometry(self) -> tuple[np.ndarray, np.ndarray]:
        """(nodes, normal) of `kd_order.geometry`."""
        from transport._kernels import kd_order

        n, d = self.points.shape
        nodes = np.zeros((2 << self.depth, 4 * d + 2))
        normal = np.zeros((2 << self.depth, d * (d + 1) // 2))
        if n <= SMALL:
            kd_order.geometry(self.points, self.depth, np.ones(1, np.int64), nodes, normal)
            return nodes, normal
        top = _top(n, self.depth)
        tasks = [
            (self.points, self.depth, np.array([(1 << top) + k]), nodes, normal) for k in range(1 << top)
        ]
        tasks += [(self.points, k, np.arange(1 << k, 2 << k), nodes, normal) for k in range(top)]
        run_tasks(kd_order.geometry, tasks)
        return nodes, normal

    @cached_property
    def transposed(self) -> np.ndarray:
        """The points as (d, n)."""
        return np.ascontiguousarray(self.points.T)

    def fit(self, v: np.ndarray) -> Fitted:
        """This tree with the potential ``v`` (in kd order), shape (n,)."""
        return Fitted(self, v)


@dataclass(eq=False)
class Fitted:
    """A tree with a potential, ready to be searched from any number of points."""

    tree: KdTree
    v: np.ndarray
    _metric: int = -1
    _nodes: np.ndarray | None = None

    def nodes(self, metric: int) -> np.ndarray:
        """Geometry, gradient and height of every node, computed on first use."""
        if self._nodes is None or self._metric != metric:
            self._nodes, self._metric = self._fit(metric), metric
        return self._nodes

    def _fit(self, metric: int) -> np.ndarray:
        from transport._kernels import kd_order

        tree, v = self.tree, self.v
        nodes, normal = tree.geometry
        nodes = nodes.copy()
        if len(v) <= SMALL:
            kd_order.fit(tree.points, v, metric, tree.depth, np.ones(1, np.int64), False, nodes, normal)
            return nodes
        top = _top(len(v), tree.depth)
        rest = (False, nodes, normal)
        tasks = [
            (tree.points, v, metric, tree.depth, np.array([(1 << top) + k]), *rest) for k in range(1 << top)
        ]
        rest = (True, nodes, normal)
        tasks += [(tree.points, v, metric, tree.depth, np.arange(1 << k, 2 << k), *rest) for k in range(top)]
        run_tasks(kd_order.fit, tasks)
        return nodes

    def search(
        self, x: np.ndarray, k: int, *, metric: int, power: float, limit: np.ndarray | None = None
    ) -> Found:
        """The k smallest c(x_i, y_j) - v_j (below limit_i) for each row of ``x``, to rounding.

        ``x`` should be in kd order too: neighbouring searches then share the cache. If a sample of searches
        visits a good part of the tree (ties, norms without curvature, dimension), all points are looked
        at instead, which costs less a point.
        """
        if limit is None:
            limit = np.full(len(x), np.inf)
        k = min(k, len(self.v))
        t = self.tree.tuning
        if min(len(x), len(self.v)) >= 4 * t.sample:
            sample = np.arange(t.sample) * len(x) // t.sample
            tried = self._descend(x[sample], k, metric, power, limit[sample])
            plain = power == 1.0 or (metric == 0 and power == 2.0)
            most = t.tree_futile if plain else t.tree_futile_powers
            if tried.work > most * t.sample * len(self.v):
                return look_at_all(self.tree.transposed, self.v, x, k, metric, power, limit)
        return self._descend(x, k, metric, power, limit)

    def _descend(self, x: np.ndarray, k: int, metric: int, power: float, limit: np.ndarray) -> Found:
        from transport._kernels.search_kd import searcher

        search = searcher(x.shape[1], metric, power)
        tree = self.tree
        rest = tree.points, self.v, self.nodes(metric), tree.depth, metric, power
        return searched(search, x, k, limit, rest)
