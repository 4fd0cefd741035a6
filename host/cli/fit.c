/* cli/fit.c: rodgrad fit: identify a rod's parameters from recordings.
 *
 * Progress goes to stderr. After every iteration the fit's state is in OUTPUT.checkpoint; the same
 * command goes on from there with the same bits after an interrupt, and removes it at the end. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/fit_result.h"
#include "cli/inputs.h"
#include "core/context.h"
#include "core/words.h"
#include "io/atomic_file.h"
#include "io/checkpoint.h"

static const char usage[] =
    "rodgrad fit RECORDING... -o model.json [options]\n\n"
    "All recordings are of one rod. --fit sets what is fitted, GROUP=along|uniform|held,...: along "
    "has "
    "one\nvalue per marker (or marker interval). Groups: bend_stiffness, bend_anisotropy, "
    "natural_curvature,\ntwist_stiffness, natural_twist, stretch_stiffness, rest_length, "
    "bend_relaxation, "
    "twist_relaxation,\nstretch_relaxation, bend_memory, bend_memory_time, drag, mass_per_length, "
    "marker_mass, marker_offset.\n\n"
    "--method lm|gauss-newton-cg|lbfgs|adam: Levenberg-Marquardt; the same with its system solved "
    "by\nconjugate gradients; L-BFGS; Adam. The last three use gradients and products only, and are "
    "for very\nmany parameters.";

typedef struct arguments {
    rgc_common common;
    const char *start, *tolerance, *max_time, *seed, *fit, *iterations, *starts, *method, *rate, *memory;
    const char *measure;
    rg_group_choice groups[RG_GROUP_COUNT];
} arguments;

/* names of all groups and methods, each with ", " behind it */
#define GROUP_LISTED(id, name, unit, log, mode, prior, low, high) name ", "
#define METHOD_LISTED(id, name) name ", "
static const char group_names[] = RG_GROUP_LIST(GROUP_LISTED), method_names[] = RG_METHOD_LIST(METHOD_LISTED);
enum { GROUP_NAMES = sizeof group_names - sizeof ", ", METHOD_NAMES = sizeof method_names - sizeof ", " };

/* "bend_stiffness=along,drag=held" into the options, whose list is `groups` [RG_GROUP_COUNT] */
static int parse_groups(const char *text, rg_group_choice *groups, rg_fit_opts *opts)
{
    static const char *const modes[] = {"held", "uniform", "along"};
    int given[RG_GROUP_COUNT] = {0};
    while (*text) {
        size_t length = strcspn(text, ",");
        size_t name = strcspn(text, "=,");
        char word[64]; /* longer than any group's name */
        rg_group group = RG_GROUP_COUNT;
        int mode = 0;
        snprintf(word, sizeof word, "%.*s", (int)name, text);
        if (!rg_group_find(word, &group))
            return rgc_complain("fit", RGC_USAGE, "--fit: there is no group \"%.*s\"; there are %.*s.", (int)name, text,
                                (int)GROUP_NAMES, group_names);
        if (given[group]++)
            return rgc_complain("fit", RGC_USAGE, "--fit: %s is given twice; leave one out.", rg_group_name(group));
        const char *value = text + name + 1;
        size_t size = name < length ? length - name - 1 : 0;
        while (mode < 3 && (strlen(modes[mode]) != size || strncmp(value, modes[mode], size) != 0)) mode++;
        if (mode == 3)
            return rgc_complain("fit", RGC_USAGE, "--fit: write %.*s=along, =uniform or =held.", (int)name, text);
        groups[opts->n_groups++] = (rg_group_choice){.group = group, .mode = (rg_group_mode)mode};
        opts->groups = groups;
        text += length + (text[length] == ',');
    }
    return RGC_DONE;
}

/* --method, and what only some of them take: --learning-rate, --memory */
static int parse_method(const arguments *a, rg_fit_opts *opts)
{
    if (a->method && !rg_fit_method_find(a->method, &opts->method))
        return rgc_complain("fit", RGC_USAGE, "--method: there is no method \"%s\"; there are %.*s.", a->method,
                            (int)METHOD_NAMES, method_names);
    if (a->memory && opts->method == RG_METHOD_LM)
        return rgc_complain("fit", RGC_USAGE,
                            "--memory is for the states that an adjoint needs; --method lm keeps "
                            "none.");
    if (a->memory && rgc_bytes("memory", a->memory, &opts->budget_bytes) != RGC_DONE) return RGC_USAGE;
    if (!a->rate) return RGC_DONE;
    if (opts->method != RG_METHOD_ADAM)
        return rgc_complain("fit", RGC_USAGE, "--learning-rate is Adam's; add --method adam, or leave it out.");
    int code = rgc_number("learning-rate", a->rate, 0.0, 1e3, &opts->learning_rate);
    if (code == RGC_DONE && !(opts->learning_rate > 0.0))
        return rgc_complain("fit", RGC_USAGE, "--learning-rate: %s is not positive; 0.05 is the default.", a->rate);
    return code;
}

static int parse(int argc, char **argv, arguments *a, rg_fit_opts *opts, double *max_time, int *first, int *last)
{
    const rgc_option extra[] = {
        {"start", &a->start, NULL, "model.json to start from; its mesh and held fields stay"},
        {"max-time", &a->max_time, NULL,
         "end the fit after so many seconds, with the best model so far (100; 0: no limit)"},
        {"seed", &a->seed, NULL, "random stiffnesses to start from, by this seed (0: a fixed sequence)"},
        {"memory", &a->memory, NULL,
         "bytes for the states that the adjoint keeps, such as 200M, or all (least of two levels)"},
        {"fit", &a->fit, NULL, "GROUP=along|uniform|held,... what is fitted"},
        {"method", &a->method, NULL, "lm (default), gauss-newton-cg, lbfgs or adam"},
        {"learning-rate", &a->rate, NULL, "Adam's first step, in standard deviations of the priors (0.05)"},
        {"iterations", &a->iterations, NULL,
         "at most N in the last stage (60; lbfgs 1000, adam 2000, gauss-newton-cg 40)"},
        {"tolerance", &a->tolerance, NULL,
         "the fit has converged when its cost falls by less than this share twice in a row (0.01)"},
        {"starts", &a->starts, NULL, "stiffnesses to start the uniform rod from (3)"},
        {"bend-measure", &a->measure, NULL,
         "curvature is measured against directors averaged, or normalised (averaged)"},
    };
    int code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &a->common, first, last);
    if (code != RGC_DONE || a->common.help) return code;
    long number = 0;
    *max_time = 100.0;
    if (a->max_time && (code = rgc_number("max-time", a->max_time, 0.0, 1e9, max_time))) return code;
    if (a->seed) {
        if ((code = rgc_integer("seed", a->seed, 0, 1L << 40, &number))) return code;
        opts->seed = (unsigned long long)number;
    }
    if (a->iterations) {
        if ((code = rgc_integer("iterations", a->iterations, 1, 100000, &number))) return code;
        opts->max_iterations = (int)number;
    }
    if (a->tolerance && (code = rgc_number("tolerance", a->tolerance, 0.0, 0.1, &opts->tolerance))) return code;
    if (a->starts) {
        if ((code = rgc_integer("starts", a->starts, 0, 15, &number))) return code;
        opts->starts = (int)number;
    }
    if (a->fit && (code = parse_groups(a->fit, a->groups, opts))) return code;
    if ((code = parse_method(a, opts))) return code;
    if (a->measure && (code = rgc_bend_measure("fit", a->measure, &opts->bend_measure))) return code;
    if (a->common.stepper == RG_STEPPER_DEFORM) opts->refine = 1; /* as published */
    if (a->common.refine > 0) opts->refine = a->common.refine;
    if (*last - *first < 1)
        return rgc_complain("fit", RGC_USAGE, "no recording is given; usage: rodgrad fit RECORDING... -o model.json");
    if (!a->common.output)
        return rgc_complain("fit", RGC_USAGE, "-o model.json is missing: where should the model go?");
    return rgc_check_suffix("fit", a->common.output, ".json", NULL, NULL);
}

/* refused before the fit and not after it: an output that cannot be written or is an input */
static rg_status check_output(const char *output, const char *checkpoint, const char *const *paths, size_t n_paths,
                              const char *start, rg_error *err)
{
    rgi_atomic_file file;
    RG_TRY(rgc_check_output(output, paths, n_paths, err));
    RG_TRY(rgc_check_output(output, &start, 1, err));
    RG_TRY(rgi_atomic_open(&file, output, 0, err));
    rgi_atomic_abort(&file);
    /* its name is longer than the output's */
    RG_TRY(rgi_atomic_open(&file, checkpoint, 0, err));
    rgi_atomic_abort(&file);
    return RG_OK;
}

/* 64-bit FNV-1a, from HASH_START on */
#define HASH_START 0xcbf29ce484222325ull
static unsigned long long hash_bytes(unsigned long long hash, const void *of, size_t size)
{
    const unsigned char *bytes = of;
    for (size_t i = 0; bytes && i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    return hash;
}

/* of the model to start from: its file can change between two runs */
static unsigned long long model_hash(const rg_model *model)
{
    unsigned long long hash = HASH_START;
    for (int f = 0; model && f < RG_FIELD_COUNT; f++)
        hash = hash_bytes(hash, rg_model_field(model, (rg_field)f),
                          rg_model_field_entries(model, (rg_field)f) *
                              (size_t)rg_field_describe((rg_field)f)->components * sizeof(double));
    return hash;
}

/* of all that a fit takes from a recording, as it was read: the file may be another one by the next run */
static unsigned long long recording_hash(const rg_recording *r)
{
    const size_t samples = r->n_frames * r->n_markers;
    unsigned long long hash = hash_bytes(HASH_START, &r->dt_s, sizeof r->dt_s);
    hash = hash_bytes(hash, r->positions, 3 * samples * sizeof *r->positions);
    hash = hash_bytes(hash, r->driving, 3 * samples * sizeof *r->driving);
    hash = hash_bytes(hash, r->valid, samples * sizeof *r->valid);
    hash = hash_bytes(hash, r->lost, r->n_frames * sizeof *r->lost);
    return hash_bytes(hash, r->clamps, r->n_clamps * sizeof *r->clamps);
}

/* what the checkpoint belongs to: recordings as they were read, and what else sets the result */
static char *job_key(const rg_recording *recordings, size_t n, const rg_model *start, const arguments *a,
                     const rg_fit_opts *opts)
{
    const rg_import_opts *import = &a->common.import;
    size_t room = 1024 + n * 96 + 16 * recordings[0].n_clamps + (a->fit ? strlen(a->fit) : 0) +
                  (a->start ? strlen(a->start) : 0) + (import->axes ? strlen(import->axes) : 0);
    char *key = malloc(room);
    if (!key) return NULL;
    size_t used = (size_t)snprintf(
        key, room,
        "fit %s %s %016llx %s %s %s method %s rate %.17g stepper %d sweeps %d scheme %d substeps %d "
        "measure %d gravity %.17g,%.17g,%.17g newton %.17g limit %d %s tolerance %.17g seed %llu axes %s unit %.17g "
        "clamps",
        a->fit ? a->fit : "-", a->start ? a->start : "-", model_hash(start), a->starts ? a->starts : "-",
        rgi_rollout_isa(&opts->rollout), rg_real_name(opts->rollout.real), rg_fit_method_name(opts->method),
        opts->learning_rate, (int)opts->rollout.stepper, opts->rollout.sweeps, (int)opts->rollout.scheme,
        opts->rollout.substeps, (int)opts->bend_measure, opts->rollout.gravity[0], opts->rollout.gravity[1],
        opts->rollout.gravity[2], opts->rollout.tolerance_m, opts->rollout.max_iterations,
        rg_at_limit_name(opts->rollout.at_limit), opts->tolerance, opts->seed, import->axes ? import->axes : "-",
        import->unit_m);
    for (size_t i = 0; i < recordings[0].n_clamps; i++)
        used += (size_t)snprintf(key + used, room - used, " %d", recordings[0].clamps[i]);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(key + used, room - used, " %zu %016llx", recordings[i].n_frames,
                                 recording_hash(&recordings[i]));
    for (char *c = key; *c; c++)
        if (*c == '\n') *c = ' ';
    return key;
}

/* numbers kept beside the fit's own: wall time so far and the last progress */
enum { EXTRA = 5 };

static rg_status save(const char *path, const char *key, const rgc_fit_job *job, double *numbers, size_t count,
                      rg_error *err)
{
    const double extra[EXTRA] = {job->wall_s, job->progress.stage, job->progress.n_stages, job->progress.iteration,
                                 job->progress.train_l1_m};
    memcpy(numbers, extra, sizeof extra);
    rg_fit_state(job->fit, numbers + EXTRA, NULL);
    return rgi_checkpoint_save(path, key, numbers, count + EXTRA, err);
}

static rg_status resume(const char *path, const char *key, rgc_fit_job *job, rg_error *err)
{
    double *numbers = NULL;
    size_t count = 0;
    RG_TRY(rgi_checkpoint_load(path, key, &numbers, &count, err));
    if (!numbers) {
        if (access(path, F_OK) == 0) fprintf(stderr, "rodgrad fit: %s is of another job; starting anew\n", path);
        return RG_OK;
    }
    rg_status status = count > EXTRA ? rg_fit_resume(job->fit, numbers + EXTRA, count - EXTRA, err)
                                     : RG_FAIL(err, RG_ERR_FORMAT, "the checkpoint %s is too short.", path);
    if (status == RG_OK) {
        job->wall_s = numbers[0];
        job->progress.stage = (int)numbers[1];
        job->progress.n_stages = (int)numbers[2];
        job->progress.iteration = (int)numbers[3];
        job->progress.train_l1_m = numbers[4];
        fprintf(stderr, "goes on from %s after iteration %d\n", path, job->progress.iteration);
    } else {
        /* of another job: start anew, and say so */
        fprintf(stderr, "rodgrad fit: %s does not fit this job (%s); starting anew\n", path, err->text);
        memset(err, 0, sizeof *err);
        status = RG_OK;
    }
    free(numbers);
    return status;
}

/* iterate until done, out of time, or interrupted (RG_ERR_INTERRUPTED, with a checkpoint) */
static rg_status iterate(rgc_fit_job *job, const char *path, const char *key, double max_time, rg_error *err)
{
    size_t count = 0;
    rg_fit_state(job->fit, NULL, &count);
    double *numbers = malloc((count + EXTRA) * sizeof *numbers);
    if (!numbers) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the checkpoint.");
    rg_status status = RG_OK;
    double before = job->wall_s, began = rgc_seconds();
    if (max_time > 0.0) rg_fit_limit_time(job->fit, fmax(max_time - before, 1e-3));
    while (status == RG_OK && !job->progress.done) {
        status = rg_fit_step(job->fit, &job->progress, err);
        job->wall_s = before + rgc_seconds() - began;
        if (status != RG_OK) break;
        rgc_progress("stage %d of %d, iteration %d: mean |error| %.3f mm, cost %.4g, %.0f s%s", job->progress.stage + 1,
                     job->progress.n_stages, job->progress.iteration, 1e3 * job->progress.train_l1_m,
                     job->progress.cost, job->wall_s, job->progress.failed_rods ? ", some rods failed" : "");
        if (job->progress.done) break;
        status = save(path, key, job, numbers, count, err);
        if (status != RG_OK) break;
        if (rgc_interrupted())
            status =
                RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted after iteration %d; the same command goes on from %s.",
                        job->progress.iteration, path);
    }
    rgc_progress_clear();
    free(numbers);
    return status;
}

static json_t *answer(const rgc_fit_job *job, const json_t *fit, const char *output)
{
    json_t *object = json_pack("{s:o}", "output", rgc_json_text(output));
    static const char *const members[] = {"method",     "wall_s",         "iterations", "converged", "stopped_by",
                                          "train_l1_m", "intervals_hold", "parameters", "status",    "notes"};
    for (size_t i = 0; object && i < sizeof members / sizeof *members; i++)
        json_object_set(object, members[i], json_object_get(fit, members[i]));
    if (object) json_object_set_new(object, "recordings", json_integer((json_int_t)job->n));
    return object;
}

static rg_status save_model(rgc_fit_job *job, const arguments *a, json_t **fit, rg_error *err)
{
    rgi_model_file file;
    memset(&file, 0, sizeof file);
    RG_TRY(rgc_fit_result(job, fit, err));
    rg_status status = rg_model_copy(rg_fit_model(job->fit), &file.model, err);
    if (status == RG_OK) {
        file.rollout = job->opts->rollout;
        file.dt_s = job->recordings[0].dt_s;
        file.fit = json_incref(*fit);
        status = rgi_model_file_save(a->common.output, &file, err);
    }
    rgi_model_file_clear(&file);
    return status;
}

static int run(const arguments *a, rg_fit_opts *opts, double max_time, const char *const *paths, size_t n_paths,
               const char *command)
{
    rg_error err = {0};
    rgi_model_file start;
    rg_recording *recordings = NULL;
    rgc_fit_job job;
    json_t *fit = NULL;
    char *key = NULL, *path = malloc(strlen(a->common.output) + 16);
    int code = RGC_DONE;
    memset(&start, 0, sizeof start);
    memset(&job, 0, sizeof job);
    job.opts = opts;
    job.command = command;
    rg_status status = path ? RG_OK : RG_FAIL(&err, RG_ERR_MEMORY, "out of memory.");
    if (path) sprintf(path, "%s.checkpoint", a->common.output);
    if (status == RG_OK) status = check_output(a->common.output, path, paths, n_paths, a->start, &err);
    if (status == RG_OK && a->start) {
        status = rgi_model_file_load(a->start, &start, &err);
        /* it was simulated so before, unless the call says otherwise */
        if (status == RG_OK) rgc_tell_gravity("fit", &a->common, &start, a->start);
        if (status == RG_OK) opts->rollout = rgc_rollout_opts(&a->common, &start);
        if (status == RG_OK && a->measure) status = rg_model_set_bend_measure(start.model, opts->bend_measure, &err);
        if (status == RG_OK) opts->bend_measure = rg_model_bend_measure(start.model);
        if (status == RG_OK)
            status = rgc_read_recordings(paths, n_paths, &a->common, &start, a->start, &recordings, &job.n, &err);
    } else if (status == RG_OK) {
        status = rgc_check_steps(&a->common, opts->rollout.stepper, &err);
        if (status == RG_OK) status = rg_recordings_read(paths, n_paths, &a->common.import, &recordings, &job.n, &err);
    }
    job.recordings = recordings;
    if (status == RG_OK) rgc_warn_twice("fit", "", recordings, job.n);
    if (status == RG_OK) rgc_warn_straight("fit", recordings, job.n);
    for (size_t k = 0; status == RG_OK && opts->rollout.stepper == RG_STEPPER_DEFORM && k < opts->n_groups; k++)
        if (strncmp(rg_group_name(opts->groups[k].group), "stretch_", 8) == 0 && opts->groups[k].mode != RG_HELD)
            status = RG_FAIL(&err, RG_ERR_ARGUMENT,
                             "--fit: the deform stepper keeps lengths by projection and has no "
                             "stretch_stiffness or stretch_relaxation to fit; leave them out.");
    if (status == RG_OK) status = rg_fit_create(recordings, job.n, start.model, opts, &job.fit, &err);
    if (status == RG_OK && !(key = job_key(recordings, job.n, start.model, a, opts)))
        status = RG_FAIL(&err, RG_ERR_MEMORY, "out of memory.");
    if (status == RG_OK) {
        rg_batch_plan plan;
        char text[320];
        if (rg_fit_plan(job.fit, &plan)) {
            rg_batch_plan_text(&plan, text, sizeof text);
            fprintf(stderr, "plan: %s\n", text);
        }
        rgc_catch_signals();
        status = resume(path, key, &job, &err);
    }
    if (status == RG_OK) status = iterate(&job, path, key, max_time, &err);
    if (status == RG_OK) status = save_model(&job, a, &fit, &err);
    if (status != RG_OK) {
        code = rgc_fail("fit", &err);
    } else {
        char text[256];
        (void)remove(path);
        rgc_fit_status(&job, text, sizeof text);
        rgc_fit_warn(&job);
        if (!a->common.json) rgc_fit_table(&job);
        if (!job.progress.converged) {
            char why[256];
            rgc_fit_unfinished(&job, why, sizeof why);
            rgc_warn("fit", "%s", why);
        }
        fprintf(stderr,
                "%s: %d iteration%s, %.1f s, %s, mean |error| of the free markers %.3f mm over %zu recording%s, status "
                "%s\n",
                a->common.output, job.progress.iteration, rgi_plural((size_t)job.progress.iteration), job.wall_s,
                job.progress.converged ? "converged" : "not converged", 1e3 * job.progress.train_l1_m, job.n,
                rgi_plural(job.n), text);
        if (a->common.json) code = rgc_print_json("fit", answer(&job, fit, a->common.output));
        if (code == RGC_DONE && strcmp(text, "ok") != 0) code = RGC_FAILED;
    }
    json_decref(fit);
    rg_fit_destroy(&job.fit);
    rg_recordings_free(recordings, job.n);
    rgi_model_file_clear(&start);
    free(key);
    free(path);
    return code;
}

int rgc_fit(int argc, char **argv)
{
    arguments a;
    rg_fit_opts opts = rg_fit_opts_default();
    double max_time = 0.0;
    int first = 0, last = 0;
    memset(&a, 0, sizeof a);
    char *command = rgc_command_line(argc, argv); /* before the parser reorders argv */
    if (!command) return rgc_complain("fit", RGC_FAILED, "no memory for %d arguments.", argc);
    int code = parse(argc, argv, &a, &opts, &max_time, &first, &last);
    if (code != RGC_DONE || a.common.help) {
        free(command);
        return code;
    }
    rgi_model_file none;
    memset(&none, 0, sizeof none);
    none.rollout = opts.rollout;
    opts.rollout = rgc_rollout_opts(&a.common, &none);
    code = run(&a, &opts, max_time, (const char *const *)(argv + first), (size_t)(last - first), command);
    free(command);
    return code;
}
