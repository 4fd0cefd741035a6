/* core/stability.h: the longest step that the deform stepper is stable with. */
#ifndef RGI_STABILITY_H
#define RGI_STABILITY_H

#include "core/motion.h"
#include "rodgrad/model.h"

/* The longest stable step [s] of a model's free vertices, an estimate for a straight rod (rod/stability.h); INFINITY
 * where nothing bounds it. RG_ERR_MEMORY. */
rg_status rgi_deform_longest_step(const rg_model *model, double *step_s, rg_error *err);

#endif
