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


# The maximum of a row vectorises only if NaN need not be looked for; arguments are finite.
@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"nnan", "nsz"})
def _row_scores(point, columns, psi, distance, score):
    distance[:] = 0
    for k in range(columns.shape[0]):  # coordinates outside: the inner loops run along memory
        for j in range(columns.shape[1]):
            step = point[k] - columns[k, j]
            distance[j] += step * step
    top = psi[0] - np.sqrt(distance[0])
    for j in range(columns.shape[1]):
        distance[j] = np.sqrt(distance[j])
        score[j] = psi[j] - distance[j]
        top = max(top, score[j])
    return top


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _near(score, least, found):
    """Indices of the scores above ``least``, without a branch to mispredict; returns how many."""
    count = 0
    for j in range(score.shape[0]):
        found[count] = j
        count += score[j] > least
    return count


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _soft_nearest(x, columns, psi, eps, negligible):
    n, m = x.shape[0], columns.shape[1]
    out, distance, score = np.empty(n, x.dtype), np.empty(m, x.dtype), np.empty(m, x.dtype)
    found = np.empty(m, np.int64)
    for i in range(n):
        top = _row_scores(x[i], columns, psi, distance, score)
        total = eps - eps
        for j in found[: _near(score, top + eps * negligible, found)]:
            total += np.exp((score[j] - top) / eps)
        out[i] = top + eps * np.log(total)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _soft_nearest_pullback(g, x, columns, psi, eps, negligible):
    n, m = x.shape[0], columns.shape[1]
    by_x, by_psi = np.zeros_like(x), np.zeros_like(psi)
    distance, score = np.empty(m, x.dtype), np.empty(m, x.dtype)
    found = np.empty(m, np.int64)
    for i in range(n):
        top = _row_scores(x[i], columns, psi, distance, score)
        near = found[: _near(score, top + eps * negligible, found)]
        total = eps - eps
        for j in near:
            score[j] = np.exp((score[j] - top) / eps)
            total += score[j]
        for j in near:
            weight = g[i] * score[j] / total
            by_psi[j] += weight
            if distance[j] > 0:
                for k in range(x.shape[1]):
                    by_x[i, k] += weight * (columns[k, j] - x[i, k]) / distance[j]
    return by_x, by_psi


def _negligible(kind: Any) -> Any:
    """Exponents below which a term is lost in the rounding of the largest, which is 1."""
    return kind(np.log(np.finfo(kind).eps))


def soft_nearest(x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.soft_nearest`: one row at a time, nothing of size (n, m)."""
    kind = x.dtype.type
    rows, columns, heights = _alike(x, anchors.T, psi)
    return _soft_nearest(rows, columns, heights, kind(eps), _negligible(kind))


def soft_nearest_pullback(
    g: Any, x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType
) -> tuple[Any, Any]:
    """See `reference.soft_nearest_pullback`."""
    kind = x.dtype.type
    cotangent, rows, columns, heights = _alike(g, x, anchors.T, psi)
    return _soft_nearest_pullback(cotangent, rows, columns, heights, kind(eps), _negligible(kind))


def _alike(*arrays: Any) -> list[np.ndarray]:
    """Contiguous, all of the dtype of the last: one compiled version a dtype."""
    return [np.ascontiguousarray(a, dtype=arrays[-1].dtype) for a in arrays]
