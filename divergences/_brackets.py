"""From an integral and its error bound to an `Estimate`, and the checks every estimate passes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences._estimate import Estimate
from divergences._functionals import Functional
from divergences._table import TABLE

_EPS = float(np.finfo(np.float64).eps)
_LOG_MAX = math.log(np.finfo(np.float64).max)
BEYOND = "beyond the double range"


def singular(what: Functional, reason: str) -> Estimate:
    """The value at mutually singular laws: the top of the functional's range."""
    infinite = what.singular_p or what.singular_q
    value = math.inf if infinite else what.finish(what.largest)
    return Estimate(value, value, value, reason, 0)


def infinite(method: str, n: int = 0) -> Estimate:
    """An infinite value; ``method`` names the proof."""
    return Estimate(math.inf, math.inf, math.inf, method, n)


Near = tuple[tuple[float, float], tuple[float, float]]
"""Intervals of TV and of the squared Hellinger distance, found on the way."""


@dataclass(frozen=True)
class Measured:
    """An integral or a sum and its error bound: ``e^unit · (value ± error)``, before `assembled`.

    ``open_above``: what was not seen may make an unbounded functional arbitrarily large.
    """

    what: Functional
    value: float
    error: float
    method: str
    n: int
    unit: float = 0.0
    open_above: bool = False
    near: Near | None = None


def bracket(
    what: Functional, value: float, error: float, *, unit: float = 0.0, open_above: bool = False
) -> tuple[float, float, float]:
    """(value, lower, upper) of finish(e^unit · integral), from the integral and its error bound."""
    if unit == 0.0:
        high = math.inf if open_above and not what.bounded else min(what.largest, value + error)
        low = min(max(0.0, value - error), what.largest)
        value = min(max(value, low), high)
        done = [what.finish(x) if math.isfinite(x) else math.inf for x in (value, low, high)]
    else:
        logs = [unit + math.log(x) if x > 0 else -math.inf for x in (value, value - error, value + error)]
        if open_above and not what.bounded:
            logs[2] = math.inf
        done = [_finish_log(what, x) for x in logs]
    if done[1] > done[2]:  # a decreasing finish: the affinity's
        done[1], done[2] = done[2], done[1]
    # the last rounding, of finish itself
    return done[0], done[1] * (1 - 4 * _EPS), done[2] * (1 + 4 * _EPS)


def _finish_log(what: Functional, log: float) -> float:
    if what.finish_log is not None:
        return what.finish_log(log)
    return math.inf if log > _LOG_MAX else what.finish(math.exp(log))


def assembled(found: Measured | Estimate) -> Estimate:
    """The `Estimate` of finish(e^unit · integral), checked; an infinity that has its proof is one already."""
    if isinstance(found, Estimate):
        return found
    what, n = found.what, found.n
    v, low, high = bracket(what, found.value, found.error, unit=found.unit, open_above=found.open_above)
    if math.isinf(v):
        top = min(low, what.finish(float(np.finfo(np.float64).max)))
        made = Estimate(math.inf, top, math.inf, f"{found.method}: {BEYOND}", n)
    else:
        made = Estimate(v, min(low, v), max(high, v), found.method, n)
    return checked(what.name, made, *(found.near or ()))


def checked(
    name: str, found: Estimate, tv: tuple[float, float] | None = None, h2: tuple[float, float] | None = None
) -> Estimate:
    """``found``, if it can be true: ordered, within the functional's range, and compatible with TV and H².

    ``tv`` and ``h2`` are intervals found on the way, from the same densities. Topsøe: tv² <= js <= 2 log 2
    tv; Pinsker: kl >= 2 tv²; kl >= -2 log(1 - h²); Le Cam: h² <= tv <= √(h²(2 - h²)).

    Raises
    ------
    ArithmeticError
        If it cannot; the message says what to do.
    """
    top = (TABLE[name].top if name in TABLE else math.inf) * (1 + 1e-12)
    fine = found.lower <= found.value <= found.upper and 0 <= found.value <= top
    if found.confidence == 1.0 and tv is not None and h2 is not None:
        fine = fine and all(low <= high * (1 + 1e-9) + 1e-12 for low, high in _relations(name, found, tv, h2))
    if fine:
        return found
    raise ArithmeticError(
        f"the {name} came out as {found.value!r} in [{found.lower!r}, {found.upper!r}] ({found.method}), "
        "which no "
        "pair of laws has: the densities contradict one another. Pass Density(logpdf, support, "
        "breakpoints=...) "
        "with an accurate log-density"
    )


def _relations(name: str, found: Estimate, tv: tuple[float, float], h2: tuple[float, float]) -> Any:
    """Pairs (a, b), a <= b by a theorem, with the ends of the intervals that favour it."""
    yield h2[0], tv[1]
    yield tv[0] ** 2, h2[1] * (2 - h2[1]) if h2[1] < 1 else 1.0
    if name in ("kl", "jeffreys"):
        yield 2 * tv[0] ** 2, found.upper
        yield (-2 * math.log1p(-h2[0]) if h2[0] < 1 else 0.0), found.upper
    if name == "js":
        yield tv[0] ** 2, found.upper
        yield found.lower, 2 * math.log(2) * tv[1]
    if name in ("tv", "squared_hellinger"):
        own = tv if name == "tv" else h2
        yield found.lower, own[1]
        yield own[0], found.upper
