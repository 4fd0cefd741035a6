/* cuda/normal.h: a fit's normal equations on a device: cuBLAS makes them, cuSOLVER factors them.
 *
 * A rollout leaves, for every block of frames, the rows A = [sqrt(W) J, sqrt(W) r] of all rods (pack.h,
 * `rows`): column-major, columns rows_apart apart, p + 1 of them, a rod's rows_of_rod rows one after the
 * other. Summed over blocks, A^T A holds N = J^T W J and g = J^T W r; each rod's share of g in each block is
 * kept too, for the spread of the estimate. Two sets exist, the accepted one and the trial's; matrices stay
 * on the device, vectors of p numbers come to the host. All in double. Sums run in one order: the same bits
 * every time on one GPU.
 *
 * Device memory is taken at create, nothing later. Calls are enqueued on the device's stream; those that
 * bring numbers to the host wait for it. RG_ERR_DEVICE: a call of CUDA, cuBLAS or cuSOLVER failed, the
 * sentence names it; what the sets hold then is not said. One thread at a time. */
#ifndef RGI_NORMAL_H
#define RGI_NORMAL_H

#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rgi_normal rgi_normal;

/* For at most p_most parameters, n_rods rods of rows_of_rod rows a block, n_blocks blocks: each at least 1.
 * The device must outlive it. RG_ERR_ARGUMENT (more rows than cuBLAS counts), RG_ERR_MEMORY, RG_ERR_DEVICE.
 */
rg_status rgi_normal_create(rgi_device *device, size_t p_most, size_t n_rods, size_t rows_of_rod, size_t n_blocks,
                            rgi_normal **out, rg_error *err);
void rgi_normal_destroy(rgi_normal **normal);

/* where a rollout writes a block's rows, of rod 0, and how far columns lie apart: n_rods
 * rows_of_rod or more, and what is more stays zero */
double *rgi_normal_rows(const rgi_normal *normal);
size_t rgi_normal_rows_apart(const rgi_normal *normal);

/* The trial's sums start again, with p parameters. RG_ERR_ARGUMENT: p is 0 or more than p_most. */
rg_status rgi_normal_begin(rgi_normal *normal, size_t p, rg_error *err);
/* Zero the rows before a block's frames are run; add them after. A block is added once, or not at all (no rod
 * has rows there). RG_ERR_ARGUMENT: no such block. */
rg_status rgi_normal_clear_rows(rgi_normal *normal, rg_error *err);
rg_status rgi_normal_add(rgi_normal *normal, size_t block, rg_error *err);

/* the trial is the accepted one from now on; the next trial starts with rgi_normal_begin */
void rgi_normal_accept(rgi_normal *normal);

/* diagonal of N and g, [p] each on the host; of the trial, or the accepted one. Waits. */
rg_status rgi_normal_vectors(rgi_normal *normal, int trial, double *diagonal, double *gradient, rg_error *err);

/* The accepted one's step: (A + mu diag(A)) step = right, A = weight N + P, P = diag(1 / prior^2); vectors
 * [p] on the host, prior: deviations. *solved is 0 where the matrix is not positive definite or the step not
 * finite. Waits. */
rg_status rgi_normal_solve(rgi_normal *normal, double weight, const double *prior, double mu, const double *right,
                           double *step, int *solved, rg_error *err);

/* what fit/uncertainty.c makes of the accepted one; its header has the formulas */
typedef struct rgi_normal_spread {
    double weight;       /* of the data */
    double ratio;        /* k: what N is multiplied by in the sandwich's B */
    double small_sample; /* C / (C - 1) */
    int whole;           /* clusters are rods, not blocks of them */
    const double *prior; /* [p] deviations */
    /* results, on the host: [p], [p], [p] falling, [p][p] */
    double *variance, *resolution, *singular, *correlation;
} rgi_normal_spread;

/* Overwrites the rows. RG_ERR_NUMERIC: a matrix is not positive definite, a spectrum does not converge.
 * Waits. */
rg_status rgi_normal_uncertainty(rgi_normal *normal, const rgi_normal_spread *spread, rg_error *err);

#ifdef __cplusplus
}
#endif
#endif
