/* core/batch.c: runs of batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames stay where
 * the caller has them. Fields' tangents and gradients are turned into those of coefficients, and back, on the host. */
#include "core/batch.h"

#include <math.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/jobs.h"
#include "rod/layout.h"

/* numbers of a field in a row of the caller's arrays */
static size_t field_row(const rg_batch *b, int field)
{
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const rgi_placement *at = &b->packs.at;
    const size_t entries = info->location == RG_PER_EDGE     ? at->vertices - 1
                           : info->location == RG_PER_VERTEX ? at->vertices
                                                             : at->markers;
    return entries * (size_t)info->components;
}

/* threads for what the host does rod by rod, whose sums are each rod's own: on a GPU `threads` is one */
static size_t host_threads(const rg_batch *b)
{
    enum { RODS_OF_THREAD = 256 };
    const size_t most = rgi_workers(&b->opts.rollout), useful = b->packs.at.n_rods / RODS_OF_THREAD + 1;
    return most < useful ? most : useful;
}

enum { RODS_AT_A_TIME = 32, PACKS_AT_A_TIME = 4 };

static void run_on_host(const rg_batch *b, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    rgi_run_jobs(&b->opts.rollout, host_threads(b), jobs, at_a_time, job, arg);
}

/* Prescribed directors: the simulator would take any vector for one, and strains would be wrong without a word. What is
 * not finite ends its rod at its step. */
static rg_status check_clamp_m(const rg_batch *b, const rg_batch_inputs *in, size_t rod, rg_error *err)
{
    const rgi_shape *s = rgi_batch_shape_of(b, rod);
    for (size_t d = 0, place = 0; d < s->n_fixed_theta; d++, place++) {
        const size_t edge = (size_t)s->fixed_theta[d];
        while ((size_t)s->fixed_x[place] != edge) place++;
        for (size_t k = 0; k < b->packs.steps; k++) {
            const double *x = in->clamp_x + 3 * ((rod * b->packs.steps + k) * b->packs.at.clamped + place);
            const double *m = in->clamp_m + 3 * ((rod * b->packs.steps + k) * b->packs.at.held + d);
            if (rgi_is_director(x, m)) continue;
            double size = 0.0, length = 0.0, along = 0.0;
            for (int c = 0; c < 3; c++) {
                size += m[c] * m[c];
                length += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
                along += (x[3 + c] - x[c]) * m[c];
            }
            if (!isfinite(size)) continue;
            return RG_FAIL(err, RG_ERR_VALUE,
                           "clamp_m of rod %zu, step %zu, clamped edge %zu (vertices %zu and %zu): (%g, %g, %g) is no "
                           "unit vector across its edge: its length is %.9g and its part along the edge %.3g; make it "
                           "perpendicular and normalise it, or carry it with rg_batch_carry_directors",
                           rod, k, d, edge, edge + 1, m[0], m[1], m[2], sqrt(size), along / sqrt(length));
        }
    }
    return RG_OK;
}

typedef struct clamps_job {
    const rg_batch *batch;
    const rg_batch_inputs *inputs;
    atomic_size_t bad; /* the first rod found so far */
} clamps_job;

static void check_one(void *arg, size_t rod, size_t worker)
{
    clamps_job *job = arg;
    size_t bad = atomic_load(&job->bad);
    (void)worker;
    if (rod >= bad || check_clamp_m(job->batch, job->inputs, rod, NULL) == RG_OK) return;
    while (rod < bad && !atomic_compare_exchange_weak(&job->bad, &bad, rod)) {}
}

/* the first rod in order that has a bad director says so */
static rg_status check_clamps(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    clamps_job job = {.batch = b, .inputs = in, .bad = b->packs.at.n_rods};
    run_on_host(b, b->packs.at.n_rods, RODS_AT_A_TIME, check_one, &job);
    const size_t bad = atomic_load(&job.bad);
    return bad < b->packs.at.n_rods ? check_clamp_m(b, in, bad, err) : RG_OK;
}

static rg_status check_inputs(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->packs.at.clamped && !in->clamp_x) ||
        (b->packs.at.held && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->packs.at.n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0, n = rgi_batch_shape_of(b, rod)->n; i + 1 < n; i++) {
            const double *x = in->x0 + 3 * (rod * b->packs.at.vertices + i);
            const double *m = in->m0 + 3 * (rod * (b->packs.at.vertices - 1) + i);
            double e = 0.0;
            for (int c = 0; c < 3; c++) e += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
            if (!(e > 1e-18) || !isfinite(e))
                return RG_FAIL(err, RG_ERR_VALUE, "rod %zu starts with vertices %zu and %zu at one place or not finite",
                               rod, i, i + 1);
            if (!rgi_is_director(x, m))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "the director of edge %zu of rod %zu is not a unit vector across "
                               "its edge",
                               i, rod);
        }
    return b->packs.at.held && b->opts.memory == RG_MEMORY_HOST ? check_clamps(b, in, err) : RG_OK;
}

static void give_statuses(const rg_batch *b, rg_rod_status *statuses)
{
    for (size_t i = 0; statuses && i < b->packs.at.n_rods; i++) rgi_packs_status(&b->packs, i, &statuses[i]);
}

rg_status rg_batch_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    if (!b || !mask || !b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_reset needs a batch that was created with carry_on, and a mask");
    return b->packs.runner->reset(&b->packs, mask, err);
}

/* Fields [n_rods][field_row] where the host reads and writes them: at[], the caller's own or copies in *block, which
 * the caller frees; NULL of fields that are not there. bring: the copies' numbers matter. */
static rg_status fields_on_host(rg_batch *b, const double *const *fields, double **at, double **block, int bring,
                                rg_error *err)
{
    rgi_packs *p = &b->packs;
    size_t count = 0;
    *block = NULL;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        at[field] = (double *)(uintptr_t)fields[field];
        if (fields[field]) count += p->at.n_rods * field_row(b, field);
    }
    if (b->opts.memory == RG_MEMORY_HOST || count == 0) return RG_OK;
    *block = calloc(count, sizeof **block);
    if (!*block) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for derivatives of %zu rods", p->at.n_rods);
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = p->at.n_rods * field_row(b, field);
        char label[64];
        if (!fields[field]) continue;
        at[field] = *block + count;
        count += own;
        snprintf(label, sizeof label, "the array for field %s", rg_field_describe((rg_field)field)->name);
        RG_TRY(p->runner->read(p, label, at[field], fields[field], bring ? own : 0, err));
    }
    return RG_OK;
}

/* a rod's changes of coefficients and offsets into values[place * w] */
static void add_changes(const rg_batch *b, size_t rod, const double *const *fields, size_t w, double *values)
{
    const rg_model *model = rgi_batch_model_of(b, rod);
    const size_t n = b->packs.at.vertices;
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
    rg_batch *batch;
    const double *const *fields;
    int count; /* of places that any rod moves */
} entries_job;

static void set_slot(void *arg, size_t slot, size_t worker)
{
    const entries_job *job = arg;
    rgi_packs *p = &job->batch->packs;
    const size_t w = p->at.lanes, places = p->entries_capacity;
    const rgi_place_of_pack *place = &p->at.places[slot / w];
    const size_t lane = slot % w < place->rods ? slot % w : 0;
    (void)worker;
    add_changes(job->batch, place->first + lane, job->fields, w, p->entry_values + slot / w * places * w + slot % w);
}

static void flag_moved(void *arg, size_t i, size_t worker)
{
    const entries_job *job = arg;
    rgi_packs *p = &job->batch->packs;
    const size_t w = p->at.lanes, places = p->entries_capacity;
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
    rgi_packs *p = &job->batch->packs;
    const size_t w = p->at.lanes;
    double *values = p->entry_values + i * p->entries_capacity * w;
    (void)worker;
    for (int k = 0; k < job->count; k++)
        memmove(values + (size_t)k * w, values + (size_t)p->entries[k].node * w, w * sizeof *values);
}

/* the fields' direction as changes of coefficients, one list for all rods: places that any rod moves */
static rg_status set_entries(rg_batch *b, const double *const *fields, rg_error *err)
{
    rgi_packs *p = &b->packs;
    const size_t w = p->at.lanes, n = p->at.vertices, places = p->entries_capacity;
    memset(p->entry_values, 0, p->at.n_packs * places * w * sizeof *p->entry_values);
    entries_job job = {b, fields, 0};
    run_on_host(b, p->at.n_packs * w, RODS_AT_A_TIME, set_slot, &job);
    /* which places any rod moves: first as flags in `coefficient`, then as places in `node` */
    for (size_t at = 0; at < places; at++) p->entries[at].coefficient = 0;
    run_on_host(b, p->at.n_packs, PACKS_AT_A_TIME, flag_moved, &job);
    int count = 0;
    for (size_t at = 0; at < places; at++)
        if (p->entries[at].coefficient) p->entries[count++].node = (int)at;
    job.count = count;
    run_on_host(b, p->at.n_packs, PACKS_AT_A_TIME, gather_moved, &job);
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)p->entries[k].node, offset = at - n * RGI_NC;
        p->entries[k].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        p->entries[k].coefficient = at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
    }
    p->entry_begin[0] = 0;
    p->entry_begin[1] = count;
    return rgi_packs_directions(p, 1, err);
}

static rg_status send_fields(rg_batch *b, const double *const *fields, rg_error *err)
{
    double *at[RG_FIELD_COUNT], *block = NULL;
    rg_status status = fields_on_host(b, fields, at, &block, 1, err);
    if (status == RG_OK) status = set_entries(b, (const double *const *)at, err);
    free(block);
    return status;
}

rg_status rgi_batch_point_run(rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &b->packs;
    if (of->tangents) RG_TRY(send_fields(b, of->tangents->fields, err));
    rgi_packs_describe_run(p, of);
    RG_TRY(p->runner->place(p, of, err));
    return p->runner->point(p, err);
}

rg_status rgi_batch_point_reverse(rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &b->packs;
    rgi_packs_describe_reverse(p, of);
    RG_TRY(p->runner->place(p, of, err));
    return p->runner->point(p, err);
}

/* RG_ERR_ARGUMENT where edges' tensions are asked for, or given, of the deform stepper */
static rg_status check_tension(const rg_batch *b, const void *first, const void *second, rg_error *err)
{
    if (b->opts.rollout.stepper != RG_STEPPER_DEFORM || (!first && !second)) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "the deform stepper keeps lengths by projection and has no tension; leave it NULL or choose the "
                   "implicit stepper");
}

/* what a call has put out: at the host's when it returns */
static rg_status finish(rg_batch *b, const rgi_batch_arrays *of, int fetch, int section, rg_error *err)
{
    rgi_packs *p = &b->packs;
    RG_TRY(p->runner->collect(p, of, err));
    if (fetch) return p->runner->fetch(p, section, section, err);
    return b->opts.memory == RG_MEMORY_HOST ? p->runner->wait(p, err) : RG_OK;
}

rg_status rgi_batch_run(rg_batch *b, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err)
{
    b->ran = 0;
    RG_TRY(rgi_batch_point_run(b, of, err));
    RG_TRY(b->packs.runner->run(&b->packs, 0, (int)b->packs.steps, err));
    RG_TRY(finish(b, of, statuses != NULL, RGI_SECTION_RUN, err));
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err)
{
    const rgi_batch_arrays of = {.inputs = inputs, .outputs = outputs};
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_forward needs a batch");
    RG_TRY(check_tension(b, outputs ? outputs->tension : NULL, NULL, err));
    RG_TRY(check_inputs(b, inputs, err));
    return rgi_batch_run(b, &of, statuses, err);
}

rg_status rg_batch_jvp(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                       const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *out, rg_rod_status *statuses,
                       rg_error *err)
{
    const rgi_batch_arrays of = {.inputs = inputs, .outputs = outputs, .tangents = tangents, .tangent_outputs = out};
    if (!b || !tangents || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_jvp needs a batch, a direction and outputs");
    if (b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(check_tension(b, outputs ? outputs->tension : NULL, out->tension, err));
    RG_TRY(check_inputs(b, inputs, err));
    return rgi_batch_run(b, &of, statuses, err);
}

typedef struct field_job {
    const rg_batch *batch;
    int field;
    double *out; /* [n_rods][field_row] */
} field_job;

static void gather_rod(void *arg, size_t rod, size_t worker)
{
    const field_job *job = arg;
    const rgi_packs *p = &job->batch->packs;
    const size_t components = (size_t)rg_field_describe((rg_field)job->field)->components;
    const size_t row = field_row(job->batch, job->field);
    const rg_model *model = rgi_batch_model_of(job->batch, rod);
    (void)worker;
    for (size_t k = 0, count = rgi_field_numbers(model, job->field); k < count; k++) {
        double sum = 0.0;
        rgi_coefficients_adj(model, (rg_field)job->field, k / components, (int)(k % components), 1.0,
                             &p->packs[p->at.pack_of[rod]], p->at.lanes, rgi_lane_of(&p->at, rod), &sum);
        job->out[rod * row + k] = sum;
    }
}

/* gradients of fields from those of coefficients */
static void gather_fields(const rg_batch *b, double *const *fields)
{
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        field_job job = {b, field, fields[field]};
        if (fields[field]) run_on_host(b, b->packs.at.n_rods, RODS_AT_A_TIME, gather_rod, &job);
    }
}

static rg_status give_fields(rg_batch *b, double *const *fields, rg_error *err)
{
    rgi_packs *p = &b->packs;
    double *at[RG_FIELD_COUNT], *block = NULL;
    /* rods that do not use all of a row leave the rest as it was */
    rg_status status = fields_on_host(b, (const double *const *)fields, at, &block, p->at.n_shapes > 1, err);
    if (status == RG_OK) gather_fields(b, at);
    for (int field = 0; field < RG_FIELD_COUNT && block && status == RG_OK; field++)
        if (fields[field])
            status = p->runner->write(p, fields[field], at[field], p->at.n_rods * field_row(b, field), err);
    free(block);
    return status;
}

static void give_adjoint_statuses(const rg_batch *b, rg_adjoint_status *statuses)
{
    const rgi_placement *at = &b->packs.at;
    const size_t w = at->lanes;
    for (size_t i = 0; statuses && i < at->n_rods; i++) {
        const double *from = b->packs.packs[at->pack_of[i]].adjoint_status + rgi_lane_of(at, i);
        rg_adjoint_status *to = &statuses[i];
        to->flag = (rg_rod_flag)from[0];
        to->step = to->flag == RG_ROD_OK ? -1 : (int)from[w];
        to->vertex = (int)from[2 * w];
    }
}

rg_status rg_batch_adjoint(rg_batch *b, const rg_batch_cotangents *bar, const rg_batch_gradients *g,
                           rg_adjoint_status *statuses, rg_error *err)
{
    if (!b || !bar || !g)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_adjoint needs a batch, cotangents and gradients");
    if (!b->opts.adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the batch was created without `adjoint`; it kept no states to go back by");
    if (!b->ran) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no run to go back by; call rg_batch_forward");
    if (g->growth && (g->growth_every == 0 || g->growth_every > b->packs.steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", g->growth_every,
                       b->packs.steps);
    RG_TRY(check_tension(b, bar->tension, NULL, err));
    const rgi_batch_arrays of = {.cotangents = bar, .gradients = g};
    RG_TRY(rgi_batch_point_reverse(b, &of, err));
    RG_TRY(b->packs.runner->reverse(&b->packs, err));
    const int fields = b->packs.call.want_coef;
    RG_TRY(finish(b, &of, statuses || fields, RGI_SECTION_REVERSE, err));
    give_adjoint_statuses(b, statuses);
    return fields ? give_fields(b, g->fields, err) : RG_OK;
}
