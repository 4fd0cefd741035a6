/* plan.h: which states a rollout keeps so that it can be run backwards.
 *
 * Level 0 is the whole rollout; a piece of level k-1 is cut into pieces of length[k] steps, the last of
 * which may be shorter. While a piece of level k-1 is run, a checkpoint (two states: BDF2 looks back) is
 * kept where each of its pieces begins; within a piece of the last level every state is kept. To run
 * backwards, pieces are run again from their checkpoints, last first (Griewank and Walther 2000 call
 * this multi-level checkpointing): with L levels each step is run at most L times. One level stores
 * everything, two of length sqrt(2 T) need about 2 sqrt(2 T) states.
 * The forward run leaves level 0's states or checkpoints ("kept", per rod); the others live in a pool
 * of the thread that runs the pack backwards. */
#ifndef RGI_PLAN_H
#define RGI_PLAN_H

#if defined(__CUDACC__)
#define RGI_PLAN_FN static __host__ __device__ inline
#else
#define RGI_PLAN_FN static inline
#endif

enum { RGI_PLAN_LEVELS = 12 };

typedef struct rgi_plan {
    int levels;
    int length[RGI_PLAN_LEVELS]; /* steps; length[0] is the rollout's */
} rgi_plan;

/* states that level k's pieces need: checkpoints, or in the last level all and the one before */
RGI_PLAN_FN long long rgi_plan_states(const rgi_plan *plan, int level)
{
    if (level == plan->levels - 1) return (long long)plan->length[level] + 2;
    const long long piece = plan->length[level + 1];
    return 2 * ((plan->length[level] + piece - 1) / piece);
}

/* states of level 0, and of all others */
RGI_PLAN_FN long long rgi_plan_kept(const rgi_plan *plan) { return rgi_plan_states(plan, 0); }
RGI_PLAN_FN long long rgi_plan_pool(const rgi_plan *plan)
{
    long long sum = 0;
    for (int k = 1; k < plan->levels; k++) sum += rgi_plan_states(plan, k);
    return sum;
}

#endif
