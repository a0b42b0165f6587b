"""Many small problems at once, against the linear program, exact fractions and `solve` itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles import transport_by_highs

import transport as tp


def problems(rng: np.random.Generator, count: int, *, zeros: float = 0.0, forbid: float = 0.0):
    """Ragged costs and masses; each problem on a scale of its own, some masses 0, some arcs forbidden."""
    costs, a, b = [], [], []
    for _ in range(count):
        n, m = rng.integers(1, 9, 2) if rng.random() < 0.8 else rng.integers(9, 40, 2)
        c = rng.integers(-3, 9, (n, m)) + rng.normal(size=(n, m)) * (rng.random() < 0.5)
        c[rng.random((n, m)) < forbid] = np.inf
        c[0], c[:, 0] = np.where(np.isinf(c[0]), 9.0, c[0]), np.where(np.isinf(c[:, 0]), 9.0, c[:, 0])
        u, v = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
        u[rng.random(n) < zeros], v[rng.random(m) < zeros] = 0.0, 0.0
        u, v = (w + (w.sum() == 0) for w in (u, v))
        costs.append(c)
        a.append(u / math.fsum(u))
        b.append(v / math.fsum(v))
    return costs, a, b


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.4]), st.sampled_from([0.0, 0.2]))
def test_right_certified_and_the_same_as_one_by_one(seed, zeros, forbid):
    costs, a, b = problems(np.random.default_rng(seed), 12, zeros=zeros, forbid=forbid)
    many = tp.solve_many(costs, a, b, throw=False)
    for k, (c, u, v) in enumerate(zip(costs, a, b)):
        if k in many.failures:
            with pytest.raises(type(many.failures[k])):
                tp.solve(c, u, v)
            continue
        true, _ = transport_by_highs(c, u, v)
        assert many.value[k] == pytest.approx(true, rel=1e-7, abs=1e-7)
        assert many.gap[k] <= 1e-9 * max(1.0, abs(true))
        one = many[k]
        proof = one.certify()
        assert proof.lower <= proof.upper
        assert many.lower_bound[k] <= proof.upper
        assert proof.lower <= many.upper_bound[k]
        f, g = one.potentials
        assert np.all(f[:, None] + g[None, :] <= c + 1e-12)
        plan = one.plan.toarray()
        assert np.abs(plan.sum(axis=1) - u).max() <= 1e-14
        assert np.abs(plan.sum(axis=0) - v).max() <= 1e-14
        assert one.value == many.value[k]


def test_neither_company_nor_threads_change_a_bit(monkeypatch):
    costs, a, b = problems(np.random.default_rng(1), 400, zeros=0.1)
    whole = tp.solve_many(costs, a, b)
    order = np.random.default_rng(2).permutation(400)
    moved = tp.solve_many([costs[k] for k in order], [a[k] for k in order], [b[k] for k in order])
    monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "1")
    alone = tp.solve_many(costs, a, b)
    for name in ("value", "lower_bound", "upper_bound", "n_iter"):
        assert np.array_equal(getattr(whole, name)[order], getattr(moved, name))
        assert np.array_equal(getattr(whole, name), getattr(alone, name))
    assert np.array_equal(whole[7].plan.toarray(), alone[7].plan.toarray())


def test_stacks_lists_and_shared_parts_agree():
    rng = np.random.default_rng(3)
    stack, a, b = rng.random((5, 6, 4)), rng.dirichlet(np.ones(6), 5), rng.dirichlet(np.ones(4), 5)
    values = [tp.solve(c, u, v).value for c, u, v in zip(stack, a, b)]
    assert np.array_equal(tp.solve_many(stack, a, b).value, values)
    assert np.array_equal(tp.solve_many(list(stack), list(a), list(b)).value, values)
    assert np.array_equal(tp.solve_many(stack.tolist(), a.tolist(), b.tolist()).value, values)
    assert np.array_equal(
        tp.solve_many(stack.transpose(0, 2, 1).copy().transpose(0, 2, 1), a, b).value, values
    )
    shared = tp.solve_many(stack[0], a, b[0])
    assert np.array_equal(shared.value, [tp.solve(stack[0], u, b[0]).value for u in a])
    assert np.array_equal(
        tp.solve_many(stack, a[0], None).value, tp.solve_many(list(stack), [a[0]] * 5).value
    )
    assert len(tp.solve_many([])) == 0
    assert len(tp.solve_many(stack[0])) == 1
    assert [one.value for one in tp.solve_many(stack, a, b)[1:3]] == values[1:3]
    before = stack.copy()
    tp.solve_many(stack, a, b)
    assert np.array_equal(stack, before)


def test_scaling_by_a_power_of_two_scales_the_values_exactly():
    costs, a, b = problems(np.random.default_rng(5), 30)
    plain = tp.solve_many(costs, a, b)
    for k in (2.0**-300, 2.0**300, 2.0**-1000):
        scaled = tp.solve_many([c * k for c in costs], a, b)
        assert np.array_equal(scaled.value, plain.value * k)


def test_unusual_problems_take_the_main_road():
    """Too large for the kernel; costs on a line; NaN without mass; equal measures; tall and wide."""
    rng = np.random.default_rng(4)
    x, y = np.sort(rng.random(150)), np.sort(rng.random(150))
    large, line, tall = rng.random((700, 400)), (x[:, None] - y) ** 2, rng.random((90, 7))
    same = np.abs(x[:20, None] - x[:20])
    many = tp.solve_many([large, line, tall, tall.T, same])
    for k, c in enumerate([large, line, tall, tall.T.copy(), same]):
        assert many.value[k] == tp.solve(c).value
        assert many[k].status is tp.Status.OPTIMAL
    assert many.value[4] == 0.0
    assert many.value[1] == pytest.approx(np.mean((x - y) ** 2), rel=1e-12)
    hole = np.zeros((3, 3))
    hole[1, 1] = np.nan
    with pytest.raises(ValueError, match=r"problem 1: cost\[1, 1\] is nan"):
        tp.solve_many([np.zeros((3, 3)), hole], [[0.5, 0.0, 0.5]] * 2)


def test_failures_name_the_problem_and_leave_the_rest():
    costs = np.zeros((3, 2, 2))
    costs[1, 0, 1] = np.nan
    many = tp.solve_many(costs, [[0.5, 0.5], [0.5, 0.5], [0.5, -0.5]], throw=False)
    assert list(many.failures) == [1, 2]
    assert "problem 1" in str(many.failures[1])
    assert "problem 2: a has a negative weight" in str(many.failures[2])
    assert (many.value[0], many.lower_bound[1], many.upper_bound[2]) == (0.0, -math.inf, math.inf)
    assert np.isnan(many.value[1:]).all()
    with pytest.raises(ValueError, match="problem 1"):
        many[1]
    forbidden = np.full((1, 2, 2), np.inf)
    with pytest.raises(tp.InfeasibleError, match="problem 0"):
        tp.solve_many(forbidden)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ((np.zeros(3),), ValueError, "costs has shape"),
        ((np.zeros((2, 0, 3)),), ValueError, "problem 0: cost is empty"),
        ((np.zeros((2, 3, 3)), np.ones((3, 3))), ValueError, "numbers of problems differ: costs 2, a 3"),
        ((np.zeros((2, 3, 3)), np.ones(2)), ValueError, "last axis must have 3"),
        (([np.zeros((2, 2)), np.zeros((3, 3))], [np.ones(2), np.ones(2)]), ValueError, "problem 1: a has 2"),
        (
            (np.zeros((1, 2, 2)), [[1.0, 1.0]], [[1.0, 2.0]]),
            ValueError,
            "problem 0: a sums to 2.0 and b to 3.0",
        ),
        ((np.ma.masked_array(np.zeros((1, 2, 2))),), TypeError, "masked"),
        ((np.zeros((1, 2, 2), complex),), TypeError, "complex"),
    ],
)
def test_refusals(arguments, error, words):
    with pytest.raises(error, match=words):
        tp.solve_many(*arguments)
