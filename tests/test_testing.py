"""The public strategies and assertions: right code passes, wrong code fails, answers are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st
from scipy.optimize import linprog

import divergences as dv
import transport as tp
from divergences.hierarchy import BOUNDS, Pair, Verdict
from divergences.hierarchy._mutants import all_mutants
from divergences.testing import (
    assert_distances,
    assert_laws,
    assert_transport_solver,
    finite_metrics,
    laws,
    line_pairs,
    metric_pairs,
    near_equal_pairs,
    transport_problems,
)


@given(st.integers(1, 6).flatmap(lambda n: laws(n, zeros=False)))
def test_laws_are_exact_and_full(law):
    assert sum(law) == 1
    assert min(law) > 0
    assert math.fsum(float(x) for x in law) == 1.0


@given(finite_metrics(5))
def test_finite_metrics_are_metrics(d):
    n = len(d)
    assert all(d[i][j] <= d[i][k] + d[k][j] for i in range(n) for j in range(n) for k in range(n))
    assert all((d[i][j] == 0) == (i == j) for i in range(n) for j in range(n))


@given(near_equal_pairs())
def test_near_equal_pairs_are_near_and_floats_are_exact(pair):
    gap = max(abs(x - y) for x, y in zip(pair.p, pair.q))
    assert 0 < gap < 2**-9
    assert min(pair.q) > 0
    p, q = np.array(pair.p, dtype=float), np.array(pair.q, dtype=float)
    assert dv.js(p, q) == pytest.approx(float(pair.enclose("js")), rel=1e-12)
    assert dv.kl(p, q) == pytest.approx(float(pair.enclose("kl")), rel=1e-12)
    assert dv.tv(p, q) == pytest.approx(float(pair.enclose("tv")), rel=1e-12)


@given(transport_problems(negative=True))
def test_transport_problems_carry_their_true_value(problem):
    n, m = problem.cost.shape
    marginals = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    found = linprog(
        problem.cost.ravel(), A_eq=marginals[:-1], b_eq=np.concatenate([problem.a, problem.b])[:-1]
    )
    assert found.fun == pytest.approx(float(problem.value), abs=1e-8)
    ours = tp.solve(problem.cost, problem.a, problem.b)
    assert ours.value == pytest.approx(float(problem.value), rel=1e-12, abs=1e-13)


@given(line_pairs(), metric_pairs())
def test_ours_against_the_strategies_truth(line, space):
    p, q = np.array(line.p, dtype=float), np.array(line.q, dtype=float)
    x = np.array(line.points, dtype=float)
    assert tp.wasserstein_1d(x, x, a=p, b=q) == pytest.approx(float(line.enclose("w")), rel=1e-12)
    cost = np.array(space.distance, dtype=float)
    found = tp.solve(cost, np.array(space.p, dtype=float), np.array(space.q, dtype=float))
    assert found.value == pytest.approx(float(space.enclose("w")), rel=1e-12, abs=1e-15)


def test_right_distances_pass():
    assert_laws(kl=dv.kl, js=dv.js, tv=dv.tv, w=lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b))
    assert_distances(kl=dv.kl, js=dv.js, tv=dv.tv, w=lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b))
    assert_transport_solver(tp.solve)


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda m: f"{m.functional}-{m.name}")
def test_wrong_distances_fail(mutant):
    with pytest.raises(AssertionError):
        assert_distances(**{mutant.functional: mutant.wrong})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda c, a, b: float(a @ c @ b), "random"),
        (lambda c, a, b: tp.solve(c, a, b).value * (1 + 1e-7), "random"),
        (lambda c, a, b: tp.solve(np.round(c, 9), a, b).value, "2\\^-"),
        (lambda c, a, b: tp.solve(np.abs(c), np.sort(a), np.sort(b)).value, "random|order"),
    ],
)
def test_wrong_solvers_fail(wrong, what):
    with pytest.raises(AssertionError, match=what):
        assert_transport_solver(wrong)


def test_something_must_be_given():
    for check in (assert_laws, assert_distances):
        with pytest.raises(ValueError, match="at least one of"):
            check()
    with pytest.raises(ValueError, match="bits"):
        given(laws(3, bits=60))(lambda law: None)()


SEARCHED = [name for name, b in BOUNDS.items() if not {"sigma", "density"} & set(b.space)]


@pytest.mark.deep
@pytest.mark.parametrize("name", SEARCHED)
def test_hypothesis_drives_the_ratio_up_and_never_past_one(name):
    bound = BOUNDS[name]

    @settings(max_examples=400)
    @given(line_pairs(max_size=4))
    def push(pair: Pair) -> None:
        check = bound.check(pair)
        target(min(float(check.ratio.lo), 2.0))
        assert check.verdict is not Verdict.VIOLATED

    push()
