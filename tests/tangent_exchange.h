/* tests/tangent_exchange.h: a tangent in the order of an even number of steps (rgi_tangent_at), after an odd one. */
#ifndef TANGENT_EXCHANGE_H
#define TANGENT_EXCHANGE_H

#include "step/stress.h"

/* p [n][RGI_NT]: the state and the one before it change places */
static inline void tangent_exchange(real *p, int n)
{
    const rgi_tangent to = rgi_tangent_at(p, n, 0), from = rgi_tangent_at(p, n, 1);
    real *const now[] = {to.x, to.v, to.s, to.z}, *const before[] = {from.x, from.v, from.s, from.z};
    const int each[] = {3, 3, RGI_NS, 2};
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < each[k] * n; i++) {
            const real held = now[k][i];
            now[k][i] = before[k][i];
            before[k][i] = held;
        }
}

#endif
