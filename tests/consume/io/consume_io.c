/* consume_io.c: an outside C program that reads and writes recordings and models.
 *
 * Makes the CSV file of a rope that hangs and is shaken, imports it, keeps it as HDF5 and reads that back; writes a
 * model of the rope as JSON and reads that back; simulates the recording by what it read, and says how far off
 * that is. Files go into the folder that the argument names. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rodgrad/io.h>
#include <rodgrad/rodgrad.h>
#include <rodgrad/study.h>

enum { FRAMES = 60, MARKERS = 7 };
static const int grippers[] = {0, 1, MARKERS - 2, MARKERS - 1};

static const char *in_folder(const char *folder, const char *name)
{
    static char paths[3][4096];
    static int next;
    char *path = paths[next++ % 3];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static int same(const char *what, const void *a, const void *b, size_t bytes)
{
    if (memcmp(a, b, bytes) == 0) return 1;
    fprintf(stderr, "consume_io: %s did not come back the same\n", what);
    return 0;
}

/* millimetres, with times */
static int write_csv(const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file) return 0;
    for (int f = 0; f < FRAMES; f++) {
        fprintf(file, "%.17g", 0.01 * f);
        for (int m = 0; m < MARKERS; m++)
            fprintf(file, ",%.17g,%.17g,%.17g", 100.0 * m, 2.0 * sin(0.1 * f + m), 20.0 * m * (m - MARKERS + 1));
        fprintf(file, "\n");
    }
    return fclose(file) == 0;
}

/* the CSV file's recording, by way of HDF5 */
static rg_status import(const char *folder, rg_recording **out, size_t *n, int *good, rg_error *err)
{
    const char *csv = in_folder(folder, "rope.csv"), *h5 = in_folder(folder, "rope.h5");
    rg_import_opts opts = rg_import_opts_default();
    opts.unit_m = 0.001;
    opts.clamps = grippers;
    opts.n_clamps = sizeof grippers / sizeof *grippers;
    rg_recording *read = NULL;
    size_t n_read = 0;
    rg_status status = rg_recordings_read(&csv, 1, &opts, &read, &n_read, err);
    if (status == RG_OK) status = rg_recordings_write_h5(h5, read, n_read, err);
    if (status == RG_OK) status = rg_recordings_read(&h5, 1, NULL, out, n, err);
    if (status == RG_OK) {
        const rg_recording *a = read, *b = *out;
        const size_t samples = (size_t)FRAMES * MARKERS;
        *good = n_read == 1 && *n == 1 && a->n_frames == FRAMES && a->n_markers == MARKERS && a->n_clamps == 4 &&
                b->n_frames == FRAMES && b->n_markers == MARKERS && b->n_clamps == 4 &&
                a->positions[3 * (MARKERS - 1)] == 600.0 * 0.001 && strcmp(a->name, "rope.csv") == 0 &&
                same("the name", a->name, b->name, strlen(a->name) + 1) &&
                same("the hash", a->sha256, b->sha256, sizeof a->sha256) &&
                same("the interval", &a->dt_s, &b->dt_s, sizeof a->dt_s) &&
                same("the positions", a->positions, b->positions, 3 * samples * sizeof(double)) &&
                same("the drive", a->driving, b->driving, 3 * samples * sizeof(double)) &&
                same("what is trusted", a->valid, b->valid, samples) &&
                same("the clamps", a->clamps, b->clamps, sizeof grippers);
    }
    rg_recordings_free(read, n_read);
    return status;
}

/* a rope's model, by way of JSON */
static rg_status model(const char *folder, rg_model_file *out, int *good, rg_error *err)
{
    static char fit[] = "{\"made_by\": \"consume_io\"}";
    const char *path = in_folder(folder, "rope.json");
    rg_model_file file = {NULL, rg_rollout_opts_default(), 0.01, fit};
    file.rollout.substeps = 2;
    rg_status status = rg_model_create(MARKERS, 2, grippers, 4, &file.model, err);
    if (status == RG_OK) {
        rg_model_field_data(file.model, RG_BEND_STIFFNESS_1)[3] = 1.0 / 300.0;
        status = rg_model_file_write(path, &file, err);
    }
    if (status == RG_OK) status = rg_model_file_read(path, out, err);
    if (status == RG_OK) {
        *good = out->rollout.substeps == 2 && out->dt_s == 0.01 && out->fit && strstr(out->fit, "consume_io");
        for (int f = 0; f < RG_FIELD_COUNT && *good; f++) {
            const rg_field_info *info = rg_field_describe((rg_field)f);
            *good = same(info->name, rg_model_field(file.model, (rg_field)f), rg_model_field(out->model, (rg_field)f),
                         rg_model_field_entries(out->model, (rg_field)f) * (size_t)info->components * sizeof(double));
        }
    }
    rg_model_destroy(&file.model);
    return status;
}

int main(int argc, char **argv)
{
    static double simulated[FRAMES][MARKERS][3], held[FRAMES][MARKERS][3];
    double *out = &simulated[0][0][0];
    rg_error err = {0};
    rg_recording *recordings = NULL;
    rg_model_file file = {0};
    rg_rod_status rod;
    size_t n = 0;
    int good_recording = 0, good_model = 0;
    if (argc != 2 || !write_csv(in_folder(argv[1], "rope.csv"))) {
        fprintf(stderr, "consume_io: give a folder to write to\n");
        return EXIT_FAILURE;
    }
    rg_status status = import(argv[1], &recordings, &n, &good_recording, &err);
    if (status == RG_OK) status = model(argv[1], &file, &good_model, &err);
    if (status == RG_OK) status = rg_simulate(file.model, recordings, 1, &file.rollout, &out, &rod, &err);
    if (status == RG_OK) {
        rg_error_sums sums = {0}, rest = {0};
        rg_error_add(&sums, recordings, out);
        rg_hold_predict(recordings, &held[0][0][0]);
        rg_error_add(&rest, recordings, &held[0][0][0]);
        printf("%s: mean error %.4f m, %.4f m of a rope that stays as it is\n", recordings->name, rg_error_l1(&sums),
               rg_error_l1(&rest));
        good_model = good_model && rod.flag == RG_ROD_OK && rg_error_l1(&sums) > 0 && rg_error_l1(&rest) > 0;
    } else {
        fprintf(stderr, "consume_io: %s\n", err.text);
    }
    rg_recordings_free(recordings, n);
    rg_model_file_clear(&file);
    return status == RG_OK && good_recording && good_model ? EXIT_SUCCESS : EXIT_FAILURE;
}
