/* shim/linear.cpp: cuBLAS and cuSOLVER stand-ins over CBLAS and LAPACKE (cublas_v2.h, cusolverDn.h).
 *
 * Each call checks its sizes and that all it touches is memory of the handle's device, then calls the host's
 * library, column-major on both sides. */
#include "cusolverDn.h"

#include <cstdlib>
#include <cstring>

#include <cblas.h>
#include <lapacke.h>

struct cublasContext {
    int device;
};

struct cusolverDnContext {
    int device;
};

namespace
{

CBLAS_TRANSPOSE transposed(cublasOperation_t op) { return op == CUBLAS_OP_N ? CblasNoTrans : CblasTrans; }

CBLAS_UPLO triangle(cublasFillMode_t uplo) { return uplo == CUBLAS_FILL_MODE_LOWER ? CblasLower : CblasUpper; }

char triangle_letter(cublasFillMode_t uplo) { return uplo == CUBLAS_FILL_MODE_LOWER ? 'L' : 'U'; }

bool op_known(cublasOperation_t op) { return op == CUBLAS_OP_N || op == CUBLAS_OP_T || op == CUBLAS_OP_C; }

bool fill_known(cublasFillMode_t uplo) { return uplo == CUBLAS_FILL_MODE_LOWER || uplo == CUBLAS_FILL_MODE_UPPER; }

/* rows by columns in memory, with a leading dimension */
bool matrix_ok(int device, const double *a, int rows, int columns, int lda)
{
    if (rows < 0 || columns < 0 || lda < 1 || lda < rows) return false;
    if (!rows || !columns) return true;
    size_t count = (size_t)(columns - 1) * (size_t)lda + (size_t)rows;
    return rgs_device_range(a, count * sizeof *a, device);
}

/* the operand of op() that becomes rows by columns */
bool operand_ok(int device, cublasOperation_t op, const double *a, int rows, int columns, int lda)
{
    return op_known(op) &&
           (op == CUBLAS_OP_N ? matrix_ok(device, a, rows, columns, lda) : matrix_ok(device, a, columns, rows, lda));
}

bool vector_ok(int device, const double *x, int n, int inc)
{
    if (n < 0 || !inc) return false;
    if (!n) return true;
    size_t count = (size_t)(n - 1) * (size_t)abs(inc) + 1u;
    return rgs_device_range(x, count * sizeof *x, device);
}

bool scalar_ok(const double *alpha)
{
    cudaPointerAttributes facts;
    return alpha && cudaPointerGetAttributes(&facts, alpha) == cudaSuccess && facts.type != cudaMemoryTypeDevice;
}

/* factorisations: the matrix, its workspace and info */
bool square_ok(const cusolverDnContext *handle, cublasFillMode_t uplo, int n, const double *a, int lda, const int *info)
{
    return fill_known(uplo) && matrix_ok(handle->device, a, n, n, lda) &&
           rgs_device_range(info, sizeof *info, handle->device);
}

bool work_ok(const cusolverDnContext *handle, const double *work, int given, int needed)
{
    return given >= needed && rgs_device_range(work, (size_t)given * sizeof *work, handle->device);
}

int potrf_work(int n) { return n > 0 ? n : 1; }

int syevd_work(int n) { return 1 + 6 * n + 2 * n * n; }

} // namespace

/* ---- cuBLAS ---- */

/* leaves the calling function when the handle or a condition is bad */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!handle) return CUBLAS_STATUS_NOT_INITIALIZED;                                                             \
        if (!(condition)) return CUBLAS_STATUS_INVALID_VALUE;                                                          \
    } while (0)

cublasStatus_t cublasCreate(cublasHandle_t *handle)
{
    int device;
    if (!handle) return CUBLAS_STATUS_INVALID_VALUE;
    if (cudaGetDevice(&device) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
    *handle = new cublasContext{device};
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy(cublasHandle_t handle)
{
    REQUIRE(true);
    delete handle;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream)
{
    REQUIRE(!stream || rgs_stream_device(stream) == handle->device);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
    REQUIRE(mode == CUBLAS_DEFAULT_MATH || mode == CUBLAS_PEDANTIC_MATH);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetAtomicsMode(cublasHandle_t handle, cublasAtomicsMode_t mode)
{
    REQUIRE(mode == CUBLAS_ATOMICS_NOT_ALLOWED || mode == CUBLAS_ATOMICS_ALLOWED);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void *workspace, size_t bytes)
{
    REQUIRE(!bytes || ((uintptr_t)workspace % 256u == 0u && rgs_device_range(workspace, bytes, handle->device)));
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusName(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR: return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "unknown status";
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    switch (status) {
    case CUBLAS_STATUS_SUCCESS: return "success";
    case CUBLAS_STATUS_NOT_INITIALIZED: return "the library was not initialized";
    case CUBLAS_STATUS_ALLOC_FAILED: return "the resource allocation failed";
    case CUBLAS_STATUS_INVALID_VALUE: return "an unsupported value or parameter was passed to the function";
    case CUBLAS_STATUS_ARCH_MISMATCH: return "the function needs a feature that the device does not have";
    case CUBLAS_STATUS_MAPPING_ERROR: return "an access to GPU memory space failed";
    case CUBLAS_STATUS_EXECUTION_FAILED: return "the function failed to launch on the GPU";
    case CUBLAS_STATUS_INTERNAL_ERROR: return "an internal operation failed";
    case CUBLAS_STATUS_NOT_SUPPORTED: return "the functionality requested is not supported";
    }
    return "unknown status";
}

cublasStatus_t cublasDscal(cublasHandle_t handle, int n, const double *alpha, double *x, int incx)
{
    REQUIRE(scalar_ok(alpha) && vector_ok(handle->device, x, n, incx));
    cblas_dscal(n, *alpha, x, incx);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDcopy(cublasHandle_t handle, int n, const double *x, int incx, double *y, int incy)
{
    REQUIRE(vector_ok(handle->device, x, n, incx) && vector_ok(handle->device, y, n, incy));
    cblas_dcopy(n, x, incx, y, incy);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDaxpy(cublasHandle_t handle, int n, const double *alpha, const double *x, int incx, double *y,
                           int incy)
{
    REQUIRE(scalar_ok(alpha) && vector_ok(handle->device, x, n, incx) && vector_ok(handle->device, y, n, incy));
    cblas_daxpy(n, *alpha, x, incx, y, incy);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDgemv(cublasHandle_t handle, cublasOperation_t trans, int m, int n, const double *alpha,
                           const double *a, int lda, const double *x, int incx, const double *beta, double *y, int incy)
{
    REQUIRE(op_known(trans) && scalar_ok(alpha) && scalar_ok(beta) && matrix_ok(handle->device, a, m, n, lda) &&
            vector_ok(handle->device, x, trans == CUBLAS_OP_N ? n : m, incx) &&
            vector_ok(handle->device, y, trans == CUBLAS_OP_N ? m : n, incy));
    cblas_dgemv(CblasColMajor, transposed(trans), m, n, *alpha, a, lda, x, incx, *beta, y, incy);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDgemvStridedBatched(cublasHandle_t handle, cublasOperation_t trans, int m, int n,
                                         const double *alpha, const double *a, int lda, long long stride_a,
                                         const double *x, int incx, long long stride_x, const double *beta, double *y,
                                         int incy, long long stride_y, int batch)
{
    REQUIRE(batch >= 0);
    for (int i = 0; i < batch; i++) {
        cublasStatus_t status = cublasDgemv(handle, trans, m, n, alpha, a + i * stride_a, lda, x + i * stride_x, incx,
                                            beta, y + i * stride_y, incy);
        if (status != CUBLAS_STATUS_SUCCESS) return status;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDsymv(cublasHandle_t handle, cublasFillMode_t uplo, int n, const double *alpha, const double *a,
                           int lda, const double *x, int incx, const double *beta, double *y, int incy)
{
    REQUIRE(fill_known(uplo) && scalar_ok(alpha) && scalar_ok(beta) && matrix_ok(handle->device, a, n, n, lda) &&
            vector_ok(handle->device, x, n, incx) && vector_ok(handle->device, y, n, incy));
    cblas_dsymv(CblasColMajor, triangle(uplo), n, *alpha, a, lda, x, incx, *beta, y, incy);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDgemm(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                           int k, const double *alpha, const double *a, int lda, const double *b, int ldb,
                           const double *beta, double *c, int ldc)
{
    REQUIRE(scalar_ok(alpha) && scalar_ok(beta) && operand_ok(handle->device, transa, a, m, k, lda) &&
            operand_ok(handle->device, transb, b, k, n, ldb) && matrix_ok(handle->device, c, m, n, ldc));
    cblas_dgemm(CblasColMajor, transposed(transa), transposed(transb), m, n, k, *alpha, a, lda, b, ldb, *beta, c, ldc);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDgemmStridedBatched(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb,
                                         int m, int n, int k, const double *alpha, const double *a, int lda,
                                         long long stride_a, const double *b, int ldb, long long stride_b,
                                         const double *beta, double *c, int ldc, long long stride_c, int batch)
{
    REQUIRE(batch >= 0);
    for (int i = 0; i < batch; i++) {
        cublasStatus_t status = cublasDgemm(handle, transa, transb, m, n, k, alpha, a + i * stride_a, lda,
                                            b + i * stride_b, ldb, beta, c + i * stride_c, ldc);
        if (status != CUBLAS_STATUS_SUCCESS) return status;
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDsyrk(cublasHandle_t handle, cublasFillMode_t uplo, cublasOperation_t trans, int n, int k,
                           const double *alpha, const double *a, int lda, const double *beta, double *c, int ldc)
{
    REQUIRE(fill_known(uplo) && scalar_ok(alpha) && scalar_ok(beta) &&
            operand_ok(handle->device, trans, a, n, k, lda) && matrix_ok(handle->device, c, n, n, ldc));
    cblas_dsyrk(CblasColMajor, triangle(uplo), transposed(trans), n, k, *alpha, a, lda, *beta, c, ldc);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDgeam(cublasHandle_t handle, cublasOperation_t transa, cublasOperation_t transb, int m, int n,
                           const double *alpha, const double *a, int lda, const double *beta, const double *b, int ldb,
                           double *c, int ldc)
{
    REQUIRE(scalar_ok(alpha) && scalar_ok(beta) && op_known(transa) && op_known(transb) &&
            matrix_ok(handle->device, c, m, n, ldc));
    /* an operand with factor 0 is not read and may be NULL */
    bool use_a = *alpha != 0.0, use_b = *beta != 0.0;
    REQUIRE((!use_a || operand_ok(handle->device, transa, a, m, n, lda)) &&
            (!use_b || operand_ok(handle->device, transb, b, m, n, ldb)));
    REQUIRE((c != a || (transa == CUBLAS_OP_N && lda == ldc)) && (c != b || (transb == CUBLAS_OP_N && ldb == ldc)));
    for (size_t j = 0; j < (size_t)n; j++)
        for (size_t i = 0; i < (size_t)m; i++) {
            double sum = 0.0;
            if (use_a) sum += *alpha * (transa == CUBLAS_OP_N ? a[i + j * (size_t)lda] : a[j + i * (size_t)lda]);
            if (use_b) sum += *beta * (transb == CUBLAS_OP_N ? b[i + j * (size_t)ldb] : b[j + i * (size_t)ldb]);
            c[i + j * (size_t)ldc] = sum;
        }
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDdgmm(cublasHandle_t handle, cublasSideMode_t side, int m, int n, const double *a, int lda,
                           const double *x, int incx, double *c, int ldc)
{
    REQUIRE((side == CUBLAS_SIDE_LEFT || side == CUBLAS_SIDE_RIGHT) && matrix_ok(handle->device, a, m, n, lda) &&
            matrix_ok(handle->device, c, m, n, ldc) && (c != a || lda == ldc));
    int length = side == CUBLAS_SIDE_LEFT ? m : n;
    REQUIRE(vector_ok(handle->device, x, length, incx));
    const double *first = incx < 0 ? x - (long long)(length - 1) * incx : x;
    for (long long j = 0; j < n; j++)
        for (long long i = 0; i < m; i++)
            c[i + j * ldc] = a[i + j * lda] * first[(side == CUBLAS_SIDE_LEFT ? i : j) * incx];
    return CUBLAS_STATUS_SUCCESS;
}

#undef REQUIRE

/* ---- cuSOLVER ---- */

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!handle) return CUSOLVER_STATUS_NOT_INITIALIZED;                                                           \
        if (!(condition)) return CUSOLVER_STATUS_INVALID_VALUE;                                                        \
    } while (0)

cusolverStatus_t cusolverDnCreate(cusolverDnHandle_t *handle)
{
    int device;
    if (!handle) return CUSOLVER_STATUS_INVALID_VALUE;
    if (cudaGetDevice(&device) != cudaSuccess) return CUSOLVER_STATUS_NOT_INITIALIZED;
    *handle = new cusolverDnContext{device};
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDestroy(cusolverDnHandle_t handle)
{
    REQUIRE(true);
    delete handle;
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnSetStream(cusolverDnHandle_t handle, cudaStream_t stream)
{
    REQUIRE(!stream || rgs_stream_device(stream) == handle->device);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDpotrf_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double *a,
                                             int lda, int *work_size)
{
    REQUIRE(work_size && fill_known(uplo) && matrix_ok(handle->device, a, n, n, lda));
    *work_size = potrf_work(n);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDpotrf(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double *a, int lda,
                                  double *work, int work_size, int *info)
{
    REQUIRE(square_ok(handle, uplo, n, a, lda, info) && work_ok(handle, work, work_size, potrf_work(n)));
    *info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, triangle_letter(uplo), n, a, lda);
    memset(work, 0xff, (size_t)work_size * sizeof *work);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDpotrs(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, int columns, const double *a,
                                  int lda, double *b, int ldb, int *info)
{
    REQUIRE(square_ok(handle, uplo, n, a, lda, info) && matrix_ok(handle->device, b, n, columns, ldb));
    *info = LAPACKE_dpotrs_work(LAPACK_COL_MAJOR, triangle_letter(uplo), n, columns, a, lda, b, ldb);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDpotri_bufferSize(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double *a,
                                             int lda, int *work_size)
{
    return cusolverDnDpotrf_bufferSize(handle, uplo, n, a, lda, work_size);
}

cusolverStatus_t cusolverDnDpotri(cusolverDnHandle_t handle, cublasFillMode_t uplo, int n, double *a, int lda,
                                  double *work, int work_size, int *info)
{
    REQUIRE(square_ok(handle, uplo, n, a, lda, info) && work_ok(handle, work, work_size, potrf_work(n)));
    *info = LAPACKE_dpotri_work(LAPACK_COL_MAJOR, triangle_letter(uplo), n, a, lda);
    memset(work, 0xff, (size_t)work_size * sizeof *work);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDsyevd_bufferSize(cusolverDnHandle_t handle, cusolverEigMode_t jobz, cublasFillMode_t uplo,
                                             int n, const double *a, int lda, const double *w, int *work_size)
{
    REQUIRE(work_size && fill_known(uplo) && (jobz == CUSOLVER_EIG_MODE_NOVECTOR || jobz == CUSOLVER_EIG_MODE_VECTOR) &&
            matrix_ok(handle->device, a, n, n, lda) && vector_ok(handle->device, w, n, 1));
    *work_size = syevd_work(n);
    return CUSOLVER_STATUS_SUCCESS;
}

cusolverStatus_t cusolverDnDsyevd(cusolverDnHandle_t handle, cusolverEigMode_t jobz, cublasFillMode_t uplo, int n,
                                  double *a, int lda, double *w, double *work, int work_size, int *info)
{
    REQUIRE((jobz == CUSOLVER_EIG_MODE_NOVECTOR || jobz == CUSOLVER_EIG_MODE_VECTOR) &&
            square_ok(handle, uplo, n, a, lda, info) && vector_ok(handle->device, w, n, 1) &&
            work_ok(handle, work, work_size, syevd_work(n)));
    int integers = 3 + 5 * n;
    int *integer_work = (int *)malloc((size_t)integers * sizeof *integer_work);
    if (!integer_work) return CUSOLVER_STATUS_ALLOC_FAILED;
    *info = LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, jobz == CUSOLVER_EIG_MODE_VECTOR ? 'V' : 'N', triangle_letter(uplo),
                                n, a, lda, w, work, work_size, integer_work, integers);
    free(integer_work);
    memset(work, 0xff, (size_t)work_size * sizeof *work);
    return CUSOLVER_STATUS_SUCCESS;
}
