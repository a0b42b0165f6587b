"""Points some of whose mass stays, without a matrix: against HiGHS, the dense way, and the laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.sparse import coo_array

import transport as tp
from transport import _unbalanced
from transport._left_over import WithLeftOver


@pytest.fixture
def without_a_matrix(monkeypatch):
    """Every problem between points goes the way of the large ones."""
    monkeypatch.setattr(_unbalanced, "FEW", 0)


def clouds(seed, n, m, d=2, total=1.2):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.full(n, 0.7)), total * rng.dirichlet(np.full(m, 3.0))
    return rng.random((n, d)), rng.random((m, d)) ** 2, a, b


def by_highs(cost, a, b, *, lam=None, mass=None):
    """The programme itself: sum P <= a, <= b, with a price for what is left out, or the mass fixed."""
    n, m = cost.shape
    k = np.arange(n * m)
    up = coo_array((np.ones(2 * n * m), (np.r_[k // m, n + k % m], np.r_[k, k]))).tocsr()
    price = cost.ravel() - (2 * lam if lam else 0.0)
    equal = {} if mass is None else {"A_eq": np.ones((1, n * m)), "b_eq": [mass]}
    found = linprog(price, A_ub=up, b_ub=np.r_[a, b], **equal, method="highs")
    return found.fun + (lam * (a.sum() + b.sum()) if lam else 0.0)


@pytest.mark.parametrize("metric", ["sqeuclidean", "cityblock"])
def test_against_highs(without_a_matrix, metric):
    """Also with everything moved that can be, with atoms without mass, and with atoms that coincide."""
    x, y, a, b = clouds(0, 40, 33)
    x[5:9], y[3] = x[4], x[4]
    a[::6] = 0.0
    cost = tp.PointCloud(x, y, metric)
    dense = cost.block(0, 40)
    for mass in (1e-3, 0.4, 0.99 * a.sum(), a.sum()):
        sol = tp.solve(cost, a, b, marginals=tp.Partial(mass))
        assert sol.value == pytest.approx(by_highs(dense, a, b, mass=mass), rel=1e-9, abs=1e-12)
        plan = sol.plan.toarray()
        assert math.fsum(plan.ravel()) == pytest.approx(mass, rel=1e-13)
        assert (plan.sum(1) <= a + 1e-15).all()
        assert (plan.sum(0) <= b + 1e-15).all()
        assert (plan * dense).sum() == pytest.approx(sol.value, rel=1e-12)
        assert sol.gap <= 1e-12 * sol.value
    for lam in (1e-3, 0.1, 5.0):
        sol = tp.solve(cost, a, b, marginals=tp.TV(lam))
        assert sol.value == pytest.approx(by_highs(dense, a, b, lam=lam), rel=1e-9)
        assert sol.gap <= 1e-12 * sol.value


@pytest.mark.parametrize(("n", "m", "d"), [(900, 700, 2), (400, 1100, 3)])
def test_levels_end_where_the_matrix_does(n, m, d):
    """Coarse to fine; the stored costs with a forbidden corner are another way to the same optimum."""
    x, y, a, b = clouds(1, n, m, d)
    points, stored = tp.PointCloud(x, y), tp.PointCloud(x, y).block(0, n)
    for marginals in (tp.Partial(0.5), tp.Partial(0.97), tp.TV(0.03)):
        sol = tp.solve(points, a, b, marginals=marginals)
        other = tp.solve(stored, a, b, marginals=marginals)
        assert sol.stats["method"] == "points"
        assert sol.value == pytest.approx(other.value, rel=1e-13)
        assert sol.gap <= 1e-12 * sol.value
        assert sol.stats["mass"] == pytest.approx(other.stats["mass"], rel=1e-12)
        f, g = sol.stats["mass_gradient"]
        assert (f[:, None] + g <= stored + 1e-12).all() or isinstance(marginals, tp.Partial)
    scaled = tp.solve(tp.PointCloud(x * 4, y * 4), a, b, marginals=tp.Partial(0.5))
    once = tp.solve(points, a, b, marginals=tp.Partial(0.5))
    assert scaled.value == 16 * once.value
    assert scaled.stats["multiplier"] == pytest.approx(16 * once.stats["multiplier"], rel=1e-12)
    with pytest.raises(tp.ConvergenceError) as caught:
        tp.solve(points, a, b, marginals=tp.Partial(0.5), max_iter=50)
    assert caught.value.solution.lower_bound <= once.value <= caught.value.solution.upper_bound


def test_the_cost_with_one_more_on_both_sides():
    """Its transforms against the stored matrix."""
    rng = np.random.default_rng(2)
    cloud = tp.PointCloud(rng.random((6, 2)), rng.random((5, 2)))
    cost = WithLeftOver(cloud, 0.25, 3.0)
    dense = np.full((7, 6), 0.25)
    dense[:6, :5], dense[6, 5] = cloud.block(0, 6), 3.0
    np.testing.assert_array_equal(cost.block(0, 7), dense)
    np.testing.assert_array_equal(cost.block(4, 6), dense[4:6])
    rows, cols = np.divmod(np.arange(42), 6)
    np.testing.assert_array_equal(cost.entries(rows, cols), dense.ravel())
    f, g = rng.normal(size=7), rng.normal(size=6)
    for mine, right in (
        (cost.c_transform(f), (dense - f[:, None]).min(0)),
        (cost.row_transform(g, np.array([6, 2])), (dense - g).min(1)[[6, 2]]),
        (cost.transpose().c_transform(g), (dense - g).min(1)),
    ):
        np.testing.assert_allclose(mine, right, rtol=1e-14)
        assert (mine <= right).all()
