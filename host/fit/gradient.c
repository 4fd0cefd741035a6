/* fit/gradient.c: the cost's gradient, and products with the Gauss-Newton matrix.
 *
 * g = w J^T W r + P (u - u0) and (w J^T W J + P) v, both from the tangents of the last rollout. The
 * methods that need nothing else of the derivatives (gauss_newton.c, lbfgs.c, adam.c) go through
 * these two functions only. */
#include "fit/fit_internal.h"

static double precision_of(const rg_fit *fit, size_t i)
{
    const double std = fit->parameters.list[i].prior_std;
    return 1.0 / (std * std);
}

rg_status rgi_fit_gradient(rg_fit *fit, const double *u, double *cost, double *gradient,
                           rg_error *err)
{
    RG_TRY(rgi_fit_evaluate(fit, u, cost, fit->normal, gradient, err));
    for (size_t i = 0; i < fit->parameters.n; i++)
        gradient[i] = fit->weight * gradient[i] +
                      precision_of(fit, i) * (u[i] - fit->parameters.list[i].prior_mean);
    return RG_OK;
}

rg_status rgi_fit_product(rg_fit *fit, const double *v, double *out, rg_error *err)
{
    const size_t p = fit->parameters.n;
    (void)err;
    for (size_t i = 0; i < p; i++) {
        double sum = 0.0;
        for (size_t k = 0; k < p; k++) sum += fit->normal[i * p + k] * v[k];
        out[i] = fit->weight * sum + precision_of(fit, i) * v[i];
    }
    return RG_OK;
}
