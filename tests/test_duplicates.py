"""Points that coincide: merged, solved, split again; the answer is about the points as given."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport as tp
from transport._solver.exact import Exact
from transport._solver.reductions import groups_of
from transport._solver.tuning import TUNING

ALWAYS = Exact(tuning=replace(TUNING, duplicates_points=0, duplicates_pairs=-1, duplicates_distinct=2.0))
"""Small problems merge too."""


def masses(rng, n, kind):
    if kind == "uniform":
        return np.full(n, 1 / n)
    w = rng.exponential(size=n) ** 4
    w[rng.random(n) < 0.3] = 0
    w[0] += 1e-9
    return w / w.sum()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 4), st.booleans(), st.integers(0, 10**6))
def test_same_value_certified_on_the_original_points(n, m, values, uniform, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, values, (n, 2)) / 3, rng.integers(0, values, (m, 2)) / 3
    kind = "uniform" if uniform else "rough"
    a, b = masses(rng, n, kind), masses(rng, m, kind)
    cloud = tp.PointCloud(x, y, "euclidean")
    sol = tp.solve(cloud, a, b, solver=ALWAYS)
    ref = tp.solve(cloud, a, b, solver=Exact("matrix"))
    assert "with duplicates" in sol.stats["reason"]
    assert "duplicates" not in ref.stats["reason"]
    assert sol.value == pytest.approx(ref.value, rel=1e-12, abs=1e-15)
    assert sol.plan.nnz <= n + m - 1
    assert (sol.plan.data > 0).all()
    assert sol.marginal_error <= 1e-15
    row, col = sol.plan.sum(axis=1), sol.plan.sum(axis=0)
    np.testing.assert_allclose(row, a, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(col, b, rtol=1e-12, atol=1e-15)
    c = cloud.block(0, n)
    assert (sol.potentials.f[:, None] + sol.potentials.g <= c).all()


@given(st.integers(1, 40), st.integers(0, 10**6))
def test_an_assignment_stays_one(n, seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 3, (2, n, 2))
    sol = tp.solve(tp.PointCloud(x, y), solver=ALWAYS)
    assert sol.plan.nnz == n
    assert (np.bincount(sol.plan.row, minlength=n) == 1).all()
    assert (np.bincount(sol.plan.col, minlength=n) == 1).all()


@given(st.integers(1, 60), st.integers(1, 3), st.integers(0, 10**6))
def test_groups_are_the_equal_rows(n, d, seed):
    points = np.random.default_rng(seed).integers(-1, 2, (n, d)).astype(float)
    points[points == 0] *= np.random.default_rng(seed).choice([-1, 1], (points == 0).sum())  # -0.0 is 0.0
    groups = groups_of(points)
    assert sorted(groups.members) == list(range(n))
    assert len(groups.first) == len(np.unique(points + 0.0, axis=0))
    assert (points[groups.first][groups.of] == points).all()
    for q in range(len(groups.first)):
        assert (groups.of[groups.members[groups.starts[q] : groups.starts[q + 1]]] == q).all()


def test_a_lattice_of_many_points_becomes_small():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 12, (2, 3000, 2)).astype(float)
    a = rng.dirichlet(np.ones(3000))
    seen = []
    sol = tp.solve(tp.PointCloud(x, y), a, callback=seen.append)
    assert sol.stats["method"] == "matrix"
    assert sol.stats["reason"].startswith("144 x 144 costs")
    assert sol.stats["reason"].endswith("3000 x 3000 with duplicates")
    assert sol.plan.nnz <= 5999
    ref = tp.solve(tp.PointCloud(x, y), a, solver=Exact("matrix"))
    assert sol.value == pytest.approx(ref.value, rel=1e-12)


def test_the_interval_of_callbacks_is_about_the_masses_as_given():
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 80, (2, 9000, 2)).astype(float)
    seen = []
    total = 7.5
    sol = tp.solve(tp.PointCloud(x, y), np.full(9000, total / 9000), callback=seen.append)
    known = [p.details for p in seen if "gap" in p.details]
    assert known
    assert all(k["lower_bound"] <= sol.value <= k["upper_bound"] for k in known)


@pytest.mark.parametrize("weights", ["uniform", "rough"])
def test_same_answer_bit_for_bit_twice_and_under_scaling(weights):
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 9, (2, 800, 2)).astype(float)
    a, b = masses(rng, 800, weights), masses(rng, 800, weights)
    one, two = (tp.solve(tp.PointCloud(k * x, k * y), a, b) for k in (1.0, 2.0**40))
    assert np.array_equal(one.plan.toarray(), two.plan.toarray())
    assert two.value == 2.0**80 * one.value


def test_distinct_points_and_warm_starts_are_left_alone():
    rng = np.random.default_rng(3)
    x, y = rng.random((2, 600, 2))
    sol = tp.solve(tp.PointCloud(x, y))
    assert "duplicates" not in sol.stats["reason"]
    x[:] = np.round(4 * x)
    sol = tp.solve(tp.PointCloud(x, y))
    assert "duplicates" in sol.stats["reason"]
    again = tp.solve(tp.PointCloud(x, y), warm=sol)
    assert "duplicates" not in again.stats["reason"]
    assert again.value == pytest.approx(sol.value, rel=1e-13)


def test_a_sort_never_counts_more_points_than_there_are():
    from transport._solver.reductions import _at_least

    rng = np.random.default_rng(3)
    for points in (rng.random((300, 2)), rng.integers(0, 9, (300, 3)).astype(float), np.zeros((5, 4))):
        assert _at_least(points) <= len(np.unique(points, axis=0))
    assert _at_least(rng.random((300, 2))) == 300
