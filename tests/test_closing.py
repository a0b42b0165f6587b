"""Time limits: stopped anywhere, an interval that holds, soon after the limit. The clock counts looks."""

import itertools

import numpy as np
import pytest

import transport as tp
from transport.internal import OutOfTime, _clock, check_time, keep, run_chunks, time_left, until


class Ticks:
    """A clock on which every look takes a second."""

    def __init__(self):
        self.looks = 0

    def __call__(self):
        self.looks += 1
        return float(self.looks)


def problem(name):
    rng = np.random.default_rng(5)
    n = 1100
    a, b = rng.dirichlet(np.ones(n), 2)
    x, y = rng.random((n, 2)), rng.standard_normal((n, 2)) + 1.0
    if name == "wide":
        cost = rng.standard_normal((40, 1)) * rng.standard_normal(30_000)
        return cost, *(rng.dirichlet(np.ones(k)) for k in cost.shape)
    if name == "equal points in space":
        return tp.PointCloud(*rng.random((2, 9000, 3))), None, None
    costs = {
        "weighted points": lambda: tp.PointCloud(x, y),
        "distances": lambda: tp.PointCloud(x, y, "euclidean"),
        "tiles": lambda: tp.PointCloud(rng.random((n, 9)), rng.random((n, 9)) ** 2),
        "function": lambda: tp.PointCloud(x, y, lambda u, v: np.abs(u[:, None] - v).max(-1)),
        "matrix": lambda: rng.random((n, n)),
        "clustered matrix": lambda: np.sqrt(((x[:, None] - y) ** 2).sum(-1)),
    }
    return costs[name](), a, b


KINDS = (
    "weighted points", "distances", "equal points in space", "tiles", "function", "matrix",
    "clustered matrix", "wide",
)  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_stopped_anywhere_the_interval_holds(name, monkeypatch):
    cost, a, b = problem(name)
    fresh = cost.without_trees if hasattr(cost, "without_trees") else lambda: cost
    right = tp.solve(fresh(), a, b)
    clock = Ticks()
    monkeypatch.setattr(_clock, "_clock", clock)
    tp.solve(fresh(), a, b, time_limit=1e12)
    whole, widths = clock.looks, []
    for limit in np.unique(np.geomspace(1, whole, 5 if name == "function" else 12).astype(int)).tolist():
        clock.looks = 0
        sol = tp.solve(fresh(), a, b, time_limit=float(limit), throw=False)
        assert sol.lower_bound <= right.upper_bound
        assert right.lower_bound <= sol.upper_bound
        assert sol.status.name in ("TIME_LIMIT", "OPTIMAL", "INACCURATE")
        assert sol.marginal_error <= 1e-12
        assert clock.looks <= 1.1 * limit + 60  # looks of chunks that came too late, and of the certificate
        widths.append(sol.upper_bound - sol.lower_bound)
    if name == "weighted points":  # nearly product measures: sorting alone tells much
        assert max(widths[1:]) <= 0.1 * abs(right.value)
    assert widths[-1] <= 0.5 * widths[0]


def test_closed_interval_is_an_answer_though_late(monkeypatch):
    rng = np.random.default_rng(2)
    cost = rng.random((1100, 1100))
    monkeypatch.setattr(_clock, "_clock", Ticks())
    assert tp.solve(cost, time_limit=1e9).status is tp.Status.OPTIMAL


def test_chunks_stop_at_the_moment(monkeypatch):
    clock = Ticks()
    monkeypatch.setattr(_clock, "_clock", clock)
    done = itertools.count()
    with until(10.0), pytest.raises(OutOfTime):
        run_chunks(lambda first, last: next(done), 1000, slice_size=1)
    assert next(done) <= 10
    run_chunks(lambda first, last: next(done), 1000, slice_size=1)
    assert next(done) >= 1000


def test_what_is_kept_comes_off_and_limits_nest(monkeypatch):
    monkeypatch.setattr(_clock, "_clock", lambda: 3.0)
    assert time_left() == np.inf
    with until(10.0):
        assert time_left() == 7.0
        keep(2.0)
        assert time_left() == 5.0
        with until(None):
            check_time(1e9)
            assert time_left() == np.inf
        check_time(4.9)
        with pytest.raises(OutOfTime):
            check_time(5.0)
    assert time_left() == np.inf


def test_a_callback_is_not_stopped(monkeypatch):
    rng = np.random.default_rng(3)
    clock, seen = Ticks(), []
    monkeypatch.setattr(_clock, "_clock", clock)

    def callback(progress):
        clock.looks += 10**6  # far beyond the limit, and it solves something itself
        seen.append(tp.solve(tp.PointCloud(rng.random((600, 2)), rng.random((600, 2)))).status.name)

    sol = tp.solve(tp.PointCloud(*rng.random((2, 3000, 2))), callback=callback, time_limit=1e5, throw=False)
    assert seen == ["OPTIMAL"]
    assert sol.status is tp.Status.TIME_LIMIT
