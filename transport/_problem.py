"""The problem, frozen, with the preconditions solvers choose by, and a solver's raw answer to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from transport._cost import Cost
from transport.internal import cached_property


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimise <C, P> over P >= 0 with row sums ``a`` and column sums ``b``.

    Masses are float64 NumPy vectors of equal total (to rounding); ``cost`` knows the entries of C.
    """

    cost: Cost
    a: np.ndarray
    b: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m): number of sources and of sinks."""
        return self.cost.shape

    @cached_property
    def is_assignment(self) -> bool:
        """n = m with equal weights: some optimal plan is a permutation."""
        n, m = self.shape
        return n == m and self.has_equal_masses

    @cached_property
    def has_equal_masses(self) -> bool:
        """All sources carry the same mass, and all sinks do."""
        return bool(np.all(self.a == self.a[0])) and bool(np.all(self.b == self.b[0]))

    @cached_property
    def has_zero_mass(self) -> bool:
        """Some source or sink carries no mass (it still gets a potential)."""
        return not (bool(np.all(self.a > 0)) and bool(np.all(self.b > 0)))

    @cached_property
    def core(self) -> tuple[Problem, np.ndarray, np.ndarray] | None:
        """The problem of the atoms with mass, and which sources and sinks they are.

        None where that leaves most of the pairs, or the cost knows no part of itself.
        """
        if not self.has_zero_mass:
            return None
        rows, cols = np.flatnonzero(self.a), np.flatnonzero(self.b)
        if 2 * len(rows) * len(cols) > len(self.a) * len(self.b):
            return None
        part = self.cost.restrict(rows, cols)
        return None if part is None else (Problem(part, self.a[rows], self.b[cols]), rows, cols)

    @property
    def is_one_dimensional(self) -> bool:
        """Points on a line with a convex cost of the distance: the sorted coupling is optimal."""
        return "line" in self.cost.methods


class Coupling(NamedTuple):
    """A solver's raw answer: a primal and a dual candidate, neither trusted.

    ``mass[k]`` moves from source ``rows[k]`` to sink ``cols[k]``; ``f`` and ``g`` are potentials, finite,
    at best with f_i + g_j <= C_ij (the certificate repairs them by c-transform).
    """

    rows: np.ndarray
    cols: np.ndarray
    mass: np.ndarray
    f: np.ndarray
    g: np.ndarray
