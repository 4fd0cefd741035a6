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
    rgi_batch_fields fields; /* of the last run; its fields are the caller's, or copies of floats */
    /* copies of fields of the host's floats: of the last run's inputs, which its adjoint reads again, and of tangents
     * or gradients */
    struct rgi_numbers {
        double *of; /* [room] */
        size_t room;
    } input_numbers, other_numbers;
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

/* half the distance of floats next to each other, relative: what rounding to one moves a number by, at most */
#define RGI_FLOAT_ROUNDING 0x1p-24
/* the largest share of an edge that rounding of its ends to floats may be */
#define RGI_FLOAT_SHARE 0.01

/* The share of the edge from x to x + 3, in length or as an angle [rad], that rounding its ends to floats moves it by,
 * at most: u(|x| + |x'|)/|e|, u of RGI_FLOAT_ROUNDING, since each number moves by u times itself. NaN or infinite for
 * an edge that is not finite or has no length. */
static inline double rgi_float_share(const double *x)
{
    const double d[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
    const double ends = sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) + sqrt(x[3] * x[3] + x[4] * x[4] + x[5] * x[5]);
    return RGI_FLOAT_ROUNDING * ends / sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
}

/* Is m a unit vector across the edge from x to x + 3, to 1e-6? Within that it is used as it is: single precision rounds
 * to less, and strains are wrong by no more than this share. Any unit vector is across an edge that is not finite or
 * has no length; what is not finite is no unit vector.
 *
 * single: x and m were rounded to floats, and may be off by as much more as that can be. With m + dm of |dm| <= u and
 * e + de of |de| <= u(|x| + |x'|), of a director m of its edge e, to first order
 *   | |m + dm|^2 - 1 | <= 1e-6 + 2u,   |(e + de).(m + dm)|/|e| <= 1e-6 + u + |de|/|e|,
 * with a share of u for the rest. Such a director is used as it is, too: those of free edges are made perpendicular
 * when a step moves them, bending strains see no part of a director along its edge, since kb is across it, and twist is
 * off by that part times the angle between edges, which is what rounding of the positions does to it anyway. */
static inline int rgi_is_director(const double *x, const double *m, int single)
{
    const double d[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
    const double along = d[0] * m[0] + d[1] * m[1] + d[2] * m[2], e = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
    double unit = 1e-6, across = 1e-6;
    if (single) {
        unit += 3.0 * RGI_FLOAT_ROUNDING;
        across += 2.0 * RGI_FLOAT_ROUNDING + fmin(rgi_float_share(x), RGI_FLOAT_SHARE);
    }
    if (!(fabs(m[0] * m[0] + m[1] * m[1] + m[2] * m[2] - 1.0) < unit)) return 0;
    return along * along < across * across * e || !(e > 1e-18) || !isfinite(e);
}

/* count numbers of the caller's from number `at` on as doubles: where they are, or in room [count] */
static inline const double *rgi_numbers_at(const void *array, int single, size_t at, size_t count, double *room)
{
    if (!single) return (const double *)array + at;
    for (size_t i = 0; i < count; i++) room[i] = rgi_number_get(array, 1, (ptrdiff_t)(at + i));
    return room;
}

/* what the host does rod by rod, whose results are each rod's own (fields.c) */
void rgi_batch_run_jobs(const rg_batch *batch, size_t jobs, size_t at_a_time, rgi_job job, void *arg);

/* the models that were set since the packs' last run, to the packs (fields.c) */
rg_status rgi_tape_set_models(rg_tape *tape, rg_error *err);
/* Parameters of a run: fields of its inputs, or the models'. RG_ERR_VALUE for one out of its range, which is looked at
 * where arrays are the host's. */
rg_status rgi_tape_set_parameters(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);
/* the tangents' n directions in fields of a run, whose parameters are set, as changes of coefficients */
rg_status rgi_tape_set_directions(rg_tape *tape, const rgi_batch_arrays *of, int n, rg_error *err);
/* Gradients of fields, from those of coefficients after a reverse run: they are the host's when its results are;
 * then, of a call with floats, into the caller's arrays. */
rg_status rgi_tape_pull_back_fields(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);
void rgi_tape_give_fields(const rg_tape *tape, const rgi_batch_arrays *of);

/* the caller's structs of a call, by name: those of batch.h or, where single is 1, of batch_float.h; NULL: none */
typedef struct rgi_given {
    const void *rg_batch_inputs, *rg_batch_outputs, *rg_batch_tangents, *rg_batch_tangent_outputs;
    const void *rg_batch_cotangents, *rg_batch_gradients;
    int single;
} rgi_given;
/* the calls of batch.h and batch_float.h */
rg_status rgi_tape_forward(rg_tape *tape, const rgi_given *given, rg_rod_status *statuses, rg_error *err);
rg_status rgi_tape_jvp(rg_tape *tape, const rgi_given *given, rg_rod_status *statuses, rg_error *err);
rg_status rgi_tape_adjoint(rg_tape *tape, const rgi_given *given, rg_adjoint_status *statuses, rg_error *err);
rg_status rgi_batch_carry_directors(const rg_batch *batch, const void *m0, const void *x0, const void *clamp_x,
                                    int single, void *clamp_m, rg_error *err);

/* A run of these arrays, whose numbers are not looked at: a rod with a bad start fails. */
rg_status rgi_tape_run(rg_tape *tape, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err);
/* The packs of a tape as a run of these arrays wants them, or a reverse run after it: without running. */
rg_status rgi_tape_point_run(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);
rg_status rgi_tape_point_reverse(rg_tape *tape, const rgi_batch_arrays *of, rg_error *err);

#endif
