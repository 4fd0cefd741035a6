/* cuda/device_kernels.c: kernels of a CUDA device (device.h): modules, launches, and how long they took.
 *
 * Modules are loaded once for a device object, when a kernel of theirs is first asked for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device_own.h"

const rgi_image *rgi_device_image(int compute, const char *module_name)
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
    const rgi_image *image = rgi_device_image(device->facts.compute, module_name);
    if (!own && !image)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "Kernels %s for compute capability %d.%d are neither in this build, which has code for %s, "
                       "nor in a folder of kernels.",
                       module_name, device->facts.compute / 10, device->facts.compute % 10, rgi_images_targets);
    const rgi_cu_result error = device->driver->module_load(out, own ? (const void *)own : image->data);
    free(own);
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuModuleLoadData", error);
}

static rg_status find_module(rgi_device *device, const char *module_name, rgi_module **out, rg_error *err)
{
    for (rgi_module *m = device->modules; m; m = m->next)
        if (strcmp(m->name, module_name) == 0) {
            *out = m;
            return RG_OK;
        }
    rgi_module *m = calloc(1, sizeof *m);
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
static const char *keep_name(rgi_module *m, const char *name)
{
    for (size_t i = 0; i < sizeof m->kernels / sizeof *m->kernels; i++) {
        if (strcmp(m->kernels[i], name) == 0) return m->kernels[i];
        if (*m->kernels[i] || strlen(name) >= RGI_DEVICE_NAME) continue;
        strcpy(m->kernels[i], name);
        return m->kernels[i];
    }
    return NULL;
}

static rg_status find_kernel(rgi_device *device, const char *module_name, const char *name, rgi_kernel *out,
                             rg_error *err)
{
    rgi_module *m = NULL;
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
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, call, error);
}

/* the next span, begun; its events are made once */
static rg_status begin_span(rgi_device *device, rgi_span **out, rg_error *err)
{
    if (device->n_spans == device->room) {
        const size_t room = device->room ? 2 * device->room : 16;
        rgi_span *more = realloc(device->spans, room * sizeof *more);
        if (!more) return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for the times of %zu launches.", room);
        memset(more + device->room, 0, (room - device->room) * sizeof *more);
        device->spans = more;
        device->room = room;
    }
    rgi_span *s = &device->spans[device->n_spans];
    rgi_cu_result error = s->begin ? 0 : device->driver->event_create(&s->begin, 0);
    if (error == 0 && !s->end) error = device->driver->event_create(&s->end, 0);
    if (error == 0) error = device->driver->event_record(s->begin, device->stream);
    *out = s;
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuEventRecord", error);
}

rg_status rgi_device_launch(rgi_device *device, const rgi_kernel *kernel, unsigned blocks, unsigned threads,
                            size_t shared_bytes, void **arguments, rg_error *err)
{
    rgi_span *timed = NULL;
    RG_TRY(rgi_device_enter(device, err));
    rg_status status = kernel->timed && device->timing ? begin_span(device, &timed, err) : RG_OK;
    rgi_cu_result error = 0;
    if (status == RG_OK)
        error = device->driver->launch(kernel->function, blocks, 1, 1, threads, 1, 1, (unsigned)shared_bytes,
                                       device->stream, arguments, NULL);
    if (status == RG_OK && error == 0 && timed) {
        const rgi_cu_result unmarked = device->driver->event_record(timed->end, device->stream);
        if (unmarked != 0) status = rgi_device_fail(device->driver, err, "cuEventRecord", unmarked);
        else device->n_spans++;
    }
    rgi_device_leave(device);
    if (error == 0) return status;
    return RG_FAIL(err, RG_ERR_DEVICE, "%s did not start on cuda:%d (%s): %s (%s)%s", kernel->name, device->index,
                   device->facts.name, rgi_driver_error_text(device->driver, error),
                   rgi_driver_error_name(device->driver, error), rgi_device_advice(error));
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
    return error == 0 ? RG_OK : rgi_device_fail(device->driver, err, "cuEventElapsedTime", error);
}

void rgi_device_unload(rgi_device *device, int current)
{
    const rgi_driver *driver = device->driver;
    for (rgi_module *m = device->modules, *next = NULL; m; m = next) {
        next = m->next;
        if (current) (void)driver->module_unload(m->handle);
        free(m);
    }
    for (size_t i = 0; current && i < device->room; i++) {
        if (device->spans[i].begin) (void)driver->event_destroy(device->spans[i].begin);
        if (device->spans[i].end) (void)driver->event_destroy(device->spans[i].end);
    }
    free(device->spans);
    device->modules = NULL;
    device->spans = NULL;
}
