// min_j h_j + |x_i - y_j| and its first minimiser: anchors staged through shared memory, points in registers.
//
// An anchor is judged by squares, |x - y|^2 < (best - h)^2; the root is taken only when it wins.

constexpr int THREADS = 128;

__device__ __forceinline__ void keep(double total, double h, long long j, double& best, long long& where) {
    const double room = best - h;
    if (room > 0.0 && total < room * room) {
        const double candidate = h + sqrt(total);
        if (candidate < best) {
            best = candidate;
            where = j;
        }
    }
}

// n points and m anchors in dimension D <= 8; each thread keeps two points.
template <int D>
__global__ void __launch_bounds__(THREADS)
inf_convolution(const double* __restrict__ x, const double* __restrict__ y, const double* __restrict__ h,
                const long long n, const long long m, const int d, double* value, long long* index) {
    __shared__ double tile[THREADS][D + 1];
    const long long first = 2LL * THREADS * blockIdx.x + threadIdx.x;
    double mine[2][D], best[2];
    long long where[2] = {0, 0};
    for (int r = 0; r < 2; ++r) {
        const long long i = first + r * THREADS < n ? first + r * THREADS : n - 1;
        best[r] = __hiloint2double(0x7FF00000, 0);
#pragma unroll
        for (int c = 0; c < D; ++c) mine[r][c] = x[i * D + c];
    }
    for (long long start = 0; start < m; start += THREADS) {
        const int count = m - start < THREADS ? (int)(m - start) : THREADS;
        __syncthreads();
        if ((int)threadIdx.x < count) {
            const long long j = start + threadIdx.x;
#pragma unroll
            for (int c = 0; c < D; ++c) tile[threadIdx.x][c] = y[j * D + c];
            tile[threadIdx.x][D] = h[j];
        }
        __syncthreads();
        for (int k = 0; k < count; ++k) {
#pragma unroll
            for (int r = 0; r < 2; ++r) {
                double total = 0.0;
#pragma unroll
                for (int c = 0; c < D; ++c) {
                    const double gap = mine[r][c] - tile[k][c];
                    total = fma(gap, gap, total);
                }
                keep(total, tile[k][D], start + k, best[r], where[r]);
            }
        }
    }
    for (int r = 0; r < 2; ++r) {
        const long long i = first + r * THREADS;
        if (i < n) value[i] = best[r], index[i] = where[r];
    }
}

// Any dimension: 16 anchors at a time, 32 coordinates at a time, the 16 sums in registers.
__global__ void __launch_bounds__(THREADS)
inf_convolution_any(const double* __restrict__ x, const double* __restrict__ y, const double* __restrict__ h,
                    const long long n, const long long m, const int d, double* value, long long* index) {
    constexpr int ANCHORS = 16, WIDTH = 32;
    __shared__ double tile[ANCHORS][WIDTH];
    const long long i = (long long)THREADS * blockIdx.x + threadIdx.x;
    const double* point = x + (i < n ? i : n - 1) * d;
    double best = __hiloint2double(0x7FF00000, 0);
    long long where = 0;
    for (long long start = 0; start < m; start += ANCHORS) {
        double total[ANCHORS];
#pragma unroll
        for (int k = 0; k < ANCHORS; ++k) total[k] = 0.0;
        for (int begin = 0; begin < d; begin += WIDTH) {
            __syncthreads();
            for (int t = threadIdx.x; t < ANCHORS * WIDTH; t += THREADS) {
                const long long j = start + t / WIDTH;
                const int c = begin + t % WIDTH;
                tile[t / WIDTH][t % WIDTH] = j < m && c < d ? y[j * d + c] : 0.0;
            }
            __syncthreads();
            const int count = d - begin < WIDTH ? d - begin : WIDTH;
            for (int c = 0; c < count; ++c) {
                const double at = point[begin + c];
#pragma unroll
                for (int k = 0; k < ANCHORS; ++k) {
                    const double gap = at - tile[k][c];
                    total[k] = fma(gap, gap, total[k]);
                }
            }
        }
#pragma unroll
        for (int k = 0; k < ANCHORS; ++k)
            if (start + k < m) keep(total[k], h[start + k], start + k, best, where);
    }
    if (i < n) value[i] = best, index[i] = where;
}
