"""Starts from potentials: a first pool of the cheapest arcs for them, and an earlier plan to continue."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transport._solver.pricing.oracle import Arcs, Oracle, Slices
from transport._solver.start import Start
from transport._solver.tuning import Tuning


def shortlist(oracle: Oracle, g: np.ndarray) -> Slices[Start]:
    """The cheapest arcs of every row for g, and of every column for the f that they give."""
    by_row, by_col = yield from oracle.both_ways(g)
    (i, j), (sink, source) = by_row.pairs, by_col.pairs
    return Start(np.concatenate([i, source]), np.concatenate([j, sink]), by_row.least, by_col.least)


def lowest(oracle: Oracle) -> Slices[Start]:
    """The shortlist for the least cost of every column."""
    return (yield from shortlist(oracle, (yield from oracle.lowest())))


def earlier(oracle: Oracle, g: np.ndarray, arcs: Arcs, t: Tuning, *, wide: bool) -> Slices[Start]:
    """From potentials and arcs of an earlier answer: these arcs, and what is nearly as cheap, in one search.

    Nearly: within the reach of the ``warm_arcs`` cheapest of a row, in the median of a few rows. ``wide``:
    the shortlist instead, where a search costs so much that there must be few of them.
    """
    from transport._kernels.costs import lower_at

    if wide:
        start = yield from shortlist(oracle, g)
        rows, cols, f, g = start.rows, start.cols, start.f, start.g
    else:
        n, m = oracle.shape
        f, k = np.full(n, np.inf), min(t.warm_arcs, m)
        lower_at(f, arcs[0], oracle.costs(*arcs) - g[arcs[1]])
        sample = np.arange(min(n, t.sample)) * n // min(n, t.sample)
        every = np.arange(m)[None, :]
        worst = [np.partition(oracle.costs(np.array([[i]]), every)[0] - g, k - 1)[k - 1] for i in sample]
        yield
        known = np.isfinite(f[sample])
        reach = np.median(np.array(worst)[known] - f[sample][known]) if known.any() else np.inf
        found = yield from oracle.nearest(g, k, f + max(0.0, float(reach)))
        rows, cols = found.pairs
        f = np.where(np.isfinite(f), f, found.least)
    return Start(np.concatenate([rows, arcs[0]]), np.concatenate([cols, arcs[1]]), f, g)


def continued(
    start: Start, oracle: Oracle, arcs: Arcs, masses: tuple[np.ndarray, np.ndarray], t: Tuning
) -> Start:
    """``start`` with the forest ``arcs`` of an earlier plan as basis, filled with the masses of now.

    What the new masses leave over goes to the cheapest open sinks. Where there is too much of that, or
    ``arcs`` is no forest, the core may do better from scratch: ``start`` is returned as it is.
    """
    from transport._kernels.simplex_pool import greedy_flow, nearest_flow

    rows, cols = arcs
    if len(rows) >= sum(oracle.shape):
        return start
    left_a, left_b = masses[0].copy(), masses[1].copy()
    ids, flow = greedy_flow(np.arange(len(rows)), rows, cols, left_a, left_b)
    sources, sinks = np.flatnonzero(left_a), np.flatnonzero(left_b)
    if len(sources) * len(sinks) > t.repair_pairs:
        return start
    parts = [(rows[ids], cols[ids], flow)]
    if len(sources):
        block = oracle.costs(sources[:, None], sinks[None, :]) - start.f[sources, None] - start.g[sinks]
        parts.append(nearest_flow(block, sources, sinks, left_a, left_b))
    if left_a.any():
        return start
    i, j, flow = (np.concatenate(part) for part in zip(*parts))
    return replace(
        start, rows=np.concatenate([start.rows, i]), cols=np.concatenate([start.cols, j]), basis=(i, j, flow)
    )
