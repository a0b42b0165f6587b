"""Jensen-Shannon divergence of many measures: as an entropy gap, by its bounds, on arrays and laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import divergences as dv


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(2, 9))
@settings(max_examples=20)
def test_arrays_are_the_entropy_gap(seed, k, n):
    rng = np.random.default_rng(seed)
    p, w = rng.dirichlet(np.ones(n), size=k), rng.dirichlet(np.ones(k))
    w /= math.fsum(w)
    want = dv.entropy(w @ p, normalize=True) - float(w @ dv.entropy(p, normalize=True))
    found = float(dv.jensen_shannon(p, weights=w, normalize=True))
    assert found == pytest.approx(float(want), rel=1e-9, abs=1e-13)
    assert 0 <= found <= float(dv.entropy(w, normalize=True)) + 1e-14


def test_two_measures_with_equal_weights_are_half_of_js():
    p, q = np.array([0.2, 0.3, 0.5]), np.array([0.5, 0.5, 0.0])
    assert float(dv.jensen_shannon([p, q])) == pytest.approx(float(dv.js(p, q)) / 2, rel=1e-14)
    P, Q = stats.norm(0, 1), stats.norm(1, 2)
    assert dv.jensen_shannon([P, Q]) == pytest.approx(dv.js(P, Q) / 2, rel=1e-11)


def test_laws_are_the_entropy_gap_of_their_mixture():
    G = dv.GaussianMixture([0.2, 0.3, 0.5], [-1.0, 0.0, 2.0], [1.0, 4.0, 0.25])
    parts = [stats.norm(-1, 1), stats.norm(0, 2), stats.norm(2, 0.5)]
    want = dv.entropy(G) - sum(w * dv.entropy(law) for w, law in zip((0.2, 0.3, 0.5), parts, strict=True))
    assert dv.jensen_shannon(parts, weights=[0.2, 0.3, 0.5]) == pytest.approx(want, rel=1e-10)
    k = np.arange(60)
    laws = [stats.poisson(1), stats.poisson(4), stats.binom(9, 0.5)]
    masses = np.stack([law.pmf(k) for law in laws])
    assert dv.jensen_shannon(laws) == pytest.approx(
        float(dv.jensen_shannon(masses, normalize=True)), rel=1e-11
    )


def test_singular_groups_add_the_entropy_of_their_weights():
    assert dv.jensen_shannon([stats.norm(), stats.poisson(2)], weights=[0.25, 0.75]) == pytest.approx(
        -0.25 * math.log(0.25) - 0.75 * math.log(0.75), rel=1e-14
    )
    apart = [stats.uniform(3 * i, 1) for i in range(4)]
    assert dv.jensen_shannon(apart) == pytest.approx(math.log(4), rel=1e-12)


def test_refusals():
    with pytest.raises(ValueError, match="empty"):
        dv.jensen_shannon([])
    with pytest.raises(ValueError, match="sum to 1"):
        dv.jensen_shannon([[1.0], [1.0]], weights=[0.5, 0.6])
    with pytest.raises(TypeError, match="all of one kind"):
        dv.jensen_shannon([[1.0], stats.norm()])
    m = stats.multivariate_normal([0, 0], np.eye(2))
    with pytest.raises(ValueError, match="on the line"):
        dv.jensen_shannon([m, m])
    with pytest.raises(ValueError, match="shifted lattices"):
        dv.jensen_shannon([stats.poisson(1), stats.poisson(1, loc=0.5)])
