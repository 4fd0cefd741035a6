/* study/plant.c: planted recordings (rodgrad/study.h).
 *
 * Grippers are runs of neighbouring driving markers. They hang side by side so that the rod between
 * them sags; the first marker's gripper points down, the last one's up, like those of the recorded
 * cables. A gripper's displacement along each axis and its tilt are sums of a few sines below the
 * bandwidth, under an envelope that rises from rest. The shape at the start is a fixed point: a rod
 * that starts from its markers, as a simulation does, comes back to them when the grippers stay.
 * (It does move by millimetres in between: a simulation starts without twist, at rest there is
 * some.) */
#include "rodgrad/study.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/structs.h"

static const double pi = 3.14159265358979323846;
static const double slack_low = 0.50, slack_high = 0.62; /* gripper distance over rod length between */
static const double tautest = 0.80, closest = 0.25;      /* the same, while they move */
static const double rise_s = 0.4;                        /* of the envelope */
static const double lowest_share = 0.2;                  /* lowest frequency over bandwidth */
enum { TONES = 5, CHANNELS = 5 };                        /* x, y, z and two tilts */
enum { GLITCH_FRAMES = 3 };                              /* longest glitch */
enum { SETTLE_FRAMES = 202, SETTLE_ROUNDS = 40 };
static const double settle_dt_s = 0.02, settle_drag = 8.0, settled_m = 1e-7;
static const double top_m = 0.7; /* height of the grippers; nothing depends on it */

/* ---- random numbers ---- */

typedef enum purpose {
    PLACE_SLACK = 1,
    PLACE_TILT,
    TONE_FREQUENCY,
    TONE_PHASE,
    TONE_WEIGHT,
    NOISE,
    GLITCH_START,
    GLITCH_LENGTH,
    GLITCH_DIRECTION
} purpose;

/* the finaliser of splitmix64 */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* which random numbers: those of one recording */
typedef struct source {
    uint64_t seed, recording;
} source;

/* in (0, 1); frame and marker stand for tone and channel where that is what is drawn */
static double uniform(source s, purpose what, size_t frame, size_t marker, size_t component)
{
    uint64_t h = mix(s.seed);
    h = mix(h ^ s.recording);
    h = mix(h ^ (uint64_t)what);
    h = mix(h ^ (uint64_t)frame);
    h = mix(h ^ (uint64_t)marker);
    h = mix(h ^ (uint64_t)component);
    return ((double)(h >> 12) + 0.5) * 0x1p-52;
}

static double normal(source s, purpose what, size_t frame, size_t marker, size_t component)
{
    double a = uniform(s, what, frame, marker, 2 * component);
    double b = uniform(s, what, frame, marker, 2 * component + 1);
    return sqrt(-2.0 * log(a)) * cos(2.0 * pi * b);
}

/* ---- grippers ---- */

typedef struct gripper {
    size_t first, last; /* markers */
    double at;          /* rod length from marker 0 to its reference marker [m] */
    double way;         /* +1 points up, -1 down, 0 along x */
    double home[3];     /* of the reference marker [m] */
    double scale;       /* of its displacement [m/s] */
} gripper;

/* one recording in the making */
typedef struct planting {
    const rg_plant_opts *opts;
    source random;
    const double *arc; /* [markers] rod length from marker 0 [m] */
    gripper *grippers;
    size_t n_grippers;
} planting;

/* the marker that a gripper turns about: the rod's end, if it has it */
static size_t reference(const gripper *g, size_t markers) { return g->last + 1 == markers ? g->last : g->first; }

static double channel(const planting *p, size_t g, size_t c, double t)
{
    double sum = 0.0;
    for (size_t j = 0; j < TONES; j++) {
        double share = uniform(p->random, TONE_FREQUENCY, j, g, c);
        double f = p->opts->bandwidth_hz * (lowest_share + (1.0 - lowest_share) * share);
        double w = 0.3 + 0.7 * uniform(p->random, TONE_WEIGHT, j, g, c);
        double phase = 2.0 * pi * (f * t + uniform(p->random, TONE_PHASE, j, g, c));
        /* displacement: equal speeds of all tones; tilt: equal angles, about 1 in root mean square
         */
        sum += c < 3 ? w * sin(phase) / (2.0 * pi * f) : w * sin(phase) * sqrt(2.0 / (TONES * 0.463));
    }
    return sum;
}

static double envelope(double t)
{
    double s = t < rise_s ? t / rise_s : 1.0;
    return s * s * s * (10.0 + s * (6.0 * s - 15.0));
}

/* frames 0 and 1 are one and the same moment: the start is at rest */
static double time_of(const planting *p, size_t frame) { return frame > 1 ? (double)(frame - 1) * p->opts->dt_s : 0.0; }

static void displacement(const planting *p, size_t g, size_t frame, double *d)
{
    double t = time_of(p, frame), size = envelope(t) * p->grippers[g].scale;
    for (size_t c = 0; c < 3; c++) d[c] = size == 0.0 ? 0.0 : size * channel(p, g, c, t);
}

/* positions of a gripper's markers in one frame, into x [markers][3] */
static void grip(const planting *p, size_t markers, size_t g, size_t frame, double *x)
{
    const gripper *gr = &p->grippers[g];
    double t = time_of(p, frame), d[3], tilt[2], way[3], size = 0.0;
    displacement(p, g, frame, d);
    for (size_t c = 0; c < 2; c++)
        tilt[c] =
            p->opts->tilt_rad * (normal(p->random, PLACE_TILT, 0, g, c) * 0.7 + envelope(t) * channel(p, g, 3 + c, t));
    /* the gripper's own direction, and what tilts it */
    way[0] = gr->way == 0.0 ? 1.0 : tilt[0];
    way[1] = tilt[1];
    way[2] = gr->way == 0.0 ? tilt[0] : gr->way;
    for (size_t c = 0; c < 3; c++) size += way[c] * way[c];
    size = sqrt(size);
    size_t r = reference(gr, markers);
    for (size_t k = gr->first; k <= gr->last; k++)
        for (size_t c = 0; c < 3; c++) x[3 * k + c] = gr->home[c] + d[c] + (p->arc[k] - p->arc[r]) * way[c] / size;
}

static rg_status find_grippers(const rg_model *model, planting *p, rg_error *err)
{
    const int *clamps = NULL;
    size_t n = rg_model_clamps(model, &clamps), markers = rg_model_markers(model);
    for (size_t c = 0; c < n; c++) {
        size_t k = (size_t)clamps[c];
        if (c > 0 && k == (size_t)clamps[c - 1] + 1) p->grippers[p->n_grippers - 1].last = k;
        else p->grippers[p->n_grippers++] = (gripper){.first = k, .last = k};
    }
    if (p->n_grippers == 0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "the true model has no driving markers; a planted rod needs a gripper that moves it");
    for (size_t g = 0; g < p->n_grippers; g++) {
        gripper *gr = &p->grippers[g];
        gr->at = p->arc[reference(gr, markers)];
        gr->way = gr->first == 0 ? -1.0 : gr->last + 1 == markers ? 1.0 : 0.0;
    }
    return RG_OK;
}

/* how far grippers g and g + 1 come apart, over the rod's length between them */
static double slack(const planting *p, size_t g, size_t frame)
{
    const gripper *a = &p->grippers[g], *b = a + 1;
    double u[3], v[3], sum = 0.0;
    displacement(p, g, frame, u);
    displacement(p, g + 1, frame, v);
    for (size_t c = 0; c < 3; c++) {
        double d = b->home[c] + v[c] - a->home[c] - u[c];
        sum += d * d;
    }
    return sqrt(sum) / (b->at - a->at);
}

/* homes, then scales: the speed asked for, less where the range or the rod's length forbids it */
static void place_grippers(planting *p)
{
    const rg_plant_opts *o = p->opts;
    for (size_t g = 0; g < p->n_grippers; g++) {
        gripper *gr = &p->grippers[g];
        double square = 0.0, largest = 0.0, before[3] = {0.0, 0.0, 0.0}, d[3];
        double share = uniform(p->random, PLACE_SLACK, 0, g, 0);
        gr->home[2] = top_m;
        if (g > 0) gr->home[0] = gr[-1].home[0] + (slack_low + share * (slack_high - slack_low)) * (gr->at - gr[-1].at);
        gr->scale = 1.0;
        for (size_t f = 2; f < o->n_frames; f++) {
            displacement(p, g, f, d);
            for (size_t c = 0; c < 3; c++) {
                square += (d[c] - before[c]) * (d[c] - before[c]);
                largest = fmax(largest, fabs(d[c]));
                before[c] = d[c];
            }
        }
        double rms = sqrt(square / (double)(o->n_frames - 2)) / o->dt_s;
        gr->scale = rms > 0.0 ? o->speed / rms : 0.0;
        if (gr->scale * largest > o->range_m) gr->scale = o->range_m / largest;
    }
    for (size_t g = 0; g + 1 < p->n_grippers; g++)
        for (size_t f = 2; f < o->n_frames; f++)
            while (!(slack(p, g, f) < tautest && slack(p, g, f) > closest)) {
                for (size_t k = 0; k < p->n_grippers; k++) p->grippers[k].scale *= 0.9;
                f = 2;
            }
}

/* ---- the shape to settle from ---- */

/* point at rod length s on a parabola of sag h below the straight line from a to b */
static void parabola(const double *a, const double *b, double h, double u, double *x)
{
    for (size_t c = 0; c < 3; c++) x[c] = a[c] + u * (b[c] - a[c]);
    x[2] -= 4.0 * h * u * (1.0 - u);
}

enum { PARABOLA_PARTS = 400 };

/* length of the parabola; where `lengths` is given, markers go to these rod lengths from a, scaled
 * to fit */
static double hang_between(const double *a, const double *b, double h, const double *lengths, size_t n, double total,
                           double *x)
{
    double length = 0.0, was[3], now[3];
    size_t k = 0;
    memcpy(was, a, sizeof was);
    for (int i = 1; i <= PARABOLA_PARTS; i++) {
        parabola(a, b, h, (double)i / PARABOLA_PARTS, now);
        double d[3], part = 0.0;
        for (size_t c = 0; c < 3; c++) d[c] = now[c] - was[c], part += d[c] * d[c];
        part = sqrt(part);
        for (; lengths && k < n && lengths[k] * total <= length + part; k++) {
            double u = part > 0.0 ? (lengths[k] * total - length) / part : 0.0;
            for (size_t c = 0; c < 3; c++) x[3 * k + c] = was[c] + u * d[c];
        }
        length += part;
        memcpy(was, now, sizeof was);
    }
    return length;
}

/* markers between grippers on parabolas of the rod's length, free ends straight down; shares:
 * scratch [markers] */
static void first_shape(const planting *p, size_t markers, double *shares, double *x)
{
    const gripper *ends = p->grippers, *last = ends + p->n_grippers - 1;
    for (size_t g = 0; g < p->n_grippers; g++) grip(p, markers, g, 0, x);
    for (size_t g = 0; g + 1 < p->n_grippers; g++) {
        size_t i = ends[g].last, j = ends[g + 1].first;
        double length = p->arc[j] - p->arc[i], low = 0.0, high = length;
        const double *a = x + 3 * i, *b = x + 3 * j;
        for (size_t k = i + 1; k < j; k++) shares[k] = (p->arc[k] - p->arc[i]) / length;
        for (int step = 0; step < 60; step++) {
            double h = 0.5 * (low + high);
            if (hang_between(a, b, h, NULL, 0, 0.0, NULL) < length) low = h;
            else high = h;
        }
        double reached = hang_between(a, b, low, NULL, 0, 0.0, NULL);
        hang_between(a, b, low, shares + i + 1, j - i - 1, reached, x + 3 * (i + 1));
    }
    for (size_t k = ends->first; k-- > 0;) {
        memcpy(x + 3 * k, x + 3 * (k + 1), 3 * sizeof *x);
        x[3 * k + 2] -= p->arc[k + 1] - p->arc[k];
    }
    for (size_t k = last->last + 1; k < markers; k++) {
        memcpy(x + 3 * k, x + 3 * (k - 1), 3 * sizeof *x);
        x[3 * k + 2] -= p->arc[k] - p->arc[k - 1];
    }
}

/* ---- simulation ---- */

static rg_status new_recording(const rg_model *model, size_t frames, double dt_s, source random, rg_recording *r,
                               rg_error *err)
{
    const int *clamps = NULL;
    size_t n_clamps = rg_model_clamps(model, &clamps), markers = rg_model_markers(model);
    char name[64], origin[128];
    snprintf(name, sizeof name, "%03llu", (unsigned long long)random.recording);
    snprintf(origin, sizeof origin, "planted: seed %llu, recording %llu", (unsigned long long)random.seed,
             (unsigned long long)random.recording);
    memset(r, 0, sizeof *r);
    r->n_frames = frames;
    r->n_markers = markers;
    r->dt_s = dt_s;
    r->n_clamps = n_clamps;
    r->name = malloc(strlen(name) + 1);
    r->source = malloc(strlen(origin) + 1);
    r->clamps = malloc((n_clamps + 1) * sizeof *r->clamps);
    r->positions = calloc(frames * markers * 3, sizeof *r->positions);
    r->driving = calloc(frames * markers * 3, sizeof *r->driving);
    r->valid = malloc(frames * markers);
    if (!r->name || !r->source || !r->clamps || !r->positions || !r->driving || !r->valid)
        return RG_FAIL(err, RG_ERR_MEMORY, "no memory for a planted recording of %zu frames", frames);
    memcpy(r->name, name, strlen(name) + 1);
    memcpy(r->source, origin, strlen(origin) + 1);
    memcpy(r->clamps, clamps, n_clamps * sizeof *clamps);
    memset(r->valid, 1, frames * markers);
    return RG_OK;
}

/* positions of all n recordings by simulation from frames 0 and 1 and the drive, which both arrays
 * hold */
static rg_status simulate(const rg_model *model, const rg_rollout_opts *opts, rg_recording *rs, size_t n,
                          uint64_t first, rg_error *err)
{
    double **out = calloc(n, sizeof *out);
    rg_rod_status *statuses = calloc(n, sizeof *statuses);
    rg_status status = RG_OK;
    if (!out || !statuses) status = RG_ERR_MEMORY;
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        out[i] = malloc(rs[i].n_frames * rs[i].n_markers * 3 * sizeof **out);
        if (!out[i]) status = RG_ERR_MEMORY;
    }
    if (status != RG_OK) RG_FAIL(err, status, "no memory to simulate %zu planted recordings", n);
    if (status == RG_OK) status = rg_simulate(model, rs, n, opts, out, statuses, err);
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        if (statuses[i].flag != RG_ROD_OK)
            status = RG_FAIL(err, RG_ERR_NOT_CONVERGED,
                             "planted recording %llu failed in step %d: %s; plant slower motion, more "
                             "substeps or another seed",
                             (unsigned long long)(first + i), statuses[i].step, rg_rod_flag_text(statuses[i].flag));
        size_t bytes = rs[i].n_frames * rs[i].n_markers * 3 * sizeof **out;
        memcpy(rs[i].positions, out[i], bytes);
        memcpy(rs[i].driving, out[i], bytes);
    }
    for (size_t i = 0; i < n && out; i++) free(out[i]);
    free(out);
    free(statuses);
    return status;
}

static void hold_frame(rg_recording *r, size_t from)
{
    const size_t size = r->n_markers * 3;
    for (size_t f = 0; f < r->n_frames; f++)
        if (f != from) memcpy(r->positions + f * size, r->positions + from * size, size * sizeof(double));
    memcpy(r->driving, r->positions, r->n_frames * size * sizeof(double));
}

/* how far a settling rod came from where this round began [m] */
static double came_from_start(const rg_recording *r)
{
    const size_t size = r->n_markers * 3;
    const double *end = r->positions + (r->n_frames - 1) * size;
    double moved = 0.0;
    for (size_t k = 0; k < size; k++) moved = fmax(moved, fabs(end[k] - r->positions[k]));
    return moved;
}

/* frame 0 of every rs[i] to a shape that rests: damped simulation, begun again from its own last
 * markers until they stay. Each rod stops for itself: its shape is the same in any company. */
static rg_status settle(const rg_model *truth, const rg_plant_opts *o, rg_recording *rs, size_t n, uint64_t first,
                        rg_error *err)
{
    rg_model *damped = NULL;
    rg_rollout_opts opts = o->rollout;
    unsigned char *still = calloc(n, 1);
    if (!still) return RG_FAIL(err, RG_ERR_MEMORY, "no memory for %zu planted recordings", n);
    rg_status status = rg_model_copy(truth, &damped, err);
    opts.scheme = RG_SCHEME_BE;
    opts.substeps = 1;
    for (size_t i = 0; status == RG_OK && i < rg_model_field_entries(damped, RG_DRAG); i++)
        rg_model_field_data(damped, RG_DRAG)[i] = settle_drag;
    size_t moving = n;
    for (int round = 0; round < SETTLE_ROUNDS && moving && status == RG_OK; round++) {
        status = simulate(damped, &opts, rs, n, first, err);
        moving = 0;
        for (size_t i = 0; i < n && status == RG_OK; i++) {
            double moved = came_from_start(&rs[i]);
            hold_frame(&rs[i], still[i] ? 0 : rs[i].n_frames - 1);
            still[i] |= moved <= settled_m;
            moving += !still[i];
        }
    }
    free(still);
    rg_model_destroy(&damped);
    return status;
}

/* ---- what a camera adds ---- */

static void add_noise(const rg_plant_opts *o, source random, rg_recording *r)
{
    const size_t markers = r->n_markers;
    for (size_t f = o->noise_start ? 0 : 2; f < r->n_frames; f++)
        for (size_t k = 0, c = 0; k < markers; k++) {
            int driven = c < r->n_clamps && (size_t)r->clamps[c] == k;
            double size = driven ? o->driver_noise_m : o->noise_m;
            c += (size_t)driven;
            if (size == 0.0) continue;
            for (size_t i = 0; i < 3; i++)
                r->positions[3 * (f * markers + k) + i] += size * normal(random, NOISE, f, k, i);
        }
}

/* a glitch throws one marker some way off for a few frames; frames 0 and 1 stay */
static void add_glitches(const rg_plant_opts *o, source random, rg_recording *r)
{
    const size_t markers = r->n_markers;
    for (size_t f = 2; f < r->n_frames && o->glitch_rate > 0.0; f++)
        for (size_t k = 0; k < markers; k++) {
            if (!(uniform(random, GLITCH_START, f, k, 0) < o->glitch_rate)) continue;
            size_t length = 1 + (size_t)(GLITCH_FRAMES * uniform(random, GLITCH_LENGTH, f, k, 0));
            double d[3], size = 0.0;
            for (size_t i = 0; i < 3; i++) {
                d[i] = normal(random, GLITCH_DIRECTION, f, k, i);
                size += d[i] * d[i];
            }
            size = o->glitch_size_m / sqrt(size);
            for (size_t at = f; at < f + length && at < r->n_frames; at++)
                for (size_t i = 0; i < 3; i++) r->positions[3 * (at * markers + k) + i] += size * d[i];
        }
}

/* ---- all of it ---- */

static const rgi_struct opts_struct = {"rg_plant_opts", sizeof(rg_plant_opts), RGI_SIZE_UP_TO(rg_plant_opts, rollout),
                                       offsetof(rg_plant_opts, rollout)};

void rg_plant_opts_init(rg_plant_opts *opts)
{
    rg_plant_opts o;
    memset(&o, 0, sizeof o);
    o.struct_size = sizeof o;
    o.seed = 1;
    o.n_frames = 500;
    o.dt_s = 0.01;
    o.noise_m = 0.0005;
    o.glitch_size_m = 0.03;
    o.speed = 0.7;
    o.bandwidth_hz = 2.0;
    o.range_m = 0.25;
    o.tilt_rad = 0.15;
    o.rollout = rg_rollout_opts_default();
    rgi_struct_give(&opts_struct, &o, opts);
}

static rg_status check_opts(const rg_model *truth, const rg_plant_opts *o, size_t n, rg_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } ranges[] = {
        {"frames", (double)o->n_frames, 3, 1e7},
        {"dt_s", o->dt_s, 1e-6, 10},
        {"noise_m", o->noise_m, 0, 1},
        {"driver_noise_m", o->driver_noise_m, 0, 1},
        {"rate of glitches", o->glitch_rate, 0, 1},
        {"size_m of glitches", o->glitch_size_m, 0, 10},
        {"speed of the motion", o->speed, 0, 100},
        {"bandwidth_hz of the motion", o->bandwidth_hz, 1e-3, 1e3},
        {"range_m of the motion", o->range_m, 0, 100},
        {"tilt_rad of the motion", o->tilt_rad, 0, 1},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!(ranges[i].value >= ranges[i].low && ranges[i].value <= ranges[i].high))
            return RG_FAIL(err, RG_ERR_VALUE, "%s is %g but must be from %g to %g", ranges[i].name, ranges[i].value,
                           ranges[i].low, ranges[i].high);
    if (o->rollout.at_limit != RG_LIMIT_FREEZE || o->rollout.deadline_s > 0.0)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "planted motion is a solution of every step, and does not depend on timing; leave at_limit "
                       "RG_LIMIT_FREEZE and deadline_s 0");
    if (n < 1 || (double)n * (double)o->n_frames * (double)rg_model_markers(truth) > RG_PLANT_MOST)
        return RG_FAIL(err, RG_ERR_VALUE, "%zu recordings of %zu frames and %zu markers are none or too many to plant",
                       n, o->n_frames, rg_model_markers(truth));
    return rg_model_check(truth, err);
}

/* grippers of recording i, its first shape into still[i], and its whole drive into out[i] */
static rg_status prepare(const rg_model *truth, const rg_plant_opts *o, source random, rg_recording *still,
                         rg_recording *out, rg_error *err)
{
    const size_t markers = rg_model_markers(truth);
    const int *at = rg_model_marker_vertices(truth);
    const double *edges = rg_model_field(truth, RG_REST_LENGTH);
    planting p = {.opts = o, .random = random};
    rg_status status = RG_OK;
    double *work = calloc(2 * markers, sizeof *work);
    p.grippers = calloc(markers, sizeof *p.grippers);
    if (!work || !p.grippers)
        status = RG_FAIL(err, RG_ERR_MEMORY, "no memory for the grippers of %zu markers", markers);
    if (status == RG_OK) {
        double *arc = work;
        for (size_t k = 0; k + 1 < markers; k++) {
            arc[k + 1] = arc[k];
            for (int i = at[k]; i < at[k + 1]; i++) arc[k + 1] += edges[i];
        }
        p.arc = arc;
        status = find_grippers(truth, &p, err);
    }
    if (status == RG_OK) status = new_recording(truth, SETTLE_FRAMES, settle_dt_s, random, still, err);
    if (status == RG_OK) status = new_recording(truth, o->n_frames, o->dt_s, random, out, err);
    if (status == RG_OK) {
        place_grippers(&p);
        first_shape(&p, markers, work + markers, still->positions);
        hold_frame(still, 0);
        for (size_t f = 0; f < o->n_frames; f++)
            for (size_t g = 0; g < p.n_grippers; g++) grip(&p, markers, g, f, out->positions + f * markers * 3);
    }
    free(work);
    free(p.grippers);
    return status;
}

rg_status rg_plant(const rg_model *truth, const rg_plant_opts *opts, uint64_t first, size_t n, rg_recording *out,
                   rg_error *err)
{
    rg_plant_opts own = rg_plant_opts_default();
    const rg_plant_opts *o = &own;
    if (!truth || !opts || !out)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "planting needs a model, options and a place for recordings");
    memset(out, 0, n * sizeof *out);
    RG_TRY(rgi_struct_take(&opts_struct, opts, &own, err));
    RG_TRY(check_opts(truth, o, n, err));
    rg_status status = RG_OK;
    rg_recording *still = calloc(n, sizeof *still);
    if (!still) return RG_FAIL(err, RG_ERR_MEMORY, "no memory for %zu planted recordings", n);
    for (size_t i = 0; i < n && status == RG_OK; i++)
        status = prepare(truth, o, (source){o->seed, first + i}, &still[i], &out[i], err);
    if (status == RG_OK) status = settle(truth, o, still, n, first, err);
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        const size_t bytes = out[i].n_markers * 3 * sizeof(double);
        /* frames 0 and 1: at rest, grippers as in the drive */
        for (size_t f = 0; f < 2; f++) memcpy((char *)out[i].positions + f * bytes, still[i].positions, bytes);
        memcpy(out[i].driving, out[i].positions, out[i].n_frames * bytes);
    }
    if (status == RG_OK) status = simulate(truth, &o->rollout, out, n, first, err);
    for (size_t i = 0; i < n && status == RG_OK; i++) {
        source random = {o->noise_seed ? o->noise_seed : o->seed, first + i};
        add_noise(o, random, &out[i]);
        add_glitches(o, random, &out[i]);
        memcpy(out[i].driving, out[i].positions, out[i].n_frames * out[i].n_markers * 3 * sizeof(double));
    }
    for (size_t i = 0; i < n; i++) {
        rg_recording_clear(&still[i]);
        if (status != RG_OK) rg_recording_clear(&out[i]);
    }
    free(still);
    return status;
}
