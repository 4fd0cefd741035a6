/* elements_probe.h: the element kernels and the factorisation seen through plain doubles.
 *
 * One translation unit per instantiation (elements_double.c, elements_float.c, elements_pack2.c...)
 * defines RGI_REAL_* and PROBE(name), then includes this file; tests compare them lane by lane.
 *   joint in  [lanes][PROBE_IN]:  e 3, f 3, m1e 3, m1f 3, k11, k12, k22, k33, s1, s2, s3
 *   joint out [lanes][PROBE_OUT]: kappa1, kappa2, tau, gradient RGI_NG, Hessian RGI_NJ
 *   ldlt  blocks [lanes][n][RGI_NH] (factored in place), y [lanes][n][4], indefinite [lanes] */
#ifndef ELEMENTS_PROBE_H
#define ELEMENTS_PROBE_H

#include "joint_between.h"
#include "step/ldlt.h"

enum { PROBE_IN = 19, PROBE_OUT = 3 + RGI_NG + RGI_NJ, PROBE_NODES = 40 };

#define PROBE_DECLARE(probe)                                                                                           \
    int probe(lanes)(void);                                                                                            \
    void probe(atan)(const double *u, double *r);                                                                      \
    void probe(joint)(const double *in, double *out);                                                                  \
    void probe(ldlt)(rgi_schedule plan, double *blocks, double *y, int *indefinite)

#ifdef PROBE
#if defined(RGI_REAL_FLOAT)
#define PROBE_ELEMENT float
#else
#define PROBE_ELEMENT double
#endif

PROBE_DECLARE(PROBE);

int PROBE(lanes)(void) { return RGI_LANES; }

static void probe_get(real *r, const double *in, int n)
{
    for (int i = 0; i < n; i++)
        for (int l = 0; l < RGI_LANES; l++) RG_LANE(r[i], l) = (PROBE_ELEMENT)in[n * l + i];
}

static void probe_put(const real *r, double *out, int n)
{
    for (int i = 0; i < n; i++)
        for (int l = 0; l < RGI_LANES; l++) out[n * l + i] = (double)RG_LANE(r[i], l);
}

void PROBE(atan)(const double *u, double *r)
{
    real v;
    probe_get(&v, u, 1);
    v = rg_atan(v);
    probe_put(&v, r, 1);
}

void PROBE(joint)(const double *in, double *out)
{
    real v[PROBE_IN], r[PROBE_OUT];
    probe_get(v, in, PROBE_IN);
    rgi_joint j = joint_between(v3_load(v), v3_load(v + 3), v3_load(v + 6), v3_load(v + 9));
    r[0] = j.kappa1;
    r[1] = j.kappa2;
    r[2] = rgi_joint_twist(&j);
    rgi_joint_grad(&j, r + 3);
    rgi_joint_hess(&j, r + 3, v[12], v[13], v[14], v[15], v[16], v[17], v[18], r + 3 + RGI_NG);
    probe_put(r, out, PROBE_OUT);
}

void PROBE(ldlt)(rgi_schedule plan, double *blocks, double *y, int *indefinite)
{
    real b[PROBE_NODES * RGI_NH], v[PROBE_NODES * 4];
    probe_get(b, blocks, plan.n * RGI_NH);
    probe_get(v, y, plan.n * 4);
    rmask bad = rgi_ldlt_factor(plan, b);
    rgi_ldlt_solve(plan, b, v);
    probe_put(b, blocks, plan.n * RGI_NH);
    probe_put(v, y, plan.n * 4);
    for (int l = 0; l < RGI_LANES; l++) indefinite[l] = RG_MASK_LANE(bad, l);
}
#endif

#endif
