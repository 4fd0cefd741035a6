/* core/batch.h: what a batch and a tape (include/rodgrad/batch.h) hold. batch_create.c makes them, batch.c runs them.
 */
#ifndef RGI_BATCH_H
#define RGI_BATCH_H

#include <math.h>

#include "core/jobs.h"
#include "core/packs.h"

struct rg_batch {
    rg_batch_opts opts;
    const rgi_cpu *cpu;
    rgi_placement at;
    rg_model *model, **models; /* of all rods; of those that have their own [n_rods] */
    size_t version, *changed;  /* counts rg_batch_set_model, from 1; [n_rods] of each rod's last one */
    rg_tape *own;              /* that rg_batch_forward and its like use */
};

struct rg_tape {
    const rg_batch *batch;
    rgi_packs packs;
    size_t version;          /* of the batch's models that the packs have; 0: they have fields of a run */
    size_t ran;              /* of the batch's models at the last run; 0: there is none */
    rgi_batch_fields fields; /* of the last run; its fields are the caller's */
};

/* A batch of models and options that are checked, whose rods have so many frames each; NULL: all n_frames. */
rg_status rgi_batch_create(const rgi_models *models, const rg_batch_opts *opts, const size_t *frames, rg_batch **out,
                           rg_error *err);

static inline const rgi_shape *rgi_batch_shape_of(const rg_batch *batch, size_t rod)
{
    return rgi_placed_shape_of(&batch->at, rod);
}

static inline const rg_model *rgi_batch_model_of(const rg_batch *batch, size_t rod)
{
    return batch->models[rod] ? batch->models[rod] : batch->model;
}

static inline size_t rgi_batch_steps(const rg_batch *batch)
{
    return batch->opts.n_frames * (size_t)batch->opts.rollout.substeps;
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

/* what the host does rod by rod, whose results are each rod's own (fields.c) */
void rgi_batch_run_jobs(const rg_batch *batch, size_t jobs, size_t at_a_time, rgi_job job, void *arg);

/* the models that were set since the packs' last run, to the packs (fields.c) */
rg_status rgi_tape_set_models(rg_tape *tape, rg_error *err);
/* Parameters of a run: fields [RG_FIELD_COUNT] of its inputs, NULL: the models'. RG_ERR_VALUE for one out of its range,
 * which is looked at where arrays are the host's. */
rg_status rgi_tape_set_parameters(rg_tape *tape, const double *const *fields, rg_error *err);
/* n directions in fields of a run, whose parameters are set, as changes of coefficients: along [RG_FIELD_COUNT] as in
 * rgi_direction_fields_of */
rg_status rgi_tape_set_directions(rg_tape *tape, const double *const *along, int n, rg_error *err);
/* gradients of fields [RG_FIELD_COUNT], NULL: not asked for, from those of coefficients after a reverse run */
rg_status rgi_tape_give_fields(rg_tape *tape, double *const *fields, rg_error *err);

/* A run of these arrays, whose numbers are not looked at: a rod with a bad start fails. */
rg_status rgi_tape_run(rg_tape *tape, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err);
/* The packs of a tape as a run of these arrays wants them, or a reverse run after it: without running. */
rg_status rgi_tape_point_run(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);
rg_status rgi_tape_point_reverse(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);

#endif
