"""Kernels for NumPy arrays: the reference, which NumPy runs well enough."""

from generative._kernels.reference import activation_slope, adam, bias_activation, pair_swap

__all__ = ["activation_slope", "adam", "bias_activation", "pair_swap"]
