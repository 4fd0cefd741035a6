/* report/report.h: one self-contained page about a model and the recordings it was compared with.
 *
 * The page's data is one JSON object (rgi_report_data); page.html, page.css and the scripts beside
 * them are embedded in the program and turn it into a page that needs no network
 * (rgi_report_write). Members of the data: version, created, command; model (name, path, sha256,
 * mesh, fields with the arc length of each entry); simulation (settings, speed); summary (l1_m,
 * rmse_free_m, max_m, status, baselines); recordings (numbers as in `evaluate --json`, encoded
 * motion, glitches, forces where there are any); fit; truth, where it is known. */
#ifndef RGI_REPORT_H
#define RGI_REPORT_H

#include <jansson.h>

#include "rodgrad/study.h"
#include "io/model_json.h"
#include "rodgrad/recording.h"
#include "rodgrad/rollout.h"
#include "rodgrad/status.h"

/* error sums of one recording; ridge.n_absolute is 0 where there is no such baseline */
typedef struct rgi_report_errors {
    rg_error_sums simulated, hold, ridge;
} rgi_report_errors;

typedef struct rgi_report_input {
    const char *model_path; /* as given; the file is read again for its hash */
    const rgi_model_file *file;
    const rg_recording *recordings; /* [n], markers and clamps as the model's */
    size_t n;
    double *const *predicted;        /* [n][n_frames_i][n_markers][3] [m] */
    const rg_rod_status *statuses;   /* [n] */
    const rg_forces *forces;         /* [n] with tension and reaction, or NULL: the stepper has none */
    const rgi_report_errors *errors; /* [n] */
    const rg_rollout_opts *opts;     /* what was simulated with; isa names what ran */
    double wall_s, steps;            /* of the simulation: time, and steps over all rods */
    json_t *truth;                   /* what was planted: {name, values [fit.parameters]}, or NULL */
    const char *command;             /* the command line, for people */
    const char *created;             /* date and time, for people */
} rgi_report_input;

/* *out: a new reference, NULL on failure. RG_ERR_IO when the model file cannot be read again,
 * RG_ERR_ARGUMENT when a recording has no positions, RG_ERR_MEMORY. */
rg_status rgi_report_data(const rgi_report_input *input, json_t **out, rg_error *err);

/* The page around `data`, written atomically; *bytes (may be NULL): its size. RG_ERR_IO,
 * RG_ERR_MEMORY. */
rg_status rgi_report_write(const char *path, json_t *data, size_t *bytes, rg_error *err);

#endif
