/* pack_fixture.c: see pack_fixture.h. */
#include "pack_fixture.h"

#include "core/batch.h"

typedef struct pack_block {
    struct pack_block *next;
    double *data;
} pack_block;

static void *checked(void *memory)
{
    if (memory) return memory;
    fputs("pack_fixture: out of memory\n", stderr);
    exit(1);
}

pack_fixture *pack_fixture_make(const rg_model *model, const rg_batch_opts *opts)
{
    pack_fixture *f = checked(calloc(1, sizeof *f));
    rg_batch_opts o = *opts;
    rg_error err = {0};
    o.rollout.isa = "scalar";
    o.rollout.real = RG_REAL_DOUBLE;
    o.rollout.threads = 1;
    o.budget_bytes = RG_STORE_ALL;
    if (rg_batch_create(model, 1, &o, &f->batch, &err) != RG_OK) {
        fprintf(stderr, "pack_fixture: %s\n", err.text);
        exit(1);
    }
    f->pack = f->batch->own->packs.packs;
    return f;
}

void pack_fixture_free(pack_fixture *f)
{
    if (!f) return;
    rg_batch_destroy(&f->batch);
    while (f->blocks) {
        pack_block *next = f->blocks->next;
        free(f->blocks->data);
        free(f->blocks);
        f->blocks = next;
    }
    free(f);
}

double *pack_fixture_take(pack_fixture *f, size_t count)
{
    pack_block *block = checked(malloc(sizeof *block));
    /* to the byte, so that a sanitizer sees every step beyond */
    block->data = checked(calloc(count ? count : 1, sizeof *block->data));
    block->next = f->blocks;
    f->blocks = block;
    return block->data;
}

void pack_fixture_forward(pack_fixture *f, const rg_batch_inputs *in, const rg_batch_outputs *out)
{
    const rgi_batch_arrays of = {.inputs = in, .outputs = out};
    (void)rgi_tape_point_run(f->batch->own, &of, NULL);
}

void pack_fixture_jvp(pack_fixture *f, const rg_batch_inputs *in, const rg_batch_tangents *tangents,
                      const rg_batch_outputs *out, const rg_batch_tangent_outputs *tangent_out)
{
    const rgi_batch_arrays of = {.inputs = in, .outputs = out, .tangents = tangents, .tangent_outputs = tangent_out};
    (void)rgi_tape_point_run(f->batch->own, &of, NULL);
}

void pack_fixture_adjoint(pack_fixture *f, const rg_batch_cotangents *bar, const rg_batch_gradients *gradients)
{
    const rgi_batch_arrays of = {.cotangents = bar, .gradients = gradients}; /* and none of fields */
    (void)rgi_tape_point_reverse(f->batch->own, &of, NULL);
}

void pack_fixture_run(pack_fixture *f, size_t (*workspace)(const rgi_pack *), void (*run)(const rgi_pack *))
{
    const size_t wanted = workspace(f->pack);
    if (wanted > f->workspace) {
        f->pack->workspace = (rgi_reals *)(void *)pack_fixture_take(f, wanted);
        f->workspace = wanted;
    }
    run(f->pack);
}

/* ---- the list ---- */

typedef struct list {
    const rgi_pack *pack;
    pack_array *arrays;
    size_t count;
} list;

static void add(list *l, const char *name, size_t member, size_t count, int series)
{
    const pack_array array = {name, member, count, series};
    if (l->count == PACK_MOST_ARRAYS) abort();
    if (count > 0 && pack_array_data(l->pack, &array)) l->arrays[l->count++] = array;
}

size_t pack_fixture_arrays(const rgi_pack *p, pack_array *arrays)
{
    list l = {p, arrays, 0};
    const size_t steps = (size_t)p->n_steps, frames = p->substeps ? steps / (size_t)p->substeps : 0;
    const size_t block = p->block ? (size_t)p->block : 1, every = p->growth_every ? (size_t)p->growth_every : 1;
    const size_t state = RGI_STATE_REALS * (size_t)p->n + 1, q = (size_t)p->n_directions;
    const size_t rows[] = {steps, frames, steps / every + 1};
    const rgi_extents extents = {.n = (size_t)p->n,
                                 .markers = (size_t)p->n_markers,
                                 .free = (size_t)p->n_free,
                                 .directions = q,
                                 .frames = frames,
                                 .blocks = (frames + block - 1) / block};
    const rgi_extents *e = &extents;
#define ARRAY(name, section, wanted, kind, count) add(&l, #name, offsetof(rgi_pack, name), count, 0);
    RGI_PACK_ARRAYS(ARRAY)
#undef ARRAY
    /* rows of the caller's, which may be longer than this rod's */
#define SERIES(name, of, ...)                                                                                          \
    add(&l, #name, offsetof(rgi_pack, name.data), rows[RGI_ROWS_##of] * (size_t)p->name.step, 1);
    RGI_PACK_SERIES(SERIES)
#undef SERIES
    add(&l, "entry_values", offsetof(rgi_pack, entry_values), q ? (size_t)p->entry_begin[q] : 0, 0);
    add(&l, "trace", offsetof(rgi_pack, trace), (6 * e->n + 1) * steps, 0);
    add(&l, "kept", offsetof(rgi_pack, kept), p->plan ? (size_t)rgi_plan_kept(p->plan) * state : 0, 0);
    return l.count;
}
