"""The checks a set of distances goes through. Each is a stage that can kill wrong code on its own.

A inequalities, B sharpness, C laws, D hand numbers, E certificates, F limits, G accuracy. The hierarchy
itself is A, B and F; A and B say nothing about W beyond what D * TV also satisfies, hence the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from divergences.hierarchy._battery import Battery, Case
from divergences.hierarchy._classify import Classification, classify_values
from divergences.hierarchy._functions import FloatMath
from divergences.hierarchy._instance import TESTED, Functionals, Instance
from divergences.hierarchy._laws import law_failures
from divergences.hierarchy._sequences import SEQUENCES
from divergences.hierarchy._table import BOUNDS

STAGES = {
    "A": "inequalities: no bound violated on random pairs",
    "B": "sharpness: every bound attained at its extremal pair",
    "C": "laws: symmetry, scaling, relabelling, splitting, triangle, products",
    "D": "hand numbers",
    "E": "certificates: inside the exact enclosure on random pairs",
    "F": "limits: the truth table, with rates and constants",
    "G": "accuracy: nearly equal laws, tiny and huge distances",
}
"""What each stage demands."""

TOLERANCE = 1e-9
"""Relative error a distance may have in stages A to E and G."""


@dataclass(frozen=True)
class Failure:
    """One broken demand; ``case`` is what the functional was shown, where it was one case."""

    stage: str
    functional: str
    where: str
    detail: str
    case: Instance | None = None

    def __str__(self) -> str:
        return f"[{self.stage}] {self.functional} at {self.where}: {self.detail}"

    @property
    def line(self) -> str:
        """The case as Python, with the functional called ``f``; empty where there is none."""
        return "" if self.case is None else shown(self.case, self.functional)


def shown(case: Instance, functional: str) -> str:
    """A case as a line of Python that calls the functional, ``f``, on it."""
    names: tuple[str, ...] = ("p", "q")
    call = "f(q, p)" if functional == "kl_reverse" else "f(p, q)"
    if functional == "w":
        names = ("x", "y", "a", "b") if case.cost is None else ("cost", "a", "b")
        call = f"f({', '.join(names)})"
    text = "; ".join(f"{name} = np.array({getattr(case, name).tolist()!r})" for name in names)
    return f"import numpy as np; {text}; print({call})"


Only = frozenset[str]


def inequalities(battery: Battery, f: Functionals, only: Only, *, core: bool = False) -> Iterator[Failure]:
    """Stage A, on the values as reported; ``core`` keeps to inequalities among KL, JS, TV and W."""
    cases = battery.random
    columns = {name: np.array([c.truth[name] for c in cases]) for name in cases[0].truth}
    for name in TESTED:
        columns[name] = np.array([_number(battery.value(f, name, c.instance)) for c in cases])
        for i in np.flatnonzero(~(columns[name] >= 0)) if name in only else ():
            detail = f"{columns[name][i]} is not a non-negative number"
            yield Failure("A", name, cases[i].label, detail, cases[i].instance)
    for bound in BOUNDS.values():
        if not set(bound.functionals) & only or {"sigma", "density"} & set(bound.space):
            continue
        if core and not set(bound.functionals) <= set(TESTED):
            continue
        with np.errstate(all="ignore"):
            lesser, greater = map(np.asarray, bound.sides(columns, FloatMath))
        for i in np.flatnonzero(lesser > greater * (1 + TOLERANCE) + 1e-12)[:1]:
            detail = f"{bound.statement} fails: {lesser[i]:.9g} > {greater[i]:.9g}"
            yield Failure("A", bound.target, cases[i].label, detail, cases[i].instance)


def sharpness(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage B: the ratio of sides at the extremal pair is 1 to 2e-4, and not above."""
    for bound, case in battery.sharp:
        if not set(bound.functionals) & only:
            continue
        values = {**case.truth, **{k: _number(battery.value(f, k, case.instance)) for k in TESTED}}
        with np.errstate(all="ignore"):
            sides = bound.sides({k: np.float64(v) for k, v in values.items()}, FloatMath)
            ratio = 1.0 if sides[0] == sides[1] else float(np.divide(*sides))
        if not 1 - 2e-4 <= ratio <= 1 + TOLERANCE:
            detail = f"{bound.statement} should be an equality, ratio {ratio:.9g}"
            yield Failure("B", bound.target, case.label, detail, case.instance)


def hand_numbers(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage D: numbers a person can check with pencil and paper."""
    for name, case, expected in _HAND:
        if name in only:
            yield from _compare("D", name, case, battery.value(f, name, case.instance), expected)


def certificates(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage E: primal equal to dual for W, rational enclosures for the others."""
    yield from _against_truth("E", [*battery.random, *battery.metric], battery, f, only)


def accuracy(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage G: the same where floating point is hard."""
    yield from _against_truth("G", battery.near, battery, f, only - {"w"})
    yield from _against_truth("G", battery.scaled, battery, f, only & {"w"})


def laws(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage C."""
    cases = [c.instance for c in battery.random[:24]]
    for name, law, k, detail in law_failures(f, cases, only):
        yield Failure("C", name, f"case {k}", f"{law}: {detail}", cases[k])


def classify_all(battery: Battery, f: Functionals, only: Only) -> dict[str, dict[str, Classification]]:
    """The truth table as the distances under test see it."""
    table: dict[str, dict[str, Classification]] = {}
    for name, cases in battery.sequences.items():
        table[name] = {}
        for functional in TESTED:
            if functional in only and functional in SEQUENCES[name].expected:
                values = {n: battery.value(f, functional, case) for n, case in cases.items()}
                if None not in values.values():
                    numbers = {n: _number(v) for n, v in values.items()}
                    table[name][functional] = classify_values(numbers)
    return table


def limits(battery: Battery, f: Functionals, only: Only) -> Iterator[Failure]:
    """Stage F: kinds, rates to 0.02 and constants to 1 %."""
    for name, row in classify_all(battery, f, only).items():
        for functional, found in row.items():
            expected = SEQUENCES[name].expected[functional]
            if not found.limit.agrees(expected):
                detail = f"{found.limit} ({found.reason}), expected {expected}"
                yield Failure("F", functional, f"sequence {name}", detail)


_RUN = {
    "A": inequalities, "B": sharpness, "C": laws, "D": hand_numbers,
    "E": certificates, "F": limits, "G": accuracy,
}  # fmt: skip


def run_stages(battery: Battery, f: Functionals, only: Only = frozenset(TESTED)) -> dict[str, list[Failure]]:
    """Failures of each stage; ``only`` restricts to demands on those functionals."""
    return {stage: list(run(battery, f, only)) for stage, run in _RUN.items()}


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _against_truth(
    stage: str, cases: list[Case], battery: Battery, f: Functionals, only: Only
) -> Iterator[Failure]:
    for case in cases:
        for name in only & set(case.truth):
            value = battery.value(f, name, case.instance)
            yield from _compare(stage, name, case, value, case.truth[name])


def _compare(stage: str, name: str, case: Case, value: float | None, expected: float) -> Iterator[Failure]:
    if value is None or value == expected:
        return
    if not abs(value - expected) <= TOLERANCE * abs(expected) + 1e-300:
        yield Failure(stage, name, case.label, f"{value!r}, exactly {expected!r}", case.instance)


def _hand(label: str, p: list[float], q: list[float], points: list[float] | None = None) -> Case:
    return Case(label, Instance.of(p, q, points), {})


_COIN = _hand("(½,½) and (¼,¾)", [0.5, 0.5], [0.25, 0.75])
_SURE = _hand("(1,0) and (½,½)", [1.0, 0.0], [0.5, 0.5])
_APART = _hand("two Diracs", [1.0, 0.0], [0.0, 1.0])
_STEP = _hand("Diracs at 0 and 1 of {0, 1, 5}", [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 5.0])
_MOVE = _hand("(½,½,0) and (0,½,½) on {0, 1, 5}", [0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 1.0, 5.0])
_HAND: list[tuple[str, Case, float]] = [
    ("kl", _COIN, 0.5 * math.log(4 / 3)),
    ("kl_reverse", _COIN, 0.75 * math.log(3) - math.log(2)),
    ("kl", _SURE, math.log(2)),
    ("kl_reverse", _SURE, math.inf),
    ("js", _SURE, 1.5 * math.log(4 / 3)),
    ("js", _APART, 2 * math.log(2)),
    ("tv", _COIN, 0.25),
    ("tv", _APART, 1.0),
    ("tv", _MOVE, 0.5),
    ("w", _STEP, 1.0),
    ("w", _MOVE, 2.5),
    ("w", _COIN, 0.25),
]
