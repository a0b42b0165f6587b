"""f-divergences of any convex generator."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from divergences import _fdiv, _orders
from divergences._dispatch import is_distribution
from divergences._evaluate import Rows, measured
from transport.internal import Array

_EPS = float(np.finfo(np.float64).eps)
_STEP = 2.0**-26  # of the difference quotient for f'(1): only the size of rounding errors rests on it


@dataclass(frozen=True)
class Generator:
    """A convex function f on (0, inf) with f(1) = 0, and its two limits.

    Parameters
    ----------
    function : callable
        f, vectorised over arrays of the library of the measures.
    at_zero : float, optional
        f(0+): what an atom of Q alone costs. None: ``function`` is asked, at 0.
    slope : float, optional
        f'(inf) = lim f(t)/t: what an atom of P alone costs. None: refuse such atoms.

    Examples
    --------
    >>> lecam = Generator(lambda t: (t - 1) ** 2 / (t + 1), at_zero=1.0, slope=1.0)
    >>> float(f_divergence([0.5, 0.5], [0.5, 0.5], lecam))
    0.0
    """

    function: Callable[[Any], Any]
    at_zero: float | None = None
    slope: float | None = None


NAMED: dict[str, Callable[..., Any]] = {
    "kl": _fdiv.kl,
    "reverse_kl": lambda p, q, **options: _fdiv.kl(q, p, **options),
    "js": _fdiv.js,
    "tv": _fdiv.tv,
    "squared_hellinger": _fdiv.squared_hellinger,
    "chi2": _orders.chi2,
    "jeffreys": _fdiv.jeffreys,
}
"""Generators with an evaluation of their own, accurate where p and q nearly agree."""


def f_divergence(
    p: Any,
    q: Any,
    generator: str | Generator | Callable[[Any], Any],
    *,
    axis: int | None = -1,
    normalize: bool = False,
) -> Array:
    r"""The f-divergence :math:`\sum_{q>0} q\,f(p/q) + f'(\infty)\,P(q=0)` of a convex f with f(1) = 0.

    Parameters
    ----------
    p, q, axis, normalize
        As in `kl`.
    generator : str, Generator or callable
        A name (``"kl"``, ``"reverse_kl"``, ``"js"``, ``"tv"``, ``"squared_hellinger"``, ``"chi2"``,
        ``"jeffreys"``), or f itself, with its limits in a `Generator` if they are needed.

    Raises
    ------
    ValueError
        Besides those of `kl`: f(1) is not 0, f is NaN somewhere or not convex (the sum is negative
        beyond rounding), or a limit is needed that was not given.

    Examples
    --------
    >>> round(float(f_divergence([0.5, 0.5], [0.25, 0.75], lambda t: (t - 1) ** 2)), 14)
    0.33333333333333
    """
    if isinstance(generator, str):
        if generator not in NAMED:
            raise ValueError(
                f"generator = {generator!r}; choose one of {', '.join(NAMED)}, or pass a function"
            )
        if is_distribution(p) or is_distribution(q):
            return NAMED[generator](p, q)
        return NAMED[generator](p, q, axis=axis, normalize=normalize)
    if not isinstance(generator, Generator):
        generator = Generator(generator)
    if is_distribution(p) or is_distribution(q):
        raise TypeError(f"of distributions, f_divergence knows these generators: {', '.join(NAMED)}")
    rows, _ = measured(p, q, axis=axis, normalize=normalize)
    return rows.shaped(_generated(rows, generator))


def _generated(rows: Rows, generator: Generator) -> Array:
    xp = rows.xp
    one = rows.mass_p[0] * 0.0 + 1.0
    at_one = float(generator.function(one))
    if not abs(at_one) <= 1e-12:
        raise ValueError(f"f(1) = {at_one}; a generator has f(1) = 0 (subtract the constant)")
    p = rows.p * (rows.scale_p / rows.mass_p)[:, None]
    q = rows.q * (rows.scale_q / rows.mass_q)[:, None]
    with_q = q > 0.0
    t = xp.where(with_q, p / xp.where(with_q, q, one), one)
    far = xp.isinf(t)  # p/q overflows: f(t) q = slope p to every digit
    inner = with_q & (p > 0.0) & ~far
    value = xp.where(inner, q * generator.function(xp.where(inner, t, one)), 0.0 * one)
    scale = xp.sum(xp.abs(value), axis=-1)
    alone_q = xp.sum(xp.where(with_q & (p == 0.0), q, 0.0 * one), axis=-1)
    alone_p = xp.sum(xp.where((p > 0.0) & (~with_q | far), p, 0.0 * one), axis=-1)
    total = xp.sum(value, axis=-1)
    # The tangent of f at 1 sums to f'(1) (P - Q) = 0; what rounding leaves of it is taken off and forgiven.
    rise = float(generator.function(one + _STEP)) / _STEP
    rise = rise if math.isfinite(rise) else 0.0
    far_off = xp.sum(xp.where(with_q & ~far, p - q, p), axis=-1)
    total = total - rise * xp.where(xp.abs(far_off) < 1e-12, far_off, xp.zeros_like(far_off))
    if bool(xp.any(alone_q > 0.0)):
        at_zero = float(generator.function(0.0 * one)) if generator.at_zero is None else generator.at_zero
        total = total + _limit(alone_q, at_zero, "f(0)", "at_zero", xp)
    if bool(xp.any(alone_p > 0.0)):
        total = total + _limit(alone_p, generator.slope, "f'(inf)", "slope", xp)
    if bool(xp.any(xp.isnan(total))):
        raise ValueError("the generator returned NaN at some p/q > 0; it must be defined on (0, inf)")
    forgiven = 1e-12 * scale + 64 * _EPS * (1.0 + abs(rise))
    if bool(xp.any(total < -forgiven)):
        raise ValueError(f"the sum is {float(xp.min(total))} < 0: the generator is not convex")
    return xp.where(total < 0.0, xp.zeros_like(total), total)


def _limit(mass: Array, limit: float | None, symbol: str, name: str, xp: Any) -> Array:
    """mass * limit with 0 * inf = 0."""
    if limit is None or math.isnan(limit):
        raise ValueError(
            f"some atom has mass in one measure only, and {symbol} is not known; "
            f"pass Generator(f, {name}=...), inf if it is infinite"
        )
    positive = mass > 0.0
    return xp.where(positive, xp.where(positive, mass, xp.ones_like(mass)) * limit, xp.zeros_like(mass))
