/* cuda/rollout_implicit_float.cu: rollouts with the implicit stepper in single precision. */
#define RGI_REAL_FLOAT
#define RGI_DEFORM(pack) 0
#include "rollout_kernels.h"

const rgi_rollout_kernels *rgi_rollout_implicit_float(void) { return &kernels; }
