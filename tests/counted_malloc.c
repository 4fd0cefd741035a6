/* counted_malloc.c: see counted_malloc.h. The linker turns malloc into __wrap_malloc, and what is
 * called
 * __real_malloc here into malloc. */
#include "counted_malloc.h"

#include <malloc.h>

counted_malloc counted;

/* a sanitizer's allocator gives NULL, as others do, instead of ending the program */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "allocator_may_return_null=1"; }

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void __wrap_free(void *p);

static int refused(void)
{
    counted.calls++;
    return counted.refuse &&
           (counted.calls == counted.refuse || (counted.refuse_rest && counted.calls > counted.refuse));
}

static void *count(void *p)
{
    if (p) counted.live += malloc_usable_size(p);
    if (counted.live > counted.peak) counted.peak = counted.live;
    return p;
}

void *__wrap_malloc(size_t size) { return refused() ? NULL : count(__real_malloc(size)); }

void *__wrap_calloc(size_t n, size_t size) { return refused() ? NULL : count(__real_calloc(n, size)); }

void *__wrap_realloc(void *p, size_t size)
{
    if (refused()) return NULL;
    const size_t was = p ? malloc_usable_size(p) : 0;
    void *q = __real_realloc(p, size);
    if (q || size == 0) counted.live -= was;
    return count(q);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    return refused() ? NULL : count(__real_aligned_alloc(alignment, size));
}

void __wrap_free(void *p)
{
    if (p) counted.live -= malloc_usable_size(p);
    __real_free(p);
}
