"""The lecture notes' statements about the objectives, each against an independent truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

import divergences
import generative as gen
from generative import ops


def test_logistic_cost_is_a_kl_divergence_plus_log_n():
    """Σ_i P̂(i, y_i) log(P̂/P_β) with P̂ uniform on the data pairs and P_β(i, y) = p_β(y|x_i)/n.

    KL(P̂ ‖ P_β) equals the cost itself; with P_β(i, y) left unnormalised over i (p_β alone) it is the cost
    minus log n: the form of the notes, cost = KL + log n. Both are checked on a fitted regression.
    """
    rng = np.random.default_rng(0)
    n = 200
    x = np.column_stack([rng.normal(size=(n, 2)), np.ones(n)])
    label = (rng.random(n) < special.expit(x @ [1.5, -1.0, 0.3])).astype(float)

    def cost(beta):
        return gen.logistic_cost(
            ops.reshape(ops.matmul(x, ops.reshape(beta, shape=(3, 1))), shape=(n,)), label
        )

    fit = optimize.minimize(
        lambda b: float(cost(b)),
        np.zeros(3),
        jac=lambda b: gen.grad(cost)(b),
        method="BFGS",
        options={"gtol": 1e-9},
    )
    assert np.linalg.norm(gen.grad(cost)(fit.x)) < 1e-7
    probability = special.expit(x @ fit.x)
    chosen = np.where(label == 1, probability, 1 - probability)
    empirical = np.full(n, 1 / n)
    assert float(cost(fit.x)) == pytest.approx(np.sum(special.rel_entr(empirical, chosen / n)), rel=1e-12)
    generalised = np.sum(empirical * np.log(empirical / chosen))
    assert float(cost(fit.x)) == pytest.approx(generalised + np.log(n), rel=1e-12)
    # and the fit is the maximum-likelihood one of Newton's method
    beta = np.zeros(3)
    for _ in range(30):
        p = special.expit(x @ beta)
        beta += np.linalg.solve((x * (p * (1 - p))[:, None]).T @ x, x.T @ (label - p))
    np.testing.assert_allclose(fit.x, beta, atol=1e-6)


def _normals():
    """D* = σ(½ - x) for N(0,1) against N(1,1), and V(D*) by quadrature."""
    p, q = stats.norm(0, 1), stats.norm(1, 1)

    def integrand(x):
        best = p.pdf(x) / (p.pdf(x) + q.pdf(x))
        return p.pdf(x) * np.log(best) + q.pdf(x) * np.log1p(-best)

    return integrate.quad(integrand, -12, 13, epsabs=1e-13)[0]


def test_value_at_the_best_discriminator():
    value = _normals()
    assert value == pytest.approx(-1.16345139675041826, rel=1e-12)
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / np.sqrt(2 * np.pi)
    found = -np.sum(weights * ops.softplus(-(0.5 - x))) - np.sum(weights * ops.softplus(0.5 - (x + 1)))
    assert found == pytest.approx(value, rel=1e-9)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=400_000), rng.normal(size=400_000) + 1
    assert float(gen.gan_value(0.5 - real, 0.5 - fake)) == pytest.approx(value, abs=4e-3)
    assert float(gen.gan_value(np.zeros(3), np.zeros(3))) == pytest.approx(-np.log(4), rel=1e-15)


def test_trained_discriminator_reaches_the_best_one():
    """N(0,1) against N(1,1): mean |D - D*| <= 0.02 under the mixture, value to 1 %."""
    from generative._player import Player
    from generative._random import Place

    rng = np.random.default_rng(1)
    player = Player(gen.MLP(1, 32, 1, activation="tanh"), gen.Adam(gen.LinearDecay(1e-2, 1e-4, 1500)))
    entry = player.begin(rng, Place(np.zeros(0)))
    for _ in range(1500):
        real, fake = rng.normal(size=(512, 1)), rng.normal(1.0, size=(512, 1))

        def loss(params, state, real=real, fake=fake):
            return -gen.gan_value(
                player.net.apply(params, real, state)[0], player.net.apply(params, fake, state)[0]
            ), state

        entry, _ = player.learn(entry, loss)
    x = np.concatenate([rng.normal(size=20_000), rng.normal(1.0, size=20_000)])[:, None]
    found = special.expit(player.apply(entry, x))
    assert np.mean(np.abs(found - special.expit(0.5 - x))) <= 0.02
    z, weights = np.polynomial.hermite_e.hermegauss(80)
    weights = weights / np.sqrt(2 * np.pi)
    score = player.apply(entry, np.concatenate([z, z + 1])[:, None]).ravel()
    value = -np.sum(weights * ops.softplus(-score[:80])) - np.sum(weights * ops.softplus(score[80:]))
    assert value == pytest.approx(-1.16345139675041826, rel=0.01)
    assert value <= -1.16345139675041826 + 1e-9  # V(D) <= V(D*)


@pytest.mark.parametrize("theta", [0.7, -0.3])
def test_parallel_lines_js_is_flat_and_w_is_not(theta):
    """P_0 and P_θ uniform on vertical segments at 0 and θ (Arjovsky, Chintala, Bottou 2017, example 1).

    JS is 2 log 2 for every θ ≠ 0; a discriminator on its way there, D = σ(s(1 - 2x/θ)), leaves the generator
    a gradient of 2s/|θ|·σ(-s), which dies as s grows and V approaches 0. Exact W₁ is |θ|, with gradient ±1.
    """
    height = np.linspace(0, 1, 50)
    real = np.column_stack([np.zeros(50), height])

    def made(t):
        return ops.concat(ops.reshape(t + np.zeros(50), shape=(50, 1)), height[:, None], axis=1)

    slopes = []
    for sharpness in (5.0, 20.0, 40.0):

        def score(points, sharpness=sharpness):
            return sharpness * (1.0 - points[:, 0] * (2.0 / theta))

        value = gen.gan_value(score(real), score(made(np.array(theta))))
        assert value == pytest.approx(-np.log(4) + 2 * np.log(2), abs=3 * np.exp(-sharpness))
        slope = gen.grad(lambda t, score=score: gen.generator_cost(score(made(t)), loss="minimax"))(theta)
        assert abs(slope) == pytest.approx(2 * sharpness / abs(theta) * special.expit(-sharpness), rel=1e-9)
        slopes.append(abs(slope))
    assert slopes[2] < 1e-14 < slopes[0]
    here, there = np.eye(2)
    assert divergences.js(here, there) == pytest.approx(2 * np.log(2), rel=1e-15)

    distance, slope = gen.value_and_grad(lambda t: gen.losses.wasserstein(made(t), real, p=1))(theta)
    assert distance == pytest.approx(abs(theta), rel=1e-12)
    assert slope == pytest.approx(np.sign(theta), rel=1e-12)


def test_minimax_and_non_saturating_costs_differ_as_they_should():
    """Same fixed point, opposite strength: gradients D and 1 - D in the score."""
    score = np.linspace(-6, 6, 13)
    d = special.expit(score)
    minimax = gen.grad(lambda s: gen.generator_cost(s, loss="minimax"))(score) * 13
    non_saturating = gen.grad(lambda s: gen.generator_cost(s))(score) * 13
    np.testing.assert_allclose(minimax, -d, rtol=1e-12)
    np.testing.assert_allclose(non_saturating, -(1 - d), rtol=1e-12)


def test_gradient_penalty_of_an_affine_critic():
    x, y = np.random.default_rng(0).normal(size=(2, 6, 3))
    mix = np.linspace(0, 1, 6)
    w = np.array([[2.0], [1.0], [2.0]])  # length 3
    assert float(gen.gradient_penalty(lambda p: ops.matmul(p, w), x, y, mix)) == pytest.approx(4.0)
    small = w / 6
    assert float(gen.gradient_penalty(lambda p: ops.matmul(p, small), x, y, mix)) == pytest.approx(0.25)
    assert gen.gradient_penalty(lambda p: ops.matmul(p, small), x, y, mix, one_sided=True) == 0
    # the points are the stated mixtures: |∇|x|²/2| = |u|
    u = y + mix[:, None] * (x - y)
    found = gen.gradient_penalty(lambda p: 0.5 * ops.sum(ops.square(p), axis=1), x, y, mix)
    assert float(found) == pytest.approx(np.mean((np.linalg.norm(u, axis=1) - 1) ** 2))


def test_gaussian_kl_matches_the_published_digits_and_quadrature():
    mean, var = np.array([[1.0, -0.5]]), np.array([[0.25, 2.0]])
    assert gen.gaussian_kl(mean, np.log(var))[0] == pytest.approx(1.09657359027997265, rel=1e-15)
    total = 0.0
    for m, v in zip(mean[0], var[0], strict=True):
        q = stats.norm(m, np.sqrt(v))
        total += integrate.quad(lambda t, q=q: q.pdf(t) * (q.logpdf(t) - stats.norm.logpdf(t)), -15, 15)[0]
    assert total == pytest.approx(1.09657359027997265, rel=1e-9)


def test_log_likelihoods_match_scipy():
    rng = np.random.default_rng(0)
    x, mean, log_scale = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), np.array(-0.7)
    np.testing.assert_allclose(
        gen.gaussian_log_likelihood(x, mean, log_scale),
        stats.norm.logpdf(x, mean, np.exp(-0.7)).sum(1),
    )
    bits, score = rng.integers(0, 2, (4, 3)).astype(float), 3 * rng.normal(size=(4, 3))
    np.testing.assert_allclose(
        gen.bernoulli_log_likelihood(bits, score), stats.bernoulli.logpmf(bits, special.expit(score)).sum(1)
    )
    levels, score = rng.integers(0, 5, (4, 3)), rng.normal(size=(4, 3, 5))
    expected = np.take_along_axis(special.log_softmax(score, axis=-1), levels[..., None], -1)[..., 0].sum(1)
    np.testing.assert_allclose(gen.categorical_log_likelihood(levels.astype(float), score), expected)
