"""Tiles sift in single precision and must lose nothing: answers against all pairs, evaluated directly."""

from __future__ import annotations

import numpy as np
import pytest

import transport as tp
from transport._tiles import Tiles


def clouds():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 260, 12))
    centres = rng.random((5, 12))
    near = centres[rng.integers(0, 5, 260)], centres[rng.integers(0, 5, 260)]
    yield "gaussian", x, y
    yield "tight clusters", near[0] + 1e-7 * x, near[1] + 1e-7 * y
    yield "duplicates", near[0], near[1]
    yield "far outlier", np.vstack([x[:-1], 1e9 + x[-1:]]), y
    yield "far off", x + 2.0**40, y + 2.0**40
    yield "lattice", np.rint(x), np.rint(y)
    yield "huge", x * 2.0**60, y * 2.0**60
    yield "tiny", x * 2.0**-90, y * 2.0**-90


@pytest.mark.parametrize("power", [2.0, 1.0, 1.5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("x", "y"), [pytest.param(*c[1:], id=c[0]) for c in clouds()])
def test_no_pair_is_lost(x, y, dtype, power):
    rng = np.random.default_rng(1)
    costs = tp.PointCloud(x, y, "euclidean", power=power).block(0, len(x))
    scale = np.median(costs)
    for v in (np.zeros(len(y)), scale * rng.standard_normal(len(y)), 1e6 * scale + costs[0]):
        values = np.sort(costs - v, axis=1)
        found = Tiles(y, dtype).fit(v).search(x, 6, metric=0, power=power)
        assert np.array_equal(found.vals, values[:, :6])
        assert np.all(found.floor >= values[:, 5])
        limit = values[:, 3].copy()  # ties with the limit are not below it
        limit[::5] = -np.inf
        found = Tiles(y, dtype).fit(v).search(x, len(y), metric=0, power=power, limit=limit)
        assert np.array_equal(found.counts, (values < limit[:, None]).sum(axis=1))
        assert np.all(found.floor >= np.minimum(limit, values[:, -1]))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_pair_is_lost_where_potentials_dwarf_the_costs(dtype, seed):
    """Optimal potentials of heavy tails: an outlier has 4e7, the others 1e6 and differ by ones."""
    rng = np.random.default_rng(seed)
    x, y = rng.standard_cauchy((2, 900, 5))
    cloud = tp.PointCloud(x, y)
    a = rng.dirichlet(np.ones(900))
    f = tp.solve(cloud, a, solver=tp.Exact("matrix")).potentials.f
    for shift in (0.0, -1e6):
        found = Tiles(x, dtype).fit(f - shift).search(y, 1, metric=0, power=2.0)
        assert np.array_equal(found.vals[:, 0], (cloud.block(0, 900) - (f - shift)[:, None]).min(axis=0))
        assert np.all(found.counts == 1)


def test_points_left_out_by_their_potential_are_never_found():
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((2, 200, 9))
    v = np.where(rng.random(200) < 0.5, -np.inf, 0.0)
    for power in (2.0, 1.0, 1.5):
        found = Tiles(y).fit(v).search(x, 200, metric=0, power=power)
        assert np.all(found.counts == np.isfinite(v).sum())


def test_where_single_precision_sifts_too_little_later_searches_are_in_double():
    rng = np.random.default_rng(3)
    y = np.repeat([[0.0] * 9, [1.0] * 9], 400, axis=0) + 1e-6 * rng.standard_normal((800, 9))
    tiles = Tiles(y)
    first = tiles.fit(np.zeros(800)).search(y, 2, metric=0, power=2.0)
    second = tiles.fit(np.zeros(800)).search(y, 2, metric=0, power=2.0)
    assert second.work < 0.1 * first.work
    assert np.array_equal(first.vals, second.vals)


@pytest.mark.parametrize("k", [-130, -7, 90])
def test_scaling_points_by_a_power_of_two_changes_nothing_else(k):
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((2, 600, 10))
    a, b = rng.dirichlet(np.ones(600), 2)
    plain = tp.solve(tp.PointCloud(x, y), a, b)
    scaled = tp.solve(tp.PointCloud(np.ldexp(x, k), np.ldexp(y, k)), a, b)
    assert scaled.value == np.ldexp(plain.value, 2 * k)
    assert np.array_equal(scaled.arcs.rows, plain.arcs.rows)
    assert np.array_equal(scaled.arcs.mass, plain.arcs.mass)
    assert scaled.n_iter == plain.n_iter


@pytest.mark.parametrize(("n", "m", "d"), [(1, 1, 1), (5, 3, 6), (37, 1501, 13), (70, 2048, 50)])
def test_the_product_has_no_borders(n, m, d):
    """Rows, columns and coordinates need not come in fours, strips or panels."""
    rng = np.random.default_rng(4)
    x, y, v = rng.standard_normal((n, d)), rng.standard_normal((m, d)), rng.standard_normal(m)
    values = tp.PointCloud(x, y).block(0, n) - v
    found = Tiles(y).fit(v).search(x, 3, metric=0, power=2.0)
    assert np.array_equal(found.vals, np.sort(values, axis=1)[:, :3])
    assert np.array_equal(np.take_along_axis(values, found.cols.astype(int), axis=1), found.vals)


def test_the_product_is_as_precise_as_its_bounds_assume():
    from transport._kernels import search_tiles

    rng = np.random.default_rng(5)
    left, right = (rng.standard_normal(shape).astype(np.float32) for shape in ((8, 52), (52, 1100)))
    tile = np.empty((8, 1100), np.float32)
    search_tiles.product(left, right, 0, tile)
    exact, size = (f(left.astype(float)) @ f(right.astype(float)) for f in (np.positive, np.abs))
    assert np.all(np.abs(tile - exact) <= 52 * 2.0**-24 * size)
