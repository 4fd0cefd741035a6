/* test_model_json.c: model.json is read as written, and refused with a sentence where it is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/json_print.h"
#include "io/model_json.h"
#include "rodgrad/io.h"

static char folder[256];
static const int clamps[] = {0, 1, 3, 4};

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* 5 markers, two edges in each of the two free intervals */
static rgi_model_file make_file(void)
{
    rgi_model_file file = {.rollout = rg_rollout_opts_default(), .dt_s = 0.01};
    rg_error err = {0};
    if (rg_model_create(5, 2, clamps, 4, &file.model, &err) != RG_OK) fail_msg("%s", err.text);
    return file;
}

/* the file's text with the first `from` replaced by `to`; free it */
static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at) fail_msg("the model does not contain %s", from);
    size_t before = (size_t)(at - text), n = strlen(text) + strlen(to) + 1;
    char *out = malloc(n);
    assert_non_null(out);
    memcpy(out, text, before);
    snprintf(out + before, n - before, "%s%s", to, at + strlen(from));
    return out;
}

static char *saved_text(const rgi_model_file *file)
{
    rg_error err = {0};
    const char *path = in_folder("model.json");
    if (rgi_model_file_save(path, file, &err) != RG_OK) fail_msg("%s", err.text);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, stream) > 0);
    fclose(stream);
    return text;
}

/* written where it is not averaged, read where it is there */
static void model_json_bend_measure(void **state)
{
    (void)state;
    rgi_model_file file = make_file(), back;
    rg_error err = {0};
    char *text = saved_text(&file);
    assert_null(strstr(text, "bend_measure"));
    free(text);
    assert_int_equal(rg_model_set_bend_measure(file.model, RG_BEND_NORMALISED, &err), RG_OK);
    text = saved_text(&file);
    assert_int_equal(rgi_model_file_parse(text, strlen(text), "m", &back, &err), RG_OK);
    assert_int_equal(rg_model_bend_measure(back.model), RG_BEND_NORMALISED);
    rgi_model_file_clear(&back);
    static const struct {
        const char *to;
        rg_status status;
    } edits[] = {{"\"averaged\"", RG_OK}, {"\"mean\"", RG_ERR_VALUE}, {"1", RG_ERR_VALUE}, {"null", RG_ERR_VALUE}};
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *other = edited(text, "\"normalised\"", edits[i].to);
        assert_int_equal(rgi_model_file_parse(other, strlen(other), "m", &back, &err), edits[i].status);
        if (edits[i].status == RG_OK) assert_int_equal(rg_model_bend_measure(back.model), RG_BEND_AVERAGED);
        else assert_non_null(strstr(err.text, "\"bend_measure\" must be \"averaged\" or \"normalised\""));
        rgi_model_file_clear(&back);
        free(other);
    }
    free(text);
    rgi_model_file_clear(&file);
}

static void model_json_round_trip_is_exact(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    file.rollout.scheme = RG_SCHEME_BE;
    file.rollout.substeps = 3;
    file.rollout.gravity[0] = 0.1 + 0.2;
    file.rollout.gravity[2] = -1.0 / 3;
    file.dt_s = 1.0 / 120;
    file.fit = json_pack("{s:f, s:[i,i], s:{s:s}}", "x", 0.1, "list", 1, 2, "in", "note", "a\"\n");
    /* values whose shortest text needs 15, 16 and 17 digits, extremes, and both zeros */
    static const double values[] = {0.1, 1.0 / 3, 0.1 + 0.2, 5e-324, 1.7e308, 0.0, 123456789012345680};
    unsigned k = 0;
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const rg_field_info *info = rg_field_describe((rg_field)f);
        double *data = rg_model_field_data(file.model, (rg_field)f);
        size_t n = rg_model_field_entries(file.model, (rg_field)f) * (size_t)info->components;
        if (f == RG_BEND_COUPLING || f == RG_BEND_STIFFNESS_1 || f == RG_BEND_STIFFNESS_2) continue;
        for (size_t i = 0; i < n; i++) {
            double value = values[k++ % 7];
            if (info->range == RG_POSITIVE && value == 0) value = 1e-300;
            data[i] = info->range == RG_ANY && i % 2 ? -value : value;
        }
    }
    free(saved_text(&file));
    rgi_model_file back;
    rg_error err = {0};
    if (rgi_model_file_load(in_folder("model.json"), &back, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(rg_model_markers(back.model), 5);
    assert_int_equal(rg_model_refine(back.model), 2);
    const int *read = NULL;
    assert_int_equal(rg_model_clamps(back.model, &read), 4);
    assert_memory_equal(read, clamps, sizeof clamps);
    assert_int_equal(back.rollout.scheme, RG_SCHEME_BE);
    assert_int_equal(back.rollout.substeps, 3);
    assert_memory_equal(back.rollout.gravity, file.rollout.gravity, sizeof file.rollout.gravity);
    assert_memory_equal(&back.dt_s, &file.dt_s, sizeof file.dt_s);
    assert_true(json_equal(back.fit, file.fit));
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t bytes = rg_model_field_entries(file.model, (rg_field)f) * sizeof(double) *
                       (size_t)rg_field_describe((rg_field)f)->components;
        assert_memory_equal(rg_model_field(back.model, (rg_field)f), rg_model_field(file.model, (rg_field)f), bytes);
    }
    rgi_model_file_clear(&back);
    rgi_model_file_clear(&file);
}

static void model_json_uniform_field_is_one_number(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    double *curvature = rg_model_field_data(file.model, RG_NATURAL_CURVATURE);
    for (size_t i = 0; i < rg_model_field_entries(file.model, RG_NATURAL_CURVATURE); i++) {
        curvature[2 * i] = 0.5;
        curvature[2 * i + 1] = -0.25;
    }
    char *text = saved_text(&file);
    assert_non_null(strstr(text, "\"mass_per_length\": {\"value\": 0.03, \"unit\": \"kg/m\"}"));
    assert_non_null(strstr(text, "\"natural_curvature\": {\"value\": [0.5, -0.25], "));
    assert_null(strstr(text, "\"fit\""));
    free(text);
    rgi_model_file_clear(&file);
}

/* parse `text` with one edit; the status, and a sentence that names the file and `names` */
static void check_refused(const char *text, const char *from, const char *to, rg_status expected, const char *names)
{
    char *wrong = edited(text, from, to);
    rgi_model_file out;
    rg_error err = {0};
    rg_status status = rgi_model_file_parse(wrong, strlen(wrong), "m.json", &out, &err);
    if (status != expected) fail_msg("%s -> %s: status %d (%s), expected %d", from, to, status, err.text, expected);
    assert_int_equal(err.status, expected);
    if (strncmp(err.text, "m.json: ", 8) != 0 || !strstr(err.text, names) || strchr(err.text, '\n'))
        fail_msg("%s -> %s: the sentence is \"%s\"", from, to, err.text);
    assert_null(out.model);
    assert_null(out.fit);
    free(wrong);
}

static void model_json_err_names_the_member(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    char *text = saved_text(&file);
    static const struct {
        const char *from, *to;
        rg_status status;
        const char *names;
    } cases[] = {
        {"{", "[", RG_ERR_FORMAT, "JSON"},
        {"\"version\": 1", "\"version\": 1,,", RG_ERR_FORMAT, "line 3"},
        {"rodgrad-model", "other", RG_ERR_FORMAT, "format"},
        {"\"version\": 1", "\"version\": 2", RG_ERR_FORMAT, "version"},
        {"\"markers\": 5", "\"markers\": 5.0", RG_ERR_FORMAT, "markers"},
        {"\"markers\": 5", "\"markers\": -5", RG_ERR_VALUE, "markers"},
        {"\"markers\": 5", "\"markers\": 2000000000", RG_ERR_VALUE, "markers"},
        {"\"markers\": 5", "\"markers\": 99999999999999999999", RG_ERR_FORMAT, "big"},
        {"\"markers\": 5", "\"markers\": 5, \"markers\": 5", RG_ERR_FORMAT, "duplicate"},
        {"\"markers\": 5", "\"markers\": 5, \"colour\\n\": 1", RG_ERR_FORMAT, "colour"},
        {"\"markers\": 5,", "", RG_ERR_FORMAT, "markers"},
        {"\"refine\": 2", "\"refine\": 0", RG_ERR_VALUE, "refine"},
        {"\"clamps\": [0, 1, 3, 4]", "\"clamps\": 0", RG_ERR_FORMAT, "clamps"},
        {"\"clamps\": [0, 1, 3, 4]", "\"clamps\": [0, 1, 3, 5]", RG_ERR_VALUE, "entry 3"},
        {"\"clamps\": [0, 1, 3, 4]", "\"clamps\": [1, 0, 3, 4]", RG_ERR_VALUE, "entry 1"},
        {"\"clamps\": [0, 1, 3, 4]", "\"clamps\": [0, 1, 2, 3, 4]", RG_ERR_VALUE, "free"},
        {"\"scheme\": \"bdf2\"", "\"scheme\": \"rk4\"", RG_ERR_VALUE, "scheme"},
        {"\"stepper\": \"implicit\"", "\"stepper\": 1", RG_ERR_VALUE, "stepper"},
        {"\"dt_s\": 0.01", "\"dt_s\": 0", RG_ERR_VALUE, "dt_s"},
        {"\"dt_s\": 0.01", "\"dt_s\": 1e999", RG_ERR_FORMAT, "JSON"},
        {"\"dt_s\": 0.01", "\"dt_s\": NaN", RG_ERR_FORMAT, "JSON"},
        {"\"substeps\": 1", "\"substeps\": 1, \"tolerance\": 1", RG_ERR_FORMAT, "tolerance"},
        {"\"gravity_m_s2\": [0.0, 0.0, -9.81]", "\"gravity_m_s2\": -9.81", RG_ERR_VALUE, "gravity_m_s2"},
        {"\"gravity_m_s2\": [0.0, 0.0, -9.81]", "\"gravity_m_s2\": [0, -9.81]", RG_ERR_VALUE, "three numbers"},
        {"\"gravity_m_s2\": [0.0, 0.0, -9.81]", "\"gravity_m_s2\": [0, 0, null]", RG_ERR_VALUE, "three numbers"},
        {"\"gravity_m_s2\": [0.0, 0.0, -9.81]", "\"gravity_m_s2\": [0, 0, 0, 0]", RG_ERR_VALUE, "three numbers"},
        {"\"drag\"", "\"dragg\"", RG_ERR_FORMAT, "dragg"},
        {"\"unit\": \"kg/m\"", "\"unit\": \"g/m\"", RG_ERR_VALUE, "mass_per_length"},
        {"\"value\": 0.03,", "\"value\": -0.03,", RG_ERR_VALUE, "mass_per_length"},
        {"\"value\": 0.03,", "\"value\": \"0.03\",", RG_ERR_FORMAT, "mass_per_length"},
        {"\"value\": 0.03,", "\"value\": null,", RG_ERR_FORMAT, "mass_per_length"},
        {"\"value\": 0.03,", "\"value\": [0.03, 0.03],", RG_ERR_SHAPE, "one per edge"},
        {"\"value\": 0.03,", "\"value\": [],", RG_ERR_SHAPE, "mass_per_length"},
        {"\"value\": 0.03,", "\"value\": 0.03, \"note\": 1,", RG_ERR_FORMAT, "note"},
        {"{\"value\": 0.03,", "{", RG_ERR_FORMAT, "mass_per_length"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_refused(text, cases[i].from, cases[i].to, cases[i].status, cases[i].names);
    free(text);
    rgi_model_file_clear(&file);
}

static void model_json_err_truncated_anywhere(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    file.fit = json_pack("{s:i}", "iterations", 3);
    char *text = saved_text(&file);
    size_t n = strlen(text);
    /* the last two bytes are the closing brace and the newline */
    for (size_t size = 0; size + 2 <= n; size++) {
        rgi_model_file out;
        rg_error err = {0};
        assert_int_equal(rgi_model_file_parse(text, size, "m.json", &out, &err), RG_ERR_FORMAT);
        assert_null(out.model);
    }
    free(text);
    rgi_model_file_clear(&file);
}

static void model_json_accepts_what_people_write(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    char *text = saved_text(&file);
    /* integers; a bare number without its unit; one pair for all; one number for both of a pair */
    char *a = edited(text, "{\"value\": 0.03, \"unit\": \"kg/m\"}", "1");
    char *b = edited(a, "\"natural_curvature\": {\"value\": 0.0", "\"natural_curvature\": {\"value\": [1, 2]");
    char *c = edited(b, "\"marker_offset\": {\"value\": 0.0", "\"marker_offset\": {\"value\": 3");
    rgi_model_file back;
    rg_error err = {0};
    if (rgi_model_file_parse(c, strlen(c), "m.json", &back, &err) != RG_OK) fail_msg("%s", err.text);
    size_t last = rg_model_field_entries(back.model, RG_MASS_PER_LENGTH) - 1;
    assert_true(rg_model_field(back.model, RG_MASS_PER_LENGTH)[last] == 1);
    last = rg_model_field_entries(back.model, RG_NATURAL_CURVATURE) - 1;
    assert_true(rg_model_field(back.model, RG_NATURAL_CURVATURE)[2 * last] == 1);
    assert_true(rg_model_field(back.model, RG_NATURAL_CURVATURE)[2 * last + 1] == 2);
    assert_true(rg_model_field(back.model, RG_MARKER_OFFSET)[2 * 4 + 1] == 3);
    free(text);
    free(a);
    free(b);
    free(c);
    rgi_model_file_clear(&back);
    rgi_model_file_clear(&file);
}

static void model_json_err_files(void **state)
{
    (void)state;
    rgi_model_file out;
    rg_error err = {0};
    assert_int_equal(rgi_model_file_load(in_folder("none.json"), &out, &err), RG_ERR_IO);
    assert_non_null(strstr(err.text, "none.json"));
    assert_int_equal(rgi_model_file_load(folder, &out, &err), RG_ERR_IO);
    assert_non_null(strstr(err.text, folder));
    /* endless input stops at the size limit */
    assert_int_equal(rgi_model_file_load("/dev/zero", &out, &err), RG_ERR_FORMAT);
    assert_null(out.model);
}

static void model_json_err_save_keeps_the_old_file(void **state)
{
    (void)state;
    rgi_model_file file = make_file();
    char *before = saved_text(&file);
    rg_model_field_data(file.model, RG_DRAG)[0] = NAN;
    rg_error err = {0};
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "drag"));
    rg_model_field_data(file.model, RG_DRAG)[0] = 0;
    file.dt_s = NAN;
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    file.dt_s = 0.01;
    /* what a reader would refuse */
    const rg_rollout_opts good = file.rollout;
    file.rollout.scheme = (rg_scheme)7;
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    file.rollout = good;
    file.rollout.stepper = (rg_stepper)7;
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "no stepper 7"));
    file.rollout = good;
    file.rollout.substeps = RG_MOST_SUBSTEPS + 1;
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    file.rollout = good;
    file.rollout.sweeps = 0;
    assert_int_equal(rgi_model_file_save(in_folder("model.json"), &file, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "sweeps (0)"));
    file.rollout = good;
    assert_int_equal(rgi_model_file_save(in_folder("no/model.json"), &file, &err), RG_ERR_IO);
    rgi_model_file back;
    assert_int_equal(rgi_model_file_load(in_folder("model.json"), &back, &err), RG_OK);
    char *after = saved_text(&back);
    assert_string_equal(before, after);
    free(before);
    free(after);
    rgi_model_file_clear(&back);
    rgi_model_file_clear(&file);
}

/* the public functions: the fit is text, and a file that was read is written as it was */
static void model_json_in_public(void **state)
{
    (void)state;
    rgi_model_file with = make_file();
    with.fit = json_pack("{s:f, s:[i,i], s:s}", "x", 0.1 + 0.2, "list", 1, 2, "note", "a\"\n");
    char *before = saved_text(&with);
    rgi_model_file_clear(&with);
    const char *path = in_folder("model.json");
    rg_model_file file;
    rg_error err = {0};
    if (rg_model_file_read(path, &file, &err) != RG_OK) fail_msg("%s", err.text);
    assert_non_null(strstr(file.fit, "\"x\": 0.30000000000000004"));
    assert_true(file.dt_s == 0.01);
    assert_int_equal(unlink(path), 0);
    if (rg_model_file_write(path, &file, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(rgi_model_file_load(path, &with, &err), RG_OK);
    char *after = saved_text(&with);
    assert_string_equal(before, after);

    /* refused, and nothing is written */
    static const struct {
        const char *fit, *words;
    } wrong[] = {
        {"[1]", "another value"}, {"{\"a\": }", "near '}'"}, {"{\"a\": 1, \"a\": 2}", "duplicate"}, {"", "JSON"}};
    char *fit = file.fit;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", wrong[i].fit);
        file.fit = text;
        assert_int_equal(rg_model_file_write(path, &file, &err), RG_ERR_FORMAT);
        if (!strstr(err.text, wrong[i].words)) fail_msg("%s", err.text);
    }
    file.fit = NULL;
    assert_int_equal(rg_model_file_write(NULL, &file, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_model_file_write(path, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_model_file_write(path, &(rg_model_file){.dt_s = 0.01}, &err), RG_ERR_ARGUMENT);
    rgi_model_file_clear(&with);
    assert_int_equal(rgi_model_file_load(path, &with, &err), RG_OK);
    assert_true(json_is_object(with.fit));
    /* without a fit */
    assert_int_equal(rg_model_file_write(path, &file, &err), RG_OK);
    file.fit = fit;
    rg_model_file_clear(&file);
    assert_int_equal(rg_model_file_read(path, &file, &err), RG_OK);
    assert_null(file.fit);
    rg_model_file_clear(&file);
    rg_model_file_clear(&file);
    rg_model_file_clear(NULL);
    assert_int_equal(rg_model_file_read(in_folder("none.json"), &file, &err), RG_ERR_IO);
    assert_null(file.model);
    assert_int_equal(rg_model_file_read(NULL, &file, &err), RG_ERR_ARGUMENT);
    free(before);
    free(after);
    rgi_model_file_clear(&with);
}

/* nesting and long strings, printed and read back */
static void model_json_print_keeps_any_document(void **state)
{
    (void)state;
    json_t *deep = json_pack("{s:[], s:{}, s:s}", "a", "b", "c",
                             "a string that is longer than what is left of any line of this file, "
                             "so it stands where it is");
    for (int i = 0; i < 300; i++)
        deep = i % 2 ? json_pack("[o, f]", deep, 1.0 / (i + 1)) : json_pack("{s:o, s:b}", "k", deep, "t", 1);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_int_equal(rgi_json_print(stream, deep), 1);
    fclose(stream);
    json_error_t problem;
    json_t *back = json_loadb(text, size, 0, &problem);
    if (!back) fail_msg("%s at line %d", problem.text, problem.line);
    assert_true(json_equal(deep, back));
    json_decref(back);
    json_decref(deep);
    free(text);
}

static int make_folder(void **state)
{
    (void)state;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/rodgrad-model-XXXXXX", parent ? parent : P_tmpdir);
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(in_folder("model.json"));
    return rmdir(folder); /* fails where a temporary file was left behind */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_json_bend_measure),
        cmocka_unit_test(model_json_round_trip_is_exact),
        cmocka_unit_test(model_json_uniform_field_is_one_number),
        cmocka_unit_test(model_json_err_names_the_member),
        cmocka_unit_test(model_json_err_truncated_anywhere),
        cmocka_unit_test(model_json_accepts_what_people_write),
        cmocka_unit_test(model_json_err_files),
        cmocka_unit_test(model_json_err_save_keeps_the_old_file),
        cmocka_unit_test(model_json_in_public),
        cmocka_unit_test(model_json_print_keeps_any_document),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
