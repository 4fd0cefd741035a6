/* test_instantiations.c: the element kernels over float and over packs of 2, 4 and 8 rods against
 * the scalar double reference, through elements_probe.h. Every translation unit is compiled with
 * contraction off, so that a pack's lanes are the reference's bits: of packs of 4 and 8, which fuse, those of a
 * reference that fuses too (rg_fma). A pack whose instruction set this processor lacks is skipped. */
#define RGI_REAL_DOUBLE
#include "elements_probe.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "grad_table.h"
#include "probe_random.h"

#define DOUBLE_PROBE(name) double_##name
#define FLOAT_PROBE(name) float_##name
#define PACK2_PROBE(name) pack2_##name
PROBE_DECLARE(DOUBLE_PROBE);
PROBE_DECLARE(FLOAT_PROBE);
PROBE_DECLARE(PACK2_PROBE);
#ifdef ELEMENTS_X86
#define FMA_PROBE(name) fma_##name
#define PACK4_PROBE(name) pack4_##name
#define PACK8_PROBE(name) pack8_##name
PROBE_DECLARE(FMA_PROBE);
PROBE_DECLARE(PACK4_PROBE);
PROBE_DECLARE(PACK8_PROBE);
#endif

enum { LANES = 8, ROUNDS = 500, N = 24 };

/* |a - b| in units in the last place of b, for a format with `digits` bits of significand */
static double ulps(double a, long double b, int digits)
{
    int e;
    frexpl(b, &e);
    return (double)(fabsl((long double)a - b) / ldexpl(1.0L, e - digits));
}

static double atan_argument(int i, uint64_t *seed)
{
    const double edges[] = {0.66, 2.414213562373095048802, 1.0, 0.0};
    if (i % 3 == 0) return edges[i / 3 % 4] * (1.0 + 1e-3 * random_signed(seed));
    if (i % 3 == 1) return pow(10.0, 30.0 * random_signed(seed)) * (i % 2 ? 1.0 : -1.0);
    return tan(3.14159265 * (random_uniform(seed) - 0.5));
}

static void instantiations_atan_value(void **state)
{
    (void)state;
    uint64_t seed = 1;
    double worst[2] = {0.0, 0.0};
    for (int i = 0; i < 300000; i++) {
        double u = atan_argument(i, &seed), f = (double)(float)u, r[2], m[2], v = -u, g = -f;
        double_atan(&u, &r[0]);
        double_atan(&v, &m[0]);
        float_atan(&f, &r[1]);
        float_atan(&g, &m[1]);
        for (int k = 0; k < 2; k++) {
            if (m[k] != -r[k]) fail_msg("not odd at %.17g", u);
            long double exact = atanl(k ? (long double)f : (long double)u);
            int digits = k ? FLT_MANT_DIG : DBL_MANT_DIG;
            double err = exact == 0.0L ? fabs(r[k]) : ulps(r[k], exact, digits);
            if (!(err <= 2.0)) fail_msg("atan(%.17g) is off by %.2f ulp", u, err);
            worst[k] = err > worst[k] ? err : worst[k];
        }
    }
    print_message("worst error: double %.2f ulp, float %.2f ulp\n", worst[0], worst[1]);
    const double ends[] = {0.0, INFINITY, -INFINITY};
    for (int k = 0; k < 3; k++) {
        double r;
        double_atan(&ends[k], &r);
        assert_true(r == atan(ends[k]));
    }
    double nan_in = NAN, r;
    double_atan(&nan_in, &r);
    assert_true(r != r);
}

static void joint_random(uint64_t *seed, double *in)
{
    double n[3], p[3], te[3], tf[3];
    random_unit(seed, te);
    random_perpendicular(seed, te, n);
    random_perpendicular(seed, te, in + 6);
    double bend = 2.6 * random_uniform(seed), twist = 2.5 * random_signed(seed);
    rotate(n, bend, te, tf);
    rotate(n, bend, in + 6, p);
    rotate(tf, twist, p, in + 9);
    double le = 0.01 + 0.05 * random_uniform(seed), lf = 0.01 + 0.05 * random_uniform(seed);
    for (int k = 0; k < 3; k++) {
        in[k] = le * te[k];
        in[3 + k] = lf * tf[k];
    }
    for (int k = 12; k < PROBE_IN; k++) in[k] = random_signed(seed);
}

static void instantiations_float_parity(void **state)
{
    (void)state;
    uint64_t seed = 2;
    double worst = 0.0;
    for (int i = 0; i < ROUNDS; i++) {
        double in[PROBE_IN], a[PROBE_OUT], b[PROBE_OUT], te[3], tf[3];
        joint_random(&seed, in);
        double_joint(in, a);
        float_joint(in, b);
        unit(in, te);
        unit(in + 3, tf);
        double ichi = 1.0 / (1.0 + dot(te, tf)), scale = 7.0 * ichi * ichi;
        double ie = fmax(1.0 / norm(in), 1.0 / norm(in + 3));
        for (int k = 0; k < PROBE_OUT; k++) {
            double size = k < 3 ? 1.0 : (k < 3 + RGI_NG ? ie : ie * ie);
            /* 6e-8 in the input, amplified by 1/chi <= 14 and by a hundred operations */
            double err = fabs(a[k] - b[k]) / (scale * size);
            if (!(err <= 1e-5)) fail_msg("round %d, output %d: double %.9g, float %.9g", i, k, a[k], b[k]);
            worst = fmax(worst, err);
        }
    }
    grad_record("backends against scalar double", "element: float", worst, 1e-5, GRAD_AT_MOST);
}

typedef struct probe {
    int lanes;
    void (*atan)(const double *u, double *r);
    void (*joint)(const double *in, double *out);
    void (*ldlt)(rgi_schedule plan, double *blocks, double *y, int *indefinite);
} probe;

static void assert_bits(const double *a, const double *b, int n, const char *what, int round)
{
    for (int i = 0; i < n; i++) /* every NaN is alike: which payload survives is the instruction's choice */
        if (memcmp(a + i, b + i, sizeof *a) != 0 && !(a[i] != a[i] && b[i] != b[i]))
            fail_msg("%s, round %d, value %d: %.17g and %.17g", what, round, i, a[i], b[i]);
}

/* lanes hold different rods; in some rounds a lane holds NaN or an indefinite matrix, and the other
 * lanes' bits are still the reference's */
static void assert_pack_parity(probe p, probe reference)
{
    static double in[LANES][PROBE_IN], out[LANES][PROBE_OUT], ref[PROBE_OUT];
    static double a[LANES * N * RGI_NH], y[LANES * N * 4], ra[N * RGI_NH], ry[N * 4];
    static double whole[LANES * N * RGI_NH], rhs[LANES * N * 4];
    double u[LANES], r[LANES], one;
    uint64_t seed = 3;
    for (int i = 0; i < ROUNDS; i++) {
        for (int l = 0; l < p.lanes; l++) {
            u[l] = atan_argument(3 * i + l, &seed);
            joint_random(&seed, in[l]);
        }
        if (i % 50 == 7) u[0] = in[p.lanes - 1][4] = NAN;
        if (i % 50 == 8)
            for (int k = 0; k < 3; k++) in[0][3 + k] = in[0][k];
        p.atan(u, r);
        p.joint(in[0], out[0]);
        for (int l = 0; l < p.lanes; l++) {
            reference.atan(&u[l], &one);
            assert_bits(&r[l], &one, 1, "atan", i);
            reference.joint(in[l], ref);
            assert_bits(out[l], ref, PROBE_OUT, "joint", i);
        }
    }
    int order[N], first[N], second[N];
    rgi_schedule plan = {N, order, first, second};
    for (int k = 0; k < N; k++) {
        order[k] = k;
        first[k] = k + 1 < N ? k + 1 : -1;
        second[k] = k + 2 < N ? k + 2 : -1;
    }
    for (int i = 0; i < ROUNDS / 10; i++) {
        for (int k = 0; k < p.lanes * N * RGI_NH; k++) whole[k] = 0.5 * random_signed(&seed);
        for (int k = 0; k < p.lanes * N; k++)
            for (int c = 0; c < 4; c++) {
                /* positive definite by dominance, lane 1 indefinite, here and there a zero pivot */
                int l = k / N;
                whole[RGI_NH * k + c * (c + 1) / 2 + c] = l == 1 && k % N == i % N ? -9.0 : 9.0;
                rhs[4 * k + c] = random_signed(&seed);
            }
        if (i % 5 == 2) whole[RGI_NH * (i % N)] = 0.0;
        if (i % 5 == 3) whole[RGI_NH * (i % N) + 4] = NAN;
        memcpy(a, whole, sizeof a);
        memcpy(y, rhs, sizeof y);
        int bad[LANES], rbad;
        p.ldlt(plan, a, y, bad);
        for (int l = 0; l < p.lanes; l++) {
            memcpy(ra, whole + l * N * RGI_NH, sizeof ra);
            memcpy(ry, rhs + l * N * 4, sizeof ry);
            reference.ldlt(plan, ra, ry, &rbad);
            assert_bits(a + l * N * RGI_NH, ra, N * RGI_NH, "factor", i);
            assert_bits(y + l * N * 4, ry, N * 4, "solution", i);
            assert_int_equal(bad[l] != 0, rbad != 0);
            if (l == 1) assert_true(bad[l]);
        }
    }
}

static void instantiations_pack2_parity(void **state)
{
    (void)state;
    assert_int_equal(pack2_lanes(), 2);
    assert_pack_parity((probe){2, pack2_atan, pack2_joint, pack2_ldlt},
                       (probe){1, double_atan, double_joint, double_ldlt});
    /* a bit that differs has ended the test */
    grad_record_bitwise("backends against scalar double", "element: pack of 2 doubles", 0.0);
}

static void instantiations_pack4_parity(void **state)
{
    (void)state;
#ifdef ELEMENTS_X86
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        assert_int_equal(pack4_lanes(), 4);
        assert_pack_parity((probe){4, pack4_atan, pack4_joint, pack4_ldlt}, (probe){1, fma_atan, fma_joint, fma_ldlt});
        return;
    }
#endif
    print_message("skipped: this processor has no AVX2\n");
    skip();
}

static void instantiations_pack8_parity(void **state)
{
    (void)state;
#ifdef ELEMENTS_X86
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("fma")) {
        assert_int_equal(pack8_lanes(), 8);
        assert_pack_parity((probe){8, pack8_atan, pack8_joint, pack8_ldlt}, (probe){1, fma_atan, fma_joint, fma_ldlt});
        return;
    }
#endif
    print_message("skipped: this processor has no AVX-512\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instantiations_atan_value),   cmocka_unit_test(instantiations_float_parity),
        cmocka_unit_test(instantiations_pack2_parity), cmocka_unit_test(instantiations_pack4_parity),
        cmocka_unit_test(instantiations_pack8_parity),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
