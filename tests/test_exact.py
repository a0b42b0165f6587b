"""The exact solver against enumeration, a general LP solver, and its own duals."""

from __future__ import annotations

import itertools
import math
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.sparse import coo_array, vstack

import transport
from transport._answer import Status
from transport._cost import Matrix
from transport._problem import Coupling, Problem
from transport._solver.base import run
from transport._solver.exact import Exact
from transport._solver.starts.cost_clusters import cluster
from transport._solver.tuning import TUNING
from transport.internal import InfeasibleError

EPS = 2.0**-52
GENERAL = replace(TUNING, at_once_pairs=0, medium_pairs=0)  # column generation for small matrices too


def solve(c, a=None, b=None, **options) -> tuple[float, Coupling]:
    c = np.asarray(c, float)
    n, m = c.shape
    a = np.full(n, 1 / n) if a is None else np.asarray(a, float)
    b = np.full(m, a.sum() / m) if b is None else np.asarray(b, float)
    outcome = run(
        Exact(**options), Problem(Matrix(c), a, b), tol=1e-9, max_iter=None, time_limit=None, callback=None
    )
    assert outcome.status is Status.OPTIMAL
    k = outcome.coupling
    return math.fsum(c[k.rows, k.cols] * k.mass), k


def check(c, a, b, value, k: Coupling, *, rel=1e-13) -> None:
    """Primal and dual feasible, equal values: a proof that does not trust the solver."""
    n, m = c.shape
    assert np.all(k.mass >= 0)
    assert len(k.rows) <= n + m - 1
    scale = max(a.sum(), 1e-300)
    np.testing.assert_allclose(np.bincount(k.rows, k.mass, n), a, rtol=1e-12, atol=4 * n * EPS * scale)
    np.testing.assert_allclose(np.bincount(k.cols, k.mass, m), b, rtol=1e-12, atol=4 * m * EPS * scale)
    i, j = a > 0, b > 0
    with np.errstate(invalid="ignore"):
        size = np.abs(c) + np.abs(k.f)[:, None] + np.abs(k.g)
        assert np.all((c - k.f[:, None] - k.g >= -16 * EPS * size)[np.ix_(i, j)])
    dual = math.fsum(a * k.f) + math.fsum(b * k.g)
    room = math.fsum(np.abs(a * k.f)) + math.fsum(np.abs(b * k.g)) + abs(value)
    assert abs(value - dual) <= rel * room


def lp_value(c, a, b) -> float:
    """HiGHS on the finite arcs."""
    rows, cols = np.nonzero(np.isfinite(c))
    ones, ids = np.ones(len(rows)), np.arange(len(rows))
    left = coo_array((ones, (rows, ids)), shape=(len(a), len(rows)))
    right = coo_array((ones, (cols, ids)), shape=(len(b), len(rows)))
    r = linprog(
        c[rows, cols], A_eq=vstack([left, right]).tocsr(), b_eq=np.concatenate([a, b]), method="highs"
    )
    assert r.status == 0
    return r.fun


# ------------------------------------------------------------------ small, against enumeration


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(-9, 9), min_size=n, max_size=n), min_size=n, max_size=n)
    )
)
def test_assignment_matches_all_permutations(rows):
    c = np.array(rows, float)
    n = len(c)
    best = min(sum(c[i, p[i]] for i in range(n)) for p in itertools.permutations(range(n)))
    value, k = solve(c, np.ones(n), np.ones(n))
    assert value == best  # integer costs, unit masses: no rounding anywhere
    check(c, np.ones(n), np.ones(n), value, k)


def expand(masses):
    return [i for i, w in enumerate(masses) for _ in range(w)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_integer_masses_match_all_permutations_of_their_units(data):
    n, m = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    total = data.draw(st.integers(1, 6))
    cut = lambda k: sorted(data.draw(st.lists(st.integers(0, total), min_size=k - 1, max_size=k - 1)))  # noqa: E731
    a = np.diff([0, *cut(n), total])
    b = np.diff([0, *cut(m), total])
    c = np.array(
        data.draw(st.lists(st.lists(st.integers(-5, 5), min_size=m, max_size=m), min_size=n, max_size=n)),
        float,
    )
    rows, cols = expand(a), expand(b)
    best = min(sum(c[i, j] for i, j in zip(rows, p)) for p in itertools.permutations(cols))
    value, k = solve(c, a, b)
    assert value == best
    check(c, a.astype(float), b.astype(float), value, k)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_forbidden_arcs_match_all_permutations_or_are_proved_infeasible(data):
    n = data.draw(st.integers(1, 5))
    entry = st.sampled_from([0.0, 1.0, 2.0, 5.0, math.inf, math.inf])
    c = np.array(data.draw(st.lists(st.lists(entry, min_size=n, max_size=n), min_size=n, max_size=n)))
    best = min(sum(c[i, p[i]] for i in range(n)) for p in itertools.permutations(range(n)))
    ones = np.ones(n)
    if best < math.inf:
        value, k = solve(c, ones, ones)
        assert value == best
        check(c, ones, ones, value, k)
    else:
        with pytest.raises(InfeasibleError, match="forbidden arcs") as caught:
            solve(c, ones, ones)
        check_cut(c, ones, ones, caught.value)


def check_cut(c, a, b, error: InfeasibleError) -> None:
    """Hall: sources that only reach sinks with less room."""
    others = np.setdiff1d(np.arange(c.shape[1]), error.cols)
    assert np.all(np.isinf(c[np.ix_(error.rows, others)]))
    assert a[error.rows].sum() > b[error.cols].sum()


# ------------------------------------------------------------------ larger, against HiGHS


def families():
    rng = np.random.default_rng(7)
    dirichlet = rng.dirichlet
    x, y = rng.random((60, 2)), rng.random((80, 2))
    sq = ((x[:, None] - y) ** 2).sum(-1)
    yield "plane", sq, dirichlet(np.ones(60)), dirichlet(np.ones(80))
    yield "wide", rng.random((3, 150)), dirichlet(np.ones(3)), dirichlet(np.ones(150))
    yield "tall", rng.random((150, 3)), dirichlet(np.ones(150)), dirichlet(np.ones(3))
    yield "one source", rng.random((1, 9)), np.ones(1), dirichlet(np.ones(9))
    yield "one sink", rng.random((9, 1)), dirichlet(np.ones(9)), np.ones(1)
    yield "single", rng.random((1, 1)), np.ones(1), np.ones(1)
    yield "negative", rng.standard_normal((50, 50)), dirichlet(np.ones(50)), dirichlet(np.ones(50))
    yield "ties", rng.integers(0, 3, (60, 60)).astype(float), np.full(60, 1 / 60), np.full(60, 1 / 60)
    yield "constant", np.full((20, 30), 2.5), dirichlet(np.ones(20)), dirichlet(np.ones(30))
    yield "zero cost", np.zeros((20, 20)), np.full(20, 0.05), np.full(20, 0.05)
    z = np.repeat(rng.random((12, 2)), 5, axis=0)
    yield "duplicates", ((z[:, None] - z[::-1]) ** 2).sum(-1), np.full(60, 1 / 60), np.full(60, 1 / 60)
    t = rng.random(70)
    yield "collinear", np.abs(t[:, None] - rng.random(50)), dirichlet(np.ones(70)), dirichlet(np.ones(50))
    a, b = dirichlet(np.ones(40)), dirichlet(np.ones(40))
    a[::3], b[::4] = 0, 0
    yield "zero masses", rng.random((40, 40)), a / a.sum(), b / b.sum()
    hole = rng.random((60, 60))
    hole[rng.random((60, 60)) < 0.8] = np.inf
    hole[np.arange(60), rng.permutation(60)] = 5.0
    yield "forbidden", hole, np.full(60, 1 / 60), np.full(60, 1 / 60)


@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in families()])
def test_agrees_with_a_general_lp_solver_and_with_its_own_duals(c, a, b):
    value, k = solve(c, a, b)
    check(c, a, b, value, k)
    assert value == pytest.approx(lp_value(c, a, b), rel=1e-7, abs=1e-9)


# ------------------------------------------------------------------ the two trees


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in families()])
def test_both_trees_reach_the_optimum(c, a, b, lazy):
    value, k = solve(c, a, b, tuning=replace(GENERAL, linked_nodes=0 if lazy else 10**9))
    check(c, a, b, value, k)


# ------------------------------------------------------------------ clusters


def smooth_images(side):
    """Two smooth images on a grid, squared distances: the shape where a cold start is hopeless."""
    t = (np.arange(side) + 0.5) / side
    p, q = (v.ravel() for v in np.meshgrid(t, t, indexing="ij"))
    a = 1.1 + np.cos(3 * p + 1) * np.cos(2 * q)
    b = 1.1 + np.sin(4 * p) * np.cos(3 * q - 1)
    c = (p[:, None] - p) ** 2 + (q[:, None] - q) ** 2
    return c, a / a.sum(), b / b.sum()


def test_coarse_to_fine_and_cold_start_reach_the_same_optimum():
    c, a, b = smooth_images(26)
    value, k = solve(c, a, b)
    check(c, a, b, value, k)
    cold, k = solve(c, a, b, tuning=replace(TUNING, cluster_rows=10**9))
    check(c, a, b, cold, k)
    assert value == pytest.approx(cold, rel=1e-13)


def test_clusters_tell_a_geometry_from_noise():
    c, _, _ = smooth_images(26)
    x = cluster(c)
    assert x.telling
    assert not cluster(np.random.default_rng(0).random((700, 600))).telling
    assert sorted(x.members) == list(range(len(c)))
    assert x.totals(np.arange(len(c))).sum() == len(c) * (len(c) - 1) // 2


# ------------------------------------------------------------------ scale


@pytest.mark.parametrize("k", [-1000, -900, -402, -401, -300, 1, 300, 398, 399, 400, 401, 402, 900, 1020])
def test_scaling_costs_by_a_power_of_two_changes_nothing_else(k):
    _, c, a, b = next(families())
    _, small = solve(c, a, b)
    _, big = solve(np.ldexp(c, k), a, b)
    for x, y in ((small.rows, big.rows), (small.cols, big.cols), (small.mass, big.mass)):
        np.testing.assert_array_equal(x, y)
    np.testing.assert_array_equal(np.ldexp(small.f, k), big.f)
    np.testing.assert_array_equal(np.ldexp(small.g, k), big.g)


def wide_ranges():
    rng = np.random.default_rng(3)
    n = 120
    x, y = rng.random((n, 2)), rng.random((n, 2))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    square = lambda p: ((p[:, None] - y) ** 2).sum(-1)  # noqa: E731
    far = x.copy()
    far[0] = 1e7
    yield "outlier", square(far), a, b
    yield "row offsets", square(x) + 1e12 * np.arange(n)[:, None], a, b
    yield "one offset", square(x) + 1e12, a, b
    yield "12 decades", 10 ** rng.uniform(-12, 0, (n, n)), a, b
    yield "100 decades", 10 ** rng.uniform(-50, 50, (n, n)), a, b
    masses = [10 ** rng.uniform(-12, 0, n) for _ in range(2)]
    yield "masses of 12 decades", square(x), *(w / w.sum() for w in masses)
    yield "tiny masses", square(x), a * 1e-290, b * 1e-290
    yield "huge masses", square(x), a * 1e290, b * 1e290


@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in wide_ranges()])
def test_wide_ranges_keep_every_digit(c, a, b):
    value, k = solve(c, a, b)
    check(c, a, b, value, k)


def test_small_masses_keep_their_relative_accuracy():
    rng = np.random.default_rng(5)
    a, b = (10 ** rng.uniform(-12, 0, 80) for _ in range(2))
    _, k = solve(rng.random((80, 80)), a / a.sum(), b / b.sum())
    heavy = np.argmax(a), np.argmax(b)  # the totals differ by rounding: one heavy node takes it
    for got, want, skip in (
        (np.bincount(k.rows, k.mass, 80), a / a.sum(), heavy[0]),
        (np.bincount(k.cols, k.mass, 80), b / b.sum(), heavy[1]),
    ):
        keep = np.arange(80) != skip
        np.testing.assert_allclose(got[keep], want[keep], rtol=1e-14)


@pytest.mark.parametrize("forbidden", [1e32, math.inf])
def test_huge_finite_costs_act_like_forbidden_arcs(forbidden):
    """POT #229: entries of 1e32 meant as forbidden drown everything else elsewhere."""
    rng = np.random.default_rng(2)
    n = 150
    c = np.full((n, n), forbidden)
    for i in range(n):
        near = (i + np.arange(5)) % n
        c[i, near] = rng.random(5)
    ones = np.full(n, 1 / n)
    value, k = solve(c, ones, ones)
    check(c, ones, ones, value, k)
    finite = np.where(c > 1e30, np.inf, c)
    assert value == pytest.approx(lp_value(finite, ones, ones), rel=1e-9)


def test_infeasible_names_masses_and_sizes_and_proves_the_cut():
    rng = np.random.default_rng(4)
    c = rng.random((60, 50))
    c[:20, 10:] = np.inf
    a, b = np.full(60, 1 / 60), np.full(50, 1 / 50)
    with pytest.raises(
        InfeasibleError, match=r"20 sources .* hold 0.333333 .* 10 sinks .* take 0.2;"
    ) as caught:
        solve(c, a, b)
    check_cut(c, a, b, caught.value)


# ------------------------------------------------------------------ the process around it


def one_value(seed):
    rng = np.random.default_rng(seed)
    return solve(rng.random((150, 130)), rng.dirichlet(np.ones(150)), rng.dirichlet(np.ones(130)))[0]


def test_concurrent_solves_give_the_sequential_answers():
    alone = [one_value(seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one_value, range(8))) == alone


def test_bitwise_the_same_on_any_number_of_threads(monkeypatch):
    tuning = replace(GENERAL, scan_entries=1 << 14)
    rng = np.random.default_rng(0)
    c, a, b = rng.random((300, 300)), rng.dirichlet(np.ones(300)), rng.dirichlet(np.ones(300))
    answers = []
    for threads in (1, 2, 5):
        monkeypatch.setenv("KANTOROVICH_NUM_THREADS", str(threads))
        answers.append(solve(c, a, b, tuning=tuning)[1])
    for k in answers[1:]:
        for name in ("rows", "cols", "mass", "f", "g"):
            np.testing.assert_array_equal(getattr(k, name), getattr(answers[0], name))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")
def test_works_after_a_fork():
    expected = one_value(3)
    pid = os.fork()
    if pid == 0:
        os._exit(0 if one_value(3) == expected else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_any_pivot_limit_leaves_a_usable_answer():
    rng = np.random.default_rng(1)
    c, a, b = rng.random((60, 60)), rng.dirichlet(np.ones(60)), rng.dirichlet(np.ones(60))
    best, full = solve(c, a, b)
    for limit in (0, 1, 10, 50):
        outcome = run(
            Exact(), Problem(Matrix(c), a, b), tol=1e-9, max_iter=limit, time_limit=None, callback=None
        )
        k = outcome.coupling
        assert outcome.n_iter <= limit
        assert outcome.status is Status.ITERATION_LIMIT
        assert np.all(np.isfinite(k.f))
        assert np.all(np.isfinite(k.g))
        assert np.all(k.mass >= 0)
        if len(k.rows):
            assert math.fsum(c[k.rows, k.cols] * k.mass) >= best * (1 - 1e-12)
    assert len(full.rows)


SLOW = """
import numpy as np, transport, time
from transport._solver import trees
c = np.random.default_rng(0).random((400, 400)); transport.solve(c)
p = np.random.default_rng(0).random((2200, 20)); q = p + np.random.default_rng(1).standard_normal((2200, 20))
c = ((p[:, None] - q) ** 2).sum(-1)
w = np.random.default_rng(1).dirichlet(np.ones(2200))
print("go", flush=True)
try:
    while True:
        transport.solve(c, w)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def test_ctrl_c_is_answered_at_once():
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    env = {**os.environ, "PYTHONPATH": root}
    with subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout.readline() == "go\n"
        time.sleep(0.15)
        sent = time.perf_counter()
        child.send_signal(signal.SIGINT)
        assert child.stdout.readline() == "stopped\n"
        assert time.perf_counter() - sent < 1.0  # 0.2 s on a quiet machine; CI is not one


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX only")
def test_no_ctrl_c_is_lost_or_renamed():
    # At any moment of a solve: within a slice, between two, while numba packs its results, at the very end.
    c, rng = np.random.default_rng(0).random((60, 60)), np.random.default_rng(1)
    transport.solve(c)
    start = time.perf_counter()
    transport.solve(c)
    one = time.perf_counter() - start
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for _ in range(400):
            end = time.perf_counter() + 5
            try:
                signal.setitimer(signal.ITIMER_REAL, 1e-5 + one * rng.random())
                while time.perf_counter() < end:
                    transport.solve(c)
                lost = True
            except KeyboardInterrupt:
                lost = False
            assert not lost
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------ warm starts


def nearby(c, a, b):
    rng = np.random.default_rng(11)
    shaken = a * (1 + 0.01 * rng.standard_normal(len(a)))
    yield "same", c, a
    yield "costs", c * (1 + 0.01 * rng.standard_normal(c.shape)), a
    yield "masses", c, shaken * (a.sum() / shaken.sum())
    yield "unrelated", rng.random(c.shape), a


@pytest.mark.parametrize("n", [60, 600])  # at once, and by the general path
@pytest.mark.parametrize("which", range(4))
def test_a_warm_start_changes_the_time_and_not_the_answer(n, which):
    rng = np.random.default_rng(n)
    x, y = rng.random((n, 2)), rng.random((n, 2))
    c = ((x[:, None] - y) ** 2).sum(-1)
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(n))
    first = transport.solve(c, a, b)
    name, near, mass = list(nearby(c, a, b))[which]
    cold, warm = transport.solve(near, mass, b), transport.solve(near, mass, b, warm=first)
    assert warm.status is Status.OPTIMAL
    assert warm.value == pytest.approx(cold.value, rel=1e-12)
    if name == "same":
        assert warm.n_iter <= 2  # the old basis is reproduced; rounding may cost a pivot
    elif name != "unrelated":
        assert warm.n_iter < 0.6 * cold.n_iter


def test_a_warm_start_of_another_shape_is_refused():
    first = transport.solve(np.eye(3))
    with pytest.raises(ValueError, match=r"warm has shape \(3, 3\) but the problem \(4, 4\)"):
        transport.solve(np.eye(4), warm=first)
    with pytest.raises(ValueError, match="warm is for the exact solver"):
        transport.solve(np.eye(3), warm=first, solver=object())


@pytest.mark.parametrize(("c", "a", "b"), [pytest.param(*f[1:], id=f[0]) for f in families()])
def test_at_once_and_the_general_path_agree(c, a, b):
    value, k = solve(c, a, b)
    check(c, a, b, value, k)
    general, k = solve(c, a, b, tuning=GENERAL)
    check(c, a, b, general, k)
    assert general == pytest.approx(value, rel=1e-12, abs=1e-300)


# ------------------------------------------------------------------ the short road


def _same(x: transport.Solution, y: transport.Solution) -> None:
    assert (x.value, x.lower_bound, x.upper_bound, x.marginal_error) == (
        y.value,
        y.lower_bound,
        y.upper_bound,
        y.marginal_error,
    )
    for u, v in zip((*x.arcs[:3], *x.potentials), (*y.arcs[:3], *y.potentials)):
        np.testing.assert_array_equal(u, v)
    assert x.stats == y.stats
    assert x.status is y.status
    np.testing.assert_array_equal(x.problem.b, y.problem.b)


@pytest.mark.parametrize(("n", "m"), [(30, 40), (200, 90), (300, 20)])
@pytest.mark.parametrize("shape", ["dirichlet", "uniform", "rounded"])
def test_short_and_main_road_agree_bitwise(n, m, shape):
    rng = np.random.default_rng(n * m)
    c = rng.standard_normal((n, m))
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    if shape == "uniform":
        a, b = np.full(n, 1 / n), np.full(m, 1 / m)
    elif shape == "rounded":
        b = b * (1 + 2.0**-52)
    _same(transport.solve(c, a, b), transport.solve(c, a, b, solver=Exact()))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 7), (9, 1)])
def test_the_only_plan_is_that_of_the_main_road(n, m):
    """One row or column needs no solve: the same arcs and, to rounding, the same bounds."""
    rng = np.random.default_rng(n * m)
    c, a, b = rng.standard_normal((n, m)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    short, main = transport.solve(c, a, b), transport.solve(c, a, b, solver=Exact())
    for u, v in zip(short.arcs[:3], main.arcs[:3]):
        np.testing.assert_array_equal(u, v)
    assert short.status is main.status
    size = 2.0**-50 * float(np.abs(c).max())
    for name in ("value", "lower_bound", "upper_bound"):
        assert abs(getattr(short, name) - getattr(main, name)) <= size
    assert short.lower_bound <= short.upper_bound


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda c, a, b: c.__setitem__((1, 2), np.nan), "nan"),
        (lambda c, a, b: c.__setitem__((1, 2), -np.inf), "-inf"),
        (lambda c, a, b: a.__setitem__(0, -1.0), "negative"),
        (lambda c, a, b: b.__setitem__(0, 5.0), "equal masses"),
        (lambda c, a, b: b.__setitem__(0, np.nan), "nan"),
    ],
)
def test_the_short_road_leaves_errors_to_the_main_road(change, error):
    c, a, b = np.ones((4, 4)), np.full(4, 0.25), np.full(4, 0.25)
    change(c, a, b)
    with pytest.raises(ValueError, match=error):
        transport.solve(c, a, b)


def test_small_problems_with_zero_masses_and_forbidden_arcs():
    """What the short road refuses, and the main road's single call then answers."""
    rng = np.random.default_rng(3)
    c = rng.random((20, 25))
    c[rng.random(c.shape) < 0.3] = np.inf
    a, b = rng.dirichlet(np.ones(20)), rng.dirichlet(np.ones(25))
    a[3] = b[7] = 0.0
    a, b = a / a.sum(), b / b.sum()
    b *= a.sum() / b.sum()
    assert transport.solve(c, a, b).value == pytest.approx(lp_value(c, a, b), rel=1e-12)


@pytest.mark.parametrize("sign", [1, -1])
def test_stalling_monge_costs_with_uniform_masses_are_answered_at_once(sign):
    """Costs i j: 15 000 pivots, nearly all without flow; the optimum is the sorted or the reversed order."""
    n = 200
    i = np.arange(n)
    sol = transport.solve(sign * np.outer(i, i) * 1.0, np.full(n, 1 / n), np.full(n, 1 / n))
    assert sol.stats["rounds"] == 1
    assert sol.value == pytest.approx(sign * (i * (i[::-1] if sign > 0 else i)).sum() / n, rel=1e-14)
