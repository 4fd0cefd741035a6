/* test_fit_methods.c: every method of minimisation finds the same optimum of a planted problem,
 * stays within bounds, goes through the stages and can be interrupted; the gradient and the
 * products that they use are those of the cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fit/fit_internal.h"
#include "fits.h"
#include "rods.h"

enum { MARKERS = 7, RECORDINGS = 3, FRAMES = 60, MOST = 64 };

static const int clamps[] = {0, 1, 5, 6};

static void set_all(rg_model *m, rg_field field, double value)
{
    double *at = rg_model_field_data(m, field);
    size_t n = rg_model_field_entries(m, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] = value;
}

/* a rod that varies along its length, and a uniform one to start from */
static rg_model *make_model(int truth)
{
    rg_model *m = NULL;
    if (rg_model_create(MARKERS, 1, clamps, 4, &m, NULL) != RG_OK) abort();
    set_all(m, RG_REST_LENGTH, RODS_SPACING);
    set_all(m, RG_MASS_PER_LENGTH, 0.03);
    set_all(m, RG_TWIST_STIFFNESS, 5e-4);
    set_all(m, RG_STRETCH_STIFFNESS, truth ? 100.0 : 80.0);
    set_all(m, RG_BEND_RELAXATION, truth ? 0.03 : 0.05);
    set_all(m, RG_DRAG, truth ? 0.3 : 0.1);
    for (size_t k = 0; k < MARKERS; k++) {
        double b = truth ? 6e-4 * exp(0.3 * sin(1.3 * (double)k)) : 1e-3;
        rg_model_field_data(m, RG_BEND_STIFFNESS_1)[k] = b;
        rg_model_field_data(m, RG_BEND_STIFFNESS_2)[k] = b;
        rg_model_field_data(m, RG_NATURAL_CURVATURE)[2 * k] = truth ? 2.0 * cos((double)k) : 0.0;
    }
    return m;
}

static rg_fit_opts options(rg_fit_method method)
{
    rg_fit_opts o = rg_fit_opts_default();
    o.method = method;
    o.rollout.threads = 1;
    o.refine = 1;
    o.correlation = 1.0;
    o.floor_m = 5e-4;
    fits_hold_all(&o);
    fits_choose(&o, RG_GROUP_BEND, RG_ALONG);
    fits_choose(&o, RG_GROUP_CURVATURE, RG_ALONG);
    fits_choose(&o, RG_GROUP_STRETCH, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_BEND_TIME, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_DRAG, RG_UNIFORM);
    return o;
}

/* to the end: the best cost never rises within a stage and the model stays sound */
static rg_fit_progress finish(rg_fit *fit)
{
    rg_fit_progress p = {0}, before;
    rg_error err = {0};
    do {
        before = p;
        p = fits_step(fit);
        assert_int_equal(p.iteration, before.iteration + 1);
        if (before.iteration > 0 && p.stage == before.stage && before.cost > 0.0 && !(p.cost <= before.cost))
            fail_msg("iteration %d: cost rose from %.10g to %.10g", p.iteration, before.cost, p.cost);
        if (rg_model_check(rg_fit_model(fit), &err) != RG_OK) fail_msg("%s", err.text);
    } while (!p.done && p.iteration < 20000);
    assert_true(p.done);
    before = fits_step(fit);
    assert_true(before.done && before.iteration == p.iteration && before.cost == p.cost);
    return p;
}

static size_t parameters_of(rg_fit *fit, const rg_fit_parameter **ps)
{
    size_t n = 0;
    rg_error err = {0};
    if (rg_fit_parameters(fit, ps, &n, &err) != RG_OK) fail_msg("%s", err.text);
    assert_true(n > 0 && n <= MOST);
    return n;
}

/* on the fitted scale, in the other's standard deviations */
static double distance(const rg_fit_parameter *a, const rg_fit_parameter *b)
{
    double d = a->logarithmic ? b->value * log(a->value / b->value) : a->value - b->value;
    return fabs(d) / b->std;
}

static void methods_same_optimum(void **state)
{
    (void)state;
    /* Second-order methods end when an iteration brings less than 1e-9 twice in a row, L-BFGS when one promises less
     * than 1e-12: each is some 1e-4 deviations from the optimum then. Adam ends when 150 updates bring less than 3e-6;
     * it has been halving its step, so the rest is of that order: cost - optimum = d^2 / 2 for a parameter d deviations
     * off, and 2e-5 of the cost of 156 is 0.08 deviations */
    static const struct {
        double tolerance, cost, deviations;
    } bars[RG_METHOD_COUNT] = {[RG_METHOD_LM] = {1e-9, 0.0, 0.0},
                               [RG_METHOD_GAUSS_NEWTON_CG] = {1e-9, 1e-6, 3e-3},
                               [RG_METHOD_LBFGS] = {1e-9, 1e-6, 3e-3},
                               [RG_METHOD_ADAM] = {1e-6, 2e-5, 0.08}};
    rg_recording r[RECORDINGS];
    rg_fit_parameter best[MOST];
    rg_model *truth = make_model(1), *start = make_model(0);
    double lowest = 0.0;
    size_t n = 0;
    fits_plant(truth, r, RECORDINGS, FRAMES, 5e-4);
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        const char *name = rg_fit_method_name((rg_fit_method)m);
        rg_fit_opts o = options((rg_fit_method)m);
        const rg_fit_parameter *ps = NULL;
        double worst = 0.0, apart = 0.0;
        o.tolerance = bars[m].tolerance;
        o.max_iterations = 10000;
        rg_fit *fit = fits_create(r, RECORDINGS, start, &o);
        rg_fit_progress p = finish(fit);
        size_t count = parameters_of(fit, &ps);
        if (m == RG_METHOD_LM) {
            n = count;
            lowest = p.cost;
            memcpy(best, ps, n * sizeof *best);
        }
        assert_int_equal(count, n);
        for (size_t i = 0; i < n; i++) {
            worst = fmax(worst, distance(&ps[i], &best[i]));
            apart = fmax(apart, fabs(ps[i].std / best[i].std - 1.0));
            assert_true(isfinite(ps[i].value) && isfinite(ps[i].std));
        }
        print_message("%-16s %5d iterations, cost %.10g (%+.1e), largest distance %.1e and difference "
                      "of deviations %.1e\n",
                      name, p.iteration, p.cost, p.cost / lowest - 1.0, worst, apart);
        if (!(fabs(p.cost / lowest - 1.0) <= bars[m].cost)) fail_msg("%s: cost %g", name, p.cost);
        if (!(worst <= bars[m].deviations)) fail_msg("%s: %g deviations off", name, worst);
        /* deviations vary with the parameters, by some 1 in 1 deviation of them */
        if (!(apart <= bars[m].deviations)) fail_msg("%s: deviations by %g off", name, apart);
        rg_fit_destroy(&fit);
    }
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    fits_clear(r, RECORDINGS);
}

/* In float each method ends where it does in double: a cost of 156 that is rounded by 1e-6 of it does not tell
 * where within 0.02 deviations. */
static void methods_float(void **state)
{
    enum { DOUBLE, FLOAT, REALS };
    static const double bar = 0.05;
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_model(1), *start = make_model(0);
    fits_plant(truth, r, RECORDINGS, FRAMES, 5e-4);
    for (rg_fit_method m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit *fits[REALS];
        rg_fit_progress p[REALS];
        const rg_fit_parameter *ps[REALS];
        double worst = 0.0, apart = 0.0;
        size_t n = 0;
        for (int k = 0; k < REALS; k++) {
            rg_fit_opts o = options(m);
            o.rollout.real = k == FLOAT ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            fits[k] = fits_create(r, RECORDINGS, start, &o);
            p[k] = finish(fits[k]);
            n = parameters_of(fits[k], &ps[k]);
        }
        for (size_t i = 0; i < n; i++) {
            worst = fmax(worst, distance(&ps[FLOAT][i], &ps[DOUBLE][i]));
            apart = fmax(apart, fabs(ps[FLOAT][i].std / ps[DOUBLE][i].std - 1.0));
        }
        print_message("%-16s %d iterations in float, %d in double, largest distance %.1e and difference of "
                      "deviations %.1e\n",
                      rg_fit_method_name(m), p[FLOAT].iteration, p[DOUBLE].iteration, worst, apart);
        if (!(worst <= bar)) fail_msg("%s: %g deviations off", rg_fit_method_name(m), worst);
        if (!(apart <= bar)) fail_msg("%s: deviations by %g off", rg_fit_method_name(m), apart);
        for (int k = 0; k < REALS; k++) rg_fit_destroy(&fits[k]);
    }
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    fits_clear(r, RECORDINGS);
}

/* uniform rods first, then everything: each method gets there with the default options */
static void methods_stages(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_model(1);
    double l1 = 0.0;
    fits_plant(truth, r, RECORDINGS, FRAMES, 5e-4);
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit_opts o = options((rg_fit_method)m);
        rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o);
        rg_fit_progress p = finish(fit);
        assert_int_equal(p.n_stages, 4);
        assert_int_equal(p.failed_rods, 0);
        print_message("%-16s %5d iterations, trained to %.5g mm\n", rg_fit_method_name((rg_fit_method)m), p.iteration,
                      1e3 * p.train_l1_m);
        if (m == RG_METHOD_LM) l1 = p.train_l1_m;
        /* weights differ a little with where the last stage began, and so do optima */
        if (!(fabs(p.train_l1_m / l1 - 1.0) <= 5e-3)) fail_msg("trained to %g m", p.train_l1_m);
        rg_fit_destroy(&fit);
    }
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

/* a strap, far stiffer one way than the other, beyond what may be fitted */
static void methods_bounds(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_model(1), *start = make_model(0);
    double lowest = INFINITY, cost[RG_METHOD_COUNT];
    set_all(truth, RG_BEND_STIFFNESS_1, 3e-3);
    set_all(truth, RG_BEND_STIFFNESS_2, 1e-4);
    set_all(truth, RG_BEND_COUPLING, 5e-4);
    fits_plant(truth, r, 2, 30, 1e-4);
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit_opts o = options((rg_fit_method)m);
        fits_choose(&o, RG_GROUP_ANISOTROPY, RG_UNIFORM);
        fits_prior(&o, RG_GROUP_ANISOTROPY, 1e3);
        o.tolerance = 1e-6;
        o.max_iterations = m == RG_METHOD_ADAM ? 3000 : m == RG_METHOD_LBFGS ? 1000 : 60;
        rg_fit *fit = fits_create(r, 2, start, &o);
        const rg_fit_parameter *ps = NULL;
        rg_fit_progress p = {0};
        int bound = 0;
        while (!p.done) {
            p = fits_step(fit);
            for (size_t i = 0; i < fit->parameters.n; i++) {
                const rgi_parameter *par = &fit->parameters.list[i];
                assert_true(fit->u[i] >= par->low && fit->u[i] <= par->high);
                assert_true(fit->to[i] >= par->low && fit->to[i] <= par->high);
            }
        }
        size_t n = parameters_of(fit, &ps);
        for (size_t i = 0; i < n; i++) bound += ps[i].at_bound;
        print_message("%-16s %5d iterations, cost %.8g, %d at bounds\n", rg_fit_method_name((rg_fit_method)m),
                      p.iteration, p.cost, bound);
        assert_true(bound > 0);
        cost[m] = p.cost;
        lowest = fmin(lowest, p.cost);
        rg_fit_destroy(&fit);
    }
    /* each ended by its tolerance of 1e-6. Levenberg-Marquardt solves for the parameters at bounds
     * too and cuts its steps: it creeps along the bound, and is asked only to respect it */
    for (int m = 1; m < RG_METHOD_COUNT; m++)
        if (!(cost[m] <= (1.0 + 1e-4) * lowest)) fail_msg("method %d ended at %g", m, cost[m]);
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    fits_clear(r, 2);
}

/* gradient against differences of the cost, products against the normal matrix */
static void methods_derivatives(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_model(1), *start = make_model(0);
    rg_error err = {0};
    fits_plant(truth, r, RECORDINGS, 30, 5e-4);
    rg_fit_opts o = options(RG_METHOD_GAUSS_NEWTON_CG);
    o.rollout.tolerance_m = 1e-13; /* differences see what Newton leaves */
    fits_choose(&o, RG_GROUP_ANISOTROPY, RG_ALONG);
    fits_choose(&o, RG_GROUP_LENGTH, RG_ALONG);
    fits_choose(&o, RG_GROUP_OFFSET, RG_ALONG);
    rg_fit *fit = fits_create(r, RECORDINGS, start, &o);
    (void)fits_step(fit);
    const size_t p = fit->parameters.n;
    double u[MOST], g[MOST], other[MOST], v[MOST], out[MOST], cost = 0.0, low = 0.0, high = 0.0;
    double largest = 0.0, worst = 0.0;
    double *normal = calloc(MOST * MOST, sizeof *normal);
    uint64_t seed = 7;
    assert_non_null(normal);
    assert_true(p <= MOST);
    for (size_t i = 0; i < p; i++) u[i] = fit->u[i] + 0.1 * fit->parameters.list[i].prior_std * random_signed(&seed);
    assert_int_equal(rgi_fit_gradient(fit, u, &cost, g, &err), RG_OK);
    for (size_t i = 0; i < p; i++) largest = fmax(largest, fabs(g[i]) * fit->parameters.list[i].prior_std);
    for (size_t i = 0; i < p; i++) {
        const double std = fit->parameters.list[i].prior_std, middle = u[i], h = 1e-5 * std;
        u[i] = middle + h;
        assert_int_equal(rgi_fit_gradient(fit, u, &high, other, &err), RG_OK);
        u[i] = middle - h;
        assert_int_equal(rgi_fit_gradient(fit, u, &low, other, &err), RG_OK);
        u[i] = middle;
        worst = fmax(worst, fabs((high - low) / (2e-5) - g[i] * std) / largest);
    }
    print_message("gradient against differences: %.1e of its largest entry\n", worst);
    /* h^2 of the third derivative, kinks of the second, and 1e-16 / 1e-5 of the cost */
    if (!(worst <= 1e-6)) fail_msg("the gradient differs by %g", worst);
    worst = 0.0;
    for (size_t i = 0; i < p; i++) v[i] = fit->parameters.list[i].prior_std * random_signed(&seed);
    assert_int_equal(rgi_fit_gradient(fit, u, &cost, g, &err), RG_OK);
    assert_int_equal(rgi_fit_product(fit, v, out, &err), RG_OK);
    fit->whole = 1; /* weights as they are, as in products */
    assert_int_equal(rgi_fit_evaluate(fit, u, &cost, normal, other, &err), RG_OK);
    for (size_t i = 0; i < p; i++) {
        const double std = fit->parameters.list[i].prior_std;
        double sum = v[i] / (std * std), size = fabs(sum);
        for (size_t k = 0; k < p; k++) {
            sum += fit->weight * normal[i * p + k] * v[k];
            size += fit->weight * fabs(normal[i * p + k] * v[k]);
        }
        worst = fmax(worst, fabs(out[i] - sum) / size);
    }
    print_message("products against the normal matrix: %.1e of their terms\n", worst);
    /* round-off of sums over frames */
    if (!(worst <= 1e-10)) fail_msg("products differ by %g", worst);
    free(normal);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    fits_clear(r, RECORDINGS);
}

static double *state_of(const rg_fit *fit, size_t *count)
{
    rg_fit_state(fit, NULL, count);
    double *saved = malloc(*count * sizeof *saved);
    assert_non_null(saved);
    rg_fit_state(fit, saved, NULL);
    return saved;
}

static rg_fit_opts short_options(rg_fit_method method)
{
    rg_fit_opts o = options(method);
    o.starts = 1;
    o.max_iterations = method == RG_METHOD_ADAM ? 20 : method == RG_METHOD_LBFGS ? 24 : 6;
    return o;
}

/* resumed in a fresh fit or in one that went elsewhere, and asked for its parameters or not */
static void methods_resume_bitwise(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_model(1);
    fits_plant(truth, r, 2, 14, 1e-3);
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit_opts o = short_options((rg_fit_method)m);
        size_t count = 0, steps = 1;
        rg_fit *fit = fits_create(r, 2, NULL, &o);
        while (!fits_step(fit).done) steps++;
        double *end = state_of(fit, &count);
        rg_fit_destroy(&fit);
        const size_t stride = steps > 40 ? 7 : 1;
        rg_fit *whole = fits_create(r, 2, NULL, &o);
        for (size_t k = 0; k < steps; k++) {
            if (k % stride == 0) {
                const rg_fit_parameter *ps = NULL;
                rg_error err = {0};
                double *saved = state_of(whole, &count);
                rg_fit *half = fits_create(r, 2, NULL, &o);
                if (k % 2) (void)fits_step(half);
                if (rg_fit_resume(half, saved, count, &err) != RG_OK) fail_msg("%s", err.text);
                double *back = state_of(half, &count);
                assert_memory_equal(saved, back, count * sizeof *saved);
                free(back);
                for (size_t i = k; i < steps; i++) {
                    if (i % 3 == 1) (void)parameters_of(half, &ps);
                    (void)fits_step(half);
                }
                back = state_of(half, &count);
                /* Levenberg-Marquardt's normal matrix too: asking evaluates it at the same point */
                for (size_t i = 0; i < count; i++)
                    if (memcmp(&end[i], &back[i], sizeof *end) != 0)
                        fail_msg("%s, interrupted after step %zu: number %zu is %.17g, not %.17g",
                                 rg_fit_method_name((rg_fit_method)m), k, i, back[i], end[i]);
                free(back);
                free(saved);
                rg_fit_destroy(&half);
            }
            (void)fits_step(whole);
        }
        rg_fit_destroy(&whole);
        free(end);
    }
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

static void methods_state_err(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_model(1);
    fits_plant(truth, r, 2, 12, 1e-3);
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit_opts o = short_options((rg_fit_method)m);
        rg_error err = {0};
        size_t count = 0;
        rg_fit *fit = fits_create(r, 2, NULL, &o);
        while (!fits_step(fit).done) {}
        double *saved = state_of(fit, &count), *bad = malloc(count * sizeof *bad);
        assert_non_null(bad);
        /* another method's, and Adam's at another rate */
        for (int k = 0; k <= RG_METHOD_COUNT; k++) {
            rg_fit_opts other = short_options((rg_fit_method)(k % RG_METHOD_COUNT));
            if (k == RG_METHOD_COUNT) {
                if (m != RG_METHOD_ADAM) continue;
                other = o;
                other.learning_rate = 0.04;
            } else if (k == m) {
                continue;
            }
            rg_fit *foreign = fits_create(r, 2, NULL, &other);
            (void)fits_step(foreign);
            assert_int_equal(rg_fit_resume(foreign, saved, count, &err), RG_ERR_VALUE);
            if (k < RG_METHOD_COUNT && (!strstr(err.text, rg_fit_method_name((rg_fit_method)m)) ||
                                        !strstr(err.text, rg_fit_method_name((rg_fit_method)k))))
                fail_msg("\"%s\" does not name the methods", err.text);
            /* it goes on unharmed */
            (void)fits_step(foreign);
            rg_fit_destroy(&foreign);
        }
        assert_int_equal(rg_fit_resume(fit, saved, count - 1, &err), RG_ERR_SHAPE);
        assert_int_equal(rg_fit_resume(fit, saved, 1, &err), RG_ERR_SHAPE);
        /* any number may be damaged: refused, or a fit that goes on without harm */
        static const double wrong[] = {NAN, INFINITY, -1.0, 1e300, 0.5};
        for (size_t i = 0; i < count; i++)
            for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
                memcpy(bad, saved, count * sizeof *bad);
                bad[i] = wrong[k];
                rg_status status = rg_fit_resume(fit, bad, count, &err);
                if (status == RG_OK && k == 0) fail_msg("number %zu was NaN, and taken", i);
                if (status != RG_OK) continue;
                (void)rg_fit_step(fit, NULL, &err);
                assert_int_equal(rg_model_check(rg_fit_model(fit), &err), RG_OK);
            }
        /* a step of L-BFGS along which the gradient falls */
        if (m == RG_METHOD_LBFGS) {
            assert_int_equal(rg_fit_resume(fit, saved, count, &err), RG_OK);
            for (size_t i = 0; i < fit->parameters.n; i++) fit->memory[i] = -fit->memory[i];
            rg_fit_state(fit, bad, NULL);
            assert_int_equal(rg_fit_resume(fit, bad, count, &err), RG_ERR_VALUE);
            if (!strstr(err.text, "gradient")) fail_msg("\"%s\" does not say what is wrong", err.text);
        }
        free(bad);
        free(saved);
        rg_fit_destroy(&fit);
    }
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

static void refused(const rg_recording *r, const rg_fit_opts *o, const char *word)
{
    rg_fit *fit = (rg_fit *)(uintptr_t)1;
    rg_error err = {0};
    assert_int_equal(rg_fit_create(r, 1, NULL, o, &fit, &err), RG_ERR_ARGUMENT);
    assert_null(fit);
    if (!strstr(err.text, word)) fail_msg("\"%s\" does not say %s", err.text, word);
}

static void methods_bad_options_err(void **state)
{
    (void)state;
    static const double rates[] = {0.0, -0.1, NAN, INFINITY};
    rg_recording r[1];
    rg_model *truth = make_model(1);
    fits_plant(truth, r, 1, 10, 1e-4);
    rg_fit_opts o = options(RG_METHOD_COUNT);
    refused(r, &o, "method 4");
    o.method = (rg_fit_method)-1;
    refused(r, &o, "method -1");
    o = options(RG_METHOD_ADAM);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        o.learning_rate = rates[i];
        refused(r, &o, "learning rate");
    }
    o = options(RG_METHOD_LBFGS);
    o.max_iterations = -1;
    refused(r, &o, "iterations");
    assert_null(rg_fit_method_name(RG_METHOD_COUNT));
    assert_null(rg_fit_method_name((rg_fit_method)-1));
    static const char *const unknown[] = {"newton", "l", "", "LM", NULL};
    rg_fit_method method = RG_METHOD_COUNT;
    rg_group group = RG_GROUP_COUNT;
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        assert_int_equal(rg_fit_method_find(unknown[i], &method), 0);
        assert_int_equal(rg_group_find(unknown[i], &group), 0);
    }
    assert_true(method == RG_METHOD_COUNT && group == RG_GROUP_COUNT);
    for (int m = 0; m < RG_METHOD_COUNT; m++)
        assert_true(rg_fit_method_find(rg_fit_method_name((rg_fit_method)m), &method) && (int)method == m);
    for (int g = 0; g < RG_GROUP_COUNT; g++)
        assert_true(rg_group_find(rg_group_name((rg_group)g), &group) && (int)group == g);
    assert_null(rg_group_name(RG_GROUP_COUNT));
    rg_model_destroy(&truth);
    fits_clear(r, 1);
}

/* a rod that cannot be simulated is flagged and the others are fitted */
static void methods_bad_recording(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_model(1), *start = make_model(0);
    fits_plant(truth, r, RECORDINGS, 20, 1e-4);
    /* a gripper is somewhere else in frame 5 */
    r[2].driving[3 * MARKERS * 5] = 1e170;
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        rg_fit_opts o = short_options((rg_fit_method)m);
        rg_fit *fit = fits_create(r, RECORDINGS, start, &o);
        double first = fits_step(fit).cost;
        rg_fit_progress p = {0};
        while (!p.done) p = fits_step(fit);
        assert_int_equal(p.failed_rods, 1);
        assert_true(isfinite(p.cost) && p.cost < first);
        rg_fit_destroy(&fit);
    }
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    fits_clear(r, RECORDINGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_same_optimum),    cmocka_unit_test(methods_float),
        cmocka_unit_test(methods_stages),          cmocka_unit_test(methods_bounds),
        cmocka_unit_test(methods_derivatives),     cmocka_unit_test(methods_resume_bitwise),
        cmocka_unit_test(methods_state_err),       cmocka_unit_test(methods_bad_recording),
        cmocka_unit_test(methods_bad_options_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
