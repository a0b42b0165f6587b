"""Reverse-mode differentiation over the array API: see ``generative.ops`` and ``generative.grad``."""

from generative._autodiff import arrays, convolution, rules
from generative._autodiff.api import custom_vjp, grad, hvp, value_and_grad
from generative._autodiff.tape import Tensor, no_grad, stop_gradient, value_of
from generative._autodiff.tree import leaves, rebuild, tree_map

__all__ = [
    "Tensor",
    "arrays",
    "convolution",
    "custom_vjp",
    "grad",
    "hvp",
    "leaves",
    "no_grad",
    "rebuild",
    "rules",
    "stop_gradient",
    "tree_map",
    "value_and_grad",
    "value_of",
]
