/* core/batch.c: batches for embedders (include/rodgrad/batch.h): packs over the caller's arrays.
 *
 * A pack's own arrays hold parameters, start, kept states and sums over steps; series of steps and frames
 * stay where the caller has them. Workspace and scratch states belong to threads. */
#include "core/batch.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoints.h"
#include "core/coefficients.h"
#include "rod/layout.h"

rg_batch_opts rg_batch_opts_default(void)
{
    rg_batch_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    o.dt_s = 0.01;
    o.n_frames = 1;
    o.gravity[2] = -9.81;
    o.adjoint = 1;
    return o;
}

static void layout(const rg_batch *b, rgi_pack *j, int section, double *base, size_t *used)
{
    const size_t w = b->lanes, n = b->shape->n, m = b->shape->n_markers, state = n * RGI_STATE_REALS + 1;
    const int adjoint = b->opts.adjoint;
    switch (section) {
    case RGI_BATCH_SET:
        j->lane_steps = rgi_take(base, used, w);
        j->coef = rgi_take(base, used, n * RGI_NC * w);
        j->offset = rgi_take(base, used, m * 2 * w);
        break;
    case RGI_BATCH_ENTRIES:
        j->entry_values = rgi_take(base, used, (n * RGI_NC + 2 * m) * w);
        break;
    case RGI_BATCH_START:
        j->x0 = rgi_take(base, used, n * 3 * w);
        j->v0 = rgi_take(base, used, n * 3 * w);
        j->m0 = rgi_take(base, used, n * 3 * w);
        j->dx0 = rgi_take(base, used, n * 3 * w);
        j->dv0 = rgi_take(base, used, n * 3 * w);
        j->dturn0 = rgi_take(base, used, n * w);
        break;
    case RGI_BATCH_RUN: j->status = rgi_take(base, used, 6 * w); break;
    case RGI_BATCH_REVERSE:
        if (!adjoint) break;
        j->coef_bar = rgi_take(base, used, n * RGI_NC * w);
        j->offset_bar = rgi_take(base, used, m * 2 * w);
        j->adjoint_status = rgi_take(base, used, 3 * w);
        break;
    case RGI_BATCH_STATES:
        if (b->opts.carry_on) j->carried = rgi_take(base, used, 2 * state + 1);
        if (!adjoint) break;
        j->x0_bar = rgi_take(base, used, n * 3 * w);
        j->v0_bar = rgi_take(base, used, n * 3 * w);
        j->turn0_bar = rgi_take(base, used, n * w);
        break;
    default:
        if (adjoint && !b->device)
            j->kept = rgi_take(base, used, (size_t)rgi_plan_kept(&b->plan) * state * w);
        break;
    }
}

/* where the arrays of all packs are, section by section */
static void layout_all(rg_batch *b)
{
    size_t used = 0;
    for (int section = 0; section < RGI_BATCH_SECTIONS; section++) {
        for (size_t i = 0; i < b->n_packs; i++) layout(b, &b->packs[i], section, b->memory, &used);
        b->section_end[section] = used;
    }
    b->entries_apart =
        (b->section_end[RGI_BATCH_ENTRIES] - b->section_end[RGI_BATCH_SET]) / b->n_packs;
    b->memory_doubles = used;
}

/* doubles of a thread's workspace and scratch states: the most that any run asks for */
static void thread_doubles(rg_batch *b)
{
    const size_t state = (b->shape->n * RGI_STATE_REALS + 1) * b->lanes;
    rgi_pack j;
    double any = 0.0;
    memset(&j, 0, sizeof j);
    rgi_pack_setup(&j, b->shape, &b->opts.rollout, b->opts.dt_s);
    j.n_directions = 1;
    j.n_free = 0;
    j.plan = &b->plan;
    j.ddrive_x.data = j.force.data = &any;
    b->work_doubles = (b->cpu->workspace(&j) + 7) / 8 * 8;
    b->pool_doubles = b->opts.adjoint ? ((size_t)rgi_plan_pool(&b->plan) * state + 7) / 8 * 8 + 8 : 8;
}

void rg_batch_destroy(rg_batch **batch)
{
    if (!batch || !*batch) return;
    rg_batch *b = *batch;
    if (b->device) rgi_batch_device_destroy(b);
    for (size_t i = 0; b->models && i < b->n_rods; i++) rg_model_destroy(&b->models[i]);
    rg_model_destroy(&b->model);
    rgi_shape_destroy(&b->shape);
    free(b->models);
    free(b->packs);
    free(b->memory);
    free(b->threads_memory);
    free(b->entries);
    free(b->coef);
    free(b);
    *batch = NULL;
}

size_t rgi_batch_numbers(const rg_batch *b, int field)
{
    return rg_model_field_entries(b->model, (rg_field)field) *
           (size_t)rg_field_describe((rg_field)field)->components;
}

static size_t numbers(const rg_model *model, int field)
{
    return rg_model_field_entries(model, (rg_field)field) *
           (size_t)rg_field_describe((rg_field)field)->components;
}

static const rg_model *model_of(const rg_batch *b, size_t rod)
{
    return b->models[rod] ? b->models[rod] : b->model;
}

/* one rod's coefficients and offsets into its lane; lanes not in use repeat the pack's first rod */
static void set_lane(rg_batch *b, size_t rod)
{
    const size_t w = b->lanes, n = b->shape->n, m = b->shape->n_markers;
    const rgi_pack *j = &b->packs[rod / w];
    const double *offset = rg_model_field(model_of(b, rod), RG_MARKER_OFFSET);
    double *coef = (double *)(uintptr_t)j->coef, *to = (double *)(uintptr_t)j->offset;
    rgi_coefficients(model_of(b, rod), b->coef);
    for (size_t lane = rod % w; lane < w; lane++) {
        if (lane != rod % w && (rod % w != 0 || lane < (size_t)j->rods)) continue;
        for (size_t i = 0; i < n * RGI_NC; i++) coef[i * w + lane] = b->coef[i];
        for (size_t i = 0; i < 2 * m; i++) to[i * w + lane] = offset[i];
    }
}

static rg_status check_opts(const rg_batch_opts *o, size_t n_rods, rg_error *err)
{
    if (o->struct_size != sizeof *o)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "options of %zu bytes where %zu were expected; start from "
                       "rg_batch_opts_default",
                       o->struct_size, sizeof *o);
    if (n_rods == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "a batch needs at least one rod");
    if (!(o->dt_s > 0.0) || !isfinite(o->dt_s))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a frame takes %g s; it must take more than none",
                       o->dt_s);
    if (o->n_frames == 0 || o->n_frames > (size_t)2000000000 / (size_t)o->rollout.substeps)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu frames of %d steps; there must be 1 to 2e9 steps",
                       o->n_frames, o->rollout.substeps);
    for (int c = 0; c < 3; c++)
        if (!isfinite(o->gravity[c]))
            return RG_FAIL(err, RG_ERR_ARGUMENT, "gravity[%d] is not finite", c);
    if (o->memory != RG_MEMORY_HOST && o->memory != RG_MEMORY_DEVICE)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "memory %d is neither RG_MEMORY_HOST nor RG_MEMORY_DEVICE",
                       (int)o->memory);
    if (o->memory == RG_MEMORY_DEVICE && !rgi_context_device(o->rollout.context))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "arrays in a GPU's memory need a context of that GPU; the batch is on the CPU");
    if (o->carry_on && o->adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on keeps no states to go back by; set adjoint = 0");
    if (o->window > (size_t)2000000000)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a window of %zu steps is out of range", o->window);
    return RG_OK;
}

rg_status rg_batch_create(const rg_model *model, size_t n_rods, const rg_batch_opts *opts,
                          rg_batch **out, rg_error *err)
{
    rg_batch_opts defaults = rg_batch_opts_default();
    rg_status status = RG_OK;
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a place for the batch");
    *out = NULL;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a model");
    if (!opts) opts = &defaults;
    const rgi_cpu *cpu = NULL;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(check_opts(opts, n_rods, err));
    RG_TRY(rg_model_check(model, err));
    rg_batch *b = calloc(1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch");
    b->opts = *opts;
    /* lanes of a pack all start, or all go on */
    b->cpu = opts->carry_on ? rgi_cpu_find("scalar") : cpu;
    cpu = b->cpu;
    b->device = rgi_context_device(opts->rollout.context);
    b->n_rods = n_rods;
    b->lanes = (size_t)cpu->lanes;
    b->n_packs = (n_rods + b->lanes - 1) / b->lanes;
    b->steps = opts->n_frames * (size_t)opts->rollout.substeps;
    b->threads = opts->rollout.threads > 0 ? opts->rollout.threads : omp_get_max_threads();
    if ((size_t)b->threads > b->n_packs) b->threads = (int)b->n_packs;
    if (b->device) b->threads = 1;
    status = rgi_shape_create(model, &b->shape, err);
    if (status == RG_OK) status = rg_model_copy(model, &b->model, err);
    const size_t n = b->shape ? b->shape->n : 0;
    if (status == RG_OK && opts->adjoint)
        status = rgi_plan_make(b->steps, (n * RGI_STATE_REALS + 1) * b->lanes * sizeof(double),
                               b->n_packs, b->device ? b->n_packs : (size_t)b->threads,
                               opts->budget_bytes, &b->plan, err);
    if (status != RG_OK) goto fail;
    b->models = calloc(n_rods, sizeof *b->models);
    b->packs = calloc(b->n_packs, sizeof *b->packs);
    b->coef = calloc(n * RGI_NC, sizeof *b->coef);
    b->entries = calloc(n * RGI_NC + 2 * b->shape->n_markers, sizeof *b->entries);
    if (!b->models || !b->packs || !b->coef || !b->entries) goto memory;
    thread_doubles(b);
    size_t one = 0;
    for (int section = 0; section < RGI_BATCH_SECTIONS; section++)
        layout(b, &b->packs[0], section, NULL, &one);
    if (one > SIZE_MAX / sizeof(double) / b->n_packs) goto memory;
    b->memory = aligned_alloc(64, one * b->n_packs * sizeof *b->memory);
    if (!b->device)
        b->threads_memory = aligned_alloc(64, (size_t)b->threads *
                                                  (b->work_doubles + b->pool_doubles) * sizeof(double));
    if (!b->memory || (!b->device && !b->threads_memory)) goto memory;
    layout_all(b);
    memset(b->memory, 0, b->memory_doubles * sizeof *b->memory);
    for (size_t i = 0; i < b->n_packs; i++) {
        rgi_pack *j = &b->packs[i];
        size_t first = i * b->lanes;
        rgi_pack_setup(j, b->shape, &opts->rollout, opts->dt_s);
        memcpy(j->gravity, opts->gravity, sizeof j->gravity);
        j->rods = (int)(n_rods - first < b->lanes ? n_rods - first : b->lanes);
        j->n_steps = (int)b->steps;
        j->window = (int)opts->window;
        j->plan = opts->adjoint ? &b->plan : NULL;
        for (int lane = 0; lane < j->rods; lane++) {
            ((double *)(uintptr_t)j->lane_steps)[lane] = (double)b->steps;
            set_lane(b, first + (size_t)lane);
        }
    }
    if (b->device) status = rgi_batch_device_create(b, err);
    if (status != RG_OK) goto fail;
    *out = b;
    return RG_OK;
memory:
    status = RG_FAIL(err, RG_ERR_MEMORY,
                     "out of memory for a batch of %zu rods and %zu steps; lower budget_bytes", n_rods,
                     b->steps);
fail:
    rg_batch_destroy(&b);
    return status;
}

rg_status rg_batch_set_model(rg_batch *b, size_t rod, const rg_model *model, rg_error *err)
{
    const int *own = NULL, *other = NULL;
    rg_model *copy = NULL;
    if (!b || !model || rod >= b->n_rods)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_set_model needs a batch, one of its rods and a "
                                             "model; rod %zu was given", rod);
    const size_t clamps = rg_model_clamps(b->model, &own);
    if (rg_model_vertices(model) != b->shape->n || rg_model_markers(model) != b->shape->n_markers ||
        rg_model_clamps(model, &other) != clamps ||
        (clamps && memcmp(own, other, clamps * sizeof *own)))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the model of rod %zu has another mesh or other clamps than the batch", rod);
    RG_TRY(rg_model_check(model, err));
    RG_TRY(rg_model_copy(model, &copy, err));
    rg_model_destroy(&b->models[rod]);
    b->models[rod] = copy;
    set_lane(b, rod);
    return b->device ? rgi_batch_device_model(b, rod, err) : RG_OK;
}

size_t rg_batch_clamped_vertices(const rg_batch *b, const int **vertices)
{
    if (vertices) *vertices = b->shape->fixed_x;
    return b->shape->n_fixed_x;
}

size_t rg_batch_clamped_edges(const rg_batch *b, const int **edges)
{
    if (edges) *edges = b->shape->fixed_theta;
    return b->shape->n_fixed_theta;
}

/* beside the packs: the shape, scratch, and the models that the batch copied so far */
static size_t model_bytes(const rg_batch *b)
{
    const size_t n = b->shape->n, m = b->shape->n_markers;
    size_t one = (n + m) * sizeof(int) + RG_FIELD_COUNT * 2 * sizeof(void *), copies = 1;
    for (int field = 0; field < RG_FIELD_COUNT; field++)
        one += numbers(b->model, field) * sizeof(double);
    for (size_t i = 0; i < b->n_rods; i++) copies += b->models[i] != NULL;
    return copies * one + sizeof *b + sizeof *b->shape + n * (m * sizeof(double) + 8 * sizeof(int)) +
           n * RGI_NC * sizeof *b->coef + (n * RGI_NC + 2 * m) * sizeof *b->entries;
}

rg_batch_plan rg_batch_describe(const rg_batch *b)
{
    const size_t state = (b->shape->n * RGI_STATE_REALS + 1) * b->lanes * sizeof(double);
    const size_t threads = b->device ? b->n_packs : (size_t)b->threads; /* that have scratch states */
    size_t total = b->memory_doubles * sizeof(double) + b->n_packs * sizeof *b->packs +
                   b->n_rods * sizeof *b->models + model_bytes(b);
    if (b->device) total += rgi_mirror_bytes(b->mirror);
    else total += threads * (b->work_doubles + b->pool_doubles) * sizeof(double);
    for (size_t i = 0; i < RGI_BATCH_STAGES; i++) total += b->stages[i].bytes;
    if (!b->opts.adjoint) return rgi_plan_describe(NULL, 0, total);
    return rgi_plan_describe(&b->plan, rgi_plan_bytes(&b->plan, state, b->n_packs, threads), total);
}

/* the caller's array [n_rods][steps][items] as a pack's series */
static rgi_series series(const double *data, size_t first, size_t steps, size_t items)
{
    rgi_series s = {NULL, 0, 0, 0};
    if (!data || items == 0) return s;
    s.data = (double *)(uintptr_t)data + first * steps * items;
    s.rod = (ptrdiff_t)(steps * items);
    s.step = (ptrdiff_t)items;
    s.item = 1;
    return s;
}

/* spread values [n_rods][count] of a pack's rods over its lanes [count][W]; NULL: zero */
static void spread(const rg_batch *b, size_t index, const double *from, size_t count, const double *to)
{
    double *p = (double *)(uintptr_t)to;
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; lane < w; lane++) {
        size_t rod = index * w + (lane < rods ? lane : 0);
        for (size_t i = 0; i < count; i++) p[i * w + lane] = from ? from[rod * count + i] : 0.0;
    }
}

static void gather(const rg_batch *b, size_t index, const double *from, size_t count, double *to)
{
    const size_t w = b->lanes, rods = (size_t)b->packs[index].rods;
    for (size_t lane = 0; to && lane < rods; lane++)
        for (size_t i = 0; i < count; i++)
            to[(index * w + lane) * count + i] = from[i * w + lane];
}

static rg_status check_inputs(const rg_batch *b, const rg_batch_inputs *in, rg_error *err)
{
    const size_t n = b->shape->n;
    if (!in || !in->x0 || !in->v0 || !in->m0 || (b->shape->n_fixed_x && !in->clamp_x) ||
        (b->shape->n_fixed_theta && !in->clamp_m))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a run needs x0, v0, m0 and, with clamped vertices and edges, clamp_x and "
                       "clamp_m");
    for (size_t rod = 0; rod < b->n_rods && b->opts.memory == RG_MEMORY_HOST; rod++)
        for (size_t i = 0; i + 1 < n; i++) {
            const double *x = in->x0 + 3 * (rod * n + i), *m = in->m0 + 3 * (rod * (n - 1) + i);
            double e = 0.0, along = 0.0, size = 0.0;
            for (int c = 0; c < 3; c++) {
                e += (x[3 + c] - x[c]) * (x[3 + c] - x[c]);
                along += (x[3 + c] - x[c]) * m[c];
                size += m[c] * m[c];
            }
            if (!(e > 1e-18) || !isfinite(e))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "rod %zu starts with vertices %zu and %zu at one place or not finite",
                               rod, i, i + 1);
            if (!(fabs(size - 1.0) < 1e-6) || !(fabs(along) < 1e-6 * sqrt(e)))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "the director of edge %zu of rod %zu is not a unit vector across "
                               "its edge",
                               i, rod);
        }
    return RG_OK;
}

static void pad_directors(const rg_batch *b, size_t index, const double *m0)
{
    const rgi_pack *j = &b->packs[index];
    const size_t w = b->lanes, count = 3 * (b->shape->n - 1);
    spread(b, index, m0, count, j->m0);
    for (size_t i = count * w; i < (count + 3) * w; i++) ((double *)(uintptr_t)j->m0)[i] = 0.0;
}

static void point_inputs(rg_batch *b, const rg_batch_inputs *in, const rg_batch_outputs *out)
{
    const rgi_shape *s = b->shape;
    const size_t n = s->n, steps = b->steps, frames = b->opts.n_frames;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = index * b->lanes;
        spread(b, index, in->x0, 3 * n, j->x0);
        spread(b, index, in->v0, 3 * n, j->v0);
        pad_directors(b, index, in->m0);
        j->drive_x = series(in->clamp_x, first, steps, 3 * s->n_fixed_x);
        j->drive_m = series(in->clamp_m, first, steps, 3 * s->n_fixed_theta);
        j->force = series(in->force, first, steps, 3 * n);
        j->out_x = series(out ? out->x : NULL, first, frames, 3 * n);
        j->out_v = series(out ? out->v : NULL, first, frames, 3 * n);
        j->out_m = series(out ? out->m : NULL, first, frames, 3 * (n - 1));
        j->out_markers = series(out ? out->markers : NULL, first, frames, 3 * s->n_markers);
        j->n_directions = 0;
        j->ddrive_x.data = j->ddrive_turn.data = j->dforce.data = NULL;
        j->out_dx.data = j->out_dv.data = j->out_dturn.data = j->out_dmarkers.data = NULL;
        j->drive_x_bar.data = j->drive_turn_bar.data = NULL;
    }
}

static void run(rg_batch *b, int reverse)
{
#pragma omp parallel for schedule(dynamic, 1) num_threads(b->threads)
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        j->workspace = b->threads_memory +
                       (size_t)omp_get_thread_num() * (b->work_doubles + b->pool_doubles);
        j->pool = j->workspace + b->work_doubles;
        if (reverse)
            b->cpu->reverse(j);
        else
            b->cpu->run(j);
    }
}

void rgi_lane_status(const double *status, size_t w, size_t lane, rg_rod_status *out)
{
    out->flag = (rg_rod_flag)status[lane];
    out->step = (int)status[w + lane];
    out->iterations = (int)status[2 * w + lane];
    out->worst_iterations = (int)status[3 * w + lane];
    out->worst_increment_m = status[4 * w + lane];
    out->vertex = (int)status[5 * w + lane];
}

static void give_statuses(const rg_batch *b, rg_rod_status *statuses)
{
    for (size_t i = 0; statuses && i < b->n_rods; i++)
        rgi_lane_status(b->packs[i / b->lanes].status, b->lanes, i % b->lanes, &statuses[i]);
}

rg_status rg_batch_forward(rg_batch *b, const rg_batch_inputs *inputs,
                           const rg_batch_outputs *outputs, rg_rod_status *statuses, rg_error *err)
{
    if (!b) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_forward needs a batch");
    RG_TRY(check_inputs(b, inputs, err));
    if (b->device) {
        RG_TRY(rgi_batch_device_run(b, inputs, NULL, outputs, NULL, statuses != NULL, err));
    } else {
        point_inputs(b, inputs, outputs);
        run(b, 0);
    }
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

rg_status rg_batch_reset(rg_batch *b, const unsigned char *mask, rg_error *err)
{
    if (!b || !mask || !b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_reset needs a batch that was created with carry_on, and a mask");
    if (b->device) return rgi_batch_device_reset(b, mask, err);
    for (size_t i = 0; i < b->n_packs; i++)
        if (mask[i]) b->packs[i].carried[2 * (RGI_STATE_REALS * b->shape->n + 1)] = 0.0;
    return RG_OK;
}

/* the fields' direction as changes of coefficients, one list for all rods: places that any rod moves */
void rgi_batch_set_entries(rg_batch *b, const double *const *fields)
{
    const size_t w = b->lanes, n = b->shape->n, m = b->shape->n_markers;
    const size_t places = n * RGI_NC + 2 * m;
    for (size_t i = 0; i < b->n_packs; i++)
        memset((double *)(uintptr_t)b->packs[i].entry_values, 0, places * w * sizeof(double));
    for (size_t rod = 0; rod < b->n_packs * w; rod++) {
        const size_t index = rod / w;
        const size_t from = rod % w < (size_t)b->packs[index].rods ? rod : index * w;
        double *values = (double *)(uintptr_t)b->packs[index].entry_values + rod % w;
        for (int field = 0; field < RG_FIELD_COUNT; field++) {
            const rg_model *model = model_of(b, from);
            const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
            for (size_t k = 0; fields[field] && k < numbers(model, field); k++) {
                double by = fields[field][from * numbers(model, field) + k];
                rgi_pack_entry entries[RGI_MAX_ENTRIES];
                double own[RGI_MAX_ENTRIES];
                if (by == 0.0) continue;
                int got = rgi_coefficients_jvp(model, (rg_field)field, k / components,
                                               (int)(k % components), entries, own);
                for (int e = 0; e < got; e++) {
                    size_t node = (size_t)entries[e].node, c = (size_t)entries[e].coefficient;
                    size_t at = c < RGI_NC ? node * RGI_NC + c : n * RGI_NC + 2 * node + c - RGI_O1;
                    values[at * w] += by * own[e];
                }
            }
        }
    }
    int count = 0;
    for (size_t at = 0; at < places; at++) {
        int moved = 0;
        for (size_t i = 0; i < b->n_packs; i++)
            for (size_t lane = 0; lane < w; lane++)
                moved |= b->packs[i].entry_values[at * w + lane] != 0.0;
        if (!moved) continue;
        size_t offset = at - n * RGI_NC;
        b->entries[count].node = (int)(at < n * RGI_NC ? at / RGI_NC : offset / 2);
        b->entries[count].coefficient =
            at < n * RGI_NC ? (int)(at % RGI_NC) : RGI_O1 + (int)(offset % 2);
        for (size_t i = 0; i < b->n_packs; i++) {
            double *values = (double *)(uintptr_t)b->packs[i].entry_values;
            memmove(values + (size_t)count * w, values + at * w, w * sizeof *values);
        }
        count++;
    }
    b->entry_begin[0] = 0;
    b->entry_begin[1] = count;
}

rg_status rg_batch_jvp(rg_batch *b, const rg_batch_inputs *inputs,
                       const rg_batch_tangents *tangents, const rg_batch_outputs *outputs,
                       const rg_batch_tangent_outputs *out, rg_rod_status *statuses, rg_error *err)
{
    if (!b || !tangents || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_jvp needs a batch, a direction and outputs");
    if (b->opts.carry_on)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a batch that carries on has no tangents of the states that it goes on from; "
                       "create one without carry_on");
    RG_TRY(check_inputs(b, inputs, err));
    if (b->device) {
        RG_TRY(rgi_batch_device_run(b, inputs, tangents, outputs, out, statuses != NULL, err));
        b->ran = 1;
        give_statuses(b, statuses);
        return RG_OK;
    }
    point_inputs(b, inputs, outputs);
    rgi_batch_set_entries(b, tangents->fields);
    const rgi_shape *s = b->shape;
    const size_t n = s->n, steps = b->steps, frames = b->opts.n_frames, w = b->lanes;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = index * w;
        double *turn = (double *)(uintptr_t)j->dturn0;
        spread(b, index, tangents->x0, 3 * n, j->dx0);
        spread(b, index, tangents->v0, 3 * n, j->dv0);
        spread(b, index, tangents->turn0, n - 1, turn);
        for (size_t lane = 0; lane < w; lane++) turn[(n - 1) * w + lane] = 0.0;
        j->n_directions = 1;
        j->entry_begin = b->entry_begin;
        j->entries = b->entries;
        j->ddrive_x = series(tangents->clamp_x, first, steps, 3 * s->n_fixed_x);
        j->ddrive_turn = series(tangents->clamp_turn, first, steps, s->n_fixed_theta);
        j->dforce = series(tangents->force, first, steps, 3 * n);
        j->out_dx = series(out->x, first, frames, 3 * n);
        j->out_dv = series(out->v, first, frames, 3 * n);
        j->out_dturn = series(out->turn, first, frames, n - 1);
        j->out_dmarkers = series(out->markers, first, frames, 3 * s->n_markers);
    }
    run(b, 0);
    b->ran = 1;
    give_statuses(b, statuses);
    return RG_OK;
}

/* gradients of fields from those of coefficients */
void rgi_batch_give_fields(const rg_batch *b, double *const *fields)
{
    const size_t w = b->lanes;
    for (int field = 0; field < RG_FIELD_COUNT; field++) {
        if (!fields[field]) continue;
        const size_t components = (size_t)rg_field_describe((rg_field)field)->components;
        const size_t count = numbers(b->model, field);
        for (size_t rod = 0; rod < b->n_rods; rod++) {
            const rgi_pack *j = &b->packs[rod / w];
            for (size_t k = 0; k < count; k++) {
                double sum = 0.0;
                rgi_coefficients_adj(model_of(b, rod), (rg_field)field, k / components,
                                     (int)(k % components), 1.0, j, w, rod % w, &sum);
                fields[field][rod * count + k] = sum;
            }
        }
    }
}

static void give_adjoint_statuses(const rg_batch *b, rg_adjoint_status *statuses)
{
    const size_t w = b->lanes;
    for (size_t i = 0; statuses && i < b->n_rods; i++) {
        const double *from = b->packs[i / w].adjoint_status + i % w;
        rg_adjoint_status *to = &statuses[i];
        to->flag = (rg_rod_flag)from[0];
        to->step = to->flag == RG_ROD_OK ? -1 : (int)from[w];
        to->vertex = (int)from[2 * w];
    }
}

rg_status rg_batch_adjoint(rg_batch *b, const rg_batch_cotangents *bar,
                           const rg_batch_gradients *g, rg_adjoint_status *statuses, rg_error *err)
{
    if (!b || !bar || !g)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_adjoint needs a batch, cotangents and gradients");
    if (!b->opts.adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the batch was created without `adjoint`; it kept no states to go back by");
    if (!b->ran)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no run to go back by; call rg_batch_forward");
    if (g->growth && (g->growth_every == 0 || g->growth_every > b->steps))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "growth_every is %zu; it must be 1 to %zu steps",
                       g->growth_every, b->steps);
    if (b->device) {
        RG_TRY(rgi_batch_device_adjoint(b, bar, g, statuses != NULL, err));
        give_adjoint_statuses(b, statuses);
        return RG_OK;
    }
    const rgi_shape *s = b->shape;
    const size_t n = s->n, steps = b->steps, frames = b->opts.n_frames, w = b->lanes;
    int fields = 0;
    for (int field = 0; field < RG_FIELD_COUNT; field++) fields |= g->fields[field] != NULL;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index];
        const size_t first = index * w;
        j->bar = RGI_BAR_GIVEN;
        j->n_directions = 0;
        j->ddrive_x.data = j->ddrive_turn.data = j->dforce.data = NULL;
        j->x_bar = series(bar->x, first, frames, 3 * n);
        j->v_bar = series(bar->v, first, frames, 3 * n);
        j->turn_bar = series(bar->turn, first, frames, n - 1);
        j->markers_bar = series(bar->markers, first, frames, 3 * s->n_markers);
        j->drive_x_bar = series(g->clamp_x, first, steps, 3 * s->n_fixed_x);
        j->drive_turn_bar = series(g->clamp_turn, first, steps, s->n_fixed_theta);
        j->force_bar = series(g->force, first, steps, 3 * n);
        j->growth_every = (int)g->growth_every;
        j->growth = series(g->growth, first, g->growth ? steps / g->growth_every + 1 : 1, 1);
        j->want_coef = fields;
        j->want_start = g->x0 || g->v0 || g->turn0;
    }
    run(b, 1);
    for (size_t index = 0; index < b->n_packs; index++) {
        const rgi_pack *j = &b->packs[index];
        gather(b, index, j->x0_bar, 3 * n, g->x0);
        gather(b, index, j->v0_bar, 3 * n, g->v0);
        gather(b, index, j->turn0_bar, n - 1, g->turn0);
    }
    give_adjoint_statuses(b, statuses);
    rgi_batch_give_fields(b, g->fields);
    return RG_OK;
}
