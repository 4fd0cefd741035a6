/* test_gravity.c: gravity as an option of rollouts.
 *
 * Everything turned, gravity included, is the turned motion; a rod whose grippers fall is, in their frame, one that
 * hangs still (the equivalence principle), to round-off as the scheme integrates a constant acceleration;
 * recordings are simulated with the gravity of the options. RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "grad_scene.h"

enum { RODS = 3, FRAMES = 5, SUBSTEPS = 2 };

static grad_scene *make(int stepper, grad_grip grip, uint64_t seed)
{
    grad_scene *s = grad_scene_make(stepper, grip, RODS, FRAMES, SUBSTEPS, seed);
    s->opts.adjoint = 0;
    s->opts.rollout.context = backend;
    return s;
}

/* about y by a quarter turn: what points down (-z) then points along x */
static void turn(double *v, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const double x = v[3 * i];
        v[3 * i] = -v[3 * i + 2];
        v[3 * i + 2] = x;
    }
}

static double worst(const double *a, const double *b, size_t count)
{
    double most = 0.0;
    for (size_t i = 0; i < count; i++)
        if (!(fabs(a[i] - b[i]) <= most)) most = fabs(a[i] - b[i]);
    return most;
}

static void gravity_default(void **state)
{
    const rg_rollout_opts o = rg_rollout_opts_default();
    (void)state;
    assert_true(o.gravity[0] == 0.0 && o.gravity[1] == 0.0 && o.gravity[2] == -9.81);
}

/* gravity along x, and all inputs turned, is the turned motion under gravity along -z */
static void gravity_turned(void **state)
{
    static const grad_grip grips[] = {GRAD_ENDS, GRAD_END, GRAD_NOWHERE};
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (size_t k = 0; k < sizeof grips / sizeof *grips; k++) {
            grad_scene *s = make(stepper, grips[k], 0x6a1), *t = make(stepper, grips[k], 0x6a1);
            const size_t n = s->vertices, points = RODS * n, steps = RODS * s->steps, frames = RODS * FRAMES;
            grad_outputs a = grad_outputs_zero(s), b = grad_outputs_zero(t), other = grad_outputs_zero(s);
            turn(t->x0, points);
            turn(t->v0, points);
            turn(t->m0, RODS * (n - 1));
            turn(t->clamp_x, steps * s->clamped);
            turn(t->clamp_m, steps * s->held);
            turn(t->force, steps * n);
            turn(t->opts.rollout.gravity, 1);
            assert_true(t->opts.rollout.gravity[0] == 9.81 && t->opts.rollout.gravity[2] == 0.0);
            grad_scene_open(s);
            grad_scene_open(t);
            grad_forward(s, &a);
            grad_forward(t, &b);
            turn(a.x, frames * n);
            turn(a.v, frames * n);
            /* sums of squares in another order: round-off, amplified by five frames of motion */
            const double x = worst(a.x, b.x, 3 * frames * n), v = worst(a.v, b.v, 3 * frames * n);
            if (!(x <= 1e-11) || !(v <= 1e-8))
                fail_msg("%s, %s: %.1e m, %.1e m/s off", grad_stepper_name(stepper), grad_grip_name(grips[k]), x, v);
            /* and it matters */
            s->opts.rollout.gravity[2] = 0.0;
            grad_scene_open(s);
            grad_forward(s, &other);
            turn(other.x, frames * n);
            assert_true(worst(other.x, b.x, 3 * frames * n) > 1e-4);
            grad_scene_free(s);
            grad_scene_free(t);
        }
}

/* where something at rest is after each step under the acceleration a, as the scheme integrates it */
static void fall(const grad_scene *s, double a, double *x)
{
    const double h = s->opts.dt_s / s->opts.rollout.substeps;
    double xo = 0.0, vo = 0.0, xn = 0.0, vn = 0.0;
    for (size_t k = 0; k < s->steps; k++) {
        const int two =
            k > 0 && s->opts.rollout.scheme == RG_SCHEME_BDF2 && s->opts.rollout.stepper == RG_STEPPER_IMPLICIT;
        const double hat = two ? h * 2.0 / 3.0 : h;
        const double v = (two ? (4.0 * vn - vo) / 3.0 : vn) + hat * a;
        x[k] = (two ? (4.0 * xn - xo) / 3.0 : xn) + hat * v;
        xo = xn, vo = vn, xn = x[k], vn = v;
    }
}

/* A rod that is swung without gravity, its grippers accelerated upwards besides, is that rod under gravity seen from
 * there. Without drag, which knows the air's frame. */
static void gravity_none(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = make(stepper, GRAD_ENDS, 0x6a2), *t = make(stepper, GRAD_ENDS, 0x6a2);
        const size_t n = s->vertices;
        grad_outputs a = grad_outputs_zero(s), b = grad_outputs_zero(t);
        double *rise = grad_alloc(s, s->steps);
        for (size_t i = 0; i < RODS; i++)
            for (size_t k = 0; k < n; k++)
                rg_model_field_data(s->models[i], RG_DRAG)[k] = rg_model_field_data(t->models[i], RG_DRAG)[k] = 0.0;
        fall(s, 9.81, rise);
        for (size_t i = 0; i < RODS * s->steps * s->clamped; i++)
            t->clamp_x[3 * i + 2] += rise[i / s->clamped % s->steps];
        t->opts.rollout.gravity[2] = 0.0;
        grad_scene_open(s);
        grad_scene_open(t);
        grad_forward(s, &a);
        grad_forward(t, &b);
        for (size_t i = 0; i < RODS * FRAMES * n; i++) a.x[3 * i + 2] += rise[(i / n % FRAMES + 1) * SUBSTEPS - 1];
        const double x = worst(a.x, b.x, 3 * RODS * FRAMES * n);
        if (!(x <= 1e-10)) fail_msg("%s: %.1e m off", grad_stepper_name(stepper), x);
        grad_scene_free(s);
        grad_scene_free(t);
    }
}

/* a recording: the rod's free middle falls under what the options say, and turned recordings turn */
static void gravity_recording(void **state)
{
    enum { M = 5, N = 12 };
    static int clamps[] = {0, 1, 3, 4};
    double at[2][N][M][3], out[3][N][M][3];
    rg_model *model = NULL;
    rg_rod_status status;
    rg_error err = {0};
    (void)state;
    for (int f = 0; f < N; f++)
        for (int m = 0; m < M; m++) {
            const double q[3] = {0.22 * m, 0.003 * (m % 2), 1.0 - 0.04 * m * (4 - m)};
            memcpy(at[0][f][m], q, sizeof q);
        }
    memcpy(at[1], at[0], sizeof at[1]);
    turn(&at[1][0][0][0], N * M);
    assert_int_equal(rg_model_create(M, 2, clamps, 4, &model, &err), RG_OK);
    for (int k = 0; k < 3; k++) {
        rg_recording r = {.n_frames = N,
                          .n_markers = M,
                          .dt_s = 0.01,
                          .positions = &at[k == 1][0][0][0],
                          .n_clamps = 4,
                          .clamps = clamps};
        rg_rollout_opts o = rg_rollout_opts_default();
        double *to = &out[k][0][0][0];
        o.context = backend;
        o.tolerance_m = 1e-12;
        if (k == 1) turn(o.gravity, 1);
        if (k == 2) o.gravity[2] = 0.0;
        if (rg_simulate(model, &r, 1, &o, &to, &status, &err) != RG_OK) fail_msg("%s", err.text);
        assert_int_equal(status.flag, RG_ROD_OK);
    }
    turn(&out[0][0][0][0], N * M);
    /* Newton's tolerance in eleven frames */
    const double off = worst(&out[0][0][0][0], &out[1][0][0][0], 3 * N * M);
    if (!(off <= 1e-10)) fail_msg("%.1e m off", off);
    turn(&out[2][0][0][0], N * M);
    assert_true(worst(&out[2][0][0][0], &out[1][0][0][0], 3 * N * M) > 1e-4);
    rg_model_destroy(&model);
}

static void gravity_err(void **state)
{
    static const double bad[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    (void)state;
    assert_int_equal(rg_model_create(5, 1, NULL, 0, &model, &err), RG_OK);
    for (int c = 0; c < 3; c++) {
        rg_batch_opts o = rg_batch_opts_default();
        o.rollout.gravity[c] = bad[c];
        assert_int_equal(rg_batch_create(model, 1, &o, &batch, &err), RG_ERR_ARGUMENT);
        assert_non_null(strstr(err.text, "gravity["));
        assert_null(batch);
    }
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gravity_default),   cmocka_unit_test(gravity_turned), cmocka_unit_test(gravity_none),
        cmocka_unit_test(gravity_recording), cmocka_unit_test(gravity_err),
    };
    return cmocka_run_group_tests_name("gravity", tests, backend_open, backend_close);
}
