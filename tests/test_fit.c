/* test_fit.c: rg_fit on planted recordings, on as little data as there can be, on bad input, and
 * interrupted and resumed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "rodgrad/fit.h"
#include "fits.h"
#include "rods.h"

enum { MARKERS = 7, FRAMES = 50, RECORDINGS = 3 };

static const int clamps[] = {0, 1, 5, 6};

static void set_all(rg_model *m, rg_field field, double value)
{
    double *at = rg_model_field_data(m, field);
    size_t n = rg_model_field_entries(m, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) at[i] = value;
}

/* a uniform rod of the default lengths' order, on the recordings' spacing */
static rg_model *make_truth(void)
{
    rg_model *m = NULL;
    if (rg_model_create(MARKERS, 1, clamps, 4, &m, NULL) != RG_OK) abort();
    set_all(m, RG_REST_LENGTH, RODS_SPACING);
    set_all(m, RG_MASS_PER_LENGTH, 0.03);
    set_all(m, RG_BEND_STIFFNESS_1, 6e-4);
    set_all(m, RG_BEND_STIFFNESS_2, 6e-4);
    set_all(m, RG_TWIST_STIFFNESS, 5e-4);
    set_all(m, RG_STRETCH_STIFFNESS, 100.0);
    set_all(m, RG_BEND_RELAXATION, 0.03);
    set_all(m, RG_DRAG, 0.3);
    return m;
}

static rg_fit_opts options(void)
{
    rg_fit_opts o = rg_fit_opts_default();
    o.rollout.threads = 1;
    o.refine = 1;
    /* few enough parameters for short recordings of a small rod to tell */
    fits_hold_all(&o);
    fits_choose(&o, RG_GROUP_BEND, RG_ALONG);
    fits_choose(&o, RG_GROUP_CURVATURE, RG_ALONG);
    fits_choose(&o, RG_GROUP_TWIST, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_STRETCH, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_BEND_TIME, RG_UNIFORM);
    fits_choose(&o, RG_GROUP_DRAG, RG_UNIFORM);
    return o;
}

/* planted noise is independent from frame to frame and small, unlike the errors of real recordings
 */
static rg_fit_opts sharp_options(void)
{
    rg_fit_opts o = options();
    o.correlation = 1.0;
    o.floor_m = 1e-4;
    fits_choose(&o, RG_GROUP_LENGTH, RG_ALONG);
    return o;
}

/* to the end; the cost never rises within a stage, and the model stays sound */
static rg_fit_progress finish(rg_fit *fit)
{
    rg_fit_progress p = {0}, before;
    rg_error err = {0};
    for (int i = 0; i < 400 && !p.done; i++) {
        before = p;
        p = fits_step(fit);
        assert_int_equal(p.iteration, i + 1);
        if (!isfinite(p.cost) || !isfinite(p.train_l1_m)) fail_msg("iteration %d: cost %g", i, p.cost);
        if (i > 0 && p.stage == before.stage && before.cost > 0.0 && !(p.cost <= before.cost))
            fail_msg("iteration %d: cost rose from %.10g to %.10g", i, before.cost, p.cost);
        if (rg_model_check(rg_fit_model(fit), &err) != RG_OK) fail_msg("%s", err.text);
    }
    assert_true(p.done);
    /* done is done */
    before = fits_step(fit);
    assert_true(before.done && before.iteration == p.iteration && before.cost == p.cost);
    return p;
}

static void fit_recovers_planted(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth();
    const double noise = 2e-4;
    fits_plant(truth, r, RECORDINGS, FRAMES, noise);
    rg_fit_opts o = sharp_options();
    rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o);
    rg_fit_progress p = finish(fit);
    assert_int_equal(p.failed_rods, 0);
    /* uniform noise of +-n has a mean of n/2; frames 0 and 1 add their own share of error */
    if (!(p.train_l1_m <= 1.2 * noise)) fail_msg("trained to %.2e m", p.train_l1_m);
    const rg_model *m = rg_fit_model(fit);
    double bend = 0.0, drag = rg_model_field(m, RG_DRAG)[3], time = rg_model_field(m, RG_BEND_RELAXATION)[3];
    for (int i = 1; i + 1 < MARKERS; i++) bend += log(rg_model_field(m, RG_BEND_STIFFNESS_1)[i]) / (MARKERS - 2);
    print_message("trained to %.2e m; bend %.3e (6e-4), relaxation %.4f (0.03), drag %.3f (0.3)\n", p.train_l1_m,
                  exp(bend), time, drag);
    /* half of the truth's scale on either side: the prior and the noise leave that much */
    assert_true(fabs(bend - log(6e-4)) <= 0.5);
    assert_true(fabs(log(time / 0.03)) <= 0.7);
    /* the l1 of all is the mean of the recordings' */
    double sum = 0.0;
    for (size_t i = 0; i < RECORDINGS; i++) {
        rg_rod_status s;
        sum += rg_fit_recording_l1(fit, i, &s) / RECORDINGS;
        assert_int_equal(s.flag, RG_ROD_OK);
    }
    assert_true(fabs(sum - p.train_l1_m) <= 1e-12);
    rg_fit_destroy(&fit);
    assert_null(fit);
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

/* l1 and flags of recordings are those of the model that the fit returns, whatever it tried last */
static void fit_reports_its_best(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth();
    fits_plant(truth, r, RECORDINGS, 20, 3e-3);
    rg_fit_opts o = options();
    o.starts = 1;
    /* on to where no step is better */
    o.tolerance = 0.0;
    o.max_iterations = 200;
    rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o);
    rg_fit_progress p = {0};
    int rejected = 0;
    double out[RECORDINGS][20 * MARKERS * 3], *place[RECORDINGS] = {out[0], out[1], out[2]};
    while (!p.done) {
        p = fits_step(fit);
        /* between two stages the model is a start, not yet rolled out */
        rejected += !p.accepted;
        rg_rod_status status[RECORDINGS];
        rg_error err = {0};
        if (rg_simulate(rg_fit_model(fit), r, RECORDINGS, &o.rollout, place, status, &err) != RG_OK)
            fail_msg("%s", err.text);
        /* in the order of the kernels' sums: a frame's, a recording's, all */
        double sum = 0.0;
        for (size_t i = 0; i < RECORDINGS; i++) {
            double all = 0.0;
            for (size_t f = 2; f < 20; f++) {
                double frame = 0.0;
                for (size_t k = 6; k < 15; k++) {
                    size_t at = f * MARKERS * 3 + k;
                    frame += fabs(out[i][at] - r[i].positions[at]);
                }
                all += frame;
            }
            sum += all;
        }
        sum /= RECORDINGS * 18 * 9;
        if (sum != p.train_l1_m)
            fail_msg("iteration %d: l1 %.17g, the model's is %.17g", p.iteration, p.train_l1_m, sum);
    }
    assert_true(rejected > 0);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

static void fit_little_data(void **state)
{
    (void)state;
    rg_recording r[1];
    rg_model *truth = make_truth();
    /* one recording; one frame of one recording */
    for (size_t frames = FRAMES; frames >= 3; frames = frames > 3 ? 3 : 0) {
        fits_plant(truth, r, 1, frames, 1e-4);
        rg_fit_opts o = options();
        o.max_iterations = 15;
        o.refine = 2;
        rg_fit *fit = fits_create(r, 1, NULL, &o);
        (void)finish(fit);
        rg_fit_destroy(&fit);
        fits_clear(r, 1);
    }
    /* one free marker */
    static const int most[] = {0, 1, 3, 4};
    r[0] = rods_recording(5, 12, most, 4, 5);
    rg_fit_opts o = options();
    o.max_iterations = 15;
    for (int g = 0; g < RG_GROUP_COUNT; g++) fits_choose(&o, g, RG_ALONG);
    rg_fit *fit = fits_create(r, 1, NULL, &o);
    (void)finish(fit);
    rg_fit_destroy(&fit);
    fits_clear(r, 1);
    rg_model_destroy(&truth);
}

static void fit_start_model(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_truth();
    fits_plant(truth, r, 2, 25, 1e-4);
    /* anisotropic, coupled, and both of that held */
    double *b1 = rg_model_field_data(truth, RG_BEND_STIFFNESS_1);
    double *b2 = rg_model_field_data(truth, RG_BEND_STIFFNESS_2);
    double *b12 = rg_model_field_data(truth, RG_BEND_COUPLING);
    for (int i = 0; i < MARKERS; i++) {
        b1[i] *= 2.0 + 0.1 * i;
        b2[i] *= 1.5;
        b12[i] = 2e-4;
    }
    set_all(truth, RG_NATURAL_TWIST, 1.0);
    rg_fit_opts o = options();
    o.max_iterations = 12;
    rg_fit *fit = fits_create(r, 2, truth, &o);
    rg_fit_progress p = fits_step(fit);
    /* a start model leaves one stage */
    assert_int_equal(p.n_stages, 1);
    double first = p.cost;
    while (!p.done) p = fits_step(fit);
    assert_true(p.cost < first);
    const rg_model *m = rg_fit_model(fit);
    for (int i = 1; i + 1 < MARKERS; i++) {
        double now = rg_model_field(m, RG_BEND_STIFFNESS_1)[i] / rg_model_field(m, RG_BEND_STIFFNESS_2)[i];
        double coupling = rg_model_field(m, RG_BEND_COUPLING)[i] / rg_model_field(m, RG_BEND_STIFFNESS_2)[i];
        /* a few roundings, however many iterations */
        assert_true(fabs(now / (b1[i] / b2[i]) - 1.0) <= 2e-15);
        assert_true(fabs(coupling / (b12[i] / b2[i]) - 1.0) <= 2e-15);
        assert_true(rg_model_field(m, RG_NATURAL_TWIST)[i] == 1.0);
    }
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

/* bending held: nothing to start from several stiffnesses with */
static void fit_one_group(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_truth();
    fits_plant(truth, r, 2, 20, 1e-4);
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        rg_fit_opts o = options();
        o.max_iterations = 6;
        fits_hold_all(&o);
        fits_choose(&o, g, RG_ALONG);
        rg_fit *fit = fits_create(r, 2, NULL, &o);
        rg_fit_progress p = finish(fit);
        assert_int_equal(p.n_stages, g == RG_GROUP_BEND ? 4 : 1);
        rg_fit_destroy(&fit);
    }
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

static void refused(const rg_recording *r, size_t n, const rg_model *start, const rg_fit_opts *o, rg_status expected,
                    const char *word)
{
    rg_fit *fit = (rg_fit *)(uintptr_t)1;
    rg_error err = {0};
    rg_status status = rg_fit_create(r, n, start, o, &fit, &err);
    if (status != expected) fail_msg("%s: %s (%s)", word, rg_status_text(status), err.text);
    assert_null(fit);
    if (!strstr(err.text, word)) fail_msg("\"%s\" does not say %s", err.text, word);
}

static void fit_bad_input_err(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth(), *other = NULL;
    fits_plant(truth, r, RECORDINGS, 10, 1e-4);
    const rg_fit_opts good = options();
    rg_fit_opts o = good;
    refused(r, 0, NULL, &o, RG_ERR_ARGUMENT, "recording");
    refused(NULL, 1, NULL, &o, RG_ERR_ARGUMENT, "recording");
    fits_hold_all(&o);
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "held");
    /* nor is there anything to fit where no marker may move */
    fits_choose(&o, RG_GROUP_STRETCH, (rg_group_mode)9);
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "stretch_stiffness");
    o = good;
    fits_prior(&o, RG_GROUP_DRAG, -1.0);
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "drag");
    fits_prior(&o, RG_GROUP_DRAG, NAN);
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "drag");
    o = good;
    o.starts = 16;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "starts");
    o = good;
    o.floor_m = NAN;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "floor");
    o = good;
    o.rollout.max_iterations = 0;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "iterations");
    o = good;
    fits_choose(&o, RG_GROUP_COUNT, RG_ALONG);
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "none of rg_group");
    o = good;
    const rg_group_choice twice[] = {{RG_GROUP_DRAG, RG_ALONG, 0.0}, {RG_GROUP_DRAG, RG_HELD, 0.0}};
    o.groups = twice;
    o.n_groups = 2;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "drag is twice");
    o.groups = NULL;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "n_groups is 2");
    o = good;
    o.struct_size = 8;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_ARGUMENT, "struct_size of a rg_fit_opts");
    o = good;
    /* recordings of unlike rods, the smaller one second: nothing may be read beyond it */
    static const int few[] = {0, 1};
    rg_recording two[2] = {r[0], rods_recording(4, 3, few, 2, 1)};
    refused(two, 2, NULL, &o, RG_ERR_SHAPE, "4 markers");
    refused(&two[1], 1, truth, &o, RG_ERR_SHAPE, "4 markers");
    rg_recording_clear(&two[1]);
    two[1] = rods_recording(MARKERS, 3, few, 2, 1);
    refused(two, 2, NULL, &o, RG_ERR_SHAPE, "driven");
    rg_recording_clear(&two[1]);
    two[1] = rods_recording(MARKERS, 2, clamps, 4, 1);
    refused(two, 2, NULL, &o, RG_ERR_SHAPE, "2 frames");
    rg_recording_clear(&two[1]);
    /* an interval that no frame shows */
    for (size_t i = 0; i < RECORDINGS; i++)
        for (size_t f = 0; f < 10; f++) r[i].valid[f * MARKERS + 3] = 0;
    refused(r, RECORDINGS, NULL, &o, RG_ERR_VALUE, "markers 2 and 3");
    /* and no free marker at all */
    for (size_t i = 0; i < RECORDINGS; i++)
        for (size_t f = 2; f < 10; f++)
            for (size_t k = 2; k < 5; k++) r[i].valid[f * MARKERS + k] = 0;
    rg_fit *fit = fits_create(r, RECORDINGS, truth, &o);
    rg_error err = {0};
    assert_int_equal(rg_fit_step(fit, NULL, &err), RG_ERR_VALUE);
    assert_true(err.text[0] != 0);
    rg_fit_destroy(&fit);
    rg_fit_destroy(&fit);
    rg_fit_destroy(NULL);
    rg_model_destroy(&other);
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

/* lost markers count neither in the fit nor in the mean; a rod that cannot be simulated is reported
 * and the others are fitted */
static void fit_bad_recording(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth();
    fits_plant(truth, r, RECORDINGS, 20, 1e-4);
    for (size_t f = 3; f < 20; f += 2) {
        size_t at = f * MARKERS + 2 + f % 3;
        r[1].positions[3 * at + f % 3] = NAN;
        /* said to be lost or not */
        r[1].valid[at] = f % 4 == 1;
    }
    rg_fit_opts o = sharp_options();
    o.max_iterations = 20;
    rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o);
    rg_fit_progress p = finish(fit);
    if (!(p.train_l1_m <= 0.6e-4)) fail_msg("trained to %.2e m", p.train_l1_m);
    rg_fit_destroy(&fit);
    /* a marker far away and fast */
    r[2].driving[3 * (MARKERS + 3) + 2] = 1e170;
    fit = fits_create(r, RECORDINGS, truth, &o);
    p = finish(fit);
    assert_int_equal(p.failed_rods, 1);
    rg_rod_status s;
    (void)rg_fit_recording_l1(fit, 2, &s);
    assert_int_equal(s.flag, RG_ROD_NONFINITE);
    assert_int_equal(s.step, 0);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

/* a strap, far stiffer one way than the other: parameters run into their bounds */
static void fit_anisotropy_bounds(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_truth();
    set_all(truth, RG_BEND_STIFFNESS_1, 3e-3);
    set_all(truth, RG_BEND_STIFFNESS_2, 1e-4);
    set_all(truth, RG_BEND_COUPLING, 5e-4);
    fits_plant(truth, r, 2, 30, 1e-5);
    rg_fit_opts o = sharp_options();
    fits_choose(&o, RG_GROUP_ANISOTROPY, RG_ALONG);
    fits_prior(&o, RG_GROUP_ANISOTROPY, 1e3);
    rg_fit *fit = fits_create(r, 2, NULL, &o);
    (void)finish(fit);
    const rg_fit_parameter *ps = NULL;
    size_t n = 0;
    rg_error err = {0};
    if (rg_fit_parameters(fit, &ps, &n, &err) != RG_OK) fail_msg("%s", err.text);
    int bound = 0;
    for (size_t i = 0; i < n; i++) bound += ps[i].group == RG_GROUP_ANISOTROPY && ps[i].at_bound;
    assert_true(bound > 0);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

/* what a fit says of its parameters holds together, and asking changes nothing */
static void fit_parameters_value(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth();
    fits_plant(truth, r, RECORDINGS, FRAMES, 2e-4);
    rg_fit_opts o = sharp_options();
    rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o), *quiet = fits_create(r, RECORDINGS, NULL, &o);
    const rg_fit_parameter *ps = NULL;
    size_t n = 0;
    rg_error err = {0};
    for (rg_fit_progress p = {0}, q; !p.done;) {
        p = fits_step(fit);
        q = fits_step(quiet);
        assert_true(p.cost == q.cost);
        if (rg_fit_parameters(fit, &ps, &n, &err) != RG_OK) fail_msg("%s", err.text);
    }
    const double *singular = rg_fit_singular_values(fit), *c = rg_fit_correlations(fit);
    assert_true(n > 10);
    for (size_t i = 0; i < n; i++) {
        assert_true(singular[i] >= 0.0 && (i == 0 || singular[i] <= singular[i - 1]));
        assert_true(isfinite(ps[i].std) && ps[i].std > 0.0);
        assert_true(ps[i].low < ps[i].value && ps[i].value < ps[i].high);
        assert_true(ps[i].resolution >= -1e-9 && ps[i].resolution <= 1.0 + 1e-9);
        for (size_t k = 0; k < n; k++) {
            /* round-off of an inverse: the singular values span five decades or so */
            assert_true(fabs(c[i * n + k] - c[k * n + i]) <= 1e-6);
            assert_true(fabs(c[i * n + k]) <= 1.0 + 1e-6);
        }
        /* independent noise: the truth is within a few deviations of what the data fixes */
        const double is = ps[i].group == RG_GROUP_BEND ? 6e-4 : (ps[i].group == RG_GROUP_LENGTH ? RODS_SPACING : 0.03);
        int known = ps[i].group == RG_GROUP_BEND || ps[i].group == RG_GROUP_LENGTH || ps[i].group == RG_GROUP_BEND_TIME;
        if (known && ps[i].resolution > 0.9 && !(fabs(ps[i].value - is) <= 5.0 * ps[i].std))
            fail_msg("%s, element %d: %.4g +- %.2g, planted %.4g", rg_group_name(ps[i].group), ps[i].element,
                     ps[i].value, ps[i].std, is);
    }
    rg_fit_destroy(&fit);
    rg_fit_destroy(&quiet);
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

static double *state_of(const rg_fit *fit, size_t *count)
{
    rg_fit_state(fit, NULL, count);
    assert_true(*count > 0);
    double *state = malloc(*count * sizeof *state);
    assert_non_null(state);
    size_t again = *count;
    rg_fit_state(fit, state, &again);
    assert_int_equal(again, *count);
    return state;
}

static void assert_same_model(const rg_model *a, const rg_model *b, int k)
{
    for (int f = 0; f < RG_FIELD_COUNT; f++) {
        size_t n = rg_model_field_entries(a, (rg_field)f) * (size_t)rg_field_describe((rg_field)f)->components;
        if (memcmp(rg_model_field(a, (rg_field)f), rg_model_field(b, (rg_field)f), n * sizeof(double)))
            fail_msg("interrupted after step %d: %s differs", k, rg_field_describe((rg_field)f)->name);
    }
}

static void check_resume(const rg_recording *r, size_t n, const rg_model *start, const rg_fit_opts *o)
{
    enum { MOST = 60 };
    rg_fit_progress whole[MOST];
    rg_error err = {0};
    rg_fit *fit = fits_create(r, n, start, o);
    int steps = 0;
    do {
        memset(&whole[steps], 0, sizeof *whole);
        whole[steps] = fits_step(fit);
    } while (!whole[steps++].done && steps < MOST);
    assert_true(whole[steps - 1].done);
    for (int k = 0; k <= steps; k++) {
        rg_fit *half = fits_create(r, n, start, o);
        for (int i = 0; i < k; i++) (void)fits_step(half);
        size_t count, same;
        double *state = state_of(half, &count);
        rg_model *model = NULL;
        assert_int_equal(rg_model_copy(rg_fit_model(half), &model, NULL), RG_OK);
        rg_fit_destroy(&half);
        half = fits_create(r, n, start, o);
        /* not only a fresh fit: one that went elsewhere meanwhile */
        if (k % 2) (void)fits_step(half);
        if (rg_fit_resume(half, state, count, &err) != RG_OK) fail_msg("%s", err.text);
        assert_same_model(model, rg_fit_model(half), k);
        double *back = state_of(half, &same);
        assert_int_equal(count, same);
        assert_memory_equal(state, back, count * sizeof *state);
        for (int i = k; i < steps; i++) {
            rg_fit_progress p = fits_step(half);
            if (p.cost != whole[i].cost || p.train_l1_m != whole[i].train_l1_m || p.stage != whole[i].stage ||
                p.iteration != whole[i].iteration || p.accepted != whole[i].accepted || p.done != whole[i].done ||
                p.failed_rods != whole[i].failed_rods)
                fail_msg("interrupted after step %d: step %d has cost %.17g, not %.17g", k, i + 1, p.cost,
                         whole[i].cost);
        }
        assert_same_model(rg_fit_model(fit), rg_fit_model(half), k);
        for (size_t i = 0; i < n; i++) {
            rg_rod_status a, b;
            double l1 = rg_fit_recording_l1(fit, i, &a);
            if (k < steps) assert_true(l1 == rg_fit_recording_l1(half, i, &b) && a.flag == b.flag);
        }
        free(back);
        free(state);
        rg_model_destroy(&model);
        rg_fit_destroy(&half);
    }
    rg_fit_destroy(&fit);
}

/* mean |error| of the free markers of a simulation by the model [m] */
static double error_of(const rg_model *m, const rg_recording *r, size_t n)
{
    double sum = 0.0, count = 0.0;
    for (size_t i = 0; i < n; i++) {
        double *out = malloc(r[i].n_frames * MARKERS * 3 * sizeof *out);
        rg_rod_status status;
        rg_error err = {0};
        assert_non_null(out);
        if (rg_simulate(m, &r[i], 1, NULL, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
        for (size_t f = 2; f < r[i].n_frames; f++)
            for (size_t k = 6; k < 15; k++, count += 1.0)
                sum += fabs(out[f * MARKERS * 3 + k] - r[i].positions[f * MARKERS * 3 + k]);
        free(out);
    }
    return sum / count;
}

/* Wherever a fit is ended, in the middle of a stage or between two, its model is the best so far, the errors it reports
 * are that model's over all recordings, and it says that it has not converged. MANY recordings: their first stages
 * take a part of them. */
static void fit_ended_anywhere(void **state)
{
    (void)state;
    enum { MANY = 33 };
    rg_recording r[MANY];
    rg_model *truth = make_truth();
    fits_plant(truth, r, MANY, 12, 1e-3);
    rg_fit_opts o = options();
    o.starts = 2;
    o.max_iterations = 2;
    int stages = 0, last_stage = -1;
    for (int steps = 0; steps < 40; steps++) {
        rg_error err = {0};
        rg_fit *fit = fits_create(r, MANY, NULL, &o);
        rg_fit_progress p = {0};
        double best_start = INFINITY;
        for (int i = 0; i < steps; i++) {
            p = fits_step(fit);
            assert_true(p.cost > 0.0 && p.train_l1_m > 0.0);
            if (p.stage < o.starts) best_start = fmin(best_start, p.train_l1_m);
        }
        const int done = p.done;
        if (p.stage != last_stage) stages++;
        last_stage = p.stage;
        if (rg_fit_end(fit, RG_STOP_TIME, &err) != RG_OK) fail_msg("%s", err.text);
        const rg_fit_parameter *ps;
        size_t n;
        if (rg_fit_parameters(fit, &ps, &n, &err) != RG_OK) fail_msg("%s", err.text);
        rg_fit_describe(fit, &p);
        assert_true(p.done);
        if (!done) assert_true(p.stopped_by == RG_STOP_TIME && !p.converged);
        const double error = error_of(rg_fit_model(fit), r, MANY);
        if (!(fabs(p.train_l1_m - error) <= 1e-6 * error))
            fail_msg("%d steps: %.9g m reported, the model's is %.9g", steps, p.train_l1_m, error);
        double sum = 0.0;
        for (size_t i = 0; i < MANY; i++) sum += rg_fit_recording_l1(fit, i, NULL) / MANY;
        assert_true(fabs(sum - error) <= 1e-6 * error);
        /* of all recordings, and not far above the best start's of a part */
        if (steps > 1 && !(error <= 2.0 * best_start)) fail_msg("%d steps: %g after %g", steps, error, best_start);
        rg_fit_destroy(&fit);
        if (done) break;
    }
    if (stages != 4) fail_msg("%d stages", stages);
    rg_model_destroy(&truth);
    fits_clear(r, MANY);
}

/* why a fit is over: it has converged, or its iterations or its time were */
static void fit_says_how_it_ended(void **state)
{
    (void)state;
    rg_recording r[RECORDINGS];
    rg_model *truth = make_truth();
    fits_plant(truth, r, RECORDINGS, 20, 1e-3);
    rg_fit_opts o = options();
    rg_fit *fit = fits_create(r, RECORDINGS, NULL, &o);
    rg_fit_progress p = {0};
    while (!p.done) {
        p = fits_step(fit);
        assert_true(p.done || (p.stopped_by == RG_STOP_NONE && !p.converged));
    }
    assert_true(p.converged && p.stopped_by == RG_STOP_TOLERANCE);
    rg_fit_destroy(&fit);
    o.max_iterations = 1;
    fit = fits_create(r, RECORDINGS, NULL, &o);
    for (p.done = 0; !p.done;) p = fits_step(fit);
    assert_true(!p.converged && p.stopped_by == RG_STOP_ITERATIONS);
    rg_fit_destroy(&fit);
    /* no time at all: the first step ends it */
    for (int m = 0; m < RG_METHOD_COUNT; m++) {
        o = options();
        o.method = (rg_fit_method)m;
        fit = fits_create(r, RECORDINGS, NULL, &o);
        rg_fit_limit_time(fit, 1e-9);
        p = fits_step(fit);
        assert_true(p.done && !p.converged && p.stopped_by == RG_STOP_TIME);
        rg_fit_destroy(&fit);
    }
    for (int s = 0; s < RG_STOP_COUNT; s++) assert_non_null(rg_fit_stop_name((rg_fit_stop_reason)s));
    assert_null(rg_fit_stop_name(RG_STOP_COUNT));
    rg_model_destroy(&truth);
    fits_clear(r, RECORDINGS);
}

/* One recording that no rod explains, whose simulation changes by leaps with the parameters, does not keep the others
 * from being fitted. */
static void fit_one_bad_among_many(void **state)
{
    (void)state;
    enum { MANY = 8 };
    rg_recording r[MANY];
    rg_model *truth = make_truth();
    fits_plant(truth, r, MANY, 30, 1e-4);
    rg_fit_opts o = options();
    rg_fit *fit = fits_create(r, MANY - 1, NULL, &o);
    const double good = finish(fit).train_l1_m;
    rg_fit_destroy(&fit);
    /* the driving markers of one end change places on the way, as in a mislabelled recording */
    for (size_t f = 15; f < 30; f++)
        for (int c = 0; c < 3; c++) {
            double *x = r[MANY - 1].driving + 3 * (f * MARKERS + 5) + c, other = x[3];
            x[3] = x[0];
            x[0] = other;
        }
    fit = fits_create(r, MANY, NULL, &o);
    (void)finish(fit);
    double sum = 0.0;
    for (size_t i = 0; i + 1 < MANY; i++) sum += rg_fit_recording_l1(fit, i, NULL) / (MANY - 1);
    print_message("trained to %.3e m without the bad one, %.3e m with it\n", good, sum);
    assert_true(sum <= 2.0 * good + 1e-3);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, MANY);
}

static void fit_resume_bitwise(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_truth();
    fits_plant(truth, r, 2, 14, 1e-3);
    rg_fit_opts o = options();
    o.starts = 2;
    o.max_iterations = 8;
    o.refine = 2;
    /* edge fields along the rod leave the grippers' edges as the uniform stage had them */
    fits_choose(&o, RG_GROUP_STRETCH, RG_ALONG);
    fits_choose(&o, RG_GROUP_LENGTH, RG_ALONG);
    check_resume(r, 2, NULL, &o);
    /* what is held between two fitted shares of bending */
    rg_model *odd = rods_model(MARKERS, 2, clamps, 4, 5);
    check_resume(r, 2, odd, &o);
    fits_choose(&o, RG_GROUP_BEND, RG_HELD);
    fits_choose(&o, RG_GROUP_ANISOTROPY, RG_UNIFORM);
    check_resume(r, 2, odd, &o);
    rg_model_destroy(&odd);
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

static void fit_resume_err(void **state)
{
    (void)state;
    rg_recording r[2];
    rg_model *truth = make_truth();
    fits_plant(truth, r, 2, 12, 1e-3);
    rg_fit_opts o = options(), other;
    o.starts = 1;
    o.max_iterations = 4;
    rg_error err = {0};
    rg_fit *fit = fits_create(r, 2, NULL, &o);
    for (int i = 0; i < 8; i++) (void)fits_step(fit);
    size_t count;
    double *saved = state_of(fit, &count), *bad = malloc((count + 1) * sizeof *bad);
    assert_non_null(bad);
    memcpy(bad, saved, count * sizeof *bad);
    bad[count] = 0.0;
    assert_int_equal(rg_fit_resume(fit, bad, count + 1, &err), RG_ERR_SHAPE);
    assert_int_equal(rg_fit_resume(fit, bad, count - 1, &err), RG_ERR_SHAPE);
    assert_int_equal(rg_fit_resume(fit, bad, 0, &err), RG_ERR_SHAPE);
    /* another fit's */
    other = o;
    fits_choose(&other, RG_GROUP_STRETCH, RG_ALONG);
    rg_fit *second = fits_create(r, 2, NULL, &other);
    if (rg_fit_resume(second, saved, count, &err) == RG_OK) fail_msg("another fit's state was taken");
    rg_fit_destroy(&second);
    other = o;
    other.rollout.real = RG_REAL_FLOAT;
    second = fits_create(r, 2, NULL, &other);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    rg_fit_destroy(&second);
    other = o;
    other.rollout.tolerance_m *= 2.0;
    second = fits_create(r, 2, NULL, &other);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    rg_fit_destroy(&second);
    other = o;
    other.rollout.gravity[0] += 1e-3;
    second = fits_create(r, 2, NULL, &other);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    rg_fit_destroy(&second);
    other = o;
    other.bend_measure = RG_BEND_NORMALISED;
    second = fits_create(r, 2, NULL, &other);
    assert_int_equal(rg_model_bend_measure(rg_fit_model(second)), RG_BEND_NORMALISED);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    rg_fit_destroy(&second);
    other = o;
    other.rollout.isa = "scalar";
    o.rollout.isa = NULL;
    second = fits_create(r, 2, NULL, &other);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    rg_fit_destroy(&second);
    /* other values in recordings of the same shape, told by the cost; the fit begins anew */
    r[1].positions[3 * (5 * MARKERS + 3)] += 1e-3;
    second = fits_create(r, 2, NULL, &o);
    assert_int_equal(rg_fit_resume(second, saved, count, &err), RG_ERR_VALUE);
    if (!strstr(err.text, "other recordings")) fail_msg("%s", err.text);
    rg_fit_progress anew = fits_step(second);
    assert_true(anew.iteration == 1 && anew.stage == 0);
    rg_fit_destroy(&second);
    r[1].positions[3 * (5 * MARKERS + 3)] -= 1e-3;
    /* any number may be damaged: refused, or a fit that goes on without harm */
    static const double wrong[] = {NAN, INFINITY, -1.0, 1e300, 0.5, 1e9};
    int refusals = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
            memcpy(bad, saved, count * sizeof *bad);
            bad[i] = wrong[k];
            rg_status status = rg_fit_resume(fit, bad, count, &err);
            if (status != RG_OK) {
                assert_true(status == RG_ERR_SHAPE || status == RG_ERR_VALUE);
                assert_true(err.text[0] != 0);
                refusals++;
            } else if (k == 0) {
                fail_msg("number %zu of the state was NaN, and taken", i);
            } else {
                rg_fit_progress p;
                (void)rg_fit_step(fit, &p, &err);
                assert_int_equal(rg_model_check(rg_fit_model(fit), &err), RG_OK);
            }
        }
    assert_true(refusals > 0);
    if (rg_fit_resume(fit, saved, count, &err) != RG_OK) fail_msg("%s", err.text);
    free(bad);
    free(saved);
    rg_fit_destroy(&fit);
    rg_model_destroy(&truth);
    fits_clear(r, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_recovers_planted),  cmocka_unit_test(fit_reports_its_best),
        cmocka_unit_test(fit_little_data),       cmocka_unit_test(fit_start_model),
        cmocka_unit_test(fit_one_group),         cmocka_unit_test(fit_bad_input_err),
        cmocka_unit_test(fit_bad_recording),     cmocka_unit_test(fit_resume_bitwise),
        cmocka_unit_test(fit_resume_err),        cmocka_unit_test(fit_anisotropy_bounds),
        cmocka_unit_test(fit_parameters_value),  cmocka_unit_test(fit_ended_anywhere),
        cmocka_unit_test(fit_says_how_it_ended), cmocka_unit_test(fit_one_bad_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
