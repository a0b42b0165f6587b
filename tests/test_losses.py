"""Divergences as losses: values from below, gradients against finite differences and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import divergences
import generative as gen
import transport as tp
from generative import losses, ops

_ARRAY_LOSSES = ["kl", "js", "tv", "chi2", "squared_hellinger"]


def _weights(seed, shape=(5,)):
    w = np.random.default_rng(seed).random(shape) + 0.1
    return w / w.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", _ARRAY_LOSSES)
def test_value_and_gradient_along_the_simplex(name):
    """Through softmax, so that every perturbed point is a probability vector: the true finite difference."""
    loss, truth = getattr(losses, name), getattr(divergences, name)
    rng = np.random.default_rng(0)
    a, b, va, vb = rng.normal(size=(4, 6))

    def f(logits):
        return loss(ops.softmax(logits[0]), ops.softmax(logits[1]))

    def g(t):
        return float(truth(*(np.exp(s) / np.exp(s).sum() for s in (a + t * va, b + t * vb)), normalize=True))

    value, (by_a, by_b) = gen.value_and_grad(f)([a, b])
    assert float(value) == pytest.approx(g(0.0), rel=1e-13)
    h = 1e-3
    expected = (8 * (g(h) - g(-h)) - (g(2 * h) - g(-2 * h))) / (12 * h)
    assert np.sum(by_a * va) + np.sum(by_b * vb) == pytest.approx(expected, rel=1e-7)


@pytest.mark.parametrize("name", ["kl", "js", "chi2", "squared_hellinger"])
def test_second_derivative_at_equality_is_the_fisher_metric(name):
    """D(p + εv, p) ≈ ½ f''(1) ε² Σ v²/p: f''(1) is 1, ½·... by divergence (Csiszár)."""
    curvature = {"kl": 1.0, "js": 0.5, "chi2": 2.0, "squared_hellinger": 0.25}[name]
    p = _weights(1)
    v = np.array([1.0, -1.0, 0.5, -0.5, 0.0])
    product = gen.hvp(lambda x: getattr(losses, name)(x, p))(p, v)
    assert np.sum(product * v) == pytest.approx(curvature * np.sum(v * v / p), rel=1e-9)


def test_batches_of_weights():
    p, q = _weights(2, (3, 4)), _weights(3, (3, 4))
    together = gen.grad(lambda x: ops.sum(losses.js(x, q)))(p)
    for i in range(3):
        np.testing.assert_allclose(together[i], gen.grad(lambda x, i=i: losses.js(x, q[i]))(p[i]))


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(("n", "m"), [(6, 6), (5, 8)])
def test_wasserstein_gradient(p, n, m):
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(n, 3)), rng.normal(size=(m, 3)) + 1
    vx, vy = rng.normal(size=x.shape), rng.normal(size=y.shape)
    value, (by_x, by_y) = gen.value_and_grad(lambda t: losses.wasserstein(t[0], t[1], p=p))([x, y])
    h = 1e-5
    expected = (
        float(losses.wasserstein(x + h * vx, y + h * vy, p=p))
        - float(losses.wasserstein(x - h * vx, y - h * vy, p=p))
    ) / (2 * h)
    assert np.sum(by_x * vx) + np.sum(by_y * vy) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(by_x.sum(0), -by_y.sum(0), atol=1e-12)  # translation invariance
    if p == 1:
        assert value == pytest.approx(np.sum(by_x * x) + np.sum(by_y * y), rel=1e-10)  # Euler, degree 1


def test_wasserstein_of_sorted_samples_in_one_dimension():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(40, 1)), rng.normal(2.0, size=(40, 1))
    slope = gen.grad(lambda t: losses.transport_cost(t, y, p=2))(x)
    expected = np.empty_like(x)
    expected[np.argsort(x[:, 0]), 0] = 2 * (np.sort(x[:, 0]) - np.sort(y[:, 0])) / 40
    np.testing.assert_allclose(slope, expected, atol=1e-13)


def test_descending_exact_w2_carries_one_cloud_onto_the_other():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 2)) + 5
    for _ in range(60):
        x = x - 10.0 * gen.grad(lambda t: losses.transport_cost(t, y, p=2))(x)
    assert float(losses.wasserstein(x, y, p=2)) < 1e-6


def test_no_second_derivative_of_exact_transport():
    x, y = np.random.default_rng(7).normal(size=(2, 4, 2))
    with pytest.raises(NotImplementedError, match="exact transport cost"):
        gen.hvp(lambda t: losses.transport_cost(t, y))(x, x)


def test_coinciding_points_have_a_finite_subgradient():
    x = np.zeros((3, 2))
    assert np.all(gen.grad(lambda t: losses.wasserstein(t, x, p=1))(x) == 0)


def test_bad_arguments_are_refused_by_name():
    with pytest.raises(ValueError, match="p ="):
        losses.wasserstein(np.zeros((2, 1)), np.zeros((2, 1)), p=3)
    with pytest.raises(ValueError, match="x has shape"):
        losses.wasserstein(np.zeros(2), np.zeros((2, 1)))


@pytest.mark.parametrize("name", ["entropic", "entropic KL", "divergence", "sliced", "KL", "Partial"])
def test_transport_losses_by_differences(name):
    rng = np.random.default_rng(11)
    x, y = rng.random((7, 2)), rng.random((6, 2))
    loss = {
        "entropic": lambda u, v: losses.entropic_cost(u, v, reg=0.1, tol=1e-12),
        "entropic KL": lambda u, v: losses.entropic_cost(u, v, reg=0.1, marginals=tp.KL(0.5), tol=1e-12),
        "divergence": lambda u, v: losses.sinkhorn_divergence(u, v, reg=0.1, tol=1e-12),
        "sliced": lambda u, v: losses.sliced_wasserstein(u, v, n_projections=20),
        "KL": lambda u, v: losses.unbalanced_cost(u, v, marginals=tp.KL(0.5)),
        "Partial": lambda u, v: losses.unbalanced_cost(u, v, marginals=tp.Partial(0.6)),
    }[name]
    slopes = gen.grad(lambda u: loss(u, y))(x), gen.grad(lambda v: loss(x, v))(y)
    h = 1e-5
    for k, slope in enumerate(slopes):
        for _ in range(2):
            step = rng.standard_normal(slope.shape)
            pairs = [(x + s * h * step, y) if k == 0 else (x, y + s * h * step) for s in (1, -1)]
            found = (float(loss(*pairs[0])) - float(loss(*pairs[1]))) / (2 * h)
            assert float((slope * step).sum()) == pytest.approx(found, rel=1e-5, abs=1e-7)
