/* core/packs_device.c: packs on a GPU (packs.h): copies of their arrays, and their runs there.
 *
 * Packs are of one rod each. The host's packs stay as they are; the device's point to its own copies. packs->memory is
 * copied in the real that the device computes in, the caller's arrays, where they are the host's, as they are;
 * workspace, kept and scratch states exist on the device only. Everything is enqueued on the device's stream; fetching
 * waits. A call makes one description of all arrays, for rod 0 with the distance to the next, which the device spreads
 * over its packs. */
#include <stdint.h>
#include <string.h>

#include "core/context.h"
#include "core/memory.h"
#include "core/packs_device.h"

typedef rgi_copies copies;
typedef rgi_stage stage;

static copies *of_packs(const rgi_packs *p) { return p->own; }

rg_status rgi_copies_take(copies *m, size_t bytes, const char *what, void *out, rg_error *err)
{
    RG_TRY(rgi_device_allocate(m->device, bytes + 1, what, out, err));
    m->bytes += bytes + 1;
    return RG_OK;
}

void rgi_copies_give(copies *m, void *memory, size_t bytes)
{
    if (!memory) return;
    rgi_device_free(m->device, memory, bytes + 1);
    m->bytes -= bytes + 1;
}

static size_t real_bytes(const copies *m) { return m->rollout.sizes->real_bytes; }

static size_t scratch_bytes(const copies *m)
{
    const size_t fast = m->rollout.shared ? 0 : m->rollout.fast_reals;
    return m->rods * (m->rest_reals + m->kept_reals + m->pool_reals + fast) * real_bytes(m);
}

static void destroy(rgi_packs *p)
{
    copies *m = of_packs(p);
    const rg_context *context = p->opts.rollout.context;
    rgi_copies_clear_fields(p);
    for (int i = 0; i < STAGES; i++) rgi_device_free(m->device, m->stages[i].memory, m->stages[i].bytes);
    rgi_copies_give(m, m->mask, m->rods);
    rgi_copies_give(m, m->device_packs, m->rods * sizeof *m->packs);
    rgi_copies_give(m, m->memory, m->memory_bytes);
    rgi_copies_give(m, m->scratch, m->scratch ? scratch_bytes(m) : 0);
    rgi_copies_give(m, m->ints, m->ints_bytes);
    rgi_copies_give(m, m->plan, sizeof *m->plan);
    rgi_copies_give(m, m->values, m->rods * m->entries_capacity * (m->values ? real_bytes(m) : 0));
    rgi_copies_give(m, m->entries, m->entries_capacity * sizeof *m->entries);
    rgi_copies_give(m, m->begin, m->begin_capacity * sizeof *m->begin);
    rgi_free(context, m->listed_begin);
    rgi_free(context, m->listed_entries);
    rgi_free(context, m->packs);
    rgi_free(context, m->narrow);
    rgi_free(context, m);
    p->own = NULL;
}

static size_t bytes(const rgi_packs *p)
{
    const copies *m = of_packs(p);
    size_t sum = sizeof *m + m->bytes;
    for (int i = 0; i < STAGES; i++) sum += m->stages[i].bytes;
    return sum;
}

static size_t workers(const rgi_packs *p) { return p->at->n_packs; }

/* ---- the packs ---- */

/* where integers of a shape go; counted first, then copied */
static rg_status copy_ints(copies *m, const void *from, size_t count_bytes, const void **to, rg_error *err)
{
    const size_t room = (count_bytes + 7) / 8 * 8;
    *to = NULL;
    if (m->ints && count_bytes) {
        *to = (char *)m->ints + m->ints_used;
        if (!m->ints_sent) RG_TRY(rgi_device_upload(m->device, (char *)m->ints + m->ints_used, from, count_bytes, err));
    }
    m->ints_used += room;
    return RG_OK;
}

static rg_status copy_shape(copies *m, const rgi_pack *p, rg_error *err)
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

/* the device's copy of an array in the packs' memory */
static void *moved(const rgi_packs *p, const void *array)
{
    const copies *m = of_packs(p);
    const uintptr_t at = (uintptr_t)array, base = (uintptr_t)p->memory;
    if (!array || at < base || at >= base + p->memory_doubles * sizeof(double)) return NULL;
    return m->memory + (at - base) / sizeof(double) * real_bytes(m);
}

/* pack i as the device sees it; calls point its series */
static void translate(const rgi_packs *packs, size_t i)
{
    copies *m = of_packs(packs);
    const rgi_pack *from = &packs->packs[i];
    const size_t real = real_bytes(m);
    rgi_device_pack *p = &m->packs[i];
    memcpy(p, from, sizeof *p); /* structs of one layout */
#define MOVE(name, ...) p->name = m->shape.name;
    RGI_PACK_INTS(MOVE)
#undef MOVE
    p->fixed = m->shape.fixed;
#define MOVE(name, ...) p->name = moved(packs, from->name);
    RGI_PACK_ARRAYS(MOVE)
#undef MOVE
    p->rows = packs->opts.rows ? packs->opts.rows + i * packs->opts.rows_of_rod : NULL;
    p->rows_apart = (ptrdiff_t)packs->opts.rows_apart;
    p->plan = from->plan ? m->plan : NULL;
    p->entry_begin = m->begin;
    p->entries = m->entries;
    p->entry_values = m->values ? m->values + i * m->entries_capacity * real : NULL;
    p->trace = NULL;
    char *own = m->scratch + i * (m->rest_reals + m->kept_reals + m->pool_reals) * real;
    p->workspace = own;
    p->kept = own + m->rest_reals * real;
    p->pool = own + (m->rest_reals + m->kept_reals) * real;
}

static rg_status send_packs(rgi_packs *p, rg_error *err)
{
    copies *m = of_packs(p);
    m->ints_used = 0;
    m->shape.of = NULL;
    for (size_t i = 0; i < m->rods; i++) {
        RG_TRY(copy_shape(m, &p->packs[i], err));
        translate(p, i);
    }
    m->ints_sent = 1;
    RG_TRY(rgi_device_upload(m->device, m->device_packs, m->packs, m->rods * sizeof *m->packs, err));
    m->stale = 0;
    return RG_OK;
}

/* room for directions; where some is made, the packs must be sent again */
static rg_status make_room(rgi_packs *p, size_t entries, size_t directions, rg_error *err)
{
    copies *m = of_packs(p);
    const rg_context *context = p->opts.rollout.context;
    const size_t real = real_bytes(m);
    if (entries > m->entries_capacity || !m->values || !m->entries) {
        m->stale = 1;
        rgi_copies_give(m, m->values, m->rods * m->entries_capacity * real);
        rgi_copies_give(m, m->entries, m->entries_capacity * sizeof *m->entries);
        m->values = NULL;
        m->entries = NULL;
        m->entries_capacity = entries;
        RG_TRY(rgi_copies_take(m, m->rods * entries * real, "directions", &m->values, err));
        RG_TRY(rgi_copies_take(m, entries * sizeof *m->entries, "directions", &m->entries, err));
        rgi_free(context, m->listed_entries);
        m->listed = 0;
        m->listed_entries = rgi_calloc(context, entries + 1, sizeof *m->listed_entries);
        if (!m->listed_entries) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu directions", directions);
    }
    if (directions + 1 > m->begin_capacity || !m->begin) {
        m->stale = 1;
        rgi_copies_give(m, m->begin, m->begin_capacity * sizeof *m->begin);
        m->begin = NULL;
        m->begin_capacity = directions + 1;
        RG_TRY(rgi_copies_take(m, m->begin_capacity * sizeof *m->begin, "directions", &m->begin, err));
        rgi_free(context, m->listed_begin);
        m->listed = 0;
        m->listed_begin = rgi_calloc(context, m->begin_capacity, sizeof *m->listed_begin);
        if (!m->listed_begin) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu directions", directions);
    }
    return RG_OK;
}

static rg_status send(rgi_packs *p, const double *from, size_t count, rg_error *err)
{
    copies *m = of_packs(p);
    const size_t at = (size_t)(from - p->memory), real = real_bytes(m);
    if (count == 0) return RG_OK;
    if (at < p->section_end[RGI_SECTION_SET]) m->fields_set = 0;
    if (!m->narrow) return rgi_device_upload(m->device, m->memory + at * real, from, count * real, err);
    for (size_t i = 0; i < count; i++) m->narrow[at + i] = (float)from[i];
    return rgi_device_upload(m->device, m->memory + at * real, m->narrow + at, count * real, err);
}

static rg_status fetch(rgi_packs *p, int first, int last, rg_error *err)
{
    const copies *m = of_packs(p);
    const size_t at = first > 0 ? p->section_end[first - 1] : 0, count = p->section_end[last] - at;
    double *to = p->memory + at;
    void *into = m->narrow ? (void *)(m->narrow + at) : to;
    if (first <= RGI_SECTION_RUN && RGI_SECTION_RUN <= last) RG_TRY(rgi_copies_fetch_steps(p, err));
    if (count) RG_TRY(rgi_device_download(m->device, into, m->memory + at * real_bytes(m), count * real_bytes(m), err));
    RG_TRY(rgi_device_wait(m->device, err));
    for (size_t i = 0; m->narrow && i < count; i++) to[i] = (double)m->narrow[at + i];
    return RG_OK;
}

static rg_status allocate(rgi_packs *p, rg_error *err)
{
    copies *m = of_packs(p);
    const rgi_packs_opts *o = &p->opts;
    size_t most = 0;
    const rgi_shape *largest = p->at->shapes[0].shape;
    for (size_t k = 1; k < p->at->n_shapes; k++)
        if (p->at->shapes[k].shape->n > largest->n) largest = p->at->shapes[k].shape;
    const rgi_rollout_choice choice = {o->rollout.stepper == RG_STEPPER_DEFORM, o->rollout.real == RG_REAL_FLOAT,
                                       o->rollout.team, o->rollout.team_registers, o->rollout.block_rods};
    const rgi_pack pack = rgi_packs_largest(p, largest);
    RG_TRY(rgi_rollout_open(m->device, &choice, pack.n, &m->rollout, err));
    m->packs = rgi_calloc(o->rollout.context, m->rods, sizeof *m->packs);
    m->narrow = choice.single ? rgi_calloc(o->rollout.context, p->memory_doubles + 1, sizeof *m->narrow) : NULL;
    if (!m->packs || (choice.single && !m->narrow))
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu rods of a GPU", m->rods);
    m->rest_reals = m->rollout.sizes->rest_reals(&pack, m->rollout.team);
    for (size_t i = 0; i < m->rods; i++) {
        const size_t own = m->rollout.sizes->step_reals(&p->packs[i]);
        if (own > most) most = own;
        RG_TRY(copy_shape(m, &p->packs[i], err)); /* counts */
    }
    m->ints_bytes = m->ints_used;
    if (pack.plan) {
        const size_t state = (size_t)pack.n * RGI_STATE_REALS + 1;
        m->kept_reals = (size_t)rgi_plan_kept(pack.plan) * state;
        m->pool_reals = ((size_t)rgi_plan_pool(pack.plan) + 1) * state;
    }
    RG_TRY(rgi_rollout_place(&m->rollout, m->rods, most, err));
    RG_TRY(rgi_copies_take(m, m->rods * sizeof *m->packs, "descriptions of the rods", &m->device_packs, err));
    m->memory_bytes = p->memory_doubles * real_bytes(m);
    RG_TRY(rgi_copies_take(m, m->memory_bytes, "the rods' arrays", &m->memory, err));
    RG_TRY(rgi_copies_take(m, m->ints_bytes, "the meshes", &m->ints, err));
    RG_TRY(rgi_copies_take(m, sizeof *m->plan, "the plan of checkpoints", &m->plan, err));
    RG_TRY(make_room(p, p->entries_capacity, o->directions, err));
    RG_TRY(
        rgi_copies_take(m, scratch_bytes(m), "what steps work on and the states kept for gradients", &m->scratch, err));
    /* behind the last rod's own: a block of all rods' */
    if (!m->rollout.shared)
        m->rollout.fast = m->scratch + m->rods * (m->rest_reals + m->kept_reals + m->pool_reals) * real_bytes(m);
    if (o->want & RGI_WANT_CARRY) RG_TRY(rgi_copies_take(m, m->rods, "a mask of rods", &m->mask, err));
    return RG_OK;
}

static rg_status create(rgi_packs *p, rg_error *err)
{
    copies *m = rgi_calloc(p->opts.rollout.context, 1, sizeof *m);
    if (!m) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the rods of a GPU");
    p->own = m;
    m->device = rgi_context_device(p->opts.rollout.context);
    m->rods = p->at->n_rods;
    RG_TRY(allocate(p, err));
    if (p->opts.want & RGI_WANT_ADJOINT) RG_TRY(rgi_device_upload(m->device, m->plan, &p->plan, sizeof p->plan, err));
    RG_TRY(send(p, p->memory, p->memory_doubles, err));
    return send_packs(p, err);
}

rg_status rgi_copies_list(rgi_packs *p, int n, rg_error *err)
{
    copies *m = of_packs(p);
    RG_TRY(make_room(p, p->entries_capacity, (size_t)n, err));
    if (m->stale) RG_TRY(send_packs(p, err));
    const size_t begin = ((size_t)n + 1) * sizeof *m->begin, count = (size_t)p->entry_begin[n] * sizeof *m->entries;
    if (m->listed == n && memcmp(m->listed_begin, p->entry_begin, begin) == 0 &&
        memcmp(m->listed_entries, p->entries, count) == 0)
        return RG_OK;
    m->listed = 0;
    RG_TRY(rgi_device_upload(m->device, m->begin, p->entry_begin, begin, err));
    RG_TRY(rgi_device_upload(m->device, m->entries, p->entries, count, err));
    memcpy(m->listed_begin, p->entry_begin, begin);
    memcpy(m->listed_entries, p->entries, count);
    m->listed = n;
    return RG_OK;
}

static rg_status directions(rgi_packs *p, int n_directions, rg_error *err)
{
    const copies *m = of_packs(p);
    const size_t count = (size_t)p->entry_begin[n_directions], real = real_bytes(m);
    RG_TRY(rgi_copies_list(p, n_directions, err));
    if (count == 0) return RG_OK;
    const size_t room = m->entries_capacity, all = (m->rods - 1) * room + count;
    if (!m->narrow) return rgi_device_upload(m->device, m->values, p->entry_values, all * real, err);
    float *narrow = rgi_calloc(p->opts.rollout.context, all, sizeof *narrow);
    if (!narrow) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %d directions", n_directions);
    for (size_t i = 0; i < m->rods; i++)
        for (size_t k = 0; k < count; k++) narrow[i * room + k] = (float)p->entry_values[i * room + k];
    const rg_status status = rgi_device_upload(m->device, m->values, narrow, all * real, err);
    rgi_free(p->opts.rollout.context, narrow);
    return status;
}

/* ---- the caller's arrays ---- */

/* rods that do not use all of their rows: what they leave alone must come back as it was */
static int has_gaps(const rgi_packs *p) { return p->at->n_shapes > 1 || p->ragged; }

static rg_status check_owner(const rgi_packs *p, const char *label, const void *array, rg_error *err)
{
    const int owned = rgi_device_owns(of_packs(p)->device, array);
    if (p->opts.memory == RG_MEMORY_HOST) {
        if (owned == 0) return RG_OK;
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s is in a GPU's memory, but the batch was created for arrays of the host's; create it with "
                       "memory = RG_MEMORY_DEVICE",
                       label);
    }
    if (owned == 1) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "%s is in %s, but the batch was created for arrays of %s's memory (RG_MEMORY_DEVICE)", label,
                   owned ? "another GPU's memory" : "the host's memory", rg_context_backend(p->opts.rollout.context));
}

rg_status rgi_copies_stage(rgi_packs *p, int which, const char *label, size_t size, rg_error *err)
{
    const copies *m = of_packs(p);
    stage *s = &of_packs(p)->stages[which];
    if (s->bytes >= size) return RG_OK;
    rgi_device_free(m->device, s->memory, s->bytes);
    s->memory = NULL;
    s->bytes = 0;
    RG_TRY(rgi_device_allocate(m->device, size, label, &s->memory, err));
    s->bytes = size;
    return RG_OK;
}

rg_status rgi_copies_place(rgi_packs *p, int which, const char *label, const void *array, size_t rod_bytes, int bring,
                           void **copy, rg_error *err)
{
    copies *m = of_packs(p);
    const size_t size = m->rods * rod_bytes;
    stage *s = &m->stages[which];
    *copy = NULL;
    if (!array || size == 0) return RG_OK;
    RG_TRY(check_owner(p, label, array, err));
    if (p->opts.memory == RG_MEMORY_DEVICE) return RG_OK;
    RG_TRY(rgi_copies_stage(p, which, label, size, err));
    *copy = s->memory;
    return bring || has_gaps(p) ? rgi_device_upload(m->device, s->memory, array, size, err) : RG_OK;
}

static int is_input(int source)
{
    return source == RGI_OF_inputs || source == RGI_OF_tangents || source == RGI_OF_cotangents;
}

static rg_status place(rgi_packs *p, const rgi_batch_arrays *of, rg_error *err)
{
    const size_t each = rgi_number_bytes(of->single);
    rgi_call *c = &p->call;
    void *copy = NULL;
#define START(name, per, less, source, member, stage)                                                                  \
    if (of->source) {                                                                                                  \
        RG_TRY(rgi_copies_place(p, STAGE_##stage, #source "." #member, c->name,                                        \
                                rgi_packs_times(p, RGI_OF_##source) * (per) * (p->at->vertices - (less)) * each, 1,    \
                                &copy, err));                                                                          \
        if (copy) c->name = copy;                                                                                      \
    }
    RGI_PACK_STARTS_IN(START)
#undef START
#define SERIES(name, rows, width, source, member, stage)                                                               \
    if (of->source) {                                                                                                  \
        RG_TRY(rgi_copies_place(p, STAGE_##stage, #source "." #member, c->name.data,                                   \
                                rgi_packs_times(p, RGI_OF_##source) * (size_t)c->name.rod * each,                      \
                                is_input(RGI_OF_##source), &copy, err));                                               \
        if (copy) c->name.data = copy;                                                                                 \
    }
    RGI_PACK_SERIES(SERIES)
#undef SERIES
#define START(name, per, less, source, member, stage)                                                                  \
    if (of->source)                                                                                                    \
        RG_TRY(rgi_copies_place(p, STAGE_##stage, #source "." #member, of->source->member,                             \
                                (per) * (p->at->vertices - (less)) * each, 0, &copy, err));
    RGI_PACK_STARTS_OUT(START)
#undef START
    return RG_OK;
}

rg_status rgi_copies_bring_back(rgi_packs *p, int which, void *array, size_t rod_bytes, rg_error *err)
{
    const copies *m = of_packs(p);
    const size_t size = m->rods * rod_bytes;
    if (!array || size == 0 || p->opts.memory == RG_MEMORY_DEVICE) return RG_OK;
    return rgi_device_download(m->device, array, m->stages[which].memory, size, err);
}

/* every series and start that the run put out */
static rg_status collect(rgi_packs *p, const rgi_batch_arrays *of, rg_error *err)
{
    const copies *m = of_packs(p);
    const size_t each = rgi_number_bytes(of->single);
    if (of->gradients && p->call.want_start) {
        rgi_call_starts to = {.vertices = (int)p->at->vertices, .single = of->single};
#define START(name, per, less, source, member, stage)                                                                  \
    to.name = p->opts.memory == RG_MEMORY_DEVICE || !of->source->member ? of->source->member                           \
                                                                        : m->stages[STAGE_##stage].memory;
        RGI_PACK_STARTS_OUT(START)
#undef START
        RG_TRY(rgi_rollout_starts_of(&m->rollout, m->device_packs, &to, err));
#define START(name, per, less, source, member, stage)                                                                  \
    RG_TRY(rgi_copies_bring_back(p, STAGE_##stage, of->source->member, (per) * (p->at->vertices - (less)) * each, err));
        RGI_PACK_STARTS_OUT(START)
#undef START
    }
#define BACK_inputs(...)
#define BACK_tangents(...)
#define BACK_cotangents(...)
#define BACK_outputs(name, source, member, stage)                                                                      \
    if (of->source)                                                                                                    \
        RG_TRY(rgi_copies_bring_back(p, STAGE_##stage, of->source->member,                                             \
                                     rgi_packs_times(p, RGI_OF_##source) * (size_t)p->call.name.rod * each, err));
#define BACK_tangent_outputs BACK_outputs
#define BACK_gradients BACK_outputs
#define SERIES(name, rows, width, source, member, stage) BACK_##source(name, source, member, stage)
    RGI_PACK_SERIES(SERIES)
#undef SERIES
    return RG_OK;
}

/* ---- runs ---- */

static rg_status point(rgi_packs *p, rg_error *err)
{
    const copies *m = of_packs(p);
    return rgi_rollout_point(&m->rollout, m->device_packs, &p->call, err);
}

static rg_status run(rgi_packs *p, int begin, int end, rg_error *err)
{
    const copies *m = of_packs(p);
    RG_TRY(rgi_rollout_run(&m->rollout, m->device_packs, begin, end, err));
    return rgi_copies_flag_faults(p, err);
}

static rg_status reverse(rgi_packs *p, rg_error *err)
{
    const copies *m = of_packs(p);
    return rgi_rollout_reverse(&m->rollout, m->device_packs, err);
}

static rg_status wait(rgi_packs *p, rg_error *err) { return rgi_device_wait(of_packs(p)->device, err); }

static rg_status reset(rgi_packs *p, const unsigned char *mask, rg_error *err)
{
    const copies *m = of_packs(p);
    RG_TRY(rgi_device_upload(m->device, m->mask, mask, m->rods, err));
    return rgi_rollout_reset(&m->rollout, m->device_packs, m->mask, err);
}

static rg_status give_statuses(rgi_packs *p, int single, void *to, rg_error *err)
{
    const copies *m = of_packs(p);
    RG_TRY(check_owner(p, "outputs.status", to, err));
    return rgi_rollout_statuses(&m->rollout, m->device_packs, single, to, err);
}

const rgi_rollout *rgi_packs_rollout(const rgi_packs *p)
{
    return p->runner == &rgi_runner_device ? &of_packs(p)->rollout : NULL;
}

const rgi_runner rgi_runner_device = {.never = RGI_WANT_NORMAL,
                                      .one_size = 1,
                                      .workers = workers,
                                      .create = create,
                                      .destroy = destroy,
                                      .bytes = bytes,
                                      .send = send,
                                      .fetch = fetch,
                                      .directions = directions,
                                      .place = place,
                                      .point = point,
                                      .run = run,
                                      .reverse = reverse,
                                      .collect = collect,
                                      .wait = wait,
                                      .give_statuses = give_statuses,
                                      .reset = reset,
                                      .set_fields = rgi_copies_set_fields,
                                      .set_directions = rgi_copies_set_directions,
                                      .pull_back = rgi_copies_pull_back,
                                      .widen_fields = rgi_copies_widen_fields,
                                      .narrow_fields = rgi_copies_narrow_fields};
