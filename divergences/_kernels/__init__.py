"""Kernels with one signature: reference (array API), cpu (numba), gpu (CuPy)."""
