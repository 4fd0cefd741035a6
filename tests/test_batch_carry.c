/* test_batch_carry.c: batches that go on where they stopped (carry_on, rg_batch_reset).
 *
 * Two runs are one of both lengths, to the bit; rods that are reset start as in a new batch while the
 * others go on; a rod that failed stays where it was, and says why, until it is reset.
 * All of it in double and in float, with every instruction set: packs of 1 to 16 rods, full and partly filled, of
 * which some go on and some start. RODGRAD_TEST_BACKEND=cuda runs it on a GPU. */
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

enum { RODS = 5, FRAMES = 4 }; /* frames of one run */
static int substeps = 2;
#define STEPS ((size_t)(FRAMES * substeps))

static rg_real real;
static const char *isa; /* NULL on a GPU */

static grad_scene *make(int stepper, size_t frames, uint64_t seed)
{
    grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, RODS, frames, substeps, seed);
    s->opts.adjoint = 0;
    s->opts.rollout.context = backend;
    s->opts.rollout.real = real;
    s->opts.rollout.isa = isa;
    return s;
}

/* a batch of the scene's rods that simulates FRAMES frames */
static rg_batch *open_batch(const grad_scene *s, int carry_on)
{
    rg_batch_opts o = s->opts;
    rg_batch *batch = NULL;
    rg_error err = {0};
    o.n_frames = FRAMES;
    o.carry_on = carry_on;
    if (rg_batch_create(s->models[0], s->rods, &o, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < s->rods; i++)
        if (rg_batch_set_model(batch, i, s->models[i], &err) != RG_OK) fail_msg("%s", err.text);
    return batch;
}

static double *cut(grad_scene *s, const double *a, size_t items, size_t part)
{
    double *to = grad_alloc(s, RODS * STEPS * items);
    for (size_t i = 0; i < RODS; i++)
        memcpy(to + i * STEPS * items, a + (i * s->steps + part * STEPS) * items, STEPS * items * sizeof *a);
    return to;
}

/* the scene's inputs in steps part * STEPS and on */
static rg_batch_inputs part_of(grad_scene *s, size_t part)
{
    rg_batch_inputs in = grad_inputs(s);
    in.clamp_x = cut(s, s->clamp_x, 3 * s->clamped, part);
    in.clamp_m = cut(s, s->clamp_m, 3 * s->held, part);
    in.force = cut(s, s->force, 3 * s->vertices, part);
    return in;
}

typedef struct result {
    grad_outputs out;
    rg_rod_status status[RODS];
} result;

static void run(rg_batch *batch, const rg_batch_inputs *in, result *r)
{
    const rg_batch_outputs to = grad_batch_outputs(&r->out);
    rg_error err = {0};
    memset(r->status, 0, sizeof r->status);
    if (rg_batch_forward(batch, in, &to, r->status, &err) != RG_OK) fail_msg("%s", err.text);
}

/* FRAMES frames of rod i of a, from frame `from` on of a_frames, against all of rod i of b */
static void check_frames(const grad_scene *s, const grad_outputs *a, size_t a_frames, size_t from,
                         const grad_outputs *b, size_t i)
{
    const size_t n = s->vertices;
    const size_t rows[] = {3 * n, 3 * n, 3 * (n - 1), 3 * s->markers, n - 1, 3 * s->clamped, s->held, 3 * n, 5};
    const double *x[] = {a->x,      a->v,     a->m, a->markers, a->tension, a->reaction, a->reaction_moment,
                         a->moment, a->energy};
    const double *y[] = {b->x,      b->v,     b->m, b->markers, b->tension, b->reaction, b->reaction_moment,
                         b->moment, b->energy};
    for (int k = 0; k < 9; k++)
        if (x[k] && memcmp(x[k] + (i * a_frames + from) * rows[k], y[k] + i * FRAMES * rows[k],
                           FRAMES * rows[k] * sizeof(double)) != 0)
            fail_msg("rod %zu, output %d, frames from %zu on: other bits", i, k, from);
}

/* a whole run of 2 * FRAMES frames */
static result whole(grad_scene *s)
{
    result r = {.out = grad_outputs_zero(s)};
    const rg_batch_inputs in = grad_inputs(s);
    grad_scene_open(s);
    run(s->batch, &in, &r);
    for (size_t i = 0; i < RODS; i++) assert_int_equal(r.status[i].flag, RG_ROD_OK);
    return r;
}

static void batch_carry_det(void **state)
{
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = make(stepper, 2 * FRAMES, 0xca1);
        result once = whole(s), part = {.out = grad_outputs_zero(s)};
        rg_batch *batch = open_batch(s, 1);
        int iterations[RODS] = {0};
        for (size_t k = 0; k < 2; k++) {
            const rg_batch_inputs in = part_of(s, k);
            run(batch, &in, &part);
            for (size_t i = 0; i < RODS; i++) {
                check_frames(s, &once.out, 2 * FRAMES, k * FRAMES, &part.out, i);
                iterations[i] += part.status[i].iterations;
            }
        }
        for (size_t i = 0; i < RODS; i++) assert_int_equal(iterations[i], once.status[i].iterations);
        rg_batch_destroy(&batch);
        grad_scene_free(s);
    }
}

/* rods 1 and 3 are reset between two runs, to starts and drives of another scene */
static void batch_carry_reset(void **state)
{
    static const unsigned char mask[RODS] = {0, 1, 0, 255, 0};
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = make(stepper, 2 * FRAMES, 0xca2), *other = make(stepper, 2 * FRAMES, 0xca3);
        const size_t n = s->vertices;
        result once = whole(s), part = {.out = grad_outputs_zero(s)}, fresh = {.out = grad_outputs_zero(s)};
        rg_batch *batch = open_batch(s, 1), *new_batch = open_batch(s, 0);
        rg_error err = {0};
        rg_batch_inputs in = part_of(s, 0);
        run(batch, &in, &part);
        if (rg_batch_reset(batch, mask, &err) != RG_OK) fail_msg("%s", err.text);
        in = part_of(s, 1);
        /* the starts of rods that go on are not used */
        const rg_batch_inputs from = part_of(other, 0);
        const double *to[] = {in.clamp_x, in.clamp_m, in.force};
        const double *by[] = {from.clamp_x, from.clamp_m, from.force};
        const size_t rows[] = {3 * STEPS * s->clamped, 3 * STEPS * s->held, 3 * STEPS * n};
        for (int k = 0; k < 3; k++)
            for (size_t i = 0; i < RODS; i++)
                if (mask[i])
                    memcpy((double *)(uintptr_t)to[k] + i * rows[k], by[k] + i * rows[k], rows[k] * sizeof(double));
        in.x0 = other->x0;
        in.v0 = other->v0;
        in.m0 = other->m0;
        run(batch, &in, &part);
        run(new_batch, &in, &fresh);
        for (size_t i = 0; i < RODS; i++) {
            if (mask[i]) check_frames(s, &fresh.out, FRAMES, 0, &part.out, i);
            else check_frames(s, &once.out, 2 * FRAMES, FRAMES, &part.out, i);
            assert_int_equal(part.status[i].flag, RG_ROD_OK);
            if (mask[i]) assert_memory_equal(&part.status[i], &fresh.status[i], sizeof fresh.status[i]);
        }
        rg_batch_destroy(&batch);
        rg_batch_destroy(&new_batch);
        grad_scene_free(s);
        grad_scene_free(other);
    }
}

/* a frame that is one step: what the rods that resume put out there comes from a pack in two turns */
static void batch_carry_reset_of_one_step(void **state)
{
    substeps = 1;
    batch_carry_reset(state);
    substeps = 2;
}

/* rod 2 meets a force that is no number, in a step within a frame */
static void batch_carry_fault(void **state)
{
    enum { BAD = 2, STEP = 3, FRAME = STEP / 2 };
    static const unsigned char mask[RODS] = {[BAD] = 1};
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = make(stepper, 2 * FRAMES, 0xca4);
        const size_t row = 3 * s->vertices;
        result once = whole(s), first = {.out = grad_outputs_zero(s)}, next = {.out = grad_outputs_zero(s)};
        rg_batch *batch = open_batch(s, 1);
        rg_error err = {0};
        rg_batch_inputs in = part_of(s, 0);
        const rg_batch_inputs good = part_of(s, 0), later = part_of(s, 1);
        ((double *)(uintptr_t)in.force)[(BAD * STEPS + STEP) * row + 13] = (double)NAN;
        run(batch, &in, &first);
        assert_int_equal(first.status[BAD].flag, RG_ROD_NONFINITE);
        assert_int_equal(first.status[BAD].step, STEP);
        run(batch, &later, &next);
        assert_int_equal(next.status[BAD].flag, RG_ROD_NONFINITE);
        assert_int_equal(next.status[BAD].step, STEP);
        assert_int_equal(next.status[BAD].vertex, first.status[BAD].vertex);
        const double *stays = first.out.x + (BAD * FRAMES + FRAME) * row;
        for (size_t f = 0; f < FRAMES; f++)
            assert_memory_equal(next.out.x + (BAD * FRAMES + f) * row, stays, row * sizeof *stays);
        for (size_t i = 0; i < RODS; i++) {
            if (i == BAD) continue;
            assert_int_equal(next.status[i].flag, RG_ROD_OK);
            check_frames(s, &once.out, 2 * FRAMES, FRAMES, &next.out, i);
        }
        if (rg_batch_reset(batch, mask, &err) != RG_OK) fail_msg("%s", err.text);
        run(batch, &good, &next);
        assert_int_equal(next.status[BAD].flag, RG_ROD_OK);
        assert_int_equal(next.status[BAD].vertex, -1);
        check_frames(s, &once.out, 2 * FRAMES, 0, &next.out, BAD);
        rg_batch_destroy(&batch);
        grad_scene_free(s);
    }
}

/* ---- rods of two meshes ---- */

enum { RAGGED = 10 };
static const struct {
    int mesh;
    size_t rod;
} ragged[RAGGED] = {{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {1, 3}, {1, 4}, {0, 3}, {0, 4}};

/* blocks [begin, begin + count) of both scenes' arrays [rods][all][items], in rows of the wider scene's items */
static double *widen(grad_scene *const *s, const double *const *from, const size_t *items, size_t all, size_t begin,
                     size_t count)
{
    const size_t row = items[0] > items[1] ? items[0] : items[1];
    double *to = grad_alloc(s[0], RAGGED * count * row);
    for (size_t i = 0; i < RAGGED; i++)
        for (size_t k = 0; k < count; k++) {
            const int mesh = ragged[i].mesh;
            memcpy(to + (i * count + k) * row, from[mesh] + (ragged[i].rod * all + begin + k) * items[mesh],
                   items[mesh] * sizeof *to);
        }
    return to;
}

/* inputs of steps [begin, begin + count) */
static rg_batch_inputs ragged_inputs(grad_scene *const *s, size_t begin, size_t count)
{
    const size_t x[] = {3 * s[0]->vertices, 3 * s[1]->vertices}, m[] = {x[0] - 3, x[1] - 3};
    const size_t c[] = {3 * s[0]->clamped, 3 * s[1]->clamped}, d[] = {3 * s[0]->held, 3 * s[1]->held};
    const size_t all = s[0]->steps;
    rg_batch_inputs in = {0};
    in.x0 = widen(s, (const double *const[]){s[0]->x0, s[1]->x0}, x, 1, 0, 1);
    in.v0 = widen(s, (const double *const[]){s[0]->v0, s[1]->v0}, x, 1, 0, 1);
    in.m0 = widen(s, (const double *const[]){s[0]->m0, s[1]->m0}, m, 1, 0, 1);
    in.clamp_x = widen(s, (const double *const[]){s[0]->clamp_x, s[1]->clamp_x}, c, all, begin, count);
    in.clamp_m = widen(s, (const double *const[]){s[0]->clamp_m, s[1]->clamp_m}, d, all, begin, count);
    in.force = widen(s, (const double *const[]){s[0]->force, s[1]->force}, x, all, begin, count);
    return in;
}

/* positions of a run; outputs that do not exist, of narrower rods, stay 0 */
static double *ragged_run(grad_scene *const *s, rg_batch *batch, const rg_batch_inputs *in, size_t frames)
{
    rg_rod_status status[RAGGED];
    rg_error err = {0};
    double *x = grad_alloc(s[0], RAGGED * frames * 3 * s[0]->vertices);
    const rg_batch_outputs out = {.x = x};
    if (rg_batch_forward(batch, in, &out, status, &err) != RG_OK) fail_msg("%s", err.text);
    for (size_t i = 0; i < RAGGED; i++) assert_int_equal(status[i].flag, RG_ROD_OK);
    return x;
}

/* two runs are one; then rods of both meshes start once more while their neighbours go on */
static void batch_carry_ragged(void **state)
{
    static const unsigned char mask[RAGGED] = {0, 1, 0, 1, 0, 0, 0, 1, 0, 1};
    (void)state;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s[] = {make(stepper, 2 * FRAMES, 0xca6), NULL};
        s[1] = grad_scene_sized(stepper, GRAD_END, RODS, 2 * FRAMES, substeps, 5, 1, 0xca7);
        const size_t row = FRAMES * 3 * s[0]->vertices;
        const rg_model *models[RAGGED];
        rg_batch *batches[2] = {NULL, NULL};
        rg_error err = {0};
        for (size_t i = 0; i < RAGGED; i++) models[i] = s[ragged[i].mesh]->models[ragged[i].rod];
        for (int k = 0; k < 2; k++) {
            rg_batch_opts o = s[0]->opts;
            o.carry_on = k;
            o.n_frames = k ? FRAMES : 2 * FRAMES;
            if (rg_batch_create_ragged(models, RAGGED, &o, &batches[k], &err) != RG_OK) fail_msg("%s", err.text);
        }
        const rg_batch_inputs all = ragged_inputs(s, 0, 2 * STEPS);
        const double *once = ragged_run(s, batches[0], &all, 2 * FRAMES);
        for (size_t k = 0; k < 3; k++) {
            const rg_batch_inputs in = ragged_inputs(s, k == 1 ? STEPS : 0, STEPS);
            if (k == 2 && rg_batch_reset(batches[1], mask, &err) != RG_OK) fail_msg("%s", err.text);
            const double *x = ragged_run(s, batches[1], &in, FRAMES);
            for (size_t i = 0; i < RAGGED; i++) {
                const double *from = once + (2 * i + (k == 1)) * row;
                const int same = memcmp(x + i * row, from, row * sizeof *x) == 0;
                if (same != (k < 2 || mask[i])) fail_msg("stepper %d, run %zu, rod %zu", stepper, k, i);
            }
        }
        for (int k = 0; k < 2; k++) rg_batch_destroy(&batches[k]);
        grad_scene_free(s[1]);
        grad_scene_free(s[0]);
    }
}

static void batch_carry_err(void **state)
{
    static const unsigned char mask[RODS] = {1};
    (void)state;
    grad_scene *s = make(GRAD_BDF2, FRAMES, 0xca5);
    grad_vector d = grad_vector_zero(s);
    grad_outputs out = grad_outputs_zero(s);
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_tangents t = grad_tangents(&d, GRAD_ALL);
    const rg_batch_tangent_outputs to = grad_batch_tangent_outputs(&out);
    const rg_batch_cotangents bar = grad_cotangents(&out);
    const rg_batch_gradients g = grad_gradients(&d, GRAD_ALL);
    rg_batch_opts o = s->opts;
    rg_error err = {0};
    rg_batch *carry = open_batch(s, 1), *plain = open_batch(s, 0), *none = carry;
    o.adjoint = 1;
    o.carry_on = 1;
    assert_int_equal(rg_batch_create(s->models[0], RODS, &o, &none, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "set adjoint = 0"));
    assert_null(none);
    assert_int_equal(rg_batch_jvp(carry, &in, &t, NULL, &to, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "without carry_on"));
    assert_int_equal(rg_batch_forward(carry, &in, NULL, NULL, &err), RG_OK);
    assert_int_equal(rg_batch_adjoint(carry, &bar, &g, NULL, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "without `adjoint`"));
    assert_int_equal(rg_batch_reset(plain, mask, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "carry_on"));
    assert_int_equal(rg_batch_reset(carry, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_reset(NULL, mask, &err), RG_ERR_ARGUMENT);
    rg_batch_destroy(&carry);
    rg_batch_destroy(&plain);
    grad_scene_free(s);
}

/* all tests in what packs compute in: 0, or the number of those that failed */
static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_carry_det),
        cmocka_unit_test(batch_carry_reset),
        cmocka_unit_test(batch_carry_reset_of_one_step),
        cmocka_unit_test(batch_carry_fault),
        cmocka_unit_test(batch_carry_ragged),
        cmocka_unit_test(batch_carry_err),
    };
    char name[64];
    snprintf(name, sizeof name, "batch_carry_%s_%s", rg_real_name(real), isa ? isa : "gpu");
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

/* has this processor the instructions? */
static int has(const char *name)
{
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_batch_opts o = rg_batch_opts_default();
    rg_error err = {0};
    o.rollout.isa = name;
    const int found =
        rg_model_create(3, 1, NULL, 0, &model, &err) == RG_OK && rg_batch_create(model, 1, &o, &batch, &err) == RG_OK;
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    return found;
}

int main(void)
{
    static const char *const names[] = {"scalar", "fma", "sse2", "avx2", "avx512"};
    int failed = backend_open(NULL);
    if (failed) return failed;
    const int gpu = strcmp(rg_context_backend(backend), "cpu") != 0;
    for (int k = 0; k < 2; k++) {
        real = k ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
        if (gpu) failed += run_all();
        for (size_t i = 0; !gpu && i < sizeof names / sizeof *names; i++) {
            isa = names[i];
            if (has(isa)) failed += run_all();
        }
    }
    backend_close(NULL);
    return failed;
}
