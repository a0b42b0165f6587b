"""The rows of docs/conventions.md that can be run: our number beside theirs, converted as the table says."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import special, stats
from scipy.spatial import distance

import divergences as dv
import transport as tp

P, Q = np.array([0.5, 0.25, 0.125, 0.125]), np.array([0.125, 0.25, 0.5, 0.125])
X, Y = np.array([0.0, 1.0, 3.0, 7.0]), np.array([0.5, 2.0, 2.5, 4.0])
SPACE = np.column_stack([X, Y]), np.column_stack([Y, X**2 / 4])

ROWS = {
    "kl: stats.entropy": (lambda: dv.kl(P, Q), lambda: stats.entropy(P, Q)),
    "kl: rel_entr": (lambda: dv.kl(P, Q), lambda: special.rel_entr(P, Q).sum()),
    "kl: kl_div": (lambda: dv.kl(P, Q), lambda: special.kl_div(P, Q).sum()),
    "js_distance: jensenshannon": (lambda: dv.js_distance(P, Q), lambda: distance.jensenshannon(P, Q)),
    "js: twice the textbook's": (lambda: dv.js(P, Q) / 2, lambda: distance.jensenshannon(P, Q) ** 2),
    "js in bits": (lambda: dv.js(P, Q) / 2 / math.log(2), lambda: distance.jensenshannon(P, Q, base=2) ** 2),
    "tv: half the sum": (lambda: dv.tv(P, Q), lambda: distance.cityblock(P, Q) / 2),
    "hellinger: twice the square": (
        lambda: 2 * dv.squared_hellinger(P, Q),
        lambda: distance.sqeuclidean(np.sqrt(P), np.sqrt(Q)),
    ),
    "chi2: chisquare over n": (
        lambda: dv.chi2(P, Q),
        lambda: stats.chisquare(800 * P, 800 * Q).statistic / 800,
    ),
    "renyi": (lambda: dv.renyi(P, Q, 0.3), lambda: math.log(np.sum(P**0.3 * Q**0.7)) / (0.3 - 1)),
    "entropy": (lambda: dv.entropy(P), lambda: stats.entropy(P)),
    "cross entropy": (lambda: dv.cross_entropy(P, Q), lambda: stats.entropy(P) + stats.entropy(P, Q)),
    "W1 on the line": (
        lambda: tp.wasserstein_1d(X, Y, a=P, b=Q),
        lambda: stats.wasserstein_distance(X, Y, P, Q),
    ),
    "W1 in space": (lambda: dv.wasserstein(*SPACE), lambda: stats.wasserstein_distance_nd(*SPACE)),
}


@pytest.mark.parametrize("row", ROWS)
def test_ours_and_scipys_agree_as_the_table_says(row):
    ours, theirs = ROWS[row]
    assert float(ours()) == pytest.approx(float(theirs()), rel=1e-9)


def test_ours_and_pots_agree_as_the_table_says():
    ot = pytest.importorskip("ot")
    cost = ot.dist(*SPACE)
    sol = tp.solve(cost, P, Q)
    assert sol.value == pytest.approx(float(ot.emd2(P, Q, cost)), rel=1e-12)
    assert dv.wasserstein(*SPACE, a=P, b=Q, p=2) ** 2 == pytest.approx(sol.value, rel=1e-12)
    log = ot.emd(P, Q, cost, log=True)[1]
    assert float(log["u"] @ P + log["v"] @ Q) == pytest.approx(sol.value, rel=1e-12)
    assert tp.wasserstein_1d(X, Y, a=P, b=Q, p=2) ** 2 == pytest.approx(
        float(ot.wasserstein_1d(X, Y, P, Q, p=2)), rel=1e-12
    )
    means, spreads = (
        np.array([[0.0, 1.0], [2.0, 0.0]]),
        np.array([[[2.0, 1.0], [1.0, 2.0]], [[3.0, 0.0], [0.0, 1.0]]]),
    )
    theirs = ot.gaussian.bures_wasserstein_distance(means[0], means[1], spreads[0], spreads[1])
    assert tp.bures_wasserstein(means[0], spreads[0], means[1], spreads[1]) == pytest.approx(
        float(theirs), rel=1e-9
    )


def test_the_reference_measure_of_soft_marginals():
    """POT's "kl" is ours; its "entropy", and OTT's iteration, is ours with masses in the cost.

    OTT-JAX 0.6.0 at tau = rho / (rho + reg): a plan of mass 1.0744010245886555.
    """
    unbalanced = pytest.importorskip("ot").unbalanced.sinkhorn_unbalanced
    rng = np.random.default_rng(0)
    cost, a, b = rng.random((4, 5)), rng.dirichlet(np.ones(4)), 1.25 * rng.dirichlet(np.ones(5))
    tight = {"stopThr": 1e-13, "numItermax": 100_000}
    counted = cost + 0.1 * (np.log(a)[:, None] + np.log(b))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind, ours in (("kl", cost), ("entropy", counted)):
            sol = tp.solve(ours, a, b, marginals=tp.KL(0.5), solver=tp.Sinkhorn(0.1))
            theirs = unbalanced(a, b, cost, 0.1, 0.5, reg_type=kind, **tight)
            np.testing.assert_allclose(sol.plan.toarray(), theirs, rtol=1e-8)
    assert sol.stats["mass"] == pytest.approx(1.0744010245886555, rel=1e-9)
