/* core/takes.h: takes (recordings) in packs, ready to be rolled out again and again with new
 * parameters.
 * Everything that does not depend on parameters (drives, recorded markers, masks, schedule) is laid
 * out once; rgi_takes_set writes a model's coefficients and starts; rgi_takes_run rolls out all
 * packs over OpenMP threads. Each pack's results are its own: sums over packs are the caller's, in
 * order, so that no result depends on the number of threads. */
#ifndef RGI_TAKES_H
#define RGI_TAKES_H

#include "core/mirror.h"
#include "core/packs.h"
#include "rodgrad/batch.h"
#include "rodgrad/rollout.h"

/* one number of a field */
typedef struct rgi_place {
    rg_field field;
    size_t entry;
    int component;
    double scale; /* d field / d parameter */
} rgi_place;

/* a direction of the tangents: the places that one parameter moves */
typedef struct rgi_direction {
    const rgi_place *places;
    size_t n_places;
} rgi_direction;

typedef struct rgi_takes rgi_takes;

typedef struct rgi_takes_opts {
    rg_rollout_opts rollout;
    int markers;           /* keep simulated markers */
    int markers_jvp;       /* keep their derivatives: Gauss-Newton products, tests */
    int fit;               /* recorded markers, loss, normal equations */
    size_t max_directions; /* of rgi_takes_set */
    double floor_m;        /* of the loss [m] */
    int block;             /* frames in a block of gradients */
    int adjoint;           /* keep states: rgi_takes_gradient may be called */
    size_t budget_bytes;   /* for them (plan.h) */
    size_t trace_bytes;    /* at most, for where steps end (rgi_takes_retrace); on the CPU, implicit stepper */
} rgi_takes_opts;

/* The recordings' arrays stay the caller's and must outlive the batch. RG_ERR_ARGUMENT, RG_ERR_SHAPE,
 * RG_ERR_VALUE, RG_ERR_MEMORY. */
rg_status rgi_takes_create(const rg_model *model, const rg_recording *recordings, size_t n, const rgi_takes_opts *opts,
                           rgi_takes **out, rg_error *err);
void rgi_takes_destroy(rgi_takes **batch);

/* Parameters and directions for the next run. model: of the shape the batch was made with. */
rg_status rgi_takes_set(rgi_takes *batch, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                        rg_error *err);
/* From the next rgi_takes_set on J^T W J of recording r, not the gradient, has its weights multiplied by factors[r]
 * (NULL: 1), and by `outer` as well where |r| is above the floor. Both are 1 at first. */
void rgi_takes_share(rgi_takes *batch, const double *factors, double outer);
/* RG_ERR_DEVICE: on a GPU only, as everywhere below */
rg_status rgi_takes_run(rgi_takes *batch, rg_error *err);

/* After a run without directions and rgi_takes_set of the same model with some: rgi_takes_run, to the same bits,
 * goes along the steps of the last run instead of solving them again, where it kept them. */
rg_status rgi_takes_retrace(rgi_takes *batch, rg_error *err);

/* After a run at `model`: adds to gradient [n_directions] the derivative of the loss's sum, by a reverse
 * run; with `product`, of direction 0 of the last run (markers_jvp) J^T W J instead. The directions are
 * those of `model` and need not be the run's. */
rg_status rgi_takes_gradient(rgi_takes *takes, const rg_model *model, const rgi_direction *directions,
                             size_t n_directions, int product, double *gradient, rg_error *err);
/* what is kept for it */
rg_batch_plan rgi_takes_describe(const rgi_takes *takes);

/* results of the last run */
void rgi_takes_status(const rgi_takes *batch, size_t recording, rg_rod_status *out);
/* simulated markers of one recording, [n_frames - 2][n_markers][3] from frame 2 */
void rgi_takes_markers(const rgi_takes *batch, size_t recording, double *out);
/* derivative in direction q, the same shape */
void rgi_takes_markers_jvp(const rgi_takes *batch, size_t recording, size_t q, double *out);
/* loss [m] and sum of |r| [m] of one recording */
void rgi_takes_loss(const rgi_takes *batch, size_t recording, double *loss, double *absolute);
/* sums over one recording of the loss's second derivative and of the weights that stand in for it
 * [1/m] */
void rgi_takes_curvature(const rgi_takes *batch, size_t recording, double *curvature, double *weight);
/* add every recording's J^T W J to normal [p][p] (both triangles), J^T w r to gradient [p] */
void rgi_takes_normal(const rgi_takes *batch, double *normal, double *gradient);
/* On the CPU, after a run with p directions and any number without: multiply each recording's J^T W J by factors [n],
 * and write their sum to normal [p][p]. */
void rgi_takes_reweigh(rgi_takes *takes, size_t p, const double *factors, double *normal);
/* add sum over clusters of g g^T to spread [p][p]: clusters are blocks of frames, or whole
 * recordings */
void rgi_takes_spread(const rgi_takes *batch, int whole, double *spread, double *scratch);
size_t rgi_takes_blocks(const rgi_takes *batch);
/* normal equations of runs with directions, where they are on a GPU (cuda/normal.h): instead of
 * rgi_takes_normal and rgi_takes_spread. NULL on the CPU. */
struct rgi_normal;
struct rgi_normal *rgi_takes_device_normal(const rgi_takes *batch);
/* the rods there; NULL on the CPU */
const rgi_mirror *rgi_takes_mirror(const rgi_takes *batch);
const rgi_shape *rgi_takes_shape(const rgi_takes *batch);

#endif
