/* fit/uncertainty.c: standard deviations, correlations and what the data does not tell.
 *
 * At the optimum, with g_c the gradient of a cluster of residuals (whole recordings when there are
 * at least 20, else half-second blocks: residuals are correlated in time), the estimate spreads by
 * the sandwich cov = B^-1 (w^2 S + P) B^-1,  S = C/(C-1) sum_c g_c g_c^T,  B = w k N + P (White
 * 1982; Huber 1967), with N = sum J^T W J, P the priors' precision, w the fit's weight of the data.
 * k = sum loss''/ sum W corrects N, whose weights 1/max(|r|, floor) overstate the loss's curvature.
 * Resolution of a parameter: 1 - (A^-1)_ii / sigma0_i^2 with A = w N + P; singular values are those
 * of the data's information in units of the priors, sqrt eig(D w N D), D = diag sigma0. */
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "fit/fit_internal.h"

enum { CLUSTERS_AT_LEAST = 20 };

/* out = inverse of the symmetric positive definite a [p][p]; 0 when it is not */
static int invert(const double *a, size_t p, double *out)
{
    memcpy(out, a, p * p * sizeof *out);
    if (LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, out, (lapack_int)p)) return 0;
    if (LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, out, (lapack_int)p)) return 0;
    for (size_t i = 0; i < p; i++)
        for (size_t k = i + 1; k < p; k++) out[i * p + k] = out[k * p + i];
    return 1;
}

/* out = a b, [p][p] each */
static void multiply(const double *a, const double *b, size_t p, double *out)
{
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++) {
            double sum = 0.0;
            for (size_t m = 0; m < p; m++) sum += a[i * p + m] * b[m * p + k];
            out[i * p + k] = sum;
        }
}

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

rg_status rg_fit_parameters(rg_fit *fit, const rg_fit_parameter **out, size_t *n, rg_error *err)
{
    if (!fit || !out || !n)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_fit_parameters needs a fit and places");
    const size_t p = fit->parameters.n;
    double cost = 0.0, curvature = 0.0, weight = 0.0;
    *out = fit->result;
    *n = p;
    /* the method's own gradient stays; the next product is of another rollout */
    fit->linearised = 0;
    RG_TRY(rgi_fit_evaluate(fit, fit->u, &cost, fit->normal, fit->gradient + fit->capacity, err));
    for (size_t i = 0; i < fit->n; i++) {
        double c, w;
        rgi_takes_curvature(fit->tangents, i, &c, &w);
        curvature += c;
        weight += w;
    }
    const double ratio = weight > 0.0 ? fmin(fmax(curvature / weight, 0.05), 1.0) : 1.0;
    double *a = fit->matrix, *inverse = a + p * p, *meat = inverse + p * p, *work = meat + p * p;
    const int whole = fit->n >= CLUSTERS_AT_LEAST;
    const double clusters =
        whole ? (double)fit->n : (double)(fit->n * rgi_takes_blocks(fit->tangents));
    const double small_sample = clusters > 1.0 ? clusters / (clusters - 1.0) : 1.0;
    /* resolution from the fit's own normal matrix */
    for (size_t i = 0; i < p; i++) {
        for (size_t k = 0; k < p; k++) a[i * p + k] = fit->weight * fit->normal[i * p + k];
        a[i * p + i] +=
            1.0 / (fit->parameters.list[i].prior_std * fit->parameters.list[i].prior_std);
    }
    if (!invert(a, p, inverse))
        return RG_FAIL(err, RG_ERR_NUMERIC,
                       "the normal matrix of the fit is not positive definite");
    for (size_t i = 0; i < p; i++) {
        double sigma = fit->parameters.list[i].prior_std;
        fit->correlation[i] = 1.0 - inverse[i * p + i] / (sigma * sigma);
    }
    memcpy(fit->singular, fit->correlation, p * sizeof *fit->singular);
    /* the sandwich */
    memset(meat, 0, p * p * sizeof *meat);
    rgi_takes_spread(fit->tangents, whole, meat, fit->step);
    for (size_t i = 0; i < p; i++) {
        double precision =
            1.0 / (fit->parameters.list[i].prior_std * fit->parameters.list[i].prior_std);
        for (size_t k = 0; k < p; k++) {
            a[i * p + k] = fit->weight * ratio * fit->normal[i * p + k];
            meat[i * p + k] *= fit->weight * fit->weight * small_sample;
        }
        a[i * p + i] += precision;
        meat[i * p + i] += precision;
    }
    if (!invert(a, p, inverse))
        return RG_FAIL(err, RG_ERR_NUMERIC,
                       "the information matrix of the fit is not positive definite");
    multiply(inverse, meat, p, work);
    multiply(work, inverse, p, a);
    for (size_t i = 0; i < p; i++) describe(fit, i, a[i * p + i], fit->singular[i]);
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++)
            fit->correlation[i * p + k] =
                i == k ? 1.0 : a[i * p + k] / sqrt(a[i * p + i] * a[k * p + k]);
    /* spectrum of the data's information in the priors' units */
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++)
            a[i * p + k] = fit->weight * fit->normal[i * p + k] *
                           fit->parameters.list[i].prior_std * fit->parameters.list[k].prior_std;
    if (LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', (lapack_int)p, a, (lapack_int)p, fit->step))
        return RG_FAIL(err, RG_ERR_NUMERIC, "the spectrum of the normal matrix did not converge");
    for (size_t i = 0; i < p; i++) fit->singular[i] = sqrt(fmax(fit->step[p - 1 - i], 0.0));
    return RG_OK;
}

const double *rg_fit_singular_values(const rg_fit *fit) { return fit->singular; }
const double *rg_fit_correlations(const rg_fit *fit) { return fit->correlation; }
