/* step/energy.h: energies of a state, with tangent and adjoint.
 *
 *   kinetic  sum 1/2 m v^2 over vertices
 *   stretch  sum 1/2 C (l - L)^2 over edges
 *   bending  sum 1/2 (k - kb).C (k - kb) + 1/2 r (k - z).C (k - z) over joints; the second part is the memory's spring
 *   twist    sum 1/2 C (t - tb)^2 over joints
 *   weight   - sum m g.x over vertices, 0 at the origin
 * They depend on the state (x, v, s, z) and on coefficients, and on nothing else. */
#ifndef RGI_ENERGY_H
#define RGI_ENERGY_H

#include "stress.h"

enum { RGI_KINETIC, RGI_STRETCH, RGI_BEND, RGI_TWIST, RGI_WEIGHT };

/* what of a node's state energies depend on */
typedef struct rgi_seen {
    const real *x, *v, *s, *z;
} rgi_seen;

RG_FN rgi_seen rgi_seen_at(const real *x, const real *v, const real *s, const real *z, int i)
{
    const rgi_seen r = {x + 3 * i, v + 3 * i, s + RGI_NS * i, z + 2 * i};
    return r;
}

/* half squares of node i, which the coefficients multiply, and slopes of its energies; 0 where it has no edge or joint
 */
typedef struct rgi_energy {
    real speed, height;    /* v^2/2; -g.x */
    real stretch, twist;   /* squares */
    real k11, k12, k22;    /* of bending and its memory */
    real memory;           /* (k - z).C (k - z)/2 */
    real force, couple;    /* slopes in l, t */
    real bend[2], back[2]; /* in k; in k of the first part, in -z of the second: they add up to the slope in k */
} rgi_energy;

RG_FN rgi_energy rgi_energy_of(const rgi_rod *rod, const rgi_step *step, rgi_seen now, int i)
{
    const real *k = rod->coef + RGI_NC * i, *s = now.s, *z = now.z;
    const real zero = rg_set1(0.0), half = rg_set1(0.5);
    const vec3 v = v3_load(now.v), x = v3_load(now.x);
    const vec3 g = v3(rg_set1(step->gravity[0]), rg_set1(step->gravity[1]), rg_set1(step->gravity[2]));
    rgi_energy e;
    e.speed = half * v3_dot(v, v);
    e.height = -v3_dot(g, x);
    e.stretch = e.twist = e.k11 = e.k12 = e.k22 = e.memory = e.force = e.couple = zero;
    e.bend[0] = e.bend[1] = e.back[0] = e.back[1] = zero;
    if (i == rod->n - 1) return e;
    const real longer = s[0] - k[RGI_L];
    e.stretch = half * longer * longer;
    e.force = k[RGI_KL] * longer;
    if (i == 0) return e;
    const real p1 = s[1] - k[RGI_KB1], p2 = s[2] - k[RGI_KB2], q1 = s[1] - z[0], q2 = s[2] - z[1], r = k[RGI_RM];
    const real turned = s[3] - k[RGI_TBAR];
    e.k11 = half * rg_fma(r * q1, q1, p1 * p1);
    e.k12 = rg_fma(r * q1, q2, p1 * p2);
    e.k22 = half * rg_fma(r * q2, q2, p2 * p2);
    e.bend[0] = rg_dot2(k[RGI_K11], p1, k[RGI_K12], p2);
    e.bend[1] = rg_dot2(k[RGI_K12], p1, k[RGI_K22], p2);
    const real c1 = rg_dot2(k[RGI_K11], q1, k[RGI_K12], q2), c2 = rg_dot2(k[RGI_K12], q1, k[RGI_K22], q2);
    e.back[0] = r * c1;
    e.back[1] = r * c2;
    e.memory = half * rg_dot2(c1, q1, c2, q2);
    e.twist = half * turned * turned;
    e.couple = k[RGI_KT] * turned;
    return e;
}

/* adds node i's energies to sum [RGI_ENERGIES] */
RG_FN void rgi_energy_add(const rgi_rod *rod, const rgi_step *step, rgi_seen now, int i, real *sum)
{
    const real *k = rod->coef + RGI_NC * i;
    const rgi_energy e = rgi_energy_of(rod, step, now, i);
    sum[RGI_KINETIC] += k[RGI_M] * e.speed;
    sum[RGI_STRETCH] += k[RGI_KL] * e.stretch;
    sum[RGI_BEND] += rg_dot3(k[RGI_K11], e.k11, k[RGI_K12], e.k12, k[RGI_K22], e.k22);
    sum[RGI_TWIST] += k[RGI_KT] * e.twist;
    sum[RGI_WEIGHT] += k[RGI_M] * e.height;
}

/* their changes for the state's direction d */
RG_FN void rgi_energy_jvp(const rgi_rod *rod, const rgi_step *step, rgi_seen now, int i, rgi_tangent d, real *sum)
{
    const real m = rod->coef[RGI_NC * i + RGI_M], *s = d.s + RGI_NS * i, *z = d.z + 2 * i;
    const rgi_energy e = rgi_energy_of(rod, step, now, i);
    for (int c = 0; c < 3; c++) {
        sum[RGI_KINETIC] += m * now.v[c] * d.v[3 * i + c];
        sum[RGI_WEIGHT] -= m * rg_set1(step->gravity[c]) * d.x[3 * i + c];
    }
    sum[RGI_STRETCH] += e.force * s[0];
    for (int c = 0; c < 2; c++) sum[RGI_BEND] += e.bend[c] * s[1 + c] + e.back[c] * (s[1 + c] - z[c]);
    sum[RGI_TWIST] += e.couple * s[3];
}

/* and for a coefficient that changes by `value` */
RG_FN void rgi_energy_entry_jvp(const rgi_rod *rod, const rgi_step *step, rgi_seen now, rgi_entry entry, real value,
                                real *sum)
{
    const rgi_energy e = rgi_energy_of(rod, step, now, entry.node);
    switch (entry.coefficient) {
    case RGI_KL: sum[RGI_STRETCH] += value * e.stretch; break;
    case RGI_L: sum[RGI_STRETCH] -= value * e.force; break;
    case RGI_K11: sum[RGI_BEND] += value * e.k11; break;
    case RGI_K12: sum[RGI_BEND] += value * e.k12; break;
    case RGI_K22: sum[RGI_BEND] += value * e.k22; break;
    case RGI_KB1: sum[RGI_BEND] -= value * e.bend[0]; break;
    case RGI_KB2: sum[RGI_BEND] -= value * e.bend[1]; break;
    case RGI_RM: sum[RGI_BEND] += value * e.memory; break;
    case RGI_KT: sum[RGI_TWIST] += value * e.twist; break;
    case RGI_TBAR: sum[RGI_TWIST] -= value * e.couple; break;
    case RGI_M:
        sum[RGI_KINETIC] += value * e.speed;
        sum[RGI_WEIGHT] += value * e.height;
        break;
    default: break;
    }
}

/* adjoint: the cotangent e_bar [RGI_ENERGIES] adds to that of the state, d, and to bar [RGI_NC], unless that is NULL */
RG_FN void rgi_energy_adj(const rgi_rod *rod, const rgi_step *step, rgi_seen now, int i, const real *e_bar,
                          rgi_tangent d, real *bar)
{
    const real m = rod->coef[RGI_NC * i + RGI_M];
    const rgi_energy e = rgi_energy_of(rod, step, now, i);
    for (int c = 0; c < 3; c++) {
        d.v[3 * i + c] += RG_TERM(m * now.v[c] * e_bar[RGI_KINETIC]);
        d.x[3 * i + c] -= RG_TERM(m * rg_set1(step->gravity[c]) * e_bar[RGI_WEIGHT]);
    }
    if (i < rod->n - 1) d.s[RGI_NS * i] += RG_TERM(e.force * e_bar[RGI_STRETCH]);
    if (i > 0 && i < rod->n - 1) {
        for (int c = 0; c < 2; c++) {
            d.s[RGI_NS * i + 1 + c] += RG_TERM(e.bend[c] * e_bar[RGI_BEND]) + RG_TERM(e.back[c] * e_bar[RGI_BEND]);
            d.z[2 * i + c] -= RG_TERM(e.back[c] * e_bar[RGI_BEND]);
        }
        d.s[RGI_NS * i + 3] += RG_TERM(e.couple * e_bar[RGI_TWIST]);
    }
    if (!bar) return;
    bar[RGI_KL] += RG_TERM(e.stretch * e_bar[RGI_STRETCH]);
    bar[RGI_L] -= RG_TERM(e.force * e_bar[RGI_STRETCH]);
    bar[RGI_K11] += RG_TERM(e.k11 * e_bar[RGI_BEND]);
    bar[RGI_K12] += RG_TERM(e.k12 * e_bar[RGI_BEND]);
    bar[RGI_K22] += RG_TERM(e.k22 * e_bar[RGI_BEND]);
    bar[RGI_KB1] -= RG_TERM(e.bend[0] * e_bar[RGI_BEND]);
    bar[RGI_KB2] -= RG_TERM(e.bend[1] * e_bar[RGI_BEND]);
    bar[RGI_RM] += RG_TERM(e.memory * e_bar[RGI_BEND]);
    bar[RGI_KT] += RG_TERM(e.twist * e_bar[RGI_TWIST]);
    bar[RGI_TBAR] -= RG_TERM(e.couple * e_bar[RGI_TWIST]);
    bar[RGI_M] += RG_TERM(e.speed * e_bar[RGI_KINETIC]) + RG_TERM(e.height * e_bar[RGI_WEIGHT]);
}

#endif
