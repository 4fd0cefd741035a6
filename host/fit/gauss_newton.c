/* fit/gauss_newton.c: Levenberg-Marquardt without a matrix (RG_METHOD_GAUSS_NEWTON_CG).
 *
 * (A + mu M) d = -g with A = w J^T W J + P known only by its products, solved by conjugate
 * gradients with the preconditioner M until the residual has fallen a hundredfold; ended early, d
 * still goes downhill. M is an estimate of diag(A), made once a stage from products with vectors of
 * random signs: mean v * (A v) (Hutchinson 1989; Bekas, Kokiopoulou, Saad 2007), at least P. mu
 * rises and falls as in fit.c. Parameters at a bound that the gradient pushes against stay there.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "fit/fit_internal.h"

enum { PROBES = 8, MOST_PRODUCTS = 200 };
static const double residual_fall = 1e-2;

/* +1 or -1, a hash of (probe, parameter) (splitmix64: Steele, Lea, Flood 2014) */
static double random_sign(uint64_t probe, uint64_t i)
{
    uint64_t z = (probe * 0x10001u + i + 1) * 0x9e3779b97f4a7c15ull;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return (z ^ (z >> 31)) >> 63 ? 1.0 : -1.0;
}

rg_status rgi_fit_gauss_newton_begin(rg_fit *fit, rg_error *err)
{
    const size_t p = fit->parameters.n;
    double *diagonal = fit->memory, *v = fit->matrix, *out = v + p;
    memset(diagonal, 0, p * sizeof *diagonal);
    for (int probe = 0; probe < PROBES; probe++) {
        for (size_t i = 0; i < p; i++) v[i] = random_sign((uint64_t)probe, i);
        RG_TRY(rgi_fit_product(fit, v, out, err));
        for (size_t i = 0; i < p; i++) diagonal[i] += v[i] * out[i] / PROBES;
    }
    for (size_t i = 0; i < p; i++) {
        const double std = fit->parameters.list[i].prior_std;
        diagonal[i] = fmax(fabs(diagonal[i]), 1.0 / (std * std));
    }
    fit->linearised = 1;
    return RG_OK;
}

static double dot(const double *a, const double *b, size_t p)
{
    double sum = 0.0;
    for (size_t i = 0; i < p; i++) sum += a[i] * b[i];
    return sum;
}

/* fit->to from u and the gradient there; 0 when there is no step to try */
static rg_status solve_step(rg_fit *fit, int *solved, rg_error *err)
{
    const size_t p = fit->parameters.n;
    const double *m = fit->memory;
    double *d = fit->step, *r = fit->matrix, *z = r + p, *v = z + p, *q = v + p, *is_free = q + p;
    *solved = 0;
    memset(d, 0, p * sizeof *d);
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        const double g = fit->gradient[i];
        is_free[i] = !((fit->u[i] <= par->low && g > 0.0) || (fit->u[i] >= par->high && g < 0.0));
        r[i] = -g * is_free[i];
        v[i] = z[i] = r[i] / m[i];
    }
    double rz = dot(r, z, p);
    const double enough = rz * residual_fall * residual_fall;
    for (int k = 0; k < MOST_PRODUCTS && rz > enough && !rgi_fit_late(fit); k++) {
        RG_TRY(rgi_fit_product(fit, v, q, err));
        for (size_t i = 0; i < p; i++) q[i] = is_free[i] * (q[i] + fit->mu * m[i] * v[i]);
        const double curvature = dot(v, q, p);
        if (!(curvature > 0.0)) break;
        const double length = rz / curvature, before = rz;
        for (size_t i = 0; i < p; i++) {
            d[i] += length * v[i];
            r[i] -= length * q[i];
            z[i] = r[i] / m[i];
        }
        rz = dot(r, z, p);
        for (size_t i = 0; i < p; i++) v[i] = z[i] + rz / before * v[i];
    }
    for (size_t i = 0; i < p; i++) {
        const rgi_parameter *par = &fit->parameters.list[i];
        if (!isfinite(d[i])) return RG_OK;
        fit->to[i] = fmin(fmax(fit->u[i] + d[i], par->low), par->high);
    }
    *solved = 1;
    return RG_OK;
}

rg_status rgi_fit_gauss_newton_step(rg_fit *fit, int *accepted, rg_error *err)
{
    double cost = 0.0, before = fit->cost;
    double *gradient = fit->gradient + fit->capacity;
    int solved = 0;
    /* after a failed trial, a resumption or a question, products would be of another point */
    if (!fit->linearised) RG_TRY(rgi_fit_gradient(fit, fit->u, &cost, gradient, err));
    fit->linearised = 1;
    RG_TRY(solve_step(fit, &solved, err));
    if (solved) {
        fit->linearised = 0;
        RG_TRY(rgi_fit_gradient(fit, fit->to, &cost, gradient, err));
        *accepted = rgi_fit_better(fit, cost);
    }
    if (!*accepted) {
        fit->mu *= 8.0;
        fit->stuck = fit->mu > 1e8;
        return RG_OK;
    }
    rgi_fit_keep(fit, fit->to, cost, gradient);
    fit->linearised = 1;
    fit->mu = fmax(fit->mu * 0.2, 1e-8);
    rgi_fit_note_fall(fit, before - cost, before);
    return RG_OK;
}
