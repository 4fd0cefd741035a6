/* cuda/compile_check.cu: the kernel headers as device code, in float (compile_check_double.cu: in double).
 *
 * Compiled wherever nvcc is found, never linked or launched: the kernel below instantiates all that a
 * rollout calls, so that nothing gets into the headers that a device cannot have. */
#ifndef RGI_REAL_DOUBLE
#define RGI_REAL_FLOAT
#endif
#include "real/real.h"

#include "real/angle.h"
#include "real/vec3.h"
#include "rod/bend_twist.h"
#include "rod/layout.h"
#include "rod/stretch.h"
#include "reverse.h"
#include "rollout.h"
#include "step/assemble.h"
#include "step/implicit.h"
#include "step/ldlt.h"
#include "step/observe.h"
#include "step/derivative.h"

/* a warp to a rod; the arrays of `packs` [rods] hold reals, one rod each (W = 1) */
__global__ void rgi_check_rollout(const rgi_pack *packs, int rods)
{
    int r = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32u);
    if (r < rods) rgi_run_all(packs + r);
}

__global__ void rgi_check_reverse(const rgi_pack *packs, int rods)
{
    int r = (int)((blockIdx.x * blockDim.x + threadIdx.x) / 32u);
    if (r < rods) rgi_reverse_all(packs + r);
}
