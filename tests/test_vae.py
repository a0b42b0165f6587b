"""The VAE against the one case where everything is known: the linear one, which is probabilistic PCA."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import generative as gen
from generative import ops
from generative._autodiff import value_and_grad
from generative._data import Source
from generative._random import STEP, key_of, stream

_W = np.array([[1.0, 0.9], [0.2, 0.6], [-0.6, -0.2]]).T  # (latent 2, data 3): columns not orthogonal
_MEAN = np.array([0.5, -1.0, 2.0])
_SIGMA = 0.6


def _data(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 2)) @ _W + _MEAN + _SIGMA * rng.normal(size=(n, 3))


def _linear_vae():
    model = gen.VAE(gen.MLP(3, 4), gen.MLP(2, 3), scale=_SIGMA)
    x = _data(2000)
    source = Source(x, holdout=0.5, batch_size=1000, key=key_of(0), dtype="float64")
    return model, source, source.held_out(1000)[0]


def _truth():
    """M = WᵀW + σ²I; exact posterior N(M⁻¹Wᵀ(x-μ), σ²M⁻¹) (Tipping and Bishop 1999)."""
    m = _W @ _W.T + _SIGMA**2 * np.eye(2)
    gap = 0.5 * (np.sum(np.log(np.diag(m))) - np.linalg.slogdet(m)[1])
    return m, gap


def _params(log_var):
    m, _ = _truth()
    to_mean = np.linalg.solve(m, _W).T  # (3, 2): z mean = (x - μ) to_mean
    encoder = [
        {"w": np.hstack([to_mean, np.zeros((3, 2))]), "b": np.concatenate([-_MEAN @ to_mean, log_var])}
    ]
    return {"encoder": encoder, "decoder": [{"w": _W, "b": _MEAN}]}


def _expected_elbo(model, params, x, draws=4000):
    """The expectation of the ELBO over z, by antithetic draws."""
    rng = np.random.default_rng(1)
    state = {"encoder": [{}], "decoder": [{}]}
    values = []
    for _ in range(draws // 2):
        noise = rng.normal(size=(x.shape[0], 2))
        for sign in (1, -1):
            values.append(float(model.bound(params, (x, None), sign * noise, state=state)[0]))
    return np.mean(values)


def _log_p(x):
    return stats.multivariate_normal(_MEAN, _W.T @ _W + _SIGMA**2 * np.eye(3)).logpdf(x)


def test_linear_vae_gap_is_exactly_what_the_diagonal_encoder_costs():
    """With the exact posterior means and the best diagonal variances σ²/M_ii, log p(x) - ELBO is the same for
    every x: ½(Σ log M_ii - log det M)."""
    model, _, x = _linear_vae()
    m, gap = _truth()
    params = _params(np.log(_SIGMA**2 / np.diag(m)))
    assert gap > 0.1
    for part in (x[:200], 3.0 * x[:200]):
        assert _log_p(part).mean() - _expected_elbo(model, params, part) == pytest.approx(gap, abs=0.006)


def test_training_the_encoder_reaches_that_gap():
    model, source, x = _linear_vae()
    _, gap = _truth()
    key = key_of(0)
    params = _params(np.zeros(2))
    encoder = [{"w": np.zeros((3, 4)), "b": np.zeros(4)}]
    state = {"encoder": [{}], "decoder": [{}]}
    layout = gen._flat.Layout.of(encoder)
    flat, adam = layout.gather(encoder), gen.Adam(gen.LinearDecay(0.05, 0.0, 1500), beta2=0.99)
    moments = adam.init(flat)
    for i in range(1500):
        batch, noise = source.batch(i), stream(key, STEP, i).normal(size=(1000, 2))

        def loss(enc, batch=batch, noise=noise):
            both = {"encoder": enc, "decoder": params["decoder"]}
            return -model.bound(both, batch, noise, state=state)[0]

        _, gradient = value_and_grad(loss)(layout.views(flat))
        flat, moments = adam.update(layout.gather(gradient), moments, flat)
    trained = {"encoder": layout.views(flat), "decoder": params["decoder"]}
    x = source.train
    assert _log_p(x).mean() - _expected_elbo(model, trained, x, 400) == pytest.approx(gap, abs=0.01)


def test_importance_sampling_closes_the_gap_from_below():
    model, source, x = _linear_vae()
    m, gap = _truth()
    state = model.begin(source, key_of(0))
    flat = model.player.layout.gather(_params(np.log(_SIGMA**2 / np.diag(m))))
    state = {"autoencoder": {**state["autoencoder"], "params": flat}}
    exact = _log_p(x)
    errors = []
    for samples in (1, 10, 1000):
        found = model.importance_log_likelihood(state, (x, None), np.random.default_rng(2), samples=samples)
        errors.append(np.mean(exact - found))
    assert errors[0] == pytest.approx(gap, abs=0.1)
    assert errors[0] > errors[1] > errors[2] > -0.003
    assert abs(errors[2]) < 0.02  # the diagonal proposal is narrower than the posterior: slow tails


def test_importance_weighted_bound_with_one_sample_is_the_elbo_and_grows():
    model, _, x = _linear_vae()
    params, state = _params(np.zeros(2)), {"encoder": [{}], "decoder": [{}]}
    noise = np.random.default_rng(0).normal(size=(20 * x.shape[0], 2))
    one, _ = model.bound(params, (x, None), noise[: x.shape[0]], state=state)
    # With a single copy the weights are log p(x|z) - [log q - log p], whose mean the ELBO integrates exactly.
    many, _ = model.bound(params, (x, None), noise, state=state)
    assert many > one
    exact = _log_p(x).mean()
    assert many < exact + 0.02


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli", "categorical"])
def test_every_likelihood_learns_and_samples_in_its_range(likelihood):
    rng = np.random.default_rng(0)
    group = rng.integers(0, 2, 1000)
    x = {
        "gaussian": np.where(group, 2.0, -2.0)[:, None] + 0.1 * rng.normal(size=(1000, 4)),
        "bernoulli": np.repeat(group[:, None], 4, 1).astype(float),
        "categorical": np.repeat(3 * group[:, None], 4, 1),
    }[likelihood]
    out = 16 if likelihood == "categorical" else 4
    model = gen.VAE(
        gen.MLP(4, 32, 4),
        gen.MLP(2, 32, out),
        likelihood,
        levels=4 if likelihood == "categorical" else 0,
        # A falling rate: at a constant one the bound swings by several nats from step to step.
        optimizer=gen.Adam(gen.LinearDecay(1e-2, 0.0, 1500) if likelihood == "gaussian" else 5e-3),
    )
    steps = 1500 if likelihood == "gaussian" else 400
    run = gen.fit(model, x, steps=steps, batch_size=100, eval_every=steps // 20, eval_size=1000)
    made = run.sample(400)
    assert made.shape == (400, 4)
    if likelihood == "categorical":
        assert set(np.unique(made)) <= {0.0, 1.0, 2.0, 3.0}
        assert np.mean(np.isin(made, [0, 3])) > 0.9
    if likelihood == "bernoulli":
        assert made.min() >= 0
        assert made.max() <= 1
    spread = made[:, 0] > {"gaussian": 0, "bernoulli": 0.5, "categorical": 1.5}[likelihood]
    assert 0.25 < spread.mean() < 0.75
    # The truth is log 2 of information (and four coordinates of noise); a continuous prior loses a little.
    best = np.log(0.5) + (4 * (-0.5 * np.log(2 * np.pi * 0.01) - 0.5) if likelihood == "gaussian" else 0)
    # The median of the last evaluations, on all that is held out: a single one swings with the last batches.
    last = [record["held_out_elbo"] for record in run.history if "held_out_elbo" in record][-5:]
    assert best - 2.0 < np.median(last) < best + 0.3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder": gen.MLP(4, 8, 3)}, "twice as many"),
        ({"likelihood": "poisson"}, "likelihood"),
        ({"likelihood": "categorical"}, "levels"),
        ({"beta": 0.0}, "beta"),
        ({"scale": -1.0}, "scale"),
    ],
)
def test_bad_models_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        gen.VAE(**{"encoder": gen.MLP(4, 8, 4), "decoder": gen.MLP(2, 8, 4), **change})


def test_data_out_of_range_are_refused():
    model = gen.VAE(gen.MLP(4, 8, 4), gen.MLP(2, 8, 4), "bernoulli")
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        gen.fit(model, np.full((10, 4), 7.0), steps=1)
    with pytest.raises(ValueError, match="gives 4"):
        gen.fit(gen.VAE(gen.MLP(5, 8, 4), gen.MLP(2, 8, 4)), np.zeros((10, 5)), steps=1)


def test_convolutional_vae_takes_images():
    encoder = gen.Sequential(gen.Conv(1, 4, 3, 2, 1, "relu"), gen.Reshape((64,)), gen.Dense(64, 4))
    decoder = gen.Sequential(gen.Dense(2, 64, "relu"), gen.Reshape((4, 4, 4)), gen.ConvTranspose(4, 1))
    images = np.random.default_rng(0).random((60, 8, 8, 1))
    run = gen.fit(gen.VAE(encoder, decoder, "bernoulli"), images, steps=10, batch_size=20)
    assert run.sample(3).shape == (3, 8, 8, 1)
    assert ops.mean(run.sample(3)) > 0


def _people(n, seed):
    """Income, age, a constant: scales 30,000, 12 and 0, correlation 0.6."""
    rng = np.random.default_rng(seed)
    z = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=n)
    return np.column_stack([50_000 + 30_000 * z[:, 0], 40 + 12 * z[:, 1], np.full(n, 7.0)])


def test_columns_of_any_unit_are_learned():
    """Means, spreads and correlation of the samples are those of the data, at three seeds."""
    data = _people(2000, 0)
    for seed in range(3):
        run = gen.fit(
            gen.VAE(gen.MLP(3, 32, 4), gen.MLP(2, 32, 3), optimizer=gen.Adam(5e-3)), data, steps=600, rng=seed
        )
        assert run.status == "finished"
        made = np.asarray(run.sample(4000), dtype=float)
        np.testing.assert_array_equal(made[:, 2], 7.0)
        gap = (made.mean(axis=0) - data.mean(axis=0))[:2] / data.std(axis=0)[:2]
        assert np.abs(gap).max() < 0.3
        ratio = made.std(axis=0)[:2] / data.std(axis=0)[:2]
        assert ((ratio > 0.7) & (ratio < 1.3)).all()
        assert np.corrcoef(made[:, 0], made[:, 1])[0, 1] == pytest.approx(0.6, abs=0.25)


def test_units_change_the_likelihood_by_their_logarithm():
    """x -> 1000 x + 5 leaves the standardised data, hence the training, and adds log 1000 a column."""
    x = _data(400)
    found = []
    for data in (x, 1000 * x + 5):
        model = gen.VAE(gen.MLP(3, 8, 2), gen.MLP(1, 8, 3))
        run = gen.fit(model, data, steps=20, rng=0, dtype="float64", eval_every=20, eval_size=40)
        found.append((run.history[-1], run.sample(5)))
    for name in ("elbo", "held_out_elbo", "held_out_log_likelihood"):
        assert found[0][0][name] - found[1][0][name] == pytest.approx(3 * np.log(1000), rel=1e-9)
    np.testing.assert_allclose(found[1][1], 1000 * found[0][1] + 5, rtol=1e-9)


def test_units_travel_with_the_checkpoint(tmp_path):
    model = gen.VAE(gen.MLP(3, 8, 2), gen.MLP(1, 8, 3))
    run = gen.fit(model, _people(300, 1), steps=10, rng=0, checkpoint=tmp_path / "run.npz")
    again = gen.Run.load(tmp_path / "run.npz", model)
    np.testing.assert_array_equal(run.sample(7), again.sample(7))


def test_a_run_that_learned_nothing_gives_no_samples():
    model = gen.VAE(gen.MLP(3, 8, 2), gen.MLP(1, 8, 3), scale=1e-3, optimizer=gen.SGD(1e3))
    run = gen.fit(model, _people(300, 0), steps=30, rng=0)
    assert (run.status, run.step) == ("diverged", 0)
    with pytest.raises(ValueError, match=r"nothing was learned.*zero mean and unit spread"):
        run.sample(3)


def test_columns_that_single_precision_cannot_tell_apart_are_refused():
    data = np.column_stack([1.7e9 + np.arange(100.0), np.arange(100.0)])
    model = gen.VAE(gen.MLP(2, 8, 2), gen.MLP(1, 8, 2))
    with pytest.raises(ValueError, match=r"column 0 of data varies by 28\.9 around 1700000000"):
        gen.fit(model, data, steps=1)
    assert gen.fit(model, data, steps=1, dtype="float64").status == "finished"


def test_standardise_is_for_gaussians():
    with pytest.raises(ValueError, match="gaussian"):
        gen.VAE(gen.MLP(2, 8, 2), gen.MLP(1, 8, 2), "bernoulli", standardise=True)
