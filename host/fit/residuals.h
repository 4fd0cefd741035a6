/* fit/residuals.h: a fit's residuals, simulated markers less recorded ones, over packs of recordings that are rolled
 * out again and again with new parameters: their loss, its normal equations, and its gradient.
 *
 * What does not depend on parameters (drives, recorded markers, masks, mesh) is laid out once. Sums over recordings are
 * made in order, so that no result depends on the number of threads. Functions that are not const are of one thread at
 * a time. RG_ERR_DEVICE: on a GPU only. */
#ifndef RGI_RESIDUALS_H
#define RGI_RESIDUALS_H

#include "core/inputs.h"
#include "core/packs.h"

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

typedef struct rgi_residuals rgi_residuals;

typedef struct rgi_residuals_opts {
    rg_rollout_opts rollout;
    int markers;           /* keep simulated markers */
    int markers_jvp;       /* keep their derivatives: Gauss-Newton products, tests */
    int fit;               /* recorded markers, loss, normal equations */
    size_t max_directions; /* of rgi_residuals_set */
    double floor_m;        /* of the loss [m] */
    int block;             /* frames in a block of gradients */
    int adjoint;           /* keep states: rgi_residuals_gradient may be called */
    size_t budget_bytes;   /* for them (plan.h) */
    size_t trace_bytes;    /* at most, for where steps end (rgi_residuals_retrace); on the CPU, implicit stepper */
} rgi_residuals_opts;

/* The recordings' arrays stay the caller's and must outlive it. RG_ERR_ARGUMENT, RG_ERR_SHAPE, RG_ERR_VALUE,
 * RG_ERR_MEMORY. */
rg_status rgi_residuals_create(const rg_model *model, const rg_recording *recordings, size_t n,
                               const rgi_residuals_opts *opts, rgi_residuals **out, rg_error *err);
void rgi_residuals_destroy(rgi_residuals **residuals);

/* Parameters and directions for the next run. model: of the shape it was made with. */
rg_status rgi_residuals_set(rgi_residuals *residuals, const rg_model *model, const rgi_direction *directions,
                            size_t n_directions, rg_error *err);
/* From the next rgi_residuals_set on J^T W J of recording r, not the gradient, has its weights multiplied by factors[r]
 * (NULL: 1), and by `outer` as well where |r| is above the floor. Both are 1 at first. */
void rgi_residuals_share(rgi_residuals *residuals, const double *factors, double outer);
rg_status rgi_residuals_run(rgi_residuals *residuals, rg_error *err);

/* After a run without directions and rgi_residuals_set of the same model with some: rgi_residuals_run, to the same
 * bits, goes along the steps of the last run instead of solving them again, where it kept them. */
rg_status rgi_residuals_retrace(rgi_residuals *residuals, rg_error *err);

/* After a run at the model of rgi_residuals_set: adds to gradient [n_directions] the derivative of the loss's sum, by a
 * reverse run; with `product`, of direction 0 of the last run (markers_jvp) J^T W J instead. The directions need not be
 * the run's. */
rg_status rgi_residuals_gradient(rgi_residuals *residuals, const rgi_direction *directions, size_t n_directions,
                                 int product, double *gradient, rg_error *err);
/* what is kept for it */
rg_batch_plan rgi_residuals_describe(const rgi_residuals *residuals);

/* results of the last run */
void rgi_residuals_status(const rgi_residuals *residuals, size_t recording, rg_rod_status *out);
/* simulated markers of one recording, [n_frames - 2][n_markers][3] from frame 2 */
void rgi_residuals_markers(const rgi_residuals *residuals, size_t recording, double *out);
/* derivative in direction q, the same shape */
void rgi_residuals_markers_jvp(const rgi_residuals *residuals, size_t recording, size_t q, double *out);
/* loss [m] and sum of |r| [m] of one recording */
void rgi_residuals_loss(const rgi_residuals *residuals, size_t recording, double *loss, double *absolute);
/* sums over one recording of the loss's second derivative and of the weights that stand in for it
 * [1/m] */
void rgi_residuals_curvature(const rgi_residuals *residuals, size_t recording, double *curvature, double *weight);
/* add every recording's J^T W J to normal [p][p] (both triangles), J^T w r to gradient [p] */
void rgi_residuals_normal(const rgi_residuals *residuals, double *normal, double *gradient);
/* On the CPU, after a run with p directions and any number without: multiply each recording's J^T W J by factors [n],
 * and write their sum to normal [p][p]. */
void rgi_residuals_reweigh(rgi_residuals *residuals, size_t p, const double *factors, double *normal);
/* add sum over clusters of g g^T to spread [p][p]: clusters are blocks of frames, or whole
 * recordings */
void rgi_residuals_spread(const rgi_residuals *residuals, int whole, double *spread, double *scratch);
size_t rgi_residuals_blocks(const rgi_residuals *residuals);
/* Normal equations of runs with directions, where they are on a GPU (cuda/normal.h): instead of rgi_residuals_normal
 * and rgi_residuals_spread. NULL on the CPU. */
struct rgi_normal;
struct rgi_normal *rgi_residuals_device_normal(const rgi_residuals *residuals);
const rgi_packs *rgi_residuals_packs(const rgi_residuals *residuals);
const rgi_shape *rgi_residuals_shape(const rgi_residuals *residuals);

#endif
