// Enough of CUDA to run a kernel on the host: every thread of a block is a fiber, a barrier is a switch.
// One thread runs at a time, from barrier to barrier, in ascending or descending order: a missing barrier
// shows as a difference between the two.
#pragma once
#include <ucontext.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#define __device__
#define __global__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct Index {
    unsigned int x = 0;
};
Index threadIdx, blockIdx, blockDim, gridDim;

namespace host {
constexpr size_t STACK = 1 << 16;
ucontext_t home;
std::vector<ucontext_t> fibers;
std::vector<char> done;
std::function<void()> body;

void enter() {
    body();
    done[threadIdx.x] = 1;
}

void launch(unsigned int grid, unsigned int block, bool descending, std::function<void()> kernel) {
    body = kernel;
    gridDim.x = grid;
    blockDim.x = block;
    std::vector<char> stacks(STACK * block);
    for (unsigned int b = 0; b < grid; ++b) {
        blockIdx.x = descending ? grid - 1 - b : b;
        fibers.assign(block, ucontext_t{});
        done.assign(block, 0);
        for (unsigned int t = 0; t < block; ++t) {
            getcontext(&fibers[t]);
            fibers[t].uc_stack.ss_sp = stacks.data() + STACK * t;
            fibers[t].uc_stack.ss_size = STACK;
            fibers[t].uc_link = &home;
            makecontext(&fibers[t], enter, 0);
        }
        for (bool busy = true; busy;) {
            busy = false;
            for (unsigned int k = 0; k < block; ++k) {
                const unsigned int t = descending ? block - 1 - k : k;
                if (done[t]) continue;
                busy = true;
                threadIdx.x = t;
                swapcontext(&home, &fibers[t]);
            }
        }
    }
}
}  // namespace host

inline void __syncthreads() { swapcontext(&host::fibers[threadIdx.x], &host::home); }
inline void __threadfence() {}
inline unsigned int atomicAdd(unsigned int* at, unsigned int x) {
    const unsigned int old = *at;
    *at += x;
    return old;
}
inline double __ldcg(const double* at) { return *at; }
inline unsigned long long bits_of(double x) {
    unsigned long long bits;
    std::memcpy(&bits, &x, 8);
    return bits;
}
inline int __double2hiint(double x) { return (int)(bits_of(x) >> 32); }
inline int __double2loint(double x) { return (int)(bits_of(x) & 0xFFFFFFFFu); }
inline double __hiloint2double(int high, int low) {
    const unsigned long long bits = (unsigned long long)(unsigned int)high << 32 | (unsigned int)low;
    double x;
    std::memcpy(&x, &bits, 8);
    return x;
}
