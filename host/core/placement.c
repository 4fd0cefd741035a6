/* core/placement.c: see placement.h. */
#include "core/placement.h"

#include <string.h>

#include "core/jobs.h"
#include "core/memory.h"
#include "core/rollout_opts.h"

static const rg_model *listed(const rgi_models *list, size_t rod) { return list->models[list->each ? rod : 0]; }

int rgi_shape_fits(const rgi_shape *s, const rg_model *model)
{
    const int *clamps = NULL, *at = rg_model_marker_vertices(model);
    const int normalised = rg_model_bend_measure(model) == RG_BEND_NORMALISED;
    if (normalised != s->normalised || rg_model_vertices(model) != s->n || rg_model_markers(model) != s->n_markers ||
        rg_model_clamps(model, &clamps) != s->n_fixed_x ||
        memcmp(at, s->marker_vertices, s->n_markers * sizeof *at) != 0)
        return 0;
    for (size_t k = 0; k < s->n_fixed_x; k++)
        if (at[clamps[k]] != s->fixed_x[k]) return 0;
    return 1;
}

/* the rod behind the last of those that have shape s, from rod `first` on */
static size_t run_end(const rgi_models *list, const rgi_shape *s, size_t first)
{
    size_t end = list->each ? first + 1 : list->n_rods;
    while (end < list->n_rods && rgi_shape_fits(s, listed(list, end))) end++;
    return end;
}

static rgi_placed_shape *find_shape(const rgi_placement *at, const rg_model *model)
{
    for (size_t k = at->n_shapes; k-- > 0;)
        if (rgi_shape_fits(at->shapes[k].shape, model)) return &at->shapes[k];
    return NULL;
}

static rg_status add_shape(rgi_placement *at, const rg_model *model, rgi_placed_shape **out, rg_error *err)
{
    rgi_placed_shape *more = rgi_calloc(at->context, at->n_shapes + 1, sizeof *more);
    if (!more) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the meshes of the rods");
    if (at->n_shapes) memcpy(more, at->shapes, at->n_shapes * sizeof *more);
    rgi_free(at->context, at->shapes);
    at->shapes = more;
    *out = &more[at->n_shapes];
    RG_TRY(rgi_shape_create(at->context, model, &(*out)->shape, err));
    at->n_shapes++;
    const rgi_shape *s = (*out)->shape;
    if (s->n > at->vertices) at->vertices = s->n;
    if (s->n_markers > at->markers) at->markers = s->n_markers;
    if (s->n_fixed_x > at->clamped) at->clamped = s->n_fixed_x;
    if (s->n_fixed_theta > at->held) at->held = s->n_fixed_theta;
    return RG_OK;
}

static rg_status make_shapes(const rgi_models *list, const rg_rollout_opts *opts, rgi_placement *at, rg_error *err)
{
    for (size_t first = 0, end; first < list->n_rods; first = end) {
        rgi_placed_shape *s = find_shape(at, listed(list, first));
        if (!s) {
            RG_TRY(rgi_rollout_check_model(opts, listed(list, first), err));
            RG_TRY(add_shape(at, listed(list, first), &s, err));
            s->rod = first;
        }
        end = run_end(list, s->shape, first);
        const size_t packs = (end - first - 1) / at->lanes + 1;
        s->packs += packs;
        at->n_packs += packs;
    }
    return RG_OK;
}

/* packs of so many lanes that the rods make */
static size_t count_packs(const rgi_models *list, const rgi_placement *at, size_t lanes)
{
    size_t packs = 0;
    for (size_t first = 0, end; first < list->n_rods; first = end) {
        end = run_end(list, find_shape(at, listed(list, first))->shape, first);
        packs += (end - first - 1) / lanes + 1;
    }
    return packs;
}

rg_status rgi_placement_shapes(const rgi_models *list, const rg_rollout_opts *opts, const rgi_cpu **cpu,
                               rgi_placement *at, rg_error *err)
{
    at->context = opts->context;
    at->lanes = (size_t)(*cpu)->lanes;
    at->n_rods = list->n_rods;
    RG_TRY(make_shapes(list, opts, at, err));
    const size_t threads = rgi_workers(opts);
    double least = (double)((at->n_packs - 1) / threads + 1) * (*cpu)->pack_time;
    for (const rgi_cpu *c = opts->isa ? NULL : rgi_cpu_next(*cpu); c; c = rgi_cpu_next(c)) {
        const size_t packs = count_packs(list, at, (size_t)c->lanes);
        const double time = (double)((packs - 1) / threads + 1) * c->pack_time;
        if (!(time < least)) continue;
        least = time;
        *cpu = c;
    }
    if ((size_t)(*cpu)->lanes == at->lanes) return RG_OK;
    rgi_placement_clear(at);
    at->context = opts->context;
    at->lanes = (size_t)(*cpu)->lanes;
    at->n_rods = list->n_rods;
    return make_shapes(list, opts, at, err);
}

rg_status rgi_placement_packs(const rgi_models *list, rgi_placement *at, rg_error *err)
{
    at->places = rgi_calloc(at->context, at->n_packs, sizeof *at->places);
    at->pack_of = rgi_calloc(at->context, at->n_rods, sizeof *at->pack_of);
    if (!at->places || !at->pack_of) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods", at->n_rods);
    size_t index = 0;
    for (size_t first = 0, end; first < list->n_rods; first = end) {
        const rgi_shape *s = find_shape(at, listed(list, first))->shape;
        end = run_end(list, s, first);
        for (size_t rod = first; rod < end; rod += at->lanes, index++) {
            const size_t rods = end - rod < at->lanes ? end - rod : at->lanes;
            at->places[index] = (rgi_place_of_pack){s, rod, rods};
            for (size_t lane = 0; lane < rods; lane++) at->pack_of[rod + lane] = index;
        }
    }
    return RG_OK;
}

void rgi_placement_clear(rgi_placement *at)
{
    for (size_t k = 0; k < at->n_shapes; k++) rgi_shape_destroy(&at->shapes[k].shape);
    rgi_free(at->context, at->shapes);
    rgi_free(at->context, at->places);
    rgi_free(at->context, at->pack_of);
    memset(at, 0, sizeof *at);
}
