"""What one functional says about another: the tightest conversion the table allows, both ways."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from divergences.hierarchy._bound import Bound
from divergences.hierarchy._functions import FloatMath
from divergences.hierarchy._table import BOUNDS

_MIRROR = {"kl": "kl_reverse", "kl_reverse": "kl"}
# Implied by others, hence never tightest: leaving them out changes nothing but the time.
_IMPLIED = {"js_tv_square", "pinsker", "pinsker_8th", "bretagnolle_huber", "vajda", "gilardoni",
            "w_kl", "w_kl_bounded", "w_js", "kl_tv_finite"}  # fmt: skip
_ONE_SIDED = {"chi2"}  # not symmetric in P and Q, and without a mirror image in the table


@dataclass(frozen=True)
class Range:
    """The values a functional may take, and the bounds, first to last, that prove each end."""

    lower: float
    upper: float
    lower_by: tuple[str, ...]
    upper_by: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    """target's end moves to curve(ends of the given): one direction of one bound."""

    name: str
    given: tuple[str, ...]
    target: str
    end: str  # which end of target it can move, and which ends of the given it reads
    curve: Callable[..., float]


@dataclass(frozen=True)
class Conversion:
    """The range of ``target`` for a known value of ``given``; see `bounds_between`."""

    given: str
    target: str
    rules: tuple[_Rule, ...]
    limits: dict[str, float]

    def __call__(self, value: float) -> Range:
        """Lower and upper bound on ``target`` when ``given`` equals ``value``.

        Raises
        ------
        ValueError
            A value ``given`` cannot take.
        """
        return self.ranges(value)[self.target]

    def ranges(self, value: float) -> dict[str, Range]:
        """The same for every functional at once, by name."""
        if not 0 <= value <= self.limits[self.given] * (1 + 1e-12):
            raise ValueError(f"{self.given} = {value}; it lies in [0, {self.limits[self.given]:g}]")
        ends: dict[str, dict[str, tuple[float, tuple[str, ...]]]] = {
            "lower": dict.fromkeys(self.limits, (0.0, ())),
            "upper": {name: (limit, ()) for name, limit in self.limits.items()},
        }
        ends["lower"][self.given] = ends["upper"][self.given] = (float(value), ())
        last: dict[_Rule, tuple[float, ...]] = {}
        moved = True
        while moved:  # every move shrinks a range by more than rounding, and a chain visits a name once
            moved = False
            for rule in self.rules:
                side, better = ends[rule.end], 1 if rule.end == "lower" else -1
                x = tuple(side[name][0] for name in rule.given)
                chain = tuple(step for name in rule.given for step in side[name][1])
                if last.get(rule) == x or rule.name in chain:
                    continue
                last[rule] = x
                y, now = rule.curve(*x), side[rule.target][0]
                if better * (y - now) > 1e-12 * max(abs(y), 1e-290):
                    side[rule.target] = (y, (*chain, rule.name))
                    moved = True
        found = {}
        for name in self.limits:
            (low, low_by), (high, high_by) = ends["lower"][name], ends["upper"][name]
            found[name] = Range(low, max(low, high), low_by, high_by)
        return found

    def lower(self, value: float) -> float:
        """The largest lower bound on ``target``."""
        return self(value).lower

    def upper(self, value: float) -> float:
        """The smallest upper bound on ``target`` (inf if there is none)."""
        return self(value).upper


def _inverse(curve: Callable[[float], float], limit: float, end: str) -> Callable[[float], float]:
    """sup{x : curve(x) <= y} for an upper end, inf{x : curve(x) >= y} for a lower one."""

    def inverted(y: float) -> float:
        if y == math.inf:
            return limit
        high = limit if limit < math.inf else 1.0
        while high < limit and curve(high) < y and high < 1e300:
            high *= 2
        if curve(high) < y or (end == "upper" and curve(high) <= y):
            return limit
        low = 0.0
        for _ in range(90):
            middle = 0.5 * (low + high) if low > 0 or high < 1e-300 else high * 1e-3
            if not low < middle < high:
                break
            low, high = (middle, high) if curve(middle) < y else (low, middle)
        return high if end == "upper" else low

    return inverted


def _rules_of(bound: Bound, constants: dict[str, float], limits: dict[str, float]) -> list[_Rule]:
    fixed = [constants[name] for name in bound.space]
    names = [(bound.target, bound.given)]
    if not _ONE_SIDED & set(bound.functionals) and "inverse_mass" not in bound.space:
        names.append((_MIRROR.get(bound.target, bound.target), tuple(_MIRROR.get(g, g) for g in bound.given)))

    def curve(*x: float) -> float:
        return float(bound.curve(FloatMath, *map(np.float64, x), *fixed))

    end = "lower" if bound.sense == ">=" else "upper"
    opposite = "upper" if bound.sense == ">=" else "lower"
    rules = []
    for target, given in dict.fromkeys(names):
        rules.append(_Rule(bound.name, given, target, end, curve))
        if len(given) == 1:
            inverse = _inverse(curve, limits[given[0]], opposite)
            rules.append(_Rule(bound.name, (target,), given[0], opposite, inverse))
    return rules


def bounds_between(
    given: str,
    target: str,
    *,
    diameter: float = math.inf,
    separation: float = 0.0,
    smallest_mass: float = 0.0,
) -> Conversion:
    """What a value of one functional implies for another: the tightest known bounds, both ways.

    Every inequality of `BOUNDS` is used in both directions and chained through the other functionals.

    Parameters
    ----------
    given, target : str
        Functionals: ``tv, js, kl, kl_reverse, squared_hellinger, triangular, chi2, w, w2, prokhorov,
        bounded_lipschitz, kolmogorov``.
    diameter : float
        Of the space; unknown by default, which leaves W unbounded by the f-divergences.
    separation : float
        Smallest distance between distinct points of a finite space (0: none).
    smallest_mass : float
        Least mass of an atom of Q on a finite space (0: none).

    Returns
    -------
    Conversion
        Callable: ``conversion(value)`` is a `Range` with ``lower``, ``upper`` and the chain of bounds
        behind each; ``.lower(value)`` and ``.upper(value)`` are the floats. Exact to about 1e-12.

    Raises
    ------
    ValueError
        An unknown functional, or constants no space can have.

    Examples
    --------
    >>> js = bounds_between("tv", "js")
    >>> round(js.lower(0.5), 6), round(js.upper(0.5), 6)
    (0.261624, 0.693147)
    >>> tv = bounds_between("kl", "tv")
    >>> tv(0.5).upper_by
    ('fht',)
    >>> round(tv.upper(0.5), 6)  # Pinsker alone gives 0.5
    0.485567
    >>> bounds_between("kl", "w", diameter=3.0)(0.5).upper_by
    ('fht', 'w_tv')
    """
    constants = {"diameter": float(diameter), "separation": float(separation)}
    constants["inverse_mass"] = math.inf if smallest_mass == 0 else 1 / float(smallest_mass)
    if not (constants["diameter"] > 0 and 0 <= separation <= diameter and 0 <= smallest_mass <= 1):
        raise ValueError(
            f"diameter = {diameter}, separation = {separation}, smallest_mass = {smallest_mass}: need "
            "0 <= separation <= diameter, diameter > 0 and 0 <= smallest_mass <= 1"
        )
    d = constants["diameter"]
    limits = {"tv": 1.0, "js": 2 * math.log(2), "squared_hellinger": 1.0, "triangular": 2.0}
    limits |= {"kolmogorov": 1.0, "prokhorov": min(1.0, d), "w": d, "w2": d}
    limits |= {"bounded_lipschitz": 2 - 4 / (2 + d)}
    limits |= dict.fromkeys(("kl", "kl_reverse", "chi2"), math.inf)
    for name, value in (("given", given), ("target", target)):
        if value not in limits:
            raise ValueError(f"{name} = {value!r}; choose one of {', '.join(limits)}")
    usable = {
        k for k, trivial in (("diameter", math.inf), ("separation", 0), ("inverse_mass", math.inf))
        if constants[k] != trivial
    }  # fmt: skip
    rules = [
        rule
        for name, bound in BOUNDS.items()
        if name not in _IMPLIED and set(bound.space) <= usable and set(bound.functionals) <= set(limits)
        for rule in _rules_of(bound, constants, limits)
    ]
    return Conversion(given, target, tuple(rules), limits)
