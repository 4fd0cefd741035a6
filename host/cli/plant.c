/* cli/plant.c: rodgrad plant: recordings simulated from known parameters (rodgrad/study.h).
 *
 * Everything is written into a new folder beside the one asked for, which takes its name when it is
 * complete: DIR/train/NNN.h5, DIR/eval/NNN.h5, DIR/truth.json and DIR/spec.json, with which the
 * same bits can be planted again. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/inputs.h"
#include "cli/plant_spec.h"
#include "core/words.h"
#include "io/atomic_file.h"
#include "io/json_print.h"

static const char usage[] =
    "rodgrad plant [spec.json] -o DIR [options]\n\n"
    "Recordings simulated from known parameters: DIR/train, DIR/eval, and the truth in "
    "DIR/truth.json.\nWithout a spec: a rope like the recorded cables, 12 recordings to train on "
    "and "
    "4 to evaluate.";

/* recordings of the second set, far from those of the first so that the numbers of one do not move
 * the other */
static const uint64_t eval_first = 1000000;

/* may `path` become the output? only what does not exist, or an empty folder */
static rg_status check_output(const char *path, rg_error *err)
{
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT) return RG_OK;
    if (!folder)
        return RG_FAIL(err, errno == ENOTDIR ? RG_ERR_ARGUMENT : RG_ERR_IO,
                       "cannot plant into %s: %s; name a new folder.", path, strerror(errno));
    int empty = 1;
    for (const struct dirent *entry; empty && (entry = readdir(folder));)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    closedir(folder);
    if (empty) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT, "%s is not empty; name a new folder.", path);
}

/* "folder/name"; owned, NULL without memory */
static char *join(const char *folder, const char *name)
{
    size_t a = strlen(folder), b = strlen(name) + 1;
    char *path = malloc(a + 1 + b);
    if (!path) return NULL;
    memcpy(path, folder, a);
    path[a] = '/';
    memcpy(path + a + 1, name, b);
    return path;
}

/* the folder that files are made in: DIR.XXXXXX */
static rg_status make_folder(const char *path, char **out, rg_error *err)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') length--;
    *out = malloc(length + sizeof ".XXXXXX");
    if (!*out) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the name of %s.", path);
    memcpy(*out, path, length);
    memcpy(*out + length, ".XXXXXX", sizeof ".XXXXXX");
    mode_t mask = umask(0);
    umask(mask);
    if (mkdtemp(*out) && chmod(*out, 0777 & ~mask) == 0) return RG_OK;
    rg_status status = RG_FAIL(err, RG_ERR_IO, "cannot make the folder %s: %s.", path, strerror(errno));
    rmdir(*out);
    free(*out);
    *out = NULL;
    return status;
}

/* remove what plant may have written into a folder, then the folder */
static void remove_folder(const char *folder, int depth)
{
    DIR *list = opendir(folder);
    for (const struct dirent *entry; list && (entry = readdir(list));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *path = join(folder, entry->d_name);
        struct stat info;
        if (path && depth > 0 && lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) remove_folder(path, depth - 1);
        else if (path) unlink(path);
        free(path);
    }
    if (list) closedir(list);
    rmdir(folder);
}

/* what was made, for the messages */
typedef struct planted {
    size_t train, eval, masked, repaired;
} planted;

/* recordings to files first.h5, ... of the folder */
static rg_status write_recordings(const char *folder, rg_recording *recordings, size_t first, size_t n, planted *total,
                                  rg_error *err)
{
    rg_status status = RG_OK;
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        rg_recording *r = &recordings[i];
        char name[32];
        snprintf(name, sizeof name, "%03zu.h5", first + i);
        char *path = join(folder, name), *own = strdup(name);
        if (path && own) {
            free(r->name);
            r->name = own;
            own = NULL;
            status = rgi_glitches_find(r, err);
            if (status == RG_OK) status = rg_recordings_write_h5(path, r, 1, err);
            total->masked += r->n_masked;
            total->repaired += r->n_repaired;
        } else {
            status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for the name of %s.", name);
        }
        free(own);
        free(path);
    }
    return status;
}

/* a few at a time, so that an interrupt and the memory stay small */
static rg_status plant_set(const char *folder, const char *set, const rgc_plant_spec *spec, uint64_t first, size_t n,
                           planted *total, rg_error *err)
{
    enum { AT_ONCE = 32 };
    if (n == 0) return RG_OK;
    rg_recording recordings[AT_ONCE];
    rg_status status = RG_OK;
    char *path = join(folder, set);
    if (!path) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the name of %s.", set);
    if (mkdir(path, 0777) != 0)
        status = RG_FAIL(err, RG_ERR_IO, "cannot make the folder %s: %s.", path, strerror(errno));
    double room = RG_PLANT_MOST / 10.0 / (double)spec->opts.n_frames / (double)rg_model_markers(spec->truth.model);
    size_t most = room >= AT_ONCE ? AT_ONCE : room >= 1.0 ? (size_t)room : 1;
    for (size_t i = 0, count = 0; i < n && status == RG_OK; i += count) {
        count = n - i < most ? n - i : most;
        rgc_progress("planting %s: %zu of %zu", set, i, n);
        status = rg_plant(spec->truth.model, &spec->opts, first + i, count, recordings, err);
        if (status != RG_OK) break;
        status = write_recordings(path, recordings, i, count, total, err);
        for (size_t k = 0; k < count; k++) rg_recording_clear(&recordings[k]);
        if (status == RG_OK && rgc_interrupted())
            status = RG_FAIL(err, RG_ERR_INTERRUPTED, "interrupted; nothing was planted.");
    }
    free(path);
    return status;
}

static rg_status write_spec(const char *path, const rgc_plant_spec *spec, rg_error *err)
{
    json_t *object = rgc_plant_spec_json(spec, "truth.json");
    if (!object) return RG_FAIL(err, RG_ERR_MEMORY, "No memory to write %s.", path);
    rgi_atomic_file file = {0};
    rg_status status = rgi_atomic_open(&file, path, 1, err);
    if (status == RG_OK) {
        errno = 0;
        if (rgi_json_print(file.stream, object)) {
            status = rgi_atomic_commit(&file, err);
        } else {
            status = RG_FAIL(err, RG_ERR_IO, "cannot write %s: %s.", path, strerror(errno ? errno : ENOMEM));
            rgi_atomic_abort(&file);
        }
    }
    json_decref(object);
    return status;
}

static rg_status fill_folder(const char *folder, const rgc_plant_spec *spec, planted *total, rg_error *err)
{
    char *truth = join(folder, "truth.json"), *copy = join(folder, "spec.json");
    rg_status status = RG_OK;
    total->train = (size_t)spec->n_train;
    total->eval = (size_t)spec->n_eval;
    if (!truth || !copy) status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for file names.");
    if (status == RG_OK) status = plant_set(folder, "train", spec, 0, total->train, total, err);
    if (status == RG_OK) status = plant_set(folder, "eval", spec, eval_first, total->eval, total, err);
    if (status == RG_OK) status = rgi_model_file_save(truth, &spec->truth, err);
    if (status == RG_OK) status = write_spec(copy, spec, err);
    free(truth);
    free(copy);
    return status;
}

static rg_status plant(const char *path, const rgc_plant_spec *spec, planted *total, rg_error *err)
{
    char *folder = NULL;
    RG_TRY(make_folder(path, &folder, err));
    rg_status status = fill_folder(folder, spec, total, err);
    if (status == RG_OK && rename(folder, path) != 0)
        status = RG_FAIL(err, RG_ERR_IO, "cannot make the folder %s: %s.", path, strerror(errno));
    if (status != RG_OK) remove_folder(folder, 1);
    free(folder);
    return status;
}

static int print_result(const rgc_common *common, const rgc_plant_spec *spec, const planted *total, double wall_s)
{
    if (!common->json) {
        fprintf(stderr,
                "planted %zu recording%s to train on and %zu to evaluate, of %zu frames, in %s; the truth "
                "is %s/truth.json\n",
                total->train, rgi_plural(total->train), total->eval, spec->opts.n_frames, common->output,
                common->output);
        if (total->masked + total->repaired > 0)
            fprintf(stderr, "glitches found: %zu marker frame%s masked, %zu driving repaired\n", total->masked,
                    rgi_plural(total->masked), total->repaired);
        return RGC_DONE;
    }
    json_t *spec_json = rgc_plant_spec_json(spec, "truth.json");
    if (!spec_json) return rgc_print_json("plant", NULL);
    return rgc_print_json("plant",
                          json_pack("{s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:f, s:s}", "output",
                                    rgc_json_text(common->output), "train", (json_int_t)total->train, "eval",
                                    (json_int_t)total->eval, "markers", (json_int_t)rg_model_markers(spec->truth.model),
                                    "masked", (json_int_t)total->masked, "repaired", (json_int_t)total->repaired,
                                    "spec", spec_json, "wall_s", wall_s, "status", "ok"));
}

static int check_arguments(const rgc_common *common, int n_positional)
{
    if (n_positional > 1)
        return rgc_complain("plant", RGC_USAGE, "give one spec.json at most; see rodgrad plant --help.");
    if (!common->output) return rgc_complain("plant", RGC_USAGE, "give the folder to make with -o.");
    static const char *const files[] = {".h5", ".hdf5", ".npy", ".csv", ".pkl", ".json", ".html"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (rgi_has_suffix(common->output, files[i]))
            return rgc_complain("plant", RGC_USAGE,
                                "the output %s is the name of a file, and a folder is made; name a folder.",
                                common->output);
    return RGC_DONE;
}

int rgc_plant(int argc, char **argv)
{
    const char *seed_text = NULL, *noise_text = NULL, *measure_text = NULL;
    const rgc_option extra[] = {
        {"seed", &seed_text, NULL, "of all random numbers; 1 by default"},
        {"noise", &noise_text, NULL, "standard deviation on free markers [m]"},
        {"bend-measure", &measure_text, NULL,
         "curvature is measured against directors averaged, or normalised (the model's, or averaged)"}};
    rgc_common common;
    int first = 0, last = 0;
    long seed = 0;
    double noise = 0.0, started = rgc_seconds();
    int code = rgc_parse(argc, argv, usage, extra, sizeof extra / sizeof *extra, &common, &first, &last);
    if (code != RGC_DONE || common.help) return code;
    code = check_arguments(&common, last - first);
    if (code == RGC_DONE && seed_text) code = rgc_integer("seed", seed_text, 0, LONG_MAX, &seed);
    rg_bend_measure measure = RG_BEND_AVERAGED;
    if (code == RGC_DONE && measure_text) code = rgc_bend_measure("plant", measure_text, &measure);
    if (code == RGC_DONE && noise_text) code = rgc_number("noise", noise_text, 0, 1, &noise);
    if (code != RGC_DONE) return code;
    rg_error err = {0};
    rgc_plant_spec spec = {0};
    planted total = {0};
    rg_status status = rgc_plant_spec_read(first < last ? argv[first] : NULL, &common, &spec, &err);
    if (seed_text) spec.opts.seed = (uint64_t)seed;
    if (noise_text) spec.opts.noise_m = noise;
    if (status == RG_OK && measure_text) status = rg_model_set_bend_measure(spec.truth.model, measure, &err);
    if (status == RG_OK) status = check_output(common.output, &err);
    if (status == RG_OK) {
        rgc_catch_signals();
        status = plant(common.output, &spec, &total, &err);
    }
    rgc_progress_clear();
    code = status == RG_OK ? print_result(&common, &spec, &total, rgc_seconds() - started) : rgc_fail("plant", &err);
    rgc_plant_spec_clear(&spec);
    return code;
}
