// One pass over two stacks of masses: sums of a divergence's terms, both totals, the smallest entry.
//
// The terms are those of terms.py, atom by atom; the contract of `scan` is that of cpu.py. Compile without
// contraction (--fmad=false): the error-free sums need every product rounded before it is added. Where a
// fused product is wanted, fma is written out.

enum Term {
    MASS, KL, JS, TV, SQUARED_HELLINGER, CHI2, JEFFREYS, ALPHA, SURPRISE, AFFINITY, LOG_RATIO, UNSEEN
};

__device__ __forceinline__ double infinity() { return __hiloint2double(0x7FF00000, 0); }

// --- terms: masses p, q >= 0 and d = p - q, known better than by subtraction -------------------------------

// R(w) = (artanh(u)/u - 1)/w, w = u^2 <= 0.02945: Chebyshev fit, absolute error 1.6e-16.
__device__ __forceinline__ double artanh_tail(double w) {
    double r = 0.073082927124443109947;
    r = fma(r, w, 0.07665855309105385784);
    r = fma(r, w, 0.090914447278374730193);
    r = fma(r, w, 0.11111105565129938515);
    r = fma(r, w, 0.14285714313001634371);
    r = fma(r, w, 0.19999999999949721617);
    return fma(r, w, 0.33333333333333348442);
}

// G(w) = ((1+u)log(1+u) + (1-u)log(1-u))/w, w = u^2 <= 1/4: Chebyshev fit, error 7e-18.
__device__ __forceinline__ double js_series(double w) {
    double r = 0.014378630255707501791;
    r = fma(r, w, -0.0067536482509956655401);
    r = fma(r, w, 0.0092264382142815436366);
    r = fma(r, w, 0.0038422872789129207118);
    r = fma(r, w, 0.0068074989260838218541);
    r = fma(r, w, 0.0082982197975697904237);
    r = fma(r, w, 0.010992089113475657298);
    r = fma(r, w, 0.015151335556995028759);
    r = fma(r, w, 0.022222228914247756632);
    r = fma(r, w, 0.035714285566478279135);
    r = fma(r, w, 0.066666666668357231396);
    r = fma(r, w, 0.16666666666665909161);
    return fma(r, w, 1.0);
}

// log(x/y) = k log 2 + 2 artanh(u), |u| <= (sqrt2-1)/(sqrt2+1), for normal positive x and y.
__device__ __forceinline__ void reduce(double x, double y, double d, double& k, double& u) {
    const double sqrt2 = 1.4142135623730951;
    const int top_x = __double2hiint(x), top_y = __double2hiint(y);
    double mx = __hiloint2double((top_x & 0x000FFFFF) | 0x3FF00000, __double2loint(x));
    double my = __hiloint2double((top_y & 0x000FFFFF) | 0x3FF00000, __double2loint(y));
    int exponent = (top_x >> 20) - (top_y >> 20);
    if (mx > sqrt2 * my) {
        mx *= 0.5;
        ++exponent;
    } else if (my > sqrt2 * mx) {
        my *= 0.5;
        --exponent;
    }
    k = exponent;
    u = exponent == 0 ? d / (x + y) : (mx - my) / (mx + my);
}

__device__ __forceinline__ double log_from(double k, double u, double tail) {
    const double log2_high = 6.93147180369123816490e-01;  // 33 bits: k * log2_high is exact
    const double log2_low = 1.90821492927058770002e-10;
    return fma(k, log2_high, 2.0 * u + (2.0 * u * (u * u) * tail + k * log2_low));
}

__device__ __forceinline__ double log_ratio(double x, double y, double d) {
    double k, u;
    reduce(x, y, d, k, u);
    return log_from(k, u, artanh_tail(u * u));
}

// q phi(p/q) with phi(t) = t log t - t + 1; near p = q, s u^2 [1 + u(1+u) R(u^2)], every factor positive.
__device__ __forceinline__ double kl(double p, double q, double d) {
    if (!(q > 0.0)) return p > 0.0 ? infinity() : 0.0;
    if (!(p > 0.0)) return q;
    double k, u;
    reduce(p, q, d, k, u);
    const double tail = artanh_tail(u * u);
    if (k == 0.0) return (p + q) * (u * u) * fma(u * (1.0 + u), tail, 1.0);
    return p * log_from(k, u, tail) - d;
}

// s/2 [(1+u)log(1+u) + (1-u)log(1-u)], u = |p-q|/(p+q): Topsoe's capacitory discrimination.
__device__ __forceinline__ double js(double p, double q, double d) {
    const double s = p + q, v = fabs(d);
    const double u = v / (s > 0.0 ? s : 1.0), w = u * u;
    if (w <= 0.25) return 0.5 * s * w * js_series(w);
    const double high = 0.5 * (s + v), low = p > q ? q : p;
    const double below = low > 0.0 ? low * log_ratio(2.0 * low, s, -v) : 0.0;
    return high * log_ratio(2.0 * high, s, v) + below;
}

__device__ __forceinline__ double squared_hellinger(double p, double q, double d) {
    const double root = sqrt(p) + sqrt(q);
    const double step = d / (root > 0.0 ? root : 1.0);
    return 0.5 * step * step;
}

__device__ __forceinline__ double chi2(double p, double q, double d) {
    if (!(q > 0.0)) return p > 0.0 ? infinity() : 0.0;
    return d * (d / q);
}

__device__ __forceinline__ double jeffreys(double p, double q, double d) {
    if (p > 0.0 && q > 0.0) return d * log_ratio(p, q, d);
    return p + q > 0.0 ? infinity() : 0.0;
}

// q f(p/q), f(t) = (t^order - order t + order - 1)/(order (order - 1)), order = 1 + rise >= 1/2.
__device__ __forceinline__ double alpha(double p, double q, double d, double rise) {
    if (p == 0.0) return q / (1.0 + rise);
    if (q == 0.0) return rise < 0.0 ? -p / rise : infinity();
    const double log = log_ratio(p, q, d), y = rise * log;
    if (fabs(log) > 1.0) return (p * expm1(y) / rise - d) / (1.0 + rise);
    // Near equality: KL's term and a correction of its size, p log(p/q) [(e^y - 1)/y - 1].
    double more = 0.0;
    if (fabs(y) > 0.5) {
        more = (expm1(y) - y) / y;
    } else {
        for (int k = 14; k > 1; --k) more = (more + 1.0) * y / k;
    }
    return (kl(p, q, d) + p * log * more) / (1.0 + rise);
}

// p^order q^(1-order) e^-shift
__device__ __forceinline__ double affinity(double p, double q, double d, double rise, double shift) {
    if (p == 0.0 || q == 0.0) return p > 0.0 && rise > 0.0 ? infinity() : 0.0;
    return p * exp(rise * log_ratio(p, q, d) - shift);
}

// (order - 1) log(p/q) where the affinity has a term, else -inf: what `affinity` is shifted by.
__device__ __forceinline__ double log_weight(double p, double q, double d, double rise) {
    if (p == 0.0 || (q == 0.0 && rise < 0.0)) return -infinity();
    return q > 0.0 ? rise * log_ratio(p, q, d) : infinity();
}

// p log((high + low)/q)
__device__ __forceinline__ double surprise(double p, double q, double high, double low) {
    if (!(p > 0.0)) return 0.0;
    return q > 0.0 ? p * log_ratio(high, q, (high - q) + low) : infinity();
}

// --- sums --------------------------------------------------------------------------------------------------

struct Sum {
    double high, low;
};

// TwoSum (Knuth): the running sum to twice the precision.
__device__ __forceinline__ void add(Sum& sum, double x) {
    const double a = sum.high, s = a + x, b = s - a;
    sum.low += (a - (s - b)) + (x - b);
    sum.high = s;
}

struct Totals {
    Sum term, p, q;
    double smallest;
};

template <Term TERM>
__device__ __forceinline__ Totals nothing() {
    return {{TERM == LOG_RATIO ? -infinity() : 0.0, 0.0}, {0.0, 0.0}, {0.0, 0.0}, 0.0};
}

template <Term TERM>
__device__ __forceinline__ void merge(Totals& a, const Totals& b) {
    if (TERM == LOG_RATIO) {
        a.term.high = b.term.high > a.term.high ? b.term.high : a.term.high;
    } else {
        a.term.low += b.term.low;
        add(a.term, b.term.high);
    }
    a.p.low += b.p.low;
    add(a.p, b.p.high);
    a.q.low += b.q.low;
    add(a.q, b.q.high);
    a.smallest = b.smallest < a.smallest ? b.smallest : a.smallest;
}

__device__ __forceinline__ void store(double* to, long long step, const Totals& a) {
    to[0] = a.term.high, to[step] = a.term.low, to[2 * step] = a.p.high, to[3 * step] = a.p.low;
    to[4 * step] = a.q.high, to[5 * step] = a.q.low, to[6 * step] = a.smallest;
}

// The totals of a block in its first thread, lanes paired in a fixed order. blockDim.x: a power of 2 <= 256.
template <Term TERM>
__device__ __forceinline__ void fold(Totals& mine) {
    __shared__ double held[7 * 256];
    const int t = threadIdx.x, step = blockDim.x;
    for (int width = step / 2; width > 0; width /= 2) {  // no slot is written twice: one barrier a round
        if (t >= width && t < 2 * width) store(held + t, step, mine);
        __syncthreads();
        if (t < width) {
            const double* from = held + t + width;
            merge<TERM>(mine, {{from[0], from[step]}, {from[2 * step], from[3 * step]},
                               {from[4 * step], from[5 * step]}, from[6 * step]});
        }
    }
}

__device__ __forceinline__ void finish(double* out, Totals totals) {
    if (fabs(totals.term.high) == infinity()) totals.term.low = 0.0;  // inf - inf in the error term
    store(out, 1, totals);
}

// One atom: scale, level (y becomes (1 + gap) y, x - y formed without cancellation), add its term.
template <Term TERM>
__device__ __forceinline__ void take(Totals& mine, double p, double q, const double* row, double rise) {
    const double gap = row[2], gap_low = row[3], high = row[4], low = row[5];
    const double smaller = p < q ? p : q;
    mine.smallest = smaller < mine.smallest ? smaller : mine.smallest;
    const double x = p * row[0];
    double y = q * row[1];
    add(mine.p, x);
    add(mine.q, y);
    if (TERM == MASS) return;
    const double product = gap * y, error = fma(gap, y, -product);
    const double d = ((x - y) - product) - (error + gap_low * y);
    y += product;
    if (TERM == LOG_RATIO) {
        const double weight = log_weight(x, y, d, rise);
        mine.term.high = weight > mine.term.high ? weight : mine.term.high;
        return;
    }
    double value;
    switch (TERM) {
        case KL: value = kl(x, y, d); break;
        case JS: value = js(x, y, d); break;
        case TV: value = 0.5 * fabs(d); break;
        case SQUARED_HELLINGER: value = squared_hellinger(x, y, d); break;
        case CHI2: value = chi2(x, y, d); break;
        case JEFFREYS: value = jeffreys(x, y, d); break;
        case ALPHA: value = alpha(x, y, d, rise); break;
        case SURPRISE: value = surprise(x, y, high, low); break;
        case AFFINITY: value = affinity(x, y, d, rise, high); break;
        default: value = x == 0.0 ? y : 0.0; break;  // UNSEEN
    }
    add(mine.term, value);
}

// Block k sums part k % per_row (chunk atoms) of row k / per_row. The last block of a row to arrive folds
// its parts, in an order that does not depend on which block that is: results are bitwise reproducible.
template <Term TERM>
__global__ void __launch_bounds__(256)
scan(const double* __restrict__ p, const double* __restrict__ q, const double* __restrict__ rows,
     const double rise, const long long n, const int chunk, const int per_row, double* parts,
     unsigned int* arrived, double* out) {
    __shared__ bool last;
    const long long row = blockIdx.x / per_row, begin = (long long)(blockIdx.x % per_row) * chunk;
    const long long end = begin + chunk < n ? begin + chunk : n;
    double parameters[6];
    for (int k = 0; k < 6; ++k) parameters[k] = rows[6 * row + k];
    Totals mine = nothing<TERM>();
#pragma unroll 2
    for (long long i = begin + threadIdx.x; i < end; i += blockDim.x)
        take<TERM>(mine, p[row * n + i], q[row * n + i], parameters, rise);
    fold<TERM>(mine);
    if (per_row == 1) {
        if (threadIdx.x == 0) finish(out + 7 * row, mine);
        return;
    }
    if (threadIdx.x == 0) {
        store(parts + 7 * (long long)blockIdx.x, 1, mine);
        __threadfence();
        last = atomicAdd(arrived + row, 1u) == (unsigned int)per_row - 1;
    }
    __syncthreads();
    if (!last) return;
    __threadfence();
    mine = nothing<TERM>();
    for (int k = threadIdx.x; k < per_row; k += blockDim.x) {
        const double* from = parts + 7 * (row * per_row + k);  // __ldcg: from L2, past this SM's own cache
        merge<TERM>(mine, {{__ldcg(from), __ldcg(from + 1)}, {__ldcg(from + 2), __ldcg(from + 3)},
                           {__ldcg(from + 4), __ldcg(from + 5)}, __ldcg(from + 6)});
    }
    fold<TERM>(mine);
    if (threadIdx.x == 0) finish(out + 7 * row, mine);
}
