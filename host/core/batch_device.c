/* core/batch_device.c: batches on a GPU (batch.h): the caller's arrays there, or copies of them.
 *
 * Every call makes one description of all arrays, for rod 0 with the distance to the next, which the device spreads
 * over its packs; then the rollout runs. Fields' tangents and gradients are turned into those of coefficients, and
 * back, on the host. */
#include "core/batch.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rod/layout.h"

/* the caller's arrays: what goes in and comes out, and derivatives of both. Tangents and gradients share, they are
 * never used at once; so do cotangents and tangents of outputs. */
/* clang-format off */
enum stage {
    X0, V0, M0, CLAMP_X, CLAMP_M, FORCE,
    OUT_X, OUT_V, OUT_M, OUT_MARKERS,
    D_X0, D_V0, D_TURN0, D_CLAMP_X, D_CLAMP_TURN, D_FORCE, GROWTH,
    D_OUT_X, D_OUT_V, D_OUT_TURN, D_OUT_MARKERS,
    STAGES
};
_Static_assert((int)STAGES == (int)RGI_BATCH_STAGES, "a stage for every array");

static const char *const names[STAGES] = {
    "x0", "v0", "m0", "clamp_x", "clamp_m", "force", "x", "v", "m", "markers",
    "x0's derivative", "v0's derivative", "turn0", "clamp_x's derivative", "clamp_turn",
    "force's derivative", "growth", "x's derivative", "v's derivative", "turn", "markers' derivative"};
/* clang-format on */

/* numbers of a rod in a step (or once, or in a frame) */
static size_t row_of(const rg_batch *b, enum stage which)
{
    switch (which) {
    case M0: return 3 * (b->vertices - 1);
    case CLAMP_X:
    case D_CLAMP_X: return 3 * b->clamped;
    case CLAMP_M: return 3 * b->held;
    case D_CLAMP_TURN: return b->held;
    case OUT_M: return 3 * (b->vertices - 1);
    case OUT_MARKERS:
    case D_OUT_MARKERS: return 3 * b->markers;
    case D_TURN0:
    case D_OUT_TURN: return b->vertices - 1;
    case GROWTH: return 1;
    default: return 3 * b->vertices;
    }
}

static size_t rows_of(const rg_batch *b, enum stage which)
{
    switch (which) {
    case X0:
    case V0:
    case M0:
    case D_X0:
    case D_V0:
    case D_TURN0: return 1;
    case CLAMP_X:
    case CLAMP_M:
    case FORCE:
    case D_CLAMP_X:
    case D_CLAMP_TURN:
    case D_FORCE: return b->steps;
    case GROWTH: return b->call.growth_every > 0 ? b->steps / (size_t)b->call.growth_every + 1 : 1;
    default: return b->opts.n_frames;
    }
}

/* rods that do not use all of their rows: what they leave alone must come back as it was */
static int has_gaps(const rg_batch *b) { return b->n_shapes > 1; }

/* Where array `which` is on the device: the caller's own, or its copy, filled with `bring`. NULL: none. */
static rg_status place(rg_batch *b, enum stage which, const double *array, int bring, double **out, rg_error *err)
{
    const size_t bytes = b->n_rods * rows_of(b, which) * row_of(b, which) * sizeof(double);
    rgi_stage *stage = &b->stages[which];
    *out = NULL;
    if (!array || bytes == 0) return RG_OK;
    const int owned = rgi_device_owns(b->device, array);
    if (b->opts.memory == RG_MEMORY_DEVICE) {
        if (owned != 1)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "%s is in %s, but the batch was created for arrays of %s's memory (RG_MEMORY_DEVICE)",
                           names[which], owned ? "another GPU's memory" : "the host's memory",
                           rg_context_backend(b->opts.rollout.context));
        *out = (double *)(uintptr_t)array;
        return RG_OK;
    }
    if (owned != 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s is in a GPU's memory, but the batch was created for arrays of the host's; create it with "
                       "memory = RG_MEMORY_DEVICE",
                       names[which]);
    if (stage->bytes < bytes) {
        rgi_device_free(b->device, stage->memory, stage->bytes);
        stage->memory = NULL;
        stage->bytes = 0;
        RG_TRY(rgi_device_allocate(b->device, bytes, names[which], &stage->memory, err));
        stage->bytes = bytes;
    }
    *out = stage->memory;
    return bring || has_gaps(b) ? rgi_device_upload(b->device, stage->memory, array, bytes, err) : RG_OK;
}

static rg_status place_series(rg_batch *b, enum stage which, const double *array, int bring, rgi_series *out,
                              rg_error *err)
{
    double *data = NULL;
    RG_TRY(place(b, which, array, bring, &data, err));
    out->data = data;
    out->rod = (ptrdiff_t)(rows_of(b, which) * row_of(b, which));
    out->step = (ptrdiff_t)row_of(b, which);
    out->item = 1;
    return RG_OK;
}

/* results back into the caller's arrays, where those are the host's */
static rg_status bring_back(rg_batch *b, enum stage which, double *array, rg_error *err)
{
    const size_t bytes = b->n_rods * rows_of(b, which) * row_of(b, which) * sizeof(double);
    if (!array || bytes == 0 || b->opts.memory == RG_MEMORY_DEVICE) return RG_OK;
    return rgi_device_download(b->device, array, b->stages[which].memory, bytes, err);
}

rg_status rgi_batch_device_create(rg_batch *b, rg_error *err)
{
    rgi_mirror_opts o;
    double any = 0.0;
    memset(&o, 0, sizeof o);
    o.choice = rgi_mirror_choice(&b->opts.rollout);
    o.rods = b->n_rods;
    o.memory = b->memory;
    o.memory_doubles = b->memory_doubles;
    o.most_entries = b->entries_apart;
    o.most = b->packs[0];
    for (size_t i = 1; i < b->n_rods; i++)
        if (b->packs[i].n > o.most.n) o.most = b->packs[i];
    o.most.n_directions = 1;
    o.most.force.data = o.most.ddrive_x.data = &any;
    const rgi_pack **packs = malloc(b->n_rods * sizeof *packs);
    if (!packs) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods", b->n_rods);
    for (size_t i = 0; i < b->n_rods; i++) packs[i] = &b->packs[i];
    o.packs = packs;
    rg_status status = rgi_mirror_create(b->device, &o, &b->mirror, err);
    free(packs);
    void *mask = NULL;
    if (status == RG_OK && b->opts.carry_on)
        status = rgi_device_allocate(b->device, b->n_rods, "a mask of rods", &mask, err);
    b->mask = mask;
    return status;
}

void rgi_batch_device_destroy(rg_batch *b)
{
    for (int i = 0; i < STAGES; i++) rgi_device_free(b->device, b->stages[i].memory, b->stages[i].bytes);
    rgi_device_free(b->device, b->mask, b->n_rods);
    if (b->mirror) rgi_mirror_destroy(&b->mirror);
}

rg_status rgi_batch_device_model(rg_batch *b, size_t rod, rg_error *err)
{
    const rgi_shape *s = rgi_batch_shape_of(b, rod);
    RG_TRY(rgi_mirror_send(b->mirror, b->packs[rod].coef, s->n * RGI_NC, err));
    return rgi_mirror_send(b->mirror, b->packs[rod].offset, 2 * s->n_markers, err);
}

rg_status rgi_batch_device_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    RG_TRY(rgi_device_upload(b->device, b->mask, mask, b->n_rods, err));
    return rgi_mirror_reset(b->mirror, b->mask, err);
}

/* host copies of fields [n_rods][numbers], in one block that the caller frees, or the fields themselves */
static rg_status fields_on_host(const rg_batch *b, const double *const *fields, const double **on_host, double **block,
                                int bring, rg_error *err)
{
    size_t count = 0;
    *block = NULL;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        on_host[field] = fields[field];
        if (fields[field]) count += b->n_rods * rgi_batch_numbers(b, field);
    }
    if (b->opts.memory == RG_MEMORY_HOST || count == 0) return RG_OK;
    *block = calloc(count, sizeof **block);
    if (!*block) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for derivatives of %zu rods", b->n_rods);
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = b->n_rods * rgi_batch_numbers(b, field);
        if (!fields[field]) continue;
        on_host[field] = *block + count;
        count += own;
        if (rgi_device_owns(b->device, fields[field]) != 1)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the array for field %s is not in %s's memory, as the batch's arrays are to be "
                           "(RG_MEMORY_DEVICE)",
                           rg_field_describe((rg_field)field)->name, rg_context_backend(b->opts.rollout.context));
        if (bring)
            RG_TRY(rgi_device_download(b->device, *block + count - own, fields[field], own * sizeof **block, err));
    }
    return rgi_device_wait(b->device, err);
}

static rg_status send_fields(rg_batch *b, const double *const *fields, rg_error *err)
{
    const double *on_host[RG_FIELD_COUNT];
    double *block = NULL;
    rg_status status = fields_on_host(b, fields, on_host, &block, 1, err);
    if (status == RG_OK) {
        rgi_batch_set_entries(b, on_host);
        status = rgi_mirror_entries(b->mirror, b->entry_begin, 1, b->entries, b->packs[0].entry_values,
                                    b->entries_apart, err);
    }
    free(block);
    return status;
}

rg_status rgi_batch_device_run(rg_batch *b, const rg_batch_inputs *in, const rg_batch_tangents *d,
                               const rg_batch_outputs *out, const rg_batch_tangent_outputs *d_out, int statuses,
                               rg_error *err)
{
    static const rg_batch_outputs no_outputs = {NULL, NULL, NULL, NULL};
    rgi_rollout_call *c = &b->call;
    double *x0, *v0, *m0, *dx0 = NULL, *dv0 = NULL, *dturn0 = NULL;
    if (!out) out = &no_outputs;
    b->ran = 0;
    memset(c, 0, sizeof *c);
    RG_TRY(place(b, X0, in->x0, 1, &x0, err));
    RG_TRY(place(b, V0, in->v0, 1, &v0, err));
    RG_TRY(place(b, M0, in->m0, 1, &m0, err));
    RG_TRY(place_series(b, CLAMP_X, in->clamp_x, 1, &c->drive_x, err));
    RG_TRY(place_series(b, CLAMP_M, in->clamp_m, 1, &c->drive_m, err));
    RG_TRY(place_series(b, FORCE, in->force, 1, &c->force, err));
    RG_TRY(place_series(b, OUT_X, out->x, 0, &c->out_x, err));
    RG_TRY(place_series(b, OUT_V, out->v, 0, &c->out_v, err));
    RG_TRY(place_series(b, OUT_M, out->m, 0, &c->out_m, err));
    RG_TRY(place_series(b, OUT_MARKERS, out->markers, 0, &c->out_markers, err));
    if (d) {
        RG_TRY(send_fields(b, d->fields, err));
        RG_TRY(place(b, D_X0, d->x0, 1, &dx0, err));
        RG_TRY(place(b, D_V0, d->v0, 1, &dv0, err));
        RG_TRY(place(b, D_TURN0, d->turn0, 1, &dturn0, err));
        RG_TRY(place_series(b, D_CLAMP_X, d->clamp_x, 1, &c->ddrive_x, err));
        RG_TRY(place_series(b, D_CLAMP_TURN, d->clamp_turn, 1, &c->ddrive_turn, err));
        RG_TRY(place_series(b, D_FORCE, d->force, 1, &c->dforce, err));
        RG_TRY(place_series(b, D_OUT_X, d_out->x, 0, &c->out_dx, err));
        RG_TRY(place_series(b, D_OUT_V, d_out->v, 0, &c->out_dv, err));
        RG_TRY(place_series(b, D_OUT_TURN, d_out->turn, 0, &c->out_dturn, err));
        RG_TRY(place_series(b, D_OUT_MARKERS, d_out->markers, 0, &c->out_dmarkers, err));
    }
    c->x0 = x0, c->v0 = v0, c->m0 = m0;
    c->dx0 = dx0, c->dv0 = dv0, c->dturn0 = dturn0;
    c->vertices = (int)b->vertices;
    c->set_tangents = c->n_directions = d != NULL;
    RG_TRY(rgi_mirror_point(b->mirror, c, err));
    RG_TRY(rgi_mirror_run(b->mirror, 0, (int)b->steps, err));
    RG_TRY(bring_back(b, OUT_X, out->x, err));
    RG_TRY(bring_back(b, OUT_V, out->v, err));
    RG_TRY(bring_back(b, OUT_M, out->m, err));
    RG_TRY(bring_back(b, OUT_MARKERS, out->markers, err));
    if (d) {
        RG_TRY(bring_back(b, D_OUT_X, d_out->x, err));
        RG_TRY(bring_back(b, D_OUT_V, d_out->v, err));
        RG_TRY(bring_back(b, D_OUT_TURN, d_out->turn, err));
        RG_TRY(bring_back(b, D_OUT_MARKERS, d_out->markers, err));
    }
    const size_t begin = b->section_end[RGI_BATCH_START];
    if (statuses) return rgi_mirror_fetch(b->mirror, b->memory + begin, b->section_end[RGI_BATCH_RUN] - begin, err);
    return b->opts.memory == RG_MEMORY_HOST ? rgi_device_wait(b->device, err) : RG_OK;
}

/* gradients of fields, by way of the host */
static rg_status give_fields(rg_batch *b, double *const *fields, rg_error *err)
{
    const double *on_host[RG_FIELD_COUNT];
    double *to[RG_FIELD_COUNT], *block = NULL;
    rg_status status = fields_on_host(b, (const double *const *)fields, on_host, &block, has_gaps(b), err);
    if (status == RG_OK) {
        for (int field = 0; field < RG_FIELD_COUNT; field++) to[field] = (double *)(uintptr_t)on_host[field];
        rgi_batch_give_fields(b, to);
    }
    for (int field = 0; field < RG_FIELD_COUNT && block && status == RG_OK; field++)
        if (fields[field])
            status = rgi_device_upload(b->device, fields[field], to[field],
                                       b->n_rods * rgi_batch_numbers(b, field) * sizeof **to, err);
    free(block);
    return status;
}

rg_status rgi_batch_device_adjoint(rg_batch *b, const rg_batch_cotangents *bar, const rg_batch_gradients *g,
                                   int statuses, rg_error *err)
{
    rgi_rollout_call *c = &b->call;
    rgi_rollout_starts starts = {NULL, NULL, NULL, (int)b->vertices};
    int fields = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) fields |= g->fields[field] != NULL;
    c->x0 = c->v0 = c->m0 = NULL;
    c->set_tangents = c->n_directions = 0;
    c->ddrive_x.data = c->ddrive_turn.data = c->dforce.data = NULL;
    c->bar = RGI_BAR_GIVEN;
    c->growth_every = (int)g->growth_every;
    c->want_coef = fields;
    c->want_start = g->x0 || g->v0 || g->turn0;
    RG_TRY(place_series(b, D_OUT_X, bar->x, 1, &c->x_bar, err));
    RG_TRY(place_series(b, D_OUT_V, bar->v, 1, &c->v_bar, err));
    RG_TRY(place_series(b, D_OUT_TURN, bar->turn, 1, &c->turn_bar, err));
    RG_TRY(place_series(b, D_OUT_MARKERS, bar->markers, 1, &c->markers_bar, err));
    RG_TRY(place_series(b, D_CLAMP_X, g->clamp_x, 0, &c->drive_x_bar, err));
    RG_TRY(place_series(b, D_CLAMP_TURN, g->clamp_turn, 0, &c->drive_turn_bar, err));
    RG_TRY(place_series(b, D_FORCE, g->force, 0, &c->force_bar, err));
    RG_TRY(place_series(b, GROWTH, g->growth, 0, &c->growth, err));
    RG_TRY(place(b, D_X0, g->x0, 0, &starts.x0, err));
    RG_TRY(place(b, D_V0, g->v0, 0, &starts.v0, err));
    RG_TRY(place(b, D_TURN0, g->turn0, 0, &starts.turn0, err));
    RG_TRY(rgi_mirror_point(b->mirror, c, err));
    RG_TRY(rgi_mirror_reverse(b->mirror, err));
    if (c->want_start) RG_TRY(rgi_mirror_starts(b->mirror, &starts, err));
    RG_TRY(bring_back(b, D_CLAMP_X, g->clamp_x, err));
    RG_TRY(bring_back(b, D_CLAMP_TURN, g->clamp_turn, err));
    RG_TRY(bring_back(b, D_FORCE, g->force, err));
    RG_TRY(bring_back(b, GROWTH, g->growth, err));
    RG_TRY(bring_back(b, D_X0, g->x0, err));
    RG_TRY(bring_back(b, D_V0, g->v0, err));
    RG_TRY(bring_back(b, D_TURN0, g->turn0, err));
    const size_t begin = b->section_end[RGI_BATCH_RUN];
    if (statuses || fields)
        RG_TRY(rgi_mirror_fetch(b->mirror, b->memory + begin, b->section_end[RGI_BATCH_REVERSE] - begin, err));
    if (fields) return give_fields(b, g->fields, err);
    return b->opts.memory == RG_MEMORY_HOST ? rgi_device_wait(b->device, err) : RG_OK;
}
