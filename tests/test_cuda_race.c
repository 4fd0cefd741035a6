/* test_cuda_race.c: the rollout's kernels on the CPU shim, for ThreadSanitizer to watch: test_cuda_race
 * "*implicit*", or
 * "*deform*". Two rods of 5 vertices, three steps: tangents of inputs and, ten at a time, of parameters;
 * adjoints of outputs, of a loss and of products, from kept states and from checkpoints; rods that fail.
 *
 * Each thread of a team is a thread to the sanitizer, and only barriers order them: tests/cuda_race.sh takes
 * barriers away and expects a report. What comes out is others' concern (test_cuda_parity.c); here only calls
 * must succeed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fit/residuals.h"
#include "rods.h"
#include "test_cuda_scene.h"

enum { RODS = 2, MARKERS = 5, STEPS = 3, DIRECTIONS = 10 };

/* what a batch goes through besides */
typedef enum course {
    PLAIN,       /* every state kept */
    CHECKPOINTS, /* two levels; and a cut adjoint */
    DEEPER,      /* three, which takes more steps */
    WILD,        /* Newton far from a minimum: natural curvatures of some 60/m */
    BAD,         /* a force and a cotangent that are no numbers */
    COURSES
} course;

static void ok(rg_status status, const rg_error *err)
{
    if (status == RG_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(2);
}

/* the budget that leads to three levels */
static size_t deeper(const grad_scene *s)
{
    rg_batch_opts o = s->opts;
    rg_batch *probe = NULL;
    rg_error err = {0};
    o.budget_bytes = RG_STORE_ALL;
    ok(rg_batch_create(s->models[0], s->rods, &o, &probe, &err), &err);
    const size_t whole = rg_batch_describe(probe).kept_bytes;
    for (size_t share = 99; share > 0; share--) {
        rg_batch_destroy(&probe);
        o.budget_bytes = whole * share / 100;
        ok(rg_batch_create(s->models[0], s->rods, &o, &probe, &err), &err);
        if (rg_batch_describe(probe).levels == 3) break;
    }
    rg_batch_destroy(&probe);
    return o.budget_bytes;
}

/* everything in, everything out */
static void batch(int stepper, rg_context *gpu, course which)
{
    const size_t steps = which == DEEPER ? 67 : STEPS;
    grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, RODS, steps, 1, MARKERS, 1, 0x7ace);
    grad_vector d = grad_vector_random(s, 2);
    grad_outputs bar = grad_outputs_random(s, 3);
    result r = make_result(s);
    double *growth = grad_alloc(s, RODS * (steps + 1));
    const rg_batch_cotangents c = grad_cotangents(&bar);
    rg_batch_gradients g = grad_gradients(&r.g, GRAD_ALL);
    rg_error err = {0};
    g.growth = growth;
    g.growth_every = 1;
    s->opts.budget_bytes = which == CHECKPOINTS ? 0 : RG_STORE_ALL;
    s->opts.rollout.tolerance_m = 1e-6;
    s->opts.window = which == CHECKPOINTS ? 2 : 0;
    way_options(&s->opts.rollout, GPU_DOUBLE, gpu);
    if (which == DEEPER) s->opts.budget_bytes = deeper(s);
    for (size_t i = 0; which == WILD && i < RODS; i++) {
        double *curvature = rg_model_field_data(s->models[i], RG_NATURAL_CURVATURE);
        for (size_t k = 0; k < 2 * rg_model_field_entries(s->models[i], RG_NATURAL_CURVATURE); k++)
            curvature[k] *= 15.0;
    }
    if (which == BAD) {
        s->force[3 * (s->vertices * (steps + 1) + 2)] = NAN; /* rod 1, step 1, vertex 2 */
        bar.x[3 * (s->vertices + 2)] = NAN;                  /* rod 0, frame 1 */
    }
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs out = grad_batch_outputs(&r.out);
    const rg_batch_tangents t = grad_tangents(&d, GRAD_ALL);
    const rg_batch_tangent_outputs d_out = grad_batch_tangent_outputs(&r.d_out);
    grad_scene_open(s);
    ok(rg_batch_jvp(s->batch, &in, &t, &out, &d_out, r.d_status, &err), &err);
    ok(rg_batch_adjoint(s->batch, &c, &g, r.back, &err), &err);
    grad_scene_free(s);
}

/* a run that goes on, but for a rod that starts anew */
static void carry_on(int stepper, rg_context *gpu)
{
    static const unsigned char mask[RODS] = {1, 0};
    grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, RODS, STEPS, 1, MARKERS, 1, 0x7ace);
    grad_outputs out = grad_outputs_zero(s);
    rg_error err = {0};
    s->opts.adjoint = 0;
    s->opts.carry_on = 1;
    way_options(&s->opts.rollout, GPU_DOUBLE, gpu);
    grad_scene_open(s);
    grad_forward(s, &out);
    ok(rg_batch_reset(s->batch, mask, &err), &err);
    grad_forward(s, &out);
    grad_scene_free(s);
}

/* recordings, with tangents of fields in many directions and rows of normal equations; then a product */
static void takes(int stepper, rg_context *gpu, size_t n_clamps)
{
    static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
    rg_model *model = rods_model(MARKERS, 1, clamps, n_clamps, 0x51);
    rg_recording recordings[RODS];
    rgi_place places[DIRECTIONS];
    rgi_direction directions[DIRECTIONS];
    rgi_residuals_opts o;
    rg_error err = {0};
    for (size_t i = 0; i < RODS; i++) recordings[i] = rods_recording(MARKERS, STEPS + 2, clamps, n_clamps, 0x52 + i);
    for (size_t q = 0; q < DIRECTIONS; q++) {
        static const rg_field fields[] = {RG_BEND_STIFFNESS_1, RG_DRAG, RG_REST_LENGTH, RG_MARKER_OFFSET,
                                          RG_MARKER_MASS};
        const rgi_place at = {fields[q % 5], 2, 0, 1e-3};
        places[q] = at;
        directions[q].places = &places[q];
        directions[q].n_places = 1;
    }
    memset(&o, 0, sizeof o);
    o.rollout = rg_rollout_opts_default();
    o.rollout.stepper = stepper == GRAD_DEFORM ? RG_STEPPER_DEFORM : RG_STEPPER_IMPLICIT;
    o.rollout.substeps = stepper == GRAD_DEFORM ? 2 : 1;
    o.rollout.context = gpu;
    o.markers = 1;
    o.max_directions = DIRECTIONS;
    o.floor_m = 0.003;
    o.block = 2;
    /* markers and their tangents; normal equations; the loss's gradient */
    for (int k = 0; k < 3; k++) {
        rgi_residuals *run = NULL;
        double gradient[DIRECTIONS] = {0.0};
        o.markers_jvp = k == 0;
        o.fit = k > 0;
        o.adjoint = k == 2;
        ok(rgi_residuals_create(model, recordings, RODS, &o, &run, &err), &err);
        if ((rgi_residuals_device_normal(run) != NULL) != (k == 1)) {
            fprintf(stderr, "normal equations are not made where they should be\n");
            exit(2);
        }
        ok(rgi_residuals_set(run, model, directions, DIRECTIONS, &err), &err);
        ok(rgi_residuals_run(run, &err), &err);
        if (k == 2) ok(rgi_residuals_gradient(run, directions, DIRECTIONS, 0, gradient, &err), &err);
        rgi_residuals_destroy(&run);
    }
    /* Gauss-Newton's product: one direction, its markers kept */
    rgi_residuals *run = NULL;
    double gradient[DIRECTIONS] = {0.0};
    o.fit = o.markers_jvp = o.adjoint = 1;
    o.max_directions = 1;
    ok(rgi_residuals_create(model, recordings, RODS, &o, &run, &err), &err);
    ok(rgi_residuals_set(run, model, directions, 1, &err), &err);
    ok(rgi_residuals_run(run, &err), &err);
    ok(rgi_residuals_gradient(run, directions, 1, 1, gradient, &err), &err);
    rgi_residuals_destroy(&run);
    for (size_t i = 0; i < RODS; i++) rg_recording_clear(&recordings[i]);
    rg_model_destroy(&model);
}

static void watch(int deform)
{
    rg_context *gpu = gpu_context();
    if (!gpu) exit(2);
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        if (deform != (stepper == GRAD_DEFORM)) continue;
        for (course which = PLAIN; which < COURSES; which++)
            if (which == PLAIN || stepper != GRAD_EULER) batch(stepper, gpu, which);
        if (stepper != GRAD_EULER) carry_on(stepper, gpu);
    }
    for (size_t held = 2; held <= 4; held += 2) takes(deform ? GRAD_DEFORM : GRAD_BDF2, gpu, held);
    rg_context_destroy(&gpu);
}

static void race_implicit_silent(void **state)
{
    (void)state;
    watch(0);
}

static void race_deform_silent(void **state)
{
    (void)state;
    watch(1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(race_implicit_silent),
        cmocka_unit_test(race_deform_silent),
    };
    if (argc == 2) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("cuda_race", tests, NULL, NULL);
}
