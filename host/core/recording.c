/* core/recording.c: releasing a recording, and filling in what one leaves out. */
#include "core/recording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void rg_recording_clear(rg_recording *recording)
{
    if (!recording) return;
    free(recording->name);
    free(recording->source);
    free(recording->positions);
    free(recording->driving);
    free(recording->valid);
    free(recording->lost);
    free(recording->clamps);
    memset(recording, 0, sizeof *recording);
}

enum { NAME_BYTES = 32 };

rg_status rgi_recordings_complete(const rg_recording *recordings, size_t n, rg_recording **out, rg_error *err)
{
    size_t trusted = 0;
    *out = NULL;
    for (size_t i = 0; i < n; i++) {
        const rg_recording *r = &recordings[i];
        char label[NAME_BYTES];
        snprintf(label, sizeof label, "recording %zu", i);
        const char *name = r->name ? r->name : label;
        if (!r->positions) return RG_FAIL(err, RG_ERR_ARGUMENT, "%s has no positions; set its array of markers", name);
        if (!r->clamps && r->n_clamps > 0)
            return RG_FAIL(err, RG_ERR_ARGUMENT,
                           "%s has %zu driving markers but no list of them; set clamps, or n_clamps to 0", name,
                           r->n_clamps);
        if (r->valid) continue;
        if (r->n_markers && r->n_frames > SIZE_MAX / r->n_markers)
            return RG_FAIL(err, RG_ERR_MEMORY, "%s has more frames (%zu) of %zu markers than memory can hold", name,
                           r->n_frames, r->n_markers);
        if (r->n_frames * r->n_markers > trusted) trusted = r->n_frames * r->n_markers;
    }
    /* one array of ones serves all recordings without `valid`; an empty source is the end of a name */
    const size_t each = sizeof **out + NAME_BYTES;
    rg_recording *all = n <= (SIZE_MAX - trusted - 1) / each ? malloc(n * each + trusted + 1) : NULL;
    if (!all) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for %zu recordings", n);
    char *names = (char *)(all + n);
    uint8_t *ones = (uint8_t *)names + n * NAME_BYTES;
    memset(ones, 1, trusted);
    for (size_t i = 0; i < n; i++) {
        rg_recording *r = &all[i];
        char *name = names + i * NAME_BYTES;
        const int length = snprintf(name, NAME_BYTES, "recording %zu", i);
        *r = recordings[i];
        if (!r->name) r->name = name;
        if (!r->source) r->source = name + length;
        if (!r->driving) r->driving = r->positions;
        if (!r->valid) r->valid = ones;
    }
    *out = all;
    return RG_OK;
}
