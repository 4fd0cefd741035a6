/* test_minimise.c: the minimiser alone (fit/minimise.h), on functions whose minimum is known: quadratics, Rosenbrock's,
 * with bounds that hold variables at the solution, and functions that have no value beyond some radius. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fit/minimise.h"
#include "rods.h"

enum { MOST = 40 };

typedef struct problem {
    size_t n;
    double low[MOST], high[MOST], scale[MOST], x[MOST], gradient[MOST], cost;
    double a[MOST][MOST], b[MOST]; /* of the quadratic x.Ax / 2 - b.x */
    double radius;                 /* no value beyond it; 0: everywhere */
    double beyond;                 /* what stands for a value there */
    double *memory, *scratch;
    int evaluations, stop_at;
    rgi_minimise m;
} problem;

static int inside(problem *at, const double *x)
{
    double square = 0.0;
    at->evaluations++;
    for (size_t i = 0; i < at->n; i++) {
        assert_true(x[i] >= at->low[i] && x[i] <= at->high[i]);
        square += x[i] * x[i];
    }
    return !(at->radius > 0.0) || square <= at->radius * at->radius;
}

static int quadratic(void *data, const double *x, double *cost, double *gradient)
{
    problem *at = data;
    *cost = at->beyond;
    if (!inside(at, x)) return 0;
    *cost = 0.0;
    for (size_t i = 0; i < at->n; i++) {
        gradient[i] = -at->b[i];
        for (size_t k = 0; k < at->n; k++) gradient[i] += at->a[i][k] * x[k];
        *cost += 0.5 * x[i] * (gradient[i] - at->b[i]);
    }
    return at->evaluations == at->stop_at;
}

static int rosenbrock(void *data, const double *x, double *cost, double *gradient)
{
    problem *at = data;
    *cost = at->beyond;
    if (!inside(at, x)) return 0;
    *cost = 0.0;
    memset(gradient, 0, at->n * sizeof *gradient);
    for (size_t i = 0; i + 1 < at->n; i++) {
        const double valley = x[i + 1] - x[i] * x[i], left = 1.0 - x[i];
        *cost += 100.0 * valley * valley + left * left;
        gradient[i] += -400.0 * valley * x[i] - 2.0 * left;
        gradient[i + 1] += 200.0 * valley;
    }
    return at->evaluations == at->stop_at;
}

/* without bounds, at zero */
static problem *make(size_t n, rgi_minimise_function function)
{
    problem *at = calloc(1, sizeof *at);
    assert_non_null(at);
    at->n = n;
    at->beyond = INFINITY;
    for (size_t i = 0; i < n; i++) {
        at->low[i] = -INFINITY;
        at->high[i] = INFINITY;
        at->scale[i] = 1.0;
    }
    at->memory = calloc(rgi_minimise_memory(n), sizeof(double));
    at->scratch = calloc(rgi_minimise_scratch(n), sizeof(double));
    assert_true(at->memory && at->scratch);
    at->m = (rgi_minimise){n, at->low, at->high, at->scale, at->memory, at->scratch, function, at, 0.0, 0.0};
    return at;
}

static void done(problem *at)
{
    free(at->memory);
    free(at->scratch);
    free(at);
}

static rgi_minimise_end iterate(problem *at)
{
    const double before = at->cost;
    const rgi_minimise_end end = rgi_minimise_iterate(&at->m, at->x, &at->cost, at->gradient);
    assert_true(rgi_minimise_memory_is_sound(at->n, at->memory));
    if (end == RGI_MINIMISE_MOVED) assert_true(at->cost < before);
    else assert_true(at->cost == before);
    return end;
}

/* from x until the end; returns the number of iterations */
static int minimise(problem *at, int most, rgi_minimise_end *end)
{
    int iterations = 0;
    assert_int_equal(at->m.function(at, at->x, &at->cost, at->gradient), 0);
    at->evaluations = 0;
    do {
        *end = iterate(at);
        iterations += *end == RGI_MINIMISE_MOVED;
    } while (*end == RGI_MINIMISE_MOVED && iterations < most);
    return iterations;
}

/* the longest way along the gradient that the bounds leave, in units of the gradient */
static double residual(const problem *at)
{
    double worst = 0.0;
    for (size_t i = 0; i < at->n; i++) {
        const double to = fmin(fmax(at->x[i] - at->gradient[i], at->low[i]), at->high[i]);
        worst = fmax(worst, fabs(at->x[i] - to));
    }
    return worst;
}

/* A = Q D Q with a reflection Q and eigenvalues from 1 to `condition`; b random */
static problem *random_quadratic(size_t n, double condition, uint64_t seed)
{
    problem *at = make(n, quadratic);
    double v[MOST], square = 0.0;
    for (size_t i = 0; i < n; i++) {
        v[i] = random_signed(&seed);
        at->b[i] = 3.0 * random_signed(&seed);
        square += v[i] * v[i];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n; k++)
            for (size_t e = 0; e < n; e++) {
                const double qi = (i == e) - 2.0 * v[i] * v[e] / square, qk = (k == e) - 2.0 * v[k] * v[e] / square;
                at->a[i][k] += qi * qk * pow(condition, (double)e / (double)(n - 1));
            }
    return at;
}

static void minimise_quadratic(void **state)
{
    (void)state;
    static const double conditions[] = {1.0, 10.0, 1e3};
    static const int bars[] = {3, 25, 90};
    for (size_t c = 0; c < 3; c++) {
        problem *at = random_quadratic(20, conditions[c], 5);
        rgi_minimise_end end;
        at->m.worth = 1e-13;
        const int iterations = minimise(at, 1000, &end);
        print_message("quadratic of 20 variables, condition %g: %d iterations, %d evaluations, slope %.1e\n",
                      conditions[c], iterations, at->evaluations, residual(at));
        assert_int_equal(end, RGI_MINIMISE_STATIONARY);
        assert_in_range(iterations, 1, bars[c]);
        assert_in_range(at->evaluations, 1, bars[c] + bars[c] / 4);
        /* |g|^2 / 2 L <= F - F* <= what is left of some promises */
        assert_true(residual(at) <= 1e-5);
        done(at);
    }
}

static void minimise_rosenbrock(void **state)
{
    (void)state;
    static const size_t sizes[] = {2, 10};
    static const int bars[] = {60, 120};
    for (size_t c = 0; c < 2; c++) {
        problem *at = make(sizes[c], rosenbrock);
        rgi_minimise_end end;
        for (size_t i = 0; i < at->n; i++) at->x[i] = i % 2 ? 1.0 : -1.2;
        const int iterations = minimise(at, 1000, &end);
        print_message("Rosenbrock of %zu: %d iterations, %d evaluations, cost %.1e\n", at->n, iterations,
                      at->evaluations, at->cost);
        assert_int_not_equal(end, RGI_MINIMISE_MOVED);
        assert_in_range(at->evaluations, 1, bars[c]);
        for (size_t i = 0; i < at->n; i++) assert_true(fabs(at->x[i] - 1.0) <= 1e-6);
        done(at);
    }
}

/* units differ by 1e6: the scale makes up for it, to nearly the same numbers */
static void minimise_scale(void **state)
{
    (void)state;
    problem *plain = random_quadratic(12, 100.0, 8), *other = random_quadratic(12, 100.0, 8);
    rgi_minimise_end end;
    for (size_t i = 0; i < other->n; i++) {
        other->scale[i] = pow(2.0, (double)(i % 5) * 5.0 - 10.0);
        other->b[i] /= other->scale[i];
        for (size_t k = 0; k < other->n; k++)
            other->a[i][k] /= other->scale[i] * pow(2.0, (double)(k % 5) * 5.0 - 10.0);
    }
    plain->m.worth = other->m.worth = 1e-12;
    const int iterations = minimise(plain, 200, &end);
    assert_int_equal(end, RGI_MINIMISE_STATIONARY);
    assert_int_equal(minimise(other, 200, &end), iterations);
    for (size_t i = 0; i < other->n; i++) assert_true(fabs(other->x[i] / other->scale[i] - plain->x[i]) <= 1e-6);
    done(plain);
    done(other);
}

/* Coupled quadratics in a box, many of whose bounds hold at the solution: the conditions there are met. From the
 * middle, from a corner and from random sides. */
static void minimise_bounds(void **state)
{
    (void)state;
    int worst = 0, held = 0, variables = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t number = 1000 * seed;
        problem *at = random_quadratic(2 + seed % 30, seed % 2 ? 30.0 : 1e4, seed);
        rgi_minimise_end end;
        for (size_t i = 0; i < at->n; i++) {
            const double side = random_signed(&number);
            at->low[i] = -0.05 - 0.3 * fabs(random_signed(&number));
            at->high[i] = seed % 5 == 0 ? INFINITY : 0.05 + 0.3 * fabs(random_signed(&number));
            at->x[i] = seed % 3 == 0 ? 0.0 : seed % 3 == 1 || side < 0.0 ? at->low[i] : fmin(at->high[i], 0.5);
        }
        at->m.worth = 1e-14;
        const int iterations = minimise(at, 2000, &end);
        if (end == RGI_MINIMISE_MOVED || !(residual(at) <= 1e-4))
            fail_msg("seed %d: end %d after %d iterations, slope %g", (int)seed, (int)end, iterations, residual(at));
        for (size_t i = 0; i < at->n; i++) held += at->x[i] == at->low[i] || at->x[i] == at->high[i];
        variables += (int)at->n;
        if (at->evaluations > worst) worst = at->evaluations;
        done(at);
    }
    print_message("200 quadratics in boxes: %d of %d variables end on bounds, at most %d evaluations\n", held,
                  variables, worst);
    assert_true(held > variables / 4);
    assert_in_range(worst, 1, 500);
}

/* at (1, 1) the bound x1 <= 0.5 holds: the minimum is (0.5, 0.25); from a corner of the box too */
static void minimise_rosenbrock_bound(void **state)
{
    (void)state;
    static const double starts[][2] = {{-1.2, 1.0}, {0.5, 2.0}, {0.5, -1.0}, {-2.0, -1.0}, {0.5, 0.25}};
    for (size_t c = 0; c < sizeof starts / sizeof *starts; c++) {
        problem *at = make(2, rosenbrock);
        rgi_minimise_end end;
        at->low[0] = -2.0;
        at->low[1] = -1.0;
        at->high[0] = 0.5;
        at->high[1] = 2.0;
        memcpy(at->x, starts[c], sizeof starts[c]);
        const int iterations = minimise(at, 200, &end);
        print_message("Rosenbrock within bounds from (%g, %g): %d iterations, %d evaluations\n", starts[c][0],
                      starts[c][1], iterations, at->evaluations);
        assert_int_not_equal(end, RGI_MINIMISE_MOVED);
        assert_true(at->x[0] == 0.5 && fabs(at->x[1] - 0.25) <= 1e-8);
        assert_in_range(at->evaluations, 0, 90);
        done(at);
    }
}

/* a corner where nothing leads inwards, and a box of no size */
static void minimise_stationary(void **state)
{
    (void)state;
    problem *at = random_quadratic(6, 3.0, 4);
    rgi_minimise_end end;
    assert_int_equal(quadratic(at, at->x, &at->cost, at->gradient), 0);
    for (size_t i = 0; i < at->n; i++) *(at->gradient[i] > 0.0 ? &at->low[i] : &at->high[i]) = 0.0;
    assert_int_equal(minimise(at, 10, &end), 0);
    assert_int_equal(end, RGI_MINIMISE_STATIONARY);
    assert_int_equal(at->evaluations, 0);
    for (size_t i = 0; i < at->n; i++) at->low[i] = at->high[i] = 0.0;
    assert_int_equal(minimise(at, 10, &end), 0);
    assert_int_equal(end, RGI_MINIMISE_STATIONARY);
    done(at);
}

/* no value outside of a ball that the first steps leave, and with the minimum near its rim */
static void minimise_not_finite(void **state)
{
    (void)state;
    static const double beyond[] = {INFINITY, NAN};
    for (size_t c = 0; c < 2; c++) {
        problem *at = make(2, rosenbrock);
        rgi_minimise_end end;
        at->radius = 1.6;
        at->beyond = beyond[c];
        at->x[0] = -1.2;
        at->x[1] = 1.0;
        const int iterations = minimise(at, 1000, &end);
        print_message("Rosenbrock, %g beyond 1.6: %d iterations, %d evaluations\n", beyond[c], iterations,
                      at->evaluations);
        assert_true(fabs(at->x[0] - 1.0) <= 1e-6 && fabs(at->x[1] - 1.0) <= 1e-6);
        done(at);
        /* a small ball far from the minimum: it ends at the rim, or at least lower, and with a sound point */
        at = random_quadratic(8, 10.0, 3);
        at->radius = 1e-3;
        at->beyond = beyond[c];
        (void)minimise(at, 1000, &end);
        assert_int_equal(end, RGI_MINIMISE_STUCK);
        assert_true(isfinite(at->cost) && at->cost < 0.0);
        done(at);
    }
}

/* a gradient that is none, at the start and beside it */
static int no_gradient(void *data, const double *x, double *cost, double *gradient)
{
    (void)quadratic(data, x, cost, gradient);
    gradient[0] = NAN;
    return 0;
}

static int wrong_gradient(void *data, const double *x, double *cost, double *gradient)
{
    problem *at = data;
    const int stop = quadratic(data, x, cost, gradient);
    for (size_t i = 0; i < at->n; i++) gradient[i] = -gradient[i];
    return stop;
}

static void minimise_err(void **state)
{
    (void)state;
    problem *at = random_quadratic(5, 10.0, 3);
    rgi_minimise_end end;
    at->m.function = no_gradient;
    assert_int_equal(minimise(at, 10, &end), 0);
    assert_int_equal(end, RGI_MINIMISE_STUCK);
    /* the slope leads uphill: no point is lower, and the function is not asked for ever */
    at->m.function = wrong_gradient;
    assert_int_equal(minimise(at, 10, &end), 0);
    assert_int_equal(end, RGI_MINIMISE_STUCK);
    assert_in_range(at->evaluations, 1, 30);
    /* pairs that overflow or say nothing are forgotten */
    static const double bad[] = {1e300, 1e200, 1e-300, -1.0};
    at->m.function = quadratic;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        for (size_t i = 0; i < rgi_minimise_memory(at->n); i++) at->memory[i] = bad[k];
        memset(at->x, 0, sizeof at->x);
        assert_int_equal(quadratic(at, at->x, &at->cost, at->gradient), 0);
        for (int i = 0; i < 60; i++) end = rgi_minimise_iterate(&at->m, at->x, &at->cost, at->gradient);
        if (!(residual(at) <= 1e-5)) fail_msg("pairs of %g: slope %g", bad[k], residual(at));
    }
    /* what a memory may not be */
    memset(at->memory, 0, rgi_minimise_memory(at->n) * sizeof(double));
    assert_true(rgi_minimise_memory_is_sound(at->n, at->memory));
    at->memory[0] = 1.0;
    assert_false(rgi_minimise_memory_is_sound(at->n, at->memory));
    at->memory[rgi_minimise_memory(at->n) / 2] = 2.0;
    assert_true(rgi_minimise_memory_is_sound(at->n, at->memory));
    static const double wrong[] = {-1.0, 0.0, NAN, INFINITY};
    for (size_t k = 0; k < 4; k++) {
        at->memory[0] = wrong[k];
        assert_false(rgi_minimise_memory_is_sound(at->n, at->memory));
    }
    done(at);
}

/* the function may end it at any evaluation: what was found before counts */
static void minimise_stop(void **state)
{
    (void)state;
    for (int k = 1; k < 30; k++) {
        problem *at = make(4, rosenbrock);
        rgi_minimise_end end = RGI_MINIMISE_MOVED;
        for (size_t i = 0; i < at->n; i++) at->x[i] = i % 2 ? 1.0 : -1.2;
        assert_int_equal(rosenbrock(at, at->x, &at->cost, at->gradient), 0);
        at->evaluations = 0;
        at->stop_at = k;
        while (end == RGI_MINIMISE_MOVED && at->evaluations < k) end = iterate(at);
        assert_int_equal(at->evaluations, k);
        assert_true(end == RGI_MINIMISE_MOVED || end == RGI_MINIMISE_STOPPED);
        double cost, gradient[4];
        at->stop_at = 0;
        assert_int_equal(rosenbrock(at, at->x, &cost, gradient), 0);
        assert_true(cost == at->cost);
        assert_memory_equal(gradient, at->gradient, sizeof gradient);
        done(at);
    }
}

/* interrupted after any iteration and taken up elsewhere: the same bits, more iterations than there are pairs */
static void minimise_resume(void **state)
{
    (void)state;
    enum { N = 30, ITERATIONS = RGI_MINIMISE_PAIRS + 20 };
    for (int when = 0; when < ITERATIONS; when += 7) {
        problem *whole = random_quadratic(N, 1e6, 9), *half = random_quadratic(N, 1e6, 9);
        for (size_t i = 0; i < N; i += 3) whole->high[i] = half->high[i] = 0.1;
        assert_int_equal(quadratic(whole, whole->x, &whole->cost, whole->gradient), 0);
        for (int k = 0; k < ITERATIONS; k++) {
            if (k == when) {
                memcpy(half->x, whole->x, sizeof half->x);
                memcpy(half->gradient, whole->gradient, sizeof half->gradient);
                memcpy(half->memory, whole->memory, rgi_minimise_memory(N) * sizeof(double));
                for (size_t i = 0; i < rgi_minimise_scratch(N); i++) half->scratch[i] = NAN;
                half->cost = whole->cost;
            }
            assert_int_equal(iterate(whole), RGI_MINIMISE_MOVED);
            if (k >= when) assert_int_equal(iterate(half), RGI_MINIMISE_MOVED);
        }
        assert_memory_equal(whole->x, half->x, sizeof half->x);
        assert_memory_equal(whole->gradient, half->gradient, sizeof half->gradient);
        assert_memory_equal(whole->memory, half->memory, rgi_minimise_memory(N) * sizeof(double));
        assert_true(whole->cost == half->cost);
        done(whole);
        done(half);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minimise_quadratic),
        cmocka_unit_test(minimise_rosenbrock),
        cmocka_unit_test(minimise_scale),
        cmocka_unit_test(minimise_bounds),
        cmocka_unit_test(minimise_rosenbrock_bound),
        cmocka_unit_test(minimise_stationary),
        cmocka_unit_test(minimise_not_finite),
        cmocka_unit_test(minimise_err),
        cmocka_unit_test(minimise_stop),
        cmocka_unit_test(minimise_resume),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
