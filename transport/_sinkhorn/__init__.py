"""Entropic transport: one dual problem, Newton's method on it, kernels for what is stored and what is not."""
