/* cuda/driver.h: the part of the CUDA driver's interface that rodgrad calls, as pointers found at run time.
 *
 * The driver (libcuda.so.1) keeps these functions and numbers from release to release, so neither a toolkit nor its
 * runtime library is needed to build or to run the host's part: what kernels need is a driver for their CUDA's major
 * version (images.h). Types and numbers are those of cuda.h; tests/test_cuda_headers.c compares them where a toolkit
 * is installed. */
#ifndef RGI_DRIVER_H
#define RGI_DRIVER_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int rgi_cu_result;                /* CUresult: 0 is success */
typedef int rgi_cu_device;                /* CUdevice */
typedef unsigned long long rgi_cu_memory; /* CUdeviceptr */
typedef void *rgi_cu_context;             /* CUcontext */
typedef void *rgi_cu_module;              /* CUmodule */
typedef void *rgi_cu_function;            /* CUfunction */
typedef void *rgi_cu_stream;              /* CUstream = cudaStream_t */
typedef void *rgi_cu_event;               /* CUevent */

/* member, the driver's symbol, arguments */
#define RGI_DRIVER_LIST(X)                                                                                             \
    X(driver_version, cuDriverGetVersion, (int *version))                                                              \
    X(init, cuInit, (unsigned flags))                                                                                  \
    X(error_name, cuGetErrorName, (rgi_cu_result error, const char **text))                                            \
    X(error_string, cuGetErrorString, (rgi_cu_result error, const char **text))                                        \
    X(device_count, cuDeviceGetCount, (int *count))                                                                    \
    X(device_get, cuDeviceGet, (rgi_cu_device * device, int index))                                                    \
    X(device_name, cuDeviceGetName, (char *text, int size, rgi_cu_device device))                                      \
    X(device_memory, cuDeviceTotalMem_v2, (size_t * bytes, rgi_cu_device device))                                      \
    X(device_attribute, cuDeviceGetAttribute, (int *value, int attribute, rgi_cu_device device))                       \
    X(context_retain, cuDevicePrimaryCtxRetain, (rgi_cu_context * context, rgi_cu_device device))                      \
    X(context_release, cuDevicePrimaryCtxRelease_v2, (rgi_cu_device device))                                           \
    X(context_push, cuCtxPushCurrent_v2, (rgi_cu_context context))                                                     \
    X(context_pop, cuCtxPopCurrent_v2, (rgi_cu_context * context))                                                     \
    X(context_device, cuCtxGetDevice, (rgi_cu_device * device))                                                        \
    X(stream_create, cuStreamCreate, (rgi_cu_stream * stream, unsigned flags))                                         \
    X(stream_destroy, cuStreamDestroy_v2, (rgi_cu_stream stream))                                                      \
    X(stream_wait, cuStreamSynchronize, (rgi_cu_stream stream))                                                        \
    X(stream_context, cuStreamGetCtx, (rgi_cu_stream stream, rgi_cu_context * context))                                \
    X(stream_follow, cuStreamWaitEvent, (rgi_cu_stream stream, rgi_cu_event event, unsigned flags))                    \
    X(memory_allocate, cuMemAlloc_v2, (rgi_cu_memory * memory, size_t bytes))                                          \
    X(memory_free, cuMemFree_v2, (rgi_cu_memory memory))                                                               \
    X(memory_info, cuMemGetInfo_v2, (size_t * unused, size_t * total))                                                 \
    X(upload, cuMemcpyHtoDAsync_v2, (rgi_cu_memory to, const void *from, size_t bytes, rgi_cu_stream stream))          \
    X(download, cuMemcpyDtoHAsync_v2, (void *to, rgi_cu_memory from, size_t bytes, rgi_cu_stream stream))              \
    X(fill, cuMemsetD8Async, (rgi_cu_memory to, unsigned char value, size_t bytes, rgi_cu_stream stream))              \
    X(pointer_attributes, cuPointerGetAttributes,                                                                      \
      (unsigned count, int *attributes, void **values, rgi_cu_memory pointer))                                         \
    X(module_load, cuModuleLoadData, (rgi_cu_module * module, const void *image))                                      \
    X(module_unload, cuModuleUnload, (rgi_cu_module module))                                                           \
    X(module_function, cuModuleGetFunction, (rgi_cu_function * function, rgi_cu_module module, const char *name))      \
    X(function_set, cuFuncSetAttribute, (rgi_cu_function function, int attribute, int value))                          \
    X(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                          \
      (int *blocks, rgi_cu_function function, int block_threads, size_t shared_bytes))                                 \
    X(event_create, cuEventCreate, (rgi_cu_event * event, unsigned flags))                                             \
    X(event_destroy, cuEventDestroy_v2, (rgi_cu_event event))                                                          \
    X(event_record, cuEventRecord, (rgi_cu_event event, rgi_cu_stream stream))                                         \
    X(event_elapsed, cuEventElapsedTime, (float *milliseconds, rgi_cu_event begin, rgi_cu_event end))                  \
    X(launch, cuLaunchKernel,                                                                                          \
      (rgi_cu_function function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,                  \
       unsigned block_y, unsigned block_z, unsigned shared_bytes, rgi_cu_stream stream, void **arguments,              \
       void **extra))

typedef struct rgi_driver {
#define RGI_DRIVER_MEMBER(member, symbol, arguments) rgi_cu_result(*member) arguments;
    RGI_DRIVER_LIST(RGI_DRIVER_MEMBER)
#undef RGI_DRIVER_MEMBER
} rgi_driver;

/* numbers of cuda.h */
enum {
    RGI_CU_OUT_OF_MEMORY = 2,
    RGI_CU_NO_DEVICE = 100,
    RGI_CU_ILLEGAL_ADDRESS = 700,
    RGI_CU_LAUNCH_TIMEOUT = 702,
    RGI_CU_ASSERT = 710,
    RGI_CU_HARDWARE_STACK_ERROR = 714, /* and, up to 718, an illegal instruction, a misaligned address, ... */
    RGI_CU_LAUNCH_FAILED = 719
};
enum {
    RGI_CU_MULTIPROCESSORS = 16, /* device attributes */
    RGI_CU_COMPUTE_MAJOR = 75,
    RGI_CU_COMPUTE_MINOR = 76,
    RGI_CU_PAGEABLE_MEMORY_ACCESS = 88,
    RGI_CU_SHARED_PER_BLOCK_OPTIN = 97,
    RGI_CU_POINTER_MEMORY_TYPE = 2, /* pointer attributes, and what a memory type can be */
    RGI_CU_POINTER_IS_MANAGED = 8,
    RGI_CU_POINTER_DEVICE_ORDINAL = 9,
    RGI_CU_MEMORY_DEVICE = 2,
    RGI_CU_FUNCTION_DYNAMIC_SHARED = 8, /* a function attribute */
    RGI_CU_STREAM_NON_BLOCKING = 1,
    RGI_CU_EVENT_NO_TIMING = 2
};

/* The driver's functions; NULL when there is no driver or it lacks one of them, and *reason says so (a sentence
 * without its full stop, static storage). Loaded once. Thread-safe. */
const rgi_driver *rgi_driver_load(const char **reason);

/* "CUDA_ERROR_OUT_OF_MEMORY" and its sentence; never NULL */
const char *rgi_driver_error_name(const rgi_driver *driver, rgi_cu_result error);
const char *rgi_driver_error_text(const rgi_driver *driver, rgi_cu_result error);

/* The release of the driver, "580.65.06", into text; an empty one where nobody says it. Thread-safe. */
void rgi_driver_release(char *text, size_t size);
/* the first release branch that runs code of a CUDA version (12090: 525) */
int rgi_driver_needed(int cuda_version);

#ifdef __cplusplus
}
#endif
#endif
