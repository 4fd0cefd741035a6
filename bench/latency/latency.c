/* latency.c: how long one step of one rod takes, at worst, for people with a deadline.
 *
 *   latency [FRAMES [SUBSTEPS [HASTE [ITERATIONS [DEADLINE [REPEATS]]]]]]
 *
 * A rope of 12 markers with an edge between each, held at one end by a hand that sways, is run a frame of 10 ms a call
 * (rg_batch_opts.carry_on), as a controller or simulator runs it: FRAMES (10^6) of them, each of SUBSTEPS (1) steps.
 * The hand sways HASTE (1) times as fast. With ITERATIONS above 0 a step that Newton has not solved by then, or after
 * DEADLINE [us], ends there and the rod continues (RG_LIMIT_CONTINUE); 0 is the library's limit, where it freezes.
 * With REPEATS (1) above 1 the same motion is run so often, and a frame counts with its shortest time: what the system
 * put in between is gone then.
 *
 * Prints the median, the 99th and 99.9th percentile and the longest call, in microseconds, the iterations of a step on
 * average and at most, how many steps were left unsolved and the largest force that one left out of balance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rodgrad/rodgrad.h"

enum { MARKERS = 12, EDGES = MARKERS - 1, MOST_SUBSTEPS = 100 };

typedef struct arguments {
    size_t frames;
    int substeps, iterations, repeats;
    double haste, deadline_us;
} arguments;

/* of all frames; times [frames] [us] */
typedef struct result {
    double *times;
    int worst, failed; /* iterations of a step; frames after a failure */
    double iterations, unfinished, residual_n;
} result;

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

/* run all frames of a new batch; of r->times those that are shorter than before */
static rg_status run(const rg_model *model, const arguments *a, result *r, rg_error *err)
{
    double x0[MARKERS][3] = {{0.0}}, v0[MARKERS][3] = {{0.0}}, m0[EDGES][3] = {{0.0}}, x[MARKERS][3];
    double clamp_x[MOST_SUBSTEPS][2][3], clamp_m[MOST_SUBSTEPS][1][3];
    rg_batch *batch = NULL;
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.substeps = a->substeps;
    opts.rollout.threads = 1;
    opts.rollout.at_limit = a->iterations ? RG_LIMIT_CONTINUE : RG_LIMIT_FREEZE;
    if (a->iterations) opts.rollout.max_iterations = a->iterations;
    opts.rollout.deadline_s = 1e-6 * a->deadline_us;
    opts.adjoint = 0;
    opts.carry_on = 1;
    RG_TRY(rg_batch_create(model, 1, &opts, &batch, err));
    for (size_t i = 0; i < MARKERS; i++) x0[i][0] = 0.05 * (double)i;
    for (size_t i = 0; i < EDGES; i++) m0[i][2] = 1.0;
    const rg_batch_inputs in = {
        .x0 = x0[0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0][0], .clamp_m = clamp_m[0][0]};
    const rg_batch_outputs out = {.x = x[0]};
    rg_status status = RG_OK;
    r->worst = r->failed = 0;
    r->iterations = r->unfinished = r->residual_n = 0.0;
    for (size_t k = 0; k < a->frames && status == RG_OK; k++) {
        for (int s = 0; s < a->substeps; s++) {
            const double t = 0.01 * a->haste * ((double)k + (double)(s + 1) / a->substeps);
            for (int v = 0; v < 2; v++) {
                clamp_x[s][v][0] = x0[v][0] + 0.2 * sin(2.0 * t);
                clamp_x[s][v][1] = 0.15 * (1.0 - cos(2.7 * t));
                clamp_x[s][v][2] = 0.1 * sin(3.1 * t);
            }
            memcpy(clamp_m[s][0], m0[0], sizeof m0[0]);
        }
        rg_rod_status rod;
        const double begin = now_us();
        status = rg_batch_forward(batch, &in, &out, &rod, err);
        r->times[k] = fmin(r->times[k], now_us() - begin);
        if (status != RG_OK) break;
        if (rod.worst_iterations > r->worst) r->worst = rod.worst_iterations;
        r->residual_n = fmax(r->residual_n, rod.worst_residual_n);
        r->iterations += rod.iterations;
        r->unfinished += rod.unfinished_steps;
        r->failed += rod.flag != RG_ROD_OK;
    }
    rg_batch_destroy(&batch);
    return status;
}

int main(int argc, char **argv)
{
    static const int hand[] = {0, 1};
    const arguments a = {.frames = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000,
                         .substeps = argc > 2 ? atoi(argv[2]) : 1,
                         .haste = argc > 3 ? atof(argv[3]) : 1.0,
                         .iterations = argc > 4 ? atoi(argv[4]) : 0,
                         .deadline_us = argc > 5 ? atof(argv[5]) : 0.0,
                         .repeats = argc > 6 ? atoi(argv[6]) : 1};
    rg_model *model = NULL;
    rg_error err = {0};
    if (a.frames == 0 || a.substeps < 1 || a.substeps > MOST_SUBSTEPS || !(a.haste > 0.0) || a.iterations < 0 ||
        !(a.deadline_us >= 0.0) || a.repeats < 1) {
        fprintf(stderr,
                "usage: latency [FRAMES [SUBSTEPS [HASTE [ITERATIONS [DEADLINE [REPEATS]]]]]], SUBSTEPS from 1 to %d\n",
                MOST_SUBSTEPS);
        return 2;
    }
    result r = {.times = calloc(a.frames, sizeof *r.times)};
    if (!r.times || rg_model_create(MARKERS, 1, hand, 2, &model, &err) != RG_OK) return fail(&err);
    for (size_t i = 0; i < EDGES; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = 0.05;
    for (size_t k = 0; k < a.frames; k++) r.times[k] = INFINITY;
    for (int k = 0; k < a.repeats; k++)
        if (run(model, &a, &r, &err) != RG_OK) return fail(&err);
    qsort(r.times, a.frames, sizeof *r.times, ascending);
    printf(
        "%zu frames of %d step%s: median %.1f, 99 %% %.1f, 99.9 %% %.1f, longest %.1f us; %.2f iterations a step, at "
        "most %d; %.0f steps left unsolved, up to %.2g N out of balance; %d failed\n",
        a.frames, a.substeps, a.substeps == 1 ? "" : "s", r.times[a.frames / 2],
        r.times[(size_t)(0.99 * (double)a.frames)], r.times[(size_t)(0.999 * (double)a.frames)], r.times[a.frames - 1],
        r.iterations / (double)a.frames / a.substeps, r.worst, r.unfinished, r.residual_n, r.failed);
    free(r.times);
    rg_model_destroy(&model);
    return r.failed > 0;
}
