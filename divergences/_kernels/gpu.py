"""CuPy kernels: the pass of `cpu` in one launch, compiled on first use from ``scan.cu``.

The parts and the order in which they are added depend on the shape alone, so results are bitwise the
same on every run. CuPy is imported when a kernel is launched: the source can be read without it.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import numpy as np

from divergences._kernels.reference import TERMS

__all__ = ["TERMS", "scan"]

OPTIONS = ("--std=c++17", "--fmad=false")  # the error-free sums need every product rounded
_CHUNK = 8192  # atoms a block sums; fixed, hence the same result on every device


def source() -> str:
    """The CUDA C++ of the pass."""
    return (files("divergences") / "_kernels" / "scan.cu").read_text()


def name_expression(term: str) -> str:
    """The instance of the kernel for one of `TERMS`."""
    return f"scan<{term.upper()}>"


def name_expressions() -> list[str]:
    """Every instance."""
    return [name_expression(term) for term in TERMS]


@cache
def _kernel(term: str) -> Any:
    import cupy

    name = name_expression(term)
    return cupy.RawModule(code=source(), options=OPTIONS, name_expressions=(name,)).get_function(name)


def scan(term: str, p: Any, q: Any, rows: Any, rise: float = 1.0, *, xp: ModuleType) -> Any:
    """One pass over the rows; arguments and result as `divergences._kernels.cpu.scan`."""
    n_rows, n = p.shape
    out = xp.empty((n_rows, 7), dtype=xp.float64)
    if n_rows == 0:
        return out
    p, q, rows = (xp.ascontiguousarray(x) for x in (p, q, rows))
    per_row = -(-n // _CHUNK)
    parts = xp.empty((n_rows * per_row, 7), dtype=xp.float64) if per_row > 1 else out
    arrived = xp.zeros(n_rows if per_row > 1 else 1, dtype=xp.uint32)
    sizes = (np.float64(rise), np.int64(n), np.int32(_CHUNK), np.int32(per_row))
    threads = 32 if n <= 512 else 256
    _kernel(term)((n_rows * per_row,), (threads,), (p, q, rows, *sizes, parts, arrived, out))
    return out
