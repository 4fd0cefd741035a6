/* cuda/device.c: a CUDA device as the host sees it (device.h), by the driver's interface (driver.h): which there are,
 * opening one, memory, copies.
 *
 * A call pushes the GPU's primary context, works, and pops it. What a kernel did wrong shows in a later call and cannot
 * be cleared: the process has lost the GPU then, and every call says so. */
#include "device_own.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "images.h"

enum { ALIGNMENT = 256 }; /* of device memory [bytes], as the driver's */

/* ---- errors ---- */

/* errors of an earlier kernel rather than of the call: the process's memory on the GPU is gone */
static int kernel_failed(rgi_cu_result error)
{
    return error == RGI_CU_ILLEGAL_ADDRESS || error == RGI_CU_LAUNCH_TIMEOUT || error == RGI_CU_ASSERT ||
           (error >= RGI_CU_HARDWARE_STACK_ERROR && error <= RGI_CU_LAUNCH_FAILED);
}

static const char no_more[] = "; an earlier kernel failed, and this process can use the GPU no more: start it again, "
                              "under compute-sanitizer to see where";

const char *rgi_device_advice(rgi_cu_result error) { return kernel_failed(error) ? no_more : ""; }

/* "cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)", and what to do where that is known */
rg_status rgi_device_fail(const rgi_driver *driver, rg_error *err, const char *call, rgi_cu_result error)
{
    return RG_FAIL(err, RG_ERR_DEVICE, "%s: %s (%s)%s", call, rgi_driver_error_text(driver, error),
                   rgi_driver_error_name(driver, error), rgi_device_advice(error));
}

rg_status rgi_device_enter(const rgi_device *device, rg_error *err)
{
    const rgi_cu_result error = device->driver->context_push(device->context);
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuCtxPushCurrent", error);
}

void rgi_device_leave(const rgi_device *device)
{
    rgi_cu_context ours = NULL;
    (void)device->driver->context_pop(&ours);
}

/* ---- which devices there are ---- */

/* a CUDA version as people write it: 13000 is 13.0 */
#define VERSION_FORMAT "%d.%d"
#define VERSION_PARTS(version) (version) / 1000, (version) % 1000 / 10

/* the oldest CUDA whose drivers run this build's kernels: the first of the major version they were compiled by */
static int version_needed(void) { return rgi_images_cuda / 1000 * 1000; }

/* the driver, initialised, and how many GPUs it shows; or NULL and why, into text */
static const rgi_driver *start_driver(int *count, char *text, size_t size)
{
    const char *reason = NULL;
    const rgi_driver *driver = rgi_images_count ? rgi_driver_load(&reason) : NULL;
    int version = 0;
    *count = 0;
    if (rgi_images_count == 0) {
        snprintf(text, size,
                 "this build left CUDA out; configure it with -DRODGRAD_CUDA=ON where NVIDIA's CUDA toolkit is "
                 "installed, or name NVRTC's library in RODGRAD_NVRTC");
        return NULL;
    }
    if (!driver) {
        snprintf(text, size, "%s", reason);
        return NULL;
    }
    if (driver->driver_version(&version) == 0 && version < version_needed()) {
        snprintf(text, size,
                 "the NVIDIA driver is too old: it is for CUDA " VERSION_FORMAT
                 ", and this build needs one for CUDA " VERSION_FORMAT
                 " or newer, release %d or later; update it, or build with an older toolkit",
                 VERSION_PARTS(version), VERSION_PARTS(version_needed()), rgi_driver_needed(version_needed()));
        return NULL;
    }
    const char *call = "cuInit";
    rgi_cu_result error = driver->init(0);
    if (error == 0) {
        call = "cuDeviceGetCount";
        error = driver->device_count(count);
    }
    if (error == RGI_CU_NO_DEVICE || (error == 0 && *count == 0))
        snprintf(text, size,
                 "there is no NVIDIA GPU that this process may use (%s); CUDA_VISIBLE_DEVICES and the container's "
                 "options can hide one",
                 call);
    else if (error != 0)
        snprintf(text, size, "%s: %s (%s)", call, rgi_driver_error_text(driver, error),
                 rgi_driver_error_name(driver, error));
    if (error == 0 && *count > 0) return driver;
    *count = 0;
    return NULL;
}

int rgi_device_count(const char **reason)
{
    /* per thread: the sentence may differ from call to call */
    static _Thread_local char text[384];
    int count = 0;
    const rgi_driver *driver = start_driver(&count, text, sizeof text);
    if (reason) *reason = driver ? NULL : text;
    return count;
}

static rgi_cu_result read_facts(const rgi_driver *driver, rgi_cu_device handle, rgi_device_facts *out)
{
    int major = 0, minor = 0;
    const struct {
        int attribute, *to;
    } numbers[] = {{RGI_CU_COMPUTE_MAJOR, &major},
                   {RGI_CU_COMPUTE_MINOR, &minor},
                   {RGI_CU_MULTIPROCESSORS, &out->multiprocessors},
                   {RGI_CU_SHARED_PER_BLOCK_OPTIN, &out->shared_per_block},
                   {RGI_CU_PAGEABLE_MEMORY_ACCESS, &out->reads_pageable}};
    rgi_cu_result error = driver->device_name(out->name, (int)sizeof out->name, handle);
    if (error == 0) error = driver->device_memory(&out->memory_bytes, handle);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers && error == 0; i++)
        error = driver->device_attribute(numbers[i].to, numbers[i].attribute, handle);
    out->compute = 10 * major + minor;
    return error;
}

/* the driver, a GPU's handle and its facts */
static rg_status describe(int index, const rgi_driver **driver, rgi_cu_device *handle, rgi_device_facts *out,
                          rg_error *err)
{
    char reason[384];
    int count = 0;
    memset(out, 0, sizeof *out);
    *driver = start_driver(&count, reason, sizeof reason);
    if (!*driver) return RG_FAIL(err, RG_ERR_UNSUPPORTED, "%s.", reason);
    if (index < 0 || index >= count)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "cuda:%d is not here: %s%d.", index,
                       count == 1 ? "the only GPU is cuda:" : "the GPUs are cuda:0 to cuda:", count - 1);
    rgi_cu_result error = (*driver)->device_get(handle, index);
    if (error != 0) return rgi_device_fail(*driver, err, "cuDeviceGet", error);
    error = read_facts(*driver, *handle, out);
    return error == 0 ? RG_OK : rgi_device_fail(*driver, err, "cuDeviceGetAttribute", error);
}

rg_status rgi_device_describe(int index, rgi_device_facts *out, rg_error *err)
{
    const rgi_driver *driver = NULL;
    rgi_cu_device handle = 0;
    return describe(index, &driver, &handle, out, err);
}

/* ---- open and close ---- */

/* the caller's stream: of the GPU's primary context, in which the kernels are */
static rg_status check_stream(const rgi_device *device, void *given, rg_error *err)
{
    rgi_cu_context home = NULL;
    rgi_cu_device handle = -1;
    const rgi_driver *driver = device->driver;
    rgi_cu_result error = driver->stream_context(given, &home);
    if (error != 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The stream is none of CUDA's: cuStreamGetCtx: %s.",
                       rgi_driver_error_text(driver, error));
    if (home == device->context) return RG_OK;
    error = driver->context_push(home);
    if (error == 0) {
        rgi_cu_context same = NULL;
        if (driver->context_device(&handle) != 0) handle = -1;
        (void)driver->context_pop(&same);
    }
    if (handle != device->handle)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "The stream belongs to cuda:%d, not to cuda:%d; give one of that GPU.",
                       (int)handle, device->index);
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "The stream belongs to another context of cuda:%d than its primary one, which CUDA's runtime uses; "
                   "give a stream of that one.",
                   device->index);
}

static rg_status take_stream(rgi_device *device, void *given, rg_error *err)
{
    if (given) {
        RG_TRY(check_stream(device, given, err));
        device->stream = device->home = given;
        return RG_OK;
    }
    const rgi_cu_result error = device->driver->stream_create(&device->home, RGI_CU_STREAM_NON_BLOCKING);
    if (error != 0) return rgi_device_fail(device->driver, err, "cuStreamCreate", error);
    device->stream = device->home;
    device->own_stream = 1;
    return RG_OK;
}

/* work on `stream` follows what the stream in use has so far */
static rg_status move_to(rgi_device *device, rgi_cu_stream stream, rg_error *err)
{
    const rgi_driver *driver = device->driver;
    const char *call = "cuEventCreate";
    rgi_cu_result error = device->moved ? 0 : driver->event_create(&device->moved, RGI_CU_EVENT_NO_TIMING);
    if (error == 0) {
        call = "cuEventRecord";
        error = driver->event_record(device->moved, device->stream);
    }
    if (error == 0) {
        call = "cuStreamWaitEvent";
        error = driver->stream_follow(stream, device->moved, 0);
    }
    if (error != 0) return rgi_device_fail(driver, err, call, error);
    device->stream = stream;
    return RG_OK;
}

rg_status rgi_device_use_stream(rgi_device *device, void *given, rg_error *err)
{
    const rgi_cu_stream stream = given ? given : device->home;
    if (stream == device->stream) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    rg_status status = given ? check_stream(device, given, err) : RG_OK;
    if (status == RG_OK) status = move_to(device, stream, err);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_open(const rgi_device_opts *opts, rgi_device **out, rg_error *err)
{
    const rgi_driver *driver = NULL;
    rgi_cu_device handle = 0;
    rgi_device_facts facts;
    *out = NULL;
    if (!opts->allocate != !opts->release)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "Give both allocate and release, or neither.");
    RG_TRY(describe(opts->index, &driver, &handle, &facts, err));
    if (!rgi_device_image(facts.compute, NULL))
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "cuda:%d (%s) is of compute capability %d.%d, and this build has code for %s; build "
                       "with RODGRAD_CUDA_ARCHS=%d.",
                       opts->index, facts.name, facts.compute / 10, facts.compute % 10, rgi_images_targets,
                       facts.compute);
    rgi_device *device = calloc(1, sizeof *device);
    if (device && opts->kernels) device->folder = malloc(strlen(opts->kernels) + 1);
    if (!device || (opts->kernels && !device->folder)) {
        free(device);
        return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for the state of cuda:%d.", opts->index);
    }
    if (device->folder) strcpy(device->folder, opts->kernels);
    device->index = opts->index;
    device->driver = driver;
    device->handle = handle;
    device->allocate = opts->allocate;
    device->release = opts->release;
    device->user = opts->user;
    device->facts = facts;
    const rgi_cu_result error = driver->context_retain(&device->context, handle);
    rg_status status = error == 0 ? RG_OK : rgi_device_fail(driver, err, "cuDevicePrimaryCtxRetain", error);
    if (status == RG_OK) status = rgi_device_enter(device, err);
    if (status == RG_OK) {
        status = take_stream(device, opts->stream, err);
        rgi_device_leave(device);
    }
    if (status == RG_OK) *out = device;
    else rgi_device_close(&device);
    return status;
}

void rgi_device_close(rgi_device **device_)
{
    if (!device_ || !*device_) return;
    rgi_device *device = *device_;
    const int current = device->context && rgi_device_enter(device, NULL) == RG_OK;
    /* a failure here was one of an earlier call, which has said so */
    if (current && device->stream) (void)device->driver->stream_wait(device->stream);
    rgi_device_unload(device, current);
    if (current) {
        if (device->moved) (void)device->driver->event_destroy(device->moved);
        if (device->own_stream) (void)device->driver->stream_destroy(device->home);
        rgi_device_leave(device);
    }
    if (device->context) (void)device->driver->context_release(device->handle);
    free(device->folder);
    free(device);
    *device_ = NULL;
}

const rgi_device_facts *rgi_device_facts_of(const rgi_device *device) { return &device->facts; }

int rgi_device_index(const rgi_device *device) { return device->index; }

void *rgi_device_stream(const rgi_device *device) { return device->stream; }

/* ---- memory ---- */

/* a pointer as the driver takes it, and back */
static rgi_cu_memory address(const void *memory) { return (rgi_cu_memory)(uintptr_t)memory; }
static void *pointer(rgi_cu_memory memory) { return (void *)(uintptr_t)memory; }

/* what the driver knows of memory; all 0 of pageable memory of the host */
typedef struct memory_facts {
    int type;
    unsigned managed;
    int index;
} memory_facts;

static memory_facts memory_at(const rgi_driver *driver, const void *memory)
{
    memory_facts facts = {0, 0, -1};
    int attributes[] = {RGI_CU_POINTER_MEMORY_TYPE, RGI_CU_POINTER_IS_MANAGED, RGI_CU_POINTER_DEVICE_ORDINAL};
    void *values[] = {&facts.type, &facts.managed, &facts.index};
    if (memory && driver->pointer_attributes(3, attributes, values, address(memory)) == 0) return facts;
    return (memory_facts){0, 0, -1};
}

static rg_status too_little(const rgi_device *device, size_t bytes, const char *what, const char *call, rg_error *err)
{
    size_t unused = 0, total = 0;
    char here[64] = "";
    if (device->driver->memory_info(&unused, &total) == 0)
        snprintf(here, sizeof here, ", %zu of its %zu are free", unused, total);
    return RG_FAIL(err, RG_ERR_MEMORY,
                   "cuda:%d has no %zu bytes for %s (%s%s); take fewer rods or recordings, or a smaller "
                   "budget.",
                   device->index, bytes, what, call, here);
}

/* what the caller's allocate returned must be what the driver would return */
static rg_status check_given(const rgi_device *device, void *memory, size_t bytes, const char *what, rg_error *err)
{
    const int misplaced = rgi_device_owns(device, memory) != 1;
    if (!misplaced && (size_t)memory % ALIGNMENT == 0) return RG_OK;
    device->release(device->user, memory, bytes);
    return misplaced
               ? RG_FAIL(err, RG_ERR_ARGUMENT, "The context's allocate returned memory for %s that is not of cuda:%d.",
                         what, device->index)
               : RG_FAIL(err, RG_ERR_ARGUMENT,
                         "The context's allocate returned memory for %s that is not aligned to %d "
                         "bytes.",
                         what, ALIGNMENT);
}

static rg_status take_memory(const rgi_device *device, size_t bytes, const char *what, void **out, rg_error *err)
{
    rgi_cu_memory memory = 0;
    if (device->allocate) {
        *out = device->allocate(device->user, bytes);
        return *out ? check_given(device, *out, bytes, what, err)
                    : too_little(device, bytes, what, "the context's allocate", err);
    }
    const rgi_cu_result error = device->driver->memory_allocate(&memory, bytes);
    if (error == RGI_CU_OUT_OF_MEMORY) return too_little(device, bytes, what, "cuMemAlloc: out of memory", err);
    *out = pointer(memory);
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuMemAlloc", error);
}

rg_status rgi_device_allocate(rgi_device *device, size_t bytes, const char *what, void **out, rg_error *err)
{
    void *memory = NULL;
    *out = NULL;
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    rg_status status = take_memory(device, bytes, what, &memory, err);
    rgi_device_leave(device);
    RG_TRY(status);
    status = rgi_device_zero(device, memory, bytes, err);
    if (status == RG_OK) *out = memory;
    else rgi_device_free(device, memory, bytes);
    return status;
}

void rgi_device_free(rgi_device *device, void *memory, size_t bytes)
{
    if (!memory || rgi_device_enter(device, NULL) != RG_OK) return;
    /* cuMemFree waits for the work that uses the memory; a caller's release may not */
    if (device->release) {
        (void)device->driver->stream_wait(device->stream);
        device->release(device->user, memory, bytes);
    } else {
        (void)device->driver->memory_free(address(memory));
    }
    rgi_device_leave(device);
}

/* ---- copies ---- */

rg_status rgi_device_upload(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err)
{
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    rgi_cu_result error = device->driver->upload(address(to), from, bytes, device->stream);
    /* Pageable memory has been copied to the driver's buffer by now, unless the GPU can read it where it is;
     * page-locked memory is still being read. */
    if (error == 0 && (device->facts.reads_pageable || memory_at(device->driver, from).type != 0))
        error = device->driver->stream_wait(device->stream);
    const rg_status status = error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuMemcpyHtoDAsync", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_download(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err)
{
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->download(to, address(from), bytes, device->stream);
    const rg_status status = error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuMemcpyDtoHAsync", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_zero(rgi_device *device, void *memory, size_t bytes, rg_error *err)
{
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->fill(address(memory), 0, bytes, device->stream);
    const rg_status status = error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuMemsetD8Async", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_wait(rgi_device *device, rg_error *err)
{
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->stream_wait(device->stream);
    const rg_status status = error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuStreamSynchronize", error);
    rgi_device_leave(device);
    return status;
}

int rgi_device_owns(const rgi_device *device, const void *memory)
{
    const memory_facts at = memory_at(device->driver, memory);
    if (at.managed) return 1;
    if (at.type != RGI_CU_MEMORY_DEVICE) return 0;
    return at.index == device->index ? 1 : -1;
}
