"""Warm starts continue the old plan, whatever became of its arcs and masses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import transport as tp


def problem(n=600, seed=0):
    rng = np.random.default_rng(seed)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    a, b = rng.dirichlet(np.ones(n), 2)
    return ((x[:, None] - y) ** 2).sum(axis=2), a, b


def agrees(c, a, b, warm):
    sol, cold = tp.solve(c, a, b, warm=warm), tp.solve(c, a, b)
    assert sol.value == pytest.approx(cold.value, rel=1e-12)
    assert sol.gap <= 1e-12 * abs(sol.value)
    return sol, cold


def test_after_small_changes_few_pivots_are_left():
    c, a, b = problem()
    before = tp.solve(c, a, b)
    rng = np.random.default_rng(1)
    c2 = c * (1 + 0.01 * rng.standard_normal(c.shape))
    a2 = a * (1 + 0.01 * rng.standard_normal(len(a)))
    a2 *= a.sum() / a2.sum()
    for costs, masses in ((c, a), (c2, a), (c, a2), (c2, a2)):
        sol, cold = agrees(costs, masses, b, before)
        assert sol.n_iter < 0.15 * cold.n_iter
    assert tp.solve(c, a, b, warm=before).n_iter == 0


@pytest.mark.parametrize("now", [np.inf, 1e32, -1.0])
def test_arcs_of_the_old_plan_may_have_become_impossible_or_a_bargain(now):
    c, a, b = problem(seed=2)
    before = tp.solve(c, a, b)
    changed = c.copy()
    changed[before.arcs.rows[::7], before.arcs.cols[::7]] = now
    agrees(changed, a, b, before)


def test_masses_may_come_and_go():
    c, a, b = problem(seed=3)
    before = tp.solve(c, a, b)
    a2, b2 = a.copy(), b.copy()
    a2[:100], a2[100:200], b2[-50:] = 0, a[:100] + a[100:200], 0
    agrees(c, a2, b2 * (a2.sum() / b2.sum()), before)
    agrees(c, a2[::-1].copy(), b, before)  # nothing of the old plan fits


def test_a_plan_that_is_no_forest_is_no_basis():
    c, a, b = problem(n=560, seed=4)
    before = tp.solve(c, a, b)
    rows, cols = np.indices(c.shape).reshape(2, -1)
    dense = before.arcs._replace(rows=rows, cols=cols, mass=np.outer(a, b).ravel() / a.sum())
    agrees(c, a, b, replace(before, arcs=dense))


def test_points_that_move_continue_their_plan():
    rng = np.random.default_rng(5)
    for d in (2, 9):
        x, y = rng.random((2, 700, d))
        a, b = rng.dirichlet(np.ones(700), 2)
        before = tp.solve(tp.PointCloud(x, y), a, b)
        moved = tp.PointCloud(x + 1e-3 * rng.standard_normal(x.shape), y)
        sol, cold = agrees(moved, a, b, before)
        assert sol.n_iter < 0.5 * cold.n_iter


@pytest.mark.parametrize("points", [True, False])
def test_a_warm_start_looks_once_for_what_is_nearly_as_cheap_as_the_old_arcs(points, monkeypatch):
    from transport._solver.pricing.matrix import MatrixOracle
    from transport._solver.pricing.points import PointsOracle

    rng = np.random.default_rng(6)
    x, y = rng.random((2, 700, 2))
    a, b = rng.dirichlet(np.ones(700), 2)
    cost = tp.PointCloud(x, y) if points else tp.PointCloud(x, y).block(0, 700)
    before = tp.solve(cost, a, b)
    looks, kind = [], PointsOracle if points else MatrixOracle
    nearest = kind.nearest

    def watched(self, v, k, limit=None):
        looks.append(len(v))
        return (yield from nearest(self, v, k, limit))

    monkeypatch.setattr(kind, "nearest", watched)
    monkeypatch.setattr(kind, "both_ways", None)
    sol = tp.solve(cost, a, b, warm=before)
    assert sol.value == pytest.approx(before.value, rel=1e-13)
    assert sol.stats["rounds"] == 1
    assert looks == [700, 700]  # to start from, and to prove


@pytest.mark.parametrize("unit", [1e-300, 1e-38, 1e38, 1e250])
def test_a_warm_start_from_other_units_or_giants_ends_as_a_cold_one(unit):
    """An earlier answer is a start, not a verdict: what it leads astray is solved again from cold."""
    rng = np.random.default_rng(4)
    for seed in range(4):
        c, a, b = problem(60, seed)
        giant = c.copy()
        giant[tuple(rng.integers(60, size=2))] = 1e38
        for before, now in ((c, giant), (giant, c), (c * unit, c), (c, c * unit), (giant, c * 1e30)):
            warm = tp.solve(before, a, b)
            sol, cold = tp.solve(now, a, b, warm=warm), tp.solve(now, a, b)
            assert sol.status is tp.Status.OPTIMAL
            assert sol.value == pytest.approx(cold.value, rel=1e-11)
