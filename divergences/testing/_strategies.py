"""Hypothesis strategies that return a case together with its true answer.

Masses and distances are dyadic fractions: exact as floats, with exact totals, so the truth in fractions is
the truth about the floats. `Pair.enclose` holds the answers: exact for TV, W, Prokhorov, to 50 digits for
the others.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from divergences.hierarchy import Pair
from divergences.hierarchy._exact_transport import exact_transport


class TransportProblem(NamedTuple):
    """Cost, weights, and the exact optimal value.

    Attributes
    ----------
    cost : (n, m) array
    a, b : (n,), (m,) array
        Non-negative, each of exact total 1.
    value : Fraction
        The least cost, proved by equality of primal and dual in integers.
    """

    cost: np.ndarray
    a: np.ndarray
    b: np.ndarray
    value: Fraction


@st.composite
def laws(draw: st.DrawFn, size: int, *, bits: int = 20, zeros: bool = True) -> tuple[Fraction, ...]:
    """Probability laws on ``size`` points with masses in multiples of 2^-bits and exact total 1.

    Parameters
    ----------
    size : int
    bits : int
        Resolution of the masses; at most 52 to stay exact as floats.
    zeros : bool
        Whether atoms may be empty.

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
    # Cuts of the unit interval: every law is reachable, and shrinks towards mass on the last atom.
    cuts = sorted(draw(st.lists(st.integers(0, free), min_size=size - 1, max_size=size - 1)))
    pieces = np.diff([0, *cuts, free])
    return tuple(Fraction(int(piece) + least, unit) for piece in pieces)


@st.composite
def line_pairs(draw: st.DrawFn, *, max_size: int = 5, zeros: bool = True) -> Pair:
    """Two laws on up to ``max_size`` distinct points of the line, in any order."""
    n = draw(st.integers(2, max_size))
    points = draw(st.lists(st.integers(-256, 256), min_size=n, max_size=n, unique=True))
    p, q = draw(laws(n, zeros=zeros)), draw(laws(n, zeros=zeros))
    return Pair(p, q, points=[Fraction(k, 16) for k in points])


@st.composite
def finite_metrics(draw: st.DrawFn, size: int) -> list[list[Fraction]]:
    """Metrics on ``size`` points: any positive symmetric table, closed under shortest paths."""
    d = [[Fraction(0)] * size for _ in range(size)]
    for i in range(size):
        for j in range(i):
            d[i][j] = d[j][i] = Fraction(draw(st.integers(1, 256)), 16)
    for k, i, j in product(range(size), repeat=3):
        d[i][j] = min(d[i][j], d[i][k] + d[k][j])
    return d


@st.composite
def metric_pairs(draw: st.DrawFn, *, max_size: int = 5, zeros: bool = True) -> Pair:
    """Two laws on one arbitrary finite metric space."""
    n = draw(st.integers(2, max_size))
    p, q = draw(laws(n, zeros=zeros)), draw(laws(n, zeros=zeros))
    return Pair(p, q, distance=draw(finite_metrics(n)))


@st.composite
def near_equal_pairs(draw: st.DrawFn) -> Pair:
    """Two laws whose masses differ by 2^-14 to 2^-45 or so, exactly: where naive sums cancel every digit."""
    size = 4
    p = draw(laws(size, bits=10, zeros=False))
    step = Fraction(1, 2 ** draw(st.integers(11, 42)))
    signs = draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=size - 1, max_size=size - 1).filter(any))
    # The last atom restores the total; no mass moves by more than half a unit, so all stay positive.
    shift = [s * step / (2 * size) for s in (*signs, -sum(signs))]
    q = [x + s for x, s in zip(p, shift)]
    return Pair(p, q, points=range(size))


@st.composite
def transport_problems(draw: st.DrawFn, *, max_size: int = 6, negative: bool = False) -> TransportProblem:
    """Transport problems n x m with ties, empty atoms and rational costs, and their exact value."""
    n, m = draw(st.integers(1, max_size)), draw(st.integers(1, max_size))
    low = -64 if negative else 0
    rows = [[Fraction(draw(st.integers(low, 64)), 8) for _ in range(m)] for _ in range(n)]
    a, b = draw(laws(n)), draw(laws(m))
    value, _ = exact_transport(rows, a, b)
    cost, first, second = (np.array(v, dtype=float) for v in (rows, a, b))
    return TransportProblem(cost, first, second, value)
