"""The one evaluation behind every divergence of arrays: check, sum in one pass, correct the totals.

The answer is that of the proportions ``p/sum(p)`` and ``q/sum(q)`` of the stored numbers. Near
equality the totals matter: a KL of 1e-24 is moved in its eighth digit by totals that differ by one
rounding. So the kernels return both totals to twice the working precision, and when they differ
enough to be seen (`_needs_second_pass`) the sum is taken again with ``x - y`` replaced by
``(p - q) - gap q``, ``gap = sum(p)/sum(q) - 1``, which is free of cancellation.
"""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import array_api_compat as aac
import numpy as np

from transport.internal import (
    Array,
    as_float64,
    kernels,
    measures,
    namespace,
    on_device_of,
    require_finite,
    to_numpy,
)

_EPS = float(np.finfo(np.float64).eps)
# A power of two changes no digit. Lifted by 2^64 every positive float64, the subnormal ones included,
# is a normal number, and masses of totals near 1 stay far from overflow.
_LIFT = 64


@dataclass(frozen=True)
class Rows:
    """Two stacks of measures, a pair a row, with their totals.

    Attributes
    ----------
    p, q : (r, n)
        As given, in float64.
    scale_p, scale_q : (r,)
        Powers of two by which the kernels multiply p and q.
    mass_p, low_p, mass_q, low_q : (r,)
        Totals of the scaled rows, to twice the working precision.
    shape : tuple
        Shape of the answer.
    """

    p: Array
    q: Array
    scale_p: Array
    scale_q: Array
    mass_p: Array
    low_p: Array
    mass_q: Array
    low_q: Array
    shape: tuple[int, ...]
    xp: ModuleType

    @property
    def gap(self) -> tuple[Array, Array]:
        """sum(p)/sum(q) - 1 of the scaled rows, to twice the working precision if the two are near."""
        difference, error = two_sum(self.mass_p, -self.mass_q)
        error = error + (self.low_p - self.low_q)
        gap = (difference + error) / self.mass_q
        product, rest = two_product(gap, self.mass_q)
        return gap, ((difference - product) + (error - rest - gap * self.low_q)) / self.mass_q

    def scan(
        self, term: str, rise: float = 1.0, *, level: bool = True, high: Array = None, low: Array = None
    ) -> Array:
        """The kernel's sums (r, 7): of p and (1 + gap) q if ``level``, else of the masses as stored."""
        xp = self.xp
        zero = xp.zeros_like(self.scale_p)
        gap = self.gap if level else (zero, zero)
        columns = [self.scale_p, self.scale_q, *gap, *(zero if c is None else c for c in (high, low))]
        rows = xp.stack(columns, axis=1)
        return kernels("divergences", xp).scan(term, self.p, self.q, rows, rise, xp=xp)

    def total(self, term: str, rise: float = 1.0, *, high: Array = None) -> Array:
        """Sum of the terms of p/sum(p) and q/sum(q), one a row."""
        sums = self.scan(term, rise, high=high)
        return (sums[:, 0] + sums[:, 1]) / self.mass_p

    def take(self, index: Array) -> Rows:
        """The rows of ``index`` alone."""
        if index.shape[0] == self.p.shape[0]:
            return self
        parts = {k: v[index] for k, v in vars(self).items() if k not in ("shape", "xp")}
        return replace(self, **parts)

    def shaped(self, value: Array) -> Array:
        """(r,) values in the shape of the answer; a scalar for NumPy where there is one measure."""
        value = self.xp.reshape(value, self.shape)
        return value[()] if isinstance(value, np.ndarray) else value


def two_sum(a: Array, b: Array) -> tuple[Array, Array]:
    """a + b and its rounding error, exactly (Knuth)."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def two_product(a: Array, b: Array) -> tuple[Array, Array]:
    """a b and its rounding error, exactly (Dekker); no overflow below 2^996."""
    a_top, b_top = (134217729.0 * x - (134217729.0 * x - x) for x in (a, b))
    a_rest, b_rest = a - a_top, b - b_top
    product = a * b
    return product, ((a_top * b_top - product) + a_top * b_rest + a_rest * b_top) + a_rest * b_rest


def _two_dimensional(x: Array, axis: int | None, *, xp: ModuleType) -> Array:
    if axis is None:
        return xp.reshape(x, (1, -1))
    x = xp.moveaxis(x, axis, -1)
    rows = math.prod(x.shape[:-1])
    return xp.reshape(x, (rows, x.shape[-1]))


def _aligned(p: Array, q: Array, axis: int | None, *, xp: ModuleType) -> tuple[Array, Array, tuple[int, ...]]:
    for name, x in (("p", p), ("q", q)):
        if x.ndim == 0:
            raise ValueError(f"{name} is a number; it must hold the masses of a measure, shape (..., n)")
        if axis is not None and not -x.ndim <= axis < x.ndim:
            raise ValueError(f"axis = {axis}, but {name} has shape {tuple(x.shape)}")
    same = p.shape == q.shape
    if not same and (axis is None or p.shape[axis] != q.shape[axis]):
        raise ValueError(
            f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; they must give masses of the same atoms"
            " (other axes broadcast)"
        )
    if not same:
        try:
            p, q = xp.broadcast_arrays(p, q)
        except ValueError as error:
            raise ValueError(
                f"p has shape {tuple(p.shape)} and q {tuple(q.shape)}; they do not broadcast"
            ) from error
    shape = () if axis is None else tuple(np.delete(np.asarray(p.shape, dtype=int), axis).tolist())
    return _two_dimensional(p, axis, xp=xp), _two_dimensional(q, axis, xp=xp), shape


def _refuse_entries(name: str, x: Array, *, xp: ModuleType) -> None:
    require_finite(x, name, xp=xp)
    if bool(xp.any(x < 0)):
        bad = to_numpy(x < 0)
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        index = ", ".join(map(str, where))
        raise ValueError(f"{name}[{index}] is {float(x[where])}; {name} holds masses, which must be >= 0")


def _refuse_totals(name: str, mass: np.ndarray, allowed: float | None) -> None:
    """Refuse rows without mass, and (unless ``allowed`` is None) those that do not sum to 1."""
    if mass.size == 0:
        return
    row = int(np.argmin(mass))
    which = name if mass.size == 1 else f"{name} (measure {row} of {mass.size})"
    if not mass[row] > 0:
        raise ValueError(f"{which} has total mass 0; at least one entry must be positive")
    if allowed is None:
        return
    row = int(np.argmax(np.abs(mass - 1.0)))
    which = name if mass.size == 1 else f"{name} (measure {row} of {mass.size})"
    if abs(mass[row] - 1.0) > allowed:
        raise ValueError(
            f"{which} sums to {float(mass[row])!r}, not 1; pass normalize=True "
            f"(or divide {name} by its sum) if you mean proportions"
        )


def measured(
    p: Any, q: Any, *, axis: int | None, normalize: bool, term: str = "mass", rise: float = 1.0
) -> tuple[Rows, Array | None]:
    """Check both arguments and take their totals, with the sum of ``term`` in the same pass if possible.

    Returns
    -------
    rows : Rows
    value : (r,) array or None
        The sums of ``term`` of the masses as stored, over their mean total; None if the totals had to
        be known first (``normalize``, or an input of low precision).
    """
    p, q = measures(p, q)
    xp = namespace(p, q)
    x, eps_p = as_float64(p, "p", xp=xp)
    y, eps_q = (x, eps_p) if q is p else as_float64(q, "q", xp=xp)
    axis = None if axis is None else operator.index(axis)
    for name, values in (("p", x), ("q", y)):
        if values.ndim and (axis is None or -values.ndim <= axis < values.ndim):
            if (math.prod(values.shape) if axis is None else values.shape[axis]) > 0:
                continue
            raise ValueError(
                f"{name} is empty (shape {tuple(values.shape)}); a measure needs at least one atom"
            )
    u, v, shape = _aligned(x, y, axis, xp=xp)
    coarse = normalize or max(eps_p, eps_q) > _EPS
    one = xp.ones(u.shape[0], dtype=xp.float64, device=aac.device(u))
    scale = one if normalize else one * 2.0**_LIFT
    rows = Rows(u, v, scale, scale, one, one, one, one, shape, xp)
    sums = rows.scan("mass" if coarse else term, rise, level=False)
    if not bool(xp.all(xp.isfinite(sums[:, 2] + sums[:, 4]) & (sums[:, 6] >= 0.0))):
        for name, values in (("p", x), ("q", y)):
            _refuse_entries(name, values, xp=xp)
        # Every entry is finite: the totals overflow. 2^-64 is small enough for any number of them.
        rows = replace(rows, scale_p=one * 2.0**-_LIFT, scale_q=one * 2.0**-_LIFT)
        sums = rows.scan("mass", level=False)
    rows = replace(rows, mass_p=sums[:, 2], low_p=sums[:, 3], mass_q=sums[:, 4], low_q=sums[:, 5])
    for name, mass, unit, eps in (
        ("p", rows.mass_p, rows.scale_p, eps_p),
        ("q", rows.mass_q, rows.scale_q, eps_q),
    ):
        if normalize:
            _refuse_totals(name, to_numpy(mass), None)
        else:
            _refuse_totals(name, to_numpy(mass / unit), 4 * u.shape[1] * eps)
    if normalize:
        rows = _rescaled(rows)
    if coarse:
        return rows, None
    return rows, 2.0 * (sums[:, 0] + sums[:, 1]) / (rows.mass_p + rows.mass_q)


def _rescaled(rows: Rows) -> Rows:
    """Scale both totals of every row to the same power of two, exactly."""
    mass_p, mass_q = to_numpy(rows.mass_p), to_numpy(rows.mass_q)
    by_p, by_q = (-(np.frexp(to_numpy(s))[1] - 1) for s in (rows.scale_p, rows.scale_q))
    (near_p, up), (near_q, uq) = np.frexp(mass_p), np.frexp(mass_q)
    # Totals within a factor sqrt(2) of each other: a - b is then exact wherever p and q nearly agree.
    uq = uq + (near_q > 1.5 * near_p) - (near_p > 1.5 * near_q)
    # Scales stay below 2^1023 even where a total is subnormal.
    lift = np.minimum(_LIFT, np.minimum(1023 + up + by_p, 1023 + uq + by_q))
    new = {
        "scale_p": np.ldexp(1.0, lift - up - by_p),
        "scale_q": np.ldexp(1.0, lift - uq - by_q),
        "mass_p": np.ldexp(mass_p, lift - up),
        "mass_q": np.ldexp(mass_q, lift - uq),
        "low_p": np.ldexp(to_numpy(rows.low_p), lift - up),
        "low_q": np.ldexp(to_numpy(rows.low_q), lift - uq),
    }
    return replace(rows, **{k: on_device_of(v, rows.p) for k, v in new.items()})


def divergence(
    term: str,
    p: Any,
    q: Any,
    *,
    axis: int | None,
    normalize: bool,
    rise: float = 1.0,
    upper: float = math.inf,
) -> tuple[Rows, Array]:
    """The sum of ``term`` over the proportions p/sum(p), q/sum(q), one value a row, at most ``upper``."""
    rows, value = measured(p, q, axis=axis, normalize=normalize, term=term, rise=rise)
    xp = rows.xp
    if value is None:
        value = rows.total(term, rise)
    else:
        again = _needs_second_pass(rows.gap[0], value, term, rise, xp=xp)
        if bool(xp.any(again)):
            index = xp.nonzero(again)[0]
            second = rows.take(index).total(term, rise)
            value = second if index.shape[0] == value.shape[0] else _replaced(value, index, second, xp=xp)
    return rows, xp.minimum(value, xp.asarray(upper, dtype=xp.float64, device=aac.device(value)))


def _needs_second_pass(gap: Array, value: Array, term: str, rise: float, *, xp: ModuleType) -> Array:
    """Where the sum over the stored masses is not that over the proportions to rounding.

    Every term but TV's has a double zero at p = q, so unequal totals enter as ``gap^2/2`` beside
    ``gap`` times the value; TV feels ``gap`` itself.
    """
    gap = xp.abs(gap)
    if term == "tv":
        return gap > 4 * _EPS * value
    strong = max(1.0, abs(rise)) * gap > 4 * _EPS
    return (strong | (gap * gap > _EPS / 8 * value)) & xp.isfinite(value)


def _replaced(value: Array, index: Array, new: Array, *, xp: ModuleType) -> Array:
    value = xp.asarray(value, copy=True)
    value[index] = new
    return value
