/* cli/inputs.c: load what a model is to predict, simulate it, and put its state into words. */
#include "cli/inputs.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/context.h"
#include "core/words.h"

/* the model's clamps as import options: those of the far end count from there, so that a recording
 * of another length is refused for its length and not for a clamp that it lacks */
static int *clamp_list(const rg_model *model, size_t *n)
{
    const int *clamps = NULL;
    *n = rg_model_clamps(model, &clamps);
    int markers = (int)rg_model_markers(model);
    int *list = malloc((*n ? *n : 1) * sizeof *list);
    for (size_t i = 0; list && i < *n; i++)
        list[i] = 2 * clamps[i] < markers ? clamps[i] : clamps[i] - markers;
    return list;
}

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* is `file` one of a folder's own files? */
static int in_folder(const char *path, const struct stat *file)
{
    DIR *folder = opendir(path);
    int found = 0;
    for (struct dirent *entry; folder && !found && (entry = readdir(folder));) {
        struct stat info;
        found = fstatat(dirfd(folder), entry->d_name, &info, 0) == 0 && same_file(&info, file);
    }
    if (folder) closedir(folder);
    return found;
}

rg_status rgc_check_output(const char *output, const char *const *inputs, size_t n, rg_error *err)
{
    struct stat old, input;
    if (stat(output, &old) != 0) return RG_OK;
    for (size_t i = 0; i < n; i++) {
        if (!inputs[i] || stat(inputs[i], &input) != 0) continue;
        if (same_file(&input, &old))
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the output %s is one of the inputs, %s, which would be lost; name another file.", output,
                           inputs[i]);
        if (S_ISDIR(input.st_mode) && in_folder(inputs[i], &old))
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "the output %s is a file of the folder %s, one of the inputs, and would be lost; name "
                           "another file.",
                           output, inputs[i]);
    }
    return RG_OK;
}

static rg_status check_fits(const rg_recording *recording, const rg_model *model,
                            const char *model_path, rg_error *err)
{
    size_t n_markers = rg_model_markers(model);
    if (recording->n_markers != n_markers)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s has %zu markers but %s is a model for %zu; fit a model to recordings of "
                       "this rod.",
                       recording->name, recording->n_markers, model_path, n_markers);
    const int *clamps = NULL;
    size_t n_clamps = rg_model_clamps(model, &clamps);
    if (recording->n_clamps != n_clamps ||
        memcmp(recording->clamps, clamps, n_clamps * sizeof *clamps) != 0)
        return RG_FAIL(
            err, RG_ERR_SHAPE,
            "%s has other driving markers than %s; import it with the model's \"clamps\" "
            "or fit a model to it.",
            recording->name, model_path);
    if (recording->n_frames < 3)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s has only %zu frames; a prediction starts from two and needs a third.",
                       recording->name, recording->n_frames);
    return RG_OK;
}

rg_status rgc_read_recordings(const char *const *paths, size_t n, const rgc_common *common,
                              const rgi_model_file *file, const char *model_path,
                              rg_recording **out, size_t *n_out, rg_error *err)
{
    *out = NULL;
    *n_out = 0;
    size_t refine = rg_model_refine(file->model);
    RG_TRY(rgc_check_steps(common, rgc_rollout_opts(common, file).stepper, err));
    if (common->refine > 0 && (size_t)common->refine != refine)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "%s was fitted with --refine %zu and is simulated on that mesh only; fit it "
                       "again with --refine %d.",
                       model_path, refine, common->refine);
    rgi_import_opts opts = common->import;
    int *clamps = NULL;
    if (!common->clamps_given) {
        clamps = clamp_list(file->model, &opts.n_clamps);
        if (!clamps)
            return RG_FAIL(err, RG_ERR_MEMORY, "No memory for %zu clamp%s.", opts.n_clamps, rgi_plural(opts.n_clamps));
        opts.clamps = clamps;
    }
    if (!common->dt_given) opts.dt_s = file->dt_s;
    rg_status status = rgi_recordings_read(paths, n, &opts, out, n_out, err);
    free(clamps);
    for (size_t i = 0; i < *n_out && status == RG_OK; i++)
        status = check_fits(&(*out)[i], file->model, model_path, err);
    if (status != RG_OK) {
        rgi_recordings_free(*out, *n_out);
        *out = NULL;
        *n_out = 0;
    }
    return status;
}

rg_status rgc_simulate_all(const rgi_model_file *file, const rg_recording *recordings, size_t n,
                           const rg_rollout_opts *opts, rgc_batch *batch, rg_error *err)
{
    memset(batch, 0, sizeof *batch);
    batch->predicted = calloc(n, sizeof *batch->predicted);
    batch->statuses = calloc(n, sizeof *batch->statuses);
    int enough = batch->predicted != NULL && batch->statuses != NULL;
    batch->n = n;
    for (size_t i = 0; i < n && enough; i++) {
        size_t size = recordings[i].n_frames * recordings[i].n_markers * 3;
        batch->predicted[i] = malloc(size * sizeof **batch->predicted);
        enough = batch->predicted[i] != NULL;
        batch->steps += (double)(recordings[i].n_frames - 2) * opts->substeps;
    }
    rg_status status = RG_OK;
    if (!enough)
        status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for %zu simulated recording%s.", n, rgi_plural(n));
    double start = rgc_seconds();
    if (status == RG_OK)
        status = rg_simulate(file->model, recordings, n, opts, batch->predicted, batch->statuses,
                             err);
    batch->wall_s = rgc_seconds() - start;
    if (status != RG_OK) rgc_batch_clear(batch);
    return status;
}

void rgc_batch_clear(rgc_batch *batch)
{
    for (size_t i = 0; batch->predicted && i < batch->n; i++) free(batch->predicted[i]);
    free(batch->predicted);
    free(batch->statuses);
    memset(batch, 0, sizeof *batch);
}

void rgc_rod_text(const rg_rod_status *status, char *text, size_t size)
{
    if (status->flag == RG_ROD_OK && status->unstable >= 0)
        snprintf(text, size, "ok, but the equilibrium of step %d is unstable", status->unstable);
    else if (status->flag == RG_ROD_OK)
        snprintf(text, size, "ok");
    else if (status->vertex >= 0)
        snprintf(text, size, "step %d, vertex %d: %s", status->step, status->vertex,
                 rg_rod_flag_text(status->flag));
    else
        snprintf(text, size, "step %d: %s", status->step, rg_rod_flag_text(status->flag));
}

void rgc_warn_unstable(const char *command, const rgc_batch *batch, const rg_recording *recordings)
{
    size_t rods = 0, first = 0;
    for (size_t i = batch->n; i-- > 0;)
        if (batch->statuses[i].unstable >= 0) {
            rods++;
            first = i;
        }
    if (rods == 0) return;
    rgc_warn(command,
             "%zu of %zu rod%s came to an unstable equilibrium, first rod %zu (%s) in step %d: a real one would leave "
             "it.",
             rods, batch->n, rgi_plural(batch->n), first, recordings[first].name, batch->statuses[first].unstable);
}

void rgc_batch_text(const rgc_batch *batch, const rg_recording *recordings, char *text, size_t size)
{
    snprintf(text, size, "ok");
    for (size_t i = 0; i < batch->n; i++) {
        if (batch->statuses[i].flag == RG_ROD_OK) continue;
        char reason[128];
        rgc_rod_text(&batch->statuses[i], reason, sizeof reason);
        snprintf(text, size, "rod %zu (%s), %s", i, recordings[i].name, reason);
        return;
    }
}

json_t *rgc_json_number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *rgc_json_text(const char *text)
{
    json_t *string = json_string(text);
    char *ascii = string ? NULL : strdup(text);
    if (!ascii) return string;
    for (char *c = ascii; *c; c++)
        if ((unsigned char)*c > 0x7e) *c = '?';
    string = json_string(ascii);
    free(ascii);
    return string;
}

int rgc_add_batch_json(json_t *object, const rgc_batch *batch, const rg_recording *recordings,
                       const rg_rollout_opts *opts)
{
    char status[512];
    rgc_batch_text(batch, recordings, status, sizeof status);
    json_t *more = json_pack("{s:o, s:I, s:f, s:f, s:s, s:s, s:s, s:s, s:s, s:i}",
                             "status", rgc_json_text(status), "steps", (json_int_t)batch->steps,
                             "wall_s", batch->wall_s,
                             "rod_steps_per_s", batch->steps / fmax(batch->wall_s, 1e-9),
                             "backend", rgi_rollout_backend(opts), "isa", rgi_rollout_isa(opts),
                             "real", rg_real_name(opts->real), "stepper", rg_stepper_name(opts->stepper),
                             "scheme", rg_scheme_name(opts->scheme),
                             "substeps", opts->substeps);
    int failed = !object || !more || json_object_update(object, more) != 0;
    json_decref(more);
    return !failed;
}
