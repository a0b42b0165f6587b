"""Optimal transport on a line and on a circle: sort, then one merge (numba)."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from transport._kernels.double_double import two_product, two_sum
from transport.internal import compiled, run_chunks

_LANES = 64
_CHUNK = 1 << 16


@compiled(error_model="numpy")
def _power(d, p):
    return d if p == 1.0 else d * d if p == 2.0 else d**p


@compiled(error_model="numpy")
def _paired_chunk(x, y, p, scale, sums):
    """Over pairs (x_i, y_i): (max |x-y|, 0) if p is inf, else the sum of (scale |x-y|)^p in two parts."""
    sums[:] = 0.0
    for start in range(0, x.size, _LANES):
        n = min(_LANES, x.size - start)
        if p == np.inf:
            for i in range(n):
                sums[0, i] = max(sums[0, i], abs(x[start + i] - y[start + i]))
        elif p == 1.0:
            for i in range(n):
                sums[0, i], error = two_sum(sums[0, i], scale * abs(x[start + i] - y[start + i]))
                sums[1, i] += error
        else:
            for i in range(n):
                term = _power(scale * abs(x[start + i] - y[start + i]), p)
                sums[0, i], error = two_sum(sums[0, i], term)
                sums[1, i] += error
    high, low = 0.0, 0.0
    for i in range(_LANES):
        if p == np.inf:
            high = max(high, sums[0, i])
        else:
            high, error = two_sum(high, sums[0, i])
            low += sums[1, i] + error
    return high, low


@compiled(error_model="numpy")
def _paired(x, y, p, scale, first, last, out):
    sums = np.empty((2, _LANES))
    for k in range(first, last):
        part = slice(k * _CHUNK, min(x.size, (k + 1) * _CHUNK))
        out[k, 0], out[k, 1] = _paired_chunk(x[part], y[part], p, scale, sums)


@compiled(error_model="numpy")
def total(a):
    """Sum of ``a`` to twice the working precision."""
    high, low = 0.0, 0.0
    for i in range(a.size):
        high, error = two_sum(high, a[i])
        low += error
    return two_sum(high, low)


@compiled(error_model="numpy")
def _merged(x, y, a, b, ratio, ratio_low, p, scale, tiny):
    """The monotone coupling of sorted atoms: (max |x-y|, 0), or the sum of mass (scale |x-y|)^p.

    Masses of y are multiplied by ``ratio``, which makes the totals equal. What is left of an atom is
    kept to twice the working precision, so that no mass, however small, is lost beside a large one.
    With p = inf, overlaps below ``tiny`` that are also less than half of both their atoms are left
    out: they are what rounding the weights leaves where two cumulative sums should coincide.
    """
    i = j = 0
    high = low = 0.0
    u, u_low = a[0], 0.0
    v, v_low = two_product(b[0], ratio)
    v_low += b[0] * ratio_low
    while True:
        x_ends = (u - v) + (u_low - v_low) <= 0.0
        y_ends = (u - v) + (u_low - v_low) >= 0.0
        mass, mass_low = (u, u_low) if x_ends else (v, v_low)
        if mass + mass_low > 0.0:
            d = abs(x[i] - y[j])
            if p == np.inf:
                if mass > tiny or mass > 0.5 * a[i] or mass > 0.5 * ratio * b[j]:
                    high = max(high, d)
            else:
                high, error = two_sum(high, (mass + mass_low) * _power(scale * d, p))
                low += error
        if x_ends:
            i += 1
        if y_ends:
            j += 1
        if i == x.size or j == y.size:
            return high, low
        if not x_ends:
            u, error = two_sum(u, -v)
            u, u_low = two_sum(u, error + (u_low - v_low))
        elif not y_ends:
            v, error = two_sum(v, -u)
            v, v_low = two_sum(v, error + (v_low - u_low))
        if x_ends:
            u, u_low = a[i], 0.0
        if y_ends:
            v, v_low = two_product(b[j], ratio)
            v_low += b[j] * ratio_low


def sorted_atoms(x: np.ndarray, a: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions in order with their weights; equal positions by weight, so that order cannot matter."""
    if a is None:
        return np.sort(x), None
    order = np.argsort(x)
    z = x[order]
    if np.any(z[1:] == z[:-1]):
        order = np.lexsort((a, x))
    return x[order], a[order]


def line_cost(
    x: np.ndarray, y: np.ndarray, a: np.ndarray | None, b: np.ndarray | None, p: float, *, xp: ModuleType
) -> tuple[float, float]:
    """(unit, s) with W_p = unit s^(1/p), 0 <= s <= 1 unless p = 1.

    Parameters
    ----------
    x, y : (n,), (m,) float64
        Positions, below 2^1000 in size.
    a, b : weights or None
        None: equal weights, exactly.
    p : float
        In [1, inf]; for inf, W = unit and s = 1.
    """
    pair: list[tuple[np.ndarray, np.ndarray | None]] = [(x, a), (y, b)]

    def sort(first: int, last: int) -> None:
        for k in range(first, last):
            pair[k] = sorted_atoms(*pair[k])

    run_chunks(sort, 2, slice_size=1 if x.size + y.size > 20_000 else 2)
    (x, a), (y, b) = pair
    if a is None and b is None and x.size == y.size:
        sweep = _paired_sweep(x, y)
        mass = float(x.size)
    else:
        sweep, mass = _merged_sweep(x, y, a, b)
    if p == 1.0:
        high, low = sweep(1.0, 1.0)
        return (high + low) / mass, 1.0
    largest = sweep(math.inf, 1.0 if p == math.inf else 0.0)[0]
    if p == math.inf or largest == 0.0:
        return largest, 1.0
    # A power of two leaves every digit alone; beyond p = 64 powers of numbers < 1 could all underflow.
    unit = 2.0 ** math.frexp(largest)[1] if p <= 64.0 and largest > 2.0**-1000 else largest
    if unit < 2.0**-1000:  # 1/unit would overflow
        x, y = x * 2.0**200, y * 2.0**200
        unit, s = line_cost(x, y, a, b, p, xp=xp)
        return unit * 2.0**-200, s
    high, low = sweep(p, 1.0 / unit)
    return unit, (high + low) / mass


def _paired_sweep(x, y):
    def sweep(p: float, scale: float) -> tuple[float, float]:
        n_chunks = -(-x.size // _CHUNK)
        out = np.empty((n_chunks, 2))
        run_chunks(
            lambda first, last: _paired(x, y, p, scale or 1.0, first, last, out), n_chunks, slice_size=4
        )
        if p == math.inf:
            return float(out[:, 0].max()), 0.0
        high, low = total(out[:, 0])
        return high, low + float(np.sum(out[:, 1]))

    return sweep


def _merged_sweep(x, y, a, b):
    if a is None and b is None:  # whole numbers: every step is exact
        a, b = np.full(x.size, float(y.size)), np.full(y.size, float(x.size))
    a = np.ones(x.size) if a is None else a
    b = np.ones(y.size) if b is None else b
    (mass, low), (other, other_low) = total(a), total(b)
    ratio, ratio_low = _quotient(mass, low, other, other_low)
    # What rounding n + m weights can move; with p = inf (scale 1) overlaps below it are ignored.
    tiny = 0.0 if x.size * y.size == mass else 4 * (x.size + y.size) * np.finfo(float).eps * mass

    def sweep(p: float, scale: float) -> tuple[float, float]:
        return _merged(x, y, a, b, ratio, ratio_low, p, scale, tiny * scale if p == math.inf else 0.0)

    return sweep, mass + low


@compiled(error_model="numpy")
def _quotient(a, a_low, b, b_low):
    """(a + a_low) / (b + b_low) to twice the working precision."""
    q = a / b
    product, error = two_product(q, b)
    return q, ((a - product) + (a_low - error - q * b_low)) / b
