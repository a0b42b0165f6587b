"""One pass over two arrays of masses: the divergence, both totals and the validity flags (numba).

Serial, ``nogil``: threads share out fixed chunks (`transport.internal.run_chunks`). Blocks have constant
length and independent accumulators, so that loops vectorise with compensated sums and without fastmath.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

from divergences._kernels.terms import (
    affinity,
    alpha,
    chi2,
    jeffreys,
    js,
    kl,
    log_ratio,
    log_weight,
    squared_hellinger,
)
from transport.internal import compiled, run_chunks

TERMS = (
    "mass",
    "kl",
    "js",
    "tv",
    "squared_hellinger",
    "chi2",
    "jeffreys",
    "alpha",
    "surprise",
    "affinity",
    "log_ratio",
    "unseen",
)
_MASS, _KL, _JS, _TV, _HELLINGER, _CHI2, _JEFFREYS, _ALPHA, _SURPRISE, _AFFINITY, _RATIO, _UNSEEN = range(12)

_LANES = 64  # independent accumulators: no dependency between neighbours, so SIMD needs no fastmath
_CHUNK = 1 << 16  # entries in a chunk; fixed, hence results do not depend on the number of threads


@compiled
def _simple_terms(code, p, q, d, t):
    if code == _KL:
        for i in range(_LANES):
            t[i] = kl(p[i], q[i], d[i])
    elif code == _JS:
        for i in range(_LANES):
            t[i] = js(p[i], q[i], d[i])
    elif code == _TV:
        for i in range(_LANES):
            t[i] = 0.5 * abs(d[i])
    elif code == _HELLINGER:
        for i in range(_LANES):
            t[i] = squared_hellinger(p[i], q[i], d[i])
    elif code == _CHI2:
        for i in range(_LANES):
            t[i] = chi2(p[i], q[i], d[i])
    elif code == _JEFFREYS:
        for i in range(_LANES):
            t[i] = jeffreys(p[i], q[i], d[i])
    elif code == _UNSEEN:
        for i in range(_LANES):
            t[i] = q[i] if p[i] == 0.0 else 0.0


@compiled
def _order_terms(code, p, q, d, rise, high, low, t):
    if code == _ALPHA:
        for i in range(_LANES):
            t[i] = alpha(p[i], q[i], d[i], rise)
    elif code == _AFFINITY:
        for i in range(_LANES):
            t[i] = affinity(p[i], q[i], d[i], rise, high)
    elif code == _RATIO:
        for i in range(_LANES):
            t[i] = log_weight(p[i], q[i], d[i], rise)
    elif code == _SURPRISE:
        for i in range(_LANES):
            value = p[i] * log_ratio(high, q[i], (high - q[i]) + low)
            off_support = np.inf if p[i] > 0.0 else 0.0
            t[i] = (value if p[i] > 0.0 else 0.0) if q[i] > 0.0 else off_support


@compiled(inline="always")
def _add(work, k, i, x):
    # TwoSum (Knuth): rows k and k+1 carry the running sum to twice the precision.
    a = work[k, i]
    s = a + x
    b = s - a
    work[k + 1, i] += (a - (s - b)) + (x - b)
    work[k, i] = s


@compiled(inline="always")
def _split(x):
    # Veltkamp: two halves of 26 bits.
    t = 134217729.0 * x
    top = t - (t - x)
    return top, x - top


# Rows of ``work`` (11, lanes): sums of the term, of p and of q with their low parts, the smallest entry;
# then one block of x, y, x - y and the terms. One array, so that LLVM need not fear that they overlap.
_X, _Y, _D, _T = 7, 8, 9, 10


@compiled
def _load(p, q, scale_p, scale_q, work):
    """One block, filled up with zeros: loops of constant length leave LLVM no remainder to do singly."""
    for i in range(p.size):
        work[_X, i] = p[i]
        work[_Y, i] = q[i]
    for i in range(p.size, _LANES):
        work[_X, i] = 0.0
        work[_Y, i] = 0.0
    for i in range(_LANES):
        a = work[_X, i]
        b = work[_Y, i]
        smaller = a if a < b else b
        work[6, i] = smaller if smaller < work[6, i] else work[6, i]
        a *= scale_p
        b *= scale_q
        _add(work, 2, i, a)
        _add(work, 4, i, b)
        work[_X, i] = a
        work[_Y, i] = b
        work[_D, i] = a - b


@compiled
def _level(gap, gap_low, work):
    """y becomes (1 + gap) y: gap * y is formed exactly (Dekker), and x - y is where x/y is near 1 + gap."""
    gap_top, gap_rest = _split(gap)
    for i in range(_LANES):
        b = work[_Y, i]
        top, rest = _split(b)
        product = gap * b
        error = ((gap_top * top - product) + gap_top * rest + gap_rest * top) + gap_rest * rest
        work[_Y, i] = b + product
        work[_D, i] = (work[_D, i] - product) - (error + gap_low * b)


@compiled
def _scan_chunk(code, rise, p, q, row, work):
    """Fill the sums of ``work``."""
    gap, gap_low, high, low = row[2], row[3], row[4], row[5]
    work[:7] = 0.0
    if code == _RATIO:
        work[0] = -np.inf
    for start in range(0, p.size, _LANES):
        stop = start + _LANES
        _load(p[start:stop], q[start:stop], row[0], row[1], work)
        if code == _MASS:
            continue
        if gap != 0.0 or gap_low != 0.0:
            _level(gap, gap_low, work)
        if code in (_ALPHA, _AFFINITY, _RATIO, _SURPRISE):
            _order_terms(code, work[_X], work[_Y], work[_D], rise, high, low, work[_T])
        else:
            _simple_terms(code, work[_X], work[_Y], work[_D], work[_T])
        if code == _RATIO:
            for i in range(_LANES):
                work[0, i] = max(work[0, i], work[_T, i])
        else:
            for i in range(_LANES):
                _add(work, 0, i, work[_T, i])


@compiled
def _fold(code, work, out):
    """Reduce the lanes in a fixed order."""
    width = _LANES // 2
    while width:
        for k in range(0, 6, 2):
            if k == 0 and code == _RATIO:
                for i in range(width):
                    work[0, i] = max(work[0, i], work[0, i + width])
            else:
                for i in range(width):
                    work[k + 1, i] += work[k + 1, i + width]
                    _add(work, k, i, work[k, i + width])
        for i in range(width):
            work[6, i] = min(work[6, i], work[6, i + width])
        width //= 2
    for k in range(7):
        out[k] = work[k, 0]
    if out[0] == np.inf:
        out[1] = 0.0  # inf - inf in the error term


@compiled(error_model="numpy")
def _scan(code, rise, p, q, rows, chunk, per_row, first, last, out):
    """Chunks first..last: chunk k is the part k % per_row of row k // per_row."""
    work = np.empty((11, _LANES))
    for k in range(first, last):
        row = k // per_row
        begin = (k % per_row) * chunk
        end = min(p.shape[1], begin + chunk)
        _scan_chunk(code, rise, p[row, begin:end], q[row, begin:end], rows[row], work)
        _fold(code, work, out[k])


def scan(
    term: str, p: np.ndarray, q: np.ndarray, rows: np.ndarray, rise: float = 1.0, *, xp: ModuleType
) -> np.ndarray:
    """One pass over the rows of ``p`` and ``q``.

    Parameters
    ----------
    term : str
        One of `TERMS`: what is summed.
    p, q : (r, n) float64
        Masses, one measure a row.
    rows : (r, 6) float64
        ``scale_p, scale_q, gap, gap_low, high, low`` of each row. The terms are those of ``x = scale_p p``
        and ``y = (1 + gap + gap_low) scale_q q``, with ``x - y`` formed without cancellation; *surprise* sums
        ``x log((high + low)/y)`` and *affinity* is shifted by ``high``.
    rise : float
        Order minus 1 of *alpha*, *affinity*, *log_ratio* (*alpha*: at least -1/2).

    Returns
    -------
    (r, 7) float64
        Sum of the terms (for *log_ratio* their maximum) and what rounding took from it, the same for
        the masses of ``scale_p p`` and ``scale_q q``, and the smallest entry if one is negative, else 0.
    """
    n_rows, n = p.shape
    p, q = np.ascontiguousarray(p), np.ascontiguousarray(q)
    code = TERMS.index(term)
    per_row = max(1, -(-n // _CHUNK))
    out = np.empty((n_rows * per_row, 7))

    def task(first: int, last: int) -> None:
        _scan(code, float(rise), p, q, rows, _CHUNK, per_row, first, last, out)

    run_chunks(task, n_rows * per_row, slice_size=max(1, 4 * _CHUNK // max(1, min(n, _CHUNK))))
    parts = out.reshape(n_rows, per_row, 7)
    return parts[:, 0] if per_row == 1 else _combine(parts, term)


def _combine(parts: np.ndarray, term: str) -> np.ndarray:
    total = parts[:, 0].copy()
    with np.errstate(invalid="ignore", over="ignore"):
        for part in np.moveaxis(parts[:, 1:], 1, 0):
            for k in (0, 2, 4):
                a, x = total[:, k].copy(), part[:, k]
                s = a + x
                b = s - a
                total[:, k + 1] += part[:, k + 1] + ((a - (s - b)) + (x - b))
                total[:, k] = s
            total[:, 6] = np.minimum(total[:, 6], part[:, 6])
    if term == "log_ratio":
        total[:, 0] = parts[:, :, 0].max(axis=1)
    total[:, 1] = np.where(np.isfinite(total[:, 0]) & (term != "log_ratio"), total[:, 1], 0.0)
    return total
