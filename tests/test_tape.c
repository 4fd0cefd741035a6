/* test_tape.c: several runs of one batch at a time, each on a tape of its own. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grad_scene.h"
#include "rods.h"

enum { RODS = 11, FRAMES = 12, SUBSTEPS = 2, TAPES = 2 };

/* one run: where its rods start is its own */
typedef struct run {
    grad_scene *scene;
    grad_outputs out, bar;
    grad_vector g;
    rg_rod_status statuses[RODS];
} run;

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static run run_make(int stepper, uint64_t seed)
{
    run r;
    memset(&r, 0, sizeof r);
    r.scene = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0x7a9e);
    for (size_t i = 0; i < 3 * RODS * r.scene->vertices; i++) r.scene->v0[i] += 0.02 * sin((double)(seed * i));
    grad_scene_open(r.scene);
    r.out = grad_outputs_zero(r.scene);
    r.bar = grad_outputs_random(r.scene, seed + 100);
    r.g = grad_vector_zero(r.scene);
    return r;
}

static void run_forward(const run *r, rg_tape *tape, const grad_outputs *out)
{
    const rg_batch_inputs in = grad_inputs(r->scene);
    const rg_batch_outputs to = {.x = out->x, .v = out->v, .m = out->m, .markers = out->markers};
    rg_error err = {0};
    ok(rg_tape_forward(tape, &in, &to, NULL, &err), &err);
}

static void run_adjoint(const run *r, rg_tape *tape, const grad_vector *g)
{
    const rg_batch_cotangents bar = grad_cotangents(&r->bar);
    const rg_batch_gradients to = grad_gradients(g, GRAD_ALL);
    rg_error err = {0};
    ok(rg_tape_adjoint(tape, &bar, &to, NULL, &err), &err);
}

static void compare(const run *r, const grad_outputs *out, const grad_vector *g, const char *what)
{
    for (size_t i = 0; i < RODS; i++) {
        const size_t x = 3 * FRAMES * r->scene->vertices * sizeof(double);
        if (memcmp((const char *)r->out.x + i * x, (const char *)out->x + i * x, x) ||
            memcmp((const char *)r->out.v + i * x, (const char *)out->v + i * x, x))
            fail_msg("%s: rod %zu moves otherwise", what, i);
        if (grad_vector_differ(r->scene, &r->g, i, g, i)) fail_msg("%s: rod %zu has other gradients", what, i);
    }
}

/* two forward runs, then both adjoints, against each of them by itself on a batch of its own */
static void tape_two_runs(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int given = 0; given < 2; given++) {
            run r[TAPES];
            rg_tape *tapes[TAPES] = {NULL};
            void *memory[TAPES] = {NULL};
            grad_outputs out[TAPES];
            grad_vector g[TAPES];
            rg_error err = {0};
            for (int k = 0; k < TAPES; k++) {
                r[k] = run_make(stepper, (uint64_t)k + 1);
                grad_forward(r[k].scene, &r[k].out);
                grad_adjoint(r[k].scene, &r[k].bar, &r[k].g, GRAD_ALL);
                out[k] = grad_outputs_zero(r[k].scene);
                g[k] = grad_vector_zero(r[k].scene);
            }
            for (int k = 0; k < TAPES; k++) {
                size_t bytes = 0;
                ok(rg_batch_tape_bytes(r[0].scene->batch, &bytes, &err), &err);
                assert_true(bytes > 0 && bytes % 64 == 0);
                if (given) memory[k] = aligned_alloc(64, bytes);
                if (given) assert_non_null(memory[k]);
                if (given) memset(memory[k], 0xa5, bytes);
                ok(rg_tape_create(r[0].scene->batch, memory[k], &tapes[k], &err), &err);
            }
            for (int k = 0; k < TAPES; k++) run_forward(&r[k], tapes[k], &out[k]);
            for (int k = 0; k < TAPES; k++) run_adjoint(&r[k], tapes[k], &g[k]);
            for (int k = 0; k < TAPES; k++) compare(&r[k], &out[k], &g[k], grad_stepper_name(stepper));
            for (int k = 0; k < TAPES; k++) {
                rg_tape_destroy(&tapes[k]);
                assert_null(tapes[k]);
                free(memory[k]);
            }
            for (int k = 0; k < TAPES; k++) grad_scene_free(r[k].scene);
        }
}

/* a model that is set reaches every tape's next run, and takes the adjoint of the last one away */
static void tape_other_model(void **state)
{
    (void)state;
    rg_error err = {0};
    run a = run_make(GRAD_BDF2, 3), b = run_make(GRAD_BDF2, 3);
    rg_tape *tape = NULL;
    grad_outputs out = grad_outputs_zero(a.scene);
    grad_vector g = grad_vector_zero(a.scene);
    ok(rg_tape_create(a.scene->batch, NULL, &tape, &err), &err);
    run_forward(&a, tape, &out);
    ok(rg_batch_set_model(a.scene->batch, 4, a.scene->models[7], &err), &err);
    const rg_batch_cotangents bar = grad_cotangents(&a.bar);
    const rg_batch_gradients to = grad_gradients(&g, GRAD_ALL);
    assert_int_equal(rg_tape_adjoint(tape, &bar, &to, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "run again"));
    run_forward(&a, tape, &out);
    run_adjoint(&a, tape, &g);
    ok(rg_batch_set_model(b.scene->batch, 4, b.scene->models[7], &err), &err);
    grad_forward(b.scene, &b.out);
    grad_adjoint(b.scene, &b.bar, &b.g, GRAD_ALL);
    compare(&b, &out, &g, "another model");
    rg_tape_destroy(&tape);
    grad_scene_free(a.scene);
    grad_scene_free(b.scene);
}

/* one run with tangents and its adjoint, against scene `as`, whose models have these parameters */
static void fields_run(grad_scene *s, const rg_batch_inputs *in, grad_scene *as, const char *what)
{
    rg_error err = {0};
    grad_vector d = grad_vector_random(s, 5), g[2] = {grad_vector_zero(s), grad_vector_zero(s)};
    const grad_outputs bar = grad_outputs_random(s, 6);
    grad_outputs out[2] = {grad_outputs_zero(s), grad_outputs_zero(s)};
    const rg_batch_inputs own = grad_inputs(as);
    for (int k = 0; k < 2; k++) {
        rg_batch *batch = k ? as->batch : s->batch;
        const rg_batch_tangents along = grad_tangents(&d, GRAD_ALL);
        const rg_batch_outputs to = {.x = out[k].x};
        const rg_batch_tangent_outputs dto = {.x = out[k].v, .turn = out[k].turn};
        const rg_batch_cotangents from = grad_cotangents(&bar);
        const rg_batch_gradients gradients = grad_gradients(&g[k], GRAD_ALL);
        ok(rg_batch_jvp(batch, k ? &own : in, &along, &to, &dto, NULL, &err), &err);
        ok(rg_batch_adjoint(batch, &from, &gradients, NULL, &err), &err);
    }
    for (size_t i = 0; i < s->rods; i++)
        if (grad_outputs_differ(s, &out[0], i, &out[1], i) || grad_vector_differ(s, &g[0], i, &g[1], i))
            fail_msg("%s: rod %zu differs", what, i);
}

/* fields among the inputs are as good as models, and hold for their run alone */
static void tape_fields(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        rg_error err = {0};
        grad_scene *a = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0x7a9e);
        grad_scene *b = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0x7a9e);
        grad_scene *other = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0x11);
        grad_scene_open(a);
        grad_scene_open(b);
        const rg_batch_inputs plain = grad_inputs(a);
        rg_batch_inputs in = plain;
        fields_run(a, &plain, b, "models");
        rg_field_values *list = grad_give_fields(a, other, &in);
        for (size_t i = 0; i < RODS; i++) ok(rg_batch_set_model(b->batch, i, other->models[i], &err), &err);
        fields_run(a, &in, b, "fields");
        for (size_t i = 0; i < RODS; i++) ok(rg_batch_set_model(b->batch, i, b->models[i], &err), &err);
        fields_run(a, &plain, b, "models again");
        /* a bad one: nothing runs, and what ran before has no adjoint any more */
        double *bad = grad_alloc(a, RODS * a->count[GRAD_FIELD + RG_REST_LENGTH]);
        memcpy(bad, list[RG_REST_LENGTH].values, RODS * a->count[GRAD_FIELD + RG_REST_LENGTH] * sizeof *bad);
        bad[7 * a->count[GRAD_FIELD + RG_REST_LENGTH] + 2] = -1.0;
        list[RG_REST_LENGTH].values = bad;
        assert_int_equal(rg_batch_forward(a->batch, &in, NULL, NULL, &err), RG_ERR_VALUE);
        assert_non_null(strstr(err.text, "rod 7"));
        assert_non_null(strstr(err.text, "rest_length, entry 2"));
        fields_run(a, &plain, b, "after a bad field");
        grad_scene_free(a);
        grad_scene_free(b);
        grad_scene_free(other);
    }
}

/* the first bad rod in order, its first bad field and entry, whatever the number of threads */
static void tape_fields_err(void **state)
{
    (void)state;
    static const struct {
        rg_field field;
        size_t entry;
        double value;
        const char *text;
    } faults[] = {
        {RG_REST_LENGTH, 2, 0.0, "the fields of rod 7: rest_length, entry 2, is 0 m; it must be positive."},
        {RG_DRAG, 1, -3.0, "the fields of rod 7: drag, entry 1, is -3 1/s; it must not be negative."},
        {RG_MARKER_OFFSET, 5, NAN, "the fields of rod 7: marker_offset, entry 2, is nan m; it must be finite."},
        {RG_BEND_MEMORY_TIME, 0, INFINITY,
         "the fields of rod 7: bend_memory_time, entry 0, is inf s; it must be finite."},
        {RG_BEND_COUPLING, 3, 1.0, "the fields of rod 7: bend_coupling, entry 3, is 1 N m^2; its size must stay below"},
    };
    for (size_t k = 0; k < sizeof faults / sizeof *faults; k++)
        for (int threads = 1; threads <= 3; threads += 2) {
            grad_scene *s = grad_scene_make(GRAD_BDF2, GRAD_ENDS, RODS, 1, 1, 0x7a9e);
            const size_t count = s->count[GRAD_FIELD + faults[k].field];
            rg_error err = {0};
            s->opts.rollout.threads = threads;
            grad_scene_open(s);
            rg_batch_inputs in = grad_inputs(s);
            rg_field_values *list = grad_give_fields(s, s, &in);
            double *values = grad_alloc(s, RODS * count), x[3 * RODS * 9], untouched[3 * RODS * 9];
            memcpy(values, list[faults[k].field].values, RODS * count * sizeof *values);
            list[faults[k].field].values = values;
            for (size_t rod = 7; rod < RODS; rod++) values[rod * count + faults[k].entry + (rod > 7)] = faults[k].value;
            assert_int_equal(s->vertices, 9);
            memset(x, 0x5a, sizeof x);
            memset(untouched, 0x5a, sizeof x);
            const rg_batch_outputs out = {.x = x};
            assert_int_equal(rg_batch_forward(s->batch, &in, &out, NULL, &err), RG_ERR_VALUE);
            if (strncmp(err.text, faults[k].text, strlen(faults[k].text)) != 0) fail_msg("%s", err.text);
            assert_memory_equal(x, untouched, sizeof x);
            grad_scene_free(s);
        }
}

/* A direction's zeros change nothing: arrays of them are as good as none, and where a column of the derivative is
 * infinite (a memory time of 1e-200 s, whose rate changes by -1e400 per second) the tangent stays finite. */
static void tape_direction_zeros(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int real = 0; real < 2; real++) {
            grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0x7a9e);
            const size_t numbers = 3 * (size_t)RODS * FRAMES * s->vertices;
            const grad_vector d = grad_vector_random(s, 5), zero = grad_vector_zero(s);
            double *x[2] = {grad_alloc(s, numbers), grad_alloc(s, numbers)}, moved = 0.0;
            rg_error err = {0};
            for (size_t rod = 0; rod < RODS; rod++) {
                rg_model_field_data(s->models[rod], RG_BEND_MEMORY_TIME)[4] = 1e-200;
                d.of[GRAD_FIELD + RG_BEND_MEMORY_TIME][rod * s->count[GRAD_FIELD + RG_BEND_MEMORY_TIME] + 4] = 0.0;
            }
            s->opts.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            grad_scene_open(s);
            for (int k = 0; k < 2; k++) {
                const rg_batch_inputs in = grad_inputs(s);
                rg_field_values list[RG_FIELD_COUNT] = {{RG_BEND_MEMORY_TIME, d.of[GRAD_FIELD + RG_BEND_MEMORY_TIME]},
                                                        {RG_DRAG, d.of[GRAD_FIELD + RG_DRAG]}};
                rg_batch_tangents along = {.fields = list, .n_fields = 2};
                for (int f = 0; k && f < RG_FIELD_COUNT; f++)
                    if (f != RG_BEND_MEMORY_TIME && f != RG_DRAG)
                        list[along.n_fields++] = (rg_field_values){(rg_field)f, zero.of[GRAD_FIELD + f]};
                const rg_batch_tangent_outputs to = {.x = x[k]};
                ok(rg_batch_jvp(s->batch, &in, &along, &(rg_batch_outputs){0}, &to, NULL, &err), &err);
            }
            for (size_t i = 0; i < numbers; i++) {
                if (!isfinite(x[0][i]) || x[0][i] != x[1][i])
                    fail_msg("%s, number %zu: %g without zeros, %g with", grad_stepper_name(stepper), i, x[0][i],
                             x[1][i]);
                moved = fmax(moved, fabs(x[0][i]));
            }
            assert_true(moved > 0.0);
            grad_scene_free(s);
        }
}

static void tape_bad_input_err(void **state)
{
    (void)state;
    rg_error err = {0};
    run r = run_make(GRAD_EULER, 5);
    rg_tape *tape = NULL;
    size_t bytes = 0;
    double *memory = aligned_alloc(64, 128);
    assert_non_null(memory);
    assert_int_equal(rg_tape_create(NULL, NULL, &tape, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_create(r.scene->batch, memory + 1, &tape, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "64 bytes"));
    assert_null(tape);
    assert_int_equal(rg_batch_tape_bytes(NULL, &bytes, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_forward(NULL, NULL, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_jvp(NULL, NULL, NULL, NULL, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_adjoint(NULL, NULL, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_tape_reset(NULL, NULL, &err), RG_ERR_ARGUMENT);
    ok(rg_tape_create(r.scene->batch, NULL, &tape, &err), &err);
    const rg_batch_cotangents bar = grad_cotangents(&r.bar);
    const rg_batch_gradients to = grad_gradients(&r.g, GRAD_ALL);
    assert_int_equal(rg_tape_adjoint(tape, &bar, &to, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "no run"));
    rg_tape_destroy(&tape);
    rg_tape_destroy(&tape);
    rg_tape_destroy(NULL);
    free(memory);
    grad_scene_free(r.scene);
}

/* ---- threads ---- */

enum { THREADS = 4, ROUNDS = 3, RECORDINGS = 3, MARKERS = 6, TICKS = 40 };
static const int clamps[] = {0, 1, 4, 5};

/* what all threads read */
typedef struct shared {
    run r;
    rg_model *model;
    rg_recording recordings[RECORDINGS];
    double *motion, cost; /* as one thread has it */
} shared;

static double *simulate(const shared *s)
{
    const size_t each = (size_t)TICKS * MARKERS * 3;
    double *motion = calloc(RECORDINGS * each, sizeof *motion), *out[RECORDINGS];
    rg_rod_status statuses[RECORDINGS];
    rg_error err = {0};
    if (!motion) abort();
    for (size_t i = 0; i < RECORDINGS; i++) out[i] = motion + i * each;
    if (rg_simulate(s->model, s->recordings, RECORDINGS, NULL, out, statuses, &err) != RG_OK) abort();
    return motion;
}

static double fit(const shared *s)
{
    rg_fit_opts opts = rg_fit_opts_default();
    rg_fit *f = NULL;
    rg_fit_progress progress = {0};
    rg_error err = {0};
    opts.starts = 0;
    opts.max_iterations = 2;
    if (rg_fit_create(s->recordings, RECORDINGS, NULL, &opts, &f, &err) != RG_OK) abort();
    while (!progress.done)
        if (rg_fit_step(f, &progress, &err) != RG_OK) abort();
    rg_fit_destroy(&f);
    return progress.cost;
}

/* pthreads, not cmocka's asserts, report from a thread: NULL, or what differs */
static void *work(void *arg)
{
    const shared *s = arg;
    const grad_scene *scene = s->r.scene;
    const size_t numbers = 3 * (size_t)RODS * FRAMES * scene->vertices;
    rg_tape *tape = NULL;
    rg_error err = {0};
    double *x = calloc(numbers, sizeof *x), *bar = calloc(3 * RODS * scene->vertices, sizeof *bar);
    const char *wrong = NULL;
    if (!x || !bar || rg_tape_create(scene->batch, NULL, &tape, &err) != RG_OK) abort();
    for (int round = 0; round < ROUNDS && !wrong; round++) {
        const rg_batch_inputs in = grad_inputs(scene);
        const rg_batch_outputs to = {.x = x};
        const rg_batch_cotangents from = grad_cotangents(&s->r.bar);
        const rg_batch_gradients g = {.x0 = bar};
        double *motion = simulate(s);
        if (rg_tape_forward(tape, &in, &to, NULL, &err) != RG_OK ||
            rg_tape_adjoint(tape, &from, &g, NULL, &err) != RG_OK)
            wrong = "a run fails";
        else if (memcmp(x, s->r.out.x, numbers * sizeof *x)) wrong = "a forward run";
        else if (memcmp(bar, s->r.g.of[GRAD_X0], 3 * RODS * scene->vertices * sizeof *bar)) wrong = "an adjoint";
        else if (memcmp(motion, s->motion, (size_t)RECORDINGS * TICKS * MARKERS * 3 * sizeof *motion))
            wrong = "a simulation";
        else if (fit(s) != s->cost) wrong = "a fit";
        free(motion);
    }
    rg_tape_destroy(&tape);
    free(x);
    free(bar);
    return (void *)(uintptr_t)wrong;
}

/* four threads simulate, run one batch and fit, on inputs that they share: the bits of one thread */
static void tape_threads(void **state)
{
    (void)state;
    shared s;
    pthread_t threads[THREADS];
    memset(&s, 0, sizeof s);
    s.r = run_make(GRAD_BDF2, 9);
    grad_forward(s.r.scene, &s.r.out);
    grad_adjoint(s.r.scene, &s.r.bar, &s.r.g, GRAD_ALL);
    s.model = rods_model(MARKERS, 2, clamps, 4, 1);
    for (size_t i = 0; i < RECORDINGS; i++) s.recordings[i] = rods_recording(MARKERS, TICKS, clamps, 4, i + 1);
    s.motion = simulate(&s);
    s.cost = fit(&s);
    for (int k = 0; k < THREADS; k++) assert_int_equal(pthread_create(&threads[k], NULL, work, &s), 0);
    for (int k = 0; k < THREADS; k++) {
        void *wrong = NULL;
        assert_int_equal(pthread_join(threads[k], &wrong), 0);
        if (wrong) fail_msg("thread %d: %s differs", k, (const char *)wrong);
    }
    for (size_t i = 0; i < RECORDINGS; i++) rg_recording_clear(&s.recordings[i]);
    rg_model_destroy(&s.model);
    free(s.motion);
    grad_scene_free(s.r.scene);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tape_two_runs),        cmocka_unit_test(tape_other_model), cmocka_unit_test(tape_fields),
        cmocka_unit_test(tape_bad_input_err),   cmocka_unit_test(tape_threads),     cmocka_unit_test(tape_fields_err),
        cmocka_unit_test(tape_direction_zeros),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
