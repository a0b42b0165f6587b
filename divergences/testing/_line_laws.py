"""Laws of distances ``w(x, y, a, b)`` of weighted samples on the line: W1, and W2 with its root.

Tolerance: 1e-12 of the spread of the points, since a sum over sorted points may cancel no more than that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from hypothesis import strategies as st

from divergences.testing._cases import LineCase
from divergences.testing._law import Demand, Judge, Law
from divergences.testing._strategies import line_cases
from divergences.testing._truth import root

RTOL = 1e-12
UNITS = {"2.0**-80": 2.0**-80, "2.0**80": 2.0**80, "(1 + 2.0**-30)": 1 + 2.0**-30}  # single precision: 1
Distance = Callable[[Any, Any, Any, Any], Any]


def _call(w: Distance, *given: Any) -> float:
    return float(w(*(np.array(v) for v in given)))


def _spread(case: LineCase) -> float:
    both = np.concatenate([case.x, case.y])
    return float(both.max() - both.min()) or 1.0


class _Order:
    """The laws of W_p for one p."""

    def __init__(self, power: int) -> None:
        self.name = f"W{power}"
        # The root of a sum that cancels keeps half of its digits.
        self.slack = RTOL if power == 1 else 1e-8
        self.true: Callable[[LineCase], float] = (
            (lambda case: float(case.value)) if power == 1 else (lambda case: root(case.squared))
        )

    def _same(self, found: float, true: float, size: float, shown: str, line: str) -> Demand:
        slack = RTOL * max(true, size if self.slack == RTOL else self.slack * size)
        return Demand(found, "==", true, slack, shown, line)

    def value(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, case.x, case.y, case.a, case.b)
        shown = f"f(x, y, a, b) and the exact {self.name}"
        yield self._same(found, self.true(case), _spread(case), shown, "f(x, y, a, b)")

    def unit(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        for unit, s in UNITS.items():
            found = _call(w, case.x * s, case.y * s, case.a, case.b)
            line = f"f(x * {unit}, y * {unit}, a, b)"
            true = self.true(case) * s
            yield self._same(found, true, _spread(case) * s, f"{self.name} in another unit", line)

    def translation(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, case.x + 1024.0, case.y + 1024.0, case.a, case.b)
        line = "f(x + 1024, y + 1024, a, b)"
        yield self._same(found, self.true(case), 2048.0, f"{self.name} after a translation", line)

    def reflection(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, -case.x, -case.y, case.a, case.b)
        yield self._same(found, self.true(case), _spread(case), f"{self.name} mirrored", "f(-x, -y, a, b)")

    def integers(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        x, y = (np.round(v * 8).astype(np.int64) for v in (case.x, case.y))
        found = _call(w, x, y, case.a, case.b)
        line = "f((x * 8).astype(int), (y * 8).astype(int), a, b)"
        shown = f"{self.name} of integer points"
        yield self._same(found, self.true(case) * 8, 8 * _spread(case), shown, line)

    def symmetry(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, case.y, case.x, case.b, case.a)
        shown = f"{self.name} with the laws exchanged"
        yield self._same(found, self.true(case), _spread(case), shown, "f(y, x, b, a)")

    def order(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, case.x[::-1], case.y, case.a[::-1], case.b)
        shown, line = f"{self.name} with points in another order", "f(x[::-1], y, a[::-1], b)"
        yield self._same(found, self.true(case), _spread(case), shown, line)

    def splitting(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, np.repeat(case.x, 2), case.y, np.repeat(case.a / 2, 2), case.b)
        line = "f(np.repeat(x, 2), y, np.repeat(a / 2, 2), b)"
        shown = f"{self.name} with every point written twice"
        yield self._same(found, self.true(case), _spread(case), shown, line)

    def many_atoms(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        x, a = np.repeat(case.x, 64), np.repeat(case.a / 64, 64)
        y, b = np.repeat(case.y, 32), np.repeat(case.b / 32, 32)
        line = "f(np.repeat(x, 64), np.repeat(y, 32), np.repeat(a / 64, 64), np.repeat(b / 32, 32))"
        found, shown = _call(w, x, y, a, b), f"{self.name} with every point cut in 64 or 32"
        yield self._same(found, self.true(case), _spread(case), shown, line)

    def equals(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        found = _call(w, case.x, case.x[::-1], case.a, case.a[::-1])
        yield self._same(
            found, 0.0, _spread(case), f"{self.name} of a law and itself", "f(x, x[::-1], a, a[::-1])"
        )

    def arguments_kept(self, w: Distance, case: LineCase) -> Iterator[Demand]:
        given = [np.array(v) for v in (case.x, case.y, case.a, case.b)]
        w(*given)
        changed = sum(float(np.abs(u - v).max()) for u, v in zip(given, (case.x, case.y, case.a, case.b)))
        yield Demand(changed, "==", 0.0, 0.0, "change made to the arguments", "f(x, y, a, b)")


def line_laws(power: int = 1) -> tuple[Law, ...]:
    """The laws of W_p on the line, ``w(x, y, a, b)`` (SciPy's order of arguments), p = 1 or 2."""
    of, cases = _Order(power), line_cases()
    meaning = (
        "the area between the distribution functions"
        if power == 1
        else "the root of the squares between quantiles"
    )
    rows: list[tuple[str, str, st.SearchStrategy[LineCase], Judge]] = [
        ("value", meaning, cases, of.value),
        ("unit of length", "points x s give distance x s", cases, of.unit),
        ("translation", "moving both laws changes nothing", cases, of.translation),
        ("reflection", "mirroring both laws changes nothing", cases, of.reflection),
        ("integers", "integer points are points", cases, of.integers),
        ("symmetry", "w(x, y) = w(y, x)", cases, of.symmetry),
        ("order of points", "the order of the points changes nothing", cases, of.order),
        ("splitting", "writing a point twice with half its mass changes nothing", cases, of.splitting),
        ("many atoms", "cutting points in 64 and 32 equal parts changes nothing", cases, of.many_atoms),
        ("zero on equals", "w(x, x) = 0, whatever the order", cases, of.equals),
        ("arguments kept", "w does not write to its arguments", cases, of.arguments_kept),
    ]
    subject = "line" if power == 1 else "line_w2"
    return tuple(Law(name, subject, statement, strategy, judge) for name, statement, strategy, judge in rows)
