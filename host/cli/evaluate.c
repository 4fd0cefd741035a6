/* cli/evaluate.c: rodgrad evaluate: a model's predictions beside what was recorded.
 *
 * Of the recordings under evaluation, the simulation and the baselines see frames 0 and 1 and the
 * driving markers; the error counts every marker and frame from 2 on as recorded (rodgrad/study.h).
 * Training recordings serve the ridge baseline only. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/compare.h"
#include "rodgrad/study.h"

static const char usage[] =
    "rodgrad evaluate model.json RECORDING... [--train RECORDING...] [options]\n\n"
    "Words behind --train up to the next option are training recordings; only the ridge baseline "
    "uses\nthem. Errors are means over frames 2 and later. The result goes to stdout.";

/* over all recordings */
static rgi_report_errors total_errors(const rgc_comparison *job)
{
    rgi_report_errors all;
    memset(&all, 0, sizeof all);
    for (size_t i = 0; i < job->n; i++) {
        rg_error_merge(&all.simulated, &job->errors[i].simulated);
        rg_error_merge(&all.hold, &job->errors[i].hold);
        rg_error_merge(&all.ridge, &job->errors[i].ridge);
    }
    return all;
}

static int has_ridge(const rgi_report_errors *errors) { return errors->ridge.n_absolute > 0; }

static json_t *file_json(const rgc_comparison *job, size_t i)
{
    const rg_recording *recording = &job->recordings[i];
    const rgi_report_errors *errors = &job->errors[i];
    char status[128];
    rgc_rod_text(&job->batch.statuses[i], status, sizeof status);
    json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:I}", "name", rgc_json_text(recording->name),
                               "l1_m", rgc_json_number(rg_error_l1(&errors->simulated)), "rmse_free_m",
                               rgc_json_number(rg_error_rmse_free(&errors->simulated)), "max_m",
                               rgc_json_number(rg_error_max(&errors->simulated)), "status", status, "hold_l1_m",
                               rgc_json_number(rg_error_l1(&errors->hold)), "frames", (json_int_t)recording->n_frames,
                               "repaired_drivers", (json_int_t)recording->n_repaired, "newton_iterations",
                               (json_int_t)job->batch.statuses[i].iterations);
    if (object && has_ridge(errors))
        json_object_set_new(object, "ridge_l1_m", rgc_json_number(rg_error_l1(&errors->ridge)));
    if (rgc_add_unfinished_json(object, &job->batch.statuses[i])) return object;
    json_decref(object);
    return NULL;
}

/* NULL without memory */
static json_t *comparison_json(const rgc_comparison *job, const char *model_path)
{
    const rgi_report_errors all = total_errors(job);
    json_t *files = json_array();
    for (size_t i = 0; i < job->n; i++)
        if (json_array_append_new(files, file_json(job, i)) != 0) {
            json_decref(files);
            return NULL;
        }
    json_t *baselines = json_pack("{s:o}", "hold", rgc_json_number(rg_error_l1(&all.hold)));
    if (baselines && has_ridge(&all)) json_object_set_new(baselines, "ridge", rgc_json_number(rg_error_l1(&all.ridge)));
    json_t *object = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "model", rgc_json_text(model_path), "l1_m",
                               rgc_json_number(rg_error_l1(&all.simulated)), "rmse_free_m",
                               rgc_json_number(rg_error_rmse_free(&all.simulated)), "max_m",
                               rgc_json_number(rg_error_max(&all.simulated)), "files", files, "baselines", baselines);
    if (rgc_add_batch_json(object, &job->batch, job->recordings, &job->opts)) return object;
    json_decref(object);
    return NULL;
}

static void print_row(int width, const char *name, const rgi_report_errors *row, const char *status)
{
    printf("%-*s  %8.3f  %8.3f  %8.3f  %8.3f", width, name, 100 * rg_error_l1(&row->simulated),
           100 * rg_error_rmse_free(&row->simulated), 100 * rg_error_max(&row->simulated),
           100 * rg_error_l1(&row->hold));
    if (has_ridge(row)) printf("  %8.3f", 100 * rg_error_l1(&row->ridge));
    printf("  %s\n", status);
}

/* centimetres, as the metric is usually quoted */
static int print_table(const rgc_comparison *job)
{
    const rgi_report_errors all = total_errors(job);
    char status[512];
    int width = 7;
    for (size_t i = 0; i < job->n; i++) {
        size_t length = strlen(job->recordings[i].name);
        if (length < 60 && (int)length > width) width = (int)length;
    }
    printf("%-*s  %8s  %8s  %8s  %8s", width, "[cm]", "L1", "rms free", "max free", "L1 hold");
    printf("%s  status\n", has_ridge(&all) ? "  L1 ridge" : "");
    for (size_t i = 0; i < job->n; i++) {
        rgc_rod_text(&job->batch.statuses[i], status, sizeof status);
        print_row(width, job->recordings[i].name, &job->errors[i], status);
    }
    rgc_batch_text(&job->batch, job->recordings, status, sizeof status);
    print_row(width, "overall", &all, status);
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("evaluate", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int show(const rgc_comparison *job, const rgc_common *common, const char *model_path)
{
    rgc_warn_rods("evaluate", job->file.model, job->batch.statuses, job->recordings, job->n, &job->opts);
    int code = common->json ? rgc_print_json("evaluate", comparison_json(job, model_path)) : print_table(job);
    char text[512];
    rgc_batch_text(&job->batch, job->recordings, text, sizeof text);
    if (code == RGC_DONE && strcmp(text, "ok") != 0)
        code = rgc_complain("evaluate", RGC_FAILED, "%s; from there on its last good frame was compared.", text);
    return code;
}

static int check_arguments(int n_positional, int train_given, size_t n_train)
{
    if (n_positional < 2)
        return rgc_complain("evaluate", RGC_USAGE,
                            "give a model.json and at least one recording%s; see rodgrad evaluate "
                            "--help.",
                            n_train ? " before --train" : "");
    if (train_given && n_train == 0)
        return rgc_complain("evaluate", RGC_USAGE, "--train needs at least one recording.");
    return RGC_DONE;
}

static int run(int argc, char **argv, const char **train, size_t n_train, int train_given)
{
    /* --train was taken out of argv; it stands here for --help */
    const char *unused = NULL;
    const rgc_option extra[] = {{"train", &unused, NULL, "training recordings, for the baseline"}};
    rgc_common common;
    int first = 0, last = 0;
    int code = rgc_parse(argc, argv, usage, extra, 1, &common, &first, &last);
    if (code != RGC_DONE || common.help) return code;
    code = check_arguments(last - first, train_given, n_train);
    if (code != RGC_DONE) return code;
    rgc_comparison job;
    rg_error err = {0};
    rg_status status = rgc_compare("evaluate", &job, &common, argv[first], (const char *const *)&argv[first + 1],
                                   (size_t)(last - first - 1), train, n_train, 0, &err);
    code = status == RG_OK ? show(&job, &common, argv[first]) : rgc_fail("evaluate", &err);
    rgc_comparison_clear(&job);
    return code;
}

int rgc_evaluate(int argc, char **argv)
{
    const char **train = calloc((size_t)argc, sizeof *train);
    if (!train) return rgc_complain("evaluate", RGC_FAILED, "no memory for %d arguments.", argc);
    size_t n_train = 0;
    int given = 0;
    argc = rgc_take_training(argc, argv, train, &n_train, &given);
    int code = run(argc, argv, train, n_train, given);
    free(train);
    return code;
}
