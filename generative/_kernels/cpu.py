"""NumPy arrays: numba where one pass beats several (float arrays are read and written once), else NumPy."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from generative._kernels import reference
from generative._kernels.cpu_patches import (  # noqa: F401  (part of this module)
    correlate,
    correlate_adjoint,
    correlate_weight,
    fold,
    unfold,
)
from transport.internal import compiled


@compiled(error_model="numpy")
def _bias_leaky(y, b, slope):
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            v = y[i, j] + b[j]
            y[i, j] = v if v > 0 else slope * v


@compiled(error_model="numpy")
def _gate(g, y, slope):
    out = np.empty_like(g)
    for i in range(g.size):
        out[i] = g[i] if y[i] > 0 else slope * g[i]
    return out


@compiled(error_model="numpy")
def _pair_swap(x, keep):
    half = keep.shape[1]
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(half):
            a, b = x[i, j], x[i, j + half]
            out[i, j] = a if keep[i, j] else b
            out[i, j + half] = b if keep[i, j] else a
    return out


@compiled(error_model="numpy")
def _largest_piece(x, pieces):
    m = x.shape[1] // pieces
    chosen = np.zeros((x.shape[0], m), np.int32)
    best = np.empty(m, x.dtype)
    for i in range(x.shape[0]):
        best[:] = x[i, :m]
        for p in range(1, pieces):
            for j in range(m):
                v = x[i, p * m + j]
                higher = best[j] == best[j] and not v <= best[j]  # the first NaN wins, as in argmax
                best[j] = v if higher else best[j]
                chosen[i, j] = p if higher else chosen[i, j]
    return chosen


@compiled(error_model="numpy")
def _pick_piece(x, chosen):
    n, m = chosen.shape
    out = np.empty((n, m), x.dtype)
    for i in range(n):
        for j in range(m):
            out[i, j] = x[i, chosen[i, j] * m + j]
    return out


@compiled(error_model="numpy")
def _spread_piece(g, chosen, pieces):
    n, m = chosen.shape
    out = np.empty((n, pieces * m), g.dtype)
    zero = g.dtype.type(0)
    for i in range(n):
        for p in range(pieces):
            for j in range(m):
                out[i, p * m + j] = g[i, j] if chosen[i, j] == p else zero
    return out


@compiled(error_model="numpy")
def _moments(x):
    n, m = x.shape
    mean, var = np.zeros(m, x.dtype), np.zeros(m, x.dtype)
    for i in range(n):
        for j in range(m):
            mean[j] += x[i, j]
    mean /= x.dtype.type(n)
    for i in range(n):
        for j in range(m):
            gap = x[i, j] - mean[j]
            var[j] += gap * gap
    var /= x.dtype.type(n)
    return mean, var


@compiled(error_model="numpy")
def _standardise(x, mean, factor):
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = (x[i, j] - mean[j]) * factor[j]
    return out


@compiled(error_model="numpy")
def _standardise_pullback(g, y, factor):
    n, m = g.shape
    lift, tilt = np.zeros(m, g.dtype), np.zeros(m, g.dtype)
    for i in range(n):
        for j in range(m):
            lift[j] += g[i, j]
            tilt[j] += g[i, j] * y[i, j]
    lift /= g.dtype.type(n)
    tilt /= g.dtype.type(n)
    out = np.empty_like(g)
    for i in range(n):
        for j in range(m):
            out[i, j] = (g[i, j] - lift[j] - y[i, j] * tilt[j]) * factor[j]
    return out


@compiled(error_model="numpy")
def _adam(g, params, m, v, rate, beta1, beta2, rest1, rest2, unbias, eps, shrink, tiny):
    new, m_new, v_new = np.empty_like(params), np.empty_like(m), np.empty_like(v)
    zero = tiny - tiny
    for i in range(g.size):
        first = beta1 * m[i] + rest1 * g[i]
        second = beta2 * v[i] + rest2 * (g[i] * g[i])
        # Moments of parameters whose gradient stays 0 decay into subnormal numbers, 100 cycles each.
        m_new[i] = zero if abs(first) < tiny else first
        v_new[i] = zero if second < tiny else second
        new[i] = params[i] - rate * m_new[i] / (np.sqrt(v_new[i] * unbias) + eps) - shrink * params[i]
    return new, m_new, v_new


def matmul(a: Any, b: Any, *, xp: ModuleType) -> Any:
    """See `reference.matmul`."""
    return np.matmul(a, b)


def concat(parts: Any, axis: int, *, xp: ModuleType) -> Any:
    """See `reference.concat`."""
    return np.concatenate(parts, axis=axis)


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


def largest_piece(x: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.largest_piece`."""
    return _largest_piece(np.ascontiguousarray(x), pieces)


def pick_piece(x: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.pick_piece`."""
    return _pick_piece(np.ascontiguousarray(x), np.ascontiguousarray(chosen, dtype=np.int32))


def spread_piece(g: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.spread_piece`."""
    return _spread_piece(np.ascontiguousarray(g), np.ascontiguousarray(chosen, dtype=np.int32), pieces)


def moments(x: Any, *, xp: ModuleType) -> tuple[Any, Any]:
    """See `reference.moments`."""
    return _moments(np.ascontiguousarray(x))


def _shrinking(var: Any, eps: float) -> Any:
    return (1.0 / np.sqrt(var + var.dtype.type(eps))).astype(var.dtype, copy=False)


def standardise(x: Any, mean: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.standardise`."""
    return _standardise(*_alike(x, mean, _shrinking(var, eps)))


def standardise_pullback(g: Any, y: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.standardise_pullback`: two passes over g and y."""
    return _standardise_pullback(*_alike(g, y, _shrinking(var, eps)))


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
    scalars = map(kind, (rate, beta1, beta2, 1 - beta1, 1 - beta2, unbias, eps, shrink, np.finfo(kind).tiny))
    return _adam(np.ascontiguousarray(g, dtype=kind), params, m, v, *scalars)


_BLOCK = 32  # consecutive anchors that are looked at, or passed over, together


@compiled(error_model="numpy")
def _boxes(columns, psi):
    """Of each block of anchors: the corners of its bounding box, and its greatest height."""
    d, m = columns.shape
    count = (m + _BLOCK - 1) // _BLOCK
    low, high = np.empty((d, count), columns.dtype), np.empty((d, count), columns.dtype)
    tallest = np.empty(count, columns.dtype)
    for b in range(count):
        part = slice(b * _BLOCK, min((b + 1) * _BLOCK, m))
        tallest[b] = psi[part].max()
        for k in range(d):
            low[k, b], high[k, b] = columns[k, part].min(), columns[k, part].max()
    return low, high, tallest


@compiled(error_model="numpy", fastmath={"nnan", "nsz"})
def _reach(point, low, high, tallest, bound):
    """Above every score ψ_j - |x - y_j| of each block; returns the most promising one."""
    bound[:] = 0
    for k in range(low.shape[0]):  # coordinates outside: the inner loops run along memory
        for b in range(bound.shape[0]):
            gap = max(low[k, b] - point[k], point[k] - high[k, b])
            gap = max(gap, gap - gap)
            bound[b] += gap * gap
    best = 0
    for b in range(bound.shape[0]):
        bound[b] = tallest[b] - np.sqrt(bound[b])
    for b in range(bound.shape[0]):
        if bound[b] > bound[best]:
            best = b
    return best


# The maximum vectorises only if NaN need not be looked for; arguments are finite.
@compiled(error_model="numpy", fastmath={"nnan", "nsz"})
def _block_scores(point, columns, psi, start, stop, distance, score):
    """Distances to the anchors of one block, their scores, and the greatest score."""
    distance[start:stop] = 0
    for k in range(columns.shape[0]):
        for j in range(start, stop):
            step = point[k] - columns[k, j]
            distance[j] += step * step
    top = psi[start] - np.sqrt(distance[start])
    for j in range(start, stop):
        distance[j] = np.sqrt(distance[j])
        score[j] = psi[j] - distance[j]
        top = max(top, score[j])
    return top


@compiled(error_model="numpy")
def _soft_nearest(x, columns, psi, eps, negligible):
    n, m = x.shape[0], columns.shape[1]
    out, distance, score = np.empty(n, x.dtype), np.empty(m, x.dtype), np.empty(m, x.dtype)
    low, high, tallest = _boxes(columns, psi)
    bound, found = np.empty_like(tallest), np.empty(tallest.size, np.int64)
    for i in range(n):
        best = _reach(x[i], low, high, tallest, bound)
        # From the most promising block on: the higher the top so far, the more blocks are passed over.
        start, count = best * _BLOCK, 1
        top = _block_scores(x[i], columns, psi, start, min(start + _BLOCK, m), distance, score)
        found[0] = best
        for b in range(bound.size):
            if b != best and bound[b] > top + eps * negligible:
                start = b * _BLOCK
                stop = min(start + _BLOCK, m)
                top = max(top, _block_scores(x[i], columns, psi, start, stop, distance, score))
                found[count] = b
                count += 1
        total = eps - eps
        for b in found[:count]:
            for j in range(b * _BLOCK, min((b + 1) * _BLOCK, m)):
                if score[j] > top + eps * negligible:
                    total += np.exp((score[j] - top) / eps)
        out[i] = top + eps * np.log(total)
    return out


@compiled(error_model="numpy")
def _soft_nearest_pullback(g, out, x, columns, psi, eps, negligible):
    n, m = x.shape[0], columns.shape[1]
    by_x, by_psi = np.zeros_like(x), np.zeros_like(psi)
    distance, score = np.empty(m, x.dtype), np.empty(m, x.dtype)
    low, high, tallest = _boxes(columns, psi)
    bound = np.empty_like(tallest)
    for i in range(n):
        _reach(x[i], low, high, tallest, bound)
        least = out[i] + eps * negligible
        for b in range(bound.size):
            if bound[b] > least:
                start = b * _BLOCK
                stop = min(start + _BLOCK, m)
                if _block_scores(x[i], columns, psi, start, stop, distance, score) > least:
                    for j in range(start, stop):
                        if score[j] > least:
                            weight = g[i] * np.exp((score[j] - out[i]) / eps)
                            by_psi[j] += weight
                            if distance[j] > 0:
                                for k in range(x.shape[1]):
                                    by_x[i, k] += weight * (columns[k, j] - x[i, k]) / distance[j]
    return by_x, by_psi


def _negligible(kind: Any) -> Any:
    """Exponents below which a term is lost in the rounding of the largest, which is 1."""
    return kind(np.log(np.finfo(kind).eps))


def soft_nearest(x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.soft_nearest`: nothing of size (n, m), and far anchors passed over by the block.

    Any order of the anchors gives the same result up to rounding; neighbours in a row make it fast.
    """
    kind = x.dtype.type
    rows, columns, heights = _alike(x, anchors.T, psi)
    return _soft_nearest(rows, columns, heights, kind(eps), _negligible(kind))


def soft_nearest_pullback(
    g: Any, out: Any, x: Any, anchors: Any, psi: Any, *, eps: float, xp: ModuleType
) -> tuple[Any, Any]:
    """See `reference.soft_nearest_pullback`."""
    kind = x.dtype.type
    cotangent, values, rows, columns, heights = _alike(g, out, x, anchors.T, psi)
    return _soft_nearest_pullback(cotangent, values, rows, columns, heights, kind(eps), _negligible(kind))


def _alike(*arrays: Any) -> list[np.ndarray]:
    """Contiguous, all of the dtype of the last: one compiled version a dtype."""
    return [np.ascontiguousarray(a, dtype=arrays[-1].dtype) for a in arrays]
