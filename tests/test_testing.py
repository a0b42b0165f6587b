"""The public strategies and assertions: right code passes, wrong code fails, answers are true."""

from __future__ import annotations

import math
import os

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
    Law,
    LawBroken,
    assert_distances,
    assert_laws,
    assert_transport_solver,
    check,
    conformance,
    costs,
    couplings,
    distributions,
    finite_metrics,
    gaussian_pairs,
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
    sample_pairs,
    transport_problems,
)
from divergences.testing._divergence_laws import FACTS
from divergences.testing._laws import SUBJECTS
from divergences.testing._parametric import FAMILIES
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
OURS |= {
    "solver": tp.solve,
    "gaussian": tp.bures_wasserstein,
    "line": lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b),
    "line_w2": lambda x, y, a, b: tp.wasserstein_1d(x, y, a=a, b=b, p=2),
}


@pytest.mark.parametrize("subject", SUBJECTS)
def test_ours_obey_every_law(subject):
    for law in laws_for(subject, **BATCHED.get(subject, {})):
        check(law, OURS[subject], max_examples=6)


BATCHED = {name: {"batched": True} for name in FACTS}


def _by_strategy():
    """The laws of every subject, those with one strategy of cases together: drawing takes the time."""
    found = {}
    for subject in SUBJECTS:
        for law in laws_for(subject, **BATCHED.get(subject, {})):
            found.setdefault(id(law.cases), []).append(law)
    return list(found.values())


@pytest.mark.deep
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(len(_by_strategy())))
def test_ours_obey_every_law_over_ten_thousand_examples(part):
    """Each law on KANTOROVICH_EXAMPLES cases (10,000): hours for all of them."""
    together = _by_strategy()[part]

    def judge(_, case):
        for law in together:
            for demand in law.judge(OURS[law.subject], case):
                yield demand._replace(shown=f"{law.subject}, {law.name}: {demand.shown}")

    law = together[0]
    examples = int(os.environ.get("KANTOROVICH_EXAMPLES", "10000"))
    check(Law(law.name, law.subject, law.statement, law.cases, judge), None, max_examples=examples, seed=1)


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


def _fresh(code):
    """Run in a process of its own, where nothing is loaded."""
    import subprocess
    import sys
    from pathlib import Path

    root = Path(__file__).parent.parent
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root)


FIRST = {
    "measures()": "dv.entropy(case)",
    "measure_pairs()": "dv.js(case.p, case.q)",
    "line_cases()": "tp.wasserstein_1d(case.x, case.y, a=case.a, b=case.b)",
    "point_clouds()": "tp.solve(tp.PointCloud(case.x, case.x, 'sqeuclidean'), case.a, case.a)",
    "costs()": "tp.solve(case)",
    "couplings()": "dv.kl(case.plan.ravel(), case.plan.ravel())",
    "known_optimal()": "tp.solve(case.cost, case.a, case.b)",
    "labelled_histograms()": "dv.tv(case.aligned.p, case.aligned.q)",
    "gaussian_pairs()": "tp.bures_wasserstein(case.mean_p, case.cov_p, case.mean_q, case.cov_q)",
    "sample_pairs()": "dv.energy(case.x, case.y)",
    "distributions(families=['norm'])": "dv.kl(case.law, case.law)",
    "transport_problems()": "tp.solve(case.cost, case.a, case.b)",
}
CHEAP = ("transport_problems()", "line_cases()")


def _bare_given_passes(strategy):
    done = _fresh(
        "from hypothesis import given, settings\n"
        f"from divergences.testing import {strategy.split('(')[0]}\n"
        "import transport as tp, divergences as dv\n"
        "@settings(max_examples=5, derandomize=True, database=None)\n"
        f"@given({strategy})\n"
        "def right(case):\n"
        f"    {FIRST[strategy]}\n"
        "right()\n"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("strategy", CHEAP)
def test_a_bare_given_passes_the_default_deadline_on_its_first_example(strategy):
    """In a process of its own: nothing is loaded, and Hypothesis' deadline of 200 ms holds."""
    _bare_given_passes(strategy)


@pytest.mark.deep
@pytest.mark.parametrize("strategy", [s for s in FIRST if s not in CHEAP])
def test_a_bare_given_of_any_strategy_passes_the_default_deadline(strategy):
    _bare_given_passes(strategy)


# --- strategies of laws with parameters


@settings(max_examples=40)
@given(distributions())
def test_laws_of_scipy_have_the_moments_their_formulas_say(case):
    """scipy's own moments are the independent source."""
    mean, variance = (float(v) for v in case.law.stats("mv"))
    assert case.mean == pytest.approx(mean, rel=1e-12, abs=1e-12)
    assert case.variance == pytest.approx(variance, rel=1e-10) or case.variance == variance == math.inf
    import scipy.stats

    space = {"scipy": __import__("scipy"), "case": case}
    exec(repr(case), space)
    assert space["law"].args == case.law.args
    assert isinstance(scipy.stats, type(math))


def test_every_family_is_drawn_and_strange_ones_are_refused():
    for name, family in FAMILIES.items():

        @settings(max_examples=2)
        @given(distributions(families=[name]))
        def holds(case):
            assert case.family == name  # noqa: B023
            assert hasattr(case.law.dist, "pmf") == family.discrete  # noqa: B023

        holds()
    with pytest.raises(ValueError, match="zipf"):
        distributions(families=["zipf"])
    with pytest.raises(ValueError, match="none is left"):
        distributions(families=["norm"], discrete=True)
    with pytest.raises(ValueError, match="no metric"):
        costs(metric=True, forbidden=True)


@settings(max_examples=30)
@given(gaussian_pairs(), gaussian_pairs(near=True))
def test_gaussian_pairs_know_their_distance(case, near):
    """The stored covariances are exactly M A M; the formula with matrix roots is the independent source."""
    from scipy.linalg import sqrtm

    for pair in (case, near):
        assert (pair.matrix @ pair.cov_p @ pair.matrix == pair.cov_q).all()
        assert np.linalg.eigvalsh(pair.matrix).min() > 0
    root = sqrtm(case.cov_p)
    cross = np.trace(sqrtm(root @ case.cov_q @ root)).real
    squared = ((case.mean_p - case.mean_q) ** 2).sum() + np.trace(case.cov_p + case.cov_q) - 2 * cross
    assert float(case.squared) == pytest.approx(squared, abs=1e-7 * np.trace(case.cov_p + case.cov_q))


@settings(max_examples=30)
@given(sample_pairs(), line_cases())
def test_samples_and_lines_know_their_distances(samples, line):
    from scipy import stats

    x, y = samples.x, samples.y
    n, m = len(x), len(y)
    cdf = stats.energy_distance(x, y) ** 2  # the V-statistic
    own = np.abs(x[:, None] - x).sum() / (n * n * (n - 1)) + np.abs(y[:, None] - y).sum() / (m * m * (m - 1))
    assert float(samples.energy) == pytest.approx(cdf - own, abs=1e-9)
    assert float(line.value) == pytest.approx(
        stats.wasserstein_distance(line.x, line.y, line.a, line.b), abs=1e-9
    )
    cost = (line.x[:, None] - line.y) ** 2
    assert float(line.squared) == pytest.approx(tp.solve(cost, line.a, line.b).value, rel=1e-12, abs=1e-12)


# --- messages


def test_assertions_show_a_line_that_reproduces_the_failure_and_hide_their_own_frames():
    wrong = {"js": lambda p, q: dv.js(p, q) / 2, "w": lambda x, y, a, b: 0.0, "kl": lambda p, q: dv.kl(q, p)}
    with pytest.raises(AssertionError) as found:
        assert_distances(js=wrong["js"])
    assert "p = np.array([" in str(found.value)
    line = next(text for text in str(found.value).splitlines() if "import numpy" in text)
    exec(line.strip(), {"f": wrong["js"]})
    with pytest.raises(AssertionError, match=r"x = np.array\(.*print\(f\(x, y, a, b\)\)"):
        assert_laws(w=wrong["w"])
    with pytest.raises(AssertionError, match=r"cost = np.array\(.*print\(f\(cost, a, b\)\)"):
        assert_transport_solver(lambda c, a, b: 0.0)
    for assertion in (assert_distances, assert_laws, assert_transport_solver, check):
        assert "__tracebackhide__" in assertion.__code__.co_varnames


# --- conformance: refusals and small cases


def test_conformance_of_divergences_wants_refusals():
    report = conformance(js=dv.js, tv="divergences:tv", entropy=dv.entropy, max_examples=3)
    assert report.ok, str(report)
    refused = [r for r in report.results if r.family == "must be refused"]
    assert len(refused) == 16 + 16 + 7

    def lenient(p, q):
        return (
            0.5 * float(np.abs(np.asarray(p) - np.asarray(q)).sum()) if len(p) == len(q) and len(p) else 0.0
        )

    found = conformance(tv=lenient, max_examples=3)
    assert "returned 0.5 of [1.0, 1.0], [0.5, 0.5]" in str(found)
    assert found.counts["wrong silently"] == 16


def test_assignment_solvers_have_cases_of_their_own():
    from scipy.optimize import linear_sum_assignment

    report = conformance(
        lambda c, a, b: {"plan": linear_sum_assignment(c)}, problems="assignment", isolate=False
    )
    assert {r.name for r in report.results if r.verdict != "right"} <= {"costs times 2^-60"}, str(report)
    ours = conformance(tp.solve, problems="assignment", isolate=False)
    assert ours.ok, str(ours)
    first = conformance(
        lambda c, a, b: np.eye(len(c)) / len(c), problems="assignment", isolate=False, shrink=9
    )
    assert first.counts["wrong silently"] > 15
    with pytest.raises(ValueError, match="transport, assignment"):
        conformance(tp.solve, problems="assignments")


def test_a_wrong_answer_is_shown_by_a_small_case():
    def largest(cost, a, b):
        return -tp.solve(-np.asarray(cost, dtype=float), a, b).value if np.isfinite(cost).all() else 0.0

    report = conformance(largest, isolate=False)
    small = next(r for r in report.results if r.family == "small")
    space = {"f": largest}
    exec(small.line, space)
    assert space["cost"].size <= 6
    assert small.line in str(report)


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
        report = conformance(f"misbehaving:{name}", time_limit=limit, shrink=0)
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


def test_every_file_that_is_mutated_exists():
    import runpy
    from pathlib import Path

    root = Path(__file__).parent.parent
    for files, tests in runpy.run_path(str(root / "tests/mutation/targets.py"))["MODES"].values():
        missing = [f for f in (*files, *(f"tests/test_{t}.py" for t in tests)) if not (root / f).exists()]
        assert not missing, "renamed? tests/mutation/targets.py names them"
