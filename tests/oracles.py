"""Independent answers: brute force, HiGHS, rational arithmetic, deliberately wrong solvers."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from scipy.optimize import linprog

from transport import Coupling, Solver, Status


def assignment_by_enumeration(cost: np.ndarray) -> float:
    """Cheapest permutation of a small square matrix, divided by n."""
    n = len(cost)
    rows = np.arange(n)
    return min(cost[rows, list(p)].sum() for p in itertools.permutations(range(n))) / n


def transport_by_highs(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, np.ndarray]:
    """(value, plan) of the transport LP by HiGHS; costs of order 1 only (its tolerances are absolute)."""
    n, m = cost.shape
    rows = np.kron(np.eye(n), np.ones(m))
    cols = np.kron(np.ones(n), np.eye(m))
    allowed = np.isfinite(cost).ravel()
    answer = linprog(
        np.where(allowed, cost.ravel(), 0.0),
        A_eq=np.vstack([rows, cols])[:-1],
        b_eq=np.concatenate([a, b])[:-1],
        bounds=[(0, None if ok else 0) for ok in allowed],
        method="highs",
    )
    assert answer.status == 0
    return float(answer.fun), answer.x.reshape(n, m)


@dataclass(frozen=True)
class FixedAnswer(Solver):
    """A solver that says OPTIMAL at once and hands out whatever coupling it was given."""

    coupling: Any

    def init(self, problem, *, tol):
        return None

    def step(self, state, budget):
        return Status.OPTIMAL

    def progress(self, state):
        return 1, "done", {}

    def finish(self, state):
        return self.coupling


def dense_coupling(plan: np.ndarray, f: np.ndarray, g: np.ndarray) -> Coupling:
    """A dense plan as a raw answer."""
    rows, cols = np.nonzero(plan)
    return Coupling(rows.astype(np.int64), cols.astype(np.int64), plan[rows, cols], f, g)


def transport_in_fractions(cost: Any, a: Any, b: Any) -> Fraction | None:
    """The optimum for the stored floats, b standing for its multiple with the total of a; None: infeasible.

    Successive shortest paths (Bellman and Ford) in rational arithmetic, and a proof: the answer is returned
    only if the plan has the marginals, the potentials are feasible and both have the same value, exactly.
    ``cost`` holds floats or Fractions, inf where an arc is forbidden.
    """
    n, m = len(a), len(b)
    c = {(i, j): Fraction(cost[i][j]) for i in range(n) for j in range(m) if cost[i][j] != math.inf}
    supply = [Fraction(float(v)) for v in a]
    demand = [Fraction(float(v)) for v in b]
    ratio = sum(supply) / sum(demand)
    demand = [v * ratio for v in demand]
    left, right, flow = list(supply), list(demand), dict.fromkeys(c, Fraction(0))
    while any(left):
        distance, back = _shortest_paths(c, flow, left, n, m)
        ends = [j for j in range(m) if right[j] > 0 and distance[n + j] is not None]
        if not ends:
            return None
        j = min(ends, key=lambda j: distance[n + j])
        path, node = [], n + j
        while back[node] is not None:
            before = back[node]
            path.append((before, node - n, 1) if node >= n else (node, before - n, -1))
            node = before
        moved = min([left[node], right[j], *(flow[i, k] for i, k, sign in path if sign < 0)])
        for i, k, sign in path:
            flow[i, k] += sign * moved
        left[node] -= moved
        right[j] -= moved
    return _proved(c, flow, supply, demand)


def _shortest_paths(c, flow, left, n, m):
    """(distances, predecessors) from all sources with mass left in the residual graph; None: out of reach."""
    distance: list[Fraction | None] = [Fraction(0) if v > 0 else None for v in left] + [None] * m
    back: list[int | None] = [None] * (n + m)
    arcs = [(i, n + j, v) for (i, j), v in c.items()]
    arcs += [(n + j, i, -v) for (i, j), v in c.items() if flow[i, j] > 0]
    changed = True
    while changed:
        changed = False
        for u, v, w in arcs:
            if distance[u] is not None and (distance[v] is None or distance[u] + w < distance[v]):
                distance[v], back[v] = distance[u] + w, u
                changed = True
    return distance, back


def _proved(c, flow, supply, demand) -> Fraction:
    n, m = len(supply), len(demand)
    everywhere, _ = _shortest_paths(c, flow, [Fraction(1)] * n, n, m)
    f = [-everywhere[i] for i in range(n)]
    g = [everywhere[n + j] if everywhere[n + j] is not None else Fraction(0) for j in range(m)]
    assert all(f[i] + g[j] <= v for (i, j), v in c.items())
    assert [sum(v for (i, _), v in flow.items() if i == k) for k in range(n)] == supply
    assert [sum(v for (_, j), v in flow.items() if j == k) for k in range(m)] == demand
    value = sum((v * c[arc] for arc, v in flow.items()), Fraction(0))
    assert value == sum(x * y for x, y in zip(supply, f)) + sum(x * y for x, y in zip(demand, g))
    return value


def bures_by_digits(a: np.ndarray, b: np.ndarray) -> Any:
    """W2 of centred Gaussians by the trace formula, at mpmath's working precision."""
    from mpmath import mp, mpf

    a, b = mp.matrix(a.tolist()), mp.matrix(b.tolist())
    values, vectors = mp.eigsy(a)
    root = vectors * mp.diag([mp.sqrt(max(v, 0)) for v in values]) * vectors.T
    inner, _ = mp.eigsy(root * b * root)
    gap = sum(a[i, i] + b[i, i] for i in range(a.rows)) - 2 * sum(mp.sqrt(max(v, 0)) for v in inner)
    return mp.sqrt(max(gap, mpf(0)))
