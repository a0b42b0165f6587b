"""Points solved coarse to fine, and on a line, against the stored-matrix solver (tested on its own)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport as tp
from transport._solver import memory
from transport._solver.exact import Exact
from transport._solver.tuning import TUNING


def clouds(kind: str, n: int, m: int, d: int, rng: np.random.Generator):
    """Two clouds of a named shape."""
    x, y = rng.random((n, d)), rng.random((m, d))
    if kind == "lattice":
        return np.round(4 * x), np.round(4 * y)
    if kind == "collinear":
        return x[:, :1] * np.arange(1.0, d + 1), y[:, :1] * np.arange(1.0, d + 1)
    if kind == "mixed":  # two clusters at distance 1, displacements of 1e-8 inside
        corner = np.eye(1, d)
        return (np.arange(n) % 2)[:, None] * corner + 1e-8 * x, (np.arange(m) % 2)[
            :, None
        ] * corner + 1e-8 * y
    if kind == "outlier":
        x[0], y[1] = 1e7, -1e7
    if kind == "equal":
        return np.ones((n, d)), np.ones((m, d))
    if kind == "one side equal":
        return np.ones((n, d)), y
    if kind == "translated":
        return x, y + 5
    if kind == "scales":
        return x * np.exp(8 * rng.normal(size=(n, 1))), y * np.exp(8 * rng.normal(size=(m, 1)))
    return x, y


KINDS = [
    "uniform", "lattice", "collinear", "mixed", "outlier", "equal", "one side equal", "translated", "scales"
]  # fmt: skip
COSTS = [("sqeuclidean", 1.0), ("euclidean", 1.0), ("cityblock", 1.0), ("chebyshev", 1.0), ("euclidean", 0.5)]


DEEP = replace(TUNING, coarsest=8)
"""Start from 8 clusters, so that small problems have many levels."""


def masses(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if kind == "uniform":
        return np.full(n, 1 / n)
    w = rng.exponential(size=n) ** 3
    w[rng.random(n) < 0.2] = 0
    w[0] += 1e-3
    return w / w.sum()


@pytest.mark.parametrize("weights", ["uniform", "cubed"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("cost", "power"), COSTS)
def test_points_agree_with_the_matrix(cost, power, kind, weights):
    rng = np.random.default_rng(KINDS.index(kind))
    for n, m, d in [(150, 150, 2), (40, 260, 2), (200, 3, 2), (90, 120, 3)]:
        x, y = clouds(kind, n, m, d, rng)
        a, b = masses(weights, n, rng), masses(weights, m, rng)
        points = tp.PointCloud(x, y, cost, power=power)
        sol = tp.solve(points, a, b, solver=Exact("points", tuning=DEEP))
        ref = tp.solve(points, a, b, solver=Exact("matrix"))
        assert sol.stats["method"] == "points"
        assert sol.value == pytest.approx(ref.value, rel=1e-12, abs=1e-300)
        assert sol.gap <= 1e-11 * sol.value
        assert sol.marginal_error <= 1e-15
        assert sol.plan.nnz <= n + m - 1


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "cityblock"])
def test_points_in_high_dimension_agree_with_the_matrix(cost):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(520, 25)), 1 + rng.normal(size=(600, 25)) @ rng.normal(size=(25, 25))
    a, b = masses("cubed", 520, rng), masses("cubed", 600, rng)
    points = tp.PointCloud(x, y, cost)
    sol = tp.solve(points, a, b, solver=Exact("points"))
    ref = tp.solve(points, a, b, solver=Exact("matrix"))
    assert sol.value == pytest.approx(ref.value, rel=1e-12)
    assert sol.gap <= 1e-12 * sol.value


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1.0, 1.5, 2.0, 3.0]), st.integers(0, 10**6))
def test_line_agrees_with_the_matrix(n, m, p, seed):
    rng = np.random.default_rng(seed)
    scale = rng.choice([1.0, 3.0])
    x, y = (np.round(scale * rng.normal(size=k), rng.integers(0, 9)) for k in (n, m))
    a, b = masses("cubed", n, rng), masses("cubed", m, rng)
    points = tp.PointCloud(x, y, "euclidean", power=p)
    sol = tp.solve(points, a, b)
    assert sol.stats["method"] == "line"
    assert sol.value == pytest.approx(
        tp.solve(points, a, b, solver=Exact("matrix")).value, rel=1e-12, abs=1e-300
    )
    assert sol.gap <= 1e-12 * sol.value + 1e-300
    assert sol.marginal_error <= 1e-15


def test_line_of_100_000_points_has_the_closed_form_value():
    """x = (i + 1/2)/n against y = 2 x + 1: W_2^2 = mean (x + 1)^2."""
    x = (np.arange(100_000) + 0.5) / 100_000
    order = np.random.default_rng(0).permutation(100_000)
    sol = tp.solve(tp.PointCloud(x[order], 2 * x + 1))
    assert sol.value == pytest.approx(np.mean((x + 1) ** 2), rel=1e-14)
    assert sol.gap <= 1e-13 * sol.value


@pytest.mark.parametrize("k", [-300, -40, 1, 300])
def test_scaling_by_powers_of_two_scales_the_answer_exactly(k):
    rng = np.random.default_rng(0)
    x, y = rng.random((700, 2)), rng.random((700, 2))
    a, b = rng.dirichlet(np.ones(700)), rng.dirichlet(np.ones(700))
    one = tp.solve(tp.PointCloud(x, y), a, b, solver=Exact("points"))
    two = tp.solve(tp.PointCloud(np.ldexp(x, k), np.ldexp(y, k)), a, b, solver=Exact("points"))
    assert two.value == np.ldexp(one.value, 2 * k)
    assert np.array_equal(one.plan.toarray(), two.plan.toarray())


def test_method_is_chosen_and_explained():
    rng = np.random.default_rng(0)
    small, large = tp.PointCloud(rng.random((30, 2)), rng.random((40, 2))), rng.random((700, 2))
    assert tp.solve(small).stats["method"] == "matrix"
    sol = tp.solve(tp.PointCloud(large, large[::-1]))
    assert sol.stats["method"] == "points"
    assert "700 x 700" in sol.stats["reason"]
    assert sol.value == 0
    with pytest.raises(ValueError, match="method='line'"):
        tp.solve(small, solver=Exact("line"))
    with pytest.raises(ValueError, match="method='points'"):
        tp.solve(np.eye(3), solver=Exact("points"))


@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "cityblock"])
def test_grid_is_the_cloud_of_its_cells(cost):
    rng = np.random.default_rng(0)
    shape, spacing = (9, 7, 11), (1.0, 0.5, 2.0)
    a, b = rng.random(shape) ** 4, rng.random(shape) ** 4
    a[2:4] = 0
    a, b = a.ravel() / a.sum(), b.ravel() / b.sum()
    grid = tp.Grid(shape, cost, spacing=spacing)
    cells = np.stack(np.meshgrid(*(h * np.arange(n) for n, h in zip(shape, spacing)), indexing="ij"), -1)
    sol = tp.solve(grid, a, b)
    method = {"cityblock": "grid", "sqeuclidean": "points", "euclidean": "matrix"}[cost]
    assert sol.stats["method"] == method
    assert (sol.stats["path"][0].what == "mass in place") is (cost == "euclidean")  # what is left is small
    ref = tp.solve(
        tp.PointCloud(cells.reshape(-1, 3), cells.reshape(-1, 3), cost), a, b, solver=Exact("matrix")
    )
    assert sol.value == pytest.approx(ref.value, rel=1e-12)
    assert sol.gap <= 1e-12 * sol.value


def test_grid_refuses_bad_shapes():
    for bad in [(), (0, 3), (2.5,)]:
        with pytest.raises((ValueError, TypeError), match="shape"):
            tp.Grid(bad)
    for bad in [0.0, (1.0,), (1.0, np.inf)]:
        with pytest.raises(ValueError, match="spacing"):
            tp.Grid((2, 3), spacing=bad)


@pytest.mark.parametrize("h", [1e-8, 1e-12])
@pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean"])
def test_tiny_displacements_inside_far_clusters_keep_their_digits(cost, h):
    """Nodes that straddle the clusters have bounds whose rounding exceeds the answer."""
    rng = np.random.default_rng(0)
    n = 2000
    corner = (np.arange(n) % 2)[:, None] * np.eye(1, 2)
    sol = tp.solve(tp.PointCloud(corner + h * rng.random((n, 2)), corner + h * rng.random((n, 2)), cost))
    assert sol.stats["method"] == "points"
    assert sol.value <= 2 * h**2 if cost == "sqeuclidean" else sol.value <= 2 * h
    assert sol.gap <= 1e-11 * sol.value


def test_memory_is_predicted(monkeypatch):
    x = np.random.default_rng(0).random((700, 2))
    monkeypatch.setattr(memory, "available_bytes", lambda: 10**6)
    with pytest.raises(MemoryError, match=r"1400000 bytes and 1000000 are available; thin out"):
        tp.solve(tp.PointCloud(x, x))
    with pytest.raises(MemoryError, match=r"3920000 bytes .* method='auto'"):
        tp.solve(tp.PointCloud(x, x), solver=Exact("matrix"))
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert tp.solve(tp.PointCloud(x, x)).value == 0


@pytest.mark.parametrize("weighted", [True, False])
def test_clusters_at_once_or_by_the_pool_lead_to_the_same_optimum(weighted):
    rng = np.random.default_rng(8)
    x, y = rng.random((2, 900, 2))
    masses = rng.dirichlet(np.ones(900), 2) if weighted else (None, None)
    at_once = tp.solve(tp.PointCloud(x, y), *masses)
    solver = Exact(tuning=replace(TUNING, clusters_at_once=0))
    pool = tp.solve(tp.PointCloud(x, y), *masses, solver=solver)
    assert at_once.value == pytest.approx(pool.value, rel=1e-13)
    assert at_once.stats["rounds"] < pool.stats["rounds"]  # the clusters need no second look


def test_what_one_call_ships_is_a_basic_flow_of_whole_units():
    from transport._solver.at_once import ship_at_once

    rng = np.random.default_rng(9)
    a, b = rng.integers(1, 1 << 40, 60), rng.integers(1, 1 << 40, 50)
    short = int(a.sum() - b.sum())
    (a if short < 0 else b)[0] += abs(short)
    c = rng.random((60, 50))
    _, (rows, cols, flow), f, g = ship_at_once(c, a, b, 1 << 20)
    assert np.array_equal(np.bincount(rows, flow, 60), a)
    assert np.array_equal(np.bincount(cols, flow, 50), b)
    assert len(flow) < 110
    assert np.all(flow > 0)
    assert np.all(f[:, None] + g <= c + 1e-12)
    assert np.allclose((f[:, None] + g)[rows, cols], c[rows, cols], atol=1e-12)
    assert ship_at_once(c, a, b, 3) is None  # out of pivots
