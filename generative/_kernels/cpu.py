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
