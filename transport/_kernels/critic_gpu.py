"""The inf-convolution kernel in CUDA (``critic.cu``): no n x m matrix, no root but for a new minimum."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

import array_api_compat as aac
import numpy as np

OPTIONS = ("--std=c++17",)
_THREADS = 128  # as in critic.cu
_UNROLLED = 8  # dimensions with an instance of their own


def source() -> str:
    """The CUDA C++ of the kernels."""
    return (files("transport") / "_kernels" / "critic.cu").read_text()


def name_expressions() -> list[str]:
    """Every instance."""
    return [f"inf_convolution<{d}>" for d in range(1, _UNROLLED + 1)] + ["inf_convolution_any"]


@cache
def _kernel(name: str) -> Any:
    import cupy

    return cupy.RawModule(code=source(), options=OPTIONS, name_expressions=(name,)).get_function(name)


def inf_convolution(x: Any, y: Any, h: Any) -> tuple[Any, Any]:
    """(min_j h_j + |x_i - y_j|, its first minimiser): shapes (n,), (n,), on the device of x."""
    xp = aac.array_namespace(x, y, h)
    n, d = x.shape
    value, index = xp.empty(n, dtype=xp.float64), xp.empty(n, dtype=xp.int64)
    if n == 0:
        return value, index
    x, y, h = (xp.ascontiguousarray(xp.astype(v, xp.float64, copy=False)) for v in (x, y, h))
    points, name = (2, f"inf_convolution<{d}>") if d <= _UNROLLED else (1, "inf_convolution_any")
    sizes = (np.int64(n), np.int64(y.shape[0]), np.int32(d))
    blocks = -(-n // (points * _THREADS))
    _kernel(name)((blocks,), (_THREADS,), (x, y, h, *sizes, value, index))
    return value, index
