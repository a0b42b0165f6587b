"""Rational intervals with outward rounding, and the elementary functions on them.

A value is known when it lies between two fractions. Sums and products of fractions are exact; logarithms,
exponentials and roots are bracketed by a partial sum in integer arithmetic plus a bound on its tail, at a
chosen number of bits. Nothing here touches floating point, so a strict inequality between two intervals is
a proof.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeAlias

Endpoint: TypeAlias = Fraction | float
"""A fraction, or plus infinity (the only float that is ever an endpoint)."""

_INF = math.inf


def _plus(a: Endpoint, b: Endpoint) -> Endpoint:
    return _INF if _INF in (a, b) else a + b


def _times(a: Endpoint, b: Endpoint) -> Endpoint:
    # 0 * inf = 0, the convention of measure theory (an infinite density on a null set).
    if a == 0 or b == 0:
        return Fraction(0)
    if _INF in (a, b):
        if min(a, b) < 0:
            raise ValueError("an infinite interval cannot be multiplied by a negative number")
        return _INF
    return a * b


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval [lo, hi] of rationals that contains the true value; ``hi`` may be infinite.

    Examples
    --------
    >>> third = Interval.point(Fraction(1, 3))
    >>> (third + third + third).is_point
    True
    """

    lo: Endpoint
    hi: Endpoint

    def __post_init__(self) -> None:
        if not self.lo <= self.hi:
            raise ValueError(f"the interval [{self.lo}, {self.hi}] is empty")

    @classmethod
    def point(cls, x: Any) -> Interval:
        """The interval that holds ``x`` alone (a float counts as the fraction it stores)."""
        value: Endpoint = _INF if x == _INF else Fraction(x)
        return cls(value, value)

    @property
    def is_point(self) -> bool:
        """Whether the value is known exactly."""
        return self.lo == self.hi

    @property
    def width(self) -> float:
        """hi - lo as a float, 0 for a point (also at infinity)."""
        return 0.0 if self.is_point else float(_plus(self.hi, -self.lo))

    def __float__(self) -> float:
        if self.hi == _INF:
            return _INF
        return _to_float((Fraction(self.lo) + Fraction(self.hi)) / 2)

    def __repr__(self) -> str:
        return f"[{_to_float(self.lo):.12g}, {_to_float(self.hi):.12g}]"

    def __add__(self, other: Any) -> Interval:
        o = as_interval(other)
        return Interval(_plus(self.lo, o.lo), _plus(self.hi, o.hi))

    __radd__ = __add__

    def __neg__(self) -> Interval:
        if self.hi == _INF:
            raise ValueError("minus infinity is no endpoint")
        return Interval(-self.hi, -self.lo)

    def __sub__(self, other: Any) -> Interval:
        return self + (-as_interval(other))

    def __rsub__(self, other: Any) -> Interval:
        return as_interval(other) + (-self)

    def __mul__(self, other: Any) -> Interval:
        o = as_interval(other)
        corners = [_times(a, b) for a in (self.lo, self.hi) for b in (o.lo, o.hi)]
        return Interval(min(corners), max(corners))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Interval:
        o = as_interval(other)
        if not o.lo > 0:
            raise ZeroDivisionError(f"the divisor {o!r} is not known to be positive")
        low: Endpoint = Fraction(0) if o.hi == _INF else 1 / o.hi
        return self * Interval(low, 1 / o.lo)

    def __rtruediv__(self, other: Any) -> Interval:
        return as_interval(other) / self

    def __pow__(self, n: int) -> Interval:
        if n < 0 or self.lo < 0:
            raise ValueError(f"only non-negative powers of non-negative intervals: {self!r} ** {n}")
        return Interval(*(_INF if e == _INF and n else e**n for e in (self.lo, self.hi)))


def as_interval(x: Any) -> Interval:
    """``x`` itself if it is an interval, else the point it stands for."""
    return x if isinstance(x, Interval) else Interval.point(x)


def _to_float(x: Endpoint) -> float:
    try:
        return float(x)
    except OverflowError:
        return _INF if x > 0 else -_INF


def round_down(x: Fraction, bits: int) -> Fraction:
    """The largest number with ``bits`` significant bits that is <= x; keeps fractions short."""
    if x == 0:
        return x
    shift = bits - (abs(x.numerator).bit_length() - x.denominator.bit_length())
    if shift >= 0:
        return Fraction((x.numerator << shift) // x.denominator, 1 << shift)
    return Fraction((x.numerator // (x.denominator << -shift)) << -shift)


def outward(lo: Endpoint, hi: Endpoint, bits: int) -> Interval:
    return Interval(
        lo if lo == _INF else round_down(Fraction(lo), bits),
        hi if hi == _INF else -round_down(-Fraction(hi), bits),
    )


def _atanh_scaled(num: int, den: int, bits: int) -> tuple[int, int]:
    """Integers (lo, hi) around 2**bits * atanh(num/den) for 0 <= num/den <= 1/3."""
    z = (num << bits) // den
    z2 = (z * z) >> bits
    total, power, k = 0, z, 0
    while power:
        total += power // (2 * k + 1)
        power = (power * z2) >> bits
        k += 1
    # Every floor loses less than one unit. Per term: the division, and the error carried by `power`,
    # at most 3 units as z <= 1/3 contracts it; the neglected tail is below one unit. Hence 4k + 4.
    return total, total + 4 * k + 4


@lru_cache(maxsize=32)
def log2_scaled(bits: int) -> tuple[int, int]:
    lo, hi = _atanh_scaled(1, 3, bits)
    return 2 * lo, 2 * hi


def log_fraction(x: Fraction, bits: int) -> Interval:
    """An enclosure of log x of absolute width about 2**-bits times the size of log2(x).

    log x = k log 2 + 2 atanh((m-1)/(m+1)) with x = 2**k m and 1/2 < m < 2, so |(m-1)/(m+1)| <= 1/3.
    """
    if not x > 0:
        raise ValueError(f"log of {x}; it must be positive")
    if x == 1:
        return Interval.point(0)
    num, den = x.numerator, x.denominator
    k = num.bit_length() - den.bit_length()
    num, den = (num, den << k) if k >= 0 else (num << -k, den)
    lo, hi = _atanh_scaled(abs(num - den), num + den, bits)
    lo, hi = (2 * lo, 2 * hi) if num >= den else (-2 * hi, -2 * lo)
    ends = [k * e for e in log2_scaled(bits)]
    one = 1 << bits
    return Interval(Fraction(lo + min(ends), one), Fraction(hi + max(ends), one))


def exp_fraction(x: Fraction, bits: int) -> Interval:
    """exp x for x >= 0: Taylor at x / 2**s, then s squarings."""
    s = max(0, x.numerator.bit_length() - x.denominator.bit_length() + 8)
    work = bits + 2 * s + 16
    y = round_down(x / 2**s, work), -round_down(-x / 2**s, work)
    ends = []
    for value in y:
        term, total, k = Fraction(1), Fraction(1), 0
        while term > Fraction(1, 1 << work):
            k += 1
            term = round_down(term * value / k, work) if value == y[0] else _up(term * value / k, work)
            total += term
        ends.append(total)
    lo, hi = ends[0], ends[1] + Fraction(1, 1 << (work - 1))  # the tail is below twice the next term
    for _ in range(s):
        lo, hi = round_down(lo * lo, work), _up(hi * hi, work)
    return Interval(lo, hi)


def _up(x: Fraction, bits: int) -> Fraction:
    return -round_down(-x, bits)


def sqrt_fraction(x: Fraction, bits: int) -> Interval:
    if x < 0:
        raise ValueError(f"square root of {x}; it must not be negative")
    shift = max(0, 2 * bits - (x.numerator.bit_length() - x.denominator.bit_length()))
    shift += shift % 2
    scaled = (x.numerator << shift) // x.denominator
    root = math.isqrt(scaled)
    exact = root * root == scaled and scaled * x.denominator == x.numerator << shift
    one = 1 << (shift // 2)
    return Interval(Fraction(root, one), Fraction(root if exact else root + 1, one))
