"""W2 of Gaussians against mpmath, closed forms and the contract."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp
from oracles import bures_by_digits

from transport import bures_wasserstein


def random_covariance(rng, d: int) -> np.ndarray:
    x = rng.normal(size=(d, d + 2))
    c = x @ x.T
    return (c + c.T) / 2


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("separation", [1.0, 0.1, 1e-2, 1e-4, 1e-8, 1e-12])
def test_against_mpmath_at_every_separation(d, separation):
    """Where the trace formula has lost all digits at 1e-8 (its error is sqrt(eps))."""
    rng = np.random.default_rng([d, int(-math.log10(separation))])
    with mp.workdps(80):
        for _ in range(4):
            a = random_covariance(rng, d)
            b = a + separation * random_covariance(rng, d)
            b = (b + b.T) / 2
            true = bures_by_digits(a, b)
            zero = np.zeros(d)
            # W^2 is about sum D_ij^2 / (2 (l_i + l_j)): an error of eps |A| in l is worth cond(A) eps
            allowed = 2.0**-52 * (64 + 2 * np.linalg.cond(a)) * true
            assert abs(bures_wasserstein(zero, a, zero, b) - true) <= allowed
            assert abs(bures_wasserstein(zero, b, zero, a) - true) <= allowed


@pytest.mark.parametrize("separation", [1e-2, 1e-3, 1e-4, 1e-6])
def test_the_iteration_ends_where_rounding_keeps_it_moving(separation):
    """A cycle of one unit in the last place used to fall back to a formula that loses digits."""
    with mp.workdps(60):
        for seed in range(25):
            rng = np.random.default_rng(seed)
            d = int(rng.integers(2, 5))
            a = random_covariance(rng, d)
            b = a + separation * random_covariance(rng, d)
            b = (b + b.T) / 2
            true = bures_by_digits(a, b)
            found = bures_wasserstein(np.zeros(d), a, np.zeros(d), b)
            assert abs(found - true) <= 2.0**-52 * (64 + 2 * np.linalg.cond(a)) * true


def test_known_digits():
    zero = np.zeros(2)
    found = bures_wasserstein(zero, [[2.0, 1.0], [1.0, 2.0]], zero, np.diag([3.0, 1.0]))
    assert found**2 == pytest.approx(0.516685226452117229, rel=1e-14)
    mean_field = np.linalg.inv(np.diag(np.diag(np.linalg.inv([[1, 0.9], [0.9, 1]]))))
    assert bures_wasserstein(zero, [[1, 0.9], [0.9, 1]], zero, mean_field) == pytest.approx(
        0.950080793456120456, rel=1e-14
    )
    assert bures_wasserstein(zero, [[1, 0.9], [0.9, 1]], zero, np.eye(2)) == pytest.approx(
        0.781495180758192379, rel=1e-14
    )
    assert bures_wasserstein(0, 1, 3, 25) == 5.0


@given(st.integers(0, 2**32 - 1))
def test_laws(seed):
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 5))
    m, n, o = rng.normal(size=(3, d))
    a, b, c = (random_covariance(rng, d) for _ in range(3))
    w = bures_wasserstein(m, a, n, b)
    assert w == pytest.approx(bures_wasserstein(n, b, m, a), rel=1e-13)
    assert bures_wasserstein(m, a, m, a) == 0.0
    assert np.linalg.norm(m - n) <= w * (1 + 1e-14)
    assert w <= (bures_wasserstein(m, a, o, c) + bures_wasserstein(o, c, n, b)) * (1 + 1e-13)
    k = 2.0 ** rng.integers(-100, 100)
    assert bures_wasserstein(k * m, k * k * a, k * n, k * k * b) == k * w
    q, _ = np.linalg.qr(rng.normal(size=(d, d)))
    turned = [(q @ s @ q.T + (q @ s @ q.T).T) / 2 for s in (a, b)]
    assert bures_wasserstein(q @ m, turned[0], q @ n, turned[1]) == pytest.approx(w, rel=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_any_rank(seed):
    """Rank one: W2^2 = |v|^2 + |u|^2 - 2 |v.u|; a point mass: the trace."""
    rng = np.random.default_rng(seed)
    d = int(rng.integers(1, 6))
    zero, v, u = np.zeros(d), rng.normal(size=d), rng.normal(size=d)
    a, b = np.outer(v, v), np.outer(u, u)
    true = math.sqrt(max(0.0, v @ v + u @ u - 2 * abs(v @ u)))
    assert bures_wasserstein(zero, a, zero, b) == pytest.approx(
        true, abs=1e-14 * (v @ v + u @ u) / max(true, 1e-7)
    )
    assert bures_wasserstein(zero, a, zero, a) == 0.0
    assert bures_wasserstein(zero, a, zero, 4 * a) == pytest.approx(np.linalg.norm(v), rel=1e-13)
    assert bures_wasserstein(zero, a, zero, np.zeros((d, d))) == pytest.approx(np.linalg.norm(v), rel=1e-14)
    assert bures_wasserstein(v, np.zeros((d, d)), u, np.zeros((d, d))) == pytest.approx(
        np.linalg.norm(u - v), rel=1e-14
    )


def test_extremes():
    eye, zero = np.eye(2), np.zeros(2)
    assert bures_wasserstein(zero, np.diag([1, 1e-20]), zero, np.diag([1, 4e-20])) == pytest.approx(
        1e-10, rel=1e-14
    )
    assert bures_wasserstein(zero, 1e-300 * eye, zero, 4e-300 * eye) == pytest.approx(
        math.sqrt(2) * 1e-150, rel=1e-14
    )
    assert bures_wasserstein([1e8, 0], eye, [1e8 + 1, 0], eye) == 1.0
    assert bures_wasserstein([1e200, 0], 1e300 * eye, zero, eye) == 1e200
    assert bures_wasserstein([1e308], [[0.0]], [-1e307], [[0.0]]) == 1.1e308
    assert bures_wasserstein([5e-324], [[0.0]], [0.0], [[0.0]]) == 5e-324
    low = bures_wasserstein([0, 0], eye.astype(np.float32), np.array([3, 4]), np.array([[1, 0], [0, 1]]))
    assert low == 5.0
    with pytest.raises(OverflowError):
        bures_wasserstein([1.7e308], [[0.0]], [-1.7e308], [[0.0]])


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        (([0, 0], [[1, 2], [2, 1]], [0, 0], np.eye(2)), ValueError, "cov_p has the eigenvalue -1"),
        (([0, 0], np.eye(2), [0, 0], -np.eye(2)), ValueError, "cov_q has the eigenvalue -1"),
        (([0, 0], [[1, 0.1], [0.2, 1]], [0, 0], np.eye(2)), ValueError, "cov_p is not symmetric"),
        (([0, math.nan], np.eye(2), [0, 0], np.eye(2)), ValueError, r"mean_p\[1\] is nan"),
        (([0, 0], np.eye(2), [0, 0], [[math.inf, 0], [0, 1]]), ValueError, r"cov_q\[0, 0\] is inf"),
        (([0, 0], np.eye(3), [0, 0], np.eye(2)), ValueError, r"cov_p has shape \(3, 3\)"),
        (([0, 0], [1.0, 2.0], [0, 0], np.eye(2)), ValueError, "numpy.diag"),
        (([0, 0], np.eye(2), [0], np.eye(1)), ValueError, "must match"),
        (([], np.zeros((0, 0)), [], np.zeros((0, 0))), ValueError, "d >= 1"),
        (([0j], [[1.0]], [0], [[1.0]]), TypeError, "complex"),
        (([0], np.ma.array([[1.0]], mask=[[1]]), [0], [[1.0]]), TypeError, "masked"),
    ],
)
def test_refusals(arguments, error, match):
    with pytest.raises(error, match=match):
        bures_wasserstein(*arguments)


def test_rounding_of_symmetry_and_rank_is_forgiven():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 10))
    c = x.T @ x  # rank 3 of 10: eigenvalues of -1e-16
    c[0, 1] *= 1 + 1e-15
    assert bures_wasserstein(np.zeros(10), c, np.zeros(10), c.T) < 1e-14


def test_other_libraries(backend):
    eye = backend.asarray(np.eye(2))
    zero = backend.asarray(np.zeros(2))
    assert bures_wasserstein(zero, eye, zero, backend.asarray(4 * np.eye(2))) == pytest.approx(math.sqrt(2))
