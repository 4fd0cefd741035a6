/* step/newton.h: which trials Newton takes, by lane; for the implicit step and the deform step's turns.
 *
 * A trial is taken if it does not climb, or moved so little that round-off decides; else its move is halved. (A caller
 * may have every trial taken: `climb`.) A lane is done when the move just made is at most the tolerance, or when the
 * next would be, and then moves no more: its values never depend on its neighbours.
 *
 * With the exact Hessian a whole move d_k leaves an error of at most C d_k^2 (Kantorovich; Nocedal & Wright 2006,
 * theorem 3.5), which is the next move: d_{k+1}/d_k^2 measures C. A measured C can be too small, because d_{k+1} may be
 * small by accident. The next move is foretold as RGI_FORETOLD times C d^2, with the larger C of the last two where
 * three such moves were made in a row. tests/test_newton.c has what that is worth. */
#ifndef RGI_NEWTON_H
#define RGI_NEWTON_H

#include "../real/real.h"

#define RGI_FORETOLD 10.0

typedef struct rgi_outcome {
    rmask converged, folded, wrapped, finite;
    rmask saddle;   /* the solution is no minimum */
    real increment; /* the last Newton increment, or the foretold next one [m] */
    real iterations;
    real twist; /* the largest of a vertex [rad], by rgi_step_inspect */
    /* the step ended at the limit of its iterations with the last trial taken, and the largest force out of balance
     * there [N], by rgi_step_leave */
    rmask unfinished;
    real residual;
} rgi_outcome;

typedef struct rgi_newton {
    rgi_outcome out;
    rmask open, first;
    rmask exact;   /* was the last move whole, from the exact Hessian? */
    real before;   /* the increment before the last [m], if both moves were whole and exact; else 0 */
    real earlier;  /* the one before that, in the same way */
    real phi_base; /* potential of the last trial taken */
    real alpha;    /* share of the increment that the next trial moves by */
    double small;  /* a move below this is taken even if it climbs [m] */
    double noise;  /* rounding errors of the potential, relative */
} rgi_newton;

RG_FN rgi_newton rgi_newton_begin(rmask alive)
{
    rgi_newton n;
    n.out.converged = rg_not(alive);
    n.out.finite = rg_not(rg_false());
    n.out.folded = n.out.wrapped = n.out.saddle = n.out.unfinished = rg_false();
    n.out.increment = n.out.iterations = n.out.twist = n.out.residual = rg_set1(0.0);
    n.open = alive;
    n.first = rg_not(rg_false());
    n.exact = rg_false();
    n.before = n.earlier = rg_set1(0.0);
    n.phi_base = rg_set1(0.0);
    n.alpha = rg_set1(1.0);
    n.small = 1e-4;
    n.noise = 0.0;
    return n;
}

/* Without inertia a small move that climbs may go on for ever: the potential decides, to its rounding errors. */
RG_FN void rgi_newton_by_energy(rgi_newton *n)
{
    n->small = 1e-9;
    n->noise = RGI_NOISE;
}

/* the lanes whose trial, of potential phi, is taken; climb: whatever phi is */
RG_FN rmask rgi_newton_take(rgi_newton *n, real phi, int climb)
{
    const real most = n->phi_base + rg_set1(n->noise) * rg_abs(n->phi_base);
    rmask sane = rg_sane(phi), take = rg_or(rg_not(rg_lt(most, phi)), n->first);
    take = rg_or(take, rg_lt(n->alpha * n->out.increment, rg_set1(n->small)));
    if (climb) take = rg_not(rg_false());
    n->out.finite = rg_and(n->out.finite, rg_or(rg_not(n->first), sane));
    n->open = rg_and(n->open, n->out.finite);
    take = rg_and(take, rg_and(n->open, sane));
    n->phi_base = rg_select(take, phi, n->phi_base);
    return take;
}

/* The increment from there is `largest` [m], of the exact Hessian and to be made whole in lanes `exact`; alpha: the
 * share of it that the next trial moves by, in lanes `open`; a refused one's is halved. A lane may be done after two
 * exact moves in a row: before keeps 0 until then. */
RG_FN void rgi_newton_aim(rgi_newton *n, rmask take, rmask exact, real largest, real alpha)
{
    const real one = rg_set1(1.0);
    const rmask again = rg_and(take, n->exact);
    n->earlier = rg_select(again, n->before, rg_set1(0.0));
    n->before = rg_select(again, n->out.increment, rg_set1(0.0));
    n->exact = rg_and(take, exact);
    n->out.increment = rg_select(take, largest, n->out.increment);
    n->alpha = rg_select(take, alpha, RG_C(0.5) * n->alpha);
    n->out.iterations = n->out.iterations + rg_select(n->open, one, rg_set1(0.0));
}

/* it moved: who is done? */
RG_FN void rgi_newton_moved(rgi_newton *n, rmask take, double tolerance)
{
    n->first = rg_false();
    double least = tolerance > RGI_LEAST_INCREMENT ? tolerance : RGI_LEAST_INCREMENT;
    const real zero = rg_set1(0.0), d = n->out.increment, b = n->before, o = n->earlier;
    const rmask small = rg_lt(d, rg_set1(least)), two = rg_and(n->exact, rg_lt(zero, b));
    const real now = d / (b * b), past = rg_select(rg_and(two, rg_lt(zero, o)), b / (o * o), zero);
    const real next = rg_max(now, past) * d * d;
    rmask foretold = rg_and(rg_and(two, rg_not(small)), rg_lt(rg_set1(RGI_FORETOLD) * next, rg_set1(tolerance)));
    n->out.increment = rg_select(foretold, next, d);
    rmask done = rg_and(take, rg_or(small, foretold));
    n->out.converged = rg_or(n->out.converged, done);
    n->open = rg_and(n->open, rg_not(done));
}

#endif
