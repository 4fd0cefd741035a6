/* fit/algebra.c: a fit's normal equations on the host and on a device (algebra.h), side by side.
 *
 * Both do the same by the same formulas: A = w N + P with P = diag(1/s0^2); fit/uncertainty.c has those of
 * the uncertainty. A build without CUDA has the host's alone. */
#include "fit/algebra.h"

#include <math.h>
#include <string.h>

#include "fit/lapack.h"

typedef struct algebra {
    rg_status (*take)(rg_fit *fit, double *normal, double *gradient, rg_error *err);
    void (*accept)(rg_fit *fit);
    double (*diagonal)(const rg_fit *fit, int trial, size_t i);
    rg_status (*solve)(rg_fit *fit, double mu, int *solved, rg_error *err);
    rg_status (*uncertainty)(rg_fit *fit, const rgi_normal_spread *spread, rg_error *err);
} algebra;

/* ---- on the host ---- */

static rg_status host_take(rg_fit *fit, double *normal, double *gradient, rg_error *err)
{
    const size_t p = fit->parameters.n;
    (void)err;
    memset(normal, 0, p * p * sizeof *normal);
    memset(gradient, 0, p * sizeof *gradient);
    rgi_residuals_normal(rgi_fit_tangents(fit), normal, gradient);
    return RG_OK;
}

static void host_accept(rg_fit *fit)
{
    const size_t p = fit->parameters.n;
    memcpy(fit->normal, fit->normal + fit->capacity * fit->capacity, p * p * sizeof *fit->normal);
}

static double host_diagonal(const rg_fit *fit, int trial, size_t i)
{
    const double *normal = fit->normal + (trial ? fit->capacity * fit->capacity : 0);
    return normal[i * fit->parameters.n + i];
}

static rg_status no_memory(size_t p, rg_error *err)
{
    return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the algebra of %zu parameters", p);
}

static rg_status host_solve(rg_fit *fit, double mu, int *solved, rg_error *err)
{
    const size_t p = fit->parameters.n;
    double *a = fit->matrix;
    for (size_t i = 0; i < p; i++) {
        const double precision = 1.0 / (fit->spread[i] * fit->spread[i]);
        for (size_t k = 0; k < p; k++) a[i * p + k] = fit->weight * fit->normal[i * p + k];
        a[i * p + i] = (a[i * p + i] + precision) * (1.0 + mu);
    }
    const lapack_int code = LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, 1, a, (lapack_int)p, fit->step, 1);
    *solved = code == 0;
    return rgi_lapack_no_memory(code) ? no_memory(p, err) : RG_OK;
}

/* out = inverse of the symmetric positive definite a [p][p]; LAPACKE's code, 0 where it is done */
static lapack_int invert(const double *a, size_t p, double *out)
{
    memcpy(out, a, p * p * sizeof *out);
    lapack_int code = LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, out, (lapack_int)p);
    if (code == 0) code = LAPACKE_dpotri(LAPACK_ROW_MAJOR, 'L', (lapack_int)p, out, (lapack_int)p);
    for (size_t i = 0; i < p && code == 0; i++)
        for (size_t k = i + 1; k < p; k++) out[i * p + k] = out[k * p + i];
    return code;
}

/* The same for a matrix that single precision's rounding may have left indefinite: its diagonal rises then by the least
 * of a few shares that helps. RG_ERR_NUMERIC when none does, with `what` in the sentence. */
static rg_status invert_rounded(const double *a, size_t p, double *out, double *scratch, const char *what,
                                rg_error *err)
{
    for (double share = 0.0; share < 2e-5; share = share == 0.0 ? 1e-7 : 10.0 * share) {
        memcpy(scratch, a, p * p * sizeof *scratch);
        for (size_t i = 0; i < p; i++) scratch[i * p + i] *= 1.0 + share;
        const lapack_int code = invert(scratch, p, out);
        if (code == 0) return RG_OK;
        if (rgi_lapack_no_memory(code)) return no_memory(p, err);
    }
    return RG_FAIL(err, RG_ERR_NUMERIC, "the %s matrix of the fit is not positive definite", what);
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

static rg_status host_uncertainty(rg_fit *fit, const rgi_normal_spread *s, rg_error *err)
{
    const size_t p = fit->parameters.n;
    double *a = fit->matrix, *inverse = a + p * p, *meat = inverse + p * p, *work = meat + p * p;
    /* resolution from the fit's own normal matrix */
    for (size_t i = 0; i < p; i++) {
        for (size_t k = 0; k < p; k++) a[i * p + k] = s->weight * fit->normal[i * p + k];
        a[i * p + i] += 1.0 / (s->prior[i] * s->prior[i]);
    }
    RG_TRY(invert_rounded(a, p, inverse, work, "normal", err));
    for (size_t i = 0; i < p; i++) s->resolution[i] = 1.0 - inverse[i * p + i] / (s->prior[i] * s->prior[i]);
    /* the sandwich */
    memset(meat, 0, p * p * sizeof *meat);
    rgi_residuals_spread(rgi_fit_tangents(fit), s->whole, meat, fit->step);
    for (size_t i = 0; i < p; i++) {
        double precision = 1.0 / (s->prior[i] * s->prior[i]);
        for (size_t k = 0; k < p; k++) {
            a[i * p + k] = s->weight * s->ratio * fit->normal[i * p + k];
            meat[i * p + k] *= s->weight * s->weight * s->small_sample;
        }
        a[i * p + i] += precision;
        meat[i * p + i] += precision;
    }
    RG_TRY(invert_rounded(a, p, inverse, work, "information", err));
    multiply(inverse, meat, p, work);
    multiply(work, inverse, p, a);
    for (size_t i = 0; i < p; i++) s->variance[i] = a[i * p + i];
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++)
            s->correlation[i * p + k] = i == k ? 1.0 : a[i * p + k] / sqrt(a[i * p + i] * a[k * p + k]);
    /* spectrum of the data's information in the priors' units */
    for (size_t i = 0; i < p; i++)
        for (size_t k = 0; k < p; k++) a[i * p + k] = s->weight * fit->normal[i * p + k] * s->prior[i] * s->prior[k];
    const lapack_int code = LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', (lapack_int)p, a, (lapack_int)p, fit->step);
    if (rgi_lapack_no_memory(code)) return no_memory(p, err);
    if (code) return RG_FAIL(err, RG_ERR_NUMERIC, "the spectrum of the normal matrix did not converge");
    for (size_t i = 0; i < p; i++) s->singular[i] = sqrt(fmax(fit->step[p - 1 - i], 0.0));
    return RG_OK;
}

static const algebra host = {host_take, host_accept, host_diagonal, host_solve, host_uncertainty};

/* ---- on a device ---- */

static rgi_normal *normal_of(const rg_fit *fit)
{
    const rgi_residuals *takes = rgi_fit_tangents(fit);
    return takes ? rgi_residuals_device_normal(takes) : NULL;
}

static rg_status device_take(rg_fit *fit, double *normal, double *gradient, rg_error *err)
{
    (void)normal;
    return rgi_normal_vectors(normal_of(fit), 1, fit->diagonal + fit->capacity, gradient, err);
}

static void device_accept(rg_fit *fit)
{
    rgi_normal_accept(normal_of(fit));
    memcpy(fit->diagonal, fit->diagonal + fit->capacity, fit->parameters.n * sizeof *fit->diagonal);
}

static double device_diagonal(const rg_fit *fit, int trial, size_t i)
{
    return fit->diagonal[(trial ? fit->capacity : 0) + i];
}

static rg_status device_solve(rg_fit *fit, double mu, int *solved, rg_error *err)
{
    double *prior = fit->spread;
    /* the right-hand side is on the device before the solution comes to its place */
    return rgi_normal_solve(normal_of(fit), fit->weight, prior, mu, fit->step, fit->step, solved, err);
}

static rg_status device_uncertainty(rg_fit *fit, const rgi_normal_spread *spread, rg_error *err)
{
    return rgi_normal_uncertainty(normal_of(fit), spread, err);
}

static const algebra device = {device_take, device_accept, device_diagonal, device_solve, device_uncertainty};

/* of all recordings: made at create, those of a part with the first run */
int rgi_algebra_on_device(const rg_fit *fit) { return fit->tangents && rgi_residuals_device_normal(fit->tangents); }

static const algebra *of(const rg_fit *fit) { return normal_of(fit) ? &device : &host; }

/* ---- where the tangents are ---- */

rg_status rgi_algebra_take(rg_fit *fit, double *normal, double *gradient, rg_error *err)
{
    return of(fit)->take(fit, normal, gradient, err);
}

void rgi_algebra_accept(rg_fit *fit)
{
    of(fit)->accept(fit);
    fit->formed = fit->parts = 1;
}

rg_status rgi_algebra_reweigh(rg_fit *fit, const double *factors, rg_error *err)
{
    const size_t n = rgi_fit_recordings(fit);
    double cost = 0.0;
    if (rgi_algebra_on_device(fit)) {
        RG_TRY(rgi_fit_try(fit, fit->u, &cost, err));
        rgi_algebra_accept(fit);
        return RG_OK;
    }
    if (!fit->parts) {
        /* after a resume: the parts as they were, so that the sums have the same bits */
        for (size_t i = 0; i < n; i++) fit->factors[i] /= factors[i];
        const rg_status status = rgi_fit_try(fit, fit->u, &cost, err);
        for (size_t i = 0; i < n; i++) fit->factors[i] *= factors[i];
        RG_TRY(status);
        rgi_algebra_accept(fit);
    }
    rgi_residuals_reweigh(rgi_fit_tangents(fit), fit->parameters.n, factors, fit->normal);
    return RG_OK;
}

double rgi_algebra_diagonal(const rg_fit *fit, int trial, size_t i) { return of(fit)->diagonal(fit, trial, i); }

rg_status rgi_algebra_solve(rg_fit *fit, double mu, int *solved, rg_error *err)
{
    return of(fit)->solve(fit, mu, solved, err);
}

rg_status rgi_algebra_uncertainty(rg_fit *fit, const rgi_normal_spread *spread, rg_error *err)
{
    return of(fit)->uncertainty(fit, spread, err);
}
