/* cpu/dispatch.h: which instantiation of the pack this machine runs. */
#ifndef RGI_DISPATCH_H
#define RGI_DISPATCH_H

#include "../pack.h"
#include "rodgrad/rollout.h"

typedef struct rgi_cpu {
    const char *isa; /* "scalar", "fma", "sse2", "avx2", "avx512" */
    int lanes;
    size_t real_bytes;                         /* of what a lane computes in */
    int fused;                                 /* multiplies and adds in one: all that do have the same bits */
    double pack_time;                          /* of a pack, in those of one rod's */
    size_t (*workspace)(const rgi_pack *pack); /* doubles */
    void (*run)(const rgi_pack *pack);
    void (*reverse)(const rgi_pack *pack); /* after run, with a plan */
} rgi_cpu;

/* The named instantiation, or with NULL the widest that the processor has; NULL when the name is
 * unknown or the processor lacks it. Thread-safe. */
const rgi_cpu *rgi_cpu_find(const char *isa, rg_real real);

/* the next narrower one with the same bits, or NULL */
const rgi_cpu *rgi_cpu_next(const rgi_cpu *cpu);

/* all there are names for, whether this processor has them or not; NULL at the end */
extern const char *const rgi_cpu_isas[];

/* count packs' worth of doubles [count][lanes] made reals of the instantiation, in place: the doubles are gone */
rgi_reals *rgi_cpu_narrow(const rgi_cpu *cpu, double *values, size_t count);

/* doubles that take as much memory as so many of its packs' reals */
static inline size_t rgi_cpu_doubles(const rgi_cpu *cpu, size_t reals)
{
    return (reals * (size_t)cpu->lanes * cpu->real_bytes + sizeof(double) - 1) / sizeof(double);
}

#endif
