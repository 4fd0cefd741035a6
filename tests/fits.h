/* fits.h: fits in tests, and recordings of known rods for them: each call succeeds or the test fails. Include after
 * cmocka.h. */
#ifndef FITS_H
#define FITS_H

#include "rods.h"

/* A recording of a rod that the four outer markers hold, two at either end: from frame 2 on the free ones are where
 * `truth` says, give or take `noise` [m] by *noise_seed. For rg_recording_clear. */
static inline rg_recording fits_recording(const rg_model *truth, size_t frames, uint64_t seed, double noise,
                                          uint64_t *noise_seed)
{
    const size_t markers = rg_model_markers(truth), row = 3 * markers;
    const int clamps[] = {0, 1, (int)markers - 2, (int)markers - 1};
    rg_recording r = rods_recording(markers, frames, clamps, 4, seed);
    double *out = malloc(frames * row * sizeof *out);
    rg_rod_status status;
    rg_error err = {0};
    assert_non_null(out);
    if (rg_simulate(truth, &r, 1, NULL, &out, &status, &err) != RG_OK) fail_msg("%s", err.text);
    assert_int_equal(status.flag, RG_ROD_OK);
    for (size_t f = 2; f < frames; f++)
        for (size_t k = 6; k < row - 6; k++)
            r.positions[f * row + k] = out[f * row + k] + (noise > 0.0 ? noise * random_signed(noise_seed) : 0.0);
    memcpy(r.driving, r.positions, frames * row * sizeof *out);
    free(out);
    return r;
}

/* n such recordings of as many frames */
static inline void fits_plant(const rg_model *truth, rg_recording *r, size_t n, size_t frames, double noise)
{
    uint64_t seed = 99;
    for (size_t i = 0; i < n; i++) r[i] = fits_recording(truth, frames, 300 + i, noise, &seed);
}

static inline void fits_clear(rg_recording *r, size_t n)
{
    for (size_t i = 0; i < n; i++) rg_recording_clear(&r[i]);
}

/* ---- groups of parameters in options: each change makes a list of its own, so that copies of options stay as they are
 */

static inline rg_group_choice *fits_choice(rg_fit_opts *o, rg_group group, rg_group_mode mode)
{
    enum { ROOM = 4096 };
    static rg_group_choice room[ROOM];
    static size_t used;
    if (used + o->n_groups + 1 > ROOM) fail_msg("too many lists of groups; give fits_choice more room");
    rg_group_choice *list = room + used;
    for (size_t k = 0; k < o->n_groups; k++) list[k] = o->groups[k];
    size_t at = 0;
    while (at < o->n_groups && list[at].group != group) at++;
    if (at == o->n_groups) list[o->n_groups++] = (rg_group_choice){group, mode, 0.0};
    o->groups = list;
    used += o->n_groups;
    return &list[at];
}

static inline void fits_hold_all(rg_fit_opts *o)
{
    o->only_groups = 1;
    o->n_groups = 0;
}

static inline void fits_choose(rg_fit_opts *o, int group, rg_group_mode mode)
{
    fits_choice(o, (rg_group)group, mode)->mode = mode;
}

/* of a group that is among them */
static inline void fits_prior(rg_fit_opts *o, rg_group group, double prior)
{
    fits_choice(o, group, RG_HELD)->prior = prior;
}

static inline rg_fit *fits_create(const rg_recording *r, size_t n, const rg_model *start, const rg_fit_opts *o)
{
    rg_fit *fit = NULL;
    rg_error err = {0};
    if (rg_fit_create(r, n, start, o, &fit, &err) != RG_OK) fail_msg("%s", err.text);
    return fit;
}

static inline rg_fit_progress fits_step(rg_fit *fit)
{
    rg_fit_progress p = {0};
    rg_error err = {0};
    if (rg_fit_step(fit, &p, &err) != RG_OK) fail_msg("%s", err.text);
    return p;
}

#endif
