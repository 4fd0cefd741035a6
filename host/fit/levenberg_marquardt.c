/* fit/levenberg_marquardt.c: the method with the whole normal matrix (RG_METHOD_LM).
 *
 * Model of the cost at u: g d + 1/2 d^T A d with A = w J^T V J + P. A residual's V is the loss's curvature, 1/floor,
 * where the loss is quadratic. Where it is linear the curvature is 0, and V is a share of 1/|r|, with which
 * iteratively reweighted least squares bounds the loss from above: the bound's own steps fall always, and are many
 * times too short.
 *
 * A step solves (A + mu diag A) d = -g over the parameters that no bound holds: those at a bound that -g points
 * beyond stay. A rollout without tangents costs a tenth of one with them, so mu is searched: it rises until the
 * cost falls, then it moves in the direction in which the cost falls further. Tangents are run at the best point alone.
 *
 * A rod can snap to another shape and its error jump, at a distance from u that the model does not see. One such
 * recording would hold up all others. Where a step would lower the cost without a few recordings that jump, their
 * parts of J^T V J are multiplied (`factors`), so that this step leaves these recordings where they are; each step
 * that is taken brings the factors down again. */
#include <math.h>
#include <string.h>

#include "fit/algebra.h"

/* mu: least (single precision's rounding of A is of this size), most, factor from one to the next */
static const double mu_least = 1e-6, mu_most = 1e6, mu_apart = 8.0;
/* the cost follows the model where it falls by this share of what was predicted, and damping held the step back where
 * it falls by that much */
static const double follows = 0.5, leads = 0.9;
/* factors of recordings that jump: the first, what it rises by if they jump again, the largest */
static const double factor_first = 100.0, factor_rise = 10.0, factor_most = 1e6;
enum { HOLDS = 2 }; /* at most so often in a step */

/* fit->to from u by damping mu; *predicted: by how much the model falls. *solved is 0 where the matrix is not
 * positive definite. */
static rg_status propose(rg_fit *fit, double mu, int *solved, double *predicted, rg_error *err)
{
    const size_t p = fit->parameters.n;
    double *prior = fit->spread, *downhill = fit->memory + fit->capacity;
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        const double g = fit->weight * fit->gradient[i] + rgi_fit_precision(fit, i) * (fit->u[i] - par->prior_mean);
        const int held = (fit->u[i] <= par->low && g > 0.0) || (fit->u[i] >= par->high && g < 0.0);
        /* held: as if its prior were that narrow */
        prior[i] = held ? 1e-15 : par->prior_std;
        fit->step[i] = downhill[i] = held ? 0.0 : -g;
    }
    RG_TRY(rgi_algebra_solve(fit, mu, solved, err));
    *predicted = 0.0;
    for (size_t i = 0; i < p && *solved; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        const double d = downhill[i] != 0.0 ? fit->step[i] : 0.0;
        const double diagonal = fit->weight * rgi_algebra_diagonal(fit, 0, i) + rgi_fit_precision(fit, i);
        *solved = isfinite(d);
        /* with A d = -g - mu diag(A) d */
        *predicted += 0.5 * d * (downhill[i] + mu * diagonal * d);
        fit->to[i] = fmin(fmax(fit->u[i] + d, par->low), par->high);
    }
    return RG_OK;
}

/* Would the last rollout be better without a few recordings that jump? Their factors rise then, and *held is 1. */
static rg_status hold_jumpers(rg_fit *fit, double predicted, int *held, rg_error *err)
{
    const size_t n = rgi_fit_recordings(fit), most = 1 + n / 8;
    double others = 0.0;
    size_t jumped = 0;
    *held = 0;
    /* of very few, each counts too much to be held */
    if (n < 4) return RG_OK;
    for (size_t i = 0; i < n; i++) {
        rg_rod_status status;
        double loss, absolute;
        rgi_residuals_loss(fit->last, i, &loss, &absolute);
        rgi_residuals_status(fit->last, i, &status);
        const double change = fit->weight * (loss - fit->losses[i]);
        const int fails = status.flag != RG_ROD_OK && fit->flags[i] == RG_ROD_OK;
        const int jumps = fails || !(change <= predicted);
        if (jumps && fit->factors[i] >= factor_most) return RG_OK;
        fit->rises[i] = !jumps ? 1.0 : fit->factors[i] < factor_first ? factor_first / fit->factors[i] : factor_rise;
        jumped += jumps != 0;
        if (!jumps) others += change;
    }
    if (jumped == 0 || jumped > most || !(others < 0.0)) return RG_OK;
    for (size_t i = 0; i < n; i++) fit->factors[i] *= fit->rises[i];
    *held = 1;
    return rgi_algebra_reweigh(fit, fit->rises, err);
}

/* Recordings that were held are held less at the next point, until they jump again: held for good, they would hide what
 * they have to gain, and the fit would end there. fit->rises keeps what they were. */
static void release(rg_fit *fit)
{
    const size_t n = rgi_fit_recordings(fit);
    memcpy(fit->rises, fit->factors, n * sizeof *fit->factors);
    for (size_t i = 0; i < n; i++) fit->factors[i] = fmax(1.0, fit->factors[i] / factor_rise);
}

/* A point where the tangents have grown by 10^4 at once is on the way to chaos, or over the edge of
 * stability: no step from there would lead anywhere, however low its cost. */
static int usable(const rg_fit *fit)
{
    double now = 0.0, before = 0.0;
    for (size_t i = 0; i < fit->parameters.n; i++) {
        const double trial = rgi_algebra_diagonal(fit, 1, i);
        if (!isfinite(trial)) return 0;
        now = fmax(now, trial);
        before = fmax(before, rgi_algebra_diagonal(fit, 0, i));
    }
    return now <= 1e8 * before;
}

/* the search of one step */
typedef struct search {
    double cost;      /* the least so far; infinity: none */
    double mu, ratio; /* there; of its fall to the predicted one */
    double predicted; /* the fall that the first step's model predicted; NaN: there was none */
} search;

/* Roll out where damping mu leads. *better: it is the best so far, and kept in fit->memory. */
static rg_status try_damping(rg_fit *fit, double mu, search *s, double *predicted, int *solved, int *better,
                             rg_error *err)
{
    double cost = 0.0;
    *better = 0;
    RG_TRY(propose(fit, mu, solved, predicted, err));
    if (!*solved) return RG_OK;
    RG_TRY(rgi_fit_cost(fit, fit->to, &cost, err));
    if (!rgi_fit_better(fit, cost) || !(cost < s->cost)) return RG_OK;
    *better = 1;
    memcpy(fit->memory, fit->to, fit->parameters.n * sizeof *fit->to);
    s->cost = cost;
    s->mu = mu;
    s->ratio = (fit->cost - cost) / *predicted;
    return RG_OK;
}

static rg_status search_damping(rg_fit *fit, search *s, rg_error *err)
{
    const double first = fit->mu;
    double predicted;
    int solved, better, times_held = 0;
    *s = (search){INFINITY, 0.0, 0.0, NAN};
    for (double mu = first; mu <= mu_most && !rgi_fit_late(fit);) {
        RG_TRY(try_damping(fit, mu, s, &predicted, &solved, &better, err));
        if (solved && isnan(s->predicted)) s->predicted = predicted;
        if (!better && s->cost < INFINITY) break;
        if (solved && !better && times_held < HOLDS) {
            int held;
            RG_TRY(hold_jumpers(fit, predicted, &held, err));
            times_held += held;
            if (held) continue;
        }
        if (better && s->ratio > follows) break;
        mu *= mu_apart;
    }
    /* the first fell, and more damping was no better or not called for: less of it */
    for (double mu = first / mu_apart;
         s->mu == mu * mu_apart && s->ratio > leads && mu >= mu_least && !rgi_fit_late(fit); mu /= mu_apart)
        RG_TRY(try_damping(fit, mu, s, &predicted, &solved, &better, err));
    return RG_OK;
}

rg_status rgi_fit_lm_step(rg_fit *fit, int *accepted, rg_error *err)
{
    const double before = fit->cost;
    double cost = 0.0;
    search s;
    if (!fit->formed) {
        RG_TRY(rgi_fit_try(fit, fit->u, &cost, err));
        rgi_algebra_accept(fit);
        rgi_fit_note(fit);
    }
    RG_TRY(search_damping(fit, &s, err));
    if (s.cost == INFINITY) {
        /* it has converged where there was hardly anything to gain, or nothing that rounding shows */
        const double rounding = fit->opts.rollout.real == RG_REAL_FLOAT ? 1e-6 : 1e-12;
        if (s.predicted < fmax(fit->opts.tolerance, rounding) * fit->cost) rgi_fit_note_converged(fit);
        else fit->stuck = !rgi_fit_late(fit);
        return RG_OK;
    }
    if (rgi_fit_late(fit)) {
        RG_TRY(rgi_fit_cost(fit, fit->memory, &cost, err));
        rgi_fit_keep(fit, fit->memory, cost, fit->gradient);
        *accepted = 1;
        return RG_OK;
    }
    release(fit);
    RG_TRY(rgi_fit_try(fit, fit->memory, &cost, err));
    if (!usable(fit) || !rgi_fit_better(fit, cost)) {
        memcpy(fit->factors, fit->rises, rgi_fit_recordings(fit) * sizeof *fit->factors);
        fit->mu = s.mu * mu_apart;
        fit->stuck = fit->mu > mu_most;
        return RG_OK;
    }
    *accepted = 1;
    rgi_algebra_accept(fit);
    rgi_fit_keep(fit, fit->memory, cost, fit->gradient + fit->capacity);
    fit->mu = fmax(s.ratio > 0.7 ? s.mu / 5.0 : s.mu, mu_least);
    rgi_fit_note_fall(fit, before - cost, before);
    return RG_OK;
}
