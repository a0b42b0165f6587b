"""Solvers: one file a method, one protocol (`base`), one loop."""
