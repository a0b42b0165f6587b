"""A solve in progress, as the files of the exact solver hand it around."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from transport._problem import Coupling, Problem
from transport._solution import Solution
from transport._solver.assignment import Matching
from transport._solver.column_generation import Simplex
from transport._solver.grid_flow import Network
from transport._solver.plan import Plan
from transport._solver.pricing.oracle import Slices
from transport._solver.progress import Pace
from transport._solver.reductions import Kept, Reduction
from transport._solver.trees import Work


@dataclass(eq=False)
class State:
    """A solve in progress. ``kept``: the atoms that the oracle prices, in its order, and its unit of cost.

    ``merged``: the problem is one between distinct points, and this the way back.
    """

    problem: Problem
    plan: Plan
    pace: Pace
    work: Work = field(default_factory=Work)
    core: Simplex | Matching | None = None
    coupling: Coupling | None = None
    warm: Solution | None = None
    merged: Reduction | None = None
    flow: Network | None = None
    is_forced: bool = False

    def __post_init__(self) -> None:
        self.kept = Kept.with_mass(self.problem)
        self.slices: Slices[None] = _nothing()

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """The positive masses, in the order of ``kept``."""
        return self.kept.masses(self.problem)


def _nothing() -> Slices[None]:
    yield from ()
