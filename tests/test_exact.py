"""The exact solver against enumeration, a general LP solver, and its own duals."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

from transport._cost import Matrix
from transport._problem import Problem
from transport._solution import Status
from transport._solver.base import Coupling, run
from transport._solver.exact import Exact
from transport.internal import InfeasibleError

EPS = 2.0**-52


def solve(c, a=None, b=None, **options) -> tuple[float, Coupling]:
    c = np.asarray(c, float)
    n, m = c.shape
    a = np.full(n, 1 / n) if a is None else np.asarray(a, float)
    b = np.full(m, a.sum() / m) if b is None else np.asarray(b, float)
    outcome = run(
        Exact(**options), Problem(Matrix(c), a, b), tol=1e-9, max_iter=None, time_limit=None, callback=None
    )
    assert outcome.status is Status.OPTIMAL
    k = outcome.coupling
    return math.fsum(c[k.rows, k.cols] * k.mass), k


def check(c, a, b, value, k: Coupling, *, rel=1e-13) -> None:
    """Primal and dual feasible, equal values: a proof that does not trust the solver."""
    n, m = c.shape
    assert np.all(k.mass >= 0)
    assert len(k.rows) <= n + m - 1
    scale = max(a.sum(), 1e-300)
    np.testing.assert_allclose(np.bincount(k.rows, k.mass, n), a, rtol=1e-12, atol=4 * n * EPS * scale)
    np.testing.assert_allclose(np.bincount(k.cols, k.mass, m), b, rtol=1e-12, atol=4 * m * EPS * scale)
    i, j = a > 0, b > 0
    with np.errstate(invalid="ignore"):
        size = np.abs(c) + np.abs(k.f)[:, None] + np.abs(k.g)
        assert np.all((c - k.f[:, None] - k.g >= -16 * EPS * size)[np.ix_(i, j)])
    dual = math.fsum(a * k.f) + math.fsum(b * k.g)
    room = math.fsum(np.abs(a * k.f)) + math.fsum(np.abs(b * k.g)) + abs(value)
    assert abs(value - dual) <= rel * room


def lp_value(c, a, b) -> float:
    """HiGHS on the finite arcs."""
    rows, cols = np.nonzero(np.isfinite(c))
    ones, ids = np.ones(len(rows)), np.arange(len(rows))
    left = coo_array((ones, (rows, ids)), shape=(len(a), len(rows)))
    right = coo_array((ones, (cols, ids)), shape=(len(b), len(rows)))
    r = linprog(
        c[rows, cols], A_eq=vstack([left, right]).tocsr(), b_eq=np.concatenate([a, b]), method="highs"
    )
    assert r.status == 0
    return r.fun


# ------------------------------------------------------------------ small, against enumeration


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(-9, 9), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_assignment_matches_all_permutations(rows):
    c = np.array(rows, float)
    n = len(c)
    best = min(sum(c[i, p[i]] for i in range(n)) for p in itertools.permutations(range(n)))
    value, k = solve(c, np.ones(n), np.ones(n))
    assert value == best  # integer costs, unit masses: no rounding anywhere
    check(c, np.ones(n), np.ones(n), value, k)


def expand(masses):
    return [i for i, w in enumerate(masses) for _ in range(w)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_integer_masses_match_all_permutations_of_their_units(data):
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    total = data.draw(st.integers(1, 6))
    cut = lambda k: sorted(data.draw(st.lists(st.integers(0, total), min_size=k - 1, max_size=k - 1)))  # noqa: E731
    a = np.diff([0, *cut(n), total])
    b = np.diff([0, *cut(m), total])
    c = np.array(
        data.draw(st.lists(st.lists(st.integers(-5, 5), min_size=m, max_size=m), min_size=n, max_size=n)),
        float,
    )
    rows, cols = expand(a), expand(b)
    best = min(sum(c[i, j] for i, j in zip(rows, p)) for p in itertools.permutations(cols))
    value, k = solve(c, a, b)
    assert value == best
    check(c, a.astype(float), b.astype(float), value, k)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_forbidden_arcs_match_all_permutations_or_are_proved_infeasible(data):
    n = data.draw(st.integers(1, 5))
    entry = st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf, math.inf])
    c = np.array(data.draw(st.lists(st.lists(entry, min_size=n, max_size=n), min_size=n, max_size=n)))
    best = min(sum(c[i, p[i]] for i in range(n)) for p in itertools.permutations(range(n)))
    ones = np.ones(n)
    if best < math.inf:
        value, k = solve(c, ones, ones)
        assert value == best
        check(c, ones, ones, value, k)
    else:
        with pytest.raises(InfeasibleError, match="forbidden arcs") as caught:
            solve(c, ones, ones)
        check_cut(c, ones, ones, caught.value)


def check_cut(c, a, b, error: InfeasibleError) -> None:
    """Hall: sources that only reach sinks with less room."""
    others = np.setdiff1d(np.arange(c.shape[1]), error.cols)
    assert np.all(np.isinf(c[np.ix_(error.rows, others)]))
    assert a[error.rows].sum() > b[error.cols].sum()


# ------------------------------------------------------------------ larger, against HiGHS


def families():
    rng = np.random.default_rng(7)
    dirichlet = rng.dirichlet
    x, y = rng.random((60, 2)), rng.random((80, 2))
    sq = ((x[:, None] - y) ** 2).sum(-1)
    yield "plane", sq, dirichlet(np.ones(60)), dirichlet(np.ones(80))
    yield "wide", rng.random((3, 150)), dirichlet(np.ones(3)), dirichlet(np.ones(150))
    yield "tall", rng.random((150, 3)), dirichlet(np.ones(150)), dirichlet(np.ones(3))
    yield "one source", rng.random((1, 9)), np.ones(1), dirichlet(np.ones(9))
    yield "one sink", rng.random((9, 1)), dirichlet(np.ones(9)), np.ones(1)
    yield "single", rng.random((1, 1)), np.ones(1), np.ones(1)
    yield "negative", rng.standard_normal((50, 50)), dirichlet(np.ones(50)), dirichlet(np.ones(50))
    yield "ties", rng.integers(0, 3, (60, 60)).astype(float), np.full(60, 1 / 60), np.full(60, 1 / 60)
    yield "constant", np.full((20, 30), 2.5), dirichlet(np.ones(20)), dirichlet(np.ones(30))
    yield "zero cost", np.zeros((20, 20)), np.full(20, 0.05), np.full(20, 0.05)
    z = np.repeat(rng.random((12, 2)), 5, axis=0)
    yield "duplicates", ((z[:, None] - z[::-1]) ** 2).sum(-1), np.full(60, 1 / 60), np.full(60, 1 / 60)
    t = rng.random(70)
    yield "collinear", np.abs(t[:, None] - rng.random(50)), dirichlet(np.ones(70)), dirichlet(np.ones(50))
    a, b = dirichlet(np.ones(40)), dirichlet(np.ones(40))
    a[::3], b[::4] = 0, 0
    yield "zero masses", rng.random((40, 40)), a / a.sum(), b / b.sum()
    hole = rng.random((60, 60))
    hole[rng.random((60, 60)) < 0.8] = np.inf
    hole[np.arange(60), rng.permutation(60)] = 5.0
    yield "forbidden", hole, np.full(60, 1 / 60), np.full(60, 1 / 60)


@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in families()])
def test_agrees_with_a_general_lp_solver_and_with_its_own_duals(c, a, b):
    value, k = solve(c, a, b)
    check(c, a, b, value, k)
    assert value == pytest.approx(lp_value(c, a, b), rel=1e-7, abs=1e-9)


# ------------------------------------------------------------------ the two trees


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in families()])
def test_both_trees_reach_the_optimum(c, a, b, lazy, monkeypatch):
    monkeypatch.setattr("transport._solver.trees.LAZY_NODES", 0 if lazy else 10**9)
    value, k = solve(c, a, b)
    check(c, a, b, value, k)
