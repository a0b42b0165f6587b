"""Two families with densities whose functionals are rational or elementary: Gaussians and step densities."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from divergences.hierarchy._functions import ExactMath
from divergences.hierarchy._interval import Interval
from divergences.hierarchy._pair import Pair, _as_fractions


class GaussianPair:
    """N(0, s^2 I) and N(m, sigma^2 I) in dimension d, with rational |m|, s, sigma.

    KL = d log(sigma/s) + (d s^2 + |m|^2) / (2 sigma^2) - d/2,  W_2^2 = |m|^2 + d (s - sigma)^2.

    Examples
    --------
    >>> float(GaussianPair(1, 2, 2).enclose("kl"))
    0.125
    """

    def __init__(self, gap: Any, s: Any, sigma: Any, *, dimension: int = 1) -> None:
        self.gap, self.s, self.sigma = Fraction(gap), Fraction(s), Fraction(sigma)
        self.dimension = dimension
        if self.s <= 0 or self.sigma <= 0:
            raise ValueError(f"s = {s} and sigma = {sigma} must be positive")

    def enclose(self, functional: str, *, bits: int = 192) -> Interval:
        """An enclosure of ``kl``, ``w2`` or the constant ``sigma``."""
        m, d = ExactMath(bits), self.dimension
        if functional == "kl":
            square = (d * self.s**2 + self.gap**2) / (2 * self.sigma**2) - Fraction(d, 2)
            value = m.log(self.sigma / self.s) * d + square
            return Interval(max(Fraction(0), value.lo), value.hi)
        if functional == "w2":
            return m.sqrt(self.gap**2 + d * (self.s - self.sigma) ** 2)
        if functional == "sigma":
            return Interval.point(self.sigma)
        raise ValueError(f"functional = {functional!r}; a GaussianPair knows kl, w2 and sigma")


class StepPair:
    """Two laws on the line with constant densities on the cells between shared edges.

    f-divergences are those of the cell masses; W_1 and the Kolmogorov distance are integrals and maxima
    of a piecewise linear function, hence rational.

    Examples
    --------
    >>> pair = StepPair([1, 0], [0, 1], edges=[0, 1, 2])
    >>> pair.enclose("w").lo, pair.enclose("density").lo
    (Fraction(1, 1), Fraction(1, 1))
    """

    def __init__(self, p: Iterable[Any], q: Iterable[Any], *, edges: Iterable[Any]) -> None:
        self.masses = Pair(p, q)
        self.edges = _as_fractions(edges, "edges")
        self.lengths = [y - x for x, y in zip(self.edges, self.edges[1:])]
        if len(self.lengths) != len(self.masses.p) or min(self.lengths) <= 0:
            raise ValueError(f"edges must be {len(self.masses.p) + 1} increasing positions, one cell a mass")
        self.gaps = [Fraction(0)]
        for x, y in zip(self.masses.p, self.masses.q):
            self.gaps.append(self.gaps[-1] + x - y)

    def enclose(self, functional: str, *, bits: int = 192) -> Interval:
        """An enclosure of an f-divergence, ``w``, ``kolmogorov``, ``diameter`` or ``density``.

        ``density`` is the smaller of the two suprema of the densities.
        """
        if functional == "w":
            cells = zip(self.lengths, self.gaps, self.gaps[1:])
            return Interval.point(sum(h * _mean_abs(x, y) for h, x, y in cells))
        if functional == "kolmogorov":
            return Interval.point(max(map(abs, self.gaps)))
        if functional == "diameter":
            return Interval.point(self.edges[-1] - self.edges[0])
        if functional == "density":
            tops = (max(x / h for x, h in zip(law, self.lengths)) for law in (self.masses.p, self.masses.q))
            return Interval.point(min(tops))
        return self.masses.enclose(functional, bits=bits)


def _mean_abs(x: Fraction, y: Fraction) -> Fraction:
    """Mean of |linear function| from x to y."""
    if x * y >= 0:
        return abs(x + y) / 2
    return (x * x + y * y) / (2 * abs(x - y))
