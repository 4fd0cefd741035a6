/* test_directions.c: several directions in one call of rg_batch_jvp or rg_tape_jvp (rodgrad/batch.h): outputs and
 * tangents of each are, to the bit, those of a call with it alone, and so are the gradients after it.
 *
 * RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
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
#include "directions.h"

/* more directions than a pack takes next to each other, and some left over */
enum { MOST = 7, FRAMES = 4, SUBSTEPS = 2, ROOM_GUARD = 64 };

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

/* what a call gives; d_out of so many directions */
typedef struct result {
    grad_outputs out, d_out;
    rg_rod_status *statuses;
} result;

static result make_result(grad_scene *s, size_t n)
{
    result r = {grad_outputs_zero(s), directions_outputs(s, n), NULL};
    r.statuses = (rg_rod_status *)grad_alloc(s, s->rods * sizeof *r.statuses / sizeof(double) + 1);
    return r;
}

static void run(const grad_scene *s, rg_tape *tape, rg_batch *batch, const rg_batch_tangents *along, const result *r)
{
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs out = grad_batch_outputs(&r->out);
    const rg_batch_tangent_outputs d_out = grad_batch_tangent_outputs(&r->d_out);
    rg_error err = {0};
    if (tape) ok(rg_tape_jvp(tape, &in, along, &out, &d_out, r->statuses, &err), &err);
    else ok(rg_batch_jvp(batch, &in, along, &out, &d_out, r->statuses, &err), &err);
}

/* n directions by `tape`, or by the scene's batch, against one by one on a batch for a single one; then the gradients.
 * Returns how many rods fail. */
static size_t compare(grad_scene *s, rg_tape *tape, rg_batch *single, int kind, size_t n, const char *what)
{
    const grad_vector d = directions_random(s, n, 0xd1 + n);
    const grad_outputs bar = grad_outputs_random(s, 3);
    const grad_vector g[2] = {grad_vector_zero(s), grad_vector_zero(s)};
    const result all = make_result(s, n);
    const rg_batch_tangents along = directions_tangents(&d, kind, n);
    run(s, tape, s->batch, &along, &all);
    for (size_t q = 0; q < n; q++) {
        const grad_vector one = directions_pick(s, &d, q);
        const rg_batch_tangents alone = grad_tangents(&one, kind);
        const result r = make_result(s, 1);
        run(s, NULL, single, &alone, &r);
        for (size_t i = 0; i < s->rods; i++) {
            if (grad_outputs_differ(s, &all.d_out, q * s->rods + i, &r.d_out, i))
                fail_msg("%s, %s: direction %zu of %zu, rod %zu: other tangents than alone", what,
                         kind == GRAD_ALL ? "everything" : grad_kind_name(kind), q, n, i);
            if (grad_outputs_differ(s, &all.out, i, &r.out, i)) fail_msg("%s: rod %zu moves otherwise", what, i);
            assert_memory_equal(&all.statuses[i], &r.statuses[i], sizeof *r.statuses);
        }
        /* no direction is without effect, nor another's twin */
        if (!grad_outputs_differ(s, &r.d_out, 0, &all.d_out, (q + 1) % n * s->rods) && n > 1)
            fail_msg("%s: directions %zu and %zu are one", what, q, (q + 1) % n);
    }
    const rg_batch_cotangents from = grad_cotangents(&bar);
    const rg_batch_gradients to[2] = {grad_gradients(&g[0], GRAD_ALL), grad_gradients(&g[1], GRAD_ALL)};
    rg_error err = {0};
    if (tape) ok(rg_tape_adjoint(tape, &from, &to[0], NULL, &err), &err);
    else ok(rg_batch_adjoint(s->batch, &from, &to[0], NULL, &err), &err);
    ok(rg_batch_adjoint(single, &from, &to[1], NULL, &err), &err);
    for (size_t i = 0; i < s->rods; i++)
        if (grad_vector_differ(s, &g[0], i, &g[1], i)) fail_msg("%s: rod %zu has other gradients", what, i);
    size_t failed = 0;
    for (size_t i = 0; i < s->rods; i++) failed += all.statuses[i].flag != RG_ROD_OK;
    return failed;
}

static grad_scene *make_scene(int stepper, rg_real real, const char *isa)
{
    /* on the CPU more than the lanes of any pack but one, and some left over */
    const size_t rods = getenv("RODGRAD_TEST_BACKEND") ? 3 : 11;
    grad_scene *s = grad_scene_sized(stepper, GRAD_MIXED, rods, FRAMES, SUBSTEPS, 7, 1, 0xd1);
    if (real == RG_REAL_FLOAT) s->opts.rollout.tolerance_m = 1e-6;
    s->opts.rollout.context = backend;
    s->opts.rollout.real = real;
    s->opts.rollout.isa = isa;
    return s;
}

/* a batch for a single direction next to the scene's for MOST */
static rg_batch *open_both(grad_scene *s)
{
    s->opts.directions = 0;
    grad_scene_open(s);
    rg_batch *single = s->batch;
    s->batch = NULL;
    s->opts.directions = MOST;
    grad_scene_open(s);
    return single;
}

static void every_stepper(rg_real real, const char *isa)
{
    for (int stepper = GRAD_EULER; stepper <= GRAD_NORMALISED; stepper++) {
        grad_scene *s = make_scene(stepper, real, isa);
        const char *name = grad_stepper_name(stepper);
        rg_batch *single = open_both(s);
        assert_int_equal(compare(s, NULL, single, GRAD_ALL, MOST, name), 0);
        assert_int_equal(compare(s, NULL, single, GRAD_ALL, 2, name), 0);
        assert_int_equal(compare(s, NULL, single, GRAD_ALL, 1, name), 0);
        assert_int_equal(compare(s, NULL, single, GRAD_ALL, MOST - 1, name), 0);
        rg_batch_destroy(&single);
        grad_scene_free(s);
    }
}

static void directions_bitwise(void **state)
{
    (void)state;
    for (int real = 0; real < 2; real++) {
        every_stepper(real ? RG_REAL_FLOAT : RG_REAL_DOUBLE, NULL);
        if (!getenv("RODGRAD_TEST_BACKEND")) every_stepper(real ? RG_REAL_FLOAT : RG_REAL_DOUBLE, "scalar");
    }
}

/* a call in one kind of input alone, whose others are NULL */
static void directions_kinds_bitwise(void **state)
{
    (void)state;
    static const int kinds[] = {GRAD_X0,
                                GRAD_TURN0,
                                GRAD_CLAMP_X,
                                GRAD_CLAMP_TURN,
                                GRAD_FORCE,
                                GRAD_FIELD + RG_BEND_STIFFNESS_1,
                                GRAD_FIELD + RG_MARKER_OFFSET};
    for (int stepper = GRAD_BDF2; stepper <= GRAD_DEFORM; stepper++) {
        grad_scene *s = make_scene(stepper, RG_REAL_DOUBLE, NULL);
        rg_batch *single = open_both(s);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            assert_int_equal(compare(s, NULL, single, kinds[k], 3, grad_stepper_name(stepper)), 0);
        rg_batch_destroy(&single);
        grad_scene_free(s);
    }
}

/* a rod that fails keeps the tangents of its last good step, in every direction */
static void directions_failed_rod_bitwise(void **state)
{
    (void)state;
    for (int stepper = GRAD_BDF2; stepper <= GRAD_DEFORM; stepper++) {
        grad_scene *s = make_scene(stepper, RG_REAL_DOUBLE, NULL);
        rg_batch *single = open_both(s);
        s->force[s->count[GRAD_FORCE] + 3 * (3 * s->vertices + 2)] = NAN; /* rod 1, step 3, vertex 2 */
        assert_int_equal(compare(s, NULL, single, GRAD_ALL, MOST, grad_stepper_name(stepper)), 1);
        rg_batch_destroy(&single);
        grad_scene_free(s);
    }
}

/* tapes have room for the directions, their own or the caller's, and write nowhere else */
static void directions_tapes(void **state)
{
    (void)state;
    for (int stepper = GRAD_BDF2; stepper <= GRAD_DEFORM; stepper++)
        for (int given = 0; given < 2; given++) {
            grad_scene *s = make_scene(stepper, RG_REAL_DOUBLE, NULL);
            rg_batch *single = open_both(s);
            rg_tape *tape = NULL;
            size_t bytes = 0, less = 0;
            rg_error err = {0};
            ok(rg_batch_tape_bytes(s->batch, &bytes, &err), &err);
            ok(rg_batch_tape_bytes(single, &less, &err), &err);
            assert_true(bytes > less && bytes % 64 == 0);
            assert_true(rg_batch_describe(s->batch).total_bytes > rg_batch_describe(single).total_bytes);
            unsigned char *memory = given ? aligned_alloc(64, bytes + ROOM_GUARD) : NULL;
            if (given) {
                assert_non_null(memory);
                memset(memory, 0xa5, bytes + ROOM_GUARD);
            }
            ok(rg_tape_create(s->batch, memory, &tape, &err), &err);
            assert_int_equal(compare(s, tape, single, GRAD_ALL, MOST, "a tape"), 0);
            assert_int_equal(compare(s, tape, single, GRAD_ALL, 3, "a tape"), 0);
            rg_tape_destroy(&tape);
            for (size_t i = bytes; given && i < bytes + ROOM_GUARD; i++) assert_int_equal(memory[i], 0xa5);
            free(memory);
            rg_batch_destroy(&single);
            grad_scene_free(s);
        }
}

/* a default batch has one; more than a batch has are refused, and then nothing is written */
static void directions_err(void **state)
{
    (void)state;
    grad_scene *s = make_scene(GRAD_BDF2, RG_REAL_DOUBLE, NULL);
    const grad_vector d = directions_random(s, MOST + 1, 1);
    const rg_batch_inputs in = grad_inputs(s);
    rg_error err = {0};
    for (size_t most = 0; most <= MOST; most += MOST) {
        const size_t n = (most ? most : 1) + 1;
        const rg_batch_tangents along = directions_tangents(&d, GRAD_ALL, n);
        const grad_outputs out = directions_outputs(s, n), zero = directions_outputs(s, n);
        const rg_batch_tangent_outputs to = grad_batch_tangent_outputs(&out);
        char wanted[64];
        s->opts.directions = most;
        grad_scene_open(s);
        assert_int_equal(rg_batch_jvp(s->batch, &in, &along, NULL, &to, NULL, &err), RG_ERR_ARGUMENT);
        snprintf(wanted, sizeof wanted, "n_directions = %zu, but the batch was created for at most %zu", n, n - 1);
        if (!strstr(err.text, wanted)) fail_msg("%s", err.text);
        for (size_t i = 0; i < n * s->rods; i++) assert_int_equal(grad_outputs_differ(s, &out, i, &zero, i), 0);
    }
    rg_batch *batch = (rg_batch *)(uintptr_t)s;
    s->opts.directions = SIZE_MAX;
    assert_int_equal(rg_batch_create(s->models[0], s->rods, &s->opts, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "it can be at most"));
    assert_null(batch);
    s->opts.directions = MOST;
    s->opts.adjoint = 0;
    s->opts.carry_on = 1;
    grad_scene_open(s);
    const rg_batch_tangents along = directions_tangents(&d, GRAD_ALL, 2);
    const grad_outputs out = directions_outputs(s, 2);
    const rg_batch_tangent_outputs to = grad_batch_tangent_outputs(&out);
    assert_int_equal(rg_batch_jvp(s->batch, &in, &along, NULL, &to, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "carries on"));
    grad_scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directions_bitwise),
        cmocka_unit_test(directions_kinds_bitwise),
        cmocka_unit_test(directions_failed_rod_bitwise),
        cmocka_unit_test(directions_tapes),
        cmocka_unit_test(directions_err),
    };
    return cmocka_run_group_tests(tests, backend_open, backend_close);
}
