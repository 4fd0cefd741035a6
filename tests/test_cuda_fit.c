/* test_cuda_fit.c: a small planted fit on a GPU (the CPU shim's where this is its build) against the CPU's:
 * every method's course, parameters with their uncertainties, a fit that is cut and resumed, and whose memory
 * is used. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cuda/device.h"
#include "fits.h"
#include "rods.h"
#include "test_cuda_scene.h"

enum { MARKERS = 6, RECORDINGS = 2, FRAMES = 22, PARAMETERS = 3 };

static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
static rg_context *gpu;

typedef struct planted {
    rg_model *start;
    rg_recording r[RECORDINGS];
} planted;

static void scale(rg_model *m, rg_field field, double by)
{
    double *at = rg_model_field_data(m, field);
    const size_t n = rg_model_field_entries(m, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] *= by;
}

static void fill(rg_model *m, rg_field field, double value)
{
    double *at = rg_model_field_data(m, field);
    for (size_t i = 0; i < rg_model_field_entries(m, field); i++) at[i] = value;
}

/* free markers move as a rod does, give or take 0.2 mm; the start is wrong in all that is fitted */
static planted plant(void)
{
    planted p;
    rg_model *truth = rods_model(MARKERS, 1, clamps, 4, 0xf17);
    fill(truth, RG_BEND_RELAXATION, 0.03);
    fill(truth, RG_DRAG, 0.5);
    if (rg_model_copy(truth, &p.start, NULL) != RG_OK) fail();
    scale(p.start, RG_BEND_STIFFNESS_1, 1.5);
    scale(p.start, RG_BEND_STIFFNESS_2, 1.5);
    scale(p.start, RG_BEND_COUPLING, 1.5);
    scale(p.start, RG_BEND_RELAXATION, 0.7);
    scale(p.start, RG_DRAG, 0.6);
    fits_plant(truth, p.r, RECORDINGS, FRAMES, 2e-4);
    rg_model_destroy(&truth);
    return p;
}

static void clear(planted *p)
{
    fits_clear(p->r, RECORDINGS);
    rg_model_destroy(&p->start);
}

static rg_fit_opts options(rg_fit_method method, way which)
{
    rg_fit_opts o = rg_fit_opts_default();
    o.method = method;
    o.rollout.threads = 1;
    o.rollout.tolerance_m = 1e-10;
    if (which == REFERENCE) o.rollout.isa = "scalar";
    else o.rollout.context = gpu;
    o.rollout.real = which == GPU_FLOAT ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
    o.correlation = 1.0;
    o.floor_m = 2e-4;
    o.starts = 1;
    fits_hold_all(&o);
    fits_choose(&o, RG_GROUP_BEND, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_BEND_TIME, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_DRAG, RG_UNIFORM);
    return o;
}

/* `most` iterations, or to the end; what is known of the parameters then */
typedef struct course {
    double cost[64], value[PARAMETERS], std[PARAMETERS], resolution[PARAMETERS], l1[RECORDINGS];
    int iterations;
} course;

static void report(rg_fit *fit, course *c)
{
    const rg_fit_parameter *p;
    size_t n = 0;
    rg_error err = {0};
    if (rg_fit_parameters(fit, &p, &n, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(n, PARAMETERS);
    for (size_t i = 0; i < n; i++) {
        c->value[i] = p[i].value;
        c->std[i] = p[i].std;
        c->resolution[i] = p[i].resolution;
        if (!(p[i].std > 0.0)) fail_msg("%s has no standard deviation", rg_group_name(p[i].group));
    }
    for (size_t i = 0; i < RECORDINGS; i++) c->l1[i] = rg_fit_recording_l1(fit, i, NULL);
}

/* runs use another stream for each iteration */
static int changing;

static course run(const planted *at, rg_fit_method method, way which, int most)
{
    const rg_fit_opts o = options(method, which);
    rg_fit *fit = fits_create(at->r, RECORDINGS, at->start, &o);
    rg_fit_progress progress = {0};
    course c;
    memset(&c, 0, sizeof c);
    while (c.iterations < most && !progress.done) {
        if (changing) {
            rg_error err = {0};
            void *const legacy = (void *)1; /* cudaStreamLegacy */
            if (rg_context_use_stream(gpu, c.iterations % 2 ? NULL : legacy, &err) != RG_OK) fail_msg("%s", err.text);
        }
        progress = fits_step(fit);
        assert_int_equal(progress.failed_rods, 0);
        c.cost[c.iterations++] = progress.cost;
    }
    report(fit, &c);
    rg_fit_destroy(&fit);
    return c;
}

/* the largest distance in the reference's standard deviations, and differences of all else, relative */
static double distance(const course *a, const course *b, double *others)
{
    double worst = 0.0;
    *others = 0.0;
    for (size_t i = 0; i < PARAMETERS; i++) {
        larger(&worst, fabs(a->value[i] - b->value[i]) / b->std[i]);
        larger(others, fabs(a->std[i] / b->std[i] - 1.0));
        larger(others, fabs(a->resolution[i] - b->resolution[i]));
    }
    for (size_t i = 0; i < RECORDINGS; i++) larger(others, fabs(a->l1[i] / b->l1[i] - 1.0));
    for (int k = 0; k < b->iterations; k++) larger(others, fabs(a->cost[k] / b->cost[k] - 1.0));
    return worst;
}

static void fit_methods_value(void **state)
{
    /* to the end, or as far as there is something to compare: Adam takes thousands */
    static const int most[RG_METHOD_COUNT] = {
        [RG_METHOD_LM] = 60, [RG_METHOD_GAUSS_NEWTON_CG] = 6, [RG_METHOD_LBFGS] = 12, [RG_METHOD_ADAM] = 12};
    (void)state;
    if (!gpu) skip();
    planted at = plant();
    for (rg_fit_method method = 0; method < RG_METHOD_COUNT; method++) {
        double others;
        const course reference = run(&at, method, REFERENCE, most[method]);
        const course now = run(&at, method, GPU_DOUBLE, most[method]);
        const double off = distance(&now, &reference, &others);
        print_message("%s, double: %.1e standard deviations, the rest within %.1e; %d iterations, %d\n",
                      rg_fit_method_name(method), off, others, now.iterations, reference.iterations);
        if (method == RG_METHOD_LM) assert_true(now.iterations < most[method]);
        assert_int_equal(now.iterations, reference.iterations);
        assert_true(now.cost[now.iterations - 1] < 0.9 * now.cost[0]);
        if (!(off <= 1e-6) || !(others <= 1e-6)) fail();
    }
    clear(&at);
}

/* a fit whose work goes to another stream for each iteration, its linear algebra too */
static void fit_streams_bitwise(void **state)
{
    enum { MOST = 4 };
    (void)state;
    if (!gpu) skip();
    planted at = plant();
    const course expected = run(&at, RG_METHOD_LM, GPU_DOUBLE, MOST);
    changing = 1;
    const course now = run(&at, RG_METHOD_LM, GPU_DOUBLE, MOST);
    changing = 0;
    rg_error err = {0};
    assert_int_equal(rg_context_use_stream(gpu, NULL, &err), RG_OK);
    assert_memory_equal(&now, &expected, sizeof now);
    clear(&at);
}

/* float: seven digits of markers, of which the noise hides all but three. Where rounding hides the slope of the
 * cost hangs on the last bits of the plant: 0.05 to 0.2 standard deviations off; a third costs 0.05 of what one
 * deviation costs */
static void fit_float_value(void **state)
{
    double others;
    (void)state;
    if (!gpu) skip();
    planted at = plant();
    const course reference = run(&at, RG_METHOD_LM, REFERENCE, 60), now = run(&at, RG_METHOD_LM, GPU_FLOAT, 60);
    const double off = distance(&now, &reference, &others);
    print_message("lm, float: %.1e standard deviations, the rest within %.1e; %d iterations, %d\n", off, others,
                  now.iterations, reference.iterations);
    if (!(off <= 0.33)) fail();
    clear(&at);
}

/* a fit that is cut after any number of steps and resumed ends with the same bits */
static void fit_resumed_bitwise(void **state)
{
    (void)state;
    if (!gpu) skip();
    planted at = plant();
    for (rg_fit_method method = RG_METHOD_LM; method <= RG_METHOD_GAUSS_NEWTON_CG; method++) {
        const rg_fit_opts o = options(method, GPU_DOUBLE);
        course whole, resumed;
        rg_fit *fit = fits_create(at.r, RECORDINGS, at.start, &o);
        rg_error err = {0};
        size_t count = 0;
        memset(&whole, 0, sizeof whole);
        memset(&resumed, 0, sizeof resumed);
        for (int k = 0; k < 2; k++) (void)fits_step(fit);
        rg_fit_state(fit, NULL, &count);
        double *numbers = calloc(count, sizeof *numbers);
        assert_non_null(numbers);
        rg_fit_state(fit, numbers, &count);
        for (int k = 0; k < 3; k++) (void)fits_step(fit);
        report(fit, &whole);
        rg_fit_destroy(&fit);
        fit = fits_create(at.r, RECORDINGS, at.start, &o);
        if (rg_fit_resume(fit, numbers, count, &err) != RG_OK) fail_msg("%s", err.text);
        for (int k = 0; k < 3; k++) (void)fits_step(fit);
        report(fit, &resumed);
        rg_fit_destroy(&fit);
        assert_memory_equal(&whole, &resumed, sizeof whole);
        free(numbers);
    }
    clear(&at);
}

/* ---- the caller's memory ---- */

typedef struct arena {
    rgi_device *device;
    size_t live, bytes, calls, fail_at;
} arena;

static void *arena_allocate(void *user, size_t bytes)
{
    arena *a = user;
    void *memory = NULL;
    if (++a->calls == a->fail_at) return NULL;
    if (rgi_device_allocate(a->device, bytes, "a test", &memory, NULL) != RG_OK) return NULL;
    /* as a pool hands it out: used before */
    unsigned char *dirt = malloc(bytes);
    assert_non_null(dirt);
    memset(dirt, 0xff, bytes);
    assert_int_equal(rgi_device_upload(a->device, memory, dirt, bytes, NULL), RG_OK);
    assert_int_equal(rgi_device_wait(a->device, NULL), RG_OK);
    free(dirt);
    a->live++;
    a->bytes += bytes;
    return memory;
}

static void arena_release(void *user, void *memory, size_t bytes)
{
    arena *a = user;
    assert_true(a->live > 0 && a->bytes >= bytes);
    a->live--;
    a->bytes -= bytes;
    rgi_device_free(a->device, memory, bytes);
}

/* a fit takes its memory from the caller, by the end of its first step, and gives all of it back; so does one
 * that gets too little */
static void fit_allocator_value(void **state)
{
    (void)state;
    if (!gpu) skip();
    planted at = plant();
    arena a = {0};
    const rgi_device_opts first = {0};
    rg_error err = {0};
    if (rgi_device_open(&first, &a.device, &err) != RG_OK) fail_msg("%s", err.text);
    rg_context_opts o = rg_context_opts_default();
    o.backend = "cuda:0";
    o.allocate = arena_allocate;
    o.release = arena_release;
    o.user = &a;
    rg_context *ours = NULL, *was = gpu;
    if (rg_context_create(&o, &ours, &err) != RG_OK) fail_msg("%s", err.text);
    for (rg_fit_method method = RG_METHOD_LM; method <= RG_METHOD_GAUSS_NEWTON_CG; method++) {
        double others;
        gpu = ours;
        const course now = run(&at, method, GPU_DOUBLE, 4);
        const rg_fit_opts with = options(method, GPU_DOUBLE);
        assert_int_equal(a.live, 0);
        gpu = was;
        const course before = run(&at, method, GPU_DOUBLE, 4);
        assert_true(distance(&now, &before, &others) == 0.0 && others == 0.0);
        for (size_t nth = 1;; nth++) {
            rg_fit *fit = NULL;
            rg_status status;
            a.calls = 0;
            a.fail_at = nth;
            status = rg_fit_create(at.r, RECORDINGS, at.start, &with, &fit, &err);
            const size_t at_create = a.calls, held = a.bytes;
            size_t first_step = 0;
            for (int k = 0; status == RG_OK && k < 3; k++) {
                rg_fit_progress progress;
                status = rg_fit_step(fit, &progress, &err);
                if (k == 0) first_step = a.calls;
            }
            if (status == RG_OK) {
                print_message("%s: %zu allocations at create (%zu bytes), %zu in the first step\n",
                              rg_fit_method_name(method), at_create, held, first_step - at_create);
                assert_int_equal(a.calls, first_step);
                rg_fit_destroy(&fit);
                assert_int_equal(a.live, 0);
                break;
            }
            assert_int_equal(status, RG_ERR_MEMORY);
            if (!strstr(err.text, "allocate")) fail_msg("%s", err.text);
            rg_fit_destroy(&fit);
            assert_int_equal(a.live, 0);
            assert_true(nth < 1000);
        }
        a.fail_at = 0;
    }
    rg_context_destroy(&ours);
    rgi_device_close(&a.device);
    clear(&at);
}

/* first stages on a part of many recordings: a state has one size from the beginning, and is taken again */
static void fit_part_resumed(void **state)
{
    (void)state;
    if (!gpu) skip();
    enum { MANY = 33 };
    planted at = plant();
    rg_recording r[MANY];
    for (int i = 0; i < MANY; i++) r[i] = at.r[i % RECORDINGS];
    rg_fit_opts o = options(RG_METHOD_LM, GPU_DOUBLE);
    rg_error err = {0};
    o.starts = 1;
    rg_fit *fit = fits_create(r, MANY, NULL, &o), *second = fits_create(r, MANY, NULL, &o);
    size_t before = 0, after = 0;
    rg_fit_state(fit, NULL, &before);
    (void)fits_step(fit);
    rg_fit_state(fit, NULL, &after);
    assert_int_equal(before, after);
    double *numbers = calloc(after, sizeof *numbers);
    assert_non_null(numbers);
    rg_fit_state(fit, numbers, &after);
    if (rg_fit_resume(second, numbers, after, &err) != RG_OK) fail_msg("%s", err.text);
    assert_true(fits_step(fit).cost == fits_step(second).cost);
    free(numbers);
    rg_fit_destroy(&fit);
    rg_fit_destroy(&second);
    clear(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_part_resumed),    cmocka_unit_test(fit_methods_value),
        cmocka_unit_test(fit_float_value),     cmocka_unit_test(fit_streams_bitwise),
        cmocka_unit_test(fit_resumed_bitwise), cmocka_unit_test(fit_allocator_value),
    };
    gpu = gpu_context();
    int failed = cmocka_run_group_tests_name("cuda_fit", tests, NULL, NULL);
    rg_context_destroy(&gpu);
    return failed;
}
