"""Matrices of divergences: all pairs of rows, in compiled code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from divergences._evaluate import measured
from divergences._table import TABLE
from transport.internal import as_float64, check_choice, namespace, on_device_of, run_chunks, to_numpy

_ROWS = {name: row for name, row in TABLE.items() if row.of_arrays}
_CHUNK = 1 << 15  # entries
_LANES = 64  # of the kernels: rows are filled up with zeros to a multiple


def pairwise(name: str, p: Any, q: Any = None, *, normalize: bool = False, condensed: bool = False) -> Any:
    """Divergences between all rows of one array, or between those of two.

    Parameters
    ----------
    name : {"kl", "js", "js_distance", "tv", "squared_hellinger", "hellinger", "chi2", "jeffreys"}
        The functions of this package by these names.
    p : array, shape (k, n)
        Masses of k measures on the same n atoms.
    q : array, shape (m, n), optional
        The columns of a rectangular matrix; by default the rows of ``p`` themselves.
    normalize : bool
        Divide each row by its total instead of insisting on 1.
    condensed : bool
        The upper triangle alone, as `scipy.spatial.distance.pdist` has it; for one array and a symmetric
        divergence.

    Returns
    -------
    array, shape (k, k), (k, m) or (k (k - 1) / 2,)
        In nats; entry (i, j) is ``name(p[i], q[j])``, to rounding.

    Raises
    ------
    ValueError, TypeError
        As `kl`, with the row; a name that is none.

    Notes
    -----
    The terms are those of the single functions, free of cancellation: a JS of 1e-24 keeps its digits, where
    differences of entropies give 0 or 1e-16. Computed on the host, on all cores; arrays go back to their
    device.

    Examples
    --------
    >>> pairwise("tv", [[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
    array([[0. , 1. , 0.5],
           [1. , 0. , 0.5],
           [0.5, 0.5, 0. ]])
    """
    row = _ROWS[check_choice(name, "name", tuple(_ROWS))]
    if condensed and (q is not None or not row.symmetric):
        raise ValueError("condensed=True is for one array and a symmetric divergence")
    x, mass_x, atoms = _rows(p, "p", normalize)
    y, mass_y, others = (x, mass_x, atoms) if q is None else _rows(q, "q", normalize)
    if atoms != others:
        raise ValueError(f"p has {atoms} atoms a row and q {others}; they must be the same atoms")
    k, m = len(x), len(y)
    half = q is None and row.symmetric
    i, j = np.triu_indices(k, 1) if half else np.indices((k, m)).reshape(2, -1)
    value = np.empty(len(i))
    _fill(row.term, (i, j), (x, y), (mass_x, mass_y), row.largest, value)
    value = row.finish(value, np)
    if condensed:
        return on_device_of(value, p)
    if not half:
        return on_device_of(value.reshape(k, m), p)
    out = np.zeros((k, k))
    out[i, j] = out[j, i] = value
    return on_device_of(out, p)


def _rows(p: Any, name: str, normalize: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """(scaled rows, their totals to twice the working precision (k, 2), number of atoms), checked."""
    values, eps = as_float64(p, name, xp=namespace(p))
    host = np.ascontiguousarray(to_numpy(values))
    if host.ndim != 2:
        raise ValueError(f"{name} has shape {host.shape}; give one measure a row, (k, n)")
    try:
        if eps > 2.0**-52 and not normalize:  # what is allowed for follows from the dtype it came in
            measured(to_numpy(p), to_numpy(p), axis=-1, normalize=False)
            normalize = True
        rows, _ = measured(host, host, axis=-1, normalize=normalize)
    except ValueError as error:
        text = str(error)
        raise ValueError(name + text[1:] if text.startswith(("p ", "p[")) else text) from None
    totals = np.stack([rows.mass_p, rows.low_p], axis=1)
    n = host.shape[1]
    padded = np.zeros((len(host), -(-n // _LANES) * _LANES))
    padded[:, :n] = host * np.asarray(rows.scale_p)[:, None]
    return padded, totals, n


def _fill(
    term: str,
    at: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    masses: tuple[np.ndarray, np.ndarray],
    most: float,
    out: np.ndarray,
) -> None:
    from divergences._kernels import pairs as k
    from divergences._kernels.cpu import TERMS

    code, step = TERMS.index(term), max(1, _CHUNK // rows[0].shape[1])
    if term == "js":
        _by_entropies(at, rows, masses, most, step, out)
        rest = np.flatnonzero(np.isnan(out))
        at = at[0][rest], at[1][rest]
    else:
        rest = np.arange(len(out))
    part = np.empty(len(rest))

    def task(first: int, last: int) -> None:
        k.pairs_range(code, first * step, min(len(part), last * step), *at, *rows, *masses, most, part)

    run_chunks(task, -(-len(part) // step), slice_size=8)
    out[rest] = part


def _by_entropies(
    at: tuple[np.ndarray, np.ndarray],
    rows: tuple[np.ndarray, np.ndarray],
    masses: tuple[np.ndarray, np.ndarray],
    most: float,
    step: int,
    out: np.ndarray,
) -> None:
    """JS where entropies do not cancel, nan elsewhere."""
    from divergences._kernels import pairs as k

    unit = math.ldexp(1.0, math.frexp(float(masses[0][0, 0]) / rows[0].shape[1])[1])
    entropies = [np.empty((len(x), 2)) for x in rows]
    for x, entropy in zip(rows, entropies):
        k.entropy_rows(x, unit, entropy)

    def task(first: int, last: int) -> None:
        k.js_range(first * step, min(len(out), last * step), *at, *rows, *masses, *entropies, unit, most, out)

    run_chunks(task, -(-len(out) // step), slice_size=8)
