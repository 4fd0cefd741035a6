/* latency.c: how long one step of one rod takes, at worst, for people with a deadline.
 *
 *   latency [STEPS [SUBSTEPS]]    10^6 steps of 10 ms over SUBSTEPS (1) of them
 *
 * A rope of 12 markers with an edge between each, held at one end by a hand that sways, is run a frame a call
 * (rg_batch_opts.carry_on), as a controller or simulator runs it. Prints the median, the 99th and 99.9th percentile and
 * the longest call, in microseconds, and the most iterations that a frame took. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rodgrad/rodgrad.h"

enum { MARKERS = 12, EDGES = MARKERS - 1, MOST_SUBSTEPS = 100 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e6 * (double)t.tv_sec + 1e-3 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int fail(const rg_error *err)
{
    fprintf(stderr, "latency: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    static const int hand[] = {0, 1};
    const size_t steps = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    const int substeps = argc > 2 ? atoi(argv[2]) : 1;
    double x0[MARKERS][3] = {{0.0}}, v0[MARKERS][3] = {{0.0}}, m0[EDGES][3] = {{0.0}}, x[MARKERS][3];
    double clamp_x[MOST_SUBSTEPS][2][3], clamp_m[MOST_SUBSTEPS][1][3];
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    if (steps == 0 || substeps < 1 || substeps > MOST_SUBSTEPS) {
        fprintf(stderr, "usage: latency [STEPS [SUBSTEPS]], SUBSTEPS from 1 to %d\n", MOST_SUBSTEPS);
        return 2;
    }
    double *times = calloc(steps, sizeof *times);
    if (!times || rg_model_create(MARKERS, 1, hand, 2, &model, &err) != RG_OK) return fail(&err);
    for (size_t i = 0; i < EDGES; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = 0.05;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.substeps = substeps;
    opts.rollout.threads = 1;
    opts.adjoint = 0;
    opts.carry_on = 1;
    if (rg_batch_create(model, 1, &opts, &batch, &err) != RG_OK) return fail(&err);
    for (size_t i = 0; i < MARKERS; i++) x0[i][0] = 0.05 * (double)i;
    for (size_t i = 0; i < EDGES; i++) m0[i][2] = 1.0;
    const rg_batch_inputs in = {
        .x0 = x0[0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0][0], .clamp_m = clamp_m[0][0]};
    const rg_batch_outputs out = {.x = x[0]};
    int worst = 0, failed = 0;
    for (size_t k = 0; k < steps; k++) {
        for (int s = 0; s < substeps; s++) {
            const double t = 0.01 * ((double)k + (double)(s + 1) / substeps);
            for (int v = 0; v < 2; v++) {
                clamp_x[s][v][0] = x0[v][0] + 0.2 * sin(2.0 * t);
                clamp_x[s][v][1] = 0.15 * (1.0 - cos(2.7 * t));
                clamp_x[s][v][2] = 0.1 * sin(3.1 * t);
            }
            memcpy(clamp_m[s][0], m0[0], sizeof m0[0]);
        }
        rg_rod_status status;
        const double begin = now_us();
        if (rg_batch_forward(batch, &in, &out, &status, &err) != RG_OK) return fail(&err);
        times[k] = now_us() - begin;
        if (status.worst_iterations > worst) worst = status.worst_iterations;
        failed += status.flag != RG_ROD_OK;
    }
    qsort(times, steps, sizeof *times, ascending);
    printf("%zu frames of %d step%s: median %.1f, 99 %% %.1f, 99.9 %% %.1f, longest %.1f us; at most %d iterations; %d "
           "failed\n",
           steps, substeps, substeps == 1 ? "" : "s", times[steps / 2], times[(size_t)(0.99 * (double)steps)],
           times[(size_t)(0.999 * (double)steps)], times[steps - 1], worst, failed);
    free(times);
    rg_batch_destroy(&batch);
    rg_model_destroy(&model);
    return failed > 0;
}
