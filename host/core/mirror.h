/* core/mirror.h: packs of one rod each, on a device: copies of their arrays, and their runs there.
 *
 * The host's packs stay as they are; the device's point to its own copies. `memory` is copied in the real that the
 * device computes in, `drives` as doubles; workspace, kept and scratch states exist on the device only. Everything
 * is enqueued on the device's stream; fetching waits. In a build without CUDA no context has a device, and every
 * call returns RG_ERR_UNSUPPORTED. */
#ifndef RGI_MIRROR_H
#define RGI_MIRROR_H

#include "core/context.h"
#include "core/motion.h"
#include "cpu/pack.h"
#include "cuda/rollout.h"

typedef struct rgi_mirror rgi_mirror;

typedef struct rgi_mirror_opts {
    rgi_rollout_choice choice;
    const rgi_pack *const *packs; /* [rods], W = 1 */
    size_t rods;
    const double *memory, *drives; /* what the packs' arrays lie in */
    size_t memory_doubles, drives_doubles;
    size_t most_entries; /* coefficient changes of all directions, 0: grows when they are sent */
    rgi_pack most;       /* what sizes of workspaces hang on: the largest of every run */
    double *rows;        /* on the device (cuda/normal.h), or NULL */
    size_t rows_of_rod, rows_apart;
} rgi_mirror_opts;

rg_status rgi_mirror_create(rgi_device *device, const rgi_mirror_opts *opts, rgi_mirror **out, rg_error *err);
void rgi_mirror_destroy(rgi_mirror **mirror);
/* on the device */
size_t rgi_mirror_bytes(const rgi_mirror *mirror);
/* which kernels run, and how rods lie on the device */
const rgi_rollout *rgi_mirror_rollout(const rgi_mirror *mirror);
/* what options of a rollout choose */
rgi_rollout_choice rgi_mirror_choice(const rg_rollout_opts *opts);

/* count doubles of `memory` to the device, or from it */
rg_status rgi_mirror_send(rgi_mirror *mirror, const double *from, size_t count, rg_error *err);
rg_status rgi_mirror_fetch(rgi_mirror *mirror, double *to, size_t count, rg_error *err);

/* Directions: values [rods][apart], apart >= entry_begin[n_directions]. The packs must be sent after. */
rg_status rgi_mirror_entries(rgi_mirror *mirror, const int *entry_begin, int n_directions,
                             const rgi_pack_entry *entries, const double *values, size_t apart, rg_error *err);
/* the host's packs as they are now */
rg_status rgi_mirror_packs(rgi_mirror *mirror, const rgi_pack *const *packs, rg_error *err);
/* or what a call changes in all of them (cuda/rollout.h), arrays on the device */
rg_status rgi_mirror_point(rgi_mirror *mirror, const rgi_call *call, rg_error *err);

/* rods whose mask (on the device) is not 0 start anew */
rg_status rgi_mirror_reset(rgi_mirror *mirror, const unsigned char *mask, rg_error *err);
rg_status rgi_mirror_run(rgi_mirror *mirror, int begin, int end, rg_error *err);
rg_status rgi_mirror_reverse(rgi_mirror *mirror, rg_error *err);
rg_status rgi_mirror_starts(rgi_mirror *mirror, const rgi_call_starts *to, rg_error *err);

#endif
