/* cli/check_dot.c: is the adjoint the transpose of the tangent? (check.h)
 *
 * w . (J v) by the tangent against (J^T w) . v by the adjoint, rod by rod and input by input. Both
 * differ from the exact number by their rounding errors, so what may part them is measured: each
 * side against itself for inputs that differ in their last bits (check_round_off.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/words.h"

/* where the reverse run first met a value that is not finite */
static void add_reverse(rgc_check_job *job, const rg_adjoint_status *statuses)
{
    size_t bad = 0, first = 0;
    for (size_t i = job->n; i-- > 0;)
        if (statuses[i].flag != RG_ROD_OK) {
            bad++;
            first = i;
        }
    if (!bad) rgc_check_add(job, "reverse run", 0.0, 0.0, 1, "every value of the reverse run is finite");
    else
        rgc_check_add(job, "reverse run", (double)bad, 0.0, 0,
                      "%zu of %zu gradients grow beyond use or are not finite, first rod %zu (%.80s): going "
                      "back, in step %d at vertex %d",
                      bad, job->n, first, job->used[first].name, statuses[first].step, statuses[first].vertex);
}

/* both sides of one kind for every rod of problem p: sides [n][2] */
static rg_status sides_of(rgc_check_job *job, const rgc_rods *p, rg_batch *batch, int kind, rgc_direction *gradient,
                          const rgc_series *bar, rgc_series *out, double *sides, rg_error *err)
{
    const rg_batch_inputs in = rgc_rods_inputs(p);
    int kinds[RGC_KINDS] = {0};
    rgc_direction v;
    kinds[kind] = 1;
    RG_TRY(rgc_direction_create(job, kinds, 0, &v, err));
    const rg_batch_tangents tangents = rgc_direction_tangents(&v);
    const rg_batch_tangent_outputs to = {.x = out->x, .v = out->v, .turn = out->turn, .markers = out->markers};
    rg_status status = rg_batch_jvp(batch, &in, &tangents, NULL, &to, NULL, err);
    const size_t size = rgc_direction_size(p, kind);
    for (size_t i = 0; i < job->n && status == RG_OK; i++) {
        const size_t *s = out->size;
        sides[2 * i] = rgc_check_dot(out->x + i * s[0], bar->x + i * s[0], s[0]) +
                       rgc_check_dot(out->v + i * s[1], bar->v + i * s[1], s[1]) +
                       rgc_check_dot(out->turn + i * s[2], bar->turn + i * s[2], s[2]) +
                       rgc_check_dot(out->markers + i * s[3], bar->markers + i * s[3], s[3]);
        sides[2 * i + 1] = rgc_check_dot(*rgc_direction_array(&v, kind) + i * size,
                                         *rgc_direction_array(gradient, kind) + i * size, size);
    }
    rgc_direction_clear(&v);
    return status;
}

/* Both sides of every kind for every rod of p, whose batch has run forward: sides
 * [RGC_KINDS][n][2]. The same state of job->random gives the same directions and cotangents. */
static rg_status all_sides(rgc_check_job *job, const rgc_rods *p, rg_batch *batch, double *sides,
                           rg_adjoint_status *reverse, rg_error *err)
{
    int kinds[RGC_KINDS];
    rgc_series bar = {0}, out = {0};
    rgc_direction gradient;
    memset(&gradient, 0, sizeof gradient);
    for (int k = 0; k < RGC_KINDS; k++) kinds[k] = 1;
    rg_status status = rgc_series_create(p, &bar, err);
    if (status == RG_OK) status = rgc_series_create(p, &out, err);
    if (status == RG_OK) status = rgc_direction_create(job, kinds, 1, &gradient, err);
    if (status != RG_OK) goto done;
    for (size_t i = 0; i < p->n * bar.size[0]; i++) {
        bar.x[i] = rgc_check_random(job);
        bar.v[i] = 0.01 * rgc_check_random(job);
    }
    for (size_t i = 0; i < p->n * bar.size[2]; i++) bar.turn[i] = 0.01 * rgc_check_random(job);
    for (size_t i = 0; i < p->n * bar.size[3]; i++) bar.markers[i] = rgc_check_random(job);
    const rg_batch_cotangents w = {.x = bar.x, .v = bar.v, .turn = bar.turn, .markers = bar.markers};
    const rg_batch_gradients g = rgc_direction_gradients(&gradient);
    rgc_progress("dot products: gradient");
    status = rg_batch_adjoint(batch, &w, &g, reverse, err);
    for (int k = 0; k < RGC_KINDS && status == RG_OK; k++) {
        status = rgc_check_go_on(err);
        rgc_progress("dot products: input %d of %d, %s", k + 1, (int)RGC_KINDS, rgc_kind_name(k));
        if (status == RG_OK)
            status = sides_of(job, p, batch, k, &gradient, &bar, &out, sides + 2 * (size_t)k * job->n, err);
    }
done:
    rgc_series_clear(&bar);
    rgc_series_clear(&out);
    rgc_direction_clear(&gradient);
    return status;
}

/* relative difference, with a floor: an input without effect (a straight rod's twist) leaves
 * round-off of what the others do */
static double difference(double a, double b, double largest)
{
    const double size = fmax(fmax(fabs(a), fabs(b)), 1e-4 * largest);
    const double apart = fabs(a - b);
    return apart == 0.0 ? 0.0 : apart / size;
}

/* a NaN is worse than anything */
static int worse(double a, double b) { return isnan(a) ? !isnan(b) : a > b; }

/* Worst over rods of one kind: the tangent's against the adjoint's side; with `other`, the sides of
 * the same problem but for last bits, either side against itself, rods left out that failed there.
 */
static double worst_of(const rgc_check_job *job, const double *sides, const double *other, int kind)
{
    double worst = 0.0;
    for (size_t i = 0; i < job->n; i++) {
        double largest = 0.0, d = 0.0;
        for (int k = 0; k < RGC_KINDS; k++) largest = fmax(largest, fabs(sides[2 * ((size_t)k * job->n + i)]));
        const double *s = sides + 2 * ((size_t)kind * job->n + i);
        const double *o = other ? other + 2 * ((size_t)kind * job->n + i) : NULL;
        d = o ? fmax(difference(s[0], o[0], largest), difference(s[1], o[1], largest))
              : difference(s[0], s[1], largest);
        if (o && !isfinite(o[0] + o[1])) continue;
        if (worse(d, worst)) worst = d;
    }
    return worst;
}

static void judge_dot_products(rgc_check_job *job, const double *worst, int at, double noise)
{
    /* ten times, as the noise is the largest of one sample (measured: the sides differ by a third
     * of it at most) */
    const double least = 1e-9, explained = 10.0 * noise, found = worst[at];
    const double bar = fmax(least, fmin(explained, RGC_BEARABLE));
    int wrong = 0;
    for (int k = 0; k < RGC_KINDS; k++) wrong += !(worst[k] <= fmax(least, explained));
    if (found <= least)
        rgc_check_add(job, "dot product", found, bar, 1, "tangent and adjoint agree for each of %d inputs (worst: %s)",
                      RGC_KINDS, rgc_kind_name(at));
    else if (found <= bar)
        rgc_check_add(job, "dot product", found, bar, 1,
                      "tangent and adjoint agree to %d digits for each of %d inputs (worst: %s), and round-off leaves "
                      "no more: the inputs' last bits move derivatives by %.0e",
                      rgc_check_digits(found), RGC_KINDS, rgc_kind_name(at), noise);
    else if (found <= explained)
        rgc_check_add(job, "dot product", found, bar, 0,
                      "derivatives are right to %d digit%s only (of %d inputs, worst: %s): %sthe inputs' last bits "
                      "move them by %.0e; see \"growth\" and \"step matrix\"",
                      rgc_check_digits(found), rgi_plural((size_t)rgc_check_digits(found)), RGC_KINDS,
                      rgc_kind_name(at), rgc_check_ill_conditioned(job), noise);
    else
        rgc_check_add(job, "dot product", found, bar, 0,
                      "tangent and adjoint do not agree for %d of %d inputs (worst: %s), and round-off moves "
                      "them by %.0e only: the gradient is wrong, do not trust it",
                      wrong, RGC_KINDS, rgc_kind_name(at), noise);
}

/* how far last bits of the inputs move the sides: the worst of all inputs and rods; 0 where that
 * cannot be told */
static rg_status measure_noise(rgc_check_job *job, const double *sides, double *noise, rg_error *err)
{
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.budget_bytes = job->budget;
    *noise = 0.0;
    if (!job->shaken) return RG_OK;
    double *other = calloc(2 * RGC_KINDS * job->n, sizeof *other);
    rg_adjoint_status *unused = calloc(job->n, sizeof *unused);
    rg_status status = other && unused ? rgc_rods_batch(job->shaken, &opts, &batch, err)
                                       : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods.", job->n);
    const rg_batch_inputs in = rgc_rods_inputs(job->shaken);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, NULL, NULL, err);
    if (status == RG_OK) status = all_sides(job, job->shaken, batch, other, unused, err);
    for (int k = 0; k < RGC_KINDS && status == RG_OK; k++) *noise = fmax(*noise, worst_of(job, sides, other, k));
    rg_batch_destroy(&batch);
    free(other);
    free(unused);
    return status;
}

rg_status rgc_check_dot_products(rgc_check_job *job, rg_error *err)
{
    const unsigned long long random = job->random;
    double *sides = calloc(2 * RGC_KINDS * job->n, sizeof *sides), worst[RGC_KINDS], noise = 0.0;
    rg_adjoint_status *reverse = calloc(job->n, sizeof *reverse);
    rg_status status = sides && reverse ? all_sides(job, job->rods, job->batch, sides, reverse, err)
                                        : RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status != RG_OK) goto done;
    add_reverse(job, reverse);
    job->random = random;
    status = measure_noise(job, sides, &noise, err);
    json_t *list = json_object();
    int at = 0;
    for (int k = 0; k < RGC_KINDS; k++) {
        worst[k] = worst_of(job, sides, NULL, k);
        if (worse(worst[k], worst[at])) at = k;
        if (list) json_object_set_new(list, rgc_kind_name(k), rgc_json_number(worst[k]));
    }
    if (status == RG_OK) status = rgc_check_detail(job, "dot_products", list, err);
    else json_decref(list);
    if (status == RG_OK) status = rgc_check_detail(job, "dot_products_round_off", rgc_json_number(noise), err);
    if (status == RG_OK) judge_dot_products(job, worst, at, noise);
done:
    free(sides);
    free(reverse);
    return status;
}
