"""Nets for images: shapes, derivatives to second order, the projection by hand, a bitwise resumption."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from generative import ops
from generative._autodiff import leaves, rebuild
from generative._image_nets import Crop, Labelled, Projection, features, generator, halvings, judge

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
    assert score.shape == (2, 4)
    assert critic.n_out == 4, "a score and three logits"
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
        np.testing.assert_allclose(score[:, :1], plain + (phi @ v)[:, None], rtol=1e-12)
        logits = phi @ params["logits"]["w"] + params["logits"]["b"]
        np.testing.assert_allclose(score[:, 1:], logits, rtol=1e-12, err_msg="the same for each label")


def test_a_label_moves_the_first_units_half_as_far_as_the_draws():
    rng = np.random.default_rng(7)
    params, _ = Labelled(64 + 10, 4000, classes=10).init(rng)
    draws = rng.normal(size=(200, 64)) @ params["w"][:64]
    assert np.std(params["w"][64:]) == pytest.approx(np.std(draws) / 2, rel=0.05)
    few, _ = Labelled(2 + 3, 4000, classes=3).init(rng)
    assert np.std(few["w"][2:]) == pytest.approx(np.std(few["w"][:2]), rel=0.05), "never less than a draw"


def _labelled(kind, weight, **options):
    shape = (8, 8, 1)
    nets = generator(shape, 4 + 3, channels=2, classes=3), judge(shape, channels=2, classes=3)
    return kind(*nets, classes=3, k=1, label_weight=weight, **options)


@pytest.mark.parametrize("kind", [gen.GAN, gen.WGAN])
def test_cost_of_the_labels_is_what_the_weight_adds(kind):
    """Turns with and without it, from one state: the cost differs by weight times cross-entropy."""
    rng = np.random.default_rng(8)
    data = rng.random((40, 8, 8, 1)), rng.integers(0, 3, 40)
    run = gen.fit(_labelled(kind, 0.5), data, steps=2, batch_size=8, dtype="float64")
    model, place = run.model, run.source.place
    labels = rng.integers(0, 3, 8)
    z = model.draw_latent(np.random.default_rng(1), 8, labels, place)
    plain, full = (
        _labelled(kind, w).generator_turn(run.state, z, labels, lambda s: ops.mean(s)) for w in (0.0, 0.5)
    )
    entry = run.state["generator"]
    fake, _ = model.generator.apply(model.maker.views(entry), z, entry["state"], train=True)
    hot = np.broadcast_to(np.eye(3)[labels][:, None, None], (8, 8, 8, 3))
    judge_state = run.state["judge"]["state"]
    views = model.judge.views(run.state["judge"])
    out, _ = model.judge.net.apply(views, np.concatenate([fake, hot], axis=3), judge_state)
    logits = out[:, 1:]
    cross = -np.mean(np.log(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))[np.arange(8), labels])
    assert full[1] - plain[1] == pytest.approx(0.5 * cross, rel=1e-9)
    assert not np.array_equal(full[0]["params"], plain[0]["params"])


@pytest.mark.parametrize("kind", [gen.GAN, gen.WGAN])
def test_the_judge_learns_the_labels_only_if_asked(kind):
    rng = np.random.default_rng(9)
    labels = rng.integers(0, 3, 300)
    x = 0.1 * rng.random((300, 8, 8, 1))
    x[np.arange(300), 2 * labels] += 0.8  # one bright row for each label
    shares = []
    for weight in (0.0, 1.0):
        optimizer = {"discriminator_optimizer" if kind is gen.GAN else "critic_optimizer": gen.Adam(5e-3)}
        run = gen.fit(_labelled(kind, weight, **optimizer), (x, labels), steps=60, batch_size=30)
        judge_entry, views = run.state["judge"], run.model.judge.views(run.state["judge"])
        at = {"labels": labels, "state": judge_entry["state"], "train": False}
        _, logits, _ = run.model.judged(views, x.astype(np.float32), **at)
        shares.append(np.mean(logits.argmax(axis=1) == labels))
    assert shares[0] < 0.7 < 0.95 < shares[1]


def test_value_of_the_game_leaves_the_labels_out():
    rng = np.random.default_rng(10)
    data = rng.random((40, 8, 8, 1)), rng.integers(0, 3, 40)
    one, two = (gen.fit(_labelled(gen.GAN, w), data, steps=1, batch_size=8, eval_every=1) for w in (0.0, 2.0))
    assert one.history[0]["value"] == two.history[0]["value"]
    assert one.history[0]["generator_cost"] < two.history[0]["generator_cost"]


def test_label_weight_asks_for_a_judge_with_logits():
    nets = generator((8, 8, 1), 4, channels=2), judge((8, 8, 1), channels=2)
    with pytest.raises(ValueError, match=r"1 \+ classes numbers, .* it gives 1, and classes = 0"):
        gen.GAN(*nets, label_weight=0.5)
    with pytest.raises(ValueError, match="label_weight = -1"):
        gen.WGAN(*nets, label_weight=-1.0)
    data = np.random.default_rng(0).random((40, 8, 8, 1)), np.arange(40) % 3
    whole = gen.fit(_labelled(gen.WGAN, 0.5), data, steps=4, batch_size=8)
    again = gen.fit(_labelled(gen.WGAN, 0.5), data, steps=2, batch_size=8).resume(2)
    for a, b in zip(leaves(whole.state), leaves(again.state), strict=True):
        assert np.array_equal(a, b)


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
