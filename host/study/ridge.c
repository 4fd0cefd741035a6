/* study/ridge.c: predictions without physics: hold the first frame, and ridge regression.
 *
 * One row of the regression is one frame. Its origin is the centroid of the driving markers in that
 * frame. Features x: a constant; the driving markers at LAGS frames before (frame 0 where that is
 * before the start) less the origin; the free markers of frame 1 less the origin of frame 1.
 * Targets y: the free markers less the origin. With G = sum x x', R = sum x y' over training rows,
 *     W = (G + lambda D)^-1 R,   D = mean of G's diagonal, 0 for the constant.
 * Each fold of the cross-validation keeps its own G, R and sum |y|^2: the error that weights
 * trained on the others make on it, |y|^2 - 2 W:R + W:GW, then needs no second pass over the data.
 */
#include "rodgrad/study.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fit/lapack.h"
#include "core/recording.h"

static const size_t lags[] = {0, 1, 2, 4, 8, 16, 32};
/* relative to a feature's mean square; half a decade apart */
static const double penalties[] = {1e-9, 3e-9, 1e-8, 3e-8, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5,
                                   3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1};
enum {
    N_LAGS = sizeof lags / sizeof *lags,
    N_PENALTIES = sizeof penalties / sizeof *penalties,
    SINGLE_PENALTY = 8, /* index used where one recording leaves nothing to validate on */
    MAX_FOLDS = 5,
    MAX_FEATURES = 2000
};

/* sums over the rows of one fold; of gram the lower triangle is used */
typedef struct fold {
    double *gram;  /* [features][features] */
    double *cross; /* [features][targets] */
    double square; /* of all targets */
} fold;

struct rg_ridge {
    size_t n_markers, n_clamps, n_free;
    int *clamps, *free_markers;
    double dt_s;
    size_t features; /* all that can be built; `used` leading ones have weights */
    size_t used, targets;
    double *weights; /* [used][targets] */
    double penalty;
};

static void copy_given(const rg_recording *recording, double *out)
{
    size_t n = recording->n_markers * 3;
    size_t start = recording->n_frames < 2 ? recording->n_frames : 2;
    memcpy(out, recording->positions, start * n * sizeof *out);
    for (size_t f = start; f < recording->n_frames; f++)
        for (size_t c = 0; c < recording->n_clamps; c++) {
            size_t at = f * n + (size_t)recording->clamps[c] * 3;
            memcpy(out + at, recording->positions + at, 3 * sizeof *out);
        }
}

void rg_hold_predict(const rg_recording *recording, double *out)
{
    size_t n = recording->n_markers * 3;
    for (size_t f = 2; f < recording->n_frames; f++) memcpy(out + f * n, recording->positions, n * sizeof *out);
    copy_given(recording, out);
}

static const double *driver(const rg_recording *recording, size_t frame, size_t clamp)
{
    return recording->driving + (frame * recording->n_markers + (size_t)recording->clamps[clamp]) * 3;
}

static void find_origin(const rg_recording *recording, size_t frame, double origin[3])
{
    for (int d = 0; d < 3; d++) {
        origin[d] = 0;
        for (size_t c = 0; c < recording->n_clamps; c++)
            origin[d] += driver(recording, frame, c)[d] / (double)recording->n_clamps;
    }
}

/* x and the origin of one frame; reads the free markers of frame 1 only */
static void build_features(const rg_ridge *ridge, const rg_recording *recording, size_t frame, double *x,
                           double origin[3])
{
    find_origin(recording, frame, origin);
    *x++ = 1;
    for (int l = 0; l < N_LAGS; l++) {
        size_t then = frame > lags[l] ? frame - lags[l] : 0;
        for (size_t c = 0; c < ridge->n_clamps; c++)
            for (int d = 0; d < 3; d++) *x++ = driver(recording, then, c)[d] - origin[d];
    }
    double start[3];
    find_origin(recording, 1, start);
    for (size_t i = 0; i < ridge->n_free; i++) {
        size_t at = (ridge->n_markers + (size_t)ridge->free_markers[i]) * 3;
        for (int d = 0; d < 3; d++) *x++ = recording->positions[at + (size_t)d] - start[d];
    }
}

static rg_status check_alike(const rg_ridge *ridge, const rg_recording *recording, rg_error *err)
{
    int same = recording->n_markers == ridge->n_markers && recording->n_clamps == ridge->n_clamps &&
               memcmp(recording->clamps, ridge->clamps, ridge->n_clamps * sizeof(int)) == 0;
    if (!same)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s: its %zu markers and %zu driving ones are not those of the training "
                       "recordings (%zu and %zu); give recordings of one cable.",
                       recording->name, recording->n_markers, recording->n_clamps, ridge->n_markers, ridge->n_clamps);
    if (!(fabs(recording->dt_s - ridge->dt_s) <= 1e-6 * ridge->dt_s))
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s: its frames are %g s apart, those of the training recordings %g s; "
                       "the lags of the ridge baseline need one frame rate.",
                       recording->name, recording->dt_s, ridge->dt_s);
    return RG_OK;
}

/* add a recording's rows; frames with a masked free marker would teach the glitch */
static void add_rows(const rg_ridge *ridge, const rg_recording *recording, fold *into, double *x, double *y)
{
    size_t p = ridge->features, q = ridge->targets;
    for (size_t f = 2; f < recording->n_frames; f++) {
        const uint8_t *valid = recording->valid + f * ridge->n_markers;
        int trusted = 1;
        for (size_t i = 0; i < ridge->n_free; i++) trusted &= valid[ridge->free_markers[i]];
        if (!trusted) continue;
        double origin[3];
        build_features(ridge, recording, f, x, origin);
        for (size_t i = 0; i < q; i++) {
            size_t marker = f * ridge->n_markers + (size_t)ridge->free_markers[i / 3];
            y[i] = recording->positions[marker * 3 + i % 3] - origin[i % 3];
            into->square += y[i] * y[i];
        }
        for (size_t i = 0; i < p; i++) {
            for (size_t j = 0; j <= i; j++) into->gram[i * p + j] += x[i] * x[j];
            for (size_t j = 0; j < q; j++) into->cross[i * q + j] += x[i] * y[j];
        }
    }
}

/* weights [used][targets] from total sums less those of `left_out` (may be NULL); LAPACKE's code, 0 where they are
 * found */
static lapack_int solve(const rg_ridge *ridge, const fold *total, const fold *left_out, size_t used, double penalty,
                        double *matrix, double *weights)
{
    size_t p = ridge->features, q = ridge->targets;
    double trace = 0;
    for (size_t i = 0; i < used; i++) {
        for (size_t j = 0; j <= i; j++)
            matrix[i * used + j] = total->gram[i * p + j] - (left_out ? left_out->gram[i * p + j] : 0);
        if (i > 0) trace += matrix[i * used + i];
    }
    for (size_t i = 0; i < used * q; i++) weights[i] = total->cross[i] - (left_out ? left_out->cross[i] : 0);
    for (size_t i = 1; i < used; i++) matrix[i * used + i] += penalty * trace / (double)(used - 1);
    return LAPACKE_dposv(LAPACK_ROW_MAJOR, 'L', (lapack_int)used, (lapack_int)q, matrix, (lapack_int)used, weights,
                         (lapack_int)q);
}

/* sum of squared errors of the weights on a fold */
static double fold_error(const rg_ridge *ridge, const fold *on, size_t used, const double *weights)
{
    size_t p = ridge->features, q = ridge->targets;
    double error = on->square;
    for (size_t i = 0; i < used; i++)
        for (size_t k = 0; k < q; k++) {
            double gw = 0.5 * on->gram[i * p + i] * weights[i * q + k];
            for (size_t j = 0; j < i; j++) gw += on->gram[i * p + j] * weights[j * q + k];
            error += 2 * weights[i * q + k] * (gw - on->cross[i * q + k]);
        }
    return error;
}

/* set used and penalty to the pair with the least error on left-out folds */
static void cross_validate(rg_ridge *ridge, const fold *total, const fold *folds, int n_folds, double *matrix,
                           double *weights)
{
    const size_t without_shape = ridge->features - ridge->targets;
    ridge->used = without_shape;
    ridge->penalty = penalties[SINGLE_PENALTY];
    double best = INFINITY;
    for (int shape = 0; shape < 2 && n_folds > 1; shape++)
        for (int i = 0; i < N_PENALTIES; i++) {
            size_t used = shape ? ridge->features : without_shape;
            double error = 0;
            for (int k = 0; k < n_folds; k++)
                error += solve(ridge, total, &folds[k], used, penalties[i], matrix, weights)
                             ? INFINITY
                             : fold_error(ridge, &folds[k], used, weights);
            if (!(error < best)) continue;
            best = error;
            ridge->used = used;
            ridge->penalty = penalties[i];
        }
}

static rg_status create(const rg_recording *like, rg_ridge **out, rg_error *err)
{
    if (like->n_clamps == 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "%s: it has no driving marker, so the ridge baseline has nothing to go by.", like->name);
    rg_ridge *ridge = calloc(1, sizeof *ridge);
    if (!ridge) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the ridge baseline.");
    *out = ridge;
    ridge->n_markers = like->n_markers;
    ridge->n_clamps = like->n_clamps;
    ridge->n_free = like->n_markers - like->n_clamps;
    ridge->dt_s = like->dt_s;
    ridge->targets = 3 * ridge->n_free;
    ridge->features = 1 + 3 * ridge->n_clamps * N_LAGS + ridge->targets;
    if (ridge->features > MAX_FEATURES)
        return RG_FAIL(err, RG_ERR_SHAPE,
                       "%s: %zu markers, %zu of them driving, are too many for the ridge baseline; "
                       "evaluate without training recordings.",
                       like->name, like->n_markers, like->n_clamps);
    ridge->clamps = malloc(ridge->n_clamps * sizeof *ridge->clamps);
    ridge->free_markers = malloc(ridge->n_free * sizeof *ridge->free_markers);
    ridge->weights = malloc(ridge->features * ridge->targets * sizeof *ridge->weights);
    if (!ridge->clamps || !ridge->free_markers || !ridge->weights)
        return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the ridge baseline.");
    memcpy(ridge->clamps, like->clamps, ridge->n_clamps * sizeof *ridge->clamps);
    size_t c = 0, i = 0;
    for (size_t m = 0; m < ridge->n_markers; m++) {
        if (c < ridge->n_clamps && (size_t)ridge->clamps[c] == m) c++;
        else ridge->free_markers[i++] = (int)m;
    }
    return RG_OK;
}

static rg_status train(rg_ridge *ridge, const rg_recording *recordings, size_t n, rg_error *err)
{
    for (size_t r = 0; r < n; r++) RG_TRY(check_alike(ridge, &recordings[r], err));
    size_t p = ridge->features, q = ridge->targets, sums = p * p + p * q;
    int n_folds = n < MAX_FOLDS ? (int)n : MAX_FOLDS;
    /* per fold and for the total; then a matrix to factor and one row */
    double *memory = calloc((size_t)(n_folds + 1) * sums + p * p + p + q, sizeof *memory);
    if (!memory) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the ridge baseline.");
    fold folds[MAX_FOLDS + 1] = {{0}};
    for (int k = 0; k <= n_folds; k++) {
        folds[k].gram = memory + (size_t)k * sums;
        folds[k].cross = folds[k].gram + p * p;
    }
    double *matrix = memory + (size_t)(n_folds + 1) * sums, *x = matrix + p * p, *y = x + p;
    /* neighbouring recordings are often cuts of one take: they go into the same fold */
    for (size_t r = 0; r < n; r++) add_rows(ridge, &recordings[r], &folds[r * (size_t)n_folds / n], x, y);
    fold *total = &folds[n_folds];
    for (int k = 0; k < n_folds; k++)
        for (size_t i = 0; i < sums; i++) total->gram[i] += folds[k].gram[i];
    cross_validate(ridge, total, folds, n_folds, matrix, ridge->weights);
    const lapack_int code = solve(ridge, total, NULL, ridge->used, ridge->penalty, matrix, ridge->weights);
    free(memory);
    if (rgi_lapack_no_memory(code))
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the ridge baseline of %zu features.", ridge->used);
    if (code)
        return RG_FAIL(err, RG_ERR_NUMERIC,
                       "The ridge baseline has no solution for these training recordings; give "
                       "more of them, with moving grippers.");
    return RG_OK;
}

rg_status rg_ridge_train(const rg_recording *recordings, size_t n, rg_ridge **out, rg_error *err)
{
    rg_recording *complete = NULL;
    *out = NULL;
    if (n == 0) return RG_FAIL(err, RG_ERR_ARGUMENT, "The ridge baseline needs training recordings.");
    RG_TRY(rgi_recordings_complete(recordings, n, &complete, err));
    rg_status status = create(&complete[0], out, err);
    if (status == RG_OK) status = train(*out, complete, n, err);
    if (status != RG_OK) rg_ridge_destroy(out);
    free(complete);
    return status;
}

static rg_status predict(const rg_ridge *ridge, const rg_recording *recording, double *out, rg_error *err)
{
    RG_TRY(check_alike(ridge, recording, err));
    double *x = malloc(ridge->features * sizeof *x);
    if (!x) return RG_FAIL(err, RG_ERR_MEMORY, "No memory for the ridge baseline.");
    for (size_t f = 2; f < recording->n_frames; f++) {
        double origin[3];
        build_features(ridge, recording, f, x, origin);
        for (size_t i = 0; i < ridge->n_free; i++)
            for (size_t d = 0; d < 3; d++) {
                double sum = origin[d];
                for (size_t j = 0; j < ridge->used; j++) sum += x[j] * ridge->weights[j * ridge->targets + 3 * i + d];
                size_t marker = f * ridge->n_markers + (size_t)ridge->free_markers[i];
                out[marker * 3 + d] = sum;
            }
    }
    free(x);
    copy_given(recording, out);
    return RG_OK;
}

rg_status rg_ridge_predict(const rg_ridge *ridge, const rg_recording *recording, double *out, rg_error *err)
{
    rg_recording *complete = NULL;
    RG_TRY(rgi_recordings_complete(recording, 1, &complete, err));
    rg_status status = predict(ridge, complete, out, err);
    free(complete);
    return status;
}

void rg_ridge_destroy(rg_ridge **ridge)
{
    if (!ridge || !*ridge) return;
    free((*ridge)->clamps);
    free((*ridge)->free_markers);
    free((*ridge)->weights);
    free(*ridge);
    *ridge = NULL;
}
