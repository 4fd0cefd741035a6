/* test_cuda_normal.c: a fit's normal equations on a device (cuda/normal.h) against LAPACK on the host, on
 * random rows: sums, steps, the uncertainty, what is refused, and where memory comes from. Skipped without a
 * GPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cuda/normal.h"
#include "probe_random.h"

/* rows of every block, and what they amount to: N [p][p], g [p], g of blocks and rods */
typedef struct made {
    size_t p, rods, rows, blocks;
    double *a; /* [blocks][p + 1][rods * rows] */
    double *n, *g, *shares;
} made;

static double *numbers(size_t count)
{
    double *at = calloc(count, sizeof *at);
    assert_non_null(at);
    return at;
}

static void add_up(made *m)
{
    const size_t p = m->p, all = m->rods * m->rows;
    memset(m->n, 0, p * p * sizeof *m->n);
    memset(m->g, 0, p * sizeof *m->g);
    memset(m->shares, 0, m->blocks * m->rods * p * sizeof *m->shares);
    for (size_t b = 0; b < m->blocks; b++) {
        const double *a = m->a + b * (p + 1) * all;
        for (size_t r = 0; r < all; r++)
            for (size_t i = 0; i < p; i++) {
                double share = a[i * all + r] * a[p * all + r];
                for (size_t k = 0; k < p; k++) m->n[i * p + k] += a[i * all + r] * a[k * all + r];
                m->g[i] += share;
                m->shares[(b * m->rods + r / m->rows) * p + i] += share;
            }
    }
}

static made make(size_t p, size_t rods, size_t rows, size_t blocks, uint64_t seed)
{
    const size_t count = blocks * (p + 1) * rods * rows;
    made m = {p, rods, rows, blocks, numbers(count), numbers(p * p), numbers(p), numbers(blocks * rods * p)};
    for (size_t i = 0; i < count; i++) m.a[i] = random_signed(&seed);
    add_up(&m);
    return m;
}

static void clear(made *m)
{
    free(m->a);
    free(m->n);
    free(m->g);
    free(m->shares);
}

static rgi_device *open_device(const rgi_device_opts *opts)
{
    const rgi_device_opts first = {0};
    rgi_device *device = NULL;
    const char *reason = NULL;
    rg_error err = {0};
    if (rgi_device_count(&reason) == 0) {
        print_message("%s\n", reason);
        skip();
    }
    if (rgi_device_open(opts ? opts : &first, &device, &err) != RG_OK) fail_msg("%s", err.text);
    return device;
}

static rgi_normal *create(rgi_device *device, size_t p_most, const made *m)
{
    rgi_normal *normal = NULL;
    rg_error err = {0};
    if (rgi_normal_create(device, p_most, m->rods, m->rows, m->blocks, &normal, &err) != RG_OK)
        fail_msg("%s", err.text);
    return normal;
}

static void check(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

/* The trial's rows of block b go where a rollout would write them, and are added. The first `rods` rods have
 * some. */
static void add_block(rgi_device *device, rgi_normal *normal, const made *m, size_t b, size_t rods)
{
    const size_t all = m->rods * m->rows, written = rods * m->rows;
    rg_error err = {0};
    check(rgi_normal_clear_rows(normal, &err), &err);
    for (size_t i = 0; i <= m->p; i++)
        check(rgi_device_upload(device, rgi_normal_rows(normal) + i * rgi_normal_rows_apart(normal),
                                m->a + (b * (m->p + 1) + i) * all, written * sizeof *m->a, &err),
              &err);
    check(rgi_normal_add(normal, b, &err), &err);
}

static void try_all(rgi_device *device, rgi_normal *normal, const made *m)
{
    rg_error err = {0};
    check(rgi_normal_begin(normal, m->p, &err), &err);
    for (size_t b = 0; b < m->blocks; b++) add_block(device, normal, m, b, m->rods);
}

/* from block b on rod `rod` and those behind it have no rows */
static void silence(made *m, size_t b, size_t rod)
{
    const size_t columns = m->p + 1, all = m->rods * m->rows, from = rod * m->rows;
    for (size_t i = b * columns; i < m->blocks * columns; i++)
        memset(m->a + i * all + from, 0, (all - from) * sizeof *m->a);
    add_up(m);
}

/* relative to the largest expected one; a NaN fails */
static void near(const char *what, const double *got, const double *expected, size_t count, double tolerance)
{
    double largest = 1e-300, worst = 0.0;
    for (size_t i = 0; i < count; i++) largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++) {
        const double off = fabs(got[i] - expected[i]) / largest;
        if (!(off <= tolerance)) fail_msg("%s %zu is %.17g, not %.17g", what, i, got[i], expected[i]);
        worst = fmax(worst, off);
    }
    print_message("%s: %.1e\n", what, worst);
}

static void near_sums(rgi_normal *normal, int trial, const made *m)
{
    double *diagonal = numbers(m->p), *gradient = numbers(m->p), *expected = numbers(m->p);
    rg_error err = {0};
    check(rgi_normal_vectors(normal, trial, diagonal, gradient, &err), &err);
    for (size_t i = 0; i < m->p; i++) expected[i] = m->n[i * m->p + i];
    /* sums of up to 1e4 numbers below 1, in another order: their roundings add up to less */
    near("diagonal", diagonal, expected, m->p, 1e-13);
    near("gradient", gradient, m->g, m->p, 1e-12);
    free(diagonal);
    free(gradient);
    free(expected);
}

static void normal_sums_value(void **state)
{
    (void)state;
    /* one rod to a slice; more rods than slices, so that the last one is not full; one rod; one of all */
    static const size_t shapes[][4] = {{7, 5, 12, 3}, {3, 1100, 2, 2}, {150, 1, 9, 1}, {1, 1, 1, 1}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        made m = make(shapes[s][0], shapes[s][1], shapes[s][2], shapes[s][3], 1 + s);
        rgi_device *device = open_device(NULL);
        rgi_normal *normal = create(device, m.p + 2, &m);
        assert_true(rgi_normal_rows_apart(normal) >= m.rods * m.rows);
        try_all(device, normal, &m);
        near_sums(normal, 1, &m);
        rgi_normal_destroy(&normal);
        assert_null(normal);
        rgi_normal_destroy(&normal);
        rgi_device_close(&device);
        clear(&m);
    }
}

static void normal_accepted_and_trial_are_apart(void **state)
{
    (void)state;
    made first = make(7, 5, 12, 3, 11), second = make(4, 5, 12, 3, 12);
    rgi_device *device = open_device(NULL);
    rgi_normal *normal = create(device, 7, &first);
    rg_error err = {0};
    double bits[2][14];
    try_all(device, normal, &first);
    rgi_normal_accept(normal);
    near_sums(normal, 0, &first);
    check(rgi_normal_vectors(normal, 0, bits[0], bits[0] + 7, &err), &err);
    /* fewer parameters, as another stage has; rods that stop before others */
    silence(&second, 1, 3);
    silence(&second, 2, 0);
    check(rgi_normal_begin(normal, 4, &err), &err);
    add_block(device, normal, &second, 0, 5);
    add_block(device, normal, &second, 1, 3);
    near_sums(normal, 1, &second);
    near_sums(normal, 0, &first);
    rgi_normal_accept(normal);
    near_sums(normal, 0, &second);
    /* nothing is left of what a set held before, and the same rows have the same sums, bit by bit */
    try_all(device, normal, &first);
    check(rgi_normal_vectors(normal, 1, bits[1], bits[1] + 7, &err), &err);
    assert_memory_equal(bits[0], bits[1], sizeof *bits);
    rgi_normal_destroy(&normal);
    rgi_device_close(&device);
    clear(&first);
    clear(&second);
}

static const double priors[7] = {0.5, 2.0, 1.0, 0.1, 3.0, 0.7, 1.5};

/* weight N + P, its diagonal times 1 + mu */
static void form(const made *m, double weight, double mu, double *a)
{
    for (size_t i = 0; i < m->p * m->p; i++) a[i] = weight * m->n[i];
    for (size_t i = 0; i < m->p; i++) {
        a[i * m->p + i] += 1.0 / (priors[i] * priors[i]);
        a[i * m->p + i] *= 1.0 + mu;
    }
}

static void normal_step_value(void **state)
{
    (void)state;
    made m = make(7, 5, 12, 3, 21);
    rgi_device *device = open_device(NULL);
    rgi_normal *normal = create(device, 9, &m);
    rg_error err = {0};
    double a[49], step[7], expected[7];
    try_all(device, normal, &m);
    rgi_normal_accept(normal);
    for (int k = 0; k < 3; k++) {
        const double mu = k == 0 ? 0.0 : 1e-3 * pow(100.0, k), weight = 0.3;
        int solved = 0;
        form(&m, weight, mu, a);
        memcpy(expected, m.g, sizeof expected);
        assert_int_equal(LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', 7, 1, a, 7, expected, 1), 0);
        /* the step may come where the right-hand side was */
        memcpy(step, m.g, sizeof step);
        check(rgi_normal_solve(normal, weight, priors, mu, step, step, &solved, &err), &err);
        assert_int_equal(solved, 1);
        /* a condition number of a few hundred */
        near("step", step, expected, 7, 1e-12);
    }
    rgi_normal_destroy(&normal);
    rgi_device_close(&device);
    clear(&m);
}

/* results of rgi_normal_uncertainty, and where they go */
typedef struct results {
    double variance[7], resolution[7], singular[7], correlation[49];
} results;

static rgi_normal_spread spread_into(results *out, double weight, int whole)
{
    rgi_normal_spread s = {.weight = weight, .ratio = 0.6, .small_sample = 1.25, .whole = whole, .prior = priors};
    s.variance = out->variance;
    s.resolution = out->resolution;
    s.singular = out->singular;
    s.correlation = out->correlation;
    return s;
}

static void normal_refuses_what_is_not_definite(void **state)
{
    (void)state;
    made m = make(7, 5, 12, 3, 31);
    rgi_device *device = open_device(NULL);
    rgi_normal *normal = create(device, 7, &m);
    rg_error err = {0};
    results r;
    for (int k = 0; k < 2; k++) {
        /* a negative weight; then rows with a NaN, which cuSOLVER itself need not see */
        const double weight = k == 0 ? -1.0 : 1.0;
        double step[7];
        int solved = 1;
        if (k == 1) m.a[17] = NAN;
        try_all(device, normal, &m);
        rgi_normal_accept(normal);
        check(rgi_normal_solve(normal, weight, priors, 0.0, m.g, step, &solved, &err), &err);
        assert_int_equal(solved, 0);
        const rgi_normal_spread s = spread_into(&r, weight, 0);
        assert_int_equal(rgi_normal_uncertainty(normal, &s, &err), RG_ERR_NUMERIC);
        assert_string_equal(err.text, "the normal matrix of the fit is not positive definite");
    }
    rgi_normal_destroy(&normal);
    rgi_device_close(&device);
    clear(&m);
}

static void invert(double *a)
{
    assert_int_equal(LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', 7, a, 7), 0);
    assert_int_equal(LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', 7, a, 7), 0);
    for (size_t i = 0; i < 7; i++)
        for (size_t k = i + 1; k < 7; k++) a[i * 7 + k] = a[k * 7 + i];
}

/* entry by entry, from the formulas at the head of fit/uncertainty.c */
static void expect_uncertainty(const made *m, const rgi_normal_spread *s, results *out)
{
    double a[49], meat[49] = {0}, covariance[49];
    form(m, s->weight, 0.0, a);
    invert(a);
    for (size_t i = 0; i < 7; i++) out->resolution[i] = 1.0 - a[i * 8] / (priors[i] * priors[i]);
    for (size_t b = 0; b < (s->whole ? 1 : m->blocks); b++)
        for (size_t r = 0; r < m->rods; r++) {
            double g[7] = {0};
            for (size_t c = b; c < (s->whole ? m->blocks : b + 1); c++)
                for (size_t i = 0; i < 7; i++) g[i] += m->shares[(c * m->rods + r) * 7 + i];
            for (size_t i = 0; i < 49; i++) meat[i] += s->weight * s->weight * s->small_sample * g[i / 7] * g[i % 7];
        }
    for (size_t i = 0; i < 7; i++) meat[i * 8] += 1.0 / (priors[i] * priors[i]);
    form(m, s->weight * s->ratio, 0.0, a);
    invert(a);
    for (size_t e = 0; e < 49; e++) {
        covariance[e] = 0.0;
        for (size_t i = 0; i < 49; i++) covariance[e] += a[e / 7 * 7 + i / 7] * meat[i] * a[i % 7 * 7 + e % 7];
    }
    for (size_t i = 0; i < 7; i++) out->variance[i] = covariance[i * 8];
    for (size_t e = 0; e < 49; e++)
        out->correlation[e] = covariance[e] / sqrt(covariance[e / 7 * 8] * covariance[e % 7 * 8]);
    for (size_t e = 0; e < 49; e++) a[e] = s->weight * m->n[e] * priors[e / 7] * priors[e % 7];
    double values[7];
    assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', 7, a, 7, values), 0);
    for (size_t i = 0; i < 7; i++) out->singular[i] = sqrt(values[6 - i]);
}

static void normal_uncertainty_value(void **state)
{
    (void)state;
    made m = make(7, 5, 12, 3, 41), other = make(5, 5, 12, 3, 42);
    rgi_device *device = open_device(NULL);
    rgi_normal *normal = create(device, 8, &m);
    rg_error err = {0};
    /* what both sets and the rows held before must not count: the last block has no rows, and is not added */
    for (int set = 0; set < 2; set++) {
        try_all(device, normal, &other);
        rgi_normal_accept(normal);
    }
    silence(&m, 2, 0);
    check(rgi_normal_begin(normal, 7, &err), &err);
    add_block(device, normal, &m, 0, 5);
    add_block(device, normal, &m, 1, 5);
    rgi_normal_accept(normal);
    /* nor a trial that is not accepted */
    try_all(device, normal, &other);
    for (int whole = 0; whole < 2; whole++) {
        results got, expected;
        const rgi_normal_spread s = spread_into(&got, 0.3, whole);
        memset(&got, 0xff, sizeof got);
        expect_uncertainty(&m, &s, &expected);
        check(rgi_normal_uncertainty(normal, &s, &err), &err);
        /* condition numbers of a few hundred, twice in the sandwich */
        near("variance", got.variance, expected.variance, 7, 1e-12);
        near("resolution", got.resolution, expected.resolution, 7, 1e-12);
        near("singular value", got.singular, expected.singular, 7, 1e-12);
        near("correlation", got.correlation, expected.correlation, 49, 1e-11);
    }
    near_sums(normal, 0, &m);
    rgi_normal_destroy(&normal);
    rgi_device_close(&device);
    clear(&m);
    clear(&other);
}

static void normal_refuses_wrong_sizes(void **state)
{
    (void)state;
    made m = make(3, 2, 4, 2, 51);
    rgi_device *device = open_device(NULL);
    rgi_normal *normal = NULL;
    rg_error err = {0};
    assert_int_equal(rgi_normal_create(device, 0, 2, 4, 2, &normal, &err), RG_ERR_ARGUMENT);
    assert_null(normal);
    assert_int_equal(rgi_normal_create(device, 3, 100000, 100000, 2, &normal, &err), RG_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "fit fewer recordings"));
    assert_null(normal);
    normal = create(device, 3, &m);
    assert_int_equal(rgi_normal_begin(normal, 4, &err), RG_ERR_ARGUMENT);
    assert_string_equal(err.text, "4 parameters where 1 to 3 were reserved");
    assert_int_equal(rgi_normal_begin(normal, 0, &err), RG_ERR_ARGUMENT);
    check(rgi_normal_begin(normal, 3, &err), &err);
    assert_int_equal(rgi_normal_add(normal, 2, &err), RG_ERR_ARGUMENT);
    rgi_normal_destroy(&normal);
    rgi_device_close(&device);
    clear(&m);
}

/* an allocator over another device object on the same GPU, which fails when `left` calls were made */
typedef struct counter {
    rgi_device *device;
    int left, calls;
    size_t bytes;
} counter;

static void *count_in(void *user, size_t bytes)
{
    counter *c = user;
    void *memory = NULL;
    c->calls++;
    if (c->left-- <= 0 || rgi_device_allocate(c->device, bytes, "a test", &memory, NULL) != RG_OK) return NULL;
    c->bytes += bytes;
    return memory;
}

static void count_out(void *user, void *memory, size_t bytes)
{
    counter *c = user;
    c->bytes -= bytes;
    rgi_device_free(c->device, memory, bytes);
}

static void normal_takes_memory_at_create_alone(void **state)
{
    (void)state;
    made m = make(7, 5, 12, 3, 61);
    counter c = {open_device(NULL), 1000, 0, 0};
    rgi_device_opts opts = {.allocate = count_in, .release = count_out, .user = &c};
    rgi_device *device = open_device(&opts);
    rgi_normal *normal = create(device, 7, &m);
    const int calls = c.calls;
    const size_t bytes = c.bytes;
    rg_error err = {0};
    double step[7];
    int solved = 0;
    results r;
    const rgi_normal_spread s = spread_into(&r, 0.3, 1);
    try_all(device, normal, &m);
    rgi_normal_accept(normal);
    check(rgi_normal_solve(normal, 0.3, priors, 0.0, m.g, step, &solved, &err), &err);
    check(rgi_normal_uncertainty(normal, &s, &err), &err);
    assert_true(solved && c.calls == calls && c.bytes == bytes && bytes > 0);
    rgi_normal_destroy(&normal);
    assert_int_equal(c.bytes, 0);
    for (int left = 0; left < calls; left++) {
        c.left = left;
        assert_int_equal(rgi_normal_create(device, 7, m.rods, m.rows, m.blocks, &normal, &err), RG_ERR_MEMORY);
        assert_null(normal);
        assert_int_equal(c.bytes, 0);
    }
    rgi_device_close(&device);
    rgi_device_close(&c.device);
    clear(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_sums_value),
        cmocka_unit_test(normal_accepted_and_trial_are_apart),
        cmocka_unit_test(normal_step_value),
        cmocka_unit_test(normal_refuses_what_is_not_definite),
        cmocka_unit_test(normal_uncertainty_value),
        cmocka_unit_test(normal_refuses_wrong_sizes),
        cmocka_unit_test(normal_takes_memory_at_create_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
