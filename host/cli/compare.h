/* cli/compare.h: a model's predictions of some recordings beside trivial ones, for `report`. */
#ifndef RGC_COMPARE_H
#define RGC_COMPARE_H

#include "cli/inputs.h"
#include "report/report.h"

/* all of it owned: rgc_comparison_clear */
typedef struct rgc_comparison {
    rgi_model_file file;
    rg_recording *recordings; /* [n] */
    size_t n;
    rg_rollout_opts opts; /* what was simulated with */
    rgc_batch batch;
    rgi_report_errors *errors; /* [n] */
} rgc_comparison;

/* Move the words behind --train (up to the next option) out of argv into `train`, which has room
 * for argc. Returns the new argc; *given says whether --train was there. */
int rgc_take_training(int argc, char **argv, const char **train, size_t *n_train, int *given);

/* Load the model and the recordings under `paths`, simulate them, compare. With training recordings (n_train > 0) also
 * the ridge baseline; with `forces` forces too, where the stepper has them. Warns in the command's name of recordings
 * given twice. Errors as of the calls it makes; clear *job either way. */
rg_status rgc_compare(const char *command, rgc_comparison *job, const rgc_common *common, const char *model_path,
                      const char *const *paths, size_t n_paths, const char *const *train, size_t n_train, int forces,
                      rg_error *err);
void rgc_comparison_clear(rgc_comparison *job);

#endif
