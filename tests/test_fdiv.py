"""Divergences of arrays against mpmath, closed forms, extremal pairs and the contract of the border."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

import divergences as dv

SMALLEST = 5e-324
ORDERS = (-3.0, -0.5, 0.0, 1e-9, 0.3, 0.5, 0.9, 1.0, 1 + 1e-9, 1.5, 2.0, 7.0, 60.0)
PLAIN = (
    "kl",
    "js",
    "js_distance",
    "tv",
    "squared_hellinger",
    "hellinger",
    "jeffreys",
    "chi2",
    "cross_entropy",
)


def proportions(x) -> list:
    """The stored numbers over their exact total."""
    x = [mpf(float(t)) for t in x]
    total = mp.fsum(x)
    return [t / total for t in x]


def affinity(p, q, a):
    total = mpf(0)
    for x, y in zip(p, q):
        if x and y:
            total += x**a * y ** (1 - a)
        elif (x and a > 1) or (y and a < 0):
            return mp.inf
    return total


def oracle(name, p, q, a=None):
    """Textbook definitions at 420 digits on exact proportions."""
    if name == "kl":
        return mp.inf if any(x and not y for x, y in zip(p, q)) else mp.fsum(
            x * mp.log(x / y) for x, y in zip(p, q) if x
        )  # fmt: skip
    if name == "js":
        m = [(x + y) / 2 for x, y in zip(p, q)]
        return oracle("kl", p, m) + oracle("kl", q, m)
    if name == "js_distance":
        return mp.sqrt(oracle("js", p, q) / 2)
    if name == "tv":
        return mp.fsum(abs(x - y) for x, y in zip(p, q)) / 2
    if name == "squared_hellinger":
        return mp.fsum((mp.sqrt(x) - mp.sqrt(y)) ** 2 for x, y in zip(p, q)) / 2
    if name == "hellinger":
        return mp.sqrt(oracle("squared_hellinger", p, q))
    if name == "jeffreys":
        return oracle("kl", p, q) + oracle("kl", q, p)
    if name == "chi2":
        return affinity(p, q, 2) - 1
    if name == "entropy":
        return -mp.fsum(x * mp.log(x) for x in p if x)
    if name == "cross_entropy":
        return oracle("kl", p, q) + oracle("entropy", p, q)
    if a == 1:
        return oracle("kl", p, q)
    a = mpf(a)
    if name == "alpha":
        return oracle("kl", q, p) if a == 0 else (affinity(p, q, a) - 1) / (a * (a - 1))
    if a == mp.inf:
        return mp.log(max(x / y if y else mp.inf for x, y in zip(p, q) if x))
    total = affinity(p, q, a)
    return mp.inf if total in (0, mp.inf) else mp.log(total) / (a - 1)


def pairs(rng, kind: str):
    """Two measures: near each other, peaked, with disjoint parts, or over 330 orders of magnitude."""
    n = int(rng.integers(1, 12))
    if kind == "near":
        p = rng.random(n)
        p /= p.sum()
        q = p * (1 + 10.0 ** -rng.uniform(0, 13) * rng.uniform(-1, 1, n))
    elif kind == "peaked":
        p, q = (rng.random(n) ** rng.choice([1, 5, 50]) for _ in range(2))
    elif kind == "holes":
        p, q = (rng.random(n) * (rng.random(n) < 0.6) for _ in range(2))
        p[0] += 0.1
        q[-1] += 0.1
    else:
        p, q = (10.0 ** rng.uniform(-330, 0, n) for _ in range(2))
        p[0] = q[-1] = 1.0
    return p / p.sum(), q / q.sum()


def close(found: float, true, rtol: float) -> bool:
    if true == mp.inf:
        return found == math.inf
    return abs(mpf(float(found)) - true) <= rtol * abs(true) + 4 * SMALLEST


@pytest.mark.parametrize("kind", ["near", "peaked", "holes", "wide"])
@pytest.mark.parametrize("name", PLAIN)
def test_against_mpmath(name, kind):
    rng = np.random.default_rng([len(name), len(kind)])
    with mp.workdps(420):
        for _ in range(6):
            p, q = pairs(rng, kind)
            true = oracle(name, proportions(p), proportions(q))
            found = getattr(dv, name)(p, q)
            # The log path that replaces an overflow of chi2 is good to 700 rounding errors.
            assert close(found, true, 2e-13 if name == "chi2" and found > 1e280 else 1e-15), (p, q)


@pytest.mark.parametrize("kind", ["near", "peaked", "holes", "wide"])
@pytest.mark.parametrize("order", [*ORDERS, math.inf])
def test_orders_against_mpmath(order, kind):
    rng = np.random.default_rng([int(100 * min(abs(order), 99)), len(kind)])
    with mp.workdps(420):
        for _ in range(4):
            p, q = pairs(rng, kind)
            exact = proportions(p), proportions(q)
            # exp(order log p/q) cannot be better than its exponent, which is rounded once.
            both = (p > 0) & (q > 0)
            exponent = min(abs(order), 99) * np.abs(np.log(p[both]) - np.log(q[both])).max(initial=0.0)
            rtol = 1e-15 + 1.2e-16 * exponent
            if order >= 0:
                assert close(dv.renyi(p, q, order), oracle("renyi", *exact, order), rtol), (p, q)
            if math.isfinite(order):
                true = oracle("alpha", *exact, order)
                if true < 1e306 or true == mp.inf:
                    assert close(dv.alpha(p, q, order), true, rtol), (p, q)


@pytest.mark.parametrize("separation", 10.0 ** -np.arange(0, 13))
def test_near_equality_keeps_every_digit(separation):
    """The bar: 1e-12 at separation 1e-12, where sum p log(p/q) has no digit left. Measured: 5e-16."""
    rng = np.random.default_rng(3)
    with mp.workdps(60):
        for n in (2, 3, 50):
            p = rng.random(n)
            p /= p.sum()
            q = p * (1 + separation * rng.uniform(-1, 1, n))
            q /= q.sum()
            exact = proportions(p), proportions(q)
            for name in ("kl", "js", "tv", "squared_hellinger", "chi2", "jeffreys"):
                assert close(getattr(dv, name)(p, q), oracle(name, *exact), 1e-15), name


@pytest.mark.parametrize("separation", [1e-3, 1e-8, 1e-12])
def test_near_equality_of_proportions(separation):
    """Totals as far apart as they like: counts, or one measure in grams and the other in ounces."""
    rng = np.random.default_rng(4)
    with mp.workdps(60):
        for ratio in (3.0, 0.75, 1e-5, 1 / 3, 2**0.5, 1e30):
            p = np.rint(1e12 * rng.random(20) + 1)
            q = ratio * p * (1 + separation * rng.uniform(-1, 1, 20))
            exact = proportions(p), proportions(q)
            for name in ("kl", "js", "tv", "squared_hellinger", "chi2", "jeffreys"):
                assert close(getattr(dv, name)(p, q, normalize=True), oracle(name, *exact), 1e-15), name


def test_entropy_of_nearly_certain_laws():
    with mp.workdps(420):
        for tiny in (0.5, 1e-3, 1e-10, 1e-17, 1e-300, SMALLEST):
            p = np.array([1.0 - tiny, tiny])
            assert close(dv.entropy(p), oracle("entropy", proportions(p), None), 1e-15), tiny


@given(st.integers(0, 2**32 - 1), st.sampled_from(["near", "peaked", "holes", "wide"]))
def test_kl_is_cross_entropy_minus_entropy(seed, kind):
    p, q = pairs(np.random.default_rng(seed), kind)
    cross = float(dv.cross_entropy(p, q))
    if math.isfinite(cross):
        assert abs(dv.kl(p, q) - (cross - dv.entropy(p))) <= 4e-16 * max(cross, 1.0)
    else:
        assert dv.kl(p, q) == math.inf


@given(st.integers(0, 2**32 - 1), st.sampled_from(["near", "peaked", "holes", "wide"]))
def test_laws(seed, kind):
    """Range, symmetry, permutation, normalisation by any factor, merging atoms (data processing)."""
    rng = np.random.default_rng(seed)
    p, q = pairs(rng, kind)
    order = rng.permutation(p.size)
    factor = 2.0 ** rng.integers(-300, 300)
    tops = {"js": 2 * math.log(2), "tv": 1.0, "squared_hellinger": 1.0, "kl": math.inf, "jeffreys": math.inf}
    for name, top in tops.items():
        f = getattr(dv, name)
        value = float(f(p, q))
        assert 0 <= value <= top
        assert f(p, p) == 0.0
        if name != "kl":
            assert f(q, p) == pytest.approx(value, rel=1e-15)
        if math.isfinite(value):
            assert f(p[order], q[order]) == pytest.approx(value, rel=2e-15)
            if p.min() >= 0 and min(p[p > 0].min(), q[q > 0].min()) > 1e-200:
                assert f(p * factor, q / factor, normalize=True) == pytest.approx(value, rel=2e-15, abs=1e-30)
        if kind != "near":  # there, the rounding of the merged mass is what would be measured
            merged = [np.append(x[:-2], x[-2:].sum()) for x in (p, q)]
            assert f(*merged, normalize=True) <= value * (1 + 1e-14) + 1e-15


def test_extremal_pairs_of_js_and_tv():
    """Both ends of (1+t)log(1+t)+(1-t)log(1-t) <= JS <= 2 log 2 t are attained."""
    for t in np.linspace(0.03125, 1, 32):
        lower = (1 + t) * math.log1p(t) + ((1 - t) * math.log1p(-t) if t < 1 else 0)
        assert dv.js([(1 + t) / 2, (1 - t) / 2], [(1 - t) / 2, (1 + t) / 2]) == pytest.approx(
            lower, rel=1e-14
        )
        assert dv.js([t, 1 - t, 0], [0, 1 - t, t]) == pytest.approx(2 * math.log(2) * t, rel=1e-15)
        assert dv.tv([t, 1 - t, 0], [0, 1 - t, t]) == pytest.approx(t, rel=1e-15)


def test_support():
    assert dv.kl([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert dv.kl([1.0, 0.0], [0.5, 0.5]) == math.log(2)
    assert dv.chi2([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert dv.jeffreys([1.0, 0.0], [0.5, 0.5]) == math.inf
    assert dv.cross_entropy([0.5, 0.5], [1.0, 0.0]) == math.inf
    assert dv.js([1.0, 0.0], [0.0, 1.0]) == 2 * math.log(2)
    assert dv.renyi([1.0, 0.0], [0.0, 1.0], 0.5) == math.inf
    assert dv.renyi([1.0, 0.0], [0.0, 1.0], 0.0) == math.inf
    assert dv.renyi([1.0, 0.0], [0.25, 0.75], 0.0) == pytest.approx(math.log(4))
    # A zero of both measures says nothing; a subnormal number is not a zero.
    assert dv.kl([0.5, 0.5, 0.0], [0.25, 0.75, 0.0]) == dv.kl([0.5, 0.5], [0.25, 0.75])
    assert dv.kl([1.0, SMALLEST], [1.0, SMALLEST]) == 0.0
    assert dv.kl([0.5, 0.5], [1.0, SMALLEST]) == pytest.approx(371.52688878013068585, rel=1e-15)


def test_chi2_beyond_float64_is_an_error_with_its_logarithm():
    p, q = [0.5, 0.5], [1.0, SMALLEST]
    with pytest.raises(OverflowError, match="renyi"):
        dv.chi2(p, q)
    with pytest.raises(OverflowError, match="renyi"):
        dv.alpha(p, q, 3.0)
    assert dv.renyi(p, q, 2.0) == pytest.approx(math.log(0.25) + 1074 * math.log(2), rel=1e-15)
    q = [1.0, 2.0**-1000]  # finite, though the kernel's lifted sum overflows
    assert dv.chi2(p, q) == pytest.approx(2.0**998, rel=1e-12)


class TestBatches:
    @pytest.mark.parametrize("name", [*PLAIN, "entropy"])
    def test_rows_are_bitwise_those_computed_alone(self, name):
        rng = np.random.default_rng(0)
        p, q = (rng.dirichlet(np.ones(67), size=(5, 4)) for _ in range(2))
        f = getattr(dv, name)
        args = (p,) if name == "entropy" else (p, q)
        together = f(*args)
        assert together.shape == (5, 4)
        alone = [[f(*(x[i, j] for x in args)) for j in range(4)] for i in range(5)]
        np.testing.assert_array_equal(together, alone)
        moved = f(*(np.moveaxis(x, -1, 0) for x in args), axis=0)
        np.testing.assert_array_equal(moved, together)

    def test_only_the_rows_that_need_it_are_summed_again(self):
        rng = np.random.default_rng(2)
        p, q = (rng.dirichlet(np.ones(9), size=40) for _ in range(2))
        q[::3] = p[::3] * (1 + 1e-12 * rng.uniform(-1, 1, (14, 9)))
        q /= q.sum(axis=1, keepdims=True)
        for f in (dv.kl, dv.js, dv.tv):
            np.testing.assert_array_equal(f(p, q), [f(x, y) for x, y in zip(p, q)])

    def test_broadcast_and_none(self):
        p = np.random.default_rng(0).dirichlet(np.ones(6), size=(3, 2))
        q = np.full(6, 1 / 6)
        assert dv.kl(p, q).shape == (3, 2)
        assert dv.kl(p, q)[1, 1] == dv.kl(p[1, 1], q)
        joint = p / 6
        assert dv.kl(joint, np.full((3, 2, 6), 1 / 36), axis=None) == dv.kl(
            np.ravel(joint), np.full(36, 1 / 36)
        )
        assert dv.tv(np.empty((0, 3)), np.empty((0, 3))).shape == (0,)

    def test_layout_byte_order_and_read_only(self):
        rng = np.random.default_rng(0)
        p, q = (rng.dirichlet(np.ones(50), size=30) for _ in range(2))
        expected = dv.js(p, q)
        p.flags.writeable = False
        np.testing.assert_array_equal(dv.js(np.asfortranarray(p), q[:, ::-1][:, ::-1]), expected)
        np.testing.assert_array_equal(dv.js(p.astype(">f8"), q), expected)

    def test_large_rows_do_not_depend_on_the_number_of_threads(self):
        code = (
            "import numpy as np, divergences as dv; r = np.random.default_rng(0); "
            "p, q = (r.random(400_001) for _ in range(2)); "
            "print([float(f(p, q, normalize=True)).hex() for f in (dv.kl, dv.js, dv.tv)])"
        )
        answers = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "KANTOROVICH_NUM_THREADS": threads},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for threads in ("1", "2", "5")
        }
        assert len(answers) == 1

    def test_long_sums_are_compensated(self):
        n = 10**6 + 7
        p = np.full(n, 1 / n)
        q = np.where(np.arange(n) == n - 1, 0.5, 0.5 / (n - 1))
        exact = (n - 1) / n * math.log(2 * (n - 1) / n) + math.log(2 / n) / n
        assert dv.kl(p, q) == pytest.approx(exact, rel=1e-14)


class TestBorder:
    @pytest.mark.parametrize("name", [*PLAIN, "alpha", "renyi", "f_divergence"])
    @pytest.mark.parametrize(
        ("p", "q", "error", "match"),
        [
            ([0.5, 0.5], [0.3, 0.3], ValueError, r"q sums to 0\.6.*normalize=True"),
            ([0.5, math.nan], [0.5, 0.5], ValueError, r"p\[1\] is nan"),
            ([0.5, 0.5], [math.inf, 0.5], ValueError, r"q\[0\] is inf"),
            ([1.5, -0.5], [0.5, 0.5], ValueError, r"p\[1\] is -0\.5"),
            ([0.0, 0.0], [0.5, 0.5], ValueError, "p has total mass 0"),
            ([], [], ValueError, "p is empty"),
            ([0.5, 0.5], [0.2, 0.3, 0.5], ValueError, "same atoms"),
            (1.0, 1.0, ValueError, "p is a number"),
            ([0.5 + 0j, 0.5], [0.5, 0.5], TypeError, "complex"),
            (["a", "b"], [0.5, 0.5], TypeError, "p has dtype"),
            (np.array([0.5, None], dtype=object), [0.5, 0.5], TypeError, "object"),
            (np.ma.array([0.5, 0.5], mask=[0, 1]), [0.5, 0.5], TypeError, "masked"),
        ],
    )
    def test_refusals(self, name, p, q, error, match):
        extra = {"alpha": (2.0,), "renyi": (2.0,), "f_divergence": (lambda t: (t - 1) ** 2,)}.get(name, ())
        with pytest.raises(error, match=match):
            getattr(dv, name)(p, q, *extra)

    def test_refusals_name_the_measure_of_a_batch(self):
        p = np.full((3, 2), 0.5)
        q = p.copy()
        q[2, 1] = 0.6
        with pytest.raises(ValueError, match=r"q \(measure 2 of 3\) sums to 1\.1"):
            dv.kl(p, q)
        q[2, 1] = math.nan
        with pytest.raises(ValueError, match=r"q\[2, 1\] is nan"):
            dv.kl(p, q)
        with pytest.raises(ValueError, match="axis = 2"):
            dv.kl(p, p, axis=2)
        with pytest.raises(ValueError, match="broadcast"):
            dv.kl(np.full((3, 2), 0.5), np.full((4, 2), 0.5))
        with pytest.raises(ValueError, match="order"):
            dv.alpha(p, p, math.nan)
        with pytest.raises(ValueError, match="orders"):
            dv.renyi(p, p, -1.0)

    def test_inputs_of_every_kind(self):
        p, q = np.array([0.25, 0.75]), np.array([0.5, 0.5])
        expected = dv.kl(p, q)
        assert isinstance(expected, float)
        assert dv.kl([0.25, 0.75], (0.5, 0.5)) == expected
        assert dv.kl(np.array([1, 3]), np.array([7, 7], dtype=np.uint8), normalize=True) == pytest.approx(
            expected, rel=1e-15
        )
        assert dv.kl(p.astype(np.float16), q.astype(np.float32)) == expected
        assert dv.tv(np.array([True, False]), np.array([False, True])) == 1.0
        before = p.copy()
        dv.js(p, q, normalize=True)
        np.testing.assert_array_equal(p, before)

    def test_low_precision_is_renormalised_within_its_own_rounding(self):
        p, q = np.array([0.3, 0.7], dtype=np.float32), np.array([0.6, 0.4], dtype=np.float32)
        assert dv.kl(p, q) == pytest.approx(0.18378688990329445227, rel=1e-15)
        with pytest.raises(ValueError, match="normalize"):
            dv.kl(p.astype(float) * (1 + 1e-8), q)

    @pytest.mark.parametrize("scale", [1e-320, 1e-300, 1e300, 1.7e308])
    def test_totals_at_the_ends_of_the_exponent_range(self, scale):
        w = np.array([1.0, 0.5, 0.25, 1.0]) * scale
        assert dv.js(w, w[::-1], normalize=True) == pytest.approx(
            float(dv.js(np.array([4, 2, 1, 4]) / 11, np.array([4, 1, 2, 4]) / 11)),
            rel=2e-15 if scale > 1e-310 else 1e-3,
        )
        assert dv.kl(w, [1, 1, 1, 1], normalize=True) > 0


class TestGenerators:
    @given(st.integers(0, 2**32 - 1))
    def test_a_function_agrees_with_the_name(self, seed):
        p, q = pairs(np.random.default_rng(seed), "peaked")
        generators = {
            "kl": dv.Generator(lambda t: t * np.log(t), at_zero=0.0, slope=math.inf),
            "reverse_kl": dv.Generator(lambda t: -np.log(t), at_zero=math.inf, slope=0.0),
            "tv": dv.Generator(lambda t: abs(t - 1) / 2, slope=0.5),
            "squared_hellinger": dv.Generator(lambda t: (np.sqrt(t) - 1) ** 2 / 2, slope=0.5),
            "chi2": dv.Generator(lambda t: (t - 1) ** 2, slope=math.inf),
        }
        for name, generator in generators.items():
            try:
                by_name = float(dv.f_divergence(p, q, name))
            except OverflowError:
                continue
            assert dv.f_divergence(p, q, generator) == pytest.approx(by_name, rel=1e-11, abs=1e-14)

    def test_atoms_of_one_measure_alone(self):
        p, q = [0.5, 0.5, 0.0], [0.0, 0.5, 0.5]
        assert dv.f_divergence(p, q, dv.Generator(lambda t: abs(t - 1) / 2, slope=0.5)) == 0.5
        assert dv.f_divergence(p, q, dv.Generator(lambda t: (t - 1) ** 2, slope=math.inf)) == math.inf
        with pytest.raises(ValueError, match="slope"):
            dv.f_divergence(p, q, lambda t: (t - 1) ** 2)

    def test_what_is_no_generator_is_refused(self):
        p, q = [0.5, 0.5], [0.25, 0.75]
        with pytest.raises(ValueError, match=r"f\(1\) = 1"):
            dv.f_divergence(p, q, lambda t: t)
        with pytest.raises(ValueError, match="not convex"):
            dv.f_divergence(p, q, lambda t: -((t - 1) ** 2))
        with pytest.raises(ValueError, match="choose one of"):
            dv.f_divergence(p, q, "euclid")
        with pytest.raises(ValueError, match="NaN"):
            dv.f_divergence(p, q, lambda t: np.where(t == 1, 0.0, np.nan))


@pytest.mark.parametrize(
    "generator",
    [
        lambda t: t * np.log(t),
        lambda t: -np.log(t),
        lambda t: t * t - 1,
        lambda t: t**3 - 1,
        lambda t: 1 - np.sqrt(t),
    ],
    ids=["kl", "reverse_kl", "chi2", "cube", "hellinger"],
)
def test_correct_generators_of_nearly_equal_measures_are_convex(generator):
    """Pairs within 3 ulp: the sum is the tangent's rounding alone, of either sign."""
    rng = np.random.default_rng(0)
    for n in (2, 7, 50):
        q = rng.dirichlet(np.ones(n), size=100)
        p = q * (1 + rng.integers(-3, 4, q.shape) * 2.0**-52)
        value = dv.f_divergence(p, q, generator, normalize=True)
        assert np.all((value >= 0) & (value < 1e-14))
    for concave in (lambda t: np.log(t), lambda t: np.sqrt(t) - 1):
        with pytest.raises(ValueError, match="not convex"):
            dv.f_divergence([0.5, 0.5], [0.5 + 1e-4, 0.5 - 1e-4], concave)


class TestDistributions:
    """Arrays and laws share the public functions; the values themselves are tested with the densities."""

    def test_laws_are_handed_on(self):
        from scipy import stats

        p, q = stats.norm(0, 1), stats.norm(1, 1)
        expected = {"kl": 0.5, "tv": 0.382924922548026207, "js": 0.222842964369472359, "jeffreys": 1.0}
        for name, value in expected.items():
            assert getattr(dv, name)(p, q) == pytest.approx(value, rel=1e-9)
            assert dv.f_divergence(p, q, name) == pytest.approx(value, rel=1e-9)
        assert dv.renyi(p, q, 2.0) == pytest.approx(1.0, rel=1e-9)
        assert dv.wasserstein(p, stats.norm(1, 2), p=2) == pytest.approx(2**0.5, rel=1e-9)

    def test_what_needs_masses_says_so(self):
        from scipy import stats

        p = stats.norm(0, 1)
        with pytest.raises(TypeError, match="not one of each"):
            dv.cross_entropy(p, [0.5, 0.5])
        with pytest.raises(TypeError, match="generators"):
            dv.f_divergence(p, p, lambda t: (t - 1) ** 2)
