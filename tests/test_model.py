"""The protocol of a model: ours follow it, and a stranger's is trained by it."""

from __future__ import annotations

import numpy as np
import pytest

import generative as gen
from generative._model import HasCritic, Recordable

NETS = gen.MLP(3, 8, 2), gen.MLP(2, 8, 1)
OURS = {
    "gan": gen.GAN(*NETS),
    "wgan": gen.WGAN(*NETS),
    "vae": gen.VAE(gen.MLP(2, 8, 4), gen.MLP(2, 8, 2)),
}


class Mean:
    """Learns the mean of the data."""

    def __repr__(self):
        return "Mean()"

    def begin(self, source, key):
        return {"mean": {"params": source.place.put(np.zeros(source.shape))}}

    def step(self, state, source, index, rng):
        gap = source.batch(index)[0].mean(axis=0) - state["mean"]["params"]
        return {"mean": {"params": state["mean"]["params"] + 0.1 * gap}}, {"gap": abs(gap).max()}

    def sample(self, state, n, rng, *, labels=None):
        return np.repeat(state["mean"]["params"][None], n, axis=0)

    def evaluate(self, state, source, *, n, key, index):
        return {"error": float(abs(source.held_out(n)[0].mean(axis=0) - state["mean"]["params"]).max())}


@pytest.mark.parametrize("name", OURS)
def test_ours_are_models(name):
    assert isinstance(OURS[name], gen.Model)
    assert isinstance(OURS[name], Recordable)
    assert isinstance(OURS[name], HasCritic) == (name == "wgan")


def test_a_model_of_ones_own_is_trained_watched_saved_and_resumed(tmp_path):
    data = np.full((40, 2), 3.0)
    run = gen.fit(Mean(), data, steps=30, eval_every=10, checkpoint=tmp_path / "run", dtype="float64")
    assert run.history[-1]["error"] == pytest.approx(3 * 0.9**30, rel=1e-9)
    assert run.history[-1]["w1"] == pytest.approx(3 * 0.9**30 * np.sqrt(2), rel=1e-9)
    again = gen.Run.load(tmp_path / "run", Mean(), data).resume(30)
    assert again.sample(1)[0] == pytest.approx(3 * (1 - 0.9**60), rel=1e-12)
    with pytest.raises(TypeError, match="Mean has no critic"):
        run.critic()
    with pytest.raises(ValueError, match="capture=True with a Mean"):
        gen.fit(Mean(), data, steps=1, capture=True)
