/* test_plant.c: planted recordings are what they claim to be: repeatable, exactly the truth's
 * motion, noise and glitches of the size asked for, grippers that move like the recorded ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rodgrad/study.h"
#include "io/recording_io.h"
#include "rodgrad/rodgrad.h"

enum { MARKERS = 12, FRAMES = 120, COUNT = 6 };

static void must(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static rg_model *default_model(size_t refine)
{
    rg_error err = {0};
    rg_model *model = NULL;
    must(rg_plant_model(refine, &model, &err), &err);
    return model;
}

static rg_plant_opts short_opts(void)
{
    rg_plant_opts o = rg_plant_opts_default();
    o.n_frames = FRAMES;
    return o;
}

static void plant(const rg_model *model, const rg_plant_opts *o, uint64_t first, size_t n, rg_recording *out)
{
    rg_error err = {0};
    must(rg_plant(model, o, first, n, out, &err), &err);
}

static void clear(rg_recording *r, size_t n)
{
    for (size_t i = 0; i < n; i++) rg_recording_clear(&r[i]);
}

static size_t doubles(const rg_recording *r) { return r->n_frames * r->n_markers * 3; }

static int same(const rg_recording *a, const rg_recording *b)
{
    return doubles(a) == doubles(b) && memcmp(a->positions, b->positions, doubles(a) * sizeof(double)) == 0 &&
           memcmp(a->driving, b->driving, doubles(a) * sizeof(double)) == 0;
}

static double distance(const double *a, const double *b)
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

static const double *at(const rg_recording *r, size_t frame, size_t marker)
{
    return r->positions + 3 * (frame * r->n_markers + marker);
}

static void plant_seed_fixes_every_bit(void **state)
{
    (void)state;
    rg_model *model = default_model(1);
    rg_plant_opts o = short_opts();
    o.glitch_rate = 0.01;
    o.driver_noise_m = 1e-4;
    rg_recording all[COUNT], again[COUNT], some[2], other[1];
    o.rollout.threads = 1;
    plant(model, &o, 0, COUNT, all);
    o.rollout.threads = 3;
    plant(model, &o, 0, COUNT, again);
    plant(model, &o, 3, 2, some);
    o.seed++;
    plant(model, &o, 3, 1, other);
    for (size_t i = 0; i < COUNT; i++) assert_true(same(&all[i], &again[i]));
    /* neither the company nor the order matters */
    assert_true(same(&all[3], &some[0]));
    assert_true(same(&all[4], &some[1]));
    assert_false(same(&all[3], &all[4]));
    assert_false(same(&all[3], &other[0]));
    clear(all, COUNT);
    clear(again, COUNT);
    clear(some, 2);
    clear(other, 1);
    rg_model_destroy(&model);
}

/* without noise the truth predicts a planted recording to the last bit, on any mesh and scheme */
static void plant_truth_reproduces(void **state)
{
    (void)state;
    for (size_t refine = 1; refine <= 2; refine++) {
        rg_model *model = default_model(refine);
        rg_plant_opts o = short_opts();
        o.noise_m = 0.0;
        if (refine == 2) {
            o.rollout.scheme = RG_SCHEME_BE;
            o.rollout.substeps = 2;
        }
        rg_recording r[2];
        double *out[2];
        rg_rod_status statuses[2];
        rg_error err = {0};
        plant(model, &o, 0, 2, r);
        for (size_t i = 0; i < 2; i++) {
            out[i] = malloc(doubles(&r[i]) * sizeof **out);
            assert_non_null(out[i]);
        }
        must(rg_simulate(model, r, 2, &o.rollout, out, statuses, &err), &err);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(statuses[i].flag, RG_ROD_OK);
            assert_memory_equal(out[i], r[i].positions, doubles(&r[i]) * sizeof **out);
            free(out[i]);
        }
        clear(r, 2);
        rg_model_destroy(&model);
    }
}

static void plant_starts_at_rest(void **state)
{
    (void)state;
    rg_model *model = default_model(1);
    rg_plant_opts o = short_opts();
    o.noise_m = 0.0;
    o.n_frames = 500;
    rg_recording r[1];
    rg_rod_status status;
    rg_error err = {0};
    plant(model, &o, 0, 1, r);
    const size_t frame = MARKERS * 3;
    assert_memory_equal(r->positions, r->positions + frame, frame * sizeof(double));
    for (size_t f = 1; f < r->n_frames; f++) {
        memcpy(r->positions + f * frame, r->positions, frame * sizeof(double));
        memcpy(r->driving + f * frame, r->positions, frame * sizeof(double));
    }
    double *out = malloc(doubles(r) * sizeof *out), largest = 0.0, last = 0.0;
    assert_non_null(out);
    must(rg_simulate(model, r, 1, &o.rollout, &out, &status, &err), &err);
    for (size_t f = 0; f < r->n_frames; f++)
        for (size_t k = 0; k < MARKERS; k++) {
            double d = distance(out + 3 * (f * MARKERS + k), at(r, 0, k));
            largest = fmax(largest, d);
            if (f + 1 == r->n_frames) last = fmax(last, d);
        }
    /* twist that the start leaves out comes back within a second: millimetres on a rod of a metre
     */
    if (!(largest < 0.01)) fail_msg("the rod at rest moved by %g m", largest);
    /* the light drag of 0.1/s leaves some of that swing after 5 s */
    if (!(last < 0.003)) fail_msg("the rod at rest ended %g m away", last);
    free(out);
    clear(r, 1);
    rg_model_destroy(&model);
}

static void plant_noise_has_its_size(void **state)
{
    (void)state;
    rg_model *model = default_model(1);
    rg_plant_opts o = short_opts();
    rg_recording clean[COUNT], noisy[COUNT];
    o.noise_m = 0.0;
    plant(model, &o, 0, COUNT, clean);
    o.noise_m = 0.0005;
    o.driver_noise_m = 0.001;
    plant(model, &o, 0, COUNT, noisy);
    double sum[2] = {0.0, 0.0}, square[2] = {0.0, 0.0}, count[2] = {0.0, 0.0};
    for (size_t i = 0; i < COUNT; i++) {
        assert_memory_equal(clean[i].positions, noisy[i].positions, 2 * MARKERS * 3 * sizeof(double));
        for (size_t f = 2; f < FRAMES; f++)
            for (size_t k = 0; k < MARKERS; k++) {
                int driven = k < 2 || k >= MARKERS - 2;
                for (size_t c = 0; c < 3; c++) {
                    double d = at(&noisy[i], f, k)[c] - at(&clean[i], f, k)[c];
                    sum[driven] += d;
                    square[driven] += d * d;
                    count[driven] += 1.0;
                }
            }
    }
    for (int driven = 0; driven < 2; driven++) {
        double size = driven ? 0.001 : 0.0005, n = count[driven];
        /* five standard errors of the estimates */
        if (!(fabs(sqrt(square[driven] / n) / size - 1.0) < 5.0 / sqrt(2.0 * n)))
            fail_msg("noise of %g m where %g was asked for", sqrt(square[driven] / n), size);
        if (!(fabs(sum[driven] / n) < 5.0 * size / sqrt(n))) fail_msg("the noise has a mean");
    }
    clear(noisy, COUNT);
    /* another seed of the noise alone leaves the motion; noise_start reaches the first frames */
    o.noise_seed = 77;
    o.noise_start = 1;
    plant(model, &o, 0, COUNT, noisy);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t f = 0; f < FRAMES; f++)
            for (size_t k = 0; k < MARKERS; k++) {
                double d = distance(at(&noisy[i], f, k), at(&clean[i], f, k));
                if (!(d > 0.0 && d < 0.01)) fail_msg("frame %zu marker %zu is %g m off", f, k, d);
            }
    clear(noisy, COUNT);
    clear(clean, COUNT);
    rg_model_destroy(&model);
}

static void plant_glitches_are_found(void **state)
{
    (void)state;
    rg_model *model = default_model(1);
    rg_plant_opts o = short_opts();
    rg_recording clean[COUNT], dirty[COUNT];
    rg_error err = {0};
    o.n_frames = 500;
    plant(model, &o, 0, COUNT, clean);
    o.glitch_rate = 0.001;
    plant(model, &o, 0, COUNT, dirty);
    size_t thrown = 0, found = 0, wrong = 0;
    for (size_t i = 0; i < COUNT; i++) {
        must(rgi_glitches_find(&dirty[i], &err), &err);
        for (size_t f = 0; f < o.n_frames; f++)
            for (size_t k = 0; k < MARKERS; k++) {
                double d = distance(at(&dirty[i], f, k), at(&clean[i], f, k));
                int bad = !dirty[i].valid[f * MARKERS + k];
                if (d > 0.0) {
                    assert_true(f >= 2);
                    /* two glitches may meet */
                    assert_true(fabs(d - o.glitch_size_m) < 1e-9 || d < 2.0 * o.glitch_size_m + 1e-9);
                    thrown++;
                    found += (size_t)bad;
                } else {
                    wrong += (size_t)bad;
                }
            }
    }
    /* starts: Poisson of mean 36, two frames each on average */
    if (!(thrown > 30 && thrown < 140)) fail_msg("%zu marker frames were thrown", thrown);
    if (!(found >= thrown * 9 / 10)) fail_msg("%zu of %zu glitches found", found, thrown);
    /* a glitch's neighbours in time and along the rod may be suspected with it */
    if (!(wrong <= thrown)) fail_msg("%zu good marker frames called glitches", wrong);
    clear(dirty, COUNT);
    clear(clean, COUNT);
    rg_model_destroy(&model);
}

/* speeds, excursions and gripper distances of the recorded cables (docs/plant.md) */
static void plant_grippers_move_like_recorded_ones(void **state)
{
    (void)state;
    enum { N = 12, LONG = 500 };
    rg_model *model = default_model(1);
    rg_plant_opts o = rg_plant_opts_default();
    rg_recording r[N];
    rg_error err = {0};
    o.noise_m = 0.0;
    plant(model, &o, 0, N, r);
    for (size_t i = 0; i < N; i++) {
        for (size_t end = 0; end < 2; end++) {
            size_t k = end ? MARKERS - 1 : 0, inner = end ? MARKERS - 2 : 1;
            double square = 0.0;
            for (size_t f = 0; f < LONG; f++) {
                const double *x = at(&r[i], f, k), *y = at(&r[i], f, inner);
                for (size_t c = 0; c < 3; c++) assert_true(fabs(x[c] - at(&r[i], 0, k)[c]) < o.range_m + 1e-9);
                /* the gripper is rigid and its marker pair hangs below its end */
                assert_true(fabs(distance(x, y) - 0.025) < 1e-9);
                assert_true(y[2] < x[2] - 0.015);
                if (f) square += pow(distance(x, at(&r[i], f - 1, k)) / o.dt_s, 2.0);
            }
            /* slower only where range or rope forbid the speed */
            double rms = sqrt(square / (LONG - 2));
            if (!(rms > 0.3 * o.speed && rms < o.speed * 1.0001)) fail_msg("rms speed %g m/s", rms);
        }
        for (size_t f = 0; f < LONG; f++) {
            double share = distance(at(&r[i], f, 0), at(&r[i], f, MARKERS - 1)) / 0.95;
            if (!(share > 0.25 && share < 0.8)) fail_msg("grippers %g of the rope apart", share);
        }
        /* smooth: nothing that a camera would have to be blamed for */
        must(rgi_glitches_find(&r[i], &err), &err);
        assert_int_equal(r[i].n_masked, 0);
        assert_int_equal(r[i].n_repaired, 0);
    }
    clear(r, N);
    rg_model_destroy(&model);
}

/* one gripper with a free end, grippers within the rod, single driven markers */
static void plant_any_grippers(void **state)
{
    (void)state;
    static const struct {
        int clamps[5];
        size_t n;
    } cases[] = {{{0, 1}, 2}, {{7, 8}, 2}, {{2, 7, 8}, 3}, {{0, 1, 4, 7, 8}, 5}, {{0}, 1}, {{0, 8}, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rg_error err = {0};
        rg_model *model = NULL;
        must(rg_model_create(9, 1, cases[i].clamps, cases[i].n, &model, &err), &err);
        for (size_t v = 0; v < 9; v++) {
            rg_model_field_data(model, RG_BEND_STIFFNESS_1)[v] = 2e-3;
            rg_model_field_data(model, RG_BEND_STIFFNESS_2)[v] = 2e-3;
        }
        rg_plant_opts o = short_opts();
        rg_recording r[2];
        plant(model, &o, 0, 2, r);
        for (size_t k = 0; k < doubles(r); k++) assert_true(isfinite(r->positions[k]));
        clear(r, 2);
        rg_model_destroy(&model);
    }
}

static void refuse(const rg_model *model, const rg_plant_opts *o, rg_status expected, const char *words)
{
    rg_error err = {0};
    rg_recording r[1];
    rg_status status = rg_plant(model, o, 0, 1, r, &err);
    if (status != expected || !strstr(err.text, words)) fail_msg("%d: %s", status, err.text);
    assert_null(r->positions);
}

static void plant_refuses(void **state)
{
    (void)state;
    rg_error err = {0};
    rg_model *model = default_model(1), *loose = NULL;
    rg_plant_opts o = short_opts();
    must(rg_model_create(5, 1, NULL, 0, &loose, &err), &err);
    refuse(loose, &o, RG_ERR_ARGUMENT, "gripper");
    o.struct_size--;
    refuse(model, &o, RG_ERR_ARGUMENT, "struct_size of a rg_plant_opts");
    o = short_opts();
    o.n_frames = 2;
    refuse(model, &o, RG_ERR_VALUE, "frames");
    o.n_frames = SIZE_MAX;
    refuse(model, &o, RG_ERR_VALUE, "frames");
    o = short_opts();
    o.noise_m = NAN;
    refuse(model, &o, RG_ERR_VALUE, "noise_m");
    o = short_opts();
    o.glitch_rate = 1.5;
    refuse(model, &o, RG_ERR_VALUE, "rate");
    o = short_opts();
    o.speed = -1.0;
    refuse(model, &o, RG_ERR_VALUE, "speed");
    o = short_opts();
    o.rollout.substeps = 0;
    refuse(model, &o, RG_ERR_ARGUMENT, "substeps");
    o = short_opts();
    rg_model_field_data(model, RG_STRETCH_STIFFNESS)[0] = NAN;
    refuse(model, &o, RG_ERR_VALUE, "stretch_stiffness");
    rg_model_destroy(&model);
    rg_model_destroy(&loose);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plant_seed_fixes_every_bit), cmocka_unit_test(plant_truth_reproduces),
        cmocka_unit_test(plant_starts_at_rest),       cmocka_unit_test(plant_noise_has_its_size),
        cmocka_unit_test(plant_glitches_are_found),   cmocka_unit_test(plant_grippers_move_like_recorded_ones),
        cmocka_unit_test(plant_any_grippers),         cmocka_unit_test(plant_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
