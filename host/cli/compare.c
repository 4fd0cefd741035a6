/* cli/compare.c: load, simulate, compare (compare.h). */
#include "cli/compare.h"

#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "rodgrad/study.h"

int rgc_take_training(int argc, char **argv, const char **train, size_t *n_train, int *given)
{
    int kept = 1, taking = 0;
    *n_train = 0;
    *given = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--train") == 0) {
            taking = *given = 1;
        } else if (strncmp(argv[i], "--train=", 8) == 0) {
            train[(*n_train)++] = argv[i] + 8;
            *given = 1;
            taking = 0;
        } else if (taking && argv[i][0] != '-') {
            train[(*n_train)++] = argv[i];
        } else {
            taking = 0;
            argv[kept++] = argv[i];
        }
    }
    return kept;
}

/* ridge: NULL without training recordings */
static rg_status add_errors(rgc_comparison *job, const rg_ridge *ridge, rg_error *err)
{
    size_t largest = 0;
    for (size_t i = 0; i < job->n; i++) {
        size_t size = job->recordings[i].n_frames * job->recordings[i].n_markers * 3;
        if (size > largest) largest = size;
    }
    double *guess = malloc(largest * sizeof *guess);
    job->errors = calloc(job->n, sizeof *job->errors);
    rg_status status = RG_OK;
    if (!guess || !job->errors)
        status = RG_FAIL(err, RG_ERR_MEMORY, "No memory to compare %zu recording%s.", job->n, rgi_plural(job->n));
    for (size_t i = 0; i < job->n && status == RG_OK; i++) {
        const rg_recording *recording = &job->recordings[i];
        rg_error_add(&job->errors[i].simulated, recording, job->batch.predicted[i]);
        rg_hold_predict(recording, guess);
        rg_error_add(&job->errors[i].hold, recording, guess);
        if (!ridge) continue;
        status = rg_ridge_predict(ridge, recording, guess, err);
        if (status == RG_OK) rg_error_add(&job->errors[i].ridge, recording, guess);
    }
    free(guess);
    return status;
}

static rg_status train_ridge(const char *command, const rgc_comparison *job, const rgc_common *common,
                             const char *model_path, const char *const *train, size_t n_train, rg_ridge **ridge,
                             rg_error *err)
{
    rg_recording *recordings = NULL;
    size_t n = 0;
    RG_TRY(rgc_read_recordings(train, n_train, common, &job->file, model_path, &recordings, &n, err));
    rgc_warn_twice(command, "training ", recordings, n);
    rgc_progress("training the ridge baseline on %zu recording%s", n, rgi_plural(n));
    rg_status status = rg_ridge_train(recordings, n, ridge, err);
    rg_recordings_free(recordings, n);
    return status;
}

rg_status rgc_compare(const char *command, rgc_comparison *job, const rgc_common *common, const char *model_path,
                      const char *const *paths, size_t n_paths, const char *const *train, size_t n_train, int forces,
                      rg_error *err)
{
    memset(job, 0, sizeof *job);
    RG_TRY(rgi_model_file_load(model_path, &job->file, err));
    RG_TRY(rgc_read_recordings(paths, n_paths, common, &job->file, model_path, &job->recordings, &job->n, err));
    rgc_warn_twice(command, "", job->recordings, job->n);
    rg_ridge *ridge = NULL;
    if (n_train > 0) RG_TRY(train_ridge(command, job, common, model_path, train, n_train, &ridge, err));
    rgc_tell_gravity(command, common, &job->file, model_path);
    job->opts = rgc_rollout_opts(common, &job->file);
    rgc_progress("simulating %zu recording%s", job->n, rgi_plural(job->n));
    if (job->opts.stepper == RG_STEPPER_DEFORM) forces = 0;
    rg_status status = rgc_simulate_all(&job->file, job->recordings, job->n, &job->opts, forces, &job->batch, err);
    if (status == RG_OK) status = add_errors(job, ridge, err);
    rg_ridge_destroy(&ridge);
    rgc_progress_clear();
    return status;
}

void rgc_comparison_clear(rgc_comparison *job)
{
    rgc_batch_clear(&job->batch);
    rg_recordings_free(job->recordings, job->n);
    rgi_model_file_clear(&job->file);
    free(job->errors);
    memset(job, 0, sizeof *job);
}
