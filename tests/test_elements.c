/* test_elements.c: the joint of rod/bend_twist.h, over double _Complex.
 *
 * The chart at a configuration (e, f, m1e, m1f) with sources s: (e', f', theta_e, theta_f) stands
 * for the edges e', f' and the directors Rot(t', theta) P(s -> t') m1. Three facts are shown:
 *   1. rgi_joint_grad is the gradient in the chart whose sources s are the current tangents;
 *   2. rgi_joint_hess is the symmetric Hessian of the potential in that same, fixed chart;
 *   3. in a chart with other sources s (the tangents a step came from) the gradient gains
 *      V_theta a, a = -(s x t)/(|e| (1 + s.t)), and where V_theta = 0 the Hessian is J^T H J with
 *      J: theta -> theta + a.e. A solution is the same in both, and so is every derivative of it.
 * Errors are relative to an entry's natural size: stiffness times powers of 1/length and 1/chi. */
#define RGI_REAL_COMPLEX
#include "joint_between.h"
#include "rod/normalised.h"

#include <float.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dual.h"
#include "grad_table.h"
#include "probe_random.h"

/* a step that no sum can see: the complex step's truncation error is nil */
#define STEP 1e-150

/* ten operations deep, a few hundred roundings, amplified by 1/chi <= 15 at 150 degrees */
#define TOL 1e-12

typedef struct config {
    double e[3], f[3], m1e[3], m1f[3];
} config;

typedef struct potential {
    double k11, k12, k22, k33, s1, s2, s3; /* second and first derivatives at the configuration */
} potential;

typedef struct chart {
    double se[3], sf[3], m1e[3], m1f[3]; /* sources and the directors there */
} chart;

#define PI 3.14159265358979324
static const double bends[] = {0.0, 1e-6, 1e-3, 0.1, 0.7, 1.5, 2.2, 5.0 / 6.0 * PI};
static const double twists[] = {0.0, 1e-5, -0.3, 1.0, -2.0, 2.5};
enum { BENDS = 8, TWISTS = 6, CONFIGS = BENDS * TWISTS * 4 };

static config config_random(int i)
{
    uint64_t seed = 0x5eed0000u + (uint64_t)i;
    double bend = bends[i % BENDS], twist = twists[i / BENDS % TWISTS];
    double te[3], n[3], tf[3], p[3], t[3];
    config c;
    random_unit(&seed, te);
    random_perpendicular(&seed, te, n);
    random_perpendicular(&seed, te, c.m1e);
    rotate(n, bend, te, tf);
    rotate(n, bend, c.m1e, p);
    rotate(tf, twist, p, t);
    double le = 0.01 + 0.05 * random_uniform(&seed), lf = 0.01 + 0.05 * random_uniform(&seed);
    for (int k = 0; k < 3; k++) {
        c.e[k] = le * te[k];
        c.f[k] = lf * tf[k];
        c.m1f[k] = t[k];
    }
    return c;
}

static potential potential_random(int i)
{
    uint64_t seed = 0xb0de0000u + (uint64_t)i;
    potential p = {random_signed(&seed), random_signed(&seed), random_signed(&seed), random_signed(&seed),
                   random_signed(&seed), random_signed(&seed), random_signed(&seed)};
    /* alone in turn, so that no term hides behind another; then all together */
    double *v = &p.k11;
    if (i / (BENDS * TWISTS) == 1)
        for (int k = 0; k < 7; k++) v[k] = k == i % 7 ? v[k] : 0.0;
    if (i / (BENDS * TWISTS) == 2)
        for (int k = 0; k < 7; k++) v[k] = k < 4 ? 0.0 : v[k];
    return p;
}

static chart chart_at(const config *c)
{
    chart h;
    unit(c->e, h.se);
    unit(c->f, h.sf);
    memcpy(h.m1e, c->m1e, sizeof h.m1e);
    memcpy(h.m1f, c->m1f, sizeof h.m1f);
    return h;
}

/* the chart whose sources are the tangents bent away by up to 0.5 rad, same directors at c */
static chart chart_behind(const config *c, int i)
{
    uint64_t seed = 0xbe41d000u + (uint64_t)i;
    chart h = chart_at(c);
    double n[3], te[3], tf[3];
    memcpy(te, h.se, sizeof te);
    memcpy(tf, h.sf, sizeof tf);
    random_perpendicular(&seed, te, n);
    double angle = 0.5 * random_uniform(&seed);
    rotate(n, angle, te, h.se);
    rotate(n, angle, c->m1e, h.m1e);
    random_perpendicular(&seed, tf, n);
    angle = 0.5 * random_uniform(&seed);
    rotate(n, angle, tf, h.sf);
    rotate(n, angle, c->m1f, h.m1f);
    return h;
}

static void point(const config *c, double y[8])
{
    memcpy(y, c->e, sizeof c->e);
    memcpy(y + 3, c->f, sizeof c->f);
    y[6] = y[7] = 0.0;
}

/* a + i b; CMPLX is missing from some C17 compilers' headers */
static real cplx(double a, double b) { return a + b * I; }

static vec3 vec(const double *p) { return v3(p[0], p[1], p[2]); }

/* director at tangent t of an edge with source s and director m there */
static vec3 carried(const double *s, const double *m, vec3 edge, real theta)
{
    vec3 t = v3_unit(edge), p = v3_transport(vec(s), t, vec(m));
    return v3_axpy(csin(theta), v3_cross(t, p), v3_scale(ccos(theta), p));
}

static rgi_joint joint_at(const chart *h, const real *y)
{
    vec3 e = v3_load(y), f = v3_load(y + 3);
    return joint_between(e, f, carried(h->se, h->m1e, e, y[6]), carried(h->sf, h->m1f, f, y[7]));
}

static rgi_joint joint_of(const config *c) { return joint_between(vec(c->e), vec(c->f), vec(c->m1e), vec(c->m1f)); }

static rgi_joint joint_step(const chart *h, const config *c, int i)
{
    double y[8];
    real z[8];
    point(c, y);
    for (int k = 0; k < 8; k++) z[k] = k == i ? cplx(y[k], STEP) : y[k];
    return joint_at(h, z);
}

/* first derivatives of the potential at strains that are s away from the base's */
static void potential_first(const potential *p, const rgi_joint *at, const rgi_joint *base, real v[3])
{
    real d1 = at->kappa1 - base->kappa1, d2 = at->kappa2 - base->kappa2,
         d3 = rgi_joint_twist(at) - rgi_joint_twist(base);
    v[0] = p->s1 + p->k11 * d1 + p->k12 * d2;
    v[1] = p->s2 + p->k12 * d1 + p->k22 * d2;
    v[2] = p->s3 + p->k33 * d3;
}

/* the joint Hessian's blocks as a full symmetric matrix over (e, f, theta_e, theta_f) */
static void hess_full(const real *h, double m[8][8])
{
    for (int r = 0; r < 3; r++) {
        for (int c = 0; c <= r; c++) {
            m[r][c] = m[c][r] = creal(h[r * (r + 1) / 2 + c]);
            m[3 + r][3 + c] = m[3 + c][3 + r] = creal(h[6 + r * (r + 1) / 2 + c]);
        }
        for (int c = 0; c < 3; c++) m[r][3 + c] = m[3 + c][r] = creal(h[12 + 3 * r + c]);
        for (int k = 0; k < 2; k++) {
            m[r][6 + k] = m[6 + k][r] = creal(h[21 + 3 * k + r]);
            m[3 + r][6 + k] = m[6 + k][3 + r] = creal(h[27 + 3 * k + r]);
        }
    }
    m[6][6] = creal(h[33]);
    m[6][7] = m[7][6] = creal(h[34]);
    m[7][7] = creal(h[35]);
}

static void hess_of(const config *c, const potential *p, double m[8][8])
{
    rgi_joint j = joint_of(c);
    real g[RGI_NG], h[RGI_NJ];
    rgi_joint_grad(&j, g);
    rgi_joint_hess(&j, g, p->k11, p->k12, p->k22, p->k33, p->s1, p->s2, p->s3, h);
    hess_full(h, m);
}

/* natural size of derivative (r, c), in units of the potential's derivatives; kb ~ 2/chi */
static double natural(const config *c, const potential *p, int r, int s)
{
    double ie = 1.0 / norm(c->e), jf = 1.0 / norm(c->f), te[3], tf[3];
    unit(c->e, te);
    unit(c->f, tf);
    double ichi = 1.0 / (1.0 + dot(te, tf));
    double lr = r < 3 ? ie : (r < 6 ? jf : 1.0), ls = s < 3 ? ie : (s < 6 ? jf : 1.0);
    double kk = fabs(p->k11) + fabs(p->k12) + fabs(p->k22) + fabs(p->k33);
    return DBL_MIN + lr * ls * ichi * ichi * (kk + fabs(p->s1) + fabs(p->s2) + fabs(p->s3));
}

/* the worst errors so far: gradients, and Hessians, against complex steps; Hessians' against differences */
static double worst_grad, worst_hess, worst_fd;

static double worse(double a, double b) { return a <= b ? b : a; } /* keeps a NaN in a */

static double assert_hessian(const config *c, const potential *p, double a[8][8], double b[8][8], double tol, int i)
{
    double worst = 0.0;
    for (int r = 0; r < 8; r++)
        for (int s = 0; s < 8; s++) {
            double err = fabs(a[r][s] - b[r][s]) / natural(c, p, r, s);
            if (!(err <= tol))
                fail_msg("configuration %d, entry (%d, %d): %.15g and %.15g differ by %.1e", i, r, s, a[r][s], b[r][s],
                         err);
            worst = worse(worst, err);
        }
    return worst;
}

static double assert_close(double a, double b, double scale, double tol, const char *what, int i)
{
    double err = fabs(a - b) / scale;
    if (!(err <= tol)) fail_msg("%s %d: %.17g and %.17g differ by %.1e", what, i, a, b, err);
    return err;
}

/* kappa from the bend's plane and angle, tau from a rotation matrix and atan2 */
static void elements_strain_value(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        rgi_joint j = joint_of(&c);
        double te[3], tf[3], m2e[3], m2f[3], n[3];
        unit(c.e, te);
        unit(c.f, tf);
        cross(te, c.m1e, m2e);
        cross(tf, c.m1f, m2f);
        cross(te, tf, n);
        double s = norm(n), angle = atan2(s, dot(te, tf)), k = 2.0 * tan(0.5 * angle);
        double k1 = 0.0, k2 = 0.0;
        for (int r = 0; r < 3 && s > 0.0; r++) {
            k1 += 0.5 * k * n[r] / s * (m2e[r] + m2f[r]);
            k2 -= 0.5 * k * n[r] / s * (c.m1e[r] + c.m1f[r]);
        }
        /* the angle's own rounding, times the tangent's slope at 150 degrees (15) */
        assert_close(creal(j.kappa1), k1, 1.0 + k, 2e-14, "kappa1", i);
        assert_close(creal(j.kappa2), k2, 1.0 + k, 2e-14, "kappa2", i);
        dual d[3];
        dual_strains(dv(c.e), dv(c.f), dv(c.m1e), dv(c.m1f), d);
        assert_close(creal(rgi_joint_twist(&j)), d[2].v, 1.0, 2e-14, "tau", i);
        assert_close(creal(rgi_joint_twist(&j)), twists[i / BENDS % TWISTS], 1.0, 2e-14, "built twist", i);
        assert_close(creal(j.kappa1), d[0].v, 1.0 + k, 2e-14, "kappa1 (dual)", i);
        assert_close(creal(j.kappa2), d[1].v, 1.0 + k, 2e-14, "kappa2 (dual)", i);
    }
}

static void elements_strain_rigid(void **state)
{
    (void)state;
    uint64_t seed = 17;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i), r;
        double axis[3];
        random_unit(&seed, axis);
        double angle = 6.0 * random_uniform(&seed);
        rotate(axis, angle, c.e, r.e);
        rotate(axis, angle, c.f, r.f);
        rotate(axis, angle, c.m1e, r.m1e);
        rotate(axis, angle, c.m1f, r.m1f);
        rgi_joint a = joint_of(&c), b = joint_of(&r);
        /* rotation leaves 1e-16 in each vector; 15 amplifies it at 150 degrees */
        double k = 1.0 + v3_norm(a.kb);
        assert_close(creal(a.kappa1), creal(b.kappa1), k, 2e-14, "kappa1", i);
        assert_close(creal(a.kappa2), creal(b.kappa2), k, 2e-14, "kappa2", i);
        assert_close(creal(rgi_joint_twist(&a)), creal(rgi_joint_twist(&b)), 1.0, 2e-14, "tau", i);
    }
}

/* joint i of a helix of radius r, rise b per radian, n joints a turn; director: towards the axis
 * from the middle of each arc, which is perpendicular to its chord */
static rgi_joint helix_joint(double r, double b, double n, int i)
{
    double x[3][3], m[2][3], h = 2.0 * PI / n;
    for (int k = 0; k < 3; k++) {
        double a = h * (i + k);
        x[k][0] = r * cos(a);
        x[k][1] = r * sin(a);
        x[k][2] = b * a;
    }
    for (int k = 0; k < 2; k++) {
        double a = h * (i + k + 0.5);
        m[k][0] = -cos(a);
        m[k][1] = -sin(a);
        m[k][2] = 0.0;
    }
    return joint_between(v3_sub(vec(x[1]), vec(x[0])), v3_sub(vec(x[2]), vec(x[1])), vec(m[0]), vec(m[1]));
}

/* m1 is Frenet's normal: kappa1 per length tends to the curvature, tau to torsion, at order 2 */
static void elements_helix_value(void **state)
{
    (void)state;
    const double rises[] = {0.0, 0.3, -0.8};
    for (int k = 0; k < 3; k++) {
        double r = 0.7, b = rises[k], w = r * r + b * b;
        double err[2][2];
        for (int fine = 0; fine < 2; fine++) {
            double n = fine ? 80.0 : 40.0;
            rgi_joint j = helix_joint(r, b, n, 0);
            double l = 1.0 / creal(j.ie);
            err[fine][0] = fabs(creal(j.kappa1) / l - r / w);
            err[fine][1] = fabs(creal(rgi_joint_twist(&j)) / l - b / w);
            /* screw symmetry: every joint alike, to the coordinates' own rounding */
            for (int i = 1; i < 20; i++) {
                rgi_joint o = helix_joint(r, b, n, i);
                assert_close(creal(o.kappa1), creal(j.kappa1), 1.0, 1e-13, "joint", i);
                assert_close(creal(o.kappa2), 0.0, 1.0, 1e-13, "joint", i);
                assert_close(creal(rgi_joint_twist(&o)), creal(rgi_joint_twist(&j)), 1.0, 1e-13, "joint", i);
            }
        }
        /* order 2, the next term a few parts in a thousand at 40 joints a turn */
        for (int s = 0; s < 2; s++)
            if (s == 0 || k > 0) assert_close(err[0][s] / err[1][s], 4.0, 1.0, 0.05, "order", k);
        /* a ring's discrete value is exact */
        rgi_joint ring = helix_joint(r, 0.0, 40.0, 3);
        assert_close(creal(ring.kappa1), 2.0 * tan(PI / 40.0), 1.0, 1e-14, "ring", 0);
        assert_close(creal(rgi_joint_twist(&ring)), 0.0, 1.0, 1e-14, "ring", 0);
    }
}

static void elements_grad_complex(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        chart h = chart_at(&c);
        rgi_joint j = joint_of(&c);
        real g[RGI_NG];
        rgi_joint_grad(&j, g);
        potential one = {.s1 = 1.0};
        for (int k = 0; k < 8; k++) {
            rgi_joint d = joint_step(&h, &c, k);
            double scale = natural(&c, &one, k, 7);
            const double errors[] = {
                assert_close(creal(g[k]), cimag(d.kappa1) / STEP, scale, TOL, "kappa1", i),
                assert_close(creal(g[8 + k]), cimag(d.kappa2) / STEP, scale, TOL, "kappa2", i),
                assert_close(creal(g[16 + k]), cimag(rgi_joint_twist(&d)) / STEP, scale, TOL, "tau", i)};
            for (int e = 0; e < 3; e++) worst_grad = worse(worst_grad, errors[e]);
        }
    }
}

/* derivative of the angle about t gained from a source s: theta moves by a.de */
static vec3 transport_turn(const double *s, vec3 edge)
{
    vec3 t = v3_unit(edge);
    real k = -1.0 / (v3_norm(edge) * (1.0 + v3_dot(vec(s), t)));
    return v3_scale(k, v3_cross(vec(s), t));
}

/* gradient of the potential in chart h, at joint j over the edges e, f */
static void gradient_in(const chart *h, vec3 e, vec3 f, const rgi_joint *j, const real v[3], real y[8])
{
    real g[RGI_NG];
    rgi_joint_grad(j, g);
    for (int k = 0; k < 8; k++) y[k] = v[0] * g[k] + v[1] * g[8 + k] + v[2] * g[16 + k];
    v3_store(y, v3_axpy(y[6], transport_turn(h->se, e), v3_load(y)));
    v3_store(y + 3, v3_axpy(y[7], transport_turn(h->sf, f), v3_load(y + 3)));
}

/* fact 3, first half: the gradient in the chart of a step, whose sources are the old tangents */
static void elements_grad_behind(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        potential p = potential_random(i);
        chart h = chart_behind(&c, i);
        rgi_joint j = joint_of(&c);
        const real v[3] = {p.s1, p.s2, p.s3};
        real y[8];
        gradient_in(&h, vec(c.e), vec(c.f), &j, v, y);
        for (int k = 0; k < 8; k++) {
            rgi_joint d = joint_step(&h, &c, k);
            real w = p.s1 * d.kappa1 + p.s2 * d.kappa2 + p.s3 * rgi_joint_twist(&d);
            double scale = natural(&c, &p, k, 7);
            double err = assert_close(creal(y[k]), cimag(w) / STEP, scale, TOL, "gradient", i);
            worst_grad = worse(worst_grad, err);
        }
    }
}

/* fact 2 by complex step: column k is the derivative of the gradient in the fixed chart. Without
 * the term of the chart (the gradient recentred as one moves) the derivative is not symmetric: its
 * antisymmetric part is exactly V_theta/2 [t]x / |e|^2. */
static void elements_hess_complex(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        potential p = potential_random(i);
        chart h = chart_at(&c);
        rgi_joint base = joint_of(&c);
        double m[8][8], d[8][8], moving[8][8], y[8];
        hess_of(&c, &p, m);
        point(&c, y);
        real v0[3], vt[8];
        potential_first(&p, &base, &base, v0);
        gradient_in(&h, vec(c.e), vec(c.f), &base, v0, vt);
        for (int k = 0; k < 8; k++) {
            rgi_joint j = joint_step(&h, &c, k);
            real z[8], v[3], g[8], at[RGI_NG];
            for (int r = 0; r < 8; r++) z[r] = r == k ? cplx(y[r], STEP) : y[r];
            potential_first(&p, &j, &base, v);
            gradient_in(&h, v3_load(z), v3_load(z + 3), &j, v, g);
            rgi_joint_grad(&j, at);
            for (int r = 0; r < 8; r++) {
                d[r][k] = cimag(g[r]) / STEP;
                moving[r][k] = cimag(v[0] * at[r] + v[1] * at[8 + r] + v[2] * at[16 + r]) / STEP;
            }
        }
        worst_hess = worse(worst_hess, assert_hessian(&c, &p, m, d, TOL, i));
        for (int b = 0; b < 2; b++) {
            const double *edge = b ? c.f : c.e;
            double t[3], s = 0.5 * creal(vt[6 + b]) / dot(edge, edge);
            unit(edge, t);
            for (int r = 0; r < 3; r++) {
                int k = (r + 1) % 3, l = (r + 2) % 3;
                moving[3 * b + k][3 * b + l] += s * t[r];
                moving[3 * b + l][3 * b + k] -= s * t[r];
            }
        }
        assert_hessian(&c, &p, m, moving, TOL, i);
    }
}

/* second derivatives of the potential in chart h at c, from its value alone */
static void hess_dual(const chart *h, const config *c, const potential *p, double m[8][8])
{
    double y[8];
    point(c, y);
    dual base[3];
    dual_strains(dv(c->e), dv(c->f), dv(c->m1e), dv(c->m1f), base);
    for (int r = 0; r < 8; r++)
        for (int s = 0; s < 8; s++) {
            dual z[8], d[3];
            for (int k = 0; k < 8; k++) z[k] = (dual){y[k], k == r, k == s, 0.0};
            dvec e = {{z[0], z[1], z[2]}}, f = {{z[3], z[4], z[5]}};
            dvec te = dv_unit(e), tf = dv_unit(f);
            dvec me = dv_turn(te, z[6], dv_rotate_to(dv(h->se), te, dv(h->m1e)));
            dvec mf = dv_turn(tf, z[7], dv_rotate_to(dv(h->sf), tf, dv(h->m1f)));
            dual_strains(e, f, me, mf, d);
            m[r][s] = p->s1 * d[0].ab + p->s2 * d[1].ab + p->s3 * d[2].ab + p->k11 * d[0].a * d[0].b +
                      p->k12 * (d[0].a * d[1].b + d[1].a * d[0].b) + p->k22 * d[1].a * d[1].b +
                      p->k33 * d[2].a * d[2].b;
        }
}

/* fact 2 again, from the definition of the strains alone */
static void elements_hess_dual(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        potential p = potential_random(i);
        chart h = chart_at(&c);
        double m[8][8], d[8][8];
        hess_of(&c, &p, m);
        hess_dual(&h, &c, &p, d);
        assert_hessian(&c, &p, m, d, TOL, i);
    }
}

/* fact 3, second half: where V_theta = 0, old-chart Hessian = J^T H J */
static void elements_hess_behind(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        potential p = potential_random(i);
        chart h = chart_behind(&c, i);
        rgi_joint base = joint_of(&c);
        real g[RGI_NG];
        rgi_joint_grad(&base, g);
        /* first derivatives that no angle feels: normal to d strains/d theta_e and .../d theta_f */
        double a[3] = {creal(g[6]), creal(g[14]), creal(g[22])};
        double b[3] = {creal(g[7]), creal(g[15]), creal(g[23])}, s[3];
        cross(a, b, s);
        p.s1 = s[0];
        p.s2 = s[1];
        p.s3 = s[2];
        double m[8][8], d[8][8], jac[8][8] = {{0}}, w[8][8] = {{0}}, q[8][8] = {{0}};
        hess_of(&c, &p, m);
        hess_dual(&h, &c, &p, d);
        vec3 ae = transport_turn(h.se, vec(c.e)), af = transport_turn(h.sf, vec(c.f));
        const real ve[3] = {ae.x, ae.y, ae.z}, vf[3] = {af.x, af.y, af.z};
        for (int k = 0; k < 8; k++) jac[k][k] = 1.0;
        for (int k = 0; k < 3; k++) {
            jac[6][k] = creal(ve[k]);
            jac[7][3 + k] = creal(vf[k]);
        }
        for (int r = 0; r < 8; r++)
            for (int k = 0; k < 8; k++)
                for (int l = 0; l < 8; l++) w[r][k] += m[r][l] * jac[l][k];
        for (int r = 0; r < 8; r++)
            for (int k = 0; k < 8; k++)
                for (int l = 0; l < 8; l++) q[r][k] += jac[l][r] * w[l][k];
        assert_hessian(&c, &p, q, d, TOL, i);
    }
}

/* the plainest check: central differences of the potential's complex-step gradient */
static void elements_hess_fd(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        config c = config_random(i);
        potential p = potential_random(i);
        chart h = chart_at(&c);
        rgi_joint base = joint_of(&c);
        double m[8][8], d[8][8], y[8];
        hess_of(&c, &p, m);
        point(&c, y);
        for (int r = 0; r < 8; r++)
            for (int k = 0; k < 8; k++) {
                double size = k < 3 ? norm(c.e) : (k < 6 ? norm(c.f) : 1.0), step = 3e-6 * size;
                double w[2];
                for (int side = 0; side < 2; side++) {
                    real z[8], v[3];
                    for (int l = 0; l < 8; l++)
                        z[l] = cplx(y[l] + (l == k ? (side ? step : -step) : 0.0), l == r ? STEP : 0.0);
                    rgi_joint j = joint_at(&h, z);
                    potential_first(&p, &j, &base, v);
                    w[side] = (cimag(j.kappa1) * creal(v[0]) + cimag(j.kappa2) * creal(v[1]) +
                               cimag(rgi_joint_twist(&j)) * creal(v[2])) /
                              STEP;
                }
                d[r][k] = (w[1] - w[0]) / (2.0 * step);
            }
        /* rounding 1e-16 / 3e-6 and truncation 1e-11 (chi shrinks the scale 15-fold: 1e-8) */
        worst_fd = worse(worst_fd, assert_hessian(&c, &p, m, d, 1e-8, i));
    }
}

/* kappa' [2] and tau of a joint that has made whole turns besides, and their gradients */
static rgi_normaliser normalised_at(const rgi_joint *j, int turns, real s[3], real g[RGI_NG])
{
    s[2] = rgi_joint_twist(j) + 2.0 * PI * turns;
    const rgi_normaliser by = rgi_normaliser_of(j, s[2]);
    s[0] = by.sigma * j->kappa1;
    s[1] = by.sigma * j->kappa2;
    rgi_joint_grad(j, g);
    rgi_normalise_grad(by, j->kappa1, j->kappa2, g);
    return by;
}

/* kb's components along the directors half-way: edge e's, carried to f and turned by half the twist */
static void elements_normalised_value(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++)
        for (int turns = -2; turns <= 2; turns++) {
            config c = config_random(i);
            rgi_joint j = joint_of(&c);
            real s[3], g[RGI_NG];
            (void)normalised_at(&j, turns, s, g);
            const double half = 0.5 * creal(s[2]), k = 1.0 + creal(v3_norm(j.kb));
            const vec3 p = v3_transport(j.te, j.tf, j.m1e), q = v3_cross(j.tf, p);
            const vec3 m1 = v3_axpy(sin(half), q, v3_scale(cos(half), p)), m2 = v3_cross(j.tf, m1);
            assert_close(creal(s[0]), creal(v3_dot(j.kb, m2)), k, 5e-14, "kappa'1", i);
            assert_close(creal(s[1]), -creal(v3_dot(j.kb, m1)), k, 5e-14, "kappa'2", i);
        }
}

/* gradients of kappa' by complex steps of its values, and the Hessian by complex steps of the potential's gradient */
static void elements_normalised_complex(void **state)
{
    (void)state;
    for (int i = 0; i < CONFIGS; i++) {
        const int turns = i % 3 - 1;
        config c = config_random(i);
        potential p = potential_random(i);
        const potential one = {.s1 = 1.0};
        chart h = chart_at(&c);
        rgi_joint base = joint_of(&c);
        real s[3], g[RGI_NG], hess[RGI_NJ], more[RGI_NJ];
        const rgi_normaliser by = normalised_at(&base, turns, s, g);
        const real along = p.s1 * s[0] + p.s2 * s[1];
        rgi_joint_hess(&base, g, p.k11, p.k12, p.k22, p.k33, by.sigma * p.s1, by.sigma * p.s2, p.s3 + by.slope * along,
                       hess);
        rgi_normalise_hess(by, g, p.s1, p.s2, along, more);
        double m[8][8], d[8][8], y[8], wide = creal(by.sigma * by.sigma);
        for (int k = 0; k < RGI_NJ; k++) hess[k] += more[k];
        hess_full(hess, m);
        point(&c, y);
        for (int k = 0; k < 8; k++) {
            rgi_joint j = joint_step(&h, &c, k);
            real z[8], at[3], its[RGI_NG], v[8];
            for (int r = 0; r < 8; r++) z[r] = r == k ? cplx(y[r], STEP) : y[r];
            (void)normalised_at(&j, turns, at, its);
            const double scale = wide * natural(&c, &one, k, 7);
            for (int e = 0; e < 3; e++)
                worst_grad = worse(worst_grad, assert_close(creal(g[8 * e + k]), cimag(at[e]) / STEP, scale, TOL,
                                                            "gradient of kappa'", i));
            const real d1 = at[0] - s[0], d2 = at[1] - s[1], d3 = at[2] - s[2];
            const real first[3] = {p.s1 + p.k11 * d1 + p.k12 * d2, p.s2 + p.k12 * d1 + p.k22 * d2, p.s3 + p.k33 * d3};
            for (int r = 0; r < 8; r++) v[r] = first[0] * its[r] + first[1] * its[8 + r] + first[2] * its[16 + r];
            v3_store(v, v3_axpy(v[6], transport_turn(h.se, v3_load(z)), v3_load(v)));
            v3_store(v + 3, v3_axpy(v[7], transport_turn(h.sf, v3_load(z + 3)), v3_load(v + 3)));
            for (int r = 0; r < 8; r++) d[r][k] = cimag(v[r]) / STEP;
        }
        worst_hess = worse(worst_hess, assert_hessian(&c, &p, m, d, TOL * wide, i));
    }
}

static int record(void **state)
{
    (void)state;
    grad_record("complex step", "element: gradients of a joint's strains", worst_grad, TOL, GRAD_AT_MOST);
    /* the element's is symmetric by its storage, the complex step's is not */
    grad_record("Hessian symmetric, equal to complex step of the gradient", "element", worst_hess, TOL, GRAD_AT_MOST);
    grad_record("central differences", "element: Hessian of a joint", worst_fd, 1e-7, GRAD_AT_MOST);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_strain_value),
        cmocka_unit_test(elements_strain_rigid),
        cmocka_unit_test(elements_helix_value),
        cmocka_unit_test(elements_grad_complex),
        cmocka_unit_test(elements_grad_behind),
        cmocka_unit_test(elements_hess_complex),
        cmocka_unit_test(elements_hess_dual),
        cmocka_unit_test(elements_hess_behind),
        cmocka_unit_test(elements_hess_fd),
        cmocka_unit_test(elements_normalised_value),
        cmocka_unit_test(elements_normalised_complex),
    };
    return cmocka_run_group_tests(tests, NULL, record);
}
