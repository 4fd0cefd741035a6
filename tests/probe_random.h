/* probe_random.h: seeded random numbers and three-vectors of doubles for the element tests. */
#ifndef PROBE_RANDOM_H
#define PROBE_RANDOM_H

#include <math.h>
#include <stdint.h>

/* splitmix64: the next state and its hash, in [0, 1) */
static inline double random_uniform(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}
static inline double random_signed(uint64_t *seed) { return 2.0 * random_uniform(seed) - 1.0; }

static inline double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
static inline double norm(const double *a) { return sqrt(dot(a, a)); }
static inline void cross(const double *a, const double *b, double *r)
{
    r[0] = a[1] * b[2] - a[2] * b[1];
    r[1] = a[2] * b[0] - a[0] * b[2];
    r[2] = a[0] * b[1] - a[1] * b[0];
}
static inline void unit(const double *a, double *r)
{
    double k = 1.0 / norm(a);
    for (int i = 0; i < 3; i++) r[i] = k * a[i];
}
/* r = a turned about the unit vector n (Rodrigues) */
static inline void rotate(const double *n, double angle, const double *a, double *r)
{
    double b[3], c = cos(angle), s = sin(angle), k = (1.0 - c) * dot(n, a);
    cross(n, a, b);
    for (int i = 0; i < 3; i++) r[i] = c * a[i] + s * b[i] + k * n[i];
}
static inline void random_unit(uint64_t *seed, double *r)
{
    double a[3];
    do {
        for (int i = 0; i < 3; i++) a[i] = random_signed(seed);
    } while (dot(a, a) > 1.0 || dot(a, a) < 0.01);
    unit(a, r);
}
static inline void random_perpendicular(uint64_t *seed, const double *t, double *r)
{
    double a[3], b[3];
    do {
        random_unit(seed, a);
        cross(t, a, b);
    } while (dot(b, b) < 0.1);
    unit(b, r);
}

#endif
