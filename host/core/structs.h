/* core/structs.h: structs of the caller's, which may have been compiled against older or newer headers.
 *
 * A public struct that begins with struct_size grows at its end. The library works on a copy of its own size: what an
 * older caller's struct lacks keeps the value that the copy has, and what a newer caller's has beyond must be 0, since
 * this library cannot do what it asks for. A struct_size of 0 stands for the struct's first version. */
#ifndef RGI_STRUCTS_H
#define RGI_STRUCTS_H

#include <stddef.h>

#include "rodgrad/batch.h"

typedef struct rgi_struct {
    const char *name;
    size_t size, first; /* of the struct here; up to the last member that its first version had */
    size_t rollout;     /* where a rg_rollout_opts lies in it, which has a size of its own; 0: there is none */
} rgi_struct;

/* bytes of a struct whose last member is `last`, with padding */
#define RGI_SIZE_UP_TO(type, last)                                                                                     \
    ((offsetof(type, last) + sizeof(((type *)0)->last) + sizeof(size_t) - 1) / sizeof(size_t) * sizeof(size_t))

/* *own, which has struct_size and its members' defaults, gets the members of *given. RG_ERR_ARGUMENT for a size that no
 * version of the struct has, RG_ERR_UNSUPPORTED for members that are not known here and not 0. */
rg_status rgi_struct_take(const rgi_struct *of, const void *given, void *own, rg_error *err);
/* the other way round, as far as *given reaches; its sizes stay. It is as large as it says. */
void rgi_struct_give(const rgi_struct *of, const void *own, void *given);

extern const rgi_struct rgi_rollout_opts_struct;

/* Lists of fields [n], of either kind of number, to arrays [RG_FIELD_COUNT] that are NULL so far. of: "inputs", ...
 * RG_ERR_ARGUMENT. */
rg_status rgi_field_values(const rg_field_values *list, size_t n, const char *of, const double **to, rg_error *err);
rg_status rgi_field_gradients(const rg_field_gradient *list, size_t n, double **to, rg_error *err);

#endif
