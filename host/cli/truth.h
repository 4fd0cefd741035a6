/* cli/truth.h: fitted parameters beside the ones that recordings were planted with. */
#ifndef RGC_TRUTH_H
#define RGC_TRUTH_H

#include "cli/cli.h"

/* The truth of every parameter in file->fit, read from the model at truth_path, whose mesh may be
 * another one. *out, a new reference: {name, values: a number or null for each of fit.parameters in
 * their order}. RG_ERR_ARGUMENT where the model was not fitted, RG_ERR_SHAPE where the truth is
 * about another rod, RG_ERR_MEMORY, and what reading a model may return. */
rg_status rgc_truth_read(const rgi_model_file *file, const char *model_path, const char *truth_path, json_t **out,
                         rg_error *err);

/* Truth, estimate and interval of each parameter, for a person, on stderr. */
void rgc_truth_table(const json_t *fit, const json_t *truth);

/* [{name, truth, value, std, low, high, inside, identifiable}, ...]; NULL without memory */
json_t *rgc_truth_json(const json_t *fit, const json_t *truth);

#endif
