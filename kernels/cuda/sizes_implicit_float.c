/* cuda/sizes_implicit_float.c: sizes of the implicit stepper in single precision. */
#define RGI_REAL_FLOAT
#define RGI_DEFORM(pack) 0
#include "rollout_sizes.h"

const rgi_rollout_sizes rgi_sizes_implicit_float = {sizeof(real), sizeof(rgi_run), step_reals, rest_reals};
