"""The line and the circle against exact fractions, linear programs, enumeration and closed forms."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import transport_by_highs
from scipy.stats import wasserstein_distance

from transport import wasserstein_1d, wasserstein_circle
from transport.internal import kernels

EXPONENTS = (1, 1.5, 2, 3, 7)


def exact_line(x, y, a, b, p: int) -> Fraction:
    """W_p^p of the stored floats, in rational arithmetic."""
    x, y = (sorted(zip(map(Fraction, z), map(Fraction, w))) for z, w in ((x, a), (y, b)))
    x, y = ([[s, w / sum(v for _, v in z)] for s, w in z] for z in (x, y))
    i = j = 0
    total = Fraction(0)
    while i < len(x) and j < len(y):
        m = min(x[i][1], y[j][1])
        total += m * abs(x[i][0] - y[j][0]) ** p
        x[i][1] -= m
        y[j][1] -= m
        i, j = i + (x[i][1] == 0), j + (y[j][1] == 0)
    return total


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]), st.sampled_from([1.0, 1e-6, 1e-14, 1e-200]))
def test_line_is_exact_to_rounding(seed, p, spread):
    """Random weights over 300 decades, ties, near-equal positions: what float CDFs get wrong."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 9, 2)
    x = rng.integers(-3, 4, n) + spread * rng.normal(size=n)
    y = rng.integers(-3, 4, m) + spread * rng.normal(size=m)
    a, b = (10.0 ** -rng.choice([0, 1, 20, 300], k) * rng.random(k) for k in (n, m))
    a[0] += 1e-3
    b[-1] += 1e-3
    a, b = a / math.fsum(a), b / math.fsum(b)
    true = exact_line(x.tolist(), y.tolist(), a.tolist(), b.tolist(), p)
    found = wasserstein_1d(x, y, a=a, b=b, p=p)
    assert abs(Fraction(found) ** p - true) <= p * Fraction(2e-15) * true + Fraction(1, 10**600)


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2, 3]))
def test_equal_weights_are_exact(seed, p):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 40, 2)
    x, y = rng.normal(size=n), np.round(rng.normal(size=m), 1)
    third = [Fraction(1, int(n))] * n, [Fraction(1, int(m))] * m
    true = exact_line(x.tolist(), y.tolist(), *third, p)
    assert abs(Fraction(wasserstein_1d(x, y, p=p)) ** p - true) <= p * Fraction(1e-15) * true
    assert wasserstein_1d(x, y, a=np.full(n, 1 / n)) == pytest.approx(wasserstein_1d(x, y), rel=1e-13)


@given(st.integers(0, 2**32 - 1))
def test_laws_of_the_line(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 30, 2)
    x, y, a, b = rng.normal(size=n), rng.normal(size=m), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    values = [wasserstein_1d(x, y, a=a, b=b, p=p) for p in (*EXPONENTS, 40, 540, math.inf)]
    for low, high in itertools.pairwise(values):
        assert low <= high * (1 + 1e-14), "W_p increases with p"
    assert values[0] == pytest.approx(wasserstein_distance(x, y, a, b), rel=1e-10, abs=1e-14)
    order = rng.permutation(n)
    k = 2.0 ** rng.integers(-300, 300)
    for p, value in zip((1, 2, math.inf), (values[0], values[2], values[-1])):
        assert wasserstein_1d(x[order], y, a=a[order], b=b, p=p) == pytest.approx(value, rel=1e-15)
        assert wasserstein_1d(y, x, a=b, b=a, p=p) == pytest.approx(value, rel=1e-14)
        assert wasserstein_1d(k * x, k * y, a=a, b=b, p=p) == k * value
        assert wasserstein_1d(x, x[order], a=a, b=a[order], p=p) == 0.0
        assert wasserstein_1d(x, x + 0.25, a=a, b=a, p=p) == pytest.approx(0.25, rel=1e-14)


class TestExtremes:
    def test_large_exponents_do_not_underflow(self):
        x, y = [1, 2, 3, 54.0], [1, 2, 3, 4.0]
        assert wasserstein_1d(x, y, p=540) == pytest.approx(50 * 0.25 ** (1 / 540), rel=1e-14)
        assert wasserstein_1d(x, y, p=1e6) == pytest.approx(50 * 0.25**1e-6, rel=1e-14)
        assert wasserstein_1d(x, y, p=math.inf) == 50.0

    @pytest.mark.parametrize("p", [1, 2, 3.5, 100, math.inf])
    def test_scales(self, p):
        for size in (1e-320, 1e-200, 1e-8, 1e200, 8e307):
            assert wasserstein_1d([0.0], [size], p=p) == size
            assert wasserstein_1d([0.0, size], [size, 0.0], p=p) == 0.0
            assert wasserstein_1d([0.0, size], [size, size], p=p) == pytest.approx(
                size * 0.5 ** (1 / p), rel=1e-12 if size > 1e-300 else 1e-3
            )
        assert wasserstein_1d([8e307], [-8e307], p=p) == 1.6e308
        with pytest.raises(OverflowError, match="larger than any float64"):
            wasserstein_1d([1.7e308], [-1.7e308], p=p)

    def test_offsets_and_dtypes(self):
        assert wasserstein_1d([1e16], [1e16 + 2]) == 2.0
        assert wasserstein_1d(np.array([-100], np.int8), np.array([100], np.int8)) == 200.0
        assert wasserstein_1d(np.array([0, 255], np.uint8), np.array([255, 255], np.uint8)) == 127.5
        x = np.arange(200_000, dtype=np.float32)
        assert wasserstein_1d(x, x + 1) == 1.0
        a = np.full(10, 0.1, dtype=np.float32)
        assert wasserstein_1d(np.arange(10), np.arange(10), a=a, b=a) == 0.0
        assert wasserstein_1d(x[::-2], x[::-2] + 3) == 3.0

    def test_small_masses_are_not_lost_beside_large_ones(self):
        for tiny in (1e-17, 1e-100, 5e-324):
            found = wasserstein_1d([0.0, 7.0], [0.0, 7.0], a=[1.0, tiny], b=[1.0, 0.0])
            assert found == pytest.approx(7 * tiny, rel=1e-12)
            assert wasserstein_1d([0.0, 7.0], [0.0], a=[1.0, tiny], p=math.inf) == 7.0

    def test_inf_does_not_count_rounding_as_mass(self):
        """.1 + .2 is not .3 in floats, but nobody means to move 3e-17 by 1."""
        assert wasserstein_1d([0, 0.0, 1], [0, 1.0], a=[0.1, 0.2, 0.7], b=[0.3, 0.7], p=math.inf) == 0.0
        assert wasserstein_1d([0, 1.0], [0, 1.0], a=[1 - 1e-9, 1e-9], b=[1.0, 0.0], p=math.inf) == 1.0

    def test_many_points(self):
        rng = np.random.default_rng(0)
        x = rng.normal(size=300_001)
        assert wasserstein_1d(x, rng.permutation(x)) == 0.0
        assert wasserstein_1d(x, rng.permutation(x) + 0.5, p=2) == pytest.approx(0.5, rel=1e-15)
        assert wasserstein_1d(x, x[:-1]) < 1e-4


@pytest.mark.parametrize("function", [wasserstein_1d, wasserstein_circle])
@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"x": [], "y": [1.0]}, ValueError, "x is empty"),
        ({"x": [1.0, math.inf], "y": [1.0], "a": [1.0, 0.0]}, ValueError, r"x\[1\] is inf"),
        ({"x": [1.0], "y": [math.nan]}, ValueError, r"y\[0\] is nan"),
        ({"x": [[1.0, 2.0]], "y": [1.0]}, ValueError, "divergences.wasserstein"),
        ({"x": [0.0, 1.0], "y": [0.0], "a": [1.0, 3.0]}, ValueError, "normalize=True"),
        ({"x": [0.0, 1.0], "y": [0.0], "a": [1.5, -0.5]}, ValueError, "negative"),
        ({"x": [0.0, 1.0], "y": [0.0], "a": [1.0]}, ValueError, "1 weights for 2 atoms"),
        ({"x": [0.0], "y": [1.0], "p": 0.5}, ValueError, "1 <= p <= inf"),
        ({"x": [0.0], "y": [1.0], "p": math.nan}, ValueError, "1 <= p <= inf"),
        ({"x": np.ma.array([0.0, 1.0], mask=[0, 1]), "y": [0.0]}, TypeError, "masked"),
        ({"x": [1j], "y": [0.0]}, TypeError, "complex"),
    ],
)
def test_refusals(function, arguments, error, match):
    with pytest.raises(error, match=match):
        function(**arguments)


def arc(x, y, period):
    d = np.abs(np.subtract.outer(x, y)) % period
    return np.minimum(d, period - d)


@given(st.integers(0, 2**32 - 1), st.sampled_from(EXPONENTS))
def test_circle_against_a_linear_program(seed, p):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 7, 2)
    period = rng.choice([1.0, 2 * math.pi, 24.0])
    x, y = (rng.uniform(-2 * period, 2 * period, k) for k in (n, m))
    if seed % 2:  # ties
        x, y = np.round(4 * x) / 4, np.round(4 * y) / 4
    weighted = seed % 3
    a, b = (rng.dirichlet(np.ones(k)) if weighted else np.full(k, 1 / k) for k in (n, m))
    true, _ = transport_by_highs((arc(x, y, period) / period) ** p, a, b)
    options = {"a": a, "b": b} if weighted else {}
    found = wasserstein_circle(x, y, p=p, period=period, **options)
    assert found**p == pytest.approx(true * period**p, rel=1e-9, abs=1e-12 * period**p)


@given(st.integers(0, 2**32 - 1), st.sampled_from([*EXPONENTS, 60, 300]))
def test_circle_against_every_permutation(seed, p):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 6))
    x, y = rng.random(n), rng.random(n)
    cost = arc(x, y, 1.0)
    best = min(max(cost[i, s[i]] for i in range(n)) * np.mean(
        [(cost[i, s[i]] / max(cost[k, s[k]] for k in range(n))) ** p for i in range(n)]
    ) ** (1 / p) for s in itertools.permutations(range(n)))  # fmt: skip
    assert wasserstein_circle(x, y, p=p) == pytest.approx(best, rel=1e-12)


def test_circle_closed_forms():
    assert wasserstein_circle([0.1], [0.9]) == pytest.approx(0.2, rel=1e-15)
    assert wasserstein_circle([23.0, 1.0], [0.0], period=24) == 1.0
    x = np.linspace(0, 1, 50, endpoint=False)
    for p in EXPONENTS:
        assert wasserstein_circle(x, x + 7, p=p) == pytest.approx(0.0, abs=1e-15)
        assert wasserstein_circle(x, x + 0.005, p=p) == pytest.approx(0.005, rel=1e-12)
        assert wasserstein_circle(x, np.roll(x, 7), p=p) == 0.0
        assert wasserstein_circle(x, [0.25], p=p) == pytest.approx(
            np.mean(arc(x, [0.25], 1.0) ** p) ** (1 / p), rel=1e-14
        )
    for size in (1e-150, 1e150):
        assert wasserstein_circle([0.1 * size], [0.9 * size], p=3, period=size) == pytest.approx(0.2 * size)
    with pytest.raises(ValueError, match="p = inf"):
        wasserstein_circle([0.0], [0.5], p=math.inf)
    with pytest.raises(ValueError, match="period"):
        wasserstein_circle([0.0], [0.5], period=0)


@pytest.mark.parametrize("p", [1, 2, 3.5, math.inf])
@pytest.mark.parametrize("weighted", [False, True])
def test_other_libraries_and_devices(backend, p, weighted):
    rng = np.random.default_rng(0)
    for n, m in ((30, 30), (30, 17)):
        x, y, a, b = rng.random(n), rng.random(m), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        options = {"a": a, "b": b} if weighted else {}
        moved = {k: backend.asarray(v) for k, v in options.items()}
        functions = (wasserstein_1d,) if p == math.inf else (wasserstein_1d, wasserstein_circle)
        for f in functions:
            found = f(backend.asarray(x), backend.asarray(y), p=p, **moved)
            assert isinstance(found, float)
            assert found == pytest.approx(f(x, y, p=p, **options), rel=1e-12)


def test_kernels_have_one_signature():
    import inspect

    import array_api_compat.numpy as numpy_namespace
    import array_api_strict

    cpu, reference = kernels("transport", numpy_namespace), kernels("transport", array_api_strict)
    for name in ("line_cost", "circle_cost"):
        assert list(inspect.signature(getattr(cpu, name)).parameters) == list(
            inspect.signature(getattr(reference, name)).parameters
        )
