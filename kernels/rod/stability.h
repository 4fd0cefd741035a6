/* rod/stability.h: the deform stepper's limit of stability. In double, whatever a rod is computed in.
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
#ifndef RGI_ROD_STABILITY_H
#define RGI_ROD_STABILITY_H

#include "coefficients.h"

/* lower bands a[3 i + d] = A(i + d, i), d = 0..2; overwritten by its factor's. 1 when positive
 * definite */
RGI_FIELD_FN int rgi_bands_positive(int n, double *a)
{
    for (int i = 0; i < n; i++) {
        const double pivot = a[3 * i];
        if (!(pivot > 0.0)) return 0;
        for (int d = 1; d <= 2 && i + d < n; d++)
            for (int e = d; e <= 2 && i + e < n; e++) a[3 * (i + d) + e - d] -= a[3 * i + d] * a[3 * i + e] / pivot;
    }
    return 1;
}

/* coef [n][RGI_NC], fixed [n] bits of layout.h, a [n][3] scratch, in all that follow */
RGI_FIELD_FN int rgi_deform_stable(int n, const unsigned char *fixed, const double *coef, double h, double *a)
{
    for (int i = 0; i < 3 * n; i++) a[i] = 0.0;
    for (int i = 0; i < n; i++) a[3 * i] = coef[i * RGI_NC + RGI_M] * (4.0 - 2.0 * h * coef[i * RGI_NC + RGI_C]);
    for (int i = 1; i + 1 < n; i++) {
        const double *k = coef + i * RGI_NC, before = 1.0 / k[RGI_L - RGI_NC], after = 1.0 / k[RGI_L];
        const double mean = 0.5 * (k[RGI_K11] + k[RGI_K22]), half = 0.5 * (k[RGI_K11] - k[RGI_K22]);
        const double o = 1.0 / (1.0 + h * k[RGI_LM]);
        const double stiff =
            (mean + hypot(half, k[RGI_K12])) * (h * h * (1.0 + 2.0 * k[RGI_RM] * o / (1.0 + o)) + 2.0 * h * k[RGI_TB]);
        const double g[3] = {before, -(before + after), after};
        for (int p = 0; p < 3; p++)
            for (int q = p; q < 3; q++) a[3 * (i - 1 + p) + q - p] -= stiff * g[p] * g[q];
    }
    for (int i = 0; i < n; i++) {
        if (!(fixed[i] & RGI_FIXED_X)) continue;
        a[3 * i] = 1.0;
        a[3 * i + 1] = a[3 * i + 2] = 0.0;
        if (i >= 1) a[3 * (i - 1) + 1] = 0.0;
        if (i >= 2) a[3 * (i - 2) + 2] = 0.0;
    }
    return rgi_bands_positive(n, a);
}

/* the longest stable step [s], by bisection of its logarithm; infinite where a step of 1000 s is stable */
RGI_FIELD_FN double rgi_deform_longest(int n, const unsigned char *fixed, const double *coef, double *a)
{
    const double large = 1e300;
    double low = 1e-12, high = 1e3;
    if (rgi_deform_stable(n, fixed, coef, high, a)) return large * large;
    for (int k = 0; k < 60; k++) {
        const double middle = sqrt(low * high);
        if (rgi_deform_stable(n, fixed, coef, middle, a)) low = middle;
        else high = middle;
    }
    return low;
}

/* the same, or 0 where h [s] is stable */
RGI_FIELD_FN double rgi_deform_step_limit(int n, const unsigned char *fixed, const double *coef, double h, double *a)
{
    return rgi_deform_stable(n, fixed, coef, h, a) ? 0.0 : rgi_deform_longest(n, fixed, coef, a);
}

#endif
