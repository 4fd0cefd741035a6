/* core/batch.c: runs of batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames
 * stay where the caller has them. */
#include "core/batch.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <string.h>

#include "core/coefficients.h"
#include "rod/layout.h"

size_t rgi_batch_numbers(const rg_batch *b, int field)
{
    const rg_field_info *info = rg_field_describe((rg_field)field);
    const size_t entries = info->location == RG_PER_EDGE     ? b->vertices - 1
                           : info->location == RG_PER_VERTEX ? b->vertices
                                                             : b->markers;
    return entries * (size_t)info->components;
}

/* rows of a series (RGI_ROWS_...) in the batch's call */
static size_t rows_of(const rg_batch *b, int rows)
{
    switch (rows) {
    case RGI_ROWS_STEPS: return b->steps;
    case RGI_ROWS_FRAMES: return b->opts.n_frames;
    default: return b->call.growth_every > 0 ? b->steps / (size_t)b->call.growth_every + 1 : 1;
    }
}

/* the caller's arrays [n_rods][rows][width] into the batch's call */
static void describe(rg_batch *b, const rgi_batch_arrays *of)
{
    rgi_call *c = &b->call;
#define START(name, per, less, source, member, stage)                                                                  \
    if (of->source) c->name = of->source->member;
    RGI_PACK_STARTS_IN(START)
#undef START
#define SERIES(name, rows, width, source, member, stage)                                                               \
    if (of->source) {                                                                                                  \
        const size_t items = (width), count = rows_of(b, RGI_ROWS_##rows);                                             \
        c->name.data = items > 0 ? of->source->member : NULL;                                                          \
        c->name.rod = (ptrdiff_t)(count * items);                                                                      \
        c->name.step = (ptrdiff_t)items;                                                                               \
        c->name.item = 1;                                                                                              \
    }
    RGI_PACK_SERIES(SERIES)
#undef SERIES
}

static void describe_run(rg_batch *b, const rgi_batch_arrays *of)
{
    memset(&b->call, 0, sizeof b->call);
    b->call.vertices = (int)b->vertices;
    b->call.set_tangents = b->call.n_directions = of->tangents != NULL;
    describe(b, of);
}

/* a reverse run of the last call's run, whose inputs it needs again */
static void describe_reverse(rg_batch *b, const rgi_batch_arrays *of)
{
    const rg_batch_gradients *g = of->gradients;
    rgi_call *c = &b->call;
#define START(name, ...) c->name = NULL;
    RGI_PACK_STARTS_IN(START)
#undef START
#define SERIES(name, rows, width, source, ...)                                                                         \
    if (RGI_OF_##source == RGI_OF_tangents || RGI_OF_##source == RGI_OF_tangent_outputs) c->name.data = NULL;
    RGI_PACK_SERIES(SERIES)
#undef SERIES
    c->set_tangents = c->n_directions = 0;
    c->bar = RGI_BAR_GIVEN;
    c->growth_every = (int)g->growth_every;
    c->want_coef = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) c->want_coef |= g->fields[field] != NULL;
    c->want_start = g->x0 || g->v0 || g->turn0;
    describe(b, of);
}

/* spread the first count values of a pack's rods [n_rods][row] over its lanes [room][W]; the rest, or NULL: zero */
static void spread(const rg_batch *b, size_t index, const double *from, size_t row, size_t count, size_t room,
                   double *to)
{
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; lane < w; lane++) {
        size_t rod = b->places[index].first + (lane < rods ? lane : 0);
        for (size_t i = 0; i < room; i++) to[i * w + lane] = from && i < count ? from[rod * row + i] : 0.0;
    }
}

/* the CPU's packs to what the call says */
static void point(rg_batch *b)
{
    const rgi_call *call = &b->call;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *to = &b->packs[index];
        const size_t n = b->places[index].shape->n, rod = b->places[index].first;
        RGI_POINT_PACK
#define SPREAD(name, per, less, source, ...)                                                                           \
    if (RGI_OF_##source == RGI_OF_tangents ? call->set_tangents : call->name != NULL)                                  \
        spread(b, index, call->name, (per) * (b->vertices - (less)), (per) * (n - (less)), (per)*n, to->name);
        RGI_PACK_STARTS_IN(SPREAD)
#undef SPREAD
    }
}

static void gather(const rg_batch *b, size_t index, const double *from, size_t row, size_t count, double *to)
{
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; to && lane < rods; lane++)
        for (size_t i = 0; i < count; i++) to[(b->places[index].first + lane) * row + i] = from[i * w + lane];
}

/* threads for what the host does rod by rod, whose sums are each rod's own: on a GPU `threads` is one */
static int host_threads(const rg_batch *b)
{
    enum { RODS_OF_THREAD = 256 };
    const int asked = b->opts.rollout.threads > 0 ? b->opts.rollout.threads : omp_get_max_threads();
    const size_t useful = b->n_rods / RODS_OF_THREAD + 1;
    return (size_t)asked < useful ? asked : (int)useful;
}

/* Prescribed directors: the simulator would take any vector for one, and strains would be wrong without a word. What is
 * not finite ends its rod at its step. */
static rg_status check_clamp_m(const rg_batch *b, const rg_batch_inputs *in, size_t rod, rg_error *err)
{
    const rgi_shape *s = rgi_batch_shape_of(b, rod);
    for (size_t d = 0, place = 0; d < s->n_fixed_theta; d++, place++) {
        const size_t edge = (size_t)s->fixed_theta[d];
        while ((size_t)s->fixed_x[place] != edge) place++;
        for (size_t k = 0; k < b->steps; k++) {
            const double *x = in->clamp_x + 3 * ((rod * b->steps + k) * b->clamped + place);
            const double *m = in->clamp_m + 3 * ((rod * b->steps + k) * b->held + d);
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

/* the first rod in order that has a bad director says so */
static rg_status check_clamps(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    size_t bad = b->n_rods;
#pragma omp parallel for reduction(min : bad) num_threads(host_threads(b))
    for (size_t rod = 0; rod < b->n_rods; rod++)
        if (rod < bad && check_clamp_m(b, in, rod, NULL) != RG_OK) bad = rod;
    return bad < b->n_rods ? check_clamp_m(b, in, bad, err) : RG_OK;
}

static rg_status check_inputs(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->clamped && !in->clamp_x) || (b->held && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0, n = rgi_batch_shape_of(b, rod)->n; i + 1 < n; i++) {
            const double *x = in->x0 + 3 * (rod * b->vertices + i);
            const double *m = in->m0 + 3 * (rod * (b->vertices - 1) + i);
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
    return b->held && b->opts.memory == RG_MEMORY_HOST ? check_clamps(b, in, err) : RG_OK;
}

static void run(rg_batch *b, int reverse)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(b->threads)
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        double *own = b->threads_memory + (size_t)omp_get_thread_num() * (b->work_doubles + b->pool_doubles);
        j->workspace = (rgi_reals *)(void *)own;
        j->pool = (rgi_reals *)(void *)(own + b->work_doubles);
        if (reverse) b->cpu->reverse(j);
        else b->cpu->run(j);
    }
}

static void give_statuses(const rg_batch *b, rg_rod_status *statuses)
{
    for (size_t i = 0; statuses && i < b->n_rods; i++) {
        const size_t index = b->pack_of[i];
        rgi_lane_status(b->packs[index].status, b->lanes, i - b->places[index].first, &statuses[i]);
        statuses[i].stable_step_s = b->stable_step_s[i];
    }
}

rg_status rg_batch_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    if (!b || !mask || !b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_reset needs a batch that was created with carry_on, and a mask");
    if (b->device) return rgi_batch_device_reset(b, mask, err);
    for (size_t i = 0; i < b->n_rods; i++) {
        const size_t index = b->pack_of[i], state = RGI_STATE_REALS * b->places[index].shape->n + 1;
        if (mask[i]) b->packs[index].carried[2 * state * b->lanes + (i - b->places[index].first)] = 0.0;
    }
    return RG_OK;
}

/* the fields' direction as changes of coefficients, one list for all rods: places that any rod moves */
void rgi_batch_set_entries(rg_batch *b, const double *const *fields)
{
    const size_t w = b->lanes, n = b->vertices, places = rgi_batch_change_places(b);
    for (size_t i = 0; i < b->n_packs; i++) memset(b->packs[i].changes, 0, places * w * sizeof(double));
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t slot = 0; slot < b->n_packs * w; slot++) {
        const size_t index = slot / w, lane = slot % w < (size_t)b->packs[index].rods ? slot % w : 0;
        const size_t from = b->places[index].first + lane;
        double *values = b->packs[index].changes + slot % w;
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            const rg_model *model = rgi_batch_model_of(b, from);
            const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
            for (size_t k = 0; fields[field] && k < rgi_batch_model_numbers(model, field); k++) {
                double by = fields[field][from * rgi_batch_numbers(b, field) + k];
                rgi_pack_entry entries[RGI_MAX_ENTRIES];
                double own[RGI_MAX_ENTRIES];
                if (by == 0.0) continue;
                int got =
                    rgi_coefficients_jvp(model, (rg_field)field, k / components, (int)(k % components), entries, own);
                for (int e = 0; e < got; e++) {
                    size_t node = (size_t)entries[e].node, c = (size_t)entries[e].coefficient;
                    size_t at = c < RGI_NC ? node * RGI_NC + c : n * RGI_NC + 2 * node + c - RGI_O1;
                    values[at * w] += by * own[e];
                }
            }
        }
    }
    /* which places any rod moves: first as flags in `coefficient`, then as places in `node` */
    for (size_t at = 0; at < places; at++) b->entries[at].coefficient = 0;
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t i = 0; i < b->n_packs; i++)
        for (size_t at = 0; at < places; at++) {
            int moved = 0;
            for (size_t lane = 0; lane < w; lane++) moved |= b->packs[i].changes[at * w + lane] != 0.0;
            if (!moved) continue;
#pragma omp atomic write
            b->entries[at].coefficient = 1;
        }
    int count = 0;
    for (size_t at = 0; at < places; at++)
        if (b->entries[at].coefficient) b->entries[count++].node = (int)at;
#pragma omp parallel for num_threads(host_threads(b))
    for (size_t i = 0; i < b->n_packs; i++) {
        double *values = b->packs[i].changes;
        for (int k = 0; k < count; k++)
            memmove(values + (size_t)k * w, values + (size_t)b->entries[k].node * w, w * sizeof *values);
        b->packs[i].entry_values = rgi_cpu_narrow(b->cpu, values, (size_t)count);
    }
    for (int k = 0; k < count; k++) {
        const size_t at = (size_t)b->entries[k].node, offset = at - n * RGI_NC;
        b->entries[k].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        b->entries[k].coefficient = at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
    }
    b->entry_begin[0] = 0;
    b->entry_begin[1] = count;
}

void rgi_batch_point_run(rg_batch *b, const rgi_batch_arrays *of)
{
    describe_run(b, of);
    point(b);
    if (!of->tangents) return;
    rgi_batch_set_entries(b, of->tangents->fields);
    for (size_t index = 0; index < b->n_packs; index++) {
        b->packs[index].entry_begin = b->entry_begin;
        b->packs[index].entries = b->entries;
    }
}

void rgi_batch_point_reverse(rg_batch *b, const rgi_batch_arrays *of)
{
    describe_reverse(b, of);
    point(b);
}

/* are there forces among these outputs, or their derivatives? */
#define HAS_FORCES(of) ((of)->tension || (of)->reaction || (of)->reaction_moment || (of)->moment)

/* RG_ERR_ARGUMENT where they are asked for, or given, of the deform stepper */
static rg_status check_forces(const rg_batch *b, int wanted, rg_error *err)
{
    if (b->opts.rollout.stepper != RG_STEPPER_DEFORM || !wanted) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "the deform stepper keeps lengths by projection and has no tension, no reactions and no moments; "
                   "leave them NULL or choose the implicit stepper");
}

/* a run of inputs that are checked */
static rg_status run_of(rg_batch *b, const rgi_batch_arrays *of, rg_rod_status *statuses, rg_error *err)
{
    if (b->device) {
        describe_run(b, of);
        RG_TRY(rgi_batch_device_run(b, of, statuses != NULL, err));
    } else {
        rgi_batch_point_run(b, of);
        run(b, 0);
    }
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs, const rg_batch_outputs *outputs,
                           rg_rod_status *statuses, rg_error *err)
{
    const rgi_batch_arrays of = {.inputs = inputs, .outputs = outputs};
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_forward needs a batch");
    RG_TRY(check_forces(b, outputs && HAS_FORCES(outputs), err));
    RG_TRY(check_inputs(b, inputs, err));
    return run_of(b, &of, statuses, err);
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
    RG_TRY(check_forces(b, HAS_FORCES(out) || (outputs && HAS_FORCES(outputs)), err));
    RG_TRY(check_inputs(b, inputs, err));
    return run_of(b, &of, statuses, err);
}

/* gradients of fields from those of coefficients */
void rgi_batch_give_fields(const rg_batch *b, double *const *fields)
{
    const size_t w = b->lanes;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        if (!fields[field]) continue;
        const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
        const size_t row = rgi_batch_numbers(b, field);
#pragma omp parallel for num_threads(host_threads(b))
        for (size_t rod = 0; rod < b->n_rods; rod++) {
            const size_t index = b->pack_of[rod], lane = rod - b->places[index].first;
            const rg_model *model = rgi_batch_model_of(b, rod);
            for (size_t k = 0, count = rgi_batch_model_numbers(model, field); k < count; k++) {
                double sum = 0.0;
                rgi_coefficients_adj(model, (rg_field)field, k / components, (int)(k % components), 1.0,
                                     &b->packs[index], w, lane, &sum);
                fields[field][rod * row + k] = sum;
            }
        }
    }
}

static void give_adjoint_statuses(const rg_batch *b, rg_adjoint_status *statuses)
{
    const size_t w = b->lanes;
    for (size_t i = 0; statuses && i < b->n_rods; i++) {
        const size_t index = b->pack_of[i];
        const double *from = b->packs[index].adjoint_status + (i - b->places[index].first);
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
    if (g->growth && (g->growth_every == 0 || g->growth_every > b->steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps", g->growth_every,
                       b->steps);
    RG_TRY(check_forces(b, HAS_FORCES(bar), err));
    const rgi_batch_arrays of = {.cotangents = bar, .gradients = g};
    if (b->device) {
        describe_reverse(b, &of);
        RG_TRY(rgi_batch_device_adjoint(b, &of, statuses != NULL, err));
        give_adjoint_statuses(b, statuses);
        return RG_OK;
    }
    rgi_batch_point_reverse(b, &of);
    run(b, 1);
    for (size_t index = 0; index < b->n_packs; index++) {
        const size_t n = b->places[index].shape->n;
#define GATHER(name, per, less, source, member, stage)                                                                 \
    gather(b, index, b->packs[index].name, (per) * (b->vertices - (less)), (per) * (n - (less)), g->member);
        RGI_PACK_STARTS_OUT(GATHER)
#undef GATHER
    }
    give_adjoint_statuses(b, statuses);
    rgi_batch_give_fields(b, g->fields);
    return RG_OK;
}
