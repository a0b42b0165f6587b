"""What callbacks and command lines see while a solve runs: an interval that holds at every moment."""

from __future__ import annotations

import io
import math
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import transport as tp
from transport._solver.progress import Pace, in_words
from transport._solver.tuning import TUNING
from transport.internal import COMPILING
from transport.internal._cli import Ticker


def problem(n, m, d):
    rng = np.random.default_rng(n)
    return rng.random((n, d)), rng.random((m, d)), rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))


def squared(u, v):
    return ((u[:, None, :] - v[None, :, :]) ** 2).sum(axis=2)


X, Y, A, B = problem(900, 800, 2)
COSTS = {
    "matrix": squared(X, Y),
    "points": tp.PointCloud(X, Y),
    "euclidean": tp.PointCloud(X + 3, Y, "euclidean"),
    "tiles": tp.PointCloud(*(np.random.default_rng(k).normal(size=(n, 25)) for k, n in ((1, 900), (2, 800)))),
    "blocks": tp.PointCloud(X, Y, squared),
    "sparse": sparse.csr_array(1 + squared(X, Y)),
    "negative": -squared(X, Y),
    "huge": np.ldexp(squared(X, Y), 900),
}


@pytest.mark.parametrize("name", COSTS)
def test_the_interval_holds_at_every_moment(name):
    seen = []
    solver = tp.Exact(tuning=replace(TUNING, medium_pairs=0))
    sol = tp.solve(COSTS[name], A, B, solver=solver, callback=seen.append)
    seen = [p for p in seen if p.message != COMPILING]
    known = [p.details for p in seen if "gap" in p.details]
    assert known
    assert all({"arcs", "pivots", "rounds", "method"} <= p.details.keys() for p in seen)
    low, high = (np.array([k[end] for k in known]) for end in ("lower_bound", "upper_bound"))
    assert (low <= sol.value).all()
    assert (sol.value <= high).all()
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) <= 0).all()
    assert [k["gap"] for k in known] == pytest.approx(high - low)
    assert high[-1] - low[-1] <= 0.05 * abs(sol.value)
    assert all(k["eta"] is None or k["eta"] > 0 for k in known)
    assert any(", gap " in p.message and "arcs" in p.message and "pivots" in p.message for p in seen)


def test_stopping_at_a_gap():
    """The use of it: stop at two digits, and the returned certificate agrees."""
    sol = tp.solve(
        COSTS["blocks"], A, B, callback=lambda p: p.details.get("gap", math.inf) < 1e-2, throw=False
    )
    assert sol.status is tp.Status.STOPPED
    assert sol.gap <= 2e-2 * sol.upper_bound


def test_nobody_watches_nothing_is_computed(monkeypatch):
    def never(self, state):
        raise AssertionError("watched without a callback")

    monkeypatch.setattr(tp.Exact, "watch", never)
    tp.solve(COSTS["points"], A, B)


def test_solvers_without_watch_are_fine():
    class Plain(tp.Solver):
        """Exact without its window."""

        inner = tp.Exact()

        def init(self, problem, *, tol):
            return self.inner.init(problem, tol=tol)

        def step(self, state, budget):
            return self.inner.step(state, budget)

        def progress(self, state):
            return self.inner.progress(state)

        def finish(self, state):
            return self.inner.finish(state)

    seen = []
    tp.solve(COSTS["points"], A, B, solver=Plain(), callback=seen.append)
    assert seen
    assert not any("gap" in p.details for p in seen)


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([1e-2], None),  # one round says nothing
        ([1e-2, 0.95e-2], None),  # nor does a standstill
        ([1e-2, 2e-2], None),
        ([1e-2, 1e-10], None),  # done
        ([1e-1, 1e-3], 30.0),  # two digits in ten seconds, six to go
        ([1e-1, 1e-2, 1e-6], 7.5),  # the last two rounds count
    ],
)
def test_eta(gaps, expected):
    now = time.perf_counter()
    pace = Pace(1e-9, history=[(now - 10.0 * k, gap) for k, gap in reversed(list(enumerate(reversed(gaps))))])
    assert pace.eta() == (expected if expected is None else pytest.approx(expected, abs=0.1))


def test_words():
    facts = {"upper_bound": 2.0, "lower_bound": 1.0, "gap": 1.0, "eta": None}
    assert in_words({}) == ""
    assert in_words(facts) == ", gap 5.0e-01"
    assert in_words(facts | {"eta": 61.4}) == ", gap 5.0e-01, about 61 s left"
    assert in_words(facts | {"eta": 600.0}) == ", gap 5.0e-01, about 10 min left"
    assert in_words(facts | {"upper_bound": 0.0}) == ", gap 1.0e+00 absolute"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("rich", [True, False])
def test_the_live_line_with_and_without_rich(monkeypatch, rich):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
        monkeypatch.setitem(sys.modules, "rich.console", None)
        monkeypatch.setitem(sys.modules, "rich.progress", None)
    ticker = Ticker("900 x 800")
    ticker(tp.Progress(3, 0.1, "early", {}))
    assert screen.getvalue() == ""  # nothing for the first second
    ticker.start -= 2.0
    ticker(tp.Progress(3, 2.0, "starting: 0 arcs, 0 pivots", {}))
    ticker(tp.Progress(9, 2.1, "pricing: 70 arcs, 9 pivots, gap 1.0e-03", {"gap": 1e-3, "upper_bound": 1.0}))
    assert (ticker.bar is not None) == rich
    if rich:
        assert (ticker.bar.tasks[0].completed, ticker.bar.tasks[0].total) == (pytest.approx(3.0), 9.0)
    ticker.done()
    assert "900 x 800: pricing: 70 arcs, 9 pivots, gap 1.0e-03" in screen.getvalue()
    assert screen.getvalue().rstrip().endswith(("\x1b[2K", "\x1b[?25h", "\x1b[1A\x1b[2K"))


def test_no_terminal_no_line(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    ticker = Ticker("x")
    ticker.start -= 2.0
    ticker(tp.Progress(3, 2.0, "running", {}))
    ticker.done()
    assert sys.stderr.getvalue() == ""
