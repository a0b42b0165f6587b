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
    """The problem of the three files.

    Raises
    ------
    ValueError
        For a file that is missing or malformed, or sizes that do not fit.
    """
    n, m, arcs, dense = _matrix(path)
    a, b = (_weights(_side(path, side), size) for side, size in (("a", n), ("b", m)))
    if dense is not None:
        return Problem(a, b, given=dense, name=path.stem)
    return Problem(a, b, arcs=arcs, name=path.stem)


def read_plan(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows, cols, mass) of a plan in a file of its own."""
    _, _, arcs, dense = _matrix(path)
    if dense is None:
        return arcs
    rows, cols = np.nonzero(dense)
    return rows, cols, dense[rows, cols]


Arcs = tuple[np.ndarray, np.ndarray, np.ndarray]


def _matrix(path: Path) -> tuple[int, int, Arcs, np.ndarray | None]:
    """(rows, columns, stored entries, all of them if it is dense)."""
    from scipy.io import mmread

    try:
        given = mmread(path)
    except (OSError, ValueError, OverflowError, MemoryError, StopIteration, IndexError) as error:
        raise ValueError(f"{path}: no Matrix Market file: {error}") from None
    none = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    if np.iscomplexobj(given):
        raise ValueError(f"{path}: complex numbers")
    if not hasattr(given, "tocoo"):
        dense = np.asarray(given, dtype=float)
        return *dense.shape, none, dense
    coo = given.tocoo()
    rows, cols, values = coo.row.astype(np.int64), coo.col.astype(np.int64), np.asarray(coo.data, dtype=float)
    if len(np.unique(rows * coo.shape[1] + cols)) < len(rows):
        raise ValueError(f"{path}: an entry twice")
    return *coo.shape, (rows, cols, values), None


def _weights(path: Path, size: int) -> np.ndarray:
    n, m, _, dense = _matrix(path)
    if dense is None or (n, m) != (size, 1):
        raise ValueError(f"{path}: a dense column of {size} masses is due, not {n} x {m}")
    return dense.ravel()
