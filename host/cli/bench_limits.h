/* cli/bench_limits.h: what this processor could do at most, measured where the rows are measured:
 * floating-point operations and bytes of memory a second (docs/bench.md). */
#ifndef RGC_BENCH_LIMITS_H
#define RGC_BENCH_LIMITS_H

#include <stddef.h>

#include "rodgrad/rollout.h"

/* Operations a second [1/s] of `threads` threads that do nothing but independent products and sums, with the
 * vectors of an instruction set of rg_rollout_opts that the processor has; fused where it fuses, which
 * counts as two. Takes some ms. */
double rgc_peak_flops(const char *isa, rg_real real, int threads);

/* arrays for rgc_triad_bytes_per_s, far larger than the caches; owned */
typedef struct rgc_triad {
    double *a, *b, *c; /* [n] each, or NULL */
    size_t n;
} rgc_triad;

/* Allocate and fill, by as many threads. Without memory n is 0. */
rgc_triad rgc_triad_create(int threads);
void rgc_triad_destroy(rgc_triad *triad);
/* Bytes read and written a second [1/s] by a = b + s c; NaN without arrays. Takes some 10 ms. */
double rgc_triad_bytes_per_s(const rgc_triad *triad, int threads);

#endif
