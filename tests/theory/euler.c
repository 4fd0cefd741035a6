/* euler.c: columns that buckle under end shortening and under a dead weight, and the elastica after that.
 *
 * Which length enters: an edge's bending energy is counted per length at rest, while the load P does work
 * on the length there is, g times as long, g = 1 - P/EA. With the angle w of the tangent, S the arc length
 * at rest, the second variation of the straight column is  1/2 int B w'^2 - P g w^2 dS,  so that (Euler
 * 1744)
 *   P g = 4 pi^2 B/L^2 (both ends clamped, int w dS = 0),   P g = pi^2 B/(4 L^2) (one end free),
 * with L at rest: P is over the product of both lengths. Held ends and dead loads have one threshold, as a
 * straight rod's length and its deflection do not meet in second order.
 *
 * The discrete column has an exact threshold as well: w_j = sin(2 pi (j + 1/2)/n) and sin(pi (j + 1/2)/(2
 * n)) of its edges at rest length l = L/n are eigenvectors of its angles' differences, the clamps' springs
 * being 2 B/l, and
 *   P g = 4 n^2 sin^2(pi/n) B/L^2,   P g = 4 n^2 sin^2(pi/(4 n)) B/L^2,
 * which is pi^2/(3 n^2) and pi^2/(48 n^2) less: 2.06e-3 and 1.3e-4 with 40 segments. */
#include "theory.h"

#include <lapacke.h>
#include <math.h>
#include <string.h>

#define LENGTH 0.7 /* [m] */
#define BEND 0.03  /* [N m^2] */

enum { LOADS = 24, ROUNDS = 5, MOST = 80, LEVELS = 3 };

static const double up[3] = {0.0, 0.0, 1.0};

/* B/L^2 [N] */
static const double unit_load = BEND / (LENGTH * LENGTH);

/* loads P g over B/L^2 of the rod and of its mesh of n edges */
static double threshold(int free_end) { return THEORY_PI * THEORY_PI * (free_end ? 0.25 : 4.0); }

static double discrete(int n, int free_end)
{
    const double s = sin(THEORY_PI / (free_end ? 4.0 * n : n));
    return 4.0 * n * n * s * s;
}

/* the same from the eigenvalues of the mesh's second variation in its deflections, without a guess of the
 * vector */
static double discrete_by_eigenvalues(int n, int free_end)
{
    static double a[MOST * MOST], g[MOST * MOST], values[MOST];
    const int count = free_end ? n : n - 1;
    memset(a, 0, sizeof a);
    memset(g, 0, sizeof g);
    /* row i: angle of edge i less that of edge i - 1, both over the edge's length; edges -1 and n are
     * clamps */
    for (int i = 0; i <= (free_end ? n - 1 : n); i++) {
        const double stiffness = (i == 0 || i == n ? 2.0 : 1.0) * n;
        const int at[3] = {i - 2, i - 1, i}; /* deflections of vertices i - 1, i, i + 1 */
        double c[3] = {n, -2.0 * n, n}, d[3] = {0.0, -1.0, 1.0};
        if (i == 0) memcpy(c, (double[3]){0.0, -n, n}, sizeof c);
        if (i == n) memcpy(c, (double[3]){n, -n, 0.0}, sizeof c);
        for (int p = 0; p < 3; p++)
            for (int q = 0; q < 3; q++) {
                if (at[p] < 0 || at[q] < 0 || at[p] >= count || at[q] >= count) continue;
                a[at[p] * count + at[q]] += stiffness * c[p] * c[q];
                if (i < n) g[at[p] * count + at[q]] += n * d[p] * d[q];
            }
    }
    assert_int_equal(LAPACKE_dsygv(LAPACK_ROW_MAJOR, 1, 'N', 'L', count, a, count, g, count, values), 0);
    return values[0];
}

/* the lesser P of P (1 - P/EA) = load */
static double force_of(double load, double stretch) { return 0.5 * stretch * (1.0 - sqrt(1.0 - 4.0 * load / stretch)); }

static theory_run *column(const theory_rod *rod, int steps, double shortening)
{
    double x[(MOST + 3) * 3] = {0.0};
    const int n = rod->segments;
    for (int i = 0; i < n + 1 + rod->grip_begin + rod->grip_end; i++)
        x[3 * i] = theory_arc(rod, i) - shortening * fmin(fmax(theory_arc(rod, i), 0.0), rod->length) / rod->length;
    theory_run *run = theory_run_make(theory_model(rod, 0, 0), x, up, steps, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    return run;
}

/* end at step k: both vertices of its gripper come closer by this much than at the start */
static void shorten(theory_run *run, int k, double by)
{
    for (int i = run->c - 2; i < run->c; i++) run->clamp_x[3 * (k * run->c + i)] -= by;
}

/* the first of loads P [LOADS] at which a straight column of n segments is unstable, or -1 */
static int first_unstable(int n, int free_end, double stretch, const double *loads)
{
    const theory_rod rod = {LENGTH, 0.1, stretch, BEND, 0.8 * BEND, n, 1, !free_end};
    const double start = free_end ? 0.0 : loads[0] / stretch * LENGTH;
    theory_run *run = column(&rod, LOADS, start);
    for (int k = 0; k < LOADS; k++) {
        if (free_end) run->force[3 * (k * run->n + run->n - 1)] = -loads[k];
        else shorten(run, k, loads[k] / stretch * LENGTH - start);
    }
    theory_forward(run);
    const int first = run->status.unstable;
    /* it is straight, and under the load that is meant */
    const double *x = run->x + 3 * (LOADS - 1) * run->n;
    double off = 0.0;
    for (int j = 1; j <= n; j++) {
        const double force = stretch * (1.0 - (x[3 * j + 3] - x[3 * j]) * n / LENGTH);
        off = fmax(off, fmax(fabs(force / loads[LOADS - 1] - 1.0), fabs(x[3 * j + 1]) + fabs(x[3 * j + 2])));
    }
    if (!(off <= 1e-7)) fail_msg("the straight column is off by %.1e", off);
    theory_run_free(run);
    return first;
}

static double located(int n, int free_end, double stretch, double lo, double hi)
{
    for (int round = 0; round < ROUNDS; round++) {
        double loads[LOADS];
        for (int k = 0; k < LOADS; k++) loads[k] = lo + (hi - lo) * k / (LOADS - 1);
        const int first = first_unstable(n, free_end, stretch, loads);
        if (first < 1) fail_msg("unstable in load %d between %.9g and %.9g N", first, lo, hi);
        lo = loads[first - 1];
        hi = loads[first];
    }
    return 0.5 * (lo + hi);
}

static void thresholds(int free_end, double bar)
{
    static const int segments[LEVELS] = {20, 40, 80};
    /* 1 % of stretch at the threshold: the length matters */
    const double stretch = 100.0 * threshold(free_end) * unit_load;
    const double exact = force_of(threshold(free_end) * unit_load, stretch);
    double errors[LEVELS], off = 0.0, guess = 0.0;
    for (int k = 0; k < LEVELS; k++) {
        const int n = segments[k];
        guess = fmax(guess, fabs(discrete_by_eigenvalues(n, free_end) / discrete(n, free_end) - 1.0));
        const double mesh = force_of(discrete(n, free_end) * unit_load, stretch);
        const double found = located(n, free_end, stretch, 0.9 * exact, 1.1 * exact);
        errors[k] = found / exact - 1.0;
        off = fmax(off, fabs(found / mesh - 1.0));
    }
    theory_judge("the mesh's threshold by eigenvalues, less the closed form", guess, 1e-9);
    theory_judge("threshold with 40 segments, relative error", errors[1], bar);
    /* grippers of 1e-6 of the length; loads are located to 3e-8 */
    theory_judge("against the mesh's own threshold", off, 1e-5);
    /* what is left is pi^4/(90 n^4) */
    theory_judge("extrapolated from 40 and 80 segments", (4.0 * errors[2] - errors[1]) / 3.0, 1e-5);
    theory_order("threshold", errors, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

static void euler_clamped(void **state)
{
    (void)state;
    theory_case("euler_clamped", "a column between two grippers that come closer buckles at 4 pi^2 EI/L^2",
                "Euler 1744; Timoshenko and Gere, Theory of Elastic Stability, chapter 2");
    thresholds(0, 2.1e-3);
}

static void euler_free(void **state)
{
    (void)state;
    theory_case("euler_free", "a column with a weight on its free end buckles at pi^2 EI/(4 L^2)",
                "Euler 1744; Timoshenko and Gere, Theory of Elastic Stability, chapter 2");
    thresholds(1, 1.4e-4);
}

/* complete elliptic integrals of modulus k by the arithmetic-geometric mean */
static void elliptic(double k, double *first, double *second)
{
    double a = 1.0, b = sqrt(1.0 - k * k), c = k, sum = 0.5 * k * k, power = 0.5;
    while (fabs(c) > 1e-16) {
        const double mean = 0.5 * (a + b);
        c = 0.5 * (a - b);
        b = sqrt(a * b);
        a = mean;
        power *= 2.0;
        sum += power * c * c;
    }
    *first = 0.5 * THEORY_PI / a;
    *second = *first * (1.0 - sum);
}

/* Quarters of a clamped column are columns with a free end, whose tip has the angle 2 asin(k): with a =
 * sqrt(P/B), a L/4 = K, chord (2 E - K)/a and deflection 2 k/a. Whole: P L^2/B = 16 K^2, deflection of the
 * middle k L/K, shortening 2 (1 - E/K) L. */
typedef struct elastica {
    double load, deflection, shortening; /* P L^2/B, over L, over L */
} elastica;

static elastica clamped_elastica(double k)
{
    double first, second;
    elliptic(k, &first, &second);
    return (elastica){16.0 * first * first, k / first, 2.0 * (1.0 - second / first)};
}

static elastica clamped_elastica_shortened(double by)
{
    double lo = 0.0, hi = 0.999;
    for (int i = 0; i < 60; i++) {
        const double middle = 0.5 * (lo + hi);
        if (clamped_elastica(middle).shortening < by) lo = middle;
        else hi = middle;
    }
    return clamped_elastica(lo);
}

/* the shortenings of the clamped column's run [steps], over L: up to the threshold, and far beyond */
enum { STEPS = 60 };

static double shortening_at(int k, double stretch)
{
    const double start = 4.0 * THEORY_PI * THEORY_PI * unit_load / stretch;
    if (k < 20) return start * (k + 1) / 20.0;
    return start + 0.3 * pow((k - 19) / (double)(STEPS - 20), 2.0);
}

/* P L^2/B and the middle's deflection over L of a column of n segments at each shortening [STEPS] */
static void clamped_after(int n, double stretch, double *load, double *deflection, double *iterations)
{
    const theory_rod rod = {LENGTH, 0.1, stretch, BEND, 0.8 * BEND, n, 1, 1};
    theory_run *run = column(&rod, STEPS, 0.0);
    const int middle = n / 2 + 1;
    for (int k = 0; k < STEPS; k++) {
        shorten(run, k, shortening_at(k, stretch) * LENGTH);
        run->force[3 * (k * run->n + middle) + 1] = 1e-4 * unit_load;
    }
    theory_forward(run);
    assert_int_equal(run->status.unstable, -1);
    for (int k = 0; k < STEPS; k++) {
        const double *x = run->x + 3 * (k * run->n + middle), dx = x[0] - x[-3], dy = x[1] - x[-2];
        const double size = hypot(dx, dy);
        /* the tension of an edge beside the middle, where the force is P along x but for half of the push */
        load[k] = stretch * (1.0 - size * n / LENGTH) * size / dx / unit_load;
        deflection[k] = x[1] / LENGTH;
    }
    *iterations = run->status.iterations / (double)STEPS;
    theory_run_free(run);
}

static void euler_elastica_clamped(void **state)
{
    (void)state;
    theory_case("euler_elastica_clamped", "the elastica between two grippers that come closer",
                "Love, Mathematical Theory of Elasticity, 262-263; elliptic integrals");
    static const int segments[LEVELS] = {20, 40, 80};
    const double stretch = 1e6 * unit_load;
    double of_load[LEVELS][STEPS], of_deflection[LEVELS][STEPS], last[LEVELS];
    theory_panel("middle", "deflection of the middle / L", "load P L^2 / (4 pi^2 EI)", 0);
    for (int i = 0; i <= 60; i++) {
        const elastica e = clamped_elastica(0.9 * i / 60.0);
        theory_point("middle", "exact", e.deflection, e.load / threshold(0));
    }
    for (int level = 0; level < LEVELS; level++) {
        double load[STEPS], deflection[STEPS], iterations;
        clamped_after(segments[level], stretch, load, deflection, &iterations);
        print_message("  %d segments: %.1f iterations a step\n", segments[level], iterations);
        for (int k = 0; k < STEPS; k++) {
            /* the grippers' way less what the load takes of the length */
            const elastica e = clamped_elastica_shortened(shortening_at(k, stretch) - load[k] * unit_load / stretch);
            of_load[level][k] = load[k] / e.load - 1.0;
            of_deflection[level][k] = deflection[k] / e.deflection - 1.0;
            if (segments[level] == 40)
                theory_point("middle", "rodgrad, 40 segments", deflection[k], load[k] / threshold(0));
        }
        last[level] = of_load[level][STEPS - 1];
    }
    double worst[3] = {0.0, 0.0, 0.0};
    for (int k = 0; k < STEPS; k++) {
        if (shortening_at(k, stretch) < 0.01) continue;
        worst[0] = fmax(worst[0], fabs(of_deflection[1][k]));
        worst[1] = fmax(worst[1], fabs(of_load[1][k]));
        worst[2] = fmax(worst[2], fabs(4.0 * of_load[2][k] - of_load[1][k]) / 3.0);
    }
    /* pi^2/(6 n^2) at small deflections; half of the load's, as the square of the deflection goes with it */
    theory_judge("deflection from 1 % to 30 % of shortening, 40 segments, relative error", worst[0], 1.1e-3);
    theory_judge("load from 1 % to 30 % of shortening, 40 segments, relative error", worst[1], 1e-2);
    /* what is left is about the square of the error with 20 segments, 2 %, over 16 */
    theory_judge("load, extrapolated from 40 and 80 segments", worst[2], 2e-4);
    theory_order("load at 30 % of shortening", last, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

/* Tip's deflection over L of a column with a weight P on its free end that a force Q pushes aside (both
 * over B/L^2): w'' = -(Q cos w + P sin w), w = 0 at the clamp, w' = 0 at the tip, by shooting from the
 * tip. */
static double pushed_tip(double p, double q)
{
    enum { PARTS = 400 };
    double lo = 0.0, hi = 3.0, deflection = 0.0;
    for (int round = 0; round < 60; round++) {
        const double h = -1.0 / PARTS, tip = 0.5 * (lo + hi);
        double w = tip, rate = 0.0;
        deflection = 0.0;
        for (int i = 0; i < PARTS; i++) {
            double kw[4], kr[4], ky[4], at = w, bend = rate;
            for (int s = 0; s < 4; s++) {
                const double part = s < 2 ? 0.5 * h : h;
                kw[s] = bend;
                kr[s] = -(q * cos(at) + p * sin(at));
                ky[s] = sin(at);
                at = w + part * kw[s];
                bend = rate + part * kr[s];
            }
            w += h / 6.0 * (kw[0] + 2.0 * kw[1] + 2.0 * kw[2] + kw[3]);
            rate += h / 6.0 * (kr[0] + 2.0 * kr[1] + 2.0 * kr[2] + kr[3]);
            deflection -= h / 6.0 * (ky[0] + 2.0 * ky[1] + 2.0 * ky[2] + ky[3]);
        }
        if (w < 0.0) lo = tip;
        else hi = tip;
    }
    return deflection;
}

/* the loads over the threshold of the free column's run: from a third of it to one and a half */
static double weight_at(int k) { return 0.3 + 1.2 * (k + 1) / STEPS; }

static void free_after(int n, double q, double *deflection, double *iterations)
{
    const theory_rod rod = {LENGTH, 0.1, 1e6 * unit_load, BEND, 0.8 * BEND, n, 1, 0};
    theory_run *run = column(&rod, STEPS, 0.0);
    for (int k = 0; k < STEPS; k++) {
        double *at = run->force + 3 * (k * run->n + run->n - 1);
        at[0] = -weight_at(k) * threshold(1) * unit_load;
        at[1] = q * unit_load;
    }
    theory_forward(run);
    assert_int_equal(run->status.unstable, -1);
    for (int k = 0; k < STEPS; k++) deflection[k] = run->x[3 * ((k + 1) * run->n - 1) + 1] / LENGTH;
    *iterations = run->status.iterations / (double)STEPS;
    theory_run_free(run);
}

/* the fork without a push at P over the threshold: K(k) = pi/2 sqrt(P/P_c), deflection 2 k / sqrt(P/B) */
static double fork_tip(double weight)
{
    double lo = 0.0, hi = 0.999;
    for (int i = 0; i < 60 && weight > 1.0; i++) {
        const double modulus = 0.5 * (lo + hi);
        double first, second;
        elliptic(modulus, &first, &second);
        if (first < 0.5 * THEORY_PI * sqrt(weight)) lo = modulus;
        else hi = modulus;
    }
    return 2.0 * lo / sqrt(weight * threshold(1));
}

static void euler_elastica_free(void **state)
{
    (void)state;
    theory_case("euler_elastica_free", "the elastica under a weight on its free end, pushed aside a little",
                "Love, Mathematical Theory of Elasticity, 262-263; elliptic integrals, shooting");
    static const int segments[LEVELS] = {20, 40, 80};
    const double little = 1e-5 * threshold(1), more = 1e-2 * threshold(1), top = weight_at(STEPS - 1);
    double errors[LEVELS], fork = 0.0, pushed = 0.0;
    theory_panel("tip", "load P 4 L^2 / (pi^2 EI)", "deflection of the tip / L", 0);
    for (int level = 0; level < LEVELS; level++) {
        double deflection[STEPS], iterations;
        free_after(segments[level], little, deflection, &iterations);
        print_message("  %d segments: %.1f iterations a step\n", segments[level], iterations);
        errors[level] = deflection[STEPS - 1] / pushed_tip(top * threshold(1), little) - 1.0;
        for (int k = 0; k < STEPS && segments[level] == 40; k++) {
            theory_point("tip", "exact, not pushed", weight_at(k), fork_tip(weight_at(k)));
            theory_point("tip", "rodgrad, pushed by P_c/100000", weight_at(k), deflection[k]);
            if (weight_at(k) > 1.05) fork = fmax(fork, fabs(deflection[k] / fork_tip(weight_at(k)) - 1.0));
        }
        if (segments[level] != 40) continue;
        free_after(40, more, deflection, &iterations);
        for (int k = 0; k < STEPS; k++) {
            const double p = weight_at(k) * threshold(1), exact = pushed_tip(p, more);
            const double steep = log(pushed_tip(1.001 * p, more) / pushed_tip(0.999 * p, more)) / 0.002;
            theory_point("tip", "exact, pushed by P_c/100", weight_at(k), exact);
            theory_point("tip", "rodgrad, pushed by P_c/100", weight_at(k), deflection[k]);
            pushed = fmax(pushed, fabs(deflection[k] / exact - 1.0) / fmax(1.0, fabs(steep)));
        }
    }
    theory_judge("shooting with a push of P_c/100000 less elliptic integrals, at 1.5 P_c",
                 pushed_tip(top * threshold(1), little) / fork_tip(top) - 1.0, 1e-5);
    theory_judge("tip from 1.05 to 1.5 P_c against the fork, 40 segments, relative error", fork, 1e-3);
    /* where the curve is steep, its shift along the load counts */
    theory_judge("tip or load from 0.3 to 1.5 P_c, pushed by P_c/100, 40 segments, relative error", pushed, 1e-3);
    theory_order("tip at 1.5 P_c", errors, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(euler_clamped), cmocka_unit_test(euler_free),
                                       cmocka_unit_test(euler_elastica_clamped), cmocka_unit_test(euler_elastica_free)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
