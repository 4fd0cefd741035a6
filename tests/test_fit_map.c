/* test_fit_map.c: from scaled parameters through fields and coefficients to markers and loss.
 *
 * The derivatives of a batch's markers in the directions that rgi_parameters makes are held against
 * differences of rg_simulate with respect to the scaled parameters; the normal equations, gradients
 * by block and losses against sums over markers and derivatives formed here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "fit/parameters.h"
#include "grad_table.h"
#include "rods.h"

enum { MARKERS = 6, FRAMES = 8, RECORDINGS = 3, COORDINATES = (FRAMES - 2) * MARKERS * 3 };

static const int grip_both[] = {0, 1, 4, 5}, grip_one[] = {0, 1}, grip_middle[] = {2, 3}, grip_point[] = {3};
static const struct grip {
    const int *clamps;
    size_t n;
} grips[] = {{grip_both, 4}, {grip_one, 2}, {grip_middle, 2}, {grip_point, 1}};

static void ok(rg_status status, const rg_error *err)
{
    if (status != RG_OK) fail_msg("%s", err->text);
}

static rgi_residuals_opts batch_options(size_t directions)
{
    rgi_residuals_opts o;
    memset(&o, 0, sizeof o);
    o.rollout = rg_rollout_opts_default();
    /* solved to round-off: what is left of the error is its square */
    o.rollout.tolerance_m = 1e-24;
    o.rollout.threads = 1;
    o.markers = o.markers_jvp = o.fit = 1;
    o.max_directions = directions;
    o.floor_m = 0.003;
    o.block = 4;
    return o;
}

static void simulate(const rg_model *model, const rg_recording *r, size_t n, double *const *out)
{
    rg_rollout_opts o = batch_options(0).rollout;
    rg_rod_status status[RECORDINGS];
    rg_error err = {0};
    ok(rg_simulate(model, r, n, &o, out, status, &err), &err);
    for (size_t i = 0; i < n; i++)
        if (status[i].flag != RG_ROD_OK)
            fail_msg("recording %zu: %s in step %d", i, rg_rod_flag_text(status[i].flag), status[i].step);
}

/* fourth-order differences of the markers along parameter q, step h */
static void differences(rgi_parameters *ps, double *u, const rg_model *at, const rg_recording *r, size_t q, double h,
                        double *out)
{
    static const double steps[4] = {1.0, -1.0, 2.0, -2.0}, weights[4] = {8.0, -8.0, -1.0, 1.0};
    double markers[FRAMES * MARKERS * 3], *place[1] = {markers}, was = u[q];
    memset(out, 0, COORDINATES * sizeof *out);
    for (int k = 0; k < 4; k++) {
        rg_model *model = NULL;
        ok(rg_model_copy(at, &model, NULL), NULL);
        u[q] = was + h * steps[k];
        rgi_parameters_apply(ps, u, model);
        simulate(model, r, 1, place);
        rg_model_destroy(&model);
        for (int i = 0; i < COORDINATES; i++) out[i] += weights[k] * markers[2 * MARKERS * 3 + i] / (12.0 * h);
    }
    u[q] = was;
}

/* one group in one mode: returns the worst error, relative to the parameter's own effect */
static double check_group(rg_group group, rg_group_mode mode, size_t refine, const struct grip *grip)
{
    rg_group_mode modes[RG_GROUP_COUNT] = {RG_HELD};
    double priors[RG_GROUP_COUNT], *u = NULL, worst = 0.0, largest = 0.0;
    rg_error err = {0};
    modes[group] = mode;
    for (int g = 0; g < RG_GROUP_COUNT; g++) priors[g] = rgi_group_describe((rg_group)g)->prior;
    rg_model *model = rods_model(MARKERS, refine, grip->clamps, grip->n, 11u + (unsigned)group);
    rg_recording r = rods_recording(MARKERS, FRAMES, grip->clamps, grip->n, 5u + (unsigned)group);
    rgi_parameters ps;
    ok(rgi_parameters_create(model, modes, priors, &ps, &u, &err), &err);
    if (ps.n == 0) fail_msg("%s has no parameter", rg_group_name(group));
    rgi_parameters_apply(&ps, u, model);
    ok(rg_model_check(model, &err), &err);
    rgi_residuals_opts o = batch_options(ps.n);
    rgi_residuals *batch = NULL;
    ok(rgi_residuals_create(model, &r, 1, &o, &batch, &err), &err);
    ok(rgi_residuals_set(batch, model, ps.directions, ps.n, &err), &err);
    assert_int_equal(rgi_residuals_run(batch, NULL), RG_OK);
    double mine[COORDINATES], theirs[COORDINATES], errors[64], sizes[64];
    assert_true(ps.n <= 64);
    /* a long step for effects that round-off hides (1e-5 m to a prior's deviation against 1e-15 m),
     * a short one for those that bend; the better counts */
    for (size_t q = 0; q < ps.n; q++) {
        rgi_residuals_markers_jvp(batch, 0, q, mine);
        errors[q] = INFINITY;
        for (int k = 0; k < 2; k++) {
            double e = 0.0;
            differences(&ps, u, model, &r, q, (k ? 0.002 : 0.01) * priors[group], theirs);
            sizes[q] = 0.0;
            for (int i = 0; i < COORDINATES; i++) {
                if (!(fabs(mine[i] - theirs[i]) <= e)) e = fabs(mine[i] - theirs[i]);
                sizes[q] = fmax(sizes[q], fabs(theirs[i]));
            }
            errors[q] = fmin(errors[q], isnan(e) ? INFINITY : e);
        }
        largest = fmax(largest, sizes[q]);
    }
    /* a parameter that hardly acts counts by its group's largest effect */
    for (size_t q = 0; q < ps.n; q++) {
        double scale = fmax(sizes[q], 0.01 * largest);
        double e = errors[q] / scale;
        if (!(e <= worst)) worst = e;
        if (!(e <= 1e-7))
            fail_msg("%s, mode %d, refine %zu, grip %td, parameter %zu (element %d, component %d): "
                     "derivative %.3e m off by %.1e",
                     rg_group_name(group), (int)mode, refine, grip - grips, q, ps.list[q].element, ps.list[q].component,
                     sizes[q], e);
    }
    rgi_residuals_destroy(&batch);
    rgi_parameters_clear(&ps);
    free(u);
    rg_recording_clear(&r);
    rg_model_destroy(&model);
    return worst;
}

static void fit_map_groups_fd(void **state)
{
    (void)state;
    double most = 0.0;
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        double worst = 0.0;
        for (int mode = RG_UNIFORM; mode <= RG_ALONG; mode++)
            for (size_t refine = 1; refine <= 3; refine++)
                worst = fmax(worst, check_group((rg_group)g, (rg_group_mode)mode, refine,
                                                &grips[(size_t)(g + mode) % 4 * (refine > 1)]));
        print_message("%-20s %.1e\n", rg_group_name((rg_group)g), worst);
        most = worst <= most ? most : worst;
    }
    grad_record("central differences", "markers by a fit's parameters, every group", most, 1e-7, GRAD_AT_MOST);
}

/* all groups along the rod, three recordings of different lengths with masked and lost markers */
typedef struct problem {
    rg_model *model;
    rg_recording recordings[RECORDINGS];
    rgi_parameters ps;
    double *u;
} problem;

static problem make_problem(size_t refine)
{
    problem p;
    memset(&p, 0, sizeof p);
    rg_group_mode modes[RG_GROUP_COUNT];
    double priors[RG_GROUP_COUNT];
    rg_error err = {0};
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        modes[g] = g % 3 ? RG_ALONG : RG_UNIFORM;
        priors[g] = rgi_group_describe((rg_group)g)->prior;
    }
    p.model = rods_model(MARKERS, refine, grip_one, 2, 3);
    static const size_t frames[RECORDINGS] = {5, FRAMES, 7};
    for (int i = 0; i < RECORDINGS; i++) {
        rg_recording *r = &p.recordings[i];
        *r = rods_recording(MARKERS, frames[i], grip_one, 2, 40u + (unsigned)i);
        uint64_t seed = 90u + (unsigned)i;
        /* measured: noise on both sides of the loss's floor */
        for (size_t f = 2; f < r->n_frames; f++)
            for (size_t k = 6; k < 3 * MARKERS; k++) r->positions[f * 3 * MARKERS + k] += 0.004 * random_signed(&seed);
    }
    p.recordings[1].valid[3 * MARKERS + 4] = 0;
    p.recordings[1].valid[4 * MARKERS + 2] = 0;
    p.recordings[1].positions[3 * (4 * MARKERS + 2)] = 1e3;
    p.recordings[2].valid[5 * MARKERS + 3] = 0;
    p.recordings[2].positions[3 * (5 * MARKERS + 3) + 1] = NAN;
    /* the start's velocity is over three intervals */
    p.recordings[0].lost = calloc(frames[0], sizeof *p.recordings[0].lost);
    if (!p.recordings[0].lost) abort();
    p.recordings[0].lost[1] = 2;
    ok(rgi_parameters_create(p.model, modes, priors, &p.ps, &p.u, &err), &err);
    rgi_parameters_apply(&p.ps, p.u, p.model);
    return p;
}

static void clear_problem(problem *p)
{
    rg_model_destroy(&p->model);
    for (int i = 0; i < RECORDINGS; i++) rg_recording_clear(&p->recordings[i]);
    rgi_parameters_clear(&p->ps);
    free(p->u);
}

static rgi_residuals *roll_out(const problem *p, const char *isa)
{
    rgi_residuals_opts o = batch_options(p->ps.n + 3);
    rgi_residuals *batch = NULL;
    rg_error err = {0};
    o.rollout.isa = isa;
    ok(rgi_residuals_create(p->model, p->recordings, RECORDINGS, &o, &batch, &err), &err);
    ok(rgi_residuals_set(batch, p->model, p->ps.directions, p->ps.n, &err), &err);
    assert_int_equal(rgi_residuals_run(batch, NULL), RG_OK);
    return batch;
}

static void close_to(double a, double b, double scale, const char *what, size_t i, size_t k)
{
    /* sums of a few hundred terms in another order */
    if (!(fabs(a - b) <= 1e-12 * scale)) fail_msg("%s (%zu, %zu): %.15g is not %.15g", what, i, k, a, b);
}

static void check_normal(const problem *p, const char *isa)
{
    const size_t n = p->ps.n;
    const rgi_residuals_opts o = batch_options(0);
    rgi_residuals *batch = roll_out(p, isa);
    double *normal = calloc(6 * n * n, sizeof *normal), *expected = normal + n * n;
    double *spread[2] = {normal + 2 * n * n, normal + 3 * n * n};
    double *expected_spread[2] = {normal + 4 * n * n, normal + 5 * n * n};
    double *gradient = calloc(5 * n, sizeof *gradient), *expected_gradient = gradient + n;
    double *block = gradient + 2 * n, *whole = gradient + 3 * n, *scratch = gradient + 4 * n;
    double *jac = malloc(n * COORDINATES * sizeof *jac), markers[COORDINATES];
    assert_true(normal && gradient && jac);
    for (size_t i = 0; i < RECORDINGS; i++) {
        const rg_recording *r = &p->recordings[i];
        double loss = 0.0, absolute = 0.0, got[2];
        rgi_residuals_markers(batch, i, markers);
        for (size_t q = 0; q < n; q++) rgi_residuals_markers_jvp(batch, i, q, jac + q * COORDINATES);
        memset(whole, 0, n * sizeof *whole);
        memset(block, 0, n * sizeof *block);
        for (size_t f = 2; f < r->n_frames; f++) {
            for (size_t k = 2; k < MARKERS; k++) {
                if (!r->valid[f * MARKERS + k]) continue;
                for (size_t c = 0; c < 3; c++) {
                    size_t at = ((f - 2) * MARKERS + k) * 3 + c;
                    double e = markers[at] - r->positions[2 * MARKERS * 3 + at], size = fabs(e);
                    double w = 1.0 / fmax(size, o.floor_m);
                    absolute += size;
                    loss += size < o.floor_m ? 0.5 * e * e / o.floor_m : size - 0.5 * o.floor_m;
                    for (size_t a = 0; a < n; a++) {
                        double ja = jac[a * COORDINATES + at];
                        block[a] += w * e * ja;
                        whole[a] += w * e * ja;
                        expected_gradient[a] += w * e * ja;
                        for (size_t b = 0; b < n; b++) expected[a * n + b] += w * ja * jac[b * COORDINATES + at];
                    }
                }
            }
            if ((f - 1) % (size_t)o.block && f + 1 < r->n_frames) continue;
            for (size_t a = 0; a < n; a++)
                for (size_t b = 0; b < n; b++) expected_spread[0][a * n + b] += block[a] * block[b];
            memset(block, 0, n * sizeof *block);
        }
        for (size_t a = 0; a < n; a++)
            for (size_t b = 0; b < n; b++) expected_spread[1][a * n + b] += whole[a] * whole[b];
        rgi_residuals_loss(batch, i, &got[0], &got[1]);
        close_to(got[0], loss, loss, "loss", i, 0);
        close_to(got[1], absolute, absolute, "absolute error", i, 0);
    }
    rgi_residuals_normal(batch, normal, gradient);
    rgi_residuals_spread(batch, 0, spread[0], scratch);
    rgi_residuals_spread(batch, 1, spread[1], scratch);
    double size = 0.0;
    for (size_t a = 0; a < n; a++) size = fmax(size, expected[a * n + a]);
    for (size_t a = 0; a < n; a++) {
        double da = sqrt(expected[a * n + a]);
        /* |J^T w r| <= |J^T W J|^1/2 |r W r|^1/2, the latter about 10 here */
        close_to(gradient[a], expected_gradient[a], 10.0 * da, "gradient", a, 0);
        for (size_t b = 0; b < n; b++) {
            double scale = da * sqrt(expected[b * n + b]);
            close_to(normal[a * n + b], expected[a * n + b], scale, "normal matrix", a, b);
            for (int k = 0; k < 2; k++)
                close_to(spread[k][a * n + b], expected_spread[k][a * n + b], 100.0 * scale,
                         k ? "spread by recording" : "spread by block", a, b);
        }
    }
    assert_true(size > 0.0);
    free(jac);
    free(gradient);
    free(normal);
    rgi_residuals_destroy(&batch);
}

static void fit_map_normal_value(void **state)
{
    (void)state;
    static const char *const isas[] = {"scalar", NULL};
    for (size_t refine = 1; refine <= 2; refine++)
        for (int k = 0; k < 2; k++) {
            problem p = make_problem(refine);
            check_normal(&p, isas[k]);
            clear_problem(&p);
        }
}

static double total_loss(const problem *p, const double *u)
{
    problem moved = *p;
    double sum = 0.0;
    ok(rg_model_copy(p->model, &moved.model, NULL), NULL);
    rgi_parameters_apply(&moved.ps, u, moved.model);
    rgi_residuals *batch = roll_out(&moved, NULL);
    for (size_t i = 0; i < RECORDINGS; i++) {
        double loss, absolute;
        rgi_residuals_loss(batch, i, &loss, &absolute);
        sum += loss;
    }
    rgi_residuals_destroy(&batch);
    rg_model_destroy(&moved.model);
    return sum;
}

static void fit_map_gradient_fd(void **state)
{
    (void)state;
    problem p = make_problem(2);
    const size_t n = p.ps.n;
    rgi_residuals *batch = roll_out(&p, NULL);
    double *normal = calloc(n * n, sizeof *normal), *gradient = calloc(3 * n, sizeof *gradient);
    assert_true(normal && gradient);
    rgi_residuals_normal(batch, normal, gradient);
    double *along = gradient + n, *u = gradient + 2 * n;
    uint64_t seed = 6;
    for (int trial = 0; trial < 20; trial++) {
        double mine = 0.0, size = 0.0;
        for (size_t i = 0; i < n; i++) {
            along[i] = random_signed(&seed) * p.ps.list[i].prior_std;
            mine += gradient[i] * along[i];
            size += fabs(gradient[i] * along[i]);
        }
        const double h = 1e-4;
        double loss[4];
        for (int k = 0; k < 4; k++) {
            double step = h * (k < 2 ? 1.0 : 2.0) * (k % 2 ? -1.0 : 1.0);
            for (size_t i = 0; i < n; i++) u[i] = p.u[i] + step * along[i];
            loss[k] = total_loss(&p, u);
        }
        double theirs = (8.0 * (loss[0] - loss[1]) - (loss[2] - loss[3])) / (12.0 * h);
        /* residuals that cross the floor within the step bend the loss's second derivative: h */
        if (!(fabs(mine - theirs) <= 1e-7 * size))
            fail_msg("trial %d: %.10g along the direction, differences say %.10g", trial, mine, theirs);
    }
    free(normal);
    free(gradient);
    rgi_residuals_destroy(&batch);
    clear_problem(&p);
}

/* whatever corner of its bounds a fit runs into, the model there is sound */
static void fit_map_bounds_sound(void **state)
{
    (void)state;
    rg_group_mode modes[RG_GROUP_COUNT];
    double priors[RG_GROUP_COUNT], *u = NULL;
    rg_error err = {0};
    uint64_t seed = 12;
    for (int g = 0; g < RG_GROUP_COUNT; g++) {
        modes[g] = RG_ALONG;
        priors[g] = 1.0;
    }
    rg_model *model = rods_model(MARKERS, 3, grip_both, 4, 2);
    rgi_parameters ps;
    ok(rgi_parameters_create(model, modes, priors, &ps, &u, &err), &err);
    for (int corner = 0; corner < 200; corner++) {
        for (size_t i = 0; i < ps.n; i++)
            u[i] = (corner < 2 ? corner : random_signed(&seed) < 0.0) ? ps.list[i].low : ps.list[i].high;
        rgi_parameters_apply(&ps, u, model);
        ok(rg_model_check(model, &err), &err);
    }
    rgi_parameters_clear(&ps);
    free(u);
    rg_model_destroy(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_map_bounds_sound),
        cmocka_unit_test(fit_map_groups_fd),
        cmocka_unit_test(fit_map_normal_value),
        cmocka_unit_test(fit_map_gradient_fd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
