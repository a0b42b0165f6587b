"""The published GAN of `bench.pacgan_gan`: one backward pass for both players is the two it stands for."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from bench import pacgan_gan
from generative._autodiff import leaves
from generative._data import Source
from generative._graph import GraphStep
from generative._random import STEP, key_of, stream


def _started(steps, dtype="float64"):
    model, key = pacgan_gan.build(), key_of(0)
    data = gen.datasets.ring(np.random.default_rng(0), 400)
    source = Source(data, holdout=0.1, batch_size=30, key=key, dtype=dtype)
    state = model.begin(source, key)
    for i in range(steps):
        state, _ = model.step(state, source, i, stream(key, STEP, i))
    return model, source, state, stream(key, STEP, steps), stream(key, STEP, steps)


@pytest.mark.parametrize("shift", [0.0, 100.0], ids=["usual", "fakes scored below underflow"])
def test_both_players_move_on_their_own_costs_at_once(shift):
    model, source, state, rng, again = _started(3)
    bias = state["judge"]["params"].copy()
    bias[model.judge.layout.size - 201] -= shift  # the last bias, before its 200 weights: every score falls
    state = {**state, "judge": {**state["judge"], "params": bias}}
    x, _ = source.batch(3)
    z = model.draw_latent(again, len(x), None, source.place)
    views = {name: player.views(state[name]) for name, player in model.players.items()}

    def fakes(params):
        return model.generator.apply(params, z, state["generator"]["state"], train=True)[0]

    def score(params, points):
        return model.discriminator.apply(params, points, state["judge"]["state"], train=True)[0][:, 0]

    fake = fakes(views["generator"])
    expected = {
        "judge": gen.grad(lambda p: -gen.gan_value(score(p, x), score(p, fake)))(views["judge"]),
        "generator": gen.grad(lambda p: gen.generator_cost(score(views["judge"], fakes(p))))(
            views["generator"]
        ),
    }
    after, _ = model.step(state, source, 3, rng)
    for name, player in model.players.items():
        entry = state[name]
        flat = player.layout.gather(expected[name])
        params, _ = player.optimizer.update(flat, entry["optimizer"], entry["params"])
        np.testing.assert_allclose(after[name]["params"], params, rtol=0, atol=1e-12)
        assert np.max(np.abs(params - entry["params"])) > 1e-5


def test_its_step_can_be_a_graph():
    class Again:
        def record(self, body):
            return body

    model, source, state, *_ = _started(2, dtype="float32")
    graph = GraphStep(model, source, Again())
    ordinary = recorded = state
    for i in range(2, 6):
        ordinary, _ = model.step(ordinary, source, i, stream(key_of(0), STEP, i))
        recorded, _ = graph.step(recorded, i, stream(key_of(0), STEP, i))
    assert all(np.array_equal(a, b) for a, b in zip(leaves(ordinary), leaves(recorded), strict=True))


def test_the_nets_are_those_of_the_paper():
    model = pacgan_gan.build()
    assert model.maker.layout.size == 2 * 400 + 3 * 400 * 400 + 400 * 2 + 2 + 4 * 2 * 400
    assert model.judge.layout.size == 2 * 1000 + 2 * 200 * 1000 + 3 * 1000 + 200 + 1
    params, _ = model.discriminator.init(np.random.default_rng(0))
    assert np.std(params[1]["w"]) == pytest.approx(0.02, rel=0.01)


def test_a_seed_goes_on_from_its_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(pacgan_gan, "EPOCH", 300)
    for name, ends in (("parts", (1, 2)), ("whole", (2,))):
        (tmp_path / name).mkdir()
        for epochs in ends:
            rows = pacgan_gan.train("ring", 0, epochs=epochs, every=2, directory=tmp_path / name)
    parts, whole = (np.load(tmp_path / name / "ring-0.npz") for name in ("parts", "whole"))
    assert rows[-1]["epoch"] == 2
    assert all(np.array_equal(parts[key], whole[key]) for key in whole.files if "params" in key)
