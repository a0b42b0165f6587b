"""Entropies and cross-entropies of laws: closed forms, mixtures that scipy gets wrong, infinities."""

from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from scipy import stats

import divergences as dv


@pytest.mark.parametrize(
    ("law", "true"),
    [
        (stats.norm(3, 2), 0.5 * math.log(2 * math.pi * math.e * 4)),
        (stats.norm(0, 1e-8), 0.5 * math.log(2 * math.pi * math.e * 1e-16)),
        (stats.uniform(0, 0.1), math.log(0.1)),
        (stats.expon(scale=3), 1 + math.log(3)),
        (stats.cauchy(), math.log(4 * math.pi)),
        (stats.laplace(3, 1e10), 1 + math.log(2e10)),
        (stats.levy(), (1 + 3 * float(mp.euler) + math.log(16 * math.pi)) / 2),
        (stats.bernoulli(0.25), -0.25 * math.log(0.25) - 0.75 * math.log(0.75)),
        (stats.geom(0.01), (-0.99 * math.log(0.99) - 0.01 * math.log(0.01)) / 0.01),
        (stats.multivariate_normal([0, 1], [[2, 1], [1, 2]]), 1 + math.log(2 * math.pi) + 0.5 * math.log(3)),
    ],
)
def test_entropies_in_closed_form(law, true):
    found = dv.estimate("entropy", law, law)
    assert found.lower <= true + 4e-16 * abs(true)
    assert found.upper >= true - 4e-16 * abs(true)
    assert dv.entropy(law) == pytest.approx(true, rel=1e-12, abs=1e-12)


def test_zipf_whose_tail_is_heavy():
    """-Σ p log p = log ζ(a) - a ζ'(a)/ζ(a)."""
    a = mp.mpf(1.5)
    true = mp.log(mp.zeta(a)) - a * mp.zeta(a, derivative=1) / mp.zeta(a)
    found = dv.estimate("entropy", stats.zipf(1.5), stats.zipf(1.5))
    assert found.lower <= true <= found.upper
    assert found.value == pytest.approx(float(true), rel=1e-6)


def test_mixture_that_scipy_gets_wrong():
    """Two components 50 apart do not overlap: mean entropy plus log 2."""
    mixture = stats.Mixture(
        [stats.Normal(mu=0.0, sigma=1.0), stats.Normal(mu=50.0, sigma=0.01)], weights=[0.5, 0.5]
    )
    parts = [0.5 * math.log(2 * math.pi * math.e * s * s) for s in (1, 0.01)]
    assert dv.entropy(mixture) == pytest.approx(sum(parts) / 2 + math.log(2), rel=1e-11)


def test_cross_entropies():
    assert dv.cross_entropy(stats.norm(), stats.laplace()) == pytest.approx(
        math.log(2) + math.sqrt(2 / math.pi), rel=1e-12
    )
    for P, Q in ((stats.gamma(3), stats.expon()), (stats.poisson(3), stats.geom(0.2, loc=-1))):
        assert dv.cross_entropy(P, Q) == pytest.approx(dv.entropy(P) + dv.kl(P, Q), rel=1e-11)
    m = stats.multivariate_normal
    A, B = m([0, 1], [[2, 1], [1, 2]]), m([1, 1], np.diag([3.0, 1.0]))
    assert dv.cross_entropy(A, B) == pytest.approx(dv.entropy(A) + dv.kl(A, B), rel=1e-12)
    assert dv.cross_entropy(stats.cauchy(), stats.norm()) == math.inf
    assert dv.cross_entropy(stats.uniform(0, 2), stats.uniform(0, 1)) == math.inf
    with pytest.raises(ValueError, match="of one space"):
        dv.cross_entropy(stats.norm(), stats.poisson(2))
