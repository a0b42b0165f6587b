"""The pricing oracle of a stored cost matrix."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transport._solver.column_generation import Simplex, generate_columns
from transport._solver.cost_clusters import Clusters, cluster
from transport._solver.pricing import Arcs, Slices, Start, unpooled
from transport._solver.rounded_masses import rounded_start
from transport._solver.scan import scan
from transport._solver.trees import Work


class MatrixOracle:
    """Prices every entry of a C-contiguous float64 matrix; +inf is a forbidden arc.

    Parameters
    ----------
    values : ndarray, shape (n, m)
    masses : pair of ndarray of int64
        Those of the problem: the coarser levels ship them too.
    work : Work
        Shared by the levels.
    has_forbidden, giants_forbid : bool
    magnitude : float
        Largest finite \\|c_ij\\|.
    says : bool
        Whether the start goes into the path: that of the problem itself does, those of levels do not.
    may_cluster : bool
    """

    def __init__(
        self,
        values: np.ndarray,
        masses: tuple[np.ndarray, np.ndarray],
        work: Work,
        *,
        has_forbidden: bool = False,
        giants_forbid: bool = True,
        magnitude: float = 0.0,
        says: bool = False,
        may_cluster: bool = True,
    ) -> None:
        self.values, self.masses, self.work = values, masses, work
        self.has_forbidden, self.giants_forbid = has_forbidden, giants_forbid
        self.magnitude, self.says, self.may_cluster = magnitude, says, may_cluster

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        n, m = self.values.shape
        return n, m

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols]."""
        return self.values[rows, cols]

    def matrix(self) -> np.ndarray | None:
        """The matrix, unless it is large."""
        return self.values if self.values.size <= self.work.tuning.whole_pairs else None

    def start(self) -> Slices[Start]:
        """From the coarser levels if rows and columns cluster, else from the column minima."""
        c, t = self.values, self.work.tuning
        if self.may_cluster and not self.has_forbidden and min(c.shape) >= self.work.tuning.cluster_rows:
            rows = cluster(c, self.work.tuning)
            yield
            if rows.telling:
                cols = cluster(c.T, self.work.tuning)
                yield
                if cols.telling:
                    self._note("start", "clusters of costs", "they tell the other costs")
                    return (yield from self._refined(rows, cols))
            telling = f"deviation inside clusters >= cluster_telling = {t.cluster_telling:g} of all"
            self._note("switch", "shortlist", telling)
        else:
            self._note("start", "shortlist", f"{t.matrix_shortlist} cheapest arcs a node")
        g = (yield from self._panels(np.zeros(len(c)))).min(axis=0)
        start = yield from self._shortlist(np.where(np.isfinite(g), g, 0.0))
        if self._is_blind(start):
            return unpooled(start, self)
        better = yield from rounded_start(self, start, self.masses, self.work)
        if better is not start:
            self._note("start", "rounded masses", f"{t.rough_units} units a node, stage by stage")
        return better

    def _scan(self, kernel: Callable[[int, int], object], n: int, cost: int) -> Slices[None]:
        return scan(kernel, n, cost, entries=self.work.tuning.scan_entries)

    def _note(self, part: str, what: str, why: str) -> None:
        if self.says:
            self.work.note(part, what, why)

    def _is_blind(self, start: Start) -> bool:
        """Whether all rows want the same few columns, so that no shortlist says anything."""
        n, m = self.shape
        wanted = np.zeros(m, bool)
        wanted[start.cols[: n * min(self.work.tuning.matrix_shortlist, m)]] = True
        return bool(np.count_nonzero(wanted) < self.work.tuning.spread * m)

    def restart(self, g: np.ndarray, arcs: Arcs) -> Slices[Start]:
        """From potentials and arcs of an earlier solution: what is nearly as cheap, in one pass.

        Where every row has an arc, that one says what cheap is, and a pass that only compares will do.
        """
        from transport._kernels.costs import lower_at

        f = np.full(self.shape[0], np.inf)
        lower_at(f, arcs[0], self.values[arcs] - g[arcs[1]])
        reach = self._reach(f, g)
        if np.isfinite(reach):
            rows, cols = yield from self.price(f + reach, g)
        else:
            near, in_row = yield from self._nearest_in_rows(g)
            f = np.where(np.isfinite(in_row[:, 0]), in_row[:, 0], 0.0)
            rows, cols = np.repeat(np.arange(len(near)), near.shape[1]), near.ravel()
        return Start(np.concatenate([rows, arcs[0]]), np.concatenate([cols, arcs[1]]), f, g)

    def _reach(self, f: np.ndarray, g: np.ndarray) -> float:
        """How far above f a row's `matrix_per_row`-th cheapest arc is, in the median of a few rows."""
        from transport._kernels.simplex_matrix import nearest_in_rows

        if not np.isfinite(f).all():
            return np.inf
        n, m = self.shape
        per_row = self.work.tuning.matrix_per_row
        sample = min(n, self.work.tuning.sample)
        few = np.arange(sample) * n // sample
        cols, near = np.zeros((len(few), min(per_row, m)), np.int64), np.empty((len(few), min(per_row, m)))
        nearest_in_rows(self.values[few], g, 0, len(few), cols, near)
        return max(0.0, float(np.median(near[:, -1] - f[few])))

    def _nearest_in_rows(self, g: np.ndarray) -> Slices[tuple[np.ndarray, np.ndarray]]:
        from transport._kernels import simplex_matrix as k

        n, m = self.shape
        cols = np.zeros((n, min(self.work.tuning.matrix_shortlist, m)), np.int64)
        near = np.empty(cols.shape)
        yield from self._scan(lambda i, j: k.nearest_in_rows(self.values, g, i, j, cols, near), n, m)
        return cols, near

    def _transformed(self, f: np.ndarray, top: np.ndarray) -> Slices[np.ndarray]:
        """min_q c[top[q]] - f[q], shape (m,)."""
        from transport._kernels.costs import lower_rows

        parts: list[np.ndarray] = []

        def part(start: int, stop: int) -> None:
            g = np.full(self.shape[1], np.inf)
            lower_rows(self.values[top[start:stop]], f[start:stop], 0, stop - start, g)
            parts.append(g)

        yield from self._scan(part, len(top), self.shape[1])
        return np.min(parts, axis=0)

    def _panels(self, f: np.ndarray) -> Slices[np.ndarray]:
        """Minima of c - f over panels of rows, shape (panels, m)."""
        from transport._kernels import simplex_matrix as k

        c = self.values
        low = np.empty((-(-len(c) // k.PANEL), c.shape[1]))
        yield from self._scan(lambda i, j: k.panel_minima(c, f, i, j, low), len(low), k.PANEL * c.shape[1])
        return low

    def _shortlist(self, g: np.ndarray) -> Slices[Start]:
        """Row minima of c - g, column minima of c - f; the 10 nearest of every row and column."""
        from transport._kernels import simplex_matrix as k

        c = self.values
        n, m = c.shape
        cols, in_row = yield from self._nearest_in_rows(g)
        f = np.where(np.isfinite(in_row[:, 0]), in_row[:, 0], 0.0)
        rows = np.zeros((m, min(self.work.tuning.matrix_shortlist, n)), np.int64)
        in_col = np.empty(rows.shape)
        low = yield from self._panels(f)
        yield from self._scan(lambda i, j: k.nearest_in_cols(c, f, low, i, j, rows, in_col), m, n)
        g = np.where(np.isfinite(in_col[:, 0]), in_col[:, 0], 0.0)
        source = np.concatenate([np.repeat(np.arange(n), cols.shape[1]), rows.ravel()])
        sink = np.concatenate([cols.ravel(), np.repeat(np.arange(m), rows.shape[1])])
        finite = np.isfinite(np.concatenate([in_row.ravel(), in_col.ravel()]))
        if not finite.all():
            source, sink = source[finite], sink[finite]
        return Start(source, sink, f, g)

    def _refined(self, x: Clusters, y: Clusters) -> Slices[Start]:
        """Solve between clusters (costs of their representatives), hand flows and potentials down."""
        from transport._kernels.sharing import split_flow

        c, (a, b) = self.values, self.masses
        masses = x.totals(a), y.totals(b)
        between = np.ascontiguousarray(c[np.ix_(x.representative, y.representative)])
        yield
        oracle = MatrixOracle(
            between, masses, self.work, giants_forbid=self.giants_forbid, magnitude=self.magnitude
        )
        core = Simplex(oracle, *masses, (yield from oracle.start()), self.work)
        yield from generate_columns(core)
        f, g = core.potentials()
        rows, cols, flow = core.flows()
        top = y.representative[cols]
        t, i, flow = split_flow(c, True, rows, top, g[cols], flow, x.starts, x.members, a)
        cols, top = cols[t], top[t]
        t, j, flow = split_flow(c, False, cols, i, c[i, top], flow, y.starts, y.members, b)
        i = i[t]
        yield
        g = yield from self._transformed(f, x.representative)
        start = yield from self._shortlist(g)
        source, sink = np.concatenate([start.rows, i]), np.concatenate([start.cols, j])
        return Start(source, sink, start.f, start.g, (i, j, flow))

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """One pass over the matrix; at most 8 arcs a row."""
        from transport._kernels import simplex_matrix as k

        return (
            yield from self._rows(
                lambda i, j, cols, count: k.price_rows(self.values, f, g, i, j, cols, count)
            )
        )

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """One pass over the rows of ``sources``."""
        from transport._kernels import simplex_matrix as k

        return (
            yield from self._rows(
                lambda i, j, cols, count: k.crossing(
                    self.values, start.f, start.g, sources, sinks, limit, i, j, cols, count
                )
            )
        )

    def _rows(self, kernel: Callable[[int, int, np.ndarray, np.ndarray], object]) -> Slices[Arcs]:
        n, m = self.shape
        cols = np.empty((n, min(self.work.tuning.matrix_per_row, m)), np.int64)
        count = np.zeros(n, np.int64)
        yield from self._scan(lambda i, j: kernel(i, j, cols, count), n, m)
        rows, which = np.nonzero(np.arange(cols.shape[1]) < count[:, None])
        return rows, cols[rows, which]
