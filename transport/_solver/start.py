"""Where a core begins."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from transport._solver.pricing.oracle import Oracle


@dataclass(frozen=True, eq=False)
class Start:
    """A first pool, potentials, perhaps a basis.

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

    def unpooled(self, oracle: Oracle) -> Start:
        """With all relative costs, if the oracle has a matrix."""
        costs = oracle.matrix()
        return self if costs is None else replace(self, relative=(costs - self.f[:, None]) - self.g)
