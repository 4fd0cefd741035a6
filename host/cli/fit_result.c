/* cli/fit_result.c: what a fit found, as JSON and as a table (see fit_result.h). */
#include "cli/fit_result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/words.h"
#include "rodgrad/version.h"

enum { CORRELATIONS = 20 }; /* strongest ones listed */

static const struct {
    const char *unit;
} group_units[RG_GROUP_COUNT] = {
#define GROUP_UNIT(id, name, unit, log, mode, prior, low, high) {unit},
    RG_GROUP_LIST(GROUP_UNIT)
#undef GROUP_UNIT
};

void rgc_fit_parameter_name(const rg_fit_parameter *p, char *text, size_t size)
{
    const char *name = rg_group_name(p->group);
    const int pair = p->group == RG_GROUP_CURVATURE || p->group == RG_GROUP_OFFSET || p->group == RG_GROUP_ANISOTROPY;
    char element[16] = "", component[16] = "";
    if (p->element >= 0) snprintf(element, sizeof element, "[%d]", p->element);
    if (pair) snprintf(component, sizeof component, ".%d", p->component + 1);
    snprintf(text, size, "%s%s%s", name, element, component);
}

void rgc_fit_status(const rgc_fit_job *job, char *text, size_t size)
{
    for (size_t i = 0; i < job->n; i++) {
        rg_rod_status s;
        (void)rg_fit_recording_l1(job->fit, i, &s);
        if (s.flag == RG_ROD_OK) continue;
        snprintf(text, size, "rod %zu (%s), step %d: %s", i, job->recordings[i].name, s.step, rg_rod_flag_text(s.flag));
        return;
    }
    snprintf(text, size, "ok");
}

void rgc_fit_warn(const rgc_fit_job *job)
{
    rg_rod_status *statuses = calloc(job->n, sizeof *statuses);
    for (size_t i = 0; statuses && i < job->n; i++) (void)rg_fit_recording_l1(job->fit, i, &statuses[i]);
    if (statuses) rgc_warn_rods("fit", rg_fit_model(job->fit), statuses, job->recordings, job->n, &job->opts->rollout);
    free(statuses);
}

void rgc_fit_unfinished(const rgc_fit_job *job, char *text, size_t size)
{
    static const char *const reasons[RG_STOP_COUNT] = {
        [RG_STOP_NONE] = "was not finished",
        [RG_STOP_STUCK] =
            "found no better point, though its cost still has a slope: a rod may snap to another shape there; "
            "start from another point, or leave out the recording whose error jumps",
        [RG_STOP_ITERATIONS] = "was ended by its number of iterations; raise --iterations, or continue with --start",
        [RG_STOP_TIME] = "was ended by its time limit; raise --max-time, or continue with --start"};
    snprintf(text, size, "The fit has not converged, and its intervals do not hold: it %s.",
             reasons[job->progress.stopped_by]);
}

static json_t *parameter_json(const rg_fit_parameter *p)
{
    char name[96];
    rgc_fit_parameter_name(p, name, sizeof name);
    return json_pack("{s:s, s:s, s:o, s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:s}", "name", name, "field",
                     rg_group_name(p->group), "entry", p->element < 0 ? json_null() : json_integer(p->element),
                     "component", p->component, "value", rgc_json_number(p->value), "unit", group_units[p->group].unit,
                     "std", rgc_json_number(p->std), "low", rgc_json_number(p->low), "high", rgc_json_number(p->high),
                     "prior_std", rgc_json_number(p->prior_std), "resolution", rgc_json_number(p->resolution),
                     "identifiable", p->identifiable, "at_bound", p->at_bound, "scale",
                     p->logarithmic ? "log" : "linear");
}

static json_t *parameters_json(const rgc_fit_job *job)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < job->n_parameters; i++)
        if (json_array_append_new(list, parameter_json(&job->parameters[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *recordings_json(const rgc_fit_job *job)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < job->n; i++) {
        const rg_recording *r = &job->recordings[i];
        rg_rod_status status;
        double l1 = rg_fit_recording_l1(job->fit, i, &status);
        json_t *one = json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:o, s:s}", "name", rgc_json_text(r->name), "sha256",
                                r->sha256, "frames", (json_int_t)r->n_frames, "masked", (json_int_t)r->n_masked,
                                "repaired", (json_int_t)r->n_repaired, "lost", (json_int_t)r->n_lost, "l1_m",
                                rgc_json_number(l1), "status", rg_rod_flag_text(status.flag));
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* the pairs of parameters that the data tells apart worst, strongest first */
static json_t *correlations_json(const rgc_fit_job *job)
{
    const double *r = rg_fit_correlations(job->fit);
    const size_t p = job->n_parameters;
    json_t *list = json_array();
    double below = INFINITY;
    for (int k = 0; list && k < CORRELATIONS; k++) {
        size_t a = 0, b = 0;
        double best = 0.0;
        for (size_t i = 0; i < p; i++)
            for (size_t j = 0; j < i; j++) {
                double size = fabs(r[i * p + j]);
                if (size > best && size < below) best = size, a = j, b = i;
            }
        if (!(best > 0.5)) break;
        below = best;
        char first[96], second[96];
        rgc_fit_parameter_name(&job->parameters[a], first, sizeof first);
        rgc_fit_parameter_name(&job->parameters[b], second, sizeof second);
        json_t *one = json_pack("{s:s, s:s, s:f}", "a", first, "b", second, "r", r[b * p + a]);
        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* could the deviations be computed? */
static int has_deviations(const rgc_fit_job *job)
{
    for (size_t i = 0; i < job->n_parameters; i++)
        if (!isfinite(job->parameters[i].std)) return 0;
    return 1;
}

static json_t *notes_json(const rgc_fit_job *job)
{
    json_t *notes = json_array();
    size_t unknown = 0, at_bound = 0;
    char text[512];
    for (size_t i = 0; i < job->n_parameters; i++) {
        unknown += !job->parameters[i].identifiable && !job->parameters[i].at_bound;
        at_bound += job->parameters[i].at_bound != 0;
    }
    size_t unsolved = 0;
    double residual = 0.0;
    for (size_t i = 0; i < job->n; i++) {
        rg_rod_status s;
        (void)rg_fit_recording_l1(job->fit, i, &s);
        unsolved += s.unfinished_steps > 0;
        residual = fmax(residual, s.worst_residual_n);
    }
    if (rg_fit_group_mode(job->fit, RG_GROUP_MASS) == RG_HELD)
        json_array_append_new(notes, json_string("Positions alone fix ratios of stiffness to mass: "
                                                 "mass_per_length is held at its start value, and every "
                                                 "stiffness is relative to it."));
    if (unknown) {
        snprintf(text, sizeof text,
                 "The priors tell more than these recordings about %zu of %zu parameter%s (resolution below 1/2).",
                 unknown, job->n_parameters, rgi_plural(job->n_parameters));
        json_array_append_new(notes, json_string(text));
    }
    if (at_bound) {
        snprintf(text, sizeof text, "%zu parameter%s ended at a bound.", at_bound, rgi_plural(at_bound));
        json_array_append_new(notes, json_string(text));
    }
    if (!has_deviations(job))
        json_array_append_new(notes,
                              json_string("Deviations and intervals are not known: the matrix that they come from "
                                          "is not positive definite."));
    if (unsolved) {
        snprintf(
            text, sizeof text,
            "Newton did not solve every step of %zu of %zu recording%s within its limit (--at-limit continue): up to "
            "%.2g N were left out of balance, and parameters are off by what that does.",
            unsolved, job->n, rgi_plural(job->n), residual);
        json_array_append_new(notes, json_string(text));
    }
    if (!job->progress.converged) {
        rgc_fit_unfinished(job, text, sizeof text);
        json_array_append_new(notes, json_string(text));
    }
    json_array_append_new(notes, json_string("Standard deviations allow for the correlation of residuals "
                                             "in time, not for what the model cannot represent."));
    return notes;
}

static json_t *numbers_json(const double *values, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; list && i < n; i++)
        if (json_array_append_new(list, rgc_json_number(values[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

rg_status rgc_fit_result(rgc_fit_job *job, json_t **out, rg_error *err)
{
    char created[40] = "", status[256];
    time_t now = time(NULL);
    struct tm utc;
    *out = NULL;
    RG_TRY(rg_fit_parameters(job->fit, &job->parameters, &job->n_parameters, err));
    rg_fit_describe(job->fit, &job->progress);
    rgc_fit_status(job, status, sizeof status);
    if (gmtime_r(&now, &utc)) strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    *out =
        json_pack("{s:o, s:s, s:s, s:s, s:f, s:i, s:b, s:s, s:b, s:o, s:s, s:{s:s, s:f, s:f}, s:o, s:o, s:o, s:o, s:o}",
                  "command", rgc_json_text(job->command), "version", rg_version(), "created", created, "method",
                  rg_fit_method_name(job->opts->method), "wall_s", job->wall_s, "iterations", job->progress.iteration,
                  "converged", job->progress.converged, "stopped_by", rg_fit_stop_name(job->progress.stopped_by),
                  "intervals_hold", job->progress.converged && has_deviations(job), "train_l1_m",
                  rgc_json_number(job->progress.train_l1_m), "status", status, "loss", "kind",
                  "absolute error, quadratic below the floor", "floor_m", job->opts->floor_m, "correlation",
                  job->opts->correlation, "recordings", recordings_json(job), "parameters", parameters_json(job),
                  "singular_values", numbers_json(rg_fit_singular_values(job->fit), job->n_parameters), "correlations",
                  correlations_json(job), "notes", notes_json(job));
    return *out ? RG_OK : RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the result of the fit.");
}

void rgc_fit_table(const rgc_fit_job *job)
{
    fprintf(stderr, "%-24s %12s %11s  %-25s %s\n", "parameter", "value", "std",
            job->progress.converged ? "95 % interval" : "interval, not valid", "unit");
    for (size_t i = 0; i < job->n_parameters; i++) {
        const rg_fit_parameter *p = &job->parameters[i];
        char name[96], interval[64];
        rgc_fit_parameter_name(p, name, sizeof name);
        snprintf(interval, sizeof interval, "[%.4g, %.4g]", p->low, p->high);
        fprintf(stderr, "%-24s %12.5g %11.2g  %-25s %s%s\n", name, p->value, p->std, interval,
                group_units[p->group].unit,
                p->at_bound       ? "  (at its bound)"
                : p->identifiable ? ""
                                  : "  (not identifiable)");
    }
}
