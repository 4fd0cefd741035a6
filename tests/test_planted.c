/* test_planted.c [SEEDS]: a fit finds the parameters that were planted, and knows how well it did.
 *
 * A rope of 9 markers, 8 recordings of 300 frames, the same motion each time, other noise with each
 * seed. The fit is told what is known of this noise: that it is white (correlation 1) and its size
 * (floor). With drivers as they were: estimates within their standard deviations of the truth, and
 * those deviations like the spread over seeds. With noisy drivers, which the fit takes for
 * the truth: the bias is printed. Deviations come from 48 blocks of frames and are themselves known
 * to some 10 %. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fits.h"
#include "rodgrad/study.h"
#include "rodgrad/rodgrad.h"

enum { MARKERS = 9, RECORDINGS = 8, FRAMES = 300, MOST = 64, MOST_SEEDS = 100 };
static const double noise_m = 0.0005;
static int n_seeds = 4;

static void must(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static const struct {
    rg_group group;
    rg_field field;
} fitted[] = {{RG_GROUP_BEND, RG_BEND_STIFFNESS_1},     {RG_GROUP_CURVATURE, RG_NATURAL_CURVATURE},
              {RG_GROUP_TWIST, RG_TWIST_STIFFNESS},     {RG_GROUP_STRETCH, RG_STRETCH_STIFFNESS},
              {RG_GROUP_BEND_TIME, RG_BEND_RELAXATION}, {RG_GROUP_DRAG, RG_DRAG}};

static void fill(rg_model *model, rg_field field, double value)
{
    double *data = rg_model_field_data(model, field);
    size_t n = rg_model_field_entries(model, field) * (size_t)rg_field_describe(field)->components;
    for (size_t i = 0; i < n; i++) data[i] = value;
}

/* the planted rod, and one that is uniform and wrong in everything that is fitted */
static void make_models(rg_model **truth, rg_model **start)
{
    static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
    rg_error err = {0};
    must(rg_model_create(MARKERS, 1, clamps, 4, truth, &err), &err);
    double *length = rg_model_field_data(*truth, RG_REST_LENGTH);
    for (size_t k = 0; k + 1 < MARKERS; k++) length[k] = k == 0 || k + 2 == MARKERS ? 0.025 : 0.1;
    must(rg_model_copy(*truth, start, &err), &err);
    for (size_t k = 0; k < MARKERS; k++) {
        double s = fmin(fmax((double)k, 1.0), MARKERS - 2.0);
        double b = 2e-3 * exp(0.3 * sin(1.1 * s));
        rg_model_field_data(*truth, RG_BEND_STIFFNESS_1)[k] = b;
        rg_model_field_data(*truth, RG_BEND_STIFFNESS_2)[k] = b;
        rg_model_field_data(*truth, RG_NATURAL_CURVATURE)[2 * k] = 0.4 + cos(0.8 * s);
        rg_model_field_data(*truth, RG_NATURAL_CURVATURE)[2 * k + 1] = 0.8 * sin(0.6 * s + 1.0);
    }
    fill(*truth, RG_TWIST_STIFFNESS, 1e-3);
    fill(*truth, RG_BEND_RELAXATION, 0.08);
    fill(*truth, RG_DRAG, 0.1);
    fill(*truth, RG_STRETCH_STIFFNESS, 60.0);
    fill(*start, RG_BEND_STIFFNESS_1, 1.5e-3);
    fill(*start, RG_BEND_STIFFNESS_2, 1.5e-3);
    fill(*start, RG_TWIST_STIFFNESS, 0.7e-3);
    fill(*start, RG_BEND_RELAXATION, 0.05);
    fill(*start, RG_DRAG, 0.05);
    fill(*start, RG_STRETCH_STIFFNESS, 100.0);
}

static double planted_value(const rg_model *truth, const rg_fit_parameter *p)
{
    for (size_t i = 0; i < sizeof fitted / sizeof *fitted; i++) {
        if (fitted[i].group != p->group) continue;
        size_t entry = p->element < 0 ? 1 : (size_t)p->element;
        size_t width = (size_t)rg_field_describe(fitted[i].field)->components;
        return rg_model_field(truth, fitted[i].field)[entry * width + (size_t)p->component];
    }
    fail_msg("no truth for %s", rg_group_name(p->group));
    return NAN;
}

/* errors and standard deviations on the fitted scale, [seed][parameter] */
typedef struct study {
    rg_fit_parameter info[MOST];
    size_t n;
    double error[MOST_SEEDS][MOST], std[MOST_SEEDS][MOST];
} study;

static void run_seed(const rg_model *truth, const rg_model *start, double driver_noise_m, int seed, study *s)
{
    rg_error err = {0};
    rg_recording r[RECORDINGS];
    rg_plant_opts plant = rg_plant_opts_default();
    plant.n_frames = FRAMES;
    plant.noise_m = noise_m;
    plant.driver_noise_m = driver_noise_m;
    plant.noise_seed = 100 + (uint64_t)seed;
    must(rg_plant(truth, &plant, 0, RECORDINGS, r, &err), &err);
    rg_fit_opts opts = rg_fit_opts_default();
    fits_hold_all(&opts);
    for (size_t i = 0; i < sizeof fitted / sizeof *fitted; i++)
        fits_choose(&opts, fitted[i].group,
                    fitted[i].group == RG_GROUP_BEND || fitted[i].group == RG_GROUP_CURVATURE ? RG_ALONG : RG_UNIFORM);
    opts.correlation = 1.0;
    opts.floor_m = noise_m;
    opts.tolerance = 1e-9;
    opts.max_iterations = 60;
    rg_fit *fit = NULL;
    rg_fit_progress progress = {0};
    must(rg_fit_create(r, RECORDINGS, start, &opts, &fit, &err), &err);
    while (!progress.done) must(rg_fit_step(fit, &progress, &err), &err);
    assert_int_equal(progress.failed_rods, 0);
    const rg_fit_parameter *p = NULL;
    must(rg_fit_parameters(fit, &p, &s->n, &err), &err);
    assert_true(s->n > 0 && s->n <= MOST);
    memcpy(s->info, p, s->n * sizeof *p);
    for (size_t i = 0; i < s->n; i++) {
        double value = planted_value(truth, &p[i]);
        s->error[seed][i] = p[i].logarithmic ? log(p[i].value / value) : p[i].value - value;
        s->std[seed][i] = p[i].logarithmic ? p[i].std / p[i].value : p[i].std;
    }
    rg_fit_destroy(&fit);
    for (size_t i = 0; i < RECORDINGS; i++) rg_recording_clear(&r[i]);
}

/* mean error, spread over seeds and mean reported deviation of parameter i */
static void summary(const study *s, size_t i, double *mean, double *spread, double *std)
{
    *mean = *std = *spread = 0.0;
    for (int k = 0; k < n_seeds; k++) {
        *mean += s->error[k][i] / n_seeds;
        *std += s->std[k][i] / n_seeds;
    }
    for (int k = 0; k < n_seeds; k++) *spread += pow(s->error[k][i] - *mean, 2.0) / (n_seeds - 1);
    *spread = sqrt(*spread);
}

static study *run(double driver_noise_m)
{
    rg_model *truth = NULL, *start = NULL;
    study *s = calloc(1, sizeof *s);
    assert_non_null(s);
    make_models(&truth, &start);
    for (int seed = 0; seed < n_seeds; seed++) run_seed(truth, start, driver_noise_m, seed, s);
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    print_message("%d seeds, drivers with %g mm of noise (logarithmic parameters: relative)\n"
                  "%-24s %10s %10s %10s %9s %9s %7s\n",
                  n_seeds, 1e3 * driver_noise_m, "parameter", "bias", "spread", "std", "std/spr.", "bias/std",
                  "max |z|");
    for (size_t i = 0; i < s->n; i++) {
        double mean, spread, std, worst = 0.0;
        char name[64];
        summary(s, i, &mean, &spread, &std);
        for (int k = 0; k < n_seeds; k++) worst = fmax(worst, fabs(s->error[k][i] / s->std[k][i]));
        snprintf(name, sizeof name, "%s[%d].%d", rg_group_name(s->info[i].group), s->info[i].element,
                 s->info[i].component + 1);
        print_message("%-24s %10.2e %10.2e %10.2e %9.2f %9.2f %7.2f%s\n", name, mean, spread, std, std / spread,
                      mean / std, worst, s->info[i].identifiable ? "" : "  (not identifiable)");
    }
    return s;
}

static void planted_truth_within_deviations(void **state)
{
    (void)state;
    study *s = run(0.0);
    size_t beyond = 0, counted = 0;
    double squares = 0.0, variances = 0.0, number = 0.0;
    for (size_t i = 0; i < s->n; i++) {
        double mean, spread, std;
        summary(s, i, &mean, &spread, &std);
        assert_true(isfinite(mean) && isfinite(std));
        if (!s->info[i].identifiable) continue;
        number += 1.0;
        for (int k = 0; k < n_seeds; k++) {
            double z = fabs(s->error[k][i] / s->std[k][i]);
            /* the first fit stands for the one that a user makes */
            if (k == 0 && !(z <= 3.0)) fail_msg("parameter %zu is %.2f deviations off", i, z);
            /* Student's t with 48 blocks less 25 parameters, 500 draws: 4.5 is passed once in 6000
             * sets */
            if (!(z <= 4.5)) fail_msg("parameter %zu, seed %d: %.2f deviations off", i, k, z);
            beyond += z > 3.0;
            squares += z * z;
            counted++;
        }
        /* the priors pull by less than a deviation */
        if (!(fabs(mean) < std)) fail_msg("parameter %zu: bias of %g deviations", i, mean / std);
        variances += spread * spread / (std * std);
        /* a spread over 4 seeds is known to 40 % and over 20 to 16 %: only those are judged one by
         * one */
        if (n_seeds >= 20 && !(std / spread > 0.5 && std / spread < 2.0))
            fail_msg("parameter %zu: deviation %g, spread %g", i, std, spread);
    }
    assert_true(number >= 24.0);
    print_message("%zu of %zu beyond three deviations; rms of error/std %.2f, of spread/std %.2f\n", beyond, counted,
                  sqrt(squares / (double)counted), sqrt(variances / number));
    /* 0.3 % for normal errors, 0.6 % for t with 23 degrees of freedom */
    if (!(beyond * 50 <= counted)) fail_msg("%zu of %zu beyond three deviations", beyond, counted);
    /* all parameters together even in a few seeds: within a factor of 2 */
    double together = sqrt(variances / number);
    if (!(together > 0.5 && together < 2.0)) fail_msg("spread over std is %.2f", together);
    free(s);
}

/* 0.05 mm is the noise of the recorded cables, 1 mm a bad camera */
static void planted_driver_noise_biases(void **state)
{
    (void)state;
    static const double noises[] = {0.00005, 0.001};
    double worst[2] = {0.0, 0.0};
    for (size_t k = 0; k < 2; k++) {
        study *s = run(noises[k]);
        for (size_t i = 0; i < s->n; i++) {
            double mean, spread, std;
            summary(s, i, &mean, &spread, &std);
            assert_true(isfinite(mean) && isfinite(std));
            if (s->info[i].identifiable) worst[k] = fmax(worst[k], fabs(mean / std));
        }
        print_message("largest bias of an identifiable parameter: %.2f deviations\n", worst[k]);
        free(s);
    }
    /* as good as unbiased at the noise of real recordings: with 4 seeds a mean scatters by half a
     * deviation */
    if (!(worst[0] < (n_seeds >= 20 ? 1.0 : 2.0))) fail_msg("bias of %.2f deviations", worst[0]);
    assert_true(worst[1] > worst[0]);
}

int main(int argc, char **argv)
{
    if (argc > 1) n_seeds = atoi(argv[1]);
    if (argc > 2 || n_seeds < 2 || n_seeds > MOST_SEEDS) {
        fprintf(stderr, "usage: test_planted [SEEDS], 2 to %d\n", MOST_SEEDS);
        return 2;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_truth_within_deviations),
                                       cmocka_unit_test(planted_driver_noise_biases)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
