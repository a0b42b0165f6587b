"""Elementary functions in two arithmetics: rational enclosures for verdicts, floats for pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from divergences.hierarchy._fht import fht_exact, fht_float
from divergences.hierarchy._interval import (
    Endpoint,
    Interval,
    as_interval,
    exp_fraction,
    log2_scaled,
    log_fraction,
    outward,
    sqrt_fraction,
)

_INF = math.inf


@dataclass(frozen=True, slots=True)
class ExactMath:
    """Elementary functions on `Interval`, at ``bits`` bits, all increasing unless said otherwise."""

    bits: int = 192

    @property
    def log2(self) -> Interval:
        """log 2."""
        lo, hi = log2_scaled(self.bits)
        return Interval(Fraction(lo, 1 << self.bits), Fraction(hi, 1 << self.bits))

    def log(self, x: Any) -> Interval:
        """log x for x > 0."""
        x = as_interval(x)
        lo = _INF if x.lo == _INF else log_fraction(Fraction(x.lo), self.bits).lo
        return Interval(lo, _INF if x.hi == _INF else log_fraction(Fraction(x.hi), self.bits).hi)

    def log1p(self, x: Any) -> Interval:
        """log(1 + x)."""
        return self.log(1 + as_interval(x))

    def exp_neg(self, x: Any) -> Interval:
        """exp(-x) for x >= 0, decreasing; 0 at infinity."""
        x = as_interval(x)
        lo: Endpoint = Fraction(0) if x.hi == _INF else 1 / exp_fraction(Fraction(x.hi), self.bits).hi
        hi: Endpoint = Fraction(0) if x.lo == _INF else 1 / exp_fraction(Fraction(x.lo), self.bits).lo
        return outward(lo, hi, self.bits)

    def sqrt(self, x: Any) -> Interval:
        """The square root."""
        x = as_interval(x)
        hi = _INF if x.hi == _INF else sqrt_fraction(Fraction(x.hi), self.bits).hi
        return Interval(_INF if x.lo == _INF else sqrt_fraction(Fraction(x.lo), self.bits).lo, hi)

    def xlog(self, x: Any, y: Any) -> Interval:
        """x log y, with 0 log y = 0 for every y."""
        x = as_interval(x)
        return Interval.point(0) if x.is_point and x.lo == 0 else x * self.log(y)

    def g(self, u: Any) -> Interval:
        """(1+u) log(1+u) + (1-u) log(1-u) for u in [0, 1]: the generator of JS, increasing."""
        u = as_interval(u)
        ends = [self.xlog(1 + e, 1 + e) + self.xlog(1 - e, 1 - e) for e in map(Fraction, (u.lo, u.hi))]
        return Interval(max(Fraction(0), ends[0].lo), ends[1].hi)

    def neg_log1m(self, x: Any) -> Interval:
        """-log(1 - x) for x in [0, 1], infinite at 1."""
        x = as_interval(x)
        ends = [
            Interval.point(_INF) if e == 1 else -log_fraction(1 - Fraction(e), self.bits)
            for e in (x.lo, x.hi)
        ]
        return Interval(ends[0].lo, ends[1].hi)

    def fht(self, t: Any) -> Interval:
        """The least KL at total variation t (see `_fht`)."""
        t = as_interval(t)
        return Interval(fht_exact(Fraction(t.lo), self).lo, fht_exact(Fraction(t.hi), self).hi)


class FloatMath:
    """The same functions on float arrays, for search and pictures; never for a verdict."""

    log2 = math.log(2)

    @staticmethod
    def log1p(x: Any) -> Any:
        """log(1 + x)."""
        return np.log1p(x)

    @staticmethod
    def exp_neg(x: Any) -> Any:
        """exp(-x)."""
        return np.exp(-np.asarray(x))

    @staticmethod
    def sqrt(x: Any) -> Any:
        """The square root; tiny negatives, rounding of zero, count as zero."""
        return np.sqrt(np.maximum(x, 0.0))

    @staticmethod
    def g(u: Any) -> Any:
        """(1+u) log(1+u) + (1-u) log(1-u), in the form without cancellation."""
        u = np.minimum(u, 1.0)
        inside = np.minimum(u, 1 - 2.0**-53)
        return np.where(
            u > inside, 2 * math.log(2), 2 * inside * np.arctanh(inside) + np.log1p(-inside * inside)
        )

    @staticmethod
    def neg_log1m(x: Any) -> Any:
        """-log(1 - x), infinite at 1."""
        with np.errstate(divide="ignore"):
            return -np.log1p(-np.minimum(x, 1.0))

    @staticmethod
    def fht(t: Any) -> Any:
        """The least KL at total variation t."""
        return fht_float(np.minimum(t, 1.0))
