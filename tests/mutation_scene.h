/* mutation_scene.h: small random rods for tests of gradients, and one pack around them that runs
 * forward, along a direction and backwards.
 *
 * All that goes into a rollout is one flat vector, kind after kind (enum below), and so is what
 * comes out: by frame x, v [n][3], turns [n-1], markers [n_markers][3]. Directions and gradients
 * are vectors of inputs, cotangents vectors of outputs. Include kernels first: rgi_pack and the
 * coefficients' names. */
#ifndef MUTATION_SCENE_H
#define MUTATION_SCENE_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probe_random.h"

enum {
    MUTATION_NODES = 9,
    MUTATION_STEPS = 4,
    MUTATION_SWEEPS = 6,
    MUTATION_STATE = RGI_STATE_REALS * MUTATION_NODES + 1,
    MUTATION_OUT = MUTATION_STEPS * 10 * MUTATION_NODES,
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

enum mutation_grip { MUTATION_ENDS, MUTATION_ONE_END, MUTATION_MIDDLE, MUTATION_NOWHERE };

typedef struct mutation_scene {
    int n, n_markers, steps, substeps, scheme, deform, chord; /* scheme: 0 Euler, 1 BDF2, 2 static */
    int last; /* steps that the rod takes: fewer than `steps` and it stands still from there */
    int bar;  /* RGI_BAR_... */
    double h;
    unsigned char fixed[MUTATION_NODES];
    int order[MUTATION_NODES], first[MUTATION_NODES], second[MUTATION_NODES];
    int marker_vertices[MUTATION_NODES], free_markers[MUTATION_NODES], n_free;
    int n_fixed_x, n_fixed_theta, fixed_x[MUTATION_NODES], fixed_theta[MUTATION_NODES];
    double coef[MUTATION_NODES * RGI_NC], offset[2 * MUTATION_NODES];
    double x0[3 * MUTATION_NODES], v0[3 * MUTATION_NODES], m0[3 * MUTATION_NODES];
    /* the directors at the chords, which m0 was carried from */
    double from[3 * MUTATION_NODES], carried[3 * MUTATION_NODES];
    double drive_x[MUTATION_STEPS * 3 * MUTATION_NODES];
    double drive_m[MUTATION_STEPS * 3 * MUTATION_NODES];
    double force[MUTATION_STEPS * 3 * MUTATION_NODES];
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

static inline void mutation_grip_make(mutation_scene *s, enum mutation_grip grip)
{
    const int n = s->n;
    for (int i = 0; i < n; i++) {
        int held = 0;
        if (grip == MUTATION_ENDS) held = i < 2 || i >= n - 2;
        if (grip == MUTATION_ONE_END) held = i < 2 || i == n - 2; /* one without its edges */
        if (grip == MUTATION_MIDDLE) held = i == n / 2 || i == n / 2 + 1;
        if (!held) continue;
        s->fixed[i] = RGI_FIXED_X;
        s->fixed_x[s->n_fixed_x++] = i;
    }
    for (int i = 0; i + 1 < n; i++)
        if (s->fixed[i] & s->fixed[i + 1] & RGI_FIXED_X) {
            s->fixed[i] |= RGI_FIXED_THETA;
            s->fixed_theta[s->n_fixed_theta++] = i;
        }
    s->fixed[n - 1] |= RGI_FIXED_THETA;
}

static inline void mutation_coefficients(mutation_scene *s, uint64_t *seed)
{
    for (int i = 0; i < s->n; i++) {
        double *k = s->coef + RGI_NC * i;
        k[RGI_KL] = mutation_between(seed, 200.0, 1000.0);
        k[RGI_L] = mutation_between(seed, 0.03, 0.07);
        k[RGI_TS] = mutation_between(seed, 0.001, 0.02);
        k[RGI_K11] = mutation_between(seed, 0.002, 0.006);
        k[RGI_K22] = mutation_between(seed, 0.002, 0.006);
        k[RGI_K12] = mutation_between(seed, 0.0005, 0.0015) * (i % 2 ? -1.0 : 1.0);
        k[RGI_KB1] = mutation_between(seed, -0.5, 0.5);
        k[RGI_KB2] = mutation_between(seed, -0.5, 0.5);
        k[RGI_TB] = mutation_between(seed, 0.001, 0.01);
        k[RGI_RM] = mutation_between(seed, 0.1, 1.0);
        k[RGI_LM] = mutation_between(seed, 1.0, 50.0);
        k[RGI_KT] = mutation_between(seed, 0.002, 0.006);
        k[RGI_TBAR] = mutation_between(seed, -0.5, 0.5);
        k[RGI_TT] = mutation_between(seed, 0.001, 0.01);
        k[RGI_M] = mutation_between(seed, 0.001, 0.003) + (i % 2 ? 0.002 : 0.0);
        k[RGI_C] = mutation_between(seed, 0.1, 3.0);
    }
}

/* a bent and twisted rod of edges of 3 to 7 cm; chords up to 0.4 rad off the edges whose directors
 * are not prescribed */
static inline void mutation_start(mutation_scene *s, uint64_t *seed)
{
    double t[3], m[3], axis[3];
    random_unit(seed, t);
    random_perpendicular(seed, t, m);
    for (int i = 0; i + 1 < s->n; i++) {
        const double off = mutation_between(seed, 0.1, 0.4);
        const double length = s->coef[RGI_NC * i + RGI_L] * mutation_between(seed, 0.97, 1.03);
        for (int d = 0; d < 3; d++) s->x0[3 * i + 3 + d] = s->x0[3 * i + d] + length * t[d];
        random_perpendicular(seed, t, axis);
        rotate(axis, s->chord && !(s->fixed[i] & RGI_FIXED_THETA) ? off : 0.0, t, s->from + 3 * i);
        mutation_transport(t, s->from + 3 * i, m, s->carried + 3 * i);
        memcpy(s->m0 + 3 * i, m, sizeof m);
        double next[3], turned[3], angle = mutation_between(seed, 0.1, 0.6);
        random_perpendicular(seed, t, axis);
        rotate(axis, angle, t, next);
        rotate(axis, angle, m, turned);
        memcpy(t, next, sizeof t);
        rotate(t, mutation_between(seed, -0.6, 0.6), turned, m);
    }
    for (int i = 0; i < 3 * s->n; i++) s->v0[i] = mutation_between(seed, -0.5, 0.5);
}

/* prescribed vertices sway, each a little in its own way; directors go with them and turn */
static inline void mutation_drive(mutation_scene *s, uint64_t *seed)
{
    double now[3 * MUTATION_NODES], m[3 * MUTATION_NODES], way[3 * MUTATION_NODES];
    memcpy(now, s->x0, sizeof now);
    memcpy(m, s->m0, sizeof m);
    for (int i = 0; i < 3 * s->n; i++) way[i] = mutation_between(seed, -0.2, 0.2) + (2 * i < 3 * s->n ? 0.3 : -0.3);
    for (int step = 0; step < s->steps; step++) {
        double last[3 * MUTATION_NODES];
        memcpy(last, now, sizeof last);
        for (int i = 0; i < 3 * s->n; i++) now[i] += s->h * (way[i] + mutation_between(seed, -0.2, 0.2));
        for (int k = 0; k < s->n_fixed_x; k++)
            memcpy(s->drive_x + 3 * (step * s->n_fixed_x + k), now + 3 * s->fixed_x[k], 3 * sizeof(double));
        for (int k = 0; k < s->n_fixed_theta; k++) {
            double a[3], b[3], moved[3], *at = m + 3 * s->fixed_theta[k];
            mutation_tangent(last + 3 * s->fixed_theta[k], a);
            mutation_tangent(now + 3 * s->fixed_theta[k], b);
            mutation_transport(a, b, at, moved);
            rotate(b, 8.0 * s->h * random_signed(seed), moved, at);
            memcpy(s->drive_m + 3 * (step * s->n_fixed_theta + k), at, 3 * sizeof(double));
        }
        for (int i = 0; i < 3 * s->n; i++) s->force[3 * s->n * step + i] = mutation_between(seed, -0.03, 0.03);
    }
}

static inline mutation_scene mutation_scene_make(int n, enum mutation_grip grip, int deform, int scheme, int chord,
                                                 int steps, int substeps, uint64_t seed)
{
    mutation_scene s;
    memset(&s, 0, sizeof s);
    s.n = n;
    s.deform = deform;
    s.scheme = scheme;
    s.chord = chord;
    s.steps = s.last = steps;
    s.substeps = substeps;
    s.bar = RGI_BAR_GIVEN;
    s.h = deform ? 0.004 : 0.008;
    for (int i = 0; i < n; i++) {
        s.order[i] = i;
        s.first[i] = i + 1 < n ? i + 1 : -1;
        s.second[i] = i + 2 < n ? i + 2 : -1;
        if (i % 3 == 1) continue;
        s.free_markers[s.n_free] = s.n_markers;
        s.n_free += i % 4 != 3;
        s.marker_vertices[s.n_markers++] = i;
    }
    mutation_grip_make(&s, grip);
    mutation_coefficients(&s, &seed);
    mutation_start(&s, &seed);
    for (int k = 0; k < 2 * s.n_markers; k++) s.offset[k] = mutation_between(&seed, -0.01, 0.01);
    mutation_drive(&s, &seed);
    return s;
}

static inline int mutation_frames(const mutation_scene *s) { return s->steps / s->substeps; }
static inline int mutation_frame_size(const mutation_scene *s) { return 7 * s->n - 1 + 3 * s->n_markers; }

/* where each kind of input begins in the flat vector; its end is the next one's begin */
static inline void mutation_places(const mutation_scene *s, int *begin)
{
    const int n = s->n;
    begin[0] = 0;
    for (int q = 0; q < MUTATION_KINDS; q++) {
        int count = q < RGI_NC ? n : s->n_markers;
        if (q == MUTATION_X0 || q == MUTATION_V0) count = 3 * n;
        if (q == MUTATION_TURN0) count = n - 1;
        if (q == MUTATION_DRIVE_X) count = 3 * s->n_fixed_x * s->steps;
        if (q == MUTATION_DRIVE_TURN) count = s->n_fixed_theta * s->steps;
        if (q == MUTATION_FORCE) count = 3 * n * s->steps;
        begin[q + 1] = begin[q] + count;
    }
}

/* the size of an input's changes, in its own unit: of a length, a speed, an angle, a force, or its
 * own */
static inline double mutation_natural(int kind)
{
    static const double size[MUTATION_KINDS] = {500.0, 0.05, 0.01, 0.004, 0.001, 0.004, 0.3,   0.3,
                                                0.005, 0.5,  20.0, 0.004, 0.3,   0.005, 0.003, 1.0,
                                                0.01,  0.01, 0.01, 0.5,   0.3,   0.01,  0.3,   0.02};
    return size[kind];
}

/* does this kind of input move nothing: without stretch, inertia, rates or memory, or nothing held? */
static inline int mutation_idle(const mutation_scene *s, int kind)
{
    static const int slow[] = {RGI_TS, RGI_TB, RGI_TT, RGI_RM, RGI_LM, RGI_C, MUTATION_V0, MUTATION_TURN0};
    for (size_t k = 0; s->scheme == 2 && k < sizeof slow / sizeof *slow; k++)
        if (slow[k] == kind) return 1;
    /* the start makes the first step's velocity only */
    if (s->scheme == 2 && s->substeps > 1 && kind == MUTATION_X0) return 1;
    if (s->deform && (kind == RGI_KL || kind == RGI_TS)) return 1;
    return s->n_fixed_x == 0 && (kind == MUTATION_DRIVE_X || kind == MUTATION_DRIVE_TURN);
}

/* a random direction of one kind of input, or with kind < 0 of all */
static inline void mutation_direction(const mutation_scene *s, int kind, uint64_t *seed, double *v)
{
    int begin[MUTATION_KINDS + 1];
    mutation_places(s, begin);
    memset(v, 0, MUTATION_IN * sizeof *v);
    for (int q = 0; q < MUTATION_KINDS; q++)
        for (int i = begin[q]; i < begin[q + 1]; i++)
            if (kind < 0 || kind == q) v[i] = mutation_natural(q) * random_signed(seed);
}

/* a random cotangent of the outputs */
static inline void mutation_cotangent(const mutation_scene *s, uint64_t *seed, double *w)
{
    const int n = s->n, size = mutation_frame_size(s);
    for (int f = 0; f < mutation_frames(s); f++)
        for (int i = 0; i < size; i++)
            w[f * size + i] = random_signed(seed) * (i < 3 * n ? 1.0 : i < 6 * n ? 0.01 : i < 7 * n - 1 ? 0.05 : 1.0);
}

static inline rgi_series mutation_series(const void *data, int items)
{
    rgi_series a = {(void *)(uintptr_t)data, 0, items, 1};
    return a;
}

/* what does not depend on the instantiation's numbers */
static inline rgi_pack mutation_shape(const mutation_scene *s)
{
    rgi_pack p;
    memset(&p, 0, sizeof p);
    p.n = s->n;
    p.rods = 1;
    p.order = s->order;
    p.first = s->first;
    p.second = s->second;
    p.fixed = s->fixed;
    p.n_markers = s->n_markers;
    p.marker_vertices = s->marker_vertices;
    p.h = s->h;
    p.gravity[0] = 1.0;
    p.gravity[2] = -9.81;
    /* static: Newton's last move, what is left is of the order of its square; else what is
     * left, and the last move is the root of it */
    p.tolerance = s->scheme == 2 ? 1e-12 : 1e-24;
    p.max_iterations = 60;
    p.bdf2 = s->scheme == 1;
    p.still = s->scheme == 2;
    p.deform = s->deform;
    p.sweeps = MUTATION_SWEEPS;
    p.substeps = s->substeps;
    p.n_steps = s->steps;
    p.n_fixed_x = s->n_fixed_x;
    p.n_fixed_theta = s->n_fixed_theta;
    p.fixed_x = s->fixed_x;
    p.fixed_theta = s->fixed_theta;
    return p;
}

/* a pack of one rod in doubles, with direction 0, its outputs and everything of the reverse run */
typedef struct mutation_bench {
    const mutation_scene *s;
    rgi_pack pack;
    rgi_plan plan;
    int entry_begin[2];
    rgi_pack_entry entries[MUTATION_NODES * (RGI_NC + 2)];
    double values[MUTATION_NODES * (RGI_NC + 2)], steps, status[RGI_STATUS], adjoint_status[3];
    double dx0[3 * MUTATION_NODES], dv0[3 * MUTATION_NODES], dturn0[MUTATION_NODES];
    double ddrive_x[MUTATION_STEPS * 3 * MUTATION_NODES], ddrive_turn[MUTATION_STEPS * MUTATION_NODES];
    double dforce[MUTATION_STEPS * 3 * MUTATION_NODES];
    double out[MUTATION_OUT], dout[MUTATION_OUT], bar[MUTATION_OUT], m[MUTATION_OUT];
    double jvp[MUTATION_STEPS * 3 * MUTATION_NODES], recorded[MUTATION_STEPS * 3 * MUTATION_NODES];
    double weight[MUTATION_STEPS * MUTATION_NODES], normal[1], gradients[1], loss[4], share[2];
    double coef_bar[MUTATION_NODES * RGI_NC], offset_bar[2 * MUTATION_NODES];
    double x0_bar[3 * MUTATION_NODES], v0_bar[3 * MUTATION_NODES], turn0_bar[MUTATION_NODES];
    double drive_x_bar[MUTATION_STEPS * 3 * MUTATION_NODES];
    double drive_turn_bar[MUTATION_STEPS * MUTATION_NODES];
    double force_bar[MUTATION_STEPS * 3 * MUTATION_NODES];
    double kept[MUTATION_STATE * (MUTATION_STEPS + 2)];
    double *workspace;
} mutation_bench;

/* b holds pointers into itself; release b->workspace */
static inline void mutation_bench_make(mutation_bench *b, const mutation_scene *s,
                                       size_t (*workspace)(const rgi_pack *))
{
    const int n = s->n, size = mutation_frame_size(s);
    memset(b, 0, sizeof *b);
    rgi_pack *p = &b->pack;
    *p = mutation_shape(s);
    b->s = s;
    b->steps = s->last;
    b->plan.levels = 1;
    b->plan.length[0] = s->steps;
    p->lane_steps = &b->steps;
    p->coef = s->coef;
    p->offset = s->offset;
    p->x0 = s->x0;
    p->v0 = s->v0;
    p->m0 = s->m0;
    p->chord = s->chord ? s->from : NULL;
    p->drive_x = mutation_series(s->drive_x, 3 * s->n_fixed_x);
    p->drive_m = mutation_series(s->drive_m, 3 * s->n_fixed_theta);
    p->force = mutation_series(s->force, 3 * n);
    p->status = b->status;
    p->out_x = mutation_series(b->out, size);
    p->out_v = mutation_series(b->out + 3 * n, size);
    p->out_m = mutation_series(b->m, 3 * n - 3);
    p->out_markers = mutation_series(b->out + 7 * n - 1, size);
    for (int i = 0; i < n * RGI_NC + 2 * s->n_markers; i++) {
        const int o = i - n * RGI_NC;
        b->entries[i].node = o < 0 ? i / RGI_NC : o / 2;
        b->entries[i].coefficient = o < 0 ? i % RGI_NC : (o % 2 ? RGI_O2 : RGI_O1);
    }
    b->entry_begin[1] = n * RGI_NC + 2 * s->n_markers;
    p->n_directions = 1;
    p->entry_begin = b->entry_begin;
    p->entries = b->entries;
    p->entry_values = b->values;
    p->dx0 = b->dx0;
    p->dv0 = b->dv0;
    p->dturn0 = b->dturn0;
    p->markers_jvp = b->jvp;
    p->ddrive_x = mutation_series(b->ddrive_x, 3 * s->n_fixed_x);
    p->ddrive_turn = mutation_series(b->ddrive_turn, s->n_fixed_theta);
    p->dforce = mutation_series(b->dforce, 3 * n);
    p->out_dx = mutation_series(b->dout, size);
    p->out_dv = mutation_series(b->dout + 3 * n, size);
    p->out_dturn = mutation_series(b->dout + 6 * n, size);
    p->out_dmarkers = mutation_series(b->dout + 7 * n - 1, size);
    if (s->bar == RGI_BAR_GIVEN) {
        p->x_bar = mutation_series(b->bar, size);
        p->v_bar = mutation_series(b->bar + 3 * n, size);
        p->turn_bar = mutation_series(b->bar + 6 * n, size);
        p->markers_bar = mutation_series(b->bar + 7 * n - 1, size);
    } else {
        p->n_free = s->n_free;
        p->free_markers = s->free_markers;
        p->recorded = b->recorded;
        p->weight = b->weight;
        b->share[0] = b->share[1] = 1.0;
        p->share = b->share;
        p->floor = 0.003;
        p->block = s->steps;
        p->normal = b->normal;
        p->gradients = b->gradients;
        p->loss = b->loss;
    }
    p->bar = s->bar;
    p->plan = &b->plan;
    p->kept = b->kept;
    p->want_coef = p->want_start = 1;
    p->coef_bar = b->coef_bar;
    p->offset_bar = b->offset_bar;
    p->x0_bar = b->x0_bar;
    p->v0_bar = b->v0_bar;
    p->turn0_bar = b->turn0_bar;
    p->drive_x_bar = mutation_series(b->drive_x_bar, 3 * s->n_fixed_x);
    p->drive_turn_bar = mutation_series(b->drive_turn_bar, s->n_fixed_theta);
    p->force_bar = mutation_series(b->force_bar, 3 * n);
    p->adjoint_status = b->adjoint_status;
    b->workspace = calloc(workspace(p), sizeof *b->workspace);
    if (!b->workspace) abort();
    p->workspace = b->workspace;
}

/* the rollout along the direction v: outputs, and what becomes of v in dout; returns the rod's flag
 */
static inline int mutation_forward(mutation_bench *b, void (*run)(const rgi_pack *), const double *v)
{
    const mutation_scene *s = b->s;
    const int n = s->n;
    int at[MUTATION_KINDS + 1];
    mutation_places(s, at);
    for (int i = 0; i < n; i++)
        for (int q = 0; q < RGI_NC; q++) b->values[RGI_NC * i + q] = v[at[q] + i];
    for (int k = 0; k < s->n_markers; k++)
        for (int c = 0; c < 2; c++) b->values[n * RGI_NC + 2 * k + c] = v[at[MUTATION_O1 + c] + k];
    double *to[] = {b->dx0, b->dv0, b->dturn0, b->ddrive_x, b->ddrive_turn, b->dforce};
    for (int q = 0; q < 6; q++)
        for (int i = at[MUTATION_X0 + q]; i < at[MUTATION_X0 + q + 1]; i++) to[q][i - at[MUTATION_X0 + q]] = v[i];
    b->normal[0] = b->gradients[0] = 0.0;
    for (int i = 0; i < 4; i++) b->loss[i] = 0.0;
    run(&b->pack);
    return (int)b->status[0];
}

/* the rollout backwards from b->bar, or what the scene has for it; the gradient g [MUTATION_IN] */
static inline void mutation_backward(mutation_bench *b, void (*reverse)(const rgi_pack *), double *g)
{
    const mutation_scene *s = b->s;
    const int n = s->n;
    int at[MUTATION_KINDS + 1];
    mutation_places(s, at);
    reverse(&b->pack);
    for (int i = 0; i < n; i++)
        for (int q = 0; q < RGI_NC; q++) g[at[q] + i] = b->coef_bar[RGI_NC * i + q];
    for (int k = 0; k < s->n_markers; k++)
        for (int c = 0; c < 2; c++) g[at[MUTATION_O1 + c] + k] = b->offset_bar[2 * k + c];
    const double *from[] = {b->x0_bar, b->v0_bar, b->turn0_bar, b->drive_x_bar, b->drive_turn_bar, b->force_bar};
    for (int q = 0; q < 6; q++)
        for (int i = at[MUTATION_X0 + q]; i < at[MUTATION_X0 + q + 1]; i++) g[i] = from[q][i - at[MUTATION_X0 + q]];
}

#endif
