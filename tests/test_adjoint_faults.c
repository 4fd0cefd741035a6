/* test_adjoint_faults.c: one bad rod among 64, and nothing else changes.
 *
 * The rod's status names step, reason and vertex; its outputs stay finite, where the last good step
 * left them; its gradient is that of what it did until then; and its neighbours' outputs, tangents
 * and gradients keep every bit. Likewise for cotangents that are no numbers. */
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

enum { RODS = 64, FRAMES = 8, SUBSTEPS = 2, STEPS = FRAMES * SUBSTEPS, BAD = 37, STEP = 9 };

typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
    rg_rod_status status[RODS];
    rg_adjoint_status back[RODS];
} result;

static void run(grad_scene *s, const grad_vector *d, const grad_outputs *bar, result *r)
{
    const rg_batch_inputs in = grad_inputs(s);
    const rg_batch_outputs to = grad_batch_outputs(&r->out);
    const rg_batch_tangents t = grad_tangents(d, GRAD_ALL);
    const rg_batch_tangent_outputs dto = grad_batch_tangent_outputs(&r->d_out);
    const rg_batch_cotangents c = grad_cotangents(bar);
    const rg_batch_gradients g = grad_gradients(&r->g, GRAD_ALL);
    rg_rod_status again[RODS];
    rg_error err = {0};
    if (rg_batch_jvp(s->batch, &in, &t, &to, &dto, again, &err) != RG_OK ||
        rg_batch_forward(s->batch, &in, &to, r->status, &err) != RG_OK ||
        rg_batch_adjoint(s->batch, &c, &g, r->back, &err) != RG_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < RODS; i++) assert_int_equal(again[i].flag, r->status[i].flag);
}

static result *make_result(grad_scene *s)
{
    result *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->out = grad_outputs_zero(s);
    r->d_out = grad_outputs_zero(s);
    r->g = grad_vector_zero(s);
    return r;
}

/* bytes of the neighbours that differ */
static size_t others_differ(const grad_scene *s, const result *a, const result *b)
{
    size_t sum = 0;
    for (size_t i = 0; i < RODS; i++) {
        if (i == BAD) continue;
        sum += grad_outputs_differ(s, &a->out, i, &b->out, i) + grad_outputs_differ(s, &a->d_out, i, &b->d_out, i) +
               grad_vector_differ(s, &a->g, i, &b->g, i);
        sum += memcmp(&a->status[i], &b->status[i], sizeof a->status[i]) != 0;
        sum += memcmp(&a->back[i], &b->back[i], sizeof a->back[i]) != 0;
    }
    return sum;
}

static size_t not_finite(const double *at, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += !isfinite(at[i]);
    return sum;
}

/* numbers of a rod's outputs, tangent and gradient that are not finite */
static size_t rod_not_finite(const grad_scene *s, const result *r, size_t rod)
{
    const size_t n = s->vertices, f = s->opts.n_frames;
    size_t sum = not_finite(r->out.x + rod * f * 3 * n, f * 3 * n) + not_finite(r->out.v + rod * f * 3 * n, f * 3 * n) +
                 not_finite(r->out.m + rod * f * 3 * (n - 1), f * 3 * (n - 1)) +
                 not_finite(r->out.markers + rod * f * 3 * s->markers, f * 3 * s->markers) +
                 not_finite(r->d_out.x + rod * f * 3 * n, f * 3 * n) +
                 not_finite(r->d_out.v + rod * f * 3 * n, f * 3 * n) +
                 not_finite(r->d_out.turn + rod * f * (n - 1), f * (n - 1)) +
                 not_finite(r->d_out.markers + rod * f * 3 * s->markers, f * 3 * s->markers);
    for (int kind = 0; kind < GRAD_KINDS; kind++)
        sum += not_finite(r->g.of[kind] + rod * s->count[kind], s->count[kind]);
    return sum;
}

enum fault {
    NAN_FORCE,
    INFINITE_FORCE,
    HUGE_FORCE,
    NAN_CLAMP,
    NAN_CLAMP_DIRECTOR,
    NAN_VELOCITY,
    FOLDED,
    NEARLY_FOLDED,
    TORN,
    CLAMP_MEETS,
    FAULTS
};
static const char *const fault_names[FAULTS] = {
    "force NaN",    "force infinite", "force of 1e300 N",      "clamped position NaN", "director NaN",
    "velocity NaN", "starts folded",  "starts all but folded", "clamps pulled apart",  "clamped vertices meet"};

static void inject(grad_scene *s, enum fault fault)
{
    const size_t n = s->vertices, c = s->clamped, step = BAD * STEPS + STEP;
    double *force = s->force + 3 * (step * n + 4), *clamp = s->clamp_x + 3 * (step * c + 2);
    if (fault == NAN_FORCE) force[1] = NAN;
    if (fault == INFINITE_FORCE) force[1] = INFINITY;
    if (fault == HUGE_FORCE) force[1] = 1e300;
    if (fault == NAN_CLAMP) clamp[2] = NAN;
    if (fault == NAN_CLAMP_DIRECTOR) s->clamp_m[3 * (step * s->held + 1)] = NAN;
    if (fault == NAN_VELOCITY) s->v0[3 * (BAD * n + 5) + 2] = NAN;
    if (fault == FOLDED || fault == NEARLY_FOLDED) {
        /* vertex 5 lies where vertex 3 does, or 0.1 mm beside it; the directors of its edges,
         * across them */
        double *x = s->x0 + 3 * BAD * n, *m = s->m0 + 3 * BAD * (n - 1);
        for (int a = 0; a < 3; a++) x[3 * 5 + a] = x[3 * 3 + a];
        if (fault == NEARLY_FOLDED) x[3 * 5 + 1] += 1e-4;
        for (int e = 4; e <= 5; e++) {
            double t[3], size = 0.0, across[3];
            for (int a = 0; a < 3; a++) {
                t[a] = x[3 * (e + 1) + a] - x[3 * e + a];
                size += t[a] * t[a];
            }
            const double up[3] = {0.0, 1.0, 0.0}, along = t[1] / size;
            double length = 0.0;
            for (int a = 0; a < 3; a++) {
                across[a] = up[a] - along * t[a];
                length += across[a] * across[a];
            }
            for (int a = 0; a < 3; a++) m[3 * e + a] = across[a] / sqrt(length);
        }
    }
    for (size_t k = BAD * STEPS + STEP; k < (BAD + 1) * STEPS; k++) {
        double *x = s->clamp_x + 3 * k * c;
        /* a gripper 5 m away from the other; or one whose markers meet */
        if (fault == TORN) x[3 * 2] += 5.0, x[3 * 3] += 5.0;
        if (fault == CLAMP_MEETS) memcpy(x + 3 * 3, x + 3 * 2, 3 * sizeof *x);
    }
}

/* what the status must say */
static void check_status(const grad_scene *s, int stepper, enum fault fault, const result *r)
{
    const rg_rod_status *status = &r->status[BAD];
    const char *name = fault_names[fault];
    const int folded = fault == FOLDED || fault == NEARLY_FOLDED;
    const int first = fault == NAN_VELOCITY || folded ? 0 : STEP;
    /* the implicit stepper may stretch a rod that is torn, and it is well then */
    if (fault == TORN && stepper != GRAD_DEFORM && status->flag == RG_ROD_OK) return;
    if (status->flag == RG_ROD_OK) fail_msg("%s, %s: not noticed", grad_stepper_name(stepper), name);
    if (status->step != first && !(fault == TORN && status->step > first))
        fail_msg("%s, %s: step %d, not %d", grad_stepper_name(stepper), name, status->step, first);
    if (status->vertex < 0 || status->vertex >= (int)s->vertices)
        fail_msg("%s, %s: vertex %d", grad_stepper_name(stepper), name, status->vertex);
    if (fault <= NAN_VELOCITY) assert_int_equal(status->flag, RG_ROD_NONFINITE);
    if (stepper != GRAD_DEFORM && fault <= HUGE_FORCE) assert_int_equal(status->vertex, 4);
    if (stepper == GRAD_DEFORM && fault == NEARLY_FOLDED) assert_int_equal(status->flag, RG_ROD_FOLDED);
    if (stepper == GRAD_DEFORM && fault == TORN) assert_int_equal(status->flag, RG_ROD_UNSTABLE);
    /* outputs are the state that the rod stays in: a velocity that was given as NaN among it. The
     * start's own gradient has no value at a fold. */
    const size_t bad = rod_not_finite(s, r, BAD), velocity = fault == NAN_VELOCITY ? FRAMES : 0;
    if (bad != velocity && fault != FOLDED)
        fail_msg("%s, %s: %zu numbers of the bad rod are not finite", grad_stepper_name(stepper), name, bad);
}

/* frames before the failure are those of the rod that is well; from then on nothing moves */
static void check_frozen(const grad_scene *s, int stepper, enum fault fault, const result *r, const result *well)
{
    const rg_rod_status *status = &r->status[BAD];
    const size_t n = s->vertices, failed = (size_t)(status->step / SUBSTEPS), row = 3 * n;
    if (status->flag == RG_ROD_OK) return;
    for (size_t f = 0; f < FRAMES; f++) {
        const double *now = r->out.x + (BAD * FRAMES + f) * row;
        if (f < failed && fault <= NAN_CLAMP_DIRECTOR &&
            memcmp(now, well->out.x + (BAD * FRAMES + f) * row, row * sizeof *now))
            fail_msg("%s, %s: frame %zu changed", grad_stepper_name(stepper), fault_names[fault], f);
        if (f > failed && memcmp(now, now - row, row * sizeof *now))
            fail_msg("%s, %s: moved in frame %zu", grad_stepper_name(stepper), fault_names[fault], f);
    }
    /* inputs after the failure have no effect, and so no gradient */
    for (size_t k = (size_t)status->step + 1; k < STEPS; k++)
        for (size_t i = 0; i < row; i++)
            if (r->g.of[GRAD_FORCE][(BAD * STEPS + k) * row + i] != 0.0)
                fail_msg("%s, %s: a force in step %zu acts", grad_stepper_name(stepper), fault_names[fault], k);
}

static void faults_contained(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar", NULL};
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int k = 0; k < 2; k++) {
            grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0xfa);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            size_t every[RODS];
            for (size_t i = 0; i < RODS; i++) every[i] = i;
            result *well = make_result(s);
            s->opts.rollout.isa = isas[k];
            grad_scene_open(s);
            run(s, &d, &bar, well);
            for (int fault = 0; fault < FAULTS; fault++) {
                grad_scene *ill = grad_scene_pick(s, every, RODS);
                result *r = make_result(ill);
                inject(ill, (enum fault)fault);
                grad_scene_open(ill);
                run(ill, &d, &bar, r);
                if (k == 0)
                    print_message("%s, %s: %s, step %d, vertex %d\n", grad_stepper_name(stepper), fault_names[fault],
                                  rg_rod_flag_text(r->status[BAD].flag), r->status[BAD].step, r->status[BAD].vertex);
                size_t differ = others_differ(s, well, r);
                if (differ)
                    print_message("%s, %s: %zu bytes of the neighbours differ\n", grad_stepper_name(stepper),
                                  fault_names[fault], differ);
                unequal += (double)differ;
                check_status(ill, stepper, (enum fault)fault, r);
                check_frozen(ill, stepper, (enum fault)fault, r, well);
                free(r);
                grad_scene_free(ill);
            }
            free(well);
            grad_scene_free(s);
        }
    grad_record_bitwise("one bad rod of 64", "the others' states, tangents, gradients", unequal);
    assert_true(unequal == 0.0);
}

/* a gradient until the failure: that of a rollout that ends there, with all later cotangents on its
 * end */
static void faults_gradient_until_then(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
        grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, 2, FRAMES, SUBSTEPS, 0x4e);
        grad_scene *brief = grad_scene_make(stepper, GRAD_ENDS, 2, FRAMES / 2, SUBSTEPS, 0x4e);
        grad_outputs bar = grad_outputs_random(s, 3), end = grad_outputs_zero(brief);
        grad_vector g = grad_vector_zero(s), g_brief = grad_vector_zero(brief);
        const size_t n = s->vertices, half = FRAMES / 2, failed = half * SUBSTEPS;
        for (size_t i = 0; i < 2; i++) {
            s->force[3 * ((i * STEPS + failed) * n + 4) + 1] = NAN;
            /* the first steps are alike, with the same inputs */
            memcpy(brief->x0 + i * 3 * n, s->x0 + i * 3 * n, 3 * n * sizeof(double));
            memcpy(brief->v0 + i * 3 * n, s->v0 + i * 3 * n, 3 * n * sizeof(double));
            memcpy(brief->m0 + i * 3 * (n - 1), s->m0 + i * 3 * (n - 1), 3 * (n - 1) * sizeof(double));
            memcpy(brief->clamp_x + i * failed * 3 * s->clamped, s->clamp_x + i * STEPS * 3 * s->clamped,
                   failed * 3 * s->clamped * sizeof(double));
            memcpy(brief->clamp_m + i * failed * 3 * s->held, s->clamp_m + i * STEPS * 3 * s->held,
                   failed * 3 * s->held * sizeof(double));
            memcpy(brief->force + i * failed * 3 * n, s->force + i * STEPS * 3 * n, failed * 3 * n * sizeof(double));
            const struct {
                double *to;
                const double *from;
                size_t row;
            } parts[] = {{end.x, bar.x, 3 * n},
                         {end.v, bar.v, 3 * n},
                         {end.turn, bar.turn, n - 1},
                         {end.markers, bar.markers, 3 * s->markers},
                         {end.tension, bar.tension, bar.tension ? n - 1 : 0},
                         {end.reaction, bar.reaction, bar.reaction ? 3 * s->clamped : 0},
                         {end.reaction_moment, bar.reaction_moment, bar.reaction_moment ? s->held : 0},
                         {end.moment, bar.moment, bar.moment ? 3 * n : 0},
                         {end.energy, bar.energy, bar.energy ? 5 : 0}};
            /* a rod that failed stays where it was, without forces and energies */
            for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
                for (size_t f = 0; f < (p < 4 ? (size_t)FRAMES : half); f++)
                    for (size_t k = 0; k < parts[p].row; k++)
                        parts[p].to[(i * half + (f < half ? f : half - 1)) * parts[p].row + k] +=
                            parts[p].from[(i * FRAMES + f) * parts[p].row + k];
        }
        rg_batch_inputs in = grad_inputs(s);
        const rg_batch_outputs none = {0};
        const rg_batch_cotangents c = grad_cotangents(&bar);
        const rg_batch_gradients to = grad_gradients(&g, GRAD_ALL);
        rg_rod_status status[2];
        rg_error err = {0};
        grad_scene_open(s);
        if (rg_batch_forward(s->batch, &in, &none, status, &err) != RG_OK ||
            rg_batch_adjoint(s->batch, &c, &to, NULL, &err) != RG_OK)
            fail_msg("%s", err.text);
        assert_int_equal(status[0].step, failed);
        grad_forward(brief, NULL);
        grad_adjoint(brief, &end, &g_brief, GRAD_ALL);
        for (int kind = 0; kind < GRAD_KINDS; kind++) {
            double size = 0.0, apart = 0.0;
            for (size_t i = 0; i < 2; i++)
                for (size_t k = 0; k < brief->count[kind]; k++) {
                    double a = g.of[kind][i * s->count[kind] + k];
                    double b = g_brief.of[kind][i * brief->count[kind] + k];
                    size = fmax(size, fabs(b));
                    apart = fabs(a - b) <= apart ? apart : fabs(a - b);
                }
            if (size == 0.0) {
                assert_true(apart == 0.0);
                continue;
            }
            if (!(apart / size <= worst)) worst = apart / size;
            /* the same sums in another order */
            if (!(apart <= 1e-11 * size))
                fail_msg("%s: %s differs by %.1e", grad_stepper_name(stepper), grad_kind_name(kind), apart / size);
        }
        grad_scene_free(brief);
        grad_scene_free(s);
    }
    grad_record("gradient until a rod's failure", "rollout that ends there", worst, 1e-11, GRAD_AT_MOST);
}

/* a cotangent that is no number: rod, step and vertex are named, the neighbours do not notice */
static void faults_cotangent(void **state)
{
    (void)state;
    enum { FRAME = 5, VERTEX = 3 };
    double unequal = 0.0;
    for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++)
        for (int part = 0; part < 4; part++) {
            grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, RODS, FRAMES, SUBSTEPS, 0xc0);
            grad_vector d = grad_vector_random(s, 2);
            grad_outputs bar = grad_outputs_random(s, 3);
            result *well = make_result(s), *r = make_result(s);
            const size_t frame = BAD * FRAMES + FRAME, n = s->vertices;
            double *const at[] = {bar.x + 3 * (frame * n + VERTEX), bar.v + 3 * (frame * n + VERTEX),
                                  bar.turn + frame * (n - 1) + VERTEX, bar.markers + 3 * (frame * s->markers + VERTEX)};
            grad_scene_open(s);
            run(s, &d, &bar, well);
            *at[part] = part == 1 ? INFINITY : NAN;
            run(s, &d, &bar, r);
            unequal += (double)others_differ(s, well, r);
            assert_int_equal(r->status[BAD].flag, RG_ROD_OK);
            assert_int_equal(r->back[BAD].flag, RG_ROD_NONFINITE);
            /* step by step it spreads to every vertex that solves with this one */
            if (r->back[BAD].step != FRAME * SUBSTEPS + SUBSTEPS - 1 || r->back[BAD].vertex < 0 ||
                r->back[BAD].vertex > VERTEX)
                fail_msg("%s: named step %d, vertex %d", grad_stepper_name(stepper), r->back[BAD].step,
                         r->back[BAD].vertex);
            free(well);
            free(r);
            grad_scene_free(s);
        }
    grad_record_bitwise("one bad cotangent of 64 rods", "the others' gradients", unequal);
    assert_true(unequal == 0.0);
}

/* what is refused before anything runs, and leaves everything as it was */
static void faults_refused(void **state)
{
    (void)state;
    grad_scene *s = grad_scene_make(GRAD_BDF2, GRAD_ENDS, 3, 2, 1, 8);
    grad_outputs out = grad_outputs_zero(s);
    const rg_batch_inputs good = grad_inputs(s);
    const rg_batch_outputs to = grad_batch_outputs(&out);
    const size_t n = s->vertices;
    rg_rod_status status[3];
    rg_error err = {0};
    grad_scene_open(s);
    memset(out.x, 7, s->rods * s->opts.n_frames * 3 * n * sizeof(double));
    const double was_out = out.x[5];
    /* an adjoint of nothing */
    grad_vector g = grad_vector_zero(s);
    const rg_batch_gradients gradients = grad_gradients(&g, GRAD_ALL);
    const rg_batch_cotangents none = {0};
    assert_int_equal(rg_batch_adjoint(s->batch, &none, &gradients, NULL, &err), RG_ERR_ARGUMENT);
    double *const spoilt[] = {s->x0 + 3 * (n + 4), s->x0 + 3 * (n + 4), s->m0 + 3 * (n - 1 + 2),
                              s->m0 + 3 * (n - 1 + 2)};
    const double by[] = {NAN, INFINITY, NAN, 0.4};
    for (int k = 0; k < 4; k++) {
        const double was = *spoilt[k];
        *spoilt[k] = by[k];
        assert_int_equal(rg_batch_forward(s->batch, &good, &to, status, &err), RG_ERR_VALUE);
        if (!strstr(err.text, "rod 1")) fail_msg("\"%s\" names no rod", err.text);
        assert_true(out.x[5] == was_out);
        *spoilt[k] = was;
    }
    /* prescribed directors: rod 1, its second clamped edge in its last step */
    const size_t row = 2 * s->steps - 1;
    double *clamp_m = s->clamp_m + 3 * (row * s->held + 1), director[3], edge[3];
    char place[64];
    assert_int_equal(s->held, 2);
    assert_int_equal(s->clamped, 4);
    snprintf(place, sizeof place, "rod 1, step %zu, clamped edge 1", s->steps - 1);
    memcpy(director, clamp_m, sizeof director);
    for (int c = 0; c < 3; c++)
        edge[c] = s->clamp_x[3 * (row * 4 + 3) + (size_t)c] - s->clamp_x[3 * (row * 4 + 2) + (size_t)c];
    const double length = sqrt(edge[0] * edge[0] + edge[1] * edge[1] + edge[2] * edge[2]);
    for (int k = 0; k < 4; k++) {
        static const double scale[] = {1.00001, 0.0, 0.0, 1.0}, along[] = {0.0, 0.0, 1.0, 1e-5};
        for (int c = 0; c < 3; c++) clamp_m[c] = scale[k] * director[c] + along[k] / length * edge[c];
        assert_int_equal(rg_batch_forward(s->batch, &good, &to, status, &err), RG_ERR_VALUE);
        if (!strstr(err.text, place)) fail_msg("\"%s\" does not name %s", err.text, place);
        assert_true(out.x[5] == was_out);
    }
    memcpy(clamp_m, director, sizeof director);
    double *second = s->x0 + 3 * (n + 5), saved[3];
    memcpy(saved, second, sizeof saved);
    memcpy(second, second - 3, sizeof saved);
    assert_int_equal(rg_batch_forward(s->batch, &good, &to, status, &err), RG_ERR_VALUE);
    memcpy(second, saved, sizeof saved);
    for (int k = 0; k < 5; k++) {
        rg_batch_inputs in = good;
        const double **const at[] = {&in.x0, &in.v0, &in.m0, &in.clamp_x, &in.clamp_m};
        *at[k] = NULL;
        assert_int_equal(rg_batch_forward(s->batch, &in, &to, status, &err), RG_ERR_ARGUMENT);
    }
    assert_int_equal(rg_batch_forward(s->batch, NULL, &to, status, &err), RG_ERR_ARGUMENT);
    assert_true(out.x[5] == was_out);
    /* without forces, outputs, statuses it runs, and backwards with nothing given or asked */
    rg_batch_inputs in = good;
    in.force = NULL;
    assert_int_equal(rg_batch_forward(s->batch, &in, NULL, NULL, NULL), RG_OK);
    assert_int_equal(rg_batch_adjoint(s->batch, &none, &gradients, NULL, NULL), RG_OK);
    for (int kind = 0; kind < GRAD_KINDS; kind++)
        for (size_t i = 0; i < s->rods * s->count[kind]; i++) assert_true(g.of[kind][i] == 0.0);
    s->opts.adjoint = 0;
    grad_scene_open(s);
    grad_forward(s, NULL);
    assert_int_equal(rg_batch_adjoint(s->batch, &none, &gradients, NULL, &err), RG_ERR_ARGUMENT);
    grad_scene_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_contained),
        cmocka_unit_test(faults_gradient_until_then),
        cmocka_unit_test(faults_cotangent),
        cmocka_unit_test(faults_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
