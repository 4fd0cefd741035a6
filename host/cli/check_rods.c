/* cli/check_rods.c: see check_rods.h. */
#include "cli/check_rods.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/inputs.h"

void rgc_rods_destroy(rgc_rods **rods)
{
    if (!rods || !*rods) return;
    rgc_rods *p = *rods;
    for (size_t i = 0; p->models && i < p->n; i++) rg_model_destroy(&p->models[i]);
    free(p->models);
    free(p->clamped_edge);
    free(p->ticks);
    free(p->x0);
    free(p->force);
    free(p);
    *rods = NULL;
}

/* the arrays, with room for `counts` as they stand in p */
static int allocate(rgc_rods *p)
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

rg_status rgc_rods_create(const rg_model *model, const rg_recording *recordings, size_t n,
                          const rg_rollout_opts *rollout, rgc_rods **out, rg_error *err)
{
    rgi_inputs *in = NULL;
    *out = NULL;
    RG_TRY(rgi_inputs_create(model, recordings, n, rollout, &in, err));
    rg_status status = RG_OK;
    rgc_rods *p = calloc(1, sizeof *p);
    if (p) {
        p->n = n;
        p->rollout = *rollout;
        p->dt_s = in->dt_s;
        p->frames = in->frames;
        p->steps = in->steps;
        p->vertices = in->shape->n;
        p->edges = in->shape->n - 1;
        p->markers = in->shape->n_markers;
        p->clamped_vertices = in->shape->n_fixed_x;
        p->clamped_edges = in->shape->n_fixed_theta;
    }
    if (!p || !allocate(p)) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu recordings of %zu steps", n, in->steps);
        goto done;
    }
    memcpy(p->x0, in->x0, p->doubles * sizeof *p->x0);
    memcpy(p->ticks, in->own_frames, n * sizeof *p->ticks);
    for (size_t d = 0; d < p->clamped_edges; d++) {
        p->clamped_edge[d] = in->shape->fixed_theta[d];
        while (in->shape->fixed_x[p->clamp_place[d]] != p->clamped_edge[d]) p->clamp_place[d]++;
    }
    for (size_t i = 0; i < n && status == RG_OK; i++)
        status = rg_model_copy(rgi_inputs_model(in, i), &p->models[i], err);
    if (status != RG_OK) goto done;
    *out = p;
    p = NULL;
done:
    rgi_inputs_destroy(&in);
    rgc_rods_destroy(&p);
    return status;
}

rg_batch_inputs rgc_rods_inputs(const rgc_rods *p)
{
    rg_batch_inputs in = {
        .x0 = p->x0, .v0 = p->v0, .m0 = p->m0, .clamp_x = p->clamp_x, .clamp_m = p->clamp_m, .force = p->force};
    return in;
}

rg_status rgc_rods_batch(const rgc_rods *p, const rg_batch_opts *opts, rg_batch **out, rg_error *err)
{
    rg_batch_opts own = *opts;
    own.rollout = p->rollout;
    own.dt_s = p->dt_s;
    own.n_frames = p->frames;
    return rg_batch_create_ragged((const rg_model *const *)p->models, p->n, &own, out, err);
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

static int move_directors(const rgc_rods *p, const rg_batch_tangents *by, double scale, rgc_rods *q)
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

rg_status rgc_rods_move(const rgc_rods *p, const rg_batch_tangents *by, double scale, rgc_rods **out, rg_error *err)
{
    rg_status status = RG_OK;
    *out = NULL;
    rgc_rods *q = malloc(sizeof *q);
    if (!q) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a rods");
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
        for (size_t k = 0; k < by->n_fields; k++) {
            const rg_field_values *f = &by->fields[k];
            const size_t count = rgi_field_numbers(q->models[i], f->field);
            add(rg_model_field_data(q->models[i], f->field), f->values ? f->values + i * count : NULL, count, scale);
        }
        status = rg_model_check(q->models[i], err);
        if (status != RG_OK) goto fail;
    }
    *out = q;
    return RG_OK;
memory:
    status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods of %zu steps", p->n, p->steps);
fail:
    rgc_rods_destroy(&q);
    return status;
}
