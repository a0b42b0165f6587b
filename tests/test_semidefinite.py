"""Factors by rank and the two ways to the fidelity, against mpmath."""

from __future__ import annotations

import math

import numpy as np
import pytest
from mpmath import mp, mpf
from oracles import bures_by_digits

from transport import bures_wasserstein
from transport._gaussian import _procrustes
from transport._semidefinite import by_eigenvalues, by_singular_values, factor, is_semidefinite

EPS = 2.0**-52


def spread(rng, d, condition, *, rank=None):
    """A covariance with eigenvalues from 1 down to 1/condition, the first ``rank`` of them."""
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    values = np.geomspace(1, 1 / condition, d) * (np.arange(d) < (rank or d))
    a = (q * values) @ q.T
    return (a + a.T) / 2


@pytest.mark.parametrize("condition", [1.0, 1e2, 1e4, 1e8, 1e12, 1e16])
@pytest.mark.parametrize("separation", [1.0, 1e-1, 1e-2, 1e-4, 1e-8])
def test_what_is_returned_is_proved(condition, separation):
    """Each way returns None or twelve digits, beside what rounding the entries of A and B does."""
    accepted = 0
    with mp.workdps(90):
        for seed in range(3):
            rng = np.random.default_rng([seed, int(math.log10(condition))])
            a = spread(rng, 5, condition)
            b = (1 - separation) * a + separation * spread(rng, 5, condition)
            b = (b + b.T) / 2
            true = bures_by_digits(a, b)
            # the derivative of W² along a change of A is tr((I - T) dA), T = the optimal map
            root = np.sqrt(max(np.linalg.eigvalsh(b)[-1] / max(np.linalg.eigvalsh(a)[0], EPS), 1.0))
            allowed = 1e-12 * true + 16 * EPS * (1 + root) / true
            for found in (by_eigenvalues(a, b), by_singular_values(factor(a), factor(b))):
                if found is not None:
                    accepted += 1
                    assert abs(found - true) <= allowed
    if condition == 1e2 and separation == 1.0:
        assert accepted == 6  # the usual case is not refused
    if separation <= 1e-8:
        assert accepted == 0  # all digits of the traces cancel


def test_ill_conditioned_and_far_apart_is_for_singular_values():
    rng = np.random.default_rng(0)
    a, b = spread(rng, 6, 1e12), spread(rng, 6, 1e12)
    assert by_eigenvalues(a, b) is None
    with mp.workdps(60):
        assert by_singular_values(factor(a), factor(b)) == pytest.approx(
            float(bures_by_digits(a, b)), rel=1e-9
        )


@pytest.mark.parametrize("ranks", [(1, 1), (2, 5), (5, 2), (3, 3)])
def test_rank_deficient_by_rank(ranks):
    rng = np.random.default_rng(ranks)
    x, y = (rng.normal(size=(6, r)) for r in ranks)
    p, q = factor(x @ x.T), factor(y @ y.T)
    assert (p.shape[1], q.shape[1]) == ranks
    with mp.workdps(40):  # of the exact products: those stored have eigenvalues of 1e-16 in place of 0
        common = mp.svd_r(mp.matrix(y.T.tolist()) * mp.matrix(x.tolist()), compute_uv=False)
        true = float(mp.sqrt(mp.fsum(mpf(v) ** 2 for v in [*x.ravel(), *y.ravel()]) - 2 * mp.fsum(common)))
    assert by_singular_values(p, q) == pytest.approx(true, rel=1e-12)
    assert _procrustes(p, q) == pytest.approx(true, rel=1e-12)


def test_factors_of_full_rank_need_no_pivots_and_hidden_rank_is_found():
    rng = np.random.default_rng(3)
    a = spread(rng, 40, 1e6)
    whole = factor(a)
    assert np.array_equal(whole, np.tril(whole))
    np.testing.assert_allclose(whole @ whole.T, a, atol=8 * EPS)
    x = rng.normal(size=(40, 7))
    hidden = x @ x.T / 40
    for noise in (0.0, 4e-16):  # with it Cholesky's factor exists, of 33 columns of noise
        assert factor(hidden + noise * np.eye(40)).shape == (40, 7)


def test_factors_keep_grading_and_drop_noise():
    graded = np.diag([1.0, 1e-20, 1e-40, 0.0])
    assert factor(graded).shape == (4, 3)
    np.testing.assert_allclose(factor(graded) @ factor(graded).T, graded, rtol=1e-15)
    assert factor(np.ones((4, 4))).shape == (4, 1)
    assert not factor(np.zeros((3, 3))).any()
    assert is_semidefinite(np.ones((4, 4)))
    assert not is_semidefinite(np.array([[0.5, 1.0], [1.0, 0.5]]))
    assert not is_semidefinite(np.array([[0.0, 1.0], [1.0, 0.0]]))


@pytest.mark.parametrize("kind", ["well", "ill", "rank", "near"])
def test_many_dimensions_are_blocks(kind):
    """Block-diagonal covariances, mixed by a permutation: squared distances of the blocks add up."""
    rng = np.random.default_rng(7)
    blocks, count = 4, 18
    a, b, square = np.zeros((72, 72)), np.zeros((72, 72)), mpf(0)
    with mp.workdps(60):
        for k in range(count):
            condition = {"well": 10.0, "ill": 1e10, "rank": 10.0, "near": 10.0}[kind]
            rank = 2 if kind == "rank" else None
            x, y = (spread(rng, blocks, condition, rank=rank) for _ in range(2))
            y = (x + 1e-9 * y + (x + 1e-9 * y).T) / 2 if kind == "near" else y
            part = slice(blocks * k, blocks * (k + 1))
            a[part, part], b[part, part] = x, y
            square += bures_by_digits(x, y) ** 2
        true = float(mp.sqrt(square))
    order = rng.permutation(72)
    a, b = a[np.ix_(order, order)], b[np.ix_(order, order)]
    zero = np.zeros(72)
    found = bures_wasserstein(zero, a, zero, b)
    assert found == pytest.approx(true, rel={"ill": 1e-8, "rank": 1e-10}.get(kind, 2e-13))
    assert (by_eigenvalues(a, b) is not None) == (kind == "well")
    assert bures_wasserstein(zero, b, zero, a) == pytest.approx(found, rel=1e-12)
    assert bures_wasserstein(zero, 2.0**40 * a, zero, 2.0**40 * b) == 2.0**20 * found


def test_a_negative_eigenvalue_is_refused_in_many_dimensions():
    a = np.eye(80)
    a[3, 3] = -1e-9
    with pytest.raises(ValueError, match="cov_q has the eigenvalue -1"):
        bures_wasserstein(np.zeros(80), np.eye(80), np.zeros(80), a)
    a[3, 3] = -1e-15  # rounding
    assert bures_wasserstein(np.zeros(80), np.eye(80), np.zeros(80), a) == pytest.approx(1.0, rel=1e-12)
