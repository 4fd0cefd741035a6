/* test_metric.c: the published metric, and the predictions without physics beside it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rodgrad/study.h"

static int clamps[] = {0, 4};
static char name[] = "made";

/* 5 markers, the outer two driven; positions zero, everything valid */
static rg_recording make_recording(size_t n_frames)
{
    rg_recording r = {
        .name = name, .n_frames = n_frames, .n_markers = 5, .dt_s = 0.01, .n_clamps = 2, .clamps = clamps};
    r.positions = calloc(n_frames * 15, sizeof *r.positions);
    r.driving = calloc(n_frames * 15, sizeof *r.driving);
    r.valid = malloc(n_frames * 5);
    assert_true(r.positions && r.driving && r.valid);
    memset(r.valid, 1, n_frames * 5);
    return r;
}

static void release(rg_recording *r)
{
    free(r->positions);
    free(r->driving);
    free(r->valid);
}

static double random_unit(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(*seed >> 11) / 9007199254740992.0 - 0.5;
}

/* a rod whose free markers follow linearly from where the drivers are now and were 8 frames ago */
static rg_recording make_linear(size_t n_frames, uint64_t seed)
{
    rg_recording r = make_recording(n_frames);
    for (int end = 0; end < 2; end++) {
        double velocity[3] = {0, 0, 0}, at[3] = {end, 0, 1};
        for (size_t f = 0; f < n_frames; f++)
            for (size_t d = 0; d < 3; d++) {
                velocity[d] = 0.95 * velocity[d] + 0.01 * random_unit(&seed);
                at[d] += velocity[d];
                r.positions[f * 15 + (size_t)end * 12 + d] = at[d];
            }
    }
    for (size_t f = 0; f < n_frames; f++)
        for (size_t m = 1; m < 4; m++)
            for (size_t d = 0; d < 3; d++) {
                const double *now = r.positions + f * 15;
                const double *then = r.positions + (f > 8 ? f - 8 : 0) * 15;
                double s = 0.25 * (double)m;
                r.positions[f * 15 + m * 3 + d] =
                    (1 - s) * now[d] + s * now[12 + d] + 0.3 * (then[d] - now[d]) - (d == 2 ? 0.2 : 0);
            }
    memcpy(r.driving, r.positions, n_frames * 15 * sizeof *r.driving);
    return r;
}

static void metric_value_by_hand(void **state)
{
    (void)state;
    rg_recording r = make_recording(4);
    double *p = calloc(4 * 15, sizeof *p);
    assert_non_null(p);
    /* frames 0 and 1 never count */
    p[0] = 100;
    p[15 + 6] = 100;
    /* free markers 1 and 3: 3-4-5 triangles; the driven marker counts in L1 alone */
    p[2 * 15 + 3] = 3;
    p[2 * 15 + 4] = -4;
    p[3 * 15 + 9] = 0.6;
    p[3 * 15 + 11] = -0.8;
    p[3 * 15 + 12] = 2;
    rg_error_sums sums = {0};
    rg_error_add(&sums, &r, p);
    /* sums of a few exact numbers: rounding is below 1e-15 */
    assert_true(fabs(rg_error_l1(&sums) - (3 + 4 + 0.6 + 0.8 + 2) / 30) <= 1e-15);
    assert_true(fabs(rg_error_rmse_free(&sums) - sqrt((25 + 1) / 6.0)) <= 1e-15);
    assert_true(fabs(rg_error_max(&sums) - 5) <= 1e-15);
    double time[4], along[5];
    rg_error_over_time(&r, p, time);
    rg_error_along_rod(&r, p, along);
    assert_true(fabs(time[2] - 5 / 3.0) <= 1e-15 && fabs(time[3] - 1 / 3.0) <= 1e-15);
    assert_true(fabs(along[1] - 2.5) <= 1e-15 && fabs(along[3] - 0.5) <= 1e-15);
    assert_true(along[0] == 0 && along[2] == 0 && along[4] == 1);
    free(p);
    release(&r);
}

static void metric_pools_recordings(void **state)
{
    (void)state;
    rg_recording a = make_recording(3), b = make_recording(7);
    double *p = calloc(7 * 15, sizeof *p);
    assert_non_null(p);
    for (size_t i = 0; i < 7 * 15; i++) p[i] = 0.01 * (double)(i % 7);
    rg_error_sums both = {0}, one = {0}, other = {0};
    rg_error_add(&both, &a, p);
    rg_error_add(&both, &b, p);
    rg_error_add(&one, &a, p);
    rg_error_add(&other, &b, p);
    /* five frames of b weigh five times the one frame of a; a few roundings of numbers below 1 */
    double pooled = (rg_error_l1(&one) + 5 * rg_error_l1(&other)) / 6;
    assert_true(fabs(rg_error_l1(&both) - pooled) <= 1e-15);
    rg_error_merge(&one, &other);
    assert_true(fabs(rg_error_l1(&both) - rg_error_l1(&one)) <= 1e-15);
    assert_true(rg_error_max(&both) == rg_error_max(&one));
    free(p);
    release(&a);
    release(&b);
}

static void metric_nan_is_never_lost(void **state)
{
    (void)state;
    rg_recording r = make_recording(6);
    double *p = calloc(6 * 15, sizeof *p);
    assert_non_null(p);
    p[3 * 15 + 4] = NAN;
    p[5 * 15 + 4] = 1;
    rg_error_sums sums = {0}, rest = {0};
    rg_error_add(&rest, &r, r.positions);
    rg_error_add(&sums, &r, p);
    rg_error_merge(&rest, &sums);
    assert_true(isnan(rg_error_l1(&rest)) && isnan(rg_error_rmse_free(&rest)));
    assert_true(isnan(rg_error_max(&rest)));
    rg_error_sums none = {0};
    assert_true(isnan(rg_error_l1(&none)) && isnan(rg_error_max(&none)));
    free(p);
    release(&r);
}

static void ridge_value_of_a_linear_rod(void **state)
{
    (void)state;
    rg_recording training[6];
    for (size_t i = 0; i < 6; i++) training[i] = make_linear(150, 1 + i);
    rg_ridge *ridge = NULL;
    rg_error err = {0};
    if (rg_ridge_train(training, 6, &ridge, &err) != RG_OK) fail_msg("%s", err.text);
    rg_recording r = make_linear(150, 99);
    double *p = malloc(150 * 15 * sizeof *p);
    assert_non_null(p);
    rg_error_sums hold = {0}, fitted = {0};
    rg_hold_predict(&r, p);
    rg_error_add(&hold, &r, p);
    if (rg_ridge_predict(ridge, &r, p, &err) != RG_OK) fail_msg("%s", err.text);
    rg_error_add(&fitted, &r, p);
    /* the truth is in the span of the features: what is left is the smallest penalty's bias */
    assert_true(rg_error_l1(&fitted) <= 1e-5);
    assert_true(rg_error_l1(&hold) > 100 * rg_error_l1(&fitted));
    /* drivers and the first two frames are those recorded */
    assert_memory_equal(p, r.positions, 30 * sizeof *p);
    for (size_t f = 0; f < 150; f++)
        for (size_t d = 0; d < 3; d++)
            assert_true(p[f * 15 + d] == r.positions[f * 15 + d] && p[f * 15 + 12 + d] == r.positions[f * 15 + 12 + d]);
    free(p);
    release(&r);
    rg_ridge_destroy(&ridge);
    assert_null(ridge);
    for (size_t i = 0; i < 6; i++) release(&training[i]);
}

/* what a baseline may not see can hold anything */
static void ridge_reads_drivers_and_start_only(void **state)
{
    (void)state;
    rg_recording training[2] = {make_linear(60, 3), make_linear(60, 4)};
    rg_ridge *ridge = NULL;
    rg_error err = {0};
    if (rg_ridge_train(training, 2, &ridge, &err) != RG_OK) fail_msg("%s", err.text);
    rg_recording r = make_linear(60, 5);
    double *before = calloc(60 * 15, sizeof *before), *after = calloc(60 * 15, sizeof *after);
    assert_true(before && after);
    for (int hold = 0; hold < 2; hold++) {
        for (int pass = 0; pass < 2; pass++) {
            double *out = pass ? after : before;
            if (hold) rg_hold_predict(&r, out);
            else assert_int_equal(rg_ridge_predict(ridge, &r, out, &err), RG_OK);
            for (size_t i = 2 * 15; i < 60 * 15; i++)
                if (i % 15 >= 3 && i % 15 < 12) r.positions[i] = r.driving[i] = NAN;
        }
        assert_memory_equal(before, after, 60 * 15 * sizeof *before);
    }
    free(before);
    free(after);
    release(&r);
    rg_ridge_destroy(&ridge);
    for (size_t i = 0; i < 2; i++) release(&training[i]);
}

static void ridge_skips_masked_frames(void **state)
{
    (void)state;
    rg_recording training[4];
    for (size_t i = 0; i < 4; i++) {
        training[i] = make_linear(150, 20 + i);
        for (size_t f = 5; f < 150; f += 20) {
            training[i].positions[f * 15 + 6] += 10;
            training[i].valid[f * 5 + 2] = 0;
        }
    }
    rg_ridge *ridge = NULL;
    rg_error err = {0};
    if (rg_ridge_train(training, 4, &ridge, &err) != RG_OK) fail_msg("%s", err.text);
    rg_recording r = make_linear(150, 77);
    double *p = malloc(150 * 15 * sizeof *p);
    assert_non_null(p);
    assert_int_equal(rg_ridge_predict(ridge, &r, p, &err), RG_OK);
    rg_error_sums sums = {0};
    rg_error_add(&sums, &r, p);
    /* as without glitches; one of 10 m in a thousand frames would leave millimetres */
    assert_true(rg_error_l1(&sums) <= 1e-5);
    free(p);
    release(&r);
    rg_ridge_destroy(&ridge);
    for (size_t i = 0; i < 4; i++) release(&training[i]);
}

static void ridge_err_says_why(void **state)
{
    (void)state;
    rg_ridge *ridge = NULL;
    rg_error err = {0};
    assert_int_equal(rg_ridge_train(NULL, 0, &ridge, &err), RG_ERR_ARGUMENT);
    rg_recording pair[2] = {make_linear(60, 3), make_linear(60, 4)};
    pair[1].n_clamps = 1;
    assert_int_equal(rg_ridge_train(pair, 2, &ridge, &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, name));
    pair[1].n_clamps = 2;
    pair[1].dt_s = 0.02;
    assert_int_equal(rg_ridge_train(pair, 2, &ridge, &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "0.02"));
    pair[0].n_clamps = 0;
    assert_int_equal(rg_ridge_train(pair, 1, &ridge, &err), RG_ERR_ARGUMENT);
    pair[0].n_clamps = 2;
    /* nothing left to learn from */
    memset(pair[0].valid, 0, 60 * 5);
    assert_int_equal(rg_ridge_train(pair, 1, &ridge, &err), RG_ERR_NUMERIC);
    assert_null(ridge);
    memset(pair[0].valid, 1, 60 * 5);
    assert_int_equal(rg_ridge_train(pair, 1, &ridge, &err), RG_OK);
    double out[1];
    pair[1].n_markers = 4;
    assert_int_equal(rg_ridge_predict(ridge, &pair[1], out, &err), RG_ERR_SHAPE);
    pair[1].n_markers = 5;
    rg_ridge_destroy(&ridge);
    rg_ridge_destroy(&ridge);
    release(&pair[0]);
    release(&pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metric_value_by_hand),
        cmocka_unit_test(metric_pools_recordings),
        cmocka_unit_test(metric_nan_is_never_lost),
        cmocka_unit_test(ridge_value_of_a_linear_rod),
        cmocka_unit_test(ridge_reads_drivers_and_start_only),
        cmocka_unit_test(ridge_skips_masked_frames),
        cmocka_unit_test(ridge_err_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
