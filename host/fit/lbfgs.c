/* fit/lbfgs.c: L-BFGS (RG_METHOD_LBFGS) by minimise.c, an iteration a step.
 *
 * Its unit of a parameter is the prior's standard deviation, at most a quarter of the range between the bounds. A point
 * where more rods fail than at the best one counts as infinitely costly: the best point of the fit and the minimiser's
 * are the same. The stage is over when WINDOW iterations together lowered the cost by less than the tolerance, as
 * single iterations of L-BFGS often bring little and later ones more; and when an iteration promises less than a
 * thousandth of the tolerance, or what round-off is.
 *
 * memory: the minimiser's pairs. */
#include <math.h>
#include <string.h>

#include "fit/fit_internal.h"
#include "fit/minimise.h"

enum { WINDOW = 20 };

typedef struct problem {
    rg_fit *fit;
    rg_status status;
    rg_error *err;
} problem;

/* better points are kept at once: losses and flags are those of the last rollout */
static int evaluate(void *data, const double *x, double *cost, double *gradient)
{
    problem *at = data;
    at->status = rgi_fit_gradient(at->fit, x, cost, gradient, at->err);
    if (at->status != RG_OK) {
        *cost = INFINITY; /* the gradient is not this point's */
        return 1;
    }
    for (size_t i = 0; i < at->fit->parameters.n; i++)
        if (!isfinite(gradient[i])) *cost = INFINITY;
    if (isfinite(*cost) && rgi_fit_better(at->fit, *cost)) rgi_fit_keep(at->fit, x, *cost, gradient);
    else if (*cost < at->fit->cost) *cost = INFINITY;
    return rgi_fit_late(at->fit);
}

rg_status rgi_fit_lbfgs_step(rg_fit *fit, int *accepted, rg_error *err)
{
    const size_t p = fit->parameters.n;
    const double before = fit->cost;
    double *low = fit->matrix, *high = low + p, *scale = high + p, *x = scale + p, *slope = x + p, cost = before;
    problem at = {fit, RG_OK, err};
    const double round_off = fit->opts.rollout.real == RG_REAL_FLOAT ? 1e-7 : 1e-14;
    rgi_minimise m = {.n = p,
                      .low = low,
                      .high = high,
                      .scale = scale,
                      .memory = fit->memory,
                      .scratch = slope + p,
                      .function = evaluate,
                      .data = &at,
                      .worth = before * fmax(round_off, 1e-3 * fit->opts.tolerance)};
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        low[i] = par->low;
        high[i] = par->high;
        scale[i] = fmin(par->prior_std, 0.25 * (par->high - par->low));
        x[i] = fit->u[i];
        slope[i] = fit->gradient[i];
    }
    const rgi_minimise_end end = rgi_minimise_iterate(&m, x, &cost, slope);
    if (at.status != RG_OK) return at.status;
    *accepted = fit->cost < before;
    /* with a promise below the tolerance it was round-off that let no point be better */
    if (end == RGI_MINIMISE_STATIONARY) rgi_fit_note_converged(fit);
    if (end == RGI_MINIMISE_STUCK && m.promise <= fit->opts.tolerance * before) rgi_fit_note_converged(fit);
    else fit->stuck = end == RGI_MINIMISE_STUCK;
    if (fit->stage_iteration % WINDOW != 0) return RG_OK;
    if (fit->window_cost - fit->cost < fit->opts.tolerance * fit->window_cost) rgi_fit_note_converged(fit);
    fit->window_cost = fit->cost;
    return RG_OK;
}
