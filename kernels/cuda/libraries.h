/* cuda/libraries.h: cuBLAS and cuSOLVER, loaded when a fit first needs them.
 *
 * Linked, their hundreds of megabytes would cost every start of a program some 80 ms, a fit on a GPU or not.
 * Only their headers are needed to build. A call is libraries->cublasDsyrk(...), with the same arguments. */
#ifndef RGI_LIBRARIES_H
#define RGI_LIBRARIES_H

#include <cublas_v2.h>
#include <cusolverDn.h>

#include "device.h"

#define RGI_CUBLAS_LIST(X)                                                                       \
    X(cublasCreate)                                                                              \
    X(cublasDestroy)                                                                             \
    X(cublasSetStream)                                                                           \
    X(cublasSetWorkspace)                                                                        \
    X(cublasGetStatusString)                                                                     \
    X(cublasDcopy)                                                                               \
    X(cublasDgemm)                                                                               \
    X(cublasDgemmStridedBatched)                                                                 \
    X(cublasDgemvStridedBatched)                                                                 \
    X(cublasDsyrk)

#define RGI_CUSOLVER_LIST(X)                                                                     \
    X(cusolverDnCreate)                                                                          \
    X(cusolverDnDestroy)                                                                         \
    X(cusolverDnSetStream)                                                                       \
    X(cusolverDnDpotrf_bufferSize)                                                               \
    X(cusolverDnDpotrf)                                                                          \
    X(cusolverDnDpotrs)                                                                          \
    X(cusolverDnDpotri_bufferSize)                                                               \
    X(cusolverDnDpotri)                                                                          \
    X(cusolverDnDsyevd_bufferSize)                                                               \
    X(cusolverDnDsyevd)

/* the headers rename some: cublasCreate is cublasCreate_v2, here and where it is called */
typedef struct rgi_libraries {
#define RGI_MEMBER(name) decltype(&::name) name;
    RGI_CUBLAS_LIST(RGI_MEMBER)
    RGI_CUSOLVER_LIST(RGI_MEMBER)
#undef RGI_MEMBER
} rgi_libraries;

/* RG_ERR_UNSUPPORTED, naming what cannot be loaded. *out is static storage. Thread-safe. */
rg_status rgi_libraries_load(const rgi_libraries **out, rg_error *err);

#endif
