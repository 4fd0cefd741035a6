/* cuda/rollout_deform_double.cu: rollouts with the deform stepper in double precision. */
#define RGI_REAL_DOUBLE
#define RGI_DEFORM(pack) 1
#include "rollout_kernels.h"

const rgi_rollout_kernels *rgi_rollout_deform_double(void) { return &kernels; }
