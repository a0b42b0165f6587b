"""Every path to the same problem gives the same value to 1e-12, and says which one it was."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import sparse

import transport as tp
from transport import Exact

NAMES = {"sqeuclidean": 2, "euclidean": 2, "cityblock": 1, "chebyshev": math.inf}


def distances(x, y, cost):
    """By the definition, with NumPy only."""
    d = np.abs(x[:, None, :] - y[None, :, :])
    if cost == "sqeuclidean":
        return (d**2).sum(axis=2)
    return {"euclidean": np.sqrt((d**2).sum(axis=2)), "cityblock": d.sum(axis=2), "chebyshev": d.max(axis=2)}[
        cost
    ]


def masses(rng, n, kind):
    if kind == "uniform":
        return np.full(n, 1 / n)
    w = rng.dirichlet(np.full(n, 0.3))
    w[rng.random(n) < 0.1] = 0
    return w / w.sum()


def hard(family, rng):
    """Families in which solvers stumble: (x, y)."""
    n, m = 260, 240
    x, y = rng.random((n, 2)), rng.random((m, 2))
    if family == "clusters":
        centres = rng.random((12, 2))
        return centres[rng.integers(0, 12, n)] + 0.01 * x, centres[rng.integers(0, 12, m)] + 0.01 * y
    if family == "mixed scales":
        return x * 10.0 ** rng.uniform(-4, 0, (n, 1)), y * 10.0 ** rng.uniform(-4, 0, (m, 1))
    if family == "duplicates":
        return np.round(5 * x), np.round(5 * y)
    if family == "collinear":
        return x[:, :1] * [1.0, 2.0], y[:, :1] * [1.0, 2.0]
    if family == "far outliers":
        x[:3] += 1e6
    if family == "far translation":
        y += 5
    return x, y


FAMILIES = ["plane", "clusters", "mixed scales", "duplicates", "collinear", "far outliers", "far translation"]


@pytest.mark.parametrize("kind", ["uniform", "rough"])
@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean"])
@pytest.mark.parametrize("family", FAMILIES)
def test_all_paths_agree(family, cost, kind):
    rng = np.random.default_rng(FAMILIES.index(family))
    x, y = hard(family, rng)
    a, b = masses(rng, len(x), kind), masses(rng, len(y), kind)
    matrix = distances(x, y, cost)
    shifted = matrix + 1.0  # a stored entry of a sparse matrix may be 0, but csr_array(dense) drops it
    cloud = tp.PointCloud(x, y, cost)
    function = tp.PointCloud(x, y, lambda u, v: distances(u, v, cost))
    answers = {
        "matrix": tp.solve(matrix, a, b),
        "matrix, forced blocks": tp.solve(matrix, a, b, solver=Exact("blocks")),
        "points": tp.solve(cloud, a, b, solver=Exact("points")),
        "points, forced matrix": tp.solve(cloud, a, b, solver=Exact("matrix")),
        "points, forced blocks": tp.solve(cloud, a, b, solver=Exact("blocks")),
        "points, chosen": tp.solve(cloud, a, b),
        "function": tp.solve(function, a, b),
        "function, forced blocks": tp.solve(function, a, b, solver=Exact("blocks")),
    }
    value = answers["matrix"].value
    for path, sol in answers.items():
        assert sol.value == pytest.approx(value, rel=1e-12), path
        assert sol.gap <= 1e-12 * value, path
        assert sol.plan.nnz <= len(a) + len(b) - 1, path
        assert sol.lower_bound <= value * (1 + 1e-14), path
        assert sol.upper_bound >= value * (1 - 1e-14), path
    plus_one = tp.solve(shifted, a, b).value
    stored = tp.solve(sparse.csr_array(shifted), a, b)
    assert stored.stats["method"] == "sparse"
    assert stored.value == pytest.approx(plus_one, rel=1e-12)


@pytest.mark.parametrize("shape", [(9, 11), (6, 5, 4), (3, 4, 3, 2), (40,)])
@pytest.mark.parametrize("cost", list(NAMES))
def test_grids_of_any_dimension_agree_with_their_matrix(shape, cost):
    rng = np.random.default_rng(len(shape))
    k = math.prod(shape)
    spacing = rng.random(len(shape)) + 0.5
    cells = np.stack(np.meshgrid(*[h * np.arange(s) for h, s in zip(spacing, shape)], indexing="ij"), -1)
    cells = cells.reshape(k, len(shape))
    a, b = masses(rng, k, "rough"), masses(rng, k, "rough")
    a[rng.random(k) < 0.4] = 0  # zero pixels are left out and come back
    a /= a.sum()
    ref = tp.solve(distances(cells, cells, cost), a, b)
    grid = tp.Grid(shape, cost, spacing=spacing)
    methods = ["auto", "matrix", "points", "blocks"]
    for method in methods:
        sol = tp.solve(grid, a, b, solver=Exact(method))
        assert sol.value == pytest.approx(ref.value, rel=1e-12), method
        assert sol.gap <= 1e-12 * sol.value
        assert sol.plan.shape == (k, k)
        assert (np.bincount(sol.plan.row, minlength=k) > 0).tolist() == (a > 0).tolist()
        np.testing.assert_allclose(sol.plan.sum(axis=1), a, rtol=1e-12, atol=1e-17)
        f, g = sol.potentials
        assert (f[:, None] + g <= grid.block(0, k)).all()


@pytest.mark.parametrize("cost", list(NAMES))
def test_volumes(cost):
    """16^3 dense: a translated blob; the value by the closed form of a translation."""
    shape = (16, 16, 16)
    p = np.stack(np.indices(shape), -1).astype(float)
    blob = np.maximum(0.0, 9.0 - ((p - [4, 4, 5]) ** 2).sum(-1))
    a, b = blob, np.roll(blob, (6, 5, 4), axis=(0, 1, 2))
    shift = {"sqeuclidean": 77.0, "euclidean": math.sqrt(77.0), "cityblock": 15.0, "chebyshev": 6.0}[cost]
    sol = tp.solve(tp.Grid(shape, cost), a.ravel(), b.ravel())
    assert sol.value == pytest.approx(shift * blob.sum(), rel=1e-12)


def test_a_sparse_volume_is_the_cloud_of_its_points():
    rng = np.random.default_rng(0)
    shape, k = (40, 40, 40), 40**3
    a, b = np.zeros(k), np.zeros(k)
    a[rng.choice(k, 700, replace=False)] = rng.dirichlet(np.ones(700))
    b[rng.choice(k, 800, replace=False)] = rng.dirichlet(np.ones(800))
    points = np.stack(np.unravel_index(np.arange(k), shape), axis=1).astype(float)
    for cost in NAMES:
        sol = tp.solve(tp.Grid(shape, cost), a, b)
        ref = tp.solve(tp.PointCloud(points[a > 0], points[b > 0], cost), a[a > 0], b[b > 0])
        assert sol.value == pytest.approx(ref.value, rel=1e-12)
        assert sol.gap <= 1e-12 * sol.value


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_line_circle_and_tree_agree_with_the_matrix(power):
    rng = np.random.default_rng(0)
    x, y = rng.random(150), rng.random(170)
    a, b = masses(rng, 150, "rough"), masses(rng, 170, "rough")
    c = np.abs(x[:, None] - y) ** power
    line = tp.PointCloud(x, y, "euclidean", power=power)
    for method in ("line", "points", "matrix", "blocks"):
        sol = tp.solve(line, a, b, solver=Exact(method))
        assert sol.value == pytest.approx(tp.solve(c, a, b).value, rel=1e-12), method
    circle = tp.Circle(x, y, power=power)
    c = np.minimum(np.abs(x[:, None] - y), 1 - np.abs(x[:, None] - y)) ** power
    for method in ("circle", "matrix", "blocks"):
        sol = tp.solve(circle, a, b, solver=Exact(method))
        assert sol.value == pytest.approx(tp.solve(c, a, b).value, rel=1e-12), method
    tree = tp.TreeMetric(
        (np.arange(200) - 1) // 2, rng.random(200), x=rng.integers(0, 200, 150), y=range(170)
    )
    answers = [tp.solve(tree, a, b, solver=Exact(m)).value for m in ("tree", "matrix", "blocks")]
    assert answers == pytest.approx([answers[0]] * 3, rel=1e-12)


def cases():
    rng = np.random.default_rng(0)
    small, large = rng.random((30, 2)), rng.random((600, 2))
    squared = lambda u, v: distances(u, v, "sqeuclidean")  # noqa: E731
    yield "matrix", "stored cost matrix", distances(small, small, "euclidean")
    yield "matrix", "few enough to store", tp.PointCloud(small, small[::-1])
    yield "matrix", "few enough to store", tp.PointCloud(small, small, squared)
    yield "matrix", "few enough to store", tp.Circle(small[:, 0], small[:, 1], power=0.5)
    yield "matrix", "with duplicates", tp.PointCloud(np.round(4 * large), np.round(4 * large[::-1]))
    yield "points", "never stored", tp.PointCloud(large, large[::-1])
    yield "points", "never stored", tp.Grid((25, 24))
    yield "blocks", "never stored", tp.PointCloud(large, large, squared)
    yield "blocks", "never stored", tp.Circle(large[:, 0], large[:, 1], power=0.5)
    yield "sparse", "30 stored arcs of 30 x 30", sparse.eye_array(30)
    yield "line", "sorted coupling", tp.PointCloud(small[:, 0], small[:, 1])
    yield "line", "sorted coupling", tp.Grid((50,))
    yield "circle", "shifted sorted coupling", tp.Circle(small[:, 0], small[:, 1])
    yield "tree", "every edge", tp.TreeMetric(np.arange(30) - 1, np.ones(30))


@pytest.mark.parametrize(("method", "reason", "cost"), list(cases()))
def test_the_choice_is_said_and_explained(method, reason, cost):
    sol = tp.solve(cost)
    assert sol.stats["method"] == method
    assert reason in sol.stats["reason"]
    assert {"pivots", "rounds", "arcs"} <= sol.stats.keys()


@pytest.mark.parametrize("method", ["line", "points", "sparse", "circle", "tree"])
def test_methods_that_need_a_certain_cost_say_so(method):
    with pytest.raises(ValueError, match=f"method='{method}' needs"):
        tp.solve(np.eye(3), solver=Exact(method))
