"""The methods that hold a critic's slope, and the names they had when they were strings."""

from __future__ import annotations

import json

import numpy as np
import pytest

import generative as gen
from generative import _checkpoint
from generative._lipschitz import Turn
from generative._random import Place

NETS = gen.MLP(3, 16, 2), gen.MLP(2, 16, 1)
LAYERS = f"generator={NETS[0]!r}, critic={NETS[1]!r}"
REST = "generator_optimizer=None, critic_optimizer=None, classes=0, latent='normal', average=0.0"
OBJECTS = {
    "clip": gen.Clip(),
    "gradient_penalty": gen.GradientPenalty(),
    "spectral": gen.Spectral(),
    "groupsort": gen.GroupSort(),
}


def former(name="gradient_penalty", k=5, penalty=10.0, clip=0.01):
    return f"WGAN({LAYERS}, lipschitz='{name}', k={k}, penalty={penalty}, clip={clip}, {REST})"


@pytest.mark.parametrize("name", OBJECTS)
def test_a_name_is_the_object_with_its_defaults(name):
    by_name, by_object = gen.WGAN(*NETS, lipschitz=name), gen.WGAN(*NETS, OBJECTS[name])
    assert by_name == by_object
    assert repr(by_name) == repr(by_object)
    assert by_object.was_named(former(name))
    assert not any(by_object.was_named(former(other)) for other in OBJECTS if other != name)


def test_options_of_a_name_reach_its_object():
    assert gen.WGAN(*NETS, penalty=2.0).lipschitz == gen.GradientPenalty(2.0)
    assert (
        gen.WGAN(*NETS, lambda_=2.0).lipschitz == gen.GradientPenalty(lambda_=2.0) == gen.GradientPenalty(2.0)
    )
    for wrong in (
        lambda: gen.GradientPenalty(3.0, lambda_=2.0),
        lambda: gen.WGAN(*NETS, penalty=3.0, lambda_=2.0),
    ):
        with pytest.raises(ValueError, match="two names of one number"):
            wrong()
    assert gen.WGAN(*NETS, lipschitz="clip", clip=0.5).lipschitz == gen.Clip(0.5)
    semidual = gen.WGAN(NETS[0], gen.DistanceCritic(2, 9), lipschitz="semidual")
    assert (semidual.k, gen.WGAN(*NETS).k, gen.WGAN(*NETS, k=2).k) == (1, 5, 2)


@pytest.mark.parametrize(
    ("model", "saved", "same"),
    [
        (gen.WGAN(*NETS, penalty=0.1), former(penalty=0.1), True),
        (gen.WGAN(*NETS, penalty=0.1), former(), False),
        (gen.WGAN(*NETS, gen.Clip()), former("clip", penalty=0.1), True),  # that option meant nothing
        (gen.WGAN(*NETS, gen.Clip()), former("clip", clip=1e-05), False),
        (gen.WGAN(*NETS, gen.Clip(1e-5)), former("clip", clip=1e-05), True),
        (gen.WGAN(*NETS, k=2), former(), False),
        (gen.WGAN(*NETS, gen.GradientPenalty(one_sided=True)), former(), False),
    ],
)
def test_checkpoints_of_earlier_versions_know_their_model(model, saved, same, tmp_path):
    run = gen.fit(model, np.zeros((20, 2)), steps=0, checkpoint=tmp_path / "run")
    arrays, meta = _checkpoint.read(tmp_path / "run")
    state = _checkpoint.refill(run.state, arrays)
    _checkpoint.write(tmp_path / "old", state, json.loads(json.dumps(meta | {"model": saved})))
    if same:
        assert np.array_equal(gen.Run.load(tmp_path / "old", model).sample(3), run.sample(3))
    else:
        with pytest.raises(ValueError, match="build the model"):
            gen.Run.load(tmp_path / "old", model)


@pytest.mark.parametrize(
    ("method", "extra"),
    [
        (gen.GradientPenalty(3.0), 3.0 * (5.0 - 1) ** 2),
        (gen.GradientPenalty(3.0, one_sided=True), 3.0 * (5.0 - 1) ** 2),
        (gen.Clip(), 0.0),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 0.1])
def test_the_cost_of_a_linear_critic(method, extra, scale):
    """f(x) = w·x has the slope |w| everywhere: E f(fake) - E f(real), and the penalty in closed form."""
    w = scale * np.array([[3.0], [4.0]])
    if scale == 0.1:  # slope 1/2: the one-sided penalty sees nothing
        extra = 0.75 if method == gen.GradientPenalty(3.0) else 0.0
    model = gen.WGAN(NETS[0], gen.MLP(2, 1), method)
    params = gen.MLP(2, 1).init(np.random.default_rng(0))[0]
    params[0]["w"], params[0]["b"] = w, np.zeros(1)
    rng = np.random.default_rng(1)
    real, fake = rng.normal(size=(7, 2)), rng.normal(size=(7, 2))
    cost = model.method.cost(model, Turn(real, fake, None), Place(np.zeros(0)), rng)
    wanted = float((fake.mean(axis=0) - real.mean(axis=0)) @ w[:, 0]) + extra
    assert float(cost(params, [{}])[0]) == pytest.approx(wanted, rel=1e-12)


def test_clip_keeps_what_is_within_its_bound():
    assert gen.Clip(0.5).project(np.array([-2.0, -0.25, 0.5, 3.0])).tolist() == [-0.5, -0.25, 0.5, 0.5]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"lipschitz": "clip", "penalty": 1.0}, ValueError, "penalty = 1.0 is for.*not for 'clip'"),
        ({"lipschitz": gen.Clip(), "clip": 1.0}, ValueError, "clip = 1.0.*leave it out"),
        ({"lipschitz": gen.Clip}, TypeError, r"Clip\(\)"),
        ({"lipschitz": 10.0}, TypeError, "float.*GradientPenalty"),
        ({"lipschitz": "gp"}, ValueError, "lipschitz"),
        ({"clip": -1.0, "lipschitz": "clip"}, ValueError, "clip"),
        ({"penalty": 0.0}, ValueError, "penalty"),
        ({"lipschitz": gen.SemiDual()}, ValueError, "DistanceCritic"),
    ],
)
def test_what_does_not_fit_together_is_refused(options, error, words):
    with pytest.raises(error, match=words):
        gen.WGAN(*NETS, **options)


def test_a_distance_critic_goes_with_the_semi_dual_alone():
    critic = gen.DistanceCritic(2, 9)
    with pytest.raises(ValueError, match="semidual"):
        gen.WGAN(NETS[0], critic)
    with pytest.raises(ValueError, match="labels"):
        gen.WGAN(gen.MLP(5, 8, 2), critic, lipschitz="semidual", classes=2)
