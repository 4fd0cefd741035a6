/* fit/residuals.c: see residuals.h. Arrays of a pack are [..][W], lane innermost. */
#include "fit/residuals.h"

#include <math.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/context.h"
#include "core/memory.h"
#include "core/rollout_opts.h"
#include "cuda/normal.h"

struct rgi_residuals {
    rgi_residuals_opts opts;
    rgi_inputs *inputs;
    rgi_placement at;
    rgi_packs packs;
    size_t n, n_directions;
    double *markers; /* [n][frames][n_markers][3], with opts.markers */
    rgi_normal *normal;
};

/* a recording's lane: where it begins in the arrays of its pack */
typedef struct lane {
    const rgi_pack *pack;
    size_t w, at;
} lane;

static lane lane_of(const rgi_residuals *b, size_t rod)
{
    const rgi_placement *at = &b->at;
    const lane l = {&b->packs.packs[at->pack_of[rod]], at->lanes, rgi_lane_of(at, rod)};
    return l;
}

size_t rgi_residuals_blocks(const rgi_residuals *b)
{
    return (b->inputs->frames + (size_t)b->opts.block - 1) / (size_t)b->opts.block;
}

const rgi_shape *rgi_residuals_shape(const rgi_residuals *b) { return b->inputs->shape; }

const rgi_packs *rgi_residuals_packs(const rgi_residuals *b) { return &b->packs; }

rgi_normal *rgi_residuals_device_normal(const rgi_residuals *b) { return b->normal; }

void rgi_residuals_destroy(rgi_residuals **residuals)
{
    if (!residuals || !*residuals) return;
    rgi_residuals *b = *residuals;
    const rg_context *context = b->opts.rollout.context;
    rgi_packs_clear(&b->packs);
    rgi_placement_clear(&b->at);
    if (b->normal) rgi_normal_destroy(&b->normal);
    rgi_inputs_destroy(&b->inputs);
    rgi_free(context, b->markers);
    rgi_free(context, b);
    *residuals = NULL;
}

/* ---- create ---- */

/* recorded markers and masks of one recording; lanes that are left over count nothing */
static void set_recorded(rgi_residuals *b, size_t rod)
{
    const rgi_shape *s = b->inputs->shape;
    const rg_recording *r = &b->inputs->recordings[rod];
    const int *frame_of = b->inputs->frame_of + rod * b->inputs->frames;
    const lane l = lane_of(b, rod);
    for (size_t f = 0; f < b->inputs->own_frames[rod]; f++)
        for (size_t k = 0; frame_of[f] >= 0 && k < s->n_free; k++) {
            const size_t at = (size_t)frame_of[f] * s->n_markers + (size_t)s->free_markers[k];
            const double *x = r->positions + 3 * at;
            if (!r->valid[at] || !isfinite(x[0]) || !isfinite(x[1]) || !isfinite(x[2])) continue;
            l.pack->weight[(f * s->n_free + k) * l.w + l.at] = 1.0;
            for (size_t c = 0; c < 3; c++) l.pack->recorded[((f * s->n_free + k) * 3 + c) * l.w + l.at] = x[c];
        }
}

/* room for normal equations of runs with directions on a device, where a run leaves the rows of a block */
static rg_status create_normal(rgi_residuals *b, rgi_packs_opts *o, rg_error *err)
{
    rgi_device *device = rgi_context_device(b->opts.rollout.context);
    const size_t rows = 3 * b->inputs->shape->n_free * (size_t)b->opts.block;
    if (!device || !b->opts.fit || !b->opts.max_directions || b->opts.adjoint) return RG_OK;
    RG_TRY(rgi_normal_create(device, b->opts.max_directions, b->n, rows, o->blocks, &b->normal, err));
    o->rows = rgi_normal_rows(b->normal);
    o->rows_of_rod = rows;
    o->rows_apart = rgi_normal_rows_apart(b->normal);
    return RG_OK;
}

static rg_status create(rgi_residuals *b, const rg_model *model, const rg_recording *recordings, rg_error *err)
{
    const rgi_residuals_opts *opts = &b->opts;
    const rgi_models list = {&model, b->n, 0};
    const rgi_cpu *cpu = NULL;
    RG_TRY(rgi_inputs_create(model, recordings, b->n, &opts->rollout, &b->inputs, err));
    RG_TRY(rgi_rollout_check(&opts->rollout, &cpu, err));
    const size_t row = 3 * b->inputs->shape->n_markers;
    rgi_packs_opts o = {.rollout = opts->rollout,
                        .dt_s = b->inputs->dt_s,
                        .n_frames = b->inputs->frames,
                        .frames = b->inputs->own_frames,
                        .want = RGI_WANT_CHORD | (opts->max_directions ? RGI_WANT_TANGENTS : 0) |
                                (opts->fit ? RGI_WANT_FIT | RGI_WANT_NORMAL : 0) |
                                (opts->markers_jvp ? RGI_WANT_MARKERS_JVP : 0) | (opts->adjoint ? RGI_WANT_ADJOINT : 0),
                        .directions = opts->max_directions,
                        .blocks = rgi_residuals_blocks(b),
                        .block = opts->block,
                        .floor_m = opts->floor_m,
                        .budget_bytes = opts->budget_bytes,
                        .trace_bytes = opts->trace_bytes};
    RG_TRY(create_normal(b, &o, err));
    RG_TRY(rgi_placement_shapes(&list, &opts->rollout, &cpu, &b->at, err));
    RG_TRY(rgi_packs_create_placed(&b->at, &list, &o, cpu, &b->packs, err));
    if (opts->markers) {
        b->markers = rgi_calloc(opts->rollout.context, b->n, b->inputs->frames * row * sizeof *b->markers);
        if (!b->markers) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the markers of %zu recordings", b->n);
    }
    if (opts->fit) {
        rgi_residuals_share(b, NULL, 1.0);
        for (size_t r = 0; r < b->n; r++) set_recorded(b, r);
        RG_TRY(rgi_packs_send_section(&b->packs, RGI_SECTION_CONSTANT, err));
    }
    /* the starts are the packs' own, what drives them stays as it is */
    const rg_batch_inputs drives = {.clamp_x = b->inputs->clamp_x, .clamp_m = b->inputs->clamp_m};
    const rg_batch_outputs outputs = {.markers = b->markers};
    const rgi_batch_arrays of = {.inputs = &drives, .outputs = &outputs};
    rgi_packs_describe_run(&b->packs, &of);
    return b->packs.runner->place(&b->packs, &of, err);
}

rg_status rgi_residuals_create(const rg_model *model, const rg_recording *recordings, size_t n,
                               const rgi_residuals_opts *opts, rgi_residuals **out, rg_error *err)
{
    *out = NULL;
    rgi_residuals *b = rgi_calloc(opts->rollout.context, 1, sizeof *b);
    if (!b) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu recordings", n);
    b->opts = *opts;
    b->n = n;
    const rg_status status = create(b, model, recordings, err);
    if (status == RG_OK) *out = b;
    else rgi_residuals_destroy(&b);
    return status;
}

/* ---- parameters and directions ---- */

static void spread(double *to, const double *from, size_t count, size_t w, size_t at)
{
    for (size_t i = 0; i < count; i++) to[i * w + at] = from[i];
}

/* start of one lane and, for directions that move marker offsets, its derivative */
static void set_start(rgi_residuals *b, const rgi_pack *j, size_t at, size_t rod, const rgi_direction *directions,
                      size_t n_directions)
{
    const rgi_inputs *in = b->inputs;
    const size_t w = b->at.lanes, n = in->shape->n;
    spread(j->x0, in->x0 + 3 * rod * n, 3 * n, w, at);
    spread(j->v0, in->v0 + 3 * rod * n, 3 * n, w, at);
    spread(j->m0, in->m0 + 3 * rod * (n - 1), 3 * (n - 1), w, at);
    spread(j->chord, in->chords + 3 * rod * n, 3 * n, w, at);
    for (size_t q = 0; q < n_directions; q++) {
        double *dx = j->dx0 + q * 3 * n * w + at, *dv = j->dv0 + q * 3 * n * w + at;
        for (size_t i = 0; i < 3 * n; i++) dx[i * w] = dv[i * w] = 0.0;
        for (size_t e = 0; e < directions[q].n_places; e++) {
            const rgi_place *place = &directions[q].places[e];
            if (place->field == RG_MARKER_OFFSET)
                rgi_inputs_start_jvp(in, rod, place->entry, place->component, place->scale, w, dx, dv);
        }
    }
}

/* coefficient changes of the directions at the rod's model, for one lane; values at [k * W] */
static void set_directions(rgi_residuals *b, const rg_model *model, const rgi_direction *directions,
                           size_t n_directions, double *values)
{
    rgi_packs *p = &b->packs;
    const rgi_rod_fields fields = rgi_model_fields(model);
    size_t count = 0;
    for (size_t q = 0; q < n_directions; q++) {
        p->entry_begin[q] = (int)count;
        for (size_t e = 0; e < directions[q].n_places; e++) {
            const rgi_place *at = &directions[q].places[e];
            double own[RGI_MAX_ENTRIES];
            const int got = rgi_coefficients_column(&fields, (int)at->field, (int)at->entry, at->component,
                                                    p->entries + count, own);
            /* a slipped interval's length is the recording's, no parameter moves it */
            const int gone = at->field == RG_REST_LENGTH && b->inputs->slipped[at->entry];
            for (int k = 0; k < got; k++, count++) values[count * p->at->lanes] = gone ? 0.0 : at->scale * own[k];
        }
    }
    p->entry_begin[n_directions] = (int)count;
}

void rgi_residuals_share(rgi_residuals *b, const double *factors, double outer)
{
    for (size_t r = 0; r < b->n; r++) {
        const lane l = lane_of(b, r);
        l.pack->share[l.at] = factors ? factors[r] : 1.0;
        l.pack->share[l.w + l.at] = l.pack->share[l.at] * outer;
    }
}

rg_status rgi_residuals_set(rgi_residuals *b, const rg_model *model, const rgi_direction *directions,
                            size_t n_directions, rg_error *err)
{
    rgi_packs *p = &b->packs;
    const size_t w = p->at->lanes;
    size_t places = 0;
    if (!rgi_shape_fits(b->inputs->shape, model))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "the model has another mesh, other clamps or another measure of bending than the recordings "
                       "were laid out for");
    if (n_directions > b->opts.max_directions)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu directions, but there is room for %zu", n_directions,
                       b->opts.max_directions);
    RG_TRY(rg_model_check(model, err));
    RG_TRY(rgi_inputs_set_model(b->inputs, model, err));
    for (size_t q = 0; q < n_directions; q++) places += directions[q].n_places;
    RG_TRY(rgi_packs_reserve(p, places * RGI_MAX_ENTRIES, err));
    b->n_directions = n_directions;
    for (size_t slot = 0; slot < p->at->n_packs * w; slot++) {
        const rgi_place_of_pack *place = &p->at->places[slot / w];
        const size_t at = slot % w, rod = place->first + (at < place->rods ? at : 0);
        const rg_model *own = rgi_inputs_model(b->inputs, rod);
        if (at < place->rods) rgi_packs_set_rod(p, rod, own);
        set_start(b, &p->packs[slot / w], at, rod, directions, n_directions);
        if (n_directions)
            set_directions(b, own, directions, n_directions, p->entry_values + slot / w * p->entries_capacity * w + at);
    }
    if (n_directions) RG_TRY(rgi_packs_directions(p, (int)n_directions, err));
    RG_TRY(rgi_packs_send_section(&b->packs, RGI_SECTION_SET, err));
    RG_TRY(rgi_packs_send_section(&b->packs, RGI_SECTION_START, err));
    p->call.n_directions = (int)n_directions;
    return p->runner->point(p, err);
}

/* ---- runs ---- */

/* with normal equations on a device a block of frames at a time, else all steps at once */
static rg_status run(rgi_residuals *b, rg_error *err)
{
    rgi_packs *p = &b->packs;
    const int steps = (int)p->steps, piece = b->opts.block * b->opts.rollout.substeps;
    if (!b->normal || b->n_directions == 0) return p->runner->run(p, 0, steps, err);
    RG_TRY(rgi_normal_begin(b->normal, b->n_directions, err));
    for (int begin = 0; begin < steps; begin += piece) {
        RG_TRY(rgi_normal_clear_rows(b->normal, err));
        RG_TRY(p->runner->run(p, begin, begin + piece, err));
        RG_TRY(rgi_normal_add(b->normal, (size_t)(begin / piece), err));
    }
    return RG_OK;
}

rg_status rgi_residuals_run(rgi_residuals *b, rg_error *err)
{
    rgi_packs *p = &b->packs;
    const size_t q = b->n_directions, w = p->at->lanes;
    for (size_t i = 0; i < p->at->n_packs; i++) {
        const rgi_pack *j = &p->packs[i];
        if (j->normal) memset(j->normal, 0, q * (q + 1) / 2 * w * sizeof(double));
        if (j->gradients) memset(j->gradients, 0, rgi_residuals_blocks(b) * q * w * sizeof(double));
    }
    RG_TRY(run(b, err));
    const rg_batch_outputs outputs = {.markers = b->markers};
    const rgi_batch_arrays of = {.outputs = &outputs};
    RG_TRY(p->runner->collect(p, &of, err));
    return p->runner->fetch(p, RGI_SECTION_RUN, RGI_SECTION_RUN, err);
}

rg_status rgi_residuals_retrace(rgi_residuals *b, rg_error *err)
{
    rgi_packs *p = &b->packs;
    for (size_t i = 0; i < p->at->n_packs; i++) p->packs[i].retrace = p->traced;
    const rg_status status = rgi_residuals_run(b, err);
    for (size_t i = 0; i < p->at->n_packs; i++) p->packs[i].retrace = 0;
    return status;
}

/* what cotangents of coefficients, offsets and the start say about the directions, summed over recordings in order */
static void pull_back(rgi_residuals *b, const rgi_direction *directions, size_t n_directions, double *gradient)
{
    for (size_t r = 0; r < b->n; r++) {
        const lane l = lane_of(b, r);
        const rgi_rod_fields own = rgi_model_fields(rgi_inputs_model(b->inputs, r));
        const rgi_coefficient_bars bar = {l.pack->coef_bar + l.at, l.pack->offset_bar + l.at, l.w, 0};
        for (size_t q = 0; q < n_directions; q++)
            for (size_t e = 0; e < directions[q].n_places; e++) {
                const rgi_place *at = &directions[q].places[e];
                if (at->field == RG_REST_LENGTH && b->inputs->slipped[at->entry]) continue;
                rgi_coefficients_adj(&own, (int)at->field, (int)at->entry, at->component, at->scale, &bar,
                                     &gradient[q]);
                /* an offset moves the start as well */
                if (at->field == RG_MARKER_OFFSET)
                    rgi_inputs_start_adj(b->inputs, r, at->entry, at->component, at->scale, l.w, l.pack->x0_bar + l.at,
                                         l.pack->v0_bar + l.at, &gradient[q]);
            }
    }
}

rg_status rgi_residuals_gradient(rgi_residuals *b, const rgi_direction *directions, size_t n_directions, int product,
                                 double *gradient, rg_error *err)
{
    rgi_packs *p = &b->packs;
    p->call.bar = product ? RGI_BAR_NORMAL : RGI_BAR_LOSS;
    p->call.want_coef = p->call.want_start = 1;
    RG_TRY(p->runner->point(p, err));
    RG_TRY(p->runner->reverse(p, err));
    RG_TRY(p->runner->fetch(p, RGI_SECTION_REVERSE, RGI_SECTION_REVERSE_START, err));
    pull_back(b, directions, n_directions, gradient);
    return RG_OK;
}

/* ---- results ---- */

rg_batch_plan rgi_residuals_describe(const rgi_residuals *b)
{
    return rgi_packs_plan(&b->packs, (b->inputs->doubles +
                                      (b->markers ? b->n * b->inputs->frames * 3 * b->inputs->shape->n_markers : 0)) *
                                         sizeof(double));
}

void rgi_residuals_status(const rgi_residuals *b, size_t recording, rg_rod_status *out)
{
    rgi_packs_status(&b->packs, recording, out);
    rgi_inputs_add_status(b->inputs, recording, out);
}

void rgi_residuals_markers(const rgi_residuals *b, size_t recording, double *out)
{
    const rgi_inputs *in = b->inputs;
    const size_t row = 3 * in->shape->n_markers;
    rgi_inputs_give_rows(in, recording, b->markers + recording * in->frames * row, row, in->frames, 2, out);
}

void rgi_residuals_markers_jvp(const rgi_residuals *b, size_t recording, size_t q, double *out)
{
    const rgi_inputs *in = b->inputs;
    const size_t row = 3 * in->shape->n_markers;
    const int *frame_of = in->frame_of + recording * in->frames;
    const lane l = lane_of(b, recording);
    for (size_t k = 0; k < in->own_frames[recording]; k++)
        for (size_t i = 0; frame_of[k] >= 0 && i < row; i++)
            out[(size_t)(frame_of[k] - 2) * row + i] =
                l.pack->markers_jvp[((k * b->n_directions + q) * row + i) * l.w + l.at];
}

void rgi_residuals_loss(const rgi_residuals *b, size_t recording, double *loss, double *absolute)
{
    const lane l = lane_of(b, recording);
    *loss = l.pack->loss[l.at];
    *absolute = l.pack->loss[l.w + l.at];
}

void rgi_residuals_curvature(const rgi_residuals *b, size_t recording, double *curvature, double *weight)
{
    const lane l = lane_of(b, recording);
    *curvature = l.pack->loss[2 * l.w + l.at];
    *weight = l.pack->loss[3 * l.w + l.at];
}

/* add recording r's J^T W J times factor, which its own becomes, to normal [p][p] */
static void add_normal(const rgi_residuals *b, size_t r, size_t p, double factor, double *normal)
{
    const lane l = lane_of(b, r);
    double *own = l.pack->normal + l.at;
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k <= i; k++) {
            const double v = own[(i * (i + 1) / 2 + k) * l.w] *= factor;
            normal[i * p + k] += v;
            if (k != i) normal[k * p + i] += v;
        }
}

void rgi_residuals_normal(const rgi_residuals *b, double *normal, double *gradient)
{
    const size_t p = b->n_directions, blocks = rgi_residuals_blocks(b);
    for (size_t r = 0; r < b->n; r++) {
        const lane l = lane_of(b, r);
        add_normal(b, r, p, 1.0, normal);
        for (size_t i = 0; i < p; i++)
            for (size_t block = 0; block < blocks; block++)
                gradient[i] += l.pack->gradients[(block * p + i) * l.w + l.at];
    }
}

void rgi_residuals_reweigh(rgi_residuals *b, size_t p, const double *factors, double *normal)
{
    memset(normal, 0, p * p * sizeof *normal);
    for (size_t r = 0; r < b->n; r++) add_normal(b, r, p, factors[r], normal);
}

void rgi_residuals_spread(const rgi_residuals *b, int whole, double *out, double *scratch)
{
    const size_t p = b->n_directions, blocks = rgi_residuals_blocks(b);
    for (size_t r = 0; r < b->n; r++) {
        const lane l = lane_of(b, r);
        memset(scratch, 0, p * sizeof *scratch);
        for (size_t block = 0; block < blocks; block++) {
            for (size_t i = 0; i < p; i++) {
                const double v = l.pack->gradients[(block * p + i) * l.w + l.at];
                scratch[i] = whole ? scratch[i] + v : v;
            }
            if (whole && block + 1 < blocks) continue;
            for (size_t i = 0; i < p; i++)
                for (size_t k = 0; k < p; k++) out[i * p + k] += scratch[i] * scratch[k];
        }
    }
}
