/* cli/fit_result.h: what a fit found, as JSON and as a table. */
#ifndef RGC_FIT_RESULT_H
#define RGC_FIT_RESULT_H

#include "cli/inputs.h"
#include "rodgrad/fit.h"

/* how a fit went */
typedef struct rgc_fit_job {
    rg_fit *fit;
    const rg_recording *recordings;
    size_t n;
    const rg_fit_opts *opts;
    rg_fit_progress progress;
    double wall_s;       /* all runs of it together */
    const char *command; /* the command line */
    /* set by rgc_fit_result */
    const rg_fit_parameter *parameters;
    size_t n_parameters;
} rgc_fit_job;

/* Brings job->progress to all recordings. The "fit" object of model.json (docs/model-format.md); *out: a new reference.
 * RG_ERR_MEMORY and as rg_fit_parameters. */
rg_status rgc_fit_result(rgc_fit_job *job, json_t **out, rg_error *err);
/* "bend_stiffness[3]", "natural_curvature[3].2", "drag" */
void rgc_fit_parameter_name(const rg_fit_parameter *parameter, char *text, size_t size);
/* Why a fit that has not converged is over, what of its result does not hold and what to do, in a sentence. */
void rgc_fit_unfinished(const rgc_fit_job *job, char *text, size_t size);
/* Parameters with their intervals, for a person, on stderr. */
void rgc_fit_table(const rgc_fit_job *job);
/* "ok" or the first recording that failed at the fitted parameters, in words. */
void rgc_fit_status(const rgc_fit_job *job, char *text, size_t size);
/* Warnings of the recordings as the fitted rod goes through them (rgc_warn_rods). */
void rgc_fit_warn(const rgc_fit_job *job);

#endif
