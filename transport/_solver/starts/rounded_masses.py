"""Rounded masses first: solve with every mass rounded to a few units, then start from there.

With generic masses the basis is one tree of n + m nodes, and a pivot moves a quarter of it (2000 nodes at
n = 4000). With masses that are small multiples of a common unit, sources and sinks balance in small groups:
the basis is a forest, and a pivot moves a hundred nodes or two. So most pivots are made where they are
cheap, and the potentials found there leave few for the masses as given. Edmonds & Karp (1972) scale
capacities for the same reason; here it is only a start, and its quality changes the time, not the optimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transport._nearest import Found
from transport._solver.column_generation import Simplex
from transport._solver.pricing.oracle import Oracle, Slices, price
from transport._solver.start import Start
from transport._solver.trees import Draft, Work
from transport.internal import cached_property


def rounded_start(
    oracle: Oracle, start: Start, masses: tuple[np.ndarray, np.ndarray], work: Work
) -> Slices[Start]:
    """A better start from the same problem with rounded masses; ``start`` itself where that cannot help."""
    a, b = masses
    size = max(len(a), len(b))
    if oracle.has_forbidden or len(a) + len(b) < work.tuning.rough_nodes:
        return start
    for per_node in work.tuning.rough_units:
        units = per_node * size
        if 4 * units > int(a.sum()):  # they are rough as given: assignments
            return start
        better = yield from _solved(oracle, start, rounded(a, units), rounded(b, units), work)
        if better is None:
            return start
        start = better
    return start


def rounded(mass: np.ndarray, units: int) -> np.ndarray:
    """``mass`` in integers >= 0 that sum to ``units``: rounded down, the largest remainders one up."""
    exact = mass.astype(np.float64) * (units / float(mass.sum()))
    whole = np.floor(exact)
    left = units - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return whole.astype(np.int64)


def _solved(oracle: Oracle, start: Start, a: np.ndarray, b: np.ndarray, work: Work) -> Slices[Start | None]:
    """Where the problem with masses ``a`` and ``b`` leaves off; None if its costs are out of proportion."""
    part = _Part(oracle, np.flatnonzero(a), np.flatnonzero(b))
    core = Simplex(part, a[part.rows], b[part.cols], part.narrowed(start), work)
    if np.isfinite(core.giant_limit):
        return None
    yield from core.build_basis()
    work.draft = lambda: part.draft(core, start)
    for _ in range(work.tuning.rough_rounds):
        work.stage = "pivoting, rounded masses"
        yield from core.optimise()
        work.stage = "pricing, rounded masses"
        work.rounds += 1
        more = yield from price(core.oracle, *core.potentials())
        core.add(*more)
        if len(more[0]) <= work.tuning.rough_settled * len(a):
            break
        if len(more[0]) <= work.tuning.rough_last * len(a):
            yield from core.optimise()
            break
    return part.widened(core, start)


@dataclass(frozen=True, eq=False)
class _Part:
    """The oracle of some of the rows and columns."""

    whole: Oracle
    rows: np.ndarray
    cols: np.ndarray

    has_forbidden = False

    @property
    def shortlist(self) -> int:
        return self.whole.shortlist

    @property
    def per_row(self) -> int:
        return self.whole.per_row

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.cols)

    @property
    def giants_forbid(self) -> bool:
        return self.whole.giants_forbid

    @property
    def magnitude(self) -> float:
        return self.whole.magnitude

    @cached_property
    def place(self) -> tuple[np.ndarray, np.ndarray]:
        """Index here of every row and column of the whole; -1: left out."""
        row, col = (np.full(k, -1) for k in self.whole.shape)
        row[self.rows], col[self.cols] = np.arange(len(self.rows)), np.arange(len(self.cols))
        return row, col

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        return self.whole.costs(self.rows[rows], self.cols[cols])

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """Potentials and limits of -inf: what is left out is never found."""
        g, low = (np.full(k, -np.inf) for k in self.whole.shape[::-1])
        g[self.cols], low[self.rows] = v, np.inf if limit is None else limit
        found = yield from self.whole.nearest(g, k, low)
        cols, *rest = (x[self.rows] for x in found[:4])
        return Found(self.place[1][np.where(np.arange(cols.shape[1]) < rest[1][:, None], cols, 0)], *rest)

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        raise NotImplementedError("it begins where the whole does")
        yield

    def lowest(self) -> Slices[np.ndarray]:
        raise NotImplementedError("it begins where the whole does")
        yield

    def matrix(self) -> None:
        """Never: rounded masses need few pivots."""

    def narrowed(self, start: Start) -> Start:
        """What of ``start`` is here."""
        rows, cols = self.place[0][start.rows], self.place[1][start.cols]
        keep = (rows >= 0) & (cols >= 0)
        return Start(rows[keep], cols[keep], start.f[self.rows], start.g[self.cols])

    def draft(self, core: Simplex, start: Start) -> Draft:
        """The plan for rounded masses: near enough to the real masses to be worth repairing."""
        rows, cols, flow = core.flows()
        wide = self.widened(core, start)
        return self.rows[rows], self.cols[cols], flow / float(core.a.sum()), wide.f, wide.g

    def widened(self, core: Simplex, start: Start) -> Start:
        """The pool and potentials of ``core``; by c-transform over the pool for what was left out."""
        from transport._kernels.costs import lower_at

        rows = np.concatenate([start.rows, self.rows[core.pool.rows]])
        cols = np.concatenate([start.cols, self.cols[core.pool.col]])
        cost = self.whole.costs(rows, cols)
        f, g = (np.full(k, np.inf) for k in self.whole.shape)
        u, v = core.potentials()
        g[self.cols] = v
        lower_at(f, rows, cost - np.where(np.isfinite(g), g, -np.inf)[cols])
        f[self.rows] = u
        f = np.where(np.isfinite(f), f, start.f)
        low = np.full(len(g), np.inf)
        lower_at(low, cols, cost - f[rows])
        g = np.where(np.isfinite(g), g, np.where(np.isfinite(low), low, start.g))
        return Start(rows, cols, f, g)
