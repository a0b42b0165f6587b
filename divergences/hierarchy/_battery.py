"""The cases every set of distances is put through, with their exact values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from divergences.hierarchy._bound import Bound
from divergences.hierarchy._instance import TESTED, Functionals, Instance
from divergences.hierarchy._pair import Pair
from divergences.hierarchy._sequences import SEQUENCES
from divergences.hierarchy._table import BOUNDS

_ON_ANY_SPACE = (
    "squared_hellinger", "triangular", "chi2", "inverse_mass", "weighted_tv", "w2", "prokhorov",
    "bounded_lipschitz", "diameter", "separation",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Case:
    """An instance, where it comes from, and its exact values rounded to floats."""

    label: str
    instance: Instance
    truth: dict[str, float]

    @classmethod
    def of(cls, label: str, pair: Pair, extra: tuple[str, ...] = ()) -> Case:
        """With the tested functionals and ``extra`` ones enclosed and rounded."""
        names = TESTED if pair.distance else TESTED[:-1]
        return cls(label, Instance.of_pair(pair), {k: float(pair.enclose(k)) for k in (*names, *extra)})


def dyadic_law(n: int, rng: np.random.Generator, *, bits: int = 20, zeros: float = 0.15) -> list[Fraction]:
    """A law whose masses are multiples of 2^-bits: exact as floats, with exact total 1."""
    weights = rng.exponential(size=n) ** 2 * (rng.random(n) >= zeros)
    if not weights.any():
        weights[rng.integers(n)] = 1.0
    units = np.floor(weights / weights.sum() * 2**bits).astype(int)
    units[int(np.argmax(units))] += 2**bits - int(units.sum())
    return [Fraction(int(u), 2**bits) for u in units]


def random_line_pair(rng: np.random.Generator) -> Pair:
    """Two laws on 2 to 5 dyadic points of the line, out of order on purpose."""
    n = int(rng.integers(2, 6))
    points = [Fraction(int(k), 16) for k in rng.permutation(96)[:n]]
    zeros = float(rng.choice([0.0, 0.3]))
    return Pair(dyadic_law(n, rng, zeros=zeros), dyadic_law(n, rng, zeros=zeros), points=points)


def random_metric_pair(rng: np.random.Generator) -> Pair:
    """Two laws on 3 to 5 points of the plane with the l1 distance."""
    n = int(rng.integers(3, 6))
    places = rng.integers(0, 32, (n, 2))
    d = np.abs(places[:, None] - places[None]).sum(2)
    return Pair(dyadic_law(n, rng), dyadic_law(n, rng), distance=(d.astype(int)).tolist())


def near_equal_pair(separation_bits: int, rng: np.random.Generator) -> Pair:
    """Two laws whose masses differ by a few 2^-separation_bits, exactly representable as floats."""
    n = 4
    p = dyadic_law(n, rng, bits=8, zeros=0.0)
    p = [(x + Fraction(1, 16)) / (1 + Fraction(n, 16)) for x in p]
    p = [Fraction(math.floor(x * 2**10), 2**10) for x in p]
    p[0] += 1 - sum(p)
    step = Fraction(1, 2**separation_bits)
    q = [p[0] + step, p[1] - 2 * step, p[2] + 2 * step, p[3] - step]
    return Pair(p, q, points=range(n))


def plane_pair(rng: np.random.Generator, exponent: int, *, outlier: int = 0) -> Pair:
    """Two uniform laws on 16 points each of the plane (l1), distances times 2^exponent."""
    places = rng.integers(0, 4096, (32, 2))
    places[0] += outlier
    unit = Fraction(2) ** exponent
    d = np.abs(places[:, None] - places[None]).sum(2)
    share = [Fraction(1, 16)] * 16 + [Fraction(0)] * 16
    return Pair(share, share[::-1], distance=[[int(x) * unit for x in row] for row in d])


def _scaled(pair: Pair, exponent: int) -> Pair:
    assert pair.points is not None
    return Pair(pair.p, pair.q, points=[x * Fraction(2) ** exponent for x in pair.points])


def _smallest_sharp(bound: Bound) -> Any:
    """The first extremal pair within 1e-4 of equality: no nearer to the limit than needed."""
    for k in range(1, 40):
        pair = bound.extremal(k)
        if bound.check(pair).ratio.lo >= 1 - Fraction(1, 10**4):
            return pair
    return None


@dataclass
class Battery:
    """All cases of one profile, built once and shared by the distances under test and every mutant."""

    random: list[Case]
    metric: list[Case]
    near: list[Case]
    scaled: list[Case]
    sharp: list[tuple[Bound, Case]]
    sequences: dict[str, dict[int, Instance]]
    pairs: list[Pair]
    _memo: dict[tuple[Any, str, int], float | None] = field(default_factory=dict)

    @classmethod
    def build(cls, *, size: int = 120, seed: int = 0) -> Battery:
        """Draw ``size`` random pairs, half as many metric ones, and the fixed cases."""
        rng = np.random.default_rng(seed)
        pairs = [random_line_pair(rng) for _ in range(size)]
        metric = [random_metric_pair(rng) for _ in range(size // 4)]
        extra = (*_ON_ANY_SPACE, "kolmogorov")
        scaled = [_scaled(random_line_pair(rng), e) for e in (-60, -50, -40, -20, 20, 40)]
        far = Pair([Fraction(1, 2), Fraction(1, 2), 0], [Fraction(1, 2), 0, Fraction(1, 2)],
                   points=[10**7, 0, Fraction(1, 2**10)])  # fmt: skip
        return cls(
            random=[Case.of(f"random pair {i}", pair, extra) for i, pair in enumerate(pairs)],
            metric=[Case.of(f"metric pair {i}", pair) for i, pair in enumerate(metric)],
            near=[Case.of(f"masses {2.0**-k:.0e} apart", near_equal_pair(k, rng)) for k in range(10, 43, 4)],
            scaled=[Case.of(f"distances of order {float(max(p.points or [0])):.0e}", p) for p in scaled]
            + [Case.of("one point 1e7 away", far)]
            + [
                Case.of(f"16 x 16 points, distances of order {2.0 ** (12 + e):.0e}", plane_pair(rng, e))
                for e in (-62, -56, -48, -40)
            ]
            + [Case.of("16 x 16 points, one far away", plane_pair(rng, 0, outlier=2**40))],
            sharp=[(b, case) for b in BOUNDS.values() if (case := _sharp_case(b)) is not None],
            sequences={s.name: {n: s.instance(n) for n in s.ns} for s in SEQUENCES.values()},
            pairs=pairs + metric,
        )

    def value(self, functionals: Functionals, name: str, case: Instance) -> float | None:
        """A functional of a case, computed once for each callable."""
        attribute = "kl" if name == "kl_reverse" else name
        used: Callable[..., Any] | None = getattr(functionals, attribute)
        if name == "w" and case.cost is not None:
            used = functionals.transport_cost
        key = (used, name, id(case))
        if key not in self._memo:
            self._memo[key] = functionals(name, case)
        return self._memo[key]


def _sharp_case(bound: Bound) -> Case | None:
    pair = _smallest_sharp(bound)
    if not isinstance(pair, Pair) or not set(bound.functionals) & set(TESTED):
        return None
    line = ("kolmogorov",) if pair.points is not None else ()
    return Case.of(f"extremal pair of {bound.name}", pair, (*_ON_ANY_SPACE, *line))
