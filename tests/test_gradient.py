"""Gradients against finite differences, barycentric maps and label transfer against dense formulas."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import generative as gen
import transport as tp
from generative import losses

RECIPES = dict(
    re.findall(
        r"```python (\w+)\n(.*?)```", (Path(__file__).parent.parent / "docs/gradients.md").read_text(), re.S
    )
)


def problem(seed=0, n=6, m=8, d=2):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n, d)),
        rng.normal(size=(m, d)),
        rng.dirichlet(np.ones(n)),
        rng.dirichlet(np.ones(m)),
    )


def slope(function, at, direction, h=2.0**-18):
    return (function(at + h * direction) - function(at - h * direction)) / (2 * h)


@pytest.mark.parametrize(
    ("cost", "power"),
    [
        ("sqeuclidean", 1),
        ("euclidean", 1),
        ("euclidean", 1.5),
        ("euclidean", 0.5),
        ("cityblock", 2),
        ("chebyshev", 1),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 2.0**-260])
def test_points_against_differences(cost, power, scale):
    x, y, a, b = problem()
    if scale != 1.0 and cost == "sqeuclidean":
        scale = 2.0**-255
    value = lambda x, y: tp.solve(tp.PointCloud(scale * x, scale * y, cost, power=power), a, b).value  # noqa: E731
    found = tp.solve(tp.PointCloud(scale * x, scale * y, cost, power=power), a, b).gradient()
    rng = np.random.default_rng(1)
    for _ in range(3):
        u, v = rng.normal(size=x.shape), rng.normal(size=y.shape)
        np.testing.assert_allclose(np.sum(found.x * u) * scale, slope(lambda t: value(t, y), x, u), rtol=1e-7)
        np.testing.assert_allclose(np.sum(found.y * v) * scale, slope(lambda t: value(x, t), y, v), rtol=1e-7)


@pytest.mark.parametrize("kind", ["matrix", "points", "sparse", "circle", "tree", "line"])
def test_masses_and_costs_against_differences(kind):
    x, y, a, b = problem(3)
    C = np.abs(x[:, :1] - y[:, 0]) + np.random.default_rng(4).random((6, 8))
    costs = {
        "matrix": C,
        "points": tp.PointCloud(x, y),
        "line": tp.PointCloud(x[:, 0], y[:, 0], "euclidean", power=2),
        "circle": tp.Circle(x[:, 0], y[:, 0], power=2),
        "tree": tp.TreeMetric([0, 0, 0, 1, 1, 2, 2, 3], np.arange(8) + 0.5, x=np.arange(6)),
    }
    from scipy.sparse import csr_array

    cost = csr_array(C) if kind == "sparse" else costs[kind]
    sol = tp.solve(cost, a, b)
    found = sol.gradient()
    rng = np.random.default_rng(5)
    for _ in range(3):
        u, v = rng.normal(size=6), rng.normal(size=8)
        u, v = a * (u - a @ u), b * (v - b @ v)
        both = lambda t: tp.solve(cost, a + t * u, b + t * v).value  # noqa: B023, E731
        assert found.a @ u + found.b @ v == pytest.approx(slope(both, 0.0, 1.0), rel=1e-6, abs=1e-9)
    assert found.a @ a == pytest.approx(found.b @ b, rel=1e-12)
    assert found.a @ a + found.b @ b == pytest.approx(sol.value, rel=1e-12)
    assert found.cost is sol.plan
    if kind == "matrix":
        D = rng.normal(size=C.shape)
        moved = slope(lambda t: tp.solve(C + t * D, a, b).value, 0.0, 1.0)
        assert found.cost.multiply(D).sum() == pytest.approx(moved, rel=1e-6)
    if kind in ("matrix", "circle", "tree"):
        with pytest.raises(ValueError, match="chain rule"):
            found.x


@pytest.mark.parametrize("points", [False, True])
def test_the_entropic_objective_against_differences(points):
    x, y, a, b = problem(13)

    def solve(x, a, b):
        cost = tp.PointCloud(x, y) if points else np.sum((x[:, None] - y) ** 2, axis=-1)
        return tp.solve(cost, a, b, solver=tp.Sinkhorn(0.3), tol=1e-12)

    found = solve(x, a, b).gradient()
    rng = np.random.default_rng(14)
    u, v, w = rng.normal(size=6), rng.normal(size=8), rng.normal(size=x.shape)
    u, v = a * (u - a @ u), b * (v - b @ v)
    masses = lambda t: solve(x, a + t * u, b + t * v).stats["regularised"]  # noqa: E731
    assert found.a @ u + found.b @ v == pytest.approx(slope(masses, 0.0, 1.0), rel=1e-6)
    if points:
        moved = slope(lambda t: solve(x + t * w, a, b).stats["regularised"], 0.0, 1.0)
        assert np.sum(found.x * w) == pytest.approx(moved, rel=1e-6)


def test_soft_marginals():
    x, y, a, b = problem(15)
    value = lambda x: tp.solve(tp.PointCloud(x, y), a, b, marginals=tp.KL(0.5), tol=1e-12)  # noqa: E731
    found, w = value(x).gradient(), np.random.default_rng(16).normal(size=x.shape)
    moved = slope(lambda t: value(x + t * w).value, 0.0, 1.0, h=2.0**-12)
    assert np.sum(found.x * w) == pytest.approx(moved, rel=1e-4)
    u = np.random.default_rng(17).normal(size=len(a)) * a
    masses = lambda s: tp.solve(tp.PointCloud(x, y), s, b, marginals=tp.KL(0.5), tol=1e-12).value  # noqa: E731
    assert np.sum(found.a * u) == pytest.approx(slope(lambda t: masses(a + t * u), 0.0, 1.0), rel=1e-5)
    part = lambda x: tp.solve(tp.PointCloud(x, y), a, b, marginals=tp.Partial(0.6))  # noqa: E731
    moved = slope(lambda t: part(x + t * w).value, 0.0, 1.0, h=2.0**-16)
    assert np.sum(part(x).gradient().x * w) == pytest.approx(moved, rel=1e-4)


def test_coinciding_points_and_atoms_without_mass_give_numbers():
    x = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    sol = tp.solve(tp.PointCloud(x, x[:2], "euclidean"), [0.5, 0.5, 0.0], [0.5, 0.5])
    found = sol.gradient()
    assert not np.any(found.x)
    assert np.all(np.isfinite(found.a))
    h = 2.0**-20  # the first mass of an atom
    more = tp.solve(tp.PointCloud(x, x[:2], "euclidean"), [0.5, 0.5 - h, h], [0.5, 0.5]).value
    assert found.a[2] - found.a[1] <= more / h * (1 + 1e-9)


def test_sliced_against_differences():
    x, y, a, b = problem(6, d=3)
    for p in (1.0, 2.0, 3.0):
        run = {"a": a, "b": b, "p": p, "n_projections": 9}
        by_x, by_y = tp.estimate_sliced(x, y, **run).gradient()
        rng = np.random.default_rng(7)
        u, v = rng.normal(size=x.shape), rng.normal(size=y.shape)
        both = lambda t: tp.sliced_wasserstein(x + t * u, y + t * v, **run)  # noqa: B023, E731
        assert np.sum(by_x * u) + np.sum(by_y * v) == pytest.approx(slope(both, 0.0, 1.0), rel=1e-6)
    assert not np.any(tp.estimate_sliced(x, x).gradient()[0])


def test_losses_of_the_tape():
    x, y, a, b = problem(8)
    by_x = gen.grad(lambda t: losses.sliced_wasserstein(t, y, n_projections=5))(x)
    np.testing.assert_allclose(by_x, tp.estimate_sliced(x, y, n_projections=5).gradient()[0], rtol=1e-12)
    C = np.random.default_rng(0).random((6, 8))
    by_b = gen.grad(lambda t: losses.transport_of_masses(a, t, C))(b)
    np.testing.assert_allclose(by_b, tp.solve(C, a, b).gradient().b, rtol=1e-12)


# ---------------------------------------------------------------- maps and labels


def test_barycentric_map_and_label_shares_are_the_dense_formulas():
    x, y, a, b = problem(9)
    sol = tp.solve(tp.PointCloud(x, y), a, b)
    plan = sol.plan.toarray()
    np.testing.assert_allclose(sol.map(), plan @ y / a[:, None], rtol=1e-12)
    values = np.arange(8.0)
    np.testing.assert_allclose(tp.solve(plan * 0 + 1.0, a, b).map(y=values).shape, (6, 1))
    np.testing.assert_allclose(sol.map(y=values)[:, 0], plan @ values / a, rtol=1e-12)
    labels = np.array(["b", "a", "c", "a", "b", "c"])
    found = sol.transfer(labels)
    one_hot = labels[:, None] == found.classes
    np.testing.assert_allclose(found.shares, plan.T @ one_hot / b[:, None], rtol=1e-12, atol=1e-15)
    assert found.classes.tolist() == ["a", "b", "c"]
    assert np.array_equal(found.labels, found.classes[found.shares.argmax(axis=1)])


def test_new_points_take_the_displacement_of_the_nearest_source():
    x, y, a, b = problem(10)
    sol = tp.solve(tp.PointCloud(x, y), a, b)
    np.testing.assert_allclose(sol.map(x), sol.map(), rtol=1e-12)
    z = x[3] + 1e-6
    np.testing.assert_allclose(sol.map([z]), [sol.map()[3] + 1e-6], rtol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 2.0**-270])
def test_atoms_without_mass(scale):
    x, y = scale * np.array([[0.0], [1.0], [9.0]]), scale * np.array([[2.0], [3.0], [8.0]])
    sol = tp.solve(tp.PointCloud(x, y, "euclidean"), [0.5, 0.5, 0.0], [0.5, 0.5, 0.0])
    assert np.array_equal(sol.map(), scale * np.array([[2.0], [3.0], [11.0]]))
    found = sol.transfer([7, 8, 9])
    assert found.labels[:2].tolist() == [7, 8]
    assert found.labels[2] in (7, 8)
    assert np.array_equal(found.shares.sum(axis=1), np.ones(3))


def test_what_is_missing_is_named():
    sol = tp.solve(np.eye(3))
    for call, words in (
        (sol.map, "pass y="),
        (lambda: sol.map(y=[1.0, 2.0]), "2 points for 3 sinks"),
        (lambda: sol.map([[1.0]], y=[1.0, 2.0, 3.0]), "PointCloud"),
        (lambda: sol.transfer([1, 2]), "one for each"),
        (lambda: sol.transfer([1.0, 2.0, np.nan]), "NaN"),
    ):
        with pytest.raises(ValueError, match=words):
            call()


# ---------------------------------------------------------------- other libraries


def test_torch_recipe():
    torch = pytest.importorskip("torch")
    space = {}
    exec(RECIPES["torch"], space)
    x, y, a, b = (torch.tensor(z, requires_grad=True) for z in problem(11))
    masses = lambda a, b: (torch.softmax(a, 0), torch.softmax(b, 0))  # noqa: E731
    call = lambda x, y, a, b: space["transport_cost"](x, y, *masses(a, b))  # noqa: E731
    assert torch.autograd.gradcheck(call, (x, y, a, b), eps=1e-6, atol=1e-5)
    with pytest.raises(TypeError, match=r"gradients\.md"):
        tp.solve(tp.PointCloud(x, y))
    with pytest.raises(TypeError, match=r"gradients\.md"):
        tp.solve(torch.cdist(x, y))
    with pytest.raises(TypeError, match=r"gradients\.md"):
        tp.sliced_wasserstein(x, y)
    sol = tp.solve(tp.PointCloud(x.detach(), y.detach()))
    for out in (sol.potentials.f, sol.map(), sol.gradient().x, sol.gradient().a):
        assert isinstance(out, torch.Tensor)


def test_jax_recipe():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    from jax.test_util import check_grads

    space = {}
    exec(RECIPES["jax"], space)
    x, y, a, b = map(jax.numpy.asarray, problem(12))
    call = lambda x, y, a, b: space["transport_cost"](x, y, jax.nn.softmax(a), jax.nn.softmax(b))  # noqa: E731
    check_grads(call, (x, y, a, b), order=1, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)
    check_grads(jax.jit(call), (x, y, a, b), order=1, modes=["rev"], atol=1e-5, rtol=1e-5, eps=1e-6)
