/* core/memory.c: see memory.h. */
#include "core/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"

enum { ALIGNMENT = 64 };

/* a block of an allocator: its size, then what is given */
typedef struct block {
    _Alignas(ALIGNMENT) size_t bytes; /* of all of it */
} block;

void *rgi_aligned_alloc(const rg_context *context, size_t bytes)
{
    const rgi_host_memory *host = rgi_context_host_memory(context);
    if (bytes > SIZE_MAX / 2) return NULL;
    if (!host) return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    bytes += sizeof(block);
    block *b = host->allocate(host->user, bytes, ALIGNMENT);
    if (!b) return NULL;
    b->bytes = bytes;
    return b + 1;
}

void *rgi_calloc(const rg_context *context, size_t count, size_t bytes)
{
    if (!rgi_context_host_memory(context)) return calloc(count, bytes);
    if (bytes && count > SIZE_MAX / bytes) return NULL;
    void *memory = rgi_aligned_alloc(context, count * bytes);
    return memory ? memset(memory, 0, count * bytes) : NULL;
}

void rgi_free(const rg_context *context, void *memory)
{
    const rgi_host_memory *host = rgi_context_host_memory(context);
    block *b = host && memory ? (block *)memory - 1 : NULL;
    if (b) host->release(host->user, b, b->bytes);
    else free(memory);
}
