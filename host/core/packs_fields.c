/* core/packs_fields.c: fields of rods into packs, directions in them, and gradients of them, on the host (packs.h).
 *
 * Rods are worked on independently, and sums are each rod's own: results do not depend on the number of threads. */
#include "core/packs.h"
#include "rod/stability.h"

enum { PACKS_AT_A_TIME = 4, RODS_AT_A_TIME = 32 };

/* ---- parameters ---- */

/* a rod's coefficients and offsets into its lane and those that repeat it; scratch: [n][RGI_NC + 3] */
static void set_rod(rgi_packs *p, size_t rod, const rgi_rod_fields *f, double *scratch)
{
    const size_t w = p->at->lanes, index = p->at->pack_of[rod], own = rgi_lane_of(p->at, rod);
    const rgi_shape *s = p->at->places[index].shape;
    const rgi_pack *j = &p->packs[index];
    rgi_coefficients(f, scratch);
    if (j->deform)
        p->stable_step_s[rod] = rgi_deform_step_limit(f->n, s->fixed, scratch, j->h, scratch + s->n * RGI_NC);
    for (size_t lane = own; lane < w; lane++) {
        if (lane != own && (own != 0 || lane < (size_t)j->rods)) continue;
        for (size_t i = 0; i < s->n * RGI_NC; i++) j->coef[i * w + lane] = scratch[i];
        for (size_t i = 0; i < 2 * s->n_markers; i++) j->offset[i * w + lane] = f->of[RG_MARKER_OFFSET][i];
    }
}

void rgi_packs_set_rod(rgi_packs *p, size_t rod, const rg_model *model)
{
    const rgi_rod_fields fields = rgi_model_fields(model);
    set_rod(p, rod, &fields, p->coef);
}

typedef struct fields_job {
    rgi_packs *packs;
    const rgi_batch_fields *at;
    const double *const *along; /* of the direction */
    int begin, end;             /* its entries */
    double *const *to;
} fields_job;

static void set_pack(void *arg, size_t index, size_t worker)
{
    const fields_job *job = arg;
    rgi_packs *p = job->packs;
    const rgi_place_of_pack *place = &p->at->places[index];
    for (size_t rod = place->first; rod < place->first + place->rods; rod++) {
        const rgi_rod_fields fields = rgi_rod_fields_of(job->at, p->at, rod);
        set_rod(p, rod, &fields, p->coef + worker * p->at->vertices * (RGI_NC + 3));
    }
}

rg_status rgi_packs_set_fields(rgi_packs *p, const rgi_batch_fields *of, rg_error *err)
{
    fields_job job = {.packs = p, .at = of};
    (void)err;
    rgi_packs_run_jobs(p, p->at->n_packs, PACKS_AT_A_TIME, set_pack, &job);
    return RG_OK;
}

/* ---- directions ---- */

/* values [entries][W] of one lane; a rod that is shorter than others of the batch has zeros beyond its end */
static void set_lane(const fields_job *job, size_t rod, size_t w, double *values)
{
    const rgi_packs *p = job->packs;
    const rgi_rod_fields at = rgi_rod_fields_of(job->at, p->at, rod);
    const double *along[RG_FIELD_COUNT];
    double dk[RGI_NC] = {0.0};
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        along[field] = job->along[field] ? job->along[field] + rod * rgi_field_row(p->at, field) : NULL;
    for (int e = job->begin, node = -1; e < job->end; e++) {
        const rgi_pack_entry entry = p->entries[e];
        double value = 0.0;
        if (entry.coefficient >= RGI_NC) {
            if (entry.node < at.n_markers) value = along[RG_MARKER_OFFSET][2 * entry.node + entry.coefficient - RGI_O1];
        } else if (entry.node < at.n) {
            if (entry.node != node) rgi_coefficients_jvp(&at, along, entry.node, dk);
            node = entry.node;
            value = dk[entry.coefficient];
        }
        values[(size_t)e * w] = value;
    }
}

static void set_slot(void *arg, size_t slot, size_t worker)
{
    const fields_job *job = arg;
    const rgi_packs *p = job->packs;
    const size_t w = p->at->lanes, lane = slot % w;
    const rgi_place_of_pack *place = &p->at->places[slot / w];
    (void)worker;
    set_lane(job, place->first + (lane < place->rods ? lane : 0), w,
             p->entry_values + slot / w * p->entries_capacity * w + lane);
}

void rgi_packs_set_directions(rgi_packs *p, const rgi_batch_fields *at, const double *const *along, int n)
{
    for (int d = 0; d < n; d++) {
        const rgi_direction_fields own = rgi_direction_fields_of(along, p->at, d);
        fields_job job = {p, at, own.of, p->entry_begin[d], p->entry_begin[d + 1], NULL};
        rgi_packs_run_jobs(p, p->at->n_packs * p->at->lanes, RODS_AT_A_TIME, set_slot, &job);
    }
}

/* ---- gradients ---- */

static void pull_back_rod(void *arg, size_t rod, size_t worker)
{
    const fields_job *job = arg;
    const rgi_packs *p = job->packs;
    const rgi_rod_fields at = rgi_rod_fields_of(job->at, p->at, rod);
    const rgi_pack *pack = &p->packs[p->at->pack_of[rod]];
    const size_t lane = rgi_lane_of(p->at, rod);
    const rgi_coefficient_bars bar = {pack->coef_bar + lane, pack->offset_bar + lane, p->at->lanes, 0};
    (void)worker;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const int components = rgi_field_components(field);
        const int count = job->to[field] ? rgi_field_count(field, at.n, at.n_markers) : 0;
        for (int k = 0; k < count; k++) {
            double sum = 0.0;
            rgi_coefficients_adj(&at, field, k / components, k % components, 1.0, &bar, &sum);
            job->to[field][rod * rgi_field_row(p->at, field) + (size_t)k] = sum;
        }
    }
}

rg_status rgi_packs_pull_back(rgi_packs *p, const rgi_batch_fields *at, double *const *to, rg_error *err)
{
    fields_job job = {.packs = p, .at = at, .to = to};
    (void)err;
    rgi_packs_run_jobs(p, p->at->n_rods, RODS_AT_A_TIME, pull_back_rod, &job);
    return RG_OK;
}
