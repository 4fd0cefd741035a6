/* helix_buckling.c: a long rod under tension T and twist moment M that has buckled into one localised
 * helix.
 *
 * Along an infinite rod B/2 curvature^2 + T cos th (th between tangent and axis), the moment about the
 * tangent and the moment about the axis are constant, as of a symmetric top; where the rod is straight,
 * far away, they are T, M and M. Hence, with precession ps,
 *   ps' = M / (B (1 + cos th)),   B/2 (th'^2 + sin^2 th ps'^2) = T (1 - cos th),
 * and for w = 1 - cos th:  w'^2 = w^2 (4 p^2 - 2 T w/B),  p^2 = T/B - M^2/(4 B^2), which is solved by
 *   cos th = 1 - (2 - M^2/(2 B T)) sech^2(p s).
 * Integrated, with t = T L^2/B, m = M L/B, g = GJ/B: the ends come closer by int w = 4 p B/T, D =
 * sqrt(16/t (1 - m^2/(4 t))) lengths, and are turned by the twist and by int ps' (1 - cos th), R = m/g + 4
 * acos(m/(2 sqrt t)) (van der Heijden, Neukirch, Goss and Thompson, Int. J. Mech. Sci. 45 (2003); Nizette
 * and Goriely, J. Math. Phys. 40 (1999)).
 *
 * A rod of length L held by D and R has this shape to exp(-p L): 1e-7 here. Held so, it is stable while D
 * grows along the branch, m^2/(4 t) > 1/2; here it is 3/4 and the tangent leaves the axis by 60 degrees at
 * most, so that the rod does not meet itself. Of the discrete rod's error most is that of bending:
 * curvature is measured along the mean of both edges' directors, so that a twist of T_i at a vertex makes
 * B cos^2(T_i/2) of B, 1.1 % at 400 segments. */
#include "theory.h"

#include <math.h>

#define LENGTH 1.3 /* [m] */
#define BEND 0.02  /* [N m^2] */
#define RATIO 0.75 /* GJ / B */

#define DECAY 16.0 /* p L */
#define SHARE 0.75 /* m^2 / (4 t) */

/* EA over T, and a pull on the middle vertex over T, away from the axis: an isotropic rod's helix turns
 * about the axis without energy, directors turning back, and moves along it for some exp(-p L). The pull
 * keeps it where it is. */
#define STIFFNESS 1e5
#define PULL 1e-4

enum { MOST = 800, LEVELS = 3, PARTS = 20000 };

typedef struct helix {
    double tension, moment;  /* T [N], M [N m] */
    double rate, height;     /* p [1/m], 2 - M^2/(2 B T) */
    double shortening, turn; /* D in lengths, R [rad] */
} helix;

static helix make_helix(void)
{
    const double t = DECAY * DECAY / (1.0 - SHARE), m = 2.0 * sqrt(SHARE * t);
    helix h;
    h.tension = t * BEND / (LENGTH * LENGTH);
    h.moment = m * BEND / LENGTH;
    h.rate = sqrt(h.tension / BEND - h.moment * h.moment / (4.0 * BEND * BEND));
    h.height = 2.0 - h.moment * h.moment / (2.0 * BEND * h.tension);
    h.shortening = sqrt(16.0 / t * (1.0 - m * m / (4.0 * t)));
    h.turn = m / RATIO + 4.0 * acos(m / (2.0 * sqrt(t)));
    return h;
}

/* 1 - cos th at arc length s from the middle */
static double bulge(const helix *h, double s) { return h->height / (cosh(h->rate * s) * cosh(h->rate * s)); }

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

/* r, t, moment and m1 by arc length, from  r' = t,  t' = moment x t/B,  moment' = T z x t,
 * m1' = (moment/B + M (1/GJ - 1/B) t) x m1 */
typedef struct point {
    double v[4][3];
} point;

static point slope(const helix *h, const point *at)
{
    point d;
    double rate[3];
    for (int k = 0; k < 3; k++) {
        d.v[0][k] = at->v[1][k];
        rate[k] = at->v[2][k] / BEND + h->moment * (1.0 / RATIO - 1.0) / BEND * at->v[1][k];
    }
    cross(rate, at->v[1], d.v[1]);
    const double axis[3] = {0.0, 0.0, h->tension};
    cross(axis, at->v[1], d.v[2]);
    cross(rate, at->v[3], d.v[3]);
    return d;
}

/* classical Runge-Kutta */
static void advance(const helix *h, point *at, double step)
{
    const double part[4] = {0.5 * step, 0.5 * step, step, 0.0}, weight[4] = {1.0, 2.0, 2.0, 1.0};
    point trial = *at, sum = {{{0.0}}};
    for (int s = 0; s < 4; s++) {
        const point d = slope(h, &trial);
        for (int i = 0; i < 4; i++)
            for (int k = 0; k < 3; k++) {
                sum.v[i][k] += weight[s] / 6.0 * step * d.v[i][k];
                trial.v[i][k] = at->v[i][k] + part[s] * d.v[i][k];
            }
    }
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) at->v[i][k] += sum.v[i][k];
}

/* the middle: tangent in the plane of x and z, the precession across it */
static point middle(const helix *h)
{
    const double c = 1.0 - h->height, s = sqrt(1.0 - c * c), bend = h->moment / (1.0 + c) * s;
    return (point){{{0.0, 0.0, 0.0},
                    {s, 0.0, c},
                    /* B t x t', t' = s ps' y, and M t */
                    {-c * bend + h->moment * s, 0.0, s * bend + h->moment * c},
                    {c, 0.0, -s}}};
}

static void helix_theory(void **state)
{
    (void)state;
    const helix h = make_helix();
    theory_case("helix_buckling_theory", "the localised helix: closed forms against the equilibrium's equations",
                "van der Heijden, Neukirch, Goss and Thompson, Int. J. Mech. Sci. 45 (2003)");
    double envelope = 0.0, chord = 0.0, directions[2];
    for (int side = 0; side < 2; side++) {
        const double step = (side ? 0.5 : -0.5) * LENGTH / PARTS;
        point at = middle(&h);
        for (int i = 1; i <= PARTS; i++) {
            advance(&h, &at, step);
            envelope = fmax(envelope, fabs(at.v[1][2] - (1.0 - bulge(&h, i * step))));
        }
        chord += fabs(at.v[0][2]) / LENGTH;
        directions[side] = atan2(at.v[3][1], at.v[3][0]);
    }
    /* the straight rod is unstable towards the helix: errors grow by exp(p L/2) */
    theory_judge("cos th, closed form less integration", envelope, 1e-8);
    /* tails of exp(-p L) */
    theory_judge("end shortening D, closed form less integration", h.shortening - (1.0 - chord), 1e-7);
    /* directors are compared across tangents that are 3e-4 off the axis */
    theory_judge("end rotation R, closed form less integration [rad]",
                 remainder(h.turn - (directions[1] - directions[0]), 2.0 * THEORY_PI), 1e-6);
}

/* Positions of the rod's vertices and directors of its edges on the exact shape, by Simpson's rule from
 * the middle. */
static void exact_shape(const helix *h, const theory_rod *rod, double *x, double *directors)
{
    enum { FINE = 8 };
    const int n = rod->segments, n_edges = n + 2;
    const double edge = LENGTH / n;
    for (int side = -1; side <= 1; side += 2) {
        const double step = 0.5 * side * edge / FINE;
        double ps = 0.0, fi = 0.0, r[3] = {0.0};
        for (int k = 0; k < 3; k++) x[3 * (n / 2 + 1) + k] = 0.0;
        for (int i = 0; i < n * FINE; i++) {
            /* ps and fi (m1's angle from the direction of steepest descent of t) at three points, and t
             * there */
            double rates[5][2], t[3][3];
            for (int k = 0; k < 5; k++) {
                const double w = bulge(h, step * (i + 0.25 * k));
                rates[k][0] = h->moment / (BEND * (2.0 - w));
                rates[k][1] = h->moment / (RATIO * BEND) - rates[k][0] * (1.0 - w);
            }
            for (int k = 0; k < 3; k++) {
                if (k > 0) {
                    ps += step / 12.0 * (rates[2 * k - 2][0] + 4.0 * rates[2 * k - 1][0] + rates[2 * k][0]);
                    fi += step / 12.0 * (rates[2 * k - 2][1] + 4.0 * rates[2 * k - 1][1] + rates[2 * k][1]);
                }
                const double w = bulge(h, step * (i + 0.5 * k)), s = sqrt(w * (2.0 - w));
                t[k][0] = s * cos(ps);
                t[k][1] = s * sin(ps);
                t[k][2] = 1.0 - w;
            }
            for (int k = 0; k < 3; k++) r[k] += step / 6.0 * (t[0][k] + 4.0 * t[1][k] + t[2][k]);
            /* edges begin and end at even half edges from the middle, and have their middles at odd ones */
            const int half = (i + 1) / FINE;
            if ((i + 1) % FINE != 0) continue;
            if (half % 2 == 0) {
                for (int k = 0; k < 3; k++) x[3 * (n / 2 + 1 + side * half / 2) + k] = r[k];
                continue;
            }
            const double c = t[2][2], s = sqrt(1.0 - c * c);
            const double m1[3] = {c * cos(ps) * cos(fi) - sin(ps) * sin(fi), c * sin(ps) * cos(fi) + cos(ps) * sin(fi),
                                  -s * cos(fi)};
            const int j = n / 2 + 1 + (side * half - 1) / 2;
            for (int k = 0; k < 3; k++) directors[3 * j + k] = m1[k];
        }
    }
    /* ends are on the axis; the middle is beside it */
    const double off = x[3 * (n + 1) + 1];
    for (int i = 1; i <= n + 1; i++) x[3 * i + 1] -= off;
    for (int end = 0; end < 2; end++) {
        /* stretch T cos th / EA along the shape adds int T cos^2 th / EA ds to the distance of the ends */
        const double squares = 1.0 - 2.0 * h->shortening + 4.0 * h->height * h->height / (3.0 * h->rate * LENGTH);
        const double z = (end ? 0.5 : -0.5) * LENGTH * (1.0 - h->shortening + squares / STIFFNESS),
                     angle = (end ? 0.5 : -0.5) * h->turn;
        double *gripped = x + 3 * (end ? n + 1 : 1), *outer = x + 3 * (end ? n + 2 : 0);
        for (int k = 0; k < 3; k++) gripped[k] = outer[k] = 0.0;
        gripped[2] = z;
        outer[2] = z + (end ? 1.0 : -1.0) * THEORY_GRIP * LENGTH;
        double *m1 = directors + 3 * (end ? n_edges - 1 : 0);
        m1[0] = cos(angle);
        m1[1] = sin(angle);
        m1[2] = 0.0;
    }
}

typedef struct errors {
    double envelope, moment, tension;
} errors;

static errors simulate(const helix *h, int n)
{
    const theory_rod rod = {LENGTH, 0.1, STIFFNESS * h->tension, BEND, RATIO * BEND, n, 1, 1};
    static double x[(MOST + 3) * 3], directors[(MOST + 2) * 3];
    const double up[3] = {1.0, 0.0, 0.0};
    exact_shape(h, &rod, x, directors);
    theory_run *run = theory_run_make(theory_model(&rod, 0, 0), x, up, 1, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    run->opts.rollout.tolerance_m = 1e-10;
    run->force[3 * (n / 2 + 1) + 1] = copysign(PULL * h->tension, x[3 * (n / 2 + 1) + 1]);
    for (int j = 0; j < n + 2; j++) {
        double t[3], along = 0.0, across = 0.0, *m1 = directors + 3 * j, size = 0.0;
        for (int k = 0; k < 3; k++) {
            t[k] = x[3 * j + 3 + k] - x[3 * j + k];
            size += t[k] * t[k];
        }
        for (int k = 0; k < 3; k++) along += m1[k] * t[k] / size;
        for (int k = 0; k < 3; k++) {
            m1[k] -= along * t[k];
            across += m1[k] * m1[k];
        }
        for (int k = 0; k < 3; k++) run->m0[3 * j + k] = m1[k] / sqrt(across);
    }
    for (int k = 0; k < 3; k++) {
        run->clamp_m[k] = run->m0[k];
        run->clamp_m[3 * (run->d - 1) + k] = run->m0[3 * (n + 1) + k];
    }
    theory_forward(run);
    print_message("  %d segments: %d iterations, unstable %d\n", n, run->status.iterations, run->status.unstable);
    assert_int_equal(run->status.unstable, -1);
    errors e = {0.0, 0.0, 0.0};
    double moment = 0.0, tension = 0.0;
    if (n == 400) {
        theory_panel("envelope", "arc length / L", "cos th", 0);
        theory_panel("from the side", "z / L", "x / L", 0);
        theory_panel("along the axis", "x / L", "y / L", 0);
        for (int i = 1; i <= n + 1; i += 2) {
            theory_point("from the side", "exact", x[3 * i + 2] / LENGTH, x[3 * i] / LENGTH);
            theory_point("along the axis", "exact", x[3 * i] / LENGTH, x[3 * i + 1] / LENGTH);
            const double *at = run->x + 3 * i;
            if (i % 4 != 1) continue;
            theory_point("from the side", "rodgrad, 400 segments", at[2] / LENGTH, at[0] / LENGTH);
            theory_point("along the axis", "rodgrad, 400 segments", at[0] / LENGTH, at[1] / LENGTH);
        }
    }
    for (int j = 1; j <= n; j++) {
        const double *a = run->x + 3 * j, d[3] = {a[3] - a[0], a[4] - a[1], a[5] - a[2]};
        const double size = sqrt(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]), s = LENGTH * ((j - 0.5) / n - 0.5);
        const double exact = 1.0 - bulge(h, s);
        e.envelope = fmax(e.envelope, fabs(d[2] / size - exact));
        if (n == 400 && j % 2 == 0) theory_point("envelope", "exact", s / LENGTH, exact);
        if (n == 400 && j % 4 == 0) theory_point("envelope", "rodgrad, 400 segments", s / LENGTH, d[2] / size);
        /* in the tails, where edges are along the axis */
        if (j <= n / 10) tension += rod.stretch * (size * n / LENGTH - 1.0) / (n / 10);
        if (j > 1) moment += rod.twist * theory_twist(run->x, run->m, j) * n / LENGTH / (n - 1);
    }
    e.moment = moment / h->moment - 1.0;
    e.tension = tension / h->tension - 1.0;
    theory_run_free(run);
    return e;
}

static void helix_simulated(void **state)
{
    (void)state;
    static const int segments[LEVELS] = {200, 400, 800};
    const helix h = make_helix();
    theory_case("helix_buckling", "a long twisted rod, held by end shortening and end rotation, in a localised helix",
                "van der Heijden, Neukirch, Goss and Thompson, Int. J. Mech. Sci. 45 (2003)");
    double envelope[LEVELS], moment[LEVELS], tension[LEVELS];
    for (int k = 0; k < LEVELS; k++) {
        const errors e = simulate(&h, segments[k]);
        envelope[k] = e.envelope;
        moment[k] = e.moment;
        tension[k] = e.tension;
    }
    theory_judge("envelope cos th, 400 segments, largest error", envelope[1], 1e-2);
    theory_judge("moment GJ twist per length, 400 segments, relative error", moment[1], 1e-3);
    theory_judge("tension, 400 segments, relative error", tension[1], 1e-2);
    /* of fourth order, and of the size of the pull */
    theory_judge("moment, extrapolated from 400 and 800 segments", (4.0 * moment[2] - moment[1]) / 3.0, 1e-4);
    theory_judge("tension, extrapolated from 400 and 800 segments", (4.0 * tension[2] - tension[1]) / 3.0, 1e-3);
    theory_order("envelope", envelope, LEVELS, 1.0 / segments[0], 2.0, 0.2);
    theory_order("moment", moment, LEVELS, 1.0 / segments[0], 2.0, 0.2);
    theory_order("tension", tension, LEVELS, 1.0 / segments[0], 2.0, 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(helix_theory), cmocka_unit_test(helix_simulated)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
