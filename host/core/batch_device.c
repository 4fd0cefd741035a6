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

/* rods that do not use all of their rows: what they leave alone must come back as it was */
static int has_gaps(const rg_batch *b) { return b->n_shapes > 1; }

/* Where an array of so many numbers a rod is on the device: *copy, filled with `bring`, or NULL where the caller has it
 * there. label: its name for messages. */
static rg_status place(rg_batch *b, int which, const char *label, const void *array, size_t numbers, int bring,
                       void **copy, rg_error *err)
{
    const size_t bytes = b->n_rods * numbers * sizeof(double);
    rgi_stage *stage = &b->stages[which];
    *copy = NULL;
    if (!array || bytes == 0) return RG_OK;
    const int owned = rgi_device_owns(b->device, array);
    if (b->opts.memory == RG_MEMORY_DEVICE) {
        if (owned == 1) return RG_OK;
        return RG_FAIL(
            err, RG_ERR_ARGUMENT, "%s is in %s, but the batch was created for arrays of %s's memory (RG_MEMORY_DEVICE)",
            label, owned ? "another GPU's memory" : "the host's memory", rg_context_backend(b->opts.rollout.context));
    }
    if (owned != 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s is in a GPU's memory, but the batch was created for arrays of the host's; create it with "
                       "memory = RG_MEMORY_DEVICE",
                       label);
    if (stage->bytes < bytes) {
        rgi_device_free(b->device, stage->memory, stage->bytes);
        stage->memory = NULL;
        stage->bytes = 0;
        RG_TRY(rgi_device_allocate(b->device, bytes, label, &stage->memory, err));
        stage->bytes = bytes;
    }
    *copy = stage->memory;
    return bring || has_gaps(b) ? rgi_device_upload(b->device, stage->memory, array, bytes, err) : RG_OK;
}

static int is_input(int source)
{
    return source == RGI_OF_inputs || source == RGI_OF_tangents || source == RGI_OF_cotangents;
}

/* the call's arrays, as described, to those on the device */
static rg_status place_all(rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_call *c = &b->call;
    void *copy = NULL;
#define START(name, per, less, source, member, stage)                                                                  \
    if (of->source) {                                                                                                  \
        RG_TRY(                                                                                                        \
            place(b, RGI_STAGE_##stage, #source "." #member, c->name, (per) * (b->vertices - (less)), 1, &copy, err)); \
        if (copy) c->name = copy;                                                                                      \
    }
    RGI_PACK_STARTS_IN(START)
#undef START
#define SERIES(name, rows, width, source, member, stage)                                                               \
    if (of->source) {                                                                                                  \
        RG_TRY(place(b, RGI_STAGE_##stage, #source "." #member, c->name.data, (size_t)c->name.rod,                     \
                     is_input(RGI_OF_##source), &copy, err));                                                          \
        if (copy) c->name.data = copy;                                                                                 \
    }
    RGI_PACK_SERIES(SERIES)
#undef SERIES
    return RG_OK;
}

static rg_status place_starts(rg_batch *b, const rgi_batch_arrays *of, rgi_call_starts *to, rg_error *err)
{
    void *copy = NULL;
#define START(name, per, less, source, member, stage)                                                                  \
    to->name = of->source->member;                                                                                     \
    RG_TRY(place(b, RGI_STAGE_##stage, #source "." #member, to->name, (per) * (b->vertices - (less)), 0, &copy, err)); \
    if (copy) to->name = copy;
    RGI_PACK_STARTS_OUT(START)
#undef START
    to->vertices = (int)b->vertices;
    return RG_OK;
}

/* results back into the caller's array, where that is the host's */
static rg_status bring_back(rg_batch *b, int which, double *array, size_t numbers, rg_error *err)
{
    const size_t bytes = b->n_rods * numbers * sizeof(double);
    if (!array || bytes == 0 || b->opts.memory == RG_MEMORY_DEVICE) return RG_OK;
    return rgi_device_download(b->device, array, b->stages[which].memory, bytes, err);
}

/* every series that the run put out */
static rg_status bring_back_all(rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
#define BACK_inputs(...)
#define BACK_tangents(...)
#define BACK_cotangents(...)
#define BACK_outputs(name, source, member, stage)                                                                      \
    if (of->source) RG_TRY(bring_back(b, RGI_STAGE_##stage, of->source->member, (size_t)b->call.name.rod, err));
#define BACK_tangent_outputs BACK_outputs
#define BACK_gradients BACK_outputs
#define SERIES(name, rows, width, source, member, stage) BACK_##source(name, source, member, stage)
    RGI_PACK_SERIES(SERIES)
#undef SERIES
    return RG_OK;
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
    o.most_entries = b->changes_apart;
    o.most = b->packs[0];
    for (size_t i = 1; i < b->n_rods; i++)
        if (b->packs[i].n > o.most.n) o.most = b->packs[i];
    o.most.n_directions = 1;
    o.most.force.data = o.most.ddrive_x.data = o.most.out_dtension.data = &any;
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
    for (int i = 0; i < RGI_STAGES; i++) rgi_device_free(b->device, b->stages[i].memory, b->stages[i].bytes);
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

/* Fields [n_rods][numbers] that are on the device: copies at[] on the host, in one block that the caller frees. at[]
 * is NULL of fields that are on the host or not there. */
static rg_status fields_on_host(const rg_batch *b, const double *const *fields, double **at, double **block, int bring,
                                rg_error *err)
{
    size_t count = 0;
    *block = NULL;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        at[field] = NULL;
        if (fields[field]) count += b->n_rods * rgi_batch_numbers(b, field);
    }
    if (b->opts.memory == RG_MEMORY_HOST || count == 0) return RG_OK;
    *block = calloc(count, sizeof **block);
    if (!*block) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for derivatives of %zu rods", b->n_rods);
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = b->n_rods * rgi_batch_numbers(b, field);
        if (!fields[field]) continue;
        at[field] = *block + count;
        count += own;
        if (rgi_device_owns(b->device, fields[field]) != 1)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the array for field %s is not in %s's memory, as the batch's arrays are to be "
                           "(RG_MEMORY_DEVICE)",
                           rg_field_describe((rg_field)field)->name, rg_context_backend(b->opts.rollout.context));
        if (bring) RG_TRY(rgi_device_download(b->device, at[field], fields[field], own * sizeof **block, err));
    }
    return rgi_device_wait(b->device, err);
}

static rg_status send_fields(rg_batch *b, const double *const *fields, rg_error *err)
{
    const double *from[RG_FIELD_COUNT];
    double *at[RG_FIELD_COUNT], *block = NULL;
    rg_status status = fields_on_host(b, fields, at, &block, 1, err);
    if (status == RG_OK) {
        for (int field = 0; field < RG_FIELD_COUNT; field++) from[field] = at[field] ? at[field] : fields[field];
        rgi_batch_set_entries(b, from);
        status =
            rgi_mirror_entries(b->mirror, b->entry_begin, 1, b->entries, b->packs[0].changes, b->changes_apart, err);
    }
    free(block);
    return status;
}

rg_status rgi_batch_device_run(rg_batch *b, const rgi_batch_arrays *of, int statuses, rg_error *err)
{
    b->ran = 0;
    if (of->tangents) RG_TRY(send_fields(b, of->tangents->fields, err));
    RG_TRY(place_all(b, of, err));
    RG_TRY(rgi_mirror_point(b->mirror, &b->call, err));
    RG_TRY(rgi_mirror_run(b->mirror, 0, (int)b->steps, err));
    RG_TRY(bring_back_all(b, of, err));
    const size_t begin = b->section_end[RGI_SECTION_CONSTANT];
    if (statuses) return rgi_mirror_fetch(b->mirror, b->memory + begin, b->section_end[RGI_SECTION_RUN] - begin, err);
    return b->opts.memory == RG_MEMORY_HOST ? rgi_device_wait(b->device, err) : RG_OK;
}

/* gradients of fields, by way of the host */
static rg_status give_fields(rg_batch *b, double *const *fields, rg_error *err)
{
    double *at[RG_FIELD_COUNT], *to[RG_FIELD_COUNT], *block = NULL;
    rg_status status = fields_on_host(b, (const double *const *)fields, at, &block, has_gaps(b), err);
    if (status == RG_OK) {
        for (int field = 0; field < RG_FIELD_COUNT; field++) to[field] = at[field] ? at[field] : fields[field];
        rgi_batch_give_fields(b, to);
    }
    for (int field = 0; field < RG_FIELD_COUNT && block && status == RG_OK; field++)
        if (fields[field])
            status = rgi_device_upload(b->device, fields[field], at[field],
                                       b->n_rods * rgi_batch_numbers(b, field) * sizeof **at, err);
    free(block);
    return status;
}

rg_status rgi_batch_device_adjoint(rg_batch *b, const rgi_batch_arrays *of, int statuses, rg_error *err)
{
    const rg_batch_gradients *g = of->gradients;
    rgi_call_starts starts;
    RG_TRY(place_all(b, of, err));
    RG_TRY(place_starts(b, of, &starts, err));
    RG_TRY(rgi_mirror_point(b->mirror, &b->call, err));
    RG_TRY(rgi_mirror_reverse(b->mirror, err));
    if (b->call.want_start) RG_TRY(rgi_mirror_starts(b->mirror, &starts, err));
    RG_TRY(bring_back_all(b, of, err));
#define START(name, per, less, source, member, stage)                                                                  \
    RG_TRY(bring_back(b, RGI_STAGE_##stage, g->member, (per) * (b->vertices - (less)), err));
    RGI_PACK_STARTS_OUT(START)
#undef START
    const int fields = b->call.want_coef;
    const size_t begin = b->section_end[RGI_SECTION_RUN];
    if (statuses || fields)
        RG_TRY(rgi_mirror_fetch(b->mirror, b->memory + begin, b->section_end[RGI_SECTION_REVERSE] - begin, err));
    if (fields) return give_fields(b, g->fields, err);
    return b->opts.memory == RG_MEMORY_HOST ? rgi_device_wait(b->device, err) : RG_OK;
}
