/* test_recording.c: recordings whose owner left out what may be left out, in every function that takes some. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/inputs.h"
#include "core/recording.h"
#include "rodgrad/study.h"
#include "io/recording_io.h"
#include "rods.h"

enum { MARKERS = 6, FRAMES = 12, COUNT = 3, SIZE = FRAMES * MARKERS * 3 };

static const int clamps[] = {0, 1, 4, 5};

/* recordings with everything, and the same ones with nothing that may be missing */
static rg_recording whole[COUNT], bare[COUNT];

static int make(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        whole[i] = rods_recording(MARKERS, FRAMES, clamps, 4, 70 + (uint64_t)i);
        bare[i] = whole[i];
        bare[i].name = bare[i].source = NULL;
        bare[i].driving = NULL;
        bare[i].valid = NULL;
        bare[i].lost = NULL;
    }
    return 0;
}

static int release(void **state)
{
    (void)state;
    for (int i = 0; i < COUNT; i++) rg_recording_clear(&whole[i]);
    return 0;
}

static void recording_complete(void **state)
{
    (void)state;
    rg_recording mixed[3] = {whole[0], bare[1], bare[2]}, *all = NULL;
    rg_error err = {0};
    mixed[2].valid = whole[2].valid;
    assert_int_equal(rgi_recordings_complete(mixed, 3, &all, &err), RG_OK);
    /* what is there stays, with its address */
    assert_ptr_equal(all[0].driving, whole[0].driving);
    assert_ptr_equal(all[0].valid, whole[0].valid);
    assert_ptr_equal(all[2].valid, whole[2].valid);
    assert_string_equal(all[0].name, "made");
    assert_string_equal(all[1].name, "recording 1");
    assert_string_equal(all[2].name, "recording 2");
    assert_string_equal(all[2].source, "");
    assert_ptr_equal(all[1].driving, all[1].positions);
    for (size_t k = 0; k < FRAMES * MARKERS; k++) assert_int_equal(all[1].valid[k], 1);
    free(all);
    assert_int_equal(rgi_recordings_complete(mixed, 0, &all, &err), RG_OK);
    free(all);
    /* more markers than there are bytes in memory */
    mixed[1].n_frames = SIZE_MAX / 2;
    assert_int_equal(rgi_recordings_complete(mixed, 3, &all, &err), RG_ERR_MEMORY);
    assert_null(all);
    mixed[1].n_frames = SIZE_MAX / MARKERS;
    assert_int_equal(rgi_recordings_complete(mixed, 3, &all, &err), RG_ERR_MEMORY);
}

static void recording_simulate(void **state)
{
    (void)state;
    static double a[COUNT][SIZE], b[COUNT][SIZE];
    double *const to_a[] = {a[0], a[1], a[2]}, *const to_b[] = {b[0], b[1], b[2]};
    rg_model *model = rods_model(MARKERS, 2, clamps, 4, 1);
    rg_rod_status statuses[COUNT];
    rg_error err = {0};
    if (rg_simulate(model, whole, COUNT, NULL, to_a, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    if (rg_simulate(model, bare, COUNT, NULL, to_b, statuses, &err) != RG_OK) fail_msg("%s", err.text);
    assert_memory_equal(a, b, sizeof a);

    /* what cannot be left out is named, and so is a recording without a name */
    rg_recording wrong[COUNT] = {bare[0], bare[1], bare[2]};
    wrong[1].positions = NULL;
    assert_int_equal(rg_simulate(model, wrong, COUNT, NULL, to_b, statuses, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "recording 1 has no positions"));
    wrong[1] = bare[1];
    wrong[2].clamps = NULL;
    assert_int_equal(rg_simulate(model, wrong, COUNT, NULL, to_b, statuses, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "recording 2 has 4 driving markers"));
    wrong[2] = bare[2];
    wrong[2].dt_s = 0.02;
    assert_int_equal(rg_simulate(model, wrong, COUNT, NULL, to_b, statuses, &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "recording 2 has a frame interval of 0.02 s and recording 0 one"));
    wrong[2].dt_s = -1.0;
    assert_int_equal(rg_simulate(model, wrong, COUNT, NULL, to_b, statuses, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "recording 2"));
    wrong[2] = bare[2];
    double *x = &wrong[2].positions[3 * (7 * MARKERS + 1)], old = *x;
    *x = NAN;
    assert_int_equal(rg_simulate(model, wrong, COUNT, NULL, to_b, statuses, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "recording 2: driving marker 1 is not finite in frame 7"));
    *x = old;
    rg_model_destroy(&model);
}

/* two iterations of each method, from all recordings and from bare ones */
static void recording_fit(void **state)
{
    (void)state;
    for (int method = 0; method < RG_METHOD_COUNT; method++) {
        double cost[2], l1[2];
        for (int k = 0; k < 2; k++) {
            rg_fit_opts opts = rg_fit_opts_default();
            rg_fit *fit = NULL;
            rg_fit_progress progress = {0};
            rg_error err = {0};
            opts.method = (rg_fit_method)method;
            opts.starts = 1;
            if (rg_fit_create(k ? bare : whole, COUNT, NULL, &opts, &fit, &err) != RG_OK) fail_msg("%s", err.text);
            for (int i = 0; i < 2; i++)
                if (rg_fit_step(fit, &progress, &err) != RG_OK) fail_msg("%s", err.text);
            cost[k] = progress.cost;
            l1[k] = progress.train_l1_m;
            rg_fit_destroy(&fit);
        }
        assert_true(cost[0] == cost[1] && l1[0] == l1[1] && cost[0] > 0.0 && l1[0] > 0.0);
    }
    rg_recording wrong[COUNT] = {bare[0], bare[1], bare[2]};
    rg_fit *fit = NULL;
    rg_error err = {0};
    wrong[1].n_markers = MARKERS - 1;
    assert_int_equal(rg_fit_create(wrong, COUNT, NULL, NULL, &fit, &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "recording 1 has 5 markers but recording 0 has 6"));
    wrong[1].positions = NULL;
    assert_int_equal(rg_fit_create(wrong, COUNT, NULL, NULL, &fit, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "recording 1 has no positions"));
    assert_null(fit);
}

static void recording_inputs(void **state)
{
    (void)state;
    rg_model *model = rods_model(MARKERS, 2, clamps, 4, 1);
    rg_rollout_opts opts = rg_rollout_opts_default();
    rgi_inputs *a = NULL, *b = NULL;
    rg_error err = {0};
    assert_int_equal(rgi_inputs_create(model, whole, COUNT, &opts, &a, &err), RG_OK);
    assert_int_equal(rgi_inputs_create(model, bare, COUNT, &opts, &b, &err), RG_OK);
    assert_int_equal(a->doubles, b->doubles);
    assert_memory_equal(a->x0, b->x0, a->doubles * sizeof *a->x0);
    rgi_inputs_destroy(&a);
    rgi_inputs_destroy(&b);
    rg_recording wrong = bare[0];
    wrong.n_markers--;
    assert_int_equal(rgi_inputs_create(model, &wrong, 1, &opts, &a, &err), RG_ERR_SHAPE);
    assert_non_null(strstr(err.text, "recording 0"));
    rg_model_destroy(&model);
}

static void recording_ridge(void **state)
{
    (void)state;
    static double a[SIZE], b[SIZE];
    rg_ridge *of_whole = NULL, *of_bare = NULL;
    rg_error err = {0};
    assert_int_equal(rg_ridge_train(whole, 2, &of_whole, &err), RG_OK);
    assert_int_equal(rg_ridge_train(bare, 2, &of_bare, &err), RG_OK);
    assert_int_equal(rg_ridge_predict(of_whole, &whole[2], a, &err), RG_OK);
    assert_int_equal(rg_ridge_predict(of_bare, &bare[2], b, &err), RG_OK);
    assert_memory_equal(a, b, sizeof a);
    rg_ridge_destroy(&of_whole);
    rg_ridge_destroy(&of_bare);
}

static void recording_written(void **state)
{
    (void)state;
    char path[] = "rodgrad-bare-XXXXXX";
    const int fd = mkstemp(path);
    rg_recording *back = NULL;
    size_t n = 0;
    rg_error err = {0};
    assert_true(fd >= 0);
    close(fd);
    const char *name = path;
    if (rg_recordings_write_h5(path, bare, COUNT, &err) != RG_OK) fail_msg("%s", err.text);
    if (rg_recordings_read(&name, 1, NULL, &back, &n, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(n, COUNT);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(back[i].positions, whole[i].positions, SIZE * sizeof(double));
        assert_memory_equal(back[i].driving, whole[i].driving, SIZE * sizeof(double));
        assert_memory_equal(back[i].valid, whole[i].valid, FRAMES * MARKERS);
    }
    assert_string_equal(back[1].name, "recording 1");
    rg_recordings_free(back, n);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recording_complete), cmocka_unit_test(recording_simulate), cmocka_unit_test(recording_fit),
        cmocka_unit_test(recording_inputs),   cmocka_unit_test(recording_ridge),    cmocka_unit_test(recording_written),
    };
    return cmocka_run_group_tests_name("recording", tests, make, release);
}
