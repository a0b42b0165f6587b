"""The fixed cases that a transport solver is put through: each with its exact optimum, or one it must refuse.

Optima are proved in rational arithmetic, or known by construction (a drawn plan with potentials tight on it).
No case is meant to crash or hang anything: shapes are ordinary and every input is a plain array.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from divergences.hierarchy._exact_transport import exact_transport

RTOL = 1e-7  # of the optimum: above what any double-precision solver that is right leaves


@dataclass(frozen=True, eq=False)
class SolverCase:
    """One call ``solve(cost, a, b)`` and what a right solver makes of it.

    Attributes
    ----------
    family, name : str
    cost, a, b : array
    value : Fraction or None
        The exact optimum; None where the problem must be refused.
    slack : float
        How far a right value may be off: RTOL of the optimum, or of a typical cost where that is 0.
    """

    family: str
    name: str
    cost: Any
    a: Any
    b: Any
    value: Fraction | None
    slack: float = 0.0


def _fractions(x: np.ndarray) -> Any:
    return [_fractions(row) for row in x] if x.ndim > 1 else [Fraction(float(v)) for v in x]


def exactly(family: str, name: str, cost: Any, a: Any, b: Any) -> SolverCase:
    """The optimum of the stored numbers, proved in integers."""
    value, _ = exact_transport(*(_fractions(np.asarray(v)) for v in (cost, a, b)))
    return SolverCase(family, name, cost, a, b, value, _slack(value, cost))


def _slack(value: Fraction, cost: Any) -> float:
    return RTOL * (
        abs(float(value)) or 1e-3 * float(np.median(np.abs(np.asarray(cost, dtype=float)))) or 1e-300
    )


def _masses(rng: np.random.Generator, size: int, *, empty: bool = False) -> np.ndarray:
    """Multiples of 2^-20 with exact total 1."""
    counts = rng.multinomial(2**20, rng.dirichlet(np.full(size, 2.0)))
    if empty and size > 1:
        counts[0] += counts[-1]
        counts[-1] = 0
    return counts / 2.0**20


def _by_construction(rng: np.random.Generator, name: str, n: int, m: int) -> SolverCase:
    """Costs f_i + g_j where a plan (north-west corner of shuffled atoms) has mass, and more elsewhere."""
    a, b = _masses(rng, n), _masses(rng, m)
    rows, columns = rng.permutation(n), rng.permutation(m)
    f, g = rng.integers(-32, 32, n) / 8, rng.integers(-32, 32, m) / 8
    cost = f[:, None] + g + rng.integers(1, 64, (n, m)) / 8
    left, room = a.copy(), b.copy()
    i = j = 0
    while i < n and j < m:
        cost[rows[i], columns[j]] = f[rows[i]] + g[columns[j]]
        moved = min(left[rows[i]], room[columns[j]])
        left[rows[i]] -= moved
        room[columns[j]] -= moved
        if float(left[rows[i]]) == 0.0 and i < n - 1:
            i += 1
        else:
            j += 1
    value = sum((Fraction(u) * Fraction(v) for u, v in zip([*f, *g], [*a, *b])), Fraction(0))
    return SolverCase("known optimum", name, cost, a, b, value, _slack(value, cost))


def _small(rng: np.random.Generator) -> Iterator[SolverCase]:
    for k in range(8):
        n, m = (int(v) for v in rng.integers(2, 8, 2))
        cost = rng.integers(0, 9 if k % 2 else 1000, (n, m)) / 8
        yield exactly("small", f"{n} x {m}", cost, _masses(rng, n), _masses(rng, m))
    for k in (-60, -40, -30, 40, 100):
        cost = np.ldexp(rng.integers(1, 100, (6, 5)).astype(float), k)
        yield exactly("scale", f"costs times 2^{k}", cost, _masses(rng, 6), _masses(rng, 5))
    yield exactly(
        "degenerate", "costs 0 and 1", rng.integers(0, 2, (8, 8)) / 1.0, np.full(8, 1 / 8), np.full(8, 1 / 8)
    )
    yield exactly("degenerate", "all costs equal", np.full((4, 8), 3.0), np.full(4, 1 / 4), np.full(8, 1 / 8))
    yield exactly("degenerate", "all costs 0", np.zeros((5, 4)), _masses(rng, 5), _masses(rng, 4))
    yield exactly("degenerate", "one source", rng.random((1, 9)), np.ones(1), _masses(rng, 9))
    empty = _masses(rng, 6, empty=True), _masses(rng, 5, empty=True)
    yield exactly("atoms of no mass", "one on either side", rng.integers(0, 50, (6, 5)) / 4, *empty)


def _spread(rng: np.random.Generator) -> Iterator[SolverCase]:
    a, b = _masses(rng, 6), _masses(rng, 6)
    base = rng.integers(1, 64, (6, 6)) / 8
    outlier = np.array(base)
    outlier[2] += 2.0**50
    yield exactly("spread", "a row 2^50 away", outlier, a, b)
    wall = np.array(base)
    wall[0, 1:] = 1e32
    yield exactly(
        "spread", "1e32 for forbidden", wall, np.array([0.25, *[0.15] * 5]), np.array([0.25, *[0.15] * 5])
    )
    yield exactly("spread", "costs over 12 decades", 10.0 ** rng.integers(-12, 1, (6, 6)), a, b)
    yield exactly("spread", "a constant 2^30 added", base + 2.0**30, a, b)
    x = np.concatenate([np.arange(4) * 2.0**-30, 1 + np.arange(4) * 2.0**-30])
    y = x + rng.integers(1, 4, 8) * 2.0**-31
    uniform = np.full(8, 1 / 8)
    yield exactly("spread", "two clusters, tiny displacements", np.abs(x[:, None] - y), uniform, uniform)


def _types(rng: np.random.Generator) -> Iterator[SolverCase]:
    whole = rng.integers(0, 200, (5, 6))
    a, b = _masses(rng, 5), _masses(rng, 6)
    for kind in (np.int64, np.uint8, np.float32):
        yield exactly("types and layouts", f"costs of {kind.__name__}", whole.astype(kind), a, b)
    cost = whole / 8
    yield exactly("types and layouts", "column-major costs", np.asfortranarray(cost), a, b)
    yield exactly("types and layouts", "strided masses", cost, np.repeat(a, 2)[::2], np.repeat(b, 3)[::3])
    locked = cost.copy()
    locked.setflags(write=False)
    yield exactly("types and layouts", "read-only costs", locked, a, b)


def _forbidden(rng: np.random.Generator) -> Iterator[SolverCase]:
    for name, n in (("half of the arcs", 6), ("a band", 8)):
        cost = rng.integers(1, 64, (n, n)) / 8
        uniform = np.full(n, 1 / 8) if n == 8 else np.array([0.25, 0.25, 0.125, 0.125, 0.125, 0.125])
        allowed = (
            np.abs(np.subtract.outer(np.arange(n), np.arange(n))) < 2 if n == 8 else rng.random((n, n)) < 0.5
        )
        np.fill_diagonal(allowed, True)
        big = np.where(allowed, cost, 1e6)  # never used: the diagonal is feasible and costs at most 8
        value, _ = exact_transport(*(_fractions(v) for v in (big, uniform, uniform)))
        costs = np.where(allowed, cost, np.inf)
        yield SolverCase("forbidden arcs", name, costs, uniform, uniform, value, _slack(value, cost))


def _refused(rng: np.random.Generator) -> Iterator[SolverCase]:
    cost, half = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([0.5, 0.5])
    bad = {
        "NaN in the costs": (np.array([[np.nan, 2.0], [3.0, 5.0]]), half, half),
        "-inf in the costs": (np.array([[-np.inf, 2.0], [3.0, 5.0]]), half, half),
        "NaN in the masses": (cost, np.array([np.nan, 0.5]), half),
        "a negative mass": (cost, np.array([1.5, -0.5]), half),
        "totals that differ by 1e-3": (cost, half, np.array([0.5, 0.501])),
        "totals that differ by half": (cost, half, np.array([0.25, 0.25])),
        "mass that no arc can take": (np.array([[np.inf, 2.0], [np.inf, 5.0]]), half, half),
    }
    for name, (c, a, b) in bad.items():
        yield SolverCase("must be refused", name, c, a, b, None)


def assignment_cases(seed: int = 0) -> list[SolverCase]:
    """Square costs and equal masses, for solvers of the assignment problem."""
    rng = np.random.default_rng([seed, 1])

    def equal(n: int) -> np.ndarray:
        return np.full(n, 1.0 / n)

    def made(family: str, name: str, cost: Any) -> SolverCase:
        return exactly(family, name, cost, equal(len(cost)), equal(len(cost)))

    cases = [made("small", f"{n} x {n}", rng.integers(0, 1000, (n, n)) / 8) for n in (1, 2, 4, 8, 8, 16)]
    for k in (-60, -40, -30, 40, 100):
        cost = np.ldexp(rng.integers(1, 100, (8, 8)).astype(float), k)
        cases.append(made("scale", f"costs times 2^{k}", cost))
    cases += [
        made("degenerate", "costs 0 and 1", rng.integers(0, 2, (16, 16)) / 1.0),
        made("degenerate", "all costs equal", np.full((8, 8), 3.0)),
        made("degenerate", "products i j", np.outer(np.arange(16.0), np.arange(16.0))),
        made("degenerate", "negative costs", -rng.integers(0, 64, (8, 8)) / 8),
        made(
            "spread",
            "a row 2^50 away",
            rng.integers(1, 64, (8, 8)) / 8 + 2.0**50 * (np.arange(8) == 2)[:, None],
        ),
        made("spread", "a constant 2^30 added", rng.integers(1, 64, (8, 8)) / 8 + 2.0**30),
        made("spread", "costs over 12 decades", 10.0 ** rng.integers(-12, 1, (8, 8))),
        made("types and layouts", "costs of int64", rng.integers(0, 200, (8, 8))),
        made("types and layouts", "costs of float32", rng.integers(0, 200, (8, 8)).astype(np.float32)),
        made("types and layouts", "column-major costs", np.asfortranarray(rng.integers(0, 200, (8, 8)) / 8)),
    ]
    for n in (64, 256):
        f, g = rng.integers(-32, 32, n) / 8, rng.integers(-32, 32, n) / 8
        cost = f[:, None] + g + rng.integers(1, 64, (n, n)) / 8
        where = rng.permutation(n)
        cost[np.arange(n), where] = f + g[where]
        value = sum((Fraction(v) for v in [*f, *g]), Fraction(0)) / n
        cases.append(
            SolverCase("known optimum", f"{n} x {n}", cost, equal(n), equal(n), value, _slack(value, cost))
        )
    cases += [c for c in _forbidden(rng) if c.a[0] == c.a[-1]]
    bad = {"NaN in the costs": np.nan, "-inf in the costs": -np.inf}
    for name, entry in bad.items():
        cost = np.array([[entry, 2.0], [3.0, 5.0]])
        cases.append(SolverCase("must be refused", name, cost, equal(2), equal(2), None))
    cost = np.array([[np.inf, 2.0], [np.inf, 5.0]])
    cases.append(SolverCase("must be refused", "mass that no arc can take", cost, equal(2), equal(2), None))
    return cases


def solver_cases(seed: int = 0) -> list[SolverCase]:
    """All cases; ``seed`` draws other numbers for the same kinds."""
    rng = np.random.default_rng(seed)
    cases = [*_small(rng)]
    for n, m in ((50, 50), (3, 500), (500, 3), (1, 40), (40, 1), (20, 2000), (120, 80)):
        cases.append(_by_construction(rng, f"{n} x {m}", n, m))
    cases += [*_spread(rng), *_types(rng), *_forbidden(rng), *_refused(rng)]
    return cases
