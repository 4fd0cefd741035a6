/* cli/check_gradient.c: do rollouts run, and are their tangents what differences of rollouts say?
 * (check.h)
 *
 * Taylor: r(e) = |y(u + e d) - y(u) - e J d| is e (J' - J) d, where the rollout's derivative is
 * another J', plus what falls as e^2, plus round-off. So no e may have r(e) below e |(J' - J) d|:
 * the least r(e)/(e |J d|) bounds the derivative's relative error. Slopes of r are taken between e
 * and e/4, and tell how the bound came about: a run of slopes of 2 ends at the top where the
 * rollout is too curved or a rod fails, and at the bottom in round-off or in a wrong derivative,
 * where it is 1. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/words.h"

/* relative error of a derivative that differences can confirm where round-off is small */
static const double CONFIRMED_BAR = 1e-4;

rg_status rgc_check_rollout(rgc_check_job *job, rg_error *err)
{
    const rg_batch_inputs in = rgc_rods_inputs(job->rods);
    RG_TRY(rg_batch_forward(job->batch, &in, NULL, job->statuses, err));
    size_t failed = 0, first = 0;
    for (size_t i = job->n; i-- > 0;)
        if (!rgc_check_rod_ok(job, i)) {
            failed++;
            if (!rgc_check_rod_ok(job, first) && job->statuses[first].step < job->statuses[i].step) continue;
            first = i;
        }
    if (!failed) {
        size_t unstable = 0, rod = 0, unfinished = 0;
        for (size_t i = job->n; i-- > 0;)
            if (job->statuses[i].unfinished_steps > 0) {
                unfinished++;
                rod = i;
            }
        if (unfinished) {
            rgc_check_add(job, "rollout", (double)unfinished, 0.0, 0,
                          "%zu of %zu rod%s have steps that Newton did not solve within its %d iteration%s, first rod "
                          "%zu (%.80s) from step %d on; derivatives are those of solved steps, and what follows need "
                          "not hold: raise --newton-iterations",
                          unfinished, job->n, rgi_plural(job->n), job->opts.max_iterations,
                          rgi_plural((size_t)job->opts.max_iterations), rod, job->used[rod].name,
                          job->statuses[rod].first_unfinished_step);
            return RG_OK;
        }
        for (size_t i = job->n; i-- > 0;)
            if (job->statuses[i].unstable >= 0) {
                unstable++;
                rod = i;
            }
        if (unstable)
            rgc_check_add(job, "rollout", (double)unstable, 0.0, 0,
                          "%zu of %zu rod%s came to an unstable equilibrium, first rod %zu (%.80s) "
                          "in step %d: a real "
                          "one would leave it",
                          unstable, job->n, rgi_plural(job->n), rod, job->used[rod].name, job->statuses[rod].unstable);
        else rgc_check_add(job, "rollout", 0.0, 0.0, 1, "every step of every rod converged");
        return RG_OK;
    }
    const rg_rod_status *s = &job->statuses[first];
    rgc_check_add(job, "rollout", (double)failed, 0.0, 0,
                  "%zu of %zu rod%s fail%s, first rod %zu (%.80s) in step %d at vertex %d: %s; what "
                  "follows is about the others",
                  failed, job->n, rgi_plural(job->n), failed == 1 ? "s" : "", first, job->used[first].name, s->step,
                  s->vertex, rg_rod_flag_text(s->flag));
    return RG_OK;
}

enum { USUAL = 11, LEVELS = 16 }; /* e = 1, 1/4, ... 4^-10, and on where the rollout is so curved */

/* one direction of a rod: changes of its outputs of one group by e = 1, and what last bits of the inputs do to
 * it (check_round_off.c). Sizes are in m; those of forces have no unit (rgc_check_job.scale). */
typedef struct answer {
    double largest;          /* of a vertex or marker, by the derivative [m] */
    double whole;            /* |y| */
    double size;             /* |J d| */
    double noise;            /* how far the outputs move */
    double derivative_noise; /* |change of J d| */
} answer;

/* what is judged: a direction's effect on a group of outputs */
typedef struct trial {
    const char *name;
    int group;
    answer *answers; /* [n] */
    double *r;       /* [LEVELS][n] remainders; NaN where a rod failed */
} trial;

/* the direction of every rod, sized so that its largest answer is 1 cm, or less where a field would
 * change by more than a third or a vertex move by more than the shortest edge allows */
static void size_direction(const rgc_check_job *job, rgc_direction *v, const rgc_series *d, trial *trials)
{
    const rgc_rods *p = job->rods;
    for (size_t i = 0; i < job->n; i++) {
        double largest = 0.0;
        const size_t *own = d->size;
        for (size_t k = i * own[RGC_X]; k < (i + 1) * own[RGC_X]; k++) largest = fmax(largest, fabs(d->of[RGC_X][k]));
        for (size_t k = i * own[RGC_MARKERS]; k < (i + 1) * own[RGC_MARKERS]; k++)
            largest = fmax(largest, fabs(d->of[RGC_MARKERS][k]));
        /* no answer: differences shall say whether that is right */
        double factor = largest > 0.0 && isfinite(largest) ? 0.01 / largest : largest == 0.0 ? 1.0 : 0.0;
        if (v->fields[0]) factor = fmin(factor, 0.3);
        factor = fmin(factor, 10.0);
        for (int group = 0; group < rgc_check_groups(p); group++) trials[group].answers[i].largest = factor * largest;
        for (int kind = 0; kind < RGC_KINDS; kind++) {
            const size_t size = rgc_direction_size(p, kind);
            double *to = *rgc_direction_array(v, kind);
            for (size_t k = i * size; to && k < (i + 1) * size; k++) to[k] *= factor;
        }
    }
}

/* Remainders of the problem q for e d, of each group into level `level` of its trial; NaN where a rod failed. */
static rg_status run_problem(rgc_check_job *job, const rgc_rods *q, double e, const rgc_series *base,
                             const rgc_series *d, rgc_series *moved, rg_rod_status *statuses, trial *trials, int level,
                             rg_error *err)
{
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.adjoint = 0;
    RG_TRY(rgc_rods_batch(q, &opts, &batch, err));
    const rg_batch_inputs in = rgc_rods_inputs(q);
    const rg_batch_outputs out = rgc_series_outputs(moved);
    const rg_status status = rg_batch_forward(batch, &in, &out, statuses, err);
    for (int group = 0; group < rgc_check_groups(q) && status == RG_OK; group++)
        for (size_t i = 0; i < job->n; i++)
            if (statuses[i].flag == RG_ROD_OK && rgc_check_rod_ok(job, i))
                trials[group].r[(size_t)level * job->n + i] = rgc_series_remainder(job, moved, base, d, i, e, group);
    rg_batch_destroy(&batch);
    return status;
}

static rg_status run_moved(rgc_check_job *job, const rg_batch_tangents *by, double e, const rgc_series *base,
                           const rgc_series *d, rgc_series *moved, rg_rod_status *statuses, trial *trials, int level,
                           rg_error *err)
{
    rgc_rods *q = NULL;
    rg_error own = {0};
    RG_TRY(rgc_check_go_on(err));
    rg_status status = rgc_rods_move(job->rods, by, e, &q, &own);
    if (status == RG_OK) status = run_problem(job, q, e, base, d, moved, statuses, trials, level, &own);
    rgc_rods_destroy(&q);
    /* moved out of range: this e says nothing */
    if (status == RG_OK || status == RG_ERR_VALUE) return RG_OK;
    *err = own;
    return status;
}

/* what the remainders of one rod came to */
typedef struct finding {
    size_t rod;
    enum { CONFIRMED, ILL_CONDITIONED, NOT_SMOOTH, WRONG } kind; /* the worse, the larger */
    double error;                                                /* bound of the derivative's relative error */
    double slope; /* mean of the longest run of slopes near 2; without one that of the bound's level */
    int from, to; /* levels of the run; equal: there is none */
    int at;       /* level of the bound, -1: the rod failed at all */
} finding;

/* slope of the remainders of a rod from the level before k to k */
static double slope_at(const rgc_check_job *job, const double *r, size_t rod, int k)
{
    return log(r[(size_t)(k - 1) * job->n + rod] / r[(size_t)k * job->n + rod]) / log(4.0);
}

/* the longest run of slopes near 2 */
static void slopes_of(const rgc_check_job *job, const double *r, finding *f)
{
    const double near = 0.1;
    int best = 1, run = 0, begin = 0; /* one slope alone is chance */
    double sum = 0.0;
    for (int k = 0; k + 1 < LEVELS; k++) {
        const double s = slope_at(job, r, f->rod, k + 1);
        if (!(fabs(s - 2.0) <= near)) {
            run = 0;
            continue;
        }
        if (run == 0) begin = k, sum = 0.0;
        sum += s;
        if (++run <= best) continue;
        best = run, f->from = begin, f->to = k + 1;
        f->slope = sum / run;
    }
}

/* rounding errors in a rod's remainders: roots of sums over the outputs, and ten times those of one sample */
static double noise_of(const rgc_check_job *job, const answer *a)
{
    return fmax(10.0 * a->noise, 1e-13 * sqrt((double)(job->rods->frames * job->rods->vertices)));
}

/* does no rod's remainder at level k want a smaller change? */
static int settled(const rgc_check_job *job, const trial *t, int k)
{
    int done = 1;
    for (size_t i = 0; i < job->n; i++) {
        const double now = t->r[(size_t)k * job->n + i], most = CONFIRMED_BAR * pow(4.0, -k) * t->answers[i].size;
        done &= !(now > fmax(most, noise_of(job, &t->answers[i])));
    }
    return done;
}

static finding find(const rgc_check_job *job, const double *r, size_t rod, const answer *a)
{
    finding f = {rod, CONFIRMED, INFINITY, NAN, 0, 0, -1};
    const double size = a->size;
    const double noise = noise_of(job, a);
    double e = 1.0, largest = 0.0;
    for (int k = 0; k < LEVELS; k++, e *= 0.25) {
        const double now = r[(size_t)k * job->n + rod];
        if (!isfinite(now)) continue;
        largest = fmax(largest, now);
        if (f.at >= 0 && !(now / (e * size) < f.error)) continue;
        f.error = now / (e * size);
        f.at = k;
    }
    if (f.at < 0) { /* every change makes it fail */
        f.kind = NOT_SMOOTH;
        return f;
    }
    if (largest <= noise) { /* linear, or without effect, as far as round-off lets one see */
        f.error = size > 0.0 ? f.error : 0.0;
        f.kind = f.error <= CONFIRMED_BAR ? CONFIRMED : ILL_CONDITIONED;
        f.slope = 2.0;
        return f;
    }
    slopes_of(job, r, &f);
    if (f.error <= CONFIRMED_BAR) return f;
    const double best = r[(size_t)f.at * job->n + rod];
    if (f.to == f.from && f.at > 0) f.slope = slope_at(job, r, rod, f.at);
    const double next = f.at + 1 < LEVELS ? r[(size_t)(f.at + 1) * job->n + rod] : best;
    /* where round-off ends the fall, in the rod or in the derivative itself */
    if (job->unsolved || best <= noise || next <= noise || f.error * size <= 10.0 * a->derivative_noise)
        f.kind = ILL_CONDITIONED;
    else {
        /* a wrong derivative leaves what falls in proportion, down to round-off: the last two slopes above it */
        int last = LEVELS - 1;
        while (last > 0 && !(r[(size_t)last * job->n + rod] > noise)) last--;
        const int unstable = job->statuses[rod].unstable >= 0; /* differences leave for the stable shape */
        f.kind = unstable || size > 0.0 ? NOT_SMOOTH : WRONG;
        f.slope = last > 0 ? slope_at(job, r, rod, last) : (double)NAN;
        if (!unstable && last > 1 && fabs(f.slope - 1.0) <= 0.1 && fabs(slope_at(job, r, rod, last - 1) - 1.0) <= 0.1)
            f.kind = WRONG;
    }
    return f;
}

static void add_finding(rgc_check_job *job, const trial *t, const finding *f, const double *own, const answer *a)
{
    const char *name = t->name, *rod = job->used[f->rod].name;
    const double response = a->largest;
    const double top = response * pow(4.0, -f->from), bottom = response * pow(4.0, -f->to);
    const int bearable = f->error <= RGC_BEARABLE;
    if (f->kind == CONFIRMED && f->to > f->from)
        rgc_check_add(job, name, f->error, CONFIRMED_BAR, 1,
                      "differences confirm the derivative; remainder falls with slope %.2f for changes of %.0e down "
                      "to %.0e m (worst rod: %.80s)%s",
                      f->slope, top, bottom, rod,
                      f->from == 0              ? ""
                      : isnan(own[f->from - 1]) ? "; above a rod fails"
                                                : "; above the rollout is too curved");
    else if (f->kind == CONFIRMED)
        rgc_check_add(job, name, f->error, CONFIRMED_BAR, 1, "%s (worst rod: %.80s)",
                      f->slope == 2.0 ? "linear to round-off" : "differences confirm the derivative", rod);
    else if (f->kind == ILL_CONDITIONED)
        rgc_check_add(job, name, f->error, RGC_BEARABLE, bearable,
                      "differences confirm %d digit%s of the derivative of %.80s and can tell no more: %sthe inputs' "
                      "last bits move %s by %.0e%s and the derivative by %.0e of its size%s",
                      rgc_check_digits(f->error), rgi_plural((size_t)rgc_check_digits(f->error)), rod,
                      bearable ? "" : rgc_check_ill_conditioned(job), t->group == RGC_MOTION ? "the rod" : "forces",
                      t->group == RGC_MOTION ? a->noise : a->noise / a->whole,
                      t->group == RGC_MOTION ? " m" : " of their size", a->derivative_noise / a->size,
                      bearable ? "" : "; see \"growth\" and \"step matrix\"");
    else if (f->kind == NOT_SMOOTH)
        rgc_check_add(
            job, name, f->error, CONFIRMED_BAR, 0,
            f->at < 0 ? "%.80s fails after every change of %.0e m and less (slope %.2f): it is at the edge of what "
                        "can be simulated"
                      : "no change of %.80s from %.0e m down is small enough for a derivative (slope %.2f): the rod "
                        "is unstable, it jumps or is about to; see \"growth\"",
            rod, response, f->slope);
    else
        rgc_check_add(job, name, f->error, CONFIRMED_BAR, 0,
                      "remainder of %.80s falls with slope %.2f only: the derivative is wrong by %.0e of its size, "
                      "do not trust it",
                      rod, f->slope, f->error);
}

/* judge one trial by its worst rod */
static rg_status judge(rgc_check_job *job, const trial *t, rg_error *err)
{
    finding worst = {job->n, CONFIRMED, 0.0, 2.0, 0, 0, 0};
    for (size_t i = 0; i < job->n; i++) {
        if (!rgc_check_rod_ok(job, i)) continue;
        const finding f = find(job, t->r, i, &t->answers[i]);
        if (worst.rod < job->n && (f.kind < worst.kind || (f.kind == worst.kind && f.error <= worst.error))) continue;
        worst = f;
    }
    if (worst.rod == job->n) return RG_OK; /* no rod is left to judge */
    double own[LEVELS];
    for (int k = 0; k < LEVELS; k++) own[k] = t->r[(size_t)k * job->n + worst.rod];
    const answer *a = &t->answers[worst.rod];
    const int motion = t->group == RGC_MOTION;
    add_finding(job, t, &worst, own, a);
    json_t *detail =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rod", rgc_json_text(job->used[worst.rod].name), "slope",
                  rgc_json_number(worst.slope), "largest_change_m", rgc_json_number(a->largest),
                  motion ? "derivative_m" : "derivative", rgc_json_number(a->size),
                  motion ? "derivative_round_off_m" : "derivative_round_off", rgc_json_number(a->derivative_noise),
                  motion ? "round_off_m" : "round_off", rgc_json_number(a->noise),
                  motion ? "remainders_m" : "remainders", rgc_check_numbers(own, LEVELS));
    return rgc_check_detail(job, t->name, detail, err);
}

/* the answers of all rods to direction v, given their size: |J d|, and both under last bits */
static rg_status measure(rgc_check_job *job, rgc_direction *v, const rgc_series *base, const rgc_series *d,
                         rgc_series *moved, rg_rod_status *statuses, trial *trials, rg_error *err)
{
    const rg_batch_tangents by = rgc_direction_tangents(v);
    const rg_batch_tangent_outputs to = rgc_series_tangents(moved);
    const int groups = rgc_check_groups(job->rods);
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.adjoint = 0;
    for (int group = 0; group < groups; group++)
        for (size_t i = 0; i < job->n; i++) {
            trials[group].answers[i].size = rgc_series_remainder(job, d, NULL, d, i, 0.0, group);
            trials[group].answers[i].whole = rgc_series_remainder(job, base, NULL, d, i, 0.0, group);
        }
    if (!job->shaken) return RG_OK;
    /* the first level's place serves for what last bits do */
    rg_status status = run_problem(job, job->shaken, 0.0, base, d, moved, statuses, trials, 0, err);
    for (int group = 0; group < groups && status == RG_OK; group++)
        for (size_t i = 0; i < job->n; i++) {
            const double noise = trials[group].r[i];
            trials[group].answers[i].noise = isfinite(noise) ? noise : 0.0;
            trials[group].r[i] = NAN;
        }
    if (status == RG_OK) status = rgc_rods_batch(job->shaken, &opts, &batch, err);
    const rg_batch_inputs in = rgc_rods_inputs(job->shaken);
    if (status == RG_OK) status = rg_batch_jvp(batch, &in, &by, NULL, &to, statuses, err);
    for (int group = 0; group < groups && status == RG_OK; group++)
        for (size_t i = 0; i < job->n; i++) {
            const double apart = rgc_series_remainder(job, moved, d, d, i, 0.0, group);
            trials[group].answers[i].derivative_noise = statuses[i].flag == RG_ROD_OK && isfinite(apart) ? apart : 0.0;
        }
    rg_batch_destroy(&batch);
    return status;
}

/* names: of the trials of each group */
static rg_status taylor(rgc_check_job *job, const char *const names[RGC_GROUPS], const int kinds[RGC_KINDS],
                        rg_error *err)
{
    const rg_batch_inputs in = rgc_rods_inputs(job->rods);
    const int groups = rgc_check_groups(job->rods);
    rgc_series base = {0}, d = {0}, moved = {0};
    trial trials[RGC_GROUPS];
    rgc_direction v;
    rg_status status = RG_OK;
    memset(&v, 0, sizeof v);
    rg_rod_status *statuses = calloc(job->n, sizeof *statuses);
    answer *answers = calloc(RGC_GROUPS * job->n, sizeof *answers);
    double *r = calloc(RGC_GROUPS * LEVELS * job->n, sizeof *r);
    if (!r || !answers || !statuses) status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    for (size_t i = 0; i < RGC_GROUPS * LEVELS * job->n && r; i++) r[i] = NAN;
    for (int group = 0; group < RGC_GROUPS && status == RG_OK; group++)
        trials[group] =
            (trial){names[group], group, answers + (size_t)group * job->n, r + (size_t)group * LEVELS * job->n};
    if (status == RG_OK) status = rgc_series_create(job->rods, &base, err);
    if (status == RG_OK) status = rgc_series_create(job->rods, &d, err);
    if (status == RG_OK) status = rgc_series_create(job->rods, &moved, err);
    if (status == RG_OK) status = rgc_direction_create(job, kinds, 0, &v, err);
    const rg_batch_outputs out = rgc_series_outputs(&base);
    const rg_batch_tangent_outputs to = rgc_series_tangents(&d);
    for (int pass = 0; pass < 2 && status == RG_OK; pass++) {
        const rg_batch_tangents by = rgc_direction_tangents(&v);
        rgc_progress("%s: derivative", names[RGC_MOTION]);
        status = rg_batch_jvp(job->batch, &in, &by, &out, &to, statuses, err);
        if (pass == 0 && status == RG_OK) size_direction(job, &v, &d, trials);
    }
    if (status == RG_OK) status = measure(job, &v, &base, &d, &moved, statuses, trials, err);
    double e = 1.0;
    for (int k = 0; k < LEVELS && status == RG_OK; k++, e *= 0.25) {
        const rg_batch_tangents by = rgc_direction_tangents(&v);
        int done = k >= USUAL;
        for (int group = 0; group < groups && done; group++) done = settled(job, &trials[group], k - 1);
        if (done) break;
        rgc_progress("%s: change %d of %d", names[RGC_MOTION], k + 1, k < USUAL ? (int)USUAL : (int)LEVELS);
        status = run_moved(job, &by, e, &base, &d, &moved, statuses, trials, k, err);
    }
    for (int group = 0; group < groups && status == RG_OK; group++) status = judge(job, &trials[group], err);
    free(r);
    free(answers);
    free(statuses);
    rgc_series_clear(&base);
    rgc_series_clear(&d);
    rgc_series_clear(&moved);
    rgc_direction_clear(&v);
    return status;
}

rg_status rgc_check_gradient(rgc_check_job *job, rg_error *err)
{
    static const char *const names[3][RGC_GROUPS] = {{"taylor, start", "forces, start"},
                                                     {"taylor, drive", "forces, drive"},
                                                     {"taylor, parameters", "forces, parameters"}};
    int start[RGC_KINDS] = {0}, drive[RGC_KINDS] = {0}, fields[RGC_KINDS] = {0};
    start[RGC_X0] = start[RGC_V0] = start[RGC_TURN0] = 1;
    drive[RGC_CLAMP_X] = drive[RGC_CLAMP_TURN] = drive[RGC_FORCE] = 1;
    for (int k = RGC_FIELDS; k < RGC_KINDS; k++) fields[k] = 1;
    RG_TRY(rgc_check_scales(job, err));
    RG_TRY(rgc_check_dot_products(job, err));
    RG_TRY(taylor(job, names[0], start, err));
    RG_TRY(taylor(job, names[1], drive, err));
    return taylor(job, names[2], fields, err);
}
