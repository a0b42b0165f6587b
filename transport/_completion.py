"""Plans completed in integers: for masses too small, or too far apart, for sums of floats to keep.

Floats are multiples of a power of two, so masses are integers in that unit, of whatever length (and so is b,
which stands for its multiple with the total of a, once each side is multiplied by the total of the other).
The plan is made exact along a forest of its own arcs; mass that finds no room there goes along cheapest paths
through arcs that are not tight, as in the primal-dual method, so that an optimal plan stays one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from transport._problem import Coupling, Problem
from transport._solver.tuning import TUNING
from transport.internal import InfeasibleError

Whole = tuple[Coupling, np.ndarray]


class Parted(Exception):
    """Forbidden arcs part the problem into blocks whose totals differ by rounding."""


def complete(problem: Problem, coupling: Coupling) -> Whole | None:
    """(coupling, low): masses whose sums ``mass + low`` are exactly right to 2^-105 of each; None: too large.

    Raises InfeasibleError if some mass has no way to go, Parted if that is but the rounding of the masses.
    """
    t, (n, m) = TUNING, problem.shape
    if (
        n * m > t.whole_plan_pairs
        or n + m > t.whole_plan_nodes
        or len(coupling.rows) > t.whole_plan_arcs * (n + m)
    ):
        return None
    flows = _Flows.of(problem, coupling)
    flows.settle()
    flows.reduce()
    if any(flows.left_a):
        paths = _Paths(problem.cost.block(0, n), coupling.f.copy(), coupling.g.copy(), flows)
        if not paths.ship():
            return None
        coupling = coupling._replace(f=paths.f, g=paths.g)
    return flows.coupling(coupling)


def integers(values: np.ndarray) -> tuple[list[int], int]:
    """(k, e) with values = k 2^e exactly."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = int(exponent[whole != 0].min(initial=2000))
    lowest = 0 if lowest == 2000 else lowest
    shifts = np.where(whole != 0, exponent - lowest, 0)
    return [int(k) << int(s) for k, s in zip(whole, shifts)], lowest - 53


@dataclass(eq=False)
class _Flows:
    """Flows and what they leave of the masses, in integers; ``unit`` is the mass of 1."""

    rows: list[int]
    cols: list[int]
    flow: list[int]
    left_a: list[int]
    left_b: list[int]
    unit: Fraction
    at: dict[tuple[int, int], int] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: Problem, coupling: Coupling) -> _Flows:
        n, m = problem.shape
        whole, e = integers(np.concatenate([problem.a, problem.b, np.maximum(coupling.mass, 0.0)]))
        a, b, mass = whole[:n], whole[n : n + m], whole[n + m :]
        total_a, total_b = sum(a), sum(b)
        a, b, mass = [v * total_b for v in a], [v * total_a for v in b], [v * total_b for v in mass]
        rows, cols = coupling.rows.tolist(), coupling.cols.tolist()
        cost = problem.cost.entries(coupling.rows, coupling.cols)
        flows = cls([], [], [], a, b, Fraction(2) ** e / total_b)
        for i, j, v, finite in zip(rows, cols, mass, np.isfinite(cost)):
            if finite:
                flows.add(i, j, v)
        return flows

    def add(self, i: int, j: int, v: int) -> None:
        """Send v more from i to j (less, if v < 0)."""
        k = self.at.get((i, j))
        if k is None:
            k = self.at[i, j] = len(self.rows)
            self.rows.append(i)
            self.cols.append(j)
            self.flow.append(0)
        self.flow[k] += v
        self.left_a[i] -= v
        self.left_b[j] -= v

    def settle(self) -> None:
        """Move residuals along a forest of the heaviest arcs, leaves first, as far as flows stay >= 0."""
        n = len(self.left_a)
        root = list(range(n + len(self.left_b)))
        near: list[list[int]] = [[] for _ in root]

        def top(v: int) -> int:
            while root[v] != v:
                root[v] = root[root[v]]
                v = root[v]
            return v

        for k in sorted(range(len(self.flow)), key=self.flow.__getitem__, reverse=True):
            u, v = top(self.rows[k]), top(n + self.cols[k])
            if u != v:
                root[u] = v
                near[self.rows[k]].append(k)
                near[n + self.cols[k]].append(k)
        leaves = [v for v, arcs in enumerate(near) if len(arcs) == 1]
        gone = [False] * len(self.flow)
        for v in leaves:
            arcs = [k for k in near[v] if not gone[k]]
            if len(arcs) != 1:
                continue
            k = arcs[0]
            gone[k] = True
            left = self.left_a[v] if v < n else self.left_b[v - n]
            self.add(self.rows[k], self.cols[k], max(left, -self.flow[k]))
            w = n + self.cols[k] if v < n else self.rows[k]
            near[w] = [e for e in near[w] if not gone[e]]
            if len(near[w]) == 1:
                leaves.append(w)

    def reduce(self) -> None:
        """Take back what exceeds a mass, from the largest flows first."""
        for left, end in ((self.left_a, self.rows), (self.left_b, self.cols)):
            over = {v for v, rest in enumerate(left) if rest < 0}
            if over:
                arcs = [k for k in range(len(self.flow)) if end[k] in over]
                for k in sorted(arcs, key=self.flow.__getitem__, reverse=True):
                    if left[end[k]] < 0:
                        self.add(self.rows[k], self.cols[k], -min(self.flow[k], -left[end[k]]))

    def coupling(self, like: Coupling) -> Whole:
        """As floats: the nearest to every flow, and what it lacks."""
        keep = [k for k, v in enumerate(self.flow) if v > 0]
        exact = [self.flow[k] * self.unit for k in keep]
        mass = [float(v) for v in exact]
        low = np.array([float(v - Fraction(x)) for v, x in zip(exact, mass)])
        rows, cols = (np.array([end[k] for k in keep], np.int64) for end in (self.rows, self.cols))
        return like._replace(rows=rows, cols=cols, mass=np.array(mass)), low


class _Paths:
    """Cheapest augmenting paths on dense costs, by Dijkstra's method with potentials."""

    def __init__(self, cost: np.ndarray, f: np.ndarray, g: np.ndarray, flows: _Flows) -> None:
        self.cost, self.f, self.g, self.flows = cost, f, g, flows
        self.work = 0
        self.into: list[set[int]] = [set() for _ in g]
        for i, j, v in zip(flows.rows, flows.cols, flows.flow):
            if v > 0:
                self.into[j].add(i)

    def ship(self) -> bool:
        """Whether all mass could be shipped within `whole_plan_looks`."""
        left = self.flows.left_a
        for i in range(len(left)):
            while left[i] > 0:
                if self.work > TUNING.whole_plan_looks:
                    return False
                self._augment(i)
        return True

    def _augment(self, start: int) -> None:
        n, m = self.cost.shape
        to_source, to_sink = np.full(n, np.inf), np.full(m, np.inf)
        origin = np.full(m, -1)
        by: dict[int, int] = {start: -1}  # the sink a source was reached through
        done = np.zeros(m, bool)
        to_source[start] = 0.0
        fresh = [start]
        need = self.flows.left_b
        while True:
            for i in fresh:
                self.work += m
                reduced = np.maximum((self.cost[i] - self.f[i]) - self.g, 0.0) + to_source[i]
                nearer = ~done & (reduced < to_sink)
                to_sink[nearer] = reduced[nearer]
                origin[nearer] = i
            open_ = np.where(done, np.inf, to_sink)
            j = int(open_.argmin())
            if not open_[j] < np.inf:
                raise self._stranded(by, done)
            done[j] = True
            if need[j] > 0:
                break
            fresh = [i for i in self.into[j] if i not in by]
            for i in fresh:
                by[i] = j
                to_source[i] = to_sink[j]
        self._send(start, j, origin, by)
        end = to_sink[j]
        near = to_source < end
        self.f[near] += end - to_source[near]
        near = done & (to_sink < end)
        self.g[near] -= end - to_sink[near]

    def _send(self, start: int, end: int, origin: np.ndarray, by: dict[int, int]) -> None:
        flows = self.flows
        path = [(int(origin[end]), end)]
        most = min(flows.left_a[start], flows.left_b[end])
        while (back := by[path[-1][0]]) >= 0:
            most = min(most, flows.flow[flows.at[path[-1][0], back]])
            path.append((int(origin[back]), back))
        for k, (i, j) in enumerate(path):
            flows.add(i, j, most)
            self.into[j].add(i)
            if k + 1 < len(path):
                back = path[k + 1][1]
                flows.add(i, back, -most)
                if flows.flow[flows.at[i, back]] == 0:
                    self.into[back].discard(i)

    def _stranded(self, by: dict[int, int], done: np.ndarray) -> Exception:
        """The cut, or `Parted` if what is stranded is but the rounding of its block's totals."""
        rows, cols = np.array(sorted(by)), np.flatnonzero(done)
        flows = self.flows
        held = sum(v for i, v in zip(flows.rows, flows.flow) if i in by)
        over = sum(flows.left_a[i] for i in by)
        if over << 50 <= (len(rows) + len(cols)) * (held + over):
            return Parted()
        return InfeasibleError(
            f"forbidden arcs (+inf costs) leave mass stranded: the {len(rows)} sources in error.rows hold "
            f"{float((held + over) * flows.unit):.17g} but can only reach the {len(cols)} sinks in "
            f"error.cols, which take {float(held * flows.unit):.17g}; allow more arcs from these sources or "
            "change the masses",
            rows,
            cols,
        )
