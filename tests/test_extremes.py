"""Outliers at 1e15, masses over 12 decades, tight clusters: the certificate stays at rounding level."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import transport as tp
from transport import _certificate
from transport._certificate import feasible_potentials
from transport._problem import Problem
from transport._solver.base import run
from transport._solver.tuning import TUNING


def dominant(n: int) -> np.ndarray:
    """One atom has nearly everything."""
    w = np.full(n, 1e-9)
    w[n // 3] = 1.0
    return w / w.sum()


def heavy(n: int, rng: np.random.Generator) -> np.ndarray:
    """Masses over 12 decades."""
    w = 10.0 ** rng.uniform(-12, 0, n)
    return w / w.sum()


def heavy_tails(n: int) -> tp.PointCloud:
    """Cubes of Cauchy variables in space."""
    rng = np.random.default_rng(0)
    return tp.PointCloud(*rng.standard_cauchy((2, n, 3)) ** 3, "euclidean")


@pytest.mark.parametrize("method", ["points", "matrix"])
def test_a_tree_that_hangs_from_an_outlier_keeps_the_digits_of_the_rest(method):
    cloud, w = heavy_tails(700), dominant(700)
    sol = tp.solve(cloud, w, w, solver=tp.Exact(method))
    assert sol.gap <= 1e-13 * sol.value


def test_without_polish_the_digits_are_lost():
    """The instance above is hard: potentials of 1e11 leave a cost of 50 five digits less."""
    solver = tp.Exact("points", tuning=replace(TUNING, loud=math.inf))
    cloud, w = heavy_tails(700), dominant(700)
    problem = Problem(cloud, w, w)
    coupling = run(solver, problem, tol=1e-9, max_iter=None, time_limit=None, callback=None).coupling
    f, g = feasible_potentials(problem, coupling.f)  # the solver's own, not fitted to the plan afterwards
    value = tp.solve(cloud, w, w).value
    assert value - math.fsum([*(w * f), *(w * g)]) > 1e-12 * value


def far_source(n: int, d: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Costs with one source at 1e15 of mass 1e-13: its potential is known to a half only."""
    rng = np.random.default_rng(0)
    x, y = rng.random((n, d)), rng.random((n, d))
    x[0] += 1e15
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    a[0] = 1e-13
    return tp.PointCloud(x, y, "cityblock").block(0, n), a / a.sum(), b


def test_a_far_light_source_does_not_move_the_other_potentials():
    c, a, b = far_source(100, 8)
    sol = tp.solve(c, a, b)
    assert sol.gap <= 1e-12 * sol.value
    assert np.all(c - sol.potentials.f[:, None] - sol.potentials.g >= 0)


def test_the_lower_bound_of_yielding_potentials_is_proved_in_rational_arithmetic():
    c, a, b = far_source(30, 8)
    sol = tp.solve(c, a, b)
    proof = sol.certify(exact=True)
    assert sol.lower_bound <= proof.upper
    assert proof.lower <= sol.upper_bound


def test_violations_below_the_rounding_of_the_tree_end_the_rounds():
    """Squared distances to 1e15 are multiples of 1e14; everything else is of order 1."""
    rng = np.random.default_rng(0)
    x, y = rng.random((700, 2)), rng.random((700, 2))
    x[0] += 1e15
    sol = tp.solve(tp.PointCloud(x, y), rng.dirichlet(np.ones(700)), solver=tp.Exact("points"))
    assert sol.stats["rounds"] < 40
    assert sol.gap <= 1e-13 * sol.value


def test_points_whose_costs_are_out_of_all_proportion_are_solved():
    """Costs of 1e-12 inside clusters and 1 between them, one source for all: the shortlist cannot ship it."""
    rng = np.random.default_rng(0)
    centres = rng.random((12, 20))
    x, y = (centres[rng.integers(12, size=600)] + 1e-6 * rng.standard_normal((600, 20)) for _ in range(2))
    sol = tp.solve(tp.PointCloud(x, y), dominant(600), dominant(600), solver=tp.Exact("points"))
    assert sol.gap <= 1e-12 * sol.value
    ref = tp.solve(tp.PointCloud(x, y), dominant(600), dominant(600), solver=tp.Exact("matrix"))
    assert sol.value == pytest.approx(ref.value, rel=1e-13)


def test_atoms_without_mass_do_not_decide_the_method():
    rng = np.random.default_rng(0)
    a = np.where(np.arange(2000) < 1990, 0.0, 0.1)
    cloud = tp.PointCloud(rng.random((2000, 2)), rng.random((2000, 2)))
    sol = tp.solve(cloud, a, a[::-1])
    assert sol.stats["method"] == "matrix"
    dense = tp.solve(cloud.block(0, 2000)[1990:, :10], a[1990:], a[1990:])
    assert sol.value == dense.value
    slack = cloud.block(0, 2000) - sol.potentials.f[:, None] - sol.potentials.g
    assert slack.min() >= -1e-15


def test_balanced_potentials_are_exact_differences_at_the_median():
    """A path of 1e8, then a jump of 1e-9: summed in double-double, placed where most mass is."""
    from transport._kernels.forests import balanced_potentials

    rows, cols = np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1])
    cost = np.array([1e8, 1e8 + 1.0, 1.0, 1.0 + 2.0**-30])
    a, b = np.array([1, 1, 100]), np.array([2, 100])
    f, g = balanced_potentials(rows, cols, cost, a, b)
    assert np.array_equal(np.abs(f[rows] + g[cols] - cost) <= 2.0**-26, np.full(4, True))
    assert min(abs(f[2]), abs(g[1])) == 0
    assert f[2] + g[1] == 1.0 + 2.0**-30


def test_quiet_problems_do_not_pay_for_loud_ones(monkeypatch):
    """The second transform is for gaps beyond rounding only."""
    calls = []
    yielding = _certificate._polished
    monkeypatch.setattr(_certificate, "_polished", lambda *args: calls.append(1) or yielding(*args))
    rng = np.random.default_rng(0)
    tp.solve(rng.random((300, 300)))
    assert not calls


def test_pairs_a_billion_times_closer_than_neighbours_need_no_potentials_between_them():
    """Each pair balances alone: an offset of 1e-6 against costs of 1e-27 is not asked for by anything."""
    rng = np.random.default_rng(0)
    x = rng.random((700, 2))
    y = (x + 1e-9 * rng.standard_normal(x.shape))[rng.permutation(700)]
    sol = tp.solve(tp.PointCloud(x, y, "euclidean", power=3.0))
    assert 0 < sol.value < 1e-25
    assert sol.gap <= 1e-12 * sol.value


def blocks(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ten blocks; what they hold and what they take differ by the rounding of the sums."""
    rng = np.random.default_rng(seed)
    inside = np.arange(600)[:, None] // 60 == np.arange(600) // 60
    c = np.where(inside, rng.random((600, 600)), np.inf)
    plan = np.where(inside, rng.random((600, 600)), 0.0)
    return c, plan.sum(axis=1) / plan.sum(), plan.sum(axis=0) / plan.sum()


@pytest.mark.parametrize("seed", range(5))
def test_blocks_whose_masses_agree_to_rounding_are_feasible(seed):
    c, a, b = blocks(seed)
    sol = tp.solve(c, a, b)
    assert sol.gap <= 1e-13 * sol.value
    assert sol.marginal_error <= 1e-16
    whole = np.where(np.isfinite(c), c, 100.0)
    assert sol.value == pytest.approx(tp.solve(whole, a, b).value, rel=1e-12)


def test_blocks_whose_masses_disagree_by_more_are_not():
    c, a, b = blocks(0)
    a[:60] *= 1 + 1e-9
    with pytest.raises(tp.InfeasibleError):
        tp.solve(c, a / a.sum(), b / b.sum())
