"""Hypothesis strategies over transport problems: costs, couplings, and problems whose optimum is known."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
from hypothesis import strategies as st

from divergences.hierarchy._exact_transport import exact_transport
from divergences.testing._cases import CouplingCase, TransportProblem, floats
from divergences.testing._strategies import apportion, atoms, finite_metrics, warm_up, weights

Kind = Literal["permutation", "monotone", "convex", "potentials"]
KINDS: tuple[str, ...] = get_args(Kind)
_BITS = 20


def _integers(low: int, high: int) -> st.SearchStrategy[Fraction]:
    """Small whole numbers first (that is where failing cases shrink to), eighths beside them."""
    near = st.integers(max(low, -3), min(high, 3)).map(Fraction)
    return st.one_of(near, st.integers(8 * low, 8 * high).map(lambda k: Fraction(k, 8)))


@st.composite
def _tables(draw: st.DrawFn, most: int, low: int, high: int) -> list[list[Fraction]]:
    """A most x most table; problems take some of its rows and columns: leaving one out keeps the others."""
    flat = draw(st.lists(_integers(low, high), min_size=most * most, max_size=most * most))
    return [flat[i * most : (i + 1) * most] for i in range(most)]


def costs(
    *,
    max_size: int = 6,
    metric: bool = False,
    ties: bool = False,
    scale: int | None = None,
    forbidden: bool = False,
    xp: Any = None,
) -> st.SearchStrategy[Any]:
    """Cost matrices, shape (n, m), whose entries are exact floats.

    Parameters
    ----------
    max_size : int
        At most so many rows and columns.
    metric : bool
        A symmetric table with zero diagonal that obeys the triangle inequality (n = m).
    ties : bool
        Only the values 0 and 1.
    scale : int, optional
        Multiply by 2^scale.
    forbidden : bool
        Some entries are +inf; every row keeps a finite one and so does every column.
    xp : array namespace, optional

    Raises
    ------
    ValueError
        For a metric with ties or forbidden entries, which is none.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(costs(metric=True))
    ... def test(d):
    ...     assert (d == d.T).all()
    >>> test()
    """
    if metric and (ties or forbidden):
        raise ValueError(
            "metric=True with ties= or forbidden=: zeros or infinities off the diagonal are no metric"
        )
    warm_up()
    return _costs(max_size, metric, ties, scale or 0, forbidden, xp)


@st.composite
def _costs(
    draw: st.DrawFn, max_size: int, metric: bool, ties: bool, scale: int, forbidden: bool, xp: Any
) -> Any:
    n, m = draw(st.integers(1, max_size)), draw(st.integers(1, max_size))
    if metric:
        table: list[list[Any]] = list(draw(finite_metrics(n)))
    else:
        table = [row[:m] for row in draw(_tables(max_size, 0, 1 if ties else 8))[:n]]
        if ties:
            table = [[Fraction(round(c)) for c in row] for row in table]
    factor = Fraction(2) ** scale
    values = [[float(c * factor) for c in row] for row in table]
    if forbidden:
        for i, j in np.ndindex(n, m):
            if i != j % n and j != i % m and draw(st.integers(0, 3)) == 3:
                values[i][j] = float("inf")
    return floats(values, xp)


def couplings(*, max_size: int = 5, xp: Any = None) -> st.SearchStrategy[CouplingCase]:
    """Plans with masses in multiples of 2^-20, exact total 1 and exact marginals.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(couplings())
    ... def marginals_are_exact(case):
    ...     assert (case.plan.sum(axis=1) == case.a).all() and case.a.sum() == 1.0
    >>> marginals_are_exact()
    """
    warm_up()
    return _couplings(max_size, xp)


@st.composite
def _couplings(draw: st.DrawFn, max_size: int, xp: Any) -> CouplingCase:
    n, m = draw(st.integers(1, max_size)), draw(st.integers(1, max_size))
    flat = apportion(draw(weights(n * m)), _BITS)
    table = [flat[i * m : (i + 1) * m] for i in range(n)]
    rows = [sum(row, Fraction(0)) for row in table]
    columns = [sum(column, Fraction(0)) for column in zip(*table)]
    return CouplingCase(floats(table, xp), floats(rows, xp), floats(columns, xp))


def transport_problems(
    *, max_size: int = 6, negative: bool = False, zeros: bool = True, xp: Any = None
) -> st.SearchStrategy[TransportProblem]:
    """Transport problems n x m with ties, empty atoms and rational costs, and their exact value.

    Parameters
    ----------
    max_size : int
        At most so many sources and sinks; the value is proved in rational arithmetic, which takes its time
        beyond ten.
    negative : bool
        Whether costs may be negative.
    zeros : bool
        Whether atoms may be empty.
    xp : array namespace, optional

    Returns
    -------
    strategy of TransportProblem
        ``cost, a, b, value``; its repr is Python that rebuilds it.

    Examples
    --------
    >>> from hypothesis import given
    >>> import transport as tp
    >>> @given(transport_problems())
    ... def is_exact(case):
    ...     assert abs(tp.solve(case.cost, case.a, case.b).value - case.value) <= 1e-12
    >>> is_exact()
    """
    warm_up()
    return _transport_problems(max_size, negative, zeros, xp)


@st.composite
def _transport_problems(draw: st.DrawFn, most: int, negative: bool, zeros: bool, xp: Any) -> TransportProblem:
    rows, first = draw(atoms(most, zeros=zeros))
    columns, second = draw(atoms(most, zeros=zeros))
    entries = draw(_tables(most, -8 if negative else 0, 8))
    table = [[entries[i][j] for j in columns] for i in rows]
    a, b = apportion(first, _BITS), apportion(second, _BITS)
    value, _ = exact_transport(table, a, b)
    return TransportProblem(floats(table, xp), floats(a, xp), floats(b, xp), value)


def known_optimal(
    kind: Kind | None = None, *, max_size: int = 8, xp: Any = None
) -> st.SearchStrategy[TransportProblem]:
    """Problems that are optimal by construction, with the plan and the potentials that prove it.

    Parameters
    ----------
    kind : str, optional
        One of

        * "permutation": costs f_i + g_j + slack, slack zero on a permutation, uniform masses;
        * "monotone": costs \\|x_i - y_j\\|^2 of sorted points on the line: the sorted coupling;
        * "convex": points x_i in the plane and y_i = the gradient of a convex quadratic at x_i, squared
          distances: x_i goes to y_i (Brenier);
        * "potentials": a drawn sparse plan; costs f_i + g_j on its support and more elsewhere;

        all of them by default.
    max_size : int
    xp : array namespace, optional

    Raises
    ------
    ValueError
        For an unknown kind.

    Examples
    --------
    >>> from hypothesis import given
    >>> import numpy as np
    >>> @given(known_optimal())
    ... def potentials_prove_it(case):
    ...     f, g = case.potentials
    ...     assert (f[:, None] + g <= case.cost).all()
    ...     assert f @ case.a + g @ case.b == (case.plan * case.cost).sum() == case.value
    >>> potentials_prove_it()
    """
    if kind is not None and kind not in KINDS:
        raise ValueError(f"no kind called {kind!r}; take one of {', '.join(KINDS)}")
    warm_up()
    kinds = KINDS if kind is None else (kind,)
    return st.sampled_from(kinds).flatmap(lambda k: _known_optimal(k, max_size, xp))


@st.composite
def _known_optimal(draw: st.DrawFn, kind: str, most: int, xp: Any) -> TransportProblem:
    if kind == "potentials":
        return _by_potentials(draw, most, xp)
    n = 2 ** draw(st.integers(0, most.bit_length() - 1))  # uniform masses 1/n are exact
    uniform = [Fraction(1, n)] * n
    if kind == "permutation":
        f = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))
        g = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))
        where = draw(st.permutations(range(n)))
        slack = [[draw(st.integers(0, 4)) * (where[i] != j) for j in range(n)] for i in range(n)]
        cost = [[Fraction(f[i] + g[j] + slack[i][j]) for j in range(n)] for i in range(n)]
        return _assembled(cost, uniform, uniform, _matching(where, n), f, g, xp)
    if kind == "monotone":
        x, y = (sorted(draw(st.lists(st.integers(-16, 16), min_size=n, max_size=n))) for _ in range(2))
        cost = [[Fraction((s - t) ** 2) for t in y] for s in x]
        where = list(range(n))
    else:
        x2 = draw(st.lists(st.tuples(st.integers(-8, 8), st.integers(-8, 8)), min_size=n, max_size=n))
        p, r, s = draw(st.integers(0, 3)), draw(st.integers(-2, 2)), draw(st.integers(0, 3))
        # (p + r^2, r s; r s, s^2) = L L^T + diag(p, 0) is positive semidefinite: its quadratic is convex.
        y2 = [((p + r * r) * u + r * s * v, r * s * u + s * s * v) for u, v in x2]
        cost = [[Fraction((u - w) ** 2 + (v - z) ** 2) for w, z in y2] for u, v in x2]
        where = list(range(n))
    f, g = _potentials_of_matching(cost, where)
    return _assembled(cost, uniform, uniform, _matching(where, n), f, g, xp)


def _by_potentials(draw: st.DrawFn, most: int, xp: Any) -> TransportProblem:
    n, m = draw(st.integers(1, most)), draw(st.integers(1, most))
    flat = apportion([w if k == 0 else w * (w > 2) for k, w in enumerate(draw(weights(n * m)))], _BITS)
    plan = [list(flat[i * m : (i + 1) * m]) for i in range(n)]
    f = draw(st.lists(st.integers(-4, 4), min_size=n, max_size=n))
    g = draw(st.lists(st.integers(-4, 4), min_size=m, max_size=m))
    more = [[draw(st.integers(0, 4)) * (plan[i][j] == 0) for j in range(m)] for i in range(n)]
    cost = [[Fraction(f[i] + g[j] + more[i][j]) for j in range(m)] for i in range(n)]
    a = [sum(row, Fraction(0)) for row in plan]
    b = [sum(column, Fraction(0)) for column in zip(*plan)]
    return _assembled(cost, a, b, plan, f, g, xp)


def _matching(where: list[int], n: int) -> list[list[Fraction]]:
    return [[Fraction(int(where[i] == j), n) for j in range(n)] for i in range(n)]


def _potentials_of_matching(cost: list[list[Fraction]], where: list[int]) -> tuple[list[Any], list[Any]]:
    """Potentials tight on an optimal matching: shortest paths over its alternating arcs (Bellman-Ford)."""
    n = len(cost)
    g = [Fraction(0)] * n
    for _ in range(n + 1):
        for i in range(n):
            for j in range(n):
                # g_j <= c_ij - f_i with f_i = c_i,where(i) - g_where(i)
                g[j] = min(g[j], cost[i][j] - cost[i][where[i]] + g[where[i]])
    return [cost[i][where[i]] - g[where[i]] for i in range(n)], g


def _assembled(
    cost: list[list[Fraction]], a: Any, b: Any, plan: Any, f: Any, g: Any, xp: Any
) -> TransportProblem:
    value = sum((c * x for rows in zip(cost, plan) for c, x in zip(*rows)), Fraction(0))
    proof = sum((Fraction(u) * x for u, x in zip(f, a)), Fraction(0))
    proof += sum((Fraction(v) * x for v, x in zip(g, b)), Fraction(0))
    if proof != value or any(f[i] + g[j] > c for i, row in enumerate(cost) for j, c in enumerate(row)):
        raise ArithmeticError(f"the construction does not prove itself: dual {proof}, primal {value}")
    return TransportProblem(
        floats(cost, xp),
        floats(a, xp),
        floats(b, xp),
        value,
        floats(plan, xp),
        (floats(f, xp), floats(g, xp)),
    )
