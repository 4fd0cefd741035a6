/* cli/check_gradient.c: do the derivatives of whole rollouts agree with each other and with the
 * rollouts? (check.h)
 *
 * Dot product: w . (J v) by the tangent against (J^T w) . v by the adjoint, rod by rod and input by
 * input. Taylor: r(e) = |y(u + e d) - y(u) - e J d| falls as e^2 where the derivative is right and
 * the rollout smooth; slopes are taken between e and e/4, and a run of slopes of 2 ends at the top
 * where the rollout is too curved or a rod fails, and at the bottom where round-off is all that is
 * left. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/words.h"

/* outputs, or their tangents or cotangents, of all rods */
typedef struct series {
    double *x, *v, *turn, *markers;
    size_t size[4]; /* of a rod */
} series;

static void series_clear(series *s)
{
    free(s->x);
    free(s->v);
    free(s->turn);
    free(s->markers);
    memset(s, 0, sizeof *s);
}

static rg_status series_create(const rgi_problem *p, series *s, rg_error *err)
{
    const size_t size[4] = {3 * p->frames * p->vertices, 3 * p->frames * p->vertices,
                            p->frames * p->edges, 3 * p->frames * p->markers};
    memcpy(s->size, size, sizeof size);
    s->x = calloc(p->n * size[0], sizeof *s->x);
    s->v = calloc(p->n * size[1], sizeof *s->v);
    s->turn = calloc(p->n * size[2], sizeof *s->turn);
    s->markers = calloc(p->n * size[3], sizeof *s->markers);
    if (s->x && s->v && s->turn && s->markers) return RG_OK;
    series_clear(s);
    return RG_FAIL(err, RG_ERR_MEMORY,
                   "out of memory for %zu recordings of %zu frames; check fewer with --rods or "
                   "--frames.",
                   p->n, p->frames);
}

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

rg_status rgc_check_rollout(rgc_check_job *job, rg_error *err)
{
    const rg_batch_inputs in = rgi_problem_inputs(job->problem);
    RG_TRY(rg_batch_forward(job->batch, &in, NULL, job->statuses, err));
    size_t failed = 0, first = 0;
    for (size_t i = job->n; i-- > 0;)
        if (!rgc_check_rod_ok(job, i)) {
            failed++;
            if (!rgc_check_rod_ok(job, first) && job->statuses[first].step < job->statuses[i].step)
                continue;
            first = i;
        }
    if (!failed) {
        rgc_check_add(job, "rollout", 0.0, 0.0, 1, "every step of every rod converged");
        return RG_OK;
    }
    const rg_rod_status *s = &job->statuses[first];
    rgc_check_add(job, "rollout", (double)failed, 0.0, 0,
                  "%zu of %zu rod%s fail%s, first rod %zu (%.80s) in step %d at vertex %d: %s; what "
                  "follows is about the others",
                  failed, job->n, rgi_plural(job->n), failed == 1 ? "s" : "", first, job->used[first].name,
                  s->step, s->vertex, rg_rod_flag_text(s->flag));
    return RG_OK;
}

/* where the reverse run first met a value that is not finite */
static void add_reverse(rgc_check_job *job, const rg_adjoint_status *statuses)
{
    size_t bad = 0, first = 0;
    for (size_t i = job->n; i-- > 0;)
        if (statuses[i].flag != RG_ROD_OK) {
            bad++;
            first = i;
        }
    if (!bad)
        rgc_check_add(job, "reverse run", 0.0, 0.0, 1, "every value of the reverse run is finite");
    else
        rgc_check_add(job, "reverse run", (double)bad, 0.0, 0,
                      "%zu of %zu gradients grow beyond use or are not finite, first rod %zu "
                      "(%.80s): going back, in "
                      "step %d at vertex %d",
                      bad, job->n, first, job->used[first].name, statuses[first].step,
                      statuses[first].vertex);
}

/* both sides of one kind for every rod: sides [n][2] */
static rg_status sides_of(rgc_check_job *job, int kind, rgc_direction *gradient, const series *bar,
                          series *out, double *sides, rg_error *err)
{
    const rg_batch_inputs in = rgi_problem_inputs(job->problem);
    int kinds[RGC_KINDS] = {0};
    rgc_direction v;
    kinds[kind] = 1;
    RG_TRY(rgc_direction_create(job, kinds, 0, &v, err));
    const rg_batch_tangents tangents = rgc_direction_tangents(&v);
    const rg_batch_tangent_outputs to = {out->x, out->v, out->turn, out->markers};
    rg_status status = rg_batch_jvp(job->batch, &in, &tangents, NULL, &to, NULL, err);
    const size_t size = rgc_direction_size(job->problem, kind);
    for (size_t i = 0; i < job->n && status == RG_OK; i++) {
        const size_t *s = out->size;
        sides[2 * i] = dot(out->x + i * s[0], bar->x + i * s[0], s[0]) +
                       dot(out->v + i * s[1], bar->v + i * s[1], s[1]) +
                       dot(out->turn + i * s[2], bar->turn + i * s[2], s[2]) +
                       dot(out->markers + i * s[3], bar->markers + i * s[3], s[3]);
        sides[2 * i + 1] = dot(*rgc_direction_array(&v, kind) + i * size,
                               *rgc_direction_array(gradient, kind) + i * size, size);
    }
    rgc_direction_clear(&v);
    return status;
}

/* relative difference, with a floor: an input without effect (a straight rod's twist) leaves
 * round-off of what the others do */
static double difference(const double *side, double largest)
{
    const double size = fmax(fmax(fabs(side[0]), fabs(side[1])), 1e-4 * largest);
    const double apart = fabs(side[0] - side[1]);
    return apart == 0.0 ? 0.0 : apart / size;
}

/* a NaN is worse than anything */
static int worse(double a, double b) { return isnan(a) ? !isnan(b) : a > b; }

/* worst over rods of one kind */
static double worst_of(const rgc_check_job *job, const double *sides, int kind)
{
    double worst = 0.0;
    for (size_t i = 0; i < job->n; i++) {
        double largest = 0.0;
        for (int k = 0; k < RGC_KINDS; k++)
            largest = fmax(largest, fabs(sides[2 * ((size_t)k * job->n + i)]));
        const double d = difference(sides + 2 * ((size_t)kind * job->n + i), largest);
        if (worse(d, worst)) worst = d;
    }
    return worst;
}

static rg_status dot_products(rgc_check_job *job, rg_error *err)
{
    const double bar_figure = 1e-9;
    const rgi_problem *p = job->problem;
    int kinds[RGC_KINDS];
    series bar = {0}, out = {0};
    rgc_direction gradient;
    rg_status status = RG_OK;
    memset(&gradient, 0, sizeof gradient);
    for (int k = 0; k < RGC_KINDS; k++) kinds[k] = 1;
    double *sides = calloc(2 * RGC_KINDS * job->n, sizeof *sides), worst[RGC_KINDS];
    rg_adjoint_status *reverse = calloc(job->n, sizeof *reverse);
    if (!sides || !reverse) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) status = series_create(p, &bar, err);
    if (status == RG_OK) status = series_create(p, &out, err);
    if (status == RG_OK) status = rgc_direction_create(job, kinds, 1, &gradient, err);
    if (status != RG_OK) goto done;
    for (size_t i = 0; i < p->n * bar.size[0]; i++) {
        bar.x[i] = rgc_check_random(job);
        bar.v[i] = 0.01 * rgc_check_random(job);
    }
    for (size_t i = 0; i < p->n * bar.size[2]; i++) bar.turn[i] = 0.01 * rgc_check_random(job);
    for (size_t i = 0; i < p->n * bar.size[3]; i++) bar.markers[i] = rgc_check_random(job);
    const rg_batch_cotangents w = {bar.x, bar.v, bar.turn, bar.markers};
    const rg_batch_gradients g = rgc_direction_gradients(&gradient);
    rgc_progress("dot products: gradient");
    status = rg_batch_adjoint(job->batch, &w, &g, reverse, err);
    if (status != RG_OK) goto done;
    add_reverse(job, reverse);
    for (int k = 0; k < RGC_KINDS && status == RG_OK; k++) {
        status = rgc_check_go_on(err);
        rgc_progress("dot products: input %d of %d, %s", k + 1, (int)RGC_KINDS, rgc_kind_name(k));
        if (status == RG_OK)
            status = sides_of(job, k, &gradient, &bar, &out, sides + 2 * (size_t)k * job->n, err);
    }
    if (status != RG_OK) goto done;
    json_t *list = json_object();
    int at = 0;
    for (int k = 0; k < RGC_KINDS; k++) {
        worst[k] = worst_of(job, sides, k);
        if (worse(worst[k], worst[at])) at = k;
        if (list) json_object_set_new(list, rgc_kind_name(k), rgc_json_number(worst[k]));
    }
    status = rgc_check_detail(job, "dot_products", list, err);
    const int good = worst[at] <= bar_figure;
    rgc_check_add(
        job, "dot product", worst[at], bar_figure, good,
        good ? "tangent and adjoint agree for each of %d inputs (worst: %s)"
        : worst[at] < 1e-6
            ? "tangent and adjoint agree to so many digits only (of %d inputs, worst: %s): "
              "round-off "
              "of very many, very short or strongly growing steps; take fewer substeps"
            : "tangent and adjoint of one of %d inputs do not agree: %s; do not trust its "
              "gradient",
        RGC_KINDS, rgc_kind_name(at));
done:
    free(sides);
    free(reverse);
    series_clear(&bar);
    series_clear(&out);
    rgc_direction_clear(&gradient);
    return status;
}

enum { LEVELS = 11 }; /* e = 1, 1/4, ... 4^-10 */

/* remainders of one direction: r[LEVELS][n], NaN where a rod failed or could not be moved */
typedef struct remainders {
    double *r;
    const double *response; /* [n] largest change of a marker at e = 1 [m] */
} remainders;

static double remainder_of(const series *moved, const series *base, const series *d, size_t rod,
                           double e)
{
    double sum = 0.0;
    for (size_t i = rod * base->size[0]; i < (rod + 1) * base->size[0]; i++) {
        const double r = moved->x[i] - base->x[i] - e * d->x[i];
        sum += r * r;
    }
    for (size_t i = rod * base->size[3]; i < (rod + 1) * base->size[3]; i++) {
        const double r = moved->markers[i] - base->markers[i] - e * d->markers[i];
        sum += r * r;
    }
    return sqrt(sum);
}

/* the direction of every rod, sized so that its largest answer is 1 cm, or less where a field would
 * change by more than a third or a vertex move by more than the shortest edge allows */
static void size_direction(const rgc_check_job *job, rgc_direction *v, const series *d,
                           double *response)
{
    const rgi_problem *p = job->problem;
    for (size_t i = 0; i < job->n; i++) {
        double largest = 0.0;
        for (size_t k = i * d->size[0]; k < (i + 1) * d->size[0]; k++)
            largest = fmax(largest, fabs(d->x[k]));
        for (size_t k = i * d->size[3]; k < (i + 1) * d->size[3]; k++)
            largest = fmax(largest, fabs(d->markers[k]));
        double factor = largest > 0.0 && isfinite(largest) ? 0.01 / largest : 0.0;
        if (v->fields[0]) factor = fmin(factor, 0.3);
        factor = fmin(factor, 10.0);
        response[i] = factor * largest;
        for (int kind = 0; kind < RGC_KINDS; kind++) {
            const size_t size = rgc_direction_size(p, kind);
            double *to = *rgc_direction_array(v, kind);
            for (size_t k = i * size; to && k < (i + 1) * size; k++) to[k] *= factor;
        }
    }
}

static rg_status run_moved(rgc_check_job *job, const rg_batch_tangents *by, double e,
                           const series *base, const series *d, series *moved,
                           rg_rod_status *statuses, double *r, rg_error *err)
{
    rgi_problem *q = NULL;
    rg_batch *batch = NULL;
    rg_error ignored = {0};
    rg_batch_opts opts = rg_batch_opts_default();
    opts.adjoint = 0;
    RG_TRY(rgc_check_go_on(err));
    rg_status status = rgi_problem_move(job->problem, by, e, &q, &ignored);
    if (status == RG_OK) status = rgi_problem_batch(q, &opts, &batch, &ignored);
    if (status == RG_OK) {
        const rg_batch_inputs in = rgi_problem_inputs(q);
        const rg_batch_outputs out = {moved->x, NULL, NULL, moved->markers};
        status = rg_batch_forward(batch, &in, &out, statuses, &ignored);
    }
    for (size_t i = 0; i < job->n; i++)
        r[i] = status == RG_OK && statuses[i].flag == RG_ROD_OK && rgc_check_rod_ok(job, i)
                   ? remainder_of(moved, base, d, i, e)
                   : (double)NAN;
    rg_batch_destroy(&batch);
    rgi_problem_destroy(&q);
    /* moved out of range: this e says nothing */
    if (status == RG_ERR_VALUE) return RG_OK;
    if (status != RG_OK) *err = ignored;
    return status;
}

/* the longest run of slopes near 2 of one rod: [*from, *to] levels, *slope their mean; without one
 * the slope nearest to 2. 1 when there is a run of two, or the rod is linear to round-off. */
static int slopes_of(const rgc_check_job *job, const double *r, size_t rod, double response,
                     int *from, int *to, double *slope)
{
    const double near = 0.1,
                 noise = 1e-13 * sqrt((double)(job->problem->frames * job->problem->vertices));
    double largest = 0.0;
    int best = 0, run = 0, begin = 0;
    double sum = 0.0;
    *from = *to = 0;
    *slope = NAN;
    for (int k = 0; k + 1 < LEVELS; k++) {
        const double now = r[(size_t)k * job->n + rod], next = r[(size_t)(k + 1) * job->n + rod];
        const double s = log(now / next) / log(4.0);
        if (isfinite(now)) largest = fmax(largest, now);
        if (isfinite(s) && now > noise && !(fabs(*slope - 2.0) <= fabs(s - 2.0)) && best < 2)
            *slope = s;
        if (!(fabs(s - 2.0) <= near)) {
            run = 0;
            continue;
        }
        if (run == 0) begin = k, sum = 0.0;
        sum += s;
        if (++run > best) best = run, *from = begin, *to = k + 1;
        if (run == best && best >= 2) *slope = sum / run;
    }
    if (largest <= noise || response == 0.0) *slope = 2.0;
    return best >= 2 || largest <= noise || response == 0.0;
}

/* judge one direction by its worst rod */
static rg_status judge(rgc_check_job *job, const char *name, const double *r,
                       const double *response, rg_error *err)
{
    const double near = 0.1;
    size_t worst = job->n;
    int from = 0, to = 0, good = 1;
    double slope = 2.0;
    for (size_t i = 0; i < job->n; i++) {
        int f = 0, t = 0;
        double s = 2.0;
        if (!rgc_check_rod_ok(job, i)) continue;
        const int ok = slopes_of(job, r, i, response[i], &f, &t, &s);
        if (worst < job->n && (ok > good || (ok == good && t - f >= to - from))) continue;
        worst = i, from = f, to = t, slope = s, good = ok;
    }
    if (worst == job->n) return RG_OK; /* no rod is left to judge */
    double own[LEVELS];
    for (int k = 0; k < LEVELS; k++) own[k] = r[(size_t)k * job->n + worst];
    const double top = response[worst] * pow(4.0, -from), bottom = response[worst] * pow(4.0, -to);
    if (good && to == from)
        rgc_check_add(job, name, fabs(slope - 2.0), near, 1, "linear to round-off");
    else if (good)
        rgc_check_add(
            job, name, fabs(slope - 2.0), near, 1,
            "remainder falls with slope %.2f for changes of %.0e down to %.0e m (worst rod: "
            "%.80s)%s",
            slope, top, bottom, job->used[worst].name,
            from == 0              ? ""
            : isnan(own[from - 1]) ? "; above a rod fails"
                                   : "; above the rollout is too curved");
    else
        rgc_check_add(
            job, name, fabs(slope - 2.0), near, 0,
            "remainder of %.80s falls with slope %.2f at best for changes of up to %.0e m: "
            "the rollout is not smooth there, or its derivative is wrong",
            job->used[worst].name, slope, response[worst]);
    json_t *detail = json_pack("{s:s, s:o, s:o, s:o}", "rod", "", "slope", rgc_json_number(slope),
                               "largest_change_m", rgc_json_number(response[worst]), "remainders_m",
                               rgc_check_numbers(own, LEVELS));
    if (detail) json_object_set_new(detail, "rod", rgc_json_text(job->used[worst].name));
    return rgc_check_detail(job, name, detail, err);
}

static rg_status taylor(rgc_check_job *job, const char *name, const int kinds[RGC_KINDS],
                        rg_error *err)
{
    const rg_batch_inputs in = rgi_problem_inputs(job->problem);
    series base = {0}, d = {0}, moved = {0};
    rgc_direction v;
    rg_status status = RG_OK;
    memset(&v, 0, sizeof v);
    double *r = calloc((LEVELS + 1) * job->n, sizeof *r),
           *response = r ? r + LEVELS * job->n : NULL;
    rg_rod_status *statuses = calloc(job->n, sizeof *statuses);
    if (!r || !statuses) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) status = series_create(job->problem, &base, err);
    if (status == RG_OK) status = series_create(job->problem, &d, err);
    if (status == RG_OK) status = series_create(job->problem, &moved, err);
    if (status == RG_OK) status = rgc_direction_create(job, kinds, 0, &v, err);
    const rg_batch_outputs out = {base.x, NULL, NULL, base.markers};
    const rg_batch_tangent_outputs to = {d.x, NULL, NULL, d.markers};
    for (int pass = 0; pass < 2 && status == RG_OK; pass++) {
        const rg_batch_tangents by = rgc_direction_tangents(&v);
        rgc_progress("%s: derivative", name);
        status = rg_batch_jvp(job->batch, &in, &by, &out, &to, statuses, err);
        if (pass == 0 && status == RG_OK) size_direction(job, &v, &d, response);
    }
    double e = 1.0;
    for (int k = 0; k < LEVELS && status == RG_OK; k++, e *= 0.25) {
        const rg_batch_tangents by = rgc_direction_tangents(&v);
        rgc_progress("%s: change %d of %d", name, k + 1, (int)LEVELS);
        status = run_moved(job, &by, e, &base, &d, &moved, statuses, r + (size_t)k * job->n, err);
    }
    if (status == RG_OK) status = judge(job, name, r, response, err);
    free(r);
    free(statuses);
    series_clear(&base);
    series_clear(&d);
    series_clear(&moved);
    rgc_direction_clear(&v);
    return status;
}

rg_status rgc_check_gradient(rgc_check_job *job, rg_error *err)
{
    int start[RGC_KINDS] = {0}, drive[RGC_KINDS] = {0}, fields[RGC_KINDS] = {0};
    start[RGC_X0] = start[RGC_V0] = start[RGC_TURN0] = 1;
    drive[RGC_CLAMP_X] = drive[RGC_CLAMP_TURN] = drive[RGC_FORCE] = 1;
    for (int k = RGC_FIELDS; k < RGC_KINDS; k++) fields[k] = 1;
    RG_TRY(dot_products(job, err));
    RG_TRY(taylor(job, "taylor, start", start, err));
    RG_TRY(taylor(job, "taylor, drive", drive, err));
    return taylor(job, "taylor, parameters", fields, err);
}
