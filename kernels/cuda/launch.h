/* cuda/launch.h: the two things about kernels that C++ cannot say: launches and dynamic shared memory.
 *
 * nvcc compiles them as CUDA has them; the tests compile the same .cu files as C++ for the CPU shim, which defines
 * RGI_SHIM and runs a block's threads as fibers. */
#ifndef RGI_LAUNCH_H
#define RGI_LAUNCH_H

#include <cuda_runtime.h>

#if defined(RGI_SHIM)
#define RG_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                    \
    rgs_launch(#kernel, (grid), (block), (shared_bytes), (stream), [=]() { kernel(__VA_ARGS__); })
#define RG_DYN_SHARED(type, name) type *name = (type *)rgs_dynamic_shared()
#else
#define RG_LAUNCH(kernel, grid, block, shared_bytes, stream, ...)                                                    \
    kernel<<<(grid), (block), (shared_bytes), (stream)>>>(__VA_ARGS__)
#define RG_DYN_SHARED(type, name)                                                                                    \
    extern __shared__ double rgi_dynamic_shared[];                                                                   \
    type *name = (type *)(void *)rgi_dynamic_shared
#endif

#endif
