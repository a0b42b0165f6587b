"""Point clouds: kd order, proved searches and the c-transform, against brute force."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest

import transport as tp
from transport import PointCloud
from transport._kdtree import KdTree, depth_for, look_at_all
from transport._points import METRICS
from transport._tiles import Tiles, index

COSTS = [
    ("sqeuclidean", 1.0),
    ("euclidean", 1.0),
    ("euclidean", 1.5),
    ("euclidean", 3.0),
    ("euclidean", 0.5),
    ("cityblock", 1.0),
    ("cityblock", 2.0),
    ("cityblock", 0.3),
    ("chebyshev", 1.0),
    ("chebyshev", 0.5),
]


def cloud(kind: str, n: int, d: int, rng: np.random.Generator) -> np.ndarray:
    """Points of a named shape, shape (n, d)."""
    x = rng.random((n, d))
    if kind == "lattice":
        return np.round(4 * x)
    if kind == "collinear":
        return x[:, :1] * np.arange(1.0, d + 1)
    if kind == "mixed":
        return np.round(x) + 1e-8 * x
    if kind == "outlier":
        x[0] = 1e7
    if kind == "equal":
        return np.ones((n, d))
    return x


KINDS = ["uniform", "lattice", "collinear", "mixed", "outlier", "equal"]


@pytest.mark.parametrize("n", [1, 2, 7, 100, 1000])
def test_kd_nodes_are_nested_ranges_split_at_the_median(n):
    x = np.random.default_rng(n).normal(size=(n, 3))
    tree = KdTree.build(x)
    assert np.array_equal(tree.points, x[tree.order])
    assert sorted(tree.order) == list(range(n))
    assert np.array_equal(tree.order[tree.inverse], np.arange(n))
    for d in range(depth_for(n)):
        for k in range(1 << d):
            low, mid, high = (n * t // (2 << d) for t in (2 * k, 2 * k + 1, 2 * k + 2))
            left, right = tree.points[low:mid], tree.points[mid:high]
            assert any(left[:, q].max() <= right[:, q].min() for q in range(3))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("cost", "power"), COSTS)
def test_search_finds_exactly_what_brute_force_finds(kind, cost, power):
    rng = np.random.default_rng([KINDS.index(kind), COSTS.index((cost, power))])
    for d, n, m in [(2, 40, 300), (1, 20, 70), (3, 30, 400), (5, 20, 200), (2, 3, 5)]:
        x, y = cloud(kind, n, d, rng), cloud(kind, m, d, rng)
        points = PointCloud(x, y, cost, power=power)
        tree = KdTree.build(points.y)
        matrix = points.block(0, n)
        for v in (np.zeros(m), rng.random(m), (y**2).sum(1) - y[:, 0], 1e14 * rng.random(m)):
            fitted = tree.fit(v[tree.order])
            values = matrix - v
            found = fitted.search(points.x, 4, metric=METRICS.index(points.metric), power=points.power)
            ascending = np.sort(values, axis=1)
            noise = 256 * 2.0**-52 * (matrix.max() + np.abs(v).max())
            assert np.array_equal(np.take_along_axis(values, tree.order[found.cols], 1), found.vals)
            np.testing.assert_allclose(found.vals, ascending[:, :4], rtol=0, atol=noise)
            assert np.all(np.minimum(found.vals[:, 0], found.floor) <= ascending[:, 0])
            assert np.all(found.floor >= found.vals[:, -1] - noise)
            limit = np.median(values, axis=1)
            found = fitted.search(
                points.x, m, metric=METRICS.index(points.metric), power=points.power, limit=limit
            )
            assert np.all(found.counts <= (values < limit[:, None]).sum(1))
            assert np.all(found.counts >= (values < limit[:, None] - noise).sum(1))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("cost", "power"), [COSTS[0], COSTS[1], COSTS[5], COSTS[4]])
def test_c_transform_is_feasible_and_tight(kind, cost, power):
    rng = np.random.default_rng(KINDS.index(kind))
    x, y = cloud(kind, 300, 2, rng), cloud(kind, 400, 2, rng)
    points = PointCloud(x, y, cost, power=power)
    matrix = points.block(0, 300)
    f = rng.random(300) - x[:, 0]
    f[3] = -np.inf
    noise = 256 * 2.0**-52 * (matrix.max() + 1)
    g = points.c_transform(f)
    best = (matrix - f[:, None]).min(0)
    assert np.all(g < best)
    assert np.all(g >= best - noise)
    back = points.transpose().c_transform(g)
    assert np.all(back < (matrix - g).min(1))
    assert np.all(back >= (matrix - g).min(1) - noise)


@pytest.mark.parametrize("line", [(0.0, 1.0), (1.0, 0.7), (-0.2, 0.3, 1.0)])
@pytest.mark.parametrize("cost", ["euclidean", "cityblock", "chebyshev"])
def test_exact_ties_do_not_make_a_search_visit_everything(cost, line):
    """With p = 1 and g = distance along a line, all y to one side of x tie."""
    t = np.linspace(0, 1, 16_000)
    y = t[:, None] * np.array(line) + 3.0
    tree = KdTree.build(y)
    metric = METRICS.index(cost)
    v = t * PointCloud(np.zeros((1, len(line))), [line], cost).block(0, 1)[0, 0]
    found = tree.fit(v[tree.order]).search(y[::100], 1, metric=metric, power=1.0)
    assert found.work / len(found.counts) < 200


@pytest.mark.parametrize("metric", [0, 1, 2])
@pytest.mark.parametrize("power", [1.0, 2.0, 0.5, 1.7])
@pytest.mark.parametrize("d", [1, 2, 9])
def test_looking_at_all_points_finds_what_brute_force_finds(metric, power, d):
    rng = np.random.default_rng(d)
    x, y = np.round(rng.normal(size=(20, d)), 1), np.round(rng.normal(size=(300, d)), 1)
    v = np.round(rng.normal(size=300), 1)
    values = PointCloud(x, y, METRICS[metric], power=power).block(0, 20) - v
    found = look_at_all(np.ascontiguousarray(y.T), v, x, 300, metric, power, np.full(20, np.inf))
    assert np.array_equal(found.vals, np.sort(values, axis=1))
    assert np.array_equal(np.take_along_axis(values, found.cols.astype(int), 1), found.vals)
    limit = np.median(values, axis=1)
    found = look_at_all(np.ascontiguousarray(y.T), v, x, 7, metric, power, limit)
    assert np.array_equal(found.vals, np.sort(values, axis=1)[:, :7])
    eighth = np.sort(values, axis=1)[:, 7]
    assert np.all(found.floor <= eighth)
    assert np.all(found.floor >= eighth - 1e-15 * np.abs(eighth))


def test_a_search_that_the_tree_does_not_help_looks_at_every_point_once():
    rng = np.random.default_rng(0)
    x, y, v = rng.random((600, 7)), rng.random((700, 7)), rng.random(700)
    tree = KdTree.build(y)
    found = tree.fit(v[tree.order]).search(x, 2, metric=2, power=0.5)
    assert found.work == 600 * 700
    values = PointCloud(x, y, "chebyshev", power=0.5).block(0, 600) - v
    assert np.array_equal(found.vals, np.sort(values, axis=1)[:, :2])


def test_search_is_logarithmic_on_a_transport_potential():
    """The first-order correction at work: without it the searches below take thousands of evaluations."""
    rng = np.random.default_rng(0)
    x = rng.random((20_000, 2))
    tree = KdTree.build(x + 5.0)
    shifted = tree.fit(10 * tree.points.sum(1))  # the potential of a translation by (5, 5)
    found = shifted.search(KdTree.build(x).points, 1, metric=0, power=2.0)
    assert found.work / 20_000 < 50


@pytest.mark.parametrize("power", [2.0, 1.0, 0.5, 3.0])
@pytest.mark.parametrize("offset", [0.0, 1e6])  # |x|^2 + |y|^2 - 2 x.y keeps no digit of the distances there
def test_tiles_find_what_brute_force_finds(offset, power):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(150, 20)) + offset, rng.normal(size=(400, 20)) + offset
    points = PointCloud(x, y, "euclidean", power=power)
    v = rng.random(400)
    values = points.block(0, 150) - v
    fitted = Tiles(points.y).fit(v)
    found = fitted.search(points.x, 5, metric=0, power=power)
    assert np.array_equal(found.vals, np.sort(values, axis=1)[:, :5])
    assert np.all(np.minimum(found.vals[:, 0], found.floor) <= values.min(1))
    limit = np.median(values, axis=1)
    found = fitted.search(points.x, 400, metric=0, power=power, limit=limit)
    assert np.array_equal(found.counts, (values < limit[:, None]).sum(1))


def test_tiles_are_for_clouds_that_fill_many_dimensions():
    rng = np.random.default_rng(0)
    full = rng.normal(size=(2000, 30))
    curve = np.sin(np.arange(1, 31) * rng.random((2000, 1)))
    assert isinstance(index(full, 0), Tiles)
    assert isinstance(index(curve, 0), KdTree)
    assert isinstance(index(full, 1), Tiles)


@pytest.mark.parametrize("power", [0.1, 0.7, 1.3, 2.5, 3.0])
@pytest.mark.parametrize("far", [3e-120, 1e100, 7e90, 1e120])
def test_extreme_coordinates_with_any_power(far, power):
    if abs(np.log2(far)) * power > 1000:
        return
    sol = tp.solve(tp.PointCloud([0.0], [far], "euclidean", power=power))
    with mp.workdps(40):
        truth = mp.mpf(far) ** mp.mpf(power)
        assert sol.lower_bound <= truth <= sol.upper_bound
        assert abs(sol.value - truth) <= 4e-16 * truth
