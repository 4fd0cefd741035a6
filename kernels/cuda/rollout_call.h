/* cuda/rollout_call.h: what the rollout's kernels are given, as host and device see it. */
#ifndef RGI_ROLLOUT_CALL_H
#define RGI_ROLLOUT_CALL_H

#include "../pack.h"

/* threads of the largest block, whatever the team's width */
enum { RGI_BLOCK_THREADS = 64 };
/* integers that a module says of itself: sizes of a pack, rgi_run, rgi_plan, rgi_call, rgi_call_starts and
 * a real [bytes], threads of a team */
enum { RGI_LAYOUT = 7 };

#endif
