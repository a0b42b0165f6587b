"""Hypothesis strategies over measures: every case is exact as floats and carries its true answer.

Masses are multiples of 2^-bits with exact total 1, so the truth in fractions is the truth about the floats.
Failing cases shrink towards few atoms, equal masses and small integers: sizes are drawn apart from the
entries, so that dropping an atom leaves the others as they were. Constructing a strategy runs the library
once on a tiny case, so that kernels are loaded before Hypothesis measures its first example.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from hypothesis import strategies as st

import divergences as dv
import transport as tp
from divergences.hierarchy import Pair
from divergences.testing._cases import CloudCase, LabelledPair, LineCase, MeasurePair, floats
from divergences.testing._truth import true_transport_line

Relation = Literal["any", "equal", "near-equal", "disjoint", "dominated", "same-support", "one atom apart"]
RELATIONS: tuple[str, ...] = get_args(Relation)
_BITS = 20
Exact = tuple[Fraction, ...]


@cache
def warm_up() -> None:
    """Load the kernels that the cases of this module meet, before any deadline runs."""
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    for name in ("kl", "js", "tv", "hellinger", "chi2"):
        getattr(dv, name)(p, q)
    cost = np.array([[0.0, 1.0], [2.0, 0.5]])
    tp.solve(cost, p, q)
    tp.solve(cost, p, np.array([1.0, 0.0]))
    tp.solve(cost.tolist(), p, q, max_iter=10)
    for power in (1, 2):
        tp.wasserstein_1d(np.array([0.0, 1.0]), np.array([0.5]), a=p, b=np.array([1.0]), p=power)
    tp.solve(tp.PointCloud(cost, cost, "sqeuclidean"), p, q)


def apportion(weights: Sequence[int], bits: int) -> Exact:
    """Masses in multiples of 2^-bits as near as can be to the weights' proportions (largest remainders)."""
    unit, total = 2**bits, sum(weights)
    units = [unit * w // total for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(unit * weights[i] % total), i))
    for i in by_remainder[: unit - sum(units)]:
        units[i] += 1
    return tuple(Fraction(k, unit) for k in units)


_ABSENT = -1


def _weight(zeros: bool, absent: bool) -> st.SearchStrategy[int]:
    """An integer weight that shrinks to 1, or, where ``absent``, to an atom that is left out."""
    plain = ([_ABSENT] if absent else []) + [1, 2, 3, 5] + ([0] if zeros else [])
    return st.one_of(st.sampled_from(plain), st.integers(1, 2**_BITS))


@st.composite
def atoms(draw: st.DrawFn, most: int, *, least: int = 1, zeros: bool = True) -> tuple[list[int], list[int]]:
    """(which of ``most`` atoms are there, their integer weights, at least one of them positive).

    A failing case shrinks by leaving out any atom, wherever it stands: the others keep theirs.
    """
    drawn = draw(st.lists(_weight(zeros, absent=True), min_size=most, max_size=most))
    here = [k for k, w in enumerate(drawn) if w != _ABSENT]
    here += [k for k in range(most) if k not in here][: max(0, least - len(here))]
    here.sort()
    found = [max(drawn[k], 1) if drawn[k] == _ABSENT else drawn[k] for k in here]
    return here, found if any(found) else [1, *found[1:]]


@st.composite
def weights(draw: st.DrawFn, size: int, *, zeros: bool = True) -> list[int]:
    """``size`` integer weights that shrink to 1 each, at least one of them positive."""
    drawn = draw(st.lists(_weight(zeros, absent=False), min_size=size, max_size=size))
    return drawn if any(drawn) else [1, *drawn[1:]]


@st.composite
def laws(draw: st.DrawFn, size: int, *, bits: int = _BITS, zeros: bool = True) -> Exact:
    """Probability laws on ``size`` points with masses in multiples of 2^-bits and exact total 1.

    Parameters
    ----------
    size : int
    bits : int
        Resolution of the masses; at most 52 to stay exact as floats.
    zeros : bool
        Whether atoms may be empty.

    Raises
    ------
    ValueError
        If ``size`` atoms have no room at that resolution.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(laws(3))
    ... def totals_are_exact(law):
    ...     assert sum(law) == 1
    >>> totals_are_exact()
    """
    unit, least = 2**bits, 0 if zeros else 1
    if size < 1 or not size * least <= unit or not 1 <= bits <= 52:
        raise ValueError(f"size = {size}, bits = {bits}; need size >= 1 and 1 <= bits <= 52, room for all")
    free = unit - size * least
    if draw(st.booleans()):  # cuts of the unit interval: every law is reachable
        cuts = sorted(draw(st.lists(st.integers(0, free), min_size=size - 1, max_size=size - 1)))
        pieces = [int(piece) for piece in np.diff([0, *cuts, free])]
        return tuple(Fraction(piece + least, unit) for piece in pieces)
    simple = apportion(draw(weights(size, zeros=zeros)), bits)
    if zeros or min(simple) > 0:
        return simple
    return apportion([1] * size, bits)


def measures(
    *, min_size: int = 1, max_size: int = 6, zeros: bool = True, xp: Any = None
) -> st.SearchStrategy[Any]:
    """Probability vectors: float64 arrays of shape (n,) with exact total 1.

    Parameters
    ----------
    min_size, max_size : int
        Range of n.
    zeros : bool
        Whether atoms may be empty.
    xp : array namespace, optional
        NumPy by default; any library of the array-API standard.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(measures())
    ... def totals_are_exact(p):
    ...     assert p.sum() == 1.0
    >>> totals_are_exact()
    """
    warm_up()
    return (
        st.integers(min_size, max_size).flatmap(lambda n: laws(n, zeros=zeros)).map(lambda p: floats(p, xp))
    )


def measure_pairs(
    relation: Relation = "any", *, max_size: int = 6, xp: Any = None
) -> st.SearchStrategy[MeasurePair]:
    """Two laws on the same atoms, in a given relation, with the true value of every divergence.

    Parameters
    ----------
    relation : str
        "any"; "equal"; "near-equal" (masses differ by 2^-14 to 2^-45, exactly: naive sums cancel every
        digit); "disjoint" supports; "dominated" (q > 0 where p > 0: KL is finite); "same-support";
        "one atom apart" (q lacks exactly one atom of p: KL is infinite).
    max_size : int
        At most so many atoms, at least 2.
    xp : array namespace, optional

    Returns
    -------
    strategy of MeasurePair
        ``case.p, case.q, case.true("js")``; its repr is Python that rebuilds it.

    Raises
    ------
    ValueError
        For an unknown relation.

    Examples
    --------
    >>> from hypothesis import given
    >>> import divergences as dv
    >>> @given(measure_pairs("near-equal"))
    ... def keeps_its_digits(case):
    ...     assert abs(dv.js(case.p, case.q) - case.true("js")) <= 1e-12 * case.true("js")
    >>> keeps_its_digits()
    """
    if relation not in RELATIONS:
        raise ValueError(f"no relation called {relation!r}; take one of {', '.join(RELATIONS)}")
    warm_up()
    return _pairs(relation, max_size).map(
        lambda pq: MeasurePair(floats(pq[0], xp), floats(pq[1], xp), pq, relation)
    )


@st.composite
def _pairs(draw: st.DrawFn, relation: str, most: int) -> tuple[Exact, Exact]:
    here, first = draw(atoms(most, least=2, zeros=relation not in ("same-support", "near-equal")))
    n = len(here)
    if relation == "equal":
        p = apportion(first, _BITS)
        return p, p
    if relation == "near-equal":
        return _nearly_equal(draw, first)
    second = [draw(weights(most, zeros=relation == "any"))[k] for k in here]
    second = second if any(second) else [1, *second[1:]]
    if relation == "disjoint":
        mine = [True, False, *(draw(st.booleans()) for _ in range(n - 2))]
        first = [max(w, k == 0) * own for k, (w, own) in enumerate(zip(first, mine))]
        second = [max(w, k == 1) * (not own) for k, (w, own) in enumerate(zip(second, mine))]
    if relation == "one atom apart":
        gone = draw(st.integers(0, n - 1))
        first = [max(w, 1) for w in first]
        second = [w * (k != gone) for k, w in enumerate(second)]
    if relation in ("same-support", "dominated", "one atom apart"):
        first, second = _above_rounding(first), _above_rounding(second)
    return apportion(first, _BITS), apportion(second, _BITS)


def _above_rounding(found: list[int]) -> list[int]:
    """Positive weights raised to 2^-12 of the largest, so that none is apportioned no mass."""
    least = -(-max(found) // 2**12)
    return [w and max(w, least) for w in found]


def _nearly_equal(draw: st.DrawFn, first: list[int]) -> tuple[Exact, Exact]:
    p = apportion([min(w, 64) for w in first], 10)
    size = len(p)
    step = Fraction(1, 2 ** draw(st.integers(14, 42)))
    signs = draw(st.lists(st.sampled_from([1, 0, -1]), min_size=size - 1, max_size=size - 1))
    signs = signs if any(signs) else [1, *signs[1:]]
    shift = [s * step / 8 for s in (*signs, -sum(signs))]
    return p, tuple(x + s for x, s in zip(p, shift))


def labelled_histograms(*, max_size: int = 6) -> st.SearchStrategy[LabelledPair]:
    """Two histograms over labels, in different orders and not all in common, with the aligned truth.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(labelled_histograms())
    ... def by_position_is_wrong_by_label_is_right(case):
    ...     union = sorted(set(case.p) | set(case.q))
    ...     assert [case.p.get(k, 0.0) for k in union] == case.aligned.p.tolist()
    >>> by_position_is_wrong_by_label_is_right()
    """
    warm_up()
    return _labelled_histograms(max_size)


@st.composite
def _labelled_histograms(draw: st.DrawFn, max_size: int) -> LabelledPair:
    n = draw(st.integers(2, max_size))
    labels = "abcdefghijklmnopqrstuvwxyz"[:n]
    p, q = (apportion(draw(weights(n)), _BITS) for _ in range(2))
    rows = [dict(zip(labels, map(float, law))) for law in (p, q)]
    kept = [
        {k: row[k] for k in draw(st.permutations(labels)) if row[k] > 0 or draw(st.booleans())}
        for row in rows
    ]
    union = sorted(set(kept[0]) | set(kept[1]))
    exact = tuple(tuple(Fraction(row.get(k, 0.0)) for k in union) for row in kept)
    pair = MeasurePair(floats(exact[0]), floats(exact[1]), (exact[0], exact[1]), "labelled")
    return LabelledPair(kept[0], kept[1], pair)


def line_cases(*, max_size: int = 6, xp: Any = None) -> st.SearchStrategy[LineCase]:
    """Two laws on the line, each on its own points in any order, with their exact W1 and W2.

    Parameters
    ----------
    max_size : int
        At most so many points each.
    xp : array namespace, optional

    Examples
    --------
    >>> import divergences as dv
    >>> from hypothesis import given
    >>> @given(line_cases())
    ... def test(case):
    ...     assert abs(dv.wasserstein(case.x, case.y, a=case.a, b=case.b) - float(case.value)) < 1e-9
    >>> test()
    """
    warm_up()
    return _line_cases(max_size, xp)


@st.composite
def _line_cases(draw: st.DrawFn, most: int, xp: Any) -> LineCase:
    place = st.one_of(st.integers(-3, 3).map(Fraction), st.integers(-64, 64).map(lambda k: Fraction(k, 8)))
    sides = []
    for _ in range(2):
        everywhere = draw(st.lists(place, min_size=most, max_size=most))
        here, found = draw(atoms(most))
        sides.append(([everywhere[k] for k in here], apportion(found, _BITS)))
    (x, p), (y, q) = sides
    value, squared = (true_transport_line(x, p, y, q, power) for power in (1, 2))
    return LineCase(floats(x, xp), floats(y, xp), floats(p, xp), floats(q, xp), value, squared)


def point_clouds(
    dimension: int = 2, *, max_size: int = 6, zeros: bool = False, xp: Any = None
) -> st.SearchStrategy[CloudCase]:
    """Weighted point clouds in sixteenths, repeated points included.

    Parameters
    ----------
    dimension : int
    max_size : int
        At most so many points.
    zeros : bool
        Whether points may carry no mass.
    xp : array namespace, optional

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(point_clouds(3))
    ... def shapes_agree(cloud):
    ...     assert cloud.x.shape == (len(cloud.a), 3)
    >>> shapes_agree()
    """
    warm_up()
    return _point_clouds(dimension, max_size, zeros, xp)


@st.composite
def _point_clouds(draw: st.DrawFn, dimension: int, max_size: int, zeros: bool, xp: Any) -> CloudCase:
    entry = st.one_of(st.integers(-3, 3), st.integers(-64, 64).map(lambda k: Fraction(k, 16)))
    here, found = draw(atoms(max_size, zeros=zeros))
    everywhere = draw(st.lists(st.tuples(*[entry] * dimension), min_size=max_size, max_size=max_size))
    rows, mass = [everywhere[k] for k in here], apportion(found, _BITS)
    return CloudCase(floats(rows, xp), floats(mass, xp))


@st.composite
def line_pairs(draw: st.DrawFn, *, max_size: int = 5, zeros: bool = True) -> Pair:
    """Two laws on up to ``max_size`` distinct points of the line, as a `divergences.hierarchy.Pair`.

    >>> from hypothesis import given
    >>> @given(line_pairs())
    ... def test(pair):
    ...     assert pair.enclose("w").lo >= 0
    >>> test()
    """
    n = draw(st.integers(2, max_size))
    points = draw(st.lists(st.integers(-256, 256), min_size=n, max_size=n, unique=True))
    p, q = draw(laws(n, zeros=zeros)), draw(laws(n, zeros=zeros))
    return Pair(p, q, points=[Fraction(k, 16) for k in points])


@st.composite
def finite_metrics(draw: st.DrawFn, size: int) -> list[list[Fraction]]:
    """Metrics on ``size`` points: any positive symmetric table, closed under shortest paths.

    >>> from hypothesis import given
    >>> @given(finite_metrics(3))
    ... def test(d):
    ...     assert d[0][2] <= d[0][1] + d[1][2]
    >>> test()
    """
    d = [[Fraction(0)] * size for _ in range(size)]
    for i in range(size):
        for j in range(i):
            d[i][j] = d[j][i] = Fraction(draw(st.integers(1, 256)), 16)
    for k, i, j in product(range(size), repeat=3):
        d[i][j] = min(d[i][j], d[i][k] + d[k][j])
    return d


@st.composite
def metric_pairs(draw: st.DrawFn, *, max_size: int = 5, zeros: bool = True) -> Pair:
    """Two laws on one arbitrary finite metric space, as a `divergences.hierarchy.Pair`.

    >>> from hypothesis import given
    >>> @given(metric_pairs())
    ... def test(pair):
    ...     assert pair.enclose("w").lo >= 0
    >>> test()
    """
    n = draw(st.integers(2, max_size))
    p, q = draw(laws(n, zeros=zeros)), draw(laws(n, zeros=zeros))
    return Pair(p, q, distance=draw(finite_metrics(n)))


@st.composite
def near_equal_pairs(draw: st.DrawFn) -> Pair:
    """Two laws whose masses differ by 2^-14 to 2^-45, exactly, as a `divergences.hierarchy.Pair`.

    >>> from hypothesis import given
    >>> @given(near_equal_pairs())
    ... def test(pair):
    ...     assert 0 < pair.enclose("tv").hi < 2**-10
    >>> test()
    """
    p, q = _nearly_equal(draw, draw(weights(4, zeros=False)))
    return Pair(p, q, points=range(4))
