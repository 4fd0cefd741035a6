/* core/directors.c: directors of a curve without twist: one chosen at its first edge and carried along the
 * others by parallel transport (docs/physics.md, section 1). */
#include <math.h>
#include <string.h>

#include "core/motion.h"
#include "rodgrad/batch.h"

enum { ENOUGH = 1000000 }; /* a director across its edge is at least 1/ENOUGH of what it is made of */

static double norm(const double *u) { return sqrt(u[0] * u[0] + u[1] * u[1] + u[2] * u[2]); }

static double dot(const double *u, const double *v) { return u[0] * v[0] + u[1] * v[1] + u[2] * v[2]; }

int rgi_director_chosen(const double *x, size_t n, const double *t, double *m)
{
    static const double vertical[3] = {0.0, 0.0, 1.0}, x_axis[3] = {1.0, 0.0, 0.0};
    const double least = 0.01; /* [rad] noise of 0.2 mm turns a chord of 50 mm by 0.006 */
    double across[3];
    if (rgi_unit_between(x, x + 3 * (n - 1), across)) {
        const double along = dot(across, t);
        const double aside[3] = {across[0] - along * t[0], across[1] - along * t[1], across[2] - along * t[2]};
        memcpy(m, across, sizeof across);
        if (norm(aside) > least) return 1;
    }
    memcpy(m, fabs(t[2]) < 0.98 ? vertical : x_axis, sizeof across);
    return 0;
}

rg_status rg_directors_along(const double *positions, size_t n_vertices, const double *first, double *directors,
                             rg_error *err)
{
    double t[3], next[3], m[3];
    if (!positions || !directors || n_vertices < 2)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "directors need positions of 2 or more vertices and an array to go to; there are %zu vertices",
                       n_vertices);
    for (size_t i = 0; i < n_vertices; i++)
        for (size_t c = 0; c < 3; c++)
            if (!isfinite(positions[3 * i + c])) return RG_FAIL(err, RG_ERR_VALUE, "vertex %zu is not finite", i);
    for (size_t i = 0; i + 1 < n_vertices; i++)
        if (!rgi_unit_between(positions + 3 * i, positions + 3 * i + 3, next))
            return RG_FAIL(err, RG_ERR_VALUE, "vertices %zu and %zu are at one place", i, i + 1);
    rgi_unit_between(positions, positions + 3, t);
    if (first) {
        const double size = norm(first), along = dot(first, t);
        const double across[3] = {first[0] - along * t[0], first[1] - along * t[1], first[2] - along * t[2]};
        if (!(size > 0.0) || !isfinite(size) || !(norm(across) * ENOUGH > size))
            return RG_FAIL(err, RG_ERR_VALUE,
                           "the first director (%g, %g, %g) is zero, not finite or along the first edge; give one "
                           "across it",
                           first[0], first[1], first[2]);
        for (int c = 0; c < 3; c++) m[c] = first[c] / size;
    } else {
        rgi_director_chosen(positions, n_vertices, t, m);
    }
    rgi_transport(t, t, m); /* makes it a unit vector across the edge */
    memcpy(directors, m, sizeof m);
    for (size_t i = 1; i + 1 < n_vertices; i++) {
        rgi_unit_between(positions + 3 * i, positions + 3 * i + 3, next);
        rgi_transport(t, next, m);
        memcpy(directors + 3 * i, m, sizeof m);
        memcpy(t, next, sizeof t);
    }
    return RG_OK;
}
