"""l1 on grids as a flow between neighbours, against the stored matrix and the certificate."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport as tp
from transport import Exact

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple)


def image(rng, k, kind):
    if kind == "uniform":
        return np.full(k, 1 / k)
    if kind == "levels":
        w = rng.integers(0, 4, k).astype(float)
    else:
        w = rng.exponential(size=k) ** 6 * (rng.random(k) < 0.8)
    w[rng.integers(0, k)] += 1e-6 if kind == "rough" else 1
    return w / w.sum()


@given(SHAPES, st.sampled_from(["uniform", "levels", "rough"]), st.booleans(), st.integers(0, 10**6))
def test_agrees_with_the_matrix(shape, kind, uneven, seed):
    rng = np.random.default_rng(seed)
    k = int(np.prod(shape))
    a, b = image(rng, k, kind), image(rng, k, "levels" if kind == "uniform" else kind)
    grid = tp.Grid(shape, "cityblock", spacing=rng.random(len(shape)) + 0.3 if uneven else 1.0)
    sol = tp.solve(grid, a, b, solver=Exact("grid"))
    ref = tp.solve(grid, a, b, solver=Exact("matrix"))
    assert sol.stats["method"] == "grid"
    assert sol.value == pytest.approx(ref.value, rel=1e-12, abs=1e-15)
    assert sol.gap <= 1e-12 * sol.value + 1e-16
    assert sol.plan.nnz <= np.count_nonzero(a) + np.count_nonzero(b) - 1
    np.testing.assert_allclose(sol.plan.sum(axis=1), a, rtol=1e-12, atol=1e-16)
    np.testing.assert_allclose(sol.plan.sum(axis=0), b, rtol=1e-12, atol=1e-16)
    f, g = sol.potentials
    assert (f[:, None] + g <= grid.block(0, k)).all()


@given(SHAPES, st.booleans(), st.integers(0, 10**6))
def test_transforms_are_exact_minima_rounded_down(shape, uneven, seed):
    rng = np.random.default_rng(seed)
    k = int(np.prod(shape))
    grid = tp.Grid(shape, "cityblock", spacing=rng.random(len(shape)) + 0.3 if uneven else 0.25)
    f = rng.normal(size=k)
    f[rng.random(k) < 0.2] = -np.inf
    f[0] = 1.0
    c = grid.block(0, k)
    g = grid.c_transform(f)
    best = (c - f[:, None]).min(axis=0)
    np.testing.assert_allclose(g, best, rtol=0, atol=1e-13)
    finite = np.flatnonzero(f > -np.inf)
    assert all(Fraction(f[i]) + Fraction(g[j]) <= Fraction(c[i, j]) for i in finite for j in range(k))
    if not uneven:  # sums that fit are not rounded
        assert np.array_equal(grid.c_transform(np.round(f, 0)), (c - np.round(f, 0)[:, None]).min(axis=0))
    assert np.array_equal(grid.row_transform(g, np.arange(k)[::2]), grid.c_transform(g)[::2])


def test_equal_images_stay_where_they_are():
    a = image(np.random.default_rng(0), 900, "rough")
    sol = tp.solve(tp.Grid((30, 30), "cityblock"), a, a)
    assert sol.stats["method"] == "grid"
    assert sol.value == 0
    assert np.array_equal(sol.plan.row, sol.plan.col)
    assert np.array_equal(sol.plan.toarray().diagonal(), a)


@pytest.mark.parametrize("k", [-60, 60])
def test_scaling_masses_and_spacing_scales_the_answer_exactly(k):
    rng = np.random.default_rng(1)
    a, b = image(rng, 900, "rough"), image(rng, 900, "rough")
    one = tp.solve(tp.Grid((30, 30), "cityblock"), a, b)
    two = tp.solve(tp.Grid((30, 30), "cityblock", spacing=2.0**k), a, b)
    assert one.stats["method"] == two.stats["method"] == "grid"
    assert two.value == 2.0**k * one.value
    assert np.array_equal(one.plan.toarray(), two.plan.toarray())


def test_chosen_where_the_images_are_full():
    rng = np.random.default_rng(2)
    grid, k = tp.Grid((80, 80), "cityblock"), 6400
    full = image(rng, k, "rough")
    few = np.zeros(k)
    few[:600] = 1 / 600
    assert tp.solve(grid, full, full[::-1]).stats["method"] == "grid"
    assert "flow between neighbours" in tp.solve(grid, full, few).stats["reason"]
    assert tp.solve(grid, few, few[::-1]).stats["method"] == "points"
    assert tp.solve(tp.Grid((80, 80), "cityblock", power=2), few, few[::-1]).stats["method"] == "points"
    with pytest.raises(ValueError, match="method='grid' needs"):
        tp.solve(tp.Grid((3, 3)), solver=Exact("grid"))


def test_limits_callbacks_and_warm_starts():
    rng = np.random.default_rng(3)
    a, b = image(rng, 1600, "levels"), image(rng, 1600, "levels")
    grid, seen = tp.Grid((40, 40), "cityblock"), []
    sol = tp.solve(grid, a, b, callback=seen.append)
    known = [p.details for p in seen if "gap" in p.details]
    assert known
    assert all(k["lower_bound"] <= sol.value * (1 + 1e-12) for k in known)
    assert all(k["upper_bound"] >= sol.value * (1 - 1e-12) for k in known)
    early = tp.solve(grid, a, b, max_iter=200, throw=False)
    assert early.status is tp.Status.ITERATION_LIMIT
    assert early.lower_bound <= sol.value <= early.upper_bound
    assert tp.solve(grid, a, b, warm=sol).value == pytest.approx(sol.value, rel=1e-13)
