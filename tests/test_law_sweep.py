"""Pairs over all of scipy's families, loc and scale, against quadrature that shares only logpdf with ours.

The reference sums Gauss-Legendre panels in x, cut at geometric distances from quantiles and ends. Every
estimate must hold it; bounded functionals are never infinite; symmetric ones are equal both ways.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy import special, stats

import divergences as dv

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)

CONTINUOUS = {
    "alpha": (3.57,), "anglit": (), "arcsine": (), "argus": (1.0,), "beta": (2.3, 0.63), "betaprime": (5, 6),
    "bradford": (0.3,), "burr": (10.5, 4.3), "burr12": (10, 4), "cauchy": (), "chi": (7.8,), "chi2": (5.5,),
    "cosine": (), "crystalball": (2.0, 3.0), "dgamma": (1.1,), "dpareto_lognorm": (3, 1.2, 1.5, 2),
    "dweibull": (2.07,), "expon": (), "exponnorm": (1.5,), "exponpow": (2.7,), "exponweib": (2.9, 1.95),
    "f": (29, 18), "fatiguelife": (2.9,), "fisk": (3.1,), "foldcauchy": (4.7,), "foldnorm": (1.95,),
    "gamma": (1.99,), "gausshyper": (3.8, 3.1, 2.5, 5.2), "genexpon": (9.1, 16.2, 3.3), "genextreme": (-0.1,),
    "gengamma": (4.4, 3.1), "genhalflogistic": (0.77,), "genhyperbolic": (0.5, 1.5, -0.5),
    "geninvgauss": (2.3, 1.5), "genlogistic": (0.41,), "gennorm": (1.3,), "genpareto": (-0.3,), "gibrat": (),
    "gompertz": (0.95,), "gumbel_l": (), "gumbel_r": (), "halfcauchy": (), "halfgennorm": (0.67,),
    "halflogistic": (), "halfnorm": (), "hypsecant": (), "invgamma": (4.07,), "invgauss": (0.15,),
    "invweibull": (10.6,), "irwinhall": (5,), "jf_skew_t": (8, 4), "johnsonsb": (4.3, 3.2),
    "johnsonsu": (2.55, 2.25), "kappa3": (1.0,), "kappa4": (0.1, 0.2), "landau": (), "laplace": (),
    "laplace_asymmetric": (2,), "levy": (), "levy_l": (), "loggamma": (0.41,), "logistic": (),
    "loglaplace": (3.25,), "lognorm": (0.95,), "loguniform": (0.01, 1.25), "lomax": (1.88,), "maxwell": (),
    "mielke": (10.4, 4.6), "moyal": (), "nakagami": (4.97,), "ncf": (27, 27, 0.42), "nct": (14, 0.24),
    "ncx2": (21, 1.06), "norm": (), "norminvgauss": (1.25, 0.5), "pareto": (2.62,), "pearson3": (-0.7,),
    "powerlaw": (1.66,), "powerlognorm": (2.14, 0.45), "powernorm": (4.4,), "rayleigh": (), "rdist": (1.6,),
    "recipinvgauss": (0.63,), "rel_breitwigner": (3.65,), "rice": (0.77,), "semicircular": (),
    "skewcauchy": (0.5,), "skewnorm": (4.0,), "t": (2.74,), "trapezoid": (0.2, 0.8), "triang": (0.16,),
    "truncexpon": (4.7,), "truncnorm": (-1.1, 2.7), "truncpareto": (1.8, 5.3), "truncweibull_min": (2.5, 0.25,
    1.75), "tukeylambda": (-0.13,), "uniform": (), "vonmises_line": (3.99,), "wald": (), "weibull_max":
    (2.87,), "weibull_min": (1.79,),
}  # fmt: skip
DISCRETE = {
    "bernoulli": (0.3,), "betabinom": (5, 2.3, 0.63), "betanbinom": (5, 9.3, 4), "binom": (5, 0.4),
    "boltzmann": (1.4, 19), "dlaplace": (0.8,), "geom": (0.5,), "hypergeom": (30, 12, 6), "logser": (0.6,),
    "nbinom": (5, 0.5), "nchypergeom_fisher": (140, 80, 60, 0.5), "nchypergeom_wallenius": (14, 8, 6, 0.5),
    "nhypergeom": (20, 7, 1), "planck": (0.51,), "poisson": (0.6,), "randint": (7, 31), "skellam": (15, 8),
    "yulesimon": (11.0,), "zipf": (6.6,), "zipfian": (1.25, 10),
}  # fmt: skip


def quiet(function, *args):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args)


def grid(laws):
    ends = [float(e) for law in laws for e in law.support()]
    points = [e for e in ends if math.isfinite(e)]
    for law in laws:
        spread = float(law.ppf(0.75) - law.ppf(0.25))
        steps = spread * 10.0 ** np.arange(-14, 30, 0.125)
        for c in (
            *(float(law.ppf(u)) for u in (0.05, 0.5, 0.95)),
            *(e for e in law.support() if math.isfinite(e)),
        ):
            points += [c, *(c + steps), *(c - steps)]
    x = np.unique(points)
    return x[(x >= min(ends)) & (x <= max(ends))]


def terms(lp, lq):
    p, q, t = np.exp(lp), np.exp(lq), lp - lq
    middle = 0.5 * (p + q)
    floor = 1e-300
    return {
        "tv": 0.5 * np.abs(p - q),
        "squared_hellinger": 0.5 * (np.sqrt(p) - np.sqrt(q)) ** 2,
        "js": sum(d * (np.log(np.maximum(d, floor)) - np.log(np.maximum(middle, floor))) for d in (p, q)),
        "kl": np.where(p > 0, np.where(np.isnan(t), 0.0, p * t) - p + q, q),
    }


def reference(P, Q):
    """Values of the functionals, and how much of KL lies at the very ends of the grid."""
    x = grid([P, Q])
    half = 0.5 * np.diff(x)[:, None]
    nodes, w = 0.5 * (x[1:] + x[:-1])[:, None] + half * NODES, half * WEIGHTS
    logs = []
    for law in (P, Q):
        value = np.asarray(law.logpdf(nodes), dtype=float)
        logs.append(np.where(np.isnan(value), -np.inf, value))
    if any(abs((np.exp(v) * w).sum() - 1) > 1e-7 for v in logs):
        return None, 0.0
    found = {name: (value * w) for name, value in terms(*logs).items()}
    rows = found["kl"].sum(axis=1)
    return {name: float(value.sum()) for name, value in found.items()}, float(
        rows[:3].sum() + rows[-3:].sum()
    )


def compare(names, P, Q, label):
    want, end = quiet(reference, P, Q)
    for name in names:
        found = dv.estimate(name, P, Q)
        assert found.lower <= found.value <= found.upper
        if name != "kl":
            assert math.isfinite(found.upper), (label, name, found)
            assert dv.estimate(name, Q, P).value == found.value, (label, name)
        if want is None or (name == "kl" and (not end < 1e-9 * want["kl"] or math.isinf(found.value))):
            continue
        slack = (1e-4 if name == "tv" else 1e-6) * want[
            name
        ] + 1e-9  # the reference cuts no panel at a corner
        assert found.lower - slack <= want[name] <= found.upper + slack, (label, name, found, want[name])


def partners(names, seed):
    """Every family once as P and once as Q, with loc and scale."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(names))
    for i, j in zip(order, np.roll(order, 1), strict=True):
        yield names[i], names[j], rng.normal(), math.exp(rng.normal() / 2)


def test_every_continuous_family_quickly():
    """Against a neighbour in a fixed order: TV and KL, a third of the families a run of the reference."""
    names = list(CONTINUOUS)
    for k, (a, b, loc, scale) in enumerate(partners(names, 7)):
        P, Q = getattr(stats, a)(*CONTINUOUS[a]), getattr(stats, b)(*CONTINUOUS[b], loc=loc, scale=scale)
        if k % 4:
            for name in ("js", "kl"):
                found = dv.estimate(name, P, Q)
                assert 0 <= found.lower <= found.value <= found.upper
                assert name == "kl" or found.upper - found.lower < 1e-6, (a, b, found)
        else:
            compare(("js", "kl"), P, Q, (a, b, loc, scale))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(20))
def test_continuous_families_in_pairs(seed):
    for a, b, loc, scale in partners(list(CONTINUOUS), seed):
        P, Q = getattr(stats, a)(*CONTINUOUS[a]), getattr(stats, b)(*CONTINUOUS[b], loc=loc, scale=scale)
        compare(("tv", "js", "squared_hellinger", "kl"), P, Q, (a, b, loc, scale))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(5))
def test_wasserstein_of_continuous_families(seed):
    """Against Gauss-Legendre panels in the level u, by scipy's quantiles of both tails."""
    steps = 10.0 ** np.arange(-16, -1.9, 0.1)
    levels = np.unique(np.concatenate([[0], steps, np.linspace(0.0101, 0.5, 150)]))
    half = 0.5 * np.diff(levels)[:, None]
    u, w = 0.5 * (levels[1:] + levels[:-1])[:, None] + half * NODES, half * WEIGHTS
    for a, b, loc, scale in partners(list(CONTINUOUS), seed):
        P, Q = getattr(stats, a)(*CONTINUOUS[a]), getattr(stats, b)(*CONTINUOUS[b], loc=loc, scale=scale)
        for p in (1, 2):
            gaps = [quiet(level_gaps, P, Q, side, u, p) * w for side in ("ppf", "isf")]
            want = float(sum(g.sum() for g in gaps))
            end = float(sum(g[:3].sum() for g in gaps))
            if not end < 1e-6 * want:
                continue
            found = dv.estimate("wasserstein", P, Q, p=p)
            assert found.value**p == pytest.approx(want, rel=1e-4), (a, b, loc, scale, p)


def level_gaps(P, Q, side, u, p):
    return np.abs(getattr(P, side)(u) - getattr(Q, side)(u)) ** p


def log_masses(law, k):
    with np.errstate(all="ignore"):
        value = np.asarray(law.logpmf(k), dtype=float)
    return np.where(np.isnan(value), -np.inf, value)


def compare_sums(a, b, loc, names):
    P, Q = getattr(stats, a)(*DISCRETE[a]), getattr(stats, b)(*DISCRETE[b], loc=loc)
    k = np.arange(-300.0, 3000.0)
    lp, lq = (quiet(log_masses, law, k) for law in (P, Q))
    want = {name: float(value.sum()) for name, value in quiet(terms, lp, lq).items()}
    for name in names:
        found = dv.estimate(name, P, Q)
        if name != "kl":
            assert dv.estimate(name, Q, P).value == found.value
        if name == "kl" and math.isinf(found.value):  # an atom, or a tail, of P that Q does not hold
            assert (
                (np.isneginf(lq) & (lp > -600)).any()
                or math.isinf(P.support()[1])
                or math.isinf(P.support()[0])
            )
            continue
        if math.isfinite(want[name]):  # scipy's log(pmf) underflows to a false inf
            assert found.lower - 1e-7 <= want[name] <= found.upper + 1e-7, (
                a,
                b,
                loc,
                name,
                found,
                want[name],
            )
        assert found.upper - found.lower <= 1e-6 * max(found.value, 1e-3), (a, b, loc, name, found)


def test_every_discrete_family():
    for a, b, loc, _ in partners(list(DISCRETE), 3):
        compare_sums(a, b, round(loc), ("tv", "js", "kl"))


@pytest.mark.deep
def test_discrete_families_in_all_pairs():
    for a in DISCRETE:
        for b in DISCRETE:
            for loc in (-1, 0, 2):
                compare_sums(a, b, loc, ("tv", "js", "squared_hellinger", "kl"))


@pytest.mark.parametrize("family", ["planck", "dlaplace", "skellam", "geom", "logser", "zipf", "boltzmann"])
def test_log_masses_do_not_underflow(family):
    """The table against scipy where it has digits, and decreasing beyond."""
    from divergences._recognise import as_law

    law = getattr(stats, family)(*DISCRETE[family])
    k = np.unique(np.concatenate([np.arange(-40.0, 60.0), 10.0 ** np.arange(2, 12)]))
    k = k[(k >= law.support()[0]) & (k <= law.support()[1])]
    ours, scipys = as_law(law, "P").log_density(k), quiet(log_masses, law, k)
    assert np.isfinite(ours).all()
    near = scipys > -200
    np.testing.assert_allclose(ours[near], scipys[near], rtol=1e-11, atol=1e-12)
    assert np.all(np.diff(ours[k > 50]) < 0)


@pytest.mark.parametrize("family", sorted(CONTINUOUS))
def test_log_densities_are_scipys(family):
    """Wherever scipy's pdf has digits, at positions written as centre + offset from either side."""
    from divergences._recognise import as_law

    law = getattr(stats, family)(*CONTINUOUS[family], loc=0.7, scale=1.9)
    x = quiet(law.ppf, np.linspace(0.001, 0.999, 41))
    ours = as_law(law, "P").log_density(np.full(x.shape, float(x[20])), x - x[20])
    keep = np.arange(41) != 20
    with np.errstate(all="ignore"):
        want = np.log(law.pdf(x))
    np.testing.assert_allclose(ours[keep], want[keep], rtol=1e-8, atol=1e-8)


def test_skellam_series_against_mpmath():
    import mpmath as mp

    from divergences._log_densities import DISCRETE as TABLE

    with mp.workdps(40):
        for k, a, b in ((400, 1.5, 5.2), (-300, 4.5, 1.9), (3, 15.0, 8.0), (2000, 30.0, 40.0)):
            want = (
                -(a + b)
                + mp.mpf(k) / 2 * mp.log(mp.mpf(a) / b)
                + mp.log(mp.besseli(abs(k), 2 * mp.sqrt(a * mp.mpf(b))))
            )
            got = TABLE["skellam"](np.array([float(k)]), a, b)[0]
            assert got == pytest.approx(float(want), rel=1e-12)
    assert special.ive(400, 5.0) == 0  # the series is what is tested


# (family, shapes, {z: log-density of the standard law, by mpmath from the documented formula, 20 digits})
FAR_OUT = [
    ("fisk", (12.9,), {1e-60: -1641.488529086381, 1e80: -2557.917396098011}),
    ("burr", (2.266, 9.162), {1e-140: -6367.190339809676, 1e90: -673.7887815765994}),
    ("burr12", (27.5, 16.2), {1e-30: -1824.4559516833554, 1e60: -61680.155444063574}),
    ("mielke", (6.1, 8.8), {1e-50: -585.3509099423023, 1e90: -2029.0717632495691}),
    ("exponweib", (0.83, 11.86), {1e-80: -1626.801321818281, 3.0: -455663.80268532893}),
    (
        "exponweib",
        (2, 2.8),
        {1e-120: -1269.304204734972, 1e-6: -61.828581968894554, 9.0: -464.08546608147185},
    ),
    ("ncf", (7.2, 6.5, 3.6), {1e-120: -715.7869960621499, 1e60: -582.2054422259574}),
    ("ncx2", (14.4, 0.37), {1e-100: -1439.7352654362282, 1e12: -499999391643.4649}),
    ("ncx2", (300, 40), {1e-9: -3811.7481573447676, 33.0: -217.3176462784213, 4000.0: -1308.9978393025106}),
    ("rel_breitwigner", (3.65,), {1e-90: -3.0863547574397265, 1e120: -1103.0759133320923}),
    ("rice", (0.77,), {1e-50: -115.42570464970228, 1e11: -4.999999999923e21}),
    ("genhyperbolic", (0.5, 1.5, -0.5), {-1e10: -10000000010.87381, 1e9: -2000000009.7225168}),
    ("genhyperbolic", (-1.2, 2, 1.9), {-1e10: -39000000050.37327, 1e9: -100000045.30758116}),
    ("nct", (14, 0.24), {-1e60: -2054.399396370378, 1e40: -1361.7952393354471}),
    ("nct", (3.3, -6), {-1e60: -586.4290085528789, -3.0: -3.067800268933669, 1e40: -419.13876531817124}),
    ("landau", (), {-7.0: -13956.256643509822, -5.0: -600.5566416986796, -4.49: -268.44279714125275}),
]


@pytest.mark.parametrize(("family", "shapes", "values"), FAR_OUT, ids=lambda v: str(v)[:24])
def test_log_densities_where_scipys_underflow_or_overflow(family, shapes, values):
    from divergences._recognise import as_law

    law = as_law(getattr(stats, family)(*shapes), "P")
    z = np.array(list(values))
    np.testing.assert_allclose(
        law.log_density(np.zeros(z.size), z), list(values.values()), rtol=1e-12, atol=1e-7
    )


TAILS = [  # values: mpmath with 60 digits, from the documented formulas; Fréchet's in closed form
    ("kl", stats.gompertz(4.715, 1.88, 0.8451), stats.mielke(3.133, 4.636, scale=1.154), 3.1985041333632752),
    (
        "chi2",
        stats.gamma(1.427, -1.567, 0.2911),
        stats.burr12(7.538, 4.634, -1.66, 2.539),
        3293610.0791524007,
    ),
    ("chi2", stats.moyal(), stats.moyal(1, 2), 0.51134482623765216),
    ("kl", stats.invweibull(33), stats.expon(), 2.9202262262669274),
    ("renyi", stats.gennorm(4.669, scale=0.1755), stats.bradford(0.3575, 3.08, 1.105), 644956.25224111512),
    ("renyi", stats.moyal(2.677, 0.3447), stats.triang(0.1422, -2.286, 2.931), 196.81082544354907),
    ("renyi", stats.norm(0, 1), stats.uniform(1000, 1), 500013.34815873003),
]


@pytest.mark.parametrize(("name", "P", "Q", "want"), TAILS, ids=lambda v: str(v)[:12])
def test_tails_that_a_continuation_of_the_log_density_does_not_decide(name, P, Q, want):
    """Beyond where a log-density is known, the integrand is not that law's (KL there is q, or nothing)."""
    found = dv.estimate(name, P, Q, **({"alpha": 0.5} if name == "renyi" else {}))
    assert found.lower <= want * (1 + 1e-14)
    assert found.upper >= want * (1 - 1e-14)
    assert found.upper - found.lower <= 1e-8 * want
    assert found.value == pytest.approx(want, rel=1e-11)


def test_an_infinite_log_density_is_arithmetic():
    """scipy's exponweib.logpdf is +inf near 0 where (1 - e^-x^c)^(a-1) comes first: TV was an error."""
    P, Q = stats.t(1.691, scale=124.4), stats.exponweib(0.8301, 11.86, scale=2.149)
    compare(("tv",), P, Q, "exponweib")

    class Spiked(stats.rv_continuous):
        def _logpdf(self, x):
            return np.where(x < 1e-9, np.inf, -x)

        def _pdf(self, x):
            return np.exp(-x)

    assert dv.estimate("kl", Spiked(a=0, name="spiked")(), stats.expon()).value < 1e-8
