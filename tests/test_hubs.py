"""Wide and tall problems: few atoms against many, by the simplex on the tree of the few."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from oracles import transport_by_highs

import transport as tp
from transport._kernels import simplex_hubs as k
from transport._solver.hubs import solve_hubs
from transport._solver.plan import has_hubs
from transport._solver.trees import Work


def north_west(x, y, a, b, cost):
    """<C, P> of the coupling that matches the masses in the order given."""
    i, j = np.argsort(x, kind="stable"), np.argsort(y, kind="stable")
    ends = np.union1d(np.cumsum(a[i]), np.cumsum(b[j]))
    middle = ends - np.diff(ends, prepend=0.0) / 2
    rows = i[np.minimum(np.searchsorted(np.cumsum(a[i]), middle), len(a) - 1)]
    cols = j[np.minimum(np.searchsorted(np.cumsum(b[j]), middle), len(b) - 1)]
    return float(np.dot(cost(x[rows], y[cols]), np.diff(ends, prepend=0.0)))


def masses(n, m, rng, kind):
    if kind == "equal":
        return np.full(n, 1 / n), np.full(m, 1 / m)
    if kind == "lognormal":
        a, b = rng.lognormal(0, 2, n), rng.lognormal(0, 2, m)
        return a / a.sum(), b / b.sum()
    a, b = rng.random(n) * (rng.random(n) < 0.5), rng.random(m)
    a[0] = 1.0
    return a / a.sum(), b / b.sum()


def proved(sol, c, a, b):
    """Feasible plan and potentials whose values meet: checked with NumPy alone."""
    plan, (f, g) = sol.plan, sol.potentials
    assert sol.status is tp.Status.OPTIMAL
    assert np.abs(plan.sum(axis=1) - a).max() < 1e-13
    assert np.abs(plan.sum(axis=0) - b).max() < 1e-13
    slack = c - f[:, None] - g
    size = float(np.abs(c[sol.arcs.rows, sol.arcs.cols]) @ sol.arcs.mass)
    assert slack.min() >= -1e-15 * (np.abs(f).max() + np.abs(g).max())
    assert abs(sol.value - (a @ f + b @ g)) < 1e-12 * (size + abs(sol.value))
    assert len(sol.arcs.mass) <= sum(c.shape) - 1


# ------------------------------------------------------------------ whole answers

SHAPES = [(30, 4300), (4600, 170), (3, 9000), (1, 5000), (5000, 1), (2, 4095)]


@pytest.mark.parametrize("weights", ["equal", "lognormal", "massless"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s[0]}x{s[1]}")
def test_monotone_costs_have_the_sorted_coupling(shape, weights):
    rng = np.random.default_rng(sum(shape))
    a, b = masses(*shape, rng, weights)
    x, y = rng.standard_normal(shape[0]), rng.standard_normal(shape[1])
    for cost, sign in ((np.multiply, -1), (np.minimum, -1), (np.maximum, 1)):
        c = cost.outer(x, y)
        sol = tp.solve(c, a, b)
        proved(sol, c, a, b)
        scale = float(np.abs(c[sol.arcs.rows, sol.arcs.cols]) @ sol.arcs.mass)
        assert abs(sol.value - north_west(x, sign * y, a, b, lambda p, q: cost(p, sign * q))) < 1e-11 * scale  # noqa: B023


@pytest.mark.parametrize("shape", [(4200, 40), (150, 4500)])
@pytest.mark.parametrize("kind", ["product", "block", "lognormal", "clustered"])
def test_costs_without_a_useful_shortlist(shape, kind):
    rng = np.random.default_rng(7)
    n, m = shape
    group = rng.integers(0, 7, n), rng.integers(0, 7, m)
    table = rng.random((7, 7))
    if kind == "product":
        c = rng.standard_normal((n, 1)) * rng.standard_normal((1, m))
    elif kind == "block":
        c = np.ascontiguousarray(table[group[0][:, None], group[1]])
    elif kind == "lognormal":
        c = rng.lognormal(0, 2, shape)
    else:
        c = np.abs(10 * table[group[0], 0] + rng.random(n))[:, None] * np.abs(group[1] + rng.random(m))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    sol = tp.solve(c, a, b)
    proved(sol, c, a, b)
    if kind == "block":  # a problem of 7 x 7
        lump = tuple(np.bincount(q, weights=w, minlength=7) for q, w in zip(group, (a, b)))
        assert sol.value == pytest.approx(transport_by_highs(table, *lump)[0], rel=1e-9)


def test_more_nodes_than_the_threaded_tree_takes():
    rng = np.random.default_rng(0)
    c = rng.standard_normal((60, 1)) * rng.standard_normal((1, 24_500))
    a, b = rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(24_500))
    proved(tp.solve(c, a, b), c, a, b)


def squares(p, q):
    return ((p[:, None] - q) ** 2).sum(axis=2)


def test_points_and_functions_with_one_short_side():
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((40, 2)), rng.standard_normal((9000, 2))
    c = squares(x, y)
    for cost in (
        tp.PointCloud(x, y),
        tp.FunctionCost(x, y, squares),
    ):
        sol = tp.solve(cost)
        assert sol.stats["method"] == "matrix"
        proved(sol, c, np.full(40, 1 / 40), np.full(9000, 1 / 9000))


@pytest.mark.parametrize("shape", [(30, 4400), (4400, 30)])
def test_forbidden_arcs_are_left_out_or_the_cut_is_shown(shape):
    rng = np.random.default_rng(5)
    c = np.where(rng.random(shape) < 0.4, np.inf, rng.standard_normal(shape))
    a, b = (rng.dirichlet(np.ones(k)) for k in shape)
    sol = tp.solve(c, a, b)
    assert np.isfinite(sol.value)
    assert sol.status is tp.Status.OPTIMAL
    penalised = tp.solve(np.where(np.isfinite(c), c, 1e4), a, b)
    assert sol.value == pytest.approx(penalised.value, rel=1e-9)
    zero = tp.solve(np.where(np.isfinite(c), 0.0, c), a, b)
    assert zero.value == 0.0
    c[2] = np.inf
    with pytest.raises(tp.InfeasibleError):
        tp.solve(c, a, b)


def test_scaling_by_a_power_of_two_changes_nothing_else():
    rng = np.random.default_rng(8)
    c = rng.standard_normal((20, 4200))
    one = tp.solve(c)
    for e in (-900, -3, 401, 900):
        other = tp.solve(np.ldexp(c, e))
        np.testing.assert_array_equal(one.arcs.mass, other.arcs.mass)
        np.testing.assert_array_equal(one.arcs.cols, other.arcs.cols)
        assert other.value == np.ldexp(one.value, e)


def test_limits_leave_a_feasible_plan_and_an_interval():
    rng = np.random.default_rng(9)
    c = rng.random((60, 5000))
    best = tp.solve(c).value
    for most in (1, 40, 3000):
        sol = tp.solve(c, max_iter=most, throw=False)
        assert sol.n_iter <= most
        assert sol.status is tp.Status.ITERATION_LIMIT
        assert sol.lower_bound <= best <= sol.upper_bound < 1.0
        assert sol.marginal_error < 1e-12


def test_an_earlier_answer_saves_pivots():
    rng = np.random.default_rng(10)
    c = rng.random((5000, 60))
    a, b = rng.dirichlet(np.ones(5000)), rng.dirichlet(np.ones(60))
    cold = tp.solve(c, a, b)
    again = tp.solve(c, a, b, warm=cold)
    near = tp.solve(c + 1e-6 * rng.random(c.shape), a, b, warm=cold)
    assert again.value == pytest.approx(cold.value, rel=1e-13)
    assert again.n_iter < cold.n_iter / 2
    assert near.n_iter < cold.n_iter / 2


# ------------------------------------------------------------------ the tree


@pytest.mark.parametrize("seed", range(12))
def test_every_basis_on_the_way_is_a_strongly_feasible_tree(seed):
    rng = np.random.default_rng(seed)
    n, hubs = 40, int(rng.integers(2, 7))
    c = rng.integers(0, 5, (n, hubs)).astype(float)  # ties
    b = rng.multinomial(3 * n - hubs, np.ones(hubs) / hubs) + 1
    a = rng.multinomial(2 * n, np.ones(n) / n) + 1
    v = np.zeros(hubs)
    tree = k.plant(c, a, b, v)
    up, x, over, y, cost_up, cost_down = tree
    cursor = np.zeros(3, np.int64)
    code, values = k.LIMIT, []
    while code == k.LIMIT:
        sent = x.copy()
        taken = np.bincount(up, x, hubs).astype(np.int64)
        for j in np.flatnonzero(over >= 0):
            assert y[j] > 0
            sent[over[j]] += y[j]
            taken[j] += y[j]
        assert np.array_equal(sent, a)
        assert np.array_equal(taken, b)
        assert x.min() >= 0
        assert np.count_nonzero(over < 0) == 1
        for j in range(hubs):
            seen = set()
            while over[j] >= 0:
                assert j not in seen
                seen.add(j)
                j = up[over[j]]
        inner = over >= 0
        assert np.array_equal(cost_up, c[np.arange(n), up])
        assert np.array_equal(cost_down[inner], c[over[inner], np.flatnonzero(inner)])
        values.append(int(cost_up @ x + cost_down[inner] @ y[inner]))
        code = k.run(c, v, tree, cursor, 4, 1, 10**6)
    assert all(later <= value for value, later in pairwise(values))
    assert values[-1] / (3 * n) == pytest.approx(transport_by_highs(c, a / (3 * n), b / (3 * n))[0], abs=1e-9)


def test_which_shapes_are_meant():
    assert has_hubs((200, 3900))
    assert has_hubs((3900, 200))
    assert has_hubs((1, 4096))
    assert not has_hubs((200, 3000))
    assert not has_hubs((400, 40_000))
    assert not has_hubs((60, 600_000))


def test_both_orientations_are_one_problem():
    rng = np.random.default_rng(2)
    c = rng.random((50, 900))
    a, b = rng.integers(1, 9, 50), rng.integers(1, 9, 900)
    a[0] += max(0, b.sum() - a.sum())
    b[0] += max(0, a.sum() - b.sum())

    def solved(values, masses):
        slices = solve_hubs(values, masses, Work(budget=10**9), None)
        while True:
            try:
                next(slices)
            except StopIteration as end:
                return end.value

    _, wide, f, g = solved(c, (a, b))
    _, tall, v, u = solved(np.ascontiguousarray(c.T), (b, a))
    assert np.array_equal(f, u)
    assert np.array_equal(g, v)
    arcs = {tuple(sorted((i, p))) for i, p in enumerate(wide[:-1]) if p < 950}
    turned = {tuple(sorted(((i + 50) % 950, (p + 50) % 950))) for i, p in enumerate(tall[:-1]) if p < 950}
    assert arcs == turned
