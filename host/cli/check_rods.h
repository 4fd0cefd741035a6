/* cli/check_rods.h: what check runs: the rods of recordings as inputs of a batch (core/inputs.h), and those moved along
 * a direction. All rods run as long as the longest recording. */
#ifndef RGC_CHECK_RODS_H
#define RGC_CHECK_RODS_H

#include "rodgrad/batch.h"
#include "rodgrad/recording.h"

typedef struct rgc_rods {
    size_t n, frames, steps; /* rods; frame intervals and steps of the longest */
    size_t vertices, edges, markers, clamped_vertices, clamped_edges;
    int *clamped_edge; /* [clamped_edges]; owned, and the next one with it */
    int *clamp_place;  /* [clamped_edges] of the edge's first vertex among the clamped */
    size_t *ticks;     /* [n] frame intervals of each recording */
    rg_rollout_opts rollout;
    double dt_s;
    double *x0, *v0, *m0, *clamp_x, *clamp_m; /* shapes of rg_batch_inputs; one block, owned */
    double *force;                            /* NULL until a move makes one */
    size_t doubles;                           /* of the block */
    rg_model **models;                        /* [n] of each rod; owned */
} rgc_rods;

/* RG_ERR_SHAPE, RG_ERR_VALUE, RG_ERR_MEMORY; the recordings are copied. */
rg_status rgc_rods_create(const rg_model *model, const rg_recording *recordings, size_t n,
                          const rg_rollout_opts *rollout, rgc_rods **out, rg_error *err);
void rgc_rods_destroy(rgc_rods **rods);

rg_batch_inputs rgc_rods_inputs(const rgc_rods *rods);

/* A batch of the rods's rods with their models; of opts, rollout, dt_s and n_frames are the
 * rods's. As rg_batch_create. */
rg_status rgc_rods_batch(const rgc_rods *rods, const rg_batch_opts *opts, rg_batch **out, rg_error *err);

/* A copy moved by scale times a direction: directors follow their edges by parallel transport and
 * turn. RG_ERR_VALUE where a field leaves its range or an edge its direction, RG_ERR_MEMORY. */
rg_status rgc_rods_move(const rgc_rods *rods, const rg_batch_tangents *by, double scale, rgc_rods **out, rg_error *err);

#endif
