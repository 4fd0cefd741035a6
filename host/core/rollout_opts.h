/* core/rollout_opts.h: whether options of rollouts (include/rodgrad/rollout.h) can be run. */
#ifndef RGI_ROLLOUT_OPTS_H
#define RGI_ROLLOUT_OPTS_H

#include "cpu/dispatch.h"
#include "rodgrad/model.h"
#include "rodgrad/rollout.h"

/* the options in range, and the instructions they mean. RG_ERR_ARGUMENT, RG_ERR_UNSUPPORTED. */
rg_status rgi_rollout_check(const rg_rollout_opts *opts, const rgi_cpu **cpu, rg_error *err);
/* RG_ERR_ARGUMENT for equilibria of a model that nothing holds, and for a measure of bending that the stepper does not
 * know */
rg_status rgi_rollout_check_model(const rg_rollout_opts *opts, const rg_model *model, rg_error *err);

#endif
