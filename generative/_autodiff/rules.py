"""The table of derivatives, part one: elementwise operations and reductions.

A rule is ``rule(needs, g, out, *args, **static) -> cotangents``: with ``out = op(*args)`` and ``g`` the
cotangent of ``out``, entry i is g·∂out/∂args[i], or None where that is zero or not needed. Rules use
primitives and arithmetic only, so each differentiates itself. ``generative.ops`` lists everything public.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import ModuleType
from typing import Any

from generative._autodiff.tape import Primitive, Tensor, identity, space_of, value_of
from transport.internal import kernels

Axis = int | tuple[int, ...] | None

TABLE: dict[str, Primitive] = {"identity": identity}
"""Every primitive by its name; `tests/test_autodiff.py` checks each row to second order."""


def define(name: str, forward: Callable[..., Any], rule: Callable[..., Any]) -> Primitive:
    """A primitive, entered in the table."""
    TABLE[name] = Primitive(name, forward, rule)
    return TABLE[name]


def _unary(
    name: str, forward: Callable[[ModuleType, Any], Any], derivative: Callable[[Any, Any, Any], Any]
) -> Primitive:
    """An elementwise function; ``derivative(g, out, x)`` is its cotangent."""
    return define(name, forward, lambda needs, g, out, x: (derivative(g, out, x),))


def _reduced(g: Any, like: Any) -> Any:
    """Adjoint of broadcasting: ``g`` summed to the shape of ``like``."""
    shape = tuple(like.shape)
    if tuple(g.shape) == shape:
        return g
    extra = g.ndim - len(shape)
    axes = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and g.shape[i + extra] != 1
    )
    return reshape(sum(g, axis=axes), shape=shape)


# --- arithmetic -------------------------------------------------------------------------------------

add: Primitive = define(
    "add",
    lambda xp, a, b: a + b,
    lambda needs, g, out, a, b: (
        _reduced(g, a) if needs[0] else None,
        _reduced(g, b) if needs[1] else None,
    ),
)
subtract: Primitive = define(
    "subtract",
    lambda xp, a, b: a - b,
    lambda needs, g, out, a, b: (
        _reduced(g, a) if needs[0] else None,
        _reduced(-g, b) if needs[1] else None,
    ),
)
multiply: Primitive = define(
    "multiply",
    lambda xp, a, b: a * b,
    lambda needs, g, out, a, b: (
        _reduced(g * b, a) if needs[0] else None,
        _reduced(g * a, b) if needs[1] else None,
    ),
)
divide: Primitive = define(
    "divide",
    lambda xp, a, b: a / b,
    lambda needs, g, out, a, b: (
        _reduced(g / b, a) if needs[0] else None,
        _reduced(-(g * out / b), b) if needs[1] else None,
    ),
)
negative: Primitive = _unary("negative", lambda xp, x: -x, lambda g, out, x: -g)
square: Primitive = _unary("square", lambda xp, x: x * x, lambda g, out, x: (2.0 * g) * x)


def _power(xp: ModuleType, x: Any, *, exponent: float) -> Any:
    return x**exponent


power: Primitive = define(
    "power",
    _power,
    lambda needs, g, out, x, *, exponent: (
        (exponent * g) * (power(x, exponent=exponent - 1) if exponent != 2 else x),
    ),
)

# --- elementwise functions --------------------------------------------------------------------------

exp: Primitive = _unary("exp", lambda xp, x: xp.exp(x), lambda g, out, x: g * out)
expm1: Primitive = _unary("expm1", lambda xp, x: xp.expm1(x), lambda g, out, x: g * (out + 1.0))
log: Primitive = _unary("log", lambda xp, x: xp.log(x), lambda g, out, x: g / x)
log1p: Primitive = _unary("log1p", lambda xp, x: xp.log1p(x), lambda g, out, x: g / (x + 1.0))
sqrt: Primitive = _unary("sqrt", lambda xp, x: xp.sqrt(x), lambda g, out, x: (0.5 * g) / out)
sin: Primitive = _unary("sin", lambda xp, x: xp.sin(x), lambda g, out, x: g * cos(x))
cos: Primitive = _unary("cos", lambda xp, x: xp.cos(x), lambda g, out, x: -(g * sin(x)))
tanh: Primitive = _unary("tanh", lambda xp, x: xp.tanh(x), lambda g, out, x: g * (1.0 - out * out))
sign: Primitive = define("sign", lambda xp, x: xp.sign(x), lambda needs, g, out, x: (None,))
abs: Primitive = _unary("abs", lambda xp, x: xp.abs(x), lambda g, out, x: g * sign(x))


def _sigmoid(xp: ModuleType, x: Any) -> Any:
    decay = xp.exp(-xp.abs(x))  # never overflows, and keeps the relative precision of both tails
    return xp.where(x >= 0, 1.0, decay) / (1.0 + decay)


def _softplus(xp: ModuleType, x: Any) -> Any:
    return xp.maximum(x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))


sigmoid: Primitive = _unary("sigmoid", _sigmoid, lambda g, out, x: g * out * (1.0 - out))
softplus: Primitive = _unary("softplus", _softplus, lambda g, out, x: g * sigmoid(x))

# --- piecewise --------------------------------------------------------------------------------------

gate: Primitive = define(  # g where x > 0, slope·g elsewhere: linear in g, and piecewise constant in x
    "gate",
    lambda xp, g, x, *, slope: kernels("generative", xp).activation_slope(g, x, "leaky_relu", slope, xp=xp),
    lambda needs, h, out, g, x, *, slope: (gate(h, x, slope=slope) if needs[0] else None, None),
)
leaky_relu: Primitive = define(
    "leaky_relu",
    lambda xp, x, *, slope=0.2: kernels("generative", xp).activation_slope(x, x, "leaky_relu", slope, xp=xp),
    lambda needs, g, out, x, *, slope=0.2: (gate(g, x, slope=slope),),
)
where: Primitive = define(
    "where",
    lambda xp, a, b, *, condition: xp.where(condition, a, b),
    lambda needs, g, out, a, b, *, condition: (
        _reduced(where(g, 0.0, condition=condition), a) if needs[0] else None,
        _reduced(where(0.0, g, condition=condition), b) if needs[1] else None,
    ),
)


def maximum(a: Any, b: Any) -> Any:
    """The larger of ``a`` and ``b`` entry by entry; where equal, the derivative goes to ``a``."""
    return where(a, b, condition=value_of(a) >= value_of(b))


def minimum(a: Any, b: Any) -> Any:
    """The smaller of ``a`` and ``b`` entry by entry; where equal, the derivative goes to ``a``."""
    return where(a, b, condition=value_of(a) <= value_of(b))


def relu(x: Any) -> Any:
    """``max(x, 0)``, with derivative 0 at 0."""
    return leaky_relu(x, slope=0.0)


# --- reductions -------------------------------------------------------------------------------------


def _kept(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """``shape`` with 1 at the reduced axes."""
    if axis is None:
        return (1,) * len(shape)
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))


def _spread(g: Any, x: Any, axis: Axis, keepdims: bool) -> Any:
    """``g``, a reduction of ``x``, given back the reduced axes with length 1."""
    return g if keepdims else reshape(g, shape=_kept(tuple(x.shape), axis))


reshape: Primitive = define(
    "reshape",
    lambda xp, x, *, shape: xp.reshape(x, shape),
    lambda needs, g, out, x, *, shape: (reshape(g, shape=tuple(x.shape)),),
)
broadcast_to: Primitive = define(
    "broadcast_to",
    lambda xp, x, *, shape: xp.broadcast_to(x, shape),
    lambda needs, g, out, x, *, shape: (_reduced(g, x),),
)
sum: Primitive = define(
    "sum",
    lambda xp, x, *, axis=None, keepdims=False: xp.sum(x, axis=axis, keepdims=keepdims),
    lambda needs, g, out, x, *, axis=None, keepdims=False: (
        broadcast_to(_spread(g, x, axis, keepdims), shape=tuple(x.shape)),
    ),
)


def mean(x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    """Arithmetic mean over ``axis``."""
    count = 1
    for n, kept in zip(x.shape, _kept(tuple(x.shape), axis), strict=True):
        count *= 1 if n == kept else n
    return sum(x, axis=axis, keepdims=keepdims) * (1.0 / builtins.max(count, 1))


def _max_rule(needs: Any, g: Any, out: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    xp = space_of(value_of(x))
    top = xp.reshape(value_of(out), _kept(tuple(x.shape), axis))
    winners = xp.astype(value_of(x) == top, value_of(x).dtype)
    share = winners / xp.sum(winners, axis=axis, keepdims=True)  # equal winners share the derivative
    return (_spread(g, x, axis, keepdims) * share,)


max: Primitive = define(
    "max", lambda xp, x, *, axis=None, keepdims=False: xp.max(x, axis=axis, keepdims=keepdims), _max_rule
)


def _logsumexp(xp: ModuleType, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    top = xp.max(x, axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, xp.zeros_like(top))
    out = xp.log(xp.sum(xp.exp(x - top), axis=axis, keepdims=True)) + top
    return out if keepdims else xp.reshape(out, _dropped(tuple(x.shape), axis))


def _dropped(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    if axis is None:
        return ()
    axes = {a % len(shape) for a in (axis if isinstance(axis, tuple) else (axis,))}
    return tuple(n for i, n in enumerate(shape) if i not in axes)


logsumexp: Primitive = define(
    "logsumexp",
    _logsumexp,
    lambda needs, g, out, x, *, axis=None, keepdims=False: (
        _spread(g, x, axis, keepdims) * exp(x - _spread(out, x, axis, keepdims)),
    ),
)


def _norm_rule(needs: Any, g: Any, out: Any, x: Any, *, axis: Axis = None, keepdims: bool = False) -> Any:
    length = _spread(out, x, axis, keepdims)
    zero = value_of(length) == 0
    return (_spread(g, x, axis, keepdims) * (x / where(1.0, length, condition=zero)),)


norm: Primitive = define(  # Euclidean; at the origin the derivative is 0, the subgradient of least length
    "norm",
    lambda xp, x, *, axis=None, keepdims=False: xp.sqrt(xp.sum(x * x, axis=axis, keepdims=keepdims)),
    _norm_rule,
)


def log_softmax(x: Any, *, axis: int = -1) -> Any:
    """``log(exp(x) / Σ exp(x))`` along ``axis``, without overflow."""
    return x - logsumexp(x, axis=axis, keepdims=True)


def softmax(x: Any, *, axis: int = -1) -> Any:
    """``exp(x) / Σ exp(x)`` along ``axis``, without overflow."""
    return exp(log_softmax(x, axis=axis))


# --- operators of Tensor ----------------------------------------------------------------------------


def _raise_to(x: Any, exponent: float) -> Any:
    if not isinstance(exponent, (int, float)):
        raise TypeError(f"exponent {exponent!r}: only constant real exponents; write exp(log(x) * y)")
    return square(x) if exponent == 2 else power(x, exponent=exponent)


_OPERATORS: dict[str, Callable[..., Any]] = {
    "__add__": lambda a, b: add(a, b),
    "__radd__": lambda a, b: add(b, a),
    "__sub__": lambda a, b: subtract(a, b),
    "__rsub__": lambda a, b: subtract(b, a),
    "__mul__": lambda a, b: multiply(a, b),
    "__rmul__": lambda a, b: multiply(b, a),
    "__truediv__": lambda a, b: divide(a, b),
    "__rtruediv__": lambda a, b: divide(b, a),
    "__neg__": lambda a: negative(a),
    "__abs__": lambda a: abs(a),
    "__pow__": _raise_to,
}
for _name, _operator in _OPERATORS.items():
    setattr(Tensor, _name, _operator)
