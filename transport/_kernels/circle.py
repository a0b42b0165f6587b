"""Optimal transport on a circle: the best cut, found by bisection on exact integer masses (numba)."""

from __future__ import annotations

import math
from types import ModuleType

import numpy as np

from transport._kernels.double_double import two_sum
from transport._kernels.univariate import _power, sorted_atoms
from transport.internal import compiled

_UNITS = 1 << 60  # a probability is this many indivisible parts; weights are known to 2^-53 of it


@compiled(error_model="numpy")
def _gap(x, y, lap, period):
    """|x - y - lap period|, rounded once where it is small."""
    d, error = two_sum(x, -y)
    return abs((d - lap * period) + error)


@compiled(error_model="numpy")
def _start(b, units, shift):
    """The atom of y that holds mass position -shift, its lap, and how much of it is left."""
    lap = -1 if shift > 0 else 0
    position = -shift - lap * units
    while position < 0:
        lap -= 1
        position += units
    while position >= units:
        lap += 1
        position -= units
    j = 0
    while position >= b[j]:
        position -= b[j]
        j += 1
    return j, lap, b[j] - position


@compiled(error_model="numpy")
def _slope(x, y, a, b, units, shift, period, p, scale):
    """Right derivative of the cost in ``shift``, which moves the masses of y forward; p < 0: largest gap.

    Each boundary between atoms j and j+1 of y that moves on gives mass of the x-atom there from j+1 to j.
    """
    i = 0
    j, lap, v = _start(b, units, shift)
    u = a[0]
    slope, low = 0.0, 0.0
    while True:
        step = min(u, v)
        u -= step
        v -= step
        if u == 0:
            i += 1
            if i < x.size:
                u = a[i]
        if v == 0:
            k = i % x.size
            turn = i // x.size  # the boundary at mass 1 is seen by the first atom of the next lap
            before = _gap(x[k], y[j], lap - turn, period)
            j += 1
            if j == y.size:
                j = 0
                lap += 1
            after = _gap(x[k], y[j], lap - turn, period)
            if p < 0:
                slope = max(slope, max(before, after))
            else:
                slope, error = two_sum(slope, _power(scale * before, p) - _power(scale * after, p))
                low += error
            v = b[j]
        if i == x.size:
            return slope + low


@compiled(error_model="numpy")
def _cost(x, y, a, b, units, shift, period, p, scale):
    """Mean of (scale gap)^p for this shift; p < 0: the largest gap."""
    i = 0
    j, lap, v = _start(b, units, shift)
    u = a[0]
    total, low = 0.0, 0.0
    while True:
        step = min(u, v)
        gap = _gap(x[i], y[j], lap, period)
        if p < 0:
            total = max(total, gap)
        else:
            total, error = two_sum(total, (step / units) * _power(scale * gap, p))
            low += error
        u -= step
        v -= step
        if u == 0:
            i += 1
            if i == x.size:
                return total + low
            u = a[i]
        if v == 0:
            j += 1
            if j == y.size:
                j = 0
                lap += 1
            v = b[j]


@compiled(error_model="numpy")
def _best_shift(x, y, a, b, units, period, p):
    low, high = -2 * units, 2 * units
    while low < high:  # the cost is convex in the shift: its right derivative changes sign once
        middle = low + (high - low) // 2
        scale = 1.0 / period
        if p > 2.0:  # powers of numbers <= 1, the largest of which is 1
            largest = _slope(x, y, a, b, units, middle, period, -1.0, 1.0)
            scale = 1.0 / largest if largest > 0.0 else 1.0
        if _slope(x, y, a, b, units, middle, period, p, scale) >= 0.0:
            high = middle
        else:
            low = middle + 1
    return low


def _whole(a: np.ndarray) -> np.ndarray:
    """Weights as whole parts of `_UNITS`; the rounding goes to the largest."""
    parts = np.rint(a / math.fsum(a) * _UNITS).astype(np.int64)
    parts[np.argmax(parts)] += _UNITS - int(parts.sum())
    return parts


def circle_cost(
    x: np.ndarray,
    y: np.ndarray,
    a: np.ndarray | None,
    b: np.ndarray | None,
    p: float,
    period: float,
    *,
    xp: ModuleType,
) -> tuple[float, float]:
    """(unit, s) with W_p = unit s^(1/p); positions in [-period/2, period/2], weights as `line_cost`."""
    (x, a), (y, b) = sorted_atoms(x, a), sorted_atoms(y, b)
    if a is None and b is None:
        common = math.gcd(x.size, y.size)
        units = x.size // common * y.size
        parts_a, parts_b = np.full(x.size, units // x.size), np.full(y.size, units // y.size)
    else:
        units = _UNITS
        parts_a = _whole(np.full(x.size, 1.0 / x.size) if a is None else a)
        parts_b = _whole(np.full(y.size, 1.0 / y.size) if b is None else b)
        x, parts_a = x[parts_a > 0], parts_a[parts_a > 0]
        y, parts_b = y[parts_b > 0], parts_b[parts_b > 0]
    shift = _best_shift(x, y, parts_a, parts_b, units, period, p)
    largest = _cost(x, y, parts_a, parts_b, units, shift, period, -1.0, 1.0)
    if largest == 0.0:
        return 0.0, 1.0
    return largest, _cost(x, y, parts_a, parts_b, units, shift, period, p, 1.0 / largest)
