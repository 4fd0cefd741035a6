/* cli/bench.c: rodgrad bench: how fast named scenes (bench_scene.h) are simulated and differentiated on
 * this machine; what is measured and how: docs/bench.md.
 *
 * A row is a scene, a batch size, a mode and a real. All rows of a scene exist at once and their timed
 * repeats take turns, there and back again, so that a machine that changes its pace changes it for all. */
#include <errno.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_scene.h"
#include "cli/build.h"
#include "cli/inputs.h"
#include "io/atomic_file.h"
#include "rodgrad/batch.h"
#include "rodgrad/version.h"

static const char usage[] =
    "rodgrad bench [--scene NAME]... [--batch LIST] [--mode LIST] [--real LIST] [options]\n\n"
    "Simulates rods of a named scene, each its own, and differentiates them: a row per scene, batch, mode\n"
    "and real. --dt is the time between two frames (0.01 s). The table or, with --json, an object a line\n"
    "goes to stdout; --output takes the objects as well.";

/* forward: markers. tangent: and theirs in one direction of bend stiffness. adjoint: and the gradient of the
 * sum of their squares with respect to bend stiffness and start */
enum { FORWARD, TANGENT, ADJOINT, MODES };
static const char *const mode_names[MODES] = {"forward", "tangent", "adjoint"};

enum { LIST_MOST = 64, CALLS_MOST = 1000 };
static const double least_s = 0.02; /* of a timed repeat; quicker rollouts are repeated within */

typedef struct list {
    long values[LIST_MOST];
    size_t n;
} list;

typedef struct arguments {
    rgc_common common;
    list scenes, batches, modes, reals; /* scenes, modes, reals: indices into their names */
    long frames, repeat;
    double dt_s;
} arguments;

/* what rows of one scene and batch size share */
typedef struct group {
    size_t rods;
    rgc_scene_arrays scene;
    double *markers, *second;         /* [rods][F][V][3]; their tangents or cotangents */
    double *direction;                /* [rods][V] of the bend stiffness */
    double *x0, *v0, *turn0, *b[3];   /* gradients: [rods][V][3], [rods][E], [rods][V] */
    rg_rod_status *statuses;          /* [rods] */
    rg_adjoint_status *back_statuses; /* [rods] */
} group;

typedef struct row {
    group *group;
    int mode;
    rg_real real;
    rg_batch *batch;
    double *times;  /* [repeat] of one call [s] */
    size_t calls;   /* rollouts in a timed repeat */
    size_t failed;  /* rods */
    double newton;  /* iterations of a step, mean over rods that did not fail */
    char status[192];
} row;

typedef struct scene_run {
    const arguments *a;
    const rgc_scene *scene;
    rg_rollout_opts rollout;
    size_t steps;  /* of a rod */
    double step_s;
    group *groups; /* [batches] */
    row *rows;
    size_t n_groups, n_rows;
} scene_run;

/* ---- options ---- */

static int add(const char *option, long value, list *to)
{
    if (to->n == LIST_MOST)
        return rgc_complain("bench", RGC_USAGE, "--%s names more than %d values.", option, LIST_MOST);
    to->values[to->n++] = value;
    return RGC_DONE;
}

/* the name of one of an option's values; NULL past the last */
typedef const char *namer(size_t index);

static const char *scene_name(size_t i) { return i < RGC_SCENES ? rgc_scenes[i].name : NULL; }
static const char *mode_name(size_t i) { return i < MODES ? mode_names[i] : NULL; }
static const char *real_name(size_t i) { return i <= RG_REAL_FLOAT ? rg_real_name((rg_real)i) : NULL; }

/* `name` NULL: the option takes numbers of rods */
static int add_word(const char *option, const char *word, namer *name, list *to)
{
    char known[128] = "";
    long rods = 0;
    if (!name) {
        /* 1e9 rods are beyond any memory, and the sizes of their arrays within size_t */
        const int code = rgc_integer(option, word, 1, 1000000000, &rods);
        return code == RGC_DONE ? add(option, rods, to) : code;
    }
    for (size_t i = 0; name(i); i++) {
        if (strcmp(word, name(i)) == 0) return add(option, (long)i, to);
        const size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", name(i));
    }
    return rgc_complain("bench", RGC_USAGE,
                        "--%s names \"%s\", which is none of %s; commas go between several.", option,
                        word, known);
}

/* words between commas; a list that was never given takes the words of `otherwise` */
static int add_list(const char *option, const char *text, const char *otherwise, namer *name,
                    list *to)
{
    char word[32];
    if (!text && to->n) return RGC_DONE;
    for (const char *at = text ? text : otherwise;; at++) {
        const size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)fmin((double)length, 31.0), at);
        const int code = add_word(option, word, name, to);
        if (code != RGC_DONE) return code;
        at += length;
        if (!*at) return RGC_DONE;
    }
}

/* take every --scene out of argv: it may be given several times */
static int take_scenes(int *argc, char **argv, list *scenes)
{
    int kept = 1, at = 1, code = RGC_DONE;
    for (; at < *argc && strcmp(argv[at], "--") != 0 && code == RGC_DONE; at++) {
        if (strcmp(argv[at], "--scene") == 0 && at + 1 < *argc)
            code = add_list("scene", argv[++at], NULL, scene_name, scenes);
        else if (strncmp(argv[at], "--scene=", 8) == 0)
            code = add_list("scene", argv[at] + 8, NULL, scene_name, scenes);
        else argv[kept++] = argv[at];
    }
    while (at < *argc) argv[kept++] = argv[at++];
    *argc = kept;
    return code;
}

static int check_arguments(const arguments *a)
{
    const rgi_import_opts none = rgi_import_opts_default();
    const rgi_import_opts *import = &a->common.import;
    if (a->common.clamps_given || a->common.refine || import->axes != none.axes ||
        import->unit_m != none.unit_m)
        return rgc_complain("bench", RGC_USAGE,
                            "its scenes are made of formulas, so it takes no --clamp, --axes, --units "
                            "or --refine.");
    for (size_t i = 0; i < a->reals.n; i++)
        if (!a->common.context && a->reals.values[i] != RG_REAL_DOUBLE)
            return rgc_complain("bench", RGC_USAGE,
                                "--real names \"%s\", but the backend cpu computes in double; leave it "
                                "out.",
                                rg_real_name((rg_real)a->reals.values[i]));
    return RGC_DONE;
}

static int parse(int argc, char **argv, arguments *a)
{
    const char *scene = NULL, *batch = NULL, *mode = NULL, *real = NULL, *frames = NULL, *repeat = NULL;
    const rgc_option extra[] = {
        {"scene", &scene, NULL, "rope12, rope25, rope50, rope100 or rope200 (rope12); may be repeated"},
        {"batch", &batch, NULL, "numbers of rods, commas between (1,64,1024)"},
        {"mode", &mode, NULL, "of forward,tangent,adjoint (all)"},
        {"real", &real, NULL, "of double,float (double)"},
        {"frames", &frames, NULL, "frames that a rod is simulated for (100)"},
        {"repeat", &repeat, NULL, "timed repeats after the warm-up (7)"},
    };
    int first = 0, last = 0, code = RGC_DONE;
    memset(a, 0, sizeof *a);
    a->frames = 100;
    a->repeat = 7;
    if ((code = take_scenes(&argc, argv, &a->scenes))) return code;
    code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &a->common, &first, &last);
    if (code != RGC_DONE || a->common.help) return code;
    if (last > first)
        return rgc_complain("bench", RGC_USAGE, "it takes options only, and \"%.100s\" was given.",
                            argv[first]);
    if ((code = add_list("scene", scene, "rope12", scene_name, &a->scenes)) ||
        (code = add_list("batch", batch, "1,64,1024", NULL, &a->batches)) ||
        (code = add_list("mode", mode, "forward,tangent,adjoint", mode_name, &a->modes)) ||
        (code = add_list("real", real, "double", real_name, &a->reals)) ||
        (frames && (code = rgc_integer("frames", frames, 1, 1000000, &a->frames))) ||
        (repeat && (code = rgc_integer("repeat", repeat, 1, 100000, &a->repeat))))
        return code;
    a->dt_s = a->common.dt_given ? a->common.import.dt_s : 0.01;
    return check_arguments(a);
}

/* ---- set up and release ---- */

static rg_status go_on(rg_error *err)
{
    if (!rgc_interrupted()) return RG_OK;
    return RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted; rows of scenes that were finished stand.");
}

static rg_status group_arrays(const scene_run *run, group *g, const rg_batch *batch, rg_error *err)
{
    const size_t v = run->scene->vertices, markers = (size_t)run->a->frames * v * 3;
    RG_TRY(rgc_scene_arrays_create(run->scene, batch, g->rods, run->steps, run->step_s, &g->scene, err));
    g->markers = calloc(g->rods, markers * sizeof(double));
    g->second = calloc(g->rods, markers * sizeof(double));
    g->direction = calloc(g->rods, v * sizeof(double));
    g->x0 = calloc(g->rods, 3 * v * sizeof(double));
    g->v0 = calloc(g->rods, 3 * v * sizeof(double));
    g->turn0 = calloc(g->rods, (v - 1) * sizeof(double));
    int enough = g->markers && g->second && g->direction && g->x0 && g->v0 && g->turn0;
    for (int k = 0; k < 3; k++) {
        g->b[k] = calloc(g->rods, v * sizeof(double));
        enough = enough && g->b[k];
    }
    g->statuses = calloc(g->rods, sizeof *g->statuses);
    g->back_statuses = calloc(g->rods, sizeof *g->back_statuses);
    if (!enough || !g->statuses || !g->back_statuses)
        return RG_FAIL(err, RG_ERR_MEMORY,
                       "out of memory for the results of %zu rods over %ld frames; take a smaller --batch "
                       "or fewer --frames.",
                       g->rods, run->a->frames);
    for (size_t i = 0; i < g->rods * v; i++) g->direction[i] = 1e-3;
    return RG_OK;
}

static rg_status row_create(const scene_run *run, row *r, rg_error *err)
{
    rg_batch_opts opts = rg_batch_opts_default();
    rg_model *model = NULL;
    opts.rollout = run->rollout;
    opts.rollout.real = r->real;
    opts.dt_s = run->a->dt_s;
    opts.n_frames = (size_t)run->a->frames;
    opts.adjoint = r->mode == ADJOINT;
    r->times = calloc((size_t)run->a->repeat, sizeof *r->times);
    if (!r->times) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %ld times.", run->a->repeat);
    RG_TRY(rgc_scene_model(run->scene, run->rollout.stepper, 0, &model, err));
    rg_status status = rg_batch_create(model, r->group->rods, &opts, &r->batch, err);
    rg_model_destroy(&model);
    if (status != RG_OK) return status;
    RG_TRY(go_on(err));
    RG_TRY(rgc_scene_set_models(run->scene, run->rollout.stepper, r->batch, r->group->rods, err));
    return r->group->markers ? RG_OK : group_arrays(run, r->group, r->batch, err);
}

static rg_status scene_create(const arguments *a, const rgc_scene *scene, scene_run *run, rg_error *err)
{
    memset(run, 0, sizeof *run);
    run->a = a;
    run->scene = scene;
    run->rollout = rgc_rollout_opts(&a->common, NULL);
    if (!a->common.substeps)
        RG_TRY(rgc_scene_substeps(scene, run->rollout.stepper, a->dt_s, &run->rollout.substeps, err));
    run->steps = (size_t)a->frames * (size_t)run->rollout.substeps;
    run->step_s = a->dt_s / run->rollout.substeps;
    run->n_groups = a->batches.n;
    run->n_rows = a->batches.n * a->modes.n * a->reals.n;
    run->groups = calloc(run->n_groups, sizeof *run->groups);
    run->rows = calloc(run->n_rows, sizeof *run->rows);
    if (!run->groups || !run->rows)
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rows.", run->n_rows);
    for (size_t i = 0; i < run->n_rows; i++) {
        row *r = &run->rows[i];
        r->mode = (int)a->modes.values[i % a->modes.n];
        r->real = (rg_real)a->reals.values[i / a->modes.n % a->reals.n];
        r->group = &run->groups[i / a->modes.n / a->reals.n];
        r->group->rods = (size_t)a->batches.values[i / a->modes.n / a->reals.n];
        rgc_progress("%s: setting up row %zu of %zu", scene->name, i + 1, run->n_rows);
        RG_TRY(row_create(run, r, err));
    }
    return RG_OK;
}

static void scene_clear(scene_run *run)
{
    for (size_t i = 0; run->rows && i < run->n_rows; i++) {
        rg_batch_destroy(&run->rows[i].batch);
        free(run->rows[i].times);
    }
    for (size_t i = 0; run->groups && i < run->n_groups; i++) {
        group *g = &run->groups[i];
        rgc_scene_arrays_clear(&g->scene);
        free(g->markers);
        free(g->second);
        free(g->direction);
        free(g->x0);
        free(g->v0);
        free(g->turn0);
        for (int k = 0; k < 3; k++) free(g->b[k]);
        free(g->statuses);
        free(g->back_statuses);
    }
    free(run->rows);
    free(run->groups);
}

/* ---- measure ---- */

/* what is timed */
static rg_status call(const scene_run *run, const row *r, rg_error *err)
{
    group *g = r->group;
    const rg_batch_inputs in = rgc_scene_inputs(&g->scene);
    const rg_batch_outputs out = {.markers = g->markers};
    if (r->mode == TANGENT) {
        rg_batch_tangents along = {0};
        const rg_batch_tangent_outputs second = {.markers = g->second};
        along.fields[RG_BEND_STIFFNESS_1] = along.fields[RG_BEND_STIFFNESS_2] = g->direction;
        return rg_batch_jvp(r->batch, &in, &along, &out, &second, g->statuses, err);
    }
    RG_TRY(rg_batch_forward(r->batch, &in, &out, g->statuses, err));
    if (r->mode == FORWARD) return RG_OK;
    const rg_batch_cotangents from = {.markers = g->second};
    rg_batch_gradients to = {.x0 = g->x0, .v0 = g->v0, .turn0 = g->turn0};
    to.fields[RG_BEND_STIFFNESS_1] = g->b[0];
    to.fields[RG_BEND_STIFFNESS_2] = g->b[1];
    to.fields[RG_BEND_COUPLING] = g->b[2];
    const size_t n = g->rods * (size_t)run->a->frames * run->scene->vertices * 3;
    for (size_t i = 0; i < n; i++) g->second[i] = 2.0 * g->markers[i];
    return rg_batch_adjoint(r->batch, &from, &to, g->back_statuses, err);
}

static rg_status timed(const scene_run *run, const row *r, size_t calls, double *each_s, rg_error *err)
{
    const double began = rgc_seconds();
    for (size_t k = 0; k < calls; k++) {
        RG_TRY(call(run, r, err));
        RG_TRY(go_on(err));
    }
    *each_s = (rgc_seconds() - began) / (double)calls;
    return RG_OK;
}

/* rods that failed, in the run or in the reverse run, and the first of them in words */
static void judge(const scene_run *run, row *r)
{
    const group *g = r->group;
    double iterations = 0.0;
    char reason[128] = "ok";
    size_t first = 0;
    for (size_t i = 0; i < g->rods; i++) {
        const int back = r->mode == ADJOINT && g->back_statuses[i].flag != RG_ROD_OK;
        iterations += g->statuses[i].iterations;
        if (g->statuses[i].flag == RG_ROD_OK && !back) continue;
        if (r->failed++) continue;
        first = i;
        if (g->statuses[i].flag != RG_ROD_OK) rgc_rod_text(&g->statuses[i], reason, sizeof reason);
        else
            snprintf(reason, sizeof reason, "reverse run, step %d: %s", g->back_statuses[i].step,
                     rg_rod_flag_text(g->back_statuses[i].flag));
    }
    r->newton = iterations / (double)(g->rods * run->steps);
    if (r->failed)
        snprintf(r->status, sizeof r->status, "%zu failed: rod %zu, %s", r->failed, first, reason);
    else snprintf(r->status, sizeof r->status, "ok");
}

static rg_status measure(scene_run *run, rg_error *err)
{
    const size_t repeat = (size_t)run->a->repeat;
    double each_s = 0.0;
    for (size_t i = 0; i < run->n_rows; i++) {
        row *r = &run->rows[i];
        rgc_progress("%s: warm-up, row %zu of %zu", run->scene->name, i + 1, run->n_rows);
        RG_TRY(timed(run, r, 1, &each_s, err));
        judge(run, r);
        /* the first call pays for memory that is touched for the first time */
        if (each_s < least_s) RG_TRY(timed(run, r, 1, &each_s, err));
        r->calls = (size_t)fmin(fmax(ceil(least_s / fmax(each_s, 1e-9)), 1.0), (double)CALLS_MOST);
    }
    for (size_t k = 0; k < repeat; k++)
        for (size_t i = 0; i < run->n_rows; i++) {
            row *r = &run->rows[k % 2 ? run->n_rows - 1 - i : i];
            rgc_progress("%s: repeat %zu of %zu, row %zu of %zu", run->scene->name, k + 1, repeat, i + 1,
                         run->n_rows);
            RG_TRY(timed(run, r, r->calls, &r->times[k], err));
        }
    return RG_OK;
}

/* ---- output ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *sorted, size_t n)
{
    return 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
}

/* the processor's name as the system gives it */
static void machine_name(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    snprintf(text, size, "unknown");
    while (file && fgets(line, sizeof line, file)) {
        const char *value = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !value) continue;
        value += 1 + strspn(value + 1, " ");
        snprintf(text, size, "%.*s", (int)strcspn(value, "\n"), value);
        break;
    }
    if (file) fclose(file);
}

static int threads_of(const rg_rollout_opts *opts)
{
    return opts->threads > 0 ? opts->threads : omp_get_max_threads();
}

static const char *isa_of(const rg_rollout_opts *opts) { return opts->isa ? opts->isa : rg_cpu_isa(); }

static double bytes_per_rod(const row *r)
{
    return (double)rg_batch_describe(r->batch).total_bytes / (double)r->group->rods;
}

/* times are sorted; NULL without memory */
static json_t *row_json(const scene_run *run, const row *r)
{
    const size_t repeat = (size_t)run->a->repeat;
    const double rods = (double)r->group->rods, median_s = median(r->times, repeat);
    const int implicit = run->rollout.stepper == RG_STEPPER_IMPLICIT;
    char machine[160];
    machine_name(machine, sizeof machine);
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:I, s:I, s:i, s:s, s:s, s:f, s:f, s:f}", "scene", run->scene->name, "mode",
        mode_names[r->mode], "real", rg_real_name(r->real), "batch", (json_int_t)r->group->rods, "vertices",
        (json_int_t)run->scene->vertices, "threads", threads_of(&run->rollout), "backend",
        rg_context_backend(run->rollout.context), "stepper", rg_stepper_name(run->rollout.stepper),
        "dt_s", run->step_s, "rod_steps_per_s", rods * (double)run->steps / median_s,
        "bytes_per_rod", bytes_per_rod(r));
    json_t *more = json_pack(
        "{s:f, s:I, s:f, s:i, s:I, s:I, s:I, s:f, s:f, s:f, s:o, s:I}", "rod_seconds_per_s",
        rods * (double)run->a->frames * run->a->dt_s / median_s, "frames", (json_int_t)run->a->frames,
        "frame_s", run->a->dt_s, "substeps", run->rollout.substeps, "steps", (json_int_t)run->steps,
        "repeats", (json_int_t)repeat, "calls_per_repeat", (json_int_t)r->calls, "min_s", r->times[0],
        "median_s", median_s, "max_s", r->times[repeat - 1], "status", rgc_json_text(r->status),
        "failed_rods", (json_int_t)r->failed);
    json_t *where = json_pack(
        "{s:o, s:o, s:o, s:o, s:s, s:i, s:s, s:s, s:s, s:s}", "newton_per_step",
        rgc_json_number(implicit ? r->newton : (double)NAN), "scheme",
        implicit ? json_string(rg_scheme_name(run->rollout.scheme)) : json_null(),
        "machine", rgc_json_text(machine), "device",
        run->rollout.context ? rgc_json_text(rg_context_device_name(run->rollout.context)) : json_null(),
        "isa", isa_of(&run->rollout), "processors",
        omp_get_num_procs(), "compiler", RGC_COMPILER, "build_type", RODGRAD_BUILD_TYPE, "flags",
        RODGRAD_BUILD_FLAGS, "version", RODGRAD_VERSION);
    const int failed = !object || !more || !where || json_object_update(object, more) != 0 ||
                       json_object_update(object, where) != 0;
    json_decref(more);
    json_decref(where);
    if (!failed) return object;
    json_decref(object);
    return NULL;
}

static void print_head(const scene_run *run)
{
    const arguments *a = run->a;
    char machine[160];
    machine_name(machine, sizeof machine);
    printf("%s, %d threads, %s, %s, rodgrad %s\n", machine, threads_of(&run->rollout),
           isa_of(&run->rollout), RGC_COMPILER, RODGRAD_VERSION);
    printf("%s stepper, %s, %ld frames of %g ms; minimum, median, maximum of %ld repeats\n\n",
           rg_stepper_name(run->rollout.stepper), rg_context_backend(run->rollout.context), a->frames,
           1e3 * a->dt_s, a->repeat);
    printf("%-8s %8s  %-8s %-7s %10s %11s %11s %11s %12s %11s %9s  %s\n", "scene", "batch", "mode",
           "real", "step [ms]", "min [ms]", "median [ms]", "max [ms]", "rod-steps/s", "rod-s/s", "kB/rod",
           "status");
}

static void print_row(const scene_run *run, const row *r)
{
    const size_t repeat = (size_t)run->a->repeat;
    const double median_s = median(r->times, repeat), steps = (double)r->group->rods * (double)run->steps;
    printf("%-8s %8zu  %-8s %-7s %10.4g %11.3f %11.3f %11.3f %12.0f %11.1f %9.1f  %s\n",
           run->scene->name, r->group->rods, mode_names[r->mode], rg_real_name(r->real),
           1e3 * run->step_s, 1e3 * r->times[0], 1e3 * median_s, 1e3 * r->times[repeat - 1], steps / median_s,
           steps * run->step_s / median_s, 1e-3 * bytes_per_rod(r), r->status);
}

/* what went out so far */
typedef struct output {
    FILE *file; /* --output's, or NULL */
    size_t rows, failed_rows;
} output;

static int show(const scene_run *run, row *r, output *to)
{
    const arguments *a = run->a;
    qsort(r->times, (size_t)a->repeat, sizeof *r->times, ascending);
    json_t *object = a->common.json || to->file ? row_json(run, r) : NULL;
    /* a file that cannot be written says so when it is committed */
    if (to->file && object && json_dumpf(object, to->file, JSON_COMPACT) == 0) fputc('\n', to->file);
    to->failed_rows += r->failed > 0;
    if (a->common.json) return rgc_print_json("bench", object);
    const int enough = object || !to->file;
    json_decref(object);
    if (!enough) return rgc_complain("bench", RGC_FAILED, "no memory for the JSON output.");
    if (to->rows++ == 0) print_head(run);
    print_row(run, r);
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("bench", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int run_scene(const arguments *a, const rgc_scene *scene, output *to)
{
    scene_run run;
    rg_error err = {0};
    rg_status status = scene_create(a, scene, &run, &err);
    if (status == RG_OK) status = measure(&run, &err);
    rgc_progress_clear();
    int code = status == RG_OK ? RGC_DONE : rgc_fail("bench", &err);
    for (size_t i = 0; i < run.n_rows && code == RGC_DONE; i++) code = show(&run, &run.rows[i], to);
    scene_clear(&run);
    return code;
}

int rgc_bench(int argc, char **argv)
{
    arguments a;
    rg_error err = {0};
    rgi_atomic_file file = {0};
    int code = parse(argc, argv, &a);
    if (code != RGC_DONE || a.common.help) return code;
    rgc_catch_signals();
    if (a.common.output && rgi_atomic_open(&file, a.common.output, 1, &err) != RG_OK)
        return rgc_fail("bench", &err);
    output to = {.file = file.stream};
    for (size_t i = 0; i < a.scenes.n && code == RGC_DONE; i++)
        code = run_scene(&a, &rgc_scenes[a.scenes.values[i]], &to);
    if (code != RGC_DONE) rgi_atomic_abort(&file);
    else if (to.file && rgi_atomic_commit(&file, &err) != RG_OK) code = rgc_fail("bench", &err);
    if (code == RGC_DONE && to.failed_rows)
        code = rgc_complain("bench", RGC_FAILED,
                            "rods failed in %zu rows, whose times therefore say little; see their status.",
                            to.failed_rows);
    return code;
}
