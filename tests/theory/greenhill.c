/* greenhill.c: Greenhill's problem, a straight rod between two clamps, under tension or compression, that
 * buckles when its end is turned.
 *
 * A deflection y1 + i y2 = y(S) of the straight rod, S the arc length at rest, obeys
 *   B y'''' - i M y''' - T' y'' = 0,   y = y' = 0 at both clamps,
 * with the moment M = GJ 2 pi R / L of R turns. Of a rod that stretches by a factor g, T' = g T = g EA (g
 * - 1): bending is counted per length at rest, while the tension does work on the length there is. With m
 * = M L/B and t = T' L^2/B solutions are 1, S and exp(i (m/2 +- q) S/L), q^2 = m^2/4 - t, and the
 * threshold is the least m where the determinant of the four conditions vanishes (Greenhill 1883;
 * Timoshenko and Gere, Theory of Elastic Stability, chapter 2): tan(m/2) = m/2 at t = 0, m = 2.861 pi;
 * m^2 = 4 t where t is large; m = 0 at t = -4 pi^2.
 *
 * The discrete rod has a threshold of its own, exactly. With y_i of its vertices, u_j = y_{j+1} - y_j of
 * its edges and u = 0 of the grippers, the second variation at rest length l is
 *   sum B/(2 l_i) |u_j - u_{j-1}|^2 / (g l)^2 + T'/(2 l g^2) |u_j|^2 + M/2 Im(conj(u_{j-1}) u_j) / (g l)^2
 * (l_i is l, and l/2 at a clamp): the last term is the area that the tangents enclose on the sphere, which
 * is the angle that parallel transport takes from the twist. Curvature is measured along the mean of both
 * edges' directors, which a twist of T_i = 2 pi R l_i/L at the vertex makes shorter: B is B cos^2(T_i/2) where bending
 * is measured so, and B where against normalised directors. It is positive definite below the threshold. Most of a
 * coarse rod's error with averaged directors is this softening, T_i^2/4: 1.3 % with 40 segments at T = 0, GJ = B. */
#include "theory.h"

#include <complex.h>
#include <lapacke.h>
#include <math.h>

#define LENGTH 0.8 /* [m] */
#define BEND 0.02  /* [N m^2] */
#define TWIST 0.02 /* [N m^2] */
/* EA: 1 % of stretch at t = 100 */
#define STRETCH (1e4 * BEND / (LENGTH * LENGTH))

enum { LOADS = 24, ROUNDS = 5, MOST = 80 };

/* (exp(k) - 1) / k and (exp(k) - 1 - k) / k^2, by their series where k is small */
static double complex rise(double complex k)
{
    return cabs(k) < 1e-4 ? 1.0 + k / 2.0 + k * k / 6.0 : (cexp(k) - 1.0) / k;
}

static double complex bow(double complex k)
{
    return cabs(k) < 1e-3 ? 0.5 + k / 6.0 + k * k / 24.0 : (cexp(k) - 1.0 - k) / (k * k);
}

/* Determinant of the clamped ends, over t^2, q and exp(i m/2), which leave i times something real: with y
 * a sum of multiples of exp(k s) - 1 - k s, k = i (m/2 +- q), only y and y' at s = 1 remain. */
static double determinant(double t, double m)
{
    const double complex q = csqrt(0.25 * m * m - t), a = I * (0.5 * m + q), b = I * (0.5 * m - q);
    return cimag((bow(a) * rise(b) - bow(b) * rise(a)) * cexp(-0.5 * I * m) / q);
}

/* the threshold m at tension t */
static double threshold(double t)
{
    const double step = 0.01;
    double lo = 1e-4, hi = lo + step;
    while (determinant(t, lo) * determinant(t, hi) > 0.0) {
        lo = hi;
        hi += step;
        if (hi > 1e3) fail_msg("no threshold at t = %g", t);
    }
    for (int k = 0; k < 60; k++) {
        const double middle = 0.5 * (lo + hi);
        if (determinant(t, lo) * determinant(t, middle) > 0.0) lo = middle;
        else hi = middle;
    }
    return 0.5 * (lo + hi);
}

/* whether the second variation of n edges is positive definite at t and m (L = B = 1); by Cholesky */
static int definite(rg_bend_measure measure, int n, double t, double m)
{
    enum { BAND = 2 };
    static double complex h[(MOST - 1) * (BAND + 1)];
    const int free_ = n - 1;
    const double l = 1.0 / n;
    /* B at a vertex and at a clamp; the twist over l is m B/GJ */
    const int soft = measure == RG_BEND_AVERAGED;
    const double bend = soft ? pow(cos(0.5 * m * l * BEND / TWIST), 2.0) : 1.0,
                 clamp = soft ? pow(cos(0.25 * m * l * BEND / TWIST), 2.0) : 1.0;
    /* of u_j and of conj(u_{j-1}) u_j; factor 1/2 and (g l)^-2 left out */
    const double complex beside = -bend / l + 0.5 * m / I;
    for (int k = 0; k < free_ * (BAND + 1); k++) h[k] = 0.0;
    for (int j = 0; j < n; j++) {
        const double own = (bend + (j == 0 || j == n - 1 ? 2.0 * clamp : bend)) / l + t * l;
        /* u_j is the difference of free vertices j - 1 and j; entries of the lower triangle, column by
         * column */
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 2; b++) {
                const int row = j - 1 + a, column = j - 1 + b;
                if (row >= column && column >= 0 && row < free_)
                    h[column * (BAND + 1) + row - column] += (a == b ? 1.0 : -1.0) * own;
            }
        /* conj(u_{j-1}) beside u_j and its conjugate */
        for (int a = 0; a < 2; a++)
            for (int b = 0; b < 2 && j > 0; b++) {
                const int before = j - 2 + a, at = j - 1 + b;
                const double sign = a == b ? 1.0 : -1.0;
                if (before < 0 || at < 0 || before >= free_ || at >= free_) continue;
                if (at > before) h[before * (BAND + 1) + at - before] += sign * conj(beside);
                else h[at * (BAND + 1)] += 2.0 * sign * creal(beside);
            }
    }
    const lapack_int info = LAPACKE_zpbtrf(LAPACK_COL_MAJOR, 'L', free_, BAND, h, BAND + 1);
    assert_true(info >= 0);
    return info == 0;
}

/* the discrete rod's threshold m */
static double discrete(rg_bend_measure measure, int n, double t)
{
    double lo = 0.0, hi = 2.0 * threshold(t);
    assert_true(definite(measure, n, t, lo) && !definite(measure, n, t, hi));
    for (int k = 0; k < 60; k++) {
        const double middle = 0.5 * (lo + hi);
        if (definite(measure, n, t, middle)) lo = middle;
        else hi = middle;
    }
    return 0.5 * (lo + hi);
}

/* the first of `turns` [LOADS] of its end at which the rod of n segments is unstable, or -1 */
static int first_unstable(rg_bend_measure measure, int n, double t, const double *turns)
{
    const theory_rod rod = {LENGTH, 0.1, STRETCH, BEND, TWIST, n, 1, 1};
    /* g (g - 1) EA = T' */
    const double g = 0.5 + sqrt(0.25 + t * BEND / (LENGTH * LENGTH * STRETCH)), up[3] = {0.0, 1.0, 0.0},
                 along[3] = {1.0, 0.0, 0.0};
    double x[(MOST + 3) * 3] = {0.0};
    for (int i = 0; i < n + 3; i++) x[3 * i] = g * theory_arc(&rod, i);
    /* grippers are as long as at rest */
    x[0] = theory_arc(&rod, 0);
    x[3 * (n + 2)] = x[3 * (n + 1)] + THEORY_GRIP * LENGTH;
    rg_model *model = theory_model(&rod, 0, 0);
    assert_int_equal(rg_model_set_bend_measure(model, measure, NULL), RG_OK);
    theory_run *run = theory_run_make(model, x, up, LOADS, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    for (int j = 0; j < n + 2; j++) {
        const double share = fmin(fmax((j - 0.5) / n, 0.0), 1.0);
        theory_turn(along, 2.0 * THEORY_PI * turns[0] * share, up, run->m0 + 3 * j);
    }
    for (int k = 0; k < LOADS; k++)
        theory_turn(along, 2.0 * THEORY_PI * turns[k], up, run->clamp_m + 3 * (k * run->d + run->d - 1));
    theory_forward(run);
    const int first = run->status.unstable;
    theory_run_free(run);
    return first;
}

/* the threshold in turns between lo and hi, by rounds of finer turns */
static double located(rg_bend_measure measure, int n, double t, double lo, double hi)
{
    for (int round = 0; round < ROUNDS; round++) {
        double turns[LOADS];
        for (int k = 0; k < LOADS; k++) turns[k] = lo + (hi - lo) * k / (LOADS - 1);
        const int first = first_unstable(measure, n, t, turns);
        if (first < 1) fail_msg("unstable in load %d between %.9g and %.9g turns at t = %g", first, lo, hi, t);
        lo = turns[first - 1];
        hi = turns[first];
    }
    return 0.5 * (lo + hi);
}

enum { LEVELS = 3 };
static const int segments[LEVELS] = {20, 40, 80};

/* relative errors of the threshold with 20, 40 and 80 segments; *off: the most from the discrete rod's own */
static void errors_of(rg_bend_measure measure, double t, double errors[LEVELS], double *off)
{
    const double turn = 2.0 * THEORY_PI * TWIST / BEND, exact = threshold(t) / turn;
    const int soft = measure == RG_BEND_AVERAGED;
    *off = 0.0;
    for (int k = 0; k < LEVELS; k++) {
        const double mesh = discrete(measure, segments[k], t) / turn;
        const double found = located(measure, segments[k], t, 0.8 * exact, 1.2 * exact);
        errors[k] = found / exact - 1.0;
        *off = fmax(*off, fabs(found / mesh - 1.0));
        if (segments[k] == 40)
            theory_point("threshold", soft ? "rodgrad, 40 segments" : "normalised, 40 segments", t, found * turn);
    }
}

static void judge_averaged(double t, double errors[LEVELS])
{
    double off;
    char what[128];
    errors_of(RG_BEND_AVERAGED, t, errors, &off);
    /* tension asks for more turns: at t = 100 there are 30 degrees a segment with 40 */
    const int enough = t > 0.0 ? 2 : 1;
    (void)snprintf(what, sizeof what, "T L^2/B = %g: turns at the threshold, %d segments, relative error", t,
                   segments[enough]);
    theory_judge(what, errors[enough], 1e-2);
    (void)snprintf(what, sizeof what, "T L^2/B = %g: against the discrete rod's own threshold", t);
    /* grippers of 1e-6, at 80 segments 1e-4 of the two springs at the clamps; turns are located to 1e-7 */
    theory_judge(what, off, 1e-5);
    (void)snprintf(what, sizeof what, "T L^2/B = %g: extrapolated from 40 and 80 segments", t);
    /* what is left is of fourth order: about the square of the error with 40 segments, 2.5 % at t = 100 */
    theory_judge(what, (4.0 * errors[2] - errors[1]) / 3.0, 7e-4);
    (void)snprintf(what, sizeof what, "threshold at T L^2/B = %g", t);
    theory_order(what, errors, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

/* the same, and how much smaller the error is than `averaged` */
static void judge_normalised(double t, const double averaged[LEVELS])
{
    double errors[LEVELS], off;
    char what[128];
    errors_of(RG_BEND_NORMALISED, t, errors, &off);
    (void)snprintf(what, sizeof what, "T L^2/B = %g, normalised: turns at the threshold, 40 segments, relative error",
                   t);
    theory_judge(what, errors[1], t > 20.0 ? 2e-2 : 6e-3);
    (void)snprintf(what, sizeof what, "T L^2/B = %g, normalised: error with 40 segments over that averaged", t);
    theory_judge(what, errors[1] / averaged[1], 0.5);
    (void)snprintf(what, sizeof what, "T L^2/B = %g, normalised: against the discrete rod's own threshold", t);
    theory_judge(what, off, 1e-5);
    (void)snprintf(what, sizeof what, "threshold at T L^2/B = %g, normalised", t);
    theory_order(what, errors, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

static void greenhill_thresholds(void **state)
{
    (void)state;
    theory_case("greenhill", "a clamped rod under tension or compression buckles when its end is turned",
                "Greenhill 1883; Timoshenko and Gere, Theory of Elastic Stability, chapter 2");
    theory_judge("the determinant's root at T = 0: M L/B, over 2.861 pi, less 1",
                 threshold(0.0) / (2.0 * 4.493409457909064) - 1.0, 1e-9);
    theory_panel("threshold", "tension T L^2/B", "twist moment M L/B", 0);
    for (int k = 0; k <= 60; k++) {
        const double t = -38.0 + k * 158.0 / 60.0;
        theory_point("threshold", "exact", t, threshold(t));
    }
    static const double tensions[] = {-30.0, -20.0, 0.0, 20.0, 100.0};
    for (size_t i = 0; i < sizeof tensions / sizeof *tensions; i++) {
        double averaged[LEVELS];
        judge_averaged(tensions[i], averaged);
        judge_normalised(tensions[i], averaged);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(greenhill_thresholds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
