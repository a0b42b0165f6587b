"""Laws of transport solvers ``solve(cost, a, b)``.

A solver may answer with a number, a plan (2-D array), or an object or mapping with ``value`` and, if it has
them, ``plan`` and ``potentials``: what is there is judged. Tolerance: 1e-9 of the largest cost (in size), as
a solver's value may cancel; scaling laws compare with the scaled truth, so no absolute tolerance can pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from divergences.testing._cases import TransportProblem, floats, literal
from divergences.testing._law import Demand, Judge, Law
from divergences.testing._problems import known_optimal, transport_problems
from divergences.testing._strategies import apportion, finite_metrics, weights

RTOL = 1e-9
UNITS = {"2.0**-60": 2.0**-60, "2.0**-40": 2.0**-40, "2.0**40": 2.0**40, "(1 + 2.0**-25)": 1 + 2.0**-25}
Solver = Callable[[np.ndarray, np.ndarray, np.ndarray], Any]


class Answer(NamedTuple):
    """What could be read of a solver's answer."""

    value: float
    plan: np.ndarray | None
    potentials: tuple[np.ndarray, np.ndarray] | None


def _dense(plan: Any) -> np.ndarray | None:
    if plan is None:
        return None
    return np.asarray(plan.toarray() if hasattr(plan, "toarray") else plan, dtype=float)


def read_answer(answer: Any, cost: np.ndarray) -> Answer:
    """A number, a plan, or an object (or mapping) with value, plan and potentials; a plan alone is priced.

    In a mapping the plan may be (rows, columns) of an assignment, or (rows, columns, masses).

    Raises
    ------
    TypeError
        If there is no value to read.
    """
    look: Callable[[str], Any] = (
        answer.get if isinstance(answer, Mapping) else lambda name: getattr(answer, name, None)
    )
    array = None if isinstance(answer, Mapping) or hasattr(answer, "value") else answer
    if array is not None and np.ndim(array) == 2:
        plan = _dense(array)
        assert plan is not None
        return Answer(price(cost, plan), plan, None)
    if array is not None:
        return Answer(float(array), None, None)
    value, given = look("value"), look("plan")
    plan = _assigned(given, cost.shape) if isinstance(given, tuple) else _dense(given)
    if value is None and plan is not None:
        value = price(cost, plan)
    if value is None:
        raise TypeError(
            f"no value in a {type(answer).__name__}: return a number, a plan, or an object with .value"
        )
    pair = look("potentials")
    potentials = (
        None if pair is None else (np.asarray(pair[0], dtype=float), np.asarray(pair[1], dtype=float))
    )
    return Answer(float(value), plan, potentials)


def _assigned(plan: tuple[Any, ...], shape: tuple[int, ...]) -> np.ndarray:
    """(rows, columns) with equal masses, or (rows, columns, masses), as a matrix."""
    rows, columns = (np.asarray(v, dtype=np.int64) for v in plan[:2])
    found = np.zeros(shape)
    np.add.at(found, (rows, columns), plan[2] if len(plan) > 2 else 1.0 / max(shape[0], 1))
    return found


def price(cost: np.ndarray, plan: np.ndarray) -> float:
    """<C, P>, summed without rounding; a forbidden arc counts only where mass uses it."""
    used = plan != 0
    return math.fsum((cost[used] * plan[used]).tolist())


def _run(solve: Solver, cost: Any, a: Any, b: Any) -> Answer:
    given = np.array(cost)
    return read_answer(solve(given, np.array(a), np.array(b)), np.asarray(cost, dtype=float))


def _size(case: TransportProblem) -> float:
    return float(np.abs(case.cost).max()) or 1.0


def _same(found: float, wanted: float, size: float, what: str, line: str) -> Demand:
    return Demand(found, "==", wanted, RTOL * size, what, line)


def _value(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    found = _run(solve, case.cost, case.a, case.b).value
    yield _same(found, float(case.value), _size(case), "value and the exact optimum", "f(cost, a, b)")


def _unit_of_cost(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    """Powers of two, and 1 + 2^-25, which single precision takes for 1."""
    for unit, factor in UNITS.items():
        found = _run(solve, case.cost * factor, case.a, case.b).value
        wanted = float(case.value * Fraction(factor))
        line = f"f(cost * {unit}, a, b)"
        yield _same(found, wanted, _size(case) * factor, f"value of cost x {unit}, exact", line)


def _constants(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    u, v = np.arange(len(case.a), dtype=float), 2.0 - np.arange(len(case.b), dtype=float)
    shift = sum((Fraction(float(x)) * int(k) for x, k in zip(case.a, u)), Fraction(0))
    shift += sum((Fraction(float(x)) * int(k) for x, k in zip(case.b, v)), Fraction(0))
    found = _run(solve, case.cost + u[:, None] + v, case.a, case.b).value
    line = "f(cost + np.arange(len(a))[:, None] + 2. - np.arange(len(b)), a, b)"
    wanted = float(case.value + shift)
    yield _same(found, wanted, _size(case) + 16, "value with constants added to rows and columns", line)


def _order(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    found = _run(solve, case.cost[::-1, ::-1], case.a[::-1], case.b[::-1]).value
    line = "f(cost[::-1, ::-1].copy(), a[::-1].copy(), b[::-1].copy())"
    yield _same(found, float(case.value), _size(case), "value with the atoms reversed", line)


def _transposed(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    found = _run(solve, case.cost.T, case.b, case.a).value
    yield _same(
        found, float(case.value), _size(case), "value with a and b exchanged", "f(cost.T.copy(), b, a)"
    )


def _splitting(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    cost, a = np.repeat(case.cost, 2, axis=0), np.repeat(case.a / 2, 2)
    line = "f(np.repeat(cost, 2, axis=0), np.repeat(a / 2, 2), b)"
    found = _run(solve, cost, a, case.b).value
    yield _same(found, float(case.value), _size(case), "value with every source written twice", line)


def _many_atoms(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    cost = np.repeat(np.repeat(case.cost, 16, axis=0), 32, axis=1)
    a, b = np.repeat(case.a / 16, 16), np.repeat(case.b / 32, 32)
    line = (
        "f(np.repeat(np.repeat(cost, 16, axis=0), 32, axis=1), np.repeat(a / 16, 16), np.repeat(b / 32, 32))"
    )
    found = _run(solve, cost, a, b).value
    yield _same(found, float(case.value), _size(case), "value with every atom cut in 16 or 32", line)


def _empty_atom(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    cost = np.vstack([np.full((1, case.cost.shape[1]), 3.0), case.cost])
    found = _run(solve, cost, np.append(0.0, case.a), case.b).value
    line = "f(np.vstack([np.full((1, len(b)), 3.), cost]), np.append(0., a), b)"
    yield _same(found, float(case.value), _size(case), "value with a source of no mass", line)


def _integers(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    whole = np.round(case.cost * 8).astype(np.int64)
    found = _run(solve, whole, case.a, case.b).value
    line = "f((cost * 8).astype(int), a, b)"
    yield _same(found, float(case.value) * 8, _size(case) * 8, "value of integer costs", line)


def _forbidden(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    """Arcs that an optimal plan leaves empty are forbidden: the optimum stays."""
    cost = np.where(case.plan > 0, case.cost, math.inf)
    found = _run(solve, cost, case.a, case.b).value
    line = "f(np.where(plan > 0, cost, np.inf), a, b)  # plan: an optimal one"
    yield _same(found, float(case.value), _size(case), "value with all other arcs forbidden", line)


def _plan(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    answer, size = _run(solve, case.cost, case.a, case.b), _size(case)
    plan = answer.plan
    if plan is None:
        return
    line = "f(cost, a, b)"
    yield Demand(float(plan.min()), ">=", 0.0, 0.0, "smallest entry of the plan", line)
    rows = float(np.abs(plan.sum(axis=1) - case.a).sum())
    columns = float(np.abs(plan.sum(axis=0) - case.b).sum())
    yield Demand(rows, "<=", 0.0, RTOL, "sum |row sums of the plan - a|", line)
    yield Demand(columns, "<=", 0.0, RTOL, "sum |column sums of the plan - b|", line)
    cost = price(case.cost, plan)
    yield _same(answer.value, cost, size, "value and the price <cost, plan> of the returned plan", line)
    yield Demand(cost, ">=", float(case.value), RTOL * size, "price of the plan and the exact optimum", line)


def _dual(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    answer, size = _run(solve, case.cost, case.a, case.b), _size(case)
    if answer.potentials is None:
        return
    f, g = answer.potentials
    line = "f(cost, a, b)"
    live = (case.a > 0)[:, None] & (case.b > 0)
    worst = float((f[:, None] + g - case.cost)[live].max())
    yield Demand(worst, "<=", 0.0, RTOL * size, "largest f_i + g_j - cost_ij", line)
    value = math.fsum([*(f * case.a).tolist(), *(g * case.b).tolist()])
    yield _same(value, float(case.value), size, "<a, f> + <b, g> and the optimum", line)
    if answer.plan is not None:
        loose = float(((case.cost - f[:, None] - g) * answer.plan)[live].sum())
        yield Demand(loose, "<=", 0.0, RTOL * size, "sum plan (cost - f - g): complementary slackness", line)


@st.composite
def _three_laws(draw: st.DrawFn) -> tuple[np.ndarray, list[np.ndarray]]:
    """A metric and three laws on its points."""
    n = draw(st.integers(2, 4))
    metric = floats(draw(finite_metrics(n)))
    return metric, [floats(apportion(draw(weights(n)), 20)) for _ in range(3)]


def _gluing(solve: Solver, case: tuple[np.ndarray, list[np.ndarray]]) -> Iterator[Demand]:
    metric, (p, q, r) = case
    way = _run(solve, metric, p, q).value + _run(solve, metric, q, r).value
    line = f"f({literal(metric)}, {literal(p)}, {literal(r)})"
    size = float(metric.max())
    direct = _run(solve, metric, p, r).value
    yield Demand(direct, "<=", way, RTOL * size, "W(p, r) and W(p, q) + W(q, r)", line)
    yield Demand(_run(solve, metric, p, p).value, "==", 0.0, RTOL * size, "W(p, p)", line)


def _arguments_kept(solve: Solver, case: TransportProblem) -> Iterator[Demand]:
    cost, a, b = (np.array(v) for v in (case.cost, case.a, case.b))
    solve(cost, a, b)
    changed = sum(float(np.abs(x - y).max()) for x, y in zip((cost, a, b), (case.cost, case.a, case.b)))
    yield Demand(changed, "==", 0.0, 0.0, "change made to the arguments", "f(cost, a, b)")


def solver_laws() -> tuple[Law, ...]:
    """The laws of exact solvers ``solve(cost, a, b)``."""
    problems, known = transport_problems(), known_optimal()
    rows: list[tuple[str, str, Any, Judge]] = [
        ("value", "the value is the least cost", problems, _value),
        ("known optimum", "the value is that of the plan the problem was built around", known, _value),
        ("unit of cost", "cost x s gives value x s", problems, _unit_of_cost),
        ("constants", "adding u_i + v_j to the costs adds <a, u> + <b, v>", problems, _constants),
        ("order of atoms", "the order of the atoms changes nothing", problems, _order),
        ("exchange", "transposed costs with a and b exchanged: the same value", problems, _transposed),
        ("splitting", "writing an atom twice with half its mass changes nothing", problems, _splitting),
        ("atom of no mass", "an atom without mass changes nothing", problems, _empty_atom),
        ("integers", "integer costs are costs", problems, _integers),
        ("forbidden arcs", "cost inf on unused arcs changes nothing", known, _forbidden),
        ("plan", "plan >= 0, marginals a and b, value = <cost, plan> >= optimum", problems, _plan),
        ("dual", "f_i + g_j <= cost_ij, <a,f> + <b,g> = optimum, complementary slackness", problems, _dual),
        ("gluing", "W(p, r) <= W(p, q) + W(q, r) for a metric cost, W(p, p) = 0", _three_laws(), _gluing),
        ("many atoms", "cutting atoms in 16 and 32 equal parts changes nothing", problems, _many_atoms),
        ("arguments kept", "the solver does not write to its arguments", problems, _arguments_kept),
    ]
    return tuple(Law(name, "solver", statement, cases, judge) for name, statement, cases, judge in rows)
