/* tests/tangent_exchange.h: a tangent in the order of an even number of steps (rgi_tangent_at), after an odd one. */
#ifndef TANGENT_EXCHANGE_H
#define TANGENT_EXCHANGE_H

#include "step/stress.h"

/* p [n][RGI_NT]: the state and the one before it change places */
static inline void tangent_exchange(real *p, int n)
{
    const rgi_tangent to = rgi_tangent_at(p, n, 0), from = rgi_tangent_at(p, n, 1);
#define EXCHANGE(name, past, reals)                                                                                    \
    for (int i = 0; i < (reals)*n; i++) {                                                                              \
        const real held = to.name[i];                                                                                  \
        to.name[i] = from.name[i];                                                                                     \
        from.name[i] = held;                                                                                           \
    }
    RGI_STATE_LIST(EXCHANGE)
#undef EXCHANGE
}

#endif
