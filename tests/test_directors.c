/* test_directors.c: directors along a curve (rg_directors_along), and where a clamp holds a rod (model.h). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rodgrad/rodgrad.h"

enum { N = 41 };

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void tangent(const double *x, size_t i, double *t)
{
    double size = 0.0;
    for (size_t c = 0; c < 3; c++) t[c] = x[3 * i + 3 + c] - x[3 * i + c];
    size = sqrt(dot(t, t));
    for (size_t c = 0; c < 3; c++) t[c] /= size;
}

/* a helix of radius 0.2 m that climbs 0.1 m a turn, two turns */
static void helix(double *x)
{
    for (size_t i = 0; i < N; i++) {
        const double a = 4.0 * 3.14159265358979 * (double)i / (N - 1);
        x[3 * i] = 0.2 * cos(a);
        x[3 * i + 1] = 0.2 * sin(a);
        x[3 * i + 2] = 0.1 * a / 6.28318530717959;
    }
}

/* unit vectors across their edges; from one to the next the component along the binormal stays, and so does the
 * angle to it: that is parallel transport */
static void directors_transported(void **state)
{
    (void)state;
    double x[3 * N], m[3 * (N - 1)];
    const double first[3] = {0.3, -0.1, 5.0};
    rg_error err = {0};
    helix(x);
    for (int given = 0; given < 2; given++) {
        memset(m, 0, sizeof m);
        assert_int_equal(rg_directors_along(x, N, given ? first : NULL, m, &err), RG_OK);
        for (size_t i = 0; i < N - 1; i++) {
            double t[3], s[3], b[3];
            tangent(x, i, t);
            /* a few roundings of numbers of size 1 */
            assert_true(fabs(dot(m + 3 * i, m + 3 * i) - 1.0) < 1e-14);
            assert_true(fabs(dot(m + 3 * i, t)) < 1e-14);
            if (i == 0) continue;
            tangent(x, i - 1, s);
            b[0] = s[1] * t[2] - s[2] * t[1];
            b[1] = s[2] * t[0] - s[0] * t[2];
            b[2] = s[0] * t[1] - s[1] * t[0];
            assert_true(fabs(dot(b, m + 3 * i) - dot(b, m + 3 * i - 3)) < 1e-14);
            for (size_t c = 0; c < 3; c++) s[c] += t[c];
            /* the rest of the director is across b and turns with the edge: both project alike on s + t, up to sign */
            assert_true(fabs(dot(s, m + 3 * i) + dot(s, m + 3 * i - 3)) < 1e-14);
        }
    }
    /* `first` is in the plane of the first edge and the first director, on its side */
    double t[3], normal[3];
    tangent(x, 0, t);
    normal[0] = t[1] * m[2] - t[2] * m[1];
    normal[1] = t[2] * m[0] - t[0] * m[2];
    normal[2] = t[0] * m[1] - t[1] * m[0];
    assert_true(fabs(dot(normal, first)) < 1e-14 * 5.0);
    assert_true(dot(m, first) > 0.0);
}

/* what a straight, a vertical and a plane curve get where nothing is asked for */
static void directors_default(void **state)
{
    (void)state;
    const double straight[] = {0, 0, 0, 1, 0, 0, 2, 0, 0}, upright[] = {0, 0, 0, 0, 0, 1, 0, 0, 2},
                 bent[] = {0, 0, 0, 1, 0, 0, 1, 1, 0};
    double m[6];
    rg_error err = {0};
    assert_int_equal(rg_directors_along(straight, 3, NULL, m, &err), RG_OK);
    assert_true(m[2] == 1.0 && m[5] == 1.0);
    assert_int_equal(rg_directors_along(upright, 3, NULL, m, &err), RG_OK);
    assert_true(m[0] == 1.0 && m[3] == 1.0);
    assert_int_equal(rg_directors_along(bent, 3, NULL, m, &err), RG_OK);
    /* towards the last vertex, and turned with the curve: exact but for rounding */
    assert_true(fabs(m[1] - 1.0) < 1e-14 && fabs(m[3] + 1.0) < 1e-14);
}

/* A rope that hangs from a gripper and bends a little to one side: the default director is in the plane of its bend,
 * and turns with it, down to 0.01 rad between its first chord and the line through its ends. */
static void directors_turn(void **state)
{
    (void)state;
    static const double bends[] = {0.25, 0.021, 0.0101, 0.0099}; /* [rad] */
    rg_error err = {0};
    double m[6];
    for (int k = 0; k < 4; k++)
        for (int turn = 0; turn < 8; turn++) {
            const double to[2] = {cos(0.3 + turn), sin(0.3 + turn)}, aside = 2.0 * tan(bends[k]);
            const double x[9] = {0, 0, 0, 0, 0, -1, aside * to[0], aside * to[1], -2};
            assert_int_equal(rg_directors_along(x, 3, NULL, m, &err), RG_OK);
            /* of rounding in the angle between two vectors */
            if (k < 3) assert_true(fabs(m[0] - to[0]) < 1e-12 && fabs(m[1] - to[1]) < 1e-12);
            else assert_true(m[0] == 1.0 && m[1] == 0.0);
        }
}

static void directors_err(void **state)
{
    (void)state;
    const double x[] = {0, 0, 0, 1, 0, 0, 2, 0, 0}, along[] = {-2, 0, 0}, zero[] = {0, 0, 0},
                 same[] = {0, 0, 0, 1, 0, 0, 1, 0, 0}, gap[] = {0, 0, 0, NAN, 0, 0, 2, 0, 0}, nearly[] = {1, 1e-7, 0},
                 lost[] = {NAN, 1, 0};
    double m[6] = {7, 7, 7, 7, 7, 7};
    rg_error err = {0};
    assert_int_equal(rg_directors_along(NULL, 3, NULL, m, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_directors_along(x, 3, NULL, NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_directors_along(x, 1, NULL, m, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_directors_along(x, 3, along, m, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "-2"));
    assert_int_equal(rg_directors_along(x, 3, zero, m, &err), RG_ERR_VALUE);
    assert_int_equal(rg_directors_along(x, 3, nearly, m, &err), RG_ERR_VALUE);
    assert_int_equal(rg_directors_along(x, 3, lost, m, &err), RG_ERR_VALUE);
    assert_int_equal(rg_directors_along(same, 3, NULL, m, &err), RG_ERR_VALUE);
    assert_non_null(strstr(err.text, "1 and 2"));
    assert_int_equal(rg_directors_along(gap, 3, NULL, m, &err), RG_ERR_VALUE);
    for (int i = 0; i < 6; i++) assert_true(m[i] == 7.0);
    /* a curve that goes straight back */
    const double back[] = {0, 0, 0, 1, 0, 0, 0.5, 0, 0};
    assert_int_equal(rg_directors_along(back, 3, NULL, m, &err), RG_OK);
    assert_true(fabs(dot(m + 3, m + 3) - 1.0) < 1e-14 && fabs(m[3]) < 1e-14);
}

/* deflection of a cantilever of 1 m from vertex 1 to its tip, edges of 1/40 m, its gripped edge `grip` of these long,
 * under a force that bends it by micrometres, in the deflection of a beam that is built in at vertex 1 */
static double deflection(double grip)
{
    const int clamps[] = {0, 1};
    const double h = 1.0 / (N - 2), stiffness = 2e-3, force = 1e-7;
    double x0[3 * N] = {0}, v0[3 * N] = {0}, m0[3 * (N - 1)], f[3 * N] = {0}, x[3 * N], clamp_m[3];
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    rg_rod_status status;
    assert_int_equal(rg_model_create(N, 1, clamps, 2, &model, &err), RG_OK);
    for (size_t i = 0; i < N - 1; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = i ? h : grip * h;
    for (size_t i = 0; i < N; i++)
        rg_model_field_data(model, RG_BEND_STIFFNESS_1)[i] = rg_model_field_data(model, RG_BEND_STIFFNESS_2)[i] =
            stiffness;
    for (size_t i = 0; i < N; i++) x0[3 * i] = i ? (double)(i - 1) * h : -grip * h;
    assert_int_equal(rg_directors_along(x0, N, NULL, m0, &err), RG_OK);
    memcpy(clamp_m, m0, sizeof clamp_m);
    f[3 * (N - 1) + 2] = force;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.scheme = RG_SCHEME_STATIC;
    opts.rollout.tolerance_m = 1e-13;
    opts.rollout.gravity[2] = 0.0;
    opts.adjoint = 0;
    assert_int_equal(rg_batch_create(model, 1, &opts, &batch, &err), RG_OK);
    const rg_batch_inputs in = {.x0 = x0, .v0 = v0, .m0 = m0, .clamp_x = x0, .clamp_m = clamp_m, .force = f};
    const rg_batch_outputs out = {.x = x};
    assert_int_equal(rg_batch_forward(batch, &in, &out, &status, &err), RG_OK);
    assert_int_equal(status.flag, RG_ROD_OK);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    return x[3 * (N - 1) + 2] / (force / (3.0 * stiffness));
}

/* the clamp's plane is the middle of the gripped edge: F X^3 / 3B, X from there to the tip */
static void clamp_in_mid_edge(void **state)
{
    (void)state;
    const double grips[] = {1e-3, 0.5, 1.0, 2.0, 4.0}, h = 1.0 / (N - 2);
    for (size_t k = 0; k < sizeof grips / sizeof *grips; k++) {
        const double length = 1.0 + 0.5 * grips[k] * h, found = deflection(grips[k]);
        /* joints are a midpoint rule for the beam's integral: its error is h^2 (3 (1 - grip^2) - 1) / 4 to second
         * order, while half a gripped edge more or less changes the deflection by 1.5 grip h */
        const double bar = h * h * (0.3 + 0.8 * fabs(1.0 - grips[k] * grips[k]));
        assert_true(fabs(found - length * length * length) <= bar);
        if (grips[k] >= 0.5) assert_true(found - 1.0 > 5.0 * bar);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(directors_transported), cmocka_unit_test(directors_default),
                                       cmocka_unit_test(directors_turn), cmocka_unit_test(directors_err),
                                       cmocka_unit_test(clamp_in_mid_edge)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
