/* core/health.c: what a batch's user needs beside the runs: carried directors, growth rates, and the
 * penalty of multiple shooting (include/rodgrad/batch.h). */
#include <math.h>
#include <string.h>

#include "core/batch.h"

/* direction of an edge; 0 where it has no length, or no finite one */
static int edge_direction(const double *a, const double *b, double *t)
{
    return rgi_unit_between(a, b, t) && t[0] * t[0] + t[1] * t[1] + t[2] * t[2] > 0.5;
}

rg_status rgi_batch_carry_directors(const rg_batch *b, const void *m0, const void *x0, const void *clamp_x, int single,
                                    void *clamp_m, rg_error *err)
{
    if (!b || !m0 || !x0 || !clamp_x || !clamp_m)
        return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_batch_carry_directors needs m0, x0, clamp_x and a place for clamp_m");
    if (b->opts.memory == RG_MEMORY_DEVICE)
        return RG_FAIL(err, RG_ERR_UNSUPPORTED,
                       "rg_batch_carry_directors works on arrays of the host's memory, and this batch's are a "
                       "GPU's; call it on a batch with RG_MEMORY_HOST and copy clamp_m");
    for (size_t rod = 0; rod < b->at.n_rods; rod++) {
        const rgi_shape *s = rgi_batch_shape_of(b, rod);
        for (size_t d = 0; d < s->n_fixed_theta; d++) {
            const size_t edge = (size_t)s->fixed_theta[d];
            double edge_room[6], room[3], m[3], from[3], to[3];
            const double *x = rgi_numbers_at(x0, single, 3 * (rod * b->at.vertices + edge), 6, edge_room);
            size_t place = 0; /* of the edge's first vertex among the clamped */
            while ((size_t)s->fixed_x[place] != edge) place++;
            memcpy(m, rgi_numbers_at(m0, single, 3 * (rod * (b->at.vertices - 1) + edge), 3, room), sizeof m);
            if (!edge_direction(x, x + 3, from))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "clamped edge %zu of rod %zu has no length at the "
                               "start",
                               edge, rod);
            if (!rgi_is_director(x, m, single))
                return RG_FAIL(err, RG_ERR_VALUE,
                               "the director of edge %zu of rod %zu in m0 is not a unit vector across its edge", edge,
                               rod);
            for (size_t k = 0; k < rgi_batch_steps(b); k++) {
                const size_t step = rod * rgi_batch_steps(b) + k, put = 3 * (step * b->at.held + d);
                const double *at = rgi_numbers_at(clamp_x, single, 3 * (step * b->at.clamped + place), 6, edge_room);
                if (!edge_direction(at, at + 3, to))
                    return RG_FAIL(err, RG_ERR_VALUE, "clamped edge %zu of rod %zu has no length in step %zu", edge,
                                   rod, k);
                rgi_transport(from, to, m);
                memcpy(from, to, sizeof from);
                for (size_t c = 0; c < 3; c++) rgi_number_put(clamp_m, single, (ptrdiff_t)(put + c), m[c]);
            }
        }
    }
    return RG_OK;
}

rg_status rg_batch_carry_directors(const rg_batch *b, const double *m0, const double *x0, const double *clamp_x,
                                   double *clamp_m, rg_error *err)
{
    return rgi_batch_carry_directors(b, m0, x0, clamp_x, 0, clamp_m, err);
}

double rg_growth_rate(const double *sizes, size_t n, double interval_s)
{
    double count = 0.0, mean_t = 0.0, mean_y = 0.0, tt = 0.0, ty = 0.0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < n; i++) {
            if (!(sizes[i] > 0.0) || !isfinite(sizes[i])) continue;
            double t = (double)i * interval_s, y = log(sizes[i]);
            if (pass == 0) {
                count += 1.0;
                mean_t += t;
                mean_y += y;
            } else {
                tt += (t - mean_t / count) * (t - mean_t / count);
                ty += (t - mean_t / count) * (y - mean_y / count);
            }
        }
    return count >= 2.0 ? ty / tt : (double)NAN;
}

/* the first rod that has not the shape of rod 0; there is one */
static size_t first_other(const rg_batch *b)
{
    size_t rod = 1;
    while (rgi_batch_shape_of(b, rod) == b->at.places[0].shape) rod++;
    return rod;
}

rg_status rg_batch_shooting(const rg_batch *b, const rg_batch_inputs *inputs, const double *x, const double *v,
                            double weight, double time_s, double *cost, double *x_bar, double *v_bar, double *x0_bar,
                            double *v0_bar, rg_error *err)
{
    if (!b || !inputs || !inputs->x0 || !inputs->v0 || !x || !v || !cost || !x_bar || !v_bar || !x0_bar || !v0_bar ||
        !(weight >= 0.0) || !(time_s >= 0.0))
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_shooting needs a batch, its inputs and outputs, places for the "
                       "derivatives, and a weight and time of at least 0");
    if (b->at.n_shapes > 1)
        return RG_FAIL(err, RG_ERR_ARGUMENT,
                       "rg_batch_shooting needs segments of one rod, and rod %zu has another mesh or other clamps "
                       "than rod 0",
                       first_other(b));
    const size_t row = 3 * b->at.vertices, frames = b->opts.n_frames;
    const double v_weight = weight * time_s * time_s;
    for (size_t rod = 0; rod + 1 < b->at.n_rods; rod++) {
        const size_t end = (rod * frames + frames - 1) * row, start = (rod + 1) * row;
        for (size_t i = 0; i < row; i++) {
            double dx = x[end + i] - inputs->x0[start + i];
            double dv = v[end + i] - inputs->v0[start + i];
            *cost += 0.5 * (weight * dx * dx + v_weight * dv * dv);
            x_bar[end + i] += weight * dx;
            v_bar[end + i] += v_weight * dv;
            x0_bar[start + i] -= weight * dx;
            v0_bar[start + i] -= v_weight * dv;
        }
    }
    return RG_OK;
}
