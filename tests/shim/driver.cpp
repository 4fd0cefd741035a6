/* shim/driver.cpp: the part of the CUDA driver's interface that the library calls (kernels/cuda/driver.h), over the
 * shim's runtime: the same devices, memory and streams.
 *
 * A module is any image; kernels are found by their names in the tables of kernels.cpp, whatever the
 * image holds. Errors have the driver's numbers, and leave the runtime's last error alone, as the driver does. */
#include "cuda_runtime.h"

#include <cstdio>
#include <cstring>

#include "kernels.h"

typedef int CUresult;
typedef int CUdevice;
typedef unsigned long long CUdeviceptr;

namespace
{

enum { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, INVALID_CONTEXT = 201, INVALID_IMAGE = 200, NOT_FOUND = 500 };

/* number, name, sentence */
const struct {
    CUresult number;
    const char *name, *sentence;
} errors[] = {{0, "CUDA_SUCCESS", "no error"},
              {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
              {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
              {100, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
              {101, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
              {200, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
              {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
              {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
              {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
              {700, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
              {719, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
              {999, "CUDA_ERROR_UNKNOWN", "unknown error"}};

/* a device's primary context */
struct context {
    int device;
};

enum { DEVICES = 64 };

context *primary(int device)
{
    static context contexts[DEVICES];
    contexts[device].device = device;
    return &contexts[device];
}

/* contexts that this thread has pushed, and the device that was current before each; plain memory, since a program may
 * close its context when the thread's objects are gone */
struct pushed {
    context *at;
    int before;
};
enum { PUSHED_MOST = 64 };
thread_local pushed stack[PUSHED_MOST];
thread_local int depth;

/* the handle of every module */
char module_handle;

CUresult number_of(cudaError_t error)
{
    switch (error) {
    case cudaErrorInvalidConfiguration: return INVALID_VALUE;
    case cudaErrorInvalidDeviceFunction: return NOT_FOUND;
    case cudaErrorInsufficientDriver: return NO_DEVICE;
    default: return (CUresult)error;
    }
}

/* what the runtime does, without its last error */
template <typename F> CUresult by_runtime(F call)
{
    const cudaError_t before = cudaPeekAtLastError();
    const cudaError_t error = call();
    rgs_set_last_error(before);
    return number_of(error);
}

CUresult absent(void) { return number_of(rgs_absent()); }

/* the handles of the default streams, cudaStreamLegacy and cudaStreamPerThread, are no pointers */
cudaStream_t stream_of(void *stream) { return (uintptr_t)stream > 2 ? (cudaStream_t)stream : nullptr; }

void *pointer(CUdeviceptr memory) { return (void *)(uintptr_t)memory; }

const rgs_kernel *find(const char *name)
{
    for (const rgs_kernel *const *table = rgs_modules; *table; table++)
        for (const rgs_kernel *k = *table; k->name; k++)
            if (!strcmp(k->name, name)) return k;
    return nullptr;
}

} // namespace

extern "C" {

CUresult cuDriverGetVersion(int *version)
{
    return by_runtime([=] { return cudaDriverGetVersion(version); });
}

CUresult cuInit(unsigned flags) { return flags ? INVALID_VALUE : absent(); }

CUresult cuGetErrorName(CUresult error, const char **text)
{
    for (const auto &e : errors)
        if (e.number == error) {
            *text = e.name;
            return SUCCESS;
        }
    *text = nullptr;
    return INVALID_VALUE;
}

CUresult cuGetErrorString(CUresult error, const char **text)
{
    for (const auto &e : errors)
        if (e.number == error) {
            *text = e.sentence;
            return SUCCESS;
        }
    *text = nullptr;
    return INVALID_VALUE;
}

/* ---- devices and contexts ---- */

CUresult cuDeviceGetCount(int *count)
{
    return by_runtime([=] { return cudaGetDeviceCount(count); });
}

CUresult cuDeviceGet(CUdevice *device, int index)
{
    int count = 0;
    const CUresult error = cuDeviceGetCount(&count);
    if (error != SUCCESS) return error;
    if (!device || index < 0 || index >= count || index >= DEVICES) return 101;
    *device = index;
    return SUCCESS;
}

CUresult cuDeviceGetName(char *text, int size, CUdevice device)
{
    cudaDeviceProp prop;
    const CUresult error = by_runtime([&] { return cudaGetDeviceProperties(&prop, device); });
    if (error == SUCCESS) snprintf(text, (size_t)size, "%s", prop.name);
    return error;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    cudaDeviceProp prop;
    const CUresult error = by_runtime([&] { return cudaGetDeviceProperties(&prop, device); });
    if (error == SUCCESS) *bytes = prop.totalGlobalMem;
    return error;
}

CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    return by_runtime([=] { return cudaDeviceGetAttribute(value, (cudaDeviceAttr)attribute, device); });
}

CUresult cuDevicePrimaryCtxRetain(void **out, CUdevice device)
{
    int count = 0;
    const CUresult error = cuDeviceGetCount(&count);
    if (error != SUCCESS) return error;
    if (device < 0 || device >= count) return 101;
    *out = primary(device);
    return SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) { return device >= 0 && device < DEVICES ? SUCCESS : 101; }

CUresult cuCtxPushCurrent_v2(void *which)
{
    const CUresult error = absent();
    if (error != SUCCESS) return error;
    if (!which || depth == PUSHED_MOST) return INVALID_CONTEXT;
    context *c = (context *)which;
    stack[depth++] = {c, rgs_swap_device(c->device)};
    return SUCCESS;
}

CUresult cuCtxPopCurrent_v2(void **out)
{
    if (depth == 0) return INVALID_CONTEXT;
    depth--;
    if (out) *out = stack[depth].at;
    rgs_swap_device(stack[depth].before);
    return SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
    return by_runtime([=] { return cudaGetDevice(device); });
}

/* ---- streams ---- */

CUresult cuStreamCreate(void **stream, unsigned flags)
{
    return by_runtime([=] { return cudaStreamCreateWithFlags((cudaStream_t *)stream, flags); });
}

CUresult cuStreamDestroy_v2(void *stream)
{
    return by_runtime([=] { return cudaStreamDestroy(stream_of(stream)); });
}

CUresult cuStreamSynchronize(void *stream)
{
    return by_runtime([=] { return cudaStreamSynchronize(stream_of(stream)); });
}

CUresult cuStreamGetCtx(void *stream, void **out)
{
    const CUresult error = absent();
    if (error != SUCCESS) return error;
    const int device = rgs_stream_device(stream_of(stream));
    if (device < 0) return 400;
    *out = primary(device);
    return SUCCESS;
}

/* ---- memory ---- */

CUresult cuMemAlloc_v2(CUdeviceptr *memory, size_t bytes)
{
    void *at = nullptr;
    if (!bytes) return INVALID_VALUE;
    const CUresult error = by_runtime([&] { return cudaMalloc(&at, bytes); });
    *memory = (CUdeviceptr)(uintptr_t)at;
    return error;
}

CUresult cuMemFree_v2(CUdeviceptr memory)
{
    return by_runtime([=] { return cudaFree(pointer(memory)); });
}

CUresult cuMemGetInfo_v2(size_t *unused, size_t *total)
{
    return by_runtime([=] { return cudaMemGetInfo(unused, total); });
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, void *stream)
{
    return by_runtime(
        [=] { return cudaMemcpyAsync(to, pointer(from), bytes, cudaMemcpyDeviceToHost, stream_of(stream)); });
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, void *stream)
{
    return by_runtime(
        [=] { return cudaMemcpyAsync(pointer(to), from, bytes, cudaMemcpyHostToDevice, stream_of(stream)); });
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, void *stream)
{
    return by_runtime([=] { return cudaMemsetAsync(pointer(to), value, bytes, stream_of(stream)); });
}

/* of what is no memory of the driver's: 0, and no device */
CUresult cuPointerGetAttributes(unsigned count, int *attributes, void **values, CUdeviceptr at)
{
    enum { MEMORY_TYPE = 2, IS_MANAGED = 8, DEVICE_ORDINAL = 9, HOST = 1, DEVICE = 2, NO_DEVICE_THERE = -2 };
    cudaPointerAttributes facts;
    const CUresult error = by_runtime([&] { return cudaPointerGetAttributes(&facts, pointer(at)); });
    if (error != SUCCESS) return error;
    const bool known = facts.type != cudaMemoryTypeUnregistered;
    const unsigned managed = facts.type == cudaMemoryTypeManaged;
    const int type = !known ? 0 : facts.type == cudaMemoryTypeHost ? HOST : DEVICE;
    const int device = known ? facts.device : NO_DEVICE_THERE;
    for (unsigned i = 0; i < count; i++) switch (attributes[i]) {
        case MEMORY_TYPE: memcpy(values[i], &type, sizeof type); break;
        case IS_MANAGED: memcpy(values[i], &managed, sizeof managed); break;
        case DEVICE_ORDINAL: memcpy(values[i], &device, sizeof device); break;
        default: return INVALID_VALUE;
        }
    return SUCCESS;
}

/* ---- events ---- */

CUresult cuEventCreate(void **event, unsigned flags)
{
    return by_runtime([=] { return cudaEventCreateWithFlags((cudaEvent_t *)event, flags); });
}

CUresult cuEventDestroy_v2(void *event)
{
    return by_runtime([=] { return cudaEventDestroy((cudaEvent_t)event); });
}

CUresult cuEventRecord(void *event, void *stream)
{
    return by_runtime([=] { return cudaEventRecord((cudaEvent_t)event, stream_of(stream)); });
}

CUresult cuStreamWaitEvent(void *stream, void *event, unsigned flags)
{
    return by_runtime([=] { return cudaStreamWaitEvent(stream_of(stream), (cudaEvent_t)event, flags); });
}

CUresult cuEventElapsedTime(float *milliseconds, void *begin, void *end)
{
    return by_runtime([=] { return cudaEventElapsedTime(milliseconds, (cudaEvent_t)begin, (cudaEvent_t)end); });
}

/* ---- modules and kernels ---- */

CUresult cuModuleLoadData(void **module, const void *image)
{
    const CUresult error = absent();
    if (error != SUCCESS) return error;
    const char *bytes = (const char *)image;
    /* machine code, PTX, or what images.cpp has */
    if (!bytes || (memcmp(bytes, "\177ELF", 4) && strncmp(bytes, "//", 2) && strncmp(bytes, "shim", 4)))
        return INVALID_IMAGE;
    rgs_load_modules(1);
    *module = &module_handle;
    return SUCCESS;
}

CUresult cuModuleUnload(void *module)
{
    if (module != &module_handle || rgs_load_modules(0) == 0) return 400;
    rgs_load_modules(-1);
    return SUCCESS;
}

CUresult cuModuleGetFunction(void **function, void *module, const char *name)
{
    const rgs_kernel *k = find(name);
    if (module != &module_handle) return 400;
    if (!k) return NOT_FOUND;
    *function = const_cast<rgs_kernel *>(k);
    return SUCCESS;
}

CUresult cuFuncSetAttribute(void *function, int attribute, int value)
{
    const rgs_kernel *k = (const rgs_kernel *)function;
    return by_runtime([=] { return cudaFuncSetAttribute(k->address, (cudaFuncAttribute)attribute, value); });
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int block_threads,
                                                     size_t shared_bytes)
{
    const rgs_kernel *k = (const rgs_kernel *)function;
    return by_runtime(
        [=] { return cudaOccupancyMaxActiveBlocksPerMultiprocessor(blocks, k->address, block_threads, shared_bytes); });
}

CUresult cuLaunchKernel(void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x,
                        unsigned block_y, unsigned block_z, unsigned shared_bytes, void *stream, void **arguments,
                        void **extra)
{
    const rgs_kernel *k = (const rgs_kernel *)function;
    const dim3 grid(grid_x, grid_y, grid_z), block(block_x, block_y, block_z);
    if (!k || extra) return INVALID_VALUE;
    return by_runtime([=] {
        cudaFuncAttributes facts;
        cudaError_t error = cudaFuncGetAttributes(&facts, k->address);
        if (error == cudaSuccess) error = rgs_check_launch(grid, block, shared_bytes, stream_of(stream));
        /* what a kernel did not opt in to */
        if (error == cudaSuccess && (int)shared_bytes > facts.maxDynamicSharedSizeBytes) error = cudaErrorInvalidValue;
        if (error != cudaSuccess) return error;
        rgs_launch(k->name, grid, block, shared_bytes, stream_of(stream), [=] { k->invoke(arguments); });
        return cudaSuccess;
    });
}

} /* extern "C" */
