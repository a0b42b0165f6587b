"""Pricing: which arcs the simplex still needs, and the proof that none is missing.

The simplex core (`transport._solver.column_generation`) works on a growing pool of arcs. An oracle knows all
n x m of them, however they are held (a matrix, points, stored arcs, a function). What differs from one
to the next is one operation, `Oracle.nearest`: the k smallest c - v of every row, below a limit. From it
come shortlists (`transport._solver.starts.shortlist`), the arcs with c_ij < f_i + g_j (`price`; an empty
answer is the proof that (f, g) is dual feasible, so the pool's optimum is the optimum of the whole
problem), and the allowed arcs from a set of sources to a set of sinks (`cross`; an empty answer is a Hall
cut). Long searches are generators that ``yield`` about every 50 ms and return their answer (`Slices`), so
that the caller stays interruptible.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from transport._nearest import Found

T = TypeVar("T")
Slices: TypeAlias = Generator[None, None, T]
"""Work in slices: yields None now and then, returns T."""

Arcs: TypeAlias = tuple[np.ndarray, np.ndarray]
"""(rows, cols), integer vectors of equal length."""
Violated: TypeAlias = tuple[np.ndarray, np.ndarray, np.ndarray]
"""(rows, cols, costs)."""

EPS = 2.0**-52


class Oracle(Protocol):
    """All arcs of one problem, behind prices. Sources and sinks all carry mass."""

    @property
    def shortlist(self) -> int:
        """Cheapest arcs a node that a first pool holds."""
        ...

    @property
    def per_row(self) -> int:
        """Violated arcs a row that a round finds."""
        ...

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)."""
        ...

    @property
    def has_forbidden(self) -> bool:
        """Whether some cost is +inf."""
        ...

    @property
    def giants_forbid(self) -> bool:
        """Whether a giant cost may mean a forbidden arc; between points it is just far."""
        ...

    @property
    def magnitude(self) -> float:
        """An upper bound of the finite |c_ij|; only its order of magnitude matters."""
        ...

    def costs(self, rows: np.ndarray, cols: np.ndarray) -> np.ndarray:
        """c[rows, cols], broadcast like NumPy indexing, float64."""
        ...

    def nearest(self, v: np.ndarray, k: int, limit: np.ndarray | None = None) -> Slices[Found]:
        """The k smallest c_ij - v_j of every row, below limit_i where there is one.

        Of what lies below limit_i by rounding alone, all, some or none is found.
        """
        ...

    def both_ways(self, g: np.ndarray) -> Slices[tuple[Found, Found]]:
        """The ``shortlist`` nearest of every row for g, and of every column for the f that they give.

        f_i are the least c_ij - g_j; the second are columns with the k smallest c_ij - f_i, as rows.
        """
        ...

    def lowest(self) -> Slices[np.ndarray]:
        """min_i c_ij of every column, 0 where there is none: potentials to begin with."""
        ...

    def matrix(self) -> np.ndarray | None:
        """All costs as a matrix, if they are so few that pivots may look at whole rows of them."""
        ...


def price(oracle: Oracle, f: np.ndarray, g: np.ndarray) -> Slices[Violated]:
    """Arcs with c_ij - f_i - g_j < -8 eps (|c_ij| + |f_i| + |g_j|), the worst few of each row, with costs.

    Empty only if there is none among all pairs. The tolerance is relative to the arc: no absolute constant,
    so that scaling the costs by 2^k scales everything and changes nothing. Rows with f = -inf and columns
    with g = -inf violate nothing.
    """
    found = yield from oracle.nearest(g, oracle.per_row, f)
    rows, cols = found.pairs
    c = oracle.costs(rows, cols)
    u, v = f[rows], g[cols]
    bad = (c - v) - u < -8 * EPS * (np.abs(c) + np.abs(u) + np.abs(v))
    return (rows, cols, c) if bad.all() else (rows[bad], cols[bad], c[bad])


def cross(
    oracle: Oracle, sources: np.ndarray, sinks: np.ndarray, f: np.ndarray, g: np.ndarray, limit: float
) -> Slices[Arcs]:
    """Some arcs from ``sources`` to ``sinks`` (boolean masks) with finite c_ij - f_i - g_j <= limit.

    Empty only if there is none; ``limit`` may be inf.
    """
    found = yield from oracle.nearest(
        np.where(sinks, g, -np.inf), oracle.per_row, np.where(sources, f + limit, -np.inf)
    )
    return found.pairs
