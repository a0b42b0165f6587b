"""Nets for images: shapes, derivatives to second order, the projection by hand, a bitwise resumption."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from generative import ops
from generative._autodiff import leaves, rebuild
from generative._image_nets import Crop, Projection, features, generator, halvings, judge

SHAPES = [(28, 28, 1), (8, 8, 1), (64, 64, 3), (32, 32, 3), (27, 50, 1), (9, 5, 3), (64, 13, 1), (3, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
def test_generator_and_judge_have_the_shape_of_the_data(shape):
    rng = np.random.default_rng(0)
    net = generator(shape, 5, channels=2)
    params, state = net.init(rng)
    x, _ = net.apply(params, rng.normal(size=(2, 5)), state)
    assert x.shape == (2, *shape)
    assert 0 < x.min() < x.max() < 1
    critic = judge(shape, channels=2, classes=3)
    params, state = critic.init(rng)
    hot = np.broadcast_to(np.eye(3)[[0, 2]][:, None, None], (2, *shape[:2], 3))
    score, _ = critic.apply(params, np.concatenate([x, hot], axis=3), state)
    assert score.shape == (2, 1)
    assert max(shape[:2]) / 2 ** halvings(shape) <= 8


def _numeric(f, params, directions, h=1e-5):
    def at(t):
        moved = [p + t * d for p, d in zip(leaves(params), directions, strict=True)]
        return f(rebuild(params, iter(moved)))

    return (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)


@pytest.mark.parametrize("classes", [0, 3])
def test_gradient_of_the_penalty_by_finite_differences(classes):
    """Second order through convolutions and projection: the penalty holds a gradient."""
    rng = np.random.default_rng(1)
    net = judge((8, 6, 2), channels=3, classes=classes)
    params, state = net.init(rng)
    x, y = rng.normal(size=(2, 4, 8, 6, 2 + classes))
    mix = rng.random(4)

    def cost(p):
        return gen.gradient_penalty(lambda u: net.apply(p, u, state)[0], x, y, mix)

    found = gen.grad(cost)(params)
    directions = [rng.normal(size=np.shape(p)) for p in leaves(params)]
    expected = _numeric(cost, params, directions)
    inner = sum(np.sum(g * d) for g, d in zip(leaves(found), directions, strict=True))
    assert inner == pytest.approx(expected, rel=1e-6)


def test_generator_gradient_by_finite_differences():
    rng = np.random.default_rng(2)
    net = generator((7, 5, 2), 3, channels=2)
    params, state = net.init(rng)
    z, weights = rng.normal(size=(6, 3)), rng.normal(size=(6, 7, 5, 2))

    def cost(p):
        return ops.sum(net.apply(p, z, state, train=True)[0] * weights)

    directions = [rng.normal(size=np.shape(p)) for p in leaves(params)]
    inner = sum(np.sum(g * d) for g, d in zip(leaves(gen.grad(cost)(params)), directions, strict=True))
    assert inner == pytest.approx(_numeric(cost, params, directions), rel=1e-6)


def test_projection_is_the_score_plus_the_product_with_the_label():
    rng = np.random.default_rng(3)
    body, count = features((4, 4, 1), channels=2)
    net = Projection(body, count, classes=2)
    params, state = net.init(rng)
    x = rng.normal(size=(3, 4, 4, 1))
    phi, _ = body.apply(params["body"], x, state["body"])
    plain = phi @ params["score"]["w"] + params["score"]["b"]
    for label in (0, 1):
        hot = np.broadcast_to(np.eye(2)[label], (3, 4, 4, 2))
        score, _ = net.apply(params, np.concatenate([x, hot], axis=3), state)
        v = params["labels"]["w"][label] + params["labels"]["b"]
        np.testing.assert_allclose(score, plain + (phi @ v)[:, None], rtol=1e-12)


def test_options_reach_the_layers_inside():
    net = judge((8, 8, 1), channels=2, classes=3).with_options(weight="orthonormal", activation="groupsort")
    (projection,) = net.layers
    assert projection.weight == "orthonormal"
    assert projection.body.layers[0].activation == "groupsort"
    assert projection.body.layers[0].weight == "orthonormal"


def test_crop_keeps_the_first_rows_and_columns():
    x = np.arange(2 * 4 * 5.0).reshape(2, 4, 5, 1)
    assert np.array_equal(Crop((3, 2)).apply({}, x, {})[0], x[:, :3, :2])


def _model(**options):
    shape = (8, 8, 1)
    nets = generator(shape, 4, channels=2), judge(shape, channels=2, weight="spectral")
    return gen.GAN(*nets, average=0.9, **options)


def test_resumption_of_a_convolutional_run_is_bitwise(tmp_path):
    data = np.random.default_rng(4).random((40, 8, 8, 1))
    whole = gen.fit(_model(), data, steps=6, batch_size=8)
    part = gen.fit(_model(), data, steps=3, batch_size=8, checkpoint=tmp_path / "c.npz")
    again = gen.Run.load(tmp_path / "c.npz", _model(), data).resume(3)
    for run in (part.resume(3), again):
        for a, b in zip(leaves(whole.state), leaves(run.state), strict=True):
            assert np.array_equal(a, b)
    assert np.array_equal(whole.sample(5), again.sample(5))


def test_truncation_scales_the_latent_draws_of_samples_alone():
    data = np.random.default_rng(6).random((40, 8, 8, 1))
    whole, half = (gen.fit(_model(truncation=t), data, steps=3, batch_size=8) for t in (1.0, 0.5))
    for a, b in zip(leaves(whole.state), leaves(half.state), strict=True):
        assert np.array_equal(a, b)
    z = half.model.draw_latent(np.random.default_rng(1), 7, None, half.source.place)
    net, entry = half.model.generator, half.state["generator"]
    state = half.model._settled(entry, half.source.place)
    expected, _ = net.apply(half.model.maker.views(entry, averaged=True), 0.5 * z, state)
    made = half.model.sample(half.state, 7, np.random.default_rng(1))
    np.testing.assert_allclose(made, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="truncation"):
        _model(truncation=0.0)


def test_samples_of_the_average_use_its_own_moments():
    """After the parameters jump, the running moments are those of neither; samples must not see them."""
    data = np.random.default_rng(5).random((40, 8, 8, 1))
    run = gen.fit(_model(), data, steps=4, batch_size=8)
    before = run.sample(5)
    for inner in run.state["generator"]["state"]:
        if inner:
            inner["mean"] = inner["mean"] + 7.0
            inner["var"] = inner["var"] * 100.0
    assert np.array_equal(run.sample(5), before)
    latent = run.model.draw_latent(np.random.default_rng(0), 1000, None, run.source.place)
    net, views = run.model.generator, run.model.maker.views(run.state["generator"], averaged=True)
    batch, _ = net.apply(views, latent, run.state["generator"]["state"], train=True)  # its own moments
    settled = run.model._settled(run.state["generator"], run.source.place)
    np.testing.assert_allclose(net.apply(views, latent, settled)[0], batch, atol=1e-5)
