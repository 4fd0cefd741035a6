/* core/batch_create.c: making a batch (include/rodgrad/batch.h): options, meshes, packs and their memory.
 *
 * Consecutive rods of one shape share a pack. All packs' arrays lie in one block, section by section (batch.h);
 * workspace and scratch states belong to threads, and are as large as the largest rod needs. */
#include "core/batch.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoints.h"
#include "core/coefficients.h"
#include "core/stability.h"
#include "core/words.h"
#include "rod/layout.h"

rg_batch_opts rg_batch_opts_default(void)
{
    rg_batch_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.rollout = rg_rollout_opts_default();
    o.dt_s = 0.01;
    o.n_frames = 1;
    o.adjoint = 1;
    return o;
}

/* the arrays of a section of one pack; base and used as in rgi_take */
static void layout(const rg_batch *b, const rgi_shape *shape, rgi_pack *j, int section, double *base, size_t *used)
{
    const unsigned want = RGI_WANT_TANGENTS | RGI_WANT_TURNS | RGI_WANT_CHANGES |
                          (b->opts.adjoint ? RGI_WANT_ADJOINT : 0) | (b->opts.carry_on ? RGI_WANT_CARRY : 0);
    const rgi_extents e = {
        .n = shape->n, .markers = shape->n_markers, .directions = 1, .changes = rgi_batch_change_places(b)};
    const size_t state = shape->n * RGI_STATE_REALS + 1;
    rgi_pack_layout(j, &e, want, section, b->lanes, base, used);
    if (section == RGI_SECTION_OWN && b->opts.adjoint && !b->device)
        j->kept = rgi_take_reals(b->cpu, base, used, (size_t)rgi_plan_kept(&b->plan) * state);
}

/* where the arrays of all packs are, section by section */
static void layout_all(rg_batch *b)
{
    size_t used = 0;
    for (int section = 0; section < RGI_SECTIONS; section++) {
        for (size_t i = 0; i < b->n_packs; i++) layout(b, b->places[i].shape, &b->packs[i], section, b->memory, &used);
        b->section_end[section] = used;
    }
    b->changes_apart = (b->section_end[RGI_SECTION_ENTRIES] - b->section_end[RGI_SECTION_START]) / b->n_packs;
    b->memory_doubles = used;
}

/* doubles of all packs' arrays, 0: more than a size_t holds */
static size_t count_doubles(const rg_batch *b)
{
    size_t sum = 0;
    for (size_t k = 0; k < b->n_shapes; k++) {
        rgi_pack any;
        size_t one = 0;
        memset(&any, 0, sizeof any);
        for (int section = 0; section < RGI_SECTIONS; section++)
            layout(b, b->shapes[k].shape, &any, section, NULL, &one);
        if (b->shapes[k].packs > (SIZE_MAX / sizeof(double) - sum) / one) return 0;
        sum += b->shapes[k].packs * one;
    }
    return sum;
}

/* of a pack of rods with n vertices */
static size_t state_bytes(const rg_batch *b, size_t n)
{
    return (n * RGI_STATE_REALS + 1) * b->lanes * b->cpu->real_bytes;
}

/* doubles of a thread's workspace and scratch states: the most that any run asks for */
static void thread_doubles(rg_batch *b)
{
    const size_t state = b->vertices * RGI_STATE_REALS + 1;
    double any = 0.0;
    for (size_t k = 0; k < b->n_shapes; k++) {
        rgi_pack j;
        memset(&j, 0, sizeof j);
        rgi_pack_setup(&j, b->shapes[k].shape, &b->opts.rollout, b->opts.dt_s);
        j.n_directions = 1;
        j.n_free = 0;
        j.plan = &b->plan;
        j.ddrive_x.data = j.force.data = j.out_dtension.data = &any;
        j.carried = b->opts.carry_on ? &any : NULL;
        const size_t own = (b->cpu->workspace(&j) + 7) / 8 * 8;
        if (own > b->work_doubles) b->work_doubles = own;
    }
    b->pool_doubles = 8;
    if (b->opts.adjoint)
        b->pool_doubles += (rgi_cpu_doubles(b->cpu, (size_t)rgi_plan_pool(&b->plan) * state) + 7) / 8 * 8;
}

void rg_batch_destroy(rg_batch **batch)
{
    if (!batch || !*batch) return;
    rg_batch *b = *batch;
    if (b->device) rgi_batch_device_destroy(b);
    for (size_t i = 0; b->models && i < b->n_rods; i++) rg_model_destroy(&b->models[i]);
    rg_model_destroy(&b->model);
    for (size_t k = 0; k < b->n_shapes; k++) rgi_shape_destroy(&b->shapes[k].shape);
    free(b->shapes);
    free(b->models);
    free(b->packs);
    free(b->places);
    free(b->pack_of);
    free(b->memory);
    free(b->threads_memory);
    free(b->entries);
    free(b->stable_step_s);
    free(b->coef);
    free(b);
    *batch = NULL;
}

/* one rod's coefficients and offsets into its lane; lanes not in use repeat the pack's first rod */
static void set_lane(rg_batch *b, size_t rod)
{
    const size_t w = b->lanes, index = b->pack_of[rod], own = rod - b->places[index].first;
    const size_t n = b->places[index].shape->n, m = b->places[index].shape->n_markers;
    const rgi_pack *j = &b->packs[index];
    const double *offset = rg_model_field(rgi_batch_model_of(b, rod), RG_MARKER_OFFSET);
    double *coef = j->coef, *to = j->offset;
    rgi_coefficients(rgi_batch_model_of(b, rod), b->coef);
    if (j->deform)
        b->stable_step_s[rod] = rgi_deform_step_limit(b->places[index].shape, b->coef, j->h, b->coef + n * RGI_NC);
    for (size_t lane = own; lane < w; lane++) {
        if (lane != own && (own != 0 || lane < (size_t)j->rods)) continue;
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
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a frame takes %g s; it must take more than none", o->dt_s);
    /* a float counts steps to 2^24 */
    const size_t most = o->rollout.real == RG_REAL_FLOAT ? (size_t)1 << 24 : (size_t)2000000000;
    if (o->n_frames == 0 || o->n_frames > most / (size_t)o->rollout.substeps)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu frame%s of %d step%s; there must be 1 to %zu steps", o->n_frames,
                       rgi_plural(o->n_frames), o->rollout.substeps, rgi_plural((size_t)o->rollout.substeps), most);
    if (o->memory != RG_MEMORY_HOST && o->memory != RG_MEMORY_DEVICE)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "memory %d is neither RG_MEMORY_HOST nor RG_MEMORY_DEVICE",
                       (int)o->memory);
    if (o->memory == RG_MEMORY_DEVICE && !rgi_context_device(o->rollout.context))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "arrays in a GPU's memory need a context of that GPU; the batch is on the CPU");
    if (o->carry_on && o->adjoint)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a batch that carries on keeps no states to go back by; set adjoint = 0");
    if (o->window > (size_t)2000000000)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a window of %zu steps is out of range", o->window);
    return RG_OK;
}

/* the models that a batch is made from: one for all rods, or one each */
typedef struct model_list {
    const rg_model *const *models;
    size_t n_rods;
    int each;
} model_list;

static const rg_model *listed(const model_list *list, size_t rod) { return list->models[list->each ? rod : 0]; }

/* the model has this mesh, these clamps and this measure of bending */
static int fits(const rgi_shape *s, const rg_model *model)
{
    const int *clamps = NULL, *at = rg_model_marker_vertices(model);
    const int normalised = rg_model_bend_measure(model) == RG_BEND_NORMALISED;
    if (normalised != s->normalised || rg_model_vertices(model) != s->n || rg_model_markers(model) != s->n_markers ||
        rg_model_clamps(model, &clamps) != s->n_fixed_x ||
        memcmp(at, s->marker_vertices, s->n_markers * sizeof *at) != 0)
        return 0;
    for (size_t k = 0; k < s->n_fixed_x; k++)
        if (at[clamps[k]] != s->fixed_x[k]) return 0;
    return 1;
}

/* the rod behind the last of those that have shape s, from rod `first` on */
static size_t run_end(const model_list *list, const rgi_shape *s, size_t first)
{
    size_t end = list->each ? first + 1 : list->n_rods;
    while (end < list->n_rods && fits(s, listed(list, end))) end++;
    return end;
}

static rgi_batch_shape *find_shape(const rg_batch *b, const rg_model *model)
{
    for (size_t k = b->n_shapes; k-- > 0;)
        if (fits(b->shapes[k].shape, model)) return &b->shapes[k];
    return NULL;
}

static rg_status add_shape(rg_batch *b, const rg_model *model, rgi_batch_shape **out, rg_error *err)
{
    RG_TRY(rgi_rollout_check_model(&b->opts.rollout, model, err));
    rgi_batch_shape *more = realloc(b->shapes, (b->n_shapes + 1) * sizeof *more);
    if (!more) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the meshes of a batch");
    b->shapes = more;
    *out = &more[b->n_shapes];
    memset(*out, 0, sizeof **out);
    RG_TRY(rgi_shape_create(model, &(*out)->shape, err));
    b->n_shapes++;
    const rgi_shape *s = (*out)->shape;
    if (s->n > b->vertices) b->vertices = s->n;
    if (s->n_markers > b->markers) b->markers = s->n_markers;
    if (s->n_fixed_x > b->clamped) b->clamped = s->n_fixed_x;
    if (s->n_fixed_theta > b->held) b->held = s->n_fixed_theta;
    return RG_OK;
}

/* every shape once, rows that hold all of them, and how many packs there are */
static rg_status make_shapes(rg_batch *b, const model_list *list, rg_error *err)
{
    for (size_t first = 0, end; first < list->n_rods; first = end) {
        rgi_batch_shape *s = find_shape(b, listed(list, first));
        if (!s) RG_TRY(add_shape(b, listed(list, first), &s, err));
        end = run_end(list, s->shape, first);
        const size_t packs = (end - first - 1) / b->lanes + 1;
        s->packs += packs;
        b->n_packs += packs;
    }
    return RG_OK;
}

/* consecutive rods of a shape to a pack, as many as it has lanes */
static void place_rods(rg_batch *b, const model_list *list)
{
    size_t index = 0;
    for (size_t first = 0, end; first < list->n_rods; first = end) {
        const rgi_shape *s = find_shape(b, listed(list, first))->shape;
        end = run_end(list, s, first);
        for (size_t rod = first; rod < end; rod += b->lanes, index++) {
            b->places[index].shape = s;
            b->places[index].first = rod;
            b->packs[index].rods = (int)(end - rod < b->lanes ? end - rod : b->lanes);
            for (size_t lane = 0; lane < (size_t)b->packs[index].rods; lane++) b->pack_of[rod + lane] = index;
        }
    }
}

static rg_status copy_models(rg_batch *b, const model_list *list, rg_error *err)
{
    if (!list->each) return rg_model_copy(listed(list, 0), &b->model, err);
    for (size_t i = 0; i < list->n_rods; i++) RG_TRY(rg_model_copy(listed(list, i), &b->models[i], err));
    return RG_OK;
}

static void set_packs(rg_batch *b)
{
    for (size_t i = 0; i < b->n_packs; i++) {
        rgi_pack *j = &b->packs[i];
        rgi_pack_setup(j, b->places[i].shape, &b->opts.rollout, b->opts.dt_s);
        j->n_steps = (int)b->steps;
        j->window = (int)b->opts.window;
        j->plan = b->opts.adjoint ? &b->plan : NULL;
        for (int lane = 0; lane < j->rods; lane++) {
            j->lane_steps[lane] = (double)b->steps;
            set_lane(b, b->places[i].first + (size_t)lane);
        }
    }
}

/* models and options are checked */
static rg_status create(const model_list *list, const rg_batch_opts *opts, const rgi_cpu *cpu, rg_batch **out,
                        rg_error *err)
{
    const size_t n_rods = list->n_rods;
    rg_batch *b = calloc(1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch");
    b->opts = *opts;
    b->cpu = cpu;
    b->device = rgi_context_device(opts->rollout.context);
    b->n_rods = n_rods;
    b->lanes = (size_t)b->cpu->lanes;
    b->steps = opts->n_frames * (size_t)opts->rollout.substeps;
    rg_status status = make_shapes(b, list, err);
    if (status != RG_OK) goto fail;
    b->threads = opts->rollout.threads > 0 ? opts->rollout.threads : omp_get_max_threads();
    if ((size_t)b->threads > b->n_packs) b->threads = (int)b->n_packs;
    if (b->device) b->threads = 1;
    if (opts->adjoint)
        status = rgi_plan_make(b->steps, state_bytes(b, b->vertices), b->n_packs,
                               b->device ? b->n_packs : (size_t)b->threads, opts->budget_bytes, &b->plan, err);
    if (status != RG_OK) goto fail;
    thread_doubles(b);
    /* the largest first: what does not fit fails before anything is touched */
    const size_t doubles = count_doubles(b);
    b->memory = doubles ? aligned_alloc(64, doubles * sizeof *b->memory) : NULL;
    if (!b->memory) goto memory;
    if (!b->device)
        b->threads_memory =
            aligned_alloc(64, (size_t)b->threads * (b->work_doubles + b->pool_doubles) * sizeof(double));
    b->models = calloc(n_rods, sizeof *b->models);
    b->packs = calloc(b->n_packs, sizeof *b->packs);
    b->places = calloc(b->n_packs, sizeof *b->places);
    b->pack_of = calloc(n_rods, sizeof *b->pack_of);
    b->stable_step_s = calloc(n_rods, sizeof *b->stable_step_s);
    b->coef = calloc(b->vertices * (RGI_NC + 3), sizeof *b->coef);
    b->entries = calloc(rgi_batch_change_places(b), sizeof *b->entries);
    if ((!b->device && !b->threads_memory) || !b->models || !b->packs || !b->places || !b->pack_of ||
        !b->stable_step_s || !b->coef || !b->entries)
        goto memory;
    status = copy_models(b, list, err);
    if (status != RG_OK) goto fail;
    place_rods(b, list);
    layout_all(b);
    memset(b->memory, 0, b->memory_doubles * sizeof *b->memory);
    /* a lane not in use never writes what others select away from */
    for (size_t t = 0; !b->device && t < (size_t)b->threads; t++)
        memset(b->threads_memory + t * (b->work_doubles + b->pool_doubles), 0, b->work_doubles * sizeof(double));
    set_packs(b);
    if (b->device) status = rgi_batch_device_create(b, err);
    if (status != RG_OK) goto fail;
    *out = b;
    return RG_OK;
memory:
    status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch of %zu rods and %zu steps; lower budget_bytes",
                     n_rods, b->steps);
fail:
    rg_batch_destroy(&b);
    return status;
}

rg_status rg_batch_create(const rg_model *model, size_t n_rods, const rg_batch_opts *opts, rg_batch **out,
                          rg_error *err)
{
    const rg_batch_opts defaults = rg_batch_opts_default();
    const model_list list = {&model, n_rods, 0};
    const rgi_cpu *cpu = NULL;
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a place for the batch");
    *out = NULL;
    if (!model) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create needs a model");
    if (!opts) opts = &defaults;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(check_opts(opts, n_rods, err));
    RG_TRY(rg_model_check(model, err));
    return create(&list, opts, cpu, out, err);
}

rg_status rg_batch_create_ragged(const rg_model *const *models, size_t n_rods, const rg_batch_opts *opts,
                                 rg_batch **out, rg_error *err)
{
    const rg_batch_opts defaults = rg_batch_opts_default();
    const model_list list = {models, n_rods, 1};
    const rgi_cpu *cpu = NULL;
    if (!out) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a place for the batch");
    *out = NULL;
    if (!models) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_create_ragged needs a model for every rod");
    if (!opts) opts = &defaults;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(check_opts(opts, n_rods, err));
    for (size_t i = 0; i < n_rods; i++) {
        rg_error why = {0};
        if (!models[i])
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "rg_batch_create_ragged needs a model for every rod; that of rod %zu is NULL", i);
        const rg_status status = rg_model_check(models[i], &why);
        if (status != RG_OK) return RG_FAIL(err, status, "the model of rod %zu: %s", i, why.text);
    }
    return create(&list, opts, cpu, out, err);
}

rg_status rg_batch_set_model(rg_batch *b, size_t rod, const rg_model *model, rg_error *err)
{
    rg_model *copy = NULL;
    if (!b || !model || rod >= b->n_rods)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_set_model needs a batch, one of its rods and a "
                       "model; rod %zu was given",
                       rod);
    if (!fits(rgi_batch_shape_of(b, rod), model))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the model of rod %zu has another mesh, other clamps or another measure of bending than the "
                       "batch has for it",
                       rod);
    RG_TRY(rg_model_check(model, err));
    RG_TRY(rg_model_copy(model, &copy, err));
    rg_model_destroy(&b->models[rod]);
    b->models[rod] = copy;
    set_lane(b, rod);
    return b->device ? rgi_batch_device_model(b, rod, err) : RG_OK;
}

size_t rg_batch_rod_vertices(const rg_batch *b, size_t rod)
{
    return rod < b->n_rods ? rgi_batch_shape_of(b, rod)->n : 0;
}

size_t rg_batch_rod_clamped_vertices(const rg_batch *b, size_t rod, const int **vertices)
{
    const rgi_shape *s = rod < b->n_rods ? rgi_batch_shape_of(b, rod) : NULL;
    if (vertices) *vertices = s ? s->fixed_x : NULL;
    return s ? s->n_fixed_x : 0;
}

size_t rg_batch_rod_clamped_edges(const rg_batch *b, size_t rod, const int **edges)
{
    const rgi_shape *s = rod < b->n_rods ? rgi_batch_shape_of(b, rod) : NULL;
    if (edges) *edges = s ? s->fixed_theta : NULL;
    return s ? s->n_fixed_theta : 0;
}

size_t rg_batch_clamped_vertices(const rg_batch *b, const int **vertices)
{
    return rg_batch_rod_clamped_vertices(b, 0, vertices);
}

size_t rg_batch_clamped_edges(const rg_batch *b, const int **edges) { return rg_batch_rod_clamped_edges(b, 0, edges); }

static size_t model_bytes(const rg_model *model)
{
    size_t sum =
        (rg_model_vertices(model) + rg_model_markers(model)) * sizeof(int) + RG_FIELD_COUNT * 2 * sizeof(void *);
    for (int field = 0; field < RG_FIELD_COUNT; field++) sum += rgi_batch_model_numbers(model, field) * sizeof(double);
    return sum;
}

/* beside the packs: shapes, scratch, and the models that the batch copied so far */
static size_t other_bytes(const rg_batch *b)
{
    size_t sum =
        sizeof *b + b->vertices * (RGI_NC + 3) * sizeof *b->coef + rgi_batch_change_places(b) * sizeof *b->entries;
    for (size_t k = 0; k < b->n_shapes; k++) {
        const rgi_shape *s = b->shapes[k].shape;
        sum += sizeof b->shapes[k] + sizeof *s + s->n * (s->n_markers * sizeof(double) + 8 * sizeof(int));
    }
    if (b->model) sum += model_bytes(b->model);
    for (size_t i = 0; i < b->n_rods; i++)
        if (b->models[i]) sum += model_bytes(b->models[i]);
    return sum;
}

rg_batch_plan rg_batch_describe(const rg_batch *b)
{
    const size_t threads = b->device ? b->n_packs : (size_t)b->threads; /* that have scratch states */
    size_t total = b->memory_doubles * sizeof(double) + b->n_packs * (sizeof *b->packs + sizeof *b->places) +
                   b->n_rods * (sizeof *b->models + sizeof *b->pack_of + sizeof *b->stable_step_s) + other_bytes(b);
    if (b->device) total += rgi_mirror_bytes(b->mirror);
    else total += threads * (b->work_doubles + b->pool_doubles) * sizeof(double);
    for (size_t i = 0; i < RGI_STAGES; i++) total += b->stages[i].bytes;
    if (!b->opts.adjoint) return rgi_plan_describe(NULL, 0, total);
    /* of all packs, one state each; a GPU has the largest's room for every rod */
    size_t states = 0;
    for (size_t k = 0; k < b->n_shapes; k++)
        states += b->shapes[k].packs * state_bytes(b, b->device ? b->vertices : b->shapes[k].shape->n);
    const size_t kept = (size_t)rgi_plan_kept(&b->plan) * states +
                        (size_t)rgi_plan_pool(&b->plan) * threads * state_bytes(b, b->vertices);
    return rgi_plan_describe(&b->plan, kept, total);
}
