"""Long plans row by row: 12 bytes an arc, repaired in place and certified in pieces."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

from transport._answer import Arcs
from transport._certificate import certify_pieces
from transport._sinkhorn.system import Sparse
from transport._sinkhorn.work import Work

LONG = 1 << 21  # arcs from which a plan is kept like this
PIECE = 1 << 18  # arcs looked at together

Triple = tuple[np.ndarray, np.ndarray, np.ndarray]


class RowPlan:
    """Arcs in compressed rows of the atoms with mass, and a few more; (rows, cols) are made on first use."""

    def __init__(self, system: Sparse, work: Work, like: Any) -> None:
        self.shape, self.like = work.problem.shape, like
        self.atoms = work.rows, work.cols
        self.indptr, self.indices = system.indptr, system.indices
        a, b = system.side_a.mass, system.side_b.mass
        self._mass = system.become_masses()
        self.more, self.rest = self._completed(a, b, b / np.maximum(system.col, b))

    def _completed(self, a: np.ndarray, b: np.ndarray, y: np.ndarray) -> tuple[Triple, tuple[Any, ...]]:
        """(arcs to add, what they leave): scaled below both masses, the rest by the north-west rule."""
        from transport._kernels.entropic_arcs import fit_arcs, residuals_arcs
        from transport._kernels.settle import residuals
        from transport._kernels.sharing import northwest
        from transport._kernels.sparse import places

        arcs = self.indptr, self.indices, self._mass
        fit_arcs(*arcs, y, a)
        short = residuals_arcs(*arcs, a, b)[:2]
        rows, cols, mass = northwest(*(np.maximum(off, 0.0) for off in short))
        at = places(self.indptr, self.indices, rows, cols)
        known = at >= 0
        np.add.at(self._mass, at[known], mass[known])
        more = rows[~known], cols[~known], mass[~known]
        off_a, off_b, err_a, err_b = residuals_arcs(*arcs, a, b)
        return more, (*residuals(*more, off_a, off_b), err_a, err_b)

    def pieces(self) -> Iterator[Triple]:
        """(rows, cols, mass) in the numbers of the problem, a part of the rows at a time."""
        cuts = np.searchsorted(self.indptr, np.arange(PIECE, len(self._mass), PIECE))
        cuts = np.unique(np.concatenate([[0], cuts, [len(self.indptr) - 1]]))
        for i, j in itertools.pairwise(cuts):
            first, last = self.indptr[i], self.indptr[j]
            rows = np.repeat(self.atoms[0][i:j], np.diff(self.indptr[i : j + 1]))
            yield rows, self.atoms[1][self.indices[first:last]], self._mass[first:last]
        rows, cols, mass = self.more
        yield self.atoms[0][rows], self.atoms[1][cols], mass

    @property
    def count(self) -> int:
        """How many arcs there are."""
        return len(self._mass) + len(self.more[2])

    @cached_property
    def rows(self) -> np.ndarray:
        """Sources of the arcs."""
        return np.concatenate([piece[0] for piece in self.pieces()])

    @cached_property
    def cols(self) -> np.ndarray:
        """Sinks of the arcs."""
        return np.concatenate([piece[1] for piece in self.pieces()])

    @cached_property
    def mass(self) -> np.ndarray:
        """What the arcs carry."""
        return np.concatenate([self._mass, self.more[2]])

    def to_sparse(self) -> Any:
        """A scipy COO array with 4-byte indices, or cupyx's if ``like`` is a CuPy array."""
        rows, cols = (np.empty(self.count, np.int32) for _ in range(2))
        at = 0
        for i, j, _ in self.pieces():
            rows[at : at + len(i)], cols[at : at + len(i)] = i, j
            at += len(i)
        return Arcs(rows, cols, self.mass, self.shape, self.like).to_sparse()


def from_rows(work: Work, system: Sparse, like: Any) -> tuple[dict[str, Any], float]:
    """(fields of the Solution, upper bound of the regularised objective)."""
    from transport._kernels.settle import scan_masses

    problem = work.problem
    f = np.zeros(problem.shape[0])
    f[work.rows] = system.side_a.base
    plan = RowPlan(system, work, like)
    rest = []
    for k, off in enumerate(plan.rest):
        rest.append(np.zeros(problem.shape[k % 2]))
        rest[-1][(work.rows, work.cols)[k % 2]] = off
    certificate = certify_pieces(problem, f, plan.pieces(), (rest[0], rest[1], rest[2], rest[3]))
    log_a, log_b = (np.log(np.where(w > 0, w, 1.0)) for w in (problem.a, problem.b))
    entropy = [math.fsum(problem.a) * math.fsum(problem.b)]
    for rows, cols, mass in plan.pieces():
        terms = mass * (np.log(np.where(mass > 0, mass, 1.0)) - log_a[rows] - log_b[cols])
        entropy += [scan_masses(terms)[1], -scan_masses(mass)[1]] if len(mass) else []
    return {
        "value": certificate.value,
        "arcs": plan,
        "duals": (certificate.coupling.f, certificate.coupling.g),
        "lower_bound": certificate.lower,
        "upper_bound": certificate.upper,
        "marginal_error": certificate.marginal_error,
    }, certificate.value + work.reg * math.fsum(entropy)
