"""The inf-convolution kernel in CUDA: one thread a point, anchors staged through shared memory."""

from __future__ import annotations

from typing import Any

_BLOCK = 128
_SOURCE = r"""
extern "C" __global__ void inf_convolution(
    const double* __restrict__ x, const double* __restrict__ y, const double* __restrict__ h,
    const long long n, const int m, const int d, double* __restrict__ value, long long* __restrict__ index)
{
    extern __shared__ double tile[];  // anchors of this round: rows of d coordinates, then the offset
    const int rows = blockDim.x;
    const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    double best = INFINITY;
    int where = 0;
    const int held = ROWS;
    for (int first = 0; first < m; first += held) {
        const int count = min(held, m - first);
        __syncthreads();
        for (int k = threadIdx.x; k < count * d; k += rows) tile[k] = y[(long long)first * d + k];
        for (int k = threadIdx.x; k < count; k += rows) tile[held * d + k] = h[first + k];
        __syncthreads();
        if (i < n)
            for (int k = 0; k < count; ++k) {
                double total = 0.0;
                for (int c = 0; c < d; ++c) {
                    const double gap = x[i * d + c] - tile[k * d + c];
                    total += gap * gap;
                }
                const double candidate = tile[held * d + k] + sqrt(total);
                if (candidate < best) { best = candidate; where = first + k; }
            }
    }
    if (i < n) { value[i] = best; index[i] = where; }
}
"""


def source(d: int) -> tuple[str, int, int]:
    """CUDA source for dimension d, anchors held at a time, bytes of shared memory."""
    rows = max(1, min(_BLOCK, 40_000 // (8 * (d + 1))))
    return _SOURCE.replace("ROWS", str(rows)), rows, 8 * rows * (d + 1)


def inf_convolution(x: Any, y: Any, h: Any) -> tuple[Any, Any]:
    """(min_j h_j + |x_i - y_j|, its first minimiser): shapes (n,), (n,), on the device of x."""
    import cupy as cp

    n, d = x.shape
    code, _, shared = source(d)
    value, index = cp.empty(n, dtype=cp.float64), cp.empty(n, dtype=cp.int64)
    x, y, h = (cp.ascontiguousarray(v, dtype=cp.float64) for v in (x, y, h))
    kernel = cp.RawKernel(code, "inf_convolution")
    arguments = (x, y, h, cp.int64(n), cp.int32(y.shape[0]), cp.int32(d), value, index)
    kernel(((n + _BLOCK - 1) // _BLOCK,), (_BLOCK,), arguments, shared_mem=shared)
    return value, index
