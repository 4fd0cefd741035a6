/* cuda/dynamic.c: libraries by the system's loader (dynamic.h). */
#include "dynamic.h"

#include <dlfcn.h>
#include <stddef.h>

void *rgi_library_open(const char *name, const char **reason)
{
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (!library && reason) *reason = dlerror();
    return library;
}

void *rgi_library_find(void *library, const char *function) { return library ? dlsym(library, function) : NULL; }
