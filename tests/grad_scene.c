/* grad_scene.c: see grad_scene.h. */
#include "grad_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rods.h"

typedef struct grad_block {
    struct grad_block *next;
    double *data;
} grad_block;

static const char *const kind_names[GRAD_FIELD] = {"x0", "v0", "turn0", "clamp_x", "clamp_turn", "force"};

const char *grad_kind_name(int kind)
{
    if (kind == GRAD_ALL) return "all together";
    return kind < GRAD_FIELD ? kind_names[kind] : rg_field_describe((rg_field)(kind - GRAD_FIELD))->name;
}

const char *grad_stepper_name(int stepper)
{
    static const char *const names[] = {"implicit BE", "implicit BDF2", "deform", "static",
                                        "implicit BDF2, normalised"};
    return names[stepper];
}

const char *grad_grip_name(grad_grip grip)
{
    static const char *const names[] = {"ends", "end", "point", "middle", "mixed", "nowhere"};
    return names[grip];
}

double *grad_alloc(grad_scene *s, size_t count)
{
    grad_block *block = malloc(sizeof *block);
    assert_non_null(block);
    /* to the byte, so that a sanitizer sees every step beyond */
    block->data = calloc(count ? count : 1, sizeof *block->data);
    assert_non_null(block->data);
    block->next = s->blocks;
    s->blocks = block;
    return block->data;
}

void grad_scene_free(grad_scene *s)
{
    rg_batch_destroy(&s->batch);
    for (size_t i = 0; i < s->rods; i++) rg_model_destroy(&s->models[i]);
    free(s->models);
    while (s->blocks) {
        grad_block *next = s->blocks->next;
        free(s->blocks->data);
        free(s->blocks);
        s->blocks = next;
    }
    free(s);
}

static size_t clamps_of(grad_grip grip, int n, int *clamps)
{
    const int lists[GRAD_GRIPS][5] = {{0, 1, n - 2, n - 1, -1},         {0, 1, -1}, {n / 2, -1}, {n / 3, n / 3 + 1, -1},
                                      {0, n / 2, n / 2 + 1, n - 1, -1}, {-1}};
    size_t count = 0;
    for (; lists[grip][count] >= 0; count++) clamps[count] = lists[grip][count];
    return count;
}

/* unit tangent of the edge from a, and its length */
static double tangent(const double *a, const double *b, double *t)
{
    double e[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]};
    unit(e, t);
    return norm(e);
}

/* m along the shortest way from tangent t to u, then turned about u */
static void carry(const double *t, const double *u, double turn, const double *m, double *r)
{
    double axis[3], k[3], p[3], across = dot(m, u), chi = 1.0 + dot(t, u);
    for (int c = 0; c < 3; c++) p[c] = m[c] - across / chi * (t[c] + u[c]);
    /* unit and across its edge to the last bit that matters */
    across = dot(p, u);
    for (int c = 0; c < 3; c++) k[c] = p[c] - across * u[c];
    unit(k, p);
    memcpy(axis, u, sizeof axis);
    rotate(axis, turn, p, r);
}

static void start(grad_scene *s, size_t rod, uint64_t *seed)
{
    const size_t n = s->vertices;
    const double *length = rg_model_field(s->models[rod], RG_REST_LENGTH);
    double *x = s->x0 + 3 * n * rod, *m = s->m0 + 3 * (n - 1) * rod, along = 0.0, whole = 0.0;
    for (size_t i = 0; i + 1 < n; i++) whole += length[i];
    for (size_t i = 0; i < n; i++) {
        double q = along / whole;
        x[3 * i] = 0.93 * along;
        x[3 * i + 1] = 0.01 * sin(5.0 * q + (double)rod);
        x[3 * i + 2] = 1.0 - 0.6 * whole * q * (1.0 - q);
        for (int c = 0; c < 3; c++) s->v0[3 * (n * rod + i) + c] = 0.1 * random_signed(seed);
        if (i + 1 < n) along += length[i];
    }
    const double across[3] = {0.0, 1.0, 0.1};
    for (size_t i = 0; i + 1 < n; i++) {
        double t[3], flat[3], a;
        tangent(x + 3 * i, x + 3 * i + 3, t);
        a = dot(across, t);
        for (int c = 0; c < 3; c++) flat[c] = across[c] - a * t[c];
        unit(flat, flat);
        rotate(t, 0.3 * random_signed(seed), flat, m + 3 * i);
    }
}

/* grippers sway, each in its own way, and tilt a little; held directors go along, and turn */
static void drive(grad_scene *s, size_t rod, uint64_t *seed)
{
    const size_t n = s->vertices, steps = s->steps, c = s->clamped, d = s->held;
    const double h = s->opts.dt_s / s->opts.rollout.substeps;
    double phase[6], turning = random_signed(seed);
    for (int i = 0; i < 6; i++) phase[i] = random_signed(seed);
    for (size_t k = 0; k < steps; k++) {
        const double time = h * (double)(k + 1);
        for (size_t i = 0; i < c; i++) {
            const double *from = s->x0 + 3 * (n * rod + (size_t)s->clamped_at[i]);
            /* neighbours move together, and 5 mm more each by itself */
            const double hand = s->clamped_at[i] > (int)n / 2 ? 1.7 : 0.0, own = (double)i;
            for (int a = 0; a < 3; a++)
                s->clamp_x[3 * ((rod * steps + k) * c + i) + (size_t)a] =
                    from[a] + 0.02 * sin((4.0 + a + phase[a]) * time) * cos(hand * time) +
                    0.005 * sin((7.0 + own + phase[3 + a]) * time);
        }
    }
    for (size_t k = 0; k < steps; k++)
        for (size_t i = 0; i < d; i++) {
            double *m = s->clamp_m + 3 * ((rod * steps + k) * d + i);
            const size_t edge = (size_t)s->held_at[i];
            double t[3], u[3];
            size_t place = 0;
            while ((size_t)s->clamped_at[place] != edge) place++;
            const double *now = s->clamp_x + 3 * ((rod * steps + k) * c + place);
            const double *was = k ? now - 3 * c : s->x0 + 3 * (n * rod + edge);
            tangent(was, was + 3, t);
            tangent(now, now + 3, u);
            carry(t, u, 0.8 * h * turning * cos(3.0 * h * (double)k),
                  k ? m - 3 * d : s->m0 + 3 * ((n - 1) * rod + edge), m);
        }
    for (size_t i = 0; i < 3 * n * steps; i++) s->force[3 * n * steps * rod + i] = 0.01 * random_signed(seed);
}

/* shapes and counts from the first model; arrays for all that goes in */
static void shape(grad_scene *s)
{
    rg_batch *probe = NULL;
    rg_error err = {0};
    if (rg_batch_create(s->models[0], 1, &s->opts, &probe, &err) != RG_OK) fail_msg("%s", err.text);
    const int *at;
    s->vertices = rg_model_vertices(s->models[0]);
    s->markers = rg_model_markers(s->models[0]);
    s->steps = s->opts.n_frames * (size_t)s->opts.rollout.substeps;
    s->clamped = rg_batch_clamped_vertices(probe, &at);
    int *clamped_at = (int *)grad_alloc(s, s->clamped), *held_at;
    memcpy(clamped_at, at, s->clamped * sizeof *at);
    s->held = rg_batch_clamped_edges(probe, &at);
    held_at = (int *)grad_alloc(s, s->held);
    if (s->held) memcpy(held_at, at, s->held * sizeof *at);
    s->clamped_at = clamped_at;
    s->held_at = held_at;
    rg_batch_destroy(&probe);
    const size_t n = s->vertices, row = s->steps;
    const size_t counts[GRAD_FIELD] = {3 * n, 3 * n, n - 1, 3 * row * s->clamped, row * s->held, 3 * row * n};
    memcpy(s->count, counts, sizeof counts);
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        s->count[GRAD_FIELD + f] =
            rg_model_field_entries(s->models[0], (rg_field)f) * (size_t)rg_field_describe((rg_field)f)->components;
    s->x0 = grad_alloc(s, 3 * n * s->rods);
    s->v0 = grad_alloc(s, 3 * n * s->rods);
    s->m0 = grad_alloc(s, 3 * (n - 1) * s->rods);
    s->clamp_x = grad_alloc(s, counts[GRAD_CLAMP_X] * s->rods);
    s->clamp_m = grad_alloc(s, 3 * counts[GRAD_CLAMP_TURN] * s->rods);
    s->force = grad_alloc(s, counts[GRAD_FORCE] * s->rods);
}

static grad_scene *empty(const rg_batch_opts *opts, size_t rods)
{
    grad_scene *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->opts = *opts;
    s->rods = rods;
    s->models = calloc(rods, sizeof *s->models);
    assert_non_null(s->models);
    return s;
}

grad_scene *grad_scene_sized(int stepper, grad_grip grip, size_t rods, size_t frames, int substeps, size_t n_markers,
                             size_t refine, uint64_t seed)
{
    rg_batch_opts o = rg_batch_opts_default();
    int clamps[5];
    const size_t n_clamps = clamps_of(grip, (int)n_markers, clamps);
    o.rollout.stepper = stepper == GRAD_DEFORM ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
    o.rollout.scheme = stepper == GRAD_EULER ? RG_SCHEME_BE : RG_SCHEME_BDF2;
    if (stepper == GRAD_STATIC) o.rollout.scheme = RG_SCHEME_STATIC;
    o.rollout.substeps = substeps;
    o.rollout.tolerance_m = stepper == GRAD_STATIC ? 1e-12 : 1e-24; /* for a last move near 1e-12 */
    o.rollout.max_iterations = 60;
    o.rollout.threads = 1;
    /* the explicit stepper must resolve the bending waves of these rods, w = 120 rad/s at refine 1,
     * and their damping, w^2 T = 770/s: steps below 2 / 770 s */
    o.dt_s = stepper == GRAD_DEFORM ? 0.0015 * substeps : 0.01;
    o.n_frames = frames;
    grad_scene *s = empty(&o, rods);
    for (size_t i = 0; i < rods; i++) s->models[i] = rods_model(n_markers, refine, clamps, n_clamps, seed + 31 * i);
    for (size_t i = 0; i < rods && stepper == GRAD_NORMALISED; i++)
        if (rg_model_set_bend_measure(s->models[i], RG_BEND_NORMALISED, NULL) != RG_OK) fail();
    shape(s);
    seed ^= 0x5ce7e;
    for (size_t i = 0; i < rods; i++) start(s, i, &seed);
    for (size_t i = 0; i < rods; i++) drive(s, i, &seed);
    return s;
}

grad_scene *grad_scene_make(int stepper, grad_grip grip, size_t rods, size_t frames, int substeps, uint64_t seed)
{
    return grad_scene_sized(stepper, grip, rods, frames, substeps, 9, 1, seed);
}

void grad_scene_open(grad_scene *s)
{
    rg_error err = {0};
    rg_batch_destroy(&s->batch);
    if (rg_batch_create(s->models[0], s->rods, &s->opts, &s->batch, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < s->rods; i++)
        if (rg_batch_set_model(s->batch, i, s->models[i], &err) != RG_OK) fail_msg("%s", err.text);
}

grad_scene *grad_scene_pick(const grad_scene *s, const size_t *rods, size_t n)
{
    grad_scene *r = empty(&s->opts, n);
    for (size_t i = 0; i < n; i++)
        if (rg_model_copy(s->models[rods[i]], &r->models[i], NULL) != RG_OK) fail();
    shape(r);
    const struct {
        double *to;
        const double *from;
        size_t count;
    } all[] = {{r->x0, s->x0, s->count[GRAD_X0]},
               {r->v0, s->v0, s->count[GRAD_V0]},
               {r->m0, s->m0, 3 * s->count[GRAD_TURN0]},
               {r->clamp_x, s->clamp_x, s->count[GRAD_CLAMP_X]},
               {r->clamp_m, s->clamp_m, 3 * s->count[GRAD_CLAMP_TURN]},
               {r->force, s->force, s->count[GRAD_FORCE]}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        for (size_t i = 0; i < n; i++)
            memcpy(all[k].to + i * all[k].count, all[k].from + rods[i] * all[k].count, all[k].count * sizeof(double));
    return r;
}

/* one rod of r, moved from rod `from` of s */
static void move(grad_scene *r, size_t rod, const grad_scene *s, size_t from, const grad_vector *d, int kind, double by)
{
    const size_t n = s->vertices, c = s->clamped;
    double *plain[GRAD_KINDS] = {r->x0, r->v0, NULL, r->clamp_x, NULL, r->force};
    for (int f = 0; f < RG_FIELD_COUNT; f++) plain[GRAD_FIELD + f] = rg_model_field_data(r->models[rod], (rg_field)f);
    for (int k = 0; k < GRAD_KINDS; k++) {
        if (!plain[k] || (kind != GRAD_ALL && kind != k)) continue;
        double *to = plain[k] + (k < GRAD_FIELD ? rod * s->count[k] : 0);
        for (size_t i = 0; i < s->count[k]; i++) to[i] += by * d->of[k][from * s->count[k] + i];
    }
    for (size_t i = 0; i + 1 < n; i++) {
        double t[3], u[3], m[3], *to = r->m0 + 3 * ((n - 1) * rod + i), turn = 0.0;
        tangent(s->x0 + 3 * (n * from + i), s->x0 + 3 * (n * from + i + 1), t);
        tangent(r->x0 + 3 * (n * rod + i), r->x0 + 3 * (n * rod + i + 1), u);
        if (kind == GRAD_ALL || kind == GRAD_TURN0) turn = by * d->of[GRAD_TURN0][(n - 1) * from + i];
        carry(t, u, turn, to, m);
        memcpy(to, m, sizeof m);
    }
    for (size_t k = 0; k < s->steps * s->held; k++) {
        const size_t step = k / s->held, edge = (size_t)s->held_at[k % s->held];
        size_t place = 0;
        while ((size_t)s->clamped_at[place] != edge) place++;
        const double *was = s->clamp_x + 3 * ((from * s->steps + step) * c + place);
        const double *now = r->clamp_x + 3 * ((rod * s->steps + step) * c + place);
        double t[3], u[3], m[3], *to = r->clamp_m + 3 * (rod * s->steps * s->held + k), turn = 0.0;
        tangent(was, was + 3, t);
        tangent(now, now + 3, u);
        if (kind == GRAD_ALL || kind == GRAD_CLAMP_TURN)
            turn = by * d->of[GRAD_CLAMP_TURN][from * s->steps * s->held + k];
        carry(t, u, turn, to, m);
        memcpy(to, m, sizeof m);
    }
}

grad_scene *grad_scene_moved(const grad_scene *s, const grad_vector *d, int kind, const double *by, size_t copies)
{
    size_t *rods = malloc(copies * s->rods * sizeof *rods);
    assert_non_null(rods);
    for (size_t i = 0; i < copies * s->rods; i++) rods[i] = i % s->rods;
    grad_scene *r = grad_scene_pick(s, rods, copies * s->rods);
    free(rods);
    for (size_t i = 0; i < copies * s->rods; i++) move(r, i, s, i % s->rods, d, kind, by[i / s->rods]);
    return r;
}

grad_vector grad_vector_zero(grad_scene *s)
{
    grad_vector v;
    for (int k = 0; k < GRAD_KINDS; k++) v.of[k] = grad_alloc(s, s->rods * s->count[k]);
    return v;
}

grad_vector grad_vector_random(grad_scene *s, uint64_t seed)
{
    static const double sizes[GRAD_FIELD] = {3e-3, 0.3, 0.3, 2e-3, 0.2, 0.02};
    grad_vector v = grad_vector_zero(s);
    for (int k = 0; k < GRAD_KINDS; k++) {
        double size = 0.0;
        if (k < GRAD_FIELD) size = sizes[k];
        /* of the first rod, which can be shorter than others of a ragged scene */
        const rg_field field = (rg_field)(k - GRAD_FIELD);
        const size_t own =
            k < GRAD_FIELD ? 0
                           : rg_model_field_entries(s->models[0], field) * (size_t)rg_field_describe(field)->components;
        for (size_t i = 0; i < own; i++) size = fmax(size, 0.2 * fabs(rg_model_field(s->models[0], field)[i]));
        /* lengths decide about the most: a fifth would tear the rod */
        if (k == GRAD_FIELD + RG_REST_LENGTH) size *= 0.1;
        for (size_t i = 0; i < s->rods * s->count[k]; i++) v.of[k][i] = size * random_signed(&seed);
    }
    return v;
}
