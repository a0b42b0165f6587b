"""Oracles: their one search against sorting, and what is made of it: pricing, shortlists, cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import transport as tp
from transport._kdtree import KdTree
from transport._kernels import search_matrix as k
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.pricing.oracle import cross, price
from transport._solver.pricing.points import Norm, PointsOracle
from transport._solver.pricing.sparse import SparseOracle
from transport._solver.pricing.strips import StripOracle
from transport._sparse import SparseMatrix
from transport._tiles import Tiles


def drained(slices):
    while True:
        try:
            next(slices)
        except StopIteration as stop:
            return stop.value


@st.composite
def matrices(draw):
    """(costs, f, g), all small integers, so that every difference is exact; +inf at random."""
    n, m = draw(st.integers(1, 90)), draw(st.integers(1, 90))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    c = rng.integers(0, draw(st.sampled_from([3, 50, 10**9])), (n, m)).astype(float)
    c[rng.random((n, m)) < draw(st.sampled_from([0.0, 0.5, 1.0]))] = np.inf
    return c, rng.integers(-3, 4, n).astype(float), rng.integers(-3, 4, m).astype(float)


def smallest(reduced, count):
    """The ``count`` smallest entries of each row, the leftmost of equals first."""
    order = np.argsort(reduced, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(reduced, order, axis=1)


@settings(max_examples=100, deadline=None)
@given(matrices(), st.integers(1, 12))
def test_the_search_of_a_matrix_is_what_sorting_gives(problem, count):
    c, f, g = problem
    n, m = c.shape
    cols, vals, counts, floor = (np.zeros((n, min(count, m)), np.int32), np.empty((n, min(count, m))),
                                 np.empty(n, np.int32), np.empty(n))  # fmt: skip
    free, middle = np.full(n, np.inf), n // 3
    k.search(c, 0, middle, free, g, cols, vals, counts, floor)
    k.search(c, middle, n, free, g, cols, vals, counts, floor)
    order, expected = smallest(c - g, count)
    assert np.array_equal(vals, expected)
    assert np.array_equal(counts, np.isfinite(expected).sum(axis=1))
    assert np.array_equal(cols[np.isfinite(vals)], order[np.isfinite(vals)])
    rows, vals = np.zeros((m, min(count, n)), np.int32), np.empty((m, min(count, n)))
    low = np.empty((-(-n // k.PANEL), m))
    k.panel_minima(c, f, 0, len(low), low)
    k.nearest_in_cols(c, f, low, 0, m // 2, rows, vals)
    k.nearest_in_cols(c, f, low, m // 2, m, rows, vals)
    order, expected = smallest((c - f[:, None]).T, count)
    assert np.array_equal(vals, expected)
    assert np.array_equal(rows[np.isfinite(vals)], order[np.isfinite(vals)])


def stored(c):
    rows, cols = np.nonzero(np.isfinite(c))
    indptr = np.concatenate([[0], np.cumsum(np.isfinite(c).sum(axis=1))])
    return SparseMatrix(indptr, cols.astype(np.int64), c[rows, cols], c.shape)


def oracles(c):
    """The same costs, held in every way that holds any costs."""
    n, m = c.shape
    yield MatrixOracle(c, has_forbidden=bool(np.isinf(c).any()), magnitude=1e9)
    yield SparseOracle(stored(c))
    at = np.arange(n)[:, None].astype(float), np.arange(m)[:, None].astype(float)
    cost = tp.FunctionCost(*at, lambda u, v: c[np.ix_(u[:, 0].astype(int), v[:, 0].astype(int))])
    cost.strip_entries = 3 * m  # strips of three rows
    yield StripOracle(cost, np.arange(n), np.arange(m))


def agrees(oracle, c, f, g, count):
    """The search with and without limits, pricing, shortlists and cuts against the dense matrix."""
    found = drained(oracle.nearest(g, count))
    _, expected = smallest(c - g, count)
    assert np.array_equal(found.counts, np.isfinite(expected).sum(axis=1))
    for i in range(len(c)):
        near = found.cols[i, : found.counts[i]]
        assert np.array_equal(found.vals[i, : len(near)], expected[i, : len(near)])
        assert np.array_equal(c[i, near] - g[near], expected[i, : len(near)])
        floor = min(found.floor[i], found.vals[i, -1]) if len(near) == count else found.floor[i]
        assert np.delete(c[i] - g, near).min(initial=np.inf) >= floor
    rows, cols, costs = drained(price(oracle, f, g))
    with np.errstate(invalid="ignore"):
        reduced = np.where(np.isinf(f)[:, None] | np.isinf(g), np.inf, (c - g) - f[:, None])
    _, expected = smallest(reduced, oracle.per_row)
    assert np.array_equal(np.bincount(rows, minlength=len(c)), np.sum(expected < 0, axis=1))
    assert np.array_equal(costs, c[rows, cols])
    for i in range(len(c)):
        assert np.array_equal(reduced[i, cols[rows == i]], expected[i][expected[i] < 0])
    by_row, by_col = drained(oracle.both_ways(np.where(np.isinf(g), 0.0, g)))
    low = (c - np.where(np.isinf(g), 0.0, g)).min(axis=1)
    assert np.array_equal(by_row.least, np.where(low < np.inf, low, 0.0))
    _, expected = smallest((c - by_row.least[:, None]).T, oracle.shortlist)
    assert np.array_equal(by_col.counts, np.isfinite(expected).sum(axis=1))
    assert np.array_equal(by_col.vals[:, 0][by_col.counts > 0], expected[:, 0][by_col.counts > 0])
    some = np.arange(len(c)) % 2 == 0, np.arange(c.shape[1]) % 3 == 0
    u, v = (np.where(np.isinf(x), 0.0, x) for x in (f, g))
    for limit in (np.inf, 2.5):
        i, j = drained(cross(oracle, *some, u, v, limit))
        allowed = np.isfinite(c) & ((c - u[:, None]) - v <= limit) & some[0][:, None] & some[1]
        assert allowed[i, j].all()
        assert bool(len(i)) == bool(allowed.any())


@settings(max_examples=60, deadline=None)
@given(matrices(), st.integers(1, 8), st.booleans())
def test_every_way_to_hold_costs_finds_the_same(problem, count, partial):
    c, f, g = problem
    if partial:  # rows and columns left out
        f[::3], g[::2] = -np.inf, -np.inf
    for oracle in oracles(c):
        agrees(oracle, c, f, g, count)


@pytest.mark.parametrize(
    ("kind", "metric", "power"), [(KdTree.build, 0, 2.0), (KdTree.build, 1, 1.0), (Tiles, 0, 2.0)]
)
@pytest.mark.parametrize("seed", range(3))
def test_points_find_what_their_matrix_finds(kind, metric, power, seed):
    rng = np.random.default_rng(seed)
    x, y = (kind(rng.integers(0, 9, (n, 3)).astype(float)) for n in (60, 75))
    oracle = PointsOracle(x, y, Norm(metric, power), 300.0)
    gap = x.points[:, None] - y.points
    c = (gap**2).sum(axis=2) if metric == 0 else np.abs(gap).sum(axis=2)
    f, g = rng.integers(0, 9, 60).astype(float), rng.integers(-9, 1, 75).astype(float)
    agrees(oracle, c, f, g, 5)
    f[::3], g[::2] = -np.inf, -np.inf
    rows, cols, _ = drained(price(oracle, f, g))
    assert not np.isin(rows, np.arange(0, 60, 3)).any()
    assert not np.isin(cols, np.arange(0, 75, 2)).any()


def test_rounding_alone_violates_nothing():
    """Potentials that are tight but for their last digits are dual feasible, by any oracle."""
    rng = np.random.default_rng(4)
    f, g = 1e6 * rng.standard_normal(80), 1e6 * rng.standard_normal(70)
    c = f[:, None] + g + np.where(rng.random((80, 70)) < 0.5, 0.0, rng.random((80, 70)))
    for oracle in oracles(c):
        assert not len(drained(price(oracle, f * (1 + 2.0**-52), g))[0])
        assert len(drained(price(oracle, f + 1e-6, g))[0])
