/* joint_between.h: a joint of two edges given as vectors; the kernels have their tangents at hand. */
#ifndef RG_JOINT_BETWEEN_H
#define RG_JOINT_BETWEEN_H

#include "rod/bend_twist.h"

static inline rgi_joint joint_between(vec3 e, vec3 f, vec3 m1e, vec3 m1f)
{
    real edges[2][4];
    edges[0][3] = RG_C(1.0) / v3_norm(e);
    edges[1][3] = RG_C(1.0) / v3_norm(f);
    v3_store(edges[0], v3_scale(edges[0][3], e));
    v3_store(edges[1], v3_scale(edges[1][3], f));
    return rgi_joint_make(edges[0], edges[1], m1e, m1f);
}

#endif
