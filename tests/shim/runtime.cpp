/* shim/runtime.cpp: the CUDA runtime's host calls over the heap (cuda_runtime.h says what hardware is
 * pretended).
 *
 * One table knows each allocation, stream and event, so that what is not device memory, or not alive, is
 * refused as CUDA would refuse it or crash on it. Everything is done before a call returns. Thread-safe. */
#include "cuda_runtime.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <atomic>
#include <mutex>
#include <set>

struct CUstream_st {
    int device;
    int work, follows; /* launches, copies and fills so far; events of other work that it waited for */
};

struct CUevent_st {
    int device;
    bool recorded, timed;
    timespec time;
};

namespace
{

enum {
    REGISTERS = 65536,      /* of a multiprocessor */
    SHARED_DEFAULT = 49152, /* of a block that did not opt in */
    SHARED_MULTIPROCESSOR = 233472,
    SHARED_RESERVED = 1024, /* of each resident block, by the system */
    THREADS_BLOCK = 1024,
    THREADS_MULTIPROCESSOR = 2048,
    BLOCKS_MULTIPROCESSOR = 32,
    REGISTERS_THREAD = 64 /* of each kernel, pretended */
};

struct allocation {
    size_t bytes;
    int device;
    cudaMemoryType type;
};

struct kernel_attributes {
    int dynamic_shared, carveout;
};

struct tables {
    std::mutex lock;
    std::map<uintptr_t, allocation> allocations;
    std::set<cudaStream_t> streams;
    std::set<cudaEvent_t> events;
    std::map<const void *, kernel_attributes> kernels;
};

/* never destroyed: other objects may give memory back at exit */
tables &all(void)
{
    static tables *t = new tables;
    return *t;
}

thread_local int current_device = 0;
thread_local cudaError_t last_error = cudaSuccess;

typedef std::lock_guard<std::mutex> guard;

cudaError_t record(cudaError_t error)
{
    if (error != cudaSuccess) last_error = error;
    return error;
}

size_t number(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text) return otherwise;
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end || *text == '-') {
        fprintf(stderr, "CPU shim: %s is '%s': give a whole number\n", name, text);
        abort();
    }
    return (size_t)value;
}

int devices(void) { return (int)number("RODGRAD_SHIM_DEVICES", 2); }

int driver_version(void) { return (int)number("RODGRAD_SHIM_DRIVER", CUDART_VERSION); }

size_t device_bytes(void) { return number("RODGRAD_SHIM_MEMORY", (size_t)8 << 30); }

int compute(void) { return (int)number("RODGRAD_SHIM_COMPUTE", 90); }

int shared_optin(void) { return (int)number("RODGRAD_SHIM_SHARED", 232448); }

/* what stands against any call */
cudaError_t absent(void)
{
    if (driver_version() < CUDART_VERSION) return cudaErrorInsufficientDriver;
    return devices() == 0 ? cudaErrorNoDevice : cudaSuccess;
}

/* the allocation that holds all of [pointer, pointer + bytes); NULL: none. With the lock held */
const allocation *holder(const void *pointer, size_t bytes)
{
    uintptr_t p = (uintptr_t)pointer;
    auto it = all().allocations.upper_bound(p);
    if (it == all().allocations.begin()) return nullptr;
    --it;
    size_t into = p - it->first;
    return into < it->second.bytes && bytes <= it->second.bytes - into ? &it->second : nullptr;
}

/* neither end inside an allocation of the device: may be the host's */
bool host_range(const void *pointer, size_t bytes)
{
    if (!pointer) return false;
    const allocation *first = holder(pointer, 1), *last = holder((const char *)pointer + bytes - 1, 1);
    if (!first && !last) return true;
    return first && first == last && first->type != cudaMemoryTypeDevice;
}

bool device_range(const void *pointer, size_t bytes)
{
    const allocation *a = holder(pointer, bytes);
    return a && a->type != cudaMemoryTypeHost;
}

bool live(cudaStream_t stream) { return !stream || all().streams.count(stream); }

size_t used_bytes(int device)
{
    size_t sum = 0;
    for (const auto &entry : all().allocations)
        if (entry.second.type != cudaMemoryTypeHost && (device < 0 || entry.second.device == device))
            sum += entry.second.bytes;
    return sum;
}

cudaError_t allocate(void **pointer, size_t bytes, cudaMemoryType type)
{
    if (!pointer) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    *pointer = nullptr;
    if (!bytes) return cudaSuccess;
    guard held(all().lock);
    size_t used = used_bytes(current_device), have = device_bytes();
    if (type != cudaMemoryTypeHost && (used > have || bytes > have - used)) return record(cudaErrorMemoryAllocation);
    void *memory;
    if (posix_memalign(&memory, 256, bytes)) return record(cudaErrorMemoryAllocation);
    memset(memory, 0xff, bytes);
    all().allocations[(uintptr_t)memory] = {bytes, current_device, type};
    *pointer = memory;
    return cudaSuccess;
}

cudaError_t release(void *pointer, bool host)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (!pointer) return cudaSuccess;
    guard held(all().lock);
    auto it = all().allocations.find((uintptr_t)pointer);
    if (it == all().allocations.end() || (it->second.type == cudaMemoryTypeHost) != host)
        return record(cudaErrorInvalidValue);
    all().allocations.erase(it);
    free(pointer);
    return cudaSuccess;
}

} // namespace

/* ---- driver, devices, errors ---- */

cudaError_t cudaDriverGetVersion(int *version)
{
    if (!version) return record(cudaErrorInvalidValue);
    *version = driver_version();
    return cudaSuccess;
}

cudaError_t cudaRuntimeGetVersion(int *version)
{
    if (!version) return record(cudaErrorInvalidValue);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    if (!count) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    *count = error == cudaSuccess ? devices() : 0;
    return record(error);
}

cudaError_t cudaSetDevice(int device)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (device < 0 || device >= devices()) return record(cudaErrorInvalidDevice);
    current_device = device;
    return cudaSuccess;
}

cudaError_t cudaGetDevice(int *device)
{
    if (!device) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    *device = current_device;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp *prop, int device)
{
    if (!prop) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (device < 0 || device >= devices()) return record(cudaErrorInvalidDevice);
    memset(prop, 0, sizeof *prop);
    snprintf(prop->name, sizeof prop->name, "CPU shim");
    prop->totalGlobalMem = device_bytes();
    prop->sharedMemPerBlock = SHARED_DEFAULT;
    prop->sharedMemPerBlockOptin = (size_t)shared_optin();
    prop->sharedMemPerMultiprocessor = SHARED_MULTIPROCESSOR;
    prop->regsPerMultiprocessor = REGISTERS;
    prop->warpSize = warpSize;
    prop->maxThreadsPerBlock = THREADS_BLOCK;
    prop->major = compute() / 10;
    prop->minor = compute() % 10;
    prop->multiProcessorCount = 132;
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, cudaDeviceAttr attr, int device)
{
    cudaDeviceProp prop;
    if (!value) return record(cudaErrorInvalidValue);
    cudaError_t error = cudaGetDeviceProperties(&prop, device);
    if (error != cudaSuccess) return error;
    switch (attr) {
    case cudaDevAttrMaxThreadsPerBlock: *value = prop.maxThreadsPerBlock; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlock: *value = (int)prop.sharedMemPerBlock; return cudaSuccess;
    case cudaDevAttrWarpSize: *value = prop.warpSize; return cudaSuccess;
    case cudaDevAttrClockRate: *value = 1980000; return cudaSuccess;
    case cudaDevAttrMultiProcessorCount: *value = prop.multiProcessorCount; return cudaSuccess;
    case cudaDevAttrPageableMemoryAccess: *value = 0; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMajor: *value = prop.major; return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor: *value = prop.minor; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor: *value = (int)prop.sharedMemPerMultiprocessor; return cudaSuccess;
    case cudaDevAttrMaxRegistersPerMultiprocessor: *value = prop.regsPerMultiprocessor; return cudaSuccess;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = (int)prop.sharedMemPerBlockOptin; return cudaSuccess;
    }
    return record(cudaErrorInvalidValue);
}

cudaError_t cudaDeviceSynchronize(void) { return record(absent()); }

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last_error;
    last_error = cudaSuccess;
    return error;
}

cudaError_t cudaPeekAtLastError(void) { return last_error; }

const char *cudaGetErrorName(cudaError_t error)
{
#define RGS_ENTRY(name, value, sentence)                                                                               \
    case name: return #name;
    switch (error) {
        RGS_CUDA_ERRORS(RGS_ENTRY)
    }
#undef RGS_ENTRY
    return "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t error)
{
#define RGS_ENTRY(name, value, sentence)                                                                               \
    case name: return sentence;
    switch (error) {
        RGS_CUDA_ERRORS(RGS_ENTRY)
    }
#undef RGS_ENTRY
    return "unrecognized error code";
}

/* ---- memory ---- */

cudaError_t cudaMalloc(void **pointer, size_t bytes) { return allocate(pointer, bytes, cudaMemoryTypeDevice); }

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned flags)
{
    if (flags != cudaMemAttachGlobal) return record(cudaErrorInvalidValue);
    return allocate(pointer, bytes, cudaMemoryTypeManaged);
}

cudaError_t cudaFree(void *pointer) { return release(pointer, false); }

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    if (flags & ~cudaHostAllocPortable) return record(cudaErrorInvalidValue);
    return allocate(pointer, bytes, cudaMemoryTypeHost);
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes) { return allocate(pointer, bytes, cudaMemoryTypeHost); }

cudaError_t cudaFreeHost(void *pointer) { return release(pointer, true); }

cudaError_t cudaMemGetInfo(size_t *free_bytes, size_t *total_bytes)
{
    if (!free_bytes || !total_bytes) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    size_t used = used_bytes(current_device), have = device_bytes();
    *total_bytes = have;
    *free_bytes = used < have ? have - used : 0;
    return cudaSuccess;
}

cudaError_t cudaPointerGetAttributes(cudaPointerAttributes *attributes, const void *pointer)
{
    if (!attributes) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    const allocation *a = holder(pointer, 1);
    void *p = const_cast<void *>(pointer);
    attributes->type = a ? a->type : cudaMemoryTypeUnregistered;
    attributes->device = a ? a->device : cudaInvalidDeviceId;
    attributes->devicePointer = a ? p : nullptr;
    attributes->hostPointer = a && a->type == cudaMemoryTypeDevice ? nullptr : p;
    return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, cudaMemcpyKind kind, cudaStream_t stream)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    if (!live(stream)) return record(cudaErrorInvalidResourceHandle);
    if (stream) stream->work++;
    if (kind < cudaMemcpyHostToHost || kind > cudaMemcpyDefault) return record(cudaErrorInvalidValue);
    if (!bytes) return cudaSuccess;
    bool to_device = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
    bool from_device = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
    if (kind == cudaMemcpyDefault) {
        to_device = device_range(to, bytes);
        from_device = device_range(from, bytes);
    }
    if (!(to_device ? device_range(to, bytes) : host_range(to, bytes))) return record(cudaErrorInvalidValue);
    if (!(from_device ? device_range(from, bytes) : host_range(from, bytes))) return record(cudaErrorInvalidValue);
    memmove(to, from, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemcpy(void *to, const void *from, size_t bytes, cudaMemcpyKind kind)
{
    return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t stream)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    if (!live(stream)) return record(cudaErrorInvalidResourceHandle);
    if (stream) stream->work++;
    if (!bytes) return cudaSuccess;
    if (!device_range(to, bytes)) return record(cudaErrorInvalidValue);
    memset(to, value, bytes);
    return cudaSuccess;
}

cudaError_t cudaMemset(void *to, int value, size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }

/* ---- streams and events ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *stream, unsigned flags)
{
    if (!stream || (flags & ~cudaStreamNonBlocking)) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    *stream = new CUstream_st{current_device, 0, 0};
    all().streams.insert(*stream);
    return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t *stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t stream)
{
    guard held(all().lock);
    if (!all().streams.erase(stream)) return record(cudaErrorInvalidResourceHandle);
    delete stream;
    return cudaSuccess;
}

static std::atomic<size_t> waits;
size_t rgs_waits(void) { return waits; }

cudaError_t cudaStreamSynchronize(cudaStream_t stream)
{
    waits++;
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    return live(stream) ? cudaSuccess : record(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int *device)
{
    if (!device) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    int found = rgs_stream_device(stream);
    if (found < 0) return record(cudaErrorInvalidResourceHandle);
    *device = found;
    return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    if (!event || (flags & ~cudaEventDisableTiming)) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    guard held(all().lock);
    *event = new CUevent_st{current_device, false, !(flags & cudaEventDisableTiming), {}};
    all().events.insert(*event);
    return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t *event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    guard held(all().lock);
    if (!all().events.count(event) || !live(stream)) return record(cudaErrorInvalidResourceHandle);
    if (event->device != (stream ? stream->device : current_device)) return record(cudaErrorInvalidResourceHandle);
    event->recorded = true;
    clock_gettime(CLOCK_MONOTONIC, &event->time);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    guard held(all().lock);
    if (flags) return record(cudaErrorInvalidValue);
    if (!all().events.count(event) || !live(stream)) return record(cudaErrorInvalidResourceHandle);
    if (stream && event->recorded) stream->follows++;
    return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    guard held(all().lock);
    return all().events.count(event) ? cudaSuccess : record(cudaErrorInvalidResourceHandle);
}

cudaError_t cudaEventElapsedTime(float *milliseconds, cudaEvent_t start, cudaEvent_t end)
{
    if (!milliseconds) return record(cudaErrorInvalidValue);
    guard held(all().lock);
    if (!all().events.count(start) || !all().events.count(end)) return record(cudaErrorInvalidResourceHandle);
    if (!start->recorded || !end->recorded || !start->timed || !end->timed)
        return record(cudaErrorInvalidResourceHandle);
    *milliseconds = (float)((double)(end->time.tv_sec - start->time.tv_sec) * 1e3 +
                            (double)(end->time.tv_nsec - start->time.tv_nsec) * 1e-6);
    return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    guard held(all().lock);
    if (!all().events.erase(event)) return record(cudaErrorInvalidResourceHandle);
    delete event;
    return cudaSuccess;
}

/* ---- kernels ---- */

cudaError_t cudaFuncSetAttribute(const void *kernel, cudaFuncAttribute attribute, int value)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (!kernel) return record(cudaErrorInvalidDeviceFunction);
    guard held(all().lock);
    auto it = all().kernels.emplace(kernel, kernel_attributes{SHARED_DEFAULT, -1}).first;
    if (attribute == cudaFuncAttributeMaxDynamicSharedMemorySize) {
        if (value < 0 || value > shared_optin()) return record(cudaErrorInvalidValue);
        it->second.dynamic_shared = value;
        return cudaSuccess;
    }
    if (attribute != cudaFuncAttributePreferredSharedMemoryCarveout || value < -1 || value > 100)
        return record(cudaErrorInvalidValue);
    it->second.carveout = value;
    return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes *attributes, const void *kernel)
{
    if (!attributes) return record(cudaErrorInvalidValue);
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (!kernel) return record(cudaErrorInvalidDeviceFunction);
    guard held(all().lock);
    auto it = all().kernels.find(kernel);
    *attributes = {};
    attributes->maxThreadsPerBlock = THREADS_BLOCK;
    attributes->numRegs = REGISTERS_THREAD;
    attributes->ptxVersion = attributes->binaryVersion = 90;
    attributes->maxDynamicSharedSizeBytes = it == all().kernels.end() ? SHARED_DEFAULT : it->second.dynamic_shared;
    attributes->preferredShmemCarveout = it == all().kernels.end() ? -1 : it->second.carveout;
    return cudaSuccess;
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int block_threads,
                                                          size_t shared_bytes)
{
    if (!blocks || block_threads <= 0) return record(cudaErrorInvalidValue);
    cudaFuncAttributes attributes;
    cudaError_t error = cudaFuncGetAttributes(&attributes, kernel);
    if (error != cudaSuccess) return error;
    *blocks = 0;
    if (block_threads > THREADS_BLOCK || shared_bytes > (size_t)attributes.maxDynamicSharedSizeBytes)
        return cudaSuccess;
    int whole_warps = (block_threads + warpSize - 1) / warpSize * warpSize;
    int fit = THREADS_MULTIPROCESSOR / whole_warps;
    int by_registers = REGISTERS / (whole_warps * REGISTERS_THREAD);
    int by_shared = SHARED_MULTIPROCESSOR / ((int)shared_bytes + SHARED_RESERVED);
    if (fit > by_registers) fit = by_registers;
    if (fit > by_shared) fit = by_shared;
    *blocks = fit > BLOCKS_MULTIPROCESSOR ? BLOCKS_MULTIPROCESSOR : fit;
    return cudaSuccess;
}

/* ---- for tests and the shim's other files ---- */

size_t rgs_allocated_bytes(void)
{
    guard held(all().lock);
    size_t sum = 0;
    for (const auto &entry : all().allocations) sum += entry.second.bytes;
    return sum;
}

int rgs_live_handles(void)
{
    guard held(all().lock);
    return (int)(all().streams.size() + all().events.size()) + rgs_load_modules(0);
}

int rgs_load_modules(int more)
{
    static std::atomic<int> loaded{0};
    return loaded += more;
}

int rgs_swap_device(int device)
{
    const int before = current_device;
    current_device = device;
    return before;
}

void rgs_set_last_error(cudaError_t error) { last_error = error; }

cudaError_t rgs_absent(void) { return absent(); }

int rgs_device_range(const void *pointer, size_t bytes, int device)
{
    guard held(all().lock);
    const allocation *a = holder(pointer, bytes);
    return a && (a->type == cudaMemoryTypeManaged || (a->type == cudaMemoryTypeDevice && a->device == device));
}

int rgs_stream_work(cudaStream_t stream)
{
    guard held(all().lock);
    return all().streams.count(stream) ? stream->work : -1;
}

int rgs_stream_follows(cudaStream_t stream)
{
    guard held(all().lock);
    return all().streams.count(stream) ? stream->follows : -1;
}

int rgs_stream_device(cudaStream_t stream)
{
    if (!stream || stream == cudaStreamLegacy || stream == cudaStreamPerThread) return current_device;
    guard held(all().lock);
    return all().streams.count(stream) ? stream->device : -1;
}

cudaError_t rgs_check_launch(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    cudaError_t error = absent();
    if (error != cudaSuccess) return record(error);
    if (!grid.x || grid.x > 0x7fffffffu || !block.x || block.x > THREADS_BLOCK)
        return record(cudaErrorInvalidConfiguration);
    if (shared_bytes > (size_t)shared_optin()) return record(cudaErrorInvalidValue);
    if (rgs_stream_device(stream) != current_device) return record(cudaErrorInvalidResourceHandle);
    guard held(all().lock);
    if (stream) stream->work++;
    return cudaSuccess;
}
