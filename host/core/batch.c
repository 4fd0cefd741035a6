/* core/batch.c: runs of batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames stay where
 * the caller has them. */
#include "core/batch.h"
#include "core/structs.h"
#include "rodgrad/batch_float.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* Prescribed directors: the simulator would take any vector for one, and strains would be wrong without a word. What is
 * not finite ends its rod at its step. */
static rg_status check_clamp_m(const rg_batch *b, const rgi_batch_arrays *of, size_t rod, rg_error *err)
{
    const rg_batch_inputs *in = of->inputs;
    const rgi_shape *s = rgi_batch_shape_of(b, rod);
    for (size_t d = 0, place = 0; d < s->n_fixed_theta; d++, place++) {
        const size_t edge = (size_t)s->fixed_theta[d];
        while ((size_t)s->fixed_x[place] != edge) place++;
        for (size_t k = 0; k < rgi_batch_steps(b); k++) {
            const size_t step = rod * rgi_batch_steps(b) + k;
            double edge_room[6], room[3];
            const double *x = rgi_numbers_at(in->clamp_x, of->single, 3 * (step * b->at.clamped + place), 6, edge_room);
            const double *m = rgi_numbers_at(in->clamp_m, of->single, 3 * (step * b->at.held + d), 3, room);
            if (rgi_is_director(x, m, of->single)) continue;
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
    const rgi_batch_arrays *of;
    atomic_size_t bad; /* the first rod found so far */
} clamps_job;

static void check_one(void *arg, size_t rod, size_t worker)
{
    clamps_job *job = arg;
    size_t bad = atomic_load(&job->bad);
    (void)worker;
    if (rod >= bad || check_clamp_m(job->batch, job->of, rod, NULL) == RG_OK) return;
    while (rod < bad && !atomic_compare_exchange_weak(&job->bad, &bad, rod)) {}
}

/* the first rod in order that has a bad director says so */
static rg_status check_clamps(const rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
    clamps_job job = {.batch = b, .of = of, .bad = b->at.n_rods};
    rgi_batch_run_jobs(b, b->at.n_rods, 32, check_one, &job);
    const size_t bad = atomic_load(&job.bad);
    return bad < b->at.n_rods ? check_clamp_m(b, of, bad, err) : RG_OK;
}

static rg_status check_inputs(const rg_batch *b, const rgi_batch_arrays *of, rg_error *err)
{
    const rg_batch_inputs *in = of->inputs;
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->at.clamped && !in->clamp_x) || (b->at.held && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->at.n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0, n = rgi_batch_shape_of(b, rod)->n; i + 1 < n; i++) {
            double edge_room[6], room[3], e = 0.0;
            const double *x = rgi_numbers_at(in->x0, of->single, 3 * (rod * b->at.vertices + i), 6, edge_room);
            const double *m = rgi_numbers_at(in->m0, of->single, 3 * (rod * (b->at.vertices - 1) + i), 3, room);
            for (int c = 0; c < 3; c++) e += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
            if (!(e > 1e-18) || !isfinite(e))
                return RG_FAIL(err, RG_ERR_VALUE, "rod %zu starts with vertices %zu and %zu at one place or not finite",
                               rod, i, i + 1);
            if (of->single && !(rgi_float_share(x) < RGI_FLOAT_SHARE))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "edge %zu of rod %zu is %g m long and %g m from the origin, where floats are too coarse "
                               "for it; move the origin near the rods, or pass doubles",
                               i, rod, sqrt(e), sqrt(x[0] * x[0] + x[1] * x[1] + x[2] * x[2]));
            if (!rgi_is_director(x, m, of->single))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "the director of edge %zu of rod %zu is not a unit vector across "
                               "its edge",
                               i, rod);
        }
    return b->at.held && b->opts.memory == RG_MEMORY_HOST ? check_clamps(b, of, err) : RG_OK;
}

rg_status rgi_tape_point_run(rg_tape *t, const rgi_batch_arrays *of, rg_error *err)
{
    rgi_packs *p = &t->packs;
    const int directions = of->tangents && of->tangents->n_directions ? (int)of->tangents->n_directions : 1;
    RG_TRY(rgi_tape_set_parameters(t, of, err));
    if (of->tangents) RG_TRY(rgi_tape_set_directions(t, of, directions, err));
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

/* by the struct of either kind, whose layouts are the same (batch_float.c) */
#define TAKE(type, last, given, own, err)                                                                              \
    do {                                                                                                               \
        static const rgi_struct of_[2] = {                                                                             \
            {#type, sizeof(type), RGI_SIZE_UP_TO(type, last), 0},                                                      \
            {#type "_float", sizeof(type##_float), RGI_SIZE_UP_TO(type##_float, last), 0}};                            \
        if ((given)->type) RG_TRY(rgi_struct_take(&of_[(given)->single], (given)->type, own, err));                    \
    } while (0)

static rg_status take_run(call *c, const rgi_given *given, rg_error *err)
{
    TAKE(rg_batch_inputs, n_fields, given, &c->inputs, err);
    TAKE(rg_batch_outputs, status, given, &c->outputs, err);
    c->of.inputs = &c->inputs;
    c->of.outputs = given->rg_batch_outputs ? &c->outputs : NULL;
    c->of.input_fields = c->input_fields;
    c->of.single = given->single;
    return rgi_field_values(c->inputs.fields, c->inputs.n_fields, "inputs", c->input_fields, err);
}

static rg_status take_tangents(call *c, const rgi_given *given, rg_error *err)
{
    TAKE(rg_batch_tangents, n_directions, given, &c->tangents, err);
    TAKE(rg_batch_tangent_outputs, energy, given, &c->tangent_outputs, err);
    c->of.tangents = &c->tangents;
    c->of.tangent_outputs = &c->tangent_outputs;
    c->of.tangent_fields = c->tangent_fields;
    return rgi_field_values(c->tangents.fields, c->tangents.n_fields, "tangents", c->tangent_fields, err);
}

static rg_status take_reverse(call *c, const rgi_given *given, rg_error *err)
{
    TAKE(rg_batch_cotangents, energy, given, &c->cotangents, err);
    TAKE(rg_batch_gradients, growth, given, &c->gradients, err);
    c->of.cotangents = &c->cotangents;
    c->of.gradients = &c->gradients;
    c->of.gradient_fields = c->gradient_fields;
    c->of.single = given->single;
    return rgi_field_gradients(c->gradients.fields, c->gradients.n_fields, c->gradient_fields, err);
}

/* the numbers of the rods' statuses, where they were fetched */
static void give_status_numbers(const rgi_packs *p, int single, void *to)
{
    static const int places[RG_STATUS_NUMBERS] = RGI_STATUS_PLACES;
    for (size_t i = 0; i < p->at->n_rods; i++) {
        const double *from = p->packs[p->at->pack_of[i]].status + rgi_lane_of(p->at, i);
        for (int k = 0; k < RG_STATUS_NUMBERS; k++)
            rgi_number_put(to, single, (ptrdiff_t)(i * RG_STATUS_NUMBERS) + k, from[(size_t)places[k] * p->at->lanes]);
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
    void *numbers = of->outputs ? of->outputs->status : NULL;
    if (numbers && p->opts.memory == RG_MEMORY_DEVICE) RG_TRY(p->runner->give_statuses(p, of->single, numbers, err));
    const int host = numbers && p->opts.memory == RG_MEMORY_HOST;
    RG_TRY(finish(t, of, statuses || host, RGI_SECTION_RUN, err));
    if (host) give_status_numbers(p, of->single, numbers);
    t->ran = t->batch->version;
    for (size_t i = 0; statuses && i < p->at->n_rods; i++) rgi_packs_status(p, i, &statuses[i]);
    return RG_OK;
}

rg_status rgi_tape_forward(rg_tape *t, const rgi_given *given, rg_rod_status *statuses, rg_error *err)
{
    call c = {0};
    if (!t) return RG_FAIL(err, RG_ERR_ARGUMENT, "a forward run needs a batch or tape");
    RG_TRY(take_run(&c, given, err));
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.outputs), err));
    RG_TRY(check_inputs(t->batch, &c.of, err));
    return rgi_tape_run(t, &c.of, statuses, err);
}

rg_status rgi_tape_jvp(rg_tape *t, const rgi_given *given, rg_rod_status *statuses, rg_error *err)
{
    call c = {0};
    if (!t || !given->rg_batch_tangents || !given->rg_batch_tangent_outputs)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a run with tangents needs a batch or tape, directions and outputs");
    if (t->batch->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(take_run(&c, given, err));
    RG_TRY(take_tangents(&c, given, err));
    if (c.tangents.n_directions > t->packs.opts.directions)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the call has n_directions = %zu, but the batch was created for at most %zu; create it with "
                       "directions = %zu",
                       c.tangents.n_directions, t->packs.opts.directions, c.tangents.n_directions);
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.tangent_outputs) || HAS_FORCES(&c.outputs), err));
    RG_TRY(check_inputs(t->batch, &c.of, err));
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

rg_status rgi_tape_adjoint(rg_tape *t, const rgi_given *given, rg_adjoint_status *statuses, rg_error *err)
{
    call c = {0};
    if (!t || !given->rg_batch_cotangents || !given->rg_batch_gradients)
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
    RG_TRY(take_reverse(&c, given, err));
    if (c.gradients.growth && (c.gradients.growth_every == 0 || c.gradients.growth_every > t->packs.steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", c.gradients.growth_every,
                       t->packs.steps);
    RG_TRY(check_forces(t->batch, HAS_FORCES(&c.cotangents), err));
    RG_TRY(rgi_tape_point_reverse(t, &c.of, err));
    RG_TRY(t->packs.runner->reverse(&t->packs, err));
    const int fields = t->packs.call.want_coef;
    if (fields) RG_TRY(rgi_tape_pull_back_fields(t, &c.of, err));
    RG_TRY(finish(t, &c.of, statuses != NULL, RGI_SECTION_REVERSE, err));
    if (fields) rgi_tape_give_fields(t, &c.of);
    give_adjoint_statuses(&t->packs, statuses);
    return RG_OK;
}

/* ---- with arrays of doubles: on a tape, and on the batch's own ---- */

rg_status rg_tape_forward(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                          rg_rod_status *statuses, rg_error *err)
{
    const rgi_given given = {.rg_batch_inputs = inputs, .rg_batch_outputs = outputs};
    return rgi_tape_forward(t, &given, statuses, err);
}

rg_status rg_tape_jvp(rg_tape *t, const rg_batch_inputs *inputs, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *outputs, const rg_batch_tangent_outputs *tangent_outputs,
                      rg_rod_status *statuses, rg_error *err)
{
    const rgi_given given = {.rg_batch_inputs = inputs,
                             .rg_batch_outputs = outputs,
                             .rg_batch_tangents = tangents,
                             .rg_batch_tangent_outputs = tangent_outputs};
    return rgi_tape_jvp(t, &given, statuses, err);
}

rg_status rg_tape_adjoint(rg_tape *t, const rg_batch_cotangents *cotangents, const rg_batch_gradients *gradients,
                          rg_adjoint_status *statuses, rg_error *err)
{
    const rgi_given given = {.rg_batch_cotangents = cotangents, .rg_batch_gradients = gradients};
    return rgi_tape_adjoint(t, &given, statuses, err);
}

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err)
{
    return rg_tape_forward(b ? b->own : NULL, inputs, outputs, statuses, err);
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
