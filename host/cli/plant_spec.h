/* cli/plant_spec.h: what `rodgrad plant` is to make (docs/plant.md describes the file). */
#ifndef RGC_PLANT_SPEC_H
#define RGC_PLANT_SPEC_H

#include "cli/cli.h"
#include "rodgrad/study.h"

typedef struct rgc_plant_spec {
    rgi_model_file truth; /* model; dt_s and scheme as planted with; owned */
    rg_plant_opts opts;
    long n_train, n_eval;
} rgc_plant_spec;

/* The spec at `path`, or the default where it is NULL; options of the command line win: --dt,
 * --scheme, --substeps, --threads, --isa, and --refine for the default truth. RG_ERR_IO,
 * RG_ERR_FORMAT, RG_ERR_VALUE and what reading a model may return; *out is zeroed on failure. */
rg_status rgc_plant_spec_read(const char *path, const rgc_common *common, rgc_plant_spec *out, rg_error *err);
void rgc_plant_spec_clear(rgc_plant_spec *spec);

/* The spec as JSON, complete, with its model in the file `model`; NULL without memory. */
json_t *rgc_plant_spec_json(const rgc_plant_spec *spec, const char *model);

#endif
