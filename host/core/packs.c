/* core/packs.c: making packs, and what callers set and read (see packs.h). */
#include "core/packs.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "core/checkpoints.h"
#include "core/context.h"
#include "core/memory.h"
#include "core/words.h"
#include "rod/layout.h"

double *rgi_take(double *base, size_t *used, size_t count)
{
    double *p = base ? base + *used : NULL;
    *used += (count + 7) / 8 * 8;
    return p;
}

/* ---- create ---- */

/* time that only runs forward [s] */
static double monotonic_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* a pack's shape and scheme */
static void set_up(rgi_pack *j, const rgi_shape *s, const rg_rollout_opts *o, double dt_s)
{
    j->n = (int)s->n;
    j->order = s->order;
    j->first = s->first;
    j->second = s->second;
    j->fixed = s->fixed;
    j->n_markers = (int)s->n_markers;
    j->marker_vertices = s->marker_vertices;
    j->n_free = (int)s->n_free;
    j->free_markers = s->free_markers;
    j->n_fixed_x = (int)s->n_fixed_x;
    j->n_fixed_theta = (int)s->n_fixed_theta;
    j->fixed_x = s->fixed_x;
    j->fixed_theta = s->fixed_theta;
    j->h = dt_s / o->substeps;
    memcpy(j->gravity, o->gravity, sizeof j->gravity);
    j->tolerance = o->tolerance_m;
    j->max_iterations = o->max_iterations;
    j->continues = o->at_limit == RG_LIMIT_CONTINUE;
    j->deadline = o->deadline_s;
    j->clock = o->deadline_s > 0.0 ? monotonic_s : NULL;
    j->deform = o->stepper == RG_STEPPER_DEFORM;
    j->bdf2 = o->scheme == RG_SCHEME_BDF2 && !j->deform;
    j->still = o->scheme == RG_SCHEME_STATIC;
    j->normalised = s->normalised;
    j->sweeps = o->sweeps;
    j->substeps = o->substeps;
}

rgi_pack rgi_packs_largest(const rgi_packs *p, const rgi_shape *shape)
{
    static double any;
    const unsigned want = p->opts.want;
    rgi_pack j;
    memset(&j, 0, sizeof j);
    set_up(&j, shape, &p->opts.rollout, p->opts.dt_s);
    j.n_directions = (int)p->opts.directions;
    j.rows = p->opts.rows;
    j.plan = want & RGI_WANT_ADJOINT ? &p->plan : NULL;
    if (want & RGI_WANT_INPUTS) j.force.data = j.ddrive_x.data = j.out_dtension.data = &any;
    j.recorded = want & RGI_WANT_FIT ? &any : NULL;
    j.carried = want & RGI_WANT_CARRY ? &any : NULL;
    return j;
}

/* the arrays of a section of one pack whose longest rod has so many frames; base and used as in rgi_take */
static void lay_out(const rgi_packs *p, const rgi_shape *shape, size_t frames, rgi_pack *pack, int section,
                    double *base, size_t *used)
{
    const unsigned want = p->opts.want;
    const size_t w = p->at->lanes;
    const rgi_extents extents = {.n = shape->n,
                                 .markers = shape->n_markers,
                                 .free = shape->n_free,
                                 .directions = p->opts.directions,
                                 .frames = frames,
                                 .blocks = p->opts.blocks};
    const rgi_extents *e = &extents;
#define LAY_OUT(name, where, wanted, kind, count)                                                                      \
    if (section == RGI_SECTION_##where && (want & RGI_WANT_##wanted) == RGI_WANT_##wanted)                             \
        pack->name = rgi_take(base, used, (count)*w);
    RGI_PACK_ARRAYS(LAY_OUT)
#undef LAY_OUT
    if (section == RGI_SECTION_OWN && p->runner->layout) p->runner->layout(p, shape, pack, base, used);
}

/* where the arrays of all packs are, section by section */
static void lay_out_all(rgi_packs *p)
{
    size_t used = 0;
    for (int section = 0; section < RGI_SECTIONS; section++) {
        for (size_t i = 0; i < p->at->n_packs; i++) {
            rgi_pack *j = &p->packs[i];
            lay_out(p, p->at->places[i].shape, (size_t)(j->n_steps / j->substeps), j, section, p->memory, &used);
        }
        p->section_end[section] = used;
    }
    p->memory_doubles = used;
}

/* doubles of all packs' arrays if every rod were as long as the longest, 0: more than a size_t holds */
static size_t count_doubles(const rgi_packs *p)
{
    size_t sum = 0;
    for (size_t k = 0; k < p->at->n_shapes; k++) {
        const rgi_placed_shape *s = &p->at->shapes[k];
        rgi_pack any = rgi_packs_largest(p, s->shape);
        any.n_steps = (int)p->steps;
        size_t one = 0;
        for (int section = 0; section < RGI_SECTIONS; section++)
            lay_out(p, s->shape, p->opts.n_frames, &any, section, NULL, &one);
        if (s->packs > (SIZE_MAX / 2 / sizeof(double) - sum) / one) return 0;
        sum += s->packs * one;
    }
    return sum + (p->runner->work_doubles ? p->runner->work_doubles(p) : 0);
}

/* of one pack of the largest shape */
static size_t state_bytes(const rgi_packs *p, size_t n)
{
    return (n * RGI_STATE_REALS + 1) * p->at->lanes * p->cpu->real_bytes;
}

static int trace_fits(const rgi_packs *p)
{
    const size_t step = rgi_cpu_doubles(p->cpu, 6 * p->at->vertices + 1) * sizeof(double);
    return p->opts.rollout.stepper == RG_STEPPER_IMPLICIT && p->steps <= p->opts.trace_bytes / step / p->at->n_packs;
}

static void set_packs(rgi_packs *p)
{
    for (size_t i = 0; i < p->at->n_packs; i++) {
        const rgi_place_of_pack *place = &p->at->places[i];
        rgi_pack *j = &p->packs[i];
        size_t frames = p->opts.frames ? 0 : p->opts.n_frames;
        for (size_t lane = 0; p->opts.frames && lane < place->rods; lane++)
            if (p->opts.frames[place->first + lane] > frames) frames = p->opts.frames[place->first + lane];
        set_up(j, place->shape, &p->opts.rollout, p->opts.dt_s);
        j->rods = (int)place->rods;
        j->n_steps = (int)frames * j->substeps;
        j->window = (int)p->opts.window;
        j->floor = p->opts.floor_m;
        j->block = p->opts.block;
        j->plan = p->opts.want & RGI_WANT_ADJOINT ? &p->plan : NULL;
    }
}

static rg_status no_memory(const rgi_packs *p, rg_error *err)
{
    return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods and %zu steps%s", p->at->n_rods, p->steps,
                   p->opts.want & RGI_WANT_ADJOINT ? "; lower budget_bytes" : "");
}

/* what sizes depend on */
static rg_status begin(const rgi_placement *at, const rgi_packs_opts *opts, const rgi_cpu *cpu, rgi_packs *p,
                       rg_error *err)
{
    memset(p, 0, sizeof *p);
    p->opts = *opts;
    p->at = at;
    p->cpu = cpu;
    p->runner = rgi_context_device(opts->rollout.context) ? &rgi_runner_device : &rgi_runner_cpu;
    p->opts.want &= ~p->runner->never;
    p->ragged = opts->frames != NULL;
    /* a float counts steps to 2^24 */
    const size_t most = opts->rollout.real == RG_REAL_FLOAT ? (size_t)1 << 24 : (size_t)2000000000;
    if (opts->n_frames == 0 || opts->n_frames > most / (size_t)opts->rollout.substeps)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu frame%s of %d step%s; there must be 1 to %zu steps", opts->n_frames,
                       rgi_plural(opts->n_frames), opts->rollout.substeps, rgi_plural((size_t)opts->rollout.substeps),
                       most);
    p->steps = opts->n_frames * (size_t)opts->rollout.substeps;
    if (p->opts.want & RGI_WANT_ADJOINT)
        RG_TRY(rgi_plan_make(p->steps, state_bytes(p, p->at->vertices), p->at->n_packs, p->runner->workers(p),
                             p->opts.budget_bytes, &p->plan, err));
    if (opts->rollout.deadline_s > 0.0 && p->plan.levels > 1)
        return RG_FAIL(
            err, RG_ERR_ARGUMENT,
            "with deadline_s a step that is run again may end elsewhere, and this batch's adjoint runs steps "
            "again from checkpoints; set budget_bytes to RG_STORE_ALL, adjoint to 0 or deadline_s to 0");
    p->traced = p->runner->layout && trace_fits(p);
    return RG_OK;
}

rg_status rgi_packs_room_bytes(const rgi_placement *at, const rgi_packs_opts *opts, const rgi_cpu *cpu, size_t *bytes,
                               rg_error *err)
{
    rgi_packs p;
    RG_TRY(begin(at, opts, cpu, &p, err));
    *bytes = count_doubles(&p) * sizeof(double);
    return RG_OK;
}

/* `incomplete`: the placement, where it has shapes only, or NULL */
static rg_status create(rgi_packs *p, rgi_placement *incomplete, const rgi_models *models, rg_error *err)
{
    /* the largest first: what does not fit fails before anything is touched */
    const rgi_placement *at = p->at;
    const rg_context *context = p->opts.rollout.context;
    const size_t doubles = count_doubles(p);
    if (doubles) p->memory = p->opts.room ? p->opts.room : rgi_aligned_alloc(context, doubles * sizeof *p->memory);
    if (!p->memory) return no_memory(p, err);
    p->packs = rgi_calloc(context, at->n_packs, sizeof *p->packs);
    p->stable_step_s = rgi_calloc(context, at->n_rods, sizeof *p->stable_step_s);
    p->workers = rgi_rod_workers(&p->opts.rollout, at->n_rods);
    p->coef = rgi_calloc(context, p->workers * at->vertices * (RGI_NC + 3), sizeof *p->coef);
    p->entry_begin = rgi_calloc(context, p->opts.directions + 1, sizeof *p->entry_begin);
    if (!p->packs || !p->stable_step_s || !p->coef || !p->entry_begin) return no_memory(p, err);
    if (incomplete) RG_TRY(rgi_placement_packs(models, incomplete, err));
    if (p->opts.want & RGI_WANT_INPUTS) RG_TRY(rgi_packs_reserve(p, p->opts.directions * rgi_packs_places(p), err));
    set_packs(p);
    lay_out_all(p);
    memset(p->memory, 0, p->memory_doubles * sizeof *p->memory);
    for (size_t rod = 0; rod < at->n_rods; rod++) {
        const size_t frames = p->opts.frames ? p->opts.frames[rod] : p->opts.n_frames;
        p->packs[at->pack_of[rod]].lane_steps[rgi_lane_of(at, rod)] =
            (double)(frames * (size_t)p->opts.rollout.substeps);
    }
    return p->runner->create(p, err);
}

static rg_status make(const rgi_placement *at, rgi_placement *incomplete, const rgi_models *models,
                      const rgi_packs_opts *opts, const rgi_cpu *cpu, rgi_packs *out, rg_error *err)
{
    rg_status status = begin(at, opts, cpu, out, err);
    if (status == RG_OK) status = create(out, incomplete, models, err);
    out->opts.frames = NULL;
    if (status != RG_OK) rgi_packs_clear(out);
    return status;
}

rg_status rgi_packs_create_placed(rgi_placement *at, const rgi_models *models, const rgi_packs_opts *opts,
                                  const rgi_cpu *cpu, rgi_packs *out, rg_error *err)
{
    return make(at, at, models, opts, cpu, out, err);
}

rg_status rgi_packs_create(const rgi_placement *at, const rgi_packs_opts *opts, const rgi_cpu *cpu, rgi_packs *out,
                           rg_error *err)
{
    return make(at, NULL, NULL, opts, cpu, out, err);
}

void rgi_packs_clear(rgi_packs *p)
{
    const rg_context *context = p->opts.rollout.context;
    if (p->own) p->runner->destroy(p);
    rgi_free(context, p->packs);
    if (!p->opts.room) rgi_free(context, p->memory);
    rgi_free(context, p->entry_begin);
    rgi_free(context, p->entries);
    rgi_free(context, p->entry_values);
    rgi_free(context, p->stable_step_s);
    rgi_free(context, p->coef);
    memset(p, 0, sizeof *p);
}

/* ---- parameters and directions ---- */

rg_status rgi_packs_send_section(rgi_packs *p, int section, rg_error *err)
{
    const size_t first = section > 0 ? p->section_end[section - 1] : 0;
    return p->runner->send(p, p->memory + first, p->section_end[section] - first, err);
}

void rgi_packs_run_jobs(const rgi_packs *p, size_t jobs, size_t at_a_time, rgi_job job, void *arg)
{
    rgi_run_jobs(&p->opts.rollout, p->workers, jobs, at_a_time, job, arg);
}

rg_status rgi_packs_reserve(rgi_packs *p, size_t entries, rg_error *err)
{
    const rg_context *context = p->opts.rollout.context;
    if (entries <= p->entries_capacity) return RG_OK;
    rgi_free(context, p->entries);
    rgi_free(context, p->entry_values);
    p->entries_capacity = 0;
    p->entries = rgi_calloc(context, entries, sizeof *p->entries);
    p->entry_values = entries <= SIZE_MAX / 64 / p->at->n_packs / p->at->lanes
                          ? rgi_aligned_alloc(context, p->at->n_packs * entries * p->at->lanes * sizeof(double))
                          : NULL;
    if (!p->entries || !p->entry_values)
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the derivatives of %zu rods", p->at->n_rods);
    p->entries_capacity = entries;
    return RG_OK;
}

void rgi_packs_point_entries(rgi_packs *p)
{
    for (size_t i = 0; i < p->at->n_packs; i++) {
        rgi_pack *j = &p->packs[i];
        j->entry_begin = p->entry_begin;
        j->entries = p->entries;
    }
}

rg_status rgi_packs_directions(rgi_packs *p, int n_directions, rg_error *err)
{
    rgi_packs_point_entries(p);
    return p->runner->directions(p, n_directions, err);
}

/* ---- calls ---- */

/* rows of a series (RGI_ROWS_...) in the call */
static size_t rows_of(const rgi_packs *p, int rows)
{
    switch (rows) {
    case RGI_ROWS_STEPS: return p->steps;
    case RGI_ROWS_FRAMES: return p->opts.n_frames;
    default: return p->call.growth_every > 0 ? p->steps / (size_t)p->call.growth_every + 1 : 1;
    }
}

/* the caller's arrays [n_rods][rows][width] into the call */
static void describe(rgi_packs *p, const rgi_batch_arrays *of)
{
    const rgi_placement *b = p->at;
    rgi_call *c = &p->call;
    c->single = of->single;
#define START(name, per, less, source, member, stage)                                                                  \
    if (of->source) c->name = of->source->member;
    RGI_PACK_STARTS_IN(START)
#undef START
#define SERIES(name, rows, width, source, member, stage)                                                               \
    if (of->source) {                                                                                                  \
        const size_t items = (width), count = rows_of(p, RGI_ROWS_##rows);                                             \
        c->name.data = items > 0 ? of->source->member : NULL;                                                          \
        c->name.rod = (ptrdiff_t)(count * items);                                                                      \
        c->name.step = (ptrdiff_t)items;                                                                               \
        c->name.single = of->single;                                                                                   \
    }
    RGI_PACK_SERIES(SERIES)
#undef SERIES
}

void rgi_packs_describe_run(rgi_packs *p, const rgi_batch_arrays *of)
{
    memset(&p->call, 0, sizeof p->call);
    p->call.vertices = (int)p->at->vertices;
    p->call.all_rods = (int)p->at->n_rods;
    p->call.set_tangents = of->tangents != NULL;
    if (of->tangents) p->call.n_directions = of->tangents->n_directions ? (int)of->tangents->n_directions : 1;
    describe(p, of);
}

/* of the last call's run, whose inputs it needs again */
void rgi_packs_describe_reverse(rgi_packs *p, const rgi_batch_arrays *of)
{
    const rg_batch_gradients *g = of->gradients;
    rgi_call *c = &p->call;
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
    for (int field = 0; of->gradient_fields && field < RG_FIELD_COUNT; field++)
        c->want_coef |= of->gradient_fields[field] != NULL;
    c->want_start = g->x0 || g->v0 || g->turn0;
    describe(p, of);
}

/* ---- results ---- */

void rgi_packs_status(const rgi_packs *p, size_t rod, rg_rod_status *out)
{
    const size_t w = p->at->lanes;
    const double *s = p->packs[p->at->pack_of[rod]].status + rgi_lane_of(p->at, rod);
    out->flag = (rg_rod_flag)s[0];
    out->step = (int)s[w];
    out->iterations = (int)s[2 * w];
    out->worst_iterations = (int)s[3 * w];
    out->worst_increment_m = s[4 * w];
    out->vertex = (int)s[5 * w];
    out->unstable = (int)s[6 * w];
    out->worst_twist_rad = s[7 * w];
    out->worst_twist_step = (int)s[8 * w];
    out->worst_turn_rad = 2.0 * asin(fmin(sqrt(s[9 * w]), 1.0));
    out->worst_turn_step = (int)s[10 * w];
    out->stable_step_s = p->stable_step_s[rod];
    out->unfinished_steps = (int)s[11 * w];
    out->first_unfinished_step = (int)s[12 * w];
    out->worst_residual_n = s[13 * w];
}

rg_batch_plan rgi_packs_plan(const rgi_packs *p, size_t more_bytes)
{
    const size_t entry = sizeof *p->entries + p->at->n_packs * p->at->lanes * sizeof *p->entry_values;
    size_t total = more_bytes + sizeof *p + p->memory_doubles * sizeof *p->memory + p->runner->bytes(p) +
                   p->entries_capacity * entry + p->at->n_packs * (sizeof *p->packs + sizeof *p->at->places) +
                   p->at->n_rods * (sizeof *p->at->pack_of + sizeof *p->stable_step_s) +
                   p->workers * p->at->vertices * (RGI_NC + 3) * sizeof *p->coef;
    for (size_t k = 0; k < p->at->n_shapes; k++) {
        const rgi_shape *s = p->at->shapes[k].shape;
        total += sizeof p->at->shapes[k] + sizeof *s + s->n * (sizeof(double) + 8 * sizeof(int));
    }
    if (!(p->opts.want & RGI_WANT_ADJOINT)) return rgi_plan_describe(NULL, 0, total);
    /* of all packs, one state each */
    const size_t workers = p->runner->workers(p), most = state_bytes(p, p->at->vertices);
    size_t states = 0;
    for (size_t k = 0; k < p->at->n_shapes; k++)
        states += p->at->shapes[k].packs * (p->runner->one_size ? most : state_bytes(p, p->at->shapes[k].shape->n));
    const size_t kept = (size_t)rgi_plan_kept(&p->plan) * states + (size_t)rgi_plan_pool(&p->plan) * workers * most;
    return rgi_plan_describe(&p->plan, kept, total);
}
