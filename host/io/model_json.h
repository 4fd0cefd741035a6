/* io/model_json.h: model.json, the file a person can read and edit.
 *
 * Top-level members: "format" ("rodgrad-model"), "version" (1), "markers", "refine", "clamps",
 * "fields" (one member per name of RG_FIELD_LIST: a number for a field that is the same everywhere,
 * or an array with one number, or [a, b] pair, per entry; {"value": ..., "unit": "..."} around it
 * so that units are beside the numbers), "simulation" (scheme, dt_s, substeps, stepper, sweeps, gravity) and "fit"
 * (what `rodgrad fit` found: free form to the reader of the model, kept on load). Unknown members
 * anywhere but in "fit" are errors. */
#ifndef RGI_MODEL_JSON_H
#define RGI_MODEL_JSON_H

#include <jansson.h>

#include "rodgrad/model.h"
#include "rodgrad/rollout.h"

typedef struct rgi_model_file {
    rg_model *model;         /* owned */
    rg_rollout_opts rollout; /* stepper, sweeps, scheme, substeps and gravity as in "simulation"; the rest default */
    double dt_s;             /* frame interval the model was fitted at [s] */
    json_t *fit;             /* the "fit" object, or NULL; owned reference */
} rgi_model_file;

/* RG_ERR_IO, RG_ERR_FORMAT (not JSON: line and column; unknown or missing member; wrong type),
 * RG_ERR_VALUE, RG_ERR_SHAPE (wrong number of entries), RG_ERR_MEMORY. *out is zeroed on failure.
 */
rg_status rgi_model_file_load(const char *path, rgi_model_file *out, rg_error *err);
/* The same from memory; `name` stands for the file in messages (fuzzing). */
rg_status rgi_model_file_parse(const char *text, size_t size, const char *name, rgi_model_file *out, rg_error *err);
/* Atomic. A field whose entries are all equal is written as one number. Doubles round-trip exactly.
 */
rg_status rgi_model_file_save(const char *path, const rgi_model_file *file, rg_error *err);
void rgi_model_file_clear(rgi_model_file *file);

#endif
