/* cuda/device.c: a CUDA device as the host sees it (device.h), by the driver's interface (driver.h).
 *
 * A call pushes the GPU's primary context, works, and pops it. Modules are loaded once for a device object, when a
 * kernel of theirs is first asked for. What a kernel did wrong shows in a later call and cannot be cleared: the process
 * has lost the GPU then, and every call says so. */
#include "device.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "images.h"

enum {
    ALIGNMENT = 256, /* of device memory [bytes], as the driver's */
    NAME = 64
};

typedef struct module {
    struct module *next;
    char name[NAME];
    rgi_cu_module handle;
    char kernels[8][NAME]; /* names that were asked for */
} module;

/* a timed launch */
typedef struct span {
    rgi_cu_event begin, end;
} span;

struct rgi_device {
    int index, own_stream;
    const rgi_driver *driver;
    rgi_cu_device handle;
    rgi_cu_context context;
    rgi_cu_stream stream;
    void *(*allocate)(void *user, size_t bytes);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
    char *folder;    /* of kernels that are preferred to the library's; or NULL */
    module *modules; /* that are loaded */
    int timing;
    span *spans; /* [room], of which n_spans were recorded */
    size_t n_spans, room;
    rgi_device_facts facts;
};

/* ---- errors ---- */

/* errors of an earlier kernel rather than of the call: the process's memory on the GPU is gone */
static int kernel_failed(rgi_cu_result error)
{
    return error == RGI_CU_ILLEGAL_ADDRESS || error == RGI_CU_LAUNCH_TIMEOUT || error == RGI_CU_ASSERT ||
           (error >= RGI_CU_HARDWARE_STACK_ERROR && error <= RGI_CU_LAUNCH_FAILED);
}

static const char no_more[] = "; an earlier kernel failed, and this process can use the GPU no more: start it again, "
                              "under compute-sanitizer to see where";

/* "cuMemAlloc: out of memory (CUDA_ERROR_OUT_OF_MEMORY)", and what to do where that is known */
static rg_status fail(const rgi_driver *driver, rg_error *err, const char *call, rgi_cu_result error)
{
    return RG_FAIL(err, RG_ERR_DEVICE, "%s: %s (%s)%s", call, rgi_driver_error_text(driver, error),
                   rgi_driver_error_name(driver, error), kernel_failed(error) ? no_more : "");
}

rg_status rgi_device_enter(const rgi_device *device, rg_error *err)
{
    const rgi_cu_result error = device->driver->context_push(device->context);
    return error == 0 ? RG_OK : fail(device->driver, err, "cuCtxPushCurrent", error);
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
    if (error != 0) return fail(*driver, err, "cuDeviceGet", error);
    error = read_facts(*driver, *handle, out);
    return error == 0 ? RG_OK : fail(*driver, err, "cuDeviceGetAttribute", error);
}

rg_status rgi_device_describe(int index, rgi_device_facts *out, rg_error *err)
{
    const rgi_driver *driver = NULL;
    rgi_cu_device handle = 0;
    return describe(index, &driver, &handle, out, err);
}

/* ---- kernels ---- */

/* The image of a module that a chip runs best: machine code of its own generation, the newest that is not newer than
 * it, or else the newest PTX that is not newer. module NULL: of any. */
static const rgi_image *image_for(int compute, const char *module_name)
{
    const rgi_image *best = NULL;
    for (int i = 0; i < rgi_images_count; i++) {
        const rgi_image *image = &rgi_images[i];
        if (module_name && strcmp(image->module, module_name) != 0) continue;
        if (image->compute > compute || (!image->ptx && image->compute / 10 != compute / 10)) continue;
        const int better =
            !best || (best->ptx && !image->ptx) || (best->ptx == image->ptx && image->compute > best->compute);
        if (better) best = image;
    }
    return best;
}

/* Machine code of a module from the caller's folder: of the chip itself or of an older one of its generation. *out is
 * NULL where the folder has none. */
static rg_status read_image(const rgi_device *device, const char *module_name, char **out, rg_error *err)
{
    FILE *file = NULL;
    char path[4096];
    *out = NULL;
    for (int minor = device->facts.compute % 10; device->folder && minor >= 0 && !file; minor--) {
        const int length = snprintf(path, sizeof path, "%s/%s.sm_%d.cubin", device->folder, module_name,
                                    device->facts.compute / 10 * 10 + minor);
        if (length < 0 || (size_t)length >= sizeof path)
            return RG_FAIL(err, RG_ERR_ARGUMENT, "The path of the folder of kernels is too long: \"%.100s...\".",
                           device->folder);
        file = fopen(path, "rb");
    }
    if (!file) return RG_OK;
    long bytes = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *data = bytes > 0 ? malloc((size_t)bytes + 1) : NULL;
    const int read = data && fseek(file, 0, SEEK_SET) == 0 && fread(data, 1, (size_t)bytes, file) == (size_t)bytes;
    fclose(file);
    if (read) {
        data[bytes] = 0;
        *out = data;
        return RG_OK;
    }
    free(data);
    return RG_FAIL(err, RG_ERR_IO, "%s cannot be read.", path);
}

static rg_status load_module(const rgi_device *device, const char *module_name, rgi_cu_module *out, rg_error *err)
{
    char *own = NULL;
    RG_TRY(read_image(device, module_name, &own, err));
    const rgi_image *image = image_for(device->facts.compute, module_name);
    if (!own && !image)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "Kernels %s for compute capability %d.%d are neither in this build, which has code for %s, "
                       "nor in a folder of kernels.",
                       module_name, device->facts.compute / 10, device->facts.compute % 10, rgi_images_targets);
    const rgi_cu_result error = device->driver->module_load(out, own ? (const void *)own : image->data);
    free(own);
    return error == 0 ? RG_OK : fail(device->driver, err, "cuModuleLoadData", error);
}

static rg_status find_module(rgi_device *device, const char *module_name, module **out, rg_error *err)
{
    for (module *m = device->modules; m; m = m->next)
        if (strcmp(m->name, module_name) == 0) {
            *out = m;
            return RG_OK;
        }
    module *m = calloc(1, sizeof *m);
    if (!m) return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for the kernels %s.", module_name);
    const rg_status status = load_module(device, module_name, &m->handle, err);
    if (status != RG_OK) {
        free(m);
        return status;
    }
    snprintf(m->name, sizeof m->name, "%s", module_name);
    m->next = device->modules;
    device->modules = m;
    *out = m;
    return RG_OK;
}

/* where a device keeps a kernel's name; NULL: it is longer than names are, or there are more of them */
static const char *keep_name(module *m, const char *name)
{
    for (size_t i = 0; i < sizeof m->kernels / sizeof *m->kernels; i++) {
        if (strcmp(m->kernels[i], name) == 0) return m->kernels[i];
        if (*m->kernels[i] || strlen(name) >= NAME) continue;
        strcpy(m->kernels[i], name);
        return m->kernels[i];
    }
    return NULL;
}

static rg_status find_kernel(rgi_device *device, const char *module_name, const char *name, rgi_kernel *out,
                             rg_error *err)
{
    module *m = NULL;
    RG_TRY(find_module(device, module_name, &m, err));
    const rgi_cu_result error = device->driver->module_function(&out->function, m->handle, name);
    out->name = keep_name(m, name);
    out->timed = 0;
    if (error == 0 && out->name) return RG_OK;
    return RG_FAIL(err, RG_ERR_DEVICE, "The kernels %s have no %s (%s).", module_name, name,
                   rgi_driver_error_name(device->driver, error));
}

rg_status rgi_device_kernel(rgi_device *device, const char *module_name, const char *name, rgi_kernel *out,
                            rg_error *err)
{
    RG_TRY(rgi_device_enter(device, err));
    const rg_status status = find_kernel(device, module_name, name, out, err);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_resident(rgi_device *device, const rgi_kernel *kernel, int block_threads, size_t shared_bytes,
                              int *blocks, rg_error *err)
{
    const char *call = "cuFuncSetAttribute of the shared memory";
    *blocks = 0;
    RG_TRY(rgi_device_enter(device, err));
    /* a kernel's limit is the process's: as high as any batch may want it */
    rgi_cu_result error =
        device->driver->function_set(kernel->function, RGI_CU_FUNCTION_DYNAMIC_SHARED, device->facts.shared_per_block);
    if (error == 0 && shared_bytes <= (size_t)device->facts.shared_per_block) {
        call = "cuOccupancyMaxActiveBlocksPerMultiprocessor";
        error = device->driver->occupancy(blocks, kernel->function, block_threads, shared_bytes);
    }
    rgi_device_leave(device);
    return error == 0 ? RG_OK : fail(device->driver, err, call, error);
}

/* the next span, begun; its events are made once */
static rg_status begin_span(rgi_device *device, span **out, rg_error *err)
{
    if (device->n_spans == device->room) {
        const size_t room = device->room ? 2 * device->room : 16;
        span *more = realloc(device->spans, room * sizeof *more);
        if (!more) return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for the times of %zu launches.", room);
        memset(more + device->room, 0, (room - device->room) * sizeof *more);
        device->spans = more;
        device->room = room;
    }
    span *s = &device->spans[device->n_spans];
    rgi_cu_result error = s->begin ? 0 : device->driver->event_create(&s->begin, 0);
    if (error == 0 && !s->end) error = device->driver->event_create(&s->end, 0);
    if (error == 0) error = device->driver->event_record(s->begin, device->stream);
    *out = s;
    return error == 0 ? RG_OK : fail(device->driver, err, "cuEventRecord", error);
}

rg_status rgi_device_launch(rgi_device *device, const rgi_kernel *kernel, unsigned blocks, unsigned threads,
                            size_t shared_bytes, void **arguments, rg_error *err)
{
    span *timed = NULL;
    RG_TRY(rgi_device_enter(device, err));
    rg_status status = kernel->timed && device->timing ? begin_span(device, &timed, err) : RG_OK;
    rgi_cu_result error = 0;
    if (status == RG_OK)
        error = device->driver->launch(kernel->function, blocks, 1, 1, threads, 1, 1, (unsigned)shared_bytes,
                                       device->stream, arguments, NULL);
    if (status == RG_OK && error == 0 && timed) {
        const rgi_cu_result unmarked = device->driver->event_record(timed->end, device->stream);
        if (unmarked != 0) status = fail(device->driver, err, "cuEventRecord", unmarked);
        else device->n_spans++;
    }
    rgi_device_leave(device);
    if (error == 0) return status;
    return RG_FAIL(err, RG_ERR_DEVICE, "%s did not start on cuda:%d (%s): %s (%s)%s", kernel->name, device->index,
                   device->facts.name, rgi_driver_error_text(device->driver, error),
                   rgi_driver_error_name(device->driver, error), kernel_failed(error) ? no_more : "");
}

void rgi_device_time(rgi_device *device, int on)
{
    device->timing = on;
    device->n_spans = 0;
}

static rgi_cu_result add_spans(const rgi_device *device, double *seconds)
{
    rgi_cu_result error = device->driver->stream_wait(device->stream);
    for (size_t i = 0; i < device->n_spans && error == 0; i++) {
        float milliseconds = 0.0f;
        error = device->driver->event_elapsed(&milliseconds, device->spans[i].begin, device->spans[i].end);
        *seconds += 1e-3 * (double)milliseconds;
    }
    return error;
}

rg_status rgi_device_timed(rgi_device *device, double *seconds, rg_error *err)
{
    *seconds = 0.0;
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = add_spans(device, seconds);
    device->n_spans = 0;
    rgi_device_leave(device);
    return error == 0 ? RG_OK : fail(device->driver, err, "cuEventElapsedTime", error);
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
        device->stream = given;
        return RG_OK;
    }
    const rgi_cu_result error = device->driver->stream_create(&device->stream, RGI_CU_STREAM_NON_BLOCKING);
    if (error != 0) return fail(device->driver, err, "cuStreamCreate", error);
    device->own_stream = 1;
    return RG_OK;
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
    if (!image_for(facts.compute, NULL))
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
    rg_status status = error == 0 ? RG_OK : fail(driver, err, "cuDevicePrimaryCtxRetain", error);
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
    if (device->context && rgi_device_enter(device, NULL) == RG_OK) {
        /* a failure here was one of an earlier call, which has said so */
        if (device->stream) (void)device->driver->stream_wait(device->stream);
        for (module *m = device->modules; m; m = m->next) (void)device->driver->module_unload(m->handle);
        for (size_t i = 0; i < device->room; i++) {
            if (device->spans[i].begin) (void)device->driver->event_destroy(device->spans[i].begin);
            if (device->spans[i].end) (void)device->driver->event_destroy(device->spans[i].end);
        }
        if (device->own_stream) (void)device->driver->stream_destroy(device->stream);
        rgi_device_leave(device);
    }
    if (device->context) (void)device->driver->context_release(device->handle);
    for (module *m = device->modules, *next = NULL; m; m = next) {
        next = m->next;
        free(m);
    }
    free(device->spans);
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
    return error == 0 ? RG_OK : fail(device->driver, err, "cuMemAlloc", error);
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
    const rg_status status = error == 0 ? RG_OK : fail(device->driver, err, "cuMemcpyHtoDAsync", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_download(rgi_device *device, void *to, const void *from, size_t bytes, rg_error *err)
{
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->download(to, address(from), bytes, device->stream);
    const rg_status status = error == 0 ? RG_OK : fail(device->driver, err, "cuMemcpyDtoHAsync", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_zero(rgi_device *device, void *memory, size_t bytes, rg_error *err)
{
    if (bytes == 0) return RG_OK;
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->fill(address(memory), 0, bytes, device->stream);
    const rg_status status = error == 0 ? RG_OK : fail(device->driver, err, "cuMemsetD8Async", error);
    rgi_device_leave(device);
    return status;
}

rg_status rgi_device_wait(rgi_device *device, rg_error *err)
{
    RG_TRY(rgi_device_enter(device, err));
    const rgi_cu_result error = device->driver->stream_wait(device->stream);
    const rg_status status = error == 0 ? RG_OK : fail(device->driver, err, "cuStreamSynchronize", error);
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
