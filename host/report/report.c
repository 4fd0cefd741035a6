/* report/report.c: the page's data as JSON (report.h). page.c puts it into a page.
 *
 * Anything that may not be a finite number becomes null, any text that is not UTF-8 gets "?" for
 * what is not ASCII: the page must open whatever the file names and however badly a simulation
 * went. */
#include "report/report.h"

#include <errno.h>
#include <math.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/context.h"
#include "core/recording.h"
#include "report/encode.h"
#include "rodgrad/version.h"

/* 1 when stored; a NULL value (no memory) is a failure, and the reference is taken either way */
static int put(json_t *object, const char *key, json_t *value) { return json_object_set_new(object, key, value) == 0; }

static int append(json_t *array, json_t *value) { return json_array_append_new(array, value) == 0; }

static json_t *number(double value) { return isfinite(value) ? json_real(value) : json_null(); }

static json_t *count(size_t value) { return json_integer((json_int_t)value); }

static json_t *text(const char *bytes)
{
    json_t *value = json_string(bytes ? bytes : "");
    if (value) return value;
    char *plain = strdup(bytes);
    if (!plain) return NULL;
    for (char *c = plain; *c; c++)
        if ((unsigned char)*c >= 128) *c = '?';
    value = json_string(plain);
    free(plain);
    return value;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* SHA-256 of a file in lower-case hexadecimal */
static rg_status hash_file(const char *path, char hex[65], rg_error *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE], buffer[8192];
    unsigned length = 0;
    FILE *stream = fopen(path, "rb");
    if (!stream) return RG_FAIL(err, RG_ERR_IO, "%s cannot be read for its hash: %s.", path, strerror(errno));
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int fine = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1;
    size_t n = 0;
    while (fine && (n = fread(buffer, 1, sizeof buffer, stream)) > 0) fine = EVP_DigestUpdate(context, buffer, n) == 1;
    int bad_read = ferror(stream), code = errno;
    fclose(stream);
    fine = fine && EVP_DigestFinal_ex(context, digest, &length) == 1 && length == 32;
    EVP_MD_CTX_free(context);
    if (bad_read) return RG_FAIL(err, RG_ERR_IO, "%s cannot be read for its hash: %s.", path, strerror(code));
    if (!fine) return RG_FAIL(err, RG_ERR_MEMORY, "No memory to hash %s.", path);
    for (unsigned i = 0; i < length; i++) snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    return RG_OK;
}

/* ---- the model ---- */

/* arc length of an entry from the first vertex [m]; vertex_at: [vertices] */
static double entry_at(const rg_model *model, rg_location location, const double *vertex_at, size_t entry)
{
    switch (location) {
    case RG_PER_EDGE: return 0.5 * (vertex_at[entry] + vertex_at[entry + 1]);
    case RG_PER_VERTEX: return vertex_at[entry];
    case RG_PER_MARKER: return vertex_at[rg_model_marker_vertices(model)[entry]];
    }
    return 0;
}

static json_t *field_json(const rg_model *model, rg_field field, const double *vertex_at)
{
    static const char *const locations[] = {
        [RG_PER_EDGE] = "edge", [RG_PER_VERTEX] = "vertex", [RG_PER_MARKER] = "marker"};
    const rg_field_info *info = rg_field_describe(field);
    const double *values = rg_model_field(model, field);
    size_t entries = rg_model_field_entries(model, field), width = (size_t)info->components;
    /* the end vertices carry no bend or twist: their entries mean nothing */
    size_t skip = info->location == RG_PER_VERTEX && field != RG_DRAG ? 1 : 0;
    json_t *object = json_object(), *at = json_array(), *list = json_array();
    int fine = object && at && list;
    for (size_t i = 0; i < entries && fine; i++)
        fine = append(at, number(entry_at(model, info->location, vertex_at, i)));
    for (size_t i = 0; i < entries * width && fine; i++) {
        size_t entry = i / width;
        int unused = entry < skip || entry + skip >= entries;
        fine = append(list, unused ? json_null() : number(values[i]));
    }
    fine = fine && put(object, "name", text(info->name)) && put(object, "unit", text(info->unit)) &&
           put(object, "symbol", text(info->symbol)) && put(object, "location", text(locations[info->location])) &&
           put(object, "components", json_integer(info->components)) && put(object, "at", json_incref(at)) &&
           put(object, "values", json_incref(list));
    json_decref(at);
    json_decref(list);
    if (fine) return object;
    json_decref(object);
    return NULL;
}

static json_t *model_json(const rgi_report_input *input, const char *hash)
{
    const rg_model *model = input->file->model;
    size_t vertices = rg_model_vertices(model);
    const double *lengths = rg_model_field(model, RG_REST_LENGTH);
    double *vertex_at = calloc(vertices, sizeof *vertex_at);
    json_t *object = json_object(), *fields = json_array(), *clamps = json_array();
    json_t *marker_at = json_array();
    int fine = vertex_at && object && fields && clamps && marker_at;
    for (size_t i = 1; i < vertices && fine; i++) vertex_at[i] = vertex_at[i - 1] + lengths[i - 1];
    for (int f = 0; f < RG_FIELD_COUNT && fine; f++) fine = append(fields, field_json(model, (rg_field)f, vertex_at));
    const int *marker_vertex = rg_model_marker_vertices(model);
    for (size_t m = 0; m < rg_model_markers(model) && fine; m++)
        fine = append(marker_at, number(vertex_at[marker_vertex[m]]));
    const int *list = NULL;
    size_t n_clamps = rg_model_clamps(model, &list);
    for (size_t i = 0; i < n_clamps && fine; i++) fine = append(clamps, json_integer(list[i]));
    fine = fine && put(object, "name", text(base_name(input->model_path))) &&
           put(object, "path", text(input->model_path)) && put(object, "sha256", text(hash)) &&
           put(object, "markers", count(rg_model_markers(model))) &&
           put(object, "refine", count(rg_model_refine(model))) &&
           put(object, "bend_measure", text(rg_bend_measure_name(rg_model_bend_measure(model)))) &&
           put(object, "vertices", count(vertices)) && put(object, "length_m", number(vertex_at[vertices - 1])) &&
           put(object, "marker_at_m", json_incref(marker_at)) && put(object, "clamps", json_incref(clamps)) &&
           put(object, "fields", json_incref(fields));
    free(vertex_at);
    json_decref(marker_at);
    json_decref(clamps);
    json_decref(fields);
    if (fine) return object;
    json_decref(object);
    return NULL;
}

/* ---- recordings ---- */

/* what is not to be trusted in a recording: [marker, first frame, frames], run by run */
static json_t *glitches_json(const rg_recording *recording)
{
    json_t *runs = json_array();
    int fine = runs != NULL;
    for (size_t m = 0; m < recording->n_markers; m++) {
        size_t start = 0, length = 0;
        for (size_t f = 0; f <= recording->n_frames && fine; f++) {
            int bad = f < recording->n_frames && !recording->valid[f * recording->n_markers + m];
            if (bad && length++ == 0) start = f;
            if (bad || !length) continue;
            fine = append(runs, json_pack("[I, I, I]", (json_int_t)m, (json_int_t)start, (json_int_t)length));
            length = 0;
        }
    }
    if (fine) return runs;
    json_decref(runs);
    return NULL;
}

static json_t *along_rod_json(const rg_recording *recording, const double *predicted)
{
    double *mean = calloc(recording->n_markers, sizeof *mean);
    json_t *list = json_array();
    int fine = mean && list;
    if (fine) rg_error_along_rod(recording, predicted, mean);
    for (size_t m = 0; m < recording->n_markers && fine; m++) fine = append(list, number(mean[m]));
    free(mean);
    if (fine) return list;
    json_decref(list);
    return NULL;
}

/* base64 is ASCII: no need to look for UTF-8 in megabytes */
static json_t *motion_json(const rg_recording *recording, const double *positions, const uint8_t *skip)
{
    char *encoded = rgi_encode_positions(positions, recording->n_frames, recording->n_markers, skip);
    json_t *value = encoded ? json_string_nocheck(encoded) : NULL;
    free(encoded);
    return value;
}

/* ---- forces ---- */

/* clamps [first, end) of a gripper: a run of clamped vertices side by side */
static size_t gripper_end(const rg_model *model, const rg_recording *r, size_t first)
{
    const int *vertex = rg_model_marker_vertices(model);
    size_t end = first + 1;
    while (end < r->n_clamps && vertex[r->clamps[end]] == vertex[r->clamps[end - 1]] + 1) end++;
    return end;
}

/* per frame the size of the force that clamps [first, end) exert together: what they pull at each other cancels */
static void gripper_force(const rg_model *model, const rg_recording *r, const rg_forces *forces, size_t first,
                          size_t end, double *size)
{
    for (size_t f = 0; f < r->n_frames; f++) {
        const double *reaction = forces->reaction + 3 * f * r->n_clamps;
        double sum[3] = {NAN, NAN, NAN};
        (void)rg_hold_wrench(model, first, end, NULL, reaction, NULL, NULL, sum, NULL, NULL);
        size[f] = sqrt(sum[0] * sum[0] + sum[1] * sum[1] + sum[2] * sum[2]);
    }
}

/* per frame the largest tension; clamped edges aside, whose length the recording says. edges: room for all */
static void largest_tension(const rg_model *model, const rg_recording *r, const rg_forces *forces, int *edges,
                            double *largest)
{
    const size_t n_edges = rg_model_vertices(model) - 1, n_clamped = rg_model_clamped_edges(model, edges);
    for (size_t f = 0; f < r->n_frames; f++) {
        largest[f] = NAN;
        for (size_t i = 0, c = 0; i < n_edges; i++) {
            const double tension = forces->tension[f * n_edges + i];
            if (c < n_clamped && edges[c] == (int)i) c++;
            else if (!(tension <= largest[f])) largest[f] = tension;
        }
    }
}

/* whole numbers of units, null where there is no number */
static json_t *scaled_json(const double *values, size_t n, double unit)
{
    json_t *list = json_array();
    int fine = list != NULL;
    for (size_t i = 0; i < n && fine; i++)
        fine = append(list, isfinite(values[i]) ? json_integer((json_int_t)llround(values[i] / unit)) : json_null());
    if (fine) return list;
    json_decref(list);
    return NULL;
}

/* a power of ten of which no value is more than 100000 */
static double unit_of(const double *values, size_t n)
{
    double most = 0.0;
    for (size_t i = 0; i < n; i++)
        if (isfinite(values[i]) && fabs(values[i]) > most) most = fabs(values[i]);
    return most > 0.0 ? pow(10.0, ceil(log10(most)) - 5.0) : 1.0;
}

static json_t *forces_json(const rg_model *model, const rg_recording *r, const rg_forces *forces)
{
    const size_t frames = r->n_frames;
    size_t n = 0; /* grippers; the row after theirs is the tension's */
    double *values = calloc((r->n_clamps + 1) * frames, sizeof *values);
    int *edges = malloc(rg_model_vertices(model) * sizeof *edges);
    json_t *object = json_object(), *grippers = json_array();
    int fine = values && edges && object && grippers;
    for (size_t first = 0; first < r->n_clamps && fine; n++) {
        const size_t end = gripper_end(model, r, first);
        gripper_force(model, r, forces, first, end, values + n * frames);
        first = end;
    }
    if (fine) largest_tension(model, r, forces, edges, values + n * frames);
    const double unit = fine ? unit_of(values, (n + 1) * frames) : 1.0;
    for (size_t first = 0, k = 0; first < r->n_clamps && fine; k++) {
        const size_t end = gripper_end(model, r, first);
        json_t *markers = json_array(), *gripper = json_object();
        fine = markers && gripper;
        for (; first < end && fine; first++) fine = append(markers, json_integer(r->clamps[first]));
        fine = fine && put(gripper, "markers", json_incref(markers)) &&
               put(gripper, "force", scaled_json(values + k * frames, frames, unit)) &&
               append(grippers, json_incref(gripper));
        json_decref(markers);
        json_decref(gripper);
    }
    fine = fine && put(object, "unit_n", number(unit)) && put(object, "grippers", json_incref(grippers)) &&
           put(object, "tension", scaled_json(values + n * frames, frames, unit));
    free(edges);
    free(values);
    json_decref(grippers);
    if (fine) return object;
    json_decref(object);
    return NULL;
}

static void status_text(const rg_rod_status *status, char *out, size_t size)
{
    if (status->flag == RG_ROD_OK) snprintf(out, size, "ok");
    else snprintf(out, size, "step %d: %s", status->step, rg_rod_flag_text(status->flag));
}

static json_t *recording_json(const rgi_report_input *input, size_t i)
{
    const rg_recording *recording = &input->recordings[i];
    const rgi_report_errors *errors = &input->errors[i];
    const rg_rod_status *status = &input->statuses[i];
    char reason[160];
    status_text(status, reason, sizeof reason);
    uint8_t *driven = calloc(recording->n_markers, sizeof *driven);
    json_t *object = json_object();
    int fine = object && driven;
    for (size_t c = 0; c < recording->n_clamps && fine; c++) driven[recording->clamps[c]] = 1;
    fine = fine && put(object, "name", text(recording->name)) && put(object, "source", text(recording->source)) &&
           put(object, "sha256", text(recording->sha256)) && put(object, "frames", count(recording->n_frames)) &&
           put(object, "dt_s", number(recording->dt_s)) && put(object, "masked", count(recording->n_masked)) &&
           put(object, "repaired", count(recording->n_repaired)) &&
           put(object, "l1_m", number(rg_error_l1(&errors->simulated))) &&
           put(object, "rmse_free_m", number(rg_error_rmse_free(&errors->simulated))) &&
           put(object, "max_m", number(rg_error_max(&errors->simulated))) &&
           put(object, "hold_m", number(rg_error_l1(&errors->hold))) && put(object, "status", text(reason)) &&
           put(object, "marker_mean_m", along_rod_json(recording, input->predicted[i])) &&
           put(object, "invalid", glitches_json(recording)) &&
           put(object, "recorded", motion_json(recording, recording->positions, NULL)) &&
           put(object, "simulated", motion_json(recording, input->predicted[i], driven));
    if (fine && input->forces)
        fine = put(object, "forces", forces_json(input->file->model, recording, &input->forces[i]));
    if (fine && errors->ridge.n_absolute > 0) fine = put(object, "ridge_m", number(rg_error_l1(&errors->ridge)));
    if (fine && status->flag != RG_ROD_OK)
        fine = put(object, "failed_frame", json_integer(status->step / input->opts->substeps + 2));
    free(driven);
    if (fine) return object;
    json_decref(object);
    return NULL;
}

/* ---- all of it ---- */

static json_t *summary_json(const rgi_report_input *input)
{
    rgi_report_errors all = {0};
    char reason[160], status[512] = "ok";
    for (size_t i = input->n; i-- > 0;) {
        rg_error_merge(&all.simulated, &input->errors[i].simulated);
        rg_error_merge(&all.hold, &input->errors[i].hold);
        rg_error_merge(&all.ridge, &input->errors[i].ridge);
        if (input->statuses[i].flag == RG_ROD_OK) continue;
        status_text(&input->statuses[i], reason, sizeof reason);
        snprintf(status, sizeof status, "rod %zu (%s), %s", i, input->recordings[i].name, reason);
    }
    json_t *object = json_object(), *baselines = json_object();
    int fine = object && baselines && put(baselines, "hold", number(rg_error_l1(&all.hold)));
    if (fine && all.ridge.n_absolute > 0) fine = put(baselines, "ridge", number(rg_error_l1(&all.ridge)));
    fine = fine && put(object, "l1_m", number(rg_error_l1(&all.simulated))) &&
           put(object, "rmse_free_m", number(rg_error_rmse_free(&all.simulated))) &&
           put(object, "max_m", number(rg_error_max(&all.simulated))) && put(object, "status", text(status)) &&
           put(object, "baselines", json_incref(baselines));
    json_decref(baselines);
    if (fine) return object;
    json_decref(object);
    return NULL;
}

static json_t *simulation_json(const rgi_report_input *input)
{
    const rg_rollout_opts *opts = input->opts;
    json_t *object = json_object();
    int fine =
        object && put(object, "stepper", text(rg_stepper_name(opts->stepper))) &&
        put(object, "scheme", text(rg_scheme_name(opts->scheme))) &&
        put(object, "substeps", json_integer(opts->substeps)) &&
        put(object, "gravity_m_s2", json_pack("[f, f, f]", opts->gravity[0], opts->gravity[1], opts->gravity[2])) &&
        put(object, "tolerance_m", number(opts->tolerance_m)) &&
        put(object, "max_iterations", json_integer(opts->max_iterations)) &&
        put(object, "at_limit", text(rg_at_limit_name(opts->at_limit))) &&
        put(object, "backend", text(rgi_rollout_backend(opts))) && put(object, "isa", text(opts->isa)) &&
        put(object, "real", text(rg_real_name(opts->real))) && put(object, "steps", number(input->steps)) &&
        put(object, "wall_s", number(input->wall_s)) &&
        put(object, "rod_steps_per_s", number(input->steps / fmax(input->wall_s, 1e-9)));
    if (fine) return object;
    json_decref(object);
    return NULL;
}

rg_status rgi_report_data(const rgi_report_input *given, json_t **out, rg_error *err)
{
    *out = NULL;
    char hash[65];
    rg_recording *complete = NULL;
    RG_TRY(hash_file(given->model_path, hash, err));
    RG_TRY(rgi_recordings_complete(given->recordings, given->n, &complete, err));
    rgi_report_input own = *given;
    const rgi_report_input *input = &own;
    own.recordings = complete;
    json_t *object = json_object(), *recordings = json_array();
    int fine = object && recordings;
    for (size_t i = 0; i < input->n && fine; i++) fine = append(recordings, recording_json(input, i));
    fine = fine && put(object, "format", text("rodgrad-report")) && put(object, "version", text(rg_version())) &&
           put(object, "created", text(input->created)) && put(object, "command", text(input->command)) &&
           put(object, "model", model_json(input, hash)) && put(object, "simulation", simulation_json(input)) &&
           put(object, "summary", summary_json(input)) && put(object, "recordings", json_incref(recordings));
    if (fine && input->file->fit) fine = put(object, "fit", json_incref(input->file->fit));
    if (fine && input->truth) fine = put(object, "truth", json_incref(input->truth));
    json_decref(recordings);
    free(complete);
    if (!fine) {
        json_decref(object);
        return RG_FAIL(err, RG_ERR_MEMORY, "No memory for a report on %zu recordings.", input->n);
    }
    *out = object;
    return RG_OK;
}
