/* cuda/sizes_implicit_double.c: sizes of the implicit stepper in double precision. */
#define RGI_REAL_DOUBLE
#define RGI_DEFORM(pack) 0
#include "rollout_sizes.h"

const rgi_rollout_sizes rgi_sizes_implicit_double = {sizeof(real), sizeof(rgi_run), step_reals, rest_reals};
