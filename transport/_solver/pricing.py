"""Pricing oracles: who tells the simplex which arcs it still needs, and proves that none is missing.

The simplex core (`transport._solver.column_generation`) works on a growing pool of arcs. An oracle knows all
n x m of them, however they are stored (a matrix, two point clouds, a grid), and answers three questions
about potentials (f, g): where to start (`start`), which pairs have c_ij < f_i + g_j (`price`; an empty
answer is the proof that (f, g) is dual feasible, so the pool's optimum is the optimum of the whole
problem), and, only where arcs may be forbidden, which allowed arcs lead from a set of sources to a set
of sinks (`cross`; an empty answer is a Hall cut). Long scans are generators that ``yield`` about every
50 ms and return their answer (`Slices`), so that the caller stays interruptible.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

import numpy as np

from transport._solver.tuning import Tuning

T = TypeVar("T")
Slices: TypeAlias = Generator[None, None, T]
"""Work in slices: yields None now and then, returns T."""

Arcs: TypeAlias = tuple[np.ndarray, np.ndarray]
"""(rows, cols), integer vectors of equal length."""


@dataclass(frozen=True, eq=False)
class Start:
    """Where the simplex begins.

    ``rows, cols`` are the first pool (duplicates allowed); ``f, g`` finite potentials, the better the
    fewer pivots (costs are stored as c_ij - f_i - g_j, which also saves digits). ``basis`` is None (the
    core builds one greedily) or ``(rows, cols, mass)``: a forest of arcs with positive integer masses
    that ships everything, as a coarser level or an earlier solution leaves it; it need not be in the pool.
    ``relative``, shape (n, m), are all c_ij - f_i - g_j where pivots should look at them from the first on.
    """

    rows: np.ndarray
    cols: np.ndarray
    f: np.ndarray
    g: np.ndarray
    basis: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    relative: np.ndarray | None = None


class Oracle(Protocol):
    """All arcs of one problem, behind prices. Sources and sinks all carry mass.

    `cross` is called only if costs are forbidden or so huge that the core first does without them.
    """

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

    def start(self) -> Slices[Start]:
        """A first pool, 8 to 12 cheap arcs per node, and potentials."""
        ...

    def price(self, f: np.ndarray, g: np.ndarray) -> Slices[Arcs]:
        """Arcs with c_ij - f_i - g_j < -8 eps (|c_ij| + |f_i| + |g_j|), the worst few of each row.

        Empty only if there is none among all pairs. The tolerance is relative to the arc: no absolute
        constant, so that scaling the costs by 2^k scales everything and changes nothing.
        """
        ...

    def matrix(self) -> np.ndarray | None:
        """All costs as a matrix, if they are so few that pivots may look at whole rows of them."""
        ...

    def cross(self, sources: np.ndarray, sinks: np.ndarray, start: Start, limit: float) -> Slices[Arcs]:
        """Some arcs from ``sources`` to ``sinks`` (boolean masks); empty only if there is none.

        Counted are arcs with finite c_ij - start.f_i - start.g_j <= limit (limit may be inf).
        """
        ...


def unpooled(start: Start, oracle: Oracle) -> Start:
    """``start`` with all relative costs, if the oracle has a matrix."""
    costs = oracle.matrix()
    return start if costs is None else replace(start, relative=(costs - start.f[:, None]) - start.g)


def continued(
    start: Start, oracle: Oracle, arcs: Arcs, masses: tuple[np.ndarray, np.ndarray], tuning: Tuning
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
    if len(sources) * len(sinks) > tuning.repair_pairs:
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
