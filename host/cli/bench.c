/* cli/bench.c: rodgrad bench: how fast named scenes (bench_scene.h) are simulated and differentiated on this
 * machine; what is measured and how: docs/bench.md.
 *
 * A row is a scene, a batch size, a real, a number of threads and a mode. All rows of a scene exist at once
 * and their timed repeats take turns, there and back again and with the processor's limits (bench_limits.h),
 * so that a machine that changes its pace changes it for all. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bench_limits.h"
#include "cli/bench_rows.h"
#include "cli/inputs.h"
#include "core/rollout_opts.h"
#include "core/words.h"
#include "io/atomic_file.h"
#include "threads/pool.h"

static const char usage[] =
    "rodgrad bench [--scene NAME]... [--batch LIST] [--mode LIST] [--parameters LIST] [--real LIST]\n"
    "                     [--threads LIST] [options]\n\n"
    "Simulates rods of a named scene, each its own, and differentiates them: a row per scene, batch, real,\n"
    "number of threads, mode and, with mode tangent, number of parameters. --dt is the time between two\n"
    "frames (0.01 s). The table or, with --json, an object a line goes to stdout; --output takes the\n"
    "objects as well.";

enum { LIST_MOST = 64, CALLS_MOST = 1000 };
static const double least_s = 0.02; /* of a timed repeat; quicker calls are repeated within */

typedef struct list {
    long values[LIST_MOST];
    size_t n;
} list;

typedef struct arguments {
    rgc_common common;
    list scenes, batches, modes, reals; /* scenes, modes, reals: indices into their names */
    list parameters, threads;
    long frames, repeat;
    long team, registers, block_rods; /* of a GPU's kernels, 0: as they come */
    rg_memory memory;
    double dt_s;
} arguments;

/* the most that the processor does, of as many threads as a row has */
typedef struct limit {
    int threads;
    rg_real real;
    double flops, bandwidth; /* [1/s] */
} limit;

typedef struct scene_run {
    const arguments *a;
    rgc_setting setting;
    rgc_arrays *groups; /* [batches] */
    rgc_row *rows;
    limit limits[LIST_MOST * (RG_REAL_FLOAT + 1)];
    size_t n_groups, n_rows, n_limits;
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
static const char *mode_name(size_t i) { return i < RGC_MODES ? rgc_mode_names[i] : NULL; }
static const char *real_name(size_t i) { return i <= RG_REAL_FLOAT ? rg_real_name((rg_real)i) : NULL; }

/* what an option's list holds: names, or numbers from 1 to `most` */
typedef struct kind {
    namer *name;
    long most;
} kind;

/* 1e9 rods are beyond any memory, and the sizes of their arrays within size_t */
static const kind a_scene = {scene_name, 0}, a_batch = {NULL, 1000000000}, a_mode = {mode_name, 0},
                  a_real = {real_name, 0}, a_count = {NULL, 4096};

static int add_word(const char *option, const char *word, const kind *of, list *to)
{
    char known[128] = "";
    long number = 0;
    if (!of->name) {
        const int code = rgc_integer(option, word, 1, of->most, &number);
        return code == RGC_DONE ? add(option, number, to) : code;
    }
    for (size_t i = 0; of->name(i); i++) {
        if (strcmp(word, of->name(i)) == 0) return add(option, (long)i, to);
        const size_t length = strlen(known);
        snprintf(known + length, sizeof known - length, "%s%s", i ? ", " : "", of->name(i));
    }
    return rgc_complain("bench", RGC_USAGE, "--%s names \"%s\", which is none of %s; commas go between several.",
                        option, word, known);
}

/* words between commas; a list that was never given takes the words of `otherwise` */
static int add_list(const char *option, const char *text, const char *otherwise, const kind *of, list *to)
{
    char word[32];
    if (!text && to->n) return RGC_DONE;
    for (const char *at = text ? text : otherwise;; at++) {
        const size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)fmin((double)length, 31.0), at);
        const int code = add_word(option, word, of, to);
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
            code = add_list("scene", argv[++at], NULL, &a_scene, scenes);
        else if (strncmp(argv[at], "--scene=", 8) == 0) code = add_list("scene", argv[at] + 8, NULL, &a_scene, scenes);
        else argv[kept++] = argv[at];
    }
    while (at < *argc) argv[kept++] = argv[at++];
    *argc = kept;
    return code;
}

/* what a row of these arguments runs with, but for its real and threads */
static rg_rollout_opts rollout_of(const arguments *a)
{
    rg_rollout_opts opts = rgc_rollout_opts(&a->common, NULL);
    opts.team = (int)a->team;
    opts.team_registers = (int)a->registers;
    opts.block_rods = (int)a->block_rods;
    return opts;
}

/* where arrays are: on a GPU unless the host is asked for */
static int parse_memory(const char *text, arguments *a)
{
    const int gpu = a->common.context != NULL;
    a->memory = gpu ? RG_MEMORY_DEVICE : RG_MEMORY_HOST;
    if (!text || strcmp(text, gpu ? "device" : "host") == 0) return RGC_DONE;
    a->memory = RG_MEMORY_HOST;
    if (strcmp(text, "host") == 0) return RGC_DONE;
    return rgc_complain("bench", RGC_USAGE, "--memory is \"%.40s\" but must be host%s.", text,
                        gpu ? " or device" : " on the CPU");
}

static int check_arguments(const arguments *a)
{
    rg_rollout_opts opts = rollout_of(a);
    if (a->common.output && rgc_check_suffix("bench", a->common.output, ".jsonl", ".ndjson", ".json") != RGC_DONE)
        return RGC_USAGE;
    rg_error err = {0};
    if (rgc_check_steps(&a->common, opts.stepper, &err) != RG_OK) return rgc_fail("bench", &err);
    for (size_t i = 0; i < a->reals.n; i++) {
        const rgi_cpu *cpu = NULL;
        opts.real = (rg_real)a->reals.values[i];
        if (rgi_rollout_check(&opts, &cpu, &err) != RG_OK) return rgc_fail("bench", &err);
    }
    return RGC_DONE;
}

static int has_tangent(const arguments *a)
{
    for (size_t i = 0; i < a->modes.n; i++)
        if (a->modes.values[i] == RGC_TANGENT) return 1;
    return 0;
}

static int parse(int argc, char **argv, arguments *a)
{
    const char *scene = NULL, *batch = NULL, *mode = NULL, *parameters = NULL, *real = NULL, *threads = NULL,
               *frames = NULL, *repeat = NULL, *team = NULL, *registers = NULL, *block_rods = NULL, *memory = NULL;
    const rgc_option extra[] = {
        {"scene", &scene, NULL, "rope12, rope25, rope50, rope100 or rope200 (rope12); may be repeated"},
        {"batch", &batch, NULL, "numbers of rods, commas between (1,64,1024)"},
        {"mode", &mode, NULL, "of forward,jvp,tangent,adjoint (forward,tangent,adjoint)"},
        {"parameters", &parameters, NULL, "of mode tangent: numbers of them (1)"},
        {"real", &real, NULL, "of double,float (double)"},
        {"threads", &threads, NULL, "numbers of them (OMP_NUM_THREADS or all cores)"},
        {"frames", &frames, NULL, "frames that a rod is simulated for (100)"},
        {"repeat", &repeat, NULL, "timed repeats after the warm-up (7)"},
        {"memory", &memory, NULL, "where a GPU finds arrays: device, or host: copied in every call (device)"},
        {"team", &team, NULL, "threads of a GPU that work on a rod: 4, 8, 16 or 32 (by real and vertices)"},
        {"registers", &registers, NULL, "of such a thread, at most (255)"},
        {"block-rods", &block_rods, NULL, "rods of a block of threads, at most (as most rods fit)"},
        {"kernels", &a->common.kernels, NULL, "folder of a GPU's kernels for other --team and --registers"},
    };
    char all[16];
    int first = 0, last = 0, code = RGC_DONE;
    memset(a, 0, sizeof *a);
    a->frames = 100;
    a->repeat = 7;
    snprintf(all, sizeof all, "%zu", rgi_pool_workers());
    if ((code = take_scenes(&argc, argv, &a->scenes))) return code;
    code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &a->common, &first, &last);
    if (code != RGC_DONE || a->common.help) return code;
    if (last > first)
        return rgc_complain("bench", RGC_USAGE, "it takes options only, and \"%.100s\" was given.", argv[first]);
    if ((code = add_list("scene", scene, "rope12", &a_scene, &a->scenes)) ||
        (code = add_list("batch", batch, "1,64,1024", &a_batch, &a->batches)) ||
        (code = add_list("mode", mode, "forward,tangent,adjoint", &a_mode, &a->modes)) ||
        (code = add_list("parameters", parameters, "1", &a_count, &a->parameters)) ||
        (code = add_list("real", real, "double", &a_real, &a->reals)) ||
        (code = add_list("threads", threads, all, &a_count, &a->threads)) ||
        (frames && (code = rgc_integer("frames", frames, 1, 1000000, &a->frames))) ||
        (repeat && (code = rgc_integer("repeat", repeat, 1, 100000, &a->repeat))) ||
        (team && (code = rgc_integer("team", team, 4, 32, &a->team))) ||
        (registers && (code = rgc_integer("registers", registers, 16, 255, &a->registers))) ||
        (block_rods && (code = rgc_integer("block-rods", block_rods, 1, 16, &a->block_rods))) ||
        (code = parse_memory(memory, a)))
        return code;
    if (parameters && !has_tangent(a))
        return rgc_complain("bench", RGC_USAGE,
                            "--parameters is of mode tangent, which --mode does not name; leave it out.");
    a->dt_s = a->common.dt_given ? a->common.import.dt_s : 0.01;
    return check_arguments(a);
}

/* ---- set up and release ---- */

static rg_status go_on(rg_error *err)
{
    if (!rgc_interrupted()) return RG_OK;
    return RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted; rows of scenes that were finished stand.");
}

static size_t rows_of_mode(const arguments *a, long mode) { return mode == RGC_TANGENT ? a->parameters.n : 1; }

static rg_status row_create(scene_run *run, rgc_arrays *group, long real, long threads, long mode, size_t k,
                            rg_error *err)
{
    const arguments *a = run->a;
    const size_t parameters = mode == RGC_TANGENT ? (size_t)a->parameters.values[k] : 0;
    rgc_row *r = &run->rows[run->n_rows++];
    rgc_progress("%s: setting up row %zu", run->setting.scene->name, run->n_rows);
    RG_TRY(go_on(err));
    r->peak_flops = r->bandwidth = (double)NAN;
    r->repeats = (size_t)a->repeat;
    r->times = calloc(r->repeats, sizeof *r->times);
    if (run->setting.rollout.context) r->kernels = calloc(r->repeats, sizeof *r->kernels);
    if (!r->times || (run->setting.rollout.context && !r->kernels))
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu times.", r->repeats);
    return rgc_work_create(&run->setting, group, (rgc_mode)mode, parameters, (rg_real)real, (int)threads, &r->work,
                           err);
}

static rg_status rows_create(scene_run *run, rg_error *err)
{
    const arguments *a = run->a;
    for (size_t b = 0; b < a->batches.n; b++)
        for (size_t i = 0; i < a->reals.n; i++)
            for (size_t t = 0; t < a->threads.n; t++)
                for (size_t m = 0; m < a->modes.n; m++)
                    for (size_t k = 0; k < rows_of_mode(a, a->modes.values[m]); k++)
                        RG_TRY(row_create(run, &run->groups[b], a->reals.values[i], a->threads.values[t],
                                          a->modes.values[m], k, err));
    return RG_OK;
}

static rg_status scene_create(const arguments *a, const rgc_scene *scene, scene_run *run, rg_error *err)
{
    size_t most = 0;
    memset(run, 0, sizeof *run);
    run->a = a;
    run->setting = (rgc_setting){scene, rollout_of(a), (size_t)a->frames, a->dt_s, a->memory};
    rg_rollout_opts *rollout = &run->setting.rollout;
    if (!a->common.substeps) RG_TRY(rgc_scene_substeps(scene, rollout->stepper, a->dt_s, &rollout->substeps, err));
    for (size_t m = 0; m < a->modes.n; m++) most += rows_of_mode(a, a->modes.values[m]);
    most *= a->batches.n * a->reals.n * a->threads.n;
    run->n_groups = a->batches.n;
    run->groups = calloc(run->n_groups, sizeof *run->groups);
    run->rows = calloc(most, sizeof *run->rows);
    if (!run->groups || !run->rows)
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu row%s.", most, rgi_plural(most));
    for (size_t b = 0; b < run->n_groups; b++) run->groups[b].rods = (size_t)a->batches.values[b];
    for (size_t t = 0; !rollout->context && t < a->threads.n; t++)
        for (size_t i = 0; i < a->reals.n; i++)
            run->limits[run->n_limits++] = (limit){(int)a->threads.values[t], (rg_real)a->reals.values[i], 0.0, 0.0};
    return rows_create(run, err);
}

static void scene_clear(scene_run *run)
{
    for (size_t i = 0; run->rows && i < run->n_rows; i++) rgc_row_clear(&run->rows[i]);
    for (size_t i = 0; run->groups && i < run->n_groups; i++) rgc_arrays_clear(&run->setting, &run->groups[i]);
    free(run->rows);
    free(run->groups);
}

/* ---- measure ---- */

/* *kernels_s: the time of the rollout's kernels, on a GPU; else untouched */
static rg_status timed(const rgc_row *r, size_t calls, double *each_s, double *kernels_s, rg_error *err)
{
    const rgi_rollout *gpu = rgc_work_rollout(&r->work);
    if (gpu) rgi_device_time(gpu->device, 1);
    const double began = rgc_seconds();
    for (size_t k = 0; k < calls; k++) {
        RG_TRY(rgc_work_run(&r->work, err));
        RG_TRY(go_on(err));
    }
    *each_s = (rgc_seconds() - began) / (double)calls;
    if (!gpu) return RG_OK;
    RG_TRY(rgi_device_timed(gpu->device, kernels_s, err));
    *kernels_s /= (double)calls;
    rgi_device_time(gpu->device, 0);
    return RG_OK;
}

static rg_status warm_up(rgc_row *r, rg_error *err)
{
    double each_s = 0.0, kernels_s = 0.0;
    RG_TRY(timed(r, 1, &each_s, &kernels_s, err));
    rgc_row_judge(r);
    /* the first call pays for memory that is touched for the first time */
    if (each_s < least_s) RG_TRY(timed(r, 1, &each_s, &kernels_s, err));
    r->calls = (size_t)fmin(fmax(ceil(least_s / fmax(each_s, 1e-9)), 1.0), (double)CALLS_MOST);
    return RG_OK;
}

/* the best of all repeats */
static void measure_limits(scene_run *run, const rgc_triad *triad)
{
    const char *isa = run->setting.rollout.isa ? run->setting.rollout.isa : rg_cpu_isa();
    for (size_t i = 0; i < run->n_limits; i++) {
        limit *l = &run->limits[i];
        l->flops = fmax(l->flops, rgc_peak_flops(isa, l->real, l->threads));
        l->bandwidth = fmax(l->bandwidth, rgc_triad_bytes_per_s(triad, l->threads));
    }
}

static void limit_rows(scene_run *run)
{
    for (size_t i = 0; i < run->n_rows; i++) {
        rgc_row *r = &run->rows[i];
        for (size_t k = 0; k < run->n_limits; k++) {
            const limit *l = &run->limits[k];
            if (l->threads != r->work.rollout.threads || l->real != r->work.rollout.real) continue;
            r->peak_flops = l->flops;
            /* 0 where there was no memory for the arrays */
            if (l->bandwidth > 0.0) r->bandwidth = l->bandwidth;
        }
    }
}

static rg_status measure(scene_run *run, const rgc_triad *triad, rg_error *err)
{
    const char *scene = run->setting.scene->name;
    const size_t repeat = (size_t)run->a->repeat;
    for (size_t i = 0; i < run->n_rows; i++) {
        rgc_progress("%s: warm-up, row %zu of %zu", scene, i + 1, run->n_rows);
        RG_TRY(warm_up(&run->rows[i], err));
    }
    for (size_t k = 0; k < repeat; k++) {
        measure_limits(run, triad);
        for (size_t i = 0; i < run->n_rows; i++) {
            rgc_row *r = &run->rows[k % 2 ? run->n_rows - 1 - i : i];
            rgc_progress("%s: repeat %zu of %zu, row %zu of %zu", scene, k + 1, repeat, i + 1, run->n_rows);
            double kernels_s = 0.0;
            RG_TRY(timed(r, r->calls, &r->times[k], &kernels_s, err));
            if (r->kernels) r->kernels[k] = kernels_s;
        }
    }
    limit_rows(run);
    for (size_t i = 0; i < run->n_rows; i++) rgc_row_sort(&run->rows[i]);
    return RG_OK;
}

/* ---- output ---- */

/* what went out so far */
typedef struct output {
    FILE *file; /* --output's, or NULL */
    size_t failed_rows;
} output;

static int show(const scene_run *run, size_t index, output *to)
{
    const rgc_row *r = &run->rows[index];
    const int json = run->a->common.json;
    json_t *object = json || to->file ? rgc_row_json(r) : NULL;
    if (object) rgc_add_warnings(object);
    /* a file that cannot be written says so when it is committed */
    if (to->file && object && json_dumpf(object, to->file, JSON_COMPACT) == 0) fputc('\n', to->file);
    to->failed_rows += r->failed > 0;
    if (json) return rgc_print_json("bench", object);
    const int enough = object || !to->file;
    json_decref(object);
    if (!enough) return rgc_complain("bench", RGC_FAILED, "no memory for the JSON output.");
    if (index == 0) rgc_row_print_head(r);
    rgc_row_print(r);
    if (fflush(stdout) == 0 && !ferror(stdout)) return RGC_DONE;
    return rgc_complain("bench", RGC_FAILED, "cannot write to stdout: %s.", strerror(errno));
}

static int run_scene(const arguments *a, const rgc_scene *scene, const rgc_triad *triad, output *to)
{
    scene_run run;
    rg_error err = {0};
    rg_status status = scene_create(a, scene, &run, &err);
    if (status == RG_OK) status = measure(&run, triad, &err);
    rgc_progress_clear();
    int code = status == RG_OK ? RGC_DONE : rgc_fail("bench", &err);
    for (size_t i = 0; i < run.n_rows && code == RGC_DONE; i++) code = show(&run, i, to);
    scene_clear(&run);
    return code;
}

/* arrays of the most threads that any row has; none on a GPU, whose memory they would not be in */
static rgc_triad make_triad(const arguments *a)
{
    long threads = 1;
    for (size_t i = 0; i < a->threads.n; i++)
        if (a->threads.values[i] > threads) threads = a->threads.values[i];
    return a->common.context ? (rgc_triad){NULL, NULL, NULL, 0} : rgc_triad_create((int)threads);
}

int rgc_bench(int argc, char **argv)
{
    arguments a;
    rg_error err = {0};
    rgi_atomic_file file = {0};
    int code = parse(argc, argv, &a);
    if (code != RGC_DONE || a.common.help) return code;
    rgc_catch_signals();
    if (a.common.output && rgi_atomic_open(&file, a.common.output, 1, &err) != RG_OK) return rgc_fail("bench", &err);
    rgc_triad triad = make_triad(&a);
    output to = {.file = file.stream};
    for (size_t i = 0; i < a.scenes.n && code == RGC_DONE; i++)
        code = run_scene(&a, &rgc_scenes[a.scenes.values[i]], &triad, &to);
    rgc_triad_destroy(&triad);
    if (code != RGC_DONE) rgi_atomic_abort(&file);
    else if (to.file && rgi_atomic_commit(&file, &err) != RG_OK) code = rgc_fail("bench", &err);
    if (code == RGC_DONE && to.failed_rows)
        code = rgc_complain("bench", RGC_FAILED, "rods failed in %zu row%s; times there say little, see the status.",
                            to.failed_rows, rgi_plural(to.failed_rows));
    return code;
}
