"""What a law is: a statement about somebody's function, a strategy of cases, and two numbers to compare."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st


class Demand(NamedTuple):
    """One comparison: ``left relation right``, allowed to be off by ``slack``.

    ``shown`` says in symbols what left and right are; ``line`` is Python that computes ``left``, with the
    function under test called ``f``.
    """

    left: float
    relation: str
    right: float
    slack: float
    shown: str
    line: str

    @property
    def holds(self) -> bool:
        """NaN never holds; two infinities of one sign are equal."""
        left, right = self.left, self.right
        if math.isnan(left) or math.isnan(right):
            return False
        if left == right:
            return self.relation in ("==", "<=", ">=")
        if self.relation == "==":
            return abs(left - right) <= self.slack
        if self.relation == "<=":
            return left <= right + self.slack
        if self.relation == ">=":
            return left >= right - self.slack
        return left > right  # ">"


Judge = Callable[[Any, Any], Iterator[Demand]]


@dataclass(frozen=True)
class Law:
    """A named law that a function must obey.

    Attributes
    ----------
    name : str
        In the words of the field: "symmetry", "data processing", "scale 2^k", ...
    subject : str
        What it is about: the name of a divergence, "solver" or "line".
    statement : str
        The inequality or equation.
    cases : strategy
        Hypothesis strategy of the cases it is tried on.
    judge : callable
        ``judge(function, case)`` yields the `Demand` s of one case.
    """

    name: str
    subject: str
    statement: str
    cases: st.SearchStrategy[Any]
    judge: Judge

    def __repr__(self) -> str:
        return f"Law({self.subject}: {self.name}: {self.statement})"


class LawBroken(AssertionError):
    """A law failed; ``law``, ``case`` (the smallest found) and ``demand`` say how."""

    def __init__(self, law: Law, case: Any, demand: Demand | None, error: BaseException | None) -> None:
        self.law, self.case, self.demand, self.error = law, case, demand, error
        super().__init__(_message(law, case, demand, error))


def _message(law: Law, case: Any, demand: Demand | None, error: BaseException | None) -> str:
    head = f"{law.subject} breaks '{law.name}': {law.statement}"
    if demand is None:
        return f"{head}\n  it raised {type(error).__name__}: {error}\n  case: {case!r}"
    slack = f" (allowed to be off by {demand.slack:.3g})" if demand.slack else ""
    return (
        f"{head}\n"
        f"  found: {demand.left!r}   wanted: {demand.relation} {demand.right!r}{slack}   [{demand.shown}]\n"
        f"  smallest case, f being the function under test:\n"
        f"  import numpy as np; {case!r}; print({demand.line})"
    )


def check(
    law: Law, function: Callable[..., Any], *, max_examples: int = 100, seed: int | None = None
) -> None:
    """Try ``function`` on the cases of ``law``; a failing case is shrunk before it is shown.

    Parameters
    ----------
    law : Law
        One of `laws_for`, or your own.
    function : callable
        As the law's subject wants it: ``f(p, q)`` for divergences, ``f(cost, a, b)`` for solvers,
        ``f(x, y, a, b)`` for distances on the line.
    max_examples : int
        Cases tried.
    seed : int, optional
        Other cases than the fixed ones that are tried by default.

    Raises
    ------
    LawBroken
        (an AssertionError) With the smallest case, both numbers, the inequality and a line of Python.

    Examples
    --------
    >>> import divergences as dv
    >>> from divergences.testing import check, laws_for
    >>> for law in laws_for("tv"):
    ...     check(law, dv.tv, max_examples=20)
    """
    __tracebackhide__ = True
    broken = find_failure(law, function, max_examples=max_examples, seed=seed)
    if broken is not None:
        raise broken from broken.error


def find_failure(
    law: Law, function: Callable[..., Any], *, max_examples: int = 100, seed: int | None = None
) -> LawBroken | None:
    """The smallest failing case found, or None."""
    from hypothesis import seed as seeded

    @settings(
        max_examples=max_examples,
        deadline=None,
        database=None,
        derandomize=seed is None,
        report_multiple_bugs=False,
        verbosity=Verbosity.quiet,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(law.cases)
    def attempt(case: Any) -> None:
        demand = None
        try:
            for demand in law.judge(function, case):
                if not demand.holds:
                    raise LawBroken(law, case, demand, None)
        except LawBroken:
            raise
        except Exception as error:
            raise LawBroken(law, case, None, error) from error

    test = attempt if seed is None else seeded(seed)(attempt)
    try:
        test()
    except LawBroken as broken:
        # The first failure's traceback is Hypothesis' own; what matters is in the message.
        return LawBroken(broken.law, broken.case, broken.demand, broken.error)
    return None
