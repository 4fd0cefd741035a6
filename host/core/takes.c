/* core/takes.c: packs of recordings (see takes.h). Arrays of a pack are [..][W], lane innermost. */
#include "core/takes.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/checkpoints.h"
#include "core/coefficients.h"
#include "core/recording.h"
#include "core/stability.h"
#include "cuda/normal.h"
#include "rod/layout.h"

typedef struct pack {
    rgi_pack job;
    int lanes_used;
    size_t ticks;              /* frame intervals of the longest rod, lost frames included (motion.h) */
    int *frame_of;             /* [W][ticks] the frame that a tick of a lane ends at, or -1; owned */
    double *drive_x, *drive_m; /* what the job's series point to */
} pack;

/* by how much a recording's grippers turn from frame to frame (rgi_motion_turn) */
typedef struct turn {
    double rad;
    int step;
} turn;

struct rgi_takes {
    rgi_takes_opts opts;
    const rgi_cpu *cpu;
    rgi_shape *shape;
    rg_recording *recordings; /* [n] complete copies (core/recording.h); owned */
    size_t n, n_packs, n_directions;
    size_t lanes; /* rods to a pack; at most the instruction set's */
    pack *packs;
    /* one block of memory for all doubles of all packs, section by section; what drives them is apart */
    double *memory, *drives;
    size_t memory_doubles, drives_doubles, section_end[RGI_SECTIONS];
    rgi_device *device; /* NULL: the CPU */
    rgi_mirror *mirror; /* the packs on it */
    rgi_normal *normal;
    int *entry_begin;
    rgi_pack_entry *entries;
    double *entry_values;   /* [packs][entries][W] */
    rg_model *own;          /* the model of one recording, whose rope may have slipped */
    unsigned char *slipped; /* [n] */
    double *stable_step_s;  /* [recordings] as in rg_rod_status */
    turn *turns;            /* [recordings] */
    size_t entries_capacity;
    double *coef, *scratch;
    double *frames; /* [n][n_markers][2][6] directors that offsets act along in frames 0 and 1 */
    rgi_plan plan;  /* with opts.adjoint */
    double *pools;  /* [threads][plan's pool][W]: scratch of a reverse run */
    int threads;
    int traced; /* runs without directions leave behind where their steps end */
};

static size_t lanes_of(const rgi_takes *b) { return (size_t)b->cpu->lanes; }

/* a series with the lanes innermost */
static rgi_series_in packed(const double *data, size_t items, size_t w)
{
    rgi_series_in s = {data, 1, (ptrdiff_t)(items * w), (ptrdiff_t)w};
    return s;
}

/* of one thread's reverse run, a multiple of a cache line */
static size_t pool_doubles(const rgi_takes *b)
{
    const size_t state = b->shape->n * RGI_STATE_REALS + 1;
    return (rgi_cpu_doubles(b->cpu, (size_t)rgi_plan_pool(&b->plan) * state) + 7) / 8 * 8 + 8;
}

/* where a pack's steps end */
static size_t trace_doubles(const rgi_takes *b, const pack *p)
{
    const size_t steps = p->ticks * (size_t)b->opts.rollout.substeps;
    return rgi_cpu_doubles(b->cpu, steps * (6 * b->shape->n + 1));
}

static int trace_fits(const rgi_takes *b, size_t most_bytes)
{
    size_t doubles = 0;
    for (size_t i = 0; i < b->n_packs; i++) doubles += trace_doubles(b, &b->packs[i]);
    return !b->device && b->opts.rollout.stepper == RG_STEPPER_IMPLICIT && doubles <= most_bytes / sizeof(double);
}

static unsigned wanted(const rgi_takes *b)
{
    return RGI_WANT_CHORD | (b->opts.max_directions ? RGI_WANT_TANGENTS : 0) | (b->opts.fit ? RGI_WANT_FIT : 0) |
           (b->opts.fit && !b->device ? RGI_WANT_NORMAL : 0) | (b->opts.markers ? RGI_WANT_MARKERS : 0) |
           (b->opts.markers_jvp ? RGI_WANT_MARKERS_JVP : 0) | (b->opts.adjoint ? RGI_WANT_ADJOINT : 0);
}

/* what only packs look at; a device has its own. Called once to count and once to assign. */
static void layout_reals(rgi_takes *b, pack *p, double *base, size_t *used)
{
    const size_t n = b->shape->n, state = n * RGI_STATE_REALS + 1;
    rgi_pack *j = &p->job;
    j->plan = b->opts.adjoint ? &b->plan : NULL;
    if (b->device) return;
    if (b->opts.adjoint) j->kept = rgi_take_reals(b->cpu, base, used, (size_t)rgi_plan_kept(&b->plan) * state);
    /* as large as with all directions, and also when arrays are only counted */
    rgi_pack most = *j;
    double any = 0.0;
    most.n_directions = (int)b->opts.max_directions;
    most.recorded = b->opts.fit ? &any : NULL;
    j->workspace = (rgi_reals *)(void *)rgi_take(base, used, b->cpu->workspace(&most));
    if (b->traced) j->trace = (rgi_reals *)(void *)rgi_take(base, used, trace_doubles(b, p));
}

/* the same for what drives a pack */
static void layout_drives(rgi_takes *b, pack *p, double *base, size_t *used)
{
    const size_t w = lanes_of(b), steps = p->ticks * (size_t)b->opts.rollout.substeps;
    const size_t x = b->shape->n_fixed_x * 3, m = b->shape->n_fixed_theta * 3;
    p->drive_x = rgi_take(base, used, steps * x * w);
    p->drive_m = rgi_take(base, used, steps * m * w);
    p->job.drive_x = packed(p->drive_x, x, w);
    p->job.drive_m = packed(p->drive_m, m, w);
}

/* sections of all packs one after the other, and their drives */
static void layout_all(rgi_takes *b)
{
    size_t used = 0, drives = 0;
    rgi_extents e = {.n = b->shape->n,
                     .markers = b->shape->n_markers,
                     .free = b->shape->n_free,
                     .directions = b->opts.max_directions,
                     .blocks = rgi_takes_blocks(b)};
    for (int section = 0; section < RGI_SECTIONS; section++) {
        for (size_t i = 0; i < b->n_packs; i++) {
            e.frames = b->packs[i].ticks;
            rgi_pack_layout(&b->packs[i].job, &e, wanted(b), section, lanes_of(b), b->memory, &used);
            if (section == RGI_SECTION_OWN) layout_reals(b, &b->packs[i], b->memory, &used);
        }
        b->section_end[section] = used;
    }
    for (size_t i = 0; i < b->n_packs; i++) layout_drives(b, &b->packs[i], b->drives, &drives);
    b->memory_doubles = used;
    b->drives_doubles = drives;
}

size_t rgi_takes_blocks(const rgi_takes *b)
{
    size_t ticks = 0;
    for (size_t i = 0; i < b->n; i++) {
        size_t own = rgi_motion_ticks(&b->recordings[i]);
        if (own > ticks) ticks = own;
    }
    return (ticks + (size_t)b->opts.block - 1) / (size_t)b->opts.block;
}

const rgi_shape *rgi_takes_shape(const rgi_takes *b) { return b->shape; }

void rgi_takes_destroy(rgi_takes **batch)
{
    if (!batch || !*batch) return;
    rgi_takes *b = *batch;
    if (b->mirror) rgi_mirror_destroy(&b->mirror);
    if (b->normal) rgi_normal_destroy(&b->normal);
    rgi_shape_destroy(&b->shape);
    for (size_t i = 0; b->packs && i < b->n_packs; i++) free(b->packs[i].frame_of);
    free(b->packs);
    free(b->recordings);
    free(b->memory);
    free(b->drives);
    free(b->entry_begin);
    free(b->entries);
    free(b->entry_values);
    rg_model_destroy(&b->own);
    free(b->slipped);
    free(b->stable_step_s);
    free(b->turns);
    free(b->pools);
    free(b->coef);
    free(b->frames);
    free(b->scratch);
    free(b);
    *batch = NULL;
}

static rg_status check_recording(const rg_model *model, const rg_recording *r, rg_error *err)
{
    const int *clamps = NULL;
    size_t n_clamps = rg_model_clamps(model, &clamps);
    if (r->n_markers != rg_model_markers(model))
        return RG_FAIL(err, RG_ERR_SHAPE, "%s has %zu markers but the model is for %zu; use a model fitted to this rod",
                       r->name, r->n_markers, rg_model_markers(model));
    if (r->n_frames < 3)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s has %zu frames; a simulation starts from two and predicts from the third on", r->name,
                       r->n_frames);
    if (r->n_clamps != n_clamps || (n_clamps && memcmp(r->clamps, clamps, n_clamps * sizeof *clamps)))
        return RG_FAIL(err, RG_ERR_SHAPE, "%s is driven by other markers than the model; pass --clamp as in the fit",
                       r->name);
    if (!(r->dt_s > 0.0) || !isfinite(r->dt_s))
        return RG_FAIL(err, RG_ERR_VALUE, "%s: the frame interval of %g s is not positive", r->name, r->dt_s);
    return RG_OK;
}

/* constant parts of a pack: drives, recorded markers, masks */
static rg_status fill_pack(rgi_takes *b, size_t index, rg_error *err)
{
    const rgi_shape *s = b->shape;
    const size_t w = lanes_of(b), fx = s->n_fixed_x * 3, ft = s->n_fixed_theta * 3;
    const int substeps = b->opts.rollout.substeps;
    pack *p = &b->packs[index];
    rgi_pack *j = &p->job;
    rg_status status = RG_OK;
    double *x = malloc((p->ticks * (size_t)substeps * (fx + ft) + 1) * sizeof *x);
    p->frame_of = malloc(w * p->ticks * sizeof *p->frame_of);
    if (!x || !p->frame_of) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the drive of a batch");
        goto done;
    }
    double *m = x + p->ticks * (size_t)substeps * fx;
    double *drive_x = p->drive_x, *drive_m = p->drive_m;
    double *recorded = j->recorded, *weight = j->weight;
    double *lane_steps = j->lane_steps;
    for (size_t lane = 0; lane < w; lane++) {
        /* an empty lane repeats the first rod, for zero steps */
        const size_t used = lane < (size_t)p->lanes_used;
        const rg_recording *r = &b->recordings[index * b->lanes + (used ? lane : 0)];
        const size_t ticks = rgi_motion_ticks(r), steps = ticks * (size_t)substeps;
        int *frame_of = p->frame_of + lane * p->ticks;
        for (size_t k = 0; k < p->ticks; k++) frame_of[k] = -1;
        lane_steps[lane] = used ? (double)steps : 0.0;
        status = rgi_motion_drive(s, r, substeps, x, m, frame_of, err);
        if (status != RG_OK) goto done;
        for (size_t k = 0; k < p->ticks * (size_t)substeps; k++) {
            size_t from = k < steps ? k : steps - 1; /* a shorter rod rests at its end */
            for (size_t i = 0; i < fx; i++) drive_x[(k * fx + i) * w + lane] = x[from * fx + i];
            for (size_t i = 0; i < ft; i++) drive_m[(k * ft + i) * w + lane] = m[from * ft + i];
        }
        if (!b->opts.fit) continue;
        for (size_t f = 0; f < p->ticks; f++)
            for (size_t k = 0; k < s->n_free; k++) {
                int there = used && frame_of[f] >= 0;
                size_t frame = there ? (size_t)frame_of[f] : 0;
                size_t at = frame * s->n_markers + (size_t)s->free_markers[k];
                int counts = there && r->valid[at] && isfinite(r->positions[3 * at]) &&
                             isfinite(r->positions[3 * at + 1]) && isfinite(r->positions[3 * at + 2]);
                weight[(f * s->n_free + k) * w + lane] = counts ? 1.0 : 0.0;
                for (size_t c = 0; c < 3; c++)
                    recorded[((f * s->n_free + k) * 3 + c) * w + lane] = counts ? r->positions[3 * at + c] : 0.0;
            }
    }
done:
    free(x);
    return status;
}

/* ---- on a device ---- */

/* all packs, in a list that the caller frees; NULL when out of memory */
static const rgi_pack **list_packs(const rgi_takes *b, rg_error *err)
{
    const rgi_pack **packs = malloc(b->n_packs * sizeof *packs);
    if (!packs) (void)RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu packs", b->n_packs);
    for (size_t i = 0; packs && i < b->n_packs; i++) packs[i] = &b->packs[i].job;
    return packs;
}

static rg_status send_packs(rgi_takes *b, rg_error *err)
{
    const rgi_pack **packs = list_packs(b, err);
    if (!packs) return RG_ERR_MEMORY;
    const rg_status status = rgi_mirror_packs(b->mirror, packs, err);
    free(packs);
    return status;
}

rgi_normal *rgi_takes_device_normal(const rgi_takes *b) { return b->normal; }

const rgi_mirror *rgi_takes_mirror(const rgi_takes *b) { return b->mirror; }

/* copies of all packs on the device, and room for normal equations where directions have some */
static rg_status create_device(rgi_takes *b, rg_error *err)
{
    const size_t q = b->opts.max_directions, rows = 3 * b->shape->n_free * (size_t)b->opts.block;
    rgi_mirror_opts o;
    memset(&o, 0, sizeof o);
    if (b->opts.fit && q && !b->opts.adjoint) {
        RG_TRY(rgi_normal_create(b->device, q, b->n_packs, rows, rgi_takes_blocks(b), &b->normal, err));
        o.rows = rgi_normal_rows(b->normal);
        o.rows_apart = rgi_normal_rows_apart(b->normal);
    }
    o.choice = rgi_mirror_choice(&b->opts.rollout);
    o.rods = b->n_packs;
    o.memory = b->memory;
    o.drives = b->drives;
    o.memory_doubles = b->memory_doubles;
    o.drives_doubles = b->drives_doubles;
    o.rows_of_rod = rows;
    o.most = b->packs[0].job;
    o.most.n_directions = (int)q;
    o.most.rows = o.rows;
    const rgi_pack **packs = list_packs(b, err);
    if (!packs) return RG_ERR_MEMORY;
    o.packs = packs;
    rg_status status = rgi_mirror_create(b->device, &o, &b->mirror, err);
    free(packs);
    return status;
}

rg_status rgi_takes_create(const rg_model *model, const rg_recording *recordings, size_t n, const rgi_takes_opts *opts,
                           rgi_takes **out, rg_error *err)
{
    rg_status status = RG_OK;
    *out = NULL;
    if (n == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no recording to simulate");
    const rgi_cpu *cpu = NULL;
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    RG_TRY(rgi_rollout_check_model(&opts->rollout, model, err));
    rgi_takes *b = calloc(1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch");
    b->opts = *opts;
    b->cpu = cpu;
    b->n = n;
    status = rgi_recordings_complete(recordings, n, &b->recordings, err);
    if (status != RG_OK) goto fail;
    recordings = b->recordings;
    for (size_t i = 0; i < n; i++) {
        status = check_recording(model, &recordings[i], err);
        if (status == RG_OK && recordings[i].dt_s != recordings[0].dt_s)
            status =
                RG_FAIL(err, RG_ERR_SHAPE, "%s has a frame interval of %g s and %s one of %g s; simulate them apart",
                        recordings[i].name, recordings[i].dt_s, recordings[0].name, recordings[0].dt_s);
        if (status != RG_OK) goto fail;
    }
    b->device = rgi_context_device(opts->rollout.context);
    b->lanes = lanes_of(b);
    b->n_packs = (n + b->lanes - 1) / b->lanes;
    status = rgi_shape_create(model, &b->shape, err);
    if (status != RG_OK) goto fail;
    const size_t nodes = b->shape->n, q = opts->max_directions;
    b->packs = calloc(b->n_packs, sizeof *b->packs);
    b->entry_begin = calloc(q + 1, sizeof *b->entry_begin);
    b->coef = calloc(nodes * RGI_NC, sizeof *b->coef);
    b->scratch = calloc(nodes * (12 + RGI_SUPPORT) + b->shape->n_markers * 12, sizeof *b->scratch);
    b->slipped = calloc(nodes, 1);
    b->stable_step_s = calloc(n, sizeof *b->stable_step_s);
    b->turns = calloc(n, sizeof *b->turns);
    b->frames = calloc(n * b->shape->n_markers * 12, sizeof *b->frames);
    if (!b->frames || !b->packs || !b->entry_begin || !b->coef || !b->scratch || !b->slipped || !b->stable_step_s ||
        !b->turns)
        goto memory;
    for (size_t i = 0; i < n; i++)
        b->turns[i].rad = rgi_motion_turn(b->shape, &recordings[i], opts->rollout.substeps, &b->turns[i].step);
    b->threads = opts->rollout.threads > 0 ? opts->rollout.threads : omp_get_max_threads();
    /* on a device all rods go back at once */
    if ((size_t)b->threads > b->n_packs || b->device) b->threads = (int)b->n_packs;
    if (opts->adjoint) {
        size_t ticks = 0;
        for (size_t i = 0; i < n; i++)
            if (rgi_motion_ticks(&recordings[i]) > ticks) ticks = rgi_motion_ticks(&recordings[i]);
        const size_t state = (nodes * RGI_STATE_REALS + 1) * b->lanes * cpu->real_bytes;
        status = rgi_plan_make(ticks * (size_t)opts->rollout.substeps, state, b->n_packs, (size_t)b->threads,
                               opts->budget_bytes, &b->plan, err);
        if (status != RG_OK) goto fail;
        if (!b->device) b->pools = aligned_alloc(64, (size_t)b->threads * ((pool_doubles(b) + 7) / 8 * 64));
        if (!b->device && !b->pools) goto memory;
    }
    for (size_t i = 0; i < b->n_packs; i++) {
        pack *p = &b->packs[i];
        size_t first = i * b->lanes, last = first + b->lanes < n ? first + b->lanes : n;
        p->lanes_used = (int)(last - first);
        for (size_t k = first; k < last; k++) {
            size_t own = rgi_motion_ticks(&recordings[k]);
            if (own > p->ticks) p->ticks = own;
        }
        rgi_pack_setup(&p->job, b->shape, &opts->rollout, recordings[0].dt_s);
        p->job.rods = p->lanes_used;
    }
    b->traced = trace_fits(b, opts->trace_bytes);
    layout_all(b);
    b->memory = aligned_alloc(64, b->memory_doubles * sizeof *b->memory);
    b->drives = aligned_alloc(64, (b->drives_doubles + 8) * sizeof *b->drives);
    if (!b->memory || !b->drives) goto memory;
    memset(b->memory, 0, b->memory_doubles * sizeof *b->memory);
    memset(b->drives, 0, b->drives_doubles * sizeof *b->drives);
    layout_all(b);
    if (opts->fit) rgi_takes_share(b, NULL, 1.0);
    for (size_t i = 0; i < b->n_packs; i++) {
        rgi_pack *j = &b->packs[i].job;
        j->n_steps = (int)(b->packs[i].ticks * (size_t)j->substeps);
        j->floor = opts->floor_m;
        j->block = opts->block;
        status = fill_pack(b, i, err);
        if (status != RG_OK) goto fail;
    }
    if (b->device) status = create_device(b, err);
    if (status != RG_OK) goto fail;
    *out = b;
    return RG_OK;
memory:
    status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a batch of %zu recordings", n);
fail:
    rgi_takes_destroy(&b);
    return status;
}

static void spread(double *to, const double *from, size_t count, size_t w, size_t lane)
{
    for (size_t i = 0; i < count; i++) to[i * w + lane] = from[i];
}

/* start of every rod and, for directions that move marker offsets, its derivative */
static rg_status set_start(rgi_takes *b, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                           rg_error *err)
{
    const rgi_shape *s = b->shape;
    const size_t w = lanes_of(b), n = s->n;
    const double *offsets = rg_model_field(model, RG_MARKER_OFFSET);
    double *x = b->scratch, *v = x + 3 * n, *m = v + 3 * n, *chord = m + 3 * n;
    double *frames0 = chord + 3 * n, *frames1 = frames0 + 6 * s->n_markers;
    double *weights = frames1 + 6 * s->n_markers;
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index].job;
        for (size_t lane = 0; lane < w; lane++) {
            size_t used = lane < (size_t)b->packs[index].lanes_used;
            const rg_recording *r = &b->recordings[index * b->lanes + (used ? lane : 0)];
            RG_TRY(rgi_motion_start(s, r, offsets, b->opts.rollout.gravity, x, v, m, chord, frames0, frames1, err));
            for (size_t k = 0; used && k < s->n_markers; k++) {
                double *to = b->frames + 12 * ((index * b->lanes + lane) * s->n_markers + k);
                memcpy(to, frames0 + 6 * k, 6 * sizeof *to);
                memcpy(to + 6, frames1 + 6 * k, 6 * sizeof *to);
            }
            if (n_directions) rgi_motion_weights(s, r, weights);
            spread(j->x0, x, 3 * n, w, lane);
            spread(j->v0, v, 3 * n, w, lane);
            spread(j->m0, m, 3 * n, w, lane);
            spread(j->chord, chord, 3 * n, w, lane);
            for (size_t q = 0; q < n_directions; q++) {
                double *dx = j->dx0 + q * 3 * n * w;
                double *dv = j->dv0 + q * 3 * n * w;
                for (size_t i = 0; i < 3 * n; i++) dx[i * w + lane] = dv[i * w + lane] = 0.0;
                for (size_t e = 0; e < directions[q].n_places; e++) {
                    const rgi_place *at = &directions[q].places[e];
                    if (at->field != RG_MARKER_OFFSET) continue;
                    const double *f0 = frames0 + 6 * at->entry + 3 * (size_t)at->component;
                    const double *f1 = frames1 + 6 * at->entry + 3 * (size_t)at->component;
                    const double dt = r->dt_s * rgi_motion_gap(r, 1);
                    size_t from = 0, end = 0;
                    rgi_motion_reach(s, at->entry, &from, &end);
                    for (size_t i = from; i < end; i++) {
                        const double weight = at->scale * rgi_motion_weight(s, weights, i, at->entry);
                        for (size_t c = 0; c < 3; c++) {
                            dx[(3 * i + c) * w + lane] -= weight * f1[c];
                            dv[(3 * i + c) * w + lane] -= weight * (f1[c] - f0[c]) / dt;
                        }
                    }
                }
            }
        }
    }
    return RG_OK;
}

/* room for the coefficient changes of all directions */
static rg_status reserve_entries(rgi_takes *b, const rgi_direction *directions, size_t n_directions, rg_error *err)
{
    size_t places = 0;
    for (size_t q = 0; q < n_directions; q++) places += directions[q].n_places;
    const size_t capacity = places * RGI_MAX_ENTRIES;
    if (capacity <= b->entries_capacity) return RG_OK;
    free(b->entries);
    free(b->entry_values);
    b->entries = calloc(capacity, sizeof *b->entries);
    b->entry_values = aligned_alloc(64, (b->n_packs * capacity * lanes_of(b) + 7) / 8 * 64);
    b->entries_capacity = b->entries && b->entry_values ? capacity : 0;
    if (!b->entries_capacity) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu parameters", n_directions);
    return RG_OK;
}

/* coefficient changes of the directions at `model`, for one lane; values at [k * W] */
static void set_directions(rgi_takes *b, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                           double *values)
{
    const size_t w = lanes_of(b);
    size_t count = 0;
    for (size_t q = 0; q < n_directions; q++) {
        b->entry_begin[q] = (int)count;
        for (size_t e = 0; e < directions[q].n_places; e++) {
            const rgi_place *at = &directions[q].places[e];
            double own[RGI_MAX_ENTRIES];
            int got = rgi_coefficients_jvp(model, at->field, at->entry, at->component, b->entries + count, own);
            /* a slipped interval's length is the recording's, no parameter moves it */
            int gone = at->field == RG_REST_LENGTH && b->slipped[at->entry];
            for (int k = 0; k < got; k++, count++) values[count * w] = gone ? 0.0 : at->scale * own[k];
        }
    }
    b->entry_begin[n_directions] = (int)count;
}

/* one lane of a pack: the model as it holds for its recording */
static void set_lane(rgi_takes *b, size_t index, size_t lane, const rg_model *model, const rgi_direction *directions,
                     size_t n_directions)
{
    const size_t w = lanes_of(b), n = b->shape->n, used = lane < (size_t)b->packs[index].lanes_used;
    rgi_pack *j = &b->packs[index].job;
    double *length = rg_model_field_data(b->own, RG_REST_LENGTH);
    memcpy(length, rg_model_field(model, RG_REST_LENGTH), (n - 1) * sizeof *length);
    (void)rgi_motion_slip(b->shape, &b->recordings[index * b->lanes + (used ? lane : 0)], length, b->slipped);
    rgi_coefficients(b->own, b->coef);
    if (used && j->deform)
        b->stable_step_s[index * b->lanes + lane] = rgi_deform_step_limit(b->shape, b->coef, j->h, b->scratch);
    spread(j->coef, b->coef, n * RGI_NC, w, lane);
    spread(j->offset, rg_model_field(model, RG_MARKER_OFFSET), 2 * b->shape->n_markers, w, lane);
    double *values = b->entry_values ? b->entry_values + index * b->entries_capacity * w : NULL;
    if (n_directions) set_directions(b, b->own, directions, n_directions, values + lane);
    j->n_directions = (int)n_directions;
    j->entry_begin = b->entry_begin;
    j->entries = b->entries;
    j->entry_values = NULL;
}

void rgi_takes_share(rgi_takes *b, const double *factors, double outer)
{
    const size_t w = lanes_of(b);
    for (size_t r = 0; r < b->n; r++) {
        double *share = b->packs[r / b->lanes].job.share;
        share[r % b->lanes] = factors ? factors[r] : 1.0;
        share[w + r % b->lanes] = share[r % b->lanes] * outer;
    }
}

rg_status rgi_takes_set(rgi_takes *b, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                        rg_error *err)
{
    const size_t n = b->shape->n, m = b->shape->n_markers;
    if (rg_model_vertices(model) != n || rg_model_markers(model) != m)
        return RG_FAIL(err, RG_ERR_SHAPE, "the model has another mesh than the batch was made for");
    if (n_directions > b->opts.max_directions)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu directions, but the batch holds %zu", n_directions,
                       b->opts.max_directions);
    RG_TRY(rg_model_check(model, err));
    const double *offsets = rg_model_field(model, RG_MARKER_OFFSET);
    for (size_t k = 0; k < m; k++)
        if ((b->shape->fixed[b->shape->marker_vertices[k]] & RGI_FIXED_X) &&
            (offsets[2 * k] != 0.0 || offsets[2 * k + 1] != 0.0))
            return RG_FAIL(err, RG_ERR_VALUE, "marker_offset[%zu] must be 0: a driving marker prescribes its vertex",
                           k);
    RG_TRY(reserve_entries(b, directions, n_directions, err));
    RG_TRY(set_start(b, model, directions, n_directions, err));
    rg_model_destroy(&b->own);
    RG_TRY(rg_model_copy(model, &b->own, err));
    b->n_directions = n_directions;
    for (size_t index = 0; index < b->n_packs; index++)
        for (size_t lane = 0; lane < lanes_of(b); lane++) set_lane(b, index, lane, model, directions, n_directions);
    for (size_t index = 0; n_directions && index < b->n_packs; index++)
        b->packs[index].job.entry_values = rgi_cpu_narrow(
            b->cpu, b->entry_values + index * b->entries_capacity * lanes_of(b), (size_t)b->entry_begin[n_directions]);
    if (!b->device) return RG_OK;
    if (n_directions)
        RG_TRY(rgi_mirror_entries(b->mirror, b->entry_begin, (int)n_directions, b->entries, b->entry_values,
                                  b->entries_capacity, err));
    RG_TRY(rgi_mirror_send(b->mirror, b->memory, b->section_end[RGI_SECTION_START], err));
    return send_packs(b, err);
}

/* results of sections back to the host */
static rg_status fetch(rgi_takes *b, int first, int last, rg_error *err)
{
    const size_t begin = b->section_end[first - 1];
    return rgi_mirror_fetch(b->mirror, b->memory + begin, b->section_end[last] - begin, err);
}

/* with normal equations a block of frames at a time, else all steps at once */
static rg_status run_on_device(rgi_takes *b, rg_error *err)
{
    int steps = 0;
    for (size_t i = 0; i < b->n_packs; i++)
        if (b->packs[i].job.n_steps > steps) steps = b->packs[i].job.n_steps;
    if (!b->normal || b->n_directions == 0) {
        RG_TRY(rgi_mirror_run(b->mirror, 0, steps, err));
        return fetch(b, RGI_SECTION_RUN, RGI_SECTION_RUN, err);
    }
    const int piece = b->opts.block * b->opts.rollout.substeps;
    RG_TRY(rgi_normal_begin(b->normal, b->n_directions, err));
    for (int begin = 0; begin < steps; begin += piece) {
        RG_TRY(rgi_normal_clear_rows(b->normal, err));
        RG_TRY(rgi_mirror_run(b->mirror, begin, begin + piece, err));
        RG_TRY(rgi_normal_add(b->normal, (size_t)(begin / piece), err));
    }
    return fetch(b, RGI_SECTION_RUN, RGI_SECTION_RUN, err);
}

rg_status rgi_takes_run(rgi_takes *b, rg_error *err)
{
    const size_t w = lanes_of(b), p = b->n_directions;
    if (b->device) return run_on_device(b, err);
#pragma omp parallel for schedule(dynamic, 1) num_threads(b->threads)
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index].job;
        if (b->opts.fit) {
            memset(j->normal, 0, p * (p + 1) / 2 * w * sizeof(double));
            memset(j->gradients, 0, rgi_takes_blocks(b) * p * w * sizeof(double));
        }
        if (b->opts.adjoint) j->pool = (rgi_reals *)(void *)(b->pools + (size_t)omp_get_thread_num() * pool_doubles(b));
        b->cpu->run(j);
    }
    return RG_OK;
}

rg_status rgi_takes_retrace(rgi_takes *b, rg_error *err)
{
    for (size_t i = 0; i < b->n_packs; i++) b->packs[i].job.retrace = b->traced;
    rg_status status = rgi_takes_run(b, err);
    for (size_t i = 0; i < b->n_packs; i++) b->packs[i].job.retrace = 0;
    return status;
}

/* what cotangents of coefficients, offsets and the start say about the directions of `model`, summed over
 * recordings in order */
static void pull_back(rgi_takes *b, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                      double *gradient)
{
    const size_t w = lanes_of(b), n = b->shape->n;
    for (size_t r = 0; r < b->n; r++) {
        const rgi_pack *j = &b->packs[r / b->lanes].job;
        const size_t lane = r % b->lanes;
        double *length = rg_model_field_data(b->own, RG_REST_LENGTH);
        memcpy(length, rg_model_field(model, RG_REST_LENGTH), (n - 1) * sizeof *length);
        (void)rgi_motion_slip(b->shape, &b->recordings[r], length, b->slipped);
        rgi_motion_weights(b->shape, &b->recordings[r], b->scratch);
        for (size_t q = 0; q < n_directions; q++)
            for (size_t e = 0; e < directions[q].n_places; e++) {
                const rgi_place *at = &directions[q].places[e];
                if (at->field == RG_REST_LENGTH && b->slipped[at->entry]) continue;
                rgi_coefficients_adj(b->own, at->field, at->entry, at->component, at->scale, j, w, lane, &gradient[q]);
                if (at->field != RG_MARKER_OFFSET) continue;
                /* an offset moves the start as well: by its frames, kept with the pack */
                const double *f = b->frames + 12 * (r * b->shape->n_markers + at->entry) + 3 * (size_t)at->component;
                const double dt = b->recordings[r].dt_s * rgi_motion_gap(&b->recordings[r], 1);
                size_t from = 0, end = 0;
                rgi_motion_reach(b->shape, at->entry, &from, &end);
                for (size_t i = from; i < end; i++) {
                    const double weight = at->scale * rgi_motion_weight(b->shape, b->scratch, i, at->entry);
                    for (size_t c = 0; c < 3; c++)
                        gradient[q] -= weight * (f[6 + c] * j->x0_bar[(3 * i + c) * w + lane] +
                                                 (f[6 + c] - f[c]) / dt * j->v0_bar[(3 * i + c) * w + lane]);
                }
            }
    }
}

rg_status rgi_takes_gradient(rgi_takes *b, const rg_model *model, const rgi_direction *directions, size_t n_directions,
                             int product, double *gradient, rg_error *err)
{
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index].job;
        j->bar = product ? RGI_BAR_NORMAL : RGI_BAR_LOSS;
        j->want_coef = j->want_start = 1;
    }
    if (b->device) {
        RG_TRY(send_packs(b, err));
        RG_TRY(rgi_mirror_reverse(b->mirror, err));
        RG_TRY(fetch(b, RGI_SECTION_REVERSE, RGI_SECTION_REVERSE_START, err));
        pull_back(b, model, directions, n_directions, gradient);
        return RG_OK;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(b->threads)
    for (size_t index = 0; index < b->n_packs; index++) {
        rgi_pack *j = &b->packs[index].job;
        j->pool = (rgi_reals *)(void *)(b->pools + (size_t)omp_get_thread_num() * pool_doubles(b));
        b->cpu->reverse(j);
    }
    pull_back(b, model, directions, n_directions, gradient);
    return RG_OK;
}

rg_batch_plan rgi_takes_describe(const rgi_takes *b)
{
    const size_t state = (b->shape->n * RGI_STATE_REALS + 1) * b->lanes * b->cpu->real_bytes;
    size_t total = (b->memory_doubles + b->drives_doubles) * sizeof(double);
    if (b->device) total += rgi_mirror_bytes(b->mirror);
    if (!b->opts.adjoint) return rgi_plan_describe(NULL, 0, total);
    if (!b->device) total += (size_t)b->threads * pool_doubles(b) * sizeof(double);
    return rgi_plan_describe(&b->plan, rgi_plan_bytes(&b->plan, state, b->n_packs, (size_t)b->threads), total);
}

void rgi_takes_status(const rgi_takes *b, size_t recording, rg_rod_status *out)
{
    const size_t w = lanes_of(b), lane = recording % b->lanes;
    const double *s = b->packs[recording / b->lanes].job.status;
    rgi_lane_status(s, w, lane, out);
    out->stable_step_s = b->stable_step_s[recording];
    /* steps cut the way between two frames into shares, which need not be in doubt where the whole is */
    const turn *whole = &b->turns[recording];
    if (!(whole->rad > out->worst_turn_rad)) return;
    out->worst_turn_rad = whole->rad;
    out->worst_turn_step = whole->step;
}

void rgi_takes_markers(const rgi_takes *b, size_t recording, double *out)
{
    const size_t w = lanes_of(b), lane = recording % b->lanes, row = 3 * b->shape->n_markers;
    const pack *p = &b->packs[recording / b->lanes];
    const int *frame_of = p->frame_of + lane * p->ticks;
    for (size_t k = 0; k < p->ticks; k++)
        for (size_t i = 0; frame_of[k] >= 0 && i < row; i++)
            out[(size_t)(frame_of[k] - 2) * row + i] = p->job.markers[(k * row + i) * w + lane];
}

void rgi_takes_markers_jvp(const rgi_takes *b, size_t recording, size_t q, double *out)
{
    const size_t w = lanes_of(b), lane = recording % b->lanes, row = 3 * b->shape->n_markers;
    const pack *p = &b->packs[recording / b->lanes];
    const int *frame_of = p->frame_of + lane * p->ticks;
    for (size_t k = 0; k < p->ticks; k++)
        for (size_t i = 0; frame_of[k] >= 0 && i < row; i++)
            out[(size_t)(frame_of[k] - 2) * row + i] =
                p->job.markers_jvp[((k * b->n_directions + q) * row + i) * w + lane];
}

void rgi_takes_loss(const rgi_takes *b, size_t recording, double *loss, double *absolute)
{
    const size_t w = lanes_of(b), lane = recording % b->lanes;
    const double *from = b->packs[recording / b->lanes].job.loss;
    *loss = from[lane];
    *absolute = from[w + lane];
}

void rgi_takes_curvature(const rgi_takes *b, size_t recording, double *curvature, double *weight)
{
    const size_t w = lanes_of(b), lane = recording % b->lanes;
    const double *from = b->packs[recording / b->lanes].job.loss;
    *curvature = from[2 * w + lane];
    *weight = from[3 * w + lane];
}

/* add recording r's J^T W J times factor, which its own becomes, to normal [p][p] */
static void add_normal(const rgi_takes *b, size_t r, size_t p, double factor, double *normal)
{
    const size_t w = lanes_of(b);
    double *own = b->packs[r / b->lanes].job.normal + r % b->lanes;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k <= i; k++) {
            const double v = own[(i * (i + 1) / 2 + k) * w] *= factor;
            normal[i * p + k] += v;
            if (k != i) normal[k * p + i] += v;
        }
}

void rgi_takes_normal(const rgi_takes *b, double *normal, double *gradient)
{
    const size_t w = lanes_of(b), p = b->n_directions, blocks = rgi_takes_blocks(b);
    for (size_t r = 0; r < b->n; r++) {
        const double *gradients = b->packs[r / b->lanes].job.gradients + r % b->lanes;
        add_normal(b, r, p, 1.0, normal);
        for (size_t i = 0; i < p; i++)
            for (size_t block = 0; block < blocks; block++) gradient[i] += gradients[(block * p + i) * w];
    }
}

void rgi_takes_reweigh(rgi_takes *b, size_t p, const double *factors, double *normal)
{
    memset(normal, 0, p * p * sizeof *normal);
    for (size_t r = 0; r < b->n; r++) add_normal(b, r, p, factors[r], normal);
}

void rgi_takes_spread(const rgi_takes *b, int whole, double *out, double *scratch)
{
    const size_t w = lanes_of(b), p = b->n_directions, blocks = rgi_takes_blocks(b);
    for (size_t r = 0; r < b->n; r++) {
        const double *g = b->packs[r / b->lanes].job.gradients;
        const size_t lane = r % b->lanes;
        memset(scratch, 0, p * sizeof *scratch);
        for (size_t block = 0; block < blocks; block++) {
            for (size_t i = 0; i < p; i++) {
                double v = g[(block * p + i) * w + lane];
                scratch[i] = whole ? scratch[i] + v : v;
            }
            if (whole && block + 1 < blocks) continue;
            for (size_t i = 0; i < p; i++)
                for (size_t k = 0; k < p; k++) out[i * p + k] += scratch[i] * scratch[k];
        }
    }
}
