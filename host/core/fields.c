/* core/fields.c: parameters of a tape's runs: models, or fields among the inputs; directions in fields, and gradients
 * of them (see batch.h). The packs' runner turns fields into coefficients, and derivatives back (packs.h). */
#include <stdatomic.h>
#include <string.h>

#include "core/batch.h"
#include "core/coefficients.h"
#include "core/memory.h"

enum { RODS_AT_A_TIME = 32 };

void rgi_batch_run_jobs(const rg_batch *b, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    rgi_run_jobs(&b->opts.rollout, rgi_rod_workers(&b->opts.rollout, b->at.n_rods), jobs, at_a_time, job, arg);
}

/* ---- floats ---- */

static size_t numbers_of(const rg_tape *t, int field, size_t times)
{
    return times * t->batch->at.n_rods * rgi_field_row(&t->batch->at, field);
}

/* Room for fields [times][n_rods][row] of the host's floats as doubles, to[] for those that there are; it grows to what
 * any call has needed. */
static rg_status place_numbers(rg_tape *t, struct rgi_numbers *in, const double *const *fields, size_t times,
                               double **to, rg_error *err)
{
    const rg_context *context = t->batch->opts.rollout.context;
    size_t count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) count += fields[field] ? numbers_of(t, field, times) : 0;
    if (count > in->room) {
        rgi_free(context, in->of);
        in->of = rgi_calloc(context, count, sizeof *in->of);
        in->room = in->of ? count : 0;
        if (!in->of) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for fields of %zu rods", t->batch->at.n_rods);
    }
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        to[field] = fields[field] ? in->of + count : NULL;
        count += fields[field] ? numbers_of(t, field, times) : 0;
    }
    return RG_OK;
}

/* The fields of a call as doubles: the caller's own, or copies of floats. list NULL: none. */
static rg_status read_fields(rg_tape *t, struct rgi_numbers *in, const double *const *list, int single, size_t times,
                             const double **out, rg_error *err)
{
    double *copies[RG_FIELD_COUNT];
    for (int field = 0; field < RG_FIELD_COUNT; field++) out[field] = list ? list[field] : NULL;
    if (!single) return RG_OK;
    const int on_device = t->batch->opts.memory == RG_MEMORY_DEVICE;
    RG_TRY(on_device ? t->packs.runner->widen_fields(&t->packs, in == &t->input_numbers, out, times, 1, copies, err)
                     : place_numbers(t, in, out, times, copies, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        for (size_t i = 0, n = copies[field] && !on_device ? numbers_of(t, field, times) : 0; i < n; i++)
            copies[field][i] = rgi_number_get(out[field], 1, (ptrdiff_t)i);
        out[field] = copies[field];
    }
    return RG_OK;
}

/* ---- parameters ---- */

rg_status rgi_tape_set_models(rg_tape *t, rg_error *err)
{
    const rg_batch *b = t->batch;
    t->fields = (rgi_batch_fields){.model = b->model, .models = b->models, .version = b->version};
    if (t->version == b->version) return RG_OK;
    for (size_t i = 0; i < b->at.n_rods; i++)
        if (b->changed[i] > t->version) rgi_packs_set_rod(&t->packs, i, rgi_batch_model_of(b, i));
    RG_TRY(rgi_packs_send_section(&t->packs, RGI_SECTION_SET, err));
    t->version = b->version;
    return RG_OK;
}

typedef struct check_job {
    const rgi_batch_fields *of;
    const rgi_placement *at;
    atomic_size_t bad; /* the first rod found so far */
} check_job;

static rg_status check_rod(const rgi_batch_fields *of, const rgi_placement *at, size_t rod, rg_error *err)
{
    const rgi_rod_fields fields = rgi_rod_fields_of(of, at, rod);
    return rgi_fields_check(&fields, of->given, err);
}

static void check_one(void *arg, size_t rod, size_t worker)
{
    check_job *job = arg;
    size_t bad = atomic_load(&job->bad);
    (void)worker;
    if (rod >= bad || check_rod(job->of, job->at, rod, NULL) == RG_OK) return;
    while (rod < bad && !atomic_compare_exchange_weak(&job->bad, &bad, rod)) {}
}

/* the first rod in order that has a field out of its range says so */
static rg_status check_fields(const rg_batch *b, const rgi_batch_fields *of, rg_error *err)
{
    check_job job = {.of = of, .at = &b->at, .bad = b->at.n_rods};
    rg_error why = {0};
    rgi_batch_run_jobs(b, b->at.n_rods, RODS_AT_A_TIME, check_one, &job);
    const size_t bad = atomic_load(&job.bad);
    if (bad == b->at.n_rods) return RG_OK;
    const rg_status status = check_rod(of, &b->at, bad, &why);
    return RG_FAIL(err, status, "the fields of rod %zu: %s", bad, why.text);
}

rg_status rgi_tape_set_parameters(rg_tape *t, const rgi_batch_arrays *arrays, rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_batch_fields of = {.model = b->model, .models = b->models, .version = b->version};
    int any = 0;
    RG_TRY(read_fields(t, &t->input_numbers, arrays->input_fields, arrays->single, 1, of.given, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++) any |= of.given[field] != NULL;
    if (!any) return rgi_tape_set_models(t, err);
    if (b->opts.memory == RG_MEMORY_HOST) RG_TRY(check_fields(b, &of, err));
    t->version = 0;
    t->fields = of;
    return t->packs.runner->set_fields(&t->packs, &of, err);
}

/* ---- directions ---- */

/* The places that direction d moves, behind those of directions before it: coefficients node by node, then offsets.
 * They depend on which fields it has and on the meshes, not on a value: what moves by zero is there too. */
static void list_entries(rg_tape *t, const double *const *along, int d)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    const int n = (int)b->at.vertices, places = n * RGI_NC + 2 * (int)b->at.markers;
    rgi_pack_entry *entries = p->entries + p->entry_begin[d];
    int count = 0;
    /* first as flags in `coefficient` */
    for (int at = 0; at < places; at++) entries[at].coefficient = 0;
    for (size_t k = 0; k < b->at.n_shapes; k++) {
        const rgi_rod_fields mesh = rgi_model_fields(rgi_batch_model_of(b, b->at.shapes[k].rod));
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            const int components = rgi_field_components(field);
            const int numbers = along[field] ? rgi_field_count(field, mesh.n, mesh.n_markers) : 0;
            for (int at = 0; at < numbers; at++) {
                rgi_pack_entry moved[RGI_MAX_ENTRIES];
                double values[RGI_MAX_ENTRIES];
                const int got = rgi_coefficients_column(&mesh, field, at / components, at % components, moved, values);
                for (int e = 0; e < got; e++) {
                    const int node = moved[e].node, c = moved[e].coefficient;
                    entries[c < RGI_NC ? node * RGI_NC + c : n * RGI_NC + 2 * node + c - RGI_O1].coefficient = 1;
                }
            }
        }
    }
    for (int at = 0; at < places; at++) {
        if (!entries[at].coefficient) continue;
        const int offset = at - n * RGI_NC;
        entries[count].node = offset < 0 ? at / RGI_NC : offset / 2;
        entries[count++].coefficient = offset < 0 ? at % RGI_NC : RGI_O1 + offset % 2;
    }
    p->entry_begin[d + 1] = p->entry_begin[d] + count;
}

rg_status rgi_tape_set_directions(rg_tape *t, const rgi_batch_arrays *of, int n, rg_error *err)
{
    rgi_packs *p = &t->packs;
    const double *along[RG_FIELD_COUNT];
    RG_TRY(read_fields(t, &t->other_numbers, of->tangent_fields, of->single, (size_t)n, along, err));
    p->entry_begin[0] = 0;
    for (int d = 0; d < n; d++) list_entries(t, along, d);
    rgi_packs_point_entries(p);
    return p->runner->set_directions(p, &t->fields, along, n, err);
}

/* ---- gradients ---- */

rg_status rgi_tape_pull_back_fields(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &t->packs;
    double *const *to = of->gradient_fields;
    const double *from[RG_FIELD_COUNT];
    double *copies[RG_FIELD_COUNT];
    if (!of->single) return p->runner->pull_back(p, &t->fields, to, err);
    for (int field = 0; field < RG_FIELD_COUNT; field++) from[field] = to[field];
    if (t->batch->opts.memory == RG_MEMORY_HOST) {
        RG_TRY(place_numbers(t, &t->other_numbers, from, 1, copies, err));
        return p->runner->pull_back(p, &t->fields, copies, err);
    }
    /* rods that do not use all of a row leave the rest as it was */
    RG_TRY(p->runner->widen_fields(p, 0, from, 1, p->at->n_shapes > 1, copies, err));
    RG_TRY(p->runner->pull_back(p, &t->fields, copies, err));
    return p->runner->narrow_fields(p, copies, to, err);
}

void rgi_tape_give_fields(const rg_tape *t, const rgi_batch_arrays *of)
{
    const rgi_placement *at = &t->batch->at;
    const double *from = t->other_numbers.of;
    if (!of->single || t->batch->opts.memory == RG_MEMORY_DEVICE) return;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t row = rgi_field_row(at, field);
        if (!of->gradient_fields[field]) continue;
        for (size_t rod = 0; rod < at->n_rods; rod++)
            for (size_t k = 0, n = rgi_field_numbers(rgi_batch_model_of(t->batch, rod), field); k < n; k++)
                rgi_number_put(of->gradient_fields[field], 1, (ptrdiff_t)(rod * row + k), from[rod * row + k]);
        from += at->n_rods * row;
    }
}
