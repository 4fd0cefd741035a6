/* consume_core.c: an outside C program built on librodgrad_core.a alone.
 *
 * 64 ropes, each held at one end, fall for 0.2 s; it prints where the last one's tip ends and how that depends on the
 * height at which the tip starts. They are simulated and differentiated twice: by the library's own threads, and by an
 * executor of the program's, which runs jobs one after the other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rodgrad/batch.h>

enum { RODS = 64, STEPS = 20, VERTICES = 12, EDGES = VERTICES - 1, CLAMPS = 2 };

typedef struct result {
    double x[RODS][STEPS][VERTICES][3], x0_bar[RODS][VERTICES][3];
} result;

static void run_in_turn(void *user, size_t jobs, rg_job job, void *arg)
{
    *(size_t *)user += jobs;
    for (size_t i = 0; i < jobs; i++) job(arg, i);
}

/* context NULL: the library's own threads */
static rg_status swing(const rg_model *rope, rg_context *context, result *r, rg_error *err)
{
    static double x0[RODS][VERTICES][3], v0[RODS][VERTICES][3], m0[RODS][EDGES][3], x_bar[RODS][STEPS][VERTICES][3];
    static double clamp_x[RODS][STEPS][CLAMPS][3], clamp_m[RODS][STEPS][1][3];
    for (int rod = 0; rod < RODS; rod++) {
        for (int i = 0; i < VERTICES; i++) x0[rod][i][0] = i / (double)EDGES;
        for (int i = 2; i < VERTICES; i++) v0[rod][i][1] = 0.01 * rod * i;
        for (int i = 0; i < EDGES; i++) m0[rod][i][1] = 1.0;
        for (int s = 0; s < STEPS; s++) {
            clamp_x[rod][s][1][0] = x0[rod][1][0];
            clamp_m[rod][s][0][1] = 1.0;
        }
        x_bar[rod][STEPS - 1][VERTICES - 1][2] = 1.0; /* d(height of the tip)/d(outputs) */
    }
    rg_batch_opts opts = rg_batch_opts_default();
    opts.n_frames = STEPS;
    opts.rollout.context = context;
    opts.rollout.threads = 2;
    const rg_batch_inputs in = {
        .x0 = x0[0][0], .v0 = v0[0][0], .m0 = m0[0][0], .clamp_x = clamp_x[0][0][0], .clamp_m = clamp_m[0][0][0]};
    const rg_batch_outputs out = {.x = r->x[0][0][0]};
    const rg_batch_cotangents bar = {.x = x_bar[0][0][0]};
    const rg_batch_gradients gradients = {.x0 = r->x0_bar[0][0]};
    rg_batch *batch = NULL;
    rg_status status = rg_batch_create(rope, RODS, &opts, &batch, err);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, &out, NULL, err);
    if (status == RG_OK) status = rg_batch_adjoint(batch, &bar, &gradients, NULL, err);
    rg_batch_destroy(&batch);
    return status;
}

int main(void)
{
    static result own, given;
    const int clamps[CLAMPS] = {0, 1};
    size_t jobs = 0;
    const rg_executor executor = {.workers = 2, .run = run_in_turn, .user = &jobs};
    rg_error err = {0};
    rg_model *rope = NULL;
    rg_context *context = NULL;
    rg_context_opts opts = rg_context_opts_default();
    opts.executor = &executor;
    rg_status status = rg_model_create(VERTICES, 1, clamps, CLAMPS, &rope, &err);
    if (status == RG_OK) status = rg_context_create(&opts, &context, &err);
    if (status == RG_OK) status = swing(rope, NULL, &own, &err);
    if (status == RG_OK) status = swing(rope, context, &given, &err);
    rg_context_destroy(&context);
    rg_model_destroy(&rope);
    if (status != RG_OK) {
        fprintf(stderr, "consume_core: %s\n", err.text);
        return EXIT_FAILURE;
    }
    const double height = own.x[RODS - 1][STEPS - 1][VERTICES - 1][2];
    const double slope = own.x0_bar[RODS - 1][VERTICES - 1][2];
    printf("the tip ends at z = %.3f m, its derivative in the tip's height at the start is %.3f; %zu jobs\n", height,
           slope, jobs);
    if (memcmp(&own, &given, sizeof own) != 0) {
        fprintf(stderr, "consume_core: the executor gives other results\n");
        return EXIT_FAILURE;
    }
    return height < 0 && slope != 0.0 && jobs >= 4 ? EXIT_SUCCESS : EXIT_FAILURE;
}
