/* cpu/dispatch.h: which instantiation of the pack this machine runs. */
#ifndef RGI_DISPATCH_H
#define RGI_DISPATCH_H

#include "pack.h"

typedef struct rgi_cpu {
    const char *isa; /* "scalar", "sse2", "avx2", "avx512" */
    int lanes;
    size_t (*workspace)(const rgi_pack *pack); /* doubles */
    void (*run)(const rgi_pack *pack);
    void (*reverse)(const rgi_pack *pack); /* after run, with a plan */
} rgi_cpu;

/* The named instantiation, or with NULL the widest that the processor has; NULL when the name is
 * unknown or the processor lacks it. Thread-safe. */
const rgi_cpu *rgi_cpu_find(const char *isa);

#endif
