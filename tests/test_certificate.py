"""The certificate must be right about any answer, above all about wrong ones."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import FixedAnswer, dense_coupling, transport_by_highs, transport_in_fractions
from scipy.sparse import coo_array

import transport as tp
from transport.internal import ConvergenceError


def _instance(seed, n=7, m=9, scale=1.0):
    rng = np.random.default_rng(seed)
    return rng.random((n, m)) * scale, rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))


@given(st.integers(0, 10_000), st.floats(0, 2), st.floats(0, 1))
def test_any_answer_is_bracketed(seed, noise, missing):
    """Random potentials, random partial plan: the interval must still hold the optimum."""
    cost, a, b = _instance(seed)
    optimum, _ = transport_by_highs(cost, a, b)
    rng = np.random.default_rng(seed + 1)
    plan = np.outer(a, b) * (rng.random(cost.shape) > missing) * 2 * rng.random(cost.shape)
    lying = FixedAnswer(dense_coupling(plan, noise * rng.standard_normal(len(a)), np.zeros(len(b))))
    sol = tp.solve(cost, a, b, solver=lying, throw=False)
    assert sol.lower_bound <= optimum + 1e-12
    assert sol.upper_bound >= optimum - 1e-12
    np.testing.assert_allclose(sol.plan.toarray().sum(axis=1), a, atol=1e-14)
    np.testing.assert_allclose(sol.plan.toarray().sum(axis=0), b, atol=1e-14)
    slack = cost - sol.potentials.f[:, None] - sol.potentials.g
    assert slack.min() >= -1e-15
    assert sol.value == pytest.approx(float((cost * sol.plan.toarray()).sum()), rel=1e-14)


def test_a_confident_wrong_answer_is_not_called_optimal():
    cost, a, b = _instance(3)
    wrong = FixedAnswer(dense_coupling(np.outer(a, b), np.zeros(7), np.zeros(9)))
    with pytest.raises(ConvergenceError, match="certified gap exceeds tol") as caught:
        tp.solve(cost, a, b, solver=wrong)
    optimum, _ = transport_by_highs(cost, a, b)
    assert caught.value.lower_bound < optimum < caught.value.upper_bound
    assert caught.value.solution.status is tp.Status.INACCURATE


def test_true_answer_of_a_foreign_solver_is_accepted():
    cost, a, b = _instance(4)
    ours = tp.solve(cost, a, b)
    _, plan = transport_by_highs(cost, a, b)
    foreign = tp.solve(cost, a, b, solver=FixedAnswer(dense_coupling(plan, ours.potentials.f, np.zeros(9))))
    assert foreign.status is tp.Status.OPTIMAL
    assert foreign.value == pytest.approx(ours.value, rel=1e-12)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("keep", [(0.3, 0.3), (1.0, 0.3), (0.3, 1.0), (0.9, 0.9)])
def test_atoms_without_mass_get_their_potentials_on_first_use(keep, sparse):
    rng = np.random.default_rng(5)
    n, m = 60, 50
    cost = tp.PointCloud(rng.random((n, 3)), rng.random((m, 3)))
    dense = cost.block(0, n)
    if sparse:
        cost = coo_array(dense)
    a, b = (np.where(rng.permutation(k) < part * k, rng.random(k), 0.0) for k, part in zip((n, m), keep))
    a, b = a / a.sum(), b / b.sum()
    sol = tp.solve(cost, a, b)
    f, g = sol.potentials
    assert sol.status is tp.Status.OPTIMAL
    assert (dense - f[:, None] - g).min() >= -1e-15
    assert a @ f + b @ g == pytest.approx(sol.lower_bound, rel=1e-13)
    # as large as can be: the massless pay to the others, and the sources' last
    of_sinks, of_sources = (dense - f[:, None])[a > 0].min(0), (dense - g).min(1)
    np.testing.assert_allclose(g[b == 0], of_sinks[b == 0], atol=1e-14)
    np.testing.assert_allclose(f[a == 0], of_sources[a == 0], atol=1e-14)


@pytest.mark.parametrize("scale", [2.0**-660, 2.0**-40, 1.0, 2.0**660])
@pytest.mark.parametrize("seed", range(4))
def test_exact_certificate_proves_dyadic_instances(seed, scale):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 20, (12, 9)) * scale
    a, b = np.full(12, 0.75), np.full(9, 1.0)
    sol = tp.solve(cost, a, b)
    proof = sol.certify(exact=True)
    assert proof.is_optimal
    assert float(proof.upper) == pytest.approx(sol.value, rel=1e-15)
    for i in range(12):
        assert sum(proof.plan.get((i, j), 0) for j in range(9)) == Fraction(0.75)
        for j in range(9):
            assert proof.f[i] + proof.g[j] <= Fraction(float(cost[i, j]))
    assert all(mass > 0 for mass in proof.plan.values())


def test_exact_certificate_of_rounded_weights_brackets():
    cost, a, b = _instance(11, 20, 30)
    sol = tp.solve(cost, a, b)
    proof = sol.certify()
    assert proof.lower <= proof.upper
    assert proof.gap <= Fraction(1e-12) * proof.upper
    assert abs(float(proof.upper) - sol.value) <= 1e-14 * sol.value
    total = sum((Fraction(float(v)) for v in a), Fraction(0))
    assert sum(proof.plan.values()) == total


def test_exact_certificate_exposes_a_wrong_plan():
    cost, a, b = _instance(12)
    wrong = FixedAnswer(dense_coupling(np.outer(a, b), np.zeros(7), np.zeros(9)))
    sol = tp.solve(cost, a, b, solver=wrong, throw=False)
    optimum, _ = transport_by_highs(cost, a, b)
    proof = sol.certify()
    assert not proof.is_optimal
    assert proof.lower <= Fraction(optimum + 1e-9)
    assert proof.upper >= Fraction(optimum - 1e-9)


def test_outliers_and_micro_displacements_keep_their_digits():
    """Potentials of size 1 around a value of 1e-8: the gap must be seen at its own precision."""
    rng = np.random.default_rng(7)
    centre = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0]]), 3, axis=0)
    x, y = centre + 1e-8 * rng.random((6, 2)), centre + 1e-8 * rng.random((6, 2))
    sol = tp.solve(tp.PointCloud(x, y, "euclidean"))
    assert sol.value == pytest.approx(4.1507478267402977998e-9, rel=1e-7)
    assert sol.gap <= 1e-7 * sol.value


@pytest.mark.parametrize("seed", range(25))
def test_float_interval_holds_the_exact_optimum(seed):
    """Costs over 24 decades, masses over 15: where rounding of the masses is worth more than eps * value."""
    rng = np.random.default_rng(seed)
    cost = 10.0 ** rng.uniform(-12, 12, (30, 40))
    a, b = 10.0 ** rng.uniform(-15, 0, 30), 10.0 ** rng.uniform(-15, 0, 40)
    sol = tp.solve(cost, a / a.sum(), b / b.sum())
    proof = sol.certify()
    assert Fraction(sol.lower_bound) <= proof.upper
    assert proof.lower <= Fraction(sol.upper_bound)
    assert sol.gap <= 1e-9 * sol.value


@pytest.mark.parametrize(
    ("cost", "value"),
    [
        ([[5e-324, 1e-323], [1e-323, 5e-324]], 5e-324),
        ([[1e300, 1e-300], [1e-300, 1e300]], 1e-300),
        ([[1e308, 1.7e308], [1.7e308, 1e308]], 1e308),
        ([[0.0, 1.0], [1.0, 0.0]], 0.0),
    ],
)
def test_the_ends_of_the_float_range(cost, value):
    sol = tp.solve(cost)
    assert sol.value == pytest.approx(value, rel=1e-15)
    assert sol.lower_bound <= value <= sol.upper_bound
    assert sol.certify().is_optimal


def test_a_limit_without_an_allowed_plan_is_no_optimum():
    r = np.random.default_rng(0)
    cost = np.where(r.random((40, 40)) < 0.9, np.inf, r.random((40, 40)))
    cost[np.arange(40), r.permutation(40)] = 1
    with pytest.raises(ConvergenceError) as caught:
        tp.solve(cost, max_iter=1)
    assert caught.value.lower_bound <= tp.solve(cost).value <= caught.value.upper_bound


@pytest.mark.parametrize("k", [40, 60, 61, 75, 100, 200, 500])
def test_masses_below_any_unit_go_where_they_are_cheapest(k):
    """The first source fills the first sink and has nearly all its mass left, at 1e16 a unit."""
    cost = np.array([[0, 1e16, 1e16], [0.5, 0.4, 0.4]])
    a, b = np.array([2.0**-k, 1]), np.array([2.0 ** -(k + 20), 1, 2.0**-k - 2.0 ** -(k + 20)])
    truth = transport_in_fractions(cost, a, b)
    sol = tp.solve(cost, a, b)
    assert Fraction(sol.lower_bound) <= truth <= Fraction(sol.upper_bound)
    assert sol.value == pytest.approx(float(truth), rel=1e-15)
    assert sol.certify().lower <= truth <= sol.certify().upper
    barred = np.array([[0, np.inf, 1e16], [0.5, 0.4, 0.4]])
    assert tp.solve(barred, a, b).value == pytest.approx(float(truth), rel=1e-15)
    shut = np.array([[0, np.inf, np.inf], [0.5, 0.4, 0.4]])
    with pytest.raises(tp.InfeasibleError):
        tp.solve(shut, a, b)


def test_the_bound_of_a_stopped_solve_is_that_of_a_repaired_plan():
    cost = np.array([[1e8], [1e2], [1e4], [1e10], [1e12]])
    a, b = np.array([1e-12, 1e-12, 1, 1e-12, 1e-12]), np.array([1.000000000004])
    sol = tp.solve(cost, a, b, solver=tp.Exact("blocks"), callback=lambda p: True, throw=False)
    truth = transport_in_fractions(cost, a, b)
    assert Fraction(sol.lower_bound) <= truth <= Fraction(sol.upper_bound)


@pytest.mark.parametrize(
    ("mass", "cost"), [(1e200, 1e200), (1.5e300, 1e10), (1e-300, 1e300), (1e-200, 1e-200)]
)
def test_masses_times_costs_beyond_the_float_range(mass, cost):
    truth = Fraction(mass) * Fraction(cost)
    if truth > Fraction(np.finfo(float).max):
        with pytest.raises(OverflowError, match="divide a and b by"):
            tp.solve([[cost]], [mass], [mass])
        return
    sol = tp.solve([[cost]], [mass], [mass])
    assert Fraction(sol.lower_bound) <= truth <= Fraction(sol.upper_bound)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (0.0, 1e-3)])
@pytest.mark.parametrize("circle", [False, True])
def test_leftovers_of_the_sorted_coupling_keep_their_digits(ends, circle):
    e = 1e-12
    x, y = np.array(ends) / 4, np.array([ends[1]] * 5 + [ends[0]]) / 4
    a, b = np.array([1.0, e]), np.array([e] * 5 + [1.0]) * ((1 + e) / (1 + 5 * e))
    sol = tp.solve(tp.Circle(x, y) if circle else tp.PointCloud(x, y, "euclidean"), a, b)
    truth = transport_in_fractions([[abs(Fraction(u) - Fraction(v)) for v in y] for u in x], a, b)
    assert Fraction(sol.lower_bound) <= truth <= Fraction(sol.upper_bound)
    assert sol.gap <= 1e-9 * sol.value
