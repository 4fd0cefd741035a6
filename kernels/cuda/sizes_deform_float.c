/* cuda/sizes_deform_float.c: sizes of the deform stepper in single precision. */
#define RGI_REAL_FLOAT
#define RGI_DEFORM(pack) 1
#include "rollout_sizes.h"

const rgi_rollout_sizes rgi_sizes_deform_float = {sizeof(real), sizeof(rgi_run), step_reals, rest_reals};
