/* test_cuda_headers.cpp: what kernels/cuda/driver.h and libraries.h say of NVIDIA's libraries, against the headers of
 * the toolkit that is installed: the same arguments in the same order, of the same size and kind, and the same numbers.
 * Everything is checked by the compiler. */
#include <cublas_v2.h>
#include <cuda.h>
#include <cusolverDn.h>

#include <cstdio>
#include <type_traits>

#include "cuda/driver.h"
#include "cuda/libraries.h"

/* as a call passes it: a pointer, or a whole number or enumerator of so many bytes. A device's memory is a number. */
template <typename T> constexpr int kind()
{
    static_assert(std::is_pointer_v<T> || std::is_integral_v<T> || std::is_enum_v<T>, "an argument of another kind");
    return std::is_pointer_v<T> ? -1 : (int)sizeof(T);
}

template <typename Ours, typename Theirs> struct same : std::false_type {
};
template <typename R, typename... A, typename S, typename... B> struct same<R (*)(A...), S (*)(B...)> {
    static constexpr bool compare()
    {
        if constexpr (sizeof...(A) != sizeof...(B)) return false;
        else return kind<R>() == kind<S>() && ((kind<A>() == kind<B>()) && ...);
    }
    static constexpr bool value = compare();
};

/* a symbol's type; a name that the header has as a macro for a later version stands for that one */
#define CHECK_DRIVER(member, symbol, arguments)                                                                        \
    static_assert(same<decltype(rgi_driver::member), decltype(&symbol)>::value, #symbol " has other arguments");
#define CHECK_LIBRARY(member, symbol, returned, arguments)                                                             \
    static_assert(same<decltype(rgi_libraries::member), decltype(&symbol)>::value, #symbol " has other arguments");
RGI_DRIVER_LIST(CHECK_DRIVER)
RGI_CUBLAS_LIST(CHECK_LIBRARY)
RGI_CUSOLVER_LIST(CHECK_LIBRARY)

#define EQUAL(ours, theirs) static_assert((int)(ours) == (int)(theirs), #ours " is not " #theirs)
EQUAL(RGI_CU_OUT_OF_MEMORY, CUDA_ERROR_OUT_OF_MEMORY);
EQUAL(RGI_CU_NO_DEVICE, CUDA_ERROR_NO_DEVICE);
EQUAL(RGI_CU_ILLEGAL_ADDRESS, CUDA_ERROR_ILLEGAL_ADDRESS);
EQUAL(RGI_CU_LAUNCH_TIMEOUT, CUDA_ERROR_LAUNCH_TIMEOUT);
EQUAL(RGI_CU_ASSERT, CUDA_ERROR_ASSERT);
EQUAL(RGI_CU_HARDWARE_STACK_ERROR, CUDA_ERROR_HARDWARE_STACK_ERROR);
EQUAL(RGI_CU_PAGEABLE_MEMORY_ACCESS, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS);
EQUAL(RGI_CU_LAUNCH_FAILED, CUDA_ERROR_LAUNCH_FAILED);
EQUAL(RGI_CU_MULTIPROCESSORS, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
EQUAL(RGI_CU_COMPUTE_MAJOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
EQUAL(RGI_CU_COMPUTE_MINOR, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
EQUAL(RGI_CU_SHARED_PER_BLOCK_OPTIN, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
EQUAL(RGI_CU_POINTER_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
EQUAL(RGI_CU_POINTER_IS_MANAGED, CU_POINTER_ATTRIBUTE_IS_MANAGED);
EQUAL(RGI_CU_POINTER_DEVICE_ORDINAL, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
EQUAL(RGI_CU_MEMORY_DEVICE, CU_MEMORYTYPE_DEVICE);
EQUAL(RGI_CU_FUNCTION_DYNAMIC_SHARED, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
EQUAL(RGI_CU_STREAM_NON_BLOCKING, CU_STREAM_NON_BLOCKING);
EQUAL(RGI_CUBLAS_OP_N, CUBLAS_OP_N);
EQUAL(RGI_CUBLAS_OP_T, CUBLAS_OP_T);
EQUAL(RGI_CUBLAS_FILL_MODE_LOWER, CUBLAS_FILL_MODE_LOWER);
EQUAL(RGI_CUSOLVER_EIG_MODE_NOVECTOR, CUSOLVER_EIG_MODE_NOVECTOR);
EQUAL(0, CUDA_SUCCESS);
EQUAL(0, CUBLAS_STATUS_SUCCESS);
EQUAL(0, CUSOLVER_STATUS_SUCCESS);

int main()
{
    printf("the interface of CUDA %d.%d is as declared\n", CUDA_VERSION / 1000, CUDA_VERSION % 1000 / 10);
    return 0;
}
