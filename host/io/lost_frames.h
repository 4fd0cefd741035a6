/* io/lost_frames.h: intervals of a recording that took longer than dt because frames were lost.
 *
 * Motion capture under load drops frames: between two recorded frames every marker then advances
 * by several of its usual steps at once, which looks like a jump of metres per second. The number
 * of lost frames is read off the driving markers alone, so that an evaluation may use it. */
#ifndef RGI_LOST_FRAMES_H
#define RGI_LOST_FRAMES_H

#include "rodgrad/recording.h"
#include "rodgrad/status.h"

/* lost[n_frames], caller-allocated: lost[k] is the number of frames missing between k-1 and k, so
 * that (1 + lost[k]) dt_s passed between them; lost[0] = 0. Reads the positions of the driving
 * markers and nothing else. *total (may be NULL): their sum. A loss while the driving markers rest
 * cannot be seen. RG_ERR_ARGUMENT, RG_ERR_MEMORY. */
rg_status rgi_lost_frames_find(const rg_recording *recording, int *lost, size_t *total, rg_error *err);

#endif
