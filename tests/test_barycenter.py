"""Barycentres: the linear programme by HiGHS, translations, closed forms, intervals that hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import block_diag, csr_array, eye, hstack, kron, vstack

import transport as tp


def by_highs(cost, masses, weights):
    """The least objective over all measures on the support: one plan a measure, one common marginal."""
    n, m = cost.shape
    rows, cols = kron(eye(n), np.ones((1, m))), kron(np.ones((1, n)), eye(m))
    k = len(masses)
    first = hstack([block_diag([rows] * k), csr_array(np.tile(-np.eye(n), (k, 1)))])
    second = hstack([block_diag([cols] * k), csr_array((k * m, n))])
    answer = linprog(
        np.concatenate([*(w * cost.ravel() for w in weights), np.zeros(n)]),
        A_eq=vstack([first, second]).tocsr(),
        b_eq=np.concatenate([np.zeros(k * n), *masses]),
        method="highs",
    )
    assert answer.status == 0
    return answer.fun


def holds(found, truth, tol):
    assert found.lower_bound <= truth * (1 + 1e-7)
    assert truth * (1 - 1e-7) <= found.upper_bound
    assert found.lower_bound <= found.upper_bound
    assert found.gap <= tol * found.upper_bound
    assert math.isclose(float(found.measure.sum()), 1.0, rel_tol=1e-12)
    assert np.all(np.asarray(found.measure) >= 0)


@pytest.mark.parametrize("kind", ["noise", "sparse", "smooth"])
def test_the_interval_holds_the_linear_programme(kind):
    rng = np.random.default_rng(3)
    side = 6
    images = rng.random((3, side, side))
    if kind == "sparse":
        images = np.where(images > 0.85, images, 0.0)
    if kind == "smooth":
        axis = np.arange(side)
        images = np.exp(
            -((axis[:, None] - [[[1]], [[3]], [[5]]]) ** 2) / 2 - ((axis - [[[4]], [[1]], [[2]]]) ** 2) / 3
        )
    images /= images.sum(axis=(1, 2), keepdims=True)
    weights = np.array([0.5, 0.3, 0.2])
    grid = tp.Grid((side, side))
    truth = by_highs(grid.block(0, side * side), images.reshape(3, -1), weights)
    found = tp.barycenter(images, weights, tol=2e-3)
    holds(found, truth, 2e-3)
    for image, weight, solution in zip(images, weights, found.solutions):
        again = tp.solve(grid, found.measure.ravel(), image.ravel())
        assert again.value == pytest.approx(solution.value, rel=1e-9)
        assert weight > 0
    assert found.value == pytest.approx(sum(w * s.value for w, s in zip(weights, found.solutions)), rel=1e-12)


def test_a_support_of_its_own():
    rng = np.random.default_rng(4)
    support, atoms = rng.random((10, 2)), rng.random((7, 2))
    cost = np.sum(np.abs(support[:, None] - atoms) ** 3, axis=-1)
    masses = rng.dirichlet(np.ones(7), 3)
    truth = by_highs(cost, masses, np.full(3, 1 / 3))
    found = tp.barycenter(masses, cost=cost, tol=1e-3)
    assert found.measure.shape == (10,)
    holds(found, truth, 1e-3)
    points = tp.barycenter(masses, cost=tp.PointCloud(support, atoms), tol=1e-3)
    holds(points, by_highs(tp.PointCloud(support, atoms).block(0, 10), masses, np.full(3, 1 / 3)), 1e-3)


def test_translates_meet_in_the_middle():
    shape = np.random.default_rng(0).random((3, 3))
    images = np.zeros((3, 9, 9))
    corners = [(0, 0), (6, 0), (3, 6)]
    for image, (i, j) in zip(images, corners):
        image[i : i + 3, j : j + 3] = shape
    found = tp.barycenter(images, normalize=True, tol=1e-3, spacing=0.25)
    moves = np.array(corners) - np.mean(corners, axis=0)
    holds(found, np.mean(np.sum(moves**2, axis=1)) / 16, 1e-3)
    same = tp.barycenter([images[0], images[0]], normalize=True)
    assert same.value <= 1e-12


def test_laws_that_others_break():
    """Repeated measures, order, units, integer images; scaling the space scales every bound exactly."""
    rng = np.random.default_rng(5)
    images = rng.integers(0, 255, (2, 5, 5), dtype=np.uint8)
    run = {"normalize": True, "tol": 2e-3}
    once = tp.barycenter(images, [2 / 3, 1 / 3], **run)
    twice = tp.barycenter([images[0], images[1], images[0]], **run)
    assert max(once.lower_bound, twice.lower_bound) <= min(once.upper_bound, twice.upper_bound)
    floats = tp.barycenter(images.astype(float), [2 / 3, 1 / 3], **run)
    assert (floats.lower_bound, floats.upper_bound) == (once.lower_bound, once.upper_bound)
    scaled = tp.barycenter(images, [2 / 3, 1 / 3], spacing=2.0**-30, **run)
    assert scaled.upper_bound == once.upper_bound * 2.0**-60
    assert scaled.lower_bound == pytest.approx(once.lower_bound * 2.0**-60, rel=1e-12)
    alone = tp.barycenter(images, [1.0, 0.0], **run)
    assert alone.value <= 1e-9
    assert alone.solutions[1] is None


def test_a_histogram_on_the_line_agrees_with_the_quantiles():
    a, b = np.zeros((2, 33))
    a[[0, 4]], b[[16, 32]] = 0.5, 0.5
    found = tp.barycenter([a, b], tol=1e-3)
    exact = tp.barycenter_1d([[0.0, 4.0], [16.0, 32.0]])
    holds(found, exact.value, 1e-3)
    assert exact.points.tolist() == [8.0, 18.0]


@pytest.mark.parametrize(
    ("measures", "options", "words"),
    [
        ([], {}, "empty"),
        ([np.ones((2, 2)), np.ones((3, 2))], {"normalize": True}, "one grid"),
        ([np.ones((2, 2))], {}, "normalize=True"),
        ([np.eye(2) / 2], {"weights": [0.5, 0.5]}, "weights"),
        ([-np.eye(2)], {"normalize": True}, "negative"),
        ([np.full((2, 2), np.nan)], {}, "finite"),
        ([np.eye(2) / 2], {"cost": "euclidean"}, "choose one"),
        ([np.ones(2) / 2], {"cost": np.eye(3)}, "one column an atom"),
        ([np.ones(2) / 2], {"cost": [[0.0, np.inf], [1.0, 0.0]]}, "forbidden"),
        ([np.eye(2) / 2], {"tol": 0.0}, "tol"),
    ],
)
def test_refused(measures, options, words):
    with pytest.raises(ValueError, match=words):
        tp.barycenter(measures, **options)


def test_a_limit_raises_with_the_interval():
    images = np.random.default_rng(0).dirichlet(np.ones(64), 3).reshape(3, 8, 8)
    with pytest.raises(tp.ConvergenceError, match="Certified so far") as caught:
        tp.barycenter(images, tol=1e-12, time_limit=1e-9)
    assert 0 < caught.value.lower_bound <= caught.value.upper_bound < math.inf
    assert caught.value.solution.status is tp.Status.TIME_LIMIT


# ---------------------------------------------------------------- the line


def test_the_line():
    rng = np.random.default_rng(1)
    points = [rng.normal(size=n) for n in (5, 8, 3)]
    masses = [rng.dirichlet(np.ones(len(x))) for x in points]
    weights = np.array([0.2, 0.5, 0.3])
    for a in (None, masses):
        found = tp.barycenter_1d(points, weights, masses=a)
        given = [None] * 3 if a is None else a
        value = sum(
            w * tp.wasserstein_1d(found.points, x, a=found.masses, b=m, p=2, normalize=True) ** 2
            for w, x, m in zip(weights, points, given)
        )
        assert found.value == pytest.approx(value, rel=1e-9)
        lower = sum(
            weights[i]
            * weights[j]
            * tp.wasserstein_1d(points[i], points[j], a=given[i], b=given[j], p=2) ** 2
            for i in range(3)
            for j in range(i)
        )
        assert found.value == pytest.approx(lower, rel=1e-9)  # on the line all couplings agree
        assert math.fsum(found.masses) == pytest.approx(1.0, rel=1e-14)
    pair = tp.barycenter_1d([np.arange(6), np.arange(6) + 1.0])
    assert len(pair.points) == 6
    assert pair.value == 0.25


# ---------------------------------------------------------------- Gaussians


def test_gaussians_that_commute_have_a_closed_form():
    rng = np.random.default_rng(2)
    basis = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    roots = rng.uniform(0.5, 2, (4, 3))
    covs = [(basis * s**2) @ basis.T for s in roots]
    means, weights = rng.normal(size=(4, 3)), np.array([0.1, 0.2, 0.3, 0.4])
    found = tp.gaussian_barycenter(means, covs, weights)
    np.testing.assert_allclose(found.cov, (basis * (weights @ roots) ** 2) @ basis.T, rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(found.mean, weights @ means, rtol=1e-14)
    truth = weights @ np.sum((means - found.mean) ** 2, axis=1) + weights @ np.sum(
        (roots - weights @ roots) ** 2, axis=1
    )
    assert found.lower_bound <= truth * (1 + 1e-12)
    assert truth * (1 - 1e-12) <= found.upper_bound
    assert found.upper_bound - found.lower_bound <= 1e-9 * truth


def test_gaussians_of_any_shape_and_rank():
    rng = np.random.default_rng(3)
    for seed in range(3):
        factors = rng.normal(size=(3, 4, 4))
        covs = [f @ f.T for f in factors]
        covs[2] = np.outer(factors[2][0], factors[2][0])  # rank 1
        scale = 4.0 ** (seed * 20)
        found = tp.gaussian_barycenter(np.zeros((3, 4)), [scale * c for c in covs], tol=1e-6)
        assert (
            0 <= found.upper_bound - found.lower_bound <= 1e-6 * scale * np.mean([np.trace(c) for c in covs])
        )
        nearby = found.cov * 1.001 + 1e-4 * scale * np.eye(4)
        zero = np.zeros(4)
        here, there = (
            np.mean([tp.bures_wasserstein(zero, s, zero, scale * c) ** 2 for c in covs])
            for s in (found.cov, nearby)
        )
        assert here == pytest.approx(found.value, rel=1e-9)
        assert there >= found.lower_bound
    with pytest.raises(ValueError, match="full rank"):
        tp.gaussian_barycenter(np.zeros((2, 2)), [np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    with pytest.raises(tp.ConvergenceError, match="max_iter"):
        tp.gaussian_barycenter(
            np.zeros((2, 2)), [np.diag([1.0, 9.0]), [[5.0, 4.0], [4.0, 5.0]]], max_iter=1, tol=1e-14
        )


# ---------------------------------------------------------------- free support


def test_two_clouds_are_solved_exactly():
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    found = tp.free_barycenter([x, y], [0.25, 0.75])
    truth = 0.25 * 0.75 * tp.solve(tp.PointCloud(x, y)).value
    assert found.lower_bound <= truth * (1 + 1e-12)
    assert found.value == pytest.approx(truth, rel=1e-9)


def test_free_support_settles_where_the_sweep_is_a_fixed_point():
    rng = np.random.default_rng(5)
    clouds = [rng.normal(size=(20, 2)) + k for k in range(3)]
    masses = [rng.dirichlet(np.ones(20)) for _ in range(3)]
    found = tp.free_barycenter(clouds, masses=masses, start=rng.normal(size=(15, 2)), tol=1e-12)
    assert found.lower_bound <= found.value <= found.upper_bound * (1 + 1e-12)
    np.testing.assert_allclose(np.mean([s.map() for s in found.solutions], axis=0), found.points, rtol=1e-9)
    by_hand = np.mean([
        tp.solve(tp.PointCloud(found.points, x), found.measure, a).value for x, a in zip(clouds, masses)
    ])  # fmt: skip
    assert found.value == pytest.approx(by_hand, rel=1e-9)
    dots = tp.free_barycenter([[[0.0, 0.0]], [[3.0, 0.0]], [[0.0, 3.0]]])
    np.testing.assert_allclose(dots.points, [[1.0, 1.0]])
    assert dots.value == pytest.approx(dots.lower_bound, rel=1e-12)


def test_free_support_refuses_and_stops():
    rng = np.random.default_rng(6)
    clouds = [rng.normal(size=(9, 2)) for _ in range(3)]
    with pytest.raises(tp.ConvergenceError, match="still moves"):
        tp.free_barycenter(clouds, max_iter=1)
    with pytest.raises(ValueError, match="dimension"):
        tp.free_barycenter([clouds[0], clouds[1][:, :1]])
    with pytest.raises(ValueError, match="their numbers must match"):
        tp.free_barycenter(clouds, masses=[None])


@pytest.mark.parametrize("equal", [True, False])
def test_go_on_from_the_arcs_of_an_earlier_answer(equal):
    """Masses as before, other costs: the optimum of a solve from nothing, in fewer pivots."""
    from transport._kernels.simplex_dense import OPTIMAL
    from transport._solver.at_once import solve_at_once

    rng = np.random.default_rng(7)
    a, b = (
        (np.full(60, 1 / 60), np.full(40, 1 / 40)) if equal else (rng.dirichlet(np.ones(k)) for k in (60, 40))
    )
    x, y = rng.normal(size=(60, 2)), rng.normal(size=(40, 2))
    _, first, rows, cols, _, _, g = solve_at_once(((x[:, None] - y) ** 2).sum(-1), a, b)
    for size in (0.0, 0.01, 3.0):
        cost = ((x[:, None] + size * rng.normal(size=(60, 1, 2)) - y) ** 2).sum(-1)
        code, pivots, i, j, mass, f, h = solve_at_once(cost, a, b, g=g, arcs=(rows, cols))
        assert code == OPTIMAL
        value = float(cost[i, j] @ mass)
        assert value == pytest.approx(tp.solve(cost, a, b).value, rel=1e-12)
        assert (f[:, None] + h <= cost + 1e-12).all()
        assert value == pytest.approx(a @ f + b @ h, rel=1e-12)
        np.testing.assert_allclose(np.bincount(i, mass, 60), a, rtol=1e-13)
        assert pivots < first or size > 1
    other = rng.dirichlet(np.ones(60))  # arcs that cannot ship these masses are no help, and no harm
    _, _, i, j, mass, *_ = solve_at_once(cost, other, b, g=g, arcs=(rows, cols))
    assert float(cost[i, j] @ mass) == pytest.approx(tp.solve(cost, other, b).value, rel=1e-12)


def test_free_support_with_masses_of_zero_and_large():
    """Where no single kernel call suits, `solve` does it: a mass of 0, and more pairs than go in one."""
    rng = np.random.default_rng(8)
    x, y = rng.normal(size=(40, 2)), rng.normal(size=(30, 2)) + 2
    b = rng.dirichlet(np.ones(30))
    b[3] += b[4]
    b[4] = 0.0
    found = tp.free_barycenter([x, y], masses=[None, b], tol=1e-12)
    less = tp.free_barycenter([x, np.delete(y, 4, 0)], masses=[None, np.delete(b, 4)], tol=1e-12)
    assert found.value == pytest.approx(less.value, rel=1e-9)
    assert found.lower_bound == pytest.approx(less.lower_bound, rel=1e-9)
    large = [rng.normal(size=(530, 2)), rng.normal(size=(530, 2)) + 1]
    both = tp.free_barycenter(large)
    assert both.value == pytest.approx(0.25 * tp.solve(tp.PointCloud(*large)).value, rel=1e-8)


def three_blobs(side):
    """Smooth images in closed form."""
    axis = np.linspace(0, 1, side)
    shapes = [[(0.3, 0.3, 0.06), (0.7, 0.6, 0.1)], [(0.5, 0.2, 0.12)], [(0.2, 0.7, 0.08), (0.8, 0.8, 0.05)]]
    images = np.array([
        sum(np.exp(-((axis[:, None] - u) ** 2 + (axis - v) ** 2) / (2 * s * s)) for u, v, s in blob)
        for blob in shapes
    ])  # fmt: skip
    return images / images.sum(axis=(1, 2), keepdims=True)


def test_sixteen_by_sixteen():
    """HiGHS needs 17 s for 197,000 columns: its optimum is kept here, `test_sixteen_by_highs` renews it."""
    holds(tp.barycenter(three_blobs(16), tol=1e-3), 14.861129468204597, 1e-3)


@pytest.mark.deep
def test_sixteen_by_highs():
    images = three_blobs(16)
    truth = by_highs(tp.Grid((16, 16)).block(0, 256), images.reshape(3, -1), np.full(3, 1 / 3))
    assert truth == pytest.approx(14.861129468204597, rel=1e-9)
    holds(tp.barycenter(images, tol=1e-4), truth, 1e-4)
