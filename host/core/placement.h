/* core/placement.h: which rods share a pack.
 *
 * A pack holds consecutive rods of one shape, as many as it has lanes; the lanes that are left over repeat its first
 * rod. */
#ifndef RGI_PLACEMENT_H
#define RGI_PLACEMENT_H

#include "core/motion.h"
#include "cpu/dispatch.h"
#include "rodgrad/rollout.h"

/* the models that rods are made from: one for all of them, or one each; the caller's */
typedef struct rgi_models {
    const rg_model *const *models;
    size_t n_rods;
    int each;
} rgi_models;

/* a mesh with its clamps, how many packs have it, and the first rod that has it */
typedef struct rgi_placed_shape {
    rgi_shape *shape;
    size_t packs, rod;
} rgi_placed_shape;

typedef struct rgi_place_of_pack {
    const rgi_shape *shape;
    size_t first; /* rod */
    size_t rods;
} rgi_place_of_pack;

typedef struct rgi_placement {
    const rg_context *context; /* whose memory it has */
    size_t lanes, n_rods, n_packs, n_shapes;
    rgi_placed_shape *shapes;                /* [n_shapes] each once; owned, as all here */
    size_t vertices, markers, clamped, held; /* the most that any rod has: of a row of a caller's arrays */
    rgi_place_of_pack *places;               /* [n_packs] */
    size_t *pack_of;                         /* [n_rods] */
} rgi_placement;

/* Every shape once, and how many packs there are; `out` is zero before. *cpu: the instructions of the options
 * (rgi_rollout_check); where the options name none, narrower ones with the same bits if the packs take less time so: a
 * single rod would leave all lanes but one empty. RG_ERR_ARGUMENT for a model that these options cannot run,
 * RG_ERR_MEMORY. */
rg_status rgi_placement_shapes(const rgi_models *models, const rg_rollout_opts *opts, const rgi_cpu **cpu,
                               rgi_placement *out, rg_error *err);
/* After that: which rods each pack holds. RG_ERR_MEMORY. */
rg_status rgi_placement_packs(const rgi_models *models, rgi_placement *out, rg_error *err);
void rgi_placement_clear(rgi_placement *placement);

/* the model has this mesh, these clamps and this measure of bending */
int rgi_shape_fits(const rgi_shape *shape, const rg_model *model);

static inline const rgi_shape *rgi_placed_shape_of(const rgi_placement *at, size_t rod)
{
    return at->places[at->pack_of[rod]].shape;
}

/* a rod's lane in its pack */
static inline size_t rgi_lane_of(const rgi_placement *at, size_t rod)
{
    return rod - at->places[at->pack_of[rod]].first;
}

#endif
