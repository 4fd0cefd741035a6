/* cli/plant_spec.c: read the specification of planted recordings (plant_spec.h). */
#include "cli/plant_spec.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "rodgrad/fit.h"

enum { MAX_SPEC_BYTES = 64 << 20, MAX_RECORDINGS = 10000 };

/* where we are, for messages */
typedef struct reader {
    const char *path;
    rg_error *err;
} reader;

#define SPEC_FAIL(in, status, format, ...) RG_FAIL((in)->err, status, "%s: " format ".", (in)->path, __VA_ARGS__)

static rg_status check_members(const reader *in, json_t *object, const char *where, const char *const *known)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i])
            return SPEC_FAIL(in, RG_ERR_FORMAT, "unknown member \"%.60s\" in %s; remove it or correct its name", key,
                             where);
    }
    return RG_OK;
}

/* an absent member leaves *out as it is */
static rg_status read_number(const reader *in, const json_t *object, const char *name, double low, double high,
                             double *out)
{
    const json_t *value = json_object_get(object, name);
    if (!value) return RG_OK;
    if (!json_is_number(value)) return SPEC_FAIL(in, RG_ERR_FORMAT, "\"%s\" must be a number", name);
    double number = json_number_value(value);
    if (!(number >= low && number <= high))
        return SPEC_FAIL(in, RG_ERR_VALUE, "\"%s\" is %g but must be from %g to %g", name, number, low, high);
    *out = number;
    return RG_OK;
}

static rg_status read_integer(const reader *in, const json_t *object, const char *name, json_int_t low, json_int_t high,
                              json_int_t *out)
{
    const json_t *value = json_object_get(object, name);
    if (!value) return RG_OK;
    if (!json_is_integer(value) || json_integer_value(value) < low || json_integer_value(value) > high)
        return SPEC_FAIL(in, RG_ERR_VALUE,
                         "\"%s\" must be a whole number from %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT, name,
                         low, high);
    *out = json_integer_value(value);
    return RG_OK;
}

/* a member that is an object of known members, or absent (*out NULL) */
static rg_status read_object(const reader *in, const json_t *root, const char *name, const char *const *known,
                             json_t **out)
{
    char where[80];
    *out = json_object_get(root, name);
    if (!*out) return RG_OK;
    if (!json_is_object(*out)) return SPEC_FAIL(in, RG_ERR_FORMAT, "\"%s\" must be an object", name);
    snprintf(where, sizeof where, "\"%s\"", name);
    return check_members(in, *out, where, known);
}

/* ---- the model ---- */

/* a path in the spec counts from the folder that the spec lies in; owned, NULL without memory */
static char *beside(const char *spec, const char *path)
{
    const char *slash = path[0] == '/' ? NULL : strrchr(spec, '/');
    size_t folder = slash ? (size_t)(slash - spec) + 1 : 0, length = strlen(path) + 1;
    char *joined = malloc(folder + length);
    if (!joined) return NULL;
    memcpy(joined, spec, folder);
    memcpy(joined + folder, path, length);
    return joined;
}

static rg_status read_model(const reader *in, const json_t *value, rgi_model_file *out)
{
    char name[512], *text = NULL;
    rg_status status = RG_ERR_MEMORY;
    if (json_is_string(value)) {
        text = beside(in->path, json_string_value(value));
        if (text) status = rgi_model_file_load(text, out, in->err);
    } else if (json_is_object(value)) {
        snprintf(name, sizeof name, "%.400s: model", in->path);
        text = json_dumps(value, JSON_REAL_PRECISION(17));
        if (text) status = rgi_model_file_parse(text, strlen(text), name, out, in->err);
    } else {
        return SPEC_FAIL(in, RG_ERR_FORMAT, "\"%s\" must be the path of a model.json or what one holds", "model");
    }
    if (!text) status = SPEC_FAIL(in, RG_ERR_MEMORY, "no memory for its %s", "model");
    free(text);
    return status;
}

/* on the mesh that a fit uses, so that a fit can find it */
static rg_status default_model(const rgc_common *common, rgi_model_file *out, rg_error *err)
{
    out->rollout = rg_rollout_opts_default();
    out->dt_s = rg_plant_opts_default().dt_s;
    int refine = common->refine > 0 ? common->refine : rg_fit_opts_default().refine;
    return rg_plant_model((size_t)refine, &out->model, err);
}

/* ---- the file ---- */

static rg_status read_counts(const reader *in, const json_t *root, rgc_plant_spec *spec)
{
    static const char *const known[] = {"train", "eval", NULL};
    json_t *object = NULL;
    json_int_t n_train = spec->n_train, n_eval = spec->n_eval;
    RG_TRY(read_object(in, root, "recordings", known, &object));
    RG_TRY(read_integer(in, object, "train", 1, MAX_RECORDINGS, &n_train));
    RG_TRY(read_integer(in, object, "eval", 0, MAX_RECORDINGS, &n_eval));
    spec->n_train = (long)n_train;
    spec->n_eval = (long)n_eval;
    return RG_OK;
}

/* bounds are those of rg_plant, which says them without the file's name */
static rg_status read_numbers(const reader *in, const json_t *root, rg_plant_opts *o)
{
    static const char *const glitches[] = {"rate", "size_m", NULL};
    static const char *const motion[] = {"speed", "bandwidth_hz", "range_m", "tilt_rad", NULL};
    json_t *object = NULL;
    RG_TRY(read_number(in, root, "dt_s", 1e-6, 10, &o->dt_s));
    RG_TRY(read_number(in, root, "noise_m", 0, 1, &o->noise_m));
    RG_TRY(read_number(in, root, "driver_noise_m", 0, 1, &o->driver_noise_m));
    RG_TRY(read_object(in, root, "glitches", glitches, &object));
    RG_TRY(read_number(in, object, "rate", 0, 1, &o->glitch_rate));
    RG_TRY(read_number(in, object, "size_m", 0, 10, &o->glitch_size_m));
    RG_TRY(read_object(in, root, "motion", motion, &object));
    RG_TRY(read_number(in, object, "speed", 0, 100, &o->speed));
    RG_TRY(read_number(in, object, "bandwidth_hz", 1e-3, 1e3, &o->bandwidth_hz));
    RG_TRY(read_number(in, object, "range_m", 0, 100, &o->range_m));
    return read_number(in, object, "tilt_rad", 0, 1, &o->tilt_rad);
}

static rg_status read_spec(const reader *in, json_t *root, const rgc_common *common, rgc_plant_spec *spec)
{
    static const char *const known[] = {"model",          "recordings",  "frames",   "dt_s",    "noise_m",
                                        "driver_noise_m", "noise_start", "glitches", "motion",  "seed",
                                        "noise_seed",     "substeps",    "scheme",   "stepper", NULL};
    rg_plant_opts *o = &spec->opts;
    if (!json_is_object(root)) return SPEC_FAIL(in, RG_ERR_FORMAT, "%s", "a spec holds one JSON object");
    RG_TRY(check_members(in, root, "the spec", known));
    const json_t *model = json_object_get(root, "model");
    if (model) {
        RG_TRY(read_model(in, model, &spec->truth));
        if (common->refine > 0 && (size_t)common->refine != rg_model_refine(spec->truth.model))
            return SPEC_FAIL(in, RG_ERR_UNSUPPORTED, "its model has %zu edge%s between markers; leave --refine %d out",
                             rg_model_refine(spec->truth.model), rgi_plural(rg_model_refine(spec->truth.model)),
                             common->refine);
    } else {
        RG_TRY(default_model(common, &spec->truth, in->err));
    }
    o->rollout = spec->truth.rollout;
    o->dt_s = spec->truth.dt_s;
    json_int_t frames = (json_int_t)o->n_frames, seed = (json_int_t)o->seed;
    json_int_t substeps = o->rollout.substeps, noise_seed = (json_int_t)o->noise_seed;
    RG_TRY(read_counts(in, root, spec));
    RG_TRY(read_integer(in, root, "frames", 3, 10000000, &frames));
    RG_TRY(read_integer(in, root, "seed", 0, INT64_MAX, &seed));
    RG_TRY(read_integer(in, root, "noise_seed", 0, INT64_MAX, &noise_seed));
    RG_TRY(read_integer(in, root, "substeps", 1, RG_MOST_SUBSTEPS, &substeps));
    RG_TRY(read_numbers(in, root, o));
    o->n_frames = (size_t)frames;
    o->seed = (uint64_t)seed;
    o->noise_seed = (uint64_t)noise_seed;
    o->rollout.substeps = (int)substeps;
    const json_t *start = json_object_get(root, "noise_start");
    if (start && !json_is_boolean(start))
        return SPEC_FAIL(in, RG_ERR_FORMAT, "\"%s\" must be true or false", "noise_start");
    o->noise_start = json_is_true(start);
    const json_t *scheme = json_object_get(root, "scheme");
    if (scheme && !rg_scheme_find(json_string_value(scheme), &o->rollout.scheme))
        return SPEC_FAIL(in, RG_ERR_VALUE, "\"%s\" must be \"be\", \"bdf2\" or \"static\"", "scheme");
    const json_t *stepper = json_object_get(root, "stepper");
    if (stepper && !rg_stepper_find(json_string_value(stepper), &o->rollout.stepper))
        return SPEC_FAIL(in, RG_ERR_VALUE, "\"%s\" must be \"implicit\" or \"deform\"", "stepper");
    return RG_OK;
}

static rg_status load(const char *path, json_t **root, rg_error *err)
{
    reader in = {path, err};
    FILE *stream = fopen(path, "rb");
    if (!stream) return SPEC_FAIL(&in, RG_ERR_IO, "cannot open the spec: %s", strerror(errno));
    char *bytes = malloc(MAX_SPEC_BYTES + 1);
    size_t size = bytes ? fread(bytes, 1, MAX_SPEC_BYTES + 1, stream) : 0;
    int failed = ferror(stream), code = errno;
    fclose(stream);
    rg_status status = RG_OK;
    json_error_t problem;
    if (!bytes) status = SPEC_FAIL(&in, RG_ERR_MEMORY, "no memory for its %s", "contents");
    else if (failed)
        status = SPEC_FAIL(&in, RG_ERR_IO, "cannot read the spec: %s%s", strerror(code),
                           code == EISDIR ? "; name a spec.json" : "");
    else if (size > MAX_SPEC_BYTES)
        status = SPEC_FAIL(&in, RG_ERR_FORMAT, "larger than %d MiB, so this is not a spec", MAX_SPEC_BYTES >> 20);
    else if (!(*root = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &problem)))
        status = SPEC_FAIL(&in, RG_ERR_FORMAT, "not valid JSON at line %d, column %d: %s", problem.line, problem.column,
                           problem.text);
    free(bytes);
    return status;
}

/* a message may quote the file: keep it on one printable line */
static void make_printable(rg_error *err)
{
    for (unsigned char *c = (unsigned char *)err->text; *c; c++)
        if (*c < 0x20 || *c == 0x7f) *c = '?';
}

rg_status rgc_plant_spec_read(const char *path, const rgc_common *common, rgc_plant_spec *out, rg_error *err)
{
    json_t *root = NULL;
    memset(out, 0, sizeof *out);
    out->opts = rg_plant_opts_default();
    out->n_train = 12;
    out->n_eval = 4;
    rg_status status = path ? load(path, &root, err) : RG_OK;
    if (!path) {
        status = default_model(common, &out->truth, err);
    } else if (status == RG_OK) {
        reader in = {path, err};
        status = read_spec(&in, root, common, out);
    }
    json_decref(root);
    const rg_stepper stepper = common->stepper >= 0 ? (rg_stepper)common->stepper : out->opts.rollout.stepper;
    if (status == RG_OK) status = rgc_check_steps(common, stepper, err);
    if (status != RG_OK) {
        make_printable(err);
        rgc_plant_spec_clear(out);
        return status;
    }
    rgi_model_file *truth = &out->truth;
    truth->rollout = out->opts.rollout;
    if (path) rgc_tell_gravity("plant", common, truth, path);
    out->opts.rollout = rgc_rollout_opts(common, truth);
    truth->rollout = out->opts.rollout;
    if (common->dt_given) out->opts.dt_s = common->import.dt_s;
    truth->dt_s = out->opts.dt_s;
    return RG_OK;
}

void rgc_plant_spec_clear(rgc_plant_spec *spec)
{
    rgi_model_file_clear(&spec->truth);
    memset(spec, 0, sizeof *spec);
}

json_t *rgc_plant_spec_json(const rgc_plant_spec *spec, const char *model)
{
    const rg_plant_opts *o = &spec->opts;
    return json_pack("{s:s, s:{s:I, s:I}, s:I, s:f, s:f, s:f, s:b, s:{s:f, s:f}, "
                     "s:{s:f, s:f, s:f, s:f}, s:I, s:I, s:s, s:s, s:i}",
                     "model", model, "recordings", "train", (json_int_t)spec->n_train, "eval", (json_int_t)spec->n_eval,
                     "frames", (json_int_t)o->n_frames, "dt_s", o->dt_s, "noise_m", o->noise_m, "driver_noise_m",
                     o->driver_noise_m, "noise_start", o->noise_start, "glitches", "rate", o->glitch_rate, "size_m",
                     o->glitch_size_m, "motion", "speed", o->speed, "bandwidth_hz", o->bandwidth_hz, "range_m",
                     o->range_m, "tilt_rad", o->tilt_rad, "seed", (json_int_t)o->seed, "noise_seed",
                     (json_int_t)o->noise_seed, "stepper", rg_stepper_name(o->rollout.stepper), "scheme",
                     rg_scheme_name(o->rollout.scheme), "substeps", o->rollout.substeps);
}
