"""Matrices of divergences against the single functions and 50 digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import divergences as dv

NAMES = ("kl", "js", "js_distance", "tv", "squared_hellinger", "hellinger", "chi2", "jeffreys")


def js_by_digits(p, q):
    with mpmath.workdps(60):
        p, q = ([mpmath.mpf(v) for v in z] for z in (p, q))
        p, q = ([v / mpmath.fsum(z) for v in z] for z in (p, q))
        half = [(u, (u + v) / 2) for u, v in zip(p, q)] + [(v, (u + v) / 2) for u, v in zip(p, q)]
        return mpmath.fsum(u * mpmath.log(u / m) for u, m in half if u > 0)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from(NAMES))
def test_every_pair_is_that_of_the_function(seed, name):
    """Random rows, zeros, near copies, exact copies, totals that differ by rounding."""
    rng = np.random.default_rng(seed)
    k, n = rng.integers(1, 8), int(rng.choice([1, 3, 64, 65, 200]))
    p = rng.dirichlet(np.full(n, rng.choice([0.05, 1.0])), k) + 1e-300
    p[rng.random((k, n)) < 0.2] = 0.0
    p[:, 0] += p.sum(axis=1) == 0
    p /= p.sum(axis=1)[:, None]
    p = np.concatenate([p, p[:1], p[:1] * (1 + 1e-9 * rng.normal(size=n))])
    p[-1] /= p[-1].sum()
    matrix = dv.pairwise(name, p)
    single = getattr(dv, name)(p[:, None], p[None])
    assert matrix == pytest.approx(single, rel=1e-14, abs=0.0)
    q = rng.dirichlet(np.ones(n), 3)
    assert dv.pairwise(name, p, q) == pytest.approx(getattr(dv, name)(p[:, None], q[None]), rel=1e-14)
    assert not matrix.diagonal().any()
    assert np.array_equal(matrix[0] == 0, matrix[len(p) - 2] == 0)


@pytest.mark.parametrize("step", [0.0, 1e-13, 1e-8, 1e-3, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("concentration", [0.02, 1.0, 50.0])
def test_js_has_its_digits_however_near(step, concentration):
    """SciPy's pdist has no digit at 1e-8 and returns nan or 0 below; both roads of ours must agree."""
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.full(256, concentration)) + 1e-30
    q = p * np.exp(step * rng.normal(size=256))
    rows = np.stack([p / p.sum(), q / q.sum()])
    found = dv.pairwise("js", rows, condensed=True)[0]
    true = js_by_digits(*rows)
    assert abs(found - true) <= 1e-14 * true


def test_shapes_totals_and_threads(monkeypatch):
    rng = np.random.default_rng(4)
    p = rng.dirichlet(np.ones(40), 50)
    whole = dv.pairwise("js", p)
    assert np.array_equal(whole, whole.T)
    assert np.array_equal(dv.pairwise("js", p, condensed=True), whole[np.triu_indices(50, 1)])
    monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "1")
    assert np.array_equal(whole, dv.pairwise("js", p))
    scaled = p * rng.uniform(0.1, 1e6, (50, 1))
    assert dv.pairwise("js", scaled, normalize=True) == pytest.approx(whole, rel=1e-13, abs=1e-30)
    single = p.astype(np.float32)
    assert dv.pairwise("kl", single) == pytest.approx(dv.kl(single[:, None], single[None]), rel=1e-12)
    assert dv.pairwise("tv", [[1, 0], [0, 1]]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
    assert dv.pairwise("kl", [[1.0, 0.0], [0.5, 0.5]])[1, 0] == np.inf
    before = p.copy()
    dv.pairwise("js", p)
    assert np.array_equal(p, before)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("far", [[1.0]]), {}, ValueError, "choose one of"),
        (("js", [0.5, 0.5]), {}, ValueError, "one measure a row"),
        (("js", [[0.5, 0.6]]), {}, ValueError, "p sums to 1.1"),
        (("js", [[0.5, 0.5]], [[0.5, 0.5], [0.5, 0.6]]), {}, ValueError, r"q \(measure 1 of 2\)"),
        (("js", [[0.5, np.nan]]), {}, ValueError, r"p\[0, 1\] is nan"),
        (("js", [[0.5, 0.5]], [[1.0]]), {}, ValueError, "same atoms"),
        (("kl", [[0.5, 0.5]]), {"condensed": True}, ValueError, "symmetric"),
        (("js", np.ma.masked_array([[0.5, 0.5]])), {}, TypeError, "masked"),
    ],
)
def test_refusals(arguments, options, error, words):
    with pytest.raises(error, match=words):
        dv.pairwise(*arguments, **options)
