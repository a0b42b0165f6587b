"""Where a CUDA graph is recorded: matrix products through a cuBLAS handle of our own, and safe concatenation.

CuPy refuses cuBLAS while a stream is captured; cuBLAS itself allows it, given a workspace that it need not
allocate. The guard is in CuPy's binding only, so this is a second one: two routines, by ctypes.

cuBLAS stores matrices by columns. An array stored by rows is the transpose of what cuBLAS sees at the same
address, hence ``(A B)' = B' A'``: the operands change places and nothing is copied.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

WORKSPACE = 32 << 20  # bytes; what NVIDIA recommends for Hopper, more than enough elsewhere
_AT_ONCE = 8
_PLAIN, _TRANSPOSED = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
_ROUTINES = {"float32": ("cublasSgemm_v2", ctypes.c_float), "float64": ("cublasDgemm_v2", ctypes.c_double)}


class _Bound(threading.local):
    blas: Cublas | None = None


_bound = _Bound()


def current() -> Cublas | None:
    """The handle that matrix products of this thread go through; None: CuPy's own."""
    return _bound.blas


def find_library() -> ctypes.CDLL:
    """The cuBLAS that CuPy itself has loaded.

    Raises
    ------
    OSError
        If there is none.
    """
    import_module("cupy_backends.cuda.libs.cublas")
    maps = Path("/proc/self/maps")
    for line in maps.read_text().splitlines() if maps.exists() else ():
        if "libcublas.so" in line:
            return ctypes.CDLL(line.split(maxsplit=5)[5])
    raise OSError("cuBLAS is not among the libraries of this process; train with capture=False")


class Cublas:
    """A cuBLAS handle with the two products it is for.

    Parameters
    ----------
    library : optional
        Anything with the five functions of cuBLAS used here; `find_library` by default.

    Notes
    -----
    Never given back: at the end of the process the order in which libraries go is not ours; see `own`.
    """

    def __init__(self, library: Any = None) -> None:
        self._library = find_library() if library is None else library
        self._handle = ctypes.c_void_p()
        self._call("cublasCreate_v2", ctypes.byref(self._handle))
        self._workspace: Any = None

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._library, name)(*arguments)
        if status:
            raise RuntimeError(f"{name} failed with cuBLAS status {status}; train with capture=False")

    @contextmanager
    def bound(self, stream: int, workspace: Any) -> Iterator[None]:
        """Within, products of this thread run here, on ``stream``, in ``workspace`` (an array of bytes)."""
        self._call("cublasSetStream_v2", self._handle, ctypes.c_void_p(stream))
        # After the stream: setting that one puts the default workspace back.
        size = ctypes.c_size_t(workspace.nbytes)
        self._call("cublasSetWorkspace_v2", self._handle, ctypes.c_void_p(_address(workspace)), size)
        before, self._workspace, _bound.blas = _bound.blas, workspace, self
        try:
            yield
        finally:
            _bound.blas = before

    def matmul(self, a: Any, b: Any, *, xp: ModuleType) -> Any:
        """``a b`` for a (..., m, k) and b (k, n), in float32 or float64, any strides.

        Raises
        ------
        NotImplementedError
            For other dtypes and for stacks of matrices on the right.
        """
        kind = str(a.dtype)
        if kind not in _ROUTINES or a.dtype != b.dtype or b.ndim != 2:
            raise NotImplementedError(
                f"a graph cannot hold the product of {a.dtype} {a.shape} and {b.dtype} {b.shape}; "
                "train with capture=False"
            )
        rows = a if a.ndim == 2 else xp.reshape(a, (-1, a.shape[-1]))
        (m, k), n = rows.shape, b.shape[1]
        if m * n * k == 0:
            return xp.zeros((*a.shape[:-1], n), dtype=a.dtype)
        out = xp.empty((m, n), dtype=a.dtype)
        rows, op_a, lead_a = _operand(rows, xp)
        b, op_b, lead_b = _operand(b, xp)
        routine, scalar = _ROUTINES[kind]
        one, zero = scalar(1), scalar(0)
        sizes = [ctypes.c_int(size) for size in (op_b, op_a, n, m, k)]
        self._call(
            routine,
            self._handle,
            *sizes,
            ctypes.byref(one),
            ctypes.c_void_p(_address(b)),
            ctypes.c_int(lead_b),
            ctypes.c_void_p(_address(rows)),
            ctypes.c_int(lead_a),
            ctypes.byref(zero),
            ctypes.c_void_p(_address(out)),
            ctypes.c_int(n),
        )
        return xp.reshape(out, (*a.shape[:-1], n))


@cache
def own(device: int) -> Cublas:
    """The one handle of this process for a device, which must be the current one."""
    return Cublas()


def concat(parts: Sequence[Any], axis: int, *, xp: ModuleType) -> Any:
    """``parts`` one behind the other, eight at a time where a graph is recorded.

    For more CuPy sends a table of their addresses from the host, in memory that it uses again: a graph would
    read whatever lies there by then.
    """
    parts = list(parts)
    while _bound.blas is not None and len(parts) > _AT_ONCE:
        groups = [parts[i : i + _AT_ONCE] for i in range(0, len(parts), _AT_ONCE)]
        parts = [xp.concat(group, axis=axis) for group in groups]
    return xp.concat(parts, axis=axis)


def _operand(x: Any, xp: ModuleType) -> tuple[Any, int, int]:
    """``x``, copied if its strides ask for it, whether it is stored transposed, and its leading dimension."""
    (rows, cols), (down, across), item = x.shape, x.strides, x.itemsize
    if (across == item or cols == 1) and (rows == 1 or down >= cols * item):
        return x, _PLAIN, down // item if rows > 1 else cols
    if (down == item or rows == 1) and (cols == 1 or across >= rows * item):
        return x, _TRANSPOSED, across // item if cols > 1 else rows
    return xp.ascontiguousarray(x), _PLAIN, cols


def _address(x: Any) -> int:
    return int(x.data.ptr if hasattr(x.data, "ptr") else x.ctypes.data)
