/* cuda/kernel.h: what kernels need besides C++: dynamic shared memory.
 *
 * Kernels are compiled by nvcc or NVRTC, without a header of CUDA's or of the host's library. The tests compile the
 * same .cu files as C++ for the CPU shim, which defines RGI_SHIM and runs a block's threads as fibers. */
#ifndef RGI_KERNEL_H
#define RGI_KERNEL_H

#if defined(RGI_SHIM)
#include "execution.h"
#define RG_DYN_SHARED(type, name) type *name = (type *)rgs_dynamic_shared()
#else
#define RG_DYN_SHARED(type, name)                                                                                      \
    extern __shared__ double rgi_dynamic_shared[];                                                                     \
    type *name = (type *)(void *)rgi_dynamic_shared
#endif

#endif
