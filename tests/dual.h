/* dual.h: hyper-dual numbers, v + a i + b j + ab ij with i^2 = j^2 = 0: with a and b seeded along
 * two directions, ab is the exact second derivative. Vectors of them, and the strains of a joint
 * from their definitions (rotation matrices, atan2), sharing nothing with the kernels. */
#ifndef DUAL_H
#define DUAL_H

#include <math.h>

typedef struct dual {
    double v, a, b, ab;
} dual;

typedef struct dvec {
    dual c[3];
} dvec;

static inline dual du(double v) { return (dual){v, 0.0, 0.0, 0.0}; }
static inline dual du_add(dual x, dual y) { return (dual){x.v + y.v, x.a + y.a, x.b + y.b, x.ab + y.ab}; }
static inline dual du_scale(double s, dual x) { return (dual){s * x.v, s * x.a, s * x.b, s * x.ab}; }
static inline dual du_mul(dual x, dual y)
{
    return (dual){x.v * y.v, x.v * y.a + x.a * y.v, x.v * y.b + x.b * y.v,
                  x.v * y.ab + x.a * y.b + x.b * y.a + x.ab * y.v};
}
/* f(x) from f, f', f'' at x.v */
static inline dual du_chain(dual x, double f, double f1, double f2)
{
    return (dual){f, f1 * x.a, f1 * x.b, f1 * x.ab + f2 * x.a * x.b};
}
static inline dual du_inverse(dual x)
{
    double i = 1.0 / x.v;
    return du_chain(x, i, -i * i, 2.0 * i * i * i);
}
static inline dual du_inverse_sqrt(dual x)
{
    double i = 1.0 / sqrt(x.v);
    return du_chain(x, i, -0.5 * i * i * i, 0.75 * i * i * i * i * i);
}
static inline dual du_atan2(dual s, dual c)
{
    double r = 1.0 / (s.v * s.v + c.v * c.v), fs = c.v * r, fc = -s.v * r;
    double fss = -2.0 * s.v * c.v * r * r, fsc = (s.v * s.v - c.v * c.v) * r * r;
    return (dual){atan2(s.v, c.v), fs * s.a + fc * c.a, fs * s.b + fc * c.b,
                  fs * s.ab + fc * c.ab + fss * (s.a * s.b - c.a * c.b) + fsc * (s.a * c.b + c.a * s.b)};
}

static inline dvec dv(const double *p) { return (dvec){{du(p[0]), du(p[1]), du(p[2])}}; }
static inline dvec dv_add(dvec x, dvec y)
{
    return (dvec){{du_add(x.c[0], y.c[0]), du_add(x.c[1], y.c[1]), du_add(x.c[2], y.c[2])}};
}
static inline dvec dv_scale(dual s, dvec x)
{
    return (dvec){{du_mul(s, x.c[0]), du_mul(s, x.c[1]), du_mul(s, x.c[2])}};
}
static inline dual dv_dot(dvec x, dvec y)
{
    return du_add(du_add(du_mul(x.c[0], y.c[0]), du_mul(x.c[1], y.c[1])), du_mul(x.c[2], y.c[2]));
}
static inline dvec dv_cross(dvec x, dvec y)
{
    dvec r;
    for (int i = 0; i < 3; i++) {
        int k = (i + 1) % 3, l = (i + 2) % 3;
        r.c[i] = du_add(du_mul(x.c[k], y.c[l]), du_scale(-1.0, du_mul(x.c[l], y.c[k])));
    }
    return r;
}
static inline dvec dv_unit(dvec x) { return dv_scale(du_inverse_sqrt(dv_dot(x, x)), x); }
/* R u, R = I + [b]x + [b]x^2 / (1 + c) with b = s x t, c = s.t: the rotation taking s to t */
static inline dvec dv_rotate_to(dvec s, dvec t, dvec u)
{
    dvec b = dv_cross(s, t), bu = dv_cross(b, u);
    dual k = du_inverse(du_add(du(1.0), dv_dot(s, t)));
    return dv_add(u, dv_add(bu, dv_scale(k, dv_cross(b, bu))));
}
/* u, perpendicular to the unit vector t, turned about it */
static inline dvec dv_turn(dvec t, dual theta, dvec u)
{
    dual c = du_chain(theta, cos(theta.v), -sin(theta.v), -cos(theta.v));
    dual s = du_chain(theta, sin(theta.v), cos(theta.v), -sin(theta.v));
    return dv_add(dv_scale(c, u), dv_scale(s, dv_cross(t, u)));
}

/* kappa1, kappa2, tau of edges e, f with directors me, mf */
static inline void dual_strains(dvec e, dvec f, dvec me, dvec mf, dual s[3])
{
    dvec te = dv_unit(e), tf = dv_unit(f);
    dual k = du_scale(2.0, du_inverse(du_add(du(1.0), dv_dot(te, tf))));
    dvec kb = dv_scale(k, dv_cross(te, tf));
    s[0] = du_scale(0.5, dv_dot(kb, dv_add(dv_cross(te, me), dv_cross(tf, mf))));
    s[1] = du_scale(-0.5, dv_dot(kb, dv_add(me, mf)));
    dvec p = dv_rotate_to(te, tf, me);
    s[2] = du_atan2(dv_dot(dv_cross(p, mf), tf), dv_dot(p, mf));
}

#endif
