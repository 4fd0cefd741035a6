/* core/recording.h: recordings as the library reads them, with what their owner may leave out filled in. */
#ifndef RGI_RECORDING_H
#define RGI_RECORDING_H

#include "rodgrad/recording.h"
#include "rodgrad/status.h"

/* Copies of n recordings into *out, where nothing that is read is NULL but `lost`: a recording without a name is
 * "recording 3" (its place, from 0), without a source it has an empty one, without `driving` it is driven by its
 * positions, and without `valid` every marker of every frame is trusted. Every function that takes recordings reads
 * such copies, so that no other code asks what is there. The copies point into the originals' arrays, which must
 * outlive them; *out and what was filled in are one block, the caller's: free() it, not rg_recording_clear.
 * RG_ERR_ARGUMENT when there are no positions, or clamps without a list, RG_ERR_MEMORY; *out is NULL then.
 * Thread-safe: the originals are only read. */
rg_status rgi_recordings_complete(const rg_recording *recordings, size_t n, rg_recording **out, rg_error *err);

#endif
