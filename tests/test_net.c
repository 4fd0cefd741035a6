/* test_net.c [--update]: hashes (net.h) of batches and of small fits. Batches: states, a tangent and gradients, stored
 * and from checkpoints, of every stepper and scheme, in both reals, of rods held in two ways. Fits: parameters, their
 * deviations and recordings' errors by every method. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backend.h"
#include "fits.h"
#include "grad_scene.h"
#include "net.h"

/* ---- batches ---- */

static uint64_t hash_outputs(const grad_scene *s, const grad_outputs *out)
{
    const size_t frames = s->rods * s->opts.n_frames, n = s->vertices;
    uint64_t hash = net_hash(NET_BEGIN, out->x, frames * 3 * n);
    hash = net_hash(hash, out->v, frames * 3 * n);
    hash = net_hash(hash, out->m, frames * 3 * (n - 1));
    hash = net_hash(hash, out->turn, frames * (n - 1));
    return net_hash(hash, out->markers, frames * 3 * s->markers);
}

static uint64_t hash_vector(const grad_scene *s, const grad_vector *g)
{
    uint64_t hash = NET_BEGIN;
    for (int k = 0; k < GRAD_KINDS; k++) hash = net_hash(hash, g->of[k], s->rods * s->count[k]);
    return hash;
}

/* a scene's arrays and models, a direction and cotangents */
static uint64_t hash_inputs(const grad_scene *s, const grad_vector *d, const grad_outputs *bar)
{
    const size_t n = s->vertices;
    uint64_t hash = net_hash(hash_vector(s, d) ^ hash_outputs(s, bar), s->x0, s->rods * 3 * n);
    hash = net_hash(hash, s->v0, s->rods * 3 * n);
    hash = net_hash(hash, s->m0, s->rods * 3 * (n - 1));
    hash = net_hash(hash, s->clamp_x, s->rods * s->steps * 3 * s->clamped);
    hash = net_hash(hash, s->clamp_m, s->rods * s->steps * 3 * s->held);
    hash = net_hash(hash, s->force, s->rods * s->steps * 3 * n);
    for (size_t i = 0; i < s->rods; i++)
        for (int f = 0; f < RG_FIELD_COUNT; f++)
            hash = net_hash(hash, rg_model_field(s->models[i], (rg_field)f),
                            rg_model_field_entries(s->models[i], (rg_field)f) *
                                (size_t)rg_field_describe((rg_field)f)->components);
    return hash;
}

static void check_batch(int stepper, grad_grip grip)
{
    net_way on[8];
    const size_t n = net_ways(on);
    grad_scene *s = grad_scene_sized(stepper, grip, 3, 5, 2, 6, 2, 0x6e37 + (uint64_t)grip);
    const grad_vector d = grad_vector_random(s, 2);
    grad_outputs bar = grad_outputs_random(s, 3), pull = grad_outputs_zero(s);
    /* the tensions' share apart, and what came later left out */
    pull.tension = bar.tension;
    bar.tension = bar.reaction = bar.reaction_moment = bar.moment = bar.energy = NULL;
    pull.reaction = pull.reaction_moment = pull.moment = pull.energy = NULL;
    char at[NET_NAME / 2];
    snprintf(at, sizeof at, "%s, held at %s", grad_stepper_name(stepper), grad_grip_name(grip));
    if (!net_matches(hash_inputs(s, &d, &bar), "", "inputs: %s", at)) {
        print_message("%s: left out, as this machine makes other inputs\n", at);
        grad_scene_free(s);
        return;
    }
    for (size_t k = 0; k < n; k++)
        for (int real = 0; real < 2; real++) {
            const char *isa = on[k].isa ? on[k].isa : "";
            const size_t budgets[] = {RG_STORE_ALL, 0};
            s->opts.rollout.isa = on[k].isa;
            s->opts.rollout.context = backend;
            s->opts.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
            for (size_t b = 0; b < 2; b++) {
                const grad_outputs out = grad_outputs_zero(s), d_out = grad_outputs_zero(s);
                const grad_vector g = grad_vector_zero(s);
                s->opts.budget_bytes = budgets[b];
                grad_scene_open(s);
                grad_jvp(s, &d, GRAD_ALL, &d_out);
                grad_forward(s, &out);
                grad_adjoint(s, &bar, &g, GRAD_ALL);
                net_check(hash_outputs(s, &out), isa, "%s, %s, %s: states", at, net_reals[real], on[k].class);
                net_check(hash_outputs(s, &d_out), isa, "%s, %s, %s: tangents", at, net_reals[real], on[k].class);
                net_check(hash_vector(s, &g), isa, "%s, %s, %s: gradients", at, net_reals[real], on[k].class);
                if (!out.tension) continue;
                grad_adjoint(s, &pull, &g, GRAD_ALL);
                const size_t edges = s->rods * s->opts.n_frames * (s->vertices - 1);
                const uint64_t tension = net_hash(NET_BEGIN, out.tension, edges);
                net_check(net_hash(tension, d_out.tension, edges) ^ hash_vector(s, &g), isa, "%s, %s, %s: tension", at,
                          net_reals[real], on[k].class);
            }
        }
    grad_scene_free(s);
}

static void net_batches(void **state)
{
    (void)state;
    static const int steppers[] = {GRAD_EULER, GRAD_BDF2, GRAD_DEFORM, GRAD_STATIC, GRAD_NORMALISED};
    net_wrong = 0;
    for (size_t i = 0; i < sizeof steppers / sizeof *steppers; i++) {
        check_batch(steppers[i], GRAD_ENDS);
        check_batch(steppers[i], GRAD_MIXED);
    }
    assert_int_equal(net_wrong, 0);
}

/* ---- fits ---- */

static void net_fits(void **state)
{
    (void)state;
    enum { MARKERS = 6, RECORDINGS = 5, FRAMES = 14 };
    static const int clamps[] = {0, 1, MARKERS - 2, MARKERS - 1};
    static const rg_fit_method methods[] = {RG_METHOD_LM, RG_METHOD_GAUSS_NEWTON_CG, RG_METHOD_LBFGS, RG_METHOD_ADAM};
    net_way on[8];
    const size_t n = net_ways(on);
    rg_recording r[RECORDINGS];
    if (!net_blas_is_known()) skip();
    net_wrong = 0;
    rg_model *truth = rods_model(MARKERS, 1, clamps, 4, 5), *start = rods_model(MARKERS, 1, clamps, 4, 6);
    fits_plant(truth, r, RECORDINGS, FRAMES, 2e-4);
    for (size_t k = 0; k < n; k++)
        for (int real = 0; real < 2; real++)
            for (size_t m = 0; m < sizeof methods / sizeof *methods; m++) {
                char at[NET_NAME / 2];
                rg_fit_opts o = rg_fit_opts_default();
                /* a made-up GPU is slow: a method with directions and one without, for a few iterations */
                const int gpu = !on[k].isa, adam = methods[m] == RG_METHOD_ADAM;
                const int slow = adam || methods[m] == RG_METHOD_LBFGS;
                if (gpu && methods[m] != RG_METHOD_LM && !adam) continue;
                o.method = methods[m];
                o.rollout.real = real ? RG_REAL_FLOAT : RG_REAL_DOUBLE;
                o.rollout.isa = on[k].isa;
                o.rollout.context = backend;
                o.starts = 1;
                o.max_iterations = gpu ? 4 : slow ? 30 : 5;
                fits_hold_all(&o);
                fits_choose(&o, RG_GROUP_BEND, RG_ALONG);
                fits_choose(&o, RG_GROUP_CURVATURE, RG_ALONG);
                fits_choose(&o, RG_GROUP_BEND_TIME, RG_UNIFORM);
                fits_choose(&o, RG_GROUP_DRAG, RG_UNIFORM);
                rg_fit *fit = fits_create(r, RECORDINGS, start, &o);
                snprintf(at, sizeof at, "fit, %s, %s, %s", rg_fit_method_name(methods[m]), net_reals[real],
                         on[k].class);
                net_check_fit(fit, RECORDINGS, at, on[k].isa ? on[k].isa : "");
                rg_fit_destroy(&fit);
            }
    fits_clear(r, RECORDINGS);
    rg_model_destroy(&truth);
    rg_model_destroy(&start);
    assert_int_equal(net_wrong, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(net_batches), cmocka_unit_test(net_fits)};
    net_open(argc, argv);
    return net_close(cmocka_run_group_tests(tests, backend_open, backend_close));
}
