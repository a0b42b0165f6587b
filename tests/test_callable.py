"""Costs given as a function of two blocks: against the stored matrix, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

import transport as tp


def squared(u, v):
    return ((u[:, None, :] - v[None, :, :]) ** 2).sum(axis=2)


def uneven(u, v):
    """Neither symmetric nor a metric, and negative here and there."""
    return np.sin(7 * u[:, None, 0] + 3 * v[None, :, 1]) - (u[:, None, 1] > v[None, :, 0])


def through_blas(u, v):
    """Rounded differently in every block."""
    return (u**2).sum(1)[:, None] + (v**2).sum(1) - 2 * u @ v.T


def walled(u, v):
    """Forbidden to the left."""
    c = squared(u, v)
    c[v[None, :, 0] < u[:, None, 0] - 0.4] = np.inf
    return c


def narrow(cost):
    """Strips of a few rows, so that small problems have many."""
    cost.strip_entries = 1000
    return cost


def problem(seed, n, m):
    rng = np.random.default_rng(seed)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    a[rng.random(n) < 0.1] = 0
    a[0] += 1 - a.sum()
    return rng.random((n, 2)), rng.random((m, 2)), a, b


@pytest.mark.parametrize("thread_safe", [False, True])
@pytest.mark.parametrize(
    ("function", "n", "m"),
    [(f, *size) for f in (squared, uneven, through_blas) for size in [(90, 130), (200, 40), (1, 7), (7, 1)]]
    + [(walled, 90, 130), (walled, 200, 40)],
)
def test_agrees_with_the_stored_matrix(function, thread_safe, n, m):
    x, y, a, b = problem(n, n, m)
    sol = tp.solve(
        narrow(tp.PointCloud(x, y, function, thread_safe=thread_safe)), a, b, solver=tp.Exact("blocks")
    )
    ref = tp.solve(function(x, y), a, b)
    assert sol.stats["method"] == "blocks"
    assert sol.value == pytest.approx(ref.value, rel=1e-12, abs=1e-15)
    assert sol.lower_bound <= ref.value + 1e-15
    assert ref.value - 1e-15 <= sol.upper_bound
    assert sol.gap <= 1e-12
    assert sol.plan.nnz <= n + m - 1


def test_threads_change_no_bit():
    x, y, a, b = problem(0, 150, 160)
    one, two = (
        tp.solve(narrow(tp.PointCloud(x, y, squared, thread_safe=safe)), a, b, solver=tp.Exact("blocks"))
        for safe in (False, True)
    )
    assert np.array_equal(one.plan.toarray(), two.plan.toarray())
    assert np.array_equal(one.potentials.g, two.potentials.g)


def test_the_matrix_is_never_formed_and_passes_are_few():
    x, y, a, b = problem(1, 700, 800)
    sizes = []

    def counted(u, v):
        sizes.append(len(u) * len(v))
        return squared(u, v)

    sol = tp.solve(tp.PointCloud(x, y, counted), a, b)
    assert sol.stats["method"] == "blocks"
    assert "never stored" in sol.stats["reason"]
    assert max(sizes) <= 1 << 18
    assert sum(sizes) < 13 * 700 * 800
    assert sol.value == pytest.approx(tp.solve(tp.PointCloud(x, y), a, b).value, rel=1e-12)


@pytest.mark.parametrize("k", [-900, -300, 300, 900])
def test_scaling_by_powers_of_two_scales_the_answer_exactly(k):
    x, y, a, b = problem(2, 80, 90)
    solver = tp.Exact("blocks")
    one = tp.solve(narrow(tp.PointCloud(x, y, squared)), a, b, solver=solver)
    two = tp.solve(narrow(tp.PointCloud(x, y, lambda u, v: np.ldexp(squared(u, v), k))), a, b, solver=solver)
    assert two.value == math.ldexp(one.value, k)
    assert np.array_equal(one.plan.toarray(), two.plan.toarray())


def test_stranded_mass_comes_with_the_cut():
    x, y, a, b = problem(3, 60, 50)
    b = np.where(y[:, 0] > 0.8, 0.0, b)
    b /= b.sum()
    y[:, 0] -= 0.35
    cost = narrow(tp.PointCloud(x, y, walled))
    with pytest.raises(tp.InfeasibleError) as caught:
        tp.solve(cost, a, b, solver=tp.Exact("blocks"))
    rows, cols = caught.value.rows, caught.value.cols
    others = np.setdiff1d(np.flatnonzero(b), cols)
    assert a[rows].sum() > b[cols].sum()
    assert np.isinf(walled(x, y)[np.ix_(rows, others)]).all()


def test_warm_start_and_rational_proof():
    x, y, a, b = problem(4, 40, 50)
    cost = narrow(tp.PointCloud(x, y, uneven))
    sol = tp.solve(cost, a, b, solver=tp.Exact("blocks"))
    again = tp.solve(cost, a, b, warm=sol, solver=tp.Exact("blocks"))
    assert again.value == sol.value
    assert again.n_iter <= sol.n_iter / 4
    proof = sol.certify(exact=True)
    assert proof.gap <= 1e-14 * abs(proof.lower)
    assert float(proof.lower) == pytest.approx(sol.value, rel=1e-13)


def test_any_cost_may_be_priced_in_blocks():
    x, y, a, b = problem(5, 120, 130)
    for cost in (tp.PointCloud(x, y, "euclidean"), squared(x, y)):
        assert tp.solve(cost, a, b, solver=tp.Exact("blocks")).value == pytest.approx(
            tp.solve(cost, a, b).value, rel=1e-12
        )


def test_points_reach_the_function_as_they_are():
    """No scaling of extreme coordinates, and read-only."""
    seen = []

    def function(u, v):
        seen.append((u.flags.writeable, v.flags.writeable, u.dtype, float(u.max())))
        return np.zeros((len(u), len(v)))

    x = np.array([[1e300], [0.0]])
    assert tp.solve(tp.PointCloud(x, [[1]], function)).value == 0
    assert set(seen) <= {(False, False, np.dtype(float), 1e300), (False, False, np.dtype(float), 0.0)}
    assert x.flags.writeable


def test_list_and_integer_answers_are_fine_and_the_transpose_is_the_transpose():
    x, y, _, _ = problem(6, 5, 4)
    cost = tp.PointCloud(x, y, lambda u, v: np.rint(9 * squared(u, v)).astype(int).tolist())
    assert np.array_equal(cost.block(0, 5), np.rint(9 * squared(x, y)))
    cost = tp.PointCloud(x, y, uneven)
    assert np.array_equal(cost.transpose().block(0, 4), uneven(x, y).T)
    assert cost.magnitude == np.abs(uneven(x, y)).max()
    assert isinstance(cost, tp.FunctionCost)


NOISE = np.random.default_rng(0)


def noisy(u, v):
    return NOISE.random((len(u), len(v)))


def normalised(u, v):
    c = squared(u, v)
    return c / c.max()


def bad_far_away(u, v):
    """Fine on the sample that the constructor looks at; row 14 is not in it."""
    c = squared(u, v)
    c[(u[:, 0] == 14.0)] = np.nan
    return c


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        (lambda u, v: np.zeros(len(u)), ValueError, ["shape"]),
        (lambda u, v: np.zeros((len(v), len(u))), ValueError, ["shape", "lambda"]),
        (lambda u, v: 1.0, ValueError, ["shape"]),
        (lambda u, v: None, TypeError, ["real numbers"]),
        (lambda u, v: squared(u, v) * 1j, TypeError, ["complex"]),
        (lambda u, v: np.ma.array(squared(u, v), mask=True), TypeError, ["masked"]),
        (lambda u, v: -squared(u, v) / 0.0, ValueError, ["-inf", "lambda"]),
        (noisy, ValueError, ["noisy", "two points only"]),
        (normalised, ValueError, ["normalised", "two points only"]),
    ],
)
def test_refused_at_once(function, error, words):
    x, y, _, _ = problem(7, 30, 40)
    with np.errstate(all="ignore"), pytest.raises(error) as caught:
        tp.PointCloud(x, y, function)
    for word in words:
        assert word in str(caught.value)


def test_refused_with_the_function_and_the_block_named():
    x, y = np.arange(40.0)[:, None] * [1, 0], np.zeros((50, 2))
    cost = tp.PointCloud(x, y, bad_far_away)
    with pytest.raises(
        ValueError, match=r"bad_far_away on x\[0:40\] and all of y gave nan for x\[14\], y\[0\]"
    ):
        tp.solve(cost)

    def broken(u, v):
        if 14.0 in u:
            raise RuntimeError("no luck")
        return squared(u, v)

    with pytest.raises(RuntimeError, match="no luck") as caught:
        tp.solve(tp.PointCloud(x, y, broken))
    assert any("broken on x[0:40]" in note for note in caught.value.__notes__)

    def mutating(u, v):
        u += 1
        return squared(u, v)

    with pytest.raises(ValueError, match="read-only"):
        tp.PointCloud(x, y, mutating)


@pytest.mark.parametrize(
    ("arguments", "options", "error"),
    [
        (([], [[0.0]]), {}, ValueError),
        (([[math.nan]], [[0.0]]), {}, ValueError),
        (([[0.0, 1.0]], [[0.0]]), {}, ValueError),
        (([[0.0]], [[0.0]]), {"power": 2.0}, TypeError),
    ],
)
def test_bad_points_are_refused(arguments, options, error):
    with pytest.raises(error):
        tp.PointCloud(*arguments, squared, **options)


def test_not_a_function():
    with pytest.raises(TypeError, match="callable"):
        tp.FunctionCost([[0.0]], [[0.0]], "euclid")
    with pytest.raises(ValueError, match="cost = 'euclid'"):
        tp.PointCloud([[0.0]], [[0.0]], "euclid")
