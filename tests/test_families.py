"""Families in which shortlists say little, ties abound or one point is far: whole rows, and their start."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles import transport_by_highs
from scipy.spatial.distance import cdist

import transport as tp
from transport._kernels import costs
from transport._kernels.dense_start import greedy
from transport._problem import Problem
from transport._solver.plan import choose
from transport._solver.starts.line_costs import line_potential
from transport._solver.tuning import TUNING


def ring(n, d, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), 1e-3 * rng.standard_normal((n, d))


def random_masses(n, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(n), 2)


POOLED = tp.Exact(tuning=replace(TUNING, at_once_pairs=0, medium_pairs=0))
"""No problem is solved in one call."""


# ------------------------------------------------------------------ whole rows instead of a pool


def test_rounds_that_lead_nowhere_end_on_whole_rows():
    """Chebyshev distances from a ring to a blob: 18 rounds of a pool, each with thousands of new arcs."""
    c = cdist(*ring(600, 5), "chebyshev")
    a, b = random_masses(600)
    best = tp.solve(c, a, b)
    assert best.stats["rounds"] == 1
    sol = tp.solve(c, a, b, solver=POOLED)
    assert sol.value == pytest.approx(best.value, rel=1e-12)
    assert sol.gap <= 1e-13 * sol.value
    assert sol.stats["rounds"] <= 8


def test_where_all_rows_want_the_same_columns_no_shortlist_is_used():
    rng = np.random.default_rng(1)
    u = rng.standard_normal(5)
    x, y = rng.random((600, 5)), rng.random((600, 5)) + 1e9 * u / np.linalg.norm(u)
    sol = tp.solve(cdist(x, y, "chebyshev"), *random_masses(600), solver=POOLED)
    assert sol.stats["rounds"] == 1  # 3 with rough masses first


def test_heavy_tails_do_not_take_sixty_rounds():
    rng = np.random.default_rng(0)
    cloud = tp.PointCloud(rng.standard_cauchy((700, 5)) ** 3, rng.standard_cauchy((700, 5)) ** 3)
    a, b = random_masses(700)
    best = tp.solve(cloud, a, b)
    sol = tp.solve(cloud, a, b, solver=replace(POOLED, method="points"))
    assert sol.value == pytest.approx(best.value, rel=1e-12)
    assert sol.stats["rounds"] <= 40  # 30: giants are in the pool from the start, as outliers need them


@pytest.mark.parametrize("seed", range(3))
def test_points_on_twelve_scales_start_where_they_are(seed):
    """Moments of such clouds are those of the outermost points: 50 rounds from their affine map."""
    rng = np.random.default_rng(seed)
    u = rng.standard_normal((2, 1500, 5))
    x, y = u / np.linalg.norm(u, axis=2, keepdims=True) * 10.0 ** rng.uniform(-12, 0, (2, 1500, 1))
    sol = tp.solve(tp.PointCloud(x, y), random_masses(1500)[0], solver=tp.Exact("points"))
    assert sol.stats["rounds"] <= 12
    assert sol.gap <= 1e-12 * sol.value


def test_a_far_outlier_needs_no_search_for_a_feasible_plan():
    """Its arcs are all giants: left out at first, 470 000 arcs were looked at (n = 3000: 3 s, not 0.1)."""
    rng = np.random.default_rng(1)
    x, y = rng.random((2, 1500, 2))
    x[0] += 1e15
    a, b = rng.dirichlet(np.ones(1500), 2)
    cloud = tp.PointCloud(x, y, "euclidean", power=3)
    sol = tp.solve(cloud, a, b, solver=tp.Exact("points"))
    assert sol.value == pytest.approx(tp.solve(cloud, a, b, solver=tp.Exact("matrix")).value, rel=1e-14)
    assert sol.stats["arcs"] <= 30_000


def test_one_far_row_does_not_make_a_line():
    """Beside its costs the others' differences looked like rounding: a line's start, twice the pivots."""
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 300, 2))
    c = cdist(x, y, "sqeuclidean")
    assert line_potential(c, *random_masses(300)) is None
    x[0] += 1e7
    assert line_potential(cdist(x, y, "sqeuclidean"), *random_masses(300)) is None


@pytest.mark.parametrize(("n", "m"), [(1, 300), (8, 256), (8, 255), (256, 3)])
def test_few_rows_are_served_column_by_column(n, m):
    rng = np.random.default_rng(n)
    c = rng.random((n, m))
    c[rng.random((n, m)) < 0.1] += 1e3
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    sol = tp.solve(c, a, b)
    assert sol.value == pytest.approx(transport_by_highs(c, a, b)[0], rel=1e-9)
    assert sol.gap <= 1e-13 * sol.value


@pytest.mark.parametrize("n", [60, 700])
def test_clusters_of_no_size_keep_their_digits(n):
    """Costs of 1e-24 in clusters and 1 between them, in one call: its potentials give way to quieter ones."""
    rng = np.random.default_rng(n)
    centres = rng.random((12, 3))
    x = centres[np.arange(n) % 12] + 1e-12 * rng.standard_normal((n, 3))
    y = centres[np.arange(n) % 12] + 1e-12 * rng.standard_normal((n, 3))
    even = np.full(n, 1 / n)
    c = cdist(x, y, "sqeuclidean")
    sol = tp.solve(c, even, even)
    assert sol.value < 1e-21
    assert sol.gap <= 1e-9 * sol.value


# ------------------------------------------------------------------ costs on a line


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("mixed", [False, True])
def test_costs_on_a_line_are_recognised_in_any_order(sign, mixed):
    """Costs i j with equal masses: 50 000 pivots without flow at n = 300, three times POT's time."""
    n = 300
    rng = np.random.default_rng(0)
    i, j = (rng.permutation(n) if mixed else np.arange(n) for _ in range(2))
    sol = tp.solve(sign * np.outer(i, j) * 1.0, np.full(n, 1 / n), np.full(n, 1 / n))
    k = np.arange(n)
    assert sol.value == pytest.approx(sign * (k * (k[::-1] if sign > 0 else k)).sum() / n, rel=1e-14)
    assert sol.stats["pivots"] <= 5 * n


@pytest.mark.parametrize("power", [1.5, 2, 3])
def test_the_staircase_is_optimal_for_convex_costs(power):
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(140), rng.standard_normal(150)
    a, b = rng.dirichlet(np.ones(140)), rng.dirichlet(np.ones(150))
    c = np.abs(x[:, None] - y) ** power
    g = line_potential(c, a, b)
    assert g is not None
    dual = a @ (c - g).min(axis=1) + b @ g
    assert dual == pytest.approx(tp.solve(c, a, b).value)


def test_other_costs_are_not_taken_for_a_line():
    rng = np.random.default_rng(0)
    a = np.full(150, 1 / 150)
    for c in (rng.random((150, 150)), cdist(rng.random((150, 2)), rng.random((150, 2))), np.ones((150, 150))):
        assert line_potential(c, a, a) is None


def test_greedy_flow_ships_everything_whoever_wants_what():
    """All rows want the same columns: after a few looks at each, row by row."""
    n = 200
    w = np.tile(np.arange(float(n)), (n, 1))
    a = np.arange(1, n + 1)
    rows, cols, flows = greedy(w, a, a[::-1].copy(), TUNING.greedy())
    assert len(rows) <= 2 * n - 1
    np.testing.assert_array_equal(np.bincount(rows, flows, n), a)
    np.testing.assert_array_equal(np.bincount(cols, flows, n), a[::-1])


# ------------------------------------------------------------------ costs in vector passes


@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7, 20])
@pytest.mark.parametrize("metric", [0, 1, 2])
@pytest.mark.parametrize("power", [0.5, 1.0, 1.3, 1.5, 2.0, 3.0, 4.0, 6.0])
def test_blocks_of_costs_are_the_entries_bitwise(dim, metric, power):
    rng = np.random.default_rng(dim)
    x, y = rng.standard_normal((30, dim)), rng.standard_normal((300, dim))
    rows, cols = np.indices((30, 300)).reshape(2, -1)
    entries = costs.entries_points(x, y, metric, power, rows, cols).reshape(30, 300)
    np.testing.assert_array_equal(costs.block_points(x, y, metric, power, 0, 30), entries)
    np.testing.assert_array_equal(costs.block_points(x, y, metric, power, 7, 9), entries[7:9])


# ------------------------------------------------------------------ which way


@pytest.mark.parametrize(
    ("change", "method"),
    [("nothing", "points"), ("outlier", "matrix"), ("clusters", "matrix"), ("many dimensions", "matrix")],
)
def test_uneven_clouds_are_stored_while_they_fit_the_cache(change, method):
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 800, 20 if change == "many dimensions" else 6))
    if change == "outlier":
        x[0] += 1e7
    if change == "clusters":
        x, y = (np.round(2 * p[:, :1]) + 1e-6 * p for p in (x, y))
    assert choose(Problem(tp.PointCloud(x, y), *np.full((2, 800), 1 / 800)), "auto")[0] == method


# ------------------------------------------------------------------ who is right


def far_outlier():
    rng = np.random.default_rng(5)
    x, y = rng.random((40, 2)), rng.random((40, 2))
    x[0] += 1e7
    return cdist(x, y, "sqeuclidean")


def giants():
    rng = np.random.default_rng(6)
    return np.where(rng.random((40, 40)) < 0.9, 1e30, rng.random((40, 40)))


def decades():
    return 10.0 ** np.random.default_rng(7).uniform(0, 30, (40, 40))


@pytest.mark.parametrize("costs", [far_outlier, giants, decades])
def test_where_others_differ_the_interval_is_right_in_rational_arithmetic(costs):
    """POT's values lie outside our interval for such matrices, by up to 1e15 times the optimum."""
    c = costs()
    a, b = random_masses(40, seed=8)
    sol = tp.solve(c, a, b)
    proof = sol.certify(exact=True)
    assert sol.lower_bound <= proof.upper
    assert proof.lower <= sol.upper_bound
    assert proof.upper - proof.lower <= 1e-11 * proof.upper


@pytest.mark.parametrize("power", [1, 2])
def test_the_plane_is_not_taken_for_a_line(power):
    """Two directions alone, as three columns give, agree by chance in one plane of ten."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        x, y = rng.random((2, 150, 2))
        c = np.linalg.norm(x[:, None] - y, axis=2) ** power
        assert line_potential(c, np.full(150, 1 / 150), np.full(150, 1 / 150)) is None
