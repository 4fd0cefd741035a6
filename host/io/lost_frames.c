/* io/lost_frames.c: how many frames were lost, from the driving markers.
 *
 * With v_k = x[k] - x[k-1] and g_k - 1 frames lost within it, v_k / g_k is the usual step, which
 * changes little from one k to the next. The g_k are the cheapest path (Viterbi, over k and a few
 * values of g) under
 *   sum_k  2 mean_m ( |v_k/g_k - v_(k-1)/g_(k-1)| / (b t) + 3 log t )  +  PRIOR [g_k > 1],
 * a Laplace distribution of the change over t = (g_k + g_(k-1)) / 2 intervals; b is the median
 * change in this recording. The mean leaves out the worst marker, because a glitch is one marker's
 * own and a loss is all of them. Then g_k = <v_k, p> / <p, p>, rounded, with p the mean of the
 * usual steps before and after. */
#include "io/lost_frames.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* log of the odds against a loss in a given interval: one in 20000, rarer than in any recording
 * seen */
static const double PRIOR = 10.0;
/* what noise alone (0.05 mm a coordinate) does to a change of step, doubled */
static const double CHANGE_MIN_M = 0.2e-3;
/* a path this much dearer than the best one does not become the best: it would have to win back
 * four losses */
static const double PRUNE = 40.0;
/* values of g that the path may take; the final one is not bound to them */
static const double FACTORS[] = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16};
enum { N_FACTORS = 10 };
/* the long step must point where the markers went anyway, over all coordinates: within 41 degrees,
 * else it is no loss; within 32 degrees, else the markers turned and their step does not tell g */
static const double COSINE_LOSS = 0.75, COSINE_STEP = 0.85;
/* a marker whose own step is not longer contradicts a loss, unless it rests: ten times the noise */
static const double FACTOR_MIN = 1.5, STEP_MIN_M = 0.5e-3;
/* half a second at 100 Hz: beyond, speed before and after says nothing about the time between */
enum { FACTOR_MAX = 51 };

typedef struct steps {
    const rg_recording *r;
    size_t n;        /* driving markers */
    double change_m; /* b */
    double *scratch; /* [n_frames * n], n_frames >= 4 */
    uint8_t *from;   /* [n_frames][N_FACTORS] back pointers */
} steps;

static void step(const steps *s, size_t k, size_t clamp, double v[3])
{
    const size_t row = s->r->n_markers * 3;
    const double *x = s->r->positions + k * row + (size_t)s->r->clamps[clamp] * 3;
    for (size_t a = 0; a < 3; a++) v[a] = x[a] - *(x + a - row);
}

/* |v_k / g - v_(k-1) / h| of one driving marker. */
static double change(const steps *s, size_t k, size_t clamp, double g, double h)
{
    double v[3], u[3], sum = 0;
    step(s, k, clamp, v);
    step(s, k - 1, clamp, u);
    for (int a = 0; a < 3; a++) sum += (v[a] / g - u[a] / h) * (v[a] / g - u[a] / h);
    return sqrt(sum);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median_change(const steps *s)
{
    size_t count = 0;
    for (size_t k = 2; k < s->r->n_frames; k++) {
        for (size_t c = 0; c < s->n; c++) s->scratch[count++] = change(s, k, c, 1, 1);
    }
    qsort(s->scratch, count, sizeof *s->scratch, compare_doubles);
    return fmax(CHANGE_MIN_M, s->scratch[count / 2]);
}

/* Cost of g in interval k after h in the one before. */
static double transition(const steps *s, size_t k, double g, double h)
{
    double sum = 0, worst = 0, t = 0.5 * (g + h);
    for (size_t c = 0; c < s->n; c++) {
        double d = change(s, k, c, g, h);
        sum += d;
        worst = fmax(worst, d);
    }
    double mean = s->n > 2 ? (sum - worst) / (double)(s->n - 1) : sum / (double)s->n;
    return 2 * (mean / (s->change_m * t) + 3 * log(t)) + (g > 1 ? PRIOR : 0);
}

/* The cheapest path; lost[k] = g_k - 1. The first and the last interval have one side only: g = 1.
 */
static void find_path(const steps *s, int *lost)
{
    double cost[N_FACTORS], next[N_FACTORS];
    size_t n = s->r->n_frames;
    for (int j = 0; j < N_FACTORS; j++) cost[j] = j == 0 ? 0 : HUGE_VAL;
    for (size_t k = 2; k < n; k++) {
        double best = HUGE_VAL;
        for (int i = 0; i < N_FACTORS; i++) best = fmin(best, cost[i]);
        for (int j = 0; j < N_FACTORS; j++) {
            next[j] = HUGE_VAL;
            s->from[k * N_FACTORS + (size_t)j] = 0;
            if (k == n - 1 && j > 0) continue;
            for (int i = 0; i < N_FACTORS; i++) {
                if (!(cost[i] <= best + PRUNE)) continue;
                double total = cost[i] + transition(s, k, FACTORS[j], FACTORS[i]);
                if (!(total < next[j])) continue;
                next[j] = total;
                s->from[k * N_FACTORS + (size_t)j] = (uint8_t)i;
            }
        }
        memcpy(cost, next, sizeof cost);
    }
    size_t j = 0;
    for (size_t k = n - 1; k > 1; k--) {
        lost[k] = (int)FACTORS[j] - 1;
        j = s->from[k * N_FACTORS + j];
    }
}

/* g of an interval that the path found long, by projection on the usual step p around it; the
 * path's where p says little, 1 where p contradicts. Without the driving marker that agrees least:
 * it may be a glitch. */
static int refine(const steps *s, const int *lost, size_t k)
{
    double *own = s->scratch, sum[3] = {0, 0, 0}; /* <v,v>, <v,p>, <p,p> */
    int against = 0;
    for (size_t c = 0; c < s->n; c++, own += 3) {
        double v[3], before[3], after[3];
        step(s, k, c, v);
        step(s, k - 1, c, before);
        step(s, k + 1, c, after);
        own[0] = own[1] = own[2] = 0;
        for (int a = 0; a < 3; a++) {
            double p = 0.5 * (before[a] / (1 + lost[k - 1]) + after[a] / (1 + lost[k + 1]));
            own[0] += v[a] * v[a];
            own[1] += v[a] * p;
            own[2] += p * p;
        }
        for (int i = 0; i < 3; i++) sum[i] += own[i];
        against += own[2] >= STEP_MIN_M * STEP_MIN_M && own[1] < FACTOR_MIN * own[2];
    }
    if (against > (s->n > 2)) return 1;
    double cosine = sum[1] / sqrt(sum[0] * sum[2]), g = sum[1] / sum[2];
    own = s->scratch;
    for (size_t c = 0; c < s->n && s->n > 2; c++, own += 3) {
        double vv = sum[0] - own[0], vp = sum[1] - own[1], pp = sum[2] - own[2];
        if (!(vp > cosine * sqrt(vv * pp))) continue;
        cosine = vp / sqrt(vv * pp);
        g = vp / pp;
    }
    if (!(cosine >= COSINE_LOSS)) return 1;
    if (cosine < COSINE_STEP) return 1 + lost[k];
    return (int)lround(fmin(fmax(g, 1), FACTOR_MAX));
}

rg_status rgi_lost_frames_find(const rg_recording *recording, int *lost, size_t *total, rg_error *err)
{
    if (recording == NULL || lost == NULL || recording->positions == NULL) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a recording and room for its lost frames are needed.");
    }
    size_t n = recording->n_frames, sum = 0;
    steps s = {.r = recording, .n = recording->n_clamps};
    memset(lost, 0, n * sizeof *lost);
    if (total != NULL) *total = 0;
    if (n < 4 || s.n == 0) return RG_OK;
    s.scratch = malloc(n * s.n * sizeof *s.scratch);
    s.from = malloc(n * N_FACTORS);
    if (s.scratch == NULL || s.from == NULL) {
        free(s.scratch);
        free(s.from);
        return RG_FAIL(err, RG_ERR_MEMORY, "out of memory looking for lost frames among %zu.", n);
    }
    s.change_m = median_change(&s);
    find_path(&s, lost);
    for (size_t k = 2; k + 1 < n; k++) {
        if (lost[k] > 0) lost[k] = refine(&s, lost, k) - 1;
        sum += (size_t)lost[k];
    }
    if (total != NULL) *total = sum;
    free(s.scratch);
    free(s.from);
    return RG_OK;
}
