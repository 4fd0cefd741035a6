/* cli/simulate.c: rodgrad simulate: drive a model by a recording's grippers, write what it does.
 *
 * The output has the recording's frames: 0 and 1 and the driving markers are the recorded ones, the
 * rest is simulated. With --forces a second file has the forces (docs/forces-format.md). */
#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "io/atomic_file.h"
#include "io/forces_h5.h"

static const char usage[] =
    "rodgrad simulate model.json --drive RECORDING -o out.h5|out.npy [options]\n\n"
    ".npy takes one recording: float64 [frames][markers][3] in metres, frame k of it is frame k of "
    "the\nrecording. .h5 takes any number. --forces writes a second file, with forces and moments in and on\n"
    "the rod in every frame, in HDF5.";

/* the simulated motion as a recording; free markers carry no glitches any more */
static rg_status replace_motion(rg_recording *recording, const double *predicted, const char *model_path, rg_error *err)
{
    static const char origin[] = "simulated with %s, driven by %s";
    size_t length = sizeof origin + strlen(model_path) + strlen(recording->source);
    char *source = malloc(length);
    if (!source) return RG_FAIL(err, RG_ERR_MEMORY, "No memory to describe %s.", recording->name);
    snprintf(source, length, origin, model_path, recording->source);
    free(recording->source);
    recording->source = source;
    recording->sha256[0] = '\0';
    recording->n_masked = 0;
    size_t c = 0;
    for (size_t m = 0; m < recording->n_markers; m++) {
        int driven = c < recording->n_clamps && (size_t)recording->clamps[c] == m;
        if (driven) c++;
        for (size_t f = 0; f < recording->n_frames; f++) {
            size_t at = f * recording->n_markers + m;
            memcpy(recording->positions + 3 * at, predicted + 3 * at, 3 * sizeof *predicted);
            if (driven) continue;
            memcpy(recording->driving + 3 * at, predicted + 3 * at, 3 * sizeof *predicted);
            recording->valid[at] = 1;
        }
    }
    return RG_OK;
}

static rg_status write_motion(const char *path, const rg_recording *recordings, const rgc_batch *batch, rg_error *err)
{
    if (rgi_has_suffix(path, ".npy"))
        return rgi_npy_write(path, batch->predicted[0], recordings[0].n_frames, recordings[0].n_markers, err);
    return rg_recordings_write_h5(path, recordings, batch->n, err);
}

/* the motion, and forces where they were asked for: their file is begun first, so that a path which cannot be written
 * leaves nothing behind */
static rg_status write_outputs(const char *path, const char *forces_path, const rg_model *model, const char *model_path,
                               rg_recording *recordings, const rgc_batch *batch, rg_error *err)
{
    rgi_atomic_file file = {0};
    void *image = NULL;
    size_t size = 0;
    rg_status status = RG_OK;
    for (size_t i = 0; i < batch->n && status == RG_OK; i++)
        status = replace_motion(&recordings[i], batch->predicted[i], model_path, err);
    if (status == RG_OK && batch->forces)
        status = rgi_forces_image(model, recordings, batch->n, batch->forces, batch->statuses, &image, &size, err);
    if (status == RG_OK && image) status = rgi_atomic_open(&file, forces_path, 1, err);
    if (status == RG_OK) status = write_motion(path, recordings, batch, err);
    if (status == RG_OK && file.stream) {
        (void)fwrite(image, 1, size, file.stream); /* a short write is seen, and explained, by the commit */
        status = rgi_atomic_commit(&file, err);
    }
    rgi_atomic_abort(&file);
    free(image);
    return status;
}

/* NULL without memory */
static json_t *result_json(const char *path, const char *forces, const rg_recording *recordings, const rgc_batch *batch,
                           const rg_rollout_opts *opts)
{
    json_t *list = json_array();
    for (size_t i = 0; i < batch->n; i++) {
        char status[128];
        rgc_rod_text(&batch->statuses[i], status, sizeof status);
        json_t *item = json_pack("{s:o, s:I, s:I, s:s}", "name", rgc_json_text(recordings[i].name), "frames",
                                 (json_int_t)recordings[i].n_frames, "markers", (json_int_t)recordings[i].n_markers,
                                 "status", status);
        if (rgc_add_unfinished_json(item, &batch->statuses[i]) && json_array_append_new(list, item) == 0) continue;
        json_decref(list);
        return NULL;
    }
    json_t *object = json_pack("{s:o, s:o}", "output", rgc_json_text(path), "files", list);
    if (object && forces && json_object_set_new(object, "forces", rgc_json_text(forces)) != 0) {
        json_decref(object);
        return NULL;
    }
    if (rgc_add_batch_json(object, batch, recordings, opts)) return object;
    json_decref(object);
    return NULL;
}

static int check_arguments(const rgc_common *common, int n_positional, const char *drive, const char *forces)
{
    if (n_positional != 1)
        return rgc_complain("simulate", RGC_USAGE, "%s; see rodgrad simulate --help.",
                            n_positional ? "give one model.json, and recordings behind --drive"
                                         : "give the model.json to simulate");
    if (!drive) return rgc_complain("simulate", RGC_USAGE, "give the recording that drives the model with --drive.");
    if (!common->output) return rgc_complain("simulate", RGC_USAGE, "give the file to write with -o.");
    const int code = rgc_check_suffix("simulate", common->output, ".npy", ".h5", ".hdf5");
    if (code != RGC_DONE || !forces) return code;
    if (rgc_same_output(common->output, forces))
        return rgc_complain("simulate", RGC_USAGE, "-o and --forces name one file, %s; name two.", forces);
    return rgc_check_suffix("simulate", forces, ".h5", ".hdf5", NULL);
}

static int run(const rgc_common *common, const char *model_path, const char *drive, const char *forces,
               rgi_model_file *file, rg_recording **recordings, size_t *n, rgc_batch *batch)
{
    rg_error err = {0};
    const char *const inputs[] = {model_path, drive};
    rg_status status = rgc_check_output(common->output, inputs, 2, &err);
    if (status == RG_OK && forces) status = rgc_check_output(forces, inputs, 2, &err);
    if (status == RG_OK) status = rgi_model_file_load(model_path, file, &err);
    if (status == RG_OK && forces && rgc_rollout_opts(common, file).stepper == RG_STEPPER_DEFORM)
        status = RG_FAIL(&err, RG_ERR_ARGUMENT,
                         "--forces is of the implicit stepper, and the stepper is deform, which has no forces; add "
                         "--stepper implicit or leave --forces out.");
    if (status == RG_OK) status = rgc_read_recordings(&drive, 1, common, file, model_path, recordings, n, &err);
    if (status != RG_OK) return rgc_fail("simulate", &err);
    if (*n > 1 && rgi_has_suffix(common->output, ".npy"))
        return rgc_complain("simulate", RGC_USAGE,
                            "%s holds %zu recordings, but a .npy file takes one; name one of them "
                            "or write .h5.",
                            drive, *n);
    rgc_tell_gravity("simulate", common, file, model_path);
    rg_rollout_opts opts = rgc_rollout_opts(common, file);
    status = rgc_simulate_all(file, *recordings, *n, &opts, forces != NULL, batch, &err);
    if (status != RG_OK) return rgc_fail("simulate", &err);
    /* from here an interrupt waits until the files are whole */
    rgc_catch_signals();
    status = write_outputs(common->output, forces, file->model, model_path, *recordings, batch, &err);
    if (status != RG_OK) return rgc_fail("simulate", &err);
    rgc_warn_rods("simulate", file->model, batch->statuses, *recordings, *n, &opts);
    int code = RGC_DONE;
    if (common->json) code = rgc_print_json("simulate", result_json(common->output, forces, *recordings, batch, &opts));
    if (code != RGC_DONE) return code;
    char text[512];
    rgc_batch_text(batch, *recordings, text, sizeof text);
    if (strcmp(text, "ok") != 0)
        return rgc_complain("simulate", RGC_FAILED, "%s; %s repeats its last good frame from there on.", text,
                            common->output);
    return rgc_interrupted() ? 128 + rgc_interrupted() : RGC_DONE;
}

int rgc_simulate(int argc, char **argv)
{
    const char *drive = NULL, *forces = NULL;
    const rgc_option extra[] = {{"drive", &drive, NULL, "recording whose grippers drive the model"},
                                {"forces", &forces, NULL, "HDF5 file to write tensions, reactions and moments to"}};
    rgc_common common;
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, usage, extra, 2, &common, &first, &last);
    if (code != RGC_DONE || common.help) return code;
    code = check_arguments(&common, last - first, drive, forces);
    if (code != RGC_DONE) return code;
    rgi_model_file file = {0};
    rg_recording *recordings = NULL;
    size_t n = 0;
    rgc_batch batch = {0};
    code = run(&common, argv[first], drive, forces, &file, &recordings, &n, &batch);
    rgc_batch_clear(&batch);
    rg_recordings_free(recordings, n);
    rgi_model_file_clear(&file);
    return code;
}
