"""`evaluate` and the judges: closed forms, real against real, and samples whose fault is known."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from generative import datasets
from generative._features import Classifier, classifier, components
from generative._judges import Panel, frechet, frechet_error

RNG = np.random.default_rng(0)


def images(n, rng, kinds=4, side=12):
    """Images with a bright bar at one of four places, one a label."""
    labels = rng.integers(0, kinds, n)
    x = 0.1 * rng.random((n, side, side))
    for k in range(kinds):
        x[labels == k, 3 * k : 3 * k + 2] += 0.8 * rng.uniform(0.8, 1, (int(np.sum(labels == k)), 1, 1))
    return x, labels


X, LABELS = images(900, np.random.default_rng(1))


@pytest.fixture(scope="module")
def judged():
    return gen.evaluate(images(300, np.random.default_rng(2))[0], X, LABELS, n=300)


def test_frechet_of_gaussian_samples_is_the_closed_form():
    # Samples with exactly these moments: diagonal covariances commute, so W2^2 = |m|^2 + sum (s - t)^2.
    z = RNG.normal(size=(400, 3))
    z -= z.mean(axis=0)
    z = z @ np.linalg.inv(np.linalg.cholesky(np.cov(z, rowvar=False))).T
    s, t, shift = np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.5, 3.0]), np.array([1.0, 0.0, -2.0])
    assert frechet(z * s, z * t + shift) == pytest.approx(5 + np.sum((s - t) ** 2), rel=1e-9)
    assert frechet(z[:, :1], 2 * z[:, :1]) == pytest.approx(1.0, rel=1e-9)


def test_error_of_frechet_is_its_spread_over_samples():
    found, errors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(300, 2)), rng.normal(1.0, 1.0, size=(300, 2))
        found.append(frechet(x, y))
        errors.append(frechet_error(x, y))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.4)


def test_components_keep_distances_within_their_span():
    flat = RNG.normal(size=(60, 3)) @ RNG.normal(size=(3, 100)) + 5
    space = components(flat)
    assert "100 % of the variance" in space.text
    f = space(flat)
    ratio = np.linalg.norm(f[:1] - f[1:], axis=1) / np.linalg.norm(flat[:1] - flat[1:], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
    few = components(flat[:, :4])
    assert few.text == "the samples themselves"
    assert few(flat[:, :4]).shape == (60, 4)


def test_classifier_learns_and_is_the_same_each_time():
    flat = X.reshape(len(X), -1)
    one = classifier(flat, LABELS, (12, 12), updates=60)
    two = classifier(flat, LABELS, (12, 12), updates=60)
    assert one.accuracy > 0.98
    np.testing.assert_array_equal(one(flat[:20]), two(flat[:20]))
    chances = one.probabilities(flat[:600])
    np.testing.assert_allclose(chances.sum(axis=1), 1)
    np.testing.assert_array_equal(chances[:100].argmax(axis=1), LABELS[:100])
    assert one(flat[:600]).shape == (600, 64)
    np.testing.assert_allclose(one(flat).mean(axis=0), 0, atol=1e-6)
    assert np.mean(one(flat) ** 2) == pytest.approx(1)


def test_honest_samples_are_as_good_as_real_ones(judged):
    assert judged.n == 225  # half of the training half draws the floor
    assert "4 labels" in judged.space
    for name in ("precision", "recall", "coverage"):
        assert judged[name] > 0.85 * judged.floors[name]
    assert judged["w1"] == pytest.approx(judged.floors["w1"], rel=0.5)
    assert judged["spread"] == pytest.approx(1, abs=0.03)
    assert abs(judged["kernel"]) < 5 * judged.errors["kernel"] + 1e-4
    assert judged["frechet"] < 3 * judged.floors["frechet"]
    assert judged["sure"] > 0.9
    assert judged["classes_tv"] < 0.15
    assert judged["copies"] < 0.06
    assert judged.notes == ()
    np.testing.assert_allclose(judged.histogram, 0.25, atol=0.08)
    text = str(judged)
    assert "real against real" in text
    assert "Fréchet distance" in text
    assert "±" in text
    assert "labels, model:" in text


def test_lost_classes_and_noise_are_seen():
    rng = np.random.default_rng(3)
    fresh, kinds = images(1200, rng)
    rows = X.reshape(len(X), -1)
    at = {"n": 225, "training_labels": LABELS[450:], "shape": (12, 12)}
    panel = Panel.of(rows[:450], rows[450:], **at)  # what `evaluate` asks, once for both
    half = panel.figures(fresh[kinds < 2].reshape(-1, 144), errors=False)
    assert half["recall"] < 0.75 * panel.floor["recall"]
    assert half["precision"] > 0.8 * panel.floor["precision"]
    assert half["classes_tv"] == pytest.approx(0.5, abs=0.06)
    noise = panel.figures(rng.random((225, 144)), errors=False)
    assert noise["precision"] < 0.2
    assert noise["w1"] > 1.5 * panel.floor["w1"]


def test_copies_are_seen():
    copied = gen.evaluate(X[:300], X, LABELS, n=300)  # half of them are in the training half
    assert copied["copies"] > 0.3
    assert any("learned by heart" in note for note in copied.notes)
    exact = np.flatnonzero(copied.distances < 1e-6)
    np.testing.assert_allclose(copied.samples[exact], copied.training[copied.nearest[exact]], atol=1e-6)


def test_blur_below_the_floor_is_explained():
    blur = np.repeat(X.mean(axis=0)[None], 300, axis=0) + 0.001 * RNG.random((300, 12, 12))
    noisy = X + RNG.normal(size=X.shape)  # mostly noise: the average is nearer to all than any other sample
    found = gen.evaluate(blur, noisy, n=300)
    assert found["w1"] < found.floors["w1"]
    assert any("blur" in note for note in found.notes)


def test_runs_leave_out_what_they_trained_on():
    data = datasets.ring(np.random.default_rng(0), 600)
    run = gen.fit(gen.GAN(gen.MLP(2, 8, 2), gen.MLP(2, 8, 1)), data, steps=5, rng=0)
    found = gen.evaluate(run, data)
    assert found.n == 60  # the tenth that was held out
    assert len(found.training) == 540
    assert found["w1"] > found.floors["w1"]
    run = gen.fit(gen.GAN(gen.MLP(2, 8, 2), gen.MLP(2, 8, 1)), datasets.ring, steps=5, rng=0)
    assert gen.evaluate(run, datasets.load("ring"), n=200).n == 200


def test_conditional_runs_are_asked_for_labels():
    # A "model" whose samples are what the label asks for, half of the time.
    class Half:
        classes = 4

        def __repr__(self):
            return "Half()"

        def begin(self, source, key):
            return {"generator": {"params": source.place.put(np.zeros(1))}}

        def sample(self, state, n, rng, *, labels=None):
            shown = np.where(np.arange(n) % 2 == 0, labels, (np.asarray(labels) + 1) % 4)
            x = np.full((n, 12, 12), 0.05)
            for j, k in enumerate(shown):
                x[j, 3 * k : 3 * k + 2] += 0.72
            return x

        def step(self, state, source, index, rng):
            return state, {}

        def evaluate(self, state, source, **at):
            return {}

    run = gen.fit(Half(), (X, LABELS), steps=1)
    found = gen.evaluate(run, X, LABELS)
    assert found["as_asked"] == pytest.approx(0.5, abs=0.02)


def test_history_holds_the_judges():
    run = gen.fit(
        gen.VAE(gen.MLP(144, 16, 4), gen.MLP(2, 16, 144), likelihood="bernoulli"),
        (np.clip(X.reshape(len(X), -1), 0, 1)[:600], LABELS[:600]),
        steps=20,
        eval_every=20,
        eval_size=60,
    )
    measured = run.history[-1]
    names = (
        "precision",
        "recall",
        "density",
        "coverage",
        "kernel",
        "kernel_error",
        "frechet",
        "frechet_error",
    )
    for name in (*names, "sure", "classes_tv", "w1", "w1_floor", "nearest", "copies"):
        assert np.isfinite(measured[name]), name


def test_refusals():
    with pytest.raises(ValueError, match="samples have 3 features, data have 2"):
        gen.evaluate(np.zeros((30, 3)), np.zeros((60, 2)))
    with pytest.raises(ValueError, match="at least 12"):
        gen.evaluate(np.zeros((5, 2)), RNG.random((60, 2)))
    with pytest.raises(ValueError, match="samples"):
        gen.evaluate(np.full((30, 2), np.nan), RNG.random((60, 2)))
    with pytest.raises(ValueError, match="one label for each"):
        gen.evaluate(np.zeros((30, 2)), RNG.random((60, 2)), np.zeros(3, int))
    with pytest.raises(TypeError, match="masked"):
        gen.evaluate(np.ma.masked_array(np.zeros((30, 2))), RNG.random((60, 2)))
    with pytest.raises(TypeError, match="complex"):
        gen.evaluate(np.zeros((30, 2), complex), RNG.random((60, 2)))
    run = gen.fit(gen.GAN(gen.MLP(2, 8, 2), gen.MLP(2, 8, 1)), RNG.random((60, 2)), steps=1)
    with pytest.raises(ValueError, match="that training did not see"):
        gen.evaluate(run, np.asarray(run.source.train))


def test_constant_samples_and_data_give_finite_figures():
    found = gen.evaluate(np.zeros((40, 3)), np.zeros((80, 3)))
    assert all(np.isfinite(v) for v in found.values.values())
    assert found["w1"] == 0


def test_panel_uses_components_where_labels_teach_nothing():
    rows = X.reshape(len(X), -1)
    few = Panel.of(rows[:50], rows[50:120], n=40, training_labels=LABELS[50:120])
    assert not isinstance(few.space, Classifier)
