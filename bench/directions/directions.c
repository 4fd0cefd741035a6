/* directions.c: what several directions cost in one call of rg_batch_jvp, against a call for each.
 *
 *   directions [REPEATS [DIRECTIONS [REAL]]]    15 repeats of 8 directions in double
 *
 * 64 ropes of 41 vertices, held at one end, fall for 100 steps on one thread. A direction changes the bend stiffnesses
 * and the start of every rod, and in a second row the motion of the held end and the forces of every step too. One
 * call for all and one call for each take turns. Prints medians of the process's CPU time, the median ratio of a turn's
 * pair, and fails where the tangents do not have the same bits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rodgrad/rodgrad.h"

enum { RODS = 64, VERTICES = 41, EDGES = VERTICES - 1, STEPS = 100, HELD = 2, MOST_REPEATS = 1000 };
enum { ROW = RODS * VERTICES, STEP_ROW = ROW * STEPS * 3, CLAMP_ROW = RODS * STEPS * HELD * 3 };

/* tangents [directions][..] and where theirs go */
typedef struct problem {
    rg_batch *batch;
    rg_batch_inputs in;
    double *x, *stiffness, *x0, *clamp_x, *force, *together, *apart;
    size_t directions;
} problem;

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

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof *values, ascending);
    return values[n / 2];
}

static void fail(const char *sentence)
{
    fprintf(stderr, "directions: %s\n", sentence);
    exit(1);
}

/* count numbers, random ones up to `size` */
static double *make(size_t count, double size)
{
    double *p = calloc(count, sizeof *p);
    if (!p) fail("out of memory.");
    for (size_t i = 0; i < count && size > 0.0; i++) p[i] = size * (2.0 * rand() / RAND_MAX - 1.0);
    return p;
}

/* n directions from number `first` on in one call */
static void call(const problem *p, size_t first, size_t n, int inputs, double *dx)
{
    const double *stiffness = p->stiffness + first * ROW;
    const rg_field_values fields[] = {{RG_BEND_STIFFNESS_1, stiffness}, {RG_BEND_STIFFNESS_2, stiffness}};
    rg_batch_tangents t = {.x0 = p->x0 + first * ROW * 3, .fields = fields, .n_fields = 2, .n_directions = n};
    const rg_batch_outputs out = {.x = p->x};
    const rg_batch_tangent_outputs to = {.x = dx + first * STEP_ROW};
    rg_rod_status statuses[RODS];
    rg_error err = {0};
    if (inputs) t.clamp_x = p->clamp_x + first * CLAMP_ROW;
    if (inputs) t.force = p->force + first * STEP_ROW;
    if (rg_batch_jvp(p->batch, &p->in, &t, &out, &to, statuses, &err) != RG_OK) fail(err.text);
    for (size_t i = 0; i < RODS; i++)
        if (statuses[i].flag != RG_ROD_OK) fail(rg_rod_flag_text(statuses[i].flag));
}

static void compare(const problem *p, int inputs, size_t repeats)
{
    static double one[MOST_REPEATS], each[MOST_REPEATS], ratio[MOST_REPEATS];
    const size_t n = p->directions;
    for (size_t k = 0; k < 2 * (repeats + 1); k++) {
        const size_t turn = k / 2;
        /* who begins changes from turn to turn; the first warms up */
        const int together = (k + turn) % 2 == 0;
        const double begin = now_s();
        if (together) call(p, 0, n, inputs, p->together);
        for (size_t q = 0; !together && q < n; q++) call(p, q, 1, inputs, p->apart);
        const double took = now_s() - begin;
        if (turn > 0 && together) one[turn - 1] = took;
        if (turn > 0 && !together) each[turn - 1] = took;
    }
    if (memcmp(p->together, p->apart, n * STEP_ROW * sizeof(double)) != 0) fail("the tangents have other bits.");
    for (size_t k = 0; k < repeats; k++) ratio[k] = one[k] / each[k];
    printf("%s: %zu directions in one call %.1f ms, in %zu calls %.1f ms, ratio %.3f\n",
           inputs ? "start, stiffness, clamps and forces" : "start and stiffness", n, 1e3 * median(one, repeats), n,
           1e3 * median(each, repeats), median(ratio, repeats));
}

int main(int argc, char **argv)
{
    static const int hand[HELD] = {0, 1};
    const size_t repeats = argc > 1 ? strtoul(argv[1], NULL, 10) : 15, n = argc > 2 ? strtoul(argv[2], NULL, 10) : 8;
    rg_model *model = NULL;
    rg_error err = {0};
    rg_batch_opts opts = rg_batch_opts_default();
    if (repeats < 1 || repeats > MOST_REPEATS || n < 1 || (argc > 3 && !rg_real_find(argv[3], &opts.rollout.real))) {
        fprintf(stderr, "usage: directions [REPEATS [DIRECTIONS [REAL]]], REPEATS from 1 to %d\n", MOST_REPEATS);
        return 2;
    }
    if (rg_model_create(VERTICES, 1, hand, HELD, &model, &err) != RG_OK) fail(err.text);
    for (size_t i = 0; i < EDGES; i++) rg_model_field_data(model, RG_REST_LENGTH)[i] = 1.0 / EDGES;
    opts.n_frames = STEPS;
    opts.adjoint = 0;
    opts.directions = n;
    opts.rollout.threads = 1;
    problem p = {.directions = n,
                 .x = make(STEP_ROW, 0.0),
                 .stiffness = make(n * ROW, 1e-4),
                 .x0 = make(n * ROW * 3, 1e-3),
                 .clamp_x = make(n * CLAMP_ROW, 1e-4),
                 .force = make(n * STEP_ROW, 1e-3),
                 .together = make(n * STEP_ROW, 0.0),
                 .apart = make(n * STEP_ROW, 0.0)};
    if (rg_batch_create(model, RODS, &opts, &p.batch, &err) != RG_OK) fail(err.text);
    double *x0 = make(ROW * 3, 0.0), *v0 = make(ROW * 3, 0.05), *m0 = make(RODS * EDGES * 3, 0.0);
    double *clamp_x = make(CLAMP_ROW, 0.0), *clamp_m = make(RODS * STEPS * 3, 0.0);
    for (size_t i = 0; i < ROW; i++) x0[3 * i] = (double)(i % VERTICES) / EDGES;
    for (size_t i = 0; i < RODS * EDGES; i++) m0[3 * i + 1] = 1.0;
    for (size_t i = 0; i < RODS * STEPS; i++) {
        clamp_x[3 * HELD * i + 3] = 1.0 / EDGES;
        clamp_m[3 * i + 1] = 1.0;
    }
    p.in = (rg_batch_inputs){.x0 = x0, .v0 = v0, .m0 = m0, .clamp_x = clamp_x, .clamp_m = clamp_m};
    for (int inputs = 0; inputs < 2; inputs++) compare(&p, inputs, repeats);
    rg_batch_destroy(&p.batch);
    rg_model_destroy(&model);
    double *const all[] = {p.x,     p.stiffness, p.x0, p.clamp_x, p.force, p.together,
                           p.apart, x0,          v0,   m0,        clamp_x, clamp_m};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return 0;
}
