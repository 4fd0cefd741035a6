/* core/motion.h: what a rollout takes from a recording: the start, from frames 0 and 1, and the
 * drive.
 *
 * Directors. The grippers' roll is not recorded. In frame 0 the first marker interval's director is
 * the direction from the first to the last marker (where that is within 0.01 rad of the interval's chord, the
 * vertical, or x) made perpendicular to the chord, which turns with the whole scene; it is carried
 * along the chords by parallel transport, so that the start holds no twist, and each interval's
 * director then goes through time by parallel transport along its chord. Edges of the mesh take
 * their interval's director by transport from chord to edge.
 * Mesh vertices between markers start on the cubic through the four nearest marker vertices, as a function of arc
 * length. The arc length of a marker interval is that of the recording's start: its chord in frames 0 and 1 (their
 * mean), lengthened as on the circles through neighbouring markers. A vertex is at the share of its interval that
 * the model's rest lengths give when the shape is made. So the weights of markers depend on the recording and on that
 * model, not on any parameter of a fit: the start's derivative by an offset is the weight times the offset's
 * direction, and its derivative by rest lengths is zero.
 *
 * The recordings here are complete ones (core/recording.h): they have a name and `driving`. */
#ifndef RGI_MOTION_H
#define RGI_MOTION_H

#include "rodgrad/context.h"
#include "rodgrad/model.h"
#include "rodgrad/recording.h"

enum { RGI_SUPPORT = 4 }; /* marker vertices that a mesh vertex starts from */

/* which nodes of a model's mesh are prescribed, where mesh vertices are between marker vertices, and what else the rods
 * of a pack have in common */
typedef struct rgi_shape {
    const rg_context *context; /* whose memory it has */
    size_t n, n_markers;
    unsigned char *fixed;        /* [n] bits of rod/layout.h */
    int *order, *first, *second; /* [n] elimination schedule */
    int *marker_vertices;        /* [n_markers] */
    int *interval;               /* [n] marker interval of edge i; the last entry is that of the last edge */
    int *support;                /* [n] first of the markers that vertex i starts from: RGI_SUPPORT, or all of fewer */
    double *fraction;            /* [n] rest length from the interval's first marker to vertex i, by the interval's */
    int *fixed_x, *fixed_theta;  /* prescribed nodes, ascending */
    size_t n_fixed_x, n_fixed_theta;
    int *free_markers;
    size_t n_free;
    int normalised; /* RG_BEND_NORMALISED */
} rgi_shape;

/* in the context's memory (core/memory.h) */
rg_status rgi_shape_create(const rg_context *context, const rg_model *model, rgi_shape **out, rg_error *err);
void rgi_shape_destroy(rgi_shape **shape);

/* Weights [n][RGI_SUPPORT] of marker vertices, from support[i] on, whose sum is mesh vertex i at the start of a
 * recording. Markers of frames 0 and 1 must be finite, neighbours apart. */
void rgi_motion_weights(const rgi_shape *shape, const rg_recording *recording, double *weights);
/* that of one marker at one vertex, 0 where it has none */
double rgi_motion_weight(const rgi_shape *shape, const double *weights, size_t vertex, size_t marker);
/* vertices [from, end) hold all that start from a marker */
void rgi_motion_reach(const rgi_shape *shape, size_t marker, size_t *from, size_t *end);

/* Is a recording's first frame too straight for a plane of its own, so that directors start from the world's axes?
 * (of a marker that is not finite: no) */
int rgi_motion_starts_straight(const rg_recording *recording);

/* frame intervals that passed between frame f - 1 and f */
double rgi_motion_gap(const rg_recording *recording, size_t f);

/* The start of one recording. offsets: [n_markers][2], the model's field. Arrays [n][3]; chord
 * holds unit vectors by node (edge). frames0/1: [n_markers][6] the directors n1, n2 that offsets
 * act along in frames 0 and 1. The velocity is that between these frames; of a rod that nothing holds it is half an
 * interval's fall more, the one at frame 1: nothing would ever correct what is missing (docs/physics.md, section 5).
 * RG_ERR_VALUE where the markers of frame 0 or 1 are not finite or coincide. */
rg_status rgi_motion_start(const rgi_shape *shape, const rg_recording *recording, const double *offsets,
                           const double gravity[3], double *x, double *v, double *m1, double *chord, double *frames0,
                           double *frames1, rg_error *err);

/* A rope can slip in a gripper between takes. It cannot be longer than it is: where a recording
 * starts with a marker interval beside a gripper more than 12 % longer than its rest length, that
 * interval's rest length is, for this recording, the chord of frames 0 and 1. lengths: [n] rest
 * lengths of the edges, overwritten there; slipped: [n] set to 1 at such edges, else 0. Returns how
 * many edges. */
size_t rgi_motion_slip(const rgi_shape *shape, const rg_recording *recording, double *lengths, unsigned char *slipped);

/* t: unit vector from a to b; 0 when they coincide. Not a unit vector where their distance overflows. */
int rgi_unit_between(const double *a, const double *b, double *t);

/* A direction m[3] that the first director of a curve x[n][3] is made of where nothing is asked for; t: its first unit
 * tangent. 1: the direction to the last vertex, so that the director lies in the curve's own plane and turns with the
 * scene; 0: the curve is within 0.01 rad of its first chord and has no plane, m is the vertical, or x of a vertical
 * rod. */
int rgi_director_chosen(const double *x, size_t n, const double *t, double *m);
/* parallel transport of the director u from s to t; a reversal picks any rotation that reverses */
void rgi_transport(const double *s, const double *t, double *u);

/* A rollout ticks in frame intervals, lost frames included: frame 2 is reached 1 + lost[2] ticks
 * after frame 1. */
size_t rgi_motion_ticks(const rg_recording *recording);

/* The largest angle [rad] by which a gripped edge turns from one frame of a recording to the next, frames without a
 * direction aside, and *step the last step before the second of them, or -1; 0 where no edge is gripped. */
double rgi_motion_turn(const rgi_shape *shape, const rg_recording *recording, int substeps, int *step);

/* Prescribed positions [ticks * substeps][n_fixed_x][3] and directors [..][n_fixed_theta][3] at the
 * end of every step, each tick cut into `substeps`; frame_of[ticks]: the frame that a tick ends at,
 * or -1 for a lost one. Drivers go along straight lines between frames, and along a cubic with both
 * sides' velocities over lost ones. RG_ERR_VALUE names the frame and marker of a bad driver. */
rg_status rgi_motion_drive(const rgi_shape *shape, const rg_recording *recording, int substeps, double *positions,
                           double *directors, int *frame_of, rg_error *err);

#endif
