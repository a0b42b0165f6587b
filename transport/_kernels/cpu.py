"""numba kernels: serial, releasing the GIL; parallelism is a fixed chunking in Python."""

from __future__ import annotations

from transport._kernels.circle import circle_cost
from transport._kernels.univariate import line_cost

__all__ = ["circle_cost", "line_cost"]
