/* test_adjoint_cost.c: what a gradient costs, in forward runs.
 *
 * 64 rods of 13 vertices, 200 steps, one thread, the default tolerance. Forward runs of a batch
 * that keeps nothing and pairs of a forward and a reverse run take turns, so that what else the
 * machine does falls on both alike; the median of the ratios counts. Everything that goes in has
 * its gradient. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "grad_scene.h"
#include "grad_table.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
#define MEASURED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MEASURED 0
#endif
#endif
#ifndef MEASURED
#define MEASURED 1
#endif

enum { PAIRS = 9 };

/* processor time: a loaded machine takes turns, which a clock on the wall would count */
static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cost(int stepper, size_t budget, double *seconds)
{
    grad_scene *s = grad_scene_sized(stepper, GRAD_ENDS, 64, 200, 1, 13, 1, 0xc057);
    double ratios[PAIRS], forwards[PAIRS];
    s->opts.rollout.tolerance_m = rg_rollout_opts_default().tolerance_m;
    s->opts.budget_bytes = budget;
    size_t every[64];
    for (size_t i = 0; i < 64; i++) every[i] = i;
    grad_scene *plain = grad_scene_pick(s, every, 64);
    plain->opts.adjoint = 0;
    grad_outputs out = grad_outputs_zero(s), bar = grad_outputs_random(s, 2);
    grad_vector g = grad_vector_zero(s);
    for (int k = -1; k < PAIRS; k++) { /* once to warm up */
        const double t0 = now();
        grad_forward(plain, &out);
        const double t1 = now();
        grad_forward(s, &out);
        grad_adjoint(s, &bar, &g, GRAD_ALL);
        const double t2 = now();
        if (k < 0) continue;
        ratios[k] = (t2 - t1) / (t1 - t0);
        forwards[k] = t1 - t0;
    }
    grad_scene_free(plain);
    grad_scene_free(s);
    qsort(ratios, PAIRS, sizeof *ratios, ascending);
    qsort(forwards, PAIRS, sizeof *forwards, ascending);
    *seconds = forwards[PAIRS / 2];
    return ratios[PAIRS / 2];
}

static void cost_ratio(void **state)
{
    (void)state;
    static const double bars[2][2] = {{3.0, 4.0}, {5.0, 6.0}};
    for (int stepper = GRAD_EULER; stepper < GRAD_STEPPERS; stepper++)
        for (int two = 0; two < 2; two++) {
            char row[96];
            const double bar = bars[stepper == GRAD_DEFORM][two];
            snprintf(row, sizeof row, "%s, %s", grad_stepper_name(stepper),
                     two ? "two levels of checkpoints" : "everything stored");
            if (!MEASURED) {
                grad_skip("cost of forward + gradient over forward", row, "not an optimised build");
                continue;
            }
            double seconds, ratio = cost(stepper, two ? 0 : RG_STORE_ALL, &seconds);
            print_message("%s: %.2f (forward %.1f ms)\n", row, ratio, 1e3 * seconds);
            grad_record("cost of forward + gradient over forward", row, ratio, bar, GRAD_AT_MOST);
            if (!(ratio <= bar)) fail_msg("%s: %.2f", row, ratio);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(cost_ratio)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
