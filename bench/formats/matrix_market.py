"""Matrix Market: the costs as a dense or sparse matrix, masses as vectors in NAME.a.mtx and NAME.b.mtx."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bench.problems import Problem


def _side(path: Path, side: str) -> Path:
    return path.with_name(f"{path.stem}.{side}.mtx")


def write(path: Path, problem: Problem) -> None:
    """Three files; forbidden arcs make the matrix sparse."""
    from scipy.io import mmwrite
    from scipy.sparse import coo_array

    from bench.formats.dimacs import arcs_of

    if problem.allows_all:
        given = problem.matrix
    else:
        rows, cols, costs = arcs_of(problem)
        given = coo_array((costs, (rows, cols)), shape=problem.shape)
    mmwrite(path, given, comment=problem.name, precision=17, symmetry="general")
    for side, weights in (("a", problem.a), ("b", problem.b)):
        mmwrite(_side(path, side), weights[:, None], precision=17, symmetry="general")


def read(path: Path) -> Problem:
    """The problem of the three files."""
    from scipy.io import mmread

    given = mmread(path)
    a, b = (np.asarray(mmread(_side(path, side))).ravel() for side in ("a", "b"))
    if hasattr(given, "tocoo"):
        coo = given.tocoo()
        arcs = coo.row.astype(np.int64), coo.col.astype(np.int64), np.asarray(coo.data, dtype=float)
        return Problem(a, b, arcs=arcs, name=path.stem)
    return Problem(a, b, given=np.asarray(given, dtype=float), name=path.stem)
