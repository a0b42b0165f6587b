"""Fuzzing the certificate: every interval must hold the optimum of the stored floats, known as a fraction.

Shapes, masses (30 decades, zeros, ties), costs (24 decades, ties, forbidden arcs, extreme units), methods,
warm starts, limits. The bounded form runs with the tests, the long one with `make deep`.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from oracles import transport_in_fractions
from scipy.sparse import coo_array

import transport as tp

A = np.array


def masses(rng, n, m):
    """Two mass vectors of equal totals to rounding."""

    def one(k, kind):
        if kind == 0:
            w = np.full(k, 1.0 / k)
        elif kind == 1:
            w = rng.random(k)
        elif kind == 2:
            w = 10.0 ** rng.uniform(-30, 0, k)
        elif kind == 3:
            w = 2.0 ** rng.integers(-90, 1, k)
        elif kind == 4:
            w = rng.integers(0, 4, k).astype(float)
        elif kind == 5:
            w = rng.random(k) * (rng.random(k) < 0.6)
        else:
            w = 10.0 ** rng.uniform(-13, -10, k)
            w[rng.integers(k)] = 1.0
        if not w.any():
            w[rng.integers(k)] = 1.0
        return w

    a, b = one(n, rng.integers(7)), one(m, rng.integers(7))
    unit = rng.choice([1.0, 1.0, 1.0, 1e-30, 1e30, 2.0**700, 2.0**-700])
    a = a * unit
    for _ in range(4):
        b = b * (math.fsum(a) / math.fsum(b))
    return a, b


def costs(rng, n, m):
    """A cost matrix."""
    kind = rng.integers(9)
    if kind == 0:
        c = rng.random((n, m))
    elif kind == 1:
        c = rng.integers(0, 4, (n, m)).astype(float)
    elif kind == 2:
        c = 10.0 ** rng.uniform(-12, 12, (n, m))
    elif kind == 3:
        c = rng.standard_normal((n, 1)) * rng.standard_normal((1, m))
    elif kind == 4:
        c = rng.random((n, m)) + np.where(rng.random((n, m)) < 0.3, 1e16, 0.0)
    elif kind == 5:
        c = np.abs(rng.random((n, 1)) - rng.random((1, m))) ** rng.choice([1, 2])
    elif kind == 6:
        c = 10.0 ** rng.uniform(0, 9, (n, 1)) + rng.random((n, m))
    elif kind == 7:
        c = rng.standard_normal((n, m)) * 1e-9 + rng.integers(0, 2, (n, m))
    else:
        c = np.zeros((n, m))
    if rng.random() < 0.25:
        c = np.where(rng.random((n, m)) < 0.4, np.inf, c)
    if rng.random() < 0.15:
        c = c * rng.choice([2.0**600, 2.0**-600, 1e100, 1e-100])
    return c


def problem(rng):
    """(cost for solve, the same as numbers, a, b, methods)."""
    n, m = rng.integers(1, 7, 2)
    a, b = masses(rng, n, m)
    kind = rng.integers(8)
    if kind == 0:
        unit = 10.0 ** rng.integers(-8, 9)
        x, y = rng.integers(-9, 9, (2, 6)) * unit
        x, y = x[:n] + rng.choice([0, 1e-7]) * unit, y[:m]
        power = int(rng.integers(1, 3))
        exact = [[abs(Fraction(u) - Fraction(v)) ** power for v in y] for u in x]
        methods = ["auto", "line", "matrix", "points"]
        return tp.PointCloud(x, y, "euclidean", power=power), exact, a, b, methods
    if kind == 1:
        x, y = rng.random((n, 2)), rng.random((m, 2))
        x[rng.random(n) < 0.2] *= 1e9
        exact = [[sum(abs(Fraction(s) - Fraction(t)) for s, t in zip(u, v)) for v in y] for u in x]
        return tp.PointCloud(x, y, "cityblock"), exact, a, b, ["auto", "matrix", "points", "blocks"]
    if kind == 2:
        x, y = rng.integers(-32, 33, n) / 64, rng.integers(-32, 33, m) / 64
        exact = [
            [min(abs(Fraction(u) - Fraction(v)), 1 - abs(Fraction(u) - Fraction(v))) for v in y] for u in x
        ]
        return tp.Circle(x, y), exact, a, b, ["auto", "circle", "matrix", "blocks"]
    c = costs(rng, n, m)
    if kind == 3 and np.isfinite(c).any():
        i, j = np.nonzero(np.isfinite(c))
        return coo_array((c[i, j], (i, j)), shape=c.shape), c, a, b, ["auto", "sparse", "matrix"]
    return c, c, a, b, ["auto", "matrix", "blocks"]


def holds(sol, truth, why):
    """The interval holds the truth, the value lies in it, the status is what the interval says."""
    assert sol.lower_bound <= sol.upper_bound, why
    assert math.isfinite(sol.lower_bound), why
    assert Fraction(sol.lower_bound) <= truth, (why, float(truth), sol)
    if sol.upper_bound < math.inf:
        assert truth <= Fraction(sol.upper_bound), (why, float(truth), sol)
        room = 1e-12 * abs(sol.value) + 1e-300
        assert sol.lower_bound - room <= sol.value <= sol.upper_bound + room, (why, sol)
    else:
        assert sol.status is not tp.Status.OPTIMAL, (why, sol)


def attempt(seed):
    """One problem, solved in several ways; the names of what was not solved."""
    rng = np.random.default_rng(seed)
    cost, exact, a, b, methods = problem(rng)
    truth = transport_in_fractions(exact, a, b)
    unsolved = []
    options = [
        {"solver": tp.Exact(str(rng.choice(methods)))},
        {},
        {"max_iter": int(rng.integers(1, 6)), "solver": tp.Exact(str(rng.choice(methods)))},
        {"callback": lambda progress: True},
        {"time_limit": 1e-9},
    ]
    for k, option in enumerate(options):
        why = f"seed {seed}, option {k} {option}"
        if "callback" in option or "time_limit" in option or "max_iter" in option:
            option["throw"] = False
        try:
            sol = tp.solve(cost, a, b, **option)
        except tp.InfeasibleError:
            assert truth is None, why
            continue
        except OverflowError:
            assert abs(truth or 0) > 1e290, why
            continue
        except tp.ConvergenceError as error:
            unsolved.append(why)
            sol = error.solution
        if truth is None:  # to rounding it is feasible, or it was not looked at
            continue
        holds(sol, truth, why)
        if k == 1 and sol.status is tp.Status.OPTIMAL:
            again = np.where(rng.random(len(a)) < 0.5, a, a * rng.random(len(a)))
            other = tp.solve(cost, a, b * 1.0, warm=sol)
            holds(other, truth, why + " warm")
            if again.sum() > 0:
                _warm(cost, exact, again, b * (math.fsum(again) / math.fsum(b)), sol, why)
    return unsolved


def _warm(cost, exact, a, b, start, why):
    truth = transport_in_fractions(exact, a, b)
    try:
        sol = tp.solve(cost, a, b, warm=start)
    except tp.InfeasibleError:
        assert truth is None, why
        return
    if truth is not None:
        holds(sol, truth, why + " warm, other masses")


@pytest.mark.parametrize("block", range(12))
def test_every_interval_holds_the_optimum(block):
    unsolved = [name for seed in range(20) for name in attempt(1000 * block + seed)]
    assert not unsolved


@pytest.mark.deep
@pytest.mark.parametrize("block", range(60))
def test_every_interval_holds_the_optimum_long(block):
    unsolved = [name for seed in range(100) for name in attempt(10**6 + 1000 * block + seed)]
    assert not unsolved
