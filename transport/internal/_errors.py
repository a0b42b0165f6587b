"""Errors that carry what is known. Bad input is a plain ``ValueError`` or ``TypeError``."""

from __future__ import annotations

from typing import Any, Protocol


class Interval(Protocol):
    """What every answer has that an error may carry."""

    @property
    def lower_bound(self) -> float:
        """Certified."""
        ...

    @property
    def upper_bound(self) -> float:
        """Certified."""
        ...


class ConvergenceError(RuntimeError):
    """A limit was reached before the answer was proved to the asked tolerance.

    Attributes
    ----------
    solution : Solution or None
        The best answer so far, with its certified interval
        ``solution.lower_bound <= true value <= solution.upper_bound``.
    lower_bound, upper_bound : float
        The same interval, at hand.
    """

    __module__ = "transport"  # the name that tracebacks show is the public one

    def __init__(self, message: str, solution: Interval | None = None) -> None:
        super().__init__(message)
        self.solution: Any = solution
        self.lower_bound = solution.lower_bound if solution is not None else -float("inf")
        self.upper_bound = solution.upper_bound if solution is not None else float("inf")


class InterruptedSolve(ConvergenceError, KeyboardInterrupt):
    """Ctrl-C during a solve: a KeyboardInterrupt that still carries the certified interval."""

    __module__ = "transport"  # the name that tracebacks show is the public one


class InterruptedCompilation(KeyboardInterrupt):
    """Ctrl-C while a kernel was compiled: there is nothing yet to make an answer of."""


class MagnitudeError(OverflowError, ValueError):
    """The answer is finite but larger than any float64: change the unit of the data."""

    __module__ = "transport"  # the name that tracebacks show is the public one


class DuplicateEntriesWarning(UserWarning):
    """A sparse cost stores entries more than once; they were added up, as SciPy does.

    Silence it with ``warnings.simplefilter("ignore", transport.DuplicateEntriesWarning)``, or call
    ``cost.sum_duplicates()`` yourself.
    """

    __module__ = "transport"  # the name that tracebacks show is the public one


class InfeasibleError(ValueError):
    """Forbidden arcs leave some mass with nowhere to go.

    Attributes
    ----------
    rows, cols : ndarray of int
        The cut that proves it (Hall's condition): the mass of ``a[rows]`` can only reach ``b[cols]``,
        and ``sum(a[rows]) > sum(b[cols])``.
    """

    __module__ = "transport"  # the name that tracebacks show is the public one

    def __init__(self, message: str, rows: Any = (), cols: Any = ()) -> None:
        super().__init__(message)
        self.rows = rows
        self.cols = cols
