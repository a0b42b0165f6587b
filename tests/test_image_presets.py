"""Presets of images: chosen by the shape, rebuilt from JSON, and a budget in minutes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from generative import Affine, _budget, _image_presets, _presets, datasets, fit


def _data(shape, n=80, labels=None):
    x = np.random.default_rng(0).random((n, int(np.prod(shape))))
    image = shape if shape[2] > 1 else shape[:2]
    return datasets.Dataset("made", x, x.shape[1], image=image, labels=labels)


@pytest.mark.parametrize("classes", [0, 2])
@pytest.mark.parametrize("model", _presets.MODELS)
@pytest.mark.parametrize("shape", [(28, 28, 1), (12, 9, 3)])
def test_presets_train_and_sample(model, shape, classes):
    data = _data(shape, labels=np.arange(80) % 2)
    config = json.loads(json.dumps({**_presets.defaults(model, data), "classes": classes, "channels": 2}))
    assert config["nets"] == "convolutional"
    x = data.source.reshape(-1, *shape)
    run = fit(_presets.build(config), (x, data.labels) if classes else x, steps=2, batch_size=8)
    assert run.status == "finished"
    made = run.sample(3)
    assert made.shape == (3, *shape)
    assert made.min() >= 0
    assert made.max() <= 1


def test_which_data_have_a_preset():
    assert _image_presets.applies("gan", _data((64, 64, 3)))
    assert not _image_presets.applies("gan", _data((1, 20, 1)))  # a strip: halving leaves nothing
    assert not _image_presets.applies("gan", _data((80, 80, 1), n=4))
    assert not _image_presets.applies("gan", datasets.load("ring"))
    digits = datasets.load("digits")
    assert _image_presets.applies("wgan", digits)
    assert not _image_presets.applies("vae", digits)  # 17 levels have a likelihood of their own
    assert _presets.defaults("vae", datasets.load("mnist"))["likelihood"] == "binary"
    assert _presets.defaults("vae", _data((28, 28, 1)))["likelihood"] == "bernoulli"  # grey, not drawn


def test_labels_are_used_where_each_has_images_enough():
    many, few = np.arange(80) % 4, np.arange(80) % 5
    assert _presets.defaults("gan", _data((8, 8, 1), labels=many))["classes"] == 4
    assert _presets.defaults("wgan", _data((8, 8, 1), labels=few))["classes"] == 0
    assert (
        _presets.defaults("vae", _data((8, 8, 1), labels=many))["classes"] == 0
    )  # the ELBO is that of x alone
    assert _presets.defaults("gan", _data((8, 8, 1)))["classes"] == 0


def test_minutes_become_steps_by_the_time_a_step_takes(monkeypatch):
    class Clock:  # each reading ten steps later: 0.5 s a step
        now = 0.0

        def perf_counter(self):
            Clock.now += 5.0
            return Clock.now

        def monotonic(self):
            return Clock.now

    monkeypatch.setattr(_budget, "time", Clock())
    data = _data((8, 8, 1))
    config = {**_presets.defaults("gan", data), "channels": 2, "batch_size": 8}
    assert _budget.steps_within(10, config, data) == int(0.8 * 600 / 0.5)
    with pytest.raises(ValueError, match="--minutes 0; give a positive"):
        _budget.steps_within(0, config, data)
    heard = []
    hears = _budget.until(Clock.now + 1, heard.append)
    assert not hears("a")
    Clock.now += 2
    assert hears("b")
    assert heard == ["a", "b"]


def test_only_autoencoders_see_moved_images():
    data = datasets.load("mnist")
    found = {model: _image_presets.augment(_presets.defaults(model, data)) for model in ("gan", "vae")}
    assert found["gan"] is None
    assert isinstance(found["vae"], Affine)
    assert found["vae"].shift == 0.25
