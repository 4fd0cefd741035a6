/* io/checkpoint.h: numbers of an unfinished job in a file that a later run can trust.
 *
 * Layout: the line "rodgrad-checkpoint 1", the key's line, the count's line, the numbers (native
 * doubles), then 64 hex digits: the SHA-256 of all before. Written atomically. The key says what
 * the job is (inputs and options); a file with another key is somebody else's. */
#ifndef RGI_CHECKPOINT_H
#define RGI_CHECKPOINT_H

#include <stddef.h>

#include "rodgrad/status.h"

/* RG_ERR_IO, RG_ERR_MEMORY. key: no newline. */
rg_status rgi_checkpoint_save(const char *path, const char *key, const double *numbers, size_t count, rg_error *err);
/* *numbers: owned by the caller, NULL with RG_OK when there is no such file or its key is another
 * one. RG_ERR_FORMAT when it is damaged, RG_ERR_IO, RG_ERR_MEMORY. */
rg_status rgi_checkpoint_load(const char *path, const char *key, double **numbers, size_t *count, rg_error *err);

#endif
