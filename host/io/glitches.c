/* io/glitches.c: samples of a marker that the marker cannot have taken.
 *
 * What tells a glitch from fast motion is that it is one marker's own: a whipped rope, a jerked
 * gripper and a lost frame move the neighbours too. Four tests, the same for every cable:
 *   excursion  a short run departs from the cubic through the two frames before and after it
 *   departure  a sample is far from the running median
 *   edge       two neighbours are further apart than the rope between them allows
 *   swap       two driving neighbours change places
 * Driving markers are judged by driving markers alone and repaired in `driving` by interpolation in
 * time; free markers are judged by all and masked. Frames 0, 1 and the last two have no second
 * side, and no test but the last reaches across a gap where frames were lost. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "io/lost_frames.h"
#include "io/recording_io.h"

/* An excursion is reported from here on: 100 times the noise of the markers (0.03 mm), and above
 * the error of the cubic for real motion at 100 Hz, which its neighbours share anyhow. */
static const double EXCURSION_M = 4e-3;
/* A marker is 12 mm from its median over 70 ms only if it turns round with 20 m/s^2. */
static const double DEPARTURE_M = 12e-3;
/* The motion is shared when a neighbour has more than 1/2.5 of it: neighbours in bending waves of a
 * few marker intervals move by 1/2 to 1 of each other, a marker that jumps alone by less than 1/10.
 */
static const double SHARED_RATIO = 2.5;
/* Rope stretches and chords between markers lengthen by a few percent; an edge a quarter longer
 * than its median is a marker in the wrong place. Shorter edges are bends and stay. */
static const double EDGE_RATIO = 1.25;
/* Two driving neighbours changed places if their edge turns by more than 135 degrees within this time: a hand turns
 * by less than 90 degrees then. */
static const double SWAP_S = 0.2, SWAP_COSINE = -0.7;
/* Longest excursion looked for, and half the span of the running median. */
static const double WINDOW_S = 0.03;
/* The bounds above are for frame intervals up to this; the reach of real motion within one interval
 * grows with its square. */
static const double BOUND_DT_S = 0.01;
/* keeps the work linear in the frames for recordings of many kHz */
enum { WINDOW_MAX = 32 };

typedef struct excursion {
    double size_m;
    size_t first;
    size_t width;
} excursion;

typedef struct scan {
    rg_recording *r;
    int *lost;         /* [n_frames] */
    double *time;      /* [n_frames] in frame intervals, lost ones counted */
    uint8_t *is_clamp; /* [n_markers] */
    double *lengths;   /* [n_frames] scratch */
    excursion *found;  /* scratch, grown as needed */
    size_t n_found, capacity;
    size_t reach; /* WINDOW_S in frames, >= 1 */
    double excursion_m, departure_m;
} scan;

static const double *at(const scan *s, size_t frame, size_t marker)
{
    return s->r->positions + (frame * s->r->n_markers + marker) * 3;
}

static double *bridged(const scan *s, size_t frame, size_t marker)
{
    return s->r->driving + (frame * s->r->n_markers + marker) * 3;
}

static uint8_t *valid(const scan *s, size_t frame, size_t marker)
{
    return s->r->valid + frame * s->r->n_markers + marker;
}

static double distance(const double *a, const double *b)
{
    double x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
    return sqrt(x * x + y * y + z * z);
}

/* The neighbours that may judge a marker: [0] before, [1] after; SIZE_MAX for none. */
static void neighbours(const scan *s, size_t marker, size_t out[2])
{
    out[0] = marker > 0 ? marker - 1 : SIZE_MAX;
    out[1] = marker + 1 < s->r->n_markers ? marker + 1 : SIZE_MAX;
    for (int i = 0; i < 2 && s->is_clamp[marker]; i++) {
        if (out[i] != SIZE_MAX && !s->is_clamp[out[i]]) out[i] = SIZE_MAX;
    }
}

/* Weights of the cubic through samples at four times, at time u. */
static void cubic_weights(const double node[4], double u, double weight[4])
{
    for (int i = 0; i < 4; i++) {
        weight[i] = 1;
        for (int k = 0; k < 4; k++) {
            if (k != i) weight[i] *= (u - node[k]) / (node[i] - node[k]);
        }
    }
}

/* Distances of a run's samples from the cubic: the least and the largest. */
static void excursion_of(const scan *s, size_t marker, size_t first, size_t width, double *least, double *largest)
{
    const double *node[4] = {at(s, first - 2, marker), at(s, first - 1, marker), at(s, first + width, marker),
                             at(s, first + width + 1, marker)};
    const double time[4] = {-2, -1, (double)width, (double)width + 1};
    *least = HUGE_VAL;
    *largest = 0;
    for (size_t j = 0; j < width; j++) {
        double weight[4], cubic[3];
        cubic_weights(time, (double)j, weight);
        for (int a = 0; a < 3; a++) {
            cubic[a] =
                weight[0] * node[0][a] + weight[1] * node[1][a] + weight[2] * node[2][a] + weight[3] * node[3][a];
        }
        double d = distance(at(s, first + j, marker), cubic);
        *least = fmin(*least, d);
        *largest = fmax(*largest, d);
    }
}

static int lost_within(const scan *s, size_t first, size_t last)
{
    return s->time[last] - s->time[first] > (double)(last - first);
}

static int remember(scan *s, excursion e)
{
    if (s->n_found == s->capacity) {
        size_t grown = s->capacity == 0 ? 64 : 2 * s->capacity;
        if (grown > SIZE_MAX / sizeof *s->found) return 0;
        excursion *moved = realloc(s->found, grown * sizeof *moved);
        if (moved == NULL) return 0;
        s->found = moved;
        s->capacity = grown;
    }
    s->found[s->n_found++] = e;
    return 1;
}

/* Largest first; the order is total, so that the result does not depend on the sort. */
static int compare_excursions(const void *left, const void *right)
{
    const excursion *a = left, *b = right;
    if (a->size_m != b->size_m) return a->size_m > b->size_m ? -1 : 1;
    if (a->width != b->width) return a->width < b->width ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

/* Whether the run itself and the four frames that it was judged by are trusted so far. */
static int is_judgeable(const scan *s, size_t marker, const excursion *e)
{
    for (size_t frame = e->first - 2; frame < e->first + e->width + 2; frame++) {
        if (!*valid(s, frame, marker)) return 0;
    }
    return 1;
}

static int find_excursions(scan *s, size_t marker)
{
    size_t n = s->r->n_frames, judge[2];
    neighbours(s, marker, judge);
    s->n_found = 0;
    for (size_t width = 1; width <= s->reach; width++) {
        for (size_t first = 2; first + width + 1 < n; first++) {
            if (lost_within(s, first - 2, first + width + 1)) continue;
            excursion e = {0, first, width};
            double largest, shared = 0;
            excursion_of(s, marker, first, width, &e.size_m, &largest);
            if (!(e.size_m > s->excursion_m)) continue;
            for (int i = 0; i < 2; i++) {
                double least;
                if (judge[i] == SIZE_MAX) continue;
                excursion_of(s, judge[i], first, width, &least, &largest);
                shared = fmax(shared, largest);
            }
            if (e.size_m > SHARED_RATIO * shared && !remember(s, e)) return 0;
        }
    }
    /* a spike also bends the cubics beside it: take the largest and drop what leant on it */
    if (s->n_found > 0) qsort(s->found, s->n_found, sizeof *s->found, compare_excursions);
    for (size_t i = 0; i < s->n_found; i++) {
        const excursion *e = &s->found[i];
        if (!is_judgeable(s, marker, e)) continue;
        for (size_t j = 0; j < e->width; j++) *valid(s, e->first + j, marker) = 0;
    }
    return 1;
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Distance of a sample from the median of the frames around it. The window is symmetric, else
 * steady motion would depart from it at the ends. */
static double departure_of(const scan *s, size_t marker, size_t frame)
{
    double window[2 * WINDOW_MAX + 1], median[3];
    size_t half = s->reach;
    if (half > frame) half = frame;
    if (half > s->r->n_frames - 1 - frame) half = s->r->n_frames - 1 - frame;
    while (half > 0 && lost_within(s, frame - half, frame + half)) half--;
    for (int a = 0; a < 3; a++) {
        for (size_t k = 0; k <= 2 * half; k++) window[k] = bridged(s, frame - half + k, marker)[a];
        qsort(window, 2 * half + 1, sizeof window[0], compare_doubles);
        median[a] = window[half];
    }
    return distance(bridged(s, frame, marker), median);
}

static void find_departures(scan *s, size_t marker)
{
    size_t judge[2];
    neighbours(s, marker, judge);
    for (size_t frame = 0; frame < s->r->n_frames; frame++) {
        double own = departure_of(s, marker, frame), shared = 0;
        if (!(own > s->departure_m)) continue;
        /* a gripper held by a hand does not turn round that fast, even with both its markers */
        for (int i = 0; i < 2 && !s->is_clamp[marker]; i++) {
            if (judge[i] != SIZE_MAX) shared = fmax(shared, departure_of(s, judge[i], frame));
        }
        if (own > SHARED_RATIO * shared) *valid(s, frame, marker) = 0;
    }
}

/* Mask the free ends of the edge from `marker` on where it is too long. */
static void find_long_edges(scan *s, size_t marker)
{
    size_t n = s->r->n_frames;
    if (s->is_clamp[marker] && s->is_clamp[marker + 1]) return;
    for (size_t k = 0; k < n; k++) s->lengths[k] = distance(bridged(s, k, marker), bridged(s, k, marker + 1));
    qsort(s->lengths, n, sizeof *s->lengths, compare_doubles);
    double bound = EDGE_RATIO * s->lengths[n / 2];
    for (size_t k = 0; k < n; k++) {
        if (!(distance(bridged(s, k, marker), bridged(s, k, marker + 1)) > bound)) continue;
        for (size_t end = marker; end <= marker + 1; end++) {
            if (!s->is_clamp[end]) *valid(s, k, end) = 0;
        }
    }
}

/* Replace frames first..last of a marker in `driving` by the cubic through the two trusted frames
 * on each side, or a straight line where there is one only. */
static void repair_run(scan *s, size_t marker, size_t first, size_t last)
{
    const rg_recording *r = s->r;
    if (first == 0 || last + 1 == r->n_frames) return;
    size_t frame[4] = {first - 1, first - 1, last + 1, last + 1};
    int curved = first > 1 && *valid(s, first - 2, marker) && last + 2 < r->n_frames && *valid(s, last + 2, marker);
    if (curved) {
        frame[0]--;
        frame[3]++;
    }
    double time[4];
    for (int i = 0; i < 4; i++) time[i] = s->time[frame[i]];
    for (size_t k = first; k <= last; k++) {
        double u = (s->time[k] - time[1]) / (time[2] - time[1]), weight[4] = {0, 1 - u, u, 0};
        if (curved) cubic_weights(time, s->time[k], weight);
        for (int a = 0; a < 3; a++) {
            double sum = 0;
            for (int i = 0; i < 4; i++) sum += weight[i] * at(s, frame[i], marker)[a];
            bridged(s, k, marker)[a] = sum;
        }
    }
}

static void repair(scan *s, size_t marker)
{
    size_t n = s->r->n_frames;
    for (size_t k = 0; k < n; k++) {
        if (*valid(s, k, marker)) continue;
        size_t first = k;
        while (k + 1 < n && !*valid(s, k + 1, marker)) k++;
        repair_run(s, marker, first, k);
    }
}

/* Whether driving markers `marker` and the next are named in frames 0 and 1 in the order in which the free marker next
 * to them says that they lie along the rope. What free markers do later is not for those who drive a rod to know. */
static int is_ordered(const scan *s, size_t marker)
{
    const size_t markers = s->r->n_markers;
    size_t near[2] = {marker + 1, marker}, other[2] = {marker + 2, marker - 1}, yes = 0, no = 0;
    for (int side = 0; side < 2; side++) {
        if (other[side] >= markers || s->is_clamp[other[side]]) continue;
        const size_t far = 2 * marker + 1 - near[side];
        for (size_t k = 0; k < 2; k++) {
            if (!*valid(s, k, other[side])) continue;
            const double *free_marker = at(s, k, other[side]);
            const int ordered =
                distance(bridged(s, k, near[side]), free_marker) < distance(bridged(s, k, far), free_marker);
            if (ordered) yes++;
            else no++;
        }
    }
    return yes >= no;
}

/* Two driving neighbours change places where their edge reverses within a time in which no gripper turns round. Put
 * their names back to the order along the rope. Call it once both are repaired. */
static void repair_swaps(scan *s, size_t marker)
{
    const size_t n = s->r->n_frames;
    double *swapped = s->lengths; /* scratch */
    int any = 0;
    swapped[0] = 0;
    for (size_t k = 1; k < n; k++) {
        const double *before = bridged(s, k - 1, marker), *own = bridged(s, k, marker);
        double dot = 0;
        for (int a = 0; a < 3; a++) dot += (own[3 + a] - own[a]) * (before[3 + a] - before[a]);
        const double size = distance(own, own + 3) * distance(before, before + 3);
        const double time = (s->time[k] - s->time[k - 1]) * s->r->dt_s;
        const int turned = time <= SWAP_S && dot < SWAP_COSINE * size;
        swapped[k] = turned ? 1 - swapped[k - 1] : swapped[k - 1];
        any |= turned;
    }
    if (!any) return;
    const double wrong = is_ordered(s, marker) ? 1 : 0;
    for (size_t k = 0; k < n; k++) {
        double *own = bridged(s, k, marker);
        if (swapped[k] != wrong) continue;
        for (int a = 0; a < 3; a++) {
            const double other = own[3 + a];
            own[3 + a] = own[a];
            own[a] = other;
        }
        *valid(s, k, marker) = *valid(s, k, marker + 1) = 0;
    }
}

static void count(scan *s)
{
    s->r->n_repaired = s->r->n_masked = 0;
    for (size_t k = 0; k < s->r->n_frames; k++) {
        for (size_t m = 0; m < s->r->n_markers; m++) {
            if (*valid(s, k, m)) continue;
            if (s->is_clamp[m]) s->r->n_repaired++;
            else s->r->n_masked++;
        }
    }
}

static rg_status check(const rg_recording *r, rg_error *err)
{
    if (r == NULL || r->positions == NULL || r->driving == NULL || r->valid == NULL) {
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "a recording needs positions, driving and valid before glitches are looked for.");
    }
    if (r->n_frames < 2 || r->n_markers < 3) {
        return RG_FAIL(err, RG_ERR_SHAPE, "a recording needs 2 frames and 3 markers, not %zu and %zu.", r->n_frames,
                       r->n_markers);
    }
    if (!(r->dt_s > 0) || !isfinite(r->dt_s)) {
        return RG_FAIL(err, RG_ERR_ARGUMENT, "the frame interval must be positive, not %g s.", r->dt_s);
    }
    for (size_t c = 0; c < r->n_clamps; c++) {
        if (r->clamps[c] < 0 || (size_t)r->clamps[c] >= r->n_markers) {
            return RG_FAIL(err, RG_ERR_ARGUMENT, "driving marker %d is not one of the %zu markers.", r->clamps[c],
                           r->n_markers);
        }
    }
    return RG_OK;
}

rg_status rgi_glitches_find(rg_recording *recording, rg_error *err)
{
    RG_TRY(check(recording, err));
    size_t n = recording->n_frames, markers = recording->n_markers;
    scan s = {.r = recording};
    rg_status status = RG_OK;
    s.lost = calloc(n, sizeof *s.lost);
    s.time = calloc(n, sizeof *s.time);
    s.is_clamp = calloc(markers, 1);
    s.lengths = calloc(n, sizeof *s.lengths);
    if (s.lost == NULL || s.time == NULL || s.is_clamp == NULL || s.lengths == NULL) {
        status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory looking for glitches in %zu frames.", n);
        goto done;
    }
    status = rgi_lost_frames_find(recording, s.lost, &recording->n_lost, err);
    if (status != RG_OK) goto done;

    double dt = recording->dt_s, scale = dt / BOUND_DT_S;
    scale = scale > 1 ? scale * scale : 1;
    s.excursion_m = EXCURSION_M * scale;
    s.departure_m = DEPARTURE_M * scale;
    s.reach = WINDOW_S / dt >= WINDOW_MAX ? WINDOW_MAX : (size_t)lround(WINDOW_S / dt);
    if (s.reach < 1) s.reach = 1;
    for (size_t k = 1; k < n; k++) s.time[k] = s.time[k - 1] + 1 + s.lost[k];
    for (size_t c = 0; c < recording->n_clamps; c++) s.is_clamp[recording->clamps[c]] = 1;
    memset(recording->valid, 1, n * markers);
    memcpy(recording->driving, recording->positions, n * markers * 3 * sizeof(double));

    for (size_t m = 0; m < markers; m++) {
        if (!find_excursions(&s, m)) {
            status = RG_FAIL(err, RG_ERR_MEMORY, "out of memory looking for glitches of marker %zu.", m);
            goto done;
        }
    }
    for (size_t m = 0; m < markers; m++) repair(&s, m);
    for (size_t m = 0; m < markers; m++) find_departures(&s, m);
    /* again, now with everything found, and of the driving markers alone */
    memcpy(recording->driving, recording->positions, n * markers * 3 * sizeof(double));
    for (size_t m = 0; m < markers; m++) {
        if (s.is_clamp[m]) repair(&s, m);
    }
    for (size_t m = 0; m + 1 < markers; m++) {
        if (s.is_clamp[m] && s.is_clamp[m + 1]) repair_swaps(&s, m);
    }
    for (size_t m = 0; m + 1 < markers; m++) find_long_edges(&s, m);
    count(&s);
    free(recording->lost);
    recording->lost = s.lost;
    s.lost = NULL;
done:
    free(s.lost);
    free(s.time);
    free(s.is_clamp);
    free(s.lengths);
    free(s.found);
    return status;
}
