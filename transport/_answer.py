"""What an answer is made of: how it ended, arcs with mass, potentials; and what is read from one."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from array_api_compat import is_cupy_array
from scipy.sparse import coo_array

from transport._problem import Problem
from transport.internal import Array


class Status(enum.Enum):
    """How a solve ended; the text is advice."""

    OPTIMAL = "optimal: the certified gap is within tol"
    RUNNING = "still running"
    ITERATION_LIMIT = "max_iter reached: raise max_iter, or accept the certified interval with throw=False"
    TIME_LIMIT = "time_limit reached: raise time_limit, or accept the certified interval with throw=False"
    INTERRUPTED = "interrupted (Ctrl-C): the certified interval holds all the same"
    STOPPED = "stopped by the callback: the certified interval holds all the same"
    INACCURATE = (
        "the solver finished but its certified gap exceeds tol: raise tol, "
        "or rescale data whose magnitudes differ by more than 1e15"
    )

    @property
    def advice(self) -> str:
        """What it means and what to do about it."""
        return self.value


class Potentials(NamedTuple):
    """Dual potentials with f_i + g_j <= C_ij for every pair; shapes (n,) and (m,)."""

    f: Array
    g: Array


class Arcs(NamedTuple):
    """A plan as NumPy vectors, before it becomes a sparse matrix on the input's device."""

    rows: np.ndarray
    cols: np.ndarray
    mass: np.ndarray
    shape: tuple[int, int]
    like: Array

    @property
    def count(self) -> int:  # type: ignore[override]
        """How many arcs there are."""
        return len(self.mass)

    def to_sparse(self) -> Any:
        """A scipy COO array, or cupyx's if ``like`` is a CuPy array."""
        if self.like is not None and is_cupy_array(self.like):
            import cupy
            from cupyx.scipy import sparse as cupy_sparse

            arrays = (cupy.asarray(self.mass), (cupy.asarray(self.rows), cupy.asarray(self.cols)))
            return cupy_sparse.coo_matrix(arrays, shape=self.shape)
        return coo_array((self.mass, (self.rows, self.cols)), shape=self.shape)


class Answer(Protocol):
    """What a proof, a map and a gradient read of a `transport.Solution`."""

    @property
    def value(self) -> float:
        """<C, plan>."""
        ...

    @property
    def arcs(self) -> Arcs:
        """The plan's arcs."""
        ...

    @property
    def plan(self) -> Any:
        """The plan as a sparse COO array."""
        ...

    @property
    def potentials(self) -> Potentials:
        """Feasible (f, g) on the input's device."""
        ...

    @property
    def marginal_error(self) -> float:
        """Largest deviation of the plan's sums from the masses."""
        ...

    @property
    def stats(self) -> Mapping[str, Any]:
        """What was chosen and what it took."""
        ...

    @property
    def problem(self) -> Problem | None:
        """None where the answer keeps none."""
        ...
