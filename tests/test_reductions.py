"""Reductions: each is undone by its lift, alone and one after the other."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from scipy import optimize, sparse

import transport as tp
from transport._cost import Matrix
from transport._problem import Coupling, Problem
from transport._solver.reductions import (
    Reduction,
    distinct,
    in_integers,
    in_unit,
    transposed,
    without_massless,
    without_shared,
)
from transport._solver.tuning import Tuning
from transport._sparse import SparseMatrix

ALWAYS = Tuning(
    duplicates_points=0, duplicates_pairs=-1, duplicates_distinct=2.0, shared_pairs=-1, shared_kept=2.0
)


def merged(problem):
    return distinct(problem, ALWAYS) or Reduction(problem, problem, lambda answer: answer)


def in_place(problem):
    return without_shared(problem, ALWAYS) or Reduction(problem, problem, lambda answer: answer)


REDUCTIONS = {
    "in place": in_place,
    "without massless": without_massless,
    "in unit": in_unit,
    "in integers": in_integers,
    "transposed": transposed,
    "distinct": merged,
}


def problems():
    rng = np.random.default_rng(3)
    a, b = rng.dirichlet(np.ones(6)), rng.dirichlet(np.ones(5))
    a[2] = b[3] = 0.0
    a, b = a / a.sum(), b / b.sum()
    c = rng.random((6, 5))
    few = c.copy()
    few[1, 1] = few[4, 2] = few[5, 0] = 0.0  # not stored
    x, y = np.round(2 * rng.random((6, 2))), np.round(2 * rng.random((5, 2)))
    return {
        "matrix": Problem(Matrix(c), a, b),
        "tiny matrix": Problem(Matrix(np.ldexp(c, -700)), a, b),
        "huge arcs": Problem(SparseMatrix.from_scipy(sparse.csr_array(few * 2.0**600)), a, b),
        "points": Problem(tp.PointCloud(x, y), a, b),
        "one cloud": Problem(tp.PointCloud(x, x, "euclidean"), a, np.roll(a, 1)),
        "function": Problem(tp.FunctionCost(x, y, lambda u, v: abs(u[:, None] - v).sum(2)), a, b),
    }


def optimum(problem):
    """By the solver, through the public door and with float masses: what each reduction has to reproduce."""
    cost = problem.cost.block(0, problem.shape[0])
    return tp.solve(cost, problem.a.astype(float), problem.b.astype(float))


def checked(reduction, name):
    """The lifted optimum of the smaller problem is one of the problem before."""
    before, problem = reduction.before, reduction.problem
    if "integers" in name:
        assert problem.a.sum() == problem.b.sum()
    small = optimum(problem)
    answer = reduction.lift(
        Coupling(small.arcs.rows, small.arcs.cols, small.arcs.mass, *map(np.array, small.duals))
    )
    ref = optimum(before)
    rows, cols, mass, f, g = answer
    assert math.fsum(mass * before.cost.entries(rows, cols)) == pytest.approx(ref.value, rel=1e-12)
    for index, wanted in ((rows, before.a), (cols, before.b)):
        np.testing.assert_allclose(np.bincount(index, mass, len(wanted)), wanted, atol=1e-14)
    assert (f.shape, g.shape) == (before.a.shape, before.b.shape)
    assert math.fsum(before.a * f) + math.fsum(before.b * g) == pytest.approx(ref.value, rel=1e-12)
    assert len(mass) < sum(before.shape)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("kind", problems())
def test_each_alone(kind, name):
    problem = problems()[kind]
    if name == "in integers":  # of positive masses
        problem = without_massless(problem).problem
    checked(REDUCTIONS[name](problem), name)


@pytest.mark.parametrize("kind", problems())
@pytest.mark.parametrize("order", list(permutations(["in unit", "in integers", "transposed"])))
def test_all_together_in_any_order(kind, order):
    reduction = merged(problems()[kind]).then(without_massless)
    for name in order:
        reduction = reduction.then(REDUCTIONS[name])
    checked(reduction, " ".join(order))


def test_what_is_left():
    found = problems()
    assert without_massless(found["matrix"]).problem.shape == (5, 4)
    assert merged(found["points"]).problem.shape < (6, 5)
    assert 0.5 <= in_unit(found["tiny matrix"]).problem.cost.magnitude < 2
    assert 0.5 <= in_unit(found["huge arcs"]).problem.cost.magnitude < 2
    assert in_unit(found["matrix"]).problem.cost is found["matrix"].cost
    assert transposed(found["matrix"]).problem.shape == (5, 6)
    one = found["one cloud"]
    over = np.count_nonzero(one.a > one.b), np.count_nonzero(one.b > one.a)
    assert in_place(one).problem.shape == over
    assert sum(over) < 12


@pytest.mark.parametrize("metric", ["euclidean", "cityblock", "chebyshev"])
@pytest.mark.parametrize("power", [1.0, 0.4])
def test_mass_that_both_sides_share_stays(metric, power):
    """Against HiGHS on the whole matrix; a third of the atoms carries mass on one side only."""
    rng = np.random.default_rng(17)
    x = rng.integers(0, 6, (40, 2)).astype(float)
    a, b = rng.dirichlet(np.ones(40)), rng.dirichlet(np.ones(40))
    a[:7] = b[20:27] = 0.0
    a, b = a / a.sum(), b / b.sum()
    cost = tp.PointCloud(x, x.copy(), metric, power=power)
    values = cost.block(0, 40)
    sol = tp.solve(cost, a, b, solver=tp.Exact(tuning=ALWAYS))
    assert sol.stats["path"][0].what == "mass in place"
    rows = np.kron(np.eye(40), np.ones(40)), np.kron(np.ones(40), np.eye(40))
    lp = optimize.linprog(values.ravel(), A_eq=np.vstack(rows), b_eq=np.concatenate([a, b]), method="highs")
    assert sol.value == pytest.approx(lp.fun, rel=1e-9)
    assert sol.lower_bound == pytest.approx(sol.value, rel=1e-12)
    f, g = sol.potentials
    assert np.all(f + g <= 1e-14)  # one function of the place, there and back
    stays = sol.plan.toarray().diagonal()
    np.testing.assert_allclose(stays, np.minimum(a, b), rtol=0, atol=1e-15)


def test_where_shared_mass_may_have_to_move():
    """Squared distances, another cloud, or so little to move that the rounding of a - b would show."""
    rng = np.random.default_rng(5)
    x, a, b = rng.random((30, 2)), rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(30))
    assert without_shared(Problem(tp.PointCloud(x, x), a, b), ALWAYS) is None
    assert without_shared(Problem(tp.PointCloud(x, x + 1e-9, "euclidean"), a, b), ALWAYS) is None
    assert without_shared(Problem(tp.PointCloud(x, x, "euclidean"), a, a), ALWAYS) is None
    near = a.copy()
    near[0] += 1e-9
    assert without_shared(Problem(tp.PointCloud(x, x, "euclidean"), a, near / near.sum()), ALWAYS) is None
    squared = tp.solve(
        tp.PointCloud([[0.0], [1.0], [2.0]], [[0.0], [1.0], [2.0]]), [0.5, 0.5, 0], [0, 0.5, 0.5]
    )
    assert squared.value == 1.0  # both step by one; 2.0 if the middle stayed
