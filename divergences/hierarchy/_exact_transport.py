"""Optimal transport in integers: the value is proved by equality of primal and dual, not believed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

Matrix = Sequence[Sequence[Fraction]]


def exact_transport(
    cost: Matrix, a: Sequence[Fraction], b: Sequence[Fraction]
) -> tuple[Fraction, list[list[Fraction]]]:
    """Least cost of moving ``a`` to ``b``, and a plan that attains it, in rational arithmetic.

    Parameters
    ----------
    cost : (n, m) fractions
    a, b : (n,), (m,) fractions
        Non-negative, of equal total.

    Returns
    -------
    value : Fraction
    plan : (n, m) fractions

    Raises
    ------
    ArithmeticError
        If primal and dual differ: a bug here, never the caller's fault.

    Notes
    -----
    Successive shortest paths with potentials (Ahuja, Magnanti, Orlin 1993, section 9.7) on integers, after
    clearing denominators. Meant for supports of up to some tens of points; beyond, use `transport.solve`,
    whose ``certify(exact=True)`` proves the same thing.

    Examples
    --------
    >>> half = Fraction(1, 2)
    >>> exact_transport([[0, 1], [1, 0]], [Fraction(1), Fraction(0)], [half, half])[0]
    Fraction(1, 2)
    """
    if sum(a) != sum(b):
        raise ValueError(f"a and b have different totals, {sum(a)} and {sum(b)}")
    mass_unit = math.lcm(*(Fraction(w).denominator for w in (*a, *b)))
    cost_unit = math.lcm(*(Fraction(c).denominator for row in cost for c in row))
    c = [[int(x * cost_unit) for x in row] for row in cost]
    supply, demand = [int(w * mass_unit) for w in a], [int(w * mass_unit) for w in b]
    plan, u, v = _integer_transport(c, supply, demand)
    primal = sum(c[i][j] * x for i, row in enumerate(plan) for j, x in enumerate(row))
    dual = sum(s * x for s, x in zip(supply, u)) + sum(d * x for d, x in zip(demand, v))
    feasible = all(u[i] + v[j] <= c[i][j] for i in range(len(u)) for j in range(len(v)))
    rows = [sum(row) for row in plan]
    columns = [sum(column) for column in zip(*plan)]
    if not (feasible and primal == dual and rows == supply and columns == demand):
        raise ArithmeticError(f"primal {primal} and dual {dual} do not prove each other")
    return Fraction(primal, mass_unit * cost_unit), [[Fraction(x, mass_unit) for x in row] for row in plan]


def _integer_transport(
    c: list[list[int]], supply: list[int], demand: list[int]
) -> tuple[list[list[int]], list[int], list[int]]:
    n, m = len(supply), len(demand)
    plan = [[0] * m for _ in range(n)]
    u, v = [min(row) for row in c], [0] * m
    left, need = list(supply), list(demand)
    while any(left):
        row_dist, col_dist, from_row, from_col, target = _shortest(c, u, v, plan, left, need)
        reach = col_dist[target]
        for i in range(n):
            u[i] += max(0, reach - row_dist[i])
        for j in range(m):
            v[j] -= max(0, reach - col_dist[j])
        path, j = [], target
        while True:
            i = from_row[j]
            path.append((i, j, 1))
            if from_col[i] < 0:
                break
            j = from_col[i]
            path.append((i, j, -1))
        amount = min([left[i], need[target]] + [plan[r][s] for r, s, sign in path if sign < 0])
        for r, s, sign in path:
            plan[r][s] += sign * amount
        left[i] -= amount
        need[target] -= amount
    return plan, u, v


def _shortest(
    c: list[list[int]],
    u: list[int],
    v: list[int],
    plan: list[list[int]],
    left: list[int],
    need: list[int],
) -> tuple[list[Any], list[Any], list[int], list[int], int]:
    """Dijkstra on reduced costs from every row with mass left to the nearest column in need."""
    n, m = len(left), len(need)
    infinity = math.inf
    row_dist: list[Any] = [0 if left[i] else infinity for i in range(n)]
    col_dist: list[Any] = [infinity] * m
    from_row, from_col = [-1] * m, [-1] * n
    row_open, col_open = set(range(n)), set(range(m))
    while True:
        i = min(row_open, key=row_dist.__getitem__, default=-1)
        j = min(col_open, key=col_dist.__getitem__, default=-1)
        if i >= 0 and row_dist[i] < infinity and (j < 0 or row_dist[i] <= col_dist[j]):
            row_open.remove(i)
            for k in range(m):
                d = row_dist[i] + c[i][k] - u[i] - v[k]
                if d < col_dist[k]:
                    col_dist[k], from_row[k] = d, i
            continue
        if need[j]:
            return row_dist, col_dist, from_row, from_col, j
        col_open.remove(j)
        for k in range(n):
            if plan[k][j] and col_dist[j] < row_dist[k]:
                row_dist[k], from_col[k] = col_dist[j], j
