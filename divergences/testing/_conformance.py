"""Conformance: any transport solver or distance put through fixed cases, and what it got right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from divergences.testing._conformance_cases import SolverCase, assignment_cases, solver_cases
from divergences.testing._divergence_laws import FACTS
from divergences.testing._law import find_failure
from divergences.testing._laws import SUBJECTS, laws_for
from divergences.testing._reduce import line_of, reduced
from divergences.testing._refusals import refusals
from divergences.testing._worker import Outcome, Worker, attempt, name_of, resolve

VERDICTS = ("right", "wrong silently", "wrong with a warning", "refused", "crashed", "hung")
PROBLEMS = {"transport": solver_cases, "assignment": assignment_cases}
_MARGINALS = 1e-7


@dataclass(frozen=True)
class Result:
    """One case and its verdict.

    Attributes
    ----------
    subject, family, name : str
    verdict : str
        One of `VERDICTS`. "right" of a case that must be refused means that it was.
    detail : str
        The value found and the right one, the error, or how the process ended.
    line : str
        A small case that shows a wrong answer, as a line of Python in which the subject is called ``f``;
        empty where there is none.
    """

    subject: str
    family: str
    name: str
    verdict: str
    detail: str
    line: str = ""


@dataclass(frozen=True)
class Report:
    """What `conformance` found; printed, a table of counts and one line for each case that is not right."""

    results: tuple[Result, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Whether every case is right."""
        return all(r.verdict == "right" for r in self.results)

    @property
    def counts(self) -> dict[str, int]:
        """Cases by verdict, in the order of `VERDICTS`."""
        found = Counter(r.verdict for r in self.results)
        return {verdict: found[verdict] for verdict in VERDICTS}

    def __str__(self) -> str:
        head = ", ".join(f"{count} {verdict}" for verdict, count in self.counts.items() if count)
        rest = [
            f"  {r.verdict}: {r.subject}, {r.family}, {r.name}: {r.detail}"
            + (f"\n    {r.line}" if r.line and r.family != "law" else "")
            for r in self.results
            if r.verdict != "right"
        ]
        return "\n".join([head or "no cases", *rest])

    __repr__ = __str__


def conformance(
    solver: Callable[..., Any] | str | None = None,
    *,
    drift: Callable[..., Any] | None = None,
    time_limit: float = 10.0,
    isolate: bool = True,
    max_examples: int = 50,
    shrink: int = 60,
    problems: str = "transport",
    seed: int = 0,
    **functions: Callable[..., Any] | str,
) -> Report:
    """Put a transport solver, distances or a drift detector through their cases.

    Parameters
    ----------
    solver : callable or "module:function", optional
        ``solve(cost, a, b)`` to the least cost: a number, a plan, or an object or mapping with ``value`` and
        perhaps ``plan``. Each case runs in a process of its own with a time limit, so it must be
        importable from there.
    drift : callable, optional
        ``drift(x, y)`` to a p-value for "these two samples, shape (n,), are from one law".
    time_limit : float
        Seconds for one call of the solver.
    isolate : bool
        False runs the solver in this process: a crash ends it, a hang hangs it.
    max_examples : int
        Cases tried for each law of a distance.
    shrink : int
        Calls of the solver spent on making a wrong answer's case small, for each.
    problems : {"transport", "assignment"}
        What the solver is put through: any masses, or square costs with equal masses.
    seed : int
        Other numbers in the same kinds of solver cases.
    **functions : callable or "module:function"
        By subject: ``js=``, ``kl=``, ``tv=``, ... ``entropy=``, ``energy=``, ``line=``, ``gaussian=``. They
        are tried on the laws of `laws_for`; functions of masses also on masses that are no law, which they
        have to refuse.

    Returns
    -------
    Report
        ``.ok``, ``.counts``, ``.results``; printed, the table.

    Raises
    ------
    ValueError
        If nothing is given, for an unknown subject, or a solver that the other process cannot import.

    Examples
    --------
    >>> import divergences as dv
    >>> from divergences.testing import conformance
    >>> conformance(tv=dv.tv, max_examples=10).ok
    True
    >>> report = conformance("transport:solve", isolate=False)
    >>> report.ok, report.counts["right"] == len(report.results)
    (True, True)
    """
    unknown = set(functions) - set(SUBJECTS) | (set(functions) & {"solver"})
    if unknown:
        raise ValueError(f"no laws for {', '.join(sorted(unknown))}; the subjects are {', '.join(SUBJECTS)}")
    if solver is None and drift is None and not functions:
        raise ValueError("nothing given; pass a solver, drift= or a distance, say js=your_js")
    if problems not in PROBLEMS:
        raise ValueError(f"problems={problems!r}; take one of {', '.join(PROBLEMS)}")
    results: list[Result] = []
    if solver is not None:
        cases = PROBLEMS[problems](seed)
        results += _solver_results(solver, cases, time_limit=time_limit, isolate=isolate, shrink=shrink)
    for subject, given in functions.items():
        function = resolve(given) if isinstance(given, str) else given
        results += _law_results(subject, function, max_examples)
        results += _refusal_results(subject, function)
    if drift is not None:
        results += _drift_results(drift, seed)
    return Report(tuple(results))


def _solver_results(
    solver: Callable[..., Any] | str,
    cases: list[SolverCase],
    *,
    time_limit: float,
    isolate: bool,
    shrink: int,
) -> Iterator[Result]:
    if not isolate:
        solve = resolve(solver) if isinstance(solver, str) else solver
        yield from _tried(lambda case: attempt(solve, case.cost, case.a, case.b), cases, shrink)
        return
    worker = Worker(name_of(solver), time_limit=time_limit)
    try:
        yield from _tried(lambda case: worker.call(case.cost, case.a, case.b), cases, shrink)
    finally:
        worker.close()


def _tried(call: Callable[[SolverCase], Outcome], cases: list[SolverCase], shrink: int) -> Iterator[Result]:
    for case in cases:
        found = judged(case, call(case))
        if not found.verdict.startswith("wrong"):
            yield found
            continue

        def as_wrong(other: SolverCase, verdict: str = found.verdict) -> bool:
            return judged(other, call(other)).verdict == verdict

        small = reduced(case, as_wrong, shrink)
        yield replace(found, line=line_of(small))


def judged(case: SolverCase, outcome: Outcome) -> Result:
    """The verdict on one outcome."""

    def result(verdict: str, detail: str) -> Result:
        return Result("solver", case.family, case.name, verdict, detail)

    if outcome.kind in ("crashed", "hung"):
        return result(outcome.kind, outcome.text)
    if outcome.kind == "refused":
        return result("right" if case.value is None else "refused", outcome.text)
    value, warned = outcome.facts["value"], outcome.facts["warned"]
    wrong = "wrong with a warning" if warned else "wrong silently"
    said = f" (warned: {warned[0]})" if warned else ""
    if case.value is None:
        if case.name.startswith("mass that no arc") and value == math.inf:
            return result("right", "inf")
        return result(wrong, f"returned {value!r} where an error is due{said}")
    exact = float(case.value)
    if not abs(value - exact) <= case.slack:
        return result(wrong, f"returned {value!r}, exactly {exact!r}{said}")
    off = outcome.facts.get("marginal_error", 0.0)
    if not off <= _MARGINALS:
        return result(wrong, f"value right, but the plan misses its marginals by {off:.3g}{said}")
    return result("right", repr(value))


def _law_results(subject: str, function: Callable[..., Any], max_examples: int) -> Iterator[Result]:
    for law in laws_for(subject):
        broken = find_failure(law, function, max_examples=max_examples)
        if broken is None:
            yield Result(subject, "law", law.name, "right", law.statement)
        elif broken.demand is None:
            yield Result(subject, "law", law.name, "refused", f"{broken.error!r} on {broken.case!r}")
        else:
            found = f"{broken.demand.left!r}, wanted {broken.demand.relation} {broken.demand.right!r}"
            line = f"import numpy as np; {broken.case!r}; print({broken.demand.line})"
            yield Result(subject, "law", law.name, "wrong silently", f"{found} on {broken.case!r}", line)


def _refusal_results(subject: str, function: Callable[..., Any]) -> Iterator[Result]:
    if subject not in (*FACTS, "entropy", "cross_entropy"):
        return
    for name, verdict, detail in refusals(function, 1 if subject == "entropy" else 2):
        yield Result(subject, "must be refused", name, verdict, detail)


def _drift_results(
    drift: Callable[..., Any], seed: int, repeats: int = 400, level: float = 0.05
) -> Iterator[Result]:
    """False alarms on pairs of one law, against the level; and whether a plain shift is seen at all."""
    rng = np.random.default_rng(seed)
    laws: dict[str, Callable[[int], np.ndarray]] = {
        "normal": rng.standard_normal,
        "uniform": rng.random,
        "counts, many ties": lambda n: rng.poisson(3.0, n).astype(float),
        "heavy tails": lambda n: rng.standard_cauchy(n),
    }
    allowed = level + 3.5 * math.sqrt(level * (1 - level) / repeats)
    for name, draw in laws.items():
        alarms = sum(float(drift(draw(60), draw(60))) < level for _ in range(repeats)) / repeats
        verdict = "right" if alarms <= allowed else "wrong silently"
        yield Result("drift", "false alarms", name, verdict, f"{alarms:.1%} at level {level:.0%}")
    seen = float(drift(rng.standard_normal(200), rng.standard_normal(200) + 2.0)) < level
    yield Result(
        "drift", "power", "shift by two deviations", "right" if seen else "wrong silently", f"seen: {seen}"
    )
