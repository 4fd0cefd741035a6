/* core/batch.c: runs of batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames stay where
 * the caller has them. */
#include "core/batch.h"
#include "core/structs.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

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
    rgi_batch_run_jobs(b, b->at.n_rods, 32, check_one, &job);
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

rg_status rgi_tape_point_run(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &t->packs;
    static const double *const none[RG_FIELD_COUNT] = {NULL};
    RG_TRY(rgi_tape_set_parameters(t, of->input_fields ? of->input_fields : none, err));
    if (of->tangents)
        RG_TRY(rgi_tape_set_directions(t, of->tangent_fields ? of->tangent_fields : none,
                                       of->tangents->n_directions ? (int)of->tangents->n_directions : 1, err));
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

/* ---- the caller's structs ---- */

/* a call's structs in the library's own version, with their lists of fields by field */
typedef struct call {
    rg_batch_inputs inputs;
    rg_batch_outputs outputs;
    rg_batch_tangents tangents;
    rg_batch_tangent_outputs tangent_outputs;
    rg_batch_cotangents cotangents;
    rg_batch_gradients gradients;
    const double *input_fields[RG_FIELD_COUNT], *tangent_fields[RG_FIELD_COUNT];
    double *gradient_fields[RG_FIELD_COUNT];
    rgi_batch_arrays of;
} call;

#define TAKE(type, last, given, own, err)                                                                              \
    do {                                                                                                               \
        static const rgi_struct of_ = {#type, sizeof(type), RGI_SIZE_UP_TO(type, last), 0};                            \
        if (given) RG_TRY(rgi_struct_take(&of_, given, own, err));                                                     \
    } while (0)

static rg_status take_run(call *c, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs, rg_error *err)
{
    TAKE(rg_batch_inputs, n_fields, inputs, &c->inputs, err);
    TAKE(rg_batch_outputs, status, outputs, &c->outputs, err);
    c->of.inputs = &c->inputs;
    c->of.outputs = outputs ? &c->outputs : NULL;
    c->of.input_fields = c->input_fields;
    return rgi_field_values(c->inputs.fields, c->inputs.n_fields, "inputs", c->input_fields, err);
}

static rg_status take_tangents(call *c, const rg_batch_tangents *tangents, const rg_batch_tangent_outputs *outputs,
                               rg_error *err)
{
    TAKE(rg_batch_tangents, n_directions, tangents, &c->tangents, err);
    TAKE(rg_batch_tangent_outputs, energy, outputs, &c->tangent_outputs, err);
    c->of.tangents = &c->tangents;
    c->of.tangent_outputs = &c->tangent_outputs;
    c->of.tangent_fields = c->tangent_fields;
    return rgi_field_values(c->tangents.fields, c->tangents.n_fields, "tangents", c->tangent_fields, err);
}

static rg_status take_reverse(call *c, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                              rg_error *err)
{
    TAKE(rg_batch_cotangents, energy, cotangents, &c->cotangents, err);
    TAKE(rg_batch_gradients, growth, gradients, &c->gradients, err);
    c->of.cotangents = &c->cotangents;
    c->of.gradients = &c->gradients;
    c->of.gradient_fields = c->gradient_fields;
    return rgi_field_gradients(c->gradients.fields, c->gradients.n_fields, c->gradient_fields, err);
}

/* the numbers of the rods' statuses, where they were fetched */
static void give_status_numbers(const rgi_packs *p, double *to)
{
    static const int places[RG_STATUS_NUMBERS] = RGI_STATUS_PLACES;
    for (size_t i = 0; i < p->at->n_rods; i++) {
        const double *from = p->packs[p->at->pack_of[i]].status + rgi_lane_of(p->at, i);
        for (int k = 0; k < RG_STATUS_NUMBERS; k++)
            to[i * RG_STATUS_NUMBERS + (size_t)k] = from[(size_t)places[k] * p->at->lanes];
    }
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
    double *numbers = of->outputs ? of->outputs->status : NULL;
    if (numbers && p->opts.memory == RG_MEMORY_DEVICE) RG_TRY(p->runner->give_statuses(p, numbers, err));
    const int host = numbers && p->opts.memory == RG_MEMORY_HOST;
    RG_TRY(finish(t, of, statuses || host, RGI_SECTION_RUN, err));
    if (host) give_status_numbers(p, numbers);
    t->ran = t->batch->version;
    for (size_t i = 0; statuses && i < p->at->n_rods; i++) rgi_packs_status(p, i, &statuses[i]);
    return RG_OK;
}

rg_status rg_tape_forward(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                          rg_rod_status *statuses, rg_error *err)
{
    call c = {0};
    if (!t) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_tape_forward needs a tape");
    RG_TRY(take_run(&c, inputs, outputs, err));
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.outputs), err));
    RG_TRY(check_inputs(t->batch, &c.inputs, err));
    return rgi_tape_run(t, &c.of, statuses, err);
}

rg_status rg_tape_jvp(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *out, rg_rod_status *statuses,
                      rg_error *err)
{
    call c = {0};
    if (!t || !tangents || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a run with tangents needs a batch or tape, directions and outputs");
    if (t->batch->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(take_run(&c, inputs, outputs, err));
    RG_TRY(take_tangents(&c, tangents, out, err));
    if (c.tangents.n_directions > t->packs.opts.directions)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the call has n_directions = %zu, but the batch was created for at most %zu; create it with "
                       "directions = %zu",
                       c.tangents.n_directions, t->packs.opts.directions, c.tangents.n_directions);
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.tangent_outputs) || HAS_FORCES(&c.outputs), err));
    RG_TRY(check_inputs(t->batch, &c.inputs, err));
    return rgi_tape_run(t, &c.of, statuses, err);
}

rg_status rg_tape_reset(rg_tape *t, const unsigned char *mask, rg_error *err)
{
    if (!t || !mask || !t->batch->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a reset needs a batch that was created with carry_on, and a mask");
    return t->packs.runner->reset(&t->packs, mask, err);
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

rg_status rg_tape_adjoint(rg_tape *t, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                          rg_adjoint_status *statuses, rg_error *err)
{
    call c = {0};
    if (!t || !cotangents || !gradients)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "an adjoint needs a batch or tape, cotangents and gradients");
    if (!t->batch->opts.adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the batch was created without `adjoint`; it kept no states to go back by");
    if (!t->ran) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no run to go back by; simulate first");
    if (t->ran != t->batch->version)
        return RG_FAIL(
            err, RG_ERR_ARGUMENT,
            "a rod got another model after the run (rg_batch_set_model), so that the run cannot be gone back "
            "by; run again");
    RG_TRY(take_reverse(&c, cotangents, gradients, err));
    if (c.gradients.growth && (c.gradients.growth_every == 0 || c.gradients.growth_every > t->packs.steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", c.gradients.growth_every,
                       t->packs.steps);
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.cotangents), err));
    RG_TRY(rgi_tape_point_reverse(t, &c.of, err));
    RG_TRY(t->packs.runner->reverse(&t->packs, err));
    if (t->packs.call.want_coef) RG_TRY(rgi_tape_give_fields(t, c.gradient_fields, err));
    RG_TRY(finish(t, &c.of, statuses != NULL, RGI_SECTION_REVERSE, err));
    give_adjoint_statuses(&t->packs, statuses);
    return RG_OK;
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
