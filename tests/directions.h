/* directions.h: vectors and outputs of several directions, [n_directions][rods] as rg_batch_tangents has them, over the
 * scenes of grad_scene.h. Include after cmocka.h. */
#ifndef DIRECTIONS_H
#define DIRECTIONS_H

#include "grad_scene.h"

/* random and zero vectors, and zero outputs, of n directions */
static inline grad_vector directions_random(grad_scene *s, size_t n, uint64_t seed)
{
    s->rods *= n;
    const grad_vector v = grad_vector_random(s, seed);
    s->rods /= n;
    return v;
}
static inline grad_vector directions_zero(grad_scene *s, size_t n)
{
    s->rods *= n;
    const grad_vector v = grad_vector_zero(s);
    s->rods /= n;
    return v;
}
static inline grad_outputs directions_outputs(grad_scene *s, size_t n)
{
    s->rods *= n;
    const grad_outputs out = grad_outputs_zero(s);
    s->rods /= n;
    return out;
}

/* direction q alone */
static inline grad_vector directions_pick(const grad_scene *s, const grad_vector *d, size_t q)
{
    grad_vector one;
    for (int kind = 0; kind < GRAD_KINDS; kind++) one.of[kind] = d->of[kind] + q * s->rods * s->count[kind];
    return one;
}

static inline rg_batch_tangents directions_tangents(const grad_vector *d, int kind, size_t n)
{
    rg_batch_tangents t = grad_tangents(d, kind);
    t.n_directions = n;
    return t;
}

#endif
