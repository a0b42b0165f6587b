"""W_p between laws: every closed form of the notes against the quantile integral, infinities, bounds."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import divergences as dv
from divergences._continuous_wasserstein import estimate_wasserstein, line_wasserstein
from divergences._recognise import as_law

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


# ---------------------------------------------------------------- names, tails, atoms, samples


def test_a_shared_name_is_no_shared_law():
    near, far = stats.rv_histogram(([1, 1], [0, 1, 2])), stats.rv_histogram(([1, 1], [0, 10, 20]))
    assert dv.wasserstein(near, far) == pytest.approx(9.0, rel=1e-12)
    assert dv.wasserstein(near, far, p=2) == pytest.approx(math.sqrt(9**2 + 9**2 / 3), rel=1e-11)
    P = stats.rv_discrete(values=([1, 2, 3], [0, 0.25, 0.75]))
    Q = stats.rv_discrete(values=([1, 2, 3], [0.4, 0.4, 0.2]))
    assert dv.wasserstein(P, Q) == pytest.approx(0.95, rel=1e-14)

    class Mine(stats.rv_continuous):
        def _pdf(self, x):
            return 0.5 * np.exp(-np.abs(x))

    mine = Mine(name="norm")
    assert dv.wasserstein(mine(0, 1), mine(0, 2)) == pytest.approx(1.0, rel=1e-10)  # E|Z| of a Laplace law


@pytest.mark.parametrize(
    ("P", "Q", "p", "true"),
    [
        (stats.skewcauchy(0.1), norm(), 1, math.inf),
        (stats.alpha(2), norm(), 1, math.inf),
        (stats.betaprime(2, 1.5), stats.expon(), 2, math.inf),
        (stats.betaprime(2, 1.5), stats.betaprime(3, 1.5), 1, 2.0),  # ordered: the gap of the means a/(b-1)
        (stats.uniform(0, 1), stats.uniform(5, 1.5), 3, None),
        (stats.triang(0.3), stats.bradford(0.2, loc=4), 1, None),
        (stats.genextreme(-0.25), stats.semicircular(9), 1, None),
    ],
)
def test_tails_and_gaps(P, Q, p, true):
    if true is None and p == 1:  # disjoint or ordered supports: the gap of the means
        true = abs(P.mean() - Q.mean()) if Q.dist.name == "bradford" else None
    if true is None and p == 3:  # quantiles u and 5 + 1.5u
        true = float(((5.5**4 - 5**4) / (4 * 0.5)) ** (1 / 3))
    if true is None:  # ∫|F - G| by midpoints on half a million points
        x = np.linspace(-5, 4e3, 2_000_001)
        true = float(np.sum(np.abs(P.cdf(x) - Q.cdf(x))) * (x[1] - x[0]))
        assert estimate_wasserstein(P, Q, p=p).value == pytest.approx(true, rel=1e-5)
        return
    found = line_wasserstein(as_law(P, "P"), as_law(Q, "Q"), float(p))
    assert found.value == pytest.approx(true, rel=1e-11)
    assert found.upper - found.lower <= 1e-9 * true or true == math.inf


def test_gaussian_mixtures_on_the_line():
    """Symmetric two-point mixture against its own components' mean law: W1 = E|·| by one integral."""
    P = dv.GaussianMixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    x = np.linspace(-12, 12, 200_001)
    F = 0.5 * (norm.cdf(x + 1) + norm.cdf(x - 1))
    want = float(np.sum(np.abs(F - norm.cdf(x))) * (x[1] - x[0]))
    assert dv.wasserstein(P, norm()) == pytest.approx(want, rel=1e-8)
    assert dv.wasserstein(P, P) == 0.0
    shifted = dv.GaussianMixture([0.5, 0.5], [2.0, 4.0], [1.0, 1.0])
    for p in (1, 2):
        assert dv.wasserstein(P, shifted, p=p) == pytest.approx(3.0, rel=1e-10)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=8),
    st.integers(0, 2**32),
    st.sampled_from([1.0, 2.0, 3.0]),
)
@settings(max_examples=15)
def test_sample_against_a_uniform_law(points, seed, p):
    """Against ∫₀¹ |x_k - u|^p du, piece by piece in closed form."""
    w = np.random.default_rng(seed).dirichlet(np.ones(len(points)))
    w /= math.fsum(w)
    x = np.asarray(points)
    order = np.argsort(x)
    borders = np.concatenate([[0.0], np.cumsum(w[order])])
    borders[-1] = 1.0

    def primitive(t):
        return np.sign(t) * np.abs(t) ** (p + 1) / (p + 1)

    pieces = primitive(borders[1:] - x[order]) - primitive(borders[:-1] - x[order])
    want = float(pieces.sum()) ** (1 / p)
    found = dv.estimate("wasserstein", x, stats.uniform(), p=p, weights=w)
    assert found.lower - 1e-13 <= want <= found.upper + 1e-13
    assert found.value == pytest.approx(want, rel=1e-9, abs=1e-12)
    assert dv.wasserstein(stats.uniform(), x, b=w, p=p) == pytest.approx(want, rel=1e-9, abs=1e-12)


def test_sample_against_other_laws():
    x = [-1.0, 0.0, 2.5]
    grid = np.linspace(-15, 15, 600_001)
    F = (np.asarray(x)[:, None] <= grid).mean(axis=0)
    want = float(np.sum(np.abs(F - norm.cdf(grid))) * (grid[1] - grid[0]))
    assert dv.wasserstein(x, norm()) == pytest.approx(want, rel=1e-4)
    assert dv.wasserstein([0.0, 1.0], stats.poisson(2)) == pytest.approx(1.5, rel=1e-12)  # ordered
    assert dv.wasserstein(x, stats.cauchy()) == math.inf
    assert dv.wasserstein(stats.poisson(3), stats.expon(50)) == pytest.approx(48.0, rel=1e-11)
    with pytest.raises(ValueError, match="weights of a distribution"):
        dv.wasserstein(norm(), norm(1), a=[1.0])
    with pytest.raises(ValueError, match="line only"):
        dv.wasserstein([[0.0, 1.0]], norm())
