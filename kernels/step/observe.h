/* step/observe.h: markers from the rod's state.
 *
 * Marker k on vertex i with offset (o1, o2) in the material frame sits at x_i + o1 n1 + o2 n2,
 * where n1, n2 are the directors of the one or two edges at i, averaged. Residual r = simulated -
 * recorded, by coordinate. Loss: Huber's over its floor d: r^2/(2 d) up to d, |r| - d/2 beyond,
 * i.e. absolute error with weight 1/max(|r|, d) in iteratively reweighted least squares. */
#ifndef RGI_OBSERVE_H
#define RGI_OBSERVE_H

#include "derivative.h"

/* average directors at vertex i: o1 n1 + o2 n2, about the tangents in rod->t */
RG_FN vec3 rgi_marker_arm(const rgi_rod *rod, const real *m1, int i, real o1, real o2)
{
    vec3 arm = v3(rg_set1(0.0), rg_set1(0.0), rg_set1(0.0));
    int low = i > 0 ? i - 1 : 0, high = i < rod->n - 1 ? i : i - 1;
    real share = rg_set1(low == high ? 1.0 : 0.5);
    for (int j = low; j <= high; j++) {
        vec3 a = v3_load(m1 + 3 * j), b = v3_cross(v3_load(rod->t + 4 * j), a);
        arm = v3_axpy(share * o1, a, v3_axpy(share * o2, b, arm));
    }
    return arm;
}

/* what a marker on vertex i moves by with its two edges, low and high (the same at an end): the tangent t, what
 * de leans the arm by, and where the arm goes as the director turns */
typedef struct rgi_marker_arms {
    int low, high;
    vec3 t[2], lean[2], across[2];
} rgi_marker_arms;

RG_FN rgi_marker_arms rgi_marker_arms_of(const rgi_rod *rod, const real *m1, int i, real o1, real o2)
{
    rgi_marker_arms r;
    r.low = i > 0 ? i - 1 : 0;
    r.high = i < rod->n - 1 ? i : i - 1;
    const real share = rg_set1(r.low == r.high ? 1.0 : 0.5);
    o1 = share * o1;
    o2 = share * o2;
    for (int k = 0; k < 2; k++) {
        const int j = k ? r.high : r.low;
        vec3 t = v3_load(rod->t + 4 * j), a = v3_load(m1 + 3 * j), b = v3_cross(t, a);
        r.t[k] = t;
        /* the arm turns about t, and with it: t moves by de/|e| across itself */
        r.lean[k] = v3_scale(-rod->t[4 * j + 3], v3_axpy(o2, b, v3_scale(o1, a)));
        r.across[k] = v3_axpy(-o2, a, v3_scale(o1, b));
    }
    return r;
}

/* what edge j adds to the derivative of the arm; k: 0 of the low, 1 of the high one */
RG_FN vec3 rgi_marker_edge_jvp(const rgi_marker_arms *of, int k, int j, const real *dx, const real *theta)
{
    vec3 de = v3_sub(v3_load(dx + 3 * j + 3), v3_load(dx + 3 * j));
    return v3_axpy(v3_dot(of->lean[k], de), of->t[k], v3_scale(theta[j], of->across[k]));
}

/* derivative of the arm for the displacement dx [n][3] and the turns theta [n] */
RG_FN vec3 rgi_marker_arm_jvp(const rgi_marker_arms *of, const real *dx, const real *theta)
{
    vec3 moved = rgi_marker_edge_jvp(of, 0, of->low, dx, theta);
    if (of->high > of->low) moved = v3_add(moved, rgi_marker_edge_jvp(of, 1, of->high, dx, theta));
    return moved;
}

/* its adjoint, for the cotangent r of the arm: what edge i has in it, with offsets that count its share */
RG_FN void rgi_marker_edge_adj(const rgi_rod *rod, const real *m1, int i, real share, const real *offset, vec3 r,
                               real *x_bar, real *theta_bar, real *offset_bar)
{
    const real o1 = share * offset[0], o2 = share * offset[1];
    vec3 t = v3_load(rod->t + 4 * i), a = v3_load(m1 + 3 * i), b = v3_cross(t, a);
    vec3 arm = v3_axpy(o2, b, v3_scale(o1, a));
    real pull = RG_TERM(rod->t[4 * i + 3] * v3_dot(t, r));
    const real along[3] = {RG_TERM(pull * arm.x), RG_TERM(pull * arm.y), RG_TERM(pull * arm.z)};
    for (int c = 0; c < 3; c++) {
        x_bar[3 * i + 3 + c] -= RG_TERM(along[c]);
        x_bar[3 * i + c] += RG_TERM(along[c]);
    }
    theta_bar[i] += RG_TERM(o1 * v3_dot(b, r)) - RG_TERM(o2 * v3_dot(a, r));
    offset_bar[0] += RG_TERM(share * v3_dot(a, r));
    offset_bar[1] += RG_TERM(share * v3_dot(b, r));
}

/* adds to x_bar [n][3], theta_bar [n] and offset_bar [2]; two calls, not a loop: gcc 12.2 -O3 vectorises
 * the loop wrongly, the row of x_bar that both edges share gets one of its two terms */
RG_FN void rgi_marker_arm_adj(const rgi_rod *rod, const real *m1, int i, const real *offset, vec3 r, real *x_bar,
                              real *theta_bar, real *offset_bar)
{
    const int low = i > 0 ? i - 1 : 0, high = i < rod->n - 1 ? i : i - 1;
    const real share = rg_set1(low == high ? 1.0 : 0.5);
    rgi_marker_edge_adj(rod, m1, low, share, offset, r, x_bar, theta_bar, offset_bar);
    if (high > low) rgi_marker_edge_adj(rod, m1, high, share, offset, r, x_bar, theta_bar, offset_bar);
}

#endif
