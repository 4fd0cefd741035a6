/* arrays.c: what arrays of floats save over arrays of doubles, in memory and time.
 *
 *   arrays [RODS [FRAMES [ROUNDS]]]    4096 rods over 10 frames of 10 ms, 21 rounds
 *
 * Ropes of 12 vertices, held at one end, run forward on one thread with all outputs, computed in double and in float:
 * with arrays of doubles, with arrays of floats, and with arrays of doubles that a caller who has floats converts
 * before and after each run. Each round runs all six in turn; prints the medians of the process's seconds a run, and
 * the bytes of the arrays. Such short rollouts read and write as much as rollouts can. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rodgrad/rodgrad.h"

enum { VERTICES = 12, EDGES = VERTICES - 1, INPUTS = 5, ARRAYS = 14 };
/* whose arrays: doubles, floats, doubles that are converted from floats and back */
enum { OF_DOUBLES, OF_FLOATS, CONVERTED, KINDS, WAYS = 2 * KINDS };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* all arrays of a run of `rods` rods over `frames` steps, of doubles and of floats */
typedef struct arrays {
    rg_batch_inputs in;
    rg_batch_outputs out;
    rg_batch_inputs_float f_in;
    rg_batch_outputs_float f_out;
    size_t n, numbers;
    struct {
        double *d;
        float *f;
        size_t count;
    } of[ARRAYS]; /* inputs first */
} arrays;

static void take(arrays *a, size_t count, double **d, float **f)
{
    *d = calloc(count, sizeof **d);
    *f = calloc(count, sizeof **f);
    if (!*d || !*f || a->n == ARRAYS) abort();
    a->of[a->n].d = *d;
    a->of[a->n].f = *f;
    a->of[a->n++].count = count;
    a->numbers += count;
}

static void inputs_to_doubles(const arrays *a)
{
    for (int k = 0; k < INPUTS; k++)
        for (size_t i = 0; i < a->of[k].count; i++) a->of[k].d[i] = (double)a->of[k].f[i];
}
static void outputs_to_floats(const arrays *a)
{
    for (int k = INPUTS; k < ARRAYS; k++)
        for (size_t i = 0; i < a->of[k].count; i++) a->of[k].f[i] = (float)a->of[k].d[i];
}

static void make(arrays *a, size_t rods, size_t frames)
{
    const size_t steps = rods * frames;
    double *x0, *v0, *m0, *clamp_x, *clamp_m;
    float *f_x0, *f_v0, *f_m0, *f_clamp_x, *f_clamp_m;
    memset(a, 0, sizeof *a);
    take(a, rods * VERTICES * 3, &x0, &f_x0);
    take(a, rods * VERTICES * 3, &v0, &f_v0);
    take(a, rods * EDGES * 3, &m0, &f_m0);
    take(a, steps * 6, &clamp_x, &f_clamp_x);
    take(a, steps * 3, &clamp_m, &f_clamp_m);
    take(a, steps * VERTICES * 3, &a->out.x, &a->f_out.x);
    take(a, steps * VERTICES * 3, &a->out.v, &a->f_out.v);
    take(a, steps * EDGES * 3, &a->out.m, &a->f_out.m);
    take(a, steps * VERTICES * 3, &a->out.markers, &a->f_out.markers);
    take(a, steps * EDGES, &a->out.tension, &a->f_out.tension);
    take(a, steps * 6, &a->out.reaction, &a->f_out.reaction);
    take(a, steps, &a->out.reaction_moment, &a->f_out.reaction_moment);
    take(a, steps * VERTICES * 3, &a->out.moment, &a->f_out.moment);
    take(a, steps * 5, &a->out.energy, &a->f_out.energy);
    for (size_t i = 0; i < rods * VERTICES; i++) f_x0[3 * i] = (float)(x0[3 * i] = (double)(i % VERTICES) / 32.0);
    for (size_t i = 0; i < rods * VERTICES; i++) f_v0[3 * i + 1] = (float)(v0[3 * i + 1] = (double)(i % 64) / 512.0);
    for (size_t i = 0; i < rods * EDGES; i++) f_m0[3 * i + 1] = (float)(m0[3 * i + 1] = 1.0);
    for (size_t k = 0; k < steps; k++) {
        f_clamp_x[6 * k + 3] = (float)(clamp_x[6 * k + 3] = 1.0 / 32.0);
        f_clamp_m[3 * k + 1] = (float)(clamp_m[3 * k + 1] = 1.0);
    }
    const rg_batch_inputs in = {.x0 = x0, .v0 = v0, .m0 = m0, .clamp_x = clamp_x, .clamp_m = clamp_m};
    const rg_batch_inputs_float f_in = {.x0 = f_x0, .v0 = f_v0, .m0 = f_m0, .clamp_x = f_clamp_x, .clamp_m = f_clamp_m};
    a->in = in;
    a->f_in = f_in;
}

static rg_batch *open_batch(size_t rods, size_t frames, rg_real real)
{
    static const int hand[] = {0, 1};
    rg_model *model = NULL;
    rg_batch *batch = NULL;
    rg_error err = {0};
    rg_batch_opts opts = rg_batch_opts_default();
    opts.rollout.threads = 1;
    opts.rollout.real = real;
    opts.n_frames = frames;
    opts.adjoint = 0;
    if (rg_model_create(VERTICES, 1, hand, 2, &model, &err) == RG_OK) {
        for (size_t i = 0; i < EDGES; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = 1.0 / 32.0;
        rg_batch_create(model, rods, &opts, &batch, &err);
    }
    if (!batch) fprintf(stderr, "arrays: %s\n", err.text);
    rg_model_destroy(&model);
    return batch;
}

int main(int argc, char **argv)
{
    const size_t rods = argc > 1 ? strtoull(argv[1], NULL, 10) : 4096;
    const size_t frames = argc > 2 ? strtoull(argv[2], NULL, 10) : 10;
    const size_t rounds = argc > 3 ? strtoull(argv[3], NULL, 10) : 21;
    static double *times[WAYS];
    static arrays a; /* reachable to the end */
    if (rods == 0 || frames == 0 || rounds == 0) {
        fprintf(stderr, "usage: arrays [RODS [FRAMES [ROUNDS]]], each 1 or more\n");
        return 2;
    }
    static rg_batch *batches[2];
    for (int real = 0; real < 2; real++)
        if (!(batches[real] = open_batch(rods, frames, real ? RG_REAL_FLOAT : RG_REAL_DOUBLE))) return 1;
    make(&a, rods, frames);
    for (int way = 0; way < WAYS; way++)
        if (!(times[way] = calloc(rounds + 1, sizeof **times))) abort();
    /* the first round touches the memory */
    for (size_t round = 0; round <= rounds; round++)
        for (int way = 0; way < WAYS; way++) {
            rg_error err = {0};
            rg_batch *batch = batches[way / KINDS];
            const int kind = way % KINDS;
            const double begin = now_s();
            if (kind == CONVERTED) inputs_to_doubles(&a);
            const rg_status status = kind == OF_FLOATS ? rg_batch_forward_float(batch, &a.f_in, &a.f_out, NULL, &err)
                                                       : rg_batch_forward(batch, &a.in, &a.out, NULL, &err);
            if (kind == CONVERTED) outputs_to_floats(&a);
            times[way][round] = now_s() - begin;
            if (status != RG_OK) {
                fprintf(stderr, "arrays: %s\n", err.text);
                return 1;
            }
        }
    printf("%zu rods, %zu frames, medians of %zu rounds; arrays of doubles have %.1f MB\n", rods, frames, rounds,
           8e-6 * (double)a.numbers);
    for (int way = 0; way < WAYS; way++) qsort(times[way] + 1, rounds, sizeof **times, ascending);
    for (int way = 0; way < WAYS; way += KINDS) {
        const double f = times[way + OF_FLOATS][1 + rounds / 2];
        printf("%s: floats %.4f s; doubles %.2f, doubles converted %.2f times as long\n", way ? "float" : "double", f,
               times[way][1 + rounds / 2] / f, times[way + CONVERTED][1 + rounds / 2] / f);
    }
    return 0;
}
