"""The Wasserstein distance of two Gaussians, in closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transport._semidefinite import by_eigenvalues, by_singular_values, factor, is_semidefinite
from transport.internal import MagnitudeError, as_float64, namespace, require_finite, to_numpy

_EPS = float(np.finfo(np.float64).eps)
_FEW = 64  # dimensions up to which the careful ways take a few milliseconds


def bures_wasserstein(mean_p: Any, cov_p: Any, mean_q: Any, cov_q: Any) -> float:
    r"""The distance :math:`W_2` of N(mean_p, cov_p) and N(mean_q, cov_q).

    Also that of any two elliptical laws of one kind with these means and covariances.

    Parameters
    ----------
    mean_p, mean_q : array, shape (d,)
        Means; numbers when d = 1.
    cov_p, cov_q : array, shape (d, d)
        Covariances, symmetric and positive semidefinite, of any rank; numbers when d = 1.

    Returns
    -------
    float
        :math:`W_2 = \left(|m_p - m_q|^2 + \mathrm{tr}\,A + \mathrm{tr}\,B -
        2\,\mathrm{tr}(A^{1/2} B A^{1/2})^{1/2}\right)^{1/2}`, in the unit of the means.

    Raises
    ------
    ValueError
        For shapes that do not match, non-finite entries, a covariance that is not symmetric or has a
        negative eigenvalue, beyond rounding in its own dtype.
    TypeError
        Masked, complex or object arrays.

    Notes
    -----
    With A = LLᵀ and B = KKᵀ the covariance part is the Procrustes distance
    :math:`\min_U \|L - KU\|_F` over orthogonal U (Bhatia, Jain, Lim, Expo. Math. 2019), a difference of
    matrices and not of traces. Where A and B nearly agree, the optimal map I + H solves
    :math:`HA + AH + HAH = B - A` and the distance is :math:`\mathrm{tr}(HAH)^{1/2}`: every digit of a
    difference of 1e-12 survives. In 64 dimensions or more the traces are taken instead,
    :math:`\mathrm{tr}(A^{1/2} B A^{1/2})^{1/2}` as the sum of the square roots of the eigenvalues of LᵀBL or
    of the singular values of KᵀL, where a bound on their rounding proves W₂ to 1e-12 of itself.

    Examples
    --------
    >>> bures_wasserstein([0.0, 0.0], [[1.0, 0.0], [0.0, 4.0]], [3.0, 0.0], [[1.0, 0.0], [0.0, 64.0]])
    6.708203932499369
    """
    xp = namespace(mean_p, cov_p, mean_q, cov_q)
    m, n = _mean(mean_p, "mean_p", xp=xp), _mean(mean_q, "mean_q", xp=xp)
    if m.shape != n.shape:
        raise ValueError(f"mean_p has {m.size} entries and mean_q {n.size}; they must match")
    a, b = (_covariance(c, name, m.size, xp=xp) for c, name in ((cov_p, "cov_p"), (cov_q, "cov_q")))
    # Powers of two take the scale out of the means and of the covariances, each on its own.
    far = 4.0 if max(float(np.max(np.abs(m))), float(np.max(np.abs(n)))) > 2.0**1000 else 1.0
    step = m / far - n / far
    shift = math.frexp(float(np.max(np.abs(step))))[1]
    between_means = math.ldexp(far * math.sqrt(math.fsum(np.ldexp(step, -shift) ** 2)), shift)
    half = math.frexp(max(float(np.max(np.abs(a))), float(np.max(np.abs(b)))))[1] // 2
    between_shapes = math.ldexp(_bures(_ldexp(a, -2 * half), _ldexp(b, -2 * half)), half)
    value = math.hypot(between_means, between_shapes)
    if math.isinf(value):
        raise MagnitudeError("the distance is larger than any float64; measure in a larger unit")
    return value


def _mean(x: Any, name: str, *, xp: Any) -> np.ndarray:
    values = to_numpy(as_float64(x, name, xp=xp)[0])
    values = np.atleast_1d(values)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f"{name} has shape {values.shape}; a mean has shape (d,), d >= 1")
    require_finite(values, name, xp=namespace(values))
    return values


def _covariance(x: Any, name: str, d: int, *, xp: Any) -> np.ndarray:
    array, eps = as_float64(x, name, xp=xp)
    c = to_numpy(array)
    c = c.reshape(1, 1) if c.ndim == 0 else c
    if c.shape != (d, d):
        remedy = f"; pass numpy.diag({name}) if it holds variances" if c.shape == (d,) else ""
        raise ValueError(
            f"{name} has shape {c.shape}; with means of {d} entries it must be ({d}, {d}){remedy}"
        )
    require_finite(c, name, xp=namespace(c))
    largest = float(np.max(np.abs(c)))
    if largest == 0.0:
        return c
    exponent = math.frexp(largest)[1]
    scaled = _ldexp(c, -exponent)
    skew = scaled - scaled.T
    most = max(float(np.max(skew)), -float(np.min(skew)))
    if most > 64 * d * eps:
        i, j = np.unravel_index(int(np.argmax(np.abs(skew))), skew.shape)
        raise ValueError(
            f"{name} is not symmetric: [{i}, {j}] is {c[i, j]} and [{j}, {i}] is {c[j, i]}; "
            f"pass ({name} + {name}.T)/2 if the difference means nothing"
        )
    if most > 0.0:
        scaled = 0.5 * (scaled + scaled.T)
    smallest = 0.0 if is_semidefinite(scaled) else float(np.linalg.eigvalsh(scaled)[0])
    if smallest < -64 * d * eps:
        raise ValueError(
            f"{name} has the eigenvalue {math.ldexp(smallest, exponent)}; a covariance has none below 0"
        )
    return _ldexp(scaled, exponent)


def _ldexp(c: np.ndarray, exponent: int) -> np.ndarray:
    """``np.ldexp``, ten times as fast where the power of two is a normal number: one product an entry."""
    return c * math.ldexp(1.0, exponent) if -1000 < exponent < 1000 else np.ldexp(c, exponent)


def _bures(a: np.ndarray, b: np.ndarray) -> float:
    """min over couplings of the centred parts, for entries of order 1."""
    if np.array_equal(a, b):
        return 0.0
    if len(a) < _FEW:
        near = _nearly_equal(a, b)
        return _procrustes(factor(a), factor(b)) if near is None else near
    apart = by_eigenvalues(a, b)
    if apart is not None:
        return apart
    p, q = factor(a), factor(b)
    apart = by_singular_values(p, q)
    if apart is not None:
        return apart
    near = _nearly_equal(a, b)
    return _procrustes(p, q) if near is None else near


def _procrustes(p: np.ndarray, q: np.ndarray) -> float:
    """|P - Q U|_F at the best U: a difference of matrices, which keeps its digits however small."""
    if q.shape[1] > p.shape[1]:
        p, q = q, p  # U has orthonormal rows
    left, _, right = np.linalg.svd(q.T @ p, full_matrices=False)
    return float(np.linalg.norm(p - q @ (left @ right)))


def _nearly_equal(a: np.ndarray, b: np.ndarray) -> float | None:
    """tr(HAH)^(1/2) where HA + AH + HAH = B - A has a small solution; None elsewhere."""
    d = len(a)
    values, vectors = np.linalg.eigh(a)
    values = np.maximum(values, 0.0)
    difference = vectors.T @ (b - a) @ vectors
    pairs = values[:, None] + values[None, :]
    noise = (pairs <= 8 * d * _EPS * values[-1]) & (
        np.abs(difference) <= 8 * d * _EPS * float(np.max(np.abs(difference)))
    )
    if np.any(~noise & (np.abs(difference) > 0.05 * pairs)):
        return None
    pairs = np.where(noise, 1.0, pairs)
    h, last = np.zeros((d, d)), math.inf
    for _ in range(40):  # contracts by 2|H| <= 0.2 in each step, until rounding keeps it moving
        new = np.where(noise, 0.0, (difference - h @ (values[:, None] * h)) / pairs)
        moved = float(np.max(np.abs(new - h)))
        h = new
        if not np.max(np.abs(h)) < 0.2:
            return None
        settled = moved <= 64 * _EPS * float(np.max(np.abs(h))) and moved >= 0.5 * last
        if settled or moved <= _EPS * float(np.max(np.abs(h))):
            return float(np.linalg.norm(np.sqrt(values)[:, None] * h))
        last = moved
    return None
