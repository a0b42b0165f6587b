"""Entropic transport against closed forms, quadrature, its optimality conditions and the laws it obeys."""

from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp
from scipy.sparse import csr_array

import transport as tp
from bench.problems import families
from transport._kernels.elimination import factorise, substitute
from transport._kernels.exponential import exp


def entropic(cost, a=None, b=None, *, reg, relative=False, method="auto", **options):
    return tp.solve(cost, a, b, solver=tp.Sinkhorn(reg, relative, method), **options)


def assert_optimal(sol, cost, a, b, *, tol=1e-9):
    """The conditions that single out the entropic plan, in extended precision, and an honest interval.

    The plan of the returned potentials has the right marginals; the returned plan is that one, repaired.
    """
    f, g = (np.asarray(v, np.longdouble) for v in sol.stats["entropic_potentials"])
    reg = sol.stats["reg"]
    weights = np.asarray(a, np.longdouble)[:, None] * np.asarray(b, np.longdouble)
    plan = weights * np.exp((f[:, None] + g - cost) / reg)
    blur = 1e-14 * float(np.abs(cost[np.isfinite(cost)]).max()) / reg  # the potentials' own rounding
    off = float(np.abs(plan.sum(1) - a).sum() + np.abs(plan.sum(0) - b).sum())
    assert off <= 2 * tol * sum(a) + blur
    mine = sol.plan.toarray()
    assert np.abs(mine - plan).sum() <= 4 * tol * sum(a) + blur
    assert max(abs(mine.sum(1) - a).max(), abs(mine.sum(0) - b).max()) <= 6e-14 * a.sum()
    paid = mine * np.where(mine > 0, cost, 0.0)
    assert abs(math.fsum(paid.ravel()) - sol.value) <= 1e-13 * float(np.abs(paid).sum())
    assert sol.lower_bound <= sol.value <= sol.upper_bound
    assert sol.stats["regularised_lower"] <= sol.stats["regularised"] <= sol.stats["regularised_upper"]
    assert sol.status is tp.Status.OPTIMAL


def two_by_two(c, a, b, reg):
    """P_11 by the quadratic equation it satisfies, 40 digits."""
    with mp.workdps(60):
        k = mp.exp(-(mp.mpf(c[0][0]) + c[1][1] - c[0][1] - c[1][0]) / mp.mpf(reg))
        a, b = mp.mpf(a), mp.mpf(b)
        p = 1 - k  # x (1 - a - b + x) = k (a - x) (b - x)
        q = (1 - a - b) + k * (a + b)
        r = -k * a * b
        x = -r / q if p == 0 else (-q + mp.sqrt(q * q - 4 * p * r)) / (2 * p)
        plan = [[x, a - x], [b - x, 1 - a - b + x]]
        value = sum(plan[i][j] * mp.mpf(c[i][j]) for i in (0, 1) for j in (0, 1))
        masses = [a, 1 - a], [b, 1 - b]
        kl = sum(
            plan[i][j] * mp.log(plan[i][j] / (masses[0][i] * masses[1][j])) for i in (0, 1) for j in (0, 1)
        )
        return float(x), float(value), float(value + mp.mpf(reg) * kl)


@pytest.mark.parametrize("reg", [0.07, 0.5, 3.0, 1e3])
@pytest.mark.parametrize(("a", "b"), [(0.5, 0.5), (0.25, 0.625), (0.999, 0.001)])
def test_two_by_two_by_hand(reg, a, b):
    c = [[0.0, 1.5], [1.25, 0.5]]
    x, value, regularised = two_by_two(c, a, b, reg)
    sol = entropic(c, [a, 1 - a], [b, 1 - b], reg=reg)
    assert sol.plan.toarray()[0, 0] == pytest.approx(x, rel=1e-11)
    assert sol.value == pytest.approx(value, rel=1e-12)
    assert sol.stats["regularised"] == pytest.approx(regularised, rel=1e-12)


@pytest.mark.parametrize(
    ("mean", "s", "t", "reg"), [(1.0, 1.0, 0.7, 0.5), (0.0, 0.5, 1.5, 2.0), (3.0, 1, 1, 0.1)]
)
def test_gaussians_closed_form(mean, s, t, reg):
    """Janati, Muzellec, Peyre, Cuturi (2020); the trapezoidal rule is exact to rounding for Gaussians."""
    x, y = np.linspace(-8.5 * s, 8.5 * s, 240), mean + np.linspace(-8.5 * t, 8.5 * t, 250)
    a, b = np.exp(-0.5 * (x / s) ** 2), np.exp(-0.5 * ((y - mean) / t) ** 2)
    half = reg / 2
    d = math.sqrt(4 * s * s * t * t + half * half)
    truth = mean**2 + s * s + t * t - d + half * (1 - math.log(2 * half)) + half * math.log(d + half)
    for cost in (tp.PointCloud(x, y), (x[:, None] - y) ** 2):
        sol = entropic(cost, a / a.sum(), b / b.sum(), reg=reg, tol=1e-11)
        assert sol.stats["regularised"] == pytest.approx(truth, rel=1e-10)


PROBLEMS = [
    "uniform:2/sqeuclidean/random/matrix", "gaussians:8/sqeuclidean/even/matrix",
    "independent/-/even/matrix", "independent/-/heavy/matrix", "0 or 1/-/random/matrix",
    "constant/-/random/matrix", "offsets/-/even/matrix", "signed/-/whole/matrix",
    "discrete metric/-/dominant/matrix", "giants/-/even/matrix", "rank 1/-/random/matrix",
    "12 decades/-/random/matrix", "lattice:2/cityblock/whole/matrix", "pairs:2/euclidean/even/matrix",
]  # fmt: skip


@pytest.mark.parametrize("name", PROBLEMS)
def test_every_regularisation(name):
    cost, a, b = families.problem(name, 24)
    exact = tp.solve(cost, a, b)
    values = []
    for reg in (1e-9, 1e-7, 1e-5, 1e-3, 1e-2, 1e-1, 1.0, 1e3):
        sol = entropic(cost, a, b, reg=reg, relative=True)
        if reg >= 1e-5:
            assert_optimal(sol, cost, a, b)
        noise = 1e-12 * float(np.abs(sol.plan.multiply(cost)).sum())
        assert sol.lower_bound <= exact.value + noise
        assert sol.value >= exact.value - noise
        values.append(sol.value)
    size = float(np.abs(cost[np.isfinite(cost)]).max())
    assert all(u <= v + 1e-8 * size for u, v in pairwise(values)), "the blur grows with reg"
    assert values[0] == pytest.approx(exact.value, rel=1e-6, abs=1e-7 * size)


def test_forbidden_and_sparse():
    cost, a, b = families.problem("band/-/random/matrix", 40)
    rows, cols = np.nonzero(np.isfinite(cost))
    sparse = csr_array((cost[rows, cols], (rows, cols)), shape=cost.shape)
    for reg in (1e-6, 1e-2, 10.0):
        dense = entropic(cost, a, b, reg=reg)
        assert_optimal(dense, cost, a, b)
        assert entropic(sparse, a, b, reg=reg).value == pytest.approx(dense.value, rel=1e-8)
    with pytest.raises(tp.InfeasibleError):
        entropic([[0.0, np.inf], [1.0, np.inf]], reg=0.1)


def test_large_matrices_full_and_nearly_empty():
    """Above the size of the direct road: all pairs in single precision kept, arcs that matter."""
    rng = np.random.default_rng(2)
    x, y = rng.random((400, 2)), rng.random((700, 2))
    a, b = rng.dirichlet(np.ones(400)), rng.dirichlet(np.ones(700))
    cost = ((x[:, None] - y) ** 2).sum(-1)
    for reg, kernel in ((0.1, "dense"), (0.02, "dense"), (1e-3, "arcs"), (1e-5, "arcs")):
        sol = entropic(cost, a, b, reg=reg)
        assert sol.stats["kernel"] == kernel
        assert_optimal(sol, cost, a, b)
        points = entropic(tp.PointCloud(x, y), a, b, reg=reg)
        assert points.value == pytest.approx(sol.value, rel=1e-8)
    scaled = entropic(cost, a, b, reg=0.1, method="scaling")
    assert scaled.value == pytest.approx(entropic(cost, a, b, reg=0.1).value, rel=1e-8)
    by_function = entropic(tp.PointCloud(x, y, lambda u, v: ((u[:, None] - v) ** 2).sum(-1)), a, b, reg=0.1)
    assert by_function.value == pytest.approx(scaled.value, rel=1e-8)


def test_points_by_search():
    """Too many pairs to look at: the search structures find the arcs; compared with all pairs."""
    rng = np.random.default_rng(3)
    x, y = rng.random((2100, 2)), rng.random((2050, 2))
    a, b = rng.dirichlet(np.full(2100, 5.0)), rng.dirichlet(np.full(2050, 5.0))
    from transport._sinkhorn import pattern

    sol = entropic(tp.PointCloud(x, y), a, b, reg=1e-4)
    cost = ((x[:, None] - y) ** 2).sum(-1)
    assert_optimal(sol, cost, a, b)
    sides = tuple(type("Side", (), {"base": np.asarray(v)}) for v in sol.stats["entropic_potentials"])
    fg = np.zeros(2100), np.zeros(2050)
    found = pattern._near_points(tp.PointCloud(x, y), (sides[0].base, sides[1].base), 1e-4, fg, 10.0)
    inside = cost - sides[0].base[:, None] - sides[1].base <= 10.0 * 1e-4
    assert found[0][-1] == inside.sum()
    np.testing.assert_array_equal(found[1], np.nonzero(inside)[1])


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.sampled_from([1e-4, 1e-2, 0.3, 5.0]), st.integers(2, 5))
def test_copies_of_atoms_change_nothing(seed, reg, k):
    rng = np.random.default_rng(seed)
    c, a, b = rng.random((5, 4)), rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(4))
    once = entropic(c, a, b, reg=reg)
    many = entropic(np.repeat(c, k, axis=0), np.repeat(a / k, k), b, reg=reg)
    assert many.value == pytest.approx(once.value, rel=1e-7, abs=1e-8)
    assert many.stats["regularised"] == pytest.approx(once.stats["regularised"], rel=1e-9, abs=1e-10)
    order = rng.permutation(5)
    assert entropic(c[order], a[order], b, reg=reg).value == pytest.approx(once.value, rel=1e-7, abs=1e-8)


@pytest.mark.parametrize("n", [7, 300])
@pytest.mark.parametrize("reg", [0.5, 0.01, 1e-5])
def test_powers_of_two_scale_exactly(n, reg):
    rng = np.random.default_rng(n)
    c, a, b = rng.random((n, n + 3)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n + 3))
    one = entropic(c, a, b, reg=reg)
    for k in (-40, 33):
        two = entropic(np.ldexp(c, k), a, b, reg=math.ldexp(reg, k))
        np.testing.assert_array_equal(two.plan.toarray(), one.plan.toarray())
        assert two.value == math.ldexp(one.value, k)
        assert two.stats["regularised"] == math.ldexp(one.stats["regularised"], k)
    rel = entropic(c, a, b, reg=reg / c.max(), relative=True)
    assert rel.value == pytest.approx(one.value, rel=1e-8)


def test_dtypes_masses_and_atoms_without_mass():
    c = np.array([[0, 200, 30], [100, 0, 7]], np.uint8)
    want = entropic(c.astype(float), [0.25, 0.75], [0.25, 0.25, 0.5], reg=20.0)
    assert entropic(c, [0.25, 0.75], [0.25, 0.25, 0.5], reg=20.0).value == want.value
    assert entropic(c, [1, 3], [1, 1, 2], reg=20.0).value == pytest.approx(4 * want.value, rel=1e-12)
    wide = np.vstack([c, [[5, 6, 7]]]).astype(float)
    with_nothing = entropic(wide, [0.25, 0.75, 0.0], [0.25, 0.25, 0.5], reg=20.0)
    assert with_nothing.value == pytest.approx(want.value, rel=1e-12)
    f, g = with_nothing.stats["entropic_potentials"]
    b = np.array([0.25, 0.25, 0.5])
    assert f[2] == pytest.approx(-20 * math.log(float(b @ np.exp((g - wide[2]) / 20.0))), rel=1e-12)
    both = with_nothing.potentials
    assert (np.asarray(both.f)[:, None] + np.asarray(both.g) <= wide).all()


def test_refusals_and_limits():
    for reg in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match="reg"):
            tp.Sinkhorn(reg)
    with pytest.raises(ValueError, match="method"):
        tp.Sinkhorn(1.0, method="fast")
    c = np.random.default_rng(0).random((50, 50))
    for reg in (1e-5, 1.0):
        with pytest.raises(tp.ConvergenceError) as caught:
            entropic(c, reg=reg, max_iter=3)
        part = caught.value.solution
        assert part.status is tp.Status.ITERATION_LIMIT
        assert part.lower_bound <= tp.solve(c).value <= part.upper_bound < math.inf
        assert abs(part.plan.toarray().sum(1) - 0.02).max() < 1e-15
    stopped = entropic(c, reg=1e-3, callback=lambda progress: True, throw=False)
    assert stopped.status in (tp.Status.STOPPED, tp.Status.OPTIMAL)


def test_exponential():
    x = np.concatenate([np.linspace(-699, 699, 10_001), np.linspace(-1e-3, 1e-3, 101)])
    found = np.array([exp(v) for v in x])
    assert np.abs(found / np.exp(x) - 1).max() < 5e-16
    assert [exp(v) for v in (-np.inf, -701.0, 701.0, np.inf, 0.0)] == [0.0, 0.0, np.inf, np.inf, 1.0]


@pytest.mark.parametrize("shape", ["tree", "graph", "grounded"])
def test_approximate_factors(shape):
    """Exact on trees; elsewhere conjugate gradients reach 1e-10 in a few steps whatever the weights."""
    rng = np.random.default_rng(5)
    n, m = 60, 50
    if shape == "tree":
        pairs = {(i, i % m) for i in range(n)} | {(i, (i + 1) % m) for i in range(m - 1)}
        pairs = sorted(pairs)[: n + m - 1]
    else:
        pairs = sorted(
            {(i, int(j)) for i in range(n) for j in rng.integers(m, size=4)} | {(i % n, i) for i in range(m)}
        )
    rows, cols = np.array(pairs).T
    mass = 10.0 ** rng.uniform(-9, 0, len(rows))
    full = np.zeros((n + m, n + m))
    full[rows, n + cols] = full[n + cols, rows] = -mass
    ground = rng.random(n + m) * 1e-3 if shape == "grounded" else np.zeros(n + m)
    full -= np.diag(full.sum(1) - ground)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))])
    factors = factorise(indptr, cols, mass, np.ones(n), ground[:n], ground[n:])
    x = rng.standard_normal(n + m)
    r = full @ x

    def apply(v):
        y = np.append(v, 0.0)
        substitute(*factors, y)
        return y[:-1]

    found, left, d, rho = np.zeros(n + m), r.copy(), np.zeros(n + m), np.inf
    steps = 0
    while np.linalg.norm(left) > 1e-10 * np.linalg.norm(r) and steps < 60:
        steps += 1
        z = apply(left)
        new = left @ z
        d, rho = z + (new / rho) * d, new
        found += rho / (d @ full @ d) * d
        left = r - full @ found
    assert steps < (3 if shape == "tree" else 50)


def test_all_pairs_in_blocks(monkeypatch):
    """Costs never stored, rows kept or computed anew: the same answer as from the matrix."""
    from transport._sinkhorn import system, work

    rng = np.random.default_rng(6)
    x, y = rng.random((310, 2)), rng.random((290, 2))
    a, b = rng.dirichlet(np.ones(310)), rng.dirichlet(np.ones(290))
    cost = ((x[:, None] - y) ** 2).sum(-1)
    stored = entropic(cost, a, b, reg=0.1, tol=1e-10)
    monkeypatch.setattr(work, "STORED", 0)
    for kept in (system.KEPT, 0):
        monkeypatch.setattr(system, "KEPT", kept)
        monkeypatch.setattr(system, "CHUNKS", 3)
        sol = entropic(tp.PointCloud(x, y), a, b, reg=0.1, tol=1e-10)
        assert_optimal(sol, cost, a, b, tol=1e-10)
        assert sol.value == pytest.approx(stored.value, rel=1e-10)
        soft = tp.solve(tp.PointCloud(x, y), a, b, marginals=tp.KL(0.3), solver=tp.Sinkhorn(0.1))
        want = tp.solve(cost, a, b, marginals=tp.KL(0.3), solver=tp.Sinkhorn(0.1))
        assert soft.value == pytest.approx(want.value, rel=1e-8)


@pytest.mark.parametrize("reg", [0.2, 2e-3])
def test_a_measure_to_itself(reg):
    """Both potentials are equal, and found without an exact solve; Newton's method agrees."""
    rng = np.random.default_rng(7)
    x, a = rng.random((300, 2)), rng.dirichlet(np.ones(300))
    cost = ((x[:, None] - x) ** 2).sum(-1)
    sol = entropic(tp.PointCloud(x, x), a, a, reg=reg)
    assert_optimal(sol, cost, a, a)
    assert sol.stats["pivots"] == sol.stats["cg"] == 0
    f, g = sol.stats["entropic_potentials"]
    assert np.abs(f - g).max() <= 1e-8
    other = entropic(cost, a, a, reg=reg)
    assert other.stats["cg"] > 0
    assert sol.stats["regularised"] == pytest.approx(other.stats["regularised"], rel=1e-9)
    far = entropic(tp.PointCloud(x, x, "chebyshev", power=3.0), a, a, reg=reg)  # not a positive kernel
    assert far.status is tp.Status.OPTIMAL


def test_heavy_arcs_make_a_factor():
    """Many arcs a row: the factor of the heavy ones alone serves conjugate gradients."""
    rng = np.random.default_rng(8)
    x, y = rng.random((900, 3)), rng.random((900, 3))
    sol = entropic(tp.PointCloud(x, y), reg=2e-3, tol=1e-11)
    assert sol.stats["kernel"] == "arcs"
    assert_optimal(sol, ((x[:, None] - y) ** 2).sum(-1), *2 * (np.full(900, 1 / 900),), tol=1e-11)


def test_long_plans_row_by_row(monkeypatch):
    """Repaired in place and certified in pieces: the same answer as with all arcs written down."""
    from transport._sinkhorn import answer, rows

    rng = np.random.default_rng(5)
    a, b = rng.dirichlet(np.full(1700, 0.5)), rng.dirichlet(np.full(1500, 2.0))
    a[::7] = 0.0
    cloud = tp.PointCloud(rng.random((1700, 2)), rng.random((1500, 2)))
    short = tp.solve(cloud, a / a.sum(), b, solver=tp.Sinkhorn(1e-4))
    monkeypatch.setattr(answer, "LONG", 0)
    monkeypatch.setattr(rows, "PIECE", 1 << 10)
    long = tp.solve(cloud, a / a.sum(), b, solver=tp.Sinkhorn(1e-4))
    assert short.stats["kernel"] == long.stats["kernel"] == "arcs"
    assert long.status.name == "OPTIMAL"
    plan = long.plan
    assert plan.nnz == long.arcs.count
    assert plan.row.dtype == np.int32
    np.testing.assert_array_equal(plan.row, long.arcs.rows)
    np.testing.assert_array_equal(plan.col, long.arcs.cols)
    np.testing.assert_allclose(plan.toarray(), short.plan.toarray(), rtol=1e-9, atol=1e-16)
    assert np.abs(plan.sum(axis=1) - a / a.sum()).max() < 1e-15
    assert np.abs(plan.sum(axis=0) - b).max() < 1e-15
    exact = tp.solve(cloud, a / a.sum(), b)
    assert long.lower_bound <= exact.upper_bound
    assert exact.lower_bound <= long.upper_bound
    for name in ("value", "lower_bound", "upper_bound"):
        assert getattr(long, name) == pytest.approx(getattr(short, name), rel=1e-13)
    for name in ("regularised", "regularised_lower", "regularised_upper"):
        assert long.stats[name] == pytest.approx(short.stats[name], rel=1e-13)
    np.testing.assert_allclose(long.gradient().x, short.gradient().x, rtol=1e-9, atol=1e-12)


@pytest.mark.deep
def test_memory_of_fifty_thousand_points():
    """Eleven million arcs with their certificate in less than 1 GB of resident memory."""
    code = (
        "import resource, numpy as np, transport as tp\n"
        "rng = np.random.default_rng(0)\n"
        "x, y = rng.random((50_000, 3)), rng.random((50_000, 3))\n"
        "sol = tp.solve(tp.PointCloud(x, y), solver=tp.Sinkhorn(3e-4))\n"
        "print(sol.stats['marginal_error'], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    error, kilobytes = map(float, out.split())
    assert error <= 1e-8
    assert kilobytes < 1e6


@pytest.mark.parametrize("seed", range(12))
def test_few_arcs_allowed(seed):
    """Where arcs cannot carry mass, potentials have no limit; no mass is left on a forbidden arc."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 9))
    allowed = rng.random((n, n)) > rng.choice([0.3, 0.6, 0.8])
    allowed[np.arange(n), rng.permutation(n)] = True
    cost = np.where(allowed, rng.random((n, n)), np.inf)
    mass = np.where(allowed, rng.random((n, n)) ** 4, 0.0) / n
    for a, b in ((np.full(n, 1 / n), np.full(n, 1 / n)), (mass.sum(1), mass.sum(0))):
        exact = tp.solve(cost, a, b)
        for reg in (1e-3, 0.1, 10.0):
            sol = entropic(cost, a, b, reg=reg)
            plan = sol.plan.toarray()
            assert not plan[~allowed].any()
            assert max(abs(plan.sum(1) - a).max(), abs(plan.sum(0) - b).max()) <= 1e-13
            assert sol.lower_bound <= exact.upper_bound
            assert exact.lower_bound <= sol.upper_bound < math.inf
            assert sol.stats["regularised_upper"] < math.inf


def test_one_way_through():
    """The plan must be diagonal; the other allowed arc's mass is 0 only in the limit."""
    sol = entropic(np.array([[0.0, np.inf], [1.0, 0.0]]), reg=0.1)
    np.testing.assert_array_equal(sol.plan.toarray(), [[0.5, 0.0], [0.0, 0.5]])
    assert sol.value == 0.0
    assert sol.stats["regularised"] == pytest.approx(0.1 * math.log(2), rel=1e-9)
    with pytest.raises(ValueError, match="no inverse"):
        entropic(np.ones((2, 2)), reg=1e-320)
