"""What Newton's method needs to know of a kernel, and the kernels that are stored: whole or by arcs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from transport._sinkhorn.sides import Side
from transport.internal import run_chunks

CHUNK_ENTRIES = 1 << 18  # of a task
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
    """All pairs of a stored matrix ``c``; the plan's rows are kept for products."""

    is_cheap = False

    def __init__(self, c: np.ndarray, side_a: Side, side_b: Side, reg: float) -> None:
        super().__init__(side_a, side_b, reg)
        self.c = c
        self.kept = np.empty(c.shape, np.float32 if c.size >= SINGLE_FROM else np.float64)
        self.cost = np.zeros(c.shape[1])

    def _chunks(self, task: Any) -> list[Any]:
        n, m = self.c.shape
        size = max(1, CHUNK_ENTRIES // max(1, m))
        parts: list[Any] = [None] * -(-n // size)

        def work(first: int, last: int) -> None:
            for k in range(first, last):
                parts[k] = task(k * size, min(n, (k + 1) * size))

        run_chunks(work, len(parts), slice_size=1)
        return parts

    def evaluate(self, q: np.ndarray) -> None:
        """Also ``cost``: what each column pays."""
        from transport._kernels.entropic import evaluate_rows

        self.q[:] = q
        base, penalty = (self.side_a.base, self.side_b.base), self.side_a.penalty
        parts = self._chunks(
            lambda i, j: evaluate_rows(self.c[i:j], base, self.reg, self.state, penalty, (i, j), self.kept)
        )
        self.col = np.sum([part[0] for part in parts], axis=0)
        self.cost = np.sum([part[1] for part in parts], axis=0)

    def curvature(self, v: np.ndarray) -> np.ndarray:
        """In the precision of the kept rows."""
        from transport._kernels.entropic import normal_rows

        scale, w = self.row * self.share, v.astype(self.kept.dtype)
        parts = self._chunks(lambda i, j: normal_rows(self.kept, scale, w, i, j))
        out: np.ndarray = self.col * v - np.asarray(np.sum(parts, axis=0, dtype=np.float64))
        return out

    def sweep(self, v: np.ndarray) -> np.ndarray:
        """In the precision of the kept rows."""
        from transport._kernels.entropic import sweep_rows

        v, base, penalty = v.astype(self.kept.dtype), self.side_a.base, self.side_a.penalty
        parts = self._chunks(lambda i, j: sweep_rows(self.kept, v, base, self.reg, self.state, penalty, i, j))
        out: np.ndarray = np.asarray(np.sum(parts, axis=0, dtype=np.float64))
        return out

    def preconditioner(self, excess: np.ndarray) -> None:
        """The diagonal it is."""
        return

    def times(self, v: np.ndarray) -> np.ndarray:
        """P v: for small v, its error is that of the kept rows times v."""
        from transport._kernels.entropic import dot_rows

        out = np.empty(len(self.p))
        self._chunks(lambda i, j: dot_rows(self.kept, v, i, j, out))
        return out * self.row

    def times_exactly(self, v: np.ndarray) -> np.ndarray:
        """P v in double precision, at the price of an evaluation."""
        from transport._kernels.entropic import times_rows

        out = np.empty(len(self.p))
        base = self.side_a.base, self.side_b.base
        self._chunks(lambda i, j: times_rows(self.c[i:j], base, self.reg, self.state, v, (i, j), out))
        return out

    def plan(self, y: np.ndarray, spread: tuple[np.ndarray, np.ndarray, float]) -> np.ndarray:
        """P diag(y) plus the product measure left right^T / total, ``spread`` = (left, right, total)."""
        from transport._kernels.entropic import plan_rows

        out = np.empty(self.c.shape)
        base = self.side_a.base, self.side_b.base
        self._chunks(
            lambda i, j: plan_rows(self.c[i:j], base, self.reg, self.state, y, spread, (i, j), out[i:j])
        )
        return out


class Sparse(State):
    """The stored arcs only: ``slack`` is (C - F - G) / reg, row by row."""

    is_cheap = True

    def __init__(
        self, arcs: tuple[np.ndarray, np.ndarray, np.ndarray], side_a: Side, side_b: Side, reg: float
    ) -> None:
        super().__init__(side_a, side_b, reg)
        self.indptr, self.indices, self.slack = arcs
        self.mass, self.kept = np.zeros(len(self.slack)), np.zeros(len(self.slack))

    def evaluate(self, q: np.ndarray) -> None:
        """Also ``mass``: the plan on the arcs."""
        from transport._kernels.entropic import evaluate_arcs

        self.q[:] = q
        self.col = evaluate_arcs(
            self.indptr, self.indices, self.slack, self.side_a.base, self.reg, self.state,
            self.side_a.penalty, self.mass, self.kept,
        )  # fmt: skip

    def curvature(self, v: np.ndarray) -> np.ndarray:
        """In double precision, by differences along the arcs."""
        from transport._kernels.entropic import curvature_arcs

        out: np.ndarray = curvature_arcs(self.indptr, self.indices, self.mass, self.kept, self.share, v)
        return out

    def preconditioner(self, excess: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
        """An approximate Cholesky factor of the bipartite Laplacian whose Schur complement this is."""
        from transport._kernels.elimination import factorise, substitute

        n = len(self.p)
        share = self.share
        over = np.divide(self.row * (1.0 - share), share, out=np.zeros(n), where=share > 0)
        factors = factorise(self.indptr, self.indices, self.mass, share, over, excess)
        y = np.zeros(n + len(self.q) + 1)

        def apply(r: np.ndarray) -> np.ndarray:
            y[:n], y[n:-1], y[-1] = 0.0, r, 0.0
            substitute(*factors, y)
            return y[n:-1].copy()

        return apply

    def sweep(self, v: np.ndarray) -> np.ndarray:
        """In double precision."""
        from transport._kernels.entropic import sweep_arcs

        base, penalty = self.side_a.base, self.side_a.penalty
        out: np.ndarray = sweep_arcs(
            self.indptr, self.indices, self.kept, v, base, self.reg, self.state, penalty
        )
        return out
