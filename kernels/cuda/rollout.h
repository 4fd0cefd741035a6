/* cuda/rollout.h: rollouts of rods on a device, as the host calls them.
 *
 * A device array of rgi_device_pack, one rod each (W = 1), whose pointers are the device's: arrays of reals (float or
 * double as the kernels' kind) but for series and rows, which are doubles. A launch runs many steps of all rods, a team
 * of threads to a rod (real/real.h), with what a step works on in shared memory where it fits, else in `fast`. Launches
 * are enqueued on the device's stream and allocate nothing. */
#ifndef RGI_CUDA_ROLLOUT_H
#define RGI_CUDA_ROLLOUT_H

#include "device.h"
#include "rollout_call.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Which kernels: 0 stands for what is best on the whole. Results depend on `team`, whose width orders sums, on nothing
 * else of these. */
typedef struct rgi_rollout_choice {
    int deform, single; /* the stepper; in float */
    int team;           /* threads to a rod: 4, 8, 16 or 32 */
    int registers;      /* cap for a thread */
    int block_rods;     /* rods to a block, at most */
} rgi_rollout_choice;

/* sizes that the host needs, of one kind of real and one stepper (rollout_sizes.h) */
typedef struct rgi_rollout_sizes {
    size_t real_bytes, run_bytes;
    size_t (*step_reals)(const rgi_pack *pack);           /* of the fast part */
    size_t (*rest_reals)(const rgi_pack *pack, int team); /* of pack->workspace */
} rgi_rollout_sizes;

/* Kernels on a device, and how rods go onto it. */
typedef struct rgi_rollout {
    rgi_device *device;
    const rgi_rollout_sizes *sizes;
    int team, registers; /* chosen */
    int most_teams;      /* rods to a block, at most */
    rgi_kernel run, reverse, point, reset, starts, statuses;
    /* by rgi_rollout_place */
    size_t rods, fast_reals; /* of a rod: the most that any of them works on */
    int teams;               /* rods to a block */
    int resident;            /* rods on a multiprocessor at a time */
    int shared;              /* what a step works on is in shared memory; or 0: in `fast` */
    void *fast;              /* [rods][fast_reals], where shared is 0; the caller's */
} rgi_rollout;

/* The kernels for rods of up to so many vertices. RG_ERR_UNSUPPORTED: there are none of that choice for this GPU;
 * RG_ERR_ARGUMENT: nor can there be; RG_ERR_DEVICE */
rg_status rgi_rollout_open(rgi_device *device, const rgi_rollout_choice *choice, int vertices, rgi_rollout *out,
                           rg_error *err);
/* Shared memory or not, and how many rods to a block; fast stays NULL. RG_ERR_DEVICE */
rg_status rgi_rollout_place(rgi_rollout *r, size_t rods, size_t fast_reals, rg_error *err);

/* RG_ERR_DEVICE, all of them */
rg_status rgi_rollout_point(const rgi_rollout *r, rgi_device_pack *packs, const rgi_call *call, rg_error *err);
/* numbers of the rods' statuses (RGI_STATUS_PLACES) to an array of the device; single: of floats */
rg_status rgi_rollout_statuses(const rgi_rollout *r, const rgi_device_pack *packs, int single, void *to, rg_error *err);
/* rods whose mask is not 0 start anew at the next run; mask [rods] on the device */
rg_status rgi_rollout_reset(const rgi_rollout *r, const rgi_device_pack *packs, const unsigned char *mask,
                            rg_error *err);
rg_status rgi_rollout_run(const rgi_rollout *r, const rgi_device_pack *packs, int begin, int end, rg_error *err);
rg_status rgi_rollout_reverse(const rgi_rollout *r, const rgi_device_pack *packs, rg_error *err);
rg_status rgi_rollout_starts_of(const rgi_rollout *r, const rgi_device_pack *packs, const rgi_call_starts *to,
                                rg_error *err);

extern const rgi_rollout_sizes rgi_sizes_implicit_float, rgi_sizes_implicit_double, rgi_sizes_deform_float,
    rgi_sizes_deform_double;

#ifdef __cplusplus
}
#endif
#endif
