/* counted_malloc.h: what the program's own objects allocate, counted, and refused on demand.
 *
 * Linked with -Wl,--wrap of malloc, calloc, realloc, aligned_alloc and free, so that calls from the
 * test and the library come here; those from shared libraries do not. Not for several threads at
 * once. */
#ifndef COUNTED_MALLOC_H
#define COUNTED_MALLOC_H

#include <stddef.h>

typedef struct counted_malloc {
    size_t live, peak; /* bytes, as malloc_usable_size has them */
    size_t calls;      /* allocations so far, refused ones included */
    size_t refuse;     /* > 0: the allocation of this number, counted in calls, gets NULL */
    int refuse_rest;   /* and all after it */
} counted_malloc;

extern counted_malloc counted;

#endif
