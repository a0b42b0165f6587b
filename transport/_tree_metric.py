"""Distances along the edges of a tree as a cost."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transport._cost import Unstructured
from transport.internal import as_float64, namespace, require_finite, to_numpy

_SHRINK = 1.0 - 2.0**-49  # below the rounding of any computed distance


class TreeMetric(Unstructured):
    """The cost d(x_i, y_j) on a tree: the total length of the edges between two of its nodes.

    `transport.solve` finds plan and potentials in closed form, O(nodes + n + m): every edge carries the
    difference of the masses on its two sides.

    Parameters
    ----------
    parents : array of int, shape (k,)
        Parent of every node; -1, or the node itself, marks the root. Any order.
    lengths : array, shape (k,)
        Length >= 0 of the edge from every node to its parent; the root's is not read.
    x, y : array of int, shape (n,) and (m,), optional
        Nodes of the sources and of the sinks (keyword only); all nodes by default.

    Raises
    ------
    ValueError
        No root or several, a cycle, nodes that do not exist, lengths negative or not finite, or their sum.
    TypeError
        Nodes that are not integers.

    Examples
    --------
    A star with three leaves at distances 1, 2 and 3 of its centre:

    >>> import transport as tp
    >>> star = tp.TreeMetric([-1, 0, 0, 0], [0.0, 1.0, 2.0, 3.0], x=[1, 2], y=[3, 0])
    >>> star.block(0, 2)
    array([[4., 1.],
           [5., 2.]])
    >>> tp.solve(star).value
    3.0
    """

    has_forbidden = False
    methods = ("tree", "matrix", "blocks")
    relative_error = 8 * 2.0**-52

    def __init__(self, parents: Any, lengths: Any, *, x: Any = None, y: Any = None) -> None:
        from transport._kernels.tree_metric import heavy_paths, top_down

        self.like = lengths
        parents = _nodes(parents, "parents", None)
        k = len(parents)
        xp = namespace(lengths)
        lengths, _ = as_float64(lengths, "lengths", xp=xp)
        lengths = np.array(to_numpy(lengths), copy=True)
        if lengths.shape != (k,):
            raise ValueError(f"lengths has shape {lengths.shape}; it must be {(k,)}, one for each node")
        own = parents == np.arange(k)
        roots = np.flatnonzero(own | (parents == -1))
        if len(roots) != 1:
            raise ValueError(
                f"parents has {len(roots)} roots (-1, or a node that is its own parent), not one"
            )
        lengths[roots] = 0.0
        require_finite(lengths, "lengths", xp=namespace())
        if lengths.min() < 0:
            raise ValueError(f"lengths[{lengths.argmin()}] is {lengths.min()}; lengths must be >= 0")
        parents[roots] = -1
        order = top_down(parents)
        if len(order) < k:
            stray = np.setdiff1d(np.arange(k), order)[0]
            raise ValueError(f"parents has a cycle: going up from node {stray} never ends")
        self.parents, self.lengths, self.order = parents, lengths, order
        self.x = np.arange(k) if x is None else _nodes(x, "x", k)
        self.y = np.arange(k) if y is None else _nodes(y, "y", k)
        self._paths = heavy_paths(parents, lengths, order)
        if not math.isfinite(self.magnitude):
            raise ValueError("the largest distance overflows float64; scale the lengths down")

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        return len(self.x), len(self.y)

    @property
    def magnitude(self) -> float:
        """An upper bound of the distances."""
        return 2.0 * float(self._paths[2].max())

    def entries(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """C[rows, cols], shape (k,); O(log nodes) each."""
        from transport._kernels.tree_metric import distances

        return distances(self.parents, self.lengths, self._paths, self.x[rows], self.y[cols])

    def block(self, start: int, stop: int) -> np.ndarray:
        """C[start:stop], shape (stop - start, m)."""
        rows, cols = np.indices((stop - start, len(self.y)))
        return self.entries(start + rows.ravel(), cols.ravel()).reshape(rows.shape)

    def c_transform(self, f: np.ndarray) -> np.ndarray:
        """g_j = min_i C_ij - f_i, rounded down; once up the tree and once down."""
        return self._transform(self.x, f, self.y)

    def row_transform(self, g: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """f_i = min_j C_ij - g_j for the given rows, rounded down."""
        return self._transform(self.y, g, self.x[rows])

    def _transform(self, at: np.ndarray, v: np.ndarray, to: np.ndarray) -> np.ndarray:
        from transport._kernels.tree_metric import lowest

        keep = v > -np.inf
        if not keep.any():
            return np.full(len(to), np.inf)
        high, low = lowest(self.parents, _SHRINK * self.lengths, self.order, at[keep], v[keep])
        return np.where(low[to] < 0, np.nextafter(high[to], -np.inf), high[to])

    def transpose(self) -> TreeMetric:
        """The same cost seen from y."""
        other = object.__new__(TreeMetric)
        other.__dict__.update(self.__dict__, x=self.y, y=self.x)
        return other


def _nodes(values: Any, name: str, count: int | None) -> np.ndarray:
    """Node numbers as int64, below ``count``; for ``parents`` itself (None) from -1 to its length."""
    nodes = to_numpy(values) if hasattr(values, "shape") else np.asarray(values)
    if nodes.ndim != 1 or not nodes.size:
        raise ValueError(f"{name} has shape {nodes.shape}; it must be a vector of at least one node")
    if nodes.dtype.kind not in "iu":
        raise TypeError(f"{name} has dtype {nodes.dtype}; nodes are numbered by integers")
    low, high = (-1, len(nodes)) if count is None else (0, count)
    bad = np.flatnonzero((nodes < low) | (nodes >= high))
    if len(bad):
        raise ValueError(f"{name}[{bad[0]}] is {nodes[bad[0]]}; the tree has nodes 0 to {high - 1}")
    return nodes.astype(np.int64)
