/* core/batch.h: what a batch (include/rodgrad/batch.h) holds. batch_create.c makes it, batch.c runs it. */
#ifndef RGI_BATCH_H
#define RGI_BATCH_H

#include <math.h>

#include "core/packs.h"
#include "rod/layout.h"

struct rg_batch {
    rg_batch_opts opts;
    rgi_packs packs;
    rg_model *model, **models; /* of all rods; of those that have their own [n_rods] */
    int ran;
};

/* A batch of models and options that are checked, whose rods have so many frames each; NULL: all n_frames. */
rg_status rgi_batch_create(const rgi_models *models, const rg_batch_opts *opts, const size_t *frames, rg_batch **out,
                           rg_error *err);

static inline const rgi_shape *rgi_batch_shape_of(const rg_batch *batch, size_t rod)
{
    return rgi_placed_shape_of(&batch->packs.at, rod);
}

static inline const rg_model *rgi_batch_model_of(const rg_batch *batch, size_t rod)
{
    return batch->models[rod] ? batch->models[rod] : batch->model;
}

/* Is m a unit vector across the edge from x to x + 3, to 1e-6? Within that it is used as it is: single precision rounds
 * to less, and strains are wrong by no more than this share. Any unit vector is across an edge that is not finite or
 * has no length; what is not finite is no unit vector. */
static inline int rgi_is_director(const double *x, const double *m)
{
    const double tolerance = 1e-6, d[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
    const double along = d[0] * m[0] + d[1] * m[1] + d[2] * m[2], e = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    if (!(fabs(m[0] * m[0] + m[1] * m[1] + m[2] * m[2] - 1.0) < tolerance)) return 0;
    return along * along < tolerance * tolerance * e || !(e > 1e-18) || !isfinite(e);
}

/* A run of these arrays, whose numbers are not looked at: a rod with a bad start fails. */
rg_status rgi_batch_run(rg_batch *batch, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err);
/* The packs of a batch on the CPU as a run of these arrays wants them, or a reverse run after it: without running. */
rg_status rgi_batch_point_run(rg_batch *batch, const rgi_batch_arrays *of, rg_error *err);
rg_status rgi_batch_point_reverse(rg_batch *batch, const rgi_batch_arrays *of, rg_error *err);

#endif
