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

/* both sides w . (J v) and (J^T w) . v of one kind for every rod of problem p and every group of outputs */
typedef struct sides {
    double of[RGC_GROUPS][2];
} sides;

/* gradient: of each group */
static rg_status sides_of(rgc_check_job *job, const rgc_rods *p, rg_batch *batch, int kind, rgc_direction *gradient,
                          const rgc_series *bar, rgc_series *out, sides *to, rg_error *err)
{
    const rg_batch_inputs in = rgc_rods_inputs(p);
    int kinds[RGC_KINDS] = {0};
    rgc_direction v;
    kinds[kind] = 1;
    RG_TRY(rgc_direction_create(job, kinds, 0, &v, err));
    const rg_batch_tangents tangents = rgc_direction_tangents(&v);
    const rg_batch_tangent_outputs along = rgc_series_tangents(out);
    rg_status status = rg_batch_jvp(batch, &in, &tangents, NULL, &along, NULL, err);
    const size_t size = rgc_direction_size(p, kind);
    for (size_t i = 0; i < job->n && status == RG_OK; i++)
        for (int group = 0; group < rgc_check_groups(p); group++) {
            to[i].of[group][0] = rgc_series_dot(out, bar, i, group);
            to[i].of[group][1] = rgc_check_dot(*rgc_direction_array(&v, kind) + i * size,
                                               *rgc_direction_array(&gradient[group], kind) + i * size, size);
        }
    rgc_direction_clear(&v);
    return status;
}

/* random cotangents; those of forces count alike, and draw from numbers of their own */
static void set_cotangents(rgc_check_job *job, const rgc_rods *p, rgc_series *bar)
{
    for (size_t i = 0; i < p->n * bar->size[RGC_X]; i++) {
        bar->of[RGC_X][i] = rgc_check_random(job);
        bar->of[RGC_V][i] = 0.01 * rgc_check_random(job);
    }
    for (size_t i = 0; i < p->n * bar->size[RGC_TURN]; i++) bar->of[RGC_TURN][i] = 0.01 * rgc_check_random(job);
    for (size_t i = 0; i < p->n * bar->size[RGC_MARKERS]; i++) bar->of[RGC_MARKERS][i] = rgc_check_random(job);
    const unsigned long long random = job->random;
    job->random ^= 0xf04ce5;
    for (int k = RGC_TENSION; k < RGC_OUTPUTS; k++)
        for (size_t i = 0; i < p->n * bar->size[k]; i++) bar->of[k][i] = job->scale[k] * rgc_check_random(job);
    job->random = random;
}

/* Both sides of every kind for every rod of p, whose batch has run forward: [RGC_KINDS][n]. reverse: [groups][n]. The
 * same state of job->random gives the same directions and cotangents. */
static rg_status all_sides(rgc_check_job *job, const rgc_rods *p, rg_batch *batch, sides *to,
                           rg_adjoint_status *reverse, rg_error *err)
{
    int kinds[RGC_KINDS];
    rgc_series bar = {0}, out = {0};
    rgc_direction gradient[RGC_GROUPS];
    memset(gradient, 0, sizeof gradient);
    for (int k = 0; k < RGC_KINDS; k++) kinds[k] = 1;
    rg_status status = rgc_series_create(p, &bar, err);
    if (status == RG_OK) status = rgc_series_create(p, &out, err);
    if (status == RG_OK) set_cotangents(job, p, &bar);
    for (int group = 0; group < rgc_check_groups(p) && status == RG_OK; group++) {
        status = rgc_direction_create(job, kinds, 1, &gradient[group], err);
        const rg_batch_cotangents w = rgc_series_cotangents(&bar, group);
        const rg_batch_gradients g = rgc_direction_gradients(&gradient[group]);
        rgc_progress("dot products: gradient");
        if (status == RG_OK) status = rg_batch_adjoint(batch, &w, &g, reverse + (size_t)group * p->n, err);
    }
    for (int k = 0; k < RGC_KINDS && status == RG_OK; k++) {
        status = rgc_check_go_on(err);
        rgc_progress("dot products: input %d of %d, %s", k + 1, (int)RGC_KINDS, rgc_kind_name(k));
        if (status == RG_OK) status = sides_of(job, p, batch, k, gradient, &bar, &out, to + (size_t)k * job->n, err);
    }
    rgc_series_clear(&bar);
    rgc_series_clear(&out);
    for (int group = 0; group < RGC_GROUPS; group++) rgc_direction_clear(&gradient[group]);
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
static double worst_of(const rgc_check_job *job, const sides *all, const sides *other, int kind, int group)
{
    double worst = 0.0;
    for (size_t i = 0; i < job->n; i++) {
        double largest = 0.0, d = 0.0;
        for (int k = 0; k < RGC_KINDS; k++) largest = fmax(largest, fabs(all[(size_t)k * job->n + i].of[group][0]));
        const double *s = all[(size_t)kind * job->n + i].of[group];
        const double *o = other ? other[(size_t)kind * job->n + i].of[group] : NULL;
        d = o ? fmax(difference(s[0], o[0], largest), difference(s[1], o[1], largest))
              : difference(s[0], s[1], largest);
        if (o && !isfinite(o[0] + o[1])) continue;
        if (worse(d, worst)) worst = d;
    }
    return worst;
}

static void judge_dot_products(rgc_check_job *job, int group, const double *worst, int at, double noise)
{
    /* ten times, as the noise is the largest of one sample (measured: the sides differ by a third
     * of it at most) */
    const double least = 1e-9, explained = 10.0 * noise, found = worst[at];
    const double bar = fmax(least, fmin(explained, RGC_BEARABLE));
    const char *name = group == RGC_MOTION ? "dot product" : "forces, dot product";
    int wrong = 0;
    for (int k = 0; k < RGC_KINDS; k++) wrong += !(worst[k] <= fmax(least, explained));
    if (found <= least)
        rgc_check_add(job, name, found, bar, 1, "tangent and adjoint agree for each of %d inputs (worst: %s)",
                      RGC_KINDS, rgc_kind_name(at));
    else if (found <= bar)
        rgc_check_add(job, name, found, bar, 1,
                      "tangent and adjoint agree to %d digits for each of %d inputs (worst: %s), and round-off leaves "
                      "no more: the inputs' last bits move derivatives by %.0e",
                      rgc_check_digits(found), RGC_KINDS, rgc_kind_name(at), noise);
    else if (found <= explained)
        rgc_check_add(job, name, found, bar, 0,
                      "derivatives are right to %d digit%s only (of %d inputs, worst: %s): %sthe inputs' last bits "
                      "move them by %.0e; see \"growth\" and \"step matrix\"",
                      rgc_check_digits(found), rgi_plural((size_t)rgc_check_digits(found)), RGC_KINDS,
                      rgc_kind_name(at), rgc_check_ill_conditioned(job), noise);
    else
        rgc_check_add(job, name, found, bar, 0,
                      "tangent and adjoint do not agree for %d of %d inputs (worst: %s), and round-off moves "
                      "them by %.0e only: the gradient is wrong, do not trust it",
                      wrong, RGC_KINDS, rgc_kind_name(at), noise);
}

/* how far last bits of the inputs move the sides of each group: the worst of all inputs and rods; 0 where that
 * cannot be told */
static rg_status measure_noise(rgc_check_job *job, const sides *all, double noise[RGC_GROUPS], rg_error *err)
{
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.budget_bytes = job->budget;
    for (int group = 0; group < RGC_GROUPS; group++) noise[group] = 0.0;
    if (!job->shaken) return RG_OK;
    sides *other = calloc(RGC_KINDS * job->n, sizeof *other);
    rg_adjoint_status *unused = calloc(RGC_GROUPS * job->n, sizeof *unused);
    rg_status status = other && unused ? rgc_rods_batch(job->shaken, &opts, &batch, err)
                                       : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods.", job->n);
    const rg_batch_inputs in = rgc_rods_inputs(job->shaken);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, NULL, NULL, err);
    if (status == RG_OK) status = all_sides(job, job->shaken, batch, other, unused, err);
    for (int k = 0; k < RGC_KINDS && status == RG_OK; k++)
        for (int group = 0; group < RGC_GROUPS; group++)
            noise[group] = fmax(noise[group], worst_of(job, all, other, k, group));
    rg_batch_destroy(&batch);
    free(other);
    free(unused);
    return status;
}

static rg_status add_dot_products(rgc_check_job *job, int group, const sides *all, double noise, rg_error *err)
{
    const char *const names[RGC_GROUPS][2] = {{"dot_products", "dot_products_round_off"},
                                              {"dot_products_forces", "dot_products_forces_round_off"}};
    double worst[RGC_KINDS];
    json_t *list = json_object();
    int at = 0;
    for (int k = 0; k < RGC_KINDS; k++) {
        worst[k] = worst_of(job, all, NULL, k, group);
        if (worse(worst[k], worst[at])) at = k;
        if (list) json_object_set_new(list, rgc_kind_name(k), rgc_json_number(worst[k]));
    }
    RG_TRY(rgc_check_detail(job, names[group][0], list, err));
    RG_TRY(rgc_check_detail(job, names[group][1], rgc_json_number(noise), err));
    judge_dot_products(job, group, worst, at, noise);
    return RG_OK;
}

rg_status rgc_check_dot_products(rgc_check_job *job, rg_error *err)
{
    const unsigned long long random = job->random;
    const int groups = rgc_check_groups(job->rods);
    double noise[RGC_GROUPS];
    sides *all = calloc(RGC_KINDS * job->n, sizeof *all);
    rg_adjoint_status *reverse = calloc(RGC_GROUPS * job->n, sizeof *reverse);
    rg_status status = all && reverse ? all_sides(job, job->rods, job->batch, all, reverse, err)
                                      : RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) {
        for (size_t i = 0; i < job->n && groups > RGC_FORCES; i++)
            if (reverse[i].flag == RG_ROD_OK) reverse[i] = reverse[job->n + i];
        add_reverse(job, reverse);
        job->random = random;
        status = measure_noise(job, all, noise, err);
    }
    for (int group = 0; group < groups && status == RG_OK; group++)
        status = add_dot_products(job, group, all, noise[group], err);
    free(all);
    free(reverse);
    return status;
}
