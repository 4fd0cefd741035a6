/* fit/minimise.h: a minimiser of smooth functions of many variables between bounds, by gradients (minimise.c). It knows
 * nothing of rods. */
#ifndef RGI_MINIMISE_H
#define RGI_MINIMISE_H

#include <stddef.h>

/* the steps and changes of the gradient that it remembers, at most */
enum { RGI_MINIMISE_PAIRS = 30 };

/* Cost and gradient [n] at x [n]; x is between the bounds. A cost that is not finite says that x is no point to go to,
 * and leaves the gradient alone. Not 0: stop at once; a finite cost counts all the same. */
typedef int (*rgi_minimise_function)(void *data, const double *x, double *cost, double *gradient);

/* What it needs stays the caller's. From one iteration to the next nothing else is remembered than x, its cost and
 * gradient, and `memory`: who saves these resumes with the same bits. */
typedef struct rgi_minimise {
    size_t n;
    const double *low, *high; /* [n] bounds; may be infinite */
    const double *scale;      /* [n] > 0: a step of some units of it is a sensible first step */
    double *memory;           /* [rgi_minimise_memory(n)] zeros at first */
    double *scratch;          /* [rgi_minimise_scratch(n)] */
    rgi_minimise_function function;
    void *data;
    double worth;   /* >= 0: an iteration that promises to lower the cost by less is not made */
    double promise; /* set: what the iteration promised, half the slope along its first direction */
} rgi_minimise;

typedef enum rgi_minimise_end {
    RGI_MINIMISE_MOVED,      /* x, the cost and the gradient are those of the lowest point that was evaluated */
    RGI_MINIMISE_STATIONARY, /* it promised no more than it is worth: the gradient is small or leads out of the bounds
                              */
    RGI_MINIMISE_STUCK,      /* no lower point was found */
    RGI_MINIMISE_STOPPED     /* the function said so, and no lower point was found before */
} rgi_minimise_end;

/* numbers */
size_t rgi_minimise_memory(size_t n);
size_t rgi_minimise_scratch(size_t n);
/* Is it a memory that iterations may have left? Finite, and each pair with a positive product, or empty. */
int rgi_minimise_memory_is_sound(size_t n, const double *memory);

/* One iteration, a direction and a line search, from x [n] with its cost and gradient [n]. */
rgi_minimise_end rgi_minimise_iterate(rgi_minimise *m, double *x, double *cost, double *gradient);

#endif
