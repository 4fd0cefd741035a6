/* test_section.c: sections against integrals over strips, torsion against Prandtl's stress function on a
 * grid and as a double series, the axes against the sag of a strip, and the way back. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rodgrad/rodgrad.h"

static const double pi = 3.14159265358979323846;
static const rg_material rubber = {1e7, 3.5e6, 1100.0};
static const rg_section sections[] = {
    {RG_SECTION_CIRCLE, 0.004, 0},       {RG_SECTION_ELLIPSE, 0.004, 0.0025},  {RG_SECTION_ELLIPSE, 0.001, 0.003},
    {RG_SECTION_RECTANGLE, 0.01, 0.002}, {RG_SECTION_RECTANGLE, 0.003, 0.003}, {RG_SECTION_TUBE, 0.004, 0.0039},
    {RG_SECTION_TUBE, 0.004, 0.001},
};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

static void near_to(const char *what, double got, double want, double tol)
{
    if (!(fabs(got - want) <= tol * fabs(want))) fail_msg("%s: %.17g, not %.17g", what, got, want);
}

static rg_section_shape measure(rg_section s)
{
    rg_section_shape shape;
    rg_error err = {0};
    if (rg_section_measure(&s, &shape, &err) != RG_OK) fail_msg("%s", err.text);
    return shape;
}

/* length along m2 of a full section with half-widths a and b, at x along m1 */
static double chord(int rectangle, double a, double b, double x)
{
    return rectangle ? 2 * b : 2 * b * sqrt(fmax(0, 1 - x * x / (a * a)));
}

/* area and second moments from strips across m1: Simpson's rule in t, x = a sin t, for smooth ends */
static void integrate(int rectangle, double a, double b, double sign, double sum[3])
{
    enum { N = 4096 };
    for (int i = 0; i <= N; i++) {
        const double t = pi * ((double)i / N - 0.5), x = a * sin(t), c = chord(rectangle, a, b, x);
        const double weight = (i == 0 || i == N ? 1 : i % 2 ? 4 : 2) * pi / N / 3 * a * cos(t) * sign;
        sum[0] += weight * c;
        sum[1] += weight * c * x * x;
        sum[2] += weight * c * c * c / 12;
    }
}

static void section_integrals_value(void **state)
{
    (void)state;
    for (int k = 0; k < N_SECTIONS; k++) {
        const rg_section s = sections[k];
        const rg_section_shape shape = measure(s);
        const int rectangle = s.kind == RG_SECTION_RECTANGLE;
        const double a = rectangle ? s.a_m / 2 : s.a_m;
        const double b = rectangle ? s.b_m / 2 : s.kind == RG_SECTION_ELLIPSE ? s.b_m : s.a_m;
        double sum[3] = {0};
        integrate(rectangle, a, b, 1, sum);
        if (s.kind == RG_SECTION_TUBE) integrate(0, s.b_m, s.b_m, -1, sum);
        /* Simpson's error is some 1e-12; the thin wall loses two digits of it */
        near_to("area", shape.area_m2, sum[0], 1e-10);
        near_to("I1", shape.i1_m4, sum[1], 1e-10);
        near_to("I2", shape.i2_m4, sum[2], 1e-10);
        if (s.kind == RG_SECTION_CIRCLE || s.kind == RG_SECTION_TUBE)
            near_to("polar moment", shape.j_m4, sum[1] + sum[2], 1e-10);
    }
}

/* ---- torsion ---- */

/* J of Prandtl's stress function, lap phi = -2 and 0 at the boundary, as a double sine series */
static double double_series(double w, double h)
{
    double sum = 0;
    for (int m = 2001; m > 0; m -= 2)
        for (int n = 2001; n > 0; n -= 2) {
            const double m2 = (double)m * m, n2 = (double)n * n;
            sum += 1 / (m2 * n2 * (m2 / (w * w) + n2 / (h * h)));
        }
    return 256 * w * h / pow(pi, 6) * sum;
}

static void section_rectangle_torsion_value(void **state)
{
    (void)state;
    /* Timoshenko and Goodier's table: J/(l s^3) to the digits printed there */
    static const double table[][2] = {{1, 0.1406}, {1.5, 0.196}, {2, 0.229}, {3, 0.263}, {5, 0.291}, {10, 0.312}};
    for (size_t k = 0; k < sizeof table / sizeof *table; k++) {
        const double l = table[k][0];
        const rg_section wide = {RG_SECTION_RECTANGLE, l, 1}, high = {RG_SECTION_RECTANGLE, 1, l};
        const double j = measure(wide).j_m4;
        assert_true(measure(high).j_m4 == j);
        if (!(fabs(j / l - table[k][1]) <= 6e-4)) fail_msg("l/s = %g: %.6f, not %g", l, j / l, table[k][1]);
        /* what the double series leaves out falls as the cube of its length */
        near_to("double series", j, double_series(l, 1), 1e-7 * (l > 4) + 1e-9);
    }
    near_to("a square", measure((rg_section){RG_SECTION_RECTANGLE, 1, 1}).j_m4, 0.140577, 2e-6);
    near_to("a plate", measure((rg_section){RG_SECTION_RECTANGLE, 1e6, 1}).j_m4, 1e6 / 3, 1e-6);
}

/* the same J from five-point differences with unequal arms at the boundary, solved by over-relaxation */
static double grid_torsion(int rectangle, double a, double b)
{
    enum { N = 48 };
    static double phi[N + 2][N + 2];
    const double h = 2 * a / N, k = 2 * b / N;
    memset(phi, 0, sizeof phi);
    for (int pass = 0; pass < 600; pass++)
        for (int i = 1; i < N; i++)
            for (int j = 1; j < N; j++) {
                const double x = -a + h * i, y = -b + k * j;
                const double half_y = chord(rectangle, a, b, x) / 2, half_x = chord(rectangle, b, a, y) / 2;
                if (!(fabs(y) < half_y) || !(fabs(x) < half_x)) continue;
                const double e = fmin(h, half_x - x), w = fmin(h, half_x + x);
                const double n = fmin(k, half_y - y), s = fmin(k, half_y + y);
                const double pe = e < h ? 0 : phi[i + 1][j], pw = w < h ? 0 : phi[i - 1][j];
                const double pn = n < k ? 0 : phi[i][j + 1], ps = s < k ? 0 : phi[i][j - 1];
                const double rhs = 2 + 2 * (pe / e + pw / w) / (e + w) + 2 * (pn / n + ps / s) / (n + s);
                const double next = rhs / (2 / (e * w) + 2 / (n * s));
                phi[i][j] += 1.85 * (next - phi[i][j]);
            }
    double sum = 0;
    for (int i = 1; i < N; i++)
        for (int j = 1; j < N; j++) sum += phi[i][j];
    return 2 * sum * h * k;
}

static void section_torsion_grid(void **state)
{
    (void)state;
    for (int k = 0; k < N_SECTIONS; k++) {
        const rg_section s = sections[k];
        if (s.kind == RG_SECTION_TUBE) continue; /* two boundaries */
        const int rectangle = s.kind == RG_SECTION_RECTANGLE;
        const double a = rectangle ? s.a_m / 2 : s.a_m;
        const double b = rectangle ? s.b_m / 2 : s.kind == RG_SECTION_ELLIPSE ? s.b_m : s.a_m;
        /* 48 columns: the rule's error at the boundary is of second order, 1/48^2 times a few */
        near_to(rg_section_name(s.kind), measure(s).j_m4, grid_torsion(rectangle, a, b), 3e-3);
    }
}

/* ---- the axes, the model ---- */

/* sag of a strip's tip over that of a beam of bend stiffness EI; m1 points up or across */
static double sag_ratio(const rg_section *section, int up, double bend)
{
    enum { M = 7, E = M - 1, S = 60 };
    static const int grip[] = {0, 1};
    const double length = 1.0;
    rg_model *m = NULL;
    rg_error err = {0};
    rg_stiffness s;
    assert_int_equal(rg_model_create(M, 1, grip, 2, &m, &err), RG_OK);
    assert_int_equal(rg_model_set_section(m, section, &rubber, &err), RG_OK);
    assert_int_equal(rg_section_stiffness(section, &rubber, &s, &err), RG_OK);
    double x0[M][3] = {{-1e-5, 0, 0}}, v0[M][3] = {{0}}, m0[E][3] = {{0}}, x[S][M][3];
    double clamp_x[S][2][3] = {{{0}}}, clamp_m[S][1][3] = {{{0}}};
    for (int k = 1; k < M; k++) x0[k][0] = length * (k - 1) / (M - 2);
    for (int e = 0; e < E; e++) {
        m0[e][up ? 2 : 1] = 1;
        rg_model_field_data(m, RG_REST_LENGTH)[e] = x0[e + 1][0] - x0[e][0];
    }
    for (int f = 0; f < S; f++) {
        memcpy(clamp_x[f], x0, sizeof clamp_x[f]);
        memcpy(clamp_m[f], m0, sizeof clamp_m[f]);
    }
    /* light enough to stay straight, damped enough to be at rest in the end */
    const double sag = 1e-3;
    const double gravity = sag * 8 * bend / (s.mass_per_length_kg_m * pow(length, 4));
    for (int i = 0; i < M; i++) rg_model_field_data(m, RG_DRAG)[i] = 100 * sqrt(gravity);
    rg_batch_opts o = rg_batch_opts_default();
    o.n_frames = S;
    o.dt_s = 1.0 / sqrt(gravity);
    o.rollout.gravity[2] = -gravity;
    o.adjoint = 0;
    o.rollout.scheme = RG_SCHEME_BE;
    o.rollout.tolerance_m = 1e-11;
    rg_batch *batch = NULL;
    rg_rod_status status;
    const rg_batch_inputs in = {
        .x0 = x0[0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0][0], .clamp_m = clamp_m[0][0]};
    const rg_batch_outputs out = {.x = x[0][0]};
    if (rg_batch_create(m, 1, &o, &batch, &err) != RG_OK) fail_msg("%s", err.text);
    if (rg_batch_forward(batch, &in, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(status.flag, RG_ROD_OK);
    rg_batch_destroy(&batch);
    rg_model_destroy(&m);
    return -x[S - 1][M - 1][2] / sag;
}

static void section_axes_value(void **state)
{
    (void)state;
    const rg_section strip = {RG_SECTION_RECTANGLE, 0.02, 0.005};
    /* m1 up: width resists. Five edges are some 4 % off; the other axis would be 16 times off */
    const double up = sag_ratio(&strip, 1, 1e7 * pow(0.02, 3) * 0.005 / 12);
    const double across = sag_ratio(&strip, 0, 1e7 * pow(0.005, 3) * 0.02 / 12);
    if (!(fabs(up - 1) <= 0.1) || !(fabs(across - 1) <= 0.1)) fail_msg("sags %g and %g", up, across);
}

static void section_model_value(void **state)
{
    (void)state;
    static const rg_field set[] = {RG_STRETCH_STIFFNESS, RG_BEND_STIFFNESS_1, RG_BEND_STIFFNESS_2,
                                   RG_TWIST_STIFFNESS,   RG_MASS_PER_LENGTH,  RG_BEND_COUPLING};
    const double a = 0.004, b = 0.0025;
    const rg_section ellipse = {RG_SECTION_ELLIPSE, a, b};
    const double want[] = {1e7 * pi * a * b,
                           1e7 * pi * pow(a, 3) * b / 4,
                           1e7 * pi * a * pow(b, 3) / 4,
                           3.5e6 * pi * pow(a * b, 3) / (a * a + b * b),
                           1100 * pi * a * b,
                           0};
    for (size_t refine = 1; refine <= 8; refine += 7) {
        rg_model *m = NULL;
        rg_error err = {0};
        assert_int_equal(rg_model_create(5, refine, NULL, 0, &m, NULL), RG_OK);
        for (size_t i = 0; i < rg_model_vertices(m); i++) rg_model_field_data(m, RG_BEND_COUPLING)[i] = 1e-4;
        const double drag = rg_model_field(m, RG_DRAG)[0];
        if (rg_model_set_section(m, &ellipse, &rubber, &err) != RG_OK) fail_msg("%s", err.text);
        for (size_t k = 0; k < sizeof set / sizeof *set; k++)
            for (size_t i = 0; i < rg_model_field_entries(m, set[k]); i++)
                near_to(rg_field_describe(set[k])->name, rg_model_field(m, set[k])[i], want[k], 1e-14);
        assert_int_equal(rg_model_check(m, &err), RG_OK);
        assert_true(rg_model_field(m, RG_DRAG)[0] == drag);
        /* refused: as it was */
        const rg_material none = {1e7, NAN, 1100};
        assert_int_equal(rg_model_set_section(m, &sections[0], &none, &err), RG_ERR_VALUE);
        assert_non_null(strstr(err.text, "shear modulus is nan"));
        near_to("stretch", rg_model_field(m, RG_STRETCH_STIFFNESS)[0], want[0], 1e-14);
        rg_model_destroy(&m);
    }
}

/* ---- back ---- */

static void section_round_trip(void **state)
{
    (void)state;
    for (int k = 0; k < N_SECTIONS; k++) {
        const rg_section *s = &sections[k];
        rg_stiffness stiffness;
        rg_moduli m;
        rg_error err = {0};
        assert_int_equal(rg_section_stiffness(s, &rubber, &stiffness, &err), RG_OK);
        assert_int_equal(rg_section_moduli(s, &stiffness, &m, &err), RG_OK);
        near_to("E of EI1", m.young_bend_1_pa, 1e7, 1e-14);
        near_to("E of EI2", m.young_bend_2_pa, 1e7, 1e-14);
        near_to("E of EA", m.young_stretch_pa, 1e7, 1e-14);
        near_to("G", m.shear_pa, 3.5e6, 1e-14);
        near_to("density", m.density_kg_m3, 1100, 1e-14);
        near_to("Poisson's ratio", m.poisson, 1e7 / 7e6 - 1, 1e-13);
        for (int with = 0; with < 2; with++) {
            rg_section back;
            if (!with && s->kind == RG_SECTION_TUBE) continue;
            rg_stiffness less = stiffness;
            less.twist_n_m2 = less.mass_per_length_kg_m = NAN; /* not read */
            if (with && s->kind != RG_SECTION_TUBE) less.stretch_n = NAN;
            if (rg_section_from_stiffness(s->kind, &less, with ? 1e7 : 0, &back, &err) != RG_OK)
                fail_msg("%s", err.text);
            assert_int_equal(back.kind, s->kind);
            near_to("a", back.a_m, s->a_m, 1e-13);
            /* an inner radius is the root of a difference */
            if (s->kind != RG_SECTION_CIRCLE) near_to("b", back.b_m, s->b_m, 1e-12);
        }
    }
    /* a tube without a hole, and estimates of E that differ */
    const rg_section full = {RG_SECTION_TUBE, 0.003, 0};
    rg_section back;
    rg_stiffness s;
    rg_moduli m;
    assert_int_equal(rg_section_stiffness(&full, &rubber, &s, NULL), RG_OK);
    assert_int_equal(rg_section_from_stiffness(RG_SECTION_TUBE, &s, 1e7, &back, NULL), RG_OK);
    near_to("a full tube", back.a_m, 0.003, 1e-13);
    assert_true(back.b_m <= 1e-8);
    s.bend_1_n_m2 *= 2, s.stretch_n *= 5;
    assert_int_equal(rg_section_moduli(&full, &s, &m, NULL), RG_OK);
    near_to("E of EI1", m.young_bend_1_pa, 2e7, 1e-14);
    near_to("E of EI2", m.young_bend_2_pa, 1e7, 1e-14);
    near_to("E of EA", m.young_stretch_pa, 5e7, 1e-14);
    near_to("Poisson's ratio", m.poisson, 1.5e7 / 7e6 - 1, 1e-13);
}

static void refused_section(rg_section s, const char *words)
{
    rg_section_shape shape = {1, 2, 3, 4};
    rg_error err = {0};
    assert_int_equal(rg_section_measure(&s, &shape, &err), RG_ERR_VALUE);
    if (!strstr(err.text, words)) fail_msg("no \"%s\" in: %s", words, err.text);
    assert_true(shape.area_m2 == 1 && shape.j_m4 == 4);
}

static void refused_back(rg_section_kind kind, rg_stiffness s, double young, rg_status status, const char *words)
{
    rg_section out = {RG_SECTION_CIRCLE, 7, 7};
    rg_error err = {0};
    assert_int_equal(rg_section_from_stiffness(kind, &s, young, &out, &err), status);
    if (!strstr(err.text, words)) fail_msg("no \"%s\" in: %s", words, err.text);
    assert_true(out.a_m == 7);
}

static void section_refusals_err(void **state)
{
    (void)state;
    refused_section((rg_section){RG_SECTION_CIRCLE, -1, 0}, "circle's radius is -1 m");
    refused_section((rg_section){RG_SECTION_CIRCLE, NAN, 0}, "nan");
    refused_section((rg_section){RG_SECTION_ELLIPSE, 1, 0}, "ellipse's b is 0 m");
    refused_section((rg_section){RG_SECTION_RECTANGLE, 1, INFINITY}, "height is inf");
    refused_section((rg_section){RG_SECTION_TUBE, 1, 1}, "inner radius is 1 m");
    refused_section((rg_section){RG_SECTION_TUBE, 1, -1}, "inner radius is -1 m");
    refused_section((rg_section){RG_SECTION_TUBE, 1, NAN}, "inner radius is nan");
    refused_section((rg_section){RG_SECTION_CIRCLE, 1e200, 0}, "too large");
    refused_section((rg_section){RG_SECTION_CIRCLE, 1e-200, 0}, "too small");

    rg_section_shape shape;
    rg_stiffness s = {500, 1e-3, 1e-3, 5e-4, 0.03}, bad;
    rg_moduli moduli;
    rg_error err = {0};
    const rg_section no_kind = {(rg_section_kind)9, 1, 1};
    assert_int_equal(rg_section_measure(&no_kind, &shape, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_section_measure(NULL, &shape, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_section_measure(&sections[0], NULL, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_section_stiffness(&sections[0], NULL, &bad, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_section_moduli(&sections[0], NULL, &moduli, &err), RG_ERR_ARGUMENT);
    assert_int_equal(rg_model_set_section(NULL, &sections[0], &rubber, &err), RG_ERR_ARGUMENT);
    double *parts[] = {&bad.stretch_n, &bad.bend_1_n_m2, &bad.bend_2_n_m2, &bad.twist_n_m2, &bad.mass_per_length_kg_m};
    static const char *const names[] = {"stretch_stiffness", "bend_stiffness_1", "bend_stiffness_2", "twist_stiffness",
                                        "mass_per_length"};
    for (int k = 0; k < 5; k++) {
        bad = s;
        *parts[k] = k % 2 ? NAN : 0;
        assert_int_equal(rg_section_moduli(&sections[0], &bad, &moduli, &err), RG_ERR_VALUE);
        assert_non_null(strstr(err.text, names[k]));
    }
    bad = s;
    bad.stretch_n = 0;
    refused_back(RG_SECTION_CIRCLE, bad, 0, RG_ERR_VALUE, "stretch_stiffness is 0 N");
    refused_back(RG_SECTION_TUBE, s, 0, RG_ERR_ARGUMENT, "R^2 + r^2");
    refused_back(RG_SECTION_TUBE, s, 1e6, RG_ERR_VALUE, "No tube");
    refused_back(RG_SECTION_CIRCLE, s, -1, RG_ERR_VALUE, "modulus is -1 Pa");
    refused_back((rg_section_kind)9, s, 0, RG_ERR_ARGUMENT, "kind 9");
    bad = s;
    bad.bend_2_n_m2 *= 1 + 2 * RG_SECTION_ROUND;
    refused_back(RG_SECTION_CIRCLE, bad, 0, RG_ERR_VALUE, "take an ellipse");
    refused_back(RG_SECTION_TUBE, bad, 1e8, RG_ERR_VALUE, "take an ellipse");
    bad.bend_2_n_m2 = s.bend_2_n_m2 * (1 + RG_SECTION_ROUND / 2);
    rg_section out;
    assert_int_equal(rg_section_from_stiffness(RG_SECTION_CIRCLE, &bad, 0, &out, &err), RG_OK);

    rg_section_kind kind = RG_SECTION_CIRCLE;
    assert_true(rg_section_find("tube", &kind) && kind == RG_SECTION_TUBE);
    assert_false(rg_section_find("pipe", &kind) || rg_section_find(NULL, &kind));
    assert_string_equal(rg_section_name((rg_section_kind)-1), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(section_integrals_value), cmocka_unit_test(section_rectangle_torsion_value),
        cmocka_unit_test(section_torsion_grid),    cmocka_unit_test(section_axes_value),
        cmocka_unit_test(section_model_value),     cmocka_unit_test(section_round_trip),
        cmocka_unit_test(section_refusals_err),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
