"""W_p between laws: every closed form of the notes against the quantile integral, infinities, bounds."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from divergences._continuous_wasserstein import estimate_wasserstein, line_wasserstein
from divergences._laws import as_law

mp.mp.dps = 40
norm = stats.norm


def quantiles(P, Q, p):
    return line_wasserstein(as_law(P, "P"), as_law(Q, "Q"), float(p), 1e-11)


CASES = [
    (norm(0, 1), norm(1, 2), 1, 1.1666309411753726),
    (norm(0, 1), norm(0, 10), 1, 7.1809610472257882),
    (norm(0, 1), norm(1, 2), 2, math.sqrt(2)),
    (norm(0, 1), norm(0, 3), 4, 2 * 3**0.25),
    (stats.expon(scale=0.5), stats.expon(scale=2), 1, 1.5),
    (stats.expon(scale=0.5), stats.expon(scale=2), 2, 2.12132034355964257),
    (stats.expon(scale=0.5), stats.expon(scale=2), 3, 1.5 * 6 ** (1 / 3)),
    (stats.expon(1, 2), stats.expon(0, 1), 2, math.sqrt(5)),
    (stats.laplace(0), stats.laplace(1), 1, 1.0),
    (stats.uniform(0, 1), stats.uniform(0.2, 0.3), 1, 0.145 / 0.7),
    (stats.uniform(0, 1), stats.uniform(0.2, 0.3), 2, math.sqrt(0.15**2 + 0.35**2 / 3)),
    (stats.gamma(2), stats.gamma(3), 1, 1.0),
    (stats.beta(2, 3), stats.beta(3, 3), 1, 0.1),
]


@pytest.mark.parametrize(("P", "Q", "p", "true"), CASES)
def test_closed_form_and_quantiles_agree_with_the_notes(P, Q, p, true):
    found, numeric = estimate_wasserstein(P, Q, p=p), quantiles(P, Q, p)
    for e in (found, numeric):
        assert e.value == pytest.approx(true, rel=1e-12)
        assert e.lower <= true * (1 + 4e-16)
        assert e.upper >= true * (1 - 4e-16)
        assert e.upper - e.lower <= 1e-9 * true


log_scale = st.floats(-6, 6).map(lambda e: 10.0**e)


@given(st.floats(-1, 1), log_scale, log_scale, log_scale)
def test_truth_inside_for_normals(x, unit, s1, s2):
    m = mp.mpf(x * unit)
    s = mp.mpf(s1) - mp.mpf(s2)
    P, Q = norm(0, s1), norm(x * unit, s2)
    two = mp.sqrt(m * m + s * s)
    one = abs(m) if s == 0 else (
        abs(s) * mp.sqrt(2 / mp.pi) * mp.exp(-((m / s) ** 2) / 2) + abs(m) * mp.erf(abs(m / s) / mp.sqrt(2))
    )  # fmt: skip
    for p, true in ((1, one), (2, two)):
        for e in (estimate_wasserstein(P, Q, p=p), quantiles(P, Q, p)):
            assert e.lower <= true <= e.upper, (e, mp.nstr(true, 20))


def test_infinite_and_finite_moments():
    assert estimate_wasserstein(stats.cauchy(), norm()).value == math.inf
    assert estimate_wasserstein(stats.t(2), norm(), p=2).value == math.inf
    assert estimate_wasserstein(stats.cauchy(0), stats.cauchy(3), p=2).value == 3.0
    assert estimate_wasserstein(stats.t(3), norm(), p=2).upper < 1
    assert estimate_wasserstein(stats.pareto(1.5), stats.uniform(), p=1).value == pytest.approx(2.5, rel=1e-9)


def test_discrete_laws():
    P, Q = stats.poisson(3), stats.poisson(5)
    assert estimate_wasserstein(P, Q).value == 2.0
    assert estimate_wasserstein(stats.bernoulli(0.25), stats.bernoulli(0.5), p=3).value == pytest.approx(
        0.25 ** (1 / 3), rel=1e-14
    )
    k = np.arange(80)
    assert estimate_wasserstein(stats.poisson(3), stats.binom(9, 0.4)).value == pytest.approx(
        stats.wasserstein_distance(k, k, P.pmf(k), stats.binom(9, 0.4).pmf(k)), rel=1e-12
    )


def test_gaussian_vectors():
    m = stats.multivariate_normal
    e = estimate_wasserstein(m([0, 0], [[2, 1], [1, 2]]), m([0, 0], np.diag([3.0, 1])), p=2)
    assert e.value**2 == pytest.approx(0.516685226452117229, rel=1e-13)
    P = m([0, 0], [[1, 0.9], [0.9, 1]])
    assert estimate_wasserstein(P, m([0, 0], 0.19 * np.eye(2)), p=2).value == pytest.approx(
        0.950080793456120, rel=1e-13
    )
    assert estimate_wasserstein(P, m([0, 0], np.eye(2)), p=2).value == pytest.approx(
        0.781495180758192, rel=1e-13
    )
    # near-equal covariances: commuting, so W2² = Σ(√a - √b)²
    near = estimate_wasserstein(m([0, 0], np.diag([1.0, 4.0])), m([0, 0], np.diag([1.0 + 2e-9, 4.0])), p=2)
    assert near.lower <= 1e-9 <= near.upper
    assert near.value == pytest.approx(1e-9, rel=1e-6)


def test_refusals():
    with pytest.raises(ValueError, match="1 <= p"):
        estimate_wasserstein(norm(), norm(), p=0.5)
    m = stats.multivariate_normal
    with pytest.raises(ValueError, match=r"no closed form of W_1"):
        estimate_wasserstein(m([0, 0], np.eye(2)), m([0, 0], 2 * np.eye(2)))
    with pytest.raises(ValueError, match="closed form only"):
        estimate_wasserstein(norm(), stats.logistic(), p=math.inf)
