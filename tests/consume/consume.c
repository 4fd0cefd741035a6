/* consume.c: an outside C program built on an installed rodgrad.
 *
 * A rope of 1 m, straight at first, hangs between two grippers that approach each other by 0.2 m
 * within a second; prints where its middle ends. */
#include <stdio.h>
#include <stdlib.h>

#include <rodgrad/rodgrad.h>

enum { FRAMES = 101, MARKERS = 12 };

int main(void)
{
    static double recorded[FRAMES][MARKERS][3], simulated[FRAMES][MARKERS][3];
    int grippers[] = {0, 1, 10, 11}; /* two markers ride on each gripper */
    for (int f = 0; f < FRAMES; f++) {
        double s = (double)f / (FRAMES - 1), shift = 0.2 * s * s * (3 - 2 * s);
        for (int k = 0; k < MARKERS; k++)
            recorded[f][k][0] = k / (MARKERS - 1.0) - (k >= 10 ? shift : 0.0);
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
    printf("rodgrad %s: the middle ends at z = %.3f m\n", RODGRAD_VERSION,
           simulated[FRAMES - 1][MARKERS / 2][2]);
    return simulated[FRAMES - 1][MARKERS / 2][2] < 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
