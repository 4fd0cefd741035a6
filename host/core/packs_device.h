/* core/packs_device.h: what a GPU has of packs: packs_device.c and packs_device_fields.c. */
#ifndef RGI_PACKS_DEVICE_H
#define RGI_PACKS_DEVICE_H

#include "core/packs.h"
#include "cuda/fields.h"

/* integers of a pack's shape, once on the device for all packs that share them */
typedef struct rgi_shape_copy {
    const int *of; /* the host's elimination order: who shares it shares the shape */
#define MEMBER(name, count) const int *name;
    RGI_PACK_INTS(MEMBER)
#undef MEMBER
    const unsigned char *fixed;
} rgi_shape_copy;

/* copies of the caller's arrays: one for every start and series, of which some share another's; for every field, of
 * inputs, and of directions or gradients: of the host's arrays, or doubles of a device's floats */
enum {
#define STAGE(name, ...) STAGE_##name,
    RGI_PACK_STARTS_IN(STAGE) RGI_PACK_STARTS_OUT(STAGE) RGI_PACK_SERIES(STAGE) STAGE_FIELDS
#undef STAGE
};
enum { STAGE_ALONG = STAGE_FIELDS + RG_FIELD_COUNT, STAGES = STAGE_ALONG + RG_FIELD_COUNT };
typedef struct rgi_stage {
    void *memory;
    size_t bytes;
} rgi_stage;

typedef struct rgi_copies {
    rgi_device *device;
    rgi_rollout rollout;
    size_t rods;
    rgi_device_pack *packs; /* [rods] what the device has, made on the host */
    float *narrow;          /* [memory_doubles] in single precision, the host's; NULL in double */
    rgi_shape_copy shape;   /* the last one */
    size_t rest_reals, kept_reals, pool_reals, entries_capacity, begin_capacity, bytes;
    /* of the device */
    rgi_device_pack *device_packs;
    char *memory, *scratch, *values;
    size_t memory_bytes;
    int *ints, *begin;
    rgi_pack_entry *entries;
    /* what these lists are, of how many directions: copies of the host's */
    int *listed_begin, listed;
    rgi_pack_entry *listed_entries;
    rgi_plan *plan;
    unsigned char *mask; /* [rods], with RGI_WANT_CARRY */
    size_t ints_used, ints_bytes;
    int ints_sent; /* they never change */
    int stale;     /* what the packs point to has moved since they were sent */
    rgi_stage stages[STAGES];
    /* of runs with fields (packs_device_fields.c); on the device: faults, longest stable steps [rods] and what they are
     * made with, of so many rods at a time, and the models' fields, each [rods] or one for all rods */
    rgi_fields_in fields; /* of the last run with some, or with a direction or gradients in them */
    int fields_set;       /* the last run had some */
    int *faults;
    double *stable_steps, *stable_scratch, *models;
    size_t stable_rods, models_doubles, models_version, models_each;
} rgi_copies;

/* memory of the device, counted, and back */
rg_status rgi_copies_take(rgi_copies *copies, size_t bytes, const char *what, void *out, rg_error *err);
void rgi_copies_give(rgi_copies *copies, void *memory, size_t bytes);
/* Where an array of so many bytes a rod is on the device: *copy, filled with `bring`, or NULL where the caller has it
 * there. label: its name for messages. */
rg_status rgi_copies_place(rgi_packs *packs, int stage, const char *label, const void *array, size_t rod_bytes,
                           int bring, void **copy, rg_error *err);
/* so many bytes of the device's for a copy */
rg_status rgi_copies_stage(rgi_packs *packs, int stage, const char *label, size_t size, rg_error *err);
/* results back into the caller's array, where that is the host's */
rg_status rgi_copies_bring_back(rgi_packs *packs, int stage, void *array, size_t rod_bytes, rg_error *err);
/* lists of entries of n directions, and room for their values; what the device has already is not sent again */
rg_status rgi_copies_list(rgi_packs *packs, int n, rg_error *err);

/* of the runner, and for its functions: after a run, while the host's statuses are fetched, at the end */
rg_status rgi_copies_set_fields(rgi_packs *packs, const rgi_batch_fields *of, rg_error *err);
rg_status rgi_copies_set_directions(rgi_packs *packs, const rgi_batch_fields *at, const double *const *along, int n,
                                    rg_error *err);
rg_status rgi_copies_pull_back(rgi_packs *packs, const rgi_batch_fields *at, double *const *to, rg_error *err);
rg_status rgi_copies_widen_fields(rgi_packs *packs, int inputs, const double *const *from, size_t times, int bring,
                                  double **to, rg_error *err);
rg_status rgi_copies_narrow_fields(rgi_packs *packs, double *const *from, double *const *to, rg_error *err);
rg_status rgi_copies_flag_faults(rgi_packs *packs, rg_error *err);
rg_status rgi_copies_fetch_steps(rgi_packs *packs, rg_error *err);
void rgi_copies_clear_fields(rgi_packs *packs);

#endif
