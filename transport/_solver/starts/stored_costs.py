"""Starts of a stored matrix: from clusters of its rows and columns, else a shortlist and rounded masses."""

from __future__ import annotations

import numpy as np

from transport._solver.column_generation import Simplex, generate_columns
from transport._solver.pricing.matrix import MatrixOracle
from transport._solver.pricing.oracle import Slices
from transport._solver.pricing.scan import scan
from transport._solver.start import Start
from transport._solver.starts.cost_clusters import Clusters, cluster
from transport._solver.starts.rounded_masses import rounded_start
from transport._solver.starts.shortlist import lowest, shortlist
from transport._solver.trees import Work

Masses = tuple[np.ndarray, np.ndarray]


def stored_start(
    oracle: MatrixOracle, masses: Masses, work: Work, *, says: bool = False, may_cluster: bool = True
) -> Slices[Start]:
    """From the coarser levels if rows and columns cluster, else from the column minima.

    ``says``: whether this goes into the path, as that of the problem itself does and those of levels do not.
    """

    def note(part: str, what: str, why: str) -> None:
        if says:
            work.note(part, what, why)

    c, t = oracle.values, work.tuning
    if may_cluster and not oracle.has_forbidden and min(c.shape) >= t.cluster_rows:
        rows = cluster(c, t)
        yield
        if rows.telling:
            cols = cluster(c.T, t)
            yield
            if cols.telling:
                note("start", "clusters of costs", "they tell the other costs")
                return (yield from _refined(oracle, masses, work, rows, cols))
        note(
            "switch",
            "shortlist",
            f"deviation inside clusters >= cluster_telling = {t.cluster_telling:g} of all",
        )
    else:
        note("start", "shortlist", f"{t.matrix_shortlist} cheapest arcs a node")
    start = yield from lowest(oracle)
    if _is_blind(start, oracle, t.spread):
        return start.unpooled(oracle)
    better = yield from rounded_start(oracle, start, masses, work)
    if better is not start:
        note("start", "rounded masses", f"{t.rough_units} units a node, stage by stage")
    return better


def _is_blind(start: Start, oracle: MatrixOracle, spread: float) -> bool:
    """Whether all rows want the same few columns, so that no shortlist says anything."""
    n, m = oracle.shape
    wanted = np.zeros(m, bool)
    wanted[start.cols[: n * min(oracle.shortlist, m)]] = True
    return bool(np.count_nonzero(wanted) < spread * m)


def _refined(oracle: MatrixOracle, masses: Masses, work: Work, x: Clusters, y: Clusters) -> Slices[Start]:
    """Solve between clusters (costs of their representatives), hand flows and potentials down."""
    from transport._kernels.sharing import split_flow

    c, (a, b) = oracle.values, masses
    totals = x.totals(a), y.totals(b)
    between = np.ascontiguousarray(c[np.ix_(x.representative, y.representative)])
    yield
    coarse = MatrixOracle(
        between, work.tuning, giants_forbid=oracle.giants_forbid, magnitude=oracle.magnitude
    )
    core = Simplex(coarse, *totals, (yield from stored_start(coarse, totals, work)), work)
    yield from generate_columns(core)
    f, g = core.potentials()
    rows, cols, flow = core.flows()
    top = y.representative[cols]
    t, i, flow = split_flow(c, True, rows, top, g[cols], flow, x.starts, x.members, a)
    cols, top = cols[t], top[t]
    t, j, flow = split_flow(c, False, cols, i, c[i, top], flow, y.starts, y.members, b)
    i = i[t]
    yield
    g = yield from _transformed(oracle, f, x.representative)
    start = yield from shortlist(oracle, g)
    source, sink = np.concatenate([start.rows, i]), np.concatenate([start.cols, j])
    return Start(source, sink, start.f, start.g, (i, j, flow))


def _transformed(oracle: MatrixOracle, f: np.ndarray, top: np.ndarray) -> Slices[np.ndarray]:
    """min_q c[top[q]] - f[q], shape (m,)."""
    from transport._kernels.costs import lower_rows

    m = oracle.shape[1]
    parts: list[np.ndarray] = []

    def part(start: int, stop: int) -> None:
        g = np.full(m, np.inf)
        lower_rows(oracle.values[top[start:stop]], f[start:stop], 0, stop - start, g)
        parts.append(g)

    yield from scan(part, len(top), m, oracle.tuning.scan_entries)
    return np.min(parts, axis=0)
