/* cli/check_round_off.c: what round-off is to blame for (check.h).
 *
 * Derivatives are those of a solved step, so Newton's method solves steps to round-off here, whatever
 * tolerance the rollouts are for. And a problem can be so conditioned that round-off is large: a
 * copy of it whose inputs differ in their last bits says how large. Every rounding of its run is
 * another one, so that its outputs and derivatives differ from the problem's by about their own
 * errors, those of every step's solution among them. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/check.h"
#include "core/coefficients.h"

/* rods that fail with the problem's options, or have more steps that are not solved, but not in `statuses` */
static rg_status lost(const rgc_check_job *job, size_t *count, rg_error *err)
{
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.adjoint = 0;
    rg_rod_status *now = calloc(job->n, sizeof *now);
    rg_status status = now ? rgc_rods_batch(job->rods, &opts, &batch, err)
                           : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods.", job->n);
    const rg_batch_inputs in = rgc_rods_inputs(job->rods);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, NULL, now, err);
    *count = 0;
    for (size_t i = 0; i < job->n && status == RG_OK; i++)
        *count += rgc_check_rod_ok(job, i) &&
                  (now[i].flag != RG_ROD_OK || now[i].unfinished_steps > job->statuses[i].unfinished_steps);
    rg_batch_destroy(&batch);
    free(now);
    return status;
}

rg_status rgc_check_solve(rgc_check_job *job, rg_error *err)
{
    const double asked = job->opts.tolerance_m;
    double *tolerance = &job->rods->rollout.tolerance_m;
    rg_batch *exact = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.budget_bytes = job->budget;
    /* With a tolerance far below round-off no step ends because of what its increments foretell, which is no bound:
     * steps end with an increment below 1e-14 m. Where round-off is larger than that, more has to do. */
    for (*tolerance = 1e-24; *tolerance < asked; *tolerance = fmax(100.0 * *tolerance, 1e-14)) {
        size_t count = 0;
        RG_TRY(rgc_check_go_on(err));
        RG_TRY(lost(job, &count, err));
        if (!count) break;
    }
    *tolerance = fmin(*tolerance, asked);
    job->unsolved = *tolerance > 1e-14;
    if (*tolerance == asked) return RG_OK;
    RG_TRY(rgc_rods_batch(job->rods, &opts, &exact, err));
    rg_batch_destroy(&job->batch);
    job->batch = exact;
    const rg_batch_inputs in = rgc_rods_inputs(job->rods);
    return rg_batch_forward(job->batch, &in, NULL, job->statuses, err);
}

/* `count` numbers changed by up to four last bits; NULL: none */
static double *last_bits(rgc_check_job *job, const double *of, size_t count)
{
    const double bit = job->opts.real == RG_REAL_FLOAT ? FLT_EPSILON : DBL_EPSILON;
    double *by = calloc(count + 1, sizeof *by);
    for (size_t i = 0; by && i < count; i++) by[i] = 4.0 * bit * rgc_check_random(job) * of[i];
    return by;
}

rg_status rgc_check_shake(rgc_check_job *job, rg_error *err)
{
    const rgc_rods *p = job->rods;
    rgc_direction by;
    rg_error own = {0};
    memset(&by, 0, sizeof by);
    by.x0 = last_bits(job, p->x0, 3 * p->n * p->vertices);
    by.v0 = last_bits(job, p->v0, 3 * p->n * p->vertices);
    by.clamp_x = last_bits(job, p->clamp_x, 3 * p->n * p->steps * p->clamped_vertices);
    int complete = by.x0 && by.v0 && by.clamp_x;
    for (int f = 0; f < RG_FIELD_COUNT && complete; f++) {
        const size_t size = rgi_field_numbers(p->models[0], f);
        double *to = by.fields[f] = calloc(p->n * size + 1, sizeof *to);
        for (size_t i = 0; i < p->n && to; i++) {
            double *row = last_bits(job, rg_model_field(p->models[i], (rg_field)f), size);
            if (row) memcpy(to + i * size, row, size * sizeof *to);
            complete &= row != NULL;
            free(row);
        }
        complete &= to != NULL;
    }
    const rg_batch_tangents tangents = rgc_direction_tangents(&by);
    rg_status status = complete ? rgc_rods_move(p, &tangents, 1.0, &job->shaken, &own)
                                : RG_FAIL(&own, RG_ERR_MEMORY, "out of memory for %zu rods.", p->n);
    rgc_direction_clear(&by);
    /* a model at the very edge of what is allowed: its round-off stays unknown */
    if (status == RG_ERR_VALUE) return RG_OK;
    if (status != RG_OK) *err = own;
    return status;
}

int rgc_check_digits(double error) { return error < 1.0 ? (int)floor(-log10(error)) : 0; }

const char *rgc_check_ill_conditioned(const rgc_check_job *job)
{
    if (job->opts.real == RG_REAL_FLOAT) return "the problem is ill-conditioned for single precision, ";
    return job->unsolved ? "the problem is ill-conditioned, its steps cannot be solved to round-off, "
                         : "the problem is ill-conditioned, ";
}
