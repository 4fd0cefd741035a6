/* cuda/rollout_implicit_double.cu: rollouts with the implicit stepper in double precision. */
#define RGI_REAL_DOUBLE
#define RGI_DEFORM(pack) 0
#include "rollout_kernels.h"

const rgi_rollout_kernels *rgi_rollout_implicit_double(void) { return &kernels; }
