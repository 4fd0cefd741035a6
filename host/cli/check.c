/* cli/check.c: rodgrad check: gradient, convergence, health and conditioning of a model on the
 * user's own recordings, each with a verdict in words (docs/check.md). */
#include "cli/check.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/words.h"

static const char usage[] = "rodgrad check model.json RECORDING... [options]\n\n"
                            "Checks derivatives, step size, growth of gradients and conditioning "
                            "on these recordings. Of many or\n"
                            "long ones it takes --rods, evenly spread, and their first --frames. "
                            "The result goes to stdout, exit\n"
                            "code 1 means that a check failed.";

typedef struct arguments {
    rgc_common common;
    long frames, rods;
    size_t budget;
    const char *model;
    const char *const *paths;
    size_t n_paths;
} arguments;

/* ---- for the parts ---- */

void rgc_check_add(rgc_check_job *job, const char *name, double figure, double bar, int passed, const char *text, ...)
{
    va_list words;
    if (job->n_verdicts == RGC_VERDICTS) return;
    rgc_verdict *v = &job->verdicts[job->n_verdicts++];
    snprintf(v->name, sizeof v->name, "%s", name);
    v->figure = figure;
    v->bar = bar;
    v->passed = passed;
    va_start(words, text);
    vsnprintf(v->text, sizeof v->text, text, words);
    va_end(words);
}

rg_status rgc_check_detail(rgc_check_job *job, const char *name, json_t *value, rg_error *err)
{
    if (value && json_object_set_new(job->details, name, value) == 0) return RG_OK;
    return RG_FAIL(err, RG_ERR_MEMORY, "no memory for the JSON output.");
}

rg_status rgc_check_go_on(rg_error *err)
{
    if (!rgc_interrupted()) return RG_OK;
    return RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted; nothing was reported.");
}

/* xorshift64* (Vigna 2016) */
double rgc_check_random(rgc_check_job *job)
{
    unsigned long long z = job->random;
    z ^= z >> 12;
    z ^= z << 25;
    z ^= z >> 27;
    job->random = z;
    return 2.0 * ((double)((z * 0x2545f4914f6cdd1dull) >> 11) * 0x1p-53) - 1.0;
}

json_t *rgc_check_numbers(const double *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        if (json_array_append_new(list, rgc_json_number(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

int rgc_check_rod_ok(const rgc_check_job *job, size_t rod) { return job->statuses[rod].flag == RG_ROD_OK; }

/* ---- input ---- */

/* bytes with k, M or G behind, or "all" */
static int parse_memory(const char *text, size_t *bytes)
{
    static const struct {
        const char *suffix;
        double factor;
    } units[] = {{"", 1.0}, {"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}};
    if (strcmp(text, "all") == 0) {
        *bytes = RG_STORE_ALL;
        return RGC_DONE;
    }
    char *end = NULL;
    const double number = strtod(text, &end);
    for (size_t i = 0; end != text && i < sizeof units / sizeof *units; i++) {
        const double value = number * units[i].factor;
        if (strcmp(end, units[i].suffix) != 0 || !(value >= 1.0 && value <= 1e18)) continue;
        *bytes = (size_t)value;
        return RGC_DONE;
    }
    return rgc_complain("check", RGC_USAGE,
                        "--memory is \"%s\" but must be a number of bytes such as 64M (k, M, G), or "
                        "all.",
                        text);
}

static int parse(int argc, char **argv, arguments *a)
{
    const char *frames = NULL, *rods = NULL, *memory = NULL;
    const rgc_option extra[] = {
        {"frames", &frames, NULL, "check at most so many frames of a recording (200)"},
        {"rods", &rods, NULL, "check at most so many recordings (8)"},
        {"memory", &memory, NULL, "for states kept for gradients: bytes (k, M, G), or all"},
    };
    int first = 0, last = 0, code = RGC_DONE;
    memset(a, 0, sizeof *a);
    a->frames = 200;
    a->rods = 8;
    code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &a->common, &first, &last);
    if (code != RGC_DONE || a->common.help) return code;
    if (frames && (code = rgc_integer("frames", frames, 3, 1000000, &a->frames))) return code;
    if (rods && (code = rgc_integer("rods", rods, 1, 100000, &a->rods))) return code;
    if (memory && (code = parse_memory(memory, &a->budget))) return code;
    if (last - first < 2)
        return rgc_complain("check", RGC_USAGE,
                            "give a model.json and at least one recording; see rodgrad check --help.");
    a->model = argv[first];
    a->paths = (const char *const *)&argv[first + 1];
    a->n_paths = (size_t)(last - first - 1);
    return RGC_DONE;
}

/* the recordings that are checked: some of those read, cut */
static rg_status choose(rgc_check_job *job, const arguments *a, rg_error *err)
{
    const size_t most = (size_t)a->rods;
    job->n = job->n_read < most ? job->n_read : most;
    job->used = calloc(job->n, sizeof *job->used);
    job->whole_s = calloc(job->n, sizeof *job->whole_s);
    job->statuses = calloc(job->n, sizeof *job->statuses);
    job->details = json_object();
    if (!job->used || !job->whole_s || !job->statuses || !job->details)
        return RG_FAIL(err, RG_ERR_MEMORY, "no memory for %zu recording%s.", job->n, rgi_plural(job->n));
    for (size_t i = 0; i < job->n; i++) {
        rg_recording *r = &job->used[i];
        *r = job->recordings[i * job->n_read / job->n];
        double frames = (double)(r->n_frames - 2);
        for (size_t f = 2; r->lost && f < r->n_frames; f++) frames += r->lost[f];
        job->whole_s[i] = frames * r->dt_s;
        if (r->n_frames > (size_t)a->frames) r->n_frames = (size_t)a->frames;
    }
    return RG_OK;
}

/* ---- output ---- */

/* "ok", or the first check that failed and how many more there are */
static void overall(const rgc_check_job *job, char *text, size_t size)
{
    size_t failed = 0, first = 0;
    for (size_t i = job->n_verdicts; i-- > 0;)
        if (!job->verdicts[i].passed) {
            failed++;
            first = i;
        }
    if (!failed) snprintf(text, size, "ok");
    else if (failed == 1) snprintf(text, size, "%s: %s", job->verdicts[first].name, job->verdicts[first].text);
    else
        snprintf(text, size, "%zu of %zu checks failed, first %s: %s", failed, job->n_verdicts,
                 job->verdicts[first].name, job->verdicts[first].text);
}

static json_t *checks_json(const rgc_check_job *job)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < job->n_verdicts; i++) {
        const rgc_verdict *v = &job->verdicts[i];
        json_t *one = json_pack("{s:s, s:o, s:o, s:b, s:o}", "name", v->name, "figure", rgc_json_number(v->figure),
                                "bar", rgc_json_number(v->bar), "passed", v->passed, "verdict", rgc_json_text(v->text));
        if (json_array_append_new(list, one) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* NULL without memory */
static json_t *check_json(const rgc_check_job *job, const arguments *a, const char *plan, double wall_s)
{
    char text[640];
    json_t *names = json_array();
    overall(job, text, sizeof text);
    for (size_t i = 0; names && i < job->n; i++) json_array_append_new(names, rgc_json_text(job->used[i].name));
    json_t *object = json_pack(
        "{s:o, s:o, s:I, s:I, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:f, s:o, s:o, s:o, s:[f, f, f]}", "model",
        rgc_json_text(a->model), "recordings", names, "frame_intervals", (json_int_t)job->rods->frames, "steps",
        (json_int_t)job->rods->steps, "stepper", rg_stepper_name(job->opts.stepper), "scheme",
        rg_scheme_name(job->opts.scheme), "substeps", job->opts.substeps, "memory", plan, "backend",
        rgi_rollout_backend(&job->opts), "isa", rgi_rollout_isa(&job->opts), "real", rg_real_name(job->opts.real),
        "wall_s", wall_s, "checks", checks_json(job), "verdict", rgc_json_text(text), "status", rgc_json_text(text),
        "gravity_m_s2", job->opts.gravity[0], job->opts.gravity[1], job->opts.gravity[2]);
    if (object && json_object_update(object, job->details) == 0) return object;
    json_decref(object);
    return NULL;
}

static void print_figure(double value)
{
    if (isnan(value)) printf("  %9s", "-");
    else if (value == 0.0) printf("  %9s", "0");
    else printf("  %9.1e", value);
}

static int print_table(const rgc_check_job *job)
{
    char text[640];
    printf("%-19s  %9s  %9s  %-6s  verdict\n", "check", "figure", "bar", "");
    for (size_t i = 0; i < job->n_verdicts; i++) {
        const rgc_verdict *v = &job->verdicts[i];
        printf("%-19s", v->name);
        print_figure(v->figure);
        print_figure(v->bar);
        printf("  %-6s  %s\n", v->passed ? "good" : "FAILED", v->text);
    }
    overall(job, text, sizeof text);
    printf("%s\n", strcmp(text, "ok") == 0 ? "verdict: ok" : "verdict: not all is well");
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("check", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int show(const rgc_check_job *job, const arguments *a, const char *plan, double wall_s)
{
    char text[640];
    overall(job, text, sizeof text);
    int code = a->common.json ? rgc_print_json("check", check_json(job, a, plan, wall_s)) : print_table(job);
    if (code == RGC_DONE && strcmp(text, "ok") != 0) code = rgc_complain("check", RGC_FAILED, "%s.", text);
    return code;
}

/* ---- the job ---- */

static rg_status load(rgc_check_job *job, const arguments *a, rg_error *err)
{
    rgc_progress("reading recordings");
    RG_TRY(rgi_model_file_load(a->model, &job->file, err));
    RG_TRY(rgc_read_recordings(a->paths, a->n_paths, &a->common, &job->file, a->model, &job->recordings, &job->n_read,
                               err));
    rgc_warn_twice("check", "", job->recordings, job->n_read);
    rgc_tell_gravity("check", &a->common, &job->file, a->model);
    job->opts = rgc_rollout_opts(&a->common, &job->file);
    RG_TRY(choose(job, a, err));
    rg_batch_opts opts = rg_batch_opts_default();
    opts.budget_bytes = job->budget = a->budget;
    RG_TRY(rgc_rods_create(job->file.model, job->used, job->n, &job->opts, &job->rods, err));
    return rgc_rods_batch(job->rods, &opts, &job->batch, err);
}

static rg_status run_checks(rgc_check_job *job, rg_error *err)
{
    rgc_progress("simulating with derivatives");
    RG_TRY(rgc_check_rollout(job, err));
    RG_TRY(rgc_check_solve(job, err));
    RG_TRY(rgc_check_shake(job, err));
    RG_TRY(rgc_check_stability(job, err));
    RG_TRY(rgc_check_step_size(job, err));
    /* the reverse run follows the forward run of its batch */
    RG_TRY(rgc_check_gradient(job, err));
    RG_TRY(rgc_check_health(job, err));
    RG_TRY(rgc_check_hessian(job, err));
    RG_TRY(rgc_check_parameters(job, err));
    return rgc_check_go_on(err);
}

static void clear(rgc_check_job *job)
{
    rg_batch_destroy(&job->batch);
    rgc_rods_destroy(&job->rods);
    rgc_rods_destroy(&job->shaken);
    rg_recordings_free(job->recordings, job->n_read);
    rgi_model_file_clear(&job->file);
    json_decref(job->details);
    free(job->used);
    free(job->whole_s);
    free(job->statuses);
}

int rgc_check(int argc, char **argv)
{
    arguments a;
    rg_error err = {0};
    rgc_check_job job;
    char plan[256] = "";
    int code = parse(argc, argv, &a);
    if (code != RGC_DONE || a.common.help) return code;
    memset(&job, 0, sizeof job);
    job.random = 0x9e3779b97f4a7c15ull;
    rgc_catch_signals();
    const double began = rgc_seconds();
    rg_status status = load(&job, &a, &err);
    if (status == RG_OK) {
        const rg_batch_plan described = rg_batch_describe(job.batch);
        rg_batch_plan_text(&described, plan, sizeof plan);
        rgc_progress_clear();
        fprintf(stderr, "%zu of %zu recording%s, %zu frame interval%s; memory: %s\n", job.n, job.n_read,
                rgi_plural(job.n_read), job.rods->frames, rgi_plural(job.rods->frames), plan);
        status = run_checks(&job, &err);
    }
    rgc_progress_clear();
    code = status == RG_OK ? show(&job, &a, plan, rgc_seconds() - began) : rgc_fail("check", &err);
    clear(&job);
    return code;
}
