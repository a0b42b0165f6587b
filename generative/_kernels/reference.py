"""The specification of every kernel, in pure array API.

A kernel may write into its first argument where its docstring says so; it always returns the result.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import array_api_compat as aac


def matmul(a: Any, b: Any, *, xp: ModuleType) -> Any:
    """``a b``; leading axes broadcast."""
    return xp.matmul(a, b)


def concat(parts: Any, axis: int, *, xp: ModuleType) -> Any:
    """The arrays ``parts`` one behind the other along ``axis``."""
    return xp.concat(parts, axis=axis)


def bias_activation(y: Any, b: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """``activation(y + b)``; y (n, m) may be overwritten, b (m,)."""
    y = y + b
    if activation == "linear":
        return y
    if activation == "leaky_relu":
        return xp.where(y > 0, y, slope * y)
    if activation == "tanh":
        return xp.tanh(y)
    decay = xp.exp(-xp.abs(y))
    if activation == "softplus":
        return xp.maximum(y, xp.zeros_like(y)) + xp.log1p(decay)
    return xp.where(y >= 0, 1.0, decay) / (1.0 + decay)


def activation_slope(g: Any, y: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """``g`` times the slope of the activation at the point where its value is ``y``."""
    if activation == "linear":
        return g
    if activation == "leaky_relu":
        return xp.where(y > 0, g, slope * g)
    if activation == "tanh":
        return g * (1.0 - y * y)
    if activation == "softplus":
        return g * -xp.expm1(-y)
    return g * y * (1.0 - y)


def pair_swap(x: Any, keep: Any, *, xp: ModuleType) -> Any:
    """Halves of the last axis, exchanged where ``keep`` (..., m/2) is false."""
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return xp.concat([xp.where(keep, a, b), xp.where(keep, b, a)], axis=-1)


def largest_piece(x: Any, pieces: int, *, xp: ModuleType) -> Any:
    """Which of its ``pieces`` is largest, the first of equals: x (n, pieces m), piece p of unit j in column
    p m + j -> integers (n, m).
    """
    return xp.argmax(xp.reshape(x, (x.shape[0], pieces, -1)), axis=1)


def _chosen(chosen: Any, pieces: int, xp: ModuleType) -> Any:
    numbers = xp.arange(pieces, dtype=chosen.dtype, device=aac.device(chosen))
    return chosen[:, None, :] == xp.reshape(numbers, (1, pieces, 1))


def pick_piece(x: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """The chosen piece of every unit: x (n, pieces m), chosen (n, m) -> (n, m)."""
    apart = xp.reshape(x, (x.shape[0], pieces, -1))
    return xp.sum(xp.where(_chosen(chosen, pieces, xp), apart, xp.zeros_like(apart)), axis=1)


def spread_piece(g: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """The adjoint of `pick_piece`: g (n, m) in the chosen columns, zero in the others of (n, pieces m)."""
    apart = xp.where(_chosen(chosen, pieces, xp), g[:, None, :], xp.zeros_like(g)[:, None, :])
    return xp.reshape(apart, (g.shape[0], -1))


def moments(x: Any, *, xp: ModuleType) -> tuple[Any, Any]:
    """Mean and variance of every column of x (n, m)."""
    mean = xp.mean(x, axis=0)
    gap = x - mean
    return mean, xp.mean(gap * gap, axis=0)


def standardise(x: Any, mean: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """``(x - mean) / √(var + eps)``: x (n, m), mean and var (m,)."""
    return (x - mean) / xp.sqrt(var + eps)


def standardise_pullback(g: Any, y: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """Cotangent of x for the cotangent g of ``y = standardise(x, *moments(x), eps)``.

    ``(g - E g - y E[g y]) / √(var + eps)``, E over the column (Ioffe and Szegedy 2015, section 3).
    """
    return (g - xp.mean(g, axis=0) - y * xp.mean(g * y, axis=0)) / xp.sqrt(var + eps)


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
    """New (params, m, v) of Adam on flat arrays; ``rate`` and ``unbias`` hold the bias corrections."""
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * (g * g)
    step = rate * m / (xp.sqrt(v * unbias) + eps)
    return params - step - shrink * params, m, v


def _nearness(x: Any, anchors: Any, psi: Any, xp: ModuleType) -> tuple[Any, Any]:
    """Distances |x_i - y_j| and ψ_j - |x_i - y_j|, both (n, m)."""
    squares = 0.0
    for k in range(x.shape[1]):
        step = x[:, k][:, None] - anchors[:, k][None, :]
        squares = squares + step * step
    distance = xp.sqrt(squares)
    return distance, psi[None, :] - distance


def soft_nearest(x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType) -> Any:
    """``eps log Σ_j exp((psi_j - |x_i - anchors_j|)/eps)``: x (n, d), anchors (m, d), psi (m,) -> (n,)."""
    _, score = _nearness(x, anchors, psi, xp)
    top = xp.max(score, axis=1, keepdims=True)
    return top[:, 0] + eps * xp.log(xp.sum(xp.exp((score - top) / eps), axis=1))


def soft_nearest_pullback(
    g: Any, out: Any, x: Any, anchors: Any, psi: Any, *, eps: float, xp: ModuleType
) -> tuple[Any, Any]:
    """Cotangents of x (n, d) and psi (m,) for the cotangent g (n,) of ``out``, the value of `soft_nearest`.

    With w_ij = exp((ψ_j - |x_i - y_j| - out_i)/eps), which sum to 1: g_i Σ_j w_ij (y_j - x_i)/|y_j - x_i|,
    and Σ_i g_i w_ij. The direction from an anchor to itself counts 0.
    """
    distance, score = _nearness(x, anchors, psi, xp)
    weight = g[:, None] * xp.exp((score - out[:, None]) / eps)
    pull = weight / xp.where(distance > 0, distance, xp.ones_like(distance))
    pull = xp.where(distance > 0, pull, xp.zeros_like(pull))
    by_x = xp.matmul(pull, anchors) - xp.sum(pull, axis=1, keepdims=True) * x
    return by_x, xp.sum(weight, axis=0)


def _windows(shape: tuple[int, ...], size: tuple[int, int], stride: int) -> list[tuple[Any, ...]]:
    """The strided view of each of the ``size`` offsets: entry (i, j) of every patch at once."""
    rows = (shape[1] - size[0]) // stride + 1
    cols = (shape[2] - size[1]) // stride + 1
    every = slice(None)
    return [
        (
            every,
            slice(i, i + stride * (rows - 1) + 1, stride),
            slice(j, j + stride * (cols - 1) + 1, stride),
            every,
        )
        for i in range(size[0])
        for j in range(size[1])
    ]


def unfold(x: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """Patches of ``size`` at every ``stride``-th place: (n, h, w, c) -> (n, h', w', kh·kw·c).

    ``padding`` zeros are added on each side of the image; ``h' = (h + 2 padding - kh) // stride + 1``.
    """
    if padding:
        n, h, w, c = x.shape
        padded = xp.zeros((n, h + 2 * padding, w + 2 * padding, c), dtype=x.dtype, device=aac.device(x))
        padded[:, padding : padding + h, padding : padding + w, :] = x
        x = padded
    return xp.concat([x[view] for view in _windows(x.shape, size, stride)], axis=-1)


def fold(
    patches: Any, size: tuple[int, int], stride: int, padding: int, *, shape: tuple[int, ...], xp: ModuleType
) -> Any:
    """The adjoint of `unfold`: patches added into an image (n, h, w, c) = ``shape``."""
    n, h, w, c = shape
    full = (n, h + 2 * padding, w + 2 * padding, c)
    out = xp.zeros(full, dtype=patches.dtype, device=aac.device(patches))
    for k, view in enumerate(_windows(full, size, stride)):
        out[view] = out[view] + patches[..., k * c : (k + 1) * c]
    return out[:, padding : padding + h, padding : padding + w, :]


def correlate(x: Any, w: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """``unfold(x) w``: x (n, h, w, c), w (kh·kw·c, o) -> (n, h', w', o)."""
    patches = unfold(x, size, stride, padding, xp=xp)
    flat = xp.matmul(xp.reshape(patches, (-1, w.shape[0])), w)
    return xp.reshape(flat, (*patches.shape[:3], w.shape[1]))


def correlate_adjoint(
    y: Any,
    w: Any,
    size: tuple[int, int],
    stride: int,
    padding: int,
    *,
    shape: tuple[int, int],
    xp: ModuleType,
) -> Any:
    """The adjoint of `correlate` in x, at y (n, h', w', o): (n, *shape, c)."""
    patches = xp.matmul(xp.reshape(y, (-1, w.shape[1])), xp.matrix_transpose(w))
    patches = xp.reshape(patches, (*y.shape[:3], w.shape[0]))
    images = (y.shape[0], *shape, w.shape[0] // (size[0] * size[1]))
    return fold(patches, size, stride, padding, shape=images, xp=xp)


def correlate_weight(
    x: Any, y: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType
) -> Any:
    """The adjoint of `correlate` in w, at y (n, h', w', o): (kh·kw·c, o)."""
    patches = unfold(x, size, stride, padding, xp=xp)
    flat = xp.reshape(patches, (-1, patches.shape[3]))
    return xp.matmul(xp.matrix_transpose(flat), xp.reshape(y, (-1, y.shape[3])))
