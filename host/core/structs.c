/* core/structs.c: structs of callers that were compiled against other headers; lists of fields (see structs.h). */
#include "core/structs.h"

#include <string.h>

#include "rodgrad/version.h"

enum { MOST_BYTES = 4096 }; /* of any version of a struct: more is a size that was never set */

const rgi_struct rgi_rollout_opts_struct = {"rg_rollout_opts", sizeof(rg_rollout_opts),
                                            RGI_SIZE_UP_TO(rg_rollout_opts, deadline_s), 0};

/* The size that a struct has by its first member, with the options of rollouts that lie in it. inner: their size. */
static size_t size_of(const rgi_struct *s, const void *given, size_t *inner)
{
    const rgi_struct *rollout = &rgi_rollout_opts_struct;
    size_t size;
    memcpy(&size, given, sizeof size);
    *inner = s->rollout ? size_of(rollout, (const char *)given + s->rollout, &(size_t){0}) : 0;
    if (size) return size;
    return s->rollout ? s->first - rollout->size + *inner : s->first;
}

static rg_status check_size(const rgi_struct *s, size_t size, size_t least, rg_error *err)
{
    if (size >= least && size <= MOST_BYTES && size % sizeof(size_t) == 0) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT,
                   "the struct_size of a %s is %zu, which no version of it has; set it to sizeof(%s), here %zu",
                   s->name, size, s->name, s->size);
}

/* `have` bytes of the caller's members to `want` bytes of ours */
static rg_status take_members(const rgi_struct *s, const char *from, size_t have, char *to, size_t want, rg_error *err)
{
    memcpy(to, from, have < want ? have : want);
    for (size_t i = want; i < have; i++)
        if (from[i] != 0)
            return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                           "a %s of %zu bytes sets a member that this library (version %s) does not have; use the "
                           "library of the headers that the caller was compiled with, or leave that member 0",
                           s->name, have, rg_version());
    return RG_OK;
}

rg_status rgi_struct_take(const rgi_struct *s, const void *given, void *own, rg_error *err)
{
    enum { HEAD = sizeof(size_t) };
    const rgi_struct *rollout = &rgi_rollout_opts_struct;
    const char *from = given;
    char *to = own;
    size_t inner;
    const size_t size = size_of(s, given, &inner), at = s->rollout;
    if (!at) {
        RG_TRY(check_size(s, size, s->first, err));
        return take_members(s, from + HEAD, size - HEAD, to + HEAD, s->size - HEAD, err);
    }
    RG_TRY(check_size(rollout, inner, rollout->first, err));
    RG_TRY(check_size(s, size, s->first - rollout->size + inner, err));
    memcpy(to + HEAD, from + HEAD, at - HEAD);
    RG_TRY(rgi_struct_take(rollout, from + at, to + at, err));
    from += at + inner;
    to += at + rollout->size;
    return take_members(s, from, size - at - inner, to, s->size - at - rollout->size, err);
}

void rgi_struct_give(const rgi_struct *s, const void *own, void *given)
{
    enum { HEAD = sizeof(size_t) };
    const rgi_struct *rollout = &rgi_rollout_opts_struct;
    const char *from = own;
    char *to = given;
    size_t inner;
    const size_t size = size_of(s, given, &inner), at = s->rollout;
    if (!at) {
        memcpy(to + HEAD, from + HEAD, (size < s->size ? size : s->size) - HEAD);
        return;
    }
    memcpy(to + HEAD, from + HEAD, at - HEAD);
    rgi_struct_give(rollout, from + at, to + at);
    from += at + rollout->size;
    to += at + inner;
    const size_t have = s->size - at - rollout->size, want = size - at - inner;
    memcpy(to, from, have < want ? have : want);
}

static rg_status check_field(rg_field field, const char *of, int there, rg_error *err)
{
    const rg_field_info *info = rg_field_describe(field);
    if (!info)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "%d is among the fields of the %s and is none of rg_field", (int)field,
                       of);
    if (there)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the field %s is twice among those of the %s; leave one out", info->name,
                       of);
    return RG_OK;
}

static rg_status check_list(const void *list, size_t n, const char *of, rg_error *err)
{
    if (list || n == 0) return RG_OK;
    return RG_FAIL(err, RG_ERR_ARGUMENT, "n_fields of the %s is %zu and fields is NULL", of, n);
}

rg_status rgi_field_values(const rg_field_values *list, size_t n, const char *of, const double **to, rg_error *err)
{
    int there[RG_FIELD_COUNT] = {0};
    RG_TRY(check_list(list, n, of, err));
    for (size_t k = 0; k < n; k++) {
        rg_field_values own; /* list may be one of batch_float.h */
        memcpy(&own, list + k, sizeof own);
        RG_TRY(check_field(own.field, of, (unsigned)own.field < RG_FIELD_COUNT && there[own.field]++, err));
        to[own.field] = own.values;
    }
    return RG_OK;
}

rg_status rgi_field_gradients(const rg_field_gradient *list, size_t n, double **to, rg_error *err)
{
    int there[RG_FIELD_COUNT] = {0};
    RG_TRY(check_list(list, n, "gradients", err));
    for (size_t k = 0; k < n; k++) {
        rg_field_gradient own;
        memcpy(&own, list + k, sizeof own);
        RG_TRY(check_field(own.field, "gradients", (unsigned)own.field < RG_FIELD_COUNT && there[own.field]++, err));
        to[own.field] = own.values;
    }
    return RG_OK;
}
