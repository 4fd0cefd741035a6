/* cli/bench_rows.h: a row of bench: what was measured of one work (bench_work.h), as a JSON object or a
 * table's line. */
#ifndef RGC_BENCH_ROWS_H
#define RGC_BENCH_ROWS_H

#include <jansson.h>

#include "cli/bench_work.h"

typedef struct rgc_row {
    rgc_work work;
    double *times;         /* [repeats] of one call [s]; owned */
    double *kernels;       /* [repeats] of it the time of the rollout's kernels, on a GPU [s]; owned, or NULL */
    size_t repeats, calls; /* calls: in a timed repeat */
    size_t failed;         /* rods */
    double newton;         /* iterations of a step, mean over all rods */
    char status[192];
    double peak_flops, bandwidth; /* of the processor with as many threads [1/s]; NaN where not measured */
} rgc_row;

/* After a call: rods that failed, in the run or in the reverse run, and the first of them in words. */
void rgc_row_judge(rgc_row *row);
/* Sort the times, once all are there; the others below need it. */
void rgc_row_sort(rgc_row *row);
/* docs/bench.md, Rows; the caller's. NULL without memory. */
json_t *rgc_row_json(const rgc_row *row);
/* The lines above a scene's rows, and a row's. */
void rgc_row_print_head(const rgc_row *first);
void rgc_row_print(const rgc_row *row);
void rgc_row_clear(rgc_row *row);

#endif
