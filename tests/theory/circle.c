/* circle.c: a cantilever under a torque at its end, M = 2 pi EI/L, which closes it into a circle, and twice
 * that.
 *
 * The torque is a couple: forces M/l and -M/l across the last edge at its two ends, turned along with the
 * edge from step to step. Their sum is zero, so no edge carries a force: edges keep their lengths, every
 * joint the moment M. A joint of Voronoi length d that turns by phi has the energy EI (2 tan(phi/2))^2/(2 d),
 * so
 *   M = (2 EI/d) tan(phi/2) (1 + tan^2(phi/2)),
 * which fixes all angles: a regular polygon but for the root, whose joint has half the length. It is the
 * exact discrete solution, reached to round-off. With u = tan(phi/2) and c = M d/(2 EI), u + u^3 = c, so that
 *   phi = (M d/EI) (1 - 4/3 c^2 + ...):
 * with 2 pi EI/L and n segments the turn falls short by 4/3 (pi/n)^2 of itself, and the circle stays open by
 * 4/3 (pi/n)^2 L, second order: 8.2e-3 L with 40 segments, less than 1e-3 L from 115 on. */
#include <math.h>

#include "theory.h"

static const double up[3] = {0.0, 0.0, 1.0};

enum { MOST = 162 };

/* the turn [rad] of a joint of Voronoi length d under moment over stiffness M/EI [1/m]: the real root of
 * u + u^3 = c, by Newton, whose steps shrink from above */
static double joint_turn(double moment, double d)
{
    const double c = 0.5 * moment * d;
    double u = c;
    for (int i = 0; i < 60; i++) u -= (u + u * u * u - c) / (1.0 + 3.0 * u * u);
    return 2.0 * atan(u);
}

/* vertices [n + 2][3] of the polygon of n segments, L = 1, under M/EI; returns the angle of its last edge */
static double polygon(int n, double moment, double *x)
{
    const double edge = 1.0 / n, root = joint_turn(moment, 0.5 * (edge + THEORY_GRIP)), turn = joint_turn(moment, edge);
    double angle = root;
    for (int c = 0; c < 6; c++) x[c] = 0.0;
    x[0] = -THEORY_GRIP;
    for (int i = 2; i < n + 2; i++) {
        if (i > 2) angle += turn;
        x[3 * i] = x[3 * i - 3] + edge * cos(angle);
        x[3 * i + 1] = x[3 * i - 2] + edge * sin(angle);
        x[3 * i + 2] = 0.0;
    }
    return angle;
}

/* A cantilever of n segments along x, EI = 1, under a torque that rises to `moment` over the steps. The
 * couple of each step is across the polygon's last edge, which has two consequences.
 * - In the plane, a turn that lags by e sees the torque M cos e: EI (angle - e)/L = M cos e has a second root
 *   at about e = 2 EI/(M L), where this equilibrium's basin ends. A step's turn is below that, to half of it.
 * - A turn out of the plane leaves the forces behind, and a rod with EI = GJ buckles sideways (at 0.25 to 0.3
 *   of a circle). One that is ten times as stiff against the other bending and twist does not: it stays in
 *   the plane, where neither matters. */
static theory_run *curl(int n, double moment, int steps)
{
    const theory_rod rod = {1.0, 1.0, 1e6, 1.0, 10.0, n, 1, 0};
    double x[3 * MOST] = {0.0};
    assert_true(n + 2 <= MOST && moment / steps < 1.0 / moment);
    for (int i = 0; i < n + 2; i++) x[3 * i] = theory_arc(&rod, i);
    rg_model *model = theory_model(&rod, 0, 0);
    theory_set(model, RG_BEND_STIFFNESS_1, 10.0); /* across the directors, which are across the plane */
    theory_run *run = theory_run_make(model, x, up, steps, 1.0);
    run->opts.rollout.scheme = RG_SCHEME_STATIC;
    for (int step = 0; step < steps; step++) {
        const double now = moment * (step + 1) / steps, angle = polygon(n, now, x), force = now * n;
        double *first = run->force + 3 * (step * run->n + n), *last = first + 3;
        last[0] = -force * sin(angle);
        last[1] = force * cos(angle);
        first[0] = -last[0];
        first[1] = -last[1];
    }
    theory_forward(run);
    print_message("  %d segments: %d Newton iterations in %d steps, at most %d\n", n, run->status.iterations, steps,
                  run->status.worst_iterations);
    assert_int_equal(run->status.unstable, -1);
    return run;
}

static double apart(const double *a, const double *b)
{
    return sqrt((a[0] - b[0]) * (a[0] - b[0]) + (a[1] - b[1]) * (a[1] - b[1]) + (a[2] - b[2]) * (a[2] - b[2]));
}

/* the farthest any vertex is from the polygon, over all steps [m] */
static double polygon_error(const theory_run *run, int n, double moment)
{
    double x[3 * MOST], worst = 0.0;
    for (int step = 0; step < run->steps; step++) {
        (void)polygon(n, moment * (step + 1) / run->steps, x);
        for (int i = 0; i < run->n; i++) worst = fmax(worst, apart(x + 3 * i, run->x + 3 * (step * run->n + i)));
    }
    return worst;
}

/* the largest M d/EI's relative error over the joints of the last step, from the angles between edges */
static double moment_error(const theory_run *run, int n, double moment)
{
    const double *x = run->x + 3 * (run->steps - 1) * run->n;
    double worst = 0.0;
    for (int i = 1; i + 1 < run->n; i++) {
        const double *p = x + 3 * i;
        const double s[2] = {p[0] - p[-3], p[1] - p[-2]}, t[2] = {p[3] - p[0], p[4] - p[1]};
        const double u = tan(0.5 * atan2(s[0] * t[1] - s[1] * t[0], s[0] * t[0] + s[1] * t[1]));
        const double d = i == 1 ? 0.5 * (1.0 / n + THEORY_GRIP) : 1.0 / n;
        worst = fmax(worst, fabs(2.0 * u * (1.0 + u * u) / (d * moment) - 1.0));
    }
    return worst;
}

static void draw(const char *panel, const theory_run *run, int n, double moment, int every)
{
    theory_panel(panel, "x, in lengths", "y, in lengths", 0);
    for (int step = every - 1; step < run->steps; step += every) {
        const double share = (step + 1.0) / run->steps, curvature = moment * share;
        char series[64];
        (void)snprintf(series, sizeof series, "exact, M L/EI = %.3g pi", curvature / THEORY_PI);
        for (int i = 0; i <= 60; i++)
            theory_point(panel, series, sin(curvature * i / 60.0) / curvature,
                         (1.0 - cos(curvature * i / 60.0)) / curvature);
        (void)snprintf(series, sizeof series, "rodgrad, M L/EI = %.3g pi", curvature / THEORY_PI);
        for (int i = 1; i < run->n; i += n / 20) {
            const double *x = run->x + 3 * (step * run->n + i);
            theory_point(panel, series, x[0], x[1]);
        }
    }
}

static const int segments[] = {40, 80, 160};

/* the rod under `moment` with each number of segments, against the discrete solution; gaps between its ends */
static void wind(double moment, int steps, const char *panel, int every, double open[3])
{
    for (int k = 0; k < 3; k++) {
        const int n = segments[k];
        theory_run *run = curl(n, moment, steps);
        const double *tip = run->x + 3 * (steps * run->n - 1), root[3] = {0.0};
        open[k] = apart(tip, root);
        char what[96];
        /* round-off of the couple, 1e-16 M/l, through the rod's softness, 1/EI: 1e-14 times the segments */
        (void)snprintf(what, sizeof what, "%d segments: any vertex, any step, from the discrete solution", n);
        theory_judge(what, polygon_error(run, n, moment), 1e-9);
        (void)snprintf(what, sizeof what, "%d segments: moment of any joint, relative", n);
        theory_judge(what, moment_error(run, n, moment), 1e-9);
        if (n == 40) draw(panel, run, n, moment, every);
        theory_run_free(run);
    }
}

static void circle_once(void **state)
{
    (void)state;
    double open[3];
    theory_case("circle_once", "an end torque of 2 pi EI/L closes a cantilever into a circle",
                "Euler's elastica without force; exact discrete solution from the joints' energy");
    wind(2.0 * THEORY_PI, 40, "on the way to a circle", 8, open);
    for (int k = 0; k < 3; k++) {
        const double small = pow(THEORY_PI / segments[k], 2);
        char what[96];
        /* the series' next term is -3.15 (pi/n)^2 of this one, 1.9 % with 40 segments */
        (void)snprintf(what, sizeof what, "%d segments: gap over 4/3 (pi/n)^2, less 1", segments[k]);
        theory_judge(what, open[k] / (4.0 / 3.0 * small) - 1.0, 4.0 * small);
    }
    theory_judge("160 segments: gap, in lengths", open[2], 1e-3);
    theory_order("gap of the circle", open, 3, 1.0 / segments[0], 2.0, 0.05);
}

/* the same to 4 pi EI/L: the rod goes round twice, through itself */
static void circle_twice(void **state)
{
    (void)state;
    double open[3];
    theory_case("circle_twice", "an end torque of 4 pi EI/L winds a cantilever into a circle twice",
                "Euler's elastica without force; exact discrete solution from the joints' energy");
    wind(4.0 * THEORY_PI, 160, "on the way to two turns", 40, open);
    theory_order("gap after two turns", open, 3, 1.0 / segments[0], 2.0, 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(circle_once),
        cmocka_unit_test(circle_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
