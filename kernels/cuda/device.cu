/* cuda/device.cu: a CUDA device as the host sees it (device.h), on the CUDA runtime alone.
 *
 * A call makes its device the thread's current one, works, and puts the one before back. The runtime also
 * remembers a thread's last error; it is cleared when a call begins, so that nobody else's is taken for ours,
 * and when it fails, so that ours is nobody else's. What a kernel did wrong shows in a later call and cannot
 * be cleared: the process has lost the GPU then, and every call says so. */
#include "device.h"

#include <cuda_runtime.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rgi_device {
    int index, own_stream;
    cudaStream_t stream;
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
    rgi_device_facts facts;
};

enum { ALIGNMENT = 256 }; /* of device memory [bytes], as cudaMalloc's */

/* ---- errors ---- */

/* "cudaMalloc: out of memory (cudaErrorMemoryAllocation)", and what to do where that is known */
static rg_status fail(rg_error *err, const char *call, cudaError_t error)
{
    const char *advice = "";
    (void)cudaGetLastError();
    /* errors of the process rather than of the call: its memory on the GPU is gone */
    if (error == cudaErrorIllegalAddress || error == cudaErrorLaunchFailure)
        advice = "; a kernel failed, and this process can use the GPU no more: start it again, under "
                 "compute-sanitizer to see where";
    return RG_FAIL(err, RG_ERR_DEVICE, "%s: %s (%s)%s", call, cudaGetErrorString(error),
                   cudaGetErrorName(error), advice);
}

/* the current device of this thread becomes `index`; *before is what leave() puts back */
static rg_status enter(int index, int *before, rg_error *err)
{
    (void)cudaGetLastError();
    cudaError_t error = cudaGetDevice(before);
    if (error != cudaSuccess) return fail(err, "cudaGetDevice", error);
    error = *before == index ? cudaSuccess : cudaSetDevice(index);
    return error == cudaSuccess ? RG_OK : fail(err, "cudaSetDevice", error);
}

static void leave(int index, int before)
{
    if (before != index && cudaSetDevice(before) != cudaSuccess) (void)cudaGetLastError();
}

/* ---- which devices there are ---- */

/* a CUDA version as people write it: 13000 is 13.0 */
#define VERSION_FORMAT "%d.%d"
#define VERSION_PARTS(version) (version) / 1000, (version) % 1000 / 10

static void say_why(cudaError_t error, char *text, size_t size)
{
    int driver = 0, runtime = 0;
    if (cudaDriverGetVersion(&driver) != cudaSuccess) driver = 0;
    if (cudaRuntimeGetVersion(&runtime) != cudaSuccess) runtime = 0;
    if (error == cudaSuccess || error == cudaErrorNoDevice)
        snprintf(text, size,
                 "there is no NVIDIA GPU that this process may use (cudaGetDeviceCount); "
                 "CUDA_VISIBLE_DEVICES and the container's options can hide one");
    else if (error == cudaErrorInsufficientDriver && driver == 0)
        snprintf(text, size, "no NVIDIA driver is installed here, or none that this process can see");
    else if (error == cudaErrorInsufficientDriver)
        snprintf(text, size,
                 "the NVIDIA driver is too old: it is for CUDA " VERSION_FORMAT ", and this build needs one "
                 "for CUDA " VERSION_FORMAT " or newer; update it, or build with an older toolkit",
                 VERSION_PARTS(driver), VERSION_PARTS(runtime));
    else
        snprintf(text, size, "cudaGetDeviceCount: %s (%s)", cudaGetErrorString(error),
                 cudaGetErrorName(error));
    (void)cudaGetLastError();
}

int rgi_device_count(const char **reason)
{
    /* per thread: the sentence may differ from call to call */
    static thread_local char text[320];
    int count = 0;
    (void)cudaGetLastError();
    const cudaError_t error = cudaGetDeviceCount(&count);
    if (error != cudaSuccess) count = 0;
    if (count == 0) say_why(error, text, sizeof text);
    if (reason) *reason = count == 0 ? text : NULL;
    return count;
}

static cudaError_t read_facts(int index, rgi_device_facts *out)
{
    cudaDeviceProp properties;
    cudaError_t error = cudaGetDeviceProperties(&properties, index);
    if (error != cudaSuccess) return error;
    snprintf(out->name, sizeof out->name, "%s", properties.name);
    out->compute = 10 * properties.major + properties.minor;
    out->multiprocessors = properties.multiProcessorCount;
    out->shared_per_block = (int)properties.sharedMemPerBlockOptin;
    out->shared_per_multiprocessor = (int)properties.sharedMemPerMultiprocessor;
    out->registers_per_multiprocessor = properties.regsPerMultiprocessor;
    out->memory_bytes = properties.totalGlobalMem;
    return cudaDeviceGetAttribute(&out->clock_khz, cudaDevAttrClockRate, index);
}

rg_status rgi_device_describe(int index, rgi_device_facts *out, rg_error *err)
{
    const char *reason = NULL;
    const int count = rgi_device_count(&reason);
    memset(out, 0, sizeof *out);
    if (count == 0) return RG_FAIL(err, RG_ERR_UNSUPPORTED, "%s.", reason);
    if (index < 0 || index >= count)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "cuda:%d is not here: %s%d.", index,
                       count == 1 ? "the only GPU is cuda:" : "the GPUs are cuda:0 to cuda:", count - 1);
    const cudaError_t error = read_facts(index, out);
    return error == cudaSuccess ? RG_OK : fail(err, "cudaGetDeviceProperties", error);
}

/* the capabilities that this build has code for, "75 80 90"; a build that does not say has it for all */
#if !defined(RODGRAD_CUDA_ARCHS)
#define RODGRAD_CUDA_ARCHS ""
#endif

/* machine code for 8.0 runs on 8.x from there on, and what is newer than all of it takes the newest's PTX,
 * which the driver compiles */
static int has_code(int compute, const char *compiled)
{
    int newest = 0;
    for (const char *at = compiled; *at;) {
        char *end = NULL;
        const int one = (int)strtol(at, &end, 10);
        if (end == at) break;
        if (one / 10 == compute / 10 && one <= compute) return 1;
        if (one > newest) newest = one;
        at = end;
    }
    return compute >= newest;
}

/* ---- open and close ---- */

static rg_status take_stream(rgi_device *device, void *given, rg_error *err)
{
    cudaError_t error;
    if (!given) {
        error = cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking);
        if (error != cudaSuccess) return fail(err, "cudaStreamCreateWithFlags", error);
        device->own_stream = 1;
        return RG_OK;
    }
    int home = -1;
    device->stream = (cudaStream_t)given;
    error = cudaStreamGetDevice(device->stream, &home);
    if (error != cudaSuccess) {
        (void)cudaGetLastError();
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The stream is none of CUDA's: cudaStreamGetDevice: %s.",
                       cudaGetErrorString(error));
    }
    if (home != device->index)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "The stream belongs to cuda:%d, not to cuda:%d; give one of that GPU.", home,
                       device->index);
    return RG_OK;
}

rg_status rgi_device_open(const rgi_device_opts *opts, rgi_device **out, rg_error *err)
{
    rgi_device_facts facts;
    int before = 0;
    *out = NULL;
    if (!opts->allocate != !opts->release)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "Give both allocate and release, or neither.");
    RG_TRY(rgi_device_describe(opts->index, &facts, err));
    if (!has_code(facts.compute, RODGRAD_CUDA_ARCHS))
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "cuda:%d (%s) is of compute capability %d.%d, and this build has code for %s; build "
                       "with RODGRAD_CUDA_ARCHS=%d.",
                       opts->index, facts.name, facts.compute / 10, facts.compute % 10, RODGRAD_CUDA_ARCHS,
                       facts.compute);
    rgi_device *device = (rgi_device *)calloc(1, sizeof *device);
    if (!device)
        return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for the state of cuda:%d.", opts->index);
    device->index = opts->index;
    device->allocate = opts->allocate;
    device->release = opts->release;
    device->user = opts->user;
    device->facts = facts;
    rg_status status = enter(device->index, &before, err);
    if (status == RG_OK) {
        status = take_stream(device, opts->stream, err);
        leave(device->index, before);
    }
    if (status == RG_OK) *out = device;
    else free(device);
    return status;
}

void rgi_device_close(rgi_device **device)
{
    int before = 0;
    if (!device || !*device) return;
    if ((*device)->own_stream && enter((*device)->index, &before, NULL) == RG_OK) {
        /* a failure here was one of an earlier call, which has said so */
        (void)cudaStreamSynchronize((*device)->stream);
        (void)cudaStreamDestroy((*device)->stream);
        (void)cudaGetLastError();
        leave((*device)->index, before);
    }
    free(*device);
    *device = NULL;
}

const rgi_device_facts *rgi_device_facts_of(const rgi_device *device) { return &device->facts; }

int rgi_device_index(const rgi_device *device) { return device->index; }

void *rgi_device_stream(const rgi_device *device) { return (void *)device->stream; }

/* ---- memory ---- */

static rg_status too_little(const rgi_device *device, size_t bytes, const char *what, const char *call,
                            rg_error *err)
{
    size_t unused = 0, total = 0;
    char here[64] = "";
    if (cudaMemGetInfo(&unused, &total) == cudaSuccess)
        snprintf(here, sizeof here, ", %zu of its %zu are free", unused, total);
    (void)cudaGetLastError();
    return RG_FAIL(err, RG_ERR_MEMORY,
                   "cuda:%d has no %zu bytes for %s (%s%s); take fewer rods or recordings, or a smaller "
                   "budget.",
                   device->index, bytes, what, call, here);
}

/* what the caller's allocate returned must be what cudaMalloc would return */
static rg_status check_given(const rgi_device *device, void *memory, size_t bytes, const char *what,
                             rg_error *err)
{
    const int misplaced = rgi_device_owns(device, memory) != 1;
    if (!misplaced && (size_t)memory % ALIGNMENT == 0) return RG_OK;
    device->release(device->user, memory, bytes);
    return misplaced ? RG_FAIL(err, RG_ERR_ARGUMENT,
                               "The context's allocate returned memory for %s that is not of cuda:%d.", what,
                               device->index)
                     : RG_FAIL(err, RG_ERR_ARGUMENT,
                               "The context's allocate returned memory for %s that is not aligned to %d "
                               "bytes.",
                               what, ALIGNMENT);
}

static rg_status take_memory(const rgi_device *device, size_t bytes, const char *what, void **out,
                             rg_error *err)
{
    if (device->allocate) {
        *out = device->allocate(device->user, bytes);
        (void)cudaGetLastError();
        return *out ? check_given(device, *out, bytes, what, err)
                    : too_little(device, bytes, what, "the context's allocate", err);
    }
    const cudaError_t error = cudaMalloc(out, bytes);
    if (error == cudaErrorMemoryAllocation)
        return too_little(device, bytes, what, "cudaMalloc: out of memory", err);
    return error == cudaSuccess ? RG_OK : fail(err, "cudaMalloc", error);
}

rg_status rgi_device_allocate(rgi_device *device, size_t bytes, const char *what, void **out,
                              rg_error *err)
{
    int before = 0;
    void *memory = NULL;
    *out = NULL;
    if (bytes == 0) return RG_OK;
    RG_TRY(enter(device->index, &before, err));
    rg_status status = take_memory(device, bytes, what, &memory, err);
    leave(device->index, before);
    RG_TRY(status);
    status = rgi_device_zero(device, memory, bytes, err);
    if (status == RG_OK) *out = memory;
    else rgi_device_free(device, memory, bytes);
    return status;
}

void rgi_device_free(rgi_device *device, void *memory, size_t bytes)
{
    int before = 0;
    if (!memory || enter(device->index, &before, NULL) != RG_OK) return;
    /* cudaFree waits for the work that uses the memory; a caller's release may not */
    if (device->release) {
        (void)cudaStreamSynchronize(device->stream);
        device->release(device->user, memory, bytes);
    } else {
        (void)cudaFree(memory);
    }
    (void)cudaGetLastError();
    leave(device->index, before);
}

/* ---- copies ---- */

static rg_status copy(rgi_device *device, void *to, const void *from, size_t bytes, cudaMemcpyKind kind,
                      const char *call, rg_error *err)
{
    int before = 0;
    if (bytes == 0) return RG_OK;
    RG_TRY(enter(device->index, &before, err));
    cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, device->stream);
    if (error == cudaSuccess && kind == cudaMemcpyHostToDevice) {
        /* pageable memory has been copied to the driver's buffer by now; page-locked is still being read */
        cudaPointerAttributes attributes;
        if (cudaPointerGetAttributes(&attributes, from) != cudaSuccess ||
            attributes.type != cudaMemoryTypeUnregistered)
            error = cudaStreamSynchronize(device->stream);
    }
    const rg_status status = error == cudaSuccess ? RG_OK : fail(err, call, error);
    leave(device->index, before);
    return status;
}

rg_status rgi_device_upload(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err)
{
    return copy(device, to, from, bytes, cudaMemcpyHostToDevice, "cudaMemcpyAsync to the GPU", err);
}

rg_status rgi_device_download(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err)
{
    return copy(device, to, from, bytes, cudaMemcpyDeviceToHost, "cudaMemcpyAsync from the GPU", err);
}

rg_status rgi_device_zero(rgi_device *device, void *memory, size_t bytes, rg_error *err)
{
    int before = 0;
    if (bytes == 0) return RG_OK;
    RG_TRY(enter(device->index, &before, err));
    const cudaError_t error = cudaMemsetAsync(memory, 0, bytes, device->stream);
    const rg_status status = error == cudaSuccess ? RG_OK : fail(err, "cudaMemsetAsync", error);
    leave(device->index, before);
    return status;
}

rg_status rgi_device_wait(rgi_device *device, rg_error *err)
{
    int before = 0;
    RG_TRY(enter(device->index, &before, err));
    const cudaError_t error = cudaStreamSynchronize(device->stream);
    const rg_status status = error == cudaSuccess ? RG_OK : fail(err, "cudaStreamSynchronize", error);
    leave(device->index, before);
    return status;
}

rg_status rgi_device_enter(const rgi_device *device, int *before, rg_error *err)
{
    return enter(device->index, before, err);
}

void rgi_device_leave(const rgi_device *device, int before) { leave(device->index, before); }

int rgi_device_owns(const rgi_device *device, const void *pointer)
{
    cudaPointerAttributes attributes;
    (void)cudaGetLastError();
    if (!pointer || cudaPointerGetAttributes(&attributes, pointer) != cudaSuccess) {
        (void)cudaGetLastError();
        return 0;
    }
    if (attributes.type == cudaMemoryTypeManaged) return 1;
    if (attributes.type != cudaMemoryTypeDevice) return 0;
    return attributes.device == device->index ? 1 : -1;
}

rg_status rgi_device_launched(rgi_device *device, const char *kernel, rg_error *err)
{
    const cudaError_t error = cudaGetLastError();
    if (error == cudaSuccess) return RG_OK;
    return RG_FAIL(err, RG_ERR_DEVICE, "%s did not start on cuda:%d (%s): %s (%s)", kernel, device->index,
                   device->facts.name, cudaGetErrorString(error), cudaGetErrorName(error));
}
