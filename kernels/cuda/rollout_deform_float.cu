/* cuda/rollout_deform_float.cu: rollouts with the deform stepper in single precision. */
#define RGI_REAL_FLOAT
#define RGI_DEFORM(pack) 1
#include "rollout_kernels.h"

const rgi_rollout_kernels *rgi_rollout_deform_float(void) { return &kernels; }
