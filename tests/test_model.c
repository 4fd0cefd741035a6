/* test_model.c: the model object, the status texts and the version. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rodgrad/rodgrad.h"

static const int rope_clamps[] = {0, 1, 10, 11};

static rg_model *make_rope(size_t refine)
{
    rg_model *model = NULL;
    rg_error err = {0};
    rg_status status = rg_model_create(12, refine, rope_clamps, 4, &model, &err);
    if (status != RG_OK) fail_msg("%s", err.text);
    return model;
}

static void version_agrees(void **state)
{
    char text[64];
    (void)state;
    snprintf(text, sizeof text, "%d.%d.%d", RODGRAD_VERSION_MAJOR, RODGRAD_VERSION_MINOR, RODGRAD_VERSION_PATCH);
    assert_string_equal(rg_version(), text);
    assert_string_equal(rg_version(), RODGRAD_VERSION);
}

static void model_mesh(void **state)
{
    (void)state;
    for (size_t refine = 1; refine <= 4; refine++) {
        rg_model *model = make_rope(refine);
        /* nine intervals of `refine` edges, and one edge inside each gripper */
        const size_t vertices = 1 + 1 + 9 * refine + 1;
        assert_int_equal(rg_model_markers(model), 12);
        assert_int_equal(rg_model_refine(model), refine);
        assert_int_equal(rg_model_vertices(model), vertices);
        const int *at = rg_model_marker_vertices(model);
        assert_int_equal(at[0], 0);
        assert_int_equal(at[1], 1);
        for (size_t k = 2; k < 11; k++) assert_int_equal(at[k], 1 + (k - 1) * refine);
        assert_int_equal(at[11], vertices - 1);

        const int *clamps = NULL;
        assert_int_equal(rg_model_clamps(model, &clamps), 4);
        assert_memory_equal(clamps, rope_clamps, sizeof rope_clamps);
        assert_int_equal(rg_model_clamps(model, NULL), 4);
        rg_model_destroy(&model);
        assert_null(model);
    }
    rg_model_destroy(NULL);
}

static void model_mesh_places_clamps_anywhere(void **state)
{
    (void)state;
    rg_model *model = NULL;
    /* none driven; neighbours driven in the middle; driven markers that are not neighbours */
    const int middle[] = {2, 3}, apart[] = {0, 2, 4};
    assert_int_equal(rg_model_create(3, 5, NULL, 0, &model, NULL), RG_OK);
    assert_int_equal(rg_model_vertices(model), 11);
    rg_model_destroy(&model);
    assert_int_equal(rg_model_create(5, 3, middle, 2, &model, NULL), RG_OK);
    const int expected[] = {0, 3, 6, 7, 10};
    assert_memory_equal(rg_model_marker_vertices(model), expected, sizeof expected);
    rg_model_destroy(&model);
    assert_int_equal(rg_model_create(5, 3, apart, 3, &model, NULL), RG_OK);
    assert_int_equal(rg_model_vertices(model), 13);
    rg_model_destroy(&model);
}

static void model_defaults_describe_a_rope(void **state)
{
    (void)state;
    rg_model *model = make_rope(3);
    rg_error err = {0};
    if (rg_model_check(model, &err) != RG_OK) fail_msg("%s", err.text);

    const double *rest = rg_model_field(model, RG_REST_LENGTH);
    const int *at = rg_model_marker_vertices(model);
    double total = 0;
    for (size_t k = 0; k < 11; k++) {
        double spacing = 0;
        for (int e = at[k]; e < at[k + 1]; e++) spacing += rest[e];
        /* a handful of roundings of numbers below one */
        assert_true(fabs(spacing - 1.0 / 11.0) <= 1e-15);
        total += spacing;
    }
    assert_true(fabs(total - 1.0) <= 1e-14);

    const size_t edges = rg_model_vertices(model) - 1;
    assert_int_equal(rg_model_field_entries(model, RG_MASS_PER_LENGTH), edges);
    for (size_t i = 0; i < edges; i++) assert_true(rg_model_field(model, RG_MASS_PER_LENGTH)[i] == 0.03);
    for (size_t i = 0; i < 2 * (edges + 1); i++) assert_true(rg_model_field(model, RG_NATURAL_CURVATURE)[i] == 0);
    rg_model_destroy(&model);
}

static void model_fields_do_not_overlap(void **state)
{
    (void)state;
    rg_model *model = make_rope(2);
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const rg_field_info *info = rg_field_describe((rg_field)f);
        size_t n = rg_model_field_entries(model, (rg_field)f) * (size_t)info->components;
        for (size_t i = 0; i < n; i++) rg_model_field_data(model, (rg_field)f)[i] = f + 1;
    }
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const rg_field_info *info = rg_field_describe((rg_field)f);
        size_t n = rg_model_field_entries(model, (rg_field)f) * (size_t)info->components;
        size_t expected = info->location == RG_PER_EDGE     ? rg_model_vertices(model) - 1
                          : info->location == RG_PER_VERTEX ? rg_model_vertices(model)
                                                            : rg_model_markers(model);
        assert_int_equal(n, expected * (size_t)info->components);
        for (size_t i = 0; i < n; i++) assert_true(rg_model_field(model, (rg_field)f)[i] == f + 1);
    }
    assert_int_equal(rg_model_marker_vertices(model)[11], rg_model_vertices(model) - 1);
    rg_model_destroy(&model);
}

static void model_fields_have_distinct_names(void **state)
{
    (void)state;
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        for (int g = 0; g < f; g++) {
            const rg_field_info *a = rg_field_describe((rg_field)f);
            const rg_field_info *b = rg_field_describe((rg_field)g);
            assert_string_not_equal(a->name, b->name);
            assert_string_not_equal(a->symbol, b->symbol);
        }
    static const char *const unknown[] = {"drags", "dra", "", " drag", "Drag", NULL};
    rg_field found = RG_FIELD_COUNT;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        assert_int_equal(rg_field_find(unknown[i], &found), 0);
    assert_int_equal(found, RG_FIELD_COUNT);
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        assert_int_equal(rg_field_find(rg_field_describe((rg_field)f)->name, &found), 1);
        assert_int_equal(found, f);
    }
    const rg_field outside[] = {RG_FIELD_COUNT, (rg_field)-1};
    rg_model *model = make_rope(1);
    for (size_t i = 0; i < 2; i++) {
        assert_null(rg_field_describe(outside[i]));
        assert_null(rg_model_field(model, outside[i]));
        assert_null(rg_model_field_data(model, outside[i]));
        assert_int_equal(rg_model_field_entries(model, outside[i]), 0);
    }
    rg_model_destroy(&model);
}

static void model_copy_is_deep(void **state)
{
    (void)state;
    rg_model *model = make_rope(2), *copy = NULL;
    rg_model_field_data(model, RG_DRAG)[3] = 7;
    assert_int_equal(rg_model_copy(model, &copy, NULL), RG_OK);
    rg_model_field_data(model, RG_DRAG)[3] = 8;
    rg_model_destroy(&model);

    assert_true(rg_model_field(copy, RG_DRAG)[3] == 7);
    const int *clamps = NULL;
    assert_int_equal(rg_model_clamps(copy, &clamps), 4);
    assert_memory_equal(clamps, rope_clamps, sizeof rope_clamps);
    assert_int_equal(rg_model_marker_vertices(copy)[11], rg_model_vertices(copy) - 1);
    assert_int_equal(rg_model_check(copy, NULL), RG_OK);
    rg_model_destroy(&copy);

    rg_error err = {0};
    assert_int_equal(rg_model_copy(NULL, &copy, &err), RG_ERR_ARGUMENT);
    assert_null(copy);
}

/* the call fails as an argument error whose sentence contains `word`, and leaves no model */
static void expect_refused(size_t n_markers, size_t refine, const int *clamps, size_t n_clamps, const char *word)
{
    rg_error err = {0};
    rg_model *model = (rg_model *)&err;
    rg_status status = rg_model_create(n_markers, refine, clamps, n_clamps, &model, &err);
    assert_int_equal(status, RG_ERR_ARGUMENT);
    assert_int_equal(err.status, RG_ERR_ARGUMENT);
    assert_null(model);
    if (!strstr(err.text, word)) fail_msg("\"%s\" does not say \"%s\"", err.text, word);
}

static void model_create_err(void **state)
{
    (void)state;
    const int twice[] = {0, 0}, descending[] = {3, 1}, negative[] = {-1}, outside[] = {5};
    const int all[] = {0, 1, 2};
    expect_refused(2, 1, NULL, 0, "at least 3 markers");
    expect_refused(0, 1, NULL, 0, "at least 3 markers");
    expect_refused(5, 0, NULL, 0, "refine = 0");
    expect_refused(5, 1, twice, 2, "ascending");
    expect_refused(5, 1, descending, 2, "ascending");
    expect_refused(5, 1, negative, 1, "-1");
    expect_refused(5, 1, outside, 1, "0 to 4");
    expect_refused(5, 1, NULL, 2, "NULL");
    expect_refused(3, 1, all, 3, "at least one free");
    expect_refused(3, 1, NULL, SIZE_MAX, "NULL");
    /* sizes whose products do not fit any integer, or any memory */
    expect_refused(SIZE_MAX, SIZE_MAX, NULL, 0, "vertices");
    expect_refused(SIZE_MAX, 1, NULL, 0, "vertices");
    expect_refused(12, SIZE_MAX, NULL, 0, "vertices");
    expect_refused(12, SIZE_MAX / 11 + 1, NULL, 0, "vertices");
    assert_int_equal(rg_model_create(5, 1, NULL, 0, NULL, NULL), RG_ERR_ARGUMENT);
}

static void model_bend_measure(void **state)
{
    (void)state;
    rg_model *model = make_rope(1), *copy = NULL;
    rg_error err = {0};
    rg_bend_measure found = RG_BEND_AVERAGED;
    assert_int_equal(rg_model_bend_measure(model), RG_BEND_AVERAGED);
    assert_int_equal(rg_model_set_bend_measure(model, RG_BEND_NORMALISED, &err), RG_OK);
    assert_int_equal(rg_model_set_bend_measure(model, (rg_bend_measure)2, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_model_set_bend_measure(NULL, RG_BEND_AVERAGED, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_model_copy(model, &copy, &err), RG_OK);
    assert_int_equal(rg_model_bend_measure(copy), RG_BEND_NORMALISED);
    assert_true(rg_bend_measure_find("normalised", &found) && found == RG_BEND_NORMALISED);
    assert_false(rg_bend_measure_find("mean", &found) || rg_bend_measure_find(NULL, &found));
    assert_int_equal(found, RG_BEND_NORMALISED);
    assert_string_equal(rg_bend_measure_name(RG_BEND_AVERAGED), "averaged");
    assert_string_equal(rg_bend_measure_name((rg_bend_measure)2), "unknown");
    /* the deform stepper has a formula of its own */
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.stepper = RG_STEPPER_DEFORM;
    rg_batch *batch = NULL;
    assert_int_equal(rg_batch_create(model, 1, &opts, &batch, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "\"normalised\""));
    rg_model_destroy(&copy);
    rg_model_destroy(&model);
}

static void expect_value_error(rg_model *model, rg_field field, size_t index, double bad)
{
    rg_error err = {0};
    double *value = rg_model_field_data(model, field) + index, good = *value;
    *value = bad;
    assert_int_equal(rg_model_check(model, &err), RG_ERR_VALUE);
    if (!strstr(err.text, rg_field_describe(field)->name)) fail_msg("\"%s\"", err.text);
    *value = good;
}

static void model_check_err(void **state)
{
    (void)state;
    rg_model *model = make_rope(2);
    rg_error err = {0};
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const rg_field_info *info = rg_field_describe((rg_field)f);
        size_t last = rg_model_field_entries(model, (rg_field)f) * (size_t)info->components - 1;
        expect_value_error(model, (rg_field)f, last, (double)NAN);
        expect_value_error(model, (rg_field)f, 0, (double)INFINITY);
        if (info->range != RG_ANY) expect_value_error(model, (rg_field)f, last, -1e-9);
        if (info->range == RG_POSITIVE) expect_value_error(model, (rg_field)f, 1, 0.0);
        assert_int_equal(rg_model_check(model, &err), RG_OK);
    }
    /* both bend stiffnesses are 1e-3, so the coupling must stay below 1e-3 in size */
    expect_value_error(model, RG_BEND_COUPLING, 4, 1e-3);
    expect_value_error(model, RG_BEND_COUPLING, 4, -2e-3);
    rg_model_field_data(model, RG_BEND_COUPLING)[4] = -0.999e-3;
    assert_int_equal(rg_model_check(model, NULL), RG_OK);
    /* the entry is named, in the field's own count of entries */
    rg_model_field_data(model, RG_NATURAL_CURVATURE)[2 * 6 + 1] = (double)NAN;
    assert_int_equal(rg_model_check(model, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "natural_curvature, entry 6,"));
    rg_model_destroy(&model);
    assert_int_equal(rg_model_check(NULL, NULL), RG_ERR_ARGUMENT);
}

static void status_text_is_fixed(void **state)
{
    (void)state;
    assert_string_equal(rg_status_text(RG_OK), "ok");
    assert_string_equal(rg_status_text(RG_ERR_NUMERIC), "a linear algebra routine failed");
    assert_non_null(rg_status_text((rg_status)9999));
    assert_non_null(rg_status_text((rg_status)-1));
}

static void status_error_holds_one_line(void **state)
{
    (void)state;
    rg_error err = {0};
    char longer[4096];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(RG_FAIL(NULL, RG_ERR_IO, "%s", "nobody listens"), RG_ERR_IO);
    assert_int_equal(RG_FAIL(&err, RG_ERR_FORMAT, "%s", longer), RG_ERR_FORMAT);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_non_null(strstr(err.file, "test_model.c"));
    assert_true(err.line > 0);
    RG_FAIL(&err, RG_ERR_IO, "a name with\na %s in it", "\x1b[31m");
    assert_string_equal(err.text, "a name with?a ?[31m in it");
}

static void recording_clear_accepts_nothing(void **state)
{
    (void)state;
    rg_recording recording = {.n_frames = 2, .n_markers = 3};
    rg_recording_clear(NULL);
    recording.positions = calloc(18, sizeof(double));
    recording.clamps = calloc(1, sizeof(int));
    rg_recording_clear(&recording);
    assert_null(recording.positions);
    assert_int_equal(recording.n_frames, 0);
    rg_recording_clear(&recording);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_agrees),
        cmocka_unit_test(model_mesh),
        cmocka_unit_test(model_mesh_places_clamps_anywhere),
        cmocka_unit_test(model_defaults_describe_a_rope),
        cmocka_unit_test(model_fields_do_not_overlap),
        cmocka_unit_test(model_fields_have_distinct_names),
        cmocka_unit_test(model_copy_is_deep),
        cmocka_unit_test(model_create_err),
        cmocka_unit_test(model_bend_measure),
        cmocka_unit_test(model_check_err),
        cmocka_unit_test(status_text_is_fixed),
        cmocka_unit_test(status_error_holds_one_line),
        cmocka_unit_test(recording_clear_accepts_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
