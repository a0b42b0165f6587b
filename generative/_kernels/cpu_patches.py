"""Convolutions of NumPy arrays: patches of a few images at a time in a buffer that stays in cache, then BLAS.

Images are stored (n, height, width, channels), so one row of a patch is one run of memory.
"""

from __future__ import annotations

import threading
from types import ModuleType
from typing import Any

import numpy as np

from transport.internal import compiled

_ROOM = 1 << 19  # entries of the buffer: measured best from 2^17 to 2^21; on one thread, as two gain nothing


# Places in memory are unsigned: a signed index could be negative, which numba looks after entry by entry.


@compiled(error_model="numpy")
def _unfold(x, out, sizes, count):
    """``count`` images x (n, h, w, c) -> out (n, rows, cols, kh, kw, c), both flat."""
    h, w, c, kh, kw, rows, cols, stride, padding = sizes
    zero, run = x.dtype.type(0), kw * c
    for n in range(count):
        for p in range(rows):
            for q in range(cols):
                left = q * stride - padding
                lo = min(max(0, -left), kw) * c  # of the row of a patch, this part lies in the image
                hi = max(min(kw, w - left) * c, lo)
                start = ((n * rows + p) * cols + q) * kh * run
                for i in range(kh):
                    row, at = p * stride - padding + i, start + i * run
                    if 0 <= row < h:
                        to, source = np.uint64(at + lo), np.uint64(((n * h + row) * w + left) * c + lo)
                        for j in range(np.uint64(at), to):
                            out[j] = zero
                        for j in range(np.uint64(hi - lo)):
                            out[to + j] = x[source + j]
                        for j in range(np.uint64(at + hi), np.uint64(at + run)):
                            out[j] = zero
                    else:
                        for j in range(np.uint64(at), np.uint64(at + run)):
                            out[j] = zero


@compiled(error_model="numpy")
def _fold(patches, out, sizes, count):
    """The adjoint of `_unfold`: patches added into the ``count`` images of ``out``."""
    h, w, c, kh, kw, rows, cols, stride, padding = sizes
    zero, run = out.dtype.type(0), kw * c
    for n in range(count):
        for j in range(np.uint64(n * h * w * c), np.uint64((n + 1) * h * w * c)):
            out[j] = zero
        for p in range(rows):
            for q in range(cols):
                left = q * stride - padding
                lo = min(max(0, -left), kw) * c
                hi = max(min(kw, w - left) * c, lo)
                start = ((n * rows + p) * cols + q) * kh * run
                for i in range(kh):
                    row = p * stride - padding + i
                    if 0 <= row < h:
                        source = np.uint64(start + i * run + lo)
                        to = np.uint64(((n * h + row) * w + left) * c + lo)
                        for j in range(np.uint64(hi - lo)):
                            out[to + j] += patches[source + j]


class _Buffer(threading.local):
    """Memory for patches, kept from call to call: fresh pages would cost as much as the patches."""

    bytes: Any = np.empty(0, np.uint8)

    def take(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        need = int(np.prod(shape)) * dtype.itemsize
        if self.bytes.size < need:
            self.bytes = np.empty(need, np.uint8)
        return self.bytes[:need].view(dtype).reshape(shape)


_buffer = _Buffer()


class _Shape:
    """The sizes of one convolution of images (n, h, w, c) by patches of ``size``."""

    def __init__(self, images: tuple[int, ...], size: tuple[int, int], stride: int, padding: int) -> None:
        self.n, self.h, self.w, self.c = images
        self.size = size
        self.rows = (self.h + 2 * padding - size[0]) // stride + 1
        self.cols = (self.w + 2 * padding - size[1]) // stride + 1
        self.length = size[0] * size[1] * self.c
        self.sizes = (self.h, self.w, self.c, *size, self.rows, self.cols, stride, padding)
        self.count = self.rows * self.cols  # patches an image
        self.at_once = max(1, _ROOM // max(self.count * self.length, 1))  # images whose patches fit

    def parts(self) -> list[tuple[int, int]]:
        return [(a, min(self.n, a + self.at_once)) for a in range(0, self.n, self.at_once)]

    def unfolded(self, x: np.ndarray, out: np.ndarray) -> None:
        _unfold(x.reshape(-1), out.reshape(-1), self.sizes, len(x))

    def folded(self, patches: np.ndarray, out: np.ndarray) -> None:
        _fold(patches.reshape(-1), out.reshape(-1), self.sizes, len(out))


def unfold(x: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """See `reference.unfold`."""
    shape = _Shape(x.shape, size, stride, padding)
    out = np.empty((shape.n, shape.rows, shape.cols, shape.length), x.dtype)
    shape.unfolded(np.ascontiguousarray(x), out)
    return out


def fold(
    patches: Any, size: tuple[int, int], stride: int, padding: int, *, shape: tuple[int, ...], xp: ModuleType
) -> Any:
    """See `reference.fold`."""
    out = np.empty(shape, patches.dtype)
    _Shape(shape, size, stride, padding).folded(np.ascontiguousarray(patches), out)
    return out


def correlate(x: Any, w: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType) -> Any:
    """See `reference.correlate`."""
    shape = _Shape(x.shape, size, stride, padding)
    x = np.ascontiguousarray(x)
    out = np.empty((shape.n, shape.count, w.shape[1]), np.result_type(x, w))
    for a, b in shape.parts():
        patches = _buffer.take(((b - a) * shape.count, shape.length), x.dtype)
        shape.unfolded(x[a:b], patches)
        np.matmul(patches, w, out=out[a:b].reshape(-1, w.shape[1]))
    return out.reshape(shape.n, shape.rows, shape.cols, w.shape[1])


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
    c = w.shape[0] // (size[0] * size[1])
    sizes = _Shape((y.shape[0], *shape, c), size, stride, padding)
    rows = np.ascontiguousarray(y).reshape(sizes.n, sizes.count, w.shape[1])
    out = np.empty((sizes.n, *shape, c), np.result_type(y, w))
    for a, b in sizes.parts():
        patches = _buffer.take(((b - a) * sizes.count, sizes.length), out.dtype)
        np.matmul(rows[a:b].reshape(-1, w.shape[1]), w.T, out=patches)
        sizes.folded(patches, out[a:b])
    return out


def correlate_weight(
    x: Any, y: Any, size: tuple[int, int], stride: int, padding: int, *, xp: ModuleType
) -> Any:
    """See `reference.correlate_weight`."""
    shape = _Shape(x.shape, size, stride, padding)
    x = np.ascontiguousarray(x)
    rows = np.ascontiguousarray(y).reshape(shape.n, shape.count, -1)
    out = np.zeros((shape.length, rows.shape[2]), np.result_type(x, y))
    for a, b in shape.parts():
        patches = _buffer.take(((b - a) * shape.count, shape.length), x.dtype)
        shape.unfolded(x[a:b], patches)
        out += np.matmul(patches.T, rows[a:b].reshape(-1, rows.shape[2]))
    return out
