/* test_adjoint_health.c: how gradients grow, and the two cures: truncated windows, multiple
 * shooting. */
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

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static void health_growth_rate_value(void **state)
{
    (void)state;
    double sizes[40], flat[3] = {2.0, 2.0, 2.0};
    for (int k = -2; k <= 2; k++) {
        for (int i = 0; i < 40; i++) sizes[i] = 3e-7 * exp(1.7 * k * 0.05 * i);
        double rate = rg_growth_rate(sizes, 40, 0.05);
        /* of sums of forty numbers */
        if (!(fabs(rate - 1.7 * k) <= 1e-12)) fail_msg("rate %.15g, not %.15g", rate, 1.7 * k);
        /* what has no logarithm does not count */
        sizes[7] = 0.0;
        sizes[11] = NAN;
        sizes[20] = INFINITY;
        sizes[39] = -1.0;
        rate = rg_growth_rate(sizes, 40, 0.05);
        if (!(fabs(rate - 1.7 * k) <= 1e-12)) fail_msg("rate %.15g, not %.15g", rate, 1.7 * k);
    }
    assert_true(rg_growth_rate(flat, 3, 0.1) == 0.0);
    flat[0] = flat[1] = 0.0;
    assert_true(isnan(rg_growth_rate(flat, 3, 0.1)));
    assert_true(isnan(rg_growth_rate(flat, 0, 0.1)));
}

/* vertices that nothing ties together: v1 = (v0 + h f)/(1 + h c), x1 = x0 + h v1, and so backwards
 * v0_bar = (v1_bar + h x1_bar)/(1 + h c), x0_bar = x1_bar, plus at every frame what it gives */
static void health_growth_value(void **state)
{
    (void)state;
    enum { FRAMES = 6, SUBSTEPS = 2, STEPS = FRAMES * SUBSTEPS };
    static const rg_field loose[] = {RG_STRETCH_STIFFNESS, RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2,
                                     RG_TWIST_STIFFNESS};
    static const size_t each[] = {1, 2, 3, 5, 12};
    grad_scene *s = grad_scene_make(GRAD_EULER, GRAD_NOWHERE, 2, FRAMES, SUBSTEPS, 6);
    const double h = s->opts.dt_s / SUBSTEPS, c = 0.8;
    const size_t n = s->vertices, row = 3 * n;
    for (size_t i = 0; i < s->rods; i++) {
        /* stiff by 1e-12 of what they were: round-off */
        for (size_t f = 0; f < sizeof loose / sizeof *loose; f++)
            for (size_t k = 0; k < rg_model_field_entries(s->models[i], loose[f]); k++)
                rg_model_field_data(s->models[i], loose[f])[k] = f ? 1e-18 : 1e-14;
        for (size_t k = 0; k < n; k++) {
            rg_model_field_data(s->models[i], RG_DRAG)[k] = c;
            rg_model_field_data(s->models[i], RG_BEND_COUPLING)[k] = 0.0;
        }
    }
    grad_outputs bar = grad_outputs_random(s, 3);
    memset(bar.turn, 0, s->rods * FRAMES * (n - 1) * sizeof(double));
    memset(bar.markers, 0, s->rods * FRAMES * 3 * s->markers * sizeof(double));
    bar.tension = bar.reaction = bar.reaction_moment = bar.moment = bar.energy = NULL;
    grad_vector g = grad_vector_zero(s);
    double *growth = grad_alloc(s, s->rods * (STEPS + 1));
    grad_forward(s, NULL);
    for (size_t e = 0; e < sizeof each / sizeof *each; e++) {
        const rg_batch_cotangents given = grad_cotangents(&bar);
        rg_batch_gradients to = grad_gradients(&g, GRAD_X0);
        rg_error err = {0};
        to.growth_every = each[e];
        to.growth = growth;
        ok(rg_batch_adjoint(s->batch, &given, &to, NULL, &err), &err);
        for (size_t i = 0; i < s->rods; i++) {
            double x[3 * 16] = {0.0}, v[3 * 16] = {0.0};
            for (int step = STEPS; step >= 0; step--) {
                double sum = 0.0;
                for (size_t k = 0; k < row; k++) {
                    if (step < STEPS) v[k] = (v[k] + h * x[k]) / (1.0 + h * c);
                    if (step > 0 && step % SUBSTEPS == 0) {
                        const size_t frame = i * FRAMES + (size_t)step / SUBSTEPS - 1;
                        x[k] += bar.x[frame * row + k];
                        v[k] += bar.v[frame * row + k];
                    }
                    sum += x[k] * x[k] + v[k] * v[k] / (s->opts.dt_s * s->opts.dt_s);
                }
                if ((size_t)step % each[e]) continue;
                const double size = growth[i * (STEPS / each[e] + 1) + (size_t)step / each[e]];
                if (!(fabs(size - sqrt(sum)) <= 1e-9 * size))
                    fail_msg("rod %zu, after %d steps: %.12g, not %.12g", i, step, size, sqrt(sum));
            }
        }
        to.growth_every = 0;
        assert_int_equal(rg_batch_adjoint(s->batch, &given, &to, NULL, &err), RG_ERR_ARGUMENT);
        to.growth_every = STEPS + 1;
        assert_int_equal(rg_batch_adjoint(s->batch, &given, &to, NULL, &err), RG_ERR_ARGUMENT);
    }
    grad_scene_free(s);
}

/* bytes that differ in the inputs of step `step` */
static size_t step_differs(const grad_scene *s, const grad_vector *a, const grad_vector *b, size_t rod, size_t step)
{
    static const int kinds[] = {GRAD_CLAMP_X, GRAD_CLAMP_TURN, GRAD_FORCE};
    size_t sum = 0;
    for (int k = 0; k < 3; k++) {
        const size_t row = s->count[kinds[k]] / s->steps;
        for (size_t i = 0; i < row; i++) {
            const size_t at = rod * s->count[kinds[k]] + step * row + i;
            sum += memcmp(a->of[kinds[k]] + at, b->of[kinds[k]] + at, sizeof(double)) != 0;
        }
    }
    return sum;
}

static double part(const grad_scene *s, const grad_vector *a, const grad_vector *b, int kind)
{
    double apart = 0.0, size = 0.0;
    for (size_t i = 0; i < s->rods * s->count[kind]; i++) {
        double e = a->of[kind][i] - b->of[kind][i];
        apart += e * e;
        size += b->of[kind][i] * b->of[kind][i];
    }
    return sqrt(apart / size);
}

/* a loss of the last frame sees the last window whole, to the bit, and nothing before it */
static void health_window_exact_within(void **state)
{
    (void)state;
    enum { FRAMES = 30, SUBSTEPS = 2, STEPS = FRAMES * SUBSTEPS };
    static const size_t windows[] = {1, 2, 7, 16, 59, 60, 61};
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, 3, FRAMES, SUBSTEPS, 0x31d);
        grad_outputs every = grad_outputs_random(s, 5), bar = grad_outputs_zero(s);
        grad_vector whole = grad_vector_zero(s), none = grad_vector_zero(s);
        /* of the last frame only */
        const size_t last = FRAMES - 1, n = s->vertices;
        for (size_t i = 0; i < s->rods; i++) {
            const size_t at = i * FRAMES + last;
            memcpy(bar.x + at * 3 * n, every.x + at * 3 * n, 3 * n * sizeof(double));
            memcpy(bar.v + at * 3 * n, every.v + at * 3 * n, 3 * n * sizeof(double));
            memcpy(bar.turn + at * (n - 1), every.turn + at * (n - 1), (n - 1) * sizeof(double));
        }
        grad_forward(s, NULL);
        grad_adjoint(s, &bar, &whole, GRAD_ALL);
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            for (int stored = 0; stored < 2; stored++) {
                grad_vector cut = grad_vector_zero(s);
                const size_t first = (STEPS - 1) / windows[w] * windows[w];
                s->opts.window = windows[w];
                s->opts.budget_bytes = stored ? RG_STORE_ALL : 0;
                grad_scene_open(s);
                grad_forward(s, NULL);
                grad_adjoint(s, &bar, &cut, GRAD_ALL);
                for (size_t i = 0; i < s->rods; i++) {
                    for (size_t step = 0; step < STEPS; step++)
                        unequal += (double)step_differs(s, &cut, step < first ? &none : &whole, i, step);
                    for (int kind = GRAD_X0; kind <= GRAD_TURN0; kind++)
                        for (size_t k = i * s->count[kind]; k < (i + 1) * s->count[kind]; k++)
                            unequal += cut.of[kind][k] != (first > 0 ? 0.0 : whole.of[kind][k]);
                }
                if (unequal != 0.0)
                    fail_msg("%s, window %zu: %g numbers differ", grad_stepper_name(stepper), windows[w], unequal);
            }
        }
        grad_scene_free(s);
    }
    grad_record_bitwise("truncated window", "within the window as untruncated, zero before", unequal);
}

/* what truncation costs when every frame counts: stated, and smaller with a longer window here,
 * where the motion is damped */
static void health_window_bias(void **state)
{
    (void)state;
    enum { FRAMES = 120 };
    static const size_t windows[] = {10, 30, 60};
    static const int kinds[] = {GRAD_CLAMP_X, GRAD_FORCE, GRAD_FIELD + RG_BEND_STIFFNESS_1};
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, 3, FRAMES, 1, 0xb1a5);
        grad_outputs bar = grad_outputs_random(s, 6);
        grad_vector whole = grad_vector_zero(s);
        double before = INFINITY;
        grad_forward(s, NULL);
        grad_adjoint(s, &bar, &whole, GRAD_ALL);
        for (size_t w = 0; w < sizeof windows / sizeof *windows; w++) {
            grad_vector cut = grad_vector_zero(s);
            double bias[3], sum = 0.0;
            char row[96];
            s->opts.window = windows[w];
            grad_scene_open(s);
            grad_forward(s, NULL);
            grad_adjoint(s, &bar, &cut, GRAD_ALL);
            for (int k = 0; k < 3; k++) sum += bias[k] = part(s, &cut, &whole, kinds[k]);
            print_message("%s, windows of %zu of %zu steps: |g_trunc - g|/|g| = %.2g (clamp_x), %.2g "
                          "(force), %.2g (bend_stiffness_1)\n",
                          grad_stepper_name(stepper), windows[w], s->steps, bias[0], bias[1], bias[2]);
            snprintf(row, sizeof row, "windows of %zu of %zu steps, %s", windows[w], s->steps,
                     grad_stepper_name(stepper));
            grad_record("bias of truncation, of clamp_x's gradient", row, bias[0], 0.0, GRAD_STATED);
            assert_true(sum > 0.0 && sum < before);
            before = sum;
        }
        grad_scene_free(s);
    }
}

enum { SEGMENTS = 3 };

/* a loss of all segments and the penalty of their gaps */
static double shooting_cost(grad_scene *s, const grad_outputs *w, double weight, double time_s, const grad_vector *g)
{
    grad_outputs out = grad_outputs_zero(s), bar = grad_outputs_zero(s);
    double *loss = grad_alloc(s, s->rods), cost = 0.0;
    double *x_bar = grad_alloc(s, s->rods * s->count[GRAD_X0]);
    double *v_bar = grad_alloc(s, s->rods * s->count[GRAD_V0]);
    rg_batch_inputs in = grad_inputs(s);
    rg_error err = {0};
    grad_forward(s, &out);
    grad_loss(s, &out, w, loss, &bar);
    for (size_t i = 0; i < s->rods; i++) cost += loss[i];
    ok(rg_batch_shooting(s->batch, &in, out.x, out.v, weight, time_s, &cost, bar.x, bar.v, x_bar, v_bar, &err), &err);
    if (!g) return cost;
    grad_adjoint(s, &bar, g, GRAD_ALL);
    for (size_t i = 0; i < s->rods * s->count[GRAD_X0]; i++) {
        g->of[GRAD_X0][i] += x_bar[i];
        g->of[GRAD_V0][i] += v_bar[i];
    }
    return cost;
}

static void health_shooting_differences(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, SEGMENTS, 8, 2, 0x5007);
        grad_outputs w = grad_outputs_random(s, 4);
        grad_vector g = grad_vector_zero(s), d = grad_vector_random(s, 5);
        const double weight = 700.0, time_s = 0.03;
        shooting_cost(s, &w, weight, time_s, &g);
        for (int kind = GRAD_ALL; kind < GRAD_KINDS; kind++) {
            const double h = 0.02, by[8] = {h, -h, 2 * h, -2 * h, 3 * h, -3 * h, 4 * h, -4 * h};
            const double take[4] = {4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0};
            double mine = 0.0, squares = 0.0, sum = 0.0, cost = 0.0;
            for (size_t i = 0; i < s->rods; i++) {
                double size;
                mine += grad_vector_dot(s, &d, &g, kind, i, &size);
                squares += size * size;
            }
            for (size_t k = 0; k < 8; k++) {
                grad_scene *moved = grad_scene_moved(s, &d, kind, by + k, 1);
                cost = shooting_cost(moved, &w, weight, time_s, NULL);
                sum += take[k / 2] * (k % 2 ? -cost : cost) / h;
                grad_scene_free(moved);
            }
            /* as for gradients of single rollouts */
            double scale = fmax(fmax(fabs(mine), sqrt(squares)), 2e-4 * (1.0 + fabs(cost)));
            double err = fabs(mine - sum) / scale;
            if (!(err <= worst)) worst = err;
            if (!(err <= 1e-7))
                fail_msg("%s: along %s %.12g, differences say %.12g", grad_stepper_name(stepper), grad_kind_name(kind),
                         mine, sum);
        }
        grad_scene_free(s);
    }
    grad_record("central differences", "multiple shooting, all steppers", worst, 1e-7, GRAD_AT_MOST);
}

/* rod k of `parts` becomes segment k of s: inputs, and starts from where s was then */
static grad_scene *cut(grad_scene *s, const grad_outputs *out, size_t segments)
{
    const size_t frames = s->opts.n_frames / segments, n = s->vertices;
    const size_t rows = frames * (size_t)s->opts.rollout.substeps;
    size_t *all = calloc(segments, sizeof *all);
    assert_non_null(all);
    grad_scene *r = grad_scene_pick(s, all, segments);
    free(all);
    r->opts.n_frames = frames;
    r->steps = rows;
    r->count[GRAD_CLAMP_X] /= segments;
    r->count[GRAD_CLAMP_TURN] /= segments;
    r->count[GRAD_FORCE] /= segments;
    const struct {
        double *to;
        const double *from;
        size_t row;
    } series[] = {
        {r->clamp_x, s->clamp_x, 3 * s->clamped}, {r->clamp_m, s->clamp_m, 3 * s->held}, {r->force, s->force, 3 * n}};
    for (int k = 0; k < 3; k++) memcpy(series[k].to, series[k].from, segments * rows * series[k].row * sizeof(double));
    for (size_t i = 1; i < segments; i++) {
        const size_t at = i * frames - 1;
        memcpy(r->x0 + i * 3 * n, out->x + at * 3 * n, 3 * n * sizeof(double));
        memcpy(r->v0 + i * 3 * n, out->v + at * 3 * n, 3 * n * sizeof(double));
        memcpy(r->m0 + i * 3 * (n - 1), out->m + at * 3 * (n - 1), 3 * (n - 1) * sizeof(double));
    }
    return r;
}

/* Segments without gaps, each started in the state that the one before ended in, are the single
 * rollout: so are their gradients, chained. It takes a state of positions, velocities and directors
 * only: a scheme that looks one step back, no memory, and for deform, whose relaxation acts on the
 * strains of two steps before, no relaxation. */
static void health_shooting_chain(void **state)
{
    (void)state;
    static const int steppers[] = {GRAD_EULER, GRAD_DEFORM};
    static const rg_field absent[] = {RG_BEND_MEMORY, RG_BEND_RELAXATION, RG_TWIST_RELAXATION};
    enum { FRAMES = 12 };
    double worst = 0.0;
    for (int k = 0; k < 2; k++) {
        grad_scene *s = grad_scene_make(steppers[k], GRAD_ENDS, 1, FRAMES, 2, 0xc4a1);
        for (size_t f = 0; f < (steppers[k] == GRAD_DEFORM ? 3 : 1); f++)
            for (size_t i = 0; i < s->vertices; i++) rg_model_field_data(s->models[0], absent[f])[i] = 0.0;
        grad_outputs out = grad_outputs_zero(s), bar = grad_outputs_random(s, 2);
        grad_vector whole = grad_vector_zero(s), chained = grad_vector_zero(s);
        grad_forward(s, &out);
        grad_adjoint(s, &bar, &whole, GRAD_ALL);
        grad_scene *r = cut(s, &out, SEGMENTS);
        grad_outputs w = grad_outputs_zero(r), seen = grad_outputs_zero(r);
        grad_vector g = grad_vector_zero(r);
        const size_t n = s->vertices, frames = r->opts.n_frames;
        /* [segments][frames] is [frames] of the whole */
        memcpy(w.x, bar.x, FRAMES * 3 * n * sizeof(double));
        memcpy(w.v, bar.v, FRAMES * 3 * n * sizeof(double));
        memcpy(w.turn, bar.turn, FRAMES * (n - 1) * sizeof(double));
        memcpy(w.markers, bar.markers, FRAMES * 3 * s->markers * sizeof(double));
        if (w.tension) memcpy(w.tension, bar.tension, FRAMES * (n - 1) * sizeof(double));
        if (w.reaction) memcpy(w.reaction, bar.reaction, FRAMES * 3 * s->clamped * sizeof(double));
        if (w.reaction_moment) memcpy(w.reaction_moment, bar.reaction_moment, FRAMES * s->held * sizeof(double));
        if (w.moment) memcpy(w.moment, bar.moment, FRAMES * 3 * n * sizeof(double));
        if (w.energy) memcpy(w.energy, bar.energy, FRAMES * 5 * sizeof(double));
        grad_forward(r, &seen);
        /* no gaps: no cost, no derivatives, to what the start's strains are rounded */
        double cost = 0.0, x_bar[3 * 16 * SEGMENTS] = {0.0}, v_bar[3 * 16 * SEGMENTS] = {0.0};
        rg_batch_inputs in = grad_inputs(r);
        rg_error err = {0};
        grad_outputs gap = grad_outputs_zero(r);
        ok(rg_batch_shooting(r->batch, &in, seen.x, seen.v, 1.0, 0.01, &cost, gap.x, gap.v, x_bar, v_bar, &err), &err);
        if (!(cost >= 0.0 && cost <= 1e-24)) fail_msg("gaps of a cut rollout cost %g", cost);
        /* last segment first; its start's gradient is what the one before ends with */
        for (size_t i = SEGMENTS; i-- > 0;) {
            grad_adjoint(r, &w, &g, GRAD_ALL);
            for (int kind = 0; kind < GRAD_KINDS; kind++) {
                const double *from = g.of[kind] + i * r->count[kind];
                double *to = chained.of[kind];
                if (kind <= GRAD_TURN0 && i > 0) continue;
                if (kind >= GRAD_CLAMP_X && kind <= GRAD_FORCE) to += i * r->count[kind];
                for (size_t c = 0; c < r->count[kind]; c++) to[c] += from[c];
            }
            for (size_t c = 0; i > 0 && c < 3 * n; c++) {
                w.x[(i * frames - 1) * 3 * n + c] += g.of[GRAD_X0][i * 3 * n + c];
                w.v[(i * frames - 1) * 3 * n + c] += g.of[GRAD_V0][i * 3 * n + c];
            }
            for (size_t c = 0; i > 0 && c < n - 1; c++)
                w.turn[(i * frames - 1) * (n - 1) + c] += g.of[GRAD_TURN0][i * (n - 1) + c];
        }
        for (int kind = 0; kind < GRAD_KINDS; kind++) {
            /* what is absent acts as soon as it is there, and then segments are not the whole */
            const int field = kind - GRAD_FIELD;
            if (field == RG_BEND_MEMORY || field == RG_BEND_MEMORY_TIME) continue;
            if (k == 1 && (field == RG_BEND_RELAXATION || field == RG_TWIST_RELAXATION)) continue;
            /* of no effect in this stepper */
            if (k == 1 && (field == RG_STRETCH_RELAXATION || field == RG_STRETCH_STIFFNESS)) continue;
            double e = part(s, &chained, &whole, kind);
            if (!(e <= worst)) worst = e;
            if (!(e <= 1e-10))
                fail_msg("%s: chained gradient of %s is %.1e off", grad_stepper_name(steppers[k]), grad_kind_name(kind),
                         e);
        }
        grad_scene_free(r);
        grad_scene_free(s);
    }
    print_message("chained segments against one rollout: %.1e\n", worst);
    grad_record("chained segments = one rollout", "multiple shooting without gaps", worst, 1e-10, GRAD_AT_MOST);
}

static void health_shooting_err(void **state)
{
    (void)state;
    grad_scene *s = grad_scene_make(GRAD_EULER, GRAD_ENDS, 2, 2, 1, 1);
    grad_outputs out = grad_outputs_zero(s);
    double *a = grad_alloc(s, 100), cost = 0.0;
    rg_batch_inputs in = grad_inputs(s);
    rg_error err = {0};
    grad_forward(s, &out);
    assert_int_equal(rg_batch_shooting(s->batch, &in, out.x, out.v, -1.0, 1.0, &cost, a, a, a, a, &err),
                     RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_shooting(s->batch, &in, out.x, out.v, 1.0, NAN, &cost, a, a, a, a, &err),
                     RG_ERR_ARGUMENT);
    assert_int_equal(rg_batch_shooting(s->batch, &in, NULL, out.v, 1.0, 1.0, &cost, a, a, a, a, &err), RG_ERR_ARGUMENT);
    assert_true(cost == 0.0);
    grad_scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(health_growth_rate_value),    cmocka_unit_test(health_growth_value),
        cmocka_unit_test(health_window_exact_within),  cmocka_unit_test(health_window_bias),
        cmocka_unit_test(health_shooting_differences), cmocka_unit_test(health_shooting_chain),
        cmocka_unit_test(health_shooting_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
