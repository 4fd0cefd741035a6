/* consume_fit.c: an outside C program built on librodgrad_fit.a and librodgrad_core.a: some iterations of a fit to a
 * motion that it simulates itself. */
#include <stdio.h>
#include <stdlib.h>

#include <rodgrad/rodgrad.h>

enum { FRAMES = 31, MARKERS = 8, CLAMPS = 2, ITERATIONS = 3 };

static rg_status fit(const rg_recording *recording, double *first, double *last, rg_error *err)
{
    rg_fit_opts opts = rg_fit_opts_default();
    rg_fit_progress progress = {0};
    rg_fit *f = NULL;
    rg_status status = rg_fit_create(recording, 1, NULL, &opts, &f, err);
    for (int i = 0; i < ITERATIONS && status == RG_OK && !progress.done; i++) {
        status = rg_fit_step(f, &progress, err);
        *last = progress.cost;
        if (i == 0) *first = progress.cost;
    }
    rg_fit_destroy(&f);
    return status;
}

int main(void)
{
    static double given[FRAMES][MARKERS][3], simulated[FRAMES][MARKERS][3];
    int clamps[CLAMPS] = {0, 1};
    for (int f = 0; f < FRAMES; f++)
        for (int k = 0; k < MARKERS; k++) {
            given[f][k][0] = 0.1 * k;
            given[f][k][2] = 0.005 * f * f / FRAMES;
        }
    rg_recording recording = {.n_frames = FRAMES,
                              .n_markers = MARKERS,
                              .dt_s = 0.01,
                              .positions = &given[0][0][0],
                              .driving = &given[0][0][0],
                              .n_clamps = CLAMPS,
                              .clamps = clamps};
    rg_error err = {0};
    rg_model *rope = NULL;
    rg_rollout_opts opts = rg_rollout_opts_default();
    rg_rod_status rod = {0};
    double *out = &simulated[0][0][0], first = 0.0, last = 0.0;
    rg_status status = rg_model_create(MARKERS, 1, clamps, CLAMPS, &rope, &err);
    if (status == RG_OK) status = rg_simulate(rope, &recording, 1, &opts, &out, &rod, &err);
    rg_model_destroy(&rope);
    recording.positions = out;
    if (status == RG_OK) status = fit(&recording, &first, &last, &err);
    if (status != RG_OK) {
        fprintf(stderr, "consume_fit: %s\n", err.text);
        return EXIT_FAILURE;
    }
    printf("the fit's cost falls from %.3g to %.3g\n", first, last);
    return last < first ? EXIT_SUCCESS : EXIT_FAILURE;
}
