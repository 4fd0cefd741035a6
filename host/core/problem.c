/* core/problem.c: recordings as inputs of a batch (see problem.h). */
#include "core/problem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/motion.h"
#include "core/recording.h"
#include "rod/layout.h"

size_t rgi_field_numbers(const rg_model *model, int field)
{
    return rg_model_field_entries(model, (rg_field)field) * (size_t)rg_field_describe((rg_field)field)->components;
}

void rgi_problem_destroy(rgi_problem **problem)
{
    if (!problem || !*problem) return;
    rgi_problem *p = *problem;
    for (size_t i = 0; p->models && i < p->n; i++) rg_model_destroy(&p->models[i]);
    free(p->models);
    free(p->clamped_edge);
    free(p->ticks);
    free(p->x0);
    free(p->force);
    free(p);
    *problem = NULL;
}

/* the arrays, with room for `counts` as they stand in p */
static int allocate(rgi_problem *p)
{
    const size_t start = p->n * (6 * p->vertices + 3 * p->edges);
    const size_t step = 3 * p->n * (p->clamped_vertices + p->clamped_edges);
    if (p->steps > (SIZE_MAX / sizeof(double) - start) / (step + 1)) return 0;
    p->doubles = start + step * p->steps;
    p->models = calloc(p->n, sizeof *p->models);
    p->ticks = calloc(p->n, sizeof *p->ticks);
    p->clamped_edge = calloc(2 * p->clamped_edges + 1, sizeof *p->clamped_edge);
    p->x0 = calloc(p->doubles + 1, sizeof *p->x0);
    if (!p->models || !p->ticks || !p->clamped_edge || !p->x0) return 0;
    p->clamp_place = p->clamped_edge + p->clamped_edges;
    p->v0 = p->x0 + 3 * p->n * p->vertices;
    p->m0 = p->v0 + 3 * p->n * p->vertices;
    p->clamp_x = p->m0 + 3 * p->n * p->edges;
    p->clamp_m = p->clamp_x + 3 * p->n * p->steps * p->clamped_vertices;
    return 1;
}

/* one recording into row `rod` */
static rg_status fill(rgi_problem *p, const rgi_shape *s, const rg_model *model, const rg_recording *r, size_t rod,
                      rg_error *err)
{
    const size_t n = s->n, fx = 3 * s->n_fixed_x, ft = 3 * s->n_fixed_theta;
    const size_t own = p->ticks[rod] * (size_t)p->rollout.substeps;
    double *clamp_x = p->clamp_x + rod * p->steps * fx, *clamp_m = p->clamp_m + rod * p->steps * ft;
    double *work = calloc(6 * n + 12 * s->n_markers, sizeof *work);
    int *frame_of = malloc((p->ticks[rod] + 1) * sizeof *frame_of);
    unsigned char *slipped = calloc(n, 1);
    rg_status status = RG_OK;
    if (!work || !frame_of || !slipped) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the inputs of %s", r->name);
        goto done;
    }
    double *m = work, *chord = m + 3 * n, *frames = chord + 3 * n;
    status = rg_model_copy(model, &p->models[rod], err);
    if (status != RG_OK) goto done;
    (void)rgi_motion_slip(s, r, rg_model_field_data(p->models[rod], RG_REST_LENGTH), slipped);
    status = rgi_motion_start(s, r, rg_model_field(model, RG_MARKER_OFFSET), p->rollout.gravity, p->x0 + 3 * rod * n,
                              p->v0 + 3 * rod * n, m, chord, frames, frames + 6 * s->n_markers, err);
    if (status != RG_OK) goto done;
    memcpy(p->m0 + 3 * rod * (n - 1), m, 3 * (n - 1) * sizeof *m);
    status = rgi_motion_drive(s, r, p->rollout.substeps, clamp_x, clamp_m, frame_of, err);
    if (status != RG_OK) goto done;
    for (size_t k = own; k < p->steps; k++) {
        memcpy(clamp_x + k * fx, clamp_x + (own - 1) * fx, fx * sizeof *clamp_x);
        memcpy(clamp_m + k * ft, clamp_m + (own - 1) * ft, ft * sizeof *clamp_m);
    }
done:
    free(work);
    free(frame_of);
    free(slipped);
    return status;
}

static rg_status check(const rg_model *model, const rg_recording *recordings, size_t n, rg_error *err)
{
    const int *clamps = NULL;
    const size_t n_clamps = rg_model_clamps(model, &clamps);
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &recordings[i];
        if (r->n_markers != rg_model_markers(model) || r->n_clamps != n_clamps ||
            (n_clamps && memcmp(r->clamps, clamps, n_clamps * sizeof *clamps)))
            return RG_FAIL(err, RG_ERR_SHAPE,
                           "%s has other markers or driving markers than the model; use a model "
                           "fitted to this rod",
                           r->name);
        if (r->n_frames < 3)
            return RG_FAIL(err, RG_ERR_SHAPE,
                           "%s has %zu frames; a simulation starts from two and predicts from the "
                           "third on",
                           r->name, r->n_frames);
        if (!(r->dt_s > 0.0) || r->dt_s != recordings[0].dt_s)
            return RG_FAIL(err, RG_ERR_SHAPE, "%s has a frame interval of %g s and %s one of %g s; check them apart",
                           r->name, r->dt_s, recordings[0].name, recordings[0].dt_s);
    }
    return RG_OK;
}

rg_status rgi_problem_create(const rg_model *model, const rg_recording *recordings, size_t n,
                             const rg_rollout_opts *rollout, rgi_problem **out, rg_error *err)
{
    rgi_shape *shape = NULL;
    rgi_problem *p = NULL;
    rg_recording *complete = NULL;
    *out = NULL;
    if (n == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "there is no recording to simulate");
    rg_status status = rgi_recordings_complete(recordings, n, &complete, err);
    if (status == RG_OK) status = check(model, complete, n, err);
    if (status != RG_OK) goto done;
    recordings = complete;
    p = calloc(1, sizeof *p);
    status = p ? rgi_shape_create(model, &shape, err) : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a problem");
    if (status != RG_OK) goto done;
    p->n = n;
    p->rollout = *rollout;
    p->dt_s = recordings[0].dt_s;
    p->vertices = shape->n;
    p->edges = shape->n - 1;
    p->markers = shape->n_markers;
    p->clamped_vertices = shape->n_fixed_x;
    p->clamped_edges = shape->n_fixed_theta;
    for (size_t i = 0; i < n; i++)
        p->frames = p->frames > rgi_motion_ticks(&recordings[i]) ? p->frames : rgi_motion_ticks(&recordings[i]);
    p->steps = p->frames * (size_t)rollout->substeps;
    if (!allocate(p)) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu recordings of %zu steps", n, p->steps);
        goto done;
    }
    for (size_t d = 0; d < p->clamped_edges; d++) {
        int *edge = p->clamped_edge + d, *place = edge + p->clamped_edges;
        *edge = shape->fixed_theta[d];
        while (shape->fixed_x[*place] != *edge) ++*place;
    }
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        p->ticks[i] = rgi_motion_ticks(&recordings[i]);
        status = fill(p, shape, model, &recordings[i], i, err);
    }
    if (status != RG_OK) goto done;
    *out = p;
    p = NULL;
done:
    free(complete);
    rgi_shape_destroy(&shape);
    rgi_problem_destroy(&p);
    return status;
}

rg_batch_inputs rgi_problem_inputs(const rgi_problem *p)
{
    rg_batch_inputs in = {p->x0, p->v0, p->m0, p->clamp_x, p->clamp_m, p->force};
    return in;
}

rg_status rgi_problem_batch(const rgi_problem *p, const rg_batch_opts *opts, rg_batch **out, rg_error *err)
{
    rg_batch_opts own = *opts;
    own.rollout = p->rollout;
    own.dt_s = p->dt_s;
    own.n_frames = p->frames;
    RG_TRY(rg_batch_create(p->models[0], p->n, &own, out, err));
    rg_status status = RG_OK;
    for (size_t i = 1; i < p->n && status == RG_OK; i++) status = rg_batch_set_model(*out, i, p->models[i], err);
    if (status != RG_OK) rg_batch_destroy(out);
    return status;
}

/* director m of the edge from a to b, carried to the edge from a + da to b + db and turned about
 * it; 0 where that edge has no direction or is reversed */
static int carry(const double *from, const double *to, double turn, double *m)
{
    double s[3], t[3], ls = 0.0, lt = 0.0, chi = 1.0, along = 0.0, size = 0.0;
    for (int c = 0; c < 3; c++) {
        s[c] = from[3 + c] - from[c];
        t[c] = to[3 + c] - to[c];
        ls += s[c] * s[c];
        lt += t[c] * t[c];
    }
    if (!(ls > 1e-18) || !(lt > 1e-18)) return 0;
    for (int c = 0; c < 3; c++) {
        s[c] /= sqrt(ls);
        t[c] /= sqrt(lt);
        chi += s[c] * t[c];
        along += m[c] * t[c];
    }
    if (!(chi > 1e-3)) return 0;
    for (int c = 0; c < 3; c++) m[c] -= along / chi * (s[c] + t[c]);
    const double other[3] = {t[1] * m[2] - t[2] * m[1], t[2] * m[0] - t[0] * m[2], t[0] * m[1] - t[1] * m[0]};
    for (int c = 0; c < 3; c++) {
        m[c] = cos(turn) * m[c] + sin(turn) * other[c];
        size += m[c] * m[c];
    }
    for (int c = 0; c < 3; c++) m[c] /= sqrt(size);
    return 1;
}

static void add(double *to, const double *from, size_t count, double scale)
{
    for (size_t i = 0; from && i < count; i++) to[i] += scale * from[i];
}

static int move_directors(const rgi_problem *p, const rg_batch_tangents *by, double scale, rgi_problem *q)
{
    int good = 1;
    for (size_t k = 0; k < p->n * p->edges; k++) {
        const size_t at = 3 * (k / p->edges * p->vertices + k % p->edges);
        good &= carry(p->x0 + at, q->x0 + at, by->turn0 ? scale * by->turn0[k] : 0.0, q->m0 + 3 * k);
    }
    for (size_t k = 0; k < p->n * p->steps * p->clamped_edges; k++) {
        const size_t place = (size_t)p->clamp_place[k % p->clamped_edges];
        const size_t at = 3 * (k / p->clamped_edges * p->clamped_vertices + place);
        good &= carry(p->clamp_x + at, q->clamp_x + at, by->clamp_turn ? scale * by->clamp_turn[k] : 0.0,
                      q->clamp_m + 3 * k);
    }
    return good;
}

rg_status rgi_problem_move(const rgi_problem *p, const rg_batch_tangents *by, double scale, rgi_problem **out,
                           rg_error *err)
{
    rg_status status = RG_OK;
    *out = NULL;
    rgi_problem *q = malloc(sizeof *q);
    if (!q) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a problem");
    *q = *p;
    q->models = NULL;
    q->ticks = NULL;
    q->x0 = q->force = NULL;
    q->clamped_edge = NULL;
    if (!allocate(q)) goto memory;
    memcpy(q->ticks, p->ticks, p->n * sizeof *q->ticks);
    memcpy(q->clamped_edge, p->clamped_edge, 2 * p->clamped_edges * sizeof *p->clamped_edge);
    memcpy(q->x0, p->x0, p->doubles * sizeof *q->x0);
    const size_t forces = 3 * p->n * p->steps * p->vertices;
    if (p->force || by->force) {
        q->force = calloc(forces + 1, sizeof *q->force);
        if (!q->force) goto memory;
        add(q->force, p->force, forces, 1.0);
        add(q->force, by->force, forces, scale);
    }
    add(q->x0, by->x0, 3 * p->n * p->vertices, scale);
    add(q->v0, by->v0, 3 * p->n * p->vertices, scale);
    add(q->clamp_x, by->clamp_x, 3 * p->n * p->steps * p->clamped_vertices, scale);
    if (!move_directors(p, by, scale, q)) {
        status = RG_FAIL(err, RG_ERR_VALUE, "an edge lost its direction on the way");
        goto fail;
    }
    for (size_t i = 0; i < p->n; i++) {
        status = rg_model_copy(p->models[i], &q->models[i], err);
        if (status != RG_OK) goto fail;
        for (int f = 0; f < RG_FIELD_COUNT; f++) {
            const size_t count = rgi_field_numbers(q->models[i], f);
            add(rg_model_field_data(q->models[i], (rg_field)f), by->fields[f] ? by->fields[f] + i * count : NULL, count,
                scale);
        }
        status = rg_model_check(q->models[i], err);
        if (status != RG_OK) goto fail;
    }
    *out = q;
    return RG_OK;
memory:
    status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods of %zu steps", p->n, p->steps);
fail:
    rgi_problem_destroy(&q);
    return status;
}
