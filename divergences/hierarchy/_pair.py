"""Two laws on one finite space, in fractions, and enclosures of every functional of the theorem."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np

from divergences.hierarchy._exact_transport import exact_transport
from divergences.hierarchy._functions import ExactMath
from divergences.hierarchy._interval import Interval
from divergences.hierarchy._weak import bounded_lipschitz_by, prokhorov_by, solve_exactly


def _as_fractions(values: Iterable[Any], name: str) -> tuple[Fraction, ...]:
    try:
        return tuple(Fraction(v.item() if isinstance(v, np.generic) else v) for v in values)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold finite numbers (int, float or Fraction): {error}") from error


def _as_law(values: Iterable[Any], name: str) -> tuple[Fraction, ...]:
    law = _as_fractions(values, name)
    if not law:
        raise ValueError(f"{name} is empty; a measure needs at least one atom")
    if min(law) < 0:
        raise ValueError(f"{name} has a negative weight ({min(law)}); weights are masses and must be >= 0")
    total = sum(law, Fraction(0))
    if abs(total - 1) > len(law) * Fraction(1, 2**50):
        raise ValueError(f"{name} sums to {float(total)!r}, not 1; divide {name} by its sum first")
    # Floats that sum to one only up to rounding stand for the law they are proportional to.
    return law if total == 1 else tuple(w / total for w in law)


class Pair:
    """Two laws P, Q on one finite space of n points, held as fractions.

    Floats are taken as the fractions they store (and divided, exactly, by their total if that is 1 only
    up to rounding).

    Parameters
    ----------
    p, q : (n,) int, float or Fraction
        Probabilities.
    points : (n,), optional
        Positions on the real line.
    distance : (n, n), optional
        Pairwise distances, for any other metric space; at most one of the two.

    Raises
    ------
    ValueError
        Not probabilities, lengths that differ, a matrix that is not a metric.

    Examples
    --------
    >>> pair = Pair([Fraction(2, 3), Fraction(1, 3)], [Fraction(1, 3), Fraction(2, 3)], points=[0, 5])
    >>> pair.enclose("tv").lo, pair.enclose("w").lo
    (Fraction(1, 3), Fraction(5, 3))
    >>> float(pair.enclose("kl"))  # log(2)/3
    0.23104906018664845
    """

    def __init__(
        self,
        p: Iterable[Any],
        q: Iterable[Any],
        *,
        points: Iterable[Any] | None = None,
        distance: Iterable[Iterable[Any]] | None = None,
    ) -> None:
        self.p, self.q = _as_law(p, "p"), _as_law(q, "q")
        if len(self.p) != len(self.q):
            raise ValueError(f"p has {len(self.p)} atoms and q has {len(self.q)}; they share one support")
        if points is not None and distance is not None:
            raise ValueError("give points (on the line) or distance (any metric), not both")
        self.points = None if points is None else _as_fractions(points, "points")
        if self.points is not None:
            self.distance = tuple(tuple(abs(x - y) for y in self.points) for x in self.points)
        elif distance is not None:
            self.distance = tuple(_as_fractions(row, "distance") for row in distance)
        else:
            self.distance = ()
        self._check_metric()
        self._known: dict[tuple[str, int], Interval] = {}

    def _check_metric(self) -> None:
        d, n = self.distance, len(self.p)
        if not d:
            return
        if len(d) != n or any(len(row) != n for row in d):
            raise ValueError(f"points or distance do not match the {n} atoms of p")
        if any(d[i][i] != 0 or d[i][j] != d[j][i] or d[i][j] < 0 for i in range(n) for j in range(n)):
            raise ValueError("distance must be symmetric, non-negative, with a zero diagonal")
        slack = 1 + Fraction(1, 2**40)  # Euclidean distances rounded to floats
        for k in range(n):
            for i in range(n):
                for j in range(i):
                    if d[i][j] > (d[i][k] + d[k][j]) * slack:
                        raise ValueError(
                            f"distance breaks the triangle inequality: d[{i}][{j}] = {float(d[i][j])} > "
                            f"d[{i}][{k}] + d[{k}][{j}] = {float(d[i][k] + d[k][j])}"
                        )

    def __repr__(self) -> str:
        laws = ", ".join(str([float(x) for x in law]) for law in (self.p, self.q))
        return f"Pair({laws}{', ...' if self.distance else ''})"

    def swapped(self) -> Pair:
        """(Q, P) on the same space."""
        metric = {"points": self.points} if self.points is not None else {"distance": self.distance or None}
        return Pair(self.q, self.p, **metric)  # type: ignore[arg-type]

    def enclose(self, functional: str, *, bits: int = 192) -> Interval:
        """A rational interval that contains the named functional of (P, Q).

        Parameters
        ----------
        functional : str
            One of `FUNCTIONALS`.
        bits : int
            Working precision of logarithms and roots; rational functionals come out as points.

        Raises
        ------
        ValueError
            An unknown name, or a functional that needs the distances this pair was not given.
        """
        try:
            needs, evaluate = _ENCLOSURES[functional]
        except KeyError:
            raise ValueError(f"functional = {functional!r}; choose one of {', '.join(FUNCTIONALS)}") from None
        if needs == "line" and self.points is None:
            raise ValueError(f"{functional} needs positions on the line: Pair(p, q, points=...)")
        if needs == "metric" and not self.distance:
            raise ValueError(f"{functional} needs a metric: Pair(p, q, points=...) or distance=...")
        key = (functional, bits)
        if key not in self._known:
            self._known[key] = evaluate(self, ExactMath(bits))
        return self._known[key]


def _tv(pair: Pair, m: ExactMath) -> Interval:
    return Interval.point(sum(abs(p - q) for p, q in zip(pair.p, pair.q)) / 2)


def _kl(p: tuple[Fraction, ...], q: tuple[Fraction, ...], m: ExactMath) -> Interval:
    if any(x > 0 and y == 0 for x, y in zip(p, q)):
        return Interval.point(float("inf"))
    terms = (x * m.log(x / y) for x, y in zip(p, q) if x)
    return _clip(sum(terms, Interval.point(0)))


def _clip(x: Interval) -> Interval:
    # Non-negative by theory; only the lower end can dip below zero, by rounding outward.
    return Interval(max(Fraction(0), x.lo), x.hi)


def _js(pair: Pair, m: ExactMath) -> Interval:
    middle = tuple((p + q) / 2 for p, q in zip(pair.p, pair.q))
    return _kl(pair.p, middle, m) + _kl(pair.q, middle, m)


def _squared_hellinger(pair: Pair, m: ExactMath) -> Interval:
    if pair.p == pair.q:
        return Interval.point(0)
    return _clip(1 - sum((m.sqrt(p * q) for p, q in zip(pair.p, pair.q)), Interval.point(0)))


def _triangular(pair: Pair, m: ExactMath) -> Interval:
    return Interval.point(sum((p - q) ** 2 / (p + q) for p, q in zip(pair.p, pair.q) if p + q))


def _chi2(pair: Pair, m: ExactMath) -> Interval:
    if any(p and not q for p, q in zip(pair.p, pair.q)):
        return Interval.point(float("inf"))
    return Interval.point(sum((p - q) ** 2 / q for p, q in zip(pair.p, pair.q) if q))


def _cdf_gaps(pair: Pair) -> tuple[list[Fraction], list[Fraction]]:
    """Lengths between neighbouring points, and F - G on each of them."""
    assert pair.points is not None
    order = sorted(range(len(pair.p)), key=pair.points.__getitem__)
    lengths, gaps, gap = [], [], Fraction(0)
    for i, j in pairwise(order):
        gap += pair.p[i] - pair.q[i]
        lengths.append(pair.points[j] - pair.points[i])
        gaps.append(gap)
    return lengths, gaps


def _w(pair: Pair, m: ExactMath) -> Interval:
    if pair.points is not None:
        lengths, gaps = _cdf_gaps(pair)
        return Interval.point(sum(h * abs(gap) for h, gap in zip(lengths, gaps)))
    return Interval.point(exact_transport(pair.distance, pair.p, pair.q)[0])


def _w2(pair: Pair, m: ExactMath) -> Interval:
    squared = [[d * d for d in row] for row in pair.distance]
    return m.sqrt(Interval.point(exact_transport(squared, pair.p, pair.q)[0]))


def _kolmogorov(pair: Pair, m: ExactMath) -> Interval:
    lengths, gaps = _cdf_gaps(pair)
    return Interval.point(max((abs(gap) for h, gap in zip(lengths, gaps) if h), default=Fraction(0)))


def _weighted_tv(pair: Pair, m: ExactMath) -> Interval:
    moved = [abs(p - q) for p, q in zip(pair.p, pair.q)]
    return Interval.point(min(sum(d * w for d, w in zip(row, moved)) for row in pair.distance))


def _object_arrays(pair: Pair) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array(pair.distance, dtype=object), np.array(pair.p), np.array(pair.q)


def _prokhorov(pair: Pair, m: ExactMath) -> Interval:
    return Interval.point(prokhorov_by(solve_exactly, *_object_arrays(pair)))


def _bounded_lipschitz(pair: Pair, m: ExactMath) -> Interval:
    return Interval.point(bounded_lipschitz_by(solve_exactly, *_object_arrays(pair)))


def _diameter(pair: Pair, m: ExactMath) -> Interval:
    return Interval.point(max(d for row in pair.distance for d in row))


def _separation(pair: Pair, m: ExactMath) -> Interval:
    # Over distinct atoms: two atoms at one place make it 0, since TV tells them apart and W does not.
    off_diagonal = (d for i, row in enumerate(pair.distance) for d in row[:i])
    return Interval.point(min(off_diagonal, default=Fraction(0)))


def _inverse_mass(pair: Pair, m: ExactMath) -> Interval:
    least = min(q for p, q in zip(pair.p, pair.q) if p + q)
    return Interval.point(1 / least if least else float("inf"))


_ENCLOSURES: dict[str, tuple[str, Callable[[Pair, ExactMath], Interval]]] = {
    "tv": ("", _tv),
    "js": ("", _js),
    "kl": ("", lambda pair, m: _kl(pair.p, pair.q, m)),
    "kl_reverse": ("", lambda pair, m: _kl(pair.q, pair.p, m)),
    "squared_hellinger": ("", _squared_hellinger),
    "triangular": ("", _triangular),
    "chi2": ("", _chi2),
    "inverse_mass": ("", _inverse_mass),
    "w": ("metric", _w),
    "w2": ("metric", _w2),
    "weighted_tv": ("metric", _weighted_tv),
    "prokhorov": ("metric", _prokhorov),
    "bounded_lipschitz": ("metric", _bounded_lipschitz),
    "kolmogorov": ("line", _kolmogorov),
    "diameter": ("metric", _diameter),
    "separation": ("metric", _separation),
}

FUNCTIONALS: tuple[str, ...] = tuple(_ENCLOSURES)
"""Names `Pair.enclose` knows: functionals of (P, Q), and the constants of the space they live on."""
