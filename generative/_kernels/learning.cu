// Elementwise kernels of learning, one pass over memory each: what CuPy would do in three to ten launches.
// T is float or double; sizes are counts of elements.

template <typename T>
__device__ __forceinline__ T root(T x);
template <>
__device__ __forceinline__ float root(float x) { return sqrtf(x); }
template <>
__device__ __forceinline__ double root(double x) { return sqrt(x); }

// y (n, m) <- leaky_relu(y + b), in place
template <typename T>
__global__ void bias_leaky(T* __restrict__ y, const T* __restrict__ b, const T slope, const int m,
                           const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride) {
        const T v = y[i] + b[i % m];
        y[i] = v > T(0) ? v : slope * v;
    }
}

// out <- g where y > 0, slope g elsewhere
template <typename T>
__global__ void gate(const T* __restrict__ g, const T* __restrict__ y, T* __restrict__ out, const T slope,
                     const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride)
        out[i] = y[i] > T(0) ? g[i] : slope * g[i];
}

// halves of each row of x (n, 2 half), exchanged where keep (n, half) is false; one thread a pair
template <typename T>
__global__ void pair_swap(const T* __restrict__ x, const bool* __restrict__ keep, T* __restrict__ out,
                          const int half, const long long pairs) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < pairs; i += stride) {
        const long long first = (i / half) * 2 * half + i % half;
        const T a = x[first], b = x[first + half];
        out[first] = keep[i] ? a : b;
        out[first + half] = keep[i] ? b : a;
    }
}

// One entry of Adam with decoupled decay; rate and unbias hold the corrections of the first steps
template <typename T>
__device__ __forceinline__ void moved(const T g, const T params, const T m, const T v, T* __restrict__ params_new,
                                      T* __restrict__ m_new, T* __restrict__ v_new, const T rate, const T beta1,
                                      const T beta2, const T rest1, const T rest2, const T unbias, const T eps,
                                      const T shrink) {
    const T first = beta1 * m + rest1 * g;
    const T second = beta2 * v + rest2 * (g * g);
    *m_new = first;
    *v_new = second;
    *params_new = params - rate * first / (root(second * unbias) + eps) - shrink * params;
}

template <typename T>
__global__ void adam(const T* __restrict__ g, const T* __restrict__ params, const T* __restrict__ m,
                     const T* __restrict__ v, T* __restrict__ params_new, T* __restrict__ m_new,
                     T* __restrict__ v_new, const T rate, const T beta1, const T beta2, const T rest1,
                     const T rest2, const T unbias, const T eps, const T shrink, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride)
        moved(g[i], params[i], m[i], v[i], params_new + i, m_new + i, v_new + i, rate, beta1, beta2, rest1, rest2,
              unbias, eps, shrink);
}

// The same for a graph: what differs from update to update is read from memory when the kernel runs
template <typename T>
__global__ void adam_at(const T* __restrict__ g, const T* __restrict__ params, const T* __restrict__ m,
                        const T* __restrict__ v, T* __restrict__ params_new, T* __restrict__ m_new,
                        T* __restrict__ v_new, const T* __restrict__ rate, const T* __restrict__ unbias,
                        const T* __restrict__ shrink, const T beta1, const T beta2, const T rest1, const T rest2,
                        const T eps, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride)
        moved(g[i], params[i], m[i], v[i], params_new + i, m_new + i, v_new + i, *rate, beta1, beta2, rest1, rest2,
              *unbias, eps, *shrink);
}

// ---- soft_nearest: out_i = eps log sum_j exp((psi_j - |x_i - y_j|) / eps) ----------------------------
// One block of ROW threads a row (or an anchor), partial results joined in shared memory in a fixed order:
// the same bits every time, no atomics. Nothing of size (n, m) is stored: distances are computed again.

constexpr int ROW = 128;

__device__ __forceinline__ float raised(float x) { return expf(x); }
__device__ __forceinline__ double raised(double x) { return exp(x); }
__device__ __forceinline__ float logged(float x) { return logf(x); }
__device__ __forceinline__ double logged(double x) { return log(x); }

template <typename T>
__device__ __forceinline__ T apart(const T* __restrict__ x, const T* __restrict__ y, const int d) {
    T total = T(0);
    for (int k = 0; k < d; ++k) {
        const T gap = x[k] - y[k];
        total += gap * gap;
    }
    return root(total);
}

// the sum of every thread's value, in the first thread
template <typename T>
__device__ __forceinline__ T joined(T value, T* part) {
    __syncthreads();
    part[threadIdx.x] = value;
    for (int half = ROW / 2; half > 0; half /= 2) {
        __syncthreads();
        if ((int)threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    }
    __syncthreads();
    return part[0];
}

template <typename T>
__global__ void soft_nearest(const T* __restrict__ x, const T* __restrict__ y, const T* __restrict__ psi,
                             T* __restrict__ out, const T eps, const int n, const int m, const int d) {
    __shared__ T part[ROW], best[ROW];
    for (int i = blockIdx.x; i < n; i += gridDim.x) {
        // a running maximum and the sum relative to it; a thread without anchors counts nothing
        T top = psi[0] - apart(x + (long long)i * d, y, d), total = T(0);
        for (int j = threadIdx.x; j < m; j += ROW) {
            const T score = psi[j] - apart(x + (long long)i * d, y + (long long)j * d, d);
            if (score > top) {
                total *= raised((top - score) / eps);
                top = score;
            }
            total += raised((score - top) / eps);
        }
        best[threadIdx.x] = top;
        for (int half = ROW / 2; half > 0; half /= 2) {
            __syncthreads();
            if ((int)threadIdx.x < half && best[threadIdx.x + half] > best[threadIdx.x])
                best[threadIdx.x] = best[threadIdx.x + half];
        }
        __syncthreads();
        const T highest = best[0];
        total = joined(total * raised((top - highest) / eps), part);
        if (threadIdx.x == 0) out[i] = highest + eps * logged(total);
    }
}

// by_x_i = g_i sum_j w_ij (y_j - x_i)/|y_j - x_i|, w_ij = exp((psi_j - |x_i - y_j| - out_i) / eps)
template <typename T>
__global__ void soft_pull_x(const T* __restrict__ g, const T* __restrict__ out, const T* __restrict__ x,
                            const T* __restrict__ y, const T* __restrict__ psi, T* __restrict__ by_x,
                            const T eps, const int n, const int m, const int d) {
    __shared__ T part[ROW];
    for (long long i = blockIdx.x; i < n; i += gridDim.x)
        for (int k = 0; k < d; ++k) {  // a few coordinates: the weights are computed again for each
            T total = T(0);
            for (long long j = threadIdx.x; j < m; j += ROW) {
                const T distance = apart(x + i * d, y + j * d, d);
                if (distance > T(0))
                    total += raised((psi[j] - distance - out[i]) / eps) * (y[j * d + k] - x[i * d + k]) / distance;
            }
            total = joined(total, part);
            if (threadIdx.x == 0) by_x[i * d + k] = g[i] * total;
        }
}

// by_psi_j = sum_i g_i w_ij
template <typename T>
__global__ void soft_pull_psi(const T* __restrict__ g, const T* __restrict__ out, const T* __restrict__ x,
                              const T* __restrict__ y, const T* __restrict__ psi, T* __restrict__ by_psi,
                              const T eps, const int n, const int m, const int d) {
    __shared__ T part[ROW];
    for (long long j = blockIdx.x; j < m; j += gridDim.x) {
        T total = T(0);
        for (long long i = threadIdx.x; i < n; i += ROW)
            total += g[i] * raised((psi[j] - apart(x + i * d, y + j * d, d) - out[i]) / eps);
        total = joined(total, part);
        if (threadIdx.x == 0) by_psi[j] = total;
    }
}

// ---- maxout: piece p of unit j lies in column p m + j ------------------------------------------------

// chosen (n, m): the number of the largest piece, the first of equals and the first NaN; x (n, pieces m)
template <typename T>
__global__ void largest_piece(const T* __restrict__ x, int* __restrict__ chosen, const int pieces, const int m,
                              const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride) {
        const T* first = x + i / m * pieces * m + i % m;
        T best = first[0];
        int which = 0;
        for (int p = 1; p < pieces; ++p) {
            const T v = first[(long long)p * m];
            if (best == best && !(v <= best)) {
                best = v;
                which = p;
            }
        }
        chosen[i] = which;
    }
}

template <typename T>
__global__ void pick_piece(const T* __restrict__ x, const int* __restrict__ chosen, T* __restrict__ out,
                           const int pieces, const int m, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride)
        out[i] = x[(i / m * pieces + chosen[i]) * m + i % m];
}

// out (n, pieces m) <- g (n, m) in the chosen columns, else 0; one thread an entry of out
template <typename T>
__global__ void spread_piece(const T* __restrict__ g, const int* __restrict__ chosen, T* __restrict__ out,
                             const int pieces, const int m, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride) {
        const long long row = i / ((long long)pieces * m), unit = row * m + i % m;
        out[i] = chosen[unit] == (int)(i / m % pieces) ? g[unit] : T(0);
    }
}

// ---- columns of x (n, m) to mean 0 and variance v / (v + eps) ----------------------------------------
// A block takes COLS columns at a time, LANES threads each; their sums are added in a fixed order.

constexpr int COLS = 32, LANES = 8;

// the sum over the lanes of a column, in every lane
template <typename T>
__device__ __forceinline__ T over_lanes(T value, T* part) {
    const int column = threadIdx.x % COLS;
    __syncthreads();
    part[threadIdx.x] = value;
    __syncthreads();
    T total = T(0);
    for (int lane = 0; lane < LANES; ++lane) total += part[lane * COLS + column];
    return total;
}

template <typename T>
__global__ void moments(const T* __restrict__ x, T* __restrict__ mean, T* __restrict__ var, const int n,
                        const int m) {
    __shared__ T part[COLS * LANES];
    const int lane = threadIdx.x / COLS;
    for (int start = blockIdx.x * COLS; start < m; start += gridDim.x * COLS) {
        const int j = start + threadIdx.x % COLS;
        T total = T(0), squares = T(0);
        if (j < m)
            for (long long i = lane; i < n; i += LANES) total += x[i * m + j];
        const T centre = over_lanes(total, part) / T(n);
        if (j < m)
            for (long long i = lane; i < n; i += LANES) {
                const T gap = x[i * m + j] - centre;
                squares += gap * gap;
            }
        squares = over_lanes(squares, part) / T(n);
        if (lane == 0 && j < m) {
            mean[j] = centre;
            var[j] = squares;
        }
    }
}

template <typename T>
__global__ void standardise(const T* __restrict__ x, const T* __restrict__ mean, const T* __restrict__ var,
                            T* __restrict__ out, const T eps, const int m, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride)
        out[i] = (x[i] - mean[i % m]) / root(var[i % m] + eps);
}

// out <- (g - E g - y E[g y]) / sqrt(var + eps), E over the column
template <typename T>
__global__ void standardise_pull(const T* __restrict__ g, const T* __restrict__ y, const T* __restrict__ var,
                                 T* __restrict__ out, const T eps, const int n, const int m) {
    __shared__ T part[COLS * LANES];
    const int lane = threadIdx.x / COLS;
    for (int start = blockIdx.x * COLS; start < m; start += gridDim.x * COLS) {
        const int j = start + threadIdx.x % COLS;
        T lift = T(0), tilt = T(0);
        if (j < m)
            for (long long i = lane; i < n; i += LANES) {
                lift += g[i * m + j];
                tilt += g[i * m + j] * y[i * m + j];
            }
        lift = over_lanes(lift, part) / T(n);
        tilt = over_lanes(tilt, part) / T(n);
        if (j < m) {
            const T length = root(var[j] + eps);
            for (long long i = lane; i < n; i += LANES)
                out[i * m + j] = (g[i * m + j] - lift - y[i * m + j] * tilt) / length;
        }
    }
}

// ---- patches of images x (n, h, w, c), zeros around them: out (n, rows, cols, kh, kw, c) --------------

struct Patches {  // where entry i of the patches lies in the image
    long long n;
    int row, col, channel;
};

__device__ __forceinline__ Patches patch_entry(long long i, const int c, const int kh, const int kw,
                                               const int rows, const int cols, const int stride,
                                               const int padding) {
    Patches at;
    at.channel = (int)(i % c);
    i /= c;
    const int dx = (int)(i % kw);
    i /= kw;
    const int dy = (int)(i % kh);
    i /= kh;
    at.col = (int)(i % cols) * stride - padding + dx;
    i /= cols;
    at.row = (int)(i % rows) * stride - padding + dy;
    at.n = i / rows;
    return at;
}

template <typename T>
__global__ void unfold(const T* __restrict__ x, T* __restrict__ out, const int h, const int w, const int c,
                       const int kh, const int kw, const int rows, const int cols, const int stride,
                       const int padding, const long long size) {
    const long long step = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        const Patches at = patch_entry(i, c, kh, kw, rows, cols, stride, padding);
        const bool inside = at.row >= 0 && at.row < h && at.col >= 0 && at.col < w;
        out[i] = inside ? x[((at.n * h + at.row) * w + at.col) * c + at.channel] : T(0);
    }
}

// The adjoint: one thread an entry of the image, which adds what the patches hold of it, in a fixed order
template <typename T>
__global__ void fold(const T* __restrict__ patches, T* __restrict__ out, const int h, const int w, const int c,
                     const int kh, const int kw, const int rows, const int cols, const int stride,
                     const int padding, const long long size) {
    const long long step = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += step) {
        const int channel = (int)(i % c);
        const int col = (int)(i / c % w) + padding, row = (int)(i / c / w % h) + padding;
        const long long n = i / c / w / h;
        T total = T(0);
        for (int dy = row % stride; dy < kh && dy <= row; dy += stride) {
            const int p = (row - dy) / stride;
            if (p >= rows) continue;
            for (int dx = col % stride; dx < kw && dx <= col; dx += stride) {
                const int q = (col - dx) / stride;
                if (q >= cols) continue;
                total += patches[((((n * rows + p) * cols + q) * kh + dy) * kw + dx) * c + channel];
            }
        }
        out[i] = total;
    }
}
