/* grad_run.c: running the batches of grad_scene.h, and comparing what comes out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grad_scene.h"
#include "probe_random.h"

enum { PARTS = 10, FORCES = 5 }; /* FORCES: the first of those that the deform stepper does not have */

static size_t of_frame(const grad_scene *s, int part)
{
    const size_t edges = s->vertices - 1;
    const size_t sizes[PARTS] = {3 * s->vertices, 3 * s->vertices, 3 * edges, edges,           3 * s->markers,
                                 edges,           3 * s->clamped,  s->held,   3 * s->vertices, 5};
    return part >= FORCES && s->opts.rollout.stepper == RG_STEPPER_DEFORM ? 0 : sizes[part];
}

static double *part_of(const grad_outputs *out, int part)
{
    double *const parts[PARTS] = {out->x,       out->v,       out->m,        out->turn,
                                  out->markers, out->tension, out->reaction, out->reaction_moment,
                                  out->moment,  out->energy};
    return parts[part];
}

grad_outputs grad_outputs_zero(grad_scene *s)
{
    double *p[PARTS];
    for (int part = 0; part < PARTS; part++) {
        const size_t all = s->rods * s->opts.n_frames * of_frame(s, part);
        p[part] = all > 0 || part < FORCES ? grad_alloc(s, all) : NULL;
    }
    grad_outputs out = {p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9]};
    return out;
}

grad_outputs grad_outputs_random(grad_scene *s, uint64_t seed)
{
    static const double sizes[PARTS] = {1.0, 0.05, 0.0, 0.05, 1.0, 1e-3, 1e-3, 0.05, 0.02, 0.1};
    grad_outputs out = grad_outputs_zero(s);
    for (int part = 0; part < PARTS; part++)
        for (size_t i = 0; part_of(&out, part) && i < s->rods * s->opts.n_frames * of_frame(s, part); i++)
            part_of(&out, part)[i] = sizes[part] * random_signed(&seed);
    return out;
}

rg_batch_inputs grad_inputs(const grad_scene *s)
{
    rg_batch_inputs in = {
        .x0 = s->x0, .v0 = s->v0, .m0 = s->m0, .clamp_x = s->clamp_x, .clamp_m = s->clamp_m, .force = s->force};
    return in;
}

static void all_well(const grad_scene *s, const rg_rod_status *statuses)
{
    for (size_t i = 0; i < s->rods; i++)
        if (statuses[i].flag != RG_ROD_OK)
            fail_msg("rod %zu: %s in step %d, vertex %d", i, rg_rod_flag_text(statuses[i].flag), statuses[i].step,
                     statuses[i].vertex);
}

void grad_forward(grad_scene *s, const grad_outputs *out)
{
    const rg_batch_inputs in = grad_inputs(s);
    rg_batch_outputs to = {0};
    rg_rod_status *statuses = calloc(s->rods, sizeof *statuses);
    rg_error err = {0};
    assert_non_null(statuses);
    if (!s->batch) grad_scene_open(s);
    if (out) {
        rg_batch_outputs there = grad_batch_outputs(out);
        to = there;
    }
    if (rg_batch_forward(s->batch, &in, &to, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    all_well(s, statuses);
    free(statuses);
}

void grad_same_status(const double *numbers, const rg_rod_status *s)
{
    const double expected[RG_STATUS_NUMBERS] = {s->flag,
                                                s->step,
                                                s->vertex,
                                                s->iterations,
                                                s->worst_iterations,
                                                s->worst_increment_m,
                                                s->unfinished_steps,
                                                s->worst_residual_n};
    for (int k = 0; k < RG_STATUS_NUMBERS; k++)
        if (numbers[k] != expected[k]) fail_msg("status number %d: %g, not %g", k, numbers[k], expected[k]);
}

/* lists of fields, each good until as many others have been made on the same thread */
enum { LISTS = 64 };
static _Thread_local rg_field_values values[LISTS][RG_FIELD_COUNT];
static _Thread_local rg_field_gradient gradients[LISTS][RG_FIELD_COUNT];
static _Thread_local unsigned lists;
#define next_list(of) (of)[lists++ % LISTS]

rg_field_values *grad_list_fields(rg_batch_inputs *in, const double *const *of)
{
    rg_field_values *list = next_list(values);
    for (int f = 0; f < RG_FIELD_COUNT; f++) list[f] = (rg_field_values){(rg_field)f, of[f]};
    in->fields = list;
    in->n_fields = RG_FIELD_COUNT;
    return list;
}

rg_field_values *grad_give_fields(grad_scene *s, const grad_scene *from, rg_batch_inputs *in)
{
    const double *of[RG_FIELD_COUNT];
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const size_t count = s->count[GRAD_FIELD + f];
        double *to = grad_alloc(s, s->rods * count);
        for (size_t rod = 0; rod < s->rods; rod++)
            memcpy(to + rod * count, rg_model_field(from->models[rod], (rg_field)f), count * sizeof *to);
        of[f] = to;
    }
    return grad_list_fields(in, of);
}

rg_batch_tangents grad_tangents(const grad_vector *d, int kind)
{
    const double *p[GRAD_KINDS];
    for (int k = 0; k < GRAD_KINDS; k++) p[k] = kind == GRAD_ALL || kind == k ? d->of[k] : NULL;
    rg_batch_tangents t = {.x0 = p[0], .v0 = p[1], .turn0 = p[2], .clamp_x = p[3], .clamp_turn = p[4], .force = p[5]};
    rg_field_values *list = next_list(values);
    for (int f = 0; f < RG_FIELD_COUNT; f++) list[f] = (rg_field_values){(rg_field)f, p[GRAD_FIELD + f]};
    t.fields = list;
    t.n_fields = RG_FIELD_COUNT;
    return t;
}

rg_batch_gradients grad_gradients(const grad_vector *g, int kind)
{
    double *p[GRAD_KINDS];
    for (int k = 0; k < GRAD_KINDS; k++) p[k] = kind == GRAD_ALL || kind == k ? g->of[k] : NULL;
    rg_batch_gradients t = {.x0 = p[0], .v0 = p[1], .turn0 = p[2], .clamp_x = p[3], .clamp_turn = p[4], .force = p[5]};
    rg_field_gradient *list = next_list(gradients);
    for (int f = 0; f < RG_FIELD_COUNT; f++) list[f] = (rg_field_gradient){(rg_field)f, p[GRAD_FIELD + f]};
    t.fields = list;
    t.n_fields = RG_FIELD_COUNT;
    return t;
}

rg_batch_outputs grad_batch_outputs(const grad_outputs *out)
{
    rg_batch_outputs to = {.x = out->x,
                           .v = out->v,
                           .m = out->m,
                           .markers = out->markers,
                           .tension = out->tension,
                           .reaction = out->reaction,
                           .reaction_moment = out->reaction_moment,
                           .moment = out->moment,
                           .energy = out->energy};
    return to;
}

rg_batch_tangent_outputs grad_batch_tangent_outputs(const grad_outputs *d_out)
{
    rg_batch_tangent_outputs to = {.x = d_out->x,
                                   .v = d_out->v,
                                   .turn = d_out->turn,
                                   .markers = d_out->markers,
                                   .tension = d_out->tension,
                                   .reaction = d_out->reaction,
                                   .reaction_moment = d_out->reaction_moment,
                                   .moment = d_out->moment,
                                   .energy = d_out->energy};
    return to;
}

rg_batch_cotangents grad_cotangents(const grad_outputs *bar)
{
    rg_batch_cotangents c = {.x = bar->x,
                             .v = bar->v,
                             .turn = bar->turn,
                             .markers = bar->markers,
                             .tension = bar->tension,
                             .reaction = bar->reaction,
                             .reaction_moment = bar->reaction_moment,
                             .moment = bar->moment,
                             .energy = bar->energy};
    return c;
}

void grad_jvp(grad_scene *s, const grad_vector *d, int kind, const grad_outputs *d_out)
{
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_tangents t = grad_tangents(d, kind);
    const rg_batch_outputs none = {0};
    const rg_batch_tangent_outputs to = grad_batch_tangent_outputs(d_out);
    rg_rod_status *statuses = calloc(s->rods, sizeof *statuses);
    rg_error err = {0};
    assert_non_null(statuses);
    if (!s->batch) grad_scene_open(s);
    if (rg_batch_jvp(s->batch, &in, &t, &none, &to, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    all_well(s, statuses);
    free(statuses);
}

void grad_adjoint(grad_scene *s, const grad_outputs *bar, const grad_vector *g, int kind)
{
    const rg_batch_cotangents c = grad_cotangents(bar);
    const rg_batch_gradients to = grad_gradients(g, kind);
    rg_adjoint_status *statuses = calloc(s->rods, sizeof *statuses);
    rg_error err = {0};
    assert_non_null(statuses);
    if (rg_batch_adjoint(s->batch, &c, &to, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < s->rods; i++)
        if (statuses[i].flag != RG_ROD_OK || statuses[i].step != -1 || statuses[i].vertex != -1)
            fail_msg("adjoint of rod %zu: flag %d in step %d, vertex %d", i, (int)statuses[i].flag, statuses[i].step,
                     statuses[i].vertex);
    free(statuses);
}

void grad_loss(const grad_scene *s, const grad_outputs *out, const grad_outputs *w, double *loss,
               const grad_outputs *bar)
{
    static const double bends[PARTS] = {3.0, 0.3, 0.0, 0.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0}, middle[3] = {0.25, 0.0, 0.9};
    const size_t n = s->vertices, frames = s->opts.n_frames;
    for (size_t i = 0; i < s->rods; i++) loss[i] = 0.0;
    for (int part = 0; part < PARTS; part++) {
        const size_t row = of_frame(s, part) * frames;
        const double *at = part_of(out, part), *by = part_of(w, part);
        for (size_t i = 0; at && part != 2 && part != 3 && i < s->rods * row; i++) {
            /* about where rods start, so that what stays does not drown what changes */
            double off = at[i] - (part == 1 || part >= FORCES ? 0.0 : middle[i % 3]);
            loss[i / row] += by[i] * off + 0.5 * bends[part] * fabs(by[i]) * off * off;
            if (bar) part_of(bar, part)[i] = by[i] + bends[part] * fabs(by[i]) * off;
        }
    }
    /* directors: g.m with g made of the edge's weight of turn; a change dm = turn t x m, and across
     * the edge's change de: -t (m.de)/|e| */
    for (size_t k = 0; k < s->rods * frames; k++)
        for (size_t i = 0; i + 1 < n; i++) {
            const double *x = out->x + 3 * (k * n + i), *m = out->m + 3 * (k * (n - 1) + i);
            const double a = w->turn[k * (n - 1) + i], g[3] = {a, -0.7 * a, 0.4 * a};
            double t[3], b[3], e[3], size;
            for (int c = 0; c < 3; c++) e[c] = x[3 + c] - x[c];
            unit(e, t);
            size = norm(e);
            loss[k / frames] += dot(g, m);
            if (!bar) continue;
            cross(t, m, b);
            bar->turn[k * (n - 1) + i] = dot(g, b);
            for (int c = 0; c < 3; c++) {
                double pull = dot(g, t) * m[c] / size;
                bar->x[3 * (k * n + i) + (size_t)c] += pull;
                bar->x[3 * (k * n + i + 1) + (size_t)c] -= pull;
            }
        }
}

double grad_vector_dot(const grad_scene *s, const grad_vector *a, const grad_vector *b, int kind, size_t rod,
                       double *size)
{
    double sum = 0.0, squares = 0.0;
    for (int k = 0; k < GRAD_KINDS; k++)
        for (size_t i = rod * s->count[k]; (kind == k || kind == GRAD_ALL) && i < (rod + 1) * s->count[k]; i++) {
            double p = a->of[k][i] * b->of[k][i];
            sum += p;
            squares += p * p;
        }
    if (size) *size = sqrt(squares);
    return sum;
}

double grad_outputs_dot(const grad_scene *s, const grad_outputs *a, const grad_outputs *b, size_t rod, double *size)
{
    double sum = 0.0, squares = 0.0;
    for (int part = 0; part < PARTS; part++) {
        const size_t row = of_frame(s, part) * s->opts.n_frames;
        for (size_t i = rod * row; part != 2 && part_of(a, part) && i < (rod + 1) * row; i++) {
            double p = part_of(a, part)[i] * part_of(b, part)[i];
            sum += p;
            squares += p * p;
        }
    }
    if (size) *size = sqrt(squares);
    return sum;
}

void grad_vector_copy(const grad_scene *s, const grad_vector *a, size_t i, const grad_vector *b, size_t k)
{
    for (int kind = 0; kind < GRAD_KINDS; kind++) {
        const size_t n = s->count[kind];
        memcpy(b->of[kind] + k * n, a->of[kind] + i * n, n * sizeof(double));
    }
}

void grad_outputs_copy(const grad_scene *s, const grad_outputs *a, size_t i, const grad_outputs *b, size_t k)
{
    for (int part = 0; part < PARTS; part++) {
        const size_t n = of_frame(s, part) * s->opts.n_frames;
        if (n > 0) memcpy(part_of(b, part) + k * n, part_of(a, part) + i * n, n * sizeof(double));
    }
}

static size_t differ(const double *a, const double *b, size_t n)
{
    size_t sum = 0;
    const unsigned char *p = (const unsigned char *)a, *q = (const unsigned char *)b;
    for (size_t i = 0; i < n * sizeof *a; i++) sum += p[i] != q[i];
    return sum;
}

size_t grad_vector_differ(const grad_scene *s, const grad_vector *a, size_t i, const grad_vector *b, size_t k)
{
    size_t sum = 0;
    for (int kind = 0; kind < GRAD_KINDS; kind++)
        sum += differ(a->of[kind] + i * s->count[kind], b->of[kind] + k * s->count[kind], s->count[kind]);
    return sum;
}

size_t grad_outputs_differ(const grad_scene *s, const grad_outputs *a, size_t i, const grad_outputs *b, size_t k)
{
    size_t sum = 0;
    for (int part = 0; part < PARTS; part++) {
        const size_t row = of_frame(s, part) * s->opts.n_frames;
        if (row > 0) sum += differ(part_of(a, part) + i * row, part_of(b, part) + k * row, row);
    }
    return sum;
}

double grad_dot_products(grad_scene *s, uint64_t seed, int *kind_of_worst)
{
    grad_outputs bar = grad_outputs_random(s, seed), d_out = grad_outputs_zero(s);
    grad_vector d = grad_vector_random(s, seed + 1), g = grad_vector_zero(s);
    double worst = 0.0;
    grad_forward(s, NULL);
    grad_adjoint(s, &bar, &g, GRAD_ALL);
    for (int kind = GRAD_ALL; kind < GRAD_KINDS; kind++) {
        if (kind != GRAD_ALL && s->count[kind] == 0) continue;
        grad_jvp(s, &d, kind, &d_out);
        for (size_t i = 0; i < s->rods; i++) {
            double size, left = grad_outputs_dot(s, &d_out, &bar, i, &size);
            double right = grad_vector_dot(s, &d, &g, kind, i, NULL);
            double err = fabs(left - right) / fmax(fabs(left), size);
            /* without effect: exactly so, in both */
            if (left == 0.0 && right == 0.0) err = 0.0;
            if (!(err <= worst)) {
                worst = err;
                *kind_of_worst = kind;
            }
        }
    }
    return worst;
}
