"""Conformance: any transport solver or distance put through fixed cases, and what it got right."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divergences.testing._conformance_cases import SolverCase, solver_cases
from divergences.testing._law import find_failure
from divergences.testing._laws import SUBJECTS, laws_for
from divergences.testing._worker import Outcome, Worker, attempt, name_of, resolve

VERDICTS = ("right", "wrong silently", "wrong with a warning", "refused", "crashed", "hung")
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
    """

    subject: str
    family: str
    name: str
    verdict: str
    detail: str


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
    seed: int = 0,
    **functions: Callable[..., Any],
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
    seed : int
        Other numbers in the same kinds of solver cases.
    **functions : callable
        Distances by subject: ``js=``, ``kl=``, ``tv=``, ... ``f(p, q)``, or ``line=`` ``w(x, y, a, b)``; they
        are tried on the laws of `laws_for`.

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
    results: list[Result] = []
    if solver is not None:
        results += _solver_results(solver, time_limit=time_limit, isolate=isolate, seed=seed)
    for subject, function in functions.items():
        results += _law_results(subject, function, max_examples)
    if drift is not None:
        results += _drift_results(drift, seed)
    return Report(tuple(results))


def _solver_results(
    solver: Callable[..., Any] | str, *, time_limit: float, isolate: bool, seed: int
) -> Iterator[Result]:
    if not isolate:
        solve = resolve(solver) if isinstance(solver, str) else solver
        for case in solver_cases(seed):
            yield judged(case, attempt(solve, case.cost, case.a, case.b))
        return
    worker = Worker(name_of(solver), time_limit=time_limit)
    try:
        for case in solver_cases(seed):
            yield judged(case, worker.call(case.cost, case.a, case.b))
    finally:
        worker.close()


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
            yield Result(subject, "law", law.name, "wrong silently", f"{found} on {broken.case!r}")


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
