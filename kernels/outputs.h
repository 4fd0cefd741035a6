/* outputs.h: what a frame puts out: states, markers, forces and energies, their changes along directions, and the share
 * of its residuals in a fit's sums. */
#ifndef RGI_OUTPUTS_H
#define RGI_OUTPUTS_H

#include "residual.h"

RG_FN vec3 rgi_run_marker(const rgi_run *run, const rgi_kernel_pack *pack, int k)
{
    const real *offset = pack->offset + 2 * k;
    int i = pack->marker_vertices[k];
    return v3_add(v3_load(run->rod.x + 3 * i), rgi_marker_arm(&run->rod, run->rod.m1, i, offset[0], offset[1]));
}

/* frame f's forces: tensions of edges, moments of joints, what holds prescribed unknowns, in lanes that are alive. The
 * state is the step's solution; w, a and c (assemble.h) are still the step's. */
RG_APART void rgi_run_forces(rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const int rods = pack->rods, reactions = pack->out_reaction.data || pack->out_torque.data;
    const real zero = rg_set1(0.0);
    RG_TEAM_FOR(i, 0, pack->out_tension.data ? pack->n - 1 : 0)
        rgi_put(&pack->out_tension, rods, f, i, rg_select(run->alive, rgi_edge_tension(rod, i), zero));
    RG_TEAM_FOR(i, 0, pack->out_moment.data ? pack->n : 0) {
        real w[3] = {zero, zero, zero};
        if (i > 0 && i < pack->n - 1) rgi_joint_stress(rod, rod->s, i, w);
        for (int c = 0; c < 3; c++) rgi_put(&pack->out_moment, rods, f, 3 * i + c, rg_select(run->alive, w[c], zero));
    }
    if (!reactions) return;
    rgi_strain_gradients(&run->rod, rod->x, rod->m1);
    RG_TEAM_FOR(k, 0, pack->out_reaction.data ? pack->n_fixed_x : 0) {
        real r[3];
        rgi_vertex_residual(rod, rod->x, rod->s, pack->fixed_x[k], r);
        for (int c = 0; c < 3; c++) rgi_put(&pack->out_reaction, rods, f, 3 * k + c, rg_select(run->alive, r[c], zero));
    }
    RG_TEAM_FOR(k, 0, pack->out_torque.data ? pack->n_fixed_theta : 0) {
        const real torque = rgi_edge_torque(rod, rod->s, pack->fixed_theta[k]);
        rgi_put(&pack->out_torque, rods, f, k, rg_select(run->alive, torque, zero));
    }
}

/* changes of them in direction q */
RG_APART void rgi_run_forces_jvp(const rgi_run *run, const rgi_kernel_pack *pack, int f, int q)
{
    const int rods = pack->rods;
    const real zero = rg_set1(0.0);
    const rgi_forces of = rgi_run_forces_along(run, q);
    const rgi_series_out tension = rgi_out_along(pack, &pack->out_dtension, q);
    const rgi_series_out moment = rgi_out_along(pack, &pack->out_dmoment, q);
    const rgi_series_out reaction = rgi_out_along(pack, &pack->out_dreaction, q);
    const rgi_series_out torque = rgi_out_along(pack, &pack->out_dtorque, q);
    RG_TEAM_FOR(i, 0, tension.data ? pack->n - 1 : 0)
        rgi_put(&tension, rods, f, i, rg_select(run->alive, of.tension[i], zero));
    RG_TEAM_FOR(k, 0, moment.data ? 3 * pack->n : 0)
        rgi_put(&moment, rods, f, k, rg_select(run->alive, of.moment[k], zero));
    RG_TEAM_FOR(k, 0, reaction.data ? pack->n_fixed_x : 0)
        for (int c = 0; c < 3; c++) {
            const real r = of.reaction[RGI_NU * pack->fixed_x[k] + c];
            rgi_put(&reaction, rods, f, 3 * k + c, rg_select(run->alive, r, zero));
        }
    RG_TEAM_FOR(k, 0, torque.data ? pack->n_fixed_theta : 0) {
        const real r = of.reaction[RGI_NU * pack->fixed_theta[k] + 3];
        rgi_put(&torque, rods, f, k, rg_select(run->alive, r, zero));
    }
}

/* Frame f's energies, in lanes that are alive; and their changes in every direction. One lane of a team for a sum,
 * which has one order. */
RG_APART void rgi_run_energy(const rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const real zero = rg_set1(0.0);
    real sum[RGI_ENERGIES] = {zero, zero, zero, zero, zero};
    RG_TEAM_ONE
    {
        for (int i = 0; i < pack->n; i++)
            rgi_energy_add(rod, &run->step, rgi_seen_at(rod->x, rod->v, rod->s, rod->z, i), i, sum);
        for (int k = 0; k < RGI_ENERGIES; k++)
            rgi_put(&pack->out_energy, pack->rods, f, k, rg_select(run->alive, sum[k], zero));
    }
}
RG_APART void rgi_run_energy_jvp(const rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const real zero = rg_set1(0.0);
    RG_TEAM_FOR(q, 0, pack->n_directions) {
        const rgi_tangent d = rgi_run_tangent(run, q);
        const rgi_series_out energy = rgi_out_along(pack, &pack->out_denergy, q);
        real sum[RGI_ENERGIES] = {zero, zero, zero, zero, zero};
        for (int i = 0; i < pack->n; i++)
            rgi_energy_jvp(rod, &run->step, rgi_seen_at(rod->x, rod->v, rod->s, rod->z, i), i, d, sum);
        for (int e = pack->entry_begin[q]; e < pack->entry_begin[q + 1]; e++) {
            const rgi_entry entry = {pack->entries[e].node, pack->entries[e].coefficient};
            if (entry.coefficient >= RGI_NC || entry.node >= pack->n) continue;
            const rgi_seen at = rgi_seen_at(rod->x, rod->v, rod->s, rod->z, entry.node);
            rgi_energy_entry_jvp(rod, &run->step, at, entry, pack->entry_values[e], sum);
        }
        for (int k = 0; k < RGI_ENERGIES; k++) rgi_put(&energy, pack->rods, f, k, rg_select(run->alive, sum[k], zero));
    }
}

/* frame f's changes along the directions */
RG_APART void rgi_run_frame_jvp(const rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const int n = pack->n, rods = pack->rods;
    for (int q = 0; q < pack->n_directions; q++) {
        const rgi_tangent d = rgi_run_tangent(run, q);
        const rgi_series_out x = rgi_out_along(pack, &pack->out_dx, q), v = rgi_out_along(pack, &pack->out_dv, q);
        const rgi_series_out turn = rgi_out_along(pack, &pack->out_dturn, q);
        const rgi_series_out markers = rgi_out_along(pack, &pack->out_dmarkers, q);
        rgi_put_many(&x, rods, f, 3 * n, d.x);
        rgi_put_many(&v, rods, f, 3 * n, d.v);
        rgi_put_many(&turn, rods, f, n - 1, d.theta);
        if (rgi_run_needs_forces(pack)) rgi_run_forces_jvp(run, pack, f, q);
        RG_TEAM_FOR(k, 0, markers.data ? pack->n_markers : 0) {
            real at[3];
            const rgi_marker_arms arms = rgi_run_marker_arms(run, pack, k);
            v3_store(at, rgi_run_marker_jvp(run, pack, &arms, q, k));
            rgi_put_items(&markers, rods, f, 3 * k, 3, at);
        }
    }
    if (pack->out_denergy.data) rgi_run_energy_jvp(run, pack, f);
}

RG_FN void rgi_run_frame(rgi_run *run, const rgi_kernel_pack *pack, int f)
{
    const rgi_rod *rod = &run->rod;
    const int n = pack->n, rods = pack->rods;
    /* markers hang on the state's tangents: a frozen rod's trial is not its state */
    rgi_edges(&run->rod, rod->x);
    rgi_put_many(&pack->out_x, rods, f, 3 * n, rod->x);
    rgi_put_many(&pack->out_v, rods, f, 3 * n, rod->v);
    rgi_put_many(&pack->out_m, rods, f, 3 * (n - 1), rod->m1);
    if (rgi_run_puts_forces(pack)) rgi_run_forces(run, pack, f);
    if (pack->out_energy.data) rgi_run_energy(run, pack, f);
    RG_TEAM_FOR(k, 0, pack->out_markers.data ? pack->n_markers : 0) {
        real at[3];
        v3_store(at, rgi_run_marker(run, pack, k));
        rgi_put_items(&pack->out_markers, rods, f, 3 * k, 3, at);
    }
    if (pack->markers_jvp)
        RG_TEAM_FOR(q, 0, pack->n_directions)
            for (int k = 0; k < pack->n_markers; k++) {
                size_t at = ((size_t)f * (size_t)pack->n_directions + (size_t)q) * (size_t)pack->n_markers + (size_t)k;
                const rgi_marker_arms arms = rgi_run_marker_arms(run, pack, k);
                const vec3 moved = rgi_run_marker_jvp(run, pack, &arms, q, k);
                rgi_store(pack->markers_jvp, 3 * at, moved.x);
                rgi_store(pack->markers_jvp, 3 * at + 1, moved.y);
                rgi_store(pack->markers_jvp, 3 * at + 2, moved.z);
            }
    if (rgi_run_puts_tangents(pack)) rgi_run_frame_jvp(run, pack, f);
    if (pack->recorded) rgi_run_fit(run, pack, f);
    RG_TEAM_SYNC();
}

#endif
