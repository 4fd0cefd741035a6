/* core/mirror.c: packs on a device (see mirror.h). */
#include "core/mirror.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* integers of a pack's shape, once on the device for all packs that share them */
typedef struct shape_copy {
    const int *of; /* the host's elimination order: who shares it shares the shape */
#define MEMBER(name, count) const int *name;
    RGI_PACK_INTS(MEMBER)
#undef MEMBER
    const unsigned char *fixed;
} shape_copy;

struct rgi_mirror {
    rgi_device *device;
    rgi_mirror_opts opts;
    rgi_rollout rollout;
    rgi_device_pack *packs; /* [rods] what the device has, made on the host */
    float *narrow;          /* [memory_doubles] in single precision, the host's; NULL in double */
    shape_copy shape;       /* the last one */
    size_t rest_reals, kept_reals, pool_reals, entries_capacity, begin_capacity, bytes;
    /* of the device */
    rgi_device_pack *device_packs;
    char *memory, *scratch, *values;
    double *drives;
    int *ints, *begin;
    rgi_pack_entry *entries;
    rgi_plan *plan;
    size_t ints_used, ints_bytes;
    int ints_sent; /* they never change */
};

static rg_status take(rgi_mirror *m, size_t bytes, const char *what, void *out, rg_error *err)
{
    RG_TRY(rgi_device_allocate(m->device, bytes + 1, what, out, err));
    m->bytes += bytes + 1;
    return RG_OK;
}

static void give(rgi_mirror *m, void *memory, size_t bytes)
{
    if (!memory) return;
    rgi_device_free(m->device, memory, bytes + 1);
    m->bytes -= bytes + 1;
}

static size_t real_bytes(const rgi_mirror *m) { return m->rollout.sizes->real_bytes; }

static size_t scratch_bytes(const rgi_mirror *m)
{
    const size_t fast = m->rollout.shared ? 0 : m->rollout.fast_reals;
    return m->opts.rods * (m->rest_reals + m->kept_reals + m->pool_reals + fast) * real_bytes(m);
}

void rgi_mirror_destroy(rgi_mirror **mirror)
{
    if (!mirror || !*mirror) return;
    rgi_mirror *m = *mirror;
    give(m, m->device_packs, m->opts.rods * sizeof *m->packs);
    give(m, m->memory, m->opts.memory_doubles * real_bytes(m));
    give(m, m->drives, m->opts.drives_doubles * sizeof(double));
    give(m, m->scratch, scratch_bytes(m));
    give(m, m->ints, m->ints_bytes);
    give(m, m->plan, sizeof *m->plan);
    give(m, m->values, m->opts.rods * m->entries_capacity * real_bytes(m));
    give(m, m->entries, m->entries_capacity * sizeof *m->entries);
    give(m, m->begin, m->begin_capacity * sizeof *m->begin);
    free(m->packs);
    free(m->narrow);
    free(m);
    *mirror = NULL;
}

size_t rgi_mirror_bytes(const rgi_mirror *m) { return m->bytes; }

const rgi_rollout *rgi_mirror_rollout(const rgi_mirror *m) { return &m->rollout; }

/* where `count` integers of a shape go; counted first, then copied */
static rg_status copy_ints(rgi_mirror *m, const void *from, size_t bytes, const void **to, rg_error *err)
{
    const size_t room = (bytes + 7) / 8 * 8;
    *to = NULL;
    if (m->ints && bytes) {
        *to = (char *)m->ints + m->ints_used;
        if (!m->ints_sent) RG_TRY(rgi_device_upload(m->device, (char *)m->ints + m->ints_used, from, bytes, err));
    }
    m->ints_used += room;
    return RG_OK;
}

static rg_status copy_shape(rgi_mirror *m, const rgi_pack *p, rg_error *err)
{
    const void *to = NULL;
    if (m->shape.of == p->order) return RG_OK;
    m->shape.of = p->order;
#define COPY(name, count)                                                                                              \
    RG_TRY(copy_ints(m, p->name, (size_t)(count) * sizeof(int), &to, err));                                            \
    m->shape.name = to;
    RGI_PACK_INTS(COPY)
#undef COPY
    RG_TRY(copy_ints(m, p->fixed, (size_t)p->n, &to, err));
    m->shape.fixed = to;
    return RG_OK;
}

/* the device's copy of an array in `memory` */
static void *moved(const rgi_mirror *m, const void *p)
{
    const uintptr_t at = (uintptr_t)p, base = (uintptr_t)m->opts.memory;
    if (!p || at < base || at >= base + m->opts.memory_doubles * sizeof(double)) return NULL;
    return m->memory + (at - base) / sizeof(double) * real_bytes(m);
}

/* likewise of a series; NULL where the caller has it: a call points there */
static void *moved_series(const rgi_mirror *m, const void *data)
{
    const uintptr_t at = (uintptr_t)data, base = (uintptr_t)m->opts.drives;
    const int in = data && at >= base && at < base + m->opts.drives_doubles * sizeof(double);
    return in ? (char *)m->drives + (at - base) : NULL;
}

/* pack i as the device sees it */
static void translate(rgi_mirror *m, const rgi_pack *from, size_t i)
{
    const size_t bytes = real_bytes(m);
    rgi_device_pack *p = &m->packs[i];
    memcpy(p, from, sizeof *p); /* structs of one layout */
#define MOVE(name, ...) p->name = m->shape.name;
    RGI_PACK_INTS(MOVE)
#undef MOVE
    p->fixed = m->shape.fixed;
#define MOVE(name, ...) p->name = moved(m, from->name);
    RGI_PACK_ARRAYS(MOVE)
#undef MOVE
#define MOVE(name, ...) p->name.data = moved_series(m, from->name.data);
    RGI_PACK_SERIES(MOVE)
#undef MOVE
    p->rows = m->opts.rows ? m->opts.rows + i * m->opts.rows_of_rod : NULL;
    p->rows_apart = (ptrdiff_t)m->opts.rows_apart;
    p->plan = from->plan ? m->plan : NULL;
    p->entry_begin = m->begin;
    p->entries = m->entries;
    p->entry_values = m->values ? m->values + i * m->entries_capacity * bytes : NULL;
    p->trace = NULL;
    char *own = m->scratch + i * (m->rest_reals + m->kept_reals + m->pool_reals) * bytes;
    p->workspace = own;
    p->kept = own + m->rest_reals * bytes;
    p->pool = own + (m->rest_reals + m->kept_reals) * bytes;
}

rg_status rgi_mirror_packs(rgi_mirror *m, const rgi_pack *const *packs, rg_error *err)
{
    m->ints_used = 0;
    m->shape.of = NULL;
    for (size_t i = 0; i < m->opts.rods; i++) {
        RG_TRY(copy_shape(m, packs[i], err));
        translate(m, packs[i], i);
    }
    m->ints_sent = 1;
    return rgi_device_upload(m->device, m->device_packs, m->packs, m->opts.rods * sizeof *m->packs, err);
}

static rg_status make_room(rgi_mirror *m, size_t entries, size_t directions, rg_error *err)
{
    const size_t bytes = real_bytes(m);
    if (entries > m->entries_capacity || !m->values) {
        give(m, m->values, m->opts.rods * m->entries_capacity * bytes);
        give(m, m->entries, m->entries_capacity * sizeof *m->entries);
        m->values = NULL;
        m->entries = NULL;
        m->entries_capacity = entries;
        RG_TRY(take(m, m->opts.rods * entries * bytes, "directions", &m->values, err));
        RG_TRY(take(m, entries * sizeof *m->entries, "directions", &m->entries, err));
    }
    if (directions + 1 > m->begin_capacity) {
        give(m, m->begin, m->begin_capacity * sizeof *m->begin);
        m->begin = NULL;
        m->begin_capacity = directions + 1;
        RG_TRY(take(m, m->begin_capacity * sizeof *m->begin, "directions", &m->begin, err));
    }
    return RG_OK;
}

rgi_rollout_choice rgi_mirror_choice(const rg_rollout_opts *opts)
{
    const rgi_rollout_choice choice = {opts->stepper == RG_STEPPER_DEFORM, opts->real == RG_REAL_FLOAT, opts->team,
                                       opts->team_registers, opts->block_rods};
    return choice;
}

rg_status rgi_mirror_create(rgi_device *device, const rgi_mirror_opts *opts, rgi_mirror **out, rg_error *err)
{
    rg_status status = RG_OK;
    size_t most = 0;
    *out = NULL;
    rgi_mirror *m = calloc(1, sizeof *m);
    if (!m) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the rods of a GPU");
    m->device = device;
    m->opts = *opts;
    status = rgi_rollout_open(device, &opts->choice, opts->most.n, &m->rollout, err);
    if (status != RG_OK) {
        free(m);
        return status;
    }
    const int single = opts->choice.single;
    m->packs = calloc(opts->rods, sizeof *m->packs);
    m->narrow = single ? malloc((opts->memory_doubles + 1) * sizeof *m->narrow) : NULL;
    if (!m->packs || (single && !m->narrow)) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods of a GPU", opts->rods);
        goto fail;
    }
    const rgi_plan *plan = opts->most.plan;
    m->rest_reals = m->rollout.sizes->rest_reals(&opts->most, m->rollout.team);
    for (size_t i = 0; i < opts->rods; i++) {
        size_t own = m->rollout.sizes->step_reals(opts->packs[i]);
        if (own > most) most = own;
        status = copy_shape(m, opts->packs[i], err); /* counts */
        if (status != RG_OK) goto fail;
    }
    m->ints_bytes = m->ints_used;
    if (plan) {
        const size_t state = (size_t)opts->most.n * RGI_STATE_REALS + 1;
        m->kept_reals = (size_t)rgi_plan_kept(plan) * state;
        m->pool_reals = ((size_t)rgi_plan_pool(plan) + 1) * state;
    }
    status = rgi_rollout_place(&m->rollout, opts->rods, most, err);
    if (status != RG_OK) goto fail;
    if (status == RG_OK)
        status = take(m, opts->rods * sizeof *m->packs, "descriptions of the rods", &m->device_packs, err);
    if (status == RG_OK) status = take(m, opts->memory_doubles * real_bytes(m), "the rods' arrays", &m->memory, err);
    if (status == RG_OK) status = take(m, opts->drives_doubles * sizeof(double), "the drives", &m->drives, err);
    if (status == RG_OK) status = take(m, m->ints_bytes, "the meshes", &m->ints, err);
    if (status == RG_OK) status = take(m, sizeof *m->plan, "the plan of checkpoints", &m->plan, err);
    if (status == RG_OK) status = make_room(m, opts->most_entries, (size_t)opts->most.n_directions, err);
    if (status == RG_OK)
        status = take(m, scratch_bytes(m), "what steps work on and the states kept for gradients", &m->scratch, err);
    if (status != RG_OK) goto fail;
    /* behind the last rod's own: a block of all rods' */
    if (!m->rollout.shared)
        m->rollout.fast = m->scratch + opts->rods * (m->rest_reals + m->kept_reals + m->pool_reals) * real_bytes(m);
    if (plan) status = rgi_device_upload(device, m->plan, plan, sizeof *plan, err);
    if (status == RG_OK && opts->drives_doubles)
        status = rgi_device_upload(device, m->drives, opts->drives, opts->drives_doubles * sizeof(double), err);
    if (status == RG_OK) status = rgi_mirror_send(m, opts->memory, opts->memory_doubles, err);
    if (status == RG_OK) status = rgi_mirror_packs(m, opts->packs, err);
    if (status != RG_OK) goto fail;
    *out = m;
    return RG_OK;
fail:
    rgi_mirror_destroy(&m);
    return status;
}

rg_status rgi_mirror_send(rgi_mirror *m, const double *from, size_t count, rg_error *err)
{
    const size_t at = (size_t)(from - m->opts.memory), bytes = real_bytes(m);
    if (count == 0) return RG_OK;
    if (!m->narrow) return rgi_device_upload(m->device, m->memory + at * bytes, from, count * bytes, err);
    for (size_t i = 0; i < count; i++) m->narrow[at + i] = (float)from[i];
    return rgi_device_upload(m->device, m->memory + at * bytes, m->narrow + at, count * bytes, err);
}

rg_status rgi_mirror_fetch(rgi_mirror *m, double *to, size_t count, rg_error *err)
{
    const size_t at = (size_t)(to - m->opts.memory), bytes = real_bytes(m);
    void *into = m->narrow ? (void *)(m->narrow + at) : to;
    if (count) RG_TRY(rgi_device_download(m->device, into, m->memory + at * bytes, count * bytes, err));
    RG_TRY(rgi_device_wait(m->device, err));
    for (size_t i = 0; m->narrow && i < count; i++) to[i] = (double)m->narrow[at + i];
    return RG_OK;
}

rg_status rgi_mirror_entries(rgi_mirror *m, const int *entry_begin, int n_directions, const rgi_pack_entry *entries,
                             const double *values, size_t apart, rg_error *err)
{
    const size_t count = (size_t)entry_begin[n_directions], bytes = real_bytes(m);
    RG_TRY(make_room(m, count, (size_t)n_directions, err));
    RG_TRY(rgi_device_upload(m->device, m->begin, entry_begin, ((size_t)n_directions + 1) * sizeof *entry_begin, err));
    if (count == 0) return RG_OK;
    RG_TRY(rgi_device_upload(m->device, m->entries, entries, count * sizeof *entries, err));
    const size_t room = m->entries_capacity, all = (m->opts.rods - 1) * room + count;
    char *packed = malloc(all * bytes);
    if (!packed) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %d directions", n_directions);
    for (size_t i = 0; i < m->opts.rods; i++)
        for (size_t k = 0; k < count; k++) {
            if (m->narrow) ((float *)(void *)packed)[i * room + k] = (float)values[i * apart + k];
            else ((double *)(void *)packed)[i * room + k] = values[i * apart + k];
        }
    const rg_status status = rgi_device_upload(m->device, m->values, packed, all * bytes, err);
    free(packed);
    return status;
}

rg_status rgi_mirror_reset(rgi_mirror *m, const unsigned char *mask, rg_error *err)
{
    return rgi_rollout_reset(&m->rollout, m->device_packs, mask, err);
}

rg_status rgi_mirror_point(rgi_mirror *m, const rgi_call *call, rg_error *err)
{
    return rgi_rollout_point(&m->rollout, m->device_packs, call, err);
}

rg_status rgi_mirror_run(rgi_mirror *m, int begin, int end, rg_error *err)
{
    return rgi_rollout_run(&m->rollout, m->device_packs, begin, end, err);
}

rg_status rgi_mirror_reverse(rgi_mirror *m, rg_error *err)
{
    return rgi_rollout_reverse(&m->rollout, m->device_packs, err);
}

rg_status rgi_mirror_starts(rgi_mirror *m, const rgi_call_starts *to, rg_error *err)
{
    return rgi_rollout_starts_of(&m->rollout, m->device_packs, to, err);
}
