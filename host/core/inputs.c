/* core/inputs.c: see inputs.h. */
#include "core/inputs.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/memory.h"
#include "core/recording.h"
#include "core/rollout_opts.h"

void rgi_inputs_destroy(rgi_inputs **inputs)
{
    if (!inputs || !*inputs) return;
    rgi_inputs *p = *inputs;
    const rg_context *context = p->rollout.context;
    rgi_shape_destroy(&p->shape);
    rgi_model_free(context, &p->model);
    free(p->recordings); /* rgi_recordings_complete */
    rgi_free(context, p->own_frames);
    rgi_free(context, p->frame_of);
    rgi_free(context, p->turns);
    rgi_free(context, p->x0);
    rgi_free(context, p->chords);
    rgi_free(context, p->slipped);
    rgi_free(context, p);
    *inputs = NULL;
}

static rg_status check(const rg_model *model, const rg_recording *r, const rg_recording *first, rg_error *err)
{
    const int *clamps = NULL;
    const size_t n_clamps = rg_model_clamps(model, &clamps);
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
    if (r->dt_s != first->dt_s)
        return RG_FAIL(err, RG_ERR_SHAPE, "%s has a frame interval of %g s and %s one of %g s; simulate them apart",
                       r->name, r->dt_s, first->name, first->dt_s);
    return RG_OK;
}

static int allocate(rgi_inputs *p)
{
    const rg_context *context = p->rollout.context;
    const size_t v = p->shape->n, m = p->shape->n_markers, n = p->n;
    const size_t start = n * (9 * v - 3), step = 3 * n * (p->shape->n_fixed_x + p->shape->n_fixed_theta);
    if (p->steps > (SIZE_MAX / sizeof(double) - start) / (step + 1)) return 0;
    p->doubles = start + step * p->steps;
    p->x0 = rgi_calloc(context, p->doubles + 1, sizeof *p->x0);
    p->frame_of = rgi_calloc(context, n * p->frames, sizeof *p->frame_of);
    p->chords = rgi_calloc(context, n * (3 * v + 12 * m + v * RGI_SUPPORT) + v, sizeof *p->chords);
    p->slipped = rgi_calloc(context, v, 1);
    if (!p->x0 || !p->frame_of || !p->chords || !p->slipped) return 0;
    p->v0 = p->x0 + 3 * n * v;
    p->m0 = p->v0 + 3 * n * v;
    p->clamp_x = p->m0 + 3 * n * (v - 1);
    p->clamp_m = p->clamp_x + 3 * n * p->steps * p->shape->n_fixed_x;
    p->offset_directions = p->chords + 3 * n * v;
    p->weights = p->offset_directions + 12 * n * m;
    p->lengths = p->weights + n * v * RGI_SUPPORT;
    return 1;
}

/* the starts of all rods with offsets [n_markers][2] */
static rg_status set_start(rgi_inputs *p, const double *offsets, rg_error *err)
{
    const rgi_shape *s = p->shape;
    const size_t n = s->n;
    for (size_t k = 0; k < s->n_markers; k++)
        if ((s->fixed[s->marker_vertices[k]] & RGI_FIXED_X) && (offsets[2 * k] != 0.0 || offsets[2 * k + 1] != 0.0))
            return RG_FAIL(err, RG_ERR_VALUE, "marker_offset[%zu] must be 0: a driving marker prescribes its vertex",
                           k);
    double *m = rgi_calloc(p->rollout.context, 3 * n + 12 * s->n_markers, sizeof *m);
    if (!m) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the start of a rod");
    double *frames0 = m + 3 * n, *frames1 = frames0 + 6 * s->n_markers;
    rg_status status = RG_OK;
    for (size_t rod = 0; rod < p->n && status == RG_OK; rod++) {
        status = rgi_motion_start(s, &p->recordings[rod], offsets, p->rollout.gravity, p->x0 + 3 * rod * n,
                                  p->v0 + 3 * rod * n, m, p->chords + 3 * rod * n, frames0, frames1, err);
        memcpy(p->m0 + 3 * rod * (n - 1), m, 3 * (n - 1) * sizeof *m);
        for (size_t k = 0; k < s->n_markers; k++) {
            double *to = p->offset_directions + 12 * (rod * s->n_markers + k);
            memcpy(to, frames0 + 6 * k, 6 * sizeof *to);
            memcpy(to + 6, frames1 + 6 * k, 6 * sizeof *to);
        }
    }
    rgi_free(p->rollout.context, m);
    return status;
}

/* what drives one rod */
static rg_status drive(rgi_inputs *p, size_t rod, rg_error *err)
{
    const size_t fx = 3 * p->shape->n_fixed_x, ft = 3 * p->shape->n_fixed_theta;
    const size_t own = p->own_frames[rod] * (size_t)p->rollout.substeps;
    double *x = p->clamp_x + rod * p->steps * fx, *m = p->clamp_m + rod * p->steps * ft;
    int *frame_of = p->frame_of + rod * p->frames;
    for (size_t k = 0; k < p->frames; k++) frame_of[k] = -1;
    RG_TRY(rgi_motion_drive(p->shape, &p->recordings[rod], p->rollout.substeps, x, m, frame_of, err));
    for (size_t k = own; k < p->steps; k++) {
        memcpy(x + k * fx, x + (own - 1) * fx, fx * sizeof *x);
        memcpy(m + k * ft, m + (own - 1) * ft, ft * sizeof *m);
    }
    return RG_OK;
}

static rg_status fill(rgi_inputs *p, const rg_model *model, const rg_recording *recordings, rg_error *err)
{
    RG_TRY(rgi_recordings_complete(recordings, p->n, &p->recordings, err));
    for (size_t i = 0; i < p->n; i++) RG_TRY(check(model, &p->recordings[i], &p->recordings[0], err));
    p->dt_s = p->recordings[0].dt_s;
    RG_TRY(rgi_shape_create(p->rollout.context, model, &p->shape, err));
    p->own_frames = rgi_calloc(p->rollout.context, p->n, sizeof *p->own_frames);
    p->turns = rgi_calloc(p->rollout.context, p->n, sizeof *p->turns);
    for (size_t i = 0; p->own_frames && i < p->n; i++) {
        p->own_frames[i] = rgi_motion_ticks(&p->recordings[i]);
        if (p->own_frames[i] > p->frames) p->frames = p->own_frames[i];
    }
    p->steps = p->frames * (size_t)p->rollout.substeps;
    if (!p->own_frames || !p->turns || !allocate(p))
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu recordings of %zu steps", p->n, p->steps);
    for (size_t i = 0; i < p->n; i++) {
        RG_TRY(drive(p, i, err));
        p->turns[i].rad = rgi_motion_turn(p->shape, &p->recordings[i], p->rollout.substeps, &p->turns[i].step);
    }
    RG_TRY(rgi_inputs_set_model(p, model, err));
    for (size_t i = 0; i < p->n; i++)
        rgi_motion_weights(p->shape, &p->recordings[i], p->weights + i * p->shape->n * RGI_SUPPORT);
    return RG_OK;
}

rg_status rgi_inputs_create(const rg_model *model, const rg_recording *recordings, size_t n,
                            const rg_rollout_opts *rollout, rgi_inputs **out, rg_error *err)
{
    const rgi_cpu *cpu = NULL;
    *out = NULL;
    if (n == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no recording to simulate");
    RG_TRY(rgi_rollout_check(rollout, &cpu, err));
    RG_TRY(rgi_rollout_check_model(rollout, model, err));
    RG_TRY(rg_model_check(model, err));
    rgi_inputs *p = rgi_calloc(rollout->context, 1, sizeof *p);
    if (!p) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the inputs of %zu recordings", n);
    p->n = n;
    p->rollout = *rollout;
    const rg_status status = fill(p, model, recordings, err);
    if (status == RG_OK) *out = p;
    else rgi_inputs_destroy(&p);
    return status;
}

rg_batch_inputs rgi_inputs_arrays(const rgi_inputs *p)
{
    const rg_batch_inputs in = {.x0 = p->x0, .v0 = p->v0, .m0 = p->m0, .clamp_x = p->clamp_x, .clamp_m = p->clamp_m};
    return in;
}

/* ---- the start's derivative by offsets ---- */

/* An offset o moves its marker's vertex, and by their weights those that start from it, by -o f1 in frame 1 and -o f0
 * in frame 0, so the velocity by -o (f1 - f0)/dt. */
typedef struct offset_move {
    size_t from, end; /* vertices */
    const double *f0, *f1, *weights;
    double dt;
} offset_move;

static offset_move move_of(const rgi_inputs *p, size_t rod, size_t entry, int component)
{
    const rg_recording *r = &p->recordings[rod];
    offset_move o;
    o.f0 = p->offset_directions + 12 * (rod * p->shape->n_markers + entry) + 3 * (size_t)component;
    o.f1 = o.f0 + 6;
    o.weights = p->weights + rod * p->shape->n * RGI_SUPPORT;
    o.dt = r->dt_s * rgi_motion_gap(r, 1);
    rgi_motion_reach(p->shape, entry, &o.from, &o.end);
    return o;
}

void rgi_inputs_start_jvp(const rgi_inputs *p, size_t rod, size_t entry, int component, double scale, size_t apart,
                          double *dx, double *dv)
{
    const offset_move o = move_of(p, rod, entry, component);
    for (size_t i = o.from; i < o.end; i++) {
        const double weight = scale * rgi_motion_weight(p->shape, o.weights, i, entry);
        for (size_t c = 0; c < 3; c++) {
            dx[(3 * i + c) * apart] -= weight * o.f1[c];
            dv[(3 * i + c) * apart] -= weight * (o.f1[c] - o.f0[c]) / o.dt;
        }
    }
}

void rgi_inputs_start_adj(const rgi_inputs *p, size_t rod, size_t entry, int component, double scale, size_t apart,
                          const double *x_bar, const double *v_bar, double *sum)
{
    const offset_move o = move_of(p, rod, entry, component);
    for (size_t i = o.from; i < o.end; i++) {
        const double weight = scale * rgi_motion_weight(p->shape, o.weights, i, entry);
        for (size_t c = 0; c < 3; c++)
            *sum -= weight *
                    (o.f1[c] * x_bar[(3 * i + c) * apart] + (o.f1[c] - o.f0[c]) / o.dt * v_bar[(3 * i + c) * apart]);
    }
}

/* ---- models, statuses, batches ---- */

rg_status rgi_inputs_set_model(rgi_inputs *p, const rg_model *model, rg_error *err)
{
    rg_model *copy = NULL;
    RG_TRY(rgi_model_copy(p->rollout.context, model, &copy, err));
    rgi_model_free(p->rollout.context, &p->model);
    p->model = copy;
    memcpy(p->lengths, rg_model_field(model, RG_REST_LENGTH), (p->shape->n - 1) * sizeof *p->lengths);
    return set_start(p, rg_model_field(model, RG_MARKER_OFFSET), err);
}

const rg_model *rgi_inputs_model(rgi_inputs *p, size_t rod)
{
    double *length = rg_model_field_data(p->model, RG_REST_LENGTH);
    memcpy(length, p->lengths, (p->shape->n - 1) * sizeof *length);
    (void)rgi_motion_slip(p->shape, &p->recordings[rod], length, p->slipped);
    return p->model;
}

void rgi_inputs_add_status(const rgi_inputs *p, size_t rod, rg_rod_status *status)
{
    if (!(p->turns[rod].rad > status->worst_turn_rad)) return;
    status->worst_turn_rad = p->turns[rod].rad;
    status->worst_turn_step = p->turns[rod].step;
}

void rgi_inputs_give_rows(const rgi_inputs *p, size_t rod, const double *rows, size_t row, size_t frames, size_t first,
                          double *out)
{
    const int *frame_of = p->frame_of + rod * p->frames;
    for (size_t k = 0; k < frames && k < p->own_frames[rod]; k++)
        if (frame_of[k] >= 0) memcpy(out + ((size_t)frame_of[k] - first) * row, rows + k * row, row * sizeof *out);
}

rg_status rgi_inputs_batch(rgi_inputs *p, const rg_batch_opts *opts, rg_batch **out, rg_error *err)
{
    const rg_model *model = p->model;
    const rgi_models list = {&model, p->n, 0};
    rg_batch_opts own = *opts;
    own.rollout = p->rollout;
    own.dt_s = p->dt_s;
    own.n_frames = p->frames;
    RG_TRY(rgi_batch_create(&list, &own, p->own_frames, out, err));
    rg_status status = RG_OK;
    for (size_t i = 0; i < p->n && status == RG_OK; i++)
        status = rg_batch_set_model(*out, i, rgi_inputs_model(p, i), err);
    if (status != RG_OK) rg_batch_destroy(out);
    return status;
}
