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
    const rgi_placement *at = &b->at;
    const size_t entries = info->location == RG_PER_EDGE     ? at->vertices - 1
                           : info->location == RG_PER_VERTEX ? at->vertices
                                                             : at->markers;
    return entries * (size_t)info->components;
}

/* threads for what the host does rod by rod, whose sums are each rod's own: on a GPU `threads` is one */
static size_t host_threads(const rg_batch *b)
{
    enum { RODS_OF_THREAD = 256 };
    const size_t most = rgi_workers(&b->opts.rollout), useful = b->at.n_rods / RODS_OF_THREAD + 1;
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
        for (size_t k = 0; k < rgi_batch_steps(b); k++) {
            const double *x = in->clamp_x + 3 * ((rod * rgi_batch_steps(b) + k) * b->at.clamped + place);
            const double *m = in->clamp_m + 3 * ((rod * rgi_batch_steps(b) + k) * b->at.held + d);
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
    clamps_job job = {.batch = b, .inputs = in, .bad = b->at.n_rods};
    run_on_host(b, b->at.n_rods, RODS_AT_A_TIME, check_one, &job);
    const size_t bad = atomic_load(&job.bad);
    return bad < b->at.n_rods ? check_clamp_m(b, in, bad, err) : RG_OK;
}

static rg_status check_inputs(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->at.clamped && !in->clamp_x) || (b->at.held && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->at.n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0, n = rgi_batch_shape_of(b, rod)->n; i + 1 < n; i++) {
            const double *x = in->x0 + 3 * (rod * b->at.vertices + i);
            const double *m = in->m0 + 3 * (rod * (b->at.vertices - 1) + i);
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
    return b->at.held && b->opts.memory == RG_MEMORY_HOST ? check_clamps(b, in, err) : RG_OK;
}

rg_status rgi_tape_set_models(rg_tape *t, rg_error *err)
{
    const rg_batch *b = t->batch;
    t->fields_given = 0;
    if (t->version == b->version) return RG_OK;
    for (size_t i = 0; i < b->at.n_rods; i++)
        if (b->changed[i] > t->version) rgi_packs_set_rod(&t->packs, i, rgi_batch_model_of(b, i));
    t->version = b->version;
    return rgi_packs_send_section(&t->packs, RGI_SECTION_SET, err);
}

/* Fields [n_rods][field_row] where the host reads and writes them: at[], the caller's own or copies in *block, which
 * the caller frees; NULL of fields that are not there. bring: the copies' numbers matter. */
static rg_status fields_on_host(rg_tape *t, const double *const *fields, double **at, double **block, int bring,
                                rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    size_t count = 0;
    *block = NULL;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        at[field] = (double *)(uintptr_t)fields[field];
        if (fields[field]) count += p->at->n_rods * field_row(b, field);
    }
    if (b->opts.memory == RG_MEMORY_HOST || count == 0) return RG_OK;
    *block = calloc(count, sizeof **block);
    if (!*block) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for derivatives of %zu rods", p->at->n_rods);
    count = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        const size_t own = p->at->n_rods * field_row(b, field);
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
    run_on_host(b, p->at->n_packs * w, RODS_AT_A_TIME, set_slot, &job);
    /* which places any rod moves: first as flags in `coefficient`, then as places in `node` */
    for (size_t at = 0; at < places; at++) p->entries[at].coefficient = 0;
    run_on_host(b, p->at->n_packs, PACKS_AT_A_TIME, flag_moved, &job);
    int count = 0;
    for (size_t at = 0; at < places; at++)
        if (p->entries[at].coefficient) p->entries[count++].node = (int)at;
    job.count = count;
    run_on_host(b, p->at->n_packs, PACKS_AT_A_TIME, gather_moved, &job);
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)p->entries[k].node, offset = at - n * RGI_NC;
        p->entries[k].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        p->entries[k].coefficient = at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
    }
    p->entry_begin[0] = 0;
    p->entry_begin[1] = count;
    return rgi_packs_directions(p, 1, err);
}

static rg_status send_fields(rg_tape *t, const double *const *fields, rg_error *err)
{
    double *at[RG_FIELD_COUNT], *block = NULL;
    rg_status status = fields_on_host(t, fields, at, &block, 1, err);
    if (status == RG_OK) status = set_entries(t, (const double *const *)at, err);
    free(block);
    return status;
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
static rg_status set_parameters(rg_tape *t, const rg_batch_inputs *in, rg_error *err)
{
    double *at[RG_FIELD_COUNT], *block = NULL;
    int any = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) any |= in->fields[field] != NULL;
    if (!any) return rgi_tape_set_models(t, err);
    RG_TRY(make_given(t, err));
    rg_status status = fields_on_host(t, in->fields, at, &block, 1, err);
    if (status == RG_OK) status = set_given(t, (const double *const *)at, err);
    free(block);
    return status;
}

rg_status rgi_tape_point_run(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &t->packs;
    RG_TRY(set_parameters(t, of->inputs, err));
    if (of->tangents) RG_TRY(send_fields(t, of->tangents->fields, err));
    rgi_packs_describe_run(p, of);
    RG_TRY(p->runner->place(p, of, err));
    return p->runner->point(p, err);
}

rg_status rgi_tape_point_reverse(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &t->packs;
    rgi_packs_describe_reverse(p, of);
    RG_TRY(p->runner->place(p, of, err));
    return p->runner->point(p, err);
}

/* are there forces or energies among these outputs, or their derivatives? */
#define HAS_FORCES(of) ((of)->tension || (of)->reaction || (of)->reaction_moment || (of)->moment || (of)->energy)

/* RG_ERR_ARGUMENT where they are asked for, or given, of the deform stepper */
static rg_status check_forces(const rg_batch *b, int wanted, rg_error *err)
{
    if (b->opts.rollout.stepper != RG_STEPPER_DEFORM || !wanted) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "the deform stepper keeps lengths by projection and has no tension, no reactions, no moments and no "
                   "energies; "
                   "leave them NULL or choose the implicit stepper");
}

/* what a call has put out: at the host's when it returns */
static rg_status finish(rg_tape *t, const rgi_batch_arrays *of, int fetch, int section, rg_error *err)
{
    rgi_packs *p = &t->packs;
    RG_TRY(p->runner->collect(p, of, err));
    if (fetch) return p->runner->fetch(p, section, section, err);
    return p->opts.memory == RG_MEMORY_HOST ? p->runner->wait(p, err) : RG_OK;
}

rg_status rgi_tape_run(rg_tape *t, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err)
{
    rgi_packs *p = &t->packs;
    t->ran = 0;
    RG_TRY(rgi_tape_point_run(t, of, err));
    RG_TRY(p->runner->run(p, 0, (int)p->steps, err));
    RG_TRY(finish(t, of, statuses != NULL, RGI_SECTION_RUN, err));
    t->ran = t->batch->version;
    for (size_t i = 0; statuses && i < p->at->n_rods; i++) rgi_packs_status(p, i, &statuses[i]);
    return RG_OK;
}

rg_status rg_tape_forward(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                          rg_rod_status *statuses, rg_error *err)
{
    const rgi_batch_arrays of = {.inputs = inputs, .outputs = outputs};
    if (!t) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_tape_forward needs a tape");
    RG_TRY(check_forces(t->batch, outputs && HAS_FORCES(outputs), err));
    RG_TRY(check_inputs(t->batch, inputs, err));
    return rgi_tape_run(t, &of, statuses, err);
}

rg_status rg_tape_jvp(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *out, rg_rod_status *statuses,
                      rg_error *err)
{
    const rgi_batch_arrays of = {.inputs = inputs, .outputs = outputs, .tangents = tangents, .tangent_outputs = out};
    if (!t || !tangents || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a run with tangents needs a batch or tape, a direction and outputs");
    if (t->batch->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(check_forces(t->batch, HAS_FORCES(out) || (outputs && HAS_FORCES(outputs)), err));
    RG_TRY(check_inputs(t->batch, inputs, err));
    return rgi_tape_run(t, &of, statuses, err);
}

rg_status rg_tape_reset(rg_tape *t, const unsigned char *mask, rg_error *err)
{
    if (!t || !mask || !t->batch->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a reset needs a batch that was created with carry_on, and a mask");
    return t->packs.runner->reset(&t->packs, mask, err);
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
        if (fields[field]) run_on_host(t->batch, t->batch->at.n_rods, RODS_AT_A_TIME, gather_rod, &job);
    }
}

static rg_status give_fields(rg_tape *t, double *const *fields, rg_error *err)
{
    const rg_batch *b = t->batch;
    rgi_packs *p = &t->packs;
    double *at[RG_FIELD_COUNT], *block = NULL;
    /* rods that do not use all of a row leave the rest as it was */
    rg_status status = fields_on_host(t, (const double *const *)fields, at, &block, p->at->n_shapes > 1, err);
    if (status == RG_OK) gather_fields(t, at);
    for (int field = 0; field < RG_FIELD_COUNT && block && status == RG_OK; field++)
        if (fields[field])
            status = p->runner->write(p, fields[field], at[field], p->at->n_rods * field_row(b, field), err);
    free(block);
    return status;
}

static void give_adjoint_statuses(const rgi_packs *p, rg_adjoint_status *statuses)
{
    const size_t w = p->at->lanes;
    for (size_t i = 0; statuses && i < p->at->n_rods; i++) {
        const double *from = p->packs[p->at->pack_of[i]].adjoint_status + rgi_lane_of(p->at, i);
        rg_adjoint_status *to = &statuses[i];
        to->flag = (rg_rod_flag)from[0];
        to->step = to->flag == RG_ROD_OK ? -1 : (int)from[w];
        to->vertex = (int)from[2 * w];
    }
}

rg_status rg_tape_adjoint(rg_tape *t, const rg_batch_cotangents *bar, const rg_batch_gradients *g,
                          rg_adjoint_status *statuses, rg_error *err)
{
    if (!t || !bar || !g)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "an adjoint needs a batch or tape, cotangents and gradients");
    if (!t->batch->opts.adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the batch was created without `adjoint`; it kept no states to go back by");
    if (!t->ran) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no run to go back by; call rg_batch_forward");
    if (t->ran != t->batch->version)
        return RG_FAIL(
            err, RG_ERR_ARGUMENT,
            "a rod got another model after the run (rg_batch_set_model), so that the run cannot be gone back "
            "by; run again");
    if (g->growth && (g->growth_every == 0 || g->growth_every > t->packs.steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", g->growth_every,
                       t->packs.steps);
    RG_TRY(check_forces(t->batch, HAS_FORCES(bar), err));
    const rgi_batch_arrays of = {.cotangents = bar, .gradients = g};
    RG_TRY(rgi_tape_point_reverse(t, &of, err));
    RG_TRY(t->packs.runner->reverse(&t->packs, err));
    const int fields = t->packs.call.want_coef;
    RG_TRY(finish(t, &of, statuses || fields, RGI_SECTION_REVERSE, err));
    give_adjoint_statuses(&t->packs, statuses);
    return fields ? give_fields(t, g->fields, err) : RG_OK;
}

/* ---- on the batch's own tape ---- */

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err)
{
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_forward needs a batch");
    return rg_tape_forward(b->own, inputs, outputs, statuses, err);
}

rg_status rg_batch_jvp(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                       const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                       rg_rod_status *statuses, rg_error *err)
{
    return rg_tape_jvp(b ? b->own : NULL, inputs, tangents, outputs, tangent_outputs, statuses, err);
}

rg_status rg_batch_adjoint(rg_batch *b, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                           rg_adjoint_status *statuses, rg_error *err)
{
    return rg_tape_adjoint(b ? b->own : NULL, cotangents, gradients, statuses, err);
}

rg_status rg_batch_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    return rg_tape_reset(b ? b->own : NULL, mask, err);
}
