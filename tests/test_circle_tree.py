"""Closed forms on circles and trees: against the stored matrix, brute-force distances, and exact answers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport as tp

TURN = 2 * math.pi


def masses(rng, n, *, uniform=False):
    if uniform:
        return np.full(n, 1 / n)
    w = rng.exponential(size=n) ** 3
    w[rng.random(n) < 0.2] = 0
    w[0] += 1e-3
    return w / w.sum()


def arcs(x, y, period, power):
    """Distances along the shorter arc, by the definition."""
    turn = np.mod(x[:, None] - y, period)
    return np.minimum(turn, period - turn) ** power


def sound(sol, c, a, b, rel=1e-12):
    """Primal and dual feasible with equal values, from the answer alone."""
    f, g = sol.potentials
    n, m = c.shape
    assert sol.plan.nnz <= n + m - 1
    assert sol.marginal_error <= 1e-15
    assert (sol.plan.data > 0).all()
    assert (f[:, None] + g <= c + 1e-13 * (c.max() + np.abs(f).max())).all()
    assert sol.gap <= rel * sol.value + 1e-300
    assert a @ f + b @ g == pytest.approx(sol.value, rel=1e-10, abs=1e-13 * np.abs(f).max())


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from([1.0, 1.5, 2.0, 5.0]),
    st.sampled_from([1.0, 24.0, TURN, 1e-3]),
    st.booleans(),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_circle_agrees_with_the_matrix_and_the_distance(n, m, power, period, uniform, lattice, seed):
    rng = np.random.default_rng(seed)
    x, y = period * rng.normal(size=n), period * rng.random(m)
    if lattice:
        x, y = np.round(8 * x / period) * period / 8, np.round(8 * y / period) * period / 8
    a, b = masses(rng, n, uniform=uniform), masses(rng, m, uniform=uniform)
    sol = tp.solve(tp.Circle(x, y, power=power, period=period), a, b)
    c = arcs(x, y, period, power)
    assert sol.stats["method"] == "circle"
    assert sol.value == pytest.approx(tp.solve(c, a, b).value, rel=1e-11, abs=1e-13 * period**power)
    distance = tp.wasserstein_circle(x, y, a=a, b=b, p=power, period=period)
    assert sol.value == pytest.approx(distance**power, rel=1e-11, abs=1e-15 * period**power)
    sound(sol, c, a, b)


@given(st.integers(1, 30), st.integers(1, 30), st.sampled_from([0.5, 1.0, 3.0]), st.integers(0, 10**6))
def test_circle_as_a_cost(n, m, power, seed):
    rng = np.random.default_rng(seed)
    x, y = np.round(rng.random(n), 2), np.round(rng.random(m), 2)
    x[: n // 2] *= 1e-9  # on both sides of 0 and of the cut
    y[: m // 2] = 0.5 + rng.normal(size=m // 2) * 1e-9
    cost, c = tp.Circle(x - 0.5, y - 0.5, power=power), arcs(x - 0.5, y - 0.5, 1.0, power)
    block = cost.block(0, n)
    np.testing.assert_allclose(block, c, rtol=1e-6, atol=1e-16)  # arcs() itself loses digits
    rows, cols = (k.ravel() for k in np.indices((n, m)))
    assert np.array_equal(cost.entries(rows, cols), block.ravel())
    f = rng.normal(size=n)
    g = cost.c_transform(f)
    assert all(Fraction(f[i]) + Fraction(g[j]) <= Fraction(block[i, j]) for i in range(n) for j in range(m))
    np.testing.assert_allclose(g, (block - f[:, None]).min(0), rtol=1e-14, atol=1e-14)
    assert np.array_equal(cost.row_transform(g, np.arange(n)), cost.transpose().c_transform(g))
    assert np.array_equal(cost.transpose().block(0, m), block.T)


def test_small_distances_keep_their_digits_across_both_cuts():
    for start in (0.0, 0.5, 0.25, -0.5):
        x = start - 2.0 ** -np.arange(30, 50)
        y = start + 2.0 ** -np.arange(30, 50)
        sol = tp.solve(tp.Circle(x, y), solver=tp.Exact("circle"))
        assert sol.value == pytest.approx(2 * (2.0 ** -np.arange(30, 50)).mean(), rel=1e-14)
        assert sol.gap <= 1e-12 * sol.value


def test_concave_powers_on_the_circle_go_by_the_matrix():
    rng = np.random.default_rng(0)
    x, y = rng.random(50), rng.random(60)
    cost = tp.Circle(x, y, power=0.5)
    sol = tp.solve(cost)
    assert sol.stats["method"] == "matrix"
    assert sol.value == pytest.approx(tp.solve(arcs(x, y, 1.0, 0.5)).value, rel=1e-12)
    assert tp.solve(cost, solver=tp.Exact("blocks")).value == pytest.approx(sol.value, rel=1e-12)
    with pytest.raises(ValueError, match="method='circle'"):
        tp.solve(cost, solver=tp.Exact("circle"))


def test_a_rotation_of_100_000_points():
    """Equal points, one set turned by a quarter of their spacing: everybody moves by that."""
    n = 100_000
    x = np.arange(n) / n
    order = np.random.default_rng(0).permutation(n)
    sol = tp.solve(tp.Circle(x[order], x + 0.25 / n, power=2.0))
    assert sol.value == pytest.approx((0.25 / n) ** 2, rel=1e-6)
    assert sol.gap <= 1e-9 * sol.value
    assert sol.plan.nnz == n


# ------------------------------------------------------------------ trees


def random_tree(rng, k, *, zeros=False):
    """(parents, lengths, all distances) of a tree with shuffled names."""
    name = rng.permutation(k)
    parents, lengths = np.empty(k, int), rng.exponential(size=k)
    if zeros:
        lengths[rng.random(k) < 0.3] = 0
        lengths = np.round(lengths, 1)
    distance = np.zeros((k, k))
    parents[name[0]] = -1
    for v in range(1, k):
        up = rng.integers(max(0, v - rng.integers(1, k)), v)
        parents[name[v]] = name[up]
        distance[name[v]] = distance[name[up]] + lengths[name[v]]
        distance[name[v], name[v]] = 0
        distance[name[v], name[v + 1 :]] = 0
        distance[:, name[v]] = distance[name[v]]
    return parents, lengths, distance


@given(st.integers(1, 30), st.integers(1, 25), st.integers(1, 25), st.booleans(), st.integers(0, 10**6))
def test_tree_agrees_with_the_matrix(k, n, m, zeros, seed):
    rng = np.random.default_rng(seed)
    parents, lengths, distance = random_tree(rng, k, zeros=zeros)
    x, y = rng.integers(0, k, n), rng.integers(0, k, m)
    a, b = masses(rng, n, uniform=zeros), masses(rng, m, uniform=zeros)
    cost = tp.TreeMetric(parents, lengths, x=x, y=y)
    c = distance[np.ix_(x, y)]
    block = cost.block(0, n)
    np.testing.assert_allclose(block, c, rtol=1e-14)
    sol = tp.solve(cost, a, b)
    assert sol.stats["method"] == "tree"
    assert sol.value == pytest.approx(tp.solve(c, a, b).value, rel=1e-12, abs=1e-15)
    sound(sol, c, a, b)
    f = rng.normal(size=n)
    g = cost.c_transform(f)
    assert all(Fraction(f[i]) + Fraction(g[j]) <= Fraction(block[i, j]) for i in range(n) for j in range(m))
    np.testing.assert_allclose(g, (block - f[:, None]).min(0), rtol=1e-13, atol=1e-13)
    assert np.array_equal(cost.row_transform(g, np.arange(n)), cost.transpose().c_transform(g))


def test_a_path_is_a_line():
    rng = np.random.default_rng(0)
    steps = rng.exponential(size=300)
    place = np.cumsum(steps)
    a, b = masses(rng, 300), masses(rng, 300)
    sol = tp.solve(tp.TreeMetric(np.arange(300) - 1, steps), a, b)
    assert sol.value == pytest.approx(tp.wasserstein_1d(place, place, a=a, b=b), rel=1e-13)
    assert sol.value == pytest.approx(np.abs(np.cumsum(a - b))[:-1] @ steps[1:], rel=1e-12)


def test_200_000_nodes_deep_and_wide():
    """Value by its closed form, sum of length times net flow over the edges."""
    rng = np.random.default_rng(0)
    k = 200_000
    parents = np.concatenate([[-1], np.maximum(0, np.arange(k - 1) - rng.integers(0, 3, k - 1))])
    lengths = rng.exponential(size=k)
    a, b = masses(rng, k), masses(rng, k)
    net = a - b
    for v in range(k - 1, 0, -1):
        net[parents[v]] += net[v]
    sol = tp.solve(tp.TreeMetric(parents, lengths), a, b)
    assert sol.value == pytest.approx(np.abs(net[1:]) @ lengths[1:], rel=1e-9)
    assert sol.gap <= 1e-9 * sol.value
    assert sol.plan.nnz <= 2 * k - 1


def test_tiny_distances_far_from_the_root_keep_their_digits():
    lengths = [0.0, 1e8, 1e-12, 3e-12]
    sol = tp.solve(tp.TreeMetric([0, 0, 1, 1], lengths, x=[2], y=[3]))
    assert sol.value == pytest.approx(4e-12, rel=1e-15)
    assert sol.gap <= 1e-12 * sol.value


def test_tree_has_a_rational_proof():
    rng = np.random.default_rng(1)
    parents, lengths, _ = random_tree(rng, 12)
    lengths = np.round(64 * lengths) / 64
    a, b = rng.integers(0, 9, 12), rng.integers(0, 9, 12)
    b[0] += max(0, a.sum() - b.sum())
    a[0] += b.sum() - a.sum()
    proof = tp.solve(tp.TreeMetric(parents, lengths), a, b).certify(exact=True)
    assert proof.upper - proof.lower <= 2 * proof.relative_error * proof.upper


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (([-1, -1], [0, 1]), {}, ValueError, "2 roots"),
        (([1, 0], [0, 1]), {}, ValueError, "0 roots"),
        (([-1, 2, 1], [0, 1, 1]), {}, ValueError, "cycle"),
        (([-1, 5], [0, 1]), {}, ValueError, r"parents\[1\] is 5"),
        (([-1, -2], [0, 1]), {}, ValueError, r"parents\[1\] is -2"),
        (([-1, 0], [0, -1]), {}, ValueError, r"lengths\[1\] is -1"),
        (([-1, 0], [0, math.nan]), {}, ValueError, "lengths"),
        (([-1, 0], [0, math.inf]), {}, ValueError, "lengths"),
        (([-1, 0, 1], [0, 1e308, 1e308]), {}, ValueError, "overflows"),
        (([-1, 0], [1.0]), {}, ValueError, "lengths has shape"),
        (([-1.0, 0.0], [0, 1]), {}, TypeError, "integers"),
        (([], []), {}, ValueError, "at least one node"),
        (([-1, 0], [0, 1]), {"x": [2]}, ValueError, r"x\[0\] is 2"),
        (([-1, 0], [0, 1]), {"y": [-1]}, ValueError, r"y\[0\] is -1"),
        (([-1, 0], [0, 1]), {"x": []}, ValueError, "x has shape"),
        (([-1, 0], [0, 1j]), {}, TypeError, "complex"),
    ],
)
def test_bad_trees_are_refused(arguments, options, error, words):
    with pytest.raises(error, match=words):
        tp.TreeMetric(*arguments, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (([], [0.0]), {}, ValueError),
        (([math.nan], [0.0]), {}, ValueError),
        ((np.zeros((2, 2)), [0.0]), {}, ValueError),
        (([0.0], [0.0]), {"period": 0.0}, ValueError),
        (([0.0], [0.0]), {"period": math.inf}, ValueError),
        (([0.0], [0.0]), {"power": -1.0}, ValueError),
        (([1j], [0.0]), {}, TypeError),
    ],
)
def test_bad_circles_are_refused(arguments, options, error):
    with pytest.raises(error):
        tp.Circle(*arguments, **options)


def test_inputs_are_left_alone():
    parents, lengths = np.array([0, 0, 1]), np.array([5.0, 1.0, 2.0])
    tp.solve(tp.TreeMetric(parents, lengths))
    assert parents.tolist() == [0, 0, 1]
    assert lengths.tolist() == [5.0, 1.0, 2.0]
