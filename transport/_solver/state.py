"""A solve in progress, as the files of the exact solver hand it around."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from transport._problem import Coupling, Problem
from transport._solution import Solution
from transport._solver.assignment import Matching
from transport._solver.columns import Simplex
from transport._solver.duplicates import Merged
from transport._solver.grid_flow import Network
from transport._solver.pace import Pace
from transport._solver.plan import Plan
from transport._solver.pricing import Slices, Start
from transport._solver.trees import Work


@dataclass(eq=False)
class State:
    """A solve in progress: ``sources, sinks`` carry mass; the oracle's costs are in units of ``unit``.

    ``has_all``: these are all sources and all sinks, in their order.
    """

    problem: Problem
    plan: Plan
    pace: Pace
    work: Work = field(default_factory=Work)
    core: Simplex | Matching | None = None
    coupling: Coupling | None = None
    unit: float = 1.0
    warm: Solution | None = None
    merged: Merged | None = None
    flow: Network | None = None
    is_forced: bool = False
    begun: Start | None = None

    def __post_init__(self) -> None:
        self.sources = np.flatnonzero(self.problem.a)
        self.sinks = np.flatnonzero(self.problem.b)
        self.has_all = (len(self.sources), len(self.sinks)) == self.problem.shape
        self.slices: Slices[None] = _nothing()

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """The positive masses."""
        if self.has_all:
            return self.problem.a, self.problem.b
        return self.problem.a[self.sources], self.problem.b[self.sinks]

    @property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every row and column of the problem is among ``sources`` and ``sinks``; -1: nowhere."""
        row, col = (np.full(k, -1) for k in self.problem.shape)
        row[self.sources], col[self.sinks] = np.arange(len(self.sources)), np.arange(len(self.sinks))
        return row, col

    def in_full(
        self, rows: np.ndarray, cols: np.ndarray, mass: np.ndarray, f: np.ndarray, g: np.ndarray
    ) -> Coupling:
        """A coupling of ``sources`` and ``sinks`` as one of all; potentials are 0 where there is no mass."""
        if self.unit != 1.0:
            f, g = f * self.unit, g * self.unit
        if self.has_all:
            return Coupling(rows, cols, mass, f, g)
        u, v = np.zeros(self.problem.shape[0]), np.zeros(self.problem.shape[1])
        u[self.sources], v[self.sinks] = f, g
        return Coupling(self.sources[rows], self.sinks[cols], mass, u, v)


def _nothing() -> Slices[None]:
    yield from ()
