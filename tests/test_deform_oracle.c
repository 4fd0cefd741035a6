/* test_deform_oracle.c: the oracle's force against differences of its own energy, for every mixture
 * of conventions in which it has one, and its twist derivatives. No files are needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "deform_oracle.h"
#include "probe_random.h"

enum { MADE = 9 }; /* vertices of a made rod */

/* a bent, unevenly stretched rod of uneven, anisotropic stiffness, its last director off by 0.4 */
static void made_rod(uint64_t *seed, const oracle_switches *sw, oracle_rod *rod, oracle_state *s)
{
    double t[3] = {1.0, 0.0, 0.0}, axis[3], turned[3], e[3];
    memset(rod, 0, sizeof *rod);
    memset(s, 0, sizeof *s);
    rod->n = MADE;
    for (int k = 0; k < MADE; k++) {
        double length = 0.1 + 0.02 * random_signed(seed);
        for (int c = 0; c < 3 && k + 1 < MADE; c++) s->x[k + 1][c] = s->x[k][c] + length * t[c];
        rod->length[k] = length * (1.0 + 0.03 * random_signed(seed));
        rod->mass[k] = 1.0;
        rod->fixed[k] = k < 2 || k > MADE - 3;
        rod->twist[k] = 1.0 + 0.5 * random_signed(seed);
        rod->taubar[k] = 0.1 * random_signed(seed);
        for (int j = 0; j < 4; j++) {
            rod->bend[k][j / 2][j % 2] = 1.0 + 0.5 * random_signed(seed);
            rod->kbar[k][j / 2][j % 2] = 0.3 * random_signed(seed);
        }
        random_perpendicular(seed, t, axis);
        rotate(axis, 0.3 + 0.3 * random_uniform(seed), t, turned);
        memcpy(t, turned, sizeof t);
    }
    for (int c = 0; c < 3; c++) e[c] = s->x[1][c] - s->x[0][c];
    unit(e, t);
    random_perpendicular(seed, t, s->near_u);
    oracle_start(rod, sw, s);
    for (int c = 0; c < 3; c++) e[c] = s->x[MADE - 1][c] - s->x[MADE - 2][c];
    unit(e, t);
    rotate(t, 0.4, s->far_u, turned);
    memcpy(s->far_u, turned, sizeof turned);
}

/* Largest difference of force and -dE/dx by central differences over the free vertices, as a part
 * of the largest force. A director that the published force takes as fixed is held in E. */
static double force_error(const oracle_rod *rod, const oracle_switches *sw, oracle_state base)
{
    const double h = 1e-6;
    double force[ORACLE_VERTICES][3], other[ORACLE_VERTICES][3], m1[ORACLE_VERTICES][3];
    double energy[2], worst = 0.0, largest = 0.0;
    assert_true(oracle_force(rod, sw, &base, force, energy, m1) >= 0);
    oracle_switches probe = *sw;
    if (sw->far == ORACLE_FAR_BISHOP) {
        probe.far = ORACLE_FAR_HELD;
        memcpy(base.far_u, m1[MADE - 2], sizeof base.far_u);
    }
    for (int i = 2; i < MADE - 2; i++)
        for (int c = 0; c < 3; c++) {
            for (int side = 0; side < 2; side++) {
                oracle_state moved = base;
                moved.x[i][c] += side ? h : -h;
                assert_true(oracle_force(rod, &probe, &moved, other, energy + side, NULL) >= 0);
            }
            double error = fabs(force[i][c] + (energy[1] - energy[0]) / (2.0 * h));
            worst = error <= worst ? worst : error; /* keeps NaN */
            largest = fmax(largest, fabs(force[i][c]));
        }
    return worst / largest;
}

/* with current lengths the force is -dE/dx of what is held; with rest lengths it cannot be: the
 * frames turn by kb/(2L), not by kb/(2|e|) */
static void deform_oracle_force_fd(void **state)
{
    (void)state;
    double worst[2] = {0.0, 0.0};
    for (int i = 0; i < 96; i++) {
        uint64_t seed = 7 + (uint64_t)(i / 48);
        oracle_switches sw = {i & 1, (oracle_far)(i / 16 % 3), i >> 1 & 1, i >> 2 & 1, i >> 3 & 1, 0, 0, 0};
        oracle_rod rod;
        oracle_state s;
        made_rod(&seed, &sw, &rod, &s);
        double error = force_error(&rod, &sw, s);
        worst[sw.current_lengths] = fmax(worst[sw.current_lengths], error);
        /* differences: h^2 of an edge 1e-10, round-off of E 1e-16 / h; rest lengths: the stretch */
        assert_true(error <= (sw.current_lengths ? 1e-8 : 0.05));
    }
    print_message("force against differences of E: %.1e with current, %.1e with rest lengths\n", worst[1], worst[0]);
}

typedef struct probe {
    double x[MADE][3], m1[MADE][3], m2[MADE][3], tau[MADE];
} probe;

/* every director turned by its angle */
static oracle_elastic elastic_at(const oracle_rod *rod, const oracle_switches *sw, const probe *p, const double *theta)
{
    probe q = *p;
    oracle_elastic el;
    for (int j = 0; j < MADE - 1; j++) {
        for (int c = 0; c < 3; c++) {
            q.m1[j][c] = cos(theta[j]) * p->m1[j][c] + sin(theta[j]) * p->m2[j][c];
            q.m2[j][c] = cos(theta[j]) * p->m2[j][c] - sin(theta[j]) * p->m1[j][c];
        }
        if (j > 0) q.tau[j] += theta[j] - theta[j - 1];
    }
    oracle_evaluate(rod, sw, q.x, q.m1, q.m2, q.tau, &el);
    return el;
}

/* at fixed directors the force is exact whatever the lengths; so are both derivatives in theta */
static void deform_oracle_elastic_fd(void **state)
{
    (void)state;
    const double h = 1e-6, zero[MADE] = {0};
    double worst = 0.0;
    for (int i = 0; i < 8; i++) {
        uint64_t seed = 100 + (uint64_t)i;
        oracle_switches sw = {0, ORACLE_FAR_BISHOP, i & 1, i >> 1 & 1, i >> 2 & 1, 0, 0, 0};
        oracle_rod rod;
        oracle_state s;
        probe p;
        memset(&p, 0, sizeof p);
        made_rod(&seed, &sw, &rod, &s);
        memcpy(p.x, s.x, sizeof p.x);
        for (int j = 0; j < MADE - 1; j++) {
            random_unit(&seed, p.m1[j]);
            random_perpendicular(&seed, p.m1[j], p.m2[j]);
            p.tau[j] = random_signed(&seed);
        }
        oracle_elastic el = elastic_at(&rod, &sw, &p, zero);
        for (int j = 0; j < 3 * MADE; j++) {
            probe a = p, b = p;
            a.x[j / 3][j % 3] -= h;
            b.x[j / 3][j % 3] += h;
            double slope =
                (elastic_at(&rod, &sw, &b, zero).energy - elastic_at(&rod, &sw, &a, zero).energy) / (2.0 * h);
            /* forces are of order 100 here */
            worst = fmax(worst, fabs(slope + el.bend_force[j / 3][j % 3]) / 100.0);
            assert_true(fabs(slope + el.bend_force[j / 3][j % 3]) <= 1e-5);
        }
        for (int j = 0; j < MADE - 1; j++) {
            double minus[MADE] = {0}, plus[MADE] = {0};
            minus[j] = -h;
            plus[j] = h;
            oracle_elastic a = elastic_at(&rod, &sw, &p, minus), b = elastic_at(&rod, &sw, &p, plus);
            assert_true(fabs((b.energy - a.energy) / (2.0 * h) - el.grad[j]) <= 1e-7);
            assert_true(fabs((b.grad[j] - a.grad[j]) / (2.0 * h) - el.diag[j]) <= 1e-7);
            if (j > 0) assert_true(fabs((b.grad[j - 1] - a.grad[j - 1]) / (2.0 * h) - el.off[j]) <= 1e-7);
        }
    }
    print_message("force at fixed directors against differences: %.1e\n", worst);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deform_oracle_force_fd),
        cmocka_unit_test(deform_oracle_elastic_fd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
