/* test_report.c: the report's data and page. `test_report --page FILE full|bare|odd` writes a page
 * for tests/report_page.sh, which opens it in a browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report/encode.h"
#include "report/report.h"

enum { MARKERS = 8, FRAMES = 120, MOST = 7 };

static const char hostile[] = "</script><img src=x onerror=alert(1)><!--.pkl";

/* ---- a rod that swings, and a prediction that is off by a growing sway ---- */

typedef struct scene {
    rgi_model_file file;
    rg_recording recordings[MOST];
    double *predicted[MOST];
    rg_rod_status statuses[MOST];
    rgi_report_errors errors[MOST];
    rg_forces forces[MOST]; /* tension and reaction; add_forces */
    rgi_report_input input;
    size_t n;
    char path[64];
} scene;

static rg_recording swing(size_t n_frames, size_t n_markers, int seed, const char *name)
{
    rg_recording r = {.n_frames = n_frames, .n_markers = n_markers, .dt_s = 0.01, .n_clamps = 4};
    size_t size = n_frames * n_markers * 3;
    r.name = strdup(name);
    r.source = strdup(name);
    r.positions = malloc(size * sizeof *r.positions);
    r.driving = malloc(size * sizeof *r.driving);
    r.valid = malloc(n_frames * n_markers);
    r.clamps = malloc(4 * sizeof *r.clamps);
    memset(r.sha256, 'a' + seed, 64);
    memset(r.valid, 1, n_frames * n_markers);
    for (int k = 0; k < 4; k++) r.clamps[k] = k < 2 ? k : (int)n_markers - 4 + k;
    unsigned noise = 12345u + (unsigned)seed;
    for (size_t i = 0; i < size; i++) {
        size_t f = i / (3 * n_markers), m = i / 3 % n_markers;
        double s = (double)m / (double)(n_markers - 1), t = (double)f * r.dt_s;
        double sway = sin(M_PI * s) * sin(5 * t + seed);
        const double at[3] = {s - 0.5 + 0.05 * sin(3 * t), 0.15 * sway, 0.6 - 0.3 * sin(M_PI * s) + 0.04 * sway * sway};
        noise = noise * 1664525u + 1013904223u;
        /* half a millimetre of noise, as a camera has */
        r.positions[i] = at[i % 3] + 5e-4 * ((double)(noise >> 8) / (1 << 24) - 0.5);
    }
    memcpy(r.driving, r.positions, size * sizeof *r.driving);
    return r;
}

static void add_recording(scene *s, size_t n_frames, size_t n_markers, const char *name)
{
    size_t i = s->n++;
    s->recordings[i] = swing(n_frames, n_markers, (int)i, name);
    rg_recording *r = &s->recordings[i];
    size_t size = n_frames * n_markers * 3;
    s->predicted[i] = malloc(size * sizeof **s->predicted);
    memcpy(s->predicted[i], r->positions, size * sizeof **s->predicted);
    for (size_t k = 2 * n_markers; k < n_frames * n_markers; k++) {
        size_t m = k % n_markers;
        if (m < 2 || m > n_markers - 3) continue;
        s->predicted[i][3 * k + 1] += 0.02 * sin(0.1 * (double)(k / n_markers)) * (1 + (double)i);
    }
    rg_error_add(&s->errors[i].simulated, r, s->predicted[i]);
    rg_error_add(&s->errors[i].hold, r, r->positions);
}

/* forces of all recordings so far: NaN in frames 0 and 1; a gripper's two vertices pull at each other by 100 N */
static void add_forces(scene *s)
{
    const size_t edges = rg_model_vertices(s->file.model) - 1;
    for (size_t i = 0; i < s->n; i++) {
        const rg_recording *r = &s->recordings[i];
        rg_forces *f = &s->forces[i];
        f->tension = malloc(r->n_frames * edges * sizeof *f->tension);
        f->reaction = malloc(r->n_frames * 12 * sizeof *f->reaction);
        assert_true(f->tension && f->reaction);
        for (size_t k = 0; k < r->n_frames * edges; k++) {
            const size_t frame = k / edges, edge = k % edges;
            f->tension[k] = frame < 2 ? NAN
                            : edge == 0 || edge == edges - 1
                                ? 500.0 /* in a gripper */
                                : 0.2 + 0.001 * (double)edge + 0.1 * sin(0.1 * (double)frame);
        }
        for (size_t k = 0; k < r->n_frames * 12; k++) {
            const size_t frame = k / 12, clamp = k / 3 % 4, c = k % 3;
            const double pull = c == 0 ? (clamp % 2 ? 100.0 : -100.0) : 0.0;
            const double part = c == 2   ? 0.25 + (clamp > 1 ? 0.1 : 0.0)
                                : c == 1 ? 0.05 * sin(0.2 * (double)frame)
                                         : 0.0;
            f->reaction[k] = frame < 2 ? NAN : pull + part;
        }
    }
    s->input.forces = s->forces;
}

/* JSON with ' for ", so that it can be read here */
static const char fit_text[] =
    "{'command': 'rodgrad fit train -o m.json', 'version': '0.1.0', 'created': 'today',"
    " 'wall_s': 12.5, 'iterations': 9, 'train_l1_m': 0.0042, 'recordings': [{'name': '1.pkl',"
    "  'sha256': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',"
    "  'frames': 120}], 'loss': {'kind': 'L1', 'floor_m': 0.003}, 'parameters': ["
    "{'name': 'bend_stiffness[1]', 'field': 'bend_stiffness', 'entry': 1, 'component': 0,"
    " 'value': 0.004, 'unit': 'N m^2', 'std': 0.001, 'low': 0.002, 'high': 0.006,"
    " 'prior_std': null, 'identifiable': true, 'at_bound': true, 'scale': 'log'},"
    "{'name': 'bend_stiffness[2]', 'field': 'bend_stiffness', 'entry': 2, 'component': 0,"
    " 'value': 0.005, 'unit': 'N m^2', 'std': 0.01, 'low': 0.0001, 'high': 0.2,"
    " 'prior_std': 1, 'identifiable': false, 'at_bound': false, 'scale': 'log'},"
    "{'name': 'twist_stiffness', 'field': 'twist_stiffness', 'entry': null, 'component': 0,"
    " 'value': 0.001, 'unit': 'N m^2', 'std': 0.002, 'low': 0.0001, 'high': 0.01,"
    " 'prior_std': 1, 'identifiable': false, 'at_bound': false, 'scale': 'log'}],"
    "'singular_values': [100, 3, 0.01, 0], 'notes': ['</script><b>note'],"
    "'correlations': [{'a': 'bend_stiffness[1]', 'b': 'bend_stiffness[2]', 'r': -0.97}]}";

/* a person may have edited it: nothing in it is what it should be */
static const char odd_fit_text[] =
    "{'command': 7, 'parameters': [null, 3, {}, {'field': 'drag'},"
    " {'field': 5, 'entry': 900, 'value': 'much'}, {'field': 'bend_stiffness_1', 'entry': -1,"
    "  'value': -2, 'low': 5, 'high': 1, 'scale': 'log'},"
    " {'field': 'bend_stiffness_1', 'entry': 1e9, 'value': 0}], 'recordings': {},"
    "'singular_values': 'none', 'correlations': [{'r': 2}, null], 'notes': 4,"
    "'loss': [null, {}], 'wall_s': null}";

static json_t *parse(const char *text)
{
    char *json = strdup(text);
    for (char *c = json; *c; c++)
        if (*c == '\'') *c = '"';
    json_error_t problem;
    json_t *value = json_loads(json, 0, &problem);
    if (!value) fail_msg("%s", problem.text);
    free(json);
    return value;
}

static void build(scene *s, size_t n_markers, const char *fit)
{
    memset(s, 0, sizeof *s);
    rg_error err = {0};
    const int driven[] = {0, 1, (int)n_markers - 2, (int)n_markers - 1};
    if (rg_model_create(n_markers, 2, driven, 4, &s->file.model, &err) != RG_OK) fail_msg("%s", err.text);
    double *bend = rg_model_field_data(s->file.model, RG_BEND_STIFFNESS_1);
    for (size_t i = 0; i < rg_model_field_entries(s->file.model, RG_BEND_STIFFNESS_1); i++)
        bend[i] *= 1 + 0.2 * sin((double)i);
    s->file.rollout = rg_rollout_opts_default();
    s->file.rollout.isa = "scalar";
    s->file.rollout.substeps = 2;
    s->file.dt_s = 0.01;
    if (fit) s->file.fit = parse(fit);
    snprintf(s->path, sizeof s->path, "report-test-%ld.json", (long)getpid());
    FILE *stream = fopen(s->path, "wb"); /* only its hash is read */
    assert_non_null(stream);
    assert_int_equal(fwrite("abc", 1, 3, stream), 3);
    assert_int_equal(fclose(stream), 0);
    s->input = (rgi_report_input){.model_path = s->path,
                                  .file = &s->file,
                                  .recordings = s->recordings,
                                  .predicted = s->predicted,
                                  .statuses = s->statuses,
                                  .errors = s->errors,
                                  .opts = &s->file.rollout,
                                  .wall_s = 0.5,
                                  .steps = 236,
                                  .command = "rodgrad report m.json '</script>'",
                                  .created = "2025-01-01 00:00 UTC"};
}

static void destroy(scene *s)
{
    for (size_t i = 0; i < s->n; i++) {
        rg_recording_clear(&s->recordings[i]);
        free(s->predicted[i]);
        free(s->forces[i].tension);
        free(s->forces[i].reaction);
    }
    json_decref(s->file.fit);
    rg_model_destroy(&s->file.model);
    remove(s->path);
}

static json_t *data_of(scene *s)
{
    json_t *data = NULL;
    rg_error err = {0};
    s->input.n = s->n;
    if (rgi_report_data(&s->input, &data, &err) != RG_OK) fail_msg("%s", err.text);
    return data;
}

/* the recordings the page of a failed simulation shows: one stands still from frame 40 on, one is
 * full of NaN */
static void spoil(scene *s)
{
    size_t width = 3 * s->recordings[0].n_markers;
    s->statuses[0] = (rg_rod_status){.flag = RG_ROD_NOT_CONVERGED, .step = 77};
    for (size_t f = 41; f < s->recordings[0].n_frames; f++)
        memcpy(s->predicted[0] + f * width, s->predicted[0] + 40 * width, width * sizeof **s->predicted);
    if (s->n < 2) return;
    s->statuses[1] = (rg_rod_status){.flag = RG_ROD_NONFINITE, .step = 20};
    for (size_t i = 10 * width; i < s->recordings[1].n_frames * width; i++) s->predicted[1][i] = NAN;
    memset(&s->errors[1].simulated, 0, sizeof s->errors[1].simulated);
    rg_error_add(&s->errors[1].simulated, &s->recordings[1], s->predicted[1]);
}

/* ---- encoding ---- */

static int sextet(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = strchr(digits, c);
    return c && at ? (int)(at - digits) : -1;
}

/* the inverse of rgi_encode_positions; fails the test where the text is not what it should be */
static void decode(const char *text, double *out, size_t frames, size_t columns)
{
    size_t length = strlen(text), n = 0, at = 0;
    assert_int_equal(length % 4, 0);
    unsigned char *bytes = malloc(length);
    for (size_t i = 0; i < length; i += 4) {
        int a = sextet(text[i]), b = sextet(text[i + 1]), c = sextet(text[i + 2]);
        int d = sextet(text[i + 3]);
        assert_true(a >= 0 && b >= 0);
        bytes[n++] = (unsigned char)(a << 2 | b >> 4);
        if (c >= 0) bytes[n++] = (unsigned char)((b & 15) << 4 | c >> 2);
        if (d >= 0) bytes[n++] = (unsigned char)((c & 3) << 6 | d);
    }
    int64_t *value = calloc(frames * columns + 1, sizeof *value);
    for (size_t i = 0; i < frames * columns; i++) {
        uint64_t zigzag = 0;
        int shift = 0;
        do {
            assert_true(at < n && shift < 63);
            zigzag |= (uint64_t)(bytes[at] & 127) << shift;
            shift += 7;
        } while (bytes[at++] & 128);
        int64_t a = i >= columns ? value[i - columns] : 0;
        int64_t b = i >= 2 * columns ? value[i - 2 * columns] : a;
        int64_t difference = zigzag & 1 ? -(int64_t)(zigzag >> 1) - 1 : (int64_t)(zigzag >> 1);
        value[i] = difference + (i >= columns ? 2 * a - b : 0);
        out[i] = 1e-4 * (double)value[i];
    }
    assert_int_equal(at, n);
    free(value);
    free(bytes);
}

static void report_encoding_round_trip(void **state)
{
    (void)state;
    rg_recording r = swing(FRAMES, MARKERS, 3, "x");
    size_t size = FRAMES * MARKERS * 3;
    double *back = calloc(size, sizeof *back);
    char *text = rgi_encode_positions(r.positions, FRAMES, MARKERS, NULL);
    assert_non_null(text);
    decode(text, back, FRAMES, 3 * MARKERS);
    /* half a unit of 0.1 mm, and round-off */
    for (size_t i = 0; i < size; i++) assert_true(fabs(back[i] - r.positions[i]) <= 0.5001e-4);
    /* a smooth motion with half a millimetre of noise: one byte a coordinate, 4/3 characters */
    assert_true(strlen(text) <= size * 3 / 2);
    free(text);

    const uint8_t skip[MARKERS] = {1, 1, 0, 0, 0, 0, 1, 1};
    text = rgi_encode_positions(r.positions, FRAMES, MARKERS, skip);
    decode(text, back, FRAMES, 12);
    for (size_t i = 0; i < FRAMES * 12; i++) {
        size_t from = i / 12 * 24 + 6 + i % 12;
        assert_true(fabs(back[i] - r.positions[from]) <= 0.5001e-4);
    }
    free(text);
    free(back);
    rg_recording_clear(&r);
}

static void report_encoding_of_what_is_no_position(void **state)
{
    (void)state;
    const double values[4][3] = {{NAN, 1e300, -1e300}, {2, INFINITY, 0}, {NAN, 0, 0}, {3, 1, 1}};
    const double want[4][3] = {{0, 1e6, -1e6}, {2, 1e6, 0}, {2, 0, 0}, {3, 1, 1}};
    double back[4][3];
    char *text = rgi_encode_positions(&values[0][0], 4, 1, NULL);
    assert_non_null(text);
    decode(text, &back[0][0], 4, 3);
    for (int f = 0; f < 4; f++)
        for (int k = 0; k < 3; k++) /* whole units times 1e-4 at 1e6: an ulp of 1e6 */
            assert_true(fabs(back[f][k] - want[f][k]) <= 2e-10);
    free(text);
    text = rgi_encode_positions(&values[0][0], 0, 1, NULL);
    assert_non_null(text);
    free(text);
}

/* ---- data ---- */

static double real_at(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value)) fail_msg("%s is not a number", key);
    return json_number_value(value);
}

static void report_data_says_what_was_measured(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, fit_text);
    add_recording(&s, FRAMES, MARKERS, "54.pkl");
    add_recording(&s, FRAMES, MARKERS, hostile);
    memset(s.recordings[0].valid + 5 * MARKERS + 3, 0, 1);
    memset(s.recordings[0].valid + 6 * MARKERS + 3, 0, 1);
    rg_error_add(&s.errors[0].ridge, &s.recordings[0], s.predicted[0]);
    json_t *data = data_of(&s);
    const json_t *list = json_object_get(data, "recordings"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), 2);
    const json_t *second = json_array_get(list, 1);
    assert_string_equal(json_string_value(json_object_get(second, "name")), hostile);
    /* copied, not computed anew */
    assert_true(real_at(first, "l1_m") == rg_error_l1(&s.errors[0].simulated));
    assert_true(real_at(first, "max_m") == rg_error_max(&s.errors[0].simulated));
    assert_true(real_at(first, "ridge_m") == rg_error_l1(&s.errors[0].ridge));
    assert_null(json_object_get(second, "ridge_m"));
    assert_null(json_object_get(first, "failed_frame"));
    rg_error_sums all = s.errors[1].simulated;
    rg_error_merge(&all, &s.errors[0].simulated);
    const json_t *summary = json_object_get(data, "summary");
    assert_true(real_at(summary, "l1_m") == rg_error_l1(&all));
    assert_string_equal(json_string_value(json_object_get(summary, "status")), "ok");
    char *runs = json_dumps(json_object_get(first, "invalid"), JSON_COMPACT);
    assert_string_equal(runs, "[[3,5,2]]");
    free(runs);

    const json_t *model = json_object_get(data, "model");
    /* of "abc", FIPS 180-2 */
    assert_string_equal(json_string_value(json_object_get(model, "sha256")),
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const json_t *fields = json_object_get(model, "fields");
    assert_int_equal(json_array_size(fields), RG_FIELD_COUNT);
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        const json_t *field = json_array_get(fields, (size_t)f);
        const json_t *at = json_object_get(field, "at"), *values = json_object_get(field, "values");
        size_t entries = rg_model_field_entries(s.file.model, (rg_field)f);
        assert_int_equal(json_array_size(at), entries);
        assert_int_equal(json_array_size(values), entries * (size_t)real_at(field, "components"));
        for (size_t i = 1; i < entries; i++)
            assert_true(json_number_value(json_array_get(at, i)) > json_number_value(json_array_get(at, i - 1)));
    }
    const json_t *bend = json_object_get(json_array_get(fields, RG_BEND_STIFFNESS_1), "values");
    assert_true(json_is_null(json_array_get(bend, 0))); /* an end vertex does not bend */
    assert_true(json_number_value(json_array_get(bend, 2)) == rg_model_field(s.file.model, RG_BEND_STIFFNESS_1)[2]);
    assert_true(json_equal(json_object_get(data, "fit"), s.file.fit));
    json_decref(data);
    destroy(&s);
}

/* what a recording may leave out (rodgrad/recording.h) makes no difference but the name */
static void report_data_of_bare_recordings(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, NULL);
    add_recording(&s, FRAMES, MARKERS, "recording 0");
    json_t *whole = data_of(&s);
    const rg_recording kept = s.recordings[0];
    s.recordings[0].name = NULL;
    s.recordings[0].driving = NULL;
    s.recordings[0].valid = NULL;
    json_t *bare = data_of(&s);
    assert_true(json_equal(whole, bare));
    s.recordings[0].source = NULL;
    json_decref(bare);
    bare = data_of(&s);
    s.recordings[0] = kept;
    const json_t *first = json_array_get(json_object_get(bare, "recordings"), 0);
    assert_string_equal(json_string_value(json_object_get(first, "source")), "");
    json_decref(whole);
    json_decref(bare);
    destroy(&s);
}

static void report_data_of_failed_simulations(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, NULL);
    add_recording(&s, FRAMES, MARKERS, "54.pkl");
    add_recording(&s, FRAMES, MARKERS, "latin\xe9.pkl");
    spoil(&s);
    json_t *data = data_of(&s);
    const json_t *list = json_object_get(data, "recordings");
    const json_t *one = json_array_get(list, 0), *two = json_array_get(list, 1);
    /* step 77 at two steps a frame: the last of frames 38 + 2 */
    assert_true(real_at(one, "failed_frame") == 40);
    assert_string_equal(json_string_value(json_object_get(one, "status")), "step 77: Newton did not converge");
    assert_string_equal(json_string_value(json_object_get(two, "name")), "latin?.pkl");
    assert_true(json_is_null(json_object_get(two, "l1_m")));
    const json_t *summary = json_object_get(data, "summary");
    assert_true(json_is_null(json_object_get(summary, "l1_m")));
    assert_string_equal(json_string_value(json_object_get(summary, "status")),
                        "rod 0 (54.pkl), step 77: Newton did not converge");
    assert_null(json_object_get(data, "fit"));
    json_decref(data);
    destroy(&s);
}

static void report_data_of_forces(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, NULL);
    add_recording(&s, FRAMES, MARKERS, "54.pkl");
    json_t *data = data_of(&s);
    assert_null(json_object_get(json_array_get(json_object_get(data, "recordings"), 0), "forces"));
    json_decref(data);
    add_forces(&s);
    const size_t edges = rg_model_vertices(s.file.model) - 1;
    for (size_t k = 100 * edges; k < FRAMES * edges; k++) s.forces[0].tension[k] = NAN; /* as after a failure */
    data = data_of(&s);
    const json_t *forces = json_object_get(json_array_get(json_object_get(data, "recordings"), 0), "forces");
    const json_t *grippers = json_object_get(forces, "grippers"), *tension = json_object_get(forces, "tension");
    const double unit = real_at(forces, "unit_n");
    assert_true(unit == 1e-5);
    assert_int_equal(json_array_size(grippers), 2);
    assert_int_equal(json_array_size(tension), FRAMES);
    for (size_t g = 0; g < 2; g++) {
        const json_t *gripper = json_array_get(grippers, g), *force = json_object_get(gripper, "force");
        char *markers = json_dumps(json_object_get(gripper, "markers"), JSON_COMPACT);
        assert_string_equal(markers, g ? "[6,7]" : "[0,1]");
        free(markers);
        assert_int_equal(json_array_size(force), FRAMES);
        for (size_t f = 0; f < FRAMES; f++) {
            const double want = hypot(g ? 0.7 : 0.5, 0.1 * sin(0.2 * (double)f));
            const json_t *value = json_array_get(force, f);
            assert_int_equal(json_is_null(value), f < 2);
            if (f >= 2) assert_true(fabs(unit * json_number_value(value) - want) <= 0.51 * unit);
        }
    }
    for (size_t f = 0; f < FRAMES; f++) {
        const double want = 0.2 + 0.001 * (double)(edges - 2) + 0.1 * sin(0.1 * (double)f);
        const json_t *value = json_array_get(tension, f);
        assert_int_equal(json_is_null(value), f < 2 || f >= 100);
        if (!json_is_null(value)) assert_true(fabs(unit * json_number_value(value) - want) <= 0.51 * unit);
    }
    json_decref(data);
    destroy(&s);
}

/* nothing holds the rod, and the model says so */
static void report_data_of_forces_without_grippers(void **state)
{
    (void)state;
    scene s;
    rg_error err = {0};
    build(&s, MARKERS, NULL);
    add_recording(&s, 3, MARKERS, "thrown");
    add_forces(&s);
    s.recordings[0].n_clamps = 0;
    rg_model_destroy(&s.file.model);
    assert_int_equal(rg_model_create(MARKERS, 2, NULL, 0, &s.file.model, &err), RG_OK);
    const size_t edges = rg_model_vertices(s.file.model) - 1;
    free(s.forces[0].tension);
    s.forces[0].tension = calloc(3 * edges, sizeof *s.forces[0].tension);
    assert_non_null(s.forces[0].tension);
    for (size_t k = 0; k < 3 * edges; k++) s.forces[0].tension[k] = k < 2 * edges ? NAN : -1.0; /* compressed */
    s.forces[0].tension[2 * edges + 3] = -0.5;
    json_t *data = data_of(&s);
    const json_t *forces = json_object_get(json_array_get(json_object_get(data, "recordings"), 0), "forces");
    char *text = json_dumps(forces, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(3));
    assert_string_equal(text, "{\"grippers\":[],\"tension\":[null,null,-50000],\"unit_n\":1e-5}");
    free(text);
    json_decref(data);
    destroy(&s);
}

/* ---- page ---- */

static char *read_text(const char *path, size_t *size)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) return NULL;
    fseek(stream, 0, SEEK_END);
    *size = (size_t)ftell(stream);
    rewind(stream);
    char *text = malloc(*size + 1);
    assert_int_equal(fread(text, 1, *size, stream), *size);
    text[*size] = '\0';
    fclose(stream);
    return text;
}

static int occurrences(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)) != NULL; at++) n++;
    return n;
}

static void report_page_is_self_contained(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, fit_text);
    add_recording(&s, FRAMES, MARKERS, hostile);
    json_t *data = data_of(&s);
    char path[64];
    size_t bytes = 0, size = 0;
    rg_error err = {0};
    snprintf(path, sizeof path, "report-test-%ld.html", (long)getpid());
    assert_int_equal(rgi_report_write(path, data, &bytes, &err), RG_OK);
    char *page = read_text(path, &size);
    assert_non_null(page);
    assert_int_equal(size, bytes);
    assert_int_equal(strlen(page), size);
    assert_int_equal(occurrences(page, "<script"), 2);
    assert_int_equal(occurrences(page, "</script"), 2);
    assert_int_equal(occurrences(page, "</style"), 1);
    assert_int_equal(occurrences(page, "<!--rodgrad:"), 0);
    assert_int_equal(occurrences(page, "<img"), 0);
    /* nothing is fetched: the one address is the name of the SVG namespace */
    assert_int_equal(occurrences(page, "://"), 1);
    assert_int_equal(occurrences(page, "http://www.w3.org/2000/svg"), 1);
    assert_non_null(strstr(page, "<noscript>"));

    /* the data survives the escaping */
    const char *begin = strstr(page, "id=\"data\">");
    assert_non_null(begin);
    begin += strlen("id=\"data\">");
    json_t *back = json_loadb(begin, (size_t)(strstr(begin, "</script") - begin), 0, NULL);
    assert_true(json_equal(back, data));
    json_decref(back);
    free(page);
    remove(path);
    json_decref(data);
    destroy(&s);
}

static void report_page_of_seven_recordings_is_small(void **state)
{
    (void)state;
    scene s;
    build(&s, 13, fit_text);
    for (int i = 0; i < MOST; i++) add_recording(&s, 500, 13, "take.pkl");
    add_forces(&s);
    json_t *data = data_of(&s);
    char path[64];
    size_t bytes = 0;
    rg_error err = {0};
    snprintf(path, sizeof path, "report-size-%ld.html", (long)getpid());
    assert_int_equal(rgi_report_write(path, data, &bytes, &err), RG_OK);
    /* 7 x 500 frames x (13 + 9) markers x 3 at 1.5 characters, and the page */
    assert_true(bytes < 600000);
    remove(path);
    json_decref(data);
    destroy(&s);
}

static void report_errors_leave_no_file(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, NULL);
    add_recording(&s, FRAMES, MARKERS, "54.pkl");
    json_t *data = data_of(&s);
    rg_error err = {0};
    assert_int_equal(rgi_report_write("no-such-folder/report.html", data, NULL, &err), RG_ERR_IO);
    assert_non_null(strstr(err.text, "no-such-folder/report.html"));
    json_decref(data);

    s.input.model_path = "no-such-model.json";
    assert_int_equal(rgi_report_data(&s.input, &data, &err), RG_ERR_IO);
    assert_null(data);
    assert_non_null(strstr(err.text, "no-such-model.json"));
    destroy(&s);
}

/* an allocator for jansson that fails once, at the call that `allowance` counts down to */
static long allowance;

static void *scarce(size_t size) { return allowance-- == 0 ? NULL : malloc(size); }

static void report_survives_each_failing_allocation(void **state)
{
    (void)state;
    scene s;
    build(&s, MARKERS, fit_text);
    add_recording(&s, 3, MARKERS, "54.pkl");
    add_forces(&s);
    json_t *whole = data_of(&s);
    long k = 0;
    do {
        json_t *data = NULL;
        rg_error err = {0};
        allowance = k++;
        json_set_alloc_funcs(scarce, free);
        rg_status status = rgi_report_data(&s.input, &data, &err);
        json_set_alloc_funcs(malloc, free);
        if (status != RG_OK) {
            assert_int_equal(status, RG_ERR_MEMORY);
            assert_null(data);
        } else {
            assert_true(json_equal(data, whole)); /* a second attempt had what the first lacked */
        }
        json_decref(data);
    } while (allowance < 0);
    json_decref(whole);
    /* every number of the model and every member is at least one */
    assert_true(k > 500);
    destroy(&s);
}

/* ---- a page for the browser ---- */

static int write_page(const char *path, const char *kind)
{
    scene s;
    int bare = strcmp(kind, "bare") == 0;
    build(&s, MARKERS, bare ? NULL : strcmp(kind, "odd") == 0 ? odd_fit_text : fit_text);
    add_recording(&s, FRAMES, MARKERS, "54.pkl");
    add_recording(&s, 3, MARKERS, hostile); /* the shortest there can be */
    add_recording(&s, FRAMES, MARKERS, "61.pkl");
    memset(s.recordings[0].valid + 5 * MARKERS + 3, 0, 1);
    if (!bare) add_forces(&s);
    if (strcmp(kind, "odd") == 0) { /* a simulation that failed in frame 40 */
        const size_t edges = rg_model_vertices(s.file.model) - 1;
        s.statuses[2] = (rg_rod_status){.flag = RG_ROD_NOT_CONVERGED, .step = 77};
        for (size_t k = 40 * edges; k < FRAMES * edges; k++) s.forces[2].tension[k] = NAN;
        for (size_t k = 40 * 12; k < FRAMES * 12; k++) s.forces[2].reaction[k] = NAN;
    }
    if (bare) {
        s.n = 3;
        spoil(&s);
    }
    json_t *data = data_of(&s);
    rg_error err = {0};
    rg_status status = rgi_report_write(path, data, NULL, &err);
    if (status != RG_OK) fprintf(stderr, "%s\n", err.text);
    json_decref(data);
    destroy(&s);
    return status == RG_OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--page") == 0) return write_page(argv[2], argv[3]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_encoding_round_trip),
        cmocka_unit_test(report_encoding_of_what_is_no_position),
        cmocka_unit_test(report_data_says_what_was_measured),
        cmocka_unit_test(report_data_of_bare_recordings),
        cmocka_unit_test(report_data_of_failed_simulations),
        cmocka_unit_test(report_data_of_forces),
        cmocka_unit_test(report_data_of_forces_without_grippers),
        cmocka_unit_test(report_page_is_self_contained),
        cmocka_unit_test(report_page_of_seven_recordings_is_small),
        cmocka_unit_test(report_errors_leave_no_file),
        cmocka_unit_test(report_survives_each_failing_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
