"""The end of `transport.solve`: what the solver left, with what is proved of it, as a `Solution`."""

from __future__ import annotations

from typing import Any

from transport._answer import Arcs, Status
from transport._certificate import Certificate
from transport._problem import Problem
from transport._solution import Solution
from transport._solver.base import Outcome
from transport.internal import clock


def certified(
    problem: Problem,
    outcome: Outcome,
    certificate: Certificate,
    *,
    tol: float,
    like: Any,
    start: float,
    marginal_error: float | None = None,
) -> Solution:
    """The certificate decides the status, not the solver; ``marginal_error``: of a plan before its repair."""
    error = certificate.marginal_error if marginal_error is None else marginal_error
    coupling = certificate.coupling
    status = outcome.status
    # After Ctrl-C the status stays: whoever pressed it wants the loop around us to end.
    if certificate.closed(tol) and status is not Status.INTERRUPTED:
        status = Status.OPTIMAL
    elif status is Status.OPTIMAL:
        status = Status.INACCURATE
    return Solution(
        value=certificate.value,
        arcs=Arcs(coupling.rows, coupling.cols, coupling.mass, problem.shape, like),
        duals=(coupling.f, coupling.g),
        lower_bound=certificate.lower,
        upper_bound=certificate.upper,
        marginal_error=error,
        status=status,
        n_iter=outcome.n_iter,
        elapsed=clock() - start,
        stats=outcome.stats,
        problem=problem,
    )
