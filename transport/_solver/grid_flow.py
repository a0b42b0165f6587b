"""l1 on a grid as a flow between neighbouring cells: 2 d arcs a cell, not all pairs (Ling & Okada 2007).

Every cell v is a source v' of supply M + (a_v - b_v)+ and a sink v'' of demand M + (b_v - a_v)+, joined at no
cost; v' also reaches the neighbours' w''. That is a transport problem for the ordinary simplex, and M, more
than all mass that moves, keeps the arcs v' -> v'' in every basis: without them it is a forest of grid edges,
along which the masses as given are matched into a plan between cells, like on a tree metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np

from transport._grid import Grid
from transport._problem import Coupling, Problem
from transport._solver.assignment import Matching
from transport._solver.column_generation import Simplex
from transport._solver.forest import shipped
from transport._solver.pricing.sparse import SparseOracle
from transport._solver.tuning import Tuning
from transport._sparse import SparseMatrix


@dataclass(frozen=True, eq=False)
class Network:
    """Supplies and demands of the cells, integers; ``net`` is their difference, one of them is ``unit``."""

    problem: Problem
    grid: Grid
    net: np.ndarray
    unit: float

    @property
    def moved(self) -> int:
        """Units that cannot stay."""
        return int(self.net[self.net > 0].sum())

    @property
    def masses(self) -> tuple[np.ndarray, np.ndarray]:
        """(M + net+, M + net-)."""
        room = self.moved + 1
        return room + np.maximum(self.net, 0), room + np.maximum(-self.net, 0)

    def oracle(self, tuning: Tuning) -> SparseOracle:
        """Arcs v' -> v'' and to all neighbours."""
        cells = np.arange(len(self.net)).reshape(self.grid.grid_shape)
        rows, cols, costs = [cells.ravel()], [cells.ravel()], [np.zeros(cells.size)]
        for axis, step in enumerate(self.grid.steps):
            low = np.take(cells, np.arange(cells.shape[axis] - 1), axis).ravel()
            high = np.take(cells, np.arange(1, cells.shape[axis]), axis).ravel()
            rows += [low, high]
            cols += [high, low]
            costs += [np.full(2 * low.size, step)]
        row, col, cost = (np.concatenate(parts) for parts in (rows, cols, costs))
        order = np.lexsort((col, row))
        indptr = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=cells.size))])
        return SparseOracle(SparseMatrix(indptr, col[order], cost[order], (cells.size, cells.size)), tuning)

    def coupling(self, core: Simplex | Matching) -> Coupling:
        """The plan between cells along the core's flow."""
        from transport._kernels.forests import forest_parents
        from transport._kernels.tree_metric import couple, top_down

        a, b, size = self.problem.a, self.problem.b, len(self.net)
        rows, cols, _ = core.flows()
        edge = rows != cols
        parents = forest_parents(0, size, rows[edge], cols[edge])[:-1]
        parents[parents == size] = -1
        stays = ((a > 0) & (b > 0)).astype(np.int64)  # how much is for `peel` to say
        x, y = np.flatnonzero(a), np.flatnonzero(b)
        supply, demand = (stays + np.maximum(self.net, 0))[x], (stays + np.maximum(-self.net, 0))[y]
        parent, _ = couple(parents, np.zeros(size), top_down(parents), x, y, supply, demand)
        i, j, mass = shipped(np.append(parent, len(parent)), a[x], b[y])
        return Coupling(x[i], y[j], mass, *core.potentials())


def network(problem: Problem) -> Network:
    """What moves, in integers so small that M for every cell fits: a unit is about 2^-60 n of what moves."""
    grid = cast(Grid, problem.cost)
    net = problem.a - problem.b
    size = np.abs(net)
    total = math.fsum(size) / 2
    if total == 0:
        return Network(problem, grid, np.zeros(len(net), np.int64), 1.0)
    shift = 60 - len(net).bit_length() - math.frexp(total)[1]
    units = np.rint(np.ldexp(size, shift)).astype(np.int64)
    units = np.where(size > 0, np.maximum(units, 1), 0) * np.sign(net).astype(np.int64)
    units[size.argmax()] -= units.sum()
    return Network(problem, grid, units, math.ldexp(1.0, -shift))
