/* test_bits.c: what changes no bit, on every instruction set of this processor and in both reals.
 *
 * Of outputs, tangents and gradients of batches: which states are kept (the budget), threads, the number of rods and
 * a rod's place among them. Of fits by every method: budget and threads, and recordings without a valid frame, which
 * add nothing but take places in packs. Of a gradient of a real recording: the budget. Where a compiler contracts
 * products and sums, a step that is run again may differ from its first run in the last bit of a velocity, which
 * shows once in some hundred frames: the made scenes are too short for that, that recording is not. It is read from
 * $RODGRAD_RECORDINGS, else ../shared/recordings next to the sources. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/dispatch.h"
#include "fit/fit_internal.h"
#include "fits.h"
#include "grad_scene.h"
#include "grad_table.h"
#include "io/recording_io.h"
#include "rods.h"

static const rg_real reals[] = {RG_REAL_DOUBLE, RG_REAL_FLOAT};
enum { REALS = sizeof reals / sizeof *reals };

/* Newton's tolerance [m]: so coarse that a solution shows the last bits of where it began */
#define COARSE 1e-3

/* the next instruction set that this processor has, from number *k on; NULL after the last */
static const char *next_isa(int *k)
{
    while (rgi_cpu_isas[*k]) {
        const char *isa = rgi_cpu_isas[(*k)++];
        if (rgi_cpu_find(isa, RG_REAL_DOUBLE)) return isa;
        print_message("%s left out: this processor has none\n", isa);
    }
    return NULL;
}

/* ---- batches ---- */

/* more than a pack of sixteen, so that the last pack has lanes to spare */
enum { RODS = 19, LEAST = 1 };

/* outputs, a tangent's, gradients */
typedef struct result {
    grad_outputs out, d_out;
    grad_vector g;
} result;

static result run(grad_scene *s, const grad_vector *d, const grad_outputs *bar)
{
    result r = {grad_outputs_zero(s), grad_outputs_zero(s), grad_vector_zero(s)};
    grad_scene_open(s);
    grad_jvp(s, d, GRAD_ALL, &r.d_out);
    grad_forward(s, &r.out);
    grad_adjoint(s, bar, &r.g, GRAD_ALL);
    return r;
}

/* the least budget that some plan fits, as the error for a smaller one names it */
static size_t least_budget(const grad_scene *s)
{
    static const char says[] = "the least that some plan needs is ";
    rg_batch_opts o = s->opts;
    rg_batch *batch = NULL;
    rg_error err = {0};
    size_t least = 0;
    o.budget_bytes = 1;
    assert_int_equal(rg_batch_create(s->models[0], s->rods, &o, &batch, &err), RG_ERR_ARGUMENT);
    const char *at = strstr(err.text, says);
    if (!at || sscanf(at + sizeof says - 1, "%zu", &least) != 1) fail_msg("no least budget in \"%s\"", err.text);
    return least;
}

/* rods picked[0 .. n-1] of s with that budget and so many threads, against what all of them gave */
static size_t differing(const grad_scene *s, const grad_vector *d, const grad_outputs *bar, const result *all,
                        const size_t *picked, size_t n, size_t budget, int threads)
{
    grad_scene *t = grad_scene_pick(s, picked, n);
    grad_vector d_t = grad_vector_zero(t);
    grad_outputs bar_t = grad_outputs_zero(t);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        grad_vector_copy(s, d, picked[i], &d_t, i);
        grad_outputs_copy(s, bar, picked[i], &bar_t, i);
    }
    t->opts.rollout.threads = threads;
    t->opts.budget_bytes = budget == LEAST ? least_budget(t) : budget;
    const result some = run(t, &d_t, &bar_t);
    for (size_t i = 0; i < n; i++)
        bytes += grad_outputs_differ(s, &all->out, picked[i], &some.out, i) +
                 grad_outputs_differ(s, &all->d_out, picked[i], &some.d_out, i) +
                 grad_vector_differ(s, &all->g, picked[i], &some.g, i);
    grad_scene_free(t);
    return bytes;
}

static void bits_gradients(void **state)
{
    (void)state;
    static const size_t budgets[] = {RG_STORE_ALL, 0, LEAST}, sizes[] = {RODS, 1, 9};
    static const int threads[] = {1, 3};
    double unequal = 0.0;
    int k = 0;
    for (const char *isa; (isa = next_isa(&k)) != NULL;)
        for (int real = 0; real < REALS; real++)
            for (int stepper = 0; stepper < GRAD_STEPPERS; stepper++) {
                size_t bytes = 0;
                grad_scene *s = grad_scene_make(stepper, GRAD_ENDS, RODS, 7, 2, 0xb175);
                const grad_vector d = grad_vector_random(s, 2);
                const grad_outputs bar = grad_outputs_random(s, 3);
                s->opts.rollout.isa = isa;
                s->opts.rollout.real = reals[real];
                s->opts.rollout.tolerance_m = COARSE;
                s->opts.budget_bytes = RG_STORE_ALL;
                const result all = run(s, &d, &bar);
                for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++)
                    for (size_t m = 0; m < sizeof threads / sizeof *threads; m++)
                        for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++) {
                            size_t picked[RODS];
                            for (size_t i = 0; i < sizes[z]; i++) picked[i] = (5 * i + z) % RODS;
                            bytes += differing(s, &d, &bar, &all, picked, sizes[z], budgets[b], threads[m]);
                        }
                if (bytes)
                    print_error("%s, %s, %s: %zu bytes differ\n", isa, rg_real_name(reals[real]),
                                grad_stepper_name(stepper), bytes);
                unequal += (double)bytes;
                grad_scene_free(s);
            }
    grad_record_bitwise("budget, threads, rods, place, by isa", "states, tangents, gradients", unequal);
    assert_true(unequal == 0.0);
}

/* ---- fits ---- */

enum { MARKERS = 7, RECORDINGS = 5, EMPTY = 3, FRAMES = 16, STEPS = 8, MOST = 64 };
static const int clamps[] = {0, 1, 5, 6};

/* what a fit comes to: of every iteration the cost and the error; parameters; their deviations; every recording's
 * error */
typedef struct outcome {
    int iterations;
    double numbers[2 * STEPS + 2 * MOST + RECORDINGS];
} outcome;

/* recordings of one rod, some longer than others: RECORDINGS that show it, and EMPTY that show nothing */
static void make_recordings(const rg_model *truth, rg_recording *r)
{
    for (size_t i = 0; i < RECORDINGS + EMPTY; i++) {
        const size_t frames = FRAMES - 2 * (i % 4);
        r[i] = fits_recording(truth, frames, 300 + i, 0.0, NULL);
        for (size_t f = 2; f < frames && i >= RECORDINGS; f++)
            for (size_t m = 2; m < 5; m++) r[i].valid[f * MARKERS + m] = 0;
    }
}

static rg_fit_opts options(rg_fit_method method, rg_real real, const char *isa)
{
    rg_fit_opts o = rg_fit_opts_default();
    o.method = method;
    o.rollout.real = real;
    o.rollout.isa = isa;
    o.rollout.tolerance_m = COARSE;
    o.rollout.threads = 1;
    o.correlation = 1.0;
    o.starts = 1;
    o.max_iterations = 4;
    o.budget_bytes = RG_STORE_ALL;
    fits_hold_all(&o);
    fits_choose(&o, RG_GROUP_BEND, RG_ALONG);
    fits_choose(&o, RG_GROUP_CURVATURE, RG_ALONG);
    fits_choose(&o, RG_GROUP_STRETCH, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_BEND_TIME, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_DRAG, RG_UNIFORM);
    return o;
}

/* r [n]; the first `skip` of them show nothing */
static outcome fit_of(const rg_recording *r, size_t n, size_t skip, const rg_model *start, const rg_fit_opts *o)
{
    outcome all;
    double *to = all.numbers;
    const rg_fit_parameter *parameters = NULL;
    size_t count = 0;
    rg_error err = {0};
    memset(&all, 0, sizeof all);
    rg_fit *fit = fits_create(r, n, start, o);
    for (rg_fit_progress p = {0}; !p.done && all.iterations < STEPS;) {
        p = fits_step(fit);
        all.iterations++;
        *to++ = p.cost;
        *to++ = p.train_l1_m;
    }
    to = all.numbers + 2 * STEPS;
    if (rg_fit_parameters(fit, &parameters, &count, &err) != RG_OK) fail_msg("%s", err.text);
    assert_true(count > 0 && count <= MOST);
    for (size_t i = 0; i < count; i++) {
        to[i] = parameters[i].value;
        to[MOST + i] = parameters[i].std;
    }
    to += 2 * MOST;
    for (size_t i = 0; i < RECORDINGS; i++) to[i] = rg_fit_recording_l1(fit, skip + i, NULL);
    rg_fit_destroy(&fit);
    return all;
}

/* deviations count recordings, the empty ones too */
static int alike(const outcome *a, const outcome *b, int deviations)
{
    enum { AT = 2 * STEPS + MOST, AFTER = AT + MOST };
    const double *p = a->numbers, *q = b->numbers;
    return a->iterations == b->iterations && memcmp(p, q, AT * sizeof *p) == 0 &&
           (!deviations || memcmp(p + AT, q + AT, MOST * sizeof *p) == 0) &&
           memcmp(p + AFTER, q + AFTER, RECORDINGS * sizeof *p) == 0;
}

static void bits_fits(void **state)
{
    (void)state;
    static const size_t budgets[] = {RG_STORE_ALL, 0};
    static const int threads[] = {1, 3};
    rg_recording r[RECORDINGS + EMPTY], shifted[RECORDINGS + EMPTY];
    rg_model *truth = rods_model(MARKERS, 1, clamps, 4, 5), *start = rods_model(MARKERS, 1, clamps, 4, 6);
    int worst = 0, k = 0;
    make_recordings(truth, r);
    for (size_t i = 0; i < RECORDINGS + EMPTY; i++) shifted[(i + EMPTY) % (RECORDINGS + EMPTY)] = r[i];
    for (const char *isa; (isa = next_isa(&k)) != NULL;)
        for (int real = 0; real < REALS; real++)
            for (rg_fit_method m = 0; m < RG_METHOD_COUNT; m++) {
                rg_fit_opts o = options(m, reals[real], isa);
                const outcome one = fit_of(r, RECORDINGS, 0, start, &o);
                int differ = 0;
                assert_true(one.iterations > 2);
                for (size_t b = 0; b < sizeof budgets / sizeof *budgets; b++)
                    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++)
                        for (int more = 0; more < 2; more++) {
                            o.budget_bytes = budgets[b];
                            o.rollout.threads = threads[t];
                            const outcome other = more ? fit_of(shifted, RECORDINGS + EMPTY, EMPTY, start, &o)
                                                       : fit_of(r, RECORDINGS, 0, start, &o);
                            const int same = alike(&one, &other, !more);
                            if (!same)
                                print_error("%s, %s, %s: other bits with budget %zu, %d threads, %d more recordings\n",
                                            isa, rg_real_name(reals[real]), rg_fit_method_name(m), budgets[b],
                                            threads[t], more ? EMPTY : 0);
                            differ += !same;
                        }
                worst += differ;
            }
    grad_record_bitwise("budget, threads, place, by isa", "fits by every method", (double)worst);
    for (size_t i = 0; i < RECORDINGS + EMPTY; i++) rg_recording_clear(&r[i]);
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    assert_int_equal(worst, 0);
}

/* ---- a recording ---- */

/* cost and gradient of one stiffness where a fit begins */
static void slope_of(const rg_recording *r, const rg_fit_opts *o, double *to)
{
    rg_fit *fit = fits_create(r, 1, NULL, o);
    to[0] = fits_step(fit).cost;
    to[1] = fit->gradient[0];
    rg_fit_destroy(&fit);
}

static void bits_recording(void **state)
{
    (void)state;
    const char *folder = getenv("RODGRAD_RECORDINGS");
    char path[1024];
    const char *paths[] = {path};
    const rg_import_opts import = rg_import_opts_default();
    rg_recording *r = NULL;
    size_t n = 0;
    rg_error err = {0};
    int k = 0, worst = 0;
    snprintf(path, sizeof path, "%s/deform/DLO2/train/1.pkl",
             folder ? folder : RODGRAD_SOURCE_DIR "/../shared/recordings");
    FILE *there = fopen(path, "rb");
    if (!there) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    fclose(there);
    if (rg_recordings_read(paths, 1, &import, &r, &n, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(n, 1);
    for (const char *isa; (isa = next_isa(&k)) != NULL;)
        for (int real = 0; real < REALS; real++) {
            double stored[2], again[2];
            rg_fit_opts o = options(RG_METHOD_ADAM, reals[real], isa);
            o.refine = 1;
            o.rollout.tolerance_m = rg_rollout_opts_default().tolerance_m;
            fits_hold_all(&o);
            fits_choose(&o, RG_GROUP_BEND, RG_UNIFORM);
            slope_of(r, &o, stored);
            o.budget_bytes = 0;
            slope_of(r, &o, again);
            if (memcmp(stored, again, sizeof stored) == 0) continue;
            print_error("%s, %s: %.17g and %.17g, %.17g and %.17g\n", isa, rg_real_name(reals[real]), stored[0],
                        again[0], stored[1], again[1]);
            worst++;
        }
    rg_recordings_free(r, n);
    assert_int_equal(worst, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bits_gradients), cmocka_unit_test(bits_fits),
                                       cmocka_unit_test(bits_recording)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
