"""Wasserstein distances on the line and on the circle, exact, in closed form."""

from __future__ import annotations

import math
from typing import Any

import array_api_compat as aac

from transport._line_rows import distances
from transport.internal import (
    Array,
    MagnitudeError,
    as_points,
    as_weights,
    check_exponent,
    check_positive,
    kernels,
    namespace,
    positions,
    row_labels,
    spelled,
    weights_like,
)


def _positions(x: Any, name: str, *, xp: Any) -> Array:
    x = as_points(x, name, xp=xp)
    if x.shape[1] != 1:
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; points on a line have shape (n,) or (n, 1). "
            "For points in space use divergences.wasserstein or transport.solve(PointCloud(x, y))"
        )
    return x[:, 0]


def _atoms(
    x: Any, y: Any, a: Any, b: Any, normalize: bool
) -> tuple[Array, Array, Array | None, Array | None, Any]:
    """Both measures, checked; no weights stay None, so that kernels may treat them as equal exactly."""
    a, b = weights_like(a, row_labels(x), "a", "x"), weights_like(b, row_labels(y), "b", "y")
    x, y = positions(x, y)
    xp = namespace(x, y, a, b)
    x, y = _positions(x, "x", xp=xp), _positions(y, "y", xp=xp)
    if a is not None:
        a = as_weights(a, "a", xp=xp, size=x.shape[0], normalize=normalize)
    if b is not None:
        b = as_weights(b, "b", xp=xp, size=y.shape[0], normalize=normalize)
    return x, y, a, b, xp


@spelled
def wasserstein_1d(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 1.0,
    normalize: bool = False,
    axis: int | None = None,
) -> Any:
    r"""Wasserstein distance :math:`W_p` of two measures on the line, p in [1, inf].

    Parameters
    ----------
    x, y : array, shape (n,) and (m,)
        Positions, in any order. Times (datetime64, timedelta64, datetime) are whole numbers of the finer of
        the two units; integers beyond 2^53 are counted from the smallest; both exactly, or refused.
    a, b : array, shape (n,) and (m,), optional
        Weights, each summing to 1; equal weights by default.
    p : float
        Exponent; inf gives the largest move.
    normalize : bool
        Divide the weights by their total instead of insisting on 1.
    axis : int, optional
        Many distances at once: x and y hold the atoms of a measure along ``axis``, -1 for rows. Their other
        axes broadcast and stay, the numbers of atoms may differ; weights broadcast against x and y. Without
        ``axis`` both are one measure, and shape (n, 1) is a column of n atoms.

    Returns
    -------
    float, or with ``axis`` an array
        :math:`W_p = \left(\int_0^1 |F^{-1}(s) - G^{-1}(s)|^p\,ds\right)^{1/p}`, in the unit of x.

    Raises
    ------
    ValueError
        Empty or non-finite positions (of atoms without weight, too), p < 1, weights that are not
        those of a probability.
    TypeError
        Masked, complex or object arrays.
    MagnitudeError
        If the distance is larger than any float64.

    Notes
    -----
    Sorted once, then the monotone coupling is walked with the remaining masses to twice the working
    precision (Santambrogio, *Optimal Transport for Applied Mathematicians*, Prop. 2.17). Integer and
    float32 positions are computed in float64. With p = inf, overlaps that rounding of the weights
    could have made are not counted as mass.

    Examples
    --------
    >>> wasserstein_1d([0, 1], [2, 5])
    3.0
    >>> wasserstein_1d([1, 2, 3, 54], [1, 2, 3, 4], p=float("inf"))
    50.0
    >>> wasserstein_1d([[0, 1], [2, 3], [4, 5]], [0, 1, 8], axis=-1)
    array([2.5       , 2.83333333, 3.5       ])
    """
    p = check_exponent(p)
    if axis is not None:
        return distances(x, y, a, b, p, axis=axis, normalize=normalize)
    x, y, a, b, xp = _atoms(x, y, a, b, normalize)
    size = max(float(xp.max(xp.abs(x))), float(xp.max(xp.abs(y))))
    shrink = 2.0**-140 if size > 2.0**900 else 1.0  # differences of two such positions overflow
    if shrink != 1.0:
        x, y = x * shrink, y * shrink
    unit, s = kernels("transport", xp).line_cost(x, y, a, b, p, xp=xp)
    value = unit * (s if p == 1.0 else 1.0 if p == math.inf else s ** (1.0 / p)) / shrink
    if math.isinf(value):
        raise MagnitudeError("the distance is larger than any float64; divide x and y by their largest entry")
    return value


@spelled
def wasserstein_circle(
    x: Any,
    y: Any,
    *,
    a: Any = None,
    b: Any = None,
    p: float = 1.0,
    period: float = 1.0,
    normalize: bool = False,
) -> float:
    r"""Wasserstein distance :math:`W_p` of two measures on a circle, p in [1, inf).

    Parameters
    ----------
    x, y : array, shape (n,) and (m,)
        Positions, taken modulo ``period``.
    a, b, p, normalize
        As in `wasserstein_1d`; weights are rounded to multiples of 2^-60.
    period : float
        Length of the circle: ``2 * math.pi`` for radians, 24 for hours.

    Returns
    -------
    float
        In the unit of x, for the distance along the shorter arc.

    Raises
    ------
    ValueError, TypeError
        As `wasserstein_1d`; also for p = inf and a period that is not positive and finite.

    Notes
    -----
    :math:`\min_\theta \int_0^1 |F^{-1}(s) - G^{-1}(s - \theta)|^p ds` over quantile functions on the
    universal cover: convex and piecewise linear in the cut :math:`\theta`, minimised exactly by bisection
    on its slope with integer masses (Delon, Salomon, Sobolevski, SIAM J. Appl. Math. 2010).

    Examples
    --------
    >>> wasserstein_circle([23.5], [0.5], period=24)
    1.0
    """
    p = check_exponent(p)
    if math.isinf(p):
        raise ValueError("p = inf is not available on the circle; a large p (say 200) is close to it")
    period = check_positive(period, "period")
    x, y, a, b, xp = _atoms(x, y, a, b, normalize)
    unit = 2.0 ** math.frexp(period)[1]
    # Exact: fmod is, and the rest is a difference of numbers within a factor 2.
    x, y = (_centred(z, period) / unit for z in (x, y))
    largest, s = kernels("transport", xp).circle_cost(x, y, a, b, p, period / unit, xp=xp)
    return unit * largest * s ** (1.0 / p)


def _centred(x: Array, period: float) -> Array:
    """x modulo the period, in [-period/2, period/2]."""
    xp = namespace(x)
    r = xp.sign(x) * xp.remainder(xp.abs(x), xp.asarray(period, dtype=x.dtype, device=aac.device(x)))
    r = xp.where(r > period / 2, r - period, r)
    return xp.where(r < -period / 2, r + period, r)
