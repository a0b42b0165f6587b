"""The specification of the kernels in pure array API (``xp``): slow, short, on any library and device."""

from __future__ import annotations

import math
from types import ModuleType

import array_api_compat as aac

from transport.internal import Array

__all__ = ["circle_cost", "line_cost"]


def _sorted(x: Array, a: Array | None, units: float, *, xp: ModuleType) -> tuple[Array, Array]:
    """Positions in order and cumulative weights, the last of which is ``units``."""
    order = xp.argsort(x)
    if a is None:
        n = x.shape[0]
        steps = xp.arange(1, n + 1, dtype=xp.float64, device=aac.device(x)) * (units / n)
        return xp.take(x, order), steps
    levels = xp.cumulative_sum(xp.take(a, order))
    return xp.take(x, order), levels * (units / float(levels[-1]))


def _atom(levels: Array, position: Array, *, xp: ModuleType) -> Array:
    """Which atom holds each mass position."""
    return xp.clip(xp.searchsorted(levels, position, side="right"), max=levels.shape[0] - 1)


def _mean_power(gap: Array, mass: Array, p: float, units: float, *, xp: ModuleType) -> tuple[float, float]:
    """(unit, s): unit s^(1/p) is the p-mean of the gaps."""
    largest = float(xp.max(xp.where(mass > 0.0, gap, xp.zeros_like(gap))))
    if p == math.inf or largest == 0.0:
        return largest, 1.0
    if p == 1.0:
        return float(xp.sum(gap * mass)) / units, 1.0
    scaled = xp.where(mass > 0.0, gap, xp.zeros_like(gap)) / largest
    return largest, float(xp.sum(scaled**p * mass)) / units


def line_cost(
    x: Array, y: Array, a: Array | None, b: Array | None, p: float, *, xp: ModuleType
) -> tuple[float, float]:
    """(unit, s) with W_p = unit s^(1/p), as in `transport._kernels.univariate`; the masses in float64."""
    n, m = x.shape[0], y.shape[0]
    units = float(n * m) if a is None and b is None else 1.0
    x, mass_x = _sorted(x, a, units, xp=xp)
    y, mass_y = _sorted(y, b, units, xp=xp)
    levels = xp.sort(xp.concat([xp.zeros_like(mass_x[:1]), mass_x, mass_y]))
    mass = levels[1:] - levels[:-1]
    if units == 1.0:  # steps that are rounding of the weights
        tiny = 4 * (n + m) * 2.0**-52 if p == math.inf else 0.0
        mass = xp.where(mass > tiny, mass, xp.zeros_like(mass))
    middle = levels[:-1] + 0.5 * mass
    gap = xp.abs(xp.take(x, _atom(mass_x, middle, xp=xp)) - xp.take(y, _atom(mass_y, middle, xp=xp)))
    return _mean_power(gap, mass, p, units, xp=xp)


def _cover_gap(x: Array, y: Array, lap: Array, period: float, *, xp: ModuleType) -> Array:
    return xp.abs((x - y) - lap * period)


def circle_cost(
    x: Array, y: Array, a: Array | None, b: Array | None, p: float, period: float, *, xp: ModuleType
) -> tuple[float, float]:
    """(unit, s) with W_p = unit s^(1/p), as in `transport._kernels.circle`; the cut in float64."""
    x, mass_x = _sorted(x, a, 1.0, xp=xp)
    y, mass_y = _sorted(y, b, 1.0, xp=xp)
    following = xp.roll(y, -1)
    last = xp.arange(y.shape[0], device=aac.device(y)) == y.shape[0] - 1
    wrap = xp.astype(last, xp.float64)

    def slope(shift: float) -> float:
        """Right derivative of the cost: mass at each boundary of y goes from one atom to the one before."""
        position = mass_y + shift
        turn = xp.floor(position)
        at = xp.take(x, _atom(mass_x, position - turn, xp=xp))
        before = _cover_gap(at, y, -turn, period, xp=xp)
        after = _cover_gap(at, following, wrap - turn, period, xp=xp)
        largest = max(float(xp.max(before)), float(xp.max(after)), 1e-300)
        return float(xp.sum((before / largest) ** p - (after / largest) ** p))

    low, high = -2.0, 2.0
    while True:
        middle = 0.5 * (low + high)
        if middle in (low, high) or high - low < 2.0**-60:
            break
        if slope(middle) >= 0.0:
            high = middle
        else:
            low = middle
    moved = mass_y + high
    levels = xp.sort(xp.concat([xp.zeros_like(mass_x[:1]), mass_x, moved - xp.floor(moved)]))
    mass = levels[1:] - levels[:-1]
    middles = levels[:-1] + 0.5 * mass
    position = middles - high
    lap = xp.floor(position)
    at_x = xp.take(x, _atom(mass_x, middles, xp=xp))
    at_y = xp.take(y, _atom(mass_y, position - lap, xp=xp))
    mass = xp.where(mass > 4 * 2.0**-52, mass, xp.zeros_like(mass))  # where the float64 cut misses its level
    return _mean_power(_cover_gap(at_x, at_y, lap, period, xp=xp), mass, p, 1.0, xp=xp)
