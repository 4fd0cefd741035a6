/* consume.c: an outside C program built on an installed rodgrad.
 *
 * A rope of 1 m, straight at first, hangs between two grippers that approach each other by 0.2 m
 * within a second; prints where its middle ends, how that depends on the rope's stiffness, and which GPUs
 * could have done it. */
#include <stdio.h>
#include <stdlib.h>

#include <rodgrad/rodgrad.h>

enum { FRAMES = 101, MARKERS = 12 };

/* the derivative of the middle's last height in the bending stiffness of the whole rope [1/(N m)], by
 * the adjoint of the same motion, 100 steps */
static rg_status sensitivity(double (*recorded)[MARKERS][3], double *slope, rg_error *err)
{
    enum { STEPS = FRAMES - 1, EDGES = MARKERS - 1, CLAMPS = 4, HELD = 2 };
    static double v0[MARKERS][3], m0[EDGES][3], clamp_x[STEPS][CLAMPS][3], clamp_m[STEPS][HELD][3];
    static double x[STEPS][MARKERS][3], x_bar[STEPS][MARKERS][3], stiffness[2][MARKERS];
    const int grippers[CLAMPS] = {0, 1, 10, 11};
    for (int i = 0; i < EDGES; i++) m0[i][1] = 1.0; /* across the straight rope */
    for (int s = 0; s < STEPS; s++)
        for (int k = 0; k < CLAMPS; k++)
            for (int c = 0; c < 3; c++) clamp_x[s][k][c] = recorded[s + 1][grippers[k]][c];
    rg_batch_opts opts = rg_batch_opts_default();
    opts.n_frames = STEPS;
    rg_batch_inputs in = {
        .x0 = recorded[0][0], .v0 = v0[0], .m0 = m0[0], .clamp_x = clamp_x[0][0], .clamp_m = clamp_m[0][0]};
    rg_batch_outputs out = {.x = x[0][0]};
    rg_batch_cotangents bar = {.x = x_bar[0][0]};
    const rg_field_gradient wanted[] = {{RG_BEND_STIFFNESS_1, stiffness[0]}, {RG_BEND_STIFFNESS_2, stiffness[1]}};
    rg_batch_gradients gradients = {.fields = wanted, .n_fields = 2};
    x_bar[STEPS - 1][MARKERS / 2][2] = 1.0; /* d(height)/d(outputs) */

    rg_model *rope = NULL;
    rg_batch *batch = NULL;
    rg_status status = rg_model_create(MARKERS, 1, grippers, CLAMPS, &rope, err);
    if (status == RG_OK) status = rg_batch_create(rope, 1, &opts, &batch, err);
    if (status == RG_OK)
        status = rg_batch_carry_directors(batch, m0[0], recorded[0][0], clamp_x[0][0], clamp_m[0][0], err);
    if (status == RG_OK) status = rg_batch_forward(batch, &in, &out, NULL, err);
    if (status == RG_OK) status = rg_batch_adjoint(batch, &bar, &gradients, NULL, err);
    *slope = 0.0;
    for (int i = 0; i < MARKERS; i++) *slope += stiffness[0][i] + stiffness[1][i];
    rg_batch_destroy(&batch);
    rg_model_destroy(&rope);
    return status;
}

static void print_gpus(void)
{
    char name[256];
    const char *reason = NULL;
    const int count = rg_cuda_device_count(&reason);
    rg_cuda_device_name(0, name, sizeof name);
    if (count > 0) printf("GPUs: %d, the first is %s\n", count, name);
    else printf("GPUs: 0, %s\n", reason);
}

int main(void)
{
    static double recorded[FRAMES][MARKERS][3], simulated[FRAMES][MARKERS][3];
    int grippers[] = {0, 1, 10, 11}; /* two markers ride on each gripper */
    for (int f = 0; f < FRAMES; f++) {
        double s = (double)f / (FRAMES - 1), shift = 0.2 * s * s * (3 - 2 * s);
        for (int k = 0; k < MARKERS; k++) recorded[f][k][0] = k / (MARKERS - 1.0) - (k >= 10 ? shift : 0.0);
    }
    rg_recording recording = {.n_frames = FRAMES,
                              .n_markers = MARKERS,
                              .dt_s = 0.01,
                              .positions = &recorded[0][0][0],
                              .driving = &recorded[0][0][0],
                              .n_clamps = 4,
                              .clamps = grippers};

    rg_error err = {0};
    rg_model *rope = NULL;
    rg_rod_status rod = {0};
    rg_rollout_opts opts = rg_rollout_opts_default();
    double *out = &simulated[0][0][0];
    rg_status status = rg_model_create(MARKERS, 2, grippers, 4, &rope, &err);
    if (status == RG_OK) {
        rg_model_field_data(rope, RG_DRAG)[5] = 0.1; /* any field, entry by entry */
        status = rg_model_check(rope, &err);
    }
    if (status == RG_OK) status = rg_simulate(rope, &recording, 1, &opts, &out, &rod, &err);
    rg_model_destroy(&rope);
    if (status != RG_OK) {
        fprintf(stderr, "consume: %s\n", err.text);
        return EXIT_FAILURE;
    }
    if (rod.flag != RG_ROD_OK) {
        fprintf(stderr, "consume: step %d: %s\n", rod.step, rg_rod_flag_text(rod.flag));
        return EXIT_FAILURE;
    }
    double slope = 0.0;
    if (sensitivity(recorded, &slope, &err) != RG_OK) {
        fprintf(stderr, "consume: %s\n", err.text);
        return EXIT_FAILURE;
    }
    printf("rodgrad %s: the middle ends at z = %.3f m; a stiffer rope by 1e-4 N m^2 moves it by %.1e m\n", rg_version(),
           simulated[FRAMES - 1][MARKERS / 2][2], 1e-4 * slope);
    print_gpus();
    return simulated[FRAMES - 1][MARKERS / 2][2] < 0 && slope * slope > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
