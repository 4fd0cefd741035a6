/* test_complex_step.c: the arc tangent and the block LDL^T over double _Complex. The derivatives
 * that a complex step carries through them are the true ones: tests of whole steps rely on it. */
#define RGI_REAL_COMPLEX
#include "real/angle.h"
#include "step/ldlt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probe_random.h"

#define PI 3.14159265358979324

/* a step that no sum can see: the complex step's truncation error is nil */
#define STEP 1e-150

/* a + i b; CMPLX is missing from some C17 compilers' headers */
static real cplx(double a, double b) { return a + b * I; }

static void assert_close(double a, double b, double scale, double tol, const char *what, int i)
{
    double err = fabs(a - b) / scale;
    if (!(err <= tol)) fail_msg("%s %d: %.17g and %.17g differ by %.1e", what, i, a, b, err);
}

static void complex_step_atan(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int i = 0; i < 20000; i++) {
        double u = tan(0.99999 * PI * (random_uniform(&seed) - 0.5));
        if (i % 4 == 0) u = pow(10.0, 20.0 * random_signed(&seed));
        real r = rg_atan(cplx(u, STEP));
        double d = 1.0 / (1.0 + u * u);
        /* the rational's derivative is as good as the rational times its degree */
        assert_close(cimag(r) / STEP, d, d, 4e-15, "slope", i);
        assert_close(creal(r), atan(u), fabs(atan(u)), 4.5e-16, "value", i);
    }
}

/* complex step through factor and solve: A dx = -dA x */
static void complex_step_ldlt(void **state)
{
    (void)state;
    enum { N = 7 };
    int order[N], first[N], second[N];
    for (int k = 0; k < N; k++) {
        order[k] = k;
        first[k] = k + 1 < N ? k + 1 : -1;
        second[k] = k + 2 < N ? k + 2 : -1;
    }
    rgi_schedule plan = {N, order, first, second};
    uint64_t seed = 23;
    double da[N * RGI_NH], a[N * RGI_NH];
    for (int i = 0; i < N * RGI_NH; i++) {
        a[i] = 0.3 * random_signed(&seed);
        da[i] = random_signed(&seed);
    }
    for (int k = 0; k < N; k++)
        for (int c = 0; c < 4; c++) a[RGI_NH * k + c * (c + 1) / 2 + c] += 8.0;
    real blocks[N * RGI_NH], y[4 * N], rhs[4 * N] = {0}, plain[N * RGI_NH];
    double b[4 * N];
    for (int i = 0; i < N * RGI_NH; i++) {
        blocks[i] = cplx(a[i], STEP * da[i]);
        plain[i] = a[i];
    }
    for (int i = 0; i < 4 * N; i++) y[i] = b[i] = random_signed(&seed);
    assert_false(rg_any(rgi_ldlt_factor(plan, blocks)));
    rgi_ldlt_solve(plan, blocks, y);
    /* rhs = -dA x, by the layout of the blocks */
    for (int k = 0; k < N; k++) {
        const double *p = da + RGI_NH * k;
        for (int r = 0; r < 4; r++)
            for (int c = 0; c < 4; c++)
                rhs[4 * k + r] -= p[r > c ? r * (r + 1) / 2 + c : c * (c + 1) / 2 + r] * creal(y[4 * k + c]);
        for (int r = 0; r < 7; r++) {
            int node = r < 4 ? first[k] : second[k], row = r < 4 ? r : r - 4;
            for (int c = 0; node >= 0 && c < 4; c++) {
                rhs[4 * node + row] -= p[10 + 4 * r + c] * creal(y[4 * k + c]);
                rhs[4 * k + c] -= p[10 + 4 * r + c] * creal(y[4 * node + row]);
            }
        }
    }
    rgi_ldlt_factor(plan, plain);
    rgi_ldlt_solve(plan, plain, rhs);
    for (int i = 0; i < 4 * N; i++) assert_close(cimag(y[i]) / STEP, creal(rhs[i]), 1.0, 1e-14, "unknown", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complex_step_atan),
        cmocka_unit_test(complex_step_ldlt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
