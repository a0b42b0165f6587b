"""Collapse is told early, with its cause; runs that learn raise no alarm."""

from __future__ import annotations

import numpy as np
import pytest
from models import Stuck

import generative as gen
from generative import _collapse, _presets, datasets
from generative._collapse import Look, in_words, is_time, patience, verdict
from generative._data import Source
from generative._random import key_of


def history(last, ratio, spread, **more):
    """Looks up to step ``last``; each quantity a function of the step."""
    return [
        {"step": s, "energy_ratio": ratio(s), "spread": spread(s), **{k: f(s) for k, f in more.items()}}
        for s in range(10, last + 1, 10)
        if is_time(s)
    ]


def test_synthetic_collapse_is_dated_from_its_first_bad_look():
    h = history(900, lambda s: 0.3 if s < 500 else 2.0, lambda s: 1.0 if s < 500 else 0.01)
    assert verdict(h, 3000) == 500
    assert verdict([r for r in h if r["step"] <= 550], 3000) is None, "not at once"
    assert verdict(h, 100_000) is None, "patience grows with the budget, to 500 steps"
    assert (
        verdict(history(1200, lambda s: 0.3 if s < 500 else 2.0, lambda s: 1.0 if s < 500 else 0), 100_000)
        == 500
    )


def test_noise_is_called_collapse_sooner_where_the_discriminator_is_certain():
    def at(last, value):
        return verdict(history(last, lambda s: 2.0, lambda s: 0.5, value=lambda s: value), 2000)

    assert at(100, -0.01) == 10
    assert at(150, -0.7) is None
    assert at(200, -0.7) == 10


def test_collapse_from_the_start_is_told_within_a_tenth():
    for budget in (1000, 3000, 6000, 20_000):
        h = history(budget // 10, lambda s: 1.8, lambda s: 0.02)
        assert verdict(h, budget) == 10
    for budget in (1000, 1300, 1990, 2500, 12_000, 50_000):  # not alike, and nobody certain
        h = history(budget // 10, lambda s: 1.8, lambda s: 0.5, value=lambda s: -0.7)
        assert verdict(h, budget) == 10


@pytest.mark.parametrize(
    ("ratio", "spread"),
    [
        (lambda s: 0.2, lambda s: 0.95),
        (lambda s: 3.0 * 0.995**s, lambda s: 0.5),  # slow, but nearer from look to look
        (lambda s: 1.0 if s < 90 else 0.5, lambda s: 0.01 * s),  # a plateau before it begins
        (lambda s: 1.0 if s // 50 % 3 else 0.4, lambda s: 0.6),  # comes and goes
        (lambda s: 0.5, lambda s: 0.12),  # narrow, but not one point
    ],
)
def test_synthetic_learning_raises_no_alarm(ratio, spread):
    h = history(3000, ratio, spread)
    assert all(verdict(h[:k], 3000) is None for k in range(1, len(h)))


def test_recovery_takes_the_verdict_back():
    h = history(900, lambda s: 2.0 if s < 700 else 0.5, lambda s: 1.0)
    assert verdict([r for r in h if r["step"] < 700], 2000) == 10
    assert verdict(h, 2000) is None


def test_words_name_the_cause_and_the_remedy():
    record = {
        "step": 300.0,
        "spread": 0.01,
        "energy_ratio": 2.7,
        "value": -1e-4,
        "gradient": 1e-9,
        "collapsed": 40.0,
    }
    text = in_words(record, [{"gradient": 3.0}], model="GAN")
    assert text.startswith("collapsed at step 40: the samples are all alike (spread 0.01 of the data's)")
    for part in ("certainty", "gradient has vanished", "divide the learning rate by 10", "non_saturating"):
        assert part in text


class Fixed:
    """A model that makes what it is told to."""

    def __init__(self, made):
        self.made = made

    def sample(self, state, n, rng, *, labels=None):
        return self.made(rng, n)


def look_at(data, made):
    source = Source(data, holdout=None, batch_size=8, key=key_of(0), dtype="float64")
    state = {"generator": {"params": np.zeros(1)}}
    return Look.at(source)(Fixed(made), state, key_of(1), 0)


def test_look_of_known_laws():
    # Data at +-1 with equal chances. Energy distance to a point at 0: 2 - 1 = 1; to a point at 1: 2 - 1 = 1;
    # to a point at 5: 2*5 - 1 = 9; to the law itself: 0.
    data = np.where(np.arange(4000) % 2, 1.0, -1.0)[:, None]
    right = {0.0: 1.0, 1.0: 1.0, 5.0: 9.0}
    for at, ratio in right.items():
        found = look_at(data, lambda rng, n, at=at: np.full((n, 1), at))
        assert found["spread"] == 0
        assert found["energy_ratio"] == pytest.approx(ratio, abs=0.15)
    found = look_at(data, lambda rng, n: rng.choice([-1.0, 1.0], (n, 1)))
    assert found["spread"] == pytest.approx(1, abs=0.02)
    assert abs(found["energy_ratio"]) < 0.05
    assert look_at(np.ones((50, 2)), lambda rng, n: np.ones((n, 2))) == {}, "data without spread"
    assert look_at(data, lambda rng, n: np.full((n, 1), np.nan)) == {}


def test_look_does_not_depend_on_units():
    data = np.random.default_rng(0).normal(size=(500, 3))
    one = look_at(data, lambda rng, n: rng.normal(0.5, 2, (n, 3)))
    two = look_at(data * 2**20, lambda rng, n: rng.normal(0.5, 2, (n, 3)) * 2**20)
    assert one["spread"] == pytest.approx(two["spread"], rel=1e-12)
    assert one["energy_ratio"] == pytest.approx(two["energy_ratio"], rel=1e-9)


def preset(name, data, factor=1.0):
    found = datasets.load(data)
    config = _presets.defaults(name, found) | {"rate": factor}
    return _presets.build(config), _presets.prepared(config, found), config["steps"]


@pytest.mark.parametrize("seed", range(2))
def test_a_run_with_fifty_times_the_rate_says_so_within_a_tenth(seed):
    seen = []
    model, data, _ = preset("gan", "ring", 50.0)
    budget = 2000
    run = gen.fit(model, data, steps=budget, batch_size=64, rng=seed, callback=seen.append)
    assert run.status == "collapsed"
    assert run.step < 0.3 * budget
    first = next(record["step"] for record in seen if "collapsed" in record)
    assert first <= budget / 10
    assert run.message.startswith("collapsed at step ")
    assert "learning rate" in run.message
    assert "collapsed" in run.history[-1]


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("name", ["gan", "vae"])
def test_healthy_runs_in_the_plane_raise_no_alarm(name, seed):
    model, data, budget = preset(name, "swiss")
    run = gen.fit(model, data, steps=250, batch_size=64, rng=seed, budget=budget)
    assert run.status == "finished"
    assert not any("collapsed" in record for record in run.history)


def test_going_on_through_a_collapse_ends_with_the_status():
    run = gen.fit(Stuck(), np.random.default_rng(0).normal(size=(200, 2)), steps=400, on_collapse="go_on")
    assert (run.status, run.step) == ("collapsed", 400)
    assert run.resume(10).status == "collapsed"
    short = gen.fit(Stuck(), np.random.default_rng(0).normal(size=(200, 2)), steps=400)
    assert (short.status, short.step) == ("collapsed", 200)
    assert verdict(short.history, 400) == 10
    assert patience(400) == 100


class Walk(Stuck):
    """Samples at a distance that falls and rises: best at step 30."""

    def __repr__(self):
        return "Walk()"

    def step(self, state, source, index, rng):
        return {"generator": {"params": np.float32([index + 1])}}, {}

    def sample(self, state, n, rng, *, labels=None):
        away = abs(float(state["generator"]["params"][0]) - 30) / 10
        return (rng.normal(size=(n, 2)) + away).astype(np.float32)


def test_the_best_state_is_kept_beside_the_last(tmp_path):
    data = np.random.default_rng(0).normal(size=(400, 2))
    best = tmp_path / "best.npz"
    options = {"eval_every": 10, "eval_size": 40, "best": best}
    run = gen.fit(Walk(), data, steps=50, **options)
    assert gen.Run.load(best, Walk()).step == 30
    run.resume(20, **options)
    assert gen.Run.load(best, Walk()).step == 30, "a worse state later leaves it"
    best.unlink()
    run.resume(20, **options)
    assert best.exists()


def test_looks_are_cheap_in_number():
    assert sum(map(is_time, range(1, 5001))) == 10 + 98
    assert _collapse.patience(10) == 100


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("model", "data"), [("gan", "ring"), ("wgan", "grid25"), ("vae", "digits"), ("gan", "digits")]
)
def test_presets_raise_no_alarm(model, data, seed):
    found = datasets.load(data)
    config = _presets.defaults(model, found)
    run = gen.fit(
        *(_presets.build(config), _presets.prepared(config, found)),
        steps=min(config["steps"], 1500),
        batch_size=config["batch_size"],
        rng=seed,
        budget=config["steps"],
    )
    assert not any("collapsed" in record for record in run.history)
