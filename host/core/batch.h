/* core/batch.h: what a batch (include/rodgrad/batch.h) holds. */
#ifndef RGI_BATCH_H
#define RGI_BATCH_H

#include "core/takes.h"
#include "rodgrad/batch.h"

struct rg_batch {
    rg_batch_opts opts;
    const rgi_cpu *cpu;
    rgi_shape *shape;
    rgi_plan plan;
    rg_model *model, **models; /* of all rods; of those that have their own [n_rods] */
    size_t n_rods, n_packs, lanes, steps;
    int threads, ran;
    rgi_pack *packs;
    double *memory; /* all packs' */
    size_t memory_doubles;
    double *threads_memory; /* [threads][work_doubles + pool_doubles] */
    size_t work_doubles, pool_doubles;
    rgi_pack_entry *entries; /* of the direction of rg_batch_jvp */
    int entry_begin[2];
    double *coef; /* [n][RGI_NC] scratch */
};

#endif
