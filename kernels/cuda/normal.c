/* cuda/normal.c: normal equations of a fit on a device (normal.h; normal.cu has the kernels).
 *
 * A block's rows are far taller than wide, and a product A^T A of such a matrix keeps few multiprocessors
 * busy: it is taken in slices of whole rods, all at once (cublasDgemmStridedBatched), and the slices are
 * added in order. Every rod's g is a batch of matrix-vector products. A set holds the sums as [p + 1][p + 1],
 * column-major, the lower triangle counts: N, below it g, r^T W r in the corner. The other matrices are
 * [p][p] and symmetric. */
#include "normal.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>

#include "libraries.h"

enum { THREADS = 128, BLOCKS_MOST = 4096, TILE = 64, TILES_WANTED = 512, MATRICES = 3, INFOS = 2 };
enum { BATCH_MOST = 32768 };
enum { WORKSPACE = 32 << 20 }; /* [bytes] what cuBLAS's guide wants for compute capability 9.0 */

typedef struct sums {
    size_t p;
    double *squares;   /* [p + 1][p + 1] */
    double *gradients; /* [n_blocks][n_rods][p] */
} sums;

struct rgi_normal {
    rgi_device *device;
    const rgi_libraries *libraries;
    rgi_cublas blas;
    rgi_cusolver solver;
    size_t p_most, n_rods, rows_of_rod, n_blocks;
    size_t slices, rods_of_slice, rows_apart;
    sums sets[2];
    int accepted;               /* which set is */
    double *rows;               /* [p_most + 1][rows_apart] */
    double *partial;            /* [slices][p + 1][p + 1] */
    double *matrices[MATRICES]; /* [p][p] */
    double *vectors[2];         /* [p] */
    void *stream;               /* that cuBLAS and cuSOLVER work on */
    void *workspace;            /* cuBLAS's */
    double *work;               /* [work_count] cuSOLVER's */
    size_t work_count;
    int *info; /* [INFOS] */
};

#define RGI_BLAS(err, call, ...)                                                                                       \
    do {                                                                                                               \
        const int rgi_status = n->libraries->call(__VA_ARGS__);                                                        \
        if (rgi_status != 0)                                                                                           \
            return RG_FAIL(err, RG_ERR_DEVICE, "%s failed: %s", #call,                                                 \
                           n->libraries->cublasGetStatusString(rgi_status));                                           \
    } while (0)

#define RGI_SOLVER(err, call, ...)                                                                                     \
    do {                                                                                                               \
        const int rgi_status = n->libraries->call(__VA_ARGS__);                                                        \
        if (rgi_status != 0)                                                                                           \
            return RG_FAIL(err, RG_ERR_DEVICE, "%s failed with cuSOLVER status %d", #call, rgi_status);                \
    } while (0)

static rg_status leave(const rgi_normal *n, rg_status status)
{
    rgi_device_leave(n->device);
    return status;
}

/* a launch over `count` entries on the device's stream */
static rg_status launch_each(const rgi_normal *n, const char *name, size_t count, void **arguments, rg_error *err)
{
    const size_t blocks = (count + THREADS - 1) / THREADS;
    rgi_kernel kernel;
    RG_TRY(rgi_device_kernel(n->device, "normal", name, &kernel, err));
    return rgi_device_launch(n->device, &kernel, (unsigned)(blocks < BLOCKS_MOST ? blocks : BLOCKS_MOST), THREADS, 0,
                             arguments, err);
}

static rg_status add_slices(const rgi_normal *n, const double *partial, size_t slices, size_t count, double *squares,
                            rg_error *err)
{
    void *arguments[] = {&partial, &slices, &count, &squares};
    return launch_each(n, "rgi_add_slices", count, arguments, err);
}

static rg_status form_matrix(const rgi_normal *n, const double *squares, size_t p, double weight, const double *prior,
                             double mu, double *out, rg_error *err)
{
    void *arguments[] = {&squares, &p, &weight, &prior, &mu, &out};
    return launch_each(n, "rgi_form_matrix", p * p, arguments, err);
}

static rg_status form_information(const rgi_normal *n, const double *squares, size_t p, double weight,
                                  const double *prior, double *out, rg_error *err)
{
    void *arguments[] = {&squares, &p, &weight, &prior, &out};
    return launch_each(n, "rgi_form_information", p * p, arguments, err);
}

static rg_status complete(const rgi_normal *n, double *matrix, size_t p, const double *prior, rg_error *err)
{
    void *arguments[] = {&matrix, &p, &prior};
    return launch_each(n, "rgi_complete", p * p, arguments, err);
}

static rg_status sum_blocks(const rgi_normal *n, const double *gradients, size_t n_blocks, size_t count, double *out,
                            rg_error *err)
{
    void *arguments[] = {&gradients, &n_blocks, &count, &out};
    return launch_each(n, "rgi_sum_blocks", count, arguments, err);
}

typedef struct piece {
    double **at;
    size_t bytes;
    const char *what;
} piece;

enum { PIECES = 8 + MATRICES };

/* the arrays of n, but those of cuBLAS and cuSOLVER */
static void list_pieces(rgi_normal *n, piece *out)
{
    const size_t real = sizeof(double), p = n->p_most, wide = (p + 1) * (p + 1), clusters = n->n_blocks * n->n_rods;
    size_t k = 0;
    out[k++] = (piece){&n->rows, (p + 1) * n->rows_apart * real, "rows of the normal equations"};
    out[k++] = (piece){&n->partial, n->slices * wide * real, "slices of the normal matrix"};
    for (int s = 0; s < 2; s++) {
        out[k++] = (piece){&n->sets[s].squares, wide * real, "the normal matrix"};
        out[k++] = (piece){&n->sets[s].gradients, clusters * p * real, "gradients of rods and blocks"};
        out[k++] = (piece){&n->vectors[s], p * real, "vectors of the normal equations"};
    }
    for (int m = 0; m < MATRICES; m++) out[k++] = (piece){&n->matrices[m], p * p * real, "a factored matrix"};
}

/* cuBLAS and cuSOLVER work on the stream that the device uses */
static rg_status follow_stream(rgi_normal *n, rg_error *err)
{
    void *stream = rgi_device_stream(n->device);
    if (n->stream == stream) return RG_OK;
    RGI_BLAS(err, cublasSetStream, n->blas, stream);
    /* a new stream takes the workspace away */
    RGI_BLAS(err, cublasSetWorkspace, n->blas, n->workspace, WORKSPACE);
    RGI_SOLVER(err, cusolverDnSetStream, n->solver, stream);
    n->stream = stream;
    return RG_OK;
}

/* the GPU's context becomes the current one; `leave` follows, but not on failure */
static rg_status enter(rgi_normal *n, rg_error *err)
{
    RG_TRY(rgi_device_enter(n->device, err));
    const rg_status status = follow_stream(n, err);
    return status == RG_OK ? RG_OK : leave(n, status);
}

static rg_status open_handles(rgi_normal *n, rg_error *err)
{
    RG_TRY(rgi_libraries_load(&n->libraries, err));
    RG_TRY(rgi_device_allocate(n->device, WORKSPACE, "cuBLAS's work", &n->workspace, err));
    RGI_BLAS(err, cublasCreate, &n->blas);
    RGI_SOLVER(err, cusolverDnCreate, &n->solver);
    return follow_stream(n, err);
}

/* What cuSOLVER needs for any number of parameters: a stage may have fewer, and no document says that needs
 * grow with the size. */
static rg_status reserve_work(rgi_normal *n, rg_error *err)
{
    double *a = n->matrices[0];
    int most = 1;
    for (int p = 1; p <= (int)n->p_most; p++) {
        int factor = 0, inverse = 0, spectrum = 0;
        RGI_SOLVER(err, cusolverDnDpotrf_bufferSize, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, p, a, p, &factor);
        RGI_SOLVER(err, cusolverDnDpotri_bufferSize, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, p, a, p, &inverse);
        RGI_SOLVER(err, cusolverDnDsyevd_bufferSize, n->solver, RGI_CUSOLVER_EIG_MODE_NOVECTOR,
                   RGI_CUBLAS_FILL_MODE_LOWER, p, a, p, n->vectors[0], &spectrum);
        if (factor > most) most = factor;
        if (inverse > most) most = inverse;
        if (spectrum > most) most = spectrum;
    }
    void *work = NULL, *info = NULL;
    n->work_count = (size_t)most;
    RG_TRY(rgi_device_allocate(n->device, n->work_count * sizeof *n->work, "cuSOLVER's work", &work, err));
    n->work = (double *)work;
    RG_TRY(rgi_device_allocate(n->device, INFOS * sizeof *n->info, "cuSOLVER's results", &info, err));
    n->info = (int *)info;
    return RG_OK;
}

static rg_status reserve(rgi_normal *n, rg_error *err)
{
    piece pieces[PIECES];
    list_pieces(n, pieces);
    for (int i = 0; i < PIECES; i++) {
        void *memory = NULL;
        RG_TRY(rgi_device_allocate(n->device, pieces[i].bytes, pieces[i].what, &memory, err));
        *pieces[i].at = (double *)memory;
    }
    RG_TRY(open_handles(n, err));
    return reserve_work(n, err);
}

rg_status rgi_normal_create(rgi_device *device, size_t p_most, size_t n_rods, size_t rows_of_rod, size_t n_blocks,
                            rgi_normal **out, rg_error *err)
{
    *out = NULL;
    if (p_most == 0 || n_rods == 0 || rows_of_rod == 0 || n_blocks == 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "normal equations need parameters, rods, rows and blocks");
    /* as many tiles of the product as keep a GPU busy */
    const size_t tiles = (p_most + TILE) / TILE * ((p_most + TILE) / TILE);
    size_t slices = tiles < TILES_WANTED ? TILES_WANTED / tiles : 1;
    if (slices > n_rods) slices = n_rods;
    const size_t rods_of_slice = (n_rods + slices - 1) / slices;
    slices = (n_rods + rods_of_slice - 1) / rods_of_slice;
    const double rows = (double)slices * (double)rods_of_slice * (double)rows_of_rod;
    /* cuBLAS counts in int; a column begins at a multiple of 256 bytes */
    if (!(rows <= INT_MAX - 32) || !((double)n_rods * (double)n_blocks <= INT_MAX) || !(p_most <= 32768))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%zu rods with %zu rows and %zu parameters in %zu blocks are more than one fit can hold on a "
                       "device; fit fewer recordings",
                       n_rods, rows_of_rod, p_most, n_blocks);
    rgi_normal *n = (rgi_normal *)calloc(1, sizeof *n);
    if (!n) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for normal equations");
    n->device = device;
    n->p_most = p_most;
    n->n_rods = n_rods;
    n->rows_of_rod = rows_of_rod;
    n->n_blocks = n_blocks;
    n->slices = slices;
    n->rods_of_slice = rods_of_slice;
    n->rows_apart = ((size_t)rows + 31) / 32 * 32;
    rg_status status = rgi_device_enter(n->device, err);
    if (status == RG_OK) status = leave(n, reserve(n, err));
    if (status != RG_OK) rgi_normal_destroy(&n);
    *out = n;
    return status;
}

void rgi_normal_destroy(rgi_normal **normal)
{
    if (!normal || !*normal) return;
    rgi_normal *n = *normal;
    piece pieces[PIECES];
    list_pieces(n, pieces);
    /* a device that is lost cannot be told anything; what the host holds is given back all the same */
    const rg_status entered = rgi_device_enter(n->device, NULL);
    (void)rgi_device_wait(n->device, NULL);
    if (n->solver) (void)n->libraries->cusolverDnDestroy(n->solver);
    if (n->blas) (void)n->libraries->cublasDestroy(n->blas);
    rgi_device_free(n->device, n->workspace, WORKSPACE);
    rgi_device_free(n->device, n->work, n->work_count * sizeof *n->work);
    rgi_device_free(n->device, n->info, INFOS * sizeof *n->info);
    for (int i = 0; i < PIECES; i++) rgi_device_free(n->device, *pieces[i].at, pieces[i].bytes);
    if (entered == RG_OK) (void)leave(n, RG_OK);
    free(n);
    *normal = NULL;
}

double *rgi_normal_rows(const rgi_normal *n) { return n->rows; }

size_t rgi_normal_rows_apart(const rgi_normal *n) { return n->rows_apart; }

rg_status rgi_normal_begin(rgi_normal *n, size_t p, rg_error *err)
{
    sums *trial = &n->sets[!n->accepted];
    if (p == 0 || p > n->p_most)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu parameters where 1 to %zu were reserved", p, n->p_most);
    trial->p = p;
    RG_TRY(rgi_device_zero(n->device, trial->squares, (p + 1) * (p + 1) * sizeof(double), err));
    return rgi_device_zero(n->device, trial->gradients, n->n_blocks * n->n_rods * p * sizeof(double), err);
}

rg_status rgi_normal_clear_rows(rgi_normal *n, rg_error *err)
{
    const size_t columns = n->sets[!n->accepted].p + 1;
    return rgi_device_zero(n->device, n->rows, columns * n->rows_apart * sizeof(double), err);
}

static rg_status add_block(rgi_normal *n, size_t block, rg_error *err)
{
    sums *trial = &n->sets[!n->accepted];
    const size_t p = trial->p, wide = p + 1, count = wide * wide;
    const int columns = (int)wide, apart = (int)n->rows_apart, of_rod = (int)n->rows_of_rod;
    const int of_slice = (int)(n->rods_of_slice * n->rows_of_rod);
    const double one = 1.0, zero = 0.0, *rows = n->rows, *residual = rows + p * n->rows_apart;
    RGI_BLAS(err, cublasDgemmStridedBatched, n->blas, RGI_CUBLAS_OP_T, RGI_CUBLAS_OP_N, columns, columns, of_slice,
             &one, rows, apart, of_slice, rows, apart, of_slice, &zero, n->partial, columns, (long long)count,
             (int)n->slices);
    RG_TRY(add_slices(n, n->partial, n->slices, count, trial->squares, err));
    /* a batch may be one dimension of a grid, of which there are 65,535 at most */
    for (size_t rod = 0; rod < n->n_rods; rod += BATCH_MOST) {
        const size_t count_now = n->n_rods - rod < BATCH_MOST ? n->n_rods - rod : BATCH_MOST;
        const size_t from = rod * n->rows_of_rod;
        RGI_BLAS(err, cublasDgemvStridedBatched, n->blas, RGI_CUBLAS_OP_T, of_rod, (int)p, &one, rows + from, apart,
                 of_rod, residual + from, 1, of_rod, &zero, trial->gradients + (block * n->n_rods + rod) * p, 1,
                 (long long)p, (int)count_now);
    }
    return RG_OK;
}

rg_status rgi_normal_add(rgi_normal *n, size_t block, rg_error *err)
{
    if (block >= n->n_blocks)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "block %zu of %zu does not exist", block, n->n_blocks);
    RG_TRY(enter(n, err));
    return leave(n, add_block(n, block, err));
}

void rgi_normal_accept(rgi_normal *n) { n->accepted = !n->accepted; }

/* `count` numbers that lie `apart` apart, to the host; enqueued, through a vector of n's own */
static rg_status fetch(rgi_normal *n, const double *from, size_t apart, size_t count, double *through, double *to,
                       rg_error *err)
{
    RGI_BLAS(err, cublasDcopy, n->blas, (int)count, from, (int)apart, through, 1);
    return rgi_device_download(n->device, to, through, count * sizeof *to, err);
}

static rg_status fetch_vectors(rgi_normal *n, const sums *set, double *diagonal, double *gradient, rg_error *err)
{
    const size_t p = set->p;
    RG_TRY(fetch(n, set->squares, p + 2, p, n->vectors[0], diagonal, err));
    RG_TRY(fetch(n, set->squares + p, p + 1, p, n->vectors[1], gradient, err));
    return rgi_device_wait(n->device, err);
}

rg_status rgi_normal_vectors(rgi_normal *n, int trial, double *diagonal, double *gradient, rg_error *err)
{
    RG_TRY(enter(n, err));
    return leave(n, fetch_vectors(n, &n->sets[trial ? !n->accepted : n->accepted], diagonal, gradient, err));
}

typedef struct equations {
    double weight, mu;
    const double *prior, *right;
    double *step;
    int *solved;
} equations;

static rg_status solve(rgi_normal *n, const equations *s, rg_error *err)
{
    const sums *set = &n->sets[n->accepted];
    const size_t p = set->p, bytes = p * sizeof(double);
    double *a = n->matrices[0], *prior = n->vectors[0], *x = n->vectors[1];
    const double weight = s->weight, mu = s->mu;
    int info[INFOS] = {0, 0};
    RG_TRY(rgi_device_upload(n->device, prior, s->prior, bytes, err));
    RG_TRY(rgi_device_upload(n->device, x, s->right, bytes, err));
    RG_TRY(form_matrix(n, set->squares, p, weight, prior, mu, a, err));
    RGI_SOLVER(err, cusolverDnDpotrf, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, (int)p, a, (int)p, n->work,
               (int)n->work_count, n->info);
    /* of a matrix that has no factor it makes nonsense, which nobody reads */
    RGI_SOLVER(err, cusolverDnDpotrs, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, (int)p, 1, a, (int)p, x, (int)p,
               n->info + 1);
    RG_TRY(rgi_device_download(n->device, info, n->info, sizeof info, err));
    RG_TRY(rgi_device_download(n->device, s->step, x, bytes, err));
    RG_TRY(rgi_device_wait(n->device, err));
    *s->solved = info[0] == 0 && info[1] == 0;
    /* cuSOLVER does not say that it finds a matrix with a NaN in it */
    for (size_t i = 0; i < p; i++) *s->solved = *s->solved && isfinite(s->step[i]);
    return RG_OK;
}

rg_status rgi_normal_solve(rgi_normal *n, double weight, const double *prior, double mu, const double *right,
                           double *step, int *solved, rg_error *err)
{
    const equations s = {weight, mu, prior, right, step, solved};
    *solved = 0;
    RG_TRY(enter(n, err));
    return leave(n, solve(n, &s, err));
}

/* matrix 0 = inverse of weight N + P, complete, and its diagonal to the host. Waits. */
static rg_status invert(rgi_normal *n, double weight, const double *prior, double *diagonal, const char *name,
                        rg_error *err)
{
    const sums *set = &n->sets[n->accepted];
    const size_t p = set->p;
    const double mu = 0.0;
    double *a = n->matrices[0];
    int info[INFOS] = {0, 0};
    RG_TRY(form_matrix(n, set->squares, p, weight, prior, mu, a, err));
    RGI_SOLVER(err, cusolverDnDpotrf, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, (int)p, a, (int)p, n->work,
               (int)n->work_count, n->info);
    RGI_SOLVER(err, cusolverDnDpotri, n->solver, RGI_CUBLAS_FILL_MODE_LOWER, (int)p, a, (int)p, n->work,
               (int)n->work_count, n->info + 1);
    RG_TRY(complete(n, a, p, NULL, err));
    RG_TRY(rgi_device_download(n->device, info, n->info, sizeof info, err));
    RG_TRY(fetch(n, a, p + 1, p, n->vectors[1], diagonal, err));
    RG_TRY(rgi_device_wait(n->device, err));
    int definite = info[0] == 0 && info[1] == 0;
    for (size_t i = 0; i < p; i++) definite = definite && isfinite(diagonal[i]);
    if (definite) return RG_OK;
    return RG_FAIL(err, RG_ERR_NUMERIC, "the %s matrix of the fit is not positive definite", name);
}

/* matrix 1 = weight^2 S + P, S the small-sample spread of the clusters' gradients */
static rg_status form_spread(rgi_normal *n, const rgi_normal_spread *s, const double *prior, rg_error *err)
{
    const sums *set = &n->sets[n->accepted];
    const size_t p = set->p, blocks = n->n_blocks, count = n->n_rods * p;
    const double scale = s->weight * s->weight * s->small_sample, zero = 0.0;
    double *meat = n->matrices[1], *clusters = set->gradients;
    const size_t n_clusters = s->whole ? n->n_rods : n->n_rods * blocks;
    if (s->whole) {
        clusters = n->rows;
        RG_TRY(sum_blocks(n, set->gradients, blocks, count, clusters, err));
    }
    RGI_BLAS(err, cublasDsyrk, n->blas, RGI_CUBLAS_FILL_MODE_LOWER, RGI_CUBLAS_OP_N, (int)p, (int)n_clusters, &scale,
             clusters, (int)p, &zero, meat, (int)p);
    RG_TRY(complete(n, meat, p, prior, err));
    return RG_OK;
}

/* variance and correlation from matrices 0 (B^-1) and 1 (w^2 S + P). Waits. */
static rg_status take_sandwich(rgi_normal *n, const rgi_normal_spread *s, rg_error *err)
{
    const size_t p = n->sets[n->accepted].p;
    const int size = (int)p;
    const double one = 1.0, zero = 0.0, *bread = n->matrices[0];
    double *meat = n->matrices[1], *half = n->matrices[2];
    RGI_BLAS(err, cublasDgemm, n->blas, RGI_CUBLAS_OP_N, RGI_CUBLAS_OP_N, size, size, size, &one, bread, size, meat,
             size, &zero, half, size);
    RGI_BLAS(err, cublasDgemm, n->blas, RGI_CUBLAS_OP_N, RGI_CUBLAS_OP_N, size, size, size, &one, half, size, bread,
             size, &zero, meat, size);
    RG_TRY(rgi_device_download(n->device, s->correlation, meat, p * p * sizeof *meat, err));
    RG_TRY(rgi_device_wait(n->device, err));
    for (size_t i = 0; i < p; i++) s->variance[i] = s->correlation[i * p + i];
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++)
            s->correlation[i * p + k] =
                i == k ? 1.0 : s->correlation[i * p + k] / sqrt(s->variance[i] * s->variance[k]);
    return RG_OK;
}

/* singular values of the data's information in the priors' units. Waits. */
static rg_status take_spectrum(rgi_normal *n, const rgi_normal_spread *s, const double *prior, rg_error *err)
{
    const sums *set = &n->sets[n->accepted];
    const size_t p = set->p;
    double *a = n->matrices[0], *values = n->vectors[1];
    const double weight = s->weight;
    int info = 0;
    RG_TRY(form_information(n, set->squares, p, weight, prior, a, err));
    RGI_SOLVER(err, cusolverDnDsyevd, n->solver, RGI_CUSOLVER_EIG_MODE_NOVECTOR, RGI_CUBLAS_FILL_MODE_LOWER, (int)p, a,
               (int)p, values, n->work, (int)n->work_count, n->info);
    RG_TRY(rgi_device_download(n->device, &info, n->info, sizeof info, err));
    RG_TRY(rgi_device_download(n->device, s->singular, values, p * sizeof *values, err));
    RG_TRY(rgi_device_wait(n->device, err));
    if (info) return RG_FAIL(err, RG_ERR_NUMERIC, "the spectrum of the normal matrix did not converge");
    /* largest first */
    for (size_t i = 0; i < p / 2; i++) {
        const double small = s->singular[i];
        s->singular[i] = s->singular[p - 1 - i];
        s->singular[p - 1 - i] = small;
    }
    for (size_t i = 0; i < p; i++) s->singular[i] = sqrt(fmax(s->singular[i], 0.0));
    return RG_OK;
}

static rg_status uncertainty(rgi_normal *n, const rgi_normal_spread *s, rg_error *err)
{
    const size_t p = n->sets[n->accepted].p;
    double *prior = n->vectors[0];
    RG_TRY(rgi_device_upload(n->device, prior, s->prior, p * sizeof *prior, err));
    /* resolution from the fit's own normal matrix */
    RG_TRY(invert(n, s->weight, prior, s->resolution, "normal", err));
    for (size_t i = 0; i < p; i++) s->resolution[i] = 1.0 - s->resolution[i] / (s->prior[i] * s->prior[i]);
    RG_TRY(form_spread(n, s, prior, err));
    RG_TRY(invert(n, s->weight * s->ratio, prior, s->variance, "information", err));
    RG_TRY(take_sandwich(n, s, err));
    return take_spectrum(n, s, prior, err);
}

rg_status rgi_normal_uncertainty(rgi_normal *n, const rgi_normal_spread *spread, rg_error *err)
{
    RG_TRY(enter(n, err));
    return leave(n, uncertainty(n, spread, err));
}
