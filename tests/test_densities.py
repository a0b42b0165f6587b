"""Divergences of laws on the line: digits, closed forms in 60-digit arithmetic, infinities, refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import divergences as dv
from divergences import _closed_forms
from divergences._brackets import assembled, checked
from divergences._estimate import Estimate
from divergences._line import integrate_line
from divergences._pipe import evaluate
from divergences._recognise import as_law
from divergences._supports import decide
from divergences._table import functional
from transport.internal import ConvergenceError

REFERENCE = json.loads((Path(__file__).parent / "cases" / "reference_values.json").read_text())
mp.mp.dps = 60


@pytest.fixture(params=["registry", "quadrature"])
def route(request, monkeypatch):
    """Each digit is reached twice: with the closed forms, and with none."""
    if request.param == "quadrature":
        monkeypatch.setattr(_closed_forms, "_TABLE", {})
    return request.param


def check(name, P, Q, digits, rtol=1e-12, **options):
    true = mp.mpf(digits)
    found = dv.estimate(name, P, Q, **options)
    assert found.lower <= true <= found.upper, (found, digits)
    assert abs(found.value - true) <= rtol * abs(true), (found, digits)
    assert found.upper - found.lower <= 1e-10 * abs(true), found


@pytest.mark.parametrize("row", REFERENCE["normal_N(0,1)_vs_N(m,s^2)"], ids=lambda r: f"{r['m']},{r['s']}")
def test_normal_digits(row, route):
    P, Q = stats.norm(0, 1), stats.norm(row["m"], row["s"])
    check("js", P, Q, row["JS"])
    check("tv", P, Q, row["TV"])
    check("kl", P, Q, row["KL(P||Q)"])
    check("kl", Q, P, row["KL(Q||P)"])
    check("squared_hellinger", P, Q, row["H2"])


def test_other_digits(route):
    e = REFERENCE["exponential_rates_2_vs_0.5"]
    P, Q = stats.expon(scale=0.5), stats.expon(scale=2)
    for name, key in (("kl", "KL"), ("tv", "TV"), ("squared_hellinger", "H2")):
        check(name, P, Q, e[key])
    lap = REFERENCE["laplace_shift1_scale1"]
    for name, key in (("kl", "KL"), ("tv", "TV")):
        check(name, stats.laplace(0), stats.laplace(1), lap[key])
    for name, key in (("kl", "KL"), ("tv", "TV")):
        check(name, stats.cauchy(0), stats.cauchy(1), REFERENCE["cauchy_shift1"][key])
    check("kl", stats.gamma(2), stats.gamma(3, scale=2), "1.3498043871413141", rtol=1e-14)
    check("kl", stats.beta(2, 3), stats.uniform(), "0.23490664978800031")
    check("kl", stats.uniform(), stats.beta(2, 3), "0.51509335021199969")
    # stored to 12-15 digits: compare values, not intervals
    for ((a, b), (c, d)), value in zip(
        (((0, 1), (1, 1)), ((0, 1), (3, 2)), ((0, 1), (0, 5))),
        REFERENCE["cauchy_JS_closed_form_vs_quadrature"].values(),
    ):
        found = dv.estimate("js", stats.cauchy(a, b), stats.cauchy(c, d))
        assert found.value == pytest.approx(float(value), rel=1e-13)
    assert dv.estimate("js", P, Q).value == pytest.approx(float(e["JS"]), rel=1e-12)
    assert dv.estimate("js", stats.laplace(0), stats.laplace(1)).value == pytest.approx(
        float(lap["JS"]), rel=1e-12
    )


def test_discrete_digits(route):
    row = REFERENCE["poisson_3_vs_5"]
    P, Q = stats.poisson(3), stats.poisson(5)
    for name, key in (("kl", "KL(3||5)"), ("tv", "TV"), ("js", "JS"), ("squared_hellinger", "H2")):
        check(name, P, Q, row[key])
    check("tv", stats.bernoulli(0.25), stats.bernoulli(0.625), "0.375")
    check("kl", stats.binom(7, 0.25), stats.binom(7, 0.5), 7 * (mp.log(0.5) / 4 + 3 * mp.log(1.5) / 4))
    # Zipf tails: KL = (b-a)·E log k + log ζ(b)/ζ(a), summed to infinity
    a, b = mp.mpf(2.5), mp.mpf(3)
    true = -(b - a) * mp.zeta(a, derivative=1) / mp.zeta(a) + mp.log(mp.zeta(b) / mp.zeta(a))
    found = dv.estimate("kl", stats.zipf(2.5), stats.zipf(3))
    assert found.lower <= true <= found.upper
    assert abs(found.value - true) < 1e-8 * true
    assert dv.estimate("kl", stats.zipf(2), stats.poisson(3, loc=1)).value == math.inf


def test_vector_digits():
    check("kl", stats.dirichlet([1, 2, 3]), stats.dirichlet([2, 2, 2]), "0.806852819440054691")
    P = stats.multivariate_normal([1, -0.5], np.diag([0.25, 2]))
    check("kl", P, stats.multivariate_normal([0, 0], np.eye(2)), "1.09657359027997265")
    rho = 0.9
    mf = stats.multivariate_normal([0, 0], (1 - rho**2) * np.eye(2))
    p = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    true = -mp.log(1 - mp.mpf(rho) ** 2) / 2
    assert dv.estimate("kl", mf, p).value == pytest.approx(float(true), rel=1e-13)
    assert dv.estimate("kl", p, mf).value == pytest.approx(3.43279229132601665, rel=1e-13)


@pytest.mark.parametrize("name", ["js", "tv", "squared_hellinger", "kl"])
def test_vectors_by_qmc_cover_the_line_answer(name, monkeypatch):
    """N(0, I) against N((m, 0), I): the second coordinate adds nothing, so the 1-D answer is the truth."""
    monkeypatch.setattr(_closed_forms, "_TABLE", {})
    P, Q = stats.multivariate_normal([0, 0], np.eye(2)), stats.multivariate_normal([1.5, 0], np.eye(2))
    true = evaluate(name, stats.norm(0, 1), stats.norm(1.5, 1))
    found = dv.estimate(name, P, Q, rng=3, confidence=0.9999)
    assert found.method == "qmc"
    assert found.lower <= true <= found.upper
    assert found.upper - found.lower < 0.02 * true


# ---------------------------------------------------------------- sweeps: closed forms at 60 digits


def normal_kl(a, b):
    (m1, s1), (m2, s2) = a, b
    return mp.log(s2 / s1) + (s1**2 + (m1 - m2) ** 2) / (2 * s2**2) - mp.mpf(1) / 2


def normal_h2(a, b):
    (m1, s1), (m2, s2) = a, b
    v = s1**2 + s2**2
    return 1 - mp.sqrt(2 * s1 * s2 / v) * mp.exp(-((m1 - m2) ** 2) / (4 * v))


def normal_tv(a, b):
    (m1, s1), (m2, s2) = a, b
    if s1 == s2:
        return mp.erf(abs(m1 - m2) / (mp.sqrt(8) * s1))
    A, B = 1 / s2**2 - 1 / s1**2, 2 * (m1 / s1**2 - m2 / s2**2)
    C = m2**2 / s2**2 - m1**2 / s1**2 - 2 * mp.log(s1 / s2)
    root = mp.sqrt(B * B - 4 * A * C)
    x, y = (-B - root) / (2 * A), (-B + root) / (2 * A)

    def gap(t):
        return mp.ncdf((t - m1) / s1) - mp.ncdf((t - m2) / s2)

    return abs(gap(x) - gap(y))


def cauchy_kl(a, b):
    (m1, s1), (m2, s2) = a, b
    return mp.log(((s1 + s2) ** 2 + (m1 - m2) ** 2) / (4 * s1 * s2))


def cauchy_js(a, b):
    (m1, s1), (m2, s2) = a, b
    d = mp.sqrt((m1 - m2) ** 2 + (s1 + s2) ** 2)
    return 2 * mp.log(2 * d / (d + 2 * mp.sqrt(s1 * s2)))


def laplace_kl(a, b):
    (m1, s1), (m2, s2) = a, b
    x = abs(m1 - m2)
    return mp.log(s2 / s1) + x / s2 + (s1 / s2) * mp.exp(-x / s1) - 1


def gamma_kl(a, b):
    (k1, t1), (k2, t2) = a, b
    constant = mp.loggamma(k2) - mp.loggamma(k1) + k2 * mp.log(t2 / t1)
    return (k1 - k2) * mp.digamma(k1) + constant + k1 * (t1 - t2) / t2


def beta_kl(a, b):
    (a1, b1), (a2, b2) = a, b

    def log_beta(x, y):
        return mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y)

    same = (a1 - a2) * mp.digamma(a1) + (b1 - b2) * mp.digamma(b1)
    return log_beta(a2, b2) - log_beta(a1, b1) + same + (a2 - a1 + b2 - b1) * mp.digamma(a1 + b1)


def exponential_h2(a, b):
    (_, s1), (_, s2) = a, b
    return 1 - 2 * mp.sqrt(s1 * s2) / (s1 + s2)


LOCATION = {
    ("norm", "kl"): normal_kl,
    ("norm", "squared_hellinger"): normal_h2,
    ("norm", "tv"): normal_tv,
    ("cauchy", "kl"): cauchy_kl,
    ("cauchy", "js"): cauchy_js,
    ("laplace", "kl"): laplace_kl,
}
SHAPE = {
    ("gamma", "kl"): gamma_kl,
    ("beta", "kl"): beta_kl,
    ("expon", "squared_hellinger"): exponential_h2,
}

log_scale = st.floats(-6, 6).map(lambda e: 10.0**e)
signed = st.builds(lambda s, x: s * x, log_scale, st.floats(-1, 1))
small = st.floats(-9, -0.5).map(lambda e: 10.0**e)


@st.composite
def location_pairs(draw):
    m, s = draw(signed), draw(log_scale)
    kind = draw(st.sampled_from(["free", "near", "apart", "usual"]))
    if kind == "free":
        return (m, s), (draw(signed), draw(log_scale))
    if kind == "near":
        e = draw(small)
        return (m, s), (m + s * e * draw(st.floats(-2, 2)), s * (1 + e * draw(st.floats(-0.5, 1))))
    far = draw(st.floats(1, 40) if kind == "apart" else st.floats(-2, 2))
    return (m, s), (m + s * far, s * draw(st.floats(0.3, 3)))


@st.composite
def shape_pairs(draw, second):
    k = st.floats(-1, 3).map(lambda e: 10.0**e)
    other = log_scale if second == "scale" else k
    a = (draw(k), draw(other))
    if draw(st.booleans()):
        return a, (draw(k), draw(other))
    e = draw(small)
    return a, (a[0] * (1 + e * draw(st.floats(0, 2))), a[1] * (1 + e * draw(st.floats(-0.5, 1))))


def law(family, t):
    if family == "gamma":
        return stats.gamma(t[0], scale=t[1])
    if family == "expon":
        return stats.expon(scale=t[1])
    return getattr(stats, family)(*t)


def by_quadrature(what, P, Q):
    """The functional of two laws without closed forms."""
    p, q, known = decide(what, as_law(P, "P"), as_law(Q, "Q"))
    return known or assembled(integrate_line(what, p, q, 1e-12))


def both_routes(family, name, oracle, a, b):
    apart = [abs(s - t) for s, t in zip(a, b, strict=True) if s != t]
    digits = 80 - 2 * min([0.0, *(math.log10(gap) for gap in apart)])  # laws 1e-92 apart cancel 184 digits
    with mp.workdps(round(digits)):
        true = oracle(*[tuple(mp.mpf(v) for v in t) for t in (a, b)])
    P, Q = law(family, a), law(family, b)
    numeric = by_quadrature(functional(name), P, Q)
    for found in (numeric, dv.estimate(name, P, Q)):
        assert found.lower <= true <= found.upper, (found, mp.nstr(true, 20))
        assert found.lower <= found.value <= found.upper
    if true > 1e-6:  # near-equal laws below that are limited by rounding in scipy's log-densities
        assert abs(numeric.value - true) <= 1e-10 * true + 1e-9 * math.sqrt(true) * (true < 1e-2)


@pytest.mark.parametrize("case", LOCATION, ids="-".join)
@given(pair=location_pairs())
def test_truth_inside_location_families(case, pair):
    both_routes(*case, LOCATION[case], *pair)


@pytest.mark.parametrize("case", SHAPE, ids="-".join)
@given(data=st.data())
def test_truth_inside_shape_families(case, data):
    pair = data.draw(shape_pairs(second="shape" if case[0] == "beta" else "scale"))
    both_routes(*case, SHAPE[case], *pair)


@given(pair=location_pairs(), alpha=st.sampled_from([0.3, 0.5, 0.9, 1.5, 2.0]))
def test_renyi_truth_inside(pair, alpha):
    (m1, s1), (m2, s2) = (tuple(mp.mpf(v) for v in t) for t in pair)
    a = mp.mpf(alpha)
    v = a * s2**2 + (1 - a) * s1**2
    true = (
        mp.inf
        if v <= 0
        else mp.log(s2 / s1) + mp.log(s2**2 / v) / (2 * (a - 1)) + a * (m1 - m2) ** 2 / (2 * v)
    )
    P, Q = stats.norm(*pair[0]), stats.norm(*pair[1])
    for found in (
        dv.estimate("renyi", P, Q, alpha=alpha),
        by_quadrature(functional("renyi", alpha=alpha), P, Q),
    ):
        assert found.lower <= true <= found.upper, (found, mp.nstr(true, 20))


# ---------------------------------------------------------------- infinities, refusals, the seam


@pytest.mark.parametrize("alpha", [-1.0, 0.0, 0.3, 0.5, 1.0, 2.0])
def test_alpha_family(alpha):
    """Exponentials: ∫p^α q^{1-α} = a^α b^{1-α}/(αa + (1-α)b), rates a, b."""
    a, b = 1.5, 1.0
    if alpha in (0.0, 1.0):
        P, Q = (a, b) if alpha else (b, a)
        true = math.log(P / Q) + Q / P - 1
    else:
        true = (a**alpha * b ** (1 - alpha) / (alpha * a + (1 - alpha) * b) - 1) / (alpha * (alpha - 1))
    found = dv.estimate("alpha", stats.expon(scale=1 / a), stats.expon(scale=1 / b), alpha=alpha)
    assert found.value == pytest.approx(true, rel=1e-13)
    assert evaluate("alpha", stats.norm(), stats.expon(), alpha=-0.5 if alpha == 0 else 1.5) == math.inf


def test_finite_beyond_float64_is_an_overflow_not_infinity():
    P, Q = stats.gamma(1000), stats.gamma(5)  # Γ(1994)Γ(5)/Γ(1000)² is 1e590
    found = dv.estimate("chi2", P, Q)
    assert found.lower < found.upper == math.inf
    with pytest.raises(OverflowError, match="renyi"):
        evaluate("chi2", P, Q)


@pytest.mark.parametrize(
    ("name", "P", "Q"),
    [
        ("kl", stats.cauchy(), stats.norm()),
        ("kl", stats.t(1.5), stats.norm(3, 2)),
        ("kl", stats.norm(), stats.expon()),
        ("kl", stats.uniform(0, 2), stats.uniform(0, 1)),
        ("kl", stats.uniform(), stats.invgamma(1)),
        ("chi2", stats.norm(0, 2), stats.norm()),
        ("chi2", stats.expon(scale=2), stats.expon()),
        ("chi2", stats.cauchy(), stats.norm()),
        ("jeffreys", stats.norm(), stats.cauchy()),
        ("kl", stats.poisson(3), stats.binom(50, 0.1)),
        ("kl", stats.norm(), stats.poisson(2)),
    ],
)
def test_infinite(name, P, Q):
    found = dv.estimate(name, P, Q)
    assert found.value == found.lower == found.upper == math.inf


@pytest.mark.parametrize(
    ("P", "Q"), [(stats.norm(), stats.cauchy()), (stats.expon(), stats.norm()), (stats.t(3), stats.t(1))]
)
def test_finite_with_heavy_tails(P, Q):
    found = dv.estimate("kl", P, Q)
    # independent: p log(p/q) without our generator, by mpmath's double-exponential rule
    lo, hi = (float(v) for v in P.support())
    points = [max(lo, -40.0), 0.0, min(hi, 40.0)] if P.dist.name != "t" else [-mp.inf, -1, 0, 1, mp.inf]
    with mp.workdps(20):
        true = mp.quad(
            lambda x: (
                mp.mpf(float(P.pdf(float(x)))) * (float(P.logpdf(float(x))) - float(Q.logpdf(float(x))))
            ),
            points,
        )
    assert found.value == pytest.approx(float(true), rel=1e-8)
    assert found.upper - found.lower < 1e-10 * found.value


def test_disjoint_supports_reach_the_ends_of_the_range():
    P, Q = stats.uniform(0, 1), stats.uniform(2, 1)
    assert evaluate("js", P, Q) == 2 * math.log(2)
    assert evaluate("tv", P, Q) == 1.0
    assert evaluate("kl", P, Q) == math.inf
    assert evaluate("tv", stats.norm(), stats.poisson(2)) == 1.0


def test_density_agrees_with_scipy_and_breakpoints_matter():
    P = dv.Density(lambda x: -0.5 * x**2 - 0.5 * math.log(2 * math.pi))
    check("js", P, stats.norm(1, 1), "0.222842964369472359")
    # density 2 on alternate half-bins (S5, n = 10): JS = log(8/3√3), TV = ½, jumps at k/20
    comb = dv.Density(
        lambda x: np.where(np.floor(20 * x) % 2 == 0, math.log(2), -math.inf),
        support=(0, 1),
        breakpoints=[k / 20 for k in range(1, 20)],
    )
    flat = dv.Density(np.zeros_like, support=(0, 1))
    check("js", comb, flat, "0.431523108677671391", rtol=1e-11)
    check("tv", comb, flat, "0.5", rtol=1e-11)
    assert evaluate("kl", flat, comb) == math.inf
    wave = dv.Density(lambda x: np.log1p(np.sin(20 * np.pi * x)), support=(0, 1))
    assert evaluate("js", wave, flat) == pytest.approx(0.177576555399079805, rel=1e-9)


def test_unnormalised_density_is_refused():
    half = dv.Density(lambda x: -0.5 * x**2)
    with pytest.raises(ValueError, match=r"P's density integrates to 2\.50.*not 1"):
        dv.estimate("tv", half, stats.norm())
    hidden = dv.Density(
        lambda x: np.logaddexp(
            math.log(0.5) + stats.norm.logpdf(x), math.log(0.5) + stats.norm.logpdf(x, 1e3, 1e-4)
        )
    )
    with pytest.raises(ValueError, match="breakpoints"):
        dv.estimate("tv", hidden, stats.norm())


def test_refusals():
    with pytest.raises(TypeError, match="P is a str"):
        dv.estimate("kl", "normal", stats.norm())
    with pytest.raises(ValueError, match="array parameters"):
        dv.estimate("kl", stats.norm([0, 1]), stats.norm())
    with pytest.raises(ValueError, match="no functional"):
        dv.estimate("kullback", stats.norm(), stats.norm())
    with pytest.raises(TypeError, match="takes no option"):
        dv.estimate("kl", stats.norm(), stats.norm(), alpha=2)
    with pytest.raises(ValueError, match="lower < upper"):
        dv.Density(np.zeros_like, support=(1, 0))
    with pytest.raises(ValueError, match="is NaN at x"):
        dv.estimate("kl", dv.Density(lambda x: np.sqrt(x - 0.5), support=(0, 1)), stats.norm())
    with pytest.raises(ValueError, match="same space"):
        dv.estimate("kl", stats.norm(), stats.multivariate_normal([0, 0], np.eye(2)))


def test_new_infrastructure_is_the_old_answer():
    P, Q = stats.Normal(mu=0.0, sigma=1.0), stats.Normal(mu=1.0, sigma=2.0)
    assert dv.estimate("kl", P, Q).method == "closed form"
    check("js", P, Q, "0.256349946108796021")
    check("kl", stats.Uniform(a=0.0, b=1.0), stats.beta(2, 3), "0.51509335021199969")
    mixture = stats.Mixture([P, stats.Normal(mu=50.0, sigma=0.01)], weights=[0.5, 0.5])
    assert evaluate("tv", mixture, P) == pytest.approx(0.5, rel=1e-9)


def test_register_is_open_and_consulted(monkeypatch):
    monkeypatch.setattr(_closed_forms, "_TABLE", dict(_closed_forms._TABLE))

    @dv.register("kl", stats.norm, "mine")
    def _(p, q):
        return 7.0 + p["loc"] + q["knob"]

    mine = dv.Density(stats.norm.logpdf, family="mine", params={"knob": 2.0})
    assert evaluate("kl", stats.norm(3, 1), mine) == 12.0
    assert evaluate("kl", mine, stats.norm(3, 1)) == pytest.approx(4.5)


@given(location_pairs())
def test_exponential_family_identity(pair):
    """KL of an exponential family is the Bregman divergence of its log-normaliser."""
    s = [mp.mpf(t[1]) for t in pair]
    rates = [1 / v for v in s]
    bregman = (-mp.log(rates[1])) - (-mp.log(rates[0])) - (-(1 / rates[0])) * (rates[1] - rates[0])
    found = dv.estimate("kl", stats.expon(scale=pair[0][1]), stats.expon(scale=pair[1][1]))
    assert found.lower <= bregman <= found.upper


@pytest.mark.parametrize("gap", [5e-160, 1e-162, 1e-200, 1e-308])
def test_brackets_hold_where_the_value_is_subnormal_or_underflows(gap):
    both_routes("cauchy", "js", cauchy_js, (0.0, 1.0), (gap, 1.0))


# ---------------------------------------------------------------- infinities need a proof


@pytest.mark.parametrize(
    ("name", "P", "Q", "true"),
    [
        ("tv", stats.norm(0.5, 0.01), stats.uniform(0, 1), None),
        ("kl", stats.uniform(0, 1), stats.norm(0.5, 0.01), 412.98043501388327),
        ("tv", stats.norm(0, 1), stats.uniform(40, 1), 1.0),
        ("kl", stats.gamma(3), stats.norm(5, 0.01), None),
        ("kl", stats.uniform(), stats.norm(0.3, 1e-4), None),
        ("tv", stats.norm(), stats.expon(50, 80), None),
        ("tv", stats.uniform(0, 1), stats.uniform(0.3, 1), 0.3),
        ("js", stats.norm(), stats.norm(300, 1e-3), 2 * math.log(2)),
    ],
)
def test_underflow_is_no_proof_of_infinity(name, P, Q, true):
    """Narrow and far laws: TV from the crossings of the two densities, KL from moments, in 40 digits."""
    if true is None and name == "kl":  # E log p by the law's own entropy, E (x - m)²/2s² by its moments
        m, s = Q.mean(), Q.std()
        square = (P.var() + (P.mean() - m) ** 2) / (2 * s * s)
        true = float(-P.entropy() + square + math.log(s) + 0.5 * math.log(2 * math.pi))
    elif true is None and Q.dist.name == "uniform":  # the normal density is 1 at two places
        half = 0.01 * math.sqrt(-2 * math.log(0.01 * math.sqrt(2 * math.pi)))
        true = float(1 - 2 * P.sf(0.5 + half) - 2 * half)
    elif true is None:  # disjoint but for the normal's tail beyond 50, below e^-1250
        true = 1.0
    found = dv.estimate(name, P, Q)
    assert found.lower <= true * (1 + 1e-15)
    assert found.upper >= true * (1 - 1e-15)
    assert found.upper - found.lower <= 1e-11 * true
    assert evaluate(name, P, Q) == pytest.approx(true, rel=1e-12)


def test_renyi_of_far_laws_is_the_logarithm_of_a_tiny_affinity():
    """Logistics a apart: ∫√pq = ∫ sech((x)/2) sech((x-a)/2)/4 dx = a / (2 sinh(a/2))."""
    for a in (100.0, 3000.0):
        with mp.workdps(30):
            true = -2 * mp.log(mp.mpf(a) / (2 * mp.sinh(mp.mpf(a) / 2)))
        assert evaluate("renyi", stats.logistic(0), stats.logistic(a), alpha=0.5) == pytest.approx(
            float(true), rel=1e-12
        )
        assert evaluate("bhattacharyya", stats.logistic(0), stats.logistic(a)) == pytest.approx(
            float(true) / 2, rel=1e-12
        )
    P, Q = stats.gamma(1000), stats.gamma(5)  # of order 2 the value is finite although chi2 overflows
    true = mp.loggamma(1995) + mp.loggamma(5) - 2 * mp.loggamma(1000)
    assert evaluate("renyi", P, Q, alpha=2.0) == pytest.approx(float(true), rel=1e-12)


def test_laws_on_a_circle():
    P, Q = stats.vonmises(2, 0.5), stats.vonmises(5, 2.9)
    x = np.linspace(-np.pi, np.pi, 4001)[:-1]  # the trapezoid rule converges geometrically on a period
    p, q = P.pdf(x), Q.pdf(x)
    kl = float(np.sum(p * np.log(p / q)) * (x[1] - x[0]))
    assert evaluate("kl", P, Q) == pytest.approx(kl, rel=1e-12)
    assert evaluate("tv", P, Q) == pytest.approx(0.919313, rel=1e-6)
    assert evaluate("kl", stats.vonmises(2, 0.5 + 2 * np.pi), Q) == pytest.approx(kl, rel=1e-12)
    A, B = stats.wrapcauchy(0.3), stats.wrapcauchy(0.3, 1)
    p, q = A.pdf(x % (2 * np.pi)), A.pdf((x - 1) % (2 * np.pi))
    assert evaluate("kl", A, B) == pytest.approx(float(np.sum(p * np.log(p / q)) * (x[1] - x[0])), rel=1e-12)
    with pytest.raises(ValueError, match="vonmises_line"):
        dv.kl(P, stats.norm())
    with pytest.raises(ValueError, match="wasserstein_circle"):
        dv.wasserstein(P, Q)
    with pytest.raises(ValueError, match="set scale to 1"):
        dv.kl(stats.vonmises(2, 0, 3), Q)


def test_densities_passed_as_their_logs_are_refused():
    for wrong in (dv.Density(stats.norm.pdf), dv.Density(np.zeros_like)):
        for pair, name in (((wrong, stats.norm()), "P"), ((stats.norm(), wrong), "Q")):
            with pytest.raises(ValueError, match=rf"{name}'s density is not integrable.*logarithm"):
                dv.kl(*pair)


def test_a_log_density_that_underflows_proves_nothing():
    """log(norm.pdf) is -inf beyond 38.6 sigma; the true KL is finite, and cannot be known from it."""

    def careless(x):
        with np.errstate(divide="ignore"):
            return np.log(stats.norm.pdf(x, 0.5, 0.01))

    found = dv.estimate("kl", stats.uniform(0, 1), dv.Density(careless))
    assert found.lower <= 412.98043501388327 <= found.upper
    with pytest.raises(ConvergenceError, match="only known to lie in"):
        dv.kl(stats.uniform(0, 1), dv.Density(careless))
    assert dv.tv(stats.uniform(0, 1), dv.Density(careless)) == pytest.approx(
        dv.tv(stats.uniform(0, 1), stats.norm(0.5, 0.01)), rel=1e-9
    )
    assert dv.kl(dv.Density(careless), stats.norm(0.5, 0.02)) == pytest.approx(
        dv.kl(stats.norm(0.5, 0.01), stats.norm(0.5, 0.02)), rel=1e-9
    )


def test_supports_are_found_where_the_density_ends():
    box = dv.Density(lambda x: np.where(np.abs(x - 3) < 1, math.log(0.5), -math.inf))
    assert dv.tv(box, stats.uniform(3, 2)) == pytest.approx(0.5, rel=1e-12)
    assert dv.kl(stats.norm(), box) == math.inf
    assert dv.kl(box, stats.norm(3)) == pytest.approx(
        -math.log(2) + 0.5 * math.log(2 * math.pi) + 1 / 6, rel=1e-12
    )


@pytest.mark.parametrize("b", [0.5, 0.3])
def test_singularity_at_a_finite_end(b):
    """Kumaraswamy(5, b) against the uniform: with u = x^5 ~ Beta(1, b), log-moments are digammas."""
    law = dv.Density(lambda x: math.log(5 * b) + 4 * np.log(x) + (b - 1) * np.log1p(-(x**5)), support=(0, 1))
    with mp.workdps(30):
        u, rest = mp.digamma(1) - mp.digamma(1 + b), mp.digamma(b) - mp.digamma(1 + b)
        true = mp.log(mp.mpf(5) * b) + mp.mpf(4) / 5 * u + (mp.mpf(b) - 1) * rest
    found = dv.estimate("kl", law, stats.uniform())
    assert found.lower - 1e-9 <= true <= found.upper + 1e-9
    assert found.value == pytest.approx(float(true), rel=2e-9)
    assert found.upper - found.lower < 1e-6


def test_the_same_law_is_at_distance_zero():
    for law in (stats.invweibull(2.3), stats.norm(1, 2), stats.skellam(1.5, 5.2), stats.levy()):
        for name in ("kl", "tv", "js", "chi2"):
            assert evaluate(name, law, law) == 0.0


def test_masses_that_underflow():
    """χ² of Poisson(3) against Planck(λ): Σ p²/q in 30 digits; skellams against mpmath's Bessel functions."""
    with mp.workdps(30):
        lam = mp.mpf(0.2)
        ratio = mp.nsum(
            lambda k: (
                (mp.exp(-3) * mp.mpf(3) ** k / mp.factorial(k)) ** 2 * mp.exp(lam * k) / (1 - mp.exp(-lam))
            ),
            [0, mp.inf],
        )

        def mass(k, a, b):
            return mp.exp(-a - b) * (a / b) ** (mp.mpf(k) / 2) * mp.besseli(abs(k), 2 * mp.sqrt(a * b))

        one, two = (mp.mpf(1.5), mp.mpf(5.2)), (mp.mpf(4.5), mp.mpf(1.9))
        kl = sum(mass(k + 4, *one) * mp.log(mass(k + 4, *one) / mass(k, *two)) for k in range(-70, 70))
    assert evaluate("chi2", stats.poisson(3), stats.planck(0.2)) == pytest.approx(float(ratio - 1), rel=1e-12)
    assert evaluate("kl", stats.skellam(1.5, 5.2, loc=-4), stats.skellam(4.5, 1.9)) == pytest.approx(
        float(kl), rel=1e-11
    )
    assert evaluate("tv", stats.poisson(3), stats.poisson(3, loc=0.5)) == 1.0
    assert evaluate("kl", stats.poisson(3), stats.poisson(3, loc=0.5)) == math.inf


class _Laplace(stats.rv_continuous):
    def _pdf(self, x):
        return 0.5 * np.exp(-np.abs(x))


def test_a_name_proves_nothing():
    liar = _Laplace(name="norm")
    assert dv.kl(liar(), stats.norm()) == pytest.approx(dv.kl(stats.laplace(), stats.norm()), rel=1e-9)
    assert dv.kl(liar(0, 1), liar(0, 2)) == pytest.approx(math.log(2) - 0.5, rel=1e-9)
    half = stats.norm.__class__(a=0, name="norm")  # scipy's class, another support: not normalised
    with pytest.raises(ValueError, match="integrates to"):
        dv.kl(half(), stats.norm())


def test_what_leaves_is_checked():
    fine = Estimate(0.5, 0.4, 0.6, "quadrature", 1)
    assert checked("tv", fine) is fine
    for name, wrong in (
        ("tv", Estimate(1.2, 1.1, 1.3, "m", 1)),
        ("js", Estimate(math.inf, math.inf, math.inf, "m", 1)),
        ("kl", Estimate(-0.1, -0.2, 0.0, "m", 1)),
        ("kl", Estimate(0.1, 0.2, 0.3, "m", 1)),
    ):
        with pytest.raises(ArithmeticError, match="no pair of laws has"):
            checked(name, wrong)
    with pytest.raises(ArithmeticError):  # Pinsker: kl >= 2 tv²
        checked("kl", Estimate(0.1, 0.1, 0.1, "m", 1), (0.9, 0.9), (0.7, 0.7))
    with pytest.raises(ArithmeticError):  # js >= tv²
        checked("js", Estimate(0.1, 0.1, 0.1, "m", 1), (0.9, 0.9), (0.7, 0.7))


def test_new_infrastructure_transforms():
    N = stats.Normal(mu=0.0, sigma=1.0)
    gamma = stats.make_distribution(stats.gamma)
    for made, known in (
        (stats.truncate(N, lb=0.0), stats.halfnorm()),
        (stats.exp(N), stats.lognorm(1)),
        (stats.abs(N), stats.halfnorm()),
        (gamma(a=2.5), stats.gamma(2.5)),
        (stats.order_statistic(stats.Uniform(a=0.0, b=1.0), r=2, n=4), stats.beta(2, 3)),
        (2 * N + 1, stats.norm(1, 2)),
    ):
        assert dv.estimate("js", made, known).upper < 1e-12
        assert dv.kl(made, stats.norm(1, 3)) == pytest.approx(dv.kl(known, stats.norm(1, 3)), rel=1e-9)


def test_sample_beside_a_law_is_refused_with_the_line_to_type():
    with pytest.raises(ValueError, match=r"law\.rvs"):
        dv.kl([0.1, 0.2, 0.4], stats.norm())
    with pytest.raises(ValueError, match=r"wasserstein\(x, law\)"):
        dv.estimate("tv", stats.norm(), [0.1, 0.2])
    with pytest.raises(TypeError, match=r"multinomial.*probabilities"):
        dv.kl(stats.multinomial(3, [0.5, 0.5]), stats.multinomial(3, [0.4, 0.6]))
    with pytest.raises(ValueError, match="Tabulate"):
        dv.kl(stats.levy_stable(1.8, -0.5), stats.norm())


# ---------------------------------------------------------------- singular and spherical vectors


def test_singular_gaussians_are_singular_by_their_supports():
    mvn = stats.multivariate_normal
    line = mvn([0, 0], [[0.25, 0.5], [0.5, 1]], allow_singular=True)
    plane = mvn([0, 0], np.eye(2))
    other = mvn([0, 0], [[1.0, 0.5], [0.5, 0.25]], allow_singular=True)
    shifted = mvn([1, 0], [[0.25, 0.5], [0.5, 1]], allow_singular=True)
    for P, Q in ((line, plane), (plane, line), (line, other), (line, shifted)):
        assert dv.kl(P, Q) == math.inf
        assert dv.tv(P, Q) == 1.0
        assert dv.js(P, Q) == 2 * math.log(2)
    # one line, variances 1.25 and 2.5 along it
    double = mvn([0, 0], [[0.5, 1], [1, 2]], allow_singular=True)
    assert dv.kl(line, double) == pytest.approx(dv.kl(stats.norm(0, 1), stats.norm(0, 2**0.5)), rel=1e-12)
    along = mvn([1, 2], [[0.25, 0.5], [0.5, 1]], allow_singular=True)
    assert dv.tv(line, along) == pytest.approx(dv.tv(stats.norm(), stats.norm(2)), rel=1e-12)


def test_von_mises_fisher():
    """KL between equal concentrations: κ A(κ) (1 - cos θ), A(κ) = coth κ - 1/κ."""
    P, Q = stats.vonmises_fisher([0, 0, 1], 5), stats.vonmises_fisher([0, 1, 0], 5)
    found = dv.estimate("kl", P, Q)
    assert found.upper - found.lower < 1e-11
    assert found.lower <= 5 * (1 / math.tanh(5) - 1 / 5) <= found.upper
    assert dv.tv(P, stats.multivariate_normal([0, 0, 0], np.eye(3))) == 1.0


def bessel_constant(d, kappa):
    return (mp.mpf(d) / 2 - 1) * mp.log(kappa) - mp.log(mp.besseli(mp.mpf(d) / 2 - 1, kappa))


@pytest.mark.parametrize("d", [2, 3, 5, 100])
@pytest.mark.parametrize(("k", "m"), [(2.0, 5.0), (0.01, 300.0), (300.0, 299.0), (1e4, 9e3)])
def test_von_mises_fisher_on_any_sphere(d, k, m):
    """Mardia and Jupp 2000, 9.3.2, in 40 digits; opposite and equal directions too."""
    rng = np.random.default_rng(d)
    first, second = (z / np.linalg.norm(z) for z in rng.normal(size=(2, d)))
    for mu, nu in ((first, second), (first, -first), (first, first)):
        P, Q = stats.vonmises_fisher(mu, k), stats.vonmises_fisher(nu, m)
        with mp.workdps(40):
            cosine = mp.fdot(map(mp.mpf, mu), map(mp.mpf, nu))
            mean = mp.besseli(mp.mpf(d) / 2, k) / mp.besseli(mp.mpf(d) / 2 - 1, k)
            kl = bessel_constant(d, k) - bessel_constant(d, m) + mean * (k - m * cosine)
            found = dv.estimate("kl", P, Q)
            assert found.lower <= kl <= found.upper
            assert found.upper - found.lower <= 3e-12 * (100 + k + m)
            for order in (0.5, 3.0):
                mixed = mp.norm([order * k * mp.mpf(s) + (1 - order) * m * mp.mpf(t) for s, t in zip(mu, nu)])
                logs = order * bessel_constant(d, k) + (1 - order) * bessel_constant(d, m)
                renyi = (logs - bessel_constant(d, mixed)) / (order - 1)
                found = dv.estimate("renyi", P, Q, alpha=order)
                assert found.lower <= renyi <= found.upper
                assert found.value == pytest.approx(float(renyi), rel=1e-9, abs=1e-12 * (k + m))
    assert dv.kl(P, P) == 0.0
    found, half = dv.estimate("hellinger", P, Q), dv.estimate("renyi", P, Q, alpha=0.5)
    assert found.lower**2 <= -math.expm1(-0.5 * half.upper) * (1 + 1e-12)
    assert found.upper**2 >= -math.expm1(-0.5 * half.lower) * (1 - 1e-12)


def test_roots_and_sums_of_closed_forms():
    """Hellinger of Gaussians in the plane, and Jeffreys, from the formulas of its square and of KL."""
    P, Q = stats.multivariate_normal([0, 0], [[2, 1], [1, 2]]), stats.multivariate_normal([1, 0])
    affinity = (3 / 1) ** 0.25 / math.sqrt(2.0) * math.exp(-0.125 * 0.75)  # |S|^1/4 / |(S + I) / 2|^1/2, S^-1
    found = dv.estimate("hellinger", P, Q)
    assert found.method == "closed form"
    assert found.value == pytest.approx(math.sqrt(1 - affinity), rel=1e-12)
    found = dv.estimate("jeffreys", P, Q)
    assert found.method == "closed form"
    assert found.value == pytest.approx(dv.kl(P, Q) + dv.kl(Q, P), rel=1e-14)
