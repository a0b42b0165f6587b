"""Gaussian mixtures: brackets that hold with certainty, against quadrature on the line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import divergences as dv
from divergences._mixtures import bracket_mixtures


def draw(seed, k, spread):
    rng = np.random.default_rng(seed)
    w = rng.dirichlet(np.ones(k))
    return dv.GaussianMixture(w / w.sum(), spread * rng.normal(size=k), rng.uniform(0.1, 3, size=k))


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 4), st.floats(0.01, 30))
@settings(max_examples=20)
def test_bracket_holds_on_the_line(seed, j, k, spread):
    p, q = draw(seed, j, spread), draw(seed + 1, k, spread)
    for name in ("kl", "js"):
        true = dv.estimate(name, p, q)
        assert true.method == "quadrature"
        assert true.upper - true.lower <= 1e-9 * true.value
        low, high = bracket_mixtures(name, p, q)
        assert low <= true.value <= high


def test_bracket_is_not_vacuous():
    far = dv.GaussianMixture([0.5, 0.5], [-20.0, 20.0], [1.0, 1.0])
    one = dv.GaussianMixture([1.0], [-20.0], [1.0])
    low, high = bracket_mixtures("js", far, one)
    # (½, ½) against (1, 0): the components do not overlap
    true = 0.5 * math.log(2 / 3) + 0.5 * math.log(2) + math.log(4 / 3)
    assert low == pytest.approx(true, abs=1e-6)
    assert high == pytest.approx(true, abs=1e-6)
    low, high = bracket_mixtures("kl", one, far)
    assert high == pytest.approx(math.log(2), abs=1e-6)


def test_in_the_plane_value_and_bracket():
    """Product with a common second coordinate: the answer is that of the line."""
    m, c = np.array([-1.0, 2.0]), np.array([1.0, 0.5])

    def lift(weights, means, variances):
        return dv.GaussianMixture(weights, [[v, 0.0] for v in means], [np.diag([v, 1.0]) for v in variances])

    line = dv.GaussianMixture([0.3, 0.7], m, c), dv.GaussianMixture([0.6, 0.4], m + 0.5, c)
    plane = lift([0.3, 0.7], m, c), lift([0.6, 0.4], m + 0.5, c)
    for name in ("kl", "js"):
        true = dv.estimate(name, *line).value
        found = dv.estimate(name, *plane, rng=1)
        assert found.lower <= true <= found.upper
        assert found.confidence == 1.0
        assert abs(found.value - true) < max(6 * found.standard_error, 1e-3 * true)
    assert dv.kl(*line) == dv.estimate("kl", *line).value
    single = dv.estimate("js", stats.multivariate_normal([0, 0], np.eye(2)), plane[0])
    assert single.lower <= single.value <= single.upper


def test_logpdf_and_draws():
    p = dv.GaussianMixture([0.3, 0.7], [[-1, 0], [2, 1]], [np.eye(2), [[1, 0.5], [0.5, 2]]])
    x = np.random.default_rng(0).normal(size=(5, 2))
    true = 0.3 * stats.multivariate_normal([-1, 0], np.eye(2)).pdf(x) + 0.7 * stats.multivariate_normal(
        [2, 1], [[1, 0.5], [0.5, 2]]
    ).pdf(x)
    np.testing.assert_allclose(np.exp(p.logpdf(x)), true, rtol=1e-12)
    z = p.rvs(200_000, 0)
    np.testing.assert_allclose(z.mean(axis=0), [1.1, 0.7], atol=0.02)


def test_refusals():
    with pytest.raises(ValueError, match="positive definite"):
        dv.GaussianMixture([1.0], [[0, 0]], [[[1, 2], [2, 1]]])
    with pytest.raises(ValueError, match="sums to"):
        dv.GaussianMixture([0.5, 0.6], [0, 1], [1, 1])
    with pytest.raises(ValueError, match=r"need \(k,\)"):
        dv.GaussianMixture([0.5, 0.5], [0, 1, 2], [1, 1])
