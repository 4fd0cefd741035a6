/* test_rod_status.c: what the status of a rod says where the rod does not fail and may be wrong: the largest twist of
 * a vertex, the largest turn of a gripper in a step, a step that is too long for the deform stepper.
 *
 * The rod lies along x, both ends gripped, and the far gripper turns. RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
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
#include "core/stability.h"
#include "grad_scene.h"

enum { V = 8, E = V - 1, C = 4, D = 2, S = 6, RODS = 5 };
static const double PI = 3.14159265358979323846, EDGE = 0.05;

static rg_model *make_model(void)
{
    static const int grips[] = {0, 1, V - 2, V - 1};
    rg_model *model = NULL;
    rg_error err = {0};
    if (rg_model_create(V, 1, grips, C, &model, &err) != RG_OK) fail_msg("%s", err.text);
    static const struct {
        rg_field field;
        double value;
    } values[] = {{RG_REST_LENGTH, 0.05},      {RG_MASS_PER_LENGTH, 0.05}, {RG_BEND_STIFFNESS_1, 2e-3},
                  {RG_BEND_STIFFNESS_2, 2e-3}, {RG_TWIST_STIFFNESS, 2e-3}, {RG_STRETCH_STIFFNESS, 500.0},
                  {RG_BEND_RELAXATION, 0.01},  {RG_TWIST_RELAXATION, 0.01}};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        double *p = rg_model_field_data(model, values[k].field);
        for (size_t i = 0; i < rg_model_field_entries(model, values[k].field); i++) p[i] = values[k].value;
    }
    return model;
}

typedef struct inputs {
    double x0[RODS][V][3], v0[RODS][V][3], m0[RODS][E][3], clamp_x[RODS][S][C][3], clamp_m[RODS][S][D][3];
} inputs;

/* Step k of rod r ends with the far gripper turned by roll[k] about the rod and then by tilt[k] about y, in rod `odd`
 * alone; the others rest. */
static void set_inputs(inputs *in, size_t odd, const double *roll, const double *tilt)
{
    memset(in, 0, sizeof *in);
    for (size_t r = 0; r < RODS; r++) {
        for (size_t i = 0; i < V; i++) in->x0[r][i][0] = EDGE * (double)i;
        for (size_t i = 0; i < E; i++) in->m0[r][i][1] = 1.0;
        for (size_t k = 0; k < S; k++) {
            const double a = r == odd ? roll[k] : 0.0, b = r == odd ? tilt[k] : 0.0;
            static const int at[C] = {0, 1, V - 2, V - 1};
            for (size_t c = 0; c < C; c++) in->clamp_x[r][k][c][0] = EDGE * at[c];
            in->clamp_x[r][k][3][0] = EDGE * (V - 2 + cos(b));
            in->clamp_x[r][k][3][2] = -EDGE * sin(b);
            in->clamp_m[r][k][0][1] = 1.0;
            in->clamp_m[r][k][1][0] = sin(a) * sin(b);
            in->clamp_m[r][k][1][1] = cos(a);
            in->clamp_m[r][k][1][2] = sin(a) * cos(b);
        }
    }
}

static rg_batch_inputs point(const inputs *in)
{
    const rg_batch_inputs to = {.x0 = in->x0[0][0],
                                .v0 = in->v0[0][0],
                                .m0 = in->m0[0][0],
                                .clamp_x = in->clamp_x[0][0][0],
                                .clamp_m = in->clamp_m[0][0][0]};
    return to;
}

/* 0 where this processor or backend has no such instructions */
static int run(const inputs *in, const rg_batch_opts *opts, rg_rod_status *statuses)
{
    rg_model *model = make_model();
    rg_batch *batch = NULL;
    rg_error err = {0};
    const rg_batch_inputs at = point(in);
    double numbers[RODS][RG_STATUS_NUMBERS];
    const rg_batch_outputs to = {.status = numbers[0]};
    const rg_status status = rg_batch_create(model, RODS, opts, &batch, &err);
    rg_model_destroy(&model);
    if (status == RG_ERR_UNSUPPORTED) return 0;
    if (status != RG_OK || rg_batch_forward(batch, &at, &to, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    for (int i = 0; i < RODS; i++) grad_same_status(numbers[i], &statuses[i]);
    rg_batch_destroy(&batch);
    return 1;
}

/* every stepper and scheme, real and instruction set; on a GPU one of the latter */
typedef struct variant {
    rg_stepper stepper;
    rg_scheme scheme;
    rg_real real;
    const char *isa;
} variant;

static size_t list_variants(variant *out)
{
    static const char *const isas[] = {"scalar", "fma", "sse2", "avx2", "avx512"};
    size_t n = 0;
    for (int s = 0; s < 4; s++)
        for (int real = 0; real < 2; real++)
            for (size_t k = 0; k < (backend ? 1 : sizeof isas / sizeof *isas); k++)
                out[n++] = (variant){s == 3 ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT,
                                     s == 3 ? RG_SCHEME_BE : (rg_scheme)s, (rg_real)real, backend ? NULL : isas[k]};
    return n;
}
enum { VARIANTS = 40 };

static rg_batch_opts options(const variant *v)
{
    rg_batch_opts o = rg_batch_opts_default();
    o.rollout.context = backend;
    o.rollout.stepper = v->stepper;
    o.rollout.scheme = v->scheme;
    o.rollout.real = v->real;
    o.rollout.isa = v->isa;
    o.rollout.threads = 1;
    o.dt_s = 0.005;
    o.n_frames = S;
    o.adjoint = 0;
    o.rollout.gravity[2] = 0.0;
    return o;
}

static const char *name_of(const variant *v)
{
    static char text[96];
    snprintf(text, sizeof text, "%s %s %s %s", rg_stepper_name(v->stepper), rg_scheme_name(v->scheme),
             rg_real_name(v->real), v->isa ? v->isa : "default");
    return text;
}

/* a roll, a tilt, and both in one step, of which the rotation is cos(angle/2) = cos(roll/2) cos(tilt/2); a roll by 4 is
 * one by 2 pi - 4 the other way round. Single precision knows 1 - cos to 1e-7. */
static void rod_status_turn(void **state)
{
    static const struct {
        double roll, tilt;
    } by[] = {{0.3, 0.0}, {0.0, 0.3}, {0.9, -0.4}, {2.0, 0.0}, {0.0, 1.7}, {4.0, 0.0}};
    variant variants[VARIANTS];
    inputs *in = malloc(sizeof *in);
    (void)state;
    for (size_t v = 0, n = list_variants(variants); v < n; v++)
        for (size_t k = 0; k < sizeof by / sizeof *by; k++) {
            double roll[S], tilt[S];
            for (int s = 0; s < S; s++) {
                roll[s] = s < 2 ? 0.01 * s : 0.01 + by[k].roll;
                tilt[s] = s < 2 ? 0.0 : by[k].tilt;
            }
            rg_rod_status status[RODS];
            const rg_batch_opts opts = options(&variants[v]);
            set_inputs(in, 3, roll, tilt);
            if (!run(in, &opts, status)) break;
            const double angle = 2.0 * acos(cos(0.5 * by[k].roll) * cos(0.5 * by[k].tilt));
            const double expected = angle > PI ? 2.0 * PI - angle : angle;
            const double bar = variants[v].real == RG_REAL_FLOAT ? 2e-4 : 1e-9;
            if (!(fabs(status[3].worst_turn_rad - expected) <= bar) || status[3].worst_turn_step != 2)
                fail_msg("%s: %.9g rad in step %d, not %.9g in step 2", name_of(&variants[v]), status[3].worst_turn_rad,
                         status[3].worst_turn_step, expected);
            assert_true(status[0].worst_turn_rad <= 1e-3 && status[4].worst_turn_rad <= 1e-3);
        }
    free(in);
}

/* six turns of 0.4 rad: in equilibrium each of the six joints has a sixth of them. The deform stepper's twist is that
 * in equilibrium with the directors of the step before; with inertia there is more where the turn comes in. */
static void rod_status_twist(void **state)
{
    variant variants[VARIANTS];
    inputs *in = malloc(sizeof *in);
    double roll[S], tilt[S] = {0.0}, first = 0.0;
    (void)state;
    for (int s = 0; s < S; s++) roll[s] = 0.4 * (s + 1);
    set_inputs(in, 1, roll, tilt);
    for (size_t v = 0, n = list_variants(variants); v < n; v++) {
        rg_rod_status status[RODS];
        const rg_batch_opts opts = options(&variants[v]);
        if (!run(in, &opts, status)) continue;
        const rg_rod_status *s = &status[1];
        if (s->flag != RG_ROD_OK) fail_msg("%s: %s", name_of(&variants[v]), rg_rod_flag_text(s->flag));
        const int still = variants[v].stepper == RG_STEPPER_DEFORM || variants[v].scheme == RG_SCHEME_STATIC;
        const double expected = variants[v].stepper == RG_STEPPER_DEFORM ? 2.0 / 6.0 : 0.4;
        const double bar = variants[v].real == RG_REAL_FLOAT ? 1e-4 : 1e-7;
        if (variants[v].real == RG_REAL_DOUBLE && (!variants[v].isa || strcmp(variants[v].isa, "scalar") == 0))
            first = s->worst_twist_rad;
        const int good = fabs(s->worst_twist_rad - (still ? expected : first)) <= bar &&
                         s->worst_twist_rad >= expected - bar && s->worst_twist_step >= 0;
        if (!good || (still && s->worst_twist_step != S - 1))
            fail_msg("%s: %.9g rad in step %d", name_of(&variants[v]), s->worst_twist_rad, s->worst_twist_step);
        assert_true(status[0].worst_twist_rad == 0.0 && status[0].worst_twist_step == -1);
    }
    free(in);
}

static void scale_bending(rg_model *model, double by)
{
    for (int f = RG_BEND_STIFFNESS_1; f <= RG_BEND_STIFFNESS_2; f++)
        for (size_t i = 0; i < rg_model_field_entries(model, (rg_field)f); i++)
            rg_model_field_data(model, (rg_field)f)[i] *= by;
}

/* the deform stepper past its limit, of the whole batch and of one rod that is made stiffer */
static void rod_status_step(void **state)
{
    const double none[S] = {0.0};
    inputs *in = malloc(sizeof *in);
    rg_model *model = make_model();
    rg_batch *batch = NULL;
    rg_error err = {0};
    double limit = 0.0;
    (void)state;
    assert_int_equal(rgi_deform_longest_step(model, &limit, &err), RG_OK);
    assert_true(limit > 1e-4 && limit < 1.0);
    set_inputs(in, 0, none, none);
    for (int k = 0; k < 3; k++) {
        const variant v = {k < 2 ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT, RG_SCHEME_BE, RG_REAL_DOUBLE, NULL};
        rg_rod_status status[RODS];
        rg_batch_opts opts = options(&v);
        opts.dt_s = (k == 0 ? 0.99 : 1.01) * limit;
        const rg_batch_inputs at = point(in);
        assert_int_equal(rg_batch_create(model, RODS, &opts, &batch, &err), RG_OK);
        assert_int_equal(rg_batch_forward(batch, &at, NULL, status, &err), RG_OK);
        for (size_t r = 0; r < RODS; r++)
            assert_true(k == 1 ? fabs(status[r].stable_step_s / limit - 1.0) < 1e-9 : status[r].stable_step_s == 0.0);
        /* without damping the limit of four times the stiffness is about half; with it, less */
        scale_bending(model, 4.0);
        assert_int_equal(rg_batch_set_model(batch, 2, model, &err), RG_OK);
        assert_int_equal(rg_batch_forward(batch, &at, NULL, status, &err), RG_OK);
        scale_bending(model, 0.25);
        assert_true(k < 2 ? status[2].stable_step_s > 0.0 && status[2].stable_step_s < 0.6 * limit
                          : status[2].stable_step_s == 0.0);
        assert_true(status[1].stable_step_s == 0.0 || k == 1);
        rg_batch_destroy(&batch);
    }
    rg_model_destroy(&model);
    free(in);
}

/* a batch that carries on sees a turn between two of its runs */
static void rod_status_carried(void **state)
{
    const double none[S] = {0.0};
    double roll[S];
    const variant v = {RG_STEPPER_IMPLICIT, RG_SCHEME_BDF2, RG_REAL_DOUBLE, NULL};
    rg_batch_opts opts = options(&v);
    rg_rod_status status[RODS];
    rg_model *model = make_model();
    rg_batch *batch = NULL;
    rg_error err = {0};
    inputs *in = malloc(sizeof *in);
    (void)state;
    opts.carry_on = 1;
    for (int s = 0; s < S; s++) roll[s] = 1.8;
    assert_int_equal(rg_batch_create(model, RODS, &opts, &batch, &err), RG_OK);
    for (int k = 0; k < 3; k++) {
        set_inputs(in, 4, k == 0 ? none : roll, none);
        const rg_batch_inputs at = point(in);
        assert_int_equal(rg_batch_forward(batch, &at, NULL, status, &err), RG_OK);
        assert_int_equal(status[4].flag, RG_ROD_OK);
        assert_true(fabs(status[4].worst_turn_rad - (k == 1 ? 1.8 : 0.0)) < 1e-6);
        assert_true(k != 1 || status[4].worst_turn_step == 0);
        assert_true((status[4].worst_twist_rad > 0.1) == (k > 0));
    }
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    free(in);
}

/* a recording whose gripper turns by 170 degrees from one frame to the next, in ten steps of less */
static void rod_status_recording(void **state)
{
    enum { FRAMES = 6 };
    double positions[FRAMES][V][3] = {{{0.0}}};
    uint8_t valid[FRAMES * V];
    int clamps[C] = {0, 1, V - 2, V - 1};
    char name[] = "turn";
    rg_model *model = make_model();
    rg_rod_status status;
    rg_error err = {0};
    (void)state;
    memset(valid, 1, sizeof valid);
    const double angle = 170.0 / 180.0 * PI;
    for (size_t f = 0; f < FRAMES; f++) {
        for (size_t i = 0; i < V; i++) positions[f][i][0] = EDGE * (double)i;
        if (f < 4) continue;
        positions[f][V - 1][0] = EDGE * (V - 2 + cos(angle));
        positions[f][V - 1][2] = EDGE * sin(angle);
    }
    rg_recording r = {.name = name,
                      .n_frames = FRAMES,
                      .n_markers = V,
                      .dt_s = 0.01,
                      .positions = positions[0][0],
                      .driving = positions[0][0],
                      .valid = valid,
                      .n_clamps = C,
                      .clamps = clamps};
    rg_rollout_opts opts = rg_rollout_opts_default();
    opts.context = backend;
    opts.substeps = 10;
    double out[FRAMES][V][3], *to = out[0][0];
    assert_int_equal(rg_simulate(model, &r, 1, &opts, &to, &status, &err), RG_OK);
    if (!(fabs(status.worst_turn_rad - angle) < 1e-9) || status.worst_turn_step != 29)
        fail_msg("%.9g rad in step %d", status.worst_turn_rad, status.worst_turn_step);
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rod_status_turn),    cmocka_unit_test(rod_status_twist),     cmocka_unit_test(rod_status_step),
        cmocka_unit_test(rod_status_carried), cmocka_unit_test(rod_status_recording),
    };
    return cmocka_run_group_tests_name("rod_status", tests, backend_open, backend_close);
}
