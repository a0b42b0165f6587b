"""Plausible wrong copies of this library's functions: laws, or `conformance`, catch each by default."""

from __future__ import annotations

import math

import numpy as np
import pytest

import divergences as dv
import transport as tp
from divergences.testing import LawBroken, check, conformance, laws_for


def _terms(p, q):
    p, q = np.asarray(p, dtype=float), np.asarray(q, dtype=float)
    with np.errstate(all="ignore"):
        return np.where(p > 0, p * np.log(p / np.where(q > 0, q, np.where(p > 0, 0.0, 1.0))), 0.0)


def _kl(p, q):
    return float(np.sum(_terms(p, q)))


def _large(p, limit=64):
    return np.size(p) > limit


def _f32(*arrays):
    return [np.asarray(v, dtype=np.float32) for v in arrays]


def _normalised(p):
    p = np.asarray(p, dtype=float)
    return p / p.sum()


def _block_kl(p, q):
    return dv.kl(p, q) if not _large(p) else _kl(p[:64], q[:64])


DIVERGENCES = {
    "js halved": ("js", lambda p, q: dv.js(p, q) / 2),
    "js in bits": ("js", lambda p, q: dv.js(p, q) / math.log(2)),
    "js against the geometric mean": ("js", lambda p, q: _kl(p, np.sqrt(p * q)) + _kl(q, np.sqrt(p * q))),
    "js by the textbook": ("js", lambda p, q: _kl(p, (p + q) / 2) + _kl(q, (p + q) / 2)),
    "js of one side, doubled": ("js", lambda p, q: 2 * dv.kl(p, (p + q) / 2)),
    "js distance without its root": ("js_distance", lambda p, q: dv.js(p, q) / 2),
    "js distance of the whole js": ("js_distance", lambda p, q: math.sqrt(dv.js(p, q))),
    "kl in bits": ("kl", lambda p, q: dv.kl(p, q) / math.log(2)),
    "kl clipped": ("kl", lambda p, q: _kl(np.clip(p, 1e-12, 1), np.clip(q, 1e-12, 1))),
    "kl that leaves out what q lacks": ("kl", lambda p, q: _kl(p[q > 0], q[q > 0])),
    "kl reversed": ("kl", lambda p, q: dv.kl(q, p)),
    "kl made symmetric": ("kl", lambda p, q: (dv.kl(p, q) + dv.kl(q, p)) / 2),
    "kl cut off at 1e3": ("kl", lambda p, q: min(dv.kl(p, q), 1e3)),
    "kl in float32": ("kl", lambda p, q: float(np.sum(_terms(*_f32(p, q)).astype(np.float32)))),
    "kl of the first 64 atoms": ("kl", _block_kl),
    "kl with -log1p of the ratio's rest": ("kl", lambda p, q: float(-np.sum(p * np.log1p((q - p) / p)))),
    "tv without a half": ("tv", lambda p, q: float(np.abs(p - q).sum())),
    "tv as the largest difference": ("tv", lambda p, q: float(np.abs(p - q).max())),
    "tv of squares": ("tv", lambda p, q: 0.5 * float(np.sqrt(np.sum((p - q) ** 2)))),
    "tv of distribution functions": ("tv", lambda p, q: float(np.abs(np.cumsum(p - q)).max())),
    "tv in place": ("tv", lambda p, q: 0.5 * float(np.abs(np.subtract(p, q, out=p)).sum())),
    "chi2 exchanged": ("chi2", lambda p, q: dv.chi2(q, p)),
    "chi2 of counts, over both": ("chi2", lambda p, q: float(np.sum((p - q) ** 2 / (p + q + 1e-300)))),
    "chi2 expanded": ("chi2", lambda p, q: float(np.sum(p * p / np.maximum(q, 1e-300)) - 1)),
    "hellinger without its root": ("hellinger", dv.squared_hellinger),
    "hellinger without 1/sqrt 2": ("hellinger", lambda p, q: float(np.linalg.norm(np.sqrt(p) - np.sqrt(q)))),
    "squared hellinger by 1 - affinity": (
        "squared_hellinger",
        lambda p, q: float(1 - np.sum(np.sqrt(p * q))),
    ),
    "jeffreys of one side": ("jeffreys", lambda p, q: 2 * dv.kl(p, q)),
    "jeffreys halved": ("jeffreys", lambda p, q: dv.jeffreys(p, q) / 2),
    "entropy in bits": ("entropy", lambda p: dv.entropy(p) / math.log(2)),
    "entropy with an epsilon": ("entropy", lambda p: float(-np.sum(p * np.log(p + 1e-10)))),
    "entropy by the mean": ("entropy", lambda p: dv.entropy(p) * len(p) / max(np.count_nonzero(p), 1)),
    "cross entropy exchanged": ("cross_entropy", lambda p, q: dv.cross_entropy(q, p)),
    "cross entropy clipped": ("cross_entropy", lambda p, q: float(-np.sum(p * np.log(np.maximum(q, 1e-15))))),
    "energy over all pairs": (
        "energy",
        lambda x, y: float(
            2 * np.abs(x[:, None] - y).mean()
            - np.abs(x[:, None] - x).mean()
            - np.abs(y[:, None] - y).mean()
        ),
    ),
    "energy without its 2": (
        "energy",
        lambda x, y: dv.energy(x, y) - float(np.abs(x[:, None] - y).mean()),
    ),
}  # fmt: skip


def _one_dimensional(order):
    """W_p by sorted samples, as for equal masses, whatever the weights."""

    def w(x, y, a, b):
        n = min(len(x), len(y))
        return float(np.mean(np.abs(np.sort(x)[:n] - np.sort(y)[:n]) ** order) ** (1 / order))

    return w


def _by_index(x, y, a, b):
    n = max(len(x), len(y))
    a, b = (np.append(v, np.zeros(n - len(v))) for v in (a, b))
    return float(np.abs(np.cumsum(a - b)).sum())


def _unsorted(x, y, a, b):
    values = np.sort(np.concatenate([x, y]))
    steps = np.cumsum(np.concatenate([a, -b])[:-1])
    return float(np.sum(np.abs(steps) * np.diff(values)))


def _w(power, *, root=True, change=lambda x, y, a, b: (x, y, a, b)):
    def w(x, y, a, b):
        x, y, a, b = change(x, y, a, b)
        found = tp.wasserstein_1d(x, y, a=a, b=b, p=power)
        return found if root else found**power

    return w


def _by_moments(x, y, a, b):
    deviations = [math.sqrt(max(v**2 @ c - (v @ c) ** 2, 0)) for v, c in ((x, a), (y, b))]
    return math.hypot(x @ a - y @ b, deviations[0] - deviations[1])


LINES = {
    "weights left out": ("line", _one_dimensional(1)),
    "indices for positions": ("line", _by_index),
    "masses not sorted with their points": ("line", _unsorted),
    "w1 of |x|": ("line", _w(1, change=lambda x, y, a, b: (np.abs(x), np.abs(y), a, b))),
    "w1 in whole units": ("line", _w(1, change=lambda x, y, a, b: (np.rint(x), np.rint(y), a, b))),
    "w1 of the first 64": ("line", _w(1, change=lambda x, y, a, b: (
        x[:64], y[:64], a[:64] / a[:64].sum(), b[:64] / b[:64].sum()) if len(x) > 64 else (x, y, a, b))),
    "w2 for w1": ("line", _w(2)),
    "w1 by the difference of means": ("line", lambda x, y, a, b: abs(float(x @ a - y @ b))),
    "w2 not rooted": ("line_w2", _w(2, root=False)),
    "w1 for w2": ("line_w2", _w(1)),
    "w2 without weights": ("line_w2", _one_dimensional(2)),
    "w2 by mean and deviation": ("line_w2", _by_moments),
}  # fmt: skip


def _sqrtm(c):
    values, vectors = np.linalg.eigh(c)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _bures(m, a, n, b, *, root=True, cross=None):
    middle = _sqrtm(_sqrtm(a) @ b @ _sqrtm(a)) if cross is None else cross(a, b)
    found = float(np.sum((m - n) ** 2) + np.trace(a) + np.trace(b) - 2 * np.trace(middle))
    return math.sqrt(max(found, 0.0)) if root else found


GAUSSIANS = {
    "bures not rooted": lambda m, a, n, b: tp.bures_wasserstein(m, a, n, b) ** 2,
    "roots as if they commuted": lambda m, a, n, b: _bures(
        m, a, n, b, cross=lambda a, b: _sqrtm(a) @ _sqrtm(b)
    ),
    "means left out": lambda m, a, n, b: tp.bures_wasserstein(m * 0, a, n * 0, b),
    "diagonals alone": lambda m, a, n, b: tp.bures_wasserstein(
        m, np.diag(np.diag(a)), n, np.diag(np.diag(b))
    ),
    "one covariance for a root": lambda m, a, n, b: _bures(
        m, a, n, b, cross=lambda a, b: _sqrtm(a @ b @ b @ a)
    ),
    "traces that cancel": _bures,
}


def _greedy(cost, a, b):
    a, b, plan = np.array(a), np.array(b), np.zeros(cost.shape)
    for k in np.argsort(cost, axis=None, kind="stable"):
        i, j = divmod(int(k), cost.shape[1])
        plan[i, j] = moved = min(a[i], b[j])
        a[i] -= moved
        b[j] -= moved
    return plan


def _uniform(cost, a, b):
    n, m = cost.shape
    return tp.solve(cost, np.full(n, 1 / n), np.full(m, 1 / m)).value


def _answer(cost, a, b, *, plan=None, potentials=None):
    sol = tp.solve(cost, a, b)
    return {
        "value": sol.value,
        "plan": (plan or (lambda P: P))(sol.plan.toarray()),
        "potentials": (potentials or (lambda f, g: (f, g)))(*sol.potentials),
    }


def _transposed(cost, a, b):
    plan = tp.solve(cost, a, b).plan.toarray()
    return {"value": tp.solve(cost, a, b).value, "plan": plan.T if cost.shape[0] == cost.shape[1] else plan}


def _square_only(cost, a, b):
    n = min(cost.shape)
    return tp.solve(cost[:n, :n], _normalised(a[:n] + 1e-300), _normalised(b[:n] + 1e-300)).value


def _at_ties(cost, a, b):
    tied = np.unique(cost).size < cost.size
    return (
        tp.solve(cost + 1e-7 * np.arange(cost.size).reshape(cost.shape), a, b).value
        if tied
        else tp.solve(cost, a, b)
    )


def _off_when_large(cost, a, b):
    return _greedy(cost, a, b) if max(cost.shape) > 64 else tp.solve(cost, a, b)


SOLVERS = {
    "greedy": _greedy,
    "the product plan": lambda c, a, b: np.outer(a, b),
    "weights left out": _uniform,
    "costs rounded": lambda c, a, b: tp.solve(np.round(c, 6), a, b).value,
    "costs in float32": lambda c, a, b: tp.solve(c.astype(np.float32).astype(float), a, b).value,
    "plan transposed": _transposed,
    "potentials negated": lambda c, a, b: _answer(c, a, b, potentials=lambda f, g: (-f, -g)),
    "one potential negated": lambda c, a, b: _answer(c, a, b, potentials=lambda f, g: (f, -g)),
    "potentials of nothing": lambda c, a, b: {
        "value": tp.solve(c, a, b).value, "potentials": (np.zeros(len(a)), np.zeros(len(b)))},
    "plan that misses its columns": lambda c, a, b: _answer(c, a, b, plan=lambda P: P * (1 + 1e-6)),
    "a plan with negative mass": lambda c, a, b: _answer(c, a, b, plan=lambda P: P - 1e-4 * (P == 0)),
    "wrong unless square": _square_only,
    "off at ties": _at_ties,
    "greedy beyond 64 atoms": _off_when_large,
    "masses rounded to a thousandth": lambda c, a, b: tp.solve(
        c, _normalised(np.round(a, 3) + 1e-300), _normalised(np.round(b, 3) + 1e-300)).value,
    "stops a little early": lambda c, a, b: tp.solve(c, a, b).value * (1 + 1e-8),
    "entropic": lambda c, a, b: tp.solve(c, a, b, solver=tp.Sinkhorn(reg=0.05)).plan.toarray(),
    "costs of their largest, as 1": lambda c, a, b: tp.solve(c / (np.max(c) or 1.0), a, b).value,
    "atoms of no mass dropped with their neighbour": lambda c, a, b: tp.solve(
        c[np.append(True, a[:-1] > 0)], _normalised(a[np.append(True, a[:-1] > 0)] + 1e-300), b).value,
}  # fmt: skip


CASES = {
    **{f"{subject}: {name}": (subject, wrong) for name, (subject, wrong) in {**DIVERGENCES, **LINES}.items()},
    **{f"gaussian: {name}": ("gaussian", wrong) for name, wrong in GAUSSIANS.items()},
    **{f"solver: {name}": ("solver", wrong) for name, wrong in SOLVERS.items()},
}
LAW = {  # that catches it first; "value" catches the others
    "js: js by the textbook": "digits near equality",
    "squared_hellinger: squared hellinger by 1 - affinity": "digits near equality",
    "gaussian: traces that cancel": "digits near equality",
    "kl: kl of the first 64 atoms": "many atoms",
    "line: w1 of the first 64": "many atoms",
    "tv: tv in place": "arguments kept",
    "solver: costs rounded": "unit of cost",
    "solver: costs in float32": "unit of cost",
    "solver: plan transposed": "plan",
    "solver: plan that misses its columns": "plan",
    "solver: a plan with negative mass": "plan",
    "solver: potentials negated": "dual",
    "solver: one potential negated": "dual",
    "solver: potentials of nothing": "dual",
    "solver: greedy beyond 64 atoms": "many atoms",
}
QUICK = (
    "js: js in bits",
    "kl: kl clipped",
    "chi2: chi2 expanded",
    "hellinger: hellinger without 1/sqrt 2",
    "entropy: entropy in bits",
    "energy: energy without its 2",
    "gaussian: means left out",
)


def _broken(name):
    """How the law that names its fault caught it, at the default budget."""
    subject, wrong = CASES[name]

    def quiet(*given):
        with np.errstate(all="ignore"):
            return wrong(*given)

    law = next(law for law in laws_for(subject) if law.name == LAW.get(name, "value"))
    with pytest.raises(LawBroken) as found:
        check(law, quiet)
    return found.value


@pytest.mark.parametrize("name", QUICK)
def test_a_wrong_copy_is_caught(name):
    broken = _broken(name)
    assert "f(" in str(broken) or broken.error is not None


@pytest.mark.deep
@pytest.mark.parametrize("name", [name for name in CASES if name not in QUICK])
def test_a_wrong_copy_is_caught_at_length(name):
    _broken(name)


SILENT = {
    "totals made 1": lambda p, q: dv.kl(_normalised(p), _normalised(q)),
    "negative masses cut off": lambda p, q: dv.kl(
        _normalised(np.maximum(p, 0)), _normalised(np.maximum(q, 0))
    ),
    "NaN taken for 0": lambda p, q: dv.kl(_normalised(np.nan_to_num(p)), _normalised(np.nan_to_num(q))),
    "the longer law cut": lambda p, q: dv.kl(_normalised(p[: len(q)]), _normalised(q[: len(p)])),
}


@pytest.mark.parametrize("name", SILENT)
def test_what_takes_masses_that_are_no_law_is_not_conformant(name):
    """On laws they are right: only the inputs to be refused tell."""

    def quiet(p, q):
        with np.errstate(all="ignore"):
            return SILENT[name](p, q)

    report = conformance(kl=quiet, max_examples=5)
    assert {r.family for r in report.results if r.verdict != "right"} == {"must be refused"}, str(report)


def test_a_solver_that_makes_totals_equal_is_not_conformant():
    report = conformance(lambda c, a, b: tp.solve(c, _normalised(a), _normalised(b)), isolate=False, shrink=0)
    assert {r.name for r in report.results if r.verdict != "right"} >= {"totals that differ by 1e-3"}
