/* core/stability.c: the deform stepper's limit of stability (see stability.h).
 *
 * A straight rod's transverse motion has curvature strains k = G x, row i of G being (1/L_{i-1},
 * -(1/L_{i-1} + 1/L_i), 1/L_i), and the step is
 *   M (x+ - 2 x + x-)/h^2 = -G^T (S k - b) - M c (x - x-)/h,
 * with stress C k + C T/h (k - k-) + r C o (k - z-), z = o (z- + h/tau k), o = 1/(1 + h/tau), C =
 * B/l. It is lost to the mode that flips sign at every step, x+ = -x: there k- = -k, z- = -o
 * (h/tau)/(1 + o) k, so 4 M x = (h^2 G^T C (1 + 2T/h + 2 r o/(1 + o)) G + 2 h c M) x. The step is
 * stable while 4 M less the right-hand matrix is positive definite: tested by factoring its five
 * diagonals. On a uniform mesh without damping that is h^2 16 B/(l L^2 m) < 4. For C stands the
 * larger eigenvalue of the vertex's B/l. Prescribed vertices do not move and are left out. */
#include "core/stability.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/coefficients.h"
#include "core/motion.h"
#include "rod/layout.h"

/* lower bands a[3 i + d] = A(i + d, i), d = 0..2; overwritten by its factor's. 1 when positive
 * definite */
static int positive(size_t n, double *a)
{
    for (size_t i = 0; i < n; i++) {
        const double pivot = a[3 * i];
        if (!(pivot > 0.0)) return 0;
        for (size_t d = 1; d <= 2 && i + d < n; d++)
            for (size_t e = d; e <= 2 && i + e < n; e++) a[3 * (i + d) + e - d] -= a[3 * i + d] * a[3 * i + e] / pivot;
    }
    return 1;
}

static int stable(const rgi_shape *s, const double *coef, double h, double *a)
{
    memset(a, 0, 3 * s->n * sizeof *a);
    for (size_t i = 0; i < s->n; i++) a[3 * i] = coef[i * RGI_NC + RGI_M] * (4.0 - 2.0 * h * coef[i * RGI_NC + RGI_C]);
    for (size_t i = 1; i + 1 < s->n; i++) {
        const double *k = coef + i * RGI_NC, before = 1.0 / k[RGI_L - RGI_NC], after = 1.0 / k[RGI_L];
        const double mean = 0.5 * (k[RGI_K11] + k[RGI_K22]), half = 0.5 * (k[RGI_K11] - k[RGI_K22]);
        const double o = 1.0 / (1.0 + h * k[RGI_LM]);
        const double stiff =
            (mean + hypot(half, k[RGI_K12])) * (h * h * (1.0 + 2.0 * k[RGI_RM] * o / (1.0 + o)) + 2.0 * h * k[RGI_TB]);
        const double g[3] = {before, -(before + after), after};
        for (size_t p = 0; p < 3; p++)
            for (size_t q = p; q < 3; q++) a[3 * (i - 1 + p) + q - p] -= stiff * g[p] * g[q];
    }
    for (size_t i = 0; i < s->n; i++) {
        if (!(s->fixed[i] & RGI_FIXED_X)) continue;
        a[3 * i] = 1.0;
        a[3 * i + 1] = a[3 * i + 2] = 0.0;
        if (i >= 1) a[3 * (i - 1) + 1] = 0.0;
        if (i >= 2) a[3 * (i - 2) + 2] = 0.0;
    }
    return positive(s->n, a);
}

/* by bisection of its logarithm */
static double longest(const rgi_shape *s, const double *coef, double *bands)
{
    double low = 1e-12, high = 1e3;
    if (stable(s, coef, high, bands)) return INFINITY;
    for (int k = 0; k < 60; k++) {
        const double middle = sqrt(low * high);
        if (stable(s, coef, middle, bands)) low = middle;
        else high = middle;
    }
    return low;
}

double rgi_deform_step_limit(const rgi_shape *s, const double *coef, double h, double *bands)
{
    return stable(s, coef, h, bands) ? 0.0 : longest(s, coef, bands);
}

rg_status rgi_deform_longest_step(const rg_model *model, double *step_s, rg_error *err)
{
    rgi_shape *shape = NULL;
    RG_TRY(rgi_shape_create(NULL, model, &shape, err));
    const size_t n = shape->n;
    double *coef = calloc(n * (RGI_NC + 3), sizeof *coef);
    if (!coef) {
        rgi_shape_destroy(&shape);
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a mesh of %zu vertices", n);
    }
    rgi_coefficients(model, coef);
    *step_s = longest(shape, coef, coef + n * RGI_NC);
    free(coef);
    rgi_shape_destroy(&shape);
    return RG_OK;
}
