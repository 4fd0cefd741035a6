/* core/fields.c: parameters of a tape's runs: models, or fields among the inputs; directions in fields, and gradients
 * of them (see batch.h). The packs' runner turns fields into coefficients, and derivatives back (packs.h). */
#include <stdatomic.h>
#include <string.h>

#include "core/batch.h"
#include "core/coefficients.h"

enum { RODS_AT_A_TIME = 32 };

void rgi_batch_run_jobs(const rg_batch *b, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    rgi_run_jobs(&b->opts.rollout, rgi_rod_workers(&b->opts.rollout, b->at.n_rods), jobs, at_a_time, job, arg);
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

rg_status rgi_tape_set_parameters(rg_tape *t, const double *const *fields, rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_batch_fields of = {.model = b->model, .models = b->models, .version = b->version};
    int any = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) any |= fields[field] != NULL;
    if (!any) return rgi_tape_set_models(t, err);
    memcpy(of.given, fields, sizeof of.given);
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

rg_status rgi_tape_set_directions(rg_tape *t, const double *const *along, int n, rg_error *err)
{
    rgi_packs *p = &t->packs;
    p->entry_begin[0] = 0;
    for (int d = 0; d < n; d++) list_entries(t, along, d);
    rgi_packs_point_entries(p);
    return p->runner->set_directions(p, &t->fields, along, n, err);
}

/* ---- gradients ---- */

rg_status rgi_tape_give_fields(rg_tape *t, double *const *fields, rg_error *err)
{
    return t->packs.runner->pull_back(&t->packs, &t->fields, fields, err);
}
