/* fit/lbfgs.c: L-BFGS by NLopt (RG_METHOD_LBFGS; Nocedal 1980, Luksan's code).
 *
 * NLopt runs a minimisation in one call and its memory of gradients cannot be saved, so a step of
 * the fit is one call of at most 40 evaluations, from the best point so far and with an empty
 * memory: between two steps the fit is at a point and nothing more. Variables: z = (u - best) / s,
 * s the prior's standard deviation (at most a quarter of the range between the bounds); the bounds
 * are NLopt's bounds. */
#include <math.h>
#include <nlopt.h>
#include <string.h>

#include "fit/fit_internal.h"

enum { EVALUATIONS = 40, VECTORS = 20 };

typedef struct problem {
    rg_fit *fit;
    nlopt_opt optimiser;
    const double *base, *scale; /* [p] u at z = 0, s */
    double base_cost;
    int evaluations;
    rg_status status;
    rg_error *err;
} problem;

/* NLopt's objective: cost and gradient at z; better points are kept at once */
static double objective(unsigned n, const double *z, double *slope, void *data)
{
    problem *at = data;
    rg_fit *fit = at->fit;
    double cost = at->base_cost, *gradient = fit->gradient;
    int moved = at->evaluations++ > 0;
    for (unsigned i = 0; i < n; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        if (!isfinite(z[i])) nlopt_force_stop(at->optimiser);
        moved = moved || z[i] != 0.0;
        fit->to[i] = fmin(fmax(at->base[i] + at->scale[i] * z[i], par->low), par->high);
    }
    /* the first evaluation is at the best point, of which all is known */
    if (moved && !nlopt_get_force_stop(at->optimiser)) {
        gradient = fit->gradient + fit->capacity;
        at->status = rgi_fit_gradient(fit, fit->to, &cost, gradient, at->err);
        if (at->status != RG_OK || !isfinite(cost) || rgi_fit_late(fit)) nlopt_force_stop(at->optimiser);
        else if (rgi_fit_better(fit, cost)) rgi_fit_keep(fit, fit->to, cost, gradient);
    }
    for (unsigned i = 0; slope && i < n; i++) {
        slope[i] = gradient[i] * at->scale[i];
        if (!isfinite(slope[i])) nlopt_force_stop(at->optimiser);
    }
    return cost;
}

static nlopt_result set_up(nlopt_opt optimiser, problem *at, double *low, double *high)
{
    const rg_fit *fit = at->fit;
    for (size_t i = 0; i < fit->parameters.n; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        low[i] = fmin((par->low - at->base[i]) / at->scale[i], 0.0);
        high[i] = fmax((par->high - at->base[i]) / at->scale[i], 0.0);
    }
    nlopt_result result = nlopt_set_min_objective(optimiser, objective, at);
    if (result > 0) result = nlopt_set_lower_bounds(optimiser, low);
    if (result > 0) result = nlopt_set_upper_bounds(optimiser, high);
    if (result > 0) result = nlopt_set_maxeval(optimiser, EVALUATIONS);
    if (result > 0) result = nlopt_set_vector_storage(optimiser, VECTORS);
    return result;
}

rg_status rgi_fit_lbfgs_step(rg_fit *fit, int *accepted, rg_error *err)
{
    const size_t p = fit->parameters.n;
    const double before = fit->cost;
    double *base = fit->matrix, *scale = base + p, *low = scale + p, *high = low + p;
    double *z = high + p, lowest = 0.0;
    nlopt_opt optimiser = nlopt_create(NLOPT_LD_LBFGS, (unsigned)p);
    if (!optimiser) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for L-BFGS");
    problem at = {fit, optimiser, base, scale, before, 0, RG_OK, err};
    memcpy(base, fit->u, p * sizeof *base);
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        scale[i] = fmin(par->prior_std, 0.25 * (par->high - par->low));
        z[i] = 0.0;
    }
    nlopt_result result = set_up(optimiser, &at, low, high);
    /* a failure is round-off in its line search: what it found before is kept */
    if (result > 0) result = nlopt_optimize(optimiser, z, &lowest);
    nlopt_destroy(optimiser);
    if (at.status != RG_OK) return at.status;
    if (result == NLOPT_OUT_OF_MEMORY) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for L-BFGS");
    if (result == NLOPT_INVALID_ARGS)
        return RG_FAIL(err, RG_ERR_NUMERIC, "NLopt took none of %zu parameters to fit", p);
    *accepted = fit->cost < before;
    /* without progress the next call would do the same again */
    if (*accepted) rgi_fit_note_fall(fit, before - fit->cost, before);
    /* NLopt's own end, or round-off in its line search */
    else if (result > 0) rgi_fit_note_converged(fit);
    else fit->stuck = !rgi_fit_late(fit);
    return RG_OK;
}
