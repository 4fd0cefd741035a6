/* cuda/libraries.cu: finding cuBLAS and cuSOLVER (libraries.h).
 *
 * They are looked for as the system finds its libraries, then in the toolkit that this was built with. Once
 * loaded they stay: neither can be unloaded safely. The tests' build links its stand-ins instead. */
#include "libraries.h"

#if defined(RGI_SHIM)

rg_status rgi_libraries_load(const rgi_libraries **out, rg_error *err)
{
#define NAMED(name) &name,
    static const rgi_libraries linked = {RGI_CUBLAS_LIST(NAMED) RGI_CUSOLVER_LIST(NAMED)};
#undef NAMED
    (void)err;
    *out = &linked;
    return RG_OK;
}

#else

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define CUBLAS "libcublas.so." TEXT(CUBLAS_VER_MAJOR)
#define CUSOLVER "libcusolver.so." TEXT(CUSOLVER_VER_MAJOR)

/* written once, by load(), before anyone reads them */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static rgi_libraries loaded;
static char failure[512];

static void *open_library(const char *name)
{
    char path[512];
    void *library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    if (library) return library;
    /* cuSOLVER brings cuBLAS along from its own folder */
    snprintf(path, sizeof path, "%s/%s", RODGRAD_CUDA_LIBRARIES, name);
    library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);
    if (library) return library;
    const char *reason = dlerror();
    snprintf(failure, sizeof failure,
             "fits on a GPU need %s, which cannot be loaded (%s); install it, or name its folder in "
             "LD_LIBRARY_PATH",
             name, reason ? reason : "no reason given");
    return NULL;
}

static void find(void *library, const char *name, void *function, size_t size)
{
    void *found = library ? dlsym(library, name) : NULL;
    if (!found && !*failure) snprintf(failure, sizeof failure, "the CUDA library here has no %s", name);
    memcpy(function, &found, size);
}

static void load(void)
{
    void *library = open_library(CUBLAS);
#define FIND(name) find(library, TEXT(name), &loaded.name, sizeof loaded.name);
    RGI_CUBLAS_LIST(FIND)
    library = open_library(CUSOLVER);
    RGI_CUSOLVER_LIST(FIND)
#undef FIND
}

rg_status rgi_libraries_load(const rgi_libraries **out, rg_error *err)
{
    *out = NULL;
    if (pthread_once(&once, load) != 0)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED, "The loading of cuBLAS and cuSOLVER could not start.");
    if (*failure) return RG_FAIL(err, RG_ERR_UNSUPPORTED, "%s.", failure);
    *out = &loaded;
    return RG_OK;
}

#endif
