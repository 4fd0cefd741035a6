/* cli/report.c: rodgrad report: what `evaluate` finds, and the motions themselves, as one page.
 *
 * The page is written even where a simulation failed: it shows where and why. The exit code says
 * so. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/compare.h"
#include "cli/truth.h"
#include "core/context.h"

static const char usage[] = "rodgrad report model.json RECORDING... [--train RECORDING...] -o report.html [options]\n\n"
                            "One HTML page without network access. Words behind --train up to the next option are\n"
                            "training recordings; only the ridge baseline uses them. --truth compares the fitted\n"
                            "parameters with those that the recordings were planted with.";

static json_t *files_json(const json_t *data)
{
    static const char *const names[] = {"name", "l1_m", "rmse_free_m", "max_m", "status"};
    json_t *files = json_array();
    const json_t *recordings = json_object_get(data, "recordings");
    for (size_t i = 0; i < json_array_size(recordings); i++) {
        json_t *file = json_object(), *recording = json_array_get(recordings, i);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            json_object_set(file, names[k], json_object_get(recording, names[k]));
        if (json_array_append_new(files, file) != 0) {
            json_decref(files);
            return NULL;
        }
    }
    return files;
}

/* NULL without memory */
static json_t *result_json(const rgc_common *common, const rgc_comparison *job, const json_t *data, const json_t *truth,
                           size_t bytes)
{
    json_t *object = json_pack("{s:o, s:I, s:o}", "output", rgc_json_text(common->output), "bytes", (json_int_t)bytes,
                               "files", files_json(data));
    if (truth && json_object_set_new(object, "truth", rgc_truth_json(job->file.fit, truth)) != 0) {
        json_decref(object);
        return NULL;
    }
    if (object && json_object_update(object, json_object_get(data, "summary")) == 0 &&
        rgc_add_batch_json(object, &job->batch, job->recordings, &job->opts))
        return object;
    json_decref(object);
    return NULL;
}

static rg_status write_report(const rgc_common *common, const rgc_comparison *job, const char *model_path,
                              json_t *truth, const char *command, json_t **data, size_t *bytes, rg_error *err)
{
    char created[40] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) strftime(created, sizeof created, "%Y-%m-%d %H:%M UTC", &utc);
    rg_rollout_opts opts = job->opts;
    opts.isa = rgi_rollout_isa(&opts);
    rgi_report_input input = {.model_path = model_path,
                              .file = &job->file,
                              .recordings = job->recordings,
                              .n = job->n,
                              .predicted = job->batch.predicted,
                              .statuses = job->batch.statuses,
                              .forces = job->batch.forces,
                              .errors = job->errors,
                              .opts = &opts,
                              .wall_s = job->batch.wall_s,
                              .steps = job->batch.steps,
                              .truth = truth,
                              .command = command,
                              .created = created};
    RG_TRY(rgi_report_data(&input, data, err));
    return rgi_report_write(common->output, *data, bytes, err);
}

static int run(const rgc_common *common, rgc_comparison *job, const char *model_path, const char *const *paths,
               size_t n_paths, const char *const *train, size_t n_train, const char *truth_path, const char *command)
{
    rg_error err = {0};
    json_t *data = NULL, *truth = NULL;
    size_t bytes = 0;
    const char *const models[] = {model_path, truth_path};
    rg_status status = rgc_check_output(common->output, models, 2, &err);
    if (status == RG_OK) status = rgc_check_output(common->output, paths, n_paths, &err);
    if (status == RG_OK) status = rgc_check_output(common->output, train, n_train, &err);
    if (status == RG_OK)
        status = rgc_compare("report", job, common, model_path, paths, n_paths, train, n_train, 1, &err);
    if (status == RG_OK && truth_path) status = rgc_truth_read(&job->file, model_path, truth_path, &truth, &err);
    /* from here an interrupt waits until the page is whole */
    if (status == RG_OK) {
        rgc_catch_signals();
        status = write_report(common, job, model_path, truth, command, &data, &bytes, &err);
    }
    int code = RGC_DONE;
    if (status == RG_OK && json_is_false(json_object_get(job->file.fit, "intervals_hold")))
        rgc_warn("report", "the intervals of the parameters in %s do not hold, by what its fit says of itself.",
                 model_path);
    if (status == RG_OK)
        rgc_warn_rods("report", job->file.model, job->batch.statuses, job->recordings, job->n, &job->opts);
    if (status != RG_OK) code = rgc_fail("report", &err);
    else if (common->json) code = rgc_print_json("report", result_json(common, job, data, truth, bytes));
    if (code == RGC_DONE && truth) rgc_truth_table(job->file.fit, truth);
    json_decref(truth);
    json_decref(data);
    if (code != RGC_DONE) return code;
    char text[512];
    rgc_batch_text(&job->batch, job->recordings, text, sizeof text);
    if (strcmp(text, "ok") != 0)
        return rgc_complain("report", RGC_FAILED, "%s; %s shows its last good frame from there on.", text,
                            common->output);
    return rgc_interrupted() ? 128 + rgc_interrupted() : RGC_DONE;
}

static int check_arguments(const rgc_common *common, int n_positional, int train_given, size_t n_train)
{
    if (n_positional < 2)
        return rgc_complain("report", RGC_USAGE,
                            "give a model.json and at least one recording%s; see rodgrad report "
                            "--help.",
                            n_train ? " before --train" : "");
    if (train_given && n_train == 0) return rgc_complain("report", RGC_USAGE, "--train needs at least one recording.");
    if (!common->output) return rgc_complain("report", RGC_USAGE, "give the page to write with -o.");
    return rgc_check_suffix("report", common->output, ".html", ".htm", NULL);
}

int rgc_report(int argc, char **argv)
{
    /* --train is taken out of argv before parsing; it stands here for --help */
    const char *unused = NULL, *truth = NULL;
    const rgc_option extra[] = {{"train", &unused, NULL, "training recordings, for the baseline"},
                                {"truth", &truth, NULL, "model.json that was planted, to compare with"}};
    const char **train = calloc((size_t)argc, sizeof *train);
    char *command = rgc_command_line(argc, argv);
    int code = RGC_DONE, given = 0, first = 0, last = 0;
    size_t n_train = 0;
    rgc_common common = {0};
    if (!train || !command) code = rgc_complain("report", RGC_FAILED, "no memory for %d arguments.", argc);
    if (code == RGC_DONE) {
        argc = rgc_take_training(argc, argv, train, &n_train, &given);
        code = rgc_parse(argc, argv, usage, extra, 2, &common, &first, &last);
    }
    if (code == RGC_DONE && !common.help) code = check_arguments(&common, last - first, given, n_train);
    if (code == RGC_DONE && !common.help) {
        rgc_comparison job = {0};
        code = run(&common, &job, argv[first], (const char *const *)&argv[first + 1], (size_t)(last - first - 1), train,
                   n_train, truth, command);
        rgc_comparison_clear(&job);
    }
    free(command);
    free(train);
    return code;
}
