/* test_cuda_parity.c: the same rods one at a time, in packs and by a GPU's kernels, in double and in float:
 * states, tangents, gradients and statuses of batches, with both steppers and all schemes, and simulated
 * recordings.
 *
 * Where there is no GPU the packs are still held against the reference. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rods.h"
#include "test_cuda_scene.h"

static rg_context *gpu;

static int ways(void) { return gpu ? WAYS : GPU_DOUBLE; }

/* ---- what is compared, and how closely ---- */

enum { POSITIONS, VELOCITIES, DIRECTORS, TANGENTS, GRADIENTS, QUANTITIES };
static const char *const quantity_names[QUANTITIES] = {"positions", "velocities", "directors", "tangents", "gradients"};

/* Relative to a rod's largest number of its kind, for each step. Double: the rounding of what a Newton step
 * solves, 2e-16 over a reciprocal condition of 1e-3, twice over. Float has 6e-8 where double has 1e-16.
 * Positions lose some of that by the solve; velocities are differences of positions of some 0.5 m over a step
 * of 0.01 s, divided by some 0.2 m/s: 25 times the error and more. A twist has little inertia, and turns as
 * its neighbours' positions say. Gradients are sums over steps and vertices that cancel: up to a thousand
 * times what they leave. Measured were at most two thirds of these. The condition of a long rod is worse: LONG
 * times. So is that of an equilibrium, which no inertia stiffens, of a rod that hangs on one point: its
 * derivatives may be off by SOFT times these (measured: packs 1.4e-12 of gradients; float 7e-4 of tangents,
 * 2.6e-2 of gradients). */
enum { LONG = 20, SOFT = 30 };
static const double bars[WAYS][QUANTITIES] = {
    {0.0, 0.0, 0.0, 0.0, 0.0},           {1e-12, 1e-12, 1e-12, 1e-12, 3e-12}, {2e-6, 2e-4, 1e-4, 4e-4, 2e-3},
    {1e-12, 1e-12, 1e-12, 1e-12, 3e-12}, {2e-6, 2e-4, 1e-4, 4e-4, 2e-3},
};

static void compare(const grad_scene *s, const result *a, const result *b, double worst[QUANTITIES])
{
    const size_t n = s->vertices, f = s->opts.n_frames;
    for (size_t i = 0; i < s->rods; i++) {
        const size_t x = i * f * 3 * n, m = i * f * 3 * (n - 1), k = i * f * 3 * s->markers;
        larger(&worst[POSITIONS], relative(a->out.x + x, b->out.x + x, f * 3 * n));
        larger(&worst[POSITIONS], relative(a->out.markers + k, b->out.markers + k, f * 3 * s->markers));
        larger(&worst[VELOCITIES], relative(a->out.v + x, b->out.v + x, f * 3 * n));
        larger(&worst[DIRECTORS], relative(a->out.m + m, b->out.m + m, f * 3 * (n - 1)));
        larger(&worst[TANGENTS], relative(a->d_out.x + x, b->d_out.x + x, f * 3 * n));
        larger(&worst[TANGENTS], relative(a->d_out.v + x, b->d_out.v + x, f * 3 * n));
        larger(&worst[TANGENTS], relative(a->d_out.turn + m / 3, b->d_out.turn + m / 3, f * (n - 1)));
        larger(&worst[TANGENTS], relative(a->d_out.markers + k, b->d_out.markers + k, f * 3 * s->markers));
        for (int kind = 0; kind < GRAD_KINDS; kind++) {
            const size_t count = s->count[kind];
            larger(&worst[GRADIENTS], relative(a->g.of[kind] + i * count, b->g.of[kind] + i * count, count));
        }
    }
}

/* a rod of `refine` edges between markers */
typedef struct shape {
    size_t markers, refine, rods, frames;
    int substeps;
    grad_grip grip;
} shape;

/* 3, 5 and 13 vertices; the last has 451, more than a multiprocessor's memory holds */
static const shape shapes[] = {{3, 1, 3, 6, 1, GRAD_END},     {3, 1, 2, 6, 2, GRAD_POINT},
                               {5, 1, 9, 6, 1, GRAD_ENDS},    {5, 1, 2, 4, 3, GRAD_NOWHERE},
                               {13, 1, 5, 8, 1, GRAD_MIXED},  {7, 2, 3, 4, 2, GRAD_MIDDLE},
                               {226, 2, 1, 2, 1, GRAD_MIDDLE}};

static void parity_value(void **state)
{
    (void)state;
    int beyond = 0;
    double worst[WAYS][QUANTITIES] = {{0.0}};
    for (int stepper = 0; stepper <= GRAD_NORMALISED; stepper++)
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
            const shape *p = &shapes[k];
            if (stepper == GRAD_STATIC && p->grip == GRAD_NOWHERE) continue;
            /* a single free joint: its twist does not know its bending, and the gradient by twist stiffness is zero */
            if (stepper == GRAD_NORMALISED && p->grip == GRAD_POINT) continue;
            /* the explicit stepper resolves the waves of whole intervals only */
            grad_scene *s = grad_scene_sized(stepper, p->grip, p->rods, p->frames, p->substeps, p->markers,
                                             stepper == GRAD_DEFORM ? 1 : p->refine, 0x9a0 + k);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result reference = make_result(s), other = make_result(s);
            run_way(s, REFERENCE, gpu, &d, &bar, &reference);
            well(s, &reference);
            for (int which = PACKS; which < ways(); which++) {
                double w[QUANTITIES] = {0.0};
                run_way(s, (way)which, gpu, &d, &bar, &other);
                well(s, &other);
                compare(s, &other, &reference, w);
                for (int q = 0; q < QUANTITIES; q++) {
                    const int soft = stepper == GRAD_STATIC && q >= TANGENTS ? SOFT : 1;
                    const double each = w[q] / (double)s->steps / (s->vertices > 100 ? LONG : 1) / soft;
                    larger(&worst[which][q], each);
                    if (each <= bars[which][q]) continue;
                    beyond++;
                    print_error("%s, %s, %zu vertices: %s differ by %.2g of their size a step\n", way_names[which],
                                grad_stepper_name(stepper), s->vertices, quantity_names[q], each);
                }
                /* the shim's double does what the reference does, in the same order */
                for (size_t i = 0; ON_SHIM && which == GPU_DOUBLE && i < s->rods; i++)
                    assert_int_equal(results_differ(s, &reference, i, &other, i), 0);
            }
            grad_scene_free(s);
        }
    for (int which = PACKS; which < ways(); which++)
        for (int q = 0; q < QUANTITIES; q++)
            print_message("%s, %s: %.2g of their size a step (at most %.2g)\n", way_names[which], quantity_names[q],
                          worst[which][q], bars[which][q]);
    assert_int_equal(beyond, 0);
}

/* Other widths of the team: sums in another order, within the same bars; and what is no width is refused. The shim has
 * such kernels; elsewhere RODGRAD_TEST_KERNELS names a folder with those of the implicit stepper. */
static void parity_teams_value(void **state)
{
    static const struct {
        int stepper, team;
        way which;
    } kinds[] = {{GRAD_BDF2, 4, GPU_DOUBLE},   {GRAD_BDF2, 16, GPU_DOUBLE},  {GRAD_BDF2, 32, GPU_DOUBLE},
                 {GRAD_EULER, 32, GPU_DOUBLE}, {GRAD_BDF2, 4, GPU_FLOAT},    {GRAD_BDF2, 16, GPU_FLOAT},
                 {GRAD_BDF2, 32, GPU_FLOAT},   {GRAD_DEFORM, 16, GPU_DOUBLE}};
    const char *folder = getenv("RODGRAD_TEST_KERNELS");
    const size_t count = sizeof kinds / sizeof *kinds - (ON_SHIM ? 0 : 1);
    rg_context *ours = gpu;
    (void)state;
    if (!gpu || (!ON_SHIM && !folder)) skip();
    if (folder) {
        rg_context_opts o = rg_context_opts_default();
        rg_error failed = {0};
        o.backend = "cuda";
        o.kernels = folder;
        if (rg_context_create(&o, &ours, &failed) != RG_OK) fail_msg("%s", failed.text);
    }
    for (size_t k = 0; k < count; k++)
        for (size_t i = 2; i < 5; i++) {
            const shape *p = &shapes[i];
            double worst[QUANTITIES] = {0.0};
            grad_scene *s =
                grad_scene_sized(kinds[k].stepper, p->grip, p->rods, p->frames, p->substeps, p->markers, 1, 0x7ea);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result reference = make_result(s), other = make_result(s);
            run_way(s, REFERENCE, gpu, &d, &bar, &reference);
            s->opts.rollout.team = kinds[k].team;
            run_way(s, kinds[k].which, ours, &d, &bar, &other);
            well(s, &other);
            compare(s, &other, &reference, worst);
            for (int q = 0; q < QUANTITIES; q++)
                if (!(worst[q] / (double)s->steps <= bars[kinds[k].which][q]))
                    fail_msg("%s, %s, %zu vertices, %d threads: %s differ by %.2g of their size a step",
                             way_names[kinds[k].which], grad_stepper_name(kinds[k].stepper), s->vertices, kinds[k].team,
                             quantity_names[q], worst[q] / (double)s->steps);
            grad_scene_free(s);
        }
    grad_scene *s = grad_scene_sized(GRAD_BDF2, GRAD_ENDS, 1, 1, 1, 5, 1, 0x7eb);
    rg_error err = {0};
    s->opts.rollout.context = gpu;
    s->opts.rollout.team = 12;
    assert_int_equal(rg_batch_create(s->models[0], 1, &s->opts, &s->batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "12 threads"));
    s->opts.rollout.team = 8;
    s->opts.rollout.team_registers = 100;
    assert_int_equal(rg_batch_create(s->models[0], 1, &s->opts, &s->batch, &err), RG_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "t8_r100"));
    s->opts.rollout.context = NULL;
    assert_int_equal(rg_batch_create(s->models[0], 1, &s->opts, &s->batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "team"));
    grad_scene_free(s);
    if (ours != gpu) rg_context_destroy(&ours);
}

/* a window's cut, and the growth of the cotangent: all numbers of one kind, relative to the largest */
static void parity_growth_value(void **state)
{
    static const double close[WAYS] = {0.0, 1e-11, 2e-2, 1e-11, 2e-2}; /* GRADIENTS' bars for the ten steps */
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (size_t window = 0; window <= 4; window += 4) {
            grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, 3, 5, 2, 6, 1, 0x960);
            grad_outputs bar = grad_outputs_random(s, 3);
            double *growth[2] = {grad_alloc(s, 3 * 6), grad_alloc(s, 3 * 6)};
            double *x0[2] = {grad_alloc(s, s->rods * s->count[GRAD_X0]), grad_alloc(s, s->rods * s->count[GRAD_X0])};
            s->opts.window = window;
            for (int which = 0; which < ways(); which++) {
                const rg_batch_inputs in = grad_inputs(s);
                const rg_batch_outputs none = {0};
                const rg_batch_cotangents c = grad_cotangents(&bar);
                rg_batch_gradients g;
                rg_error err = {0};
                memset(&g, 0, sizeof g);
                g.x0 = x0[which > 0];
                g.growth = growth[which > 0];
                g.growth_every = 2;
                way_options(&s->opts.rollout, (way)which, gpu);
                grad_scene_open(s);
                if (rg_batch_forward(s->batch, &in, &none, NULL, &err) != RG_OK ||
                    rg_batch_adjoint(s->batch, &c, &g, NULL, &err) != RG_OK)
                    fail_msg("%s", err.text);
                if (which == REFERENCE) continue;
                double off = relative(growth[1], growth[0], 3 * 6);
                larger(&off, relative(x0[1], x0[0], s->rods * s->count[GRAD_X0]));
                if (!(off <= close[which]))
                    fail_msg("%s, %s, window %zu: %.2g", way_names[which], grad_stepper_name(stepper), window, off);
            }
            assert_true(growth[0][0] > 0.0);
            grad_scene_free(s);
        }
}

/* one bad rod among good ones: the status is the reference's, and the others do not notice */
static void parity_failed_rod(void **state)
{
    enum { RODS = 9, BAD = 4, STEP = 3, FAULTS = 4 };
    (void)state;
    for (int stepper = 0; stepper <= GRAD_NORMALISED; stepper++)
        for (int fault = 0; fault < FAULTS; fault++)
            for (int which = 0; which < ways(); which++) {
                grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, RODS, 6, 1, 6, 1, 0x9fa);
                grad_vector d = grad_vector_random(s, 2);
                grad_outputs bar = grad_outputs_random(s, 3);
                result well_done = make_result(s), now = make_result(s), reference = make_result(s);
                run_way(s, (way)which, gpu, &d, &bar, &well_done);
                const size_t step = BAD * s->steps + STEP;
                if (fault == 0) s->force[3 * (step * s->vertices + 2) + 1] = NAN;
                if (fault == 1) s->force[3 * (step * s->vertices + 2) + 1] = INFINITY;
                if (fault == 2) s->clamp_x[3 * step * s->clamped + 2] = NAN;
                if (fault == 3) bar.x[3 * (step * s->vertices + 2)] = NAN;
                run_way(s, REFERENCE, gpu, &d, &bar, &reference);
                run_way(s, (way)which, gpu, &d, &bar, &now);
                for (size_t i = 0; i < RODS; i++)
                    if (i != BAD) assert_int_equal(results_differ(s, &well_done, i, &now, i), 0);
                const rg_rod_status *is = &now.status[BAD], *was = &reference.status[BAD];
                assert_int_equal(was->flag, fault == 3 ? RG_ROD_OK : RG_ROD_NONFINITE);
                assert_int_equal(is->flag, was->flag);
                assert_int_equal(is->step, was->step);
                assert_int_equal(is->vertex, was->vertex);
                assert_int_equal(now.d_status[BAD].flag, was->flag);
                assert_int_equal(now.back[BAD].flag, reference.back[BAD].flag);
                assert_int_equal(now.back[BAD].step, reference.back[BAD].step);
                assert_int_equal(now.back[BAD].vertex, reference.back[BAD].vertex);
                if (fault == 3) assert_int_equal(now.back[BAD].flag, RG_ROD_NONFINITE);
                /* what it did until then, and where it stays */
                const size_t row = 6 * 3 * s->vertices;
                double off = relative(now.out.x + BAD * row, reference.out.x + BAD * row, row);
                if (!(off <= 6.0 * bars[which][POSITIONS]))
                    fail_msg("%s, %s, fault %d: %.2g", way_names[which], grad_stepper_name(stepper), fault, off);
                grad_scene_free(s);
            }
}

/* ---- recordings ---- */

static void simulate(const rg_model *model, const rg_recording *r, size_t n, rg_rollout_opts o, way which, double **out,
                     rg_rod_status *statuses)
{
    rg_error err = {0};
    way_options(&o, which, gpu);
    if (rg_simulate(model, r, n, &o, out, statuses, &err) != RG_OK) fail_msg("%s", err.text);
}

static void parity_simulate_value(void **state)
{
    enum { N = 5, MARKERS = 7 };
    static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
    static const size_t frames[N] = {12, 5, 9, 20, 3};
    (void)state;
    rg_model *model = rods_model(MARKERS, 1, clamps, 4, 0x51);
    rg_recording r[N];
    double *out[2][N];
    double worst[WAYS] = {0.0};
    for (size_t i = 0; i < N; i++) {
        const size_t count = 3 * MARKERS * frames[i];
        r[i] = rods_recording(MARKERS, frames[i], clamps, 4, 0x52 + i);
        for (int k = 0; k < 2; k++) {
            out[k][i] = malloc(count * sizeof(double));
            assert_non_null(out[k][i]);
        }
        /* of a free marker only the first two frames may be read */
        for (size_t f = 2; f < frames[i]; f++) r[i].positions[3 * (f * MARKERS + 3)] = NAN;
    }
    for (int stepper = 0; stepper <= GRAD_NORMALISED; stepper++) {
        rg_rollout_opts o = rg_rollout_opts_default();
        rg_rod_status reference[N], statuses[N];
        o.stepper = stepper == GRAD_DEFORM ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
        o.scheme = stepper == GRAD_EULER ? RG_SCHEME_BE : RG_SCHEME_BDF2;
        if (stepper == GRAD_STATIC) o.scheme = RG_SCHEME_STATIC;
        o.substeps = stepper == GRAD_DEFORM ? 8 : 2; /* frames of 0.01 s, steps of at most 2/770 s */
        o.tolerance_m = 1e-12;
        o.threads = 1;
        simulate(model, r, N, o, REFERENCE, out[0], reference);
        for (int which = PACKS; which < ways(); which++) {
            simulate(model, r, N, o, (way)which, out[1], statuses);
            for (size_t i = 0; i < N; i++) {
                assert_int_equal(reference[i].flag, RG_ROD_OK);
                assert_int_equal(statuses[i].flag, RG_ROD_OK);
                /* frame by frame, each with its steps; the first two are copied */
                for (size_t f = 0; f < frames[i]; f++)
                    larger(&worst[which],
                           relative(out[1][i] + 3 * f * MARKERS, out[0][i] + 3 * f * MARKERS, 3 * MARKERS) /
                               (double)(f < 2 ? 1 : (f - 1) * (size_t)o.substeps));
                if (ON_SHIM && which == GPU_DOUBLE)
                    assert_memory_equal(out[1][i], out[0][i], 3 * MARKERS * frames[i] * sizeof(double));
            }
        }
    }
    for (int which = PACKS; which < ways(); which++) {
        print_message("%s, recordings: %.2g a step\n", way_names[which], worst[which]);
        if (!(worst[which] <= bars[which][POSITIONS])) fail();
    }
    for (size_t i = 0; i < N; i++) {
        rg_recording_clear(&r[i]);
        free(out[0][i]);
        free(out[1][i]);
    }
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parity_value),          cmocka_unit_test(parity_teams_value),
        cmocka_unit_test(parity_growth_value),   cmocka_unit_test(parity_failed_rod),
        cmocka_unit_test(parity_simulate_value),
    };
    gpu = gpu_context();
    int failed = cmocka_run_group_tests_name("cuda_parity", tests, NULL, NULL);
    rg_context_destroy(&gpu);
    return failed;
}
