"""The public strategies and assertions: right code passes, wrong code fails, answers are true."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st
from scipy.optimize import linprog

import divergences as dv
import transport as tp
from divergences.hierarchy import BOUNDS, Pair, Verdict
from divergences.hierarchy._mutants import all_mutants
from divergences.testing import (
    LawBroken,
    assert_distances,
    assert_laws,
    assert_transport_solver,
    check,
    conformance,
    costs,
    couplings,
    finite_metrics,
    known_optimal,
    labelled_histograms,
    laws,
    laws_for,
    line_cases,
    line_pairs,
    measure_pairs,
    measures,
    metric_pairs,
    near_equal_pairs,
    point_clouds,
    transport_problems,
)
from divergences.testing._laws import SUBJECTS
from divergences.testing._problems import KINDS
from divergences.testing._strategies import RELATIONS


@given(st.integers(1, 6).flatmap(lambda n: laws(n, zeros=False)))
def test_laws_are_exact_and_full(law):
    assert sum(law) == 1
    assert min(law) > 0
    assert math.fsum(float(x) for x in law) == 1.0


@given(finite_metrics(5))
def test_finite_metrics_are_metrics(d):
    n = len(d)
    assert all(d[i][j] <= d[i][k] + d[k][j] for i in range(n) for j in range(n) for k in range(n))
    assert all((d[i][j] == 0) == (i == j) for i in range(n) for j in range(n))


@given(near_equal_pairs())
def test_near_equal_pairs_are_near_and_floats_are_exact(pair):
    gap = max(abs(x - y) for x, y in zip(pair.p, pair.q))
    assert 0 < gap < 2**-9
    assert min(pair.q) > 0
    p, q = np.array(pair.p, dtype=float), np.array(pair.q, dtype=float)
    assert dv.js(p, q) == pytest.approx(float(pair.enclose("js")), rel=1e-12)
    assert dv.kl(p, q) == pytest.approx(float(pair.enclose("kl")), rel=1e-12)
    assert dv.tv(p, q) == pytest.approx(float(pair.enclose("tv")), rel=1e-12)


@given(transport_problems(negative=True))
def test_transport_problems_carry_their_true_value(problem):
    n, m = problem.cost.shape
    marginals = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    found = linprog(
        problem.cost.ravel(), A_eq=marginals[:-1], b_eq=np.concatenate([problem.a, problem.b])[:-1]
    )
    assert found.fun == pytest.approx(float(problem.value), abs=1e-8)
    ours = tp.solve(problem.cost, problem.a, problem.b)
    assert ours.value == pytest.approx(float(problem.value), rel=1e-12, abs=1e-13)


@given(line_pairs(), metric_pairs())
def test_ours_against_the_strategies_truth(line, space):
    p, q = np.array(line.p, dtype=float), np.array(line.q, dtype=float)
    x = np.array(line.points, dtype=float)
    assert tp.wasserstein_1d(x, x, a=p, b=q) == pytest.approx(float(line.enclose("w")), rel=1e-12)
    cost = np.array(space.distance, dtype=float)
    found = tp.solve(cost, np.array(space.p, dtype=float), np.array(space.q, dtype=float))
    assert found.value == pytest.approx(float(space.enclose("w")), rel=1e-12, abs=1e-15)


def test_right_distances_pass():
    assert_laws(kl=dv.kl, js=dv.js, tv=dv.tv, w=lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b))
    assert_distances(kl=dv.kl, js=dv.js, tv=dv.tv, w=lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b))
    assert_transport_solver(tp.solve)


@pytest.mark.parametrize("mutant", all_mutants(), ids=lambda m: f"{m.functional}-{m.name}")
def test_wrong_distances_fail(mutant):
    with pytest.raises(AssertionError):
        assert_distances(**{mutant.functional: mutant.wrong})


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (lambda c, a, b: float(a @ c @ b), "random"),
        (lambda c, a, b: tp.solve(c, a, b).value * (1 + 1e-7), "random"),
        (lambda c, a, b: tp.solve(np.round(c, 9), a, b).value, "2\\^-"),
        (lambda c, a, b: tp.solve(np.abs(c), np.sort(a), np.sort(b)).value, "random|order"),
    ],
)
def test_wrong_solvers_fail(wrong, what):
    with pytest.raises(AssertionError, match=what):
        assert_transport_solver(wrong)


def test_something_must_be_given():
    for assertion in (assert_laws, assert_distances):
        with pytest.raises(ValueError, match="at least one of"):
            assertion()
    with pytest.raises(ValueError, match="bits"):
        given(laws(3, bits=60))(lambda law: None)()


SEARCHED = [name for name, b in BOUNDS.items() if not {"sigma", "density"} & set(b.space)]


@pytest.mark.deep
@pytest.mark.parametrize("name", SEARCHED)
def test_hypothesis_drives_the_ratio_up_and_never_past_one(name):
    bound = BOUNDS[name]

    @settings(max_examples=400)
    @given(line_pairs(max_size=4))
    def push(pair: Pair) -> None:
        check = bound.check(pair)
        target(min(float(check.ratio.lo), 2.0))
        assert check.verdict is not Verdict.VIOLATED

    push()


# --- strategies: what they promise


@pytest.mark.parametrize("relation", RELATIONS)
def test_measure_pairs_are_in_the_relation_they_were_asked_for(relation):
    @settings(max_examples=25)
    @given(measure_pairs(relation))
    def holds(case):
        p, q = case.p, case.q
        assert p.sum() == q.sum() == 1.0
        assert [float(x) for x in case.exact[0]] == p.tolist()
        if relation == "equal":
            assert (p == q).all()
        elif relation == "near-equal":
            assert 0 < np.abs(p - q).max() < 2**-13
            assert p.min() > 0
        elif relation == "disjoint":
            assert (p * q == 0).all()
        elif relation == "dominated":
            assert (q > 0)[p > 0].all()
        elif relation == "same-support":
            assert ((p > 0) == (q > 0)).all()
        elif relation == "one atom apart":
            assert ((q == 0) & (p > 0)).sum() == 1

    holds()


@given(measure_pairs())
def test_pairs_know_their_divergences(case):
    """Two independent sources: the decimals of the case and this library's kernels."""
    for name in ("kl", "js", "tv", "squared_hellinger", "chi2", "jeffreys", "js_distance", "hellinger"):
        assert float(getattr(dv, name)(case.p, case.q)) == pytest.approx(case.true(name), rel=1e-12, abs=0)


@given(measures(min_size=2, max_size=3), couplings(), point_clouds(3))
def test_masses_are_exact(p, coupling, cloud):
    assert p.sum() == coupling.plan.sum() == cloud.a.sum() == 1.0
    assert (coupling.plan.sum(axis=1) == coupling.a).all()
    assert (coupling.plan.sum(axis=0) == coupling.b).all()
    assert cloud.x.shape == (len(cloud.a), 3)


@pytest.mark.parametrize("kind", KINDS)
def test_known_optima_are_optimal(kind):
    @settings(max_examples=15)
    @given(known_optimal(kind))
    def holds(case):
        sol = tp.solve(case.cost, case.a, case.b)
        assert sol.value == pytest.approx(float(case.value), rel=1e-12, abs=1e-12 * np.abs(case.cost).max())

    holds()


@given(costs(metric=True), costs(ties=True), costs(forbidden=True), costs(scale=-40))
def test_costs_are_of_the_kind_asked_for(metric, ties, forbidden, scaled):
    assert (metric == metric.T).all()
    assert (metric[:, None, :] <= metric[:, :, None] + metric[None]).all()
    assert set(np.unique(ties)) <= {0.0, 1.0}
    assert np.isfinite(forbidden).any(axis=0).all()
    assert np.isfinite(forbidden).any(axis=1).all()
    assert scaled.max() < 2**-30


@given(labelled_histograms())
def test_labels_differ_in_order_or_kind_and_the_truth_is_by_label(case):
    union = sorted(set(case.p) | set(case.q))
    p, q = (np.array([side.get(k, 0.0) for k in union]) for side in (case.p, case.q))
    assert float(dv.tv(p, q)) == pytest.approx(case.true("tv"), rel=1e-12, abs=0)


def test_strategies_of_another_namespace():
    import array_api_strict

    @settings(max_examples=5)
    @given(measures(xp=array_api_strict), transport_problems(xp=array_api_strict))
    def holds(p, case):
        assert isinstance(p, type(array_api_strict.asarray(0.0)))
        assert float(array_api_strict.sum(p)) == 1.0
        assert tp.solve(case.cost, case.a, case.b).value == pytest.approx(
            float(case.value), rel=1e-12, abs=1e-13
        )

    holds()


def test_unknown_words_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="near-equal"):
        measure_pairs("similar")
    with pytest.raises(ValueError, match="monotone"):
        known_optimal("sorted")
    with pytest.raises(ValueError, match="squared_hellinger"):
        laws_for("hellinger squared")
    with pytest.raises(ValueError, match="nothing given"):
        conformance()
    with pytest.raises(ValueError, match="subjects are"):
        conformance(jsd=dv.js)
    with pytest.raises(ValueError, match="pass isolate=False"):
        conformance(lambda cost, a, b: 0.0)
    with pytest.raises(ValueError, match="module:function"):
        conformance("transport.solve")


# --- laws: ours obey, wrong ones are caught, and the smallest case is small

OURS = {name: getattr(dv, name) for name in SUBJECTS if hasattr(dv, name)}
OURS |= {"solver": tp.solve, "line": lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b)}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_ours_obey_every_law(subject):
    for law in laws_for(subject):
        check(law, OURS[subject], max_examples=8)


@pytest.mark.deep
@pytest.mark.parametrize("subject", SUBJECTS)
def test_ours_obey_every_law_at_length(subject):
    for law in laws_for(subject):
        check(law, OURS[subject], max_examples=1000, seed=1)


def _greedy(cost, a, b):
    """The cheapest arc first: a plan with right marginals that is not optimal."""
    a, b, plan = np.array(a), np.array(b), np.zeros(cost.shape)
    for k in np.argsort(cost, axis=None):
        i, j = divmod(int(k), cost.shape[1])
        plan[i, j] = moved = min(a[i], b[j])
        a[i] -= moved
        b[j] -= moved
    return plan


def test_a_greedy_solver_is_shown_by_two_by_two_with_halves():
    law = next(law for law in laws_for("solver") if law.name == "value")
    with pytest.raises(LawBroken) as found:
        check(law, _greedy)
    case = found.value.case
    assert case.cost.shape == (2, 2)
    assert case.a.tolist() == case.b.tolist() == [0.5, 0.5]
    message = str(found.value)
    assert "cost = np.array([[" in message
    assert "print(f(cost, a, b))" in message
    assert "wanted: ==" in message


def _silent(function):
    def quiet(*args):
        with np.errstate(all="ignore"):
            return function(*args)

    return quiet


def _kl(p, q):
    return np.sum(p[p > 0] * np.log(p[p > 0] / q[p > 0]))


WRONG = {
    "js with a half": ("js", lambda p, q: dv.js(p, q) / 2, "value"),
    "naive js": ("js", lambda p, q: _kl(p, (p + q) / 2) + _kl(q, (p + q) / 2), "digits near equality"),
    "kl with an epsilon": ("kl", lambda p, q: _kl(p + 1e-12, q + 1e-12), "off the support"),
    "kl that skips what q lacks": ("kl", lambda p, q: _kl(p[q > 0], q[q > 0]), "off the support"),
    "kl reversed": ("kl", lambda p, q: dv.kl(q, p), "value"),
    "tv without a half": ("tv", lambda p, q: 2 * dv.tv(p, q), "range"),
    "tv in place": ("tv", lambda p, q: 0.5 * np.abs(np.subtract(p, q, out=p)).sum(), "arguments kept"),
    "hellinger squared": ("hellinger", dv.squared_hellinger, "triangle inequality"),
    "chi2 of the other side": ("chi2", lambda p, q: dv.chi2(q, p), "value"),
    "an expanded square": ("chi2", lambda p, q: np.sum(p * p / q) - 1.0, "digits near equality"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_divergences_break_the_law_that_names_their_fault(name):
    subject, wrong, law_name = WRONG[name]
    law = next(law for law in laws_for(subject) if law.name == law_name)
    with pytest.raises(LawBroken):
        check(law, _silent(wrong), max_examples=40)


WRONG_SOLVERS = {
    "the product plan": (lambda c, a, b: np.outer(a, b), "value"),
    "rounded costs": (lambda c, a, b: tp.solve(np.round(c, 9), a, b), "unit of cost"),
    "a value that is not its plan's": (
        lambda c, a, b: {"value": tp.solve(c, a, b).value, "plan": np.outer(a, b)},
        "plan",
    ),
    "potentials with the wrong sign": (
        lambda c, a, b: {
            "value": tp.solve(c, a, b).value,
            "potentials": [-x for x in tp.solve(c + 1.0, a, b).potentials],
        },
        "dual",
    ),
    "one mass for repeated atoms": (lambda c, a, b: tp.solve(np.unique(c, axis=0), a, b), "splitting"),
    "costs kept in their own type": (
        lambda c, a, b: float((tp.solve(c, a, b).plan.toarray().astype(c.dtype) * c).sum()),
        "integers",
    ),
}


@pytest.mark.parametrize("name", WRONG_SOLVERS)
def test_wrong_solvers_break_the_law_that_names_their_fault(name):
    wrong, law_name = WRONG_SOLVERS[name]
    law = next(law for law in laws_for("solver") if law.name == law_name)
    with pytest.raises(LawBroken):
        check(law, wrong, max_examples=40)


def test_a_bare_given_passes_the_default_deadline_on_its_first_example():
    """In a process of its own: nothing is loaded, and Hypothesis' deadline of 200 ms holds."""
    import subprocess
    import sys
    from pathlib import Path

    code = (
        "from hypothesis import given, settings\n"
        "from divergences.testing import transport_problems\n"
        "import transport as tp\n"
        "@settings(max_examples=5, derandomize=True, database=None)\n"
        "@given(transport_problems())\n"
        "def right(case):\n"
        "    assert abs(tp.solve(case.cost, case.a, case.b).value - float(case.value)) <= 1e-12\n"
        "right()\n"
    )
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr


# --- conformance


def test_our_solver_conforms_in_a_process_of_its_own():
    report = conformance("transport:solve", time_limit=60.0)
    assert report.ok, str(report)
    assert report.counts["right"] == len(report.results) > 40


def test_verdicts_of_solvers_that_misbehave(tmp_path, monkeypatch):
    (tmp_path / "misbehaving.py").write_text(
        "import os, time, warnings\n"
        "import transport as tp\n"
        "def crash(cost, a, b):\n"
        "    if cost.shape == (50, 50): os._exit(7)\n"
        "    return tp.solve(cost, a, b)\n"
        "def hang(cost, a, b):\n"
        "    if cost.shape == (50, 50): time.sleep(60)\n"
        "    return tp.solve(cost, a, b)\n"
        "def refuse(cost, a, b): raise RuntimeError('no')\n"
        "def warn(cost, a, b):\n"
        "    warnings.warn('not converged')\n"
        "    return 0.0\n"
        "def silent(cost, a, b): return 0.0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    wanted = {"crash": "crashed", "hang": "hung", "refuse": "refused", "warn": "wrong with a warning"}
    for name, verdict in {**wanted, "silent": "wrong silently"}.items():
        limit = 3.0 if name == "hang" else 60.0
        report = conformance(f"misbehaving:{name}", time_limit=limit)
        assert not report.ok
        assert report.counts[verdict] >= (1 if name in ("crash", "hang") else 30), str(report)
        if name in ("crash", "hang"):
            assert report.counts["right"] == len(report.results) - 1, str(report)
        assert verdict in str(report)


def test_drift_detectors_are_judged_by_false_alarms_and_power():
    from scipy import stats

    honest = conformance(drift=lambda x, y: stats.mannwhitneyu(x, y).pvalue)
    assert honest.ok, str(honest)
    jumpy = conformance(drift=lambda x, y: stats.mannwhitneyu(x, y).pvalue / 3)
    assert jumpy.counts["wrong silently"] == 4
    asleep = conformance(drift=lambda x, y: 1.0)
    assert [r.family for r in asleep.results if r.verdict != "right"] == ["power"]


def test_the_pytest_plugin_runs_the_cases_and_refuses_unknown_solvers(tmp_path):
    import subprocess
    import sys
    from pathlib import Path

    (tmp_path / "silly.py").write_text("def zero(cost, a, b): return 0.0\n")
    (tmp_path / "test_mine.py").write_text("def test_mine(): pass\n")
    root = str(Path(__file__).parent.parent)

    def run(target):
        import os

        plugin = [] if _installed_plugin() else ["-p", "divergences._pytest_plugin"]
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                *plugin,
                f"--ot-solver={target}",
                "-p",
                "no:cacheprovider",
            ],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([root, str(tmp_path)])},
        )

    found = run("silly:zero")
    assert found.returncode == 1, found.stderr
    assert "wrong silently: returned 0.0, exactly" in found.stdout
    unknown = run("silly:one")
    assert unknown.returncode == 4
    assert "names no solver" in unknown.stderr


def _installed_plugin() -> bool:
    from importlib.metadata import entry_points

    return any(e.name == "kantorovich" for e in entry_points(group="pytest11"))


@settings(max_examples=20)
@given(line_cases())
def test_line_cases_know_their_distance(case):
    assert OURS["line"](case.x, case.y, case.a, case.b) == pytest.approx(
        float(case.value), rel=1e-12, abs=1e-15
    )
