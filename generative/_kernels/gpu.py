"""CuPy arrays: one launch where CuPy itself would need several; the rest as in `reference`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from types import ModuleType
from typing import Any

import cupy as cp
import numpy as np

from generative._kernels import blas, reference

__all__ = [
    "activation_slope",
    "adam",
    "bias_activation",
    "concat",
    "correlate",
    "correlate_adjoint",
    "correlate_weight",
    "fold",
    "largest_piece",
    "matmul",
    "moments",
    "pair_swap",
    "pick_piece",
    "soft_nearest",
    "soft_nearest_pullback",
    "spread_piece",
    "standardise",
    "standardise_pullback",
    "unfold",
]

_THREADS = 256
_ROW = 128  # threads a block of the soft_nearest kernels; as in learning.cu
_COLUMNS = 32  # columns a block of the standardising kernels
KERNELS = (
    "bias_leaky",
    "gate",
    "pair_swap",
    "adam",
    "adam_at",
    "soft_nearest",
    "soft_pull_x",
    "soft_pull_psi",
    "largest_piece",
    "pick_piece",
    "spread_piece",
    "moments",
    "standardise",
    "standardise_pull",
    "unfold",
    "fold",
)
OPTIONS = ("--std=c++17",)
_NAMES = {"float32": "float", "float64": "double"}


def source() -> str:
    """The CUDA C++ of every kernel."""
    return (files("generative") / "_kernels" / "learning.cu").read_text()


def name_expressions() -> list[str]:
    """The instances to compile: every kernel in single and double precision."""
    return [f"{kernel}<{kind}>" for kernel in KERNELS for kind in _NAMES.values()]


@cache
def _module() -> Any:
    return cp.RawModule(code=source(), options=OPTIONS, name_expressions=name_expressions())


def _launch(kernel: str, dtype: Any, size: int, arguments: tuple[Any, ...]) -> None:
    _launch_blocks(kernel, dtype, (size + _THREADS - 1) // _THREADS, arguments, threads=_THREADS)


def _launch_blocks(
    kernel: str, dtype: Any, blocks: int, arguments: tuple[Any, ...], *, threads: int = _ROW
) -> None:
    if blocks:
        few = min(blocks, 132 * 16)  # the loops inside stride over the rest
        _module().get_function(f"{kernel}<{_NAMES[str(dtype)]}>")((few,), (threads,), arguments)


def _fits(*arrays: Any) -> bool:
    return str(arrays[0].dtype) in _NAMES and all(x.dtype == arrays[0].dtype for x in arrays)


def matmul(a: Any, b: Any, *, xp: ModuleType) -> Any:
    """See `reference.matmul`; through our own cuBLAS handle where a graph is recorded, see `blas`."""
    own = blas.current()
    return cp.matmul(a, b) if own is None else own.matmul(a, b, xp=cp)


def concat(parts: Any, axis: int, *, xp: ModuleType) -> Any:
    """See `reference.concat` and `blas.concat`."""
    return blas.concat(parts, axis, xp=xp)


def bias_activation(y: Any, b: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """See `reference.bias_activation`; overwrites ``y``."""
    if activation == "leaky_relu" and y.flags.c_contiguous and _fits(y, b):
        m = b.shape[0]
        arguments = (y, cp.ascontiguousarray(b), y.dtype.type(slope), np.int32(m), np.int64(y.size))
        _launch("bias_leaky", y.dtype, y.size, arguments)
        return y
    return reference.bias_activation(y, b, activation, slope, xp=xp)


def activation_slope(g: Any, y: Any, activation: str, slope: float, *, xp: ModuleType) -> Any:
    """See `reference.activation_slope`."""
    if activation == "leaky_relu" and g.shape == y.shape and _fits(g, y):
        g, y = cp.ascontiguousarray(g), cp.ascontiguousarray(y)
        out = cp.empty_like(g)
        _launch("gate", g.dtype, g.size, (g, y, out, g.dtype.type(slope), np.int64(g.size)))
        return out
    return reference.activation_slope(g, y, activation, slope, xp=xp)


def pair_swap(x: Any, keep: Any, *, xp: ModuleType) -> Any:
    """See `reference.pair_swap`."""
    if not _fits(x):
        return reference.pair_swap(x, keep, xp=xp)
    x, keep = cp.ascontiguousarray(x), cp.ascontiguousarray(keep)
    out = cp.empty_like(x)
    _launch("pair_swap", x.dtype, keep.size, (x, keep, out, np.int32(keep.shape[-1]), np.int64(keep.size)))
    return out


def largest_piece(x: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.largest_piece`."""
    if not _fits(x):
        return reference.largest_piece(x, pieces, xp=xp)
    m = x.shape[1] // pieces
    chosen = cp.empty((x.shape[0], m), dtype=np.int32)
    sizes = (np.int32(pieces), np.int32(m), np.int64(chosen.size))
    _launch("largest_piece", x.dtype, chosen.size, (cp.ascontiguousarray(x), chosen, *sizes))
    return chosen


def pick_piece(x: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.pick_piece`."""
    if not _fits(x):
        return reference.pick_piece(x, chosen, pieces, xp=xp)
    out = cp.empty(chosen.shape, dtype=x.dtype)
    sizes = (np.int32(pieces), np.int32(chosen.shape[1]), np.int64(out.size))
    given = (cp.ascontiguousarray(x), cp.ascontiguousarray(chosen, dtype=np.int32))
    _launch("pick_piece", x.dtype, out.size, (*given, out, *sizes))
    return out


def spread_piece(g: Any, chosen: Any, pieces: int, *, xp: ModuleType) -> Any:
    """See `reference.spread_piece`."""
    if not _fits(g):
        return reference.spread_piece(g, chosen, pieces, xp=xp)
    n, m = chosen.shape
    out = cp.empty((n, pieces * m), dtype=g.dtype)
    sizes = (np.int32(pieces), np.int32(m), np.int64(out.size))
    given = (cp.ascontiguousarray(g), cp.ascontiguousarray(chosen, dtype=np.int32))
    _launch("spread_piece", g.dtype, out.size, (*given, out, *sizes))
    return out


def _columns(kernel: str, dtype: Any, m: int, arguments: tuple[Any, ...]) -> None:
    _launch_blocks(kernel, dtype, (m + _COLUMNS - 1) // _COLUMNS, arguments, threads=_THREADS)


def moments(x: Any, *, xp: ModuleType) -> tuple[Any, Any]:
    """See `reference.moments`: one launch for both."""
    if not _fits(x) or not x.shape[0]:
        return reference.moments(x, xp=xp)
    n, m = x.shape
    mean, var = cp.empty(m, dtype=x.dtype), cp.empty(m, dtype=x.dtype)
    _columns("moments", x.dtype, m, (cp.ascontiguousarray(x), mean, var, np.int32(n), np.int32(m)))
    return mean, var


def standardise(x: Any, mean: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.standardise`."""
    if not _fits(x, mean, var):
        return reference.standardise(x, mean, var, eps, xp=xp)
    x = cp.ascontiguousarray(x)
    out = cp.empty_like(x)
    sizes = (np.int32(x.shape[1]), np.int64(x.size))
    _launch("standardise", x.dtype, x.size, (x, mean, var, out, x.dtype.type(eps), *sizes))
    return out


def standardise_pullback(g: Any, y: Any, var: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.standardise_pullback`: one launch."""
    if not _fits(g, y, var) or not g.shape[0]:
        return reference.standardise_pullback(g, y, var, eps, xp=xp)
    g, y = cp.ascontiguousarray(g), cp.ascontiguousarray(y)
    out = cp.empty_like(g)
    (n, m), small = g.shape, g.dtype.type(eps)
    _columns("standardise_pull", g.dtype, m, (g, y, var, out, small, np.int32(n), np.int32(m)))
    return out


def adam(
    g: Any,
    params: Any,
    m: Any,
    v: Any,
    *,
    rate: float,
    beta1: float,
    beta2: float,
    unbias: float,
    eps: float,
    shrink: float,
    xp: ModuleType,
) -> tuple[Any, Any, Any]:
    """See `reference.adam`: one launch for all parameters of a net."""
    kind, size = params.dtype.type, np.int64(params.size)
    new = tuple(cp.empty_like(params) for _ in range(3))
    given = (cp.ascontiguousarray(g.astype(params.dtype, copy=False)), params, m, v, *new)
    if isinstance(rate, float):
        scalars = [kind(s) for s in (rate, beta1, beta2, 1 - beta1, 1 - beta2, unbias, eps, shrink)]
        _launch("adam", params.dtype, params.size, (*given, *scalars, size))
    else:  # numbers that lie on the device: a graph reads them anew each time
        scalars = [kind(s) for s in (beta1, beta2, 1 - beta1, 1 - beta2, eps)]
        _launch("adam_at", params.dtype, params.size, (*given, rate, unbias, shrink, *scalars, size))
    return new  # type: ignore[return-value]


def _soft_arguments(x: Any, anchors: Any, psi: Any, eps: float) -> tuple[Any, tuple[Any, ...]]:
    points, others, heights = (cp.ascontiguousarray(a) for a in (x, anchors, psi))
    sizes = (np.int32(x.shape[0]), np.int32(anchors.shape[0]), np.int32(x.shape[1]))
    return (points, others, heights), (x.dtype.type(eps), *sizes)


def soft_nearest(x: Any, anchors: Any, psi: Any, eps: float, *, xp: ModuleType) -> Any:
    """See `reference.soft_nearest`: one block a row, nothing of size (n, m)."""
    if not _fits(x, anchors, psi):
        return reference.soft_nearest(x, anchors, psi, eps, xp=xp)
    arrays, scalars = _soft_arguments(x, anchors, psi, eps)
    out = cp.empty(x.shape[0], dtype=x.dtype)
    _launch_blocks("soft_nearest", x.dtype, x.shape[0], (*arrays, out, *scalars))
    return out


def soft_nearest_pullback(
    g: Any, out: Any, x: Any, anchors: Any, psi: Any, *, eps: float, xp: ModuleType
) -> tuple[Any, Any]:
    """See `reference.soft_nearest_pullback`: one block a row, then one block an anchor."""
    if not _fits(x, anchors, psi, g, out):
        return reference.soft_nearest_pullback(g, out, x, anchors, psi, eps=eps, xp=xp)
    arrays, scalars = _soft_arguments(x, anchors, psi, eps)
    given = (cp.ascontiguousarray(g), cp.ascontiguousarray(out), *arrays)
    by_x, by_psi = cp.empty_like(arrays[0]), cp.empty_like(arrays[2])
    _launch_blocks("soft_pull_x", x.dtype, x.shape[0], (*given, by_x, *scalars))
    _launch_blocks("soft_pull_psi", x.dtype, anchors.shape[0], (*given, by_psi, *scalars))
    return by_x, by_psi


def _sides(images: tuple[int, ...], size: tuple[int, int], stride: int, padding: int) -> tuple[int, int]:
    """How many patches a column and a row of an image hold."""
    rows, cols = ((n + 2 * padding - k) // stride + 1 for n, k in zip(images[1:3], size, strict=True))
    return rows, cols


def _patches(
    kernel: str, x: Any, out: Any, images: tuple[int, ...], *, size: Any, stride: int, padding: int
) -> Any:
    rows, cols = _sides(images, size, stride, padding)
    sizes = map(np.int32, (*images[1:], *size, rows, cols, stride, padding))
    _launch(kernel, x.dtype, out.size, (cp.ascontiguousarray(x), out, *sizes, np.int64(out.size)))
    return out


def unfold(x: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """See `reference.unfold`: one launch."""
    if not _fits(x):
        return reference.unfold(x, size, stride, padding, xp=xp)
    length = size[0] * size[1] * x.shape[3]
    out = cp.empty((x.shape[0], *_sides(x.shape, size, stride, padding), length), dtype=x.dtype)
    return _patches("unfold", x, out, x.shape, size=size, stride=stride, padding=padding)


def fold(
    patches: Any, size: tuple[int, int], stride: int, padding: int, *, shape: tuple[int, ...], xp: ModuleType
) -> Any:
    """See `reference.fold`: one launch, no atomic sums."""
    if not _fits(patches):
        return reference.fold(patches, size, stride, padding, shape=shape, xp=xp)
    out = cp.empty(shape, dtype=patches.dtype)
    return _patches("fold", patches, out, shape, size=size, stride=stride, padding=padding)


def correlate(x: Any, w: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """See `reference.correlate`: patches, then cuBLAS."""
    patches = unfold(x, size, stride, padding, xp=xp)
    flat = matmul(patches.reshape(-1, w.shape[0]), w, xp=xp)
    return flat.reshape(*patches.shape[:3], w.shape[1])


def correlate_adjoint(
    y: Any,
    w: Any,
    size: tuple[int, int],
    stride: int,
    padding: int,
    *,
    shape: tuple[int, int],
    xp: ModuleType,
) -> Any:
    """See `reference.correlate_adjoint`."""
    patches = matmul(cp.ascontiguousarray(y).reshape(-1, w.shape[1]), w.T, xp=xp)
    patches = patches.reshape(*y.shape[:3], w.shape[0])
    images = (y.shape[0], *shape, w.shape[0] // (size[0] * size[1]))
    return fold(patches, size, stride, padding, shape=images, xp=xp)


def correlate_weight(
    x: Any, y: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType
) -> Any:
    """See `reference.correlate_weight`."""
    patches = unfold(x, size, stride, padding, xp=xp)
    rows = cp.ascontiguousarray(y).reshape(-1, y.shape[3])
    return matmul(patches.reshape(-1, patches.shape[3]).T, rows, xp=xp)
