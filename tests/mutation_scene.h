/* mutation_scene.h: small random rods for tests of gradients, and one pack around them that runs
 * forward, along a direction and backwards.
 *
 * A rod of grad_scene.h in a pack of pack_fixture.h, changed where no model can: every coefficient acts, also those of
 * the ends; some vertices have no marker; directors may have come from chords.
 *
 * All that goes in falls into kinds (enum below) and is one flat vector, kind after kind. So are outputs: x, v
 * [frames][n][3], turns [frames][n-1], markers [frames][n][3], of which the first n_markers are there, tensions
 * [frames][n-1], reactions [frames][clamped][3], moments about held edges [frames][held] and of vertices
 * [frames][n][3]. Directions and gradients are vectors of inputs, cotangents vectors of outputs. Include kernels first,
 * for the coefficients' names.
 */
#ifndef MUTATION_SCENE_H
#define MUTATION_SCENE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grad_scene.h"
#include "pack_fixture.h"
#include "probe_random.h"

enum {
    MUTATION_NODES = 9,
    MUTATION_STEPS = 4,
    MUTATION_SWEEPS = 6,
    MUTATION_OUT = MUTATION_STEPS * 19 * MUTATION_NODES,
    MUTATION_IN = MUTATION_NODES * (3 + 3 + 1 + MUTATION_STEPS * (3 + 1 + 3) + RGI_NC + 2)
};

/* kinds of inputs; a coefficient is one by itself */
enum {
    MUTATION_COEF = 0,
    MUTATION_O1 = RGI_NC,
    MUTATION_O2,
    MUTATION_X0,
    MUTATION_V0,
    MUTATION_TURN0,
    MUTATION_DRIVE_X,
    MUTATION_DRIVE_TURN,
    MUTATION_FORCE,
    MUTATION_KINDS
};

static const char *const mutation_names[MUTATION_KINDS] = {
    "KL",   "L",  "TS", "K11", "K12", "K22", "KB1", "KB2", "TB",    "RM",      "LM",         "KT",
    "TBAR", "TT", "M",  "C",   "O1",  "O2",  "x0",  "v0",  "turn0", "drive x", "drive turn", "force"};

typedef struct mutation_opts {
    int n, stepper; /* GRAD_EULER ... GRAD_STATIC */
    grad_grip grip;
    int chord, substeps, steps;
    int last; /* steps that the rod takes: fewer than `steps` and it stands still from there; 0: all */
    int bar;  /* RGI_BAR_... */
    uint64_t seed;
} mutation_opts;

typedef struct mutation_scene {
    mutation_opts opts;
    int n, n_markers, n_free, frames;
    grad_scene *rod;
    pack_fixture *fixture;
    rgi_pack *pack;                 /* the fixture's */
    int begin[MUTATION_KINDS + 1];  /* of a kind in the flat vector of inputs */
    double natural[MUTATION_KINDS]; /* the size of an input's changes */
    int marker_vertices[MUTATION_NODES], free_markers[MUTATION_NODES];
    /* the directors at the chords, which the start's were carried from */
    double chord[3 * MUTATION_NODES], carried[3 * MUTATION_NODES];
    int entry_begin[2];
    rgi_pack_entry entries[MUTATION_NODES * (RGI_NC + 2)];
    double out[MUTATION_OUT], dout[MUTATION_OUT], bar[MUTATION_OUT],
        m[MUTATION_OUT]; /* m: directors [frames][n-1][3] */
} mutation_scene;

static inline double mutation_between(uint64_t *seed, double a, double b) { return a + (b - a) * random_uniform(seed); }

/* r = u carried from the unit vector s to t */
static inline void mutation_transport(const double *s, const double *t, const double *u, double *r)
{
    const double k = dot(u, t) / (1.0 + dot(s, t));
    for (int c = 0; c < 3; c++) r[c] = u[c] - k * (s[c] + t[c]);
}

static inline void mutation_tangent(const double *x, double *t)
{
    const double e[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
    unit(e, t);
}

/* where parts of the outputs begin: x, v, turns, markers, tensions, reactions, their moments, vertices' moments, and
 * where they end */
enum { MUTATION_PARTS = 9 };
static inline void mutation_parts(const mutation_scene *s, int *begin)
{
    const int forces = s->opts.stepper != GRAD_DEFORM, clamped = (int)s->rod->clamped, held = (int)s->rod->held;
    const int sizes[MUTATION_PARTS] = {
        3 * s->n,      3 * s->n,          s->n - 1,  3 * s->n, forces * (s->n - 1), forces * 3 * clamped,
        forces * held, forces * 3 * s->n, forces * 5};
    begin[0] = 0;
    for (int k = 0; k < MUTATION_PARTS; k++) begin[k + 1] = begin[k] + s->frames * sizes[k];
}
/* a part of an array of outputs, or NULL */
static inline double *mutation_part(const mutation_scene *s, int part, double *outputs)
{
    int at[MUTATION_PARTS + 1];
    mutation_parts(s, at);
    return at[part + 1] > at[part] ? outputs + at[part] : NULL;
}

static inline rg_batch_inputs mutation_inputs(const mutation_scene *s)
{
    const rg_batch_inputs in = {s->rod->x0,      s->rod->v0,    s->rod->m0, s->rod->clamp_x,
                                s->rod->clamp_m, s->rod->force, {NULL}};
    return in;
}

static inline rg_batch_outputs mutation_outputs(mutation_scene *s)
{
    const rg_batch_outputs out = {.x = mutation_part(s, 0, s->out),
                                  .v = mutation_part(s, 1, s->out),
                                  .m = s->m,
                                  .markers = mutation_part(s, 3, s->out),
                                  .tension = mutation_part(s, 4, s->out),
                                  .reaction = mutation_part(s, 5, s->out),
                                  .reaction_moment = mutation_part(s, 6, s->out),
                                  .moment = mutation_part(s, 7, s->out),
                                  .energy = mutation_part(s, 8, s->out)};
    return out;
}

/* does this kind of input move nothing: without stretch, inertia, rates or memory, or nothing held? */
static inline int mutation_idle(const mutation_scene *s, int kind)
{
    static const int slow[] = {RGI_TS, RGI_TB, RGI_TT, RGI_RM, RGI_LM, RGI_C, MUTATION_V0, MUTATION_TURN0};
    for (size_t k = 0; s->pack->still && k < sizeof slow / sizeof *slow; k++)
        if (slow[k] == kind) return 1;
    /* the start makes the first step's velocity only */
    if (s->pack->still && s->pack->substeps > 1 && kind == MUTATION_X0) return 1;
    if (s->pack->deform && (kind == RGI_KL || kind == RGI_TS)) return 1;
    return s->rod->clamped == 0 && (kind == MUTATION_DRIVE_X || kind == MUTATION_DRIVE_TURN);
}

/* coefficients of the ends that models leave zero are like those of their neighbours, and offsets are random */
static inline void mutation_coefficients(mutation_scene *s, uint64_t *seed)
{
    double *coef = s->pack->coef, *offset = s->pack->offset;
    for (int q = 0; q < RGI_NC; q++) {
        for (int end = 0; end < 2; end++) {
            double *k = coef + RGI_NC * (end ? s->n - 1 : 0) + q;
            if (*k == 0.0) *k = coef[RGI_NC * (end ? s->n - 2 : 1) + q] * mutation_between(seed, 0.8, 1.2);
        }
        for (int i = 0; i < s->n; i++) s->natural[q] = fmax(s->natural[q], fabs(coef[RGI_NC * i + q]));
    }
    for (int k = 0; k < 2 * s->n_markers; k++) offset[k] = mutation_between(seed, -0.01, 0.01);
}

/* chords up to 0.4 rad off the edges whose directors are not prescribed */
static inline void mutation_chords(mutation_scene *s, uint64_t *seed)
{
    for (int i = 0; i + 1 < s->n; i++) {
        double t[3], axis[3];
        const double off = mutation_between(seed, 0.1, 0.4);
        mutation_tangent(s->rod->x0 + 3 * i, t);
        random_perpendicular(seed, t, axis);
        rotate(axis, s->pack->fixed[i] & RGI_FIXED_THETA ? 0.0 : off, t, s->chord + 3 * i);
        mutation_transport(t, s->chord + 3 * i, s->rod->m0 + 3 * i, s->carried + 3 * i);
    }
    s->pack->chord = s->chord;
}

/* what a fit needs and a batch does not have */
static inline void mutation_fit(mutation_scene *s)
{
    rgi_pack *p = s->pack;
    const size_t rows = (size_t)(s->frames * s->n_free);
    p->n_free = s->n_free;
    p->free_markers = s->free_markers;
    p->recorded = pack_fixture_take(s->fixture, 3 * rows);
    p->weight = pack_fixture_take(s->fixture, rows);
    double *share = pack_fixture_take(s->fixture, 2);
    share[0] = share[1] = 1.0;
    p->share = share;
    p->floor = 0.003;
    p->block = s->opts.steps;
    p->normal = pack_fixture_take(s->fixture, 1);
    p->gradients = pack_fixture_take(s->fixture, 1);
    p->loss = pack_fixture_take(s->fixture, 4);
}

static inline mutation_scene *mutation_scene_make(mutation_opts o)
{
    mutation_scene *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->opts = o;
    s->n = o.n;
    s->frames = o.steps / o.substeps;
    s->rod = grad_scene_sized(o.stepper, o.grip, 1, (size_t)s->frames, o.substeps, (size_t)o.n, 1, o.seed);
    s->rod->opts.rollout.sweeps = MUTATION_SWEEPS;
    s->rod->opts.rollout.gravity[0] = 1.0;
    s->fixture = pack_fixture_make(s->rod->models[0], &s->rod->opts);
    rgi_pack *p = s->pack = s->fixture->pack;
    for (int i = 0; i < s->n; i++) {
        if (i % 3 == 1) continue;
        s->free_markers[s->n_free] = s->n_markers;
        s->n_free += i % 4 != 3;
        s->marker_vertices[s->n_markers++] = i;
    }
    p->n_markers = s->n_markers;
    p->marker_vertices = s->marker_vertices;
    uint64_t seed = o.seed + 1;
    mutation_coefficients(s, &seed);
    if (o.chord) mutation_chords(s, &seed);
    if (o.last > 0) *p->lane_steps = o.last;
    if (o.bar != RGI_BAR_GIVEN) mutation_fit(s);
    p->markers_jvp = pack_fixture_take(s->fixture, (size_t)(3 * s->frames * s->n_markers));
    for (int i = 0; i < s->n * RGI_NC + 2 * s->n_markers; i++) {
        const int to = i - s->n * RGI_NC;
        s->entries[i].node = to < 0 ? i / RGI_NC : to / 2;
        s->entries[i].coefficient = to < 0 ? i % RGI_NC : (to % 2 ? RGI_O2 : RGI_O1);
    }
    s->entry_begin[1] = s->n * RGI_NC + 2 * s->n_markers;
    /* of offsets, a length, a speed, an angle, a force */
    static const double natural[] = {0.01, 0.01, 0.01, 0.5, 0.3, 0.01, 0.3, 0.02};
    memcpy(s->natural + MUTATION_O1, natural, sizeof natural);
    for (int q = 0; q < MUTATION_KINDS; q++) {
        const int counts[] = {
            3 * s->n,          3 * s->n, s->n - 1, 3 * (int)s->rod->clamped * o.steps, (int)s->rod->held * o.steps,
            3 * s->n * o.steps};
        const int count = q < RGI_NC ? s->n : q < MUTATION_X0 ? s->n_markers : counts[q - MUTATION_X0];
        s->begin[q + 1] = s->begin[q] + count;
    }
    return s;
}

static inline void mutation_scene_free(mutation_scene *s)
{
    pack_fixture_free(s->fixture);
    grad_scene_free(s->rod);
    free(s);
}

/* a random direction of one kind of input, or with kind < 0 of all */
static inline void mutation_direction(const mutation_scene *s, int kind, uint64_t *seed, double *v)
{
    memset(v, 0, MUTATION_IN * sizeof *v);
    for (int q = 0; q < MUTATION_KINDS; q++)
        for (int i = s->begin[q]; i < s->begin[q + 1]; i++)
            if (kind < 0 || kind == q) v[i] = s->natural[q] * random_signed(seed);
}

/* a random cotangent of the outputs */
static inline void mutation_cotangent(const mutation_scene *s, uint64_t *seed, double *w)
{
    static const double sizes[MUTATION_PARTS] = {1.0, 0.01, 0.05, 1.0, 1e-3, 1e-3, 0.05, 0.05, 0.1};
    int at[MUTATION_PARTS + 1];
    mutation_parts(s, at);
    for (int k = 0; k < MUTATION_PARTS; k++)
        for (int i = at[k]; i < at[k + 1]; i++) w[i] = sizes[k] * random_signed(seed);
}

/* the rollout along the direction v: outputs, and what becomes of v in dout; returns the rod's flag */
static inline int mutation_forward(mutation_scene *s, size_t (*workspace)(const rgi_pack *),
                                   void (*run)(const rgi_pack *), const double *v)
{
    const double *from[6];
    for (int q = 0; q < 6; q++) from[q] = v + s->begin[MUTATION_X0 + q];
    const rg_batch_inputs in = mutation_inputs(s);
    const rg_batch_outputs out = mutation_outputs(s);
    const rg_batch_tangents d = {
        .x0 = from[0], .v0 = from[1], .turn0 = from[2], .clamp_x = from[3], .clamp_turn = from[4], .force = from[5]};
    const rg_batch_tangent_outputs dout = {.x = mutation_part(s, 0, s->dout),
                                           .v = mutation_part(s, 1, s->dout),
                                           .turn = mutation_part(s, 2, s->dout),
                                           .markers = mutation_part(s, 3, s->dout),
                                           .tension = mutation_part(s, 4, s->dout),
                                           .reaction = mutation_part(s, 5, s->dout),
                                           .reaction_moment = mutation_part(s, 6, s->dout),
                                           .moment = mutation_part(s, 7, s->dout),
                                           .energy = mutation_part(s, 8, s->dout)};
    pack_fixture_jvp(s->fixture, &in, &d, &out, &dout);
    s->pack->entries = s->entries;
    s->pack->entry_begin = s->entry_begin;
    double *values = (double *)(void *)s->pack->entry_values;
    for (int e = 0; e < s->entry_begin[1]; e++) values[e] = v[s->begin[s->entries[e].coefficient] + s->entries[e].node];
    if (s->pack->normal) s->pack->normal[0] = s->pack->gradients[0] = 0.0;
    pack_fixture_run(s->fixture, workspace, run);
    return (int)s->pack->status[0];
}

/* the rollout backwards from s->bar, or what the scene has for it; the gradient g [MUTATION_IN] */
static inline void mutation_backward(mutation_scene *s, size_t (*workspace)(const rgi_pack *),
                                     void (*reverse)(const rgi_pack *), double *g)
{
    double *to[6];
    for (int q = 0; q < 6; q++) to[q] = g + s->begin[MUTATION_X0 + q];
    const rg_batch_cotangents given = {.x = mutation_part(s, 0, s->bar),
                                       .v = mutation_part(s, 1, s->bar),
                                       .turn = mutation_part(s, 2, s->bar),
                                       .markers = mutation_part(s, 3, s->bar),
                                       .tension = mutation_part(s, 4, s->bar),
                                       .reaction = mutation_part(s, 5, s->bar),
                                       .reaction_moment = mutation_part(s, 6, s->bar),
                                       .moment = mutation_part(s, 7, s->bar),
                                       .energy = mutation_part(s, 8, s->bar)};
    const rg_batch_cotangents none = {0};
    const rg_batch_gradients gradients = {to[0], to[1], to[2], to[3], to[4], to[5], {NULL}, 0, NULL};
    pack_fixture_adjoint(s->fixture, s->opts.bar == RGI_BAR_GIVEN ? &given : &none, &gradients);
    s->pack->bar = s->opts.bar;
    s->pack->n_directions = s->opts.bar == RGI_BAR_NORMAL;
    s->pack->want_coef = 1;
    pack_fixture_run(s->fixture, workspace, reverse);
    const double *start[3] = {s->pack->x0_bar, s->pack->v0_bar, s->pack->turn0_bar};
    for (int q = 0; q < 3; q++)
        for (int i = s->begin[MUTATION_X0 + q]; i < s->begin[MUTATION_X0 + q + 1]; i++)
            g[i] = start[q][i - s->begin[MUTATION_X0 + q]];
    for (int e = 0; e < s->entry_begin[1]; e++) {
        const int node = s->entries[e].node, c = s->entries[e].coefficient;
        g[s->begin[c] + node] =
            c < RGI_NC ? s->pack->coef_bar[RGI_NC * node + c] : s->pack->offset_bar[2 * node + c - RGI_O1];
    }
}

#endif
