"""Smaller problems and the way back: everything that is left out, merged, scaled or turned before a solve.

A reduction is ``(problem) -> Reduction``: the smaller problem, and `Reduction.lift`, which makes an answer
to the problem before out of one to the smaller. `Reduction.then` composes two.

====================  ==========================================================================
`distinct`            points that coincide are merged, their masses added
`without_shared`      between equal clouds at their distance, mass that both sides share stays
`without_massless`    atoms without mass are left out (`Kept` says which are in, and in which order)
`in_unit`             costs of extreme magnitude are divided by a power of two
`in_integers`         masses become integers of exactly equal sums
`transposed`          rows and columns change places
====================  ==========================================================================

The engine holds the second and the third as one `Kept`, because between points they change the order as
well; kernels for whole matrices and for hubs turn their arrays themselves, where rows are short.

The split of a merged basic plan is basic. Say the groups of the n sources are N, those of the m sinks M, all
with mass. The merged plan is a forest of E <= N + M - 1 arcs. The north-west rule shares the arcs of a source
group out to its members in at most (members + arcs - 1) pieces, so that n + E - N <= n + M - 1 pieces leave
single sources; sharing these out to the members of the sink groups gives at most m + (n + M - 1) - M =
n + m - 1. The flows are then recomputed on that forest from the masses as given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from transport._cost import Cost, Matrix
from transport._problem import Coupling, Problem
from transport._solver.forest import shipped
from transport._solver.tuning import TUNING, Tuning
from transport._sparse import SparseMatrix

MERGED, IN_PLACE = "duplicates merged", "mass in place"  # names of two reductions
EXTREME = 400  # binary exponent of a cost: sums and differences must neither overflow nor underflow


@dataclass(frozen=True, eq=False)
class Reduction:
    """A smaller problem, and how an answer to it becomes one to the problem ``before``."""

    before: Problem
    problem: Problem
    lift: Callable[[Coupling], Coupling]
    what: str = ""  # as `Step.what` says it
    why: str = ""
    had: str = ""  # of the problem before

    @property
    def total(self) -> float:
        """Mass of the smaller problem in the unit of the one before (`distinct` may count in others)."""
        return math.fsum(self.problem.a if self.what == IN_PLACE else self.before.a)

    def then(self, reduce: Callable[[Problem], Reduction]) -> Reduction:
        """This one, and another of what it leaves."""
        further = reduce(self.problem)
        return Reduction(self.before, further.problem, lambda answer: self.lift(further.lift(answer)))


@dataclass(frozen=True, eq=False)
class Kept:
    """Which sources and sinks a smaller problem is about, in its order, and the unit of its costs.

    ``is_whole``: all of them, in the order of the problem before.
    """

    rows: np.ndarray
    cols: np.ndarray
    shape: tuple[int, int]
    unit: float = 1.0
    is_whole: bool = False

    @classmethod
    def with_mass(cls, problem: Problem) -> Kept:
        """The atoms with mass."""
        rows, cols = np.flatnonzero(problem.a), np.flatnonzero(problem.b)
        return cls(rows, cols, problem.shape, is_whole=(len(rows), len(cols)) == problem.shape)

    @property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Where every row and column of the problem before is in the smaller one; -1: nowhere."""
        row, col = (np.full(k, -1) for k in self.shape)
        row[self.rows], col[self.cols] = np.arange(len(self.rows)), np.arange(len(self.cols))
        return row, col

    def masses(self, problem: Problem) -> tuple[np.ndarray, np.ndarray]:
        """Those of the smaller problem."""
        return (problem.a, problem.b) if self.is_whole else (problem.a[self.rows], problem.b[self.cols])

    def costs(self, problem: Problem) -> np.ndarray:
        """All costs of the smaller problem in memory, in the unit of the problem before."""
        cost = problem.cost
        if problem.core is not None:
            cost = problem.core[0].cost
        elif not self.is_whole:
            cost = cost.restrict(self.rows, self.cols) or cost
        values = cost.block(0, cost.shape[0]) if cost.stored is None else cost.stored
        fits = self.is_whole or values.shape == (len(self.rows), len(self.cols))
        return values if fits else values[np.ix_(self.rows, self.cols)]

    def potentials(self, f: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Those of the problem before, of what is kept and in its unit."""
        u, v = np.ascontiguousarray(f[self.rows]), np.ascontiguousarray(g[self.cols])
        return u / self.unit, v / self.unit

    def lift(self, answer: Coupling) -> Coupling:
        """An answer to the problem before; potentials are 0 where there is no mass."""
        rows, cols, mass, f, g = answer
        if self.unit != 1.0:
            f, g = f * self.unit, g * self.unit
        if self.is_whole:
            return Coupling(rows, cols, mass, f, g)
        u, v = np.zeros(self.shape[0]), np.zeros(self.shape[1])
        u[self.rows], v[self.cols] = f, g
        return Coupling(self.rows[rows], self.cols[cols], mass, u, v)


def without_massless(problem: Problem) -> Reduction:
    """The problem of the atoms with mass."""
    kept = Kept.with_mass(problem)
    cost: Cost = problem.cost
    if not kept.is_whole:
        cost = cost.restrict(kept.rows, kept.cols) or Matrix(kept.costs(problem))
    return Reduction(problem, Problem(cost, *kept.masses(problem)), kept.lift)


def unit_exponent(magnitude: float) -> int:
    """e such that costs up to ``magnitude`` are ordinary in units of 2^e: 0 unless they are extreme."""
    exponent = math.frexp(magnitude)[1] - 1
    return exponent if magnitude > 0 and abs(exponent) > EXTREME else 0


def in_unit(problem: Problem) -> Reduction:
    """Stored costs in units of ordinary magnitude; others, which see to it themselves, as they are."""
    cost, exponent = problem.cost, unit_exponent(problem.cost.magnitude)
    if exponent and cost.stored is not None:
        cost = Matrix(np.ldexp(cost.stored, -exponent))
    elif exponent and "sparse" in cost.methods:
        cost = scaled(cast(SparseMatrix, cost), exponent)
    else:
        exponent = 0
    unit = math.ldexp(1.0, exponent)
    return Reduction(
        problem, Problem(cost, problem.a, problem.b), lambda c: c._replace(f=c.f * unit, g=c.g * unit)
    )


def scaled(cost: SparseMatrix, exponent: int) -> SparseMatrix:
    """Stored arcs in units of 2^exponent."""
    return replace(cost, data=np.ldexp(cost.data, -exponent))


def in_integers(problem: Problem) -> Reduction:
    """Positive masses in integers; the flow of one unit is lifted to its part of the total."""
    a, b = integer_masses(problem.a, problem.b)
    unit = math.fsum(problem.a) / float(a.sum())
    return Reduction(problem, Problem(problem.cost, a, b), lambda c: c._replace(mass=c.mass * unit))


def integer_masses(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positive masses in units of about 2^-60 of the total, as int64 vectors of exactly equal sums.

    Uniform masses on both sides become m/gcd and n/gcd units: ties stay ties. Otherwise the unit is a power
    of two, so that masses above 2^-8 of the total are represented exactly; every mass gets at least one
    unit, and the difference of the totals (rounding) goes to the largest mass of the lighter side. The
    flows are recomputed from the floats on the final basis (`peel`), so the unit never shows.
    """
    from transport._kernels import masses

    left, right = masses.integer_masses(a, b)
    return left, right


def transposed(problem: Problem) -> Reduction:
    """Sinks as sources and sources as sinks."""
    turned = Problem(problem.cost.transpose(), problem.b, problem.a)
    return Reduction(problem, turned, lambda c: Coupling(c.cols, c.rows, c.mass, c.g, c.f))


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


def distinct(problem: Problem, t: Tuning = TUNING) -> Reduction | None:
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
    merged = Problem(points, np.bincount(x.of, weights=a), np.bincount(y.of, weights=b))
    why = f"{distinct} of {n + m} points: <= duplicates_distinct = {t.duplicates_distinct:g} of all"
    return Reduction(problem, merged, lambda answer: _split(answer, problem, x, y), MERGED, why, "duplicates")


def _split(answer: Coupling, before: Problem, x: Groups, y: Groups) -> Coupling:
    """The plan and the potentials of the points before they were merged."""
    from transport._kernels.forests import forest_parents
    from transport._kernels.sharing import share_out

    a, b = before.a, before.b
    rows, cols, flow = answer.rows, answer.cols, answer.mass * (math.fsum(a) / _total(answer))
    order, first = _by_group(rows, len(x.starts) - 1)
    arc, i, flow = share_out(x.starts, x.members, a, first, flow[order])
    cols = cols[order][arc]
    order, first = _by_group(cols, len(y.starts) - 1)
    arc, j, flow = share_out(y.starts, y.members, b, first, flow[order])
    i = i[order][arc]
    n, m = before.shape
    return Coupling(*shipped(forest_parents(n, m, i, j), a, b), answer.f[x.of], answer.g[y.of])


def without_shared(problem: Problem, t: Tuning = TUNING) -> Reduction | None:
    """The problem of the excesses a - min(a, b) and b - min(a, b); None if that is none or hardly smaller.

    Where d is a distance, mass that goes from i to j and mass that comes to i from k may as well go from k to
    j: d(k, j) <= d(k, i) + d(i, j). So some optimal plan leaves min(a_i, b_i) where it is, if the clouds are
    one and the same. With the optimal u(z) = min_j d(z, y_j) - g_j over the sinks of the smaller problem,
    (u, -u) is optimal: u(x) - u(y) <= d(x, y), u >= f on its sources, -u >= g on its sinks. The arcs (i, i)
    join each atom that shares its mass to the forest as a leaf. (l1 on a grid is left to the flow between
    neighbours, where shared mass cancels anyway.)
    """
    cloud = problem.cost.points
    if cloud is None or cloud.power > 1 or cloud.dim == 1 or "grid" in problem.cost.methods:
        return None
    a, b = problem.a, problem.b
    if np.count_nonzero(a) * np.count_nonzero(b) <= t.shared_pairs:
        return None
    if cloud.y is not cloud.x and not np.array_equal(cloud.x, cloud.y):
        return None
    shared = np.minimum(a, b)
    over, under = a - shared, b - shared
    rows, cols, total = np.flatnonzero(over), np.flatnonzero(under), math.fsum(a)
    kept, left = len(rows) + len(cols), min(math.fsum(over), math.fsum(under)) / total
    given = np.count_nonzero(a) + np.count_nonzero(b)
    if kept > t.shared_kept * given or left < t.shared_least:
        return None
    cost = problem.cost.restrict(rows, cols)
    assert cost is not None
    why = f"{kept} of {given} atoms carry more than the other side: <= shared_kept = {t.shared_kept:g} of all"
    return Reduction(
        problem,
        Problem(cost, over[rows], under[cols]),
        lambda answer: _with_shared(answer, problem, (rows, cols), np.flatnonzero(shared)),
        IN_PLACE,
        why,
        "shared mass",
    )


def _with_shared(
    answer: Coupling, before: Problem, kept: tuple[np.ndarray, np.ndarray], staying: np.ndarray
) -> Coupling:
    from transport._kernels.forests import forest_parents

    rows, cols = kept
    n, m = before.shape
    i, j = np.append(rows[answer.rows], staying), np.append(cols[answer.cols], staying)
    sinks = before.cost.restrict(np.arange(n), cols)
    assert sinks is not None
    u = sinks.row_transform(answer.g, np.arange(n))
    return Coupling(*shipped(forest_parents(n, m, i, j), before.a, before.b), u, -u)


def _total(coupling: Coupling) -> float:
    return math.fsum(coupling.mass) or 1.0


def _by_group(group: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(order, first): the arcs in ``order`` are sorted by group, those of q are first[q]:first[q + 1]."""
    sizes = np.bincount(group, minlength=count)
    return np.argsort(group, kind="stable"), np.concatenate([[0], np.cumsum(sizes)])
