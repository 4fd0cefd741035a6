/* cuda/sizes_deform_double.c: sizes of the deform stepper in double precision. */
#define RGI_REAL_DOUBLE
#define RGI_DEFORM(pack) 1
#include "rollout_sizes.h"

const rgi_rollout_sizes rgi_sizes_deform_double = {sizeof(real), sizeof(rgi_run), step_reals, rest_reals};
