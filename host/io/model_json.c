/* io/model_json.c: read and write model.json (docs/model-format.md).
 *
 * Reading walks the parsed document member by member and refuses what it does not know, so that a
 * misspelt name is an error and never a silent default. Writing makes a document of the same shape
 * and leaves its layout to json_print. */
#include "io/model_json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/words.h"
#include "io/atomic_file.h"
#include "io/json_print.h"

#define FORMAT_NAME "rodgrad-model"
#define FORMAT_VERSION 1

enum {
    MAX_FILE_BYTES = 64 << 20, /* a model of the largest mesh is a quarter of this */
    MAX_MARKERS = 10000,
    MAX_REFINE = 1000,
    MAX_VERTICES = 100000,
    MAX_SWEEPS = 1000
};

/* ---- reading ---- */

/* where we are, for messages */
typedef struct reader {
    const char *name;
    rg_error *err;
} reader;

#define READ_FAIL(in, status, format, ...) RG_FAIL((in)->err, status, "%s: " format ".", (in)->name, __VA_ARGS__)

static const char *type_text(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "a list";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number";
    case JSON_TRUE:
    case JSON_FALSE: return "true or false";
    case JSON_NULL: break;
    }
    return "null";
}

/* members are all among `known` (NULL-terminated), whose first n_required are all there */
static rg_status check_members(const reader *in, json_t *object, const char *where, const char *const *known,
                               size_t n_required)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value) {
        size_t i = 0;
        while (known[i] && strcmp(known[i], key) != 0) i++;
        if (!known[i])
            return READ_FAIL(in, RG_ERR_FORMAT, "unknown member \"%.60s\" in %s; remove it or correct its name", key,
                             where);
    }
    for (size_t i = 0; i < n_required; i++)
        if (!json_object_get(object, known[i]))
            return READ_FAIL(in, RG_ERR_FORMAT, "member \"%s\" is missing from %s; add it", known[i], where);
    return RG_OK;
}

static rg_status read_integer(const reader *in, const json_t *object, const char *member, long low, long high,
                              long *out)
{
    const json_t *value = json_object_get(object, member);
    if (!json_is_integer(value))
        return READ_FAIL(in, RG_ERR_FORMAT, "\"%s\" is %s but must be an integer", member, type_text(value));
    json_int_t number = json_integer_value(value);
    if (number < low || number > high)
        return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" is %" JSON_INTEGER_FORMAT " but must be between %ld and %ld", member,
                         number, low, high);
    *out = (long)number;
    return RG_OK;
}

static rg_status read_header(const reader *in, json_t *root)
{
    static const char *const known[] = {"format", "version",    "markers", "refine",       "clamps",
                                        "fields", "simulation", "fit",     "bend_measure", NULL};
    if (!json_is_object(root))
        return READ_FAIL(in, RG_ERR_FORMAT, "a model file holds one JSON object, this one holds %s", type_text(root));
    const json_t *format = json_object_get(root, "format");
    if (!json_is_string(format) || strcmp(json_string_value(format), FORMAT_NAME) != 0)
        return READ_FAIL(in, RG_ERR_FORMAT, "this is not a rodgrad model: its \"format\" is not \"%s\"", FORMAT_NAME);
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version) || json_integer_value(version) != FORMAT_VERSION)
        return READ_FAIL(in, RG_ERR_FORMAT, "this program reads model version %d only; fit the model again",
                         FORMAT_VERSION);
    return check_members(in, root, "the model", known, 7);
}

static rg_status read_clamps(const reader *in, const json_t *root, long n_markers, int **clamps, size_t *n_clamps)
{
    const json_t *list = json_object_get(root, "clamps");
    if (!json_is_array(list))
        return READ_FAIL(in, RG_ERR_FORMAT, "\"clamps\" is %s but must be a list of marker indices", type_text(list));
    size_t n = json_array_size(list);
    if (n >= (size_t)n_markers)
        return READ_FAIL(in, RG_ERR_VALUE, "\"clamps\" names %zu markers of %ld; at least one must be free", n,
                         n_markers);
    int *indices = malloc((n ? n : 1) * sizeof *indices);
    if (!indices) return READ_FAIL(in, RG_ERR_MEMORY, "no memory for %zu clamps", n);
    json_int_t previous = -1;
    for (size_t i = 0; i < n; i++) {
        const json_t *entry = json_array_get(list, i);
        json_int_t index = json_is_integer(entry) ? json_integer_value(entry) : -1;
        if (index <= previous || index >= n_markers) {
            free(indices);
            return READ_FAIL(in, RG_ERR_VALUE,
                             "entry %zu of \"clamps\" is not a marker index in ascending order "
                             "(an integer, 0 to %ld)",
                             i, n_markers - 1);
        }
        indices[i] = (int)index;
        previous = index;
    }
    *clamps = indices;
    *n_clamps = n;
    return RG_OK;
}

/* an empty model of the right topology; its sentence gets the file's name in front */
static rg_status read_topology(const reader *in, const json_t *root, rg_model **model)
{
    long n_markers = 0, refine = 0;
    RG_TRY(read_integer(in, root, "markers", 3, MAX_MARKERS, &n_markers));
    RG_TRY(read_integer(in, root, "refine", 1, MAX_REFINE, &refine));
    if (n_markers * refine > MAX_VERTICES)
        return READ_FAIL(in, RG_ERR_VALUE,
                         "%ld markers with %ld edge%s between them make more than %d vertices; "
                         "lower \"refine\"",
                         n_markers, refine, rgi_plural((size_t)refine), MAX_VERTICES);
    int *clamps = NULL;
    size_t n_clamps = 0;
    RG_TRY(read_clamps(in, root, n_markers, &clamps, &n_clamps));
    rg_error inner = {0};
    rg_status status = rg_model_create((size_t)n_markers, (size_t)refine, clamps, n_clamps, model, &inner);
    free(clamps);
    if (status == RG_OK) return RG_OK;
    /* a bad argument here came from the file */
    return RG_FAIL(in->err, status == RG_ERR_ARGUMENT ? RG_ERR_VALUE : status, "%s: %s", in->name, inner.text);
}

static const char *location_text(rg_location location)
{
    return location == RG_PER_EDGE ? "edge" : location == RG_PER_VERTEX ? "vertex" : "marker";
}

static rg_status read_number(const reader *in, const json_t *value, const rg_field_info *info, size_t entry,
                             double *out)
{
    if (!json_is_number(value))
        return READ_FAIL(in, RG_ERR_FORMAT, "entry %zu of field \"%s\" is %s but must be %s", entry, info->name,
                         type_text(value), info->components == 1 ? "a number" : "a list of two numbers");
    *out = json_number_value(value);
    return RG_OK;
}

/* one entry: a number, or a list with one number per component */
static rg_status read_entry(const reader *in, const json_t *value, const rg_field_info *info, size_t entry, double *out)
{
    if (info->components == 1) return read_number(in, value, info, entry, out);
    if (!json_is_array(value) || json_array_size(value) != (size_t)info->components)
        return READ_FAIL(in, RG_ERR_FORMAT, "entry %zu of field \"%s\" must be a list of %d numbers", entry, info->name,
                         info->components);
    for (int c = 0; c < info->components; c++)
        RG_TRY(read_number(in, json_array_get(value, (size_t)c), info, entry, &out[c]));
    return RG_OK;
}

/* is `value` one entry that stands for all of them? */
static int is_uniform(const json_t *value, const rg_field_info *info)
{
    if (!json_is_array(value)) return 1;
    return info->components > 1 && json_array_size(value) > 0 && !json_is_array(json_array_get(value, 0));
}

static rg_status read_field(const reader *in, json_t *value, rg_field field, rg_model *model)
{
    const rg_field_info *info = rg_field_describe(field);
    if (json_is_object(value)) {
        static const char *const known[] = {"value", "unit", NULL};
        char where[80];
        snprintf(where, sizeof where, "field \"%s\"", info->name);
        RG_TRY(check_members(in, value, where, known, 1));
        const json_t *unit = json_object_get(value, "unit");
        if (unit && (!json_is_string(unit) || strcmp(json_string_value(unit), info->unit) != 0))
            return READ_FAIL(in, RG_ERR_VALUE, "the unit of field \"%s\" must be \"%s\"; convert the numbers",
                             info->name, info->unit);
        value = json_object_get(value, "value");
    }
    size_t n = rg_model_field_entries(model, field);
    size_t components = (size_t)info->components;
    double *data = rg_model_field_data(model, field);
    if (is_uniform(value, info)) {
        double entry[8] = {0};
        if (json_is_number(value))
            for (size_t c = 0; c < components; c++) entry[c] = json_number_value(value);
        else RG_TRY(read_entry(in, value, info, 0, entry));
        for (size_t i = 0; i < n * components; i++) data[i] = entry[i % components];
        return RG_OK;
    }
    if (json_array_size(value) != n)
        return READ_FAIL(in, RG_ERR_SHAPE,
                         "field \"%s\" has %zu entries but this mesh has %zu (one per %s); "
                         "give one value for all or %zu",
                         info->name, json_array_size(value), n, location_text(info->location), n);
    for (size_t i = 0; i < n; i++) RG_TRY(read_entry(in, json_array_get(value, i), info, i, data + i * components));
    return RG_OK;
}

static rg_status read_fields(const reader *in, const json_t *root, rg_model *model)
{
    json_t *fields = json_object_get(root, "fields");
    if (!json_is_object(fields))
        return READ_FAIL(in, RG_ERR_FORMAT, "\"fields\" is %s but must be an object", type_text(fields));
    const char *known[RG_FIELD_COUNT + 1] = {NULL};
    for (int f = 0; f < RG_FIELD_COUNT; f++) known[f] = rg_field_describe((rg_field)f)->name;
    RG_TRY(check_members(in, fields, "\"fields\"", known, RG_FIELD_COUNT));
    for (int f = 0; f < RG_FIELD_COUNT; f++)
        RG_TRY(read_field(in, json_object_get(fields, known[f]), (rg_field)f, model));
    rg_error inner = {0};
    rg_status status = rg_model_check(model, &inner);
    return status == RG_OK ? RG_OK : RG_FAIL(in->err, status, "%s: %s", in->name, inner.text);
}

/* files from before it was written have none: the default */
static rg_status read_gravity(const reader *in, const json_t *simulation, double gravity[3])
{
    const json_t *list = json_object_get(simulation, "gravity_m_s2");
    int good = json_is_array(list) && json_array_size(list) == 3;
    for (size_t c = 0; c < 3 && good; c++) {
        const json_t *value = json_array_get(list, c);
        good = json_is_number(value);
        if (good) gravity[c] = json_number_value(value);
    }
    if (good) return RG_OK;
    return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" must be a list of three numbers, in m/s^2", "gravity_m_s2");
}

static rg_status read_simulation(const reader *in, const json_t *root, rgi_model_file *out)
{
    static const char *const known[] = {"scheme", "dt_s", "substeps", "stepper", "sweeps", "gravity_m_s2", NULL};
    json_t *simulation = json_object_get(root, "simulation");
    if (!json_is_object(simulation))
        return READ_FAIL(in, RG_ERR_FORMAT, "\"simulation\" is %s but must be an object", type_text(simulation));
    RG_TRY(check_members(in, simulation, "\"simulation\"", known, 4));
    const char *scheme = json_string_value(json_object_get(simulation, "scheme"));
    if (!rg_scheme_find(scheme, &out->rollout.scheme))
        return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" must be \"be\", \"bdf2\" or \"static\"", "scheme");
    const char *stepper = json_string_value(json_object_get(simulation, "stepper"));
    if (!rg_stepper_find(stepper, &out->rollout.stepper))
        return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" must be \"implicit\" or \"deform\"", "stepper");
    long sweeps = out->rollout.sweeps;
    if (json_object_get(simulation, "sweeps")) RG_TRY(read_integer(in, simulation, "sweeps", 1, MAX_SWEEPS, &sweeps));
    out->rollout.sweeps = (int)sweeps;
    if (json_object_get(simulation, "gravity_m_s2")) RG_TRY(read_gravity(in, simulation, out->rollout.gravity));
    const json_t *dt = json_object_get(simulation, "dt_s");
    if (!json_is_number(dt) || !(json_number_value(dt) > 0))
        return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" must be a positive number of seconds", "dt_s");
    out->dt_s = json_number_value(dt);
    long substeps = 0;
    RG_TRY(read_integer(in, simulation, "substeps", 1, RG_MOST_SUBSTEPS, &substeps));
    out->rollout.substeps = (int)substeps;
    return RG_OK;
}

/* averaged where it is not said */
static rg_status read_bend_measure(const reader *in, const json_t *root, rg_model *model)
{
    const json_t *value = json_object_get(root, "bend_measure");
    rg_bend_measure measure = RG_BEND_AVERAGED;
    if (value && !rg_bend_measure_find(json_string_value(value), &measure))
        return READ_FAIL(in, RG_ERR_VALUE, "\"%s\" must be \"averaged\" or \"normalised\"", "bend_measure");
    return rg_model_set_bend_measure(model, measure, in->err);
}

static rg_status read_document(const reader *in, json_t *root, rgi_model_file *out)
{
    RG_TRY(read_header(in, root));
    json_t *fit = json_object_get(root, "fit");
    if (fit && !json_is_object(fit))
        return READ_FAIL(in, RG_ERR_FORMAT, "\"fit\" is %s but must be an object", type_text(fit));
    RG_TRY(read_simulation(in, root, out));
    RG_TRY(read_topology(in, root, &out->model));
    RG_TRY(read_bend_measure(in, root, out->model));
    RG_TRY(read_fields(in, root, out->model));
    out->fit = fit ? json_incref(fit) : NULL;
    return RG_OK;
}

/* a message may quote the file: keep it on one printable line */
static void make_printable(rg_error *err)
{
    if (!err) return;
    for (unsigned char *c = (unsigned char *)err->text; *c; c++)
        if (*c < 0x20 || *c == 0x7f) *c = '?';
}

rg_status rgi_model_file_parse(const char *text, size_t size, const char *name, rgi_model_file *out, rg_error *err)
{
    reader in = {name, err};
    memset(out, 0, sizeof *out);
    out->rollout = rg_rollout_opts_default();
    json_error_t problem;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, &problem);
    rg_status status;
    if (root) {
        status = read_document(&in, root, out);
        json_decref(root);
    } else if (problem.line < 1) { /* it stopped without a place: memory ran out */
        status = READ_FAIL(&in, RG_ERR_MEMORY, "no memory to parse %zu bytes", size);
    } else {
        status = READ_FAIL(&in, RG_ERR_FORMAT, "not valid JSON at line %d, column %d: %s", problem.line, problem.column,
                           problem.text);
    }
    if (status != RG_OK) {
        make_printable(err);
        rgi_model_file_clear(out);
    }
    return status;
}

/* the whole file in memory; pipes and devices are read too, up to the size limit */
static rg_status read_bytes(const char *path, char **bytes, size_t *size, rg_error *err)
{
    FILE *stream = fopen(path, "rb");
    if (!stream) return RG_FAIL(err, RG_ERR_IO, "%s: cannot open the model file: %s.", path, strerror(errno));
    char *data = NULL;
    size_t used = 0, room = 0;
    rg_status status = RG_OK;
    for (;;) {
        if (used == room) {
            room = room ? 2 * room : 1 << 16;
            char *larger = room > 2 * (size_t)MAX_FILE_BYTES ? NULL : realloc(data, room);
            if (!larger) {
                status = RG_FAIL(err, RG_ERR_MEMORY, "%s: no memory for the model file.", path);
                break;
            }
            data = larger;
        }
        size_t got = fread(data + used, 1, room - used, stream);
        used += got;
        if (used > MAX_FILE_BYTES) {
            status = RG_FAIL(err, RG_ERR_FORMAT, "%s: larger than %d MiB, so this is not a rodgrad model.", path,
                             MAX_FILE_BYTES >> 20);
            break;
        }
        if (got == 0) {
            if (ferror(stream))
                status = RG_FAIL(err, RG_ERR_IO, "%s: cannot read the model file: %s%s.", path, strerror(errno),
                                 errno == EISDIR ? "; name a model.json" : "");
            break;
        }
    }
    fclose(stream);
    if (status != RG_OK) {
        free(data);
        return status;
    }
    *bytes = data;
    *size = used;
    return RG_OK;
}

rg_status rgi_model_file_load(const char *path, rgi_model_file *out, rg_error *err)
{
    memset(out, 0, sizeof *out);
    char *bytes = NULL;
    size_t size = 0;
    RG_TRY(read_bytes(path, &bytes, &size, err));
    rg_status status = rgi_model_file_parse(bytes, size, path, out, err);
    free(bytes);
    return status;
}

void rgi_model_file_clear(rgi_model_file *file)
{
    if (!file) return;
    rg_model_destroy(&file->model);
    json_decref(file->fit);
    memset(file, 0, sizeof *file);
}

/* ---- writing ---- */

/* an entry as a number, or as a list of its components; NULL without memory */
static json_t *entry_json(const double *entry, int components)
{
    if (components == 1) return json_real(entry[0]);
    json_t *list = json_array();
    for (int c = 0; c < components; c++) {
        if (json_array_append_new(list, json_real(entry[c])) == 0) continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

/* bytes and not values are compared, so that the sign of a zero survives */
static json_t *field_json(const rg_model *model, rg_field field)
{
    const rg_field_info *info = rg_field_describe(field);
    const double *data = rg_model_field(model, field);
    size_t n = rg_model_field_entries(model, field), components = (size_t)info->components;
    int uniform = 1, flat = 1;
    for (size_t i = 1; i < n && uniform; i++)
        uniform = memcmp(data, data + i * components, components * sizeof *data) == 0;
    for (size_t c = 1; c < components; c++)
        if (memcmp(data, data + c, sizeof *data) != 0) flat = 0;
    json_t *value = uniform ? entry_json(data, flat ? 1 : info->components) : json_array();
    for (size_t i = 0; i < n && !uniform; i++) {
        if (json_array_append_new(value, entry_json(data + i * components, info->components)) == 0) continue;
        json_decref(value);
        return NULL;
    }
    return json_pack("{s:o, s:s}", "value", value, "unit", info->unit);
}

/* NULL without memory */
static json_t *document_json(const rgi_model_file *file)
{
    const int *clamps = NULL;
    size_t n_clamps = rg_model_clamps(file->model, &clamps);
    json_t *list = json_array();
    for (size_t i = 0; i < n_clamps; i++) json_array_append_new(list, json_integer(clamps[i]));
    json_t *fields = json_object();
    int ok = fields != NULL && list != NULL && json_array_size(list) == n_clamps;
    for (int f = 0; f < RG_FIELD_COUNT && ok; f++)
        ok = json_object_set_new(fields, rg_field_describe((rg_field)f)->name, field_json(file->model, (rg_field)f)) ==
             0;
    if (!ok) {
        json_decref(list);
        json_decref(fields);
        return NULL;
    }
    /* a chain measured as ever is written as ever */
    const rg_bend_measure measure = rg_model_bend_measure(file->model);
    return json_pack("{s:s, s:i, s:I, s:I, s:o, s:s*, s:{s:s, s:s, s:f, s:i, s:i, s:[f, f, f]}, s:o, s:O*}", "format",
                     FORMAT_NAME, "version", FORMAT_VERSION, "markers", (json_int_t)rg_model_markers(file->model),
                     "refine", (json_int_t)rg_model_refine(file->model), "clamps", list, "bend_measure",
                     measure == RG_BEND_AVERAGED ? NULL : rg_bend_measure_name(measure), "simulation", "stepper",
                     rg_stepper_name(file->rollout.stepper), "scheme", rg_scheme_name(file->rollout.scheme), "dt_s",
                     file->dt_s, "substeps", file->rollout.substeps, "sweeps", file->rollout.sweeps, "gravity_m_s2",
                     file->rollout.gravity[0], file->rollout.gravity[1], file->rollout.gravity[2], "fields", fields,
                     "fit", file->fit);
}

rg_status rgi_model_file_save(const char *path, const rgi_model_file *file, rg_error *err)
{
    rg_error inner = {0};
    rg_status status = rg_model_check(file->model, &inner);
    if (status != RG_OK) return RG_FAIL(err, status, "%s: not written: %s", path, inner.text);
    /* as on reading */
    const size_t markers = rg_model_markers(file->model), refine = rg_model_refine(file->model);
    if (markers > MAX_MARKERS || refine > MAX_REFINE || markers * refine > MAX_VERTICES)
        return RG_FAIL(err, RG_ERR_VALUE,
                       "%s: not written: %zu markers with %zu edges between them are more than the %d vertices that a "
                       "model file may have.",
                       path, markers, refine, MAX_VERTICES);
    const rg_rollout_opts *o = &file->rollout;
    if (!(file->dt_s > 0) || !isfinite(file->dt_s) || o->substeps < 1)
        return RG_FAIL(err, RG_ERR_VALUE,
                       "%s: not written: the frame interval (%g s) and the substeps (%d) must be "
                       "positive.",
                       path, file->dt_s, o->substeps);
    rg_stepper stepper;
    rg_scheme scheme;
    if (!rg_stepper_find(rg_stepper_name(o->stepper), &stepper) || !rg_scheme_find(rg_scheme_name(o->scheme), &scheme))
        return RG_FAIL(err, RG_ERR_VALUE, "%s: not written: there is no stepper %d, or no scheme %d.", path,
                       (int)o->stepper, (int)o->scheme);
    if (o->substeps > RG_MOST_SUBSTEPS || o->sweeps < 1 || o->sweeps > MAX_SWEEPS)
        return RG_FAIL(err, RG_ERR_VALUE,
                       "%s: not written: the substeps (%d) and the sweeps (%d) must be at most %d and from 1 to %d.",
                       path, o->substeps, o->sweeps, RG_MOST_SUBSTEPS, MAX_SWEEPS);
    for (int c = 0; c < 3; c++)
        if (!isfinite(file->rollout.gravity[c]))
            return RG_FAIL(err, RG_ERR_VALUE, "%s: not written: gravity, component %d, is %g m/s^2; it must be finite.",
                           path, c, file->rollout.gravity[c]);
    json_t *root = document_json(file);
    if (!root) return RG_FAIL(err, RG_ERR_MEMORY, "%s: no memory to write the model.", path);
    rgi_atomic_file target = {0};
    status = rgi_atomic_open(&target, path, 1, err);
    if (status == RG_OK) {
        errno = 0;
        if (rgi_json_print(target.stream, root)) {
            status = rgi_atomic_commit(&target, err);
        } else {
            status = RG_FAIL(err, RG_ERR_IO, "%s: cannot write the model: %s.", path, strerror(errno ? errno : ENOMEM));
            rgi_atomic_abort(&target);
        }
    }
    json_decref(root);
    return status;
}
