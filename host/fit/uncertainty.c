/* fit/uncertainty.c: standard deviations, correlations and what the data does not tell.
 *
 * At the optimum, with g_c the gradient of a cluster of residuals (whole recordings when there are
 * at least 20, else half-second blocks: residuals are correlated in time), the estimate spreads by
 * the sandwich cov = B^-1 (w^2 S + P) B^-1,  S = C/(C-1) sum_c g_c g_c^T,  B = w k N + P (White
 * 1982; Huber 1967), with N = sum J^T W J, P the priors' precision, w the fit's weight of the data.
 * k = sum loss''/ sum W corrects N, whose weights 1/max(|r|, floor) overstate the loss's curvature.
 * Resolution of a parameter: 1 - (A^-1)_ii / sigma0_i^2 with A = w N + P; singular values are those
 * of the data's information in units of the priors, sqrt eig(D w N D), D = diag sigma0. The sums are in
 * algebra.c. */
#include <math.h>
#include <string.h>

#include "fit/algebra.h"

enum { CLUSTERS_AT_LEAST = 20 };

static void describe(const rg_fit *fit, size_t i, double variance, double resolution)
{
    const rgi_parameter *p = &fit->parameters.list[i];
    const int logarithmic = rgi_group_describe(p->group)->logarithmic;
    rg_fit_parameter *r = &fit->result[i];
    const double u = fit->u[i], s = sqrt(variance);
    r->group = p->group;
    r->element = p->element;
    r->component = p->component;
    r->logarithmic = logarithmic;
    r->value = logarithmic ? exp(u) : u;
    r->std = logarithmic ? r->value * s : s;
    r->low = logarithmic ? exp(u - 1.96 * s) : u - 1.96 * s;
    r->high = logarithmic ? exp(u + 1.96 * s) : u + 1.96 * s;
    r->prior_std = p->prior_std;
    r->resolution = resolution;
    r->at_bound = u <= p->low + 1e-9 || u >= p->high - 1e-9;
    r->identifiable = resolution > 0.5 && !r->at_bound && isfinite(s);
}

/* of all recordings at u, with the weights as they are: the errors too */
static rg_status uncertainty(rg_fit *fit, rg_error *err)
{
    const size_t p = fit->parameters.n;
    double cost = 0.0, curvature = 0.0, weight = 0.0;
    RG_TRY(rgi_fit_try(fit, fit->u, &cost, err));
    rgi_algebra_accept(fit);
    rgi_fit_note(fit);
    for (size_t i = 0; i < fit->n; i++) {
        double c, w;
        rgi_residuals_curvature(fit->tangents, i, &c, &w);
        curvature += c;
        weight += w;
    }
    const double ratio = weight > 0.0 ? fmin(fmax(curvature / weight, 0.05), 1.0) : 1.0;
    const int whole = fit->n >= CLUSTERS_AT_LEAST;
    const double clusters = whole ? (double)fit->n : (double)(fit->n * rgi_residuals_blocks(fit->tangents));
    double *prior = fit->spread, *variance = prior + fit->capacity, *resolution = variance + fit->capacity;
    for (size_t i = 0; i < p; i++) prior[i] = fit->parameters.list[i].prior_std;
    const rgi_normal_spread spread = {.weight = fit->weight,
                                      .ratio = ratio,
                                      .small_sample = clusters > 1.0 ? clusters / (clusters - 1.0) : 1.0,
                                      .whole = whole,
                                      .prior = prior,
                                      .variance = variance,
                                      .resolution = resolution,
                                      .singular = fit->singular,
                                      .correlation = fit->correlation};
    rg_status status = rgi_algebra_uncertainty(fit, &spread, err);
    if (status == RG_ERR_NUMERIC) {
        /* a model without intervals is better than none */
        for (size_t i = 0; i < p; i++) variance[i] = resolution[i] = fit->singular[i] = NAN;
        for (size_t i = 0; i < p * p; i++) fit->correlation[i] = NAN;
        status = RG_OK;
        if (err) memset(err, 0, sizeof *err);
    }
    for (size_t i = 0; i < p && status == RG_OK; i++) describe(fit, i, variance[i], resolution[i]);
    return status;
}

rg_status rg_fit_parameters(rg_fit *fit, const rg_fit_parameter **out, size_t *n, rg_error *err)
{
    if (!fit || !out || !n) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_parameters needs a fit and places");
    *out = fit->result;
    *n = fit->parameters.n;
    /* the method's own gradient stays; the next product is of another rollout */
    fit->linearised = 0;
    fit->whole = 1;
    const rg_status status = uncertainty(fit, err);
    fit->whole = 0;
    /* the steps after this take the recordings and weights of their stage again */
    fit->formed = fit->parts = 0;
    fit->last = NULL;
    return status;
}

const double *rg_fit_singular_values(const rg_fit *fit) { return fit->singular; }
const double *rg_fit_correlations(const rg_fit *fit) { return fit->correlation; }
