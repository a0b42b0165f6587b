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

// Adam with decoupled decay on flat arrays; rate and unbias hold the corrections of the first steps
template <typename T>
__global__ void adam(const T* __restrict__ g, const T* __restrict__ params, const T* __restrict__ m,
                     const T* __restrict__ v, T* __restrict__ params_new, T* __restrict__ m_new,
                     T* __restrict__ v_new, const T rate, const T beta1, const T beta2, const T rest1,
                     const T rest2, const T unbias, const T eps, const T shrink, const long long size) {
    const long long stride = (long long)blockDim.x * gridDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < size; i += stride) {
        const T first = beta1 * m[i] + rest1 * g[i];
        const T second = beta2 * v[i] + rest2 * (g[i] * g[i]);
        m_new[i] = first;
        v_new[i] = second;
        params_new[i] = params[i] - rate * first / (root(second * unbias) + eps) - shrink * params[i];
    }
}
