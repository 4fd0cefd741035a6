/* pack_fixture.h: a pack of one rod as the library makes it, for tests that instantiate the kernels themselves.
 *
 * A batch of one rod, in doubles and by the scalar instantiation, is made and pointed at the caller's arrays by the
 * library, and its own pack is handed out. A test overwrites what no batch has in it, and runs its own kernels on it:
 * in doubles by pack_fixture_run, in another `real` after pack_reals_make, which goes through the list of the pack's
 * arrays. For C++ as well. */
#ifndef PACK_FIXTURE_H
#define PACK_FIXTURE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pack.h"
#include "rodgrad/batch.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct pack_fixture {
    rg_batch *batch;
    rgi_pack *pack; /* the batch's */
    struct pack_block *blocks;
    size_t workspace; /* doubles of pack->workspace */
} pack_fixture;

/* A batch of one rod with the options but for threads, real, instructions and budget_bytes: every state is kept. What
 * fails here ends the program. */
pack_fixture *pack_fixture_make(const rg_model *model, const rg_batch_opts *opts);
void pack_fixture_free(pack_fixture *f);

/* zeros that live as long as the fixture: what a pack of a batch has no array for */
double *pack_fixture_take(pack_fixture *f, size_t count);

/* The pack pointed as rg_batch_forward, rg_batch_jvp and rg_batch_adjoint point it; nothing runs. The direction's
 * coefficients are those of the fields. */
void pack_fixture_forward(pack_fixture *f, const rg_batch_inputs *in, const rg_batch_outputs *out);
void pack_fixture_jvp(pack_fixture *f, const rg_batch_inputs *in, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *out, const rg_batch_tangent_outputs *tangent_out);
void pack_fixture_adjoint(pack_fixture *f, const rg_batch_cotangents *bar, const rg_batch_gradients *gradients);

/* a run of a double instantiation with a workspace of as many doubles as it wants */
void pack_fixture_run(pack_fixture *f, size_t (*workspace)(const rgi_pack *), void (*run)(const rgi_pack *));

/* one array of a pack, or one series */
typedef struct pack_array {
    const char *name;
    size_t member; /* bytes to its pointer in rgi_pack */
    size_t count;  /* numbers from there on */
    int series;    /* numbers are rg_number, else real */
} pack_array;

enum { PACK_MOST_ARRAYS = 64 };

/* The arrays of reals and the series that a pack of one rod has, the workspace left out; `kept` is the last one.
 * Returns how many. */
size_t pack_fixture_arrays(const rgi_pack *pack, pack_array *list);

static inline void *pack_array_data(const rgi_pack *pack, const pack_array *array)
{
    void *data;
    memcpy(&data, (const char *)pack + array->member, sizeof data);
    return data;
}

#ifdef __cplusplus
}
#endif

/* ---- the pack in the reals of this file, which has included the kernels ---- */

#ifdef RGI_RUN_H

/* runs of the fixture's pack by kernels of doubles, for pack_fixture_run */
static inline size_t pack_workspace(const rgi_pack *pack)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    return rgi_run_bind(NULL, &kernel, NULL, NULL);
}
#ifdef RGI_ROLLOUT_H
static inline void pack_run(const rgi_pack *pack)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    rgi_run_all(&kernel);
}
#endif
#ifdef RGI_REVERSE_H
static inline void pack_reverse(const rgi_pack *pack)
{
    const rgi_kernel_pack kernel = rgi_kernel_pack_of(pack);
    rgi_reverse_all(&kernel);
}
#endif

typedef struct pack_reals {
    rgi_kernel_pack pack;
    real *memory; /* array after array, then the workspace, then what is kept */
    size_t count;
    real *kept; /* in memory, or its end */
} pack_reals;

/* the data of a series of pack_reals.pack */
static inline real *pack_reals_in(const void *data) { return (real *)(uintptr_t)data; }

/* series of doubles stay where they are */
static inline int pack_converts(const pack_array *array)
{
    return !array->series || sizeof(rg_number) != sizeof(double);
}

/* the numbers of the arrays of `from` again */
static inline void pack_reals_fill(pack_reals *r, const rgi_pack *from)
{
    pack_array list[PACK_MOST_ARRAYS];
    const size_t arrays = pack_fixture_arrays(from, list);
    for (size_t k = 0; k < arrays; k++) {
        const double *numbers = (const double *)pack_array_data(from, &list[k]);
        real *to;
        memcpy(&to, (const char *)&r->pack + list[k].member, sizeof to);
        for (size_t i = 0; pack_converts(&list[k]) && i < list[k].count; i++) to[i] = rg_set1(numbers[i]);
    }
}

/* A copy of a pack, of its arrays and, where numbers are other than doubles, of its series, with a workspace for
 * `workspace` reals. Free memory. */
static inline pack_reals pack_reals_make(const rgi_pack *from, size_t workspace)
{
    pack_array list[PACK_MOST_ARRAYS];
    const size_t arrays = pack_fixture_arrays(from, list);
    pack_reals r;
    r.pack = rgi_kernel_pack_of(from);
    r.count = workspace;
    for (size_t k = 0; k < arrays; k++) r.count += pack_converts(&list[k]) ? list[k].count : 0;
    r.memory = (real *)calloc(r.count + 1, sizeof *r.memory);
    if (!r.memory) {
        fputs("pack_fixture: out of memory\n", stderr);
        exit(1);
    }
    real *next = r.memory;
    r.pack.workspace = NULL;
    r.kept = r.memory + r.count;
    for (size_t k = 0; k < arrays; k++) {
        const int kept = list[k].member == offsetof(rgi_pack, kept);
        if (!pack_converts(&list[k])) continue;
        if (kept) {
            r.pack.workspace = next;
            next += workspace;
            r.kept = next;
        }
        memcpy((char *)&r.pack + list[k].member, &next, sizeof next);
        next += list[k].count;
    }
    if (!r.pack.workspace) r.pack.workspace = next;
    pack_reals_fill(&r, from);
    return r;
}

#endif

#endif
