"""The inner loops of learning: reference (array API), cpu (numba), gpu (CuPy)."""
