/* cli/check_step.c: is the step short enough? Convergence of the recordings' simulations as the
 * step is halved, and the deform stepper's limit of stability (check.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/stability.h"
#include "core/words.h"

enum { HALVINGS = 4 }; /* substeps times 1, 2, 4, 8 */

typedef struct level {
    int substeps;
    rgc_batch batch;
    double mean_m, max_m; /* distance of free markers from those of the finest step */
} level;

static int is_free(const rg_recording *r, size_t marker)
{
    for (size_t c = 0; c < r->n_clamps; c++)
        if (r->clamps[c] == (int)marker) return 0;
    return 1;
}

/* mean and largest distance of free markers between a and b (the recording itself: trusted markers
 * only) over the rods that no level lost; NaN where there is none */
static void distance(const rgc_check_job *job, const unsigned char *usable, double *const *a, double *const *b,
                     double *mean, double *largest)
{
    double sum = 0.0, count = 0.0;
    *largest = 0.0;
    for (size_t i = 0; i < job->n; i++) {
        const rg_recording *r = &job->used[i];
        if (!usable[i]) continue;
        for (size_t k = 2 * r->n_markers; k < r->n_frames * r->n_markers; k++) {
            const double *p = a[i] + 3 * k, *q = b ? b[i] + 3 * k : r->positions + 3 * k;
            if (!is_free(r, k % r->n_markers) || (!b && !r->valid[k])) continue;
            const double d = hypot(hypot(p[0] - q[0], p[1] - q[1]), p[2] - q[2]);
            if (!b && !isfinite(d)) continue;
            sum += d;
            count += 1.0;
            *largest = fmax(*largest, d);
        }
    }
    *mean = count > 0.0 ? sum / count : (double)NAN;
    if (count == 0.0) *largest = NAN;
}

static json_t *levels_json(const rgc_check_job *job, const level *levels, int n)
{
    json_t *list = json_array();
    for (int k = 0; list && k < n; k++) {
        char status[512];
        rgc_batch_text(&levels[k].batch, job->used, status, sizeof status);
        json_t *one = json_pack("{s:i, s:o, s:o, s:o}", "substeps", levels[k].substeps, "mean_m",
                                rgc_json_number(levels[k].mean_m), "max_m", rgc_json_number(levels[k].max_m), "status",
                                rgc_json_text(status));
        if (json_array_append_new(list, one) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* what the levels say; the finest is the reference, the last halving moved markers by `change` */
static void judge(rgc_check_job *job, const level *levels, int n, double order, double change, size_t rods)
{
    const double error = levels[0].mean_m, bar = job->mean_fit_m;
    /* the order of small changes says nothing: sweeps and corners of the drive disturb it */
    const int converges = !(order < 0.25 && change > 0.25 * bar);
    char order_text[48] = "", cure[96] = "";
    if (isfinite(order)) snprintf(order_text, sizeof order_text, ", order %.1f", order);
    if (!isfinite(error)) {
        rgc_check_add(job, "step size", error, bar, 0, "no rod can be simulated with %d to %d substeps",
                      levels[0].substeps, levels[n - 1].substeps);
        return;
    }
    if (!isfinite(bar)) {
        rgc_check_add(job, "step size", error, bar, 1,
                      "the step moves free markers by %.2g mm on average, %.2g mm at most%s; the "
                      "recordings hold no free marker to judge that by",
                      1e3 * error, 1e3 * levels[0].max_m, order_text);
        return;
    }
    if (!converges) {
        rgc_check_add(job, "step size", error, bar, 0,
                      "halving the step does not settle where the rods go: still %.2g mm on average "
                      "between %d and %d substeps%s; take more substeps, or see \"growth\"",
                      1e3 * change, levels[n - 2].substeps, levels[n - 1].substeps, order_text);
        return;
    }
    int enough = 1;
    while (enough + 1 < n && !(levels[enough].mean_m <= bar)) enough++;
    if (enough + 1 < n)
        snprintf(cure, sizeof cure, "take --substeps %d (%.2g mm)", levels[enough].substeps,
                 1e3 * levels[enough].mean_m);
    else
        snprintf(cure, sizeof cure, "take more than %d substep%s", levels[n - 2].substeps,
                 rgi_plural((size_t)levels[n - 2].substeps));
    const int good = error <= bar;
    rgc_check_add(job, "step size", error, bar, good,
                  "the step moves free markers by %.2g mm on average, %.2g mm at most%s; the model "
                  "is %.2g mm from the recordings on average%s%s%s",
                  1e3 * error, 1e3 * levels[0].max_m, order_text, 1e3 * bar, good ? "" : ": ", good ? "" : cure,
                  rods < job->n ? " (rods that fail left out)" : "");
}

rg_status rgc_check_step_size(rgc_check_job *job, rg_error *err)
{
    level levels[HALVINGS];
    rg_status status = RG_OK;
    int n = 0;
    memset(levels, 0, sizeof levels);
    job->mean_fit_m = NAN;
    unsigned char *usable = malloc(job->n);
    if (!usable) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory.");
    memset(usable, 1, job->n);
    for (; n < HALVINGS && job->opts.substeps << n <= RG_MOST_SUBSTEPS && status == RG_OK; n++) {
        rg_rollout_opts opts = job->opts;
        opts.substeps = levels[n].substeps = job->opts.substeps << n;
        status = rgc_check_go_on(err);
        rgc_progress("simulating with %d substep%s", opts.substeps, rgi_plural((size_t)opts.substeps));
        if (status == RG_OK) status = rgc_simulate_all(&job->file, job->used, job->n, &opts, 0, &levels[n].batch, err);
        for (size_t i = 0; i < job->n && status == RG_OK; i++)
            usable[i] &= levels[n].batch.statuses[i].flag == RG_ROD_OK;
    }
    if (status != RG_OK) goto done;
    if (n > 0) rgc_warn_rods("check", job->file.model, levels[0].batch.statuses, job->used, job->n, &job->opts);
    double unused = 0.0, change[HALVINGS] = {0}, order = NAN;
    size_t rods = 0;
    for (size_t i = 0; i < job->n; i++) rods += usable[i];
    distance(job, usable, levels[0].batch.predicted, NULL, &job->mean_fit_m, &unused);
    for (int k = 0; k < n; k++) {
        distance(job, usable, levels[k].batch.predicted, levels[n - 1].batch.predicted, &levels[k].mean_m,
                 &levels[k].max_m);
        if (k > 0) distance(job, usable, levels[k - 1].batch.predicted, levels[k].batch.predicted, &change[k], &unused);
    }
    /* of the last two halvings: those nearest to the limit */
    if (n >= 3) order = log2(change[n - 2] / change[n - 1]);
    if (n < 2)
        rgc_check_add(job, "step size", NAN, NAN, 1, "%d substeps are too many to halve the step (%d is the most)",
                      job->opts.substeps, RG_MOST_SUBSTEPS);
    else judge(job, levels, n, order, change[n - 1], rods);
    status = rgc_check_detail(job, "convergence", levels_json(job, levels, n), err);
    if (status == RG_OK) status = rgc_check_detail(job, "convergence_order", rgc_json_number(order), err);
    if (status == RG_OK) status = rgc_check_detail(job, "mean_fit_m", rgc_json_number(job->mean_fit_m), err);
done:
    rgc_progress_clear();
    for (int k = 0; k < HALVINGS; k++) rgc_batch_clear(&levels[k].batch);
    free(usable);
    return status;
}

rg_status rgc_check_stability(rgc_check_job *job, rg_error *err)
{
    if (job->opts.stepper != RG_STEPPER_DEFORM) return RG_OK; /* the implicit step has no limit */
    const double dt = job->rods->dt_s, step = dt / job->opts.substeps;
    double limit = INFINITY;
    for (size_t i = 0; i < job->n; i++) {
        double own = 0.0;
        RG_TRY(rgi_deform_longest_step(job->rods->models[i], &own, err));
        limit = fmin(limit, own);
    }
    const double substeps = fmax(ceil(dt / limit), 1.0);
    const int good = step <= limit;
    if (isinf(limit)) rgc_check_add(job, "stability", step, limit, 1, "nothing bounds the step of this rod");
    else
        rgc_check_add(job, "stability", step, limit, good,
                      "bending waves bound the step at %.3g ms (estimate for a straight rod, about 10 %% "
                      "on the safe side), it is %.3g ms: %s --substeps %.0f%s",
                      1e3 * limit, 1e3 * step, good ? "good down to" : "take", substeps,
                      substeps > RG_MOST_SUBSTEPS ? ", which is more than the most, 1000: use the implicit stepper"
                                                  : "");
    RG_TRY(rgc_check_detail(job, "longest_stable_step_s", rgc_json_number(limit), err));
    return rgc_check_detail(job, "fewest_stable_substeps", rgc_json_number(substeps), err);
}
