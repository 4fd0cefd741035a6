/* cuda/libraries.c: finding cuBLAS and cuSOLVER (libraries.h).
 *
 * Those of the driver's CUDA are tried first, then older ones, each as the system finds its libraries, then in the
 * folders where toolkits are. Once loaded they stay: neither can be unloaded safely. */
#include "libraries.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "dynamic.h"

/* written once, by load(), before anyone reads them */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static rgi_libraries loaded;
static char failure[512];

/* by its name, or in a toolkit's folder; cuSOLVER brings along from its own folder what it needs */
static void *open_somewhere(const char *name)
{
    const char *const folders[] = {getenv("CUDA_HOME"), getenv("CUDA_PATH"), "/usr/local/cuda"};
    void *library = rgi_library_open(name, NULL);
    for (size_t i = 0; i < sizeof folders / sizeof *folders && !library; i++) {
        char path[1024];
        if (!folders[i]) continue;
        const int length = snprintf(path, sizeof path, "%s/lib64/%s", folders[i], name);
        if (length > 0 && (size_t)length < sizeof path) library = rgi_library_open(path, NULL);
    }
    return library;
}

static void find(void *library, const char *name, void *function, size_t size)
{
    void *found = rgi_library_find(library, name);
    if (!found && !*failure)
        snprintf(failure, sizeof failure, "the CUDA library here has no %s; install one of CUDA 11 or newer", name);
    memcpy(function, &found, size);
}

static void load(void)
{
    /* of cuBLAS and cuSOLVER, by major versions of CUDA, newest first */
    static const struct {
        int cuda;
        const char *blas, *solver;
    } names[] = {{13, "libcublas.so.13", "libcusolver.so.12"},
                 {12, "libcublas.so.12", "libcusolver.so.11"},
                 {11, "libcublas.so.11", "libcusolver.so.11"}};
    const rgi_driver *driver = rgi_driver_load(NULL);
    int version = 0;
    void *blas = NULL, *solver = NULL;
    if (!driver || driver->driver_version(&version) != 0) version = 0;
    /* one for a newer CUDA than the driver's would not start */
    for (size_t i = 0; i < sizeof names / sizeof *names && !(blas && solver); i++) {
        if (version && names[i].cuda > version / 1000) continue;
        blas = open_somewhere(names[i].blas);
        solver = blas ? open_somewhere(names[i].solver) : NULL;
    }
    if (!blas || !solver) {
        snprintf(failure, sizeof failure,
                 "fits on a GPU need cuBLAS and cuSOLVER of CUDA %s, and %s cannot be loaded; install a CUDA toolkit, "
                 "or name the folder of libcublas.so and libcusolver.so in LD_LIBRARY_PATH",
                 version >= 13000   ? "11 to 13"
                 : version >= 12000 ? "11 or 12"
                                    : "11",
                 blas ? "cuSOLVER" : "cuBLAS");
        return;
    }
#define FIND_BLAS(member, symbol, returned, arguments) find(blas, #symbol, &loaded.member, sizeof loaded.member);
#define FIND_SOLVER(member, symbol, returned, arguments) find(solver, #symbol, &loaded.member, sizeof loaded.member);
    RGI_CUBLAS_LIST(FIND_BLAS)
    RGI_CUSOLVER_LIST(FIND_SOLVER)
#undef FIND_BLAS
#undef FIND_SOLVER
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
