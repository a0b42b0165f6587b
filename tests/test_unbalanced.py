"""Soft marginals against closed forms, linear and convex programmes by other means, and their laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

import transport as tp


def problem(seed, n=6, m=5, totals=(1.0, 1.3)):
    rng = np.random.default_rng(seed)
    c = rng.random((n, m))
    return c, totals[0] * rng.dirichlet(np.ones(n)), totals[1] * rng.dirichlet(np.ones(m))


@pytest.mark.parametrize(
    ("c", "a", "b", "rho"), [(1.0, 2.0, 2.0, 1.0), (0.3, 0.5, 4.0, 0.2), (5.0, 1.0, 1.0, 0.7)]
)
def test_kl_of_one_pair(c, a, b, rho):
    """p minimises c p + rho KL(p | a) + rho KL(p | b), and that + reg KL(p | a b)."""
    p = math.sqrt(a * b) * math.exp(-c / (2 * rho))
    value = c * p + rho * (p * math.log(p / a) - p + a) + rho * (p * math.log(p / b) - p + b)
    sol = tp.solve([[c]], [a], [b], marginals=tp.KL(rho))
    assert sol.value == pytest.approx(value, rel=1e-10)
    assert sol.lower_bound <= value * (1 + 1e-15)
    assert sol.stats["mass"] == pytest.approx(p, rel=1e-10)
    reg = 0.4
    p = math.exp((rho * math.log(a * b) + reg * math.log(a * b) - c) / (2 * rho + reg))
    sol = tp.solve([[c]], [a], [b], marginals=tp.KL(rho), solver=tp.Sinkhorn(reg))
    assert sol.stats["mass"] == pytest.approx(p, rel=1e-12)
    kl = sum(rho * (p * math.log(p / w) - p + w) for w in (a, b)) + reg * (
        p * math.log(p / (a * b)) - p + a * b
    )
    assert sol.stats["regularised"] == pytest.approx(c * p + kl, rel=1e-12)


def kl(r, a):
    return np.sum(r * np.log(np.maximum(r, 1e-300) / a) - r + a)


@pytest.mark.parametrize("pair", ["KL", "KL two", "KL and fixed", "fixed and KL"])
@pytest.mark.parametrize("reg", [0.0, 0.05, 1.0])
def test_kl_by_a_general_optimiser(pair, reg):
    c, a, b = problem(3, 4, 3)
    rho = {"KL": (0.5, 0.5), "KL two": (0.2, 2.0), "KL and fixed": (0.5, None), "fixed and KL": (None, 0.3)}[
        pair
    ]
    marginals = tuple(None if r is None else tp.KL(r) for r in rho)
    solver = tp.Sinkhorn(reg) if reg else None
    sol = tp.solve(c, a, b, marginals=marginals if pair != "KL" else tp.KL(0.5), solver=solver)
    weights = a[:, None] * b

    def objective(z, big=1e3):
        plan = z.reshape(c.shape)
        out = (plan * c).sum()
        for r, mass, price in ((plan.sum(1), a, rho[0]), (plan.sum(0), b, rho[1])):
            out += big * ((r - mass) ** 2).sum() if price is None else price * kl(r, mass)
        return out + (
            reg * np.sum(plan * np.log(np.maximum(plan, 1e-300) / weights) - plan + weights) if reg else 0
        )

    found = minimize(
        objective, weights.ravel(), bounds=[(1e-12, None)] * c.size, method="L-BFGS-B",
        options={"maxiter": 20000, "maxfun": 10**6, "ftol": 1e-15, "gtol": 1e-10},
    )  # fmt: skip
    mine = objective(sol.plan.toarray().ravel())
    assert mine <= found.fun * (1 + 1e-7) + (5e-3 if None in rho else 0.0)
    assert sol.stats["regularised" if reg else "transport_cost"] is not None
    target = sol.stats["regularised"] if reg else sol.value
    assert target == pytest.approx(mine, rel=1e-8)
    assert sol.lower_bound <= sol.value <= sol.upper_bound
    assert sol.stats["regularised_upper"] - sol.stats["regularised_lower"] <= 1e-8
    if not reg:
        assert sol.gap <= 1e-9 * sol.upper_bound
    for place, price, mass in ((1, rho[0], a), (0, rho[1], b)):
        if price is None:
            np.testing.assert_allclose(sol.plan.toarray().sum(place), mass, rtol=1e-12)


def by_highs(c, a, b, lam=None, mass=None):
    """TV: plan and what is left out on either side; Partial: inequalities and one equation."""
    n, m = c.shape
    rows, cols = np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))
    if mass is not None:
        return linprog(
            c.ravel(),
            A_ub=np.vstack([rows, cols]),
            b_ub=np.concatenate([a, b]),
            A_eq=np.ones((1, n * m)),
            b_eq=[mass],
        ).fun
    eq = np.hstack([np.vstack([rows, cols]), np.eye(n + m)])
    price = np.concatenate([c.ravel(), np.full(n + m, lam)])
    return linprog(price, A_eq=eq, b_eq=np.concatenate([a, b])).fun


@pytest.mark.parametrize("seed", range(4))
def test_tv_and_partial_by_highs(seed):
    c, a, b = problem(seed, 9, 7)
    for lam in (0.05, 0.2, 2.0):
        sol = tp.solve(c, a, b, marginals=tp.TV(lam))
        assert sol.value == pytest.approx(by_highs(c, a, b, lam=lam), rel=1e-9)
        assert sol.gap <= 1e-12 * sol.upper_bound
        f, g = sol.duals
        assert (f[:, None] + g <= c + 1e-12).all()
        assert f.max() <= lam + 1e-12
        blurred = tp.solve(c, a, b, marginals=tp.TV(lam), solver=tp.Sinkhorn(1e-3))
        assert sol.value * (1 - 1e-9) <= blurred.value <= sol.value + 0.02
        assert blurred.lower_bound <= sol.value
    for mass in (0.1, 0.6, 1.0):
        sol = tp.solve(c, a, b, marginals=tp.Partial(mass))
        assert sol.value == pytest.approx(by_highs(c, a, b, mass=mass), rel=1e-9)
        assert sol.gap <= 1e-12 * sol.upper_bound + 1e-15
        plan = sol.plan.toarray()
        assert plan.sum() == pytest.approx(mass, rel=1e-12)
        assert (plan.sum(1) <= a + 1e-15).all()
        assert (plan.sum(0) <= b + 1e-15).all()
        f, g = sol.duals
        assert (f[:, None] + g + sol.stats["multiplier"] <= c + 1e-12).all()
        assert max(f.max(), g.max()) <= 1e-12


def test_laws():
    rng = np.random.default_rng(5)
    x, y = rng.random((30, 2)), rng.random((20, 2))
    a, b = rng.dirichlet(np.ones(30)), rng.dirichlet(np.ones(20))
    cases = [
        (m, s)
        for m in (tp.KL(0.3), tp.TV(0.2), tp.Partial(0.5))
        for s in (None, tp.Sinkhorn(0.05))
        if s is None or not isinstance(m, tp.Partial)
    ]
    for marginals, solver in cases:

        def value(u, v, s=a, t=b, k=1, marginals=marginals, solver=solver):
            sol = tp.solve(
                tp.PointCloud(np.repeat(u, k, 0), v),
                np.repeat(s / k, k),
                t,
                marginals=marginals,
                solver=solver,
            )
            return sol.value

        once = value(x, y)
        assert value(x, y, k=3) == pytest.approx(once, rel=1e-6), "copies of atoms change nothing"
        near, far = value(x, x, s=a, t=a), value(x, x + 3.0, s=a, t=a)
        assert 0 <= near < far, "further is dearer"
        matrix = tp.solve(((x[:, None] - y) ** 2).sum(-1), a, b, marginals=marginals, solver=solver)
        assert matrix.value == pytest.approx(once, rel=1e-8)
    for k in (-30, 25):
        two = 2.0**k
        for name in (tp.KL, tp.TV):
            c = ((x[:, None] - y) ** 2).sum(-1)
            one = tp.solve(c, a, b, marginals=name(0.25), solver=tp.Sinkhorn(0.125))
            other = tp.solve(c * two, a, b, marginals=name(0.25 * two), solver=tp.Sinkhorn(0.125 * two))
            assert other.value == pytest.approx(one.value * two, rel=1e-14)
            np.testing.assert_allclose(other.plan.toarray(), one.plan.toarray(), rtol=1e-13)


def test_refusals():
    c, a, b = problem(0)
    for bad in (0.0, -1.0, math.nan):
        for kind in (tp.KL, tp.TV, tp.Partial):
            with pytest.raises(ValueError):
                kind(bad)
    with pytest.raises(ValueError, match="hold"):
        tp.solve(c, a, b, marginals=tp.Partial(1.2))
    with pytest.raises(ValueError, match="marginals"):
        tp.solve(c, a, b, marginals="kl")
    with pytest.raises(ValueError, match="fixed"):
        tp.solve(c, a, b, marginals=(None, None))
    with pytest.raises(ValueError, match="costs >= 0"):
        tp.solve(c - 1, a, b, marginals=tp.TV(1.0))
    with pytest.raises(ValueError, match="Sinkhorn"):
        tp.solve(c, a, b, marginals=(tp.TV(1.0), None))
    with pytest.raises(tp.ConvergenceError):
        tp.solve(c, a, b, marginals=tp.KL(1.0), max_iter=1)


@pytest.mark.parametrize("reg", [0.0, 0.05])
@pytest.mark.parametrize("name", ["KL", "KL and fixed", "TV", "Partial"])
def test_gradient_in_the_masses(name, reg):
    """By differences, masses of either side on their own; an atom without mass has a derivative too."""
    c, a, b = problem(8, 5, 4)
    a[1] = 0.0
    marginals = {
        "KL": tp.KL(0.4), "KL and fixed": (tp.KL(0.4), None), "TV": tp.TV(0.2), "Partial": tp.Partial(0.7),
    }[name]  # fmt: skip
    if name == "Partial" and reg:
        return
    solver = tp.Sinkhorn(reg) if reg else None

    def solved(s, t):
        return tp.solve(c, s, t, marginals=marginals, solver=solver, tol=1e-12, throw=False)

    def value(s, t):
        sol = solved(s, t)
        return sol.stats["regularised"] if reg else sol.value

    by_a, by_b = solved(a, b).gradient().a, solved(a, b).gradient().b
    h = 1e-6
    for i in range(5):
        e = h * (np.arange(5) == i)
        if i == 1 and name in ("TV", "Partial"):  # one-sided kinks
            continue
        found = (
            (value(a + e, b) - value(a, b)) / h if i == 1 else (value(a + e, b) - value(a - e, b)) / (2 * h)
        )
        assert by_a[i] == pytest.approx(found, abs=3e-4 if i == 1 else 2e-6)
    for j in range(4):
        e = h * (np.arange(4) == j)
        assert by_b[j] == pytest.approx((value(a, b + e) - value(a, b - e)) / (2 * h), abs=2e-6)
    if name == "KL":
        with pytest.raises(ValueError, match="fixed"):
            solved(a, b).certify()
