"""The loop: resuming, saving, stopping; every claim of robustness made to fail if it can."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import divergences
import generative as gen
import transport
from generative import _checkpoint
from generative._autodiff import leaves
from generative._data import Source
from generative._monitor import js_estimate
from generative._random import EVALUATE, key_of, stream
from transport.internal import to_numpy


def _data(n=300):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 0.5], [0.0, 0.3]])


def _models():
    latent, small = gen.MLP(3, 16, 2), gen.MLP(2, 16, 1)
    normalised = gen.MLP(3, 16, 2, norm="batch")
    return {
        "gan": gen.GAN(normalised, small, k=2, average=0.9),
        "gp": gen.WGAN(latent, small, k=2),
        "clip": gen.WGAN(latent, small, lipschitz="clip", k=2),
        "spectral": gen.WGAN(latent, small, lipschitz="spectral", k=2),
        "groupsort": gen.WGAN(latent, small, lipschitz="groupsort", k=2),
        "semidual": gen.WGAN(latent, gen.DistanceCritic(2, 100), lipschitz="semidual"),
        "vae": gen.VAE(gen.MLP(2, 16, 4), gen.MLP(2, 16, 2)),
        "iwae": gen.VAE(gen.MLP(2, 16, 4), gen.MLP(2, 16, 2), importance=3),
        "sgd": gen.VAE(gen.MLP(2, 16, 4), gen.MLP(2, 16, 2), optimizer=gen.SGD(1e-3, momentum=0.9)),
    }


def _same(a, b):
    pairs = list(zip(leaves(a), leaves(b), strict=True))
    return bool(pairs) and all(np.array_equal(np.asarray(x), np.asarray(y)) for x, y in pairs)


@pytest.mark.parametrize("name", _models())
def test_ten_and_ten_more_are_twenty_bit_by_bit(name, tmp_path):
    model, data = _models()[name], _data()
    whole = gen.fit(model, data, steps=20, batch_size=50, rng=3)
    gen.fit(model, data, steps=10, batch_size=50, rng=3, checkpoint=tmp_path / "run")
    half = gen.Run.load(tmp_path / "run", model, data)
    assert half.step == 10
    resumed = half.resume(10)
    assert _same(whole.state, resumed.state)
    assert whole.history == resumed.history
    assert np.array_equal(whole.sample(5), resumed.sample(5))
    assert not _same(half.state, resumed.state)
    other = gen.fit(model, data, steps=20, batch_size=50, rng=4)
    assert not _same(whole.state, other.state)


def test_loaded_without_data_it_samples_but_does_not_resume(tmp_path):
    model = _models()["gan"]
    run = gen.fit(model, _data(), steps=5)
    run.save(tmp_path / "run")
    loaded = gen.Run.load(tmp_path / "run", model)
    assert np.array_equal(run.sample(7), loaded.sample(7))
    with pytest.raises(ValueError, match="no data"):
        loaded.resume(1)


def test_another_model_is_refused(tmp_path):
    gen.fit(_models()["gp"], _data(), steps=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="build the model"):
        gen.Run.load(tmp_path / "run", _models()["clip"])


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(cut, tmp_path):
    path = tmp_path / "run"
    _checkpoint.write(path, {"a": np.arange(1000.0)}, {})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(cut * len(whole))])
    with pytest.raises(ValueError, match="damaged"):
        _checkpoint.read(path)


def test_a_flipped_bit_is_noticed(tmp_path):
    path = tmp_path / "run"
    _checkpoint.write(path, {"a": np.arange(1000.0)}, {"step": 1})
    arrays, meta = _checkpoint.read(path)
    assert np.array_equal(arrays["a"], np.arange(1000.0))
    assert meta == {"step": 1}
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(ValueError, match="damaged"):
        _checkpoint.read(path)


def test_a_pickle_is_refused(tmp_path):
    np.savez(tmp_path / "evil.npz", meta=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match="no checkpoint"):
        _checkpoint.read(tmp_path / "evil.npz")
    with pytest.raises(FileNotFoundError):
        _checkpoint.read(tmp_path / "absent")


def test_failure_while_writing_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "run"
    _checkpoint.write(path, {"a": np.zeros(3)}, {"step": 1})
    monkeypatch.setattr(_checkpoint.os, "fsync", lambda fd: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        _checkpoint.write(path, {"a": np.ones(3)}, {"step": 2})
    assert _checkpoint.read(path)[1] == {"step": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_killed_at_any_time_a_checkpoint_loads(tmp_path):
    """kill -9 while checkpoints are being written as fast as possible, several times over."""
    script = textwrap.dedent("""
        import sys, numpy as np, generative as gen
        data = np.random.default_rng(0).normal(size=(100, 2))
        model = gen.VAE(gen.MLP(2, 64, 4), gen.MLP(2, 64, 2))
        gen.fit(model, data, steps=100_000, checkpoint=sys.argv[1], checkpoint_every=1)
    """)
    model = gen.VAE(gen.MLP(2, 64, 4), gen.MLP(2, 64, 2))
    path = tmp_path / "run"
    for wait in (0.0, 0.013, 0.037):
        path.unlink(missing_ok=True)
        env = {**os.environ, "PYTHONPATH": "."}
        child = subprocess.Popen([sys.executable, "-c", script, str(path)], env=env)
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(wait)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert gen.Run.load(path, model).step >= 1


def test_divergence_keeps_the_last_good_state_and_says_so(tmp_path):
    model = gen.VAE(gen.MLP(2, 16, 4), gen.MLP(2, 16, 2), optimizer=gen.SGD(1e3), scale=0.01)
    run = gen.fit(model, _data(), steps=200, checkpoint=tmp_path / "run")
    assert run.status == "diverged"
    assert "learning rate" in run.message
    assert run.step < 200
    assert all(np.all(np.isfinite(to_numpy(leaf))) for leaf in leaves(run.state))
    assert all(np.isfinite(v) for record in run.history for v in record.values())
    assert gen.Run.load(tmp_path / "run", model).status == "diverged"


def test_interrupt_saves_and_returns(tmp_path):
    def interrupt(record):
        if record["step"] == 20:
            raise KeyboardInterrupt

    run = gen.fit(_models()["gp"], _data(), steps=1000, callback=interrupt, checkpoint=tmp_path / "run")
    assert (run.status, run.step) == ("interrupted", 20)
    assert "resume" in run.message
    assert gen.Run.load(tmp_path / "run", _models()["gp"]).step == 20


def test_interrupt_in_the_middle_of_a_step_resumes_bitwise(monkeypatch):
    model, data = _models()["gan"], _data()
    whole = gen.fit(model, data, steps=12, batch_size=50, rng=1)
    step, calls = gen.GAN.step, []

    def broken(self, *args):
        out = step(self, *args)
        calls.append(1)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return out

    monkeypatch.setattr(gen.GAN, "step", broken)
    run = gen.fit(model, data, steps=12, batch_size=50, rng=1)
    assert (run.status, run.step) == ("interrupted", 6)
    assert _same(whole.state, run.resume(6).state)


def test_callback_stops():
    run = gen.fit(_models()["vae"], _data(), steps=1000, callback=lambda record: record["step"] >= 30)
    assert (run.status, run.step) == ("stopped", 30)


def test_batches_visit_every_sample_once_an_epoch_and_never_the_held_out():
    x = np.arange(100.0)
    source = Source(x, holdout=0.2, batch_size=16, key=key_of(0), dtype="float64")
    held = set(source.held_out(100)[0].ravel())
    assert len(held) == 20
    epoch = np.concatenate([source.batch(i)[0].ravel() for i in range(5)])
    assert len(set(epoch)) == 80
    assert not set(epoch) & held
    again = np.concatenate([source.batch(i)[0].ravel() for i in range(5, 10)])
    assert set(again) == set(epoch)
    assert not np.array_equal(again, epoch)
    fresh = Source(x, holdout=0.2, batch_size=16, key=key_of(0), dtype="float64")
    assert np.array_equal(fresh.batch(7)[0], source.batch(7)[0])


def test_labels_travel_with_their_samples():
    x = np.arange(50.0)
    source = Source((x, np.arange(50)), holdout=0.1, batch_size=8, key=key_of(2), dtype="float64")
    for i in range(8):
        batch, labels = source.batch(i)
        assert np.array_equal(batch.ravel(), labels)
    held, labels = source.held_out(5)
    assert np.array_equal(held.ravel(), labels)


def test_streams_are_independent_and_reproducible():
    draws = {(p, i): tuple(stream(key_of(5), p, i).random(3)) for p in range(4) for i in range(4)}
    assert len(set(draws.values())) == 16
    assert draws[1, 2] == tuple(stream(key_of(5), 1, 2).random(3))
    with pytest.raises(TypeError, match="rng"):
        key_of(None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.full((10, 2), np.nan)}, "finite"),
        ({"data": np.zeros((10, 3))}, "shape"),
        ({"data": np.zeros((1, 2))}, "at least 2"),
        ({"holdout": 1.5}, "holdout"),
        ({"dtype": "float16"}, "dtype"),
        ({"steps": -1}, "steps"),
        ({"data": (np.zeros((10, 2)), np.full(10, -1))}, "labels"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        gen.fit(_models()["gan"], **{"data": np.zeros((10, 2)), "steps": 1, **change})


def test_conditional_models_learn_the_label():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    x = (6.0 * labels - 3.0)[:, None] + 0.1 * rng.normal(size=(2000, 1))
    model = gen.VAE(gen.MLP(3, 16, 2), gen.MLP(3, 16, 1), classes=2, optimizer=gen.Adam(1e-2))
    run = gen.fit(model, (x, labels), steps=300, batch_size=100)
    for label in (0, 1):
        made = run.sample(200, labels=np.full(200, label))
        assert abs(np.mean(made) - (6 * label - 3)) < 0.3
    with pytest.raises(ValueError, match="classes=2"):
        run.sample(1, labels=np.array([5]))
    with pytest.raises(ValueError, match="conditional"):
        gen.fit(model, x, steps=1)
    for adversarial in (
        gen.GAN(gen.MLP(4, 8, 1), gen.MLP(3, 8, 1), classes=2),
        gen.WGAN(gen.MLP(4, 8, 1), gen.MLP(3, 8, 1), classes=2, k=1),
    ):
        made = gen.fit(adversarial, (x, labels), steps=3).sample(4, labels=np.zeros(4, dtype=int))
        assert made.shape == (4, 1)


def test_measurements_are_exact_and_honest():
    """History holds the exact distances, recomputed here by assignment, and what each model claims."""
    data = _data(400)
    for name in ("gan", "gp", "vae"):
        model = _models()[name]
        run = gen.fit(model, data, steps=10, eval_every=10, eval_size=32, holdout=0.2)
        record = run.history[-1]
        held = run.source.held_out(32)[0].astype(float)
        made = np.asarray(model.sample(run.state, 32, stream(run.key, EVALUATE, 2**32 + 10)), dtype=float)
        for p, found in ((1, record["w1"]), (2, record["w2"])):
            cost = cdist(held, made) ** p
            assert found == pytest.approx(cost[linear_sum_assignment(cost)].mean() ** (1 / p), rel=1e-9)
        real = run.source.seen(32).astype(float)
        cost = cdist(held, real)
        assert record["w1_floor"] == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-9)
        assert record["w2_floor"] >= record["w1_floor"] > 0
        if name == "gan":
            assert record["js_discriminator"] <= 2 * np.log(2)
            assert 0 <= record["js_estimate"] <= 2 * np.log(2)
        if name == "gp":
            assert record["lipschitz_measured"] <= record["lipschitz_bound"] * (1 + 1e-5)
            assert record["w1_critic_lower"] <= record["w1_critic"]
        if name == "vae":
            assert record["held_out_elbo"] < record["held_out_log_likelihood"]
        steps, values = run.curve("w2")
        assert (steps[-1], values[-1]) == (10, record["w2"])
    with pytest.raises(KeyError, match="elbo"):
        run.curve("nonsense")


def test_js_of_samples():
    """Against quadrature for two normals; 0 for the same law, 2 log 2 for disjoint ones."""
    rng = np.random.default_rng(0)
    truth = divergences.estimate("js", stats.norm(0, 1), stats.norm(2, 0.5))
    x, y = rng.normal(size=(20_000, 1)), rng.normal(2, 0.5, size=(20_000, 1))
    assert js_estimate(x, y) == pytest.approx(float(truth.value), abs=0.02)
    assert js_estimate(x, rng.normal(size=(20_000, 1))) < 0.02
    assert js_estimate(x, x[:, :1] + 100.0) == pytest.approx(2 * np.log(2), abs=1e-3)


@pytest.mark.parametrize("name", _models())
def test_the_same_run_on_other_backends(name, backend, tmp_path):
    """Same seed, same noise: the same numbers to rounding on any array library and device."""
    model, data = _models()[name], _data(120)
    options = {"steps": 4, "batch_size": 30, "rng": 3, "dtype": "float64", "eval_every": 4, "eval_size": 10}
    expected = gen.fit(model, data, **options)
    run = gen.fit(model, backend.asarray(data), **options)
    for ours, theirs in zip(leaves(run.state), leaves(expected.state), strict=True):
        assert isinstance(theirs, (int, np.generic)) or type(ours) is type(backend.asarray(data))
        np.testing.assert_allclose(to_numpy(ours), theirs, rtol=1e-7, atol=1e-9)
    assert run.history[-1] == pytest.approx(expected.history[-1], rel=1e-6, abs=1e-9)
    np.testing.assert_allclose(to_numpy(run.sample(5)), expected.sample(5), rtol=1e-6, atol=1e-9)
    run.save(tmp_path / "run")
    loaded = gen.Run.load(tmp_path / "run", model, backend.asarray(data))
    np.testing.assert_array_equal(to_numpy(loaded.sample(5)), to_numpy(run.sample(5)))


@pytest.mark.parametrize("name", ["gp", "clip", "spectral", "groupsort", "semidual"])
def test_every_critic_bounds_exact_w1_from_below(name):
    """data N(0, 1) against a model trained for a moment: lower bound <= exact W₁ of large samples; and the
    proved slope survives `certify_critic`, which tries to refute it on fresh draws."""
    model = _models()[name]
    run = gen.fit(model, _data(3000), steps=30, holdout=0.5)
    fitted = run.critic(n_samples=500)
    made = to_numpy(run.sample(500)).astype(float)
    cost = cdist(_data(3000)[:500], made)
    exact = cost[linear_sum_assignment(cost)].mean()
    assert float(fitted.lower_bound(confidence=0.99)) <= exact
    if name in ("groupsort", "semidual"):
        assert fitted.lipschitz == pytest.approx(1.0, rel=1e-6)
    if name == "semidual":  # and here the bound is tight
        assert float(fitted.lower_bound(confidence=0.99)) > 0.5 * exact
    net = run.model.critic_of(run.state)
    transport.certify_critic(
        net,
        lambda n, rng: rng.normal(size=(n, 2)),
        lambda n, rng: rng.normal(1.0, 2.0, size=(n, 2)),
        n_samples=2000,
    )
    with pytest.raises(TypeError, match="no critic"):
        gen.fit(_models()["gan"], _data(), steps=0).critic()
