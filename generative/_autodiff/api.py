"""Derivatives of functions: `grad`, `value_and_grad`, `hvp`, `custom_vjp`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from generative._autodiff import rules, tape
from generative._autodiff.tape import Primitive, Tensor, value_of
from generative._autodiff.tree import leaves, rebuild, tree_map


def value_and_grad(
    f: Callable[..., Any], argnum: int = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """A function that returns the value of ``f`` and its gradient in one pass.

    Parameters
    ----------
    f : callable
        Gives a scalar (shape ``()``); written with `generative.ops` and arithmetic.
    argnum : int
        Position of the argument to differentiate: an array, or a tree (dicts, lists, tuples) of arrays.
    has_aux : bool
        ``f`` returns ``(scalar, aux)``; the value is then ``(scalar, aux)`` with plain arrays in ``aux``.

    Returns
    -------
    callable
        ``(*args) -> (value, gradient)``, the gradient in the form of the argument. Differentiable again.

    Raises
    ------
    ValueError
        If the value of ``f`` is not a scalar.
    TypeError
        If the argument holds integers.
    NotImplementedError
        If an operation has no rule; its name is in the message.

    Examples
    --------
    >>> import numpy as np
    >>> from generative import ops
    >>> value, slope = value_and_grad(lambda x: ops.sum(ops.exp(2 * x)))(np.array([0.0, 1.0]))
    >>> round(float(value), 4), [round(float(s), 4) for s in slope]
    (8.3891, [2.0, 14.7781])
    """

    def evaluate(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        state = tape._state
        recording = state.recording
        traced = state.depth > 0 and recording
        variables = [tape.as_leaf(leaf, traced=traced) for leaf in leaves(args[argnum])]
        given = list(args)
        given[argnum] = rebuild(args[argnum], iter(variables))
        state.depth += 1
        state.recording = True
        try:
            output = f(*given, **kwargs)
            aux = None
            if has_aux:
                output, aux = output
                aux = aux if traced else tree_map(value_of, aux)
            gradients = _gradients(output, variables, traced=traced)
        finally:
            state.depth -= 1
            state.recording = recording
        value = output if traced else value_of(output)
        return ((value, aux) if has_aux else value), rebuild(args[argnum], iter(gradients))

    return evaluate


def _gradients(output: Any, variables: list[Tensor], *, traced: bool) -> list[Any]:
    shape = tuple(getattr(output, "shape", ()))
    if shape != ():
        raise ValueError(f"the function to differentiate has value of shape {shape}; it must be a scalar")
    found: list[Any] = [None] * len(variables)
    if type(output) is Tensor and variables and output.index >= variables[0].index:
        xp = tape.space_of(output.value)
        found = tape.pull_back(output, variables, xp.ones_like(output.value), traced=traced)
    return [
        tape.space_of(v.value).zeros_like(v.value) if g is None else g
        for g, v in zip(found, variables, strict=True)
    ]


def grad(f: Callable[..., Any], argnum: int = 0) -> Callable[..., Any]:
    """The gradient of the scalar function ``f`` with respect to argument ``argnum``; see `value_and_grad`.

    Examples
    --------
    >>> grad(grad(lambda x: x**3))(2.0).item()
    12.0
    """
    evaluate = value_and_grad(f, argnum)

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return evaluate(*args, **kwargs)[1]

    return gradient


def hvp(f: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """``(x, v) -> H v`` with H the Hessian of the scalar function ``f`` at ``x``; H is never formed.

    Uses H v = grad of <grad f(x), v> (Pearlmutter, Neural Computation 6, 1994). ``x`` and ``v`` are arrays
    or trees of the same form.

    Examples
    --------
    >>> import numpy as np
    >>> from generative import ops
    >>> hvp(lambda x: ops.sum(x**3))(np.array([1.0, 2.0]), np.array([1.0, 0.0]))
    array([6., 0.])
    """
    gradient = grad(f)

    def product(x: Any, v: Any) -> Any:
        def along(point: Any) -> Any:
            parts = [rules.sum(g * d) for g, d in zip(leaves(gradient(point)), leaves(v), strict=True)]
            total = parts[0]
            for part in parts[1:]:
                total = total + part
            return total

        return grad(along)(x)

    return product


def custom_vjp(
    forward: Callable[..., Any],
    rule: Callable[..., Any],
    *,
    name: str | None = None,
    differentiable: bool = False,
) -> Callable[..., Any]:
    """A primitive of your own: any computation on plain arrays, with the rule that differentiates it.

    Parameters
    ----------
    forward : callable
        ``(*arrays, **options) -> array`` on plain arrays.
    rule : callable
        ``(g, out, *arrays, **options) -> tuple``: the cotangent of each array argument for the cotangent
        ``g`` of the result; None for zero.
    name : str, optional
        Named in errors; the name of ``forward`` by default.
    differentiable : bool
        The rule is written with `generative.ops`, so that it can be differentiated itself. If not, a
        second derivative is an error that names the primitive, never a silent zero.

    Examples
    --------
    >>> import numpy as np
    >>> root = custom_vjp(np.sqrt, lambda g, out, x: (g / (2 * out),), name="root", differentiable=True)
    >>> grad(root)(4.0).item()
    0.25
    """
    label: str = name or str(getattr(forward, "__name__", "custom"))

    def compute(xp: Any, *values: Any, **static: Any) -> Any:
        return forward(*values, **static)

    def direct(needs: Any, g: Any, out: Any, *args: Any, **static: Any) -> Any:
        return rule(g, out, *args, **static)

    def sealed(needs: Any, g: Any, out: Any, *args: Any, **static: Any) -> Any:
        plain = [value_of(arg) for arg in args]
        pulled = rule(value_of(g), value_of(out), *plain, **static)
        if type(g) is not Tensor and type(out) is not Tensor:
            return pulled
        # Recorded without a rule of their own: differentiating them again is an error, not a zero.
        return [
            None if h is None else Primitive(f"derivative of {label}", lambda xp, *_, h=h: h)(g, *args)
            for h in pulled
        ]

    return Primitive(label, compute, direct if differentiable else sealed)
