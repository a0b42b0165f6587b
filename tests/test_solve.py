"""The border of `transport.solve`: what is accepted, refused, returned, and on which library."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import transport_by_highs

import transport as tp
from transport.internal import to_numpy

C = np.array([[0.0, 2.0], [1.0, 0.0]])
HALF = np.array([0.5, 0.5])


@pytest.mark.parametrize(
    ("cost", "a", "b", "word"),
    [
        (np.zeros((0, 0)), [], [], "empty"),
        (np.zeros((2, 0)), HALF, [], "empty"),
        (np.zeros(3), None, None, "matrix"),
        (C * np.nan, HALF, HALF, "nan"),
        (np.array([[0, -np.inf], [1, 0.0]]), HALF, HALF, "-inf"),
        (C, [1.5, -0.5], HALF, "negative"),
        (C, [0.5, 0.5, 0.0], HALF, "3 weights for 2"),
        (C, [0.5, np.nan], HALF, "nan"),
        (C, [np.inf, 1], [np.inf, 1], "inf"),
        (C, [0.0, 0.0], [0.0, 0.0], "total mass 0"),
        (C, HALF, [0.5, 0.5 + 1e-6], "equal masses"),
        (C, HALF[None], HALF, "one-dimensional"),
        ([[1, 2], [3]], HALF, HALF, "ragged"),
    ],
)
def test_refusals_name_the_trouble(cost, a, b, word):
    with pytest.raises(ValueError, match=word):
        tp.solve(cost, a, b)


@pytest.mark.parametrize(
    "cost", [np.ma.array(C, mask=[[0, 0], [0, 1]]), C.astype(complex), C.astype(object), [["a", "b"]]]
)
def test_wrong_kinds_are_type_errors(cost):
    with pytest.raises(TypeError, match="cost"):
        tp.solve(cost, HALF, HALF)


@pytest.mark.parametrize(
    "options", [{"tol": 0}, {"tol": -1}, {"tol": np.nan}, {"max_iter": 0}, {"time_limit": 0}]
)
def test_bad_options(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        tp.solve(C, HALF, HALF, **options)


def test_inputs_are_not_mutated_and_may_be_read_only():
    cost, a, b = C.copy(), np.array([0.75, 0.25]), HALF.copy()
    for array in (cost, a, b):
        array.flags.writeable = False
    assert tp.solve(cost, a, b).value == 0.5


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float32, np.float16, bool])
def test_all_reals_are_upcast(dtype):
    assert tp.solve(np.array([[1, 0], [0, 1]], dtype=dtype), HALF, HALF).value == 0.0


def test_uniform_defaults_and_any_total_mass():
    rng = np.random.default_rng(0)
    cost = rng.random((4, 6))
    assert tp.solve(cost).value == pytest.approx(
        tp.solve(cost, np.full(4, 0.25), np.full(6, 1 / 6)).value, rel=1e-14
    )
    assert tp.solve(cost, np.full(4, 3.0), np.full(6, 2.0)).value == pytest.approx(
        12 * tp.solve(cost).value, rel=1e-13
    )
    assert tp.solve(cost, np.full(4, 3.0)).value == pytest.approx(12 * tp.solve(cost).value, rel=1e-13)


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
@pytest.mark.parametrize("kept", [1, 9])  # few carry mass, or most
def test_bad_costs_are_refused_where_there_is_no_mass(bad, kept):
    a = np.where(np.arange(10) < kept, 1 / kept, 0.0)
    for i, j in ((9, 9), (9, 0), (0, 9)):
        cost = np.random.default_rng(0).random((10, 10))
        cost[i, j] = bad
        with pytest.raises(ValueError, match=rf"cost\[{i}, {j}\] is"):
            tp.solve(cost, a, a)


def test_memory_layout_does_not_change_a_bit():
    rng = np.random.default_rng(1)
    cost, a, b = rng.random((30, 40)), rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(40))
    base = tp.solve(cost, a, b)
    padded = np.zeros((60, 80))
    padded[::2, ::2] = cost
    for view in (np.asfortranarray(cost), padded[::2, ::2], cost.astype(">f8")):
        other = tp.solve(view, a, b)
        assert other.value == base.value
        np.testing.assert_array_equal(other.plan.toarray(), base.plan.toarray())


def test_any_array_library(backend):
    rng = np.random.default_rng(2)
    cost, a, b = rng.random((5, 8)), rng.dirichlet(np.ones(5)), rng.dirichlet(np.ones(8))
    sol = tp.solve(backend.asarray(cost), backend.asarray(a), backend.asarray(b))
    assert sol.value == pytest.approx(transport_by_highs(cost, a, b)[0], rel=1e-9)
    assert type(sol.potentials.f) is type(backend.asarray(cost))
    assert to_numpy(sol.potentials.f).shape == (5,)


def test_limits_raise_with_a_certified_interval():
    rng = np.random.default_rng(0)
    cost = rng.random((300, 300))
    with pytest.raises(tp.ConvergenceError, match="max_iter") as caught:
        tp.solve(cost, max_iter=10)
    best = tp.solve(cost)
    assert caught.value.lower_bound <= best.value <= caught.value.upper_bound
    partial = tp.solve(cost, max_iter=10, throw=False)
    assert partial.status is tp.Status.ITERATION_LIMIT
    assert partial.value >= best.value
    assert partial.marginal_error <= 1e-15


def test_callback_stops_and_sees_progress():
    seen = []

    def stop(progress):
        seen.append(progress)
        return True

    rng = np.random.default_rng(3)
    cost = rng.random((1500, 1500))
    sol = tp.solve(
        cost, rng.dirichlet(np.ones(1500)), rng.dirichlet(np.ones(1500)), callback=stop, throw=False
    )
    assert seen
    assert seen[0].message
    assert sol.status in (tp.Status.STOPPED, tp.Status.OPTIMAL)
    assert len(seen) == 1


def test_repr_says_the_interval():
    text = repr(tp.solve(C, HALF, HALF))
    assert "Solution(value=0," in text
    assert "OPTIMAL" in text


class TestPointCloud:
    @pytest.mark.parametrize("cost", ["sqeuclidean", "euclidean", "cityblock", "chebyshev"])
    @pytest.mark.parametrize("power", [1.0, 0.5, 3.0])
    def test_entries_are_scipys(self, cost, power):
        from scipy.spatial.distance import cdist

        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((5, 3)), rng.standard_normal((6, 3))
        cloud = tp.PointCloud(x, y, cost, power=power)
        expected = cdist(x, y, cost) ** power
        np.testing.assert_allclose(cloud.block(0, 5), expected, rtol=1e-14)
        np.testing.assert_allclose(cloud.transpose().block(0, 6), expected.T, rtol=1e-14)
        f = rng.standard_normal(5)
        np.testing.assert_allclose(cloud.c_transform(f), (expected - f[:, None]).min(axis=0), rtol=1e-12)
        assert cloud.magnitude >= expected.max()

    def test_extreme_coordinates(self):
        for scale in (1e-180, 1e180):
            cloud = tp.PointCloud([[scale, 0.0]], [[0.0, scale]], "euclidean")
            assert cloud.block(0, 1)[0, 0] == pytest.approx(np.sqrt(2) * scale, rel=1e-15)
        with pytest.raises(ValueError, match="float64"):
            tp.PointCloud([[1e200, 0.0]], [[0.0, 1e200]])

    def test_refusals(self):
        with pytest.raises(ValueError, match="dimension"):
            tp.PointCloud(np.zeros((3, 2)), np.zeros((3, 4)))
        with pytest.raises(ValueError, match="cost"):
            tp.PointCloud(np.zeros((3, 2)), np.zeros((3, 2)), "haversine")
        with pytest.raises(ValueError, match="power"):
            tp.PointCloud(np.zeros((3, 2)), np.zeros((3, 2)), power=0)
        with pytest.raises(ValueError, match="inf"):
            tp.PointCloud([[np.inf, 0.0]], np.zeros((3, 2)))


def test_normalize_divides_each_side_by_its_sum():
    rng = np.random.default_rng(0)
    cost = rng.random((5, 7))
    a, b = rng.integers(1, 9, 5), rng.random(7).astype(np.float32) * 1e30
    with pytest.raises(ValueError, match="equal masses"):
        tp.solve(cost, a, b)
    sol = tp.solve(cost, a, b, normalize=True)
    u, v = a / a.sum(), b.astype(float) / b.astype(float).sum()
    assert sol.value == pytest.approx(tp.solve(cost, u, v).value, rel=1e-14)
    assert sol.plan.sum() == pytest.approx(1.0, rel=1e-15)
    assert a.dtype == np.int64
    tiny = tp.solve(cost, u * 1e-310, v, normalize=True)
    assert tiny.value == pytest.approx(sol.value, rel=1e-10)  # subnormal masses have few digits
    with pytest.raises(ValueError, match="total"):
        tp.solve(cost, np.zeros(5), v, normalize=True)


def test_a_solver_derives_from_solver():
    with pytest.raises(TypeError, match="derives from"):
        tp.solve(np.ones((2, 2)), solver="exact")


@pytest.mark.parametrize("n", [1, 2, 60, 5000])
@pytest.mark.parametrize("turned", [False, True])
def test_one_source_or_one_sink_has_one_plan(n, turned):
    """In rational arithmetic the product of the masses, b scaled to the total of a; no solve."""
    from fractions import Fraction

    rng = np.random.default_rng(n)
    c, many, one = 1 + rng.random((1, n)), rng.dirichlet(np.ones(n)), np.array([1.0])
    c, a, b = (np.ascontiguousarray(c.T), many, one) if turned else (c, one, many)
    sol = tp.solve(c, a, b)
    true = sum(Fraction(x) * Fraction(w) for x, w in zip(c.ravel().tolist(), many.tolist()))
    if not turned:  # b stands for its multiple with the total of a
        true /= sum(map(Fraction, many.tolist()))
    assert Fraction(sol.lower_bound) <= true <= Fraction(sol.upper_bound)
    assert sol.status is tp.Status.OPTIMAL
    assert sol.stats["path"][-1].what == "closed form"
    np.testing.assert_allclose(sol.plan.toarray().ravel(), many, rtol=1e-15)


@pytest.mark.parametrize(
    ("what", "shown"),
    [
        (tp.PointCloud([[0.0, 1]] * 3, [[1.0, 2]] * 2), "PointCloud(3 x 2, dim=2, 'euclidean', power=2)"),
        (tp.Grid((3, 4), "cityblock"), "Grid(12 x 12, shape=(3, 4), 'cityblock', power=1)"),
        (tp.FunctionCost([0.0], [1.0, 2], lambda u, v: abs(u[:, None] - v).sum(2)), "FunctionCost(1 x 2)"),
        (tp.Circle([0.1], [0.2, 0.3]), "Circle(1 x 2)"),
        (tp.Exact(), "Exact(method='auto', warm=None)"),
    ],
)
def test_representations_fit_a_line(what, shown):
    assert repr(what) == shown


def test_the_proof_in_fractions_shows_its_bounds():
    proof = tp.solve([[0.0, 2.0], [1.0, 0.0]], [0.75, 0.25], [0.5, 0.5]).certify(exact=True)
    assert repr(proof).startswith(
        "ExactCertificate(lower=Fraction(1, 2), upper=Fraction(1, 2), relative_error="
    )
