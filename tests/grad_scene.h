/* grad_scene.h: batches of small rods for tests of derivatives of whole rollouts.
 *
 * Every rod has a model of its own in which every field acts, a start away from rest, grippers that
 * move, tilt and turn, and random external forces. All that goes in falls into kinds; a direction,
 * or a gradient, holds [rods][count] numbers of each. Everything is allocated through the scene and
 * released with it. */
#ifndef GRAD_SCENE_H
#define GRAD_SCENE_H

#include <stdint.h>

#include "rodgrad/rodgrad.h"

enum {
    GRAD_X0,
    GRAD_V0,
    GRAD_TURN0,
    GRAD_CLAMP_X,
    GRAD_CLAMP_TURN,
    GRAD_FORCE,
    GRAD_FIELD, /* and the fields after it */
    GRAD_KINDS = GRAD_FIELD + RG_FIELD_COUNT,
    GRAD_ALL = -1
};

typedef enum grad_grip {
    GRAD_ENDS,    /* two markers at either end */
    GRAD_END,     /* two at one end */
    GRAD_POINT,   /* one in the middle: no edge is held */
    GRAD_MIDDLE,  /* two in the middle */
    GRAD_MIXED,   /* a point at both ends, an edge in between */
    GRAD_NOWHERE, /* none */
    GRAD_GRIPS
} grad_grip;

/* the steppers and schemes that tests go through; GRAD_NORMALISED: BDF2 of rods of RG_BEND_NORMALISED */
enum { GRAD_EULER, GRAD_BDF2, GRAD_DEFORM, GRAD_STEPPERS, GRAD_STATIC = GRAD_STEPPERS, GRAD_NORMALISED };

typedef struct grad_scene {
    rg_batch_opts opts;
    size_t rods, vertices, markers, steps, clamped, held;
    const int *clamped_at, *held_at; /* vertices, edges */
    size_t count[GRAD_KINDS];        /* numbers of one rod */
    rg_model **models;               /* [rods] */
    double *x0, *v0, *m0, *clamp_x, *clamp_m, *force;
    rg_batch *batch;
    struct grad_block *blocks;
} grad_scene;

/* numbers of each kind, [rods][count] */
typedef struct grad_vector {
    double *of[GRAD_KINDS];
} grad_vector;

/* of every frame: [rods][frames][vertices][3], turns and directors of edges, markers; forces: tensions of edges,
 * reactions of clamped vertices and edges, moments of vertices; energies; all NULL with the deform stepper, which has
 * none */
typedef struct grad_outputs {
    double *x, *v, *m, *turn, *markers, *tension, *reaction, *reaction_moment, *moment, *energy;
} grad_outputs;

const char *grad_kind_name(int kind);
const char *grad_stepper_name(int stepper);
const char *grad_grip_name(grad_grip grip);

/* tolerances of round-off, one thread, two levels of checkpoints; change opts, then grad_scene_open
 */
grad_scene *grad_scene_make(int stepper, grad_grip grip, size_t rods, size_t frames, int substeps, uint64_t seed);
/* likewise, of n_markers markers with `refine` edges between them (9 and 1 in grad_scene_make) */
grad_scene *grad_scene_sized(int stepper, grad_grip grip, size_t rods, size_t frames, int substeps, size_t n_markers,
                             size_t refine, uint64_t seed);
void grad_scene_free(grad_scene *s);
/* the batch, made or made anew as opts say, with every rod's model */
void grad_scene_open(grad_scene *s);
/* scene of `copies` times the rods: copy j is s moved by by[j] along d in one kind, or GRAD_ALL */
grad_scene *grad_scene_moved(const grad_scene *s, const grad_vector *d, int kind, const double *by, size_t copies);
/* rods [n] of s alone, by their numbers */
grad_scene *grad_scene_pick(const grad_scene *s, const size_t *rods, size_t n);

double *grad_alloc(grad_scene *s, size_t count); /* zeros */
grad_vector grad_vector_zero(grad_scene *s);
/* a random direction: of each kind what changes a rollout by a few millimetres */
grad_vector grad_vector_random(grad_scene *s, uint64_t seed);
grad_outputs grad_outputs_zero(grad_scene *s);
/* random cotangents; m is left out */
grad_outputs grad_outputs_random(grad_scene *s, uint64_t seed);

rg_batch_inputs grad_inputs(const grad_scene *s);
/* fails the test where a rod fails */
void grad_forward(grad_scene *s, const grad_outputs *out);
void grad_jvp(grad_scene *s, const grad_vector *d, int kind, const grad_outputs *d_out);
void grad_adjoint(grad_scene *s, const grad_outputs *bar, const grad_vector *g, int kind);
/* fields of every rod of `from` among the inputs of s: a list of all, in order, whose values may be changed */
rg_field_values *grad_give_fields(grad_scene *s, const grad_scene *from, rg_batch_inputs *in);
/* such a list of values [RG_FIELD_COUNT], good until as many others have been made on the same thread */
rg_field_values *grad_list_fields(rg_batch_inputs *in, const double *const *values);
/* numbers of a rod's status as rg_batch_outputs.status has them, against the status itself */
void grad_same_status(const double *numbers, const rg_rod_status *status);
rg_batch_tangents grad_tangents(const grad_vector *d, int kind);
rg_batch_gradients grad_gradients(const grad_vector *g, int kind);
rg_batch_outputs grad_batch_outputs(const grad_outputs *out);
rg_batch_tangent_outputs grad_batch_tangent_outputs(const grad_outputs *d_out);
rg_batch_cotangents grad_cotangents(const grad_outputs *bar);

/* A smooth function of everything that a rod puts out: linear and quadratic parts weighted by w,
 * directors included. loss [rods]; bar NULL or its derivatives, in the sense of
 * rg_batch_cotangents. */
void grad_loss(const grad_scene *s, const grad_outputs *out, const grad_outputs *w, double *loss,
               const grad_outputs *bar);

/* sum over kinds (one, or GRAD_ALL) of the products of two vectors, of one rod; *size: their root
 * sum of squares, the product's usual size */
double grad_vector_dot(const grad_scene *s, const grad_vector *a, const grad_vector *b, int kind, size_t rod,
                       double *size);
double grad_outputs_dot(const grad_scene *s, const grad_outputs *a, const grad_outputs *b, size_t rod, double *size);

/* <J v, w> = <v, J^T w> in every kind; the difference over the products' size: the larger of the
 * sum and of its usual size, the root of the sum of squares */
double grad_dot_products(grad_scene *s, uint64_t seed, int *kind_of_worst);

/* rod i of a into rod k of b, whose scenes have rods of one shape */
void grad_vector_copy(const grad_scene *s, const grad_vector *a, size_t i, const grad_vector *b, size_t k);
void grad_outputs_copy(const grad_scene *s, const grad_outputs *a, size_t i, const grad_outputs *b, size_t k);
/* bytes that differ: of rod i of a and rod k of b */
size_t grad_vector_differ(const grad_scene *s, const grad_vector *a, size_t i, const grad_vector *b, size_t k);
size_t grad_outputs_differ(const grad_scene *s, const grad_outputs *a, size_t i, const grad_outputs *b, size_t k);

#endif
