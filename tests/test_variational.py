"""Variational approximations against closed forms, mpmath digits, enumeration and adaptive quadrature."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import FrozenInstanceError
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

import generative.variational as gv
from generative.variational._mixture import _descend
from transport import bures_wasserstein

REFERENCE = json.loads((Path(__file__).parent / "cases" / "reference_values.json").read_text())
FACTORISED = {k: float(v) for k, v in REFERENCE["meanfield_rho0.9_unit_var"].items()}
PHI, T = [[1, 0], [1, 1], [1, 2], [1, 3]], [1, 2, 2, 4]


def correlated(rho: float) -> gv.Gaussian:
    return gv.Gaussian([0, 0], [[1, rho], [rho, 1]])


def random_gaussian(seed: int, d: int) -> gv.Gaussian:
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((d, d + 1))
    return gv.Gaussian(rng.standard_normal(d), root @ root.T + 0.1 * np.eye(d))


# ---- Gaussians --------------------------------------------------------------------------------------


def test_kl_matches_the_scalar_closed_form():
    for case in REFERENCE["normal_N(0,1)_vs_N(m,s^2)"]:
        p, q = gv.Gaussian(0, 1), gv.Gaussian(case["m"], case["s"] ** 2)
        assert p.kl(q) == pytest.approx(float(case["KL(P||Q)"]), rel=1e-15)
        assert q.kl(p) == pytest.approx(float(case["KL(Q||P)"]), rel=1e-15)


def test_kl_matches_monte_carlo_and_keeps_its_digits_near_equality():
    p, q = random_gaussian(0, 3), random_gaussian(1, 3)
    x = p.sample(400_000, rng=2)
    ratio = p.logpdf(x) - q.logpdf(x)
    assert p.kl(q) == pytest.approx(ratio.mean(), abs=5 * ratio.std() / np.sqrt(len(x)))
    # Relative variance excess e: KL = (e - log(1 + e)) / 2 = e^2 / 4 - ..., far below rounding of e.
    e = 2.0**-30
    assert gv.Gaussian(0, 1 + e).kl(gv.Gaussian(0, 1)) == pytest.approx(e * e / 4, rel=1e-8)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_logpdf_agrees_with_scipy(seed, d):
    p = random_gaussian(seed, d)
    x = np.random.default_rng(seed).standard_normal((4, d))
    want = stats.multivariate_normal(p.mean, p.cov).logpdf(x)
    np.testing.assert_allclose(p.logpdf(x), want, rtol=1e-10, atol=1e-10)


def test_factorised_approximations_have_the_reference_digits():
    p = correlated(0.9)
    field, matched = gv.mean_field(p), gv.moment_match(p)
    for value in (field.kl(p), p.kl(matched)):
        assert value == pytest.approx(FACTORISED["KL(MF||p)=KL(p||marg)"], rel=1e-14)
    for value in (p.kl(field), matched.kl(p)):
        assert value == pytest.approx(FACTORISED["KL(p||MF)=KL(marg||p)"], rel=1e-14)
    for approximation, name in ((field, "W2(p,MF)"), (matched, "W2(p,marg)")):
        distance = bures_wasserstein(p.mean, p.cov, approximation.mean, approximation.cov)
        assert distance == pytest.approx(FACTORISED[name], rel=1e-14)
    for rho, digits in REFERENCE["meanfield_KL_-0.5log(1-rho^2)"].items():
        assert gv.mean_field(correlated(float(rho))).kl(correlated(float(rho))) == pytest.approx(
            float(digits), rel=1e-14
        )


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_no_product_law_beats_the_closed_forms(seed, d):
    p = random_gaussian(seed, d)
    rng = np.random.default_rng(seed + 1)
    field, matched = gv.mean_field(p), gv.moment_match(p)
    precision = np.linalg.inv(p.cov)
    assert field.kl(p) == pytest.approx(
        0.5 * (np.sum(np.log(np.diag(precision))) - np.linalg.slogdet(precision)[1]), rel=1e-9, abs=1e-12
    )
    assert p.kl(matched) == pytest.approx(
        0.5 * (np.sum(np.log(np.diag(p.cov))) - np.linalg.slogdet(p.cov)[1]), rel=1e-9, abs=1e-12
    )
    for best, divergence in ((field, lambda q: q.kl(p)), (matched, lambda q: p.kl(q))):
        spread = np.diag(best.cov) * np.exp(0.1 * rng.standard_normal(d))
        other = gv.Gaussian(best.mean + 0.1 * rng.standard_normal(d), np.diag(spread))
        assert divergence(best) < divergence(other)


@pytest.mark.parametrize("rho", [0.3, 0.9, -0.99])
def test_coordinate_ascent_contracts_by_rho_squared(rho):
    found = gv.coordinate_ascent(correlated(rho), start=[3.0, -2.0])
    assert found.converged
    assert found.rate == pytest.approx(rho * rho, rel=1e-12)
    np.testing.assert_allclose(found.means[2:8], rho * rho * found.means[1:7], rtol=1e-12)
    assert np.all(np.diff(found.kls) <= 0)
    assert found.kl == pytest.approx(-0.5 * np.log(1 - rho * rho), rel=1e-12)


@given(st.integers(0, 10_000), st.integers(2, 5))
def test_coordinate_ascent_reports_the_true_divergence_of_every_sweep(seed, d):
    p = random_gaussian(seed, d)
    found = gv.coordinate_ascent(p, max_iter=3, throw=False)
    for mean, kl in zip(found.means, found.kls, strict=True):
        assert gv.Gaussian(mean, found.q.cov).kl(p) == pytest.approx(kl, rel=1e-8, abs=1e-12)
    # One sweep is one exact minimisation over each mean in turn.
    mean = found.means[0].copy()
    for i in range(d):
        mean[i] = optimize.minimize_scalar(
            lambda v, i=i: gv.Gaussian(np.where(np.arange(d) == i, v, mean), found.q.cov).kl(p)
        ).x
    np.testing.assert_allclose(mean, found.means[1], rtol=1e-5, atol=1e-5)


def test_coordinate_ascent_far_from_the_origin_and_at_its_limit():
    p = gv.Gaussian([1e10, -1e10], [[1, 0.9], [0.9, 1]])
    assert gv.coordinate_ascent(p).converged
    with pytest.raises(gv.ApproximationError, match="raise max_iter") as caught:
        gv.coordinate_ascent(correlated(0.999), max_iter=5)
    state = caught.value.state
    assert not state.converged
    assert state.n_iter == 5
    assert len(state.means) == 6


# ---- the best Gaussian to a mixture -----------------------------------------------------------------

BIMODAL = gv.Mixture([0.4, 0.6], [-3, 4], [1, 0.5])


def reverse_kl(mean: float, sd: float, p: gv.Mixture = BIMODAL) -> float:
    """KL(N(mean, sd^2) || p) by adaptive quadrature."""

    parts = [(w, m, v) for w, m, v in zip(p.weights, p.means[:, 0], p.covs[:, 0, 0], strict=True)]

    def integrand(x: float) -> float:
        z = (x - mean) / sd
        density = sum(w * math.exp(-0.5 * (x - m) ** 2 / v) / math.sqrt(v) for w, m, v in parts)
        return math.exp(-0.5 * z * z) * (-0.5 * z * z - math.log(sd) - math.log(density))

    scale = sd * math.sqrt(2 * math.pi)
    return integrate.quad(integrand, mean - 9 * sd, mean + 9 * sd, limit=400, epsabs=1e-12)[0] / scale


def test_reverse_kl_seeks_modes_and_reports_every_minimum():
    found = gv.fit_gaussian(BIMODAL)
    assert found.converged
    first, second = found.minima
    assert first.q.mean[0] == pytest.approx(4, abs=0.01)
    assert second.q.mean[0] == pytest.approx(-3, abs=0.01)
    assert (first.kl, second.kl) == pytest.approx((-np.log(0.6), -np.log(0.4)), abs=2e-3)
    assert first.starts + second.starts == 11
    for minimum in found.minima:
        mean, sd = minimum.q.mean[0], np.sqrt(minimum.q.cov[0, 0])
        assert minimum.kl == pytest.approx(reverse_kl(mean, sd), rel=1e-9)
        better = optimize.minimize(
            lambda x: reverse_kl(x[0], np.exp(x[1])), [mean, np.log(sd)], method="Nelder-Mead"
        )
        assert minimum.kl <= better.fun + 1e-9
    grid = [reverse_kl(m, s) for m in np.linspace(-6, 6, 25) for s in (0.4, 0.7, 1, 2)]
    assert found.kl < min(grid)


def test_forward_kl_covers_the_mass():
    found = gv.fit_gaussian(BIMODAL, divergence="forward")
    x = BIMODAL.sample(400_000, rng=0)[:, 0]
    assert found.q.mean[0] == pytest.approx(x.mean(), abs=0.03)
    assert found.q.cov[0, 0] == pytest.approx(x.var(), rel=0.01)
    axis = np.linspace(-13, 12, 20_001)[:, None]
    logs = BIMODAL.logpdf(axis)
    want = np.sum(np.exp(logs) * (logs - found.q.logpdf(axis))) * (axis[1, 0] - axis[0, 0])
    assert found.kl == pytest.approx(want, rel=1e-9)
    assert len(found.minima) == 1
    # Mode seeking and mass covering are different laws, and each wins in its own direction.
    seeker = gv.fit_gaussian(BIMODAL).q
    assert found.q.cov[0, 0] > 10 * seeker.cov[0, 0]
    assert reverse_kl(found.q.mean[0], np.sqrt(found.q.cov[0, 0])) > gv.fit_gaussian(BIMODAL).kl


def test_a_symmetric_mixture_has_a_third_wide_minimum():
    # Found from the moments; it is a minimum, and a poor one: the reason for starting many times.
    p = gv.Mixture([0.5, 0.5], [-4, 4], [1, 1])
    found = gv.fit_gaussian(p, n_starts=0)
    assert [round(float(m.q.mean[0]), 2) for m in found.minima] == [-4.0, 4.0, 0.0]
    assert found.minima[0].kl == pytest.approx(found.minima[1].kl, rel=1e-9)
    assert found.minima[0].kl == pytest.approx(np.log(2), abs=2e-4)
    sd = np.sqrt(found.minima[2].q.cov[0, 0])
    around = [reverse_kl(m, s * sd, p) for m, s in ((0.1, 1), (-0.1, 1), (0, 0.97), (0, 1.03))]
    assert min(around) > found.minima[2].kl > 2 * found.minima[0].kl


def test_descent_leaves_a_saddle():
    def saddle(x):  # minima at (0, +-1), value -1; the start is on the ridge y = 0
        return x[0] ** 2 - 2 * x[1] ** 2 + x[1] ** 4, np.array([2 * x[0], -4 * x[1] + 4 * x[1] ** 3])

    x = _descend(saddle, np.array([1.0, 0.0]), 1e-8, 100)
    assert (x[0], abs(x[1])) == pytest.approx((0, 1), abs=1e-7)


def test_two_dimensional_fit_is_stationary_under_monte_carlo():
    p = gv.Mixture([0.3, 0.7], [[-2, 0], [2, 1]], [np.eye(2), [[2, 0.5], [0.5, 1]]])
    found = gv.fit_gaussian(p, n_starts=0)
    x = found.q.sample(400_000, rng=0)
    ratio = found.q.logpdf(x) - p.logpdf(x)
    assert found.kl == pytest.approx(ratio.mean(), abs=5 * ratio.std() / np.sqrt(len(x)))
    # Opper & Archambeau (2009): at the optimum E_q[grad log p] = 0 and E_q[grad log p (x - m)'] = -I.
    score = p.score(x)[1]
    np.testing.assert_allclose(score.mean(axis=0), 0, atol=0.01)
    np.testing.assert_allclose(score.T @ (x - found.q.mean) / len(x), -np.eye(2), atol=0.02)


def test_score_is_the_gradient_of_logpdf():
    p = gv.Mixture([0.3, 0.7], [[-2, 0], [2, 1]], [np.eye(2), [[2, 0.5], [0.5, 1]]])
    x = np.array([[0.3, -0.2], [5.0, 5.0]])
    logs, score = p.score(x)
    np.testing.assert_allclose(logs, p.logpdf(x), rtol=1e-14)
    for i in range(2):
        h = 1e-5 * np.eye(2)[i]
        np.testing.assert_allclose(score[:, i], (p.logpdf(x + h) - p.logpdf(x - h)) / 2e-5, rtol=1e-8)


@pytest.mark.parametrize("d", [1, 3])
def test_one_component_is_its_own_best_gaussian(d):
    p = random_gaussian(5, d)
    found = gv.fit_gaussian(gv.Mixture([1.0], [p.mean], [p.cov]), n_starts=2, rng=1)
    assert len(found.minima) == 1
    assert found.kl == pytest.approx(0, abs=1e-3 if d > 2 else 1e-12)
    np.testing.assert_allclose(found.q.mean, p.mean, atol=1e-2 if d > 2 else 1e-6)


def test_a_fit_out_of_steps_carries_its_state():
    with pytest.raises(gv.ApproximationError, match="gradient") as caught:
        gv.fit_gaussian(BIMODAL, max_iter=1, n_starts=0)
    assert caught.value.state.minima
    assert not gv.fit_gaussian(BIMODAL, max_iter=1, n_starts=0, throw=False).converged


# ---- log p(x) = ELBO + KL ---------------------------------------------------------------------------


@given(st.integers(0, 10_000))
def test_discrete_decomposition_adds_up(seed):
    rng = np.random.default_rng(seed)
    log_joint = rng.standard_normal((3, 4)) * 5 - 2
    q = rng.dirichlet(np.full(12, 0.3)).reshape(3, 4)
    terms = gv.decompose(log_joint, q)
    assert terms.log_evidence == pytest.approx(np.log(np.sum(np.exp(log_joint))), rel=1e-12)
    assert terms.elbo + terms.kl == pytest.approx(terms.log_evidence, rel=1e-12, abs=1e-12)
    assert terms.kl >= 0
    posterior = np.exp(log_joint - terms.log_evidence)
    tight = gv.decompose(log_joint, posterior)
    assert tight.kl == pytest.approx(0, abs=1e-14)
    assert tight.elbo == pytest.approx(terms.log_evidence, rel=1e-12)


def test_discrete_decomposition_where_states_are_impossible():
    terms = gv.decompose([-np.inf, np.log(0.2)], [0.0, 1.0])
    assert terms.kl == pytest.approx(0, abs=1e-15)
    assert terms.elbo == pytest.approx(np.log(0.2), rel=1e-15)
    off = gv.decompose([-np.inf, np.log(0.2)], [0.5, 0.5])
    assert (off.elbo, off.kl) == (-np.inf, np.inf)
    with pytest.raises(ValueError, match="probability 0"):
        gv.decompose([-np.inf, -np.inf], [0.5, 0.5])


@given(st.integers(0, 10_000))
def test_gaussian_decomposition_adds_up(seed):
    rng = np.random.default_rng(seed)
    noise = random_gaussian(seed + 1, 3).cov
    model = gv.LinearGaussian(
        random_gaussian(seed, 2), rng.standard_normal((3, 2)), noise, rng.standard_normal(3)
    )
    x = rng.standard_normal(3)
    q = random_gaussian(seed + 2, 2)
    terms = model.decompose(x, q)
    assert terms.elbo + terms.kl == pytest.approx(terms.log_evidence, rel=1e-10)
    # log p(x) by Bayes' rule at an arbitrary z, no marginalisation involved.
    z = rng.standard_normal(2)
    likelihood = gv.Gaussian(model.weights @ z + model.offset, noise).logpdf(x)
    bayes = likelihood + model.prior.logpdf(z) - model.posterior(x).logpdf(z)
    assert bayes == pytest.approx(terms.log_evidence, rel=1e-9)


def test_linear_vae_has_the_closed_form_gap():
    # PPCA with a diagonal encoder: the gap is 1/2 (sum log M_ii - log det M), M = W'W + s^2 I.
    weights, s2 = np.array([[1.0, 0.5], [0.3, 2.0], [-1.0, 0.4]]), 0.3
    model = gv.LinearGaussian(gv.Gaussian([0, 0], np.eye(2)), weights, s2 * np.eye(3))
    x = np.array([0.2, -1.0, 0.7])
    posterior = model.posterior(x)
    m = weights.T @ weights + s2 * np.eye(2)
    np.testing.assert_allclose(posterior.cov, s2 * np.linalg.inv(m), rtol=1e-13)
    assert model.decompose(x, posterior).elbo == pytest.approx(float(model.evidence().logpdf(x)), rel=1e-13)
    gap = 0.5 * (np.sum(np.log(np.diag(m))) - np.linalg.slogdet(m)[1])
    assert model.decompose(x, gv.mean_field(posterior)).kl == pytest.approx(gap, rel=1e-13)


# ---- expectation propagation ------------------------------------------------------------------------


def test_gaussian_sites_give_the_exact_posterior_in_full():
    # Bayesian linear regression: the evidence and the posterior are known.
    rng = np.random.default_rng(0)
    a, y, noise = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.uniform(0.1, 2, 6)
    prior = random_gaussian(3, 3)
    found = gv.expectation_propagation(
        [gv.GaussianSite(*pair) for pair in zip(y, noise, strict=True)], prior, projections=a
    )
    model = gv.LinearGaussian(prior, a, np.diag(noise))
    np.testing.assert_allclose(found.q.mean, model.posterior(y).mean, rtol=1e-10)
    np.testing.assert_allclose(found.q.cov, model.posterior(y).cov, rtol=1e-10, atol=1e-14)
    assert found.log_evidence == pytest.approx(float(model.evidence().logpdf(y)), rel=1e-12)
    assert found.n_iter == 2  # one sweep to get there, one to see that nothing moves


@pytest.mark.parametrize("site", [gv.GaussianSite(3.0, 0.01), gv.GaussianSite(-50.0, 1e-6)])
def test_quadrature_finds_narrow_and_distant_gaussian_sites(site):
    found = gv.expectation_propagation(
        [lambda s: -0.5 * (s - site.value) ** 2 / site.var - 0.5 * np.log(2 * np.pi * site.var)],
        gv.Gaussian(0, 1),
    )
    exact = gv.expectation_propagation([site], gv.Gaussian(0, 1))
    assert found.q.mean[0] == pytest.approx(exact.q.mean[0], rel=1e-12)
    assert found.q.cov[0, 0] == pytest.approx(exact.q.cov[0, 0], rel=1e-9)
    assert found.log_evidence == pytest.approx(exact.log_evidence, rel=1e-10)


def test_probit_moments_by_formula_quadrature_and_scipy():
    # SciPy's quadrature knows nothing of either of ours.
    for sign, scale, mean, var in [(1, 1.0, 0.3, 4.0), (-1, 0.5, 2.0, 1.0), (1, 0.1, -3.0, 1.0)]:
        site = gv.ProbitSite(sign, scale)

        def weight(s, k, mean=mean, var=var, sign=sign, scale=scale):
            return s**k * stats.norm.pdf(s, mean, np.sqrt(var)) * special.ndtr(sign * s / scale)

        lo, hi = mean - 12 * np.sqrt(var), mean + 12 * np.sqrt(var)
        z, first, second = (
            integrate.quad(weight, lo, hi, args=(k,), points=[0, mean], limit=400, epsabs=0, epsrel=1e-12)[0]
            for k in range(3)
        )
        want = (np.log(z), first / z, second / z - (first / z) ** 2)
        assert site.tilted(mean, var) == pytest.approx(want, rel=1e-8)


def test_factors_given_by_their_log_match_the_closed_form():
    pairs = [(1, 1.0), (-1, 0.5), (1, 0.01)]
    exact = gv.expectation_propagation([gv.ProbitSite(*pair) for pair in pairs], gv.Gaussian(0, 4))
    found = gv.expectation_propagation(
        [lambda s, sign=sign, scale=scale: special.log_ndtr(sign * s / scale) for sign, scale in pairs],
        gv.Gaussian(0, 4),
    )
    assert found.q.mean[0] == pytest.approx(exact.q.mean[0], rel=1e-10)
    assert found.q.cov[0, 0] == pytest.approx(exact.q.cov[0, 0], rel=1e-10)
    assert found.log_evidence == pytest.approx(exact.log_evidence, rel=1e-10)


def test_one_site_is_matched_exactly():
    # With one factor EP returns the moments and the normaliser of the posterior itself.
    found = gv.expectation_propagation([lambda s: -np.abs(s - 1) * 2], gv.Gaussian(0, 1))
    z, first, second = (
        integrate.quad(
            lambda s, k=k: s**k * stats.norm.pdf(s) * np.exp(-2 * abs(s - 1)), -12, 12, points=[0, 1]
        )[0]
        for k in range(3)
    )
    assert found.log_evidence == pytest.approx(np.log(z), abs=1e-8)
    assert found.q.mean[0] == pytest.approx(first / z, abs=1e-8)
    assert found.q.cov[0, 0] == pytest.approx(second / z - (first / z) ** 2, abs=1e-8)


def test_probit_regression_lands_near_the_posterior_and_damping_does_not_move_it():
    rng = np.random.default_rng(1)
    a, prior = rng.standard_normal((8, 2)), gv.Gaussian([0, 0], np.eye(2))
    sites = [gv.ProbitSite(int(s)) for s in rng.choice([-1, 1], 8)]
    found = gv.expectation_propagation(sites, prior, projections=a)
    damped = gv.expectation_propagation(sites, prior, projections=a, damping=0.5)
    assert damped.n_iter > found.n_iter
    np.testing.assert_allclose(found.q.mean, damped.q.mean, atol=1e-8)
    assert found.log_evidence == pytest.approx(damped.log_evidence, abs=1e-8)
    axis = np.linspace(-7, 7, 301)
    z = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1)
    signs = np.array([s.sign for s in sites])
    density = np.exp(prior.logpdf(z) + np.sum(special.log_ndtr(signs * (z @ a.T)), axis=-1))
    mass = density.sum()
    exact_mean = np.einsum("ij,ijk->k", density, z) / mass
    np.testing.assert_allclose(found.q.mean, exact_mean, atol=0.01)
    # The known quality of EP on probit models: the evidence to a fraction of a per cent.
    assert found.log_evidence == pytest.approx(np.log(mass * (axis[1] - axis[0]) ** 2), abs=0.01)


def clutter_posterior(x, w=0.5, clutter_var=10.0, prior_var=100.0):
    """Exact log evidence and mean: the posterior is a mixture over the 2^n sets of genuine points."""
    n, d = x.shape
    logs, means = [], []
    for pick in itertools.product([False, True], repeat=n):
        real = x[np.array(pick)]
        k = len(real)
        precision = 1 / prior_var + k
        mean = real.sum(axis=0) / precision
        log_real = -0.5 * (
            d * (k * np.log(2 * np.pi) + np.log(prior_var * precision))
            + np.sum(real**2)
            - precision * mean @ mean
        )
        noise = x[~np.array(pick)]
        log_noise = np.sum(stats.norm.logpdf(noise, scale=np.sqrt(clutter_var)))
        logs.append(log_real + log_noise + k * np.log1p(-w) + (n - k) * np.log(w))
        means.append(mean)
    return special.logsumexp(logs), special.softmax(logs) @ np.array(means)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_clutter_against_the_enumerated_posterior(d):
    rng = np.random.default_rng(10 + d)
    x = np.concatenate([2 + rng.standard_normal((7, d)), np.sqrt(10) * rng.standard_normal((3, d))])
    found = gv.clutter(x)
    log_evidence, mean = clutter_posterior(x)
    assert found.converged
    np.testing.assert_allclose(found.q.mean, mean, atol=0.1)
    assert found.log_evidence == pytest.approx(log_evidence, abs=0.15)
    assert found.q.cov[0, 0] == found.q.cov[-1, -1]


def test_clutter_is_exact_for_one_point_and_without_clutter():
    x = np.array([[1.5, -0.5]])
    log_evidence, mean = clutter_posterior(x, w=0.3)
    one = gv.clutter(x, contamination=0.3)
    assert one.log_evidence == pytest.approx(log_evidence, rel=1e-12)
    np.testing.assert_allclose(one.q.mean, mean, rtol=1e-12)
    x = np.random.default_rng(0).standard_normal((5, 2))
    clean = gv.clutter(x, contamination=0.0)
    np.testing.assert_allclose(clean.q.mean, x.sum(axis=0) / 5.01, rtol=1e-12)
    assert clean.log_evidence == pytest.approx(clutter_posterior(x, w=1e-300)[0], rel=1e-12)


def test_clutter_in_one_dimension_is_general_ep():
    x = np.array([1.9, 2.4, 1.1, -6.0, 3.0])

    def site(value):
        return lambda s: np.logaddexp(
            np.log(0.5) + stats.norm.logpdf(value, s, 1),
            np.log(0.5) + stats.norm.logpdf(value, 0, np.sqrt(10)),
        )

    general = gv.expectation_propagation([site(v) for v in x], gv.Gaussian(0, 100))
    special_case = gv.clutter(x)
    assert general.q.mean[0] == pytest.approx(special_case.q.mean[0], rel=1e-7)
    assert general.log_evidence == pytest.approx(special_case.log_evidence, rel=1e-7)


def wandering() -> np.ndarray:
    rng = np.random.default_rng(9)
    return np.where(rng.random(20) < 0.5, 2 + rng.standard_normal(20), np.sqrt(10) * rng.standard_normal(20))


def test_ep_that_wanders_says_so():
    with pytest.raises(gv.ApproximationError, match=r"no guarantee.*|damping") as caught:
        gv.clutter(wandering(), max_iter=50)
    assert caught.value.state.n_iter == 50
    state = gv.clutter(wandering(), max_iter=50, throw=False)
    assert not state.converged
    assert state.change > 1e-3
    assert np.isfinite(state.q.mean).all()


# ---- variational linear regression ------------------------------------------------------------------


def test_bishop_regression_has_the_reference_digits():
    want = REFERENCE["variational_linear_regression"]
    fit = gv.linear_regression(PHI, T, beta=4, a0=0.01, b0=0.01, start=1, tol=1e-15)
    np.testing.assert_allclose(fit.alphas[1:5], [float(v) for v in want["iterates"]], rtol=5e-12)
    assert fit.a == float(want["aN"])
    for name, value in (("bN", fit.b), ("E_alpha", fit.expected_alpha), ("ELBO", fit.elbo)):
        assert value == pytest.approx(float(want[name]), rel=2e-15), name
    np.testing.assert_allclose(fit.mean, [float(v) for v in want["m"]], rtol=2e-15)
    np.testing.assert_allclose(fit.cov[[0, 0, 1], [0, 1, 1]], [float(v) for v in want["S"]], rtol=5e-15)
    assert fit.log_evidence == pytest.approx(float(want["log_evidence"]), rel=1e-14)
    assert fit.kl == pytest.approx(float(want["gap"]), abs=1e-13)
    assert fit.exact_alpha == pytest.approx(float(want["exact_E_alpha"]), rel=1e-11)
    assert gv.linear_regression(PHI, T, tau=4).elbo == gv.linear_regression(PHI, T, beta=4).elbo
    for twice_or_never in ({}, {"beta": 4, "tau": 4}):
        with pytest.raises(TypeError, match="give the precision of the noise once"):
            gv.linear_regression(PHI, T, **twice_or_never)


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(1, 4))
def test_regression_satisfies_its_equations_and_bounds_the_evidence(seed, n, m):
    # n < m is included: the eigenbasis must carry the directions the data do not see.
    rng = np.random.default_rng(seed)
    phi, t, beta = rng.standard_normal((n, m)), rng.standard_normal(n), rng.uniform(0.2, 5)
    fit = gv.linear_regression(phi, t, beta=beta, a0=0.5, b0=0.3)
    s = np.linalg.inv(fit.expected_alpha * np.eye(m) + beta * phi.T @ phi)
    np.testing.assert_allclose(fit.cov, s, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(fit.mean, beta * s @ phi.T @ t, rtol=1e-8, atol=1e-10)
    assert fit.b == pytest.approx(0.3 + 0.5 * (fit.mean @ fit.mean + np.trace(fit.cov)), rel=1e-10)

    def evidence(alpha):
        cov = np.eye(n) / beta + phi @ phi.T / alpha
        return np.exp(gv.Gaussian(np.zeros(n), cov).logpdf(t)) * stats.gamma.pdf(alpha, 0.5, scale=1 / 0.3)

    exact = integrate.quad(lambda u: evidence(np.exp(u)) * np.exp(u), -20, 6, limit=400, epsrel=1e-10)[0]
    assert fit.log_evidence == pytest.approx(np.log(exact), abs=1e-7)
    assert fit.elbo <= fit.log_evidence
    mean, var = fit.predict(phi)
    np.testing.assert_allclose(mean, phi @ fit.mean)
    assert np.all(var > 1 / beta)


def test_the_gap_is_the_divergence_from_the_posterior():
    # KL(q || posterior) = E_q(alpha)[KL(q(w) || p(w | alpha, t))] + KL(q(alpha) || p(alpha | t)).
    fit = gv.linear_regression(PHI, T, beta=4)
    phi, t = np.array(PHI, float), np.array(T, float)
    q = gv.Gaussian(fit.mean, fit.cov)

    def integrand(u):
        alpha = np.exp(u)
        cov = np.linalg.inv(alpha * np.eye(2) + 4 * phi.T @ phi)
        inner = q.kl(gv.Gaussian(4 * cov @ phi.T @ t, cov))
        log_q = stats.gamma.logpdf(alpha, fit.a, scale=1 / fit.b)
        log_joint = gv.Gaussian(np.zeros(4), np.eye(4) / 4 + phi @ phi.T / alpha).logpdf(t)
        log_joint += stats.gamma.logpdf(alpha, 0.01, scale=100)
        return np.exp(log_q) * alpha * (inner + log_q - (log_joint - fit.log_evidence))

    direct = integrate.quad(integrand, -30, 4, limit=400)[0]
    assert fit.kl == pytest.approx(direct, abs=1e-8)


def test_regression_at_its_limit_returns_what_it_has():
    with pytest.raises(gv.ApproximationError, match="max_iter=2") as caught:
        gv.linear_regression(PHI, T, beta=4, max_iter=2)
    state = caught.value.state
    np.testing.assert_allclose(state.alphas, [1, 1.16959892104, 1.18269214646], rtol=5e-12)
    assert state.elbo < gv.linear_regression(PHI, T, beta=4).elbo


# ---- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gv.Gaussian([0, np.nan], np.eye(2)), r"mean\[1\] is nan"),
        (lambda: gv.Gaussian([0, 0], np.eye(3)), r"cov has shape \(3, 3\)"),
        (lambda: gv.Gaussian([0, 0], [[1, 2], [2, 1]]), "not positive definite"),
        (lambda: gv.Gaussian([0, 0], [[1, 0.5], [0, 1]]), "differs from its transpose"),
        (lambda: gv.Mixture([0.5, 0.6], [0, 1], [1, 1]), "sums to"),
        (lambda: gv.Mixture([1.0], [[0, 1]], [1]), "covs has shape"),
        (lambda: gv.fit_gaussian(BIMODAL, divergence="js"), "'reverse', 'forward'"),
        (lambda: gv.coordinate_ascent(correlated(0.5), start=[1.0]), "start has 1"),
        (lambda: gv.decompose([0.0], [0.5, 0.5]), "must be the same"),
        (lambda: gv.decompose([0.0, np.nan], [0.5, 0.5]), "NaN"),
        (lambda: gv.expectation_propagation([], gv.Gaussian(0, 1)), "empty"),
        (lambda: gv.expectation_propagation([np.cos], correlated(0.5)), "pass projections"),
        (lambda: gv.expectation_propagation([lambda s: s * np.nan], gv.Gaussian(0, 1)), "not a number"),
        (lambda: gv.expectation_propagation([lambda s: s**2], gv.Gaussian(0, 1)), "does not decay"),
        (lambda: gv.expectation_propagation([lambda s: 0.0], gv.Gaussian(0, 1)), "elementwise"),
        (lambda: gv.clutter([1.0], damping=1.0), "damping = 1.0"),
        (lambda: gv.clutter([1.0], contamination=1.5), "contamination"),
        (lambda: gv.GaussianSite(0.0, -1.0), "var = -1.0"),
        (lambda: gv.ProbitSite(2), "sign = 2"),
        (lambda: gv.linear_regression(PHI, [1, 2], beta=1), r"\(n, M\)"),
        (lambda: gv.linear_regression(PHI, T, beta=0), "beta = 0"),
        (lambda: gv.linear_regression(PHI, T, beta=1).predict([[1.0]]), "1 columns"),
    ],
)
def test_refusals_name_the_argument_and_the_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_results_are_frozen_and_inputs_untouched():
    mean, cov = np.zeros(2), np.eye(2)
    p = gv.Gaussian(mean, cov)
    with pytest.raises(FrozenInstanceError):
        p.mean = mean
    mean[0] = 5
    assert p.mean[0] == 0
    assert not p.cov.flags.writeable


def test_a_jump_is_refused_rather_than_integrated_badly():
    with pytest.raises(RuntimeError, match=r"jumps.*tilted"):
        gv.expectation_propagation([lambda s: np.where(s > 0.1234, 0.0, -np.inf)], gv.Gaussian(0, 1))


@pytest.mark.parametrize(("value", "var"), [(-50.0, 1e-10), (3.0, 1e-14), (1e6, 1e-12), (3.0, 1e12)])
def test_evidence_of_sharp_gaussian_sites_keeps_its_digits(value, var):
    """log N(v; m, V + s) in 40-digit arithmetic; differences of natural parameters lose log10(V/s) digits."""
    with mp.workdps(40):
        total = 1 + mp.mpf(var)
        want = -mp.log(2 * mp.pi * total) / 2 - mp.mpf(value) ** 2 / (2 * total)
    found = gv.expectation_propagation([gv.GaussianSite(value, var)], gv.Gaussian(0, 1))
    assert found.log_evidence == pytest.approx(float(want), rel=4e-16)


def test_evidence_of_many_sharp_sites_is_that_of_their_joint_law():
    directions = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, -2.0], [0.3, 0.0, 1.0], [1.0, -1.0, 1.0]])
    values, variances = [2.0, -1.0, 5.0, 0.5], [1e-10, 1e-4, 1.0, 1e-7]
    found = gv.expectation_propagation(
        [gv.GaussianSite(v, s) for v, s in zip(values, variances, strict=True)],
        gv.Gaussian(np.zeros(3), np.eye(3)),
        projections=directions,
    )
    with mp.workdps(40):
        rows = mp.matrix(directions.tolist())
        cov = rows * rows.T + mp.diag(variances)
        y = mp.matrix(values)
        quadratic = (y.T * mp.inverse(cov) * y)[0]
        want = -(quadratic + mp.log(mp.det(cov)) + 4 * mp.log(2 * mp.pi)) / 2
    assert found.log_evidence == pytest.approx(float(want), rel=1e-11)


def test_clutter_under_a_vague_prior_keeps_its_digits():
    found = gv.clutter([3.0], contamination=0.0, prior_var=1e10)
    assert found.log_evidence == pytest.approx(-0.5 * np.log(2 * np.pi * (1e10 + 1)) - 4.5e-10, rel=4e-16)
