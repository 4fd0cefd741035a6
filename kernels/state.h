/* state.h: the variables of a rod's state, from which the sizes of states, tangents and checkpoints come, the rod's
 * arrays, and how a state is saved and loaded.
 *
 * X(name, past, reals): a variable of so many reals a node, and the one that holds its value a step before, which BDF2
 * looks back to. A variable is written where a step is accepted (rgi_step_accept, rgi_deform_accept), its tangent next
 * to that (step/derivative.h, step/deform.h), and starts in rgi_run_start. */
#ifndef RGI_STATE_H
#define RGI_STATE_H

#include "rod/layout.h"

#define RGI_STATE_LIST(X)                                                                                              \
    /* positions [m], velocities [m/s] */                                                                              \
    X(x, xp, 3)                                                                                                        \
    X(v, vp, 3)                                                                                                        \
    /* strains */                                                                                                      \
    X(s, sp, RGI_NS)                                                                                                   \
    /* memory of bending */                                                                                            \
    X(z, zp, 2)
/* X(name, reals): variables without a past: directors, whose tangent is one turn about their edge */
#define RGI_STATE_NOW_LIST(X) X(m1, 3)
enum { RGI_STATE_TURNS = 1 };

#define RGI_STATE_SUM(name, past, reals) +(reals)
#define RGI_STATE_SUM_NOW(name, reals) +(reals)
enum {
    RGI_STATE_PAIRS = 0 RGI_STATE_LIST(RGI_STATE_SUM),                       /* reals of a node that have a past */
    RGI_STATE_REALS = RGI_STATE_PAIRS RGI_STATE_NOW_LIST(RGI_STATE_SUM_NOW), /* of a saved state, and one per rod */
    RGI_NT = 2 * RGI_STATE_PAIRS + RGI_STATE_TURNS                           /* of a direction: now and before */
};

/* where a variable begins in a saved state, in reals a node: RGI_AT_x n is its first */
#define RGI_STATE_AT(name, past, reals) RGI_AT_##name, RGI_AT_##name##_END = RGI_AT_##name + (reals)-1,
#define RGI_STATE_AT_NOW(name, reals) RGI_STATE_AT(name, , reals)
enum { RGI_STATE_LIST(RGI_STATE_AT) RGI_STATE_NOW_LIST(RGI_STATE_AT_NOW) };

#endif
