"""Many small problems packed into common vectors, and the chunks in which the kernel takes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from transport._solver.starts.line_costs import line_potential
from transport._solver.tuning import TUNING
from transport.internal import as_float64, namespace, run_chunks, to_numpy

Packed: TypeAlias = tuple[np.ndarray, np.ndarray]
"""Vectors one after the other, and where each begins."""

_CHUNK = 1 << 16  # entries a chunk: 64 problems of 32 x 32, 1 to 2 ms
_BATCH = 1 << 23  # entries packed at a time: 64 MB
_FLOAT64 = np.dtype(np.float64)


@dataclass(frozen=True, eq=False)
class Inputs:
    """The problems as given. ``costs`` is a stack (k, n, m), one matrix (n, m) or a list of matrices; masses
    are None, (n,), (k, n) or a list of vectors."""

    costs: Any
    a: Any
    b: Any
    size: int

    @classmethod
    def of(cls, costs: Any, a: Any, b: Any) -> Inputs:
        """Converted to float64 on the host, lengths compared."""
        costs = _stacked(costs, "costs", (2, 3))
        a, b = _stacked(a, "a", (1, 2)), _stacked(b, "b", (1, 2))
        counts = {}
        for name, x, single in (("costs", costs, 2), ("a", a, 1), ("b", b, 1)):
            if x is not None and (isinstance(x, list) or x.ndim > single):
                counts[name] = len(x)
        if len(set(counts.values())) > 1:
            text = ", ".join(f"{name} {count}" for name, count in counts.items())
            raise ValueError(f"the numbers of problems differ: {text}")
        size = next(iter(counts.values()), 1)
        shapes = None if isinstance(costs, list) else costs.shape[-2:]
        for name, w, side in (("a", a, 0), ("b", b, 1)):
            if shapes is not None and isinstance(w, np.ndarray) and w.shape[-1] != shapes[side]:
                raise ValueError(
                    f"{name} has shape {w.shape}; for costs of {shapes[0]} x {shapes[1]} its last axis "
                    f"must have {shapes[side]} entries"
                )
        return cls(costs, a, b, size)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, k: int) -> tuple[Any, Any, Any]:
        """(cost, a, b) of problem k."""
        return _member(self.costs, k, 2), _member(self.a, k, 1), _member(self.b, k, 1)

    def batches(self) -> Iterator[tuple[int, int]]:
        """Ranges of problems to be packed together."""
        if not isinstance(self.costs, list):
            step = self.size if self.size else 1
            if self.size:
                yield 0, step
            return
        entries = np.cumsum(np.array([c.size for c in self.costs]))
        first = 0
        while first < self.size:
            before = entries[first - 1] if first else 0
            last = max(first + 1, int(np.searchsorted(entries, before + _BATCH, side="right")))
            yield first, last
            first = last


def _member(x: Any, k: int, ndim: int) -> Any:
    return x if x is None or (isinstance(x, np.ndarray) and x.ndim == ndim) else x[k]


def _stacked(x: Any, name: str, dims: tuple[int, int]) -> Any:
    """None, a float64 array of one of ``dims`` dimensions, or a list of arrays of the smaller."""
    if x is None:
        return None
    if isinstance(x, Sequence) and not isinstance(x, str):
        if all(type(v) is np.ndarray and v.dtype is _FLOAT64 and v.ndim == dims[0] for v in x):
            return list(x)
        if (any(hasattr(v, "__len__") for v in x) and dims[0] == 2) or any(hasattr(v, "dtype") for v in x):
            members = [_as_array(v, f"{name}[{k}]") for k, v in enumerate(x)]
            if all(v.ndim == dims[0] for v in members):
                return members
    array = _as_array(x, name)
    if array.ndim not in dims:
        meant = " or ".join(f"{d}-dimensional" for d in dims)
        raise ValueError(f"{name} has shape {array.shape}; it must be {meant}, or a sequence of arrays")
    return array


def _as_array(x: Any, name: str) -> np.ndarray:
    return np.ascontiguousarray(to_numpy(as_float64(x, name, xp=namespace(x))[0]))


@dataclass(frozen=True, eq=False)
class Batch:
    """Problems first <= k < last, packed, and what the kernel made of them."""

    first: int
    last: int
    shapes: np.ndarray
    costs: Packed
    a: Packed
    b: Packed
    start: tuple[np.ndarray, np.ndarray]
    out: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, inputs: Inputs, first: int, last: int) -> Batch:
        """Pack them; problems too large for the kernel get the shape (0, 0), which it leaves alone."""
        shapes = _shapes(inputs.costs, first, last)
        costs = _packed(inputs.costs, first, last, 2)
        a, b = (_masses(w, first, last, shapes[:, s]) for s, w in enumerate((inputs.a, inputs.b)))
        fits = _fits(inputs, first, last, shapes)
        shapes = np.where(fits[:, None], shapes, 0)
        n, m = shapes[:, 0], shapes[:, 1]
        at = np.stack([_offsets(n), _offsets(m), _offsets(n + m)], axis=1)
        k, arcs = last - first, int((n + m).sum())
        lined = np.flatnonzero(np.minimum(n, m) >= TUNING.line_atoms)
        start = np.zeros(int(m.sum()) if len(lined) else 1), np.zeros(k, np.bool_)
        for i in lined:
            cost, u, v = inputs[first + int(i)]
            u, v = (np.full(s, 1.0 / s) if w is None else w for w, s in ((u, n[i]), (v, m[i])))
            g = line_potential(cost, u, v)
            if g is not None:
                start[0][at[i, 1] : at[i, 1] + m[i]], start[1][i] = g, True
        out = (
            np.full(k, -1),
            np.zeros(k, np.int64),
            np.zeros((k, 8)),
            np.zeros(k, np.int64),
            np.empty(int(n.sum())),
            np.empty(int(m.sum())),
            np.empty(arcs, np.int32),
            np.empty(arcs, np.int32),
            np.empty(arcs),
            at,
        )
        return cls(first, last, shapes, costs, a, b, start, out)

    @property
    def codes(self) -> np.ndarray:
        """0: solved and certified."""
        return self.out[0]

    @property
    def pivots(self) -> np.ndarray:
        """How many each took."""
        return self.out[1]

    @property
    def sums(self) -> np.ndarray:
        """What plan and potentials of each prove, (k, 8)."""
        return self.out[2]

    def run(self) -> None:
        """Fill ``out``, on all cores, in fixed chunks."""
        from transport._kernels.bulk import solve_range

        entries = np.cumsum(self.shapes[:, 0] * self.shapes[:, 1])
        total = int(entries[-1]) if len(entries) else 0
        cuts = np.searchsorted(entries, np.arange(_CHUNK, total, _CHUNK), side="left") + 1
        edges = np.unique(np.concatenate([[0], cuts, [len(entries)]]))
        with_kernel = self.shapes, self.costs, self.a, self.b, self.start, TUNING.in_bulk(), self.out

        def task(first: int, last: int) -> None:
            solve_range(edges[first], edges[last], *with_kernel)

        run_chunks(task, len(edges) - 1, slice_size=1)

    def parts(self, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
        """(rows, cols, mass, f, g, marginal error) of problem k."""
        i = k - self.first
        n, m = self.shapes[i]
        f_at, g_at, p = self.out[9][i]
        q = p + self.out[3][i]
        rows, cols, mass = (self.out[s][p:q] for s in (6, 7, 8))
        f, g = self.out[4][f_at : f_at + n], self.out[5][g_at : g_at + m]
        return rows.astype(np.int64), cols.astype(np.int64), mass, f, g, float(self.sums[i, 6])


def _offsets(sizes: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)


def _shapes(costs: Any, first: int, last: int) -> np.ndarray:
    if isinstance(costs, list):
        return np.array([c.shape for c in costs[first:last]], dtype=np.int64).reshape(-1, 2)
    return np.tile(np.array(costs.shape[-2:], dtype=np.int64), (last - first, 1))


def _packed(x: Any, first: int, last: int, ndim: int) -> Packed:
    if isinstance(x, list):
        parts = x[first:last]
        return np.concatenate([v.ravel() for v in parts]), _offsets(np.array([v.size for v in parts]))
    if x.ndim == ndim:
        return np.ascontiguousarray(x).reshape(-1), np.zeros(last - first, np.int64)
    each = math.prod(x.shape[1:])
    return np.ascontiguousarray(x).reshape(-1), each * np.arange(first, last, dtype=np.int64)


def _masses(w: Any, first: int, last: int, sizes: np.ndarray) -> Packed:
    """Masses as given, uniform where there are none."""
    if w is not None:
        return _packed(w, first, last, 1)
    if len(sizes) and np.all(sizes == sizes[0]):
        return np.full(int(sizes[0]), 1.0 / max(int(sizes[0]), 1)), np.zeros(last - first, np.int64)
    return np.repeat(1.0 / np.maximum(sizes, 1), sizes), _offsets(sizes)


def _fits(inputs: Inputs, first: int, last: int, shapes: np.ndarray) -> np.ndarray:
    """Whether each is small, and has as many masses as its matrix has rows and columns."""
    n, m = shapes[:, 0], shapes[:, 1]
    fits = (n > 0) & (m > 0) & (n * m <= TUNING.at_once_pairs) & (n + m <= TUNING.at_once_nodes)
    for w, side in ((inputs.a, 0), (inputs.b, 1)):
        if w is not None:
            lengths = list(map(len, w[first:last])) if isinstance(w, list) else w.shape[-1]
            fits &= np.asarray(lengths) == shapes[:, side]
    return fits
