"""What a solve with a time limit ends with: the best interval that can be proved by then."""

from __future__ import annotations

import math

import numpy as np

from transport._answer import Status
from transport._callable import FunctionCost
from transport._certificate import Certificate, bounded, certify, feasible_potentials, repair
from transport._outline import Outline, outlined
from transport._problem import Coupling, Problem
from transport._solver.base import Outcome
from transport.internal import OutOfTime, until

GRACE = 0.1  # of the limit: a certificate that is nearly done may use it
NODE = 1e-6  # seconds an atom and
PAIR = 4e-9  # seconds a stored cost that the certificate takes
BLOCK = 256  # arcs of a north-west plan whose costs are evaluated in one call
SAME = 1e-9  # of the costs: what a function may round differently in another block
FEW = 1 << 20  # pairs; <= : the certificate takes less time than a limit is kept to


class Closing:
    """The end of one solve.

    Parameters
    ----------
    problem : Problem
    start : float
        When it began, on `clock`.
    time_limit : float, optional
        Seconds.
    """

    def __init__(self, problem: Problem, start: float, time_limit: float | None) -> None:
        self.problem = problem
        self.late: float | None = None
        self.seconds = 0.0
        self.outline: Outline | None = None
        if time_limit is not None and math.prod(problem.shape) > FEW:
            n, m = problem.shape
            stored = problem.cost.stored is not None
            self.seconds = NODE * (n + m) + PAIR * n * m * stored
            self.late = start + (1.0 + GRACE) * time_limit
            with until(start + time_limit):
                self.outline = outlined(problem)

    @property
    def has_outline(self) -> bool:
        """Whether there is an interval already."""
        return self.outline is not None

    def certificate(self, outcome: Outcome) -> Certificate:
        """That of the solver's answer, or where it was stopped of the best plan and potentials there are."""
        problem, coupling = self.problem, outcome.coupling
        if outcome.status is not Status.TIME_LIMIT or self.late is None:
            assert coupling is not None
            return certify(problem, coupling)
        if self.outline is None:
            if not isinstance(problem.cost, FunctionCost):  # there it takes no longer than what was kept
                assert coupling is not None
                return self._of_stored(certify(problem, coupling), coupling)
            return self._in_time(coupling) or _unproved(problem, problem.cost)
        said = coupling is not None and bool(coupling.f.any())  # else sorting knows better
        return self._best(self._in_time(coupling) if said else None, coupling, self.outline)

    def _in_time(self, coupling: Coupling | None) -> Certificate | None:
        """The certificate, if it is there soon after the limit."""
        if coupling is None:
            return None
        try:
            with until(self.late):
                return certify(self.problem, coupling)
        except OutOfTime:
            return None

    def _best(self, known: Certificate | None, coupling: Coupling | None, outline: Outline) -> Certificate:
        """The tighter end of either."""
        rough = bounded(self.problem, Coupling(*outline))
        if known is None:
            if coupling is None or not len(coupling.mass):
                return rough
            known = bounded(self.problem, repair(self.problem, coupling)._replace(f=outline.f, g=outline.g))
        low = rough if rough.lower > known.lower else known
        high = rough if rough.upper < known.upper else known
        if low is high:
            return low
        mixed = high.coupling._replace(f=low.coupling.f, g=low.coupling.g)
        return bounded(self.problem, mixed)

    def _of_stored(self, known: Certificate, coupling: Coupling) -> Certificate:
        """``known``, or with the potentials that follow from the sinks' prices, or from none at all."""
        problem, everything = self.problem, np.arange(self.problem.shape[0])
        if known.closed(0.5) or not math.isfinite(known.upper) or problem.has_zero_mass:
            return known
        for g in (coupling.g, np.zeros(problem.shape[1])):
            f = problem.cost.row_transform(g, everything)
            if np.isfinite(f).all():
                pair = feasible_potentials(problem, f)
                other = bounded(problem, known.coupling._replace(f=pair[0], g=pair[1]))
                known = other if other.lower > known.lower else known
        return known


def _unproved(problem: Problem, cost: FunctionCost) -> Certificate:
    """A plan with no lower bound: not all costs have been evaluated.

    Its own are, in blocks of other shapes than elsewhere, where the function may round differently.
    """
    from transport._kernels.sharing import northwest

    rows, cols, mass = northwest(problem.a, problem.b)
    value = size = 0.0
    for first in range(0, len(mass), BLOCK):
        i, j, moved = (z[first : first + BLOCK] for z in (rows, cols, mass))
        costs = cost.between(np.arange(i[0], i[-1] + 1), np.arange(j[0], j[-1] + 1))[i - i[0], j - j[0]]
        value, size = value + float(costs @ moved), size + float(np.abs(costs) @ moved)
    coupling = Coupling(rows, cols, mass, *(np.zeros(k) for k in problem.shape))
    return Certificate(coupling, value, -math.inf, value + SAME * size, 0.0, 0.0)
