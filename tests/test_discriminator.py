"""D* = p / (p + q), and what the game is worth at it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import divergences as dv


def test_the_game_at_the_best_discriminator_is_js_less_log_4():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(7), size=(2, 3))
    best = dv.optimal_discriminator(p, q)
    value = np.sum(p * np.log(best) + q * np.log1p(-best), axis=-1)
    np.testing.assert_allclose(value, dv.js(p, q) - math.log(4), rtol=1e-13)
    np.testing.assert_allclose(best, p / (p + q), rtol=1e-14)
    worse = [np.sum(p * np.log(d) + q * np.log1p(-d), axis=-1) for d in (best**1.01, best**0.99)]
    assert all((w < value).all() for w in worse)


def test_of_laws_it_is_exact_where_densities_underflow():
    P, Q = stats.norm(0, 1), stats.norm(1, 1)
    x = np.array([-60.0, 0.5, 60.0])  # log p - log q = 1/2 - x
    np.testing.assert_allclose(dv.optimal_discriminator(P, Q, x), 1 / (1 + np.exp(x - 0.5)), rtol=1e-12)
    value = quad(lambda t: float(P.pdf(t) * np.log(dv.optimal_discriminator(P, Q, t))), -12, 12)[0] * 2
    assert value == pytest.approx(dv.js(P, Q) - math.log(4), rel=1e-8)  # by symmetry


def test_masses_of_one_and_of_none():
    assert dv.optimal_discriminator([2, 0, 0], [1, 0, 1], normalize=True) == pytest.approx([2 / 3, 0.5, 0])
    flat = stats.uniform(0, 1), stats.uniform(2, 1)
    assert dv.optimal_discriminator(*flat, [0.5, 1.5, 2.5]).tolist() == [1.0, 0.5, 0.0]
    assert dv.optimal_discriminator(stats.poisson(1), stats.poisson(2), [0]) == pytest.approx(
        1 / (1 + math.exp(-1))
    )


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([0.5, 0.5], stats.norm()), TypeError, "not one of each"),
        (([0.5, 0.5], [0.5, 0.5], [0.0]), ValueError, "drop x"),
        ((stats.norm(), stats.norm()), ValueError, "x is missing"),
        ((stats.norm(), stats.norm(), [math.nan]), ValueError, "not finite"),
        (([0.5, 0.6], [0.5, 0.5]), ValueError, "sums to"),
    ],
)
def test_refusals(arguments, error, match):
    with pytest.raises(error, match=match):
        dv.optimal_discriminator(*arguments)
