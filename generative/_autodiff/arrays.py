"""The table of derivatives, part two: indexing, shapes, products of matrices."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import array_api_compat as aac
import numpy as np

from generative._autodiff.rules import _reduced, define, exp, reshape, sqrt, square, sum
from generative._autodiff.rules import mean as average
from generative._autodiff.tape import Primitive, Tensor, space_of, value_of
from transport.internal import is_numpy, kernels


def _zeros(xp: ModuleType, shape: tuple[int, ...], like: Any) -> Any:
    return xp.zeros(shape, dtype=like.dtype, device=aac.device(like))


# --- shapes and indices -----------------------------------------------------------------------------

permute_dims: Primitive = define(
    "permute_dims",
    lambda xp, x, *, axes: xp.permute_dims(x, axes),
    lambda needs, g, out, x, *, axes: (
        permute_dims(g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__))),
    ),
)
transpose: Primitive = define(  # the last two axes
    "transpose", lambda xp, x: xp.matrix_transpose(x), lambda needs, g, out, x: (transpose(g),)
)
getitem: Primitive = define(  # integers, slices, Ellipsis, None: nothing that selects an entry twice
    "getitem",
    lambda xp, x, *, index: x[index],
    lambda needs, g, out, x, *, index: (scatter(g, index=index, shape=tuple(x.shape)),),
)


def _scatter(xp: ModuleType, x: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    out = _zeros(xp, shape, x)
    out[index] = x
    return out


scatter: Primitive = define(  # adjoint of getitem: x at ``index`` of an array of zeros
    "scatter", _scatter, lambda needs, g, out, x, *, index, shape: (getitem(g, index=index),)
)


def _take_adjoint(xp: ModuleType, x: Any, *, indices: Any, size: int, axis: int) -> Any:
    moved = xp.moveaxis(x, axis, 0)
    rest = tuple(moved.shape[1:])
    if is_numpy(xp):
        out = np.zeros((size, *rest), dtype=x.dtype)
        np.add.at(out, indices, moved)
    else:  # Σ over repeated indices as one product with the 0/1 incidence matrix
        labels = xp.reshape(xp.arange(size, dtype=indices.dtype, device=aac.device(x)), (size, 1))
        incidence = xp.astype(labels == xp.reshape(indices, (1, -1)), x.dtype)
        flat = _matmul(xp, incidence, xp.reshape(moved, (moved.shape[0], -1)))
        out = xp.reshape(flat, (size, *rest))
    return xp.moveaxis(out, 0, axis)


take: Primitive = define(
    "take",
    lambda xp, x, *, indices, axis=0: xp.take(x, indices, axis=axis),
    lambda needs, g, out, x, *, indices, axis=0: (
        take_adjoint(g, indices=indices, size=x.shape[axis], axis=axis),
    ),
)
take_adjoint: Primitive = define(
    "take_adjoint",
    _take_adjoint,
    lambda needs, g, out, x, *, indices, size, axis: (take(g, indices=indices, axis=axis),),
)
permute_along: Primitive = define(  # ``order`` holds a permutation along ``axis``
    "permute_along",
    lambda xp, x, *, order, axis=-1: xp.take_along_axis(x, order, axis=axis),
    lambda needs, g, out, x, *, order, axis=-1: (
        permute_along(g, order=space_of(order).argsort(order, axis=axis), axis=axis),
    ),
)


def sort(x: Any, *, axis: int = -1) -> Any:
    """``x`` in ascending order along ``axis``."""
    plain = value_of(x)
    return permute_along(x, order=space_of(plain).argsort(plain, axis=axis, stable=True), axis=axis)


def _concat_rule(needs: Any, g: Any, out: Any, *parts: Any, axis: int = 0) -> list[Any]:
    pulled, start = [], 0
    lead = (slice(None),) * (axis % g.ndim)
    for need, part in zip(needs, parts, strict=True):
        stop = start + part.shape[axis]
        pulled.append(getitem(g, index=(*lead, slice(start, stop), ...)) if need else None)
        start = stop
    return pulled


def _concat(xp: ModuleType, *parts: Any, axis: int = 0) -> Any:
    return kernels("generative", xp).concat(parts, axis, xp=xp)


concat: Primitive = define("concat", _concat, _concat_rule)


def pad(x: Any, *, before: tuple[int, ...], after: tuple[int, ...]) -> Any:
    """``x`` with ``before[i]`` and ``after[i]`` zeros added on axis i."""
    if not any(before) and not any(after):
        return x
    shape = tuple(n + b + a for n, b, a in zip(x.shape, before, after, strict=True))
    index = tuple(slice(b, b + n) for n, b in zip(x.shape, before, strict=True))
    return scatter(x, index=index, shape=shape)


# --- products ---------------------------------------------------------------------------------------


def _matmul(xp: ModuleType, a: Any, b: Any) -> Any:
    # An outer product is no work for BLAS: (512, 1) by (1, 256) takes 144 µs there, 15 µs here.
    return a * b if a.shape[-1] == 1 else kernels("generative", xp).matmul(a, b, xp=xp)


matmul: Primitive = define(  # both of at least two axes; leading axes broadcast
    "matmul",
    _matmul,
    lambda needs, g, out, a, b: (
        _reduced(matmul(g, transpose(b)), a) if needs[0] else None,
        _reduced(matmul(transpose(a), g), b) if needs[1] else None,
    ),
)

ACTIVATIONS = ("linear", "leaky_relu", "tanh", "softplus", "sigmoid")
"""Activations with a slope that is a function of their value, hence fusable with what precedes them."""


def _dense(xp: ModuleType, x: Any, w: Any, b: Any, *, activation: str = "linear", slope: float = 0.0) -> Any:
    return kernels("generative", xp).bias_activation(_matmul(xp, x, w), b, activation, slope, xp=xp)


def _dense_rule(
    needs: Any, g: Any, out: Any, x: Any, w: Any, b: Any, *, activation: str = "linear", slope: float = 0.0
) -> tuple[Any, Any, Any]:
    if activation != "linear":
        g = activation_slope(g, out, activation=activation, slope=slope)
    return (
        matmul(g, transpose(w)) if needs[0] else None,
        matmul(transpose(x), g) if needs[1] else None,
        sum(g, axis=0) if needs[2] else None,
    )


dense: Primitive = define("dense", _dense, _dense_rule)  # activation(x w + b); x (n, i), w (i, o), b (o,)


def _activation_slope_rule(
    needs: Any, h: Any, out: Any, g: Any, y: Any, *, activation: str, slope: float = 0.0
) -> tuple[Any, Any]:
    first = activation_slope(h, y, activation=activation, slope=slope) if needs[0] else None
    if not needs[1] or activation in ("linear", "leaky_relu"):
        return first, None
    if activation == "tanh":  # slope 1 - y²
        return first, (-2.0 * h) * g * y
    if activation == "softplus":  # slope 1 - exp(-y)
        return first, h * g * exp(-y)
    return first, h * g * (1.0 - 2.0 * y)  # sigmoid: slope y (1 - y)


activation_slope: Primitive = define(  # g times the slope of the activation whose value is y
    "activation_slope",
    lambda xp, g, y, *, activation, slope=0.0: kernels("generative", xp).activation_slope(
        g, y, activation, slope, xp=xp
    ),
    _activation_slope_rule,
)
pair_swap: Primitive = (
    define(  # halves of the last axis, exchanged where not ``keep``: its own inverse and adjoint
        "pair_swap",
        lambda xp, x, *, keep: kernels("generative", xp).pair_swap(x, keep, xp=xp),
        lambda needs, g, out, x, *, keep: (pair_swap(g, keep=keep),),
    )
)


def groupsort(x: Any) -> Any:
    """GroupSort with groups of two (MaxMin): entries j and j + m of the last axis (2m) sorted, larger first.

    1-Lipschitz and gradient-norm preserving (Anil, Lucas, Grosse, ICML 2019).
    """
    plain = value_of(x)
    half = plain.shape[-1] // 2
    if 2 * half != plain.shape[-1]:
        raise ValueError(f"x has {plain.shape[-1]} features; GroupSort pairs them, so make it an even number")
    return pair_swap(x, keep=plain[..., :half] >= plain[..., half:])


pick_piece: Primitive = define(  # one column of each unit's pieces; ``chosen`` (n, m) holds integers
    "pick_piece",
    lambda xp, x, *, chosen, pieces: kernels("generative", xp).pick_piece(x, chosen, pieces, xp=xp),
    lambda needs, g, out, x, *, chosen, pieces: (spread_piece(g, chosen=chosen, pieces=pieces),),
)
spread_piece: Primitive = define(  # adjoint of pick_piece
    "spread_piece",
    lambda xp, g, *, chosen, pieces: kernels("generative", xp).spread_piece(g, chosen, pieces, xp=xp),
    lambda needs, h, out, g, *, chosen, pieces: (pick_piece(h, chosen=chosen, pieces=pieces),),
)


def maxout(x: Any, *, pieces: int) -> Any:
    """The largest of each unit's ``pieces`` values: (n, pieces m) -> (n, m), unit j in columns j, j + m, ...

    The derivative goes to the largest, the first of equals (Goodfellow et al., ICML 2013).
    """
    plain = value_of(x)
    if plain.ndim != 2 or plain.shape[1] % pieces:
        raise ValueError(f"x has shape {tuple(plain.shape)}; maxout needs (n, m pieces), pieces = {pieces}")
    xp = space_of(plain)
    chosen = kernels("generative", xp).largest_piece(plain, pieces, xp=xp)
    return pick_piece(x, chosen=chosen, pieces=pieces)


def _standardise(xp: ModuleType, x: Any, *, eps: float) -> Any:
    mean, var = kernels("generative", xp).moments(x, xp=xp)
    return kernels("generative", xp).standardise(x, mean, var, eps, xp=xp)


def _standardise_rule(needs: Any, g: Any, out: Any, x: Any, *, eps: float) -> tuple[Any]:
    if type(g) is not Tensor and type(out) is not Tensor:
        xp = space_of(g)
        _, var = kernels("generative", xp).moments(x, xp=xp)
        return (kernels("generative", xp).standardise_pullback(g, out, var, eps, xp=xp),)
    centred = x - average(x, axis=0)  # in primitives, so that it can be differentiated again
    spread = sqrt(average(square(centred), axis=0) + eps)
    return ((g - average(g, axis=0) - out * average(g * out, axis=0)) / spread,)


standardise: Primitive = define(  # columns of x (n, m) to mean 0 and variance v / (v + eps), v their own
    "standardise", _standardise, _standardise_rule
)


def _index(x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts):
        raise TypeError("index a traced value with integers and slices; use take(x, indices=...) for arrays")
    return getitem(x, index=parts if any(part is Ellipsis for part in parts) else (*parts, ...))


for _name, _operator in {
    "__matmul__": lambda a, b: matmul(a, b),
    "__rmatmul__": lambda a, b: matmul(b, a),
    "__getitem__": _index,
    "T": property(lambda a: transpose(a)),
}.items():
    setattr(Tensor, _name, _operator)

__all__ = [
    "ACTIVATIONS",
    "activation_slope",
    "concat",
    "dense",
    "getitem",
    "groupsort",
    "matmul",
    "maxout",
    "pad",
    "pair_swap",
    "permute_along",
    "permute_dims",
    "pick_piece",
    "reshape",
    "scatter",
    "sort",
    "spread_piece",
    "standardise",
    "take",
    "take_adjoint",
    "transpose",
]
