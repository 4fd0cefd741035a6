/* core/packs_cpu.c: packs on the CPU's threads (packs.h).
 *
 * Packs read and write the caller's arrays where they are. Workspace and scratch states belong to threads, and are as
 * large as the largest rod needs. Each pack's results are its own, so that no result depends on the number of threads.
 */
#include <string.h>

#include "core/jobs.h"
#include "core/memory.h"
#include "core/packs.h"

typedef struct threads {
    size_t n, work_doubles, pool_doubles;
    double *memory; /* [n][work_doubles + pool_doubles], behind the packs' */
} threads;

static size_t workers(const rgi_packs *p)
{
    const size_t most = rgi_workers(&p->opts.rollout);
    return most < p->at->n_packs ? most : p->at->n_packs;
}

static void layout(const rgi_packs *p, const rgi_shape *shape, rgi_pack *pack, double *base, size_t *used)
{
    if (pack->plan) {
        const size_t reals = (size_t)rgi_plan_kept(pack->plan) * (shape->n * RGI_STATE_REALS + 1);
        pack->kept = (rgi_reals *)(void *)rgi_take(base, used, rgi_cpu_doubles(p->cpu, reals));
    }
    if (p->traced) {
        const size_t reals = (size_t)pack->n_steps * (6 * shape->n + 1);
        pack->trace = (rgi_reals *)(void *)rgi_take(base, used, rgi_cpu_doubles(p->cpu, reals));
    }
}

static threads size_of_threads(const rgi_packs *p)
{
    threads t = {.n = workers(p), .pool_doubles = 8};
    for (size_t k = 0; k < p->at->n_shapes; k++) {
        const rgi_pack largest = rgi_packs_largest(p, p->at->shapes[k].shape);
        const size_t own = (p->cpu->workspace(&largest) + 7) / 8 * 8;
        if (own > t.work_doubles) t.work_doubles = own;
    }
    if (p->opts.want & RGI_WANT_ADJOINT) {
        const size_t reals = (size_t)rgi_plan_pool(&p->plan) * (p->at->vertices * RGI_STATE_REALS + 1);
        t.pool_doubles += (rgi_cpu_doubles(p->cpu, reals) + 7) / 8 * 8;
    }
    return t;
}

static size_t work_doubles(const rgi_packs *p)
{
    const threads t = size_of_threads(p);
    return t.n * (t.work_doubles + t.pool_doubles);
}

static rg_status create(rgi_packs *p, rg_error *err)
{
    threads *t = rgi_calloc(p->opts.rollout.context, 1, sizeof *t);
    if (!t) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the threads of a run");
    p->own = t;
    *t = size_of_threads(p);
    t->memory = p->memory + p->memory_doubles;
    /* a lane not in use never writes what others select away from */
    const size_t each = t->work_doubles + t->pool_doubles;
    for (size_t k = 0; k < t->n; k++) memset(t->memory + k * each, 0, t->work_doubles * sizeof *t->memory);
    return RG_OK;
}

static void destroy(rgi_packs *p)
{
    rgi_free(p->opts.rollout.context, p->own);
    p->own = NULL;
}

static size_t bytes(const rgi_packs *p)
{
    const threads *t = p->own;
    return sizeof *t + t->n * (t->work_doubles + t->pool_doubles) * sizeof *t->memory;
}

static rg_status send(rgi_packs *p, const double *from, size_t count, rg_error *err)
{
    (void)p, (void)from, (void)count, (void)err;
    return RG_OK;
}

static rg_status fetch(rgi_packs *p, int first, int last, rg_error *err)
{
    (void)p, (void)first, (void)last, (void)err;
    return RG_OK;
}

static rg_status directions(rgi_packs *p, int n_directions, rg_error *err)
{
    (void)err;
    for (size_t i = 0; i < p->at->n_packs; i++)
        p->packs[i].entry_values = rgi_cpu_narrow(p->cpu, p->entry_values + i * p->entries_capacity * p->at->lanes,
                                                  (size_t)p->entry_begin[n_directions]);
    return RG_OK;
}

static rg_status set_directions(rgi_packs *p, const rgi_batch_fields *at, const double *const *along, int n,
                                rg_error *err)
{
    rgi_packs_set_directions(p, at, along, n);
    return directions(p, n, err);
}

static rg_status place(rgi_packs *p, const rgi_batch_arrays *of, rg_error *err)
{
    (void)p, (void)of, (void)err;
    return RG_OK;
}

/* spread the first count values of a pack's rods [times][n_rods][row] over its lanes [times][room][W]; the rest, or
 * NULL: zero */
static void spread(const rgi_packs *p, size_t index, const void *from, size_t times, size_t row, size_t count,
                   size_t room, double *to)
{
    const size_t w = p->at->lanes, rods = p->at->places[index].rods;
    const int single = p->call.single;
    for (size_t k = 0; k < times * w; k++) {
        const size_t q = k / w, lane = k % w, rod = p->at->places[index].first + (lane < rods ? lane : 0);
        const ptrdiff_t own = (ptrdiff_t)((q * p->at->n_rods + rod) * row);
        for (size_t i = 0; i < room; i++)
            to[(q * room + i) * w + lane] = from && i < count ? rgi_number_get(from, single, own + (ptrdiff_t)i) : 0.0;
    }
}

static rg_status point(rgi_packs *p, rg_error *err)
{
    const rgi_call *call = &p->call;
    (void)err;
    for (size_t index = 0; index < p->at->n_packs; index++) {
        rgi_pack *to = &p->packs[index];
        const size_t n = p->at->places[index].shape->n, rod = p->at->places[index].first;
        RGI_POINT_PACK
#define SPREAD(name, per, less, source, ...)                                                                           \
    if (RGI_OF_##source == RGI_OF_tangents ? call->set_tangents : call->name != NULL)                                  \
        spread(p, index, call->name, rgi_packs_times(p, RGI_OF_##source), (per) * (p->at->vertices - (less)),          \
               (per) * (n - (less)), (per)*n, to->name);
        RGI_PACK_STARTS_IN(SPREAD)
#undef SPREAD
    }
    return RG_OK;
}

typedef struct packs_job {
    rgi_packs *packs;
    void (*one)(const rgi_pack *);
} packs_job;

static void run_one(void *arg, size_t index, size_t worker)
{
    const packs_job *job = arg;
    const threads *t = job->packs->own;
    rgi_pack *j = &job->packs->packs[index];
    double *own = t->memory + worker * (t->work_doubles + t->pool_doubles);
    j->workspace = (rgi_reals *)(void *)own;
    j->pool = (rgi_reals *)(void *)(own + t->work_doubles);
    job->one(j);
}

static void run_all(rgi_packs *p, void (*one)(const rgi_pack *))
{
    const threads *t = p->own;
    packs_job job = {p, one};
    rgi_run_jobs(&p->opts.rollout, t->n, p->at->n_packs, 1, run_one, &job);
}

static rg_status run(rgi_packs *p, int begin, int end, rg_error *err)
{
    (void)begin, (void)end, (void)err;
    run_all(p, p->cpu->run);
    return RG_OK;
}

static rg_status reverse(rgi_packs *p, rg_error *err)
{
    (void)err;
    run_all(p, p->cpu->reverse);
    return RG_OK;
}

static void gather(const rgi_packs *p, size_t index, const double *from, size_t row, size_t count, int single, void *to)
{
    const size_t w = p->at->lanes;
    for (size_t lane = 0; to && lane < p->at->places[index].rods; lane++) {
        const size_t first = (p->at->places[index].first + lane) * row;
        for (size_t i = 0; i < count; i++) rgi_number_put(to, single, (ptrdiff_t)(first + i), from[i * w + lane]);
    }
}

static rg_status collect(rgi_packs *p, const rgi_batch_arrays *of, rg_error *err)
{
    (void)err;
    if (!of->gradients) return RG_OK;
    for (size_t index = 0; index < p->at->n_packs; index++) {
        const size_t n = p->at->places[index].shape->n;
#define GATHER(name, per, less, source, member, stage)                                                                 \
    gather(p, index, p->packs[index].name, (per) * (p->at->vertices - (less)), (per) * (n - (less)), of->single,       \
           of->source->member);
        RGI_PACK_STARTS_OUT(GATHER)
#undef GATHER
    }
    return RG_OK;
}

static rg_status wait(rgi_packs *p, rg_error *err)
{
    (void)p, (void)err;
    return RG_OK;
}

static rg_status reset(rgi_packs *p, const unsigned char *mask, rg_error *err)
{
    (void)err;
    for (size_t i = 0; i < p->at->n_rods; i++) {
        const size_t index = p->at->pack_of[i], state = RGI_STATE_REALS * p->at->places[index].shape->n + 1;
        if (mask[i]) p->packs[index].carried[2 * state * p->at->lanes + rgi_lane_of(p->at, i)] = 0.0;
    }
    return RG_OK;
}

const rgi_runner rgi_runner_cpu = {.workers = workers,
                                   .work_doubles = work_doubles,
                                   .layout = layout,
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
                                   .reset = reset,
                                   .set_fields = rgi_packs_set_fields,
                                   .set_directions = set_directions,
                                   .pull_back = rgi_packs_pull_back};
