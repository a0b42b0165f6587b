"""Routes x problems: what is planned, what ran, and that every way leads to the same certified value."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import sparse

import transport as tp
from bench import routes
from bench import tuning as tuning_bench
from transport._solver.tuning import TUNING


def squared(x, y):
    return ((x[:, None] - y) ** 2).sum(axis=2)


def clouds(n, m, d, seed=0):
    rng = np.random.default_rng([seed, n, m, d])
    return rng.random((n, d)), rng.random((m, d))


def masses(n, m, *, zeros=0.0):
    rng = np.random.default_rng([n, m])
    a, b = rng.dirichlet(np.ones(n)), rng.dirichlet(np.ones(m))
    a[rng.random(n) < zeros], b[rng.random(m) < zeros] = 0.0, 0.0
    return a / a.sum(), b / b.sum()


@cache
def problems():
    """name -> (cost, a, b, planned start, planned core)."""
    rng = np.random.default_rng(1)
    x, y = clouds(640, 620, 2)
    far = clouds(560, 560, 30)
    c = rng.random((60, 50))
    equal = np.full(400, 1 / 400)
    few = sparse.csr_array(np.where(rng.random((400, 400)) < 0.05, 1 + rng.random((400, 400)), 0.0))
    few.setdiag(3.0)
    cells = rng.dirichlet(np.ones(900), 2)
    return {
        "small": (c, *masses(60, 50), "cheapest arcs", "whole matrix"),
        "one row": (c[:1], *masses(1, 50), "cheapest arcs", "whole matrix"),
        "one column": (c[:, :1], *masses(60, 1), "cheapest arcs", "whole matrix"),
        "massless": (squared(x, y), *masses(640, 620, zeros=0.9), "cheapest arcs", "whole matrix"),
        "medium": (squared(x, y), *masses(640, 620), "cheapest arcs", "whole matrix"),
        "wide": (rng.random((20, 4200)), *masses(20, 4200), "sampled sources", "hub tree"),
        "tall": (rng.random((4200, 20)), *masses(4200, 20), "sampled sources", "hub tree"),
        "wide, massless": (
            rng.random((40, 9000)),
            *masses(40, 9000, zeros=0.5),
            "sampled sources",
            "hub tree",
        ),
        "points, one": (tp.PointCloud(x[:1], y), *masses(1, 620), "cheapest arcs", "whole matrix"),
        "long row": (rng.random((1, 5000)), *masses(1, 5000), "sampled sources", "hub tree"),
        "forbidden": (np.where(c < 0.2, np.inf, c), *masses(60, 50), "cheapest arcs", "whole matrix"),
        "points": (tp.PointCloud(x, y), *masses(640, 620), "coarse to fine", "threaded tree"),
        "merged": (
            tp.PointCloud(np.round(20 * x), np.round(20 * y)),
            *masses(640, 620),
            "cheapest arcs",
            "whole matrix",
        ),
        "tiles": (tp.PointCloud(*far), *masses(560, 560), "affine map", "threaded tree"),
        "tiles, l1": (tp.PointCloud(*far, "cityblock"), *masses(560, 560), "few clusters", "threaded tree"),
        "function": (tp.FunctionCost(x, y, squared), *masses(640, 620), "shortlist", "threaded tree"),
        "line": (tp.PointCloud(x[:, 0], y[:, 0]), *masses(640, 620), "none", "closed form"),
        "circle": (tp.Circle(x[:, 0], y[:, 0]), *masses(640, 620), "none", "closed form"),
        "grid": (tp.Grid((30, 30), "cityblock"), *cells, "shortlist", "threaded tree"),
        "sparse": (few, *masses(400, 400), "shortlist", "threaded tree"),
        "sparse, equal": (few, equal, equal, "shortlist", "auction"),
    }


def as_method(name):
    """Points on tiles of this size are stored by default: ask for the method that the row is about."""
    return {"tiles": "points", "tiles, l1": "points", "points": "points", "grid": "grid"}.get(name, "auto")


@cache
def answer(name):
    cost, a, b, *_ = problems()[name]
    return tp.solve(cost, a, b, solver=tp.Exact(as_method(name)), throw=name != "sparse")


def names():
    return list(problems())


def agreed(plan, sol):
    """Start and core ran as planned, or a switch says why not."""
    path = sol.stats["path"]
    ran = {(step.part, step.what) for step in path}
    switched = any(step.part == "switch" and step.why for step in path)
    assert {(s.part, s.what) for s in plan.reductions} <= ran
    return switched or {(s.part, s.what) for s in (plan.start, plan.core)} <= ran


@pytest.mark.parametrize("name", names())
def test_the_plan_is_the_row_of_the_table_and_what_runs(name):
    cost, a, b, start, core = problems()[name]
    solver = tp.Exact(as_method(name))
    plan = tp.plan(cost, a, b, solver=solver)
    assert (plan.start.what, plan.core.what) == (start, core)
    assert agreed(plan, answer(name))
    assert str(plan).count("\n") == 2 + len(plan.reductions)


GENERAL = replace(TUNING, at_once_pairs=0, medium_pairs=0, hubs=0)
LINKED = replace(GENERAL, linked_nodes=0, linked_nodes_refined=0)
ROUTES = {
    "column generation": GENERAL,
    "linked": replace(
        TUNING, at_once_pairs=0, medium_pairs=0, hubs=0, linked_nodes=0, linked_nodes_refined=0
    ),
    "in pieces": replace(LINKED, pieces_nodes=0, piece_nodes=64, toured_nodes=128),
    "hubs": replace(GENERAL, hubs=10**6, hubs_ratio=0, hubs_nodes=0),
    "whole rows": replace(GENERAL, spread=2.0),
    "one call": replace(TUNING, at_once_pairs=10**9, at_once_nodes=10**9, at_once_pivots=10**6),
    "unclustered": replace(
        TUNING, at_once_pairs=0, medium_pairs=0, hubs=0, cluster_rows=10**9, rough_units=()
    ),
    "clusters": replace(GENERAL, cluster_rows=8, coarsest=8),
    "no auction": replace(TUNING, auction_points=10**9, auction_rows=10**9),
}


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("name", names())
def test_every_route_leads_to_the_same_certified_value(route, name):
    cost, a, b, *_ = problems()[name]
    tuning = ROUTES[route]
    if route == "whole rows" and name in ("wide", "tall", "long row", "wide, massless"):
        tuning = replace(tuning, spread=TUNING.spread)  # minutes: that is why there are hubs
    solver = tp.Exact(as_method(name), tuning=tuning)
    sol = tp.solve(cost, a, b, solver=solver)
    best = answer(name)
    assert sol.status is tp.Status.OPTIMAL
    assert sol.value == pytest.approx(best.value, rel=1e-12)
    assert sol.lower_bound <= best.upper_bound
    assert best.lower_bound <= sol.upper_bound
    assert sol.marginal_error <= 1e-13
    assert agreed(tp.plan(cost, a, b, solver=solver), sol)


CASES = [
    ("small", "hub tree"),
    ("small", "threaded tree"),
    ("small", "linked tree"),
    ("wide", "linked tree"),
    ("points", "linked tree"),
    ("function", "linked tree"),
    ("sparse, equal", "threaded tree"),
]


@pytest.mark.parametrize(("name", "core"), CASES)
def test_a_plan_can_be_forced(name, core):
    cost, a, b, *_ = problems()[name]
    plan = tp.plan(cost, a, b, solver=tp.Exact(as_method(name)))
    forced = replace(plan, core=plan.core._replace(what=core))
    sol = tp.solve(cost, a, b, solver=tp.Exact(plan=forced))
    assert core in [step.what for step in sol.stats["path"]]
    assert sol.value == pytest.approx(answer(name).value, rel=1e-12)


def test_plans_are_refused_where_they_do_not_belong():
    plan = tp.plan(np.ones((3, 4)))
    with pytest.raises(ValueError, match=r"plan is for shape \(3, 4\) but the problem has \(4, 3\)"):
        tp.solve(np.ones((4, 3)), solver=tp.Exact(plan=plan))
    with pytest.raises(ValueError, match="core"):
        tp.Exact(plan=replace(plan, core=plan.core._replace(what="magic")))
    with pytest.raises(ValueError, match="plan is for the exact solver"):
        tp.plan(np.ones((3, 4)), solver=object())


def test_switches_say_their_cause():
    c = np.random.default_rng(0).random((600, 600))
    sol = tp.solve(c, *masses(600, 600), solver=tp.Exact(tuning=ROUTES["column generation"]))
    switches = [step for step in sol.stats["path"] if step.part == "switch"]
    assert [step.what for step in switches] == ["shortlist"]
    assert "cluster_telling" in switches[0].why


def test_every_limit_has_one_name_and_says_its_unit():
    import inspect

    from transport._solver import tuning

    lines = inspect.getsource(tuning.Tuning).splitlines()
    own = [line for line in lines if re.match(r"    [a-z_]+: ", line)]
    fields = [line for line in own if ": " in line and " = " in line]
    assert len(fields) == len(tuning.Tuning.__dataclass_fields__)
    shared = {"points", "matrix", "sparse", "strips"}  # a heading says the unit of these
    assert all("  # " in line or line.split("_")[0].strip() in shared for line in fields)


def test_the_table_of_routes_in_the_docs_is_that_of_the_code():
    """docs/exact.md holds what `python -m bench.routes --write` makes of plan.py and `Tuning`."""
    text = routes.PAGE.read_text()
    assert routes.written(text) == text
    for limit in ("hubs", "at_once_pairs", "auction_points"):
        assert f"`{limit}` ({getattr(TUNING, limit):,})" in text


def test_every_start_and_core_that_is_planned_is_in_the_table():
    table = [(start, core) for _, start, core in routes.rows()]
    planned = {(start, core) for *_, start, core in problems().values()}
    for start, core in planned:
        assert any(start == s and (core == c or core.split()[0] in c.split(",")[0]) for s, c in table)
    assert {start for start, _ in planned} | {"clusters", "clusters of costs", "earlier answer"} == {
        start for start, _ in table
    }


def test_a_plan_that_did_not_run_is_seen():
    plan = tp.plan(np.ones((3, 4)))
    assert not routes.disagreement(plan, (plan.start, plan.core))
    assert "whole matrix" in routes.disagreement(plan, (plan.start, plan.core._replace(what="hub tree")))
    why = plan.core._replace(part="switch", why="pivots are spent")
    assert not routes.disagreement(plan, (plan.start, why))


def test_a_walk_over_a_limit_says_whether_it_matters():
    cost, a, b, *_ = problems()["small"]
    seconds, matters = tuning_bench.measured(cost, a, b, "at_once_pairs", [0, 10**6], 1)
    assert len(seconds) == 2
    assert not matters  # medium_pairs sends it the same way
    cost, a, b, *_ = problems()["wide"]
    assert tuning_bench.measured(cost, a, b, "hubs", [4, 256], 1)[1]
    assert tuning_bench.walked("hubs") == [64, 128, 256, 512, 1024]
