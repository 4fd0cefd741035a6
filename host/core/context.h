/* core/context.h: what a context (include/rodgrad/context.h) is to the rest of the library. */
#ifndef RGI_CONTEXT_H
#define RGI_CONTEXT_H

#include "cuda/device.h"
#include "rodgrad/context.h"
#include "rodgrad/rollout.h"

/* NULL: the CPU; of NULL too */
rgi_device *rgi_context_device(const rg_context *context);
/* the caller's, or NULL: the library's own threads; of NULL too */
const rg_executor *rgi_context_executor(const rg_context *context);

/* the caller's allocator of the host's memory, or NULL: malloc's; of NULL too (core/memory.h) */
typedef struct rgi_host_memory {
    void *(*allocate)(void *user, size_t bytes, size_t alignment);
    void (*release)(void *user, void *memory, size_t bytes);
    void *user;
} rgi_host_memory;
const rgi_host_memory *rgi_context_host_memory(const rg_context *context);

/* what a rollout with these options runs on: "cpu" with "avx512", "cuda:0" with "sm_90". They live as long as
 * the options and their context. */
const char *rgi_rollout_backend(const rg_rollout_opts *opts);
const char *rgi_rollout_isa(const rg_rollout_opts *opts);

#endif
