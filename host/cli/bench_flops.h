/* cli/bench_flops.h: floating-point operations of a rod-step, as tests/test_bench_flops.c counts them in the
 * kernels' own source. */
#ifndef RGC_BENCH_FLOPS_H
#define RGC_BENCH_FLOPS_H

#include "cli/bench_work.h"

/* Operations of a rod-step are linear in these, each with a share that is constant and one that grows with
 * the vertices:
 *   1, N, K, 1/s, p, p K, p/s, p (p + 1)/2 /s
 * N Newton iterations of a step, K sweeps of deform's projection, s substeps of a frame, p parameters. */
enum { RGC_FLOPS_TERMS = 8 };

/* the terms of this work where a step takes `newton` iterations on average */
void rgc_flops_terms(const rgc_work *work, double newton, double *terms);

/* Sums, differences, products, quotients and roots of a step of one rod, one each; comparisons are not
 * counted. NaN where nothing was counted: RG_SCHEME_STATIC. */
double rgc_flops_per_step(const rgc_work *work, double newton);

#endif
