/* link.c: the link of a closed, held, twisted rod, twist plus writhe, stays what the hand made it while the
 * rod moves.
 *
 * An open rod is bent into a circle so that its last edge lies on its first, and both are clamped; the last
 * edge's director is turned beyond the first's. Passed sqrt(3) EI/GJ turns (Michell) the circle is
 * unstable, and twist goes over into writhe. Calugareanu, White and Fuller: Lk = Tw + Wr, for polygons
 * exactly, with Tw the sum of the angles beyond parallel transport over 2 pi, and Wr the Gauss integral of
 * the polygon. Whatever angle the hand has, Lk less that angle's turns is one whole number for good, as
 * long as no strand passes through another. */
#include "theory.h"

#include <math.h>
#include <string.h>

enum { SIDES = 48, N = SIDES + 2 };

static const double up[3] = {0.0, 0.0, 1.0};

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double *a, const double *b, double *out)
{
    out[0] = a[1] * b[2] - a[2] * b[1];
    out[1] = a[2] * b[0] - a[0] * b[2];
    out[2] = a[0] * b[1] - a[1] * b[0];
}

static void less(const double *a, const double *b, double *out)
{
    for (int c = 0; c < 3; c++) out[c] = a[c] - b[c];
}

/* The Gauss integral over two straight edges p1 p2 and p3 p4, over 4 pi: the signed area of directions from
 * one to the other, a spherical quadrangle between the planes n1 ... n4 (Klenin and Langowski 2000,
 * Biopolymers 54:307, method 1a). */
static double pair_writhe(const double *p1, const double *p2, const double *p3, const double *p4)
{
    double r12[3], r34[3], r[4][3], n[4][3], area = 0.0, across[3];
    less(p2, p1, r12);
    less(p4, p3, r34);
    less(p3, p1, r[0]);
    less(p4, p1, r[1]);
    less(p4, p2, r[2]);
    less(p3, p2, r[3]);
    for (int k = 0; k < 4; k++) {
        cross(r[k], r[(k + 1) % 4], n[k]);
        const double size = sqrt(dot(n[k], n[k]));
        /* edges in one plane see each other in no area */
        if (!(size > 0.0)) return 0.0;
        for (int c = 0; c < 3; c++) n[k][c] /= size;
    }
    for (int k = 0; k < 4; k++) {
        /* arcsine of n.n', but to all digits where they are almost parallel */
        const double *a = n[k], *b = n[(k + 1) % 4];
        cross(a, b, across);
        area += 0.5 * THEORY_PI - atan2(sqrt(dot(across, across)), dot(a, b));
    }
    cross(r34, r12, across);
    const double side = dot(across, r[0]);
    return side > 0.0 ? area / (4.0 * THEORY_PI) : side < 0.0 ? -area / (4.0 * THEORY_PI) : 0.0;
}

/* of the closed polygon x [n][3] */
static double writhe(const double *x, int n)
{
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = i + 2; j < n; j++) {
            if (i == 0 && j == n - 1) continue;
            sum += 2.0 * pair_writhe(x + 3 * i, x + 3 * i + 3, x + 3 * j, x + 3 * ((j + 1) % n));
        }
    return sum;
}

/* the same by 24 x 24 midpoints on every pair of edges: an error of (edge/24)^2 */
static double writhe_summed(const double *x, int n)
{
    enum { PARTS = 24 };
    double sum = 0.0;
    for (int i = 0; i < n; i++)
        for (int j = i + 2; j < n; j++) {
            if (i == 0 && j == n - 1) continue;
            double e[3], f[3], r[3], across[3];
            less(x + 3 * ((i + 1) % n), x + 3 * i, e);
            less(x + 3 * ((j + 1) % n), x + 3 * j, f);
            cross(e, f, across);
            for (int a = 0; a < PARTS; a++)
                for (int b = 0; b < PARTS; b++) {
                    for (int c = 0; c < 3; c++)
                        r[c] = x[3 * i + c] + (a + 0.5) / PARTS * e[c] - x[3 * j + c] - (b + 0.5) / PARTS * f[c];
                    sum += 2.0 * dot(across, r) / (pow(dot(r, r), 1.5) * PARTS * PARTS);
                }
        }
    return sum / (4.0 * THEORY_PI);
}

/* The trefoil (sin t + 2 sin 2t, cos t - 2 cos 2t, -sin 3t) as a polygon: writhe against quadrature, which
 * is good to its last halving, and -against its mirror image; and a plane polygon, whose writhe is 0. */
static void link_writhe(void **state)
{
    (void)state;
    enum { SIDE = 40 };
    theory_case("link_writhe", "Writhe of a trefoil and of plane polygons", "Gauss's double integral, by quadrature");
    theory_panel("trefoil", "x", "y", 0);
    double x[3 * SIDE + 3], mirror[3 * SIDE + 3];
    for (int i = 0; i <= SIDE; i++) {
        const double t = 2.0 * THEORY_PI * (i % SIDE) / SIDE;
        x[3 * i] = sin(t) + 2.0 * sin(2.0 * t);
        x[3 * i + 1] = cos(t) - 2.0 * cos(2.0 * t);
        x[3 * i + 2] = -sin(3.0 * t);
        theory_point("trefoil", "polygon", x[3 * i], x[3 * i + 1]);
        for (int c = 0; c < 3; c++) mirror[3 * i + c] = c == 2 ? -x[3 * i + c] : x[3 * i + c];
    }
    const double exact = writhe(x, SIDE);
    print_message("  trefoil: %.6f turns\n", exact);
    /* near neighbours are an edge apart: midpoints leave (1/24)^2/12 of their share, some 1e-4 of the whole
     */
    theory_judge("trefoil's writhe, less quadrature [turns]", exact - writhe_summed(x, SIDE), 1e-3);
    theory_judge("trefoil's writhe, plus its mirror image's [turns]", exact + writhe(mirror, SIDE), 1e-13);
    assert_true(fabs(exact) > 3.0);
    for (int i = 0; i <= SIDE; i++) {
        const double t = 2.0 * THEORY_PI * (i % SIDE) / SIDE;
        mirror[3 * i] = cos(t);
        mirror[3 * i + 1] = 0.7 * sin(t);
        mirror[3 * i + 2] = 0.3 * cos(t) - 0.2 * sin(t);
    }
    theory_judge("plane polygon's writhe [turns]", writhe(mirror, SIDE), 1e-9);
}

/* twist over the closed rod in turns; tau [N] holds the last angles and gets the new ones, on nearest
 * branches */
static double twist(const double *x, const double *m, double *tau)
{
    double sum = 0.0;
    for (int i = 1; i + 1 < N; i++) {
        const double now = theory_twist(x, m, i);
        tau[i] = now + 2.0 * THEORY_PI * round((tau[i] - now) / (2.0 * THEORY_PI));
        sum += tau[i];
    }
    return sum / (2.0 * THEORY_PI);
}

/* least distance between the middles of edges a quarter of the rod apart at least, along it */
static double nearest(const double *x)
{
    double least = INFINITY;
    for (int i = 0; i < SIDES; i++)
        for (int j = i + SIDES / 4; j < SIDES && j <= i + 3 * SIDES / 4; j++) {
            double r[3];
            for (int c = 0; c < 3; c++)
                r[c] = 0.5 * (x[3 * i + c] + x[3 * i + 3 + c] - x[3 * j + c] - x[3 * j + 3 + c]);
            least = fmin(least, sqrt(dot(r, r)));
        }
    return least;
}

/* One metre round, EI = GJ. The hand turns the last director to `turns` within a second, then holds it. The
 * ring bends into a figure of eight; the run ends before its strands meet: they would pass, and Lk fall by
 * 2. */
static void hold(const char *name, const rg_rollout_opts *how, int steps, double seconds)
{
    const double turns = 2.3, ramp = 1.0, dt_s = seconds / steps;
    const double radius = 0.5 / SIDES / sin(THEORY_PI / SIDES);
    const theory_rod rod = {.length = 1.0,
                            .density = 0.05,
                            .stretch = 50.0,
                            .bend = 1e-3,
                            .twist = 1e-3,
                            .segments = SIDES - 1,
                            .grip_begin = 1,
                            .grip_end = 1};
    char title[128], what[128];
    (void)snprintf(title, sizeof title, "Link, twist and writhe of a held ring, %s", name);
    theory_case(how->stepper == RG_STEPPER_DEFORM ? "link_deform" : "link", title,
                "Calugareanu, White, Fuller; writhe after Klenin and Langowski 2000, method 1a");
    theory_panel("link", "t, s", "turns", 0);
    theory_panel("ring at the end", "x, m", "z, m", 0);
    /* clamped at both ends; the grippers become edges like the others */
    rg_model *model = theory_model(&rod, 0, 0);
    theory_set(model, RG_DRAG, 1.0);
    theory_set(model, RG_BEND_RELAXATION, 1e-3);
    double x[3 * N];
    for (int i = 0; i < N; i++) {
        const double angle = 2.0 * THEORY_PI * (i % SIDES) / SIDES;
        x[3 * i] = radius * cos(angle);
        x[3 * i + 1] = radius * sin(angle);
        /* without a ripple it would stay flat */
        x[3 * i + 2] = 1e-3 * radius * sin(2.0 * angle + 0.4);
    }
    for (int i = 0; i + 1 < N; i++) {
        double e[3];
        less(x + 3 * i + 3, x + 3 * i, e);
        rg_model_field_data(model, RG_REST_LENGTH)[i] = sqrt(dot(e, e));
    }
    theory_run *run = theory_run_make(model, x, up, steps, dt_s);
    run->opts.rollout.stepper = how->stepper;
    run->opts.rollout.scheme = how->scheme;
    /* carried around the ring without twist, the director comes back turned a bit: the hand starts there */
    double t[3], size, tau[N] = {0.0};
    less(x + 3, x, t);
    size = sqrt(dot(t, t));
    for (int c = 0; c < 3; c++) t[c] /= size;
    double across[3], *first = run->m0, *last = run->m0 + 3 * (N - 2);
    cross(t, first, across);
    const double begin = atan2(dot(across, last), dot(first, last));
    for (int step = 0; step < steps; step++) {
        const double s = fmin(1.0, (step + 1.0) * dt_s / ramp),
                     angle = 2.0 * THEORY_PI * turns * s * s * (3.0 - 2.0 * s);
        assert_true(run->d == 2);
        theory_turn(t, begin + angle, first, run->clamp_m + 3 * (step * 2 + 1));
    }
    theory_forward(run);
    const double tw = twist(x, run->m0, tau), wr = writhe(x, SIDES), link = tw + wr - begin / (2.0 * THEORY_PI);
    double off = 0.0, most = 0.0, least = INFINITY, twisted = 0.0;
    for (int step = 0; step < steps; step++) {
        const double s = fmin(1.0, (step + 1.0) * dt_s / ramp), angle = turns * s * s * (3.0 - 2.0 * s);
        const double *at = run->x + (size_t)step * 3 * N;
        const double now = twist(at, run->m + (size_t)step * 3 * (N - 1), tau);
        const int every = steps / 100;
        if (step % every != every - 1) continue;
        const double writhed = writhe(at, SIDES);
        off = fmax(off, fabs(now + writhed - angle - begin / (2.0 * THEORY_PI) - link));
        most = fmax(most, fabs(writhed));
        twisted = fmax(twisted, now);
        least = fmin(least, nearest(at));
        theory_point("link", "exact link", (step + 1) * dt_s, link + begin / (2.0 * THEORY_PI) + angle);
        theory_point("link", "twist", (step + 1) * dt_s, now);
        theory_point("link", "writhe", (step + 1) * dt_s, writhed);
        theory_point("link", "twist + writhe", (step + 1) * dt_s, now + writhed);
        if (step == steps - 1) {
            for (int i = 0; i <= SIDES; i++) theory_point("ring at the end", name, at[3 * i], at[3 * i + 2]);
            twisted -= now;
        }
    }
    print_message("  writhe up to %.3f turns, twist falls by %.3f; strands no nearer than %.3f radii\n", most, twisted,
                  least / radius);
    (void)snprintf(what, sizeof what, "link at the start, less the next whole number [turns], %s", name);
    theory_judge(what, link - round(link), 1e-10);
    /* round-off: 1100 pairs and 48 angles, 1e-16 each, over the length of the edges beside it, 0.02 */
    (void)snprintf(what, sizeof what, "link over the motion, less the start's and the hand's [turns], %s", name);
    theory_judge(what, off, 1e-10);
    if (!(most > 0.1)) fail_msg("writhe of %.3f turns only: the ring did not buckle", most);
    if (!(least > 0.2 * radius)) fail_msg("strands within %.3f m: they may pass through each other", least);
    theory_run_free(run);
}

static void link_implicit(void **state)
{
    (void)state;
    rg_rollout_opts how = rg_rollout_opts_default();
    hold("BDF2", &how, 700, 1.7);
}

static void link_deform(void **state)
{
    (void)state;
    rg_rollout_opts how = rg_rollout_opts_default();
    how.stepper = RG_STEPPER_DEFORM;
    hold("deform stepper", &how, 7000, 1.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(link_writhe),
        cmocka_unit_test(link_implicit),
        cmocka_unit_test(link_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
