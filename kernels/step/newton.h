/* step/newton.h: which trials Newton takes, by lane; for the implicit step and the deform step's turns.
 *
 * A trial is taken if it does not climb, or moved so little that round-off decides; else its move is
 * halved. A lane is done when the move just made is at most the tolerance, or when the next would be, and then
 * moves no more: its values never depend on its neighbours. With the exact Hessian a whole move d leaves an error
 * of C d^2 (Kantorovich; Nocedal & Wright 2006, theorem 3.5), which is the next move; C d_before^2 = d gives C, so
 * the next one is d (d/d_before)^2. */
#ifndef RGI_NEWTON_H
#define RGI_NEWTON_H

#include "../real/real.h"

typedef struct rgi_outcome {
    rmask converged, folded, wrapped, finite;
    rmask saddle;   /* the solution is no minimum */
    real increment; /* the last Newton increment, or the foretold next one [m] */
    real iterations;
    real twist;     /* the largest of a vertex [rad], by rgi_step_inspect */
} rgi_outcome;

typedef struct rgi_newton {
    rgi_outcome out;
    rmask open, first;
    rmask exact;   /* was the last move whole, from the exact Hessian? */
    real before;   /* the increment before the last [m] */
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
    n.out.folded = n.out.wrapped = n.out.saddle = rg_false();
    n.out.increment = n.out.iterations = n.out.twist = rg_set1(0.0);
    n.open = alive;
    n.first = rg_not(rg_false());
    n.exact = rg_false();
    n.before = rg_set1(0.0);
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

/* the lanes whose trial, of potential phi, is taken */
RG_FN rmask rgi_newton_take(rgi_newton *n, real phi)
{
    const real most = n->phi_base + rg_set1(n->noise) * rg_abs(n->phi_base);
    rmask sane = rg_sane(phi), take = rg_or(rg_not(rg_lt(most, phi)), n->first);
    take = rg_or(take, rg_lt(n->alpha * n->out.increment, rg_set1(n->small)));
    n->out.finite = rg_and(n->out.finite, rg_or(rg_not(n->first), sane));
    n->open = rg_and(n->open, n->out.finite);
    take = rg_and(take, rg_and(n->open, sane));
    n->phi_base = rg_select(take, phi, n->phi_base);
    return take;
}

/* the increment from there is `largest` [m], of the exact Hessian in lanes `exact`: alpha of the next trial,
 * to be moved in lanes `open`. A lane may be done after two exact moves in a row: before keeps 0 until then. */
RG_FN void rgi_newton_aim(rgi_newton *n, rmask take, rmask exact, real largest)
{
    const real one = rg_set1(1.0);
    n->before = rg_select(rg_and(take, n->exact), n->out.increment, rg_set1(0.0));
    n->exact = rg_and(take, exact);
    n->out.increment = rg_select(take, largest, n->out.increment);
    n->alpha = rg_select(take, one, RG_C(0.5) * n->alpha);
    n->out.iterations = n->out.iterations + rg_select(n->open, one, rg_set1(0.0));
}

/* it moved: who is done? */
RG_FN void rgi_newton_moved(rgi_newton *n, rmask take, double tolerance)
{
    n->first = rg_false();
    double least = tolerance > RGI_LEAST_INCREMENT ? tolerance : RGI_LEAST_INCREMENT;
    real d = n->out.increment, b = n->before;
    rmask small = rg_lt(d, rg_set1(least));
    rmask foretold = rg_and(rg_and(n->exact, rg_not(small)), rg_lt(d * d * d, rg_set1(tolerance) * b * b));
    n->out.increment = rg_select(foretold, d * d * d / (b * b), d);
    rmask done = rg_and(take, rg_or(small, foretold));
    n->out.converged = rg_or(n->out.converged, done);
    n->open = rg_and(n->open, rg_not(done));
}

#endif
