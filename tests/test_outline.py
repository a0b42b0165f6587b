"""The first interval between points: feasible by an inequality, right marginals, tight where it should be."""

import numpy as np
import pytest

import transport as tp
from transport._outline import MOST_AXES, outlined
from transport._solve import as_problem
from transport.internal import _clock, until

NORMS = [
    ("euclidean", 0.5), ("euclidean", 1.0), ("euclidean", 1.3), ("euclidean", 2.0), ("euclidean", 2.7),
    ("cityblock", 0.9), ("cityblock", 1.0), ("cityblock", 2.5),
    ("chebyshev", 0.5), ("chebyshev", 1.0), ("chebyshev", 3.0),
]  # fmt: skip


def clouds(rng, dim, metric, power, size=30):
    n, m = rng.integers(1, size, 2)
    x, y = rng.standard_normal((n, dim)) * 10.0 ** rng.integers(-3, 6), rng.standard_normal((m, dim)) + 1.0
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if n > 3 and m > 3:
        a[1] = b[0] = 0.0
    a, b = a / a.sum(), b / b.sum()
    return tp.PointCloud(x, y, metric, power=power), a, b


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(("metric", "power"), NORMS)
def test_pair_is_feasible_and_plan_is_exact(metric, power, quick, monkeypatch):
    rng = np.random.default_rng(int(10 * power) + len(metric))
    monkeypatch.setattr(_clock, "_clock", lambda: 0.0)
    for dim in (1, 2, 3, MOST_AXES + 2):
        for _ in range(4):
            cost, a, b = clouds(rng, dim, metric, power)
            with until(0.0 if quick else None):
                f, g, plan = _unpacked(as_problem(cost, a, b)[0])
            costs = cost.block(0, len(a))  # every pair: nothing of the inequality is believed
            assert np.all(f[:, None] + g <= costs)
            np.testing.assert_allclose(plan.sum(axis=1), a, atol=1e-15)
            np.testing.assert_allclose(plan.sum(axis=0), b, atol=1e-15)


def _unpacked(problem):
    found = outlined(problem)
    plan = np.zeros(problem.shape)
    np.add.at(plan, (found.rows, found.cols), found.mass)
    return found.f, found.g, plan


@pytest.mark.parametrize(("metric", "power", "right"), [
    ("euclidean", 2.0, 25.0), ("euclidean", 1.0, 5.0), ("euclidean", 1.5, 5.0**1.5),
    ("cityblock", 1.0, 7.0), ("chebyshev", 1.0, 4.0),
])  # fmt: skip
@pytest.mark.parametrize("quick", [False, True])
def test_translation_is_proved(metric, power, right, quick, monkeypatch):
    x = np.random.default_rng(0).random((500, 2)) * 1e-3
    problem, _ = as_problem(tp.PointCloud(x, x + [3.0, 4.0], metric, power=power), None, None)
    monkeypatch.setattr(_clock, "_clock", lambda: 0.0)
    with until(0.0 if quick else None):
        found = outlined(problem)
    assert problem.a @ found.f + problem.b @ found.g == pytest.approx(right, rel=1e-9)


def test_product_measures_leave_a_narrow_interval():
    rng = np.random.default_rng(1)
    cost = tp.PointCloud(rng.random((20_000, 2)), rng.standard_normal((20_000, 2)))
    problem, _ = as_problem(cost, None, None)
    found = outlined(problem)
    lower = problem.a @ found.f + problem.b @ found.g
    upper = found.mass @ cost.entries(found.rows, found.cols)
    assert 0 < upper - lower < 0.01 * upper


def test_costs_without_coordinates_have_none():
    assert outlined(as_problem(np.ones((3, 3)), None, None)[0]) is None


def test_potentials_that_overflow_are_left_out():
    cost = tp.PointCloud([[1e150, 0.0], [0.0, 1.0]], [[0.0, 1e150], [1.0, 1.0]], "euclidean", power=2.0)
    found = outlined(as_problem(cost, None, None)[0])
    assert found is None or np.isfinite(found.f).all()
