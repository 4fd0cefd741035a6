/* shim/execution.h: the language of CUDA kernels as C++17: qualifiers, indices, barriers, shuffles, launches.
 *
 * rgs_launch runs the blocks of a kernel one after the other and a block's threads as fibers, which change
 * only at barriers, shuffles and votes. Those join exactly the lanes of their mask: a whole warp (0xffffffff),
 * half of one (0x0000ffff, 0xffff0000), a quarter or an eighth. What would be undefined or a deadlock on a GPU aborts
 * with a sentence on stderr; fibers.cpp says what is checked and how the sanitizers see the threads. One-dimensional
 * grids and blocks only, blocks of a multiple of 4 threads, no static __shared__, no atomics. */
#ifndef RGS_EXECUTION_H
#define RGS_EXECUTION_H

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
/* libstdc++ spells an attribute __noinline__: its users come before the macro */
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__

struct uint3 {
    unsigned x, y, z;
};

struct dim3 {
    unsigned x, y, z;
    constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

/* of the fiber that runs on this host thread; y and z are 0 (indices) and 1 (sizes) */
extern __thread uint3 threadIdx, blockIdx, blockDim, gridDim;
enum { warpSize = 32 };

typedef struct CUstream_st *cudaStream_t;

/* Runs `body` for each thread of each block, before it returns. What a GPU would refuse to launch becomes the
 * last error of the runtime and runs nothing. Several host threads may launch at once. */
void rgs_launch(const char *kernel, dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream,
                const std::function<void()> &body);
/* the running block's shared memory: as long as the launch asked for, all bytes 0xff before the block starts
 */
void *rgs_dynamic_shared(void);
/* 1: last thread and last block first; 0: first ones first; -1: as RODGRAD_SHIM_ORDER says (forward, reverse)
 */
void rgs_set_order(int reverse);

/* where lanes meet; a meeting completes when each lane of the mask has come */
enum rgs_meeting { RGS_SYNCTHREADS, RGS_SYNCWARP, RGS_SHFL, RGS_SHFL_XOR, RGS_SHFL_DOWN, RGS_ANY, RGS_BALLOT };

void rgs_sync_block(void);
void rgs_sync_warp(unsigned mask);
/* *out becomes the *in of lane `source` of the warp */
void rgs_shuffle(rgs_meeting kind, unsigned mask, int source, const void *in, void *out, size_t bytes);
/* a bit for each lane of the mask whose predicate is not 0 */
unsigned rgs_vote(rgs_meeting kind, unsigned mask, int predicate);
/* aborts unless `width` is a power of two up to 32 */
void rgs_check_width(rgs_meeting kind, int width);

inline void __syncthreads(void) { rgs_sync_block(); }

inline void __syncwarp(unsigned mask = 0xffffffffu) { rgs_sync_warp(mask); }

template <typename T> T rgs_shuffled(rgs_meeting kind, unsigned mask, int source, const T &value)
{
    static_assert(std::is_trivially_copyable<T>::value, "a shuffle copies bytes");
    T result = value;
    rgs_shuffle(kind, mask, source, &value, &result, sizeof(T));
    return result;
}

/* lanes of a warp form segments of `width`: a source beyond the segment's end is the lane itself */
template <typename T> T __shfl_sync(unsigned mask, T value, int source, int width = warpSize)
{
    rgs_check_width(RGS_SHFL, width);
    int lane = (int)(threadIdx.x % warpSize);
    return rgs_shuffled(RGS_SHFL, mask, (lane & ~(width - 1)) | (source & (width - 1)), value);
}

template <typename T> T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize)
{
    rgs_check_width(RGS_SHFL_XOR, width);
    int lane = (int)(threadIdx.x % warpSize), source = lane ^ lane_mask;
    return rgs_shuffled(RGS_SHFL_XOR, mask, source > (lane | (width - 1)) ? lane : source, value);
}

template <typename T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize)
{
    rgs_check_width(RGS_SHFL_DOWN, width);
    unsigned lane = threadIdx.x % warpSize, last = lane | (unsigned)(width - 1);
    return rgs_shuffled(RGS_SHFL_DOWN, mask, (int)(delta > last - lane ? lane : lane + delta), value);
}

inline int __any_sync(unsigned mask, int predicate) { return rgs_vote(RGS_ANY, mask, predicate) != 0u; }

inline unsigned __ballot_sync(unsigned mask, int predicate) { return rgs_vote(RGS_BALLOT, mask, predicate); }

/* ---- kernels by name, as the driver's interface has them (driver.cpp) ---- */

/* `invoke` calls the kernel with pointers to its arguments; `address` is what the runtime knows it by */
struct rgs_kernel {
    const char *name;
    void (*invoke)(void **arguments);
    const void *address;
};

template <typename... A, size_t... I> void rgs_call(void (*kernel)(A...), void **arguments, std::index_sequence<I...>)
{
    kernel(*(std::remove_const_t<A> *)arguments[I]...);
}

template <auto kernel> struct rgs_invoker;
template <typename... A, void (*kernel)(A...)> struct rgs_invoker<kernel> {
    static void invoke(void **arguments) { rgs_call(kernel, arguments, std::index_sequence_for<A...>()); }
};

#define RGS_TEXT(name) #name
#define RGS_KERNEL(kernel)                                                                                             \
    {                                                                                                                  \
        RGS_NAME(kernel), rgs_invoker<kernel>::invoke, (const void *)kernel                                            \
    }
#define RGS_NAME(name) RGS_TEXT(name)
#define RGS_END                                                                                                        \
    {                                                                                                                  \
        nullptr, nullptr, nullptr                                                                                      \
    }

#endif
