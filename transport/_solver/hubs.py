"""Stored costs of a few rows, or a few columns: the long side's atoms are nearly all leaves of the basis.

There the ordinary simplex is slow for two reasons. A pool with the ten cheapest arcs of each node has next to
none of the arcs that a node of the short side needs, and a pivot moves a large part of the tree. The tree of
`transport._kernels.simplex_hubs` holds the short side only, and every source of the long side looks at all of
its arcs, which are few. Pivots are made where they are cheapest: first for every 4^L-th source, then for
every 4^(L-1)-th from the potentials found, and so on.

Measured against POT 0.9 at 150 x 6 000 (nine kinds of costs: u v, min, max, by blocks, lognormal, clustered
points, ...): 0.08 to 0.26 of its CPU time; at 200 x 39 000, u v: 0.03. With all sources at once, without the
levels, three to nine times more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transport._solver.pricing.oracle import Slices
from transport._solver.starts.rounded_masses import rounded
from transport._solver.trees import Draft, Work

Shipped = tuple[bool, np.ndarray, np.ndarray, np.ndarray]
"""(optimal, parent, f, g): the basis as a forest for `forests.peel`, and the potentials."""


def solve_hubs(
    values: np.ndarray, masses: tuple[np.ndarray, np.ndarray], work: Work, start: np.ndarray | None
) -> Slices[Shipped]:
    """The optimal basis for finite costs and integer masses, or a near one where rounding stops the pivots.

    Parameters
    ----------
    values : ndarray, shape (n, m)
    masses : pair of ndarray of int64
    work : Work
    start : ndarray, optional
        Potentials of the short side to start from.
    """
    n, m = values.shape
    if n < m:
        optimal, parent, g, f = yield from _solved(
            np.ascontiguousarray(values.T), masses[::-1], work, start, True
        )
        node = (np.arange(n + m) + n) % (n + m)  # of every atom there, here
        turned = np.full(n + m + 1, n + m)
        inner = parent[:-1] < n + m
        turned[node[inner]] = node[parent[:-1][inner]]
        return optimal, turned, f, g
    return (yield from _solved(values, masses, work, start, False))


def _solved(
    c: np.ndarray, masses: tuple[np.ndarray, np.ndarray], work: Work, start: np.ndarray | None, turned: bool
) -> Slices[Shipped]:
    """As `solve_hubs`, the columns being the hubs."""
    from transport._kernels import simplex_hubs as k

    a, b = masses
    t, (n, hubs) = work.tuning, c.shape
    sizes = [n]
    while start is None and sizes[-1] // t.hubs_growth >= t.hubs_coarsest * hubs:
        sizes.append(sizes[-1] // t.hubs_growth)
    v = np.zeros(hubs) if start is None else start.copy()
    for size in reversed(sizes):
        part, left, right = c, a, b
        if size < n:
            some = np.arange(size) * n // size
            part, left, right = c[some], a[some], _shares(b, int(a[some].sum()))
        tree = k.plant(part, left, right, v)
        work.arcs, work.stage = part.size, "pivoting"
        work.draft = _draft(c, masses, v, turned)
        if size == n:
            work.draft = lambda tree=tree: _laid_out(c, masses, v, tree, turned)  # type: ignore[misc]
        cursor = np.zeros(3, np.int64)
        while True:
            before = int(cursor[k.PIVOTS])
            code = k.run(part, v, tree, cursor, t.hubs_look * hubs, max(0, work.budget), t.hubs_effort)
            work.spend(int(cursor[k.PIVOTS]) - before)
            optimal = code == k.OPTIMAL
            if optimal or cursor[k.PIVOTS] > t.hubs_pivots * (size + hubs):
                break
            yield
    work.rounds += 1
    work.draft = None
    up, over = tree[0], tree[2]
    parent = np.concatenate([n + up, np.where(over >= 0, over, n + hubs), [n + hubs]])
    v -= np.sort(v)[hubs // 2]  # a root far from the others would make all potentials large
    return optimal, parent, _transformed(c, v), v


def _shares(b: np.ndarray, total: int) -> np.ndarray:
    """``b`` as positive integers of another total."""
    out = np.maximum(rounded(b, total), 1)
    out[out.argmax()] += total - int(out.sum())
    return out


def _transformed(c: np.ndarray, v: np.ndarray) -> np.ndarray:
    from transport._kernels.costs import row_transform_matrix

    f: np.ndarray = row_transform_matrix(c, v, np.arange(len(c)))
    return f


def _draft(
    c: np.ndarray, masses: tuple[np.ndarray, np.ndarray], v: np.ndarray, turned: bool
) -> Callable[[], Draft]:
    """What `plant` makes of the potentials so far for all sources."""

    def made() -> Draft:
        from transport._kernels import simplex_hubs as k

        now = v.copy()
        return _laid_out(c, masses, now, k.plant(c, *masses, now), turned)

    return made


def _laid_out(
    c: np.ndarray,
    masses: tuple[np.ndarray, np.ndarray],
    v: np.ndarray,
    tree: tuple[np.ndarray, ...],
    turned: bool,
) -> Draft:
    """The plan of a tree, in shares of the total, and potentials."""
    up, x, over, y, _, _ = tree
    j = np.flatnonzero(over >= 0)
    rows, cols = np.concatenate([np.arange(len(up)), over[j]]), np.concatenate([up, j])
    share = np.concatenate([x, y[j]]) / float(masses[0].sum())
    keep = share > 0
    f, g = _transformed(c, v), v.copy()
    rows, cols, share = rows[keep], cols[keep], share[keep]
    return (cols, rows, share, g, f) if turned else (rows, cols, share, f, g)
