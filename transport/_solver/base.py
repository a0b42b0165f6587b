"""The solver protocol and the one loop around it.

A solver is a small frozen object holding its options. It cuts its work into slices of at most about
0.1 s (`step`), so that Ctrl-C, time limits and callbacks are answered in time whatever the size.
The loop never trusts a solver's word: `transport._solve` recomputes the certificate from `finish`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from transport._answer import Status
from transport._problem import Coupling, Problem
from transport._solution import Solution
from transport.internal import (
    COMPILING,
    CtrlC,
    InterruptedCompilation,
    OutOfTime,
    clock,
    compilations,
    keep,
    time_left,
    until,
)

UNLIMITED = (1 << 63) - 1


@dataclass(frozen=True)
class Progress:
    """What a callback sees. Return True from it to stop.

    Attributes
    ----------
    n_iter : int
        Iterations (pivots, for the exact solver).
    elapsed : float
        Seconds.
    message : str
        One line for people.
    details : mapping
        What ``Solution.stats`` will hold, so far ("arcs", "pivots", "rounds", ...), and, once a solver can
        prove an interval, "lower_bound" <= optimum <= "upper_bound", their "gap", and "eta": the seconds
        left at the pace of the last rounds, None while these do not tell.
    """

    n_iter: int
    elapsed: float
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)


class Heard:
    """A callback that hears of kernels being compiled as well; its wish to stop waits for the solver."""

    def __init__(self, callback: Callable[[Progress], Any], start: float) -> None:
        self.callback, self.start = callback, start
        self.stop = False

    def __call__(self, progress: Progress) -> bool:
        """True: stop."""
        return bool(self.callback(progress)) or self.stop

    def compiling(self, kernel: str) -> None:
        """Kernel after kernel, before each is compiled."""
        seconds = clock() - self.start
        self.stop |= bool(self.callback(Progress(0, seconds, COMPILING, {"kernel": kernel})))


@contextmanager
def hearing(callback: Callable[[Progress], Any] | None, start: float) -> Iterator[Heard | None]:
    """``callback`` as a solver calls it; inside, it hears of compilations."""
    if callback is None:
        yield None
        return
    heard = Heard(callback, start)
    with compilations(heard.compiling):
        yield heard


class Solver(ABC):
    """``init -> step* -> finish``; the state is the solver's own mutable business. Derive from it.

    A solver that may be stopped between any two chunks of its work sets ``stops_anywhere``. One of another
    problem than the linear program sets ``proves_itself``: `wrap` makes the answer, not the certificate of
    what `finish` returns.
    """

    stops_anywhere: ClassVar[bool] = False
    proves_itself: ClassVar[bool] = False

    @abstractmethod
    def init(self, problem: Problem, *, tol: float) -> Any:
        """Set up; cheap, or sliced into the first steps."""

    @abstractmethod
    def step(self, state: Any, budget: int) -> Status:
        """Work for at most ~0.1 s and ``budget`` iterations; RUNNING until there is nothing left to do.

        Raises InfeasibleError, with the cut that proves it, if forbidden arcs leave mass stranded.
        """

    @abstractmethod
    def progress(self, state: Any) -> tuple[int, str, Mapping[str, Any]]:
        """(iterations done, one line for people, statistics)."""

    @abstractmethod
    def finish(self, state: Any) -> Coupling:
        """The best primal and dual candidates so far; callable at any time after `init`."""

    def watch(self, state: Any) -> tuple[str, Mapping[str, Any]]:
        """(words, facts) for `Progress.message` and `Progress.details` that cost a little: for callbacks."""
        return "", {}

    def wrap(self, state: Any, outcome: Outcome, *, like: Any, start: float) -> Solution:
        """The answer of a solver that ``proves_itself``."""
        raise NotImplementedError


class Outcome(NamedTuple):
    """What the loop hands to the border."""

    coupling: Coupling | None
    status: Status
    n_iter: int
    elapsed: float
    stats: Mapping[str, Any]
    state: Any = None


def run(
    solver: Solver,
    problem: Problem,
    *,
    tol: float,
    max_iter: int | None,
    time_limit: float | None,
    callback: Callable[[Progress], Any] | None,
    start: float | None = None,
    kept: float = 0.0,
    may_give_up: bool = False,
) -> Outcome:
    """Step ``solver`` until it is done, a limit is reached or the callback says stop.

    ``start``: when the call began, on `clock`; from there ``time_limit`` counts. A solver with
    ``stops_anywhere`` may be stopped between any two chunks of its work (`until`), others after a step.
    ``kept`` seconds of it are for what comes after. With ``may_give_up`` the outcome has no coupling if that
    is not made in time.
    """
    start = clock() if start is None else start
    limit = UNLIMITED if max_iter is None else max_iter
    moment = None if time_limit is None else start + time_limit
    status, done = Status.RUNNING, 0
    state = solver.init(problem, tol=tol)
    try:
        with CtrlC(), until(moment):
            keep(kept)
            while status is Status.RUNNING:
                if done >= limit:
                    status = Status.ITERATION_LIMIT
                elif time_left() <= 0:
                    status = Status.TIME_LIMIT
                else:
                    with nullcontext() if solver.stops_anywhere else until(None):
                        status = solver.step(state, limit - done)
                    done, message, details = solver.progress(state)
                    if callback is not None and status is Status.RUNNING:
                        words, facts = solver.watch(state)
                        progress = Progress(done, clock() - start, message + words, {**details, **facts})
                        with until(None):  # whatever it does has time
                            if callback(progress):
                                status = Status.STOPPED
    except InterruptedCompilation:
        raise  # a certificate would have to be compiled as well
    except KeyboardInterrupt:
        status = Status.INTERRUPTED
    except OutOfTime:
        status = Status.TIME_LIMIT
    coupling = None
    if not solver.proves_itself:
        try:
            with until(moment if may_give_up else None):
                coupling = solver.finish(state)
        except OutOfTime:
            status = Status.TIME_LIMIT
    done, _, stats = solver.progress(state)
    return Outcome(coupling, status, done, clock() - start, stats, state)
