/* core/memory.h: the host's memory for what is made with a context: from its allocator (rg_context_opts.host_allocate),
 * or malloc's where there is none, as for a context that is NULL.
 *
 * An allocator is told the size again when a block is released: a block of one begins with that. */
#ifndef RGI_MEMORY_H
#define RGI_MEMORY_H

#include "rodgrad/context.h"
#include "rodgrad/model.h"

/* count objects of so many bytes, all zero, aligned for any type; NULL: there is no memory, or too many were asked for
 */
void *rgi_calloc(const rg_context *context, size_t count, size_t bytes);
/* so many bytes, not set, aligned to 64 */
void *rgi_aligned_alloc(const rg_context *context, size_t bytes);
/* of the same context; accepts NULL */
void rgi_free(const rg_context *context, void *memory);

/* rg_model_copy and rg_model_destroy of a copy in the context's memory */
rg_status rgi_model_copy(const rg_context *context, const rg_model *model, rg_model **out, rg_error *err);
void rgi_model_free(const rg_context *context, rg_model **model);

#endif
