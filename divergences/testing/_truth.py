"""True divergences of rational laws, to 50 digits: what every case of this kit carries.

The masses are fractions, so every term is evaluated from exact numbers; logarithms and roots in decimal
arithmetic of `DIGITS` digits, far beyond what cancels in any case drawn here. Nothing of the library is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal
from fractions import Fraction

DIGITS = 80
Law = Sequence[Fraction]
_CONTEXT = Context(prec=DIGITS)
_INFINITE = Decimal("Infinity")


def _decimal(x: Fraction) -> Decimal:
    return _CONTEXT.divide(Decimal(x.numerator), Decimal(x.denominator))


def _log(x: Fraction) -> Decimal:
    return _CONTEXT.subtract(_CONTEXT.ln(Decimal(x.numerator)), _CONTEXT.ln(Decimal(x.denominator)))


def _root(x: Fraction) -> Decimal:
    return _CONTEXT.sqrt(_decimal(x))


def _total(terms: Sequence[Decimal]) -> Decimal:
    total = Decimal(0)
    for term in terms:
        total = _CONTEXT.add(total, term)
    return total


def _kl(p: Law, q: Law) -> Decimal:
    """sum p log(p/q)."""
    if any(x > 0 and y == 0 for x, y in zip(p, q)):
        return _INFINITE
    return _total([_CONTEXT.multiply(_decimal(x), _log(x / y)) for x, y in zip(p, q) if x > 0])


def _js(p: Law, q: Law) -> Decimal:
    """KL(p | m) + KL(q | m), m = (p + q)/2: at most 2 log 2."""
    middle = [(x + y) / 2 for x, y in zip(p, q)]
    return _CONTEXT.add(_kl(p, middle), _kl(q, middle))


def _tv(p: Law, q: Law) -> Decimal:
    return _decimal(sum((abs(x - y) for x, y in zip(p, q)), Fraction(0)) / 2)


def _squared_hellinger(p: Law, q: Law) -> Decimal:
    """1 - sum sqrt(p q)."""
    return _CONTEXT.subtract(Decimal(1), _total([_root(x * y) for x, y in zip(p, q)]))


def _chi2(p: Law, q: Law) -> Decimal:
    """sum (p - q)^2 / q."""
    if any(x > 0 and y == 0 for x, y in zip(p, q)):
        return _INFINITE
    return _decimal(sum(((x - y) ** 2 / y for x, y in zip(p, q) if y > 0), Fraction(0)))


def _jeffreys(p: Law, q: Law) -> Decimal:
    return _CONTEXT.add(_kl(p, q), _kl(q, p))


_FORMULAS: dict[str, Callable[[Law, Law], Decimal]] = {
    "kl": _kl,
    "js": _js,
    "js_distance": lambda p, q: _CONTEXT.sqrt(max(_CONTEXT.divide(_js(p, q), Decimal(2)), Decimal(0))),
    "tv": _tv,
    "squared_hellinger": _squared_hellinger,
    "hellinger": lambda p, q: _CONTEXT.sqrt(max(_squared_hellinger(p, q), Decimal(0))),
    "chi2": _chi2,
    "jeffreys": _jeffreys,
}
NAMES = tuple(_FORMULAS)


def true_entropy(p: Law) -> float:
    """-sum p log p in nats, rounded once to float64."""
    return float(_total([_CONTEXT.multiply(_decimal(x), -_log(x)) for x in p if x > 0]))


def true_cross_entropy(p: Law, q: Law) -> float:
    """-sum p log q in nats, rounded once to float64; inf where q lacks an atom of p."""
    if any(x > 0 and y == 0 for x, y in zip(p, q)):
        return float("inf")
    return float(_total([_CONTEXT.multiply(_decimal(x), -_log(y)) for x, y in zip(p, q) if x > 0]))


def true_divergence(name: str, p: Law, q: Law) -> float:
    """The divergence ``name`` of two laws in fractions, rounded once to float64.

    Raises
    ------
    ValueError
        For a name that is not one of `NAMES`.
    """
    if name not in _FORMULAS:
        raise ValueError(f"no divergence called {name!r}; take one of {', '.join(NAMES)}")
    if list(p) == list(q):
        return 0.0
    return float(_FORMULAS[name](p, q))


def true_transport_line(x: Law, p: Law, y: Law, q: Law, power: int = 1) -> Fraction:
    """The least sum of mass |x - y|^power on the line: the coupling that keeps the order."""
    sources = sorted(zip(x, p), reverse=True)
    sinks = sorted(zip(y, q), reverse=True)
    total, left, room = Fraction(0), Fraction(0), Fraction(0)
    here = there = Fraction(0)
    while True:
        if left == 0:
            if not sources:
                return total
            here, left = sources.pop()
        elif room == 0:
            there, room = sinks.pop()
        else:
            moved = min(left, room)
            total += moved * abs(here - there) ** power
            left, room = left - moved, room - moved


def true_energy(x: Law, y: Law) -> Fraction:
    """2 E|X-Y| - E|X-X'| - E|Y-Y'| over pairs of different points of two samples: the U-statistic."""

    def mean(u: Law, v: Law, pairs: int) -> Fraction:
        return sum((abs(s - t) for s in u for t in v), Fraction(0)) / pairs

    n, m = len(x), len(y)
    return 2 * mean(x, y, n * m) - mean(x, x, n * (n - 1)) - mean(y, y, m * (m - 1))


def root(x: Fraction) -> float:
    """Its square root, rounded once to float64."""
    return float(_root(x))
