/* rod/stretch.h: stretching of an edge e, by its length s = |e| [m].
 *
 *   ds/de = t,  d2s/de2 = (I - t t^T)/s
 * The potential W(s) has first and second derivatives w1 [N] and w2 [N/m]. */
#ifndef RGI_STRETCH_H
#define RGI_STRETCH_H

#include "../real/vec3.h"

/* h [6]: lower triangle, by rows, of w2 t t^T + w1 d2s/de2. is: 1/|e| */
RG_FN void rgi_stretch_hess(vec3 t, real is, real w1, real w2, real *h)
{
    real lateral = w1 * is;
    const real v[3] = {t.x, t.y, t.z};
    int m = 0;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c <= r; c++, m++) h[m] = rg_fma((w2 - lateral) * v[r], v[c], r == c ? lateral : rg_set1(0.0));
}

#endif
