/* core/batch.h: what a batch (include/rodgrad/batch.h) holds. batch_create.c makes it, batch.c runs it on
 * the CPU, batch_device.c on a GPU. */
#ifndef RGI_BATCH_H
#define RGI_BATCH_H

#include <math.h>

#include "core/mirror.h"
#include "core/packs.h"
#include "rod/layout.h"
#include "rodgrad/batch.h"

/* copies of the caller's arrays on a device: one for every start and series, of which some share another's */
enum {
#define RGI_STAGE(name, ...) RGI_STAGE_##name,
    RGI_PACK_STARTS_IN(RGI_STAGE) RGI_PACK_STARTS_OUT(RGI_STAGE) RGI_PACK_SERIES(RGI_STAGE) RGI_STAGES
#undef RGI_STAGE
};
typedef struct rgi_stage {
    void *memory;
    size_t bytes;
} rgi_stage;

/* a mesh with its clamps, and how many packs have it */
typedef struct rgi_batch_shape {
    rgi_shape *shape;
    size_t packs;
} rgi_batch_shape;

/* a pack holds consecutive rods of one shape */
typedef struct rgi_batch_place {
    const rgi_shape *shape;
    size_t first; /* rod */
} rgi_batch_place;

struct rg_batch {
    rg_batch_opts opts;
    const rgi_cpu *cpu;
    rgi_batch_shape *shapes; /* [n_shapes] each once */
    size_t n_shapes;
    size_t vertices, markers, clamped, held; /* of a row of the caller's arrays: V, M, C, D */
    rgi_plan plan;
    rg_model *model, **models; /* of all rods; of those that have their own [n_rods] */
    size_t n_rods, n_packs, lanes, steps;
    int threads, ran;
    rgi_pack *packs;
    rgi_batch_place *places; /* [n_packs] */
    size_t *pack_of;         /* [n_rods] */
    double *memory;          /* all packs' */
    size_t memory_doubles, section_end[RGI_SECTIONS], changes_apart;
    rgi_device *device; /* NULL: the CPU; and what there is of the batch */
    rgi_mirror *mirror;
    rgi_call call; /* the last, with the caller's arrays or, on a device, the copies of them */
    rgi_stage stages[RGI_STAGES];
    unsigned char *mask;    /* [n_rods] on the device, with carry_on */
    double *threads_memory; /* [threads][work_doubles + pool_doubles] */
    size_t work_doubles, pool_doubles;
    rgi_pack_entry *entries; /* of the direction of rg_batch_jvp */
    int entry_begin[2];
    double *stable_step_s; /* [n_rods] as in rg_rod_status */
    double *coef;          /* [n][RGI_NC], [n][3] scratch */
};

static inline const rgi_shape *rgi_batch_shape_of(const rg_batch *batch, size_t rod)
{
    return batch->places[batch->pack_of[rod]].shape;
}

static inline const rg_model *rgi_batch_model_of(const rg_batch *batch, size_t rod)
{
    return batch->models[rod] ? batch->models[rod] : batch->model;
}

static inline size_t rgi_batch_model_numbers(const rg_model *model, int field)
{
    return rg_model_field_entries(model, (rg_field)field) * (size_t)rg_field_describe((rg_field)field)->components;
}

/* places of changes of coefficients and offsets: those of the largest rod, for all */
static inline size_t rgi_batch_change_places(const rg_batch *batch)
{
    return batch->vertices * RGI_NC + 2 * batch->markers;
}

/* numbers of a field in a row of the caller's arrays */
size_t rgi_batch_numbers(const rg_batch *batch, int field);
/* the direction in fields (host arrays) as changes of coefficients */
void rgi_batch_set_entries(rg_batch *batch, const double *const *fields);
/* gradients of fields (host arrays) from those of coefficients */
void rgi_batch_give_fields(const rg_batch *batch, double *const *fields);

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

/* the caller's arrays in a call; a NULL pointer: the call has no such struct */
typedef struct rgi_batch_arrays {
    const rg_batch_inputs *inputs;
    const rg_batch_outputs *outputs;
    const rg_batch_tangents *tangents;
    const rg_batch_tangent_outputs *tangent_outputs;
    const rg_batch_cotangents *cotangents;
    const rg_batch_gradients *gradients;
} rgi_batch_arrays;

/* All packs of a batch on the CPU as a run of these arrays wants them, forward and, with tangents, along them, or a
 * reverse run after it: without running. */
void rgi_batch_point_run(rg_batch *batch, const rgi_batch_arrays *of);
void rgi_batch_point_reverse(rg_batch *batch, const rgi_batch_arrays *of);

/* the batch on its device (batch_device.c), its call being described; statuses are fetched into the host's packs where
 * asked for */
rg_status rgi_batch_device_create(rg_batch *batch, rg_error *err);
void rgi_batch_device_destroy(rg_batch *batch);
rg_status rgi_batch_device_model(rg_batch *batch, size_t rod, rg_error *err);
rg_status rgi_batch_device_run(rg_batch *batch, const rgi_batch_arrays *of, int statuses, rg_error *err);
rg_status rgi_batch_device_adjoint(rg_batch *batch, const rgi_batch_arrays *of, int statuses, rg_error *err);
rg_status rgi_batch_device_reset(rg_batch *batch, const unsigned char *mask, rg_error *err);

/* the rods on a GPU; NULL on the CPU */
static inline const rgi_mirror *rgi_batch_mirror(const rg_batch *batch) { return batch->mirror; }

#endif
