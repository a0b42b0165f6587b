"""Points that coincide are merged, their masses added; the plan is split again afterwards.

The split of a basic plan is basic. Say the groups of the n sources are N, those of the m sinks M, all with
mass. The merged plan is a forest of E <= N + M - 1 arcs. The north-west rule shares the arcs of a source
group out to its members in at most (members + arcs - 1) pieces, so that n + E - N <= n + M - 1 pieces leave
single sources; sharing these out to the members of the sink groups gives at most m + (n + M - 1) - M =
n + m - 1. The flows are then recomputed on that forest from the masses as given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transport._problem import Coupling, Problem
from transport._solver.trees import ends
from transport._solver.tuning import TUNING, Tuning


@dataclass(frozen=True, eq=False)
class Groups:
    """members[starts[q]:starts[q + 1]] are equal points; ``of`` is the group of every point."""

    members: np.ndarray
    starts: np.ndarray
    of: np.ndarray

    @property
    def first(self) -> np.ndarray:
        """One point of every group."""
        return self.members[self.starts[:-1]]


def _projection(points: np.ndarray) -> np.ndarray:
    key = np.zeros(len(points))
    for q in range(points.shape[1]):  # column by column: rounds alike wherever a row lies in memory
        key += points[:, q] * math.sqrt(2.0 + q)
    return key


def _at_least(points: np.ndarray) -> int:
    """Different places on a line, hence at least as many different points; sorting alone is quick."""
    key = np.sort(_projection(points))
    return 1 + int(np.count_nonzero(key[1:] != key[:-1]))


def groups_of(points: np.ndarray) -> Groups:
    """Groups of equal rows, by sorting a projection (rows that collide there may part equal ones)."""
    order = np.argsort(_projection(points), kind="stable")
    ordered = points[order]
    new = np.concatenate([[True], np.any(ordered[1:] != ordered[:-1], axis=1)])
    of = np.empty(len(points), np.int64)
    of[order] = np.cumsum(new) - 1
    return Groups(order, np.append(np.flatnonzero(new), len(points)), of)


@dataclass(frozen=True, eq=False)
class Merged:
    """A problem between distinct points, and the one it stands for."""

    original: Problem
    problem: Problem
    x: Groups
    y: Groups

    def split(self, coupling: Coupling) -> Coupling:
        """The plan and the potentials of the original points."""
        from transport._kernels import duplicates as k
        from transport._kernels.simplex_pool import peel

        a, b = self.original.a, self.original.b
        rows, cols, flow = coupling.rows, coupling.cols, coupling.mass * (math.fsum(a) / _total(coupling))
        order, first = _by_group(rows, len(self.x.starts) - 1)
        arc, i, flow = k.share_out(self.x.starts, self.x.members, a, first, flow[order])
        cols = cols[order][arc]
        order, first = _by_group(cols, len(self.y.starts) - 1)
        arc, j, flow = k.share_out(self.y.starts, self.y.members, b, first, flow[order])
        i = i[order][arc]
        n, m = self.original.shape
        parent = k.forest_parents(n, m, i, j)
        mass = peel(n, parent, a, b)
        v = np.flatnonzero((parent[:-1] < n + m) & (mass > 0))
        return Coupling(*ends(n, parent, v), mass[v], coupling.f[self.x.of], coupling.g[self.y.of])


def _total(coupling: Coupling) -> float:
    return math.fsum(coupling.mass) or 1.0


def _by_group(group: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(order, first): the arcs in ``order`` are sorted by group, those of q are first[q]:first[q + 1]."""
    sizes = np.bincount(group, minlength=count)
    return np.argsort(group, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])


def merged(problem: Problem, t: Tuning = TUNING) -> Merged | None:
    """The problem between distinct points; None if there are hardly fewer of them."""
    cloud = problem.cost.points
    if cloud is None or cloud.is_distinct or problem.is_one_dimensional:
        return None
    n, m = problem.shape
    if (
        n + m < t.duplicates_points
        or np.count_nonzero(problem.a) * np.count_nonzero(problem.b) <= t.duplicates_pairs
    ):
        return None
    if _at_least(cloud.x) + _at_least(cloud.y) > t.duplicates_distinct * (n + m):
        return None
    x = groups_of(cloud.x)
    y = x if cloud.y is cloud.x else groups_of(cloud.y)
    distinct = len(x.starts) + len(y.starts) - 2
    if distinct > t.duplicates_distinct * (n + m):
        return None
    a, b = problem.a, problem.b
    if problem.has_equal_masses:  # in whole units: ties stay ties
        common = math.gcd(n, m)
        a, b = np.full(n, float(m // common)), np.full(m, float(n // common))
    points = problem.cost.restrict(x.first, y.first)
    assert points is not None
    return Merged(problem, Problem(points, np.bincount(x.of, weights=a), np.bincount(y.of, weights=b)), x, y)
