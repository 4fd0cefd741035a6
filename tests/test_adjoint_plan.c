/* test_adjoint_plan.c: what must not change a single bit of states, tangents and gradients.
 *
 * Which states are kept (every plan of checkpoints that some budget leads to), threads, the size of
 * the batch, a rod's place in it, what was run before. And budgets that no plan fits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "grad_scene.h"
#include "grad_table.h"

/* one rod at a time, and as many as there are lanes */
static const struct {
    const char *isa;
    rg_real real;
} ways[] = {{"scalar", RG_REAL_DOUBLE}, {NULL, RG_REAL_DOUBLE}, {"scalar", RG_REAL_FLOAT}, {NULL, RG_REAL_FLOAT}};
enum { WAYS = sizeof ways / sizeof *ways };

static void use_way(grad_scene *s, size_t way)
{
    s->opts.rollout.isa = ways[way].isa;
    s->opts.rollout.real = ways[way].real;
}

/* what a run gives: outputs, a tangent's, gradients */
typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
} result;

static result make_result(grad_scene *s)
{
    result r = {grad_outputs_zero(s), grad_outputs_zero(s), grad_vector_zero(s)};
    return r;
}

static void run(grad_scene *s, const grad_vector *d, const grad_outputs *bar, const result *r)
{
    grad_scene_open(s);
    grad_jvp(s, d, GRAD_ALL, &r->d_out);
    grad_forward(s, &r->out);
    grad_adjoint(s, bar, &r->g, GRAD_ALL);
}

static size_t differing(const grad_scene *s, const result *a, size_t i, const result *b, size_t k)
{
    return grad_outputs_differ(s, &a->out, i, &b->out, k) + grad_outputs_differ(s, &a->d_out, i, &b->d_out, k) +
           grad_vector_differ(s, &a->g, i, &b->g, k);
}

/* levels of a plan with that budget; 0: refused, and *least is what the error names */
static int levels_of(const grad_scene *s, size_t budget, size_t *least)
{
    rg_batch_opts o = s->opts;
    rg_batch *batch = NULL;
    rg_error err = {0};
    o.budget_bytes = budget;
    rg_status status = rg_batch_create(s->models[0], s->rods, &o, &batch, &err);
    int levels = 0;
    if (status == RG_OK) {
        rg_batch_plan plan = rg_batch_describe(batch);
        if (budget != 0 && budget != RG_STORE_ALL && plan.kept_bytes > budget)
            fail_msg("%zu bytes are kept with a budget of %zu", plan.kept_bytes, budget);
        levels = plan.levels;
        *least = plan.kept_bytes;
    } else {
        const char *at = strstr(err.text, "the least that some plan needs is ");
        assert_int_equal(status, RG_ERR_ARGUMENT);
        assert_null(batch);
        if (!at || sscanf(at, "the least that some plan needs is %zu bytes", least) != 1)
            fail_msg("no least budget in \"%s\"", err.text);
    }
    rg_batch_destroy(&batch);
    return levels;
}

static void plan_budgets_bitwise(void **state)
{
    (void)state;
    /* 1 to 3 steps, primes, a square */
    static const size_t frames[] = {1, 2, 3, 7, 16, 61, 509};
    double unequal = 0.0;
    int plans = 0, deepest = 0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
            grad_scene *s =
                grad_scene_make(stepper, f % 2 ? GRAD_ENDS : GRAD_POINT, 9, frames[f], 1, 0x91a + frames[f]);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s), other = make_result(s);
            size_t everything, least, seen[16] = {0};
            /* nine packs or few: deep plans pay, or not */
            use_way(s, f % WAYS);
            s->opts.budget_bytes = RG_STORE_ALL;
            assert_int_equal(levels_of(s, RG_STORE_ALL, &everything), 1);
            assert_int_equal(levels_of(s, 1, &least), 0);
            assert_true(least > 1 && least <= everything);
            size_t named = 0;
            assert_int_equal(levels_of(s, least - 1, &named), 0);
            assert_int_equal(named, least);
            run(s, &d, &bar, &all);
            /* budgets from the least to everything; each depth once in full, with the smallest
             * budget that leads there and with the default (0) */
            const size_t count = 200;
            for (size_t k = 0; k <= count; k++) {
                size_t budget = least + (everything - least) * k / count, kept;
                if (k == count) budget = 0;
                int levels = levels_of(s, budget, &kept);
                assert_true(levels >= 1 && levels < 16);
                /* every plan: told apart by what it keeps */
                if (k < count && seen[levels] == kept) continue;
                seen[levels] = kept;
                s->opts.budget_bytes = budget;
                run(s, &d, &bar, &other);
                plans++;
                if (levels > deepest) deepest = levels;
                for (size_t i = 0; i < s->rods; i++) unequal += (double)differing(s, &all, i, &other, i);
                if (unequal != 0.0)
                    fail_msg("%s, %zu steps, %zu bytes (%d levels): other bits", grad_stepper_name(stepper), frames[f],
                             budget, levels);
            }
            grad_scene_free(s);
        }
    print_message("%d plans of up to %d levels\n", plans, deepest);
    assert_true(deepest >= 5);
    grad_record_bitwise("checkpointed = stored adjoint", "every plan within a budget, 1 to 509 steps", unequal);
}

/* enough steps for the default's two levels to leave a ragged last piece of a ragged length */
static void plan_default_bitwise(void **state)
{
    (void)state;
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int substeps = 1; substeps <= 3; substeps++) {
            grad_scene *s = grad_scene_make(stepper, GRAD_MIXED, 5, 211, substeps, 0xdef);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s), two = make_result(s);
            s->opts.budget_bytes = RG_STORE_ALL;
            run(s, &d, &bar, &all);
            s->opts.budget_bytes = 0;
            run(s, &d, &bar, &two);
            rg_batch_plan plan = rg_batch_describe(s->batch);
            assert_int_equal(plan.levels, 2);
            assert_true(plan.length[0] == s->steps && plan.length[1] > 1);
            assert_true(plan.forward_runs <= 2.0);
            for (size_t i = 0; i < s->rods; i++) unequal += (double)differing(s, &all, i, &two, i);
            /* again on the same batch: nothing is left behind */
            grad_forward(s, &two.out);
            grad_adjoint(s, &bar, &two.g, GRAD_ALL);
            grad_adjoint(s, &bar, &two.g, GRAD_ALL);
            for (size_t i = 0; i < s->rods; i++) unequal += (double)differing(s, &all, i, &two, i);
            grad_scene_free(s);
        }
    grad_record_bitwise("checkpointed = stored adjoint", "default of two levels, 211 to 633 steps", unequal);
    assert_true(unequal == 0.0);
}

static void plan_threads_bitwise(void **state)
{
    (void)state;
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int k = 0; k < WAYS; k++) {
            grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, 19, 23, 2, 0x7d);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result one = make_result(s), many = make_result(s);
            use_way(s, (size_t)k);
            run(s, &d, &bar, &one);
            for (int threads = 2; threads <= 7; threads += 5) {
                s->opts.rollout.threads = threads;
                run(s, &d, &bar, &many);
                for (size_t i = 0; i < s->rods; i++) unequal += (double)differing(s, &one, i, &many, i);
            }
            grad_scene_free(s);
        }
    grad_record_bitwise("threads 1, 2, 7", "states, tangents, gradients of batches", unequal);
    assert_true(unequal == 0.0);
}

/* alone, in batches of any size, anywhere */
static void plan_position_bitwise(void **state)
{
    (void)state;
    enum { RODS = 19 };
    static const size_t sizes[] = {1, 2, 7, 8, 9, 17};
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int k = 0; k < WAYS; k++) {
            grad_scene *s = grad_scene_make(stepper, k % 2 ? GRAD_MIDDLE : GRAD_ENDS, RODS, 13, 2, 0x905);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result all = make_result(s);
            use_way(s, (size_t)k);
            run(s, &d, &bar, &all);
            for (size_t size = 0; size < sizeof sizes / sizeof *sizes; size++) {
                size_t picked[RODS];
                const size_t n = sizes[size];
                for (size_t i = 0; i < n; i++) picked[i] = (5 * i + n) % RODS;
                grad_scene *t = grad_scene_pick(s, picked, n);
                grad_vector d_t = grad_vector_zero(t);
                grad_outputs bar_t = grad_outputs_zero(t);
                result some = make_result(t);
                for (size_t i = 0; i < n; i++) {
                    grad_vector_copy(s, &d, picked[i], &d_t, i);
                    grad_outputs_copy(s, &bar, picked[i], &bar_t, i);
                }
                run(t, &d_t, &bar_t, &some);
                for (size_t i = 0; i < n; i++) unequal += (double)differing(s, &all, picked[i], &some, i);
                grad_scene_free(t);
            }
            grad_scene_free(s);
        }
    grad_record_bitwise("batch size, place in the batch", "states, tangents, gradients", unequal);
    assert_true(unequal == 0.0);
}

/* the same source with other instructions: scalar and sse2 round every product and every sum, the others round
 * some of them once (rg_fma), all the same ones */
static void plan_isa_agree(void **state)
{
    (void)state;
    static const struct {
        const char *isa;
        int fused;
    } isas[] = {{"scalar", 0}, {"sse2", 0}, {"fma", 1}, {"avx2", 1}, {"avx512", 1}};
    double unequal = 0.0, most = 0.0;
    int measured = 0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, 9, 17, 2, 0x15a);
        grad_vector d = grad_vector_random(s, 2);
        grad_outputs bar = grad_outputs_random(s, 3);
        result first[2], other = make_result(s); /* of those that do not fuse, and of those that do */
        int known[2] = {0, 0};
        for (int fused = 0; fused < 2; fused++) first[fused] = make_result(s);
        for (size_t k = 0; k < sizeof isas / sizeof *isas; k++) {
            const int fused = isas[k].fused;
            rg_batch *probe = NULL;
            s->opts.rollout.isa = isas[k].isa;
            rg_status there = rg_batch_create(s->models[0], 1, &s->opts, &probe, NULL);
            rg_batch_destroy(&probe);
            if (there == RG_ERR_UNSUPPORTED) {
                print_message("%s left out: this processor has none\n", isas[k].isa);
                continue;
            }
            run(s, &d, &bar, known[fused] ? &other : &first[fused]);
            for (size_t i = 0; known[fused] && i < s->rods; i++)
                unequal += (double)differing(s, &first[fused], i, &other, i);
            known[fused] = 1;
        }
        for (size_t i = 0; known[1] && i < s->rods; i++)
            for (int kind = 0; kind < GRAD_KINDS; kind++) {
                double apart = 0.0, size = 0.0;
                for (size_t c = i * s->count[kind]; c < (i + 1) * s->count[kind]; c++) {
                    double e = first[0].g.of[kind][c] - first[1].g.of[kind][c];
                    apart += e * e;
                    size += first[0].g.of[kind][c] * first[0].g.of[kind][c];
                }
                if (!(apart <= most * most * size)) most = sqrt(apart / size);
            }
        measured += known[1];
        grad_scene_free(s);
    }
    print_message("gradients of the instruction sets differ by %.1e\n", most);
    grad_record_bitwise("scalar = sse2, fma = avx2 = avx512", "states, tangents, gradients", unequal);
    /* round-off of 34 steps, each solved with the condition number of its Hessian */
    if (measured) grad_record("scalar against avx2, avx512", "gradients of 34 steps", most, 1e-9, GRAD_AT_MOST);
    else grad_skip("scalar against avx2, avx512", "gradients of 34 steps", "no such processor");
    assert_true(unequal == 0.0);
    if (!(most <= 1e-9)) fail_msg("gradients of two instruction sets differ by %.1e", most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plan_budgets_bitwise), cmocka_unit_test(plan_default_bitwise),
        cmocka_unit_test(plan_threads_bitwise), cmocka_unit_test(plan_position_bitwise),
        cmocka_unit_test(plan_isa_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
