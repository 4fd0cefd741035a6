/* residual.h: a fit's residuals, simulated markers less recorded ones: their derivative along directions, the loss with
 * its normal equations, and the loss's derivative by markers for a reverse run.
 *
 * The loss of a residual r is Huber's (step/observe.h): |r| beyond the floor, quadratic up to it. J^T W J takes the
 * loss's curvature, J^T w r its slope. */
#ifndef RGI_RESIDUAL_H
#define RGI_RESIDUAL_H

#include "run.h"

RG_FN rgi_marker_arms rgi_run_marker_arms(const rgi_run *run, const rgi_kernel_pack *pack, int k)
{
    const real *offset = pack->offset + 2 * k;
    return rgi_marker_arms_of(&run->rod, run->rod.m1, pack->marker_vertices[k], offset[0], offset[1]);
}

/* derivative of marker k's position in direction q, after rgi_step_accept; arms: of that marker */
RG_FN vec3 rgi_run_marker_jvp(const rgi_run *run, const rgi_kernel_pack *pack, const rgi_marker_arms *arms, int q,
                              int k)
{
    const rgi_rod *rod = &run->rod;
    const int i = pack->marker_vertices[k];
    rgi_tangent d = rgi_run_tangent(run, q);
    vec3 r = v3_add(v3_load(d.x + 3 * i), rgi_marker_arm_jvp(arms, d.x, d.theta));
    for (int e = pack->entry_begin[q]; e < pack->entry_begin[q + 1]; e++) {
        if (pack->entries[e].coefficient < RGI_NC || pack->entries[e].node != k) continue;
        real value = pack->entry_values[e], zero = rg_set1(0.0);
        int second = pack->entries[e].coefficient == RGI_O2;
        r = v3_add(r, rgi_marker_arm(rod, rod->m1, i, second ? zero : value, second ? value : zero));
    }
    return r;
}

/* one frame's rows of pack->rows, from row `at` on; weighted residuals and roots of weights in run->residual */
RG_FN void rgi_run_rows(const rgi_run *run, const rgi_kernel_pack *pack, int at)
{
    const int n_free = pack->n_free, p = pack->n_directions;
    const real *residual = run->residual, *root = residual + 3 * n_free, zero = rg_set1(0.0);
    RG_TEAM_FOR(e, 0, (p + 1) * n_free) {
        const int q = e / n_free, k = e % n_free;
        double *to = pack->rows + q * pack->rows_apart + at + 3 * k;
        real j[3] = {zero, zero, zero};
        if (q < p) {
            const rgi_marker_arms arms = rgi_run_marker_arms(run, pack, pack->free_markers[k]);
            v3_store(j, rgi_run_marker_jvp(run, pack, &arms, q, pack->free_markers[k]));
        }
        for (int c = 0; c < 3; c++) {
            const real scale = root[3 * k + c];
            rmask counts = rg_and(run->alive, rg_lt(zero, scale));
            real value = residual[3 * k + c] / rg_select(counts, scale, rg_set1(1.0));
            if (q < p) value = scale * j[c];
            value = rg_select(counts, value, zero);
            to[c] = RGI_FIRST(value);
        }
    }
    RG_TEAM_SYNC();
}

/* A += J^T J (lower triangle by rows, [p(p+1)/2]) for `rows` rows: jac [p], `apart` reals between them */
RG_FN void rgi_normal_add(const real *RG_RESTRICT jac, int p, int rows, int apart, rgi_stored *RG_RESTRICT normal)
{
    enum { T = 4 };
    for (int a0 = 0; a0 < p; a0 += T)
        for (int b0 = 0; b0 <= a0; b0 += T) {
            real sum[T][T];
            for (int a = 0; a < T; a++)
                for (int b = 0; b < T; b++) sum[a][b] = rg_set1(0.0);
            const real *ja[T], *jb[T];
            for (int k = 0; k < T; k++) {
                ja[k] = jac + (a0 + k < p ? a0 + k : p - 1) * apart;
                jb[k] = jac + (b0 + k < p ? b0 + k : p - 1) * apart;
            }
            for (int r = 0; r < rows; r++)
                for (int a = 0; a < T; a++)
                    for (int b = 0; b < T; b++) sum[a][b] = rg_fma(ja[a][r], jb[b][r], sum[a][b]);
            for (int a = 0; a < T && a0 + a < p; a++)
                for (int b = 0; b < T && b0 + b <= a0 + a; b++)
                    rgi_add(normal, (size_t)((a0 + a) * (a0 + a + 1) / 2 + b0 + b), sum[a][b]);
        }
}

/* loss, gradient and normal matrix of frame f (0 = the first predicted) */
RG_FN void rgi_run_fit(rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const int rows = 3 * pack->n_free, p = pack->n_directions;
    const real floor_ = rg_set1(pack->floor), zero = rg_set1(0.0);
    const real inner_share = rgi_load(pack->share, 0), outer_share = rgi_load(pack->share, 1);
    real *residual = run->residual, *root = residual + rows, sum[4] = {zero, zero, zero, zero};
    RG_TEAM_FOR(k, 0, pack->n_free) {
        int m = pack->free_markers[k], i = pack->marker_vertices[m];
        const real *offset = pack->offset + 2 * m;
        const size_t row = (size_t)f * (size_t)pack->n_free + (size_t)k;
        const vec3 to = rgi_load3(pack->recorded, 3 * row);
        real used = rgi_load(pack->weight, row);
        vec3 at = v3_add(v3_load(rod->x + 3 * i), rgi_marker_arm(rod, rod->m1, i, offset[0], offset[1]));
        const real r[3] = {at.x - to.x, at.y - to.y, at.z - to.z};
        for (int c = 0; c < 3; c++) {
            real size = rg_abs(r[c]), inner = RG_C(0.5) * size * size / floor_;
            /* a failed rod still counts, where it stopped, but pulls no parameter */
            real w = rg_select(run->alive, used / rg_max(size, floor_), zero);
            sum[0] += used * rg_select(rg_lt(size, floor_), inner, size - RG_C(0.5) * floor_);
            sum[1] += used * size;
            sum[2] += used * rg_select(rg_lt(size, floor_), RG_C(1.0) / floor_, zero);
            sum[3] += w;
            residual[3 * k + c] = w * r[c];
            root[3 * k + c] = rg_sqrt(w * rg_select(rg_lt(size, floor_), inner_share, outer_share));
        }
    }
    for (int i = 0; i < 4; i++) {
        real all = rg_team_sum(sum[i]);
        RG_TEAM_ONE { rgi_add(pack->loss, (size_t)i, all); }
    }
    RG_TEAM_SYNC();
    if (p == 0 || (!pack->rows && !pack->normal)) return;
    if (pack->rows) {
        rgi_run_rows(run, pack, f % pack->block * rows);
        return;
    }
    const size_t gradient = (size_t)(f / pack->block) * (size_t)p;
    const int frames = rgi_run_normal_frames(pack), apart = frames * rows, at = f % frames * rows;
    for (int k = 0; k < pack->n_free; k++) {
        const rgi_marker_arms arms = rgi_run_marker_arms(run, pack, pack->free_markers[k]);
        RG_TEAM_FOR(q, 0, p)
            v3_store(run->jac + q * apart + at + 3 * k, rgi_run_marker_jvp(run, pack, &arms, q, pack->free_markers[k]));
    }
    RG_TEAM_FOR(q, 0, p) {
        real *j = run->jac + q * apart + at, along = zero;
        for (int r = 0; r < rows; r++) {
            const real moved = rg_select(run->alive, j[r], zero);
            along = rg_fma(residual[r], moved, along);
            j[r] = root[r] * moved;
        }
        rgi_add(pack->gradients, gradient + (size_t)q, along);
    }
    RG_TEAM_SYNC();
    if (at + rows < apart && (f + 1) * pack->substeps < pack->n_steps) return;
    RG_TEAM_ONE { rgi_normal_add(run->jac, p, at + rows, apart, pack->normal); }
    RG_TEAM_SYNC();
}

/* marker k's cotangent in frame f: given, or the fit's */
RG_FN vec3 rgi_run_residual_adj(const rgi_run *run, const rgi_kernel_pack *pack, int f, int k)
{
    const real zero = rg_set1(0.0);
    real r[3] = {zero, zero, zero};
    if (pack->bar == RGI_BAR_GIVEN) {
        for (int c = 0; pack->markers_bar.data && c < 3; c++)
            r[c] = rgi_get(&pack->markers_bar, pack->rods, f, 3 * k + c);
        return v3(r[0], r[1], r[2]);
    }
    const size_t row = (size_t)f * (size_t)pack->n_free;
    for (int m = 0; m < pack->n_free; m++) {
        if (pack->free_markers[m] != k) continue;
        const vec3 to = rgi_load3(pack->recorded, 3 * (row + (size_t)m));
        const real used = rgi_load(pack->weight, row + (size_t)m);
        const size_t at_jvp = 3 * ((size_t)f * (size_t)pack->n_directions * (size_t)pack->n_markers + (size_t)k);
        real jvp[3] = {zero, zero, zero};
        for (int c = 0; pack->bar == RGI_BAR_NORMAL && c < 3; c++)
            jvp[c] = rgi_load(pack->markers_jvp, at_jvp + (size_t)c);
        const real *offset = pack->offset + 2 * k;
        int i = pack->marker_vertices[k];
        vec3 at = v3_add(v3_load(run->rod.y + 3 * i), rgi_marker_arm(&run->rod, run->rod.y1, i, offset[0], offset[1]));
        const real off[3] = {at.x - to.x, at.y - to.y, at.z - to.z};
        for (int c = 0; c < 3; c++) {
            real w = used / rg_max(rg_abs(off[c]), rg_set1(pack->floor));
            real pull = RG_TERM(w * (pack->bar == RGI_BAR_LOSS ? off[c] : jvp[c]));
            r[c] = rg_select(run->alive, pull, zero);
        }
    }
    return v3(r[0], r[1], r[2]);
}

#endif
