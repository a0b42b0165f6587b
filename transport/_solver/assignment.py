"""Assignment (equal unit masses) by auction and exact repair, around the same pricing oracles.

The simplex needs three to five degenerate pivots a point for unit masses, each a walk around a cycle of
hundreds of nodes. An auction with a few bid sizes brings the matching within a small eps of its prices in
some forty bids a point, each a look at ten arcs; `repair` then makes it exact on the pool; the oracle adds
what the pool lacks. Its empty answer proves optimality, as for the simplex.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from transport._solver.column_generation import Priced
from transport._solver.pricing.oracle import Oracle, Slices, price
from transport._solver.start import Start
from transport._solver.trees import Pool, Work
from transport.internal import run_chunks

SLICE_ROWS = 8192  # rows a thread takes at a time


class Matching:
    """A pool and a matching on it: what `column_generation.Simplex` is to the simplex.

    Parameters
    ----------
    oracle : Oracle
        As many sources as sinks; their masses count as one each.
    start : Start
        Its basis is not used.
    work : Work
    unit : float, optional
        The typical reduced cost, from which the bids are derived; by default the median of the pool.
    """

    def __init__(self, oracle: Oracle, start: Start, work: Work, *, unit: float | None = None) -> None:
        from transport._kernels import simplex_pool

        self.oracle, self.start, self.work = oracle, start, work
        self.n = n = oracle.shape[0]
        self.a = self.b = np.ones(n, np.int64)
        self.priced: Priced | None = None
        indptr, col = simplex_pool.build_pool(n, n, start.rows, start.cols)
        pool = Pool(indptr, col, np.empty(0))
        self.pool = Pool(indptr, col, self.reduced(pool.rows, col))
        self.v = np.zeros(n)
        if unit is None:
            unit = float(np.median(self.pool.cost[:: max(1, len(self.pool.cost) // 10**5)]))
        self.unit = unit
        t = work.tuning
        self.step, self.cap = t.auction_first * self.unit, t.auction_cap * self.unit
        self.arc, self.owner = np.full(n, -1, np.int64), np.full(n, -1, np.int32)

    def reduced(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c_ij - f_i - g_j with the starting potentials."""
        return (self.oracle.costs(rows, cols) - self.start.f[rows]) - self.start.g[cols]

    @property
    def has_basis(self) -> bool:
        """Whether anything is matched."""
        return bool((self.arc >= 0).any())

    def stranded(self) -> int:
        """Sources still free."""
        return int(np.count_nonzero(self.arc < 0))

    def flows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Matched pairs (rows, cols) and their flow, 1."""
        rows = np.flatnonzero(self.arc >= 0)
        return rows, self.pool.col[self.arc[rows]].astype(np.int64), np.ones(len(rows), np.int64)

    @property
    def tree(self) -> SimpleNamespace:
        """The matching as a forest: sinks hang from their sources."""
        n = self.n
        parents = np.full(2 * n + 1, 2 * n)
        rows, cols, _ = self.flows()
        parents[n + cols] = rows
        return SimpleNamespace(parents=parents)

    def potentials(self) -> tuple[np.ndarray, np.ndarray]:
        """(f, g), absolute; f is the cheapest c - g of the row's pool, rounded as in `price`."""
        g, (at, col) = self.start.g + self.v, (self.pool.indptr, self.pool.col)
        f = np.empty(self.n)

        def part(first: int, last: int) -> None:
            rows = np.repeat(np.arange(first, last), np.diff(at[first : last + 1]))
            cols = col[at[first] : at[last]].astype(np.int64)
            f[first:last] = np.minimum.reduceat(
                self.oracle.costs(rows, cols) - g[cols], at[first:last] - at[first]
            )

        run_chunks(part, self.n, slice_size=SLICE_ROWS)
        return f, g

    def auction(self, finest: float) -> Slices[bool]:
        """Match everything to within ``finest`` typical reduced costs; False if that takes too long.

        Bids shrink by fours; each time only those bid again whom an arc could please by more.
        """
        from transport._kernels import assignment as k

        if not self.unit > 0:
            return False
        most = self.work.pivots + self.work.tuning.auction_bids * self.n
        queue, parked = np.empty(self.n, np.int64), np.empty(self.n, np.int64)
        while self.step > finest * self.unit:
            self.step /= self.work.tuning.auction_shrink
            pool = (self.pool.indptr, self.pool.col, self.pool.cost)
            count = k.release(*pool, self.v, self.arc, self.owner, self.step, queue)
            yield
            while count:
                if not (yield from self._bid(queue, count, parked, most)):
                    return False
                count = int(np.count_nonzero(self.arc < 0))
                if count:
                    queue, parked = parked, queue
                    self.cap *= 2
                    yield from self.price()
        return True

    def _bid(self, queue: np.ndarray, count: int, parked: np.ndarray, most: int) -> Slices[bool]:
        """One auction for queue[:count]; False if it spends more than ``most``."""
        from transport._kernels import assignment as k

        work, waiting = self.work, 0
        pool, match = (self.pool.indptr, self.pool.col, self.pool.cost), (self.arc, self.owner)
        while count:
            limit = min(work.tuning.auction_slice, work.budget)
            count, waiting, bids = k.auction(
                pool, self.v, match, self.step, self.cap, queue, count, parked, waiting, limit
            )
            work.spend(bids)
            if work.pivots > most:
                return False
            yield
        return True

    def repair(self) -> Slices[bool]:
        """Make the (perfect) matching optimal on the pool; False if that takes too long."""
        from transport._kernels import assignment as k

        n, pool, work = self.n, self.pool, self.work
        lent = np.empty(n)
        k.discounts(pool.indptr, pool.col, pool.cost, self.v, self.arc, lent)
        order = np.flatnonzero(lent > 0)
        labels = (np.zeros(n, np.int64), np.empty(n), np.empty(n, np.int64), np.empty(n, np.int32))
        heaps = (np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.int32))
        cursor = np.zeros(3, np.int64)
        at = 0
        while at < len(order):
            paths = int(cursor[2])
            at = k.repair(
                (pool.indptr, pool.col, pool.cost),
                self.v,
                (self.arc, self.owner),
                lent,
                order,
                at,
                min(work.tuning.auction_slice, work.budget),
                labels,
                heaps,
                cursor,
            )
            work.spend(int(cursor[2]) - paths)
            if cursor[1] > work.tuning.auction_settled * n:
                return False
            yield
        return True

    def price(self) -> Slices[bool]:
        """Add what the pool lacks; True if that is nothing."""
        work = self.work
        stage, work.stage = work.stage, "pricing"
        work.rounds += 1
        potentials = self.potentials()
        rows, cols, costs = yield from price(self.oracle, *potentials)
        if not self.stranded():
            self.priced = (*potentials, rows, cols, costs)
            yield
        self.extend(rows, cols)
        work.arcs, work.stage = len(self.pool.col), stage
        return not len(rows)

    def extend(self, rows: np.ndarray, cols: np.ndarray) -> None:
        """Put more arcs into the pool."""
        from transport._kernels import simplex_pool

        if not len(rows):
            return
        p = self.pool
        offset = self.arc - p.indptr[:-1]
        self.pool = Pool(
            *simplex_pool.extend_pool(p.indptr, p.col, p.cost, rows, cols, self.reduced(rows, cols))
        )
        self.arc = np.where(self.arc >= 0, offset + self.pool.indptr[:-1], -1)


def assign(matching: Matching) -> Slices[bool]:
    """Optimal over all arcs of the oracle; False if the auction is not made for this problem."""
    work = matching.work
    work.stage = "bidding"
    if not (yield from matching.auction(work.tuning.auction_coarse)):
        return False
    yield from matching.price()  # while prices still move easily: a late arc costs a long search
    if not (yield from matching.auction(work.tuning.auction_fine)):
        return False
    for _ in range(work.tuning.auction_rounds):
        work.stage = "augmenting"
        if not (yield from matching.repair()):
            return False
        if (yield from matching.price()):
            return True
    return False
