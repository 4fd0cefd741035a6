/* core/checkpoints.h: choosing a checkpoint plan (kernels/plan.h) for a memory budget. */
#ifndef RGI_CHECKPOINTS_H
#define RGI_CHECKPOINTS_H

#include <stddef.h>

#include "plan.h"
#include "rodgrad/batch.h"
#include "rodgrad/status.h"

/* bytes that a plan keeps: for `packs` packs level 0, for `threads` threads the pool */
size_t rgi_plan_bytes(const rgi_plan *plan, size_t state_bytes, size_t packs, size_t threads);

/* budget 0: two levels with the least memory. SIZE_MAX: everything is stored. Else the fewest levels
 * that fit. RG_ERR_ARGUMENT names the least budget there is a plan for; RG_ERR_ARGUMENT for a rollout of
 * no or more than 2^31 - 2 steps. */
rg_status rgi_plan_make(size_t steps, size_t state_bytes, size_t packs, size_t threads, size_t budget, rgi_plan *out,
                        rg_error *err);

/* steps that a forward and a reverse run take together, over those of a forward run alone (the
 * reverse steps themselves not counted): 1 with everything stored */
double rgi_plan_runs(const rgi_plan *plan);

/* a plan in the public terms; rgi_plan NULL: nothing is kept */
rg_batch_plan rgi_plan_describe(const rgi_plan *plan, size_t kept_bytes, size_t total_bytes);

#endif
