"""The families indexed by an order: chi-squared, alpha-divergences, Rényi divergences."""

from __future__ import annotations

import math
from typing import Any

from divergences._dispatch import is_distribution, of_laws
from divergences._evaluate import Rows, divergence, measured
from divergences._fdiv import kl
from transport.internal import Array, MagnitudeError, spelled


@spelled
def chi2(p: Any, q: Any, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Pearson's :math:`\chi^2(p\|q) = \sum (p-q)^2/q`, in [0, inf].

    Arguments and errors are those of `kl`; inf where some ``q = 0 < p``.

    Raises
    ------
    MagnitudeError
        If the value is finite but larger than any float64: take ``renyi(p, q, 2)``, which is
        ``log(1 + chi2)``.

    Examples
    --------
    >>> float(chi2([0.5, 0.5], [0.25, 0.75]))
    0.3333333333333333
    """
    if is_distribution(p) or is_distribution(q):
        return of_laws("chi2", p, q)
    rows, value = divergence("chi2", p, q, axis=axis, normalize=normalize)
    return rows.shaped(_without_overflow(rows, value, 1.0, 1.0))


@spelled
def alpha(p: Any, q: Any, alpha: float, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Alpha-divergence :math:`\frac{\sum p^\alpha q^{1-\alpha} - 1}{\alpha(\alpha-1)}`, any real order.

    The power divergences of Cressie–Read and Amari: KL(p‖q) at 1, KL(q‖p) at 0, χ²/2 at 2, four
    times the squared Hellinger distance at ½; ``alpha(p, q, a) = alpha(q, p, 1 - a)``. The other
    arguments and errors are those of `kl`, and OverflowError as in `chi2`.

    Examples
    --------
    >>> float(alpha([0.5, 0.5], [0.25, 0.75], 2.0))
    0.16666666666666666
    """
    order = float(alpha)
    if not math.isfinite(order):
        raise ValueError(f"alpha = {alpha}; the order must be finite (renyi takes alpha=inf)")
    if is_distribution(p) or is_distribution(q):
        return of_laws("alpha", p, q, alpha=order)
    rise = order - 1.0
    if order < 0.5:  # mirrored, so that the kernels never divide by a small order
        p, q, rise = q, p, -order
    if rise == 0.0:
        return kl(p, q, axis=axis, normalize=normalize)
    rows, value = divergence("alpha", p, q, axis=axis, normalize=normalize, rise=rise)
    return rows.shaped(_without_overflow(rows, value, rise, order * (order - 1.0)))


@spelled
def renyi(p: Any, q: Any, alpha: float, *, axis: int | None = -1, normalize: bool = False) -> Array:
    r"""Rényi divergence :math:`\frac{1}{\alpha-1}\log\sum p^\alpha q^{1-\alpha}`, order in [0, inf].

    Increasing in the order: ``-log Q(p > 0)`` at 0, ``-2 log`` of the Bhattacharyya coefficient at ½, KL
    at 1, ``log(1 + chi2)`` at 2, ``log max p/q`` at inf. The other arguments and errors are those of `kl`.

    Notes
    -----
    By ``log1p`` of the alpha-divergence near equality, by a shifted log-sum-exp elsewhere.

    Examples
    --------
    >>> float(renyi([0.5, 0.5], [0.25, 0.75], float("inf")))
    0.6931471805599453
    """
    order = float(alpha)
    if not order >= 0:
        raise ValueError(f"alpha = {alpha}; Rényi orders are >= 0 (inf included)")
    if is_distribution(p) or is_distribution(q):
        return of_laws("renyi", p, q, alpha=order)
    if order == 1.0:
        return kl(p, q, axis=axis, normalize=normalize)
    rows, _ = measured(p, q, axis=axis, normalize=normalize)
    xp = rows.xp
    if order == math.inf:
        return rows.shaped(rows.scan("log_ratio", 1.0)[:, 0])
    if order == 0.0:
        sums = rows.scan("unseen")
        hidden = (sums[:, 0] + sums[:, 1]) / rows.mass_q
        near = hidden < 0.5
        by_log1p = -xp.log1p(-xp.where(near, hidden, xp.zeros_like(hidden)))
        return rows.shaped(xp.where(near, by_log1p, -_log_affinity(rows, -1.0)))
    return rows.shaped(_renyi(rows, order))


def _renyi(rows: Rows, order: float) -> Array:
    xp = rows.xp
    if order < 0.5:
        mirror = Rows(
            rows.q, rows.p, rows.scale_q, rows.scale_p, rows.mass_q, rows.low_q, rows.mass_p, rows.low_p,
            rows.shape, xp,
        )  # fmt: skip
        excess = order * (order - 1.0) * mirror.total("alpha", -order)
    else:
        excess = order * (order - 1.0) * rows.total("alpha", order - 1.0)
    near = xp.abs(excess) < 0.5
    by_log1p = xp.log1p(xp.where(near, excess, xp.zeros_like(rows.mass_p))) / (order - 1.0)
    if bool(xp.all(near)):
        return by_log1p
    return xp.where(near, by_log1p, _log_affinity(rows, order - 1.0) / (order - 1.0))


def _log_affinity(rows: Rows, rise: float) -> Array:
    """log sum p^(1+rise) q^-rise; -inf for disjoint supports, +inf off the support (rise > 0)."""
    xp = rows.xp
    shift = rows.scan("log_ratio", rise)[:, 0]
    usable = xp.isfinite(shift)
    level = xp.where(usable, shift, xp.zeros_like(rows.mass_p))
    total = rows.total("affinity", rise, high=level)
    return xp.where(usable, xp.log(xp.where(usable, total, xp.ones_like(level))) + level, shift)


def _without_overflow(rows: Rows, value: Array, rise: float, factor: float) -> Array:
    """``value``, with overflows replaced by expm1(log affinity)/factor; those beyond float64 are refused."""
    xp = rows.xp
    infinite = xp.isinf(value)
    if not bool(xp.any(infinite)):
        return value
    log = _log_affinity(rows, rise)
    finite = infinite & xp.isfinite(log)
    if bool(xp.any(finite & (log - math.log(abs(factor)) > 709.78))):
        raise MagnitudeError(
            "the divergence is finite but larger than any float64; renyi(p, q, order) holds its logarithm"
        )
    again = xp.exp(xp.where(finite, log - math.log(abs(factor)), xp.zeros_like(log)))
    return xp.where(finite, again, value)
