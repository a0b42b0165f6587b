"""Strategies over laws with parameters: Gaussians with their optimal map, and scipy's frozen laws."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import divergences as dv
from divergences.testing._cases import GaussianCase, LawCase, SampleCase, floats
from divergences.testing._strategies import warm_up
from divergences.testing._truth import true_energy

Matrix = list[list[Fraction]]


def _product(x: Matrix, y: Matrix) -> Matrix:
    return [[sum((s * t for s, t in zip(row, column)), Fraction(0)) for column in zip(*y)] for row in x]


def _square(low: Matrix) -> Matrix:
    """L L^T."""
    return _product(low, [list(column) for column in zip(*low)])


@st.composite
def _triangle(draw: st.DrawFn, d: int) -> Matrix:
    """Lower triangular with a positive diagonal."""
    return [
        [
            Fraction(0) if j > i else Fraction(draw(st.integers(1, 3) if j == i else st.integers(-2, 2)))
            for j in range(d)
        ]
        for i in range(d)
    ]


def gaussian_pairs(
    *, max_dimension: int = 4, near: bool = False, xp: Any = None
) -> st.SearchStrategy[GaussianCase]:
    r"""Two Gaussians with the map that carries one to the other at least cost, and their exact W2.

    ``matrix`` M is drawn symmetric positive definite and cov_q = M cov_p M in whole numbers: x -> M x is the
    gradient of a convex function, hence optimal (Brenier), and the two covariances need not commute.

    Parameters
    ----------
    max_dimension : int
        At most so many coordinates.
    near : bool
        M = 1 + H / 2^k, k from 8 to 20: covariances that nearly agree, where the traces cancel.
    xp : array namespace, optional

    Examples
    --------
    >>> from hypothesis import given
    >>> import transport as tp
    >>> @given(gaussian_pairs())
    ... def is_exact(case):
    ...     found = tp.bures_wasserstein(case.mean_p, case.cov_p, case.mean_q, case.cov_q)
    ...     assert abs(found**2 - float(case.squared)) <= 1e-12 * np.trace(case.cov_p + case.cov_q)
    >>> is_exact()
    """
    warm_up()
    return _gaussian_pairs(max_dimension, near, xp)


@st.composite
def _gaussian_pairs(draw: st.DrawFn, most: int, near: bool, xp: Any) -> GaussianCase:
    d = draw(st.integers(1, most))
    first, matrix = _square(draw(_triangle(d))), _square(draw(_triangle(d)))
    if near:
        step = Fraction(1, 2 ** draw(st.integers(8, 20)))
        matrix = [[(i == j) + step * x for j, x in enumerate(row)] for i, row in enumerate(matrix)]
    second = _product(_product(matrix, first), matrix)
    places = [
        [Fraction(draw(st.integers(-4, 4)), 1 if not near else 2**20) for _ in range(d)] for _ in range(2)
    ]
    squared = sum(((s - t) ** 2 for s, t in zip(*places)), Fraction(0))
    moved = _product(matrix, first)
    squared += sum((first[i][i] + second[i][i] - 2 * moved[i][i] for i in range(d)), Fraction(0))
    m, a, n, b, carrier = (floats(v, xp) for v in (places[0], first, places[1], second, matrix))
    return GaussianCase(m, a, n, b, carrier, squared)


def sample_pairs(*, max_size: int = 5, xp: Any = None) -> st.SearchStrategy[SampleCase]:
    """Two unweighted samples on the line, ties included, with their exact energy statistic.

    Examples
    --------
    >>> from hypothesis import given
    >>> import divergences as dv
    >>> @given(sample_pairs())
    ... def is_exact(case):
    ...     assert abs(dv.energy(case.x, case.y) - float(case.energy)) < 1e-12
    >>> is_exact()
    """
    warm_up()
    return _sample_pairs(max_size, xp)


@st.composite
def _sample_pairs(draw: st.DrawFn, most: int, xp: Any) -> SampleCase:
    place = st.one_of(st.integers(-3, 3).map(Fraction), st.integers(-64, 64).map(lambda k: Fraction(k, 8)))
    x, y = (draw(st.lists(place, min_size=2, max_size=most)) for _ in range(2))
    return SampleCase(floats(x, xp), floats(y, xp), true_energy(x, y))


# --- scipy's laws -----------------------------------------------------------------------------------------

_GAMMA = 0.57721566490153286061  # Euler's


class _Family(NamedTuple):
    """Ranges of the shape parameters, and mean and variance for loc = 0, scale = 1."""

    shapes: tuple[tuple[float, float], ...]
    moments: Callable[..., tuple[float, float]]
    whole: tuple[int, ...] = ()  # shape parameters that are integers
    discrete: bool = False


def _lognormal(s: float) -> tuple[float, float]:
    return math.exp(s * s / 2), math.expm1(s * s) * math.exp(s * s)


def _weibull(c: float) -> tuple[float, float]:
    first, second = math.gamma(1 + 1 / c), math.gamma(1 + 2 / c)
    return first, second - first**2


def _pareto(b: float) -> tuple[float, float]:
    mean = b / (b - 1) if b > 1 else math.inf
    return mean, b / ((b - 1) ** 2 * (b - 2)) if b > 2 else math.inf


FAMILIES: dict[str, _Family] = {
    "norm": _Family((), lambda: (0.0, 1.0)),
    "uniform": _Family((), lambda: (0.5, 1 / 12)),
    "expon": _Family((), lambda: (1.0, 1.0)),
    "laplace": _Family((), lambda: (0.0, 2.0)),
    "logistic": _Family((), lambda: (0.0, math.pi**2 / 3)),
    "gumbel_r": _Family((), lambda: (_GAMMA, math.pi**2 / 6)),
    "rayleigh": _Family((), lambda: (math.sqrt(math.pi / 2), 2 - math.pi / 2)),
    "gamma": _Family(((0.5, 8),), lambda a: (a, a)),
    "chi2": _Family(((1, 8),), lambda k: (k, 2 * k)),
    "beta": _Family(((0.5, 8), (0.5, 8)), lambda a, b: (a / (a + b), a * b / ((a + b) ** 2 * (a + b + 1)))),
    "lognorm": _Family(((0.25, 1.5),), _lognormal),
    "weibull_min": _Family(((0.75, 4),), _weibull),
    "triang": _Family(((0, 1),), lambda c: ((1 + c) / 3, (1 - c + c * c) / 18)),
    "t": _Family(((1.5, 16),), lambda n: (0.0, n / (n - 2) if n > 2 else math.inf)),
    "pareto": _Family(((1.25, 8),), _pareto),
    "poisson": _Family(((0.25, 8),), lambda mu: (mu, mu), discrete=True),
    "binom": _Family(((1, 12), (0.125, 0.875)), lambda n, p: (n * p, n * p * (1 - p)), (0,), True),
    "bernoulli": _Family(((0.125, 0.875),), lambda p: (p, p * (1 - p)), discrete=True),
    "geom": _Family(((0.125, 0.875),), lambda p: (1 / p, (1 - p) / p**2), discrete=True),
    "nbinom": _Family(
        ((1, 6), (0.25, 0.875)), lambda n, p: (n * (1 - p) / p, n * (1 - p) / p**2), (0,), True
    ),
    "randint": _Family(((0, 0), (1, 12)), lambda low, k: ((low + k - 1) / 2, (k * k - 1) / 12), (0, 1), True),
}
"""The families that `distributions` draws from."""


def distributions(
    *, discrete: bool | None = None, families: Sequence[str] | None = None
) -> st.SearchStrategy[LawCase]:
    """Frozen laws of `scipy.stats` with parameters of ordinary size, in eighths.

    Parameters
    ----------
    discrete : bool, optional
        Only discrete laws, or only continuous ones.
    families : sequence of str, optional
        Names of `scipy.stats`; the first is what cases shrink to.

    Returns
    -------
    strategy of LawCase
        ``case.law``, with the mean and the variance by the family's formulas.

    Raises
    ------
    ValueError
        For a family that is not in the table, or none left.

    Examples
    --------
    >>> from hypothesis import given
    >>> import divergences as dv
    >>> @given(distributions(discrete=False))
    ... def zero_from_a_law_to_itself(case):
    ...     assert dv.kl(case.law, case.law) == 0.0
    >>> zero_from_a_law_to_itself()
    """
    names = list(FAMILIES) if families is None else list(families)
    if unknown := [name for name in names if name not in FAMILIES]:
        raise ValueError(f"no family called {unknown[0]!r} here; take some of {', '.join(FAMILIES)}")
    if discrete is not None:
        names = [name for name in names if FAMILIES[name].discrete == discrete]
    if not names:
        raise ValueError(f"families = {families!r} with discrete = {discrete}: none is left")
    warm_up()
    _warm_laws()
    return st.sampled_from(names).flatmap(_laws_of)


def _warm_laws() -> None:
    import scipy.stats

    dv.kl(scipy.stats.norm(0, 1), scipy.stats.norm(1, 2))


@st.composite
def _laws_of(draw: st.DrawFn, name: str) -> LawCase:
    import scipy.stats

    family = FAMILIES[name]
    shapes = []
    for k, (low, high) in enumerate(family.shapes):
        if k in family.whole:
            shapes.append(draw(st.integers(int(low), int(high))))
        else:
            shapes.append(draw(st.integers(math.ceil(8 * low), math.floor(8 * high))) / 8)
    loc = float(draw(st.integers(-4, 4)))
    scale = 1.0 if family.discrete else draw(st.sampled_from([1.0, 2.0, 0.5, 3.0, 0.125]))
    mean, variance = family.moments(*shapes)
    more = {} if family.discrete else {"scale": scale}
    law = getattr(scipy.stats, name)(*shapes, loc=loc, **more)
    return LawCase(law, name, tuple(shapes), loc, scale, loc + scale * mean, scale * scale * variance)


def as_floats(case: GaussianCase) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(mean_p, cov_p, mean_q, cov_q), copies."""
    return tuple(np.array(v) for v in (case.mean_p, case.cov_p, case.mean_q, case.cov_q))  # type: ignore
