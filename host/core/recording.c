/* core/recording.c: releasing a recording. */
#include "rodgrad/recording.h"

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
