"""The engine: records calls of primitives and walks them backwards. It knows no rule of differentiation.

A `Primitive` computes on raw arrays; when one of its arguments is a `Tensor` the call is recorded as a
new `Tensor`. Rules (`rules.py`) are written with primitives, so they run on raw arrays when only a first
derivative is wanted and record themselves when a higher one is.

Every tensor carries a creation number. A node older than the variable of differentiation cannot depend on
it, so the backward walk visits only younger nodes, in descending order, and only along paths that end in
that variable: no gradient is computed that nobody asked for, and nested derivatives do not mix.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import Any

import numpy as np

from transport.internal import Array, namespace

Rule = Callable[..., Sequence[Any]]
"""``rule(needs, g, out, *args, **static)``: one cotangent an argument; None where it is zero or unneeded."""

_next_index = itertools.count().__next__
_spaces: dict[type, ModuleType] = {}


class _State(threading.local):
    depth = 0
    recording = True


_state = _State()


def space_of(*values: Array) -> ModuleType:
    """The array namespace of ``values``, remembered by type: the standard inspection costs microseconds."""
    for value in values:
        xp = _spaces.get(type(value))
        if xp is not None:
            return xp
    xp = namespace(*values)
    for value in values:
        if not isinstance(value, (int, float, bool)) and hasattr(value, "dtype"):
            _spaces[type(value)] = xp
    return xp


class Tensor:
    """A recorded value: what it is (``value``) and how it came about (``op``, ``args``, ``static``).

    Created by `grad` and its kin; arithmetic works as on arrays. Comparisons give plain boolean arrays.
    """

    __slots__ = ("args", "index", "op", "static", "value")
    __array_ufunc__ = None  # so that numpy_array * tensor reaches __rmul__
    __array_priority__ = 1000  # the same for CuPy

    def __init__(self, value: Array, op: Primitive, args: tuple[Any, ...], static: dict[str, Any]) -> None:
        self.value = value
        self.op = op
        self.args = args
        self.static = static
        self.index = _next_index()

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self.value.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return int(self.value.ndim)

    @property
    def dtype(self) -> Any:
        """Data type of the value."""
        return self.value.dtype

    def __repr__(self) -> str:
        return f"Tensor({self.value!r})"

    def __len__(self) -> int:
        return self.shape[0]

    def __gt__(self, other: Any) -> Array:
        return self.value > value_of(other)

    def __ge__(self, other: Any) -> Array:
        return self.value >= value_of(other)

    def __lt__(self, other: Any) -> Array:
        return self.value < value_of(other)

    def __le__(self, other: Any) -> Array:
        return self.value <= value_of(other)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a traced value cannot become a NumPy array: its derivative would be lost. Use generative.ops "
            "inside differentiated functions, or stop_gradient(x) for a constant"
        )

    def __float__(self) -> float:
        raise TypeError("a traced value cannot become a float: use stop_gradient(x) for a constant")


class Primitive:
    """One operation: how to compute it, and its rule of differentiation (None: an error names it)."""

    __slots__ = ("forward", "name", "rule")

    def __init__(self, name: str, forward: Callable[..., Array], rule: Rule | None = None) -> None:
        self.name = name
        self.forward = forward
        self.rule = rule

    def __call__(self, *args: Any, **static: Any) -> Any:
        traced = False
        xp = None
        values = []
        for arg in args:
            if type(arg) is Tensor:
                traced = True
                arg = arg.value
            if xp is None:
                xp = _spaces.get(type(arg))
            values.append(arg)
        out = self.forward(xp or space_of(*values), *values, **static)
        if traced and _state.recording:
            return Tensor(out, self, args, static)
        return out

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"


identity = Primitive("identity", lambda xp, x: x, lambda needs, g, out, x: (g,))


def value_of(x: Any) -> Any:
    """The plain array behind ``x``."""
    return x.value if type(x) is Tensor else x


def stop_gradient(x: Any) -> Any:
    """``x`` as a constant: its derivative is zero from here on.

    >>> from generative import grad
    >>> grad(lambda t: t * stop_gradient(t))(3.0).item()
    3.0
    """
    return value_of(x)


class no_grad:
    """Within this context nothing is recorded: operations on tensors give plain arrays."""

    def __enter__(self) -> None:
        self._before = _state.recording
        _state.recording = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _state.recording = self._before


def _relevant(output: Tensor, leaves: list[Tensor]) -> tuple[list[Tensor], set[int]]:
    """Nodes between ``leaves`` and ``output``, youngest first, and the indices that depend on a leaf."""
    oldest = leaves[0].index
    nodes = {output.index: output}
    stack = [output]
    while stack:
        for arg in stack.pop().args:
            if type(arg) is Tensor and arg.index >= oldest and arg.index not in nodes:
                nodes[arg.index] = arg
                stack.append(arg)
    active = {leaf.index for leaf in leaves}
    for index in sorted(nodes):
        for arg in nodes[index].args:
            if type(arg) is Tensor and arg.index in active:
                active.add(index)
                break
    return [nodes[i] for i in sorted(nodes, reverse=True) if i in active], active


def pull_back(output: Tensor, leaves: list[Tensor], seed: Any, *, traced: bool) -> list[Any]:
    """Cotangents of ``leaves`` for the cotangent ``seed`` of ``output`` (None where independent).

    Parameters
    ----------
    traced : bool
        Record the walk itself, so that its result can be differentiated again.

    Raises
    ------
    NotImplementedError
        If a primitive on the way has no rule; its name is in the message.
    """
    order, active = _relevant(output, leaves)
    ends = {leaf.index for leaf in leaves}
    # A tensor even though constant: rules then never meet ``array * tensor``, which strict arrays refuse.
    cotangents: dict[int, Any] = {output.index: Tensor(seed, identity, (), {}) if traced else seed}
    for node in order:
        if node.index in ends:
            continue
        g = cotangents.pop(node.index, None)
        if g is None:
            continue
        op, args = node.op, node.args
        if op.rule is None:
            raise NotImplementedError(
                f"{op.name} has no rule of differentiation; give it one with custom_vjp"
            )
        needs = [type(arg) is Tensor and arg.index in active for arg in args]
        if traced:
            pulled = op.rule(needs, g, node, *args, **node.static)
        else:
            plain = [arg.value if type(arg) is Tensor else arg for arg in args]
            pulled = op.rule(needs, g, node.value, *plain, **node.static)
        for arg, need, h in zip(args, needs, pulled, strict=True):
            if need and h is not None:
                i = arg.index
                cotangents[i] = cotangents[i] + h if i in cotangents else h
    return [cotangents.get(leaf.index) for leaf in leaves]


def as_leaf(x: Any, *, traced: bool) -> Tensor:
    """A fresh variable of differentiation with the value of ``x``, tied to ``x`` when that is traced."""
    value = value_of(x)
    if not hasattr(value, "dtype"):
        value = np.asarray(value)
    xp = space_of(value)
    if not xp.isdtype(value.dtype, "real floating"):
        raise TypeError(
            f"cannot differentiate with respect to an array of dtype {value.dtype}; "
            "convert it to float32 or float64 first"
        )
    return Tensor(value, identity, (x,) if traced and type(x) is Tensor else (), {})
