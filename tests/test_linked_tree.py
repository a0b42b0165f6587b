"""The tree for many nodes: pieces, the Euler tour with current potentials, and the optimum they lead to."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

import transport as tp
from transport._kernels import simplex_pieces, simplex_tour
from transport._solver.linked_tree import LinkedTree, tour_memory
from transport._solver.trees import Pool, ThreadTree, Work
from transport._solver.tuning import TUNING
from transport.internal import run_chunks

N, M = 300, 260


def instance(seed, ties=False):
    """(masses, pool over all pairs, a feasible forest): integers, so that costs add up exactly."""
    rng = np.random.default_rng(seed)
    a, b = rng.integers(1, 4 if ties else 10**6, N), rng.integers(1, 4 if ties else 10**6, M)
    b[0] += max(0, a.sum() - b.sum())
    a[0] += b.sum() - a.sum()
    x, y = rng.integers(0, 40 if ties else 10**4, (2, N, 2))
    cost = np.abs(x[:, None] - y[:M]).sum(axis=2).astype(float)
    rows, cols, flows = [], [], []
    left_a, left_b, i, j = a.copy(), b.copy(), 0, 0
    while i < N and j < M:  # the north-west corner
        f = min(left_a[i], left_b[j])
        rows.append(i), cols.append(j), flows.append(f)
        left_a[i] -= f
        left_b[j] -= f
        i, j = i + (left_a[i] == 0), j + (left_b[j] == 0)
    forest = np.array(rows), np.array(cols), np.array(flows)
    pool = Pool(np.arange(N + 1) * M, np.tile(np.arange(M, dtype=np.uint32), N), cost.ravel())
    return (a, b), pool, forest


def planted(kind, seed, ties=False):
    masses, pool, forest = instance(seed, ties)
    return kind(masses, forest, pool.cost.reshape(N, M)[forest[:2]]), pool, masses


def value(tree, pool):
    """Cost of the flow on the tree, after checking that it ships everything and that no arc is violated."""
    parent, flow, h = tree.parents, tree.flows, tree.heights
    cost = pool.cost.reshape(N, M)
    v = np.flatnonzero(parent[:-1] < N + M)
    i, j = np.minimum(v, parent[v]), np.maximum(v, parent[v]) - N
    assert (cost + h[:N, None] - h[None, N:-1]).min() >= -1e-9
    assert np.abs(cost[i, j] + h[i] - h[N + j]).max() <= 1e-9
    sent = np.zeros((N, M), np.int64)
    sent[i, j] = flow[v]
    assert sent.min() >= 0
    return sent, int((sent * cost.astype(np.int64)).sum())


def run(tree, pool, budget=10**9, tuning=TUNING):
    work = Work(budget=budget, tuning=tuning)
    for _ in tree.optimise(pool, work):
        pass
    return work


@pytest.fixture(params=["small at once", "pieces", "pieces with tours", "whole"])
def regime(request):
    """Every way through the tree at 560 nodes."""
    if request.param == "small at once":
        return TUNING
    return replace(
        TUNING,
        pieces_nodes=0,
        piece_nodes=8 if "pieces" in request.param else 10**9,
        toured_nodes=0 if "tours" in request.param else 10**9,
        scan_nodes=64,
        piece_tries=20,
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_optimum_of_the_threaded_tree(seed, ties, regime):
    reference, pool, masses = planted(ThreadTree, seed, ties)
    run(reference, pool)
    tree, pool, masses = planted(LinkedTree, seed, ties)
    work = run(tree, pool, tuning=regime)
    sent, total = value(tree, pool)
    assert total == value(reference, pool)[1]
    np.testing.assert_array_equal(sent.sum(axis=1), masses[0])
    np.testing.assert_array_equal(sent.sum(axis=0), masses[1])
    assert work.pivots > 100


def test_threads_change_no_bit(regime, monkeypatch):
    found = []
    for threads in ("1", "2", "5"):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", threads)
        tree, pool, _ = planted(LinkedTree, 7)
        run(tree, pool, tuning=regime)
        found.append((tree.parents, tree.flows, tree.heights))
    for other in found[1:]:
        for x, y in zip(found[0], other):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("budget", [1, 17, 200, 900])
def test_never_more_pivots_than_the_budget_and_a_flow_at_any_time(budget, regime):
    tree, pool, masses = planted(LinkedTree, 3)
    work = Work(budget=budget, tuning=regime)
    for _ in tree.optimise(pool, work):
        assert work.pivots <= budget
        parent = tree.parents
        v = np.flatnonzero(parent[:-1] < N + M)
        i, j = np.minimum(v, parent[v]), np.maximum(v, parent[v]) - N
        sent = np.zeros((N, M), np.int64)
        sent[i, j] = tree.flows[v]
        np.testing.assert_array_equal(sent.sum(axis=1), masses[0])
        np.testing.assert_array_equal(sent.sum(axis=0), masses[1])
        if work.budget <= 0:
            break


@pytest.mark.parametrize("target", [2, 7, 60, 10**6])
def test_pieces_are_subtrees_in_preorder_and_the_tree_stays_as_it_is(target):
    tree, pool, _ = planted(LinkedTree, 1)
    run(tree, pool, budget=150)
    before = tree.parents, tree.flows, tree.heights
    start = simplex_pieces.cut(tree._tree, tree._slot, target)
    for x, y in zip(before, (tree.parents, tree.flows, tree.heights)):
        np.testing.assert_array_equal(x, y)
    parent = tree._tree[1].astype(int)
    root = len(parent) - 1
    assert start[0] == 0
    assert start[-1] == root
    for t, (first, last) in enumerate(pairwise(start)):
        assert t == 0 or last - first >= target
        for v in range(first + (t > 0), last):
            assert first <= parent[v] < v or (t == 0 and parent[v] == root)
        if t:
            assert not first <= parent[first] < last


def potentials(tree):
    """By climbing from every slot; the root is at 0."""
    src, parent, *_, pcost, _ = tree
    h = np.zeros(len(parent))
    known = np.zeros(len(parent), bool)
    known[-1] = True
    for v in range(len(parent) - 1):
        path = []
        while not known[v]:
            path.append(v)
            v = int(parent[v])
        for u in path[::-1]:
            h[u] = h[parent[u]] + (-pcost[u] if src[u] else pcost[u])
            known[u] = True
    return h


def test_the_tour_follows_every_pivot(monkeypatch):
    """Potentials and the tour itself, after each call: sums of integers, so to the bit."""
    tuning = replace(TUNING, pieces_nodes=0, piece_nodes=10**9, first_slice=3, slice_seconds=0.0)
    inner = simplex_tour.attempt_current
    renewed = []
    monkeypatch.setattr(simplex_tour, "renew", lambda *a, f=simplex_tour.renew: renewed.append(f(*a)))
    looks = []

    def checked(arcs, basis, root, mark, epoch, buffers, out, pi, places, runs, *rest):
        answer = inner(arcs, basis, root, mark, epoch, buffers, out, pi, places, runs, *rest)
        offset, first, state = rest
        now = np.empty(len(pi))
        simplex_tour.heights(pi, places[2], 0, len(pi), runs, offset, first, state, now)
        np.testing.assert_array_equal(now, potentials((basis[0], basis[1], basis[3], None)))
        path, seen, r = [], np.zeros(len(pi), int), 0
        while runs[r, simplex_tour.RUN_START] < len(places[0]):
            for x in places[0][runs[r, simplex_tour.RUN_START] : runs[r, simplex_tour.RUN_STOP]]:
                v, kind = divmod(int(x), 4)
                if kind == simplex_tour.ENTER:
                    assert basis[1][v] == (path[-1] if path else root)
                    path.append(v)
                elif kind == simplex_tour.LEAVE:
                    assert path.pop() == v
                else:
                    assert (path[-1] if path else root) == v
                seen[v] += 1
            r = runs[r, simplex_tour.NEXT]
        assert not path
        assert seen[-1] == 1
        assert (seen[:-1] == 3).all()
        looks.append(answer[1])
        return answer

    monkeypatch.setattr(simplex_tour, "attempt_current", checked)
    tree, pool, _ = planted(LinkedTree, 5)
    run(tree, pool, tuning=tuning)
    assert len(looks) > 300
    assert len(renewed) > 3


def test_memory_of_a_tour_is_linear():
    small, large = (
        sum(x.nbytes for x in (*tour_memory((0, n, n), ())[0], *tour_memory((0, n, n), ())[1:]))
        for n in (10**4, 10**6)
    )
    assert large < 100 * 1.2 * small
    assert large < 30 * 10**6


def test_points_through_pieces_are_certified():
    tuning = replace(TUNING, pieces_nodes=1000, piece_nodes=128, toured_nodes=512)
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 4000, 2))
    a, b = rng.dirichlet(np.ones(4000), 2)
    pieces = tp.solve(tp.PointCloud(x, y), a, b, solver=tp.Exact(tuning=tuning))
    assert pieces.gap <= 1e-12 * pieces.value
    whole = tp.Exact(tuning=replace(tuning, pieces_nodes=10**9))
    assert pieces.value == pytest.approx(tp.solve(tp.PointCloud(x, y), a, b, solver=whole).value, rel=1e-13)


def test_nobody_works_on_the_tree_after_an_interruption(monkeypatch):
    monkeypatch.setenv("KANTOROVICH_NUM_THREADS", "2")
    caller, busy, entered = threading.get_ident(), [], threading.Event()

    def task(first, last):
        if threading.get_ident() == caller:
            entered.wait(5)
            raise KeyboardInterrupt
        busy.append(first)
        entered.set()
        time.sleep(0.2)
        busy.pop()

    with pytest.raises(KeyboardInterrupt):
        run_chunks(task, 10, slice_size=1)
    assert not busy
