/* test_statics.c: rollouts against rod theory: statics reached by damped motion, the first mode's
 * frequency and decay, orders in space and time, and a rod that is bent by nature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "rods.h"

#define GRAVITY 9.81

/* a uniform, isotropic rod without damping or markers' masses */
typedef struct uniform {
    double density, stretch, bend, twist; /* [kg/m], [N], [N m^2], [N m^2] */
} uniform;

static void set_all(rg_model *m, rg_field field, double value)
{
    double *at = rg_model_field_data(m, field);
    size_t n = rg_model_field_entries(m, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] = value;
}

static rg_model *make_uniform(size_t markers, size_t refine, const int *clamps, size_t n_clamps,
                              uniform u)
{
    rg_model *m = NULL;
    if (rg_model_create(markers, refine, clamps, n_clamps, &m, NULL) != RG_OK) abort();
    set_all(m, RG_MASS_PER_LENGTH, u.density);
    set_all(m, RG_STRETCH_STIFFNESS, u.stretch);
    set_all(m, RG_BEND_STIFFNESS_1, u.bend);
    set_all(m, RG_BEND_STIFFNESS_2, u.bend);
    set_all(m, RG_TWIST_STIFFNESS, u.twist);
    static const rg_field none[] = {RG_MARKER_MASS,     RG_MARKER_OFFSET,
                                    RG_BEND_COUPLING,   RG_NATURAL_CURVATURE,
                                    RG_NATURAL_TWIST,   RG_STRETCH_RELAXATION,
                                    RG_BEND_RELAXATION, RG_TWIST_RELAXATION,
                                    RG_BEND_MEMORY,     RG_DRAG};
    for (size_t k = 0; k < sizeof none / sizeof *none; k++) set_all(m, none[k], 0.0);
    return m;
}

/* all frames of a recording alike: markers x [markers][3] */
static rg_recording at_rest(size_t markers, size_t frames, const int *clamps, size_t n_clamps,
                            const double *x)
{
    rg_recording r = rods_recording(markers, frames, clamps, n_clamps, 0);
    for (size_t f = 0; f < frames; f++)
        memcpy(r.positions + f * markers * 3, x, markers * 3 * sizeof *x);
    memcpy(r.driving, r.positions, frames * markers * 3 * sizeof *x);
    return r;
}

static double *simulate(const rg_model *m, const rg_recording *r, const rg_rollout_opts *o)
{
    double *out = malloc(r->n_frames * r->n_markers * 3 * sizeof *out);
    rg_rod_status status;
    rg_error err = {0};
    assert_non_null(out);
    if (rg_simulate(m, r, 1, o, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    if (status.flag != RG_ROD_OK)
        fail_msg("%s in step %d", rg_rod_flag_text(status.flag), status.step);
    return out;
}

static void set_lengths(rg_model *m, const double *x)
{
    const int *at = rg_model_marker_vertices(m);
    for (size_t k = 0; k + 1 < rg_model_markers(m); k++)
        for (int i = at[k]; i < at[k + 1]; i++) {
            double d[3] = {x[3 * k + 3] - x[3 * k], x[3 * k + 4] - x[3 * k + 1],
                           x[3 * k + 5] - x[3 * k + 2]};
            rg_model_field_data(m, RG_REST_LENGTH)[i] = norm(d) / (at[k + 1] - at[k]);
        }
}

/* markers of a cantilever along x: the first two are a gripper of 1e-5 m, which puts the clamp
 * plane (the middle of the gripped edge) at the free part's root; the rest are 1/5 of the length
 * apart */
enum { CANTILEVER = 7 };
static const int gripper[] = {0, 1};

static void cantilever_markers(double length, double *x)
{
    for (int k = 0; k < CANTILEVER; k++) {
        x[3 * k] = k == 0 ? -1e-5 : length * (k - 1) / (CANTILEVER - 2);
        x[3 * k + 1] = 0.0;
        x[3 * k + 2] = 1.0;
    }
}

/* sag of the tip over w L^4/(8 EI), minus 1 */
static double cantilever_error(size_t refine)
{
    const double length = 1.0, deflection = 1e-3;
    uniform u = {0.05, 1e4, 0.0, 1.0};
    u.bend = u.density * GRAVITY * pow(length, 4) / (8.0 * deflection);
    double x[CANTILEVER * 3];
    cantilever_markers(length, x);
    rg_model *m = make_uniform(CANTILEVER, refine, gripper, 2, u);
    set_lengths(m, x);
    /* first mode 123/s: nearly critical, and 60 frames are 37 of its time constants */
    set_all(m, RG_DRAG, 200.0);
    rg_recording r = at_rest(CANTILEVER, 60, gripper, 2, x);
    rg_rollout_opts o = rg_rollout_opts_default();
    o.scheme = RG_SCHEME_BE;
    o.tolerance_m = 1e-11;
    double *out = simulate(m, &r, &o);
    double tip = 1.0 - out[(59 * CANTILEVER + CANTILEVER - 1) * 3 + 2];
    free(out);
    rg_recording_clear(&r);
    rg_model_destroy(&m);
    return tip / deflection - 1.0;
}

static void statics_cantilever_value(void **state)
{
    (void)state;
    const double coarse = cantilever_error(1), middle = cantilever_error(2),
                 fine = cantilever_error(8);
    print_message("cantilever: %.2e with 5 edges, %.2e with 10, %.2e with 40\n", coarse, middle,
                  fine);
    if (!(fabs(fine) <= 1e-3)) fail_msg("%.2e with 40 edges", fine);
    double order = log2(coarse / middle);
    /* the next term is a quarter of a percent at 5 edges */
    if (!(fabs(order - 2.0) <= 0.05)) fail_msg("order %.3f in space", order);
}

/* sag of a chain between two hands at one height */
static double catenary_error(size_t refine)
{
    enum { M = 6 };
    static const int ends[] = {0, M - 1};
    const double span = 0.7, length = 1.0;
    double lo = 0.01, hi = 10.0, x[M * 3];
    for (int k = 0; k < 200; k++) {
        double a = 0.5 * (lo + hi);
        if (2.0 * a * sinh(span / (2.0 * a)) > length) lo = a;
        else hi = a;
    }
    const double sag = lo * (cosh(span / (2.0 * lo)) - 1.0);
    /* it starts swung out by half a radian */
    for (int k = 0; k < M; k++) {
        double s = length * ((double)k / (M - 1) - 0.5);
        double down = sag - lo * (sqrt(1.0 + s * s / (lo * lo)) - 1.0);
        x[3 * k] = 0.5 * span + lo * asinh(s / lo);
        x[3 * k + 1] = sin(0.5) * down;
        x[3 * k + 2] = 1.0 - cos(0.5) * down;
    }
    rg_model *m = make_uniform(M, refine, ends, 2, (uniform){0.05, 2e3, 1e-9, 1e-9});
    for (size_t i = 0; i + 1 < rg_model_vertices(m); i++)
        rg_model_field_data(m, RG_REST_LENGTH)[i] = length / (double)(rg_model_vertices(m) - 1);
    set_all(m, RG_DRAG, 8.0);
    rg_recording r = at_rest(M, 600, ends, 2, x);
    rg_rollout_opts o = rg_rollout_opts_default();
    o.scheme = RG_SCHEME_BE;
    double *out = simulate(m, &r, &o), *last = out + 599 * M * 3;
    /* the chain's own position at markers 2 and 3, arc lengths 0.4 and 0.6 */
    double s = 0.1, z = lo * (sqrt(1.0 + s * s / (lo * lo)) - 1.0), err = 0.0;
    for (int k = 2; k <= 3; k++) err = fmax(err, fabs(last[3 * k + 2] - (1.0 - sag + z)) / sag);
    free(out);
    rg_recording_clear(&r);
    rg_model_destroy(&m);
    return err;
}

static void statics_catenary_value(void **state)
{
    (void)state;
    const double coarse = catenary_error(2), fine = catenary_error(8);
    print_message("catenary: %.2e with 10 edges, %.2e with 40\n", coarse, fine);
    if (!(fine <= 1e-3)) fail_msg("%.2e with 40 edges", fine);
    /* second order: a factor 16 */
    if (!(fine <= coarse / 8.0)) fail_msg("%.2e with 10 edges, %.2e with 40", coarse, fine);
}

/* deflection of the clamped-free rod's first mode at s in [0, 1], 1 at the tip */
static double mode(double s)
{
    const double b = 1.87510406871196117, k = (cosh(b) + cos(b)) / (sinh(b) + sin(b));
    return 0.5 * (cosh(b * s) - cos(b * s) - k * (sinh(b * s) - sin(b * s)));
}

static void statics_mode_decay_value(void **state)
{
    (void)state;
    enum { FRAMES = 900 };
    const double length = 1.0, sag = 1e-3, amplitude = 1e-3, zeta = 0.02;
    uniform u = {0.05, 1e4, 0.0, 1.0};
    u.bend = u.density * GRAVITY * pow(length, 4) / (8.0 * sag);
    const double omega = pow(1.87510406871196117, 2) * sqrt(u.bend / u.density) / (length * length);
    double x[CANTILEVER * 3];
    cantilever_markers(length, x);
    rg_model *m = make_uniform(CANTILEVER, 6, gripper, 2, u);
    set_lengths(m, x);
    set_all(m, RG_BEND_RELAXATION, 2.0 * zeta / omega);
    /* sideways: gravity acts across the motion */
    for (int k = 1; k < CANTILEVER; k++) x[3 * k + 1] = amplitude * mode(x[3 * k] / length);
    rg_recording r = at_rest(CANTILEVER, FRAMES, gripper, 2, x);
    /* BDF2's own damping ratio is (omega h)^3/4: 1e-5 here, against 0.02 */
    r.dt_s = 0.035 / omega;
    rg_rollout_opts o = rg_rollout_opts_default();
    o.tolerance_m = 1e-12;
    double *out = simulate(m, &r, &o);
    /* extrema of the tip, by the parabola through three frames */
    double time[16], size[16];
    int found = 0;
    for (int f = 30; f + 1 < FRAMES && found < 16; f++) {
        double y[3];
        for (int k = 0; k < 3; k++) y[k] = out[((f + k - 1) * CANTILEVER + CANTILEVER - 1) * 3 + 1];
        if (!((y[1] - y[0]) * (y[2] - y[1]) < 0.0)) continue;
        double slope = 0.5 * (y[2] - y[0]), bend = y[2] - 2.0 * y[1] + y[0];
        time[found] = (f - slope / bend) * r.dt_s;
        size[found++] = fabs(y[1] - 0.5 * slope * slope / bend);
    }
    assert_true(found >= 9);
    double damped = 8.0 * 3.14159265358979324 / (time[8] - time[0]);
    double decay = log(size[0] / size[8]) / (time[8] - time[0]);
    double measured = sqrt(damped * damped + decay * decay);
    print_message("first mode: omega %.2f (theory %.2f), zeta %.5f (theory %.5f)\n", measured,
                  omega, decay / measured, zeta);
    if (!(fabs(measured / omega - 1.0) <= 2e-3))
        fail_msg("frequency %.3f, not %.3f", measured, omega);
    if (!(fabs(decay / measured / zeta - 1.0) <= 0.02))
        fail_msg("damping ratio %.5f, not %.5f", decay / measured, zeta);
    free(out);
    rg_recording_clear(&r);
    rg_model_destroy(&m);
}

/* a damped swing driven by a smooth hand, every mode resolved; n steps in 0.16 s */
static void swing(int n, rg_scheme scheme, double *tip)
{
    rg_model *m = rods_model(CANTILEVER, 1, gripper, 2, 31);
    double x[CANTILEVER * 3];
    for (int k = 0; k < CANTILEVER; k++) {
        x[3 * k] = RODS_SPACING * k;
        x[3 * k + 1] = 0.01 * sin(0.7 * k);
        x[3 * k + 2] = 1.0;
    }
    set_lengths(m, x);
    set_all(m, RG_STRETCH_STIFFNESS, 10.0);
    set_all(m, RG_MARKER_OFFSET, 0.0);
    rg_recording r = at_rest(CANTILEVER, (size_t)n + 2, gripper, 2, x);
    r.dt_s = 0.16 / n;
    /* from rest in frame 1, with three smooth derivatives */
    for (int f = 1; f < n + 2; f++)
        for (int k = 0; k < 2; k++) {
            double t = (f - 1) * r.dt_s / 0.16, rise = 0.05 * t * t * t * (1.0 - 0.5 * t);
            double *to = r.driving + (f * CANTILEVER + k) * 3;
            to[1] += rise;
            to[2] -= 2.0 * rise;
        }
    memcpy(r.positions, r.driving, ((size_t)n + 2) * CANTILEVER * 3 * sizeof(double));
    rg_rollout_opts o = rg_rollout_opts_default();
    o.scheme = scheme;
    o.tolerance_m = 1e-12;
    double *out = simulate(m, &r, &o);
    memcpy(tip, out + ((size_t)(n + 2) * CANTILEVER - 1) * 3, 3 * sizeof *tip);
    free(out);
    rg_recording_clear(&r);
    rg_model_destroy(&m);
}

static void statics_order_in_time(void **state)
{
    (void)state;
    static const double orders[] = {1.0, 2.0};
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++) {
        enum { LEVELS = 4 };
        double tip[LEVELS][3], gap[LEVELS - 1];
        for (int k = 0; k < LEVELS; k++) swing(160 << k, (rg_scheme)scheme, tip[k]);
        for (int k = 0; k + 1 < LEVELS; k++) {
            double d[3] = {tip[k + 1][0] - tip[k][0], tip[k + 1][1] - tip[k][1],
                           tip[k + 1][2] - tip[k][2]};
            gap[k] = norm(d);
        }
        double order = log2(gap[LEVELS - 3] / gap[LEVELS - 2]);
        print_message("%s: steps halved move the tip by %.2e, %.2e, %.2e m: order %.3f\n",
                      scheme ? "BDF2" : "BE", gap[0], gap[1], gap[2], order);
        /* the next term of the error, at 1/4 ms steps */
        if (!(fabs(order - orders[scheme]) <= 0.1)) fail_msg("order %.3f", order);
    }
}

/* An arc of equal chords that turn by phi is the exact rest shape of natural curvature
 * 2 tan(phi/2)/l; with nothing to hold it, it falls without changing. */
static void statics_arc_stays(void **state)
{
    (void)state;
    enum { M = 9, FRAMES = 20 };
    const double phi = 0.35, edge = 0.05;
    double x[M * 3] = {0.0, 0.0, 1.0};
    for (int k = 0; k + 1 < M; k++) {
        x[3 * k + 3] = x[3 * k] + edge * cos(phi * k);
        x[3 * k + 4] = x[3 * k + 1] + edge * sin(phi * k);
        x[3 * k + 5] = 1.0;
    }
    rg_model *m = make_uniform(M, 1, NULL, 0, (uniform){0.05, 1e3, 1e-2, 1e-2});
    set_lengths(m, x);
    /* the start's directors are vertical: m1 = z, and the arc's kappa2 = -2 tan(phi/2) */
    for (int i = 0; i < M; i++)
        rg_model_field_data(m, RG_NATURAL_CURVATURE)[2 * i + 1] = -2.0 * tan(0.5 * phi) / edge;
    for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_BDF2; scheme++) {
        rg_recording r = at_rest(M, FRAMES, NULL, 0, x);
        rg_rollout_opts o = rg_rollout_opts_default();
        o.scheme = (rg_scheme)scheme;
        double *out = simulate(m, &r, &o);
        for (int f = 2; f < FRAMES; f++)
            for (int k = 0; k < M; k++)
                for (int c = 0; c < 3; c++) {
                    const double *now = out + f * M * 3;
                    double e = (now[3 * k + c] - now[c]) - (x[3 * k + c] - x[c]);
                    /* round-off: 1e-16 m in a position, and stiffness over inertia 1e3 */
                    if (!(fabs(e) <= 1e-12))
                        fail_msg("frame %d, marker %d: off by %.1e m", f, k, e);
                }
        /* it did fall: by at least 1/2 g t^2 of 18 frames, less what the start's step loses */
        assert_true(out[(FRAMES * M - 1) * 3 + 2] < 0.85);
        free(out);
        rg_recording_clear(&r);
    }
    rg_model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statics_cantilever_value), cmocka_unit_test(statics_catenary_value),
        cmocka_unit_test(statics_mode_decay_value), cmocka_unit_test(statics_order_in_time),
        cmocka_unit_test(statics_arc_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
