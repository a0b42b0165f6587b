"""Rounded masses as a start, and the affine map."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import transport as tp
from transport._solver.column_generation import Simplex
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.reductions import integer_masses
from transport._solver.starts import rounded_masses
from transport._solver.starts.affine import affine_potential, clusters_missed
from transport._solver.starts.shortlist import shortlist
from transport._solver.trees import Work
from transport._solver.tuning import TUNING

COLD = replace(TUNING, rough_units=())
"""No rounded masses."""


def drained(slices):
    while True:
        try:
            next(slices)
        except StopIteration as stop:
            return stop.value


@given(st.lists(st.integers(1, 2**52), min_size=1, max_size=50), st.integers(1, 500))
def test_rounded_masses_add_up_and_are_off_by_less_than_a_unit(masses, units):
    mass = np.array(masses)
    out = rounded_masses.rounded(mass, units)
    assert out.sum() == units
    assert out.min() >= 0
    exact = [m * units / sum(masses) for m in masses]
    assert np.all(np.abs(out - exact) < 1 + 1e-6)


def test_ties_are_rounded_up_from_the_left():
    assert rounded_masses.rounded(np.array([7, 7, 7, 7]), 6).tolist() == [2, 2, 1, 1]


def instances():
    rng = np.random.default_rng(4)
    n = 520
    x, y = rng.random((n, 9)), rng.random((n, 9))
    far = ((x[:, None] - y) ** 2).sum(axis=2)
    even = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    yield "cube", far, *even
    yield "independent", rng.random((n, n)), *even
    yield "ties", rng.integers(0, 6, (n, n)).astype(float), *even
    yield "heavy tails", far, rng.dirichlet(np.full(n, 0.05)), rng.dirichlet(np.full(n, 0.05))
    one = np.full(n, 1e-13)
    one[7] = 1.0
    yield "all on one", far, one / one.sum(), even[1]
    wide = rng.random((150, 4 * n))
    yield "few to many", wide, rng.dirichlet(np.ones(150)), rng.dirichlet(np.ones(4 * n))
    yield "offset", far + 1e9 * rng.random((n, 1)), *even
    yield "giants", np.where(rng.random((n, n)) < 0.2, 1e32, far), *even


@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*i[1:], id=i[0]) for i in instances()])
def test_the_start_does_not_change_the_optimum(c, a, b):
    b = b * (a.sum() / b.sum())
    sol = tp.solve(c, a, b)
    cold = tp.solve(c, a, b, solver=tp.Exact(tuning=COLD))
    assert sol.gap <= 1e-12 * np.abs(c[sol.arcs.rows, sol.arcs.cols]).max()
    assert sol.value == pytest.approx(cold.value, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("cost", "power"), [("sqeuclidean", 1.0), ("euclidean", 1.0), ("euclidean", 3.0), ("cityblock", 1.0)]
)
def test_tiles_start_from_rough_masses_too(cost, power):
    rng = np.random.default_rng(5)
    n = 560
    points = rng.standard_normal((n, 30)), rng.standard_normal((n, 30))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    options = {"solver": tp.Exact(method="points")}
    sol = tp.solve(tp.PointCloud(*points, cost, power=power), a, b, **options)
    assert sol.gap <= 1e-12 * sol.value
    options["solver"] = tp.Exact(method="points", tuning=COLD)
    cold = tp.solve(tp.PointCloud(*points, cost, power=power), a, b, **options)
    assert sol.value == pytest.approx(cold.value, rel=1e-12)
    assert sol.n_iter != cold.n_iter  # it was used


def test_one_cloud_in_tiles_and_one_in_a_tree():
    rng = np.random.default_rng(8)
    n = 600
    full, curve = rng.standard_normal((n, 20)), np.sin(np.arange(1, 21) * rng.random((n, 1)))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    for x, y in ((full, curve), (curve, full)):
        cost = tp.PointCloud(x, y)
        sol = tp.solve(cost, a, b, solver=tp.Exact(method="points"))
        assert sol.value == pytest.approx(tp.solve(cost.block(0, n), a, b).value, rel=1e-12)


def test_shifted_and_stretched_clouds_start_at_their_affine_map():
    """For an affine image of x the guess is the answer: g from f by c-transform is tight on the pairing."""
    rng = np.random.default_rng(9)
    root = rng.standard_normal((6, 6))
    x = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 6))
    stretch = root @ root.T / 6 + 0.1 * np.eye(6)
    y = x @ stretch + rng.standard_normal(6)
    w = rng.integers(1, 9, 300)
    f = affine_potential(x, y, w, w)
    reduced = ((x[:, None] - y) ** 2).sum(axis=2) - f[:, None]
    spread = np.ptp(reduced)
    assert np.all(np.diagonal(reduced) <= reduced.min(axis=0) + 1e-4 * spread)


def types(rng, counts):
    """Points of four types, the same on both sides; ``counts`` of each."""
    place = 4 * np.random.default_rng(3).normal(size=(4, 8))
    return np.concatenate([c + rng.normal(size=(k, 8)) for c, k in zip(place, counts)])


def test_where_types_change_their_numbers_clusters_are_the_start():
    """Mass has to move between types: no affine map does that. Half the pivots, and the same optimum."""
    rng = np.random.default_rng(2)
    x, y = types(rng, (2300, 900, 500, 400)), types(rng, (600, 600, 1500, 1400))
    cloud = tp.PointCloud(x, y)
    sol, plain = (
        tp.solve(cloud, solver=tp.Exact(tuning=replace(TUNING, clusters_missed=limit)))
        for limit in (0.6, np.inf)
    )
    assert any(step.what == "few clusters" and "clusters_missed" in step.why for step in sol.stats["path"])
    assert not any(step.what == "few clusters" for step in plain.stats["path"])
    assert sol.value == pytest.approx(plain.value, rel=1e-12)
    assert sol.stats["pivots"] < 0.6 * plain.stats["pivots"]


def test_how_much_of_clusters_an_affine_map_misses():
    """Little where it is right (Gaussians, a stretched copy), much where types change; in any unit."""
    rng = np.random.default_rng(4)
    x, one = rng.normal(size=(4096, 6)), np.ones(4096)
    stretched = x[rng.permutation(4096)] @ np.diag([1.0, 2, 1, 0.5, 1, 3]) + 5
    assert clusters_missed(x, stretched, one, one) < 0.3
    u, v = types(rng, (2300, 900, 500, 396)), types(rng, (600, 600, 1500, 1396))
    much = clusters_missed(u, v, one, one)
    assert much > 1
    assert clusters_missed(np.ldexp(u, 60), np.ldexp(v, 60), one, one) == pytest.approx(much, rel=1e-5)
    assert clusters_missed(x[:100], v, one[:100], one) == 0.0


def test_the_affine_guess_survives_flat_and_single_clouds():
    rng = np.random.default_rng(10)
    flat = np.hstack([rng.random((50, 3)), np.zeros((50, 4))])
    one = np.ones((1, 7))
    for x, y in ((flat, flat[::-1]), (flat, one), (one, flat), (one, one), (0 * flat, flat)):
        f = affine_potential(x, y, np.ones(len(x)), np.ones(len(y)))
        assert np.isfinite(f).all()
    assert not affine_potential(np.ones((3, 500)), np.ones((3, 500)), np.ones(3), np.ones(3)).any()


def test_few_pivots_are_left_for_the_masses_as_given():
    """Potentials that were lost on the way, also those of nodes rounded to 0, would cost a cold start."""
    rng = np.random.default_rng(6)
    n = 700
    c = rng.random((n, n))
    masses = integer_masses(rng.dirichlet(np.full(n, 0.3)), rng.dirichlet(np.full(n, 0.3)))
    work = Work(budget=10**9)
    oracle = MatrixOracle(c, magnitude=1.0)
    cold = drained(shortlist(oracle, c.min(axis=0)))
    warm = drained(rounded_masses.rounded_start(oracle, cold, masses, work))
    pivots = []
    for start in (cold, warm):
        core = Simplex(oracle, *masses, start, work)
        drained(core.build_basis())
        before = work.pivots
        drained(core.optimise())
        pivots.append(work.pivots - before)
    assert pivots[1] < 0.25 * pivots[0]


@pytest.mark.parametrize("kind", ["assignment", "forbidden", "giants", "small"])
def test_where_it_cannot_help_the_start_is_left_alone(kind):
    rng = np.random.default_rng(7)
    n = 20 if kind == "small" else 400
    c = rng.random((n, n))
    if kind in ("forbidden", "giants"):
        c[rng.random((n, n)) < 0.1] = np.inf if kind == "forbidden" else 1e40
    weights = np.full(n, 1 / n) if kind == "assignment" else rng.dirichlet(np.ones(n))
    masses = integer_masses(weights, weights[::-1].copy())
    finite = float(c[np.isfinite(c)].max())
    oracle = MatrixOracle(c, has_forbidden=kind == "forbidden", magnitude=finite)
    start = drained(shortlist(oracle, np.zeros(n)))
    assert drained(rounded_masses.rounded_start(oracle, start, masses, Work(10**9))) is start


def test_stopped_at_rough_masses_the_answer_is_near():
    solver = tp.Exact(tuning=replace(TUNING, medium_pairs=0))
    rng = np.random.default_rng(11)
    n = 900
    c = rng.random((n, n))
    a, b = rng.dirichlet(np.ones(n), 2)
    best = tp.solve(c, a, b).value
    stages = []

    def stop(progress):
        stages.append(progress.message)
        return progress.message.startswith("pricing, rounded masses")

    sol = tp.solve(c, a, b, solver=solver, callback=stop, throw=False)
    assert stages[-1].startswith("pricing, rounded masses")
    assert sol.status is not tp.Status.OPTIMAL
    assert 0.5 * best < sol.lower_bound <= best <= sol.upper_bound < 0.2 * c.mean()


def test_a_stage_does_not_look_again_after_its_last_few_arcs():
    rng = np.random.default_rng(11)
    x, y = rng.standard_normal((2, 700, 30))
    c = ((x[:, None] - y) ** 2).sum(axis=2)
    masses = integer_masses(*rng.dirichlet(np.ones(700), 2))
    looks = []
    for last in (TUNING.rough_last, 0.0):
        work = Work(budget=10**9, tuning=replace(TUNING, rough_last=last))
        oracle = MatrixOracle(c, magnitude=float(c.max()))
        drained(rounded_masses.rounded_start(oracle, drained(shortlist(oracle, c.min(axis=0))), masses, work))
        looks.append(work.rounds)
    assert looks[0] == len(TUNING.rough_units) < looks[1]
