"""The table of derivatives, part three: patches of images and convolutions, images (n, h, w, channels).

A convolution is linear in the image and in the weights. Its two adjoints and itself are the three ways to
contract ``T(x, w, y) = Σ y · correlate(x, w)`` with two of its arguments, so the three primitives
differentiate into each other, to any order.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from generative._autodiff.arrays import activation_slope
from generative._autodiff.rules import define, reshape, sum
from generative._autodiff.tape import Primitive
from transport.internal import kernels


def _kernels(xp: ModuleType) -> Any:
    return kernels("generative", xp)


def _unfold(xp: ModuleType, x: Any, *, size: tuple[int, int], stride: int = 1, padding: int = 0) -> Any:
    return _kernels(xp).unfold(x, size, stride, padding, xp=xp)


def _fold(
    xp: ModuleType,
    x: Any,
    *,
    size: tuple[int, int],
    shape: tuple[int, ...],
    stride: int = 1,
    padding: int = 0,
) -> Any:
    return _kernels(xp).fold(x, size, stride, padding, shape=shape, xp=xp)


unfold: Primitive = (
    define(  # (n, h, w, c) -> (n, h', w', kh·kw·c): the patches, ``padding`` zeros around the image
        "unfold",
        _unfold,
        lambda needs, g, out, x, *, size, stride=1, padding=0: (
            fold(g, size=size, shape=tuple(x.shape), stride=stride, padding=padding),
        ),
    )
)
fold: Primitive = define(  # adjoint of unfold: patches added into place
    "fold",
    _fold,
    lambda needs, g, out, x, *, size, shape, stride=1, padding=0: (
        unfold(g, size=size, stride=stride, padding=padding),
    ),
)


def _correlate(
    xp: ModuleType, x: Any, w: Any, *, size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Any:
    return _kernels(xp).correlate(x, w, size, stride, padding, xp=xp)


def _adjoint(
    xp: ModuleType,
    y: Any,
    w: Any,
    *,
    size: tuple[int, int],
    shape: tuple[int, int],
    stride: int = 1,
    padding: int = 0,
) -> Any:
    return _kernels(xp).correlate_adjoint(y, w, size, stride, padding, shape=shape, xp=xp)


def _weight(
    xp: ModuleType, x: Any, y: Any, *, size: tuple[int, int], stride: int = 1, padding: int = 0
) -> Any:
    return _kernels(xp).correlate_weight(x, y, size, stride, padding, xp=xp)


def _image(x: Any) -> tuple[int, int]:
    return tuple(x.shape[1:3])  # type: ignore[return-value]


correlate: Primitive = define(  # x (n, h, w, c), w (kh·kw·c, o) -> (n, h', w', o)
    "correlate",
    _correlate,
    lambda needs, g, out, x, w, **at: (
        correlate_adjoint(g, w, shape=_image(x), **at) if needs[0] else None,
        correlate_weight(x, g, **at) if needs[1] else None,
    ),
)
correlate_adjoint: Primitive = define(  # y (n, h', w', o), w (kh·kw·c, o) -> (n, *shape, c)
    "correlate_adjoint",
    _adjoint,
    lambda needs, h, out, y, w, *, shape, **at: (
        correlate(h, w, **at) if needs[0] else None,
        correlate_weight(h, y, **at) if needs[1] else None,
    ),
)
correlate_weight: Primitive = define(  # x (n, h, w, c), y (n, h', w', o) -> (kh·kw·c, o)
    "correlate_weight",
    _weight,
    lambda needs, h, out, x, y, **at: (
        correlate_adjoint(y, h, shape=_image(x), **at) if needs[0] else None,
        correlate(x, h, **at) if needs[1] else None,
    ),
)


def _biased(xp: ModuleType, y: Any, b: Any, activation: str, slope: float) -> Any:
    rows = xp.reshape(y, (-1, b.shape[0]))
    return xp.reshape(_kernels(xp).bias_activation(rows, b, activation, slope, xp=xp), y.shape)


def _before(g: Any, out: Any, activation: str, slope: float) -> Any:
    """Cotangent of what the activation was applied to."""
    return g if activation == "linear" else activation_slope(g, out, activation=activation, slope=slope)


def _total(g: Any) -> Any:
    return sum(reshape(g, shape=(-1, g.shape[-1])), axis=0)


def _conv(
    xp: ModuleType, x: Any, w: Any, b: Any, *, activation: str = "linear", slope: float = 0.0, **at: Any
) -> Any:
    return _biased(xp, _correlate(xp, x, w, **at), b, activation, slope)


def _conv_rule(
    needs: Any,
    g: Any,
    out: Any,
    x: Any,
    w: Any,
    b: Any,
    *,
    activation: str = "linear",
    slope: float = 0.0,
    **at: Any,
) -> tuple[Any, Any, Any]:
    g = _before(g, out, activation, slope)
    return (
        correlate_adjoint(g, w, shape=_image(x), **at) if needs[0] else None,
        correlate_weight(x, g, **at) if needs[1] else None,
        _total(g) if needs[2] else None,
    )


def _conv_transpose(
    xp: ModuleType, y: Any, w: Any, b: Any, *, activation: str = "linear", slope: float = 0.0, **at: Any
) -> Any:
    return _biased(xp, _adjoint(xp, y, w, **at), b, activation, slope)


def _conv_transpose_rule(
    needs: Any,
    g: Any,
    out: Any,
    y: Any,
    w: Any,
    b: Any,
    *,
    shape: tuple[int, int],
    activation: str = "linear",
    slope: float = 0.0,
    **at: Any,
) -> tuple[Any, Any, Any]:
    g = _before(g, out, activation, slope)
    return (
        correlate(g, w, **at) if needs[0] else None,
        correlate_weight(g, y, **at) if needs[1] else None,
        _total(g) if needs[2] else None,
    )


conv: Primitive = define("conv", _conv, _conv_rule)  # activation(correlate(x, w) + b), b (o,)
conv_transpose: Primitive = define(  # activation(correlate_adjoint(y, w) + b), b (c,)
    "conv_transpose", _conv_transpose, _conv_transpose_rule
)
