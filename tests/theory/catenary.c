/* catenary.c: a cable that hangs between two hinges under its own weight. Elastic (Irvine) by the static
 * scheme, with supports at one height and at two, in shape, sag and tension; inextensible by damped motion of
 * the deform stepper.
 *
 * The cable is 1 m long unstretched, its weight W; EA/W says how elastic it is. Its bending stiffness is 1e-9
 * W L^2: EI/(H L^2) < 1e-8 is what bending takes of the shape. */
#include <math.h>
#include <string.h>

#include "theory.h"

static const double up[3] = {0.0, 1.0, 0.0};

typedef struct point {
    double x, z; /* along and up [m] */
} point;

/* Supports a at (0, 0) and b at (span, rise); lengths in the cable's, forces in its weight. With the reaction
 * (h, v) at a and the unstretched arc length s from a, tension is (h, v - s), and
 *   x(s) = h s/EA + h (asinh(v/h) - asinh((v - s)/h))
 *   z(s) = -(s/EA)(v - s/2) - h (sqrt(1 + v^2/h^2) - sqrt(1 + (v - s)^2/h^2))
 * (Irvine 1981, Cable Structures, with z up). h and v follow from (x, z)(1) = (span, rise). */
typedef struct cable {
    double span, rise, elasticity; /* EA/W */
    double h, v;
} cable;

static point irvine(const cable *c, double s)
{
    const double h = c->h, v = c->v, above = v - s;
    return (point){h * s / c->elasticity + h * (asinh(v / h) - asinh(above / h)),
                   -s / c->elasticity * (v - 0.5 * s) - (hypot(h, v) - hypot(h, above))};
}

static double irvine_tension(const cable *c, double s) { return hypot(c->h, c->v - s); }

/* the ends of n links with a lump of weight at every joint: link j has the tension of its middle, and a
 * length of (1 + tension/EA)/n along it; x [n + 1] */
static point chain(const cable *c, int n, point *x)
{
    point at = {0.0, 0.0};
    if (x) x[0] = at;
    for (int j = 0; j < n; j++) {
        const double vertical = c->v - (j + 0.5) / n, pull = hypot(c->h, vertical);
        const double share = (1.0 / pull + 1.0 / c->elasticity) / n;
        at.x += share * c->h;
        at.z -= share * vertical;
        if (x) x[j + 1] = at;
    }
    return at;
}

/* far end of the cable: of links where n > 0, else Irvine's */
static point far_end(const cable *c, int n) { return n > 0 ? chain(c, n, NULL) : irvine(c, 1.0); }

/* The reaction, of n links where n > 0, by Newton with differences: their error of 1e-7 leaves it fast */
static cable hang(double span, double rise, double elasticity, int n)
{
    cable c = {span, rise, elasticity, 0.5, 0.5 - 0.5 * rise};
    double miss = 1.0;
    for (int i = 0; i < 100 && miss > 1e-15; i++) {
        const double d = 1e-7;
        cable ch = c, cv = c;
        ch.h += d;
        cv.v += d;
        const point p = far_end(&c, n), ph = far_end(&ch, n), pv = far_end(&cv, n);
        const double a = (ph.x - p.x) / d, b = (pv.x - p.x) / d, e = (ph.z - p.z) / d, f = (pv.z - p.z) / d;
        const double rx = span - p.x, rz = rise - p.z, det = a * f - b * e;
        double dh = (rx * f - rz * b) / det;
        const double dv = (a * rz - e * rx) / det;
        if (dh < -0.5 * c.h) dh = -0.5 * c.h; /* h stays positive */
        c.h += dh;
        c.v += dv;
        miss = fmax(fabs(rx), fabs(rz));
    }
    if (!(miss <= 1e-14)) fail_msg("the cable's reaction was not found: off by %.1e lengths", miss);
    return c;
}

enum { MOST = 81 };

/* A cable of n segments between hinges at the ends of x0 [n + 1][3], weight 1 N */
static theory_run *cable_run(const double *x0, int n, double stretch, int steps, double dt_s)
{
    const theory_rod rod = {1.0, 1.0 / THEORY_GRAVITY, stretch, 1e-9, 1e-9, n, 0, 0};
    theory_run *run = theory_run_make(theory_model(&rod, 1, 1), x0, up, steps, dt_s);
    run->opts.rollout.gravity[2] = -THEORY_GRAVITY;
    return run;
}

/* a start that is no equilibrium: a parabola, with vertices at even spans */
static void parabola(const cable *c, int n, double *x)
{
    for (int i = 0; i <= n; i++) {
        const double s = (double)i / n;
        x[3 * i] = c->span * s;
        x[3 * i + 1] = 0.0;
        x[3 * i + 2] = c->rise * s - 1.2 * s * (1.0 - s);
    }
}

/* the hanging chain turned about its chord by half a radian: links have their lengths */
static void swung(const cable *c, int n, double *x)
{
    point at[MOST];
    const double whole = hypot(c->span, c->rise), cx = c->span / whole, cz = c->rise / whole;
    (void)chain(c, n, at);
    for (int i = 0; i <= n; i++) {
        const double on = at[i].x * cx + at[i].z * cz, across = at[i].z * cx - at[i].x * cz;
        x[3 * i] = on * cx - cos(0.5) * across * cz;
        x[3 * i + 1] = sin(0.5) * across;
        x[3 * i + 2] = on * cz + cos(0.5) * across * cx;
    }
}

static point vertex(const theory_run *run, int i)
{
    const double *x = run->x + 3 * ((run->steps - 1) * run->n + i);
    return (point){x[0], x[2]};
}

static double apart(point a, point b) { return hypot(a.x - b.x, a.z - b.z); }

/* the lowest point below the chord's middle height, by the parabola through the lowest vertex and its
 * neighbours */
static double lowest(const theory_run *run)
{
    int at = 1;
    for (int i = 1; i + 1 < run->n; i++)
        if (vertex(run, i).z < vertex(run, at).z) at = i;
    const double a = vertex(run, at - 1).z, b = vertex(run, at).z, c = vertex(run, at + 1).z;
    const double slope = 0.5 * (c - a), bend = a - 2.0 * b + c;
    return -(b - 0.5 * slope * slope / bend);
}

static void draw(const cable *c, const theory_run *run, const char *label)
{
    char series[96];
    (void)snprintf(series, sizeof series, "exact, %s", label);
    for (int i = 0; i <= 80; i++) {
        const point p = irvine(c, i / 80.0);
        theory_point("shapes", series, p.x, p.z);
    }
    (void)snprintf(series, sizeof series, "rodgrad, %s", label);
    for (int i = 0; i < run->n; i++) theory_point("shapes", series, vertex(run, i).x, vertex(run, i).z);
}

typedef struct scene {
    double span, rise, elasticity;
    const char *label;
} scene;

static const scene scenes[] = {
    {0.7, 0.0, 20.0, "level, EA/W = 20"}, {0.7, 0.3, 20.0, "rising, EA/W = 20"}, {0.9, 0.0, 4.0, "level, EA/W = 4"}};
enum { SCENES = sizeof scenes / sizeof *scenes };

/* Links with lumps are the cable's integrals by the midpoint rule, which misses h^2/24 of what the slope
 * changes by: a few 1e-5 with 40 segments, of order 2. The discrete solution is met but for bending, 1e-9 W
 * L^2 times the curvature, up to 1/h = 10, over H L = 0.3 W L, 1e-7 at most; 1e-6 is asked, as the hinges'
 * neighbours see more. */
static void catenary_elastic(void **state)
{
    (void)state;
    static const int segments[] = {20, 40, 80};
    theory_case("catenary_elastic", "an elastic cable hangs between two hinges",
                "Irvine 1981, Cable Structures, the elastic catenary; its two equations by Newton");
    theory_panel("shapes", "along, in lengths", "up, in lengths", 0);
    theory_panel("tension", "arc length, unstretched", "tension over weight", 0);
    for (int k = 0; k < SCENES; k++) {
        const scene *sc = &scenes[k];
        const cable exact = hang(sc->span, sc->rise, sc->elasticity, 0);
        double shape[3];
        char what[128];
        for (int level = 0; level < 3; level++) {
            const int n = segments[level];
            double x0[3 * MOST];
            parabola(&exact, n, x0);
            theory_run *run = cable_run(x0, n, sc->elasticity, 1, 1.0);
            run->opts.rollout.scheme = RG_SCHEME_STATIC;
            theory_forward(run);
            const cable links = hang(sc->span, sc->rise, sc->elasticity, n);
            point at[MOST];
            (void)chain(&links, n, at);
            double discrete = 0.0, tension = 0.0;
            shape[level] = 0.0;
            for (int i = 0; i <= n; i++) {
                shape[level] = fmax(shape[level], apart(vertex(run, i), irvine(&exact, (double)i / n)));
                discrete = fmax(discrete, apart(vertex(run, i), at[i]));
            }
            for (int j = 0; j < n; j++) {
                const double s = (j + 0.5) / n;
                const double seen = (apart(vertex(run, j), vertex(run, j + 1)) * n - 1.0) * sc->elasticity;
                tension = fmax(tension, fabs(seen / irvine_tension(&exact, s) - 1.0));
                char series[96];
                (void)snprintf(series, sizeof series, "exact, %s", sc->label);
                if (n == 40) theory_point("tension", series, s, irvine_tension(&exact, s));
                (void)snprintf(series, sizeof series, "rodgrad, %s", sc->label);
                if (n == 40) theory_point("tension", series, s, seen);
            }
            print_message("  %s, %d segments: %d Newton iterations\n", sc->label, n, run->status.iterations);
            (void)snprintf(what, sizeof what, "%s, %d segments: any vertex, from the discrete solution", sc->label, n);
            theory_judge(what, discrete, 1e-6);
            if (n == 40) {
                draw(&exact, run, sc->label);
                (void)snprintf(what, sizeof what, "%s, 40 segments: shape, in lengths", sc->label);
                theory_judge(what, shape[level], 1e-3);
                (void)snprintf(what, sizeof what, "%s, 40 segments: depth below the first hinge, relative", sc->label);
                /* the lowest point is where the tension is level, s = v */
                theory_judge(what, lowest(run) / -irvine(&exact, exact.v).z - 1.0, 1e-3);
                (void)snprintf(what, sizeof what, "%s, 40 segments: tension of any edge, relative", sc->label);
                theory_judge(what, tension, 1e-3);
            }
            theory_run_free(run);
        }
        (void)snprintf(what, sizeof what, "elastic cable in space, %s", sc->label);
        theory_order(what, shape, 3, 1.0 / segments[0], 2.0, 0.1);
    }
}

/* The inextensible catenary (EA/W = 1e12 in Irvine's equations) by damped motion of the deform stepper, let
 * go when swung by half a radian about the hinges. Bending is too soft to matter for its stability; steps go
 * with the segment's square because each step's weight, h^2 g, is what the projection's sweeps have to undo
 * at rest. Drag of 8/s, the swing's rate is some 6/s: 6 s leave exp(-24). */
static void catenary_deform(void **state)
{
    (void)state;
    enum { FRAMES = 400 };
    static const int segments[] = {10, 20, 40};
    static const scene level[] = {{0.7, 0.0, 1e12, "level, inextensible"}, {0.7, 0.3, 1e12, "rising, inextensible"}};
    theory_case("catenary_deform", "the catenary by damped motion of the deform stepper",
                "Irvine 1981, Cable Structures, the elastic catenary without stretch");
    theory_panel("shapes", "along, in lengths", "up, in lengths", 0);
    for (int k = 0; k < 2; k++) {
        const scene *sc = &level[k];
        const cable exact = hang(sc->span, sc->rise, sc->elasticity, 0);
        double shape[3];
        char what[128];
        for (int r = 0; r < 3; r++) {
            const int n = segments[r];
            const double dt = 0.4 / (n * n);
            const cable links = hang(sc->span, sc->rise, sc->elasticity, n);
            double x0[3 * MOST];
            swung(&links, n, x0);
            theory_run *run = cable_run(x0, n, 1.0, FRAMES, dt);
            run->opts.rollout.stepper = RG_STEPPER_DEFORM;
            theory_set(run->model, RG_DRAG, 8.0);
            for (double time = 0.0; time < 6.0; time += FRAMES * dt) theory_forward_on(run);
            shape[r] = 0.0;
            for (int i = 0; i <= n; i++) {
                const double out = run->x0[3 * i + 1];
                shape[r] = fmax(shape[r], hypot(out, apart(vertex(run, i), irvine(&exact, (double)i / n))));
            }
            if (n == 40) draw(&exact, run, sc->label);
            theory_run_free(run);
        }
        (void)snprintf(what, sizeof what, "%s, 40 segments: shape, in lengths", sc->label);
        theory_judge(what, shape[2], 1e-3);
        (void)snprintf(what, sizeof what, "catenary in space, deform stepper, %s", sc->label);
        theory_order(what, shape, 3, 1.0 / segments[0], 2.0, 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(catenary_elastic),
        cmocka_unit_test(catenary_deform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
