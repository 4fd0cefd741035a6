/* cuda/libraries.h: cuBLAS and cuSOLVER, loaded when a fit first needs them.
 *
 * Linked, their hundreds of megabytes would cost every start of a program about 80 ms, whether it fits on a GPU or not.
 * What is called here is the same in all their releases from CUDA 11 on, types and numbers as in cublas_v2.h and
 * cusolverDn.h (tests/test_cuda_headers.c compares them where a toolkit is installed). A status of 0 is success. */
#ifndef RGI_LIBRARIES_H
#define RGI_LIBRARIES_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef void *rgi_cublas;   /* cublasHandle_t */
typedef void *rgi_cusolver; /* cusolverDnHandle_t */

enum { RGI_CUBLAS_OP_N = 0, RGI_CUBLAS_OP_T = 1, RGI_CUBLAS_FILL_MODE_LOWER = 0, RGI_CUSOLVER_EIG_MODE_NOVECTOR = 0 };

/* member, symbol, what it returns, arguments; matrices are column-major, on the device, scalars on the host */
#define RGI_CUBLAS_LIST(X)                                                                                             \
    X(cublasCreate, cublasCreate_v2, int, (rgi_cublas * handle))                                                       \
    X(cublasDestroy, cublasDestroy_v2, int, (rgi_cublas handle))                                                       \
    X(cublasSetStream, cublasSetStream_v2, int, (rgi_cublas handle, void *stream))                                     \
    X(cublasSetWorkspace, cublasSetWorkspace_v2, int, (rgi_cublas handle, void *workspace, size_t bytes))              \
    X(cublasGetStatusString, cublasGetStatusString, const char *, (int status))                                        \
    X(cublasDcopy, cublasDcopy_v2, int, (rgi_cublas handle, int n, const double *x, int incx, double *y, int incy))    \
    X(cublasDgemm, cublasDgemm_v2, int,                                                                                \
      (rgi_cublas handle, int op_a, int op_b, int m, int n, int k, const double *alpha, const double *a, int lda,      \
       const double *b, int ldb, const double *beta, double *c, int ldc))                                              \
    X(cublasDgemmStridedBatched, cublasDgemmStridedBatched, int,                                                       \
      (rgi_cublas handle, int op_a, int op_b, int m, int n, int k, const double *alpha, const double *a, int lda,      \
       long long stride_a, const double *b, int ldb, long long stride_b, const double *beta, double *c, int ldc,       \
       long long stride_c, int count))                                                                                 \
    X(cublasDgemvStridedBatched, cublasDgemvStridedBatched, int,                                                       \
      (rgi_cublas handle, int op, int m, int n, const double *alpha, const double *a, int lda, long long stride_a,     \
       const double *x, int incx, long long stride_x, const double *beta, double *y, int incy, long long stride_y,     \
       int count))                                                                                                     \
    X(cublasDsyrk, cublasDsyrk_v2, int,                                                                                \
      (rgi_cublas handle, int uplo, int op, int n, int k, const double *alpha, const double *a, int lda,               \
       const double *beta, double *c, int ldc))

#define RGI_CUSOLVER_LIST(X)                                                                                           \
    X(cusolverDnCreate, cusolverDnCreate, int, (rgi_cusolver * handle))                                                \
    X(cusolverDnDestroy, cusolverDnDestroy, int, (rgi_cusolver handle))                                                \
    X(cusolverDnSetStream, cusolverDnSetStream, int, (rgi_cusolver handle, void *stream))                              \
    X(cusolverDnDpotrf_bufferSize, cusolverDnDpotrf_bufferSize, int,                                                   \
      (rgi_cusolver handle, int uplo, int n, double *a, int lda, int *count))                                          \
    X(cusolverDnDpotrf, cusolverDnDpotrf, int,                                                                         \
      (rgi_cusolver handle, int uplo, int n, double *a, int lda, double *work, int count, int *info))                  \
    X(cusolverDnDpotrs, cusolverDnDpotrs, int,                                                                         \
      (rgi_cusolver handle, int uplo, int n, int right, const double *a, int lda, double *b, int ldb, int *info))      \
    X(cusolverDnDpotri_bufferSize, cusolverDnDpotri_bufferSize, int,                                                   \
      (rgi_cusolver handle, int uplo, int n, double *a, int lda, int *count))                                          \
    X(cusolverDnDpotri, cusolverDnDpotri, int,                                                                         \
      (rgi_cusolver handle, int uplo, int n, double *a, int lda, double *work, int count, int *info))                  \
    X(cusolverDnDsyevd_bufferSize, cusolverDnDsyevd_bufferSize, int,                                                   \
      (rgi_cusolver handle, int job, int uplo, int n, const double *a, int lda, const double *w, int *count))          \
    X(cusolverDnDsyevd, cusolverDnDsyevd, int,                                                                         \
      (rgi_cusolver handle, int job, int uplo, int n, double *a, int lda, double *w, double *work, int count,          \
       int *info))

typedef struct rgi_libraries {
#define RGI_MEMBER(member, symbol, returned, arguments) returned(*member) arguments;
    RGI_CUBLAS_LIST(RGI_MEMBER)
    RGI_CUSOLVER_LIST(RGI_MEMBER)
#undef RGI_MEMBER
} rgi_libraries;

/* RG_ERR_UNSUPPORTED, naming what cannot be loaded. *out is static storage. Thread-safe. */
rg_status rgi_libraries_load(const rgi_libraries **out, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
