/* core/fields.c: parameters of a tape's runs: models, or fields among the inputs; a direction in fields, and gradients
 * of them (see batch.h). Fields are turned into coefficients, and their derivatives back, on the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/coefficients.h"
#include "core/jobs.h"

enum { RODS_AT_A_TIME = 32, PACKS_AT_A_TIME = 4 };

/* numbers of a field in a row of the caller's arrays */
static size_t field_row(const rg_batch *b, int field)
{
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const rgi_placement *at = &b->at;
    const size_t entries = info->location == RG_PER_EDGE     ? at->vertices - 1
                           : info->location == RG_PER_VERTEX ? at->vertices
                                                             : at->markers;
    return entries * (size_t)info->components;
}

/* threads for what the host does rod by rod, whose sums are each rod's own */
static size_t host_threads(const rg_batch *b)
{
    enum { RODS_OF_THREAD = 256 };
    const size_t most = rgi_workers(&b->opts.rollout), useful = b->at.n_rods / RODS_OF_THREAD + 1;
    return most < useful ? most : useful;
}

void rgi_batch_run_jobs(const rg_batch *b, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    rgi_run_jobs(&b->opts.rollout, host_threads(b), jobs, at_a_time, job, arg);
}

rg_status rgi_tape_set_models(rg_tape *t, rg_error *err)
{
    const rg_batch *b = t->batch;
    t->fields_given = 0;
    if (t->version == b->version) return RG_OK;
    for (size_t i = 0; i < b->at.n_rods; i++)
        if (b->changed[i] > t->version) rgi_packs_set_rod(&t->packs, i, rgi_batch_model_of(b, i));
    RG_TRY(rgi_packs_send_section(&t->packs, RGI_SECTION_SET, err));
    t->version = b->version;
    return RG_OK;
}

/* from floats, in the second half of a block of doubles, to the doubles that fill it: what is read is not yet written
 */
static void widen(double *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float number;
        memcpy(&number, (const char *)block + (count + i) * sizeof number, sizeof number);
        block[i] = (double)number;
    }
}

/* and from doubles to floats, in the first half of their block */
static void narrow(double *block, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float number = (float)block[i];
        memcpy((char *)block + i * sizeof number, &number, sizeof number);
    }
}

/* Fields [n_rods][field_row] that are on a device or of floats: copies of them, doubles of the host's in the tape's
 * own memory, which grows to what any call has needed; NULL of fields that are the host's doubles or not there.
 * bring: their numbers matter. */
static rg_status copy_fields(rg_tape *t, const double *const *fields, int single, double **copies, int bring,
                             rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    size_t count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        copies[field] = NULL;
        if (fields[field]) count += p->at->n_rods * field_row(b, field);
    }
    if ((b->opts.memory == RG_MEMORY_HOST && !single) || count == 0) return RG_OK;
    if (count > t->numbers_room) {
        free(t->numbers);
        t->numbers = calloc(count, sizeof *t->numbers);
        t->numbers_room = t->numbers ? count : 0;
    }
    if (!t->numbers) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for derivatives of %zu rods", p->at->n_rods);
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = p->at->n_rods * field_row(b, field), bytes = bring ? own * rgi_number_bytes(single) : 0;
        char label[64];
        if (!fields[field]) continue;
        copies[field] = t->numbers + count;
        count += own;
        char *to = (char *)copies[field] + (single ? own * sizeof(float) : 0);
        if (b->opts.memory == RG_MEMORY_DEVICE) {
            snprintf(label, sizeof label, "the array for field %s", rg_field_describe((rg_field)field)->name);
            RG_TRY(p->runner->read(p, label, to, fields[field], bytes, err));
        } else {
            memcpy(to, fields[field], bytes);
        }
        if (single && bring) widen(copies[field], own);
    }
    return RG_OK;
}

/* the same for reading: the caller's own where they are the host's doubles */
static rg_status read_fields(rg_tape *t, const double *const *fields, int single, const double **from, rg_error *err)
{
    double *copies[RG_FIELD_COUNT];
    RG_TRY(copy_fields(t, fields, single, copies, 1, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++) from[field] = copies[field] ? copies[field] : fields[field];
    return RG_OK;
}

/* a rod's changes of coefficients and offsets into values[place * w] */
static void add_changes(const rg_tape *t, size_t rod, const double *const *fields, size_t w, double *values)
{
    const rg_batch *b = t->batch;
    const rg_model *model = rgi_tape_model_of(t, rod);
    const size_t n = b->at.vertices;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
        for (size_t k = 0; fields[field] && k < rgi_field_numbers(model, field); k++) {
            const double by = fields[field][rod * field_row(b, field) + k];
            rgi_pack_entry entries[RGI_MAX_ENTRIES];
            double own[RGI_MAX_ENTRIES];
            if (by == 0.0) continue;
            const int got =
                rgi_coefficients_jvp(model, (rg_field)field, k / components, (int)(k % components), entries, own);
            for (int e = 0; e < got; e++) {
                const size_t node = (size_t)entries[e].node, c = (size_t)entries[e].coefficient;
                const size_t at = c < RGI_NC ? node * RGI_NC + c : n * RGI_NC + 2 * node + c - RGI_O1;
                values[at * w] += by * own[e];
            }
        }
    }
}

typedef struct entries_job {
    rg_tape *tape;
    const double *const *fields;
    int count; /* of places that any rod moves */
} entries_job;

static void set_slot(void *arg, size_t slot, size_t worker)
{
    const entries_job *job = arg;
    const rgi_packs *p = &job->tape->packs;
    const size_t w = p->at->lanes, places = p->entries_capacity;
    const rgi_place_of_pack *place = &p->at->places[slot / w];
    const size_t lane = slot % w < place->rods ? slot % w : 0;
    (void)worker;
    add_changes(job->tape, place->first + lane, job->fields, w, p->entry_values + slot / w * places * w + slot % w);
}

static void flag_moved(void *arg, size_t i, size_t worker)
{
    const entries_job *job = arg;
    const rgi_packs *p = &job->tape->packs;
    const size_t w = p->at->lanes, places = p->entries_capacity;
    (void)worker;
    for (size_t at = 0; at < places; at++) {
        int moved = 0;
        for (size_t lane = 0; lane < w; lane++) moved |= p->entry_values[(i * places + at) * w + lane] != 0.0;
        if (moved) __atomic_store_n(&p->entries[at].coefficient, 1, __ATOMIC_RELAXED);
    }
}

static void gather_moved(void *arg, size_t i, size_t worker)
{
    const entries_job *job = arg;
    const rgi_packs *p = &job->tape->packs;
    const size_t w = p->at->lanes;
    double *values = p->entry_values + i * p->entries_capacity * w;
    (void)worker;
    for (int k = 0; k < job->count; k++)
        memmove(values + (size_t)k * w, values + (size_t)p->entries[k].node * w, w * sizeof *values);
}

/* the fields' direction as changes of coefficients, one list for all rods: places that any rod moves */
static rg_status set_entries(rg_tape *t, const double *const *fields, rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    const size_t w = p->at->lanes, n = p->at->vertices, places = p->entries_capacity;
    memset(p->entry_values, 0, p->at->n_packs * places * w * sizeof *p->entry_values);
    entries_job job = {t, fields, 0};
    rgi_batch_run_jobs(b, p->at->n_packs * w, RODS_AT_A_TIME, set_slot, &job);
    /* which places any rod moves: first as flags in `coefficient`, then as places in `node` */
    for (size_t at = 0; at < places; at++) p->entries[at].coefficient = 0;
    rgi_batch_run_jobs(b, p->at->n_packs, PACKS_AT_A_TIME, flag_moved, &job);
    int count = 0;
    for (size_t at = 0; at < places; at++)
        if (p->entries[at].coefficient) p->entries[count++].node = (int)at;
    job.count = count;
    rgi_batch_run_jobs(b, p->at->n_packs, PACKS_AT_A_TIME, gather_moved, &job);
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)p->entries[k].node, offset = at - n * RGI_NC;
        p->entries[k].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        p->entries[k].coefficient = at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
    }
    p->entry_begin[0] = 0;
    p->entry_begin[1] = count;
    return rgi_packs_directions(p, 1, err);
}

rg_status rgi_tape_set_direction(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    const double *from[RG_FIELD_COUNT];
    RG_TRY(read_fields(t, of->tangents->fields, of->single, from, err));
    return set_entries(t, from, err);
}

/* a model for every rod, to be given fields */
static rg_status make_given(rg_tape *t, rg_error *err)
{
    const size_t n = t->batch->at.n_rods;
    if (t->given) return RG_OK;
    rg_model **given = calloc(n, sizeof *given);
    rg_status status = given ? RG_OK : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the models of %zu rods", n);
    for (size_t i = 0; i < n && status == RG_OK; i++)
        status = rg_model_copy(rgi_batch_model_of(t->batch, i), &given[i], err);
    if (status == RG_OK) t->given = given;
    for (size_t i = 0; given && i < n && status != RG_OK; i++) rg_model_destroy(&given[i]);
    if (status != RG_OK) free(given);
    return status;
}

/* the packs have the batch's models with these fields (host arrays) */
static rg_status set_given(rg_tape *t, const double *const *fields, rg_error *err)
{
    const rg_batch *b = t->batch;
    for (size_t rod = 0; rod < b->at.n_rods; rod++) {
        const rg_model *model = rgi_batch_model_of(b, rod);
        rg_error why = {0};
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            const double *from = rg_model_field(model, (rg_field)field);
            if (fields[field]) from = fields[field] + rod * field_row(b, field);
            memcpy(rg_model_field_data(t->given[rod], (rg_field)field), from,
                   rgi_field_numbers(model, field) * sizeof *from);
        }
        const rg_status status = rg_model_check(t->given[rod], &why);
        if (status != RG_OK) return RG_FAIL(err, status, "the fields of rod %zu: %s", rod, why.text);
    }
    t->version = 0;
    t->fields_given = 1;
    for (size_t rod = 0; rod < b->at.n_rods; rod++) rgi_packs_set_rod(&t->packs, rod, t->given[rod]);
    return rgi_packs_send_section(&t->packs, RGI_SECTION_SET, err);
}

/* parameters of a run: its inputs', or the models' */
rg_status rgi_tape_set_parameters(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    const rg_batch_inputs *in = of->inputs;
    const double *from[RG_FIELD_COUNT];
    int any = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) any |= in->fields[field] != NULL;
    if (!any) return rgi_tape_set_models(t, err);
    RG_TRY(make_given(t, err));
    RG_TRY(read_fields(t, in->fields, of->single, from, err));
    return set_given(t, from, err);
}

typedef struct field_job {
    const rg_tape *tape;
    int field;
    double *out; /* [n_rods][field_row] */
} field_job;

static void gather_rod(void *arg, size_t rod, size_t worker)
{
    const field_job *job = arg;
    const rgi_packs *p = &job->tape->packs;
    const size_t components = (size_t)rg_field_describe((rg_field)job->field)->components;
    const size_t row = field_row(job->tape->batch, job->field);
    const rg_model *model = rgi_tape_model_of(job->tape, rod);
    (void)worker;
    for (size_t k = 0, count = rgi_field_numbers(model, job->field); k < count; k++) {
        double sum = 0.0;
        rgi_coefficients_adj(model, (rg_field)job->field, k / components, (int)(k % components), 1.0,
                             &p->packs[p->at->pack_of[rod]], p->at->lanes, rgi_lane_of(p->at, rod), &sum);
        job->out[rod * row + k] = sum;
    }
}

/* gradients of fields from those of coefficients */
static void gather_fields(const rg_tape *t, double *const *fields)
{
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        field_job job = {t, field, fields[field]};
        if (fields[field]) rgi_batch_run_jobs(t->batch, t->batch->at.n_rods, RODS_AT_A_TIME, gather_rod, &job);
    }
}

/* a field of the host's doubles into the caller's floats: what its rods use of their rows */
static void give_floats(const rg_tape *t, int field, const double *from, void *to)
{
    const size_t row = field_row(t->batch, field);
    for (size_t rod = 0; rod < t->batch->at.n_rods; rod++)
        for (size_t k = 0, count = rgi_field_numbers(rgi_tape_model_of(t, rod), field); k < count; k++)
            rgi_number_put(to, 1, (ptrdiff_t)(rod * row + k), from[rod * row + k]);
}

rg_status rgi_tape_give_fields(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    double *const *fields = of->gradients->fields, *to[RG_FIELD_COUNT];
    const int single = of->single, on_device = b->opts.memory == RG_MEMORY_DEVICE;
    /* rods that do not use all of a row leave the rest as it was */
    RG_TRY(copy_fields(t, (const double *const *)fields, single, to, on_device && p->at->n_shapes > 1, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        if (!to[field]) to[field] = fields[field];
    gather_fields(t, to);
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = p->at->n_rods * field_row(b, field);
        if (!fields[field]) continue;
        if (single && !on_device) give_floats(t, field, to[field], fields[field]);
        if (!on_device) continue;
        if (single) narrow(to[field], own);
        RG_TRY(p->runner->write(p, fields[field], to[field], own * rgi_number_bytes(single), err));
    }
    return RG_OK;
}
