/* cuda/rollout_sizes.h: what the host must know of a rollout's kernels: sizes, for one kind of real and one stepper.
 *
 * Included by sizes_*.c, which say which. The physics' own headers count, so that host and device cannot differ. */
#include "../run.h"
#include "rollout.h"

static size_t step_reals(const rgi_pack *pack)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    return rgi_run_step_reals(&kernel);
}

/* a team of several lanes takes one direction a lane at a time */
static size_t rest_reals(const rgi_pack *pack, int team)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    return rgi_run_bind_rest(NULL, &kernel, NULL, (size_t)team);
}
