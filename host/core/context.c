/* core/context.c: the CPU or one GPU (include/rodgrad/context.h).
 *
 * What a GPU is stays behind cuda/device.h, which a build without kernels for one refuses. */
#include "core/context.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/structs.h"
#include "cuda/images.h"

struct rg_context {
    rgi_device *device;   /* NULL: the CPU */
    rg_executor executor; /* run NULL: none is given */
    rgi_host_memory host; /* allocate NULL: none is given */
    char backend[24], isa[24], name[256];
};

static const rgi_struct opts_struct = {"rg_context_opts", sizeof(rg_context_opts),
                                       RGI_SIZE_UP_TO(rg_context_opts, host_release), 0};

void rg_context_opts_init(rg_context_opts *opts)
{
    rg_context_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.backend = "cpu";
    rgi_struct_give(&opts_struct, &o, opts);
}

/* -1: the CPU, -2: neither that nor a GPU */
static int backend_index(const char *name)
{
    if (!name || strcmp(name, "cpu") == 0) return -1;
    if (strcmp(name, "cuda") == 0) return 0;
    if (strncmp(name, "cuda:", 5) != 0) return -2;
    const char *digits = name + 5;
    const size_t n = strlen(digits);
    if (n < 1 || n > 6 || strspn(digits, "0123456789") != n) return -2;
    return (int)strtol(digits, NULL, 10);
}

static rg_status open_device(const rg_context_opts *opts, int index, rg_context *context, rg_error *err)
{
    rgi_device_opts with = {index, opts->stream, opts->allocate, opts->release, opts->user, opts->kernels};
    RG_TRY(rgi_device_open(&with, &context->device, err));
    const rgi_device_facts *facts = rgi_device_facts_of(context->device);
    snprintf(context->backend, sizeof context->backend, "cuda:%d", index);
    snprintf(context->isa, sizeof context->isa, "sm_%d", facts->compute);
    snprintf(context->name, sizeof context->name, "%s", facts->name);
    return RG_OK;
}

rg_status rg_context_create(const rg_context_opts *opts, rg_context **out, rg_error *err)
{
    rg_context_opts own = rg_context_opts_default();
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "The pointer to return a context in is NULL.");
    *out = NULL;
    if (opts) RG_TRY(rgi_struct_take(&opts_struct, opts, &own, err));
    opts = &own;
    const int index = backend_index(opts->backend);
    if (index < -1)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "The backend is \"%.40s\" but must be cpu, cuda or cuda:N with a GPU's number.", opts->backend);
    if (index < 0 && (opts->stream || opts->allocate || opts->release || opts->kernels))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "A stream, allocate, release and a folder of kernels go with a GPU, and the backend is cpu.");
    if (opts->executor && (!opts->executor->run || opts->executor->workers == 0))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "An executor needs a function to run jobs and at least one worker.");
    if (!opts->host_allocate != !opts->host_release)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "host_allocate and host_release go together; give both or none.");
    rg_context *context = calloc(1, sizeof *context);
    if (!context) return RG_FAIL(err, RG_ERR_MEMORY, "There is no memory for a context.");
    strcpy(context->backend, "cpu");
    strcpy(context->name, "CPU");
    if (opts->executor) context->executor = *opts->executor;
    context->host = (rgi_host_memory){opts->host_allocate, opts->host_release, opts->user};
    const rg_status status = index < 0 ? RG_OK : open_device(opts, index, context, err);
    if (status == RG_OK) *out = context;
    else free(context);
    return status;
}

void rg_context_destroy(rg_context **context)
{
    if (!context || !*context) return;
    rgi_device_close(&(*context)->device);
    free(*context);
    *context = NULL;
}

rg_status rg_context_use_stream(rg_context *context, void *stream, rg_error *err)
{
    if (!context) return RG_FAIL(err, RG_ERR_ARGUMENT, "The context to use a stream with is NULL.");
    if (context->device) return rgi_device_use_stream(context->device, stream, err);
    if (!stream) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT, "A stream goes with a GPU, and the context is the CPU.");
}

rg_status rg_context_wait(rg_context *context, rg_error *err)
{
    if (!context) return RG_FAIL(err, RG_ERR_ARGUMENT, "The context to wait for is NULL.");
    if (context->device) return rgi_device_wait(context->device, err);
    return RG_OK;
}

const char *rg_context_backend(const rg_context *context) { return context ? context->backend : "cpu"; }

const char *rg_context_device_name(const rg_context *context) { return context ? context->name : "CPU"; }

rgi_device *rgi_context_device(const rg_context *context) { return context ? context->device : NULL; }

const rg_executor *rgi_context_executor(const rg_context *context)
{
    return context && context->executor.run ? &context->executor : NULL;
}

const rgi_host_memory *rgi_context_host_memory(const rg_context *context)
{
    return context && context->host.allocate ? &context->host : NULL;
}

const char *rgi_rollout_backend(const rg_rollout_opts *opts) { return rg_context_backend(opts->context); }

const char *rgi_rollout_isa(const rg_rollout_opts *opts)
{
    if (rgi_context_device(opts->context)) return opts->context->isa;
    return opts->isa ? opts->isa : rg_cpu_isa();
}

int rg_cuda_built(void) { return rgi_images_count > 0; }

int rg_cuda_device_count(const char **reason) { return rgi_device_count(reason); }

void rg_cuda_device_name(int index, char *text, size_t size)
{
    rgi_device_facts facts;
    snprintf(text, size, "%s", rgi_device_describe(index, &facts, NULL) == RG_OK ? facts.name : "");
}
