"""The Sinkhorn divergence against closed forms and an independent iteration; it is a distance of measures."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transport as tp


def naive(x, y, a, b, reg):
    """OT_reg by Sinkhorn's iteration in the log domain, squared distances."""
    c = ((x[:, None] - y) ** 2).sum(-1)
    f, g = np.zeros(len(x)), np.zeros(len(y))
    for _ in range(1500):
        f = -reg * np.log(np.exp((g - c) / reg + np.log(b)).sum(1))
        g = -reg * np.log(np.exp((f[:, None] - c) / reg + np.log(a)[:, None]).sum(0))
    return a @ f + b @ g


def test_gaussians_closed_form():
    """Janati, Muzellec, Peyre, Cuturi (2020), one dimension; quadrature by the trapezoidal rule."""
    s, t, mean, reg = 1.0, 0.6, 0.8, 0.5
    x, y = np.linspace(-8.5 * s, 8.5 * s, 200), mean + np.linspace(-8.5 * t, 8.5 * t, 200)
    a, b = np.exp(-0.5 * (x / s) ** 2), np.exp(-0.5 * ((y - mean) / t) ** 2)

    def entropic(p, q, m):
        h = reg / 2
        d = math.sqrt(4 * p * p * q * q + h * h)
        return m * m + p * p + q * q - d + h * (1 - math.log(2 * h)) + h * math.log(d + h)

    truth = entropic(s, t, mean) - entropic(s, s, 0) / 2 - entropic(t, t, 0) / 2
    found = tp.sinkhorn_divergence(x, y, a / a.sum(), b=b / b.sum(), reg=reg, full=True)
    assert found.value == pytest.approx(truth, rel=1e-10)
    assert found.lower_bound <= found.value <= found.upper_bound
    assert found.upper_bound - found.lower_bound <= 1e-8


@settings(max_examples=12)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 0.1, 1.0, 30.0]))
def test_a_distance_of_measures(seed, reg):
    rng = np.random.default_rng(seed)
    x, y = rng.random((6, 2)), rng.random((5, 2))
    a, b = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5))
    value = tp.sinkhorn_divergence(x, y, a, b=b, reg=reg)
    assert value >= 0
    order = rng.permutation(6)
    assert tp.sinkhorn_divergence(x, x[order], a, b=a[order], reg=reg) == 0.0
    assert tp.sinkhorn_divergence(y, x, b, b=a, reg=reg) == pytest.approx(value, rel=1e-6, abs=1e-10)
    many = tp.sinkhorn_divergence(np.repeat(x, 4, 0), y, np.repeat(a / 4, 4), b=b, reg=reg)
    assert many == pytest.approx(value, rel=1e-6, abs=1e-10), "copies change nothing"
    shifted = tp.sinkhorn_divergence(x, x + 0.5, a, b=a, reg=reg)
    assert shifted == pytest.approx(0.5, rel=1e-7), "a translation costs its squared length"
    if reg >= 0.1:
        truth = naive(x, y, a, b, reg) - naive(x, x, a, a, reg) / 2 - naive(y, y, b, b, reg) / 2
        assert value == pytest.approx(truth, rel=1e-6, abs=1e-9)


def test_gradients_by_differences():
    rng = np.random.default_rng(4)
    x, y = rng.random((5, 2)), rng.random((6, 2))
    a, b = rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(6))
    found = tp.sinkhorn_divergence(x, y, a, b=b, reg=0.1, full=True, tol=1e-12)

    def value(u, v, s):
        return tp.sinkhorn_divergence(u, v, s, b=b, reg=0.1, tol=1e-12)

    h = 1e-5
    for i, k in ((0, 0), (3, 1)):
        e = np.zeros_like(x)
        e[i, k] = h
        assert found.x[i, k] == pytest.approx((value(x + e, y, a) - value(x - e, y, a)) / (2 * h), abs=1e-7)
        e = np.zeros_like(y)
        e[i, k] = h
        assert found.y[i, k] == pytest.approx((value(x, y + e, a) - value(x, y - e, a)) / (2 * h), abs=1e-7)
    e = np.array([h, -h, 0, 0, 0])
    assert found.a @ e == pytest.approx((value(x, y, a + e) - value(x, y, a - e)) / 2, rel=1e-5)


def test_edges():
    assert tp.sinkhorn_divergence([[1.0, 2.0]], [[1.0, 2.0]], reg=0.05) == 0.0
    assert tp.sinkhorn_divergence(np.array([[3]], np.uint8), np.array([[1]], np.uint8), reg=1.0) == 4.0
    near, far = (tp.sinkhorn_divergence([0.0, 1.0], [0.0, 1.0 + d], reg=0.1) for d in (0.0, 3.0))
    assert near == 0.0 < far
    for bad in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="reg"):
            tp.sinkhorn_divergence([0.0], [1.0], reg=bad)
    with pytest.raises(ValueError):
        tp.sinkhorn_divergence([0.0], [1.0, 2.0], [1.0], b=[0.2, 0.2], reg=1.0)
    with pytest.raises(ValueError):
        tp.sinkhorn_divergence([math.nan], [1.0], reg=1.0)
