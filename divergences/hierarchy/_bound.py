"""One inequality of the hierarchy as data, and its check from enclosures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, Literal, Protocol

from divergences.hierarchy._functions import ExactMath
from divergences.hierarchy._interval import Interval, as_interval
from divergences.hierarchy._pair import Pair


class Encloses(Protocol):
    """Anything that can enclose named functionals: `Pair`, `GaussianPair`, `StepPair`."""

    def enclose(self, functional: str, *, bits: int = 192) -> Interval:
        """A rational interval that contains the functional."""
        ...


class Verdict(Enum):
    """What enclosures can say about an inequality; the text says what it means."""

    HOLDS = "proved: the enclosures are ordered as the bound says"
    VIOLATED = "refuted: the enclosures are ordered the other way, so one side or the bound is wrong"
    INCONCLUSIVE = "the enclosures overlap at every precision tried: equality, or too close to tell"


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of `Bound.check`.

    Attributes
    ----------
    bound : str
        Name of the bound.
    verdict : Verdict
    lesser, greater : Interval
        Both sides, enclosed.
    bits : int
        Working precision at which the verdict fell.
    """

    bound: str
    verdict: Verdict
    lesser: Interval
    greater: Interval
    bits: int

    @property
    def ratio(self) -> Interval:
        """lesser / greater, enclosed: at most 1 if the bound holds, 1 where it is attained."""
        if self.lesser.lo == self.greater.hi == float("inf"):
            return Interval.point(1)
        if self.greater.hi <= 0 or self.lesser.hi == 0:
            return Interval.point(0)
        if self.greater.lo <= 0:  # zero within rounding outward: only the lower end is known
            return Interval(max(Fraction(0), self.lesser.lo) / self.greater.hi, float("inf"))
        return self.lesser / self.greater


@dataclass(frozen=True, slots=True)
class Bound:
    """An inequality ``target >= curve(given)`` or ``target <= curve(given)``, increasing in each given.

    Attributes
    ----------
    name, statement : str
        Identifier, and the inequality as a person writes it.
    part : {"1", "2", "3", "4"}
        The part of the theorem it makes quantitative.
    target : str
        The functional bounded.
    sense : {"<=", ">="}
    given : tuple of str
        The functionals on the other side.
    space : tuple of str
        Constants of the space (`diameter`, `separation`, ...), passed to ``curve`` after the given.
    curve : callable
        ``curve(m, *given, *space)`` with ``m`` an `ExactMath` (intervals) or `FloatMath` (arrays).
    extremal : callable
        ``extremal(k)``, k = 1, 2, ...: a pair whose ratio of sides is 1, or tends to 1 as k grows.
    constant : str
        Why it cannot be improved: where equality holds.
    source : str
    """

    name: str
    statement: str
    part: Literal["1", "2", "3", "4"]
    target: str
    sense: Literal["<=", ">="]
    given: tuple[str, ...]
    curve: Callable[..., Any]
    extremal: Callable[[int], Encloses]
    constant: str
    source: str
    space: tuple[str, ...] = ()

    @property
    def functionals(self) -> tuple[str, ...]:
        """Every functional of (P, Q) that occurs."""
        return (self.target, *self.given)

    def sides(self, values: Mapping[str, Any], m: Any) -> tuple[Any, Any]:
        """(lesser, greater) sides for the values of the functionals and constants, in arithmetic ``m``."""
        other = self.curve(m, *(values[name] for name in (*self.given, *self.space)))
        return (other, values[self.target]) if self.sense == ">=" else (values[self.target], other)

    def check(
        self, p: Any, q: Any = None, *, points: Any = None, distance: Any = None, max_bits: int = 768
    ) -> Check:
        """Decide the inequality for one pair from rational enclosures, never from bare floats.

        Parameters
        ----------
        p : Pair or (n,) numbers
            A pair, or the law P (then ``q`` is Q, with ``points`` or ``distance`` as in `Pair`).
        max_bits : int
            Working precision starts at 192 bits and is quadrupled up to this before giving up.

        Returns
        -------
        Check

        Raises
        ------
        ValueError
            Not probabilities, or a metric the bound needs and the pair lacks.

        Examples
        --------
        >>> from divergences.hierarchy import BOUNDS
        >>> BOUNDS["pinsker"].check([0.5, 0.5], [0.25, 0.75]).verdict.name
        'HOLDS'
        """
        pair = p if q is None else Pair(p, q, points=points, distance=distance)
        if not hasattr(pair, "enclose"):
            raise ValueError("q is missing: call check(p, q) with two laws, or check(pair) with a Pair")
        bits = 192
        while True:
            names = (*self.functionals, *self.space)
            values = {name: as_interval(pair.enclose(name, bits=bits)) for name in names}
            lesser, greater = map(as_interval, self.sides(values, ExactMath(bits)))
            if lesser.hi <= greater.lo:
                return Check(self.name, Verdict.HOLDS, lesser, greater, bits)
            if lesser.lo > greater.hi:
                return Check(self.name, Verdict.VIOLATED, lesser, greater, bits)
            if 4 * bits > max_bits:
                return Check(self.name, Verdict.INCONCLUSIVE, lesser, greater, bits)
            bits *= 4


def dyadic(k: int) -> Fraction:
    """2**-k."""
    return Fraction(1, 1 << k)
