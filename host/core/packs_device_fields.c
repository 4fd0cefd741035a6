/* core/packs_device_fields.c: fields of rods on a GPU (packs.h): into its packs' coefficients, directions in them, and
 * gradients of them, by kernels (cuda/fields.h).
 *
 * The kernels read fields of a call where the caller has them, or in copies of the host's arrays, and the models'
 * fields in a copy that is made when a call needs some of them. Nothing waits. */
#include <stdio.h>
#include <string.h>

#include "core/memory.h"
#include "core/packs_device.h"

enum { SCRATCH_DOUBLES = 1 << 22 }; /* for longest stable steps */

static rgi_copies *of_packs(const rgi_packs *p) { return p->own; }

static rgi_device_rods rods_of(const rgi_packs *p)
{
    const rgi_copies *m = of_packs(p);
    return (rgi_device_rods){.device = m->device,
                             .packs = m->device_packs,
                             .n = m->rods,
                             .nodes = (int)p->at->vertices,
                             .single = m->narrow != NULL,
                             .faults = m->faults};
}

void rgi_copies_clear_fields(rgi_packs *p)
{
    rgi_copies *m = of_packs(p);
    rgi_copies_give(m, m->models, m->models_doubles * sizeof *m->models);
    rgi_copies_give(m, m->faults, m->rods * sizeof *m->faults);
    rgi_copies_give(m, m->stable_steps, m->rods * sizeof *m->stable_steps);
    rgi_copies_give(m, m->stable_scratch, m->stable_rods * p->at->vertices * (RGI_NC + 3) * sizeof(double));
}

/* ---- models ---- */

static size_t row_of_all(const rgi_packs *p)
{
    size_t sum = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) sum += rgi_field_row(p->at, field);
    return sum;
}

/* all fields of a model into a row */
static void lay_out_model(const rgi_packs *p, const rg_model *model, double *row)
{
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        memcpy(row, rg_model_field(model, (rg_field)field), rgi_field_numbers(model, field) * sizeof *row);
        row += rgi_field_row(p->at, field);
    }
}

/* the device has the models' fields, a row for each rod, or one where all rods have one model */
static rg_status send_models(rgi_packs *p, const rgi_batch_fields *of, rg_error *err)
{
    rgi_copies *m = of_packs(p);
    const size_t row = row_of_all(p);
    size_t each = !of->model;
    if (m->models && m->models_version == of->version) return RG_OK;
    for (size_t rod = 0; rod < m->rods; rod++) each |= of->models[rod] != NULL;
    const size_t count = row * (each ? m->rods : 1);
    if (count > m->models_doubles) {
        rgi_copies_give(m, m->models, m->models_doubles * sizeof *m->models);
        m->models = NULL;
        m->models_doubles = 0;
        RG_TRY(rgi_copies_take(m, count * sizeof *m->models, "fields of models", &m->models, err));
        m->models_doubles = count;
    }
    double *rows = rgi_calloc(p->opts.rollout.context, count, sizeof *rows);
    if (!rows) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the fields of %zu rods", m->rods);
    for (size_t rod = 0; rod < (each ? m->rods : 1); rod++)
        lay_out_model(p, of->models[rod] ? of->models[rod] : of->model, rows + rod * row);
    const rg_status status = rgi_device_upload(m->device, m->models, rows, count * sizeof *rows, err);
    rgi_free(p->opts.rollout.context, rows);
    m->models_version = status == RG_OK ? of->version : 0;
    m->models_each = each;
    return status;
}

/* ---- arrays of a call ---- */

/* where the device has an array for a field, which comes there with `bring` */
static rg_status place(rgi_packs *p, int stage, int field, const double *array, int bring, void **copy, rg_error *err)
{
    char label[64];
    snprintf(label, sizeof label, "the array for field %s", rg_field_describe((rg_field)field)->name);
    return rgi_copies_place(p, stage + field, label, array, rgi_field_row(p->at, field) * sizeof *array, bring, copy,
                            err);
}

/* parameters of all rods, as the device has them; bring: the call's are new */
static rg_status point_fields(rgi_packs *p, const rgi_batch_fields *of, int bring, rgi_fields_in *out, rg_error *err)
{
    const rgi_copies *m = of_packs(p);
    size_t begin = 0;
    int all = 1;
    memset(out, 0, sizeof *out);
    for (int field = 0; field < RG_FIELD_COUNT; field++) all = all && of->given[field];
    if (!all) RG_TRY(send_models(p, of, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t row = rgi_field_row(p->at, field);
        void *copy = NULL;
        if (!of->given[field]) {
            out->of[field] = m->models + begin;
            out->apart[field] = m->models_each ? row_of_all(p) : 0;
        } else {
            if (bring) RG_TRY(place(p, STAGE_FIELDS, field, of->given[field], 1, &copy, err));
            else if (p->opts.memory == RG_MEMORY_HOST) copy = m->stages[STAGE_FIELDS + field].memory;
            out->of[field] = copy ? copy : of->given[field];
            out->apart[field] = row;
        }
        begin += row;
    }
    return RG_OK;
}

/* ---- the runner's functions ---- */

rg_status rgi_copies_set_fields(rgi_packs *p, const rgi_batch_fields *of, rg_error *err)
{
    rgi_copies *m = of_packs(p);
    unsigned given = 0;
    m->fields_set = 0;
    RG_TRY(point_fields(p, of, 1, &m->fields, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++) given |= (unsigned)(of->given[field] != NULL) << field;
    if (!m->faults) RG_TRY(rgi_copies_take(m, m->rods * sizeof *m->faults, "faults of fields", &m->faults, err));
    const rgi_device_rods rods = rods_of(p);
    RG_TRY(rgi_fields_set(&rods, &m->fields, given, err));
    m->fields_set = 1;
    return RG_OK;
}

rg_status rgi_copies_set_directions(rgi_packs *p, const rgi_batch_fields *at, const double *const *along, int n,
                                    rg_error *err)
{
    const rgi_copies *m = of_packs(p);
    RG_TRY(rgi_copies_list(p, n, err));
    for (int d = 0; d < n; d++) {
        const rgi_direction_fields own = rgi_direction_fields_of(along, p->at, d);
        rgi_fields_in in, by = {{NULL}, {0}};
        if (p->entry_begin[d] == p->entry_begin[d + 1]) continue;
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            void *copy = NULL;
            if (!own.of[field]) continue;
            RG_TRY(place(p, STAGE_ALONG, field, own.of[field], 1, &copy, err));
            by.of[field] = copy ? copy : own.of[field];
            by.apart[field] = rgi_field_row(p->at, field);
        }
        RG_TRY(point_fields(p, at, 0, &in, err));
        const rgi_device_rods rods = rods_of(p);
        RG_TRY(rgi_fields_direction(&rods, &in, &by, d, m->fields_set, err));
    }
    return RG_OK;
}

rg_status rgi_copies_pull_back(rgi_packs *p, const rgi_batch_fields *at, double *const *to, rg_error *err)
{
    const rgi_copies *m = of_packs(p);
    rgi_fields_in in;
    rgi_fields_out out = {{NULL}, {0}};
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        void *copy = NULL;
        if (!to[field]) continue;
        RG_TRY(place(p, STAGE_ALONG, field, to[field], 0, &copy, err));
        out.of[field] = copy ? copy : to[field];
        out.apart[field] = rgi_field_row(p->at, field);
    }
    RG_TRY(point_fields(p, at, 0, &in, err));
    const rgi_device_rods rods = rods_of(p);
    RG_TRY(rgi_fields_pull_back(&rods, &in, &out, m->fields_set, err));
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        RG_TRY(rgi_copies_bring_back(p, STAGE_ALONG + field, to[field], rgi_field_row(p->at, field) * sizeof(double),
                                     err));
    return RG_OK;
}

/* ---- floats ---- */

rg_status rgi_copies_widen_fields(rgi_packs *p, int inputs, const double *const *from, size_t times, int bring,
                                  double **to, rg_error *err)
{
    const rgi_copies *m = of_packs(p);
    const rgi_device_rods rods = rods_of(p);
    const int stage = inputs ? STAGE_FIELDS : STAGE_ALONG;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t count = times * m->rods * rgi_field_row(p->at, field);
        void *none = NULL;
        to[field] = NULL;
        if (!from[field] || count == 0) continue;
        RG_TRY(place(p, stage, field, from[field], 0, &none, err)); /* whose it is */
        RG_TRY(rgi_copies_stage(p, stage + field, "fields of floats", count * sizeof(double), err));
        to[field] = m->stages[stage + field].memory;
        if (bring) RG_TRY(rgi_fields_widen(&rods, from[field], to[field], count, err));
    }
    return RG_OK;
}

rg_status rgi_copies_narrow_fields(rgi_packs *p, double *const *from, double *const *to, rg_error *err)
{
    const rgi_device_rods rods = rods_of(p);
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        if (from[field])
            RG_TRY(rgi_fields_narrow(&rods, from[field], to[field], rods.n * rgi_field_row(p->at, field), err));
    return RG_OK;
}

/* ---- in a run ---- */

rg_status rgi_copies_flag_faults(rgi_packs *p, rg_error *err)
{
    const rgi_device_rods rods = rods_of(p);
    return of_packs(p)->fields_set ? rgi_fields_flag(&rods, RG_ROD_BAD_FIELD, err) : RG_OK;
}

/* The deform stepper's longest stable steps of rods with fields of a call: a status has them, and nobody else asks. */
rg_status rgi_copies_fetch_steps(rgi_packs *p, rg_error *err)
{
    rgi_copies *m = of_packs(p);
    const size_t rod = p->at->vertices * (RGI_NC + 3);
    if (!m->fields_set || p->opts.rollout.stepper != RG_STEPPER_DEFORM) return RG_OK;
    if (!m->stable_rods) {
        const size_t most = SCRATCH_DOUBLES / rod + 1, count = most < m->rods ? most : m->rods;
        if (!m->stable_steps)
            RG_TRY(rgi_copies_take(m, m->rods * sizeof *m->stable_steps, "stable steps", &m->stable_steps, err));
        RG_TRY(rgi_copies_take(m, count * rod * sizeof(double), "stable steps", &m->stable_scratch, err));
        m->stable_rods = count;
    }
    const rgi_device_rods rods = rods_of(p);
    RG_TRY(rgi_fields_stable_steps(&rods, &m->fields, m->stable_rods, m->stable_scratch, m->stable_steps, err));
    return rgi_device_download(m->device, p->stable_step_s, m->stable_steps, m->rods * sizeof(double), err);
}
