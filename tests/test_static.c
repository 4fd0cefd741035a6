/* test_static.c: the static scheme (RG_SCHEME_STATIC) of batches.
 *
 * Its derivatives, what must not change a bit of them, that an equilibrium is one for the steppers with inertia
 * too, which equilibria are unstable, and what is refused. Values: theory/.
 * RODGRAD_TEST_BACKEND=cuda holds a GPU against the CPU, and looks for the unstable ones there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend.h"
#include "grad_scene.h"
#include "grad_table.h"

enum { HELD = GRAD_NOWHERE }; /* grips before it hold the rod */

static grad_scene *make(grad_grip grip, size_t rods, size_t frames, int substeps, uint64_t seed)
{
    grad_scene *s = grad_scene_make(GRAD_STATIC, grip, rods, frames, substeps, seed);
    s->opts.rollout.context = backend;
    return s;
}

/* Round-off times the condition of the stiffness, without inertia: where a rod hangs on one point, EA/l beside
 * weight over length, some 1e4. A hundred steps have ten times that: little is carried along. */
static void static_dot(void **state)
{
    (void)state;
    static const char *const rows[] = {"step in a batch, static", "100-step rollout, static"};
    static const double bars[] = {1e-11, 1e-10};
    double worst[2] = {0.0, 0.0};
    for (int grip = 0; grip < HELD; grip++)
        for (size_t frames = 1; frames <= 50; frames += 49) {
            grad_scene *s = make((grad_grip)grip, 3, frames, frames > 1 ? 2 : 1, 0x57a + (uint64_t)grip);
            int kind = GRAD_ALL;
            double err = grad_dot_products(s, 7, &kind);
            print_message("held at %s, %zu steps: %.1e (%s)\n", grad_grip_name((grad_grip)grip), s->steps, err,
                          grad_kind_name(kind));
            if (!(err <= worst[frames > 1])) worst[frames > 1] = err;
            grad_scene_free(s);
        }
    for (int k = 0; k < 2; k++) {
        grad_record("dot product", rows[k], worst[k], bars[k], GRAD_AT_MOST);
        if (!(worst[k] <= bars[k])) fail_msg("%s: dot products differ by %.1e", rows[k], worst[k]);
    }
}

/* tangents against central differences of fourth order of positions */
static void static_differences(void **state)
{
    (void)state;
    double worst = 0.0;
    static const double by[4] = {-2e-3, -1e-3, 1e-3, 2e-3};
    for (int grip = 0; grip < HELD; grip++) {
        grad_scene *s = make((grad_grip)grip, 2, 3, 2, 0xd1f + (uint64_t)grip);
        const grad_vector d = grad_vector_random(s, 5);
        const grad_outputs d_out = grad_outputs_zero(s);
        const size_t row = s->opts.n_frames * 3 * s->vertices, all = s->rods * row;
        for (int kind = GRAD_ALL; kind < GRAD_KINDS; kind++) {
            if (kind != GRAD_ALL && s->count[kind] == 0) continue;
            grad_scene *moved = grad_scene_moved(s, &d, kind, by, 4);
            const grad_outputs out = grad_outputs_zero(moved);
            moved->opts.adjoint = 0;
            grad_forward(moved, &out);
            grad_jvp(s, &d, kind, &d_out);
            double size = 1e-3;
            for (size_t k = 0; k < all; k++) size = fmax(size, fabs(d_out.x[k]));
            for (size_t k = 0; k < all; k++) {
                const double *x = out.x + k;
                const double slope = (8.0 * (x[2 * all] - x[all]) - (x[3 * all] - x[0])) / (12.0 * by[2]);
                const double err = fabs(slope - d_out.x[k]) / size;
                if (!(err <= worst)) worst = err;
                if (!(err <= 1e-7))
                    fail_msg("held at %s, %s: %.9g, differences %.9g", grad_grip_name((grad_grip)grip),
                             grad_kind_name(kind), d_out.x[k], slope);
            }
            grad_scene_free(moved);
        }
        grad_scene_free(s);
    }
    grad_record("central differences", "tangents of 3-frame rollouts, static", worst, 1e-7, GRAD_AT_MOST);
}

typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
} result;

static result run(grad_scene *s)
{
    const grad_vector d = grad_vector_random(s, 2);
    const grad_outputs bar = grad_outputs_random(s, 3);
    const result r = {grad_outputs_zero(s), grad_outputs_zero(s), grad_vector_zero(s)};
    grad_scene_open(s);
    grad_jvp(s, &d, GRAD_ALL, &r.d_out);
    grad_forward(s, &r.out);
    grad_adjoint(s, &bar, &r.g, GRAD_ALL);
    return r;
}

static size_t differing(const grad_scene *s, const result *a, const result *b)
{
    size_t sum = 0;
    for (size_t i = 0; i < s->rods; i++)
        sum += grad_outputs_differ(s, &a->out, i, &b->out, i) + grad_outputs_differ(s, &a->d_out, i, &b->d_out, i) +
               grad_vector_differ(s, &a->g, i, &b->g, i);
    return sum;
}

/* threads, what is kept for the adjoint, and a rod's neighbours */
static void static_bitwise(void **state)
{
    (void)state;
    grad_scene *s = make(GRAD_MIXED, 11, 20, 1, 0xb17);
    const result one = run(s);
    for (int threads = 2; threads <= 7; threads += 5) {
        s->opts.rollout.threads = threads;
        const result many = run(s);
        assert_int_equal(differing(s, &one, &many), 0);
    }
    s->opts.budget_bytes = RG_STORE_ALL;
    const result stored = run(s);
    assert_int_equal(differing(s, &one, &stored), 0);
    static const size_t some[] = {10, 4};
    grad_scene *few = grad_scene_pick(s, some, 2);
    const grad_outputs out = grad_outputs_zero(few);
    grad_forward(few, &out);
    for (size_t k = 0; k < 2; k++) assert_int_equal(grad_outputs_differ(s, &one.out, some[k], &out, k), 0);
    grad_scene_free(few);
    grad_scene_free(s);
}

/* a rod let go from its equilibrium stays there with either scheme of inertia, whatever its damping, its
 * memory and the time between frames; and static velocities are differences */
static void static_stays(void **state)
{
    (void)state;
    for (int grip = 0; grip < HELD; grip++) {
        grad_scene *s = make((grad_grip)grip, 3, 2, 1, 0x5e7 + (uint64_t)grip);
        const size_t n = s->vertices, frames = s->opts.n_frames;
        const grad_outputs still = grad_outputs_zero(s), moving = grad_outputs_zero(s);
        /* the same load and grips in every step */
        for (size_t i = 0; i < s->rods; i++)
            for (size_t step = 0; step + 1 < s->steps; step++) {
                const size_t at = i * s->steps + step, last = (i + 1) * s->steps - 1;
                memcpy(s->force + 3 * n * at, s->force + 3 * n * last, 3 * n * sizeof(double));
                memcpy(s->clamp_x + 3 * s->clamped * at, s->clamp_x + 3 * s->clamped * last,
                       3 * s->clamped * sizeof(double));
                memcpy(s->clamp_m + 3 * s->held * at, s->clamp_m + 3 * s->held * last, 3 * s->held * sizeof(double));
            }
        grad_forward(s, &still);
        for (size_t i = 0; i < s->rods; i++)
            for (size_t k = 0; k < 3 * n; k++) {
                const double *x = still.x + 3 * n * frames * i + k, *v = still.v + 3 * n * frames * i + k;
                assert_true(fabs(x[3 * n] - x[0]) <= 1e-11);
                assert_true(fabs(v[0] - (x[0] - s->x0[3 * n * i + k]) / s->opts.dt_s) <= 1e-10);
            }
        for (size_t i = 0; i < s->rods; i++) {
            memcpy(s->x0 + 3 * n * i, still.x + 3 * n * (frames * i + 1), 3 * n * sizeof(double));
            memcpy(s->m0 + 3 * (n - 1) * i, still.m + 3 * (n - 1) * (frames * i + 1), 3 * (n - 1) * sizeof(double));
            memset(s->v0 + 3 * n * i, 0, 3 * n * sizeof(double));
        }
        for (int scheme = RG_SCHEME_BE; scheme <= RG_SCHEME_STATIC; scheme++) {
            s->opts.rollout.scheme = (rg_scheme)scheme;
            s->opts.dt_s = scheme == RG_SCHEME_STATIC ? 7.0 : 0.004;
            grad_scene_open(s);
            grad_forward(s, &moving);
            for (size_t i = 0; i < s->rods * frames * 3 * n; i++) {
                const double from = s->x0[i / (frames * 3 * n) * 3 * n + i % (3 * n)];
                if (!(fabs(moving.x[i] - from) <= 1e-10))
                    fail_msg("held at %s, %s: moves by %.1e m", grad_grip_name((grad_grip)grip),
                             rg_scheme_name((rg_scheme)scheme), moving.x[i] - from);
            }
        }
        grad_scene_free(s);
    }
}

/* ---- a column ---- */

enum { EDGES = 22, N = EDGES + 1, COLUMNS = 3, STEPS = 50 };

static double x0[COLUMNS][N][3], v0[COLUMNS][N][3], m0[COLUMNS][EDGES][3], clamp_x[COLUMNS][STEPS][4][3],
    clamp_m[COLUMNS][STEPS][2][3], force[COLUMNS][STEPS][N][3], x[COLUMNS][STEPS][N][3];

/* straight, 1 m long, EA 1e4 N, EI 1 N m^2; the first and last edge are grippers, whose middles are its ends */
static rg_model *column(const int *clamps)
{
    rg_model *m = NULL;
    rg_error err = {0};
    if (rg_model_create(N, 1, clamps, 4, &m, &err) != RG_OK) fail_msg("%s", err.text);
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const rg_field_info *info = rg_field_describe((rg_field)f);
        const size_t count = rg_model_field_entries(m, (rg_field)f) * (size_t)info->components;
        if (info->range != RG_POSITIVE) memset(rg_model_field_data(m, (rg_field)f), 0, count * sizeof(double));
    }
    for (int i = 0; i < N; i++) {
        rg_model_field_data(m, RG_BEND_STIFFNESS_1)[i] = rg_model_field_data(m, RG_BEND_STIFFNESS_2)[i] = 1.0;
        rg_model_field_data(m, RG_TWIST_STIFFNESS)[i] = 1.0;
        if (i == EDGES) continue;
        rg_model_field_data(m, RG_REST_LENGTH)[i] = i && i < EDGES - 1 ? 1.0 / (EDGES - 2) : 1e-5;
        rg_model_field_data(m, RG_STRETCH_STIFFNESS)[i] = 1e4;
    }
    return m;
}

/* Three columns whose grippers come closer step by step, the second with a force across in its middle. The
 * first and third buckle, that is become unstable, at the load 4 pi^2 EI/L^2, which the shortening comes to at the
 * end of step 29 (30 steps); 20 edges put it 0.8 % lower, a third of a step. Bent by the force, the second does not. */
static void static_unstable(void **state)
{
    (void)state;
    static const int clamps[] = {0, 1, N - 2, N - 1};
    const double shortening = 4.0 * 9.8696044010893586 / 1e4 / 30.0; /* of a step [m] */
    rg_model *m = column(clamps);
    for (int r = 0; r < COLUMNS; r++) {
        for (int i = 0; i < N; i++)
            x0[r][i][0] = i == 0 ? -1e-5 : i == N - 1 ? 1.0 + 1e-5 : (i - 1) / (double)(EDGES - 2);
        for (int i = 0; i < EDGES; i++) m0[r][i][2] = 1.0;
        for (int s = 0; s < STEPS; s++) {
            for (int k = 0; k < 4; k++) {
                clamp_x[r][s][k][0] = x0[r][clamps[k]][0] - (k > 1 ? shortening * (s + 1) : 0.0);
                clamp_m[r][s][k / 2][2] = 1.0;
            }
            if (r == 1) force[r][s][N / 2][1] = 2.0;
        }
    }
    rg_batch_opts o = rg_batch_opts_default();
    rg_batch *batch = NULL;
    rg_error err = {0};
    o.rollout.scheme = RG_SCHEME_STATIC;
    o.rollout.context = backend;
    o.n_frames = STEPS;
    o.adjoint = 0;
    o.rollout.gravity[2] = 0.0;
    if (rg_batch_create(m, COLUMNS, &o, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    const rg_batch_inputs in = {.x0 = &x0[0][0][0],
                                .v0 = &v0[0][0][0],
                                .m0 = &m0[0][0][0],
                                .clamp_x = &clamp_x[0][0][0][0],
                                .clamp_m = &clamp_m[0][0][0][0],
                                .force = &force[0][0][0][0]};
    const rg_batch_outputs out = {.x = &x[0][0][0][0]};
    rg_rod_status status[COLUMNS];
    if (rg_batch_forward(batch, &in, &out, status, &err) != RG_OK) fail_msg("%s", err.text);
    for (int r = 0; r < COLUMNS; r++) {
        print_message("column %d: unstable from step %d, middle off by %.3g m\n", r, status[r].unstable,
                      x[r][STEPS - 1][N / 2][1]);
        assert_int_equal(status[r].flag, RG_ROD_OK);
    }
    assert_in_range(status[0].unstable, 28, 30);
    assert_int_equal(status[2].unstable, status[0].unstable);
    assert_int_equal(status[1].unstable, -1);
    /* the shortening past the load, 2.6e-3 m, bends it: 2/pi sqrt(2.6e-3) m and a little */
    assert_true(x[1][STEPS - 1][N / 2][1] > 0.03);
    assert_memory_equal(x[0], x[2], sizeof x[0]);
    rg_batch_destroy(&batch);
    rg_model_destroy(&m);
}

/* what has no equilibrium, and a rod that fails beside others that do not */
static void static_refused(void **state)
{
    (void)state;
    rg_batch_opts o = rg_batch_opts_default();
    rg_model *nowhere = NULL, *held = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    static const int clamps[] = {0, 1};
    assert_int_equal(rg_model_create(5, 1, NULL, 0, &nowhere, &err), RG_OK);
    assert_int_equal(rg_model_create(5, 1, clamps, 2, &held, &err), RG_OK);
    o.rollout.scheme = RG_SCHEME_STATIC;
    assert_int_equal(rg_batch_create(nowhere, 2, &o, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "nothing holds this rod"));
    const rg_model *both[] = {held, nowhere};
    assert_int_equal(rg_batch_create_ragged(both, 2, &o, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "nothing holds this rod"));
    o.rollout.stepper = RG_STEPPER_DEFORM;
    assert_int_equal(rg_batch_create(held, 2, &o, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no static scheme"));
    assert_null(batch);
    rg_model_destroy(&nowhere);
    rg_model_destroy(&held);

    grad_scene *s = make(GRAD_ENDS, 5, 3, 1, 0xbad);
    const grad_outputs well = grad_outputs_zero(s), now = grad_outputs_zero(s);
    grad_forward(s, &well);
    s->force[3 * s->vertices * (2 * s->steps + 1) + 3 * 4] = (double)NAN;
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs to = grad_batch_outputs(&now);
    rg_rod_status status[5];
    if (rg_batch_forward(s->batch, &in, &to, status, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < s->rods; i++) {
        assert_int_equal(status[i].flag, i == 2 ? RG_ROD_NONFINITE : RG_ROD_OK);
        if (i == 2) assert_int_equal(status[i].step, 1);
        else assert_int_equal(grad_outputs_differ(s, &well, i, &now, i), 0);
    }
    grad_scene_free(s);
}

/* on a GPU: the CPU's positions and tangents to round-off */
static void static_backends(void **state)
{
    (void)state;
    grad_scene *s = make(GRAD_MIDDLE, 3, 4, 2, 0x60b);
    const result there = run(s);
    s->opts.rollout.context = NULL;
    s->opts.rollout.isa = "scalar";
    const result here = run(s);
    for (size_t k = 0; k < s->rods * s->opts.n_frames * 3 * s->vertices; k++)
        assert_true(fabs(there.out.x[k] - here.out.x[k]) <= 1e-11 && fabs(there.d_out.x[k] - here.d_out.x[k]) <= 1e-9);
    grad_scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_dot),   cmocka_unit_test(static_differences), cmocka_unit_test(static_bitwise),
        cmocka_unit_test(static_stays), cmocka_unit_test(static_unstable),    cmocka_unit_test(static_refused),
    };
    const struct CMUnitTest of_gpu[] = {cmocka_unit_test(static_backends), cmocka_unit_test(static_unstable)};
    const char *name = getenv("RODGRAD_TEST_BACKEND");
    if (!name || strcmp(name, "cpu") == 0) return cmocka_run_group_tests(tests, backend_open, backend_close);
    return cmocka_run_group_tests(of_gpu, backend_open, backend_close);
}
