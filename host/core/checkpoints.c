/* core/checkpoints.c: choosing a checkpoint plan (see checkpoints.h).
 *
 * With L levels the memory is 2 P T/l1 + 2 Q (l1/l2 + ... ) + Q (l_{L-1} + 2) states, P packs and Q
 * threads. For a given l1 the pool is least near equal ratios, so a search over l1 with l_k = l1^((L-k)/
 * (L-1)) finds the least to within rounding. */
#include "core/checkpoints.h"

#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/words.h"

size_t rgi_plan_bytes(const rgi_plan *plan, size_t state_bytes, size_t packs, size_t threads)
{
    return state_bytes * ((size_t)rgi_plan_kept(plan) * packs + (size_t)rgi_plan_pool(plan) * threads);
}

double rgi_plan_runs(const rgi_plan *plan) { return (double)plan->levels; }

/* the plan of `levels` levels with the least memory */
static rgi_plan least(size_t steps, int levels, size_t packs, size_t threads)
{
    rgi_plan best;
    size_t best_bytes = SIZE_MAX;
    memset(&best, 0, sizeof best);
    for (double first = 1.0; first < (double)steps + 1.0; first = fmax(first + 1.0, first * 1.02)) {
        rgi_plan plan;
        memset(&plan, 0, sizeof plan);
        plan.levels = levels;
        plan.length[0] = (int)steps;
        for (int k = 1; k < levels; k++) {
            double length = floor(pow(first, (double)(levels - k) / (levels - 1)) + 0.5);
            int at_most = plan.length[k - 1];
            plan.length[k] = length < 1.0 ? 1 : length > at_most ? at_most : (int)length;
        }
        size_t bytes = rgi_plan_bytes(&plan, 1, packs, threads);
        if (bytes < best_bytes) {
            best = plan;
            best_bytes = bytes;
        }
    }
    return best;
}

rg_status rgi_plan_make(size_t steps, size_t state_bytes, size_t packs, size_t threads, size_t budget, rgi_plan *out,
                        rg_error *err)
{
    size_t smallest = SIZE_MAX;
    memset(out, 0, sizeof *out);
    if (steps == 0 || steps > INT_MAX - 2)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a rollout of %zu steps; there must be 1 to %d", steps, INT_MAX - 2);
    rgi_plan all;
    memset(&all, 0, sizeof all);
    all.levels = 1;
    all.length[0] = (int)steps;
    if (budget == SIZE_MAX) {
        *out = all;
        return RG_OK;
    }
    if (budget == 0) {
        *out = least(steps, 2, packs, threads);
        /* a short rollout is stored for less */
        if (rgi_plan_bytes(&all, 1, packs, threads) <= rgi_plan_bytes(out, 1, packs, threads)) *out = all;
        return RG_OK;
    }
    for (int levels = 1; levels <= RGI_PLAN_LEVELS; levels++) {
        rgi_plan plan = levels == 1 ? all : least(steps, levels, packs, threads);
        size_t bytes = rgi_plan_bytes(&plan, state_bytes, packs, threads);
        if (bytes <= budget) {
            *out = plan;
            return RG_OK;
        }
        if (bytes < smallest) smallest = bytes;
    }
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "%zu byte%s are too few to keep what the gradient of %zu step%s needs; the least "
                   "that some plan needs is %zu bytes",
                   budget, rgi_plural(budget), steps, rgi_plural(steps), smallest);
}

rg_batch_plan rgi_plan_describe(const rgi_plan *plan, size_t kept_bytes, size_t total_bytes)
{
    rg_batch_plan p;
    memset(&p, 0, sizeof p);
    p.forward_runs = 1.0;
    p.total_bytes = total_bytes;
    if (!plan) return p;
    p.levels = plan->levels;
    for (int k = 0; k < p.levels; k++) p.length[k] = (size_t)plan->length[k];
    p.kept_bytes = kept_bytes;
    p.forward_runs = rgi_plan_runs(plan);
    return p;
}

void rg_batch_plan_text(const rg_batch_plan *p, char *text, size_t size)
{
    if (p->levels == 0) snprintf(text, size, "no state is kept; %.1f MB in all", (double)p->total_bytes / 1e6);
    else if (p->levels == 1)
        snprintf(text, size,
                 "every one of %zu state%s is kept (%.1f MB of %.1f MB in all); each step "
                 "is run once",
                 p->length[0], rgi_plural(p->length[0]), (double)p->kept_bytes / 1e6, (double)p->total_bytes / 1e6);
    else
        snprintf(text, size,
                 "checkpoints on %d levels, the first every %zu of %zu steps (%.1f MB of %.1f MB in "
                 "all); each step is run at most %.0f times",
                 p->levels, p->length[1], p->length[0], (double)p->kept_bytes / 1e6, (double)p->total_bytes / 1e6,
                 p->forward_runs);
}
