/* test_tension.c: tensions of edges (rg_batch_outputs). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rodgrad/rodgrad.h"

enum { N = 9 };

/* a rod of edges of 50 mm that hangs from its first two vertices, masses given; its clamp is the first edge */
static rg_model *hanging(const double *masses)
{
    static const int clamps[] = {0, 1};
    rg_model *m = NULL;
    rg_error err = {0};
    if (rg_model_create(N, 1, clamps, 2, &m, &err) != RG_OK) fail_msg("%s", err.text);
    const rg_field fields[] = {RG_REST_LENGTH,      RG_MASS_PER_LENGTH, RG_STRETCH_STIFFNESS,  RG_BEND_STIFFNESS_1,
                               RG_BEND_STIFFNESS_2, RG_TWIST_STIFFNESS, RG_STRETCH_RELAXATION, RG_DRAG};
    const double values[] = {0.05, 0.04, 80.0, 1e-3, 1e-3, 1e-3, 0.002, 0.0};
    for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
        for (size_t i = 0; i < rg_model_field_entries(m, fields[f]); i++)
            rg_model_field_data(m, fields[f])[i] = values[f];
    memcpy(rg_model_field_data(m, RG_MARKER_MASS), masses, N * sizeof *masses);
    return m;
}

typedef struct setting {
    rg_model *model;
    rg_batch *batch;
    double x0[N][3], v0[N][3], m0[N - 1][3], *clamp_x, *clamp_m, *x, *tension;
    size_t frames;
    double masses[N];
} setting;

static setting *open_setting(rg_stepper stepper, rg_scheme scheme, size_t frames)
{
    setting *s = calloc(1, sizeof *s);
    rg_batch_opts o = rg_batch_opts_default();
    rg_error err = {0};
    assert_non_null(s);
    for (int i = 0; i < N; i++) {
        s->masses[i] = 0.001 * (1 + i % 3);
        s->x0[i][2] = -0.05 * i;
        if (i + 1 < N) s->m0[i][0] = 1.0;
    }
    s->model = hanging(s->masses);
    s->frames = frames;
    o.rollout.stepper = stepper;
    o.rollout.scheme = scheme;
    o.rollout.tolerance_m = 1e-13;
    o.n_frames = frames;
    if (rg_batch_create(s->model, 1, &o, &s->batch, &err) != RG_OK) fail_msg("%s", err.text);
    s->clamp_x = calloc(frames * 6, sizeof *s->clamp_x);
    s->clamp_m = calloc(frames * 3, sizeof *s->clamp_m);
    s->x = calloc(frames * N * 3, sizeof *s->x);
    s->tension = calloc(frames * (N - 1), sizeof *s->tension);
    if (!s->clamp_x || !s->clamp_m || !s->x || !s->tension) abort();
    for (size_t f = 0; f < frames; f++) {
        memcpy(s->clamp_x + 6 * f, s->x0, 6 * sizeof(double));
        s->clamp_m[3 * f] = 1.0;
    }
    return s;
}

static void close_setting(setting *s)
{
    rg_batch_destroy(&s->batch);
    rg_model_destroy(&s->model);
    free(s->clamp_x);
    free(s->clamp_m);
    free(s->x);
    free(s->tension);
    free(s);
}

static rg_batch_inputs inputs_of(const setting *s)
{
    return (rg_batch_inputs){
        .x0 = s->x0[0], .v0 = s->v0[0], .m0 = s->m0[0], .clamp_x = s->clamp_x, .clamp_m = s->clamp_m};
}

static rg_rod_status run(setting *s)
{
    const rg_batch_inputs in = inputs_of(s);
    const rg_batch_outputs out = {.x = s->x, .tension = s->tension};
    rg_rod_status status;
    rg_error err = {0};
    if (rg_batch_forward(s->batch, &in, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    return status;
}

/* mass of vertex i: its marker's, and half of each edge next to it */
static double mass_of(const setting *s, int i) { return s->masses[i] + 0.04 * 0.05 * (i == N - 1 ? 0.5 : 1.0); }

/* at rest an edge carries what hangs below it; the clamp's own edge is as long as it is held, and carries nothing */
static void tension_weight(void **state)
{
    (void)state;
    setting *s = open_setting(RG_STEPPER_IMPLICIT, RG_SCHEME_STATIC, 1);
    assert_int_equal(run(s).flag, RG_ROD_OK);
    double below = 0.0;
    for (int i = N - 2; i > 0; i--) {
        below += 9.81 * mass_of(s, i + 1);
        /* equilibrium to 1e-13 m, times a stiffness of 1,600 N/m */
        if (!(fabs(s->tension[i] - below) <= 1e-9)) fail_msg("edge %d: %.12g N, not %.12g", i, s->tension[i], below);
    }
    assert_true(fabs(s->tension[0]) <= 1e-9);
    close_setting(s);
}

/* In motion (a fall that the stretch stops, damped) the force on the lower part of the rod is what its momentum changes
 * by: backward Euler's step is that balance, to Newton's end. */
static void tension_momentum(void **state)
{
    (void)state;
    enum { FRAMES = 40 };
    setting *s = open_setting(RG_STEPPER_IMPLICIT, RG_SCHEME_BE, FRAMES);
    const double h = 0.01;
    for (int i = 2; i < N; i++) s->v0[i][2] = -0.3;
    assert_int_equal(run(s).flag, RG_ROD_OK);
    double moved = 0.0;
    for (size_t f = 2; f < FRAMES; f++)
        for (int e = 1; e + 1 < N; e++) {
            double change = 0.0, weight = 0.0;
            for (int i = e + 1; i < N; i++) {
                const double *now = s->x + (f * N + (size_t)i) * 3, *last = now - 3 * N, *before = last - 3 * N;
                change += mass_of(s, i) * (now[2] - 2.0 * last[2] + before[2]) / (h * h);
                weight += 9.81 * mass_of(s, i);
            }
            const double pull = s->tension[f * (N - 1) + (size_t)e];
            moved = fmax(moved, fabs(change));
            /* differences of positions over h^2: 1e-13 m times 1e4/s^2 times a mass of 40 g, some of them */
            if (!(fabs(pull - weight - change) <= 1e-8))
                fail_msg("frame %zu, edge %d: %.9g N, weight %.9g, change of momentum %.9g", f, e, pull, weight,
                         change);
        }
    if (!(moved > 0.05)) fail_msg("momentum changes by %g N only", moved);
    close_setting(s);
}

/* a rod that failed has none from then on */
static void tension_of_failed_rod(void **state)
{
    (void)state;
    enum { FRAMES = 6 };
    setting *s = open_setting(RG_STEPPER_IMPLICIT, RG_SCHEME_BDF2, FRAMES);
    s->clamp_x[3 * 6 + 2] = (double)NAN;
    const rg_rod_status status = run(s);
    assert_int_equal(status.flag, RG_ROD_NONFINITE);
    assert_int_equal(status.step, 3);
    for (int f = 0; f < FRAMES; f++)
        assert_true(f < 3 ? s->tension[f * (N - 1) + 4] > 0.0 : s->tension[f * (N - 1) + 4] == 0.0);
    close_setting(s);
}

static void tension_refused(void **state)
{
    (void)state;
    setting *s = open_setting(RG_STEPPER_DEFORM, RG_SCHEME_BE, 1);
    const rg_batch_inputs in = inputs_of(s);
    const rg_batch_outputs out = {.tension = s->tension}, none = {.x = s->x};
    const rg_batch_tangents still = {.x0 = s->x0[0]};
    const rg_batch_tangent_outputs d_out = {.tension = s->tension};
    const rg_batch_cotangents bar = {.tension = s->tension};
    const rg_batch_gradients g = {.x0 = s->x};
    rg_error err = {0};
    assert_int_equal(rg_batch_forward(s->batch, &in, &out, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "tension"));
    memset(&err, 0, sizeof err);
    assert_int_equal(rg_batch_jvp(s->batch, &in, &still, &none, &d_out, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "tension"));
    assert_int_equal(rg_batch_forward(s->batch, &in, &none, NULL, &err), RG_OK);
    memset(&err, 0, sizeof err);
    assert_int_equal(rg_batch_adjoint(s->batch, &bar, &g, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "tension"));
    close_setting(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tension_weight), cmocka_unit_test(tension_momentum),
                                       cmocka_unit_test(tension_of_failed_rod), cmocka_unit_test(tension_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
