/* cuda/rollout.c: launches of the rollout's kernels (rollout.h; rollout.cu has the kernels). */
#include "rollout.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 64, SUFFIX = 40 };

/* Eight threads to a rod: of 13 vertices four joints are assembled at a time in three colours, and 32 rods of more
 * threads would leave too few registers to a thread. A function of real and vertices alone: the width orders sums. No
 * GPU has been asked yet whether another suits long rods better; where one does, a batch of rods of several lengths
 * must be launched by teams, so that a rod's bits do not depend on the others. */
static int default_team(int single, int vertices)
{
    (void)single, (void)vertices;
    return 8;
}

static rg_status find(const rgi_rollout *r, const char *suffix, const char *kernel, rgi_kernel *out, rg_error *err)
{
    char module[NAME], name[NAME];
    snprintf(module, sizeof module, "rollout_%s", suffix);
    snprintf(name, sizeof name, "rgi_%s_%s", kernel, suffix);
    return rgi_device_kernel(r->device, module, name, out, err);
}

/* host and device were compiled apart, the device's part perhaps by somebody else */
static rg_status check_layout(const rgi_rollout *r, const char *suffix, rg_error *err)
{
    const int expected[RGI_LAYOUT] = {(int)sizeof(rgi_device_pack),
                                      (int)r->sizes->run_bytes,
                                      (int)sizeof(rgi_plan),
                                      (int)sizeof(rgi_call),
                                      (int)sizeof(rgi_call_starts),
                                      (int)r->sizes->real_bytes,
                                      r->team};
    const size_t bytes = RGI_LAYOUT * sizeof(int);
    int found[RGI_LAYOUT];
    rgi_kernel kernel;
    void *memory = NULL;
    RG_TRY(find(r, suffix, "layout", &kernel, err));
    RG_TRY(rgi_device_allocate(r->device, bytes, "the kernels' layout", &memory, err));
    void *arguments[] = {&memory};
    rg_status status = rgi_device_launch(r->device, &kernel, 1, 32, 0, arguments, err);
    if (status == RG_OK) status = rgi_device_download(r->device, found, memory, bytes, err);
    if (status == RG_OK) status = rgi_device_wait(r->device, err);
    rgi_device_free(r->device, memory, bytes);
    RG_TRY(status);
    for (int i = 0; i < RGI_LAYOUT; i++)
        if (found[i] != expected[i])
            return RG_FAIL(err, RG_ERR_DEVICE,
                           "The kernels %s are of another version of rodgrad: number %d of their layout is %d, not %d.",
                           suffix, i, found[i], expected[i]);
    return RG_OK;
}

static rg_status check_choice(const rgi_rollout_choice *c, rg_error *err)
{
    if (c->team && c->team != 4 && c->team != 8 && c->team != 16 && c->team != 32)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A team of %d threads works on no rod; 4, 8, 16 or 32 can.", c->team);
    if (c->registers < 0 || c->registers > 255)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A thread cannot have %d registers; 1 to 255 can be.", c->registers);
    if (c->block_rods < 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A block cannot have %d rods; give 1 or more.", c->block_rods);
    return RG_OK;
}

rg_status rgi_rollout_open(rgi_device *device, const rgi_rollout_choice *choice, int vertices, rgi_rollout *out,
                           rg_error *err)
{
    char suffix[SUFFIX];
    memset(out, 0, sizeof *out);
    RG_TRY(check_choice(choice, err));
    out->device = device;
    out->team = choice->team ? choice->team : default_team(choice->single, vertices);
    out->registers = choice->registers ? choice->registers : 255;
    out->most_teams = RGI_BLOCK_THREADS / out->team;
    if (choice->block_rods > out->most_teams)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "A block has at most %d rods of %d threads, not %d.", out->most_teams,
                       out->team, choice->block_rods);
    if (choice->block_rods) out->most_teams = choice->block_rods;
    if (choice->single) out->sizes = choice->deform ? &rgi_sizes_deform_float : &rgi_sizes_implicit_float;
    else out->sizes = choice->deform ? &rgi_sizes_deform_double : &rgi_sizes_implicit_double;
    snprintf(suffix, sizeof suffix, "%s_%s_t%d_r%d", choice->deform ? "deform" : "implicit",
             choice->single ? "float" : "double", out->team, out->registers);
    RG_TRY(find(out, suffix, "run", &out->run, err));
    RG_TRY(find(out, suffix, "reverse", &out->reverse, err));
    out->run.timed = out->reverse.timed = 1;
    RG_TRY(find(out, suffix, "point", &out->point, err));
    RG_TRY(find(out, suffix, "reset", &out->reset, err));
    RG_TRY(find(out, suffix, "statuses", &out->statuses, err));
    RG_TRY(find(out, suffix, "starts", &out->starts, err));
    return check_layout(out, suffix, err);
}

static size_t shared_bytes(const rgi_rollout *r)
{
    return (size_t)r->teams * (r->sizes->run_bytes + (r->shared ? r->fast_reals * r->sizes->real_bytes : 0));
}

/* rods of blocks of r->teams that are on a multiprocessor at a time, in the runs forward and backward alike */
static rg_status resident(const rgi_rollout *r, int *out, rg_error *err)
{
    int forward = 0, backward = 0;
    RG_TRY(rgi_device_resident(r->device, &r->run, r->teams * r->team, shared_bytes(r), &forward, err));
    RG_TRY(rgi_device_resident(r->device, &r->reverse, r->teams * r->team, shared_bytes(r), &backward, err));
    *out = (forward < backward ? forward : backward) * r->teams;
    return RG_OK;
}

/* the size of block with which most rods are resident, the largest of equals; r->resident is 0 where none fits */
static rg_status choose_teams(rgi_rollout *r, rg_error *err)
{
    int chosen = 0;
    r->resident = 0;
    for (r->teams = r->most_teams; r->teams > 0; r->teams /= 2) {
        int now = 0;
        RG_TRY(resident(r, &now, err));
        if (now <= r->resident) continue;
        r->resident = now;
        chosen = r->teams;
    }
    r->teams = chosen;
    return RG_OK;
}

rg_status rgi_rollout_place(rgi_rollout *r, size_t rods, size_t fast_reals, rg_error *err)
{
    if (rods > INT_MAX / 2)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%zu rods are more than one batch can have on a GPU.", rods);
    r->rods = rods;
    /* an odd distance between rods, so that teams of a warp meet in different banks */
    r->fast_reals = fast_reals | 1;
    r->fast = NULL;
    r->shared = 1;
    RG_TRY(choose_teams(r, err));
    if (r->resident == 0) {
        r->shared = 0;
        RG_TRY(choose_teams(r, err));
    }
    if (r->resident > 0) return RG_OK;
    return RG_FAIL(err, RG_ERR_DEVICE, "No block of %s fits onto a multiprocessor of cuda:%d.", r->run.name,
                   rgi_device_index(r->device));
}

static unsigned blocks(size_t rods, int teams) { return (unsigned)((rods + (size_t)teams - 1) / (size_t)teams); }

/* kernels that only copy, a team to a rod */
static rg_status launch_copy(const rgi_rollout *r, const rgi_kernel *kernel, void **arguments, rg_error *err)
{
    const int teams = RGI_BLOCK_THREADS / r->team;
    return rgi_device_launch(r->device, kernel, blocks(r->rods, teams), RGI_BLOCK_THREADS, 0, arguments, err);
}

rg_status rgi_rollout_point(const rgi_rollout *r, rgi_device_pack *packs, const rgi_call *call, rg_error *err)
{
    int rods = (int)r->rods;
    rgi_call by_value = *call;
    void *arguments[] = {&packs, &rods, &by_value};
    return launch_copy(r, &r->point, arguments, err);
}

rg_status rgi_rollout_reset(const rgi_rollout *r, const rgi_device_pack *packs, const unsigned char *mask,
                            rg_error *err)
{
    int rods = (int)r->rods;
    void *arguments[] = {&packs, &rods, &mask};
    return rgi_device_launch(r->device, &r->reset, blocks(r->rods, RGI_BLOCK_THREADS), RGI_BLOCK_THREADS, 0, arguments,
                             err);
}

rg_status rgi_rollout_statuses(const rgi_rollout *r, const rgi_device_pack *packs, int single, void *to, rg_error *err)
{
    int rods = (int)r->rods;
    void *arguments[] = {&packs, &rods, &single, &to};
    return rgi_device_launch(r->device, &r->statuses, blocks(r->rods, RGI_BLOCK_THREADS), RGI_BLOCK_THREADS, 0,
                             arguments, err);
}

rg_status rgi_rollout_run(const rgi_rollout *r, const rgi_device_pack *packs, int begin, int end, rg_error *err)
{
    int rods = (int)r->rods;
    void *fast = r->fast;
    size_t fast_reals = r->fast_reals;
    void *arguments[] = {&packs, &rods, &begin, &end, &fast, &fast_reals};
    return rgi_device_launch(r->device, &r->run, blocks(r->rods, r->teams), (unsigned)(r->teams * r->team),
                             shared_bytes(r), arguments, err);
}

rg_status rgi_rollout_reverse(const rgi_rollout *r, const rgi_device_pack *packs, rg_error *err)
{
    int rods = (int)r->rods;
    void *fast = r->fast;
    size_t fast_reals = r->fast_reals;
    void *arguments[] = {&packs, &rods, &fast, &fast_reals};
    return rgi_device_launch(r->device, &r->reverse, blocks(r->rods, r->teams), (unsigned)(r->teams * r->team),
                             shared_bytes(r), arguments, err);
}

rg_status rgi_rollout_starts_of(const rgi_rollout *r, const rgi_device_pack *packs, const rgi_call_starts *to,
                                rg_error *err)
{
    int rods = (int)r->rods;
    rgi_call_starts by_value = *to;
    void *arguments[] = {&packs, &rods, &by_value};
    return launch_copy(r, &r->starts, arguments, err);
}
