/* test_adjoint_memory.c: what a batch allocates, when, and what happens when it gets none.
 *
 * test_adjoint_memory <steps>: with that many steps in the longest rollout (2000; 20,000 is the
 * design's). */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counted_malloc.h"
#include "directions.h"
#include "grad_table.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static size_t long_steps = 2000;

static void all_of(grad_scene *s, rg_batch_inputs in, const grad_vector *d, const grad_outputs *out,
                   const grad_outputs *d_out, const grad_outputs *bar, const grad_vector *g)
{
    rg_batch_tangents t = directions_tangents(d, GRAD_ALL, s->opts.directions);
    rg_batch_outputs to = grad_batch_outputs(out);
    rg_batch_tangent_outputs dto = grad_batch_tangent_outputs(d_out);
    rg_batch_cotangents c = grad_cotangents(bar);
    rg_batch_gradients gradients = grad_gradients(g, GRAD_ALL);
    rg_error err = {0};
    if (rg_batch_forward(s->batch, &in, &to, NULL, &err) != RG_OK ||
        rg_batch_jvp(s->batch, &in, &t, &to, &dto, NULL, &err) != RG_OK ||
        rg_batch_adjoint(s->batch, &c, &gradients, NULL, &err) != RG_OK)
        fail_msg("%s", err.text);
}

/* the peak is what the plan said, before anything runs, and nothing is allocated later */
static void memory_as_described(void **state)
{
    (void)state;
    static const size_t budgets[] = {0, RG_STORE_ALL, 3000000};
    static const struct {
        size_t rods, frames;
    } sizes[] = {{1, 5}, {1, 400}, {9, 100}, {64, 500}};
    double worst = 0.0;
    for (int adjoint = 0; adjoint < 2; adjoint++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            for (int threads = 1; threads <= 2; threads++)
                for (size_t b = 0; b < (adjoint ? 3 : 1); b++) {
                    grad_scene *s = grad_scene_sized(b ? GRAD_BDF2 : GRAD_DEFORM, GRAD_ENDS, sizes[k].rods,
                                                     sizes[k].frames, 1, 13, 1, 0x3e3);
                    const size_t directions = threads == 2 ? 5 : 1;
                    grad_vector d = directions_random(s, directions, 1), g = grad_vector_zero(s);
                    grad_outputs bar = grad_outputs_random(s, 2), out = grad_outputs_zero(s);
                    grad_outputs d_out = directions_outputs(s, directions);
                    s->opts.directions = directions;
                    s->opts.adjoint = adjoint;
                    s->opts.budget_bytes = budgets[b];
                    s->opts.rollout.threads = threads;
                    rg_batch_inputs with_fields = grad_inputs(s);
                    grad_give_fields(s, s, &with_fields);
                    const size_t before = counted.live;
                    counted.peak = counted.live;
                    grad_scene_open(s);
                    rg_batch_plan plan = rg_batch_describe(s->batch);
                    const size_t calls = counted.calls;
                    if (adjoint) {
                        all_of(s, grad_inputs(s), &d, &out, &d_out, &bar, &g);
                        all_of(s, with_fields, &d, &out, &d_out, &bar, &g);
                    } else {
                        rg_batch_inputs in = grad_inputs(s);
                        rg_batch_outputs to = grad_batch_outputs(&out);
                        rg_error err = {0};
                        if (rg_batch_forward(s->batch, &in, &to, NULL, &err) != RG_OK ||
                            rg_batch_forward(s->batch, &with_fields, &to, NULL, &err) != RG_OK)
                            fail_msg("%s", err.text);
                    }
                    assert_int_equal(counted.calls, calls);
                    const double peak = (double)(counted.peak - before);
                    double off = fabs((double)plan.total_bytes / peak - 1.0);
                    if (!(off <= worst)) worst = off;
                    if (!(off <= 0.05))
                        fail_msg("%zu rods, %zu steps, adjoint %d, budget %zu: %zu bytes "
                                 "described, %.0f "
                                 "allocated",
                                 s->rods, s->steps, adjoint, budgets[b], plan.total_bytes, peak);
                    rg_batch_destroy(&s->batch);
                    assert_int_equal(counted.live, before);
                    grad_scene_free(s);
                }
    print_message("described and allocated differ by %.2f %%\n", 100.0 * worst);
    grad_record("peak of memory against the plan", "batches of 1 to 64 rods, 5 to 500 steps", worst, 0.05,
                GRAD_AT_MOST);
}

/* the k-th allocation fails, for every k, alone and with all that follow */
static void memory_refused(void **state)
{
    (void)state;
    size_t worst = 0;
    for (int rest = 0; rest < 2; rest++)
        for (int adjoint = 0; adjoint < 2; adjoint++) {
            grad_scene *s = grad_scene_make(adjoint ? GRAD_BDF2 : GRAD_DEFORM, GRAD_ENDS, 11, 5, 2, 4);
            const size_t before = counted.live;
            size_t k = 0;
            for (rg_status status = RG_ERR_MEMORY; status != RG_OK;) {
                rg_batch *batch = (rg_batch *)(uintptr_t)s; /* not null, so that it is seen to become so */
                rg_error err = {0};
                s->opts.adjoint = adjoint;
                k++;
                counted.refuse_rest = rest;
                counted.refuse = counted.calls + k;
                status = rg_batch_create(s->models[0], s->rods, &s->opts, &batch, &err);
                counted.refuse = 0;
                if (status == RG_OK) {
                    const size_t made = counted.live;
                    /* and of a rod's own model: the rod keeps what it had */
                    for (size_t own = 1;; own++) {
                        counted.refuse = counted.calls + own;
                        rg_status set = rg_batch_set_model(batch, 1, s->models[1], &err);
                        counted.refuse = 0;
                        if (set == RG_OK) break;
                        assert_int_equal(set, RG_ERR_MEMORY);
                        assert_int_equal(counted.live, made);
                    }
                    rg_batch_destroy(&batch);
                } else {
                    assert_int_equal(status, RG_ERR_MEMORY);
                    assert_null(batch);
                    assert_non_null(strstr(err.text, "memory"));
                }
                assert_int_equal(counted.live, before);
                assert_true(k < 1000);
            }
            if (k > worst) worst = k;
            grad_scene_free(s);
        }
    print_message("every one of %zu allocations\n", worst - 1);
    assert_true(worst > 8);
}

/* sizes that no memory, or no size_t, can hold are refused, not wrapped */
static void memory_too_large_err(void **state)
{
    (void)state;
    grad_scene *s = grad_scene_make(GRAD_BDF2, GRAD_ENDS, 1, 1, 1, 4);
    static const size_t rods[] = {SIZE_MAX, SIZE_MAX / 8, SIZE_MAX / 64, (size_t)1 << 40, 1};
    const size_t before = counted.live;
    for (size_t k = 0; k < sizeof rods / sizeof *rods; k++)
        for (int stored = 0; stored < 2; stored++) {
            rg_batch *batch = NULL;
            rg_error err = {0};
            s->opts.n_frames = 2000000000;
            s->opts.budget_bytes = stored ? RG_STORE_ALL : 0;
            rg_status status = rg_batch_create(s->models[0], rods[k], &s->opts, &batch, &err);
            /* one rod for 2e9 steps with checkpoints is 100 MB: it may be had */
            if (status == RG_OK) assert_true(rods[k] == 1);
            else if (status != RG_ERR_MEMORY && status != RG_ERR_ARGUMENT)
                fail_msg("%zu rods: status %d", rods[k], (int)status);
            rg_batch_destroy(&batch);
            assert_int_equal(counted.live, before);
        }
    grad_scene_free(s);
}

/* a number of kB in /proc/self/status; 0 where there is none */
static double status_kb(const char *name)
{
    char line[256];
    double kb = 0.0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0) kb = strtod(line + strlen(name), NULL);
    if (f) fclose(f);
    return kb;
}

/* 64 rods of 13 vertices: all gradients of a long rollout, in little beside what the caller has */
static void memory_of_long_rollout(void **state)
{
    (void)state;
    for (int stepper = GRAD_BDF2; stepper <= GRAD_DEFORM; stepper++) {
        /* one output in ten steps; clamps and their gradients at every step */
        grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, 64, long_steps / 10, 10, 13, 1, 0x20000);
        grad_vector g = grad_vector_zero(s);
        grad_outputs bar = grad_outputs_random(s, 2), out = grad_outputs_zero(s);
        /* touched, so that the machine has given it */
        for (int kind = 0; kind < GRAD_KINDS; kind++) memset(g.of[kind], 1, s->rods * s->count[kind] * sizeof(double));
        memset(out.x, 1, s->rods * s->opts.n_frames * 3 * s->vertices * sizeof(double));
        memset(out.v, 1, s->rods * s->opts.n_frames * 3 * s->vertices * sizeof(double));
        memset(out.m, 1, s->rods * s->opts.n_frames * 3 * (s->vertices - 1) * sizeof(double));
        memset(out.markers, 1, s->rods * s->opts.n_frames * 3 * s->markers * sizeof(double));
        s->opts.rollout.tolerance_m = rg_rollout_opts_default().tolerance_m;
        s->opts.rollout.threads = 0;
        const size_t before = counted.live;
        const double resident = fmax(status_kb("VmHWM:"), status_kb("VmRSS:"));
        counted.peak = counted.live;
        grad_scene_open(s);
        rg_batch_plan plan = rg_batch_describe(s->batch);
        char text[256], row[96];
        rg_batch_plan_text(&plan, text, sizeof text);
        grad_forward(s, &out);
        grad_adjoint(s, &bar, &g, GRAD_ALL);
        const double peak = (double)(counted.peak - before) / 1e6;
        const double grown = (status_kb("VmHWM:") - resident) * 1024.0 / 1e6;
        print_message("%s: %s; allocated %.1f MB, the process grew by %.1f MB\n", grad_stepper_name(stepper), text,
                      peak, grown);
        snprintf(row, sizeof row, "64 rods, 13 vertices, %zu steps, %s", long_steps, grad_stepper_name(stepper));
        grad_record("memory beside inputs and outputs [MB]", row, SANITIZED ? peak : fmax(peak, grown), 100.0,
                    GRAD_AT_MOST);
        if (!(peak <= 100.0)) fail_msg("%.1f MB", peak);
        if (!SANITIZED && !(grown <= 100.0)) fail_msg("the process grew by %.1f MB", grown);
        for (int kind = 0; kind < GRAD_KINDS; kind++)
            for (size_t i = 0; i < s->rods * s->count[kind]; i++)
                if (!isfinite(g.of[kind][i])) fail_msg("%s: not finite", grad_kind_name(kind));
        grad_scene_free(s);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_of_long_rollout),
        cmocka_unit_test(memory_as_described),
        cmocka_unit_test(memory_refused),
        cmocka_unit_test(memory_too_large_err),
    };
    const struct CMUnitTest only[] = {cmocka_unit_test(memory_of_long_rollout)};
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    long_steps = strtoul(argv[1], NULL, 10);
    if (long_steps < 10) return 2;
    return cmocka_run_group_tests(only, NULL, NULL);
}
