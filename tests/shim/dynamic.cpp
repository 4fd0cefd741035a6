/* shim/dynamic.cpp: the shim in the place of NVIDIA's libraries (kernels/cuda/dynamic.h): linked, not loaded, so that
 * sanitizers see all of it. */
#include "cuda/dynamic.h"

#include <cstring>

#include "cuda/driver.h"
#include "cuda/libraries.h"

extern "C" {
#define DECLARE_DRIVER(member, symbol, arguments) void symbol(void);
#define DECLARE_LIBRARY(member, symbol, returned, arguments) void symbol(void);
RGI_DRIVER_LIST(DECLARE_DRIVER)
RGI_CUBLAS_LIST(DECLARE_LIBRARY)
RGI_CUSOLVER_LIST(DECLARE_LIBRARY)

#define DRIVER_ROW(member, symbol, arguments) {#symbol, (void *)symbol},
#define LIBRARY_ROW(member, symbol, returned, arguments) {#symbol, (void *)symbol},
static const struct {
    const char *name;
    void *function;
} functions[] = {RGI_DRIVER_LIST(DRIVER_ROW) RGI_CUBLAS_LIST(LIBRARY_ROW) RGI_CUSOLVER_LIST(LIBRARY_ROW)};

void *rgi_library_open(const char *name, const char **reason)
{
    static char shim;
    if (!strncmp(name, "libcuda.", 8) || !strncmp(name, "libcublas.", 10) || !strncmp(name, "libcusolver.", 12))
        return &shim;
    if (reason) *reason = "the shim is no such library";
    return nullptr;
}

void *rgi_library_find(void *library, const char *name)
{
    for (const auto &f : functions)
        if (library && !strcmp(f.name, name)) return f.function;
    return nullptr;
}
}
