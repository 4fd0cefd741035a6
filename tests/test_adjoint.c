/* test_adjoint.c: gradients of whole rollouts of a batch against tangents, Taylor expansions and
 * differences.
 *
 * Scenes of grad_scene.h: every stepper, every way to hold a rod, two steps to a frame. Each kind
 * of input is looked at alone and all together; a rod counts by itself, by its worst figure. */
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

static double worse(double a, double b) { return a <= b ? b : a; } /* keeps a NaN in a */

/* those of GRAD_STEPPERS, then GRAD_NORMALISED; from -1 to -1 */
static int next_stepper(int stepper)
{
    return stepper == GRAD_NORMALISED ? -1 : stepper + 1 == GRAD_STEPPERS ? GRAD_NORMALISED : stepper + 1;
}

static void check_dot(size_t steps, double bar, const char *over)
{
    for (int stepper = next_stepper(-1); stepper >= 0; stepper = next_stepper(stepper)) {
        double worst = 0.0;
        char row[96];
        for (int grip = 0; grip < GRAD_GRIPS; grip++) {
            const int substeps = steps > 1 ? 2 : 1;
            int kind = GRAD_ALL;
            grad_scene *s =
                grad_scene_sized(stepper, (grad_grip)grip, 3, steps / (size_t)substeps, substeps, 9,
                                 stepper == GRAD_BDF2 && grip % 2 ? 2 : 1, 0xd07u + (uint64_t)(10 * stepper + grip));
            double err = grad_dot_products(s, 77u + (uint64_t)grip, &kind);
            print_message("%s, %zu steps, held at %s: %.1e (%s)\n", grad_stepper_name(stepper), steps,
                          grad_grip_name((grad_grip)grip), err, grad_kind_name(kind));
            worst = worse(worst, err);
            grad_scene_free(s);
        }
        snprintf(row, sizeof row, "%s, %s", over, grad_stepper_name(stepper));
        grad_record("dot product", row, worst, bar, GRAD_AT_MOST);
        if (!(worst <= bar)) fail_msg("%s: dot products differ by %.1e", row, worst);
    }
}

/* the bars of the design: round-off of one step, and what 500 steps of motion make of it */
static void adjoint_step_dot(void **state)
{
    (void)state;
    check_dot(1, 1e-12, "step in a batch");
}

static void adjoint_rollout_dot(void **state)
{
    (void)state;
    check_dot(500, 1e-9, "500-step rollout");
}

enum { PARTS = 9 };

/* losses of copies of s, moved by by[k] along d: loss [copies][rods] */
static void line(const grad_scene *s, const grad_vector *d, int kind, const double *by, size_t copies, uint64_t weights,
                 double *loss)
{
    grad_scene *moved = grad_scene_moved(s, d, kind, by, copies);
    grad_outputs out = grad_outputs_zero(moved), all = grad_outputs_zero(moved);
    /* the same weights for all copies */
    grad_scene *first = grad_scene_moved(s, d, kind, by, 1);
    grad_outputs w = grad_outputs_random(first, weights);
    const size_t frames = s->opts.n_frames, rods = s->rods;
    const size_t n = s->vertices;
    const size_t rows[PARTS] = {3 * n, 3 * n, n - 1, 3 * s->markers, n - 1, 3 * s->clamped, s->held, 3 * n, 5};
    double *const to[PARTS] = {
        all.x, all.v, all.turn, all.markers, all.tension, all.reaction, all.reaction_moment, all.moment, all.energy};
    const double *const from[PARTS] = {w.x,      w.v,     w.turn, w.markers, w.tension, w.reaction, w.reaction_moment,
                                       w.moment, w.energy};
    for (int part = 0; part < PARTS; part++)
        for (size_t k = 0; to[part] && k < copies; k++)
            memcpy(to[part] + k * rods * frames * rows[part], from[part], rods * frames * rows[part] * sizeof(double));
    moved->opts.adjoint = 0;
    grad_forward(moved, &out);
    grad_loss(moved, &out, &all, loss, NULL);
    grad_scene_free(first);
    grad_scene_free(moved);
}

/* gradient of the loss of line() */
static grad_vector gradient(grad_scene *s, uint64_t weights, double *loss)
{
    grad_outputs out = grad_outputs_zero(s), bar = grad_outputs_zero(s);
    grad_outputs w = grad_outputs_random(s, weights);
    grad_vector g = grad_vector_zero(s);
    grad_forward(s, &out);
    grad_loss(s, &out, &w, loss, &bar);
    grad_adjoint(s, &bar, &g, GRAD_ALL);
    return g;
}

enum { RODS = 2, HALVINGS = 12, LAST = 3, ENOUGH = 6 };

/* Slope of log |remainder| over log eps: the median of the last three halvings of eps before
 * round-off, that is while the remainder stands 100 times above it (its own error is then 1e-2, the
 * slope's 0.03). NAN where there are too few to have left the higher orders behind */
static double slope_of(const double *remainder, double noise)
{
    double last[LAST] = {0.0};
    int n = 0;
    for (int k = 0; k + 1 < HALVINGS && remainder[k + 1] > 100.0 * noise; k++)
        last[n++ % LAST] = log2(remainder[k] / remainder[k + 1]);
    if (n < ENOUGH) return (double)NAN;
    return fmax(fmin(last[0], last[1]), fmin(fmax(last[0], last[1]), last[2]));
}

static void adjoint_taylor_slope(void **state)
{
    (void)state;
    const uint64_t weights = 5;
    for (int stepper = next_stepper(-1); stepper >= 0; stepper = next_stepper(stepper)) {
        double least = INFINITY, most = 0.0, eps[HALVINGS + 1] = {0.0};
        int unmeasured = 0, measured = 0;
        char row[96];
        for (int k = 0; k < HALVINGS; k++) eps[k + 1] = ldexp(0.25, -k);
        for (int grip = GRAD_ENDS; grip < GRAD_GRIPS; grip += 2) {
            grad_scene *s =
                grad_scene_make(stepper, (grad_grip)grip, RODS, 50, 2, 0x7a1u + (uint64_t)(10 * stepper + grip));
            double loss[(HALVINGS + 1) * RODS], there[RODS];
            grad_vector g = gradient(s, weights, there);
            grad_vector d = grad_vector_random(s, 3u + (uint64_t)grip);
            for (int kind = GRAD_ALL; kind < GRAD_KINDS; kind++) {
                if (kind != GRAD_ALL && s->count[kind] == 0) continue;
                line(s, &d, kind, eps, HALVINGS + 1, weights, loss);
                for (size_t i = 0; i < RODS; i++) {
                    double rest[HALVINGS], zeroed[HALVINGS];
                    double along = grad_vector_dot(s, &d, &g, kind, i, NULL);
                    for (int k = 0; k < HALVINGS; k++) {
                        double change = loss[(size_t)(k + 1) * RODS + i] - loss[i];
                        rest[k] = fabs(change - eps[k + 1] * along);
                        zeroed[k] = fabs(change);
                    }
                    /* of a hundred solved steps, each to round-off times its condition number */
                    const double noise = 1e-14 * (1.0 + fabs(loss[i]));
                    double slope = slope_of(rest, noise), without = slope_of(zeroed, noise);
                    /* some kinds enter linearly, or nearly: no remainder to measure */
                    if (isnan(slope)) {
                        unmeasured += !isnan(without);
                        if (!isnan(without) && kind == GRAD_ALL) fail_msg("no slope of all inputs");
                        for (int k = 0; k < HALVINGS; k++)
                            if (!(rest[k] <= fmax(100.0 * noise, 0.2 * eps[k + 1] * zeroed[k])))
                                fail_msg("%s: remainder %.1e of %.1e", grad_kind_name(kind), rest[k], zeroed[k]);
                        continue;
                    }
                    measured++;
                    if (!(slope >= 1.9))
                        print_message("%s, held at %s, rod %zu, %s: slope %.3f\n", grad_stepper_name(stepper),
                                      grad_grip_name((grad_grip)grip), i, grad_kind_name(kind), slope);
                    if (!(slope >= least)) least = slope;
                    /* where the first order leads at all, it alone is left with the gradient zeroed
                     */
                    if (fabs(along) * eps[4] > 10.0 * rest[3]) most = worse(most, fabs(without - 1.0));
                }
            }
            grad_scene_free(s);
        }
        snprintf(row, sizeof row, "100-step rollout, %s", grad_stepper_name(stepper));
        print_message("%s: slope at least %.3f, with the gradient zeroed 1 to %.3f; %d measured, %d "
                      "without a remainder\n",
                      row, least, most, measured, unmeasured);
        grad_record("Taylor slope", row, least, 1.9, GRAD_AT_LEAST);
        grad_record("Taylor slope with the gradient zeroed, from 1", row, most, 0.2, GRAD_AT_MOST);
        if (!(least >= 1.9)) fail_msg("%s: slope %.3f", row, least);
        if (!(most <= 0.2)) fail_msg("%s: zeroed, the slope is %.3f from 1", row, most);
        assert_true(measured > 2 * unmeasured);
    }
}

static void adjoint_gradient_differences(void **state)
{
    (void)state;
    const uint64_t weights = 8;
    for (int stepper = next_stepper(-1); stepper >= 0; stepper = next_stepper(stepper)) {
        double worst = 0.0;
        int worst_kind = GRAD_ALL;
        char row[96];
        for (int grip = 0; grip < GRAD_GRIPS; grip++) {
            grad_scene *s =
                grad_scene_make(stepper, (grad_grip)grip, RODS, 20, 2, 0xcd1u + (uint64_t)(10 * stepper + grip));
            /* eighth order over 1/50 of a direction: the error, 50^-8, hides below round-off times
             * 50 */
            const double h = 0.02, by[8] = {h, -h, 2 * h, -2 * h, 3 * h, -3 * h, 4 * h, -4 * h};
            const double take[4] = {4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0};
            double loss[8 * RODS], there[RODS];
            grad_vector g = gradient(s, weights, there);
            grad_vector d = grad_vector_random(s, 9u + (uint64_t)grip);
            for (int kind = GRAD_ALL; kind < GRAD_KINDS; kind++) {
                if (kind != GRAD_ALL && s->count[kind] == 0) continue;
                line(s, &d, kind, by, 8, weights, loss);
                for (size_t i = 0; i < RODS; i++) {
                    double size, mine = grad_vector_dot(s, &d, &g, kind, i, &size), sum = 0.0;
                    for (size_t k = 0; k < 4; k++)
                        sum += take[k] * (loss[2 * k * RODS + i] - loss[(2 * k + 1) * RODS + i]) / h;
                    /* round-off of the loss over h: what changes it by less is held against that */
                    double scale = fmax(fmax(fabs(mine), size), 2e-4 * (1.0 + fabs(there[i])));
                    double err = fabs(mine - sum) / scale;
                    if (!(err <= worst)) {
                        worst = err;
                        worst_kind = kind;
                    }
                    if (!(err <= 1e-7))
                        fail_msg("%s, held at %s, rod %zu: along %s %.12g, differences say %.12g",
                                 grad_stepper_name(stepper), grad_grip_name((grad_grip)grip), i, grad_kind_name(kind),
                                 mine, sum);
                }
            }
            grad_scene_free(s);
        }
        snprintf(row, sizeof row, "gradient of a 40-step rollout, %s", grad_stepper_name(stepper));
        print_message("%s: %.1e (%s)\n", row, worst, grad_kind_name(worst_kind));
        grad_record("central differences", row, worst, 1e-7, GRAD_AT_MOST);
    }
}

/* a gradient does not depend on what else is asked for, and what is not asked for is not touched */
static void adjoint_asked_alone_bitwise(void **state)
{
    (void)state;
    double unequal = 0.0;
    for (int stepper = next_stepper(-1); stepper >= 0; stepper = next_stepper(stepper))
        for (int grip = GRAD_ENDS; grip < GRAD_GRIPS; grip++) {
            grad_scene *s = grad_scene_make(stepper, (grad_grip)grip, 5, 13, 2, 0xa5u + (uint64_t)grip);
            grad_outputs bar = grad_outputs_random(s, 4);
            grad_vector all = grad_vector_zero(s), one = grad_vector_zero(s);
            grad_forward(s, NULL);
            grad_adjoint(s, &bar, &all, GRAD_ALL);
            for (int kind = 0; kind < GRAD_KINDS; kind++) grad_adjoint(s, &bar, &one, kind);
            for (size_t i = 0; i < s->rods; i++) unequal += (double)grad_vector_differ(s, &all, i, &one, i);
            /* asked for in reverse, and after a tangent instead of a plain run */
            grad_vector d = grad_vector_random(s, 6), late = grad_vector_zero(s);
            grad_outputs d_out = grad_outputs_zero(s);
            grad_jvp(s, &d, GRAD_ALL, &d_out);
            for (int kind = GRAD_KINDS - 1; kind >= 0; kind--) grad_adjoint(s, &bar, &late, kind);
            for (size_t i = 0; i < s->rods; i++) unequal += (double)grad_vector_differ(s, &all, i, &late, i);
            grad_scene_free(s);
        }
    grad_record_bitwise("gradients asked for one by one", "all kinds, every stepper", unequal);
    assert_true(unequal == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adjoint_step_dot),
        cmocka_unit_test(adjoint_rollout_dot),
        cmocka_unit_test(adjoint_taylor_slope),
        cmocka_unit_test(adjoint_gradient_differences),
        cmocka_unit_test(adjoint_asked_alone_bitwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
