/* core/hold.c: what a gripper does to a rod, from what each of its vertices and edges does (rg_hold_wrench).
 *
 * Clamped vertices i with forces f_i do work sum f_i . dx_i, clamped edges j with moments m_j about their tangents t_j
 * work sum m_j t_j . dphi. A rigid gripper that moves by du and turns by dphi about c has dx_i = du + dphi x (x_i - c),
 * so that the work is F . du + M . dphi with
 *   F = sum f_i,  M = sum (x_i - c) x f_i + sum m_j t_j. */
#include "core/motion.h"
#include "rodgrad/rollout.h"

static rg_status check(const rg_model *model, size_t first, size_t end, const double *clamp_x, const double *reaction,
                       const double *point, const double *force, const double *moment, rg_error *err)
{
    if (!model || !reaction) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_hold_wrench needs a model and reactions");
    if (!force && !moment) return RG_FAIL(err, RG_ERR_ARGUMENT, "rg_hold_wrench needs a force or a moment to write to");
    if (first >= end || end > rg_model_clamps(model, NULL))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "clamps %zu to %zu are not among the model's %zu; first must be below end",
                       first, end, rg_model_clamps(model, NULL));
    if (moment && (!clamp_x || !point))
        return RG_FAIL(err, RG_ERR_ARGUMENT, "a moment needs clamp_x and the point that it is about");
    return RG_OK;
}

rg_status rg_hold_wrench(const rg_model *model, size_t first, size_t end, const double *clamp_x, const double *reaction,
                         const double *reaction_moment, const double point[3], double force[3], double moment[3],
                         rg_error *err)
{
    double sum[3] = {0.0, 0.0, 0.0}, turn[3] = {0.0, 0.0, 0.0};
    const int *clamps = NULL;
    RG_TRY(check(model, first, end, clamp_x, reaction, point, force, moment, err));
    const int *vertices = rg_model_marker_vertices(model);
    rg_model_clamps(model, &clamps);
    for (size_t k = 0, edge = 0; k < end; k++) {
        const double *f = reaction + 3 * k;
        /* from the clamp before */
        const int joined = k > 0 && vertices[clamps[k]] == vertices[clamps[k - 1]] + 1;
        if (k >= first)
            for (int c = 0; c < 3; c++) sum[c] += f[c];
        if (moment && k >= first) {
            const double *x = clamp_x + 3 * k, r[3] = {x[0] - point[0], x[1] - point[1], x[2] - point[2]};
            turn[0] += r[1] * f[2] - r[2] * f[1];
            turn[1] += r[2] * f[0] - r[0] * f[2];
            turn[2] += r[0] * f[1] - r[1] * f[0];
        }
        if (moment && joined && k > first) {
            double t[3];
            if (!reaction_moment)
                return RG_FAIL(err, RG_ERR_ARGUMENT, "clamps %zu and %zu hold an edge; give reaction_moment", k - 1, k);
            if (!rgi_unit_between(clamp_x + 3 * (k - 1), clamp_x + 3 * k, t))
                return RG_FAIL(err, RG_ERR_VALUE, "clamps %zu and %zu are at one place or not finite", k - 1, k);
            for (int c = 0; c < 3; c++) turn[c] += reaction_moment[edge] * t[c];
        }
        edge += (size_t)joined;
    }
    for (int c = 0; c < 3 && force; c++) force[c] = sum[c];
    for (int c = 0; c < 3 && moment; c++) moment[c] = turn[c];
    return RG_OK;
}
