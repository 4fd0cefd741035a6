/* real/angle.h: the arc tangent over `real`, by selection and a rational approximation.
 *
 * Reduction and coefficients: S. L. Moshier, Cephes Math Library, atan.c (relative error 2e-16):
 *   |u| > tan(3 pi/8): pi/2 + atan(-1/u);  |u| > 0.66: pi/4 + atan((u-1)/(u+1));  else u itself;
 *   atan(u) = u + u z P(z)/Q(z), z = u^2.
 * The same formula serves complex arguments near the real axis (complex-step tests). */
#ifndef RGI_ANGLE_H
#define RGI_ANGLE_H

#include "real.h"

RG_FN real rg_atan(real u)
{
    rmask negative = rg_lt(u, rg_set1(0.0));
    real a = rg_select(negative, -u, u);
    rmask large = rg_lt(rg_set1(2.414213562373095048802), a);
    rmask middle = rg_and(rg_lt(rg_set1(0.66), a), rg_not(large));
    real w = a, offset = rg_set1(0.0);
    if (rg_any(rg_or(large, middle))) {
        real top = rg_select(large, rg_set1(-1.0), rg_select(middle, a - RG_C(1.0), a));
        real bottom = rg_select(large, a, rg_select(middle, a + RG_C(1.0), rg_set1(1.0)));
        offset = rg_select(large, rg_set1(1.570796326794896619231),
                           rg_select(middle, rg_set1(0.785398163397448309616), offset));
        w = top / bottom;
    }
    real z = w * w;
    real p = rg_set1(-8.750608600031904122785e-1), q = z + RG_C(2.485846490142306297962e1);
    p = rg_fma(p, z, rg_set1(-1.615753718733365076637e1));
    p = rg_fma(p, z, rg_set1(-7.500855792314704667340e1));
    p = rg_fma(p, z, rg_set1(-1.228866684490136173410e2));
    p = rg_fma(p, z, rg_set1(-6.485021904942025371773e1));
    q = rg_fma(q, z, rg_set1(1.650270098316988542046e2));
    q = rg_fma(q, z, rg_set1(4.328810604912902668951e2));
    q = rg_fma(q, z, rg_set1(4.853903996359136964868e2));
    q = rg_fma(q, z, rg_set1(1.945506571482613964425e2));
    real r = offset + rg_fma(w, z * (p / q), w);
    return rg_select(negative, -r, r);
}

#endif
