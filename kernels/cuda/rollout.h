/* cuda/rollout.h: rollouts of rods on a device, as the host calls them. Plain C.
 *
 * A device array of rgi_pack, one rod each (W = 1), whose pointers are the device's: arrays of reals (float or double as
 * the kernels' kind) but for series and rows, which are doubles. A launch runs many steps of all rods, a team of threads
 * to a rod (real/real.h), with what a step works on in shared memory where it fits, else in `fast`. Launches are enqueued
 * on the device's stream and allocate nothing. */
#ifndef RGI_CUDA_ROLLOUT_H
#define RGI_CUDA_ROLLOUT_H

#include "../cpu/pack.h"
#include "device.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How rods go onto a GPU: decided once, by rgi_rollout_fit. */
typedef struct rgi_rollout_fit {
    size_t rods;
    size_t fast_reals; /* of a rod: the most that any of them works on */
    int teams;         /* rods to a block */
    int shared;        /* in shared memory, or 0: in `fast` */
    void *fast;        /* [rods][fast_reals], where shared is 0; the caller's */
} rgi_rollout_fit;

/* What differs from call to call of a batch: for all rods, pointers and series of rod 0, those of the others `rod`
 * numbers further. NULL: leave alone (starts), none (series). */
typedef struct rgi_rollout_call {
    const double *x0, *v0, *m0, *dx0, *dv0, *dturn0; /* rows of 3 vertices, 3 vertices, 3 edges, ..., edges numbers */
    int vertices;                                    /* of these rows: a rod may have fewer */
    int set_tangents;                                /* write dx0, dv0, dturn0: zero where NULL */
    int n_directions, bar, want_coef, want_start, growth_every;
    rgi_series drive_x, drive_m, force, out_x, out_v, out_m, out_markers;
    rgi_series ddrive_x, ddrive_turn, dforce, out_dx, out_dv, out_dturn, out_dmarkers;
    rgi_series x_bar, v_bar, turn_bar, markers_bar;
    rgi_series drive_x_bar, drive_turn_bar, force_bar, growth;
} rgi_rollout_call;

/* where a reverse run's start goes: rows as above, or NULL */
typedef struct rgi_rollout_starts {
    double *x0, *v0, *turn0;
    int vertices;
} rgi_rollout_starts;

/* one kind of real and one stepper */
typedef struct rgi_rollout_kernels {
    size_t real_bytes;
    size_t (*step_reals)(const rgi_pack *pack); /* of the fast part */
    size_t (*rest_reals)(const rgi_pack *pack); /* of pack->workspace */
    /* shared memory or not, teams to a block; fast stays NULL. RG_ERR_DEVICE */
    rg_status (*fit)(rgi_device *device, size_t rods, size_t fast_reals, rgi_rollout_fit *out, rg_error *err);
    rg_status (*point)(rgi_device *device, rgi_pack *packs, size_t rods, const rgi_rollout_call *call, rg_error *err);
    /* rods whose mask is not 0 start anew at the next run; mask [rods] on the device */
    rg_status (*reset)(rgi_device *device, const rgi_pack *packs, size_t rods, const unsigned char *mask,
                       rg_error *err);
    rg_status (*run)(rgi_device *device, const rgi_pack *packs, const rgi_rollout_fit *fit, int begin, int end,
                     rg_error *err);
    rg_status (*reverse)(rgi_device *device, const rgi_pack *packs, const rgi_rollout_fit *fit, rg_error *err);
    rg_status (*starts)(rgi_device *device, const rgi_pack *packs, size_t rods, const rgi_rollout_starts *to,
                        rg_error *err);
} rgi_rollout_kernels;

const rgi_rollout_kernels *rgi_rollout_implicit_float(void);
const rgi_rollout_kernels *rgi_rollout_implicit_double(void);
const rgi_rollout_kernels *rgi_rollout_deform_float(void);
const rgi_rollout_kernels *rgi_rollout_deform_double(void);

#ifdef __cplusplus
}
#endif
#endif
