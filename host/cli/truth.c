/* cli/truth.c: fitted parameters beside the truth (truth.h). */
#include "cli/truth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/inputs.h"
#include "core/words.h"
#include "fit/parameters.h"

static const json_t *parameters_of(const json_t *fit) { return json_object_get(fit, "parameters"); }

/* the group that a fitted parameter belongs to, RG_GROUP_COUNT when there is none of its name */
static rg_group group_of(const json_t *parameter)
{
    rg_group group = RG_GROUP_COUNT;
    (void)rg_group_find(json_string_value(json_object_get(parameter, "field")), &group);
    return group;
}

/* -1 for a value that holds along the whole rod */
static int integer_of(const json_t *parameter, const char *member)
{
    const json_t *value = json_object_get(parameter, member);
    return json_is_integer(value) ? (int)json_integer_value(value) : -1;
}

static rg_status check_same_rod(const rg_model *model, const char *model_path, const rg_model *truth,
                                const char *truth_path, rg_error *err)
{
    const int *a = NULL, *b = NULL;
    size_t n = rg_model_clamps(model, &a), m = rg_model_clamps(truth, &b);
    if (rg_model_markers(model) == rg_model_markers(truth) && n == m && (n == 0 || memcmp(a, b, n * sizeof *a) == 0))
        return RG_OK;
    return RG_FAIL(err, RG_ERR_SHAPE,
                   "%s is a rod of other markers or clamps than %s; give the truth that its recordings "
                   "were planted with.",
                   truth_path, model_path);
}

/* values of the truth under the fit's own parametrisation */
static rg_status look_up(const rg_model *model, const rg_model *truth, const json_t *list, json_t *values,
                         rg_error *err)
{
    rg_group_mode modes[RG_GROUP_COUNT] = {RG_HELD};
    double priors[RG_GROUP_COUNT], *scaled = NULL;
    for (int g = 0; g < RG_GROUP_COUNT; g++) priors[g] = 1.0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        if (group_of(p) < RG_GROUP_COUNT) modes[group_of(p)] = integer_of(p, "entry") < 0 ? RG_UNIFORM : RG_ALONG;
    }
    rgi_parameters known;
    RG_TRY(rgi_parameters_create(truth, modes, priors, &known, &scaled, err));
    /* a length is one edge's, and the meshes may have other edges */
    const double edges = (double)rg_model_refine(truth) / (double)rg_model_refine(model);
    rg_status status = RG_OK;
    for (size_t i = 0; i < json_array_size(list) && status == RG_OK; i++) {
        const json_t *p = json_array_get(list, i);
        double value = NAN;
        for (size_t k = 0; k < known.n; k++) {
            const rgi_parameter *q = &known.list[k];
            if (q->group != group_of(p) || q->element != integer_of(p, "entry") ||
                q->component != integer_of(p, "component"))
                continue;
            value = rgi_group_describe(q->group)->logarithmic ? exp(scaled[k]) : scaled[k];
            if (q->group == RG_GROUP_LENGTH) value *= edges;
        }
        if (json_array_append_new(values, rgc_json_number(value)) != 0)
            status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for the truth of %zu parameters.", json_array_size(list));
    }
    rgi_parameters_clear(&known);
    free(scaled);
    return status;
}

rg_status rgc_truth_read(const rgi_model_file *file, const char *model_path, const char *truth_path, json_t **out,
                         rg_error *err)
{
    const json_t *list = parameters_of(file->fit);
    *out = NULL;
    if (json_array_size(list) == 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s holds no fitted parameters to compare with %s; make it with rodgrad fit.", model_path,
                       truth_path);
    rgi_model_file truth = {0};
    RG_TRY(rgi_model_file_load(truth_path, &truth, err));
    rg_status status = check_same_rod(file->model, model_path, truth.model, truth_path, err);
    json_t *values = json_array();
    if (status == RG_OK && !values) status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for a truth.");
    if (status == RG_OK) status = look_up(file->model, truth.model, list, values, err);
    if (status == RG_OK) {
        *out = json_pack("{s:o, s:O}", "name", rgc_json_text(truth_path), "values", values);
        if (!*out) status = RG_FAIL(err, RG_ERR_MEMORY, "No memory for a truth.");
    }
    json_decref(values);
    rgi_model_file_clear(&truth);
    return status;
}

static double number_of(const json_t *parameter, const char *member)
{
    const json_t *value = json_object_get(parameter, member);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static double truth_of(const json_t *truth, size_t i)
{
    const json_t *value = json_array_get(json_object_get(truth, "values"), i);
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static const char *text_of(const json_t *parameter, const char *member)
{
    const char *text = json_string_value(json_object_get(parameter, member));
    return text ? text : "";
}

/* within its 95 % interval; a comparison with NaN is false */
static int inside(const json_t *parameter, double value)
{
    return value >= number_of(parameter, "low") && value <= number_of(parameter, "high");
}

void rgc_truth_table(const json_t *fit, const json_t *truth)
{
    const json_t *list = parameters_of(fit);
    size_t n = 0, good = 0;
    fprintf(stderr, "%-24s %12s %12s  %-25s %-7s %s\n", "parameter", "truth", "estimate",
            json_is_false(json_object_get(fit, "intervals_hold")) ? "interval, not valid" : "95 % interval", "inside?",
            "unit");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        const int known = json_is_true(json_object_get(p, "identifiable"));
        double value = truth_of(truth, i);
        char interval[64];
        snprintf(interval, sizeof interval, "[%.4g, %.4g]", number_of(p, "low"), number_of(p, "high"));
        fprintf(stderr, "%-24s %12.5g %12.5g  %-25s %-7s %s%s\n", text_of(p, "name"), value, number_of(p, "value"),
                interval, inside(p, value) ? "yes" : "NO", text_of(p, "unit"), known ? "" : "  (not identifiable)");
        n += known;
        good += known && inside(p, value);
    }
    fprintf(stderr, "the truth lies within the interval for %zu of %zu identifiable parameter%s\n", good, n,
            rgi_plural(n));
}

json_t *rgc_truth_json(const json_t *fit, const json_t *truth)
{
    const json_t *list = parameters_of(fit);
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        double value = truth_of(truth, i);
        json_t *one = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b}", "name", text_of(p, "name"), "truth",
                                rgc_json_number(value), "value", rgc_json_number(number_of(p, "value")), "std",
                                rgc_json_number(number_of(p, "std")), "low", rgc_json_number(number_of(p, "low")),
                                "high", rgc_json_number(number_of(p, "high")), "inside", inside(p, value),
                                "identifiable", json_is_true(json_object_get(p, "identifiable")));
        if (json_array_append_new(out, one) == 0) continue;
        json_decref(out);
        return NULL;
    }
    return out;
}
