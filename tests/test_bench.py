"""The benchmark: what it hands over, how it scores, one file a solver or a problem, and its commands."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import transport as tp
from bench import optima, problems, run, score, solvers, tables
from bench.formats import dimacs, matrix_market, mps
from bench.process import Limits
from bench.reporting import data, page, readme, svg
from bench.solvers.integers import whole_costs

ROOT = Path(__file__).parent.parent
SMALL = ["uniform:12", "assign/iid:9", "sparse:20", "forbidden:16", "wide:30", "line:40"]


def _bench(*words: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    import os

    env = dict(os.environ)
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), str(path or ""), env.get("PYTHONPATH", "")]))
    return subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, text=True, cwd=ROOT, env=env
    )


# --- problems -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL + ["dotmark/WhiteNoise:8", "mass-decades:20", "cells:20"])
def test_masses_are_whole_and_total_exactly_the_same(name):
    made = problems.build(name)
    totals = [sum((Fraction(float(v)) for v in side), Fraction(0)) for side in (made.a, made.b)]
    assert totals[0] == totals[1]
    assert all((side * 2.0**50 == np.rint(side * 2.0**50)).all() for side in (made.a, made.b))
    assert (made.a > 0).all()
    assert np.array_equal(made.matrix, problems.build(name).matrix)


def test_every_suite_is_named_and_every_instance_parses():
    assert {"smoke", "dotmark", "points", "assignment", "adversarial", "scaling", "entropic"} <= set(
        problems.suites()
    )
    for name in problems.instances("all"):
        head, size, *_ = name.split(":")
        assert head in problems.FAMILIES
        assert int(size) > 0


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nothing:10", "no family"),
        ("uniform", "a size is due"),
        ("uniform:x", "a size is due"),
        ("uniform:9:z=1", "no option"),
    ],
)
def test_bad_names_are_refused(name, says):
    with pytest.raises(ValueError, match=says):
        problems.build(name)


@pytest.mark.parametrize(
    ("nu", "gamma", "closed"),
    [
        (0.5, 0.4, lambda s: np.exp(-s)),  # LogGRF
        (1.5, 0.2, lambda s: (1 + np.sqrt(3) * s) * np.exp(-np.sqrt(3) * s)),
        (2.5, 0.3, lambda s: (1 + np.sqrt(5) * s + 5 * s**2 / 3) * np.exp(-np.sqrt(5) * s)),  # GRFsmooth
    ],
)
def test_gaussian_fields_have_materns_covariance(nu, gamma, closed):
    from bench.problems.dotmark import gaussian_field, matern

    lags = np.arange(0, 2, 0.1)
    assert np.allclose(matern(lags, nu), closed(lags), atol=1e-14)
    rng = np.random.default_rng(0)
    fields = np.stack([gaussian_field(16, nu, gamma, rng) for _ in range(1500)])
    # 1,500 independent fields: 4.5 standard errors of a variance are 4.5 sqrt(2 / 1500) at most
    assert abs(fields.var() - 1) < 0.165
    for lag in (1, 2, 4):
        for moved, still in ((fields[:, :, lag:], fields[:, :, :-lag]), (fields[:, lag:], fields[:, :-lag])):
            assert abs((moved * still).mean() - closed(lag / 16 / gamma)) < 0.165


def test_rough_fields_are_rough_at_every_resolution():
    # nu = 1/4: E (z(x + h) - z(x))^2 grows like sqrt(h), and a coarser image samples the same field
    from bench.problems.dotmark import gaussian_field, matern

    rng = np.random.default_rng(1)
    for size in (16, 32):
        fields = np.stack([gaussian_field(size, 0.25, 0.05, rng) for _ in range(400)])
        steps = ((fields[:, :, 1:] - fields[:, :, :-1]) ** 2).mean()
        assert steps == pytest.approx(2 - 2 * float(matern(np.array(1 / size / 0.05), 0.25)), rel=0.05)


def test_shapes_are_ten_figures():
    from bench.problems.dotmark import _figures, _shapes

    t = np.linspace(-1, 1, 401)
    areas = {name: inside(t[None, :], t[:, None]).mean() * 4 for name, inside in _figures().items()}
    wanted = {
        "disc": np.pi * 0.85**2, "ring": np.pi * (1 - 0.36), "triangle": 2.0, "square": 1.4**2,
        "cross": 4 - 4 * 0.7**2, "diamond": 2.0, "frame": 4 - 1.4**2, "board": 2.0,
        "star": 5 * np.sin(np.pi / 5) * (3 - np.sqrt(5)) / 2,
    }  # fmt: skip
    for name, area in wanted.items():
        assert areas[name] == pytest.approx(area, rel=0.03), name
    assert len(areas) == 10
    seen = {_shapes(32, np.random.default_rng(k)).tobytes() for k in range(100)}
    assert len(seen) == 10


def test_stored_optima_are_what_an_exact_solver_finds():
    stored = optima.committed()
    assert len(stored) > 60
    assert {name.split(":")[0] for name in stored} >= {
        "uniform",
        "iid",
        "sparse",
        "assign/iid",
        "tiny",
        "cells",
    }
    for name in ("tiny:64", "assign/machol-wien:64", "big-M:64"):
        problem = problems.build(name)
        assert stored[name]["proved"]
        assert stored[name]["fingerprint"] == problem.fingerprint()
        if problem.allows_all and problem.kind == "assignment":
            from scipy.optimize import linear_sum_assignment

            rows, cols = linear_sum_assignment(problem.matrix)
            assert Fraction(stored[name]["lower"]) == sum(map(Fraction, problem.matrix[rows, cols])) / len(
                rows
            )
        assert not optima.check(name, stored[name])


def test_a_wrong_stored_optimum_is_noticed():
    stored = dict(optima.committed()["tiny:64"])
    for key in ("lower", "upper"):
        stored[key] = str(Decimal(stored[key]) * Decimal("1.0000001"))
    assert "proved" in optima.check("tiny:64", stored)


def test_decimals_are_exact():
    for value in (0.1, 2.0**-80, 3.0, 1e300):
        assert Fraction(optima.decimal(value)) == Fraction(value)


# --- exchange formats -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("form", [dimacs, mps, matrix_market], ids=lambda f: f.__name__.split(".")[-1])
def test_formats_come_back(name, form, tmp_path):
    made = problems.build(name)
    path = tmp_path / "p.mtx"
    form.write(path, made)
    back = form.read(path)
    exact = form is not dimacs
    for mine, theirs in ((made.a, back.a), (made.b, back.b), (made.matrix, back.matrix)):
        finite = np.isfinite(mine)
        assert np.array_equal(finite, np.isfinite(theirs))
        off = np.abs(mine[finite] - theirs[finite]).max(initial=0.0)
        assert off == 0 if exact else off <= 2.0**-52 * np.abs(mine[finite]).max()


@pytest.mark.parametrize("name", SMALL)
def test_highs_reads_our_mps(name, tmp_path):
    highspy = pytest.importorskip("highspy")
    made = problems.build(name)
    mps.write(tmp_path / "p.mps", made)
    highs = highspy.Highs()
    highs.setOptionValue("output_flag", False)
    assert highs.readModel(str(tmp_path / "p.mps")) == highspy.HighsStatus.kOk
    highs.run()
    optimum = tp.solve(made.cost, made.a, made.b).value
    assert abs(highs.getObjectiveValue() - optimum) <= 1e-6 * max(optimum, 1e-3)


@pytest.mark.parametrize("name", SMALL[:4])
def test_glpk_reads_our_dimacs(name, tmp_path):
    glpk = pytest.importorskip("swiglpk")
    made = problems.build(name)
    dimacs.write(tmp_path / "p.min", made, bits=30)
    graph = glpk.glp_create_graph(8, 40)
    glpk.glp_term_out(glpk.GLP_OFF)
    assert glpk.glp_read_mincost(graph, 0, 8, 16, 24, str(tmp_path / "p.min")) == 0
    assert graph.nv == sum(made.shape)
    assert graph.na == int(np.isfinite(made.matrix).sum())
    glpk.glp_delete_graph(graph)


def test_or_tools_solves_our_dimacs(tmp_path):
    min_cost_flow = pytest.importorskip("ortools.graph.python.min_cost_flow")
    made = problems.build("sparse:20")
    dimacs.write(tmp_path / "p.min", made, bits=40)
    words = [line.split() for line in (tmp_path / "p.min").read_text().splitlines()]
    flow = min_cost_flow.SimpleMinCostFlow()
    for word in words:
        if word[0] == "a":
            tail, head, _, capacity, cost = map(int, word[1:])
            flow.add_arc_with_capacity_and_unit_cost(tail, head, capacity, cost)
        elif word[0] == "n":
            flow.set_node_supply(int(word[1]), int(word[2]))
    assert flow.solve() == flow.OPTIMAL
    units = {w[1]: float.fromhex(w[3]) for w in words if w[0] == "c" and w[2:3] == ["unit"]}
    optimum = tp.solve(made.cost, made.a, made.b).value
    assert flow.optimal_cost() * units["mass"] * units["cost"] == pytest.approx(optimum, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "p max 3 1\n",
        "p min 2 1\nn 1 1\nn 2 -1\na 1 2 1 1 5\n",
        "p min 2 1\na x 2 0 1 5\n",
        "p min 2 1\nn 1 1\nn 2 -1\na 2 1 0 1 5\n",
    ],
)
def test_malformed_dimacs_is_refused(text, tmp_path):
    (tmp_path / "p.min").write_text(text)
    with pytest.raises(ValueError, match=r"line|arc"):
        dimacs.read(tmp_path / "p.min")


# --- solvers --------------------------------------------------------------------------------------


def test_plans_by_force_run_on_request_alone():
    everything = solvers.chosen("")
    assert not any("plan:" in name for name in everything)
    assert solvers.chosen("kantorovich") == [n for n in everything if n.startswith("kantorovich")]
    forced = solvers.chosen("kantorovich plan")
    assert len(forced) == 9
    assert all("plan:" in name for name in forced)
    assert solvers.chosen("hub tree, POT emd2") == ["kantorovich plan: hub tree", "POT emd2", "POT emd2_1d"]


@pytest.mark.parametrize("name", ["iid:40", "wide:60", "assign/plane:128"])
def test_every_plan_by_force_is_right_and_is_the_plan_that_ran(name):
    problem = problems.build(name)
    known = score.truth(problem)
    for solver in map(solvers.SOLVERS.get, solvers.chosen("kantorovich plan")):
        if solver.refuses(problem):
            continue
        task = solvers.Task(problem.a, problem.b, kind=problem.kind)
        if solver.takes == "matrix":
            task.matrix = problem.matrix
        else:
            task.x, task.y, task.metric, task.power = problem.x, problem.y, problem.metric, problem.power
        answer = solver.prepare(task)()  # raises if another plan ran
        plan = tuple(np.asarray(part) for part in answer["plan"])
        assert score.judge(problem, known, {"value": answer["value"]}, plan)["verdict"] == "right"


# --- the judge ------------------------------------------------------------------------------------


def _judged(name, answer, plan=None):
    problem = problems.build(name)
    return score.judge(problem, score.truth(problem), answer, plan)


def test_a_right_plan_is_right_and_a_wrong_one_is_not_whatever_it_says():
    problem = problems.build("iid:20")
    sol = tp.solve(problem.cost, problem.a, problem.b)
    plan = sol.plan.toarray()
    assert _judged("iid:20", {"value": sol.value}, plan)["verdict"] == "right"
    product = np.outer(problem.a, problem.b)
    worse = 0.999 * plan + 0.001 * product
    gap = 0.001 * ((product * problem.matrix).sum() / sol.value - 1)
    found = _judged("iid:20", {"value": sol.value, "status": "optimal"}, worse)
    assert found["verdict"] == "wrong silently"
    assert found["gap"] == pytest.approx(gap, rel=1e-6)
    assert (
        _judged("iid:20", {"value": sol.value, "warnings": ["hm"]}, worse)["verdict"]
        == "wrong with a warning"
    )
    assert _judged("iid:20", {"status": "not converged"}, worse)["verdict"] == "wrong with a warning"
    assert _judged("iid:20", {"value": sol.value * 1.001})["verdict"] == "wrong silently"
    assert _judged("iid:20", {"value": float("nan")})["verdict"] == "wrong silently"
    assert _judged("iid:20", {}, np.full((20, 20), np.nan))["verdict"] == "wrong silently"
    assert _judged("iid:20", {}, plan[:10])["verdict"] == "wrong silently"
    assert _judged("iid:20", {})["verdict"] == "wrong silently"  # nothing was returned


def test_a_cheap_plan_with_wrong_marginals_is_wrong():
    problem = problems.build("iid:20")
    plan = tp.solve(problem.cost, problem.a, problem.b).plan.toarray()
    found = _judged("iid:20", {}, 0.999 * plan)
    assert found["verdict"] == "wrong silently"
    assert found["marginal_error"] == pytest.approx(2e-3, rel=1e-6)


def test_entropic_answers_are_judged_by_the_regularised_objective():
    problem = problems.build("entropic/plane:20:reg=0.05")
    kernel = np.exp(-problem.matrix / problem.reg)
    u, v = np.ones(20), np.ones(20)
    for _ in range(20_000):
        u = problem.a / (kernel @ v)
        v = problem.b / (kernel.T @ u)
    plan = u[:, None] * kernel * v
    assert score.judge(problem, score.truth(problem), {}, plan)["verdict"] == "right"
    exact = tp.solve(problem.matrix, problem.a, problem.b).plan.toarray()
    assert score.judge(problem, score.truth(problem), {}, exact)["verdict"] == "wrong silently"


def test_integer_codes_refuse_costs_they_would_round_away():
    with pytest.raises(ValueError, match="whole numbers"):
        whole_costs(np.array([1e20, 1.0]))
    assert np.array_equal(whole_costs(np.array([2.0, 1.0, 0.0])), [2**40, 2**39, 0])


# --- processes ------------------------------------------------------------------------------------

PLUGIN = '''
import os, time
import numpy as np
from bench.problems import Problem, equal, family
from bench.solvers import solver

@family("mine/steps", smoke=("5",))
def steps(n, *, seed=0):
    """Costs |i - j|."""
    i = np.arange(float(n))
    return Problem(equal(n), equal(n), given=np.abs(i[:, None] - i), kind="assignment")

MINE = {"package": "minepkg", "module": "minepkg"}

@solver("mine identity", **MINE)
def identity(task):
    return lambda: {"plan": np.diag(task.a)}

@solver("mine product", **MINE)
def product(task):
    print("libraries print things")
    return lambda: np.outer(task.a, task.b)

@solver("mine slow", **MINE)
def slow(task):
    return lambda: time.sleep(60)

@solver("mine greedy", **MINE)
def greedy(task):
    def call():
        keep = []
        while True:
            keep.append(np.ones(30_000_000)); time.sleep(0.1)
    return call

@solver("mine abort", **MINE)
def abort(task):
    return lambda: os._exit(3)

@solver("mine strict", **MINE)
def strict(task):
    raise ValueError("not today")

@solver("mine absent", package="nosuch", module="nosuch")
def absent(task):
    import nosuch
'''


@pytest.fixture
def plugin(tmp_path):
    """An installed package with an entry point for each of both groups, as pip would leave it."""
    (tmp_path / "minepkg.py").write_text(PLUGIN)
    facts = tmp_path / "minepkg-1.5.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: minepkg\nVersion: 1.5\n")
    (facts / "entry_points.txt").write_text(
        f"[{solvers.GROUP}]\nmine = minepkg\n[{problems.GROUP}]\nmine = minepkg\n"
    )
    return tmp_path


def test_a_package_brings_solvers_and_a_problem_and_limits_hold(plugin):
    out = plugin / "out"
    words = ["run", "--problems", "mine/steps:8", "--solvers", "mine", "--out", str(out)]
    words += ["--limit", "5", "--memory", "600", "--repeats", "2"]
    done = _bench(*words, path=plugin)
    assert done.returncode == 0, done.stderr
    assert "left out: mine absent (nosuch is not installed: pip install nosuch)" in done.stderr
    rows = {row["solver"]: row for row in data.read(out).rows}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        "mine identity": "right", "mine product": "wrong silently", "mine slow": "out of time",
        "mine greedy": "out of memory", "mine abort": "crashed", "mine strict": "refused",
    }  # fmt: skip
    assert rows["mine identity"]["version"] == "1.5"
    assert "not today" in rows["mine strict"]["reason"]
    assert len(rows["mine identity"]["times"]) == 2
    again = _bench(*words, path=plugin)  # resumable: nothing is left to do
    assert "0 runs" in again.stderr
    assert len(data.read(out).rows) == len(rows)
    assert _bench("report", str(out)).returncode == 0
    text = (out / "report.md").read_text()
    assert "mine product" in text
    assert "nosuch is not installed" in text
    assert "<script" not in (out / "report.html").read_text()


def test_a_failure_at_one_size_spares_the_larger_ones(tmp_path):
    ledger = run.Ledger(tmp_path, again=False)
    ledger.write(
        {"problem": "iid:100", "series": "iid", "solver": "s", "n": 100, "m": 100, "verdict": "out of time"}
    )
    ledger = run.Ledger(tmp_path, again=False)
    assert ledger.hopeless(problems.build("iid:101"), "s")
    assert not ledger.hopeless(problems.build("iid:100"), "s")
    assert not ledger.hopeless(problems.build("uniform:101"), "s")
    with ledger.path.open("a") as file:
        file.write('{"problem": "cut sho')
    assert len(run.read_rows(ledger.path)) == 1


def test_libraries_get_the_problem_itself(tmp_path):
    from bench.worker import read_task

    made = problems.build("forbidden:16")
    run.hand_over(made, ["matrix"], tmp_path)
    task = read_task(tmp_path, "matrix")
    assert np.array_equal(task.matrix, made.matrix)
    assert np.array_equal(task.a, made.a)
    assert np.array_equal(task.b, made.b)
    assert task.kind == "transport"
    assert Limits().threads == 1


def test_the_worker_needs_numpy_alone():
    code = (
        "import sys; from bench import worker, solvers; solvers.load(); "
        "print([m for m in ('transport', 'scipy', 'ot', 'numba') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout.strip() == "[]"


# --- reports --------------------------------------------------------------------------------------


def _row(problem, solver, seconds, *, n=100, verdict="right", series="s", kind="transport"):
    return {
        "problem": problem, "series": series, "kind": kind, "n": n, "m": n, "solver": solver,
        "claims": "exact", "seconds": seconds, "verdict": verdict, "added_mb": 2.0, "gap": 0.0,
    }  # fmt: skip


def test_profiles_and_exponents_by_hand():
    rows = [
        _row("s:100", "kantorovich", 1.0, n=100), _row("s:200", "kantorovich", 4.0, n=200),
        _row("s:400", "kantorovich", 16.0, n=400), _row("s:100", "rival", 0.5, n=100),
        _row("s:200", "rival", 8.0, n=200), _row("s:400", "rival", 9.0, n=400, verdict="wrong silently"),
    ]  # fmt: skip
    results = data.Results(rows)
    assert data.exponent(data.series(results, "seconds")["s"]["kantorovich"]) == pytest.approx(2.0)
    assert data.exponent([(1, 1.0), (2, 2.0)]) is None
    # two problems have two right answers: on the first the rival is twice as fast, on the second half
    found = data.profiles(results, ("transport",))
    assert found["kantorovich"] == [(1.0, 0.5), (2.0, 1.0)]
    assert found["rival"] == [(1.0, 0.5), (2.0, 1.0)]
    assert data.wins(results) == (1, 2)
    assert {name: counts for name, _, counts in data.counts(results)}["rival"]["wrong silently"] == 1


def test_pages_hold_every_row_and_escape_names():
    rows = [_row("s:100", "kantorovich", 1.0), _row("s:100", "a <b> & c", 2.0, verdict="wrong silently")]
    results = data.Results(
        rows, [{"machine": {"cpu": "x"}, "command": "python -m bench run", "absent": {"z": "not there"}}]
    )
    made = page.html(results)
    assert "a &lt;b&gt; &amp; c" in made
    assert "<b>" not in made
    assert made.count("<svg") == made.count("</svg>")
    assert "http" not in made.replace("http-equiv", "")
    from html.parser import HTMLParser

    HTMLParser().feed(made)
    assert "a <b> & c" in page.markdown(results)


def test_charts_place_points():
    axis = svg.Axis(1, 100, 0, 200, log=True)
    assert [round(axis.at(v)) for v in (1, 10, 100)] == [0, 100, 200]
    assert [label for _, label in axis.ticks()] == ["1", "2", "5", "10", "20", "50", "100"]
    assert svg.chart({"none": []}, ("n", "s")) == ""
    assert "polyline" in svg.chart({"one": [(10, 1.0)]}, ("n", "s"))


# --- commands -------------------------------------------------------------------------------------


def test_help_is_there_at_once(capsys):
    from bench import __main__ as front

    done = _bench("--help")
    assert done.returncode == 0
    assert done.stdout.startswith("``python -m bench``")
    code = "import sys; from bench import __main__; print('numpy' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert out.stdout == "False\n"  # so that nothing is waited for
    assert front.main([]) == 2
    assert front.main(["nothing"]) == 2
    assert front.main(["table"]) == 0
    for command in front.COMMANDS:
        with pytest.raises(SystemExit) as ended:
            front.main([command, "--help"])
        assert ended.value.code == 0
        assert "usage" in capsys.readouterr().out


def test_no_module_measures_when_asked_for_help():
    """Every module that can be run reads its arguments by argparse; two are workers that others start."""
    for path in sorted((ROOT / "bench").glob("*.py")):
        text = path.read_text()
        if "__main__" in text and path.stem not in ("__main__", "worker", "entropic_rivals"):
            assert re.search(r"ArgumentParser\(|arguments\(", text), path


def test_help_says_how_long_it_takes():
    import importlib

    from bench import __main__ as front

    for module in (*front.COMMANDS.values(), *(f"bench.{name}" for name in tables.STORES)):
        found = importlib.import_module(module)
        text = (
            f"{found.__doc__} {Path(str(found.__file__)).read_text()}"
            if "tables" in module
            else found.__doc__
        )
        assert re.search(r"second|minute|At once|estimate", str(text), re.I), module


@pytest.mark.parametrize("name", tables.STORES)
def test_tables_write_only_where_they_are_told_to(name, monkeypatch, capsys):
    import importlib

    module = importlib.import_module(f"bench.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main(["--help"]) if name in ("growth", "exact_points", "entropic_more") else module.main()
    assert ended.value.code == 0
    assert "--out" in capsys.readouterr().out


def test_save_writes_nothing_by_itself(tmp_path):
    from bench.report import arguments, save

    before = sorted(path.stat().st_mtime_ns for path in (ROOT / "bench" / "results").rglob("*"))
    assert save("exact", [["1"]], ["a"], to=arguments("").parse_args([])) is None
    made = save("exact", [["1"]], ["a"], to=arguments("").parse_args(["--out", str(tmp_path / "x")]))
    assert made == tmp_path / "x" / "exact.md"
    assert before == sorted(path.stat().st_mtime_ns for path in (ROOT / "bench" / "results").rglob("*"))


def test_a_missing_library_is_one_line(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util as u\nold = u.find_spec\n"
        "u.find_spec = lambda n, p=None: None if n == 'ot' else old(n, p)\n"
    )
    import os

    env = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(ROOT)]))
    command = [sys.executable, "-m", "bench.exact", "small"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("needs POT: pip install POT")
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--suite", "none"], "no suite"), ([], "--suite or --problems"),
        (["--problems", "uniform"], "a size is due"),
        (["--suite", "smoke", "--solvers", "zzz"], "no solver matches"),
    ],
)  # fmt: skip
def test_run_refuses_in_one_line(words, says, tmp_path):
    with pytest.raises(SystemExit, match=says):
        run.main([*words, "--out", str(tmp_path / "o")])
    assert not (tmp_path / "o").exists()


# --- what README says ------------------------------------------------------------------------------


def _published() -> list[Path]:
    return sorted((ROOT / "bench" / "results").glob("*/results.jsonl"))


def test_our_published_rows_are_all_right():
    for path in _published():
        rows = data.read(path.parent).rows
        ours = [row for row in rows if row["solver"].startswith("kantorovich")]
        assert ours
        assert [row for row in ours if row["verdict"] != "right"] == []


def test_published_reports_are_those_of_their_results():
    for path in _published():
        assert (path.parent / "report.md").read_text() == page.markdown(data.read(path.parent))
        assert (path.parent / "report.html").read_text() == page.html(data.read(path.parent))


def test_readme_quotes_the_published_tables():
    text = re.sub(r"\s+", " ", (ROOT / "README.md").read_text())
    families = (ROOT / "bench" / "results" / "families.md").read_text().split("Larger ones")[0]
    found = re.search(r"^(\d+), (\d+) and (\d+) problems", families, re.M)
    slower = {
        n: sum(line.split("|")[2].strip() == n for line in families.splitlines() if line.startswith("| "))
        for n in ("300", "1000", "3000")
    }
    said = (
        f"{slower['300']} of {found[1]} hard problems at n = 300, {slower['1000']} of {found[2]} at 1,000, "
        f"{slower['3000']} of {found[3]} at 3,000"
    )
    assert said in text
    for path, wanted in readme.pages().items():
        assert path.read_text() == wanted, "python -m bench report --readme"


def test_what_readme_says_is_counted_by_hand():
    rows = [
        _row("s:100", "kantorovich", 1.0), _row("s:100", "rival", 0.5), _row("s:200", "kantorovich", 1.0),
        _row("s:200", "rival", 2.0), _row("s:300", "rival", 2.0, verdict="wrong silently"),
    ]  # fmt: skip
    found = {"one": data.Results(rows)}
    said = readme.sentence(found)
    assert "1 solvers of other libraries" in said
    assert "`one` [1 of 2](bench/results/one/report.md)" in said
    assert "1 answers of others are silently wrong, 2 of our 2 right" in said
    assert "| 3        | 2       | 5    | 2 of 2     | 1                     | 1 of 2" in readme.overview(
        found
    )
    with pytest.raises(ValueError, match="markers"):
        readme.filled("no marker", "x")


def test_readme_figures_are_in_the_tables():
    rows = {}
    for name in ("exact_points", "exact_points_large", "exact"):
        for line in (ROOT / "bench" / "results" / f"{name}.md").read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) > 3:
                rows[(name, *cells[:3]) if name == "exact" else (name, cells[0])] = cells
    text = (ROOT / "README.md").read_text()
    line = next(line for line in text.splitlines() if "n = 1,000 weighted |" in line)
    stored = rows["exact_points", "weighted:1000"]
    quoted = [float(v) for v in re.findall(r"\| ([\d.]+) s", line)]
    assert quoted == pytest.approx([float(stored[1]), float(stored[2])], rel=0.05)
    line = next(line for line in text.splitlines() if "n = 10,000 weighted / uniform" in line)
    times = [rows["exact_points", f"{kind}:10000"] for kind in ("weighted", "uniform")]
    found = re.findall(r"([\d.]+) / ([\d.]+)", line)
    assert [float(v) for v in found[0]] == pytest.approx([float(t[1]) for t in times], rel=0.05)
    assert [float(v) for v in found[1]] == pytest.approx([float(t[2]) for t in times], rel=0.05)
    line = next(line for line in text.splitlines() if "cost matrix (`python -m bench.exact`)" in line)
    wanted = [rows["exact", "small", "plane, weighted", n] for n in ("50", "500")]
    assert f"{float(wanted[0][3]) * 1e3:.2f} ms" in line
    assert f"{float(wanted[1][3]) * 1e3:.1f} ms" in line


def test_conformance_names_solvers_that_exist():
    from bench import conformance

    for target, _, _ in [*conformance.SOLVERS.values(), *conformance.ASSIGNMENTS.values()]:
        module, _, name = target.partition(":")
        assert module.startswith("bench.solvers.")
        found = getattr(__import__(module, fromlist=[name]), name)
        assert isinstance(found, solvers.Solver)
    value = solvers.SOLVERS["kantorovich"]([[0.0, 2.0], [1.0, 0.0]], [0.75, 0.25], [0.5, 0.5])
    assert json.loads(json.dumps(value["value"])) == 0.5


def test_the_benchopt_export_is_python_and_leaves_others_files_alone(tmp_path, capsys):
    """It was run with benchopt 1.10; here: every file compiles, and every solver is named."""
    from bench import benchopt

    out = tmp_path / "export"
    assert benchopt.main([str(out), "--suite", "adversarial"]) == 0
    for path in out.glob("**/*.py"):
        compile(path.read_text(), str(path), "exec")
    assert "tiny:64" in (out / "datasets" / "problems.py").read_text()
    regular = set(solvers.chosen(""))
    listed = {name for name in regular if any(repr(name) in p.read_text() for p in out.glob("solvers/*.py"))}
    assert listed == regular
    (out / "solvers" / "mine.py").write_text("precious = 1\n")
    with pytest.raises(SystemExit) as ended:
        benchopt.main([str(out)])
    assert ended.value.code == 2
    assert (out / "solvers" / "mine.py").read_text() == "precious = 1\n"
