"""What Newton's method needs to know of a kernel, and the two there are: all pairs, and arcs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from transport._cost import Cost, Matrix
from transport._points import PointCloud
from transport._sinkhorn.sides import Side
from transport.internal import run_chunks

CHUNK_ENTRIES = 1 << 18  # looked at together
CHUNKS = 64  # most tasks there are: each returns sums over all columns
KEPT = 1 << 26  # pairs up to which the rows are kept for products (256 MB); above, they are computed anew
SPARSE_CHUNKS = 16
THICK, HEAVY = 12.0, 0.05  # arcs a row from which a factor is made of arcs with that part of row or column
SINGLE_FROM = 1 << 18  # entries from which the kept rows are in single precision


class System(Protocol):
    """Plans P(q) whose rows are optimal for the column potentials q; ``side_a`` is eliminated.

    After `evaluate`: ``q``; ``p``, ``row`` (row sums), ``share`` (d p = -share d log Z), shape (n,); ``col``
    (column sums), shape (m,).
    """

    side_a: Side
    side_b: Side
    reg: float
    q: np.ndarray
    p: np.ndarray
    row: np.ndarray
    share: np.ndarray
    col: np.ndarray
    is_cheap: bool  # evaluations cost little beside the rest

    def evaluate(self, q: np.ndarray) -> None:
        """Make the rows optimal for ``q``."""
        ...

    def curvature(self, v: np.ndarray) -> np.ndarray:
        """diag(col) v - sum_i share_i / row_i P_i (P_i . v), perhaps to single precision."""
        ...

    def preconditioner(self, excess: np.ndarray) -> Callable[[np.ndarray], np.ndarray] | None:
        """An approximate inverse of the curvature plus diag(excess), if better than the diagonal."""
        ...

    def sweep(self, v: np.ndarray) -> np.ndarray:
        """Column sums over v_j with the columns scaled by ``v`` and the rows optimal for that."""
        ...

    def average(self, v: np.ndarray) -> np.ndarray:
        """P_i . v over the sums of the rows, perhaps to single precision."""
        ...


class State:
    """The arrays all kernels fill."""

    def __init__(self, side_a: Side, side_b: Side, reg: float) -> None:
        self.side_a, self.side_b, self.reg = side_a, side_b, reg
        n = len(side_a.mass)
        self.q = side_b.log.copy()
        self.p, self.log_z, self.row, self.share = side_a.log.copy(), np.zeros(n), np.zeros(n), np.zeros(n)
        self.col = np.zeros(len(side_b.mass))

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        """In the order of the kernels."""
        return self.q, self.p, self.side_a.log, self.log_z, self.row, self.share


class Dense(State):
    """All pairs, their costs block by block; the plan's rows are kept for products where they fit."""

    is_cheap = False

    def __init__(self, cost: Cost, side_a: Side, side_b: Side, reg: float) -> None:
        super().__init__(side_a, side_b, reg)
        self.costs, self.size = cost, cost.shape[0] * cost.shape[1]
        self.dtype = np.float32 if self.size >= SINGLE_FROM else np.float64
        self.kept = np.empty(cost.shape if self.size <= KEPT else (0, 0), self.dtype)
        self.cost = np.zeros(cost.shape[1])

    @property
    def _base(self) -> tuple[np.ndarray, np.ndarray]:
        return self.side_a.base, self.side_b.base

    def _chunks(self, task: Any) -> list[Any]:
        """[sum of task(i, j) over blocks of rows, for each of fixed chunks]."""
        n, m = self.costs.shape
        step = max(1, CHUNK_ENTRIES // max(1, m))
        size = step * max(1, -(-n // (step * CHUNKS)))
        parts: list[Any] = [None] * -(-n // size)

        def work(first: int, last: int) -> None:
            for k in range(first, last):
                total = None
                for i in range(k * size, min(n, (k + 1) * size), step):
                    part = task(i, min(n, i + step))
                    total = part if total is None else total + part
                parts[k] = total

        if isinstance(self.costs, Matrix | PointCloud):
            run_chunks(work, len(parts), slice_size=1)
        else:  # somebody's function, perhaps not for two threads at once
            work(0, len(parts))
        return parts

    def evaluate(self, q: np.ndarray) -> None:
        """Also ``cost``: what each column pays."""
        from transport._kernels.entropic import evaluate_rows

        self.q[:] = q

        def task(i: int, j: int) -> np.ndarray:
            block = self.costs.block(i, j)
            rest = self.state, self.side_a.penalty, (i, j), self.kept
            return np.array(evaluate_rows(block, self._base, self.reg, *rest))

        self.col, self.cost = np.sum(self._chunks(task), axis=0)

    def _rows(self, i: int, j: int) -> tuple[np.ndarray, int, int]:
        """Rows i:j divided by their sums, as an array and where they lie in it."""
        from transport._kernels.entropic import keep_rows

        if len(self.kept):
            return self.kept, i, j
        out = np.empty((j - i, len(self.q)), self.dtype)
        keep_rows(self.costs.block(i, j), self._base, self.reg, self.state, (i, j), out)
        return out, 0, j - i

    def curvature(self, v: np.ndarray) -> np.ndarray:
        """In the precision of the kept rows."""
        from transport._kernels.entropic import normal_rows

        scale, w = self.row * self.share, v.astype(self.dtype)

        def task(i: int, j: int) -> np.ndarray:
            kept, first, last = self._rows(i, j)
            part: np.ndarray = normal_rows(kept, scale[i - first :], w, first, last)
            return part

        out: np.ndarray = self.col * v - np.asarray(np.sum(self._chunks(task), axis=0, dtype=np.float64))
        return out

    def sweep(self, v: np.ndarray) -> np.ndarray:
        """In the precision of the kept rows."""
        from transport._kernels.entropic import sweep_rows

        v, base, penalty = v.astype(self.dtype), self.side_a.base, self.side_a.penalty

        def task(i: int, j: int) -> np.ndarray:
            kept, first, last = self._rows(i, j)
            state = tuple(z[i - first :] for z in self.state)
            rest = base[i - first :], self.reg, state, penalty
            part: np.ndarray = sweep_rows(kept, v, *rest, first, last)
            return part

        out: np.ndarray = np.asarray(np.sum(self._chunks(task), axis=0, dtype=np.float64))
        return out

    def average(self, v: np.ndarray) -> np.ndarray:
        """Of the rows as they were kept."""
        from transport._kernels.entropic import dot_rows

        out = np.empty(len(self.p))

        def task(i: int, j: int) -> int:
            kept, first, last = self._rows(i, j)
            dot_rows(kept, v, first, last, out[i - first :])
            return 0

        self._chunks(task)
        return out

    def preconditioner(self, excess: np.ndarray) -> None:
        """The diagonal it is."""
        return

    def times(self, v: np.ndarray) -> np.ndarray:
        """P v: for small v, its error is that of the kept rows times v."""
        return self.average(v) * self.row

    def times_exactly(self, v: np.ndarray) -> np.ndarray:
        """P v in double precision, at the price of an evaluation."""
        from transport._kernels.entropic import times_rows

        out = np.empty(len(self.p))

        def task(i: int, j: int) -> int:
            times_rows(self.costs.block(i, j), self._base, self.reg, self.state, v, (i, j), out)
            return 0

        self._chunks(task)
        return out

    def plan(self, y: np.ndarray, spread: tuple[np.ndarray, np.ndarray, float]) -> np.ndarray:
        """P diag(y) plus the product measure left right^T / total, ``spread`` = (left, right, total)."""
        from transport._kernels.entropic import plan_rows

        out = np.empty(self.costs.shape)

        def task(i: int, j: int) -> int:
            block = self.costs.block(i, j)
            plan_rows(block, self._base, self.reg, self.state, y, spread, (i, j), out[i:j])
            return 0

        self._chunks(task)
        return out


class Sparse(State):
    """The stored arcs only: ``slack`` is (C - F - G) / reg, row by row."""

    is_cheap = True

    def __init__(
        self, arcs: tuple[np.ndarray, np.ndarray, np.ndarray], side_a: Side, side_b: Side, reg: float
    ) -> None:
        super().__init__(side_a, side_b, reg)
        indptr, indices, self.slack = arcs
        self.indptr, self.indices = (
            np.ascontiguousarray(indptr, np.int64),
            indices.astype(np.int32, copy=False),
        )
        size = len(self.slack)
        self.is_spent = False
        self.kept = np.zeros(size, np.float32 if size >= SINGLE_FROM else np.float64)
        pieces = min(SPARSE_CHUNKS, max(1, size // CHUNK_ENTRIES))
        at = np.searchsorted(self.indptr, np.linspace(0, size, pieces + 1)[1:-1])
        self.cuts = [0, *(int(i) for i in at), len(self.p)]

    def _chunks(self, task: Any) -> list[Any]:
        parts: list[Any] = [None] * (len(self.cuts) - 1)

        def work(first: int, last: int) -> None:
            for k in range(first, last):
                parts[k] = task((self.cuts[k], self.cuts[k + 1]))

        run_chunks(work, len(parts), slice_size=1)
        return parts

    def evaluate(self, q: np.ndarray) -> None:
        """Also ``kept``."""
        from transport._kernels.entropic_arcs import evaluate_arcs

        self.q[:] = q
        arcs, base, penalty = (self.indptr, self.indices, self.slack), self.side_a.base, self.side_a.penalty
        rest = base, self.reg, self.state, penalty, self.kept
        self.col = np.sum(self._chunks(lambda rows: evaluate_arcs(arcs, *rest, rows)), axis=0)

    @property
    def mass(self) -> np.ndarray:
        """The plan on the arcs."""
        from transport._kernels.entropic_arcs import masses_arcs

        out = np.empty(len(self.slack))
        masses_arcs((self.indptr, self.indices, self.slack), self.p, self.q, out)
        return out

    def become_masses(self) -> np.ndarray:
        """`mass` in place of the slack: there is no other evaluation after it."""
        from transport._kernels.entropic_arcs import masses_arcs

        if self.is_spent:
            raise AssertionError("the slack holds masses already")
        out, self.kept, self.is_spent = self.slack, self.kept[:0], True
        masses_arcs((self.indptr, self.indices, out), self.p, self.q, out)
        return out

    def curvature(self, v: np.ndarray) -> np.ndarray:
        """By differences along the arcs."""
        from transport._kernels.entropic_arcs import curvature_arcs

        kept = self.indptr, self.indices, self.kept
        out: np.ndarray = np.sum(
            self._chunks(lambda rows: curvature_arcs(*kept, self.row, self.share, v, rows)), axis=0
        )
        return out

    def preconditioner(self, excess: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """An approximate Cholesky factor of the bipartite Laplacian whose Schur complement this is.

        Of its heavy arcs alone where there are many: a factor takes far longer than a product.
        """
        from transport._kernels.elimination import factorise, substitute
        from transport._kernels.entropic_arcs import heavy_arcs

        n = len(self.p)
        share = self.share
        over = np.divide(self.row * (1.0 - share), share, out=np.zeros(n), where=share > 0)
        part = HEAVY if len(self.slack) > THICK * n else 0.0
        heavy = heavy_arcs(self.indptr, self.indices, self.kept, self.row, self.col, part)
        factors = factorise(*heavy, share, over, excess)
        y = np.zeros(n + len(self.q) + 1)

        def apply(r: np.ndarray) -> np.ndarray:
            y[:n], y[n:-1], y[-1] = 0.0, r, 0.0
            substitute(*factors, y)
            return y[n:-1].copy()

        return apply

    def sweep(self, v: np.ndarray) -> np.ndarray:
        """In double precision."""
        from transport._kernels.entropic_arcs import sweep_arcs

        arcs = self.indptr, self.indices, self.kept
        rest = self.side_a.base, self.reg, self.state, self.side_a.penalty
        out: np.ndarray = np.sum(self._chunks(lambda rows: sweep_arcs(arcs, v, *rest, rows)), axis=0)
        return out

    def average(self, v: np.ndarray) -> np.ndarray:
        """Of the rows as they were kept."""
        from transport._kernels.entropic_arcs import average_arcs

        out = np.empty(len(self.p))
        self._chunks(lambda rows: average_arcs(self.indptr, self.indices, self.kept, v, rows, out))
        return out
