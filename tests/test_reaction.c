/* test_reaction.c: what holds rods, forces and moments, and moments within them (rg_batch_outputs), against statics and
 * balances of momentum. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "probe_random.h"
#include "rodgrad/rodgrad.h"

static const double pi = 3.14159265358979323846, gravity = 9.81;

enum { MOST = 48, HELD = 4 };

/* a rod, what it is made of, its inputs and outputs of every frame (one step each) */
typedef struct setting {
    rg_model *model;
    rg_batch *batch;
    rg_batch_opts opts;
    size_t n, clamped, held, frames;
    const int *clamped_at, *held_at;
    double x0[MOST][3], v0[MOST][3], m0[MOST][3], *clamp_x, *clamp_m, *force;
    double *x, *v, *reaction, *moment, *within, *energy; /* within: of joints */
} setting;

typedef struct rod {
    double length, mass, stretch, bend, twist; /* edge [m], kg/m, N, N m^2, N m^2 */
    double stretch_s, bend_s, twist_s, drag;   /* relaxation times [s], 1/s */
} rod;

static double *numbers(size_t n)
{
    double *p = calloc(n ? n : 1, sizeof *p);
    if (!p) abort();
    return p;
}

/* a straight rod along x, clamps given, directors along z; open_batch then makes the batch */
static setting *make(size_t n, const int *clamps, size_t n_clamps, const rod *of, size_t frames)
{
    setting *s = calloc(1, sizeof *s);
    rg_error err = {0};
    if (!s || n > MOST) abort();
    if (rg_model_create(n, 1, clamps, n_clamps, &s->model, &err) != RG_OK) fail_msg("%s", err.text);
    const rg_field fields[] = {
        RG_REST_LENGTH,     RG_MASS_PER_LENGTH,    RG_STRETCH_STIFFNESS, RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2,
        RG_TWIST_STIFFNESS, RG_STRETCH_RELAXATION, RG_BEND_RELAXATION,   RG_TWIST_RELAXATION, RG_DRAG};
    const double values[] = {of->length, of->mass,      of->stretch, of->bend,    of->bend,
                             of->twist,  of->stretch_s, of->bend_s,  of->twist_s, of->drag};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t i = 0; i < rg_model_field_entries(s->model, fields[f]); i++)
            rg_model_field_data(s->model, fields[f])[i] = values[f];
    for (size_t i = 0; i < n; i++) rg_model_field_data(s->model, RG_MARKER_MASS)[i] = 0.0;
    for (size_t i = 0; i < n; i++) {
        s->x0[i][0] = of->length * (double)i;
        s->m0[i][2] = 1.0;
    }
    s->n = n;
    s->frames = frames;
    s->opts = rg_batch_opts_default();
    s->opts.n_frames = frames;
    s->opts.rollout.tolerance_m = 1e-13;
    s->opts.rollout.gravity[2] = -gravity;
    s->clamp_x = numbers(frames * 3 * n);
    s->clamp_m = numbers(frames * 3 * n);
    s->force = numbers(frames * 3 * n);
    s->x = numbers(frames * 3 * n);
    s->v = numbers(frames * 3 * n);
    s->reaction = numbers(frames * 3 * n);
    s->moment = numbers(frames * n);
    s->within = numbers(frames * 3 * n);
    s->energy = numbers(frames * 5);
    return s;
}

/* the batch; prescribed values are the start's in every frame, until a test says otherwise */
static void open_batch(setting *s)
{
    rg_error err = {0};
    if (rg_batch_create(s->model, 1, &s->opts, &s->batch, &err) != RG_OK) fail_msg("%s", err.text);
    s->clamped = rg_batch_clamped_vertices(s->batch, &s->clamped_at);
    s->held = rg_batch_clamped_edges(s->batch, &s->held_at);
    for (size_t f = 0; f < s->frames; f++) {
        for (size_t k = 0; k < s->clamped; k++)
            memcpy(s->clamp_x + 3 * (f * s->clamped + k), s->x0[s->clamped_at[k]], sizeof s->x0[0]);
        for (size_t k = 0; k < s->held; k++)
            memcpy(s->clamp_m + 3 * (f * s->held + k), s->m0[s->held_at[k]], sizeof s->m0[0]);
    }
}

static void close_setting(setting *s)
{
    double *const all[] = {s->clamp_x, s->clamp_m, s->force, s->x, s->v, s->reaction, s->moment, s->within, s->energy};
    rg_batch_destroy(&s->batch);
    rg_model_destroy(&s->model);
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) free(all[k]);
    free(s);
}

static rg_batch_inputs inputs_of(const setting *s)
{
    return (rg_batch_inputs){.x0 = s->x0[0],
                             .v0 = s->v0[0],
                             .m0 = s->m0[0],
                             .clamp_x = s->clamp_x,
                             .clamp_m = s->clamp_m,
                             .force = s->force};
}

static rg_rod_status try_run(setting *s)
{
    const rg_batch_inputs in = inputs_of(s);
    const rg_batch_outputs out = {.x = s->x,
                                  .v = s->v,
                                  .reaction = s->reaction,
                                  .reaction_moment = s->moment,
                                  .moment = s->within,
                                  .energy = s->energy};
    rg_rod_status status;
    rg_error err = {0};
    if (rg_batch_forward(s->batch, &in, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    return status;
}

static void run(setting *s)
{
    const rg_rod_status status = try_run(s);
    if (status.flag != RG_ROD_OK)
        fail_msg("%s in step %d, vertex %d", rg_rod_flag_text(status.flag), status.step, status.vertex);
}

/* what rg_hold_wrench says of the same, to round-off of sums of so many terms of their size */
static void same_wrench(const setting *s, size_t f, int first, int last, const double *c, const double *force,
                        const double *moment)
{
    double clamp_x[3 * HELD] = {0.0}, by_library[3], turn[3], alone[3], size = 0.0;
    size_t begin = 0, end = 0;
    rg_error err = {0};
    assert_true(s->clamped <= HELD);
    for (size_t k = 0; k < s->clamped; k++) {
        const double *x = s->x + 3 * (f * s->n + (size_t)s->clamped_at[k]), *r = s->reaction + 3 * (f * s->clamped + k);
        begin += s->clamped_at[k] < first;
        end += s->clamped_at[k] <= last;
        memcpy(clamp_x + 3 * k, x, 3 * sizeof *x);
        for (int d = 0; d < 3; d++)
            size += fabs(r[d]) * (1.0 + fabs(x[0] - c[0]) + fabs(x[1] - c[1]) + fabs(x[2] - c[2]));
    }
    const double *reaction = s->reaction + 3 * f * s->clamped, *turns = s->moment + f * s->held;
    for (size_t k = 0; k < s->held; k++) size += fabs(turns[k]);
    if (rg_hold_wrench(s->model, begin, end, clamp_x, reaction, turns, c, by_library, turn, &err) != RG_OK ||
        rg_hold_wrench(s->model, begin, end, NULL, reaction, NULL, NULL, alone, NULL, &err) != RG_OK)
        fail_msg("%s", err.text);
    for (int d = 0; d < 3; d++) {
        if (!(fabs(by_library[d] - force[d]) <= 1e-14 * size) || !(fabs(turn[d] - moment[d]) <= 1e-14 * size))
            fail_msg("rg_hold_wrench: %g N and %g N m instead of %g and %g", by_library[d], turn[d], force[d],
                     moment[d]);
        assert_true(alone[d] == by_library[d]);
    }
}

/* force and moment about the point c of what holds the rod in frame f, of all clamped vertices and edges from `first`
 * to `last` */
static void hold(const setting *s, size_t f, int first, int last, const double *c, double *force, double *moment)
{
    memset(force, 0, 3 * sizeof *force);
    memset(moment, 0, 3 * sizeof *moment);
    for (size_t k = 0; k < s->clamped; k++) {
        const int i = s->clamped_at[k];
        const double *r = s->reaction + 3 * (f * s->clamped + k), *x = s->x + 3 * (f * s->n + (size_t)i);
        if (i < first || i > last) continue;
        const double arm[3] = {x[0] - c[0], x[1] - c[1], x[2] - c[2]};
        double turn[3];
        cross(arm, r, turn);
        for (int d = 0; d < 3; d++) {
            force[d] += r[d];
            moment[d] += turn[d];
        }
    }
    for (size_t k = 0; k < s->held; k++) {
        const int i = s->held_at[k];
        const double *x = s->x + 3 * (f * s->n + (size_t)i), e[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
        double t[3];
        if (i < first || i >= last) continue;
        unit(e, t);
        for (int d = 0; d < 3; d++) moment[d] += s->moment[f * s->held + k] * t[d];
    }
    same_wrench(s, f, first, last, c, force, moment);
}

/* mass of vertex i: half of each edge next to it */
static double mass_of(const setting *s, const rod *of, size_t i)
{
    return of->mass * of->length * (i == 0 || i + 1 == s->n ? 0.5 : 1.0);
}

static const rod rope = {0.05, 0.04, 80.0, 1e-3, 1e-3, 0.002, 0.01, 0.02, 0.5};

/* at rest the holds carry the weight, wherever they are; also in single precision */
static void reaction_weight(void **state)
{
    (void)state;
    enum { N = 12 };
    static const int clamps[][HELD] = {{0}, {0, 1}, {0, 1, N - 2, N - 1}, {2, 5, 6, 11}};
    static const size_t counts[] = {1, 2, 4, 4};
    const double weight = gravity * rope.mass * rope.length * (N - 1);
    for (int single = 0; single < 2; single++)
        for (size_t k = 0; k < 4; k++) {
            const double origin[3] = {0.0, 0.0, 0.0};
            double force[3], moment[3];
            setting *s = make(N, clamps[k], counts[k], &rope, 1);
            s->opts.rollout.scheme = RG_SCHEME_STATIC;
            s->opts.rollout.real = single ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            /* hanging down, or between holds that are closer than the rod is long */
            for (size_t i = 0; i < N; i++) {
                s->x0[i][0] = k < 2 ? 0.0 : 0.8 * rope.length * (double)i;
                s->x0[i][2] = k < 2 ? -rope.length * (double)i : 0.0;
                s->m0[i][0] = k < 2 ? 1.0 : 0.0;
                s->m0[i][2] = k < 2 ? 0.0 : 1.0;
                if (k >= 2) s->x0[i][2] = -0.1 * sin(pi * (double)i / (N - 1));
            }
            if (k >= 2)
                for (size_t i = 0; i + 1 < N; i++) {
                    const double e[3] = {s->x0[i + 1][0] - s->x0[i][0], 0.0, s->x0[i + 1][2] - s->x0[i][2]};
                    const double across[3] = {-e[2], 0.0, e[0]};
                    unit(across, s->m0[i]);
                }
            open_batch(s);
            run(s);
            hold(s, 0, 0, N, origin, force, moment);
            /* equilibrium to 1e-13 m times 1600 N/m; single precision: tensions are 1e-7 of 1600 N/m times 0.05 m */
            const double bar = single ? 1e-4 : 1e-9;
            if (!(fabs(force[0]) <= bar && fabs(force[1]) <= bar && fabs(force[2] - weight) <= bar))
                fail_msg("clamps %zu, real %d: %.12g %.12g %.12g N, not %.12g", k, single, force[0], force[1], force[2],
                         weight);
            close_setting(s);
        }
}

/* A rod in motion, damped, with drag, external forces and holds that move, tilt and turn. In each step the holds' force
 * is the momentum's change, drag, less gravity and external forces; and their moment about the origin the same of the
 * angular momentum, because the internal forces turn nothing. */
static void balance(rg_scheme scheme, rg_bend_measure measure, double *most_force, double *most_moment)
{
    enum { N = 12, FRAMES = 25 };
    static const int clamps[] = {0, 1, N - 2, N - 1};
    const double h = 0.01, origin[3] = {0.0, 0.0, 0.0};
    uint64_t seed = 7;
    double moved = 0.0, turned = 0.0;
    setting *s = make(N, clamps, HELD, &rope, FRAMES);
    s->opts.dt_s = h;
    s->opts.rollout.scheme = scheme;
    rg_error err = {0};
    if (rg_model_set_bend_measure(s->model, measure, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < N; i++) {
        s->x0[i][0] *= 0.9;
        for (int c = 0; c < 3; c++) s->v0[i][c] = 0.1 * random_signed(&seed);
    }
    open_batch(s);
    for (size_t f = 0; f < FRAMES; f++) {
        const double at = h * (double)(f + 1), tilt = 0.4 * sin(9.0 * at), turn = 3.0 * at;
        for (int c = 0; c < 3; c++)
            for (size_t i = 0; i < N; i++) s->force[3 * (f * N + i) + (size_t)c] = 0.02 * random_signed(&seed);
        /* the second hold */
        double *a = s->clamp_x + 3 * (f * HELD + 2), *m = s->clamp_m + 3 * (f * 2 + 1);
        const double t[3] = {cos(tilt), sin(tilt), 0.0}, across[3] = {-sin(tilt), cos(tilt), 0.0};
        for (int c = 0; c < 3; c++) a[c] = s->x0[N - 2][c] + 0.03 * sin(12.0 * at) * (double)(c + 1);
        for (int c = 0; c < 3; c++) a[3 + c] = a[c] + rope.length * t[c];
        for (int c = 0; c < 3; c++) m[c] = sin(turn) * across[c] + (c == 2 ? cos(turn) : 0.0);
    }
    run(s);
    for (size_t f = 2; f < FRAMES; f++) {
        double force[3], moment[3], want[3] = {0.0}, want_moment[3] = {0.0}, d[3], by[3];
        hold(s, f, 0, N, origin, force, moment);
        for (size_t i = 0; i < N; i++) {
            const double *v = s->v + 3 * (f * N + i), *v1 = v - 3 * N, *v2 = v1 - 3 * N, mass = mass_of(s, &rope, i);
            for (int c = 0; c < 3; c++) {
                const double slope =
                    scheme == RG_SCHEME_BE ? (v[c] - v1[c]) / h : (3.0 * v[c] - 4.0 * v1[c] + v2[c]) / (2.0 * h);
                d[c] = mass * (slope + rope.drag * v[c] + (c == 2 ? gravity : 0.0)) -
                       s->force[3 * (f * N + i) + (size_t)c];
                want[c] += d[c];
            }
            cross(s->x + 3 * (f * N + i), d, by);
            for (int c = 0; c < 3; c++) want_moment[c] += by[c];
        }
        for (int c = 0; c < 3; c++) {
            *most_force = fmax(*most_force, fabs(force[c] - want[c]));
            *most_moment = fmax(*most_moment, fabs(moment[c] - want_moment[c]));
            moved = fmax(moved, fabs(force[c]));
        }
        turned = fmax(turned, fabs(s->moment[f * s->held + 1]));
    }
    /* there is something to see */
    if (!(moved > 0.5 && turned > 1e-3)) fail_msg("at most %g N, %g N m", moved, turned);
    close_setting(s);
}

static void reaction_momentum(void **state)
{
    (void)state;
    static const rg_scheme schemes[] = {RG_SCHEME_BE, RG_SCHEME_BDF2};
    static const rg_bend_measure measures[] = {RG_BEND_AVERAGED, RG_BEND_NORMALISED};
    for (int k = 0; k < 4; k++) {
        double force = 0.0, moment = 0.0;
        balance(schemes[k % 2], measures[k / 2], &force, &moment);
        print_message("scheme %d, measure %d: momentum to %.1e N, angular momentum to %.1e N m\n", k % 2, k / 2, force,
                      moment);
        /* Newton's end, 1e-13 m, times 1600 N/m and twelve vertices; velocities are differences over h */
        assert_true(force <= 1e-8 && moment <= 1e-8);
    }
}

/* the discrete catenary: n links with a lump of weight at every joint; link j has the tension of its middle; x and z of
 * the far end, in lengths, for the reaction (h, v) at the near one, in weights; stretch: EA over the weight */
static void chain(double h, double v, int n, double stretch, double *x, double *z)
{
    *x = *z = 0.0;
    for (int j = 0; j < n; j++) {
        const double vertical = v - (j + 0.5) / n, pull = hypot(h, vertical);
        const double share = (1.0 / pull + 1.0 / stretch) / n;
        *x += share * h;
        *z -= share * vertical;
    }
}

/* A cable between two hinges: horizontal and vertical forces. n links meet the discrete catenary's, but for bending;
 * and the continuous one's, H from span and sag of Irvine's equations, to the links' error. */
static void reaction_catenary(void **state)
{
    (void)state;
    enum { N = 41 };
    const double span = 0.7, stretch = 20.0;
    for (int k = 0; k < 2; k++) {
        const double rise = k ? 0.3 : 0.0;
        const int clamps[] = {0, N - 1};
        /* 1 m long, of weight 1 N */
        const rod cable = {1.0 / (N - 1), 1.0 / gravity, stretch, 1e-9, 1e-9, 0.0, 0.0, 0.0, 0.0};
        setting *s = make(N, clamps, 2, &cable, 1);
        s->opts.rollout.scheme = RG_SCHEME_STATIC;
        for (size_t i = 0; i < N; i++) {
            const double at = (double)i / (N - 1);
            s->x0[i][0] = span * at;
            s->x0[i][2] = rise * at - 1.2 * at * (1.0 - at);
            s->m0[i][1] = 1.0;
            s->m0[i][2] = 0.0;
        }
        open_batch(s);
        run(s);
        /* the reaction at the near end; the far end of a chain with that reaction is where the cable's is */
        const double *r = s->reaction, h = -r[0], v = r[2];
        double x, z;
        chain(h, v, N - 1, stretch, &x, &z);
        print_message("rise %g: H %.6f, V %.6f of the weight; the chain's far end off by %.1e, %.1e lengths\n", rise, h,
                      v, x - span, z - rise);
        /* bending: 1e-9 times a curvature of 10 over H L = 0.3 */
        assert_true(fabs(x - span) <= 1e-6 && fabs(z - rise) <= 1e-6);
        assert_true(fabs(r[0] + r[3]) <= 1e-9 && fabs(r[2] + r[5] - 1.0) <= 1e-9);
        assert_true(fabs(r[1]) <= 1e-9 && fabs(r[4]) <= 1e-9);
        /* Irvine: x(1) = h/EA + h (asinh(v/h) - asinh((v - 1)/h)); links miss h^2/24 */
        const double irvine = h / stretch + h * (asinh(v / h) - asinh((v - 1.0) / h));
        assert_true(fabs(irvine - span) <= 1e-3);
        if (k == 0) assert_true(fabs(v - 0.5) <= 1e-9);
        close_setting(s);
    }
}

/* A cantilever with a load at its tip: the clamp's force is the load, its moment about the second vertex the load
 * times its arm; while it bends little that is P L, in which the two vertices' forces are a couple of P L/edge. */
static void reaction_cantilever(void **state)
{
    (void)state;
    enum { N = 21 };
    static const int clamps[] = {0, 1};
    const double load = 1e-3, length = 0.05 * (N - 2);
    const rod beam = {0.05, 0.04, 2e3, 0.5, 0.4, 0.0, 0.0, 0.0, 0.0};
    setting *s = make(N, clamps, 2, &beam, 1);
    s->opts.rollout.scheme = RG_SCHEME_STATIC;
    s->opts.rollout.gravity[2] = 0.0;
    open_batch(s);
    s->force[3 * (N - 1) + 2] = -load;
    run(s);
    double force[3], moment[3];
    const double *tip = s->x + 3 * (N - 1), *root = s->x + 3;
    hold(s, 0, 0, 1, root, force, moment);
    /* the load acts at the tip: (tip - root) x (0, 0, -load), which the clamp balances */
    const double want[3] = {load * (tip[1] - root[1]), -load * (tip[0] - root[0]), 0.0};
    print_message("cantilever: %.12g N, %.12g N m about y, load times length %.12g\n", force[2], moment[1],
                  load * length);
    for (int c = 0; c < 3; c++) assert_true(fabs(moment[c] - want[c]) <= 1e-11);
    assert_true(fabs(force[0]) <= 1e-10 && fabs(force[1]) <= 1e-10 && fabs(force[2] - load) <= 1e-10);
    /* it sinks by P L^3/(3 EI) = 0.6 mm, which shortens the arm by 3/5 of that squared over L */
    assert_true(fabs(moment[1] + load * length) <= 1e-6 * load * length);
    assert_true(fabs(s->reaction[2] + load * length / 0.05) <= 1e-5 * load * length / 0.05);
    /* of a linear spring the load's work is half of load times way, all in bending */
    const double work = -0.5 * load * tip[2];
    assert_true(fabs(s->energy[2] - work) <= 1e-5 * work && s->energy[1] <= 1e-5 * work);
    close_setting(s);
}

/* A cantilever that a load at its tip bends by a quarter of a circle and more. Turning the rod beyond vertex i by a
 * small angle about it costs the load's moment, (tip - x_i) x load, and gives the joint d kappa = (1 + kappa^2/4) d
 * angle, kappa = 2 tan(angle/2): the moment times that is the load's. */
static void moment_cantilever(void **state)
{
    (void)state;
    enum { N = 21 };
    static const int clamps[] = {0, 1};
    const double load = 3.0;
    const rod beam = {0.05, 0.04, 2e5, 0.5, 0.4, 0.0, 0.0, 0.0, 0.0};
    setting *s = make(N, clamps, 2, &beam, 1);
    s->opts.rollout.scheme = RG_SCHEME_STATIC;
    s->opts.rollout.gravity[2] = 0.0;
    open_batch(s);
    s->force[3 * (N - 1) + 2] = -load;
    run(s);
    const double *tip = s->x + 3 * (N - 1), *w = s->within;
    double worst = 0.0, slope = 0.0;
    for (size_t i = 1; i + 1 < N; i++) {
        const double *x = s->x + 3 * i, e[3] = {x[0] - x[-3], 0.0, x[2] - x[-1]},
                     f[3] = {x[3] - x[0], 0.0, x[5] - x[2]};
        const double angle = atan2(e[2], e[0]) - atan2(f[2], f[0]), kappa = 2.0 * tan(0.5 * angle);
        /* the load turns towards y, which is -m2: t = x, m1 = z at the start */
        const double want = -load * (tip[0] - x[0]) / (1.0 + 0.25 * kappa * kappa);
        worst = fmax(worst, fabs(w[3 * i] - want));
        assert_true(fabs(w[3 * i + 1]) <= 1e-12 && fabs(w[3 * i + 2]) <= 1e-12);
        slope += angle;
    }
    print_message("bent by %.2f rad, moments up to %.3f N m to %.1e\n", slope, fabs(w[3]), worst);
    /* equilibrium to 1e-13 m times 4e6 N/m times arms of up to 1 m */
    assert_true(slope > 1.0 && worst <= 1e-6);
    for (int c = 0; c < 3; c++) assert_true(w[c] == 0.0 && w[3 * (N - 1) + c] == 0.0);
    close_setting(s);
}

/* A rod swings from its first vertex, bends, stretches and twists, without damping: kinetic energy and that of weight
 * are sums of outputs, and all energies together stay, but for what BDF2 takes, of order 2 in the step. */
static double energy_lost(size_t frames, double seconds)
{
    enum { N = 12 };
    static const int clamps[] = {0};
    const rod free = {0.05, 0.04, 80.0, 1e-3, 2e-3, 0.0, 0.0, 0.0, 0.0};
    const double h = seconds / (double)frames;
    setting *s = make(N, clamps, 1, &free, frames);
    s->opts.dt_s = h;
    for (size_t i = 1; i < N; i++) s->v0[i][1] = 0.2 * sin(0.4 * (double)i);
    open_batch(s);
    run(s);
    for (size_t f = 0; f < frames; f++) {
        double kinetic = 0.0, weight = 0.0;
        for (size_t i = 0; i < N; i++) {
            const double *v = s->v + 3 * (f * N + i);
            kinetic += 0.5 * mass_of(s, &free, i) * dot(v, v);
            weight += mass_of(s, &free, i) * gravity * s->x[3 * (f * N + i) + 2];
        }
        assert_true(fabs(s->energy[5 * f] - kinetic) <= 1e-15 && fabs(s->energy[5 * f + 4] - weight) <= 1e-15);
    }
    double first = 0.0, last = 0.0;
    for (int k = 0; k < 5; k++) {
        first += s->energy[5 * (frames / 10) + (size_t)k];
        last += s->energy[5 * (frames - 1) + (size_t)k];
    }
    close_setting(s);
    return first - last;
}

static void energy_stays(void **state)
{
    (void)state;
    const double coarse = energy_lost(400, 0.2), fine = energy_lost(1600, 0.2);
    print_message("energy lost in 0.2 s: %.2e J in steps of 1/2 ms, %.2e in steps of 1/8 ms\n", coarse, fine);
    assert_true(fabs(coarse) <= 1e-6 && fabs(fine) <= 0.1 * fabs(coarse));
}

/* A straight rod held at both ends and twisted by an angle: the hold at the far end turns its edge by GJ angle/length
 * about the tangent, the near one as much the other way. */
static void reaction_twist(void **state)
{
    (void)state;
    enum { N = 9 };
    static const int clamps[] = {0, 1, N - 2, N - 1};
    const double angle = 0.6;
    setting *s = make(N, clamps, HELD, &rope, 1);
    s->opts.rollout.scheme = RG_SCHEME_STATIC;
    s->opts.rollout.gravity[2] = 0.0;
    open_batch(s);
    /* about x: from z towards -y */
    s->clamp_m[3] = 0.0;
    s->clamp_m[4] = -sin(angle);
    s->clamp_m[5] = cos(angle);
    run(s);
    /* joints 1 to N - 2, an edge's length each */
    const double torque = rope.twist * angle / (rope.length * (N - 2));
    assert_int_equal(s->held, 2);
    print_message("twist: %.15g and %.15g N m, %.15g\n", s->moment[0], s->moment[1], torque);
    assert_true(fabs(s->moment[0] + torque) <= 1e-14 && fabs(s->moment[1] - torque) <= 1e-14);
    for (size_t k = 0; k < 3 * s->clamped; k++) assert_true(fabs(s->reaction[k]) <= 1e-10);
    assert_true(fabs(s->energy[3] - 0.5 * torque * angle) <= 1e-15);
    /* and every joint in between has it */
    for (size_t i = 1; i + 1 < N; i++) assert_true(fabs(s->within[3 * i + 2] - torque) <= 1e-14);
    close_setting(s);
}

/* a rod that failed has none from then on */
static void reaction_of_failed_rod(void **state)
{
    (void)state;
    enum { N = 12, FRAMES = 6 };
    static const int clamps[] = {0, 1};
    setting *s = make(N, clamps, 2, &rope, FRAMES);
    open_batch(s);
    s->clamp_x[3 * 6 + 2] = (double)NAN;
    const rg_rod_status status = try_run(s);
    assert_int_equal(status.flag, RG_ROD_NONFINITE);
    assert_int_equal(status.step, 3);
    for (int f = 0; f < FRAMES; f++) {
        assert_true(f < 3 ? s->reaction[6 * f + 2] != 0.0 : s->reaction[6 * f + 2] == 0.0);
        assert_true(f < 3 || s->moment[f] == 0.0);
        assert_true(f < 3 ? s->within[3 * (N * f + 2)] != 0.0 : s->within[3 * (N * f + 2)] == 0.0);
    }
    close_setting(s);
}

/* the deform stepper has none, and says so */
static void reaction_refused(void **state)
{
    (void)state;
    static const int clamps[] = {0, 1};
    setting *s = make(12, clamps, 2, &rope, 1);
    s->opts.rollout.stepper = RG_STEPPER_DEFORM;
    open_batch(s);
    const rg_batch_inputs in = inputs_of(s);
    const rg_batch_tangents still = {.x0 = s->x0[0]};
    const rg_batch_gradients g = {.x0 = s->x};
    const rg_batch_outputs none = {.x = s->x};
    rg_error err = {0};
    for (int k = 0; k < 4; k++) {
        const rg_batch_outputs out = {.reaction = k == 0 ? s->reaction : NULL,
                                      .reaction_moment = k == 1 ? s->moment : NULL,
                                      .moment = k == 2 ? s->within : NULL,
                                      .energy = k == 3 ? s->energy : NULL};
        const rg_batch_tangent_outputs d_out = {.reaction = out.reaction,
                                                .reaction_moment = out.reaction_moment,
                                                .moment = out.moment,
                                                .energy = out.energy};
        const rg_batch_cotangents bar = {.reaction = out.reaction,
                                         .reaction_moment = out.reaction_moment,
                                         .moment = out.moment,
                                         .energy = out.energy};
        assert_int_equal(rg_batch_forward(s->batch, &in, &out, NULL, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "no reactions"));
        assert_int_equal(rg_batch_jvp(s->batch, &in, &still, &none, &d_out, NULL, &err), RG_ERR_ARGUMENT);
        assert_int_equal(rg_batch_forward(s->batch, &in, &none, NULL, &err), RG_OK);
        assert_int_equal(rg_batch_adjoint(s->batch, &bar, &g, NULL, &err), RG_ERR_ARGUMENT);
    }
    close_setting(s);
}

/* a gripper's edges count where both of their clamps are its own; what is missing or nowhere is said */
static void reaction_wrench(void **state)
{
    (void)state;
    static const int clamps[] = {0, 1, 2, 6, 7};
    static const double x[5][3] = {{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {5, 0, 0}, {5, 0, 2}};
    static const double r[5][3] = {{0, 0, 1}, {0, 2, 0}, {0, 0, 4}, {0, 0, 8}, {16, 0, 0}};
    const double turns[3] = {0.5, 0.25, 0.125}, c[3] = {1, 0, 0}, none[3] = {NAN, NAN, NAN};
    double force[3], moment[3];
    rg_error err = {0};
    rg_model *model = NULL;
    assert_int_equal(rg_model_create(8, 1, clamps, 5, &model, &err), RG_OK);
    static const struct {
        size_t first, end;
        double force[3], moment[3];
    } holds[] = {
        {0, 3, {0, 2, 5}, {4 + 0.5, 1 + 0.25, 0}}, {0, 1, {0, 0, 1}, {0, 1, 0}},
        {1, 3, {0, 2, 4}, {4, 0.25, 0}},           {3, 5, {16, 0, 8}, {0, -32 + 32, 0.125}},
        {2, 4, {0, 0, 12}, {4, -32, 0}},           {0, 5, {16, 2, 13}, {4.5, 1 + 0.25 - 32 + 32, 0.125}},
    };
    for (size_t i = 0; i < sizeof holds / sizeof *holds; i++) {
        assert_int_equal(rg_hold_wrench(model, holds[i].first, holds[i].end, x[0], r[0], turns, c, force, moment, &err),
                         RG_OK);
        for (int d = 0; d < 3; d++) assert_true(force[d] == holds[i].force[d] && moment[d] == holds[i].moment[d]);
    }
    /* no edge among these clamps */
    assert_int_equal(rg_hold_wrench(model, 2, 4, x[0], r[0], NULL, c, NULL, moment, &err), RG_OK);
    assert_true(moment[0] == 4 && moment[1] == -32);
    assert_int_equal(rg_hold_wrench(model, 0, 1, x[0], none, NULL, c, force, moment, &err), RG_OK);
    assert_true(isnan(force[0]) && isnan(moment[1]));

    double twice[5][3];
    memcpy(twice, x, sizeof x);
    memcpy(twice[4], x[3], sizeof x[3]);
    const struct {
        size_t first, end;
        const double *x, *r, *turns, *point;
        rg_status status;
        const char *says;
    } wrong[] = {{0, 6, x[0], r[0], turns, c, RG_ERR_ARGUMENT, "clamps 0 to 6"},
                 {2, 2, x[0], r[0], turns, c, RG_ERR_ARGUMENT, "clamps 2 to 2"},
                 {0, 3, x[0], NULL, turns, c, RG_ERR_ARGUMENT, "reactions"},
                 {0, 3, NULL, r[0], turns, c, RG_ERR_ARGUMENT, "clamp_x"},
                 {0, 3, x[0], r[0], turns, NULL, RG_ERR_ARGUMENT, "point"},
                 {0, 3, x[0], r[0], NULL, c, RG_ERR_ARGUMENT, "reaction_moment"},
                 {3, 5, twice[0], r[0], turns, c, RG_ERR_VALUE, "clamps 3 and 4 are at one place"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        force[0] = moment[0] = 7.0;
        assert_int_equal(rg_hold_wrench(model, wrong[i].first, wrong[i].end, wrong[i].x, wrong[i].r, wrong[i].turns,
                                        wrong[i].point, force, moment, &err),
                         wrong[i].status);
        assert_non_null(strstr(err.text, wrong[i].says));
        assert_true(force[0] == 7.0 && moment[0] == 7.0);
    }
    assert_int_equal(rg_hold_wrench(model, 0, 1, x[0], r[0], NULL, c, NULL, NULL, &err), RG_ERR_ARGUMENT);
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reaction_wrench),        cmocka_unit_test(reaction_weight),
                                       cmocka_unit_test(reaction_momentum),      cmocka_unit_test(reaction_catenary),
                                       cmocka_unit_test(reaction_cantilever),    cmocka_unit_test(moment_cantilever),
                                       cmocka_unit_test(energy_stays),           cmocka_unit_test(reaction_twist),
                                       cmocka_unit_test(reaction_of_failed_rod), cmocka_unit_test(reaction_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
