"""Distances on the line along an axis: the same as one by one, whatever the shapes."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_univariate import exact_line

import transport as tp
from transport.internal import MagnitudeError


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]), st.booleans())
def test_rows_against_fractions(seed, p, weighted):
    """Ties in x with unequal weights, tiny spreads, masses over many decades."""
    rng = np.random.default_rng(seed)
    k, n, m = rng.integers(1, 7, 3)
    spread = 10.0 ** -rng.choice([0, 6, 14, 200])
    x = rng.integers(-2, 3, (k, n)) + spread * rng.normal(size=(k, n))
    y = rng.integers(-2, 3, (k, m)) + spread * rng.normal(size=(k, m)) * rng.integers(0, 2)
    a, b = (10.0 ** -rng.choice([0, 1, 20], s) * rng.random(s) + 1e-30 for s in ((k, n), (k, m)))
    a, b = (np.array([w / math.fsum(w) for w in z]) for z in (a, b))
    masses = {"a": a, "b": b} if weighted else {}
    found = tp.wasserstein_1d(x, y, p=p, axis=-1, **masses)
    for i in range(k):
        u = a[i].tolist() if weighted else [Fraction(1, int(n))] * n
        v = b[i].tolist() if weighted else [Fraction(1, int(m))] * m
        true = exact_line(x[i].tolist(), y[i].tolist(), u, v, p)
        assert abs(Fraction(found[i]) ** p - true) <= p * Fraction(2e-15) * true + Fraction(1, 10**600)


@pytest.mark.parametrize("p", [1, 1.5, 2, 100, math.inf])
def test_rows_are_those_of_single_calls(p):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 30)), rng.normal(size=(9, 20))
    x[3] *= 2.0**1000
    x[4] *= 2.0**-1040
    y[4] *= 2.0**-1040
    for other in (y, x[::-1].copy()):
        rows = tp.wasserstein_1d(x, other, p=p, axis=1)
        assert np.array_equal(rows, [tp.wasserstein_1d(u, v, p=p) for u, v in zip(x, other)])
    a = rng.dirichlet(np.ones(30), 9)
    rows = tp.wasserstein_1d(x, y, a=a, p=p, axis=1)
    assert rows == pytest.approx([tp.wasserstein_1d(u, v, a=w, p=p) for u, v, w in zip(x, y, a)], rel=4e-15)


def test_axes_broadcast():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(4, 7, 3)), rng.normal(size=(3, 5))
    a = rng.dirichlet(np.ones(7), (4, 3)).transpose(0, 2, 1)
    found = tp.wasserstein_1d(x, np.broadcast_to(y.T, (4, 5, 3)), a=a, axis=1)
    assert found.shape == (4, 3)
    assert found[2, 1] == pytest.approx(tp.wasserstein_1d(x[2, :, 1], y[1], a=a[2, :, 1]), rel=4e-15)
    table = tp.wasserstein_1d(x[:, None, :, 0], x[None, :, :, 1], axis=-1)
    assert table.shape == (4, 4)
    assert table[3, 1] == tp.wasserstein_1d(x[3, :, 0], x[1, :, 1])
    assert tp.wasserstein_1d([0, 1], [1, 2], axis=0).shape == ()
    assert tp.wasserstein_1d([[0], [1]], [[1], [2]]) == 1.0
    assert np.array_equal(tp.wasserstein_1d([[0], [1]], [[1], [3]], axis=-1), [1.0, 2.0])


def test_threads_do_not_matter(monkeypatch):
    rng = np.random.default_rng(2)
    x, a = rng.normal(size=(3000, 40)), rng.dirichlet(np.ones(40), 3000)
    rows = tp.wasserstein_1d(x, x[::-1], a=a, p=2, axis=-1)
    monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "1")
    assert np.array_equal(rows, tp.wasserstein_1d(x, x[::-1], a=a, p=2, axis=-1))


@pytest.mark.parametrize(
    ("x", "y", "options", "error", "words"),
    [
        ([[0.0, 1.0]], [[0.0]], {"axis": 2}, ValueError, "axis = 2"),
        ([[0.0], [1.0]], [[0.0], [1.0], [2.0]], {"axis": -1}, ValueError, "broadcast"),
        (np.zeros((2, 0)), [[0.0]], {"axis": -1}, ValueError, "empty"),
        ([[0.0, math.nan]], [[0.0]], {"axis": -1}, ValueError, r"x\[0, 1\] is nan"),
        ([[0.0, 1.0]] * 2, [[0.0]], {"axis": -1, "a": [[0.5, 0.5], [0.5, 0.6]]}, ValueError, "measure 1"),
        ([[0.0, 1.0]] * 2, [[0.0]], {"axis": -1, "a": [[0.5, 0.5, 0.0]]}, ValueError, "one weight each"),
        ([[1e308, 1.0]], [[-1e308, -1.7e308]], {"axis": -1, "p": math.inf}, MagnitudeError, "float64"),
        (np.zeros((2, 2), complex), [[0.0]], {"axis": -1}, TypeError, "complex"),
    ],
)
def test_refusals(x, y, options, error, words):
    with pytest.raises(error, match=words):
        tp.wasserstein_1d(x, y, **options)
