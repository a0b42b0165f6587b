"""The table of derivatives, part three: patches of images and convolutions, images (n, h, w, channels).

A convolution is linear in the image and in the weights. Its two adjoints and itself are the three ways to
contract ``T(x, w, y) = Σ y · correlate(x, w)`` with two of its arguments, so the three primitives
differentiate into each other, to any order.
"""

from __future__ import annotations

from collections.abc import Callable
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


def _correlate_rule(needs: Any, g: Any, out: Any, x: Any, w: Any, **at: Any) -> tuple[Any, Any]:
    return (
        correlate_adjoint(g, w, shape=_image(x), **at) if needs[0] else None,
        correlate_weight(x, g, **at) if needs[1] else None,
    )


def _adjoint_rule(
    needs: Any, h: Any, out: Any, y: Any, w: Any, *, shape: tuple[int, int], **at: Any
) -> tuple[Any, Any]:
    return (
        correlate(h, w, **at) if needs[0] else None,
        correlate_weight(h, y, **at) if needs[1] else None,
    )


# x (n, h, w, c), w (kh·kw·c, o) -> (n, h', w', o)
correlate: Primitive = define("correlate", _correlate, _correlate_rule)
# y (n, h', w', o), w (kh·kw·c, o) -> (n, *shape, c)
correlate_adjoint: Primitive = define("correlate_adjoint", _adjoint, _adjoint_rule)
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


def _with_bias(linear: Callable[..., Any]) -> Callable[..., Any]:
    """The value ``activation(linear(x, w) + b)``, of a product that is linear in both."""

    def value(
        xp: ModuleType, x: Any, w: Any, b: Any, *, activation: str = "linear", slope: float = 0.0, **at: Any
    ) -> Any:
        return _biased(xp, linear(xp, x, w, **at), b, activation, slope)

    return value


def _bias_rule(back: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any, Any]]:
    """Its derivative; ``back`` is that of the product in x and w."""

    def rule(
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
        return (*back(needs, g, None, x, w, **at), _total(g) if needs[2] else None)

    return rule


conv: Primitive = define(  # activation(correlate(x, w) + b), b (o,)
    "conv", _with_bias(_correlate), _bias_rule(_correlate_rule)
)
conv_transpose: Primitive = define(  # activation(correlate_adjoint(y, w) + b), b (c,)
    "conv_transpose", _with_bias(_adjoint), _bias_rule(_adjoint_rule)
)
