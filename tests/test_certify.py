"""`transport.certify`: anybody's plan and potentials, in the forms that peers give them."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from oracles import transport_by_highs, transport_in_fractions
from scipy.optimize import linear_sum_assignment, linprog
from scipy.sparse import coo_array, csr_array

import transport as tp


def _instance(seed, n=6, m=8):
    rng = np.random.default_rng(seed)
    return rng.random((n, m)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))


@pytest.mark.parametrize("form", ["dense", "list", "coo", "csr", "triple"])
def test_an_optimal_plan_alone_proves_itself(form):
    cost, a, b = _instance(1)
    value, plan = transport_by_highs(cost, a, b)
    rows, cols = np.nonzero(plan)
    given = {
        "dense": plan,
        "list": plan.tolist(),
        "coo": coo_array(plan),
        "csr": csr_array(plan),
        "triple": (rows, cols, plan[rows, cols]),
    }[form]
    sol = tp.certify(cost, a, b, plan=given)
    assert sol.status is tp.Status.OPTIMAL
    assert sol.lower_bound <= value <= sol.upper_bound + 1e-15
    assert sol.gap <= 1e-14
    assert sol.marginal_error <= 1e-15
    proof = sol.certify(exact=True)
    assert proof.lower <= transport_in_fractions(cost, a, b) <= proof.upper


@pytest.mark.parametrize("seed", range(5))
def test_an_assignment_proves_itself(seed):
    cost = np.random.default_rng(seed).random((40, 40))
    sol = tp.certify(cost, plan=linear_sum_assignment(cost))
    assert sol.status is tp.Status.OPTIMAL
    assert sol.value == pytest.approx(tp.solve(cost).value, rel=1e-14)


@pytest.mark.parametrize("seed", range(8))
def test_wrong_plans_are_bracketed_and_told(seed):
    cost, a, b = _instance(seed)
    truth = transport_in_fractions(cost, a, b)
    rng = np.random.default_rng(seed)
    plan = np.outer(a, b) * rng.uniform(0.5, 1.5, cost.shape)
    sol = tp.certify(cost, a, b, plan=plan)
    assert sol.status is tp.Status.INACCURATE
    assert Fraction(sol.lower_bound) <= truth <= Fraction(sol.upper_bound)
    off = max(np.abs(plan.sum(1) - a).max(), np.abs(plan.sum(0) - b).max())
    assert sol.marginal_error == pytest.approx(off, rel=1e-9)
    assert sol.stats["cost_as_given"] == pytest.approx(float((cost * plan).sum()), rel=1e-14)
    np.testing.assert_allclose(sol.plan.toarray().sum(axis=1), a, atol=1e-15)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("form", ["pair", "u v", "f g"])
def test_potentials_of_either_sign_prove_the_optimum(sign, form):
    cost, a, b = _instance(3)
    n, m = cost.shape
    rows, cols = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    lp = linprog(cost.ravel(), A_eq=np.vstack([rows, cols]), b_eq=np.concatenate([a, b]), method="highs")
    f, g = sign * lp.eqlin.marginals[:n], sign * lp.eqlin.marginals[n:]
    given = {"pair": (f, g), "u v": {"u": f, "v": g, "cost": 1.0}, "f g": {"f": f, "g": g}}[form]
    alone = tp.certify(cost, a, b, potentials=given)
    assert alone.lower_bound == pytest.approx(lp.fun, rel=1e-12)
    assert alone.lower_bound <= lp.fun * (1 + 1e-15)
    assert alone.upper_bound == alone.value == np.inf
    assert alone.status is tp.Status.INACCURATE
    both = tp.certify(cost, a, b, potentials=given, plan=lp.x.reshape(n, m))
    assert both.status is tp.Status.OPTIMAL


def test_infeasible_potentials_are_lowered_first():
    cost, a, b = _instance(4)
    truth = transport_in_fractions(cost, a, b)
    rng = np.random.default_rng(0)
    for _ in range(20):
        given = 9 * rng.standard_normal(len(a)), 9 * rng.standard_normal(len(b))
        assert Fraction(tp.certify(cost, a, b, potentials=given).lower_bound) <= truth


@pytest.mark.parametrize("scale", [1.0, 1e-15, 1e200])
def test_ties_and_degenerate_plans_get_potentials_that_fit(scale):
    """A permutation is a forest of n trees: their heights are shortest paths, not medians."""
    rng = np.random.default_rng(2)
    cost = rng.integers(0, 5, (30, 30)) * scale
    plan = linear_sum_assignment(cost)
    assert tp.certify(cost, plan=plan).status is tp.Status.OPTIMAL
    x = np.sort(rng.random(30))
    line = (x[:, None] - x[None, ::-1]) ** 2 * scale
    assert tp.certify(line, plan=linear_sum_assignment(line)).status is tp.Status.OPTIMAL


def test_what_peers_get_wrong():
    """POT's emd2 at cost scales of 1e-14 and an interrupted one: products and half-empty plans."""
    cost, a, b = _instance(5)
    tiny = cost * 1e-15
    wrong = np.outer(a, b)
    assert tp.certify(tiny, a, b, plan=wrong).status is tp.Status.INACCURATE
    half = tp.solve(tiny, a, b).plan.toarray() * 0.7
    sol = tp.certify(tiny, a, b, plan=half)
    assert sol.status is tp.Status.INACCURATE or sol.gap <= 1e-9 * sol.value
    assert sol.marginal_error > 0.01
    assert sol.lower_bound <= tp.solve(tiny, a, b).value <= sol.upper_bound
    zero = tp.certify(tiny, a, b, plan=np.zeros_like(cost))
    assert zero.upper_bound >= tp.solve(tiny, a, b).value
    negative = tp.solve(tiny, a, b).plan.toarray()
    negative[0, 0] -= 0.25
    assert tp.certify(tiny, a, b, plan=negative).marginal_error >= 0.2


def test_a_plan_through_forbidden_arcs_bounds_nothing_from_above():
    cost = np.array([[1.0, np.inf], [np.inf, 1.0]])
    sol = tp.certify(cost, plan=[[0.25, 0.25], [0.25, 0.25]])
    assert sol.upper_bound == np.inf
    assert sol.lower_bound <= 1.0
    assert sol.status is tp.Status.INACCURATE


def test_point_clouds_and_sparse_costs():
    rng = np.random.default_rng(6)
    cloud = tp.PointCloud(rng.random((50, 2)), rng.random((40, 2)))
    ours = tp.solve(cloud)
    assert tp.certify(cloud, plan=ours.plan).status is tp.Status.OPTIMAL
    assert tp.certify(cloud, potentials=ours.potentials).lower_bound == pytest.approx(ours.value, rel=1e-12)
    sparse = coo_array(([1.0, 2.0, 1.0], ([0, 0, 1], [0, 1, 1])), shape=(2, 2))
    assert tp.certify(sparse, plan=[[0.5, 0], [0, 0.5]]).status is tp.Status.OPTIMAL


@pytest.mark.parametrize(
    ("kwargs", "match"),
    [
        ({}, "nothing to certify"),
        ({"plan": np.zeros((2, 3))}, r"shape \(2, 3\); the problem is 2 x 2"),
        ({"plan": ([0, 5], [0, 1])}, "names rows"),
        ({"plan": ([0, 0], [0, 1])}, "one sink"),
        ({"plan": [[np.nan, 0], [0, 1]]}, "NaN"),
        ({"potentials": ([0.0], [0.0, 0.0])}, "shapes"),
        ({"potentials": 3.0}, "pair"),
        ({"potentials": {"w": 1}}, "keys"),
    ],
)
def test_what_is_refused(kwargs, match):
    with pytest.raises(ValueError, match=match):
        tp.certify(np.eye(2), **kwargs)
