/* real/vec3.h: three-vectors over `real`, and parallel transport.
 *
 * The minimal rotation that takes the unit vector s to t moves a vector u perpendicular to s to
 *   P u = u - (u.t) (s + t) / (1 + s.t)        (Bergou et al. 2008, section 4.2.2, for u.s = 0)
 * which is singular only where t = -s. */
#ifndef RGI_VEC3_H
#define RGI_VEC3_H

#include "real.h"

typedef struct vec3 {
    real x, y, z;
} vec3;

RG_DISSOLVED vec3 v3(real x, real y, real z)
{
    vec3 r;
    r.x = x;
    r.y = y;
    r.z = z;
    return r;
}
RG_DISSOLVED vec3 v3_load(const real *p) { return v3(p[0], p[1], p[2]); }
RG_DISSOLVED void v3_store(real *p, vec3 a)
{
    p[0] = a.x;
    p[1] = a.y;
    p[2] = a.z;
}
RG_DISSOLVED vec3 v3_add(vec3 a, vec3 b) { return v3(a.x + b.x, a.y + b.y, a.z + b.z); }
RG_DISSOLVED vec3 v3_sub(vec3 a, vec3 b) { return v3(a.x - b.x, a.y - b.y, a.z - b.z); }
RG_DISSOLVED vec3 v3_scale(real s, vec3 a) { return v3(s * a.x, s * a.y, s * a.z); }
/* a + s b */
RG_DISSOLVED vec3 v3_axpy(real s, vec3 b, vec3 a)
{
    return v3(rg_fma(s, b.x, a.x), rg_fma(s, b.y, a.y), rg_fma(s, b.z, a.z));
}
RG_DISSOLVED real v3_dot(vec3 a, vec3 b) { return rg_dot3(a.x, b.x, a.y, b.y, a.z, b.z); }
RG_DISSOLVED vec3 v3_cross(vec3 a, vec3 b)
{
    return v3(rg_fms(a.y, b.z, a.z * b.y), rg_fms(a.z, b.x, a.x * b.z), rg_fms(a.x, b.y, a.y * b.x));
}
RG_DISSOLVED real v3_norm(vec3 a) { return rg_sqrt(v3_dot(a, a)); }
RG_DISSOLVED vec3 v3_unit(vec3 a) { return v3_scale(RG_C(1.0) / v3_norm(a), a); }
RG_DISSOLVED vec3 v3_transport(vec3 s, vec3 t, vec3 u)
{
    real k = v3_dot(u, t) / (RG_C(1.0) + v3_dot(s, t));
    return v3_axpy(-k, v3_add(s, t), u);
}
/* remove what round-off left along the unit vector t, and normalise */
RG_DISSOLVED vec3 v3_perpendicular(vec3 t, vec3 u) { return v3_unit(v3_axpy(-v3_dot(t, u), t, u)); }

#endif
