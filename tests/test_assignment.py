"""The auction for equal masses: against SciPy, and where it must give way to the simplex."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

import transport as tp
from transport._kernels import assignment as kernels
from transport._solver import exact
from transport._solver.exact import Exact
from transport._solver.tuning import TUNING

KINDS = [
    "uniform",
    "lattice",
    "copies",
    "identical",
    "collinear",
    "clusters",
    "translated",
    "mixed",
    "outlier",
]


def clouds(kind: str, n: int, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, y = rng.random((n, d)), rng.random((n, d))
    if kind == "lattice":
        return np.floor(12 * x), np.floor(12 * y)
    if kind == "copies":
        return x[rng.integers(9, size=n)], y[rng.integers(9, size=n)]
    if kind == "identical":
        return x, x.copy()
    if kind == "collinear":
        return x[:, :1] * np.arange(1.0, d + 1), y[:, :1] * np.arange(1.0, d + 1)
    if kind == "clusters":
        return x[rng.integers(5, size=n)] + 0.01 * x, y[rng.integers(5, size=n)] + 0.02 * y
    if kind == "translated":
        return x, y + 5
    if kind == "mixed":  # two clusters at distance 1, displacements of 1e-8 inside
        corner = (np.arange(n) % 2)[:, None] * np.eye(1, d)
        return corner + 1e-8 * x, corner + 1e-8 * y
    if kind == "outlier":
        x[0], y[1] = 1e6, -1e6
    return x, y


ALWAYS = Exact(method="points", tuning=replace(TUNING, auction_points=0, coarsest=8))
"""Auctions for any number of points, from 8 clusters on."""


@pytest.fixture
def auctions(monkeypatch):
    """The list of how each auction ended."""
    ended = []
    assign = exact.assign

    def watched(matching):
        ended.append((yield from assign(matching)))
        return ended[-1]

    monkeypatch.setattr(exact, "assign", watched)
    return ended


def check(sol: tp.Solution, x: np.ndarray, y: np.ndarray, cost: str) -> None:
    """Against SciPy on all pairs, and the plan is a permutation."""
    n = len(x)
    c = tp.PointCloud(x, y, cost).block(0, n)
    best = c[linear_sum_assignment(c)].mean()
    assert sol.value == pytest.approx(best, rel=1e-12, abs=1e-300)
    assert sol.gap <= 1e-11 * sol.value
    assert np.array_equal(np.sort(sol.arcs.rows), np.arange(n))
    assert np.array_equal(np.sort(sol.arcs.cols), np.arange(n))


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "cityblock"])
def test_agrees_with_scipy(kind, cost, d, auctions):
    for n, seed in ((90, 0), (333, 1)):
        x, y = clouds(kind, n, d, np.random.default_rng([seed, d]))
        sol = tp.solve(tp.PointCloud(x, y, cost), solver=ALWAYS)
        check(sol, x, y, cost)
    if kind in ("uniform", "identical"):
        assert auctions == [True, True]


@pytest.mark.parametrize("shortlist", [3, 4])
def test_pools_without_a_perfect_matching_grow_one(shortlist, auctions):
    tuning = replace(ALWAYS.tuning, points_shortlist=shortlist)
    x, y = clouds("uniform", 400, 2, np.random.default_rng(5))
    check(tp.solve(tp.PointCloud(x, y), solver=replace(ALWAYS, tuning=tuning)), x, y, "sqeuclidean")
    assert auctions == [True]


@pytest.mark.parametrize("limit", ["auction_bids", "auction_settled"])
def test_the_simplex_takes_over(limit, auctions):
    tuning = replace(ALWAYS.tuning, **{limit: 0})
    x, y = clouds("uniform", 300, 2, np.random.default_rng(6))
    check(tp.solve(tp.PointCloud(x, y), solver=replace(ALWAYS, tuning=tuning)), x, y, "sqeuclidean")
    assert True not in auctions


@pytest.mark.parametrize("k", [-700, -3, 5, 600])
def test_scaling_by_powers_of_two_scales_the_answer_exactly(k, auctions):
    x, y = clouds("uniform", 500, 2, np.random.default_rng(7))
    one = tp.solve(tp.PointCloud(x, y, "euclidean"), solver=ALWAYS)
    scaled = tp.PointCloud(np.ldexp(x, k), np.ldexp(y, k), "euclidean")
    other = tp.solve(scaled, solver=ALWAYS)
    assert auctions == [True, True]
    assert other.value == np.ldexp(one.value, k)
    assert np.array_equal(other.arcs.cols, one.arcs.cols)
    assert np.array_equal(other.potentials.f, np.ldexp(one.potentials.f, k))


def test_unequal_masses_are_left_to_the_simplex(auctions):
    x, y = clouds("uniform", 64, 2, np.random.default_rng(8))
    a = np.full(64, 1 / 64)
    a[:2] = 0.5 / 64, 1.5 / 64
    tp.solve(tp.PointCloud(x, y), a, solver=ALWAYS)
    tp.solve(tp.PointCloud(x[:32], y), solver=ALWAYS)
    assert auctions == []


def test_any_limit_leaves_a_bracket_of_the_optimum(auctions):
    x, y = clouds("uniform", 800, 2, np.random.default_rng(9))
    cloud, solver = tp.PointCloud(x, y), ALWAYS
    full = tp.solve(cloud, solver=solver)
    for limit in (1, 1000, full.n_iter // 2, full.n_iter - 1):
        sol = tp.solve(cloud, solver=solver, max_iter=limit, throw=False)
        assert sol.n_iter <= limit
        assert sol.lower_bound <= full.value <= sol.upper_bound
    assert auctions == [True]


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_repair_makes_any_perfect_matching_optimal(seed, integers):
    """From the identity, however dear, on a random pool; complementary slackness to rounding."""
    rng = np.random.default_rng(seed)
    n = 60
    dense = rng.integers(1, 6, (n, n)).astype(float) if integers else rng.random((n, n))
    allowed = rng.random((n, n)) < 0.2
    np.fill_diagonal(allowed, True)
    rows, col = np.nonzero(allowed)
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows))])
    pool = indptr, col.astype(np.uint32), dense[rows, col]
    arc = np.flatnonzero(rows == col)
    owner, v, lent = np.arange(n, dtype=np.int32), rng.random(n), np.empty(n)
    kernels.discounts(*pool, v, arc, lent)
    labels = np.zeros(n, np.int64), np.empty(n), np.empty(n, np.int64), np.empty(n, np.int32)
    heaps = tuple(np.empty(n, np.int32) for _ in range(3))
    order, at, cursor = rng.permutation(n), 0, np.zeros(3, np.int64)
    while at < n:  # in slices
        at = kernels.repair(pool, v, (arc, owner), lent, order, at, 1, labels, heaps, cursor)
    best = np.where(allowed, dense, 1e3)[linear_sum_assignment(np.where(allowed, dense, 1e3))].sum()
    assert np.array_equal(owner[col[arc]], np.arange(n))
    assert pool[2][arc].sum() == pytest.approx(best, rel=1e-13)
    f = pool[2][arc] - v[col[arc]]
    assert np.all(pool[2] - f[rows] - v[col] >= -1e-13)
