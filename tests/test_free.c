/* test_free.c: recordings of rods that nothing holds.
 *
 * Frames 0 and 1 give positions and velocity, and from there on a rod flies by itself: its centre of mass falls as
 * -1/2 g t^2, it turns at the rate that it was thrown with, and keeps its angular momentum, all to the order of the
 * scheme. Momentum by the scheme's own recursion, to round-off: theory/freefall.c; derivatives: test_adjoint.c.
 * RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"

enum { M = 9, N = 42 }; /* markers, frames of 10 ms */

static const double dt = 0.01, length = 1.0;
static const double centre[3] = {0.3, -0.2, 1.5}, speed[3] = {0.7, -0.4, 2.0};

typedef struct motion {
    double x[N][M][3];
} motion;

/* a straight rod without drag, stiff against stretch */
static rg_model *make_model(void)
{
    rg_model *model = NULL;
    rg_error err = {0};
    if (rg_model_create(M, 1, NULL, 0, &model, &err) != RG_OK) fail_msg("%s", err.text);
    for (int i = 0; i < M; i++) rg_model_field_data(model, RG_DRAG)[i] = 0.0;
    assert_int_equal(rg_model_clamps(model, NULL), 0);
    return model;
}

/* thrown with `speed`, turning about z at `rate`, under g */
static void fly(const double g[3], double rate, motion *of)
{
    for (int f = 0; f < N; f++)
        for (int m = 0; m < M; m++) {
            const double t = f * dt, r = length * (m / (M - 1.0) - 0.5);
            const double q[3] = {r * cos(rate * t), r * sin(rate * t), 0.0};
            for (int c = 0; c < 3; c++) of->x[f][m][c] = centre[c] + speed[c] * t + 0.5 * g[c] * t * t + q[c];
        }
}

static void simulate(const rg_model *model, motion *recorded, const rg_rollout_opts *opts, motion *out)
{
    rg_recording r = {.n_frames = N, .n_markers = M, .dt_s = dt, .positions = &recorded->x[0][0][0]};
    double *to = &out->x[0][0][0];
    rg_rod_status status;
    rg_error err = {0};
    if (rg_simulate(model, &r, 1, opts, &to, &status, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(status.flag, RG_ROD_OK);
}

/* of a vertex: a half at the ends */
static double weight(int m) { return m == 0 || m == M - 1 ? 0.5 / (M - 1) : 1.0 / (M - 1); }

static void mean(const motion *of, int f, double out[3])
{
    for (int c = 0; c < 3; c++) {
        out[c] = 0.0;
        for (int m = 0; m < M; m++) out[c] += weight(m) * of->x[f][m][c];
    }
}

/* the largest distance between two motions' centres of mass */
static double centres_apart(const motion *a, const motion *b)
{
    double most = 0.0;
    for (int f = 0; f < N; f++) {
        double p[3], q[3];
        mean(a, f, p);
        mean(b, f, q);
        for (int c = 0; c < 3; c++) most = fmax(most, fabs(p[c] - q[c]));
    }
    return most;
}

static const struct {
    const char *name;
    rg_stepper stepper;
    rg_scheme scheme;
    double order, bar; /* of the centre's fall; at one step a frame, in units of g dt^2 */
    double turn, spin; /* what a turn by 0.8 rad loses [rad], and of the angular momentum; BDF2 as (rate h)^2 */
} ways[] = {
    /* BDF2 begins with a step of backward Euler, which is 1/2 g h^2 off and brings 3/4 in the end */
    {"bdf2", RG_STEPPER_IMPLICIT, RG_SCHEME_BDF2, 2.0, 0.76, 1e-3, 1.2e-3},
    /* 1/2 g h a step: g h t/2 */
    {"be", RG_STEPPER_IMPLICIT, RG_SCHEME_BE, 1.0, 0.51 * N, 1e-2, 2e-2},
    {"deform", RG_STEPPER_DEFORM, RG_SCHEME_BDF2, 1.0, 0.51 * N, 0.0, 0.0},
};

static rg_rollout_opts options(size_t way, int substeps)
{
    rg_rollout_opts o = rg_rollout_opts_default();
    o.context = backend;
    o.stepper = ways[way].stepper;
    o.scheme = ways[way].scheme;
    o.substeps = substeps;
    o.tolerance_m = 1e-12;
    return o;
}

/* -1/2 g t^2, for gravity down and aslant, and none */
static void free_fall(void **state)
{
    static const double pulls[][3] = {{0.0, 0.0, -9.81}, {3.0, -2.0, 1.62}, {0.0, 0.0, 0.0}};
    motion recorded, out;
    rg_model *model = make_model();
    (void)state;
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++)
        for (size_t k = 0; k < sizeof pulls / sizeof *pulls; k++) {
            const double *g = pulls[k], size = fmax(fmax(fabs(g[0]), fabs(g[1])), fabs(g[2]));
            double off[2];
            fly(g, 0.0, &recorded);
            for (int fine = 0; fine < 2; fine++) {
                rg_rollout_opts o = options(way, fine ? 4 : 1);
                memcpy(o.gravity, g, sizeof o.gravity);
                simulate(model, &recorded, &o, &out);
                off[fine] = centres_apart(&recorded, &out);
                /* nothing bends or stretches it: round-off */
                for (int f = 2; f < N; f++)
                    for (int m = 1; m < M; m++)
                        for (int c = 0; c < 3; c++)
                            assert_true(fabs(out.x[f][m][c] - out.x[f][0][c] - (c ? 0.0 : m * length / (M - 1))) <
                                        1e-9);
            }
            if (!(off[0] <= ways[way].bar * size * dt * dt + 1e-12))
                fail_msg("%s, gravity %zu: %g m off", ways[way].name, k, off[0]);
            if (size == 0.0) continue;
            const double order = log(off[0] / off[1]) / log(4.0);
            if (!(fabs(order - ways[way].order) < 0.1)) fail_msg("%s: order %.2f", ways[way].name, order);
        }
    rg_model_destroy(&model);
}

/* angular momentum about the centre, along z, between frames f - 1 and f + 1, of a rod of mass 1 */
static double spin(const motion *of, int f)
{
    double at[3], before[3], after[3], sum = 0.0;
    mean(of, f, at);
    mean(of, f - 1, before);
    mean(of, f + 1, after);
    for (int m = 0; m < M; m++) {
        double r[2], v[2];
        for (int c = 0; c < 2; c++) {
            r[c] = of->x[f][m][c] - at[c];
            v[c] = (of->x[f + 1][m][c] - of->x[f - 1][m][c] - after[c] + before[c]) / (2.0 * dt);
        }
        sum += weight(m) * (r[0] * v[1] - r[1] * v[0]);
    }
    return sum;
}

/* a thrown rod that turns about its middle keeps turning at that rate, and falls all the same */
static void free_turn(void **state)
{
    static const double g[3] = {0.0, 0.0, -9.81};
    const double rate = 2.0;
    motion recorded, out;
    rg_model *model = make_model();
    (void)state;
    fly(g, rate, &recorded);
    for (size_t way = 0; way < 2; way++) {
        double lost[2], angle[2];
        for (int fine = 0; fine < 2; fine++) {
            const rg_rollout_opts o = options(way, fine ? 4 : 1);
            simulate(model, &recorded, &o, &out);
            const double *a = out.x[N - 1][0], *b = out.x[N - 1][M - 1];
            angle[fine] = fabs(atan2(b[1] - a[1], b[0] - a[0]) - rate * dt * (N - 1));
            lost[fine] = fabs(spin(&out, N - 2) - spin(&recorded, N - 2)) / spin(&recorded, N - 2);
            if (!fine) assert_true(centres_apart(&recorded, &out) <= ways[way].bar * 9.81 * dt * dt);
        }
        /* a quarter of the step makes a quarter, or a sixteenth and what the start's secant velocity leaves, 5e-5 */
        if (!(angle[0] <= ways[way].turn && angle[1] <= 0.3 * angle[0] && lost[0] <= ways[way].spin &&
              lost[1] <= 0.3 * lost[0]))
            fail_msg("%s: %.1e and %.1e rad off, %.1e and %.1e of the angular momentum lost", ways[way].name, angle[0],
                     angle[1], lost[0], lost[1]);
    }
    rg_model_destroy(&model);
}

static void free_err(void **state)
{
    motion recorded, out;
    double *to = &out.x[0][0][0];
    rg_rod_status status;
    rg_error err = {0};
    rg_model *model = make_model();
    rg_rollout_opts o = options(0, 1);
    (void)state;
    fly((const double[]){0.0, 0.0, -9.81}, 0.0, &recorded);
    rg_recording r = {.n_frames = N, .n_markers = M, .dt_s = dt, .positions = &recorded.x[0][0][0]};
    o.scheme = RG_SCHEME_STATIC;
    assert_int_equal(rg_simulate(model, &r, 1, &o, &to, &status, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "nothing holds this rod"));
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free_fall),
        cmocka_unit_test(free_turn),
        cmocka_unit_test(free_err),
    };
    return cmocka_run_group_tests_name("free", tests, backend_open, backend_close);
}
