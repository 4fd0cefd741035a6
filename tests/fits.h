/* fits.h: fits in tests: each call succeeds or the test fails. Include after cmocka.h. */
#ifndef FITS_H
#define FITS_H

#include "rodgrad/fit.h"

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
