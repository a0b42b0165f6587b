"""NumPy arrays: numba where one pass beats several (float arrays are read and written once), else NumPy."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numba
import numpy as np

from generative._kernels import reference


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _bias_leaky(y, b, slope):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + b[j]
            y[i, j] = v if v > 0 else slope * v


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _gate(g, y, slope):
    out = np.empty_like(g)
    for i in range(g.size):
        out[i] = g[i] if y[i] > 0 else slope * g[i]
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _pair_swap(x, keep):
    half = keep.shape[1]
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(half):
            a, b = x[i, j], x[i, j + half]
            out[i, j] = a if keep[i, j] else b
            out[i, j + half] = b if keep[i, j] else a
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _adam(g, params, m, v, rate, beta1, beta2, rest1, rest2, unbias, eps, shrink):
    new, m_new, v_new = np.empty_like(params), np.empty_like(m), np.empty_like(v)
    for i in range(g.size):
        m_new[i] = beta1 * m[i] + rest1 * g[i]
        v_new[i] = beta2 * v[i] + rest2 * (g[i] * g[i])
        new[i] = params[i] - rate * m_new[i] / (np.sqrt(v_new[i] * unbias) + eps) - shrink * params[i]
    return new, m_new, v_new


def bias_activation(y: Any, b: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """See `reference.bias_activation`; overwrites ``y``."""
    if activation == "leaky_relu" and y.ndim == 2 and b.dtype == y.dtype and y.flags.c_contiguous:
        _bias_leaky(y, b, y.dtype.type(slope))
        return y
    if activation == "linear" and b.dtype == y.dtype:
        y += b
        return y
    return reference.bias_activation(y, b, activation, slope, xp=xp)


def activation_slope(g: Any, y: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """See `reference.activation_slope`."""
    if activation == "leaky_relu" and g.dtype == y.dtype and g.shape == y.shape:
        flat = _gate(
            np.ascontiguousarray(g).reshape(-1), np.ascontiguousarray(y).reshape(-1), g.dtype.type(slope)
        )
        return flat.reshape(g.shape)
    return reference.activation_slope(g, y, activation, slope, xp=xp)


def pair_swap(x: Any, keep: Any, *, xp: ModuleType) -> Any:
    """See `reference.pair_swap`."""
    rows = np.ascontiguousarray(x).reshape(-1, x.shape[-1])
    return _pair_swap(rows, np.ascontiguousarray(keep).reshape(rows.shape[0], -1)).reshape(x.shape)


def adam(
    g: Any,
    params: Any,
    m: Any,
    v: Any,
    *,
    rate: float,
    beta1: float,
    beta2: float,
    unbias: float,
    eps: float,
    shrink: float,
    xp: ModuleType,
) -> tuple[Any, Any, Any]:
    """See `reference.adam`: one pass over the four arrays."""
    kind = params.dtype.type
    scalars = map(kind, (rate, beta1, beta2, 1 - beta1, 1 - beta2, unbias, eps, shrink))
    return _adam(np.ascontiguousarray(g, dtype=kind), params, m, v, *scalars)


_NEGLIGIBLE = 40.0  # exp(-40) of the largest term is below float64 rounding of the sum


# The maximum of a row vectorises only if NaN need not be looked for; arguments are finite.
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def _row_scores(x, anchors, psi, i, distance, score):
    for j in range(anchors.shape[0]):
        square = x[i, 0] - x[i, 0]
        for k in range(x.shape[1]):
            step = x[i, k] - anchors[j, k]
            square += step * step
        distance[j] = np.sqrt(square)
    top = psi[0] - distance[0]
    for j in range(anchors.shape[0]):
        score[j] = psi[j] - distance[j]
        top = max(top, score[j])
    return top


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _soft_nearest(x, anchors, psi, eps, negligible):
    n, m = x.shape[0], anchors.shape[0]
    out, distance, score = np.empty(n, x.dtype), np.empty(m, x.dtype), np.empty(m, x.dtype)
    for i in range(n):
        top = _row_scores(x, anchors, psi, i, distance, score)
        total = eps - eps
        for j in range(m):
            t = (score[j] - top) / eps
            if t > negligible:
                total += np.exp(t)
        out[i] = top + eps * np.log(total)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _soft_nearest_pullback(g, x, anchors, psi, eps, negligible):
    n, m = x.shape[0], anchors.shape[0]
    by_x, by_psi = np.zeros_like(x), np.zeros_like(psi)
    distance, score = np.empty(m, x.dtype), np.empty(m, x.dtype)
    for i in range(n):
        top = _row_scores(x, anchors, psi, i, distance, score)
        total = eps - eps
        for j in range(m):
            t = (score[j] - top) / eps
            score[j] = np.exp(t) if t > negligible else eps - eps
            total += score[j]
        for j in range(m):
            if score[j] > 0:
                weight = g[i] * score[j] / total
                by_psi[j] += weight
                if distance[j] > 0:
                    for k in range(x.shape[1]):
                        by_x[i, k] += weight * (anchors[j, k] - x[i, k]) / distance[j]
    return by_x, by_psi


def soft_nearest(x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.soft_nearest`: one row at a time, nothing of size (n, m)."""
    kind = x.dtype.type
    rows, points, heights = _alike(x, anchors, psi)
    return _soft_nearest(rows, points, heights, kind(eps), kind(-_NEGLIGIBLE))


def soft_nearest_pullback(
    g: Any, x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType
) -> tuple[Any, Any]:
    """See `reference.soft_nearest_pullback`."""
    kind = x.dtype.type
    cotangent, rows, points, heights = _alike(g, x, anchors, psi)
    return _soft_nearest_pullback(cotangent, rows, points, heights, kind(eps), kind(-_NEGLIGIBLE))


def _alike(*arrays: Any) -> list[np.ndarray]:
    """Contiguous, all of the dtype of the last: one compiled version a dtype."""
    return [np.ascontiguousarray(a, dtype=arrays[-1].dtype) for a in arrays]
