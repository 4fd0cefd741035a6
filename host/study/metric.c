/* study/metric.c: the published error of a prediction, and errors over time and along the rod. */
#include "rodgrad/study.h"

#include <math.h>

enum { FIRST_FRAME = 2 }; /* frames 0 and 1 are the start of a simulation */

static int is_driven(const rg_recording *recording, size_t marker)
{
    for (size_t c = 0; c < recording->n_clamps; c++)
        if ((size_t)recording->clamps[c] == marker) return 1;
    return 0;
}

static double distance(const rg_recording *recording, const double *predicted, size_t frame, size_t marker)
{
    size_t at = (frame * recording->n_markers + marker) * 3;
    const double *p = predicted + at, *r = recording->positions + at;
    double dx = p[0] - r[0], dy = p[1] - r[1], dz = p[2] - r[2];
    return sqrt(dx * dx + dy * dy + dz * dz);
}

/* the larger of two, NaN if either is */
static double larger(double a, double b) { return isnan(a) || a >= b ? a : b; }

void rg_error_add(rg_error_sums *sums, const rg_recording *recording, const double *predicted)
{
    size_t n = recording->n_markers * 3;
    /* one sum a frame keeps rounding small and the order fixed */
    for (size_t f = FIRST_FRAME; f < recording->n_frames; f++) {
        double absolute = 0, square = 0;
        for (size_t i = f * n; i < (f + 1) * n; i++) absolute += fabs(predicted[i] - recording->positions[i]);
        sums->absolute += absolute;
        sums->n_absolute += n;
        for (size_t m = 0; m < recording->n_markers; m++) {
            if (is_driven(recording, m)) continue;
            double d = distance(recording, predicted, f, m);
            square += d * d;
            sums->largest = larger(sums->largest, d);
            sums->n_free++;
        }
        sums->square += square;
    }
}

void rg_error_merge(rg_error_sums *sums, const rg_error_sums *other)
{
    sums->absolute += other->absolute;
    sums->n_absolute += other->n_absolute;
    sums->square += other->square;
    sums->n_free += other->n_free;
    sums->largest = larger(sums->largest, other->largest);
}

double rg_error_l1(const rg_error_sums *sums)
{
    return sums->n_absolute ? sums->absolute / (double)sums->n_absolute : NAN;
}

double rg_error_rmse_free(const rg_error_sums *sums)
{
    return sums->n_free ? sqrt(sums->square / (double)sums->n_free) : NAN;
}

double rg_error_max(const rg_error_sums *sums) { return sums->n_free ? sums->largest : NAN; }

void rg_error_over_time(const rg_recording *recording, const double *predicted, double *out)
{
    for (size_t f = 0; f < recording->n_frames; f++) {
        double sum = 0;
        size_t n = 0;
        for (size_t m = 0; m < recording->n_markers; m++) {
            if (is_driven(recording, m)) continue;
            sum += distance(recording, predicted, f, m);
            n++;
        }
        out[f] = n ? sum / (double)n : NAN;
    }
}

void rg_error_along_rod(const rg_recording *recording, const double *predicted, double *out)
{
    for (size_t m = 0; m < recording->n_markers; m++) {
        double sum = 0;
        for (size_t f = FIRST_FRAME; f < recording->n_frames; f++) sum += distance(recording, predicted, f, m);
        out[m] = recording->n_frames > FIRST_FRAME ? sum / (double)(recording->n_frames - FIRST_FRAME) : NAN;
    }
}
