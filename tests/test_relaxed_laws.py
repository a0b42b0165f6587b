"""Laws that every solver beyond the linear programme keeps, each broken by some current package.

Values of two weighted clouds, in units of the squared distance (or, where said, of the distance).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest

import transport as tp
from bench.problems import families


def solved(x, y, a, b, *, unit=1.0, reg=None, marginals=None, method="auto"):
    """The plan between two clouds; ``reg`` and prices are in units of the squared distance."""
    if isinstance(marginals, tp.KL):
        marginals = tp.KL(unit * marginals.rho)
    elif isinstance(marginals, tp.TV):
        marginals = tp.TV(unit * marginals.lam)
    solver = None if reg is None else tp.Sinkhorn(unit * reg, method=method)
    return tp.solve(tp.PointCloud(x, y), a, b, marginals=marginals, solver=solver)


def cost_of(x, y, a, b, **options):
    sol = solved(x, y, a, b, **options)
    return sol.stats["regularised"] if options.get("reg") else sol.value


def distances(x, weights=None):
    return np.sqrt(((x[:, None] - x) ** 2).sum(-1))


PLANS = {
    "Sinkhorn 1": {"reg": 1.0},
    "Sinkhorn 0.01": {"reg": 0.01},
    "KL": {"marginals": tp.KL(0.5)},
    "KL 0.1": {"marginals": tp.KL(0.5), "reg": 0.1},
    "KL 0.01": {"marginals": tp.KL(0.5), "reg": 0.01},
    "TV": {"marginals": tp.TV(0.25)},
    "TV 0.1": {"marginals": tp.TV(0.25), "reg": 0.1},
    "Partial": {"marginals": tp.Partial(0.5)},
}
VALUES = {name: partial(cost_of, **options) for name, options in PLANS.items()} | {
    "divergence-0.1": lambda x, y, a, b, unit=1.0: tp.sinkhorn_divergence(x, y, a, b=b, reg=0.1 * unit),
    "divergence-0.005": lambda x, y, a, b, unit=1.0: tp.sinkhorn_divergence(x, y, a, b=b, reg=0.005 * unit),
    "sliced": lambda x, y, a, b, unit=1.0: tp.sliced_wasserstein(x, y, a=a, b=b, n_projections=20) ** 2,
    "max-sliced": lambda x, y, a, b, unit=1.0: float(tp.max_sliced_wasserstein(x, y, a=a, b=b).value) ** 2,
    "Gromov": lambda x, y, a, b, unit=1.0: tp.gromov_wasserstein(distances(x), distances(y), a, b).value,
}
ZERO_ON_EQUAL = (
    "KL",
    "TV",
    "Partial",
    "divergence-0.1",
    "divergence-0.005",
    "sliced",
    "max sliced",
    "Gromov",
)
MOVED_ALIKE = ("Gromov",)  # a translation changes nothing


def clouds(seed=0, n=9, m=7, d=2):
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, d)), rng.random((m, d))
    return x, y, rng.dirichlet(np.full(n, 5.0)), rng.dirichlet(np.full(m, 5.0))


@pytest.mark.parametrize("name", [name for name in VALUES if name != "Gromov"])
def test_an_atom_written_k_times(name):
    """OTT 0.6.0: the unbalanced plan of copies carries another mass, its divergence rises twelvefold.

    Not of Gromov-Wasserstein, whose local optimum depends on where it starts.
    """
    x, y, a, b = clouds()
    once = VALUES[name](x, y, a, b)
    for k in (2, 5):
        copied = VALUES[name](np.repeat(x, k, 0), y, np.repeat(a / k, k), b)
        assert copied == pytest.approx(once, rel=1e-7, abs=1e-10)


@pytest.mark.parametrize("name", list(VALUES))
def test_powers_of_two(name):
    """POT 0.9.7: a semi-discrete solver gives everything to one cell in the unit .01."""
    x, y, a, b = clouds(1)
    one = VALUES[name](x, y, a, b)
    for k in (-30, -3, 20):
        other = VALUES[name](np.ldexp(x, k), np.ldexp(y, k), a, b, unit=4.0**k)
        assert other == pytest.approx(math.ldexp(one, 2 * k), rel=1e-12)


@pytest.mark.parametrize("name", list(PLANS))
def test_the_cost_is_the_price_of_the_plan(name):
    """POT 0.9.7: the cost of min-sliced plans is a third of the plan's for some n."""
    x, y, a, b = clouds(2)
    c = ((x[:, None] - y) ** 2).sum(-1)
    sol = solved(x, y, a, b, **PLANS[name])
    plan = sol.plan.toarray()
    paid = float((plan * c).sum())
    assert paid == pytest.approx(sol.stats.get("transport_cost", sol.value), rel=1e-12)
    assert sol.lower_bound <= sol.value <= sol.upper_bound
    if "marginals" not in PLANS[name]:
        assert paid >= tp.solve(c, a, b).value - 1e-15
        return
    marginals = PLANS[name]["marginals"]
    total = paid
    for r, mass in ((plan.sum(1), a), (plan.sum(0), b)):
        if isinstance(marginals, tp.KL):
            total += marginals.rho * float((r * np.log(r / mass) - r + mass).sum())
        elif isinstance(marginals, tp.TV):
            total += marginals.lam * float(abs(r - mass).sum())
        else:
            assert (r <= mass * (1 + 1e-12)).all()
    assert total == pytest.approx(sol.value, rel=1e-9)


@pytest.mark.parametrize("name", list(PLANS))
def test_in_the_order_given(name):
    x, y, a, b = clouds(3, 12, 10)
    rows, cols = np.random.default_rng(4).permutation(12), np.random.default_rng(5).permutation(10)
    one, other = solved(x, y, a, b, **PLANS[name]), solved(x[rows], y[cols], a[rows], b[cols], **PLANS[name])
    assert other.value == pytest.approx(one.value, rel=1e-7, abs=1e-11)
    plans = one.plan.toarray()[rows][:, cols], other.plan.toarray()
    np.testing.assert_allclose(plans[1], plans[0], atol=1e-7)
    if "reg" in PLANS[name]:
        for place, k in ((rows, 0), (cols, 1)):
            u, v = (np.asarray(s.stats["entropic_potentials"][k]) for s in (one, other))
            np.testing.assert_allclose(v - v.mean(), u[place] - u.mean(), atol=1e-6)


@pytest.mark.parametrize("name", list(VALUES))
def test_further_is_dearer_and_equal_is_free(name):
    """POT 0.9.7: ``.value`` of an entropic unbalanced solve is 0 for any data."""
    x, _, a, _ = clouds(6)
    here = VALUES[name](x, x, a, a)
    if name in ZERO_ON_EQUAL:
        assert abs(here) <= 1e-12
    if name not in MOVED_ALIKE:
        assert here < VALUES[name](x, x + 3.0, a, a)


@pytest.mark.parametrize("name", list(VALUES))
def test_integers_are_floats(name):
    rng = np.random.default_rng(7)
    x, y = rng.integers(0, 9, (8, 2)), rng.integers(0, 9, (6, 2))
    a, b = np.full(8, 1 / 8), np.full(6, 1 / 6)
    want = VALUES[name](x.astype(float), y.astype(float), a, b)
    for kind in (np.uint8, np.int16, np.int64):
        assert VALUES[name](x.astype(kind), y.astype(kind), a, b) == want


def test_several_at_once_are_a_loop():
    measures = [(clouds(seed, 8)[0], np.full(8, 1 / 8)) for seed in range(4)]
    alone = partial(tp.sinkhorn_divergence, reg=0.1)
    together = tp.pairwise(measures, distance=lambda u, v: alone(u[0], v[0], u[1], b=v[1]))
    for i in range(4):
        for j in range(i):
            (x, a), (y, b) = measures[j], measures[i]
            assert together.matrix[i, j] in (alone(x, y, a, b=b), alone(y, x, b, b=a))


@pytest.mark.parametrize("reg", [1.0, 0.05])
def test_methods_agree_on_one_objective(reg):
    x, y, a, b = clouds(8)
    c = ((x[:, None] - y) ** 2).sum(-1)
    found = [cost_of(x, y, a, b, reg=reg, method=m) for m in ("auto", "newton", "scaling")]
    found.append(tp.solve(c, a, b, solver=tp.Sinkhorn(reg)).stats["regularised"])
    big = tp.solve(c, a, b, marginals=tp.KL(1e6), solver=tp.Sinkhorn(reg)).stats["regularised"]
    assert found[1:] == pytest.approx(found[:1] * 3, rel=1e-9)
    assert big == pytest.approx(found[0], rel=1e-5)


@pytest.mark.parametrize("name", ["digits", "line"])
def test_barycentres(name):
    """Of equal measures: that measure, at no cost; scaled by 2^k: scaled exactly; weights in any order."""
    rng = np.random.default_rng(9)
    images = rng.random((3, 6, 6)) if name == "digits" else rng.random((3, 12))
    images /= images.sum(axis=tuple(range(1, images.ndim)), keepdims=True)
    same = tp.barycenter(np.array([images[0]] * 3))
    assert same.lower_bound <= 1e-12
    one = tp.barycenter(images)
    assert one.lower_bound <= one.upper_bound
    two = tp.barycenter(images, spacing=2.0**-4)
    assert two.upper_bound == pytest.approx(one.upper_bound * 2.0**-8, rel=1e-12)
    turned = tp.barycenter(images[[2, 0, 1]], [0.5, 0.2, 0.3])
    plain = tp.barycenter(images, [0.2, 0.3, 0.5])
    assert turned.lower_bound <= plain.upper_bound
    assert plain.lower_bound <= turned.upper_bound


def check_range(name, n, regs):
    """Converges, or raises with an interval that holds the optimum; nothing outside its bracket."""
    cost, a, b = families.problem(name, n)
    try:
        exact = tp.solve(cost, a, b)
    except tp.InfeasibleError:
        return
    c = cost if isinstance(cost, np.ndarray) else cost.block(0, n)
    noise = 1e-13 * float(np.abs(c[np.isfinite(c)]).max()) * a.sum()
    for reg in regs:
        try:
            sol = tp.solve(cost, a, b, solver=tp.Sinkhorn(reg, relative=True))
        except tp.ConvergenceError as error:
            sol = error.solution
        facts = sol.stats
        assert np.isfinite([sol.value, sol.lower_bound, sol.upper_bound, facts["regularised"]]).all()
        assert sol.lower_bound - noise <= exact.value <= sol.upper_bound + noise
        assert sol.lower_bound <= sol.value <= sol.upper_bound
        assert facts["regularised_lower"] <= facts["regularised"] <= facts["regularised_upper"]
        plan = sol.plan.toarray()
        assert max(abs(plan.sum(1) - a).max(), abs(plan.sum(0) - b).max()) <= 1e-13


@pytest.mark.parametrize("name", list(families.names(24))[::120])
def test_any_regularisation(name):
    check_range(name, 24, (1e-9, 1e-6, 1e-3, 1.0, 1e3))


@pytest.mark.deep
@pytest.mark.parametrize("name", list(families.names(24)))
def test_any_regularisation_of_any_family(name):
    check_range(name, 24, 10.0 ** np.arange(-9, 4))
