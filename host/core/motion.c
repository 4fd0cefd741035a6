/* core/motion.c: the start and the drive of a rollout (see motion.h). */
#include "core/motion.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "rod/layout.h"

static double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

static void cross(const double *a, const double *b, double *r)
{
    double x = a[1] * b[2] - a[2] * b[1], y = a[2] * b[0] - a[0] * b[2];
    r[2] = a[0] * b[1] - a[1] * b[0];
    r[0] = x;
    r[1] = y;
}

int rgi_unit_between(const double *a, const double *b, double *t)
{
    double d[3] = {b[0] - a[0], b[1] - a[1], b[2] - a[2]}, length = sqrt(dot(d, d));
    if (!(length > 1e-9)) return 0;
    for (int c = 0; c < 3; c++) t[c] = d[c] / length;
    return 1;
}

/* u made perpendicular to the unit vector t and of length 1 */
static void perpendicular(const double *t, double *u)
{
    double k = dot(t, u), size = 0.0;
    for (int c = 0; c < 3; c++) u[c] -= k * t[c];
    size = sqrt(dot(u, u));
    for (int c = 0; c < 3; c++) u[c] /= size;
}

void rgi_transport(const double *s, const double *t, double *u)
{
    double chi = 1.0 + dot(s, t);
    if (chi > 1e-9) {
        double k = dot(u, t) / chi;
        for (int c = 0; c < 3; c++) u[c] -= k * (s[c] + t[c]);
    }
    perpendicular(t, u);
}

void rgi_shape_destroy(rgi_shape **shape)
{
    if (!shape || !*shape) return;
    rgi_shape *s = *shape;
    const rg_context *context = s->context;
    rgi_free(context, s->fixed);
    rgi_free(context, s->order);
    rgi_free(context, s->first);
    rgi_free(context, s->second);
    rgi_free(context, s->marker_vertices);
    rgi_free(context, s->interval);
    rgi_free(context, s->fixed_x);
    rgi_free(context, s->fixed_theta);
    rgi_free(context, s->free_markers);
    rgi_free(context, s->support);
    rgi_free(context, s->fraction);
    rgi_free(context, s);
    *shape = NULL;
}

/* Arc over the chord from a to b on the circle through a, b and p, relative to the chord: an angle over its sine
 * (inscribed angle at p); 1 where p is at a or b. */
static double arc_over_chord(const double *a, const double *b, const double *p)
{
    const double u[3] = {a[0] - p[0], a[1] - p[1], a[2] - p[2]}, v[3] = {b[0] - p[0], b[1] - p[1], b[2] - p[2]};
    double n[3];
    cross(u, v, n);
    const double sine = sqrt(dot(n, n) / (dot(u, u) * dot(v, v)));
    return sine > 1e-6 ? asin(fmin(sine, 1.0)) / sine : 1.0;
}

/* Length of the rod between markers k and k + 1 of one frame: its chord, lengthened as on the circles through
 * these two and the marker before and behind. Exact on a circle. */
static double arc_length(const double *x, size_t markers, size_t k)
{
    const double *a = x + 3 * k, *b = a + 3;
    const int before = k > 0, behind = k + 2 < markers;
    double ratio = before || behind ? 0.0 : 1.0;
    if (before) ratio += arc_over_chord(a, b, a - 3) / (before + behind);
    if (behind) ratio += arc_over_chord(a, b, b + 3) / (before + behind);
    return ratio * hypot(hypot(b[0] - a[0], b[1] - a[1]), b[2] - a[2]);
}

void rgi_motion_weights(const rgi_shape *s, const rg_recording *r, double *weights)
{
    const size_t markers = s->n_markers, count = markers < RGI_SUPPORT ? markers : RGI_SUPPORT;
    memset(weights, 0, RGI_SUPPORT * s->n * sizeof *weights);
    for (size_t i = 0; i < s->n; i++) {
        const size_t k = (size_t)s->interval[i], first = (size_t)s->support[i];
        const size_t end = s->fraction[i] == 0.0 ? k : s->fraction[i] == 1.0 ? k + 1 : markers;
        double at[RGI_SUPPORT] = {0.0}, own = 0.0; /* arc length at the support's markers and at the vertex [m] */
        if (end < markers) {                       /* a marker's own vertex */
            weights[RGI_SUPPORT * i + end - first] = 1.0;
            continue;
        }
        for (size_t a = 0; a + 1 < count; a++) {
            const double length = 0.5 * (arc_length(r->driving, markers, first + a) +
                                         arc_length(r->driving + 3 * markers, markers, first + a));
            at[a + 1] = at[a] + length;
            if (first + a == k) own = at[a] + s->fraction[i] * length;
        }
        double *to = weights + RGI_SUPPORT * i, sum = 0.0;
        for (size_t a = 0; a < count; a++) {
            to[a] = 1.0;
            for (size_t b = 0; b < count; b++)
                if (b != a) to[a] *= (own - at[b]) / (at[a] - at[b]);
            sum += to[a];
        }
        if (isfinite(sum)) continue;
        /* markers so far away that distances between others are lost: a line */
        for (size_t a = 0; a < count; a++)
            to[a] = first + a == k ? 1.0 - s->fraction[i] : first + a == k + 1 ? s->fraction[i] : 0.0;
    }
}

double rgi_motion_weight(const rgi_shape *s, const double *weights, size_t vertex, size_t marker)
{
    const size_t first = (size_t)s->support[vertex];
    return marker >= first && marker < first + RGI_SUPPORT ? weights[RGI_SUPPORT * vertex + marker - first] : 0.0;
}

void rgi_motion_reach(const rgi_shape *s, size_t marker, size_t *from, size_t *end)
{
    const size_t last = s->n_markers - 1, most = RGI_SUPPORT - 1;
    *from = (size_t)s->marker_vertices[marker > most ? marker - most : 0];
    *end = (size_t)s->marker_vertices[marker + most < last ? marker + most : last] + 1;
}

rg_status rgi_shape_create(const rg_context *context, const rg_model *model, rgi_shape **out, rg_error *err)
{
    const int *clamps = NULL, *at = rg_model_marker_vertices(model);
    size_t n_clamps = rg_model_clamps(model, &clamps);
    const double *length = rg_model_field(model, RG_REST_LENGTH);
    size_t n = rg_model_vertices(model), markers = rg_model_markers(model);
    *out = NULL;
    rgi_shape *s = rgi_calloc(context, 1, sizeof *s);
    if (!s) goto fail;
    s->context = context;
    s->n = n;
    s->n_markers = markers;
    s->normalised = rg_model_bend_measure(model) == RG_BEND_NORMALISED;
    s->fixed = rgi_calloc(context, n, 1);
    s->order = rgi_calloc(context, n, sizeof(int));
    s->first = rgi_calloc(context, n, sizeof(int));
    s->second = rgi_calloc(context, n, sizeof(int));
    s->marker_vertices = rgi_calloc(context, markers, sizeof(int));
    s->interval = rgi_calloc(context, n, sizeof(int));
    s->fixed_x = rgi_calloc(context, n, sizeof(int));
    s->fixed_theta = rgi_calloc(context, n, sizeof(int));
    s->free_markers = rgi_calloc(context, markers, sizeof(int));
    s->support = rgi_calloc(context, n, sizeof(int));
    s->fraction = rgi_calloc(context, n, sizeof(double));
    if (!s->fixed || !s->order || !s->first || !s->second || !s->marker_vertices || !s->interval || !s->fixed_x ||
        !s->fixed_theta || !s->free_markers || !s->support || !s->fraction)
        goto fail;
    memcpy(s->marker_vertices, at, markers * sizeof *at);
    for (size_t i = 0; i < n; i++) {
        s->order[i] = (int)i;
        s->first[i] = i + 1 < n ? (int)i + 1 : -1;
        s->second[i] = i + 2 < n ? (int)i + 2 : -1;
    }
    for (size_t k = 0; k + 1 < markers; k++) {
        double whole = 0.0, part = 0.0;
        for (int i = at[k]; i < at[k + 1]; i++) whole += length[i];
        for (int i = at[k]; i < at[k + 1]; part += length[i++]) {
            const size_t before = k > 0 ? k - 1 : 0;
            s->interval[i] = (int)k;
            s->support[i] = (int)(markers < RGI_SUPPORT            ? 0
                                  : before + RGI_SUPPORT > markers ? markers - RGI_SUPPORT
                                                                   : before);
            s->fraction[i] = part / whole;
        }
    }
    s->interval[n - 1] = s->interval[n - 2];
    s->support[n - 1] = s->support[n - 2];
    s->fraction[n - 1] = 1.0;
    for (size_t k = 0; k < n_clamps; k++) s->fixed[at[clamps[k]]] |= RGI_FIXED_X;
    for (size_t k = 0, c = 0; k < markers; k++) {
        if (c < n_clamps && clamps[c] == (int)k) c++;
        else s->free_markers[s->n_free++] = (int)k;
    }
    /* an edge between two driven vertices is gripped: its director is prescribed too */
    for (size_t i = 0; i + 1 < n; i++)
        if ((s->fixed[i] & RGI_FIXED_X) && (s->fixed[i + 1] & RGI_FIXED_X)) {
            s->fixed[i] |= RGI_FIXED_THETA;
            s->fixed_theta[s->n_fixed_theta++] = (int)i;
        }
    for (size_t i = 0; i < n; i++)
        if (s->fixed[i] & RGI_FIXED_X) s->fixed_x[s->n_fixed_x++] = (int)i;
    s->fixed[n - 1] |= RGI_FIXED_THETA;
    *out = s;
    return RG_OK;
fail:
    rgi_shape_destroy(&s);
    return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for a mesh of %zu vertices", n);
}

double rgi_motion_gap(const rg_recording *r, size_t f) { return r->lost ? 1.0 + r->lost[f] : 1.0; }

int rgi_motion_starts_straight(const rg_recording *r)
{
    double chord[3], first[3];
    return rgi_unit_between(r->driving, r->driving + 3, chord) &&
           !rgi_director_chosen(r->driving, r->n_markers, chord, first);
}

/* chords [markers][3] and directors [markers][3] by interval of one frame; from = NULL starts in
 * space */
static rg_status frame_directors(const rg_recording *r, size_t frame, const double *chords_before,
                                 const double *directors_before, double *chords, double *directors, rg_error *err)
{
    const double *x = r->driving + frame * r->n_markers * 3;
    for (size_t k = 0; k < r->n_markers; k++)
        for (int c = 0; c < 3; c++)
            if (!isfinite(x[3 * k + (size_t)c]))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "%s: marker %zu is not finite in frame %zu; a simulation starts from "
                               "frames 0 and 1 and needs every marker there",
                               r->name, k, frame);
    for (size_t k = 0; k + 1 < r->n_markers; k++) {
        double *t = chords + 3 * k, *m = directors + 3 * k;
        if (!rgi_unit_between(x + 3 * k, x + 3 * k + 3, t))
            return RG_FAIL(err, RG_ERR_VALUE,
                           "%s: markers %zu and %zu coincide in frame %zu; a simulation cannot start there", r->name, k,
                           k + 1, frame);
        if (chords_before) {
            memcpy(m, directors_before + 3 * k, 3 * sizeof *m);
            rgi_transport(chords_before + 3 * k, t, m);
        } else if (k > 0) {
            memcpy(m, m - 3, 3 * sizeof *m);
            rgi_transport(t - 3, t, m);
        } else {
            rgi_director_chosen(x, r->n_markers, t, m);
            perpendicular(t, m);
        }
    }
    return RG_OK;
}

/* n1, n2 at every marker: the adjacent intervals' directors, averaged */
static void marker_frames(size_t markers, const double *chords, const double *directors, double *frames)
{
    memset(frames, 0, 6 * markers * sizeof *frames);
    for (size_t k = 0; k < markers; k++) {
        size_t low = k > 0 ? k - 1 : 0, high = k + 1 < markers ? k : k - 1;
        double share = low == high ? 1.0 : 0.5;
        for (size_t j = low; j <= high; j++) {
            double second[3];
            cross(chords + 3 * j, directors + 3 * j, second);
            for (int c = 0; c < 3; c++) {
                frames[6 * k + (size_t)c] += share * directors[3 * j + (size_t)c];
                frames[6 * k + 3 + (size_t)c] += share * second[c];
            }
        }
    }
}

static void mesh_positions(const rgi_shape *s, const double *weights, const double *markers, const double *offsets,
                           const double *frames, double *x)
{
    memset(x, 0, 3 * s->n * sizeof *x);
    for (size_t i = 0; i < s->n; i++)
        for (size_t a = 0; a < RGI_SUPPORT; a++) {
            const size_t k = (size_t)s->support[i] + a;
            const double w = weights[RGI_SUPPORT * i + a];
            if (w == 0.0) continue;
            for (size_t c = 0; c < 3; c++)
                x[3 * i + c] += w * (markers[3 * k + c] - offsets[2 * k] * frames[6 * k + c] -
                                     offsets[2 * k + 1] * frames[6 * k + 3 + c]);
        }
}

rg_status rgi_motion_start(const rgi_shape *s, const rg_recording *r, const double *offsets, const double gravity[3],
                           double *x, double *v, double *m1, double *chord, double *frames0, double *frames1,
                           rg_error *err)
{
    size_t markers = s->n_markers;
    rg_status status = RG_ERR_MEMORY;
    double *work = rgi_calloc(s->context, 4 * 3 * markers + (3 + RGI_SUPPORT) * s->n, sizeof *work);
    if (!work) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the start of %s", r->name);
    double *c0 = work, *d0 = c0 + 3 * markers, *c1 = d0 + 3 * markers, *d1 = c1 + 3 * markers;
    double *before = d1 + 3 * markers, *weights = before + 3 * s->n;
    status = frame_directors(r, 0, NULL, NULL, c0, d0, err);
    if (status == RG_OK) status = frame_directors(r, 1, c0, d0, c1, d1, err);
    if (status != RG_OK) goto done;
    marker_frames(markers, c0, d0, frames0);
    marker_frames(markers, c1, d1, frames1);
    rgi_motion_weights(s, r, weights);
    mesh_positions(s, weights, r->driving, offsets, frames0, before);
    mesh_positions(s, weights, r->driving + 3 * markers, offsets, frames1, x);
    for (size_t i = 0; i < 3 * s->n; i++) v[i] = (x[i] - before[i]) / (r->dt_s * rgi_motion_gap(r, 1));
    for (size_t i = 0; i < 3 * s->n && s->n_fixed_x == 0; i++)
        v[i] += 0.5 * r->dt_s * rgi_motion_gap(r, 1) * gravity[i % 3];
    memset(m1, 0, 3 * s->n * sizeof *m1);
    memset(chord, 0, 3 * s->n * sizeof *chord);
    for (size_t i = 0; i + 1 < s->n; i++) {
        size_t k = (size_t)s->interval[i];
        double t[3];
        if (!rgi_unit_between(x + 3 * i, x + 3 * i + 3, t)) {
            status = RG_FAIL(err, RG_ERR_VALUE, "%s: the rod's vertices %zu and %zu coincide at the start", r->name, i,
                             i + 1);
            goto done;
        }
        memcpy(chord + 3 * i, c1 + 3 * k, 3 * sizeof *chord);
        memcpy(m1 + 3 * i, d1 + 3 * k, 3 * sizeof *m1);
        rgi_transport(c1 + 3 * k, t, m1 + 3 * i);
    }
done:
    rgi_free(s->context, work);
    return status;
}

size_t rgi_motion_slip(const rgi_shape *s, const rg_recording *r, double *lengths, unsigned char *slipped)
{
    const double longest = 1.12; /* chords of well held ropes stay within 6 % of their mean */
    size_t count = 0;
    memset(slipped, 0, s->n);
    for (size_t k = 0; k + 1 < s->n_markers; k++) {
        const size_t from = (size_t)s->marker_vertices[k], to = (size_t)s->marker_vertices[k + 1];
        if (!(s->fixed[from] & RGI_FIXED_X) == !(s->fixed[to] & RGI_FIXED_X)) continue;
        double chord = 0.0, rest = 0.0;
        for (size_t frame = 0; frame < 2; frame++) {
            const double *x = r->driving + 3 * (frame * s->n_markers + k);
            const double d[3] = {x[3] - x[0], x[4] - x[1], x[5] - x[2]};
            chord += 0.5 * sqrt(dot(d, d));
        }
        for (size_t i = from; i < to; i++) rest += lengths[i];
        if (!(chord > longest * rest)) continue;
        for (size_t i = from; i < to; i++) {
            lengths[i] = chord / (double)(to - from);
            slipped[i] = 1;
            count++;
        }
    }
    return count;
}

size_t rgi_motion_ticks(const rg_recording *r)
{
    size_t ticks = r->n_frames - 2;
    for (size_t f = 2; r->lost && f < r->n_frames; f++) ticks += (size_t)r->lost[f];
    return ticks;
}

/* coordinate `at` (marker and axis) of the drive a share u of the way from frame f - 1 to f: a
 * line, or over lost frames the cubic with the velocities before and after */
static double drive_at(const rg_recording *r, size_t f, size_t at, double u)
{
    const size_t row = 3 * r->n_markers;
    const double *x = r->driving + f * row + at;
    double a = x[-(ptrdiff_t)row], b = x[0], g = rgi_motion_gap(r, f);
    if (u == 1.0) return b;
    if (g == 1.0) return a + u * (b - a);
    double before = f >= 2 ? (a - x[-2 * (ptrdiff_t)row]) / rgi_motion_gap(r, f - 1) : (b - a) / g;
    double after = f + 1 < r->n_frames ? (x[row] - b) / rgi_motion_gap(r, f + 1) : (b - a) / g;
    double u2 = u * u, u3 = u2 * u;
    return (2.0 * u3 - 3.0 * u2 + 1.0) * a + (3.0 * u2 - 2.0 * u3) * b +
           g * ((u3 - 2.0 * u2 + u) * before + (u3 - u2) * after);
}

double rgi_motion_turn(const rgi_shape *s, const rg_recording *r, int substeps, int *step)
{
    double most = 0.0;
    int at = -1; /* the last step before frame f */
    *step = -1;
    for (size_t f = 1; f < r->n_frames; f++) {
        if (f > 1) at += (r->lost ? 1 + r->lost[f] : 1) * substeps;
        for (size_t k = 0; k < s->n_fixed_theta; k++) {
            const size_t m = (size_t)s->interval[s->fixed_theta[k]];
            const double *x = r->driving + 3 * (f * r->n_markers + m), *before = x - 3 * r->n_markers;
            double t[3], u[3], n[3];
            if (!rgi_unit_between(before, before + 3, t) || !rgi_unit_between(x, x + 3, u)) continue;
            cross(t, u, n);
            const double angle = atan2(sqrt(dot(n, n)), dot(t, u));
            if (!(angle > most)) continue;
            most = angle;
            *step = at < 0 ? 0 : at;
        }
    }
    return most;
}

rg_status rgi_motion_drive(const rgi_shape *s, const rg_recording *r, int substeps, double *positions,
                           double *directors, int *frame_of, rg_error *err)
{
    const size_t markers = s->n_markers;
    rg_status status = RG_OK;
    double *work = rgi_calloc(s->context, 4 * 3 * markers + 3 * s->n, sizeof *work);
    if (!work) return RG_FAIL(err, RG_ERR_MEMORY, "out of memory for the drive of %s", r->name);
    double *c0 = work, *d0 = c0 + 3 * markers, *chords = d0 + 3 * markers;
    double *current = chords + 3 * markers, *x = current + 3 * markers;
    for (size_t f = 2; f < r->n_frames; f++)
        for (size_t m = 0; m < markers; m++)
            for (size_t c = 0; c < 3; c++)
                if ((s->fixed[s->marker_vertices[m]] & RGI_FIXED_X) &&
                    !isfinite(r->driving[3 * (f * markers + m) + c])) {
                    status = RG_FAIL(err, RG_ERR_VALUE,
                                     "%s: driving marker %zu is not finite in frame %zu; repair the "
                                     "recording or leave the marker out of --clamp",
                                     r->name, m, f);
                    goto done;
                }
    status = frame_directors(r, 0, NULL, NULL, c0, d0, err);
    if (status == RG_OK) status = frame_directors(r, 1, c0, d0, chords, current, err);
    size_t step = 0, tick = 0;
    for (size_t frame = 2; frame < r->n_frames && status == RG_OK; frame++) {
        const size_t ticks = r->lost ? 1 + (size_t)r->lost[frame] : 1, steps = ticks * (size_t)substeps;
        for (size_t k = 0; k < ticks; k++) frame_of[tick++] = k + 1 == ticks ? (int)frame : -1;
        for (size_t k = 1; k <= steps; k++, step++) {
            for (size_t m = 0, f = 0; m < markers; m++) {
                size_t node = (size_t)s->marker_vertices[m];
                if (!(s->fixed[node] & RGI_FIXED_X)) continue;
                for (size_t c = 0; c < 3; c++)
                    x[3 * node + c] = drive_at(r, frame, 3 * m + c, (double)k / (double)steps);
                memcpy(positions + 3 * (step * s->n_fixed_x + f++), x + 3 * node, 3 * sizeof *x);
            }
            for (size_t f = 0; f < s->n_fixed_theta; f++) {
                size_t i = (size_t)s->fixed_theta[f], interval = (size_t)s->interval[i];
                double t[3];
                if (!rgi_unit_between(x + 3 * i, x + 3 * i + 3, t)) {
                    status = RG_FAIL(err, RG_ERR_VALUE, "%s: driving markers %zu and %zu coincide in frame %zu",
                                     r->name, interval, interval + 1, frame);
                    goto done;
                }
                rgi_transport(chords + 3 * interval, t, current + 3 * interval);
                memcpy(chords + 3 * interval, t, sizeof t);
                memcpy(directors + 3 * (step * s->n_fixed_theta + f), current + 3 * interval, sizeof t);
            }
        }
    }
done:
    rgi_free(s->context, work);
    return status;
}
